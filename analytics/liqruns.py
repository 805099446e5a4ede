"""Cascades: many forced closes of one side within half a minute."""

import math
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from market.types import PositionSide

SPAN = 30_000  # ms
COUNT = 5
USD: Mapping[str, float] = {"BTC": 500_000.0, "ETH": 250_000.0, "SOL": 100_000.0}
OTHER = 50_000.0


def cascade_threshold(base: str) -> float:
    """USD of one side within 30 s that make a cascade of this coin."""
    return USD.get(base, OTHER)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cascade:
    """A run of liquidations of one side that is going on. `usd` and `count` are those since `since`."""

    position: PositionSide
    usd: float
    count: int
    since: int  # ts of its first liquidation
    until: int  # ts of its newest
    threshold: float
    floor: bool = False  # the venue shows a sample: it was at least this much


class CascadeRun:
    """Liquidations of one side in the last 30 s, and the cascade they make."""

    def __init__(self, position: PositionSide, threshold: float) -> None:
        self._position, self._threshold = position, threshold
        self._recent: deque[list[float]] = deque()  # ts, value, count; rising, one a ts
        self._usd, self._n = 0.0, 0
        self._cascade: list[float] | None = None  # since, until, usd, count

    def add(self, ts: int, value: float) -> None:
        """One fresh liquidation."""
        newest = int(self._recent[-1][0]) if self._recent else ts
        if ts <= newest - SPAN:
            return
        self._expire(max(ts, newest))
        self._insert(ts, value)
        self._usd += value
        self._n += 1
        if self._cascade is not None:
            since, until, usd, count = self._cascade
            self._cascade = [min(since, ts), max(until, ts), usd + value, count + 1]
        elif self._holds():
            first, last = self._recent[0][0], self._recent[-1][0]
            self._cascade = [first, last, self._usd, self._n]

    def get(self, now: int, *, floor: bool) -> Cascade | None:
        """What goes on at `now`."""
        self._expire(now)
        if self._cascade is None:
            return None
        since, until, usd, count = self._cascade
        return Cascade(
            position=self._position, usd=usd, count=int(count), since=int(since),
            until=int(until), threshold=self._threshold, floor=floor,
        )  # fmt: skip

    def dump(self) -> list[Any]:
        """What goes on, as plain values."""
        return [[list(row) for row in self._recent], self._cascade]

    def restore(self, body: Sequence[Any]) -> None:
        """From a dump."""
        self._recent = deque(list(row) for row in body[0])
        self._usd = math.fsum(row[1] for row in self._recent)
        self._n = int(sum(row[2] for row in self._recent))
        self._cascade = None if body[1] is None else list(body[1])

    def _insert(self, ts: int, value: float) -> None:
        later = []
        while self._recent and self._recent[-1][0] > ts:
            later.append(self._recent.pop())
        if self._recent and self._recent[-1][0] == ts:
            self._recent[-1][1] += value
            self._recent[-1][2] += 1
        else:
            self._recent.append([ts, value, 1])
        self._recent.extend(reversed(later))

    def _expire(self, now: int) -> None:
        while self._recent and self._recent[0][0] <= now - SPAN:
            _ts, value, count = self._recent.popleft()
            self._usd -= value
            self._n -= int(count)
        if not self._recent:
            self._usd, self._n = 0.0, 0
        if self._cascade is not None and not self._holds():
            self._cascade = None

    def _holds(self) -> bool:
        return self._n >= COUNT and self._usd > self._threshold
