"""One websocket of a local venue: subscriptions whose new events are sent as the market clock moves on."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from typing import Protocol

from aiohttp import WSMsgType, web

from exchanges.local.garble import TEXT, Frame
from exchanges.local.stream_faults import StreamFaults
from exchanges.local.wire import Sent, Wire, encoded
from market.clock import Clock

logger = logging.getLogger(__name__)

TICK = 0.05  # seconds of wall time between looks at the market
CHUNK = 256  # frames written at once
ROOM = 1 << 20  # bytes that may wait for a client before the pump waits too
FAULTS: web.AppKey[StreamFaults] = web.AppKey("stream_faults", StreamFaults)


class Feed(Protocol):
    """One subscription."""

    def frames(self, start: int, end: int) -> Iterable[str | bytes]:
        """What happened in (start, end] of market time, as the venue's own messages."""
        ...


class Session:
    """Serves one client: answers its requests and pumps its feeds until it goes away.

    Frames are written to the transport directly, many at a time: a burst is bound by the network alone.
    """

    def __init__(self, clock: Clock, on_text: Callable[["Session", str], Awaitable[None]]) -> None:
        self.clock = clock
        self.feeds: dict[str, Feed] = {}
        self.ws = web.WebSocketResponse(autoping=False, heartbeat=None, compress=False)
        self.down: Callable[[], bool] = lambda: False
        self._on_text = on_text
        self._seen: dict[str, int] = {}
        self._transport: asyncio.WriteTransport | None = None
        self._wire: Wire | None = None  # None: served without faults

    def subscribe(self, key: str, feed: Feed, since: int | None = None) -> None:
        """Send what happens after `since`, from now on unless told."""
        self.feeds[key] = feed
        self._seen[key] = self.clock.now() if since is None else since

    def unsubscribe(self, key: str) -> None:
        """Stop sending."""
        self.feeds.pop(key, None)
        self._seen.pop(key, None)

    async def send(self, text: str | bytes) -> None:
        """Send one answer as a text frame."""
        payload = text.encode() if isinstance(text, str) else text
        if self._wire is None or not self._wire.mute(payload):
            await self._write([(TEXT, payload)])

    async def run(self, request: web.Request) -> web.WebSocketResponse:
        """Handle one connection to its end."""
        try:
            await self.ws.prepare(request)
        except ConnectionError:  # the client went away while it was greeted
            raise web.HTTPBadRequest(text="gone") from None
        self._transport = request.transport
        faults = request.app.get(FAULTS)
        if faults is not None:
            self._wire = Wire(faults, request.path, lambda: list(self.feeds), self._abort)
            faults.sockets.add(self._wire)
        pump = asyncio.create_task(self._pump_or_close())
        try:
            await self._listen()
        except ConnectionError:
            pass  # the client went away while it was answered
        finally:
            pump.cancel()
            await asyncio.gather(pump, return_exceptions=True)
            if faults is not None and self._wire is not None:
                faults.sockets.discard(self._wire)
        return self.ws

    async def _listen(self) -> None:
        async for message in self.ws:
            if message.type == WSMsgType.TEXT:
                await self._on_text(self, message.data)
            elif message.type == WSMsgType.PING and not (self._wire and self._wire.mute()):
                await self.ws.pong(message.data)

    def _abort(self) -> None:
        if isinstance(self._transport, asyncio.Transport):
            self._transport.abort()

    async def _pump_or_close(self) -> None:
        """Pump; a client whose feeds broke loses the connection instead of waiting on a silent one."""
        try:
            await self._pump()
        except ConnectionError:
            return  # the client went away while something was sent
        except (ArithmeticError, LookupError, TypeError, ValueError):
            logger.exception("feed broke keys=%s", list(self.feeds))
            await self.ws.close()

    async def _pump(self) -> None:
        while not self.ws.closed:
            if self.down():
                await self.ws.close()
                return
            if frames := self._due():
                await self._write(frames)
            await asyncio.sleep(TICK)

    def _due(self) -> list[Frame]:
        """All that happened since the last look, each feed in its order."""
        now, wire = self.clock.now(), self._wire
        if wire is not None and wire.frozen:
            return []
        made: list[Sent] = []
        plain: list[Frame] = []
        for key, feed in list(self.feeds.items()):
            start = self._seen.get(key, now)
            if now <= start or (wire is not None and wire.held(key)):
                continue
            self._seen[key] = now
            if wire is not None:
                made += wire.read(key, feed, start, now)
            else:
                found = feed.frames(start, now)
                plain += [(TEXT, f.encode() if isinstance(f, str) else f) for f in found]
        return plain if wire is None else wire.answers() + wire.through(made)

    @staticmethod
    async def _drained(transport: asyncio.WriteTransport) -> None:
        """Wait until the client has read most of what waits for it; the transport has no public event for it."""
        while (  # noqa: ASYNC110
            transport.get_write_buffer_size() > ROOM and not transport.is_closing()
        ):
            await asyncio.sleep(TICK / 10)

    async def _write(self, frames: list[Frame]) -> None:
        """Put frames on the network; a slow client holds up its own pump alone."""
        transport = self._transport
        for first in range(0, len(frames), CHUNK):
            if transport is None or transport.is_closing() or self.ws.closed:
                raise ConnectionResetError("the client is gone")
            transport.write(encoded(frames[first : first + CHUNK]))
            await self._drained(transport)
            if first + CHUNK < len(frames):
                await asyncio.sleep(0)  # the other clients go on meanwhile
