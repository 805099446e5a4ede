"""Conditions as trees: their leaves, the metrics they need, and the same condition about another subject."""

from collections.abc import Callable, Iterator
from dataclasses import replace

from alerts.types import (
    EACH,
    AllOf,
    AnyOf,
    Condition,
    Cross,
    Event,
    For,
    Leaf,
    Metric,
    Not,
    Rise,
    State,
    Then,
)


def leaves(condition: Condition) -> Iterator[Leaf]:
    """Every leaf, from left to right."""
    if isinstance(condition, Cross | State | Rise | Event):
        yield condition
        return
    for part in parts_of(condition):
        yield from leaves(part)


def parts_of(condition: Condition) -> tuple[Condition, ...]:
    """What it is made of, from left to right; nothing of a leaf."""
    match condition:
        case AllOf() | AnyOf():
            return condition.parts
        case Not() | For():
            return (condition.part,)
        case Then():
            return (condition.first, condition.second)
    return ()


def with_parts(condition: Condition, change: Callable[[Condition], Condition]) -> Condition:
    """The same of other parts: each as `change` gives it. A leaf stays what it is."""
    match condition:
        case AllOf() | AnyOf():
            return replace(condition, parts=tuple(change(part) for part in condition.parts))
        case Not() | For():
            return replace(condition, part=change(condition.part))
        case Then():
            first, second = change(condition.first), change(condition.second)
            return replace(condition, first=first, second=second)
    return condition


def denied(condition: Condition, leaf: Leaf) -> bool:
    """Whether a part is waited for not to hold: it stands below an odd number of nots.

    Of a rule over several instruments `leaf` may be about any of them.
    """
    alike = replace(leaf, metric=replace(leaf.metric, subject=EACH))
    return any(odd and each in (leaf, alike) for each, odd in _by_sign(condition, odd=False))


def _by_sign(condition: Condition, *, odd: bool) -> Iterator[tuple[Leaf, bool]]:
    if isinstance(condition, Cross | State | Rise | Event):
        yield condition, odd
        return
    for part in parts_of(condition):
        yield from _by_sign(part, odd=odd is not isinstance(condition, Not))


def mirrored(condition: Condition) -> Rise | None:
    """The first half of a change by as much the one way or the other; None of anything else."""
    if not isinstance(condition, AnyOf) or len(condition.parts) != 2:
        return None
    one, other = condition.parts
    if not (isinstance(one, Rise) and isinstance(other, Rise)):
        return None
    return one if one == replace(other, amount=-other.amount) else None


def metrics_of(condition: Condition) -> list[Metric]:
    """What it is about, each metric once, in order."""
    return list(dict.fromkeys(leaf.metric for leaf in leaves(condition)))


def is_simple(condition: Condition) -> bool:
    """Whether it is a single leaf."""
    return isinstance(condition, Cross | State | Rise | Event)


def is_pulse(condition: Condition) -> bool:
    """Whether it is true at moments only, and never for a while."""
    match condition:
        case Cross() | Event() | Then():
            return True
        case AllOf():
            return any(is_pulse(each) for each in condition.parts)
        case AnyOf():
            return all(is_pulse(each) for each in condition.parts)
        case _:
            return False


def about(condition: Condition, subject: str) -> Condition:
    """The same with `subject` in place of `EACH`."""
    if not isinstance(condition, Cross | State | Rise | Event):
        return with_parts(condition, lambda part: about(part, subject))
    if condition.metric.subject != EACH:
        return condition
    return replace(condition, metric=replace(condition.metric, subject=subject))


def subjects_of(condition: Condition) -> list[str]:
    """The subjects it names, each once, in order."""
    return list(dict.fromkeys(metric.subject for metric in metrics_of(condition)))
