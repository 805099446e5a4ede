"""/liqs: sums by the position that was closed, floors called floors, and venues that publish nothing named."""

from collections.abc import Sequence

import pytest
from desk_market import NOW, args, fits, perp
from live_desk import LiveStreams, live_desk

from analytics.state import SymbolState
from handlers.base import Reply
from handlers.liqs import liqs
from market.errors import UserError
from market.types import HOUR, MINUTE, Instrument, Liquidation, PositionSide

BINANCE, BYBIT, OKX = perp("binance"), perp("bybit"), perp("okx")
HYPER = perp("hyperliquid", quote="USDC", step=1.0)
LONG, SHORT = PositionSide.LONG, PositionSide.SHORT
Closes = Sequence[tuple[int, PositionSide, float]]  # ms ago, what was closed, coins


def closed(
    i: Instrument, rows: Closes = (), *, since: int = NOW - 2 * HOUR, price: float = 100_000.0
) -> SymbolState:
    """Watched from `since` on."""
    state = SymbolState(i, since)
    state.alive(since, "liquidations")
    for ago, position, coins in sorted(rows, key=lambda row: -row[0]):
        row = Liquidation(
            instrument=i, ts=NOW - ago, price=price, amount=coins, position=position,
            sample=i.exchange != "bybit", recv_ts=NOW - ago,
        )  # fmt: skip
        state.take_liquidations([row])
    state.alive(NOW, "liquidations")
    return state


def put(streams: LiveStreams, *states: SymbolState) -> None:
    streams.by_key = {each.instrument.key: each for each in states}


def text_of(reply: Reply) -> str:
    assert reply.card is not None
    card = reply.card
    return "\n".join([card.headline, *card.table, card.reading, card.evidence])


async def test_sums_by_side_window_and_venue() -> None:
    d, streams = live_desk(BINANCE, BYBIT, OKX, HYPER)
    put(
        streams,
        closed(BINANCE, [(30_000, LONG, 2.0), (200_000, SHORT, 1.0)]),
        closed(BYBIT, [(10_000, LONG, 3.0), (40 * MINUTE, SHORT, 5.0)]),
        closed(OKX),
        SymbolState(HYPER, NOW - HOUR),
    )
    reply = await liqs(args("btc"), d.app)
    found = reply.figures
    assert {n: found[f"liq_long_{n}m"].value for n in (1, 5, 15, 60)} == dict.fromkeys(
        (1, 5, 15, 60), 5e5
    )
    assert [found[f"liq_short_{n}m"].value for n in (1, 5, 15, 60)] == [0.0, 1e5, 1e5, 6e5]
    assert found["liq_short_60m.bybit"].value == 5e5
    assert found["liq_count_60m"].value == 4
    assert "hyperliquid" not in found["liq_long_60m"].venues
    assert reply.card is not None
    assert reply.card.headline == "BTC liquidated in 60 m: longs ≥$500.0k, shorts ≥$600.0k"
    assert reply.card.glyph == "🟢"
    assert fits(reply)


async def test_floors_are_called_floors_also_before_the_first_sample() -> None:
    d, streams = live_desk(BINANCE, BYBIT, OKX, HYPER)
    put(
        streams,
        closed(BINANCE),
        closed(BYBIT, [(30_000, LONG, 2.0)]),
        closed(OKX),
        SymbolState(HYPER, NOW - HOUR),
    )
    reply = await liqs(args("btc"), d.app)
    assert "floor: Binance shows a sample" in reply.figures["liq_long_5m.binance"].note
    assert reply.figures["liq_long_5m.bybit"].note == ""
    text = text_of(reply)
    assert "floor: Binance and OKX show samples; Hyperliquid publishes none" in text
    rows = {
        line.split()[0] + " " + line.split()[1]: line
        for line in text.splitlines()
        if line[:3] in ("Bin", "Byb")
    }
    assert "Bin L≥" in rows
    assert "Byb L" in rows


async def test_a_venue_alone_without_samples_has_no_floor_sign() -> None:
    d, streams = live_desk(BYBIT)
    put(streams, closed(BYBIT, [(30_000, LONG, 2.0)]))
    text = text_of(await liqs(args("btc"), d.app))
    assert "≥" not in text
    assert "floor" not in text
    assert "longs $200.0k, shorts $0" in text


async def test_nothing_seen_is_no_n_a_and_no_watch_is_no_zero() -> None:
    d, streams = live_desk(BYBIT, HYPER)
    put(streams, closed(BYBIT), SymbolState(HYPER, NOW - HOUR))
    reply = await liqs(args("btc"), d.app)
    assert reply.card is not None
    assert reply.card.headline == "BTC: no liquidation seen in 60 m"
    put(streams, closed(BYBIT, since=NOW - 20_000))
    reply = await liqs(args("btc"), d.app)
    assert reply.card is not None
    assert reply.card.headline == "BTC liquidations n/a: watched for 20 s of 60 s"
    assert reply.figures["liq_long_1m"].value is None
    reply = await liqs(args("btc hyperliquid"), d.app)
    assert reply.card is not None
    assert reply.card.headline == "BTC liquidations n/a: Hyperliquid publishes none"


async def test_a_venue_watched_for_less_is_out_of_the_long_windows_and_named() -> None:
    d, streams = live_desk(BINANCE, BYBIT)
    put(
        streams,
        closed(BINANCE, [(30_000, LONG, 2.0)], since=NOW - 10 * MINUTE),
        closed(BYBIT, [(40_000, LONG, 1.0)]),
    )
    reply = await liqs(args("btc"), d.app)
    assert reply.figures["liq_long_5m"].value == 3e5
    assert reply.figures["liq_long_60m"].value == 1e5
    assert reply.card is not None
    assert "60 m without Binance: watched for 600 s of 3600 s" in reply.card.evidence


async def test_largest_print_and_a_running_cascade() -> None:
    d, streams = live_desk(BYBIT)
    rows: Closes = [(n * 2_000, LONG, 3.0) for n in range(1, 8)]
    put(streams, closed(BYBIT, [*rows, (9 * MINUTE, SHORT, 4.5)]))
    reply = await liqs(args("btc"), d.app)
    assert reply.card is not None
    assert "largest: BTC short $450.0k on Bybit at 100,000.0, 15:16 UTC" in reply.card.reading
    assert "cascade now: BTC longs $2.10M in 7 closes on Bybit" in reply.card.reading
    assert [row["position"] for row in reply.data["prints"]][:2] == ["long", "long"]
    assert reply.data["prints"][0]["ts"] == NOW - 2_000
    assert fits(reply)


async def test_the_watch_list_when_no_coin_is_named() -> None:
    eth = perp("bybit", "ETH", step=0.01)
    d, streams = live_desk(BYBIT, eth)
    with pytest.raises(UserError):
        await liqs(args(""), d.app)
    put(
        streams,
        closed(BYBIT, [(5_000, LONG, 1.0)]),
        closed(eth, [(4_000, SHORT, 10.0)], price=3_000.0),
    )
    reply = await liqs(args(""), d.app)
    assert reply.figures["liq_long_5m"].value == 1e5
    assert reply.figures["liq_short_5m"].value == 3e4
    assert reply.card is not None
    assert reply.card.headline.startswith("Watch list liquidated in 60 m")
    assert any(line.endswith("ETH") for line in reply.card.table)
    assert fits(reply)
    with pytest.raises(UserError):
        await liqs(args("btc 5m"), d.app)
