"""Binance: spot and USD-M perps, two hosts behind one venue."""

import asyncio
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from exchanges.base import (
    PAST_LAG,
    PAST_PAGES,
    SHARED_TTL,
    Exchange,
    levels,
    past_of,
    with_intervals,
)
from exchanges.pacing import Window
from exchanges.payloads.binance import (
    DEFAULT_FUNDING_HOURS,
    AggTrade,
    BookTicker,
    Depth,
    ExchangeInfo,
    FundingInfo,
    FundingRow,
    Interest,
    InterestRow,
    Kline,
    Premium,
    Ticker24,
    parse_funding,
    parse_kline,
    parse_symbol,
    parse_ticker,
    parse_trade,
)
from exchanges.types import Capability, Hole, PastTrades
from exchanges.wire import number, per_coin
from market.clock import Clock
from market.errors import SourceError
from market.types import (
    DAY,
    HOUR,
    TIMEFRAMES,
    Candle,
    FundingRate,
    Instrument,
    OpenInterest,
    OrderBook,
    Ticker,
    Trade,
)

DEPTHS = (5, 10, 20, 50, 100, 500, 1000)
HISTORY_STEPS = ("5m", "15m", "30m", "1h", "2h", "4h", "6h", "12h", "1d")
HISTORY_DAYS = 30
HISTORY_PAGE = 500
PAST_PAGE = 1000  # aggregate trades
PAST_WEIGHT = {True: 20.0, False: 4.0}  # of a page of a perp and of a spot pair


class Binance(Exchange):
    """Binance."""

    id = "binance"
    ccxt_ids: ClassVar[Mapping[str, str]] = {"spot": "binance", "perp": "binanceusdm"}
    # The venue allows 6000 and 2400 weight a minute; ccxt's own 1200 would hold up every bulk call.
    options: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "binance": {"rateLimit": 12, "rateLimiterAlgorithm": "rollingWindow"},
        "binanceusdm": {"rateLimit": 30, "rateLimiterAlgorithm": "rollingWindow"},
    }
    capabilities = frozenset(Capability)
    intervals: ClassVar[Mapping[str, str]] = {each: each for each in TIMEFRAMES}
    candle_page = 1000

    @classmethod
    def windows(cls, wall: Clock) -> Mapping[str, Window]:
        """Budgets an IP has beside the weight: requests in five minutes."""
        return {
            "history": Window(wall, limit=900, seconds=300),
            "funding": Window(wall, limit=450, seconds=300),
            "past": Window(wall, limit=200, seconds=10),  # half the weight of the perps, for fills
        }

    async def load_instruments(self) -> list[Instrument]:
        """Active spot pairs and USD-M perps."""
        spot, perp = await asyncio.gather(
            self.caller.ask(
                "publicGetExchangeInfo",
                {"showPermissionSets": "false"},
                ExchangeInfo,
                client="spot",
            ),
            self.caller.ask("fapiPublicGetExchangeInfo", {}, ExchangeInfo, client="perp"),
        )
        rows = [(each, False) for each in spot.symbols] + [(each, True) for each in perp.symbols]
        return [found for each, is_perp in rows if (found := parse_symbol(each, perp=is_perp))]

    async def tickers(self, *, perp: bool) -> list[Ticker]:
        """All 24 h lines; perps come without bid and ask."""
        method = "fapiPublicGetTicker24hr" if perp else "publicGetTicker24hr"
        rows = await self.caller.ask(method, {}, list[Ticker24], client=_segment(perp))
        return await asyncio.to_thread(self._tickers, rows, perp)

    async def ticker(self, instrument: Instrument) -> Ticker:
        """One 24 h line; a perp's bid and ask come from a second call."""
        params = {"symbol": instrument.id}
        if not instrument.perp:
            row = await self.caller.ask("publicGetTicker24hr", params, Ticker24, client="spot")
        else:
            row, book = await asyncio.gather(
                self.caller.ask("fapiPublicGetTicker24hr", params, Ticker24, client="perp"),
                self._best(params),
            )
            if book is not None:
                row.bid_price, row.ask_price = book.bid_price, book.ask_price
        found = parse_ticker(row, instrument)
        if found is None:
            raise SourceError(self.name, f"has no price of {instrument.symbol}")
        return found

    async def _best(self, params: dict[str, str]) -> BookTicker | None:
        """Best bid and ask of a perp; a price is worth having without them."""
        try:
            return await self.caller.ask(
                "fapiPublicGetTickerBookTicker", params, BookTicker, client="perp"
            )
        except SourceError:
            return None

    async def candle_page_of(
        self, instrument: Instrument, timeframe: str, start: int, end: int
    ) -> list[Candle]:
        """Klines with the taker split."""
        params = {
            "symbol": instrument.id,
            "interval": timeframe,
            "startTime": start,
            "endTime": end - 1,
            "limit": min(self.candle_page, (end - start) // TIMEFRAMES[timeframe] + 1),
        }
        method = "fapiPublicGetKlines" if instrument.perp else "publicGetKlines"
        rows = await self.caller.ask(method, params, list[Kline], client=_segment(instrument.perp))
        return [parse_kline(row, instrument) for row in rows]

    async def trades(self, instrument: Instrument, limit: int = 500) -> list[Trade]:
        """Aggregate trades; their ids are consecutive."""
        return await self._agg_trades(instrument, {"limit": min(limit, 1000)})

    async def _past(self, hole: Hole) -> PastTrades:
        """Forward from the number after the last known one; by hours until the first number is known."""
        found: list[Trade] = []
        number = None if hole.after_seq is None else hole.after_seq + 1
        start, first, last = hole.since, hole.since, hole.since - 1
        for _ in range(PAST_PAGES):
            asked = self.clock.now()
            end = min(start + HOUR - 1, hole.until)
            by = {"startTime": start, "endTime": end} if number is None else {"fromId": number}
            try:
                rows = await self._agg_trades(
                    hole.instrument, by | {"limit": PAST_PAGE}, window="past"
                )
            except SourceError as error:
                if not found:
                    raise
                return past_of(hole, found, first=first, last=last, more=True, reason=error.reason)
            if rows and not found and number not in (None, rows[0].seq):
                first = rows[0].ts + 1  # the venue no longer has those before
            found += rows
            passed = bool(rows) and not hole.holds(rows[-1])
            if number is None and len(rows) < PAST_PAGE:  # all of this hour
                last, start, over = min(end, asked - PAST_LAG), end + 1, end >= hole.until
            elif passed or len(rows) < PAST_PAGE:
                last, over = hole.until if passed else asked - PAST_LAG, True
            else:
                last, over = rows[-1].ts - 1, False
                number = (rows[-1].seq or 0) + 1
            if over:
                more = not passed
                return past_of(hole, found, first=first, last=last, more=more, reason="too new")
        return past_of(hole, found, first=first, last=last, more=True, reason="many trades")

    async def _agg_trades(
        self, instrument: Instrument, by: Mapping[str, Any], window: str = ""
    ) -> list[Trade]:
        """One page, oldest first."""
        method = "fapiPublicGetAggTrades" if instrument.perp else "publicGetAggTrades"
        rows = await self.caller.ask(
            method,
            {"symbol": instrument.id, **by},
            list[AggTrade],
            client=_segment(instrument.perp),
            window=window,
            weight=PAST_WEIGHT[instrument.perp],
        )
        now = self.clock.now()
        return [parse_trade(row, instrument, now) for row in rows]

    async def book(self, instrument: Instrument, depth: int = 100) -> OrderBook:
        """The book at the next depth the venue offers."""
        limit = next((each for each in DEPTHS if each >= depth), DEPTHS[-1])
        method = "fapiPublicGetDepth" if instrument.perp else "publicGetDepth"
        params = {"symbol": instrument.id, "limit": limit}
        row = await self.caller.ask(method, params, Depth, client=_segment(instrument.perp))
        return OrderBook(
            instrument=instrument,
            ts=row.matched or self.clock.now(),
            bids=levels(instrument, row.bids),
            asks=levels(instrument, row.asks),
            sequence=row.last_update_id,
        )

    async def open_interest(self, instrument: Instrument) -> OpenInterest:
        """Open contracts, valued at the mark price of the same moment."""
        params = {"symbol": instrument.id}
        row, premium = await asyncio.gather(
            self.caller.ask("fapiPublicGetOpenInterest", params, Interest, client="perp"),
            self.caller.ask("fapiPublicGetPremiumIndex", params, Premium, client="perp"),
        )
        amount = row.open_interest * instrument.contract_size
        mark = per_coin(instrument, premium.mark_price)
        value = None if mark is None else amount * mark
        return OpenInterest(instrument=instrument, ts=row.time, amount=amount, value=value)

    async def open_interest_history(
        self, instrument: Instrument, *, step: int, start: int, end: int
    ) -> list[OpenInterest]:
        """Samples of the newest 30 days."""
        period = _period(step)
        start = max(start, self.clock.now() - HISTORY_DAYS * DAY + TIMEFRAMES[period])
        span = HISTORY_PAGE * TIMEFRAMES[period]
        pages = await asyncio.gather(
            *(
                self._interest_page(instrument, period, each, min(each + span, end) - 1)
                for each in range(start, end, span)
            )
        )
        rows = {row.ts: row for page in pages for row in page if start <= row.ts < end}
        return [rows[ts] for ts in sorted(rows)]

    async def funding(self, instrument: Instrument) -> FundingRate:
        """The running rate; the interval comes from fundingInfo."""
        row, hours = await asyncio.gather(
            self.caller.ask(
                "fapiPublicGetPremiumIndex", {"symbol": instrument.id}, Premium, client="perp"
            ),
            self._hours(),
        )
        found = parse_funding(row, instrument, hours)
        if found is None:
            raise SourceError(self.name, f"has no funding rate of {instrument.symbol}")
        return found

    async def fundings(self) -> dict[str, FundingRate]:
        """All running rates from one premiumIndex call."""
        rows, hours = await asyncio.gather(
            self.caller.ask("fapiPublicGetPremiumIndex", {}, list[Premium], client="perp"),
            self._hours(),
        )
        pairs = ((row, self.by_id(row.symbol, perp=True)) for row in rows)
        found = (parse_funding(row, each, hours) for row, each in pairs if each)
        return {rate.instrument.symbol: rate for rate in found if rate}

    async def funding_history(self, instrument: Instrument, limit: int = 100) -> list[FundingRate]:
        """Settled rates, newest 1000 at most."""
        params = {"symbol": instrument.id, "limit": min(limit, 1000)}
        rows, hours = await asyncio.gather(
            self.caller.ask(
                "fapiPublicGetFundingRate",
                params,
                list[FundingRow],
                client="perp",
                window="funding",
            ),
            self._hours(),
        )
        return with_intervals(
            [
                FundingRate(
                    instrument=instrument,
                    ts=row.funding_time,
                    rate=row.funding_rate,
                    interval_h=hours.get(instrument.id, DEFAULT_FUNDING_HOURS),
                    mark=per_coin(instrument, row.mark_price),
                )
                for row in rows
            ]
        )

    async def _hours(self) -> dict[str, float]:
        """Funding intervals that are not 8 h, by the venue's id."""

        async def fetch() -> dict[str, float]:
            rows = await self.caller.ask(
                "fapiPublicGetFundingInfo", {}, list[FundingInfo], client="perp", window="funding"
            )
            return {row.symbol: row.funding_interval_hours for row in rows}

        return await self._shared.get("fundingInfo", SHARED_TTL * 30, fetch)

    async def _interest_page(
        self, instrument: Instrument, period: str, start: int, end: int
    ) -> Iterable[OpenInterest]:
        params = {
            "symbol": instrument.id,
            "period": period,
            "startTime": start,
            "endTime": end,
            "limit": HISTORY_PAGE,
        }
        rows = await self.caller.ask(
            "fapiDataGetOpenInterestHist",
            params,
            list[InterestRow],
            client="perp",
            window="history",
        )
        return [
            OpenInterest(
                instrument=instrument,
                ts=row.timestamp,
                amount=row.sum_open_interest * instrument.contract_size,
                value=number(row.sum_open_interest_value),
            )
            for row in rows
        ]

    def _tickers(self, rows: list[Ticker24], perp: bool) -> list[Ticker]:
        pairs = ((row, self.by_id(row.symbol, perp=perp)) for row in rows)
        found = (parse_ticker(row, each) for row, each in pairs if each)
        return [each for each in found if each]


def _segment(perp: bool) -> str:
    return "perp" if perp else "spot"


def _period(step: int) -> str:
    """The venue's longest period that is not longer than `step`."""
    fitting = [each for each in HISTORY_STEPS if TIMEFRAMES[each] <= step]
    return fitting[-1] if fitting else HISTORY_STEPS[0]
