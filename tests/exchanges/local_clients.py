"""A local server over the test market, and unmodified ccxt.pro clients aimed at it by /clients.json alone."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import ccxt.pro

from exchanges.local.server import LocalServer
from market.clock import FixedClock


@asynccontextmanager
async def serving(server: LocalServer) -> AsyncIterator[str]:
    """The server's root while it serves."""
    port = await server.start()
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        await server.close()


@asynccontextmanager
async def client(url: str, name: str) -> AsyncIterator[Any]:
    """A ccxt.pro client with the configuration the server gives."""
    config = (await ask(url, "/clients.json"))[name]
    made = getattr(ccxt.pro, name)({**config, "enableRateLimit": False, "timeout_on_exit": 0})
    try:
        yield made
    finally:
        await made.close()


async def ask(url: str, path: str, **params: Any) -> Any:
    """The JSON of a GET."""
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"{url}{path}", params=params) as answer,
    ):
        return await answer.json(content_type=None)


async def tell(url: str, path: str, body: dict[str, Any]) -> tuple[int, Any]:
    """The status and JSON of a POST."""
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{url}{path}", json=body) as answer,
    ):
        return answer.status, await answer.json()


async def until(condition: Any, *, clock: FixedClock, step: int = 100) -> None:
    """Let the market run until the condition holds."""
    async with asyncio.timeout(5):
        while not condition():
            clock.advance(step)
            await asyncio.sleep(0.02)


async def watched(call: Any, clock: FixedClock, step: int = 200) -> Any:
    """What a watch call gives while the market runs."""
    task = asyncio.ensure_future(call)
    await until(task.done, clock=clock, step=step)
    return task.result()
