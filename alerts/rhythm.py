"""How often a rule fires, in words, and what its condition is as a whole: a moment, a while, either way."""

from alerts.conditions import is_pulse, mirrored
from alerts.types import (
    AlertRule,
    AnyOf,
    Condition,
    Event,
    Op,
    Repeat,
    Rise,
)
from market import format as fmt
from market.language import _


def how_often(rule: AlertRule) -> str:
    """`fires once`, `repeats, at most every 5 m`, `while it lasts, every 1 h`."""
    fixed = {
        Repeat.ONCE: _("fires once"),
        Repeat.ALWAYS: _("fires each time it becomes true"),
        Repeat.PER_BAR: _("repeats once per bar"),
    }
    if rule.repeat in fixed:
        return fixed[rule.repeat]
    if isinstance(rule.condition, Rise):
        return _("repeats, measured anew after each firing")
    at_once = is_pulse(rule.condition)
    if not rule.cooldown:
        return _("repeats") if at_once else _("repeats after it was false")
    text = _("repeats, at most every {time}") if at_once else _("while it lasts, every {time}")
    return text.format(time=fmt.duration(rule.cooldown))


def either_way(condition: Condition) -> Rise | Event | None:
    """Of a change up or down by as much, or an event on either side of 0, the first; None for anything else."""
    if (rise := mirrored(condition)) is not None:
        return rise
    if not isinstance(condition, AnyOf) or len(condition.parts) != 2:
        return None
    one, other = condition.parts
    if isinstance(one, Event) and isinstance(other, Event):
        same = one.metric == other.metric and one.level == other.level == 0
        return one if same and {one.op, other.op} == {Op.ABOVE, Op.BELOW} else None
    return None
