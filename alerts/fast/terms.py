"""What many rules have in common, once: their shape, direction, repeat mode and cooldown, and how they step.

The transitions of `alerts.engine` in plain numbers. The two are written apart, and the property tests hold them
together firing for firing.
"""

import math
from enum import IntEnum
from math import isnan

from alerts.engine import EPSILON
from alerts.types import Cross, Event, Leaf, Metric, Op, Repeat, Rise, State

NAN = math.nan


class Shape(IntEnum):
    """Which transition a leaf goes through."""

    CROSS = 0
    EITHER = 1
    STATE = 2
    EVENT = 3
    RISE = 4


class Terms:
    """Of a rule, all but its metric and its two numbers: level (or amount) and rearm level."""

    __slots__ = (
        "cooldown",
        "is_change",
        "once",
        "op",
        "per_bar",
        "relative",
        "repeat",
        "shape",
        "sign",
        "touch",
    )

    def __init__(self, leaf: Leaf, repeat: Repeat, cooldown: int) -> None:
        self.shape = shape(leaf)
        self.op = Op.ABOVE if isinstance(leaf, Rise) else leaf.op
        self.sign = -1 if self.op is Op.BELOW else 1
        self.touch = isinstance(leaf, Event) or (isinstance(leaf, Cross) and leaf.touch)
        self.is_change = isinstance(leaf, Rise)
        self.relative = isinstance(leaf, Rise) and leaf.relative
        self.repeat = repeat
        self.once, self.per_bar = repeat is Repeat.ONCE, repeat is Repeat.PER_BAR
        self.cooldown = 0 if repeat is Repeat.ALWAYS else cooldown

    def leaf(self, metric: Metric, level: float, rearm: float) -> Leaf:
        """The condition as it was given."""
        back = None if isnan(rearm) else rearm
        match self.shape:
            case Shape.STATE:
                return State(metric=metric, op=self.op, level=level, rearm=back)
            case Shape.EVENT:
                return Event(metric=metric, op=self.op, level=level)
            case Shape.RISE:
                return Rise(metric=metric, amount=level, relative=self.relative)
        return Cross(metric=metric, op=self.op, level=level, rearm=back, touch=self.touch)

    def may_fire(self, ts: int, fired_ts: int, count: int, bar: int, fired_bar: int) -> bool:
        """Whether repeat mode, candle and cooldown let it fire now."""
        if self.once and count > 0:
            return False
        if self.per_bar and bar <= fired_bar:
            return False
        return fired_ts == 0 or ts - fired_ts >= self.cooldown


def shape(leaf: Leaf) -> Shape:
    """Which transition is for a leaf."""
    match leaf:
        case Cross():
            return Shape.EITHER if leaf.op is Op.EITHER else Shape.CROSS
        case State():
            return Shape.STATE
        case Event():
            return Shape.EVENT
    return Shape.RISE


def numbers(leaf: Leaf) -> tuple[float, float]:
    """(level or amount, rearm level or NaN)."""
    match leaf:
        case Rise():
            return leaf.amount, NAN
        case Event():
            return leaf.level, NAN
    return leaf.level, NAN if leaf.rearm is None else leaf.rearm


def slack(level: float) -> float:
    """What does not count as a difference from `level`."""
    return EPSILON * max(abs(level), EPSILON)


def beyond(terms: Terms, level: float, value: float) -> bool:
    """Whether a value is on the side that is waited for."""
    if terms.op is Op.EITHER and terms.shape is Shape.EVENT:
        value = abs(value)
    distance = (value - level) * terms.sign
    return distance >= -slack(level) if terms.touch else distance > slack(level)


def back(terms: Terms, level: float, rearm: float, value: float) -> bool:
    """Whether a value is far enough on the first side to arm the rule again."""
    if isnan(rearm):
        return not beyond(terms, level, value)
    return value < rearm if terms.sign > 0 else value > rearm


def risen(amount: float, change: float) -> bool:
    """Whether a change is as large as asked for; a negative amount is a fall."""
    margin = EPSILON * abs(amount)
    return change >= amount - margin if amount > 0 else change <= amount + margin


def change(value: float, base: float, *, relative: bool) -> float | None:
    """From `base` to `value`; None where that means nothing."""
    if not relative:
        return value - base
    return (value - base) / base if base > 0 else None


Stepped = tuple[bool, int, float | None]  # armed, side, the value that met it


def step(
    terms: Terms, level: float, rearm: float, now: tuple[float, float, float],
    was: tuple[bool, int], *, learn: bool, may: bool,
) -> Stepped:  # fmt: skip
    """What a sample (value, low, high) does to a leaf that was (armed, side). Not for changes."""
    shape = terms.shape
    if shape is Shape.CROSS:
        return _cross(terms, level, rearm, now, was, learn=learn, may=may)
    if shape is Shape.EITHER:
        return _either(terms, level, rearm, now, was, learn=learn, may=may)
    value = now[0]
    met = beyond(terms, level, value)
    if shape is Shape.EVENT:
        tells = met and may and not _has_told(terms, level, now)
        return True, 1 if met else -1, value if tells else None
    armed, side = was[0], 1 if value >= level else -1
    if not met:
        return armed or back(terms, level, rearm, value), side, None
    if may and (armed or terms.cooldown > 0):
        return False, side, value
    return armed, side, None


def _has_told(terms: Terms, level: float, now: tuple[float, float, float]) -> bool:
    """Whether what happened was beyond the level when it was told before, and has only grown since."""
    value, low, high = now
    before = low if low < value else high
    return before != value and beyond(terms, level, before)


def _cross(
    terms: Terms, level: float, rearm: float, now: tuple[float, float, float],
    was: tuple[bool, int], *, learn: bool, may: bool,
) -> Stepped:  # fmt: skip
    value, low, high = now
    armed = was[0]
    side = 1 if value >= level else -1
    if learn:
        fresh = (was[1] == 0 or armed) and not beyond(terms, level, value)
        return fresh or back(terms, level, rearm, value), side, None
    met, near = (high, low) if terms.sign > 0 else (low, high)
    if not armed:
        armed, met = back(terms, level, rearm, near), value
    if not armed or not may or not beyond(terms, level, met):
        return armed, side, None
    return back(terms, level, rearm, value), side, met


def _either(
    terms: Terms, level: float, rearm: float, now: tuple[float, float, float],
    was: tuple[bool, int], *, learn: bool, may: bool,
) -> Stepped:  # fmt: skip
    value, low, high = now
    if learn:
        return True, 1 if value >= level else -1, None
    armed, side = was
    band = 0.0 if isnan(rearm) else abs(level - rearm)
    met, along = (low, high) if side > 0 else (high, low)
    if not armed:
        armed, met = (along - level) * side > band, value
        if not armed:  # touched and turned back: on the old side again, and nothing to tell
            gone = (value - level) * -side > band
            return (True, -side, None) if gone else (False, side, None)
    distance = (met - level) * -side
    over = distance >= -slack(level) if terms.touch else distance > slack(level)
    if not over or not may:
        return armed, side, None
    if (value - level) * side > band:
        return True, side, met
    return (value - level) * -side > band, -side, met
