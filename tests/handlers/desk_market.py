"""A market held in dictionaries, with the signatures of `exchanges.hub.Market`, and an `App` over it."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from analytics.cvd import FlowLog
from exchanges.selection import Selection
from exchanges.types import Capability, VenueState, VenueStatus
from handlers.app import App
from handlers.base import Args, Reply
from handlers.types import Chat, Preferences
from market import format as fmt
from market.clock import FixedClock
from market.errors import SourceError, SourceUnavailable
from market.symbols import Directory, Query
from market.types import (
    DAY,
    MINUTE,
    TIMEFRAMES,
    Candle,
    FundingRate,
    Instrument,
    MarketCap,
    OpenInterest,
    Reading,
    Side,
    Ticker,
    TierTable,
    Trade,
)

NOW = 1_781_535_600_000 + 25 * MINUTE  # 2026-06-15 15:25:00 UTC
ALL = frozenset(Capability)
CAPABILITIES = {
    "binance": ALL,
    "bybit": ALL - {Capability.TAKER_VOLUME},
    "okx": ALL - {Capability.TAKER_VOLUME},
    "hyperliquid": ALL - {Capability.TAKER_VOLUME, Capability.OPEN_INTEREST_HISTORY},
    "coinbase": frozenset({Capability.SPOT, Capability.CANDLES}),
}


def perp(exchange: str, base: str = "BTC", quote: str = "USDT", step: float = 0.1) -> Instrument:
    return Instrument(
        exchange=exchange, symbol=f"{base}/{quote}:{quote}", base=base, quote=quote, perp=True,
        id=f"{base}{quote}", price_step=step,
    )  # fmt: skip


def spot(exchange: str, base: str = "BTC", quote: str = "USDT", step: float = 0.01) -> Instrument:
    return Instrument(
        exchange=exchange, symbol=f"{base}/{quote}", base=base, quote=quote, perp=False,
        id=f"{base}{quote}", price_step=step,
    )  # fmt: skip


@dataclass
class Venue:
    capabilities: frozenset[Capability]


@dataclass
class Streams:
    logs: dict[str, FlowLog] = field(default_factory=dict)
    watched: list[str] = field(default_factory=list)

    async def watch(self, instruments: Sequence[Instrument]) -> None:
        self.watched += [i.key for i in instruments]

    def flow(self, instrument: Instrument) -> FlowLog | None:
        return self.logs.get(instrument.key)


class DeskMarket:
    """What is not in a dictionary is not known; a venue in `down` answers nothing."""

    def __init__(self, clock: FixedClock, instruments: Sequence[Instrument]) -> None:
        self.clock = clock
        self.directory = Directory(instruments)
        self.streams = Streams()
        self.down: set[str] = set()
        self.state: dict[str, tuple[VenueState, str]] = {}
        self.quotes: dict[str, Ticker] = {}
        self.bars: dict[tuple[str, str], list[Candle]] = {}
        self.interest: dict[str, OpenInterest] = {}
        self.past: dict[str, list[tuple[int, float]]] = {}
        self.rates: dict[str, FundingRate] = {}
        self.caps: list[MarketCap] = []
        self.usd: dict[str, float] = {"USD": 1.0, "USDT": 1.0, "USDC": 1.0}
        self.table: TierTable | None = None
        self.bulk = True
        self._selection = Selection(self.directory, list)

    @property
    def venues(self) -> dict[str, Venue]:
        names = dict.fromkeys(i.exchange for i in self.directory.all)
        return {name: Venue(CAPABILITIES[name]) for name in names}

    def resolve(self, words: str, *, command: str = "/price {}") -> Query:
        return self._selection.resolve(words, command=command)

    def instruments_for(
        self, query: Query, *, perp: bool | None, command: str = "/price {}"
    ) -> list[Instrument]:
        return self._selection.instruments_for(query, perp=perp, command=command)

    def one(self, query_text: str, **more: Any) -> Instrument:
        return self._selection.one(query_text, **more)

    def _ask(self, exchange: str) -> None:
        if exchange in self.down:
            raise SourceUnavailable(exchange, "HTTP 503")

    async def ticker(self, instrument: Instrument) -> Ticker:
        self._ask(instrument.exchange)
        if instrument.key not in self.quotes:
            raise SourceError(instrument.exchange, "no such market")
        return self.quotes[instrument.key]

    async def tickers(self, exchange: str, perp: bool) -> list[Ticker]:
        self._ask(exchange)
        every = (t for t in self.quotes.values() if t.instrument.exchange == exchange)
        return [t for t in every if t.instrument.perp == perp]

    async def candles(
        self, instrument: Instrument, timeframe: str, limit: int = 300, end: int | None = None
    ) -> list[Candle]:
        self._ask(instrument.exchange)
        rows = self.bars.get((instrument.key, timeframe), [])
        until = self.clock.now() + 1 if end is None else end
        return [c for c in rows if c.ts < until][-limit:]

    async def open_interest(self, instrument: Instrument) -> OpenInterest:
        self._ask(instrument.exchange)
        if instrument.key not in self.interest:
            raise SourceError(instrument.exchange, "no open interest")
        return self.interest[instrument.key]

    async def open_interest_all(self, exchange: str) -> dict[str, OpenInterest]:
        self._ask(exchange)
        if not self.bulk:
            raise SourceError(exchange, "has no bulk call")
        every = self.interest.values()
        return {o.instrument.symbol: o for o in every if o.instrument.exchange == exchange}

    async def open_interest_history(
        self, instrument: Instrument, *, step: int, start: int, end: int
    ) -> list[OpenInterest]:
        self._ask(instrument.exchange)
        rows = self.past.get(instrument.key, [])
        return [
            OpenInterest(instrument=instrument, ts=ts, amount=amount)
            for ts, amount in rows
            if start <= ts < end and ts % step == 0
        ]

    async def funding(self, instrument: Instrument) -> FundingRate:
        self._ask(instrument.exchange)
        if instrument.key not in self.rates:
            raise SourceError(instrument.exchange, "no funding")
        return self.rates[instrument.key]

    async def fundings(self, exchange: str) -> dict[str, FundingRate]:
        self._ask(exchange)
        every = self.rates.values()
        return {r.instrument.symbol: r for r in every if r.instrument.exchange == exchange}

    async def tiers(self, instrument: Instrument) -> TierTable | None:
        self._ask(instrument.exchange)
        return None if self.table is None else replace(self.table, exchange=instrument.exchange)

    async def market_caps(self) -> list[MarketCap]:
        return self.caps

    async def usd_rate(self, quote: str) -> Reading[float]:
        if quote in self.usd:
            return Reading(value=self.usd[quote], unit="USD")
        return Reading.missing(f"no market gives {quote} in USD")

    def status(self) -> list[VenueStatus]:
        fine = (VenueState.OK, "")
        return [
            VenueStatus(
                exchange=name, state=self.state.get(name, fine)[0],
                reason=self.state.get(name, fine)[1], since=NOW - MINUTE,
            )
            for name in self.venues
        ]  # fmt: skip

    def quote(self, instrument: Instrument, last: float, *, age: int = 1000, **more: Any) -> Ticker:
        found = Ticker(instrument=instrument, ts=self.clock.now() - age, last=last, **more)
        self.quotes[instrument.key] = found
        return found


@dataclass
class Desk:
    market: DeskMarket
    clock: FixedClock
    app: App
    drawn: list[tuple[str, Any]]
    saved: list[Preferences]


class FakePeople:
    def __init__(self, saved: list[Preferences]) -> None:
        self._saved = saved

    async def save_preferences(self, chat_id: int, preferences: Preferences, now: int) -> None:
        self._saved.append(preferences)


def desk(*instruments: Instrument, now: int = NOW) -> Desk:
    """A desk over these instruments; nothing has traded yet."""
    clock = FixedClock(now)
    market = DeskMarket(clock, instruments)
    drawn: list[tuple[str, Any]] = []
    saved: list[Preferences] = []

    async def draw(name: str, data: Any) -> bytes:
        drawn.append((name, data))
        return b"png"

    app = App(
        market=market, alerts=None, people=FakePeople(saved), clock=clock, wall=clock, draw=draw,  # type: ignore[arg-type]
    )  # fmt: skip
    return Desk(market=market, clock=clock, app=app, drawn=drawn, saved=saved)


def args(text: str, **preferences: str) -> Args:
    """The words of a command, from a chat with these preferences."""
    chat = Chat(chat_id=1, preferences=Preferences(**preferences))
    return Args(words=tuple(text.split()), rest=text, chat=chat)


def bars(
    timeframe: str, count: int, *, now: int = NOW, close: float = 100.0, volume: float = 10.0,
    bought: float | None = None,
) -> list[Candle]:  # fmt: skip
    """A flat market, with its running candle where `now` lies inside one."""
    step = TIMEFRAMES[timeframe]
    last = now // step * step if now % step else now - step
    return [
        Candle(
            ts=ts, open=close, high=close, low=close, close=close, volume=volume,
            quote_volume=volume * close, taker_buy_volume=bought,
            taker_buy_quote=None if bought is None else bought * close, closed=ts + step <= now,
        )
        for ts in range(last - (count - 1) * step, last + 1, step)
    ]  # fmt: skip


def trade(instrument: Instrument, ts: int, price: float, amount: float, side: Side) -> Trade:
    return Trade(instrument=instrument, ts=ts, price=price, amount=amount, side=side)


def fits(reply: Reply) -> bool:
    """Whether a reply fits a phone: 12 lines of 32 columns, three buttons a row, a caption of 1,024 characters."""
    card = reply.card
    assert card is not None
    assert len(card.table) <= 12, card.table
    for line in card.table:
        assert fmt.columns_of(line) <= fmt.COLUMNS, line
    for row in reply.buttons:
        assert 0 < len(row) <= 3
    text = "\n".join([card.headline, *card.table, card.reading, card.evidence])
    assert len(text) <= 960, len(text)
    assert "nan" not in text.lower().split()
    return True


__all__ = [
    "DAY", "NOW", "Desk", "DeskMarket", "args", "bars", "desk", "fits", "perp", "spot", "trade",
]  # fmt: skip
