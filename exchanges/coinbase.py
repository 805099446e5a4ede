"""Coinbase Advanced Trade: spot only, by its public endpoints."""

import asyncio
from collections.abc import Mapping
from typing import Any, ClassVar

from exchanges.base import PAST_LAG, SHARED_TTL, Exchange, backward, levels, oldest_first
from exchanges.pacing import Window
from exchanges.payloads.coinbase import (
    BookRow,
    CandleRows,
    Product,
    Products,
    TradeRows,
    moment,
    parse_candle,
    parse_product,
    parse_ticker,
    parse_trade,
)
from exchanges.types import Capability, Hole, PastTrades
from market.clock import Clock
from market.errors import SourceError
from market.types import TIMEFRAMES, Candle, Instrument, OrderBook, Ticker, Trade

PAST_PAGE = 1000  # trades


class Coinbase(Exchange):
    """Coinbase."""

    id = "coinbase"
    ccxt_ids: ClassVar[Mapping[str, str]] = {"": "coinbase"}
    success: ClassVar[Mapping[str, Any]] = {"data": None}
    options: ClassVar[Mapping[str, Mapping[str, Any]]] = {  # 10 calls a second, in bursts as needed
        "coinbase": {"rateLimiterAlgorithm": "rollingWindow", "rollingWindowSize": 1000.0}
    }
    capabilities = frozenset(
        {
            Capability.SPOT,
            Capability.CANDLES,
            Capability.TRADES,
            Capability.TRADE_STREAM,
            Capability.BOOK,
        }
    )
    intervals: ClassVar[Mapping[str, str]] = {
        "1m": "ONE_MINUTE", "5m": "FIVE_MINUTE", "15m": "FIFTEEN_MINUTE", "30m": "THIRTY_MINUTE",
        "1h": "ONE_HOUR", "2h": "TWO_HOUR", "6h": "SIX_HOUR", "1d": "ONE_DAY",
    }  # fmt: skip
    candle_page = 300

    @classmethod
    def windows(cls, wall: Clock) -> Mapping[str, Window]:
        """Fills take less than half of ten calls a second."""
        return {"past": Window(wall, limit=4, seconds=1)}

    async def load_instruments(self) -> list[Instrument]:
        """Online spot products."""
        return [found for row in await self._products() if (found := parse_product(row))]

    async def tickers(self, *, perp: bool) -> list[Ticker]:
        """All 24 h lines."""
        if perp:
            return []
        now = self.clock.now()
        rows = await self._products()
        return await asyncio.to_thread(self._tickers, rows, now)

    async def ticker(self, instrument: Instrument) -> Ticker:
        """One 24 h line, stamped and priced by the newest trade."""
        product, newest = await asyncio.gather(
            self.caller.ask(
                "v3PublicGetBrokerageMarketProductsProductId",
                {"product_id": instrument.id},
                Product,
            ),
            self._trades(instrument, 1),
        )
        found = parse_ticker(product, instrument, self.clock.now(), newest)
        if found is None:
            raise SourceError(self.name, f"has no price of {instrument.symbol}")
        return found

    async def candle_page_of(
        self, instrument: Instrument, timeframe: str, start: int, end: int
    ) -> list[Candle]:
        """Candles; minutes without a trade are left out by the venue."""
        params = {
            "product_id": instrument.id,
            "granularity": self.intervals[timeframe],
            "start": str(start // 1000),
            "end": str((end - 1) // 1000),
            "limit": min(self.candle_page, (end - start) // TIMEFRAMES[timeframe] + 1),
        }
        rows = await self.caller.ask(
            "v3PublicGetBrokerageMarketProductsProductIdCandles", params, CandleRows
        )
        return [parse_candle(row, instrument) for row in rows.candles]

    async def trades(self, instrument: Instrument, limit: int = 500) -> list[Trade]:
        """The newest trades."""
        rows = await self._trades(instrument, min(limit, 1000))
        return self._parsed(rows, instrument)

    async def _past(self, hole: Hole) -> PastTrades:
        """Backward from the end in pages that end with a second, so that neighbours overlap."""

        async def page(oldest: Trade | None) -> list[Trade]:
            end = (hole.until if oldest is None else oldest.ts) // 1000 + 1
            rows = await self._trades(hole.instrument, PAST_PAGE, end=end, window="past")
            return self._parsed(rows, hole.instrument)

        return await backward(hole, page, self.clock.now() - PAST_LAG)

    def _parsed(self, rows: TradeRows, instrument: Instrument) -> list[Trade]:
        now = self.clock.now()
        return oldest_first([parse_trade(row, instrument, now) for row in rows.trades])

    async def book(self, instrument: Instrument, depth: int = 100) -> OrderBook:
        """The order book."""
        row = await self.caller.ask(
            "v3PublicGetBrokerageMarketProductBook",
            {"product_id": instrument.id, "limit": depth},
            BookRow,
        )
        book = row.pricebook
        bids, asks = (
            [(each.get("price"), each.get("size")) for each in side]
            for side in (book.bids, book.asks)
        )
        return OrderBook(
            instrument=instrument,
            ts=moment(book.time) if book.time else self.clock.now(),
            bids=levels(instrument, bids),
            asks=levels(instrument, asks),
        )

    async def _trades(
        self, instrument: Instrument, limit: int, *, end: int | None = None, window: str = ""
    ) -> TradeRows:
        """The newest trades, or those up to `end` in seconds."""
        by = {} if end is None else {"end": str(end)}
        return await self.caller.ask(
            "v3PublicGetBrokerageMarketProductsProductIdTicker",
            {"product_id": instrument.id, "limit": limit, **by},
            TradeRows,
            window=window,
        )

    async def _products(self) -> list[Product]:
        async def fetch() -> list[Product]:
            answer = await self.caller.ask("v3PublicGetBrokerageMarketProducts", {}, Products)
            return answer.products

        return await self._shared.get("products", SHARED_TTL, fetch)

    def _tickers(self, rows: list[Product], now: int) -> list[Ticker]:
        pairs = ((row, self.by_id(row.product_id, perp=False)) for row in rows)
        found = (parse_ticker(row, each, now) for row, each in pairs if each)
        return [each for each in found if each]
