"""Stochastic and Ichimoku from the `ta` library, without its faults.

`ta` names the fast K and the fast D; what platforms plot is slower by one mean of three. Its span B has a
number from the first bar on, and its shifted cloud begins with the mean of the whole series. `ta` and
pandas are imported on first use: they take a second and belong in a thread.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from market.types import Candle

if TYPE_CHECKING:
    import pandas as pd

Series = list[float | None]

DISPLACEMENT = 26  # bars by which the cloud is drawn ahead


@dataclass(frozen=True, slots=True, kw_only=True)
class Stochastic:
    """0 to 100; None where high and low of the span are one, and before there are enough bars."""

    fast_k: Series
    fast_d: Series
    slow_d: Series

    @property
    def slow_k(self) -> Series:
        """The slow K is the fast D."""
        return self.fast_d


def stochastic(candles: Sequence[Candle], n: int = 14, smooth: int = 3, d: int = 3) -> Stochastic:
    """Fast and slow stochastic, one value per candle."""
    if len(candles) < n:
        empty: Series = [None] * len(candles)
        return Stochastic(fast_k=empty, fast_d=empty, slow_d=empty)
    from ta.momentum import StochasticOscillator  # noqa: PLC0415 - slow to import

    high, low, close = _columns(candles)
    found = StochasticOscillator(high, low, close, window=n, smooth_window=smooth, fillna=False)
    fast_k = found.stoch().replace([np.inf, -np.inf], np.nan)
    fast_d = fast_k.rolling(smooth, min_periods=smooth).mean()
    return Stochastic(
        fast_k=_series(fast_k),
        fast_d=_series(fast_d),
        slow_d=_series(fast_d.rolling(d, min_periods=d).mean()),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Ichimoku:
    """The lines at their own bar, not shifted; see `in_force`."""

    tenkan: Series
    kijun: Series
    a: Series
    b: Series

    def in_force(self, displacement: int = DISPLACEMENT) -> tuple[Series, Series]:
        """The cloud a bar stands in: spans A and B as they were computed `displacement` bars before."""
        head: Series = [None] * displacement
        count = len(self.a)
        return (head + self.a)[:count], (head + self.b)[:count]


def ichimoku(
    candles: Sequence[Candle], tenkan: int = 9, kijun: int = 26, span_b: int = 52
) -> Ichimoku:
    """Ichimoku lines, one value per candle."""
    if not candles:
        return Ichimoku(tenkan=[], kijun=[], a=[], b=[])
    from ta.trend import IchimokuIndicator  # noqa: PLC0415 - slow to import

    high, low, _close = _columns(candles)
    found = IchimokuIndicator(high, low, tenkan, kijun, span_b, visual=False, fillna=False)
    b = _series(found.ichimoku_b())
    early = min(span_b - 1, len(b))
    return Ichimoku(
        tenkan=_series(found.ichimoku_conversion_line()),
        kijun=_series(found.ichimoku_base_line()),
        a=_series(found.ichimoku_a()),
        b=[*([None] * early), *b[early:]],
    )


def _columns(
    candles: Sequence[Candle],
) -> tuple["pd.Series[float]", "pd.Series[float]", "pd.Series[float]"]:
    import pandas as pd  # noqa: PLC0415 - slow to import

    return (
        pd.Series([each.high for each in candles], dtype=float),
        pd.Series([each.low for each in candles], dtype=float),
        pd.Series([each.close for each in candles], dtype=float),
    )


def _series(values: "pd.Series[float]") -> Series:
    return [value if np.isfinite(value) else None for value in values.tolist()]
