"""What a price did after a moment, and after moments like it: same time of day on other days.

Moves are fractions between closes of candles on a regular grid: from the first close at or after the moment
to the close one horizon later, so that nothing that led to the moment is counted as what followed it.
"""

import math
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from market.types import DAY, HOUR, MINUTE, Candle

HORIZONS = (15 * MINUTE, HOUR, 4 * HOUR)
BRIDGED = 3  # candles in a row that may be missing: nothing traded, the price stands
AROUND = 30 * MINUTE  # a matched moment is so near the same time of day
MOST = 30  # matched moments of one firing
FEWEST = 5  # with fewer there is nothing to compare with

Move = tuple[int, float]  # a moment and what followed it, as a fraction


class Closes:
    """Prices at moments of a grid of `step` ms, bridged over a few moments without a trade."""

    def __init__(self, known: Mapping[int, float], step: int) -> None:
        sound = {
            ts: price for ts, price in known.items()
            if math.isfinite(price) and price > 0 and ts % step == 0
        }  # fmt: skip
        self.step = step
        self.first = min(sound, default=0)
        self.last = max(sound, default=-step)
        prices = np.full((self.last - self.first) // step + 1, np.nan)
        for ts, price in sound.items():
            prices[(ts - self.first) // step] = price
        for _again in range(BRIDGED):
            holes = np.flatnonzero(np.isnan(prices[1:])) + 1
            prices[holes] = prices[holes - 1]
        self._prices: npt.NDArray[np.float64] = prices

    @classmethod
    def of(cls, candles: Iterable[Candle], step: int) -> "Closes":
        """The closes of closed candles, known when the candle ends."""
        return cls({c.ts + step: c.close for c in candles if c.closed}, step)

    def at(self, moment: int) -> float | None:
        """The close that became known at `moment`, which lies on the grid."""
        place, rest = divmod(moment - self.first, self.step)
        if rest or not 0 <= place < len(self._prices):
            return None
        price = float(self._prices[place])
        return None if math.isnan(price) else price

    def start(self, moment: int) -> int:
        """The first moment on the grid that is not before `moment`."""
        return -(-moment // self.step) * self.step

    def move(self, moment: int, horizon: int) -> float | None:
        """What followed within `horizon`, a multiple of the step; None where a price is not known."""
        start = self.start(moment)
        before, after = self.at(start), self.at(start + horizon)
        return after / before - 1 if before is not None and after is not None else None


def matched(
    closes: Closes,
    moment: int,
    horizon: int,
    *,
    others: Sequence[int] = (),
    seed: Sequence[int] = (0,),
    days: Sequence[int] | None = None,
) -> list[Move]:
    """Moves after up to `MOST` moments of other days at about the same time of day, rising.

    Left out is what lies within the horizon after one of `others` (firings of the same rule, rising), as known
    at the matched moment itself: leaving out moments by what came after them would favour the quiet ones.
    They do not overlap each other. `days`: how many days away they may be, -1 is the day before; without it
    every other day of the closes. The same `seed` draws the same moments.
    """
    chance = np.random.default_rng([abs(each) for each in seed])
    start = closes.start(moment)
    chosen: dict[int, float] = {}
    tables = [
        [start + day * DAY + shift for shift in _shifts(closes.step, chance)]
        for day in _days(closes, start, days, chance)
    ]
    for turn in range(2 * AROUND // closes.step + 1):  # one of each day first, then more of each
        for table in tables:
            if len(chosen) >= MOST:
                return sorted(chosen.items())
            at = table[turn]
            if _follows(others, at, horizon):
                continue
            if any(abs(at - each) < horizon for each in chosen):
                continue
            move = closes.move(at, horizon)
            if move is not None:
                chosen[at] = move
    return sorted(chosen.items())


def _days(
    closes: Closes, start: int, days: Sequence[int] | None, chance: np.random.Generator
) -> list[int]:
    """How many days away to look, in random order; never on the day itself."""
    if days is None:
        days = range((closes.first - start) // DAY, (closes.last - start) // DAY + 2)
    other = [day for day in days if day]
    return [other[i] for i in chance.permutation(len(other))]


def _shifts(step: int, chance: np.random.Generator) -> list[int]:
    shifts = list(range(-AROUND // step * step, AROUND + 1, step))
    return [shifts[i] for i in chance.permutation(len(shifts))]


def _follows(others: Sequence[int], at: int, horizon: int) -> bool:
    """Whether one of `others` came at most one horizon before `at`."""
    place = bisect_right(others, at)
    return place > 0 and at - others[place - 1] < horizon
