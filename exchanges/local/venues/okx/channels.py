"""OKX's websocket channels: messages {"arg", "data"}, of books also "action"."""

from collections.abc import Callable, Iterable
from itertools import groupby
from typing import Any

import msgspec

from exchanges.local.source import Source
from exchanges.local.venues.feeds import BookState, CandleState, Change, Channel, Pace
from exchanges.local.venues.native import native
from exchanges.local.venues.okx.rows import (
    BARS,
    book_levels,
    candle_row,
    checksum,
    family,
    funding_row,
    index_row,
    interest_row,
    liquidation_rows,
    mark_row,
    ticker_row,
    trade_rows,
)
from market.types import Instrument

Arg = dict[str, str]
ROWS_A_FRAME = 200


def message(arg: Arg, data: list[Any], action: str = "") -> bytes:
    """One push."""
    body: dict[str, Any] = {"arg": arg} | ({"action": action} if action else {}) | {"data": data}
    return msgspec.json.encode(body)


class TradesAll(Channel):
    """trades-all: every trade, with consecutive ids where the source has them."""

    def __init__(self, source: Source, instrument: Instrument) -> None:
        self._source = source
        self._instrument = instrument
        self._arg = {"channel": "trades-all", "instId": instrument.id}

    def frames(self, start: int, end: int) -> Iterable[bytes]:
        """The trades, in order."""
        rows = self._rows(start, end)
        for first in range(0, len(rows), ROWS_A_FRAME):
            yield message(self._arg, rows[first : first + ROWS_A_FRAME])

    def _rows(self, start: int, end: int) -> list[dict[str, str]]:
        return trade_rows(self._source, self._source.trades(self._instrument, start, end))


class Trades(TradesAll):
    """trades: fills of one ts, price and side in one row with the last id and their `count`."""

    def __init__(self, source: Source, instrument: Instrument) -> None:
        super().__init__(source, instrument)
        self._arg = {"channel": "trades", "instId": instrument.id}

    def _rows(self, start: int, end: int) -> list[dict[str, str]]:
        trades = self._source.trades(self._instrument, start, end)
        rows, at, units = trade_rows(self._source, trades), 0, native(self._instrument)
        merged: list[dict[str, str]] = []
        for _, group in groupby(trades, key=lambda each: (each.ts, each.price, each.side)):
            amounts = [each.amount for each in group]
            at += len(amounts)
            size = {"sz": units.amount(sum(amounts)), "count": str(len(amounts))}
            merged.append(rows[at - 1] | size)
        return merged


class Books(Channel):
    """books: 400 levels, a snapshot and then changes, chained by seqId and prevSeqId."""

    def __init__(self, source: Source, instrument: Instrument) -> None:
        self._state = BookState(source, instrument, 400)
        self._pace = Pace(100)
        self._arg = {"channel": "books", "instId": instrument.id}
        self._sequence = -1

    def opening(self, now: int) -> Iterable[bytes]:
        """The snapshot."""
        return self.frames(now, now)

    def frames(self, start: int, end: int) -> Iterable[bytes]:
        """The changes since the last message."""
        del start
        changed = self._state.change() if self._pace.due(end) else None
        if changed:
            yield self._send(changed, end)

    def _send(self, changed: Change, now: int) -> bytes:
        before = -1 if changed.whole else self._sequence
        self._sequence = now if changed.whole else self._sequence + 1
        row = {
            "asks": book_levels(changed.asks),
            "bids": book_levels(changed.bids),
            "ts": str(changed.ts),
            "checksum": checksum(self._state.bids.items(), self._state.asks.items()),
            "prevSeqId": before,
            "seqId": self._sequence,
        }
        return message(self._arg, [row], "snapshot" if changed.whole else "update")


class Top(Channel):
    """books5 and bbo-tbt: the best levels, whole each time."""

    def __init__(self, source: Source, instrument: Instrument, channel: str, depth: int) -> None:
        self._state = BookState(source, instrument, depth)
        self._instrument = instrument
        self._pace = Pace(100)
        self._arg = {"channel": channel, "instId": instrument.id}

    def opening(self, now: int) -> Iterable[bytes]:
        """The present levels."""
        return self.frames(now, now)

    def frames(self, start: int, end: int) -> Iterable[bytes]:
        """The levels, when they changed."""
        del start
        changed = self._state.change() if self._pace.due(end) else None
        if not changed:
            return
        row = {
            "asks": book_levels(self._state.asks.items()),
            "bids": book_levels(self._state.bids.items()),
            "instId": self._instrument.id,
            "ts": str(changed.ts),
            "seqId": end,
        }
        yield message(self._arg, [row])


class Row(Channel):
    """A channel that sends one row whenever it differs from the last one."""

    def __init__(self, arg: Arg, pace: Pace, row: Callable[[], dict[str, str] | None]) -> None:
        self._arg = arg
        self._pace = pace
        self._row = row
        self._sent: dict[str, str] | None = None

    def opening(self, now: int) -> Iterable[bytes]:
        """The present row."""
        return self.frames(now, now)

    def frames(self, start: int, end: int) -> Iterable[bytes]:
        """The row, when it changed."""
        del start
        row = self._row() if self._pace.due(end) else None
        if row and row != self._sent:
            self._sent = row
            yield message(self._arg, [row])


def tickers(source: Source, instrument: Instrument) -> Channel:
    """The 24 h line."""
    arg = {"channel": "tickers", "instId": instrument.id}
    return Row(arg, Pace(100, turns=4), lambda: ticker_row(source, instrument))


def open_interest(source: Source, instrument: Instrument) -> Channel:
    """Open interest, every three seconds."""

    def row() -> dict[str, str] | None:
        found = source.open_interest(instrument)
        return interest_row(found) if found else None

    return Row({"channel": "open-interest", "instId": instrument.id}, Pace(3000, turns=4), row)


def funding_rate(source: Source, instrument: Instrument) -> Channel:
    """The running rate, twice a minute."""

    def row() -> dict[str, str] | None:
        found = source.funding(instrument)
        return funding_row(found) if found else None

    return Row({"channel": "funding-rate", "instId": instrument.id}, Pace(30_000, turns=4), row)


def mark_price(source: Source, instrument: Instrument) -> Channel:
    """The mark price, five times a second."""

    def row() -> dict[str, str] | None:
        found = source.funding(instrument)
        return mark_row(found) if found and found.mark is not None else None

    return Row({"channel": "mark-price", "instId": instrument.id}, Pace(200, turns=4), row)


def index_tickers(source: Source, swap: Instrument) -> Channel:
    """The index that a swap is on, ten times a second; its id is the pair's: BTC-USDT."""

    def row() -> dict[str, str] | None:
        found = source.funding(swap)
        return index_row(found) if found and found.index is not None else None

    return Row({"channel": "index-tickers", "instId": family(swap)}, Pace(100, turns=4), row)


class Liquidations(Channel):
    """liquidation-orders: all of an instType in one subscription, once a second.

    Closes of one instrument that fall together are the `details` of one row.
    """

    def __init__(self, source: Source) -> None:
        self._source = source
        self._pace = Pace(1000)
        self._since: int | None = None
        self._arg = {"channel": "liquidation-orders", "instType": "SWAP"}

    def frames(self, start: int, end: int) -> Iterable[bytes]:
        """One message with a row an instrument."""
        since = start if self._since is None else self._since
        self._since = since
        if not self._pace.due(end):
            return
        self._since = end
        rows = liquidation_rows(self._source.liquidations("okx", since, end))
        if rows:
            yield message(self._arg, rows)


class Candles(Channel):
    """candle<bar>: the bar that forms and each as it closes, UTC-aligned bars only."""

    def __init__(self, source: Source, instrument: Instrument, channel: str) -> None:
        self._instrument = instrument
        self._state = CandleState(source, instrument, BARS[channel.removeprefix("candle")])
        self._pace = Pace(1000, turns=4)
        self._arg = {"channel": channel, "instId": instrument.id}

    def opening(self, now: int) -> Iterable[bytes]:
        """The bar that forms."""
        return self.frames(now, now)

    def frames(self, start: int, end: int) -> Iterable[bytes]:
        """What changed since the last message."""
        del start
        rows = self._state.news(end) if self._pace.due(end) else []
        if rows:
            yield message(self._arg, [candle_row(self._instrument, each) for each in rows])
