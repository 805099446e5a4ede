"""The market as the rest of the product sees it: every venue behind one object, cached and isolated."""

import asyncio
import logging
import ssl
from collections import defaultdict, deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import certifi

from exchanges.base import Exchange
from exchanges.binance import Binance
from exchanges.bybit import Bybit
from exchanges.cache import Cache, CompactMarkets
from exchanges.client import Caller, make_client
from exchanges.coinbase import Coinbase
from exchanges.endpoints import Endpoints
from exchanges.hyperliquid import Hyperliquid
from exchanges.okx import Okx
from exchanges.rates import UsdRates
from exchanges.selection import COMMAND, Selection
from exchanges.sources.coingecko import CoinGecko
from exchanges.types import Capability, SampleStore, VenueStatus
from market.clock import Clock
from market.errors import SourceError
from market.symbols import Directory, Query
from market.types import (
    DAY,
    TIMEFRAMES,
    Candle,
    FundingRate,
    Instrument,
    MarketCap,
    OpenInterest,
    OrderBook,
    Reading,
    Ticker,
    TierTable,
    Trade,
)

T = TypeVar("T")
logger = logging.getLogger(__name__)

VENUES: Mapping[str, type[Exchange]] = {
    each.id: each for each in (Binance, Bybit, Okx, Hyperliquid, Coinbase)
}
TTL_TICKER, TTL_CANDLES, TTL_INTEREST, TTL_FUNDING, TTL_BOOK = 2.0, 5.0, 10.0, 20.0, 1.0  # seconds
TTL_HISTORY, TTL_TIERS, TTL_PAST = 30.0, 3600.0, 30.0
STALE_TICKER, STALE_INTEREST, STALE_FUNDING = 60.0, 120.0, 120.0  # an old answer, told by its ts
TABLE_AGE = DAY  # a table of instruments is fetched anew when it is older
SAMPLES_KEPT = 1500  # of open interest per instrument in memory: a day of minutes


class Market:
    """All venues. Calls raise SourceError where one venue fails; use `settle` to ask several."""

    def __init__(
        self,
        *,
        endpoints: Endpoints,
        exchanges: Sequence[str],
        clock: Clock,
        wall: Clock,
        cache_dir: Path | None,
        samples: SampleStore | None = None,
    ) -> None:
        self.endpoints = endpoints
        self.clock = clock
        self.wall = wall
        self.streams: Any = None  # set by whoever runs the streams
        # The open interest that a recording holds: what a bot that ran since its start would have kept.
        self.past: Callable[[Instrument], Awaitable[list[OpenInterest]]] | None = None
        tls = ssl.create_default_context(cafile=certifi.where())  # once: 40 ms each
        self.venues = {name: _venue(name, endpoints, clock, wall, tls) for name in exchanges}
        self.coingecko = (
            CoinGecko(endpoints.coingecko, wall, clock) if endpoints.coingecko else None
        )
        self._cache = Cache(wall)
        self._disk = CompactMarkets(cache_dir if not endpoints.mark else None)
        self._loaded: dict[str, int] = {}  # wall ms of the table in use
        self._samples_store = samples
        self._samples: dict[str, deque[OpenInterest]] = defaultdict(
            lambda: deque(maxlen=SAMPLES_KEPT)
        )
        self._selection = Selection(Directory(()), self.missing)
        self._rates = UsdRates(self)

    @property
    def directory(self) -> Directory:
        """Everything that trades on the loaded venues."""
        return self._selection.directory

    def missing(self) -> list[str]:
        """Exchanges whose markets could not be loaded yet."""
        return [name for name in self.venues if name not in self._loaded]

    async def start(self) -> None:
        """Load the instruments of all venues at once: from disk where fresh, else from the venues."""
        for name, venue in self.venues.items():
            if table := await self._disk.load(name):
                venue.use(table[1])
                self._loaded[name] = table[0]
        await self.refresh()

    async def refresh(self) -> list[str]:
        """Load what is missing or older than a day, and say what was loaded.

        A venue that fails keeps its old table and is asked again by the next call.
        """
        now = self.wall.now()
        due = [
            name
            for name in self.venues
            if name not in self._loaded or now - self._loaded[name] >= TABLE_AGE
        ]
        found, errors = await settle({name: self.venues[name].load_instruments() for name in due})
        for name, instruments in found.items():
            if instruments:
                self.venues[name].use(instruments)
                self._loaded[name] = now
                await self._disk.save(name, instruments, now)
        for name, error in errors.items():
            logger.warning("instruments not loaded exchange=%s reason=%s", name, error.reason)
        if found or not self.directory.all:
            every = [each for venue in self.venues.values() for each in venue.instruments]
            self._selection = Selection(Directory(every), self.missing)
        return sorted(found)

    async def close(self) -> None:
        """Close every connection."""
        await self._cache.close()
        if self.coingecko is not None:
            await self.coingecko.close()
        await asyncio.gather(*(venue.close() for venue in self.venues.values()))

    def resolve(self, words: str, *, command: str = COMMAND) -> Query:
        """What was typed as a query; UserError with suggestions where nothing trades under it."""
        return self._selection.resolve(words, command=command)

    def instruments_for(
        self, query: Query, *, perp: bool | None, command: str = COMMAND
    ) -> list[Instrument]:
        """One instrument per exchange and kind in its main quote currency."""
        return self._selection.instruments_for(query, perp=perp, command=command)

    def one(
        self,
        query_text: str,
        *,
        default_exchange: str,
        perp: bool = True,
        need_perp: bool = False,
        command: str = COMMAND,
    ) -> Instrument:
        """The one instrument of /ta, /chart and alerts; see `Selection.one`."""
        return self._selection.one(
            query_text,
            default_exchange=default_exchange,
            perp=perp,
            need_perp=need_perp,
            command=command,
        )

    async def ticker(self, instrument: Instrument) -> Ticker:
        """The 24 h line of one instrument."""
        venue = self._venue(instrument.exchange)
        return await self._cache.get(
            ("ticker", instrument.key),
            TTL_TICKER,
            lambda: venue.ticker(instrument),
            stale=STALE_TICKER,
        )

    async def tickers(self, exchange: str, perp: bool) -> list[Ticker]:
        """The 24 h lines of a whole venue."""
        venue = self._venue(exchange)
        return await self._cache.get(
            ("tickers", exchange, perp),
            TTL_TICKER,
            lambda: venue.tickers(perp=perp),
            stale=STALE_TICKER,
        )

    async def candles(
        self, instrument: Instrument, timeframe: str, limit: int = 300, end: int | None = None
    ) -> list[Candle]:
        """The newest candles that open before `end`, rising; the running one has `closed=False`."""
        venue = self._venue(instrument.exchange)
        bar = self.clock.now() // TIMEFRAMES[timeframe]  # a new candle is never hidden by the cache
        key = ("candles", instrument.key, timeframe, limit, end, bar)
        return await self._cache.get(
            key, TTL_CANDLES, lambda: venue.candles(instrument, timeframe, limit=limit, end=end)
        )

    async def book(self, instrument: Instrument, depth: int = 100) -> OrderBook:
        """The order book."""
        venue = self._venue(instrument.exchange)
        return await self._cache.get(
            ("book", instrument.key, depth), TTL_BOOK, lambda: venue.book(instrument, depth)
        )

    async def trades(self, instrument: Instrument, limit: int = 500) -> list[Trade]:
        """The newest public trades, as far as the venue's REST gives them."""
        return await self._venue(instrument.exchange).trades(instrument, limit)

    async def open_interest(self, instrument: Instrument) -> OpenInterest:
        """Open contracts now."""
        venue = self._venue(instrument.exchange)
        return await self._cache.get(
            ("interest", instrument.key),
            TTL_INTEREST,
            lambda: venue.open_interest(instrument),
            stale=STALE_INTEREST,
        )

    async def open_interest_all(self, exchange: str) -> dict[str, OpenInterest]:
        """Open contracts of every perp of a venue by symbol, where one call gives them."""
        venue = self._venue(exchange)
        return await self._cache.get(
            ("interests", exchange), TTL_INTEREST, venue.open_interest_all, stale=STALE_INTEREST
        )

    async def open_interest_history(
        self, instrument: Instrument, *, step: int, start: int, end: int
    ) -> list[OpenInterest]:
        """Past open interest; our own samples where the venue publishes none."""
        venue = self._venue(instrument.exchange)
        if Capability.OPEN_INTEREST_HISTORY not in venue.capabilities:
            return await self._sampled(instrument, start, end)
        key = ("interest history", instrument.key, step, start // step, end // step)
        return await self._cache.get(
            key,
            TTL_HISTORY,
            lambda: venue.open_interest_history(instrument, step=step, start=start, end=end),
        )

    async def sample_open_interest(self, instruments: Sequence[Instrument]) -> list[OpenInterest]:
        """Take and keep one sample of each; what fails is left out, never repeated from before."""
        found, errors = await settle({each.key: self._fresh_interest(each) for each in instruments})
        for key, error in errors.items():
            logger.info("open interest not sampled instrument=%s reason=%s", key, error.reason)
        fresh = [each for key, each in found.items() if not self._seen(key, each.ts)]
        for each in fresh:
            self._samples[each.instrument.key].append(each)
        if fresh and self._samples_store is not None:
            await self._samples_store.save_open_interest(fresh)
        return fresh

    async def funding(self, instrument: Instrument) -> FundingRate:
        """The running funding rate."""
        venue = self._venue(instrument.exchange)
        return await self._cache.get(
            ("funding", instrument.key),
            TTL_FUNDING,
            lambda: venue.funding(instrument),
            stale=STALE_FUNDING,
        )

    async def fundings(self, exchange: str) -> dict[str, FundingRate]:
        """The running funding rates of a whole venue by symbol."""
        venue = self._venue(exchange)
        return await self._cache.get(
            ("fundings", exchange), TTL_FUNDING, venue.fundings, stale=STALE_FUNDING
        )

    async def funding_history(self, instrument: Instrument, limit: int = 100) -> list[FundingRate]:
        """Settled funding rates, rising."""
        venue = self._venue(instrument.exchange)
        return await self._cache.get(
            ("funding history", instrument.key, limit),
            TTL_HISTORY,
            lambda: venue.funding_history(instrument, limit),
        )

    async def tiers(self, instrument: Instrument) -> TierTable | None:
        """Maintenance margin by position value, where the venue publishes it."""
        venue = self._venue(instrument.exchange)
        return await self._cache.get(
            ("tiers", instrument.key), TTL_TIERS, lambda: venue.tiers(instrument), stale=86_400.0
        )

    async def market_caps(self) -> list[MarketCap]:
        """The largest coins by market capitalisation; each `ts` shows how old its figure is."""
        if self.coingecko is None:
            raise SourceError("CoinGecko", "is not set up")
        return await self.coingecko.caps()

    async def usd_rate(self, quote: str) -> Reading[float]:
        """US dollars for one unit of a quote currency, at the live rate."""
        return await self._rates.rate(quote)

    def status(self) -> list[VenueStatus]:
        """One line per venue: its breaker, its calls and its trade streams."""
        streams = self.streams.status() if self.streams is not None else {}
        return [_status(name, venue, streams.get(name)) for name, venue in self.venues.items()]

    async def _fresh_interest(self, instrument: Instrument) -> OpenInterest:
        """Past the cache, so that an outage cannot turn an old value into a new sample."""
        return await self._venue(instrument.exchange).open_interest(instrument)

    def _seen(self, key: str, ts: int) -> bool:
        kept = self._samples.get(key)
        return bool(kept) and kept is not None and kept[-1].ts >= ts

    async def _sampled(self, instrument: Instrument, start: int, end: int) -> list[OpenInterest]:
        rows = {each.ts: each for each in self._samples.get(instrument.key, ())}
        if self._samples_store is not None:
            stored = await self._samples_store.open_interest(instrument.key, start, end)
            for ts, amount, value in stored:
                rows.setdefault(
                    ts, OpenInterest(instrument=instrument, ts=ts, amount=amount, value=value)
                )
        for each in await self._past_of(instrument):
            rows.setdefault(each.ts, each)
        return [rows[ts] for ts in sorted(rows) if start <= ts < end]

    async def _past_of(self, instrument: Instrument) -> list[OpenInterest]:
        past = self.past
        if past is None:
            return []
        return await self._cache.get(
            ("past interest", instrument.key), TTL_PAST, lambda: past(instrument)
        )

    def _venue(self, exchange: str) -> Exchange:
        venue = self.venues.get(exchange)
        if venue is None:
            raise SourceError(exchange, "is not switched on")
        return venue


async def settle(calls: Mapping[str, Awaitable[T]]) -> tuple[dict[str, T], dict[str, SourceError]]:
    """Await all; what answered and what failed, so that one venue down never breaks a sum."""
    results = await asyncio.gather(*calls.values(), return_exceptions=True)
    found: dict[str, T] = {}
    errors: dict[str, SourceError] = {}
    for name, result in zip(calls, results, strict=True):
        if isinstance(result, SourceError):
            errors[name] = result
        elif isinstance(result, BaseException):
            raise result
        else:
            found[name] = result
    return found, errors


def _venue(
    name: str, endpoints: Endpoints, clock: Clock, wall: Clock, tls: ssl.SSLContext
) -> Exchange:
    """Build one venue with its clients."""
    kind = VENUES[name]
    clients = {}
    for segment, ccxt_id in kind.ccxt_ids.items():
        config = {**kind.options.get(ccxt_id, {}), **endpoints.clients.get(ccxt_id, {})}
        config |= {"ssl_context": tls, "aiohttp_trust_env": not endpoints.mark}
        clients[segment] = make_client(ccxt_id, config, kind.success)
    caller = Caller(name, clients, wall=wall, windows=kind.windows(wall))
    return kind(caller, clock, wall)


def _status(name: str, venue: Exchange, stream: Any) -> VenueStatus:
    breaker = venue.caller.breaker
    return VenueStatus(
        exchange=name,
        state=breaker.state,
        reason=breaker.reason,
        since=breaker.since,
        last_ok=breaker.last_ok,
        instruments=len(venue.instruments),
        calls=breaker.calls,
        errors=breaker.errors,
        watched=stream.watched if stream else 0,
        trades=stream.trades if stream else 0,
        last_trade_ts=stream.last_trade_ts if stream else None,
    )
