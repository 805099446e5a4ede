"""Which trade ids were counted before: venues repeat trades after a reconnect and in their first frame."""

from enum import Enum

GENERATION = 4096  # ids in one of the two generations that are remembered


class Known(Enum):
    """What is known of an id."""

    NEW = 0
    SEEN = 1
    FORGOTTEN = 2  # older than anything remembered: seen, unless it fell into a gap


class SeenIds:
    """The newest 4,096 to 8,192 ids, and for venues whose ids only grow all older ones as well."""

    def __init__(self, generation: int = GENERATION) -> None:
        self._generation = generation
        self._new: set[str] = set()
        self._old: set[str] = set()
        self._growing = True  # until a later trade has a smaller id
        self._top = -1
        self._top_ts = -1
        self._old_top = -1
        self._forgotten_top = -1

    def add(self, id_: str, ts: int) -> Known:
        """Look an id up and remember it, unless it is forgotten."""
        if id_ in self._new or id_ in self._old:
            return Known.SEEN
        if self._growing:
            number = int(id_) if id_.isdecimal() else -1
            if number > self._top:
                self._top, self._top_ts = number, ts
            elif number < 0 or ts > self._top_ts:
                self._growing = False
            elif number <= self._forgotten_top:
                return Known.FORGOTTEN
        self.remember(id_)
        return Known.NEW

    def remember(self, id_: str) -> None:
        """Take an id as counted."""
        self._new.add(id_)
        if len(self._new) >= self._generation:
            self._old, self._new = self._new, set()
            self._forgotten_top, self._old_top = self._old_top, self._top
