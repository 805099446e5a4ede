"""Which numbers of a venue's trades were counted, where it numbers them one after the other without a hole.

What is missing is known at once and exactly: a number that is skipped is a trade that was not seen.
"""

from bisect import bisect_right
from collections.abc import Sequence as Items
from operator import attrgetter
from typing import Any, NamedTuple

HOLES = 256  # ranges of missing numbers that are kept; of more the oldest is given up
LATE = 10_000  # ms by which trades of one feed may arrive out of order
FRESH = 64  # ranges with holes that wait to be handed out; of more the oldest become one

_FIRST = attrgetter("first")


class Hole(NamedTuple):
    """The numbers first..last were never seen. They were traded between `after_ts` and `before_ts`, both included."""

    first: int
    last: int
    after_ts: int
    before_ts: int

    @property
    def span(self) -> tuple[int, int]:
        """The blind interval (start, end]: the missing trades may share a ms with either neighbour."""
        return min(self.after_ts, self.before_ts) - 1, max(self.after_ts, self.before_ts)


class Sequence:
    """Numbers that count up by one. Each is taken once, in whatever order they come. O(1) in order.

    Numbers below the first that came are taken as well: they belong to a past that is being fetched. What
    they leave out is a hole, but not a new one. More than 256 holes at once are not kept: the oldest is
    given up, its trades are refused from then on, and its time stays blind for good (`given_up`). So does
    the time before a venue that began to count anew: nobody can tell which numbers fell into it.
    """

    def __init__(self, holes: int = HOLES) -> None:
        self.next = -1  # the number that comes if nothing is missed; -1 before the first
        self.top_ts = 0  # of the highest number
        self.restarts = 0
        self.given_up: list[tuple[int, int]] = []  # blind spans that no number will close
        self._most = holes
        self._first = -1
        self._first_ts = 0
        self._holes: list[Hole] = []
        self._fresh: list[Hole] = []

    def add(self, number: int, ts: int, newest: int) -> bool:
        """Take a number; False when it was taken before. `newest`: the latest ts of any trade counted."""
        if number == self.next or self.next < 0:
            if self.next < 0:
                self._first, self._first_ts = number, ts
            self.next, self.top_ts = number + 1, ts
            return True
        if number > self.next:
            self._miss(Hole(self.next, number - 1, self.top_ts, ts))
            self.next, self.top_ts = number + 1, ts
            return True
        if number < self._first and ts <= newest + LATE:
            self._extend(number, ts)
            return True
        if number >= self._first and self._fill(number, ts):
            return True
        if ts <= newest:
            return False
        self._restart(number, ts)  # later than all there was, so it is none of them
        return True

    def holes(self) -> list[Hole]:
        """What is missing, lowest numbers first."""
        return list(self._holes)

    def new_holes(self) -> list[Hole]:
        """Holes that were found since the last call, as far as they are open still. Handed out once."""
        fresh, self._fresh = self._fresh, []
        if not fresh:
            return fresh
        return [
            hole
            for hole in self._holes
            if any(each.first <= hole.first and hole.last <= each.last for each in fresh)
        ]

    def close(self, from_ts: int, to_ts: int) -> None:
        """What the venue has between these two was fetched: a number that is still missing does not exist."""
        self._holes = [
            hole
            for hole in self._holes
            if min(hole.after_ts, hole.before_ts) < from_ts
            or max(hole.after_ts, hole.before_ts) > to_ts
        ]

    def dump(self) -> list[Any]:
        """Plain values for `restore`."""
        holes = [list(hole) for hole in self._holes]
        return [self.next, self.top_ts, self._first, self._first_ts, holes, self.restarts]

    def restore(self, values: Items[Any]) -> None:
        """Go on where `dump` was made."""
        self.next, self.top_ts, self._first, self._first_ts, holes, self.restarts = values
        self._holes = [Hole(*hole) for hole in holes]

    def _miss(self, hole: Hole) -> None:
        self._fresh.append(hole)
        if len(self._fresh) > FRESH:  # one range over both: what was seen between them is no hole
            one, other = self._fresh[:2]
            self._fresh[:2] = [Hole(one.first, other.last, one.after_ts, other.before_ts)]
        self._keep([*self._holes, hole])

    def _keep(self, holes: list[Hole]) -> None:
        while len(holes) > self._most:
            self.given_up.append(holes.pop(0).span)
        self._holes = holes

    def _extend(self, number: int, ts: int) -> None:
        """A number from before the first one."""
        if number + 1 < self._first:
            self._keep([Hole(number + 1, self._first - 1, ts, self._first_ts), *self._holes])
        self._first, self._first_ts = number, ts

    def _fill(self, number: int, ts: int) -> bool:
        """Take a missing number; what is left of its hole stays open."""
        at = bisect_right(self._holes, number, key=_FIRST) - 1
        if at < 0 or number > self._holes[at].last:
            return False
        hole = self._holes[at]
        parts = (
            Hole(hole.first, number - 1, hole.after_ts, ts),
            Hole(number + 1, hole.last, ts, hole.before_ts),
        )
        left = [part for part in parts if part.first <= part.last]
        self._keep([*self._holes[:at], *left, *self._holes[at + 1 :]])
        return True

    def _restart(self, number: int, ts: int) -> None:
        """The venue counts anew from here: what was missing stays so, and what fell in between nobody knows."""
        self.restarts += 1
        between = Hole(number, number, self.top_ts, ts)
        self.given_up += [*(hole.span for hole in self._holes), between.span]
        self._holes, self._fresh = [], []
        self._first, self._first_ts = number, ts
        self.next, self.top_ts = number + 1, ts
