"""The whole market once a minute from bulk tickers: fast movers and volume spikes of hundreds of perps.

One float64 matrix for prices and one for volumes, rows instruments, columns the minutes of the last hour. A
change is taken between two samples that really lie 1 (or 5) minutes apart: a minute that was missed, a row
that was absent from one of them and an instrument without a past make no mover.

Volume spikes are approximate. A ticker carries the quote volume Q of the last 24 h, so over five minutes

    Q(now) - Q(before) = volume of these five minutes - volume of the same five minutes a day ago

The second term is not known, but it is not negative: the true volume is the difference or more, so `ratio` and
`value` are floors. Where the difference is not positive it says only that a day ago more was traded: undefined,
never "quiet". It is undefined as well where the venue did not move its figure between the samples. The figure of
a calendar day falls at 00:00 UTC, which is not positive either.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from analytics.rows import Floats
from market.language import _
from market.types import DAY, MINUTE, Kind, Reading, Status

COLUMNS = 64  # minutes that are kept
SLACK = 20_000  # ms that two samples may lie nearer or farther apart than their window
MOVES = {1: 0.02, 5: 0.05}  # minutes -> change, to be exceeded strictly
SPIKE = 3.0  # times the average five minutes of the day
SPIKE_WINDOW = 5  # minutes
SPIKE_VALUE = 250_000.0  # quote currency in the window: dead markets do not spike
JUMP = 5.0  # a price this many times off is held back until the next sample agrees
GONE = 60 * MINUTE  # a row that was absent this long is given up
EPSILON = 1e-12


@dataclass(frozen=True, slots=True, kw_only=True)
class Mover:
    """An instrument whose price changed fast. `change` is a fraction."""

    key: str
    change: float
    minutes: int
    price: float
    before: float
    since: int  # ts of `before`
    ts: int


@dataclass(frozen=True, slots=True, kw_only=True)
class VolumeSpike:
    """At least `value` in quote currency was traded, `ratio` times the day's average of so long a time."""

    key: str
    ratio: float
    value: float
    minutes: int
    change: float  # of the price meanwhile
    since: int
    ts: int
    kind: Kind = Kind.APPROX


@dataclass(frozen=True, slots=True, kw_only=True)
class ScanResult:
    """What one look at the market found, the largest first, and how much of the market that was."""

    ts: int
    movers: tuple[Mover, ...] = ()
    spikes: tuple[VolumeSpike, ...] = ()
    rows: int = 0  # instruments in this look
    compared: Mapping[int, int] = field(default_factory=dict)  # minutes -> instruments with a past
    held: int = 0  # prices that were not believed

    def coverage(self, minutes: int) -> Reading[float]:
        """Which part of the instruments could be compared over so many minutes."""
        count = self.compared.get(minutes, 0)
        if not count:
            reason = _("no look at the market {n} minutes ago").format(n=minutes)
            return Reading.missing(reason, Status.INSUFFICIENT, as_of=self.ts)
        return Reading(value=count / self.rows, as_of=self.ts, n=count, unit="fraction")


class Scan:
    """Feed `update` once a minute; 600 instruments take about a millisecond."""

    def __init__(self, moves: Mapping[int, float] | None = None, spike: float = SPIKE) -> None:
        self.moves, self.spike = dict(MOVES if moves is None else moves), spike
        self._places: dict[str, int] = {}
        self._free: list[int] = []
        self._price = np.full((0, COLUMNS), np.nan)
        self._volume = np.full((0, COLUMNS), np.nan)
        self._last = np.full(0, np.nan)  # newest price that is believed
        self._held = np.full(0, np.nan)  # one that waits for the next sample
        self._seen = np.zeros(0, dtype=np.int64)  # ts of the newest row
        self._stamps = np.full(COLUMNS, -DAY, dtype=np.int64)
        self._column = -1
        self._ts = 0

    def update(self, ts: int, rows: Mapping[str, tuple[float, float | None]]) -> ScanResult:
        """One look at the market: (price, quote volume of 24 h or None) by key.

        A look that is not later than the one before is left out.
        """
        if ts <= self._ts or not rows:
            return ScanResult(ts=ts)
        self._column = (self._column + 1) % COLUMNS
        self._ts, self._stamps[self._column] = ts, ts
        self._place(rows)
        places = np.fromiter((self._places[key] for key in rows), np.int64, len(rows))
        price, volume = _columns(rows)
        held = self._store(places, price, volume)
        found = self._movers()
        result = ScanResult(
            ts=ts, movers=tuple(sorted(found[0], key=lambda each: -abs(each.change))),
            spikes=tuple(sorted(self._spikes(), key=lambda each: -each.ratio)),
            rows=len(rows), compared=found[1], held=held,
        )  # fmt: skip
        self._give_up()
        return result

    def __len__(self) -> int:
        """Instruments that are kept."""
        return len(self._places)

    def _place(self, rows: Mapping[str, tuple[float, float | None]]) -> None:
        """A row for every key."""
        new = [key for key in rows if key not in self._places]
        while len(self._free) < len(new):
            self._grow()
        for key in new:
            place = self._free.pop()
            self._places[key] = place
            for matrix in (self._price, self._volume):
                matrix[place] = np.nan
            self._last[place] = self._held[place] = np.nan

    def _grow(self) -> None:
        size = len(self._last)
        more = max(256, size)
        nothing = np.full((more, COLUMNS), np.nan)
        self._price = np.vstack((self._price, nothing))
        self._volume = np.vstack((self._volume, nothing))
        self._last = np.concatenate((self._last, np.full(more, np.nan)))
        self._held = np.concatenate((self._held, np.full(more, np.nan)))
        self._seen = np.concatenate((self._seen, np.zeros(more, dtype=np.int64)))
        self._free.extend(range(size + more - 1, size - 1, -1))

    def _store(self, places: NDArray[np.int64], price: Floats, volume: Floats) -> int:
        """Write the newest column; returns how many prices were held back."""
        last, waiting = self._last[places], self._held[places]
        wild = _apart(price, last)
        confirmed = wild & ~np.isnan(waiting) & ~_apart(price, waiting)
        held = wild & ~confirmed
        self._held[places] = np.where(held, price, np.nan)
        believed = np.where(held, np.nan, price)
        self._last[places] = np.where(np.isnan(believed), last, believed)
        for matrix, values in ((self._price, believed), (self._volume, volume)):
            matrix[:, self._column] = np.nan
            matrix[places, self._column] = values
        self._seen[places] = self._ts
        return int(held.sum())

    def _before(self, minutes: int) -> int | None:
        """The column of the sample that lies so many minutes back; None where there is none."""
        distance = np.abs(self._ts - self._stamps - minutes * MINUTE)
        distance[self._column] = DAY
        column = int(distance.argmin())
        return column if distance[column] <= SLACK else None

    def _movers(self) -> tuple[list[Mover], dict[int, int]]:
        movers: list[Mover] = []
        compared: dict[int, int] = {}
        names = None
        now = self._price[:, self._column]
        for minutes, limit in self.moves.items():
            column = self._before(minutes)
            if column is None:
                continue
            before = self._price[:, column]
            change = now / before - 1
            compared[minutes] = int(np.count_nonzero(~np.isnan(change)))
            found = np.flatnonzero(np.abs(change) > limit + EPSILON)
            if len(found) and names is None:
                names = self._names()
            movers += [
                Mover(
                    key=(names or {})[place], change=float(change[place]), minutes=minutes,
                    price=float(now[place]), before=float(before[place]),
                    since=int(self._stamps[column]), ts=self._ts,
                )
                for place in found.tolist()
            ]  # fmt: skip
        return movers, compared

    def _spikes(self) -> list[VolumeSpike]:
        column = self._before(SPIKE_WINDOW)
        if column is None:
            return []
        before, span = self._volume[:, column], self._ts - int(self._stamps[column])
        value = self._volume[:, self._column] - before  # a floor of what was traded, see above
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = value / (before * (span / DAY))
        change = self._price[:, self._column] / self._price[:, column] - 1
        good = (ratio > self.spike * (1 + EPSILON)) & (value >= SPIKE_VALUE) & ~np.isnan(change)
        found = np.flatnonzero(good & np.isfinite(ratio))
        names = self._names() if len(found) else {}
        return [
            VolumeSpike(
                key=names[place], ratio=float(ratio[place]), value=float(value[place]),
                minutes=SPIKE_WINDOW, change=float(change[place]),
                since=int(self._stamps[column]), ts=self._ts,
            )
            for place in found.tolist()
        ]  # fmt: skip

    def _names(self) -> dict[int, str]:
        return {place: key for key, place in self._places.items()}

    def _give_up(self) -> None:
        """Free the rows of instruments that are no longer listed."""
        if self._column % 16:
            return
        for key in [k for k, place in self._places.items() if self._ts - self._seen[place] > GONE]:
            self._free.append(self._places.pop(key))


def _columns(rows: Mapping[str, tuple[float, float | None]]) -> tuple[Floats, Floats]:
    """Prices and volumes; NaN for what is none."""
    price = np.fromiter((row[0] for row in rows.values()), float, len(rows))
    volume = np.fromiter(
        (math.nan if row[1] is None else row[1] for row in rows.values()), float, len(rows)
    )
    price[~(np.isfinite(price) & (price > 0))] = np.nan
    volume[~(np.isfinite(volume) & (volume > 0))] = np.nan
    return price, volume


def _apart(a: Floats, b: Floats) -> NDArray[np.bool_]:
    """More than five times up or down; False where one is not known."""
    ratio = a / b
    found: NDArray[np.bool_] = (ratio > JUMP) | (ratio < 1 / JUMP)
    return found
