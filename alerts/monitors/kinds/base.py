"""What a monitor is: a name and unit for `/set`, thresholds by coin, and what it looks at."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from alerts.monitors.view import View
from exchanges.streams.decoder import News
from market import format as fmt
from market.language import _
from market.types import MINUTE, TIMEFRAMES, Candle, Instrument, Reading

OTHERS = "*"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One measurement of a monitor. `size` is what a threshold is compared with, in the monitor's unit.

    A finding with an `event` happened once and is judged once; one without is a level that is seen again and again,
    and counts when it rises above the threshold. `ripe`: every condition besides the threshold holds.
    """

    kind: str
    key: str  # instrument key, or the coin where several venues are in it
    coin: str
    ts: int
    value: float  # as it is told, with its sign
    size: float
    side: str = ""
    event: str = ""
    ripe: bool = True
    urgent: bool = False  # never waits for others of its coin
    venues: tuple[str, ...] = ()
    figures: Mapping[str, Reading[Any]] = field(default_factory=dict)
    extra: Mapping[str, Any] = field(default_factory=dict)  # what the text needs beside figures


class Monitor:
    """One kind. Subclasses set the class variables and one or both of `look` and `take`.

    Thresholds are in `unit`, as people type them: percent as 200, dollars as 500000. A kind without a unit is only
    on or off.
    """

    kind: ClassVar[str]
    title: ClassVar[str]  # "volume spike"
    about: ClassVar[str]  # one line of help
    unit: ClassVar[str]  # "%", "$", "z" ...
    defaults: ClassVar[Mapping[str, float]]  # by coin, `*` for all others
    low: ClassVar[float] = 0.0  # a threshold has to be above this
    high: ClassVar[float] = 1e12
    rearm: ClassVar[float] = 0.8  # of the threshold: below it a level may be told again
    cooldown: ClassVar[int] = 15 * MINUTE  # market ms between two facts of one instrument and side
    whole_market: ClassVar[bool] = False  # finds coins that nobody watches

    @classmethod
    def default(cls, coin: str) -> float:
        """The threshold where nobody chose one."""
        return cls.defaults.get(coin, cls.defaults[OTHERS])

    @classmethod
    def short(cls, value: float) -> str:
        """A value as a table has room for: `-$24.1M`, `0.06%`."""
        if cls.unit == "$":
            return fmt.money(value)
        return f"{value:.3g}"

    @classmethod
    def short_level(cls, value: float) -> str:
        """A threshold as a table has room for."""
        if cls.unit == "$":
            return fmt.money(value)
        if not cls.unit:
            return _("on")
        return f"{value:g}{cls.unit}" if cls.unit.startswith("%") else f"{value:g}"

    def look(self, view: View) -> Iterable[Finding]:
        """The levels of this market second."""
        return ()

    def take(self, news: Sequence[News], view: View) -> Iterable[Finding]:
        """What happened in one batch of fresh events."""
        return ()

    def tell(self, finding: Finding) -> tuple[str, str]:
        """A headline with its number, and one line more or ""."""
        raise NotImplementedError


class Learner(Monitor):
    """A monitor that also needs candles: they are fetched one after the other, and again after each close."""

    timeframe: ClassVar[str]
    count: ClassVar[int]  # candles of one fetch
    per_coin: ClassVar[bool] = False  # of one instrument of each coin, else of every one

    def wanted(self, instrument: Instrument, now: int) -> int:
        """How many candles to fetch now."""
        return self.count

    def learn(self, instrument: Instrument, candles: Sequence[Candle], now: int) -> None:
        """Take the newest candles, rising, the running one last where the venue gives it.

        Runs in a thread of its own beside `look`: it works on what is its own, and hands it over whole.
        """
        raise NotImplementedError

    @property
    def every(self) -> int:
        """Market ms between two fetches."""
        return TIMEFRAMES[self.timeframe]
