"""Binance: candles."""

from exchanges.local.venues.binance.segment import (
    Query,
    Segment,
    Table,
    length,
    limited,
    maybe_whole,
    whole,
)
from exchanges.local.venues.native import native, plain
from market.types import TIMEFRAMES, Candle, Instrument

SPOT_LIMIT, FUTURES_LIMIT = 1000, 1500


def klines(segment: Segment, query: Query) -> object:
    """Candles from `startTime` on, or the newest before `endTime`."""
    instrument = segment.wanted(query)
    timeframe = length(query, "interval")
    limit = limited(query, 500, FUTURES_LIMIT if segment.perp else SPOT_LIMIT)
    start, end = maybe_whole(query, "startTime"), whole(query, "endTime", segment.now)
    step = TIMEFRAMES[timeframe]
    found = candles(segment, instrument, timeframe, start=start, end=end, limit=limit)
    return [kline(instrument, each, step) for each in found]


def candles(
    segment: Segment,
    instrument: Instrument,
    timeframe: str,
    *,
    start: int | None,
    end: int,
    limit: int,
) -> list[Candle]:
    """`limit` candles that open in [start, end]: the first ones, or without a start the last."""
    step, end = TIMEFRAMES[timeframe], min(end, segment.now)
    read = segment.source.candles
    if start is None:
        newest = read(instrument, timeframe, end - end % step - (limit - 1) * step, end + 1)
        if len(newest) < limit:  # holes: look further back
            newest = read(instrument, timeframe, 0, end + 1)
        return newest[-limit:]
    near = min(end + 1, start + limit * step)
    first = read(instrument, timeframe, start, near)
    if len(first) < limit and near <= end:
        first = read(instrument, timeframe, start, end + 1)
    return first[:limit]


def kline(instrument: Instrument, candle: Candle, step: int) -> list[object]:
    """The twelve fields; "" is not known. Field 8, the number of trades, no source counts: 0."""
    unit = native(instrument)
    return [
        candle.ts,
        unit.price(candle.open),
        unit.price(candle.high),
        unit.price(candle.low),
        unit.price(candle.close),
        unit.amount(candle.volume),
        candle.ts + step - 1,
        plain(candle.quote_volume) or nothing(candle),
        0,
        unit.amount(candle.taker_buy_volume) or nothing(candle),
        plain(candle.taker_buy_quote) or nothing(candle),
        "0",
    ]


def nothing(candle: Candle) -> str:
    """A sum the source does not have: 0 where nothing traded, else "" for not known."""
    return "" if candle.volume else "0"


ROUTES: Table = {"klines": klines}
