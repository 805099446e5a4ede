"""Streams: the trades of every instrument somebody looks at, one supervised connection for each venue's socket."""

import asyncio
import logging
import ssl
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

import certifi

from analytics.cvd import FlowLog
from analytics.state import SymbolState
from exchanges.endpoints import Endpoints
from exchanges.streams.binance import BinanceSpotTrades, BinanceTrades
from exchanges.streams.bybit import BybitSpotTrades, BybitTrades
from exchanges.streams.coinbase import CoinbaseTrades
from exchanges.streams.connection import Connection
from exchanges.streams.decoder import Accepted, Decoder, Event, Refused
from exchanges.streams.hyperliquid import HyperliquidTrades
from exchanges.streams.okx import OkxTrades
from exchanges.streams.warm import NoTrades, past_gaps, past_trades
from exchanges.streams.watched import Watched
from market.clock import Clock
from market.errors import SourceError
from market.types import Instrument, OpenInterest, Trade

logger = logging.getLogger(__name__)

DECODERS: Mapping[str, type[Decoder]] = {
    each.url_key: each
    for each in (
        BinanceTrades, BinanceSpotTrades, BybitTrades, BybitSpotTrades,
        OkxTrades, HyperliquidTrades, CoinbaseTrades,
    )
}  # fmt: skip
WATCHED = 300  # instruments at once; the one that was asked for longest ago gives way
WAIT = 2_000  # wall ms that a command waits for a venue to confirm
FILL_TIMEOUT = 300.0  # seconds for the past of a recording
GOODBYE = 3.0  # seconds that connections get at the end

OnEvents = Callable[[Sequence[Trade | OpenInterest]], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamStatus:
    """What the streams of one exchange do."""

    watched: int = 0  # instruments whose trades arrive now
    asked: int = 0  # instruments that were asked for
    trades: int = 0  # new trades received live
    last_trade_ts: int | None = None  # market ms
    bad: int = 0  # frames and rows that made no sense
    reconnects: int = 0
    reason: str = ""  # why the last connection ended


class Streams:
    """Watches instruments. With `warm_url` (a recording's server) each begins with its recorded past."""

    def __init__(
        self,
        endpoints: Endpoints,
        clock: Clock,
        wall: Clock,
        *,
        warm_url: str = "",
    ) -> None:
        self.on_events: list[OnEvents] = []  # called with what is new in a frame; must not block
        self._endpoints = endpoints
        self._clock, self._wall = clock, wall
        self._warm_url = warm_url
        self._connections: dict[str, Connection] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._watched: dict[str, Watched] = {}  # least recently asked for first
        self._trades: dict[str, int] = {}
        self._last: dict[str, int] = {}
        self._tls: ssl.SSLContext | None = None

    async def watch(self, instruments: Sequence[Instrument]) -> None:
        """Stream these from now on. Waits until they have begun, briefly where a venue is away."""
        records = [self._watch(each) for each in instruments if self._key(each)]
        now = self._wall.now()
        fresh = [each for each in records if now - each.asked < WAIT]
        if fresh:
            patience = max(each.asked for each in fresh) + WAIT - now
            await _all([each.accepted for each in fresh], patience / 1000)
        if self._warm_url:
            begun = [each.settled for each in records if each.accepted.is_set()]
            await _all(begun, FILL_TIMEOUT)

    def state(self, instrument: Instrument) -> SymbolState | None:
        """The live figures of an instrument; None where it is not watched or has not begun."""
        record = self._watched.get(instrument.key)
        if record is None or record.state is None or not record.settled.is_set():
            return None
        record.mark(self._clock.now())
        connection = self._connections.get(self._key(instrument))
        if connection is not None and connection.serves(instrument) and connection.heard_ts:
            record.state.alive(connection.heard_ts)
        return record.state

    def flow(self, instrument: Instrument) -> FlowLog | None:
        """The taker flow of an instrument, its gaps marked up to now; None where there is none yet."""
        state = self.state(instrument)
        return None if state is None else state.flow

    def last_trade(self, instrument: Instrument) -> Trade | None:
        """The newest trade of a watched instrument."""
        state = self.state(instrument)
        return None if state is None else state.last

    def interest(self, instrument: Instrument) -> OpenInterest | None:
        """The newest open interest, where the venue streams it; its `ts` tells how old it is."""
        record = self._watched.get(instrument.key)
        return None if record is None else record.interest

    def status(self) -> dict[str, StreamStatus]:
        """What the streams do, by exchange; those that were never asked for are left out."""
        found: dict[str, StreamStatus] = {}
        for exchange in dict.fromkeys(key.partition(".")[0] for key in self._connections):
            mine = [c for k, c in self._connections.items() if k.partition(".")[0] == exchange]
            asked = [
                w.instrument for w in self._watched.values() if w.instrument.exchange == exchange
            ]
            found[exchange] = StreamStatus(
                watched=sum(self._connections[self._key(each)].serves(each) for each in asked),
                asked=len(asked),
                trades=self._trades.get(exchange, 0),
                last_trade_ts=self._last.get(exchange),
                bad=sum(each.decoder.bad for each in mine),
                reconnects=sum(each.reconnects for each in mine),
                reason=next((each.reason for each in mine if not each.live), ""),
            )
        return found

    async def close(self) -> None:
        """End every connection."""
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=GOODBYE)

    def _key(self, instrument: Instrument) -> str:
        """Which socket serves an instrument; "" where none does."""
        kind = "perp" if instrument.perp else "spot"
        for key in (f"{instrument.exchange}.{kind}", instrument.exchange):
            if key in DECODERS and self._endpoints.streams.get(key):
                return key
        return ""

    def _watch(self, instrument: Instrument) -> Watched:
        record = self._watched.pop(instrument.key, None)
        if record is None:
            record = Watched(instrument, self._wall.now())
            self._make_room()
            self._connection(self._key(instrument)).want(instrument)
        self._watched[instrument.key] = record
        return record

    def _make_room(self) -> None:
        while len(self._watched) >= WATCHED:
            oldest = self._watched.pop(next(iter(self._watched)))
            self._connections[self._key(oldest.instrument)].drop(oldest.instrument)
            if oldest.filling is not None:
                oldest.filling.cancel()

    def _connection(self, key: str) -> Connection:
        found = self._connections.get(key)
        if found is None:
            decoder = self._decoder(key)
            url = self._endpoints.streams[key].rstrip("/") + decoder.path
            found = self._connections[key] = Connection(
                url, decoder, clock=self._clock, wall=self._wall,
                tls=self._context(url), trust_env=not self._endpoints.mark,
                sink=self._take, lost=self._lost,
            )  # fmt: skip
            self._task(found.run(), f"stream {key}")
        return found

    def _decoder(self, key: str) -> Decoder:
        decoder = DECODERS[key](self._clock)
        decoder.local = bool(self._endpoints.mark)
        return decoder

    def _context(self, url: str) -> ssl.SSLContext | bool:
        if not url.startswith("wss:"):
            return True
        if self._tls is None:
            self._tls = ssl.create_default_context(cafile=certifi.where())
        return self._tls

    def _task(self, work: "asyncio._CoroutineLike[None]", name: str) -> "asyncio.Task[None]":
        task: asyncio.Task[None] = asyncio.get_running_loop().create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def _take(self, events: Sequence[Event]) -> None:
        """The events of one frame."""
        news: list[Trade | OpenInterest] = []
        for key, group in groupby(events, key=_key_of):
            record = self._watched.get(key)
            if record is None:
                continue
            trades: list[Trade] = []
            for event in group:
                match event:
                    case Trade():
                        trades.append(event)
                    case OpenInterest():
                        record.interest = event
                        news.append(event)
                    case Accepted():
                        self._accepted(record)
                    case Refused():
                        self._refused(record, event.reason)
            if trades:
                news += self._count(record, trades)
        self._tell(news)

    def _count(self, record: Watched, trades: list[Trade]) -> list[Trade]:
        if not record.accepted.is_set():  # a trade may overtake the confirmation
            self._accepted(record)
        return self._counted(record, record.take(trades))

    def _counted(self, record: Watched, new: list[Trade]) -> list[Trade]:
        if new:
            exchange, newest = record.instrument.exchange, max(each.ts for each in new)
            self._trades[exchange] = self._trades.get(exchange, 0) + len(new)
            self._last[exchange] = max(self._last.get(exchange, 0), newest)
        return new

    def _tell(self, news: Sequence[Trade | OpenInterest]) -> None:
        for call in self.on_events if news else ():
            call(news)

    def _accepted(self, record: Watched) -> None:
        """From now on the feed is complete; of a recording, what came before is fetched."""
        record.refused = ""
        if self._warm_url:
            if record.filling is not None:
                record.filling.cancel()
            record.mark(self._clock.now())
            record.hold()
            name = f"fill {record.instrument.key}"
            record.filling = self._task(self._fill(record), name)
            record.accepted.set()
            return
        now = self._clock.now()
        record.begin(now)
        record.sees(now)
        record.accepted.set()
        record.settled.set()

    def _refused(self, record: Watched, reason: str) -> None:
        logger.warning("stream refused instrument=%s reason=%s", record.instrument.key, reason)
        record.refused = reason
        record.accepted.set()
        record.settled.set()

    def _lost(self, served: Sequence[Instrument], since: int) -> None:
        """A connection ended; `since` is the last moment it was certainly whole."""
        for each in served:
            record = self._watched.get(each.key)
            if record is not None:
                record.blind(since)
                if self._warm_url and record.filling is None:
                    record.hold()

    async def _fill(self, record: Watched) -> None:
        """Fetch what a recording has from before the live trades; then count those that waited."""
        key, began = record.instrument.key, self._clock.now()
        try:
            async with asyncio.timeout(FILL_TIMEOUT):
                after = await self._fetch(record)
        except NoTrades:
            self._refused(record, "the recording has no trades of it")
            return
        except (SourceError, TimeoutError) as error:
            logger.warning("past not fetched instrument=%s reason=%s", key, error)
            if record.state is not None:
                record.blind(0)
            record.begin(began)
            record.sees(self._clock.now())
            after = record.complete_until() or began
        news = self._counted(record, record.release(after, self._clock.now()))
        record.filling = None
        record.settled.set()
        self._tell(news)

    async def _fetch(self, record: Watched) -> int:
        """Count the recorded trades that are missing; returns up to when they are whole."""
        instrument, since = record.instrument, record.complete_until()
        key = self._key(instrument)
        decoder = self._decoder(key)
        decoder.know([instrument])
        async with past_trades(self._warm_url, instrument, decoder, since) as past:
            state = record.begin(past.after)
            async for trades in past.trades:
                state.update(trades)
        if decoder.bad:
            raise SourceError(instrument.exchange, "the recorded past made no sense")
        record.filled(past.after, past.until, serves=self._connections[key].serves(instrument))
        for start, end in await past_gaps(self._warm_url, instrument):
            state.flow.mark_gap(start, end)
        return past.until


async def _all(events: Sequence[asyncio.Event], seconds: float) -> None:
    """Wait until all are set, but not for longer."""
    waiting = [asyncio.ensure_future(each.wait()) for each in events if not each.is_set()]
    if not waiting:
        return
    try:
        await asyncio.wait(waiting, timeout=seconds)
    finally:
        for task in waiting:
            task.cancel()


def _key_of(event: Event) -> str:
    return event.instrument.key
