"""Builds everything once: clocks, local servers, database, venues, streams, alerts, and the `App` of the handlers."""

import asyncio
import contextlib
import json
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import aiohttp

import handlers  # noqa: F401 - importing the package registers the commands
from alerts.channels.assembly import Channels
from alerts.committing import Committer
from alerts.gates import Gates
from alerts.metrics import Metrics
from alerts.runner import Runner
from alerts.scorecard import Scorecard
from alerts.service import AlertService
from alerts.types import OutboxRow
from bot.children import child
from bot.config import Settings, SettingsError
from bot.drawing import Drawing
from bot.live import SNAPSHOT, Live, Parts
from bot.local_market import ClockStart, clock_start, scenarios
from bot.telegram.redact import Redactor
from exchanges.endpoints import LIVE, Endpoints, load_endpoints, market_clock
from exchanges.hub import Market
from exchanges.streams.ledger import Ledger
from exchanges.streams.supervisor import Streams
from exchanges.streams.warm import past_interest
from handlers.app import App
from market.clock import Clock, MarketClock, WallClock
from storage.alerts import Alerts
from storage.db import Database
from storage.destinations import Destinations
from storage.drafts import Drafts
from storage.loudness import LoudnessRows
from storage.people import People
from storage.samples import Samples
from storage.scores import Scores

logger = logging.getLogger(__name__)

VERSION = "0.1.0"


@dataclass(slots=True, kw_only=True)
class Desk:
    """The services of one process, for whoever runs them."""

    settings: Settings
    app: App
    database: Database
    market: Market
    streams: Streams
    alerts: AlertService
    runner: Runner
    channels: Channels
    scorecard: Scorecard
    loudness: LoudnessRows
    redactor: Redactor
    post: Callable[[Sequence[OutboxRow]], Awaitable[None]]
    store: Alerts
    samples: Samples
    people: People
    drawing: Drawing
    wall: WallClock
    clock: Clock
    live: Live
    market_url: str = ""  # of the local exchange server


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ground:
    """What everything else stands on. `asking`: the market clock stands still."""

    settings: Settings
    asking: bool
    database: Database
    wall: WallClock
    clock: Clock
    endpoints: Endpoints
    url: str  # of the local exchange server
    mark: str  # of every reply, where the market is not the live one
    name: str  # of the market that stored samples belong to


@dataclass(frozen=True, slots=True, kw_only=True)
class _Feeds:
    """What is asked of the venues, and what they tell by themselves."""

    market: Market
    streams: Streams
    ledger: Ledger
    samples: Samples


@dataclass(frozen=True, slots=True, kw_only=True)
class _Alerting:
    """The life of alerts, from a rule to a message that waits to leave."""

    store: Alerts
    people: People
    committer: Committer
    runner: Runner
    service: AlertService
    scorecard: Scorecard
    loudness: LoudnessRows

    async def post(self, rows: Sequence[OutboxRow]) -> None:
        """Messages that tell of no rule go the same way as alerts."""
        if await self.store.fire([], [], rows):
            self.service.wake.ring(rows)


@contextlib.asynccontextmanager
async def open_desk(settings: Settings, *, asking: bool = False) -> AsyncIterator[Desk]:
    """All services, started; they are closed in the opposite order. `asking`: the market clock stands still."""
    async with contextlib.AsyncExitStack() as stack:
        drawing = _drawing(stack, asking=asking)
        ground = await _ground(settings, stack, asking=asking)
        feeds = await _feeds(ground, stack)
        alerting = _alerting(ground, feeds)
        live = _live(ground, feeds, alerting)
        redactor = Redactor(settings.channels.secrets())
        channels = Channels.all(
            settings.channels, Destinations(ground.database), alerting.post, ground.wall, ground.clock,
            mark=lambda: app.mark, hide=redactor.hide,
        )  # fmt: skip
        stack.callback(channels.close)
        alerting.committer.copies = channels.book.copies
        await channels.book.load()
        if asking:
            await live.monitors.load()
        app = _app(ground, feeds, alerting, live, channels, drawing)
        yield Desk(
            settings=settings, app=app, database=ground.database, market=feeds.market,
            streams=feeds.streams, alerts=alerting.service, runner=alerting.runner, channels=channels,
            scorecard=alerting.scorecard, loudness=alerting.loudness, redactor=redactor, post=alerting.post,
            store=alerting.store, samples=feeds.samples, people=alerting.people, drawing=drawing,
            wall=ground.wall, clock=ground.clock, market_url=ground.url, live=live,
        )  # fmt: skip


def _drawing(stack: contextlib.AsyncExitStack, *, asking: bool) -> Drawing:
    drawing = Drawing()
    stack.callback(drawing.close)
    if not asking:
        drawing.start()
    return drawing


async def _ground(settings: Settings, stack: contextlib.AsyncExitStack, *, asking: bool) -> _Ground:
    """The database, locked, and the market's clock and addresses; both begin at the same time."""
    wall = WallClock(time.time)
    database = _database(settings)
    if not asking and not await database.lock():
        raise SettingsError("Another Tidemark runs on this database; stop it, or set DATABASE_URL.")
    stack.push_async_callback(database.close)
    market_of, started = await asyncio.gather(
        _market_of(settings, wall, stack, asking=asking),
        database.start(),
        return_exceptions=True,
    )
    # Both have ended by now: a failure of one leaves nothing of the other half begun.
    if isinstance(market_of, BaseException):
        raise market_of
    if isinstance(started, BaseException):
        raise started
    clock, endpoints, url = market_of
    return _Ground(
        settings=settings, asking=asking, database=database, wall=wall, clock=clock,
        endpoints=endpoints, url=url, mark=_mark(settings, clock),
        name=_market_name(settings, clock, endpoints),
    )  # fmt: skip


async def _feeds(ground: _Ground, stack: contextlib.AsyncExitStack) -> _Feeds:
    """The venues' markets, read, and their streams, not opened yet."""
    settings, clock, wall = ground.settings, ground.clock, ground.wall
    samples = Samples(ground.database, ground.name)
    market = Market(
        endpoints=ground.endpoints, exchanges=_exchanges(settings), clock=clock, wall=wall,
        cache_dir=Path("data") / "markets", samples=samples,
    )  # fmt: skip
    stack.push_async_callback(market.close)
    await market.start()
    ledger = Ledger(None if ground.asking else samples, clock)
    streams = Streams(
        market.endpoints, clock, wall, warm_url=_warm_url(settings, ground.url),
        snapshot=partial(market.book, depth=SNAPSHOT), ledger=ledger,
    )  # fmt: skip
    market.streams = streams
    if settings.mode == "recording":
        market.past = partial(past_interest, ground.url)
    stack.push_async_callback(streams.close)
    return _Feeds(market=market, streams=streams, ledger=ledger, samples=samples)


def _alerting(ground: _Ground, feeds: _Feeds) -> _Alerting:
    """The store, the runner and the service of alerts, under one lock."""
    database, clock, wall, market = ground.database, ground.clock, ground.wall, feeds.market
    store, people = Alerts(database), People(database)
    metrics, turn = Metrics(market), asyncio.Lock()
    gates = Gates(store, wall, people.zones)
    committer = Committer(store, market, metrics, gates, clock, wall, lock=turn)
    runner = Runner(
        store=store, market=market, streams=feeds.streams, metrics=metrics, committer=committer,
        clock=clock, wall=wall, lock=turn,
    )  # fmt: skip
    service = AlertService(store, market, metrics, clock, wall, runner, zones=people.zones)
    committer.wake, runner.on_gone = service.wake, service.care.gone
    return _Alerting(
        store=store, people=people, committer=committer, runner=runner, service=service,
        scorecard=Scorecard(Scores(database), store, market), loudness=LoudnessRows(database),
    )  # fmt: skip


def _live(ground: _Ground, feeds: _Feeds, alerting: _Alerting) -> Live:
    return Live(
        Parts(
            settings=ground.settings, database=ground.database, market=feeds.market,
            streams=feeds.streams, ledger=feeds.ledger, alerts=alerting.service,
            runner=alerting.runner, store=alerting.store, clock=ground.clock, wall=ground.wall,
            mark=ground.name,
        )
    )  # fmt: skip


def _app(
    ground: _Ground,
    feeds: _Feeds,
    alerting: _Alerting,
    live: Live,
    channels: Channels,
    drawing: Drawing,
) -> App:
    """What the handlers see."""
    return App(
        market=feeds.market, alerts=alerting.service, people=alerting.people, clock=ground.clock,
        wall=ground.wall, draw=drawing.draw, mark=ground.mark,
        version=VERSION, started=ground.wall.now(), monitors=live.monitors,
        recordings=None if ground.asking else live.recordings, channels=channels.book,
        loudness=alerting.loudness, drafts=Drafts(ground.database), scorecard=alerting.scorecard,
    )  # fmt: skip


async def _market_of(
    settings: Settings, wall: WallClock, stack: contextlib.AsyncExitStack, *, asking: bool
) -> tuple[Clock, Endpoints, str]:
    """The market's clock, where its venues are, and the address of the local server that plays them."""
    if settings.mode == "live":
        return wall, LIVE, ""
    if settings.market_url:
        return await _joined(settings.market_url, wall)
    if settings.mode == "sim" and settings.sim_scenario:
        scenarios(settings)  # refused here, in one sentence, and not by the child
    begin = clock_start(settings, wall, asking=asking)
    told = await stack.enter_async_context(child(_market_arguments(begin)))
    return begin.clock(wall), await load_endpoints(told["url"]), told["url"]


async def _joined(url: str, wall: WallClock) -> tuple[Clock, Endpoints, str]:
    """A market that runs already: its clock and its addresses."""
    try:
        told = await market_clock(url)
        endpoints = await load_endpoints(url)
    except (aiohttp.ClientError, OSError, ValueError, KeyError, TimeoutError) as error:
        raise SettingsError(
            f"MARKET_URL: no local market answers at {url} ({type(error).__name__})."
        ) from None
    clock = MarketClock(wall, start=told["start"], anchor=told["anchor"], speed=told["speed"])
    return clock, endpoints, url


def _market_arguments(begin: ClockStart) -> list[str]:
    return [
        "market",
        "--start",
        str(begin.start),
        "--anchor",
        str(begin.anchor),
        "--speed",
        str(begin.speed),
    ]


def _database(settings: Settings) -> Database:
    try:
        return Database.open(settings.database)
    except ValueError as error:
        raise SettingsError(f"DATABASE_URL: {error}") from None


def _exchanges(settings: Settings) -> tuple[str, ...]:
    """The venues asked for; of a recording those that are in it."""
    if settings.mode != "recording":
        return settings.exchanges
    about = json.loads(((settings.recording_dir or Path()) / "recording.json").read_text())
    recorded = {entry["exchange"] for entry in about["instruments"]}
    return tuple(name for name in settings.exchanges if name in recorded)


def _warm_url(settings: Settings, url: str) -> str:
    return url if settings.mode == "recording" else ""


def _mark(settings: Settings, clock: Clock) -> str:
    """What every reply carries when the market is not the live one."""
    if settings.mode == "sim":
        return "SIMULATED"
    if settings.mode == "recording":
        day = f"REPLAY {datetime.fromtimestamp(clock.now() / 1000, UTC):%Y-%m-%d}"
        folder = settings.recording_dir or Path()
        ticks = (folder / "trades.parquet").is_file() or (folder / "trades").is_dir()
        return day if ticks else f"{day} from candles"  # the ticks between them are derived
    return ""


def _market_name(settings: Settings, clock: Clock, endpoints: Endpoints) -> str:
    """Which market stored samples belong to: those of one simulation are never read in another."""
    if settings.market_url:
        return endpoints.market or f"at {settings.market_url} {clock.now()}"
    if settings.mode == "sim":
        return f"sim {settings.sim_seed} {clock.now() // 60_000} {settings.sim_scenario}"
    if settings.mode == "recording":
        return f"recording {settings.recording_dir} {settings.recording_at}"
    return ""


async def follow_clock(desk: Desk) -> None:
    """Keep the market clock in step with the local server, whose speed a person may change."""
    clock = desk.clock
    if not desk.market_url or not isinstance(clock, MarketClock):
        return
    while True:
        await asyncio.sleep(1)
        try:
            told = await market_clock(desk.market_url)
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
            logger.warning("market clock not read reason=%s", type(error).__name__)
            continue
        clock.set(start=told["start"], anchor=told["anchor"], speed=told["speed"])
        desk.app.mark = _mark(desk.settings, clock)
