"""One socket of one venue: connected while something is wanted, pinged, watched for silence, renewed when lost."""

import asyncio
import logging
import random
import ssl
from collections.abc import Callable, Sequence
from contextlib import suppress

import aiohttp

from exchanges.streams.decoder import Accepted, Decoder, Event, Refused
from market.clock import Clock
from market.types import Instrument

logger = logging.getLogger(__name__)

PING = 5_000  # wall ms between pings
SILENCE = 15_000  # wall ms without any frame after which a connection counts as dead
RHYTHM = 30  # data that stays away for so many of its usual intervals is not coming, pongs or not
RHYTHM_FRAMES = 20  # frames of data after which the usual interval is known
SETTLED = 10_000  # wall ms after which a connection that ended was a good one
FIRST_DELAY, MOST_DELAY = 0.25, 10.0  # seconds before connecting again
TICK = 1.0  # seconds between looks at a connection
TIMEOUT = 10.0  # seconds for connecting, sending, closing
FRAME = 8 * 1024 * 1024  # bytes of the largest frame that is read


class Connection:
    """`sink` gets the events of each frame; `lost` hears of every end with what was served until then."""

    def __init__(
        self,
        url: str,
        decoder: Decoder,
        *,
        clock: Clock,
        wall: Clock,
        tls: ssl.SSLContext | bool,
        trust_env: bool,
        sink: Callable[[Sequence[Event]], None],
        lost: Callable[[Sequence[Instrument], int], None],
    ) -> None:
        self.url = url
        self.decoder = decoder
        self.live = False
        self.reconnects = 0
        self.reason = ""  # why the last connection ended
        self.heard_ts: int | None = None  # market ms of the last frame
        self._clock, self._wall = clock, wall
        self._tls, self._trust_env = tls, trust_env
        self._sink, self._lost = sink, lost
        self._wanted: dict[str, Instrument] = {}
        self._asked: dict[str, Instrument] = {}  # requested of the present connection
        self._changed = asyncio.Event()
        self._served: set[str] = set()  # accepted by the present connection
        self._began = self._heard = self._data = self._pinged = 0  # wall ms
        self._frames = 0  # with data, of the present connection
        self._sure = self._mark = (0, 0)  # (wall, market): heard then, and at least a second ago

    def want(self, instrument: Instrument) -> None:
        """Serve this one from now on."""
        if instrument.key not in self._wanted:
            self._wanted[instrument.key] = instrument
            self._changed.set()

    def drop(self, instrument: Instrument) -> None:
        """Serve it no more."""
        if self._wanted.pop(instrument.key, None) is not None:
            self._changed.set()

    def serves(self, instrument: Instrument) -> bool:
        """Whether its trades arrive now."""
        return instrument.key in self._served

    async def run(self) -> None:
        """Stay connected until cancelled."""
        failures = 0
        while True:
            while not self._wanted:
                self._changed.clear()
                await self._changed.wait()
            began = self._wall.now()
            try:
                await self._session()
            except (aiohttp.ClientError, OSError, TimeoutError) as error:
                self.reason = f"{type(error).__name__}: {error}"[:200]
            except Exception:
                self.reason = "broke"
                logger.exception("stream broke url=%s", self.url)
            self._ended()
            failures = 1 if self._wall.now() - began >= SETTLED else failures + 1
            delay = min(MOST_DELAY, FIRST_DELAY * 2 ** min(failures, 10))
            logger.info("stream ended url=%s reason=%s next=%.1fs", self.url, self.reason, delay)
            await asyncio.sleep(delay * random.uniform(0.5, 1.0))  # noqa: S311 - jitter
            self.reconnects += 1

    async def _session(self) -> None:
        """One connection to its end."""
        timeout = aiohttp.ClientTimeout(total=None, connect=TIMEOUT, sock_connect=TIMEOUT)
        async with (
            aiohttp.ClientSession(timeout=timeout, trust_env=self._trust_env) as http,
            asyncio.timeout(TIMEOUT) as opening,
            http.ws_connect(
                self.url,
                ssl=self._tls,
                max_msg_size=FRAME,
                timeout=aiohttp.ClientWSTimeout(ws_close=1.0),
            ) as ws,
        ):
            opening.reschedule(None)
            self._start()
            keeper = asyncio.create_task(self._keep(ws))
            try:
                await self._read(ws)
            finally:
                keeper.cancel()
                await asyncio.gather(keeper, return_exceptions=True)

    def _start(self) -> None:
        now = self._wall.now()
        self.live, self.reason = True, "closed by the venue"
        self._began = self._heard = self._data = self._pinged = now
        self._frames = 0
        self._mark = self._sure = (now, self._clock.now())
        self._asked.clear()
        self._served.clear()
        self.decoder.renew()
        self._changed.set()

    def _ended(self) -> None:
        self.live = False
        served = [each for key, each in self._wanted.items() if key in self._served]
        self._served.clear()
        self._asked.clear()
        self._lost(served, self._sure[1])

    async def _read(self, ws: aiohttp.ClientWebSocketResponse) -> None:
        """Hand every frame on."""
        async for message in ws:
            if message.type in (aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY):
                self._take(message.data)

    def _take(self, frame: str | bytes) -> None:
        now, market = self._wall.now(), self._clock.now()
        self._heard, self.heard_ts = now, market
        if now - self._mark[0] >= 1000:
            self._sure, self._mark = self._mark, (now, market)
        events = self.decoder.decode(frame)
        if not events:
            return
        for event in events:
            if isinstance(event, Accepted):
                self._served.add(event.instrument.key)
            elif not isinstance(event, Refused):
                self._frames, self._data = self._frames + 1, now
                break
        self._sink(events)

    async def _keep(self, ws: aiohttp.ClientWebSocketResponse) -> None:
        """Send what is due; close what is silent or cannot be sent to."""
        try:
            for request in self.decoder.opening():
                await self._send(ws, request)
            while not ws.closed and not self._silent():
                await self._follow(ws)
                ping = self.decoder.ping() if self._wall.now() - self._pinged >= PING else None
                if ping is not None:
                    self._pinged = self._wall.now()
                    await self._send(ws, ping)
                # Not wait_for: before Python 3.12 it may swallow the cancellation of this task.
                with suppress(TimeoutError):
                    async with asyncio.timeout(TICK):
                        await self._changed.wait()
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            self.reason = f"could not send: {type(error).__name__}"
        finally:
            await ws.close()

    async def _follow(self, ws: aiohttp.ClientWebSocketResponse) -> None:
        """Ask for what is wanted and not yet asked for, and end what is no longer wanted."""
        self._changed.clear()
        fresh = [each for key, each in self._wanted.items() if key not in self._asked]
        ended = [each for key, each in self._asked.items() if key not in self._wanted]
        requests = self.decoder.unsubscribe(ended) if ended else []
        requests += self.decoder.subscribe(fresh) if fresh else []
        for each in ended:
            del self._asked[each.key]
            self._served.discard(each.key)
        self._asked |= {each.key: each for each in fresh}
        for request in requests:
            await self._send(ws, request)
            await asyncio.sleep(self.decoder.pause)

    async def _send(self, ws: aiohttp.ClientWebSocketResponse, request: str) -> None:
        async with asyncio.timeout(TIMEOUT):
            await ws.send_str(request)

    def _silent(self) -> bool:
        """Whether nothing comes any more, or data that came in a rhythm has stopped."""
        now = self._wall.now()
        if now - self._heard > SILENCE:
            self.reason = "silent"
            return True
        if self._frames < RHYTHM_FRAMES:
            return False
        usual = (self._data - self._began) / self._frames
        if now - self._data > max(SILENCE, RHYTHM * usual):
            self.reason = "data stopped"
            return True
        return False
