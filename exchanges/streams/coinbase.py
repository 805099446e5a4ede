"""Coinbase Advanced Trade: `market_trades`. A trade's `side` is the MAKER's: a maker's sale is a taker's buy.

The documentation does not say that ids of trades are consecutive, so they are not taken as such; but every
message of a connection has a number, and what is missing between two of them is counted. Limits as
documented by the venue: eight messages a second and address without a key.
"""

from collections.abc import Sequence
from typing import ClassVar, Literal

import msgspec

from exchanges.payloads.coinbase import moment
from exchanges.streams.decoder import (
    Accepted,
    Amount,
    Channel,
    Decoder,
    Event,
    Price,
    Refused,
    Topic,
    encode,
)
from market.clock import Clock
from market.types import Instrument, Side

ABSENT = 1000  # numbers of messages that are remembered because they may come late
UTC_ENDS = ("Z", "+00:00")


class Row(msgspec.Struct, gc=False):
    """One trade; `side` is the maker's."""

    trade_id: str
    product_id: str
    price: Price
    size: Amount
    time: str
    side: Literal["BUY", "SELL"]


class News(msgspec.Struct, gc=False):
    """Trades of the last 250 ms, newest first (the first message holds some from before), or all
    subscriptions of the connection: products by channel.
    """

    trades: list[Row] | None = None
    subscriptions: dict[str, list[str]] | None = None


class Frame(msgspec.Struct, gc=False):
    """A channel with its events, or an error."""

    channel: str = ""
    sequence_num: int | None = None
    events: list[News] | None = None
    type: str = ""
    message: str = ""


class RoughNews(msgspec.Struct, gc=False):
    """An event of which some row is broken."""

    trades: msgspec.Raw


class Rough(msgspec.Struct, gc=False):
    """A frame with such events."""

    channel: str
    events: list[RoughNews]
    sequence_num: int | None = None


_FRAME = msgspec.json.Decoder(Frame, strict=False)
_ROUGH = msgspec.json.Decoder(Rough)
_ROWS = msgspec.json.Decoder(list[Row], strict=False)


class Coinbase(Decoder):
    """Spot. One product a request, as a wrong one fails all of its request."""

    url_key: ClassVar[str] = "coinbase"
    perp: ClassVar[bool] = False
    pause: ClassVar[float] = 0.15

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock)
        self._asked: dict[str, Instrument] = {}
        self._next: int | None = None  # the number of the message that must follow
        self._absent: set[int] = set()  # numbers that were skipped

    def renew(self) -> None:
        """Forget requests that were never answered; numbers begin anew."""
        self._asked.clear()
        self._absent.clear()
        self._next = None

    def opening(self) -> list[str]:
        """A beat each second, which keeps a quiet connection open and shows that it lives."""
        return [encode({"type": "subscribe", "channel": "heartbeats"})]

    def subscribe(self, topics: Sequence[Topic]) -> list[str]:
        """One request an instrument."""
        self.follow(topics)
        self._asked |= {each.id: each for _, each in topics}
        return [self._request("subscribe", each) for _, each in topics]

    def unsubscribe(self, topics: Sequence[Topic]) -> list[str]:
        """One request an instrument."""
        self.leave(topics)
        for _, each in topics:
            self._asked.pop(each.id, None)
        return [self._request("unsubscribe", each) for _, each in topics]

    def _request(self, kind: str, instrument: Instrument) -> str:
        return encode({"type": kind, "channel": "market_trades", "product_ids": [instrument.id]})

    def _read(self, frame: bytes | str, now: int) -> list[Event]:
        try:
            found = _FRAME.decode(frame)
        except msgspec.ValidationError:
            return self._mended(frame, now)
        self._count(found.sequence_num)
        if found.type == "error":
            return self._refusal(found.message)
        match found.channel:
            case "market_trades" if found.events is not None:
                rows = [each.trades for each in found.events]
                self.bad += rows.count(None)
                return [event for each in rows if each for event in self._traded(each, now)]
            case "subscriptions" if found.events is not None:
                return self._answer(found.events)
            case "heartbeats":
                return []
        self.bad += 1
        return []

    def _mended(self, frame: bytes | str, now: int) -> list[Event]:
        """Trades of a frame of which some row is broken."""
        rough = _ROUGH.decode(frame)
        self._count(rough.sequence_num)
        if rough.channel != "market_trades":
            raise ValueError("no trades")
        rows = [self._rows(each.trades, _ROWS, Row) for each in rough.events]
        return [event for each in rows for event in self._traded(each, now)]

    def _count(self, number: int | None) -> None:
        """Notice messages that did not come; one that is late after all is not missed any more."""
        if number is None:
            return
        if self._next is None or number >= self._next:
            if self._next is not None and number > self._next:
                self.missed += number - self._next
                self._absent |= set(range(max(self._next, number - ABSENT), number))
            self._next = number + 1
        elif number in self._absent:
            self._absent.discard(number)
            self.missed -= 1
        if len(self._absent) > ABSENT:
            self._absent.clear()

    def _traded(self, rows: list[Row], now: int) -> list[Event]:
        found: list[Event] = []
        for row in reversed(rows):
            instrument = self._found(self._trades, row.product_id)
            if instrument is None:
                continue
            ts = _time(row.time)
            if ts is None:
                self.bad += 1
                continue
            side = Side.BUY if row.side == "SELL" else Side.SELL
            found.append(
                self._trade(instrument, (ts, row.price, row.size, side), now, row.trade_id)
            )
        return found

    def _answer(self, answers: list[News]) -> list[Event]:
        """Every answer lists all products; those not yet reported are the news."""
        found: list[Event] = []
        for answer in answers:
            for id_ in (answer.subscriptions or {}).get("market_trades", ()):
                instrument = self._asked.pop(id_, None)
                found += [Accepted(Topic(Channel.TRADES, instrument))] if instrument else []
        return found

    def _refusal(self, text: str) -> list[Event]:
        """An error tells its product only in its text, where it tells it at all."""
        named = [self._asked.pop(id_) for id_ in text.split() if id_ in self._asked]
        return [Refused(Topic(Channel.TRADES, each), text[:200]) for each in named]


def _time(text: str) -> int | None:
    """Ms of a time in UTC; None for what is none."""
    if not text.endswith(UTC_ENDS):
        return None
    try:
        ts = moment(text)
    except (ValueError, OverflowError):
        return None
    return ts if ts > 0 else None
