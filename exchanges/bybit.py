"""Bybit v5: spot and linear perps."""

import asyncio
from collections.abc import Mapping
from typing import Any, ClassVar

from exchanges.base import (
    PAST_LAG,
    SHARED_TTL,
    Exchange,
    backward,
    day,
    levels,
    oldest_first,
    tier_rows,
    with_intervals,
)
from exchanges.pacing import Window
from exchanges.payloads.bybit import (
    BookPage,
    FundingRow,
    InterestRow,
    Kline,
    Page,
    RiskRow,
    Symbol,
    TickerRow,
    TradeRow,
    parse_funding,
    parse_interest,
    parse_kline,
    parse_symbol,
    parse_ticker,
    parse_trade,
)
from exchanges.types import Capability, Hole, PastTrades
from market.clock import Clock
from market.errors import SourceError
from market.types import (
    TIMEFRAMES,
    Candle,
    FundingRate,
    Instrument,
    OpenInterest,
    OrderBook,
    Ticker,
    TierTable,
    Trade,
)

HISTORY_STEPS = {"5m": "5min", "15m": "15min", "30m": "30min", "1h": "1h", "4h": "4h", "1d": "1d"}
HISTORY_PAGE = 200


class Bybit(Exchange):
    """Bybit."""

    id = "bybit"
    ccxt_ids: ClassVar[Mapping[str, str]] = {"": "bybit"}
    success: ClassVar[Mapping[str, Any]] = {"retCode": "0"}
    options: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "bybit": {"rateLimiterAlgorithm": "rollingWindow"}  # 50 calls in 5 s, in bursts as needed
    }
    capabilities = frozenset(Capability) - {Capability.TAKER_VOLUME}
    intervals: ClassVar[Mapping[str, str]] = {
        "1m": "1", "3m": "3", "5m": "5", "15m": "15", "30m": "30", "1h": "60", "2h": "120",
        "4h": "240", "6h": "360", "12h": "720", "1d": "D",
    }  # fmt: skip

    @classmethod
    def windows(cls, wall: Clock) -> Mapping[str, Window]:
        """Fills take less than half of what ccxt lets through."""
        return {"past": Window(wall, limit=8, seconds=2)}

    async def load_instruments(self) -> list[Instrument]:
        """Active spot pairs and linear perps."""
        spot, linear = await asyncio.gather(self._symbols("spot"), self._symbols("linear"))
        rows = [(each, False) for each in spot] + [(each, True) for each in linear]
        return [found for each, perp in rows if (found := parse_symbol(each, perp=perp))]

    async def tickers(self, *, perp: bool) -> list[Ticker]:
        """All 24 h lines of a category."""
        page = await self._rows(_category(perp))
        return await asyncio.to_thread(self._tickers, page, perp)

    async def ticker(self, instrument: Instrument) -> Ticker:
        """One 24 h line."""
        page = await self._row(instrument)
        found = parse_ticker(page.result.list[0], instrument, page.time or self.clock.now())
        if found is None:
            raise SourceError(self.name, f"has no price of {instrument.symbol}")
        return found

    async def candle_page_of(
        self, instrument: Instrument, timeframe: str, start: int, end: int
    ) -> list[Candle]:
        """Klines, without a taker split."""
        params = _named(instrument) | {
            "interval": self.intervals[timeframe],
            "start": start,
            "end": end - 1,
            "limit": min(self.candle_page, (end - start) // TIMEFRAMES[timeframe] + 1),
        }
        page = await self.caller.ask("publicGetV5MarketKline", params, Page[Kline])
        return [parse_kline(row, instrument) for row in page.result.list]

    async def trades(self, instrument: Instrument, limit: int = 500) -> list[Trade]:
        """At most 1000 trades of a perp and 60 of a spot pair."""
        return await self._newest(instrument, limit)

    async def _past(self, hole: Hole) -> PastTrades:
        """The newest trades are all there is; the venue does not number them."""

        async def page(oldest: Trade | None) -> list[Trade]:
            return [] if oldest else await self._newest(hole.instrument, 1000, fill=True)

        return await backward(hole, page, self.clock.now() - PAST_LAG)

    async def _newest(
        self, instrument: Instrument, limit: int, *, fill: bool = False
    ) -> list[Trade]:
        """Oldest first; for a fill as the stream counts them, without those agreed off the book."""
        params = _named(instrument) | {"limit": min(limit, 1000 if instrument.perp else 60)}
        page = await self.caller.ask(
            "publicGetV5MarketRecentTrade",
            params,
            Page[TradeRow],
            window="past" if fill else "",
        )
        now = self.clock.now()
        rows = [row for row in page.result.list if not (fill and row.is_block_trade)]
        return oldest_first([parse_trade(row, instrument, now) for row in rows])

    async def book(self, instrument: Instrument, depth: int = 100) -> OrderBook:
        """Up to 500 levels of a perp and 200 of a spot pair."""
        params = _named(instrument) | {"limit": min(depth, 500 if instrument.perp else 200)}
        page = await self.caller.ask("publicGetV5MarketOrderbook", params, BookPage)
        return OrderBook(
            instrument=instrument,
            ts=page.result.ts,
            bids=levels(instrument, page.result.b),
            asks=levels(instrument, page.result.a),
            sequence=page.result.u,
        )

    async def open_interest(self, instrument: Instrument) -> OpenInterest:
        """Open contracts, from the ticker."""
        page = await self._row(instrument)
        found = parse_interest(page.result.list[0], instrument, page.time or self.clock.now())
        if found is None:
            raise SourceError(self.name, f"has no open interest of {instrument.symbol}")
        return found

    async def open_interest_all(self) -> dict[str, OpenInterest]:
        """Open contracts of all linear perps from one call."""
        page = await self._rows("linear")
        ts = page.time or self.clock.now()
        pairs = ((row, self.by_id(row.symbol, perp=True)) for row in page.result.list)
        found = (parse_interest(row, each, ts) for row, each in pairs if each)
        return {each.instrument.symbol: each for each in found if each}

    async def open_interest_history(
        self, instrument: Instrument, *, step: int, start: int, end: int
    ) -> list[OpenInterest]:
        """Samples in coins; the venue gives no values of them."""
        fitting = [each for each in HISTORY_STEPS if TIMEFRAMES[each] <= step]
        period = fitting[-1] if fitting else "5m"
        span = HISTORY_PAGE * TIMEFRAMES[period]
        pages = await asyncio.gather(
            *(
                self._interest_page(instrument, HISTORY_STEPS[period], each, min(each + span, end))
                for each in range(start, end, span)
            )
        )
        rows = {row.ts: row for page in pages for row in page if start <= row.ts < end}
        return [rows[ts] for ts in sorted(rows)]

    async def funding(self, instrument: Instrument) -> FundingRate:
        """The running rate, from the ticker."""
        page, hours = await asyncio.gather(self._row(instrument), self._hours())
        now = page.time or self.clock.now()
        found = parse_funding(page.result.list[0], instrument, now, hours)
        if found is None:
            raise SourceError(self.name, f"has no funding rate of {instrument.symbol}")
        return found

    async def fundings(self) -> dict[str, FundingRate]:
        """All running rates from one call."""
        page, hours = await asyncio.gather(self._rows("linear"), self._hours())
        ts = page.time or self.clock.now()
        pairs = ((row, self.by_id(row.symbol, perp=True)) for row in page.result.list)
        found = (parse_funding(row, each, ts, hours) for row, each in pairs if each)
        return {each.instrument.symbol: each for each in found if each}

    async def funding_history(self, instrument: Instrument, limit: int = 100) -> list[FundingRate]:
        """Settled rates, newest 200 at most."""
        params = _named(instrument) | {"limit": min(limit, 200)}
        page, hours = await asyncio.gather(
            self.caller.ask("publicGetV5MarketFundingHistory", params, Page[FundingRow]),
            self._hours(),
        )
        if instrument.id not in hours:
            raise SourceError(self.name, f"has no funding interval of {instrument.symbol}")
        return with_intervals(
            [
                FundingRate(
                    instrument=instrument,
                    ts=row.funding_rate_timestamp,
                    rate=row.funding_rate,
                    interval_h=hours[instrument.id],
                )
                for row in page.result.list
            ]
        )

    async def tiers(self, instrument: Instrument) -> TierTable | None:
        """The risk limits, which are public."""
        page = await self.caller.ask(
            "publicGetV5MarketRiskLimit", _named(instrument), Page[RiskRow]
        )
        rows = [(row.risk_limit_value, row.rate, row.max_leverage) for row in page.result.list]
        if not rows:
            return None
        return TierTable(
            exchange=self.id,
            base=instrument.base,
            tiers=tier_rows(rows),
            as_of=day(self.clock.now()),
            source="Bybit risk limits",
        )

    async def _symbols(self, category: str) -> list[Symbol]:
        """All pages of instruments-info."""
        found: list[Symbol] = []
        cursor: str | None = ""
        while True:
            params = {"category": category, "limit": 1000} | ({"cursor": cursor} if cursor else {})
            page = await self.caller.ask("publicGetV5MarketInstrumentsInfo", params, Page[Symbol])
            found += page.result.list
            before, cursor = cursor, page.result.next_page_cursor
            if not cursor or cursor == before or not page.result.list:
                return found

    async def _hours(self) -> dict[str, float]:
        """Funding intervals by the venue's id."""

        async def fetch() -> dict[str, float]:
            rows = await self._symbols("linear")
            return {
                each.symbol: each.funding_interval / 60 for each in rows if each.funding_interval
            }

        return await self._shared.get("intervals", 1800.0, fetch, stale=86_400.0)

    async def _rows(self, category: str) -> Page[TickerRow]:
        async def fetch() -> Page[TickerRow]:
            return await self.caller.ask(
                "publicGetV5MarketTickers", {"category": category}, Page[TickerRow]
            )

        return await self._shared.get(category, SHARED_TTL, fetch)

    async def _row(self, instrument: Instrument) -> Page[TickerRow]:
        async def fetch() -> Page[TickerRow]:
            page = await self.caller.ask(
                "publicGetV5MarketTickers", _named(instrument), Page[TickerRow]
            )
            if not page.result.list:
                raise SourceError(self.name, f"has no {instrument.symbol}")
            return page

        return await self._shared.get(instrument.key, SHARED_TTL, fetch)

    async def _interest_page(
        self, instrument: Instrument, period: str, start: int, end: int
    ) -> list[OpenInterest]:
        params = _named(instrument) | {
            "intervalTime": period,
            "startTime": start,
            "endTime": end,
            "limit": HISTORY_PAGE,
        }
        page = await self.caller.ask("publicGetV5MarketOpenInterest", params, Page[InterestRow])
        return [
            OpenInterest(
                instrument=instrument,
                ts=row.timestamp,
                amount=row.open_interest * instrument.contract_size,
            )
            for row in page.result.list
        ]

    def _tickers(self, page: Page[TickerRow], perp: bool) -> list[Ticker]:
        ts = page.time or self.clock.now()
        pairs = ((row, self.by_id(row.symbol, perp=perp)) for row in page.result.list)
        found = (parse_ticker(row, each, ts) for row, each in pairs if each)
        return [each for each in found if each]


def _category(perp: bool) -> str:
    return "linear" if perp else "spot"


def _named(instrument: Instrument) -> dict[str, Any]:
    return {"category": _category(instrument.perp), "symbol": instrument.id}
