"""What one venue lists, and how its requests are read: shared by the venue modules."""

from collections.abc import Mapping

from exchanges.local.source import Source
from market.types import TIMEFRAMES, Candle, Instrument, Trade


class BadQuery(ValueError):
    """A request the venue would refuse; each venue words it in its own envelope."""


class Listing:
    """The instruments of one venue by their own ids."""

    def __init__(self, source: Source, exchange: str) -> None:
        every = source.instruments(exchange)
        self.spots = {each.id: each for each in every if not each.perp}
        self.perps = {each.id: each for each in every if each.perp}

    def of(self, *, perp: bool) -> dict[str, Instrument]:
        """Perps or spot pairs by id."""
        return self.perps if perp else self.spots

    def find(self, name: str) -> Instrument | None:
        """By id, for venues whose ids are unique over both."""
        return self.perps.get(name) or self.spots.get(name)


def integer(query: Mapping[str, str], name: str) -> int | None:
    """An integer of a query; None when it is not there."""
    text = query.get(name, "")
    if not text:
        return None
    try:
        return int(text)
    except ValueError:
        raise BadQuery(name) from None


def limit(query: Mapping[str, str], default: int, most: int) -> int:
    """The `limit` of a query, at most `most`."""
    asked = integer(query, "limit")
    if asked is None:
        return default
    if asked < 1:
        raise BadQuery("limit")
    return min(asked, most)


def newest_candles(
    source: Source, instrument: Instrument, timeframe: str, *, start: int, end: int, count: int
) -> list[Candle]:
    """The newest `count` candles with start <= open time <= end, rising."""
    step = TIMEFRAMES[timeframe]
    last = min(end, source.clock.now())
    first = max(start, last // step * step - (count - 1) * step)
    return source.candles(instrument, timeframe, first, last + 1)[-count:]


def trade_ids(source: Source, trades: list[Trade]) -> list[str]:
    """Ids of consecutive trades; where the source has none, the ts and the place within it.

    The first ts may be cut off by a limit, so places are counted in all trades of that ts.
    """
    if all(trade.id for trade in trades):
        return [trade.id for trade in trades]
    ids: list[str] = []
    ts = trades[0].ts
    whole = source.trades(trades[0].instrument, ts - 1, ts)
    place = len(whole) - sum(trade.ts == ts for trade in trades)
    for trade in trades:
        if trade.ts != ts:
            ts, place = trade.ts, 0
        ids.append(trade.id or f"{ts}{place:04d}")
        place += 1
    return ids
