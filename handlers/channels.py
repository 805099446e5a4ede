"""/channels: where alerts go besides the chat: Discord, a webhook, email, SMS, X, another Telegram chat."""

import re
from collections.abc import Awaitable, Callable, Sequence

from alerts.channels.book import Added, AddressBook
from alerts.channels.types import EMAIL, NO_DIGEST, Destination, Status
from alerts.types import Severity
from handlers.app import App
from handlers.base import Args, Button, Card, Reply, action, command
from handlers.types import Role
from market import format as fmt
from market.errors import UserError
from market.language import _

GROUP = "Alerts"
EXAMPLE = "/channels add email you@example.org"
TIME = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)")
LEAST = tuple(Severity)

Step = Callable[[Args, AddressBook, Sequence[str]], Awaitable[Reply]]


@command("channels", usage=EXAMPLE, role=Role.ALERTER, aliases=("channel",), changes=True, group=GROUP)  # fmt: skip
async def channels(args: Args, app: App) -> Reply:
    """Show where your alerts go besides this chat; add, verify, test and remove such channels."""
    book = _book(args, app)
    if not args.words:
        return _list(args, book)
    verb = args.word(0).lower()
    if verb == "add":
        return await _add(args, app, book)
    if verb not in STEPS:
        known = ", ".join(("add", *STEPS))
        raise UserError(_("Say one of {known}.").format(known=known), EXAMPLE)
    return await STEPS[verb](args, book, args.words[1:])


def _book(args: Args, app: App) -> AddressBook:
    if app.channels is None:
        raise UserError(_("There are no channels here."), "/status")
    if args.chat.kind != "private":
        raise UserError(
            _("Channels are set up in a private chat with me: their addresses are nobody else's business.")
        )  # fmt: skip
    return app.channels


async def _add(args: Args, app: App, book: AddressBook) -> Reply:
    """`add discord https://...`: the address as typed, whatever signs are in it."""
    _verb, _space, rest = args.rest.strip().partition(" ")
    name, _space, typed = rest.strip().partition(" ")
    if not name:
        return _offer(book)
    way = book.way(name.lower())
    if way.admin and args.person.role < Role.ADMIN:
        raise UserError(_("Only an admin may post as the desk's account."), "/channels")
    added = await book.add(args.person.user_id, way.name, typed)
    await app.people.audit(
        actor=args.person.user_id, action="channel added", now=app.wall.now(),
        detail=f"{added.destination.id} {added.destination.channel} {added.destination.label}",
    )  # fmt: skip
    return _added(added, typed_back=way.typed_back)


def _offer(book: AddressBook) -> Reply:
    """What can be added, one example each."""
    examples = "\n".join(f"/channels add {way.example}" for way in book.ways.values())
    return Reply(
        card=Card(glyph="📡", headline=_("Where else shall alerts go?"), reading=examples),
        data={"channels": list(book.ways)},
    )


def _added(added: Added, *, typed_back: bool) -> Reply:
    to = added.destination
    what = _("A test message is on its way there.")
    if typed_back:
        what += " " + _("It carries a code; within 15 minutes type: /channels verify and the code.")
    if added.secret:
        what += "\n" + _("Its signing key, shown this once: {key}").format(key=added.secret)
    return Reply(
        card=Card(
            glyph="📡",
            headline=_("Channel {n} added: {what}").format(n=to.id, what=_name(to)),
            reading=what,
            evidence=_("whoever has its address can write there too: keep it to yourself"),
        ),
        buttons=[[Button(text=_("📡 Channels"), command="/channels")]],
        data={"delete_asked": True, "channel": to.id},  # the message that carried the address
    )


async def _verify(args: Args, book: AddressBook, words: Sequence[str]) -> Reply:
    if len(words) != 1:
        raise UserError(_("Type the code of the test message."), "/channels verify 123456")
    to = await book.verify(args.person.user_id, words[0])
    return _card(to, _("Channel {n} is verified: {what}").format(n=to.id, what=_name(to)))


async def _test(args: Args, book: AddressBook, words: Sequence[str]) -> Reply:
    to = await book.test(args.person.user_id, _number(args, book, words, "test"))
    return _card(to, _("A test message is on its way to {what}").format(what=_name(to)))


async def _remove(args: Args, book: AddressBook, words: Sequence[str]) -> Reply:
    to = await book.remove(args.person.user_id, _number(args, book, words, "remove"))
    return Reply(
        card=Card(
            glyph="📡",
            headline=_("Channel {n} removed: {what}").format(n=to.id, what=_name(to)),
            reading=_("Its address and its key are forgotten."),
        ),
        buttons=[[Button(text=_("📡 Channels"), command="/channels")]],
    )


async def _switch(args: Args, book: AddressBook, words: Sequence[str]) -> Reply:
    verb = "on" if args.word(0).lower() == "on" else "off"
    number = _number(args, book, words, verb)
    to = await book.switch(args.person.user_id, number, on=verb == "on")
    return _card(to, _("Channel {n} is {state}").format(n=to.id, state=_state(to)))


async def _least(args: Args, book: AddressBook, words: Sequence[str]) -> Reply:
    """`least 3 warning`, or `least warning` where there is one channel."""
    word = words[-1].lower() if words else ""
    if word not in LEAST:
        raise UserError(
            _("Say the lowest severity that goes there: info, warning or critical."),
            "/channels least 3 warning",
        )
    number = _number(args, book, words[:-1], "least", word)
    to = await book.choose(args.person.user_id, number, Severity(word))
    return _card(to, _("Channel {n} gets {what}").format(n=to.id, what=_least_words(to)))


async def _digest(args: Args, book: AddressBook, words: Sequence[str]) -> Reply:
    """`digest 3 08:00`, `digest 3 off`."""
    word = words[-1].lower() if words else ""
    found = TIME.fullmatch(word)
    if found is None and word != "off":
        raise UserError(_("Say when: a time of day, or off."), "/channels digest 3 08:00")
    minute = int(found[1]) * 60 + int(found[2]) if found else NO_DIGEST
    number = _number(args, book, words[:-1], "digest", word)
    zone = args.preferences.zone
    to = await book.digest(args.person.user_id, number, minute, zone)
    text = _("Channel {n} gets no daily digest")
    if minute != NO_DIGEST:
        text = _("Channel {n} gets a digest every day at {at}")
    return _card(to, text.format(n=to.id, at=f"{_clock(minute)} {zone}"))


STEPS: dict[str, Step] = {
    "verify": _verify,
    "test": _test,
    "least": _least,
    "digest": _digest,
    "on": _switch,
    "off": _switch,
    "remove": _remove,
}


def _number(args: Args, book: AddressBook, words: Sequence[str], verb: str, after: str = "") -> int:
    """The channel that is meant: the one that was named, or the only one."""
    mine = book.of(args.person.user_id)
    if not words and len(mine) == 1:
        return mine[0].id
    if len(words) == 1 and words[0].removeprefix("#").isdecimal():
        return int(words[0].removeprefix("#"))
    example = f"/channels {verb} {mine[0].id if mine else 3} {after}".strip()
    raise UserError(_("Which channel? Say its number."), example)


def _list(args: Args, book: AddressBook) -> Reply:
    mine = book.of(args.person.user_id)
    rows = [
        ["#", "", "", _("from")],
        *([str(d.id), d.channel, _short(d), str(d.least)] for d in mine),
    ]
    missing = [name for name in ("email", "sms", "x") if name not in book.ways]
    trouble = [f"{d.id}: {d.error}" for d in mine if d.error]
    return Reply(
        card=Card(
            glyph="📡",
            headline=_besides(len(mine)),
            table=fmt.table(rows, "rlll") if mine else (),
            reading="\n".join([*(f"{d.id}: {_line(d)}" for d in mine), *trouble])
            or _("Add a channel and they go there too."),
            evidence=_("not set up here: {names}").format(names=", ".join(missing)) if missing else "",
        ),
        buttons=[
            *_rows([Button(text=f"{d.id} {d.channel}", action="channel:show", value=str(d.id)) for d in mine]),
            [Button(text=_("Add a channel"), command="/channels add")],
        ],
        data={"channels": [{"id": d.id, "channel": d.channel, "label": d.label, "status": str(d.status),
                            "least": str(d.least), "error": d.error} for d in mine]},
    )  # fmt: skip


def _besides(count: int) -> str:
    if not count:
        return _("Alerts go to this chat alone")
    text = _("1 channel besides this chat") if count == 1 else _("{n} channels besides this chat")
    return text.format(n=count)


def _card(to: Destination, headline: str) -> Reply:
    """One channel, with what can be done about it."""
    number = str(to.id)
    first = [Button(text=_("Test"), action="channel:test", value=number)]
    if to.status is Status.PENDING:
        first = [Button(text=_("Send a code"), action="channel:test", value=number)]
    elif to.status is Status.VERIFIED:
        first.append(Button(text=_("Off"), action="channel:off", value=number))
    else:
        first = [Button(text=_("On"), action="channel:on", value=number)]
    levels = [
        Button(
            text=f"{'• ' if to.least is each else ''}≥ {each}",
            action="channel:least",
            value=f"{number} {each}",
        )
        for each in LEAST
    ]
    return Reply(
        card=Card(
            glyph="📡",
            headline=headline,
            reading=f"{_name(to)}: {_line(to)}",
            evidence=_("last message not taken: {why}").format(why=to.error) if to.error else "",
        ),
        buttons=[
            first,
            levels,
            [
                Button(text=_("✖ Remove"), action="channel:drop", value=number),
                Button(text=_("📡 Channels"), command="/channels", edit=True),
            ],
        ],
        data={"channel": to.id, "status": str(to.status), "least": str(to.least)},
    )


@action("channel:show", role=Role.ALERTER)
async def show(args: Args, app: App) -> Reply:
    """Show one channel."""
    to = _pressed(args, app)
    return _card(to, _("Channel {n}").format(n=to.id))


@action("channel:test", role=Role.ALERTER, changes=True)
async def press_test(args: Args, app: App) -> Reply:
    """Send a test message."""
    return await _test(args, _book(args, app), args.words)


@action("channel:on", role=Role.ALERTER, changes=True)
async def press_on(args: Args, app: App) -> Reply:
    """Send messages there again."""
    to = await _book(args, app).switch(args.person.user_id, _pressed(args, app).id, on=True)
    return _card(to, _("Channel {n} is {state}").format(n=to.id, state=_state(to)))


@action("channel:off", role=Role.ALERTER, changes=True)
async def press_off(args: Args, app: App) -> Reply:
    """Send no messages there for now."""
    to = await _book(args, app).switch(args.person.user_id, _pressed(args, app).id, on=False)
    return _card(to, _("Channel {n} is {state}").format(n=to.id, state=_state(to)))


@action("channel:least", role=Role.ALERTER, changes=True)
async def press_least(args: Args, app: App) -> Reply:
    """Choose the lowest severity that goes there."""
    return await _least(args, _book(args, app), args.words)


@action("channel:drop", role=Role.ALERTER)
async def press_drop(args: Args, app: App) -> Reply:
    """Ask before a channel is removed: its key cannot be brought back."""
    to = _pressed(args, app)
    number = str(to.id)
    return Reply(
        card=Card(
            glyph="📡",
            headline=_("Remove channel {n}?").format(n=to.id),
            reading=f"{_name(to)}: {_line(to)}",
        ),
        buttons=[
            [
                Button(text=_("✖ Yes, remove"), action="channel:remove", value=number),
                Button(text=_("Keep"), action="channel:show", value=number),
            ]
        ],
    )


@action("channel:remove", role=Role.ALERTER, changes=True)
async def press_remove(args: Args, app: App) -> Reply:
    """Remove a channel."""
    return await _remove(args, _book(args, app), args.words)


def _pressed(args: Args, app: App) -> Destination:
    word = args.word(0)
    return _book(args, app).mine(args.person.user_id, int(word) if word.isdecimal() else 0)


def _name(to: Destination) -> str:
    return f"{to.channel} {to.label}"


def _short(to: Destination) -> str:
    """A state in six columns."""
    return {
        Status.PENDING: _("code?"), Status.VERIFIED: _("ok"), Status.OFF: _("off"),
        Status.FAILED: _("failed"), Status.REMOVED: "",
    }[to.status]  # fmt: skip


def _state(to: Destination) -> str:
    return {
        Status.PENDING: _("not verified yet"), Status.VERIFIED: _("on"), Status.OFF: _("off"),
        Status.FAILED: _("failed: the other side takes nothing more"), Status.REMOVED: _("removed"),
    }[to.status]  # fmt: skip


def _line(to: Destination) -> str:
    """`you…@example.org, on, warning and above, digest 08:00`."""
    parts = [to.label, _state(to), _least_words(to)]
    if to.channel == EMAIL and to.digest_at != NO_DIGEST:
        parts.append(_("digest {at}").format(at=_clock(to.digest_at)))
    return ", ".join(p for p in parts if p)


def _least_words(to: Destination) -> str:
    if to.least is Severity.INFO:
        return _("all alerts")
    return (
        _("{least} and above").format(least=to.least)
        if to.least is Severity.WARNING
        else _("critical alerts only")
    )


def _clock(minute: int) -> str:
    return f"{minute // 60:02d}:{minute % 60:02d}"


def _rows(buttons: Sequence[Button]) -> list[list[Button]]:
    return [list(buttons[n : n + 3]) for n in range(0, len(buttons), 3)]
