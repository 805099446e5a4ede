"""Coinbase's public REST endpoints: products, candles, trades, books, currencies."""

from collections.abc import Awaitable, Callable
from functools import partial

import msgspec
from aiohttp import web

from exchanges.local.past_trades import trades_until
from exchanges.local.source import Source
from exchanges.local.venues.coinbase.feeds import iso, trade_rows
from exchanges.local.venues.listing import BadQuery, Listing, integer, limit
from exchanges.local.venues.native import native, plain
from market.types import TIMEFRAMES, Instrument

GRANULARITIES = {
    "ONE_MINUTE": "1m",
    "FIVE_MINUTE": "5m",
    "FIFTEEN_MINUTE": "15m",
    "THIRTY_MINUTE": "30m",
    "ONE_HOUR": "1h",
    "TWO_HOUR": "2h",
    "SIX_HOUR": "6h",
    "ONE_DAY": "1d",
}
MOST_CANDLES = 350  # a request for that many or more is refused
MOST_TRADES = 1000
DEPTH = 500
FIAT = {"USD": "United States Dollar", "EUR": "Euro", "GBP": "British Pound"}

Row = dict[str, object]
Handler = Callable[[web.Request], Awaitable[web.Response]]


class Refused(Exception):
    """An answer in Coinbase's error form."""

    def __init__(self, status: int, error: str, details: str) -> None:
        super().__init__(details)
        self.status = status
        self.body = {"error": error, "error_details": details, "message": details}


class Rest:
    """The REST side of the local Coinbase."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._listing = Listing(source, "coinbase")

    def routes(self) -> list[web.RouteDef]:
        """What answers without a key."""
        market = "/coinbase/api/v3/brokerage/market"
        paths: dict[str, Callable[[web.Request], object]] = {
            "/coinbase/v2/currencies": self._fiat,
            "/coinbase/v2/currencies/crypto": self._crypto,
            "/coinbase/v2/exchange-rates": self._rates,
            "/coinbase/api/v3/brokerage/time": self._time,
            f"{market}/products": self._products,
            f"{market}/products/{{product}}": self._product,
            f"{market}/products/{{product}}/candles": self._candles,
            f"{market}/products/{{product}}/ticker": self._ticker,
            f"{market}/product_book": self._book,
        }
        return [web.get(path, _answered(answer)) for path, answer in paths.items()]

    def _time(self, _request: web.Request) -> object:
        now = self._source.clock.now()
        return {"iso": iso(now), "epochSeconds": str(now // 1000), "epochMillis": str(now)}

    def _fiat(self, _request: web.Request) -> object:
        rows = [{"id": code, "name": name, "min_size": "0.01"} for code, name in FIAT.items()]
        return {"data": rows}

    def _crypto(self, _request: web.Request) -> object:
        codes = sorted({each.base for each in self._listing.spots.values()} - set(FIAT))
        return {
            "data": [
                {"asset_id": code, "code": code, "name": code, "type": "crypto"} for code in codes
            ]
        }

    def _rates(self, _request: web.Request) -> object:
        """Units of each coin for a dollar, from the last dollar prices."""
        rates = {"USD": "1"}
        for each in self._listing.spots.values():
            ticker = self._source.ticker(each) if each.quote == "USD" else None
            if ticker is not None:
                rates[each.base] = plain(1 / ticker.last)
        return {"data": {"currency": "USD", "rates": rates}}

    def _products(self, request: web.Request) -> object:
        wanted = list(self._listing.spots.values())
        names = request.query.getall("product_ids", [])
        if names:
            wanted = [each for each in wanted if each.id in names]
        if request.query.get("product_type", "SPOT") != "SPOT":
            wanted = []
        rows = [self._row(each) for each in wanted]
        return {"products": rows, "num_products": len(rows)}

    def _product(self, request: web.Request) -> object:
        return self._row(self._wanted(request.match_info["product"]))

    def _candles(self, request: web.Request) -> object:
        """Newest first; `start` and `end` are seconds and both count."""
        instrument = self._wanted(request.match_info["product"])
        start, end = integer(request.query, "start"), integer(request.query, "end")
        timeframe = GRANULARITIES.get(request.query.get("granularity", ""))
        if start is None or end is None or timeframe is None:
            raise Refused(400, "INVALID_ARGUMENT", "start, end and granularity are required")
        if (end - start) * 1000 // TIMEFRAMES[timeframe] >= MOST_CANDLES:
            raise Refused(
                400,
                "INVALID_ARGUMENT",
                f"number of candles requested should be less than {MOST_CANDLES}",
            )
        until = min(end * 1000, self._source.clock.now())
        found = self._source.candles(instrument, timeframe, start * 1000, until + 1)
        unit = native(instrument)
        rows = [
            {
                "start": str(each.ts // 1000),
                "low": unit.price(each.low),
                "high": unit.price(each.high),
                "open": unit.price(each.open),
                "close": unit.price(each.close),
                "volume": unit.amount(each.volume),
            }
            for each in found
        ]
        return {"candles": rows[::-1]}

    def _ticker(self, request: web.Request) -> object:
        """The newest trades, newest first, with the best prices."""
        instrument = self._wanted(request.match_info["product"])
        count = limit(request.query, 100, MOST_TRADES)
        start, end = integer(request.query, "start"), integer(request.query, "end")
        if end is None:
            found = self._source.recent_trades(instrument, count)
        else:
            found = trades_until(self._source, instrument, end * 1000, count)
        found = [each for each in found if each.ts >= (start or 0) * 1000]
        ticker, unit = self._source.ticker(instrument), native(instrument)
        return {
            "trades": [row | {"bid": "", "ask": ""} for row in trade_rows(found)],
            "best_bid": unit.price(ticker.bid if ticker else None),
            "best_ask": unit.price(ticker.ask if ticker else None),
        }

    def _book(self, request: web.Request) -> object:
        instrument = self._wanted(request.query.get("product_id", ""))
        depth = limit(request.query, DEPTH, DEPTH)
        book = self._source.book(instrument, depth)
        if book is None:
            raise Refused(404, "NOT_FOUND", "no order book")
        unit = native(instrument)
        sides = {
            name: [
                {"price": unit.price(price), "size": unit.amount(amount)}
                for price, amount in rows[:depth]
            ]
            for name, rows in (("bids", book.bids), ("asks", book.asks))
        }
        return {"pricebook": {"product_id": instrument.id, **sides, "time": iso(book.ts)}}

    def _wanted(self, name: str) -> Instrument:
        found = self._listing.spots.get(name)
        if found is None:
            raise Refused(404, "NOT_FOUND", f"product {name} not found")
        return found

    def _row(self, instrument: Instrument) -> Row:
        """One product; prices that are not known are "" as Coinbase writes them."""
        ticker, unit = self._source.ticker(instrument), native(instrument)
        percent = (
            "" if ticker is None or ticker.change_24h is None else plain(ticker.change_24h * 100)
        )
        return {
            "product_id": instrument.id,
            "price": unit.price(ticker.last if ticker else None),
            "price_percentage_change_24h": percent,
            "volume_24h": unit.amount(ticker.volume_24h if ticker else None),
            "approximate_quote_24h_volume": plain(ticker.quote_volume_24h if ticker else None),
            "base_increment": unit.lot,
            "quote_increment": unit.tick,
            "price_increment": unit.tick,
            "base_min_size": unit.lot,
            "quote_min_size": plain(instrument.min_value),
            "base_name": instrument.base,
            "quote_name": FIAT.get(instrument.quote, instrument.quote),
            "status": "online",
            "trading_disabled": not instrument.active,
            "is_disabled": not instrument.active,
            "product_type": "SPOT",
            "base_currency_id": instrument.base,
            "quote_currency_id": instrument.quote,
            "base_display_symbol": instrument.base,
            "quote_display_symbol": instrument.quote,
            "display_name": instrument.id,
            "alias": "",
            "alias_to": [],
            "view_only": False,
        }


def _answered(answer: Callable[[web.Request], object]) -> Handler:
    return partial(_answer, answer)


async def _answer(answer: Callable[[web.Request], object], request: web.Request) -> web.Response:
    try:
        body, status = answer(request), 200
    except Refused as refusal:
        body, status = refusal.body, refusal.status
    except BadQuery as error:
        text = f"{error} is not valid"
        body, status = {"error": "INVALID_ARGUMENT", "error_details": text, "message": text}, 400
    return web.Response(
        body=msgspec.json.encode(body), status=status, content_type="application/json"
    )
