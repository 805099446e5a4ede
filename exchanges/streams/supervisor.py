"""Streams: every feed of every watched instrument, in supervised connections, straight into the live state.

What a loop turn brought updates the states at once and in order; nothing queues before that. Then the events
that are news (no older than a minute when they came) go to `on_events` and, as one list, onto the bus; trades
that were fetched for a gap never do. What was not seen is marked in the state, written into the ledger and
told to `on_gap`, so that it can be fetched.
"""

import asyncio
import logging
import ssl
from collections import Counter, deque
from collections.abc import Iterable, Sequence
from functools import partial

import certifi

from analytics.cvd import FlowLog
from analytics.state import SymbolState
from exchanges.endpoints import Endpoints
from exchanges.streams.connection import Connection, Lost, Sink
from exchanges.streams.decoder import Channel, Decoder, News, Topic
from exchanges.streams.intake import OLD, Intake
from exchanges.streams.ledger import GapTotals, Ledger
from exchanges.streams.pool import Pool
from exchanges.streams.protocols import socket_of
from exchanges.streams.recorded import FILL_TIMEOUT, Recorded
from exchanges.streams.resync import Resync, Snapshot
from exchanges.streams.status import Meter, StreamStatus
from exchanges.streams.watched import Feed, Watched, all_set
from market.clock import Clock
from market.types import Instrument, OpenInterest, Trade

logger = logging.getLogger(__name__)

WATCHED = (
    600  # instruments at once; of those not kept the one that was asked for longest ago gives way
)
BOOKS = 100  # books that were asked for and are not kept
AT_ONCE = 100  # instruments that begin in one loop turn
WAIT = 2_000  # wall ms that a command waits for a venue to confirm
LATE = 5_000  # wall ms after which a feed that was not confirmed counts as blind since it was asked for
TICK = 1.0  # seconds between looks at all of it
PARTS = 5  # ticks in which every state hears once that its feeds live
GOODBYE = 3.0  # seconds that connections get at the end
CHANNELS = (Channel.TRADES, Channel.LIQUIDATIONS, Channel.CONTEXT)  # as far as there are sockets


class Streams:
    """Watches instruments. With `warm_url` (a recording's server) each begins with its recorded past.

    `snapshot(instrument)` fetches a whole book with its sequence, for venues that stream only changes.
    """

    def __init__(
        self,
        endpoints: Endpoints,
        clock: Clock,
        wall: Clock,
        *,
        warm_url: str = "",
        snapshot: Snapshot | None = None,
        ledger: Ledger | None = None,
    ) -> None:
        self.ledger = ledger or Ledger(None, clock)
        self._endpoints = endpoints
        self._clock, self._wall = clock, wall
        self._resync = Resync(snapshot, self._renew)
        self._intake = Intake(clock, self.ledger, self._resync, self._begin, warm=bool(warm_url))
        self._recorded = (
            Recorded(warm_url, clock, self._intake, self._decoder, self.serves)
            if warm_url
            else None
        )
        self.bus = self._intake.bus
        self.on_events = self._intake.on_events  # called with the news of a turn; must not block
        self.on_old = self._intake.on_old  # called with what is too old to be news
        self.on_gap = self._intake.on_gap  # called with what is missing; must not block
        self._watched = self._intake.watched
        self._sockets: dict[tuple[Channel, str, bool], type[Decoder] | None] = {}
        self._pools: dict[type[Decoder], Pool] = {}
        self._routes: dict[type[Decoder], dict[str, Watched]] = {}  # by the venue's own id
        self._tasks: set[asyncio.Task[None]] = set()
        self._kept: set[str] = set()
        self._kept_books: set[str] = set()
        self._due: deque[Instrument] = deque()  # kept and not watched yet
        self._books: dict[str, None] = {}  # asked for, least recently first
        self._meters: dict[str, Meter] = {}
        self._turn = 0
        self._tls: ssl.SSLContext | None = None

    async def watch(self, instruments: Sequence[Instrument], *, book: bool = False) -> None:
        """Stream these from now on. Waits until they have begun, briefly where a venue is away."""
        found = [self._watch(each, book=book) for each in instruments]
        records = [each for each in found if each is not None]
        if book:
            for key in [each.instrument.key for each in records]:
                self._books.pop(key, None)
                self._books[key] = None
            self._shed_books()
        wanted = (Channel.TRADES, Channel.BOOK) if book else (Channel.TRADES,)
        feeds = [r.feeds[channel] for r in records for channel in wanted if channel in r.feeds]
        now = self._wall.now()
        fresh = [each for each in feeds if now - each.asked < WAIT]
        if fresh:
            patience = max(each.asked for each in fresh) + WAIT - now
            await all_set([each.accepted for each in fresh], patience / 1000)
        if self._recorded is not None:
            begun = [r.settled for r in records if r.answered]
            await all_set(begun, FILL_TIMEOUT)

    def keep(self, instruments: Iterable[Instrument], *, books: Iterable[Instrument] = ()) -> None:
        """The watch list: these and these books are streamed whatever else is asked for.

        What was kept before and is not in it any more stays until others need its place; a book ends.
        """
        wanted = {each.key: each for each in instruments}
        deep = {each.key: each for each in books}
        self._kept, self._kept_books = set(wanted) | set(deep), set(deep)
        self._due = deque((wanted | deep).values())
        self._keep_on()
        self._shed_books()

    def _keep_on(self) -> None:
        """Watch the next of those that are kept, a part in each loop turn."""
        for _ in range(min(AT_ONCE, len(self._due))):
            each = self._due.popleft()
            self._watch(each, book=each.key in self._kept_books)
        if self._due:
            asyncio.get_running_loop().call_soon(self._keep_on)

    def adopt(self, state: SymbolState, until: int) -> bool:
        """Go on with a state from before a restart, whole up to `until`; what came since is a gap.

        False where there is no room or socket for it, or its trades are counted already.
        """
        record = self._watched.get(state.instrument.key)
        if record is None:
            record = self._watch(state.instrument, book=False)
        if record is None or not record.adopt(state, until):
            return False
        self._intake.adopted(state, until)
        record.feeds[Channel.TRADES].dark = until
        return True

    def state(self, instrument: Instrument) -> SymbolState | None:
        """The live figures of an instrument; None where it is not watched or has not begun."""
        record = self._watched.get(instrument.key)
        return None if record is None else self._state(record)

    def states(self) -> list[SymbolState]:
        """The live figures of all that are watched and have begun."""
        found = [self._state(record) for record in self._watched.values()]
        return [each for each in found if each is not None]

    def flow(self, instrument: Instrument) -> FlowLog | None:
        """The taker flow of an instrument, its gaps marked up to now; None where there is none yet."""
        state = self.state(instrument)
        return None if state is None else state.flow

    def last_trade(self, instrument: Instrument) -> Trade | None:
        """The newest trade of a watched instrument."""
        state = self.state(instrument)
        return None if state is None else state.last

    def interest(self, instrument: Instrument) -> OpenInterest | None:
        """The newest open interest that came; its `ts` tells how old it is."""
        record = self._watched.get(instrument.key)
        return None if record is None else record.interest

    def take(self, news: Sequence[News]) -> None:
        """Events that came by REST go the same way as streamed ones."""
        self._intake.take(news)

    def fresh(self, news: Iterable[News]) -> list[News]:
        """Those of these events that something may be told about: no older than a minute."""
        limit = self._clock.now() - OLD
        return [each for each in news if each.ts >= limit]

    def serves(self, topic: Topic) -> bool:
        """Whether a feed arrives now."""
        pool = self._pool(topic)
        return pool is not None and pool.serves(topic)

    def status(self) -> dict[str, StreamStatus]:
        """What the streams do, by exchange; those that were never asked for are left out."""
        totals = self.ledger.totals()
        names = dict.fromkeys(each.url_key.partition(".")[0] for each in self._pools)
        return {name: self._status(name, totals.get(name, GapTotals())) for name in names}

    async def close(self) -> None:
        """End every connection; what the last turns brought is still handed to everybody."""
        self._due.clear()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        tasks += [task for pool in self._pools.values() for task in pool.cancel()]
        for record in self._watched.values():
            tasks += record.end()
        if tasks:
            await asyncio.wait(tasks, timeout=GOODBYE)
        self.bus.close()

    def _state(self, record: Watched) -> SymbolState | None:
        state = record.state
        if state is None or not record.begun or not record.settled.is_set():
            return None
        record.mark(self._clock.now())
        self._intake.note_losses(state)
        self._alive(record, state)
        return state

    def _alive(self, record: Watched, state: SymbolState) -> None:
        """Tell a state which of its feeds live, quiet as they may be."""
        for channel, feed in record.feeds.items():
            pool = self._pool(feed.topic)
            heard = pool.heard(feed.topic) if pool is not None else None
            if heard is not None:
                state.alive(heard, channel)

    def _watch(self, instrument: Instrument, *, book: bool) -> Watched | None:
        """The record of an instrument; None where no socket serves it or there is no room."""
        record = self._watched.pop(instrument.key, None)
        if record is None:
            if self._socket(Topic(Channel.TRADES, instrument)) is None or not self._make_room():
                return None
            record = Watched(instrument)
        self._watched[instrument.key] = record
        self._want(record, CHANNELS)
        if book:
            self._want(record, (Channel.BOOK,))
        return record

    def _want(self, record: Watched, channels: Iterable[Channel]) -> None:
        """Subscribe to what is not subscribed to yet, the topics of one socket together."""
        by_socket: dict[type[Decoder], list[Topic]] = {}
        for channel in channels:
            topic = Topic(channel, record.instrument)
            socket = self._socket(topic)
            if channel in record.feeds or socket is None:
                continue
            feed = Feed(topic, self._wall.now(), self._clock.now())
            record.feeds[channel] = feed
            self._intake.waiting[topic.key] = feed
            by_socket.setdefault(socket, []).append(topic)
            if channel is Channel.BOOK:
                record.known().open_book()
        for socket, topics in by_socket.items():
            pool = self._opened(socket)
            self._routes[socket][record.instrument.id] = record
            pool.want(topics)

    def _leave(self, record: Watched, channels: Iterable[Channel]) -> None:
        for channel in channels:
            feed = record.feeds.pop(channel, None)
            pool = self._pool(feed.topic) if feed is not None else None
            if feed is not None and pool is not None:
                pool.drop([feed.topic])
                self._intake.forget(feed)

    def _make_room(self) -> bool:
        """Give up what was asked for longest ago; False where all are kept."""
        while len(self._watched) >= WATCHED:
            oldest = next((r for k, r in self._watched.items() if k not in self._kept), None)
            if oldest is None:
                logger.warning("no room for another instrument kept=%d", len(self._kept))
                return False
            key = oldest.instrument.key
            self._leave(oldest, list(oldest.feeds))
            for routes in self._routes.values():
                if routes.get(oldest.instrument.id) is oldest:
                    del routes[oldest.instrument.id]
            self._books.pop(key, None)
            del self._watched[key]
            oldest.end()
        return True

    def _shed_books(self) -> None:
        """Leave the books that are neither kept nor among the newest asked for."""
        extra = [key for key in self._books if key not in self._kept_books]
        for key in extra[: max(0, len(extra) - BOOKS)]:
            del self._books[key]
        for key, record in self._watched.items():
            if Channel.BOOK not in record.feeds or key in self._books or key in self._kept_books:
                continue
            self._leave(record, (Channel.BOOK,))
            if record.state is not None:
                record.state.book = None

    def _renew(self, topic: Topic) -> None:
        if (pool := self._pool(topic)) is not None:
            pool.renew(topic)

    def _socket(self, topic: Topic) -> type[Decoder] | None:
        kind = (topic.channel, topic.instrument.exchange, topic.instrument.perp)
        if kind not in self._sockets:
            found = socket_of(topic)
            known = found is not None and self._endpoints.streams.get(found.url_key)
            self._sockets[kind] = found if known else None
        return self._sockets[kind]

    def _pool(self, topic: Topic) -> Pool | None:
        found = self._socket(topic)
        return None if found is None else self._pools.get(found)

    def _opened(self, socket: type[Decoder]) -> Pool:
        found = self._pools.get(socket)
        if found is None:
            routes = self._routes[socket] = {}
            found = self._pools[socket] = Pool(
                partial(self._connection, socket), wall=self._wall, most=socket.most,
                lifetime=socket.lifetime, sink=partial(self._intake.batch, routes),
                lost=self._intake.lost,
            )  # fmt: skip
            if len(self._pools) == 1:
                self._task(self._look(), "streams")
        return found

    def _connection(self, socket: type[Decoder], sink: Sink, lost: Lost) -> Connection:
        url = self._endpoints.streams[socket.url_key].rstrip("/") + socket.path
        return Connection(
            url, self._decoder(socket), clock=self._clock, wall=self._wall,
            tls=self._context(url), trust_env=not self._endpoints.mark, sink=sink, lost=lost,
        )  # fmt: skip

    def _decoder(self, socket: type[Decoder]) -> Decoder:
        decoder = socket(self._clock)
        decoder.local = bool(self._endpoints.mark)
        return decoder

    def _context(self, url: str) -> ssl.SSLContext | None:
        if not url.startswith("wss:"):
            return None
        if self._tls is None:
            self._tls = ssl.create_default_context(cafile=certifi.where())
        return self._tls

    def _task(self, work: "asyncio._CoroutineLike[None]", name: str) -> "asyncio.Task[None]":
        task: asyncio.Task[None] = asyncio.get_running_loop().create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _look(self) -> None:
        """Replace old connections, measure the rate, find feeds that are not confirmed; for ever."""
        while True:
            try:
                self.tick()
            except Exception:
                logger.exception("streams were not looked after")
            await asyncio.sleep(TICK)

    def tick(self) -> None:
        """What is due each second."""
        now = self._wall.now()
        frames: Counter[str] = Counter()
        for socket, pool in self._pools.items():
            pool.tick()
            frames[socket.url_key.partition(".")[0]] += pool.counts()["frames"]
        for exchange, count in frames.items():
            self._meters.setdefault(exchange, Meter()).look(now, count)
        for feed in self._intake.waiting.values():
            if now - feed.asked >= LATE:
                self._intake.late(feed)
        self._turn = (self._turn + 1) % PARTS
        for record in list(self._watched.values())[self._turn :: PARTS]:
            if record.state is not None:
                self._alive(record, record.state)

    def _status(self, exchange: str, totals: GapTotals) -> StreamStatus:
        pools = [p for s, p in self._pools.items() if s.url_key.partition(".")[0] == exchange]
        mine = [r for r in self._watched.values() if r.instrument.exchange == exchange]
        counts = sum((pool.counts() for pool in pools), Counter[str]())
        seen = self._intake.counts.get(exchange, Counter[str]())
        served = [f for r in mine for f in r.feeds.values() if self.serves(f.topic)]
        open_ = [each for pool in pools for each in pool.connections]
        heard = max((each.heard_ts for each in open_ if each.heard_ts is not None), default=None)
        meter = self._meters.get(exchange)
        return StreamStatus(
            watched=sum(each.topic.channel is Channel.TRADES for each in served),
            asked=len(mine),
            topics=len(served),
            trades=seen["trades"],
            old=seen["old"],
            last_trade_ts=self._intake.last.get(exchange),
            last_frame_ts=heard,
            age=None if heard is None else max(0, self._clock.now() - heard),
            rate=meter.rate if meter is not None else 0.0,
            frames=counts["frames"],
            bad=counts["bad"],
            broken=seen["broken"],
            connections=counts["connections"],
            reconnects=counts["reconnects"],
            reason=next((each.reason for each in open_ if not each.live), ""),
            gaps_open=totals.open,
            gaps_filled=totals.filled,
            gaps_unfilled=totals.unfilled,
            blind_ms=totals.blind_ms,
            resyncs=self._resync.done.get(exchange, 0),
            dropped=self.bus.dropped,
            queues=tuple(self.bus.status()),
        )

    def _begin(self, record: Watched, now: int) -> None:
        """From now on trades are complete; of a recording, what came before is fetched."""
        if self._recorded is not None:
            self._recorded.begin(record)
            return
        record.begin(now)
        self._intake.sees(record, now)
        record.settled.set()
