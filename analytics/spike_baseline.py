"""What a running candle's volume is compared with, known before the candle begins."""

import math
from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from analytics.robust import median, spread
from analytics.rows import Floats
from analytics.volume import LOOKBACK, NOISY, SLOT_DAYS, SpikeBaseline
from analytics.volume import Spike as Closed
from market.types import DAY, TIMEFRAMES, Candle


@dataclass(frozen=True, slots=True, kw_only=True)
class Ahead:
    """What the next candle is compared with. z = (ln V - centre) / scale."""

    mean: float | None  # coins
    centre: float | None
    scale: float | None
    noisy: bool
    slot_factor: float | None  # usual volume of its time of day over the day's average

    def ratio(self, volume: float) -> float | None:
        """To the average; None where nothing traded before."""
        return volume / self.mean if self.mean is not None and self.mean > 0 else None

    def z(self, volume: float) -> float | None:
        """None without enough history, and of no volume."""
        if self.centre is None or not self.scale or volume <= 0:
            return None
        return (math.log(volume) - self.centre) / self.scale


class Row:
    """The newest `maxlen` numbers: what a deque of floats does, in a quarter of its memory."""

    def __init__(self, maxlen: int) -> None:
        self.maxlen = maxlen
        self._values = array("d")

    def append(self, value: float) -> None:
        """Add one, let the oldest go."""
        if len(self._values) == self.maxlen:
            del self._values[0]
        self._values.append(value)

    def extend(self, values: Sequence[float]) -> None:
        """Add several."""
        self._values.extend(values)
        del self._values[: max(0, len(self._values) - self.maxlen)]

    def clear(self) -> None:
        """Forget all."""
        del self._values[:]

    def load(self, body: bytes) -> None:
        """What `dump` gave."""
        self.clear()
        self._values.frombytes(body)

    def dump(self) -> bytes:
        """The numbers as they lie in memory."""
        return self._values.tobytes()

    def __len__(self) -> int:
        return len(self._values)

    def __iter__(self) -> Iterator[float]:
        return iter(self._values)

    def __getitem__(self, place: int) -> float:
        return self._values[place]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Floats:
        return np.array(self._values, dtype=dtype or np.float64)


class SmartBaseline(SpikeBaseline):
    """The smart detector, asked for its limits beforehand and put away between restarts."""

    def __init__(self, timeframe: str) -> None:
        super().__init__(timeframe)
        rows = {
            name: Row(getattr(self, name).maxlen)
            for name in ("_volumes", "_logs", "_level", "_residuals")
        }
        self.rows = rows  # the deques of the parent would take 60 KB a symbol
        self.__dict__.update(rows)

    def ahead(self) -> Ahead:
        """What the next candle will be compared with."""
        season, mean = self._season(), mean_of(self._volumes)
        level = median(self._level) if len(self._level) == self.LEVEL else None
        scale = spread(self._residuals) if self._whole() else None
        factor = self._slot_factor()
        if season is None or level is None or not scale:
            centre, scale = self._same_slot()
            return Ahead(mean=mean, centre=centre, scale=scale, noisy=False, slot_factor=factor)
        return Ahead(
            mean=mean, centre=season + level, scale=max(scale, self.FLOOR), noisy=scale > NOISY,
            slot_factor=factor,
        )  # fmt: skip

    def update(self, candle: Candle) -> Closed:
        """As the parent; where the history is too short for its z, the simple form of it."""
        self._align(candle.ts)
        centre, scale = (None, None) if self._whole() else self._same_slot()
        found = super().update(candle)
        if found.z is not None or centre is None or not scale or candle.volume <= 0:
            return found
        return replace(found, z=(math.log(candle.volume) - centre) / scale)

    @property
    def last_ts(self) -> int | None:
        """Open of the newest candle."""
        return self._last_ts

    def restore(self, last_ts: int | None, rows: Mapping[str, bytes]) -> None:
        """From a dump."""
        self._last_ts = last_ts
        for name, row in self.rows.items():
            row.load(rows[name])

    def _align(self, ts: int) -> None:
        """Learn that the candles before this one never came."""
        if self._last_ts is not None and ts > self._last_ts:
            self._skip((ts - self._last_ts) // self._step - 1)
            self._last_ts = ts - self._step

    def _whole(self) -> bool:
        return len(self._residuals) >= 3 * self._slots

    def _same_slot(self) -> tuple[float | None, float | None]:
        """The simple form for a short history: the same time of day, one slot either side, on 14 days."""
        logs, slots = self._logs, self._slots
        if len(logs) < SLOT_DAYS * slots:
            return None, None
        places = {day * slots + side for day in range(SLOT_DAYS) for side in (-1, 0, 1)}
        history = [logs[place] for place in places if 0 <= place < len(logs)]
        known = [value for value in history if not math.isnan(value)]
        return (median(known), spread(known)) if len(known) >= SLOT_DAYS else (None, None)

    def _slot_factor(self) -> float | None:
        """Usual volume at the next candle's time of day over the average of all times of day."""
        if len(self._logs) < SLOT_DAYS * self._slots:
            return None
        days = np.exp(np.array(self._logs).reshape(SLOT_DAYS, self._slots))
        usual = np.median(np.nan_to_num(days), axis=0)  # a candle that never came had no trades
        total = float(usual.mean())
        return float(usual[0]) / total if total > 0 and usual[0] > 0 else None


class PlainBaseline:
    """The average alone, for candles of which no time of day is compared."""

    def __init__(self, timeframe: str) -> None:
        self._step = TIMEFRAMES[timeframe]
        self.last_ts: int | None = None
        self.rows = {"_volumes": Row(LOOKBACK)}

    def update(self, candle: Candle) -> Closed:
        """Judge and learn a candle; those that never came had no trades, a day of them starts anew."""
        volumes = self.rows["_volumes"]
        if self.last_ts is not None:
            missing = (candle.ts - self.last_ts) // self._step - 1
            if missing > max(1, DAY // self._step):
                volumes.clear()
            else:
                volumes.extend([0.0] * missing)
        self.last_ts = candle.ts
        ratio = self.ahead().ratio(candle.volume)
        volumes.append(candle.volume)
        return Closed(ts=candle.ts, ratio=ratio, z=None)

    def ahead(self) -> Ahead:
        """What the next candle will be compared with."""
        mean = mean_of(self.rows["_volumes"])
        return Ahead(mean=mean, centre=None, scale=None, noisy=False, slot_factor=None)

    def restore(self, last_ts: int | None, rows: Mapping[str, bytes]) -> None:
        """From a dump."""
        self.last_ts = last_ts
        self.rows["_volumes"].load(rows["_volumes"])


def mean_of(row: Any) -> float | None:
    """Of a full row."""
    return math.fsum(row) / len(row) if len(row) == row.maxlen else None
