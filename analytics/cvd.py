"""Cumulative volume delta from trades: taker buys minus taker sells, exact over any window.

`FlowLog` keeps one instrument's flow. The newest trades stand there one by one, older ones as rows of a
second, still older ones as rows of a minute. A window begins exactly where it was asked to while its left
edge lies among single trades; before that the edge moves back to a whole second or minute, and the answer
says which edge it has. A row includes the instant at which it ends, so windows (since, until] with whole
edges are exact at any age.
"""

import math
from array import array
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from analytics.rows import FIELDS, SECOND, Floats, Ints, OldFlow, by_side
from analytics.seen import Known, SeenIds
from market.types import DAY, HOUR, MINUTE, Gap, Instrument, Side, Trade

TICKS = 400_000  # newest trades kept one by one
SECONDS_KEPT = 25 * HOUR // SECOND
MINUTES_KEPT = 8 * DAY // MINUTE
LATE = 10_000  # ms by which trades of one feed may arrive out of order
AHEAD = MINUTE  # ms; a trade stamped later than it was received by more than this is refused

GAPS_KEPT = 500

_BUY = Side.BUY
_NEW = Known.NEW
_SIDES = ((0, np.maximum), (0, np.minimum), (1, np.maximum), (1, np.minimum))


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowSum:
    """Taker flow of one instrument over since < ts <= until, the real edges. Coins and quote currency."""

    since: int
    until: int
    buy_base: float = 0.0
    sell_base: float = 0.0
    buy_value: float = 0.0
    sell_value: float = 0.0
    n: int = 0
    first_ts: int | None = None
    last_ts: int | None = None
    exact: bool = True  # the edges are the ones that were asked for

    @property
    def delta_base(self) -> float:
        """Taker buys minus taker sells in coins."""
        return self.buy_base - self.sell_base

    @property
    def delta_value(self) -> float:
        """Taker buys minus taker sells in quote currency."""
        return self.buy_value - self.sell_value

    @property
    def volume(self) -> float:
        """Coins traded."""
        return self.buy_base + self.sell_base

    @property
    def value(self) -> float:
        """Quote currency traded."""
        return self.buy_value + self.sell_value

    @property
    def buy_share(self) -> float | None:
        """Taker buys over all, by value; None where nothing traded."""
        return self.buy_value / self.value if self.value > 0 else None


class FlowLog:
    """The taker flow of one instrument. `started_ts`: what came after it is complete, but for gaps.

    Without a start the log begins just before its first trade. Trades up to the start are not counted.
    """

    def __init__(
        self,
        instrument: Instrument,
        started_ts: int | None = None,
        *,
        ticks: int = TICKS,
        seconds: int = SECONDS_KEPT,
        minutes: int = MINUTES_KEPT,
    ) -> None:
        self.instrument = instrument
        self.last_ts: int | None = None
        self.trades = 0  # counted
        self.duplicates = 0
        self.refused = 0  # no trade: no positive price and amount, or a ts far ahead
        self.before_start = 0
        self._started = -1 if started_ts is None else started_ts
        self._first: int | None = None  # ts of the first trade while the start may still move
        self._settled = started_ts is not None
        self._ticks = ticks
        self._fold_at = ticks + max(1, ticks // 4)
        self._kept = (seconds, minutes)
        self._ts = array("q")
        self._base = array("d")  # a sale is negative
        self._value = array("d")
        self._sorted = 0  # so many trades from the left stand in order of ts
        self._floor = -1  # trades up to this ts are in rows, no longer single
        self._old: OldFlow | None = None
        self._seen = SeenIds()
        self._gaps: list[tuple[int, int]] = []
        self._missed: list[tuple[int, int]] = []  # where the start was moved back over

    @property
    def started_ts(self) -> int | None:
        """The flow is known after this ts; None before the first trade."""
        return self._started if self._started >= 0 else None

    def begin(self, ts: int) -> None:
        """Move the start back to `ts`, because the trades since then are being added now."""
        if self._started < 0:
            self._started, self._settled = ts, True
        elif ts < self._started:
            self._missed = [*self._missed[-15:], (ts, self._started)]
            self._started, self._settled = ts, True

    def add(self, trade: Trade) -> bool:
        """Count one trade; False when it was counted before, lies before the start, or is none."""
        ts, id_, amount = trade.ts, trade.id, trade.amount
        value = trade.price * amount
        if not (0.0 < value < math.inf and amount > 0.0):
            self.refused += 1
            return False
        if not self._settled:
            self._settle(ts)
        if ts <= self._started:
            self.before_start += 1
            return False
        if self.last_ts is None or ts > self.last_ts:
            if trade.recv_ts and ts > trade.recv_ts + AHEAD:
                self.refused += 1
                return False
            self.last_ts = ts
        if id_ and (known := self._seen.add(id_, ts)) is not _NEW and not self._new(id_, ts, known):
            self.duplicates += 1
            return False
        self.trades += 1
        sign = 1.0 if trade.side is _BUY else -1.0
        self._put(ts, sign * amount, sign * value)
        return True

    def add_all(self, trades: Iterable[Trade]) -> int:
        """Count the trades of one frame; returns how many were new."""
        return sum(map(self.add, trades))

    def edge(self, since: int) -> int:
        """The real left edge of a window that shall begin at `since`: never later, but for the start."""
        since = max(since, self._started)
        if self._old is None or since >= self._floor:
            return since
        return max(self._old.edge(since), self._started)

    def window(self, since: int, until: int) -> FlowSum:
        """What was traded in (since, until]; see `FlowSum.since` and `.until` for the real edges."""
        start, end = self.edge(since), until
        if self._old is not None and until < self._floor:
            end = max(start, self._old.edge(until))
        if self._started < 0 or end <= start:
            return FlowSum(since=start, until=max(start, end), exact=False)
        parts = np.zeros(FIELDS)
        first = last = None
        if self._old is not None and start < self._floor:
            parts += self._old.total(start, min(end, self._floor))
        if end > self._floor:
            stamps, base, value = self._single(max(start, self._floor), end)
            for i, (field, keep) in enumerate(
                _SIDES
            ):  # numpy sums pairwise: good to 1e-15 of the gross
                parts[i] += abs(keep(value if field else base, 0.0).sum())
            parts[4] += len(stamps)
            if len(stamps):
                first, last = int(stamps[0]) if start >= self._floor else None, int(stamps[-1])
        return FlowSum(
            since=start, until=end, n=round(parts[4]), exact=start == since and end == until,
            buy_base=float(parts[0]), sell_base=float(parts[1]),
            buy_value=float(parts[2]), sell_value=float(parts[3]),
            first_ts=first, last_ts=last,
        )  # fmt: skip

    def minutes(self, since: int, until: int) -> list[tuple[int, float, float, float]]:
        """The minutes that overlap (since, until], as candles count them.

        (open ts, delta in coins, delta in value, coins traded); a minute without trades is zero.
        """
        if self._started < 0 or until <= max(since, self._started):
            return []
        first = (max(since, self._started) + 1) // MINUTE
        last = until // MINUTE
        if self._old is not None:
            first = max(first, self._old.oldest_bar())
            rows = self._old.bars(first, last)
        else:
            rows = np.zeros((FIELDS, max(0, last - first + 1)))
        stamps, base, value = self._single(max(first * MINUTE - 1, self._floor), until)
        if len(stamps):
            places = stamps // MINUTE - first
            for i, field in enumerate(by_side(base, value)):
                rows[i] += np.bincount(places, weights=field, minlength=rows.shape[1])
        found = (rows[0] - rows[1], rows[2] - rows[3], rows[0] + rows[1])
        stamps_of = range(first * MINUTE, (last + 1) * MINUTE, MINUTE)
        return list(zip(stamps_of, *(column.tolist() for column in found), strict=True))

    def mark_gap(self, from_ts: int, to_ts: int) -> None:
        """The feed was blind from `from_ts` to `to_ts`."""
        if to_ts <= from_ts:
            return
        self._gaps = _merged([*self._gaps, (from_ts, to_ts)])[-GAPS_KEPT:]

    def close_gap(self, from_ts: int, to_ts: int) -> None:
        """The trades between these two were fetched and added."""
        cut: list[tuple[int, int]] = []
        for start, end in self._gaps:
            cut += [
                (a, b) for a, b in ((start, min(end, from_ts)), (max(start, to_ts), end)) if a < b
            ]
        self._gaps = cut

    def gaps(self, since: int, until: int) -> list[Gap]:
        """Blind intervals that overlap (since, until]."""
        return [
            Gap(
                from_ts=start,
                to_ts=end,
                exchange=self.instrument.exchange,
                symbol=self.instrument.symbol,
            )
            for start, end in self._gaps
            if end > since and start < until
        ]

    def _put(self, ts: int, base: float, value: float) -> None:
        """Keep one trade that was not counted before; a sale is negative."""
        if ts <= self._floor and self._old is not None:  # older than the single trades
            self._old.add(np.array([ts]), np.array([base]), np.array([value]))
            return
        stamps = self._ts
        if self._sorted == len(stamps) and (not stamps or ts >= stamps[-1]):
            self._sorted += 1
        stamps.append(ts)
        self._base.append(base)
        self._value.append(value)
        if len(stamps) >= self._fold_at:
            self._fold()

    def _settle(self, ts: int) -> None:
        """Begin just before the first trade; trades of its first seconds may come in any order."""
        if self._first is None:
            self._first, self._started = ts, ts - 1
        elif ts > self._first + LATE:
            self._settled = True
        elif self._first - LATE < ts <= self._started:
            self._started = ts - 1

    def _new(self, id_: str, ts: int, known: Known) -> bool:
        """Whether an id too old to remember belongs to a trade that was not counted yet."""
        if known is Known.SEEN:
            return False
        blind = any(
            start < ts < end for start, end in self._gaps
        )  # what lies on the edges was seen
        if blind or any(start < ts <= end for start, end in self._missed):
            self._seen.remember(id_)
            return True
        return False

    def _single(self, since: int, until: int) -> tuple[Ints, Floats, Floats]:
        """The single trades in (since, until], in order of ts; not to be kept beyond the call."""
        if not self._ts:
            return np.zeros(0, np.int64), np.zeros(0), np.zeros(0)
        self._sort()
        stamps = np.frombuffer(self._ts, np.int64)
        low, high = np.searchsorted(stamps, (since, until), "right")
        return (
            stamps[low:high],
            np.frombuffer(self._base)[low:high],
            np.frombuffer(self._value)[low:high],
        )

    def _sort(self) -> None:
        """Bring late trades to their place; only the end of the list is touched."""
        if self._sorted == len(self._ts):
            return
        stamps = np.frombuffer(self._ts, np.int64)
        low = np.searchsorted(stamps[: self._sorted], stamps[self._sorted :].min(), "right")
        order = np.argsort(stamps[low:], kind="stable")
        for column in (stamps, np.frombuffer(self._base), np.frombuffer(self._value)):
            column[low:] = column[low:][order]
        self._sorted = len(stamps)

    def _fold(self) -> None:
        """Turn the oldest single trades into rows, up to a whole second."""
        self._sort()
        floor = self._ts[len(self._ts) - self._ticks - 1] // SECOND * SECOND
        if floor <= self._floor:  # so many within one second: wait for it to end
            self._fold_at = len(self._ts) + max(1, self._ticks // 4)
            return
        self._old = self._old or OldFlow(*self._kept)
        stamps, base, value = self._single(-1, floor)
        self._old.add(stamps, base, value)
        count = len(stamps)
        del stamps, base, value  # an array that is looked into cannot shrink
        for column in (self._ts, self._base, self._value):
            del column[:count]
        self._sorted = len(self._ts)
        self._floor = floor
        self._fold_at = self._ticks + max(1, self._ticks // 4)


def _merged(spans: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    merged: list[tuple[int, int]] = []
    for start, end in sorted(spans):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged
