"""Hyperliquid's REST answers, and how their rows become market types."""

import math
from collections.abc import Mapping

import msgspec

from exchanges.base import tier_rows
from exchanges.wire import Number, change, coin_price, coins, number, positive, step_of
from market.errors import SourceError
from market.symbols import split_multiplier
from market.types import (
    Candle,
    Instrument,
    Side,
    Ticker,
    Trade,
)

MIN_VALUE = 10.0  # USD, smallest order
WRAPPED = {
    "UBTC": "BTC", "UETH": "ETH", "USOL": "SOL", "UFART": "FARTCOIN", "UPUMP": "PUMP", "UBONK": "BONK",
    "UXPL": "XPL", "UUUSPX": "SPX", "UDZ": "2Z", "HPENGU": "PENGU", "USDT0": "USDT", "XAUT0": "XAUT",
}  # fmt: skip


class Coin(msgspec.Struct, rename="camel"):
    """One perp of the universe."""

    name: str
    sz_decimals: int
    max_leverage: float | None = None
    margin_table_id: int | None = None
    is_delisted: bool | None = None


class MarginTier(msgspec.Struct, rename="camel"):
    """From this position value on, at most this leverage."""

    lower_bound: float
    max_leverage: float


class MarginTable(msgspec.Struct, rename="camel"):
    """The tiers of some coins."""

    margin_tiers: list[MarginTier]


class Meta(msgspec.Struct, rename="camel"):
    """The perps."""

    universe: list[Coin]
    margin_tables: list[tuple[int, MarginTable]] = []


class Context(msgspec.Struct, rename="camel"):
    """The state of one market; perps carry funding and open interest."""

    mark_px: Number = None
    mid_px: Number = None
    prev_day_px: Number = None
    day_ntl_vlm: Number = None
    day_base_vlm: Number = None
    oracle_px: Number = None
    open_interest: Number = None
    funding: Number = None
    coin: str = ""


class Token(msgspec.Struct, rename="camel"):
    """One spot token."""

    name: str
    index: int
    sz_decimals: int


class Pair(msgspec.Struct):
    """One spot pair: names of its two tokens by index."""

    name: str
    tokens: tuple[int, int]
    index: int


class SpotMeta(msgspec.Struct):
    """The spot pairs."""

    tokens: list[Token]
    universe: list[Pair]


class CandleRow(msgspec.Struct):
    """One candle."""

    t: int
    o: float
    h: float
    l: float  # noqa: E741 - the venue's name
    c: float
    v: float


class TradeRow(msgspec.Struct):
    """One public trade; side B is a taker's buy, A a taker's sell."""

    px: float
    sz: float
    side: str
    time: int
    tid: int = 0
    hash: str = ""


class Level(msgspec.Struct):
    """One price of the book."""

    px: Number
    sz: Number


class Book(msgspec.Struct):
    """Bids and asks, 20 a side."""

    levels: tuple[list[Level], list[Level]]
    time: int


class FundingRow(msgspec.Struct, rename="camel"):
    """One settled hour."""

    funding_rate: float
    time: int


Contexts = tuple[Meta, list[Context]]
SpotContexts = tuple[SpotMeta, list[Context]]


def parse_perp(coin: Coin, context: Context) -> Instrument:
    """A perp; prices have five significant digits and at most 6 - szDecimals decimals."""
    base, multiplier = split_multiplier(coin.name)
    step = _price_step(context, 6 - coin.sz_decimals)
    return Instrument(
        exchange="hyperliquid",
        symbol=f"{coin.name}/USDC:USDC",
        base=base.upper(),
        quote="USDC",
        perp=True,
        contract_size=multiplier,
        multiplier=multiplier,
        price_step=step_of(step, 1 / multiplier),
        amount_step=step_of(10.0**-coin.sz_decimals, multiplier),
        id=coin.name,
        min_value=MIN_VALUE,
    )


def parse_pair(pair: Pair, base: Token, quote: Token, context: Context | None) -> Instrument:
    """A spot pair; wrapped tokens carry the name of the coin."""
    base_name, quote_name = (WRAPPED.get(each.name, each.name) for each in (base, quote))
    return Instrument(
        exchange="hyperliquid",
        symbol=f"{base_name}/{quote_name}",
        base=base_name,
        quote=quote_name,
        perp=False,
        price_step=_price_step(context or Context(), 8 - base.sz_decimals),
        amount_step=10.0**-base.sz_decimals,
        id=pair.name,
        min_value=MIN_VALUE,
    )


def parse_ticker(row: Context, instrument: Instrument, ts: int) -> Ticker | None:
    """A 24 h line; the impact prices are not bid and ask and are left out."""
    last = positive(row.mid_px) or positive(row.mark_px)
    if last is None:
        return None
    return Ticker(
        instrument=instrument,
        ts=ts,
        last=coin_price(instrument, last),
        change_24h=change(last, row.prev_day_px),
        volume_24h=coins(instrument, row.day_base_vlm),
        quote_volume_24h=number(row.day_ntl_vlm),
    )


def parse_candle(row: CandleRow, instrument: Instrument) -> Candle:
    """A candle."""
    return Candle(
        ts=row.t,
        open=coin_price(instrument, row.o),
        high=coin_price(instrument, row.h),
        low=coin_price(instrument, row.l),
        close=coin_price(instrument, row.c),
        volume=row.v * instrument.contract_size,
    )


def parse_trade(row: TradeRow, instrument: Instrument, received: int) -> Trade:
    """A trade with its taker's side."""
    if row.side not in ("A", "B"):
        raise SourceError("Hyperliquid", "sent a trade of an unknown side")
    return Trade(
        instrument=instrument,
        ts=row.time,
        price=coin_price(instrument, row.px),
        amount=row.sz * instrument.contract_size,
        side=Side.BUY if row.side == "B" else Side.SELL,
        id=str(row.tid) if row.tid else "",
        order=row.hash,
        recv_ts=received,
    )


def parse_tiers(
    coin: Coin, tables: Mapping[int, MarginTable]
) -> tuple[tuple[float, float, float, float], ...]:
    """The tiers of a coin; one without end where it has no table, none where it tells no leverage."""
    table = tables.get(coin.margin_table_id) if coin.margin_table_id is not None else None
    tiers = sorted(table.margin_tiers, key=lambda tier: tier.lower_bound) if table else []
    if not tiers:
        if not coin.max_leverage:
            return ()
        tiers = [MarginTier(lower_bound=0.0, max_leverage=coin.max_leverage)]
    caps = [tier.lower_bound for tier in tiers[1:]] + [math.inf]
    return tier_rows(
        [
            (cap, 0.5 / tier.max_leverage, tier.max_leverage)
            for cap, tier in zip(caps, tiers, strict=True)
        ]
    )


def _price_step(context: Context, decimals: int) -> float:
    """The step of five significant digits at the present price, or the finest the market allows."""
    finest = 10.0 ** -max(0, decimals)
    price = positive(context.mid_px) or positive(context.mark_px)
    if price is None:
        return finest
    return max(finest, 10.0 ** (math.floor(math.log10(price)) - 4)) if price < 1e5 else 1.0
