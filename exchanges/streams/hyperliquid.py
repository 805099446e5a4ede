"""Hyperliquid: trades, the context of a perp, and books that come whole. It has no public liquidations.

Ids of trades are not consecutive, and the first frame after a subscription repeats some older trades.
Limits as documented by the venue: a thousand subscriptions an address in all, 2,000 messages a minute.
"""

import re
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
    MaybeRate,
    MaybeSize,
    Price,
    Refused,
    Size,
    Time,
    Topic,
    coins_of,
    encode,
    known,
    levels,
    price_of,
)
from market.types import BookChange, Side

TYPES = {Channel.TRADES: "trades", Channel.CONTEXT: "activeAssetCtx", Channel.BOOK: "l2Book"}
CHANNELS = {name: channel for channel, name in TYPES.items()}
COIN = re.compile(r'"coin"\s*:\s*"([^"]+)"')
TYPE = re.compile(r'"type"\s*:\s*"([^"]+)"')
NO_HASH = "0x" + "0" * 64  # trades that no single transaction made
HOURLY = 1.0
BUY, SELL = Side.BUY, Side.SELL


class Row(msgspec.Struct, gc=False):
    """One trade: "B" is a taker's bid, "A" a taker's ask. Trades of one order share the transaction's hash."""

    coin: str
    side: Literal["A", "B"]
    px: Price
    sz: Amount
    time: Time
    tid: Count
    hash: str = ""


class Level(msgspec.Struct, gc=False):
    """A price of a book."""

    px: Price
    sz: Size


class Figures(msgspec.Struct, gc=False, rename="camel"):
    """The state of a perp; open interest in units of its name, funding by the hour, without a time."""

    funding: MaybeRate = None
    open_interest: MaybeSize = None
    oracle_px: MaybeSize = None
    mark_px: MaybeSize = None


class Subscription(msgspec.Struct, gc=False):
    """What was subscribed to."""

    type: str = ""
    coin: str = ""


class State(msgspec.Struct, gc=False):
    """A context, a book, or the answer to a request."""

    coin: str = ""
    time: Time | None = None
    ctx: Figures | None = None
    levels: tuple[list[Level], list[Level]] | None = None
    method: str = ""
    subscription: Subscription | None = None


class Frame(msgspec.Struct, gc=False):
    """Anything the venue sends; an error is a text."""

    channel: str
    data: list[Row] | State | str | None = None


class Rough(msgspec.Struct, gc=False):
    """A frame of which some row is broken."""

    channel: str
    data: msgspec.Raw


_FRAME = msgspec.json.Decoder(Frame, strict=False)
_ROUGH = msgspec.json.Decoder(Rough)
_ROWS = msgspec.json.Decoder(list[Row], strict=False)


class Hyperliquid(Decoder):
    """Perps and spot pairs."""

    url_key: ClassVar[str] = "hyperliquid"
    channels: ClassVar[frozenset[Channel]] = frozenset(TYPES)
    pause: ClassVar[float] = 0.031
    most: ClassVar[int] = 900  # one connection has nearly all that an address may have

    def subscribe(self, topics: Sequence[Topic]) -> list[str]:
        """One request a topic."""
        self.follow(topics)
        return self._requests("subscribe", topics)

    def unsubscribe(self, topics: Sequence[Topic]) -> list[str]:
        """One request a topic."""
        self.leave(topics)
        return self._requests("unsubscribe", topics)

    def ping(self) -> str:
        """The venue closes connections that are quiet for a minute."""
        return '{"method":"ping"}'

    def _requests(self, method: str, topics: Sequence[Topic]) -> list[str]:
        return [
            encode({"method": method, "subscription": {"type": TYPES[channel], "coin": each.id}})
            for channel, each in topics
        ]

    def _read(self, frame: bytes | str, now: int) -> list[Event]:
        try:
            found = _FRAME.decode(frame)
        except msgspec.ValidationError:
            rough = _ROUGH.decode(frame)
            if rough.channel != "trades":
                raise
            return self._traded(self._rows(rough.data, _ROWS, Row), now)
        channel, data = found.channel, found.data
        if type(data) is list and channel == "trades":
            return self._traded(data, now)
        if isinstance(data, State):
            return self._state(channel, data, now)
        if isinstance(data, str) and channel == "error":
            return self._refusal(data)
        if channel != "pong":
            self.bad += 1
        return []

    def _traded(self, rows: list[Row], now: int) -> list[Event]:
        trades, trade = self._trades, self._trade
        found: list[Event] = []
        for row in rows:
            instrument = trades.get(row.coin)
            if instrument is None:
                self.bad += 1
                continue
            order = "" if row.hash == NO_HASH else row.hash
            told = (row.time, row.px, row.sz, BUY if row.side == "B" else SELL)
            found.append(trade(instrument, told, now, str(row.tid), order))
        return found

    def _state(self, channel: str, data: State, now: int) -> list[Event]:
        if channel == "activeAssetCtx" and data.ctx is not None:
            return self._figures(data.coin, data.ctx, now)
        if channel == "l2Book" and data.levels is not None and data.time is not None:
            return self._book(data.coin, data.time, data.levels, now)
        if channel == "subscriptionResponse" and data.subscription is not None:
            return self._answer(data.method, data.subscription)
        self.bad += 1
        return []

    def _figures(self, coin: str, row: Figures, now: int) -> list[Event]:
        """A context, stamped on receipt; the oracle price is what funding is measured against."""
        instrument = self._found(self._contexts, coin)
        if instrument is None:
            return []
        mark, interest = price_of(instrument, row.mark_px), coins_of(instrument, row.open_interest)
        rate = known(row.funding)
        return self._context(
            instrument,
            now,
            now,
            mark=mark,
            index=price_of(instrument, row.oracle_px),
            rate=rate,
            interval_h=None if rate is None else HOURLY,
            interest=interest,
            interest_value=None if mark is None or interest is None else interest * mark,
        )

    def _book(
        self, coin: str, ts: int, sides: tuple[list[Level], list[Level]], now: int
    ) -> list[Event]:
        instrument = self._found(self._books, coin)
        if instrument is None:
            return []
        bids, asks = sides
        return [
            BookChange(
                instrument=instrument,
                ts=ts,
                bids=levels(instrument, [(each.px, each.sz) for each in bids]),
                asks=levels(instrument, [(each.px, each.sz) for each in asks]),
                whole=True,
                recv_ts=0 if self.local else now,
            )
        ]

    def _answer(self, method: str, told: Subscription) -> list[Event]:
        topic = self._topic(told.type, told.coin)
        return [Accepted(topic)] if method == "subscribe" and topic else []

    def _refusal(self, text: str) -> list[Event]:
        """The venue repeats the request within its text."""
        kind, coin = TYPE.search(text), COIN.search(text)
        topic = self._topic(kind.group(1), coin.group(1)) if kind and coin else None
        if topic is None or "unsubscribed" in text:
            return []
        if "Already subscribed" in text:
            return [Accepted(topic)]
        return [Refused(topic, text[:200])]

    def _topic(self, kind: str, coin: str) -> Topic | None:
        channel = CHANNELS.get(kind)
        instrument = None if channel is None else self._of[channel].get(coin)
        return None if channel is None or instrument is None else Topic(channel, instrument)
