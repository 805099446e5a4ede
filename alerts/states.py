"""Where a rule stands when it is made, taken up again, or met by a market whose time went back."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from alerts.engine import evaluate
from alerts.stored_types import Crossings
from alerts.types import AlertRule, AlertState, Event, Repeat, Sample, State


def first_state(rule: AlertRule, samples: Sequence[Sample]) -> AlertState:
    """Where the metric is when the rule is made: it takes another sample to cross, but not to be beyond."""
    if not samples:
        return AlertState(rule_id=0, last_ts=rule.created_ts)
    if isinstance(rule.condition, Event):  # what has happened already is not news
        return AlertState(rule_id=0, last_ts=max(rule.created_ts, samples[-1].ts + 1))
    before = AlertState(rule_id=0, last_ts=samples[-1].ts - 1)
    if isinstance(rule.condition, State):
        return before
    return evaluate(rule, before, samples, samples[-1].ts)[0]


def anew(rule: AlertRule, state: AlertState, now: int) -> AlertState:
    """The state of a rule that is looked at again from now on; one that was to fire once may do so again."""
    count = 0 if rule.repeat is Repeat.ONCE else state.fired_count
    return replace(state, side=0, armed=True, last_ts=now, fired_count=count, memory="")


def none_ahead(rule: AlertRule, states: Sequence[AlertState], now: int) -> list[AlertState]:
    """The states of a rule; those from a later time of a market that began anew are brought to now."""
    return [_brought_to_now(rule, each, now) if each.last_ts > now else each for each in states]


def none_of_them_ahead(many: Crossings, now: int) -> Crossings:
    """`none_ahead` for crossings that stand side by side."""
    ahead = many.looked > now
    if not ahead.any():
        return many
    return replace(
        many,
        sides=np.where(ahead, 0, many.sides),
        armed=many.armed | ahead,
        looked=np.where(ahead, now, many.looked),
        fired=np.where(ahead, 0, many.fired),
        bars=np.where(ahead, 0, many.bars),
    )


def _brought_to_now(rule: AlertRule, state: AlertState, now: int) -> AlertState:
    """A state of a time that is still to come, brought to now without a firing."""
    quiet = isinstance(rule.condition, State)
    return replace(
        state,
        side=0,
        armed=not quiet,
        last_ts=now,
        fired_ts=now if quiet else 0,
        bar_ts=0,
    )
