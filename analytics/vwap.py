"""Volume-weighted average price of candles: by UTC session, from an anchor, over the last n bars.

A bar counts with its typical price (high + low + close) / 3. Bars without volume contribute nothing;
where nothing traded at all there is no average.
"""

import math
from collections.abc import Sequence

from market.types import DAY, Candle

Series = list[float | None]


def session(candles: Sequence[Candle], length: int = DAY) -> Series:
    """From 00:00 UTC of each candle's own day."""
    values: Series = []
    pv = v = 0.0
    day = None
    for candle in candles:
        if candle.ts // length != day:
            day, pv, v = candle.ts // length, 0.0, 0.0
        pv += _typical(candle) * candle.volume
        v += candle.volume
        values.append(pv / v if v > 0 else None)
    return values


def anchored(candles: Sequence[Candle], anchor_ts: int) -> Series:
    """From the candle that opens at or after `anchor_ts`."""
    values: Series = []
    pv = v = 0.0
    for candle in candles:
        if candle.ts >= anchor_ts:
            pv += _typical(candle) * candle.volume
            v += candle.volume
        values.append(pv / v if v > 0 else None)
    return values


def rolling(candles: Sequence[Candle], n: int) -> Series:
    """Over the last n bars: not a session VWAP, and to be called rolling."""
    values: Series = []
    for end in range(1, len(candles) + 1):
        part = candles[end - n : end] if end >= n else ()
        v = math.fsum(each.volume for each in part)
        values.append(
            math.fsum(_typical(each) * each.volume for each in part) / v if v > 0 else None
        )
    return values


def deviation(candles: Sequence[Candle]) -> float | None:
    """Volume-weighted standard deviation of the typical price over all of `candles`: the width of the bands."""
    v = math.fsum(each.volume for each in candles)
    if v <= 0:
        return None
    mean = math.fsum(_typical(each) * each.volume for each in candles) / v
    return math.sqrt(math.fsum(each.volume * (_typical(each) - mean) ** 2 for each in candles) / v)


def _typical(candle: Candle) -> float:
    return (candle.high + candle.low + candle.close) / 3
