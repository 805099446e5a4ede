"""Binance's combined streams. USD-M futures are split by category: books are "public", the rest is "market".

Limits as documented by the venue: a connection ends after 24 h, USD-M takes ten messages a second (spot
five, pings included) and carried 200 streams a connection before it was raised to 1,024; the older, smaller
figures are kept.
"""

from collections import defaultdict
from collections.abc import Sequence
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
    Size,
    Taken,
    Time,
    Topic,
    encode,
    known,
    levels,
    price_of,
)
from exchanges.wire import coin_price
from market.clock import Clock
from market.types import BookChange, PositionSide, Side, Trade

BATCH = 100  # streams in one request
FEW = 3  # frames; fewer are read one by one
DAY_SECONDS = 24 * 3600.0
STREAMS = {
    Channel.TRADES: "aggTrade",
    Channel.LIQUIDATIONS: "forceOrder",
    Channel.CONTEXT: "markPrice@1s",
    Channel.BOOK: "depth@100ms",
}
BUY, SELL = Side.BUY, Side.SELL


class AggTrade(msgspec.Struct, gc=False, tag_field="e", tag="aggTrade"):
    """Fills of one taker order at one price. `m`: the buyer was the maker, so the taker sold."""

    s: str  # in the order in which the venue writes them, which is quickest
    a: Count
    p: Price
    q: Amount
    T: Time
    m: bool


class Order(msgspec.Struct, gc=False):
    """The order that closed a position: `z` of `q` filled at `ap` on average, its limit was `p`."""

    s: str
    S: Literal["BUY", "SELL"]
    T: Time
    q: Size | None = None
    p: Size | None = None
    ap: Size | None = None
    l: Size | None = None  # noqa: E741 - the venue's name
    z: Size | None = None


class ForceOrder(msgspec.Struct, gc=False, tag_field="e", tag="forceOrder"):
    """A forced close."""

    o: Order


class MarkPrice(msgspec.Struct, gc=False, tag_field="e", tag="markPriceUpdate"):
    """Mark, index, and the rate that is paid at `T`, as it stands now."""

    E: Time
    s: str
    p: MaybeSize = None
    i: MaybeSize = None
    r: MaybeRate = None
    T: MaybeTime = None


class Depth(msgspec.Struct, gc=False, tag_field="e", tag="depthUpdate"):
    """Levels that changed; spot has neither `T` nor `pu`."""

    E: Time
    s: str
    U: Count
    u: Count
    b: Levels
    a: Levels
    T: Time | None = None
    pu: int | None = None


News = AggTrade | Depth | MarkPrice | ForceOrder


class Frame(msgspec.Struct, gc=False):
    """An event of a stream, or the answer to a request."""

    data: News | None = None
    id: int | None = None
    error: msgspec.Raw = msgspec.Raw()


class Other(msgspec.Struct, gc=False, tag_field="e", tag="markPriceUpdate"):
    """What is no trade, passed over where only trades are read."""


class OtherForced(Other, tag="forceOrder"):
    """As `Other`."""


class OtherDepth(Other, tag="depthUpdate"):
    """As `Other`."""


class Envelope(msgspec.Struct, gc=False):
    """A frame of which only a trade is read."""

    data: AggTrade | Other | OtherForced | OtherDepth | None = None


_MANY = msgspec.json.Decoder(list[Envelope], strict=False)
_FRAME = msgspec.json.Decoder(Frame, strict=False)
_BARE = msgspec.json.Decoder(News, strict=False)


class _Binance(Decoder):
    """What the sockets share. `a` of trades counts up by one for each symbol."""

    pause: ClassVar[float] = 0.25
    most: ClassVar[int] = 200
    lifetime: ClassVar[float | None] = DAY_SECONDS

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock)
        self._number = 0
        self._asked: dict[int, list[Topic]] = {}

    def renew(self) -> None:
        """Forget requests that were never answered."""
        self._asked.clear()

    def subscribe(self, topics: Sequence[Topic]) -> list[str]:
        """A hundred streams a request."""
        self.follow(topics)
        requests = []
        for part in [topics[i : i + BATCH] for i in range(0, len(topics), BATCH)]:
            requests.append(self._request("SUBSCRIBE", part))
            self._asked[self._number] = list(part)
        return requests

    def unsubscribe(self, topics: Sequence[Topic]) -> list[str]:
        """A hundred streams a request."""
        self.leave(topics)
        parts = [topics[i : i + BATCH] for i in range(0, len(topics), BATCH)]
        return [self._request("UNSUBSCRIBE", part) for part in parts]

    def ping(self) -> str:
        """A question; the venue's own pings are not seen by who reads the frames."""
        self._number += 1
        return encode({"method": "LIST_SUBSCRIPTIONS", "id": self._number})

    def _request(self, method: str, topics: Sequence[Topic]) -> str:
        self._number += 1
        names = [f"{each.id.lower()}@{STREAMS[channel]}" for channel, each in topics]
        return encode({"method": method, "params": names, "id": self._number})

    def _read(self, frame: bytes | str, now: int) -> list[Event]:
        found = _FRAME.decode(frame)
        row = found.data
        if row is None:
            if found.id is not None:
                return self._answer(found.id, bytes(found.error))
            row = _BARE.decode(frame)  # an address without "stream" sends events without envelopes
        if type(row) is not AggTrade:
            return self._state(row, now)
        if row.s not in self._trades:
            self.bad += 1
            return []
        return list(self._traded((row,), now))

    def trades(self, frames: Sequence[bytes], received: int) -> Taken | None:
        """One call for all frames: half of what each of them alone would cost.

        One broken frame, one of nobody's symbol or without an envelope, and each is read by itself.
        """
        if len(frames) < FEW:
            return None
        first, *rest, last = frames  # one copy: brackets around what was joined would cost two more
        try:
            found = _MANY.decode(b",".join((b"[" + first, *rest, last + b"]")))
        except (msgspec.MsgspecError, ValueError, OverflowError, RecursionError):
            return None
        if len(found) != len(frames):
            return None
        rows: defaultdict[str, list[AggTrade]] = defaultdict(list)
        others: list[Envelope] = []
        for frame in found:
            row = frame.data
            if type(row) is AggTrade:
                rows[row.s].append(row)
            else:
                others.append(frame)
        if any(each.data is None for each in others) or not rows.keys() <= self._trades.keys():
            return None
        left = (
            [
                message
                for message, frame in zip(frames, found, strict=True)
                if type(frame.data) is not AggTrade
            ]
            if others
            else []
        )
        return {id_: self._traded(each, received) for id_, each in rows.items()}, left

    def _traded(self, rows: Sequence[AggTrade], now: int) -> list[Trade]:
        """Trades of one instrument."""
        instrument = self._trades[rows[0].s]
        multiplier, size = instrument.multiplier, instrument.contract_size
        received = 0 if self.local else now
        return [
            Trade(
                instrument=instrument,
                ts=row.T,
                price=row.p if multiplier == 1.0 else coin_price(instrument, row.p),
                amount=row.q * size,
                side=SELL if row.m else BUY,
                id=str(row.a),
                recv_ts=received,
                seq=row.a,
            )
            for row in rows
        ]

    def _state(self, row: News, now: int) -> list[Event]:
        if isinstance(row, Depth):
            return self._book(row, now)
        if isinstance(row, MarkPrice):
            return self._mark(row, now)
        return self._forced(row.o, now) if isinstance(row, ForceOrder) else []

    def _book(self, row: Depth, now: int) -> list[Event]:
        """A message with one bad level is left out whole: the hole in the numbers then tells."""
        instrument = self._found(self._books, row.s)
        if instrument is None:
            return []
        return [
            BookChange(
                instrument=instrument,
                ts=row.T or row.E,
                bids=levels(instrument, row.b),
                asks=levels(instrument, row.a),
                first=row.U,
                last=row.u,
                before=row.pu,
                recv_ts=0 if self.local else now,
            )
        ]

    def _mark(self, row: MarkPrice, now: int) -> list[Event]:
        instrument = self._found(self._contexts, row.s)
        if instrument is None:
            return []
        return self._context(
            instrument,
            row.E,
            now,
            mark=price_of(instrument, row.p),
            index=price_of(instrument, row.i),
            rate=known(row.r),
            next_ts=row.T or None,
        )

    def _forced(self, row: Order, now: int) -> list[Event]:
        """A sale closed a long. What was filled counts, at what it was filled at.

        The venue shows at most one order a symbol a second: the sums are a floor, and the time with the side
        names an order, so that overlapping connections bring it once.
        """
        instrument = self._found(self._liquidations, row.s)
        if instrument is None:
            return []
        amount = next((each for each in (row.z, row.l, row.q) if each is not None), 0.0)
        price = row.ap or row.p
        if not amount or not price:
            self.bad += 1
            return []
        position = PositionSide.LONG if row.S == "SELL" else PositionSide.SHORT
        told = (row.T, price, amount, position)
        return [self._liquidation(instrument, told, now, sample=True, id_=f"{row.T}{row.S}")]

    def _answer(self, number: int, error: bytes) -> list[Event]:
        asked = self._asked.pop(number, [])
        if error and error != b"null":
            return [Refused(each, error.decode()[:200]) for each in asked]
        return [Accepted(each) for each in asked]


class BinancePerps(_Binance):
    """USD-M futures but for their books."""

    url_key: ClassVar[str] = "binance.perp"
    path: ClassVar[str] = "/market/stream"
    channels: ClassVar[frozenset[Channel]] = frozenset(
        {Channel.TRADES, Channel.LIQUIDATIONS, Channel.CONTEXT}
    )
    spot: ClassVar[bool] = False


class BinanceBooks(_Binance):
    """The books of USD-M futures."""

    url_key: ClassVar[str] = "binance.perp"
    path: ClassVar[str] = "/public/stream"
    channels: ClassVar[frozenset[Channel]] = frozenset({Channel.BOOK})
    spot: ClassVar[bool] = False


class BinanceSpot(_Binance):
    """The spot market, where streams have one category."""

    url_key: ClassVar[str] = "binance.spot"
    path: ClassVar[str] = "/stream"
    channels: ClassVar[frozenset[Channel]] = frozenset({Channel.TRADES, Channel.BOOK})
    perp: ClassVar[bool] = False
