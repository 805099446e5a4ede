"""What runs by the clock: alerts, samples, refreshes, retention. Times are the market's where the market matters."""

import logging
from collections.abc import Awaitable, Callable

from apscheduler.schedulers.asyncio import AsyncIOScheduler

from alerts.channels.digest import Digests
from bot.app import Desk
from exchanges.types import Capability
from market.clock import MarketClock
from market.errors import SourceError
from market.types import Instrument
from storage.destinations import Destinations
from storage.retention import prune_main

logger = logging.getLogger(__name__)

MINUTELY = 60.0  # market seconds between looks at what ends and at what followed
SAMPLE = 60.0  # market seconds between samples of open interest
FASTEST = 0.25  # wall seconds
REFRESH = 600.0  # wall seconds between tries for markets that are missing or old
PRUNE = 3600.0
DIGESTS = 60.0
SAMPLED = 40  # perps of a venue that publishes no history of open interest
FOLLOW = 5.0  # wall seconds between looks at the speed of the market


class Schedule:
    """One APScheduler; a job that is still running is not started twice, a late one runs once."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._scheduler = AsyncIOScheduler(
            timezone="UTC",
            job_defaults={"misfire_grace_time": None, "coalesce": True, "max_instances": 1},
        )
        self._speed = self._speed_now()
        self._digests = Digests(
            desk.channels.book, Destinations(desk.database), desk.post, desk.wall, desk.clock,
            self._zone_of,
        )  # fmt: skip

    def start(self) -> None:
        """Start all jobs."""
        self._add("ends", self._ends, self._wall(MINUTELY))
        self._add("scores", self._scores, self._wall(MINUTELY))
        self._add("samples", self._sample, self._wall(SAMPLE))
        self._add("markets", self._refresh, REFRESH)
        self._add("prune", self._prune, PRUNE)
        self._add("digests", self._digests.check, DIGESTS)
        self._add("speed", self._follow, FOLLOW)
        self._scheduler.start()

    def stop(self) -> None:
        """Start nothing more."""
        if self._scheduler.running:
            self._scheduler.shutdown(wait=False)

    def _add(self, name: str, call: Callable[[], Awaitable[object]], seconds: float) -> None:
        self._scheduler.add_job(call, "interval", seconds=seconds, id=name, name=name)

    def _wall(self, market_seconds: float) -> float:
        """Wall seconds that last `market_seconds` on the market's clock."""
        return (
            max(FASTEST, market_seconds / max(self._speed, 1e-6))
            if self._speed > 1
            else market_seconds
        )

    def _speed_now(self) -> float:
        clock = self._desk.clock
        return clock.speed if isinstance(clock, MarketClock) else 1.0

    async def _follow(self) -> None:
        """Keep pace with a market whose speed was changed."""
        speed = self._speed_now()
        if speed != self._speed:
            self._speed = speed
            for name, pause in (("ends", MINUTELY), ("scores", MINUTELY), ("samples", SAMPLE)):
                self._scheduler.reschedule_job(name, trigger="interval", seconds=self._wall(pause))

    async def _ends(self) -> None:
        """Alerts whose time is over end, and say so."""
        await self._desk.alerts.expire_due()

    async def _zone_of(self, user_id: int) -> str:
        """The zone of a person: of the private chat, which has the same number."""
        return (await self._desk.people.zones([user_id])).get(user_id, "UTC")

    async def _scores(self) -> None:
        """What followed the firings of a while ago."""
        await self._desk.scorecard.settle(self._desk.clock.now())

    async def _sample(self) -> None:
        await self._desk.market.sample_open_interest(await self._watched())

    async def _watched(self) -> list[Instrument]:
        """Perps whose open interest is kept: those with an alert, and the busiest where no history is published."""
        found = {i.key: i for i in await self._desk.alerts.watched()}
        for name, venue in self._desk.market.venues.items():
            able = venue.capabilities
            if Capability.OPEN_INTEREST not in able or Capability.OPEN_INTEREST_HISTORY in able:
                continue
            try:
                tickers = await self._desk.market.tickers(name, True)
            except SourceError as error:
                logger.info("nothing sampled exchange=%s reason=%s", name, error.reason)
                continue
            busiest = sorted(tickers, key=lambda t: -(t.quote_volume_24h or 0.0))[:SAMPLED]
            found |= {t.instrument.key: t.instrument for t in busiest}
        return list(found.values())

    async def _refresh(self) -> None:
        await self._desk.market.refresh()

    async def _prune(self) -> None:
        removed = await prune_main(self._desk.database, self._desk.wall.now())
        removed += await self._desk.samples.prune(self._desk.clock.now())
        removed += await self._desk.scorecard.prune()
        logger.info("pruned rows=%s", removed)
