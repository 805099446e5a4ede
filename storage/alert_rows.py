"""Rules, states and firings as rows, and back; what a database would not take is refused here."""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeVar

from sqlalchemy import Row

from alerts.types import AlertRule, AlertState, Firing, Metric, Repeat, RuleStatus, Severity
from storage.conditions import dump_condition, load_condition
from storage.errors import StorageError
from storage.finite import finite
from storage.tables import alert_states

T = TypeVar("T")
CHUNK = 1000  # ids in one IN list
STATE = tuple(column.name for column in alert_states.c)
NO_SUBJECTS = "[]"
REPEATS = {str(each): each for each in Repeat}
STATUSES = {str(each): each for each in RuleStatus}
SEVERITIES = {str(each): each for each in Severity}


def chunks(items: Sequence[T]) -> Iterator[Sequence[T]]:
    """`items` in parts that one statement takes."""
    for start in range(0, len(items), CHUNK):
        yield items[start : start + CHUNK]


def asked_values(rule: AlertRule) -> dict[str, Any]:
    """What was asked for: the columns an edit replaces."""
    return {
        "kind": rule.kind,
        "text": rule.text,
        "condition": dump_condition(rule.condition),
        "coin": rule.coin,
        "repeat": str(rule.repeat),
        "cooldown": rule.cooldown,
        "severity": str(rule.severity),
        "note": rule.note,
        "expires_ts": rule.expires_ts,
        "daily_cap": rule.daily_cap,
        "subjects": json.dumps(rule.subjects),
    }


def rule_values(rule: AlertRule, now: int) -> dict[str, Any]:
    """Every column of a new rule but its id; `now` is wall ms."""
    return {
        **asked_values(rule),
        "chat_id": rule.chat_id,
        "owner_id": rule.owner_id,
        "created_ts": rule.created_ts,
        "thread_id": rule.thread_id,
        "status": str(rule.status),
        "paused_reason": rule.paused_reason,
        "status_ts": now,
        "snoozed_until": rule.snoozed_until,
    }


def rule_of(row: Row[Any]) -> AlertRule:
    """The rule of a row of `alerts`, with its columns in the order of the table."""
    columns: Any = row
    (
        rule_id, chat_id, owner_id, kind, text, condition, coin, repeat, cooldown, created_ts, thread_id,
        status, paused_reason, _status_ts, _update_id, severity, note, expires_ts, snoozed_until,
        daily_cap, subjects,
    ) = columns  # fmt: skip
    try:
        return AlertRule(
            id=rule_id, chat_id=chat_id, owner_id=owner_id, kind=kind, text=text,
            condition=load_condition(condition), coin=coin, repeat=REPEATS[repeat], cooldown=cooldown,
            created_ts=created_ts, thread_id=thread_id, status=STATUSES[status],
            paused_reason=paused_reason, severity=SEVERITIES[severity], note=note, expires_ts=expires_ts,
            snoozed_until=snoozed_until, daily_cap=daily_cap,
            subjects=() if subjects == NO_SUBJECTS else tuple(json.loads(subjects)),
        )  # fmt: skip
    except (ValueError, TypeError, KeyError) as error:
        raise StorageError(f"Alert {rule_id} cannot be read: {error}") from error


def state_values(state: AlertState) -> dict[str, Any]:
    """The columns of a state."""
    if state.last_value is not None or state.anchor is not None:
        finite(state.last_value, f"The last value of alert {state.rule_id}")
        finite(state.anchor, f"The anchor of alert {state.rule_id}")
    return {name: getattr(state, name) for name in STATE}


def state_of(row: Row[Any]) -> AlertState:
    """The state of a row of `alert_states`, with its columns in the order of the table."""
    columns: Any = row
    (
        rule_id, subject, armed, side, last_value, last_ts, fired_ts, fired_count, transition, anchor,
        bar_ts, memory,
    ) = columns  # fmt: skip
    return AlertState(
        rule_id=rule_id, subject=subject, armed=armed, side=side, last_value=last_value,
        last_ts=last_ts, fired_ts=fired_ts, fired_count=fired_count, transition=transition,
        anchor=anchor, bar_ts=bar_ts, memory=memory,
    )  # fmt: skip


def firing_values(firing: Firing) -> dict[str, Any]:
    """The columns of a firing."""
    return {
        "rule_id": firing.rule_id,
        "transition": firing.transition,
        "ts": firing.ts,
        "value": finite(firing.value, f"A firing of alert {firing.rule_id}"),
        "threshold": finite(firing.threshold, f"A threshold of alert {firing.rule_id}"),
        "text": firing.text,
        "subject": firing.subject,
        "late": firing.late,
        "price": finite(firing.price, f"A price at a firing of alert {firing.rule_id}"),
        "chart": firing.chart,
        "told": firing.told,
    }


def mark_values(marks: Mapping[Metric, tuple[int, float | None]]) -> list[dict[str, Any]]:
    """The columns of marks; a value that is no number is none."""
    return [
        {
            "subject": metric.subject,
            "name": metric.name,
            "window": metric.window,
            "timeframe": metric.timeframe,
            "param": metric.param,
            "ts": ts,
            "value": value if value is not None and math.isfinite(value) else None,
        }
        for metric, (ts, value) in marks.items()
    ]
