"""Scenarios: outside pushes on the order flow of one coin, on top of what the market does by itself.

A push says how hard takers lean, how much more they trade and where they drive the price. What follows
from it (forced closes, further falls, open interest, funding) is the market's own doing.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from exchanges.local.simulator.coins import COINS
from exchanges.local.simulator.noise import Flags, Floats, key
from market.types import EXCHANGES, MINUTE

NAMES = ("calm", "volume-spike", "cascade", "divergence", "funding-squeeze", "outage", "burst")
OUTAGE = 90_000  # ms
_FIRST, _EVERY = 60.0, 600.0  # seconds after the start
_CRUMBS = 3500.0  # below what a point of the tape has random numbers for
_BAR = 15  # minutes of the candle a volume spike is made for
_BASES = {coin.base: coin for coin in COINS}


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """What is to happen, `seconds` of market time after the start. `symbol` is a coin (outage: or an exchange)."""

    name: str
    symbol: str = "BTC"
    seconds: float = _FIRST


def parse_scenarios(text: str) -> tuple[Scenario, ...]:
    """`name[:SYMBOL][@seconds],...`; without a time the first comes after a minute, the others ten minutes apart."""
    found: list[Scenario] = []
    for part in text.split(","):
        if not (word := part.strip()):
            continue
        rest, _, when = word.partition("@")
        name, _, symbol = rest.partition(":")
        seconds = _seconds(when, word) if when else _FIRST + _EVERY * len(found)
        found.append(
            check(
                Scenario(name=name.strip().lower(), symbol=symbol.strip() or "BTC", seconds=seconds)
            )
        )
    return tuple(found)


def check(scenario: Scenario) -> Scenario:
    """The scenario with its symbol in canonical form; ValueError where it names nothing that exists."""
    symbol = scenario.symbol.upper()
    if scenario.name not in NAMES:
        raise ValueError(f"There is no scenario {scenario.name!r}: choose from {', '.join(NAMES)}.")
    if scenario.name == "outage" and scenario.symbol.lower() in EXCHANGES:
        return Scenario(
            name=scenario.name, symbol=scenario.symbol.lower(), seconds=scenario.seconds
        )
    if symbol not in _BASES or (_BASES[symbol].pegged and scenario.name != "outage"):
        raise ValueError(
            f"The simulated market has no coin {scenario.symbol!r} to play {scenario.name} on."
        )
    return Scenario(name=scenario.name, symbol=symbol, seconds=scenario.seconds)


def _seconds(text: str, word: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds < 1e9:
        raise ValueError(f"The time of {word!r} has to be seconds after the start, such as @90.")
    return seconds


@dataclass(slots=True, kw_only=True)
class Push:
    """The working of scenarios on the 60 seconds of one minute (arrays of 60)."""

    calm: Floats = field(default_factory=lambda: np.ones(60))  # factor on deviations
    drive: Floats = field(
        default_factory=lambda: np.zeros(60)
    )  # log price level added by the scenario
    busy: Floats = field(default_factory=lambda: np.ones(60))  # factor on activity
    least: Floats = field(
        default_factory=lambda: np.zeros(60)
    )  # activity is at least so many times the day's mean
    lean: Floats = field(
        default_factory=lambda: np.zeros(60)
    )  # taker imbalance instead of the usual
    hold: Floats = field(
        default_factory=lambda: np.zeros(60)
    )  # how much of the imbalance is the scenario's
    depth: Floats = field(default_factory=lambda: np.ones(60))  # factor on resting orders
    prints: Floats = field(
        default_factory=lambda: np.zeros(60)
    )  # trades of each side and instrument in a second, at least


class Ground(Protocol):
    """What a scenario may look at when it begins."""

    def cluster_below(self) -> float:
        """Log distance down to the nearest dense cluster of long positions, 0 without any."""
        ...

    @property
    def daily(self) -> float:
        """Deviation of a usual day's log return."""
        ...


class Event:
    """One scenario at work on one coin from `at` (ms) on."""

    def __init__(self, seed: int, scenario: Scenario, at: int) -> None:
        self.scenario, self.at = scenario, at
        self.mirrored = key(seed, "mirror", scenario.symbol, at) % 2 == 1
        self.reach = 0.0  # log distance a selling scenario aims for

    def begin(self, ground: Ground) -> None:
        """Look at the market the moment it starts."""
        near = 0.35 * ground.daily
        self.reach = ground.cluster_below() or near
        self._unit = ground.daily / 0.022  # how much wilder than Bitcoin

    def apply(self, push: Push, minute: int) -> None:
        """Add this scenario's working in that minute."""
        age = (minute * MINUTE - self.at) / 1000.0 + np.arange(60.0)
        {
            "calm": self._calm,
            "volume-spike": self._spike,
            "cascade": self._cascade,
            "divergence": self._divergence,
            "funding-squeeze": self._squeeze,
            "burst": self._burst,
        }[self.scenario.name](push, age)

    def _calm(self, push: Push, age: Floats) -> None:
        on = (age >= 0) & (age < 600)
        push.calm[on] *= 0.35
        push.busy[on] *= 0.7

    def _spike(self, push: Push, age: Floats) -> None:
        """Keep to one 15-minute candle where it can; a short rest of a candle is made up for in strength."""
        left = _BAR * 60 - self.at // 1000 % (_BAR * 60)
        length = float(min(left, 360)) if left >= 180 else 360.0
        inside = max(min(left, length), length - min(left, length))
        on = (age >= 0) & (age < length)
        push.least[on] = np.maximum(push.least[on], 10.0 if inside >= 270 else 3000.0 / inside)
        _lean(push, on, 0.38, 0.8)
        push.drive += 0.0035 * self._unit * _ramp(age, 0, length)

    def _cascade(self, push: Push, age: Floats) -> None:
        """Ninety seconds of selling into the cluster while buyers step back; a third of the way is bought back."""
        on = (age >= 0) & (age < 90)
        push.busy[on] *= 5.0
        _lean(push, on, -0.55, 0.85)
        push.depth[(age >= 0) & (age < 240)] *= 0.35
        push.drive -= self.reach * 1.03 * (_ramp(age, 0, 75) - 0.33 * _ramp(age, 300, 1500))

    def _divergence(self, push: Push, age: Floats) -> None:
        """Two highs of price, the second higher, while takers who bought the first sell the second."""
        sign = -1.0 if self.mirrored else 1.0
        on = (age >= 0) & (age < 2100)
        push.calm[on] *= 0.4
        push.busy[on] *= 2.5
        push.depth[on] *= 3.0
        path = 8 * _ramp(age, 0, 480) - 6 * _ramp(age, 480, 960) + 10 * _ramp(age, 960, 1500)
        push.drive += sign * self._unit * 5e-4 * (path - 8 * _ramp(age, 1500, 2100))
        for first, last, lean in (
            (0, 480, 0.30),
            (480, 960, -0.45),
            (960, 1500, -0.18),
            (1500, 2100, -0.2),
        ):
            _lean(push, (age >= first) & (age < last), sign * lean, 0.95)

    def _squeeze(self, push: Push, age: Floats) -> None:
        """Longs pile in for eight minutes, then sellers find them."""
        rise, fall = (age >= 0) & (age < 480), (age >= 480) & (age < 570)
        push.busy[rise] *= 2.0
        _lean(push, rise, 0.3, 0.7)
        push.busy[fall] *= 5.0
        _lean(push, fall, -0.5, 0.85)
        push.depth[(age >= 480) & (age < 660)] *= 0.4
        up = 0.006 * self._unit
        push.drive += up * _ramp(age, 0, 480) - (up + self.reach) * _ramp(age, 480, 555)

    def _burst(self, push: Push, age: Floats) -> None:
        """Fifteen seconds of heavy trading in crumbs: 40,000 to 100,000 trades on each of Bitcoin's instruments."""
        on = (age >= 0) & (age < 15)
        push.least[on] = np.maximum(push.least[on], 25.0)
        push.prints[on] = _CRUMBS
        _lean(push, on, 0.0, 1.0)


def premium_push(events: Sequence[Event], ts: Floats) -> Floats:
    """What funding squeezes add to the premium at the times `ts` (ms)."""
    total = np.zeros(len(ts))
    for event in events:
        if event.scenario.name == "funding-squeeze":
            age = (ts - event.at) / 1000.0
            total += 0.004 * (_ramp(age, 0, 420) - _ramp(age, 480, 600)) - 0.0006 * (
                _ramp(age, 500, 600) - _ramp(age, 1800, 5400)
            )
    return total


def _lean(push: Push, where: Flags, lean: float, hold: float) -> None:
    push.lean[where], push.hold[where] = lean, hold


def _ramp(age: Floats, first: float, last: float) -> Floats:
    """0 before `first`, 1 from `last` on."""
    return np.clip((age - first) / (last - first), 0.0, 1.0)
