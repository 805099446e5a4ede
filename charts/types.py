"""What each picture needs: plain data that travels to the drawing process. Importing it draws nothing in."""

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from market.types import Candle


@dataclass(frozen=True, slots=True, kw_only=True)
class Pane:
    """A line under the candles: values at times, in a unit; `zero` draws the zero line."""

    name: str
    points: tuple[tuple[int, float], ...]
    unit: str = ""
    zero: bool = False
    bands: tuple[float, ...] = ()  # fixed levels, like 30 and 70 of an RSI


@dataclass(frozen=True, slots=True, kw_only=True)
class CandleChart:
    """What the picture needs; `step` is the length of a candle in ms, prices are per coin."""

    title: str
    subtitle: str
    candles: tuple[Candle, ...]
    step: int
    price_step: float = 0.0
    volume_unit: str = ""
    mark: str = ""
    theme: str = "dark"
    overlays: dict[str, tuple[tuple[int, float], ...]] = field(default_factory=dict)
    levels: tuple[tuple[float, str], ...] = ()
    marked: int | None = None  # open time of the candle to point at
    lower: Pane | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One series: (ts, value) rising in time."""

    name: str
    points: tuple[tuple[int, float], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class LineChart:
    """What the picture needs; `percent` shows values as percent, `zero` draws the zero line."""

    title: str
    subtitle: str
    lines: tuple[Line, ...]
    mark: str = ""
    theme: str = "dark"
    zero: bool = False
    percent: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class LiquidationChart:
    """`edges` has one more entry than the two sides; sizes are in `unit`, estimates all of them."""

    title: str
    subtitle: str
    price: float
    edges: npt.NDArray[np.float64]
    long_size: npt.NDArray[np.float64]
    short_size: npt.NDArray[np.float64]
    unit: str = "USD"
    index: bool = False  # show sizes on a scale of 0 to 100, where 100 is the longest bar
    price_step: float = 0.0
    path: tuple[tuple[int, float], ...] = ()  # the price that led here
    mark: str = ""
    theme: str = "dark"
