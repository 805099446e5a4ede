"""How one alert looks: before it is armed, armed, and later; and what became of several."""

from collections.abc import Sequence

from alerts.conditions import is_simple
from alerts.describe import Words
from alerts.figures import Unit
from alerts.gates import STORMED
from alerts.kinds.base import Kind
from alerts.lifecycle import CHAT_GONE, DELISTED, Phase
from alerts.service import View
from alerts.types import AlertRule, Cross, Event, For, Leaf, Op, Rise, RuleStatus, Severity
from handlers.alert_rehearsed import rehearsed
from handlers.base import Button, Card, Reply
from market import format as fmt
from market.language import _
from market.types import Reading

DISTANT = (Unit.PRICE, Unit.AMOUNT, Unit.MONEY)  # units whose distance to a level is a percent
LEGS = 8  # parts of a rule on a card


def armed(view: View, words: Words, now: int) -> Reply:
    """What was understood, where it stands now, and when it fires."""
    rule, value = view.rule, str(view.rule.id)
    text = _("#{id} is armed already") if view.existed else _("#{id} armed")
    return Reply(
        card=Card(
            glyph="🔔",
            headline=text.format(id=rule.id),
            reading="\n".join(lines(view, words)),
            evidence=evidence(view, words, now),
        ),
        figures=figures(view),
        data={"alert": rule.id, "text": rule.text},
        buttons=[
            [
                Button(text=_("Tighter"), action="alert:tighter", value=value),
                Button(text=_("Looser"), action="alert:looser", value=value),
                Button(text=_("✖ Undo"), action="alert:delete", value=value),
            ],
            [
                Button(text=_("✏️ Edit"), action="alert:edit", value=value),
                Button(text=_("⏸ Pause"), action="alert:pause", value=value),
                Button(text=_("🔔 My alerts"), command="/alerts"),
            ],
        ],
    )


def echo(view: View, words: Words, now: int, parts: Sequence[str] = ()) -> Reply:
    """What was understood of a rule that is not armed yet; its buttons come from the wizard.

    `parts`: the rule in plain words, where it has more than one part.
    """
    rule = view.rule
    told = [*parts, *_altogether(view)] if parts else lines(view, words)
    return Reply(
        card=Card(
            glyph="🔔",
            headline=_("#{id} is armed already").format(id=rule.id)
            if view.existed
            else _("Arm this?"),
            reading="\n".join([rule.text, *told, *_further(rule)]),
            evidence=evidence(view, words, now),
        ),
        figures=figures(view),
        data={"text": rule.text},
    )


def lines(view: View, words: Words) -> list[str]:
    """The rule in words, what its figures are now, and how often it would have fired."""
    rule = view.rule
    found = [words.sentence(rule)]
    if is_simple(rule.condition) and not rule.subjects:
        found += _one_part(view, words)
    else:
        found += parts(view, words)
        if len(view.legs) > LEGS:
            found.append(_("and {n} more").format(n=len(view.legs) - LEGS))
        return found + _altogether(view)
    told = rehearsed(view.rehearsal)
    return [*found, told] if told else found


def parts(view: View, words: Words) -> list[str]:
    """Each part as it stands, with its own reason where it is not known."""
    return [
        words.leg(leg, view.why.get(leg.leaf.metric, ""), rule=view.rule)
        for leg in view.legs[:LEGS]
    ]


def _altogether(view: View) -> list[str]:
    """What is to be said of a rule of several parts as a whole."""
    met = [_already(view)] if view.progress.met else []
    told = rehearsed(view.rehearsal)
    return [*met, told] if told else met


def _already(view: View) -> str:
    """Of a rule whose parts hold: whether that counts, or is only the beginning."""
    rule, where = view.rule, view.standing
    if where.phase is Phase.PENDING or (rule.id == 0 and isinstance(rule.condition, For)):
        whole = where.whole or getattr(rule.condition, "duration", 0)
        return _("so now; fires when it has been so for {time}").format(time=fmt.duration(whole))
    return _("already so; fires when it becomes so again")


def _one_part(view: View, words: Words) -> list[str]:
    leaf = view.rule.condition
    assert isinstance(leaf, Leaf)  # noqa: S101 - `is_simple` said so
    found = [words.where(leaf.metric)]
    if isinstance(leaf, Event) and not view.problem:
        return [*found, _("told when it happens")]
    if view.sample is None:
        why = view.problem or _("no data")
        return [*found, _("now n/a ({why}); the first figure shows the side").format(why=why)]
    now = [_("now {value}").format(value=view.progress.now)]
    if not view.progress.met and words.figure_of(leaf.metric).unit in DISTANT:
        now.append(_distance(view, leaf))
    found.append(fmt.SEPARATOR.join(part for part in now if part))
    return [*found, _met(leaf, words)] if view.progress.met else found


def _distance(view: View, leaf: Leaf) -> str:
    note = view.progress.note
    return note if isinstance(leaf, Rise) else _("{distance} to go").format(distance=note)


def _met(leaf: Leaf, words: Words) -> str:
    if isinstance(leaf, Rise):
        return _("already so; measured from now on")
    side = _("below") if leaf.op is Op.BELOW else _("above")
    if leaf.level == 0 and words.figure_of(leaf.metric).signed:
        side = _("negative") if leaf.op is Op.BELOW else _("positive")
    if isinstance(leaf, Cross):
        return _("already {side}; fires at the next crossing").format(side=side)
    return _("true now: fires at the next look")


def _further(rule: AlertRule) -> list[str]:
    """What was chosen besides: how loud, how many a day, until when, and the person's own words."""
    told = []
    if rule.severity is not Severity.WARNING:
        told.append(_("severity: {severity}").format(severity=_(str(rule.severity))))
    if rule.daily_cap:
        text = (
            _("told {n} times a day at most")
            if rule.daily_cap > 1
            else _("told once a day at most")
        )
        told.append(text.format(n=rule.daily_cap))
    if rule.expires_ts is not None:
        told.append(_("ends {at}").format(at=fmt.utc(rule.expires_ts)))
    if rule.note:
        told.append(_("note: {note}").format(note=rule.note))
    return told


def evidence(view: View, words: Words, now: int) -> str:
    """How often it fires, how old its figure is, where from, and how many alerts there are."""
    rule = view.rule
    parts = [words.rhythm(rule)]
    sample = view.sample
    if sample is not None:
        parts.append(fmt.age(now - sample.ts))
        if sample.reading is not None and sample.reading.venues and len(sample.reading.venues) > 1:
            parts.append(fmt.venues(sample.reading.venues))
        parts.append(_(sample.reading.kind.value) if sample.reading else _("observed"))
    elif view.legs:
        ages = [now - leg.ts for leg in view.legs if leg.value is not None]
        parts += [fmt.age(max(ages))] if ages else []
    if view.limit:
        parts.append(_("{n}/{limit} alerts").format(n=view.active, limit=view.limit))
    return fmt.SEPARATOR.join(part for part in parts if part)


def figures(view: View) -> dict[str, Reading[float]]:
    """`now` and `level` of one part, `now.1`, `level.1` ... of several, unrounded."""
    condition = view.rule.condition
    if isinstance(condition, Leaf) and not view.rule.subjects:
        found = {"level": Reading(value=_level(condition), as_of=view.rule.created_ts)}
        if view.sample is None:
            return found | {"now": Reading[float].missing(view.problem or _("no data"))}
        venues = view.sample.reading.venues if view.sample.reading else ()
        now = Reading(value=view.sample.value, as_of=view.sample.ts, venues=venues)
        return found | {"now": now}
    several: dict[str, Reading[float]] = {}
    for n, leg in enumerate(view.legs, 1):
        several[f"level.{n}"] = Reading(value=_level(leg.leaf), as_of=view.rule.created_ts)
        several[f"now.{n}"] = (
            Reading[float].missing(_("not known"))
            if leg.value is None
            else Reading(value=leg.value, as_of=leg.ts)
        )
    return several


def _level(leaf: Leaf) -> float:
    return leaf.amount if isinstance(leaf, Rise) else leaf.level


def one(view: View, words: Words, now: int, phase: str) -> Reply:
    """One alert, and what can be done with it; `phase` is where in its life it is."""
    rule = view.rule
    found = lines(view, words) + _further(rule)
    if view.state.fired_count:
        count, at = view.state.fired_count, fmt.utc(view.state.fired_ts, now)
        text = _("fired once, at {at}") if count == 1 else _("fired {n} times, last at {at}")
        found.append(text.format(n=count, at=at))
    return Reply(
        card=Card(
            glyph="🔔",
            headline=_("#{id} {state}").format(id=rule.id, state=_state(view, phase)),
            reading="\n".join(found),
            evidence=evidence(view, words, now),
        ),
        figures=figures(view),
        data={"alert": rule.id, "text": rule.text},
        buttons=_ways_on(rule),
    )


def _ways_on(rule: AlertRule) -> list[list[Button]]:
    value = str(rule.id)
    toggle = (
        Button(text=_("⏸ Pause"), action="alert:pause", value=value)
        if rule.status is RuleStatus.ACTIVE
        else Button(text=_("▶️ Resume"), action="alert:resume", value=value)
    )
    if rule.status is RuleStatus.EXPIRED:
        toggle = Button(text=_("🔁 Renew 7 days"), action="alert:renew", value=value)
    return [
        [
            toggle,
            Button(text=_("💤 Snooze"), action="alert:sleep", value=value),
            Button(text=_("✏️ Edit"), action="alert:edit", value=value),
        ],
        [
            Button(text=_("Would it fire?"), action="alert:would", value=value),
            Button(text=_("Send test"), action="alert:test", value=value),
            Button(text=_("History"), command=f"/alerts history {value}"),
        ],
        [
            Button(text=_("Export"), command=f"/alerts export {value}"),
            Button(text=_("Copy"), action="alert:copy", value=value),
            Button(text=_("✖ Delete"), action="alert:delete", value=value, style="danger"),
        ],
        [Button(text=_("🔔 My alerts"), command="/alerts", edit=True)],
    ]


def _state(view: View, phase: str) -> str:
    """Where it is in its life; why, where somebody or something ended it."""
    rule = view.rule
    if rule.status is RuleStatus.DONE:
        return _("has fired, and was to fire once")
    if rule.status is RuleStatus.PAUSED and rule.paused_reason:
        why = {
            DELISTED: _("its market is gone"),
            CHAT_GONE: _("this chat could not be reached"),
            STORMED: "",  # the phase says it
        }.get(rule.paused_reason, _(rule.paused_reason))
        return _("{phase}: {reason}").format(phase=phase, reason=why) if why else phase
    return phase


def usage(kinds: Sequence[Kind], presets: Sequence[Button] = ()) -> Reply:
    """What can be watched, for a command that was sent bare."""
    told = []
    for kind in kinds:
        told += [kind.usage, f"  {_(kind.meaning)}"]
    rows = [[Button(text=each, command=each)] for kind in kinds for each in kind.examples]
    return Reply(
        card=Card(
            glyph="🔔",
            headline=_("What shall I watch?"),
            reading="\n".join(told),
            evidence=_("add “once” to hear of it a single time, “until 2d” to end it"),
        ),
        buttons=[
            *([list(presets)] if presets else rows),
            [
                Button(text=_("🔔 Tap one together"), command="/alert"),
                Button(text=_("🔔 My alerts"), command="/alerts"),
            ],
        ],
    )


def changed(
    rules: Sequence[AlertRule], text: str, words: Words, undo: Button | None = None
) -> Reply:
    """What became of one alert, or of several."""
    names = ", ".join(f"#{rule.id}" for rule in rules[:6])
    if len(rules) > 6:
        names += _(" and {n} more").format(n=len(rules) - 6)
    last = [Button(text=_("🔔 My alerts"), command="/alerts", edit=True)]
    return Reply(
        card=Card(
            headline=text.format(names=names) if rules else _("Nothing to change"),
            reading="\n".join(words.sentence(rule) for rule in rules[:6]),
        ),
        data={"alerts": [rule.id for rule in rules]},
        buttons=[[undo, *last] if undo and rules else last],
    )
