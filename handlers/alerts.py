"""/alert, one command for each kind of alert, /alerts, and the buttons under their cards."""

from collections.abc import Awaitable, Callable, Sequence

from alerts.kinds import KINDS
from alerts.kinds.base import Kind
from alerts.language.errors import NoCoin, Unclear
from alerts.limits import clock_text
from alerts.service import View
from alerts.types import AlertRule, Cross, RuleStatus, State
from analytics.indicators import atr
from exchanges.hub import settle
from handlers import alert_asking as asking
from handlers import alert_cards as cards
from handlers import alert_edit, alert_list, alert_transfer, alert_wizard
from handlers.alert_asking import asker, ids_of, one_id, phase
from handlers.app import App
from handlers.base import Args, Button, Reply, action, command
from handlers.types import Role
from market.errors import UserError
from market.language import _

GROUP = "Alerts"
LISTED = ("price", "volume", "oi", "cvd", "when")  # kinds in the menu of Telegram; /help has all
SUMMARY = 120  # characters of a command's summary


def _summary(kind: Kind) -> str:
    """The first line of the kind's own docstring, as a promise."""
    about = (type(kind).__doc__ or kind.meaning).strip().splitlines()[0]
    text = f"Alert on {kind.title}: {about}"
    return text if len(text) <= SUMMARY else f"{text[: SUMMARY - 1]}…"


def _register(kind: Kind) -> None:
    """The command of a kind: a new file in alerts/kinds is all it takes."""

    async def run(args: Args, app: App) -> Reply:
        return await typed(kind, args, app)

    run.__doc__ = _summary(kind)
    aliases = ("alert_price", *kind.aliases) if kind.name == "price" else kind.aliases
    command(
        kind.command, usage=kind.usage, role=Role.ALERTER, aliases=aliases, changes=True,
        menu=kind.name in LISTED, group=GROUP,
    )(run)  # fmt: skip


for _kind in KINDS:
    _register(_kind)


async def typed(kind: Kind, args: Args, app: App) -> Reply:
    """A rule as it was typed: armed at once where it is one plain part, else shown first."""
    words = args.words
    bare = len(words) < 2 and not kind.lacks_coin(words)
    if kind.name == "price" and bare and app.drafts is not None:
        coin = _coin(words[0], args, app) if words else ""
        return await alert_wizard.start(args, app, coin=coin)
    if not words and kind.name not in ("report", "listing"):
        return cards.usage([kind])
    try:
        kind = asking.readable(kind, words, args, app)
        line = " ".join([f"/{kind.command}", *words])
        if app.drafts is not None and asking.wants_echo(kind, words, args, app):
            return await alert_wizard.start(args, app, line=line)
    except Unclear as unclear:
        return asking.question(unclear)
    except NoCoin as missing:
        return await alert_wizard.which_coin(missing, kind, args, app)
    return await asking.armed_reply(line, args, app)


def _coin(word: str, args: Args, app: App) -> str:
    """The word itself, if it names something that trades."""
    app.market.one(word, default_exchange=args.preferences.exchange, command="/alert {}")
    return word


@command("alerts", usage="/alerts", role=Role.VIEWER, group=GROUP)
async def alerts(args: Args, app: App) -> Reply:
    """List this chat's alerts, closest to firing first; history, export, import, copy, pause, resume or delete all."""
    word = args.word(0, "1").lower()
    verb = VERBS.get(word)
    if verb is not None:
        return await verb(args, app)
    if not (word.isascii() and word.isdecimal() and len(args.words) <= 1):
        raise UserError(
            _(
                "A page is a number; else history, export, import, copy, edit, pause, resume or delete."
            ),
            "/alerts 2",
        )
    views = await app.alerts.by_coin(args.chat.chat_id)
    used = await app.alerts.usage(asker(args))
    return alert_list.listing(views, app.alerts.words, int(word[:4]), await _bars(app, views), used)


async def _history(args: Args, app: App) -> Reply:
    numbers = ids_of(args.words[1:]) if len(args.words) > 1 else []
    rule_id = numbers[0] if numbers else None
    firings = await app.alerts.history(args.chat.chat_id, alert_list.TOLD, rule_id=rule_id)
    return alert_list.history(firings, args.chat.chat_id, app.clock.now(), rule_id)


async def _whole(args: Args, app: App) -> Reply:
    """`pause 12`, `delete 12 13`, or `all` after a question."""
    verb, named = args.word(0).lower(), args.words[1:]
    _may_change(args)
    if [word.lower() for word in named] == ["all"]:
        return await _confirm(verb, args, app)
    run = {"pause": _pause, "resume": _resume, "delete": _delete}[verb]
    return await run(ids_of(named), args, app)


def _may_change(args: Args) -> None:
    """The list is for everybody; what changes alerts is not, and nobody does it by forwarding a message."""
    if args.person.role < Role.ALERTER:
        raise UserError(_("That needs the role alerter."), "/alerts")
    if args.forwarded:
        raise UserError(_("I don't act on forwarded commands; type it yourself."), "/alerts")


async def _confirm(verb: str, args: Args, app: App) -> Reply:
    mine = [
        v
        for v in await app.alerts.of_chat(args.chat.chat_id)
        if v.rule.owner_id == args.person.user_id
    ]
    if not mine:
        return cards.changed([], "", app.alerts.words)
    return alert_list.confirm(verb, len(mine))


async def _exported(args: Args, app: App) -> Reply:
    return await alert_transfer.export(args, app, ids_of(args.words[1:]) if args.words[1:] else [])


async def _imported(args: Args, app: App) -> Reply:
    _may_change(args)
    return await alert_transfer.imported(args, app)


async def _copied(args: Args, app: App) -> Reply:
    _may_change(args)
    return await alert_transfer.copied(args, app)


async def _edited(args: Args, app: App) -> Reply:
    _may_change(args)
    return await alert_edit.typed_edit(args, app)


VERBS: dict[str, Callable[[Args, App], Awaitable[Reply]]] = {
    "history": _history, "export": _exported, "import": _imported, "edit": _edited, "copy": _copied,
    "pause": _whole, "resume": _whole, "delete": _whole,
}  # fmt: skip


async def _bars(app: App, views: Sequence[View]) -> dict[int, float]:
    """How many typical days (ATR of 14 days) each price is from its level."""
    levels = {
        view.rule.id: (view.rule.condition, view.sample.value)
        for view in views
        if view.rule.kind == "price"
        and view.rule.status is RuleStatus.ACTIVE
        and view.sample is not None
        and isinstance(view.rule.condition, Cross | State)
    }
    listed = {
        leaf.metric.subject: app.market.directory.by_key(leaf.metric.subject)
        for leaf, _value in levels.values()
    }
    days, _errors = await settle(
        {key: app.market.candles(i, "1d", 40) for key, i in listed.items() if i is not None}
    )
    ranges = {key: atr([c for c in candles if c.closed])[-1:] for key, candles in days.items()}
    sizes = {key: found[0] for key, found in ranges.items() if found and found[0]}
    return {
        rule_id: abs(leaf.level - value) / size
        for rule_id, (leaf, value) in levels.items()
        if (size := sizes.get(leaf.metric.subject))
    }


@action("alert:show", role=Role.VIEWER)
async def show(args: Args, app: App) -> Reply:
    """Show one alert with what can be done about it."""
    view = await app.alerts.view(one_id(args.words), asker(args))
    return cards.one(view, app.alerts.words, app.clock.now(), phase(view, args, app))


@action("alert:all", role=Role.ALERTER)
async def everything(args: Args, app: App) -> Reply:
    """Ask before all alerts of the presser change."""
    if args.word(0) not in ("pause", "resume", "delete"):
        raise UserError(_("That button says nothing I know."), "/alerts")
    return await _confirm(args.word(0), args, app)


@action("alert:pause", role=Role.ALERTER, changes=True)
async def pause(args: Args, app: App) -> Reply:
    """Stop looking at an alert, or at all of the presser's."""
    return await _pause(ids_of(args.words), args, app)


async def _pause(ids: Sequence[int], args: Args, app: App) -> Reply:
    rules = await app.alerts.pause(ids, asker(args))
    return await _after(args, app, ids, rules, _("{names} paused"), "alert:resume")


@action("alert:mute", role=Role.ALERTER, changes=True)
async def mute(args: Args, app: App) -> Reply:
    """Pause the alert that has just fired, and leave its message as it is."""
    rules = await app.alerts.pause([one_id(args.words)], asker(args))
    text = _("#{id} is paused; /alerts brings it back.") if rules else _("#{id} is not active.")
    return Reply(toast=text.format(id=one_id(args.words)))


@action("alert:resume", role=Role.ALERTER, changes=True)
async def resume(args: Args, app: App) -> Reply:
    """Look again, from now on."""
    return await _resume(ids_of(args.words), args, app)


async def _resume(ids: Sequence[int], args: Args, app: App) -> Reply:
    rules = await app.alerts.resume(ids, asker(args))
    return await _after(args, app, ids, rules, _("{names} armed again"), "alert:pause")


async def _after(
    args: Args, app: App, ids: Sequence[int], rules: Sequence[AlertRule], text: str, back: str
) -> Reply:
    """The card of the one alert, or a word about several, with the way back."""
    if len(ids) == 1:
        view = await app.alerts.view(ids[0], asker(args))
        return cards.one(view, app.alerts.words, app.clock.now(), phase(view, args, app))
    value = " ".join(str(rule.id) for rule in rules)
    undo = Button(text=_("↩️ Undo"), action=back, value=value)
    return cards.changed(rules, text, app.alerts.words, undo)


@action("alert:copy", role=Role.ALERTER)
async def copy(args: Args, app: App) -> Reply:
    """Ask to which coin an alert is to be copied."""
    view = await app.alerts.view(one_id(args.words), asker(args))
    return await alert_wizard.copy_to(view.rule, args, app)


@action("alert:delete", role=Role.ALERTER, changes=True)
async def delete(args: Args, app: App) -> Reply:
    """Delete an alert, or all of the presser's; it can be undone for a minute."""
    return await _delete(ids_of(args.words), args, app)


async def _delete(ids: Sequence[int], args: Args, app: App) -> Reply:
    rules = await app.alerts.delete(ids, asker(args))
    value = " ".join([str(app.wall.now()), *(str(rule.id) for rule in rules)])
    back = Button(text=_("↩️ Undo (60 s)"), action="alert:undo", value=value)
    return cards.changed(rules, _("{names} deleted"), app.alerts.words, back)


@action("alert:undo", role=Role.ALERTER, changes=True)
async def undo(args: Args, app: App) -> Reply:
    """Bring back what was deleted."""
    numbers = ids_of(args.words)
    if len(numbers) < 2:
        raise UserError(_("Which alert?"), "/alerts")
    rules = await app.alerts.undo(numbers[0], numbers[1:], asker(args))
    return cards.changed(rules, _("{names} back"), app.alerts.words)


@action("alert:snooze", role=Role.ALERTER, changes=True)
async def snooze(args: Args, app: App) -> Reply:
    """Do not tell of an alert for a while; it is watched, and the message that was pressed stays."""
    rule_id, choice = one_id(args.words[:1]), args.word(1)
    rules = await app.alerts.snooze([rule_id], asker(args), choice)
    if not rules:
        return Reply(toast=_("#{id} is not active.").format(id=rule_id))
    rule = rules[0]
    at = clock_text(rule.snoozed_until, app.wall.now(), args.preferences.zone)
    text = _("#{id} is silent until {at}; it goes on watching.")
    return Reply(toast=text.format(id=rule.id, at=at))


@action("alert:wake", role=Role.ALERTER, changes=True)
async def wake(args: Args, app: App) -> Reply:
    """Tell of a snoozed alert again."""
    rule_id = one_id(args.words)
    await app.alerts.snooze([rule_id], asker(args), "off")
    return await _after(args, app, [rule_id], [], "", "")


@action("alert:tighter", role=Role.ALERTER, changes=True)
async def tighter(args: Args, app: App) -> Reply:
    """The same alert a step harder to meet."""
    return await _adjust(args, app, tighter=True)


@action("alert:looser", role=Role.ALERTER, changes=True)
async def looser(args: Args, app: App) -> Reply:
    """The same alert a step easier to meet."""
    return await _adjust(args, app, tighter=False)


async def _adjust(args: Args, app: App, *, tighter: bool) -> Reply:
    view = await app.alerts.adjust(
        one_id(args.words), asker(args), tighter=tighter, exchange=args.preferences.exchange,
        update_id=args.update_id,
    )  # fmt: skip
    return cards.armed(view, app.alerts.words, app.clock.now())
