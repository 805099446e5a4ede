"""The local Hyperliquid, asked by an unmodified ccxt.pro client and by raw requests."""

import asyncio
from typing import Any

import aiohttp
import ccxt
import msgspec
import pytest
from local_source_b import (
    BEGIN,
    INSTRUMENTS,
    NOW,
    TABLES,
    PlainSource,
    addresses,
    connected,
    instrument,
    moving,
    perp,
    venue_client,
)

from exchanges.local.venue import LocalVenue
from exchanges.local.venues.hyperliquid import Hyperliquid
from market.clock import FixedClock
from market.types import DAY, HOUR, MINUTE

BTC, PEPE, SPOT = "BTC/USDC:USDC", "KPEPE/USDC:USDC", "PURR/USDC"
PERP, COINS, PAIR = (instrument("hyperliquid", each) for each in (BTC, PEPE, SPOT))


def test_it_is_a_local_venue() -> None:
    venue: LocalVenue = Hyperliquid(PlainSource())
    assert all(route.path.startswith("/hyperliquid/") for route in venue.routes())


async def test_no_address_of_the_client_is_left_at_the_venue() -> None:
    async with venue_client(Hyperliquid(PlainSource())) as exchange:
        found = list(addresses(exchange.urls["api"]))
        assert len(found) == 3
        assert all(each.split("://")[1].startswith("127.0.0.1") for each in found)


async def test_markets_have_thousands_names_and_leverage() -> None:
    async with venue_client(Hyperliquid(PlainSource())) as exchange:
        markets = await exchange.load_markets()
        assert set(markets) == {BTC, PEPE, SPOT}
        assert markets[PEPE]["info"]["name"] == "kPEPE"
        assert markets[BTC]["precision"]["amount"] == 1e-5
        assert markets[PEPE]["precision"]["amount"] == 1
        assert markets[BTC]["limits"]["leverage"]["max"] == 100
        meta = await exchange.publicPostInfo({"type": "meta"})
        table = dict(meta["marginTables"])[meta["universe"][0]["marginTableId"]]
        tiers = [(float(t["lowerBound"]), int(t["maxLeverage"])) for t in table["marginTiers"]]
        assert tiers == [(0, 100), (100_000, 50), (1_000_000, 20)]
        assert await exchange.publicPostInfo({"type": "perpDexs"}) == [None]


async def test_one_call_gives_all_contexts_in_native_units() -> None:
    source = PlainSource()
    ticker, interest = source.ticker(COINS), source.open_interest(COINS)
    funding = source.funding(COINS)
    assert ticker
    assert ticker.volume_24h
    assert interest
    assert funding
    async with venue_client(Hyperliquid(source)) as exchange:
        meta, contexts = await exchange.publicPostInfo({"type": "metaAndAssetCtxs"})
        found = dict(zip([row["name"] for row in meta["universe"]], contexts, strict=True))["kPEPE"]
        assert float(found["openInterest"]) * 1000 == pytest.approx(interest.amount)
        assert float(found["markPx"]) / 1000 == pytest.approx(funding.mark)
        assert float(found["oraclePx"]) / 1000 == pytest.approx(funding.index)
        assert float(found["dayNtlVlm"]) == pytest.approx(ticker.quote_volume_24h)
        assert float(found["dayBaseVlm"]) * 1000 == pytest.approx(ticker.volume_24h)
        assert float(found["midPx"]) / float(found["prevDayPx"]) == pytest.approx(1.02)
        assert found["funding"] == "0.0000125"
        assert not any("time" in key for key in found)
        unified = await exchange.fetch_open_interests()
        assert unified[PEPE]["openInterestAmount"] * 1000 == pytest.approx(interest.amount)
        rates = await exchange.fetch_funding_rates()
        assert rates[PEPE]["interval"] == "1h"
        assert (await exchange.fetch_ticker(BTC))["bid"] == pytest.approx(
            source.price(PERP, NOW) - 1
        )
        mids = await exchange.publicPostInfo({"type": "allMids"})
        assert float(mids["kPEPE"]) / 1000 == pytest.approx(ticker.last)


async def test_candles_equal_the_source_and_the_forming_one_is_last() -> None:
    source = PlainSource()
    async with venue_client(Hyperliquid(source)) as exchange:
        since = NOW // HOUR * HOUR - 40 * HOUR
        rows = await exchange.fetch_ohlcv(PEPE, "1h", since, 5, {"until": since + 4 * HOUR})
        expected = source.candles(COINS, "1h", since, since + 4 * HOUR + 1)
        assert [row[0] for row in rows] == [each.ts for each in expected]
        assert [row[4] / 1000 for row in rows] == pytest.approx([each.close for each in expected])
        assert [row[5] * 1000 for row in rows] == pytest.approx([each.volume for each in expected])
        asked = {"coin": "BTC", "interval": "5m", "startTime": NOW - HOUR, "endTime": NOW}
        raw = await exchange.publicPostInfo({"type": "candleSnapshot", "req": asked})
        assert int(raw[-1]["t"]) <= NOW < int(raw[-1]["T"])
        assert len(raw) == 12


async def test_only_the_newest_five_thousand_candles_exist() -> None:
    async with venue_client(Hyperliquid(PlainSource())) as exchange:
        asked = {"coin": "BTC", "interval": "1m", "startTime": BEGIN, "endTime": NOW}
        rows = await exchange.publicPostInfo({"type": "candleSnapshot", "req": asked})
        assert len(rows) == 5000
        assert int(rows[0]["t"]) == NOW // MINUTE * MINUTE - 4999 * MINUTE
        asked["endTime"] = NOW - 4 * DAY
        rows = await exchange.publicPostInfo({"type": "candleSnapshot", "req": asked})
        assert rows == []


async def test_books_have_twenty_levels_and_can_be_coarse() -> None:
    source = PlainSource()
    expected = source.book(COINS, 20)
    whole = source.book(PERP, 2000)
    assert expected
    assert whole
    async with venue_client(Hyperliquid(source)) as exchange:
        book = await exchange.fetch_order_book(PEPE)
        assert len(book["bids"]) == len(book["asks"]) == 20
        assert [p / 1000 for p, *_ in book["bids"]] == pytest.approx([p for p, _ in expected.bids])
        assert [r[1] * 1000 for r in book["bids"]] == pytest.approx([a for _, a in expected.bids])
        assert book["timestamp"] == expected.ts
        query = {"type": "l2Book", "coin": "BTC", "nSigFigs": 4}
        bids, asks = (await exchange.publicPostInfo(query))["levels"]
        assert all(float(row["px"]) % 10 == 0 for row in bids + asks)
        assert float(bids[0]["px"]) < float(asks[0]["px"])
        total = sum(float(row["sz"]) for row in bids)
        assert total == pytest.approx(sum(amount for _, amount in whole.bids))


async def test_only_ten_trades_of_the_past_are_given_newest_first() -> None:
    source = PlainSource()
    async with venue_client(Hyperliquid(source)) as exchange:
        rows = await exchange.publicPostInfo({"type": "recentTrades", "coin": "kPEPE"})
        expected = source.recent_trades(COINS, 10)[::-1]
        assert [int(row["tid"]) for row in rows] == [int(each.id) for each in expected]
        assert [{"B": "buy", "A": "sell"}[row["side"]] for row in rows] == [
            each.side.value for each in expected
        ]
        amounts = [float(row["sz"]) * 1000 for row in rows]
        assert amounts == pytest.approx([each.amount for each in expected])


async def test_funding_history_starts_where_it_is_asked_to() -> None:
    source = PlainSource()
    async with venue_client(Hyperliquid(source)) as exchange:
        since = NOW - 30 * HOUR
        rates = await exchange.fetch_funding_rate_history(BTC, since, 5)
        expected = source.funding_history(PERP, since, NOW + 1)[:5]
        assert [each["timestamp"] for each in rates] == [each.ts for each in expected]
        assert [each["fundingRate"] for each in rates] == pytest.approx([e.rate for e in expected])
        query = {"type": "fundingHistory", "coin": "BTC", "startTime": BEGIN}
        assert len(await exchange.publicPostInfo(query)) == 500


async def test_predicted_fundings_are_those_of_the_other_venues() -> None:
    source = PlainSource()
    async with venue_client(Hyperliquid(source)) as exchange:
        found = dict(await exchange.publicPostInfo({"type": "predictedFundings"}))
        rates = dict(found["kPEPE"])
        assert rates["BinPerp"] is None  # this source has no such venue
        assert int(rates["BybitPerp"]["fundingIntervalHours"]) == 4
        assert rates["HlPerp"]["fundingRate"] == "0.0000125"
        bybit = source.funding(instrument("bybit", "1000PEPE/USDT:USDT"))
        assert bybit
        assert int(rates["BybitPerp"]["nextFundingTime"]) == bybit.next_ts


async def test_wrong_requests_fail_as_the_venue_does() -> None:
    async with venue_client(Hyperliquid(PlainSource())) as exchange:
        with pytest.raises(ccxt.ExchangeError, match="422"):
            await exchange.publicPostInfo({"type": "nonsense"})
        asked = {"coin": "BTC", "interval": "6h", "startTime": 0, "endTime": NOW}
        with pytest.raises(ccxt.ExchangeError, match="422"):
            await exchange.publicPostInfo({"type": "candleSnapshot", "req": asked})
        with pytest.raises(ccxt.BaseError, match="500"):
            await exchange.publicPostInfo({"type": "l2Book", "coin": "NOPE"})
        with pytest.raises(ccxt.BadSymbol):
            await exchange.fetch_order_book("NOPE/USDC:USDC")


async def test_tables_that_are_missing_give_null() -> None:
    source = PlainSource(has=TABLES - {"books", "open_interest", "funding"}, title="no tiers")
    async with venue_client(Hyperliquid(source)) as exchange:
        _, contexts = await exchange.publicPostInfo({"type": "metaAndAssetCtxs"})
        names = ("openInterest", "funding", "markPx", "oraclePx", "premium")
        assert [contexts[0][name] for name in names] == [None] * 5
        assert contexts[0]["midPx"]
        assert (await exchange.fetch_order_book(BTC))["bids"] == []
        query = {"type": "fundingHistory", "coin": "BTC", "startTime": BEGIN}
        assert await exchange.publicPostInfo(query) == []


async def test_a_delisted_perp_is_marked() -> None:
    gone = perp("hyperliquid", "OLD/USDC:USDC", "OLD", quote="USDC", active=False)

    class WithOld(PlainSource):
        def instruments(self, exchange: str | None = None) -> list[Any]:
            return [*super().instruments(exchange), gone]

    async with venue_client(Hyperliquid(WithOld())) as exchange:
        assert (await exchange.load_markets())["OLD/USDC:USDC"]["active"] is False
        assert len(INSTRUMENTS) > len(exchange.markets) == 4


async def test_streams_deliver_to_an_unmodified_client() -> None:
    source = moving()
    async with asyncio.timeout(10), venue_client(Hyperliquid(source)) as exchange:
        trades: list[Any] = []
        while len(trades) < 25:
            trades += await exchange.watch_trades(PEPE)
        numbers = [int(each["id"]) for each in trades]
        assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
        expected = [source.trade(COINS, number) for number in numbers]
        assert [t["amount"] * 1000 for t in trades] == pytest.approx([e.amount for e in expected])
        assert [t["side"] for t in trades] == [e.side.value for e in expected]
        for _ in range(2):
            book = await exchange.watch_order_book(BTC)
            assert (len(book["bids"]), len(book["asks"])) == (20, 20)
            assert book["asks"][0][0] - book["bids"][0][0] == pytest.approx(2)
        assert (await exchange.watch_ticker(PEPE))["quoteVolume"]
        assert (await exchange.watch_tickers([BTC]))[BTC]["last"] >= 60_000
        candle = (await exchange.watch_ohlcv(BTC, "1m"))[-1]
        assert candle[0] == source.clock.now() // MINUTE * MINUTE
        assert (await exchange.watch_trades(SPOT))[0]["symbol"] == SPOT
        await exchange.un_watch_trades(PEPE)


class Socket:
    """A raw client."""

    def __init__(self, ws: aiohttp.ClientWebSocketResponse) -> None:
        self._ws = ws

    async def ask(self, method: str, **subscription: Any) -> dict[str, Any]:
        """Send a request, and the next message."""
        await self._ws.send_json({"method": method, "subscription": subscription})
        return await self.next()

    async def next(self) -> dict[str, Any]:
        """The next message."""
        found: dict[str, Any] = await self._ws.receive_json(timeout=5)
        return found


async def test_the_first_trades_are_older_and_the_next_follow_without_a_hole() -> None:
    source = moving(speed=50)
    async with connected(Hyperliquid(source), "/hyperliquid/ws") as ws:
        socket = Socket(ws)
        answer = await socket.ask("subscribe", type="trades", coin="BTC")
        assert answer["channel"] == "subscriptionResponse"
        asked = source.clock.now()
        first, second, third = [(await socket.next())["data"] for _ in range(3)]
        assert len(first) == 10
        assert first[-1]["time"] <= asked
        ids = [row["tid"] for row in first + second + third]
        assert ids == list(range(ids[0], ids[0] + len(ids)))


async def test_raw_channels_and_their_answers() -> None:
    source = PlainSource()
    assert isinstance(source.clock, FixedClock)
    interest = source.open_interest(COINS)
    assert interest
    async with connected(Hyperliquid(source), "/hyperliquid/ws") as ws:
        socket = Socket(ws)
        assert (await socket.ask("ping"))["channel"] == "pong"
        wrong = await socket.ask("subscribe", type="trades", coin="NOPE")
        assert wrong["channel"] == "error"
        await socket.ask("subscribe", type="activeAssetCtx", coin="kPEPE")
        context = (await socket.next())["data"]
        assert float(context["ctx"]["openInterest"]) * 1000 == pytest.approx(interest.amount)
        again = await socket.ask("subscribe", type="activeAssetCtx", coin="kPEPE")
        assert again["data"].startswith("Already subscribed")
        await socket.ask("subscribe", type="bbo", coin="BTC")
        bid, ask = (await socket.next())["data"]["bbo"]
        assert float(bid["px"]) < float(ask["px"])
        gone = await socket.ask("unsubscribe", type="bbo", coin="BTC")
        assert gone["data"]["method"] == "unsubscribe"


def test_the_trade_feed_gives_every_trade_once() -> None:
    source = PlainSource()
    feed = Hyperliquid(source).trade_feed(PERP)
    frames = [*feed.frames(NOW - 2000, NOW - 1000), *feed.frames(NOW - 1000, NOW)]
    rows = [row for frame in frames for row in msgspec.json.decode(frame)["data"]]
    expected = source.trades(PERP, NOW - 2000, NOW)
    assert [(row["time"], str(row["tid"])) for row in rows] == [(e.ts, e.id) for e in expected]
