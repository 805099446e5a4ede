"""What watches without being asked: the live state with its past, the fills, the polls, the monitors, the recorder.

It starts in an order: the ledger says how long nobody looked, the states of before are given back, then the
watch list streams, the gap is fetched, and only then may anything be told.
"""

import asyncio
import contextlib
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from alerts.monitors.service import MonitorService
from alerts.runner import Runner
from alerts.service import AlertService
from bot.config import Settings
from exchanges.hub import Market
from exchanges.polling import Polling
from exchanges.record_tables import SCHEMAS
from exchanges.recorder import GIB, Recorder
from exchanges.recordings import Recordings
from exchanges.streams.checkpoint import Checkpointer
from exchanges.streams.filling import Filler
from exchanges.streams.ledger import Ledger
from exchanges.streams.supervisor import Streams
from market.clock import Clock
from market.errors import AssistantError, SourceError
from market.types import Instrument, OrderBook
from storage.alerts import Alerts
from storage.checkpoints import Checkpoints
from storage.db import Database
from storage.monitors import Monitors

logger = logging.getLogger(__name__)

RECORDINGS = Path("data") / "recordings"
PRINTS = Path("data") / "liquidations"
SNAPSHOT = 1000  # levels of a book that is fetched as a whole
SCALE, SCALE_FIRST = 600.0, 5.0  # wall seconds between looks at the day's volumes
GOODBYE = 4.0  # seconds for the last checkpoint


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What the live services are made of. `mark` names a market that is not the live one."""

    settings: Settings
    database: Database
    market: Market
    streams: Streams
    ledger: Ledger
    alerts: AlertService
    runner: Runner
    store: Alerts
    clock: Clock
    wall: Clock
    mark: str


class Live:
    """The services of the live market. `run` begins them and goes on until cancelled, `close` saves."""

    def __init__(self, parts: Parts) -> None:
        self._settings, self._streams = parts.settings, parts.streams
        self._market = parts.market
        self._ledger, self._clock = parts.ledger, parts.clock
        clock, streams = parts.clock, parts.streams
        self.filler = Filler(parts.market.venues, clock, parts.ledger)
        self.checkpointer = Checkpointer(
            Checkpoints(parts.database, parts.mark), clock, states=streams.states,
            adopt=streams.adopt, fill=self.filler.fill, ledger=parts.ledger,
        )  # fmt: skip
        self.filler.on_done.append(self.checkpointer.done)
        streams.on_gap.append(self.filler.fill)
        self.polling = Polling(parts.market.venues.values(), streams, clock)
        kept = Monitors(parts.database, parts.mark)
        self.monitors = MonitorService(
            kept, parts.store, parts.market, streams, clock, parts.wall,
            extras=self._alerted, mark=parts.mark,
        )  # fmt: skip
        self.runner = parts.runner
        self.runner.watch_list = self.monitors.watch_list
        self.runner.ready = self.checkpointer.restored
        streams.on_events.append(self.runner.take)
        self.monitors.on_findings.append(self.runner.findings)
        self.monitors.watch_list.size = parts.settings.watch_top
        self.monitors.wake, self.monitors.ready = parts.alerts.wake, self.checkpointer.restored
        prints = PRINTS if parts.settings.mode == "live" else None
        self.recordings = Recordings(self._recorder, kept, RECORDINGS, clock, prints=prints)
        self.filler.on_new.append(self.recordings.take)
        streams.on_old.append(self.recordings.take)

    async def start(self) -> None:
        """Take up the past, then watch. Commands are answered meanwhile."""
        await self._ledger.load(self._clock.now())
        logger.info("alerts armed count=%d", await self.runner.load())
        await self.monitors.load()
        listed = await self.monitors.watch_list.apply()
        count = await self.checkpointer.restore(listed)
        logger.info("restored states=%d of=%d", count, len(listed))
        await self.monitors.start()
        await self.recordings.start(self._settings.record)

    async def run(self) -> None:
        """Save, poll, and arm the monitors once the past is there."""
        await self.start()
        await asyncio.gather(
            self.checkpointer.run(), self.polling.run(), self.checkpointer.settle(),
            self._follow(), self._scale(), self.runner.run(),
        )  # fmt: skip

    async def close(self) -> None:
        """What is known is written down."""
        with contextlib.suppress(TimeoutError, AssistantError):
            async with asyncio.timeout(GOODBYE / 2):
                await self.runner.close()
        await self.monitors.close()
        await self.recordings.close()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(GOODBYE):
                await self.checkpointer.save()
        await self.filler.close()

    async def _alerted(self) -> Sequence[Instrument]:
        """What rules are about is watched whatever its volume."""
        return self.runner.watched()

    async def _follow(self) -> None:
        """The polls follow what is watched."""
        while True:
            self.polling.watch([state.instrument for state in self._streams.states()])
            await asyncio.sleep(1.0)

    async def _scale(self) -> None:
        """Books learn what a day's volume is: a wall of a small coin is not a million dollars."""
        while True:
            books = [state for state in self._streams.states() if state.book is not None]
            for name in {state.instrument.exchange for state in books}:
                with contextlib.suppress(SourceError):
                    lines = await self._market.tickers(name, True)
                    day = {line.instrument.key: line.quote_volume_24h for line in lines}
                    for state in books:
                        volume = day.get(state.instrument.key)
                        if state.book is not None and volume:
                            state.book.scale(volume)
            await asyncio.sleep(SCALE if books else SCALE_FIRST)

    def _recorder(self, folder: Path, tables: Sequence[str]) -> Recorder:
        full = set(tables) == set(SCHEMAS)
        return Recorder(
            folder, self._streams.bus, self._ledger, self._clock,
            book_of=partial(live_book, self._streams) if full else None, tables=tables,
            max_bytes=self._settings.record_max_gb * GIB,
        )  # fmt: skip


def live_book(streams: Streams, instrument: Instrument) -> OrderBook | None:
    """The live book of an instrument as it is now; None while it is being fetched."""
    state = streams.state(instrument)
    book = state.book if state is not None else None
    if book is None or book.needs_snapshot or not book.ts:
        return None
    return OrderBook(
        instrument=instrument, ts=book.ts, bids=tuple(book.bids(50)), asks=tuple(book.asks(50))
    )
