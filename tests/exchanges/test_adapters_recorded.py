"""Recorded answers of the venues, read by us and by ccxt's own unified parsers: both must say the same."""

# ruff: noqa: E501 - payloads and keys read best on one line

import gzip
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ccxt.async_support as ccxt
import pytest
from canned_venue import canned, symbols

from exchanges.base import Exchange
from exchanges.binance import Binance
from exchanges.bybit import Bybit
from exchanges.hyperliquid import Hyperliquid
from exchanges.okx import Okx
from exchanges.payloads import binance, bybit, hyperliquid, okx
from exchanges.wire import Unparsed, decode, number
from market.types import HOUR, MINUTE, Instrument

ROOT = Path(__file__).parents[2]
DATA = Path(os.environ.get("TIDEMARK_DATA", ROOT.parent / "shared/data")) / "exchange_responses"
pytestmark = [
    pytest.mark.data,
    pytest.mark.skipif(not DATA.is_dir(), reason="TIDEMARK_DATA is not here"),
]


def cases(path: str) -> list[dict[str, Any]]:
    file = DATA / path
    text = file.read_bytes()
    return json.loads(gzip.decompress(text) if file.suffix == ".gz" else text)["cases"]


def case(path: str, name: str) -> dict[str, Any]:
    return next(each for each in cases(path) if each["name"] == name)


def plain(exchange: str, symbol: str, name: str) -> Instrument:
    """An instrument of one coin a contract."""
    pair = symbol.split(":", maxsplit=1)[0].split("/")
    return Instrument(
        exchange=exchange, symbol=symbol, base=pair[0], quote=pair[1], perp=":" in symbol, id=name
    )


def close(ours: float | None, theirs: float | None) -> bool:
    return (
        ours == theirs
        if ours is None or theirs is None
        else ours == pytest.approx(theirs, rel=1e-9)
    )


LISTS: dict[str, tuple[str, str, str, Any, Callable[[Any], list[Any]], Callable[[Any], Instrument | None]]] = {
    "binance spot": (
        "binance", "binance/fetchMarkets.api_v3_exchangeInfo.json.gz", "api_v3_exchangeInfo",
        binance.ExchangeInfo, lambda page: page.symbols, lambda row: binance.parse_symbol(row, perp=False),
    ),
    "binance perp": (
        "binanceusdm", "binanceusdm/fetchMarkets.fapi_v1_exchangeInfo.json.gz", "fapi_v1_exchangeInfo",
        binance.ExchangeInfo, lambda page: page.symbols, lambda row: binance.parse_symbol(row, perp=True),
    ),
    "okx spot": (
        "okx", "okx/fetchMarkets.api_v5_public_instruments_instType_SPOT.json.gz",
        "api_v5_public_instruments_instType_SPOT", okx.Data[okx.Symbol], lambda page: page.data,
        lambda row: okx.parse_symbol(row, perp=False),
    ),
    "okx swap": (
        "okx", "okx/fetchMarkets.json", "api_v5_public_instruments_instType_SWAP", okx.Data[okx.Symbol],
        lambda page: page.data, lambda row: okx.parse_symbol(row, perp=True),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", LISTS)
async def test_market_lists_agree(name: str) -> None:
    ccxt_id, path, title, shape, rows_of, parse = LISTS[name]
    payload = case(path, title)["httpResponse"]
    client = getattr(ccxt, ccxt_id)()
    client.options |= {"crossMarginPairsData": [], "isolatedMarginPairsData": []}
    raw = payload["symbols"] if "symbols" in payload else payload["data"]
    theirs = {each["id"]: each for row in raw if (each := client.parse_market(row))}
    ours = [found for row in rows_of(decode(payload, shape)) if (found := parse(row))]
    await client.close()
    listed = [
        m for m in theirs.values() if m["active"] and (m["spot"] or (m["swap"] and m["linear"]))
    ]
    assert len(ours) > 20
    assert {each.id for each in ours} == {m["id"] for m in listed}
    for each in ours:
        market = theirs[each.id]
        assert each.symbol == market["symbol"] or market["base"] in client.commonCurrencies.values()
        assert close(each.price_step * each.multiplier, market["precision"]["price"])
        contract = market["contractSize"] or 1.0
        assert close(each.contract_size / each.multiplier, contract)
        assert close(each.amount_step / each.contract_size, market["precision"]["amount"])


BTC = plain("binance", "BTC/USDT", "BTCUSDT")
SWAP = plain("bybit", "BTC/USDT:USDT", "BTCUSDT")


async def venue_for(
    kind: type[Exchange], now: int, method: str, payload: Any, one: Instrument
) -> Any:
    venue = canned(kind, now, {method: payload})
    venue.use([one])
    return venue


@pytest.mark.parametrize(
    ("kind", "path", "title", "method", "one"),
    [
        (Binance, "binance/fetchTrades.json", "public spot aggTrades", "publicGetAggTrades", BTC),
        (Bybit, "bybit/fetchTrades.json", "swap public trade", "publicGetV5MarketRecentTrade", SWAP),
        (Okx, "okx/fetchTrades.json", "public spot trades", "publicGetMarketTrades", plain("okx", "BTC/USDT", "BTC-USDT")),
    ],
)  # fmt: skip
async def test_trades_agree(
    kind: type[Exchange], path: str, title: str, method: str, one: Instrument
) -> None:
    recorded = case(path, title)
    found = await (await venue_for(kind, 0, method, recorded["httpResponse"], one)).trades(one, 1)
    assert len(found) == len(recorded["parsedResponse"])
    for ours, theirs in zip(found, recorded["parsedResponse"], strict=True):
        assert (ours.ts, ours.id, ours.side.value) == (
            theirs["timestamp"],
            theirs["id"],
            theirs["side"],
        )
        assert close(ours.price, theirs["price"])
        assert close(ours.amount, theirs["amount"])
        assert close(ours.value, theirs["cost"])


@pytest.mark.parametrize(
    ("kind", "path", "title", "method", "one"),
    [
        (Okx, "okx/fetchTicker.json", "public spot ticker", "publicGetMarketTicker", plain("okx", "BTC/USDT", "BTC-USDT")),
        (Bybit, "bybit/fetchTicker.json", "swap ticker", "publicGetV5MarketTickers", SWAP),
    ],
)  # fmt: skip
async def test_tickers_agree(
    kind: type[Exchange], path: str, title: str, method: str, one: Instrument
) -> None:
    recorded = case(path, title)
    ours = await (await venue_for(kind, 0, method, recorded["httpResponse"], one)).ticker(one)
    theirs = recorded["parsedResponse"]
    pairs = {
        "last": ours.last, "bid": ours.bid, "ask": ours.ask, "high": ours.high_24h, "low": ours.low_24h,
        "baseVolume": ours.volume_24h, "quoteVolume": ours.quote_volume_24h,
        "percentage": None if ours.change_24h is None else ours.change_24h * 100,
    }  # fmt: skip
    for name, value in pairs.items():
        tolerance = 1e-4 if name == "percentage" else 1e-9  # Bybit's own percentage is rounded
        assert value == pytest.approx(theirs[name], rel=tolerance), name
    assert theirs["timestamp"] in (None, ours.ts)


async def test_the_bybit_book_agrees() -> None:
    recorded = case("bybit/fetchOrderBook.json", "spot book")
    one = plain("bybit", "BTC/USDT", "BTCUSDT")
    venue = await venue_for(Bybit, 0, "publicGetV5MarketOrderbook", recorded["httpResponse"], one)
    book, theirs = await venue.book(one), recorded["parsedResponse"]
    assert [list(row) for row in book.bids] == theirs["bids"]
    assert [list(row) for row in book.asks] == theirs["asks"]
    assert book.ts == theirs["timestamp"]


@pytest.mark.parametrize(
    ("title", "timeframe", "step", "limit"),
    [
        ("btc ohlcv", "1m", MINUTE, 2),
        ("spot UBTC with until (extra leading candle returned)", "1h", HOUR, 1),
    ],
)
async def test_hyperliquid_candles_agree(title: str, timeframe: str, step: int, limit: int) -> None:
    recorded = case("hyperliquid/fetchOHLCV.json", title)
    one = plain("hyperliquid", "BTC/USDC:USDC", "BTC")
    theirs = recorded["parsedResponse"]
    now = theirs[-1][0] + step
    venue = await venue_for(Hyperliquid, now, "publicPostInfo", recorded["httpResponse"], one)
    rows = await venue.candles(one, timeframe, limit=limit, end=now)
    assert [[r.ts, r.open, r.high, r.low, r.close, r.volume] for r in rows] == theirs


async def test_klines_keep_what_ccxt_drops() -> None:
    payload = case("binance/fetchOHLCV.json", "http_spot_market_klines")["httpResponse"]
    client = ccxt.binance()
    for raw in payload:
        ours = binance.parse_kline(decode(raw, binance.Kline), BTC)
        assert [
            ours.ts,
            ours.open,
            ours.high,
            ours.low,
            ours.close,
            ours.volume,
        ] == client.parse_ohlcv(raw)
        assert (ours.quote_volume, ours.taker_buy_volume) == (float(raw[7]), float(raw[9]))
        assert ours.taker_buy_quote == float(raw[10])
    await client.close()


SHAPES = [
    ("binance/fetchOpenInterest.json", "ccxt_sample_fetch_open_interest#1", binance.Interest),
    (
        "binance/fetchOpenInterestHistory.json",
        "ccxt_sample_fetch_open_interest_history#1",
        binance.InterestRow,
    ),
    (
        "binance/fetchFundingIntervals.json",
        "ccxt_sample_fetch_funding_intervals#1",
        binance.FundingInfo,
    ),
    ("binance/fetchFundingRate.json", "ccxt_sample_fetch_funding_rate#1", binance.Premium),
    (
        "binance/parseFundingRateHistory.json",
        "ccxt_sample_parse_funding_rate_history#1",
        binance.FundingRow,
    ),
    ("binance/parseTicker.json", "ccxt_sample_parse_ticker#2", binance.Ticker24),
    ("binance/fetchOrderBook.json", "ccxt_sample_fetch_order_book#1", binance.Depth),
    ("binance/fetchOrderBook.json", "depth_response", binance.Depth),
    (
        "bybit/fetchFutureMarkets.json",
        "ccxt_sample_fetch_future_markets#1",
        bybit.Page[bybit.Symbol],
    ),
    ("bybit/fetchSpotMarkets.json", "ccxt_sample_fetch_spot_markets#1", bybit.Page[bybit.Symbol]),
    (
        "bybit/fetchFundingRates.json",
        "ccxt_sample_fetch_funding_rates#1",
        bybit.Page[bybit.TickerRow],
    ),
    (
        "bybit/fetchFundingRateHistory.json",
        "http_get_funding_history",
        bybit.Page[bybit.FundingRow],
    ),
    ("bybit/fetchOHLCV.json", "http_get_klines_linear", bybit.Page[bybit.Kline]),
    (
        "bybit/fetchOpenInterest.json",
        "ccxt_sample_fetch_open_interest#1",
        bybit.Page[bybit.InterestRow],
    ),
    (
        "bybit/parseMarketLeverageTiers.json",
        "ccxt_sample_parse_market_leverage_tiers#1",
        bybit.RiskRow,
    ),
    ("okx/fetchOHLCV.json", "ccxt_sample_fetch_ohlcv#1", okx.Data[okx.Bar]),
    ("okx/fetchOrderBook.json", "http_get_order_book", okx.Data[okx.Book]),
    ("okx/fetchFundingRate.json", "ccxt_sample_fetch_funding_rate#1", okx.Data[okx.FundingRow]),
    ("okx/fetchFundingRateHistory.json", "http_get_funding_rate_history", okx.Data[okx.SettledRow]),
    ("okx/fetchMarkPrice.json", "http_get_mark_price", okx.Data[okx.MarkRow]),
    ("okx/fetchMarketLeverageTiers.json", "http_get_position_tiers", okx.Data[okx.TierRow]),
    ("okx/parseOpenInterest.json", "ccxt_sample_parse_open_interest#2", okx.InterestBar),
    ("okx/parseOpenInterest.json", "ccxt_sample_parse_open_interest#3", okx.InterestRow),
    (
        "hyperliquid/fetchFundingRateHistory.json",
        "http_funding_history",
        list[hyperliquid.FundingRow],
    ),
    ("hyperliquid/fetchMarkets.json", "http_meta_perp_sample", hyperliquid.Meta),
    ("hyperliquid/fetchOrderBook.json", "http_l2_book_snapshot", hyperliquid.Book),
    ("hyperliquid/fetchTrades.json", "http_recent_trades_btc", list[hyperliquid.TradeRow]),
    (
        "hyperliquid/parseOpenInterest.json",
        "ccxt_sample_parse_open_interest#1",
        hyperliquid.Context,
    ),
]


@pytest.mark.parametrize(("path", "title", "shape"), SHAPES, ids=[f"{p}:{t}" for p, t, _ in SHAPES])
def test_recorded_shapes_are_read(path: str, title: str, shape: Any) -> None:
    payload = case(path, title)["httpResponse"]
    assert decode(payload, shape)
    assert decode(Unparsed(json.dumps(payload), {}), shape)


def test_binance_funding_fields_are_read_as_recorded() -> None:
    payload = case("binance/fetchFundingRate.json", "ccxt_sample_fetch_funding_rate#1")[
        "httpResponse"
    ]
    perp = plain("binance", "BTC/USDT:USDT", "BTCUSDT")
    rate = binance.parse_funding(decode(payload, binance.Premium), perp, {"BTCUSDT": 4.0})
    assert rate is not None
    assert (rate.rate, rate.interval_h, rate.next_ts, rate.ts) == (
        0.00063521,
        4.0,
        1621267200000,
        1621252344001,
    )
    assert number(payload["markPrice"]) == rate.mark


def test_a_whole_market_of_tickers_takes_a_few_milliseconds() -> None:
    row = case("binance/parseTicker.json", "ccxt_sample_parse_ticker#2")["httpResponse"]
    body = json.dumps([row | {"symbol": f"S{i}USDT"} for i in range(3400)])
    venue = canned(Binance, 0, {})
    venue.use([plain("binance", f"S{i}/USDT", f"S{i}USDT") for i in range(3400)])
    assert len(symbols(venue)) == 3400
    spent = []
    for _ in range(5):
        start = time.perf_counter()
        rows = decode(Unparsed(body, {}), list[binance.Ticker24])
        middle = time.perf_counter()
        assert len(venue._tickers(rows, False)) == 3400
        spent.append((middle - start, time.perf_counter() - middle))
    assert min(a for a, _ in spent) < 0.02
    assert min(b for _, b in spent) < 0.08
