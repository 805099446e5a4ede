"""From typed words to a rule: shown, armed, or asked about where they can mean two things."""

import re
from collections.abc import Sequence

from alerts.conditions import is_simple, metrics_of
from alerts.kinds import KINDS, kind_of
from alerts.kinds.base import Kind
from alerts.kinds.sentence import is_no_name
from alerts.kinds.words import asked, operation
from alerts.language.errors import NoCoin, Unclear
from alerts.language.names import MarketNames
from alerts.language.scan import without_lead
from alerts.lifecycle import phase_words
from alerts.service import Asker, View
from alerts.shown import why_not
from handlers import alert_cards as cards
from handlers.app import App
from handlers.base import Args, Button, Card, Reply
from handlers.types import Role
from market.errors import SourceError, UserError
from market.language import _
from market.types import EXCHANGE_NAMES

RULE = "when"  # the kind that takes any rule text
CHOICES = 4  # readings that are offered
BUTTON = 34  # characters that a telephone shows of one
MARKET = re.compile(r"\b([a-z]+):([^\s/:()]+)/([^\s/:()]+)(:[^\s/:()]+)?")


def asker(args: Args) -> Asker:
    """Who wants something of this chat's alerts."""
    return Asker(
        chat_id=args.chat.chat_id,
        user_id=args.person.user_id,
        admin=args.person.role >= Role.ADMIN,
        role=args.person.role.name.lower(),
    )


def ids_of(words: Sequence[str]) -> list[int]:
    """Numbers of alerts; none for `all`."""
    if [word.lower() for word in words] == ["all"]:
        return []
    plain = [word.removeprefix("#") for word in words]
    ids = [int(word) for word in plain if word.isascii() and word.isdecimal() and len(word) < 18]
    if not ids or len(ids) != len(words):
        raise UserError(_("Which alert?"), "/alerts")
    return ids


def one_id(words: Sequence[str]) -> int:
    """The one alert that is meant."""
    ids = ids_of(words)
    if len(ids) != 1:
        raise UserError(_("Which alert?"), "/alerts")
    return ids[0]


def phase(view: View, args: Args, app: App) -> str:
    """Where in its life an alert is, in words and in the chat's zone."""
    return phase_words(view.standing, wall=app.wall.now(), zone=args.preferences.zone)


def kind_and_words(line: str) -> tuple[Kind, tuple[str, ...]]:
    """The kind of a command line, and what follows the command."""
    first, *words = line.split()
    name = first.removeprefix("/").replace("-", "_")
    for kind in KINDS:
        if name in (kind.command, *kind.aliases):
            return kind, tuple(words)
    raise UserError(_("I don't know {name}.").format(name=first[:40]), "/alert BTC above 95k")


def readable(kind: Kind, words: Sequence[str], args: Args, app: App) -> Kind:
    """The kind that understands `words`: a text after /alert that is no price form is a rule."""
    try:
        kind.compile(tuple(words), app.market, args.preferences.exchange)
    except Unclear:
        raise
    except UserError as error:
        coinless = kind.lacks_coin(tuple(words))
        if coinless and (kind.name != "price" or is_no_name(words[0])):
            rest = without_lead(" ".join(words))
            raise NoCoin(_("Which coin?"), rest, kind.command) from error
        if kind.name != "price" or (is_price_form(words) and not coinless):
            raise
        other = kind_of(RULE)
        other.compile(tuple(words), app.market, args.preferences.exchange)
        return other
    return kind


def is_price_form(words: Sequence[str]) -> bool:
    """Whether they are a symbol, perhaps a direction, and at most one number: no rule is that short."""
    parts = asked(words, "/alert BTC above 95k")
    _op, _state, rest = operation(parts.rest)
    if len(rest) > 1:
        return False
    return not rest or rest[0][:1] in "+-$." or rest[0][:1].isdecimal() or bool(_op)


def wants_echo(kind: Kind, words: Sequence[str], args: Args, app: App) -> bool:
    """Whether a rule is shown before it is armed: free text, another figure, several parts or instruments."""
    found = kind.compile(tuple(words), app.market, args.preferences.exchange)
    own = {figure.name for figure in kind.figures}
    if found.subjects or any(metric.name not in own for metric in metrics_of(found.condition)):
        return True
    return not is_simple(found.condition) and kind.is_rule(tuple(words))


def question(found: Unclear) -> Reply:
    """One question; each answer shows the rule it means and arms nothing."""
    offered = found.suggestions[:CHOICES]
    shown = [in_words(choice) for choice, _line in offered]
    if len(set(shown)) < len(shown):  # what sets them apart was lost
        shown = [choice for choice, _line in offered]
    short = max(map(len, shown), default=0) <= BUTTON
    keys = [
        Button(text=text if short else str(number), command=line)
        for number, (text, (_choice, line)) in enumerate(zip(shown, offered, strict=True), 1)
    ]
    told = [f"{number}. {text}" for number, text in enumerate(shown, 1)]
    return Reply(
        card=Card(
            glyph="🔔",
            headline=found.question,
            reading="\n".join(shown if short else told),
            evidence=_("a tap shows the rule; nothing is armed by it"),
        ),
        buttons=[[key] for key in keys] if short else [keys],
        data={"choices": list(found.choices)},
    )


def in_words(text: str) -> str:
    """The canonical text of a rule with its markets as people call them."""

    def name(found: re.Match[str]) -> str:
        venue, base, quote, settle = found.groups()
        pair = base if quote == "USDT" else f"{base}/{quote}"
        return f"{EXCHANGE_NAMES.get(venue, venue)} {pair} {_('perp') if settle else _('spot')}"

    return MARKET.sub(name, text)


async def draft_of(line: str, args: Args, app: App) -> View:
    """The rule of a command line with what is known of it now; nothing is stored."""
    kind, words = kind_and_words(line)
    return await app.alerts.draft(kind.name, words, asker(args), exchange=args.preferences.exchange)


def plain_words(line: str, view: View, args: Args, app: App) -> list[str]:
    """A rule of several parts with what each is now, and what was filled in; nothing of a plain one."""
    if is_simple(view.rule.condition) and not view.rule.subjects:
        return []
    kind, words = kind_and_words(line)
    said = kind.compile(words, app.market, args.preferences.exchange).said
    why = {metric: why_not(reason) for metric, reason in view.why.items()}
    return kind.language.echo(
        view.rule.condition,
        subjects=view.rule.subjects,
        names=MarketNames(app.market, args.preferences.exchange),
        values={
            metric: leg.sample or why.get(metric) or _("nothing known yet")
            for leg in view.legs
            for metric in (leg.leaf.metric,)
        },
        said=said,
        now=app.clock.now(),
    )


async def armed_reply(line: str, args: Args, app: App) -> Reply:
    """The rule of a command line, armed."""
    kind, words = kind_and_words(line)
    view = await app.alerts.create(
        kind.name, words, asker(args), exchange=args.preferences.exchange,
        thread_id=args.thread_id, update_id=args.update_id,
    )  # fmt: skip
    return cards.armed(view, app.alerts.words, app.clock.now())


async def shifted_line(line: str, args: Args, app: App, *, tighter: bool) -> str:
    """The same rule with another threshold, as a command line."""
    view = await draft_of(line, args, app)
    kind, words = kind_and_words(view.rule.text)
    moved = kind.shifted(words, tighter=tighter)
    if moved == words:
        raise UserError(_("It does not go any further that way."))
    return " ".join([f"/{kind.command}", *moved])


async def price_now(coin: str, args: Args, app: App) -> float | None:
    """The last price of a coin's market; None where it is not known."""
    instrument = app.market.one(
        coin, default_exchange=args.preferences.exchange, command="/alert {}"
    )
    try:
        return (await app.market.ticker(instrument)).last
    except SourceError:
        return None
