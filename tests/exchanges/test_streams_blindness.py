"""What the streams did not see is marked, written down and told; what was broken or old harms nobody."""

import time
from collections.abc import Iterator

import pytest
from stream_venue import (
    BINANCE,
    BTC,
    BYBIT,
    ETH,
    START,
    aggregate,
    desk,
    row,
    until,
)

from analytics import intake
from analytics.state import SymbolState
from exchanges.streams import connection, supervisor
from exchanges.streams.decoder import Channel, News, Topic
from exchanges.streams.watched import Missing
from market.clock import FixedClock, WallClock
from market.types import Context, Instrument, Side, Trade


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


def gaps(
    streams: supervisor.Streams, instrument: Instrument, channel: Channel
) -> list[tuple[int, int]]:
    """Blind intervals of a feed, in ms after START."""
    found = streams.ledger.blind(0, START + 10**9, instrument, channel)
    return [(each.from_ts - START, each.to_ts - START) for each in found]


def numbered(number: int, ts: int) -> Trade:
    return Trade(
        instrument=BINANCE,
        ts=ts,
        price=100.0,
        amount=1.0,
        side=Side.BUY,
        id=str(number),
        seq=number,
    )


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


async def test_a_hole_in_the_numbers_is_a_gap_that_is_told_at_once(
    clock: FixedClock, wall: WallClock
) -> None:
    told: list[Missing] = []
    async with desk(clock, wall) as (venues, streams):
        streams.on_gap.append(told.append)
        await streams.watch([BINANCE])
        clock.advance(1000)
        for ts, number in ((10, 1), (20, 2), (60, 5), (70, 6)):
            await venues.say("binance", aggregate(ts, number))
        flow = streams.flow(BINANCE)
        assert flow is not None
        await until(lambda: flow.trades == 4)
        (missing,) = told
        assert missing.topic == Topic(Channel.TRADES, BINANCE)
        assert (missing.from_ts, missing.to_ts) == (START + 19, START + 60)
        assert (missing.after_seq, missing.before_seq) == (2, 5)
        assert [(g.from_ts, g.to_ts) for g in flow.gaps(START, START + 1000)] == [
            (START + 19, START + 60)
        ]
        assert gaps(streams, BINANCE, Channel.TRADES) == [(19, 60)]
        for ts, number in ((30, 3), (40, 4)):  # they were late, or fetched
            await venues.say("binance", aggregate(ts, number))
        await until(lambda: flow.trades == 6)
        assert flow.gaps(START, START + 1000) == []


async def test_a_storm_of_holes_blinds_no_more_than_it_has_to_and_the_ledger_knows_all_of_it(
    clock: FixedClock, wall: WallClock
) -> None:
    storm = [numbered(n, START + 20_000 * (n >= 32) + 10 * n) for n in range(3_000) if n % 3]
    async with desk(clock, wall) as (_venues, streams):
        await streams.watch([BINANCE])
        clock.advance(60_000)
        streams.take(storm)
        flow = streams.flow(BINANCE)
        assert flow is not None
        assert len(flow.holes()) == 256
        blind = [(g.from_ts - START, g.to_ts - START) for g in flow.gaps(0, START * 2)]
        known = gaps(streams, BINANCE, Channel.TRADES)
        unknown = [(a, b) for a, b in blind if not any(c <= a and b <= d for c, d in known)]
        assert unknown == []
        assert any(b <= 310 for _a, b in blind)
        assert not any(a < 20_000 and b > 330 for a, b in blind), "the quiet seconds were seen"


async def test_whoever_looks_at_a_flow_finds_all_of_its_blindness_in_the_ledger(
    clock: FixedClock, wall: WallClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(intake, "GAPS_KEPT", 2)
    async with desk(clock, wall) as (_venues, streams):
        await streams.watch([BINANCE])
        state = streams.state(BINANCE)
        assert state is not None
        for start in (100, 5_000, 5_020):  # too many: the last two become one
            state.flow.mark_gap(START + start, START + start + 10)
            streams.ledger.missed(Topic(Channel.TRADES, BINANCE), START + start, START + start + 10)
        assert streams.flow(BINANCE) is state.flow
        assert gaps(streams, BINANCE, Channel.TRADES) == [(100, 110), (5_000, 5_030)]


async def test_a_state_that_is_given_back_tells_the_ledger_where_it_is_blind(
    clock: FixedClock, wall: WallClock
) -> None:
    """The ledger is written before the states: what a state missed meanwhile is in that alone."""
    old = SymbolState(BINANCE, START - 90_000)
    old.update([numbered(7, START - 80_000), numbered(9, START - 70_000)])
    old.flow.mark_gap(START - 60_000, START - 50_000)
    async with desk(clock, wall) as (_venues, streams):
        assert streams.adopt(old, START - 20_000)
        await streams.watch([BINANCE])
        blind = [(-80_001, -70_000), (-60_000, -50_000), (-20_000, 0)]
        assert gaps(streams, BINANCE, Channel.TRADES) == blind


async def test_a_gap_that_was_filled_while_the_feed_was_away_again_is_one_and_the_same_in_both(
    clock: FixedClock, wall: WallClock
) -> None:
    """It was lost anew before its earlier gap had ended: what is marked is never more than what is told."""
    topic = Topic(Channel.TRADES, BINANCE)
    async with desk(clock, wall) as (venues, streams):
        await streams.watch([BINANCE])
        venues.refuse = True
        await venues.hang_up("binance")
        await until(lambda: streams.status()["binance"].watched == 0)
        clock.advance(5_000)
        streams.ledger.filled(topic, START, START + 5_000)
        clock.advance(5_000)
        venues.refuse = False
        await until(lambda: streams.status()["binance"].watched == 1)
        flow = streams.flow(BINANCE)
        assert flow is not None
        blind = [(g.from_ts - START, g.to_ts - START) for g in flow.gaps(0, START * 2)]
        assert gaps(streams, BINANCE, Channel.TRADES) == blind


async def test_every_feed_of_a_lost_connection_is_in_the_ledger_until_it_is_back(
    clock: FixedClock, wall: WallClock
) -> None:
    told: list[Missing] = []
    async with desk(clock, wall) as (venues, streams):
        streams.on_gap.append(told.append)
        await streams.watch([BYBIT])
        await until(lambda: streams.status()["bybit"].topics == 3)
        venues.refuse = True
        await venues.hang_up("bybit")
        await until(lambda: streams.status()["bybit"].topics == 0)
        clock.advance(4_000)
        assert streams.status()["bybit"].gaps_open == 3
        assert told == []
        venues.refuse = False
        await until(lambda: streams.status()["bybit"].topics == 3)
        clock.advance(4_000)
        for channel in (Channel.TRADES, Channel.LIQUIDATIONS, Channel.CONTEXT):
            assert gaps(streams, BYBIT, channel) == [(0, 4_000)]
        status = streams.status()["bybit"]
        assert (status.gaps_open, status.gaps_unfilled, status.blind_ms) == (0, 3, 4_000)
        (missing,) = told
        assert (missing.from_ts, missing.to_ts) == (START, START + 4_000)
        assert missing.after_seq is None


async def test_a_feed_that_is_never_confirmed_is_blind_since_it_was_asked_for(
    clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor, "TICK", 0.01)
    monkeypatch.setattr(supervisor, "WAIT", 10)
    wall = FixedClock(5_000_000)
    async with desk(clock, wall) as (venues, streams):
        venues.answers = False
        await streams.watch([BTC])
        clock.advance(7_000)
        assert gaps(streams, BTC, Channel.TRADES) == []
        wall.advance(supervisor.LATE)
        await until(lambda: gaps(streams, BTC, Channel.TRADES) == [(0, 7_000)])
        assert gaps(streams, BTC, Channel.CONTEXT) == [(0, 7_000)]
        await venues.trades(row(6_999, 1))
        await until(lambda: streams.flow(BTC))
        clock.advance(1_000)
        assert gaps(streams, BTC, Channel.TRADES) == [(0, 7_000)]


async def test_what_was_old_when_it_came_counts_but_is_no_news(
    clock: FixedClock, wall: WallClock
) -> None:
    async with desk(clock, wall) as (venues, streams):
        queue = streams.bus.subscribe("monitors", 10)
        await streams.watch([BTC])
        flow = streams.flow(BTC)
        assert flow is not None
        clock.advance(100_000)
        await venues.trades(row(39_999, 1), row(40_000, 2), row(99_000, 3))
        await until(lambda: flow.trades == 3)
        news = await anext(queue)
        assert [each.ts - START for each in news] == [40_000, 99_000]
        assert streams.fresh(news) == news
        clock.advance(1)
        assert streams.fresh(news) == news[1:]
        assert streams.status()["hyperliquid"].old == 1


async def test_what_comes_by_rest_goes_the_same_way(clock: FixedClock, wall: WallClock) -> None:
    async with desk(clock, wall) as (_venues, streams):
        queue = streams.bus.subscribe("monitors", 10)
        await streams.watch([BINANCE])
        mine = Context(instrument=BINANCE, ts=START, interest=5.0, mark=100.0)
        streams.take([mine, Context(instrument=ETH, ts=START, interest=7.0)])
        assert await anext(queue) == [mine]
        interest = streams.interest(BINANCE)
        assert interest is not None
        assert (interest.amount, interest.value) == (5.0, 500.0)
        assert streams.interest(ETH) is None
        state = streams.state(BINANCE)
        assert state is not None
        assert state.snapshot(START)["oi"].value == 5.0


async def test_a_state_that_breaks_has_a_gap_and_the_others_go_on(
    clock: FixedClock, wall: WallClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with desk(clock, wall) as (venues, streams):
        await streams.watch([BTC, ETH])
        real = SymbolState.update

        def fragile(self: SymbolState, trades: list[Trade]) -> list[Trade]:
            if self.instrument == BTC:
                raise ArithmeticError("a fault of ours")
            return real(self, trades)

        monkeypatch.setattr(SymbolState, "update", fragile)
        clock.advance(1000)
        await venues.trades(row(500, 1), row(600, 2, coin="ETH"))
        eth, btc = streams.flow(ETH), streams.flow(BTC)
        assert eth is not None
        assert btc is not None
        await until(lambda: eth.trades == 1)
        assert [(g.from_ts, g.to_ts) for g in btc.gaps(0, START * 2)] == [
            (START + 499, START + 1000)
        ]
        assert eth.gaps(0, START * 2) == []
        assert streams.status()["hyperliquid"].broken == 1
        assert venues.connections == 1


async def test_a_state_from_before_a_restart_goes_on_with_a_gap_up_to_the_first_confirmation(
    clock: FixedClock, wall: WallClock
) -> None:
    told: list[Missing] = []
    old = SymbolState(BINANCE, START - 60_000)
    old.update(
        [
            Trade(instrument=BINANCE, ts=START - 30_000, price=100.0, amount=2.0, side="buy",
                  id="7", seq=7)  # type: ignore[arg-type]
        ]
    )  # fmt: skip
    async with desk(clock, wall) as (venues, streams):
        streams.on_gap.append(told.append)
        assert streams.adopt(old, START - 20_000)
        assert not streams.adopt(SymbolState(BINANCE, START), START) or told == []
        await streams.watch([BINANCE])
        assert streams.state(BINANCE) is old
        (missing,) = told
        assert (missing.from_ts, missing.to_ts, missing.after_seq) == (START - 20_000, START, 7)
        assert missing.state is old
        found = old.flow.gaps(0, START * 2)
        assert [(g.from_ts, g.to_ts) for g in found] == [(START - 20_000, START)]
        assert gaps(streams, BINANCE, Channel.TRADES) == [(-20_000, 0)]
        clock.advance(1000)
        await venues.say("binance", aggregate(500, 8))
        await until(lambda: old.flow.trades == 2)


async def test_a_listener_that_breaks_harms_nobody(clock: FixedClock, wall: WallClock) -> None:
    told: list[News] = []

    def broken(_news: object) -> None:
        raise RuntimeError("a fault of a listener")

    async with desk(clock, wall) as (venues, streams):
        streams.on_events += [broken, told.extend]
        await streams.watch([BTC])
        await venues.trades(row(1, 1))
        await until(lambda: told)
        assert venues.connections == 1


async def test_a_quiet_feed_of_liquidations_that_lives_has_no_gap_and_a_lost_one_has(
    clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor, "TICK", 0.01)
    wall = FixedClock(5_000_000)
    async with desk(clock, wall) as (venues, streams):
        await streams.watch([BYBIT])
        await until(lambda: streams.status()["bybit"].topics == 3)
        state = streams.state(BYBIT)
        assert state is not None
        for _ in range(40):  # twenty minutes without a row, each look of the clock heard by a pong
            clock.advance(30_000)
            await venues.say("bybit", {"success": True, "ret_msg": "pong", "op": "ping"})
            heard = clock.now()
            await until(lambda: (state.liquidations.heard() or 0) >= heard)  # noqa: B023
        found = state.snapshot(clock.now())["liq_long_15m"]
        assert (found.value, "blind" in found.note) == (0.0, False)
        venues.refuse = True
        await venues.hang_up("bybit")
        await until(lambda: streams.status()["bybit"].topics == 0)
        clock.advance(5_000)
        venues.refuse = False
        await until(lambda: streams.status()["bybit"].topics == 3)
        streams.state(BYBIT)
        assert "blind" in state.snapshot(clock.now())["liq_long_15m"].note


async def test_a_message_that_cannot_be_read_marks_what_no_number_would_miss(
    clock: FixedClock, wall: WallClock
) -> None:
    async with desk(clock, wall) as (venues, streams):
        await streams.watch([BTC, ETH, BINANCE])
        clock.advance(10_000)
        await venues.trades(row(9_000, 1))
        await venues.trades(row(9_500, 2, px="many"))
        await until(lambda: gaps(streams, BTC, Channel.TRADES))
        assert gaps(streams, ETH, Channel.TRADES) == []
        await venues.say("binance", aggregate(9_500, 1))
        await venues.say("binance", aggregate(9_500, 2, p="many"))
        await venues.say("binance", aggregate(9_600, 3))
        flow = streams.flow(BINANCE)
        assert flow is not None
        await until(lambda: flow.trades == 2)
        assert gaps(streams, BINANCE, Channel.TRADES) == [(9_499, 9_600)]
        clock.advance(10_000)
        await venues.say("hyperliquid", '{"channel":"trades","data":[{"co')
        await until(lambda: gaps(streams, ETH, Channel.TRADES))
        (_start, end), *_rest = gaps(streams, ETH, Channel.TRADES)
        assert end == 20_000
