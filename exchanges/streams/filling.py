"""Fills gaps from the venues' REST: what a stream missed is fetched, counted once, and its blindness ended.

One gap at a time for each venue, so that a backfill never stands in the way of a command; the pages pace
themselves. What cannot be had stays marked in the flow and in the ledger, for exactly the time that is missing.
Binance and OKX count their trades: there the numbers prove that nothing is missing. Bybit tells its newest
trades only, Hyperliquid none.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from exchanges.base import PAST_LAG
from exchanges.streams.decoder import Topic
from exchanges.streams.watched import Missing
from exchanges.types import PastSource, PastTrades
from market.clock import Clock, MarketClock
from market.errors import SourceError, SourceUnavailable
from market.types import Trade

logger = logging.getLogger(__name__)

QUEUE = 1_000  # gaps that wait for one venue; the next one stays a gap
NEAR = 2_000  # ms between two gaps of one instrument that are fetched as one
FIRST_DELAY, MOST_DELAY = 1.0, 60.0  # seconds before asking again
TRIES = 6  # in a row without any progress, where the venue did not answer
REFUSALS = 2  # where it did, with a refusal
TIMEOUT = 60.0  # seconds for one call, its pacing included
PATIENCE = 900.0  # seconds for one gap
MOST = 1_000_000  # trades of one gap
CHUNK = 500  # trades counted before others get their turn
FORGOTTEN = 2_000  # trades after which ids from around the gap are no longer all remembered
LATE = 10_000  # ms before the end of a gap in which trades may have come by the stream already
GOODBYE = 3.0  # seconds

OnDone = Callable[[Missing, bool], None]
OnNew = Callable[[Sequence[Trade]], None]


class Closing(Protocol):
    """Where filled intervals are taken out, and those are put in that a fill finds to be blind."""

    def filled(self, topic: Topic, from_ts: int, to_ts: int) -> None: ...

    def missed(self, topic: Topic, from_ts: int, to_ts: int) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class FillStatus:
    """What is being done about the gaps of one exchange; counts since the start."""

    waiting: int = 0  # gaps
    filled: int = 0
    unfilled: int = 0  # in part or as a whole
    trades: int = 0  # that the stream had missed
    refused: int = 0  # gaps that found the queue full
    reason: str = ""  # why the last unfilled one stayed so


@dataclass(slots=True, eq=False)
class _Job:
    """A gap on its way; `missing` shrinks as it is filled."""

    missing: Missing
    whole: Missing  # as it was asked for
    counted: int  # trades of the flow when it was asked for
    ready: float  # loop seconds
    left: bool = True  # something of it is not filled yet
    fed: int = 0  # trades that were told
    new: int = 0  # of these, trades that the stream had missed
    tries: int = 0
    spent: float = 0.0  # seconds


class _Venue:
    """The gaps of one exchange and the task that works on them."""

    def __init__(self) -> None:
        self.jobs: list[_Job] = []
        self.working = False
        self.changed = asyncio.Event()
        self.task: asyncio.Task[None] | None = None
        self.filled = self.unfilled = self.trades = self.refused = 0
        self.reason = ""


class Filler:
    """Takes gaps by `fill` (it fits `Streams.on_gap`).

    `on_done` hears of each gap at its end, and whether nothing of it is left.
    """

    def __init__(
        self, venues: Mapping[str, PastSource], clock: Clock, ledger: Closing | None = None
    ) -> None:
        self.on_done: list[OnDone] = []
        self.on_new: list[OnNew] = []
        self._sources, self._clock, self._ledger = venues, clock, ledger
        self._venues: dict[str, _Venue] = {}
        self._closed = False

    def fill(self, missing: Missing) -> None:
        """Fetch what is missing as soon as its venue has a turn; returns at once."""
        exchange = missing.topic.instrument.exchange
        venue = self._venues.setdefault(exchange, _Venue())
        for job in venue.jobs:
            if _touches(job.missing, missing):
                job.missing = _joined(job.missing, missing)
                job.whole = _joined(job.whole, missing)
                return
        if self._closed or exchange not in self._sources or len(venue.jobs) >= QUEUE:
            venue.refused += 1
            venue.unfilled += 1
            venue.reason = "too many gaps are waiting" if exchange in self._sources else "no REST"
            self._done(missing, whole=False)
            return
        ready = asyncio.get_running_loop().time() + self._lag(missing)
        venue.jobs.append(
            _Job(missing=missing, whole=missing, counted=missing.state.flow.trades, ready=ready)
        )
        venue.changed.set()
        if venue.task is None or venue.task.done():
            venue.task = asyncio.create_task(self._work(exchange, venue), name=f"fills {exchange}")

    def status(self) -> dict[str, FillStatus]:
        """By exchange; those without gaps are left out."""
        return {
            exchange: FillStatus(
                waiting=len(each.jobs) + each.working, filled=each.filled, unfilled=each.unfilled,
                trades=each.trades, refused=each.refused, reason=each.reason,
            )
            for exchange, each in self._venues.items()
        }  # fmt: skip

    async def close(self) -> None:
        """Stop; what is not filled by now stays marked."""
        self._closed = True
        tasks = [each.task for each in self._venues.values() if each.task is not None]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=GOODBYE)

    async def _work(self, exchange: str, venue: _Venue) -> None:
        """Fill the gaps of one venue, one at a time, until none is left."""
        loop = asyncio.get_running_loop()
        while venue.jobs:
            job = min(venue.jobs, key=lambda each: each.ready)
            venue.changed.clear()
            wait = job.ready - loop.time()
            if wait > 0:
                try:
                    async with asyncio.timeout(wait):
                        await venue.changed.wait()
                    continue  # another one came, it may be ready before
                except TimeoutError:
                    pass
            venue.jobs.remove(job)
            venue.working = True
            began = loop.time()
            try:
                again = await self._try(self._sources[exchange], venue, job)
            except Exception:
                logger.exception("fill broke instrument=%s", job.missing.topic.instrument.key)
                again, venue.reason = None, "broke"
            venue.working = False
            job.spent += loop.time() - began
            if again is not None and job.spent < PATIENCE and job.fed < MOST:
                job.ready = loop.time() + again
                venue.jobs.append(job)
            else:
                self._end(venue, job)

    async def _try(self, source: PastSource, venue: _Venue, job: _Job) -> float | None:
        """One call and what follows; returns seconds until the next one, None where it is over."""
        missing = job.missing
        try:
            past = await _ask(source, missing)
        except SourceError as error:
            venue.reason = error.reason
            return _again(job, TRIES if isinstance(error, SourceUnavailable) else REFUSALS)
        past = _sure(job, _whole(past))
        trades = missing.state.flow.uncounted(past.trades)
        venue.trades += await self._feed(job, trades)
        venue.reason = past.reason or venue.reason
        rest = self._take_out(missing, past)
        flow = missing.state.flow
        gaps = flow.gaps(missing.from_ts, missing.to_ts)  # of numbers before the first, too
        self._note(missing, [(each.from_ts, each.to_ts) for each in gaps])
        job.left = rest is not None
        if rest is None or not past.more:
            return None
        if rest == missing:
            return _again(job, TRIES)
        job.missing, job.tries = rest, 0
        return self._lag(rest)

    async def _feed(self, job: _Job, trades: Sequence[Trade]) -> int:
        """Count what the stream did not; returns how many that were.

        Where ids are all there is the end comes first, while what happened in its last moment is remembered.
        """
        parts = [trades[start : start + CHUNK] for start in range(0, len(trades), CHUNK)]
        if parts and parts[0][0].seq is None:
            parts = [parts[-1], *parts[:-1]]
        before = job.new
        for part in parts:
            new = job.missing.state.update(list(part))
            self._note(job.missing, job.missing.state.flow.new_losses())
            job.new += len(new)
            for call in self.on_new if new else ():
                call(new)
            await asyncio.sleep(0)
        job.fed += len(trades)
        return job.new - before

    def _take_out(self, missing: Missing, past: PastTrades) -> Missing | None:
        """End the blindness that is whole now; returns what is left to ask for."""
        if past.complete:
            self._seen(missing, missing.from_ts, missing.to_ts)
            return None
        if past.whole is None:
            return missing
        first, last = past.whole
        self._seen(missing, first, last)
        if first <= missing.from_ts:  # it was filled from the left
            number = missing.after_seq
            known = [each.seq for each in past.trades if each.seq is not None]
            return replace(missing, from_ts=last, after_seq=max(known) if known else number)
        if last >= missing.to_ts:
            known = [each.seq for each in past.trades if each.seq is not None]
            return replace(missing, to_ts=first, before_seq=min(known) if known else None)
        return missing

    def _seen(self, missing: Missing, start: int, end: int) -> None:
        """All between the two is known, but for what the flow still misses there: the ledger says the same."""
        flow = missing.state.flow
        flow.close_gap(start, end)
        if self._ledger is None:
            return
        for gap in flow.gaps(start, end):
            if gap.from_ts > start:
                self._ledger.filled(missing.topic, start, gap.from_ts)
            start = max(start, gap.to_ts)
        if start < end:
            self._ledger.filled(missing.topic, start, end)

    def _note(self, missing: Missing, blind: Sequence[tuple[int, int]]) -> None:
        """The ledger says of this what the flow says."""
        if self._ledger is None:
            return
        for start, end in blind:
            self._ledger.missed(missing.topic, start, end)

    def _end(self, venue: _Venue, job: _Job) -> None:
        venue.filled, venue.unfilled = venue.filled + (not job.left), venue.unfilled + job.left
        self._done(job.whole, whole=not job.left)

    def _done(self, missing: Missing, *, whole: bool) -> None:
        logger.info(
            "gap %s instrument=%s from=%s to=%s", "filled" if whole else "not filled",
            missing.topic.instrument.key, missing.from_ts, missing.to_ts,
        )  # fmt: skip
        for call in self.on_done:
            call(missing, whole)

    def _lag(self, missing: Missing) -> float:
        """Seconds until REST is sure to know the end of a gap; numbers at both ends prove it anyway."""
        if missing.after_seq is not None and missing.before_seq is not None:
            return 0.0
        speed = self._clock.speed if isinstance(self._clock, MarketClock) else 1.0
        return max(0, missing.to_ts + PAST_LAG - self._clock.now()) / 1000 / max(speed, 1e-6)


async def _ask(source: PastSource, missing: Missing) -> PastTrades:
    """One call; a venue that takes too long is one that does not answer."""
    try:
        async with asyncio.timeout(TIMEOUT):
            return await source.past_trades(
                missing.topic.instrument,
                since=missing.from_ts,
                until=missing.to_ts,
                after_seq=missing.after_seq,
                before_seq=missing.before_seq,
            )
    except TimeoutError as error:
        exchange = missing.topic.instrument.exchange
        raise SourceUnavailable(exchange, f"timed out after {TIMEOUT:.0f} s") from error


def _whole(past: PastTrades) -> PastTrades:
    """Leave out what will be told once more, where ids are all there is: they may be forgotten by then."""
    if not past.more or not past.trades or past.trades[0].seq is not None:
        return past
    first, last = past.whole or (1, 0)
    return replace(past, trades=tuple(each for each in past.trades if first <= each.ts <= last))


def _sure(job: _Job, past: PastTrades) -> PastTrades:
    """Leave out what may have been counted before, where ids are all there is and too many came since."""
    if not past.trades or past.trades[0].seq is not None:
        return past
    since = job.missing.state.flow.trades - job.counted
    low = job.whole.from_ts + (2 if since > FORGOTTEN else 0)
    high = job.whole.to_ts - (LATE if since - job.new > FORGOTTEN else 0)
    if (low, high) == (job.whole.from_ts, job.whole.to_ts):
        return past
    first, last = past.whole or (1, 0)
    whole = max(first, low), min(last, high)
    return replace(
        past,
        trades=tuple(each for each in past.trades if low <= each.ts <= high),
        whole=whole if whole[0] <= whole[1] else None,
        complete=False,
        reason="too much traded meanwhile",
    )


def _again(job: _Job, tries: int) -> float | None:
    """Seconds until the same is asked again; None where it was asked often enough."""
    job.tries += 1
    if job.tries >= tries:
        return None
    return float(min(MOST_DELAY, FIRST_DELAY * 2 ** (job.tries - 1)))


def _touches(one: Missing, other: Missing) -> bool:
    """Whether two gaps are of one feed and so near that fetching both at once is cheaper."""
    return (
        one.topic.key == other.topic.key
        and one.state is other.state
        and one.from_ts <= other.to_ts + NEAR
        and other.from_ts <= one.to_ts + NEAR
    )


def _joined(one: Missing, other: Missing) -> Missing:
    """Both gaps and what lies between. A side that is bounded by time in the wider one stays so."""
    early, later = sorted((one, other), key=lambda each: each.from_ts)
    ends = sorted((one, other), key=lambda each: each.to_ts)
    after, before = early.after_seq, ends[1].before_seq
    if after is not None and later.after_seq is not None:
        after = min(after, later.after_seq)
    if before is not None and ends[0].before_seq is not None:
        before = max(before, ends[0].before_seq)
    return replace(early, to_ts=ends[1].to_ts, after_seq=after, before_seq=before)
