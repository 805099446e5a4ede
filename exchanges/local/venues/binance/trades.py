"""Binance: public trades. One trade of the source is one aggregate trade, so `a` is consecutive."""

from exchanges.local.past_trades import trades_after, trades_from, trades_until
from exchanges.local.venues.binance.segment import (
    Query,
    Refused,
    Segment,
    Table,
    limited,
    maybe_whole,
    whole,
)
from exchanges.local.venues.native import native, plain
from market.types import HOUR, Instrument, Side, Trade


def agg_trades(segment: Segment, query: Query) -> object:
    """Aggregate trades by number, by time, or the newest."""
    instrument = segment.wanted(query)
    limit = limited(query, 500, 1000)
    return [
        agg_row(segment, instrument, each) for each in _wanted(segment, instrument, query, limit)
    ]


def agg_row(segment: Segment, instrument: Instrument, trade: Trade) -> dict[str, object]:
    """One aggregate trade; `m`: the buyer was the maker, so the taker sold."""
    number = int(trade.id)
    row: dict[str, object] = {
        "a": number,
        "p": native(instrument).price(trade.price),
        "q": native(instrument).amount(trade.amount),
        "f": number,
        "l": number,
        "T": trade.ts,
        "m": trade.side is Side.SELL,
    }
    return row if segment.perp else row | {"M": True}


def newest(segment: Segment, query: Query) -> object:
    """The newest trades, oldest first."""
    instrument = segment.wanted(query)
    found = segment.source.recent_trades(instrument, limited(query, 500, 1000))
    extra = {} if segment.perp else {"isBestMatch": True}
    return [
        {
            "id": int(each.id),
            "price": native(instrument).price(each.price),
            "qty": native(instrument).amount(each.amount),
            "quoteQty": plain(each.value),
            "time": each.ts,
            "isBuyerMaker": each.side is Side.SELL,
        }
        | extra
        for each in found
    ]


def _wanted(segment: Segment, instrument: Instrument, query: Query, limit: int) -> list[Trade]:
    source = segment.source
    start, end = maybe_whole(query, "startTime"), maybe_whole(query, "endTime")
    if query.get("fromId"):
        found = trades_after(source, instrument, whole(query, "fromId", 0), limit)
        if found is None:
            raise Refused(-4166, "Search window is restricted to recent 90 days only.")
        return found
    if segment.perp and start is not None and end is not None and end - start > HOUR:
        raise Refused(-1127, "More than 1 hours between startTime and endTime.")
    if start is not None:
        return trades_from(source, instrument, start, segment.now if end is None else end, limit)
    if end is not None:
        return trades_until(source, instrument, end, limit)
    return source.recent_trades(instrument, limit)


ROUTES: Table = {"aggTrades": agg_trades, "trades": newest}
