"""A local server over the test market, and unmodified ccxt.pro clients aimed at it by /clients.json alone."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import ccxt.pro

from exchanges.local.server import LocalServer
from market.clock import FixedClock

TICK = 0.01  # seconds of wall time between two looks of a server in a hurry


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


class Heard:
    """Everything that comes over one websocket; its tests let the server look every `TICK` seconds."""

    def __init__(self, ws: aiohttp.ClientWebSocketResponse, clock: FixedClock) -> None:
        self.ws = ws
        self.clock = clock
        self.messages: list[aiohttp.WSMessage] = []
        self.ended: aiohttp.WSMessage | None = None
        self._task = asyncio.create_task(self._read())

    async def _read(self) -> None:
        while True:
            message = await self.ws.receive()
            if message.type in (
                aiohttp.WSMsgType.CLOSE,
                aiohttp.WSMsgType.CLOSED,
                aiohttp.WSMsgType.CLOSING,
                aiohttp.WSMsgType.ERROR,
            ):
                self.ended = message
                return
            self.messages.append(message)

    def rows(self, stream: str = "btcusdt@aggTrade") -> list[dict[str, Any]]:
        """The readable events of a combined stream, in the order of arrival."""
        found = []
        for message in self.messages:
            try:
                body = json.loads(message.data)
            except (ValueError, TypeError):
                continue
            if isinstance(body, dict) and body.get("stream") == stream:
                found.append(body["data"])
        return found

    def ids(self, stream: str = "btcusdt@aggTrade") -> list[int]:
        """Trade numbers in the order of arrival."""
        return [row["a"] for row in self.rows(stream)]

    async def market(self, ms: int, step: int = 500) -> None:
        """Let so much market time pass while the server pumps."""
        for _ in range(ms // step):
            self.clock.advance(step)
            await asyncio.sleep(1.5 * TICK)
        await asyncio.sleep(5 * TICK)

    async def close(self) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        await self.ws.close()


@asynccontextmanager
async def dialled(url: str, path: str, clock: FixedClock) -> AsyncIterator[Heard]:
    async with aiohttp.ClientSession() as session:
        found = Heard(await session.ws_connect(f"{url}{path}", autoping=False), clock)
        try:
            yield found
        finally:
            await found.close()
