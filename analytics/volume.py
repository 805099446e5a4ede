"""Volume against what is usual: the percent of the average a user types, and a detector that knows the time of day.

Ratios are fractions: 3.4 is 340 % of the average. A spike "above 200 %" is 2.0 times the average. The candle
in question is never inside its own average, and a running candle never inside any.
"""

import math
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from analytics.closed import ClosedCandles, closed_candles, running_candle
from analytics.robust import log_z, median, spread
from market.language import _
from market.types import DAY, TIMEFRAMES, Candle, Kind, Reading, Status

LOOKBACK = 96  # closed candles in the average
MIN_ELAPSED = 0.2  # of a running candle before a pace is a guess worth showing
LEVELS = (2.0, 3.0, 5.0)  # severities, to be exceeded strictly
SLOT_TIMEFRAMES = ("5m", "15m", "1h")  # a time of day is compared on these
SLOT_DAYS = 14
SMART_Z = 4.0
NOISY = 0.6  # scale of the residual above which a symbol is called noisy
EPSILON = 1e-9


def percent_of_average(
    candles: Sequence[Candle], timeframe: str, now: int, lookback: int = LOOKBACK
) -> Reading[float]:
    """Volume of the newest closed candle over the mean of the `lookback` closed candles before it."""
    used = closed_candles(candles, timeframe, now)
    refusal = used.refusal(lookback + 1)
    if refusal is not None:
        return refusal
    current = used.candles[-1]
    return _ratio(used, current.volume, used.candles[-1 - lookback : -1], 1.0)


def on_pace(
    candles: Sequence[Candle],
    timeframe: str,
    now: int,
    lookback: int = LOOKBACK,
    min_elapsed: float = MIN_ELAPSED,
) -> Reading[float]:
    """Volume of the running candle over the mean, scaled up to its whole length: what it is on pace to."""
    used = closed_candles(candles, timeframe, now)
    refusal = used.refusal(lookback)
    if refusal is not None:
        return refusal
    running = running_candle(candles, timeframe, now)
    if running is None or running.ts != used.as_of:
        return Reading.missing(
            _("the running candle has not arrived"), Status.INSUFFICIENT, as_of=used.as_of
        )
    elapsed = (now - running.ts) / used.step
    if elapsed < min_elapsed:
        share = f"{elapsed * 100:.0f}"
        return Reading.missing(
            _("only {share} % of the candle is over").format(share=share),
            Status.INSUFFICIENT,
            as_of=now,
        )
    return _ratio(used, running.volume, used.candles[-lookback:], elapsed)


def spike_level(ratio: float, levels: Sequence[float] = LEVELS) -> float | None:
    """The highest of `levels` that the ratio exceeds; exactly 2.0 does not exceed 2.0."""
    exceeded = [level for level in levels if ratio > level * (1 + EPSILON)]
    return max(exceeded) if exceeded else None


def _ratio(
    used: ClosedCandles, volume: float, baseline: Sequence[Candle], elapsed: float
) -> Reading[float]:
    as_of = (used.as_of or 0) + (round(elapsed * used.step) if elapsed < 1 else 0)
    mean = math.fsum(each.volume for each in baseline) / len(baseline)
    if mean <= 0:
        return Reading.missing(
            _("nothing traded in the candles before"), Status.UNDEFINED, as_of=as_of
        )
    return Reading(
        value=volume / (mean * elapsed),
        as_of=as_of,
        window=used.step,
        n=len(baseline),
        unit="fraction",
        kind=Kind.OBSERVED if elapsed == 1 else Kind.ESTIMATED,
        note=_("on pace") if elapsed < 1 else used.note,
    )


def same_slot_z(candles: Sequence[Candle], timeframe: str, now: int) -> Reading[float]:
    """Robust z of the newest closed candle's log volume among the same time of day, one slot either side, 14 days."""
    if timeframe not in SLOT_TIMEFRAMES:
        known = ", ".join(SLOT_TIMEFRAMES)
        return Reading.missing(_("the time of day is compared on {known} only").format(known=known))
    used = closed_candles(candles, timeframe, now)
    slots = DAY // TIMEFRAMES[timeframe]
    refusal = used.refusal(SLOT_DAYS * slots + 2)
    if refusal is not None:
        return refusal
    last = len(used.candles) - 1
    places = [last - day * slots + side for day in range(1, SLOT_DAYS + 1) for side in (-1, 0, 1)]
    history = [used.candles[place].volume for place in places]
    return slot_z(used.candles[-1].volume, history, as_of=used.as_of)


def slot_z(current: float, history: Sequence[float], as_of: int | None = None) -> Reading[float]:
    """The same from the volumes themselves."""
    z = log_z(current, history)
    if z is None:
        return Reading.missing(
            _("no volume, or no spread, to compare"), Status.UNDEFINED, as_of=as_of
        )
    return Reading(value=z, as_of=as_of, n=len(history), unit="deviations")


@dataclass(frozen=True, slots=True, kw_only=True)
class Spike:
    """One closed candle as the smart detector sees it. None where there is not enough history."""

    ts: int
    ratio: float | None  # to the mean of the 96 candles before
    z: float | None  # robust deviations above what is usual at this time of day and activity
    noisy: bool = False  # volume scatters so much that a z says little

    def fires(self, threshold: float = 2.0, z: float = SMART_Z) -> bool:
        """Both above: the share of the average, and the z."""
        return (
            self.ratio is not None
            and self.z is not None
            and self.ratio > threshold * (1 + EPSILON)
            and self.z > z
        )


class SpikeBaseline:
    """The smart detector, closed candle by closed candle; nothing after a candle can change what it said.

    r = ln V - S - L: S is the median of ln V at the same time of day on the last 14 days, relative to that
    span's median; L the median of the 32 values before, without their S; z = r / (1.4826 x MAD of r
    over 7 days, at least 0.05).
    """

    LEVEL = 32  # values in L
    FLOOR = 0.05  # of the scale

    def __init__(self, timeframe: str = "15m", lookback: int = LOOKBACK) -> None:
        if timeframe not in SLOT_TIMEFRAMES:
            raise ValueError(f"no time of day on {timeframe}")
        self._step = TIMEFRAMES[timeframe]
        self._slots = DAY // self._step
        self._volumes: deque[float] = deque(maxlen=lookback)
        self._logs: deque[float] = deque(maxlen=SLOT_DAYS * self._slots)  # NaN where nothing traded
        self._level: deque[float] = deque(maxlen=self.LEVEL)
        self._residuals: deque[float] = deque(maxlen=7 * self._slots)
        self._last_ts: int | None = None

    def update(self, candle: Candle) -> Spike:
        """Judge a closed candle by those before it, then learn it. A hole of a day starts it anew."""
        if self._last_ts is not None:
            missing = (candle.ts - self._last_ts) // self._step - 1
            if missing < 0:
                raise ValueError("candles have to come in order")
            self._skip(missing)
        self._last_ts = candle.ts
        ratio = self._share(candle.volume)
        self._volumes.append(candle.volume)
        z, scale = self._judge(candle.volume)
        return Spike(ts=candle.ts, ratio=ratio, z=z, noisy=scale is not None and scale > NOISY)

    def update_all(self, candles: Iterable[Candle]) -> list[Spike]:
        """Judge closed candles in order."""
        return [self.update(candle) for candle in candles]

    def _share(self, volume: float) -> float | None:
        if len(self._volumes) < (self._volumes.maxlen or 0):
            return None
        mean = math.fsum(self._volumes) / len(self._volumes)
        return volume / mean if mean > 0 else None

    def _judge(self, volume: float) -> tuple[float | None, float | None]:
        log = math.log(volume) if volume > 0 else math.nan
        season = self._season()
        self._logs.append(log)
        if season is None or math.isnan(log):
            return None, None
        plain = log - season
        level = median(self._level) if len(self._level) == self.LEVEL else None
        self._level.append(plain)
        if level is None:
            return None, None
        residual = plain - level
        enough = len(self._residuals) >= 3 * self._slots
        scale = spread(self._residuals) if enough else None
        self._residuals.append(residual)
        if not scale:
            return None, None
        return residual / max(scale, self.FLOOR), scale

    def _season(self) -> float | None:
        """S of the candle that comes next; None before 14 days."""
        if len(self._logs) < SLOT_DAYS * self._slots:
            return None
        logs = np.array(self._logs)
        traded = logs[~np.isnan(logs)]
        slot = logs[:: self._slots]
        slot = slot[~np.isnan(slot)]
        if len(slot) < SLOT_DAYS // 2 or not len(traded):
            return None
        return float(np.median(slot) - np.median(traded))

    def _skip(self, missing: int) -> None:
        """Keep the places of the day after candles that never came."""
        if missing > self._slots:
            self._logs.clear()
            self._level.clear()
            self._residuals.clear()
            self._volumes.clear()
        else:
            self._logs.extend([math.nan] * missing)
            self._volumes.extend([0.0] * missing)
