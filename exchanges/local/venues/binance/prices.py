"""Binance: 24 h lines, best prices and order books."""

from collections.abc import Callable
from decimal import Decimal

import msgspec

from exchanges.local.venues.binance.segment import (
    Query,
    Refused,
    Segment,
    Table,
    known,
    limited,
)
from exchanges.local.venues.native import native, plain
from market.types import DAY, Instrument, Ticker

SPOT_DEPTH, FUTURES_DEPTHS = 5000, (5, 10, 20, 50, 100, 500, 1000)

Row = dict[str, object]


def day(segment: Segment, query: Query) -> object:
    """24 h lines: of one symbol, of some, or all."""
    return _one_or_all(segment, query, day_row)


def day_row(segment: Segment, instrument: Instrument) -> Row | None:
    """One 24 h line; None where nothing traded. Only spot has best prices in it."""
    ticker = segment.source.ticker(instrument)
    if ticker is None:
        return None
    unit = native(instrument)
    percent = None if ticker.change_24h is None else f"{ticker.change_24h * 100:.3f}"
    row: Row = {
        "symbol": segment.id_of(instrument),
        "priceChange": change(instrument, ticker),
        "priceChangePercent": percent,
        "weightedAvgPrice": average(instrument, ticker),
        "lastPrice": unit.price(ticker.last),
        "openPrice": opening(instrument, ticker),
        "highPrice": unit.price(ticker.high_24h),
        "lowPrice": unit.price(ticker.low_24h),
        "volume": unit.amount(ticker.volume_24h),
        "quoteVolume": plain(ticker.quote_volume_24h),
        "openTime": ticker.ts - DAY,
        "closeTime": ticker.ts,
    }
    if segment.perp:
        return known(row)
    row |= {"bidPrice": unit.price(ticker.bid), "askPrice": unit.price(ticker.ask)}
    row |= best_row(segment, instrument) or {}
    # ccxt takes a line without these two for a futures one; "" says that the amount is not known
    return {"bidQty": "", "askQty": ""} | known(row)


def opening(instrument: Instrument, ticker: Ticker) -> str:
    """The price 24 h ago; "" where the change is not known."""
    if ticker.change_24h is None:
        return ""
    return native(instrument).price(ticker.last / (1 + ticker.change_24h))


def change(instrument: Instrument, ticker: Ticker) -> str:
    """The exact difference of the last and the opening price as they are written."""
    opened = opening(instrument, ticker)
    if not opened:
        return ""
    return f"{Decimal(native(instrument).price(ticker.last)) - Decimal(opened):f}"


def average(instrument: Instrument, ticker: Ticker) -> str:
    """The price at which the day's volume traded on average."""
    if not ticker.volume_24h or ticker.quote_volume_24h is None:
        return ""
    return native(instrument).price(ticker.quote_volume_24h / ticker.volume_24h)


def last_price(segment: Segment, query: Query) -> object:
    """The last price of one symbol, of some, or all."""
    return _one_or_all(segment, query, _last_row)


def best(segment: Segment, query: Query) -> object:
    """The best bid and ask of one symbol, of some, or all."""
    return _one_or_all(segment, query, best_row)


def best_row(segment: Segment, instrument: Instrument) -> Row | None:
    """Best prices with their amounts; without amounts where the source has no book."""
    book = segment.source.book(instrument, 1)
    unit = native(instrument)
    row: Row = {"symbol": segment.id_of(instrument)}
    if book is not None and book.bids and book.asks:
        (bid, bid_amount), (ask, ask_amount) = book.bids[0], book.asks[0]
        row |= {"bidPrice": unit.price(bid), "bidQty": unit.amount(bid_amount)}
        row |= {"askPrice": unit.price(ask), "askQty": unit.amount(ask_amount)}
        ts = book.ts
    else:
        ticker = segment.source.ticker(instrument)
        if ticker is None or ticker.bid is None or ticker.ask is None:
            return None
        row |= {"bidPrice": unit.price(ticker.bid), "askPrice": unit.price(ticker.ask)}
        ts = ticker.ts
    return row | ({"time": ts} if segment.perp else {})


def depth(segment: Segment, query: Query) -> object:
    """A snapshot whose `lastUpdateId` fits the depth streams."""
    instrument = segment.wanted(query)
    limit = limited(query, 500 if segment.perp else 100, SPOT_DEPTH)
    if segment.perp and limit not in FUTURES_DEPTHS:
        raise Refused(-4021, f"Not valid depth limit {limit}")
    log = segment.books.of(instrument)
    book = log.look()
    if book is None:
        raise Refused(-1121, "Invalid symbol.")
    stamps: Row = {"E": segment.now, "T": book.ts} if segment.perp else {}
    unit = native(instrument)
    return {
        "lastUpdateId": log.version,
        **stamps,
        "bids": unit.levels(book.bids[:limit]),
        "asks": unit.levels(book.asks[:limit]),
    }


def _one_or_all(
    segment: Segment, query: Query, write: Callable[[Segment, Instrument], Row | None]
) -> object:
    if query.get("symbol"):
        found = write(segment, segment.wanted(query))
        if found is None:
            raise Refused(-1121, "Invalid symbol.")
        return found
    wanted = segment.instruments
    if query.get("symbols"):
        wanted = [segment.wanted({"symbol": name}) for name in _names(query["symbols"])]
    return [row for each in wanted if (row := write(segment, each))]


def _names(text: str) -> list[str]:
    try:
        return msgspec.json.decode(text, type=list[str])
    except msgspec.MsgspecError:
        raise Refused(-1100, "Illegal characters found in parameter 'symbols'.") from None


def _last_row(segment: Segment, instrument: Instrument) -> Row | None:
    ticker = segment.source.ticker(instrument)
    if ticker is None:
        return None
    row: Row = {"symbol": segment.id_of(instrument), "price": native(instrument).price(ticker.last)}
    return row | ({"time": ticker.ts} if segment.perp else {})


ROUTES: Table = {
    "ticker/24hr": day,
    "ticker/price": last_price,
    "ticker/bookTicker": best,
    "depth": depth,
}
