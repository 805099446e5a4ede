"""A market made of a path of prices: candles, open interest and order flow as they are known at `now`, no more."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field

from exchanges.selection import Selection
from exchanges.types import Capability
from market.clock import FixedClock
from market.errors import SourceUnavailable
from market.symbols import Directory, Query
from market.types import TIMEFRAMES, Candle, Instrument, OpenInterest, Reading, Ticker

START = 1_780_000_020_000 // 86_400_000 * 86_400_000  # midnight
MINUTE = 60_000


def instrument(exchange: str, base: str, *, perp: bool = True, quote: str = "USDT") -> Instrument:
    symbol = f"{base}/{quote}:{quote}" if perp else f"{base}/{quote}"
    return Instrument(
        exchange=exchange, symbol=symbol, base=base, quote=quote, perp=perp,
        id=f"{base}{quote}", price_step=0.1,
    )  # fmt: skip


BTC = instrument("binance", "BTC")
BYBIT_BTC = instrument("bybit", "BTC")
ETH = instrument("binance", "ETH")
BTC_SPOT = instrument("binance", "BTC", perp=False)
OI_COIN = instrument("binance", "OI")
ALL = (BTC, BYBIT_BTC, ETH, BTC_SPOT, OI_COIN)


@dataclass
class Venue:
    capabilities: frozenset[Capability]


@dataclass
class FakeMarket:
    """The signatures of `exchanges.hub.Market` that alerts use."""

    clock: FixedClock
    path: dict[str, list[tuple[int, float, float, bool]]] = field(default_factory=dict)
    interest: dict[str, list[tuple[int, float]]] = field(default_factory=dict)
    history: dict[tuple[str, str], list[Candle]] = field(default_factory=dict)
    instruments: tuple[Instrument, ...] = ALL
    down: set[str] = field(default_factory=set)
    not_loaded: list[str] = field(default_factory=list)
    calls: list[tuple[str, str]] = field(default_factory=list)
    streams: object = None
    twist: Callable[[list[Candle]], list[Candle]] | None = None
    interest_step: int = 5 * MINUTE

    @property
    def venues(self) -> dict[str, Venue]:
        both = frozenset({Capability.TAKER_VOLUME, Capability.OPEN_INTEREST})
        return {"binance": Venue(both), "bybit": Venue(frozenset({Capability.OPEN_INTEREST}))}

    @property
    def directory(self) -> Directory:
        return Directory(self.instruments)

    @property
    def _selection(self) -> Selection:
        return Selection(self.directory, self.missing)

    def missing(self) -> list[str]:
        return self.not_loaded

    def resolve(self, words: str, *, command: str = "/price {}") -> Query:
        return self._selection.resolve(words, command=command)

    def instruments_for(
        self, query: Query, *, perp: bool | None, command: str = "/price {}"
    ) -> list[Instrument]:
        return self._selection.instruments_for(query, perp=perp, command=command)

    def one(
        self,
        query_text: str,
        *,
        default_exchange: str,
        perp: bool = True,
        need_perp: bool = False,
        command: str = "/price {}",
    ) -> Instrument:
        return self._selection.one(
            query_text,
            default_exchange=default_exchange,
            perp=perp,
            need_perp=need_perp,
            command=command,
        )

    def trade(
        self,
        price: float,
        amount: float = 1.0,
        *,
        of: Instrument = BTC,
        ts: int | None = None,
        buy: bool = True,
    ) -> None:
        """Something traded, now unless said otherwise."""
        self.path.setdefault(of.key, []).append((ts or self.clock.now(), price, amount, buy))

    def _answer(self, what: str, of: Instrument) -> None:
        self.calls.append((what, of.key))
        if of.exchange in self.down:
            raise SourceUnavailable(of.exchange, "HTTP 503")

    def _span(self, step: int, limit: int, end: int | None) -> tuple[int, int]:
        """From the open time of the first of `limit` candles of `step` ms to just after the last moment known."""
        now = self.clock.now()
        stop = now + 1 if end is None else min(end, now + 1)
        return (stop - 1) // step * step - (limit - 1) * step, stop

    async def candles(
        self, of: Instrument, timeframe: str, limit: int = 300, end: int | None = None
    ) -> list[Candle]:
        self._answer(f"candles {timeframe}", of)
        now, step = self.clock.now(), TIMEFRAMES[timeframe]
        start, stop = self._span(step, limit, end)
        rows = {c.ts: c for c in self.history.get((of.key, timeframe), ()) if c.ts + step <= now}
        groups: dict[int, list[tuple[int, float, float, bool]]] = {}
        for row in self.path.get(of.key, ()):
            if row[0] <= now:
                groups.setdefault(row[0] // step * step, []).append(row)
        for ts, group in groups.items():
            prices = [price for _ts, price, _a, _b in group]
            volume = sum(amount for _ts, _p, amount, _b in group)
            bought = sum(amount for _ts, _p, amount, buy in group if buy)
            high = math.nan if any(map(math.isnan, prices)) else max(prices)
            rows[ts] = Candle(
                ts=ts, open=prices[0], high=high, low=min(prices), close=prices[-1], volume=volume,
                quote_volume=volume * prices[-1], taker_buy_volume=bought,
                taker_buy_quote=bought * prices[-1], closed=ts + step <= now,
            )  # fmt: skip
        found = [rows[ts] for ts in sorted(rows) if start <= ts < stop]
        return self.twist(found) if self.twist else found

    async def ticker(self, of: Instrument) -> Ticker:
        self._answer("ticker", of)
        rows = [row for row in self.path.get(of.key, ()) if row[0] <= self.clock.now()]
        if not rows:
            raise SourceUnavailable(of.exchange, "no price")
        return Ticker(instrument=of, ts=rows[-1][0], last=rows[-1][1])

    async def open_interest(self, of: Instrument) -> OpenInterest:
        self._answer("interest", of)
        rows = [row for row in self.interest.get(of.key, ()) if row[0] <= self.clock.now()]
        if not rows:
            raise SourceUnavailable(of.exchange, "no open interest")
        return OpenInterest(
            instrument=of, ts=rows[-1][0], amount=rows[-1][1], value=rows[-1][1] * 100.0
        )

    async def open_interest_history(
        self, of: Instrument, *, step: int, start: int, end: int
    ) -> list[OpenInterest]:
        self._answer("interest history", of)
        rows = [row for row in self.interest.get(of.key, ()) if row[0] <= self.clock.now()]
        found = []
        for ts in range(-(-start // step) * step, end, step):
            before = [amount for at, amount in rows if at <= ts]
            if before:
                found.append(OpenInterest(instrument=of, ts=ts, amount=before[-1]))
        return found

    async def usd_rate(self, quote: str) -> Reading[float]:
        return Reading(value=1.0)


def quiet_history(
    of: Instrument, timeframe: str, until: int, count: int = 120, volume: float = 10.0
) -> list[Candle]:
    """Closed candles that all look the same, up to `until`."""
    step = TIMEFRAMES[timeframe]
    return [candle(until - step * n, volume) for n in range(count, 0, -1)]


def candle(ts: int, volume: float, price: float = 100.0, **fields: object) -> Candle:
    whole: dict[str, object] = {
        "ts": ts, "open": price, "high": price, "low": price, "close": price, "volume": volume,
        "quote_volume": volume * price, "taker_buy_volume": volume / 2, **fields,
    }  # fmt: skip
    return Candle(**whole)  # type: ignore[arg-type]
