"""Flow in rows of one length of time: what remains of trades that are too old to be kept one by one.

Only rows in which something traded exist, each side on its own: a quiet instrument takes little room.
"""

from array import array
from bisect import bisect_left

import numpy as np
from numpy.typing import NDArray

from market.types import MINUTE

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

SECOND = 1000
PER_MINUTE = MINUTE // SECOND
FIELDS = 5  # bought coins, sold coins, bought value, sold value, number of trades

# A second of one side as it is stored; a sale is negative. A negative second is the part of it that fell on
# its very last ms, where that begins a minute.
PACKED = np.dtype([("second", "<i4"), ("n", "<u4"), ("base", "<f8"), ("value", "<f8")])


class Rows:
    """Coins, value and number of trades of one side by whole number, in rising order."""

    def __init__(self) -> None:
        self.numbers = array("I")
        self.base, self.value = array("d"), array("d")
        self.n = array("I")

    def __len__(self) -> int:
        return len(self.numbers)

    def put(self, number: int, base: float, value: float, n: int = 1) -> None:
        """Add to one row."""
        at = len(self.numbers)
        if at and number <= self.numbers[-1]:
            at = bisect_left(self.numbers, number)
            if self.numbers[at] == number:
                self.base[at] += base
                self.value[at] += value
                self.n[at] += n
                return
        self.numbers.insert(at, number)
        self.base.insert(at, base)
        self.value.insert(at, value)
        self.n.insert(at, n)

    def extend(self, numbers: Ints, base: Floats, value: Floats, n: Ints) -> None:
        """Add trades or rows, in rising order of their numbers; equal numbers become one row."""
        if not len(numbers):
            return
        starts = np.flatnonzero(np.concatenate(([True], numbers[1:] != numbers[:-1])))
        columns = [np.add.reduceat(each, starts) for each in (base, value, n)]
        numbers = numbers[starts]
        if not len(self.numbers) or numbers[0] > self.numbers[-1]:
            self.numbers.frombytes(numbers.astype(np.uint32).tobytes())
            self.base.frombytes(columns[0].tobytes())
            self.value.frombytes(columns[1].tobytes())
            self.n.frombytes(columns[2].astype(np.uint32).tobytes())
            return
        for number, *row in zip(
            numbers.tolist(), *(each.tolist() for each in columns), strict=True
        ):
            self.put(number, *row)

    def between(self, first: int, last: int) -> tuple[Ints, Floats, Floats, Ints]:
        """The rows first..last, both included; not to be kept beyond the call."""
        if not len(self.numbers):
            return np.zeros(0, np.int64), np.zeros(0), np.zeros(0), np.zeros(0, np.int64)
        low = bisect_left(self.numbers, max(first, 0))
        high = bisect_left(self.numbers, max(last + 1, 0))
        return (
            np.frombuffer(self.numbers, np.uint32)[low:high].astype(np.int64),
            np.frombuffer(self.base)[low:high],
            np.frombuffer(self.value)[low:high],
            np.frombuffer(self.n, np.uint32)[low:high].astype(np.int64),
        )

    def drop(self, last: int) -> int:
        """Forget the rows up to `last`; returns how many there were."""
        count = bisect_left(self.numbers, last + 1)
        for column in (self.numbers, self.base, self.value, self.n):
            del column[:count]
        return count


class Sides:
    """Rows of bought and of sold."""

    def __init__(self) -> None:
        self.both = (Rows(), Rows())

    def __len__(self) -> int:
        return len(self.both[0]) + len(self.both[1])

    def oldest(self) -> int:
        """The lowest number."""
        return min(each.numbers[0] for each in self.both if len(each))

    def newest(self) -> int:
        """The highest number."""
        return max(each.numbers[-1] for each in self.both if len(each))

    def put(self, number: int, base: float, value: float) -> None:
        """Add one trade; a sale is negative."""
        self.both[base < 0.0].put(number, abs(base), abs(value))

    def extend(self, numbers: Ints, base: Floats, value: Floats) -> None:
        """Add trades in rising order of their numbers; a sale is negative."""
        for rows, mine in zip(self.both, (base > 0.0, base < 0.0), strict=True):
            some = numbers[mine]
            rows.extend(some, np.abs(base[mine]), np.abs(value[mine]), np.ones(len(some), np.int64))

    def total(self, first: int, last: int) -> Floats:
        """The five fields over the rows first..last."""
        found = np.zeros(FIELDS)
        for side, rows in enumerate(self.both):
            _numbers, base, value, n = rows.between(first, last)
            found[side] += base.sum()
            found[2 + side] += value.sum()
            found[4] += n.sum()
        return found

    def dense(self, first: int, last: int, per: int = 1) -> Floats:
        """The five fields of `per` rows each as (FIELDS, n): 1..60, 61..120 ... where per is 60."""
        found = np.zeros((FIELDS, max(0, last - first + 1)))
        width = found.shape[1]
        for side, rows in enumerate(self.both):
            numbers, base, value, n = rows.between((first - 1) * per + 1, last * per)
            if len(numbers):
                places = -(-numbers // per) - first
                for field, column in ((side, base), (2 + side, value), (4, n)):
                    found[field] += np.bincount(places, weights=column, minlength=width)
        return found


class OldFlow:
    """Trades that are no longer single: in rows that end with a second, the older ones with a minute.

    A row includes the instant at which it ends. A candle begins with it: what traded on the very edge of a
    minute is therefore kept once more, to be moved over.
    """

    def __init__(self, seconds: int, minutes: int) -> None:
        self.turn = 0  # ms: up to here there are minutes, later there are seconds
        self.dropped = 0  # ms: what was up to here is gone
        self.seconds, self.minutes = Sides(), Sides()
        self._edges = Sides()  # on the first ms of a minute
        self._kept = (seconds, minutes)

    def add(self, stamps: Ints, base: Floats, value: Floats) -> None:
        """Add trades in order of ts, later than all that are here."""
        self.seconds.extend(-(-stamps // SECOND), base, value)
        edge = stamps % MINUTE == 0
        if edge.any():
            self._edges.extend(stamps[edge] // MINUTE, base[edge], value[edge])
        self.age()

    def put(self, ts: int, base: float, value: float) -> None:
        """Add one late trade, unless its time is gone; a sale is negative."""
        if ts <= self.dropped:
            return
        if ts <= self.turn:
            self.minutes.put(-(-ts // MINUTE), base, value)
        else:
            self.seconds.put(-(-ts // SECOND), base, value)
        if ts % MINUTE == 0:
            self._edges.put(ts // MINUTE, base, value)

    def age(self) -> None:
        """Turn what is old into longer rows, and forget what is too old."""
        seconds, minutes = self._kept
        if len(self.seconds):
            self.shorten((self.seconds.newest() - seconds) * SECOND // MINUTE * MINUTE)
        if len(self.minutes):
            self.forget((self.minutes.newest() - minutes) * MINUTE)

    def shorten(self, turn: int) -> int:
        """Turn the seconds up to `turn`, a whole minute, into minutes; returns how many rows there were."""
        if turn <= self.turn:
            return 0
        last, count = turn // SECOND, 0
        for rows, minutes in zip(self.seconds.both, self.minutes.both, strict=True):
            numbers, base, value, n = rows.between(0, last)
            minutes.extend(-(-numbers // PER_MINUTE), base, value, n)
            del base, value
            count += rows.drop(last)
        self.turn = turn
        return count

    def forget(self, until: int) -> int:
        """Drop the minutes up to `until`, a whole minute; returns how many rows there were."""
        until = min(until, self.turn)
        if until <= self.dropped:
            return 0
        self.dropped = until
        for rows in self._edges.both:
            rows.drop(until // MINUTE)
        return sum(rows.drop(until // MINUTE) for rows in self.minutes.both)

    def edge(self, ts: int) -> int:
        """The last instant up to `ts` at which rows end."""
        return ts // SECOND * SECOND if ts >= self.turn else ts // MINUTE * MINUTE

    def total(self, start: int, end: int) -> Floats:
        """The five fields over (start, end]; both are edges, or lie where nothing was counted."""
        turn = min(max(start, self.turn), end)
        total = self.seconds.total(turn // SECOND + 1, end // SECOND)
        if start < turn:
            total += self.minutes.total(start // MINUTE + 1, turn // MINUTE)
        return total

    def bars(self, first: int, last: int) -> Floats:
        """The fields of the minutes first..last as candles count them, (FIELDS, n)."""
        found = self.minutes.dense(first + 1, last + 1)
        found += self.seconds.dense(first + 1, last + 1, PER_MINUTE)
        edges = self._edges.dense(first, last + 1)
        found += edges[:, :-1] - edges[:, 1:]
        return np.maximum(found, 0.0)

    def packed(self, since: int, until: int) -> bytes:
        """The seconds in (since, until], both whole seconds, for `load`; those that are minutes are left out."""
        return pack(self.seconds, since // SECOND + 1, until // SECOND, 1) + pack(
            self._edges, since // MINUTE + 1, until // MINUTE, -PER_MINUTE
        )

    def load(self, body: bytes) -> int:
        """Add seconds that were packed; returns the last, in ms. ValueError where that is not what it is."""
        rows = np.frombuffer(body, PACKED)
        if not (np.isfinite(rows["base"]) & np.isfinite(rows["value"])).all():
            raise ValueError("no finite flow")
        for second, n, base, value in rows.tolist():
            side, ts = base < 0.0, abs(second) * SECOND
            if ts <= self.dropped:
                continue
            if second < 0:
                self._edges.both[side].put(ts // MINUTE, abs(base), abs(value), n)
            elif ts <= self.turn:
                self.minutes.both[side].put(-(-ts // MINUTE), abs(base), abs(value), n)
            else:
                self.seconds.both[side].put(second, abs(base), abs(value), n)
        return int(np.abs(rows["second"]).max()) * SECOND if len(rows) else 0


def pack(sides: Sides, first: int, last: int, per: int) -> bytes:
    """The rows first..last; `per` seconds in one, negative for the edges of minutes."""
    parts = []
    for sign, rows in zip((1.0, -1.0), sides.both, strict=True):
        numbers, base, value, n = rows.between(first, last)
        part = np.empty(len(numbers), PACKED)
        part["second"], part["n"] = numbers * per, n
        part["base"], part["value"] = base * sign, value * sign
        parts.append(part.tobytes())
    return b"".join(parts)
