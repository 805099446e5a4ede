"""A whole alert desk over a fake market and a real SQLite file; it can be started again like a process."""

import asyncio
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from alert_market import START, FakeMarket
from live_streams import FakeStreams

from alerts.committing import Committer
from alerts.gates import Gates
from alerts.metrics import Metrics
from alerts.runner import Runner
from alerts.service import AlertService, Asker, View
from alerts.types import Firing, OutboxRow, Signal
from market.clock import FixedClock
from storage.alerts import Alerts
from storage.db import Database

CHAT, OWNER = 500, 70
ME = Asker(chat_id=CHAT, user_id=OWNER)
WALL = 1_790_000_000_000


@dataclass
class Desk:
    folder: Path
    clock: FixedClock = field(default_factory=lambda: FixedClock(START))
    wall: FixedClock = field(default_factory=lambda: FixedClock(WALL))
    database: Database | None = None

    def __post_init__(self) -> None:
        self.market = FakeMarket(self.clock)
        self.streams = FakeStreams()

    async def start(self) -> "Desk":
        """A new process on the same file."""
        if self.database is not None:
            await self.runner.close()
            await self.database.close()
        self.database = Database.open(f"sqlite:///{self.folder}/desk.db")
        await self.database.start()
        self.store = Alerts(self.database)
        market: Any = self.market
        metrics, turn = Metrics(market), asyncio.Lock()
        gates = Gates(self.store, self.wall)
        committer = Committer(self.store, market, metrics, gates, self.clock, self.wall, lock=turn)
        streams: Any = self.streams
        self.runner = Runner(
            store=self.store, market=market, streams=streams, metrics=metrics,
            committer=committer, clock=self.clock, wall=self.wall, lock=turn,
        )  # fmt: skip
        self.service = AlertService(self.store, market, metrics, self.clock, self.wall, self.runner)
        committer.wake, self.runner.on_gone = self.service.wake, self.service.care.gone
        await self.runner.load()
        await self.service.start()
        return self

    async def check(self) -> list[Signal]:
        """Look at everything once; what was told."""
        self.runner.committer.signals.clear()
        await self.runner.check()
        return list(self.runner.committer.signals)

    async def die(self) -> None:
        """Without a goodbye: nothing more is saved."""
        assert self.database is not None
        await self.database.close()
        self.database = None

    async def close(self) -> None:
        if self.database is not None:
            await self.database.close()

    async def alert(self, kind: str, words: str, asker: Asker = ME, **more: Any) -> View:
        return await self.service.create(kind, words.split(), asker, exchange="binance", **more)

    async def at(self, seconds: float, price: float | None = None, **more: Any) -> list[Signal]:
        """Time passes; something may trade; then one check."""
        self.clock.advance(round(seconds * 1000))
        if price is not None:
            self.market.trade(price, **more)
        return await self.check()

    async def rows(self) -> list[OutboxRow]:
        return await self.store.due(10**15, 1000)

    async def messages(self) -> list[dict[str, Any]]:
        return [json.loads(row.payload) for row in await self.rows()]

    async def firings(self, chat: int = CHAT) -> list[Firing]:
        return await self.store.history(chat, 1000)
