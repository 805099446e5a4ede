"""Bybit's public sockets of linear contracts and of spot.

Ids of trades are not consecutive. Limits as documented by the venue: the topics of a connection may have
21,000 characters in all, ten of them fit one request of the spot socket.
"""

from collections.abc import Sequence
from itertools import groupby
from typing import ClassVar, Literal

import msgspec

from exchanges.streams.decoder import (
    Accepted,
    Amount,
    Channel,
    Count,
    Decoder,
    Event,
    Levels,
    MaybeRate,
    MaybeSize,
    MaybeTime,
    Price,
    Refused,
    Time,
    Topic,
    coins_of,
    encode,
    known,
    levels,
    price_of,
)
from market.clock import Clock
from market.types import BookChange, Instrument, PositionSide, Side

TOPICS = {
    Channel.TRADES: "publicTrade.",
    Channel.LIQUIDATIONS: "allLiquidation.",
    Channel.CONTEXT: "tickers.",
    Channel.BOOK: "orderbook.200.",
}
FIRST = 1  # `u` of the snapshot after the venue's service began anew
BUY, SELL = Side.BUY, Side.SELL


class Row(msgspec.Struct, gc=False):
    """A trade, where `S` is the taker's side, or a liquidation, where it is what was held."""

    T: Time
    s: str
    S: Literal["Buy", "Sell"]
    v: Amount
    p: Price
    i: str = ""
    BT: bool = False  # a block trade, agreed off the book


class State(msgspec.Struct, gc=False):
    """A ticker, of which a delta carries what changed, or levels of a book."""

    symbol: str = ""
    markPrice: MaybeSize = None  # noqa: N815 - the venue's names
    indexPrice: MaybeSize = None  # noqa: N815
    openInterest: MaybeSize = None  # noqa: N815
    openInterestValue: MaybeSize = None  # noqa: N815
    fundingRate: MaybeRate = None  # noqa: N815
    nextFundingTime: MaybeTime = None  # noqa: N815
    fundingIntervalHour: MaybeSize = None  # noqa: N815
    s: str = ""
    b: Levels = ()
    a: Levels = ()
    u: Count | None = None


class Frame(msgspec.Struct, gc=False):
    """Data of a topic, or the answer to a request."""

    topic: str = ""
    type: str = ""
    ts: Time | None = None
    data: list[Row] | State | None = None
    cts: Time | None = None
    op: str = ""
    success: bool = True
    ret_msg: str = ""
    req_id: str = ""


class Rough(msgspec.Struct, gc=False):
    """A frame of which some row is broken."""

    topic: str
    data: msgspec.Raw


_FRAME = msgspec.json.Decoder(Frame, strict=False)
_ROUGH = msgspec.json.Decoder(Rough)
_ROWS = msgspec.json.Decoder(list[Row], strict=False)


class _Bybit(Decoder):
    """What the sockets share. The topics of one instrument are one request: a wrong one fails all of it."""

    most: ClassVar[int] = 500  # of at most 40 characters

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock)
        self._number = 0
        self._asked: dict[str, list[Topic]] = {}

    def renew(self) -> None:
        """Forget requests that were never answered."""
        self._asked.clear()

    def subscribe(self, topics: Sequence[Topic]) -> list[str]:
        """One request an instrument."""
        self.follow(topics)
        requests = []
        for part in _by_instrument(topics):
            requests.append(self._request("subscribe", part))
            self._asked[str(self._number)] = part
        return requests

    def unsubscribe(self, topics: Sequence[Topic]) -> list[str]:
        """One request an instrument."""
        self.leave(topics)
        return [self._request("unsubscribe", part) for part in _by_instrument(topics)]

    def ping(self) -> str:
        """The venue closes connections without pings."""
        return '{"op":"ping"}'

    def _request(self, op: str, topics: Sequence[Topic]) -> str:
        self._number += 1
        names = [TOPICS[channel] + each.id for channel, each in topics]
        return encode({"op": op, "args": names, "req_id": str(self._number)})

    def _read(self, frame: bytes | str, now: int) -> list[Event]:
        try:
            found = _FRAME.decode(frame)
        except msgspec.ValidationError:
            rough = _ROUGH.decode(frame)
            return self._listed(rough.topic, self._rows(rough.data, _ROWS, Row), now)
        data = found.data
        if type(data) is list:
            return self._listed(found.topic, data, now)
        if isinstance(data, State):
            return self._state(found, data, now)
        if found.op:
            return self._answer(found)
        self.bad += 1
        return []

    def _listed(self, topic: str, rows: list[Row], now: int) -> list[Event]:
        if topic.startswith("publicTrade."):
            return self._traded(rows, now)
        if topic.startswith("allLiquidation."):
            return self._forced(rows, now)
        self.bad += 1
        return []

    def _traded(self, rows: list[Row], now: int) -> list[Event]:
        trades, trade = self._trades, self._trade
        found: list[Event] = []
        for row in rows:
            instrument = trades.get(row.s)
            if instrument is None:
                self.bad += 1
            elif row.BT:
                self.blocks += 1
            else:
                side = BUY if row.S == "Buy" else SELL
                found.append(trade(instrument, (row.T, row.p, row.v, side), now, row.i))
        return found

    def _forced(self, rows: list[Row], now: int) -> list[Event]:
        """Every close there was; `S` is the position, so "Buy" is a long. Its price is that of bankruptcy."""
        found: list[Event] = []
        for row in rows:
            instrument = self._found(self._liquidations, row.s)
            if instrument is not None:
                position = PositionSide.LONG if row.S == "Buy" else PositionSide.SHORT
                told = (row.T, row.p, row.v, position)
                found.append(self._liquidation(instrument, told, now, sample=False))
        return found

    def _state(self, frame: Frame, data: State, now: int) -> list[Event]:
        if frame.ts is None:
            self.bad += 1
            return []
        if frame.topic.startswith("tickers."):
            instrument = self._found(self._contexts, data.symbol)
            return [] if instrument is None else self._ticker(instrument, frame.ts, data, now)
        if frame.topic.startswith("orderbook."):
            instrument = self._found(self._books, data.s)
            return [] if instrument is None else self._book(instrument, frame, data, now)
        self.bad += 1
        return []

    def _ticker(self, instrument: Instrument, ts: int, row: State, now: int) -> list[Event]:
        """A value of 0 beside interest that is not 0 stands for a value that is not known."""
        interest, value = coins_of(instrument, row.openInterest), known(row.openInterestValue)
        return self._context(
            instrument,
            ts,
            now,
            mark=price_of(instrument, row.markPrice),
            index=price_of(instrument, row.indexPrice),
            rate=known(row.fundingRate),
            interval_h=known(row.fundingIntervalHour) or None,
            next_ts=row.nextFundingTime or None,
            interest=interest,
            interest_value=value if value or interest == 0.0 else None,
        )

    def _book(self, instrument: Instrument, frame: Frame, row: State, now: int) -> list[Event]:
        """`u` counts the messages of a book. One bad level leaves out the message, and the hole tells."""
        if row.u is None or frame.type not in ("snapshot", "delta"):
            self.bad += 1
            return []
        whole = frame.type == "snapshot" or row.u == FIRST
        return [
            BookChange(
                instrument=instrument,
                ts=frame.cts or frame.ts or now,
                bids=levels(instrument, row.b),
                asks=levels(instrument, row.a),
                whole=whole,
                first=row.u,
                last=row.u,
                before=None if whole else row.u - 1,
                recv_ts=0 if self.local else now,
            )
        ]

    def _answer(self, frame: Frame) -> list[Event]:
        asked = self._asked.pop(frame.req_id, []) if frame.op == "subscribe" else []
        if frame.success:
            return [Accepted(each) for each in asked]
        return [Refused(each, frame.ret_msg[:200]) for each in asked]


def _by_instrument(topics: Sequence[Topic]) -> list[list[Topic]]:
    ordered = sorted(topics, key=lambda topic: topic.instrument.key)
    return [list(part) for _, part in groupby(ordered, key=lambda topic: topic.instrument.key)]


class BybitPerps(_Bybit):
    """Linear contracts."""

    url_key: ClassVar[str] = "bybit.perp"
    channels: ClassVar[frozenset[Channel]] = frozenset(Channel)
    spot: ClassVar[bool] = False


class BybitSpot(_Bybit):
    """The spot market."""

    url_key: ClassVar[str] = "bybit.spot"
    channels: ClassVar[frozenset[Channel]] = frozenset({Channel.TRADES, Channel.BOOK})
    perp: ClassVar[bool] = False
