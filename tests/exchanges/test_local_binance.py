"""The local Binance, asked by unmodified ccxt.pro clients and by hand."""

from collections.abc import AsyncIterator, Iterable
from typing import Any

import ccxt
import pytest
from local_clients import ask, client, serving
from local_source import (
    BTC,
    BTC_PERP,
    PEPE_PERP,
    START,
    TRADE_STEP,
    LocalSource,
)

from exchanges.local.server import LocalServer
from exchanges.local.venues.binance import Binance
from market.clock import FixedClock
from market.types import DAY, HOUR, MINUTE, Side

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


async def test_ccxt_loads_both_segments(spot: Any, usdm: Any) -> None:
    markets = await spot.load_markets()
    assert set(markets) == {"BTC/USDT", "ETH/USDT", "BTC/USDT:USDT", "1000PEPE/USDT:USDT"}
    assert set(await usdm.load_markets()) == {"BTC/USDT:USDT", "1000PEPE/USDT:USDT"}
    pepe = markets["1000PEPE/USDT:USDT"]
    assert (pepe["id"], pepe["swap"], pepe["linear"]) == ("1000PEPEUSDT", True, True)
    assert pepe["precision"] == pytest.approx(
        {"price": 1e-7, "amount": 1, "base": 1e-8, "quote": 1e-8}
    )
    assert markets["BTC/USDT"]["limits"]["cost"]["min"] == 5
    assert markets["BTC/USDT"]["precision"]["price"] == 0.1


def test_no_address_of_the_clients_leads_out() -> None:
    def texts(value: Any) -> Iterable[str]:
        for each in value.values():
            yield from texts(each) if isinstance(each, dict) else [each]

    venue = Binance(LocalSource(FixedClock(NOW)))
    config = venue.clients("http://127.0.0.1:1", "ws://127.0.0.1:1")
    made = ccxt.pro.binance(config["binance"])
    leading_out = [text for text in texts(made.urls["api"]) if "127.0.0.1" not in text]
    assert leading_out == []


async def test_ticker_is_the_source_s(spot: Any, usdm: Any, source: LocalSource) -> None:
    found, own = await spot.fetch_ticker("BTC/USDT"), source.ticker(BTC)
    assert own is not None
    assert (found["last"], found["bid"], found["ask"]) == pytest.approx(
        (own.last, own.bid, own.ask)
    )
    assert (found["high"], found["low"]) == pytest.approx((own.high_24h, own.low_24h))
    assert found["percentage"] == pytest.approx(2.5)
    assert found["open"] == pytest.approx(own.last / 1.025, abs=0.05)
    assert (found["baseVolume"], found["quoteVolume"]) == pytest.approx(
        (own.volume_24h, own.quote_volume_24h)
    )
    assert found["timestamp"] == NOW

    rows = await usdm.fetch_tickers()
    assert set(rows) == {"BTC/USDT:USDT", "1000PEPE/USDT:USDT"}
    pepe, own = rows["1000PEPE/USDT:USDT"], source.ticker(PEPE_PERP)
    assert own is not None
    assert pepe["last"] == pytest.approx(own.last * 1000, rel=1e-12)
    assert pepe["baseVolume"] == pytest.approx((own.volume_24h or 0) / 1000)
    assert pepe["quoteVolume"] == pytest.approx(own.quote_volume_24h)
    some = await spot.fetch_tickers(["ETH/USDT"])
    assert list(some) == ["ETH/USDT"]


async def test_best_prices_come_from_the_book(usdm: Any, source: LocalSource) -> None:
    row = await usdm.fapiPublicGetTickerBookTicker({"symbol": "1000PEPEUSDT"})
    book = source.book(PEPE_PERP, 1)
    assert book is not None
    assert float(row["bidPrice"]) == pytest.approx(book.bids[0][0] * 1000, rel=1e-12)
    assert float(row["askQty"]) == pytest.approx(book.asks[0][1] / 1000)


async def test_candles_are_the_source_s(spot: Any, source: LocalSource) -> None:
    start = START - 3 * HOUR
    rows = await spot.fetch_ohlcv("BTC/USDT", "5m", since=start, limit=10)
    own = source.candles(BTC, "5m", start, start + 50 * MINUTE)
    assert rows == [[c.ts, c.open, c.high, c.low, c.close, pytest.approx(c.volume)] for c in own]
    newest = await spot.fetch_ohlcv("BTC/USDT", "1m", limit=3)
    assert [row[0] for row in newest] == [START - 2 * MINUTE, START - MINUTE, START]


async def test_raw_candles_carry_what_takers_bought(usdm: Any, source: LocalSource) -> None:
    rows = await usdm.fapiPublicGetKlines({"symbol": "1000PEPEUSDT", "interval": "1h", "limit": 2})
    own = source.candles(PEPE_PERP, "1h", START - HOUR, NOW)
    assert [len(row) for row in rows] == [12, 12]
    for row, candle in zip(rows, own, strict=True):
        assert int(row[0]) == candle.ts
        assert int(row[6]) == candle.ts + HOUR - 1
        assert float(row[4]) == pytest.approx(candle.close * 1000, rel=1e-12)
        assert float(row[5]) * 1000 == pytest.approx(candle.volume)
        assert float(row[7]) == pytest.approx(candle.quote_volume)
        assert float(row[9]) * 1000 == pytest.approx(candle.taker_buy_volume)
        assert float(row[10]) == pytest.approx(candle.taker_buy_quote)


async def test_a_taker_split_that_is_not_known_is_empty_not_zero() -> None:
    source = LocalSource(FixedClock(NOW), without=frozenset({"taker"}))
    async with serving(LocalServer(source)) as url:
        query = {"symbol": "BTCUSDT", "interval": "1h", "limit": 1}
        (row,) = await ask(url, "/binance/fapi/v1/klines", **query)
        assert (row[9], row[10]) == ("", "")
        assert float(row[5]) > 0
        assert (
            await ask(
                url, "/binance/futures/data/takerlongshortRatio", symbol="BTCUSDT", period="1h"
            )
            == []
        )


async def test_candle_limits_are_the_venue_s(url: str) -> None:
    query = {"symbol": "BTCUSDT", "interval": "1m", "limit": 5000}
    assert len(await ask(url, "/binance/api/v3/klines", **query)) == 1000
    assert len(await ask(url, "/binance/fapi/v1/klines", **query)) == 1500
    first = await ask(url, "/binance/api/v3/klines", **query, startTime=START - DAY)
    assert first[0][0] == START - DAY
    last = await ask(url, "/binance/api/v3/klines", **query, endTime=START - DAY)
    assert last[-1][0] == START - DAY


async def test_order_book_is_the_source_s(usdm: Any, source: LocalSource) -> None:
    found, own = await usdm.fetch_order_book("1000PEPE/USDT:USDT", 20), source.book(PEPE_PERP, 20)
    assert own is not None
    assert len(found["bids"]) == 20
    assert [price / 1000 for price, _ in found["asks"]] == pytest.approx(
        [p for p, _ in own.asks[:20]], rel=1e-12
    )
    assert [amount * 1000 for _, amount in found["bids"]] == pytest.approx(
        [a for _, a in own.bids[:20]]
    )
    assert found["nonce"]


async def test_trades_are_the_source_s_with_the_taker_s_side(
    spot: Any, source: LocalSource
) -> None:
    rows = await spot.fetch_trades("BTC/USDT", limit=6)
    own = source.recent_trades(BTC, 6)
    assert [(r["id"], r["timestamp"], r["price"], r["side"]) for r in rows] == [
        (t.id, t.ts, t.price, t.side.value) for t in own
    ]
    assert [r["amount"] for r in rows] == pytest.approx([t.amount for t in own])
    assert {t.side for t in own} == {Side.BUY, Side.SELL}
    recent = await ask(spot.urls["api"]["public"], "/trades", symbol="BTCUSDT", limit=2)
    assert [row["id"] for row in recent] == [int(t.id) for t in own[-2:]]


@pytest.mark.parametrize("back", [3, 5000, 3_000_000])
async def test_trades_by_number_join_without_a_gap(
    url: str, source: LocalSource, back: int
) -> None:
    newest = int(source.recent_trades(BTC_PERP, 1)[0].id)
    rows = await ask(
        url, "/binance/fapi/v1/aggTrades", symbol="BTCUSDT", fromId=newest - back, limit=1000
    )
    expected = range(newest - back, newest - back + min(back + 1, 1000))
    assert [row["a"] for row in rows] == list(expected)
    assert all(row["f"] == row["l"] == row["a"] for row in rows)


async def test_trades_by_number_end_where_the_market_stands(url: str, source: LocalSource) -> None:
    newest = int(source.recent_trades(BTC_PERP, 1)[0].id)
    assert await ask(url, "/binance/fapi/v1/aggTrades", symbol="BTCUSDT", fromId=newest + 1) == []


async def test_trades_by_time_include_both_ends(url: str) -> None:
    start = START - 2 * HOUR
    query = {"symbol": "BTCUSDT", "startTime": start, "endTime": start + 5 * TRADE_STEP}
    rows = await ask(url, "/binance/fapi/v1/aggTrades", **query)
    assert [row["T"] for row in rows] == [start + n * TRADE_STEP for n in range(6)]
    last = await ask(url, "/binance/fapi/v1/aggTrades", symbol="BTCUSDT", endTime=start, limit=2)
    assert [row["T"] for row in last] == [start - TRADE_STEP, start]
    capped = await ask(
        url, "/binance/fapi/v1/aggTrades", symbol="BTCUSDT", startTime=start, limit=4
    )
    assert [row["T"] for row in capped] == [start + n * TRADE_STEP for n in range(4)]


async def test_a_futures_trade_request_of_more_than_an_hour_is_refused(url: str) -> None:
    query = {"symbol": "BTCUSDT", "startTime": START - 2 * HOUR, "endTime": START}
    assert (await ask(url, "/binance/fapi/v1/aggTrades", **query))["code"] == -1127


async def test_open_interest_and_its_history(usdm: Any, source: LocalSource) -> None:
    found = await usdm.fetch_open_interest("1000PEPE/USDT:USDT")
    own = source.open_interest(PEPE_PERP)
    assert own is not None
    assert found["openInterestAmount"] * 1000 == pytest.approx(own.amount)
    assert found["timestamp"] == NOW

    since = START - 2 * HOUR
    rows = await usdm.fetch_open_interest_history("1000PEPE/USDT:USDT", "5m", since=since, limit=5)
    history = source.open_interest_history(PEPE_PERP, 5 * MINUTE, since, since + 25 * MINUTE + 1)
    history = history[-5:]  # ccxt asks for six; Binance counts from the end
    assert [row["timestamp"] for row in rows] == [each.ts for each in history]
    assert [row["openInterestAmount"] * 1000 for row in rows] == pytest.approx(
        [e.amount for e in history]
    )
    assert [row["openInterestValue"] for row in rows] == pytest.approx([e.value for e in history])


async def test_open_interest_history_has_the_venue_s_reach(url: str) -> None:
    path = "/binance/futures/data/openInterestHist"
    default = await ask(url, path, symbol="BTCUSDT", period="5m")
    assert len(default) == 30
    assert default[-1]["timestamp"] == START
    assert len(await ask(url, path, symbol="BTCUSDT", period="5m", limit=9999)) == 500
    old = await ask(url, path, symbol="BTCUSDT", period="1d", startTime=START - 31 * DAY)
    assert old["code"] == -1130
    assert (await ask(url, path, symbol="BTCUSDT", period="1m"))["code"] == -1130


async def test_taker_volumes_are_those_of_closed_candles(url: str, source: LocalSource) -> None:
    path = "/binance/futures/data/takerlongshortRatio"
    rows = await ask(url, path, symbol="BTCUSDT", period="1h", limit=2)
    own = source.candles(BTC_PERP, "1h", START - 2 * HOUR, START)
    assert [row["timestamp"] for row in rows] == [each.ts for each in own]
    for row, candle in zip(rows, own, strict=True):
        assert float(row["buyVol"]) == pytest.approx(candle.taker_buy_volume)
        assert float(row["buyVol"]) + float(row["sellVol"]) == pytest.approx(candle.volume)


async def test_funding_rates_and_their_intervals(usdm: Any, source: LocalSource) -> None:
    rates = await usdm.fetch_funding_rates()
    own = source.funding(PEPE_PERP)
    assert own is not None
    pepe = rates["1000PEPE/USDT:USDT"]
    assert pepe["fundingRate"] == pytest.approx(own.rate)
    assert pepe["fundingTimestamp"] == own.next_ts
    assert pepe["markPrice"] / 1000 == pytest.approx(own.mark, rel=1e-12)
    assert pepe["indexPrice"] / 1000 == pytest.approx(own.index, rel=1e-12)
    one = await usdm.fetch_funding_rate("BTC/USDT:USDT")
    assert one["fundingRate"] == rates["BTC/USDT:USDT"]["fundingRate"]
    intervals = await usdm.fetch_funding_intervals()
    assert {symbol: row["interval"] for symbol, row in intervals.items()} == {
        "1000PEPE/USDT:USDT": "4h"
    }


async def test_funding_history(usdm: Any, source: LocalSource) -> None:
    since = START - 2 * DAY
    rows = await usdm.fetch_funding_rate_history("BTC/USDT:USDT", since=since, limit=4)
    own = source.funding_history(BTC_PERP, since, START)[:4]
    assert [(row["timestamp"], row["fundingRate"]) for row in rows] == [
        (each.ts, pytest.approx(each.rate)) for each in own
    ]
    newest = await usdm.fetch_funding_rate_history("BTC/USDT:USDT", limit=3)
    assert [row["timestamp"] for row in newest] == [START - 16 * HOUR, START - 8 * HOUR, START]


async def test_what_the_source_lacks_is_missing_not_invented() -> None:
    lacking = frozenset({"funding", "open_interest", "books", "trades"})
    async with serving(LocalServer(LocalSource(FixedClock(NOW), without=lacking))) as url:
        assert await ask(url, "/binance/fapi/v1/premiumIndex") == []
        assert (await ask(url, "/binance/fapi/v1/premiumIndex", symbol="BTCUSDT"))["code"] < 0
        assert (await ask(url, "/binance/fapi/v1/openInterest", symbol="BTCUSDT"))["code"] < 0
        assert (await ask(url, "/binance/fapi/v1/depth", symbol="BTCUSDT"))["code"] < 0
        assert await ask(url, "/binance/fapi/v1/aggTrades", symbol="BTCUSDT") == []
        assert await ask(url, "/binance/fapi/v1/fundingRate", symbol="BTCUSDT") == []
        assert (
            await ask(url, "/binance/futures/data/openInterestHist", symbol="BTCUSDT", period="5m")
            == []
        )


async def test_an_unknown_mark_price_is_empty() -> None:
    async with serving(
        LocalServer(LocalSource(FixedClock(NOW), without=frozenset({"mark"})))
    ) as url:
        row = await ask(url, "/binance/fapi/v1/premiumIndex", symbol="BTCUSDT")
        assert row["markPrice"] == ""
        assert float(row["lastFundingRate"]) > 0


async def test_refusals_are_binance_s_own(spot: Any, url: str) -> None:
    await spot.load_markets()
    with pytest.raises(ccxt.BadSymbol, match="Invalid symbol"):
        await spot.public_get_klines({"symbol": "NOPEUSDT", "interval": "1m"})
    with pytest.raises(ccxt.BadRequest, match="Invalid interval"):
        await spot.public_get_klines({"symbol": "BTCUSDT", "interval": "7m"})
    root = "/binance/api/v3"
    assert (await ask(url, f"{root}/klines", interval="1m"))["code"] == -1102
    assert (await ask(url, f"{root}/depth", symbol="BTCUSDT", limit="many"))["code"] == -1100
    assert (await ask(url, f"{root}/ticker/24hr", symbols="BTCUSDT"))["code"] == -1100
    assert (await ask(url, "/binance/fapi/v1/depth", symbol="BTCUSDT", limit=7))["code"] == -4021
