"""OKX v5: spot and linear swaps. Swap sizes are in contracts there and in coins from here on."""

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
    with_intervals,
)
from exchanges.pacing import Window
from exchanges.payloads.okx import (
    Bar,
    Book,
    Data,
    FundingRow,
    IndexRow,
    InterestBar,
    InterestRow,
    MarkRow,
    SettledRow,
    Symbol,
    TickerRow,
    TierRow,
    TradeRow,
    parse_bar,
    parse_funding,
    parse_symbol,
    parse_ticker,
    parse_trade,
)
from exchanges.types import Capability, Hole, PastTrades
from exchanges.wire import coins, number, per_coin
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

HISTORY_STEPS = {"5m": "5m", "1h": "1H", "1d": "1D"}
HISTORY_PAGE = 100
RECENT_CANDLES = 1440  # older ones have another address and shorter pages
OLD_PAGE = 100
PAST_PAGE = 100  # trades
TAKER_FEE = "0.0005"  # of a swap at the lowest account level; part of what a position has to keep


class Okx(Exchange):
    """OKX."""

    id = "okx"
    ccxt_ids: ClassVar[Mapping[str, str]] = {"": "okx"}
    success: ClassVar[Mapping[str, Any]] = {"code": "0"}
    # The venue counts 20 calls in 2 s per address; all together stay below that, in bursts as needed.
    options: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "okx": {"rateLimiterAlgorithm": "rollingWindow", "rollingWindowSize": 2000.0}
    }
    capabilities = frozenset(Capability) - {Capability.TAKER_VOLUME}
    intervals: ClassVar[Mapping[str, str]] = {
        "1m": "1m", "3m": "3m", "5m": "5m", "15m": "15m", "30m": "30m", "1h": "1H", "2h": "2H",
        "4h": "4H", "6h": "6Hutc", "12h": "12Hutc", "1d": "1Dutc",  # plain 6H and longer are UTC+8
    }  # fmt: skip
    candle_page = 300

    @classmethod
    def windows(cls, wall: Clock) -> Mapping[str, Window]:
        """Fills take less than half of what the venue allows."""
        return {"past": Window(wall, limit=4, seconds=2)}

    async def load_instruments(self) -> list[Instrument]:
        """Live spot pairs and linear swaps."""
        spot, swap = await asyncio.gather(
            self.caller.ask("publicGetPublicInstruments", {"instType": "SPOT"}, Data[Symbol]),
            self.caller.ask("publicGetPublicInstruments", {"instType": "SWAP"}, Data[Symbol]),
        )
        rows = [(each, False) for each in spot.data] + [(each, True) for each in swap.data]
        return [found for each, perp in rows if (found := parse_symbol(each, perp=perp))]

    async def tickers(self, *, perp: bool) -> list[Ticker]:
        """All 24 h lines of an instrument type."""
        page = await self.caller.ask(
            "publicGetMarketTickers", {"instType": _type(perp)}, Data[TickerRow]
        )
        return await asyncio.to_thread(self._tickers, page.data, perp)

    async def ticker(self, instrument: Instrument) -> Ticker:
        """One 24 h line."""
        page = await self.caller.ask("publicGetMarketTicker", _named(instrument), Data[TickerRow])
        found = parse_ticker(page.data[0], instrument) if page.data else None
        if found is None:
            raise SourceError(self.name, f"has no price of {instrument.symbol}")
        return found

    async def candle_page_of(
        self, instrument: Instrument, timeframe: str, start: int, end: int
    ) -> list[Candle]:
        """Candles; `before` and `after` exclude their own moment."""
        step = TIMEFRAMES[timeframe]
        if self.clock.now() - start <= RECENT_CANDLES * step:
            return await self._bars("publicGetMarketCandles", instrument, timeframe, start, end)
        pages = await asyncio.gather(
            *(
                self._bars(
                    "publicGetMarketHistoryCandles", instrument, timeframe, each,
                    min(each + OLD_PAGE * step, end),
                )
                for each in range(start, end, OLD_PAGE * step)
            )
        )  # fmt: skip
        rows = [row for page in pages for row in page]
        if self.clock.now() - end < step:  # the running candle is only in the recent ones
            newest = (end - 1) // step * step
            rows += await self._bars("publicGetMarketCandles", instrument, timeframe, newest, end)
        return rows

    async def trades(self, instrument: Instrument, limit: int = 500) -> list[Trade]:
        """At most 500 trades."""
        params = _named(instrument) | {"limit": min(limit, 500)}
        page = await self.caller.ask("publicGetMarketTrades", params, Data[TradeRow])
        now = self.clock.now()
        rows = [parse_trade(row, instrument, now) for row in page.data]
        return oldest_first(rows)

    async def _past(self, hole: Hole) -> PastTrades:
        """Backward from the first number known again, else from the end, a hundred a page."""

        async def page(oldest: Trade | None) -> list[Trade]:
            number = hole.before_seq if oldest is None else oldest.seq
            if number is not None:
                return await self._past_page(hole.instrument, {"type": "1", "after": number})
            return await self._past_page(hole.instrument, {"type": "2", "after": hole.until + 1})

        return await backward(hole, page, self.clock.now() - PAST_LAG)

    async def _past_page(self, instrument: Instrument, by: Mapping[str, Any]) -> list[Trade]:
        """One page, oldest first."""
        params = _named(instrument) | {"limit": PAST_PAGE, **by}
        page = await self.caller.ask(
            "publicGetMarketHistoryTrades", params, Data[TradeRow], window="past"
        )
        now = self.clock.now()
        return [parse_trade(row, instrument, now) for row in reversed(page.data)]

    async def book(self, instrument: Instrument, depth: int = 100) -> OrderBook:
        """Up to 400 levels."""
        params = _named(instrument) | {"sz": min(depth, 400)}
        page = await self.caller.ask("publicGetMarketBooks", params, Data[Book])
        if not page.data:
            raise SourceError(self.name, f"has no order book of {instrument.symbol}")
        row = page.data[0]
        return OrderBook(
            instrument=instrument,
            ts=row.ts,
            bids=levels(instrument, row.bids),
            asks=levels(instrument, row.asks),
            sequence=row.seq_id,
        )

    async def open_interest(self, instrument: Instrument) -> OpenInterest:
        """Open contracts, valued at the mark price."""
        params = {"instType": "SWAP"} | _named(instrument)
        page, marks = await asyncio.gather(
            self.caller.ask("publicGetPublicOpenInterest", params, Data[InterestRow]),
            self.caller.ask("publicGetPublicMarkPrice", params, Data[MarkRow]),
        )
        found = self._interests(page.data, marks.data)
        if instrument.symbol not in found:
            raise SourceError(self.name, f"has no open interest of {instrument.symbol}")
        return found[instrument.symbol]

    async def open_interest_all(self) -> dict[str, OpenInterest]:
        """Open contracts of all swaps from two calls."""
        params = {"instType": "SWAP"}
        page, marks = await asyncio.gather(
            self.caller.ask("publicGetPublicOpenInterest", params, Data[InterestRow]),
            self.caller.ask("publicGetPublicMarkPrice", params, Data[MarkRow]),
        )
        return self._interests(page.data, marks.data)

    async def open_interest_history(
        self, instrument: Instrument, *, step: int, start: int, end: int
    ) -> list[OpenInterest]:
        """Samples of 5 m, 1 h or 1 d; their values are the venue's USD figures."""
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
        """The running rate."""
        params = _named(instrument)
        page, marks, index = await asyncio.gather(
            self.caller.ask("publicGetPublicFundingRate", params, Data[FundingRow]),
            self.caller.ask(
                "publicGetPublicMarkPrice", {"instType": "SWAP"} | params, Data[MarkRow]
            ),
            self.caller.ask(
                "publicGetMarketIndexTickers", {"instId": _family(instrument)}, Data[IndexRow]
            ),
        )
        found = self._fundings(page.data, marks.data, index.data)
        if instrument.symbol not in found:
            raise SourceError(self.name, f"has no funding rate of {instrument.symbol}")
        return found[instrument.symbol]

    async def fundings(self) -> dict[str, FundingRate]:
        """All running rates from one call."""

        async def fetch() -> dict[str, FundingRate]:
            page, marks = await asyncio.gather(
                self.caller.ask("publicGetPublicFundingRate", {"instId": "ANY"}, Data[FundingRow]),
                self.caller.ask("publicGetPublicMarkPrice", {"instType": "SWAP"}, Data[MarkRow]),
            )
            return self._fundings(page.data, marks.data, [])

        return await self._shared.get("fundings", SHARED_TTL, fetch)

    async def funding_history(self, instrument: Instrument, limit: int = 100) -> list[FundingRate]:
        """Settled rates, newest 100 at most, about three months back."""
        params = _named(instrument) | {"limit": min(limit, 100)}
        page, running = await asyncio.gather(
            self.caller.ask("publicGetPublicFundingRateHistory", params, Data[SettledRow]),
            self.funding(instrument),
        )
        return with_intervals(
            [
                FundingRate(
                    instrument=instrument,
                    ts=row.funding_time,
                    rate=rate,
                    interval_h=running.interval_h,
                )
                for row in page.data
                if (rate := number(row.realized_rate or row.funding_rate)) is not None
            ]
        )

    async def tiers(self, instrument: Instrument) -> TierTable | None:
        """Position tiers: the caps count contracts, and the rate of a tier applies to the whole position."""
        params = {"instType": "SWAP", "tdMode": "isolated", "instFamily": _family(instrument)}
        page = await self.caller.ask("publicGetPublicPositionTiers", params, Data[TierRow])
        if not page.data:
            return None
        return TierTable(
            exchange=self.id,
            base=instrument.base,
            tiers=tuple(sorted((row.max_sz, row.mmr, 0.0, row.max_lever) for row in page.data)),
            as_of=day(self.clock.now()),
            source="OKX position tiers",
            extra={
                "form": "whole",
                "taker_fee": TAKER_FEE,
                "contract_size": repr(instrument.contract_size),
            },
        )

    async def _bars(
        self, method: str, instrument: Instrument, timeframe: str, start: int, end: int
    ) -> list[Candle]:
        params = _named(instrument) | {
            "bar": self.intervals[timeframe],
            "before": start - 1,
            "after": end,
            "limit": min(self.candle_page, (end - start) // TIMEFRAMES[timeframe] + 1),
        }
        page = await self.caller.ask(method, params, Data[Bar])
        return [parse_bar(row, instrument) for row in page.data]

    async def _interest_page(
        self, instrument: Instrument, period: str, start: int, end: int
    ) -> list[OpenInterest]:
        params = _named(instrument) | {
            "period": period,
            "begin": start - 1,
            "end": end,
            "limit": HISTORY_PAGE,
        }
        page = await self.caller.ask(
            "publicGetRubikStatContractsOpenInterestHistory", params, Data[InterestBar]
        )
        return [
            OpenInterest(
                instrument=instrument,
                ts=row.ts,
                amount=row.contracts * instrument.contract_size,
                value=number(row.usd),
            )
            for row in page.data
        ]

    def _interests(self, rows: list[InterestRow], marks: list[MarkRow]) -> dict[str, OpenInterest]:
        prices = {row.inst_id: row.mark_px for row in marks}
        found: dict[str, OpenInterest] = {}
        for row in rows:
            instrument = self.by_id(row.inst_id, perp=True)
            amount = coins(instrument, row.oi) if instrument else None
            if instrument is None or amount is None:
                continue
            mark = per_coin(instrument, prices.get(row.inst_id))
            value = None if mark is None else amount * mark
            found[instrument.symbol] = OpenInterest(
                instrument=instrument, ts=row.ts, amount=amount, value=value
            )
        return found

    def _fundings(
        self, rows: list[FundingRow], marks: list[MarkRow], indices: list[IndexRow]
    ) -> dict[str, FundingRate]:
        prices = {row.inst_id: row.mark_px for row in marks}
        spots = {row.inst_id: row.idx_px for row in indices}
        now = self.clock.now()
        pairs = ((row, self.by_id(row.inst_id, perp=True)) for row in rows)
        found = (
            parse_funding(
                row, each, row.ts or now, prices.get(row.inst_id), spots.get(_family(each))
            )
            for row, each in pairs
            if each
        )
        return {each.instrument.symbol: each for each in found if each}

    def _tickers(self, rows: list[TickerRow], perp: bool) -> list[Ticker]:
        pairs = ((row, self.by_id(row.inst_id, perp=perp)) for row in rows)
        found = (parse_ticker(row, each) for row, each in pairs if each)
        return [each for each in found if each]


def _type(perp: bool) -> str:
    return "SWAP" if perp else "SPOT"


def _named(instrument: Instrument) -> dict[str, Any]:
    return {"instId": instrument.id}


def _family(instrument: Instrument) -> str:
    """The pair of a swap: BTC-USDT."""
    return instrument.id.removesuffix("-SWAP")
