"""Every rule looked at with every sample, composites as well: slow, and what the fast engine is held to."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from alerts.compound import Compound, LegState
from alerts.conditions import leaves, metrics_of
from alerts.engine import (
    change_at,
    is_back,
    is_beyond,
    is_known,
    is_news,
    is_risen,
    look,
    usable,
)
from alerts.parts import tree
from alerts.types import (
    AlertRule,
    AlertState,
    Cross,
    Event,
    Metric,
    Op,
    Repeat,
    Rise,
    Sample,
    State,
)

Found = tuple[int, int, float, int]  # rule id, ts, value, transition


@dataclass(slots=True)
class _Whole:
    """A rule of parts, and how often it fired in all."""

    compound: Compound
    transition: int


class Naive:
    """Rules of one subject each. `thin` is the least time between two samples a change is measured against."""

    def __init__(
        self, fresh: Callable[[Metric], int], thin: Callable[[Metric], int] = lambda _metric: 0
    ) -> None:
        self._fresh, self._thin = fresh, thin
        self._rules: dict[int, AlertRule] = {}
        self._states: dict[int, AlertState] = {}
        self._wholes: dict[int, _Whole] = {}
        self._past: dict[Metric, list[Sample]] = {}
        self._newest: dict[Metric, int] = {}
        self._bars: dict[Metric, int] = {}
        self._last: dict[Metric, Sample] = {}
        self._turned = 0
        self._looked: dict[int, int] = {}  # ts of the last sample that was really looked at

    def add(self, rule: AlertRule, state: AlertState) -> None:
        """Look at a rule from now on; it counts as looked at up to the newest sample."""
        self._rules[rule.id] = rule
        if isinstance(rule.condition, Cross | State | Rise | Event):
            newest = self._newest.get(rule.condition.metric, 0)
            self._states[rule.id] = replace(state, last_ts=max(state.last_ts, newest))
            if state.last_ts <= newest:
                self._looked[rule.id] = newest
            return
        legs = [LegState.of(leaf, self._fresh(leaf.metric)) for leaf in leaves(rule.condition)]
        compound = Compound(
            root=tree(rule.condition), legs=legs, repeat=rule.repeat, cooldown=rule.cooldown
        )
        compound.recall(state)
        for leg in legs:
            leg.ts = max(leg.ts, self._newest.get(leg.leaf.metric, 0))
            leg.bar = max(leg.bar, self._bars.get(leg.leaf.metric, 0))
        for leg in legs:
            last = None if state.memory else self._last.get(leg.leaf.metric)
            if last is not None and _learn(leg, last, self._past[leg.leaf.metric]):
                compound.begin(compound.moment(self._turned))
        self._wholes[rule.id] = _Whole(compound, state.transition)

    def remove(self, rule_id: int) -> None:
        """Forget a rule, and what nobody asks for any more."""
        del self._rules[rule_id]
        self._states.pop(rule_id, None)
        self._wholes.pop(rule_id, None)
        used = self._used()
        for kept in (self._past, self._newest, self._bars, self._last):
            for metric in [each for each in kept if each not in used]:
                del kept[metric]

    def _used(self) -> set[Metric]:
        return {metric for rule in self._rules.values() for metric in metrics_of(rule.condition)}

    def _happens(self, metric: Metric) -> bool:
        """Whether it is of things that happen, of which several may share a moment."""
        asked = [leaf for rule in self._rules.values() for leaf in leaves(rule.condition)]
        return any(isinstance(leaf, Event) and leaf.metric == metric for leaf in asked)

    def state(self, rule_id: int) -> AlertState:
        """Where a rule stands."""
        if rule_id in self._states:
            return self._states[rule_id]
        whole = self._wholes[rule_id]
        compound = whole.compound
        return AlertState(
            rule_id=rule_id, armed=compound.armed, side=compound.side, fired_ts=compound.fired_ts,
            fired_count=compound.fired_count, transition=whole.transition, bar_ts=compound.bar_ts,
            last_ts=compound.looked(), memory=compound.memory(),
        )  # fmt: skip

    def take(self, metric: Metric, sample: Sample, *, again: bool = False) -> list[Found]:
        """One sample. `again`: one of the same moment as the newest is looked at too, as ticks are."""
        if not math.isfinite(sample.value) or metric not in self._used():
            return []
        past = self._past.setdefault(metric, [])
        newest = self._newest.get(metric, 0)
        if sample.ts < newest:
            return []
        again = again and sample.ts == newest
        if sample.ts == newest and not (again or sample.rebased or self._happens(metric)):
            return []
        samples = [*past, sample]
        if not past or sample.ts >= past[-1].ts + self._thin(metric):
            past.append(sample)
        self._newest[metric], self._bars[metric] = sample.ts, sample.bar_ts
        self._last[metric] = sample
        for whole in self._wholes.values():
            for leg in whole.compound.legs:
                leg.bar = max(leg.bar, self._bars.get(leg.leaf.metric, 0))
        found = [
            *self._leaves(metric, sample, samples, again=again),
            *self._composites(metric, sample, samples, newest, again=again),
        ]
        return sorted(found)

    def _leaves(
        self, metric: Metric, sample: Sample, samples: Sequence[Sample], *, again: bool
    ) -> list[Found]:
        found: list[Found] = []
        for rule_id, state in self._states.items():
            rule = self._rules[rule_id]
            if rule.condition.metric != metric:  # type: ignore[union-attr]
                continue
            same = again and sample.ts == self._looked.get(rule_id)
            if is_known(rule.condition, state, sample) and (
                not same or isinstance(rule.condition, Event)
            ):
                continue
            self._looked[rule_id] = sample.ts
            after, signal = look(rule, state, sample, samples)
            self._states[rule_id] = after
            if signal is not None:
                found.append((rule_id, sample.ts, signal.value, after.transition))
        return found

    def _composites(
        self, metric: Metric, sample: Sample, samples: Sequence[Sample], newest: int, *, again: bool
    ) -> list[Found]:
        found: list[Found] = []
        for rule_id, whole in self._wholes.items():
            legs = [leg for leg in whole.compound.legs if leg.leaf.metric == metric]
            new = [leg for leg in legs if _is_new(leg, sample, again=again)]
            taught = [leg for leg in legs if leg not in new and _learn(leg, sample, samples)]
            legs = new
            if taught:
                whole.compound.begin(whole.compound.moment(max(sample.ts, self._turned)))
            if not legs:
                continue
            lapsed = [
                leg for leg in legs if leg.fresh and leg.ts and sample.ts - leg.ts > leg.fresh
            ]
            for leg in lapsed:
                leg.forget()
            if lapsed:
                found += self._judge(rule_id, sample.ts)
            for leg in legs:
                _see(leg, sample, samples)
            found += self._judge(rule_id, sample.ts)
        return found

    def _judge(self, rule_id: int, ts: int) -> list[Found]:
        whole = self._wholes[rule_id]
        now = whole.compound.moment(max(ts, self._turned))
        if not whole.compound.judge(now):
            return []
        whole.transition += 1
        return [(rule_id, now, math.nan, whole.transition)]

    def unknown(self, metric: Metric) -> list[Found]:
        """A figure is not known any more."""
        self._last.pop(metric, None)
        found: list[Found] = []
        for rule_id, whole in self._wholes.items():
            legs = [leg for leg in whole.compound.legs if leg.leaf.metric == metric]
            for leg in legs:
                leg.forget()
            if legs:
                found += self._judge(rule_id, 0)
        return sorted(found)

    def turn(self, now: int) -> list[Found]:
        """Judge all by what they say now."""
        self._turned = max(self._turned, now)
        found: list[Found] = []
        for rule_id in self._wholes:
            found += self._judge(rule_id, now)
        return sorted(found)


def _is_new(leg: LegState, sample: Sample, *, again: bool) -> bool:
    if sample.ts > leg.ts:
        return True
    same = sample.ts == leg.ts
    return same and (again or sample.rebased or isinstance(leg.leaf, Event))


def _see(leg: LegState, sample: Sample, samples: Sequence[Sample]) -> None:
    """What a sample says of a leaf."""
    leaf, value = leg.leaf, sample.value
    leg.pulse = False
    match leaf:
        case State() if is_beyond(leaf, value):
            leg.truth = True
        case State() if leg.truth is None or is_back(leaf, value):
            leg.truth = False
        case Rise():
            leg.truth = _is_risen(leaf, sample, samples)
        case Event():
            leg.pulse, leg.truth = is_news(leaf, usable(sample, leg.ts)), False
        case Cross():
            _cross(leg, leaf, sample)
    leg.ts, leg.value, leg.taught = sample.ts, value, 0


def _learn(leg: LegState, sample: Sample, samples: Sequence[Sample]) -> bool:
    """How the figure stood before the leg was there; it cannot fire by that."""
    if not leg.may_learn():
        return False
    plain = Sample(ts=sample.ts, value=sample.value)
    match leg.leaf:
        case State() as leaf:
            leg.truth = is_beyond(leaf, sample.value)
        case Rise() as leaf:
            leg.truth = _is_risen(leaf, plain, samples)
        case Cross() as leaf:
            if leg.side == 0 or leg.taught:
                leg.armed, leg.side = True, 0
                _cross(leg, leaf, plain)
            leg.truth = False
    leg.taught = sample.ts
    return True


def _is_risen(leaf: Rise, sample: Sample, samples: Sequence[Sample]) -> bool | None:
    change = change_at(leaf, AlertState(rule_id=0), sample, samples)
    return None if change is None else is_risen(leaf, change)


def _cross(leg: LegState, leaf: Cross, sample: Sample) -> None:
    rule = AlertRule(
        id=0, chat_id=0, owner_id=0, kind="", text="", condition=leaf, coin="",
        repeat=Repeat.ALWAYS,
    )  # fmt: skip
    state = AlertState(rule_id=0, armed=leg.armed, side=leg.side, last_ts=leg.ts)
    after, signal = look(rule, state, sample, ())
    leg.armed = after.armed
    leg.side = after.side if leaf.op is Op.EITHER else 1  # that it is known is enough
    leg.pulse, leg.truth = signal is not None, False
