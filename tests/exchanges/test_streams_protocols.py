"""The decoders against the local exchange server: what its source has is what they tell, socket by socket."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from itertools import pairwise
from typing import Any, NamedTuple

import aiohttp
import pytest
from local_clients import serving
from local_source import BTC, BTC_PERP, BTC_USD, ETH_USD, PEPE_PERP, LocalSource
from local_source import START as FIRST_NOW
from local_source_b import NOW, PlainSource, instrument

from exchanges.endpoints import load_endpoints
from exchanges.local.server import LocalServer
from exchanges.streams.binance import BinanceBooks, BinancePerps, BinanceSpot
from exchanges.streams.bybit import BybitPerps, BybitSpot
from exchanges.streams.coinbase import Coinbase
from exchanges.streams.decoder import Accepted, Channel, Decoder, Event, Refused, Topic
from exchanges.streams.hyperliquid import Hyperliquid
from exchanges.streams.okx import OkxPublic, OkxTrades
from exchanges.streams.protocols import DECODERS
from market.clock import Clock, FixedClock
from market.types import (
    BookChange,
    Context,
    Instrument,
    Liquidation,
    OrderBook,
    PositionSide,
    Trade,
)

TRADES, LIQUIDATIONS, CONTEXT, BOOK = Channel


class Venue(NamedTuple):
    """A source of a venue's markets, and which of them are asked for."""

    source: Callable[[Clock], Any]
    now: int
    instruments: tuple[Instrument, ...]


class Grid(LocalSource):
    """A source whose levels are on one grid at every moment, as a market's are."""

    def book(self, instrument: Instrument, depth: int) -> OrderBook | None:
        found = super().book(instrument, depth)
        if found is None:
            return None
        bids, asks = (
            tuple((float(f"{price:.10g}"), amount) for price, amount in side)
            for side in (found.bids, found.asks)
        )
        return replace(found, bids=bids, asks=asks)


def plain(clock: Clock) -> PlainSource:
    return PlainSource(clock=clock)


def b(exchange: str, *symbols: str) -> Venue:
    return Venue(plain, NOW, tuple(instrument(exchange, each) for each in symbols))


BYBIT_PERPS = b("bybit", "BTC/USDT:USDT", "1000PEPE/USDT:USDT")
OKX = b("okx", "BTC/USDT:USDT", "PEPE/USDT:USDT", "BTC/USDT")
OKX_SWAPS = b("okx", "BTC/USDT:USDT", "PEPE/USDT:USDT")
HYPERLIQUID = b("hyperliquid", "BTC/USDC:USDC", "KPEPE/USDC:USDC")
VENUES: dict[type[Decoder], Venue] = {
    BinancePerps: Venue(Grid, FIRST_NOW, (BTC_PERP, PEPE_PERP)),
    BinanceBooks: Venue(Grid, FIRST_NOW, (BTC_PERP, PEPE_PERP)),
    BinanceSpot: Venue(Grid, FIRST_NOW, (BTC,)),
    BybitPerps: BYBIT_PERPS,
    BybitSpot: b("bybit", "BTC/USDT"),
    OkxTrades: OKX,
    OkxPublic: OKX_SWAPS,
    Hyperliquid: HYPERLIQUID,
    Coinbase: Venue(Grid, FIRST_NOW, (BTC_USD, ETH_USD)),
}


class Line:
    """One socket: asks, reads, and lets the market go on while it waits."""

    def __init__(self, ws: Any, decoder: Decoder, clock: FixedClock, source: Any) -> None:
        self.ws, self.decoder, self.clock, self.source = ws, decoder, clock, source
        self.events: list[Event] = []

    def of(self, kind: type[Any], one: Instrument) -> list[Any]:
        return [e for e in self.events if isinstance(e, kind) and e.instrument == one]

    async def ask(self, requests: Sequence[str]) -> None:
        for each in requests:
            await self.ws.send_str(each)

    async def listen(self, done: Callable[[], object], step: int = 100) -> None:
        async def run() -> None:
            while True:
                self.clock.advance(step)
                await asyncio.sleep(0.01)

        clock = asyncio.create_task(run())
        try:
            async with asyncio.timeout(8):
                while not done():
                    self.events += self.decoder.decode(await self.ws.receive_str())
        finally:
            clock.cancel()


@asynccontextmanager
async def line(kind: type[Decoder]) -> AsyncIterator[Line]:
    venue = VENUES[kind]
    clock = FixedClock(venue.now)
    source = venue.source(clock)
    async with serving(LocalServer(source)) as url, aiohttp.ClientSession() as http:
        streams = (await load_endpoints(url)).streams
        async with http.ws_connect(streams[kind.url_key].rstrip("/") + kind.path) as ws:
            made = Line(ws, kind(clock), clock, source)
            await made.ask(made.decoder.opening())
            yield made


def topics_of(kind: type[Decoder], channel: Channel) -> list[Topic]:
    return [Topic(channel, each) for each in VENUES[kind].instruments]


def with_channel(channel: Channel) -> list[type[Decoder]]:
    return [each for each in DECODERS if channel in each.channels]


def test_every_decoder_is_tried() -> None:
    assert set(VENUES) == set(DECODERS)


@pytest.mark.parametrize("kind", DECODERS)
async def test_all_topics_of_a_socket_are_confirmed_and_a_wrong_one_is_refused(
    kind: type[Decoder],
) -> None:
    topics = [each for channel in sorted(kind.channels) for each in topics_of(kind, channel)]
    channel = sorted(kind.channels)[0]
    known = topics[0].instrument
    name = "NONE-USD" if kind is Coinbase else "NONE"
    wrong = Topic(
        channel, Instrument(
            exchange=known.exchange, symbol="NONE/X:X", base="NONE", quote="X", perp=known.perp,
            id=name,
        ),
    )  # fmt: skip
    silent = known.exchange == "binance"  # the venue confirms what does not exist
    async with line(kind) as made:
        await made.ask(made.decoder.subscribe([*topics, wrong]))

        def answered() -> list[Topic]:
            return [e.topic for e in made.events if isinstance(e, Accepted | Refused)]

        await made.listen(lambda: len(answered()) == len(topics) + 1)
    assert sorted(answered()) == sorted([*topics, wrong])
    refused = [e.topic for e in made.events if isinstance(e, Refused)]
    assert refused == ([] if silent else [wrong])
    assert made.decoder.bad == 0


@pytest.mark.parametrize("kind", with_channel(TRADES))
async def test_every_trade_of_the_source_arrives_as_it_is(kind: type[Decoder]) -> None:
    topics = topics_of(kind, TRADES)
    since = VENUES[kind].now + 2000  # the first frames of some repeat what was before

    def fresh(one: Instrument) -> list[Trade]:
        return [each for each in made.of(Trade, one) if each.ts > since]

    async with line(kind) as made:
        await made.ask(made.decoder.subscribe(topics))
        await made.listen(lambda: all(len(fresh(each.instrument)) > 30 for each in topics), 300)
    for _, one in topics:
        found = fresh(one)
        own = made.source.trades(one, found[0].ts - 1, found[-1].ts)
        assert [(t.ts, t.side) for t in found] == [(t.ts, t.side) for t in own]
        assert [t.price for t in found] == pytest.approx([t.price for t in own], rel=1e-12)
        assert [t.amount for t in found] == pytest.approx([t.amount for t in own], rel=1e-12)
        assert [t.id for t in found] == [t.id for t in own]
        counts = one.exchange in ("binance", "okx")
        assert [t.seq for t in found] == [int(t.id) if counts else None for t in own]
    assert (made.decoder.bad, made.decoder.missed) == (0, 0)


@pytest.mark.parametrize("kind", [BybitPerps, OkxPublic])
async def test_every_liquidation_of_the_source_arrives_as_it_is(kind: type[Decoder]) -> None:
    topics = topics_of(kind, LIQUIDATIONS)
    async with line(kind) as made:
        await made.ask(made.decoder.subscribe(topics))
        await made.listen(
            lambda: all(len(made.of(Liquidation, each.instrument)) > 8 for each in topics)
        )
    exchange = topics[0].instrument.exchange
    for _, one in topics:
        found = made.of(Liquidation, one)
        since, until = VENUES[kind].now + 1000, max(each.ts for each in found)
        own = [e for e in made.source.liquidations(exchange, since, until) if e.instrument == one]
        fresh = [each for each in found if each.ts > since]
        assert {e.position for e in own} == (
            set(PositionSide) if one.base == "BTC" else {PositionSide.LONG}
        )
        assert [(e.ts, e.position) for e in fresh] == [(e.ts, e.position) for e in own]
        assert [e.amount for e in fresh] == pytest.approx([e.amount for e in own], rel=1e-12)
        assert [e.price for e in fresh] == pytest.approx([e.price for e in own], rel=1e-9)
        assert {e.sample for e in fresh} == {exchange == "okx"}
    assert made.decoder.bad == 0


async def test_binance_shows_the_largest_liquidation_of_a_second() -> None:
    second = (FIRST_NOW // 1000 + 3) * 1000
    async with line(BinancePerps) as made:
        close = made.source.close_position
        close(BTC_PERP, second, 0.5, PositionSide.LONG)
        close(BTC_PERP, second + 999, 2.0, PositionSide.LONG)
        close(PEPE_PERP, second + 10, 5_000_000.0, PositionSide.SHORT)
        close(BTC_PERP, second + 1000, 0.25, PositionSide.SHORT)
        await made.ask(made.decoder.subscribe(topics_of(BinancePerps, LIQUIDATIONS)))
        await made.listen(lambda: sum(isinstance(e, Liquidation) for e in made.events) == 3)
    found = [
        (e.ts - second, e.amount, e.position.value, e.sample)
        for one in (BTC_PERP, PEPE_PERP)
        for e in made.of(Liquidation, one)
    ]
    assert found == [
        (999, 2.0, "long", True), (1000, 0.25, "short", True), (10, 5_000_000.0, "short", True),
    ]  # fmt: skip
    assert made.decoder.bad == 0


@pytest.mark.parametrize("kind", with_channel(CONTEXT))
async def test_contexts_add_up_to_what_the_source_knows(kind: type[Decoder]) -> None:
    topics = topics_of(kind, CONTEXT)
    exchange = topics[0].instrument.exchange
    wanted = {"mark", "rate"}
    wanted |= {"index"} if exchange != "okx" else set()
    wanted |= {"interval_h", "interest"} if exchange != "binance" else set()
    wanted |= {"next_ts"} if exchange != "hyperliquid" else set()
    wanted |= {"interest_value"} if exchange != "binance" else set()

    async with line(kind) as made:
        await made.ask(made.decoder.subscribe(topics))

        def told(one: Instrument) -> dict[str, float]:
            figures: dict[str, float] = {}
            for each in made.of(Context, one):
                figures |= {n: v for n in wanted if (v := getattr(each, n)) is not None}
            return figures

        await made.listen(lambda: all(told(each.instrument).keys() == wanted for each in topics))
    for _, one in topics:
        figures = told(one)
        rate, interest = made.source.funding(one), made.source.open_interest(one)
        near = {"mark": rate.mark, "rate": rate.rate, "index": rate.index}
        near |= {"interval_h": rate.interval_h, "next_ts": rate.next_ts}
        near |= {"interest": interest.amount}
        for name, value in figures.items():
            if name in near:
                assert value == pytest.approx(near[name], rel=1e-5), name
        if "interest_value" in figures:
            assert figures["interest_value"] == pytest.approx(interest.value, rel=1e-3)
    assert made.decoder.bad == 0


@pytest.mark.parametrize("kind", with_channel(BOOK))
async def test_books_are_chained_and_equal_the_source_s(kind: type[Decoder]) -> None:
    topics = topics_of(kind, BOOK)
    async with line(kind) as made:
        await made.ask(made.decoder.subscribe(topics))
        await made.listen(
            lambda: all(len(made.of(BookChange, each.instrument)) > 7 for each in topics)
        )
    for _, one in topics:
        found = made.of(BookChange, one)
        _chained(found)
        sides: list[dict[float, float]] = [{}, {}]
        for each in found:
            for side, levels in zip(sides, (each.bids, each.asks), strict=True):
                if each.whole:
                    side.clear()
                side.update(levels)
        at = VENUES[kind].source(FixedClock(found[-1].ts))
        own: OrderBook = at.book(one, 20 if one.exchange == "hyperliquid" else 200)
        partial = one.exchange == "binance"  # its streams begin without the book
        for side, levels in zip(sides, (own.bids, own.asks), strict=True):
            near = {_key(price): amount for price, amount in levels}
            mine = {_key(price): amount for price, amount in side.items() if amount}
            expected = {p: a for p, a in near.items() if p in mine} if partial else near
            assert mine == pytest.approx(expected, rel=1e-9)
            assert all(_key(p) not in near for p, amount in side.items() if not amount)
            assert len(mine) > 10
    assert made.decoder.bad == 0


def _key(price: float) -> str:
    return f"{price:.9g}"


def _chained(found: list[BookChange]) -> None:
    for last, each in pairwise(found):
        if each.instrument.exchange == "hyperliquid":
            assert each.whole
        elif each.before is not None:
            assert each.before == last.last
        else:
            assert each.first == last.last + 1


@pytest.mark.parametrize("kind", DECODERS)
async def test_what_is_unsubscribed_stops_without_a_fault(kind: type[Decoder]) -> None:
    channel = next(each for each in (TRADES, BOOK, LIQUIDATIONS) if each in kind.channels)
    first, *others = [Topic(channel, each) for each in VENUES[kind].instruments]
    async with line(kind) as made:
        await made.ask(made.decoder.subscribe([first, *others]))
        wanted: Any = Trade if channel is TRADES else BookChange
        await made.listen(lambda: made.of(wanted, first.instrument))
        requests = made.decoder.unsubscribe([first])
        made.events.clear()
        await made.ask(requests)
        if others:
            await made.listen(lambda: len(made.of(wanted, others[0].instrument)) > 5)
    assert not made.of(wanted, first.instrument)
