"""OKX's REST: GET /api/v5/public, /market and /rubik; an envelope of code, msg and a list of data."""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from aiohttp import web

from exchanges.local.past_trades import trades_between
from exchanges.local.source import Source
from exchanges.local.venues.listing import BadQuery, Listing, integer, limit
from exchanges.local.venues.native import native, plain
from exchanges.local.venues.okx.rows import (
    BARS,
    bars,
    book_levels,
    candle_row,
    family,
    funding_row,
    index_row,
    instrument_row,
    interest_row,
    mark_row,
    ticker_row,
    trade_rows,
)
from market.types import DAY, HOUR, MINUTE, TIMEFRAMES, Instrument, OpenInterest, Trade

Query = Mapping[str, str]
Rows = list[Any]

TYPES = {"SPOT": False, "SWAP": True, "FUTURES": None, "OPTION": None, "MARGIN": None}
PERIODS = {"5m": 5 * MINUTE, "1H": HOUR, "1D": DAY}
RECENT_BARS = 1440  # how far market/candles reaches back


class Refused(Exception):
    """An error code of the venue and its text."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


UNKNOWN = ("51001", "Instrument ID, Instrument ID code, or Spread ID doesn't exist.")


class OkxRest:
    """Answers from a source."""

    def __init__(self, source: Source, listing: Listing) -> None:
        self._source = source
        self._listing = listing

    def routes(self) -> list[web.RouteDef]:
        """The public endpoints."""
        endpoints: dict[str, Callable[[Query], Rows]] = {
            "public/time": self._time,
            "public/instruments": self._instruments,
            "public/open-interest": self._open_interest,
            "public/funding-rate": self._funding_rate,
            "public/funding-rate-history": self._funding_rate_history,
            "public/mark-price": self._mark_price,
            "public/position-tiers": self._position_tiers,
            "market/tickers": self._tickers,
            "market/ticker": self._ticker,
            "market/index-tickers": self._index_tickers,
            "market/candles": self._candles,
            "market/history-candles": self._history_candles,
            "market/books": self._books,
            "market/trades": self._trades,
            "market/history-trades": self._history_trades,
            "rubik/stat/contracts/open-interest-history": self._open_interest_history,
            "rubik/stat/taker-volume-contract": self._taker_volume,
        }
        return [self._route(path, make) for path, make in endpoints.items()]

    def _route(self, path: str, make: Callable[[Query], Rows]) -> web.RouteDef:
        async def answer(request: web.Request) -> web.Response:
            try:
                return _envelope("0", "", make(request.query))
            except Refused as refused:
                return _envelope(refused.code, str(refused), [])
            except BadQuery as bad:
                return _envelope("51000", f"Parameter {bad} error", [])

        return web.get(f"/okx/api/v5/{path}", answer)

    def _time(self, _query: Query) -> Rows:
        return [{"ts": str(self._source.clock.now())}]

    def _of_type(self, query: Query) -> list[Instrument]:
        """The instruments of an instType, narrowed by instId, instFamily or uly."""
        name = query.get("instType", "")
        if not name:
            raise Refused("50014", "Parameter instType can not be empty")
        if name not in TYPES:
            raise BadQuery("instType")
        perp = TYPES[name]
        found = [] if perp is None else list(self._listing.of(perp=perp).values())
        if query.get("instId"):
            found = [each for each in found if each.id == query["instId"]]
            if not found:
                raise Refused(*UNKNOWN)
        asked = query.get("instFamily") or query.get("uly")
        return [each for each in found if family(each) in asked.split(",")] if asked else found

    def _one(self, query: Query, *, perp: bool = False) -> Instrument:
        name = query.get("instId", "")
        if not name:
            raise Refused("50014", "Parameter instId can not be empty")
        found = self._listing.find(name)
        if found is None or (perp and not found.perp):
            raise Refused(*UNKNOWN)
        return found

    def _instruments(self, query: Query) -> Rows:
        return [
            instrument_row(self._source, place, each)
            for place, each in enumerate(self._of_type(query), 10_000)
        ]

    def _open_interest(self, query: Query) -> Rows:
        if query.get("instType") == "SPOT":
            raise BadQuery("instType")
        found = (self._source.open_interest(each) for each in self._of_type(query) if each.active)
        return [interest_row(each) for each in found if each]

    def _funding_rate(self, query: Query) -> Rows:
        perps = self._listing.perps.values()
        chosen = perps if query.get("instId") == "ANY" else [self._one(query, perp=True)]
        found = (self._source.funding(each) for each in chosen)
        return [funding_row(each) for each in found if each]

    def _funding_rate_history(self, query: Query) -> Rows:
        instrument, count = self._one(query, perp=True), limit(query, 100, 100)
        start, end = self._window(query, "before", "after")
        found = self._source.funding_history(instrument, max(start, end - count * DAY), end + 1)
        return [
            {
                "instType": "SWAP",
                "instId": instrument.id,
                "method": "current_period",
                "fundingRate": plain(each.rate),
                "realizedRate": plain(each.rate),
                "fundingTime": str(each.ts),
            }
            for each in [each for each in found if start <= each.ts <= end][-count:][::-1]
        ]

    def _mark_price(self, query: Query) -> Rows:
        found = (self._source.funding(each) for each in self._of_type(query) if each.perp)
        return [mark_row(each) for each in found if each and each.mark is not None]

    def _index_tickers(self, query: Query) -> Rows:
        """The index a swap follows; its 24 h figures are not known."""
        name, quote = query.get("instId", ""), query.get("quoteCcy", "")
        if not name and not quote:
            raise Refused("50014", "Parameter instId or quoteCcy can not be empty")
        rows: Rows = []
        for each in self._listing.perps.values():
            fitting = family(each) == name if name else each.quote == quote
            found = self._source.funding(each) if fitting else None
            if found and found.index is not None:
                rows.append(index_row(found))
        if name and name not in {family(each) for each in self._listing.perps.values()}:
            raise Refused(*UNKNOWN)
        return rows

    def _position_tiers(self, query: Query) -> Rows:
        """Tiers in contracts; a source has caps in USD, so they move with the mark price."""
        if query.get("tdMode") not in ("cross", "isolated"):
            raise BadQuery("tdMode")
        if not (query.get("instFamily") or query.get("uly")):
            raise Refused("50014", "Parameter instFamily can not be empty")
        perps = [each for each in self._of_type(query) if each.perp]
        return [row for each in perps for row in self._tiers(each)]

    def _tiers(self, instrument: Instrument) -> Rows:
        table, funding = self._source.tiers(instrument), self._source.funding(instrument)
        if table is None or funding is None or funding.mark is None:
            return []
        contract = funding.mark * instrument.contract_size
        edges = [0.0, *(cap / contract for cap, *_ in table.tiers)]
        return [
            {
                "instId": "",
                "instFamily": family(instrument),
                "uly": family(instrument),
                "tier": str(place),
                "minSz": plain(edges[place - 1]),
                "maxSz": plain(edges[place]),
                "mmr": plain(rate),
                "imr": plain(1 / leverage),
                "maxLever": plain(leverage),
                "optMgnFactor": "0",
                "baseMaxLoan": "",
                "quoteMaxLoan": "",
            }
            for place, (_cap, rate, _offset, leverage) in enumerate(table.tiers, 1)
        ]

    def _tickers(self, query: Query) -> Rows:
        rows = (ticker_row(self._source, each) for each in self._of_type(query) if each.active)
        return [row for row in rows if row]

    def _ticker(self, query: Query) -> Rows:
        row = ticker_row(self._source, self._one(query))
        return [row] if row else []

    def _candles(self, query: Query) -> Rows:
        """The newest 1440 of a bar."""
        return self._bars(query, RECENT_BARS)

    def _history_candles(self, query: Query) -> Rows:
        return self._bars(query, None)

    def _bars(self, query: Query, depth: int | None) -> Rows:
        instrument, bar, count = self._one(query), query.get("bar", "1m"), limit(query, 100, 300)
        if bar not in BARS:
            raise BadQuery("bar")
        start, end = self._window(query, "before", "after")
        if depth and BARS[bar]:
            step = TIMEFRAMES[BARS[bar]]
            start = max(start, self._source.clock.now() // step * step - (depth - 1) * step)
        found = bars(self._source, instrument, bar, start, end, count)
        return [candle_row(instrument, each) for each in found[::-1]]

    def _window(self, query: Query, newer: str, older: str) -> tuple[int, int]:
        """First and last ts; both parameters are exclusive, nothing is later than now."""
        after_this, before_this = integer(query, newer), integer(query, older)
        now = self._source.clock.now()
        end = now if before_this is None else min(now, before_this - 1)
        return (0 if after_this is None else after_this + 1), end

    def _books(self, query: Query) -> Rows:
        instrument = self._one(query)
        depth = min(integer(query, "sz") or 1, 400)
        book = self._source.book(instrument, depth)
        if book is None:
            empty: Rows = []
            return [{"asks": empty, "bids": empty, "ts": str(self._source.clock.now())}]
        units = native(instrument)
        return [
            {
                "asks": book_levels(units.levels(book.asks[:depth])),
                "bids": book_levels(units.levels(book.bids[:depth])),
                "ts": str(book.ts),
                "seqId": book.sequence or book.ts,
            }
        ]

    def _trades(self, query: Query) -> Rows:
        instrument = self._one(query)
        trades = self._source.recent_trades(instrument, limit(query, 100, 500))
        return trade_rows(self._source, trades)[::-1]

    def _history_trades(self, query: Query) -> Rows:
        """Pages by trade id (type 1) or by time (type 2), newest first."""
        instrument, count = self._one(query), limit(query, 100, 100)
        if query.get("type", "1") == "2":
            start, end = self._window(query, "before", "after")
            trades = self._trades_until(instrument, start, end, count)
        else:
            newer, older = integer(query, "before"), integer(query, "after")
            trades = trades_between(self._source, instrument, newer, older, count)
        return trade_rows(self._source, trades[-count:])[::-1]

    def _trades_until(
        self, instrument: Instrument, start: int, end: int, count: int
    ) -> list[Trade]:
        """The newest `count` with start <= ts <= end, from windows that double."""
        span, floor = MINUTE, max(start, end - 7 * DAY)
        while True:
            first = max(floor, end - span)
            trades = self._source.trades(instrument, first - 1, end)
            if len(trades) >= count or first <= floor:
                return trades[-count:]
            span *= 4

    def _open_interest_history(self, query: Query) -> Rows:
        """[ts, contracts, coins, USD], newest first."""
        instrument, step = self._one(query, perp=True), self._period(query)
        count = limit(query, 100, 100)
        start, end = self._window(query, "begin", "end")
        first = max(start, end // step * step - (count - 1) * step)
        found = self._source.open_interest_history(instrument, step, first, end + 1)
        return [_interest(each) for each in found[-count:][::-1]]

    def _taker_volume(self, query: Query) -> Rows:
        """[ts, sold, bought] in coins (unit 0), contracts (1) or USD (2), newest first."""
        instrument, step = self._one(query, perp=True), self._period(query)
        unit, count = query.get("unit", "1"), limit(query, 100, 100)
        if unit not in ("0", "1", "2"):
            raise BadQuery("unit")
        start, end = self._window(query, "begin", "end")
        timeframe = {at: name for name, at in TIMEFRAMES.items()}[step]
        first = max(start, end // step * step - (count - 1) * step)
        rows: Rows = []
        for each in self._source.candles(instrument, timeframe, first, end + 1)[-count:]:
            bought, whole = each.taker_buy_volume, each.volume
            if unit == "2":
                bought, whole = each.taker_buy_quote, each.quote_volume or 0.0
            if bought is None:
                continue
            size = instrument.contract_size if unit == "1" else 1.0
            rows.append([str(each.ts), plain((whole - bought) / size), plain(bought / size)])
        return rows[::-1]

    def _period(self, query: Query) -> int:
        found = PERIODS.get(query.get("period", "5m"))
        if found is None:
            raise BadQuery("period")
        return found


def _interest(found: OpenInterest) -> list[str]:
    row = interest_row(found)
    return [row["ts"], row["oi"], row["oiCcy"], row["oiUsd"]]


def _envelope(code: str, message: str, data: Rows) -> web.Response:
    body = msgspec.json.encode({"code": code, "msg": message, "data": data})
    return web.Response(body=body, content_type="application/json")
