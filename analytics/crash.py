"""Flash crashes of one coin over its venues: a fall (or rise) within a minute that a second source confirms.

A move counts from max(3 %, 6 x ATR%(1m)) on within 60 s, seen by two venues or by one venue and the index. Ticks
that stand alone, venues away from the others and feeds that stopped confirm nothing. O(1) amortised per tick.
"""

import math
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, replace
from statistics import median
from typing import Literal

from market.language import _
from market.types import HOUR, MINUTE, Reading, Status

Source = Literal["trade", "mark", "mid", "index"]

SPAN = 60_000  # ms of the move
BUCKET = 250  # ms; extremes are kept by bucket, at most 240 of a source
LEAST = 0.03
ATRS = 6.0
ATR_AGE = HOUR
BLIND = 0.05  # asked while the ATR is not known
JUMP = 0.01  # a step larger than this waits for the next tick of its source
ASTRAY = 0.02  # of the median of the venues
FRESH = {"trade": 5_000, "mid": 5_000, "mark": 15_000, "index": 15_000}  # ms
WATCHED = 5 * MINUTE  # after the confirmation
RETRACED = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Crash:
    """A confirmed move. `level` 1: it happened, 2: half of it was retraced within five minutes.

    `start` is the price it began from and `extreme` the farthest since, medians over `venues`; `size` is a
    fraction with its sign.
    """

    coin: str
    direction: Literal["down", "up"]
    level: int
    start: float
    extreme: float
    since: int  # ts of `start`
    ts: int  # of the tick that confirmed it, or that reached level 2
    threshold: float
    venues: tuple[str, ...]
    note: str = ""

    @property
    def size(self) -> float:
        """Extreme over start, minus one."""
        return self.extreme / self.start - 1

    def retraced(self, price: float) -> float:
        """Which part of the move a price has made good."""
        return (price - self.extreme) / (self.start - self.extreme)


class _Extreme:
    """The highest (or lowest) price of the last minute, by buckets of 250 ms."""

    def __init__(self, sign: int) -> None:
        self._sign = sign
        self._rows: deque[tuple[int, float]] = deque()  # (bucket, price x sign), falling

    def add(self, ts: int, price: float) -> None:
        """One tick; ticks come in order."""
        bucket, value = ts // BUCKET, price * self._sign
        rows = self._rows
        while rows and rows[-1][1] <= value:
            rows.pop()
        if not rows or rows[-1][0] != bucket:
            rows.append((bucket, value))
        self._expire(ts)

    def get(self, now: int) -> tuple[int, float] | None:
        """(start of its bucket, price)."""
        self._expire(now)
        return (self._rows[0][0] * BUCKET, self._rows[0][1] * self._sign) if self._rows else None

    def _expire(self, now: int) -> None:
        oldest = (now - SPAN) // BUCKET
        while self._rows and self._rows[0][0] <= oldest:
            self._rows.popleft()


class _Feed:
    """The ticks of one kind of one venue."""

    def __init__(self, exchange: str, kind: Source) -> None:
        self.exchange, self.kind = exchange, kind
        self.ts: int | None = None
        self.price = 0.0  # the newest that is believed
        self._waiting: tuple[int, float] | None = None
        self._high, self._low = _Extreme(1), _Extreme(-1)

    def take(self, ts: int, price: float) -> bool:
        """False for a tick that waits for the next, or is late.

        A step of more than 1 % is believed as far as the next tick goes as well: a print that stands alone is
        passed over, a fall of many steps is followed one tick behind.
        """
        if self.ts is not None and ts < self.ts:
            return False
        waiting, self._waiting = self._waiting, None
        step = self._step(price)
        if waiting is not None and step and step == self._step(waiting[1]):
            if abs(waiting[1] - self.price) > abs(price - self.price):
                return self._believe(ts, price)
            self._believe(*waiting)
            step = self._step(price)
        if step:
            self._waiting = (ts, price)
            return waiting is not None and self.ts == waiting[0]
        return self._believe(ts, price)

    def fresh(self, now: int) -> bool:
        """Whether its newest price is of now."""
        return self.ts is not None and now - self.ts <= FRESH[self.kind]

    def _step(self, price: float) -> int:
        """1 for a large step up, -1 for one down."""
        if self.ts is None or abs(price / self.price - 1) <= JUMP:
            return 0
        return 1 if price > self.price else -1

    def _believe(self, ts: int, price: float) -> bool:
        self.ts, self.price = ts, price
        self._high.add(ts, price)
        self._low.add(ts, price)
        return True

    def move(self, now: int) -> tuple[float, int, float]:
        """(change from the extreme of the last minute, its ts, its price): the larger of fall and rise."""
        found = (0.0, now, self.price)
        for extreme in (self._high, self._low):
            edge = extreme.get(now)
            if edge is not None and abs(self.price / edge[1] - 1) > abs(found[0]):
                found = (self.price / edge[1] - 1, *edge)
        return found


class FlashCrash:
    """Watches one coin. `atr` takes its 1-minute ATR as a fraction of the price."""

    def __init__(self, coin: str) -> None:
        self.coin = coin
        self.refused = 0  # ticks that were no prices
        self._feeds: dict[tuple[str, Source], _Feed] = {}
        self._atr: Reading[float] | None = None
        self._crash: Crash | None = None
        self._agreed: list[_Feed] = []  # that confirmed it
        self._confirmed = 0
        self._newest = 0

    def atr(self, reading: Reading[float]) -> None:
        """Its ATR%(1m), a fraction."""
        self._atr = reading

    def threshold(self, now: int) -> tuple[float, str]:
        """(the move that counts, what to know of it)."""
        atr = self._atr
        known = atr is not None and atr.value is not None and math.isfinite(atr.value)
        if atr is None or not known or now - (atr.as_of or now) > ATR_AGE:
            return BLIND, _("without its usual range, which is not known")
        return max(LEAST, ATRS * (atr.value or 0.0)), ""

    def take(self, exchange: str, ts: int, price: float, kind: Source) -> Crash | None:
        """One tick. A crash the moment it is confirmed, and again when it reaches level 2; else None."""
        if not (math.isfinite(price) and price > 0):
            self.refused += 1
            return None
        feed = self._feeds.get((exchange, kind))
        if feed is None:
            feed = self._feeds[exchange, kind] = _Feed(exchange, kind)
        if not feed.take(ts, price):
            return None
        now = self._newest = max(self._newest, ts)
        if self._crash is not None and now - self._confirmed <= WATCHED:
            return self._follow(now)
        limit, note = self.threshold(now)
        change, _since, _start = feed.move(now)
        if abs(change) < limit:
            return None
        return self._confirm(now, limit, note, down=change < 0)

    def state(self, now: int) -> Crash | None:
        """The crash of the last five minutes."""
        return None if now - self._confirmed > WATCHED else self._crash

    def reading(self, now: int) -> Reading[str]:
        """`none`, `down` or `up`; unknown while fewer than two sources are fresh."""
        sources = sorted({feed.exchange for feed in self._feeds.values() if feed.fresh(now)})
        found = self.state(now)
        if found is not None:
            return Reading(
                value=found.direction, as_of=found.ts, venues=found.venues, n=found.level
            )
        if len(sources) < 2:
            reason = _("needs prices of two venues")
            return Reading.missing(reason, Status.INSUFFICIENT, venues=tuple(sources))
        return Reading(value="none", as_of=self._newest, venues=tuple(sources))

    def _confirm(self, now: int, limit: float, note: str, *, down: bool) -> Crash | None:
        trusted = self._trusted(now)
        moves = {feed: feed.move(now) for feed in trusted}
        agree = {f: m for f, m in moves.items() if abs(m[0]) >= limit and (m[0] < 0) is down}
        venues = sorted({feed.exchange for feed in agree if feed.kind != "index"})
        index = any(feed.kind == "index" for feed in agree)
        if len(venues) < (1 if index else 2):
            return None
        start = median(move[2] for move in agree.values())
        self._confirmed, self._agreed = now, list(agree)
        self._crash = Crash(
            coin=self.coin, direction="down" if down else "up", level=1, start=start,
            extreme=_middle(agree), since=min(move[1] for move in agree.values()), ts=now,
            threshold=limit, venues=(*venues, "index") if index else tuple(venues), note=note,
        )  # fmt: skip
        return self._crash

    def _follow(self, now: int) -> Crash | None:
        """Move the extreme on, or see the move made good."""
        crash, mine = self._crash, [feed for feed in self._agreed if feed.fresh(now)]
        if crash is None or crash.level > 1 or not mine:
            return None
        price = _middle(mine)
        if crash.retraced(price) < 0:
            self._crash = replace(crash, extreme=price)
        elif crash.retraced(price) >= RETRACED:
            self._crash = replace(crash, level=2, ts=now)
            return self._crash
        return None

    def _trusted(self, now: int) -> list[_Feed]:
        """Fresh feeds without those 2 % off the median of three venues or more.

        Last prices are compared with last prices, and marks with marks and the index: a mark is smoothed and
        comes behind.
        """
        fresh = [feed for feed in self._feeds.values() if feed.fresh(now)]
        smooth = [feed for feed in fresh if feed.kind in ("mark", "index")]
        last = [feed for feed in fresh if feed.kind in ("trade", "mid")]
        return _together(last) + _together(smooth)


def _together(feeds: list[_Feed]) -> list[_Feed]:
    by_venue: dict[str, list[float]] = {}
    for feed in feeds:
        name = "index" if feed.kind == "index" else feed.exchange
        by_venue.setdefault(name, []).append(feed.price)
    if len(by_venue) < 3:
        return feeds
    middle = median(median(prices) for prices in by_venue.values())
    return [feed for feed in feeds if abs(feed.price / middle - 1) <= ASTRAY]


def _middle(feeds: Iterable[_Feed]) -> float:
    return median(feed.price for feed in feeds)
