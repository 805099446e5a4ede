"""How large orders are: a histogram of each hour of the last day, from which quantiles are read."""

import math
from array import array
from collections.abc import Sequence
from typing import Any

import numpy as np

from analytics.ticks import Floats
from market.types import HOUR

BINS = 256
PER_DOUBLING = 4  # a bin is 19 % wide
LOWEST = -16  # log2 of the lowest edge
HOURS = 24


def bin_of(value: float) -> int:
    """The bin of a positive value; what is beyond the ends counts in the last one there."""
    place = int((math.log2(value) - LOWEST) * PER_DOUBLING)
    return 0 if place < 0 else place if place < BINS else BINS - 1


class SizeHistogram:
    """Counts by size for 24 hours, an hour each. Quantiles are right to one bin, 19 %."""

    def __init__(self) -> None:
        self.bins = [0] * BINS  # of the hour that is filling
        self.end = 0  # ms at which it ends
        self._past: dict[int, tuple[int, bytes]] = {}  # hour -> first bin, counts of 4 bytes

    def turn(self, ts: int) -> bool:
        """Begin the hour of `ts`, if it is a new one; an older one goes on with the present."""
        if ts < self.end:
            return False
        hour = ts // HOUR
        first = next((i for i, n in enumerate(self.bins) if n), None)
        if first is not None:
            end = max(i for i, n in enumerate(self.bins) if n) + 1
            self._past[self.end // HOUR - 1] = first, array("I", self.bins[first:end]).tobytes()
            self.bins = [0] * BINS
        self._past = {each: row for each, row in self._past.items() if each > hour - HOURS}
        self.end = (hour + 1) * HOUR
        return True

    def add(self, ts: int, value: float) -> None:
        """Count one order."""
        self.turn(ts)
        self.bins[bin_of(value)] += 1

    def quantile(self, share: float) -> tuple[float, int] | None:
        """(the size that `share` of the orders do not exceed, how many orders); None of nothing."""
        counts = self._counts()
        n = int(counts.sum())
        if not n:
            return None
        total = np.cumsum(counts)
        place = int(np.searchsorted(total, share * n))
        inside = (share * n - (total[place] - counts[place])) / counts[place]
        return 2.0 ** (LOWEST + (place + float(inside)) / PER_DOUBLING), n

    def dump(self) -> list[Any]:
        """Plain values for `restore`."""
        past = [[hour, first, row] for hour, (first, row) in self._past.items()]
        return [self.end, array("I", self.bins).tobytes().rstrip(b"\0"), past]

    def restore(self, values: Sequence[Any]) -> None:
        """Go on where `dump` was made."""
        self.end, bins, past = values
        self.bins = array("I", bins.ljust(4 * BINS, b"\0")).tolist()
        self._past = {hour: (first, row) for hour, first, row in past}

    def _counts(self) -> Floats:
        counts = np.array(self.bins, np.float64)
        for first, row in self._past.values():
            part = np.frombuffer(row, np.uint32)
            counts[first : first + len(part)] += part
        return counts
