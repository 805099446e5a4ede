"""Binance's payloads in coins and per coin."""

from itertools import pairwise

import pytest
from canned_venue import canned, loaded, symbols

from exchanges.binance import Binance
from market.errors import SourceError
from market.types import DAY, HOUR, MINUTE, Side

NOW = 1_760_000_000_000 // HOUR * HOUR + 90_000  # a minute and a half into an hour
FILTERS = [
    {"filterType": "PRICE_FILTER", "tickSize": "0.10", "minPrice": "1", "maxPrice": "9"},
    {"filterType": "LOT_SIZE", "stepSize": "0.001"},
    {"filterType": "MIN_NOTIONAL", "notional": "100"},
]
SPOT = {
    "symbols": [
        {
            "symbol": "BTCUSDT",
            "status": "TRADING",
            "baseAsset": "BTC",
            "quoteAsset": "USDT",
            "filters": FILTERS[:2],
        },
        {
            "symbol": "OLDUSDT",
            "status": "BREAK",
            "baseAsset": "OLD",
            "quoteAsset": "USDT",
            "filters": [],
        },
    ]
}
PERPS = {
    "symbols": [
        {
            "symbol": f"{base}USDT", "status": "TRADING", "baseAsset": base, "quoteAsset": "USDT",
            "marginAsset": "USDT", "contractType": kind, "filters": FILTERS,
        }
        for base, kind in (("BTC", "PERPETUAL"), ("1000PEPE", "PERPETUAL"), ("ETH", "CURRENT_QUARTER"))
    ]
}  # fmt: skip
MARKETS = {"publicGetExchangeInfo": SPOT, "fapiPublicGetExchangeInfo": PERPS}
PREMIUM = {
    "symbol": "BTCUSDT", "markPrice": "60100", "indexPrice": "60000", "lastFundingRate": "0.0001",
    "nextFundingTime": NOW + HOUR, "time": NOW - 500,
}  # fmt: skip


async def test_only_what_trades_and_is_a_perp_is_listed() -> None:
    venue = await loaded(Binance, NOW, MARKETS)
    found = symbols(venue)
    assert set(found) == {"BTC/USDT", "BTC/USDT:USDT", "1000PEPE/USDT:USDT"}
    perp, pepe = found["BTC/USDT:USDT"], found["1000PEPE/USDT:USDT"]
    assert (perp.price_step, perp.amount_step, perp.min_value, perp.id) == (
        0.1,
        0.001,
        100.0,
        "BTCUSDT",
    )
    assert (pepe.base, pepe.multiplier, pepe.contract_size) == ("PEPE", 1000.0, 1000.0)
    assert (pepe.price_step, pepe.amount_step) == (pytest.approx(0.0001), 1.0)


async def test_a_multiplied_perp_is_priced_and_counted_per_coin() -> None:
    venue = await loaded(
        Binance,
        NOW,
        MARKETS
        | {
            "fapiPublicGetTicker24hr": {
                "symbol": "1000PEPEUSDT",
                "lastPrice": "0.012",
                "openPrice": "0.010",
                "highPrice": "0.013",
                "lowPrice": "0.009",
                "volume": "500",
                "quoteVolume": "5.5",
                "closeTime": NOW - 3,
            },
            "fapiPublicGetTickerBookTicker": {
                "symbol": "1000PEPEUSDT",
                "bidPrice": "0.0119",
                "askPrice": "0.0121",
            },
            "fapiPublicGetAggTrades": [{"a": 7, "p": "0.012", "q": "3", "T": NOW, "m": True}],
            "fapiPublicGetDepth": {
                "lastUpdateId": 9,
                "T": NOW - 1,
                "bids": [["0.0119", "2"]],
                "asks": [["0.0121", "4"]],
            },
            "fapiPublicGetOpenInterest": {
                "symbol": "1000PEPEUSDT",
                "openInterest": "10",
                "time": NOW - 9,
            },
            "fapiPublicGetPremiumIndex": PREMIUM
            | {"symbol": "1000PEPEUSDT", "markPrice": "0.0125"},
        },
    )
    pepe = symbols(venue)["1000PEPE/USDT:USDT"]
    ticker = await venue.ticker(pepe)
    assert (ticker.last, ticker.bid, ticker.ask) == pytest.approx((0.000012, 0.0000119, 0.0000121))
    assert (ticker.change_24h, ticker.volume_24h, ticker.quote_volume_24h) == pytest.approx(
        (0.2, 500_000, 5.5)
    )
    assert ticker.ts == NOW - 3
    [trade] = await venue.trades(pepe)
    assert (trade.price, trade.amount, trade.side, trade.id) == (
        pytest.approx(0.000012),
        3000.0,
        Side.SELL,
        "7",
    )
    assert trade.value == pytest.approx(0.036)
    book = await venue.book(pepe)
    assert book.bids == ((pytest.approx(0.0000119), 2000.0),)
    assert (book.ts, book.sequence) == (NOW - 1, 9)
    interest = await venue.open_interest(pepe)
    assert (interest.amount, interest.ts) == (10_000.0, NOW - 9)
    assert interest.value == pytest.approx(10_000 * 0.0000125)


async def test_bulk_tickers_leave_out_what_has_no_price() -> None:
    row = {
        "symbol": "BTCUSDT",
        "lastPrice": "60000",
        "openPrice": "0",
        "volume": "1",
        "quoteVolume": "2",
        "closeTime": 5,
    }
    venue = await loaded(
        Binance,
        NOW,
        MARKETS
        | {
            "fapiPublicGetTicker24hr": [
                row,
                row | {"symbol": "1000PEPEUSDT", "lastPrice": "0.00"},
                row | {"symbol": "X"},
            ]
        },
    )
    [ticker] = await venue.tickers(perp=True)
    assert (ticker.instrument.symbol, ticker.change_24h, ticker.bid) == (
        "BTC/USDT:USDT",
        None,
        None,
    )


def kline(ts: int, taker: str = "4") -> list[object]:
    return [
        ts,
        "10",
        "12",
        "9",
        "11",
        "10",
        ts + MINUTE - 1,
        "105",
        3,
        taker,
        "42" if taker else "",
        "0",
    ]


async def test_candles_carry_the_taker_split_and_say_what_is_still_forming() -> None:
    start = NOW // MINUTE * MINUTE
    rows = [kline(start - MINUTE), kline(start, "")]
    venue = await loaded(Binance, NOW, MARKETS | {"fapiPublicGetKlines": rows})
    done, running = await venue.candles(symbols(venue)["BTC/USDT:USDT"], "1m", limit=2)
    assert (done.closed, running.closed) == (True, False)
    assert (done.volume, done.quote_volume, done.taker_buy_volume, done.taker_buy_quote) == (
        10.0,
        105.0,
        4.0,
        42.0,
    )
    assert (running.taker_buy_volume, running.taker_buy_quote) == (None, None)


async def test_a_candle_that_closed_while_it_was_fetched_is_not_called_closed() -> None:
    start = NOW // MINUTE * MINUTE
    venue = await loaded(Binance, NOW, MARKETS)

    def answer(_params: object) -> list[object]:
        venue.clock.set(start + MINUTE + 5)  # type: ignore[attr-defined]
        return [kline(start)]

    venue.caller.answers["fapiPublicGetKlines"] = answer  # type: ignore[attr-defined]
    [candle] = await venue.candles(symbols(venue)["BTC/USDT:USDT"], "1m", limit=1)
    assert not candle.closed


async def test_many_candles_are_fetched_in_pages_without_gap_or_overlap() -> None:
    def answer(params: dict[str, int]) -> list[object]:
        first = -(-params["startTime"] // MINUTE) * MINUTE
        rows = [kline(ts) for ts in range(first, params["endTime"] + 1, MINUTE)]
        return rows[: params["limit"]]

    venue = await loaded(Binance, NOW, MARKETS | {"publicGetKlines": answer})
    rows = await venue.candles(symbols(venue)["BTC/USDT"], "1m", limit=2500)
    newest = NOW // MINUTE * MINUTE
    assert [row.ts for row in rows] == list(range(newest - 2499 * MINUTE, newest + 1, MINUTE))
    assert [row.closed for row in rows] == [True] * 2499 + [False]
    earlier = await venue.candles(symbols(venue)["BTC/USDT"], "1m", limit=3, end=newest - MINUTE)
    assert [row.ts for row in earlier] == [
        newest - 4 * MINUTE,
        newest - 3 * MINUTE,
        newest - 2 * MINUTE,
    ]
    assert all(row.closed for row in earlier)


async def test_the_funding_interval_is_eight_hours_unless_the_venue_lists_another() -> None:
    quarterly = PREMIUM | {"symbol": "ETHUSDT_260327", "lastFundingRate": "", "nextFundingTime": 0}
    venue = await loaded(
        Binance,
        NOW,
        MARKETS
        | {
            "fapiPublicGetPremiumIndex": [PREMIUM, PREMIUM | {"symbol": "1000PEPEUSDT"}, quarterly],
            "fapiPublicGetFundingInfo": [
                {"symbol": "1000PEPEUSDT", "fundingIntervalHours": 4, "disclaimer": False}
            ],
        },
    )
    rates = await venue.fundings()
    assert {symbol: rate.interval_h for symbol, rate in rates.items()} == {
        "BTC/USDT:USDT": 8.0,
        "1000PEPE/USDT:USDT": 4.0,
    }
    btc = rates["BTC/USDT:USDT"]
    assert (btc.rate, btc.mark, btc.index, btc.next_ts, btc.ts) == (
        0.0001,
        60100.0,
        60000.0,
        NOW + HOUR,
        NOW - 500,
    )
    assert btc.predicted is None


async def test_settled_rates_follow_a_change_of_the_interval() -> None:
    times = [NOW - 20 * HOUR, NOW - 12 * HOUR + 3, NOW - 4 * HOUR, NOW]
    rows = [
        {"symbol": "BTCUSDT", "fundingRate": "0.0001", "fundingTime": ts, "markPrice": ""}
        for ts in times
    ]
    rows.append(
        {
            "symbol": "BTCUSDT",
            "fundingRate": "-0.0002",
            "fundingTime": NOW + 4 * HOUR,
            "markPrice": "60000",
        }
    )
    venue = await loaded(
        Binance,
        NOW,
        MARKETS | {"fapiPublicGetFundingRate": rows[::-1], "fapiPublicGetFundingInfo": []},
    )
    found = await venue.funding_history(symbols(venue)["BTC/USDT:USDT"])
    assert [row.interval_h for row in found] == [8.0, 8.0, 8.0, 4.0, 4.0]
    assert (found[-1].rate, found[-1].mark, found[0].mark) == (-0.0002, 60000.0, None)


async def test_open_interest_history_is_paged_within_thirty_days() -> None:
    def answer(params: dict[str, int]) -> list[object]:
        step = 5 * MINUTE
        first = -(-params["startTime"] // step) * step
        rows = range(first, params["endTime"] + 1, step)
        assert params["startTime"] > NOW - 30 * DAY
        return [
            {
                "symbol": "BTCUSDT",
                "sumOpenInterest": "100",
                "sumOpenInterestValue": "6000000",
                "timestamp": ts,
            }
            for ts in rows
        ][: params["limit"]]

    venue = await loaded(Binance, NOW, MARKETS | {"fapiDataGetOpenInterestHist": answer})
    perp = symbols(venue)["BTC/USDT:USDT"]
    rows = await venue.open_interest_history(perp, step=5 * MINUTE, start=NOW - 3 * DAY, end=NOW)
    assert len(rows) == 3 * 288
    assert [b.ts - a.ts for a, b in pairwise(rows)] == [5 * MINUTE] * (3 * 288 - 1)
    assert (rows[0].amount, rows[0].value) == (100.0, 6_000_000.0)
    assert len(await venue.open_interest_history(perp, step=5 * MINUTE, start=0, end=NOW)) > 8600


async def test_what_is_not_published_is_an_error() -> None:
    venue = canned(Binance, NOW, {})
    with pytest.raises(SourceError, match="Binance: does not publish open interest"):
        await venue.open_interest_all()
    assert await venue.tiers(None) is None  # type: ignore[arg-type]
