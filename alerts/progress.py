"""How near a rule is to firing: by its unit for one part, by its tree for several."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from alerts.conditions import denied
from alerts.engine import change_at, is_beyond
from alerts.figures import Figure, Unit
from alerts.shown import INSTEAD, SIGMA
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
    Leg,
    Not,
    Op,
    Rise,
    Sample,
    State,
    Then,
)
from market import format as fmt
from market.language import _

if TYPE_CHECKING:
    from alerts.describe import Words

STANDING = (Unit.PRICE, Unit.AMOUNT, Unit.MONEY)  # what is there all the time is far by a percent


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a rule is from firing. `left`: 0 is there, 1 far away; None where nothing is known."""

    now: str  # the figure now, in words
    note: str  # at most 11 columns, for lists
    left: float | None
    met: bool = False  # the condition holds already


UNKNOWN = Progress(now=fmt.NOT_KNOWN, note=fmt.NOT_KNOWN, left=None)


def progress_of(
    words: "Words",
    rule: AlertRule,
    state: AlertState,
    samples: Sequence[Sample],
    legs: Sequence[Leg] = (),
) -> Progress:
    """From the newest of `samples` for one part; from `legs` for several, or where there are no samples."""
    condition = rule.condition
    if isinstance(condition, Cross | State | Rise | Event):
        if samples:
            return _one(words, condition, state, samples)
        return leg_progress(words, legs[0]) if legs else _without(condition)
    return _several(words, condition, legs)


def leg_progress(words: "Words", leg: Leg) -> Progress:
    """How near one part is."""
    if leg.value is None:
        return _without(leg.leaf)
    if isinstance(leg.leaf, Rise):
        return _risen(words, leg.leaf, leg.value)
    if isinstance(leg.leaf, Event):
        return _event(words, leg.leaf, leg.value)
    sample = leg.sample if leg.sample is not None else Sample(ts=leg.ts, value=leg.value)
    found = _level(words, leg.leaf, sample)
    return Progress(now=found.now, note=found.note, left=found.left, met=leg.met)


def _without(leaf: Leaf) -> Progress:
    if isinstance(leaf, Event):
        return Progress(now=_("none yet"), note=_("waiting"), left=None)
    return UNKNOWN


def _one(words: "Words", leaf: Leaf, state: AlertState, samples: Sequence[Sample]) -> Progress:
    if isinstance(leaf, Rise):
        change = change_at(leaf, state, samples[-1], samples)
        return UNKNOWN if change is None else _risen(words, leaf, change)
    if isinstance(leaf, Event):
        return _event(words, leaf, samples[-1].value)
    return _level(words, leaf, samples[-1])


def _event(words: "Words", leaf: Event, value: float) -> Progress:
    """The last one says nothing of how near the next is."""
    last = _("last {value}").format(value=words.figure(leaf.metric, value))
    return Progress(now=last, note=_("waiting"), left=None)


def _risen(words: "Words", leaf: Rise, change: float) -> Progress:
    share = change / leaf.amount
    note = _at(fmt.percent(max(share, 0.0), 0, signed=False, tight=True))
    return Progress(
        now=words.change(leaf, change), note=note, left=max(0.0, 1 - share), met=share >= 1
    )


def _level(words: "Words", leaf: Cross | State, sample: Sample) -> Progress:
    figure, value = words.figure_of(leaf.metric), sample.value
    met = leaf.op is not Op.EITHER and is_beyond(leaf, value)
    now = words.value(leaf.metric, sample)
    if leaf.level == 0 or (figure.signed and figure.name in INSTEAD):
        return Progress(now=now, note=_tight(now), left=abs(value - leaf.level), met=met)
    if figure.unit is Unit.RATIO or (leaf.metric.window and figure.unit in STANDING):
        share = value / leaf.level
        shown = value if figure.unit is Unit.RATIO else max(share, 0.0)
        note = _at(fmt.percent(shown, 0, signed=False, tight=True))
        left = 1 - share if leaf.op is not Op.BELOW else share - 1
        return Progress(now=now, note=note, left=max(0.0, left), met=met)
    if figure.unit in STANDING and not figure.signed:
        away = leaf.level / value - 1 if value > 0 else math.inf
        note = fmt.percent(away, 1 if abs(away) >= 0.01 else 2, tight=True)
        return Progress(now=now, note=note, left=abs(away), met=met)
    return Progress(now=now, note=_at(_tight(now)), left=_share(figure, leaf.level, value), met=met)


def _share(figure: Figure, level: float, value: float) -> float:
    """The distance on the figure's own scale; where it has none, of the larger of the two."""
    if figure.low is not None and figure.high is not None and figure.high > figure.low:
        return abs(level - value) / (figure.high - figure.low)
    size = max(abs(level), abs(value))
    return abs(level - value) / size if size else 0.0


def _several(words: "Words", condition: Condition, legs: Sequence[Leg]) -> Progress:
    """`2/3 hold`, `1/3, 1 n/a`; near is what its farthest missing part is."""
    if not legs:
        return UNKNOWN
    parts = {leg.leaf: leg for leg in legs}
    held = sum(
        leg.value is not None and leg.met is not denied(condition, leaf)
        for leaf, leg in parts.items()
    )
    if all(isinstance(leg.leaf, Event) for leg in parts.values()):
        return Progress(now=_("none yet"), note=_("waiting"), left=None)
    unknown = sum(leg.value is None and not isinstance(leg.leaf, Event) for leg in parts.values())
    if unknown == len(parts):
        return UNKNOWN
    text = _("{n}/{of}, {unknown} n/a") if unknown else _("{n}/{of} hold")
    note = text.format(n=held, of=len(parts), unknown=unknown)
    met, left = _tree(words, condition, parts)
    return Progress(now=note, note=note, left=left, met=met is True)


def _tree(
    words: "Words", condition: Condition, legs: dict[Leaf, Leg]
) -> tuple[bool | None, float | None]:
    """Whether it holds (None: not known), and how far it is from that."""
    match condition:
        case AllOf() | AnyOf():
            every = [_tree(words, part, legs) for part in condition.parts]
            return _all(every) if isinstance(condition, AllOf) else _any(every)
        case Not():
            met, _left = _tree(words, condition.part, legs)
            return (None, None) if met is None else (not met, float(met))
        case For():
            return _tree(words, condition.part, legs)
        case Then():
            return None, _all(
                [_tree(words, part, legs) for part in (condition.first, condition.second)]
            )[1]
    leg = legs.get(condition)
    if leg is None or leg.value is None:
        return None, None
    left = leg_progress(words, leg).left
    return leg.met, 0.0 if leg.met else left


def _all(
    parts: Sequence[tuple[bool | None, float | None]],
) -> tuple[bool | None, float | None]:
    lefts = [left for met, left in parts if met is not True]
    left = None if None in lefts else max((each for each in lefts if each is not None), default=0.0)
    if any(met is False for met, _l in parts):
        return False, left
    return (None if any(met is None for met, _l in parts) else True), left


def _any(
    parts: Sequence[tuple[bool | None, float | None]],
) -> tuple[bool | None, float | None]:
    if any(met is True for met, _l in parts):
        return True, 0.0
    left = min((left for _m, left in parts if left is not None), default=None)
    return (None if any(met is None for met, _l in parts) else False), left


def _at(text: str) -> str:
    return _("at {value}").format(value=text)


def _tight(text: str) -> str:
    """Without the spaces before a unit, for lists."""
    return text.replace(" %", "%").replace(SIGMA, SIGMA.strip())
