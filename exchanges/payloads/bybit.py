"""Bybit's REST answers, and how their rows become market types."""

from collections.abc import Mapping
from typing import Generic, TypeVar

import msgspec

from exchanges.wire import Number, change, coin_price, coins, number, per_coin, positive, step_of
from market.symbols import split_multiplier
from market.types import (
    Candle,
    FundingRate,
    Instrument,
    OpenInterest,
    Side,
    Ticker,
    Trade,
)

Row = TypeVar("Row")


class Result(msgspec.Struct, Generic[Row], rename="camel"):
    """A list and where it goes on."""

    list: list[Row]
    next_page_cursor: str | None = ""


class Page(msgspec.Struct, Generic[Row]):
    """The envelope of an answer; `time` is the venue's clock."""

    result: Result[Row]
    time: int = 0


class PriceFilter(msgspec.Struct, rename="camel"):
    """Price rules."""

    tick_size: Number = None


class LotFilter(msgspec.Struct, rename="camel"):
    """Amount rules; spot and linear name them differently."""

    qty_step: Number = None
    base_precision: Number = None
    min_order_amt: Number = None
    min_notional_value: Number = None


class Symbol(msgspec.Struct, rename="camel"):
    """One entry of instruments-info."""

    symbol: str
    status: str
    base_coin: str
    quote_coin: str
    price_filter: PriceFilter
    lot_size_filter: LotFilter
    contract_type: str | None = None
    settle_coin: str | None = None
    funding_interval: float = 0.0  # minutes


class TickerRow(msgspec.Struct, rename="camel"):
    """One row of tickers; linear ones carry open interest, funding, mark and index."""

    symbol: str
    last_price: Number
    prev_price24h: Number = msgspec.field(name="prevPrice24h", default=None)
    high_price24h: Number = msgspec.field(name="highPrice24h", default=None)
    low_price24h: Number = msgspec.field(name="lowPrice24h", default=None)
    volume24h: Number = None
    turnover24h: Number = None
    bid1_price: Number = msgspec.field(name="bid1Price", default=None)
    ask1_price: Number = msgspec.field(name="ask1Price", default=None)
    mark_price: Number = None
    index_price: Number = None
    open_interest: Number = None
    open_interest_value: Number = None
    funding_rate: Number = None
    next_funding_time: Number = None
    funding_interval_hour: Number = None


class Kline(msgspec.Struct, array_like=True):
    """One candle; the volume of linear contracts is in base units."""

    ts: int
    open: float
    high: float
    low: float
    close: float
    volume: float
    turnover: Number = None


class TradeRow(msgspec.Struct, rename="camel"):
    """One public trade; `side` is the taker's."""

    exec_id: str
    price: float
    size: float
    side: str
    time: int
    is_block_trade: bool = False  # agreed off the book: no taker


class Book(msgspec.Struct):
    """An order-book snapshot."""

    b: list[list[Number]]
    a: list[list[Number]]
    ts: int
    u: int | None = None


class BookPage(msgspec.Struct):
    """The envelope of a book."""

    result: Book


class InterestRow(msgspec.Struct, rename="camel"):
    """One sample of open interest, in base units."""

    open_interest: float
    timestamp: int


class FundingRow(msgspec.Struct, rename="camel"):
    """One settled rate."""

    funding_rate: float
    funding_rate_timestamp: int


class RiskRow(msgspec.Struct, rename="camel"):
    """One margin tier."""

    risk_limit_value: float
    maintenance_margin: float
    initial_margin: float
    max_leverage: float

    @property
    def rate(self) -> float:
        """The maintenance rate as a fraction; older tables are in percent, told by the initial margin."""
        percent = self.initial_margin * self.max_leverage > 10
        return self.maintenance_margin / 100 if percent else self.maintenance_margin


def parse_symbol(row: Symbol, *, perp: bool) -> Instrument | None:
    """An instrument, or None for what is not traded or not a linear perp."""
    if row.status != "Trading" or (perp and row.contract_type != "LinearPerpetual"):
        return None
    base, multiplier = split_multiplier(row.base_coin)
    pair = f"{row.base_coin}/{row.quote_coin}"
    lot = row.lot_size_filter
    return Instrument(
        exchange="bybit",
        symbol=f"{pair}:{row.settle_coin or row.quote_coin}" if perp else pair,
        base=base,
        quote=row.quote_coin,
        perp=perp,
        contract_size=multiplier,
        multiplier=multiplier,
        price_step=step_of(row.price_filter.tick_size, 1 / multiplier),
        amount_step=step_of(lot.qty_step or lot.base_precision, multiplier),
        id=row.symbol,
        min_value=positive(lot.min_notional_value) or positive(lot.min_order_amt),
    )


def parse_ticker(row: TickerRow, instrument: Instrument, ts: int) -> Ticker | None:
    """A 24 h line; None where nothing traded yet."""
    last = positive(row.last_price)
    if last is None:
        return None
    return Ticker(
        instrument=instrument,
        ts=ts,
        last=coin_price(instrument, last),
        bid=per_coin(instrument, row.bid1_price),
        ask=per_coin(instrument, row.ask1_price),
        high_24h=per_coin(instrument, row.high_price24h),
        low_24h=per_coin(instrument, row.low_price24h),
        change_24h=change(last, row.prev_price24h),
        volume_24h=coins(instrument, row.volume24h),
        quote_volume_24h=number(row.turnover24h),
    )


def parse_kline(row: Kline, instrument: Instrument) -> Candle:
    """A candle."""
    return Candle(
        ts=row.ts,
        open=coin_price(instrument, row.open),
        high=coin_price(instrument, row.high),
        low=coin_price(instrument, row.low),
        close=coin_price(instrument, row.close),
        volume=row.volume * instrument.contract_size,
        quote_volume=number(row.turnover),
    )


def parse_trade(row: TradeRow, instrument: Instrument, received: int) -> Trade:
    """A trade with its taker's side."""
    return Trade(
        instrument=instrument,
        ts=row.time,
        price=coin_price(instrument, row.price),
        amount=row.size * instrument.contract_size,
        side=Side(row.side.lower()),
        id=row.exec_id,
        recv_ts=received,
    )


def parse_interest(row: TickerRow, instrument: Instrument, ts: int) -> OpenInterest | None:
    """Open contracts of a ticker row."""
    amount = coins(instrument, row.open_interest)
    if amount is None:
        return None
    value, mark = number(row.open_interest_value), per_coin(instrument, row.mark_price)
    if value is None and mark is not None:
        value = amount * mark
    return OpenInterest(instrument=instrument, ts=ts, amount=amount, value=value)


def parse_funding(
    row: TickerRow, instrument: Instrument, ts: int, hours: Mapping[str, float]
) -> FundingRate | None:
    """The running rate; None where the rate or its interval is not known."""
    rate = number(row.funding_rate)
    interval = positive(row.funding_interval_hour) or hours.get(row.symbol)
    if rate is None or interval is None:
        return None
    following = positive(row.next_funding_time)
    return FundingRate(
        instrument=instrument,
        ts=ts,
        rate=rate,
        interval_h=interval,
        next_ts=int(following) if following else None,
        mark=per_coin(instrument, row.mark_price),
        index=per_coin(instrument, row.index_price),
    )
