"""Which candles a figure may rest on: closed, finite, in one row without holes, and recent."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from market.language import _
from market.types import TIMEFRAMES, Candle, Reading, Status

BRIDGED = 3  # so many bars in a row may be missing: a market without trades has no candle
LATE_BARS = 2  # the newest closed candle may be this many candles behind


@dataclass(frozen=True, slots=True, kw_only=True)
class ClosedCandles:
    """Closed candles in a row, oldest first. `filled`: bars without trades that were put in, flat and empty."""

    candles: tuple[Candle, ...]
    step: int  # ms of one candle
    filled: int = 0
    late: int = 0  # whole candles that should have been there after the last

    @property
    def as_of(self) -> int | None:
        """Close of the newest candle."""
        return self.candles[-1].ts + self.step if self.candles else None

    def refusal(self, needed: int) -> Reading[float] | None:
        """Why a figure that needs so many candles cannot be had; None where it can."""
        count = len(self.candles)
        if self.late > LATE_BARS:
            return Reading.missing(
                _("the last closed candle is {n} candles old").format(n=self.late + 1),
                Status.STALE, as_of=self.as_of, n=count,
            )  # fmt: skip
        if count < needed:
            return Reading.missing(
                _("needs {needed} closed candles, has {count}").format(needed=needed, count=count),
                Status.INSUFFICIENT, as_of=self.as_of, n=count,
            )  # fmt: skip
        return None

    @property
    def note(self) -> str:
        """What a reader has to know of the candles."""
        return _("{n} candles without trades").format(n=self.filled) if self.filled else ""


def closed_candles(candles: Sequence[Candle], timeframe: str, now: int) -> ClosedCandles:
    """The newest unbroken row of candles that are closed at `now`; what lies before a hole is left out."""
    step = TIMEFRAMES[timeframe]
    by_ts = {each.ts: each for each in candles if each.ts + step <= now and each.closed}
    row: list[Candle] = []
    filled = 0
    for ts in sorted(by_ts):
        candle = by_ts[ts]
        if not is_sound(candle):
            row, filled = [], 0
            continue
        missing = (ts - row[-1].ts) // step - 1 if row else 0
        if missing > BRIDGED or (row and (ts - row[-1].ts) % step):
            row, filled = [], 0
        elif missing > 0:
            row += [_flat(row[-1], row[-1].ts + step * (i + 1)) for i in range(missing)]
            filled += missing
        row.append(candle)
    late = (now - row[-1].ts) // step - 1 if row else 0
    return ClosedCandles(candles=tuple(row), step=step, filled=filled, late=late)


def running_candle(candles: Sequence[Candle], timeframe: str, now: int) -> Candle | None:
    """The candle that is open at `now`."""
    step = TIMEFRAMES[timeframe]
    found = [each for each in candles if each.ts <= now < each.ts + step and is_sound(each)]
    return found[-1] if found else None


def _flat(before: Candle, ts: int) -> Candle:
    """A bar in which nothing traded."""
    price = before.close
    return Candle(
        ts=ts, open=price, high=price, low=price, close=price, volume=0.0, quote_volume=0.0,
        taker_buy_volume=None if before.taker_buy_volume is None else 0.0,
        taker_buy_quote=None if before.taker_buy_quote is None else 0.0,
    )  # fmt: skip


def is_sound(candle: Candle) -> bool:
    """Whether a candle can be: finite, its prices above 0 and inside its range, its volume not negative."""
    prices = (candle.open, candle.high, candle.low, candle.close)
    return (
        all(math.isfinite(price) and price > 0 for price in prices)
        and candle.low <= min(candle.open, candle.close)
        and candle.high >= max(candle.open, candle.close)
        and math.isfinite(candle.volume)
        and candle.volume >= 0
    )
