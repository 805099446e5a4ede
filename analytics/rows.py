"""Flow in rows of one length of time: what remains of trades that are too old to be kept one by one."""

import numpy as np
from numpy.typing import NDArray

from market.types import MINUTE

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

SECOND = 1000
FIELDS = 5  # bought coins, sold coins, bought value, sold value, number of trades


def by_side(base: Floats, value: Floats) -> list[Floats]:
    """The five fields of trades given as signed coins and signed value (a sale is negative)."""
    return [
        np.maximum(base, 0.0),
        np.maximum(-base, 0.0),
        np.maximum(value, 0.0),
        np.maximum(-value, 0.0),
        np.ones_like(base),
    ]


class FlowRows:
    """The newest `length` rows, one per whole number, in a ring; a row that was never filled is zero."""

    def __init__(self, length: int) -> None:
        self._ring = np.zeros((FIELDS, length))
        self._length = length
        self._top: int | None = None  # newest row that was reached

    def oldest(self) -> int:
        """The oldest row that can still be read."""
        return 0 if self._top is None else self._top - self._length + 1

    def add(self, rows: Ints, fields: list[Floats]) -> None:
        """Add trades, one row number each; those that are older than the ring are left out."""
        if not len(rows):
            return
        self._advance(int(rows.max()))
        low = max(int(rows.min()), self.oldest())
        if low > int(rows.min()):
            keep = rows >= low
            rows, fields = rows[keep], [field[keep] for field in fields]
        if not len(rows):
            return
        offsets = rows - low
        span = int(offsets.max()) + 1
        places = np.arange(low, low + span) % self._length
        for i, field in enumerate(fields):
            self._ring[i, places] += np.bincount(offsets, weights=field, minlength=span)

    def read(self, first: int, last: int) -> NDArray[np.float64]:
        """The fields of the rows first..last, both included, as (FIELDS, n); zeros outside the ring."""
        rows = np.zeros((FIELDS, max(0, last - first + 1)))
        if self._top is None:
            return rows
        low, high = max(first, self.oldest()), min(last, self._top)
        if low <= high:
            places = np.arange(low, high + 1) % self._length
            rows[:, low - first : high - first + 1] = self._ring[:, places]
        return rows

    def _advance(self, row: int) -> None:
        """Empty the rows that are used again."""
        if self._top is None:
            self._top = row
        elif row - self._top >= self._length:
            self._ring[:] = 0.0
            self._top = row
        elif row > self._top:
            self._ring[:, np.arange(self._top + 1, row + 1) % self._length] = 0.0
            self._top = row


class OldFlow:
    """Trades that are no longer single: in rows that end with a second or a minute, and in candles."""

    def __init__(self, seconds: int, minutes: int) -> None:
        self._seconds = FlowRows(seconds)
        self._minutes = FlowRows(minutes)
        self._bars = FlowRows(minutes)

    def add(self, stamps: Ints, base: Floats, value: Floats) -> None:
        """Add trades in any order."""
        fields = by_side(base, value)
        self._seconds.add(-(-stamps // SECOND), fields)
        self._minutes.add(-(-stamps // MINUTE), fields)
        self._bars.add(stamps // MINUTE, fields)

    def edge(self, ts: int) -> int:
        """The last instant up to `ts` at which rows end; the oldest there is where `ts` is older."""
        if ts >= self._turn():
            return ts // SECOND * SECOND
        return max(ts // MINUTE * MINUTE, (self._minutes.oldest() - 1) * MINUTE)

    def total(self, start: int, end: int) -> Floats:
        """The five fields over (start, end]; both are edges, or lie where nothing was counted."""
        turn = min(max(start, self._turn()), end)
        total: Floats = self._seconds.read(turn // SECOND + 1, end // SECOND).sum(axis=1)
        if start < turn:
            total += self._minutes.read(start // MINUTE + 1, turn // MINUTE).sum(axis=1)
        return total

    def _turn(self) -> int:
        """Minutes are read before this instant, seconds after it."""
        return -(-(self._seconds.oldest() - 1) * SECOND // MINUTE) * MINUTE

    def oldest_bar(self) -> int:
        """The oldest minute that can be drawn."""
        return self._bars.oldest()

    def bars(self, first: int, last: int) -> Floats:
        """The fields of the minutes first..last."""
        return self._bars.read(first, last)
