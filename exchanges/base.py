"""One venue as the rest of the product sees it; each venue's file says only what differs.

Raw payloads end here: amounts leave in coins, prices per coin, times in ms. A venue that does not have
something raises SourceError and leaves the capability out; nothing is made up in its place.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any, ClassVar, TypeVar

from exchanges.cache import Cache
from exchanges.client import Caller
from exchanges.pacing import Window
from exchanges.types import Capability, Hole, PastTrades
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
PAST_PAGES = 10  # of past trades in one call: who wants more asks again from where it got to
PAST_LAG = 2_000  # market ms by which REST may know of a trade later than the stream


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

    async def past_trades(
        self,
        instrument: Instrument,
        *,
        since: int,
        until: int,
        after_seq: int | None = None,
        before_seq: int | None = None,
    ) -> PastTrades:
        """What traded from `since` to `until` (ms, both included), at most some thousand trades a call.

        `after_seq` and `before_seq` are the numbers of the trades around it, where they are known. Paced
        by itself, so that it never holds up a command; raises SourceError where the first page fails.
        """
        hole = Hole(
            instrument=instrument,
            since=since,
            until=until,
            after_seq=after_seq,
            before_seq=before_seq,
        )
        return await self._past(hole)

    async def _past(self, _hole: Hole) -> PastTrades:
        """As `past_trades`; most venues page, each in its own direction."""
        return PastTrades(reason=f"{self.name} does not tell past trades")

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


def past_of(
    hole: Hole, found: Iterable[Trade], *, first: int, last: int, more: bool, reason: str = ""
) -> PastTrades:
    """What was found of a hole. All trades of the moments `first`..`last` were on the venue's pages.

    Between two known numbers only the numbers prove that nothing is missing.
    """
    rows = {each.id or str(n): each for n, each in enumerate(found) if hole.holds(each)}
    trades = sorted(rows.values(), key=lambda each: (each.ts, each.seq or 0))
    first, last = max(first, hole.since), min(last, hole.until)
    complete = (first, last) == (hole.since, hole.until)
    if hole.after_seq is not None and hole.before_seq is not None:
        complete = len({each.seq for each in trades}) == hole.before_seq - hole.after_seq - 1
        if complete:
            first, last = hole.since, hole.until
        elif (first, last) == (hole.since, hole.until):
            return PastTrades(trades=tuple(trades), more=more, reason="some numbers are missing")
    return PastTrades(
        trades=tuple(trades),
        whole=(first, last) if first <= last else None,
        complete=complete,
        more=more and not complete,
        reason="" if complete else reason,
    )


async def backward(
    hole: Hole, page: Callable[[Trade | None], Awaitable[list[Trade]]], known: int
) -> PastTrades:
    """Fill a hole from its end: `page` gives the trades before one, oldest first, None for the newest.

    The venue is sure to know what happened up to `known` (ms).
    """
    found: list[Trade] = []
    last = known
    for _ in range(PAST_PAGES):
        oldest = found[0] if found else None
        try:
            rows = await page(oldest)
        except SourceError as error:
            if oldest is None:
                raise
            return past_of(
                hole, found, first=oldest.ts + 1, last=last, more=True, reason=error.reason
            )
        fresh = rows if oldest is None else _before(rows, oldest)
        if oldest is None and rows and hole.joins(rows[-1]):
            last = hole.until
        if not fresh:
            first = hole.until + 1 if oldest is None else oldest.ts + 1
            more = last < hole.until
            return past_of(hole, found, first=first, last=last, more=more, reason="too long ago")
        found = fresh + found
        if hole.begins(found[0]):
            more = last < hole.until
            return past_of(hole, found, first=hole.since, last=last, more=more, reason="too new")
    return past_of(hole, found, first=found[0].ts + 1, last=last, more=True, reason="many trades")


def _before(rows: Sequence[Trade], oldest: Trade) -> list[Trade]:
    """Those of a page that reach further back; a page by seconds repeats some."""
    if oldest.seq is not None:
        return [each for each in rows if each.seq is not None and each.seq < oldest.seq]
    further = bool(rows) and rows[0].ts < oldest.ts
    return [each for each in rows if each.ts <= oldest.ts] if further else []


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
