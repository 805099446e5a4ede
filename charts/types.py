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


@dataclass(frozen=True, slots=True, kw_only=True)
class BookMark:
    """A wall from when to when; `pulled` at its end, or `standing` still."""

    price: float
    value: float
    from_ts: int
    to_ts: int
    pulled: bool = False
    standing: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class BookMap:
    """An order book over time: `values[row, column]` in `unit`, NaN where it is not known.

    Row r is the prices from `low + r * height` on; the columns share the time from `start` to `end` in ms.
    `mids` has a price for each column, NaN where it is not known.
    """

    title: str
    subtitle: str
    start: int
    end: int
    low: float
    height: float
    values: npt.NDArray[np.float32]
    mids: npt.NDArray[np.float64]
    price: float
    unit: str = "USD"
    price_step: float = 0.0
    marks: tuple[BookMark, ...] = ()
    note: str = ""  # said where the past is not known
    mark: str = ""
    theme: str = "dark"


@dataclass(frozen=True, slots=True, kw_only=True)
class Bubble:
    """One large order: `value` in the unit of the chart."""

    ts: int
    price: float
    value: float
    buy: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowChart:
    """Price, taker delta by minute and its running sum from `start` to `end` in ms; `deltas` by open ts.

    A minute that is not in `deltas` is not known. `note` is said where there is no delta at all.
    """

    title: str
    subtitle: str
    start: int
    end: int
    prices: tuple[tuple[int, float], ...]
    deltas: tuple[tuple[int, float], ...] = ()
    bubbles: tuple[Bubble, ...] = ()
    bubbles_since: int | None = None  # where large orders are known only of a part of the time
    step: int = 60_000
    unit: str = "USD"
    price_step: float = 0.0
    note: str = ""
    mark: str = ""
    theme: str = "dark"


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreBar:
    """One line of a score: its points of at most `most`; `known`: how many of those could be given."""

    name: str
    points: float
    most: float
    known: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SetupChart:
    """Price with levels, CVD and open interest on one time axis, and the lines of a score beside them.

    `levels` are (price, words, estimated). A pane without points says `none` of it instead.
    """

    title: str
    subtitle: str
    start: int
    end: int
    prices: tuple[tuple[int, float], ...]
    panes: tuple[Pane, ...]
    bars: tuple[ScoreBar, ...]
    score: str  # "6.5/10", or why there is none
    levels: tuple[tuple[float, str, bool], ...] = ()
    price_step: float = 0.0
    none: str = "not known"
    mark: str = ""
    theme: str = "dark"
