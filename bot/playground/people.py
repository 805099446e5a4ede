"""What people do: write, edit, press, block, remove the bot. Tests and the chat page act through this."""

import copy
from collections.abc import Sequence

from bot.playground.about import bot_status, member
from bot.playground.entities import Entity, found, leading_command
from bot.playground.files import StoredFile
from bot.playground.params import Upload
from bot.playground.sending import quoted
from bot.playground.state import ANONYMOUS, CHANNEL, Chat, Json, Message, Query, User, World

SUPERGROUP = 1_001_000_000_000  # a migrated group gets minus this and its last six digits
PIXEL = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c489"
    "0000000a49444154789c63000100000500010d0a2db40000000049454e44ae426082"
)


class People:
    """The people's side of the server."""

    def __init__(self, world: World) -> None:
        self.world = world
        self._picture: StoredFile | None = None

    def add_user(
        self, user_id: int, name: str, username: str | None = None, *, is_bot: bool = False
    ) -> User:
        """Make a person known; they have a private chat with the bot from the first use on."""
        user = User(id=user_id, name=name, username=username, is_bot=is_bot)
        self.world.users[user_id] = user
        return user

    def add_chat(
        self,
        chat_id: int,
        kind: str,
        title: str,
        members: Sequence[int] = (),
        privacy: bool = True,
        *,
        admins: Sequence[int] = (),
        forum: bool = False,
        username: str | None = None,
    ) -> Chat:
        """A chat the bot is in; the first of `admins` owns it. Without `privacy` the bot is an administrator."""
        chat = Chat(
            id=chat_id, kind=kind, title=title, username=username, privacy=privacy, forum=forum
        )
        chat.members = dict.fromkeys(members, "member") | dict.fromkeys(admins, "administrator")
        if admins:
            chat.members[admins[0]] = "creator"
        return self.world.add_chat(chat)

    def send_text(  # noqa: PLR0913 - one flag for each form a message can come in
        self,
        chat_id: int,
        user_id: int,
        text: str,
        *,
        edit_of: int | None = None,
        forwarded: bool = False,
        thread_id: int | None = None,
        sender_chat: int | None = None,
        caption_photo: bool = False,
        via_bot: bool = False,
        reply_to: int | None = None,
    ) -> int | None:
        """Write (or edit) a message; the update id, or None when the bot is not shown it."""
        chat = self._chat(chat_id, user_id)
        content = self._content(text, caption_photo=caption_photo)
        if edit_of is not None:
            return self._edit(chat, edit_of, content)
        body = {
            "message_id": chat.take_id(),
            **self._sender(chat, user_id, sender_chat),
            "chat": chat.json(),
            "date": self.world.seconds(),
            **content,
        }
        if forwarded:
            origin = self.world.users[user_id].json()
            body["forward_origin"] = {"type": "user", "date": body["date"], "sender_user": origin}
        if thread_id is not None:
            body |= {"message_thread_id": thread_id}
            body |= {"is_topic_message": True} if chat.forum else {}
        if via_bot:
            body["via_bot"] = self.world.bot.json()
        if reply_to is not None:
            body["reply_to_message"] = quoted(self.world, chat.messages[reply_to])
        message = self.world.post(chat, body, own=False)
        return self._deliver(chat, user_id, message, "message")

    def press(self, chat_id: int, message_id: int, user_id: int, data: str) -> str:
        """Press an inline button, or pretend to with any data; returns the id of the callback query."""
        chat, user = self.world.chats[chat_id], self.world.users[user_id]
        query = self.world.ask(chat, user)
        message = chat.messages.get(message_id)
        gone = {"chat": chat.json(), "message_id": message_id, "date": 0}
        if chat.bot == "member":
            shown = self.world.snapshot(message) if message else gone
            self.world.updates.push("callback_query", {
                "id": query.id,
                "from": user.json(),
                "message": shown,
                "chat_instance": str(-chat_id * 7919),
                "data": data,
            })  # fmt: skip
        return query.id

    def messages(self, chat_id: int) -> list[Json]:
        """All messages of a chat as they are now, each with what it showed before under `edits`."""
        chat = self.world.chats.get(chat_id)
        kept = list(chat.messages.values()) if chat else []
        return [copy.deepcopy({**m.body, "edits": m.edits}) for m in kept]

    def query(self, query_id: str) -> Query:
        """A button press and whether it was answered."""
        return self.world.queries[query_id]

    def block(self, user_id: int) -> int | None:
        """A person blocks the bot."""
        return self._turn(self.world.private(self.world.users[user_id]), user_id, "kicked")

    def unblock(self, user_id: int) -> int | None:
        """A person unblocks the bot."""
        return self._turn(self.world.private(self.world.users[user_id]), user_id, "member")

    def kick_bot(self, chat_id: int) -> int | None:
        """The bot is removed from a group."""
        chat = self.world.chats[chat_id]
        return self._turn(chat, _owner(chat), "kicked")

    def add_bot(self, chat_id: int, user_id: int | None = None) -> int | None:
        """The bot is added to a group (again)."""
        chat = self.world.chats[chat_id]
        return self._turn(chat, user_id or _owner(chat), "member")

    def migrate(self, chat_id: int, new_id: int | None = None) -> int:
        """A group becomes a supergroup; both chats say so, the old one takes no messages any more."""
        old = self.world.chats[chat_id]
        new_id = new_id or -(SUPERGROUP + abs(chat_id) % 1_000_000)
        new = Chat(id=new_id, kind="supergroup", title=old.title, privacy=old.privacy)
        new.members, new.last_bot = dict(old.members), old.last_bot
        self.world.add_chat(new)
        self._service(old, {"migrate_to_chat_id": new_id})
        self._service(new, {"migrate_from_chat_id": chat_id})
        old.moved_to = new_id
        return new_id

    def close_thread(self, chat_id: int, thread_id: int) -> None:
        """A forum topic is deleted."""
        self.world.chats[chat_id].closed_threads.add(thread_id)

    def _chat(self, chat_id: int, user_id: int) -> Chat:
        chat = self.world.chats.get(chat_id)
        if chat is None and chat_id == user_id:
            chat = self.world.private(self.world.users[user_id])
        if chat is None:
            raise KeyError(f"no chat {chat_id}")
        return chat

    def _content(self, text: str, *, caption_photo: bool) -> Json:
        entities: list[Entity] = found(text)
        name = "caption_entities" if caption_photo else "entities"
        marks = {name: entities} if entities else {}
        if not caption_photo:
            return {"text": text, **marks}
        if self._picture is None:
            self._picture = self.world.files.add("photo", Upload("photo.png", PIXEL))
        return {"photo": self._picture.shown, "caption": text, **marks}

    def _sender(self, chat: Chat, user_id: int, sender_chat: int | None) -> Json:
        """`from` and `sender_chat`: a channel has no author, an anonymous administrator is the group itself."""
        if chat.kind == "channel":
            return {"sender_chat": chat.json()}
        if sender_chat is None:
            return {"from": self.world.users[user_id].json()}
        shown = self.world.chats[sender_chat].json()
        return {"from": ANONYMOUS if sender_chat == chat.id else CHANNEL, "sender_chat": shown}

    def _edit(self, chat: Chat, message_id: int, content: Json) -> int | None:
        message = chat.messages[message_id]
        if "photo" in message.body and "text" in content:
            content = self._content(content["text"], caption_photo=True)
        dropped = ("text", "entities", "caption", "caption_entities", "photo")
        rest = {name: value for name, value in message.body.items() if name not in dropped}
        self.world.change(chat, message, {**rest, **content})
        author = int(message.body.get("from", {}).get("id", 0))
        return self._deliver(chat, author, message, "edited_message")

    def _deliver(self, chat: Chat, user_id: int, message: Message, kind: str) -> int | None:
        """Queue the update if the bot is shown the message; writing to a blocked bot reaches nobody."""
        author = self.world.users.get(user_id)
        from_bot = author is not None and author.is_bot
        if from_bot and kind == "message":
            chat.last_bot = user_id
        if chat.bot != "member" or chat.moved_to or from_bot or not self._shown(chat, message):
            return None
        if chat.kind == "channel":
            kind = "channel_post" if kind == "message" else "edited_channel_post"
        return self.world.updates.push(kind, self.world.snapshot(message))

    def _shown(self, chat: Chat, message: Message) -> bool:
        """Privacy mode: in groups only what is meant for the bot."""
        body = message.body
        if chat.kind in ("private", "channel") or self.world.reads_all or not chat.privacy:
            return True
        bot = self.world.bot
        if body.get("via_bot", {}).get("id") == bot.id:
            return True
        if body.get("reply_to_message", {}).get("from", {}).get("id") == bot.id:
            return True
        text = body.get("text") or body.get("caption") or ""
        command = leading_command(text, body.get("entities") or body.get("caption_entities") or [])
        if command is None:
            return False
        _, at, name = command.partition("@")
        if at:
            return name.lower() == (bot.username or "").lower()
        return chat.last_bot == bot.id

    def _service(self, chat: Chat, content: Json) -> None:
        body = {
            "message_id": chat.take_id(),
            "from": self.world.users[_owner(chat)].json(),
            "chat": chat.json(),
            "date": self.world.seconds(),
            **content,
        }
        message = self.world.post(chat, body, own=False)
        self.world.updates.push("message", self.world.snapshot(message))

    def _turn(self, chat: Chat, user_id: int, status: str) -> int | None:
        """The bot's own membership changes; Telegram tells with my_chat_member."""
        before = bot_status(self.world, chat)
        chat.bot = status
        after = bot_status(self.world, chat)
        if before == after:
            return None
        me = self.world.bot
        self.world.touch()
        return self.world.updates.push("my_chat_member", {
            "chat": chat.json(),
            "from": self.world.users[user_id].json(),
            "date": self.world.seconds(),
            "old_chat_member": member(me, before),
            "new_chat_member": member(me, after),
        })  # fmt: skip


def _owner(chat: Chat) -> int:
    """Who does what an administrator does."""
    ranked = sorted(chat.members, key=lambda i: chat.members[i] != "creator")
    if not ranked:
        raise KeyError(f"chat {chat.id} has no members")
    return ranked[0]
