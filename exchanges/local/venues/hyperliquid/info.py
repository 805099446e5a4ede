"""Hyperliquid's REST: POST /info with a `type`. A wrong request is HTTP 422, an unknown coin 500 and null."""

from collections.abc import Callable
from typing import Any

import msgspec
from aiohttp import web

from exchanges.local.source import Source
from exchanges.local.venues.hyperliquid import rows
from exchanges.local.venues.listing import BadQuery, Listing, newest_candles
from exchanges.local.venues.native import plain
from market.types import DAY, Instrument

Query = dict[str, Any]

CANDLES = 5000  # the newest of an interval; older ones are not kept
RATES = 500  # of fundingHistory in one answer
TRADES = 10  # of recentTrades
PREDICTING = (("BinPerp", "binance"), ("HlPerp", "hyperliquid"), ("BybitPerp", "bybit"))


class UnknownCoin(Exception):
    """The venue answers this with an error and no body to speak of."""


class HyperliquidInfo:
    """Answers from a source."""

    def __init__(self, source: Source, listing: Listing) -> None:
        self._source = source
        self._listing = listing
        self._types: dict[str, Callable[[Query], Any]] = {
            "meta": self._meta,
            "metaAndAssetCtxs": self._meta_and_contexts,
            "spotMeta": self._spot_meta,
            "spotMetaAndAssetCtxs": self._spot_meta_and_contexts,
            "perpDexs": self._perp_dexs,
            "allMids": self._all_mids,
            "l2Book": self._book,
            "candleSnapshot": self._candles,
            "fundingHistory": self._funding_history,
            "predictedFundings": self._predicted,
            "recentTrades": self._recent_trades,
            "exchangeStatus": self._status,
        }

    def routes(self) -> list[web.RouteDef]:
        """The one endpoint."""
        return [web.post("/hyperliquid/info", self._answer)]

    async def _answer(self, request: web.Request) -> web.Response:
        try:
            query = msgspec.json.decode(await request.read(), type=Query)
            body = msgspec.json.encode(self._made(query))
        except (msgspec.MsgspecError, BadQuery):
            text = "Failed to deserialize the JSON body into the target type"
            return web.Response(status=422, text=text)
        except UnknownCoin:
            return web.Response(status=500, body=b"null", content_type="application/json")
        return web.Response(body=body, content_type="application/json")

    def _made(self, query: Query) -> Any:
        make = self._types.get(str(query.get("type")))
        if make is None:
            raise BadQuery("type")
        return make(query)

    def _perps(self, query: Query) -> list[Instrument]:
        """The perps of the first dex; there is no other."""
        if query.get("dex"):
            raise UnknownCoin
        return list(self._listing.perps.values())

    def _coin(self, query: Query, *, perp: bool = False) -> Instrument:
        name = query.get("coin")
        if not isinstance(name, str):
            raise BadQuery("coin")
        found = self._listing.perps.get(name) if perp else self._listing.find(name)
        if found is None:
            raise UnknownCoin
        return found

    def _meta(self, query: Query) -> Any:
        universe, tables = rows.universe(self._source, self._perps(query))
        return {"universe": universe, "marginTables": tables, "collateralToken": 0}

    def _meta_and_contexts(self, query: Query) -> Any:
        return [
            self._meta(query),
            [rows.context(self._source, each) for each in self._perps(query)],
        ]

    def _spot_meta(self, _query: Query) -> Any:
        return rows.spot_meta(list(self._listing.spots.values()))

    def _spot_meta_and_contexts(self, query: Query) -> Any:
        pairs = self._listing.spots.values()
        return [self._spot_meta(query), [rows.spot_context(self._source, each) for each in pairs]]

    def _perp_dexs(self, _query: Query) -> Any:
        return [None]

    def _status(self, _query: Query) -> Any:
        return {"specialStatuses": None, "time": self._source.clock.now()}

    def _all_mids(self, _query: Query) -> Any:
        return all_mids(self._source, self._listing)

    def _book(self, query: Query) -> Any:
        instrument = self._coin(query)
        figures, mantissa = query.get("nSigFigs"), query.get("mantissa")
        if not rows.grid(figures, mantissa):
            raise BadQuery("nSigFigs")
        found = rows.book(self._source, instrument, figures, mantissa)
        now = self._source.clock.now()
        return found or {"coin": instrument.id, "time": now, "levels": [[], []]}

    def _candles(self, query: Query) -> Any:
        asked = query.get("req")
        if not isinstance(asked, dict):
            raise BadQuery("req")
        instrument, interval = self._coin(asked), asked.get("interval")
        if interval not in rows.INTERVALS:
            raise BadQuery("interval")
        timeframe = rows.INTERVALS[interval]
        if not timeframe:
            return []
        now = self._source.clock.now()
        start, end = _moment(asked, "startTime", 0), _moment(asked, "endTime", now)
        newest = newest_candles(
            self._source, instrument, timeframe, start=0, end=now, count=CANDLES
        )
        kept = [each for each in newest if start <= each.ts <= end]
        return [rows.candle(instrument, interval, each) for each in kept]

    def _funding_history(self, query: Query) -> Any:
        """Settled hourly rates from `startTime` on, oldest first."""
        instrument, now = self._coin(query, perp=True), self._source.clock.now()
        start, end = _moment(query, "startTime", None), _moment(query, "endTime", now)
        end = min(end, now, start + RATES * DAY)
        found = self._source.funding_history(instrument, start, end + 1)
        return [
            {
                "coin": instrument.id,
                "fundingRate": plain(each.rate),
                "premium": None,
                "time": each.ts,
            }
            for each in found
            if start <= each.ts <= end
        ][:RATES]

    def _predicted(self, _query: Query) -> Any:
        """The running rates of the same coin on three venues."""
        rates = {name: self._rates(exchange) for name, exchange in PREDICTING}
        return [
            [each.id, [[name, rates[name].get(each.base)] for name, _ in PREDICTING]]
            for each in self._listing.perps.values()
            if each.active
        ]

    def _rates(self, exchange: str) -> dict[str, dict[str, Any]]:
        found: dict[str, dict[str, Any]] = {}
        for each in self._source.instruments(exchange):
            rate = self._source.funding(each) if each.perp else None
            if rate:
                found[each.base] = {
                    "fundingRate": plain(rate.rate),
                    "nextFundingTime": rate.next_ts,
                    "fundingIntervalHours": round(rate.interval_h),
                }
        return found

    def _recent_trades(self, query: Query) -> Any:
        trades = self._source.recent_trades(self._coin(query), TRADES)
        return rows.trade_rows(self._source, trades)[::-1]


def all_mids(source: Source, listing: Listing) -> dict[str, str]:
    """The middle of every book by coin."""
    listed = [*listing.perps.values(), *listing.spots.values()]
    found = ((each.id, rows.mid(each, source.ticker(each))) for each in listed if each.active)
    return {name: mid for name, mid in found if mid}


def _moment(query: Query, name: str, default: int | None) -> int:
    """A ms of a request; one that has no default is required."""
    value = query.get(name, default)
    if not isinstance(value, int):
        raise BadQuery(name)
    return value
