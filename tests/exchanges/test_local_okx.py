"""The local OKX, asked by an unmodified ccxt.pro client and by raw requests. Swap sizes are contracts."""

import asyncio
import zlib
from typing import Any

import aiohttp
import ccxt
import msgspec
import pytest
from local_source_b import (
    NOW,
    TABLES,
    PlainSource,
    addresses,
    connected,
    instrument,
    moving,
    venue_client,
)

from exchanges.local.venue import LocalVenue
from exchanges.local.venues.okx import Okx
from market.clock import FixedClock
from market.types import DAY, HOUR, MINUTE, Side

BTC, PEPE, SPOT = "BTC/USDT:USDT", "PEPE/USDT:USDT", "BTC/USDT"
PERP, COINS, PAIR = (instrument("okx", each) for each in (BTC, PEPE, SPOT))


def test_it_is_a_local_venue() -> None:
    venue: LocalVenue = Okx(PlainSource())
    assert all(route.path.startswith("/okx/") for route in venue.routes())


async def test_no_address_of_the_client_is_left_at_the_venue() -> None:
    async with venue_client(Okx(PlainSource())) as exchange:
        found = list(addresses(exchange.urls["api"]))
        assert len(found) == 2
        assert all(each.split("://")[1].startswith("127.0.0.1") for each in found)


async def test_markets_count_contracts() -> None:
    async with venue_client(Okx(PlainSource())) as exchange:
        markets = await exchange.load_markets()
        assert set(markets) == {BTC, PEPE, SPOT}
        assert markets[BTC]["contractSize"] == 0.01
        assert markets[BTC]["precision"]["amount"] == pytest.approx(0.01)
        assert markets[PEPE]["contractSize"] == 10_000_000
        assert markets[PEPE]["precision"]["price"] == 1e-10
        assert markets[PEPE]["info"]["instFamily"] == "PEPE-USDT"
        assert markets[BTC]["limits"]["leverage"]["max"] == 100
        assert markets[SPOT]["precision"]["amount"] == 1e-6


async def test_tickers_of_swaps_count_contracts_and_coins() -> None:
    source = PlainSource()
    expected = source.ticker(COINS)
    spot = source.ticker(PAIR)
    assert expected
    assert spot
    assert expected.volume_24h
    async with venue_client(Okx(source)) as exchange:
        found = (await exchange.fetch_tickers(params={"type": "swap"}))[PEPE]
        assert found["last"] == pytest.approx(expected.last, rel=1e-12)
        assert found["baseVolume"] * 1e7 == pytest.approx(expected.volume_24h)  # contracts
        assert float(found["info"]["volCcy24h"]) == pytest.approx(expected.volume_24h)
        assert found["timestamp"] == NOW
        assert not any("e-" in value for value in found["info"].values())
        pair = await exchange.fetch_ticker(SPOT)
        assert pair["baseVolume"] == pytest.approx(spot.volume_24h)
        assert pair["quoteVolume"] == pytest.approx(spot.quote_volume_24h)
        assert (pair["last"] / pair["open"]) == pytest.approx(1.02)


async def test_candles_equal_the_source() -> None:
    source = PlainSource()
    async with venue_client(Okx(source)) as exchange:
        rows = await exchange.fetch_ohlcv(BTC, "5m", limit=7)
        expected = source.candles(PERP, "5m", NOW - 35 * MINUTE, NOW + 1)
        assert [row[0] for row in rows] == [each.ts for each in expected]
        assert [row[5] for row in rows] == pytest.approx([each.volume for each in expected])
        since = NOW // HOUR * HOUR - 40 * HOUR
        rows = await exchange.fetch_ohlcv(PEPE, "1h", since, 5)
        assert [row[0] for row in rows] == [since + n * HOUR for n in range(5)]
        assert (await exchange.fetch_ohlcv(PEPE, "1d", limit=3))[-1][0] == NOW // DAY * DAY


async def test_raw_candles_give_contracts_coins_and_quote_newest_first() -> None:
    source = PlainSource()
    async with venue_client(Okx(source)) as exchange:
        query = {"instId": "BTC-USDT-SWAP", "bar": "1m", "limit": "3"}
        rows = (await exchange.publicGetMarketCandles(query))["data"]
        newest = source.candle(PERP, NOW // MINUTE * MINUTE, MINUTE)
        assert newest.quote_volume
        assert int(rows[0][0]) == newest.ts
        assert float(rows[0][5]) * 0.01 == pytest.approx(newest.volume)
        assert [float(cell) for cell in rows[0][6:8]] == pytest.approx(
            [newest.volume, newest.quote_volume]
        )
        assert [row[8] for row in rows] == ["0", "1", "1"]
        edge = NOW // MINUTE * MINUTE
        window = {"before": str(edge - 5 * MINUTE), "after": str(edge - 2 * MINUTE), "limit": "100"}
        rows = (await exchange.publicGetMarketCandles(query | window))["data"]
        assert [int(row[0]) for row in rows] == [edge - 3 * MINUTE, edge - 4 * MINUTE]
        all_of = {"instId": "BTC-USDT-SWAP", "bar": "1m", "limit": "900"}
        assert len((await exchange.publicGetMarketHistoryCandles(all_of))["data"]) == 300
        old = all_of | {"after": str(NOW - 2 * DAY)}
        assert (await exchange.publicGetMarketCandles(old))["data"] == []
        assert len((await exchange.publicGetMarketHistoryCandles(old))["data"]) == 300


async def test_day_bars_without_utc_begin_at_four_in_the_afternoon() -> None:
    source = PlainSource()
    async with venue_client(Okx(source)) as exchange:
        query = {"instId": "BTC-USDT", "bar": "1D", "limit": "4"}
        rows = (await exchange.publicGetMarketCandles(query))["data"]
        begin = (NOW + 8 * HOUR) // DAY * DAY - 8 * HOUR
        assert [int(row[0]) for row in rows] == [begin - n * DAY for n in range(4)]
        hours = source.candles(PAIR, "1h", begin - DAY, begin)
        assert float(rows[1][1]) == pytest.approx(hours[0].open)
        assert float(rows[1][2]) == pytest.approx(max(each.high for each in hours))
        assert float(rows[1][5]) == pytest.approx(sum(each.volume for each in hours))
        assert [row[8] for row in rows] == ["0", "1", "1", "1"]


async def test_trades_and_their_pages() -> None:
    source = PlainSource()
    async with venue_client(Okx(source)) as exchange:
        trades = await exchange.fetch_trades(BTC, limit=500)
        expected = source.recent_trades(PERP, 500)
        assert [each["id"] for each in trades] == [each.id for each in expected]
        assert [t["amount"] * 0.01 for t in trades] == pytest.approx([e.amount for e in expected])
        assert [each["side"] for each in trades] == [each.side.value for each in expected]
        seen = int(expected[-1].id)
        query: dict[str, Any] = {"instId": "BTC-USDT-SWAP", "limit": 100, "after": seen - 700}
        rows = (await exchange.publicGetMarketHistoryTrades(query))["data"]
        assert [int(row["tradeId"]) for row in rows] == [seen - 701 - n for n in range(100)]
        query = {"instId": "BTC-USDT-SWAP", "before": seen - 3}
        rows = (await exchange.publicGetMarketHistoryTrades(query))["data"]
        assert [int(row["tradeId"]) for row in rows] == [seen, seen - 1, seen - 2]
        query = {"instId": "BTC-USDT-SWAP", "type": "2", "after": NOW - HOUR}
        rows = (await exchange.publicGetMarketHistoryTrades(query))["data"]
        assert len(rows) == 100
        assert int(rows[0]["ts"]) < NOW - HOUR


async def test_the_book_counts_contracts() -> None:
    source = PlainSource()
    expected = source.book(PERP, 20)
    assert expected
    async with venue_client(Okx(source)) as exchange:
        book = await exchange.fetch_order_book(BTC, 20)
        assert [price for price, *_ in book["asks"]] == pytest.approx([p for p, _ in expected.asks])
        amounts = [row[1] * 0.01 for row in book["asks"]]
        assert amounts == pytest.approx([amount for _, amount in expected.asks])


async def test_open_interest_of_one_of_all_and_of_the_past() -> None:
    source = PlainSource()
    expected = source.open_interest(PERP)
    assert expected
    async with venue_client(Okx(source)) as exchange:
        one = await exchange.fetch_open_interest(BTC)
        assert one["openInterestAmount"] * 0.01 == pytest.approx(expected.amount)
        assert one["openInterestValue"] == pytest.approx(expected.value)
        assert one["timestamp"] == expected.ts
        everything = await exchange.fetch_open_interests()
        assert set(everything) == {BTC, PEPE}
        assert float(everything[BTC]["info"]["oiCcy"]) == pytest.approx(expected.amount)
        rows = await exchange.fetch_open_interest_history(BTC, "5m", NOW - HOUR, 6)
        past = source.open_interest_history(PERP, 5 * MINUTE, NOW - HOUR, NOW)[:6]
        assert [each["timestamp"] for each in rows] == [each.ts for each in past]
        assert [float(each["info"][2]) for each in rows] == pytest.approx([e.amount for e in past])
        assert [each["openInterestValue"] for each in rows] == pytest.approx(
            [e.value for e in past]
        )
        query = {"instId": "BTC-USDT-SWAP", "period": "1H", "limit": "300"}
        raw = (await exchange.publicGetRubikStatContractsOpenInterestHistory(query))["data"]
        assert len(raw) == 100
        assert int(raw[0][0]) == NOW // HOUR * HOUR


async def test_funding_now_and_settled() -> None:
    source = PlainSource()
    now = source.funding(PERP)
    assert now
    assert now.next_ts
    async with venue_client(Okx(source)) as exchange:
        rate = await exchange.fetch_funding_rate(BTC)
        assert (rate["fundingRate"], rate["interval"]) == (0.0000125, "8h")
        assert rate["fundingTimestamp"] == now.next_ts
        rates = await exchange.fetch_funding_rates()
        assert {each: rates[each]["interval"] for each in rates} == {BTC: "8h", PEPE: "4h"}
        settled = await exchange.fetch_funding_rate_history(BTC, limit=5)
        expected = source.funding_history(PERP, NOW - 5 * DAY, NOW + 1)[-5:]
        assert [each["timestamp"] for each in settled] == [each.ts for each in expected]
        assert [e["fundingRate"] for e in settled] == pytest.approx([e.rate for e in expected])
        mark = await exchange.publicGetPublicMarkPrice({"instType": "SWAP"})
        marks = {row["instId"]: float(row["markPx"]) for row in mark["data"]}
        assert marks["BTC-USDT-SWAP"] == pytest.approx(now.mark)
        index = await exchange.publicGetMarketIndexTickers({"instId": "BTC-USDT"})
        assert float(index["data"][0]["idxPx"]) == pytest.approx(now.index)


async def test_tiers_are_in_contracts() -> None:
    source = PlainSource()
    table, funding = source.tiers(COINS), source.funding(COINS)
    assert table
    assert funding
    assert funding.mark
    async with venue_client(Okx(source)) as exchange:
        tiers = await exchange.fetch_market_leverage_tiers(PEPE)
        contract = funding.mark * 1e7
        caps = [each["maxNotional"] * contract for each in tiers]  # ccxt calls contracts notional
        assert caps == pytest.approx([cap for cap, *_ in table.tiers])
        assert [each["maintenanceMarginRate"] for each in tiers] == [t[1] for t in table.tiers]
        assert [each["maxLeverage"] for each in tiers] == [t[3] for t in table.tiers]


async def test_taker_volume_adds_up_to_the_candle() -> None:
    source = PlainSource()
    async with venue_client(Okx(source)) as exchange:
        query = {"instId": "BTC-USDT-SWAP", "period": "5m", "unit": "0", "limit": "10"}
        rows = (await exchange.publicGetRubikStatTakerVolumeContract(query))["data"]
        assert len(rows) == 10
        for ts, sold, bought in rows:
            candle = source.candle(PERP, int(ts), 5 * MINUTE)
            assert float(bought) == pytest.approx(candle.taker_buy_volume)
            assert float(sold) + float(bought) == pytest.approx(candle.volume)


async def test_wrong_requests_are_refused_as_the_venue_does() -> None:
    async with venue_client(Okx(PlainSource())) as exchange:
        with pytest.raises(ccxt.BadSymbol, match="51001"):
            await exchange.publicGetMarketTicker({"instId": "NOPE-USDT"})
        with pytest.raises(ccxt.BadSymbol, match="51001"):
            await exchange.publicGetPublicFundingRate({"instId": "BTC-USDT"})
        with pytest.raises(ccxt.BadRequest, match="51000"):
            await exchange.publicGetMarketCandles({"instId": "BTC-USDT", "bar": "1h"})
        with pytest.raises(ccxt.BadRequest, match="50014"):
            await exchange.publicGetPublicInstruments()
        futures = await exchange.publicGetPublicInstruments({"instType": "FUTURES"})
        assert futures["data"] == []


async def test_tables_that_are_missing_give_empty_answers() -> None:
    source = PlainSource(has=TABLES - {"books", "open_interest", "funding"}, title="no tiers")
    async with venue_client(Okx(source)) as exchange:
        assert await exchange.fetch_open_interests() == {}
        assert await exchange.fetch_funding_rates() == {}
        assert await exchange.fetch_funding_rate_history(BTC) == []
        assert await exchange.fetch_open_interest_history(BTC, "5m") == []
        assert await exchange.fetch_market_leverage_tiers(BTC) == []
        assert (await exchange.fetch_order_book(BTC))["bids"] == []
        assert (await exchange.fetch_ticker(BTC))["last"]


async def test_streams_deliver_to_an_unmodified_client() -> None:
    source = moving()
    async with asyncio.timeout(10), venue_client(Okx(source)) as exchange:
        trades: list[Any] = []
        while len(trades) < 12:
            trades += await exchange.watch_trades(BTC)
        numbers = [int(each["id"]) for each in trades]
        assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
        expected = [source.trade(PERP, number) for number in numbers]
        assert [t["amount"] * 0.01 for t in trades] == pytest.approx([e.amount for e in expected])
        for _ in range(4):
            book = await exchange.watch_order_book(BTC)
            assert (len(book["bids"]), len(book["asks"])) == (30, 30)
            assert book["asks"][0][0] - book["bids"][0][0] == pytest.approx(0.2)
        assert (await exchange.watch_order_book(PEPE, 5))["bids"][4]
        first, second = await exchange.watch_ticker(BTC), await exchange.watch_ticker(BTC)
        assert first["timestamp"] < second["timestamp"]
        assert (await exchange.watch_funding_rate(PEPE))["fundingRate"] == 0.0000125
        assert (await exchange.watch_mark_price(BTC))["markPrice"] == pytest.approx(60_000.3)
        candle = (await exchange.watch_ohlcv(BTC, "1m"))[-1]
        assert candle[0] == source.clock.now() // MINUTE * MINUTE
        assert candle[5] == pytest.approx(source.candle(PERP, candle[0], MINUTE).volume)
        liquidation = (await exchange.watch_liquidations(PEPE))[0]
        assert liquidation["side"] == "sell"  # the closing order of a long
        await exchange.un_watch_trades(BTC)


class Socket:
    """A raw client."""

    def __init__(self, ws: aiohttp.ClientWebSocketResponse) -> None:
        self._ws = ws

    async def ask(self, op: str, **arg: str) -> dict[str, Any]:
        """Send a request of one argument, and the next message."""
        await self._ws.send_json({"op": op, "args": [arg]})
        return await self.next()

    async def next(self) -> dict[str, Any]:
        """The next message."""
        found: dict[str, Any] = await self._ws.receive_json(timeout=5)
        return found


async def test_every_trade_is_on_business_with_consecutive_ids() -> None:
    source = moving()
    async with connected(Okx(source), "/okx/ws/v5/business") as ws:
        socket = Socket(ws)
        arg = {"channel": "trades-all", "instId": "PEPE-USDT-SWAP"}
        assert (await socket.ask("subscribe", **arg))["event"] == "subscribe"
        rows: list[dict[str, str]] = []
        while len(rows) < 15:
            message = await socket.next()
            assert message["arg"] == arg
            rows += message["data"]
        ids = [int(row["tradeId"]) for row in rows]
        assert ids == list(range(ids[0], ids[0] + len(ids)))
        assert float(rows[0]["sz"]) * 1e7 == pytest.approx(source.trade(COINS, ids[0]).amount)
        assert (await socket.ask("unsubscribe", **arg))["event"] == "unsubscribe"
        await ws.send_str("ping")
        assert await ws.receive_str(timeout=5) == "pong"


async def test_a_channel_on_the_wrong_socket_and_an_unknown_instrument_are_errors() -> None:
    async with connected(Okx(PlainSource()), "/okx/ws/v5/public") as ws:
        socket = Socket(ws)
        for channel, name in (("trades-all", "BTC-USDT"), ("trades", "NOPE-USDT")):
            answer = await socket.ask("subscribe", channel=channel, instId=name)
            assert (answer["event"], answer["code"]) == ("error", "60018")
        paid = await socket.ask("subscribe", channel="books-l2-tbt", instId="BTC-USDT")
        assert paid["code"] == "60011"


async def test_books_are_chained_and_have_a_checksum() -> None:
    source = PlainSource()
    assert isinstance(source.clock, FixedClock)
    async with connected(Okx(source), "/okx/ws/v5/public") as ws:
        socket = Socket(ws)
        await socket.ask("subscribe", channel="books", instId="BTC-USDT")
        snapshot = await socket.next()
        assert snapshot["action"] == "snapshot"
        first = snapshot["data"][0]
        assert first["prevSeqId"] == -1
        for _ in range(4):
            source.clock.advance(100)
            await asyncio.sleep(0.07)
        update = await socket.next()
        second = update["data"][0]
        assert (update["action"], second["prevSeqId"]) == ("update", first["seqId"])
        sides = [
            {row[0]: row[1] for row in first[name]} | {row[0]: row[1] for row in second[name]}
            for name in ("bids", "asks")
        ]
        bids, asks = (
            [(p, a) for p, a in sorted(side.items(), key=lambda r: float(r[0])) if a != "0"]
            for side in sides
        )
        pairs = zip(bids[::-1][:25], asks[:25], strict=True)
        text = ":".join(f"{b[0]}:{b[1]}:{a[0]}:{a[1]}" for b, a in pairs)
        assert zlib.crc32(text.encode()) == second["checksum"] % (1 << 32)


async def test_one_liquidation_message_has_all_details_of_an_instrument() -> None:
    source = PlainSource()
    assert isinstance(source.clock, FixedClock)
    async with connected(Okx(source), "/okx/ws/v5/public") as ws:
        socket = Socket(ws)
        await socket.ask("subscribe", channel="liquidation-orders", instType="SWAP")
        await asyncio.sleep(0.1)
        source.clock.advance(500)
        rows = {row["instId"]: row["details"] for row in (await socket.next())["data"]}
        btc = [(each["posSide"], each["side"]) for each in rows["BTC-USDT-SWAP"]]
        assert btc == [("long", "sell"), ("short", "buy")]
        size = float(rows["BTC-USDT-SWAP"][0]["sz"])
        assert size * 0.01 == pytest.approx(12 * PERP.amount_step)


async def test_open_interest_comes_as_a_channel() -> None:
    source = PlainSource()
    expected = source.open_interest(PERP)
    assert expected
    async with connected(Okx(source), "/okx/ws/v5/public") as ws:
        socket = Socket(ws)
        await socket.ask("subscribe", channel="open-interest", instId="BTC-USDT-SWAP")
        row = (await socket.next())["data"][0]
        assert float(row["oi"]) * 0.01 == pytest.approx(expected.amount)
        assert float(row["oiUsd"]) == pytest.approx(expected.value)


class Doubled(PlainSource):
    """Each trade is followed by another fill of the same order."""

    def trades(self, instrument: Any, start: int, end: int) -> list[Any]:
        """Pairs with consecutive ids."""
        found = super().trades(instrument, start, end)
        return [
            msgspec.structs.replace(each, id=str(2 * int(each.id) + n))
            for each in found
            for n in (0, 1)
        ]


async def test_the_trades_channel_merges_fills_and_trades_all_does_not() -> None:
    source = Doubled()
    from exchanges.local.venues.okx.channels import Trades

    single = msgspec.json.decode(next(iter(Okx(source).trade_feed(PERP).frames(NOW - 200, NOW))))
    merged = msgspec.json.decode(next(iter(Trades(source, PERP).frames(NOW - 200, NOW))))
    assert len(single["data"]) == 4
    assert [row["count"] for row in merged["data"]] == ["2", "2"]
    assert merged["data"][0]["tradeId"] == single["data"][1]["tradeId"]
    sizes = [sum(float(row["sz"]) for row in message["data"]) for message in (single, merged)]
    assert sizes[0] == pytest.approx(sizes[1])
    assert {row["side"] for row in merged["data"]} == {Side.BUY.value, Side.SELL.value}
