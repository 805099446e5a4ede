"""One side of a live book: prices and amounts in two packed rows, best first, found by bisection."""

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence

KEPT = 2000  # levels that stay when a side is cut
MOST = 2400  # levels at which it is cut; a full side takes 38 KB
# What feeds and snapshots are limited to. A side that has exactly one of these counts was cut there.
LIMITS = frozenset({1, 5, 10, 20, 25, 50, 100, 200, 400, 500, 1000, 5000})

Level = tuple[float, float]


class BookSide:
    """Levels by key, rising: the price of an ask, minus the price of a bid, so that the best is first.

    Amounts are coins. Beyond `reach` the levels are known in part or not at all.
    """

    __slots__ = ("_cut", "_edge", "amounts", "keys", "sign")

    def __init__(self, sign: float) -> None:
        self.sign = sign  # 1.0 asks, -1.0 bids
        self.keys = array("d")
        self.amounts = array("d")
        self._edge: float | None = None  # key of the last level of a snapshot that was cut
        self._cut = False  # the feed itself shows the best levels only

    def __len__(self) -> int:
        return len(self.keys)

    def load(self, levels: Iterable[Level], *, moving: bool) -> None:
        """Forget what was known. `moving`: the feed keeps the window of levels around the price by itself."""
        sign = self.sign
        found = {sign * price: amount for price, amount in levels if amount > 0.0}
        keys = sorted(found)
        self.keys = array("d", keys)
        self.amounts = array("d", [found[key] for key in keys])
        cut = len(keys) in LIMITS
        self._cut = cut and moving
        self._edge = keys[-1] if cut and not moving else None
        self._trim()

    def apply(self, levels: Iterable[Level]) -> int:
        """Set the amounts of these levels, 0 removes; returns the index of the best one that changed."""
        keys, amounts, sign = self.keys, self.amounts, self.sign
        top = count = len(keys)
        for price, amount in levels:
            key = price * sign
            i = bisect_left(keys, key)
            if i < count and keys[i] == key:
                if amount > 0.0:
                    amounts[i] = amount
                else:
                    del keys[i], amounts[i]
                    count -= 1
            elif amount > 0.0:
                keys.insert(i, key)
                amounts.insert(i, amount)
                count += 1
            else:
                continue
            top = min(top, i)
        if count > MOST:
            self._trim()
        return top

    def _trim(self) -> None:
        if len(self.keys) > MOST:
            del self.keys[KEPT:], self.amounts[KEPT:]
            last = self.keys[-1]
            self._edge = last if self._edge is None else min(self._edge, last)

    def clear(self) -> None:
        """Know nothing."""
        self.load((), moving=False)

    def best(self) -> Level | None:
        """(price, coins) of the best level."""
        return (self.sign * self.keys[0], self.amounts[0]) if self.keys else None

    def levels(self, count: int | None = None) -> list[Level]:
        """(price, coins), best first."""
        sign = self.sign
        keys, amounts = self.keys[:count], self.amounts[:count]
        return [(sign * key, amount) for key, amount in zip(keys, amounts, strict=True)]

    def amount(self, price: float) -> float:
        """Coins that rest at a price; 0 where nothing does, or nothing is known."""
        key = price * self.sign
        i = bisect_left(self.keys, key)
        return self.amounts[i] if i < len(self.keys) and self.keys[i] == key else 0.0

    def top(self, count: int) -> float:
        """Coins in the best levels."""
        return sum(self.amounts[:count])

    def reach(self) -> float | None:
        """Price up to which every level is known; None: the whole side is."""
        return self.shown() if self._edge is None else self.sign * self._edge

    def shown(self) -> float | None:
        """The last price that the feed shows; None where it shows all."""
        return self.sign * self.keys[-1] if self._cut and self.keys else None

    def sees(self, price: float) -> bool:
        """Whether the feed would tell of a level at this price."""
        return not self._cut or (bool(self.keys) and price * self.sign <= self.keys[-1])

    def within(self, price: float) -> int:
        """How many levels are as good as `price` or better."""
        return bisect_right(self.keys, price * self.sign)

    def value(self, price: float) -> float:
        """Quote currency that rests at `price` or better."""
        count = self.within(price)
        pairs = zip(self.keys[:count], self.amounts[:count], strict=True)
        return self.sign * sum(key * amount for key, amount in pairs)

    def near(self, index: int, count: int) -> Sequence[float]:
        """Amounts of the `count` levels nearest to the one at `index`, without it."""
        low = max(0, min(index - count // 2, len(self.keys) - count - 1))
        around = self.amounts[low : low + count + 1]
        del around[index - low]
        return around
