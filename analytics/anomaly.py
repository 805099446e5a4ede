"""What is unusual for its own past: a robust z of each metric, and when two of them speak at once.

The median and the MAD are those of one value a minute over the last 24 hours, exactly: a sorted row of 1,440
costs less than a histogram would, and has no bins. They are not adjusted to the time of day; volume is judged by
`spike.py`, which is.
"""

import math
from array import array
from bisect import bisect_left, insort
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any

from analytics.robust import SIGMA
from market.language import _
from market.types import DAY, HOUR, MINUTE, Reading, Status

ALONE = 5.0  # |z| of one metric
TOGETHER = 3.5  # |z| of two metrics within a minute (Iglewicz & Hoaglin 1993)
SPAN = 60_000  # ms
LEAST = 240  # values before a z is shown: four hours
MAX_AGE = 3 * HOUR  # a past that ended longer ago is no past
REMEMBERED = 4096  # keys of a cooldown


class RobustZ:
    """Median and MAD of the values of a day, one a minute; z = (x - median) / (1.4826 x MAD).

    A value is judged by those of the minutes before it; the last of each minute is what is learnt.
    """

    def __init__(self, length: int = DAY // MINUTE, least: int = LEAST) -> None:
        self._length, self._least = length, least
        self._minutes, self._values = array("q"), array("d")  # packed: many metrics keep a day
        self._head = 0  # what stands before it is forgotten
        self._sorted = array("d")
        self._latest: tuple[int, float] | None = None  # of the running minute
        self._middle: tuple[float, float] | None = None  # median and MAD, once a minute
        self.refused = 0

    def __len__(self) -> int:
        """How many values are learnt."""
        return len(self._minutes) - self._head

    def update(self, ts: int, value: float) -> float | None:
        """Judge a value, then remember it; its z, None without enough history or without any spread."""
        if not math.isfinite(value):
            self.refused += 1
            return None
        minute = ts // MINUTE
        if self._latest is not None:
            if minute < self._latest[0]:
                self.refused += 1
                return None
            if minute > self._latest[0]:
                self._learn(*self._latest)
        self._latest = (minute, value)
        self._forget(minute)
        return self.z(value)

    def z(self, value: float) -> float | None:
        """How unusual a value would be now."""
        middle = self._measure()
        if middle is None or middle[1] <= 0 or len(self._sorted) < self._least:
            return None
        return (value - middle[0]) / (SIGMA * middle[1])

    def median(self) -> float | None:
        """Of what is learnt."""
        middle = self._measure()
        return None if middle is None else middle[0]

    def mad(self) -> float | None:
        """Median distance from the median; 0 where most values are one."""
        middle = self._measure()
        return None if middle is None else middle[1]

    def reading(self, now: int) -> Reading[float]:
        """The z of the newest value."""
        if self._latest is None:
            return Reading.missing(_("nothing measured yet"), Status.INSUFFICIENT)
        minute, value = self._latest
        as_of = minute * MINUTE
        if now - as_of > 2 * MINUTE:
            return Reading.missing(_("the last value is old"), Status.STALE, as_of=as_of)
        if len(self._sorted) < self._least:
            text = _("learnt {n} of {least} minutes").format(n=len(self._sorted), least=self._least)
            return Reading.missing(text, Status.INSUFFICIENT, as_of=as_of, n=len(self._sorted))
        found = self.z(value)
        if found is None:
            return Reading.missing(_("most values are the same"), Status.UNDEFINED, as_of=as_of)
        return Reading(value=found, as_of=as_of, n=len(self._sorted), unit="deviations")

    def dump(self) -> dict[str, Any]:
        """As plain values."""
        minutes, values = self._minutes[self._head :], self._values[self._head :]
        latest = None if self._latest is None else list(self._latest)
        return {"minutes": minutes.tobytes(), "values": values.tobytes(), "latest": latest}

    def restore(self, body: Mapping[str, Any]) -> None:
        """From a dump."""
        minutes, values = array("q"), array("d")
        minutes.frombytes(body["minutes"])
        values.frombytes(body["values"])
        self._minutes, self._values, self._head = minutes, values, 0
        self._sorted = array("d", sorted(values))
        self._latest = None if body["latest"] is None else (body["latest"][0], body["latest"][1])
        self._middle = None

    def _learn(self, minute: int, value: float) -> None:
        self._minutes.append(minute)
        self._values.append(value)
        insort(self._sorted, value)
        self._middle = None

    def _forget(self, minute: int) -> None:
        """Let go of what is older than the row is long."""
        minutes, sorted_ = self._minutes, self._sorted
        if len(self) and (minute - minutes[-1]) * MINUTE > MAX_AGE:
            del minutes[:], self._values[:], sorted_[:]
            self._head, self._middle = 0, None
        while self._head < len(minutes) and minutes[self._head] < minute - self._length:
            del sorted_[bisect_left(sorted_, self._values[self._head])]
            self._head += 1
            self._middle = None
        if self._head > self._length:
            del minutes[: self._head], self._values[: self._head]
            self._head = 0

    def _measure(self) -> tuple[float, float] | None:
        if self._middle is None and self._sorted:
            middle = _middle_of(self._sorted)
            self._middle = middle, _deviation(self._sorted, middle)
        return self._middle


@dataclass(frozen=True, slots=True, kw_only=True)
class Anomaly:
    """Metrics that are unusual at once: one beyond 5 deviations, or two beyond 3.5 within a minute."""

    ts: int
    scores: Mapping[str, float]  # z by metric, the largest first

    @property
    def worst(self) -> float:
        """The largest |z|."""
        return max(abs(z) for z in self.scores.values())


class AnomalyWatch:
    """The z of several metrics of one instrument."""

    def __init__(self, least: int = LEAST) -> None:
        self._least = least
        self._metrics: dict[str, RobustZ] = {}
        self._high: dict[str, tuple[int, float]] = {}  # newest |z| above 3.5

    def take(self, ts: int, values: Mapping[str, Reading[float]]) -> Anomaly | None:
        """Judge the figures of one moment; what is not known is left out. The anomaly that they show, if any.

        It is shown as long as it lasts: a cooldown is the caller's.
        """
        for name, reading in values.items():
            if reading.value is None:
                continue
            metric = self._metrics.get(name)
            if metric is None:
                metric = self._metrics[name] = RobustZ(least=self._least)
            z = metric.update(ts, reading.value)
            if z is not None and abs(z) > TOGETHER:
                self._high[name] = (ts, z)
            elif name in self._high and z is not None:
                self._fade(name, ts)
        return self.state(ts)

    def state(self, now: int) -> Anomaly | None:
        """What is unusual now."""
        recent = {name: z for name, (ts, z) in self._high.items() if now - ts < SPAN}
        alone = any(abs(z) > ALONE for z in recent.values())
        if not alone and len(recent) < 2:
            return None
        scores = dict(sorted(recent.items(), key=lambda item: -abs(item[1])))
        return Anomaly(ts=max(self._high[name][0] for name in recent), scores=scores)

    def readings(self, now: int) -> dict[str, Reading[float]]:
        """`z_<metric>` of every metric."""
        return {f"z_{name}": metric.reading(now) for name, metric in self._metrics.items()}

    def dump(self) -> dict[str, Any]:
        """As plain values."""
        return {
            "metrics": {name: metric.dump() for name, metric in self._metrics.items()},
            "high": {name: list(row) for name, row in self._high.items()},
        }

    def restore(self, body: Mapping[str, Any]) -> None:
        """From a dump."""
        self._metrics = {}
        for name, part in body["metrics"].items():
            self._metrics[name] = RobustZ(least=self._least)
            self._metrics[name].restore(part)
        self._high = {name: (row[0], row[1]) for name, row in body["high"].items()}

    def _fade(self, name: str, ts: int) -> None:
        """A metric that is usual again counts until its minute is over."""
        if ts - self._high[name][0] >= SPAN:
            del self._high[name]


class Cooldown:
    """Lets a key through once in `ms`."""

    def __init__(self, ms: int) -> None:
        self._ms = ms
        self._last: dict[Hashable, int] = {}

    def ready(self, key: Hashable, now: int) -> bool:
        """Whether the key may pass; it is then used up for `ms`. Time that runs backwards lets nothing through."""
        last = self._last.get(key)
        if last is not None and now - last < self._ms:
            return False
        self._last.pop(key, None)
        self._last[key] = now
        if len(self._last) > REMEMBERED:
            del self._last[next(iter(self._last))]
        return True

    def rearm(self, key: Hashable) -> None:
        """Let the key through again at once."""
        self._last.pop(key, None)


def _middle_of(values: "array[float]") -> float:
    """Median of a sorted row."""
    count = len(values)
    return (values[(count - 1) // 2] + values[count // 2]) / 2


def _deviation(values: "array[float]", middle: float) -> float:
    """Median distance of a sorted row from its median, in O(log n)."""
    count = len(values)
    turn = bisect_left(values, middle)
    last = _nearest(values, middle, turn, count // 2 + 1)
    return last if count % 2 else (last + _nearest(values, middle, turn, count // 2)) / 2


def _nearest(values: "array[float]", middle: float, turn: int, k: int) -> float:
    """The k-th smallest distance from the middle. `turn`: first value that is not below it.

    The distances of either half are sorted already: search how many of the k lie on the left.
    """
    low, high = max(0, k - (len(values) - turn)), min(k, turn)
    while low < high:
        left = (low + high) // 2
        if middle - values[turn - 1 - left] < values[turn + k - left - 1] - middle:
            low = left + 1
        else:
            high = left
    found = 0.0
    if low:
        found = middle - values[turn - low]
    return max(found, values[turn + k - low - 1] - middle) if k > low else found
