"""What every venue's decoder does: knows its instruments by id, counts what it cannot read, never raises."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any, ClassVar, Literal, NamedTuple, TypeVar

import msgspec
from msgspec import Meta

from exchanges.wire import coin_price
from market.clock import Clock
from market.types import (
    BookChange,
    Context,
    Instrument,
    Liquidation,
    PositionSide,
    Side,
    Trade,
)

Row = TypeVar("Row", bound=msgspec.Struct)
_RAWS = msgspec.json.Decoder(list[msgspec.Raw])

# What a venue may say. The bounds are checked while the text is read, so a zero, a NaN or a number of a
# thousand digits is refused there; they leave room for a step of one contract or multiplier to coins.
Price = Annotated[float, Meta(ge=1e-30, lt=1e30)]
Amount = Annotated[float, Meta(ge=1e-30, lt=1e30)]
Size = Annotated[float, Meta(ge=0.0, lt=1e30)]  # of a level: 0 is none
Rate = Annotated[float, Meta(gt=-10.0, lt=10.0)]  # funding of one interval, a fraction
Time = Annotated[int, Meta(gt=0, lt=10**14)]  # ms
Count = Annotated[int, Meta(ge=0, le=2**63 - 1)]
MaybeSize = Size | Literal[""] | None  # venues leave empty what they do not know
MaybeRate = Rate | Literal[""] | None
MaybeTime = Annotated[int, Meta(ge=0, lt=10**14)] | Literal[""] | None
Levels = tuple[tuple[Price, Size], ...]


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
Taken = tuple[dict[str, list[Trade]], list[bytes]]  # by the venue's own id, in order; what is left
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
        self.blocks = 0  # trades left out because they were agreed off the book
        self.missed = 0  # messages that a venue's own numbers show to be missing
        self._clock = clock
        self._of: dict[Channel, dict[str, Instrument]] = {each: {} for each in Channel}
        self._trades = self._of[Channel.TRADES]
        self._liquidations = self._of[Channel.LIQUIDATIONS]
        self._contexts = self._of[Channel.CONTEXT]
        self._books = self._of[Channel.BOOK]

    def know(self, instruments: Sequence[Instrument]) -> None:
        """Read whatever is of these from now on."""
        found = {each.id: each for each in instruments}
        for mine in self._of.values():
            mine.update(found)

    def forget(self, instruments: Sequence[Instrument]) -> None:
        """Read nothing more of these."""
        for each in instruments:
            for mine in self._of.values():
                mine.pop(each.id, None)

    def follow(self, topics: Sequence[Topic]) -> None:
        """Read what is of these topics from now on."""
        for channel, instrument in topics:
            self._of[channel][instrument.id] = instrument

    def leave(self, topics: Sequence[Topic]) -> None:
        """Read nothing more of these topics."""
        for channel, instrument in topics:
            self._of[channel].pop(instrument.id, None)

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

    def decode(self, frame: bytes | str, received: int | None = None) -> list[Event]:
        """What a frame says, in order; a frame or row that makes no sense is counted and dropped.

        `received`: market ms at which it came, where the caller knows; else the clock is read.
        """
        try:
            return self._read(frame, self._clock.now() if received is None else received)
        except (
            msgspec.MsgspecError,
            ValueError,
            OverflowError,
            RecursionError,
        ):  # UnicodeDecodeError is a ValueError
            self.bad += 1
            return []

    def trades(self, frames: Sequence[bytes], received: int) -> Taken | None:
        """All that is plainly a trade in these frames at once; None where they have to be read one by one.

        Nothing is counted as bad here: what this leaves goes through `decode`.
        """
        return None

    @abstractmethod
    def _read(self, frame: bytes | str, now: int) -> list[Event]:
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

    def _found(self, known: dict[str, Instrument], id_: str) -> Instrument | None:
        """Whose row it is; one of nobody is counted."""
        instrument = known.get(id_)
        if instrument is None:
            self.bad += 1
        return instrument

    def _trade(
        self, instrument: Instrument, row: tuple[int, float, float, Side], now: int,
        id_: str, order: str = "", seq: int | None = None,
    ) -> Trade:  # fmt: skip
        """A trade of (ts, price, amount, side) as the venue counts it, as ours."""
        ts, price, amount, side = row
        if instrument.multiplier != 1.0:
            price = coin_price(instrument, price)
        return Trade(
            instrument=instrument,
            ts=ts,
            price=price,
            amount=amount * instrument.contract_size,
            side=side,
            id=id_,
            order=order,
            recv_ts=0 if self.local else now,
            seq=seq,
        )

    def _liquidation(
        self, instrument: Instrument, row: tuple[int, float, float, PositionSide], now: int,
        *, sample: bool, id_: str = "",
    ) -> Liquidation:  # fmt: skip
        """A forced close of (ts, price, amount, position) as the venue counts it, as ours."""
        ts, price, amount, position = row
        return Liquidation(
            instrument=instrument,
            ts=ts,
            price=coin_price(instrument, price),
            amount=amount * instrument.contract_size,
            position=position,
            sample=sample,
            id=id_,
            recv_ts=0 if self.local else now,
        )

    def _context(
        self, instrument: Instrument, ts: int, now: int, **figures: float | None
    ) -> list[Event]:
        """What a message told of a perp, in the names and units of `Context`; nothing where it told nothing."""
        told: dict[str, Any] = {key: each for key, each in figures.items() if each is not None}
        if not told:
            return []
        received = 0 if self.local else now
        return [Context(instrument=instrument, ts=ts, recv_ts=received, **told)]


def known(value: float | str | None) -> float | None:
    """A number that may be left empty."""
    return None if value is None or isinstance(value, str) else value


def price_of(instrument: Instrument, value: float | str | None) -> float | None:
    """A price per coin, where a venue writes "" or 0 for "none yet"."""
    found = known(value)
    return coin_price(instrument, found) if found else None


def coins_of(instrument: Instrument, value: float | str | None) -> float | None:
    """An amount in coins; 0 is a value."""
    found = known(value)
    return None if found is None else found * instrument.contract_size


def levels(
    instrument: Instrument, side: Iterable[tuple[float, float]]
) -> tuple[tuple[float, float], ...]:
    """One side of a book as prices per coin and coins."""
    lot = instrument.contract_size
    if instrument.multiplier != 1.0:
        return tuple([(coin_price(instrument, price), amount * lot) for price, amount in side])
    if lot != 1.0:
        return tuple([(price, amount * lot) for price, amount in side])
    return tuple(side)


def encode(message: dict[str, Any]) -> str:
    """A request as text."""
    return msgspec.json.encode(message).decode()
