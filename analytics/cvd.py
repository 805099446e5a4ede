"""Cumulative volume delta from trades: taker buys minus taker sells, exact over any window.

`FlowLog` keeps one instrument's flow. The newest trades stand there one by one, older ones as rows of a
second, still older ones as rows of a minute. A window begins exactly where it was asked to while its left
edge lies among single trades; before that the edge moves back to a whole second or minute, and the answer
says which edge it has. A row includes the instant at which it ends, so windows (since, until] with whole
edges are exact at any age. How far back each kind reaches depends on the room that all logs share.
"""

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from analytics.intake import Intake
from analytics.rows import FIELDS, SECOND, OldFlow, Sides, pack
from analytics.spans import merged_spans
from analytics.ticks import Room
from market.types import DAY, HOUR, MINUTE, Instrument

TICKS = 400_000  # newest trades kept one by one
SECONDS_KEPT = 25 * HOUR // SECOND
MINUTES_KEPT = 8 * DAY // MINUTE
TELL = 64  # trades between two looks at the room
MOST_AT_ONCE = 50_000  # trades that one call turns into rows to make room

_HEAD = struct.Struct("<qq")  # (since, until] of stored seconds
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


class FlowLog(Intake):
    """The taker flow of one instrument. `started_ts`: what came after it is complete, but for gaps.

    Without a start the log begins just before its first trade. Trades up to the start are not counted. Where
    old rows had to be dropped the start moves on.
    """

    def __init__(
        self,
        instrument: Instrument,
        started_ts: int | None = None,
        *,
        ticks: int = TICKS,
        seconds: int = SECONDS_KEPT,
        minutes: int = MINUTES_KEPT,
        guard: float = 0.0,
        room: Room | None = None,
    ) -> None:
        super().__init__(instrument, started_ts, guard=guard)
        self._kept = (ticks, seconds, minutes)
        self._fold_at = ticks + max(1, ticks // 4)
        self._rows: OldFlow | None = None
        self._covered: list[tuple[int, int]] = []  # what was loaded, until the first trade
        self._reach = self._whole = 0  # a restored log was known from .. to, whole minutes
        self._room = room
        self._untold = 0  # trades since it was last looked whether they need room
        if room is not None:
            room.join(self)

    def begin(self, ts: int) -> None:
        """Move the start back to `ts`, because the trades since then are being added now."""
        super().begin(max(ts, self._rows.dropped) if self._rows is not None else ts)

    def edge(self, since: int) -> int:
        """The real left edge of a window that shall begin at `since`: never later, but for the start."""
        since = max(since, self._started)
        if self._rows is None or since >= self._floor:
            return since
        return max(self._rows.edge(since), self._started)

    def window(self, since: int, until: int) -> FlowSum:
        """What was traded in (since, until]; see `FlowSum.since` and `.until` for the real edges."""
        start, end = self.edge(since), until
        if self._rows is not None and until < self._floor:
            end = max(start, self._rows.edge(until))
        if self._started < 0 or end <= start:
            return FlowSum(since=start, until=max(start, end), exact=False)
        parts = np.zeros(FIELDS)
        first = last = None
        if self._rows is not None and start < self._floor:
            parts += self._rows.total(start, min(end, self._floor))
        if end > self._floor:
            stamps, base, value = self.ticks.between(max(start, self._floor), end)
            for i, (field, keep) in enumerate(_SIDES):  # pairwise sums: good to 1e-15 of the gross
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
        first, last = (max(since, self._started) + 1) // MINUTE, until // MINUTE
        rows = np.zeros((FIELDS, max(0, last - first + 1)))
        if self._rows is not None:
            rows += self._rows.bars(first, last)
        stamps, base, value = self.ticks.between(max(first * MINUTE - 1, self._floor), until)
        if len(stamps):
            places = stamps // MINUTE - first
            for i, (field, keep) in enumerate(_SIDES):
                weights = np.abs(keep(value if field else base, 0.0))
                rows[i] += np.bincount(places, weights=weights, minlength=rows.shape[1])
        found = (rows[0] - rows[1], rows[2] - rows[3], rows[0] + rows[1])
        stamps_of = range(first * MINUTE, (last + 1) * MINUTE, MINUTE)
        return list(zip(stamps_of, *(column.tolist() for column in found), strict=True))

    def seconds(self, since: int, until: int) -> bytes:
        """The flow of (since, until], both whole seconds, to be stored and given to `load_seconds`.

        24 bytes for each second and side with trades. What is older than the seconds kept is left out.
        """
        if since % SECOND or until % SECOND:
            raise ValueError("seconds are stored from a whole one to a whole one")
        self._stored = max(self._stored, until)
        self._set_edge()
        return self._packed(since, until)

    def load_seconds(self, body: bytes) -> None:
        """Take stored flow back, in any order, after a restore and before the first trade.

        `started_ts` goes back as far as what was loaded reaches without a break. What is here already, what is
        later than the restored state, and all after the first trade is left out whole. ValueError where it is
        not what `seconds` made.
        """
        if len(body) < _HEAD.size:
            raise ValueError("no stored flow")
        since, until = _HEAD.unpack_from(body)
        known = any(start < until and since < end for start, end in self._covered)
        if until <= since or known or until > self._whole:
            return
        before = self.size(1)
        self._load(body)
        if self._room is not None:
            self._room.take(self.size(1) - before, tier=1)
        self._covered = merged_spans([*self._covered, (since, until)])
        reach = next((start for start, end in self._covered if end >= self._whole), self._whole)
        self._started = max(self._reach, min(reach, self._whole))
        self._set_edge()

    def dump(self, now: int) -> dict[str, Any]:
        """Plain values for `restore`; of the flow only what came after the last whole minute."""
        whole = now // MINUTE * MINUTE
        newest = max(now, self.last_ts or 0)
        until = -(-newest // SECOND) * SECOND
        return {**self._dump(), "whole": whole, "until": until, "flow": self._packed(whole, until)}

    def restore(self, values: Mapping[str, Any]) -> None:
        """Go on where `dump` was made. Until `load_seconds` the flow is known since the minute of the dump."""
        self._restore(dict(values))
        self._reach, self._whole = self._started, values["whole"]
        self._rows = OldFlow(*self._kept[1:])
        self._load(values["flow"])
        self._floor, self._stored = values["until"], values["whole"]
        self._move_on(self._whole)
        self._covered = [(self._whole, values["until"])]
        self._set_edge()

    def size(self, tier: int) -> int:
        """Single trades, rows of a second, rows of a minute."""
        if tier == 0 or self._rows is None:
            return len(self.ticks) if tier == 0 else 0
        return len(self._rows.seconds if tier == 1 else self._rows.minutes)

    def span(self, tier: int) -> tuple[int, int]:
        """Ts of the oldest and of the newest of them."""
        if tier == 0 or self._rows is None:
            return self.ticks.stamps[0], self.ticks.stamps[-1]
        sides, unit = (self._rows.seconds, SECOND) if tier == 1 else (self._rows.minutes, MINUTE)
        return sides.oldest() * unit, sides.newest() * unit

    def shed(self, tier: int, until: int) -> None:
        """Turn what is not later than `until` into longer rows, or drop it where there are none."""
        if tier == 0:
            self._shed_ticks(until)
        elif self._rows is not None:
            whole = -(-until // MINUTE) * MINUTE
            if tier == 1:
                self._rows.shorten(min(whole, self._floor // MINUTE * MINUTE))
            else:
                self._rows.forget(whole)
            self._follow()

    def _old(self, ts: int, base: float, value: float) -> None:
        if self._rows is not None:
            self._rows.put(ts, base, value)

    def _grown(self, count: int) -> None:
        self._untold += count
        if self._untold < TELL:
            return
        self._covered, self._whole = [], 0
        if len(self.ticks.stamps) >= self._fold_at:
            self._fold()
        if self._room is not None:
            self._room.take(self._untold)
        self._untold = 0

    def _fold(self) -> None:
        """Turn the oldest single trades into rows, up to a whole second."""
        most, ticks = self._kept[0], self.ticks
        ticks.sort()
        floor = ticks.stamps[len(ticks) - most - 1] // SECOND * SECOND
        if floor <= self._floor:  # so many within one second: wait for it to end
            self._fold_at = len(ticks) + max(1, most // 4)
            return
        self._fold_to(floor)
        self._fold_at = most + max(1, most // 4)

    def _shed_ticks(self, until: int) -> None:
        stamps = self.ticks.stamps
        self.ticks.sort()
        until = min(until, stamps[-1], stamps[min(MOST_AT_ONCE, len(stamps) - 1)])
        self._fold_to(-(-until // SECOND) * SECOND)

    def _fold_to(self, floor: int) -> None:
        self._rows = self._rows or OldFlow(*self._kept[1:])
        stamps, base, value = self.ticks.between(-1, floor)
        self._rows.add(stamps, base, value)
        count = len(stamps)
        del stamps, base, value  # an array that is looked into cannot shrink
        self.ticks.drop(count)
        self._floor = max(floor, self._floor)
        self._follow()

    def _follow(self) -> None:
        """What was dropped is not known any more."""
        if self._rows is not None:
            self._move_on(self._rows.dropped)
        self._set_edge()

    def _move_on(self, ts: int) -> None:
        """The flow is known only after `ts`, though its trades were all seen."""
        if 0 <= self._started < ts:
            self._begun = self._started if self._begun < 0 else self._begun
            self._started = ts

    def _packed(self, since: int, until: int) -> bytes:
        """The flow of (since, until] with its edges, as far as there are seconds."""
        rows = self._rows
        since = max(since, self._started, rows.turn if rows is not None else 0)
        body = rows.packed(since, until) if rows is not None else b""
        stamps, base, value = self.ticks.between(since, until)
        single, edges, edge = Sides(), Sides(), stamps % MINUTE == 0
        single.extend(-(-stamps // SECOND), base, value)
        edges.extend(stamps[edge] // MINUTE, base[edge], value[edge])
        body += pack(single, 0, until // SECOND, 1)
        body += pack(edges, 0, until // MINUTE, -MINUTE // SECOND)
        return _HEAD.pack(since, until) + body

    def _load(self, body: bytes) -> None:
        self._rows = self._rows or OldFlow(*self._kept[1:])
        self._rows.load(body[_HEAD.size :])
