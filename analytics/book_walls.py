"""Walls of a live book: levels much larger than their neighbours, how long they stand, and those that are pulled.

A pulled wall is a suspicion, never proof: whoever took it away may have changed his mind.
"""

from collections import deque
from dataclasses import dataclass
from statistics import median

import numpy as np

from analytics.book_side import BookSide
from market.types import MINUTE, Kind, Side, Trade

NEIGHBOURS = 50  # levels nearest to a wall whose median it is compared with
FEWEST = 10  # neighbours below which a level is not compared
TIMES = 5.0  # a wall is more than so many times the median ...
LEAST_USD = 1_000_000.0  # ... and worth more than this (BTC), or than ...
LEAST_SHARE = 0.0002  # ... this part of what trades in 24 h, where that is known ...
LEAST_RETAIL = 10_000.0  # ... but never less than an order of a retail trader
ALIVE = 30_000  # ms that it has to stand
RANGE = 0.01  # of the mid: walls farther away are not followed
FOLLOWED = 16  # levels a side that are followed at once
EVERY = 250  # ms between two searches
DIP = 5_000  # ms below the size of a wall that do not end it
LOST = 0.2  # of its size: what is left of a wall that is gone
WITHIN = 5_000  # ms in which it has to go
NEAR = 0.003  # of its price: how near the market has to be
EXPLAINED = 0.2  # of the loss: trades that explain as much or more did it
GRACE = 1_000  # ms that trades and books may be apart
SILENT = 60_000  # ms without any trade after which nobody knows what trades explain
REPEATS_SPAN = 10 * MINUTE
EPSILON = 1e-9
REPEATS = 3  # pulled walls of a side in that span which are worth telling of
TRADES = 128  # of a level that are kept
MARKS = 48


@dataclass(frozen=True, slots=True, kw_only=True)
class Wall:
    """A level that is large now. `side` is BUY for bids; `value` in quote currency, `distance` a signed fraction."""

    side: Side
    price: float
    amount: float
    value: float
    distance: float  # of the mid; below it negative
    since: int  # ms, when it was first seen that large
    times: float  # its size over the median of its neighbours
    kind: Kind = Kind.ESTIMATED


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """A wall that was: until when it stood, and whether it was pulled."""

    side: Side
    price: float
    value: float
    from_ts: int
    to_ts: int
    pulled: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Pull:
    """A wall that went without having been traded away."""

    side: Side
    ts: int
    price: float
    value: float  # quote currency that was taken away
    stood: int  # ms
    traded: float  # part of the loss that trades explain


class _Level:
    """A level that is or was large enough to be a wall."""

    __slots__ = ("born", "loss", "price", "seen", "side", "sizes", "times", "trades")

    def __init__(self, side: Side, price: float, ts: int) -> None:
        self.side, self.price = side, price
        self.born = self.seen = ts
        self.times = 0.0
        self.sizes: deque[tuple[int, float]] = deque()  # falling sizes, each since when
        self.trades: deque[tuple[int, float]] = deque(maxlen=TRADES)
        self.loss: tuple[int, float, int] | None = None  # when it went, from what, seen since when

    def note(self, ts: int, size: float) -> float:
        """Keep the size; returns the largest of the last five seconds."""
        sizes = self.sizes
        while sizes and sizes[-1][1] <= size:
            sizes.pop()
        if len(sizes) >= MARKS:
            sizes.pop()
        sizes.append((ts, size))
        while len(sizes) > 1 and sizes[1][0] <= ts - WITHIN:
            sizes.popleft()
        return sizes[0][1]

    def traded(self, since: int, until: int) -> float | None:
        """Coins that were traded away, since <= ts <= until; None where not all of them are kept."""
        if len(self.trades) == TRADES and self.trades[0][0] > since:
            return None
        return sum(amount for ts, amount in self.trades if since <= ts <= until)


class Walls:
    """The walls of one book: `changed` after each change of it, `traded` with the trades."""

    def __init__(self) -> None:
        self.least = LEAST_USD
        self.marks: deque[Mark] = deque(maxlen=MARKS)
        self._trade: int | None = None  # ms of the newest trade
        self._followed: dict[Side, dict[float, _Level]] = {Side.BUY: {}, Side.SELL: {}}
        self._searched: int | None = None
        self._pulls: deque[Pull] = deque(maxlen=64)

    def scale(self, day_value: float) -> None:
        """Take the 24 h volume in quote currency as the measure of what is large."""
        self.least = max(LEAST_SHARE * day_value, LEAST_RETAIL)

    def begin(self) -> None:
        """The book was not known for a while: what stood may have gone and come back."""
        for side, levels in self._followed.items():
            for level in levels.values():
                self._mark(side, level, level.seen, pulled=False)
            levels.clear()
        self._searched = None

    def traded(self, trade: Trade) -> None:
        """Keep what is traded at the levels that are followed."""
        ts = trade.ts
        if self._trade is None or ts > self._trade:
            self._trade = ts
        resting = Side.SELL if trade.side is Side.BUY else Side.BUY
        level = self._followed[resting].get(trade.price)
        if level is not None:
            level.trades.append((ts, trade.amount))

    def changed(self, ts: int, bids: BookSide, asks: BookSide, mid: float) -> list[Pull]:
        """Look again; returns what turned out to have been pulled."""
        found: list[Pull] = []
        for side, book in ((Side.BUY, bids), (Side.SELL, asks)):
            for level in tuple(self._followed[side].values()):
                pull = self._watch(level, ts, book, mid)
                if pull is not None:
                    found.append(pull)
        if self._searched is None or ts - self._searched >= EVERY:
            self._searched = ts
            self._search(Side.BUY, ts, bids, mid)
            self._search(Side.SELL, ts, asks, mid)
        self._pulls.extend(found)
        return found

    def walls(self, bids: BookSide, asks: BookSide, mid: float, now: int, alive: int) -> list[Wall]:
        """Those that are large now and have stood for `alive` ms, the largest value first."""
        found = []
        for side, book in ((Side.BUY, bids), (Side.SELL, asks)):
            for level in self._followed[side].values():
                amount = book.amount(level.price)
                large = amount * level.price > self.least and level.seen == self._searched
                if large and now - level.born >= alive:
                    found.append(
                        Wall(
                            side=side, price=level.price, amount=amount,
                            value=amount * level.price, distance=level.price / mid - 1,
                            since=level.born, times=level.times,
                        )
                    )  # fmt: skip
        return sorted(found, key=lambda wall: -wall.value)

    def repeats(self, side: Side, now: int) -> int:
        """Walls of this side that were pulled in the last ten minutes."""
        return sum(each.side is side and each.ts > now - REPEATS_SPAN for each in self._pulls)

    def _search(self, side: Side, ts: int, book: BookSide, mid: float) -> None:
        followed = self._followed[side]
        for index in self._large(book, mid * (1 + book.sign * RANGE)):
            price = book.sign * book.keys[index]
            around = book.near(index, NEIGHBOURS)
            if len(around) < FEWEST:
                continue
            usual = median(around)
            if usual <= 0 or book.amounts[index] <= TIMES * usual:
                continue
            level = followed.get(price)
            if level is None:
                if len(followed) >= FOLLOWED:
                    continue
                level = followed[price] = _Level(side, price, ts)
                level.note(ts, book.amounts[index])
            level.seen, level.times = ts, book.amounts[index] / usual
        for price, level in tuple(followed.items()):
            if level.loss is None and ts - level.seen > DIP:
                del followed[price]
                self._mark(side, level, level.seen, pulled=False)

    def _large(self, book: BookSide, limit: float) -> list[int]:
        """Places of the levels up to `limit` that are worth enough, the largest first."""
        count = book.within(limit)
        if count == 0:
            return []
        keys = np.frombuffer(book.keys, count=count)
        worth = np.abs(keys) * np.frombuffer(book.amounts, count=count)
        places = np.flatnonzero(worth > self.least)
        largest = places[np.argsort(-worth[places], kind="stable")][: 2 * FOLLOWED]
        return [int(each) for each in largest]

    def _watch(self, level: _Level, ts: int, book: BookSide, mid: float) -> Pull | None:
        """Follow the size of one level; a loss is judged a second later, when its trades are here."""
        size = book.amount(level.price)
        most = level.note(ts, size)
        if level.loss is not None:
            return self._judged(level, ts, size) if ts >= level.loss[0] + GRACE else None
        if size <= LOST * most and most > 0:
            if not book.sees(level.price):  # the feed shows the best levels only: out of sight
                del self._followed[level.side][level.price]
                self._mark(level.side, level, level.seen, pulled=False)
            elif ts - level.born >= ALIVE and abs(mid / level.price - 1) <= NEAR:
                level.loss = (ts, most, max(level.sizes[0][0], ts - WITHIN))
        return None

    def _judged(self, level: _Level, ts: int, size: float) -> Pull | None:
        assert level.loss is not None  # noqa: S101 - the caller asks only then
        went, most, since = level.loss
        level.loss = None
        if size > LOST * most:  # it was moved for a moment
            return None
        del self._followed[level.side][level.price]
        lost = most - size
        heard = self._trade is not None and ts - self._trade <= SILENT
        traded = level.traded(since - GRACE, went + GRACE)
        pulled = heard and traded is not None and traded < (EXPLAINED - EPSILON) * lost
        self._mark(level.side, level, went, pulled=pulled, value=lost * level.price)
        if not pulled:
            return None
        return Pull(
            side=level.side, ts=went, price=level.price, value=lost * level.price,
            stood=went - level.born, traded=(traded or 0.0) / lost,
        )  # fmt: skip

    def _mark(
        self, side: Side, level: _Level, until: int, *, pulled: bool, value: float = 0.0
    ) -> None:
        """Remember for the picture what stood long enough, or was pulled."""
        if pulled or until - level.born >= ALIVE:
            largest = max((size for _ts, size in level.sizes), default=0.0) * level.price
            self.marks.append(
                Mark(
                    side=side, price=level.price, value=value or largest,
                    from_ts=level.born, to_ts=until, pulled=pulled,
                )
            )  # fmt: skip
