"""/oi, /oi_changes and /funding: coins before dollars, shares of what is shown, intervals that differ."""

import pytest
from desk_market import NOW, Desk, args, bars, desk, fits, perp

from handlers.funding import countdown, funding
from handlers.oi import oi
from handlers.oi_changes import oi_changes
from market.errors import SourceUnavailable, UserError
from market.types import DAY, HOUR, MINUTE, Candle, FundingRate, Instrument, OpenInterest

BINANCE, OKX, HL = perp("binance"), perp("okx"), perp("hyperliquid", quote="USDC")


def past(start: float, end: float) -> list[tuple[int, float]]:
    """Every five minutes of more than a day, rising evenly, the last one now."""
    count = 300
    return [
        (NOW - (count - n) * 5 * MINUTE, start + (end - start) * n / count)
        for n in range(count + 1)
    ]


def market() -> Desk:
    d = desk(BINANCE, OKX, HL)
    for i, amount in ((BINANCE, 3000.0), (OKX, 1000.0), (HL, 500.0)):
        value = None if i is HL else amount * 100.0
        d.market.interest[i.key] = OpenInterest(instrument=i, ts=NOW, amount=amount, value=value)
        d.market.quote(i, 100.0, quote_volume_24h=1e6)
    d.market.past = {BINANCE.key: past(2700, 3000), OKX.key: past(1300, 1000)}
    d.market.bars[BINANCE.key, "1m"] = bars("1m", 70)
    return d


async def test_interest_is_summed_in_coins_with_changes_of_exact_windows() -> None:
    reply = await oi(args("btc"), market().app)
    assert reply.figures["open_interest"].value == pytest.approx(4500)
    assert reply.figures["open_interest_usd"].value == pytest.approx(450_000)
    hour = reply.figures["change_1h"]
    assert hour.value == pytest.approx((300 - 300) * 12 / 300, abs=1e-9)
    assert (hour.since, hour.window) == (NOW - HOUR, HOUR)
    assert reply.figures["change_24h"].since == NOW - DAY
    assert reply.figures["change_1h.binance"].value == pytest.approx(12 / (3000 - 12))
    assert "Hyperliquid" in hour.note
    shares = [reply.figures[f"share.{n}"].value or 0 for n in ("binance", "okx", "hyperliquid")]
    assert sum(shares) == pytest.approx(1.0)
    assert fits(reply)


async def test_dollars_of_interest_follow_the_rate_of_each_quote() -> None:
    d = market()
    d.market.usd = {"USDT": 0.9, "USDC": 1.1}
    figures = (await oi(args("btc"), d.app)).figures
    assert figures["open_interest_usd"].value == pytest.approx(0.9 * 400_000 + 1.1 * 50_000)


async def test_a_spot_pair_means_the_perp_and_that_is_said() -> None:
    reply = await oi(args("btc/usdt"), market().app)
    assert reply.card is not None
    assert "the perp instead of the spot pair" in reply.card.evidence


async def test_interest_of_a_venue_that_is_down_is_named_not_zero() -> None:
    d = market()
    d.market.down = {"okx"}
    reply = await oi(args("btc"), d.app)
    assert reply.card is not None
    assert reply.card.glyph == "⚠️"
    assert "OKX unavailable (HTTP 503)" in reply.card.evidence
    assert reply.figures["open_interest.okx"].value is None
    assert reply.figures["share.binance"].value == pytest.approx(3000 / 3500)
    assert fits(reply)


async def test_no_interest_anywhere_is_refused() -> None:
    d = market()
    d.market.down = {"binance", "okx", "hyperliquid"}
    with pytest.raises(SourceUnavailable):
        await oi(args("btc"), d.app)


async def test_nothing_open_is_no_division_by_zero() -> None:
    d = desk(BINANCE)
    d.market.interest[BINANCE.key] = OpenInterest(instrument=BINANCE, ts=NOW, amount=0.0, value=0.0)
    assert fits(await oi(args("btc"), d.app))


def movers(window: int) -> Desk:
    coins = {"AAA": 1.5, "BBB": 0.9, "CCC": 1.02}
    d = desk(*(perp("binance", coin) for coin in coins))
    for coin, factor in coins.items():
        i = perp("binance", coin)
        d.market.quote(i, 110.0, quote_volume_24h=1e6)
        d.market.interest[i.key] = OpenInterest(instrument=i, ts=NOW, amount=1000 * factor)
        d.market.past[i.key] = [
            (
                NOW - n * 5 * MINUTE,
                1000 * (factor + (1 - factor) * min(1.0, n * 5 * MINUTE / window)),
            )
            for n in range(300, 0, -1)
        ]
        d.market.bars[i.key, "1m"] = [
            Candle(ts=NOW - window + n * MINUTE, open=1, high=200, low=1, close=100.0 if n == -1 else 50.0, volume=1)
            for n in range(-3, 3)
        ]  # fmt: skip
    return d


@pytest.mark.parametrize(("word", "window"), [("15m", 15 * MINUTE), ("1h", HOUR), ("24h", DAY)])
async def test_movers_are_ranked_with_both_changes_over_the_same_window(
    word: str, window: int
) -> None:
    reply = await oi_changes(args(word), movers(window).app)
    assert reply.data["rank"] == ["AAA", "BBB", "CCC"]
    assert reply.figures["AAA.change_fraction"].value == pytest.approx(0.5)
    assert reply.figures["AAA.change_fraction"].since == NOW - window
    assert reply.figures["AAA.price_change"].value == pytest.approx(0.10)
    assert reply.figures["AAA.price_change"].since == NOW - window
    assert reply.figures["AAA.quadrant"].value == "NEW_LONGS"
    assert fits(reply)


@pytest.mark.parametrize("words", ["5m", "48h", "1h 2h", "soon"])
async def test_movers_refuse_other_windows(words: str) -> None:
    with pytest.raises(UserError):
        await oi_changes(args(words), movers(HOUR).app)


def rate(i: Instrument, value: float, hours: float, **more: float | int | None) -> FundingRate:
    return FundingRate(instrument=i, ts=NOW - 1000, rate=value, interval_h=hours, **more)  # type: ignore[arg-type]


async def test_funding_is_compared_as_apr_and_weighted_by_interest() -> None:
    d = market()
    d.market.rates = {
        BINANCE.key: rate(BINANCE, 0.0001, 8, next_ts=NOW + 5 * HOUR + 7 * MINUTE),
        OKX.key: rate(OKX, 0.0004, 4, predicted=0.0003),
        HL.key: rate(HL, -0.00001, 1, mark=100.0),
    }
    reply = await funding(args("btc"), d.app)
    yearly = (0.0001 * 1095, 0.0004 * 2190, -0.00001 * 8760)
    values = [reply.figures[f"apr.{n}"].value for n in ("binance", "okx", "hyperliquid")]
    assert values == pytest.approx(list(yearly))
    mean = (3000 * yearly[0] + 1000 * yearly[1] + 500 * yearly[2]) / 4500
    assert reply.figures["apr"].value == pytest.approx(mean)
    assert reply.card is not None
    assert "Predicted next: OKX +0.0300 %" in reply.card.reading
    assert "OKX highest, Hyperliquid lowest" in reply.card.reading
    assert any("5h07" in line for line in reply.card.table)
    assert "weighted by open interest" in reply.card.evidence
    assert fits(reply)


async def test_funding_of_a_silent_venue_is_unavailable() -> None:
    d = market()
    d.market.rates = {BINANCE.key: rate(BINANCE, 0.0001, 8)}
    d.market.down = {"okx"}
    reply = await funding(args("btc"), d.app)
    assert reply.figures["apr.okx"].value is None
    assert reply.card is not None
    assert "OKX unavailable (HTTP 503)" in reply.card.evidence


def test_a_countdown_is_never_negative() -> None:
    assert countdown(NOW - 1, NOW) == "n/a"
    assert countdown(NOW + 42 * MINUTE, NOW) == "42m"
