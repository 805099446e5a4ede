"""Binance's streams as feeds: each gives the bodies of its events; `Enveloped` names the stream they belong to."""

from collections.abc import Callable, Iterable

import msgspec

from exchanges.local.books import BookLog
from exchanges.local.pump import Feed
from exchanges.local.venues.binance.candles import nothing
from exchanges.local.venues.binance.prices import average, change, opening
from exchanges.local.venues.binance.segment import Segment, known
from exchanges.local.venues.feeds import CandleState, Pace
from exchanges.local.venues.native import native, plain
from market.types import TIMEFRAMES, Candle, Instrument, Liquidation, PositionSide, Side, Ticker

Row = dict[str, object]

DEPTH_STEP = 100  # ms between events of a book


class Enveloped:
    """The events of a combined stream."""

    def __init__(self, name: str, feed: Feed) -> None:
        self._start = f'{{"stream":"{name}","data":'
        self._feed = feed

    def frames(self, start: int, end: int) -> Iterable[str]:
        """Events with their stream's name."""
        for frame in self._feed.frames(start, end):
            yield f"{self._start}{frame if isinstance(frame, str) else frame.decode()}}}"


class AggTrades:
    """<symbol>@aggTrade; written by hand because recordings are replayed through it."""

    def __init__(self, segment: Segment, instrument: Instrument) -> None:
        self._source, self._instrument = segment.source, instrument
        self._name = segment.id_of(instrument)
        self._end = "}" if segment.perp else ',"M":true}'

    def frames(self, start: int, end: int) -> Iterable[str]:
        """One event a trade; the trade's own time is the event's."""
        unit, lot = self._instrument.multiplier, self._instrument.contract_size
        for each in self._source.trades(self._instrument, start, end):
            price, amount = f"{each.price * unit:.14g}", f"{each.amount / lot:.14g}"
            if "e" in price or "e" in amount:
                price, amount = plain(each.price * unit), plain(each.amount / lot)
            yield (
                f'{{"e":"aggTrade","E":{each.ts},"s":"{self._name}","a":{each.id},'
                f'"p":"{price}","q":"{amount}",'
                f'"f":{each.id},"l":{each.id},"T":{each.ts},'
                f'"m":{"true" if each.side is Side.SELL else "false"}{self._end}'
            )


class Trades:
    """<symbol>@trade."""

    def __init__(self, segment: Segment, instrument: Instrument) -> None:
        self._segment, self._instrument = segment, instrument

    def frames(self, start: int, end: int) -> Iterable[bytes]:
        """One event a trade; futures say what kind of order it was."""
        unit = native(self._instrument)
        kind: Row = {"X": "MARKET"} if self._segment.perp else {"M": True}
        for each in self._segment.source.trades(self._instrument, start, end):
            row: Row = {
                "e": "trade",
                "E": end,
                "s": self._segment.id_of(self._instrument),
                "t": int(each.id),
                "p": unit.price(each.price),
                "q": unit.amount(each.amount),
                "T": each.ts,
                "m": each.side is Side.SELL,
            }
            yield msgspec.json.encode(row | kind)


class Klines:
    """<symbol>@kline_<interval>: the running candle, and each closed one once with `x` true."""

    def __init__(self, segment: Segment, instrument: Instrument, timeframe: str) -> None:
        self._segment, self._instrument, self._timeframe = segment, instrument, timeframe
        self._state = CandleState(segment.source, instrument, timeframe)

    def frames(self, start: int, end: int) -> Iterable[bytes]:
        """Candles that are new or have changed."""
        name = self._segment.id_of(self._instrument)
        for each in self._state.news(end):
            yield msgspec.json.encode(
                {"e": "kline", "E": end, "s": name, "k": self._row(each, name)}
            )

    def _row(self, candle: Candle, name: str) -> Row:
        unit = native(self._instrument)
        return {
            "t": candle.ts,
            "T": candle.ts + TIMEFRAMES[self._timeframe] - 1,
            "s": name,
            "i": self._timeframe,
            "o": unit.price(candle.open),
            "c": unit.price(candle.close),
            "h": unit.price(candle.high),
            "l": unit.price(candle.low),
            "v": unit.amount(candle.volume),
            "x": candle.closed,
            "q": plain(candle.quote_volume) or nothing(candle),
            "V": unit.amount(candle.taker_buy_volume) or nothing(candle),
            "Q": plain(candle.taker_buy_quote) or nothing(candle),
        }


class Depth:
    """<symbol>@depth: what changed since the last event, numbered like the REST snapshots."""

    def __init__(self, segment: Segment, instrument: Instrument) -> None:
        self._segment, self._instrument = segment, instrument
        self._log: BookLog = segment.books.of(instrument)
        self._log.look()
        self._sent = self._log.version
        self._pace = Pace(DEPTH_STEP, turns=1)

    def frames(self, start: int, end: int) -> Iterable[bytes]:
        """At most one event."""
        if not self._pace.due(end):
            return
        self._log.look()
        found = self._log.since(self._sent)
        if found is None:
            return
        unit = native(self._instrument)
        row: Row = {"e": "depthUpdate", "E": end, "s": self._segment.id_of(self._instrument)}
        row |= {"U": found.first, "u": found.last}
        if self._segment.perp:
            row |= {"T": found.ts, "pu": found.first - 1}
        row |= {
            "b": unit.levels(tuple(found.bids.items())),
            "a": unit.levels(tuple(found.asks.items())),
        }
        self._sent = found.last
        yield msgspec.json.encode(row)


class PartialDepth:
    """<symbol>@depth5, 10 or 20: the best levels, whole each time; spot events have no name and other fields."""

    def __init__(self, levels: int, segment: Segment, instrument: Instrument) -> None:
        self._segment, self._instrument, self._levels = segment, instrument, levels
        self._pace = Pace(DEPTH_STEP, turns=1)
        self._sent: int | None = None

    def frames(self, start: int, end: int) -> Iterable[bytes]:
        """The levels, when the book changed."""
        if not self._pace.due(end):
            return
        log = self._segment.books.of(self._instrument)
        book, before = log.look(), self._sent
        if book is None or log.version == before:
            return
        self._sent, unit = log.version, native(self._instrument)
        bids, asks = unit.levels(book.bids[: self._levels]), unit.levels(book.asks[: self._levels])
        if not self._segment.perp:
            yield msgspec.json.encode({"lastUpdateId": log.version, "bids": bids, "asks": asks})
            return
        row: Row = {
            "e": "depthUpdate",
            "E": end,
            "T": book.ts,
            "s": self._segment.id_of(self._instrument),
        }
        row |= {"U": log.version, "u": log.version, "pu": before or log.version - 1}
        yield msgspec.json.encode(row | {"b": bids, "a": asks})


class BestPrices:
    """<symbol>@bookTicker; on spot an event without a name."""

    def __init__(self, segment: Segment, instrument: Instrument) -> None:
        self._segment, self._instrument = segment, instrument
        self._sent: object = None

    def frames(self, start: int, end: int) -> Iterable[bytes]:
        """One event where the best prices changed."""
        log = self._segment.books.of(self._instrument)
        book = log.look()
        if book is None or not book.bids or not book.asks:
            return
        best = (book.bids[0], book.asks[0])
        if best == self._sent:
            return
        self._sent = best
        unit = native(self._instrument)
        ((bid, bid_amount),), ((ask, ask_amount),) = unit.levels(best[:1]), unit.levels(best[1:])
        row: Row = {"e": "bookTicker", "E": end, "T": book.ts} if self._segment.perp else {}
        row |= {"u": log.version, "s": self._segment.id_of(self._instrument)}
        yield msgspec.json.encode(row | {"b": bid, "B": bid_amount, "a": ask, "A": ask_amount})


class Every:
    """State sent at whole multiples of `step` ms of market time: one row an event, or all rows as one array."""

    def __init__(
        self, step: int, rows: Callable[[int], Iterable[Row]], *, as_array: bool = False
    ) -> None:
        self._step, self._rows, self._as_array = step, rows, as_array

    def frames(self, start: int, end: int) -> Iterable[bytes]:
        """The state at `end`, where a multiple lies in (start, end]."""
        if end // self._step == start // self._step:
            return
        rows = list(self._rows(end))
        if self._as_array:
            yield from [msgspec.json.encode(rows)] if rows else []
        else:
            yield from (msgspec.json.encode(row) for row in rows)


class ForcedOrders:
    """forceOrder: of each symbol and second only the largest, so sums are a lower bound."""

    def __init__(self, segment: Segment, only: Instrument | None) -> None:
        self._segment, self._only = segment, only

    def frames(self, start: int, end: int) -> Iterable[bytes]:
        """Events of the seconds that ended in (start, end]."""
        first, last = start // 1000 * 1000 - 1, end // 1000 * 1000 - 1
        if first == last:
            return
        largest: dict[tuple[str, int], Liquidation] = {}
        for each in self._segment.source.liquidations("binance", first, last):
            place = (each.instrument.key, each.ts // 1000)
            if self._only in (None, each.instrument) and (
                place not in largest or each.value > largest[place].value
            ):
                largest[place] = each
        for each in sorted(largest.values(), key=lambda found: found.ts):
            yield msgspec.json.encode({"e": "forceOrder", "E": end, "o": self._order(each)})

    def _order(self, closed: Liquidation) -> Row:
        """The closing order: a long is closed by a sale."""
        unit = native(closed.instrument)
        amount, price = unit.amount(closed.amount), unit.price(closed.price)
        return {
            "s": self._segment.id_of(closed.instrument),
            "S": "SELL" if closed.position is PositionSide.LONG else "BUY",
            "o": "LIMIT",
            "f": "IOC",
            "q": amount,
            "p": price,
            "ap": price,
            "X": "FILLED",
            "l": amount,
            "z": amount,
            "T": closed.ts,
        }


def day_event(segment: Segment, instrument: Instrument, now: int, *, mini: bool) -> Iterable[Row]:
    """24hrTicker or 24hrMiniTicker; nothing where nothing traded."""
    ticker = segment.source.ticker(instrument)
    if ticker is None:
        return
    unit = native(instrument)
    row: Row = {
        "e": "24hrMiniTicker" if mini else "24hrTicker",
        "E": now,
        "s": segment.id_of(instrument),
        "c": unit.price(ticker.last),
        "o": opening(instrument, ticker),
        "h": unit.price(ticker.high_24h),
        "l": unit.price(ticker.low_24h),
        "v": unit.amount(ticker.volume_24h),
        "q": plain(ticker.quote_volume_24h),
    }
    yield known(row if mini else row | _more(segment, instrument, ticker))


def mark_event(segment: Segment, instrument: Instrument, now: int) -> Iterable[Row]:
    """markPriceUpdate; nothing where the source has no mark price."""
    found = segment.source.funding(instrument)
    if found is None or found.mark is None:
        return
    unit = native(instrument)
    yield known(
        {
            "e": "markPriceUpdate",
            "E": now,
            "s": segment.id_of(instrument),
            "p": unit.price(found.mark),
            "i": unit.price(found.index),
            "r": plain(found.rate),
            "T": found.next_ts or 0,
        }
    )


def _more(segment: Segment, instrument: Instrument, ticker: Ticker) -> Row:
    unit = native(instrument)
    percent = None if ticker.change_24h is None else f"{ticker.change_24h * 100:.3f}"
    row: Row = {"p": change(instrument, ticker), "P": percent, "w": average(instrument, ticker)}
    if not segment.perp:
        row |= {"b": unit.price(ticker.bid), "a": unit.price(ticker.ask)}
    return row | {"C": ticker.ts}
