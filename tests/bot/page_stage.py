"""The stage for tests of the chat page: market, server, scripted bot and a browser with its pages."""

import asyncio
import importlib
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiohttp import web
from botapi_bench import TOKEN, client
from page_desk import Desk
from telegram import Bot

from bot.playground.botapi import BotApiServer
from bot.playground.web import ChatPage
from market.clock import WallClock

REQUIRED = "browser" in os.environ.get("TIDEMARK_REQUIRE", "").split(",")
load = importlib.import_module if REQUIRED else pytest.importorskip
playwright: Any = load("playwright.async_api")
expect = playwright.expect


class Market:
    """A stand-in for the local exchange server: clock, name and controls."""

    def __init__(self, mark: str = "SIMULATED") -> None:
        self.mark, self.speed, self.broken = mark, 1.0, False
        self.wishes: list[dict[str, Any]] = []
        self.now = (
            1_781_525_660_000  # 2026-06-15 12:14:20 UTC, and it stands still between the questions
        )
        self._wished = asyncio.Condition()

    async def heard(self, n: int) -> list[dict[str, Any]]:
        """The wishes, once there are `n`."""
        async with asyncio.timeout(5), self._wished:
            await self._wished.wait_for(lambda: len(self.wishes) >= n)
        return self.wishes

    @asynccontextmanager
    async def running(self) -> AsyncIterator[str]:
        app = web.Application()
        app.router.add_get("/endpoints.json", self._about)
        app.router.add_get("/clock.json", self._clock)
        app.router.add_post("/control", self._control)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        try:
            yield f"http://127.0.0.1:{runner.addresses[0][1]}"
        finally:
            await runner.cleanup()

    async def _about(self, _request: web.Request) -> web.Response:
        return web.json_response({"mark": self.mark, "title": "simulated market, seed 7"})

    async def _clock(self, _request: web.Request) -> web.Response:
        if self.broken:
            return web.Response(status=500)
        return web.json_response({"now": self.now, "start": 0, "anchor": 0, "speed": self.speed})

    async def _control(self, request: web.Request) -> web.Response:
        wish = await request.json()
        async with self._wished:
            self.wishes.append(wish)
            self._wished.notify_all()
        if wish.get("base") == "SOL":
            return web.json_response({"error": "SOL sleeps"}, status=400)
        self.speed = wish.get("speed", self.speed)
        return web.json_response({"ok": True})


@dataclass
class Stage:
    """Everything a test of the page needs."""

    server: BotApiServer
    bot: Bot
    desk: Desk
    market: Market
    url: str
    browser: Any
    contexts: list[Any] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    async def open(self, width: int = 1280, height: int = 860, **options: Any) -> Any:
        """A page that has said hello; a script error anywhere in it fails the test."""
        calm = {
            "reduced_motion": "reduce",
            "locale": "en-GB",
            "timezone_id": "UTC",
        }  # nothing to wait for
        size = {"width": width, "height": height}
        context = await self.browser.new_context(viewport=size, **calm, **options)
        self.contexts.append(context)
        page = await context.new_page()
        page.set_default_timeout(5000)
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on(
            "console", lambda said: self.errors.append(said.text) if said.type == "error" else None
        )
        await page.goto(self.url)
        await expect(page.get_by_test_id("connection")).to_contain_text("Connected")
        return page


@asynccontextmanager
async def on_stage(
    browser: Any, *, nice: bool = False, mark: str = "SIMULATED"
) -> AsyncIterator[Stage]:
    market = Market(mark)
    async with market.running() as market_url:
        server = BotApiServer(token=TOKEN, wall=WallClock(time.time))
        site = ChatPage(server, market_url)
        site.add_cast()
        port = await server.start(0, site.routes())
        run = asyncio.create_task(site.run())
        try:
            async with client(port) as bot, Desk(bot, nice=nice) as desk:
                shown = Stage(server, bot, desk, market, f"http://127.0.0.1:{port}/", browser)
                yield shown
                for context in shown.contexts:
                    await context.close()
            assert not shown.errors
        finally:
            run.cancel()
            await asyncio.gather(run, return_exceptions=True)
            await site.close()
            await server.close()


def said(page: Any, text: str) -> Any:
    """The messages that contain a text."""
    return page.get_by_test_id("message").filter(has_text=text)


async def say(page: Any, text: str) -> None:
    await page.get_by_test_id("composer").fill(text)
    await page.get_by_test_id("send").click()
