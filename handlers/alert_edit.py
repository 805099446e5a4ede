"""One alert changed by tapping or typing: how loud, how often, until when, another threshold; tried out, renewed."""

from dataclasses import replace
from typing import Any

from alerts.language.errors import NoCoin
from alerts.lifecycle import SNOOZES
from alerts.options import option_text, split_options
from alerts.transfer import line_of
from alerts.types import AlertRule, Repeat, RuleStatus, Severity
from handlers import alert_asking as asking
from handlers import alert_cards as cards
from handlers.alert_asking import asker, one_id
from handlers.app import App
from handlers.base import Args, Button, Card, Reply, action
from handlers.types import Role
from market.errors import UserError
from market.language import _
from market.types import HOUR

EXAMPLE = "/alerts edit 12 BTC above 95k"
CHOICES: dict[str, dict[str, dict[str, Any]]] = {  # what a button changes of the options
    "severity": {
        "info": {"severity": Severity.INFO},
        "warning": {"severity": None},
        "critical": {"severity": Severity.CRITICAL},
    },
    "repeat": {
        "usual": {"repeat": None, "cooldown": None},
        "once": {"repeat": Repeat.ONCE, "cooldown": None},
        "1h": {"repeat": Repeat.EVERY, "cooldown": HOUR},
    },
    "end": {
        "never": {"expires": ""},
        "1d": {"expires": "1d"},
        "7d": {"expires": "7d"},
    },
}
LABELS = {
    "info": "🔈 info", "warning": "🔔 warning", "critical": "🚨 critical", "usual": "as usual",
    "once": "once", "1h": "every 1 h", "never": "no end", "1d": "ends in 1 d", "7d": "ends in 7 d",
}  # fmt: skip


@action("alert:edit", role=Role.ALERTER)
async def edit(args: Args, app: App) -> Reply:
    """Show what can be changed of one alert."""
    view = await app.alerts.view(one_id(args.words), asker(args))
    rule = view.rule
    line = line_of(replace(rule, status=RuleStatus.ACTIVE), args.preferences.zone)
    rows = [
        [
            Button(text=_(LABELS[choice]), action="alert:set", value=f"{rule.id} {name} {choice}")
            for choice in choices
        ]
        for name, choices in CHOICES.items()
    ]
    value = str(rule.id)
    last = [
        Button(text=_("Tighter"), action="alert:tighter", value=value),
        Button(text=_("Looser"), action="alert:looser", value=value),
        Button(text=_("◀ Back"), action="alert:show", value=value),
    ]
    words = line.partition(" ")[2]
    return Reply(
        card=Card(
            glyph="✏️",
            headline=_("#{id}: what shall change?").format(id=rule.id),
            reading=line,
            evidence=_("or type it: {example}").format(example=f"/alerts edit {rule.id} {words}"),
        ),
        data={"alert": rule.id, "text": line},
        buttons=[*rows, last],
    )


@action("alert:set", role=Role.ALERTER, changes=True)
async def choose(args: Args, app: App) -> Reply:
    """Change one option of an alert; its number stays, and it is armed from now on."""
    rule_id = one_id(args.words[:1])
    changed = CHOICES.get(args.word(1), {}).get(args.word(2))
    if changed is None:
        raise UserError(_("That button says nothing I know."), "/alerts")
    rule = (await app.alerts.view(rule_id, asker(args))).rule
    return await _edited(rule, _with(rule, args, **changed), args, app)


def _with(rule: AlertRule, args: Args, **changed: Any) -> str:
    """The command of a rule with other options."""
    line = line_of(replace(rule, status=RuleStatus.ACTIVE), args.preferences.zone)
    rest, options = split_options(line.split())
    return f"{' '.join(rest)} {option_text(replace(options, **changed))}".strip()


async def typed_edit(args: Args, app: App) -> Reply:
    """`/alerts edit 12 BTC above 96k`: another rule under the same number; options alone keep the rest."""
    if len(args.words) < 3:
        raise UserError(_("What shall become of it?"), EXAMPLE)
    rule_id, words = one_id(args.words[1:2]), args.words[2:]
    rule = (await app.alerts.view(rule_id, asker(args))).rule
    rest, options = split_options(words)
    if not rest:
        said = {
            name: value
            for name in ("repeat", "cooldown", "severity", "note", "expires", "daily_cap")
            if (value := getattr(options, name)) not in (None, "")
        }
        return await _edited(rule, _with(rule, args, **said), args, app)
    if words[0].startswith("/"):
        return await _edited(rule, " ".join(words), args, app)
    kind, _words = asking.kind_and_words(rule.text)
    try:
        kind = asking.readable(kind, words, args, app)
    except NoCoin as missing:
        example = f"/alerts edit {rule_id} {rule.coin or 'BTC'} {missing.rest}"
        raise UserError(_("Which coin?"), example) from missing
    return await _edited(rule, " ".join([f"/{kind.command}", *words]), args, app)


async def _edited(rule: AlertRule, line: str, args: Args, app: App) -> Reply:
    kind, words = asking.kind_and_words(line)
    view = await app.alerts.edit(
        rule.id, kind.name, words, asker(args), exchange=args.preferences.exchange,
        update_id=args.update_id,
    )  # fmt: skip
    return cards.one(view, app.alerts.words, app.clock.now(), asking.phase(view, args, app))


@action("alert:sleep", role=Role.ALERTER)
async def sleep(args: Args, app: App) -> Reply:
    """Ask for how long an alert shall be silent."""
    view = await app.alerts.view(one_id(args.words), asker(args))
    value = str(view.rule.id)
    keys = [
        Button(text=_("💤 {time}").format(time=_(each)), action="alert:snooze", value=f"{value} {each}")
        for each in (*SNOOZES, "tomorrow")
    ]  # fmt: skip
    last = [Button(text=_("◀ Back"), action="alert:show", value=value)]
    if view.rule.snoozed_until > app.wall.now():
        last.insert(0, Button(text=_("Wake it now"), action="alert:wake", value=value))
    return Reply(
        card=Card(
            glyph="💤",
            headline=_("How long shall #{id} be silent?").format(id=value),
            reading=app.alerts.words.sentence(view.rule),
            evidence=_("it goes on watching; what it finds is kept in /alerts history"),
        ),
        buttons=[keys, last],
    )


@action("alert:would", role=Role.VIEWER)
async def would(args: Args, app: App) -> Reply:
    """Say whether an alert would fire now, with every part and what is missing."""
    found = await app.alerts.would_fire(one_id(args.words), asker(args))
    rule, words = found.view.rule, app.alerts.words
    head = _("#{id} would not fire now") if found.reasons else _("#{id} would fire now")
    told = cards.parts(found.view, words) + list(found.reasons)
    return Reply(
        card=Card(
            glyph="🔔",
            headline=head.format(id=rule.id),
            reading="\n".join(told),
            evidence=cards.evidence(found.view, words, app.clock.now()),
        ),
        figures=cards.figures(found.view),
        data={"alert": rule.id, "holds": found.holds, "reasons": list(found.reasons)},
        buttons=[[Button(text=_("◀ Back"), action="alert:show", value=str(rule.id))]],
    )


@action("alert:test", role=Role.ALERTER, changes=True)
async def test(args: Args, app: App) -> Reply:
    """Send the message a firing would send, marked as a test."""
    rule_id = one_id(args.words)
    await app.alerts.send_test(rule_id, asker(args), update_id=args.update_id)
    return Reply(toast=_("A test of #{id} is on its way.").format(id=rule_id))


@action("alert:renew", role=Role.ALERTER, changes=True)
async def renew(args: Args, app: App) -> Reply:
    """Give an alert that ends, or has ended, another week."""
    rule_id = one_id(args.words)
    await app.alerts.renew(rule_id, asker(args))
    view = await app.alerts.view(rule_id, asker(args))
    return cards.one(view, app.alerts.words, app.clock.now(), asking.phase(view, args, app))
