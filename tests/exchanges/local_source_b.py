"""A hand-written market for the venue modules, and a bare server around one of them.

Every figure is a simple function of the instrument and the time, so a test can say what it must be.
"""

import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import ccxt.pro
from aiohttp import web
from aiohttp.test_utils import TestServer

from exchanges.local.venue import LocalVenue
from market.clock import Clock, FixedClock, MarketClock, WallClock
from market.types import (
    HOUR,
    TIMEFRAMES,
    Candle,
    FundingRate,
    Instrument,
    Liquidation,
    MarketCap,
    OpenInterest,
    OrderBook,
    PositionSide,
    Side,
    Ticker,
    TierTable,
    Trade,
)

NOW = 1_772_713_896_500  # 2026-03-05 12:31:36.5 UTC
BEGIN = NOW - 60 * 24 * HOUR
EVERY = 100  # ms between trades


def perp(exchange: str, symbol: str, name: str, **more: Any) -> Instrument:
    """A perp; BTC-like unless told otherwise."""
    settings = {"base": "BTC", "quote": "USDT", "price_step": 0.1, "amount_step": 0.001} | more
    return Instrument(exchange=exchange, symbol=symbol, id=name, perp=True, **settings)


def spot(exchange: str, symbol: str, name: str, **more: Any) -> Instrument:
    """A spot pair."""
    settings = {"base": "BTC", "quote": "USDT", "price_step": 0.01, "amount_step": 1e-6} | more
    return Instrument(exchange=exchange, symbol=symbol, id=name, perp=False, **settings)


PEPE: dict[str, Any] = {"base": "PEPE", "price_step": 1e-10, "amount_step": 1e5}
THOUSAND = PEPE | {"multiplier": 1000.0, "contract_size": 1000.0}
INSTRUMENTS = [
    spot("bybit", "BTC/USDT", "BTCUSDT", min_value=5.0),
    perp("bybit", "BTC/USDT:USDT", "BTCUSDT", min_value=5.0),
    perp("bybit", "1000PEPE/USDT:USDT", "1000PEPEUSDT", **THOUSAND),
    spot("okx", "BTC/USDT", "BTC-USDT"),
    perp("okx", "BTC/USDT:USDT", "BTC-USDT-SWAP", contract_size=0.01, amount_step=0.0001),
    perp(
        "okx",
        "PEPE/USDT:USDT",
        "PEPE-USDT-SWAP",
        **PEPE | {"contract_size": 1e7, "amount_step": 1e6},
    ),
    perp("hyperliquid", "BTC/USDC:USDC", "BTC", quote="USDC", amount_step=1e-5, price_step=1.0),
    perp(
        "hyperliquid",
        "KPEPE/USDC:USDC",
        "kPEPE",
        **THOUSAND | {"quote": "USDC", "amount_step": 1000.0},
    ),
    spot("hyperliquid", "PURR/USDC", "PURR/USDC", base="PURR", quote="USDC", amount_step=1.0),
]
TABLES = frozenset(
    [
        "trades",
        "candles",
        "open_interest",
        "funding",
        "mark",
        "liquidations",
        "books",
        "market_caps",
    ]
)


@dataclass(kw_only=True)
class PlainSource:
    """A `Source` made of formulas."""

    clock: Clock = field(default_factory=lambda: FixedClock(NOW))
    mark: str = "SIMULATED"
    title: str = "formulas"
    has: frozenset[str] = TABLES
    is_down: bool = False
    ids: bool = True

    def instruments(self, exchange: str | None = None) -> list[Instrument]:
        """All of them, or those of one exchange."""
        return [each for each in INSTRUMENTS if exchange in (None, each.exchange)]

    def tables(self, exchange: str) -> frozenset[str]:
        """The same everywhere."""
        return self.has

    def down(self, exchange: str) -> bool:
        """As the test says."""
        return self.is_down

    def price(self, instrument: Instrument, at: int) -> float:
        """Goes up a tick every 100 ms and starts again after five seconds."""
        start = {"BTC": 60_000.0, "PEPE": 0.0000123, "PURR": 0.2}[instrument.base]
        return start + instrument.price_step * (at // EVERY % 50)

    def trade(self, instrument: Instrument, number: int) -> Trade:
        """Number `number`, at 100 ms x number; buyers and sellers in turn."""
        return Trade(
            instrument=instrument,
            ts=number * EVERY,
            price=self.price(instrument, number * EVERY),
            amount=instrument.amount_step * (1 + number % 7),
            side=Side.BUY if number % 2 else Side.SELL,
            id=str(number) if self.ids else "",
        )

    def trades(self, instrument: Instrument, start: int, end: int) -> list[Trade]:
        """One every 100 ms."""
        if "trades" not in self.has:
            return []
        end = min(end, self.clock.now())
        first = max(start, BEGIN) // EVERY + 1
        return [self.trade(instrument, n) for n in range(first, end // EVERY + 1)]

    def recent_trades(self, instrument: Instrument, limit: int) -> list[Trade]:
        """The newest."""
        return self.trades(instrument, self.clock.now() - (limit + 1) * EVERY, self.clock.now())[
            -limit:
        ]

    def candle(self, instrument: Instrument, ts: int, step: int) -> Candle:
        """Every candle of an instrument has another open and volume."""
        number = ts // step
        opening = self.price(instrument, 0) + instrument.price_step * (number % 40)
        volume = instrument.amount_step * (1000 + number % 100)
        return Candle(
            ts=ts,
            open=opening,
            high=opening + 9 * instrument.price_step,
            low=opening - 3 * instrument.price_step,
            close=opening + 2 * instrument.price_step,
            volume=volume,
            quote_volume=volume * opening,
            taker_buy_volume=volume / 4,
            taker_buy_quote=volume * opening / 4,
            closed=ts + step <= self.clock.now(),
        )

    def candles(self, instrument: Instrument, timeframe: str, start: int, end: int) -> list[Candle]:
        """Sixty days of them."""
        if "candles" not in self.has:
            return []
        step = TIMEFRAMES[timeframe]
        first = -(-max(start, BEGIN) // step) * step
        last = min(end - 1, self.clock.now())
        return [self.candle(instrument, ts, step) for ts in range(first, last + 1, step)]

    def book(self, instrument: Instrument, depth: int) -> OrderBook | None:
        """Thirty levels a side around a middle that moves with the price."""
        if "books" not in self.has:
            return None
        now = self.clock.now()
        middle, step, lot = (
            self.price(instrument, now),
            instrument.price_step,
            instrument.amount_step,
        )
        sides = [
            tuple((middle + sign * step * (n + 1), lot * (n + 5)) for n in range(min(depth, 30)))
            for sign in (-1, 1)
        ]
        return OrderBook(instrument=instrument, ts=now, bids=sides[0], asks=sides[1], sequence=now)

    def ticker(self, instrument: Instrument) -> Ticker | None:
        """Up 2 % since yesterday."""
        if "trades" not in self.has:
            return None
        last, step = self.price(instrument, self.clock.now()), instrument.price_step
        return Ticker(
            instrument=instrument, ts=self.clock.now(), last=last, bid=last - step, ask=last + step,
            high_24h=last + 90 * step, low_24h=last - 30 * step, change_24h=0.02,
            volume_24h=123_456 * instrument.amount_step,
            quote_volume_24h=123_456 * instrument.amount_step * last,
        )  # fmt: skip

    def interest(self, instrument: Instrument, ts: int) -> OpenInterest:
        """Grows by a lot a minute."""
        amount = instrument.amount_step * (1_000_000 + ts // 60_000 % 1000)
        value = amount * self.price(instrument, 0)
        return OpenInterest(instrument=instrument, ts=ts, amount=amount, value=value)

    def open_interest(self, instrument: Instrument) -> OpenInterest | None:
        """Now."""
        known = "open_interest" in self.has and instrument.perp
        return self.interest(instrument, self.clock.now()) if known else None

    def open_interest_history(
        self, instrument: Instrument, step: int, start: int, end: int
    ) -> list[OpenInterest]:
        """At whole multiples of the step."""
        if "open_interest" not in self.has or not instrument.perp:
            return []
        first = -(-max(start, BEGIN) // step) * step
        return [
            self.interest(instrument, ts)
            for ts in range(first, min(end, self.clock.now() + 1), step)
        ]

    def funding(self, instrument: Instrument) -> FundingRate | None:
        """One base point an interval; hourly on Hyperliquid, four hours of PEPE."""
        if "funding" not in self.has or not instrument.perp:
            return None
        hours = self.hours(instrument)
        now, price = self.clock.now(), self.price(instrument, 0)
        return FundingRate(
            instrument=instrument, ts=now, rate=0.0000125, interval_h=hours,
            next_ts=(now // int(hours * HOUR) + 1) * int(hours * HOUR),
            mark=price + 3 * instrument.price_step, index=price - 2 * instrument.price_step,
        )  # fmt: skip

    def hours(self, instrument: Instrument) -> float:
        """The funding interval."""
        if instrument.exchange == "hyperliquid":
            return 1.0
        return 4.0 if instrument.base == "PEPE" else 8.0

    def funding_history(self, instrument: Instrument, start: int, end: int) -> list[FundingRate]:
        """Settled rates, each different."""
        if "funding" not in self.has or not instrument.perp:
            return []
        hours = self.hours(instrument)
        step = int(hours * HOUR)
        first = -(-max(start, BEGIN) // step) * step
        return [
            FundingRate(
                instrument=instrument, ts=ts, rate=1e-6 * (ts // step % 90 - 40), interval_h=hours
            )
            for ts in range(first, min(end, self.clock.now() + 1), step)
        ]

    def liquidations(self, exchange: str, start: int, end: int) -> list[Liquidation]:
        """A long and a short of BTC and a long of PEPE every half second."""
        if "liquidations" not in self.has:
            return []
        perps = [each for each in self.instruments(exchange) if each.perp]
        out: list[Liquidation] = []
        for ts in range(start // 500 * 500 + 500, end + 1, 500):
            out += [
                Liquidation(
                    instrument=each, ts=ts, price=self.price(each, ts),
                    amount=each.amount_step * 12, position=position,
                )
                for each in perps
                for position in (PositionSide.LONG, PositionSide.SHORT)
                if each.base == "BTC" or position is PositionSide.LONG
            ]  # fmt: skip
        return out

    def market_caps(self) -> list[MarketCap]:
        """None."""
        return []

    def tiers(self, instrument: Instrument) -> TierTable | None:
        """Three tiers of every perp."""
        if not instrument.perp or "tiers" in self.title:
            return None
        tiers = (
            (100_000.0, 0.005, 0.0, 100.0),
            (1e6, 0.01, 500.0, 50.0),
            (5e6, 0.025, 15_500.0, 20.0),
        )
        return TierTable(exchange=instrument.exchange, base=instrument.base, tiers=tiers)


def moving(speed: float = 5.0) -> PlainSource:
    """A source whose clock runs."""
    wall = WallClock(time.time)
    clock = MarketClock(wall, start=NOW, anchor=wall.now(), speed=speed)
    return PlainSource(clock=clock)


def instrument(exchange: str, symbol: str) -> Instrument:
    """By symbol."""
    return next(i for i in INSTRUMENTS if (i.exchange, i.symbol) == (exchange, symbol))


@asynccontextmanager
async def served(venue: LocalVenue) -> AsyncIterator[TestServer]:
    """A server with this venue alone."""
    app = web.Application()
    app.add_routes(venue.routes())
    async with TestServer(app, host="127.0.0.1") as server:
        yield server


@asynccontextmanager
async def connected(venue: LocalVenue, path: str) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
    """A raw websocket to a server with this venue alone."""
    async with (
        served(venue) as server,
        aiohttp.ClientSession() as session,
        session.ws_connect(server.make_url(path)) as ws,
    ):
        yield ws


@asynccontextmanager
async def client(venue: LocalVenue, server: TestServer) -> AsyncIterator[Any]:
    """An unmodified ccxt.pro client pointed at the server."""
    root = f"127.0.0.1:{server.port}"
    config = venue.clients(f"http://{root}", f"ws://{root}")[venue.name]
    exchange = getattr(ccxt.pro, venue.name)({**config, "enableRateLimit": False})
    exchange.timeout_on_exit = 0
    try:
        yield exchange
    finally:
        await exchange.close()


@asynccontextmanager
async def venue_client(venue: LocalVenue) -> AsyncIterator[Any]:
    """Both."""
    async with served(venue) as server, client(venue, server) as exchange:
        yield exchange


def addresses(urls: Any) -> Iterator[str]:
    """Every text in a tree of addresses."""
    if isinstance(urls, str):
        yield urls
    elif isinstance(urls, dict):
        for each in urls.values():
            yield from addresses(each)
