"""The tables of a recording that is being written: columns of each, and events as their rows.

Beside the event's own time every row carries `recv_ts`, when it was received. What an event does not say is
null; a funding rate whose interval nobody told yet is left out, as it could not be read.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import pyarrow as pa

from market.types import Context, Gap, Instrument, Liquidation, OrderBook, Trade

_WHAT = [("ts", pa.int64()), ("exchange", pa.string()), ("symbol", pa.string())]
_SIDE = pa.list_(pa.list_(pa.float64()))
SCHEMAS: Mapping[str, pa.Schema] = {
    "trades": pa.schema([
        *_WHAT, ("price", pa.float64()), ("amount", pa.float64()), ("side", pa.string()),
        ("id", pa.string()), ("order", pa.string()), ("seq", pa.int64()), ("recv_ts", pa.int64()),
    ]),
    "liquidations": pa.schema([
        *_WHAT, ("price", pa.float64()), ("amount", pa.float64()), ("position", pa.string()),
        ("sample", pa.bool_()), ("id", pa.string()), ("recv_ts", pa.int64()),
    ]),
    "open_interest": pa.schema([
        *_WHAT, ("amount", pa.float64()), ("value_usd", pa.float64()), ("recv_ts", pa.int64()),
    ]),
    "funding": pa.schema([
        *_WHAT, ("rate", pa.float64()), ("interval_h", pa.float64()), ("predicted", pa.float64()),
        ("next_ts", pa.int64()), ("recv_ts", pa.int64()),
    ]),
    "mark": pa.schema([
        *_WHAT, ("mark", pa.float64()), ("index", pa.float64()), ("recv_ts", pa.int64()),
    ]),
    "books": pa.schema([*_WHAT, ("bids", _SIDE), ("asks", _SIDE), ("recv_ts", pa.int64())]),
    "gaps": pa.schema([
        ("table", pa.string()), ("exchange", pa.string()), ("symbol", pa.string()),
        ("from_ts", pa.int64()), ("to_ts", pa.int64()),
    ]),
}  # fmt: skip
Row = tuple[Any, ...]
Rows = dict[str, list[Row]]


class RowMaker:
    """Turns events into rows; remembers how long the funding intervals are."""

    def __init__(self, tables: Iterable[str]) -> None:
        self._tables = frozenset(tables)
        self._intervals: dict[str, float] = {}
        self._makers: Mapping[type[Any], Callable[[Any, int], Iterable[tuple[str, Row]]]] = {
            Trade: _trade,
            Liquidation: _liquidation,
            OrderBook: _book,
            Gap: _gap,
            Context: self._context,
        }

    def rows(self, events: Iterable[tuple[Any, int]]) -> Rows:
        """The rows of (event, received at) by table; what no table is kept of is left out."""
        found: Rows = {}
        for event, received in events:
            make = self._makers.get(type(event))
            for table, row in make(event, received) if make else ():
                if table in self._tables:
                    found.setdefault(table, []).append(row)
        return found

    def _context(self, event: Context, received: int) -> Iterable[tuple[str, Row]]:
        key = event.instrument.key
        if event.interval_h is not None:
            self._intervals[key] = event.interval_h
        what, at = _what(event.instrument, event.ts), event.recv_ts or received
        if event.interest is not None:
            yield "open_interest", (*what, event.interest, event.interest_value, at)
        hours = self._intervals.get(key)
        if event.rate is not None and hours is not None:
            yield "funding", (*what, event.rate, hours, event.predicted, event.next_ts, at)
        if event.mark is not None:
            yield "mark", (*what, event.mark, event.index, at)


def batch(table: str, rows: Sequence[Row]) -> pa.RecordBatch:
    """Rows as columns."""
    schema = SCHEMAS[table]
    columns = [
        pa.array(column, type=field.type)
        for column, field in zip(zip(*rows, strict=True), schema, strict=True)
    ]
    return pa.record_batch(columns, schema=schema)


def _what(instrument: Instrument, ts: int) -> tuple[int, str, str]:
    return ts, instrument.exchange, instrument.symbol


def _trade(one: Trade, received: int) -> Iterable[tuple[str, Row]]:
    figures = (one.price, one.amount, str(one.side), one.id or None, one.order or None, one.seq)
    yield "trades", (*_what(one.instrument, one.ts), *figures, one.recv_ts or received)


def _liquidation(one: Liquidation, received: int) -> Iterable[tuple[str, Row]]:
    figures = (one.price, one.amount, str(one.position), one.sample, one.id or None)
    yield "liquidations", (*_what(one.instrument, one.ts), *figures, one.recv_ts or received)


def _book(one: OrderBook, received: int) -> Iterable[tuple[str, Row]]:
    yield "books", (*_what(one.instrument, one.ts), list(one.bids), list(one.asks), received)


def _gap(one: Gap, _received: int) -> Iterable[tuple[str, Row]]:
    yield "gaps", (one.table, one.exchange, one.symbol, one.from_ts, one.to_ts)
