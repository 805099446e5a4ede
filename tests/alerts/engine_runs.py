"""The fast engine and the naive one over the same random rules and samples, side by side."""

import json
import random
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from alerts.conditions import is_simple
from alerts.fast.changes import spacing
from alerts.fast.engine import Engine
from alerts.naive import Found, Naive
from alerts.types import (
    AlertRule,
    AlertState,
    AllOf,
    AnyOf,
    Condition,
    Cross,
    Event,
    For,
    Leaf,
    Metric,
    Not,
    Op,
    Repeat,
    Rise,
    Sample,
    State,
    Then,
)

COIN = "binance:BTC/USDT:USDT"
PRICE = Metric(subject=COIN, name="price")
FUNDING = Metric(subject=COIN, name="funding")
RATIO = Metric(subject=COIN, name="volume_ratio", timeframe="15m")
CHANGE = Metric(subject=COIN, name="price", window=20_000)
SLOW = Metric(subject="*:BTC", name="open_interest", window=300_000)
WHALE = Metric(subject=COIN, name="whale")
FRESH = {PRICE: 30_000, FUNDING: 60_000, RATIO: 200_000, CHANGE: 30_000, SLOW: 90_000, WHALE: 1}
LEVELS = (96.0, 98.0, 99.0, 100.0, 100.0, 100.5, 101.0, 103.0)
BARRED = (RATIO,)  # only taken, with candles


def fresh(metric: Metric) -> int:
    return FRESH[metric]


def thin(metric: Metric) -> int:
    return spacing(metric.window) if metric.window else 10**12


def leaf(chance: random.Random) -> Leaf:
    kind = chance.random()
    if kind < 0.12:
        amount = chance.choice((0.5, 1.0, 2.0)) * chance.choice((1, -1))
        relative = chance.random() < 0.5
        metric = chance.choice((CHANGE, SLOW))
        return Rise(metric=metric, amount=amount / 100 if relative else amount, relative=relative)
    level, op = chance.choice(LEVELS), chance.choice((Op.ABOVE, Op.BELOW))
    if kind < 0.2:
        return Event(metric=WHALE, op=chance.choice(tuple(Op)), level=level)
    metric = chance.choice((PRICE, FUNDING, RATIO))
    band = chance.choice((None, None, 0.0, 0.5, 2.0))
    rearm = None if band is None else level + (band if op is Op.BELOW else -band)
    if kind < 0.4:
        return State(metric=metric, op=op, level=level, rearm=rearm)
    if kind < 0.55:
        op = Op.EITHER
    return Cross(metric=metric, op=op, level=level, rearm=rearm, touch=chance.random() < 0.5)


def crossing(chance: random.Random) -> Cross:
    """Of the price, near where it is."""
    level, op = chance.choice((*LEVELS, chance.uniform(97, 103))), chance.choice(tuple(Op))
    rearm = chance.choice((None, level + chance.choice((0.0, 0.4)) * (1 if op is Op.BELOW else -1)))
    return Cross(metric=PRICE, op=op, level=level, rearm=rearm, touch=chance.random() < 0.5)


def condition(chance: random.Random, depth: int) -> Condition:
    kind = chance.random()
    if depth == 0 or kind < 0.25:
        return leaf(chance)
    if kind < 0.65:
        parts = tuple(condition(chance, depth - 1) for _ in range(chance.choice((2, 2, 3))))
        return (AllOf if kind < 0.5 else AnyOf)(parts=parts)
    if kind < 0.75:
        return Not(part=condition(chance, depth - 1))
    if kind < 0.88:
        duration = chance.choice((1, 2_000, 8_000, 30_000))
        return For(part=condition(chance, depth - 1), duration=duration)
    first, second = condition(chance, depth - 1), condition(chance, depth - 1)
    return Then(first=first, second=second, within=chance.choice((1_000, 10_000, 60_000)))


def rule(chance: random.Random, rule_id: int, share: float) -> AlertRule:
    """`share` of the rules have parts."""
    asked = leaf(chance)
    found = condition(chance, 3) if chance.random() < share else asked
    return AlertRule(
        id=rule_id, chat_id=1, owner_id=1, kind="", text="", condition=found, coin="BTC",
        repeat=chance.choice(tuple(Repeat)),
        cooldown=chance.choice((0, 0, 1, 3_000, 15_000, 25_000, 60_000)),
    )  # fmt: skip


@dataclass
class Side:
    """Where a metric of the walk is."""

    value: float = 100.0
    ts: int = 0
    tickable: bool = False  # the last one was a tick of this engine
    bar: int = 0


@dataclass
class Run:
    """One pair of engines. `check` raises at the first difference."""

    seed: int
    count: int = 6
    share: float = 0.3
    restarts: bool = False
    extremes: bool = True
    crowd: int = 0  # more rules of one price, taken up at once: they step side by side
    ticks: int = 0
    fired: int = 0
    log: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.chance = random.Random(self.seed)
        self.fast, self.naive = Engine(fresh), Naive(fresh, thin)
        self.rules: dict[int, AlertRule] = {}
        self.sides = {metric: Side() for metric in FRESH}
        self.now, self.next_id = 1_000_000, 1
        self.stored: dict[int, AlertState] = {}
        for _ in range(self.count):
            self.add()
        self._load()
        self.keep()

    def _load(self) -> None:
        """Rules with every kind of state that a store may hold."""
        chance, rows = self.chance, []
        for _ in range(self.crowd):
            made = replace(rule(chance, self.next_id, 0), condition=crossing(chance))
            self.next_id += 1
            count = chance.choice((0, 0, 2))
            state = AlertState(
                rule_id=made.id, armed=chance.random() < 0.5, side=chance.choice((-1, 0, 1)),
                last_ts=chance.choice((0, self.now, self.now + 2_000)),
                fired_ts=(self.now - 10_000) * (count > 0), fired_count=count,
                transition=count + chance.choice((0, 1)),
            )  # fmt: skip
            self.rules[made.id] = made
            self.naive.add(made, state)
            rows.append((made.id, made.condition, made.repeat, made.cooldown, (state,), ()))
        self.fast.load(iter(rows))

    def add(self) -> None:
        made = rule(self.chance, self.next_id, self.share)
        self.next_id += self.chance.choice((1, 1, 3))
        since = self.chance.choice((0, self.now, self.now + 3_000))
        state = AlertState(rule_id=made.id, last_ts=since)
        self.rules[made.id] = made
        self._put(made, [state])
        self.naive.add(made, state)

    def _put(self, made: AlertRule, states: list[AlertState]) -> None:
        self.fast.add(
            made.id, made.condition, repeat=made.repeat, cooldown=made.cooldown, states=states
        )

    def remove(self) -> None:
        gone = self.chance.choice(list(self.rules))
        del self.rules[gone]
        self.fast.remove(gone)
        self.naive.remove(gone)
        self.stored.pop(gone, None)

    def keep(self) -> None:
        """What a store would hold: what changed, as of now."""
        for state in self.fast.dirty():
            self.stored[state.rule_id] = state

    def restart(self) -> None:
        """A new engine from all states, or from those that changed and how far the metrics were looked at."""
        old, self.fast = self.fast, Engine(fresh)
        by_marks = self.chance.random() < 0.5
        for state in old.dirty():
            self.stored[state.rule_id] = state
        if by_marks:
            self._mark()
        for made in self.rules.values():
            states = old.states(made.id)
            if by_marks:
                states = [self.stored.get(made.id, states[0])]
            self._put(made, states)
        self.log.append(f"restart by_marks={by_marks}")
        self._mark()
        self._retell()
        for side in self.sides.values():
            side.tickable = False
        self.keep()
        for metric in set(self.naive._newest) - set(self.naive._last):
            self._compare("unknown still", self.fast.unknown(metric), self.naive.unknown(metric))
        if turned := self.naive._turned:  # there is no time before the first turn
            self._compare("turn again", self.fast.turn(turned), self.naive.turn(turned))

    def _mark(self) -> None:
        for metric, ts in self.naive._newest.items():
            side = self.sides[metric]
            self.fast.mark(metric, ts, side.value)
            if metric in BARRED:
                told = Sample(ts=ts, value=side.value, bar_ts=side.bar)
                assert not self.fast.take(metric, told)

    def _retell(self) -> None:
        """The past that changes are measured against is told again."""
        for metric in (CHANGE, SLOW):
            book = self.fast._books.get(metric)
            if book is not None and book.changes is not None:
                for sample in self.naive._past.get(metric, []):
                    book.changes.put(sample.ts, sample.value)

    def step(self) -> None:
        chance = self.chance
        roll = chance.random()
        if roll < 0.01:
            self.add()
        elif roll < 0.02 and len(self.rules) > 3:
            self.remove()
        elif roll < 0.025 and self.restarts:
            self.restart()
        elif roll < 0.05:
            self._turn()
        elif roll < 0.06:
            metric = chance.choice(list(FRESH))
            self._compare(
                f"unknown {metric.name}", self.fast.unknown(metric), self.naive.unknown(metric)
            )
        else:
            self._sample()

    def _turn(self) -> None:
        self.now += self.chance.choice((0, 500, 2_000, 10_000))
        self._compare(f"turn {self.now}", self.fast.turn(self.now), self.naive.turn(self.now))

    def _sample(self) -> None:
        chance = self.chance
        metric = chance.choice((PRICE, PRICE, PRICE, FUNDING, RATIO, CHANGE, CHANGE, SLOW, WHALE))
        side = self.sides[metric]
        self.now += chance.choice(
            (0, 1, 200, 1_000, 1_000, 2_000, 5_000) + (70_000,) * (chance.random() < 0.01)
        )
        lag = chance.choice((0, 0, 0, 0, 300, 3_000, 40_000))
        same = side.tickable and chance.random() < 0.05
        ts = side.ts if same else max(self.now - lag, side.ts + 1)
        before, side.value = side.value, self._walk(side.value)
        value = side.value
        self.ticks += 1
        take = metric in BARRED or (chance.random() < 0.3 and not same)
        if not take:
            side.ts, side.tickable = ts, True
            fired = self.fast.tick(metric, ts, value)
            found = self.naive.take(metric, Sample(ts=ts, value=value), again=True)
            self._compare(f"tick {metric.name} {ts} {value!r}", fired, found)
            return
        sample = self._taken(metric, side, ts, value)
        if sample.ts == side.ts and metric != WHALE and not sample.rebased:
            side.value = before  # refused
        side.ts, side.tickable = sample.ts, False
        self._compare(
            f"take {metric.name} {sample}",
            self.fast.take(metric, sample),
            self.naive.take(metric, sample),
        )

    def _walk(self, value: float) -> float:
        chance = self.chance
        roll = chance.random()
        if roll < 0.35:
            return chance.choice(LEVELS)  # exactly a level
        if roll < 0.45:
            return chance.choice(LEVELS) * (
                1 + chance.choice((1, -1)) * chance.choice((1e-9, 5e-10, 2e-9, 1e-15))
            )
        if roll < 0.5:
            return value
        if roll < 0.55:
            return chance.choice((60.0, 150.0))
        return round(
            100 + (value - 100) * 0.8 + chance.choice((-1.5, -0.5, -0.1, 0.1, 0.5, 1.5)), 2
        )

    def _taken(self, metric: Metric, side: Side, ts: int, value: float) -> Sample:
        chance = self.chance
        bar = 0
        if metric in BARRED:
            side.bar += chance.choice((0, 900, 900))
            bar = side.bar
        low = high = since = None
        if self.extremes and chance.random() < 0.6:
            low, high = (
                value - chance.choice((0.0, 0.5, 3.0)),
                value + chance.choice((0.0, 0.5, 3.0)),
            )
            since = chance.choice((None, side.ts, side.ts, side.ts - 1, ts - 1))
        if metric == WHALE and side.ts and chance.random() < 0.3 and not side.tickable:
            ts = side.ts
        began = None
        if metric == WHALE and chance.random() < 0.5:
            began = max(1, ts - chance.choice((0, 1, 1000, 60_000, 400_000)))
        rebased = chance.random() < 0.03
        if side.tickable and metric not in BARRED and chance.random() < 0.05:
            ts = side.ts
        return Sample(
            ts=ts,
            value=value,
            low=low,
            high=high,
            bar_ts=bar,
            since=since,
            rebased=rebased,
            began=began,
        )

    def _compare(self, what: str, fast: Iterable[object], naive: list[Found]) -> None:
        self.log.append(what)
        found = sorted(_row(each) for each in fast)
        self.fired += len(naive)
        plain = {each for each in self.rules if is_simple(self.rules[each].condition)}
        values = [row for row in found if row[0] in plain] == [
            row for row in naive if row[0] in plain
        ]
        if not values or [_key(row) for row in found] != [_key(row) for row in naive]:
            raise AssertionError(self._story(f"{what}: fast {found}, naive {naive}", found, naive))

    def check_states(self) -> None:
        for rule_id, made in self.rules.items():
            mine, theirs = self.fast.states(rule_id)[0], self.naive.state(rule_id)
            if _normal(made, mine) != _normal(made, theirs):
                raise AssertionError(
                    self._story(
                        f"fast {_normal(made, mine)}\nnaive {_normal(made, theirs)}",
                        [(rule_id,)],
                        [],
                    )
                )

    def _story(self, text: str, found: list, naive: list) -> str:
        ids = {row[0] for row in (*found, *naive)}
        rules = "\n".join(str(self.rules.get(each)) for each in ids)
        return f"seed {self.seed}: {text}\n{rules}\n" + "\n".join(self.log[-25:])

    def run(self, steps: int) -> None:
        for n in range(steps):
            self.step()
            if n % 25 == 0:
                self.check_states()
        self.check_states()


def _row(each: object) -> Found:
    state = each.state  # type: ignore[attr-defined]
    return each.rule_id, state.fired_ts, each.value, state.transition  # type: ignore[attr-defined]


def _key(row: Found) -> tuple[object, ...]:
    """The value that met a rule of parts is the fast engine's to say."""
    rule_id, ts, _value, transition = row
    return rule_id, ts, transition


def _normal(made: AlertRule, state: AlertState) -> AlertState:
    """Without what does not matter any more, or is only of one of the two."""
    if not is_simple(made.condition):
        done = made.repeat is Repeat.ONCE and state.fired_count
        if done:
            return replace(state, last_ts=0, memory="", armed=True, side=0)
        memory = json.loads(state.memory)
        memory["legs"] = [
            (*leg[:4], *leg[5:]) for leg in memory["legs"]
        ]  # values are for showing only
        return replace(state, memory=json.dumps(memory))
    if isinstance(
        made.condition, Event
    ):  # of a second one at a moment it fired at the naive one knows nothing
        return replace(state, last_value=None, side=0)
    if made.repeat is Repeat.ONCE and state.fired_count:
        return replace(
            state, armed=True, side=0, last_value=None, last_ts=0, anchor=None, fired_ts=0
        )
    if isinstance(made.condition, Rise):  # of the side no more than that it is known
        return replace(state, side=abs(state.side))
    return state
