"""What the rest of the product knows of a venue, and what it asks the storage to keep for it."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from market.types import Gap, OpenInterest


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
