"""The price of one instrument as samples that never overlap, made from looks at its one-minute candles.

Each sample holds the extremes since the look before, so that a touch between two looks is seen. Within one
minute only what is new can be told: a high above the minute's high at the last look came after that look.
"""

import math
from collections import deque
from collections.abc import Iterable, Sequence

from alerts.types import Sample
from market.types import MINUTE, Candle

KEPT = 2000  # samples
FINE = 720  # minutes of an absence that are looked at minute by minute
BAD = 5.0  # a price this many times off is a bad print until the next candle agrees


class PriceTape:
    """Samples of one instrument, oldest first."""

    def __init__(self, kept: int = KEPT) -> None:
        self.bad = 0  # prices that were not believed
        self._samples: deque[Sample] = deque(maxlen=kept)
        self._until = 0  # everything up to here has been looked at
        self._range: tuple[int, float, float] | None = None  # running candle at the last look
        self._close: float | None = None  # last good one
        self._doubted: tuple[int, float] | None = (
            None  # open time and close of a candle not believed
        )

    @property
    def until(self) -> int:
        """The moment of the last look that found something; 0 before the first."""
        return self._until

    @property
    def newest(self) -> Sample | None:
        """The last sample."""
        return self._samples[-1] if self._samples else None

    def after(self, ts: int) -> list[Sample]:
        """Samples newer than `ts`."""
        return [each for each in self._samples if each.ts > ts]

    def update(self, candles: Iterable[Candle], now: int, step: int = MINUTE) -> None:
        """Look at candles of `step` ms as they are at `now`."""
        rows = sorted(candles, key=lambda each: each.ts)
        if self._close is None:
            self._close = _middle([row.close for row in rows])
        for candle in rows:
            end = min(candle.ts + step - 1, now)  # the next one begins where this one ends
            if end <= self._until or candle.ts > now:
                continue
            if not self._believed(candle):
                self.bad += 1
                continue
            self._take(self._trimmed(candle), end)

    def _take(self, candle: Candle, end: int) -> None:
        start, low, high = candle.ts, candle.low, candle.high
        new_low: float | None = low
        new_high: float | None = high
        if candle.ts < self._until:  # part of it was seen before
            start = self._until
            seen = self._range if self._range and self._range[0] == candle.ts else None
            new_low = low if seen and low < seen[1] else None
            new_high = high if seen and high > seen[2] else None
        self._samples.append(
            Sample(ts=end, value=candle.close, low=new_low, high=new_high, since=start)
        )
        self._until = end
        self._range = (candle.ts, low, high)
        self._close, self._doubted = candle.close, None

    def _believed(self, candle: Candle) -> bool:
        """Whether its close can be: finite, above 0, and not many times off unless the next candle agrees."""
        prices = (candle.open, candle.high, candle.low, candle.close)
        if (
            not all(math.isfinite(price) for price in prices)
            or candle.close <= 0
            or candle.open <= 0
        ):
            return False
        if self._close is None or not _far(candle.close, self._close):
            return True
        doubted = self._doubted
        if doubted and candle.ts > doubted[0] and not _far(candle.close, doubted[1]):
            return True
        if doubted is None or candle.ts > doubted[0]:
            self._doubted = (candle.ts, candle.close)
        return False

    def _trimmed(self, candle: Candle) -> Candle:
        """Without a wick that is many times off: one bad print, or a price of 0."""
        body = (candle.open, candle.close)
        if self._close is not None and _far(candle.open, self._close) and _far(*body):
            body = (candle.close, candle.close)
        low, high = min(body), max(body)
        kept_low = candle.low if 0 < candle.low <= low and not _far(candle.low, low) else low
        kept_high = candle.high if candle.high >= high and not _far(candle.high, high) else high
        if (kept_low, kept_high) == (candle.low, candle.high):
            return candle
        self.bad += 1
        return Candle(
            ts=candle.ts, open=candle.open, high=kept_high, low=kept_low, close=candle.close,
            volume=candle.volume, closed=candle.closed,
        )  # fmt: skip


def _middle(prices: Sequence[float]) -> float | None:
    """The median: what to compare the first candle with."""
    sound = sorted(price for price in prices if math.isfinite(price) and price > 0)
    return sound[len(sound) // 2] if sound else None


def _far(price: float, other: float) -> bool:
    return max(price, other) > BAD * min(price, other)


def gap_candles(since: int, now: int) -> Sequence[tuple[str, int]]:
    """Which candles tell of the time from `since` on: (timeframe, how many), the coarse ones first."""
    minutes = (now - since) // MINUTE + 3
    if minutes <= FINE:
        return (("1m", max(3, minutes)),)
    return (("15m", min(minutes // 15 + 2, 1000)), ("1m", FINE + 20))
