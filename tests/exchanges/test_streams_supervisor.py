"""Streams count every trade once, say when they were blind, come back, and one venue never harms another."""

import time
from collections.abc import Iterator

import pytest
from stream_venue import (
    BINANCE,
    BTC,
    BYBIT,
    ETH,
    START,
    depth,
    desk,
    row,
    until,
)

from exchanges.streams import connection, intake, resync, supervisor
from exchanges.streams.decoder import Channel, News, Topic
from exchanges.streams.status import Meter
from market.clock import FixedClock, WallClock
from market.errors import SourceUnavailable
from market.types import Context, Instrument, OrderBook, Trade


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
    told: list[News] = []
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
        assert isinstance(told[0], Context)
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


async def test_the_watch_list_never_gives_way_and_what_was_asked_for_does(
    clock: FixedClock, wall: WallClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor, "WATCHED", 2)
    async with desk(clock, wall) as (_venues, streams):
        streams.keep([BTC])
        await streams.watch([BTC, ETH])
        await streams.watch([BYBIT])
        assert [each.instrument for each in streams.states()] == [BTC, BYBIT]
        streams.keep([BYBIT, BTC])
        await streams.watch([ETH])
        assert streams.flow(ETH) is None
        streams.keep([BYBIT])
        await streams.watch([ETH])
        assert {each.instrument for each in streams.states()} == {BYBIT, ETH}


async def test_a_perp_has_all_its_feeds_and_a_book_only_where_it_is_asked_for(
    clock: FixedClock, wall: WallClock
) -> None:
    async with desk(clock, wall) as (venues, streams):
        await streams.watch([BYBIT, BTC])
        await until(lambda: len(venues.asked) == 5)
        assert sorted(venues.asked) == [
            "allLiquidation.BTCUSDT", "publicTrade.BTCUSDT", "subscribe activeAssetCtx BTC",
            "subscribe trades BTC", "tickers.BTCUSDT",
        ]  # fmt: skip
        await streams.watch([BTC], book=True)
        assert venues.asked[-1] == "subscribe l2Book BTC"
        levels = [[{"px": "99", "sz": "1", "n": 1}], [{"px": "101", "sz": "2", "n": 1}]]
        book = {"coin": "BTC", "time": START + 5, "levels": levels}
        await venues.say("hyperliquid", {"channel": "l2Book", "data": book})
        state = streams.state(BTC)
        assert state is not None
        await until(lambda: state.book is not None and state.book.ts == START + 5)
        assert state.book is not None
        assert (state.book.bids(5), state.book.asks(5)) == ([(99.0, 1.0)], [(101.0, 2.0)])
        assert streams.status()["hyperliquid"].topics == 3


async def test_a_book_that_is_no_longer_kept_is_left_unless_somebody_asked_for_it(
    clock: FixedClock, wall: WallClock
) -> None:
    async with desk(clock, wall) as (venues, streams):
        streams.keep([BTC], books=[BTC, ETH])
        await streams.watch([ETH], book=True)
        await until(lambda: streams.status()["hyperliquid"].topics == 6)
        streams.keep([BTC, ETH])
        await until(lambda: "unsubscribe l2Book BTC" in venues.asked)
        assert "unsubscribe l2Book ETH" not in venues.asked
        btc, eth = streams.state(BTC), streams.state(ETH)
        assert btc is not None
        assert eth is not None
        assert btc.book is None
        assert eth.book is not None
        await streams.watch([BTC], book=True)
        assert btc.book is not None


async def test_books_that_were_asked_for_longest_ago_give_way_and_their_trades_go_on(
    clock: FixedClock, wall: WallClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor, "BOOKS", 1)
    async with desk(clock, wall) as (venues, streams):
        await streams.watch([BTC], book=True)
        await streams.watch([ETH], book=True)
        await until(lambda: "unsubscribe l2Book BTC" in venues.asked)
        assert streams.flow(BTC) is not None
        assert "unsubscribe trades BTC" not in venues.asked
        streams.keep([], books=[ETH])
        await streams.watch([BTC], book=True)
        assert "unsubscribe l2Book ETH" not in venues.asked
        streams.keep([])
        await streams.watch([BTC], book=True)
        await until(lambda: "unsubscribe l2Book ETH" in venues.asked)


async def test_a_long_watch_list_begins_in_parts_and_the_newest_list_counts(
    clock: FixedClock, wall: WallClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor, "AT_ONCE", 2)
    async with desk(clock, wall) as (_venues, streams):
        streams.keep([BTC, ETH, BINANCE], books=[BINANCE])
        assert streams.flow(BINANCE) is None
        await until(lambda: streams.state(BINANCE) is not None)
        book = Topic(Channel.BOOK, BINANCE)
        await until(lambda: streams.serves(book))
        await until(lambda: len(streams.states()) == 3)


async def test_many_changes_of_a_book_take_many_turns_and_keep_their_order(
    clock: FixedClock, wall: WallClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(intake, "BOOK_TURN", 0.0)  # one a turn
    turns: list[int] = []
    async with desk(clock, wall) as (venues, streams):
        streams.on_events.append(lambda news: turns.append(len(news)))
        await streams.watch([BINANCE], book=True)
        state = streams.state(BINANCE)
        assert state is not None
        taken: list[int] = []
        monkeypatch.setattr(state.open_book(), "take", lambda change: taken.append(change.last))
        for n in range(200):
            await venues.say("binance books", depth(n + 1, n + 1, n))
        await until(lambda: len(taken) == 200)
        assert taken == list(range(1, 201))
        assert turns == [1] * 200


async def test_books_that_cannot_be_taken_fast_enough_are_fetched_anew(
    clock: FixedClock, wall: WallClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(intake, "BOOK_TURN", 0.0)
    monkeypatch.setattr(intake, "CHANGES", 20)
    async with desk(clock, wall) as (venues, streams):
        await streams.watch([BINANCE], book=True)
        state = streams.state(BINANCE)
        assert state is not None
        book = state.open_book()
        lost: list[bool] = []
        monkeypatch.setattr(book, "lost", lambda: lost.append(True))
        for n in range(200):
            await venues.say("binance books", depth(n + 1, n + 1, n))
        await until(lambda: lost)


async def test_a_binance_book_begins_with_a_snapshot_and_is_fetched_again_after_a_hole(
    clock: FixedClock, wall: WallClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resync, "FIRST_DELAY", 0.01)
    monkeypatch.setattr(resync, "PACE", 0.0)
    answers: list[OrderBook | Exception] = []
    asked: list[Instrument] = []

    async def snapshot(instrument: Instrument) -> OrderBook:
        asked.append(instrument)
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def book(sequence: int) -> OrderBook:
        bids, asks = ((98.0, 5.0),), ((102.0, 5.0),)
        return OrderBook(instrument=BINANCE, ts=START, bids=bids, asks=asks, sequence=sequence)

    async with desk(clock, wall, snapshot=snapshot) as (venues, streams):
        answers += [SourceUnavailable("binance", "is away"), book(8), book(21)]
        await streams.watch([BINANCE], book=True)
        state = streams.state(BINANCE)
        assert state is not None
        await venues.say("binance books", depth(6, 10, 5))
        await until(lambda: state.book is not None and state.book.bids(3))
        assert state.book is not None
        assert state.book.bids(3) == [(99.0, 1.0), (98.0, 5.0)]
        assert asked == [BINANCE] * 2
        await venues.say("binance books", depth(11, 12, 10, b=[["99.0", "3.0"]]))
        await until(lambda: state.book is not None and state.book.bids(1) == [(99.0, 3.0)])
        await venues.say("binance books", depth(21, 22, 20, b=[["99.0", "4.0"]]))
        await until(lambda: len(asked) == 3)
        await until(lambda: state.book is not None and state.book.bids(1) == [(99.0, 4.0)])
        assert streams.status()["binance"].resyncs == 2


async def test_the_status_tells_how_fast_and_how_old_and_who_is_slow(
    clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor, "TICK", 0.01)
    wall = FixedClock(5_000_000)
    async with desk(clock, wall) as (venues, streams):
        slow = streams.bus.subscribe("recorder", 1)
        await streams.watch([BTC])
        for n in range(10):
            wall.advance(1000)
            await venues.trades(row(n + 1, n + 1))
            await until(lambda n=n: streams.status()["hyperliquid"].trades == n + 1)
        await until(lambda: streams.status()["hyperliquid"].rate >= 1.0)
        clock.advance(250)
        status = streams.status()["hyperliquid"]
        assert (status.age, status.last_frame_ts, status.connections) == (250, START, 1)
        assert (slow.depth, status.dropped) == (1, 9)
        assert [each.name for each in status.queues] == ["recorder"]


def test_the_rate_is_that_of_the_last_minute() -> None:
    meter = Meter()
    assert meter.rate == 0.0
    for second in range(300):
        meter.look(second * 1000, 10 * min(second, 200))
    assert meter.rate == 0.0
    meter.look(300_000, 2_600)
    assert 9.5 < meter.rate <= 10.2
