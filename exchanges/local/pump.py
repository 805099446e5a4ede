"""One websocket of a local venue: subscriptions whose new events are sent as the market clock moves on."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from typing import Protocol

from aiohttp import WSMsgType, web

from market.clock import Clock

logger = logging.getLogger(__name__)

TICK = 0.05  # seconds of wall time between looks at the market


class Feed(Protocol):
    """One subscription."""

    def frames(self, start: int, end: int) -> Iterable[str | bytes]:
        """What happened in (start, end] of market time, as the venue's own messages."""
        ...


class Session:
    """Serves one client: answers its requests and pumps its feeds until it goes away."""

    def __init__(self, clock: Clock, on_text: Callable[["Session", str], Awaitable[None]]) -> None:
        self.clock = clock
        self.feeds: dict[str, Feed] = {}
        self.ws = web.WebSocketResponse(autoping=True, heartbeat=None)
        self.down: Callable[[], bool] = lambda: False
        self._on_text = on_text
        self._seen: dict[str, int] = {}

    def subscribe(self, key: str, feed: Feed) -> None:
        """Send what happens from now on."""
        self.feeds[key] = feed
        self._seen[key] = self.clock.now()

    def unsubscribe(self, key: str) -> None:
        """Stop sending."""
        self.feeds.pop(key, None)
        self._seen.pop(key, None)

    async def send(self, text: str | bytes) -> None:
        """Send one frame as text."""
        await self.ws.send_str(text if isinstance(text, str) else text.decode())

    async def run(self, request: web.Request) -> web.WebSocketResponse:
        """Handle one connection to its end."""
        await self.ws.prepare(request)
        pump = asyncio.create_task(self._pump_or_close())
        try:
            async for message in self.ws:
                if message.type == WSMsgType.TEXT:
                    await self._on_text(self, message.data)
        finally:
            pump.cancel()
            await asyncio.gather(pump, return_exceptions=True)
        return self.ws

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
            now = self.clock.now()
            for key, feed in list(self.feeds.items()):
                start = self._seen.get(key, now)
                if now > start:
                    self._seen[key] = now
                    for frame in feed.frames(start, now):
                        await self.send(frame)
            await asyncio.sleep(TICK)
