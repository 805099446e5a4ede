"""Bybit's and OKX's payloads in coins and per coin."""

# ruff: noqa: E501 - payloads and keys read best on one line

import pytest
from canned_venue import loaded, symbols

from analytics.liquidation.model import liquidation_price
from exchanges.bybit import Bybit
from exchanges.okx import Okx
from market.errors import SourceError
from market.types import HOUR, MINUTE, PositionSide, Side

NOW = 1_760_000_000_000 // HOUR * HOUR + 90_000


def page(*rows: object, cursor: str = "", time: int = NOW - 7) -> dict[str, object]:
    return {
        "retCode": 0,
        "retMsg": "OK",
        "result": {"category": "linear", "list": list(rows), "nextPageCursor": cursor},
        "time": time,
    }


def bybit_symbol(base: str, **more: object) -> dict[str, object]:
    return {
        "symbol": f"{base}USDT", "contractType": "LinearPerpetual", "status": "Trading", "baseCoin": base, "quoteCoin": "USDT",
        "settleCoin": "USDT", "fundingInterval": 480, "priceFilter": {"tickSize": "0.50"},
        "lotSizeFilter": {"qtyStep": "0.001", "minNotionalValue": "5"},
    } | more  # fmt: skip


def bybit_markets(params: dict[str, str]) -> dict[str, object]:
    if params["category"] == "spot":
        row = bybit_symbol("BTC", lotSizeFilter={"basePrecision": "0.00001", "minOrderAmt": "1"})
        return page(
            {
                k: v
                for k, v in row.items()
                if k not in ("contractType", "settleCoin", "fundingInterval")
            }
        )
    if "cursor" not in params:
        return page(bybit_symbol("BTC"), bybit_symbol("OLD", status="PreLaunch"), cursor="next")
    return page(
        bybit_symbol("SHIB1000", fundingInterval=240),
        bybit_symbol("FUT", contractType="LinearFutures"),
    )


BYBIT_TICKER = {
    "symbol": "BTCUSDT", "lastPrice": "60000", "indexPrice": "60010", "markPrice": "60005", "prevPrice24h": "50000",
    "highPrice24h": "61000", "lowPrice24h": "49000", "openInterest": "100", "openInterestValue": "6000500",
    "turnover24h": "120000", "volume24h": "2", "fundingRate": "-0.0003", "nextFundingTime": str(NOW + HOUR),
    "bid1Price": "59999", "ask1Price": "60001", "predictedDeliveryPrice": "",
}  # fmt: skip
SHIB = BYBIT_TICKER | {
    "symbol": "SHIB1000USDT", "lastPrice": "0.02", "markPrice": "0.021", "openInterest": "50", "openInterestValue": "",
    "volume24h": "10", "fundingRate": "",
}  # fmt: skip


async def bybit(**answers: object) -> Bybit:
    return await loaded(Bybit, NOW, {"publicGetV5MarketInstrumentsInfo": bybit_markets, **answers})


async def test_bybit_lists_all_pages_of_live_linear_perps() -> None:
    found = symbols(await bybit())
    assert set(found) == {"BTC/USDT", "BTC/USDT:USDT", "SHIB1000/USDT:USDT"}
    shib = found["SHIB1000/USDT:USDT"]
    assert (shib.base, shib.contract_size, shib.price_step, shib.amount_step) == (
        "SHIB",
        1000.0,
        0.0005,
        1.0,
    )
    assert (found["BTC/USDT"].amount_step, found["BTC/USDT"].min_value) == (0.00001, 1.0)


async def test_bybit_one_bulk_call_gives_tickers_interest_and_funding() -> None:
    venue = await bybit(publicGetV5MarketTickers=page(BYBIT_TICKER, SHIB))
    btc, shib = await venue.tickers(perp=True)
    assert (btc.last, btc.bid, btc.ask, btc.ts) == (60000.0, 59999.0, 60001.0, NOW - 7)
    assert (btc.change_24h, btc.volume_24h, btc.quote_volume_24h) == (
        pytest.approx(0.2),
        2.0,
        120000.0,
    )
    assert (shib.last, shib.volume_24h) == (0.00002, 10_000.0)
    interest = await venue.open_interest_all()
    assert (interest["BTC/USDT:USDT"].amount, interest["BTC/USDT:USDT"].value) == (
        100.0,
        6_000_500.0,
    )
    assert interest["SHIB1000/USDT:USDT"].amount == 50_000.0
    assert interest["SHIB1000/USDT:USDT"].value == pytest.approx(50_000 * 0.000021)
    rates = await venue.fundings()
    assert set(rates) == {"BTC/USDT:USDT"}  # an empty rate is unknown, not zero
    assert (rates["BTC/USDT:USDT"].rate, rates["BTC/USDT:USDT"].interval_h) == (-0.0003, 8.0)
    assert [method for method, _ in venue.caller.asked].count("publicGetV5MarketTickers") == 1  # type: ignore[attr-defined]
    venue.caller.answers["publicGetV5MarketTickers"] = page(SHIB)  # type: ignore[attr-defined]
    with pytest.raises(SourceError, match="no funding rate"):
        await venue.funding(symbols(venue)["SHIB1000/USDT:USDT"])


async def test_bybit_trades_and_candles_are_put_in_order() -> None:
    trades = [
        {
            "execId": "b",
            "symbol": "SHIB1000USDT",
            "price": "0.02",
            "size": "5",
            "side": "Sell",
            "time": str(NOW),
        },
        {
            "execId": "a",
            "symbol": "SHIB1000USDT",
            "price": "0.02",
            "size": "5",
            "side": "Buy",
            "time": str(NOW - 5),
        },
    ]
    start = NOW // MINUTE * MINUTE
    bars = [
        [str(start), "1", "2", "1", "2", "7", "9"],
        [str(start - MINUTE), "1", "2", "1", "2", "7", "9"],
    ]
    venue = await bybit(
        publicGetV5MarketRecentTrade=page(*trades), publicGetV5MarketKline=page(*bars)
    )
    shib = symbols(venue)["SHIB1000/USDT:USDT"]
    first, second = await venue.trades(shib)
    assert (first.id, first.side, second.side) == ("a", Side.BUY, Side.SELL)
    assert (first.amount, first.price) == (5000.0, 0.00002)
    done, running = await venue.candles(shib, "1m", limit=2)
    assert (done.ts, done.closed, running.closed, done.volume) == (
        start - MINUTE,
        True,
        False,
        7000.0,
    )
    assert (done.close, done.quote_volume, done.taker_buy_volume) == (0.002, 9.0, None)


@pytest.mark.parametrize("scale", [1, 100])
async def test_bybit_tiers_are_fractions_with_a_continuous_margin(scale: int) -> None:
    rows = [
        {"id": 2, "riskLimitValue": "2000000", "maintenanceMargin": str(0.01 * scale), "initialMargin": str(0.02 * scale), "maxLeverage": "50.00"},
        {"id": 1, "riskLimitValue": "1000000", "maintenanceMargin": str(0.005 * scale), "initialMargin": str(0.01 * scale), "maxLeverage": "100.00"},
    ]  # fmt: skip
    venue = await bybit(publicGetV5MarketRiskLimit=page(*rows))
    table = await venue.tiers(symbols(venue)["BTC/USDT:USDT"])
    assert table is not None
    assert table.tiers == (
        (1e6, pytest.approx(0.005), 0.0, 100.0),
        (2e6, pytest.approx(0.01), pytest.approx(5000.0), 50.0),
    )
    assert table.as_of == "2025-10-09"


async def test_bybit_history_of_interest_and_funding() -> None:
    interest = [
        {"openInterest": "5", "timestamp": str(NOW - HOUR)},
        {"openInterest": "4", "timestamp": str(NOW - 2 * HOUR)},
    ]
    settled = [
        {
            "symbol": "SHIB1000USDT",
            "fundingRate": "0.0001",
            "fundingRateTimestamp": str(NOW - n * 4 * HOUR),
        }
        for n in (0, 1)
    ]
    venue = await bybit(
        publicGetV5MarketOpenInterest=page(*interest),
        publicGetV5MarketFundingHistory=page(*settled),
    )
    shib = symbols(venue)["SHIB1000/USDT:USDT"]
    rows = await venue.open_interest_history(shib, step=HOUR, start=NOW - 2 * HOUR, end=NOW)
    assert [(row.ts, row.amount, row.value) for row in rows] == [
        (NOW - 2 * HOUR, 4000.0, None),
        (NOW - HOUR, 5000.0, None),
    ]
    rates = await venue.funding_history(shib)
    assert [(rate.ts, rate.interval_h) for rate in rates] == [(NOW - 4 * HOUR, 4.0), (NOW, 4.0)]


def data(*rows: object) -> dict[str, object]:
    return {"code": "0", "msg": "", "data": list(rows)}


def okx_swap(base: str, ct_val: str, **more: str) -> dict[str, str]:
    return {
        "instType": "SWAP", "instId": f"{base}-USDT-SWAP", "uly": f"{base}-USDT", "state": "live", "baseCcy": "", "quoteCcy": "",
        "settleCcy": "USDT", "ctType": "linear", "ctVal": ct_val, "ctMult": "1", "tickSz": "0.1", "lotSz": "1", "minSz": "1",
    } | more  # fmt: skip


def okx_markets(params: dict[str, str]) -> dict[str, object]:
    if params["instType"] == "SPOT":
        return data(
            {
                "instId": "BTC-USDT",
                "state": "live",
                "baseCcy": "BTC",
                "quoteCcy": "USDT",
                "ctVal": "",
                "tickSz": "0.1",
                "lotSz": "0.00000001",
            }
        )
    inverse = okx_swap("BTC", "100", instId="BTC-USD-SWAP", ctType="inverse", settleCcy="BTC")
    return data(
        okx_swap("BTC", "0.01"),
        okx_swap("PEPE", "10000000"),
        inverse,
        okx_swap("OLD", "1", state="suspend"),
    )


async def okx(**answers: object) -> Okx:
    return await loaded(Okx, NOW, {"publicGetPublicInstruments": okx_markets, **answers})


OKX_TICKER = {
    "instType": "SWAP", "instId": "BTC-USDT-SWAP", "last": "60000", "askPx": "60001", "bidPx": "59999", "open24h": "50000",
    "high24h": "61000", "low24h": "", "vol24h": "500", "volCcy24h": "5", "ts": str(NOW - 4),
}  # fmt: skip


async def test_okx_contracts_become_coins_in_every_size() -> None:
    start = NOW // MINUTE * MINUTE
    venue = await okx(
        publicGetMarketTicker=data(OKX_TICKER),
        publicGetMarketTrades=data({"instId": "x", "side": "sell", "sz": "3", "px": "60000", "tradeId": "8", "ts": str(NOW)}),
        publicGetMarketBooks=data({"bids": [["59999", "2", "0", "1"]], "asks": [["60001", "4", "0", "1"]], "ts": str(NOW), "seqId": 5}),
        publicGetMarketCandles=data(
            [str(start), "1", "2", "1", "2", "700", "7", "14", "0"],
            [str(start - MINUTE), "1", "2", "1", "2", "600", "6", "12", "0"],
            [str(start - 2 * MINUTE), "1", "2", "1", "2", "500", "5", "10", "1"],
        ),
        publicGetPublicOpenInterest=data({"instId": "BTC-USDT-SWAP", "oi": "1000", "oiCcy": "10", "oiUsd": "599000", "ts": str(NOW - 2)}),
        publicGetPublicMarkPrice=data({"instId": "BTC-USDT-SWAP", "markPx": "60005", "ts": str(NOW)}),
    )  # fmt: skip
    swap = symbols(venue)["BTC/USDT:USDT"]
    assert (swap.contract_size, swap.amount_step, swap.multiplier) == (0.01, 0.01, 1.0)
    ticker = await venue.ticker(swap)
    assert (ticker.volume_24h, ticker.quote_volume_24h, ticker.low_24h) == (5.0, 300_000.0, None)
    [trade] = await venue.trades(swap)
    assert (trade.amount, trade.side, trade.value) == (0.03, Side.SELL, 1800.0)
    book = await venue.book(swap)
    assert (book.bids, book.asks) == (((59999.0, 0.02),), ((60001.0, 0.04),))
    bars = await venue.candles(swap, "1m", limit=3)
    assert [bar.volume for bar in bars] == [5.0, 6.0, 7.0]
    assert [bar.closed for bar in bars] == [
        True,
        False,
        False,
    ]  # the venue had not confirmed the second
    interest = await venue.open_interest(swap)
    assert (interest.amount, interest.value, interest.ts) == (10.0, 600_050.0, NOW - 2)


async def test_okx_spot_volume_is_not_taken_for_contracts() -> None:
    venue = await okx(
        publicGetMarketTickers=data(
            OKX_TICKER | {"instId": "BTC-USDT", "vol24h": "5", "volCcy24h": "290000"}
        )
    )
    [ticker] = await venue.tickers(perp=False)
    assert (ticker.volume_24h, ticker.quote_volume_24h) == (5.0, 290_000.0)


async def test_okx_lists_only_live_linear_swaps() -> None:
    assert set(symbols(await okx())) == {"BTC/USDT", "BTC/USDT:USDT", "PEPE/USDT:USDT"}


async def test_okx_funding_interval_is_the_time_between_settlements() -> None:
    row = {
        "instId": "BTC-USDT-SWAP", "fundingRate": "0.0001", "fundingTime": str(NOW + HOUR), "nextFundingTime": str(NOW + 5 * HOUR),
        "nextFundingRate": "", "ts": str(NOW - 3),
    }  # fmt: skip
    settled = {
        "instId": "BTC-USDT-SWAP",
        "fundingRate": "0.0002",
        "realizedRate": "0.00019",
        "fundingTime": str(NOW - HOUR),
    }
    venue = await okx(
        publicGetPublicFundingRate=data(row),
        publicGetPublicMarkPrice=data({"instId": "BTC-USDT-SWAP", "markPx": "60005"}),
        publicGetMarketIndexTickers=data({"instId": "BTC-USDT", "idxPx": "60001", "ts": "1"}),
        publicGetPublicFundingRateHistory=data(settled),
    )
    swap = symbols(venue)["BTC/USDT:USDT"]
    rate = await venue.funding(swap)
    assert (rate.interval_h, rate.next_ts, rate.predicted) == (4.0, NOW + HOUR, None)
    assert (rate.mark, rate.index) == (60005.0, 60001.0)
    [past] = await venue.funding_history(swap)
    assert (past.rate, past.interval_h) == (0.00019, 4.0)


async def test_okx_tiers_count_contracts_and_rate_the_whole_position() -> None:
    rows = [{"tier": "1", "minSz": "0", "maxSz": "1000", "mmr": "0.004", "imr": "0.01", "maxLever": "100"},
            {"tier": "2", "minSz": "1001", "maxSz": "5000", "mmr": "0.01", "imr": "0.02", "maxLever": "50"}]  # fmt: skip
    venue = await okx(publicGetPublicPositionTiers=data(*rows))
    table = await venue.tiers(symbols(venue)["BTC/USDT:USDT"])
    assert table is not None
    assert table.tiers == ((1000.0, 0.004, 0.0, 100.0), (5000.0, 0.01, 0.0, 50.0))
    assert (table.extra["form"], float(table.extra["contract_size"])) == ("whole", 0.01)
    # 4000 contracts of 0.01 coins at 10x: (margin - amount x entry) / (amount x (rate + fee - 1))
    found = liquidation_price(
        position=PositionSide.LONG, entry=50_000.0, amount=40.0, leverage=10, table=table
    )
    assert found.value == pytest.approx((200_000 - 2_000_000) / (40 * (0.01 + 0.0005 - 1)))


async def test_okx_asks_for_long_bars_in_utc_and_for_old_ones_elsewhere() -> None:
    venue = await okx(publicGetMarketCandles=data(), publicGetMarketHistoryCandles=data())
    swap = symbols(venue)["BTC/USDT:USDT"]
    await venue.candles(swap, "6h", limit=10)
    method, params = venue.caller.asked[-1]  # type: ignore[attr-defined]
    assert (method, params["bar"]) == ("publicGetMarketCandles", "6Hutc")
    await venue.candles(swap, "1m", limit=200, end=NOW - 3000 * MINUTE)
    asked = venue.caller.asked[3:]  # type: ignore[attr-defined]
    assert [method for method, _ in asked] == ["publicGetMarketHistoryCandles"] * 2
    assert asked[0][1]["after"] - asked[0][1]["before"] == 100 * MINUTE + 1
