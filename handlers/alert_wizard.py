"""An alert made by tapping: coin, group, kind, preset, options, and the echo that is armed by a press."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace

from alerts.kinds import KINDS
from alerts.kinds.base import GROUPS, Kind, Preset
from alerts.language.errors import NoCoin, Unclear
from alerts.types import AlertRule
from handlers import alert_session as sessions
from handlers.alert_asking import (
    armed_reply,
    draft_of,
    plain_words,
    price_now,
    readable,
    shifted_line,
    wants_echo,
)
from handlers.alert_cards import echo
from handlers.alert_session import COIN, ECHO, GROUP, KIND, OPTIONS, PRESET, Session
from handlers.app import App
from handlers.base import Args, Button, Card, Reply, action
from handlers.types import Role
from market.errors import UserError
from market.language import _

USUAL = ("BTC", "ETH", "SOL", "XRP", "DOGE", "HYPE")  # where nothing says what people look at
MOST_COINS, MOST_PRESETS = 9, 8
SEVERITIES = (("", "🔔 warning"), ("critical", "🚨 critical"), ("info", "🔈 info"))
REPEATS = (("", "repeats"), ("once", "once"), ("every 1h", "every 1 h"))
ENDS = (("", "no end"), ("until 1d", "1 d"), ("until 7d", "7 d"))
FORMS = {"severity": SEVERITIES, "repeat": REPEATS, "expires": ENDS}


async def start(args: Args, app: App, coin: str = "", line: str = "") -> Reply:
    """The first page: of coins, of one coin, or the echo of a typed rule."""
    if line:
        return await show(sessions.begun(ECHO, line=line), args, app)
    if coin:
        return await show(sessions.begun(GROUP, coin=coin), args, app)
    return await show(sessions.begun(COIN), args, app)


async def show(session: Session, args: Args, app: App) -> Reply:
    """The page a session is on; what its buttons stand for is kept before they are shown."""
    session, reply = await PAGES[session.page](session, args, app)
    await sessions.save(session, args, app)
    return reply


async def _coins(session: Session, args: Args, app: App) -> tuple[Session, Reply]:
    names = await _known_coins(args, app)
    session = replace(session, offers=tuple(names))
    card = Card(
        glyph="🔔",
        headline=_("What shall I watch?"),
        reading=_("Tap a coin, or type one: {example}").format(example="/alert DOGE"),
        evidence=_("or say it in one line: {example}").format(example="/alert BTC above 95k"),
    )
    return session, _page(session, args, card, names)


async def _known_coins(args: Args, app: App) -> list[str]:
    """Coins of this chat's alerts first, then the busiest that are watched, then the usual ones."""
    views = await app.alerts.of_chat(args.chat.chat_id)
    watched = app.monitors.watch_list.instruments if app.monitors is not None else ()
    wanted = [view.rule.coin for view in views] + [each.base for each in watched] + list(USUAL)
    known = [coin for coin in dict.fromkeys(wanted) if app.market.directory.knows(coin)]
    return known[:MOST_COINS]


def _typed(kind: Kind, rest: str) -> str:
    """What was typed so far, its figure included."""
    plain = kind.name in ("price", "when") or kind.name in rest.lower()
    return rest if plain else f"{kind.name} {rest}"


async def which_coin(missing: NoCoin, kind: Kind, args: Args, app: App) -> Reply:
    """Asked of a rule that names none: every coin that can have it, and what was typed is kept."""
    lines: dict[str, str] = {}
    echoed = False
    for coin in await _known_coins(args, app):
        line = f"/{kind.command} {coin} {missing.rest}"
        try:
            found = readable(kind, tuple(line.split()[1:]), args, app)
            echoed = echoed or wants_echo(found, tuple(line.split()[1:]), args, app)
        except Unclear:
            echoed = True
        except UserError:
            continue
        lines[coin] = line
    if not lines:
        raise missing
    told = _("a tap shows the rule; nothing is armed by it") if echoed else _("a tap arms it")
    example = _("or type it: {example}").format(example=next(iter(lines.values())))
    return Reply(
        card=Card(
            glyph="🔔", headline=_("Which coin?"), reading=_typed(kind, missing.rest),
            evidence=f"{told}; {example}",
        ),
        buttons=sessions.in_rows([Button(text=c, command=line) for c, line in lines.items()]),
    )  # fmt: skip


async def copy_to(rule: AlertRule, args: Args, app: App) -> Reply:
    """The coins an alert can be copied to; each tap arms one copy."""
    coins = [coin for coin in await _known_coins(args, app) if coin != rule.coin]
    keys = [Button(text=coin, command=f"/alerts copy {rule.id} {coin}") for coin in coins]
    back = [Button(text=_("◀ Back"), action="alert:show", value=str(rule.id))]
    return Reply(
        card=Card(
            glyph="🔔", headline=_("Copy #{id} to which coin?").format(id=rule.id),
            reading=app.alerts.words.sentence(rule),
            evidence=_(
                "a tap arms the copy; a price level is carried over and shown first; or type: {example}"
            ).format(example=f"/alerts copy {rule.id} ETH SOL"),
        ),
        buttons=[*sessions.in_rows(keys), back],
    )  # fmt: skip


async def _groups(session: Session, args: Args, app: App) -> tuple[Session, Reply]:
    """Levels around the price, each armed by one tap, and everything else by its heading."""
    price = await price_now(session.coin, args, app)
    names = [group for group in GROUPS if _kinds_of(group)]
    session = replace(session, offers=tuple(names))
    quick = [
        Button(text=each.label, command=each.command)
        for kind in KINDS[:1]
        for each in presets_of(kind, session.coin, price)
    ]
    card = Card(
        glyph="🔔",
        headline=_("What shall I watch of {coin}?").format(coin=session.coin.upper()),
        reading=_("Tap one, or write a level: {example}").format(
            example=quick[0].command if quick else f"/alert {session.coin} above 95k"
        ),
        evidence=_("the first row is armed at once, the others ask on"),
    )
    return session, _page(session, args, card, [_(name) for name in names], quick[:3])


def _kinds_of(group: str) -> list[Kind]:
    return [kind for kind in KINDS if kind.group == group]


async def _kinds(session: Session, args: Args, app: App) -> tuple[Session, Reply]:
    kinds = _kinds_of(session.group)
    price = await price_now(session.coin, args, app)
    session = replace(session, offers=tuple(kind.name for kind in kinds))
    examples = [presets_of(kind, session.coin, price) for kind in kinds[:4]]
    card = Card(
        glyph="🔔",
        headline=_("{coin}: {group}").format(coin=session.coin.upper(), group=_(session.group)),
        reading="\n".join(found[0].command for found in examples if found),
    )
    return session, _page(session, args, card, [_capital(_(kind.title)) for kind in kinds])


async def _presets(session: Session, args: Args, app: App) -> tuple[Session, Reply]:
    kind = _kind(session.kind)
    price = await price_now(session.coin, args, app)
    presets = presets_of(kind, session.coin, price)
    session = replace(session, offers=tuple(each.command for each in presets))
    card = Card(
        glyph="🔔",
        headline=_("{coin}: {kind}").format(coin=session.coin.upper(), kind=_(kind.title)),
        reading=_(kind.meaning),
        evidence=_("or type: {example}").format(
            example=presets[0].command if presets else kind.usage
        ),
    )
    return session, _page(session, args, card, [each.label for each in presets], width=2)


def presets_of(kind: Kind, coin: str, price: float | None) -> list[Preset]:
    """What a kind offers for a coin; examples of whole rules are about coins of their own."""
    return list(kind.presets(coin, price))[:MOST_PRESETS] if kind.figures else []


def _kind(name: str) -> Kind:
    found = next((kind for kind in KINDS if kind.name == name), None)
    if found is None:
        raise UserError(_("That kind of alert is not here any more."), "/alert")
    return found


async def _options(session: Session, args: Args, app: App) -> tuple[Session, Reply]:
    rows = [
        [
            sessions.button(
                f"{'● ' if getattr(session, name) == value else ''}{_(label)}",
                "option", session, args, f"{name} {value}".strip(),
            )
            for value, label in form
        ]
        for name, form in FORMS.items()
    ]  # fmt: skip
    card = Card(
        glyph="🔔",
        headline=_("How loud, how often, until when?"),
        reading=session.command,
        evidence=_("● is chosen; repeats = as this kind usually does"),
    )
    rows.append([sessions.button(_("Next ▶"), "next", session, args)])
    return session, Reply(card=card, buttons=[*rows, _way_out(session, args)])


async def _echo(session: Session, args: Args, app: App) -> tuple[Session, Reply]:
    view = await draft_of(session.command, args, app)
    first = [
        sessions.button(_("✅ Arm"), "arm", session, args),
        sessions.button(_("Tighter"), "tighter", session, args),
        sessions.button(_("Looser"), "looser", session, args),
    ]
    second = [sessions.button(_("✏️ Edit"), "next", session, args), *_way_out(session, args)]
    words = plain_words(session.command, view, args, app)
    shown = echo(view, app.alerts.words, app.clock.now(), words)
    return session, replace(shown, buttons=[first, second])


PAGES: dict[str, Callable[[Session, Args, App], Awaitable[tuple[Session, Reply]]]] = {
    COIN: _coins, GROUP: _groups, KIND: _kinds, PRESET: _presets, OPTIONS: _options, ECHO: _echo,
}  # fmt: skip


def _page(
    session: Session,
    args: Args,
    card: Card,
    names: Sequence[str],
    quick: Sequence[Button] = (),
    *,
    width: int = 3,
) -> Reply:
    """A page whose buttons pick one of its offers."""
    picks = [sessions.button(name, "pick", session, args, str(n)) for n, name in enumerate(names)]
    rows = [*([list(quick)] if quick else []), *sessions.in_rows(picks, width)]
    return Reply(card=card, buttons=[*rows, _way_out(session, args)])


def _way_out(session: Session, args: Args) -> list[Button]:
    back = [sessions.button(_("◀ Back"), "back", session, args)] if session.trail else []
    return [*back, sessions.button(_("✖ Cancel"), "cancel", session, args)]


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


async def _taken(args: Args, app: App) -> tuple[Session, bool] | Reply:
    """The session of a button, and whether the button is of the page it is on now."""
    found = await sessions.load(args, app)
    if isinstance(found, Reply):
        return found
    return found, args.word(2) == found.page


@action("wizard:pick", role=Role.ALERTER)
async def pick(args: Args, app: App) -> Reply:
    """Take one of the offers of a page; a second press of the same button changes nothing more."""
    taken = await _taken(args, app)
    if isinstance(taken, Reply):
        return taken
    session, fresh = taken
    place = args.word(3)
    if not fresh or not (
        place.isascii() and place.isdecimal() and int(place[:4]) < len(session.offers)
    ):
        return await show(session, args, app)
    return await show(_after(session, session.offers[int(place[:4])]), args, app)


def _after(session: Session, choice: str) -> Session:
    """The page that follows a choice; a group of one kind needs no page."""
    if session.page == COIN:
        return session.on(GROUP, coin=choice)
    if session.page == GROUP:
        kinds = _kinds_of(choice)
        if len(kinds) == 1:
            return session.on(PRESET, group=choice, kind=kinds[0].name)
        return session.on(KIND, group=choice)
    if session.page == KIND:
        return session.on(PRESET, kind=choice)
    if session.page == PRESET:
        return session.on(OPTIONS, line=choice)
    return session


@action("wizard:option", role=Role.ALERTER)
async def option(args: Args, app: App) -> Reply:
    """Choose one of the options."""
    taken = await _taken(args, app)
    if isinstance(taken, Reply):
        return taken
    session, fresh = taken
    name, value = args.word(3), " ".join(args.words[4:])
    if fresh and value in dict(FORMS.get(name, ())):
        session = session.with_option(name, value)
    return await show(session, args, app)


@action("wizard:next", role=Role.ALERTER)
async def go_on(args: Args, app: App) -> Reply:
    """From the options to the echo, and back to them."""
    taken = await _taken(args, app)
    if isinstance(taken, Reply):
        return taken
    session, fresh = taken
    if fresh and session.page == OPTIONS:
        session = session.on(ECHO)
    elif fresh and session.page == ECHO:
        session = session.back() if OPTIONS in session.trail[-1:] else session.on(OPTIONS)
    return await show(session, args, app)


@action("wizard:back", role=Role.ALERTER)
async def go_back(args: Args, app: App) -> Reply:
    """One page back; what was chosen stays chosen."""
    taken = await _taken(args, app)
    if isinstance(taken, Reply):
        return taken
    session, fresh = taken
    return await show(session.back() if fresh else session, args, app)


@action("wizard:cancel", role=Role.ALERTER)
async def cancel(args: Args, app: App) -> Reply:
    """Give it up; nothing was armed."""
    found = await sessions.load(args, app)
    if isinstance(found, Reply):
        return found
    await sessions.drop(args, app)
    again = [
        Button(text=_("🔔 Start again"), command="/alert"),
        Button(text=_("🔔 My alerts"), command="/alerts"),
    ]
    return Reply(card=Card(headline=_("Nothing armed")), buttons=[again])


@action("wizard:tighter", role=Role.ALERTER)
async def tighter(args: Args, app: App) -> Reply:
    """The echo of the same rule a step harder to meet."""
    return await _shift(args, app, tighter=True)


@action("wizard:looser", role=Role.ALERTER)
async def looser(args: Args, app: App) -> Reply:
    """The echo of the same rule a step easier to meet."""
    return await _shift(args, app, tighter=False)


async def _shift(args: Args, app: App, *, tighter: bool) -> Reply:
    taken = await _taken(args, app)
    if isinstance(taken, Reply):
        return taken
    session, fresh = taken
    if fresh and session.page == ECHO:
        line = await shifted_line(session.line, args, app, tighter=tighter)
        session = replace(session, line=line)
    return await show(session, args, app)


@action("wizard:arm", role=Role.ALERTER, changes=True)
async def arm(args: Args, app: App) -> Reply:
    """Arm the rule whose echo was pressed; its draft ends with it."""
    taken = await _taken(args, app)
    if isinstance(taken, Reply):
        return taken
    session, fresh = taken
    if not fresh or session.page != ECHO:
        return await show(session, args, app)
    reply = await armed_reply(session.command, args, app)
    await sessions.drop(args, app)
    return reply
