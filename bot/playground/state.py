"""What a Telegram server would know: users, chats, messages, files, menus and waiting button presses."""

import asyncio
import copy
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from bot.playground.errors import ApiError, bad, forbidden
from bot.playground.files import FileStore
from bot.playground.updates import UpdateQueue
from market.clock import Clock

Json = dict[str, Any]
ANONYMOUS = {
    "id": 1087968824,
    "is_bot": True,
    "first_name": "Group",
    "username": "GroupAnonymousBot",
}
CHANNEL = {"id": 136817688, "is_bot": True, "first_name": "Channel", "username": "Channel_Bot"}
KEPT_MESSAGES = 5000  # of one chat
KEPT_QUERIES = 1000
EPOCH = 1_700_000_000  # s; ids begin with the seconds since, so that a new server repeats none of the last one


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """A person, or the bot."""

    id: int
    name: str
    username: str | None = None
    is_bot: bool = False

    def json(self) -> Json:
        """As messages show it."""
        shown: Json = {"id": self.id, "is_bot": self.is_bot, "first_name": self.name}
        if self.username:
            shown["username"] = self.username
        return shown if self.is_bot else {**shown, "language_code": "en"}


@dataclass(slots=True, kw_only=True)
class Message:
    """One message: `body` as the Bot API shows it now, `edits` as it was before each edit."""

    body: Json
    own: bool  # the bot's
    edits: list[Json] = field(default_factory=list)
    keyboard: Json | None = None  # a reply keyboard that came with it; messages do not show those

    @property
    def id(self) -> int:
        """Unique within its chat."""
        return int(self.body["message_id"])


@dataclass(slots=True, kw_only=True)
class Chat:
    """One conversation. `members` holds statuses of people, `bot` the bot's own."""

    id: int
    kind: str  # private, group, supergroup, channel
    title: str
    username: str | None = None
    privacy: bool = True  # False: the bot is an administrator here and reads everything
    forum: bool = False
    members: dict[int, str] = field(default_factory=dict)
    bot: str = "member"  # member, kicked, left
    last_bot: int | None = None  # the bot that spoke last
    next_id: int = 1
    moved_to: int | None = None
    closed_threads: set[int] = field(default_factory=set)
    messages: "OrderedDict[int, Message]" = field(default_factory=OrderedDict)

    def json(self) -> Json:
        """As messages show it."""
        shown: Json = {"id": self.id, "type": self.kind}
        shown["first_name" if self.kind == "private" else "title"] = self.title
        if self.username:
            shown["username"] = self.username
        if self.forum:
            shown["is_forum"] = True
        return shown

    def take_id(self) -> int:
        """The id of the next message."""
        self.next_id += 1
        return self.next_id - 1

    def keep(self, message: Message) -> None:
        """Add a message; the oldest goes when there are too many."""
        self.messages[message.id] = message
        if len(self.messages) > KEPT_MESSAGES:
            self.messages.popitem(last=False)


@dataclass(slots=True, kw_only=True)
class Query:
    """A button press that waits for its answer."""

    id: str
    chat_id: int
    user_id: int
    ts: int
    answered: bool = False


class World:
    """Everything the server holds, and who is told when it changes."""

    def __init__(self, wall: Clock, bot: User, *, reads_all: bool = False) -> None:
        self.wall, self.bot, self.reads_all = wall, bot, reads_all
        self.first_id = max(1, self.seconds() - EPOCH)
        self.users: dict[int, User] = {bot.id: bot}
        self.chats: dict[int, Chat] = {}
        self.files = FileStore()
        self.updates = UpdateQueue(wall, self.first_id)
        self.queries: OrderedDict[str, Query] = OrderedDict()
        self.commands: dict[tuple[str, str], list[Json]] = {}  # (scope, language)
        self.listeners: list[Callable[[Json], None]] = []
        self._query = self.first_id
        self._changed = asyncio.Event()

    def seconds(self) -> int:
        """Unix time, the unit of dates in messages."""
        return self.wall.now() // 1000

    def emit(self, kind: str, **facts: Any) -> None:
        """Tell the listeners, and whoever waits in `changed`."""
        for listener in self.listeners:
            listener({"type": kind, **facts})
        self.touch()

    def touch(self) -> None:
        """Something happened that only `changed` is about."""
        self._changed.set()
        self._changed = asyncio.Event()

    async def changed(self) -> None:
        """Wait for the next change."""
        await self._changed.wait()

    def chat(self, given: Any) -> Chat:
        """The chat of an id or @name, as it is used in calls; refused when it is none or has moved."""
        chat = self._find(given)
        if chat is None:
            raise bad("chat not found")
        if chat.moved_to is not None:
            text = "Bad Request: group chat was upgraded to a supergroup chat"
            raise ApiError(400, text, migrate_to_chat_id=chat.moved_to)
        return chat

    def open_chat(self, given: Any) -> Chat:
        """A chat the bot may act in."""
        chat = self.chat(given)
        if chat.bot == "member":
            return chat
        if chat.kind == "private":
            raise forbidden("bot was blocked by the user")
        name = "group chat" if chat.kind == "group" else f"{chat.kind} chat"
        how = "was kicked from" if chat.bot == "kicked" else "is not a member of"
        raise forbidden(f"bot {how} the {name}")

    def add_chat(self, chat: Chat) -> Chat:
        """Open a conversation."""
        chat.next_id = self.first_id
        self.chats[chat.id] = chat
        return chat

    def private(self, user: User) -> Chat:
        """The private chat of a user, made on first use."""
        chat = self.chats.get(user.id)
        if chat is None:
            chat = Chat(id=user.id, kind="private", title=user.name, username=user.username)
            chat.members[user.id] = "member"
            self.add_chat(chat)
        return chat

    def post(self, chat: Chat, body: Json, *, own: bool, keyboard: Json | None = None) -> Message:
        """Put a message into a chat."""
        message = Message(body=body, own=own, keyboard=keyboard)
        chat.keep(message)
        if own:
            chat.last_bot = self.bot.id
        self.emit("message", chat_id=chat.id, message_id=message.id)
        return message

    def header(self, chat: Chat) -> Json:
        """The beginning of a message by the bot; takes an id."""
        who = {"sender_chat": chat.json()} if chat.kind == "channel" else {"from": self.bot.json()}
        return {"message_id": chat.take_id(), **who, "chat": chat.json(), "date": self.seconds()}

    def change(self, chat: Chat, message: Message, body: Json) -> None:
        """Replace what a message shows, and remember what it showed."""
        message.edits.append(message.body)
        message.body = {**body, "edit_date": self.seconds()}
        self.emit("edit", chat_id=chat.id, message_id=message.id)

    def ask(self, chat: Chat, user: User) -> Query:
        """A new button press."""
        self._query += 1
        query = Query(
            id=str(self._query << 32 | self.first_id & 0xFFFFFFFF),
            chat_id=chat.id, user_id=user.id, ts=self.wall.now(),
        )  # fmt: skip
        self.queries[query.id] = query
        if len(self.queries) > KEPT_QUERIES:
            self.queries.popitem(last=False)
        return query

    def snapshot(self, message: Message) -> Json:
        """A copy that later edits do not change."""
        return copy.deepcopy(message.body)

    def _find(self, given: Any) -> Chat | None:
        text = str(given).strip()
        if text.startswith("@"):
            names = {c.username.lower(): c for c in self.chats.values() if c.username}
            chat = names.get(text[1:].lower())
            return chat if chat and chat.kind != "private" else None
        try:
            chat_id = int(text)
        except ValueError:
            return None
        if chat_id not in self.chats and chat_id in self.users and chat_id != self.bot.id:
            return self.private(self.users[chat_id])
        return self.chats.get(chat_id)
