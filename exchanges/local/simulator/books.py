"""Resting orders around the last trade: thin at the touch, growing with distance, with a wall here and there."""

import numpy as np

from exchanges.local.simulator.noise import Floats, Ints, key, uniform

_DEEPEST = 0.12  # fraction of the price
_WALL_LIFE = 10  # minutes
_WALL_SHARE = 0.004  # of the levels


def side(
    stream: int,
    *,
    best: int,
    down: bool,
    levels: int,
    price: float,
    tick: float,
    depth: float,
    second: int,
) -> tuple[Ints, Floats]:
    """Prices in ticks and USD of `levels` levels from `best` on; `depth` is USD within 1 % of the price."""
    step = np.arange(levels)
    ticks = step + (np.floor((step / 400.0) ** 2.2 * 0.02 * price / tick)).astype(np.int64)
    ticks = ticks[ticks * tick <= _DEEPEST * price]
    away = ticks * tick / price
    gap = np.diff(
        away, append=2 * away[-1] - away[-2] if len(away) > 1 else away[-1] + tick / price
    )
    at = best - ticks if down else best + ticks
    at, gap = at[at > 0], gap[at > 0]
    draw = uniform(key(stream, "size", down), at * 4096 + second % 4096)
    usd = depth * (gap / 0.01 + 0.0004) * (0.25 + 1.6 * draw**2)
    wall = uniform(key(stream, "wall", second // 60 // _WALL_LIFE), at) < _WALL_SHARE
    return at, np.where(wall & (at != best), usd * 12.0, usd)
