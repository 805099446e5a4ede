"""The weather of the market: volatility, activity, premium and open interest before anybody trades on it.

Everything here is a function of (seed, coin, minute), for the past and the future alike.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from exchanges.local.simulator.coins import Coin
from exchanges.local.simulator.noise import Floats, Ints, key, normal, uniform, wave

DAY_MINUTES = 1440
FACTOR_DAILY = 0.020  # standard deviation of a day of the market factor
_JUMP_EVERY = 2000.0  # minutes


@dataclass(frozen=True, slots=True, kw_only=True)
class Climate:
    """Minute series of one coin; deviations are of a minute's log return."""

    factor: Floats  # deviation of the common factor
    own: Floats  # deviation of what is the coin's alone
    activity: Floats  # trading relative to the usual, mean about 1
    lean: Floats  # taker imbalance that has nothing to do with the price
    usual: Floats  # deviation of the whole return


def climate(seed: int, coin: Coin, minutes: Ints) -> Climate:
    """The weather of `coin` at consecutive `minutes`."""
    mood, factor, beat = _shared(seed, int(minutes[0]), len(minutes))
    alone = 0.30 * wave(key(seed, coin.base, "mood"), minutes, 60, 18)
    alone += 0.25 * wave(key(seed, coin.base, "nerves"), minutes, 5, 5)
    np.exp(alone, out=alone)
    rest = max(coin.daily**2 - (coin.beta * FACTOR_DAILY) ** 2, (0.45 * coin.daily) ** 2)
    own = (0.85 * np.sqrt(rest)) * np.sqrt(mood) * beat * alone
    return Climate(
        factor=factor,
        own=own,
        activity=0.78 * seasonality(minutes) * mood * alone,
        lean=0.07 * wave(key(seed, coin.base, "lean"), minutes, 15, 6),
        usual=np.sqrt((coin.beta * factor) ** 2 + own * own),
    )


def minute_returns(seed: int, coin: Coin, minutes: Ints, weather: Climate) -> Floats:
    """Log returns of whole minutes, for the time before the market goes live."""
    common = normal(key(seed, "factor"), minutes) + _jumps(key(seed, "news"), minutes)
    alone = normal(key(seed, coin.base, "own"), minutes) + _jumps(
        key(seed, coin.base, "news"), minutes
    )
    return coin.beta * weather.factor * common + weather.own * alone


def second_draws(seed: int, coin: Coin, hour: int) -> tuple[Floats, Floats]:
    """Unit draws of a live hour's seconds, one row a minute: the factor's and the coin's own."""
    return _ticks(key(seed, "tick"), hour), _ticks(key(seed, coin.base, "tick"), hour)


@lru_cache(maxsize=64)
def _ticks(stream: int, hour: int) -> Floats:
    return normal(stream, np.arange(hour * 3600, hour * 3600 + 3600, dtype=np.int64)).reshape(
        60, 60
    )


def seasonality(minutes: Ints) -> Floats:
    """Trading by minute of the day and day of the week (UTC), mean about 1."""
    return _week()[minutes % (7 * DAY_MINUTES)]


@lru_cache(maxsize=1)
def _week() -> Floats:
    """Seasonality of the minutes of a week that begins on a Thursday, as 1970-01-01 did."""
    minutes = np.arange(7 * DAY_MINUTES)
    hour = (minutes % DAY_MINUTES) / 60.0
    weekday = (minutes // DAY_MINUTES + 3) % 7  # Monday is 0
    curve = (
        0.62
        + 0.45 * _bump(hour, 1.0, 1.5)
        + 0.45 * _bump(hour, 8.5, 2.0)
        + 1.25 * _bump(hour, 14.8, 1.9)
    )
    into_settlement = minutes % 480
    curve = curve + np.where(into_settlement < 3, 0.8, 0.0)
    since_open = minutes % DAY_MINUTES - 810
    opening = (since_open >= 0) & (since_open < 15) & (weekday < 5)
    curve = curve + np.where(opening, 1.5 * np.exp(-since_open / 6.0), 0.0)
    return curve * np.where(weekday >= 5, 0.68, 1.08)


def interest(seed: int, coin: Coin, exchange: str, minutes: Ints) -> Floats:
    """Log open interest of one exchange up to a constant, before forced closes."""
    slow = wave(key(seed, coin.base, "interest"), minutes, 120, 30)
    quick = wave(key(seed, coin.base, "appetite"), minutes, 10, 6)
    local = wave(key(seed, coin.base, "interest", exchange), minutes, 240, 20)
    return 0.05 * slow + 0.004 * quick + 0.02 * local


def premium(seed: int, coin: Coin, exchange: str, minutes: Ints) -> Floats:
    """Perpetual over index as a fraction, on one exchange, before scenarios."""
    shared = wave(key(seed, coin.base, "premium"), minutes, 60, 20)
    local = wave(key(seed, coin.base, "premium", exchange), minutes, 30, 8)
    scale = 0.00025 if coin.beta > 1 else 0.00015
    return 0.00005 + scale * shared + 0.0001 * local


def basis(seed: int, coin: Coin, exchange: str, minutes: Ints) -> Floats:
    """How far one exchange's spot price is from the others', as a fraction."""
    return 0.00008 * wave(key(seed, coin.base, "basis", exchange), minutes, 10, 5)


def peg(seed: int, coin: Coin, minutes: Ints) -> Floats:
    """Log USD price of a stablecoin."""
    slow = wave(key(seed, coin.base, "peg"), minutes, 180, 12)
    return np.log(coin.price) + coin.daily * slow


@lru_cache(maxsize=4)
def _shared(seed: int, first: int, count: int) -> tuple[Floats, Floats, Floats]:
    """What all coins have in common: mood (mean about 1.1), deviation of the factor, and the day's beat in it."""
    minutes: Ints = np.arange(first, first + count, dtype=np.int64)
    mood = np.exp(
        0.42 * wave(key(seed, "mood"), minutes, 60, 24)
        + 0.25 * wave(key(seed, "nerves"), minutes, 5, 6)
    )
    beat = np.sqrt(np.minimum(seasonality(minutes), 2.5) / DAY_MINUTES)
    return mood, FACTOR_DAILY * 0.8 * mood * beat, beat


def _bump(hour: Floats, centre: float, width: float) -> Floats:
    away = np.abs(hour - centre)
    away = np.minimum(away, 24 - away)
    return np.exp(-0.5 * (away / width) ** 2)


def _jumps(stream: int, minutes: Ints) -> Floats:
    """A rare shock of four to nine deviations."""
    draw = uniform(stream, minutes)
    shocks = np.zeros(len(minutes))
    hit = np.flatnonzero(draw < 1.0 / _JUMP_EVERY)
    size = 4.0 + 5.0 * uniform(stream + 1, minutes[hit])
    shocks[hit] = np.where(draw[hit] < 0.5 / _JUMP_EVERY, size, -size)
    return shocks
