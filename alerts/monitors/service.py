"""The monitors of the desk: they look at every batch of events and at every market second, write facts, tell chats.

What a chat is told is committed to the outbox within seconds of the fact. A process that dies before that has
told nothing, and the fact stays in the list of `/monitor`: nothing is told twice.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any

from alerts.lasting import lasting
from alerts.monitors.digest import Digest
from alerts.monitors.history import History
from alerts.monitors.judge import Judge
from alerts.monitors.kinds import Kinds
from alerts.monitors.latency import Latency
from alerts.monitors.postman import Postman
from alerts.monitors.subscriptions import Subscriptions
from alerts.monitors.types import Fact, MonitorStore
from alerts.monitors.view import View
from alerts.monitors.watchlist import DOLLARS, Extras, WatchList
from alerts.protocols import AlertStore
from exchanges.hub import Market, settle
from exchanges.streams.decoder import Channel, News
from exchanges.streams.supervisor import Streams
from exchanges.streams.watched import Missing
from market.clock import Clock
from market.errors import AssistantError
from market.types import DAY, HOUR, MINUTE, Gap, Reading, Ticker

logger = logging.getLogger(__name__)

QUEUE = 20_000  # lists of events that wait
OLD = MINUTE  # market ms: an event older than this is history
FASTEST = 0.25  # wall seconds between looks at the levels
POST = 0.25  # wall seconds between looks at what has to leave
RANK = 600.0  # wall seconds between rankings
RANK_AGAIN = 30.0  # after one that failed
SCAN_FASTEST = 5.0  # wall seconds between scans of the whole market
DIGEST = 5.0
SEEDED = 6 * HOUR  # market ms of facts that are known after a restart
MISSED = 32  # intervals remembered of an instrument
RESTART = 5.0  # wall seconds before a loop that failed goes on
SCANNED = ("binance", "bybit", "okx", "hyperliquid")


@dataclass(frozen=True, slots=True, kw_only=True)
class MonitorStatus:
    """What the monitors do. Counts are since the start."""

    running: bool = False
    watched: int = 0  # instruments
    seen: int = 0  # events taken
    old: int = 0  # events that were history when they came
    dropped: int = 0  # events lost because the monitors were slower than the streams
    depth: int = 0  # lists of events that wait
    looked_ts: int | None = None  # market ms of the last round
    facts: dict[str, int] = field(default_factory=dict)  # by kind
    failures: dict[str, int] = field(default_factory=dict)  # rounds a kind failed in
    refused: dict[str, int] = field(
        default_factory=dict
    )  # figures that could not be relied on, by why
    waiting: int = 0  # facts that no message has yet
    unstored: int = 0
    lost: int = 0
    latency: dict[str, Reading[float]] = field(default_factory=dict)


class MonitorService:
    """All monitors of one process. `mark`: the name of a market that is not the live one."""

    def __init__(
        self,
        store: MonitorStore,
        alerts: AlertStore,
        market: Market,
        streams: Streams,
        clock: Clock,
        wall: Clock,
        *,
        extras: Extras | None = None,
        mark: str = "",
    ) -> None:
        self._store, self._alerts, self._market, self._streams = store, alerts, market, streams
        self._clock, self._wall = clock, wall
        self.wake = asyncio.Event()  # set when there is something to deliver: the outbox's
        # Set when what was lost between two processes has been fetched; None where nothing is.
        self.ready: asyncio.Event | None = None
        self.latency = Latency()
        self.subscriptions = Subscriptions(store, wall)
        self.watch_list = WatchList(
            market, store, self.subscriptions.coins, wall, extras=extras, mark=mark
        )
        self.kinds = Kinds()
        self._postman = Postman(clock, wall)
        self._judge = Judge(
            self.kinds.all, self.subscriptions, self._postman, self.latency, wall, self.coins
        )
        self._history = History(market, self.kinds.learners, clock)
        self._digest = Digest(store, alerts, self.subscriptions, self, clock, wall, mark)
        self._tasks: list[asyncio.Task[None]] = []
        self._events: Any = None
        self._ticks: dict[str, int] = {}  # wall ms of the first event since the last round, by key
        self._missed: dict[str, dict[int, int]] = {}
        self._coins: set[str] = set()
        self._unsent: list[tuple[Any, list[Fact]]] = []
        self._seen = self._old = 0
        self._looked: int | None = None
        self.since: int | None = None  # market ms of the first round; what came before nobody saw
        self.on_findings = self._judge.on_findings  # called with what was found; must not wait

    async def load(self) -> None:
        """Take up choices and the ranking of before; enough to answer `/monitor`."""
        await self.subscriptions.load()
        await self.watch_list.load()

    async def prepare(self) -> None:
        """What was noticed in the last hours is known: it is no news that it still is so."""
        await self.load()
        now = self._clock.now()
        self._judge.edges.seed(
            reversed(await self._store.facts(since=now - SEEDED, until=now, limit=5_000))
        )
        await self._digest.start()

    async def start(self) -> None:
        """Watch from now on."""
        await self.prepare()
        await self._keep(rank=False)
        self._streams.on_gap.append(self._missing)
        self._digest.note()
        self._events = self._streams.bus.subscribe("monitors", QUEUE)
        loops: Sequence[tuple[str, Callable[[], Coroutine[Any, Any, None]]]] = (
            ("events", self._take_events), ("seconds", self._each_second), ("post", self._each_post),
            ("ranking", self._each_ranking), ("scan", self._each_scan), ("digest", self._each_digest),
            ("history", self._history.run),
        )  # fmt: skip
        self._tasks = [
            asyncio.create_task(
                lasting(logger, "monitors", name, loop, RESTART), name=f"monitors {name}"
            )
            for name, loop in loops
        ]

    async def close(self) -> None:
        """Stop, and write down what was noticed."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []
        if self._events is not None:
            self._events.close()
        try:
            async with asyncio.timeout(2.0):
                await self.post()
        except (AssistantError, TimeoutError) as error:
            logger.warning("facts not written at the end reason=%s", error)

    # What happens by itself

    async def _take_events(self) -> None:
        await self._armed()
        async for news in self._events:
            self.take(news)
            await asyncio.sleep(0)  # a full queue must not keep the others from their turn

    async def _armed(self) -> None:
        """Wait until what was lost between two processes has been fetched; what came till then is no news."""
        if self.ready is not None and not self.ready.is_set():
            await self.ready.wait()
            self._events.poll()

    def take(self, news: Sequence[News]) -> list[Fact]:
        """Look at one batch of new events."""
        now, wall = self._clock.now(), self._wall.now()
        mine = [each for each in news if each.instrument.quote in DOLLARS]
        fresh = [each for each in mine if now - each.ts <= OLD]
        self._seen += len(news)
        self._old += len(mine) - len(fresh)
        if not fresh:
            return []
        keys = {each.instrument.key: each.instrument for each in fresh}
        tick = self._arrival(fresh, now, wall)
        for key in keys:
            self._ticks.setdefault(key, tick)
        states = [state for i in keys.values() if (state := self._streams.state(i)) is not None]
        view = View(now, states, missed=self._missed, wall=wall)
        return self._judge.take(fresh, view, tick)

    def _arrival(self, news: Sequence[News], now: int, wall: int) -> int:
        """Wall ms at which the oldest of these was received."""
        received = min((each.recv_ts for each in news if each.recv_ts), default=now)
        speed = max(float(getattr(self._clock, "speed", 1.0)), 1e-6)
        return wall - round(max(0, now - received) / speed)

    async def _each_second(self) -> None:
        await self._armed()
        while True:
            speed = max(float(getattr(self._clock, "speed", 1.0)), 1e-6)
            left = (1000 - self._clock.now() % 1000) / 1000 / speed
            await asyncio.sleep(max(FASTEST, left) if speed > 1 else left)
            await self.tick()

    async def tick(self) -> list[Fact]:
        """Look at every level once."""
        now = self._clock.now()
        states = [
            state
            for each in self.watch_list.instruments
            if each.quote in DOLLARS and (state := self._streams.state(each)) is not None
        ]
        view = View(now, states, missed=self._missed, wall=self._wall.now())
        ticks, self._ticks = self._ticks, {}
        facts = await self._judge.look(view, lambda key: ticks.get(key, 0))
        self._looked = now
        self.since = now if self.since is None else self.since
        if now % HOUR < 1000:
            self._judge.edges.forget(now)
        return facts

    async def _each_post(self) -> None:
        while True:
            await asyncio.sleep(POST)
            await self.post()

    async def post(self) -> int:
        """Store what was noticed, then put what has to leave into the outbox; how many messages.

        Facts that cannot be stored now keep no message back.
        """
        try:
            await self._store_facts()
        finally:
            added = await self._send()
        return added

    async def _store_facts(self) -> None:
        unstored = self._judge.unstored
        while unstored:
            batch = [unstored[n] for n in range(min(500, len(unstored)))]
            await self._store.save_facts(batch)
            for _each in batch:
                if unstored and unstored[0].id <= batch[-1].id:
                    unstored.popleft()

    async def _send(self) -> int:
        self._unsent += self._postman.due()
        if not self._unsent:
            return 0
        added = await self._alerts.fire([], [], [row for row, _facts in self._unsent])
        self._unsent = []
        self.wake.set()
        return added

    async def _each_ranking(self) -> None:
        while True:
            await self._keep(rank=True)
            await asyncio.sleep(RANK_AGAIN if self.watch_list.problem else RANK)

    async def _keep(self, *, rank: bool) -> None:
        instruments = await (self.watch_list.refresh() if rank else self.watch_list.apply())
        self._coins = {each.base for each in instruments}
        self._history.want(instruments)
        wanted = {each.key for each in instruments}
        for key in [key for key in self._missed if key not in wanted]:
            del self._missed[key]

    async def _each_scan(self) -> None:
        while True:
            speed = max(float(getattr(self._clock, "speed", 1.0)), 1e-6)
            left = (MINUTE - self._clock.now() % MINUTE) / 1000 / speed
            await asyncio.sleep(max(SCAN_FASTEST, left))
            await self.scan()

    async def scan(self) -> None:
        """Take the tickers of every perp of the market; the findings come with the next round."""
        names = [name for name in SCANNED if name in self._market.venues]
        found, errors = await settle({name: self._market.tickers(name, True) for name in names})
        for name, error in errors.items():
            logger.info("not scanned exchange=%s reason=%s", name, error.reason)
        tickers: list[Ticker] = [ticker for each in found.values() for ticker in each]
        self.kinds.scan.feed(self._clock.now(), tickers)
        for each in tickers:  # what a wall is depends on what trades in a day
            if each.instrument.base in self._coins and each.quote_volume_24h is not None:
                state = self._streams.state(each.instrument)
                if state is not None and state.book is not None:
                    state.book.scale(each.quote_volume_24h)

    async def _each_digest(self) -> None:
        while True:
            self._digest.note()  # also before the past is fetched: what is filled vanishes from the ledger
            if (self.ready is None or self.ready.is_set()) and await self._digest.look():
                self.wake.set()
            await asyncio.sleep(DIGEST)

    # What others tell and ask

    def missed(self, key: str, from_ts: int, to_ts: int) -> None:
        """Trades of (from, to] were not seen as they happened: windows over them make no fact, filled or not."""
        spans = self._missed.setdefault(key, {})
        spans[from_ts] = max(to_ts, spans.get(from_ts, to_ts))
        if len(spans) > MISSED:
            del spans[min(spans, key=lambda start: spans[start])]

    def _missing(self, gap: Missing) -> None:
        """The streams noticed a hole."""
        if gap.topic.channel is not Channel.TRADES:
            return
        self.missed(gap.topic.instrument.key, gap.from_ts, gap.to_ts)

    async def chosen(self) -> None:
        """Somebody's choice of coins has changed."""
        await self._keep(rank=False)

    def chat_changed(self, chat_id: int, alive: bool) -> None:
        """A chat cannot be reached, or can be again."""
        self.subscriptions.chat_changed(chat_id, alive)
        if not alive:
            self._postman.forget(chat_id)

    async def facts(
        self, *, coin: str = "", since: int | None = None, limit: int = 20
    ) -> list[Fact]:
        """What was noticed, newest first; those of the last day where no time is named."""
        start = self._clock.now() - DAY if since is None else since
        return await self._store.facts(since=start, until=self._clock.now(), coin=coin, limit=limit)

    def status(self) -> MonitorStatus:
        """For /status."""
        judge = self._judge
        return MonitorStatus(
            running=bool(self._tasks), watched=len(self.watch_list.instruments), seen=self._seen,
            old=self._old, dropped=self._events.dropped if self._events is not None else 0,
            depth=self._events.depth if self._events is not None else 0, looked_ts=self._looked,
            facts=dict(judge.noticed), failures=dict(judge.failures), refused=dict(judge.refused),
            waiting=self._postman.waiting(), unstored=len(judge.unstored), lost=judge.lost,
            latency=self.latency.figures(),
        )  # fmt: skip

    def coins(self) -> set[str]:
        """The coins of the watch list."""
        return self._coins

    def blind(self, since: int, until: int) -> Sequence[Gap]:
        """What the ledger knows of what is watched; its gaps in trades are also those of windows."""
        ledger: Any = self._streams.ledger
        found: Sequence[Gap] = ledger.blind(since, until) if ledger is not None else ()
        for gap in found:
            if gap.table == "trades" and gap.symbol:
                self.missed(f"{gap.exchange}:{gap.symbol}", gap.from_ts, gap.to_ts)
        watched = {each.key for each in self.watch_list.instruments}
        return [g for g in found if not g.symbol or f"{g.exchange}:{g.symbol}" in watched]

    def coin_of(self, key: str) -> str:
        """The coin of an instrument key; "" where it is not listed."""
        listed = self._market.directory.by_key(key)
        return listed.base if listed is not None else ""
