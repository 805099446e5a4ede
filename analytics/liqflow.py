"""Liquidations as they happen: sums by the position that was closed, the newest prints, and cascades.

Sums are amounts x price in quote currency. A venue that publishes only some of its liquidations makes every
sum a floor, and the readings say so. O(1) per row; memory grows with the seconds that had a liquidation.
"""

import math
from collections import Counter, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from analytics.liqruns import Cascade as Cascade  # noqa: PLC0414 - one name for the whole topic
from analytics.liqruns import CascadeRun
from analytics.liqruns import cascade_threshold as cascade_threshold  # noqa: PLC0414
from market.language import _
from market.types import (
    EXCHANGE_NAMES,
    MINUTE,
    Instrument,
    Liquidation,
    PositionSide,
    Reading,
    Status,
)

MINUTES = (1, 5, 15, 60)
PRINTS = 200  # newest prints that are kept
SILENT = 60_000  # ms without any sign of the feed after which sums are no longer known
LATE = 60_000  # ms between the event and its receipt beyond which it starts no cascade
AHEAD = 60_000  # ms a venue's clock may be ahead of ours; beyond that a row is refused
RESTART = 1000  # ms without a sign that a restored dump may bridge
SEEN = 2048  # rows that are remembered so that a repeat is not counted again
GAPS = 32

_LONG = PositionSide.LONG
_SECONDS = tuple(minutes * 60 for minutes in MINUTES)
_Key = tuple[int, float, float, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class LiquidationSum:
    """What was closed by force in one window, in quote currency, and how many rows that were."""

    long: float
    short: float
    long_n: int
    short_n: int


class LiquidationFlow:
    """The liquidations of one instrument.

    Such a feed is quiet by nature: `alive` tells that it lives, and from when on; without it the rows have to
    do. What was missed cannot be fetched again: `mark_gap` marks it for good.
    """

    def __init__(self, instrument: Instrument, threshold: float | None = None) -> None:
        self.instrument = instrument
        self.started_ts: int | None = None  # the sums are whole from here on
        self.sampled = False  # the venue publishes only some
        self.refused = 0  # rows without a usable price, amount or time
        self.repeated = 0  # rows that were counted before
        self.late = 0  # rows older than the longest window
        self._prints: deque[Liquidation] = deque(maxlen=PRINTS)
        self._seen: dict[str | _Key, int] = {}
        self._windows = _Windows()
        limit = cascade_threshold(instrument.base) if threshold is None else threshold
        self._runs = {side: CascadeRun(side, limit) for side in PositionSide}
        self._gaps: deque[tuple[int, int]] = deque(maxlen=GAPS)
        self._alive: int | None = None
        self._put_away: int | None = (
            None  # when a dump that was restored had last heard of the feed
        )

    def take(self, rows: Sequence[Liquidation]) -> list[Liquidation]:
        """Count the rows of one frame; returns the new ones.

        A row with an id counts once. Without one, equal rows of the same frame are distinct, and of a later
        frame only those beyond the number seen before are new.
        """
        new = []
        frame: Counter[_Key] = Counter()
        for row in rows:
            if not _sound(row):
                self.refused += 1
            elif self._is_new(row, frame):
                new.append(row)
                self._count(row)
            else:
                self.repeated += 1
        return new

    def alive(self, ts: int) -> None:
        """The feed was heard of at `ts`, with or without a row."""
        if self.started_ts is None:
            self.started_ts = ts
        self._back(ts)
        self._alive = max(ts, self._alive or 0)

    def mark_gap(self, from_ts: int, to_ts: int) -> None:
        """The feed was blind in between."""
        if to_ts <= from_ts:
            return
        if self._gaps and self._gaps[-1][0] <= from_ts <= self._gaps[-1][1]:
            from_ts, before = self._gaps.pop()
            to_ts = max(to_ts, before)
        self._gaps.append((from_ts, to_ts))

    def totals(self, now: int) -> dict[int, LiquidationSum]:
        """What is counted in the last 1, 5, 15 and 60 minutes, whether or not the feed was whole."""
        return self._windows.get(now)

    def prints(self, count: int = PRINTS) -> list[Liquidation]:
        """The newest rows, newest first."""
        return sorted(self._prints, key=lambda row: -row.ts)[:count]

    def cascade(self, now: int) -> Cascade | None:
        """The cascade that is going on; of two the larger."""
        running = [run.get(now, floor=self.sampled) for run in self._runs.values()]
        return max((each for each in running if each), key=lambda each: each.usd, default=None)

    def heard(self) -> int | None:
        """When the feed was last heard of."""
        stamps = [ts for ts in (self._alive, self._windows.last_ts) if ts is not None]
        return max(stamps) if stamps else None

    def readings(self, now: int) -> dict[str, Reading[float]]:
        """`liq_long_5m`, `liq_short_5m` (quote currency, by position side), `liq_count_5m`; also 1m, 15m, 60m."""
        sums = self.totals(now)
        found: dict[str, Reading[float]] = {}
        for minutes in MINUTES:
            each = sums[minutes]
            count = each.long_n + each.short_n
            for name, value, n, unit in (
                ("long", each.long, each.long_n, self.instrument.quote),
                ("short", each.short, each.short_n, self.instrument.quote),
                ("count", float(count), count, ""),
            ):
                found[f"liq_{name}_{minutes}m"] = self._reading(value, minutes, now, n, unit)
        return found

    def dump(self) -> dict[str, Any]:
        """Everything as plain values, for `restore`."""
        return {
            "started": self.started_ts,
            "alive": self._alive,
            "sampled": self.sampled,
            "counts": [self.refused, self.repeated, self.late],
            "gaps": [list(gap) for gap in self._gaps],
            "windows": self._windows.dump(),
            "runs": {str(side): run.dump() for side, run in self._runs.items()},
            "prints": [
                [p.ts, p.price, p.amount, str(p.position), p.sample, p.id, p.recv_ts]
                for p in self._prints
            ],
        }

    def restore(self, body: Mapping[str, Any]) -> None:
        """Go on from a dump of the same instrument. Repeats are known among the prints of the dump.

        From the dump to the next sign of the feed it was blind.
        """
        self.started_ts, self._alive = body["started"], body["alive"]
        self.sampled = body["sampled"]
        self.refused, self.repeated, self.late = body["counts"]
        self._gaps = deque(((start, end) for start, end in body["gaps"]), maxlen=GAPS)
        self._windows.restore(body["windows"])
        self._put_away = self.heard()
        for side, run in self._runs.items():
            run.restore(body["runs"][str(side)])
        self._prints.clear()
        self._seen.clear()
        for ts, price, amount, position, sample, id_, recv_ts in body["prints"]:
            row = Liquidation(
                instrument=self.instrument, ts=ts, price=price, amount=amount,
                position=PositionSide(position), sample=sample, id=id_, recv_ts=recv_ts,
            )  # fmt: skip
            self._prints.append(row)
            key = id_ or _key(row)
            self._seen[key] = self._seen.get(key, 0) + 1

    def _back(self, ts: int) -> None:
        """A sign of the feed: the first after a restart ends what was not seen."""
        if self._put_away is not None:
            if ts - self._put_away > RESTART:
                self.mark_gap(self._put_away, ts)
            self._put_away = None

    def _is_new(self, row: Liquidation, frame: "Counter[_Key]") -> bool:
        key: str | _Key = row.id
        count = 1
        if not row.id:
            key = _key(row)
            frame[key] += 1
            count = frame[key]
        if count <= self._seen.get(key, 0):
            return False
        self._seen[key] = count
        if len(self._seen) > SEEN:
            del self._seen[next(iter(self._seen))]
        return True

    def _count(self, row: Liquidation) -> None:
        newest = self.heard() or row.ts
        self._back(row.recv_ts or row.ts)
        if self.started_ts is None:
            self.started_ts = row.recv_ts or row.ts
        self.sampled = self.sampled or row.sample
        self._prints.append(row)
        if not self._windows.add(row.ts, row.value, long=row.position is _LONG):
            self.late += 1
        if max(row.recv_ts or newest, row.ts) - row.ts <= LATE:
            self._runs[row.position].add(row.ts, row.value)

    def _reading(self, value: float, minutes: int, now: int, n: int, unit: str) -> Reading[float]:
        venues, heard, since = (self.instrument.exchange,), self.heard(), now - minutes * MINUTE
        started = self.started_ts
        if started is None or heard is None:
            return Reading.missing(_("no liquidation feed yet"), Status.INSUFFICIENT, venues=venues)
        if now - heard > SILENT:
            silent = _("the liquidation feed is silent")
            return Reading.missing(silent, Status.STALE, as_of=heard, venues=venues)
        if started > since:
            seen = max(0, now - started) // 1000
            text = _("watched for {seen} s of {needed} s").format(seen=seen, needed=minutes * 60)
            return Reading.missing(text, Status.INSUFFICIENT, as_of=heard, venues=venues)
        return Reading(
            value=value, as_of=heard, since=since, window=minutes * MINUTE, n=n, venues=venues,
            unit=unit, note=self._note(since),
        )  # fmt: skip

    def _note(self, since: int) -> str:
        parts = []
        if self.sampled:
            venue = EXCHANGE_NAMES.get(self.instrument.exchange, self.instrument.exchange)
            parts.append(_("floor: {venue} shows a sample").format(venue=venue))
        if any(end > since for _start, end in self._gaps):
            parts.append(_("the feed was blind in between"))
        return ", ".join(parts)


class _Windows:
    """Sums of 1, 5, 15 and 60 minutes over buckets of one second, kept only where something happened.

    A bucket is (second - 1, second], as in `RollingWindows`.
    """

    def __init__(self) -> None:
        self.last_ts: int | None = None
        self._second = 0
        self._buckets: dict[int, list[float]] = {}  # long, short, long_n, short_n
        self._sums = [[0.0, 0.0, 0, 0] for _ in MINUTES]

    def add(self, ts: int, value: float, *, long: bool) -> bool:
        """False for what is older than the longest window."""
        second = -(-ts // 1000)
        self._advance(second)
        self.last_ts = max(ts, self.last_ts or 0)
        if second <= self._second - _SECONDS[-1]:
            return False
        place = 0 if long else 1
        bucket = self._buckets.setdefault(second, [0.0, 0.0, 0, 0])
        bucket[place] += value
        bucket[place + 2] += 1
        for sums, length in zip(self._sums, _SECONDS, strict=True):
            if second > self._second - length:
                sums[place] += value
                sums[place + 2] += 1
        return True

    def get(self, now: int) -> dict[int, LiquidationSum]:
        """The windows that end at `now`, by their minutes."""
        self._advance(-(-now // 1000))
        return {
            minutes: LiquidationSum(
                long=max(0.0, sums[0]), short=max(0.0, sums[1]),
                long_n=int(sums[2]), short_n=int(sums[3]),
            )
            for minutes, sums in zip(MINUTES, self._sums, strict=True)
        }  # fmt: skip

    def dump(self) -> list[Any]:
        """The buckets, and what else is needed."""
        return [self._second, self.last_ts, [[s, *row] for s, row in self._buckets.items()]]

    def restore(self, body: Sequence[Any]) -> None:
        """From a dump."""
        self._second, self.last_ts, rows = body
        self._buckets = {int(second): list(row) for second, *row in rows}
        self._resum()

    def _advance(self, second: int) -> None:
        if second <= self._second:
            return
        before, self._second = self._second, second
        if not self._buckets:
            return
        for sums, length in zip(self._sums, _SECONDS, strict=True):
            for old in self._leaving(before - length + 1, second - length):
                for i, value in enumerate(self._buckets[old]):
                    sums[i] -= value
            for place in (0, 1):
                if not sums[place + 2]:
                    sums[place] = 0.0  # nothing is left, not 1e-9
        for old in self._leaving(before - _SECONDS[-1] + 1, second - _SECONDS[-1]):
            del self._buckets[old]
        if before // 3600 != second // 3600:
            self._resum()

    def _leaving(self, first: int, last: int) -> list[int]:
        """Seconds first..last that have a bucket."""
        if last - first >= len(self._buckets):
            return [second for second in self._buckets if first <= second <= last]
        return [second for second in range(first, last + 1) if second in self._buckets]

    def _resum(self) -> None:
        """Sum the buckets again: subtracting what was added leaves a rest."""
        for sums, length in zip(self._sums, _SECONDS, strict=True):
            inside = [row for s, row in self._buckets.items() if s > self._second - length]
            for place in (0, 1):
                sums[place] = math.fsum(row[place] for row in inside)
                sums[place + 2] = sum(int(row[place + 2]) for row in inside)


def _key(row: Liquidation) -> _Key:
    return (row.ts, row.price, row.amount, str(row.position))


def _sound(row: Liquidation) -> bool:
    if not (row.price > 0 and row.amount > 0 and math.isfinite(row.value)):
        return False
    return row.ts > 0 and not (row.recv_ts and row.ts > row.recv_ts + AHEAD)
