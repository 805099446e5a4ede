"""Button presses. The data of a button is untrusted: the presser's role is checked as if it had been typed."""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping

from telegram import CallbackQuery, Message

from bot.telegram import phrases
from bot.telegram.access import Access, refusal_text
from bot.telegram.answers import Answers, Place
from bot.telegram.buttons import Buttons, Press
from bot.telegram.membership import Membership, presser, thread_of
from bot.telegram.parse import ParsedCommand, normal
from handlers.base import Args, Command, Reply
from handlers.types import Person, Role
from market.clock import Clock
from market.language import _

logger = logging.getLogger(__name__)

GRACE = 1.5  # seconds in which a press is answered together with its result
AGAIN = 3_000  # ms in which the same press counts as a double one
REMEMBERED = 2000
TOAST = 200
Found = tuple[list[ParsedCommand], Command | None]


class Presses:
    """Finds out what a press asks for, whether the presser may, and shows the result."""

    def __init__(
        self,
        *,
        access: Access,
        answers: Answers,
        buttons: Buttons,
        members: Membership,
        wall: Clock,
        run: Callable[[Command, Args], Awaitable[Reply]],
        lookup: Callable[[str], Found | None],
        actions: Mapping[str, Command],
    ) -> None:
        self._access, self._answers, self._buttons = access, answers, buttons
        self._members, self._wall = members, wall
        self._run, self._lookup, self._actions = run, lookup, actions
        self._pressed: OrderedDict[tuple[int, int, str], int] = OrderedDict()

    async def handle(self, update_id: int, query: CallbackQuery) -> None:
        """Answer one press."""
        shown, data = query.message, query.data or ""
        if query.from_user.is_bot or shown is None:
            await self._toast(query, _("That button is too old. Please send the command again."))
            return
        person = await self._access.person(presser(query.from_user, shown.chat.id))
        if person.role is Role.NOBODY:
            await self._toast(query, _("This desk is private."))
            return
        press = await self._buttons.press(data, shown.chat.id)
        found = self._find(press) if press is not None else None
        if press is None or found is None:
            await self._toast(query, _("That button is too old. Please send the command again."))
            return
        entry, readings = found
        if not self._access.allows(person, entry):
            await self._access.refused(person, entry)
            await self._toast(query, refusal_text(person, entry))
            return
        key = (shown.chat.id, shown.message_id, data)
        if entry.changes and self._wall.now() - self._pressed.get(key, -AGAIN) < AGAIN:
            await self._toast(query, _("Already done."))
            return
        await self._carry_out(update_id, query, press, entry, readings, person)
        if entry.changes:
            self._remember(key)

    def _find(self, press: Press) -> tuple[Command, list[ParsedCommand]] | None:
        if press.action:
            entry = self._actions.get(press.action)
            return (entry, []) if entry else None
        found = self._lookup(press.command)
        return (found[1], found[0]) if found and found[1] else None

    async def _carry_out(
        self,
        update_id: int,
        query: CallbackQuery,
        press: Press,
        entry: Command,
        readings: list[ParsedCommand],
        person: Person,
    ) -> None:
        shown = query.message
        if shown is None:
            return
        thread = thread_of(shown) if isinstance(shown, Message) else None
        place = Place(chat_id=shown.chat.id, thread_id=thread)
        in_place = press.edit or bool(press.action)
        if len(readings) > 1:
            await self._answers.gateway.answer(query.id)
            await self._answers.send(phrases.which(readings), place)
            return
        args = Args(
            words=readings[0].words if readings else tuple(normal(press.value).split()),
            rest=readings[0].rest if readings else press.value,
            person=person,
            chat=await self._members.chat(shown.chat),
            update_id=update_id,
            thread_id=thread,
            command=readings[0].name if readings else entry.name,
        )
        reply, told = await self._worked(query, entry, args, in_place=in_place)
        if reply is None:
            await self._answers.send(phrases.too_late(), place)
            return
        if not told:
            await self._show(reply, place, shown, in_place=in_place)
        await self._tell(entry, reply)

    async def _show(self, reply: Reply, place: Place, shown: object, *, in_place: bool) -> None:
        """Put the result into the card or under it; an error leaves the card as it is."""
        if not (reply.card or reply.text or reply.picture):
            reply = Reply(text=reply.toast)
            in_place = False
        if in_place and not reply.error:
            await self._answers.replace(reply, place, shown)
        else:
            await self._answers.send(reply, place)

    async def _worked(
        self, query: CallbackQuery, entry: Command, args: Args, *, in_place: bool
    ) -> tuple[Reply | None, bool]:
        """The reply, and whether the answer to the press has said it all; None when the press came too late.

        A press is answered at once, or with its result where that is there in a moment. What trades is
        answered first: an answer Telegram no longer takes shows that the press is old.
        """
        if entry.changes and entry.role >= Role.TRADER:
            fresh = await self._answers.gateway.answer(query.id)
            return (await self._run(entry, args), False) if fresh else (None, False)
        work = asyncio.ensure_future(self._run(entry, args))
        try:
            done, _waiting = await asyncio.wait({work}, timeout=GRACE)
            text = _toast_of(work.result(), in_place=in_place) if done else ""
            error = bool(done) and work.result().error
            await self._answers.gateway.answer(query.id, text, alert=error and bool(text))
            reply = await work
        finally:
            work.cancel()
        complete = bool(text) and (reply.error or not (reply.card or reply.text or reply.picture))
        return reply, complete

    async def _tell(self, entry: Command, reply: Reply) -> None:
        """Send the message to another chat that an admin's decision carries with it."""
        told = reply.data.get("tell")
        if entry.role is Role.ADMIN and isinstance(told, dict):
            text = str(told["text"])
            await self._answers.send(Reply(text=text), Place(chat_id=int(told["chat_id"])))

    async def _toast(self, query: CallbackQuery, text: str) -> None:
        await self._answers.gateway.answer(query.id, text, alert=True)

    def _remember(self, key: tuple[int, int, str]) -> None:
        for other in [each for each in self._pressed if each[:2] == key[:2] and each != key]:
            del self._pressed[other]  # pause, resume, pause on one card are three wishes
        self._pressed[key] = self._wall.now()
        self._pressed.move_to_end(key)
        if len(self._pressed) > REMEMBERED:
            self._pressed.popitem(last=False)


def _toast_of(reply: Reply, *, in_place: bool) -> str:
    """What the answer to the press itself says; "" where a message says it."""
    if reply.toast:
        return reply.toast
    short = reply.error and in_place and not reply.buttons and len(reply.text) <= TOAST
    return reply.text if short else ""
