"""Venues that a test speaks for: it sees what clients ask and says what they get.

`FakeVenues` is a Hyperliquid and a Bybit; `PlainVenue` has a protocol of its own, with which connections are
tested alone: it can send messages in parts, keep quiet, answer nothing, or break off.
"""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, ClassVar

import msgspec
import picows
from aiohttp import web

from exchanges.endpoints import Endpoints
from exchanges.streams.decoder import Accepted, Channel, Decoder, Event, Refused, Topic
from market.clock import Clock, FixedClock
from market.types import BookChange, Context, Instrument, Liquidation, PositionSide, Side, Trade

if TYPE_CHECKING:
    from exchanges.streams.supervisor import Streams

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


def coin(name: str) -> Instrument:
    """An instrument of the plain venue."""
    return Instrument(
        exchange="plain", symbol=f"{name}/USDT:USDT", base=name, quote="USDT", perp=True, id=name
    )


class Plain(Decoder):
    """Messages {"t": kind, "i": id, "n": number, "c": channel}; a trade's number is its id, ts and price."""

    url_key: ClassVar[str] = "plain"
    channels: ClassVar[frozenset[Channel]] = frozenset(Channel)
    pause: ClassVar[float] = 0.0

    def subscribe(self, topics: Sequence[Topic]) -> list[str]:
        self.follow(topics)
        return [f"sub {channel} {each.id}" for channel, each in topics]

    def unsubscribe(self, topics: Sequence[Topic]) -> list[str]:
        self.leave(topics)
        return [f"unsub {channel} {each.id}" for channel, each in topics]

    def ping(self) -> str:
        return "ping"

    def _read(self, frame: bytes | str, now: int) -> list[Event]:
        row = msgspec.json.decode(frame)
        if row["t"] == "pong":
            return []
        if row["t"] == "break":
            raise RuntimeError("a fault of the decoder")
        channel = Channel(row.get("c", "trades"))
        found = self._of[channel].get(row["i"])
        each = found or coin(row["i"])
        n = row.get("n", 0)
        match row["t"]:
            case "ok":
                return [Accepted(Topic(channel, each))] if found else []
            case "no":
                return [Refused(Topic(channel, each), "unknown")]
            case "trade":
                return [
                    Trade(instrument=each, ts=START + n, price=100.0 + n, amount=1.0,
                          side=Side.BUY, id=str(n), recv_ts=now, seq=n)
                ]  # fmt: skip
            case "liq":
                return [
                    Liquidation(instrument=each, ts=START + n, price=1.0, amount=1.0,
                                position=PositionSide.LONG, recv_ts=now)
                ]  # fmt: skip
            case "ctx":
                return [Context(instrument=each, ts=START + n, mark=1.0)]
        return [BookChange(instrument=each, ts=START + n, bids=(), asks=(), first=n, last=n)]


class PlainVenue(picows.WSListener):  # type: ignore[misc, unused-ignore]
    """`open`: the connections that live, oldest first. `asked`: what came, pings left out."""

    def __init__(self) -> None:
        self.open: list[Any] = []
        self.connections = 0
        self.asked: list[str] = []
        self.answers = True
        self.refuses: set[str] = set()  # "trades BTC"
        self.pongs = True
        self.server: asyncio.Server | None = None
        self.url = ""

    async def start(self, **about: Any) -> None:
        self.server = await picows.ws_create_server(
            lambda _request: self, "127.0.0.1", 0, logger_name="test", **about
        )
        scheme = "wss" if "ssl" in about else "ws"
        self.url = f"{scheme}://127.0.0.1:{self.server.sockets[0].getsockname()[1]}"

    async def stop(self) -> None:
        for transport in list(self.open):
            transport.disconnect(graceful=False)
        if self.server is not None:
            self.server.close()
        await asyncio.sleep(0.01)

    def on_ws_connected(self, transport: Any) -> None:
        self.connections += 1
        self.open.append(transport)

    def on_ws_disconnected(self, transport: Any) -> None:
        self.open.remove(transport)

    def on_ws_frame(self, transport: Any, frame: Any) -> None:
        if frame.msg_type == picows.WSMsgType.CLOSE:
            transport.disconnect()
        if frame.msg_type != picows.WSMsgType.TEXT:
            return
        text = frame.get_payload_as_ascii_text()
        if text == "ping":
            if self.pongs:
                say(transport, t="pong")
            return
        self.asked.append(text)
        word, channel, id_ = text.split()
        if word == "sub" and self.answers:
            refused = f"{channel} {id_}" in self.refuses
            say(transport, t="no" if refused else "ok", c=channel, i=id_)

    def say(self, **row: Any) -> None:
        """Send one message on the newest connection."""
        say(self.open[-1], **row)

    def hang_up(self) -> None:
        self.open[-1].disconnect(graceful=False)


def say(transport: Any, **row: Any) -> None:
    """Send one message on a connection."""
    transport.send(picows.WSMsgType.TEXT, json.dumps(row))


@asynccontextmanager
async def plain_venue(**about: Any) -> AsyncIterator[PlainVenue]:
    venue = PlainVenue()
    await venue.start(**about)
    try:
        yield venue
    finally:
        await venue.stop()


@asynccontextmanager
async def running(work: Any) -> AsyncIterator[None]:
    """Run something beside the test."""
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


BINANCE = Instrument(
    exchange="binance", symbol="BTC/USDT:USDT", base="BTC", quote="USDT", perp=True, id="BTCUSDT"
)


class FakeVenues:
    """A Hyperliquid, a Bybit and a Binance. `answers` off: connections are taken but nothing is confirmed."""

    def __init__(self) -> None:
        self.sockets: dict[str, web.WebSocketResponse] = {}
        self.asked: list[str] = []  # channels and coins, or topics
        self.connections = 0
        self.answers = True
        self.refuse = False  # new connections
        self.pongs = True

    def app(self) -> web.Application:
        app = web.Application()
        app.add_routes(
            [
                web.get("/hyperliquid", self._hyperliquid),
                web.get("/bybit", self._bybit),
                web.get("/binance/market/stream", self._binance),
                web.get("/binance/public/stream", self._binance_books),
            ]
        )
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

    async def _binance(self, request: web.Request) -> web.WebSocketResponse:
        return await self._serve("binance", request, self._answer_binance)

    async def _binance_books(self, request: web.Request) -> web.WebSocketResponse:
        return await self._serve("binance books", request, self._answer_binance)

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

    def _answer_binance(self, request: dict[str, Any]) -> Any:
        self.asked += [f"{request['method'].lower()} {each}" for each in request.get("params", ())]
        return {"result": None, "id": request["id"]} if self.answers else None

    def _answer_bybit(self, request: dict[str, Any]) -> Any:
        if request["op"] == "ping":
            return {"success": True, "ret_msg": "pong", "op": "ping"}
        self.asked += request["args"]
        return {"success": True, "op": request["op"], "req_id": request["req_id"]}


@asynccontextmanager
async def desk(
    clock: FixedClock, wall: Clock, **about: Any
) -> "AsyncIterator[tuple[FakeVenues, Streams]]":
    """The venues and streams that know where they are."""
    from exchanges.streams.supervisor import Streams

    venues = FakeVenues()
    runner = web.AppRunner(venues.app(), shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    root = f"ws://127.0.0.1:{runner.addresses[0][1]}"
    known = {
        "hyperliquid": f"{root}/hyperliquid",
        "bybit.perp": f"{root}/bybit",
        "binance.perp": f"{root}/binance",
    }
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


def aggregate(ts: int, number: int, **told: Any) -> dict[str, Any]:
    """A Binance trade `ts` ms after START."""
    base = {"e": "aggTrade", "s": "BTCUSDT", "p": "100.0", "q": "1.0", "m": False}
    return {"stream": "x", "data": base | {"a": number, "T": START + ts} | told}


def depth(first: int, last: int, before: int, **told: Any) -> dict[str, Any]:
    """Changes of a Binance book, at START plus `last` ms."""
    base = {"e": "depthUpdate", "s": "BTCUSDT", "E": START + last, "T": START + last}
    sides = {"b": [["99.0", "1.0"]], "a": [["101.0", "1.0"]]}
    return {"stream": "x", "data": base | sides | {"U": first, "u": last, "pu": before} | told}


async def until(condition: Callable[[], object]) -> None:
    """Wait for what the sockets bring."""
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110 - nothing tells when a socket was read
            await asyncio.sleep(0.005)
