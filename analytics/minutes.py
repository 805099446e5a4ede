"""What happened minute by minute, and values in which one wild tick counts for nothing."""

import math
from array import array
from typing import Any, Literal

from market.types import MINUTE

LENGTH = 1440  # minutes of a ring
FINE = 120  # minutes that a dump keeps one by one; older ones every 5


class MinuteRing:
    """The last value of each minute, over 24 h. `offsets` keeps the second half of its time: ms in the minute."""

    def __init__(self, code: Literal["d", "f"] = "d", *, offsets: bool = False) -> None:
        self._values = array(code)
        self._offsets = array("H") if offsets else None
        self._first = 0  # the minute of the oldest place

    def put(self, ts: int, value: float) -> None:
        """Keep a value; it replaces an earlier one of its minute. One older than the newest minute is left out."""
        minute, values = ts // MINUTE, self._values
        if not values or minute - self._first >= 2 * LENGTH:
            self.clear(minute)
        place = minute - self._first
        if place < len(values) - 1:
            return
        while len(values) <= place:
            values.append(math.nan)
            if self._offsets is not None:
                self._offsets.append(0)
        values[place] = value
        if self._offsets is not None:
            self._offsets[place] = ts % MINUTE
        self._trim()

    def at(self, ts: int, tolerance: int) -> tuple[int, float] | None:
        """(ts, value) of the newest value that is not after `ts` and at most `tolerance` ms older.

        Without offsets a value stands at the start of its minute.
        """
        place = min(ts // MINUTE - self._first, len(self._values) - 1)
        while place >= 0 and (self._first + place + 1) * MINUTE > ts - tolerance:
            found = self._read(place)
            if found is not None and found[0] <= ts:
                return found if ts - found[0] <= tolerance else None
            place -= 1
        return None

    def since(self, ts: int) -> list[tuple[int, float]]:
        """All values not before `ts`."""
        first = max(0, ts // MINUTE - self._first)
        rows = [self._read(place) for place in range(first, len(self._values))]
        return [row for row in rows if row is not None and row[0] >= ts]

    def clear(self, minute: int) -> None:
        """Begin anew at this minute."""
        del self._values[:]
        if self._offsets is not None:
            del self._offsets[:]
        self._first = minute

    def _read(self, place: int) -> tuple[int, float] | None:
        value = self._values[place]
        if value != value:  # noqa: PLR0124 - NaN: nothing came in that minute
            return None
        offset = 0 if self._offsets is None else self._offsets[place]
        return (self._first + place) * MINUTE + offset, value

    def _trim(self) -> None:
        """Let old minutes go, some at a time."""
        extra = len(self._values) - LENGTH
        if extra >= 60:
            del self._values[:extra]
            if self._offsets is not None:
                del self._offsets[:extra]
            self._first += extra

    def dump(self) -> list[list[float]]:
        """(ts, value) of the last two hours, and of every fifth minute before."""
        rows = self.since(0)
        edge = (rows[-1][0] // MINUTE - FINE) * MINUTE if rows else 0
        return [[ts, value] for ts, value in rows if ts >= edge or ts // MINUTE % 5 == 0]

    def restore(self, rows: list[list[float]]) -> None:
        """From a dump."""
        self.clear(0)
        for ts, value in rows:
            self.put(int(ts), value)


class Steady:
    """The newest value of a row, where a jump counts only when the next value confirms it."""

    def __init__(self, limit: float) -> None:
        self._limit = limit
        self.ts: int | None = None
        self.value = 0.0
        self.held = 0  # values that were held back
        self._waiting: tuple[int, float] | None = None

    def take(self, ts: int, value: float) -> list[tuple[int, float]]:
        """Take a value; returns those that are believed now: none, it, or it and the one that waited."""
        if self.ts is not None and ts < max(self.ts, self._waiting[0] if self._waiting else 0):
            return []
        taken = []
        if self._waiting is not None:
            if not self._jumps(self._waiting[1], value):
                taken.append(self._waiting)
                self.ts, self.value = self._waiting
            self._waiting = None
        if self.ts is not None and self._jumps(self.value, value):
            self._waiting = (ts, value)
            self.held += 1
            return taken
        self.ts, self.value = ts, value
        taken.append((ts, value))
        return taken

    def dump(self) -> list[Any]:
        """As plain values."""
        waiting = None if self._waiting is None else list(self._waiting)
        return [self.ts, self.value, self.held, waiting]

    def restore(self, body: list[Any]) -> None:
        """From a dump."""
        self.ts, self.value, self.held = body[:3]
        self._waiting = None if body[3] is None else (body[3][0], body[3][1])

    def _jumps(self, before: float, after: float) -> bool:
        change = after / before - 1
        return change > self._limit or change < -self._limit / (1 + self._limit)
