"""The echo of a rule: plain words, units, markets, and what each part is now."""

from dataclasses import replace

import pytest
from rule_world import FIGURES, names

from alerts.conditions import metrics_of
from alerts.language.rules import Language
from alerts.types import Sample
from market.types import Kind, Reading

LANGUAGE, NAMES = Language(FIGURES), names()
NOW = 1_000_000_000


def echo(text: str, *values: Sample | str | float) -> list[str]:
    parsed = LANGUAGE.parse(text, NAMES)
    metrics = metrics_of(parsed.condition)
    known = dict(zip(metrics, (_sample(each) for each in values), strict=False))
    return LANGUAGE.echo(
        parsed.condition,
        subjects=parsed.subjects,
        names=NAMES,
        values=known,
        said=parsed.said,
        now=NOW,
    )


def _sample(value: Sample | str | float) -> Sample | str:
    return value if isinstance(value, Sample | str) else Sample(ts=NOW - 3000, value=value)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("btc above 95k", "BTC price (Binance BTC/USDT perp) reaches 95,000 from below"),
        ("btc crosses 95k", "BTC price (Binance BTC/USDT perp) crosses 95,000, up or down"),
        ("btc spot < 90000.5", "BTC price (Binance BTC/USDT spot) is below 90,000.5"),
        ("btc oi rises 3% in 15m",
         "BTC open interest (perps of all venues) rises by 3% or more within 15 m"),
        ("btc oi +50000 2h",
         "BTC open interest (perps of all venues) rises by 50,000 BTC or more within 2 h"),
        ("btc oi usd -$1b 4h",
         "BTC open interest usd (perps of all venues) falls by $1,000,000,000 or more within 4 h"),
        ("btc funding > 0.03%", "BTC funding (Binance BTC/USDT perp) is above 0.03% per interval"),
        ("btc volume 200 15m",
         "BTC 15 m volume (Binance BTC/USDT perp) crosses above 200% of the usual"),
        ("btc volume z > 3 on 1h",
         "BTC 1 h volume z (Binance BTC/USDT perp) is above 3 standard deviations"),
        ("btc long liquidations > $5m in 15m",
         "BTC liquidations long of 15 m (perps of all venues) is above $5,000,000"),
        ("btc price within 0.3% over 1h",
         "BTC price (Binance BTC/USDT perp) moves less than 0.3% either way within 1 h"),
        ("btc moves 3% in 1h",
         "BTC price (Binance BTC/USDT perp) rises or falls by 3% or more within 1 h"),
        ("btc bearish divergence 4h", "BTC 4 h divergence (Binance BTC/USDT perp) bearish"),
        ("btc whale sell > 2m", "BTC whale sell (Binance BTC/USDT perp) above $2,000,000"),
        ("new listing", "listing new happens"),
    ],
)  # fmt: skip
def test_a_part_is_said_in_plain_words(text: str, line: str) -> None:
    assert echo(text)[0] == line


def test_brackets_are_indented_and_sequences_are_in_order() -> None:
    lines = echo("(btc above 95k or funding > 0.05%) for 5m then eth up 3% in 1h within 30m")
    assert [line.strip().split(" (")[0] for line in lines] == [
        "first:", "without a break for 5 m:", "any of these:", "BTC price", "BTC funding",
        "then, within 30 m of it:", "ETH price",
    ]  # fmt: skip
    assert [len(line) - len(line.lstrip()) for line in lines] == [0, 2, 4, 6, 6, 0, 2]


def test_a_part_shows_its_value_its_distance_and_its_evidence() -> None:
    assert echo("btc above 95k", 93_100.5)[1] == "  now 93,100.5, 2.04 % away (Binance, 3 s old)"
    assert echo("btc funding > 0.03%", 0.0001)[1] == (
        "  now +0.0100 %, 0.02 points away (Binance, 3 s old)"
    )
    assert echo("btc rsi above 70 on 4h", 61.24)[1] == "  now 61.24, 8.76 away (Binance, 3 s old)"


def test_a_part_that_is_so_already_says_so() -> None:
    assert "true now" in echo("btc > 95k", 96_000.0)[1]
    assert "has to come back first" in echo("btc above 95k", 96_000.0)[1]
    assert "has to come back first" in echo("btc below 95k", 94_000.0)[1]


def test_what_is_not_known_says_why() -> None:
    assert (
        echo("btc above 95k", "Binance is silent for 40 s")[1]
        == "  now n/a: Binance is silent for 40 s"
    )


def test_an_estimate_is_called_one_with_its_venues() -> None:
    reading = Reading(value=0.004, as_of=NOW, venues=("binance", "okx"), kind=Kind.ESTIMATED)
    sample = Sample(ts=NOW - 65_000, value=0.004, reading=reading)
    line = echo("btc liquidation cluster within 0.3%", sample)[1]
    assert line.endswith("(Binance OKX, 1 m old, estimated)") or "estimated" in line
    assert "1 m old" in line
    older = echo("btc liquidation cluster within 0.3%", replace(sample, ts=NOW - 600_000))[1]
    assert "10 m old" in older


def test_a_list_and_what_was_filled_in_are_said() -> None:
    lines = echo("any of btc, eth rsi > 70")
    assert lines[0] == "for each of BTC (Binance BTC/USDT perp), ETH (Binance ETH/USDT perp):"
    assert lines[-1] == "taken as: rsi of 1h candles, as no time was said"
    assert echo("any coin +5% 1h")[0] == "for each of all perps the desk streams:"


def test_no_digit_of_a_threshold_is_rounded_away() -> None:
    assert "0.00001234567" in echo("pepe above 0.00001234567")[0]
    assert "95,123.456789" in echo("btc above 95123.456789")[0]
