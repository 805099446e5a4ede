"""/quiet, /topic, /mute and the page Alerts of /settings: how loud a chat wants to be told."""

import re
from collections.abc import Sequence

from alerts.delivery.types import TOPICS, Loudness, LoudnessStore, Mute, Sound
from alerts.types import Severity
from handlers.app import App
from handlers.base import Args, Button, Card, Reply, action, command
from handlers.types import Role
from market import format as fmt
from market.errors import UserError
from market.language import _
from market.types import HOUR, MINUTE
from market.words import window

GROUP = "Alerts"
QUIET_USAGE, TOPIC_USAGE, MUTE_USAGE = "/quiet 23:00-07:00", "/topic alerts here", "/mute me 1h"
SPAN = re.compile(r"(\d{1,2})(?:[:.](\d{2}))?\s*(?:-|to|until)\s*(\d{1,2})(?:[:.](\d{2}))?")
NONE = -1
LONGEST_MUTE = 30 * 24 * HOUR
TOPIC_WORDS = {f"{name}s": name for name in TOPICS if not name.endswith("s")}
SOUNDS = (Sound.SOUND, Sound.SILENT, Sound.OFF)
MARKS = {Sound.SOUND: "🔊", Sound.SILENT: "🔈", Sound.OFF: "🚫"}


@command("quiet", usage=QUIET_USAGE, role=Role.ALERTER, changes=True, group=GROUP)
async def quiet(args: Args, app: App) -> Reply:
    """Be told nothing between two times of the day; critical alerts come through."""
    store = stored(app)
    text = " ".join(args.words).lower()
    if text:
        start, end = (NONE, NONE) if text == "off" else span(text)
        await store.set_quiet(args.chat.chat_id, start, end, app.wall.now())
    return await page(args, app, headline=_("Quiet hours: {span}"))


def stored(app: App) -> LoudnessStore:
    """Where it is kept; UserError where this process has none."""
    if app.loudness is None:
        raise UserError(_("Nothing is told from here, so there is nothing to choose."), "/status")
    return app.loudness


def span(text: str) -> tuple[int, int]:
    """Minutes of the day of `23:00-07:00` and `23-7`."""
    found = SPAN.fullmatch(text)
    if found is None:
        raise UserError(_("From when until when?"), QUIET_USAGE)
    hours = [int(found[1]), int(found[3])]
    minutes = [int(found[2] or 0), int(found[4] or 0)]
    if max(hours) > 23 or max(minutes) > 59:
        raise UserError(_("A day goes from 00:00 to 23:59."), QUIET_USAGE)
    start, end = (h * 60 + m for h, m in zip(hours, minutes, strict=True))
    if start == end:
        raise UserError(_("That would be the whole day, or none of it."), QUIET_USAGE)
    return start, end


@command("topic", usage=TOPIC_USAGE, role=Role.ALERTER, changes=True, group=GROUP)
async def topic(args: Args, app: App) -> Reply:
    """Send a class of messages into the topic this is written in, or back to where they were made."""
    store, words = stored(app), [word.lower() for word in args.words]
    if not words:
        return await page(args, app, headline=_("Topics: {topics}"))
    name = TOPIC_WORDS.get(words[0], words[0])
    if name not in TOPICS or len(words) > 2 or words[1:] not in ([], ["here"], ["off"]):
        known = ", ".join(TOPICS)
        raise UserError(
            _("I route {known}, each with here or off.").format(known=known), TOPIC_USAGE
        )
    thread = None if words[1:] == ["off"] else args.thread_id
    if words[1:] != ["off"] and thread is None:
        raise UserError(
            _("This is no topic of a forum; write it in the topic that is meant."),
            f"/topic {name} off",
        )
    await store.set_topic(args.chat.chat_id, name, thread, app.wall.now())
    return await page(args, app, headline=_("Topics: {topics}"))


@command("mute", usage=MUTE_USAGE, role=Role.ALERTER, changes=True, group=GROUP)
async def mute(args: Args, app: App) -> Reply:
    """Leave out one person's alerts for a while; yours, or as an admin anybody's."""
    store = stored(app)
    owners = await _owners(args, app)
    if not args.words:
        return await _who(args, app, owners)
    *named, last = args.words
    off = last.lower() == "off"
    length = None if off else _length(last)
    if length is None and not off:
        named, length = list(args.words), HOUR
    owner = _owner(" ".join(named) or "me", args, owners)
    if owner != args.person.user_id and args.person.role < Role.ADMIN:
        raise UserError(
            _("You can mute your own alerts; those of others an admin can."), MUTE_USAGE
        )
    until = 0 if length is None else app.wall.now() + length
    await store.mute(args.chat.chat_id, owner, until)
    name = owners.get(owner, str(owner))
    if length is None:
        return await page(args, app, headline=_("{name} is heard again").format(name=name))
    head = _("Alerts of {name} are not told for {time}").format(
        name=name, time=fmt.duration(length)
    )
    back = Button(text=_("↩️ Undo"), command=f"/mute {owner} off", edit=True)
    return await page(args, app, headline=head, further=[back])


def _length(word: str) -> int | None:
    """The time a word names, None where it names none."""
    try:
        return window(word, low=MINUTE, high=LONGEST_MUTE, example=MUTE_USAGE)
    except UserError:
        if word[:1].isdecimal() and not word.isdecimal():
            raise
        return None


async def _owners(args: Args, app: App) -> dict[int, str]:
    """Who has alerts in this chat, and the presser, by name."""
    views = await app.alerts.of_chat(args.chat.chat_id)
    found = {args.person.user_id: args.person.name}
    for owner in dict.fromkeys(view.rule.owner_id for view in views):
        known = await app.people.person(owner) if owner not in found else None
        found.setdefault(owner, known.name if known is not None else "")
    return {owner: name or str(owner) for owner, name in found.items()}


def _owner(text: str, args: Args, owners: dict[int, str]) -> int:
    """The person that is meant: `me`, an id, or a name of somebody with alerts here."""
    wanted = text.lstrip("@").lower()
    if wanted == "me":
        return args.person.user_id
    alike = [owner for owner, name in owners.items() if wanted in (str(owner), name.lower())]
    alike = alike or [o for o, name in owners.items() if name.lower().startswith(wanted)]
    if len(alike) != 1:
        raise UserError(
            _("I don't know whose alerts “{name}” are.").format(name=text[:32]), MUTE_USAGE
        )
    return alike[0]


async def _who(args: Args, app: App, owners: dict[int, str]) -> Reply:
    """Whose alerts can be left out, each a tap away."""
    allowed = [o for o in owners if o == args.person.user_id or args.person.role >= Role.ADMIN]
    keys = [
        Button(text=_("{name} 1 h").format(name=owners[owner]), command=f"/mute {owner} 1h", edit=True)
        for owner in allowed[:9]
    ]  # fmt: skip
    return await page(args, app, headline=_("Whose alerts shall I leave out?"), further=keys)


async def page(
    args: Args, app: App, *, headline: str = "", further: Sequence[Button] = ()
) -> Reply:
    """How loud this chat is, with what can be changed by a tap."""
    store = stored(app)
    found = await store.loudness(args.chat.chat_id)
    mutes = await store.mutes(args.chat.chat_id, app.wall.now())
    owners = await _owners(args, app) if mutes else {}
    hours, topics = quiet_words(found), ", ".join(sorted(found.topics)) or _("none")
    head = headline or _("How alerts are told here")
    return Reply(
        card=Card(
            glyph="🔔",
            headline=head.replace("{span}", hours).replace("{topics}", topics),
            table=_table(found, hours, mutes, owners, app.wall.now()),
            reading=_(
                "Critical alerts come through quiet hours; the others are told when they end."
            ),
            evidence=_("a tap changes how a severity is told; {example}").format(
                example=QUIET_USAGE
            ),
        ),
        buttons=_buttons(found, further),
        data={
            "matrix": {str(each): str(sound) for each, sound in found.matrix.items()},
            "quiet": [found.quiet_from, found.quiet_to],
            "topics": dict(found.topics),
            "mutes": {str(each.owner_id): each.until for each in mutes},
        },
    )


def quiet_words(found: Loudness) -> str:
    """`23:00-07:00 Europe/Berlin`, or `none`."""
    if found.quiet_from < 0:
        return _("none")
    start, end = found.quiet_from, found.quiet_to
    return f"{start // 60:02}:{start % 60:02}-{end // 60:02}:{end % 60:02} {found.zone}"


def _table(
    found: Loudness, hours: str, mutes: Sequence[Mute], owners: dict[int, str], now: int
) -> list[str]:
    rows = [[str(each), _(str(found.matrix[each]))] for each in Severity]
    rows.append([_("quiet"), hours])
    rows += [[name, _("own topic")] for name in sorted(found.topics)]
    for each in mutes[:4]:
        name = owners.get(each.owner_id, str(each.owner_id))
        rows.append([_("muted"), f"{name[:12]} {fmt.age(each.until - now)}"])
    return fmt.table(rows, "ll")


def _buttons(found: Loudness, further: Sequence[Button]) -> list[list[Button]]:
    first = []
    for each in Severity:
        sound = found.matrix[each]
        after = SOUNDS[(SOUNDS.index(sound) + 1) % len(SOUNDS)]
        first.append(
            Button(
                text=f"{MARKS[sound]} {_(str(each))}", action="loud:set", value=f"{each} {after}"
            )
        )
    second = [
        Button(text=_("🌙 23:00-07:00"), command="/quiet 23:00-07:00", edit=True)
        if found.quiet_from < 0
        else Button(text=_("🌙 off"), command="/quiet off", edit=True),
        Button(text=_("⚙️ Settings"), command="/settings", edit=True),
    ]
    rows = [list(further[i : i + 3]) for i in range(0, len(further), 3)]
    return [*rows, first, second]


@action("loud:set", role=Role.ALERTER, changes=True)
async def set_sound(args: Args, app: App) -> Reply:
    """How messages of a severity arrive; the button names what comes next, so a double press is harmless."""
    try:
        severity, sound = Severity(args.word(0)), Sound(args.word(1))
    except ValueError:
        raise UserError(_("That button says nothing I know."), "/settings alerts") from None
    await stored(app).set_matrix(args.chat.chat_id, severity, sound, app.wall.now())
    return await page(args, app)
