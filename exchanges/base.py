"""One venue as the rest of the product sees it; each venue's file says only what differs.

Raw payloads end here: amounts leave in coins, prices per coin, times in ms. A venue that does not have
something raises SourceError and leaves the capability out; nothing is made up in its place.
"""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any, ClassVar, TypeVar

from exchanges.cache import Cache
from exchanges.client import Caller
from exchanges.pacing import Window
from exchanges.types import Capability
from exchanges.wire import coins, per_coin
from market.clock import Clock
from market.errors import SourceError
from market.types import (
    EXCHANGE_NAMES,
    HOUR,
    TIMEFRAMES,
    Candle,
    FundingRate,
    Instrument,
    OpenInterest,
    OrderBook,
    Ticker,
    TierTable,
    Trade,
)

T = TypeVar("T")

MAX_PAGES = 20  # of candles in one call
SHARED_TTL = 2.0  # seconds: bulk answers that several methods read


class Exchange:
    """The interface of a venue and the defaults that hold for most."""

    id: ClassVar[str] = ""
    ccxt_ids: ClassVar[Mapping[str, str]] = {}  # segment -> ccxt exchange id
    options: ClassVar[Mapping[str, Mapping[str, Any]]] = {}  # ccxt configuration by ccxt id
    success: ClassVar[
        Mapping[str, Any]
    ] = {}  # the envelope fields by which ccxt knows a good answer
    capabilities: ClassVar[frozenset[Capability]] = frozenset()
    intervals: ClassVar[Mapping[str, str]] = {}  # our timeframe -> the venue's name of it
    candle_page: ClassVar[int] = 1000

    def __init__(self, caller: Caller, clock: Clock, wall: Clock) -> None:
        self.caller = caller
        self.clock = clock
        self.instruments: tuple[Instrument, ...] = ()
        self._by_id: dict[tuple[bool, str], Instrument] = {}
        self._shared = Cache(wall)

    @classmethod
    def windows(cls, _wall: Clock) -> Mapping[str, Window]:
        """Budgets of this venue beyond what ccxt keeps."""
        return {}

    def use(self, instruments: Sequence[Instrument]) -> None:
        """Take over a table of instruments, from the venue or from disk."""
        self.instruments = tuple(instruments)
        self._by_id = {(each.perp, each.id): each for each in instruments}

    def by_id(self, name: str, *, perp: bool) -> Instrument | None:
        """The instrument of a venue's own id."""
        return self._by_id.get((perp, name))

    async def close(self) -> None:
        """Close the connections."""
        await self._shared.close()
        await self.caller.close()

    async def load_instruments(self) -> list[Instrument]:
        """Everything active that trades here: spot and linear perps."""
        raise self.lacks("instruments")

    async def tickers(self, *, perp: bool) -> list[Ticker]:
        """The 24 h lines of all spot markets or all perps, from one bulk call."""
        raise self.lacks("tickers")

    async def ticker(self, instrument: Instrument) -> Ticker:
        """The 24 h line of one instrument."""
        found = [
            each
            for each in await self.tickers(perp=instrument.perp)
            if each.instrument == instrument
        ]
        if not found:
            raise SourceError(self.name, f"has no price of {instrument.symbol}")
        return found[0]

    async def book(self, instrument: Instrument, depth: int = 100) -> OrderBook:
        """Resting orders, best first; at least `depth` levels a side where the venue has them."""
        raise self.lacks("order books")

    async def trades(self, instrument: Instrument, limit: int = 500) -> list[Trade]:
        """The newest public trades, oldest first; as many as the venue gives up to `limit`."""
        raise self.lacks("recent trades")

    async def open_interest(self, instrument: Instrument) -> OpenInterest:
        """Open contracts now."""
        found = await self.open_interest_all()
        if instrument.symbol not in found:
            raise SourceError(self.name, f"has no open interest of {instrument.symbol}")
        return found[instrument.symbol]

    async def open_interest_all(self) -> dict[str, OpenInterest]:
        """Open contracts of every perp by symbol, where one call gives them."""
        raise self.lacks("open interest")

    async def open_interest_history(
        self, instrument: Instrument, *, step: int, start: int, end: int
    ) -> list[OpenInterest]:
        """Samples with start <= ts < end, rising; a coarser step where the venue has no finer one."""
        raise self.lacks("a history of open interest")

    async def funding(self, instrument: Instrument) -> FundingRate:
        """The running rate with the venue's interval."""
        found = await self.fundings()
        if instrument.symbol not in found:
            raise SourceError(self.name, f"has no funding rate of {instrument.symbol}")
        return found[instrument.symbol]

    async def fundings(self) -> dict[str, FundingRate]:
        """The running rates of every perp by symbol, where one call gives them."""
        raise self.lacks("funding rates")

    async def funding_history(self, instrument: Instrument, limit: int = 100) -> list[FundingRate]:
        """Settled rates, rising by settlement."""
        raise self.lacks("a history of funding")

    async def tiers(self, _instrument: Instrument) -> TierTable | None:
        """Maintenance margin by position value, where the venue publishes it without a key."""
        return None

    async def candles(
        self, instrument: Instrument, timeframe: str, *, limit: int = 300, end: int | None = None
    ) -> list[Candle]:
        """The newest `limit` candles that open before `end` (ms, exclusive), rising.

        Whether a candle is closed is judged by the time before the request went out: what closed while it
        was under way may lack its last trades. Timeframes the venue lacks are folded from finer ones.
        """
        now = self.clock.now()
        step = TIMEFRAMES[timeframe]
        stop = now + 1 if end is None else min(end, now + 1)
        start = (stop - 1) // step * step - (limit - 1) * step
        native = self._native(timeframe)
        rows = await self._candle_range(instrument, native, start, stop)
        if native != timeframe:
            rows = fold(rows, step)
        return [_judged(row, row.ts + step <= now) for row in rows]

    async def candle_page_of(
        self, instrument: Instrument, timeframe: str, start: int, end: int
    ) -> list[Candle]:
        """One request: candles with start <= open time < end in any order, `closed` as the venue says."""
        raise self.lacks("candles")

    async def _candle_range(
        self, instrument: Instrument, timeframe: str, start: int, end: int
    ) -> list[Candle]:
        span = self.candle_page * TIMEFRAMES[timeframe]
        edges = range(start, end, span)[-MAX_PAGES:]
        pages = await asyncio.gather(
            *(self.candle_page_of(instrument, timeframe, e, min(e + span, end)) for e in edges)
        )
        found = {row.ts: row for page in pages for row in page if start <= row.ts < end}
        return [found[ts] for ts in sorted(found)]

    def _native(self, timeframe: str) -> str:
        """The longest timeframe of the venue that `timeframe` is a multiple of."""
        if timeframe in self.intervals:
            return timeframe
        step = TIMEFRAMES[timeframe]
        return max(
            (each for each in self.intervals if step % TIMEFRAMES[each] == 0),
            key=lambda each: TIMEFRAMES[each],
        )

    @property
    def name(self) -> str:
        """The venue's name as people write it."""
        return EXCHANGE_NAMES.get(self.id, self.id)

    def lacks(self, what: str) -> SourceError:
        """The error of a call the venue has no answer to."""
        return SourceError(self.name, f"does not publish {what}")


def _judged(row: Candle, over: bool) -> Candle:
    """The candle, closed only where the venue does not say otherwise and its time is over."""
    closed = row.closed and over
    if row.closed == closed:
        return row
    return Candle(
        ts=row.ts, open=row.open, high=row.high, low=row.low, close=row.close, volume=row.volume,
        quote_volume=row.quote_volume, taker_buy_volume=row.taker_buy_volume,
        taker_buy_quote=row.taker_buy_quote, closed=closed,
    )  # fmt: skip


def fold(rows: Sequence[Candle], step: int) -> list[Candle]:
    """Candles of `step` ms from finer ones; a part without a figure leaves the sum without it."""
    groups: dict[int, list[Candle]] = {}
    for row in rows:
        groups.setdefault(row.ts // step * step, []).append(row)
    return [
        Candle(
            ts=ts, open=group[0].open, high=max(r.high for r in group), low=min(r.low for r in group),
            close=group[-1].close, volume=sum(r.volume for r in group),
            quote_volume=_sum(r.quote_volume for r in group),
            taker_buy_volume=_sum(r.taker_buy_volume for r in group),
            taker_buy_quote=_sum(r.taker_buy_quote for r in group),
            closed=all(r.closed for r in group),
        )
        for ts, group in groups.items()
    ]  # fmt: skip


def _sum(values: Iterable[float | None]) -> float | None:
    known = list(values)
    return None if any(v is None for v in known) else sum(v for v in known if v is not None)


def levels(
    instrument: Instrument, rows: Iterable[Sequence[Any]]
) -> tuple[tuple[float, float], ...]:
    """Order-book rows (price, amount, ...) as (price per coin, coins)."""
    pairs = ((per_coin(instrument, row[0]), coins(instrument, row[1])) for row in rows)
    return tuple((price, amount) for price, amount in pairs if price and amount)


def oldest_first(newest_first: list[Trade]) -> list[Trade]:
    """Trades in the order they happened; those of one moment keep the venue's order."""
    return sorted(newest_first[::-1], key=lambda trade: trade.ts)  # noqa: C415 - sorting is stable


def with_intervals(rows: Sequence[FundingRate]) -> list[FundingRate]:
    """Settled rates, rising, each with the hours since the settlement before: intervals change over time."""
    ordered = sorted(rows, key=lambda row: row.ts)
    hours = [round((b.ts - a.ts) / HOUR) for a, b in pairwise(ordered)]
    known = [max(1, hour) for hour in hours]
    return [
        replace(row, interval_h=float(hour)) if hour <= 24 else row
        for row, hour in zip(ordered, [known[0], *known] if known else [], strict=False)
    ] or ordered


def tier_rows(
    caps: Sequence[tuple[float, float, float]],
) -> tuple[tuple[float, float, float, float], ...]:
    """(cap, maintenance rate, leverage) -> with the offset that makes the margin continuous at each cap."""
    rows: list[tuple[float, float, float, float]] = []
    offset = edge = rate_before = 0.0
    for cap, rate, leverage in sorted(caps):
        offset += edge * (rate - rate_before)
        rows.append((cap, rate, offset, leverage))
        edge, rate_before = cap, rate
    return tuple(rows)


def day(ts: int) -> str:
    """The UTC date of a moment: `2026-06-14`."""
    return datetime.fromtimestamp(ts / 1000, UTC).date().isoformat()
