"""Checkpoints: each market minute every live state goes to the disk, and comes back after a restart.

A state's body and the seconds of its flow are taken in one step between two awaits and written in one
transaction, so that they always tell of the same moment. A restart is then nothing but a long gap: the state
goes on from where its checkpoint is whole, the gap up to the next confirmed subscription is filled from REST,
and `restored` is set when all of these gaps are filled or given up (and marked). Alerts wait for that.
"""

import asyncio
import logging
import struct
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import msgspec

from analytics.state import SymbolState
from exchanges.streams.decoder import Channel, Topic
from exchanges.streams.ledger import Ledger
from exchanges.streams.watched import Missing
from exchanges.types import Checkpoint, CheckpointStore, FlowMinute
from market.clock import Clock, MarketClock
from market.errors import AssistantError
from market.types import DAY, HOUR, MINUTE, Instrument

logger = logging.getLogger(__name__)

REACH = DAY  # of flow that comes back; an older state is of no use
# Wall ms within which a trade arrives: later ones may have been on their way at the dump, on the wire or in a socket
# that a busy process had not read yet. Too long costs a longer question, too short loses trades in silence.
FLIGHT = 10_000
AT_ONCE = 20  # minutes of flow taken without giving others their turn
BACK_AT_ONCE = 5  # minutes given back likewise
AGAIN = HOUR  # how far back gaps that were not filled before the restart are tried once more
ARM = 120.0  # seconds after which alerts are armed though not every gap has ended
SHORTEST = 1.0  # wall seconds between two rounds, however fast the market's clock runs

Adopt = Callable[[SymbolState, int], bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckpointStatus:
    """What the last round did."""

    ts: int | None = None  # market ms
    states: int = 0
    size: int = 0  # bytes before packing
    slowest_ms: float = 0.0  # longest step that held the loop
    failed: int = 0  # rounds since the start
    reason: str = ""  # why the last one failed


class Checkpointer:
    """`states` gives the live ones; `adopt(state, whole_until)` hands one back to the streams, and the ledger.

    Wire it up: `filler.on_done` gets `done`, `fill` is the filler's.
    """

    def __init__(
        self,
        store: CheckpointStore,
        clock: Clock,
        *,
        states: Callable[[], Iterable[SymbolState]],
        adopt: Adopt,
        fill: Callable[[Missing], None] | None = None,
        ledger: Ledger | None = None,
    ) -> None:
        self.restored = asyncio.Event()
        self.status = CheckpointStatus()
        self._store, self._clock = store, clock
        self._states, self._adopt, self._fill = states, adopt, fill
        self._ledger = ledger
        self._taken: dict[str, int] = {}  # the minutes before this moment were taken
        self._due: dict[str, set[int]] = {}  # minutes that are not on the disk as they are now
        self._waiting: dict[str, int] = {}  # whose restart gap has not ended; from where it goes
        self._busy = asyncio.Lock()
        self._slowest = 0.0  # ms of the longest step of this round

    def done(self, missing: Missing, _whole: bool) -> None:
        """A gap is filled or given up."""
        key = missing.topic.instrument.key
        if key in self._waiting and missing.to_ts > self._waiting[key]:
            del self._waiting[key]
            self._arm()

    async def restore(self, instruments: Sequence[Instrument]) -> int:
        """Give the states of these back to the streams; returns how many there were. Call it before watching."""
        known = await self._store.keys()
        count = 0
        for instrument in dict.fromkeys(instruments):
            if instrument.key in known:
                count += await self._restore(instrument)
        self._arm()
        return count

    async def settle(self, seconds: float = ARM) -> list[str]:
        """Wait for `restored`, but no longer; returns the instruments whose gap did not end in time."""
        try:
            async with asyncio.timeout(seconds):
                await self.restored.wait()
        except TimeoutError:
            logger.warning("restart gaps not filled in time instruments=%s", sorted(self._waiting))
        late = sorted(self._waiting)
        self.restored.set()
        return late

    async def _restore(self, instrument: Instrument) -> bool:
        key, now = instrument.key, self._clock.now()
        kept = await self._store.load(key)
        if kept is None:
            return False
        if not now - REACH <= kept.ts <= now:
            logger.info("checkpoint is of another time key=%s ts=%s now=%s", key, kept.ts, now)
            await self._store.forget([key])
            return False
        state = SymbolState(instrument)
        await asyncio.sleep(0)
        try:
            state.restore(kept.body)
        except (msgspec.MsgspecError, ArithmeticError, LookupError, TypeError, ValueError):
            logger.exception("checkpoint makes no sense key=%s ts=%s", key, kept.ts)
            await self._store.forget([key])
            return False
        await self._load_flow(state, kept.ts)
        speed = self._clock.speed if isinstance(self._clock, MarketClock) else 1.0
        until = whole_until(state, kept.ts, round(FLIGHT * max(1.0, speed)))
        if not self._adopt(state, until):
            return False
        self._taken[key] = kept.ts // MINUTE * MINUTE
        self._waiting[key] = until
        self._try_again(Topic(Channel.TRADES, instrument), state, until)
        return True

    async def _load_flow(self, state: SymbolState, ts: int) -> None:
        """The minutes before a state's own, newest first, as far as they go back without a break."""
        flow, key = state.flow, state.instrument.key
        begun, end = flow.watched_since, ts // MINUTE * MINUTE
        if begun is None:
            return
        rows = await self._store.minutes(key, max(begun - MINUTE, ts - REACH), end)
        due = end
        for place, row in enumerate(reversed(rows)):
            due -= MINUTE
            if row.minute != due:
                logger.warning("minute of flow is not there key=%s minute=%s", key, due)
                return
            try:
                flow.load_seconds(row.body)
            except (ValueError, struct.error):
                logger.warning("minute of flow makes no sense key=%s minute=%s", key, due)
                return
            if place % BACK_AT_ONCE == 0:
                await asyncio.sleep(0)

    def _try_again(self, topic: Topic, state: SymbolState, until: int) -> None:
        """Hand gaps to the filler that it had no time for, where numbers keep trades from counting twice."""
        if self._fill is None or state.last is None or state.last.seq is None:
            return
        for each in state.flow.gaps(until - AGAIN, until):
            if each.to_ts < until:
                self._fill(
                    Missing(topic=topic, state=state, from_ts=each.from_ts, to_ts=each.to_ts)
                )

    def _arm(self) -> None:
        if not self._waiting and not self.restored.is_set():
            self.restored.set()

    async def run(self) -> None:
        """Save each market minute until cancelled."""
        while True:
            await self._pause()
            try:
                await self.save()
            except AssistantError as error:
                self._failed(str(error))
            except Exception:
                logger.exception("a checkpoint broke")
                self._failed("broke")

    async def save(self) -> None:
        """One round. What cannot be written raises, and is written by the next one."""
        async with self._busy:
            await self._save()

    async def _save(self) -> None:
        now = self._clock.now()
        pages, undo = self._ledger.pages(now) if self._ledger is not None else ([], {})
        states: list[Checkpoint] = []
        minutes: list[FlowMinute] = []
        self._slowest = 0.0
        try:
            for state in list(self._states()):
                if state.flow.started_ts is not None:
                    try:
                        await self._take(state, states, minutes)
                    except Exception:  # the others shall not lose theirs
                        logger.exception("state not dumped key=%s", state.instrument.key)
            await self._store.save(states, minutes)
        except BaseException:
            if self._ledger is not None:
                self._ledger.undo(undo)
            raise
        for each in minutes:
            self._due[each.key].discard(each.minute)
        if self._ledger is not None:
            await self._ledger.write(pages, now, undo)
        self.status = CheckpointStatus(
            ts=now,
            states=len(states),
            size=sum(len(each.body) for each in states) + sum(len(each.body) for each in minutes),
            slowest_ms=self._slowest,
            failed=self.status.failed,
        )

    async def _take(
        self, state: SymbolState, states: list[Checkpoint], minutes: list[FlowMinute]
    ) -> None:
        """The body of one state, and the minutes of its flow that changed.

        The body and the minutes that it may have changed lately are of one moment; older ones follow in steps.
        """
        began = time.perf_counter()
        key, now = state.instrument.key, self._clock.now()
        body = state.dump(now)
        due = sorted(self._minutes_due(state, now), reverse=True)
        states.append(Checkpoint(key=key, ts=now, body=body))
        for start in range(0, len(due), AT_ONCE):
            minutes += [
                FlowMinute(key=key, minute=each, body=state.flow.seconds(each, each + MINUTE))
                for each in due[start : start + AT_ONCE]
            ]
            self._slow(began)
            await asyncio.sleep(0)
            began = time.perf_counter()
        await asyncio.sleep(0)

    def _minutes_due(self, state: SymbolState, now: int) -> set[int]:
        """Whole minutes up to now that were never taken, got late trades, or could not be written."""
        key, whole = state.instrument.key, now // MINUTE * MINUTE
        oldest = max((state.flow.started_ts or 0) // MINUTE * MINUTE, whole - REACH)
        due = self._due.setdefault(key, set())
        due.update(range(max(self._taken.get(key, oldest), oldest), whole, MINUTE))
        due.update(end - MINUTE for end in state.flow.late_minutes() if end <= whole)
        due.difference_update([each for each in due if each < oldest])
        self._taken[key] = whole
        return due

    def _slow(self, began: float) -> None:
        self._slowest = max(self._slowest, (time.perf_counter() - began) * 1000)

    def _failed(self, reason: str) -> None:
        logger.warning("checkpoint not written reason=%s", reason)
        self.status = replace(self.status, failed=self.status.failed + 1, reason=reason)

    async def _pause(self) -> None:
        """Until the market's next minute."""
        speed = self._clock.speed if isinstance(self._clock, MarketClock) else 1.0
        left = (MINUTE - self._clock.now() % MINUTE) / 1000 / max(speed, 1e-6)
        await asyncio.sleep(min(max(SHORTEST, left), 60.0))


def whole_until(state: SymbolState, ts: int, flight: int = FLIGHT) -> int:
    """Up to when a state that was dumped at `ts` certainly has every trade, but for its marked gaps.

    Trades come in order of time: with the newest one all before it are there, but maybe not those of its own
    millisecond. On a quiet feed it is the moment before which nothing can have been on its way any more: `flight`
    market ms before the dump.
    """
    flow = state.flow
    newest = (flow.last_ts or 0) - 1
    until = max(ts - flight, newest, flow.started_ts or 0)
    blind = [each.from_ts for each in flow.gaps(until - 1, ts + MINUTE) if each.from_ts >= newest]
    return min([until, *blind])  # it was blind already: nothing was counted after that
