"""Who may do what. Fails closed: a person without a role gets nothing, an empty list of admins means none.

Admins are the people of ADMIN_IDS and nobody else. In a group the sender's rights decide, not the chat's.
"""

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

from handlers.base import Button, Card, Command, Reply
from handlers.types import PeopleStore, Person, Role
from market.clock import Clock
from market.language import _
from market.types import MINUTE

Mode = Literal["request", "open", "closed"]
ANONYMOUS_ADMIN = 1087968824  # Telegram's GroupAnonymousBot
NOTED = 1000  # people whose last refusal is remembered


@dataclass(frozen=True, slots=True, kw_only=True)
class Sender:
    """Who sent an update. `anonymous`: an admin of the group who writes in its name."""

    user_id: int
    name: str
    chat_id: int
    anonymous: bool = False


class Access:
    """The one table of roles, applied to every command and every button."""

    def __init__(
        self, mode: Mode, admin_ids: Iterable[int], people: PeopleStore, wall: Clock
    ) -> None:
        self.mode: Mode = mode
        self.admin_ids = frozenset(admin_ids)
        self._people, self._wall = people, wall
        self._refused: OrderedDict[int, int] = OrderedDict()

    async def start(self) -> None:
        """Bring the stored admins in line with ADMIN_IDS: who is no longer named there is none."""
        now = self._wall.now()
        for person in await self._people.admins():
            if person.user_id not in self.admin_ids:
                await self._people.save_person(replace(person, role=Role.VIEWER), now)
                await self._people.audit(
                    actor=0, action="access.demote", detail=f"user {person.user_id}", now=now
                )
        for user_id in self.admin_ids:
            known = await self._people.person(user_id)
            name = known.name if known else ""
            admin = Person(user_id=user_id, name=name, role=Role.ADMIN, status="approved")
            if known != admin:
                await self._people.save_person(admin, now)

    async def person(self, sender: Sender) -> Person:
        """The sender with the role that counts here and now."""
        if sender.anonymous:
            return await self._anonymous(sender)
        known = await self._people.person(sender.user_id)
        person = known or Person(user_id=sender.user_id, name=sender.name)
        if sender.user_id in self.admin_ids:
            return replace(person, role=Role.ADMIN, status="approved", name=sender.name)
        if person.status == "approved":
            return replace(person, role=min(person.role, Role.TRADER))
        if self.mode == "open" and person.status != "denied":
            return replace(person, role=Role.VIEWER)
        return replace(person, role=Role.NOBODY)

    def allows(self, person: Person, entry: Command) -> bool:
        """Whether `person` may use this command or press this button."""
        return person.role >= max(entry.role, Role.VIEWER)

    async def knock(self, person: Person) -> bool:
        """Somebody without a role is at the door; True when this is the first time and admins are to be asked."""
        if self.mode != "request" or person.status != "unknown":
            return False
        now = self._wall.now()
        await self._people.save_person(replace(person, status="pending", role=Role.NOBODY), now)
        await self._people.audit(
            actor=person.user_id, action="access.request", detail=person.name[:100], now=now
        )
        return True

    async def refused(self, person: Person, entry: Command) -> None:
        """Write down that somebody tried more than they may; once a minute and person is enough."""
        now = self._wall.now()
        if now - self._refused.get(person.user_id, -MINUTE) < MINUTE:
            return
        self._refused[person.user_id] = now
        self._refused.move_to_end(person.user_id)
        if len(self._refused) > NOTED:
            self._refused.popitem(last=False)
        detail = f"{entry.name} needs {entry.role.name.lower()}, has {person.role.name.lower()}"
        await self._people.audit(
            actor=person.user_id, action="access.refused", detail=detail, now=now
        )

    async def _anonymous(self, sender: Sender) -> Person:
        """Nobody knows who it is: a reader, where an approved person has brought the bot in or reading is open."""
        person = Person(user_id=sender.user_id, name=sender.name, status="anonymous")
        chat = await self._people.chat(sender.chat_id)
        known = chat is not None or self.mode == "open"
        return replace(person, role=Role.VIEWER if known else Role.NOBODY)


def request_card(person: Person) -> Reply:
    """What the admins are asked."""
    who = f"{person.user_id}"
    return Reply(
        card=Card(
            headline=_("{name} asks for access").format(name=person.name or who),
            table=[_("user id  {id}").format(id=who)],
            evidence=_("viewers read, alerters also set alerts"),
        ),
        buttons=[
            [
                Button(text=_("✅ Viewer"), action="access:approve", value=f"{who} viewer"),
                Button(text=_("✅ Alerter"), action="access:approve", value=f"{who} alerter"),
                Button(text=_("✖ Deny"), action="access:deny", value=who, style="danger"),
            ]
        ],
    )


def welcome_text() -> str:
    """The one message to somebody unknown."""
    return _("This desk is private. I have asked its admins to let you in; you will hear from me.")


def refusal_text(person: Person, entry: Command) -> str:
    """Why somebody known may not do this."""
    return _("That needs the role {needed}; yours is {role}. An admin can change it.").format(
        needed=entry.role.name.lower(), role=person.role.name.lower()
    )
