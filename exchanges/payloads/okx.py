"""OKX's REST answers, and how their rows become market types."""

from typing import Generic, TypeVar

import msgspec

from exchanges.wire import Number, change, coin_price, coins, number, per_coin, positive, step_of
from market.symbols import split_multiplier
from market.types import (
    HOUR,
    Candle,
    FundingRate,
    Instrument,
    Side,
    Ticker,
    Trade,
)

Row = TypeVar("Row")


class Data(msgspec.Struct, Generic[Row]):
    """The envelope of every answer."""

    data: list[Row]


class Symbol(msgspec.Struct, rename="camel"):
    """One entry of instruments; a swap's pair is only in its id and `uly`."""

    inst_id: str
    state: str
    base_ccy: str = ""
    quote_ccy: str = ""
    settle_ccy: str = ""
    ct_type: str = ""
    ct_val: Number = None
    ct_mult: Number = None
    tick_sz: Number = None
    lot_sz: Number = None


class TickerRow(msgspec.Struct):
    """One row of tickers. `volCcy24h` is in quote units for spot and in coins for swaps."""

    inst_id: str = msgspec.field(name="instId")
    ts: int
    last: Number = None
    bid: Number = msgspec.field(name="bidPx", default=None)
    ask: Number = msgspec.field(name="askPx", default=None)
    open: Number = msgspec.field(name="open24h", default=None)
    high: Number = msgspec.field(name="high24h", default=None)
    low: Number = msgspec.field(name="low24h", default=None)
    volume: Number = msgspec.field(name="vol24h", default=None)
    volume_ccy: Number = msgspec.field(name="volCcy24h", default=None)


class Bar(msgspec.Struct, array_like=True):
    """One candle: `volume` in contracts or coins, `volume_ccy` in coins for swaps, `confirm` 1 when closed."""

    ts: int
    open: float
    high: float
    low: float
    close: float
    volume: float
    volume_ccy: Number = None
    volume_quote: Number = None
    confirm: str = "1"


class TradeRow(msgspec.Struct, rename="camel"):
    """One public trade; `side` is the taker's, `sz` in contracts for swaps."""

    trade_id: str
    px: float
    sz: float
    side: str
    ts: int


class Book(msgspec.Struct, rename="camel"):
    """An order-book snapshot."""

    bids: list[list[Number]]
    asks: list[list[Number]]
    ts: int
    seq_id: int | None = None


class InterestRow(msgspec.Struct, rename="camel"):
    """Open interest: `oi` in contracts."""

    inst_id: str
    oi: Number
    ts: int


class MarkRow(msgspec.Struct, rename="camel"):
    """A mark price."""

    inst_id: str
    mark_px: Number = None


class IndexRow(msgspec.Struct, rename="camel"):
    """The index price of a pair."""

    inst_id: str
    idx_px: Number = None


class InterestBar(msgspec.Struct, array_like=True):
    """One sample of history: contracts, coins, USD."""

    ts: int
    contracts: float
    amount: Number = None
    usd: Number = None


class FundingRow(msgspec.Struct, rename="camel"):
    """The running rate: settled at `fundingTime`, the one after at `nextFundingTime`."""

    inst_id: str
    funding_rate: Number
    funding_time: int
    next_funding_time: Number = None
    next_funding_rate: Number = None
    ts: int = 0


class SettledRow(msgspec.Struct, rename="camel"):
    """One settled rate; `realizedRate` is what was paid."""

    funding_time: int
    funding_rate: Number = None
    realized_rate: Number = None


class TierRow(msgspec.Struct, rename="camel"):
    """One margin tier, its bound in contracts."""

    max_sz: float
    mmr: float
    max_lever: float


def parse_symbol(row: Symbol, *, perp: bool) -> Instrument | None:
    """An instrument, or None for what is not live or not a linear swap."""
    if row.state != "live" or (perp and row.ct_type != "linear"):
        return None
    base_name, quote = [*row.inst_id.split("-"), ""][:2] if perp else (row.base_ccy, row.quote_ccy)
    base, multiplier = split_multiplier(base_name)
    pair = f"{base_name}/{quote}"
    contract = (number(row.ct_val) or 0.0) * (number(row.ct_mult) or 1.0) if perp else 1.0
    if contract <= 0:
        return None
    size = contract * multiplier
    return Instrument(
        exchange="okx",
        symbol=f"{pair}:{row.settle_ccy or quote}" if perp else pair,
        base=base,
        quote=quote,
        perp=perp,
        contract_size=size,
        multiplier=multiplier,
        price_step=step_of(row.tick_sz, 1 / multiplier),
        amount_step=step_of(row.lot_sz, size),
        id=row.inst_id,
    )


def parse_ticker(row: TickerRow, instrument: Instrument) -> Ticker | None:
    """A 24 h line; the quote volume of a swap is its coins at the last price."""
    last = positive(row.last)
    if last is None:
        return None
    price = coin_price(instrument, last)
    volume, quote_volume = coins(instrument, row.volume), number(row.volume_ccy)
    if instrument.perp:
        quote_volume = None if volume is None else volume * price
    return Ticker(
        instrument=instrument,
        ts=row.ts,
        last=price,
        bid=per_coin(instrument, row.bid),
        ask=per_coin(instrument, row.ask),
        high_24h=per_coin(instrument, row.high),
        low_24h=per_coin(instrument, row.low),
        change_24h=change(last, row.open),
        volume_24h=volume,
        quote_volume_24h=quote_volume,
    )


def parse_bar(row: Bar, instrument: Instrument) -> Candle:
    """A candle; contracts become coins."""
    return Candle(
        ts=row.ts,
        open=coin_price(instrument, row.open),
        high=coin_price(instrument, row.high),
        low=coin_price(instrument, row.low),
        close=coin_price(instrument, row.close),
        volume=row.volume * instrument.contract_size,
        quote_volume=number(row.volume_quote),
        closed=row.confirm == "1",
    )


def parse_trade(row: TradeRow, instrument: Instrument, received: int) -> Trade:
    """A trade with its taker's side."""
    return Trade(
        instrument=instrument,
        ts=row.ts,
        price=coin_price(instrument, row.px),
        amount=row.sz * instrument.contract_size,
        side=Side(row.side),
        id=row.trade_id,
        recv_ts=received,
        seq=int(row.trade_id) if row.trade_id.isdecimal() else None,
    )


def parse_funding(
    row: FundingRow, instrument: Instrument, ts: int, mark: Number, index: Number = None
) -> FundingRate | None:
    """The running rate; its interval is the time between the next two settlements."""
    rate, following = number(row.funding_rate), positive(row.next_funding_time)
    if rate is None or following is None:
        return None
    return FundingRate(
        instrument=instrument,
        ts=ts,
        rate=rate,
        interval_h=(following - row.funding_time) / HOUR,
        next_ts=row.funding_time,
        predicted=number(row.next_funding_rate),
        mark=per_coin(instrument, mark),
        index=per_coin(instrument, index),
    )
