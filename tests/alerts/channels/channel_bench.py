"""Destinations in memory, local servers that behave and misbehave, and names that resolve as a test says."""

import asyncio
import contextlib
import itertools
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from aiohttp import web

from alerts.channel import at_once
from alerts.channels.base import DestinationChannel
from alerts.channels.book import AddressBook
from alerts.channels.fence import Fence
from alerts.channels.http import Web
from alerts.channels.types import Destination, Status
from alerts.channels.way import Addresses, Way
from alerts.outcome import Outcome
from alerts.types import Firing, OutboxRow, Severity
from market.clock import FixedClock
from storage.errors import StorageError

NOW = 1_780_000_000_000  # 2026-05-28 20:26:40 UTC
ME = 7
PUBLIC = "93.184.216.34"


class Shelf:
    """A `DestinationStore` of dictionaries; `away` makes it fail like a database that is not there."""

    def __init__(self) -> None:
        self.kept: dict[int, Destination] = {}
        self.fired: list[Firing] = []
        self.away = False
        self.saves = 0

    async def all(self) -> list[Destination]:
        return [d for d in self.kept.values() if d.status is not Status.REMOVED]

    async def add(self, destination: Destination) -> Destination:
        new = replace(destination, id=len(self.kept) + 1)
        self.kept[new.id] = new
        return new

    async def save(self, destination: Destination) -> None:
        if self.away:
            raise StorageError("The database does not answer")
        self.saves += 1
        self.kept[destination.id] = destination

    async def added(self, owner_id: int, since: int) -> int:
        return sum(d.owner_id == owner_id and d.created_ts >= since for d in self.kept.values())

    async def firings_of(
        self, owner_id: int, since: int, until: int, limit: int = 500
    ) -> list[Firing]:
        found = [f for f in self.fired if since < f.ts <= until]
        return sorted(found, key=lambda f: -f.ts)[:limit]


@dataclass
class Stub:
    """A name service: what each name resolves to, one answer after another; the last one stays."""

    answers: dict[str, list[Sequence[str]]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        self.asked.append(host)
        found = self.answers.get(host)
        if found is None:
            raise OSError("no such name")
        return found.pop(0) if len(found) > 1 else found[0]


@dataclass
class Posted:
    """Rows that were committed."""

    rows: list[OutboxRow] = field(default_factory=list)

    async def __call__(self, rows: Sequence[OutboxRow]) -> int:
        held = {(r.alert_id, r.transition, r.channel, r.chat_id) for r in self.rows}
        new = [r for r in rows if (r.alert_id, r.transition, r.channel, r.chat_id) not in held]
        self.rows += new
        return len(new)

    def said(self, number: int = -1) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.rows[number].payload)
        return found


@dataclass
class Call:
    """One request as a server saw it."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Local:
    """An HTTP server on loopback that keeps each request and answers as `reply` says."""

    def __init__(self, reply: Callable[[Call], web.Response] | None = None) -> None:
        self.calls: list[Call] = []
        self.reply = reply or (lambda _call: web.json_response({"ok": True}))
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        headers = {k.lower(): v for k, v in request.headers.items()}
        call = Call(request.path_qs, headers, await request.read())
        self.calls.append(call)
        return self.reply(call)

    @contextlib.asynccontextmanager
    async def open(self, ssl_context: Any = None) -> AsyncIterator["Local"]:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._handle)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=ssl_context)
        await site.start()
        self.port = runner.addresses[0][1]
        try:
            yield self
        finally:
            await runner.cleanup()


Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@contextlib.asynccontextmanager
async def raw(talk: Talk) -> AsyncIterator[str]:
    """A server of bare bytes: its address."""

    talks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        talks.add(asyncio.current_task())  # type: ignore[arg-type]
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            try:
                await talk(reader, writer)
            finally:
                writer.close()
                await writer.wait_closed()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.close()
        for task in talks:
            task.cancel()
        await asyncio.gather(*talks, return_exceptions=True)


async def whole_request(reader: asyncio.StreamReader) -> bytes:
    """Headers and body of one request."""
    head = await reader.readuntil(b"\r\n\r\n")
    length = next(
        int(line.split(b":")[1])
        for line in head.split(b"\r\n")
        if line.lower().startswith(b"content-length")
    )
    return await reader.readexactly(length)


def allow(*urls: str) -> list[tuple[str, int]]:
    """The entries that let these addresses through."""
    return [("127.0.0.1", int(url.rpartition(":")[2])) for url in urls]


def caller(*urls: str, total: float = 5.0, clock: FixedClock | None = None) -> Web:
    """A `Web` that may call these local servers."""
    return Web(Fence(Stub(), allow(*urls)), clock or FixedClock(NOW), total=total)


def row(channel: str = "webhook", chat_id: int = 1, **payload: Any) -> OutboxRow:
    """A firing on its way out."""
    severity = Severity(payload.get("severity", "warning"))
    body = {
        "glyph": "🔔",
        "headline": "BTC perp 95,012.0, crossed above 95,000  #12",
        "reading": "Touched; the last price then was 95,001.0.",
        "evidence": "Binance BTCUSDT · 20:26:40 UTC · 1 s · observed",
        "symbol": "BTC/USDT:USDT",
        "kind": "price",
        "value": 95012.0,
        "threshold": 95000.0,
        "venues": ["binance"],
        "ts": NOW - 1000,
        "buttons": [],
        "chart": None,
        **payload,
    }
    return OutboxRow(
        id=5, alert_id=12, transition=3, channel=channel, chat_id=chat_id,
        payload=json.dumps(body), created_ts=NOW, severity=severity, coin="BTC",
    )  # fmt: skip


def destination(channel: str = "webhook", **fields: Any) -> Destination:
    whole = Destination(
        id=1, owner_id=ME, channel=channel, address="", label="there", status=Status.VERIFIED, created_ts=NOW,
    )  # fmt: skip
    return replace(whole, **fields)


class Desk:
    """A book over a shelf, and the channels over both."""

    def __init__(self, *ways: Way, readers: Sequence[Addresses] = (), mark: str = "") -> None:
        self.shelf, self.posted = Shelf(), Posted()
        self.wall, self.clock = FixedClock(NOW), FixedClock(NOW)
        self.hidden: list[str] = []
        self.codes = (f"{n % 1_000_000:06d}" for n in itertools.count(111111, 111111))
        self.book = AddressBook(
            self.shelf, {w.name: w for w in (*ways, *readers)}, self.posted, self.wall, self.clock,
            code=lambda: next(self.codes), hide=self.hidden.append,
        )  # fmt: skip
        self.channels = {way.name: DestinationChannel(way, self.book, lambda: mark) for way in ways}

    async def holds(self, *found: Destination) -> "Desk":
        """These are stored already."""
        for each in found:
            self.shelf.kept[each.id] = each
        await self.book.load()
        return self

    async def send(self, message: OutboxRow, *, repeat: bool = False) -> Outcome:
        sending = await self.channels[message.channel].prepare(message, repeat=repeat)
        return await sending(at_once)
