"""Coinbase's websocket channels as feeds. Every message has a number that counts up over the connection."""

from collections.abc import Iterable
from datetime import UTC, datetime
from itertools import count

import msgspec

from exchanges.local.past_trades import trades_until
from exchanges.local.source import Source
from exchanges.local.venues.feeds import BookState, Change, Channel
from exchanges.local.venues.native import native, plain
from market.types import Instrument, Side, Trade

DEPTH = 500
BATCH = 1000  # trades a message at most
RECENT = 100  # trades of the first message

Row = dict[str, object]


class Sequence:
    """The message numbers of one connection."""

    def __init__(self) -> None:
        self._numbers = count()

    def message(self, channel: str, now: int, events: list[Row]) -> bytes:
        """One message."""
        return msgspec.json.encode(
            {
                "channel": channel,
                "client_id": "",
                "timestamp": iso(now),
                "sequence_num": next(self._numbers),
                "events": events,
            }
        )


class MarketTrades(Channel):
    """market_trades: recent trades at once, then what happened; newest first within a message."""

    def __init__(self, source: Source, instrument: Instrument, sequence: Sequence) -> None:
        self._source, self._instrument, self._sequence = source, instrument, sequence

    def opening(self, now: int) -> Iterable[bytes]:
        """The snapshot."""
        recent = trades_until(self._source, self._instrument, now, RECENT)
        yield self._message("snapshot", now, recent)

    def frames(self, start: int, end: int) -> Iterable[bytes]:
        """Updates in the order of time; one product a message."""
        found = self._source.trades(self._instrument, start, end)
        for first in range(0, len(found), BATCH):
            yield self._message("update", end, found[first : first + BATCH])

    def _message(self, kind: str, now: int, trades: list[Trade]) -> bytes:
        event: Row = {"type": kind, "trades": trade_rows(trades)}
        return self._sequence.message("market_trades", now, [event])


class Level2(Channel):
    """level2: the whole book, then levels that changed; quantity 0 removes one."""

    def __init__(self, source: Source, instrument: Instrument, sequence: Sequence) -> None:
        self._instrument, self._sequence = instrument, sequence
        self._state = BookState(source, instrument, DEPTH)

    def opening(self, now: int) -> Iterable[bytes]:
        """The snapshot."""
        return self.frames(now, now)

    def frames(self, start: int, end: int) -> Iterable[bytes]:
        """One message where something changed."""
        change = self._state.change()
        if change is not None:
            event: Row = {
                "type": "snapshot" if change.whole else "update",
                "product_id": self._instrument.id,
                "updates": _updates(change),
            }
            yield self._sequence.message("l2_data", end, [event])


class Tickers(Channel):
    """ticker (with every trade) and ticker_batch (every five seconds)."""

    def __init__(
        self, source: Source, instrument: Instrument, sequence: Sequence, *, step: int | None
    ) -> None:
        self._source, self._instrument, self._sequence = source, instrument, sequence
        self._step = step

    def opening(self, now: int) -> Iterable[bytes]:
        """The snapshot."""
        return self._message("snapshot", now)

    def frames(self, start: int, end: int) -> Iterable[bytes]:
        """The line as it stands at `end`."""
        if self._step is None:
            due = bool(self._source.trades(self._instrument, start, end))
        else:
            due = end // self._step > start // self._step
        return self._message("update", end) if due else ()

    def _message(self, kind: str, now: int) -> Iterable[bytes]:
        ticker = self._source.ticker(self._instrument)
        if ticker is None:
            return
        unit = native(self._instrument)
        percent = "" if ticker.change_24h is None else plain(ticker.change_24h * 100)
        row: Row = {
            "type": "ticker",
            "product_id": self._instrument.id,
            "price": unit.price(ticker.last),
            "volume_24_h": unit.amount(ticker.volume_24h),
            "low_24_h": unit.price(ticker.low_24h),
            "high_24_h": unit.price(ticker.high_24h),
            "price_percent_chg_24_h": percent,
            "best_bid": unit.price(ticker.bid),
            "best_ask": unit.price(ticker.ask),
        }
        channel = "ticker" if self._step is None else "ticker_batch"
        yield self._sequence.message(channel, now, [{"type": kind, "tickers": [row]}])


class Heartbeats(Channel):
    """heartbeats: a counter each second."""

    def __init__(self, sequence: Sequence) -> None:
        self._sequence = sequence
        self._beats = count(1)

    def frames(self, start: int, end: int) -> Iterable[bytes]:
        """At most one message."""
        if end // 1000 > start // 1000:
            event: Row = {"current_time": iso(end), "heartbeat_counter": str(next(self._beats))}
            yield self._sequence.message("heartbeats", end, [event])


def trade_rows(trades: list[Trade]) -> list[Row]:
    """Trades newest first. `side` is the maker's."""
    if not trades:
        return []
    unit = native(trades[0].instrument)
    rows: list[Row] = [
        {
            "trade_id": each.id,
            "product_id": each.instrument.id,
            "price": unit.price(each.price),
            "size": unit.amount(each.amount),
            "side": "SELL" if each.side is Side.BUY else "BUY",
            "time": iso(each.ts),
        }
        for each in trades
    ]
    return rows[::-1]


def iso(ts: int) -> str:
    """Market ms as Coinbase writes a time."""
    return datetime.fromtimestamp(ts / 1000, UTC).isoformat(timespec="milliseconds")[:23] + "Z"


def _updates(change: Change) -> list[Row]:
    return [
        {"side": side, "event_time": iso(change.ts), "price_level": price, "new_quantity": amount}
        for side, rows in (("bid", change.bids), ("offer", change.asks))
        for price, amount in rows
    ]
