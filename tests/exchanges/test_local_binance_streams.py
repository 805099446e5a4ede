"""The local Binance's streams, watched by unmodified ccxt.pro clients and by hand."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from local_clients import client, serving, until, watched
from local_source import (
    BTC,
    BTC_PERP,
    ETH,
    PEPE_PERP,
    START,
    LocalSource,
)

from exchanges.local.pump import Feed
from exchanges.local.server import LocalServer
from exchanges.local.venues.binance import Binance
from market.clock import FixedClock
from market.types import MINUTE, PositionSide, Side, Trade

NOW = START + 12_345


@pytest.fixture
def source() -> LocalSource:
    return LocalSource(FixedClock(NOW))


@pytest.fixture
async def url(source: LocalSource) -> AsyncIterator[str]:
    async with serving(LocalServer(source)) as root:
        yield root


@pytest.fixture
async def spot(url: str) -> AsyncIterator[Any]:
    async with client(url, "binance") as made:
        yield made


@pytest.fixture
async def usdm(url: str) -> AsyncIterator[Any]:
    async with client(url, "binanceusdm") as made:
        yield made


async def test_ccxt_watches_trades(spot: Any, usdm: Any, source: LocalSource) -> None:
    for made, one in ((spot, BTC), (usdm, PEPE_PERP)):
        rows = await watched(made.watch_trades(one.symbol), source.clock)
        own = source.trade(one, int(rows[-1]["id"]))
        assert rows[-1]["timestamp"] == own.ts > NOW
        assert rows[-1]["side"] == own.side.value
        assert rows[-1]["price"] == pytest.approx(own.price * one.multiplier, rel=1e-12)
        assert rows[-1]["amount"] * one.multiplier == pytest.approx(own.amount)


async def test_ccxt_watches_aggregate_trades_and_misses_none(
    usdm: Any, source: LocalSource
) -> None:
    numbers: list[int] = []
    while len(numbers) < 20:
        rows = await watched(
            usdm.watch_trades("BTC/USDT:USDT", params={"name": "aggTrade"}), source.clock
        )
        numbers += [int(row["info"]["a"]) for row in rows]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))


@pytest.mark.parametrize("name", ["BTC/USDT", "1000PEPE/USDT:USDT"])
async def test_ccxt_keeps_an_order_book_that_equals_the_source_s(
    spot: Any, usdm: Any, source: LocalSource, name: str
) -> None:
    made, one = (usdm, PEPE_PERP) if ":" in name else (spot, BTC)
    for _ in range(6):
        found = await watched(made.watch_order_book(name), source.clock, step=100)
    own = source.book(one, 1000)
    assert own is not None

    for _ in range(50):  # the last update may still be on its way
        if found["timestamp"] == source.clock.now():
            break
        await asyncio.sleep(0.02)
    assert len(found["bids"]) == len(own.bids)
    assert [price for price, _ in found["asks"]] == pytest.approx(
        [p * one.multiplier for p, _ in own.asks], rel=1e-9
    )
    assert [amount for _, amount in found["asks"]] == pytest.approx(
        [a / one.multiplier for _, a in own.asks]
    )


async def test_ccxt_watches_tickers_candles_marks_and_best_prices(
    spot: Any, usdm: Any, source: LocalSource
) -> None:
    ticker = await watched(spot.watch_ticker("ETH/USDT"), source.clock)
    assert ticker["last"] == pytest.approx(source.price(ETH, ticker["timestamp"]))
    tickers = await watched(usdm.watch_tickers(["BTC/USDT:USDT"]), source.clock)
    assert tickers["BTC/USDT:USDT"]["last"]
    (row,) = await watched(spot.watch_ohlcv("BTC/USDT", "1m"), source.clock)
    assert row[0] == source.clock.now() // MINUTE * MINUTE
    mark = await watched(usdm.watch_mark_price("BTC/USDT:USDT"), source.clock)
    assert mark["markPrice"] == pytest.approx(94_000 * 1.0001)
    best = await watched(spot.watch_bids_asks(["BTC/USDT"]), source.clock)
    assert best["BTC/USDT"]["bid"] < best["BTC/USDT"]["ask"]


class Ws:
    """A websocket client by hand."""

    def __init__(self, ws: aiohttp.ClientWebSocketResponse, clock: FixedClock) -> None:
        self._ws = ws
        self._clock = clock

    async def say(self, method: str, *names: str, number: int = 1) -> Any:
        """Ask and give the answer to it."""
        await self._ws.send_str(json.dumps({"method": method, "params": names, "id": number}))
        while True:
            found = await self.next(0)
            if "id" in found:
                return found

    async def next(self, step: int = 200) -> Any:
        """The next message, the market running while it is waited for."""
        task = asyncio.ensure_future(self._ws.receive_json())
        await until(task.done, clock=self._clock, step=step)
        return task.result()


@pytest.fixture
async def dial(url: str, source: LocalSource) -> AsyncIterator[Any]:
    async with aiohttp.ClientSession() as session:

        async def connect(path: str) -> Ws:
            return Ws(await session.ws_connect(f"{url}{path}"), source.clock)

        yield connect


async def test_combined_streams_name_their_events(dial: Any) -> None:
    ws = await dial(
        "/binance/futures/market/stream?streams=btcusdt@aggTrade/1000pepeusdt@markPrice@1s"
    )
    seen = {}
    while len(seen) < 2:
        found = await ws.next()
        seen[found["stream"]] = found["data"]["e"]
    assert seen == {"btcusdt@aggTrade": "aggTrade", "1000pepeusdt@markPrice@1s": "markPriceUpdate"}


async def test_subscriptions_are_answered_and_end(dial: Any) -> None:
    ws = await dial("/binance/stream/ws")
    assert await ws.say("SUBSCRIBE", "btcusdt@aggTrade", number=7) == {"result": None, "id": 7}
    assert (await ws.next())["e"] == "aggTrade"
    assert (await ws.say("LIST_SUBSCRIPTIONS"))["result"] == ["btcusdt@aggTrade"]
    await ws.say("UNSUBSCRIBE", "btcusdt@aggTrade")
    await ws.say("SUBSCRIBE", "ethusdt@trade", "nopeusdt@trade")
    assert {(await ws.next())["s"] for _ in range(3)} == {"ETHUSDT"}
    assert (await ws.say("SUBSCRIBE", "btcusdt@nonsense"))["error"]["code"] == 2
    assert (await ws.say("DANCE"))["error"]["code"] == 2


async def test_futures_streams_are_split_by_category(dial: Any) -> None:
    public, market = (
        await dial("/binance/futures/public/ws/0"),
        await dial("/binance/futures/market/ws/0"),
    )
    assert (await public.say("SUBSCRIBE", "btcusdt@trade"))["result"] is None
    assert (await public.next())["X"] == "MARKET"
    assert "error" in await public.say("SUBSCRIBE", "btcusdt@aggTrade")
    assert "error" in await market.say("SUBSCRIBE", "btcusdt@depth@100ms")


async def test_forced_orders_show_the_largest_of_a_symbol_and_second(
    dial: Any, source: LocalSource
) -> None:
    second = (NOW // 1000 + 2) * 1000
    source.close_position(BTC_PERP, second, 0.5, PositionSide.LONG)
    source.close_position(BTC_PERP, second + 999, 2.0, PositionSide.LONG)
    source.close_position(PEPE_PERP, second + 10, 5_000_000.0, PositionSide.SHORT)
    source.close_position(BTC_PERP, second + 1000, 0.25, PositionSide.SHORT)
    ws = await dial("/binance/futures/market/ws/!forceOrder@arr")
    orders = [(await ws.next())["o"] for _ in range(3)]
    assert [(o["s"], o["S"], float(o["z"]), o["T"] - second) for o in orders] == [
        ("1000PEPEUSDT", "BUY", 5000.0, 10),
        ("BTCUSDT", "SELL", 2.0, 999),
        ("BTCUSDT", "BUY", 0.25, 1000),
    ]


async def test_a_candle_is_sent_once_more_when_it_has_closed(
    dial: Any, source: LocalSource
) -> None:
    ws = await dial("/binance/stream/ws/btcusdt@kline_1m")
    closed = []
    while len(closed) < 2:
        candle = (await ws.next(7000))["k"]
        closed += [candle["t"]] if candle["x"] else []
        assert float(candle["V"]) <= float(candle["v"])
    assert closed == [START, START + MINUTE]


def test_the_trade_feed_speaks_combined_aggregate_trades() -> None:
    source = LocalSource(FixedClock(NOW))
    feed: Feed = Binance(source).trade_feed(PEPE_PERP)
    frames = [json.loads(frame) for frame in feed.frames(NOW - 10_000, NOW)]
    own: list[Trade] = source.trades(PEPE_PERP, NOW - 10_000, NOW)
    assert {frame["stream"] for frame in frames} == {"1000pepeusdt@aggTrade"}
    rows = [frame["data"] for frame in frames]
    assert [(row["a"], row["T"], row["m"]) for row in rows] == [
        (int(t.id), t.ts, t.side is Side.SELL) for t in own
    ]
    assert [float(row["p"]) / 1000 for row in rows] == pytest.approx(
        [t.price for t in own], rel=1e-12
    )
    assert [float(row["q"]) * 1000 for row in rows] == pytest.approx(
        [t.amount for t in own], rel=1e-12
    )
