"""The past of a coin: minute prices, open interest and forced closes from `HISTORY_DAYS` before the start."""

from dataclasses import dataclass

import numpy as np

from exchanges.local.simulator.climate import DAY_MINUTES, Climate, climate, minute_returns, peg
from exchanges.local.simulator.climate import interest as usual_interest
from exchanges.local.simulator.coins import OI_SHARES, Coin, instruments
from exchanges.local.simulator.noise import Floats, Ints, key, normal

HISTORY_DAYS = 62
NODES = 6  # price points a minute in the past
# Six points see less of a minute's range than the sixty of a live one; a wider bridge makes up for it.
_BRIDGE = 1.3
_REMEMBERED = 12  # hours after which ground counts as untouched again
_DENSITY = 0.3  # share of open interest liquidated by entering new ground, per unit of log price
_EXITS = 2.0  # fall of open interest per forced close: others leave by their own stops beside it
_NO_FLOW: Floats = np.zeros(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Forced:
    """Forced closes: coins of longs and shorts, a row for each exchange, a column for each of the `points`."""

    exchanges: tuple[str, ...]
    points: Ints  # places in the flattened array of points; one may come twice
    longs: Floats
    shorts: Floats

    def of(self, exchange: str) -> tuple[Floats, Floats]:
        """Longs and shorts of one exchange."""
        row = self.exchanges.index(exchange)
        return self.longs[row], self.shorts[row]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """Some whole minutes of one coin, each with the same number of price points (rows are minutes)."""

    minutes: Ints
    price: Floats  # log USD price at each point
    activity: Floats  # trading at each point relative to the usual
    lean: Floats  # taker imbalance at each point, -1 to 1
    forced: Forced | None
    prints: Floats | None = None  # trades of each side at each point, at least; None: no minimum


class History:
    """Minute series of one coin up to `start` (a minute number), computed at once from the seed."""

    def __init__(self, seed: int, coin: Coin, start: int) -> None:
        self._seed, self._coin = seed, coin
        self.start = start
        self.first = (start // DAY_MINUTES - HISTORY_DAYS) * DAY_MINUTES
        minutes: Ints = np.arange(self.first, start, dtype=np.int64)
        weather = climate(seed, coin, minutes)
        self.close = self._prices(minutes, weather)
        # Kept for as long as the market runs, so in half the width.
        self._activity = weather.activity.astype(np.float32)
        self._lean = weather.lean.astype(np.float32)
        self._usual = weather.usual.astype(np.float32)
        self.forced_long, self.forced_short, self._drawn = self._forced()
        self._ends: dict[str, float] = {}
        self._dawns: dict[str, Floats] = {}

    def _prices(self, minutes: Ints, weather: Climate) -> Floats:
        """Log price at the end of each minute; the last one is the level of the coin table."""
        if self._coin.pegged:
            return peg(self._seed, self._coin, minutes + 1)
        steps = minute_returns(self._seed, self._coin, minutes, weather)
        path = np.cumsum(steps)
        level = np.log(self._coin.price) + 0.02 * float(
            normal(key(self._seed, self._coin.base, "level"), _one())[0]
        )
        return level + path - path[-1]

    def _forced(self) -> tuple[Floats, Floats, Floats]:
        """Share of open interest closed by force each minute (longs, shorts); what is not rebuilt at its start.

        Positions are closed where the price enters ground it has not touched for half a day: there the
        leveraged positions of that time have their liquidation prices.
        """
        if not self._coin.interest:
            return _NO_FLOW, _NO_FLOW, np.zeros(len(self.close) + 1)
        long = _new_ground(-self.close)
        short = _new_ground(self.close)
        age = np.arange(len(self.close)) / DAY_MINUTES
        drawn = _EXITS * np.cumsum((long + short) * np.exp(age)) * np.exp(-age)
        return long, short, np.append(0.0, drawn)

    def interest(self, exchange: str, minutes: Ints) -> Floats:
        """Open interest in coins at the start of each minute; `self.start` itself is allowed."""
        coin = self._coin
        usual = usual_interest(self._seed, coin, exchange, minutes)
        if exchange not in self._ends:
            self._ends[exchange] = float(
                usual_interest(self._seed, coin, exchange, _one(self.start))[0]
            )
        drawn = self._drawn[minutes - self.first]
        amount = coin.interest / coin.price * OI_SHARES[exchange]
        return amount * np.exp(usual - self._ends[exchange] - drawn + self._drawn[-1])

    def _interest_of_day(self, exchange: str, minute: int) -> float:
        """Open interest in coins at the start of the day of `minute`; it hardly changes within a day."""
        if exchange not in self._dawns:
            dawns: Ints = np.arange(self.first, self.start, DAY_MINUTES, dtype=np.int64)
            self._dawns[exchange] = self.interest(exchange, dawns)
        return float(self._dawns[exchange][(minute - self.first) // DAY_MINUTES])

    def stretch(self, first: int, last: int) -> Stretch:
        """The minutes first <= m < last, bridged to `NODES` price points."""
        rows = slice(first - self.first, last - self.first)
        minutes: Ints = np.arange(first, last, dtype=np.int64)
        close = self.close[rows]
        before = self.close[first - self.first - 1] if first > self.first else close[0]
        opening = np.concatenate(([before], close[:-1]))
        deviation = self._usual[rows].astype(np.float64) / np.sqrt(NODES)
        points = np.arange(1, NODES + 1)
        steps = normal(key(self._seed, self._coin.base, "bridge"), _index(minutes, NODES))
        walk = np.cumsum(steps, axis=1)
        walk -= walk[:, -1:] * (points / NODES)
        price = opening[:, None] + (close - opening)[:, None] * (points / NODES)
        price += walk * (deviation * _BRIDGE)[:, None]
        move = np.diff(price.ravel(), prepend=before).reshape(price.shape) / deviation[:, None]
        return Stretch(
            minutes=minutes,
            price=price,
            activity=self._activity[rows, None] * busy(move),
            lean=leaning(move, self._lean[rows, None].astype(np.float64)),
            forced=self._forced_at(rows, price) if len(self.forced_long) else None,
        )

    def _forced_at(self, rows: slice, price: Floats) -> Forced | None:
        """Forced closes, each at the extreme price of its minute."""
        rate_long, rate_short = self.forced_long[rows], self.forced_short[rows]
        hit = np.flatnonzero(rate_long + rate_short)
        if not len(hit):
            return None
        first, points = self.first + rows.start, price.shape[1]
        exchanges = tuple(i.exchange for i in instruments(self._coin) if i.perp)
        interest = np.array([self._interest_of_day(name, first) for name in exchanges])[:, None]
        none = np.zeros(len(hit))
        places = (
            hit * points + price[hit].argmin(axis=1),
            hit * points + price[hit].argmax(axis=1),
        )
        return Forced(
            exchanges=exchanges,
            points=np.concatenate(places),
            longs=interest * np.concatenate((rate_long[hit], none)),
            shorts=interest * np.concatenate((none, rate_short[hit])),
        )


def busy(move: Floats) -> Floats:
    """Trading at a price point that moved by `move` usual deviations; mean 1 over normal moves."""
    return 0.5 + 0.627 * np.minimum(np.abs(move), 8.0)


def leaning(move: Floats, extra: Floats) -> Floats:
    """Taker imbalance: buyers push prices up, loosely."""
    return np.clip(0.34 * np.tanh(move) + extra, -0.95, 0.95)


def _new_ground(level: Floats) -> Floats:
    """Share of open interest whose liquidation price lies in ground above the highest `level` of half a day."""
    lead = (_REMEMBERED + 1) * 60
    padded = np.concatenate((np.full(lead + (-len(level)) % 60, level[0]), level))
    hours = padded.reshape(-1, 60)
    best = hours.max(axis=1)
    before = np.lib.stride_tricks.sliding_window_view(best, _REMEMBERED).max(axis=1)[:-1]
    height = np.maximum.accumulate(np.column_stack((before, hours[_REMEMBERED:])), axis=1)
    share = _DENSITY * np.diff(height, axis=1).ravel()
    return np.minimum(share[-len(level) :], 0.02)


def _index(minutes: Ints, nodes: int) -> Ints:
    return minutes[:, None] * 64 + np.arange(nodes)


def _one(value: int = 0) -> Ints:
    return np.array([value], dtype=np.int64)
