"""One-pass blocks: sums over windows, mean and variance, exponential mean. O(1) per event."""

import math
from array import array
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from market.types import DAY, Side, Trade

MINUTES = (1, 5, 15)
RESUM = 3600  # seconds after which sums are formed anew: float drift never grows beyond an hour's
TRIM = 512  # rows that have left every window before they are cut off

_BUY = Side.BUY


class RollingSum:
    """Sum over the last `seconds` whole seconds, one bucket a second."""

    def __init__(self, seconds: int) -> None:
        self._ring = [0.0] * seconds
        self._second = 0
        self._total = 0.0

    def update(self, ts: int, value: float) -> None:
        """Add a value; one that is older than the window is ignored."""
        second = ts // 1000
        self._roll(second)
        if second > self._second - len(self._ring):
            self._ring[second % len(self._ring)] += value
            self._total += value

    def get(self, now: int) -> float:
        """The sum at `now`."""
        self._roll(now // 1000)
        return self._total

    def _roll(self, second: int) -> None:
        """Empty the buckets that have left the window."""
        for old in range(max(self._second + 1, second - len(self._ring) + 1), second + 1):
            self._total -= self._ring[old % len(self._ring)]
            self._ring[old % len(self._ring)] = 0.0
        self._second = max(self._second, second)
        if second % 3600 == 0:
            self._total = math.fsum(self._ring)  # float drift never grows beyond an hour's


class RollingSums:
    """Sums and counts of several slots over several windows, exact to whole seconds.

    A bucket is (second - 1, second], so that at a whole second a window is exactly (now - w, now]. Only
    seconds in which something happened exist: 17 bytes for each and slot. Each window has its own oldest
    bucket, so that a bucket enters and leaves each once. A late value goes to its own second and counts in
    every window that still holds it.
    """

    def __init__(self, spans: Sequence[int], slots: int) -> None:
        """`spans` are seconds, rising."""
        self.second = 0  # the bucket that is filling
        self.value = [0.0] * slots  # in it, by slot
        self.count = [0] * slots
        self.dropped = 0  # things older than the longest window
        self._spans = tuple(spans)
        self._seconds, self._slots = array("I"), bytearray()  # the buckets before, in order
        self._values, self._counts = array("d"), array("I")
        self._heads = [0] * len(spans)  # the first bucket inside each window
        self._sums = [_Sums(slots) for _ in spans]
        self._resummed = 0

    def add(self, second: int, slot: int, value: float, n: int = 1) -> None:
        """Add `value`, which is of `n` things."""
        if second > self.second:
            self.advance(second)
        if second == self.second:
            self.value[slot] += value
            self.count[slot] += n
        elif second <= self.second - self._spans[-1]:
            self.dropped += n
        else:
            self._late(second, slot, value, n)

    def advance(self, second: int) -> None:
        """Close the bucket that fills; what is older than its window leaves it."""
        if second <= self.second:
            return
        for slot, n in enumerate(self.count):
            if n:
                self._close(slot, self.value[slot], n)
                self.value[slot], self.count[slot] = 0.0, 0
        self.second = second
        for i, span in enumerate(self._spans):
            self._leave(i, second - span)
        if self._heads[-1] > TRIM:
            self._trim()
        if second - self._resummed >= RESUM:
            self._resum()

    def get(self, window: int) -> tuple[list[float], list[int]]:
        """(sums, counts) by slot in the window of that number, up to now."""
        sums = self._sums[window]
        return (
            [a + b + c for a, b, c in zip(sums.value, sums.rest, self.value, strict=True)],
            [a + b for a, b in zip(sums.count, self.count, strict=True)],
        )

    def dump(self) -> list[Any]:
        """Plain values for `restore`."""
        head = self._heads[-1]
        rows = (self._seconds, self._slots, self._values, self._counts)
        return [self.second, self.value, self.count, *(bytes(row[head:]) for row in rows)]

    def restore(self, values: Sequence[Any]) -> None:
        """Go on where `dump` was made."""
        self.second, self.value, self.count, seconds, slots, amounts, counts = values
        self.value, self.count = list(self.value), list(self.count)
        self._seconds, self._slots = array("I", seconds), bytearray(slots)
        self._values, self._counts = array("d", amounts), array("I", counts)
        self._heads = [bisect_right(self._seconds, self.second - span) for span in self._spans]
        self._resum()

    def _close(self, slot: int, value: float, n: int) -> None:
        self._seconds.append(self.second)
        self._slots.append(slot)
        self._values.append(value)
        self._counts.append(n)
        for sums in self._sums:
            sums.add(slot, value, n)

    def _leave(self, window: int, last: int) -> None:
        """Take what is not later than `last` out of a window."""
        head, seconds, sums = self._heads[window], self._seconds, self._sums[window]
        size = len(seconds)
        while head < size and seconds[head] <= last:
            sums.add(self._slots[head], -self._values[head], -self._counts[head])
            head += 1
        self._heads[window] = head

    def _late(self, second: int, slot: int, value: float, n: int) -> None:
        at = bisect_right(self._seconds, second)
        row = at - 1
        while row >= 0 and self._seconds[row] == second and self._slots[row] != slot:
            row -= 1
        merged = row >= 0 and self._seconds[row] == second
        if merged:
            self._values[row] += value
            self._counts[row] += n
        else:
            self._seconds.insert(at, second)
            self._slots.insert(at, slot)
            self._values.insert(at, value)
            self._counts.insert(at, n)
        for i, span in enumerate(self._spans):
            if second > self.second - span:
                self._sums[i].add(slot, value, n)
            elif not merged:
                self._heads[i] += 1

    def _trim(self) -> None:
        head = self._heads[-1]
        for row in (self._seconds, self._slots, self._values, self._counts):
            del row[:head]
        self._heads = [each - head for each in self._heads]

    def _resum(self) -> None:
        """Form the sums anew."""
        self._resummed = self.second
        for sums, head in zip(self._sums, self._heads, strict=True):
            slots = self._slots[head:]
            for slot in range(len(sums.value)):
                mine = [head + i for i, each in enumerate(slots) if each == slot]
                sums.value[slot] = math.fsum(self._values[i] for i in mine)
                sums.count[slot] = sum(self._counts[i] for i in mine)
                sums.rest[slot] = 0.0


class _Sums:
    """Sums by slot with what rounding took from them (Neumaier 1974): a huge value that leaves leaves no trace."""

    __slots__ = ("count", "rest", "value")

    def __init__(self, slots: int) -> None:
        self.value, self.rest = [0.0] * slots, [0.0] * slots
        self.count = [0] * slots

    def add(self, slot: int, value: float, n: int) -> None:
        """Add `value`, or take it away."""
        self.count[slot] += n
        if not self.count[slot]:  # nothing left, and so no rounding either
            self.value[slot] = self.rest[slot] = 0.0
            return
        before = self.value[slot]
        after = self.value[slot] = before + value
        if abs(before) >= abs(value):
            self.rest[slot] += (before - after) + value
        else:
            self.rest[slot] += (value - after) + before


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowSum:
    """Traded value of one window, taker buys minus taker sells, and the number of trades."""

    volume: float
    delta: float
    n: int

    @property
    def buy_share(self) -> float | None:
        """Taker buys over all, by value; None where nothing traded."""
        return (self.volume + self.delta) / (2 * self.volume) if self.n else None


class RollingWindows:
    """Value, delta and count of the last 1, 5 and 15 minutes, and the delta since 00:00 UTC.

    At a whole second the windows are exactly (now - w, now]; in between they are shorter by less than a
    second. Windows age out without trades. A late trade still counts in every window that contains its
    second, and in the day if it is of the same day; a day is (00:00, 24:00].
    """

    _SPANS = (60, 120, 300, 900)
    _PLACES = (0, 2, 3)  # of the windows that are shown, in _SPANS

    def __init__(self) -> None:
        self._sums = RollingSums(self._SPANS, 2)  # bought, sold
        self._day = 0  # ms of its 00:00
        self._day_delta = 0.0
        self._day_n = 0

    @property
    def dropped(self) -> int:
        """Trades that came too late for every window."""
        return self._sums.dropped

    def update(self, ts: int, value: float, *, bought: bool) -> None:
        """Add one trade by the second of the exchange's own ts."""
        self._add(-(-ts // 1000), (value, 0.0) if bought else (0.0, value), (bought, not bought))

    def take(self, trades: Iterable[Trade]) -> None:
        """Add trades, fastest where many of one second follow each other."""
        end = self._sums.second * 1000
        begin = end - 1000
        bought = sold = 0.0
        buys = sales = 0
        for trade in trades:
            ts = trade.ts
            if not begin < ts <= end:
                if buys or sales:
                    self._add(end // 1000, (bought, sold), (buys, sales))
                    bought = sold = 0.0
                    buys = sales = 0
                end = -(-ts // 1000) * 1000
                begin = end - 1000
            if trade.side is _BUY:
                bought += trade.price * trade.amount
                buys += 1
            else:
                sold += trade.price * trade.amount
                sales += 1
        if buys or sales:
            self._add(end // 1000, (bought, sold), (buys, sales))

    def get(self, now: int) -> dict[int, WindowSum]:
        """The three windows that end at `now`, by their minutes."""
        self._sums.advance(-(-now // 1000))
        return {
            minutes: self._window(place)
            for minutes, place in zip(MINUTES, self._PLACES, strict=True)
        }

    def acceleration(self, now: int) -> int:
        """Trades of the last minute minus trades of the minute before it."""
        self._sums.advance(-(-now // 1000))
        return 2 * self._window(0).n - self._window(1).n

    def delta_acceleration(self, now: int) -> float:
        """Delta of the last minute minus delta of the minute before it."""
        self._sums.advance(-(-now // 1000))
        return 2 * self._window(0).delta - self._window(1).delta

    def session(self, now: int) -> tuple[int, float, int]:
        """(00:00 UTC in ms, delta since then, trades) of the day that `now` or the newest trade is in."""
        day = (now - 1) // DAY * DAY
        return (day, 0.0, 0) if day > self._day else (self._day, self._day_delta, self._day_n)

    def dump(self) -> list[Any]:
        """Plain values for `restore`."""
        return [self._day, self._day_delta, self._day_n, self._sums.dump()]

    def restore(self, values: Sequence[Any]) -> None:
        """Go on where `dump` was made."""
        self._day, self._day_delta, self._day_n, sums = values
        self._sums.restore(sums)

    def _window(self, place: int) -> WindowSum:
        (bought, sold), (buys, sales) = self._sums.get(place)
        bought, sold = max(0.0, bought) if buys else 0.0, max(0.0, sold) if sales else 0.0
        return WindowSum(volume=bought + sold, delta=bought - sold, n=buys + sales)

    def _add(self, second: int, values: tuple[float, float], counts: tuple[int, int]) -> None:
        """Add what was bought and sold in one second."""
        for slot, n in enumerate(counts):
            if n:
                self._sums.add(second, slot, values[slot], n)
        ts = second * 1000
        if ts > self._day + DAY:
            self._day, self._day_delta, self._day_n = (ts - 1) // DAY * DAY, 0.0, 0
        if ts > self._day:
            self._day_delta += values[0] - values[1]
            self._day_n += counts[0] + counts[1]


class Welford:
    """Mean and variance of everything seen."""

    def __init__(self) -> None:
        self.n = 0
        self._mean = 0.0
        self._squares = 0.0

    def update(self, x: float) -> None:
        """Add a value."""
        self.n += 1
        step = x - self._mean
        self._mean += step / self.n
        self._squares += step * (x - self._mean)

    def get(self) -> float | None:
        """The mean; None of nothing."""
        return self._mean if self.n else None

    def variance(self, ddof: int = 1) -> float | None:
        """None where there are not enough values."""
        return max(0.0, self._squares) / (self.n - ddof) if self.n > ddof else None


class EwMean:
    """Mean and variance in which a value counts half after `half_life` ms."""

    def __init__(self, half_life: float) -> None:
        self._half_life = half_life
        self._mean: float | None = None
        self._variance = 0.0
        self._ts = 0

    def update(self, ts: int, x: float) -> None:
        """Add a value; the weight of the old ones falls with the time since the last."""
        if self._mean is None:
            self._mean, self._ts = x, ts
            return
        weight = 1 - 2 ** (-max(0, ts - self._ts) / self._half_life)
        step = x - self._mean
        self._mean += weight * step
        self._variance = (1 - weight) * (self._variance + weight * step * step)
        self._ts = max(ts, self._ts)

    def get(self) -> float | None:
        """The mean; None of nothing."""
        return self._mean

    def variance(self) -> float | None:
        """None of nothing."""
        return None if self._mean is None else self._variance
