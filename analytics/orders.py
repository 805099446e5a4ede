"""Orders behind the trades of one instrument as they come: size classes by window, whales, sizes.

The rule is that of `flow.merged`: prints of one side at most 5 ms after the print before, or of one order
where the venue tells it. An order belongs to the second of its first print.
"""

from collections import deque
from collections.abc import Iterable, Sequence
from math import floor, log2
from typing import Any

from analytics.flow import GAP, RETAIL, WHALE, SizeClass, SmartMoney, TakerOrder, judged, size_class
from analytics.rolling import RollingSums
from analytics.sizes import LOWEST, PER_DOUBLING, SizeHistogram, bin_of
from market.types import Instrument, Side, Trade

MONEY_MINUTES = (5, 15, 60)
LARGE = 50_000.0  # orders of less are never handed out one by one
WHALES = 200  # the newest ones are kept
OWN_WHALE = 0.999  # share of orders that are smaller than an instrument's own whale
ENOUGH = 2_000  # orders before that is known

DOLLARS = ("USD", "USDT", "USDC")  # quote currencies that the common limits hold for

_BUY = Side.BUY
_CLASSES = (SizeClass.RETAIL, SizeClass.MIDDLE, SizeClass.WHALE)


class OrderFlow:
    """Merges prints, classes the orders and keeps sums of 5, 15 and 60 minutes; O(1) a print.

    An order ends with the first print that does not belong to it. Until then it is open: a question asked
    more than 5 ms after its last print counts it as it stands, without ending it, so that a print that
    still comes may go on with it. Orders are classed by the limits in force when they end. The common limits
    are dollars: for another quote currency `classed` is False until `limit` gave it its own.
    """

    def __init__(
        self,
        instrument: Instrument,
        *,
        whale: float = WHALE,
        retail: float = RETAIL,
        gap: int = GAP,
    ) -> None:
        self.instrument = instrument
        self.whale, self.retail = whale, retail
        self.classed = instrument.quote in DOLLARS  # the limits are meant in the quote currency
        self.own_whale = (
            False  # set the whale limit each hour: the larger of $50k and the p99.9 of sizes
        )
        self.sizes = SizeHistogram()
        self.ended = 0  # orders
        self.whale_count = 0
        self._whales: deque[TakerOrder] = deque(maxlen=WHALES)
        self._sums = RollingSums([60 * each for each in MONEY_MINUTES], 2 * len(_CLASSES))
        self._gap = gap
        self._side: Side | None = None  # of the open order; None where there is none
        self._order = ""
        self._ts = self._last = self._prints = 0
        self._amount = self._value = 0.0

    def limit(self, whale: float, retail: float) -> None:
        """Class orders by these limits, in quote currency, from now on; what was classed stays as it is."""
        self.whale, self.retail, self.classed = whale, retail, True

    def take(self, trades: Iterable[Trade]) -> list[TakerOrder]:
        """Add prints in the order in which they came; returns the orders of $50k and more that they ended."""
        gap, side, order, last = self._gap, self._side, self._order, self._last
        value, amount, prints, first = self._value, self._amount, self._prints, self._ts
        common, retail, sums = min(LARGE, self.whale), self.retail, self._sums
        sum_of, count_of, bins = sums.value, sums.count, self.sizes.bins
        ended = 0
        end = min(sums.second * 1000, self.sizes.end - 1)  # so long nothing turns
        begin = sums.second * 1000 - 1000
        large: list[TakerOrder] = []
        for trade in trades:
            ts = trade.ts
            if trade.side is side and (
                trade.order == order if order and trade.order else 0 <= ts - last <= gap
            ):
                value += trade.price * trade.amount
                amount += trade.amount
                prints += 1
            else:
                if not prints:
                    pass
                elif begin < first <= end and 1.0 <= value < common:  # by far the most
                    slot = (0 if value < retail else 2) + (side is not _BUY)
                    sum_of[slot] += value
                    count_of[slot] += 1
                    bins[floor((log2(value) - LOWEST) * PER_DOUBLING)] += 1
                    ended += 1
                else:
                    self._hold(side, order, first, last, prints, amount, value)
                    self._end(large)
                    bins = self.sizes.bins
                    end = min(sums.second * 1000, self.sizes.end - 1)
                    begin = sums.second * 1000 - 1000
                side, order, first = trade.side, trade.order, ts
                amount = trade.amount
                value = trade.price * amount
                prints = 1
            last = ts
        self.ended += ended
        self._hold(side, order, first, last, prints, amount, value)
        return large

    def money(self, now: int) -> dict[int, SmartMoney]:
        """Who moved the market in the 5, 15 and 60 minutes that end at `now`, by minutes."""
        end = -(-now // 1000)
        self._sums.advance(end)
        open_ = self._settled(now)
        found = {}
        for i, minutes in enumerate(MONEY_MINUTES):
            values, counts = self._sums.get(i)
            if open_ is not None and -(-open_.ts // 1000) > end - 60 * minutes:
                slot = self._slot(open_.value, open_.side)
                values[slot] += open_.value
                counts[slot] += 1
            found[minutes] = _money(values, counts)
        return found

    def whales(self, now: int) -> list[TakerOrder]:
        """The newest 200 orders above the whale limit, oldest first; the open one too once it has stood 5 ms."""
        return [*self._whales, *self._open_whale(now)][-WHALES:]

    def whales_since(self, number: int, now: int) -> tuple[list[TakerOrder], int]:
        """The whale orders after the first `number` of all, and the number to ask with next time.

        An order that was still open when it was told is not told again when it ends.
        """
        found = [*self._whales, *self._open_whale(now)]
        total = self.whale_count + len(found) - len(self._whales)
        return found[-(total - number) :] if total > number else [], total

    def dump(self) -> dict[str, Any]:
        """Plain values for `restore`."""
        whales = [
            [
                each.ts,
                each.last_ts,
                each.side.value,
                each.amount,
                each.value,
                each.prints,
                each.order,
            ]
            for each in self._whales
        ]
        side = None if self._side is None else self._side.value
        return {
            "open": [side, self._order, self._ts, self._last, self._prints, self._amount, self._value],
            "sums": self._sums.dump(), "sizes": self.sizes.dump(), "whales": whales,
            "counts": [self.ended, self.whale_count],
            "limits": [self.whale, self.retail, self.own_whale, self.classed],
        }  # fmt: skip

    def restore(self, values: dict[str, Any]) -> None:
        """Go on where `dump` was made."""
        side, self._order, self._ts, self._last, self._prints, self._amount, self._value = values[
            "open"
        ]
        self._side = None if side is None else Side(side)
        self._sums.restore(values["sums"])
        self.sizes.restore(values["sizes"])
        self._whales = deque((self._kept(row) for row in values["whales"]), maxlen=WHALES)
        self.ended, self.whale_count = values["counts"]
        self.whale, self.retail, self.own_whale, self.classed = values["limits"]

    def _hold(
        self,
        side: Side | None,
        order: str,
        ts: int,
        last: int,
        prints: int,
        amount: float,
        value: float,
    ) -> None:
        """Keep the open order."""
        self._side, self._order, self._ts, self._last = side, order, ts, last
        self._prints, self._amount, self._value = prints, amount, value

    def _end(self, large: list[TakerOrder]) -> None:
        """Class the open order and count it."""
        value, side, second = self._value, self._side, -(-self._ts // 1000)
        slot = 4 if value > self.whale else 0 if value < self.retail else 2
        if side is not _BUY:
            slot += 1
        sums = self._sums
        sums.add(second, slot, value)
        if self._ts >= self.sizes.end and self.sizes.turn(self._ts):
            self._follow_sizes()
        self.sizes.bins[bin_of(value)] += 1
        self.ended += 1
        if value >= LARGE or slot >= 4:
            order = self._made()
            if slot >= 4:
                self._whales.append(order)
                self.whale_count += 1
            large.append(order)

    def _follow_sizes(self) -> None:
        """Once an hour: what a whale is by this instrument's own orders."""
        found = self.sizes.quantile(OWN_WHALE) if self.own_whale else None
        if found is not None and found[1] >= ENOUGH:
            self.whale = max(LARGE, found[0])

    def _made(self) -> TakerOrder:
        return TakerOrder(
            instrument=self.instrument, ts=self._ts, last_ts=self._last, side=self._side or _BUY,
            amount=self._amount, value=self._value, prints=self._prints, order=self._order,
        )  # fmt: skip

    def _settled(self, now: int) -> TakerOrder | None:
        """The open order, once nothing is likely to go on with it."""
        return self._made() if self._prints and now - self._last > self._gap else None

    def _open_whale(self, now: int) -> list[TakerOrder]:
        open_ = self._settled(now)
        return [open_] if open_ is not None and open_.value > self.whale else []

    def _slot(self, value: float, side: Side) -> int:
        place = _CLASSES.index(size_class(value, self.whale, self.retail))
        return 2 * place + (side is not _BUY)

    def _kept(self, row: Sequence[Any]) -> TakerOrder:
        ts, last, side, amount, value, prints, order = row
        return TakerOrder(
            instrument=self.instrument, ts=ts, last_ts=last, side=Side(side), amount=amount,
            value=value, prints=prints, order=order,
        )  # fmt: skip


def _money(values: Sequence[float], counts: Sequence[int]) -> SmartMoney:
    """The sums of one window, judged; a slot without orders is exactly nothing."""
    sums = [max(0.0, value) if n else 0.0 for value, n in zip(values, counts, strict=True)]
    return judged(
        whale_buys=sums[4], whale_sells=sums[5], middle=sums[2] + sums[3], retail=sums[0] + sums[1],
        n=sum(counts),
    )  # fmt: skip
