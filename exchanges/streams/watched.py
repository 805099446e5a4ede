"""One watched instrument: its state, when its feed was blind, and what waits while its past is fetched."""

import asyncio
from collections.abc import Sequence

from analytics.state import SymbolState
from market.types import Instrument, OpenInterest, Trade

HELD = 500_000  # live trades that are kept back at most


class Watched:
    """The record of one instrument. `settled`: its state has begun and is whole, or it was refused."""

    def __init__(self, instrument: Instrument, asked: int) -> None:
        self.instrument = instrument
        self.asked = asked  # wall ms of the first request
        self.state: SymbolState | None = None
        self.interest: OpenInterest | None = None
        self.accepted = asyncio.Event()  # or refused
        self.settled = asyncio.Event()
        self.refused = ""
        self.filling: asyncio.Task[None] | None = None
        self._blind_from: int | None = None
        self._held: list[Trade] | None = None

    def begin(self, started_ts: int) -> SymbolState:
        """The state, begun at `started_ts` unless it lives already."""
        if self.state is None:
            self.state = SymbolState(self.instrument, started_ts)
        return self.state

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

    def take(self, trades: Sequence[Trade]) -> list[Trade]:
        """Count live trades; returns those that were new."""
        if self._held is not None:
            self._held += trades[: HELD - len(self._held)]
            return []
        return [] if self.state is None else self.state.update(trades)

    def blind(self, since: int) -> None:
        """The feed was lost; what happened after `since`, or with the last trade and later, may be missing."""
        if self.state is not None and self._blind_from is None:
            flow = self.state.flow
            self._blind_from = max(since, (flow.last_ts or 0) - 1, flow.started_ts or 0)

    def mark(self, now: int) -> None:
        """Tell the flow of a blindness that still goes on."""
        if self.state is not None and self._blind_from is not None:
            self.state.flow.mark_gap(self._blind_from, now)

    def sees(self, now: int) -> None:
        """The feed is back; what it missed stays missing."""
        self.mark(now)
        self._blind_from = None

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
