"""Streams count every trade once, say when they were blind, come back, and one venue never harms another."""

import time
from collections.abc import Iterator

import pytest
from stream_venue import BTC, BYBIT, ETH, START, desk, row, until

from exchanges.streams import connection, supervisor
from market.clock import FixedClock, WallClock
from market.types import Instrument, OpenInterest, Trade


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Reconnect at once and look often."""
    monkeypatch.setattr(connection, "FIRST_DELAY", 0.01)
    monkeypatch.setattr(connection, "MOST_DELAY", 0.02)
    monkeypatch.setattr(connection, "TICK", 0.01)
    return


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(START)


@pytest.fixture
def wall() -> WallClock:
    return WallClock(time.time)


async def test_a_watched_instrument_counts_what_trades_from_then_on(
    clock: FixedClock, wall: WallClock
) -> None:
    async with desk(clock, wall) as (venues, streams):
        assert streams.flow(BTC) is None
        await streams.watch([BTC])
        flow = streams.flow(BTC)
        assert flow is not None
        assert flow.started_ts == START
        clock.advance(1000)
        await venues.trades(row(10, 1), row(20, 2, side="A", sz="0.25"))
        await until(lambda: flow.trades == 2)
        found = flow.window(START, START + 1000)
        assert (found.delta_base, found.delta_value, found.n) == (0.75, 75.0, 2)
        last = streams.last_trade(BTC)
        assert last is not None
        assert last.ts == START + 20
        told = streams.status()["hyperliquid"]
        assert (told.watched, told.trades, told.last_trade_ts) == (1, 2, START + 20)


async def test_watching_again_asks_the_venue_nothing(clock: FixedClock, wall: WallClock) -> None:
    async with desk(clock, wall) as (venues, streams):
        await streams.watch([BTC])
        await streams.watch([BTC, ETH])
        await streams.watch([ETH])
        await until(lambda: len(venues.asked) >= 4)
        assert sorted(venues.asked) == [
            "subscribe activeAssetCtx BTC", "subscribe activeAssetCtx ETH",
            "subscribe trades BTC", "subscribe trades ETH",
        ]  # fmt: skip
        assert venues.connections == 1


async def test_trades_from_before_the_subscription_are_not_counted(
    clock: FixedClock, wall: WallClock
) -> None:
    async with desk(clock, wall) as (venues, streams):
        await streams.watch([BTC])
        flow = streams.flow(BTC)
        assert flow is not None
        await venues.trades(row(-5000, 1), row(0, 2), row(1, 3))
        await until(lambda: flow.trades == 1)
        assert (flow.before_start, flow.last_ts) == (2, START + 1)


async def test_malformed_frames_and_repeated_trades_change_nothing(
    clock: FixedClock, wall: WallClock
) -> None:
    async with desk(clock, wall) as (venues, streams):
        await streams.watch([BTC])
        flow = streams.flow(BTC)
        assert flow is not None
        await venues.trades(row(1, 1))
        for frame in ("garbage", "{", '{"channel":"trades","data":[{"coin":"BTC"}]}', "[]"):
            await venues.say("hyperliquid", frame)
        await venues.trades(row(1, 1), row(2, 2))
        await until(lambda: flow.trades == 2)
        assert flow.duplicates == 1
        assert streams.status()["hyperliquid"].bad == 4
        assert venues.connections == 1


async def test_a_lost_connection_is_a_gap_that_grows_until_the_venue_is_back(
    clock: FixedClock, wall: WallClock
) -> None:
    async with desk(clock, wall) as (venues, streams):
        await streams.watch([BTC])
        flow = streams.flow(BTC)
        assert flow is not None
        await venues.trades(row(100, 1))
        await until(lambda: flow.trades == 1)
        venues.refuse = True
        await venues.hang_up("hyperliquid")
        await until(lambda: streams.status()["hyperliquid"].watched == 0)
        clock.advance(60_000)
        streams.flow(BTC)
        away = flow.gaps(START, START + 60_000)
        assert [(g.from_ts, g.to_ts) for g in away] == [(START + 99, START + 60_000)]
        clock.advance(5_000)
        venues.refuse = False
        await until(lambda: streams.status()["hyperliquid"].watched == 1)
        clock.advance(5_000)
        await venues.trades(row(100, 1), row(40_000, 2), row(69_000, 3))
        await until(lambda: flow.trades == 3)
        assert flow.duplicates == 1
        streams.flow(BTC)
        gaps = flow.gaps(START, START + 80_000)
        assert [(g.from_ts, g.to_ts) for g in gaps] == [(START + 99, START + 65_000)]
        assert streams.status()["hyperliquid"].reconnects >= 1


async def test_one_venue_down_leaves_the_other_alone(clock: FixedClock, wall: WallClock) -> None:
    async with desk(clock, wall) as (venues, streams):
        await streams.watch([BTC, BYBIT])
        bybit = streams.flow(BYBIT)
        assert bybit is not None
        venues.refuse = True
        await venues.hang_up("hyperliquid")
        await until(lambda: streams.status()["hyperliquid"].watched == 0)
        clock.advance(100)
        trade = {"T": START + 50, "s": "BTCUSDT", "S": "Sell", "v": "2", "p": "100", "i": "a"}
        await venues.say("bybit", {"topic": "publicTrade.BTCUSDT", "ts": START, "data": [trade]})
        await until(lambda: bybit.trades == 1)
        streams.flow(BYBIT)
        assert bybit.gaps(START, START + 100) == []
        assert streams.status()["bybit"].watched == 1


async def test_a_venue_that_is_away_holds_a_command_up_briefly_and_only_once(
    clock: FixedClock, wall: WallClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor, "WAIT", 200)
    async with desk(clock, wall) as (venues, streams):
        venues.answers = False
        began = time.monotonic()
        await streams.watch([BTC])
        waited = time.monotonic() - began
        assert 0.15 < waited < 1.0
        assert streams.flow(BTC) is None
        began = time.monotonic()
        await streams.watch([BTC])
        assert time.monotonic() - began < 0.1


async def test_a_silent_connection_is_renewed(clock: FixedClock) -> None:
    wall = FixedClock(5_000_000)
    async with desk(clock, wall) as (venues, streams):
        venues.pongs = False
        await streams.watch([BTC])
        await until(lambda: len(venues.asked) == 2)
        wall.advance(connection.SILENCE)
        await venues.trades(row(1, 1))
        await until(lambda: streams.status()["hyperliquid"].trades == 1)
        wall.advance(connection.SILENCE)
        assert venues.connections == 1
        wall.advance(1)
        await until(lambda: venues.connections == 2)


async def test_data_that_stops_while_pongs_go_on_renews_the_connection(clock: FixedClock) -> None:
    wall = FixedClock(5_000_000)
    async with desk(clock, wall) as (venues, streams):
        await streams.watch([BTC])
        for i in range(connection.RHYTHM_FRAMES):
            wall.advance(100)
            await venues.trades(row(i + 1, i + 1))
            await until(lambda i=i: streams.status()["hyperliquid"].trades == i + 1)
        for _ in range(6):
            await venues.say("hyperliquid", {"channel": "pong"})
            wall.advance(3_000)
        await until(lambda: venues.connections == 2)


async def test_open_interest_and_new_trades_are_told_as_they_come(
    clock: FixedClock, wall: WallClock
) -> None:
    told: list[Trade | OpenInterest] = []
    async with desk(clock, wall) as (venues, streams):
        streams.on_events.append(told.extend)
        await streams.watch([BTC])
        ctx = {"openInterest": "12.5", "markPx": "100"}
        await venues.say(
            "hyperliquid", {"channel": "activeAssetCtx", "data": {"coin": "BTC", "ctx": ctx}}
        )
        await venues.trades(row(1, 1))
        await venues.trades(row(1, 1), row(2, 2))
        await until(lambda: len(told) == 3)
        interest = streams.interest(BTC)
        assert interest is not None
        assert (interest.amount, interest.value) == (12.5, 1250.0)
        assert [each.id for each in told if isinstance(each, Trade)] == ["1", "2"]


async def test_the_instrument_asked_for_longest_ago_gives_way(
    clock: FixedClock, wall: WallClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor, "WATCHED", 2)
    async with desk(clock, wall) as (venues, streams):
        await streams.watch([BTC, ETH])
        await streams.watch([BTC])
        await streams.watch([BYBIT])
        assert streams.flow(ETH) is None
        assert streams.flow(BTC) is not None
        await until(lambda: "unsubscribe trades ETH" in venues.asked)


async def test_what_no_socket_serves_is_left_alone(clock: FixedClock, wall: WallClock) -> None:
    spot = Instrument(
        exchange="bybit", symbol="BTC/USDT", base="BTC", quote="USDT", perp=False, id="BTCUSDT"
    )
    async with desk(clock, wall) as (_venues, streams):
        await streams.watch([spot])
        assert streams.flow(spot) is None
        assert streams.status() == {}
