"""Buttons under a request for access: let somebody in, or not."""

from dataclasses import replace

from handlers.app import App
from handlers.base import Args, Card, Reply, action
from handlers.types import Person, Role
from market.language import _

GRANTS = {"viewer": Role.VIEWER, "alerter": Role.ALERTER, "trader": Role.TRADER}


@action("access:approve", role=Role.ADMIN, changes=True)
async def approve(args: Args, app: App) -> Reply:
    """Let the person in as viewer, or with the role named after the id.

    `data["tell"]` is a message the front end sends to another chat.
    """
    person = await _pending(args, app)
    if person is None:
        return Reply(toast=_("That request is no longer open."))
    role = GRANTS.get(args.word(1, "viewer"))
    if role is None:
        return Reply(toast=_("There is no such role."), error=True)
    await _settle(replace(person, role=role, status="approved"), "access.approve", args, app)
    text = _("{name} is in as {role}.").format(name=_name(person), role=role.name.lower())
    welcome = _("You are in. Try /price btc, or /help for everything.")
    return Reply(
        card=Card(headline=text, glyph="✅", evidence=_by(args)),
        data={"tell": {"chat_id": person.user_id, "text": welcome}},
    )


@action("access:deny", role=Role.ADMIN, changes=True)
async def deny(args: Args, app: App) -> Reply:
    """Keep the person out; further requests of theirs are not shown."""
    person = await _pending(args, app)
    if person is None:
        return Reply(toast=_("That request is no longer open."))
    await _settle(replace(person, role=Role.NOBODY, status="denied"), "access.deny", args, app)
    text = _("{name} stays out.").format(name=_name(person))
    return Reply(card=Card(headline=text, glyph="✖", evidence=_by(args)))


async def _pending(args: Args, app: App) -> Person | None:
    """The person the button names, if nobody has decided yet."""
    word = args.word(0)
    person = await app.people.person(int(word)) if word.isascii() and word.isdecimal() else None
    return person if person is not None and person.status == "pending" else None


async def _settle(person: Person, what: str, args: Args, app: App) -> None:
    now = app.wall.now()
    await app.people.save_person(person, now)
    detail = f"user {person.user_id} role {person.role.name.lower()}"
    await app.people.audit(actor=args.person.user_id, action=what, detail=detail, now=now)


def _name(person: Person) -> str:
    return f"{person.name} ({person.user_id})" if person.name else str(person.user_id)


def _by(args: Args) -> str:
    return _("decided by {name}").format(name=args.person.name or args.person.user_id)
