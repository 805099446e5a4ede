"""What every venue's decoder does: knows its instruments by id, counts what it cannot read, never raises."""

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, ClassVar, NamedTuple, TypeVar

import msgspec

from exchanges.wire import coin_price
from market.clock import Clock
from market.types import BookChange, Context, Instrument, Liquidation, Side, Trade

Row = TypeVar("Row", bound=msgspec.Struct)
_RAWS = msgspec.json.Decoder(list[msgspec.Raw])


class Channel(StrEnum):
    """What can be subscribed to for an instrument; also the name of the feed in the ledger of gaps."""

    TRADES = "trades"
    LIQUIDATIONS = "liquidations"
    CONTEXT = "context"  # mark, index, funding, open interest: whatever of them the venue streams
    BOOK = "books"


class Topic(NamedTuple):
    """One subscription."""

    channel: Channel
    instrument: Instrument

    @property
    def key(self) -> str:
        """A stable text: `trades|binance:BTC/USDT:USDT`."""
        return f"{self.channel}|{self.instrument.key}"


@dataclass(frozen=True, slots=True)
class Accepted:
    """The venue confirmed a subscription: what happens from now on will arrive."""

    topic: Topic


@dataclass(frozen=True, slots=True)
class Refused:
    """The venue does not serve a topic."""

    topic: Topic
    reason: str


News = Trade | Liquidation | Context | BookChange
Event = News | Accepted | Refused


class Decoder(ABC):
    """One socket's protocol. Prices leave per coin, amounts in coins, sides are the taker's.

    Each request of `subscribe` and `unsubscribe` is one message to send, `pause` seconds apart.
    """

    url_key: ClassVar[str]  # the address in Endpoints.streams
    path: ClassVar[str] = ""  # what the address has after it
    channels: ClassVar[frozenset[Channel]] = frozenset({Channel.TRADES})  # what this socket serves
    spot: ClassVar[bool] = True  # whether it serves spot markets
    perp: ClassVar[bool] = True  # whether it serves perps
    pause: ClassVar[float] = 0.05
    most: ClassVar[int] = 200  # topics in one connection
    lifetime: ClassVar[float | None] = None  # wall seconds after which the venue ends a connection

    def __init__(self, clock: Clock) -> None:
        self.local = False  # a market on this machine: its clock may be ahead of ours for a moment
        self.bad = 0  # frames and rows that could not be read, or were of nobody's instrument
        self._clock = clock
        self._by_id: dict[str, Instrument] = {}

    def know(self, instruments: Sequence[Instrument]) -> None:
        """Read what is of these from now on."""
        self._by_id |= {each.id: each for each in instruments}

    def forget(self, instruments: Sequence[Instrument]) -> None:
        """Read nothing more of these."""
        for each in instruments:
            self._by_id.pop(each.id, None)

    def renew(self) -> None:
        """A new connection: nothing is awaited from the old one."""
        return

    def opening(self) -> list[str]:
        """What is sent once on each new connection."""
        return []

    @abstractmethod
    def subscribe(self, topics: Sequence[Topic]) -> list[str]:
        """The requests that start these topics."""

    @abstractmethod
    def unsubscribe(self, topics: Sequence[Topic]) -> list[str]:
        """The requests that end them."""

    def ping(self) -> str | None:
        """A request that the venue answers whenever it is alive; None where it speaks by itself."""
        return None

    def decode(self, frame: bytes | str) -> list[Event]:
        """What a frame says, in order; a frame or row that makes no sense is counted and dropped."""
        try:
            return self._read(frame)
        except (
            msgspec.MsgspecError,
            ValueError,
            OverflowError,
        ):  # UnicodeDecodeError is a ValueError
            self.bad += 1
            return []

    @abstractmethod
    def _read(self, frame: bytes | str) -> list[Event]:
        """As `decode`; may raise MsgspecError or ValueError for the whole frame."""

    def _rows(
        self, raw: msgspec.Raw, whole: msgspec.json.Decoder[list[Row]], shape: type[Row]
    ) -> list[Row]:
        """The rows of a frame; where one is broken the others still count."""
        try:
            return whole.decode(raw)
        except msgspec.ValidationError:
            good: list[Row] = []
            for each in _RAWS.decode(raw):
                try:
                    good.append(msgspec.json.decode(each, type=shape, strict=False))
                except msgspec.MsgspecError:
                    self.bad += 1
            return good

    def _trade(
        self, id_: str, ts: int, price: float, amount: float, side: Side | None, received: int,
        trade_id: str, order: str = "", seq: int | None = None,
    ) -> list[Event]:  # fmt: skip
        """One trade as the venue counts it, as ours; empty where it makes no sense."""
        instrument = self._by_id.get(id_)
        if (
            instrument is None
            or side is None
            or ts <= 0
            or not (0.0 < price < math.inf and 0.0 < amount < math.inf)
        ):
            self.bad += 1
            return []
        return [
            Trade(
                instrument=instrument,
                ts=ts,
                price=price if instrument.multiplier == 1.0 else coin_price(instrument, price),
                amount=amount * instrument.contract_size,
                side=side,
                id=trade_id,
                order=order,
                recv_ts=0 if self.local else received,
                seq=seq,
            )
        ]


def encode(message: dict[str, Any]) -> str:
    """A request as text."""
    return msgspec.json.encode(message).decode()
