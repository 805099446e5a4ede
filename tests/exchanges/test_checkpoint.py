"""Kill at any moment: what comes back equals the uninterrupted run, but for a gap that is marked and filled."""

import asyncio
from collections.abc import Callable, Iterable, Sequence

import numpy as np
import pytest

from analytics.state import SymbolState
from exchanges.streams import checkpoint as module
from exchanges.streams import filling
from exchanges.streams.checkpoint import Checkpointer, whole_until
from exchanges.streams.decoder import Channel, Topic
from exchanges.streams.filling import Filler
from exchanges.streams.ledger import Ledger
from exchanges.streams.watched import Missing
from exchanges.types import Checkpoint, FlowMinute, GapPage, Hole, PastTrades
from market.clock import FixedClock
from market.errors import AssistantError, SourceError
from market.types import DAY, HOUR, MINUTE, Gap, Instrument, Side, Trade

START = 1_780_272_000_000
BTC = Instrument(exchange="okx", symbol="BTC/USDT:USDT", base="BTC", quote="USDT", perp=True)
BYBIT = Instrument(exchange="bybit", symbol="BTC/USDT:USDT", base="BTC", quote="USDT", perp=True)
SOON = 500  # ms: the end of what `tape` leaves silent


class Disk:
    """`CheckpointStore` and `GapStore` in memory; `cut` ends the process in the middle of a write."""

    def __init__(self) -> None:
        self.states: dict[str, Checkpoint] = {}
        self.rows: dict[tuple[str, int], bytes] = {}
        self.pages: list[GapPage] = []
        self.sign: tuple[int, bytes] | None = None
        self.cut = False
        self.saves = 0
        self.wrote: list[int] = []  # minutes of the newest round

    async def save(self, states: Sequence[Checkpoint], minutes: Sequence[FlowMinute]) -> None:
        await asyncio.sleep(0)
        if self.cut:
            raise AssistantError("killed")
        self.saves += 1
        self.wrote = [each.minute for each in minutes]
        self.states.update({each.key: each for each in states})
        self.rows.update({(each.key, each.minute): each.body for each in minutes})

    async def keys(self) -> dict[str, int]:
        return {key: each.ts for key, each in self.states.items()}

    async def load(self, key: str) -> Checkpoint | None:
        return self.states.get(key)

    async def minutes(self, key: str, start: int, end: int) -> list[FlowMinute]:
        return [
            FlowMinute(key=key, minute=minute, body=body)
            for (name, minute), body in sorted(self.rows.items())
            if name == key and start <= minute < end
        ]

    async def forget(self, keys: Sequence[str]) -> None:
        for key in keys:
            self.states.pop(key, None)
            self.rows = {row: body for row, body in self.rows.items() if row[0] != key}

    async def save_ledger(self, pages: Sequence[GapPage], ts: int, body: bytes) -> None:
        self.pages, self.sign = [*self.pages, *pages], (ts, body)

    async def all_gaps(self, start: int, end: int) -> list[Gap]:
        return []

    async def sign_of_life(self) -> tuple[int, bytes] | None:
        return self.sign


class Rest:
    """Tells the trades of a tape."""

    def __init__(self, tape: Sequence[Trade]) -> None:
        self.tape, self.away = tape, False

    async def past_trades(
        self, instrument: Instrument, *, since: int, until: int, after_seq: int | None = None,
        before_seq: int | None = None,
    ) -> PastTrades:  # fmt: skip
        if self.away:
            raise SourceError("x", "refused the request")
        hole = Hole(
            instrument=instrument, since=since, until=until, after_seq=after_seq,
            before_seq=before_seq,
        )  # fmt: skip
        found = tuple(each for each in self.tape if hole.holds(each))
        return PastTrades(trades=found, whole=(since, until), complete=True)


class Life:
    """One process: states, ledger, filler and checkpointer over a disk that outlives it."""

    def __init__(self, disk: Disk, clock: FixedClock, rest: Rest | None = None) -> None:
        self.disk, self.clock = disk, clock
        self.states: dict[str, SymbolState] = {}
        self.blind_from: dict[str, int] = {}
        self.ledger = Ledger(disk, clock)
        sources = {} if rest is None else {"okx": rest, "bybit": rest}
        self.filler = Filler(sources, clock, self.ledger)
        self.keeper = Checkpointer(
            disk, clock, states=self.states.values, adopt=self._adopt,
            fill=self.filler.fill, ledger=self.ledger,
        )  # fmt: skip
        self.filler.on_done.append(self.keeper.done)

    def begin(self, instrument: Instrument, ts: int) -> SymbolState:
        self.ledger.closed(Topic(Channel.TRADES, instrument), ts)
        return self.states.setdefault(instrument.key, SymbolState(instrument, ts))

    def live(self, instrument: Instrument) -> SymbolState:
        """The venue confirmed the subscription: what the streams do then."""
        state, now = self.states[instrument.key], self.clock.now()
        topic, since = Topic(Channel.TRADES, instrument), self.blind_from.pop(instrument.key)
        state.flow.mark_gap(since, now)
        self.ledger.closed(topic, now)
        last = state.last
        self.filler.fill(
            Missing(
                topic=topic, state=state, from_ts=since, to_ts=now,
                after_seq=None if last is None else last.seq,
            )
        )  # fmt: skip
        return state

    def _adopt(self, state: SymbolState, until: int) -> bool:
        self.states[state.instrument.key] = state
        self.blind_from[state.instrument.key] = until
        self.ledger.resumed(Topic(Channel.TRADES, state.instrument), until)
        return True


def tape(instrument: Instrument, minutes: float, seed: int = 1, rate: float = 4.0) -> list[Trade]:
    """Trades a second on average, up to just before the end of the last minute."""
    chance, span = np.random.default_rng(seed), int(minutes * MINUTE) - SOON
    stamps = np.sort(chance.integers(START + 1, START + span, int(minutes * 60 * rate))).tolist()
    numbered = instrument.exchange == "okx"
    return [
        Trade(
            instrument=instrument,
            ts=ts,
            price=60_000.0 + n % 70,
            amount=float(chance.integers(1, 900)) / 100,
            side=Side.BUY if chance.random() < 0.5 else Side.SELL,
            id=str(n),
            seq=n if numbered else None,
        )
        for n, ts in enumerate(stamps, 1)
    ]


def until(trades: Iterable[Trade], ts: int) -> list[Trade]:
    return [each for each in trades if each.ts <= ts]


def sums(state: SymbolState, since: int, end: int) -> tuple[float, ...]:
    found = state.flow.window(since, end)
    return (found.delta_base, found.delta_value, found.value, float(found.n))


def same(one: SymbolState, other: SymbolState, now: int) -> None:
    """Every figure of both is equal, and the flow over any whole seconds."""
    for back in (5_000, MINUTE, 7 * MINUTE, 15 * MINUTE, HOUR):
        end = now // 1000 * 1000
        since = max(end - back, START)
        assert sums(one, since, end) == pytest.approx(sums(other, since, end)), back
    first, second = one.snapshot(now), other.snapshot(now)
    assert first.keys() == second.keys()
    for name, reading in first.items():
        assert reading.status == second[name].status, name
        if isinstance(reading.value, float):
            assert reading.value == pytest.approx(second[name].value, rel=1e-9, abs=1e-6), name


async def wait(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110 - what is waited for tells nobody
            await asyncio.sleep(0.001)


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock stands still while a fill waits for the venue to know."""
    monkeypatch.setattr(filling, "PAST_LAG", 0)
    monkeypatch.setattr(filling, "FIRST_DELAY", 0.01)


@pytest.fixture
def disk() -> Disk:
    return Disk()


@pytest.mark.parametrize("instrument", [BTC, BYBIT], ids=["numbered", "by id"])
@pytest.mark.parametrize("killed", [61_000, 10 * MINUTE + 437, 33 * MINUTE + 59_999, 45 * MINUTE])
async def test_a_restart_whose_gap_is_filled_equals_the_run_that_was_never_ended(
    disk: Disk, instrument: Instrument, killed: int
) -> None:
    trades = tape(instrument, 50)
    clock = FixedClock(START)
    first = Life(disk, clock)
    state = first.begin(instrument, START)
    done = 0
    for end in range(START + 20_000, START + killed, 20_000):  # a round whenever a minute is over
        clock.set(end)
        state.update([each for each in trades if START + done < each.ts <= end])
        done = end - START
        if end // MINUTE > (end - 20_000) // MINUTE:
            await first.keeper.save()
    saved = disk.states[instrument.key].ts

    clock.set(START + killed + 90_000)  # the kill; it starts again a minute and a half later
    second = Life(disk, clock, Rest(trades))
    await second.ledger.load(clock.now())
    assert await second.keeper.restore([instrument, BTC, BYBIT]) == 1
    assert not second.keeper.restored.is_set(), "alerts wait for the gap"
    back = second.live(instrument)
    gap = back.flow.gaps(0, 2**62)
    assert [each.to_ts for each in gap] == [clock.now()]
    assert saved - 10_000 <= gap[0].from_ts <= saved
    assert await second.keeper.settle(5) == []
    assert back.flow.gaps(0, 2**62) == []
    assert second.ledger.blind(0, 2**62) == []

    whole = SymbolState(instrument, START)
    whole.update(until(trades, clock.now()))
    clock.set(START + 50 * MINUTE)
    for each in (whole, back):
        each.update([t for t in trades if t.ts > START + killed + 90_000])
        each.alive(clock.now())
    same(back, whole, clock.now())
    await second.filler.close()


@pytest.mark.parametrize("instrument", [BTC, BYBIT], ids=["numbered", "by id"])
@pytest.mark.parametrize("behind", [200, 8_000], ids=["at once", "busy"])
async def test_stream_and_fill_of_a_restart_overlap(
    disk: Disk, instrument: Instrument, behind: int
) -> None:
    """Trades arrive live while the gap is being filled, some of them with a ts inside the gap."""
    trades, clock = tape(instrument, 30), FixedClock(START)
    first = Life(disk, clock)
    state = first.begin(instrument, START)
    clock.set(START + 10 * MINUTE + 3)
    state.update(until(trades, clock.now() - behind))  # some were on their way when it was dumped
    await first.keeper.save()
    clock.set(START + 14 * MINUTE)
    second = Life(disk, clock, Rest(trades))
    await second.ledger.load(clock.now())
    await second.keeper.restore([instrument])
    back = second.live(instrument)
    clock.advance(400)
    back.update([t for t in trades if START + 14 * MINUTE - 700 < t.ts <= clock.now()])
    clock.advance(module.FLIGHT)
    assert await second.keeper.settle(5) == []
    clock.set(START + 20 * MINUTE)
    back.update([t for t in trades if START + 14 * MINUTE - 700 < t.ts <= clock.now()])
    assert back.flow.window(START, clock.now()).n == len(until(trades, clock.now()))
    assert back.flow.gaps(0, 2**62) == []
    await second.filler.close()


async def test_a_gap_that_cannot_be_filled_stays_marked_and_arms_all_the_same(disk: Disk) -> None:
    trades, clock = tape(BTC, 30), FixedClock(START)
    first = Life(disk, clock)
    state = first.begin(BTC, START)
    clock.set(START + 10 * MINUTE)
    state.update(until(trades, clock.now()))
    await first.keeper.save()
    clock.set(START + 15 * MINUTE)
    rest = Rest(trades)
    rest.away = True
    second = Life(disk, clock, rest)
    await second.ledger.load(clock.now())
    await second.keeper.restore([BTC])
    back = second.live(BTC)
    assert await second.keeper.settle(5) == []
    assert second.keeper.restored.is_set()
    [gap] = back.flow.gaps(0, 2**62)
    [told] = second.ledger.blind(0, 2**62)
    assert (told.from_ts, told.to_ts) == (gap.from_ts, gap.to_ts)
    assert gap.to_ts == clock.now()
    reading = back.snapshot(clock.now())["volume_15m"]
    assert reading.note or not reading.known, "no figure hides the gap"
    before = gap.from_ts // 1000 * 1000
    assert back.flow.window(START, before).n == len(until(trades, before))
    await second.filler.close()


async def test_a_venue_that_never_comes_back_does_not_hold_alerts_up_for_ever(disk: Disk) -> None:
    clock = FixedClock(START)
    first = Life(disk, clock)
    first.begin(BTC, START).update(tape(BTC, 1))
    clock.set(START + MINUTE)
    await first.keeper.save()
    second = Life(disk, clock)
    await second.keeper.restore([BTC])
    assert await second.keeper.settle(0.01) == [BTC.key]
    assert second.keeper.restored.is_set()


async def test_nothing_kept_arms_at_once(disk: Disk) -> None:
    life = Life(disk, FixedClock(START))
    assert await life.keeper.restore([BTC]) == 0
    assert life.keeper.restored.is_set()


async def test_a_kill_between_dump_and_write_leaves_the_round_before(disk: Disk) -> None:
    trades, clock = tape(BTC, 30), FixedClock(START)
    first = Life(disk, clock)
    state = first.begin(BTC, START)
    for minute in range(1, 11):
        clock.set(START + minute * MINUTE)
        state.update([t for t in trades if clock.now() - MINUTE < t.ts <= clock.now()])
        disk.cut = minute == 10
        if disk.cut:
            with pytest.raises(AssistantError, match="killed"):
                await first.keeper.save()
        else:
            await first.keeper.save()
    assert disk.states[BTC.key].ts == START + 9 * MINUTE
    assert disk.sign is not None
    assert disk.sign[0] == START + 9 * MINUTE, "no sign of life without the states"
    disk.cut = False
    second = Life(disk, clock, Rest(trades))
    await second.keeper.restore([BTC])
    back = second.live(BTC)
    clock.advance(module.FLIGHT)
    assert await second.keeper.settle(5) == []
    assert sums(back, START, START + 10 * MINUTE) == pytest.approx(
        sums(state, START, START + 10 * MINUTE)
    )
    await second.filler.close()


async def test_a_round_that_failed_is_made_up_by_the_next(disk: Disk) -> None:
    trades, clock = tape(BTC, 30), FixedClock(START)
    first = Life(disk, clock)
    state = first.begin(BTC, START)
    for minute in range(1, 6):
        clock.set(START + minute * MINUTE)
        state.update([t for t in trades if clock.now() - MINUTE < t.ts <= clock.now()])
        disk.cut = minute in (2, 3)
        try:
            await first.keeper.save()
        except AssistantError:
            assert disk.cut
    assert disk.wrote == [START + 4 * MINUTE], "what is on the disk is not written again"
    assert [minute for _key, minute in sorted(disk.rows)] == [START + n * MINUTE for n in range(5)]
    back = Life(disk, clock)
    await back.keeper.restore([BTC])
    assert sums(back.states[BTC.key], START, clock.now()) == pytest.approx(
        sums(state, START, clock.now())
    )


async def test_late_trades_change_the_minutes_on_the_disk(disk: Disk) -> None:
    trades, clock = tape(BTC, 10), FixedClock(START)
    late = [each for n, each in enumerate(trades) if n % 9 == 4 and each.ts < START + 8 * MINUTE]
    first = Life(disk, clock)
    state = first.begin(BTC, START)
    for minute in range(1, 11):
        clock.set(START + minute * MINUTE)
        state.update(
            [t for t in trades if clock.now() - MINUTE < t.ts <= clock.now() and t not in late]
        )
        await first.keeper.save()
    state.update(late)
    clock.advance(20_000)
    await first.keeper.save()
    second = Life(disk, clock)
    await second.keeper.restore([BTC])
    found = sums(second.states[BTC.key], START, START + 10 * MINUTE)
    assert found == pytest.approx(sums(state, START, START + 10 * MINUTE))
    assert found[3] == len(trades)


async def test_a_lost_or_broken_minute_moves_the_start_and_is_no_silent_hole(disk: Disk) -> None:
    trades, clock = tape(BTC, 20), FixedClock(START)
    first = Life(disk, clock)
    first.begin(BTC, START).update(trades)
    clock.set(START + 20 * MINUTE)
    await first.keeper.save()
    for hurt, start in ((None, 11), (b"", 11), (b"torn in two", 11)):
        row = (BTC.key, START + 10 * MINUTE)
        if hurt is None:
            del disk.rows[row]
        else:
            disk.rows[row] = hurt
        life = Life(disk, clock)
        assert await life.keeper.restore([BTC]) == 1
        back = life.states[BTC.key].flow
        assert back.started_ts == START + start * MINUTE
        found = back.window(START, clock.now())
        assert found.since == START + start * MINUTE
        assert found.n == len([t for t in trades if t.ts > START + start * MINUTE])


@pytest.mark.parametrize("body", [b"", b"\x80", b"\xc1", b"torn", bytes(100)])
async def test_a_state_that_makes_no_sense_is_dropped(disk: Disk, body: bytes) -> None:
    clock = FixedClock(START + HOUR)
    disk.states[BTC.key] = Checkpoint(key=BTC.key, ts=START, body=body)
    disk.rows[BTC.key, START] = b"x"
    life = Life(disk, clock)
    assert await life.keeper.restore([BTC]) == 0
    assert life.states == {}
    assert disk.states == {}
    assert disk.rows == {}
    assert life.keeper.restored.is_set()


@pytest.mark.parametrize("away", [-1, DAY + 1, -HOUR])
async def test_a_state_of_another_time_is_not_given_back(disk: Disk, away: int) -> None:
    """The market's clock went back, or a day has passed."""
    clock = FixedClock(START)
    first = Life(disk, clock)
    first.begin(BTC, START - HOUR).update(tape(BTC, 1))
    await first.keeper.save()
    clock.set(START + away)
    second = Life(disk, clock)
    assert await second.keeper.restore([BTC]) == 0
    assert disk.states == {}


async def test_a_feed_that_was_blind_at_the_dump_is_blind_since_then() -> None:
    state = SymbolState(BTC, START)
    trades = [each for each in tape(BTC, 2) if each.ts <= START + 40_000]
    state.update(trades)
    newest = trades[-1].ts
    assert whole_until(state, START + 40_000) == max(newest - 1, START + 40_000 - module.FLIGHT)
    assert whole_until(state, START + 60_000) == START + 60_000 - module.FLIGHT
    state.flow.mark_gap(newest - 1, START + 60_000)
    assert whole_until(state, START + 60_000) == newest - 1


async def test_a_dump_takes_its_turn_with_others(disk: Disk) -> None:
    """The loop is free between any two states."""
    clock = FixedClock(START)
    life = Life(disk, clock)
    for n in range(20):
        one = Instrument(
            exchange="okx", symbol=f"C{n}/USDT:USDT", base=f"C{n}", quote="USDT", perp=True
        )
        life.begin(one, START).update(tape(one, 1, seed=n))
    clock.set(START + MINUTE)
    turns = 0

    async def other() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    task = asyncio.create_task(other())
    await life.keeper.save()
    task.cancel()
    assert turns >= 20
    status = life.keeper.status
    assert (status.states, status.ts, status.failed) == (20, START + MINUTE, 0)
    assert len(disk.rows) == 20


async def test_one_broken_state_costs_no_other_its_checkpoint(
    disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = FixedClock(START + MINUTE)
    life = Life(disk, clock)
    broken = life.begin(BTC, START)
    life.begin(BYBIT, START)

    def bad(_now: int) -> bytes:
        raise RuntimeError("a bug")

    monkeypatch.setattr(broken, "dump", bad, raising=False)
    await life.keeper.save()
    assert list(disk.states) == [BYBIT.key]


async def test_gaps_that_waited_are_tried_again_where_trades_are_numbered(disk: Disk) -> None:
    trades, clock = tape(BTC, 30), FixedClock(START)
    first = Life(disk, clock)
    state = first.begin(BTC, START)
    clock.set(START + 20 * MINUTE)
    seen = [t for t in until(trades, clock.now()) if not 5 * MINUTE < t.ts - START < 6 * MINUTE]
    state.update([t for t in seen if t.ts - START <= 5 * MINUTE])
    state.flow.mark_gap(START + 5 * MINUTE, START + 6 * MINUTE)
    state.update([t for t in seen if t.ts - START > 5 * MINUTE])
    await first.keeper.save()
    second = Life(disk, clock, Rest(trades))
    await second.keeper.restore([BTC])
    clock.advance(1)
    back = second.live(BTC)
    clock.advance(module.FLIGHT)
    assert await second.keeper.settle(5) == []
    await wait(lambda: second.filler.status()["okx"].waiting == 0)
    assert back.flow.gaps(0, 2**62) == []
    assert back.flow.window(START, START + 20 * MINUTE).n == len(until(trades, START + 20 * MINUTE))
    await second.filler.close()


async def test_run_saves_each_market_minute(disk: Disk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SHORTEST", 0.0)
    clock = FixedClock(START + MINUTE - 5)
    life = Life(disk, clock)
    life.begin(BTC, START).update(tape(BTC, 1))
    disk.cut = True
    task = asyncio.create_task(life.keeper.run())
    await wait(lambda: life.keeper.status.failed)
    assert life.keeper.status.reason == "killed"
    disk.cut = False
    await wait(lambda: disk.saves >= 2)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert life.keeper.status.reason == ""
