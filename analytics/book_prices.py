"""Prices at which much is executed: icebergs, and levels that absorb what is taken."""

from array import array
from collections import deque

import numpy as np

from analytics.book_pattern_types import Pattern, PatternKind
from analytics.book_side import BookSide
from market.types import HOUR, MINUTE, Side, Trade

EPSILON = 1e-9


class _Price:
    """A price at which trades happen: what it showed, what was executed, how often it came back."""

    __slots__ = (
        "executed", "gone", "last", "looks", "price", "refills", "reported", "shown", "side",
        "since", "trades", "value",
    )  # fmt: skip

    def __init__(self, side: Side, trade: Trade) -> None:
        self.side, self.price, self.since = side, trade.price, trade.ts
        self.last = trade.ts
        self.looks: deque[tuple[int, float]] = deque(maxlen=64)  # (ts, coins shown)
        self.trades: deque[tuple[int, float]] = deque(maxlen=64)
        self.shown = self.executed = self.value = 0.0
        self.refills = 0
        self.gone: int | None = None
        self.reported = False

    def look(self, ts: int, size: float) -> None:
        """What the price shows at `ts`."""
        self.looks.append((ts, size))
        self.shown = max(self.shown, size)

    def settle(self, until: int) -> None:
        """Compare what was shown with what was executed between two looks, up to `until`."""
        looks, trades = self.looks, self.trades
        while len(looks) > 1 and looks[1][0] <= until:
            (start, before), (end, after) = looks[0], looks[1]
            while trades and trades[0][0] <= start:  # already out of what was shown then
                trades.popleft()
            eaten = 0.0
            while trades and trades[0][0] <= end:
                eaten += trades.popleft()[1]
            looks.popleft()
            if before > 0.0 and eaten >= before * (1 - EPSILON):
                self.refills += after > 0.0
                self.gone = None if after > 0.0 else end
            elif self.gone is not None and after > 0.0:
                self.refills += end - self.gone <= Prices.REFILL
                self.gone = None

    def score(self) -> float:
        """Executed over the largest size that was shown."""
        return self.executed / self.shown if self.shown > 0 else 0.0


class Prices:
    """The prices that trade now. Iceberg: executed >= 3 times the largest size shown, >= 3 refills within 1 s.

    Books and trades come over different ways, so both are compared half a second later, by their own times.
    """

    TIMES, REFILLS, REFILL = 3.0, 3, 1_000
    FOLLOWED = 24
    QUIET = 60_000  # ms without a trade after which a price is forgotten
    LONGEST = 5 * MINUTE  # ms after which it is looked at anew
    LATE = 500  # ms
    EVERY = 250  # ms between two judgements
    ACTIVE = 2_000  # ms after a trade in which the price is looked at
    BEFORE = 40  # looks at the best levels that are kept, for prices which begin to trade

    def __init__(self) -> None:
        self._judged: int | None = None
        self._prices: dict[tuple[Side, float], _Price] = {}
        self._bests: dict[Side, deque[tuple[int, float, float]]] = {
            side: deque(maxlen=self.BEFORE) for side in Side
        }

    def begin(self) -> None:
        """The book was not known for a while."""
        self._prices.clear()
        for each in self._bests.values():
            each.clear()

    def add(self, trade: Trade) -> None:
        """Take a trade; the resting side is the other one."""
        side = Side.SELL if trade.side is Side.BUY else Side.BUY
        key = (side, trade.price)
        found = self._prices.pop(key, None)
        if found is None or trade.ts - found.since > self.LONGEST:
            found = _Price(side, trade)
            self._look_back(found, trade.ts)
            if len(self._prices) >= self.FOLLOWED:
                self._prices.pop(next(iter(self._prices)))
        elif trade.ts - found.last > self.ACTIVE:
            found.settle(trade.ts)
            found.looks.clear()
            self._look_back(found, trade.ts)
        self._prices[key] = found  # the last to be forgotten
        found.last = max(found.last, trade.ts)
        found.trades.append((trade.ts, trade.amount))
        found.executed += trade.amount
        found.value += trade.price * trade.amount

    def _look_back(self, price: _Price, ts: int) -> None:
        """What the best level showed at this price, from just before `ts` on."""
        looks = [(at, size * (best == price.price)) for at, best, size in self._bests[price.side]]
        before = [i for i, (at, _size) in enumerate(looks) if at < ts]
        for each in looks[before[-1] :] if before else ():
            price.look(*each)

    def changed(self, ts: int, bids: BookSide, asks: BookSide) -> None:
        """Look at the book after a change."""
        for side, book in ((Side.BUY, bids), (Side.SELL, asks)):
            best = book.best()
            if best is not None:
                self._bests[side].append((ts, *best))
        for each in self._prices.values():
            if ts - each.last > self.ACTIVE:
                continue
            book = bids if each.side is Side.BUY else asks
            each.look(ts, book.amount(each.price))

    def found(self, ts: int, least: float) -> list[Pattern]:
        """New icebergs; forgets prices that are quiet."""
        if self._judged is not None and ts - self._judged < self.EVERY:
            return []
        self._judged = ts
        found = []
        for key, each in tuple(self._prices.items()):
            each.settle(ts - self.LATE)
            hidden = each.score() >= self.TIMES - EPSILON and each.refills >= self.REFILLS
            if hidden and not each.reported and each.value >= least:
                each.reported = True
                found.append(
                    Pattern(
                        pattern=PatternKind.ICEBERG, ts=each.last, side=each.side,
                        price=each.price, value=each.value, score=each.score(), since=each.since,
                    )
                )  # fmt: skip
            if ts - each.last > self.QUIET:
                del self._prices[key]
        return found

    def busiest(self, side: Side) -> _Price | None:
        """The price of a resting side at which most was executed."""
        mine = (each for each in self._prices.values() if each.side is side)
        return max(mine, key=lambda each: each.value, default=None)


class Absorption:
    """Taker value of 5 min above the p95 of such windows, while the price moved < 0.25 ATR(1m) and the level refilled.

    Kept in steps of 10 s for two hours; ATR after Wilder over 14 minutes.
    """

    STEP = 10_000
    STEPS = 2 * HOUR // STEP
    WINDOW = 5 * MINUTE // STEP
    HISTORY = 120  # windows that a percentile needs
    SHARE = 95
    MOVE = 0.25
    PERIOD = 14
    PAUSE = 5 * MINUTE

    def __init__(self) -> None:
        self._bought, self._sold, self._close = (array("d", bytes(8 * self.STEPS)) for _ in "123")
        self._first: int | None = None
        self._step = 0
        self._judged = 0
        self._minute: tuple[int, float, float, float] | None = None  # number, high, low, close
        self._before: float | None = None  # close of the minute before
        self._atr, self._bars = 0.0, 0
        self._told: dict[Side, int] = {}

    def add(self, trade: Trade) -> None:
        """Take a trade; one older than the running step counts in the running step."""
        step = trade.ts // self.STEP
        if self._first is None:
            self._first = self._step = self._judged = step
        if step > self._step:
            self._advance(step)
        place = self._step % self.STEPS
        (self._bought if trade.side is Side.BUY else self._sold)[place] += trade.value
        self._close[place] = trade.price
        self._bar(trade)

    def _advance(self, step: int) -> None:
        for each in range(max(self._step + 1, step - self.STEPS + 1), step + 1):
            place = each % self.STEPS
            self._close[place] = self._close[self._step % self.STEPS]
            self._bought[place] = self._sold[place] = 0.0
        self._step = max(self._step, step)

    def _bar(self, trade: Trade) -> None:
        number, price = trade.ts // MINUTE, trade.price
        bar = self._minute
        if bar is None or number > bar[0]:
            if bar is not None:
                self._close_bar(bar)
            self._minute = (number, price, price, price)
        elif number == bar[0]:
            self._minute = (number, max(bar[1], price), min(bar[2], price), price)

    def _close_bar(self, bar: tuple[int, float, float, float]) -> None:
        _number, high, low, close = bar
        before = self._before
        span = high - low if before is None else max(high, before) - min(low, before)
        n = min(self._bars, self.PERIOD - 1)
        self._atr = (self._atr * n + span) / (n + 1)
        self._bars += 1
        self._before = close

    def found(self, ts: int, prices: Prices, least: float) -> list[Pattern]:
        """Judged once for each step that is over."""
        step = ts // self.STEP
        if self._first is None or step <= self._judged or self._bars < self.PERIOD:
            return []
        self._advance(step - 1)
        self._judged = step
        return [
            pattern
            for side in Side
            if (pattern := self._judge(side, step, ts, prices, least)) is not None
        ]

    def _judge(
        self, side: Side, step: int, ts: int, prices: Prices, least: float
    ) -> Pattern | None:
        """`side` is the resting one."""
        if ts - self._told.get(side, -self.PAUSE) < self.PAUSE or self._first is None:
            return None
        whole = step - max(self._first, step - self.STEPS + 1)
        past = whole - self.WINDOW  # steps before the window that is judged
        if past < self.WINDOW + self.HISTORY:
            return None
        values = self._sold if side is Side.BUY else self._bought
        rows = np.frombuffer(values)[np.arange(step - whole, step) % self.STEPS]
        sums = np.convolve(rows[:past], np.ones(self.WINDOW), "valid")
        taken = float(rows[past:].sum())
        start = self._close[(step - self.WINDOW - 1) % self.STEPS]
        moved = abs(self._close[(step - 1) % self.STEPS] - start)
        usual = float(np.percentile(sums, self.SHARE))
        if taken <= usual * (1 + EPSILON) or taken < least or moved >= self.MOVE * self._atr:
            return None
        level = prices.busiest(side)
        if level is None or level.refills < 1 or level.score() <= 1:
            return None
        self._told[side] = ts
        return Pattern(
            pattern=PatternKind.ABSORPTION, ts=ts, side=side, price=level.price, value=taken,
            score=level.score(), since=ts - 5 * MINUTE,
        )  # fmt: skip
