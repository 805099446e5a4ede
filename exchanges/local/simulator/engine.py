"""One coin from the start on, second by second: outside moves, scenarios and the forced closes they set off."""

from dataclasses import dataclass, field

import numpy as np

from exchanges.local.simulator.climate import (
    DAY_MINUTES,
    Climate,
    climate,
    interest,
    peg,
    second_draws,
)
from exchanges.local.simulator.coins import Coin, instruments
from exchanges.local.simulator.noise import Floats, Ints, key, normal
from exchanges.local.simulator.paths import Forced, History, Stretch, busy, leaning
from exchanges.local.simulator.positions import Ledger
from exchanges.local.simulator.scenarios import Event, Push
from market.types import MINUTE

SECONDS = 60
DEPTH = 0.035  # of a usual day's volume rests within 1 % of the price, on each side and over all exchanges
_CAP = 0.003  # log price that forced orders can take out in one second; the rest waits
_BARGAIN = 40.0  # how much resting orders grow with the impact so far (log price)
_LASTING = 0.35  # of the impact of forced orders; what remains fades
_FADE = 0.5 ** (1 / 240)  # a second
_TURNOVER = 1 / (2 * DAY_MINUTES)  # of the positions is replaced in a minute
_REBUILD = 1 / DAY_MINUTES  # of the open interest lost to forced closes comes back in a minute
_WORTHWHILE = 0.01  # of the open interest has to be within reach of a selling scenario
_ENTRY_HOURS = 240  # of the past, from which the positions at the start come
Swept = list[tuple[int, Floats, Floats]]  # second, coins of longs and of shorts by exchange


@dataclass(slots=True, kw_only=True)
class State:
    """What one minute hands to the next."""

    level: float  # log price without the fading impact and without scenarios
    price: float  # log price at the last second
    impact: float = 0.0  # fading part
    waiting: float = 0.0  # USD of forced sells (buys below 0) not yet executed
    lost: float = 0.0  # share of open interest closed by force and not rebuilt
    interest: Floats = field(default_factory=lambda: np.zeros(0))  # coins per exchange
    ledger: Ledger

    def copy(self) -> "State":
        """A state that can go its own way."""
        return State(
            level=self.level, price=self.price, impact=self.impact, waiting=self.waiting, lost=self.lost,
            interest=self.interest.copy(), ledger=self.ledger.copy(),
        )  # fmt: skip


@dataclass(slots=True, kw_only=True)
class Minute:
    """A finished minute: arrays of 60 seconds."""

    interest: Floats  # coins per exchange at its start
    price: Floats
    activity: Floats
    lean: Floats
    depth: Floats  # of the book, relative to the usual
    prints: Floats  # trades of each side, at least
    forced: Forced | None


class Engine:
    """Steps one coin on, whole minutes at a time; a minute only depends on those before it."""

    def __init__(self, seed: int, coin: Coin, history: History, *, positions: bool = True) -> None:
        self._seed, self.coin, self._history = seed, coin, history
        self.start = history.start
        self.exchanges = tuple(i.exchange for i in instruments(coin) if i.perp)
        self.events: list[Event] = []
        self._minutes: list[Minute] = []
        self._days: dict[int, tuple[Climate, Floats, Floats]] = {}
        self._positions = positions
        self._state: State | None = None
        self._before: State | None = (
            None  # the state before the newest minute, in case that is lived again
        )

    @property
    def daily(self) -> float:
        """Deviation of a usual day's log return."""
        return self.coin.daily

    def cluster_below(self) -> float:
        """Log distance down to the nearest dense cluster of long positions, 0 without any."""
        state = self._now()
        enough = _WORTHWHILE * float(state.interest.sum())
        distance = 0.0
        for farthest in (1.2, 2.0, 3.0):
            distance, mass = state.ledger.densest_long(
                state.price, 0.4 * self.daily, farthest * self.daily
            )
            if mass > enough:
                break
        return distance

    def minute(self, minute: int) -> Minute:
        """The minute with that number; `self.start` is the first."""
        while self.start + len(self._minutes) <= minute:
            self._minutes.append(self._step(self.start + len(self._minutes)))
        return self._minutes[minute - self.start]

    def rewind(self, minute: int) -> None:
        """Forget the newest minute if it is that one, because a scenario has been added to it."""
        if self._before is not None and minute - self.start == len(self._minutes) - 1:
            self._state, self._before = self._before, None
            self._minutes.pop()

    def stretch(self, first: int, last: int) -> Stretch:
        """The minutes first <= m < last."""
        rows = [self.minute(minute) for minute in range(first, last)]
        hits = [(i, row.forced) for i, row in enumerate(rows) if row.forced]
        forced = None
        if hits:
            forced = Forced(
                exchanges=self.exchanges,
                points=np.concatenate([i * SECONDS + hit.points for i, hit in hits]),
                longs=np.concatenate([hit.longs for _, hit in hits], axis=1),
                shorts=np.concatenate([hit.shorts for _, hit in hits], axis=1),
            )
        return Stretch(
            minutes=np.arange(first, last, dtype=np.int64),
            price=np.array([row.price for row in rows]),
            activity=np.array([row.activity for row in rows]),
            lean=np.array([row.lean for row in rows]),
            prints=np.array([row.prints for row in rows]),
            forced=forced,
        )

    def interest(self, exchange: str, ts: int) -> float:
        """Open interest in coins at `ts`, which is not before the start."""
        minute = self.minute(ts // MINUTE)
        amount = float(minute.interest[self.exchanges.index(exchange)])
        if minute.forced:
            over = minute.forced.points < ts % MINUTE // 1000  # the running second shows after it
            longs, shorts = minute.forced.of(exchange)
            amount -= float(longs[over].sum() + shorts[over].sum())
        return amount

    def _now(self) -> State:
        if self._state is None:
            self._state = self._first_state()
        return self._state

    def _first_state(self) -> State:
        history, coin = self._history, self.coin
        price = float(history.close[-1])
        start = np.array([self.start], dtype=np.int64)
        held = (
            [float(history.interest(name, start)[0]) for name in self.exchanges]
            if coin.interest
            else []
        )
        ledger = Ledger(len(held), price, coin.leverage)
        if self._positions and held:
            _fill(ledger, history, np.array(held), key(self._seed, coin.base, "entries"))
        return State(level=price, price=price, lost=0.0, interest=np.array(held), ledger=ledger)

    def _step(self, minute: int) -> Minute:
        """Live through one minute."""
        state = self._now()
        self._before = state.copy()
        push = self._push(minute)
        weather, _, _ = self._day(minute // DAY_MINUTES)
        row = minute % DAY_MINUTES
        common, alone = second_draws(self._seed, self.coin, minute // 60)
        scale = push.calm / np.sqrt(SECONDS)
        factor, own = self.coin.beta * weather.factor[row], weather.own[row]
        steps = (factor * common[minute % 60] + own * alone[minute % 60]) * scale
        opening, held, forced = state.price, state.interest, None
        if self.coin.pegged:
            price = _pegged(self._seed, self.coin, minute)
        else:
            price, swept = _live(state, steps, push, DEPTH * self.coin.volume)
            forced = self._forced(swept)
        state.level += float(steps.sum())
        state.price = float(price[-1])
        move = np.diff(np.append(opening, price)) / (float(weather.usual[row]) / np.sqrt(SECONDS))
        activity = float(weather.activity[row]) * busy(move) * push.busy
        if push.least.any():
            activity = np.maximum(activity, push.least * self._usual_activity(minute))
        lean = (
            leaning(move, np.full(SECONDS, weather.lean[row])) * (1 - push.hold)
            + push.lean * push.hold
        )
        if self.exchanges:
            self._turn_over(state, minute, forced)
        return Minute(
            interest=held,
            price=price,
            activity=activity,
            lean=lean,
            depth=push.depth,
            prints=push.prints,
            forced=forced,
        )

    def _forced(self, swept: Swept) -> Forced | None:
        if not swept:
            return None
        return Forced(
            exchanges=self.exchanges,
            points=np.array([second for second, _, _ in swept], dtype=np.int64),
            longs=np.array([longs for _, longs, _ in swept]).T,
            shorts=np.array([shorts for _, _, shorts in swept]).T,
        )

    def _push(self, minute: int) -> Push:
        push = Push()
        for event in self.events:
            if event.at // MINUTE == minute:
                event.begin(self)
            if event.at // MINUTE <= minute:
                event.apply(push, minute)
        return push

    def _turn_over(self, state: State, minute: int, forced: Forced | None) -> None:
        """Positions that people open and close by choice, and the open interest that results."""
        _, levels, lumps = self._day(minute // DAY_MINUTES)
        row = minute % DAY_MINUTES
        growth = levels[:, row + 1] - levels[:, row]
        if forced:
            gone = (forced.longs + forced.shorts).sum(axis=1)
            state.lost += float(gone.sum() / state.interest.sum())
            state.interest = state.interest - gone
            growth = np.minimum(growth, 0.0)
        else:
            growth = growth + state.lost * _REBUILD
            state.lost *= 1 - _REBUILD
        opened = (_TURNOVER * float(lumps[row]) + np.maximum(growth, 0.0)) * state.interest
        state.interest = state.interest * np.exp(growth)
        if self._positions:
            state.ledger.close(_TURNOVER + max(0.0, -float(growth.mean())))
            state.ledger.open(state.price, opened)
            state.ledger.find_edges()

    def _day(self, day: int) -> tuple[Climate, Floats, Floats]:
        """A day's weather; by minute the usual log open interest of each exchange and the zeal of new positions."""
        if day not in self._days:
            minutes: Ints = np.arange(
                day * DAY_MINUTES, (day + 1) * DAY_MINUTES + 1, dtype=np.int64
            )
            levels = [interest(self._seed, self.coin, name, minutes) for name in self.exchanges]
            lumps = np.exp(0.8 * normal(key(self._seed, self.coin.base, "opens"), minutes) - 0.32)
            self._days[day] = (
                climate(self._seed, self.coin, minutes[:-1]),
                np.array(levels),
                lumps,
            )
        return self._days[day]

    def _usual_activity(self, minute: int) -> float:
        """Mean of the last day or of this minute, whichever is livelier."""
        minutes: Ints = np.arange(minute - DAY_MINUTES, minute + 1, dtype=np.int64)
        recent = climate(self._seed, self.coin, minutes).activity
        return float(max(recent.mean(), recent[-1]))


def _live(state: State, steps: Floats, push: Push, depth: float) -> tuple[Floats, Swept]:
    """Sixty seconds of price, and the positions swept in them.

    Passed liquidation prices become market orders, which move the price further. `depth` is USD per 1 % of price.
    """
    outside = (state.level + np.cumsum(steps) + push.drive).tolist()
    thickness = (push.depth * depth / 0.01).tolist()
    ledger = state.ledger
    price = np.empty(SECONDS)
    swept: Swept = []
    lasting = 0.0
    for second in range(SECONDS):
        state.impact *= _FADE
        here = outside[second] + lasting + state.impact
        if here < ledger.next_long or here > ledger.next_short:
            longs, shorts = ledger.sweep(here)
            swept.append((second, longs, shorts))
            state.waiting += float(longs.sum() - shorts.sum()) * float(np.exp(here))
        if state.waiting:
            supply = thickness[second] * (1 + _BARGAIN * abs(state.impact))
            move = min(max(state.waiting / supply, -_CAP), _CAP)
            state.waiting = 0.0 if abs(move) < _CAP else state.waiting - move * supply
            state.impact -= (1 - _LASTING) * move
            lasting -= _LASTING * move
        price[second] = here
    state.level += lasting
    return price, swept


def _pegged(seed: int, coin: Coin, minute: int) -> Floats:
    ends = peg(seed, coin, np.array([minute, minute + 1], dtype=np.int64))
    return ends[0] + (ends[1] - ends[0]) * np.arange(1, SECONDS + 1) / SECONDS


def _fill(ledger: Ledger, history: History, held: Floats, stream: int) -> None:
    """Positions that were opened over the last days of the past and are still there."""
    hours = history.close[-_ENTRY_HOURS * 60 :].reshape(_ENTRY_HOURS, 60)
    entries = hours[:, -1]
    low = np.minimum.accumulate(hours.min(axis=1)[::-1])[::-1]
    high = np.maximum.accumulate(hours.max(axis=1)[::-1])[::-1]
    age = np.arange(_ENTRY_HOURS, 0, -1)
    kept = np.exp(-age / 120) / 120 + np.exp(-age / 10) / 10  # investors and day traders
    weight = kept * np.exp(0.7 * normal(stream, history.start // 60 - age.astype(np.int64)))
    weight /= weight.sum()
    low = np.minimum(np.append(low[1:], np.inf), entries)
    high = np.maximum(np.append(high[1:], -np.inf), entries)
    ledger.fill(entries, held[:, None] * weight, low, high)
