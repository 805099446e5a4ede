"""Bybit's REST: GET /v5/market/*; answers are HTTP 200 with retCode, retMsg, result and time."""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from aiohttp import web

from exchanges.local.source import Source
from exchanges.local.venues.bybit.rows import (
    INTERVALS,
    kline,
    linear_symbol,
    recent_trades,
    spot_symbol,
    ticker_row,
)
from exchanges.local.venues.listing import BadQuery, Listing, integer, limit, newest_candles
from exchanges.local.venues.native import native, plain
from market.types import DAY, HOUR, MINUTE, TIMEFRAMES, Instrument

Query = Mapping[str, str]
Result = dict[str, Any]

CATEGORIES = {"spot": False, "linear": True, "inverse": None, "option": None}
INTEREST_STEPS = {
    "5min": 5 * MINUTE, "15min": 15 * MINUTE, "30min": 30 * MINUTE,
    "1h": HOUR, "4h": 4 * HOUR, "1d": DAY,
}  # fmt: skip
BAD_PARAMETER = 10001


class BybitRest:
    """Answers from a source."""

    def __init__(self, source: Source, listing: Listing) -> None:
        self._source = source
        self._listing = listing

    def routes(self) -> list[web.RouteDef]:
        """The public market endpoints."""
        endpoints: dict[str, Callable[[Query], Result]] = {
            "time": self._time,
            "instruments-info": self._instruments_info,
            "tickers": self._tickers,
            "kline": self._kline,
            "recent-trade": self._recent_trade,
            "orderbook": self._orderbook,
            "open-interest": self._open_interest,
            "funding/history": self._funding_history,
            "risk-limit": self._risk_limit,
        }
        return [self._route(path, make) for path, make in endpoints.items()]

    def _route(self, path: str, make: Callable[[Query], Result]) -> web.RouteDef:
        async def answer(request: web.Request) -> web.Response:
            try:
                return self._envelope(make(request.query))
            except BadQuery as refused:
                return self._envelope({}, BAD_PARAMETER, f"params error: {refused} invalid")

        return web.get(f"/bybit/v5/market/{path}", answer)

    def _envelope(self, result: Result, code: int = 0, message: str = "OK") -> web.Response:
        body = {
            "retCode": code, "retMsg": message, "result": result, "retExtInfo": {},
            "time": self._source.clock.now(),
        }  # fmt: skip
        return web.Response(body=msgspec.json.encode(body), content_type="application/json")

    def _time(self, _query: Query) -> Result:
        now = self._source.clock.now()
        return {"timeSecond": str(now // 1000), "timeNano": str(now * 1_000_000)}

    def _category(self, query: Query) -> dict[str, Instrument]:
        """What a category lists by id; inverse and option exist and are empty."""
        name = query.get("category", "")
        if name not in CATEGORIES:
            raise BadQuery("category")
        perp = CATEGORIES[name]
        return {} if perp is None else self._listing.of(perp=perp)

    def _chosen(self, query: Query) -> list[Instrument]:
        """The instruments of a category, or the one that is named."""
        listed = self._category(query)
        return [self._one(query)] if query.get("symbol") else list(listed.values())

    def _one(self, query: Query) -> Instrument:
        found = self._category(query).get(query.get("symbol", ""))
        if found is None:
            raise BadQuery("symbol")
        return found

    def _contract(self, query: Query) -> Instrument:
        found = self._one(query)
        if not found.perp:
            raise BadQuery("category")
        return found

    def _instruments_info(self, query: Query) -> Result:
        listed = [each for each in self._chosen(query) if each.active]
        if query.get("status", "Trading") != "Trading":
            listed = []
        if query.get("category") == "spot":
            return {"category": "spot", "list": [spot_symbol(each) for each in listed]}
        first, count = _offset(query), limit(query, 500, 1000)
        page = listed[first : first + count]
        more = first + count < len(listed)
        return {
            "category": query["category"],
            "list": [linear_symbol(self._source, each) for each in page],
            "nextPageCursor": f"{first + count}" if more else "",
        }

    def _tickers(self, query: Query) -> Result:
        rows = (ticker_row(self._source, each) for each in self._chosen(query) if each.active)
        return {"category": query["category"], "list": [row for row in rows if row]}

    def _kline(self, query: Query) -> Result:
        instrument = self._one(query)
        timeframe = INTERVALS.get(query.get("interval", ""))
        if timeframe is None:
            raise BadQuery("interval")
        rows = self._candles(instrument, timeframe, query) if timeframe else []
        return {"category": query["category"], "symbol": instrument.id, "list": rows[::-1]}

    def _candles(self, instrument: Instrument, timeframe: str, query: Query) -> list[list[str]]:
        """With `start` alone the candles that follow it, otherwise the newest up to `end`."""
        start, end, count = integer(query, "start"), integer(query, "end"), limit(query, 200, 1000)
        step = TIMEFRAMES[timeframe]
        if start is not None and end is None:
            end = -(-start // step) * step + (count - 1) * step
        found = newest_candles(
            self._source, instrument, timeframe,
            start=start or 0, end=self._source.clock.now() if end is None else end, count=count,
        )  # fmt: skip
        return [kline(instrument, each) for each in found]

    def _recent_trade(self, query: Query) -> Result:
        instrument = self._one(query)
        most = 1000 if instrument.perp else 60
        count = limit(query, 500 if instrument.perp else 60, most)
        trades = self._source.recent_trades(instrument, count)
        return {"category": query["category"], "list": recent_trades(self._source, trades)}

    def _orderbook(self, query: Query) -> Result:
        instrument = self._one(query)
        depth = limit(query, 25, 500) if instrument.perp else limit(query, 1, 200)
        book = self._source.book(instrument, depth)
        units, now = native(instrument), self._source.clock.now()
        return {
            "s": instrument.id,
            "b": units.levels(book.bids[:depth]) if book else [],
            "a": units.levels(book.asks[:depth]) if book else [],
            "ts": book.ts if book else now,
            "u": (book.sequence if book else None) or 0,
            "seq": (book.sequence if book else None) or 0,
            "cts": book.ts if book else now,
        }

    def _open_interest(self, query: Query) -> Result:
        instrument = self._contract(query)
        step = INTEREST_STEPS.get(query.get("intervalTime", ""))
        if step is None:
            raise BadQuery("intervalTime")
        count, end = limit(query, 50, 200), integer(query, "endTime")
        end = self._source.clock.now() if end is None else end
        older = integer(query, "cursor")
        end = end if older is None else min(end, older - 1)
        first = integer(query, "startTime")
        start = max(first or 0, end // step * step - count * step)
        found = self._source.open_interest_history(instrument, step, start, end + 1)
        page = found[-count:]
        units = native(instrument)
        return {
            "symbol": instrument.id,
            "category": query["category"],
            "list": [
                {"openInterest": units.amount(each.amount), "timestamp": str(each.ts)}
                for each in page[::-1]
            ],
            "nextPageCursor": str(page[0].ts) if len(found) > count else "",
        }

    def _funding_history(self, query: Query) -> Result:
        instrument = self._contract(query)
        count, start, end = (
            limit(query, 200, 200),
            integer(query, "startTime"),
            integer(query, "endTime"),
        )
        if start is not None and end is None:
            raise BadQuery("endTime")
        end = self._source.clock.now() if end is None else end
        found = self._source.funding_history(instrument, start or end - count * DAY, end + 1)
        fitting = [each for each in found if (start or 0) <= each.ts <= end][-count:]
        rows = [
            {
                "symbol": instrument.id,
                "fundingRate": plain(each.rate),
                "fundingRateTimestamp": str(each.ts),
            }
            for each in fitting[::-1]
        ]
        return {"category": query["category"], "list": rows}

    def _risk_limit(self, query: Query) -> Result:
        """All tiers of one symbol, or of the next 15."""
        chosen = self._chosen(query)
        if query.get("category") == "spot":
            raise BadQuery("category")
        first = _offset(query)
        page = chosen[first : first + 15]
        rows = [row for each in page for row in self._tiers(each)]
        more = first + 15 < len(chosen)
        return {
            "category": query["category"],
            "list": rows,
            "nextPageCursor": f"{first + 15}" if more else "",
        }

    def _tiers(self, instrument: Instrument) -> list[dict[str, Any]]:
        table = self._source.tiers(instrument)
        return [
            {
                "id": place,
                "symbol": instrument.id,
                "riskLimitValue": plain(cap),
                "maintenanceMargin": plain(rate),
                "initialMargin": plain(1 / leverage),
                "isLowestRisk": int(place == 1),
                "maxLeverage": plain(leverage),
                "mmDeduction": plain(offset),
            }
            for place, (cap, rate, offset, leverage) in enumerate(table.tiers if table else (), 1)
        ]


def _offset(query: Query) -> int:
    """Where a page starts; the cursor is opaque to clients."""
    return integer(query, "cursor") or 0
