"""Whether what fired is told: one question after the other, the first that says no decides.

1. The rule is not active any more, or its time is over: nothing happened, nothing is stored (`Drop`).
2. It is snoozed: stored, not told. A snoozed rule counts for nothing below.
3. It fired 15 times within 3 minutes of the wall: told once more, as the message that it is paused (`Pause`).
   What became true while nobody looked comes all at once and is no storm.
4. It was told as often today as it may be (a day of the chat's zone): stored, not told. The last one that is told
   says so. A rule over several instruments has one cap for all.

Severity opens no gate: whoever wants to hear every firing of an alert sets its cap.
"""

import json
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from alerts.limits import daily_cap, day_of
from alerts.protocols import AlertStore
from alerts.types import (
    AlertRule,
    Firing,
    OutboxRow,
    Priority,
    Repeat,
    RuleStatus,
    Severity,
    Signal,
)
from market.clock import Clock
from market.format import duration
from market.language import _
from market.types import DAY, HOUR, MINUTE

STORM, STORM_WITHIN = 15, 3 * MINUTE  # firings, wall ms
STORMED = "storm"  # `AlertRule.paused_reason`
LONGEST_DAY = DAY + HOUR  # ms: the one on which the clocks are put back
KEPT = 20_000  # rules whose counts are remembered; those of others are read again
CHANNEL = "telegram"

Zones = Callable[[Sequence[int]], Awaitable[Mapping[int, str]]]  # of chats


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What is known when a rule fired. Times are wall ms."""

    now: int
    told: int = 0  # firings of the rule told today
    lately: int = 0  # firings of it within `STORM_WITHIN` before this one, told or capped


@dataclass(frozen=True, slots=True)
class Tell:
    """It is told; `note` is said with it."""

    note: str = ""


@dataclass(frozen=True, slots=True)
class Pause:
    """It is told, and the rule is paused in the same commit."""

    reason: str
    note: str


@dataclass(frozen=True, slots=True)
class Silent:
    """It is stored, and not told: why."""

    reason: str


@dataclass(frozen=True, slots=True)
class Drop:
    """It does not count at all."""

    reason: str


Verdict = Tell | Pause | Silent | Drop


def decide(rule: AlertRule, signal: Signal, facts: Facts) -> Verdict:
    """What becomes of one firing of `rule` as it is stored now."""
    over = rule.expires_ts is not None and rule.expires_ts <= facts.now
    if over or rule.status is not RuleStatus.ACTIVE:
        return Drop(str(RuleStatus.EXPIRED if over else rule.status))
    if facts.now < rule.snoozed_until:
        return Silent(_("snoozed"))
    if not signal.late and facts.lately + 1 >= STORM:
        text = _("Paused: it fired {n} times within {time}. Resume it when you want it back.")
        return Pause(STORMED, text.format(n=STORM, time=duration(STORM_WITHIN)))
    cap = daily_cap(rule.daily_cap)
    if facts.told >= cap:
        return Silent(_("told {n} times today, which is its limit").format(n=cap))
    if facts.told + 1 == cap:
        text = _("That was number {n} today, its limit: it is silent until midnight.")
        return Tell(text.format(n=cap))
    return Tell()


@dataclass(slots=True)
class Count:
    """What a rule did today."""

    ends: int  # wall ms of the end of the day
    told: int = 0
    moments: deque[int] = field(default_factory=lambda: deque(maxlen=STORM))


class Gates:
    """Counts what rules did today, from the store where it does not remember."""

    def __init__(self, store: AlertStore, wall: Clock, zones: Zones | None = None) -> None:
        self._store, self._wall, self._zones = store, wall, zones
        self._counts: dict[int, Count] = {}
        self._told: dict[
            int, list[int]
        ] = {}  # of rules that are about to be judged, since `_since`
        self._since = 0

    async def judge(
        self, signals: Sequence[Signal], rules: Mapping[int, AlertRule]
    ) -> list[Verdict]:
        """One verdict for each signal, in order; `rules` are as stored now, missing ones are dropped.

        What was told is counted at once: `forget` the rules where it could not be committed.
        """
        now = self._wall.now()
        await self._learn([rules[i] for i in {s.rule.id for s in signals} if i in rules], now)
        ended: set[int] = (
            set()
        )  # by a verdict before: paused, or fired the one time they were to fire
        verdicts: list[Verdict] = []
        for signal in signals:
            rule = rules.get(signal.rule.id)
            if rule is None or rule.id in ended:
                verdicts.append(Drop("unknown" if rule is None else "ended"))
                continue
            verdict = self._one(rule, signal, now)
            if isinstance(verdict, Pause) or rule.repeat is Repeat.ONCE:
                ended.add(rule.id)
            verdicts.append(verdict)
        return verdicts

    async def expect(self, rule_ids: Iterable[int]) -> None:
        """These are judged next: read what they did lately while the caller reads the rules."""
        now = self._wall.now()
        self._since = now - LONGEST_DAY
        new = [n for n in rule_ids if n not in self._counts or self._counts[n].ends <= now]
        found = await self._store.told_times(new, self._since) if new else {}
        self._told = {each: found.get(each, []) for each in new}

    def forget(self, rule_ids: Iterable[int]) -> None:
        """What was counted of these could not be committed."""
        for each in rule_ids:
            self._counts.pop(each, None)

    def _one(self, rule: AlertRule, signal: Signal, now: int) -> Verdict:
        count = self._counts[rule.id]
        lately = sum(moment > now - STORM_WITHIN for moment in count.moments)
        verdict = decide(rule, signal, Facts(now=now, told=count.told, lately=lately))
        told = isinstance(verdict, Tell | Pause)
        count.told += told
        if isinstance(verdict, Pause):
            count.moments.clear()  # a rule that is resumed may fire as often again
        elif not signal.late and (
            told or (isinstance(verdict, Silent) and now >= rule.snoozed_until)
        ):
            count.moments.append(now)
        return verdict

    async def _learn(self, rules: Sequence[AlertRule], now: int) -> None:
        """Read what rules did today where it is not remembered."""
        new = [r for r in rules if r.id not in self._counts or self._counts[r.id].ends <= now]
        if not new:
            return
        if len(self._counts) + len(new) > KEPT:
            self._counts.clear()
            new = list(rules)
        chats = sorted({rule.chat_id for rule in new})
        zones = await self._zones(chats) if self._zones is not None else {}
        days = {rule.id: day_of(now, zones.get(rule.chat_id, "UTC")) for rule in new}
        earliest = min(first for first, _end in days.values())
        found, self._told = self._told, {}
        if earliest < self._since or not days.keys() <= found.keys():
            found = await self._store.told_times(list(days), min(earliest, now - STORM_WITHIN))
        for rule_id, (first, end) in days.items():
            times = found.get(rule_id, [])
            lately = [each for each in times if each > now - STORM_WITHIN][-STORM:]
            self._counts[rule_id] = Count(
                ends=end, told=sum(each >= first for each in times), moments=deque(lately, STORM)
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What has to be stored of one firing."""

    firing: Firing
    row: OutboxRow | None = None
    paused: str = ""  # why the rule is paused in the same commit


def after(
    verdict: Verdict, firing: Firing, rule: AlertRule, payload: str, now: int
) -> Outcome | None:
    """What a verdict makes of a firing and the message that would tell it; None where nothing is stored."""
    if isinstance(verdict, Drop):
        return None
    if isinstance(verdict, Silent):
        text = _("{text} (not told: {reason})").format(text=firing.text, reason=verdict.reason)
        return Outcome(firing=replace(firing, text=text, told=False))
    paused = isinstance(verdict, Pause)
    if verdict.note:
        payload = with_note(payload, verdict.note, rule.id if paused else None)
    row = OutboxRow(
        id=0, alert_id=rule.id, transition=firing.transition, channel=CHANNEL, chat_id=rule.chat_id,
        payload=payload, created_ts=now, thread_id=rule.thread_id, severity=rule.severity,
        priority=priority_of(rule.severity), coin=rule.coin,
    )  # fmt: skip
    return Outcome(
        firing=firing, row=row, paused=verdict.reason if isinstance(verdict, Pause) else ""
    )


def priority_of(severity: Severity) -> int:
    """The class of a message that tells a firing."""
    return Priority.CRITICAL if severity is Severity.CRITICAL else Priority.ALERT


def with_note(payload: str, note: str, resume: int | None = None) -> str:
    """The message with one more line, and, for an alert that is paused, with the way back as its first button."""
    body = json.loads(payload)
    body["reading"] = f"{body.get('reading') or ''}\n{note}".strip()
    if resume is not None:
        button = {"text": _("▶️ Resume"), "action": "alert:resume", "value": str(resume)}
        body["buttons"] = [[button], *(body.get("buttons") or [])]
    return json.dumps(body, ensure_ascii=False)
