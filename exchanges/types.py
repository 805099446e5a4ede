"""What the rest of the product knows of a venue, and what it asks the storage to keep of the market."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from market.types import Gap, Instrument, OpenInterest, Trade


class Capability(StrEnum):
    """What a venue can do, by our own list: ccxt's `has` is not reliable."""

    SPOT = "spot"
    PERP = "perp"
    CANDLES = "candles"
    TAKER_VOLUME = "taker_volume"  # candles carry the taker-buy split
    TRADES = "trades"  # recent public trades by REST
    TRADE_STREAM = "trade_stream"
    OPEN_INTEREST = "open_interest"
    OPEN_INTEREST_HISTORY = "open_interest_history"
    FUNDING = "funding"
    FUNDING_HISTORY = "funding_history"
    BOOK = "book"


class VenueState(StrEnum):
    """State of the circuit breaker of a venue."""

    OK = "ok"
    DEGRADED = "degraded"  # some calls fail
    DOWN = "down"  # the breaker is open: not asked until it is probed again


@dataclass(frozen=True, slots=True, kw_only=True)
class VenueStatus:
    """One line of /status."""

    exchange: str
    state: VenueState
    reason: str = ""
    since: int | None = None  # wall ms of the present state
    last_ok: int | None = None  # wall ms of the last good answer
    instruments: int = 0
    calls: int = 0
    errors: int = 0
    watched: int = 0  # instruments with a live trade stream
    trades: int = 0  # trades received
    last_trade_ts: int | None = None  # market ms


class SampleStore(Protocol):
    """Market samples on disk: open interest that venues give no history of, and minute flow for restarts."""

    async def save_open_interest(self, samples: Sequence[OpenInterest]) -> None: ...
    async def open_interest(
        self, key: str, start: int, end: int
    ) -> list[tuple[int, float, float | None]]:
        """(ts, amount, value) of one instrument key, rising."""
        ...

    async def save_gaps(self, gaps: Sequence[Gap]) -> None: ...
    async def gaps(self, exchange: str, symbol: str, start: int, end: int) -> list[Gap]: ...
    async def prune(self, now: int) -> int:
        """Apply the retention of each table; returns rows removed."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Hole:
    """Trades of one instrument that were missed: since <= ts <= until, market ms.

    `after_seq` and `before_seq` number the trades around them, where the venue counts; they are known.
    """

    instrument: Instrument
    since: int
    until: int
    after_seq: int | None = None
    before_seq: int | None = None

    def holds(self, trade: Trade) -> bool:
        """Whether a trade lies in it: by number on a side whose number is known, else by time."""
        return not self._early(trade) and not self._late(trade)

    def begins(self, trade: Trade) -> bool:
        """Whether nothing before this trade can lie in it."""
        if trade.seq is None or self.after_seq is None:
            return trade.ts < self.since
        return trade.seq <= self.after_seq + 1

    def joins(self, trade: Trade) -> bool:
        """Whether this is the trade just before the first one that is known again."""
        return self.before_seq is not None and trade.seq == self.before_seq - 1

    def _early(self, trade: Trade) -> bool:
        if trade.seq is None or self.after_seq is None:
            return trade.ts < self.since
        return trade.seq <= self.after_seq

    def _late(self, trade: Trade) -> bool:
        if trade.seq is None or self.before_seq is None:
            return trade.ts > self.until
        return trade.seq >= self.before_seq


@dataclass(frozen=True, slots=True, kw_only=True)
class PastTrades:
    """Missed trades, oldest first, with the ids and numbers that the stream would have given them.

    `whole`: every trade of these moments, both included, is among them; None where nothing is proved.
    `complete`: nothing of what was asked for is missing. `more`: asking again may bring more of it.
    """

    trades: tuple[Trade, ...] = ()
    whole: tuple[int, int] | None = None
    complete: bool = False
    more: bool = False
    reason: str = ""  # why it is not complete


class PastSource(Protocol):
    """A venue that tells past trades."""

    async def past_trades(
        self,
        instrument: Instrument,
        *,
        since: int,
        until: int,
        after_seq: int | None = None,
        before_seq: int | None = None,
    ) -> PastTrades: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class GapPage:
    """What the ledger says of one feed from `since` on: there it was blind in `spans`, rising."""

    exchange: str
    symbol: str
    feed: str
    since: int
    spans: tuple[tuple[int, int], ...]


class GapStore(Protocol):
    """The ledger of blindness on disk."""

    async def save_ledger(self, pages: Sequence[GapPage], ts: int, body: bytes) -> None:
        """Put these pages in place of what began at their `since` or later, and a sign of life, at once."""
        ...

    async def all_gaps(self, start: int, end: int) -> list[Gap]:
        """Every gap that touches `start`..`end`."""
        ...

    async def sign_of_life(self) -> tuple[int, bytes] | None:
        """The newest (ts, body) of `save_ledger`."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """The live state of one instrument at market `ts`."""

    key: str
    ts: int
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowMinute:
    """The taker flow of one instrument in the market minute that begins at `minute`, in seconds."""

    key: str
    minute: int
    body: bytes


class CheckpointStore(Protocol):
    """Live states on disk; each `save` is there as a whole or not at all."""

    async def save(self, states: Sequence[Checkpoint], minutes: Sequence[FlowMinute]) -> None: ...
    async def load(self, key: str) -> Checkpoint | None: ...
    async def keys(self) -> dict[str, int]:
        """The ts of every state by its key."""
        ...

    async def minutes(self, key: str, start: int, end: int) -> list[FlowMinute]:
        """Those with start <= minute < end, rising."""
        ...

    async def forget(self, keys: Sequence[str]) -> None:
        """Remove states that make no sense, with their minutes."""
        ...
