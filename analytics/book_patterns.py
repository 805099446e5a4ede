"""What trades and a live book together suggest: pulled walls, sweeps, icebergs, absorption.

All of it is estimated: public data name nobody, several orders of one moment look like one, and between
two looks at a book much may happen. Definitions and thresholds stand beside each detector.
"""

from collections import deque
from collections.abc import Sequence

from analytics.book_pattern_types import Pattern, PatternKind
from analytics.book_prices import Absorption, Prices
from analytics.book_side import BookSide
from analytics.book_walls import Wall, Walls
from market.types import MINUTE, Side, Trade

__all__ = ["Pattern", "PatternKind", "Patterns", "Sweeps"]

KEPT, KEPT_FOR = 100, 10 * MINUTE  # patterns that are remembered
EPSILON = 1e-9


class _Order:
    """Prints that are taken for one taker order."""

    __slots__ = ("amount", "first", "last", "order", "prices", "side", "ts", "value")

    def __init__(self, trade: Trade) -> None:
        self.side, self.ts, self.order = trade.side, trade.ts, trade.order
        self.first = self.last = trade.price
        self.prices = {trade.price}
        self.value = trade.price * trade.amount

    def takes(self, trade: Trade) -> bool:
        """Whether it is the same order: by its id where there is one, else by side and millisecond."""
        same = trade.order == self.order if trade.order else trade.ts == self.ts
        return same and trade.side is self.side

    def add(self, trade: Trade) -> None:
        self.last = trade.price
        self.prices.add(trade.price)
        self.value += trade.price * trade.amount


class Sweeps:
    """One taker order that clears at least 3 levels or 10 bp, and is worth the least value."""

    LEVELS = 3
    MOVE = 0.001
    WAIT = 50  # ms after which an order is over
    WAITING = 64

    def __init__(self) -> None:
        self._open: _Order | None = None
        self._done: deque[_Order] = deque(maxlen=self.WAITING)

    def add(self, trade: Trade) -> None:
        """Take the next print."""
        if self._open is not None and self._open.takes(trade):
            self._open.add(trade)
            return
        if self._open is not None and len(self._open.prices) > 1:
            self._done.append(self._open)
        self._open = _Order(trade)

    def found(self, ts: int, bids: BookSide, asks: BookSide, least: float) -> list[Pattern]:
        """The sweeps among the orders that are over by `ts`, where the book stands as it is now."""
        if self._open is not None and ts > self._open.ts + self.WAIT:
            if len(self._open.prices) > 1:
                self._done.append(self._open)
            self._open = None
        found = []
        while self._done and ts >= self._done[0].ts:
            order = self._done.popleft()
            resting = asks if order.side is Side.BUY else bids
            # The last price may be left over in part: it was cleared if nothing rests there any more.
            cleared = len(order.prices) - (resting.amount(order.last) > 0.0)
            move = abs(order.last / order.first - 1)
            large = order.value >= least
            if large and (cleared >= self.LEVELS or move >= self.MOVE - EPSILON):
                found.append(
                    Pattern(
                        pattern=PatternKind.SWEEP, ts=order.ts, side=order.side, price=order.last,
                        value=order.value, score=float(cleared), move=move, since=order.ts,
                    )
                )  # fmt: skip
        return found


class Patterns:
    """All detectors over one book. `changed` after each change of it, `traded` with the trades."""

    PART = 20.0  # sweeps and icebergs have to be worth this part of a wall

    def __init__(self) -> None:
        self.walls = Walls()
        self._sweeps = Sweeps()
        self._prices = Prices()
        self._absorption = Absorption()
        self._found: deque[Pattern] = deque(maxlen=KEPT)

    def begin(self) -> None:
        """The book was not known for a while."""
        self.walls.begin()
        self._prices.begin()

    def traded(self, trades: Sequence[Trade]) -> None:
        """Take the trades of a moment, before or after the book that they changed."""
        for each in trades:
            self.walls.traded(each)
            self._sweeps.add(each)
            self._prices.add(each)
            self._absorption.add(each)

    def changed(self, ts: int, bids: BookSide, asks: BookSide, mid: float) -> None:
        """Look at the book as it stands at `ts`."""
        least = self.walls.least / self.PART
        for pull in self.walls.changed(ts, bids, asks, mid):
            repeats = self.walls.repeats(pull.side, pull.ts)
            self._found.append(
                Pattern(
                    pattern=PatternKind.PULLED, ts=pull.ts, side=pull.side, price=pull.price,
                    value=pull.value, since=pull.ts - pull.stood, repeats=repeats,
                )
            )  # fmt: skip
        self._prices.changed(ts, bids, asks)
        self._found += self._sweeps.found(ts, bids, asks, least)
        self._found += self._prices.found(ts, least)
        self._found += self._absorption.found(ts, self._prices, least)

    def standing(
        self, bids: BookSide, asks: BookSide, mid: float, now: int, alive: int
    ) -> list[Wall]:
        """See `Walls.walls`."""
        return self.walls.walls(bids, asks, mid, now, alive)

    def newest(self, now: int) -> list[Pattern]:
        """Those of the last ten minutes, the newest first."""
        return [each for each in reversed(self._found) if each.ts > now - KEPT_FOR]
