"""Which trade ids were counted before: venues repeat trades after a reconnect and in their first frame.

A trade that is later than every trade counted cannot be one of them, so ids need to be looked up only for
trades of the newest ms and for late ones. The newest ms is a set; what is older are hashes of 8 bytes in
two generations. What is older than both counts as seen, unless it fell into a gap.
"""

from array import array
from collections.abc import Sequence
from enum import Enum

import numpy as np

GENERATION = 2048  # ids in one of the two generations that are remembered


class Known(Enum):
    """What is known of an id."""

    NEW = 0
    SEEN = 1
    FORGOTTEN = 2  # older than anything remembered: seen, unless it fell into a gap


class SeenIds:
    """The ids of the newest ms, and of the 2,048 to 4,096 trades before."""

    def __init__(self, generation: int = GENERATION) -> None:
        self.now: set[str] = set()  # ids of trades of `top`
        self.top = -1  # the latest ts of any trade
        self._generation = generation
        self._new, self._old = array("q"), array("q")
        # The latest ts in the older generation, and of what is gone, each with the ids of that ms so far.
        self._old_top, self._old_now = -1, frozenset[str]()
        self._forgotten, self._gone_now = -1, frozenset[str]()

    def add(self, id_: str, ts: int) -> Known:
        """Look an id up and remember it, unless it is forgotten."""
        if ts > self.top:
            self.now, self.top = {id_}, ts
            self.remember((id_,))
            return Known.NEW
        if ts == self.top:
            if id_ in self.now:
                return Known.SEEN
        elif self._has(id_):
            return Known.SEEN
        if ts < self._forgotten:
            return Known.FORGOTTEN
        if ts == self._forgotten and id_ in self._gone_now:
            return Known.SEEN
        self.keep(id_, ts)
        return Known.NEW

    def keep(self, id_: str, ts: int) -> None:
        """Take an id as counted."""
        if ts == self.top:
            self.now.add(id_)
        self.remember((id_,))

    def remember(self, ids: Sequence[str]) -> None:
        """Take ids as counted; `top` and `now` are up to date already."""
        self._new.fromlist(list(map(hash, ids)))
        if len(self._new) >= self._generation:
            self._forgotten, self._gone_now = self._old_top, self._old_now
            self._old, self._new = self._new, array("q")
            self._old_top, self._old_now = self.top, frozenset(self.now)

    def remembers(self, ids: Sequence[str]) -> list[bool]:
        """Of each of these whether it is remembered as counted."""
        known = np.frombuffer((self._new + self._old).tobytes(), np.int64)
        wanted = np.fromiter(map(hash, ids), np.int64, len(ids))
        return [bool(each) for each in np.isin(wanted, known)]

    def dump(self) -> list[object]:
        """Plain values for `restore`; hashes are of one process, so only the ids of the newest ms go along."""
        return [self.top, sorted(self.now)]

    def restore(self, top: int, now: Sequence[str]) -> None:
        """Go on where `dump` was made; every other trade up to then counts as seen."""
        self.top, self.now = top, set(now)
        self._new, self._old = array("q", map(hash, now)), array("q")
        self._old_top = self._forgotten = top
        self._old_now = self._gone_now = frozenset(now)

    def _has(self, id_: str) -> bool:
        wanted = hash(id_)
        return any(
            len(part) > 0 and bool((np.frombuffer(part, np.int64) == wanted).any())
            for part in (self._new, self._old)
        )
