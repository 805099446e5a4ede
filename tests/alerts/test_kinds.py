"""From the words of each command to exactly one condition, to a text that makes it again, and a step either way."""

from typing import Any

import pytest
from alert_market import ALL, BTC, ETH, START, FakeMarket, instrument

from alerts.figures import Scope
from alerts.kinds import FIGURES, KINDS, figure_of, kind_of
from alerts.kinds.base import GROUPS
from alerts.kinds.words import Compiled
from alerts.types import (
    EACH,
    AllOf,
    AnyOf,
    Condition,
    Cross,
    Event,
    For,
    Metric,
    Op,
    Repeat,
    Rise,
    Severity,
    State,
)
from market.clock import FixedClock
from market.errors import UserError
from market.types import HOUR, MINUTE

SOL = instrument("binance", "SOL")
SPOT_EUR = instrument("coinbase", "BTC", perp=False, quote="EUR")
B, E = BTC.key, ETH.key


def market() -> Any:
    return FakeMarket(FixedClock(START), instruments=(*ALL, SOL))


def made(kind: str, words: str) -> Compiled:
    return kind_of(kind).compile(tuple(words.split()), market(), "binance")


def metric(name: str, subject: str = B, **fields: Any) -> Metric:
    return Metric(subject=subject, name=name, **fields)


def above(m: Metric, level: float, rearm: float | None) -> Cross:
    return Cross(metric=m, op=Op.ABOVE, level=level, rearm=rearm)


def below(m: Metric, level: float, rearm: float | None) -> Cross:
    return Cross(metric=m, op=Op.BELOW, level=level, rearm=rearm)


PRICE15 = metric("price", window=15 * MINUTE)
CASES: list[tuple[str, str, Condition]] = [
    ("move", "BTC 3% 15m", AnyOf(parts=(
        Rise(metric=PRICE15, amount=0.03, relative=True),
        Rise(metric=PRICE15, amount=-0.03, relative=True),
    ))),
    ("move", "BTC +5% 1h", Rise(metric=metric("price", window=HOUR), amount=0.05, relative=True)),
    ("move", "BTC -10% 1d", Rise(metric=metric("price", window=24 * HOUR), amount=-0.1, relative=True)),
    ("turnover", "BTC above $100m 5m", above(metric("turnover", window=5 * MINUTE), 1e8, 0.8e8)),
    ("delta", "BTC above $5m 5m", above(metric("delta", window=5 * MINUTE), 5e6, 4e6)),
    ("delta", "BTC below -$5m 1m", below(metric("delta", window=MINUTE), -5e6, -4e6)),
    ("divergence", "BTC below 0 4h", Event(metric=metric("divergence", timeframe="4h"), op=Op.BELOW)),
    ("whale", "BTC above $1m", Event(metric=metric("whale"), level=1e6)),
    ("whale", "BTC sell above $2m", Event(metric=metric("whale", param="sell"), level=2e6)),
    ("whale", "BTC", Event(metric=metric("whale"))),
    ("funding", "BTC above 0.05%", above(metric("funding"), 0.0005, 0.00049)),
    ("funding", "BTC below 0%", below(metric("funding"), 0.0, 0.00001)),
    ("funding", "BTC below -0.01%", below(metric("funding"), -0.0001, -0.00009)),
    ("funding", "BTC funding apr above 50%", above(metric("funding_apr"), 0.5, 0.495)),
    ("premium", "BTC above 0.2%", above(metric("premium"), 0.002, 0.0019)),
    ("liq", "BTC above $1m", Event(metric=metric("liquidation", "*:BTC"), level=1e6)),
    ("liq", "BTC long above $500k",
     Event(metric=metric("liquidation", "*:BTC", param="long"), level=5e5)),
    ("liqs", "BTC above $10m 15m",
     above(metric("liquidations", "*:BTC", window=15 * MINUTE), 1e7, 0.7e7)),
    ("liqs", "BTC long above $5m 1h",
     above(metric("liquidations", "*:BTC", window=HOUR, param="long"), 5e6, 3.5e6)),
    ("cascade", "BTC above $1m", Event(metric=metric("cascade", "*:BTC"), level=1e6)),
    ("cluster", "BTC below 0.5%", below(metric("liq_cluster", "*:BTC"), 0.005, 0.0065)),
    ("book", "BTC above 75% for 10s",
     For(part=State(metric=metric("imbalance"), op=Op.ABOVE, level=0.75), duration=10_000)),
    ("wall", "BTC bid above $10m", Event(metric=metric("wall", param="bid"), level=1e7)),
    ("close", "BTC above 95k 4h", above(metric("close", timeframe="4h"), 95_000.0, 94_905.0)),
    ("close", "BTC below 90k", below(metric("close", timeframe="1h"), 90_000.0, 90_090.0)),
    ("rsi", "BTC above 70 1h", above(metric("rsi", timeframe="1h", param="14"), 70.0, 68.0)),
    ("rsi", "BTC below 30 4h", below(metric("rsi", timeframe="4h", param="14"), 30.0, 32.0)),
    ("macd", "BTC above 0 4h", above(metric("macd", timeframe="4h", param="12,26,9"), 0.0, None)),
    ("bb", "BTC below 0 4h", below(metric("bollinger", timeframe="4h", param="20,2"), 0.0, 0.05)),
    ("ma", "BTC ema200 below 0% 1d",
     below(metric("ma_distance", timeframe="1d", param="ema200"), 0.0, 0.001)),
    ("stoch", "BTC below 20 1h",
     below(metric("stochastic", timeframe="1h", param="14,3"), 20.0, 22.0)),
    ("ichimoku", "BTC above 0% 4h", above(metric("ichimoku", timeframe="4h"), 0.0, None)),
    ("atr", "BTC above 1% 1h", above(metric("atr", timeframe="1h", param="14"), 0.01, 0.009)),
    ("vwap", "BTC above 0% 15m", above(metric("vwap_distance", timeframe="15m"), 0.0, -0.001)),
    ("crash", "BTC", Event(metric=metric("crash", "*:BTC"))),
    ("crash", "BTC above 5%", Event(metric=metric("crash", "*:BTC"), level=0.05)),
    ("anomaly", "SOL above 8", Event(metric=metric("anomaly", "*:SOL"), level=8.0)),
    ("regime", "BTC", Event(metric=metric("regime", "*:BTC"))),
    ("correlation", "ETH below 0.5",
     below(metric("correlation", "*:ETH", timeframe="1h", param="BTC"), 0.5, 0.55)),
    ("correlation", "SOL ETH below 0.6",
     below(metric("correlation", "*:SOL", timeframe="1h", param="ETH"), 0.6, 0.65)),
    ("listing", "new", Event(metric=metric("listing", "*", param="new"))),
    ("listing", "", Event(metric=metric("listing", "*"))),
    ("blind", "BTC above 60", above(metric("blind"), 60.0, 30.0)),
    ("report", "08:00", Event(metric=metric("report", "*", param="08:00"))),
    ("report", "21:30", Event(metric=metric("report", "*", param="21:30"))),
    ("when", "BTC price > 95k and ETH rsi > 70", AllOf(parts=(
        State(metric=metric("price"), op=Op.ABOVE, level=95_000.0),
        State(metric=metric("rsi", E, timeframe="1h", param="14"), op=Op.ABOVE, level=70.0),
    ))),
]  # fmt: skip


def near(found: Condition, wanted: Condition) -> None:
    """The same but for the last digits of floats."""
    assert type(found) is type(wanted)
    match wanted:
        case AllOf() | AnyOf():
            assert isinstance(found, AllOf | AnyOf)
            for one, other in zip(found.parts, wanted.parts, strict=True):
                near(one, other)
        case For():
            assert isinstance(found, For)
            assert found.duration == wanted.duration
            near(found.part, wanted.part)
        case _:
            for name in wanted.__slots__:
                value = getattr(found, name)
                if isinstance(value, float):
                    assert value == pytest.approx(getattr(wanted, name), rel=1e-12, abs=1e-15), name
                else:
                    assert value == getattr(wanted, name), name


@pytest.mark.parametrize(("kind", "words", "wanted"), CASES, ids=[f"{k} {w}" for k, w, _c in CASES])
def test_words_make_exactly_this_condition(kind: str, words: str, wanted: Condition) -> None:
    near(made(kind, words).condition, wanted)


@pytest.mark.parametrize(("kind", "words"), [(k, w) for k, w, _c in CASES])
def test_the_text_of_a_rule_makes_the_same_rule_again(kind: str, words: str) -> None:
    first = made(kind, words)
    command, *rest = first.text.split()
    assert command == f"/{kind_of(kind).command}"
    again = made(kind, " ".join(rest))
    assert again == first


OPTIONS = 'once critical until 2d cap 10/day note "take profit"'


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("price", "BTC above 95k"), ("volume", "BTC 200 15m"), ("oi", "BTC +5% 1h"),
        ("cvd", "ETH negative 4h"), ("rsi", "BTC above 70 1h"), ("liqs", "BTC above $10m 15m"),
        ("move", "BTC 3% 15m"), ("crash", "BTC"),
    ],
)  # fmt: skip
def test_every_kind_takes_options_at_its_end_and_writes_them_again(kind: str, words: str) -> None:
    plain, told = made(kind, words), made(kind, f"{words} {OPTIONS}")
    assert told.condition == plain.condition
    assert (told.repeat, told.severity, told.note) == (
        Repeat.ONCE,
        Severity.CRITICAL,
        "take profit",
    )
    assert (told.expires, told.daily_cap) == ("2d", 10)
    assert told.text.startswith(plain.text)
    again = kind_of(kind).compile(tuple(told.text.split()[1:]), market(), "binance")
    assert again == told
    often = made(kind, f"{words} every 2h")
    assert (often.repeat, often.cooldown) == (Repeat.EVERY, 2 * HOUR)


@pytest.mark.parametrize("kind", [each.name for each in KINDS])
def test_the_usage_and_every_example_and_preset_of_a_kind_can_be_typed(kind: str) -> None:
    found = kind_of(kind)
    presets = [each.command for each in found.presets("ETH", 2500.0)]
    assert presets
    assert [each for each in found.presets("BTC", None) if not each.label] == []
    for text in (found.usage, *found.examples, *presets):
        command, *words = text.split()
        assert command == f"/{found.command}"
        compiled = found.compile(tuple(words), market(), "binance")
        assert compiled.text.startswith(command)


@pytest.mark.parametrize("kind", [each.name for each in KINDS])
def test_every_kind_has_what_help_and_wizard_need(kind: str) -> None:
    found = kind_of(kind)
    assert found.group in GROUPS
    assert found.title
    assert found.meaning
    assert len(found.usage) <= 64
    assert all(len(each.encode()) <= 64 for each in found.examples)
    assert type(found).__doc__


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("liqs", "BTC above $10m 7m"), ("rsi", "BTC above 170 1h"), ("book", "BTC above 175%"),
        ("whale", "BTC above $100k"), ("vwap", "BTC above 0% 1d"), ("funding", "BTC above 80%"),
        ("rsi", ""), ("rsi", "NOSUCHCOIN above 70"), ("report", "27:00"), ("delta", "BTC above 5%"),
        ("turnover", "BTC below -$5m"), ("correlation", "ETH below 3"),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused_with_a_sentence(kind: str, words: str) -> None:
    with pytest.raises(UserError) as caught:
        made(kind, words)
    assert str(caught.value)


def test_a_coin_that_is_called_like_a_figure_is_still_a_coin() -> None:
    bounce = instrument("binance", "BB")
    room: Any = FakeMarket(FixedClock(START), instruments=(*ALL, bounce))
    found = kind_of("rsi").compile(("BB", "above", "70", "1h"), room, "binance")
    assert found.condition == above(
        metric("rsi", bounce.key, timeframe="1h", param="14"), 70.0, 68.0
    )


def test_a_coin_is_not_correlated_with_itself() -> None:
    with pytest.raises(UserError, match="always moves with itself"):
        made("correlation", "BTC below 0.5")
    assert next(each.command for each in kind_of("correlation").presets("BTC", None)) == (
        "/alert_correlation BTC ETH below 0.7"
    )


def test_levels_that_the_wizard_offers_are_round_and_around_the_price() -> None:
    labels = [each.command for each in kind_of("price").presets("ETH", 2512.3)]
    assert labels[:2] == ["/alert ETH above 2560", "/alert ETH below 2460"]
    assert kind_of("price").presets("ETH", None) == []


def test_a_rule_over_several_coins_is_about_each_of_them() -> None:
    found = made("rsi", "BTC,ETH,SOL above 70 1h")
    assert found.subjects == (B, E, SOL.key)
    assert found.condition == above(metric("rsi", EACH, timeframe="1h", param="14"), 70.0, 68.0)


def test_the_old_commands_take_rules_of_several_parts_too() -> None:
    found = made("price", "BTC > 95k and ETH < 3k")
    assert isinstance(found.condition, AllOf)
    assert found.text.startswith("/alert ")
    assert made("price", found.text.partition(" ")[2]) == found
    assert made("price", "BTC,ETH above 95k").subjects == (B, E)
    assert made("oi", "BTC oi usd above $20b").condition.metric.name == "open_interest_usd"  # type: ignore[union-attr]


def test_a_shift_makes_a_rule_harder_or_easier_to_meet() -> None:
    for kind, words in (
        ("rsi", "BTC above 70 1h"), ("rsi", "BTC below 30 1h"), ("funding", "BTC below -0.01%"),
        ("delta", "BTC below -$5m 5m"), ("liqs", "BTC above $10m 15m"), ("move", "BTC +5% 1h"),
        ("move", "BTC -5% 1h"), ("cluster", "BTC below 0.5%"), ("whale", "BTC above $2m"),
    ):  # fmt: skip
        first = made(kind, words)
        rest = tuple(first.text.split()[1:])
        levels = []
        for tighter in (True, False):
            shifted = kind_of(kind).shifted(rest, tighter=tighter)
            condition = made(kind, " ".join(shifted)).condition
            levels.append(_level(condition))
        start = _level(first.condition)
        down = getattr(first.condition, "op", Op.ABOVE) is Op.BELOW or (
            start < 0 and kind == "move"
        )
        assert (levels[0] < start < levels[1]) if down else (levels[0] > start > levels[1]), kind


def _level(condition: Condition) -> float:
    found = getattr(condition, "level", None)
    return float(condition.amount if found is None else found)  # type: ignore[union-attr]


def test_without_a_level_the_candle_gets_longer() -> None:
    kind = kind_of("macd")
    words = tuple(made("macd", "BTC above 0 1h").text.split()[1:])
    assert (
        made("macd", " ".join(kind.shifted(words, tighter=True))).condition.metric.timeframe == "2h"
    )  # type: ignore[union-attr]
    with pytest.raises(UserError, match="no level"):
        kind_of("crash").shifted(("BTC-PERP", "crash"), tighter=True)


def test_names_and_words_of_figures_are_unique_and_known() -> None:
    names = [each.name for each in FIGURES]
    words = [word for each in FIGURES for word in each.words]
    assert len(names) == len(set(names))
    assert len(words) == len(set(words))
    assert all(word == word.lower() for word in words)
    commands = [name for each in KINDS for name in (each.command, *each.aliases)]
    assert len(commands) == len(set(commands))
    for figure in FIGURES:
        assert figure.timeframe in figure.timeframes or not figure.timeframes
        assert not figure.windows or figure.windows[0] <= figure.window <= figure.windows[-1]
    assert figure_of("report").scope is Scope.MARKET


def test_every_figure_has_a_source_that_knows_it() -> None:
    from alerts.metrics import Metrics

    metrics = Metrics(market())
    known = {name for source in metrics.sources for name in source.names}
    assert known == {each.name for each in FIGURES}
    counted = [name for source in metrics.sources for name in source.names]
    assert len(counted) == len(set(counted)), "one source for each"
