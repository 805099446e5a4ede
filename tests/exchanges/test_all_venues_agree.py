"""All venues of the local exchange server, asked for the same coins by unmodified ccxt.pro clients.

One simulated market stands behind them, so whatever differs by more than a venue's own premium is a wrong
unit: contracts taken for coins, thousands of coins for one, quote for base.
"""

import asyncio
import json
import os
import select
import subprocess
import sys
import urllib.request
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import ccxt.pro
import pytest
import pytest_asyncio

ROOT = Path(__file__).parents[2]
HOUR = 3_600_000
READY = 30.0  # seconds for the server to say where it listens
DELIVERY = 10.0  # seconds for a stream to deliver

pytestmark = pytest.mark.asyncio(loop_scope="module")


@dataclass(frozen=True, kw_only=True)
class Listing:
    """One coin on one venue. `bundle`: coins in one unit of the venue's base name, 1000 for 1000PEPE."""

    client: str
    symbol: str
    bundle: float = 1.0

    def __str__(self) -> str:
        return f"{self.client} {self.symbol}"


BTC_PERPS = [
    Listing(client="binanceusdm", symbol="BTC/USDT:USDT"),
    Listing(client="bybit", symbol="BTC/USDT:USDT"),
    Listing(client="okx", symbol="BTC/USDT:USDT"),
    Listing(client="hyperliquid", symbol="BTC/USDC:USDC"),
]
BTC_SPOT = [
    Listing(client="binance", symbol="BTC/USDT"),
    Listing(client="bybit", symbol="BTC/USDT"),
    Listing(client="okx", symbol="BTC/USDT"),
    Listing(client="coinbase", symbol="BTC/USD"),
]
PEPE_PERPS = [
    Listing(client="binanceusdm", symbol="1000PEPE/USDT:USDT", bundle=1000),
    Listing(client="bybit", symbol="1000PEPE/USDT:USDT", bundle=1000),
    Listing(client="okx", symbol="PEPE/USDT:USDT"),
    Listing(client="hyperliquid", symbol="KPEPE/USDC:USDC", bundle=1000),
]
PERPS = [*BTC_PERPS, *PEPE_PERPS]
EVERY = [*PERPS, *BTC_SPOT]
COINS = {"BTC perp": BTC_PERPS, "BTC spot": BTC_SPOT, "PEPE perp": PEPE_PERPS}


def each_listing(listings: list[Listing]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("listing", listings, ids=str)


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """The address of `python -m bot market`, run as a person would."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("SIM_")}
    process = subprocess.Popen(
        [sys.executable, "-m", "bot", "market", "--port", "0"],
        cwd=ROOT,
        env={**kept, "MARKET": "sim", "SIM_SEED": "7", "MARKET_SPEED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert process.stdout is not None
    try:
        assert select.select([process.stdout], [], [], READY)[0], "the server said nothing"
        told = json.loads(process.stdout.readline())
        assert told["port"] > 0
        yield told["url"]
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


@pytest.fixture(scope="module")
def config(server: str) -> dict[str, Any]:
    """What has to be merged into the configuration of each client."""
    with urllib.request.urlopen(f"{server}/clients.json", timeout=5) as answer:
        told: dict[str, Any] = json.load(answer)
    return told


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def clients(config: dict[str, Any]) -> AsyncIterator[dict[str, Any]]:
    """Clients that know of the server only what /clients.json says."""
    names = sorted({each.client for each in EVERY})
    made = {
        name: getattr(ccxt.pro, name)(
            {**config[name], "enableRateLimit": False, "timeout_on_exit": 0}
        )
        for name in names
    }
    try:
        await asyncio.gather(*(each.load_markets() for each in made.values()))
        yield made
    finally:
        await asyncio.gather(*(each.close() for each in made.values()))


def in_coins(client: Any, listing: Listing, amount: float) -> float:
    """An amount as ccxt gives it (contracts of a perp) in coins."""
    return amount * (client.market(listing.symbol)["contractSize"] or 1.0) * listing.bundle


async def price_of(client: Any, listing: Listing) -> float:
    """The last price of one coin."""
    last: float = (await client.fetch_ticker(listing.symbol))["last"]
    return last / listing.bundle


async def hours(client: Any, listing: Listing, count: int) -> list[list[float]]:
    """The newest hourly candles; `since` is said, for defaults differ between the clients."""
    since = client.milliseconds() // HOUR * HOUR - (count - 1) * HOUR
    rows: list[list[float]] = await client.fetch_ohlcv(listing.symbol, "1h", since, count)
    return rows


@each_listing(EVERY)
async def test_every_listing_is_a_linear_market_with_steps(
    clients: dict[str, Any], listing: Listing
) -> None:
    market = clients[listing.client].market(listing.symbol)
    assert market["active"]
    assert market["spot"] != (listing in PERPS)
    assert market["linear"] is (True if listing in PERPS else None)
    assert market["precision"]["price"] > 0
    assert market["precision"]["amount"] > 0


@pytest.mark.parametrize("coin", COINS)
async def test_prices_of_one_coin_differ_by_less_than_half_a_percent(
    clients: dict[str, Any], coin: str
) -> None:
    listings = COINS[coin]
    prices = await asyncio.gather(*(price_of(clients[each.client], each) for each in listings))
    middle = median(prices)
    assert {str(e): p for e, p in zip(listings, prices, strict=True)} == {
        str(e): pytest.approx(middle, rel=0.005) for e in listings
    }


async def test_spot_and_perp_are_the_same_coin(clients: dict[str, Any]) -> None:
    binance, futures = clients["binance"], clients["binanceusdm"]
    spot = await binance.fetch_ticker("BTC/USDT")
    perp = await futures.fetch_ticker("BTC/USDT:USDT")
    assert spot["symbol"] == "BTC/USDT"  # ccxt tells the two by fields of the answer
    assert perp["symbol"] == "BTC/USDT:USDT"
    assert perp["last"] == pytest.approx(spot["last"], rel=0.005)
    assert perp["baseVolume"] != spot["baseVolume"]


@each_listing(EVERY)
async def test_a_day_of_candles_holds_what_the_ticker_says_was_traded(
    clients: dict[str, Any], listing: Listing
) -> None:
    client = clients[listing.client]
    rows = (await hours(client, listing, 25))[-25:]
    assert [row[0] for row in rows] == [rows[0][0] + n * HOUR for n in range(25)]
    assert all(low <= min(o, c) <= max(o, c) <= high for _, o, high, low, c, _v in rows)
    ticker = await client.fetch_ticker(listing.symbol)
    assert rows[-1][4] == pytest.approx(ticker["last"], rel=0.002)
    # ccxt gives the candles of OKX swaps in coins already, its tickers in contracts
    traded = [volume * listing.bundle for *_bar, volume in rows]
    value = sum(v * row[4] / listing.bundle for v, row in zip(traded, rows, strict=True))
    assert value > 1e6
    if ticker["baseVolume"] is not None:
        day = in_coins(client, listing, ticker["baseVolume"])
        assert sum(traded[1:-1]) * 0.999 <= day <= sum(traded) * 1.001
    if ticker["quoteVolume"] is not None:
        assert ticker["quoteVolume"] == pytest.approx(value, rel=0.15)


@pytest.mark.parametrize("coin", COINS)
async def test_volumes_of_one_coin_are_of_one_order(clients: dict[str, Any], coin: str) -> None:
    """Shares of venues differ, by tens and not by hundreds; a wrong contract size is a hundred at least."""
    found = []
    for each in COINS[coin]:
        rows = await hours(clients[each.client], each, 25)
        found.append(sum(row[5] * each.bundle for row in rows[:-1]))
    assert max(found) / min(found) < 30


@each_listing(EVERY)
async def test_the_order_book_straddles_the_last_price(
    clients: dict[str, Any], listing: Listing
) -> None:
    client = clients[listing.client]
    book, ticker = await asyncio.gather(
        client.fetch_order_book(listing.symbol), client.fetch_ticker(listing.symbol)
    )
    bids, asks = book["bids"], book["asks"]
    assert bids[0][0] < asks[0][0]
    assert [row[0] for row in bids] == sorted((row[0] for row in bids), reverse=True)
    assert [row[0] for row in asks] == sorted(row[0] for row in asks)
    assert ticker["last"] == pytest.approx((bids[0][0] + asks[0][0]) / 2, rel=0.002)
    coins = in_coins(client, listing, sum(row[1] for row in bids[:10] + asks[:10]))
    assert 1e4 < coins * ticker["last"] / listing.bundle < 1e8


@each_listing([each for each in EVERY if each.client != "hyperliquid"])
async def test_trades_are_of_a_size_people_trade(clients: dict[str, Any], listing: Listing) -> None:
    """Hyperliquid has no public trades by REST; ccxt asks for a wallet there."""
    client = clients[listing.client]
    rows = await client.fetch_trades(listing.symbol, limit=60)
    check_trades(client, listing, rows, await price_of(client, listing))
    assert len(rows) >= 50
    stamps = [row["timestamp"] for row in rows]
    assert stamps == sorted(stamps)
    assert {row["side"] for row in rows} == {"buy", "sell"}
    assert len({row["id"] for row in rows}) == len(rows)


def check_trades(client: Any, listing: Listing, rows: list[dict[str, Any]], price: float) -> None:
    values = []
    for row in rows:
        each = row["price"] / listing.bundle
        assert each == pytest.approx(price, rel=0.02)
        value = in_coins(client, listing, row["amount"]) * each
        assert row["cost"] == pytest.approx(value, rel=0.01)
        values.append(value)
    assert 0.5 < median(values) < 100_000
    assert max(values) < 2e7


@pytest.mark.parametrize("coin", ["BTC perp", "PEPE perp"])
async def test_open_interest_of_one_coin_is_of_one_order(
    clients: dict[str, Any], coin: str
) -> None:
    values = []
    for each in COINS[coin]:
        client = clients[each.client]
        row = await client.fetch_open_interest(each.symbol)
        value = in_coins(client, each, row["openInterestAmount"]) * await price_of(client, each)
        if row["openInterestValue"] is not None:
            assert row["openInterestValue"] == pytest.approx(value, rel=0.01)
        values.append(value)
    assert min(values) > 1e6
    assert max(values) / min(values) < 30


@each_listing(PERPS)
async def test_funding_has_a_known_interval_and_the_mark_of_the_price(
    clients: dict[str, Any], listing: Listing
) -> None:
    client = clients[listing.client]
    row = await client.fetch_funding_rate(listing.symbol)
    if listing.client == "binanceusdm":  # told by fundingInfo only, which lists what is not 8 h
        listed = await client.fetch_funding_intervals()
        interval = listed[listing.symbol]["interval"] if listing.symbol in listed else "8h"
    else:
        interval = row["interval"]
    assert interval in ("1h", "4h", "8h")
    step = int(interval[:-1]) * HOUR
    assert row["fundingTimestamp"] % step == 0
    assert 0 < row["fundingTimestamp"] - client.milliseconds() <= step
    assert abs(row["fundingRate"]) / int(interval[:-1]) < 0.005
    if row["markPrice"] is not None:
        mark = row["markPrice"] / listing.bundle
        assert mark == pytest.approx(await price_of(client, listing), rel=0.005)


@pytest.mark.parametrize("coin", COINS)
async def test_streams_deliver_the_trades_and_the_book_of_the_same_market(
    clients: dict[str, Any], coin: str
) -> None:
    async def watch(listing: Listing) -> None:
        client = clients[listing.client]
        price = await price_of(client, listing)
        rows: list[dict[str, Any]] = []
        while len(rows) < 3:
            rows += await client.watch_trades(listing.symbol)
        check_trades(client, listing, rows, price)
        assert {row["symbol"] for row in rows} == {listing.symbol}
        # The first message may tell a hundred past trades, which in a quiet hour is some minutes; they end now.
        ages = [client.milliseconds() - row["timestamp"] for row in rows]
        assert -120_000 < min(ages) < 120_000
        assert max(ages) < 3_600_000
        book = await client.watch_order_book(listing.symbol)
        best_bid, best_ask = book["bids"][0][0], book["asks"][0][0]
        assert best_bid < best_ask
        assert (best_bid + best_ask) / 2 / listing.bundle == pytest.approx(price, rel=0.01)

    async with asyncio.timeout(DELIVERY):
        await asyncio.gather(*(watch(each) for each in COINS[coin]))
