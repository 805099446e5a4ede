"""Bybit's rows: domain values as its v5 payloads have them."""

from typing import Any

from exchanges.local.source import Source
from exchanges.local.venues.listing import trade_ids
from exchanges.local.venues.native import native, plain
from market.types import Candle, FundingRate, Instrument, OpenInterest, Side, Ticker, Trade

INTERVALS = {
    "1": "1m",
    "3": "3m",
    "5": "5m",
    "15": "15m",
    "30": "30m",
    "60": "1h",
    "120": "2h",
    "240": "4h",
    "360": "6h",
    "720": "12h",
    "D": "1d",
    "W": "",
    "M": "",
}  # fmt: skip - "" : the venue has it, a source does not
SIDES = {Side.BUY: "Buy", Side.SELL: "Sell"}


def base_name(instrument: Instrument) -> str:
    """The venue's own name of the base: 1000PEPE."""
    return instrument.symbol.partition("/")[0]


def spot_symbol(instrument: Instrument) -> dict[str, Any]:
    """One entry of instruments-info, category spot."""
    units = native(instrument)
    return {
        "symbol": instrument.id,
        "baseCoin": base_name(instrument),
        "quoteCoin": instrument.quote,
        "innovation": "0",
        "status": "Trading",
        "marginTrading": "none",
        "lotSizeFilter": {
            "basePrecision": units.lot,
            "minOrderQty": units.lot,
            "minOrderAmt": plain(instrument.min_value),
        },
        "priceFilter": {"tickSize": units.tick},
    }


def linear_symbol(source: Source, instrument: Instrument) -> dict[str, Any]:
    """One entry of instruments-info, category linear; the funding interval is in minutes."""
    units, funding, table = (
        native(instrument),
        source.funding(instrument),
        source.tiers(instrument),
    )
    leverage = plain(max(row[3] for row in table.tiers)) if table and table.tiers else ""
    row = {
        "symbol": instrument.id,
        "contractType": "LinearPerpetual",
        "status": "Trading",
        "baseCoin": base_name(instrument),
        "quoteCoin": instrument.quote,
        "settleCoin": instrument.quote,
        "launchTime": "0",
        "deliveryTime": "0",
        "deliveryFeeRate": "",
        "priceScale": str(units.price_decimals),
        "leverageFilter": {"minLeverage": "1", "maxLeverage": leverage, "leverageStep": "0.01"},
        "priceFilter": {"tickSize": units.tick},
        "lotSizeFilter": {
            "minOrderQty": units.lot,
            "qtyStep": units.lot,
            "minNotionalValue": plain(instrument.min_value),
        },
        "unifiedMarginTrade": True,
    }
    return row | ({"fundingInterval": round(funding.interval_h * 60)} if funding else {})


def ticker_row(source: Source, instrument: Instrument) -> dict[str, str] | None:
    """One row of tickers, and the data of the websocket topic; None without a price."""
    ticker = source.ticker(instrument)
    if ticker is None:
        return None
    row = _day(instrument, ticker)
    if not instrument.perp:
        return row | {"usdIndexPrice": ""}
    interest, funding = source.open_interest(instrument), source.funding(instrument)
    return row | _contract(instrument, interest, funding)


def _day(instrument: Instrument, ticker: Ticker) -> dict[str, str]:
    units, change = native(instrument), ticker.change_24h
    before = None if change is None else ticker.last / (1 + change)
    return {
        "symbol": instrument.id,
        "lastPrice": units.price(ticker.last),
        "prevPrice24h": units.price(before),
        "price24hPcnt": plain(change),
        "highPrice24h": units.price(ticker.high_24h),
        "lowPrice24h": units.price(ticker.low_24h),
        "volume24h": units.amount(ticker.volume_24h),
        "turnover24h": plain(ticker.quote_volume_24h),
        "bid1Price": units.price(ticker.bid),
        "ask1Price": units.price(ticker.ask),
    }


def _contract(
    instrument: Instrument, interest: OpenInterest | None, funding: FundingRate | None
) -> dict[str, str]:
    """What only contracts have.

    ccxt takes a row without `openInterestValue` for a spot pair, so it is "0" where nothing is known;
    `openInterest`, the figure itself, is then empty.
    """
    units = native(instrument)
    row = {
        "openInterest": units.amount(interest.amount) if interest else "",
        "openInterestValue": "0",
        "markPrice": "",
        "indexPrice": "",
        "fundingRate": "",
        "nextFundingTime": "",
        "deliveryTime": "0",
    }
    if interest and interest.value is not None:
        row["openInterestValue"] = plain(interest.value)
    elif interest and funding and funding.mark is not None:
        row["openInterestValue"] = plain(interest.amount * funding.mark)
    if funding:
        row |= {
            "markPrice": units.price(funding.mark),
            "indexPrice": units.price(funding.index),
            "fundingRate": plain(funding.rate),
            "nextFundingTime": str(funding.next_ts or ""),
            "fundingIntervalHour": plain(funding.interval_h),
        }
    return row


def kline(instrument: Instrument, candle: Candle) -> list[str]:
    """One candle; the turnover is empty where the source does not know it."""
    units = native(instrument)
    prices = (candle.open, candle.high, candle.low, candle.close)
    return [
        str(candle.ts),
        *(units.price(price) for price in prices),
        units.amount(candle.volume),
        plain(candle.quote_volume),
    ]


def recent_trades(source: Source, trades: list[Trade]) -> list[dict[str, Any]]:
    """Rows of recent-trade, newest first."""
    rows: list[dict[str, Any]] = []
    for trade, name in zip(trades, trade_ids(source, trades), strict=True):
        units = native(trade.instrument)
        rows.append(
            {
                "execId": name,
                "symbol": trade.instrument.id,
                "price": units.price(trade.price),
                "size": units.amount(trade.amount),
                "side": SIDES[trade.side],
                "time": str(trade.ts),
                "isBlockTrade": False,
            }
        )
    return rows[::-1]


def public_trades(source: Source, trades: list[Trade]) -> list[dict[str, Any]]:
    """Data of a publicTrade message, in order."""
    rows: list[dict[str, Any]] = []
    for trade, name in zip(trades, trade_ids(source, trades), strict=True):
        units = native(trade.instrument)
        rows.append(
            {
                "T": trade.ts,
                "s": trade.instrument.id,
                "S": SIDES[trade.side],
                "v": units.amount(trade.amount),
                "p": units.price(trade.price),
                "i": name,
                "BT": False,
            }
        )
    return rows
