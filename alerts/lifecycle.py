"""Where in its life a rule is, in words; its end, with the messages that say so."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from alerts.gates import CHANNEL, STORMED
from alerts.limits import clock_text, morning_after
from alerts.pending import pending
from alerts.protocols import AlertStore
from alerts.types import (
    AlertRule,
    AlertState,
    Cross,
    Expiry,
    Notice,
    OutboxRow,
    Priority,
    Rise,
    RuleStatus,
)
from market import format as fmt
from market.errors import UserError
from market.language import _
from market.types import DAY, HOUR, MINUTE

HEADS_UP = HOUR  # before the end of a rule that lives longer than a day
RENEWAL = 7 * DAY  # what the button under an expired alert gives
DELISTED, CHAT_GONE = "delisted", "chat gone"  # `AlertRule.paused_reason`
SNOOZES = {"15m": 15 * MINUTE, "1h": HOUR}  # and "tomorrow"


class Phase(StrEnum):
    """One word for where a rule is. Of a rule over several it is the liveliest of its subjects."""

    INACTIVE = "inactive"  # nothing is known of its figure yet
    ARMED = "armed"
    PENDING = "pending"  # the condition holds, and has to hold for a while
    FIRING = "firing"  # fired, and the message has not left yet
    COOLDOWN = "cooldown"
    WAITING = "waiting"  # has to go back before it can fire again
    SNOOZED = "snoozed"
    PAUSED = "paused"
    STORMED = "storm-paused"
    EXPIRED = "expired"
    DONE = "done"
    DELETED = "deleted"


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """A phase; `left` is how long it lasts (ms), `until` when it ends (wall ms), where that is known.

    Of a pending one `held` is how long it has held (ms), and `whole` how long it has to.
    """

    phase: Phase
    left: int | None = None
    until: int | None = None
    held: int = 0
    whole: int = 0


_ENDED = {
    RuleStatus.DONE: Phase.DONE,
    RuleStatus.EXPIRED: Phase.EXPIRED,
    RuleStatus.DELETED: Phase.DELETED,
}
_LIVELY = (Phase.PENDING, Phase.ARMED, Phase.COOLDOWN, Phase.WAITING, Phase.INACTIVE)


def standing(
    rule: AlertRule,
    states: Sequence[AlertState],
    *,
    now: int,
    wall: int,
    unsent: bool = False,
) -> Standing:
    """Where `rule` is at market time `now`. `unsent`: a message of it waits."""
    ended = _ENDED.get(rule.status)
    if ended is not None:
        return Standing(phase=ended)
    if rule.status is RuleStatus.PAUSED:
        stormed = rule.paused_reason == STORMED
        return Standing(phase=Phase.STORMED if stormed else Phase.PAUSED)
    if wall < rule.snoozed_until:
        return Standing(
            phase=Phase.SNOOZED, left=rule.snoozed_until - wall, until=rule.snoozed_until
        )
    if unsent:
        return Standing(phase=Phase.FIRING)
    found = [_one(rule, state, now) for state in _own(states)]
    return min(
        found,
        key=lambda each: (_LIVELY.index(each.phase), each.whole - each.held),
        default=Standing(phase=Phase.INACTIVE),
    )


def _own(states: Sequence[AlertState]) -> Sequence[AlertState]:
    """Of a rule over several, the state without a subject only counts transitions."""
    named = [state for state in states if state.subject]
    return named or states


def _one(rule: AlertRule, state: AlertState, now: int) -> Standing:
    waits = pending(rule.condition, state, now)
    if waits is not None:
        held, whole = waits
        return Standing(phase=Phase.PENDING, left=whole - held, held=held, whole=whole)
    left = state.fired_ts + rule.cooldown - now if state.fired_ts else 0
    if left > 0 and state.fired_count > 0:
        return Standing(phase=Phase.COOLDOWN, left=left)
    if isinstance(rule.condition, Cross) and not state.armed:
        return Standing(phase=Phase.WAITING)
    unseen = state.side == 0 and not state.memory and not isinstance(rule.condition, Rise)
    return Standing(phase=Phase.INACTIVE if unseen and state.last_value is None else Phase.ARMED)


def phase_words(found: Standing, *, wall: int, zone: str = "UTC") -> str:
    """`armed`, `cooldown, 3 min left`, `snoozed until 14:05`."""
    texts = {
        Phase.INACTIVE: _("no data yet"),
        Phase.ARMED: _("armed"),
        Phase.PENDING: _("pending"),
        Phase.FIRING: _("firing"),
        Phase.COOLDOWN: _("cooldown"),
        Phase.WAITING: _("waits for the way back"),
        Phase.SNOOZED: _("snoozed"),
        Phase.PAUSED: _("paused"),
        Phase.STORMED: _("paused: fired too often"),
        Phase.EXPIRED: _("expired"),
        Phase.DONE: _("done"),
        Phase.DELETED: _("deleted"),
    }
    text = texts[found.phase]
    if found.whole:
        held, whole = fmt.age(found.held), fmt.duration(found.whole)
        return _("{text} {held} of {whole}").format(text=text, held=held, whole=whole)
    if found.until is not None:
        return _("{text} until {at}").format(text=text, at=clock_text(found.until, wall, zone))
    if found.left is not None:
        return _("{text}, {left} left").format(text=text, left=fmt.age(found.left))
    return text


def snooze_end(choice: str, wall: int, zone: str = "UTC") -> int:
    """Until when (wall ms) `15m`, `1h` or `tomorrow` is: tomorrow is eight in the morning."""
    if choice == "tomorrow":
        return morning_after(wall, zone)
    if choice not in SNOOZES:
        raise UserError(_("Snooze for how long? 15m, 1h or tomorrow."), "/alerts")
    return wall + SNOOZES[choice]


# The end


async def ending(store: AlertStore, wall: int, told: set[tuple[int, int]]) -> list[Expiry]:
    """Rules that live longer than a day and end within the hour; not those of `told` (id and end)."""
    soon = await store.due_expiry(wall, HEADS_UP)
    return [
        each
        for each in soon
        if each.rule.status is RuleStatus.ACTIVE
        and each.rule.expires_ts is not None
        and each.rule.expires_ts > wall
        and each.rule.expires_ts - each.since > DAY
        and (each.rule.id, each.rule.expires_ts) not in told
    ]


def heads_up(rule: AlertRule, sentence: str, wall: int, zone: str) -> OutboxRow:
    """An alert ends soon; the same end is told once, whatever happens in between."""
    end = rule.expires_ts or wall
    at = clock_text(end, wall, zone)
    return notice(
        Notice.HEADS_UP, rule, end // MINUTE, wall,
        headline=_("Alert expires at {at}  #{id}").format(at=at, id=rule.id), reading=sentence,
        buttons=[_renew(rule), _button(_("✏️ Edit"), "alert:show", rule.id)],
    )  # fmt: skip


def expired(rule: AlertRule, sentence: str, wall: int) -> OutboxRow:
    """An alert has ended."""
    return notice(
        Notice.EXPIRED, rule, (rule.expires_ts or wall) // MINUTE, wall,
        headline=_("Alert expired  #{id}").format(id=rule.id), reading=sentence,
        evidence=_("it is not watched any more; renew it, or let it rest"),
        buttons=[_renew(rule), _button(_("✖ Delete"), "alert:delete", rule.id)],
    )  # fmt: skip


def delisted(rule: AlertRule, sentence: str, reason: str, mark: int, wall: int) -> OutboxRow:
    """An alert is paused because its market is gone; `mark` sets this time apart from others."""
    return notice(
        Notice.DELISTED, rule, mark, wall, headline=_("Alert paused  #{id}").format(id=rule.id),
        reading=f"{sentence}\n{reason}",
        evidence=_("nothing trades there any more; delete it, or resume it when it does again"),
        buttons=[
            _button(_("▶️ Resume"), "alert:resume", rule.id),
            _button(_("✖ Delete"), "alert:delete", rule.id),
        ],
    )  # fmt: skip


def notice(
    kind: Notice, rule: AlertRule, mark: int, wall: int, *,
    headline: str, reading: str, evidence: str = "", buttons: Sequence[dict[str, str]] = (),
) -> OutboxRow:  # fmt: skip
    """A message about a rule that is no firing."""
    body = {
        "glyph": "⚠️" if kind is Notice.DELISTED else "⏳",
        "headline": headline,
        "reading": reading,
        "evidence": evidence,
        "buttons": [list(buttons)],
        "chart": None,
        "rule_id": rule.id,
        "severity": str(rule.severity),
        "kind": rule.kind,
    }
    return OutboxRow(
        id=0, alert_id=kind, transition=Notice.about(rule.id, mark), channel=CHANNEL,
        chat_id=rule.chat_id, payload=json.dumps(body, ensure_ascii=False), created_ts=wall,
        thread_id=rule.thread_id, severity=rule.severity, priority=Priority.ALERT, coin="",
    )  # fmt: skip


def _renew(rule: AlertRule) -> dict[str, str]:
    return _button(_("🔁 Renew 7 days"), "alert:renew", rule.id)


def _button(text: str, action: str, rule_id: int) -> dict[str, str]:
    return {"text": text, "action": action, "value": str(rule_id)}
