"""The nouns: what a market is made of, and `Reading`, the only form in which a figure leaves analytics.

Every `ts` is int milliseconds UTC as the exchange stamped it. Ratios, changes and rates are fractions
(0.05 is 5 %). Amounts are in base units of ONE coin: multiplied contracts (1000PEPE, kPEPE) and
contract-counted venues (OKX) are converted where the data enters, in `exchanges`.
"""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Generic, TypeVar

import msgspec

T = TypeVar("T")


class Side(StrEnum):
    """Taker of a trade, direction of an order."""

    BUY = "buy"
    SELL = "sell"


class PositionSide(StrEnum):
    """What is or was held."""

    LONG = "long"
    SHORT = "short"


class Status(StrEnum):
    """Why a reading has its value, or has none."""

    OK = "ok"
    INSUFFICIENT = "insufficient"  # not enough history yet
    STALE = "stale"  # known, but older than its limit
    FLAT = "flat"  # the market did not move; the figure is a convention
    UNDEFINED = "undefined"  # a division by zero
    UNAVAILABLE = "unavailable"  # the source does not answer or does not have it


class Kind(StrEnum):
    """How a figure was obtained."""

    OBSERVED = "observed"
    ESTIMATED = "estimated"
    APPROX = "approx"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading(Generic[T]):
    """A figure with its evidence; `value` is None exactly when it is not known, and `reason` says why."""

    value: T | None
    status: Status = Status.OK
    reason: str = ""
    as_of: int | None = None  # ms of the newest datum in it
    since: int | None = None  # ms, the exact left edge of a windowed figure (exclusive)
    window: int | None = None  # ms
    n: int | None = None  # how many data it rests on
    venues: tuple[str, ...] = ()
    kind: Kind = Kind.OBSERVED
    unit: str = ""  # "USD", "BTC", "fraction", "bars"
    note: str = ""  # what else a reader has to know: "no gaps", "USDC counted as USD"

    @classmethod
    def missing(
        cls, reason: str, status: Status = Status.UNAVAILABLE, **evidence: object
    ) -> "Reading[T]":
        """A reading without a value, and why."""
        return cls(value=None, status=status, reason=reason, **evidence)  # type: ignore[arg-type]

    @property
    def known(self) -> bool:
        """Whether there is a value to show."""
        return self.value is not None


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Instrument:
    """One thing that trades on one exchange.

    `symbol` is the ccxt form (`BTC/USDT`, `BTC/USDT:USDT`) exactly as the exchange has it; `base` is the
    plain coin (PEPE, also for 1000PEPE and kPEPE). One contract is `contract_size` coins, with the
    multiplier of the base already in it: 1000PEPE has 1000, OKX BTC-USDT-SWAP 0.01, a spot market 1.
    `price_step` and `amount_step` are per ONE coin and in coins.
    """

    exchange: str
    symbol: str
    base: str
    quote: str
    perp: bool
    contract_size: float = 1.0
    multiplier: float = 1.0  # coins in one unit of the exchange's base name: 1000 for 1000PEPE
    price_step: float = 0.0
    amount_step: float = 0.0
    id: str = ""  # the exchange's own id: BTCUSDT, BTC-USDT-SWAP, BTC
    min_value: float | None = None  # smallest order in quote currency
    active: bool = True

    @property
    def key(self) -> str:
        """A stable text for this instrument: `binance:BTC/USDT:USDT`."""
        return f"{self.exchange}:{self.symbol}"


class Trade(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """One public trade. `side` is the taker's; `amount` in coins, `price` per coin in quote currency."""

    instrument: Instrument
    ts: int
    price: float
    amount: float
    side: Side
    id: str = ""  # "" when the source has none: then equal rows are distinct trades
    order: str = ""  # hash or taker order id where the venue gives one
    recv_ts: int = 0
    seq: int | None = (
        None  # a number that the venue counts up by one for each trade of the instrument
    )

    @property
    def value(self) -> float:
        """Amount x price in quote currency."""
        return self.price * self.amount


class Liquidation(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """One observed forced close. `position` is what was closed; `sample`: the venue shows only some of them."""

    instrument: Instrument
    ts: int
    price: float
    amount: float
    position: PositionSide
    sample: bool = False
    id: str = ""  # "" where the venue gives none: then equal rows of one frame are distinct
    recv_ts: int = 0

    @property
    def value(self) -> float:
        """Amount x price in quote currency."""
        return self.price * self.amount


class Candle(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """One bar. `ts` is the open time, `volume` in coins; the taker split is None where the venue has none."""

    ts: int
    open: float
    high: float
    low: float
    close: float
    volume: float
    quote_volume: float | None = None
    taker_buy_volume: float | None = None
    taker_buy_quote: float | None = None
    closed: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderBook:
    """Resting orders, best first; (price per coin, coins). A gap in `sequence` means fetch again."""

    instrument: Instrument
    ts: int
    bids: tuple[tuple[float, float], ...]
    asks: tuple[tuple[float, float], ...]
    sequence: int | None = None


class Ticker(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """The 24 h line of one instrument. Volumes: coins and quote currency; `change_24h` is a fraction."""

    instrument: Instrument
    ts: int
    last: float
    bid: float | None = None
    ask: float | None = None
    high_24h: float | None = None
    low_24h: float | None = None
    change_24h: float | None = None
    volume_24h: float | None = None
    quote_volume_24h: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FundingRate:
    """What longs pay shorts. `rate` is a fraction per `interval_h` hours; compare venues by APR only."""

    instrument: Instrument
    ts: int
    rate: float
    interval_h: float
    next_ts: int | None = None
    predicted: float | None = None  # only where the venue publishes a second, predicted rate
    mark: float | None = None
    index: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenInterest:
    """Open contracts in coins; `value` in quote currency (amount x mark where the venue gives none)."""

    instrument: Instrument
    ts: int
    amount: float
    value: float | None = None


class Context(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """What a venue tells of a perp beside its trades; what a message did not carry is None.

    `rate` is a fraction per `interval_h` hours, `interest` in coins, `interest_value` in quote currency.
    """

    instrument: Instrument
    ts: int
    mark: float | None = None
    index: float | None = None
    rate: float | None = None
    predicted: float | None = None
    interval_h: float | None = None
    next_ts: int | None = None
    interest: float | None = None
    interest_value: float | None = None
    recv_ts: int = 0


class BookChange(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """Levels of a book that changed: (price per coin, coins), 0 coins removes a level.

    `whole`: these are all levels, what was known before is void. `first`..`last` number the changes in it;
    `before` is the `last` of the message that must have come just before, where the venue tells it.
    """

    instrument: Instrument
    ts: int
    bids: tuple[tuple[float, float], ...]
    asks: tuple[tuple[float, float], ...]
    whole: bool = False
    first: int = 0
    last: int = 0
    before: int | None = None
    recv_ts: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class MarketCap:
    """Capitalisation from a supply source, by coin id."""

    coin: str  # the source's id: "bitcoin"
    symbol: str
    name: str
    market_cap_usd: float
    ts: int
    price_usd: float | None = None
    volume_24h_usd: float | None = None
    rank: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """An interval in which a feed was blind."""

    from_ts: int
    to_ts: int
    table: str = "trades"
    exchange: str = ""
    symbol: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TierTable:
    """Maintenance margin by notional: (cap USD, maintenance rate, offset USD, maximum leverage), rising caps."""

    exchange: str
    base: str
    tiers: tuple[tuple[float, float, float, float], ...]
    as_of: str = ""  # date of the table, shown with every figure that rests on it
    source: str = ""
    extra: dict[str, str] = field(default_factory=dict)


MINUTE = 60_000
HOUR = 3_600_000
DAY = 86_400_000
TIMEFRAMES: dict[str, int] = {
    "1m": MINUTE,
    "3m": 3 * MINUTE,
    "5m": 5 * MINUTE,
    "15m": 15 * MINUTE,
    "30m": 30 * MINUTE,
    "1h": HOUR,
    "2h": 2 * HOUR,
    "4h": 4 * HOUR,
    "6h": 6 * HOUR,
    "12h": 12 * HOUR,
    "1d": DAY,
}
EXCHANGES = ("binance", "bybit", "okx", "hyperliquid", "coinbase")
EXCHANGE_NAMES = {
    "binance": "Binance",
    "bybit": "Bybit",
    "okx": "OKX",
    "hyperliquid": "Hyperliquid",
    "coinbase": "Coinbase",
}
