"""Coinbase's REST answers, and how their rows become market types."""

from datetime import datetime
from typing import Any

import msgspec

from exchanges.wire import Number, coin_price, coins, number, per_coin, positive, step_of
from market.symbols import split_multiplier
from market.types import Candle, Instrument, Side, Ticker, Trade


class Product(msgspec.Struct):
    """One entry of products: what it is and its 24 h line. The venue does not stamp it."""

    product_id: str
    price: Number = None
    price_percentage_change_24h: Number = None
    volume_24h: Number = None
    approximate_quote_24h_volume: Number = None
    base_increment: Number = None
    price_increment: Number = None
    quote_increment: Number = None
    quote_min_size: Number = None
    base_currency_id: str = ""
    quote_currency_id: str = ""
    product_type: str = "SPOT"
    status: str = ""
    is_disabled: bool = False
    trading_disabled: bool = False


class Products(msgspec.Struct):
    """All products."""

    products: list[Product]


class CandleRow(msgspec.Struct):
    """One candle; `start` in seconds."""

    start: int
    open: float
    high: float
    low: float
    close: float
    volume: float


class CandleRows(msgspec.Struct):
    """Candles, newest first."""

    candles: list[CandleRow]


class TradeRow(msgspec.Struct):
    """One public trade. `side` is the MAKER's: the taker stood on the other."""

    trade_id: str
    price: float
    size: float
    time: str
    side: str


class TradeRows(msgspec.Struct):
    """Trades, newest first, and the best prices."""

    trades: list[TradeRow]
    best_bid: Number = None
    best_ask: Number = None


class PriceBook(msgspec.Struct):
    """An order book."""

    bids: list[dict[str, Any]]
    asks: list[dict[str, Any]]
    time: str = ""


class BookRow(msgspec.Struct):
    """The envelope of a book."""

    pricebook: PriceBook


def parse_product(row: Product) -> Instrument | None:
    """An instrument, or None for what cannot be traded now."""
    if row.product_type != "SPOT" or row.is_disabled or row.trading_disabled:
        return None
    if row.status not in ("", "online"):
        return None
    base, multiplier = split_multiplier(row.base_currency_id)
    return Instrument(
        exchange="coinbase",
        symbol=f"{row.base_currency_id}/{row.quote_currency_id}",
        base=base,
        quote=row.quote_currency_id,
        perp=False,
        contract_size=multiplier,
        multiplier=multiplier,
        price_step=step_of(row.price_increment or row.quote_increment, 1 / multiplier),
        amount_step=step_of(row.base_increment, multiplier),
        id=row.product_id,
        min_value=positive(row.quote_min_size),
    )


def parse_ticker(
    row: Product, instrument: Instrument, now: int, newest: TradeRows | None = None
) -> Ticker | None:
    """A 24 h line; in bulk it is stamped on receipt, as the venue gives no time."""
    last, ts = positive(row.price), now
    if newest is not None and newest.trades:
        last, ts = positive(newest.trades[0].price), moment(newest.trades[0].time)
    if last is None:
        return None
    percent, volume = number(row.price_percentage_change_24h), coins(instrument, row.volume_24h)
    price = coin_price(instrument, last)
    quote_volume = number(row.approximate_quote_24h_volume)
    if quote_volume is None and volume is not None:
        quote_volume = volume * price
    return Ticker(
        instrument=instrument,
        ts=ts,
        last=price,
        bid=per_coin(instrument, newest.best_bid) if newest else None,
        ask=per_coin(instrument, newest.best_ask) if newest else None,
        change_24h=None if percent is None else percent / 100,
        volume_24h=volume,
        quote_volume_24h=quote_volume,
    )


def parse_candle(row: CandleRow, instrument: Instrument) -> Candle:
    """A candle."""
    return Candle(
        ts=row.start * 1000,
        open=coin_price(instrument, row.open),
        high=coin_price(instrument, row.high),
        low=coin_price(instrument, row.low),
        close=coin_price(instrument, row.close),
        volume=row.volume * instrument.contract_size,
    )


def parse_trade(row: TradeRow, instrument: Instrument, received: int) -> Trade:
    """A trade; the venue names the maker's side, so the taker's is the other one."""
    return Trade(
        instrument=instrument,
        ts=moment(row.time),
        price=coin_price(instrument, row.price),
        amount=row.size * instrument.contract_size,
        side=Side.SELL if row.side.upper() == "BUY" else Side.BUY,
        id=row.trade_id,
        recv_ts=received,
    )


def moment(text: str) -> int:
    """ISO 8601 as ms; the venue writes up to nine decimals of a second."""
    plain = text.replace("Z", "+00:00")
    head, dot, tail = plain.partition(".")
    if dot:
        digits, zone = tail[:-6], tail[-6:]
        plain = f"{head}.{digits[:6]:0<6}{zone}"
    return round(datetime.fromisoformat(plain).timestamp() * 1000)
