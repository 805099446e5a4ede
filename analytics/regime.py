"""The market regime of one instrument: trend or range, and how wide it moves for its own past. Closed bars only.

Trend by ADX(14) > 25 with a sloping EMA50, range by ADX < 20, in between what was before (Wilder 1978); the width
by the percentile of ATR%(14) among its last 119 values: low below 20, high above 80. A regime is taken on when
three bars in a row say so.
"""

import math
from array import array
from bisect import bisect_left, insort
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from analytics.closed import BRIDGED, LATE_BARS, closed_candles
from analytics.running import Atr, Ema, wilder
from market.language import _
from market.types import TIMEFRAMES, Candle, Reading, Status

ADX_TREND, ADX_RANGE = 25.0, 20.0
PERIOD = 14
EMA = 50
SLOPE_BARS = 5
SLOPE = 0.1  # ATRs that the EMA has to move in those bars
PERCENTILES = 119  # values that the newest is ranked among
LOW, HIGH = 20.0, 80.0
HYSTERESIS = 3  # bars
WARM_UP = 250  # bars before a regime is shown


class Regime(StrEnum):
    """Six states."""

    TREND_LOW = "TREND_LOW"
    TREND_NORMAL = "TREND_NORMAL"
    TREND_HIGH = "TREND_HIGH"
    RANGE_LOW = "RANGE_LOW"
    RANGE_NORMAL = "RANGE_NORMAL"
    RANGE_HIGH = "RANGE_HIGH"

    @property
    def trending(self) -> bool:
        """Trend, not range."""
        return self.name.startswith("TREND")


@dataclass(frozen=True, slots=True, kw_only=True)
class RegimeChange:
    """A regime gave way to another at the close of a bar."""

    before: Regime
    after: Regime
    direction: str  # "up", "down", or "" in a range
    as_of: int


class Adx:
    """Wilder's average directional index, 0 to 100, with the means seeded as TradingView does."""

    def __init__(self, n: int = PERIOD) -> None:
        self._up, self._down, self._range, self._mean = (wilder(n) for _each in range(4))
        self._last: tuple[float, float, float] | None = None

    def update(self, high: float, low: float, close: float) -> None:
        """Commit one bar."""
        last, self._last = self._last, (high, low, close)
        if last is None:
            return
        up, down = high - last[0], last[1] - low
        self._up.update(up if up > down and up > 0 else 0.0)
        self._down.update(down if down > up and down > 0 else 0.0)
        self._range.update(max(high, last[2]) - min(low, last[2]))
        plus, minus = self._up.get(), self._down.get()
        if plus is None or minus is None:
            return
        total = plus + minus  # both over the same true range, which cancels
        self._mean.update(100 * abs(plus - minus) / total if total > 0 else 0.0)

    def get(self) -> float | None:
        """None before 2 n bars."""
        return self._mean.get()


class Percentile:
    """Percent of the last `length` values strictly below the newest; the newest is not among them."""

    def __init__(self, length: int = PERCENTILES) -> None:
        self._length = length
        self._order: deque[float] = deque()
        self._sorted = array("d")
        self._rank: float | None = None

    def update(self, value: float) -> None:
        """Commit one value."""
        if len(self._order) == self._length:
            self._rank = 100 * bisect_left(self._sorted, value) / self._length
            del self._sorted[bisect_left(self._sorted, self._order.popleft())]
        self._order.append(value)
        insort(self._sorted, value)

    def get(self) -> float | None:
        """None before there are enough values."""
        return self._rank


class RegimeWatch:
    """Feed closed candles in order; a hole of more than three bars, or a bar without sense, starts it anew."""

    def __init__(self, timeframe: str, venues: tuple[str, ...] = ()) -> None:
        self.timeframe = timeframe
        self.refused = 0
        self._step = TIMEFRAMES[timeframe]
        self._venues = venues
        self._last: Candle | None = None
        self._begin()

    def load(self, candles: Sequence[Candle], now: int) -> None:
        """The history, and whatever of it is new later."""
        last = self._last.ts if self._last is not None else None
        for candle in closed_candles(candles, self.timeframe, now).candles:
            if last is None or candle.ts > last:
                self.close(candle)

    def close(self, candle: Candle) -> RegimeChange | None:
        """Commit one closed candle; the change of regime that it completed."""
        last = self._last
        if not _sound(candle) or candle.ts % self._step or (last and candle.ts <= last.ts):
            self.refused += 1
            return None
        if last is not None:
            missing = (candle.ts - last.ts) // self._step - 1
            if missing > BRIDGED:
                self._begin()
            else:
                for i in range(missing):  # nothing traded: flat bars
                    self._learn(last.close, last.close, last.close, last.ts + (i + 1) * self._step)
        self._last = candle
        return self._learn(candle.high, candle.low, candle.close, candle.ts)

    @property
    def regime(self) -> Regime | None:
        """The one that holds; None before there is enough history."""
        return self._regime if self._bars >= WARM_UP else None

    @property
    def direction(self) -> str:
        """ "up" or "down" of a trend; "" of a range."""
        if self._regime is None or not self._regime.trending:
            return ""
        return "up" if self._slope() > 0 else "down"

    def readings(self, now: int) -> dict[str, "Reading[float] | Reading[str]"]:
        """`regime` (a text of `Regime`), `adx` and `volatility_percentile` (0 to 100)."""
        refusal = self._refusal(now)
        if refusal is not None:
            return dict.fromkeys(("regime", "adx", "volatility_percentile"), refusal)
        as_of = (self._last.ts if self._last else 0) + self._step
        found: dict[str, Reading[float] | Reading[str]] = {}
        for name, value in (
            ("adx", self._adx.get()),
            ("volatility_percentile", self._percentile.get()),
        ):
            found[name] = Reading(
                value=value, as_of=as_of, n=self._bars, venues=self._venues, unit="points"
            )
        found["regime"] = Reading(
            value=str(self._regime), as_of=as_of, n=self._held, venues=self._venues,
            unit="bars", note=self.direction,
        )  # fmt: skip
        return found

    def _begin(self) -> None:
        self._bars = 0
        self._adx, self._atr, self._ema = Adx(), Atr(PERIOD), Ema(EMA)
        self._percentile = Percentile()
        self._means: deque[float] = deque(maxlen=SLOPE_BARS + 1)
        self._trending: bool | None = None  # what the last clear bar said
        self._regime: Regime | None = None
        self._next: Regime | None = None
        self._votes = 0
        self._held = 0  # bars since the regime was taken on

    def _learn(self, high: float, low: float, close: float, ts: int) -> RegimeChange | None:
        self._bars += 1
        self._held += 1
        self._adx.update(high, low, close)
        self._atr.update(high, low, close)
        self._ema.update(close)
        mean, atr = self._ema.get(), self._atr.get()
        if mean is not None:
            self._means.append(mean)
        if atr is not None:
            self._percentile.update(atr / close)
        candidate = self._candidate()
        return None if candidate is None else self._vote(candidate, ts)

    def _candidate(self) -> Regime | None:
        """What this bar alone says."""
        adx, rank, atr = self._adx.get(), self._percentile.get(), self._atr.get()
        if adx is None or rank is None or atr is None or len(self._means) <= SLOPE_BARS:
            return None
        if adx > ADX_TREND and abs(self._slope()) > SLOPE * atr:
            self._trending = True
        elif adx < ADX_RANGE or self._trending is None:
            self._trending = False
        width = "LOW" if rank < LOW else "HIGH" if rank > HIGH else "NORMAL"
        return Regime(f"{'TREND' if self._trending else 'RANGE'}_{width}")

    def _vote(self, candidate: Regime, ts: int) -> RegimeChange | None:
        if candidate is self._regime:
            self._next, self._votes = None, 0
            return None
        self._votes = self._votes + 1 if candidate is self._next else 1
        self._next = candidate
        before = self._regime
        if before is not None and self._votes < HYSTERESIS:
            return None
        self._regime, self._next, self._votes, self._held = candidate, None, 0, 0
        if before is None or self._bars < WARM_UP:
            return None
        return RegimeChange(
            before=before, after=candidate, direction=self.direction, as_of=ts + self._step
        )

    def _slope(self) -> float:
        """How far the EMA50 moved in five bars, in price units."""
        return self._means[-1] - self._means[0] if len(self._means) > SLOPE_BARS else 0.0

    def _refusal(self, now: int) -> "Reading[float] | None":
        last = self._last
        if last is not None and (now - last.ts) // self._step - 1 > LATE_BARS:
            behind = (now - last.ts) // self._step
            text = _("the last closed candle is {n} candles old").format(n=behind)
            return Reading.missing(text, Status.STALE, as_of=last.ts + self._step)
        if self.regime is None:
            text = _("needs {needed} closed candles, has {count}")
            reason = text.format(needed=WARM_UP, count=self._bars)
            return Reading.missing(reason, Status.INSUFFICIENT, venues=self._venues)
        return None


def _sound(candle: Candle) -> bool:
    prices = (candle.open, candle.high, candle.low, candle.close)
    return (
        candle.closed
        and all(math.isfinite(price) and price > 0 for price in prices)
        and candle.low <= candle.close <= candle.high
    )
