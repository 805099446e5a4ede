"""A firing as it would be told, without one: the message of a test."""

import json

from alerts.conditions import is_simple
from alerts.describe import Words
from alerts.gates import CHANNEL, priority_of
from alerts.message import Message
from alerts.types import AlertRule, Leaf, Notice, OutboxRow, Rise, Signal
from alerts.views import View
from market.language import _


def sample_signal(view: View, now: int) -> Signal | None:
    """A rule as if it had fired on what is known now; None where nothing is."""
    known = [leg for leg in view.legs if leg.value is not None and leg.sample is not None]
    if not known:
        return None
    first = known[0]
    if first.sample is None or first.value is None:
        return None
    legs = () if is_simple(view.rule.condition) else (first, *(x for x in view.legs if x != first))
    subject = first.leaf.metric.subject if view.rule.subjects else ""
    return Signal(
        rule=view.rule, sample=first.sample, value=first.value, threshold=_threshold(first.leaf),
        subject=subject, legs=legs,
    )  # fmt: skip


def trial_row(
    view: View, signal: Signal | None, words: Words, *, now: int, wall: int, mark: int
) -> OutboxRow:
    """The message of a test on its way through the outbox; the same `mark` is sent once."""
    rule = view.rule
    if signal is None:
        payload = _bare(rule, words, view.problem)
    else:
        payload = Message(words).payload(signal, now, {}, "", test=True)
    return OutboxRow(
        id=0, alert_id=Notice.TEST, transition=Notice.about(rule.id, mark), channel=CHANNEL,
        chat_id=rule.chat_id, payload=payload, created_ts=wall, thread_id=rule.thread_id,
        severity=rule.severity, priority=priority_of(rule.severity),
    )  # fmt: skip


def _threshold(leaf: Leaf) -> float:
    return leaf.amount if isinstance(leaf, Rise) else leaf.level


def _bare(rule: AlertRule, words: Words, problem: str) -> str:
    """A test where no figure is known."""
    body = {
        "glyph": "🔔",
        "headline": _("TEST  #{id}").format(id=rule.id),
        "reading": words.sentence(rule),
        "evidence": problem or _("nothing is known of its figures now"),
        "buttons": [[{"text": _("✏️ Edit"), "action": "alert:show", "value": str(rule.id)}]],
        "chart": None,
        "rule_id": rule.id,
        "severity": str(rule.severity),
        "kind": rule.kind,
        "test": True,
    }
    return json.dumps(body, ensure_ascii=False)
