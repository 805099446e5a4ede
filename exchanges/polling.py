"""What venues do not stream is asked for in turn: Binance's open interest, and how long funding intervals are.

What comes back goes into the live state like a streamed event, stamped with the moment it was asked at.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Protocol

from exchanges.base import Exchange
from market.clock import Clock, MarketClock
from market.errors import SourceError
from market.types import Context, Instrument

logger = logging.getLogger(__name__)

STREAMED_INTEREST = frozenset({"bybit", "okx", "hyperliquid"})  # these tell it on their sockets
STREAMED_INTERVAL = frozenset({"hyperliquid"})
INTEREST = 15.0  # market seconds between two questions for the open interest of one perp
INTERVALS = 600.0  # market seconds between two looks at all funding intervals of a venue
PACE = 0.1  # wall seconds between two questions to one venue
SHORTEST = 1.0  # wall seconds between two rounds, however fast the market's clock runs
MOST = 60  # perps of a venue in one round: 240 a minute, a tenth of what Binance allows


class Sink(Protocol):
    """Where events that came by REST go."""

    def take(self, news: Sequence[Context]) -> None: ...


class Polling:
    """Asks for each watched perp; a venue that fails is asked again in the next round, nothing is repeated."""

    def __init__(self, venues: Iterable[Exchange], sink: Sink, clock: Clock) -> None:
        self._venues = {venue.id: venue for venue in venues}
        self._sink, self._clock = sink, clock
        self._watched: tuple[Instrument, ...] = ()
        self.failed: dict[str, str] = {}  # by exchange: why the last round brought nothing

    def watch(self, instruments: Iterable[Instrument]) -> None:
        """Ask for these from the next round on."""
        self._watched = tuple(each for each in instruments if each.perp)

    async def run(self) -> None:
        """Ask until cancelled."""
        await asyncio.gather(
            self._every(INTEREST, self.interest), self._every(INTERVALS, self.intervals)
        )

    async def interest(self) -> None:
        """One round of open interest."""
        by_venue: dict[str, list[Instrument]] = {}
        for each in self._watched:
            if each.exchange in self._venues and each.exchange not in STREAMED_INTEREST:
                by_venue.setdefault(each.exchange, []).append(each)
        await asyncio.gather(*(self._ask(name, rows[:MOST]) for name, rows in by_venue.items()))

    async def intervals(self) -> None:
        """One look at how long the funding intervals are, and at the running rates."""
        names = {each.exchange for each in self._watched} - STREAMED_INTERVAL
        await asyncio.gather(*(self._fundings(name) for name in names & set(self._venues)))

    async def _every(self, seconds: float, work: Callable[[], Awaitable[None]]) -> None:
        while True:
            try:
                await work()
            except Exception:
                logger.exception("a round of questions broke")
            speed = self._clock.speed if isinstance(self._clock, MarketClock) else 1.0
            watched = self._watched
            pause = max(SHORTEST, seconds / max(speed, 1e-6) if speed > 1 else seconds)
            for _ in range(max(1, round(pause))):
                await asyncio.sleep(min(1.0, pause))
                if self._watched != watched:  # somebody waits for figures of a new perp
                    break

    async def _ask(self, name: str, instruments: Sequence[Instrument]) -> None:
        for each in instruments:
            try:
                found = await self._venues[name].open_interest(each)
            except SourceError as error:
                self._failed(name, error)
                return
            self.failed.pop(name, None)
            self._sink.take(
                [
                    Context(
                        instrument=each, ts=found.ts, interest=found.amount,
                        interest_value=found.value, recv_ts=self._clock.now(),
                    )
                ]
            )  # fmt: skip
            await asyncio.sleep(PACE)

    async def _fundings(self, name: str) -> None:
        try:
            found = await self._venues[name].fundings()
        except SourceError as error:
            self._failed(name, error)
            return
        now = self._clock.now()
        self._sink.take(
            [
                Context(
                    instrument=each, ts=row.ts, rate=row.rate, predicted=row.predicted,
                    interval_h=row.interval_h, next_ts=row.next_ts, recv_ts=now,
                )
                for each in self._watched
                if each.exchange == name and (row := found.get(each.symbol)) is not None
            ]
        )  # fmt: skip

    def _failed(self, name: str, error: SourceError) -> None:
        self.failed[name] = error.reason
        logger.info("not asked exchange=%s reason=%s", name, error.reason)
