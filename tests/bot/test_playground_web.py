"""The page's side: what a page is told, what it may do, and what it is refused."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from botapi_bench import NOW, TOKEN, client, png
from telegram import (
    Bot,
    BotCommand,
    BotCommandScopeChat,
    InlineKeyboardButton,
    InlineKeyboardMarkup,
    ReplyKeyboardMarkup,
)

from bot.playground.botapi import BotApiServer
from bot.playground.web import DESK, ChatPage, serve
from market.clock import FixedClock

ADA, TOM, SAM = 1001, 1002, 1003
KEYS = InlineKeyboardMarkup([[InlineKeyboardButton("Refresh", callback_data="r:1")]])


class Window:
    """One open page."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self.seen: list[dict[str, Any]] = []

    async def next(self, kind: str) -> dict[str, Any]:
        """The next event of a kind."""
        async with asyncio.timeout(3):
            while True:
                event = await self._socket.receive_json()
                self.seen.append(event)
                if event["type"] == kind:
                    return event

    async def say(self, text: str) -> None:
        await self._socket.send_str(text)

    async def do(self, kind: str, **facts: Any) -> None:
        await self._socket.send_json({"type": kind, **facts})


@asynccontextmanager
async def playground(
    market: str = "", page: Path | None = None
) -> AsyncIterator[tuple[BotApiServer, Bot, aiohttp.ClientSession, int]]:
    """Server with its page, a bot, and a browser without a page yet."""
    server = BotApiServer(token=TOKEN, wall=FixedClock(NOW))
    site = ChatPage(server, market, *([page] if page else []))
    site.add_cast()
    port = await server.start(0, site.routes())
    run = asyncio.create_task(site.run())
    try:
        async with client(port) as bot, aiohttp.ClientSession() as session:
            yield server, bot, session, port
    finally:
        run.cancel()
        await asyncio.gather(run, return_exceptions=True)
        await site.close()
        await server.close()


@asynccontextmanager
async def window(session: aiohttp.ClientSession, port: int) -> AsyncIterator[Window]:
    async with session.ws_connect(f"http://127.0.0.1:{port}/playground/ws") as socket:
        yield Window(socket)


async def test_an_opened_page_gets_the_cast_the_chats_and_what_was_said() -> None:
    async with playground() as (_, bot, session, port):
        await bot.send_message(ADA, "<b>hi</b> &lt;", parse_mode="HTML")
        await bot.set_my_commands([BotCommand("price", "Prices")])
        await bot.set_my_commands([BotCommand("broadcast", "All")], scope=BotCommandScopeChat(ADA))
        async with window(session, port) as page:
            hello = await page.next("hello")
        assert [(u["id"], u["role"]) for u in hello["users"]] == [
            (ADA, "admin"), (TOM, "trader"), (SAM, "stranger"),
        ]  # fmt: skip
        assert [(c["id"], c["kind"]) for c in hello["chats"]] == [
            (ADA, "private"), (TOM, "private"), (SAM, "private"), (DESK, "group"),
        ]  # fmt: skip
        [shown] = hello["messages"][str(ADA)]
        assert (shown["text"], shown["html"]) == ("hi <", "<b>hi</b> &lt;")
        assert shown["from"] == {"id": bot.id, "name": "Tidemark", "is_bot": True}
        assert hello["messages"][str(DESK)] == []
        assert list(hello["commands"]) == [f"chat:{ADA}", "default"]
        assert hello["market"] is None


async def test_writing_pressing_and_editing_reach_the_bot() -> None:
    async with playground() as (_, bot, session, port), window(session, port) as page:
        await page.do("send", chat_id=ADA, user_id=ADA, text=" /price btc ")
        mine = (await page.next("message"))["message"]
        assert mine["html"] == '<a data-command="/price">/price</a> btc'
        card = await bot.send_message(ADA, "BTC", reply_markup=KEYS)
        shown = (await page.next("message"))["message"]
        assert shown["buttons"][0][0]["data"] == "r:1"
        await page.do("press", chat_id=ADA, message_id=card.message_id, user_id=ADA, data="r:1")
        await page.do("edit", chat_id=ADA, user_id=ADA, message_id=mine["message_id"], text="/oi")
        edited = await page.next("edit")
        assert (edited["message"]["text"], edited["message"]["edited"]) == ("/oi", NOW // 1000)
        message, press, edit = await bot.get_updates()
        assert message.message.text == "/price btc"
        assert (press.callback_query.data, press.callback_query.from_user.id) == ("r:1", ADA)
        assert edit.edited_message.text == "/oi"
        await bot.answer_callback_query(press.callback_query.id, "done", show_alert=True)
        toast = await page.next("toast")
        assert (toast["text"], toast["alert"], toast["user_id"], toast["chat_id"]) == (
            "done",
            True,
            ADA,
            ADA,
        )


async def test_what_the_bot_does_is_shown_as_it_happens() -> None:
    async with playground() as (_, bot, session, port), window(session, port) as page:
        await bot.send_chat_action(ADA, "upload_photo")
        assert (await page.next("typing"))["action"] == "upload_photo"
        data = png(640, 480)
        photo = await bot.send_photo(ADA, data, caption="<i>c</i>", parse_mode="HTML")
        shown = (await page.next("message"))["message"]
        assert (shown["photo"]["width"], shown["photo"]["height"]) == (640, 480)
        assert shown["caption_html"] == "<i>c</i>"
        async with session.get(f"http://127.0.0.1:{port}{shown['photo']['url']}") as answer:
            assert (answer.content_type, await answer.read()) == ("image/png", data)
        await bot.delete_message(ADA, photo.message_id)
        gone = await page.next("delete")
        assert (gone["chat_id"], gone["message_id"]) == (ADA, photo.message_id)
        await bot.set_my_commands([BotCommand("price", "Prices")])
        assert (await page.next("commands"))["commands"]["default"][0]["command"] == "price"
        await bot.send_message(ADA, "x", reply_markup=ReplyKeyboardMarkup([["/help"]]))
        assert (await page.next("message"))["message"]["reply_keyboard"]["keyboard"] == [["/help"]]


async def test_documents_are_downloads_never_pages() -> None:
    async with playground() as (_, bot, session, port), window(session, port) as page:
        await bot.send_document(ADA, b"<script>alert(1)</script>", filename="x.html")
        document = (await page.next("message"))["message"]["document"]
        async with session.get(f"http://127.0.0.1:{port}{document['url']}") as answer:
            assert answer.content_type == "application/octet-stream"
            assert answer.headers["Content-Disposition"].startswith("attachment")
        async with session.get(f"http://127.0.0.1:{port}/playground/photo/nothing") as answer:
            assert answer.status == 404


async def test_replies_name_what_they_answer() -> None:
    async with playground() as (_, bot, session, port), window(session, port) as page:
        asked = await bot.send_message(DESK, "How much?")
        await page.next("message")
        await page.do("send", chat_id=DESK, user_id=TOM, text="200", reply_to=asked.message_id)
        reply = (await page.next("message"))["message"]
        assert reply["reply_to"]["text"] == "How much?"
        assert (await bot.get_updates())[0].message.reply_to_message.message_id == asked.message_id


async def test_privacy_mode_holds_in_the_group_of_the_page() -> None:
    async with playground() as (_, bot, session, port), window(session, port) as page:
        await page.do("send", chat_id=DESK, user_id=TOM, text="hello all")
        await page.do("send", chat_id=DESK, user_id=TOM, text="/price@tidemark_bot btc")
        await page.next("message")
        await page.next("message")
        assert [u.message.text for u in await bot.get_updates()] == ["/price@tidemark_bot btc"]


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"type": "send", "chat_id": ADA, "user_id": TOM, "text": "x"}, "not in that chat"),
    ({"type": "send", "chat_id": 5, "user_id": TOM, "text": "x"}, "not in that chat"),
    ({"type": "send", "chat_id": [1], "user_id": {}, "text": "x"}, "not in that chat"),
    ({"type": "send", "chat_id": ADA, "user_id": ADA, "text": " "}, "no text"),
    ({"type": "send", "chat_id": ADA, "user_id": ADA, "text": "x" * 4097}, "at most 4096"),
    ({"type": "send", "chat_id": ADA, "user_id": ADA, "text": "x", "reply_to": 1}, "gone"),
    ({"type": "send", "chat_id": ADA, "user_id": ADA, "text": "x", "reply_to": [1]}, "reply_to"),
    ({"type": "edit", "chat_id": ADA, "user_id": ADA, "message_id": 1, "text": "x"}, "your own"),
    ({"type": "press", "chat_id": ADA, "user_id": ADA, "message_id": 1, "data": ""}, "64 bytes"),
    ({"type": "press", "chat_id": ADA, "user_id": ADA, "data": "x"}, "message_id"),
    ({"type": "market", "speed": 5}, "no local market"),
    ({"type": "shout"}, "Known are"),
]


@pytest.mark.parametrize(("wish", "refusal"), WRONG)
async def test_a_page_may_only_do_what_a_person_may(wish: dict[str, Any], refusal: str) -> None:
    async with playground() as (server, _, session, port), window(session, port) as page:
        await page.do(**{"kind": wish["type"], **{k: v for k, v in wish.items() if k != "type"}})
        assert refusal in (await page.next("error"))["text"]
        assert not server.messages(ADA)
        assert server.world.updates.first() is None


async def test_the_bot_s_messages_cannot_be_edited_by_a_page() -> None:
    async with playground() as (_, bot, session, port), window(session, port) as page:
        sent = await bot.send_message(ADA, "x")
        await page.do("edit", chat_id=ADA, user_id=ADA, message_id=sent.message_id, text="y")
        assert "your own" in (await page.next("error"))["text"]


async def test_nonsense_does_not_close_the_page() -> None:
    async with playground() as (_, _bot, session, port), window(session, port) as page:
        for text in ("{", "[]", "7", '"x"', "[" * 5000):
            await page.say(text)
            await page.next("error")
        await page.do("send", chat_id=ADA, user_id=ADA, text="x")
        await page.next("message")


async def test_foreign_pages_get_no_socket() -> None:
    async with playground() as (_, _bot, session, port):
        url = f"http://127.0.0.1:{port}/playground/ws"
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await session.ws_connect(url, origin="https://evil.example")
        assert refused.value.status == 403
        async with session.ws_connect(url, origin=f"http://127.0.0.1:{port}") as socket:
            assert (await socket.receive_json())["type"] == "hello"


async def test_the_page_is_served_with_a_policy_against_foreign_code(tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    async with playground(page=page) as (_, _bot, session, port):
        async with session.get(f"http://127.0.0.1:{port}/") as answer:
            assert answer.status == 404
        page.write_text("<!doctype html><title>Tidemark</title>")
        async with session.get(f"http://127.0.0.1:{port}/") as answer:
            assert answer.content_type == "text/html"
            assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
            assert "Tidemark" in await answer.text()


class Market:
    """A stand-in for the local exchange server's clock and controls."""

    def __init__(self) -> None:
        self.now, self.speed, self.wishes = 1_000_000, 1.0, []
        self.broken = False

    @asynccontextmanager
    async def running(self) -> AsyncIterator[str]:
        app = web.Application()
        app.router.add_get("/endpoints.json", self._about)
        app.router.add_get("/clock.json", self._clock)
        app.router.add_post("/control", self._control)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        try:
            yield f"http://127.0.0.1:{runner.addresses[0][1]}"
        finally:
            await runner.cleanup()

    async def _about(self, _request: web.Request) -> web.Response:
        return web.json_response({"mark": "SIMULATED", "title": "seed 1"})

    async def _clock(self, _request: web.Request) -> web.Response:
        if self.broken:
            return web.Response(status=500)
        return web.json_response({"now": self.now, "start": 0, "anchor": 0, "speed": self.speed})

    async def _control(self, request: web.Request) -> web.Response:
        wish = await request.json()
        self.wishes.append(wish)
        if wish.get("scenario") == "meteor":
            return web.json_response({"error": "unknown scenario"}, status=400)
        self.speed = wish.get("speed", self.speed)
        return web.json_response({"ok": True})


async def test_the_market_bar_shows_and_drives_the_local_market() -> None:
    market = Market()
    async with (
        market.running() as url,
        playground(url) as (_, _bot, session, port),
        window(session, port) as page,
    ):
        shown = (await page.next("hello"))["market"]
        assert (shown["now"], shown["speed"], shown["mark"], shown["title"]) == (
            1_000_000,
            1.0,
            "SIMULATED",
            "seed 1",
        )
        assert "cascade" in shown["scenarios"]
        await page.do("market", speed=20)
        assert (await page.next("market"))["speed"] == 20
        await page.do("market", scenario="cascade", base="BTC")
        await page.next("market")
        assert market.wishes == [{"speed": 20}, {"scenario": "cascade", "base": "BTC"}]
        await page.do("market", scenario="meteor", base="BTC")
        assert "unknown scenario" in (await page.next("error"))["text"]


async def test_a_market_that_does_not_answer_has_no_clock() -> None:
    market = Market()
    async with (
        market.running() as url,
        playground(url) as (_, _bot, session, port),
        window(session, port) as page,
    ):
        await page.next("hello")
        market.broken, market.now = True, 2_000_000
        while (shown := await page.next("market"))["error"] is None:
            assert shown["now"] == 1_000_000
        assert (shown["now"], shown["mark"]) == (None, "SIMULATED")


async def test_serve_runs_until_it_is_cancelled() -> None:
    ready: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    tell: Callable[[int], None] = ready.set_result
    running = asyncio.create_task(serve(0, TOKEN, "", tell))
    port = await asyncio.wait_for(ready, 3)
    async with client(port) as bot, aiohttp.ClientSession() as session:
        sent = await bot.send_message(ADA, "x")
        assert abs(sent.date.timestamp() - time.time()) < 5
        async with window(session, port) as page:
            await page.next("hello")
            running.cancel()
            await asyncio.wait_for(asyncio.gather(running, return_exceptions=True), 3)
    with pytest.raises(OSError, match="Connect"):
        await asyncio.open_connection("127.0.0.1", port)
