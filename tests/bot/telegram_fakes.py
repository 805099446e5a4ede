"""Telegram, its clock and the stores, small and in memory."""

import asyncio
import heapq
import itertools
import json
from collections import defaultdict, deque
from collections.abc import Awaitable, Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

from telegram import Update
from telegram.request import BaseRequest, RequestData

from bot.telegram.access import Access
from bot.telegram.build import DeskBot
from bot.telegram.buttons import Buttons
from bot.telegram.gateway import Gateway
from bot.telegram.router import Router
from handlers.base import Args, Command, Reply
from handlers.types import Chat, Person, Preferences, Role, StoredUpdate

TOKEN = "123456789:AAHsecretsecretsecretsecretsecretse"
NOW = 1_780_000_000_000
ADMIN, TRADER, VIEWER, STRANGER = 1001, 1002, 1003, 1004


class Time:
    """A clock that moves only when everybody sleeps."""

    def __init__(self, now: int = NOW) -> None:
        self.ms = now
        self._sleepers: list[tuple[int, int, asyncio.Future[None]]] = []
        self._order = itertools.count()

    def now(self) -> int:
        return self.ms

    async def sleep(self, seconds: float) -> None:
        future = asyncio.get_running_loop().create_future()
        due = self.ms + max(1, round(seconds * 1000))
        heapq.heappush(self._sleepers, (due, next(self._order), future))
        await future

    async def run(self, work: Awaitable[Any]) -> Any:
        """The result of `work`, with time passing as fast as it can."""
        task = asyncio.ensure_future(work)
        while not task.done():
            for _ in range(30):
                await asyncio.sleep(0)
            if not task.done() and self._sleepers:
                due, _order, future = heapq.heappop(self._sleepers)
                self.ms = max(self.ms, due)
                if not future.done():
                    future.set_result(None)
        return task.result()


class FakeTelegram(BaseRequest):
    """Answers Bot API calls; `faults[method]` holds what goes wrong next."""

    def __init__(self, time: Time) -> None:
        self.time = time
        self.calls: list[tuple[str, dict[str, Any], int]] = []
        self.faults: dict[str, deque[Any]] = defaultdict(deque)
        self.updates: list[dict[str, Any]] = []
        self.answers: dict[str, Callable[[dict[str, Any]], Any]] = {}
        self.acknowledged = 0
        self.delay = 0.0
        self._ids = itertools.count(1)

    @property
    def read_timeout(self) -> float:
        return 5.0

    async def initialize(self) -> None: ...

    async def shutdown(self) -> None: ...

    async def do_request(
        self, url: str, method: str, request_data: RequestData | None = None, **_timeouts: Any
    ) -> tuple[int, bytes]:
        name = url.rsplit("/", 1)[1]
        values = request_data.json_parameters if request_data else {}
        data = {key: _loaded(value) for key, value in values.items()}
        self.calls.append((name, data, self.time.now()))
        chat = data.get("chat_id")
        for key in (f"{name}:{chat}", name):
            if self.faults[key]:
                fault = self.faults[key].popleft()
                if isinstance(fault, BaseException):
                    raise fault
                return fault
        if self.delay:
            await self.time.sleep(self.delay)
        if name == "getUpdates":
            return 200, json.dumps({"ok": True, "result": await self._updates(data)}).encode()
        result = self.answers.get(name, self._default)(data | {"_method": name})
        return 200, json.dumps({"ok": True, "result": result}).encode()

    async def _updates(self, data: dict[str, Any]) -> list[dict[str, Any]]:
        offset = data.get("offset") or 0
        self.updates = [u for u in self.updates if u["update_id"] >= offset]
        if offset:
            self.acknowledged = offset - 1
        if not self.updates:
            await self.time.sleep(data.get("timeout") or 1)
        return [u for u in self.updates if u["update_id"] >= offset][: data["limit"]]

    def _default(self, data: dict[str, Any]) -> Any:
        method = data["_method"]
        if method == "getMe":
            return {"id": 77, "is_bot": True, "first_name": "Tide", "username": "TideBot"}
        if method.startswith(("send", "editMessage")) and method != "sendChatAction":
            markup = data.get("reply_markup") or {"inline_keyboard": []}
            for button in itertools.chain.from_iterable(markup["inline_keyboard"]):
                assert 1 <= len(button["callback_data"].encode()) <= 64
            message: dict[str, Any] = {
                "message_id": data.get("message_id") or next(self._ids),
                "date": self.time.now() // 1000,
                "chat": {"id": data["chat_id"], "type": "private"},
            }
            return message
        if method == "getMyCommands":
            return []
        return True

    def of(self, *names: str) -> list[dict[str, Any]]:
        """The calls of these methods, in order."""
        return [data for name, data, _at in self.calls if name in names]

    def texts(self, chat_id: int | None = None) -> list[str]:
        """What was written, new or in place."""
        sent = self.of("sendMessage", "sendPhoto", "editMessageText", "editMessageCaption")
        wanted = [d for d in sent if chat_id in (None, d["chat_id"])]
        return [d.get("text") or d.get("caption") or "" for d in wanted]

    def data(self) -> list[str]:
        """The callback data of all buttons shown, in order."""
        found = []
        for call in self.of("sendMessage", "sendPhoto", "editMessageText", "editMessageMedia"):
            for row in (call.get("reply_markup") or {"inline_keyboard": []})["inline_keyboard"]:
                found += [button["callback_data"] for button in row]
        return found


def _loaded(value: str) -> Any:
    try:
        return json.loads(value)
    except ValueError:
        return value


def refusal(code: int, text: str, **parameters: Any) -> tuple[int, bytes]:
    """A Bot API error as Telegram sends it."""
    body: dict[str, Any] = {"ok": False, "error_code": code, "description": text}
    if parameters:
        body["parameters"] = parameters
    return code, json.dumps(body).encode()


class MemoryPeople:
    """`PeopleStore` in dictionaries."""

    def __init__(self) -> None:
        self.people: dict[int, Person] = {}
        self.chats: dict[int, Chat] = {}
        self.log: list[tuple[int, str, str]] = []
        self.moves: list[tuple[int, int]] = []

    async def person(self, user_id: int) -> Person | None:
        return self.people.get(user_id)

    async def save_person(self, person: Person, now: int) -> None:
        self.people[person.user_id] = person

    async def admins(self) -> list[Person]:
        return [p for p in self.people.values() if p.role is Role.ADMIN]

    async def chat(self, chat_id: int) -> Chat | None:
        return self.chats.get(chat_id)

    async def save_chat(self, chat: Chat, now: int) -> None:
        self.chats[chat.chat_id] = chat

    async def save_preferences(self, chat_id: int, preferences: Preferences, now: int) -> None:
        self.chats[chat_id] = replace(self.chats[chat_id], preferences=preferences)

    async def set_alive(self, chat_id: int, alive: bool, now: int) -> None:
        if chat_id in self.chats:
            self.chats[chat_id] = replace(self.chats[chat_id], alive=alive)

    async def move_chat(self, old: int, new: int, now: int) -> None:
        self.moves.append((old, new))

    async def audit(self, *, actor: int, action: str, detail: str, now: int) -> None:
        self.log.append((actor, action, detail))


class MemoryInbox:
    """`InboxStore` in a dictionary; survives the inbox that uses it, as a database would."""

    def __init__(self) -> None:
        self.rows: dict[int, StoredUpdate] = {}
        self.finished: set[int] = set()

    async def store(self, updates: list[StoredUpdate]) -> list[int]:
        new = [u for u in updates if u.update_id not in self.rows]
        self.rows |= {u.update_id: u for u in new}
        return [u.update_id for u in new]

    async def pending(self, limit: int = 1000) -> list[StoredUpdate]:
        await asyncio.sleep(0)
        left = [row for key, row in sorted(self.rows.items()) if key not in self.finished]
        return left[:limit]

    async def claim(self, update_id: int, now: int) -> int:
        row = self.rows[update_id]
        self.rows[update_id] = replace(row, attempts=row.attempts + 1)
        return row.attempts

    async def done(self, update_id: int, now: int) -> None:
        self.finished.add(update_id)

    async def last_id(self) -> int | None:
        return max(self.rows, default=None)


class MemoryButtons:
    """`ButtonStore` in a dictionary."""

    def __init__(self) -> None:
        self.rows: dict[str, tuple[str, int, int]] = {}

    async def put(self, token: str, payload: str, chat_id: int, expires: int) -> None:
        self.rows[token] = (payload, chat_id, expires)

    async def take(self, token: str, chat_id: int, now: int) -> str | None:
        payload, owner, expires = self.rows.get(token, ("", 0, 0))
        return payload if owner == chat_id and now < expires else None


class Desk:
    """A router with everything behind it, and a recorder of what the handlers were asked."""

    def __init__(self, mode: str = "request", **options: Any) -> None:
        self.time: Any = options.pop("clock", None) or Time()
        self.telegram = FakeTelegram(self.time)
        fake = DeskBot(TOKEN, request=self.telegram, get_updates_request=self.telegram)
        self.bot: DeskBot = options.pop("bot", None) or fake
        sleep = options.pop("sleep", None) or self.time.sleep
        self.people = MemoryPeople()
        self.stored = MemoryButtons()
        self.asked: list[Args] = []
        self.app: Any = SimpleNamespace(
            people=self.people, wall=self.time, clock=self.time, mark=options.pop("mark", "")
        )
        self.commands: dict[str, Command] = {}
        self.actions: dict[str, Command] = {}
        self.chat_changes: list[tuple[int, bool]] = []
        self.chat_changed = asyncio.Event()
        self.gateway = Gateway(self.bot, self.time, sleep, jitter=lambda: 0.0)
        self.access = Access(mode, (ADMIN,), self.people, self.time)  # type: ignore[arg-type]
        self.buttons = Buttons(self.stored, self.time)
        self.router = Router(
            self.app, self.people, self.access, self.gateway, self.buttons,
            username="TideBot", commands=self.commands, actions=self.actions,
            on_chat=self._on_chat, reference=lambda: "beefcafe", **options,
        )  # fmt: skip
        self._ids = itertools.count(1)
        self.people.people[TRADER] = Person(user_id=TRADER, role=Role.TRADER, status="approved")
        self.people.people[VIEWER] = Person(user_id=VIEWER, role=Role.VIEWER, status="approved")

    async def _on_chat(self, chat_id: int, alive: bool) -> None:
        self.chat_changes.append((chat_id, alive))
        self.chat_changed.set()

    def add(
        self, name: str, answer: Reply | BaseException | None = None, *,
        aliases: tuple[str, ...] = (), **traits: Any,
    ) -> None:  # fmt: skip
        """Register a command that answers `answer` and records its arguments."""

        async def run(args: Args, app: Any) -> Reply:
            self.asked.append(args)
            if isinstance(answer, BaseException):
                raise answer
            return answer or Reply(text=f"did {name}")

        entry = Command(
            name=name, run=run, usage=f"/{name}", summary=f"Do {name}.", aliases=aliases, **traits
        )
        table = self.actions if ":" in name else self.commands
        for each in (name, *aliases):
            table[each] = entry

    async def update(self, **body: Any) -> None:
        """Let the router handle one update."""
        raw = {"update_id": next(self._ids), **body}
        update = Update.de_json(raw, self.bot)
        await self.time.run(self.router.handle(update))

    def message(self, text: str, user: int = TRADER, chat: int | None = None, **more: Any) -> Any:
        """A message as Telegram sends it."""
        chat_id = user if chat is None else chat
        body = {
            "message_id": next(self._ids) + 1000,
            "date": self.time.now() // 1000,
            "chat": {"id": chat_id, "type": "private" if chat_id > 0 else "supergroup"},
            "from": {"id": user, "is_bot": False, "first_name": f"U{user}"},
            "text": text,
        }
        return body | more

    async def say(
        self, text: str, user: int = TRADER, chat: int | None = None, **more: Any
    ) -> None:
        """A person sends a message."""
        await self.update(message=self.message(text, user, chat, **more))

    async def press(
        self, data: str, user: int = TRADER, chat: int | None = None, *,
        message_id: int = 500, photo: bool = False, **more: Any,
    ) -> None:  # fmt: skip
        """A person presses a button under one of our messages."""
        shown = self.message("shown", user, chat) | {"message_id": message_id}
        if photo:
            shown.pop("text")
            size = {"file_id": "f", "file_unique_id": "u", "width": 9, "height": 9}
            shown["photo"] = [size]
        query = {
            "id": f"q{next(self._ids)}", "chat_instance": "1", "data": data, "message": shown,
            "from": {"id": user, "is_bot": False, "first_name": f"U{user}"},
        }  # fmt: skip
        await self.update(callback_query=query | more)
