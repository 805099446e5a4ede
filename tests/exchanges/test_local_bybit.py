"""The local Bybit, asked by an unmodified ccxt.pro client and by raw requests."""

import asyncio
from typing import Any

import aiohttp
import ccxt
import pytest
from local_source_b import (
    NOW,
    TABLES,
    PlainSource,
    addresses,
    client,
    connected,
    instrument,
    moving,
    served,
    venue_client,
)

from exchanges.local.venue import LocalVenue
from exchanges.local.venues.bybit import Bybit
from market.clock import FixedClock
from market.types import DAY, HOUR, MINUTE

BTC, PEPE, SPOT = "BTC/USDT:USDT", "1000PEPE/USDT:USDT", "BTC/USDT"
PERP, COINS = instrument("bybit", BTC), instrument("bybit", PEPE)


def test_it_is_a_local_venue() -> None:
    venue: LocalVenue = Bybit(PlainSource())
    assert all(route.path.startswith("/bybit/") for route in venue.routes())


async def test_no_address_of_the_client_is_left_at_the_venue() -> None:
    async with venue_client(Bybit(PlainSource())) as exchange:
        found = list(addresses(exchange.urls["api"]))
        assert len(found) == 14
        assert all(each.split("://")[1].startswith("127.0.0.1") for each in found)


async def test_markets_have_native_names_and_steps() -> None:
    async with venue_client(Bybit(PlainSource())) as exchange:
        markets = await exchange.load_markets()
        assert set(markets) == {BTC, PEPE, SPOT}
        assert markets[PEPE]["id"] == "1000PEPEUSDT"
        assert markets[PEPE]["precision"]["amount"] == 100
        assert markets[PEPE]["precision"]["price"] == 1e-7
        assert int(markets[PEPE]["info"]["fundingInterval"]) == 240
        assert markets[BTC]["limits"]["leverage"]["max"] == 100
        assert markets[BTC]["limits"]["cost"]["min"] == markets[SPOT]["limits"]["cost"]["min"] == 5
        assert markets[SPOT]["precision"]["amount"] == 1e-6


async def test_tickers_carry_thousands_of_coins_and_the_contract_figures() -> None:
    source = PlainSource()
    expected, interest = source.ticker(COINS), source.open_interest(COINS)
    funding = source.funding(COINS)
    assert expected
    assert interest
    assert funding
    async with venue_client(Bybit(source)) as exchange:
        found = (await exchange.fetch_tickers(params={"type": "swap"}))[PEPE]
        assert found["last"] / 1000 == pytest.approx(expected.last, rel=1e-12)
        assert found["baseVolume"] * 1000 == pytest.approx(expected.volume_24h)
        assert found["quoteVolume"] == pytest.approx(expected.quote_volume_24h)
        assert found["percentage"] == pytest.approx(2.0)
        info = found["info"]
        assert float(info["openInterest"]) * 1000 == pytest.approx(interest.amount)
        assert float(info["openInterestValue"]) == pytest.approx(interest.value)
        assert "e" not in info["lastPrice"] + info["fundingRate"]
        rate = await exchange.fetch_funding_rate(PEPE)
        assert (rate["fundingRate"], rate["interval"]) == (0.0000125, "4h")
        assert rate["fundingTimestamp"] == funding.next_ts
        assert rate["markPrice"] / 1000 == pytest.approx(funding.mark)
        assert set(await exchange.fetch_funding_rates()) == {BTC, PEPE}
        spot = await exchange.fetch_ticker(SPOT)
        assert spot["symbol"] == SPOT
        assert "openInterest" not in spot["info"]


async def test_candles_equal_the_source_newest_or_from_a_start() -> None:
    source = PlainSource()
    async with venue_client(Bybit(source)) as exchange:
        rows = await exchange.fetch_ohlcv(PEPE, "5m", limit=7)
        expected = source.candles(COINS, "5m", NOW - 35 * MINUTE, NOW + 1)
        assert [row[0] for row in rows] == [each.ts for each in expected]
        assert [row[4] / 1000 for row in rows] == pytest.approx([each.close for each in expected])
        assert [row[5] * 1000 for row in rows] == pytest.approx([each.volume for each in expected])
        since = NOW // HOUR * HOUR - 40 * HOUR
        rows = await exchange.fetch_ohlcv(BTC, "1h", since, 5)
        assert [row[0] for row in rows] == [since + n * HOUR for n in range(5)]
        raw = await exchange.publicGetV5MarketKline(
            {"category": "linear", "symbol": "BTCUSDT", "interval": "60", "limit": 5000}
        )
        times = [int(row[0]) for row in raw["result"]["list"]]
        assert len(times) == 1000
        assert times == sorted(times, reverse=True)


async def test_recent_trades_reach_no_further_than_the_venue_goes() -> None:
    source = PlainSource()
    async with venue_client(Bybit(source)) as exchange:
        trades = await exchange.fetch_trades(BTC, limit=1000)
        expected = source.recent_trades(PERP, 1000)
        assert [each["id"] for each in trades] == [each.id for each in expected]
        assert [each["side"] for each in trades] == [each.side.value for each in expected]
        assert [each["amount"] for each in trades] == pytest.approx([e.amount for e in expected])
        assert len(await exchange.fetch_trades(SPOT, limit=1000)) == 60


async def test_trades_without_ids_get_ids_that_agree_however_many_are_asked() -> None:
    async with venue_client(Bybit(PlainSource(ids=False))) as exchange:
        many, few = [await exchange.fetch_trades(BTC, limit=count) for count in (9, 4)]
        assert len({each["id"] for each in many}) == 9
        assert [each["id"] for each in few] == [each["id"] for each in many][-4:]


async def test_the_book_is_in_native_units() -> None:
    source = PlainSource()
    expected = source.book(COINS, 25)
    assert expected
    async with venue_client(Bybit(source)) as exchange:
        book = await exchange.fetch_order_book(PEPE)
        assert len(book["bids"]) == 25
        bids = [(price / 1000, amount * 1000) for price, amount in book["bids"]]
        assert [p for p, _ in bids] == pytest.approx([p for p, _ in expected.bids])
        assert [a for _, a in bids] == pytest.approx([a for _, a in expected.bids])
        assert book["timestamp"] == expected.ts


async def test_open_interest_history_pages_by_cursor() -> None:
    source = PlainSource()
    async with venue_client(Bybit(source)) as exchange:
        await exchange.load_markets()
        query: dict[str, Any] = {
            "category": "linear", "symbol": "1000PEPEUSDT", "intervalTime": "5min",
            "startTime": NOW - DAY, "endTime": NOW, "limit": 200,
        }  # fmt: skip
        first = (await exchange.publicGetV5MarketOpenInterest(query))["result"]
        cursor = {"cursor": first["nextPageCursor"]}
        second = (await exchange.publicGetV5MarketOpenInterest(query | cursor))["result"]
        assert second["nextPageCursor"] == ""
        rows = (first["list"] + second["list"])[::-1]
        expected = source.open_interest_history(COINS, 5 * MINUTE, NOW - DAY, NOW + 1)
        assert [int(row["timestamp"]) for row in rows] == [each.ts for each in expected]
        amounts = [float(row["openInterest"]) * 1000 for row in rows]
        assert amounts == pytest.approx([each.amount for each in expected])
        history = await exchange.fetch_open_interest_history(PEPE, "1h", NOW - 5 * HOUR, 3)
        assert [each["timestamp"] for each in history] == [
            each.ts for each in source.open_interest_history(COINS, HOUR, NOW - 5 * HOUR, NOW)
        ][:3]
        newest = await exchange.fetch_open_interest(PEPE)
        assert newest["timestamp"] == NOW // HOUR * HOUR


async def test_funding_history_and_tiers() -> None:
    source = PlainSource()
    async with venue_client(Bybit(source)) as exchange:
        rates = await exchange.fetch_funding_rate_history(BTC, limit=5)
        expected = source.funding_history(PERP, NOW - 5 * DAY, NOW + 1)[-5:]
        assert [each["timestamp"] for each in rates] == [each.ts for each in expected]
        assert [each["fundingRate"] for each in rates] == pytest.approx([e.rate for e in expected])
        table = source.tiers(PERP)
        assert table
        tiers = await exchange.fetch_market_leverage_tiers(BTC)
        found = [(t["maxNotional"], t["maintenanceMarginRate"], t["maxLeverage"]) for t in tiers]
        assert found == [(cap, rate, leverage) for cap, rate, _, leverage in table.tiers]
        assert set(await exchange.fetch_leverage_tiers()) == {BTC, PEPE}


async def test_wrong_requests_are_refused_as_the_venue_does() -> None:
    async with venue_client(Bybit(PlainSource())) as exchange:
        for query in (
            {"category": "linear", "symbol": "NOPEUSDT", "interval": "5"},
            {"category": "linear", "symbol": "BTCUSDT", "interval": "7"},
            {"category": "margin", "symbol": "BTCUSDT", "interval": "5"},
            {"category": "linear", "symbol": "BTCUSDT", "interval": "5", "limit": "many"},
        ):
            with pytest.raises(ccxt.BadRequest, match="10001"):
                await exchange.publicGetV5MarketKline(query)
        empty = await exchange.publicGetV5MarketInstrumentsInfo({"category": "inverse"})
        assert empty["result"]["list"] == []


async def test_tables_that_are_missing_give_empty_answers() -> None:
    source = PlainSource(has=TABLES - {"books", "open_interest", "funding"}, title="no tiers")
    async with venue_client(Bybit(source)) as exchange:
        tickers = await exchange.fetch_tickers(params={"type": "swap"})
        assert set(tickers) == {BTC, PEPE}
        info = tickers[BTC]["info"]
        assert info["openInterest"] == info["fundingRate"] == info["markPrice"] == ""
        assert (await exchange.fetch_order_book(BTC))["bids"] == []
        assert await exchange.fetch_open_interest_history(BTC, "5m") == []
        assert await exchange.fetch_funding_rate_history(BTC) == []
        assert await exchange.fetch_market_leverage_tiers(BTC) == []
        assert "fundingInterval" not in exchange.markets[BTC]["info"]


async def test_streams_deliver_to_an_unmodified_client() -> None:
    source = moving()
    async with asyncio.timeout(10), venue_client(Bybit(source)) as exchange:
        trades: list[Any] = []
        while len(trades) < 12:
            trades += await exchange.watch_trades(PEPE)
        numbers = [int(each["id"]) for each in trades]
        assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
        expected = [source.trade(COINS, number) for number in numbers]
        assert [t["amount"] * 1000 for t in trades] == pytest.approx([e.amount for e in expected])
        assert [t["price"] / 1000 for t in trades] == pytest.approx([e.price for e in expected])
        for _ in range(3):
            book = await exchange.watch_order_book(PEPE)
            assert (len(book["bids"]), len(book["asks"])) == (30, 30)
            assert 0 < book["asks"][0][0] - book["bids"][0][0] < 3e-7
        assert (await exchange.watch_ticker(SPOT))["symbol"] == SPOT
        first = await exchange.watch_ticker(BTC)
        second = await exchange.watch_ticker(BTC)
        assert first["info"]["fundingRate"] == second["info"]["fundingRate"] == "0.0000125"
        assert first["last"] != second["last"]
        candle = (await exchange.watch_ohlcv(BTC, "1m"))[-1]
        assert candle[0] == source.clock.now() // MINUTE * MINUTE
        liquidation = (await exchange.watch_liquidations(PEPE))[0]
        assert liquidation["side"] == "buy"  # the venue names the position: a long was closed
        assert liquidation["contracts"] * 1000 == pytest.approx(12 * COINS.amount_step)
        await exchange.un_watch_trades(PEPE)


class Socket:
    """A raw client."""

    def __init__(self, ws: aiohttp.ClientWebSocketResponse) -> None:
        self._ws = ws

    async def ask(self, body: dict[str, Any]) -> dict[str, Any]:
        """Send, and the next message."""
        await self._ws.send_json(body)
        return await self.next()

    async def next(self) -> dict[str, Any]:
        """The next message."""
        return await self._ws.receive_json(timeout=5)


async def test_raw_topics_and_their_answers() -> None:
    source = PlainSource()
    assert isinstance(source.clock, FixedClock)
    async with connected(Bybit(source), "/bybit/v5/public/linear") as ws:
        socket = Socket(ws)
        pong = await socket.ask({"op": "ping", "req_id": "1"})
        assert (pong["success"], pong["ret_msg"], pong["req_id"]) == (True, "pong", "1")
        refused = await socket.ask({"op": "subscribe", "args": ["publicTrade.NOPEUSDT"]})
        assert refused["success"] is False
        done = await socket.ask({"op": "subscribe", "args": ["tickers.BTCUSDT"]})
        assert done["success"] is True
        snapshot = await socket.next()
        assert snapshot["type"] == "snapshot"
        assert float(snapshot["data"]["openInterest"]) == pytest.approx(1000.231)
        for _ in range(5):
            source.clock.advance(100)
            await asyncio.sleep(0.07)
        delta = await socket.next()
        assert delta["type"] == "delta"
        assert "lastPrice" in delta["data"]
        assert "fundingRate" not in delta["data"]


async def test_all_liquidations_of_a_symbol_come_in_one_message() -> None:
    source = PlainSource()
    assert isinstance(source.clock, FixedClock)
    async with connected(Bybit(source), "/bybit/v5/public/linear") as ws:
        socket = Socket(ws)
        await socket.ask({"op": "subscribe", "args": ["allLiquidation.BTCUSDT"]})
        await asyncio.sleep(0.1)
        source.clock.advance(1000)
        rows = (await socket.next())["data"]
        assert [row["S"] for row in rows] == ["Buy", "Sell"] * 2
        assert {row["s"] for row in rows} == {"BTCUSDT"}


async def test_an_outage_closes_the_socket() -> None:
    source = PlainSource()
    async with connected(Bybit(source), "/bybit/v5/public/spot") as ws:
        source.is_down = True
        message = await ws.receive(timeout=5)
        assert message.type == aiohttp.WSMsgType.CLOSE


async def test_more_than_ten_spot_topics_at_once_are_refused() -> None:
    async with connected(Bybit(PlainSource()), "/bybit/v5/public/spot") as ws:
        body = {"op": "subscribe", "args": ["publicTrade.BTCUSDT"] * 11}
        assert (await Socket(ws).ask(body))["success"] is False


def test_the_trade_feed_gives_every_trade_once() -> None:
    source = PlainSource()
    feed = Bybit(source).trade_feed(PERP)
    frames = [*feed.frames(NOW - 2000, NOW - 1000), *feed.frames(NOW - 1000, NOW)]
    rows = [row for frame in frames for row in _decoded(frame)["data"]]
    expected = source.trades(PERP, NOW - 2000, NOW)
    assert [(row["T"], row["i"], row["S"].lower()) for row in rows] == [
        (each.ts, each.id, each.side.value) for each in expected
    ]


def _decoded(frame: str | bytes) -> dict[str, Any]:
    import msgspec

    decoded: dict[str, Any] = msgspec.json.decode(frame)
    return decoded


async def test_two_clients_of_one_server_see_the_same_trades() -> None:
    venue = Bybit(moving())
    async with (
        asyncio.timeout(10),
        served(venue) as server,
        client(venue, server) as one,
        client(venue, server) as two,
    ):
        found = await asyncio.gather(one.watch_trades(BTC), two.watch_trades(BTC))
        first, second = [{each["id"]: each["amount"] for each in trades} for trades in found]
        assert first.keys() & second.keys()
        assert all(first[name] == second[name] for name in first.keys() & second.keys())
