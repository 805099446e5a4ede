"""Hyperliquid's, Coinbase's and CoinGecko's payloads in coins and per coin."""

# ruff: noqa: E501 - payloads and keys read best on one line

import math
from itertools import pairwise
from typing import Any

import pytest
from canned_venue import canned, loaded, symbols

from exchanges.base import fold, tier_rows
from exchanges.coinbase import Coinbase
from exchanges.hyperliquid import Hyperliquid
from exchanges.sources.coingecko import Row, coin_for, parse_row
from market.errors import SourceError
from market.types import HOUR, MINUTE, Candle, Side

NOW = 1_760_000_000_000 // HOUR * HOUR + 90_000
PERPS = [
    {
        "universe": [
            {"name": "BTC", "szDecimals": 5, "maxLeverage": 40, "marginTableId": 56},
            {"name": "OLD", "szDecimals": 1, "maxLeverage": 3, "isDelisted": True},
            {"name": "kPEPE", "szDecimals": 0, "maxLeverage": 10, "marginTableId": 10},
        ],
        "marginTables": [
            [56, {"description": "tiered", "marginTiers": [{"lowerBound": "0.0", "maxLeverage": 40}, {"lowerBound": "150000000.0", "maxLeverage": 20}]}],
        ],
    },
    [
        {"funding": "0.0000125", "openInterest": "100", "prevDayPx": "50000", "dayNtlVlm": "120000", "dayBaseVlm": "2", "oraclePx": "60010", "markPx": "60005", "midPx": "60000", "impactPxs": ["1", "2"]},
        {"funding": "0", "openInterest": "0", "markPx": "1", "midPx": None},
        {"funding": "-0.00002", "openInterest": "50", "prevDayPx": "0.01", "dayNtlVlm": "1", "markPx": "0.012", "midPx": None, "oraclePx": "0.0119"},
    ],
]  # fmt: skip
SPOT = [
    {
        "tokens": [
            {"name": "USDC", "szDecimals": 8, "index": 0},
            {"name": "PURR", "szDecimals": 0, "index": 1},
            {"name": "UBTC", "szDecimals": 5, "index": 197},
        ],
        "universe": [
            {"name": "PURR/USDC", "tokens": [1, 0], "index": 0},
            {"name": "@142", "tokens": [197, 0], "index": 142},
        ],
    },
    [{"coin": "@142", "markPx": "60001", "midPx": "60002", "prevDayPx": "60000", "dayNtlVlm": "9"}, {"coin": "PURR/USDC", "markPx": "0.2", "midPx": None}],
]  # fmt: skip


def info(**answers: Any) -> dict[str, Any]:
    known = {"metaAndAssetCtxs": PERPS, "spotMetaAndAssetCtxs": SPOT, **answers}
    return {"publicPostInfo": lambda params: known[params["type"]]}


async def test_hyperliquid_lists_perps_and_spot_under_plain_coins() -> None:
    found = symbols(await loaded(Hyperliquid, NOW, info()))
    assert set(found) == {"BTC/USDC:USDC", "kPEPE/USDC:USDC", "PURR/USDC", "BTC/USDC"}
    pepe, btc = found["kPEPE/USDC:USDC"], found["BTC/USDC"]
    assert (pepe.base, pepe.multiplier, pepe.contract_size, pepe.amount_step) == (
        "PEPE",
        1000.0,
        1000.0,
        1000.0,
    )
    assert (btc.base, btc.id, btc.perp) == ("BTC", "@142", False)


async def test_hyperliquid_answers_for_every_perp_from_one_call() -> None:
    venue = canned(Hyperliquid, NOW, info())
    venue.use(await venue.load_instruments())
    tickers = {each.instrument.symbol: each for each in await venue.tickers(perp=True)}
    btc, pepe = tickers["BTC/USDC:USDC"], tickers["kPEPE/USDC:USDC"]
    assert (btc.last, btc.bid, btc.ask, btc.quote_volume_24h) == (60000.0, None, None, 120000.0)
    assert (btc.change_24h, pepe.last) == (pytest.approx(0.2), pytest.approx(0.000012))
    interest = await venue.open_interest_all()
    assert interest["kPEPE/USDC:USDC"].amount == 50_000.0
    assert interest["kPEPE/USDC:USDC"].value == pytest.approx(50_000 * 0.000012)
    assert interest["BTC/USDC:USDC"].ts == NOW
    rate = await venue.funding(symbols(venue)["BTC/USDC:USDC"])
    assert (rate.rate, rate.interval_h, rate.index, rate.next_ts) == (
        0.0000125,
        1.0,
        60010.0,
        NOW // HOUR * HOUR + HOUR,
    )
    asked = [params["type"] for _, params in venue.caller.asked]  # type: ignore[attr-defined]
    assert asked == ["metaAndAssetCtxs", "spotMetaAndAssetCtxs"]
    with pytest.raises(SourceError, match="no open interest"):
        await venue.open_interest(symbols(venue)["BTC/USDC"])


async def test_hyperliquid_spot_rows_are_matched_by_name_not_by_place() -> None:
    venue = await loaded(Hyperliquid, NOW, info())
    found = {each.instrument.symbol: each.last for each in await venue.tickers(perp=False)}
    assert found == {"BTC/USDC": 60002.0, "PURR/USDC": 0.2}


async def test_hyperliquid_margin_is_half_the_initial_one_of_each_tier() -> None:
    venue = await loaded(Hyperliquid, NOW, info())
    btc = await venue.tiers(symbols(venue)["BTC/USDC:USDC"])
    pepe = await venue.tiers(symbols(venue)["kPEPE/USDC:USDC"])
    assert btc is not None
    assert pepe is not None
    assert btc.tiers == (
        (150e6, 0.0125, 0.0, 40.0),
        (math.inf, 0.025, pytest.approx(150e6 * 0.0125), 20.0),
    )
    assert pepe.tiers == ((math.inf, 0.05, 0.0, 10.0),)


async def test_hyperliquid_trades_books_and_candles() -> None:
    trades = [
        {"coin": "kPEPE", "side": "A", "px": "0.012", "sz": "5", "time": NOW, "tid": 2, "hash": "0xb", "users": ["0x1", "0x2"]},
        {"coin": "kPEPE", "side": "B", "px": "0.012", "sz": "5", "time": NOW - 3, "tid": 1, "hash": "0xa", "users": ["0x1", "0x2"]},
    ]  # fmt: skip
    book = {
        "coin": "kPEPE",
        "levels": [[{"px": "0.011", "sz": "2", "n": 1}], [{"px": "0.013", "sz": "3", "n": 1}]],
        "time": NOW - 8,
    }
    start = NOW // HOUR * HOUR
    bars = [
        {
            "t": ts,
            "T": ts + HOUR - 1,
            "s": "kPEPE",
            "i": "1h",
            "o": "1",
            "c": "2",
            "h": "3",
            "l": "1",
            "v": "10",
            "n": 2,
        }
        for ts in range(start - 20 * HOUR, start + HOUR, HOUR)
    ]
    venue = await loaded(
        Hyperliquid, NOW, info(recentTrades=trades, l2Book=book, candleSnapshot=bars)
    )
    pepe = symbols(venue)["kPEPE/USDC:USDC"]
    first, second = await venue.trades(pepe)
    assert (first.side, second.side, first.amount, first.order) == (
        Side.BUY,
        Side.SELL,
        5000.0,
        "0xa",
    )
    found = await venue.book(pepe)
    assert (found.bids, found.ts) == (((pytest.approx(0.000011), 2000.0),), NOW - 8)
    rows = await venue.candles(pepe, "1h", limit=5)
    assert [row.ts for row in rows] == list(range(start - 4 * HOUR, start + HOUR, HOUR))
    assert (rows[-1].closed, rows[-2].closed, rows[0].volume, rows[0].close) == (
        False,
        True,
        10_000.0,
        0.002,
    )


async def test_a_timeframe_the_venue_lacks_is_folded_from_a_finer_one() -> None:
    asked: list[dict[str, Any]] = []

    def answer(params: dict[str, Any]) -> Any:
        if params["type"] != "candleSnapshot":
            return info()["publicPostInfo"](params)
        asked.append(params["req"])
        first, last, step = params["req"]["startTime"], params["req"]["endTime"], 2 * HOUR
        rows = range(-(-first // step) * step, last + 1, step)
        return [
            {"t": ts, "o": str(ts), "h": str(ts + 9), "l": "1", "c": str(ts + 5), "v": "10"}
            for ts in rows
        ]

    venue = await loaded(Hyperliquid, NOW, {"publicPostInfo": answer})
    rows = await venue.candles(symbols(venue)["BTC/USDC:USDC"], "6h", limit=3)
    assert asked[0]["interval"] == "2h"
    newest = NOW // (6 * HOUR) * 6 * HOUR
    assert [row.ts for row in rows] == [newest - 12 * HOUR, newest - 6 * HOUR, newest]
    assert (rows[0].open, rows[0].close, rows[0].volume) == (
        rows[0].ts,
        rows[0].ts + 4 * HOUR + 5,
        30.0,
    )
    assert [row.closed for row in rows] == [True, True, False]


def test_a_sum_with_an_unknown_part_is_unknown() -> None:
    bar = {"open": 1.0, "high": 2.0, "low": 0.5, "close": 1.5, "volume": 10.0}
    known = Candle(ts=0, taker_buy_volume=4.0, **bar)
    blank = Candle(ts=MINUTE, **bar)
    assert fold([known, blank], 5 * MINUTE)[0].taker_buy_volume is None
    assert fold([known, known], 5 * MINUTE)[0].taker_buy_volume == 8.0


def test_the_margin_is_continuous_at_the_caps() -> None:
    rows = tier_rows([(1e6, 0.004, 100), (5e6, 0.01, 50), (1e8, 0.05, 10)])
    for (cap, rate, offset, _), (_, higher, after, _) in pairwise(rows):
        assert cap * rate - offset == pytest.approx(cap * higher - after)


PRODUCT = {
    "product_id": "BTC-USD", "price": "60000", "price_percentage_change_24h": "-2.5", "volume_24h": "10", "base_increment": "0.00000001",
    "quote_increment": "0.01", "price_increment": "0.01", "quote_min_size": "1", "status": "online", "product_type": "SPOT",
    "quote_currency_id": "USD", "base_currency_id": "BTC", "is_disabled": False, "trading_disabled": False,
}  # fmt: skip
PRODUCTS = {
    "v3PublicGetBrokerageMarketProducts": {
        "products": [
            PRODUCT,
            PRODUCT | {"product_id": "X-USD", "trading_disabled": True},
            PRODUCT | {"product_id": "F", "product_type": "FUTURE"},
        ],
        "num_products": 3,
    }
}


async def test_coinbase_names_the_makers_side_and_the_taker_is_the_other() -> None:
    rows = [
        {"trade_id": "2", "product_id": "BTC-USD", "price": "60001", "size": "0.5", "time": "2026-01-11T00:52:37.557001Z", "side": "BUY"},
        {"trade_id": "1", "product_id": "BTC-USD", "price": "60000", "size": "0.1", "time": "2026-01-11T00:52:36Z", "side": "SELL"},
    ]  # fmt: skip
    answers = PRODUCTS | {
        "v3PublicGetBrokerageMarketProductsProductIdTicker": {
            "trades": rows,
            "best_bid": "59999",
            "best_ask": "60002",
        },
        "v3PublicGetBrokerageMarketProductsProductId": PRODUCT,
    }
    venue = await loaded(Coinbase, NOW, answers)
    assert set(symbols(venue)) == {"BTC/USD"}
    btc = symbols(venue)["BTC/USD"]
    first, second = await venue.trades(btc)
    assert (first.side, second.side, first.ts, second.ts) == (
        Side.BUY,
        Side.SELL,
        1768092756000,
        1768092757557,
    )
    ticker = await venue.ticker(btc)
    assert (ticker.last, ticker.ts, ticker.bid, ticker.ask) == (
        60001.0,
        1768092757557,
        59999.0,
        60002.0,
    )
    assert (ticker.change_24h, ticker.volume_24h) == (-0.025, 10.0)
    [bulk] = await venue.tickers(perp=False)
    assert (bulk.last, bulk.ts, bulk.quote_volume_24h) == (60000.0, NOW, 600_000.0)
    assert await venue.tickers(perp=True) == []


async def test_coinbase_candles_and_books() -> None:
    start = NOW // MINUTE * MINUTE
    bars = [
        {
            "start": str(ts // 1000),
            "low": "1",
            "high": "3",
            "open": "2",
            "close": "2.5",
            "volume": "4",
        }
        for ts in (start, start - 2 * MINUTE)
    ]
    book = {
        "pricebook": {
            "bids": [{"price": "1", "size": "2"}],
            "asks": [{"price": "3", "size": "4"}],
            "time": "2026-01-11T00:52:37.557001234Z",
        }
    }
    venue = await loaded(
        Coinbase, NOW,
        PRODUCTS | {"v3PublicGetBrokerageMarketProductsProductIdCandles": {"candles": bars}, "v3PublicGetBrokerageMarketProductBook": book},
    )  # fmt: skip
    btc = symbols(venue)["BTC/USD"]
    rows = await venue.candles(btc, "1m", limit=5)
    assert [(row.ts, row.closed) for row in rows] == [
        (start - 2 * MINUTE, True),
        (start, False),
    ]  # no trade, no bar
    found = await venue.book(btc)
    assert (found.bids, found.asks, found.ts) == (((1.0, 2.0),), ((3.0, 4.0),), 1768092757557)
    with pytest.raises(SourceError, match="does not publish funding"):
        await venue.funding(btc)


def test_a_ticker_means_the_coin_and_not_its_namesakes() -> None:
    rows = [
        Row(
            id="bitcoin",
            symbol="btc",
            name="Bitcoin",
            market_cap=2e12,
            last_updated="2026-01-11T00:52:37.557Z",
        ),
        Row(id="bridged-sol", symbol="sol", name="Bridged SOL", market_cap=9e10),
        Row(id="wrapped-xyz", symbol="xyz", name="Wrapped XYZ", market_cap=5e9),
        Row(id="abc-small", symbol="abc", name="Abc Clone", market_cap=1e6),
        Row(id="abc", symbol="abc", name="Abc", market_cap=1e9),
        Row(id="nosupply", symbol="nil", name="Nil", market_cap=0),
    ]
    caps = [cap for row in rows if (cap := parse_row(row, NOW))]
    assert caps[0].ts == 1768092757557
    assert len(caps) == 5
    found = {base: coin_for(base, caps) for base in ("BTC", "SOL", "XYZ", "abc", "NIL")}
    assert {base: cap.coin if cap else None for base, cap in found.items()} == {
        "BTC": "bitcoin", "SOL": None, "XYZ": None, "abc": "abc", "NIL": None,
    }  # fmt: skip
