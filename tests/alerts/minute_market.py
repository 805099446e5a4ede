"""A market over minutes of prices that are known beforehand, and that shows only what existed at its clock's now."""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from alert_market import BTC, START, FakeMarket

from market.clock import FixedClock
from market.types import MINUTE, TIMEFRAMES, Candle, Instrument


def walk(seed: int, minutes: int, *, size: float = 0.0008, start: int = START) -> list[Candle]:
    """Minutes of a market without memory, with wicks and with volume that comes in waves."""
    chance = np.random.default_rng(seed)
    closes = 100 * np.exp(np.cumsum(chance.normal(0.0, size, minutes)))
    opens = np.concatenate([[100.0], closes[:-1]])
    wicks = np.abs(chance.normal(0.0, size / 2, (2, minutes)))
    highs = np.maximum(opens, closes) * (1 + wicks[0])
    lows = np.minimum(opens, closes) * (1 - wicks[1])
    volumes = np.exp(chance.normal(2.0, 0.8, minutes) + np.sin(np.arange(minutes) / 97.0))
    rows = zip(opens, highs, lows, closes, volumes, strict=True)
    return [
        Candle(ts=start + i * MINUTE, open=float(o), high=float(h), low=float(lo), close=float(c), volume=float(v))
        for i, (o, h, lo, c, v) in enumerate(rows)
    ]  # fmt: skip


def folded(minutes: Sequence[Candle], step: int, *, closed: bool = True) -> list[Candle]:
    """Longer candles; the last one is as it stands after the last minute."""
    groups: dict[int, list[Candle]] = {}
    for each in minutes:
        groups.setdefault(each.ts // step * step, []).append(each)
    return [
        Candle(
            ts=ts, open=rows[0].open, high=max(r.high for r in rows), low=min(r.low for r in rows),
            close=rows[-1].close, volume=sum(r.volume for r in rows), closed=closed,
        )
        for ts, rows in groups.items()
    ]  # fmt: skip


@dataclass
class MinuteMarket(FakeMarket):
    """`FakeMarket` whose candles come from `minutes`, by instrument key."""

    clock: FixedClock = field(default_factory=lambda: FixedClock(START))
    minutes: dict[str, list[Candle]] = field(default_factory=dict)
    _folded: dict[tuple[str, str], list[Candle]] = field(default_factory=dict)

    async def candles(
        self, of: Instrument, timeframe: str, limit: int = 300, end: int | None = None
    ) -> list[Candle]:
        self._answer(f"candles {timeframe}", of)
        now, step = self.clock.now(), TIMEFRAMES[timeframe]
        start, stop = self._span(step, limit, end)
        minutes = self.minutes[of.key]
        if (of.key, timeframe) not in self._folded:
            self._folded[of.key, timeframe] = folded(minutes, step)
        whole = self._folded[of.key, timeframe]
        rows = whole[_place(whole, start) : _place(whole, min(stop, now - step + 1))]
        running = now // step * step
        if start <= running < stop and step > MINUTE:
            known = minutes[_place(minutes, running) : _place(minutes, now - MINUTE + 1)]
            rows = [*rows, *folded(known, step, closed=False)]
        return rows


def _place(rows: Sequence[Candle], ts: int) -> int:
    return bisect_left(rows, ts, key=lambda each: each.ts)


def market(minutes: Sequence[Candle], now: int, of: Instrument = BTC) -> MinuteMarket:
    """One instrument with its past and its future, at `now`."""
    return MinuteMarket(clock=FixedClock(now), minutes={of.key: list(minutes)})
