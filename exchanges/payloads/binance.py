"""Binance's REST answers, and how their rows become market types."""

from collections.abc import Mapping

import msgspec

from exchanges.wire import Number, coin_price, coins, number, per_coin, positive, step_of
from market.symbols import split_multiplier
from market.types import (
    Candle,
    FundingRate,
    Instrument,
    Side,
    Ticker,
    Trade,
)

DEFAULT_FUNDING_HOURS = 8.0  # of a perp that fundingInfo does not list


class Filter(msgspec.Struct, rename="camel"):
    """One trading rule of a symbol; which fields it has depends on its type."""

    filter_type: str
    tick_size: Number = None
    step_size: Number = None
    min_notional: Number = None
    notional: Number = None


class Symbol(msgspec.Struct, rename="camel"):
    """One entry of exchangeInfo, spot or futures."""

    symbol: str
    status: str
    base_asset: str
    quote_asset: str
    filters: list[Filter] = []
    contract_type: str | None = None
    margin_asset: str | None = None


class ExchangeInfo(msgspec.Struct):
    """What trades."""

    symbols: list[Symbol]


class Ticker24(msgspec.Struct, rename="camel"):
    """One row of ticker/24hr, 0 where there is nothing; futures have no bid and ask."""

    symbol: str
    last_price: float
    close_time: int
    open_price: float = 0.0
    high_price: float = 0.0
    low_price: float = 0.0
    volume: float = 0.0
    quote_volume: float = 0.0
    bid_price: float = 0.0
    ask_price: float = 0.0


class BookTicker(msgspec.Struct, rename="camel"):
    """Best bid and ask."""

    bid_price: float = 0.0
    ask_price: float = 0.0


class Kline(msgspec.Struct, array_like=True):
    """One candle; fields 9 and 10 are what takers bought. An empty text is unknown, not zero."""

    ts: int
    open: float
    high: float
    low: float
    close: float
    volume: float
    close_ts: int = 0
    quote: Number = None
    count: int = 0
    taker_base: Number = None
    taker_quote: Number = None


class AggTrade(msgspec.Struct):
    """Trades of one taker order at one price; `m`: the buyer was the maker, so the taker sold."""

    a: int
    p: float
    q: float
    T: int
    m: bool


class Depth(msgspec.Struct, rename="camel"):
    """An order-book snapshot; only futures stamp it."""

    last_update_id: int
    bids: list[list[Number]]
    asks: list[list[Number]]
    matched: int = msgspec.field(name="T", default=0)


class Interest(msgspec.Struct, rename="camel"):
    """Open interest now, in the venue's base units."""

    open_interest: float
    time: int


class InterestRow(msgspec.Struct, rename="camel"):
    """One row of openInterestHist."""

    sum_open_interest: float
    timestamp: int
    sum_open_interest_value: Number = None


class Premium(msgspec.Struct, rename="camel"):
    """Mark, index and the running funding rate; dated contracts leave the rate empty."""

    symbol: str
    time: int
    last_funding_rate: Number = None
    next_funding_time: int = 0
    mark_price: Number = None
    index_price: Number = None


class FundingInfo(msgspec.Struct, rename="camel"):
    """The funding interval, listed only where it was changed from 8 h."""

    symbol: str
    funding_interval_hours: float = DEFAULT_FUNDING_HOURS


class FundingRow(msgspec.Struct, rename="camel"):
    """One settled rate."""

    funding_rate: float
    funding_time: int
    mark_price: Number = None


def parse_symbol(row: Symbol, *, perp: bool) -> Instrument | None:
    """An instrument, or None for what is not traded or not a linear perp."""
    if row.status != "TRADING" or (perp and not (row.contract_type or "").endswith("PERPETUAL")):
        return None
    base, multiplier = split_multiplier(row.base_asset)
    rules = {each.filter_type: each for each in row.filters}
    price = rules.get("PRICE_FILTER", Filter(filter_type=""))
    lot = rules.get("LOT_SIZE", Filter(filter_type=""))
    least = rules.get("MIN_NOTIONAL") or rules.get("NOTIONAL") or Filter(filter_type="")
    pair = f"{row.base_asset}/{row.quote_asset}"
    return Instrument(
        exchange="binance",
        symbol=f"{pair}:{row.margin_asset or row.quote_asset}" if perp else pair,
        base=base,
        quote=row.quote_asset,
        perp=perp,
        contract_size=multiplier,
        multiplier=multiplier,
        price_step=step_of(price.tick_size, 1 / multiplier),
        amount_step=step_of(lot.step_size, multiplier),
        id=row.symbol,
        min_value=positive(least.notional) or positive(least.min_notional),
    )


def parse_ticker(row: Ticker24, instrument: Instrument) -> Ticker | None:
    """A 24 h line; None where nothing traded yet."""
    last, before = row.last_price, row.open_price
    if not last > 0:
        return None
    return Ticker(
        instrument=instrument,
        ts=row.close_time,
        last=coin_price(instrument, last),
        bid=coin_price(instrument, row.bid_price) or None,
        ask=coin_price(instrument, row.ask_price) or None,
        high_24h=coin_price(instrument, row.high_price) or None,
        low_24h=coin_price(instrument, row.low_price) or None,
        change_24h=last / before - 1 if before > 0 else None,
        volume_24h=row.volume * instrument.contract_size,
        quote_volume_24h=row.quote_volume,
    )


def parse_kline(row: Kline, instrument: Instrument) -> Candle:
    """A candle with its taker split."""
    return Candle(
        ts=row.ts,
        open=coin_price(instrument, row.open),
        high=coin_price(instrument, row.high),
        low=coin_price(instrument, row.low),
        close=coin_price(instrument, row.close),
        volume=row.volume * instrument.contract_size,
        quote_volume=number(row.quote),
        taker_buy_volume=coins(instrument, row.taker_base),
        taker_buy_quote=number(row.taker_quote),
    )


def parse_trade(row: AggTrade, instrument: Instrument, received: int) -> Trade:
    """A trade with its taker's side."""
    return Trade(
        instrument=instrument,
        ts=row.T,
        price=coin_price(instrument, row.p),
        amount=row.q * instrument.contract_size,
        side=Side.SELL if row.m else Side.BUY,
        id=str(row.a),
        recv_ts=received,
        seq=row.a,
    )


def parse_funding(
    row: Premium, instrument: Instrument, hours: Mapping[str, float]
) -> FundingRate | None:
    """The running rate; None for contracts without funding."""
    rate = number(row.last_funding_rate)
    if rate is None:
        return None
    return FundingRate(
        instrument=instrument,
        ts=row.time,
        rate=rate,
        interval_h=hours.get(row.symbol, DEFAULT_FUNDING_HOURS),
        next_ts=row.next_funding_time or None,
        mark=per_coin(instrument, row.mark_price),
        index=per_coin(instrument, row.index_price),
    )
