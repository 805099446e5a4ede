"""A Hyperliquid and a Bybit that a test speaks for: it sees what clients ask and says what they get."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web

from exchanges.endpoints import Endpoints
from exchanges.streams.supervisor import Streams
from market.clock import Clock, FixedClock
from market.types import Instrument

START = 1_781_000_000_000
BTC = Instrument(
    exchange="hyperliquid", symbol="BTC/USDC:USDC", base="BTC", quote="USDC", perp=True, id="BTC"
)
ETH = Instrument(
    exchange="hyperliquid", symbol="ETH/USDC:USDC", base="ETH", quote="USDC", perp=True, id="ETH"
)
BYBIT = Instrument(
    exchange="bybit", symbol="BTC/USDT:USDT", base="BTC", quote="USDT", perp=True, id="BTCUSDT"
)


class FakeVenues:
    """`answers` off: connections are taken but nothing is confirmed."""

    def __init__(self) -> None:
        self.sockets: dict[str, web.WebSocketResponse] = {}
        self.asked: list[str] = []  # channels and coins, or topics
        self.connections = 0
        self.answers = True
        self.refuse = False  # new connections
        self.pongs = True

    def app(self) -> web.Application:
        app = web.Application()
        app.add_routes([web.get("/hyperliquid", self._hyperliquid), web.get("/bybit", self._bybit)])
        return app

    async def say(self, name: str, message: Any) -> None:
        """Send one frame on the newest connection."""
        text = message if isinstance(message, str) else json.dumps(message)
        await self.sockets[name].send_str(text)

    async def trades(self, *rows: dict[str, Any]) -> None:
        """Hyperliquid trades in one frame."""
        await self.say("hyperliquid", {"channel": "trades", "data": list(rows)})

    async def hang_up(self, name: str) -> None:
        await self.sockets[name].close()

    async def _hyperliquid(self, request: web.Request) -> web.WebSocketResponse:
        return await self._serve("hyperliquid", request, self._answer_hyperliquid)

    async def _bybit(self, request: web.Request) -> web.WebSocketResponse:
        return await self._serve("bybit", request, self._answer_bybit)

    async def _serve(
        self, name: str, request: web.Request, answer: Callable[[Any], Any]
    ) -> web.WebSocketResponse:
        if self.refuse:
            raise web.HTTPServiceUnavailable
        ws = web.WebSocketResponse()
        await ws.prepare(request)
        self.connections += 1
        self.sockets[name] = ws
        async for message in ws:
            told = answer(json.loads(message.data))
            if told is not None:
                await ws.send_str(json.dumps(told))
        return ws

    def _answer_hyperliquid(self, request: dict[str, Any]) -> Any:
        if request["method"] == "ping":
            return {"channel": "pong"} if self.pongs else None
        asked = request["subscription"]
        self.asked.append(f"{request['method']} {asked['type']} {asked['coin']}")
        return {"channel": "subscriptionResponse", "data": request} if self.answers else None

    def _answer_bybit(self, request: dict[str, Any]) -> Any:
        if request["op"] == "ping":
            return {"success": True, "ret_msg": "pong", "op": "ping"}
        self.asked.append(request["args"][0])
        return {"success": True, "op": request["op"], "req_id": request["req_id"]}


@asynccontextmanager
async def desk(
    clock: FixedClock, wall: Clock, **about: Any
) -> AsyncIterator[tuple[FakeVenues, Streams]]:
    """The venues and streams that know where they are."""
    venues = FakeVenues()
    runner = web.AppRunner(venues.app(), shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    root = f"ws://127.0.0.1:{runner.addresses[0][1]}"
    known = {"hyperliquid": f"{root}/hyperliquid", "bybit.perp": f"{root}/bybit"}
    streams = Streams(Endpoints(streams=known, mark="SIMULATED"), clock, wall, **about)
    try:
        yield venues, streams
    finally:
        await streams.close()
        await runner.cleanup()


def row(ts: int, tid: int, **told: Any) -> dict[str, Any]:
    """A Hyperliquid trade `ts` ms after START."""
    base = {"coin": "BTC", "side": "B", "px": "100.0", "sz": "1.0", "hash": "0x1"}
    return base | {"time": START + ts, "tid": tid} | told


async def until(condition: Callable[[], object]) -> None:
    """Wait for what the sockets bring."""
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110 - nothing tells when a socket was read
            await asyncio.sleep(0.005)
