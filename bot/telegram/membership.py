"""Chats come, go and change their id; who writes in them."""

import logging
from collections.abc import Awaitable, Callable

from telegram import Chat as TelegramChat
from telegram import ChatMember, ChatMemberRestricted, ChatMemberUpdated, Message, User

from bot.telegram import phrases
from bot.telegram.access import Access, Sender
from bot.telegram.answers import Answers, Place
from bot.telegram.split import clean
from handlers.types import Chat, PeopleStore, Role
from market.clock import Clock

logger = logging.getLogger(__name__)

OUT = (ChatMember.LEFT, ChatMember.BANNED)
NAME = 64


class Membership:
    """Keeps the stored chats in line with what Telegram says of them."""

    def __init__(
        self,
        people: PeopleStore,
        access: Access,
        answers: Answers,
        wall: Clock,
        *,
        username: str,
        on_chat: Callable[[int, bool], Awaitable[None]] | None = None,
    ) -> None:
        self._people, self._access, self._answers, self._wall = people, access, answers, wall
        self._username, self._on_chat = username, on_chat

    async def chat(self, shown: TelegramChat) -> Chat:
        """The stored chat; stored now when an approved person uses the bot there for the first time."""
        known = await self._people.chat(shown.id)
        if known is None:
            known = Chat(chat_id=shown.id, kind=str(shown.type), title=_title(shown))
            await self._people.save_chat(known, self._wall.now())
        elif not known.alive:
            await self._set_alive(shown.id, alive=True)
        return known

    async def migrated(self, message: Message) -> bool:
        """Whether this is the notice of a group that became a supergroup; if so everything moves there."""
        old, new = message.migrate_from_chat_id, message.chat.id
        if message.migrate_to_chat_id is not None:
            old, new = message.chat.id, message.migrate_to_chat_id
        if old is None:
            return False
        await self.moved(old, new)
        return True

    async def lost(self, chat_id: int) -> None:
        """A message could not be delivered because the chat is closed to us."""
        known = await self._people.chat(chat_id)
        if known is not None and known.alive:
            await self._set_alive(chat_id, alive=False)

    async def moved(self, old: int, new: int) -> None:
        """A message showed that a group has a new id; doing this twice changes nothing more."""
        await self._people.move_chat(old, new, self._wall.now())
        logger.info("chat moved old=%s new=%s", old, new)

    async def changed(self, update: ChatMemberUpdated) -> None:
        """The bot was added, removed, blocked or unblocked."""
        inside = _can_speak(update.new_chat_member)
        known = await self._people.chat(update.chat.id)
        if known is not None and known.alive != inside:
            await self._set_alive(update.chat.id, alive=inside)
        joined = inside and not _can_speak(update.old_chat_member)
        if joined and not private(update.chat) and update.chat.type != TelegramChat.CHANNEL:
            await self._greet(update)

    async def _greet(self, update: ChatMemberUpdated) -> None:
        """Say how a group talks to us, if whoever brought us in may use us."""
        person = await self._access.person(_sender(update.from_user, update.chat.id))
        if person.role >= Role.VIEWER:
            await self.chat(update.chat)
            await self._answers.send(
                phrases.greeting(self._username), Place(chat_id=update.chat.id)
            )

    async def _set_alive(self, chat_id: int, *, alive: bool) -> None:
        await self._people.set_alive(chat_id, alive, self._wall.now())
        logger.info("chat alive=%s chat=%s", alive, chat_id)
        if self._on_chat is not None:
            await self._on_chat(chat_id, alive)


def sender_of(message: Message) -> Sender | None:
    """Who wrote a message; None for channels, bots and what came through an inline bot.

    An anonymous admin is known by `sender_chat` being the chat itself, nothing else proves it.
    """
    user, shown = message.from_user, message.sender_chat
    if message.chat.type == TelegramChat.CHANNEL or message.via_bot is not None or user is None:
        return None
    if shown is not None:
        if shown.id != message.chat.id:
            return None
        return Sender(
            user_id=user.id, name=_title(message.chat), chat_id=message.chat.id, anonymous=True
        )
    return None if user.is_bot else _sender(user, message.chat.id)


def presser(user: User, chat_id: int) -> Sender:
    """Who pressed a button."""
    return _sender(user, chat_id)


def thread_of(message: Message) -> int | None:
    """The forum topic of a message; the thread id of a mere reply is none."""
    return message.message_thread_id if message.is_topic_message else None


def private(chat: TelegramChat) -> bool:
    """Whether this is a conversation with one person."""
    return chat.type == TelegramChat.PRIVATE


def _sender(user: User, chat_id: int) -> Sender:
    return Sender(user_id=user.id, name=clean(user.full_name)[:NAME], chat_id=chat_id)


def _title(chat: TelegramChat) -> str:
    return clean(chat.title or chat.full_name or "")[:NAME]


def _can_speak(member: ChatMember) -> bool:
    if isinstance(member, ChatMemberRestricted):
        return member.is_member and member.can_send_messages
    return member.status not in OUT
