"""When a level that is looked at every second is news: as it rises above a threshold, not as long as it stays there."""

from collections import OrderedDict
from collections.abc import Iterable

from alerts.monitors.kinds.base import Finding, Monitor
from alerts.monitors.types import Fact
from market.types import HOUR

EPSILON = 1e-9
EVENTS = 20_000  # remembered
LEVELS = 50_000  # kept at once; the one that was seen longest ago gives way
FORGOTTEN = 6 * HOUR  # market ms without a look

Place = tuple[str, str, str, float]  # kind, key, side, threshold


class _Level:
    """Whether one level may be told, when it was told last, and when it was looked at."""

    __slots__ = ("armed", "fired", "seen")

    def __init__(self) -> None:
        self.armed = True
        self.fired: int | None = None
        self.seen = 0


class Edges:
    """Remembers what has been told of every level and threshold."""

    def __init__(self) -> None:
        self._levels: OrderedDict[Place, _Level] = OrderedDict()
        self._events: OrderedDict[tuple[str, str, str, float], None] = OrderedDict()
        self.held = 0  # looks at which only the cooldown kept one back

    def fires(self, monitor: Monitor, finding: Finding, threshold: float, now: int) -> bool:
        """Whether this finding is a fact for this threshold; it is asked once for each."""
        above = finding.size > threshold * (1 + EPSILON)
        if finding.event:
            return above and finding.ripe and self._first(finding, threshold)
        place = (finding.kind, finding.key, finding.side, threshold)
        level = self._level(place)
        level.seen = now
        if not above:
            if finding.size < threshold * monitor.rearm:
                level.armed = True
            return False
        if not level.armed or not finding.ripe:
            return False
        if level.fired is not None and 0 <= now - level.fired < monitor.cooldown:
            self.held += 1
            return False  # told when the cooldown is over, if it is still so
        level.armed, level.fired = False, now
        return True

    def seed(self, facts: Iterable[Fact]) -> None:
        """What was told before a restart is told: a level that is still there is no news."""
        for fact in facts:
            level = self._level((fact.kind, fact.key, fact.side, fact.threshold))
            level.armed = False
            level.fired = max(level.fired or 0, fact.ts)
            level.seen = max(level.seen, fact.ts)

    def forget(self, now: int) -> None:
        """Let go of levels that nobody looks at any more; also of those of a time that is yet to come."""
        old = [
            place for place, level in self._levels.items() if not 0 <= now - level.seen <= FORGOTTEN
        ]
        for place in old:
            del self._levels[place]

    def _level(self, place: Place) -> _Level:
        level = self._levels.get(place)
        if level is None:
            level = self._levels[place] = _Level()
            if len(self._levels) > LEVELS:
                self._levels.popitem(last=False)
        else:
            self._levels.move_to_end(place)
        return level

    def _first(self, finding: Finding, threshold: float) -> bool:
        mark = (finding.kind, finding.key, finding.event, threshold)
        if mark in self._events:
            return False
        self._events[mark] = None
        if len(self._events) > EVENTS:
            self._events.popitem(last=False)
        return True
