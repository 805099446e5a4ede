"""One router over one registry: every update that means something ends in a handler, a refusal or a hint."""

import asyncio
import logging
import secrets
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from telegram import Message, Update

from bot.telegram import phrases
from bot.telegram.access import Access, Sender, refusal_text, request_card, welcome_text
from bot.telegram.answers import Answers, Place
from bot.telegram.buttons import Buttons
from bot.telegram.gateway import Gateway
from bot.telegram.membership import Membership, private, sender_of, thread_of
from bot.telegram.parse import COIN, ParsedCommand, parse_command, read_command, resolve
from bot.telegram.press import Presses
from handlers.app import App
from handlers.base import ACTIONS, COMMANDS, Args, Command, Reply
from handlers.types import PeopleStore, Person, Role
from market.errors import AssistantError, UserError
from market.language import _

__all__ = ["ParsedCommand", "Router", "parse_command"]

logger = logging.getLogger(__name__)

STALE = 30_000  # ms after which a trading command is not carried out any more
PATIENCE = 60.0  # seconds a handler has
TYPING_AFTER, TYPING_EVERY = 0.8, 4.5  # seconds
NOTICE_EVERY = 600_000  # ms between notices of failures to the admins


@dataclass(frozen=True, slots=True, kw_only=True)
class Typed:
    """A message of a person, read."""

    update_id: int
    message: Message
    sender: Sender
    place: Place
    text: str
    edited: bool


class Router:
    """Handles one update at a time per chat; never raises what a handler did wrong."""

    def __init__(  # noqa: PLR0913 - what it is made of, each by name
        self,
        app: App,
        people: PeopleStore,
        access: Access,
        gateway: Gateway,
        buttons: Buttons,
        *,
        username: str,
        commands: Mapping[str, Command] = COMMANDS,
        actions: Mapping[str, Command] = ACTIONS,
        is_coin: Callable[[str], bool] | None = None,
        on_chat: Callable[[int, bool], Awaitable[None]] | None = None,
        reference: Callable[[], str] = lambda: secrets.token_hex(4),
    ) -> None:
        self._app, self._people, self._access = app, people, access
        self._commands, self._is_coin = commands, is_coin
        self._username, self._reference = username, reference
        self._wall = app.wall
        self._answers = Answers(app, gateway, buttons)
        self._members = Membership(
            people, access, self._answers, app.wall, username=username, on_chat=on_chat
        )
        self._presses = Presses(
            access=access, answers=self._answers, buttons=buttons, members=self._members,
            wall=app.wall, run=self.run, lookup=self.lookup, actions=actions,
        )  # fmt: skip
        self._noticed: int | None = None
        gateway.on_gone, gateway.on_migrated = self._members.lost, self._members.moved

    async def handle(self, update: Update) -> None:
        """Route one update."""
        try:
            await self._route(update)
        except Exception as error:  # the process outlives any fault of ours
            reference = await self._report("update", error)
            chat = update.effective_chat
            if chat is not None:
                await self._answers.send(phrases.unexpected(reference), Place(chat_id=chat.id))

    async def _route(self, update: Update) -> None:
        if update.callback_query is not None:
            await self._presses.handle(update.update_id, update.callback_query)
        elif update.my_chat_member is not None:
            await self._members.changed(update.my_chat_member)
        elif update.message is not None:
            if not await self._members.migrated(update.message):
                await self._message(update.update_id, update.message, edited=False)
        elif update.edited_message is not None:
            await self._message(update.update_id, update.edited_message, edited=True)

    def lookup(self, line: str) -> tuple[list[ParsedCommand], Command | None] | None:
        """The readings of a command line and the command of the first; None when it is not for us."""
        parsed = read_command(line, self._username)
        if parsed is None or parsed.foreign:
            return None
        readings = list(resolve(parsed, self._commands, self._is_coin))
        return readings, self._commands.get(readings[0].name)

    async def _message(self, update_id: int, message: Message, *, edited: bool) -> None:
        sender = sender_of(message)
        if sender is None or message.text is None:
            return
        reply_to = None if private(message.chat) else message.message_id
        place = Place(chat_id=message.chat.id, thread_id=thread_of(message), reply_to=reply_to)
        typed = Typed(
            update_id=update_id, message=message, sender=sender, place=place,
            text=message.text, edited=edited,
        )  # fmt: skip
        found = self._found(typed)
        if found is None:
            return
        person = await self._access.person(sender)
        if person.role is Role.NOBODY:
            await self._stranger(person, typed)
            return
        readings, entry = found
        reply = await self._answer(typed, person, readings, entry)
        if reply is None:
            return
        await self._answers.send(reply, place)
        if reply.data.get("delete_asked"):  # it carried a secret
            await self._answers.gateway.delete(message.chat.id, message.message_id)

    def _found(self, typed: Typed) -> tuple[list[ParsedCommand], Command | None] | None:
        """What a message asks for; None when it is not meant for us. No readings: a text in private."""
        alone = private(typed.message.chat)
        if read_command(typed.text, self._username) is None:
            if not alone or typed.edited:
                return None
            coin = self._coin(typed.text)
            return (self.lookup(f"/price {coin}") if coin else None) or ([], None)
        found = self.lookup(typed.text)
        if found is not None and found[1] is None and not (alone or found[0][0].addressed):
            return None  # in a group somebody else's command
        return found

    def _coin(self, text: str) -> str:
        """The coin a message consists of, "" when it is something else."""
        word = text.strip()
        if "price" not in self._commands or not COIN.fullmatch(word):
            return ""
        sure = word.startswith("$") and len(word) > 1
        return word if sure or (self._is_coin is not None and self._is_coin(word)) else ""

    async def _answer(
        self, typed: Typed, person: Person, readings: list[ParsedCommand], entry: Command | None
    ) -> Reply | None:
        """The answer to a person with a role; None for silence."""
        if not readings:
            return phrases.hint(self._commands)
        first = readings[0]
        if entry is None:
            return phrases.unknown_command(first.name, self._commands, first, person.role)
        if typed.edited and entry.changes:
            return None
        if not self._access.allows(person, entry):
            await self._access.refused(person, entry)
            return Reply(text=refusal_text(person, entry), error=True)
        if len(readings) > 1:
            return phrases.which(readings)
        return self._untimely(typed, entry) or await self._run_typed(typed, person, first, entry)

    async def _run_typed(
        self, typed: Typed, person: Person, first: ParsedCommand, entry: Command
    ) -> Reply:
        args = Args(
            words=first.words,
            rest=first.rest,
            person=person,
            chat=await self._members.chat(typed.message.chat),
            update_id=typed.update_id,
            thread_id=typed.place.thread_id,
            command=first.name,
            message_ts=int(typed.message.date.timestamp() * 1000),
            forwarded=typed.message.forward_origin is not None,
        )
        return await self.run(entry, args)

    def _untimely(self, typed: Typed, entry: Command) -> Reply | None:
        """Why a command that changes something is not carried out as it came."""
        if not entry.changes:
            return None
        if typed.message.forward_origin is not None:
            return phrases.forwarded()
        age = self._wall.now() - int(typed.message.date.timestamp() * 1000)
        return phrases.too_late() if entry.role >= Role.TRADER and age > STALE else None

    async def run(self, entry: Command, args: Args) -> Reply:
        """The reply of a handler, or the sentence that stands for its failure."""
        if entry.changes and entry.role >= Role.TRADER:
            await self._people.audit(
                actor=args.person.user_id,
                action=f"command.{entry.name}",
                detail=" ".join(args.words)[:200],
                now=self._wall.now(),
            )
        typing = asyncio.create_task(self._typing(args), name="telegram typing")
        try:
            async with asyncio.timeout(PATIENCE):
                return await entry.run(args, self._app)
        except UserError as error:
            return phrases.user_error(error)
        except AssistantError as error:
            logger.warning("command failed name=%s reason=%s", entry.name, error)
            return phrases.known_failure(error)
        except TimeoutError:
            logger.warning("command timed out name=%s", entry.name)
            return phrases.timed_out()
        except Exception as error:  # a fault of ours: a reference, and the trace in the log
            return phrases.unexpected(await self._report(entry.name, error))
        finally:
            typing.cancel()

    async def _typing(self, args: Args) -> None:
        """Show that the answer is on its way, as long as it is."""
        await asyncio.sleep(TYPING_AFTER)
        while True:
            await self._answers.gateway.typing(args.chat.chat_id, args.thread_id)
            await asyncio.sleep(TYPING_EVERY)

    async def _stranger(self, person: Person, typed: Typed) -> None:
        """One polite message, one card to the admins; afterwards silence."""
        if typed.edited or typed.sender.anonymous or not await self._access.knock(person):
            return
        await self._answers.send(Reply(text=welcome_text()), typed.place)
        for admin in sorted(self._access.admin_ids):
            await self._answers.send(request_card(person), Place(chat_id=admin))

    async def _report(self, what: str, error: Exception) -> str:
        """Log a fault under a reference, and tell the admins of it, not too often."""
        reference = self._reference()
        logger.error("failed what=%s reference=%s", what, reference, exc_info=error)
        now = self._wall.now()
        if self._noticed is None or now - self._noticed >= NOTICE_EVERY:
            self._noticed = now
            text = _("⚠️ {what} failed ({kind}). Reference {reference}; the trace is in the log.")
            notice = Reply(
                text=text.format(what=what, kind=type(error).__name__, reference=reference)
            )
            for admin in sorted(self._access.admin_ids):
                await self._answers.send(notice, Place(chat_id=admin))
        return reference
