"""One-pass blocks: sums over a window, mean and variance, exponential mean. O(1) per event."""

import math
from dataclasses import dataclass

MINUTES = (1, 5, 15)
_LENGTH = 901  # one-second buckets: the longest window and the second that is filling


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


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowSum:
    """Traded value of one window, taker buys minus taker sells, and the number of trades."""

    volume: float
    delta: float
    n: int


class RollingWindows:
    """Value, delta and count of the last 1, 5 and 15 minutes in one ring of seconds.

    A bucket is (second - 1, second], so that at a whole second the windows are exactly (now - w, now]; in
    between they are shorter by less than a second. Windows age out without trades. A late trade still
    counts in every window that contains its second.
    """

    def __init__(self) -> None:
        self._buy = [0.0] * _LENGTH
        self._sell = [0.0] * _LENGTH
        self._count = [0] * _LENGTH
        self._second = 0  # newest bucket
        self._sums = [[0.0, 0.0, 0] for _ in MINUTES]
        self._refreshed = 0
        self.dropped = 0  # trades older than the ring

    def update(self, ts: int, value: float, *, bought: bool) -> None:
        """Add one trade by the second of the exchange's own ts."""
        second = -(-ts // 1000)
        if second > self._second:
            self._advance(second)
        back = self._second - second
        if back >= 900:
            self.dropped += 1
            return
        place = second % _LENGTH
        (self._buy if bought else self._sell)[place] += value
        self._count[place] += 1
        side = 0 if bought else 1
        one, five, fifteen = self._sums
        fifteen[side] += value
        fifteen[2] += 1
        if back < 300:
            five[side] += value
            five[2] += 1
        if back < 60:
            one[side] += value
            one[2] += 1

    def get(self, now: int) -> dict[int, WindowSum]:
        """The three windows that end at `now`, by their minutes."""
        self._advance(-(-now // 1000))
        return {
            minutes: WindowSum(volume=max(0.0, buy + sell), delta=buy - sell, n=int(n))
            for minutes, (buy, sell, n) in zip(MINUTES, self._sums, strict=True)
        }

    def acceleration(self, now: int) -> int:
        """Trades of the last minute minus trades of the minute before it."""
        self._advance(-(-now // 1000))
        before = sum(self._count[s % _LENGTH] for s in range(self._second - 119, self._second - 59))
        return int(self._sums[0][2]) - before

    def _advance(self, second: int) -> None:
        if second - self._second >= _LENGTH:
            self._clear(second)
        while self._second < second:
            self._second += 1
            for sums, minutes in zip(self._sums, MINUTES, strict=True):
                leaving = (self._second - 60 * minutes) % _LENGTH
                sums[0] -= self._buy[leaving]
                sums[1] -= self._sell[leaving]
                sums[2] -= self._count[leaving]
            place = self._second % _LENGTH
            self._buy[place] = self._sell[place] = 0.0
            self._count[place] = 0
        if second - self._refreshed >= 3600:
            self._refresh()

    def _clear(self, second: int) -> None:
        """A silence longer than the ring."""
        self._buy, self._sell = [0.0] * _LENGTH, [0.0] * _LENGTH
        self._count = [0] * _LENGTH
        self._sums = [[0.0, 0.0, 0] for _ in MINUTES]
        self._second = self._refreshed = second

    def _refresh(self) -> None:
        """Sum the buckets again: subtracting what was added leaves a rest of 1e-13."""
        self._refreshed = self._second
        for sums, minutes in zip(self._sums, MINUTES, strict=True):
            places = [s % _LENGTH for s in range(self._second - 60 * minutes + 1, self._second + 1)]
            sums[0] = math.fsum(self._buy[place] for place in places)
            sums[1] = math.fsum(self._sell[place] for place in places)


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
