"""Monitors over states whose figures a test sets, with a real database, a real bus and a real log of trades."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from alert_market import START, instrument

from alerts.monitors.service import MonitorService
from alerts.monitors.types import Fact
from alerts.types import OutboxRow
from analytics.cvd import FlowLog
from analytics.flow import TakerOrder
from exchanges.streams.bus import Bus
from market.clock import FixedClock
from market.errors import SourceUnavailable
from market.symbols import Directory
from market.types import Candle, Gap, Instrument, Reading, Ticker
from storage.alerts import Alerts
from storage.db import Database
from storage.monitors import Monitors

BTC = instrument("binance", "BTC")
BYBIT_BTC = instrument("bybit", "BTC")
ETH = instrument("binance", "ETH")
SOL = instrument("binance", "SOL")
EVERYTHING = (BTC, BYBIT_BTC, ETH, SOL)
WALL = 1_790_000_000_000
CHAT = 500


class Orders:
    def __init__(self) -> None:
        self.whales: list[TakerOrder] = []

    def whales_since(self, number: int, now: int) -> tuple[list[TakerOrder], int]:
        return self.whales[number:], len(self.whales)


class State:
    """What monitors use of a `SymbolState`; a figure is a number, or a whole reading."""

    def __init__(self, of: Instrument, clock: FixedClock) -> None:
        self.instrument, self._clock = of, clock
        self.flow = FlowLog(of)
        self.flow.begin(START - 86_400_000)
        self.figures: dict[str, float | Reading[Any]] = {}
        self.book: Any = None
        self.spikes: dict[str, Any] = {}
        self.orders = Orders()
        self.snapshots = 0
        self.heard_ts: int | None = None

    def heard(self) -> int | None:
        return self.heard_ts

    def snapshot(self, now: int) -> Mapping[str, Reading[Any]]:
        self.snapshots += 1
        return {
            name: value
            if isinstance(value, Reading)
            else Reading(value=value, as_of=now, venues=(self.instrument.exchange,), unit="USD")
            for name, value in self.figures.items()
        }


class Ledger:
    def __init__(self) -> None:
        self.gaps: list[Gap] = []

    def blind(self, since: int, until: int) -> list[Gap]:
        return [each for each in self.gaps if each.to_ts > since and each.from_ts < until]


class Streams:
    def __init__(self) -> None:
        self.bus = Bus()
        self.ledger = Ledger()
        self.on_gap: list[Any] = []
        self.states: dict[str, State] = {}
        self.kept: list[Instrument] = []
        self.books: list[Instrument] = []

    def state(self, of: Instrument) -> State | None:
        return self.states.get(of.key)

    def keep(self, instruments: Sequence[Instrument], *, books: Sequence[Instrument] = ()) -> None:
        self.kept, self.books = list(instruments), list(books)


@dataclass
class Market:
    """The signatures of `exchanges.hub.Market` that monitors use."""

    streams: Streams
    instruments: Sequence[Instrument] = EVERYTHING
    volumes: dict[str, float] = field(default_factory=dict)
    prices: dict[str, float] = field(default_factory=dict)
    history: dict[tuple[str, str], list[Candle]] = field(default_factory=dict)
    down: set[str] = field(default_factory=set)
    asked: list[tuple[str, str, int]] = field(default_factory=list)
    clock: FixedClock = field(default_factory=lambda: FixedClock(START))

    @property
    def venues(self) -> dict[str, object]:
        return dict.fromkeys(each.exchange for each in self.instruments)

    @property
    def directory(self) -> Directory:
        return Directory(self.instruments)

    async def tickers(self, exchange: str, perp: bool) -> list[Ticker]:
        if exchange in self.down:
            raise SourceUnavailable(exchange, "HTTP 503")
        return [
            Ticker(
                instrument=i, ts=self.clock.now(), last=self.prices.get(i.key, 100.0),
                quote_volume_24h=self.volumes.get(i.key),
            )
            for i in self.instruments
            if i.exchange == exchange and i.perp == perp
        ]  # fmt: skip

    async def candles(self, of: Instrument, timeframe: str, limit: int = 300) -> list[Candle]:
        self.asked.append((of.key, timeframe, limit))
        if of.exchange in self.down:
            raise SourceUnavailable(of.exchange, "HTTP 503")
        rows = self.history.get((of.key, timeframe), [])
        return [each for each in rows if each.ts <= self.clock.now()][-limit:]


class Desk:
    """A service over these; it can be started again on the same file like a process."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.clock, self.wall = FixedClock(START), FixedClock(WALL)
        self.streams = Streams()
        self.market = Market(
            self.streams, clock=self.clock, volumes={i.key: 1e9 for i in EVERYTHING}
        )
        for each in EVERYTHING:
            self.streams.states[each.key] = State(each, self.clock)
        self.database: Database | None = None

    async def start(self, mark: str = "") -> "Desk":
        if self.database is not None:
            await self.database.close()
        self.database = Database.open(f"sqlite:///{self.folder}/desk.db")
        await self.database.start()
        self.store, self.alerts = Monitors(self.database, mark), Alerts(self.database)
        market: Any = self.market
        streams: Any = self.streams
        market.streams = streams
        self.service = MonitorService(
            self.store, self.alerts, market, streams, self.clock, self.wall, mark=mark
        )
        await self.service.prepare()
        await self.service.watch_list.refresh()
        await self.service.chosen()
        return self

    async def close(self) -> None:
        if self.database is not None:
            await self.database.close()

    def state(self, of: Instrument = BTC) -> State:
        return self.streams.states[of.key]

    async def on(self, *coins: str, chat: int = CHAT, thread: int | None = None) -> None:
        await self.service.subscriptions.on(chat, coins, thread)
        await self.service.chosen()

    async def second(self, seconds: int = 1) -> list[Fact]:
        """Seconds pass on both clocks, each with a round; the facts of all of them."""
        found = []
        for _n in range(seconds):
            self.clock.advance(1000)
            self.wall.advance(1000)
            found += await self.service.tick()
        return found

    async def rows(self) -> list[OutboxRow]:
        """Everything that has left by now or leaves next."""
        await self.service.post()
        return await self.alerts.due(10**15, 1000)

    async def messages(self, chat: int = CHAT) -> list[dict[str, Any]]:
        return [json.loads(row.payload) for row in await self.rows() if row.chat_id == chat]
