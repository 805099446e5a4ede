"""What is asked for in turn: one venue at a time fails, nothing is invented, and every answer has its moment."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence

import pytest
import pytest_asyncio

from exchanges.endpoints import load_endpoints
from exchanges.hub import Market
from exchanges.local.faults import Fault
from exchanges.local.server import LocalServer
from exchanges.local.simulator import SimulatedMarket
from exchanges.polling import Polling
from market.clock import FixedClock, WallClock
from market.symbols import Query
from market.types import HOUR, Context, Instrument

pytestmark = pytest.mark.asyncio(loop_scope="module")

START = 1_780_272_000_000
NOW = START + 3 * HOUR


class Kept:
    """Remembers what it is given."""

    def __init__(self) -> None:
        self.news: list[Context] = []

    def take(self, news: Sequence[Context]) -> None:
        self.news += news


class Bench:
    """A served market, a hub in front of it and the perps of BTC."""

    def __init__(self, server: LocalServer, source: SimulatedMarket, market: Market) -> None:
        self.server, self.source, self.market = server, source, market
        query = Query(base="BTC", quote=None, perp=True, text="BTC")
        self.perps = {i.exchange: i for i in market.instruments_for(query, perp=True)}
        self.kept = Kept()

    def polling(self, *exchanges: str) -> Polling:
        made = Polling(self.market.venues.values(), self.kept, self.source.clock)
        made.watch(self.perps[name] for name in exchanges)
        return made

    def own(self, one: Instrument) -> Instrument:
        return next(i for i in self.source.instruments(one.exchange) if i.key == one.key)


@pytest_asyncio.fixture(loop_scope="module")
async def bench() -> AsyncIterator[Bench]:
    source = SimulatedMarket(7, START, FixedClock(NOW), [])
    server = LocalServer(source, source)
    port = await server.start()
    market = Market(
        endpoints=await load_endpoints(f"http://127.0.0.1:{port}"),
        exchanges=("binance", "bybit", "hyperliquid"),
        clock=source.clock,
        wall=WallClock(time.time),
        cache_dir=None,
    )
    await market.start()
    yield Bench(server, source, market)
    await market.close()
    await server.close()


async def test_only_what_is_not_streamed_is_asked_for(bench: Bench) -> None:
    await bench.polling("binance", "bybit", "hyperliquid").interest()
    (found,) = bench.kept.news
    truth = bench.source.open_interest(bench.own(found.instrument))
    assert truth is not None
    assert (found.instrument.exchange, found.interest) == (
        "binance",
        pytest.approx(truth.amount, abs=0.001),  # the venue writes three decimals
    )
    assert (found.rate, found.mark) == (None, None)
    assert 0 <= NOW - found.ts <= 60_000


async def test_intervals_come_with_the_running_rate(bench: Bench) -> None:
    await bench.polling("binance", "bybit", "hyperliquid").intervals()
    found = {each.instrument.exchange: each for each in bench.kept.news}
    assert set(found) == {"binance", "bybit"}
    for each in found.values():
        truth = bench.source.funding(bench.own(each.instrument))
        assert truth is not None
        assert each.interval_h == truth.interval_h
        assert each.rate == pytest.approx(truth.rate, abs=1e-8)


async def test_a_venue_that_fails_is_named_and_gives_nothing(bench: Bench) -> None:
    polling = bench.polling("binance", "bybit")
    bench.server.faults.set(Fault(exchange="binance", fault="500"))
    await asyncio.gather(polling.interest(), polling.intervals())
    assert {each.instrument.exchange for each in bench.kept.news} == {"bybit"}
    assert "binance" in polling.failed
