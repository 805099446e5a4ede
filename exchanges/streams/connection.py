"""One socket of one venue: connected while something is wanted, pinged, watched for silence, renewed when lost.

picows calls back for each frame; those of one loop turn are decoded together at its end, and what they said
leaves as one `Batch`. Nothing waits in between, so nothing can be lost. picows speaks TLS with
our own context and goes through http, https, socks4 and socks5 proxies (`HTTPS_PROXY`, `ALL_PROXY`,
`NO_PROXY` count where the environment is trusted). It offers the venue no compression.
"""

import asyncio
import logging
import random
import ssl
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress

from picows import WSCloseCode, WSError, WSListener, WSMsgType, WSTransport, ws_connect
from python_socks import ProxyError

from exchanges.streams.decoder import Accepted, Channel, Decoder, Event, Refused, Topic
from exchanges.streams.frames import FRAME, Batch, Inbox, Wire, by_id, is_json, proxy_of
from exchanges.streams.rhythm import RHYTHM, RHYTHM_FRAMES, SILENCE, Rhythm, Sight
from market.clock import Clock
from market.types import BookChange, Context, Trade

logger = logging.getLogger(__name__)

PING = 5_000  # wall ms between pings
UNANSWERED = 10_000  # wall ms after which a request without an answer is repeated
SETTLED = 10_000  # wall ms after which a connection that ended was a good one
FIRST_DELAY, MOST_DELAY = 0.25, 10.0  # seconds before connecting again
TICK = 1.0  # seconds between looks at a connection
TIMEOUT = 10.0  # seconds for connecting

_CHANNELS: dict[type, Channel] = {
    Context: Channel.CONTEXT,
    BookChange: Channel.BOOK,
}


Name = tuple[Channel, str]  # of a topic: its channel and the venue's own id
Sink = Callable[["Connection", Batch], None]
Lost = Callable[["Connection", Sequence[Topic], int], None]


class Connection:
    """`sink` gets what each loop turn brought; `lost` hears which topics end, and when they were last whole."""

    def __init__(
        self,
        url: str,
        decoder: Decoder,
        *,
        clock: Clock,
        wall: Clock,
        tls: ssl.SSLContext | None,
        trust_env: bool,
        sink: Sink,
        lost: Lost,
    ) -> None:
        self.url = url
        self.decoder = decoder
        self.live = False
        self.reconnects = 0
        self.reason = ""  # why the last connection ended
        self.heard_ts: int | None = None  # market ms of the last message
        self.began = 0  # wall ms of the present connection
        self._clock, self._wall = clock, wall
        self._tls, self._trust_env = tls, trust_env
        self._sink, self._lost = sink, lost
        self._wanted: dict[Name, Topic] = {}
        self._asked: dict[Name, Topic] = {}  # requested of the present connection
        self._due: dict[Name, int] = {}  # wall ms: when those are requested again
        self._served: dict[Name, int] = {}  # market ms of the confirmation
        self._refused: set[Name] = set()
        self._again: set[Name] = set()  # to be requested anew
        self._rhythms: dict[Name, Rhythm] = {}
        self._changed = asyncio.Event()
        self._transport: WSTransport | None = None
        self._inbox = Inbox(decoder, clock, self._hand_on)
        self._heard = self._data = self._pinged = 0  # wall ms
        self._beats = 0  # turns with data
        self._numbered = False  # the venue counts its trades
        self._sight = Sight()

    @property
    def frames(self) -> int:
        """Messages received."""
        return self._inbox.messages

    @property
    def topics(self) -> list[Topic]:
        """What is wanted of this connection."""
        return list(self._wanted.values())

    def want(self, topics: Sequence[Topic]) -> None:
        """Serve these from now on."""
        for each in topics:
            if (name := _name(each)) not in self._wanted:
                self._wanted[name] = each
                if name in self._asked:  # it was dropped, but the venue does not know yet
                    self.renew(each)
                self._changed.set()

    def drop(self, topics: Sequence[Topic]) -> None:
        """Serve these no more."""
        for each in topics:
            if self._wanted.pop(_name(each), None) is not None:
                self._rhythms.pop(_name(each), None)
                self._changed.set()

    def renew(self, topic: Topic) -> None:
        """Ask for a topic anew; until that is confirmed it is not served."""
        if (name := _name(topic)) in self._asked:
            self._served.pop(name, None)
            self._refused.discard(name)
            self._again.add(name)
            self._changed.set()

    def serves(self, topic: Topic) -> bool:
        """Whether what happens arrives now."""
        return _name(topic) in self._served

    def since(self, topic: Topic) -> int | None:
        """Market ms of the confirmation; None while there is none."""
        return self._served.get(_name(topic))

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
            except (WSError, ProxyError, OSError, TimeoutError) as error:
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

    def flush(self) -> None:
        """Hand on everything that has come and was not handed on yet."""
        self._inbox.flush()

    async def _session(self) -> None:
        """One connection to its end."""
        transport = await self._open()
        if self._transport is not transport:  # picows tells nothing of an end before the upgrade
            raise ConnectionError("closed during the handshake")
        keeper = asyncio.create_task(self._keep(transport))
        try:
            await transport.wait_disconnected()
        except asyncio.CancelledError:
            transport.send_close(WSCloseCode.OK)
            raise
        finally:
            keeper.cancel()
            await asyncio.gather(keeper, return_exceptions=True)
            transport.disconnect(graceful=False)

    async def _open(self) -> WSTransport:
        """Connect; a handshake that is no longer waited for is ended behind us."""
        proxy = proxy_of(self.url) if self._trust_env else None
        opening = asyncio.ensure_future(
            ws_connect(
                lambda: Wire(self._begun, self._inbox), self.url, ssl_context=self._tls, proxy=proxy,
                websocket_handshake_timeout=TIMEOUT, max_frame_size=FRAME,
                use_aiofastnet=False,  # its TLS forgets what it has read when reading goes on after a pause
            )
        )  # fmt: skip
        try:
            async with asyncio.timeout(TIMEOUT):
                transport, _listener = await asyncio.shield(opening)
        except BaseException:
            opening.add_done_callback(_hang_up)
            raise
        return transport

    def _begun(self, transport: WSTransport) -> None:
        """The venue took the connection; frames follow."""
        now, market = self._wall.now(), self._clock.now()
        self._transport = transport
        self._inbox.begin(transport.underlying_transport)
        self.live, self.reason = True, "closed by the venue"
        self.began = self._heard = self._data = self._pinged = now
        self._beats = 0
        for names in (self._asked, self._due, self._served, self._refused, self._again):
            names.clear()
        self.decoder.renew()
        self._sight = Sight(now, market, self.decoder.missed)
        self._changed.set()

    def _hand_on(self, events: list[Event]) -> None:
        """What the messages of one loop turn said."""
        now, market = self._wall.now(), self._clock.now()
        self._heard, self.heard_ts = now, market
        self._sight.count(self.decoder.missed, now)
        inbox = self._inbox
        if not (events or inbox.trades or inbox.closed or inbox.unread):
            return
        try:
            batch = self._batch(events, now, market)
            if inbox.unread:
                self._damaged(batch.rest)
            self._sink(self, batch)
        except Exception:
            logger.exception("sink broke url=%s", self.url)
            self._end("broke")

    def _batch(self, events: list[Event], now: int, market: int) -> Batch:
        """Sort by instrument, note who was heard of, leave out what nobody wants here."""
        trades = self._inbox.trades
        rest: list[Event] = []
        data = False
        for event in events:
            if type(event) is Trade:
                id_ = event.instrument.id
                if id_ in trades:
                    trades[id_].append(event)
                else:
                    trades[id_] = [event]
            elif isinstance(event, Accepted | Refused):
                self._answered(event, rest, now, market)
            elif self._hear((_CHANNELS[type(event)], event.instrument.id), rest, now, market):
                data = True
                rest.append(event)
        for id_ in list(trades):
            if self._hear((Channel.TRADES, id_), rest, now, market):
                self._numbered = trades[id_][0].seq is not None
            else:
                del trades[id_]
        closed = [
            part
            for message in self._inbox.closed
            for id_, part in by_id(message).items()
            if self._hear((Channel.LIQUIDATIONS, id_), rest, now, market)
        ]
        if data or trades or closed:
            self._beats, self._data = self._beats + 1, now
            newest = max((rows[-1].ts for rows in trades.values()), default=None)
            self._sight.came(now, market, newest)
        return Batch(trades, closed, rest, market)

    def _give_up(self, now: int) -> None:
        """Messages did not come in time: nobody knows of which topic they were."""
        since = self._sight.missing(self.decoder.missed, now)
        topics = [t for n, t in self._wanted.items() if n in self._served and self._loses(n[0])]
        if since is None or not topics:
            return
        logger.info("messages missing url=%s since=%d", self.url, since)
        self._lost(self, topics, since)
        again: list[Event] = [Accepted(each) for each in topics]
        self._sink(self, Batch({}, [], again, self._clock.now()))

    def _damaged(self, rest: list[Event]) -> None:
        """Messages could not be read: what they may have carried and no number misses, was not seen."""
        hit: dict[Name, Topic] = {}
        for message in self._inbox.unread:
            losing = {
                name: topic
                for name, topic in self._wanted.items()
                if name in self._served and self._loses(name[0])
            }
            named = {name: t for name, t in losing.items() if name[1].encode() in message}
            hit |= named or ({} if is_json(message) else losing)
        if hit:
            topics = list(hit.values())
            self._lost(self, topics, self._sight.sure)
            rest += [Accepted(each) for each in topics]

    def _loses(self, channel: Channel) -> bool:
        """Whether something of this channel may go missing without anybody noticing."""
        if channel is Channel.TRADES:
            return not self._numbered
        return channel is Channel.LIQUIDATIONS

    def _hear(self, name: Name, rest: list[Event], now: int, market: int) -> bool:
        """Data of a topic came, perhaps before its confirmation; False where nobody wants it here."""
        topic = self._wanted.get(name)
        if topic is None:
            return False
        if name not in self._served and name in self._asked:
            self._answered(Accepted(topic), rest, now, market)
        rhythm = self._rhythms.get(name)
        if rhythm is not None:
            rhythm.hear(now, market)
        return True

    def _answered(
        self, event: Accepted | Refused, rest: list[Event], now: int, market: int
    ) -> None:
        name = _name(event.topic)
        if name not in self._wanted or name in self._again or name in self._served:
            return
        if isinstance(event, Refused):
            self._refused.add(name)
        else:
            self._refused.discard(name)
            self._served[name] = market
            if name in self._rhythms:
                self._rhythms[name].restart(now, market)
            else:
                restless = name[0] in (Channel.CONTEXT, Channel.BOOK)
                self._rhythms[name] = Rhythm(now, market, restless=restless)
        rest.append(event)

    def _ended(self) -> None:
        self.flush()
        self.live, self._transport = False, None
        names = [name for name in self._served if name in self._wanted]
        rhythms = [self._rhythms[name] for name in self._speaking(names)]
        since = self._sight.whole_until(rhythms, self._wall.now())
        self._served.clear()
        self._asked.clear()
        if names:
            self._lost(self, [self._wanted[name] for name in names], since)

    def _end(self, reason: str) -> None:
        if self._transport is not None:
            self.reason = reason
            self._transport.disconnect(graceful=False)

    async def _keep(self, transport: WSTransport) -> None:
        """Send what is due; end a connection that is silent."""
        try:
            for request in self.decoder.opening():
                transport.send(WSMsgType.TEXT, request)
            while not transport.is_disconnected and not self._silent():
                self._look()
                await self._follow(transport)
                ping = self.decoder.ping() if self._wall.now() - self._pinged >= PING else None
                if ping is not None:
                    self._pinged = self._wall.now()
                    transport.send(WSMsgType.TEXT, ping)
                # Not wait_for: before Python 3.12 it may swallow the cancellation of this task.
                with suppress(TimeoutError):
                    async with asyncio.timeout(TICK):
                        await self._changed.wait()
        except Exception:
            logger.exception("keeper broke url=%s", self.url)
            self.reason = "broke"
        finally:
            transport.disconnect(graceful=False)

    async def _follow(self, transport: WSTransport) -> None:
        """Ask for what is wanted and not yet asked for, and end what is no longer wanted."""
        self._changed.clear()
        again = [self._wanted[name] for name in self._again if name in self._wanted]
        fresh = [each for name, each in self._wanted.items() if name not in self._asked]
        ended = [each for name, each in self._asked.items() if name not in self._wanted]
        self._again.clear()
        requests = self.decoder.unsubscribe([*ended, *again]) if ended or again else []
        requests += self.decoder.subscribe([*fresh, *again]) if fresh or again else []
        for each in ended:
            name = _name(each)
            for names in (self._asked, self._served, self._due):
                names.pop(name, None)
            self._refused.discard(name)
        due = self._wall.now() + UNANSWERED + int(len(requests) * self.decoder.pause * 1000)
        for each in (*fresh, *again):
            self._asked[_name(each)] = each
            self._due[_name(each)] = due
        for request in requests:
            transport.send(WSMsgType.TEXT, request)
            await asyncio.sleep(self.decoder.pause)

    def _look(self) -> None:
        """Ask anew for topics that went silent while others live, and for those without an answer."""
        now = self._wall.now()
        self._give_up(now)
        for name, due in self._due.items():
            if now > due and not (name in self._served or name in self._refused):
                self._again.add(name)
        if now - self._data > SILENCE:
            return
        for name in self._speaking(list(self._served)):
            rhythm, topic = self._rhythms[name], self._wanted.get(name)
            if topic is None:
                continue
            if rhythm.stale(now):
                rhythm.asked_anew()
                logger.info("topic silent topic=%s since=%d", topic.key, rhythm.market)
                self._lost(self, [topic], self._sight.of(rhythm))
                self.renew(topic)

    def _stopped(self, now: int, since: int) -> bool:
        """Whether no data for so long is a fault: by the connection's own rhythm, or by that of its topics."""
        if self._beats >= RHYTHM_FRAMES:
            return since * self._beats > RHYTHM * (self._data - self.began)
        rhythms = [self._rhythms[name] for name in self._speaking(self._served)]
        late = [each for each in rhythms if each.stale(now)]
        for each in late:
            each.asked_anew()
        return bool(late)

    def _speaking(self, names: Iterable[Name]) -> list[Name]:
        """Those whose silence tells something; there may be no liquidation for hours."""
        return [n for n in names if n[0] is not Channel.LIQUIDATIONS and n in self._rhythms]

    def _silent(self) -> bool:
        """Whether nothing comes any more, or data that came in a rhythm has stopped."""
        now = self._wall.now()
        if now - self._heard > SILENCE:
            self.reason = "silent"
            return True
        since = now - self._data
        if since > SILENCE and self._stopped(now, since):
            self.reason = "data stopped"
            return True
        return False


def _name(topic: Topic) -> Name:
    return topic.channel, topic.instrument.id


def _hang_up(opening: "asyncio.Future[tuple[WSTransport, WSListener]]") -> None:
    """End a connection that was opened after nobody waited for it any more."""
    if not opening.cancelled() and opening.exception() is None:
        opening.result()[0].disconnect(graceful=False)
