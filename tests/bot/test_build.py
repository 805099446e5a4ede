"""The real HTTP client against a server that misbehaves: what its faults look like decides what we do."""

import asyncio
import math
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from aiohttp import web
from telegram_fakes import TOKEN, Time

from alerts.outcome import NotSent, Sent, Unknown
from bot.telegram.build import DeskBot, build_bot, connect
from bot.telegram.gateway import Gateway
from bot.telegram.render import OutMessage

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
HELLO = OutMessage(html="hi", plain="hi")
SENT = {"message_id": 4, "date": 1, "chat": {"id": 5, "type": "private"}}


class Server:
    """Bot API methods on loopback, each a function."""

    def __init__(self) -> None:
        self.methods: dict[str, Handler] = {"getMe": self._me}
        self.calls: list[str] = []
        self.port = 0

    async def _me(self, request: web.Request) -> web.Response:
        me = {"id": 1, "is_bot": True, "first_name": "T", "username": "TideBot"}
        return web.json_response({"ok": True, "result": me})

    async def answer(self, request: web.Request) -> web.StreamResponse:
        name = request.path.rsplit("/", 1)[1]
        self.calls.append(name)
        return await self.methods[name](request)

    def bot(self, port: int | None = None) -> DeskBot:
        root = f"http://127.0.0.1:{self.port if port is None else port}"
        return build_bot(TOKEN, f"{root}/bot", f"{root}/file/bot")


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    made = Server()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", made.answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    made.port = runner.addresses[0][1]
    yield made
    await runner.cleanup()


async def good(request: web.Request) -> web.Response:
    return web.json_response({"ok": True, "result": SENT})


async def cut(request: web.Request) -> web.Response:
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


async def test_the_start_waits_until_telegram_is_there(server: Server) -> None:
    slept = 0

    async def sleep(seconds: float) -> None:
        nonlocal slept
        slept += 1
        if slept == 2:
            server.methods["getMe"] = server._me

    async def away(request: web.Request) -> web.Response:
        return web.Response(status=502, text="<html>")

    server.methods["getMe"] = away
    bot = server.bot()
    assert await connect(bot, sleep=sleep) == "TideBot"
    assert slept == 2
    await bot.shutdown()


async def test_updates_arrive_as_telegram_wrote_them(server: Server) -> None:
    update = {"update_id": 1, "message": {"new_in_11": [1, 2], "date": 0}}

    async def updates(request: web.Request) -> web.Response:
        form = await request.post()
        assert (form["offset"], form["timeout"]) == ("7", "3")
        return web.json_response({"ok": True, "result": [update]})

    server.methods["getUpdates"] = updates
    bot = server.bot()
    await bot.initialize()
    assert await bot.fetch_updates(7, wait=3, limit=9, allowed=("message",)) == [update]
    await bot.shutdown()


async def test_a_cut_connection_leaves_the_fate_of_a_message_open(server: Server) -> None:
    server.methods["sendMessage"] = cut
    bot = server.bot()
    await bot.initialize()
    gateway = Gateway(bot, Time(), asyncio.sleep)
    assert isinstance(await gateway.send(5, HELLO), Unknown)
    assert server.calls.count("sendMessage") == 1
    await gateway.close()
    await bot.shutdown()


async def test_a_closed_port_is_certain_and_tried_again(server: Server) -> None:
    server.methods["sendMessage"] = good
    bot = server.bot()
    await bot.initialize()
    closed = server.bot(port=1)
    time = Time()
    pauses: list[float] = []

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)
        time.ms += math.ceil(seconds * 1000)  # time that is rounded down would stand still
        await asyncio.sleep(0)

    await closed._request[1].initialize()
    gateway = Gateway(closed, time, sleep)
    assert isinstance(await gateway.send(5, HELLO), NotSent)
    assert len(pauses) > 3
    assert isinstance(await Gateway(bot, time, sleep).send(5, HELLO), Sent)
    await bot.shutdown()
    await closed._request[1].shutdown()
    await closed._request[0].shutdown()
