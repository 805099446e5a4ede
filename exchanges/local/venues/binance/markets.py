"""Binance: time and what trades."""

from exchanges.local.venues.binance.segment import (
    Query,
    Segment,
    Table,
)
from exchanges.local.venues.native import native, plain
from market.types import Instrument

PERPETUAL = 4_133_404_800_000  # the delivery date Binance gives contracts without one


def ping(_segment: Segment, _query: Query) -> object:
    """Alive."""
    return {}


def time(segment: Segment, _query: Query) -> object:
    """The market's time."""
    return {"serverTime": segment.now}


def exchange_info(segment: Segment, query: Query) -> object:
    """All symbols, or one."""
    wanted = [segment.wanted(query)] if query.get("symbol") else segment.instruments
    write = _contract if segment.perp else _pair
    return _info(segment) | {"symbols": [write(segment, each) for each in wanted]}


def no_markets(segment: Segment, _query: Query) -> object:
    """An exchangeInfo without symbols."""
    return _info(segment) | {"symbols": []}


def _info(segment: Segment) -> dict[str, object]:
    limit = 2400 if segment.perp else 6000
    weight = {
        "rateLimitType": "REQUEST_WEIGHT",
        "interval": "MINUTE",
        "intervalNum": 1,
        "limit": limit,
    }
    return {
        "timezone": "UTC",
        "serverTime": segment.now,
        "rateLimits": [weight],
        "exchangeFilters": [],
    }


def _pair(segment: Segment, instrument: Instrument) -> dict[str, object]:
    base = instrument.symbol.partition("/")[0]
    return {
        "symbol": segment.id_of(instrument),
        "status": "TRADING" if instrument.active else "BREAK",
        "baseAsset": base,
        "baseAssetPrecision": 8,
        "quoteAsset": instrument.quote,
        "quotePrecision": 8,
        "quoteAssetPrecision": 8,
        "orderTypes": ["LIMIT", "LIMIT_MAKER", "MARKET", "STOP_LOSS_LIMIT", "TAKE_PROFIT_LIMIT"],
        "isSpotTradingAllowed": True,
        "isMarginTradingAllowed": False,
        "filters": _filters(instrument, {"filterType": "NOTIONAL"}, "minNotional"),
        "permissions": ["SPOT"],
        "permissionSets": [["SPOT"]],
    }


def _contract(segment: Segment, instrument: Instrument) -> dict[str, object]:
    base = instrument.symbol.partition("/")[0]
    return {
        "symbol": segment.id_of(instrument),
        "pair": segment.id_of(instrument),
        "contractType": "PERPETUAL",
        "deliveryDate": PERPETUAL,
        "status": "TRADING" if instrument.active else "SETTLING",
        "baseAsset": base,
        "quoteAsset": instrument.quote,
        "marginAsset": instrument.quote,
        "pricePrecision": 8,
        "quantityPrecision": 8,
        "baseAssetPrecision": 8,
        "quotePrecision": 8,
        "underlyingType": "COIN",
        "filters": _filters(instrument, {"filterType": "MIN_NOTIONAL"}, "notional"),
        "orderTypes": [
            "LIMIT",
            "MARKET",
            "STOP",
            "STOP_MARKET",
            "TAKE_PROFIT",
            "TAKE_PROFIT_MARKET",
        ],
        "timeInForce": ["GTC", "IOC", "FOK", "GTX"],
    }


def _filters(instrument: Instrument, notional: dict[str, object], field: str) -> list[object]:
    """The trading rules the source knows; a step of 0 is not known."""
    rules: list[object] = []
    if instrument.price_step:
        tick = native(instrument).tick
        rules.append({"filterType": "PRICE_FILTER", "minPrice": tick, "tickSize": tick})
    if instrument.amount_step:
        step = native(instrument).lot
        rules.append({"filterType": "LOT_SIZE", "minQty": step, "stepSize": step})
    if instrument.min_value is not None:
        rules.append(notional | {field: plain(instrument.min_value)})
    return rules


ROUTES: Table = {"ping": ping, "time": time, "exchangeInfo": exchange_info}
