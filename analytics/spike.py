"""Volume spikes while a candle runs: the smart detector of `volume.py`, with its limits known beforehand.

Once per closed candle the baseline tells what the next candle is compared with; during the candle its volume
so far is only scaled up to the whole length and compared. Nothing after a candle changes what was said of it.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from analytics.closed import LATE_BARS
from analytics.spike_baseline import Ahead, PlainBaseline, SmartBaseline
from analytics.volume import (
    EPSILON,
    LEVELS,
    LOOKBACK,
    MIN_ELAPSED,
    SLOT_TIMEFRAMES,
    SMART_Z,
    spike_level,
)
from analytics.volume import Spike as Closed
from market.language import _
from market.types import TIMEFRAMES, Candle, Kind, Reading, Status

NOISY_Z = 5.0  # asked of symbols whose volume scatters
PACE_AGE = 30_000  # ms after which a running volume is no longer that of now


@dataclass(frozen=True, slots=True, kw_only=True)
class Spike:
    """What a candle's volume says: of a closed candle, or of a running one that is `on pace` to it.

    `ratio` to the average of the 96 candles before (3.4 is 340 %), `z` in robust deviations above what is
    usual at this time of day and activity; None where it is not known. `severity`: highest of 2, 3, 5 exceeded.
    """

    kind: Literal["pace", "closed"]
    timeframe: str
    ts: int  # open of the candle
    as_of: int
    ratio: float | None
    z: float | None
    fired: bool
    severity: float | None = None
    noisy: bool = False  # a z says little, more is asked of it
    volume: float = 0.0  # coins, of a running candle so far
    elapsed: float = 1.0

    @property
    def percent(self) -> float | None:
        """Percent of the average."""
        return None if self.ratio is None else self.ratio * 100


class SpikeWatch:
    """Volume spikes of one instrument on one timeframe. Volumes are in coins, everywhere the same.

    `load` the history once (up to 0.2 s for 5m: in a thread), then `close` each closed candle, and tell
    `running` the volume of the open one. On 5m, 15m and 1h a spike needs the percent and the z; on other
    timeframes there is no z and the percent alone decides.
    """

    def __init__(
        self, timeframe: str, threshold: float = 2.0, venues: tuple[str, ...] = ()
    ) -> None:
        self.timeframe, self.threshold = timeframe, threshold
        self.refused = 0  # candles that were not closed, not sound, or came again
        self._step = TIMEFRAMES[timeframe]
        self._venues = venues
        self._smart = timeframe in SLOT_TIMEFRAMES
        self._baseline: SmartBaseline | PlainBaseline = (
            SmartBaseline(timeframe) if self._smart else PlainBaseline(timeframe)
        )
        self._ahead: Ahead | None = None
        self._closed: Spike | None = None
        self._running: tuple[int, float] | None = None  # (now, coins so far)

    @property
    def last_ts(self) -> int | None:
        """Open of the newest closed candle that is known."""
        return self._baseline.last_ts

    def load(self, candles: Sequence[Candle], now: int) -> int:
        """Learn the closed ones of these in order; returns how many were new."""
        step, last = self._step, self.last_ts
        by_ts = {each.ts: each for each in candles if each.closed and each.ts + step <= now}
        fresh = [by_ts[ts] for ts in sorted(by_ts) if last is None or ts > last]
        return sum(self.close(candle) is not None for candle in fresh)

    def close(self, candle: Candle) -> Spike | None:
        """Judge a closed candle by those before it, then learn it. None where it is not taken.

        A candle that comes again, revised or not, is not judged again.
        """
        last = self.last_ts
        sound = math.isfinite(candle.volume) and candle.volume >= 0 and candle.closed
        if not sound or candle.ts % self._step or (last is not None and candle.ts <= last):
            self.refused += 1
            return None
        found = self._baseline.update(candle)
        self._ahead = None
        self._closed = self._spike(found, candle.volume)
        return self._closed

    def running(self, volume_so_far: float, now: int) -> Spike | None:
        """The open candle traded this much by `now`; what it is on pace to, None where that is not known."""
        if math.isfinite(volume_so_far) and volume_so_far >= 0:
            self._running = (now, volume_so_far)
        return self.pace(now)

    def pace(self, now: int) -> Spike | None:
        """What the open candle is on pace to, by the volume last told."""
        return None if self._refusal(now) is not None else self._pace()

    def state(self, now: int) -> Spike | None:
        """The newest judgement: of the open candle from a fifth of it on, else of the last closed one."""
        found = self.pace(now)
        if found is not None:
            return found
        return None if self._closed is None or self._late(now) else self._closed

    def usual(self) -> Ahead:
        """What the open candle is compared with."""
        if self._ahead is None:
            self._ahead = self._baseline.ahead()
        return self._ahead

    def limit(self, threshold: float | None = None) -> float | None:
        """Coins the whole candle has to exceed to fire; None where it is not known yet."""
        usual = self.usual()
        if not usual.mean or (self._smart and (usual.centre is None or not usual.scale)):
            return None
        percent = usual.mean * (self.threshold if threshold is None else threshold)
        if usual.centre is None or usual.scale is None:
            return percent
        asked = NOISY_Z if usual.noisy else SMART_Z
        return max(percent, math.exp(usual.centre + asked * usual.scale))

    def recent(self, volume: float, span: int, now: int) -> Reading[float]:
        """Volume of the last `span` ms over what is usual in so long a time: the average of the 96 candles
        before, adjusted to the time of day where that is known."""
        usual = self.usual()
        if self._late(now) or not usual.mean or not (math.isfinite(volume) and volume >= 0):
            return self._unknown(now)
        factor = usual.slot_factor
        return self._known(
            volume / (usual.mean * span / self._step * (factor or 1.0)), now, LOOKBACK,
            note="" if factor else _("not adjusted to the time of day"),
        )  # fmt: skip

    def readings(self, now: int) -> dict[str, Reading[float]]:
        """`volume_ratio_15m` and `volume_z_15m` of the last closed candle, `volume_pace_15m` and
        `volume_pace_z_15m` of the running one; ratios are fractions of the average (3.4 is 340 %)."""
        found = dict(zip(("volume_ratio", "volume_z"), self._closed_readings(now), strict=True))
        refusal = self._refusal(now)
        if refusal is not None:
            found |= {"volume_pace": refusal, "volume_pace_z": refusal}
        else:
            found |= self._pace_readings(now)
        return {f"{name}_{self.timeframe}": reading for name, reading in found.items()}

    def dump(self) -> dict[str, Any]:
        """Everything as plain values, for `restore`."""
        closed = self._closed
        return {
            "timeframe": self.timeframe,
            "threshold": self.threshold,
            "last": self.last_ts,
            "rows": {name: row.dump() for name, row in self._baseline.rows.items()},
            "running": None if self._running is None else list(self._running),
            "closed": None if closed is None
            else [closed.ts, closed.ratio, closed.z, closed.noisy, closed.volume],
        }  # fmt: skip

    def restore(self, body: Mapping[str, Any]) -> None:
        """Go on from a dump of the same timeframe."""
        if body["timeframe"] != self.timeframe:
            raise ValueError("a dump of another timeframe")
        self.threshold = body["threshold"]
        self._baseline.restore(body["last"], body["rows"])
        self._ahead = None
        self._running = None if body["running"] is None else tuple(body["running"])
        self._closed = None
        if body["closed"] is not None:
            ts, ratio, z, noisy, volume = body["closed"]
            self._closed = self._spike(Closed(ts=ts, ratio=ratio, z=z, noisy=noisy), volume)

    def _spike(self, found: Closed, volume: float) -> Spike:
        return Spike(
            kind="closed", timeframe=self.timeframe, ts=found.ts, as_of=found.ts + self._step,
            ratio=found.ratio, z=found.z, fired=self._fires(found.ratio, found.z, noisy=found.noisy),
            severity=None if found.ratio is None else spike_level(found.ratio, LEVELS),
            noisy=found.noisy, volume=volume,
        )  # fmt: skip

    def _pace(self) -> Spike:
        """Of the running volume, which is known to be usable."""
        now, volume = self._running or (0, 0.0)
        open_ts, usual = now // self._step * self._step, self.usual()
        elapsed = (now - open_ts) / self._step
        ratio, z = usual.ratio(volume / elapsed), usual.z(volume / elapsed)
        return Spike(
            kind="pace", timeframe=self.timeframe, ts=open_ts, as_of=now, ratio=ratio, z=z,
            fired=self._fires(ratio, z, noisy=usual.noisy),
            severity=None if ratio is None else spike_level(ratio, LEVELS), noisy=usual.noisy,
            volume=volume, elapsed=elapsed,
        )  # fmt: skip

    def _fires(self, ratio: float | None, z: float | None, *, noisy: bool) -> bool:
        if ratio is None or not ratio > self.threshold * (1 + EPSILON):
            return False
        return not self._smart or (z is not None and z > (NOISY_Z if noisy else SMART_Z))

    def _refusal(self, now: int) -> Reading[float] | None:
        """Why the running candle says nothing."""
        open_ts = now // self._step * self._step
        if self._late(now) or self.usual().mean is None:
            return self._unknown(now)
        if self.last_ts != open_ts - self._step:
            reason = _("the candle before has not arrived")
            return self._missing(reason, Status.INSUFFICIENT)
        if self._running is None or self._running[0] < open_ts:
            return self._missing(_("the running candle has not arrived"), Status.INSUFFICIENT)
        at = self._running[0]
        if now - at > PACE_AGE:
            return self._missing(_("the running candle is old"), Status.STALE, at)
        elapsed = (at - open_ts) / self._step
        if elapsed < MIN_ELAPSED:
            text = _("only {share} % of the candle is over").format(share=f"{elapsed * 100:.0f}")
            return self._missing(text, Status.INSUFFICIENT, at)
        return None

    def _closed_readings(self, now: int) -> tuple[Reading[float], Reading[float]]:
        found = self._closed
        if found is None or self._late(now):
            return self._unknown(now), self._unknown(now)
        z = self._z_reading(found)
        if found.ratio is None:
            return self._unknown(now), z
        return self._known(found.ratio, found.as_of, LOOKBACK), z

    def _pace_readings(self, now: int) -> dict[str, Reading[float]]:
        found, note = self._pace(), _("on pace")
        pace = self._unknown(now)
        if found.ratio is not None:
            pace = self._known(found.ratio, found.as_of, LOOKBACK, note=note, pace=True)
        return {
            "volume_pace": pace,
            "volume_pace_z": self._z_reading(found, note, pace=True),
        }

    def _z_reading(self, found: Spike, note: str = "", *, pace: bool = False) -> Reading[float]:
        if not self._smart:
            known = ", ".join(SLOT_TIMEFRAMES)
            reason = _("the time of day is compared on {known} only").format(known=known)
            return self._missing(reason, Status.UNAVAILABLE)
        if found.z is None:
            reason = _("needs 14 days of candles, and volume")
            return self._missing(reason, Status.INSUFFICIENT, found.as_of)
        if found.noisy:
            note = f"{note}, {_('noisy volume')}" if note else _("noisy volume")
        return self._known(found.z, found.as_of, None, unit="deviations", note=note, pace=pace)

    def _late(self, now: int) -> bool:
        last = self.last_ts
        return last is not None and (now - last) // self._step - 1 > LATE_BARS

    def _unknown(self, now: int) -> Reading[float]:
        """No average: too few candles, too old ones, or nothing traded in them."""
        count, last = len(self._baseline.rows["_volumes"]), self.last_ts
        if self._late(now) and last is not None:
            behind = (now - last) // self._step
            text = _("the last closed candle is {n} candles old").format(n=behind)
            return self._missing(text, Status.STALE, last + self._step)
        if count < LOOKBACK or self.usual().mean is None or self._closed_is_first():
            text = _("needs {needed} closed candles, has {count}")
            return self._missing(text.format(needed=LOOKBACK + 1, count=count), Status.INSUFFICIENT)
        return self._missing(_("nothing traded in the candles before"), Status.UNDEFINED)

    def _closed_is_first(self) -> bool:
        """The first whole average is that of the candle after."""
        return self._closed is not None and self._closed.ratio is None and bool(self.usual().mean)

    def _known(
        self, value: float, as_of: int, n: int | None, *,
        unit: str = "fraction", note: str = "", pace: bool = False,
    ) -> Reading[float]:  # fmt: skip
        return Reading(
            value=value, as_of=as_of, window=self._step, n=n, venues=self._venues, unit=unit,
            kind=Kind.ESTIMATED if pace else Kind.OBSERVED, note=note,
        )  # fmt: skip

    def _missing(self, reason: str, status: Status, as_of: int | None = None) -> Reading[float]:
        return Reading.missing(reason, status, as_of=as_of, venues=self._venues)
