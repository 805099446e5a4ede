"""What a local exchange server serves from: a simulated market or a recording, behind one interface.

A source speaks in domain types (coins, price per coin); the venue modules turn them into each venue's
own units and payloads. Times are market ms. Nothing after `clock.now()` is ever given out.
"""

from typing import Protocol

from market.clock import Clock
from market.types import (
    Candle,
    FundingRate,
    Instrument,
    Liquidation,
    MarketCap,
    OpenInterest,
    OrderBook,
    Ticker,
    TierTable,
    Trade,
)


class Source(Protocol):
    """A market to serve. Unknown or unsupported: an empty list or None, never an invented value."""

    clock: Clock
    mark: str  # "SIMULATED" or "REPLAY"
    title: str

    def instruments(self, exchange: str | None = None) -> list[Instrument]:
        """All instruments, or those of one exchange."""
        ...

    def tables(self, exchange: str) -> frozenset[str]:
        """What the venue has: of trades candles open_interest funding mark liquidations books market_caps."""
        ...

    def down(self, exchange: str) -> bool:
        """Whether the venue does not answer now (scenario `outage`)."""
        ...

    def candles(self, instrument: Instrument, timeframe: str, start: int, end: int) -> list[Candle]:
        """Candles with start <= open time < end, rising; the one still forming is the last, `closed=False`."""
        ...

    def trades(self, instrument: Instrument, start: int, end: int) -> list[Trade]:
        """Trades with start < ts <= min(end, now), in order; a simulated market numbers them without holes."""
        ...

    def recent_trades(self, instrument: Instrument, limit: int) -> list[Trade]:
        """The newest `limit` trades, oldest first."""
        ...

    def book(self, instrument: Instrument, depth: int) -> OrderBook | None: ...
    def ticker(self, instrument: Instrument) -> Ticker | None: ...
    def open_interest(self, instrument: Instrument) -> OpenInterest | None: ...

    def open_interest_history(
        self, instrument: Instrument, step: int, start: int, end: int
    ) -> list[OpenInterest]:
        """Samples at whole multiples of `step` ms with start <= ts < end."""
        ...

    def funding(self, instrument: Instrument) -> FundingRate | None:
        """The running rate with interval, next settlement, mark and index."""
        ...

    def funding_history(self, instrument: Instrument, start: int, end: int) -> list[FundingRate]:
        """Settled rates, rising by settlement time."""
        ...

    def liquidations(self, exchange: str, start: int, end: int) -> list[Liquidation]:
        """Observed forced closes of one exchange with start < ts <= end."""
        ...

    def market_caps(self) -> list[MarketCap]: ...
    def tiers(self, instrument: Instrument) -> TierTable | None: ...


class Control(Protocol):
    """What a person may do to a simulated market (the playground's market bar)."""

    def play(self, scenario: str, base: str) -> None:
        """Start a scenario now."""
        ...

    def set_speed(self, speed: float) -> None:
        """Change how fast the market clock runs; 0 is not allowed."""
        ...
