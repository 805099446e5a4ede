"""Of a rule with "for 3m": how long its condition has held by now, as the engine remembers it."""

import json
from collections.abc import Iterator, Sequence
from typing import Any

from alerts.conditions import leaves
from alerts.parts import Truth
from alerts.types import AlertState, AllOf, AnyOf, Condition, For, Not, Then

Waits = list[tuple[int, int]]  # (ms it has held, ms it has to)


def pending(condition: Condition, state: AlertState, now: int) -> tuple[int, int] | None:
    """(how long it has held, how long it has to) where nothing but time is missing for it to hold; of several
    times the one that takes longest."""
    memory: dict[str, Any] = json.loads(state.memory) if state.memory else {}
    truths = [row[0] for row in memory.get("legs", ())]
    if len(truths) != sum(1 for _leaf in leaves(condition)):
        return None
    waits: Waits = []
    met, without = _held(condition, iter(truths), iter(memory["tree"]), now, waits)
    if met is True or without is not True or not waits:
        return None
    return max(waits, key=lambda each: each[1] - each[0])


def _held(
    condition: Condition, truths: Iterator[Truth], memory: Iterator[Any], now: int,
    waits: Waits,
) -> tuple[Truth, Truth]:  # fmt: skip
    """Whether it holds, and whether it would if time were of no matter; `waits` takes the times that are not over."""
    match condition:
        case AllOf() | AnyOf():
            parts = [_held(each, truths, memory, now, waits) for each in condition.parts]
            decider = isinstance(condition, AnyOf)
            return (
                _joined([met for met, _without in parts], decider),
                _joined([without for _met, without in parts], decider),
            )
        case Not():
            met, _without = _held(condition.part, truths, memory, now, [])
            turned = None if met is None else not met
            return turned, turned
        case For():
            since = int(next(memory))
            met, without = _held(condition.part, truths, memory, now, waits)
            passed = now - since if since else 0
            if met and since and passed < condition.duration:
                waits.append((max(0, passed), condition.duration))
            return (met and since > 0 and passed >= condition.duration), without
        case Then():
            for _kept in range(3):  # when it began, and what was last known of both
                next(memory)
            _held(condition.first, truths, memory, now, [])
            _held(condition.second, truths, memory, now, [])
            return False, False
    truth = next(truths)
    return truth, truth


def _joined(parts: Sequence[Truth], decider: bool) -> Truth:
    if decider in parts:
        return decider
    return None if None in parts else not decider
