"""One watched instrument: its state, when its feeds were blind, and what waits while its past is fetched."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from analytics.state import SymbolState
from exchanges.streams.decoder import Channel, Topic
from market.types import Context, Instrument, OpenInterest, Trade

HELD = 500_000  # live trades that are kept back at most


@dataclass(frozen=True, slots=True, kw_only=True)
class Missing:
    """Trades that were not seen: those between these times, and where they are numbered between these numbers."""

    topic: Topic
    state: SymbolState
    from_ts: int
    to_ts: int
    after_seq: int | None = None  # the last that was seen before; None where it is not known
    before_seq: int | None = None  # the first that was seen after


@dataclass(slots=True, eq=False)
class Feed:
    """One topic of an instrument. `accepted`: the venue has answered."""

    topic: Topic
    asked: int  # wall ms
    asked_ts: int  # market ms
    accepted: asyncio.Event = field(default_factory=asyncio.Event)
    refused: str = ""
    dark: int | None = None  # market ms since when it is blind


class Watched:
    """The record of one instrument. `settled`: its trades are counted and whole, or were refused."""

    def __init__(self, instrument: Instrument) -> None:
        self.instrument = instrument
        self.feeds: dict[Channel, Feed] = {}
        self.state: SymbolState | None = None
        self.interest: OpenInterest | None = None
        self.settled = asyncio.Event()
        self.filling: asyncio.Task[None] | None = None
        self.syncing: asyncio.Task[None] | None = None  # a book that is being fetched
        self._mark: float | None = None
        self._blind_from: int | None = None
        self._held: list[Trade] | None = None

    @property
    def answered(self) -> bool:
        """Whether the venue has answered for its trades."""
        feed = self.feeds.get(Channel.TRADES)
        return feed is not None and feed.accepted.is_set()

    @property
    def begun(self) -> bool:
        """Whether trades are counted."""
        return self.state is not None and self.state.flow.started_ts is not None

    def begin(self, started_ts: int) -> SymbolState:
        """The state, its flow begun at `started_ts` unless that lives already."""
        state = self.known()
        if state.flow.started_ts is None:
            state.flow.begin(started_ts)
        return state

    def known(self) -> SymbolState:
        """The state, for what comes beside the trades."""
        if self.state is None:
            self.state = SymbolState(self.instrument)
        return self.state

    def adopt(self, state: SymbolState, until: int) -> bool:
        """Go on with a state that is whole up to `until`; False where trades are counted already."""
        if self.begun:
            return False
        self.state = state
        self._blind_from = until
        return True

    def hold(self) -> None:
        """Keep live trades back from now on; those kept before are given up, as they come again."""
        self._held = []

    def release(self, after: int, now: int) -> list[Trade]:
        """Count the trades that were kept back and are later than `after`; returns those."""
        held, self._held = self._held or [], None
        found = self.take([each for each in held if each.ts > after])
        if len(held) >= HELD and self.state is not None:
            self.state.flow.mark_gap(held[-1].ts, now)
        return found

    def take(self, trades: list[Trade]) -> list[Trade]:
        """Count live trades; returns those that were new."""
        if self._held is not None:
            self._held += trades[: HELD - len(self._held)]
            return []
        state = self.state
        return [] if state is None or not self.begun else state.update(trades)

    def context(self, event: Context) -> None:
        """Keep mark, funding and open interest."""
        self.known().take_context(event)
        self._mark = event.mark if event.mark is not None else self._mark
        if event.interest is None:
            return
        value = event.interest_value
        if value is None and self._mark is not None:
            value = event.interest * self._mark
        self.interest = OpenInterest(
            instrument=self.instrument, ts=event.ts, amount=event.interest, value=value
        )

    def blind(self, since: int) -> int:
        """The feed was lost; what happened after `since`, or with the last trade and later, may be missing.

        Returns since when it is blind.
        """
        if self.state is None or not self.begun:
            return since
        if self._blind_from is None:
            flow = self.state.flow
            self._blind_from = max(since, (flow.last_ts or 0) - 1, flow.started_ts or 0)
        return self._blind_from

    def mark(self, now: int) -> None:
        """Tell the flow of a blindness that still goes on."""
        if self.state is not None and self._blind_from is not None:
            self.state.flow.mark_gap(self._blind_from, now)

    def sees(self, now: int) -> int | None:
        """The feed is back; what it missed stays missing. Returns since when it was blind, if it was."""
        self.mark(now)
        since, self._blind_from = self._blind_from, None
        return since

    def filled(self, since: int, until: int, *, serves: bool) -> None:
        """All trades in (since, until] were fetched; `serves`: the feed has had the later ones."""
        if self.state is not None:
            self.state.flow.close_gap(since, until)
        if serves:
            self._blind_from = None
        elif self._blind_from is not None:
            self._blind_from = max(self._blind_from, until)

    def complete_until(self) -> int | None:
        """The flow has all trades up to here, where they come in order of time; None before it began."""
        flow = self.state.flow if self.state is not None else None
        if flow is None or flow.started_ts is None:
            return None
        return max(flow.started_ts, (flow.last_ts or 0) - 1)

    def end(self) -> "list[asyncio.Task[None]]":
        """Nobody watches any more; returns what to wait for."""
        tasks = [each for each in (self.filling, self.syncing) if each is not None]
        for task in tasks:
            task.cancel()
        return tasks


async def all_set(events: Sequence[asyncio.Event], seconds: float) -> None:
    """Wait until all are set, but not for longer."""
    waiting = [asyncio.ensure_future(each.wait()) for each in events if not each.is_set()]
    if not waiting:
        return
    try:
        await asyncio.wait(waiting, timeout=seconds)
    finally:
        for task in waiting:
            task.cancel()
