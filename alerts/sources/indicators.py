"""How a figure is worked out from a row of closed candles: one value for each candle, None where there is none yet."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from alerts.types import Metric
from analytics import indicators, volume
from analytics.divergence import FARTHEST, NEAREST, PIVOT, divergences
from analytics.oscillators import DISPLACEMENT, ichimoku, stochastic
from market.language import _
from market.types import DAY, TIMEFRAMES, Candle

Series = Sequence[float | None]
Row = Sequence[Candle]

WARM_UP = indicators.WARM_UP  # candles after which differently seeded means agree
SPAN_B = 52  # of Ichimoku
FLAT = 1e-12  # a band narrower than this part of the price has no inside


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """One figure. `needed`: closed candles in a row before the first value; `reach`: so many more are asked for."""

    needed: Callable[[Metric], int]
    series: Callable[[Row, Metric], Series]
    unit: str
    undefined: str  # why a candle with enough before it may have no value
    reach: Callable[[Metric], int] | None = None
    before: bool = False  # the candle is compared with those before it, and is not one of them
    split: bool = False  # needs to know who bought
    event: bool = False  # a candle without a value is one in which nothing happened

    def asked(self, metric: Metric) -> int:
        """Candles that are asked for, so that the newest has a value."""
        return self.reach(metric) if self.reach is not None else self.needed(metric)


def numbers(param: str) -> tuple[float, ...]:
    """`12,26,9` as numbers."""
    return tuple(float(each) for each in param.split(","))


def _period(metric: Metric) -> int:
    return int(numbers(metric.param)[0])


def _warm(metric: Metric) -> int:
    """Wilder's means weigh their seed less than 0.01 % after so many."""
    return max(WARM_UP, 10 * _period(metric))


def _volume_ratio(row: Row, metric: Metric) -> Series:
    volumes = [each.volume for each in row]
    values: list[float | None] = [None] * len(row)
    for n in range(volume.LOOKBACK, len(row)):
        mean = math.fsum(volumes[n - volume.LOOKBACK : n]) / volume.LOOKBACK
        values[n] = volumes[n] / mean if mean > 0 else None
    return values


def _volume_z(row: Row, metric: Metric) -> Series:
    slots = DAY // TIMEFRAMES[metric.timeframe]
    first = _slots_needed(metric) - 1
    values: list[float | None] = [None] * len(row)
    for n in range(first, len(row)):
        history = [
            row[n - day * slots + side].volume
            for day in range(1, volume.SLOT_DAYS + 1)
            for side in (-1, 0, 1)
        ]
        values[n] = volume.slot_z(row[n].volume, history).value
    return values


def _slots_needed(metric: Metric) -> int:
    return volume.SLOT_DAYS * (DAY // TIMEFRAMES[metric.timeframe]) + 2


def _rsi(row: Row, metric: Metric) -> Series:
    return indicators.rsi(row, _period(metric))


def _macd(row: Row, metric: Metric) -> Series:
    fast, slow, signal = (int(each) for each in numbers(metric.param))
    return indicators.macd(row, fast, slow, signal)[2]


def _macd_needed(metric: Metric) -> int:
    return max(260, 10 * int(numbers(metric.param)[1]))


def _bollinger(row: Row, metric: Metric) -> Series:
    n, k = numbers(metric.param)
    lows, mids, highs = indicators.bollinger(row, int(n), k)
    values: list[float | None] = []
    for candle, low, mid, high in zip(row, lows, mids, highs, strict=True):
        if low is None or mid is None or high is None or high - low <= FLAT * mid:
            values.append(None)
        else:
            values.append((candle.close - low) / (high - low))
    return values


def _average(row: Row, metric: Metric) -> Series:
    n = ma_length(metric.param)
    means: Series = indicators.ema(row, n) if metric.param.startswith("ema") else _means(row, n)
    return [None if m is None else c.close / m - 1 for c, m in zip(row, means, strict=True)]


def ma_length(param: str) -> int:
    """50 of `sma50`."""
    return int(param.removeprefix("sma").removeprefix("ema"))


def _means(row: Row, n: int) -> Series:
    closes = [each.close for each in row]
    return [
        None if end < n else math.fsum(closes[end - n : end]) / n for end in range(1, len(row) + 1)
    ]


def _average_needed(metric: Metric) -> int:
    n = ma_length(metric.param)
    return max(WARM_UP, 5 * n) if metric.param.startswith("ema") else n


def _stochastic(row: Row, metric: Metric) -> Series:
    n, smooth = (int(each) for each in numbers(metric.param))
    return stochastic(row, n, smooth).slow_k


def _stochastic_needed(metric: Metric) -> int:
    n, smooth = (int(each) for each in numbers(metric.param))
    return n + smooth - 1


def _ichimoku(row: Row, metric: Metric) -> Series:
    """How far the close is above (or, negative, below) the cloud it stands in; 0 inside."""
    first, second = ichimoku(row).in_force()
    values: list[float | None] = []
    for candle, a, b in zip(row, first, second, strict=True):
        if a is None or b is None:
            values.append(None)
            continue
        low, high = min(a, b), max(a, b)
        edge = high if candle.close > high else low if candle.close < low else candle.close
        values.append(candle.close / edge - 1)
    return values


def _atr(row: Row, metric: Metric) -> Series:
    ranges = indicators.atr(row, _period(metric))
    return [None if r is None else r / c.close for c, r in zip(row, ranges, strict=True)]


def _vwap(row: Row, metric: Metric) -> Series:
    """Against the average of the UTC day so far; only where the row reaches back to 00:00."""
    values: list[float | None] = []
    whole, pv, v = False, 0.0, 0.0
    for each in row:
        if each.ts % DAY == 0:
            whole, pv, v = True, 0.0, 0.0
        pv += (each.high + each.low + each.close) / 3 * each.volume
        v += each.volume
        values.append(each.close / (pv / v) - 1 if whole and v > 0 else None)
    return values


def _divergence(row: Row, metric: Metric) -> Series:
    """1 at the candle that confirms a bullish divergence of price and CVD, -1 a bearish one."""
    values: list[float | None] = [None] * len(row)
    for start, end in _with_split(row):
        part, total, line = row[start:end], 0.0, []
        for each in part:
            total += _delta(each)
            line.append(total)
        for found in divergences([c.high for c in part], [c.low for c in part], line):
            place, sign = start + found.confirmed, 1.0 if found.kind == "bullish" else -1.0
            # One bar that confirms both ways says nothing.
            values[place] = sign if values[place] in (None, sign) else None
    return values


def _with_split(row: Row) -> list[tuple[int, int]]:
    """[start, end) of the parts in which every candle tells who bought."""
    parts, start = [], 0
    for n, each in enumerate(row):
        if each.taker_buy_volume is None:
            if n > start:
                parts.append((start, n))
            start = n + 1
    if len(row) > start:
        parts.append((start, len(row)))
    return parts


def _delta(candle: Candle) -> float:
    """Taker buys minus taker sells, in quote currency where the venue tells it."""
    if candle.taker_buy_quote is not None and candle.quote_volume is not None:
        return 2 * candle.taker_buy_quote - candle.quote_volume
    middle = (candle.high + candle.low + candle.close) / 3
    return (2 * (candle.taker_buy_volume or 0.0) - candle.volume) * middle


def _always(count: int) -> Callable[[Metric], int]:
    return lambda _metric: count


_STILL = _("the price did not move")

RECIPES: Mapping[str, Recipe] = {
    "volume_ratio": Recipe(
        needed=_always(volume.LOOKBACK + 1), series=_volume_ratio, unit="fraction", before=True,
        undefined=_("nothing traded in the candles before"),
    ),
    "volume_z": Recipe(
        needed=_slots_needed, series=_volume_z, unit="deviations", before=True,
        undefined=_("no volume, or no spread, to compare"),
    ),
    "close": Recipe(
        needed=_always(1), series=lambda row, _metric: [each.close for each in row], unit="price",
        undefined=_STILL,
    ),
    "rsi": Recipe(needed=_warm, series=_rsi, unit="points", undefined=_STILL),
    "macd": Recipe(needed=_macd_needed, series=_macd, unit="price", undefined=_STILL),
    "bollinger": Recipe(
        needed=_period, series=_bollinger, unit="", undefined=_STILL
    ),
    "ma_distance": Recipe(
        needed=_average_needed, series=_average, unit="fraction", undefined=_STILL
    ),
    "stochastic": Recipe(
        needed=_stochastic_needed, series=_stochastic, unit="points", undefined=_STILL
    ),
    "ichimoku": Recipe(
        needed=_always(SPAN_B + DISPLACEMENT), series=_ichimoku, unit="fraction",
        undefined=_STILL,
    ),
    "atr": Recipe(needed=_warm, series=_atr, unit="fraction", undefined=_STILL),
    "vwap_distance": Recipe(
        needed=_always(1), series=_vwap, unit="fraction",
        undefined=_("the candles do not reach back to 00:00 UTC"),
        reach=lambda m: DAY // TIMEFRAMES[m.timeframe] + 1,
    ),
    "divergence": Recipe(
        needed=_always(NEAREST + 2 * PIVOT + 1), series=_divergence, unit="", split=True,
        event=True, undefined="", reach=_always(FARTHEST + 4 * PIVOT),
    ),
}  # fmt: skip
