"""Unmodified ccxt.pro clients against a simulated market that runs: trades, books, tickers, liquidations."""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
from local_clients import client, serving

from exchanges.local.server import LocalServer
from exchanges.local.simulator import SimulatedMarket, parse_scenarios
from market.clock import MarketClock, WallClock
from market.types import Instrument

START = 1_780_272_000_000
BEGIN = START + 60_000 + 45_000  # in the middle of the cascade
SYMBOLS = {
    "binanceusdm": "BTC/USDT:USDT",
    "bybit": "BTC/USDT:USDT",
    "okx": "BTC/USDT:USDT",
    "hyperliquid": "BTC/USDC:USDC",
}


@pytest.fixture
def market() -> SimulatedMarket:
    wall = WallClock(time.time)
    clock = MarketClock(wall, start=BEGIN, anchor=wall.now(), speed=6.0)
    return SimulatedMarket(3, START, clock, parse_scenarios("cascade:BTC@60"))


@pytest.fixture
async def url(market: SimulatedMarket) -> AsyncIterator[str]:
    async with serving(LocalServer(market)) as root:
        yield root


def instrument(market: SimulatedMarket, name: str) -> Instrument:
    """Bitcoin's perp at the venue of a client."""
    exchange = name.removesuffix("usdm")
    return next(i for i in market.instruments(exchange) if i.symbol == SYMBOLS[name])


@pytest.mark.parametrize("name", SYMBOLS)
async def test_ccxt_follows_the_market(url: str, market: SimulatedMarket, name: str) -> None:
    one, symbol = instrument(market, name), SYMBOLS[name]
    async with asyncio.timeout(40), client(url, name) as made:
        await made.load_markets()
        trades, book, price = await asyncio.gather(
            made.watch_trades(symbol), made.watch_order_book(symbol), _price(made, name, symbol)
        )
        more = await made.watch_trades(symbol)
    known = {each.id: each for each in market.trades(one, BEGIN - 60_000, market.clock.now())}
    for row in [*trades, *more]:
        own = known[str(row["id"])]
        assert (row["timestamp"], row["side"]) == (own.ts, own.side.value)
        assert row["price"] == pytest.approx(own.price, rel=1e-12)
        fills = range(int(row["info"].get("count", 1)))  # OKX merges fills of one price and moment
        whole = sum(known[str(int(own.id) - n)].amount for n in fills)
        assert row["amount"] * one.contract_size == pytest.approx(whole)
    assert book["bids"][0][0] < book["asks"][0][0]
    last = market.recent_trades(one, 1)[0].price
    assert price == pytest.approx(last, rel=0.02)


async def _price(made: Any, name: str, symbol: str) -> float:
    """The mark price where ccxt watches it, else the last price or the middle."""
    if made.has.get("watchMarkPrice"):
        found = await made.watch_mark_price(symbol)
        return float(found["markPrice"])
    found = await made.watch_ticker(symbol)
    return float(found["last"] or found["markPrice"])


@pytest.mark.parametrize("name", ["binanceusdm", "bybit", "okx"])
async def test_ccxt_sees_liquidations(url: str, market: SimulatedMarket, name: str) -> None:
    one, symbol = instrument(market, name), SYMBOLS[name]
    async with asyncio.timeout(40), client(url, name) as made:
        await made.load_markets()
        rows = await made.watch_liquidations(symbol)
    known = market.liquidations(one.exchange, BEGIN - 60_000, market.clock.now())
    mine = {each.ts: each for each in known if each.instrument == one}
    for row in rows:
        own = mine[row["timestamp"]]
        assert row["price"] == pytest.approx(own.price)
        assert row["contracts"] * one.contract_size == pytest.approx(own.amount)
        closing = "sell" if own.position.value == "long" else "buy"
        held = "buy" if own.position.value == "long" else "sell"  # Bybit tells what was held
        assert row["side"] == (held if name == "bybit" else closing)
    assert rows
