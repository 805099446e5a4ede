"""Leaves against samples, rule by rule and sample by sample: plain enough to be the oracle of a faster engine.

A sample tells the newest value and the extremes on the way to it, but not in which order these came. Only
what is certain counts: a rule that is armed fires on an extreme; a rule that has to be armed first is armed
by the opposite extreme, and then fires on the newest value alone.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from alerts.types import (
    AlertRule,
    AlertState,
    Condition,
    Cross,
    Event,
    Leaf,
    Op,
    Repeat,
    Rise,
    Sample,
    Signal,
    State,
)
from market.types import MINUTE

EPSILON = 1e-9
TOLERANCE = (
    330_000  # ms the start of a window may be older than it should: histories come every 5 minutes
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What one sample does to one rule. `hit` is the value that met the condition."""

    armed: bool
    side: int
    hit: float | None = None


def evaluate(
    rule: AlertRule, state: AlertState, samples: Iterable[Sample], now: int
) -> tuple[AlertState, list[Signal]]:
    """The state after all samples newer than `state.last_ts`, and what fired on the way."""
    ordered = sorted(samples, key=lambda each: each.ts)
    signals: list[Signal] = []
    for sample in ordered:
        late = is_known(rule.condition, state, sample) or sample.ts > now
        if late or not math.isfinite(sample.value):
            continue
        state, signal = look(rule, state, sample, ordered)
        if signal is not None:
            signals.append(signal)
    return state, signals


def is_known(condition: Condition, state: AlertState, sample: Sample) -> bool:
    """Whether the rule was looked at with it before. Of things that happen several may share a moment."""
    if isinstance(condition, Event):
        return sample.ts < state.last_ts or sample.ts == state.fired_ts
    return sample.ts <= state.last_ts and not (sample.rebased and sample.ts == state.last_ts)


def leaf_of(rule: AlertRule) -> Leaf:
    """The condition of a rule of one leaf; composites are the business of `alerts.naive`."""
    if isinstance(rule.condition, Cross | State | Rise | Event):
        return rule.condition
    raise TypeError(f"not a leaf: {type(rule.condition).__name__}")


def usable(sample: Sample, looked: int) -> Sample:
    """Without extremes that may be from before the rule looked last."""
    early = sample.since is not None and sample.since < looked
    low, high = (None, None) if early else (_finite(sample.low), _finite(sample.high))
    return replace(sample, low=low, high=high)


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def look(
    rule: AlertRule, state: AlertState, sample: Sample, samples: Sequence[Sample]
) -> tuple[AlertState, Signal | None]:
    """One sample, whether known or not. `samples` are what a change is measured against, in order of ts."""
    sample = usable(sample, state.last_ts)
    learn = state.side == 0 or sample.rebased
    step = _step(rule, state, sample, samples, learn=learn)
    after = replace(
        state, armed=step.armed, side=step.side, last_value=sample.value, last_ts=sample.ts
    )
    if step.hit is None:
        return after, None
    rise = isinstance(rule.condition, Rise)
    anchor = sample.value if rise else state.anchor
    if learn and rise:  # met before anybody looked: measured from here on
        return replace(after, fired_ts=sample.ts, anchor=anchor), None
    fired = replace(
        after,
        anchor=anchor,
        fired_ts=sample.ts,
        fired_count=state.fired_count + 1,
        transition=state.transition + 1,
        bar_ts=max(state.bar_ts, sample.bar_ts),
    )
    signal = Signal(rule=rule, sample=sample, value=step.hit, threshold=threshold(rule))
    return fired, signal


def threshold(rule: AlertRule) -> float:
    """The level, or the change, that was asked for."""
    condition = leaf_of(rule)
    return condition.amount if isinstance(condition, Rise) else condition.level


def _step(
    rule: AlertRule, state: AlertState, sample: Sample, samples: Sequence[Sample], *, learn: bool
) -> Step:
    may_fire = allowed(rule, state, sample)
    match leaf_of(rule):
        case Cross() as condition if learn:
            return _learn(condition, state, sample)
        case Cross(op=Op.EITHER) as condition:
            return _either(condition, state, sample, may_fire=may_fire)
        case Cross() as condition:
            return _cross(condition, state, sample, may_fire=may_fire)
        case State() as condition:
            return _state(rule, condition, state, sample, may_fire=may_fire)
        case Rise() as condition:
            change = change_at(condition, state, sample, samples)
            met = change is not None and is_risen(condition, change)
            side = 1 if met else -1
            return Step(armed=True, side=side, hit=change if met and (may_fire or learn) else None)
        case Event() as condition:
            side = 1 if is_beyond(condition, sample.value) else -1
            untold = is_untold(sample.began, state.fired_ts)
            tells = may_fire and is_news(condition, sample, untold=untold)
            return Step(armed=True, side=side, hit=sample.value if tells else None)


def allowed(rule: AlertRule, state: AlertState, sample: Sample) -> bool:
    """Whether repeat mode, candle and cooldown let the rule fire on this sample."""
    if rule.repeat is Repeat.ONCE and state.fired_count > 0:
        return False
    if rule.repeat is Repeat.PER_BAR and sample.bar_ts <= state.bar_ts:
        return False
    return state.fired_ts == 0 or sample.ts - state.fired_ts >= cooldown(rule)


def cooldown(rule: AlertRule) -> int:
    """Ms of market time between two firings; a rule that is told always has none."""
    return 0 if rule.repeat is Repeat.ALWAYS else rule.cooldown


def is_beyond(condition: Cross | State | Event, value: float) -> bool:
    """Whether `value` is on the side that is waited for; on the level itself only where a touch counts.

    For what happens reaching the level counts, and either way means that far from 0.
    """
    if isinstance(condition, Event) and condition.op is Op.EITHER:
        value = abs(value)
    distance = (value - condition.level) * (-1 if condition.op is Op.BELOW else 1)
    slack = EPSILON * max(abs(condition.level), EPSILON)
    if isinstance(condition, Event) or (isinstance(condition, Cross) and condition.touch):
        return distance >= -slack
    return distance > slack


def is_untold(began: int | None, fired_ts: int) -> bool:
    """Whether a rule has been silent since a happening began; `fired_ts` is 0 of one that never fired."""
    return began is not None and fired_ts < began


def is_news(condition: Event, sample: Sample, *, untold: bool = False) -> bool:
    """Whether what happened is beyond the level, and was not when it was told before: it may only have grown.

    For a rule that rested, or was not there, when it began it is news while it grows (`untold`).
    """
    value = sample.value
    if untold:
        return is_beyond(condition, value)
    before = value
    if sample.low is not None and sample.low < value:
        before = sample.low
    elif sample.high is not None and sample.high > value:
        before = sample.high
    grown = before != value
    return is_beyond(condition, value) and not (grown and is_beyond(condition, before))


def is_back(condition: Cross | State, value: float) -> bool:
    """Whether `value` is far enough on the first side to arm the rule again."""
    if condition.rearm is None:
        return not is_beyond(condition, value)
    return value > condition.rearm if condition.op is Op.BELOW else value < condition.rearm


def _learn(condition: Cross, state: AlertState, sample: Sample) -> Step:
    """Which side the metric is on; it takes a second sample to cross."""
    value = sample.value
    side = 1 if value >= condition.level else -1
    if condition.op is Op.EITHER:
        return Step(armed=True, side=side)
    fresh = state.side == 0
    armed = (fresh or state.armed) and not is_beyond(condition, value)
    return Step(armed=armed or is_back(condition, value), side=side)


def _cross(condition: Cross, state: AlertState, sample: Sample, *, may_fire: bool) -> Step:
    value = sample.value
    side = 1 if value >= condition.level else -1
    far, near = _extremes(sample, 1 if condition.op is Op.ABOVE else -1)
    armed, met = state.armed, far
    if not armed:
        armed, met = is_back(condition, near), value
    if not armed or not is_beyond(condition, met) or not may_fire:
        return Step(armed=armed, side=side)
    return Step(armed=is_back(condition, value), side=side, hit=met)


def _extremes(sample: Sample, direction: int) -> tuple[float, float]:
    """The farthest the metric went in a direction, and in the other one."""
    low = sample.value if sample.low is None else min(sample.low, sample.value)
    high = sample.value if sample.high is None else max(sample.high, sample.value)
    return (high, low) if direction > 0 else (low, high)


def _either(condition: Cross, state: AlertState, sample: Sample, *, may_fire: bool) -> Step:
    """Both ways: `side` is where the metric is known to be, and it has to leave the band to be armed."""
    level, side, value = condition.level, state.side, sample.value
    band = 0.0 if condition.rearm is None else abs(level - condition.rearm)

    def clear(price: float, of: int) -> bool:
        return (price - level) * of > band

    over = Cross(
        metric=condition.metric,
        op=Op.BELOW if side > 0 else Op.ABOVE,
        level=level,
        touch=condition.touch,
    )
    away, along = _extremes(sample, -side)
    armed, met = state.armed, away
    if not armed:
        armed, met = clear(along, side), value
        if not armed:  # touched and turned back: on the old side again, and nothing to tell
            return (
                Step(armed=True, side=-side)
                if clear(value, -side)
                else Step(armed=False, side=side)
            )
    if not is_beyond(over, met) or not may_fire:
        return Step(armed=armed, side=side)
    if clear(value, side):
        return Step(armed=True, side=side, hit=met)
    return Step(armed=clear(value, -side), side=-side, hit=met)


def _state(
    rule: AlertRule, condition: State, state: AlertState, sample: Sample, *, may_fire: bool
) -> Step:
    """True now; again after each cooldown while it stays true, or, without one, after it was false."""
    side = 1 if sample.value >= condition.level else -1
    if not is_beyond(condition, sample.value):
        return Step(armed=state.armed or is_back(condition, sample.value), side=side)
    again = state.armed or cooldown(rule) > 0
    if again and may_fire:
        return Step(armed=False, side=side, hit=sample.value)
    return Step(armed=state.armed, side=side)


def is_risen(condition: Rise, change: float) -> bool:
    """Whether a change is as large as asked for; a negative amount is a fall."""
    slack = EPSILON * abs(condition.amount)
    return (
        change >= condition.amount - slack
        if condition.amount > 0
        else change <= condition.amount + slack
    )


def change_at(
    condition: Rise, state: AlertState, sample: Sample, samples: Sequence[Sample]
) -> float | None:
    """The change up to `sample` over the window, or since the last firing where that is later.

    `samples` are in order of ts. None where nothing is known of the start.
    """
    base = _base(condition, state, sample, samples)
    if base is None or not math.isfinite(base):
        return None
    difference = sample.value - base
    if not condition.relative:
        return difference
    return difference / base if base > 0 else None


def _base(
    condition: Rise, state: AlertState, sample: Sample, samples: Sequence[Sample]
) -> float | None:
    """What a change is measured from."""
    window = condition.metric.window
    start = sample.ts - window
    if state.fired_ts and state.fired_ts > start:
        if state.anchor is not None:
            return state.anchor
        found = [each for each in samples if state.fired_ts <= each.ts <= sample.ts]
        return found[0].value if found else None
    oldest = start - tolerance(window)
    found = [each for each in samples if oldest <= each.ts <= start]
    return found[-1].value if found else None


def tolerance(window: int) -> int:
    """Ms the start of a window may be older than it should: half of it, and never more than histories need."""
    return min(TOLERANCE, max(window // 2, MINUTE))
