"""What a figure is that rules can be about: how it is written, in which unit, how old it may be, where it is from.

Every kind of alert names its figures; the rule language, the wizard, the echo of a rule and the text of a firing
are made from them. `FIGURES` of `alerts.kinds` has them all.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from alerts.types import Metric
from market.types import MINUTE


class Unit(StrEnum):
    """What a value of a figure counts."""

    PRICE = "price"  # quote currency of the instrument
    MONEY = "money"  # USD
    AMOUNT = "amount"  # coins
    FRACTION = "fraction"  # 0.05 is 5 %: typed and shown as percent
    RATIO = "ratio"  # 2.0 is 200 % of the usual: typed as 200% or 2x
    RATE = "rate"  # funding: a fraction per interval, typed and shown as percent with four places
    SIGMA = "sigma"  # standard deviations
    SCORE = "score"  # a number on a scale of its own: RSI 0 to 100
    COUNT = "count"


class Scope(StrEnum):
    """What a figure is of."""

    INSTRUMENT = "instrument"  # one market: `binance:BTC/USDT:USDT`
    COIN = "coin"  # perps of all venues (`*:BTC`), or one market where a venue is named
    MARKET = "market"  # everything: the subject is `*`


class How(StrEnum):
    """How people speak of a level of it."""

    LEVEL = "level"  # is above, crosses
    CHANGE = "change"  # rises by, moves: besides a level
    EVENT = "event"  # happens: each sample counts on its own


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One figure. `words[0]` is its canonical name in the rule language; all are lower case."""

    name: str  # of its metrics
    words: tuple[str, ...]  # "open interest", "oi"
    unit: Unit
    scope: Scope
    title: str = ""  # as it is shown: "open interest"; `words[0]` where empty
    hows: frozenset[How] = frozenset({How.LEVEL})
    windows: tuple[
        int, ...
    ] = ()  # ms it can be asked over: any between the first and the last; () has none
    window: int = 0  # where none is said; echoed
    exact: bool = False  # only the windows named, none in between
    timeframes: tuple[str, ...] = ()  # it is of a closed candle
    timeframe: str = ""  # where none is said; echoed
    param: str = ""  # the default of `Metric.param`: "14"
    params: tuple[str, ...] = ()  # what `param` may be; () with a default: whole numbers
    signed: bool = False  # below 0 makes sense
    touch: bool = False  # reaching a level counts as crossing it
    rearm: float = 0.0  # hysteresis as a fraction of the level
    band: float = (
        0.0  # hysteresis in the unit of the figure, where a fraction of the level makes no sense
    )
    cooldown: int = 5 * MINUTE  # market ms, where nobody chose one
    fresh: int = MINUTE  # market ms after which a sample does not count as known any more
    # Its name in `SymbolState.snapshot`; several that are added up are joined by +.
    reading: Callable[[Metric], str] | None = None
    low: float | None = None  # levels outside make no sense and are refused
    high: float | None = None

    @property
    def shown(self) -> str:
        """How it is called in a sentence."""
        return self.title or self.words[0]

    def is_fast(self) -> bool:
        """Whether the streams carry it."""
        return self.reading is not None or self.name == "price"
