"""The live figures of one round as monitors may use them: each snapshot taken once, nothing doubtful let through."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from analytics.state import SymbolState
from market.types import Instrument, Reading, Status

NOTHING: Mapping[str, Mapping[int, int]] = {}
Figures = Mapping[str, Reading[Any]]


class View:
    """What is known at market time `now`. A figure that is missing, stale or from a window with a hole is
    refused and counted, never replaced.

    `missed`: by instrument key the intervals (from, to] of trades that were not seen as they happened, fetched
    since or not.
    """

    def __init__(
        self,
        now: int,
        states: Iterable[SymbolState],
        *,
        missed: Mapping[str, Mapping[int, int]] = NOTHING,
        wall: int = 0,
    ) -> None:
        self.now = now
        self.wall = wall  # ms at which the newest of it was received
        self.states = {state.instrument.key: state for state in states}
        self.refused: Counter[str] = Counter()
        self._missed = missed
        self._snapshots: dict[str, Figures] = {}
        self._whole: dict[tuple[str, int], str] = {}

    def by_coin(self) -> dict[str, list[SymbolState]]:
        """The states of each coin."""
        coins: dict[str, list[SymbolState]] = {}
        for state in self.states.values():
            coins.setdefault(state.instrument.base, []).append(state)
        return coins

    def snapshot(self, key: str) -> Figures:
        """Every figure of an instrument; taken at the first question, the same one for the rest of the round."""
        found = self._snapshots.get(key)
        if found is None:
            state = self.states.get(key)
            found = self._snapshots[key] = {} if state is None else state.snapshot(self.now)
        return found

    def figure(self, instrument: Instrument, name: str) -> Reading[float] | None:
        """A figure that can be relied on; None where it cannot, which is counted under why."""
        reading = self.snapshot(instrument.key).get(name)
        if reading is None:
            self.refused["not kept"] += 1
        elif reading.value is None or reading.status is not Status.OK:
            self.refused[str(reading.status)] += 1
        else:
            return reading
        return None

    def flow(self, instrument: Instrument, name: str, window: int) -> Reading[float] | None:
        """The same for a figure made of the trades of the last `window` ms: all of them seen as they happened."""
        why = self.trouble(instrument.key, window)
        if why:
            self.refused[why] += 1
            return None
        return self.figure(instrument, name)

    def trouble(self, key: str, window: int) -> str:
        """Why the trades of a window cannot be relied on; "" where they can."""
        found = self._whole.get((key, window))
        if found is None:
            found = self._whole[key, window] = self._look(key, self.now - window)
        return found

    def seen(self, key: str, ts: int) -> bool:
        """Whether what happened at `ts` was seen as it happened."""
        return not any(start < ts <= to for start, to in self._missed.get(key, {}).items())

    def _look(self, key: str, since: int) -> str:
        state = self.states.get(key)
        if state is None:
            return "not watched"
        if state.flow.gaps(since, self.now):
            return "blind"
        late = any(to > since for to in self._missed.get(key, {}).values())
        return "not seen live" if late else ""
