"""/liqmap: exact isolated prices, an estimated map, and a coverage that hides no venue."""

import pytest
from desk_market import NOW, Desk, args, desk, fits, perp

from handlers.liqmap import liqmap
from market.errors import SourceUnavailable, UserError
from market.types import HOUR, Candle, Instrument, Kind, OpenInterest, TierTable

BINANCE, OKX, HL = perp("binance", "ETH"), perp("okx", "ETH"), perp("hyperliquid", "ETH", "USDC")
TIERS = TierTable(
    exchange="binance", base="ETH", tiers=((1e9, 0.004, 0.0, 125.0),), as_of="2026-06-01"
)


def fill(d: Desk, i: Instrument, amount: float) -> None:
    d.market.quote(i, 100_000.0)
    d.market.interest[i.key] = OpenInterest(instrument=i, ts=NOW, amount=amount)
    last = NOW // HOUR * HOUR
    swing = [100_000 + (n * 7919 % 41 - 20) * 100 for n in range(199)] + [100_000]
    d.market.bars[i.key, "1h"] = [
        Candle(
            ts=last - (199 - n) * HOUR, open=price, high=price + 200, low=price - 200, close=price,
            volume=10, closed=n < 199,
        )
        for n, price in enumerate(swing)
    ]  # fmt: skip
    d.market.past[i.key] = [
        (last - (199 - n) * HOUR, amount * (1 + 0.001 * (n * 31 % 17))) for n in range(200)
    ]


def market() -> Desk:
    d = desk(BINANCE, OKX, HL)
    for i, amount in ((BINANCE, 600.0), (OKX, 300.0)):
        fill(d, i, amount)
    d.market.quote(HL, 100_000.0)
    d.market.interest[HL.key] = OpenInterest(instrument=HL, ts=NOW, amount=100.0)
    d.market.table = TIERS
    return d


async def test_exact_prices_are_those_of_the_tiers() -> None:
    reply = await liqmap(args("eth"), market().app)
    wanted = {
        "long.5x": 80_321.29, "short.5x": 119_521.91, "long.10x": 90_361.45, "short.10x": 109_561.75,
        "long.25x": 96_385.54, "short.25x": 103_585.66, "long.50x": 98_393.57, "short.50x": 101_593.63,
    }  # fmt: skip
    for name, price in wanted.items():
        reading = reply.figures[f"liquidation.{name}"]
        assert reading.value == pytest.approx(price, abs=0.01)
        assert reading.kind is Kind.ESTIMATED
    assert fits(reply)


async def test_a_venue_without_a_map_lowers_the_coverage_and_is_named() -> None:
    reply = await liqmap(args("eth"), market().app)
    coverage = reply.figures["coverage"].value
    assert coverage is not None
    assert coverage < 0.91
    assert reply.card is not None
    assert "Hyperliquid" in reply.card.evidence
    assert "estimated" in reply.card.evidence
    assert reply.picture is not None


async def test_a_venue_that_is_down_makes_the_coverage_a_bound() -> None:
    d = market()
    d.market.down = {"okx"}
    reply = await liqmap(args("eth"), d.app)
    assert reply.card is not None
    assert "coverage at most" in reply.card.evidence
    assert "OKX: HTTP 503" in reply.card.evidence


async def test_the_default_venue_may_be_down() -> None:
    d = market()
    d.market.down = {"binance"}
    reply = await liqmap(args("eth"), d.app)
    assert reply.figures["price"].venues == ("okx",)


async def test_no_history_leaves_the_exact_prices() -> None:
    d = market()
    d.market.past = {}
    reply = await liqmap(args("eth"), d.app)
    assert reply.card is not None
    assert "no map yet" in reply.card.headline
    assert reply.figures["liquidation.long.10x"].value == pytest.approx(90_361.45, abs=0.01)
    assert reply.buttons
    assert fits(reply)


async def test_the_picture_is_an_index_with_longs_below_and_shorts_above() -> None:
    d = market()
    await liqmap(args("eth"), d.app)
    name, data = d.drawn[-1]
    assert (name, data.index) == ("liqmap", True)
    below = data.edges[1:] <= data.price
    assert data.long_size[below].sum() == pytest.approx(data.long_size.sum())
    assert data.short_size[below].sum() == 0


async def test_all_down_is_refused() -> None:
    d = market()
    d.market.down = {"binance", "okx", "hyperliquid"}
    with pytest.raises(SourceUnavailable):
        await liqmap(args("eth"), d.app)


@pytest.mark.parametrize("words", ["", "eth 1h", "eth 90d", "eth 7d 8d"])
async def test_other_words_are_refused(words: str) -> None:
    with pytest.raises(UserError):
        await liqmap(args(words), market().app)
