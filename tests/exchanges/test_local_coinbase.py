"""The local Coinbase, asked by an unmodified ccxt.pro client and by hand."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import ccxt
import pytest
from local_clients import ask, client, serving
from local_source import BTC_USD, START, LocalSource

from exchanges.local.server import LocalServer
from exchanges.local.venues.coinbase import Coinbase
from market.clock import FixedClock
from market.types import HOUR, MINUTE, Side

NOW = START + 12_345
MARKET = "/coinbase/api/v3/brokerage/market"
OTHER = {"buy": "sell", "sell": "buy"}


@pytest.fixture
def source() -> LocalSource:
    return LocalSource(FixedClock(NOW))


@pytest.fixture
async def url(source: LocalSource) -> AsyncIterator[str]:
    async with serving(LocalServer(source)) as root:
        yield root


@pytest.fixture
async def coinbase(url: str) -> AsyncIterator[Any]:
    async with client(url, "coinbase") as made:
        yield made


async def watched(call: Any, source: LocalSource, step: int = 200) -> Any:
    """What a call gives while the market runs."""
    task = asyncio.ensure_future(call)
    async with asyncio.timeout(5):
        while not task.done():
            source.clock.advance(step)
            await asyncio.sleep(0.02)
    return task.result()


def levels(rows: tuple[tuple[float, float], ...]) -> Any:
    """Book levels to compare with."""
    return [[pytest.approx(price, rel=1e-12), pytest.approx(amount)] for price, amount in rows]


async def test_ccxt_loads_the_markets(coinbase: Any) -> None:
    markets = await coinbase.load_markets()
    assert set(markets) == {"BTC/USD", "ETH/USD", "USDT/USD"}
    assert markets["BTC/USD"]["precision"] == pytest.approx({"price": 0.1, "amount": 0.001})
    assert coinbase.currencies["BTC"]["type"] == "crypto"
    assert coinbase.currencies["USD"]["type"] == "fiat"


async def test_tickers_are_the_source_s(coinbase: Any, source: LocalSource) -> None:
    own = source.ticker(BTC_USD)
    assert own is not None
    row = (await coinbase.fetch_tickers(["BTC/USD"]))["BTC/USD"]
    assert (row["last"], row["percentage"]) == pytest.approx((own.last, 2.5))
    assert (row["baseVolume"], row["quoteVolume"]) == pytest.approx(
        (own.volume_24h, own.quote_volume_24h)
    )
    one = await coinbase.fetch_ticker("BTC/USD")
    assert (one["bid"], one["ask"]) == pytest.approx((own.bid, own.ask))
    assert one["last"] == pytest.approx(source.recent_trades(BTC_USD, 1)[0].price)


async def test_candles_are_the_source_s(coinbase: Any, source: LocalSource) -> None:
    since = START - 5 * HOUR
    rows = await coinbase.fetch_ohlcv("BTC/USD", "5m", since=since, limit=12)
    own = source.candles(BTC_USD, "5m", since, since + HOUR)
    assert rows == [[c.ts, c.open, c.high, c.low, c.close, pytest.approx(c.volume)] for c in own]


async def test_candles_come_newest_first_and_end_at_the_market_s_now(url: str) -> None:
    query = {
        "granularity": "ONE_MINUTE",
        "start": (START - 2 * MINUTE) // 1000,
        "end": START // 1000 + 600,
    }
    rows = (await ask(url, f"{MARKET}/products/BTC-USD/candles", **query))["candles"]
    assert [int(row["start"]) * 1000 for row in rows] == [START, START - MINUTE, START - 2 * MINUTE]


async def test_too_many_candles_are_refused(url: str) -> None:
    query = {"granularity": "ONE_MINUTE", "start": 0, "end": 350 * 60}
    assert (await ask(url, f"{MARKET}/products/BTC-USD/candles", **query))[
        "error"
    ] == "INVALID_ARGUMENT"


async def test_trades_name_the_maker_s_side(coinbase: Any, source: LocalSource) -> None:
    rows = await coinbase.fetch_trades("BTC/USD", limit=6)
    own = source.recent_trades(BTC_USD, 6)
    assert [(r["id"], r["timestamp"], r["price"]) for r in rows] == [
        (t.id, t.ts, t.price) for t in own
    ]
    assert [OTHER[r["side"]] for r in rows] == [t.side.value for t in own]
    assert {t.side for t in own} == {Side.BUY, Side.SELL}


async def test_trades_of_a_span_are_the_newest_in_it(coinbase: Any) -> None:
    start = START - HOUR
    rows = await coinbase.fetch_trades("BTC/USD", since=start, params={"until": start + 2000})
    assert [row["timestamp"] - start for row in rows] == [0, 500, 1000, 1500, 2000]


async def test_order_book_is_the_source_s(coinbase: Any, source: LocalSource) -> None:
    found, own = await coinbase.fetch_order_book("BTC/USD", 10), source.book(BTC_USD, 10)
    assert own is not None
    assert found["bids"] == levels(own.bids)
    assert found["asks"] == levels(own.asks)
    assert found["timestamp"] == own.ts


async def test_an_unknown_product_is_refused(coinbase: Any, url: str) -> None:
    await coinbase.load_markets()
    with pytest.raises(ccxt.ExchangeError, match="NOPE-USD"):
        await coinbase.v3_public_get_brokerage_market_products_product_id_ticker(
            {"product_id": "NOPE-USD"}
        )
    assert (await ask(url, f"{MARKET}/product_book", product_id="NOPE-USD"))["error"] == "NOT_FOUND"
    bad = await ask(url, f"{MARKET}/products/BTC-USD/ticker", limit="many")
    assert bad["error"] == "INVALID_ARGUMENT"


async def test_without_a_book_there_is_none() -> None:
    async with serving(
        LocalServer(LocalSource(FixedClock(NOW), without=frozenset({"books"})))
    ) as url:
        assert (await ask(url, f"{MARKET}/product_book", product_id="BTC-USD"))[
            "error"
        ] == "NOT_FOUND"


async def test_ccxt_watches_every_trade_once(coinbase: Any, source: LocalSource) -> None:
    numbers: list[int] = []
    while len(numbers) < 130:  # a hundred come at once
        rows = await watched(coinbase.watch_trades("BTC/USD"), source)
        numbers += [int(row["id"]) for row in rows]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    assert OTHER[rows[-1]["side"]] == source.trade(BTC_USD, numbers[-1]).side.value


async def test_ccxt_keeps_the_order_book(coinbase: Any, source: LocalSource) -> None:
    for _ in range(5):
        found = await watched(coinbase.watch_order_book("BTC/USD"), source, step=100)
    own = source.book(BTC_USD, 500)
    assert own is not None
    for _ in range(50):  # the last update may still be on its way
        if found["bids"] == levels(own.bids):
            break
        await asyncio.sleep(0.02)
    assert found["bids"] == levels(own.bids)
    assert found["asks"] == levels(own.asks)


async def test_ccxt_watches_tickers(coinbase: Any, source: LocalSource) -> None:
    ticker = await watched(coinbase.watch_ticker("BTC/USD"), source)
    assert ticker["last"] == pytest.approx(source.price(BTC_USD, ticker["timestamp"]))
    batch = await watched(coinbase.watch_tickers(["ETH/USD"]), source)
    assert batch["ETH/USD"]["last"] > 0


async def test_messages_are_numbered_over_the_connection(url: str, source: LocalSource) -> None:
    async with aiohttp.ClientSession() as session, session.ws_connect(f"{url}/coinbase/ws") as ws:
        for channel in ("heartbeats", "market_trades"):
            wanted = {
                "type": "subscribe",
                "product_ids": ["BTC-USD", "ETH-USD"],
                "channel": channel,
            }
            await ws.send_json(wanted)
        seen = [await watched(ws.receive_json(), source) for _ in range(12)]
        assert [found["sequence_num"] for found in seen] == list(range(12))
        assert {"subscriptions", "heartbeats", "market_trades"} == {
            found["channel"] for found in seen
        }
        await ws.send_json({"type": "unsubscribe", "channel": "market_trades"})
        await ws.send_json({"type": "unsubscribe", "channel": "heartbeats"})
        left: object = None
        while left != [{"subscriptions": {}}]:
            left = (await watched(ws.receive_json(), source))["events"]
        source.clock.advance(5000)
        with pytest.raises(TimeoutError):
            await ws.receive(timeout=0.2)


async def test_a_bad_subscription_is_an_error(url: str) -> None:
    async with aiohttp.ClientSession() as session, session.ws_connect(f"{url}/coinbase/ws") as ws:
        bad = [
            "not json",
            json.dumps({"type": "subscribe", "product_ids": ["NOPE-USD"], "channel": "ticker"}),
            json.dumps({"type": "subscribe", "product_ids": [], "channel": "nonsense"}),
        ]
        for text in bad:
            await ws.send_str(text)
            assert (await ws.receive_json())["type"] == "error"


def test_the_trade_feed_batches_newest_first() -> None:
    source = LocalSource(FixedClock(NOW))
    span = 1500 * 500
    frames = [json.loads(f) for f in Coinbase(source).trade_feed(BTC_USD).frames(NOW - span, NOW)]
    batches = [frame["events"][0]["trades"] for frame in frames]
    assert [len(batch) for batch in batches] == [1000, 500]
    numbers = [int(row["trade_id"]) for batch in batches for row in reversed(batch)]
    assert numbers == [int(trade.id) for trade in source.trades(BTC_USD, NOW - span, NOW)]
