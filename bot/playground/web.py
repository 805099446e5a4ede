"""The chat page: one HTML file, and a websocket that carries what happens in the chats.

The page may only do what a person in Telegram may: write where they are a member, edit their own
messages, press buttons.
"""

import asyncio
import contextlib
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import aiohttp
from aiohttp import web

from bot.playground.botapi import BotApiServer
from bot.playground.files import StoredFile
from bot.playground.market_bar import MarketBar
from bot.playground.state import Json
from bot.playground.view import Player, hello, menus, message_view
from market.clock import WallClock
from market.language import _

PAGE = Path(__file__).with_name("page.html")
CAST = (
    Player(id=1001, name="Ada", username="ada_desk", role="admin", colour="#4c9aff"),
    Player(id=1002, name="Tom", username="tom_trades", role="trader", colour="#2ebd85"),
    Player(id=1003, name="Sam", username="sam_visits", role="stranger", colour="#f5b041"),
)
DESK = -1009001
LONGEST = 4096
BACKLOG = 1000  # events a page may lag behind before it has to begin anew
TICK = 1.0  # s
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'unsafe-inline'; "
    "style-src 'unsafe-inline'; img-src 'self' data: blob:; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'; connect-src 'self' ws://127.0.0.1:* ws://localhost:*",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}


class Refused(Exception):
    """The page asked for something it may not do; the text is shown."""


class ChatPage:
    """The page's side of the server."""

    def __init__(self, server: BotApiServer, market_url: str = "", page: Path = PAGE) -> None:
        self._server, self._world, self._page = server, server.world, page
        self._bar = MarketBar(market_url)
        self._open: set[asyncio.Queue[Json | None]] = set()
        self._world.listeners.append(self._happened)

    def add_cast(self) -> None:
        """Three people, a private chat for each, and a group in privacy mode."""
        for player in CAST:
            user = self._server.add_user(player.id, player.name, player.username)
            self._world.private(user)
        everyone = [player.id for player in CAST]
        self._server.add_chat(DESK, "group", "Desk", everyone, admins=everyone[:1])

    def routes(self) -> list[web.RouteDef]:
        """Page, websocket, pictures and files."""
        return [
            web.get("/", self._index),
            web.get("/playground/ws", self._socket),
            web.get("/playground/photo/{id}", self._photo),
            web.get("/playground/file/{id}", self._document),
        ]

    async def run(self) -> None:
        """Keep the market clock of open pages right."""
        while True:
            if self._open:
                await self._tell_market()
            await asyncio.sleep(TICK)

    async def close(self) -> None:
        """Send all pages away."""
        for queue in self._open:
            _offer(queue, None)
        await self._bar.close()

    async def _index(self, _request: web.Request) -> web.Response:
        if not await asyncio.to_thread(self._page.is_file):
            return web.Response(status=404, text=_("The chat page is not installed."))
        text = await asyncio.to_thread(self._page.read_text, "utf-8")
        return web.Response(text=text, content_type="text/html", headers=HEADERS)

    async def _photo(self, request: web.Request) -> web.Response:
        stored = self._stored(request, "photo")
        headers = {"X-Content-Type-Options": "nosniff", "Cache-Control": "max-age=31536000"}
        return web.Response(body=stored.data, content_type=stored.mime, headers=headers)

    async def _document(self, request: web.Request) -> web.Response:
        stored = self._stored(request, "document")
        name = quote(stored.name)
        headers = {
            "X-Content-Type-Options": "nosniff",
            "Content-Disposition": f"attachment; filename*=UTF-8''{name}",
        }
        return web.Response(
            body=stored.data, content_type="application/octet-stream", headers=headers
        )

    def _stored(self, request: web.Request, kind: str) -> StoredFile:
        file_id = request.match_info["id"]
        stored = self._world.files.find(file_id)
        if stored is None or stored.kind != kind or file_id not in stored.ids:
            raise web.HTTPNotFound
        return stored

    async def _socket(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(heartbeat=30.0, max_msg_size=1 << 16)
        await socket.prepare(request)
        market = await self._bar.refresh()
        queue: asyncio.Queue[Json | None] = asyncio.Queue(BACKLOG)
        queue.put_nowait(hello(self._world, CAST, market))
        self._open.add(queue)
        writer = asyncio.create_task(_write(socket, queue))
        try:
            async for frame in socket:
                if frame.type is aiohttp.WSMsgType.TEXT:
                    await self._asked(queue, frame.data)
        finally:
            self._open.discard(queue)
            writer.cancel()
            await asyncio.gather(writer, return_exceptions=True)
        return socket

    async def _asked(self, queue: asyncio.Queue[Json | None], text: str) -> None:
        """Do what a page asks; a refusal goes to that page alone."""
        try:
            await self._do(json.loads(text))
        except (ValueError, RecursionError):
            _offer(queue, {"type": "error", "text": _("That is not JSON.")})
        except Refused as refusal:
            _offer(queue, {"type": "error", "text": str(refusal)})

    async def _do(self, wish: Any) -> None:
        kind = wish.get("type") if isinstance(wish, dict) else None
        if kind == "market":
            if problem := await self._bar.control(wish):
                raise Refused(problem)
            await self._tell_market()
        elif kind in ("send", "edit", "press"):
            chat_id, user_id = self._place(wish)
            {"send": self._send, "edit": self._edit, "press": self._press}[kind](
                chat_id, user_id, wish
            )
        else:
            raise Refused(_("Known are send, edit, press and market."))

    def _place(self, wish: Json) -> tuple[int, int]:
        chat_id, user_id = wish.get("chat_id"), wish.get("user_id")
        chat = self._world.chats.get(chat_id) if isinstance(chat_id, int) else None
        if chat is None or not isinstance(user_id, int) or user_id not in chat.members:
            raise Refused(_("This person is not in that chat."))
        if chat.moved_to is not None:
            raise Refused(_("This group became a supergroup; write there."))
        return chat.id, user_id

    def _send(self, chat_id: int, user_id: int, wish: Json) -> None:
        reply_to = _number(wish, "reply_to") if wish.get("reply_to") is not None else None
        if reply_to is not None and reply_to not in self._world.chats[chat_id].messages:
            raise Refused(_("The message you answer is gone."))
        self._server.send_text(chat_id, user_id, _text(wish), reply_to=reply_to)

    def _edit(self, chat_id: int, user_id: int, wish: Json) -> None:
        message_id = _number(wish, "message_id")
        message = self._world.chats[chat_id].messages.get(message_id)
        if message is None or message.own or message.body["from"]["id"] != user_id:
            raise Refused(_("Only your own messages can be edited."))
        self._server.send_text(chat_id, user_id, _text(wish), edit_of=message_id)

    def _press(self, chat_id: int, user_id: int, wish: Json) -> None:
        data = wish.get("data")
        if not isinstance(data, str) or not 1 <= len(data.encode()) <= 64:
            raise Refused(_("A button carries 1 to 64 bytes."))
        message_id = _number(wish, "message_id")
        query_id = self._server.press(chat_id, message_id, user_id, data)
        self._broadcast({
            "type": "pressed", "chat_id": chat_id, "message_id": message_id, "user_id": user_id,
            "data": data, "query_id": query_id,
        })  # fmt: skip

    async def _tell_market(self) -> None:
        market = await self._bar.refresh()
        if market is not None:
            self._broadcast({"type": "market", **market})

    def _happened(self, event: Json) -> None:
        """Events of the server, as the page knows them."""
        if event["type"] in ("message", "edit"):
            chat = self._world.chats[event["chat_id"]]
            shown = message_view(chat.messages[event["message_id"]])
            event = {"type": event["type"], "chat_id": chat.id, "message": shown}
        elif event["type"] == "commands":
            event = {"type": "commands", "commands": menus(self._world)}
        self._broadcast(event)

    def _broadcast(self, event: Json) -> None:
        for queue in self._open:
            _offer(queue, event)


async def serve(port: int, token: str, market_url: str, ready: Callable[[int], None]) -> None:
    """Run Bot API and page on 127.0.0.1 until cancelled; `ready` is told the port."""
    server = BotApiServer(token=token, wall=WallClock(time.time))
    page = ChatPage(server, market_url)
    page.add_cast()
    try:
        ready(await server.start(port, page.routes()))
        await page.run()
    finally:
        await page.close()
        await server.close()


async def _write(socket: web.WebSocketResponse, queue: asyncio.Queue[Json | None]) -> None:
    """Send events until there is None; a page that lags too far behind is sent away and comes back."""
    with contextlib.suppress(ConnectionError):
        while (event := await queue.get()) is not None:
            await socket.send_json(event)
        await socket.close(code=aiohttp.WSCloseCode.GOING_AWAY)


def _offer(queue: asyncio.Queue[Json | None], event: Json | None) -> None:
    if queue.full():
        while not queue.empty():
            queue.get_nowait()
        event = None
    queue.put_nowait(event)


def _text(wish: Json) -> str:
    text = wish.get("text")
    if not isinstance(text, str) or not text.strip():
        raise Refused(_("There is no text to send."))
    if len(text) > LONGEST:
        raise Refused(_("A message has at most {n} characters.").format(n=LONGEST))
    return text.strip()


def _number(wish: Json, name: str) -> int:
    value: Any = wish.get(name)
    if not isinstance(value, int):
        raise Refused(_("{name} is missing.").format(name=name))
    return value
