"""Hyperliquid's rows: domain values as its payloads have them; figures that are not known are null."""

import math
from hashlib import blake2b
from typing import Any

from exchanges.local.source import Source
from exchanges.local.venues.listing import trade_ids
from exchanges.local.venues.native import native, plain
from market.types import TIMEFRAMES, Candle, FundingRate, Instrument, OrderBook, Side, Ticker, Trade

SIDES = {Side.BUY: "B", Side.SELL: "A"}
NO_HASH = "0x" + "0" * 64
INTERVALS = {
    "1m": "1m",
    "3m": "3m",
    "5m": "5m",
    "15m": "15m",
    "30m": "30m",
    "1h": "1h",
    "2h": "2h",
    "4h": "4h",
    "8h": "",
    "12h": "12h",
    "1d": "1d",
    "3d": "",
    "1w": "",
    "1M": "",
}  # fmt: skip - "" : the venue has it, a source does not
BOOK_LEVELS = 20
FIRST_TABLE = 51  # margin tables below this number stand for their single leverage


def universe(source: Source, listed: list[Instrument]) -> tuple[list[dict[str, Any]], list[Any]]:
    """The perps of `meta` and the margin tables of those with several tiers."""
    rows: list[dict[str, Any]] = []
    tables: list[Any] = []
    for each in listed:
        row: dict[str, Any] = {"szDecimals": native(each).amount_decimals, "name": each.id}
        table = source.tiers(each)
        if table and table.tiers:
            row |= {
                "maxLeverage": _leverage(table.tiers[0]),
                "marginTableId": _leverage(table.tiers[0]),
            }
            if len(table.tiers) > 1:
                row["marginTableId"] = FIRST_TABLE + len(tables)
                tables.append([row["marginTableId"], _margin_table(table.tiers)])
        rows.append(row if each.active else row | {"isDelisted": True})
    return rows, tables


def _leverage(tier: tuple[float, float, float, float]) -> int:
    return int(tier[3])


def _margin_table(tiers: tuple[tuple[float, float, float, float], ...]) -> dict[str, Any]:
    """Each tier from the cap of the one before it."""
    bounds = [0.0, *(cap for cap, *_ in tiers[:-1])]
    return {
        "description": "",
        "marginTiers": [
            {"lowerBound": _decimal(bound), "maxLeverage": _leverage(tier)}
            for bound, tier in zip(bounds, tiers, strict=True)
        ],
    }


def _decimal(value: float) -> str:
    """As the venue writes whole numbers: 0.0."""
    text = plain(value)
    return text if "." in text else f"{text}.0"


def context(source: Source, instrument: Instrument) -> dict[str, Any]:
    """The asset context of a perp: open interest in units of its name, funding per hour, no timestamp."""
    units = native(instrument)
    ticker, funding = source.ticker(instrument), source.funding(instrument)
    interest = source.open_interest(instrument)
    return _day(instrument, ticker) | {
        "funding": plain(funding.rate) or None if funding else None,
        "openInterest": units.amount(interest.amount) if interest else None,
        "oraclePx": units.price(funding.index) or None if funding else None,
        "markPx": units.price(funding.mark) or None if funding else None,
        "premium": _premium(ticker, funding),
        "impactPxs": _impact(instrument, ticker),
    }


def spot_context(source: Source, instrument: Instrument) -> dict[str, Any]:
    """The asset context of a spot pair; its mark price is the middle."""
    day = _day(instrument, source.ticker(instrument))
    return day | {"coin": instrument.id, "markPx": day["midPx"], "circulatingSupply": None}


def _day(instrument: Instrument, ticker: Ticker | None) -> dict[str, Any]:
    units = native(instrument)
    if ticker is None:
        return dict.fromkeys(("prevDayPx", "dayNtlVlm", "dayBaseVlm", "midPx"))
    before = None if ticker.change_24h is None else ticker.last / (1 + ticker.change_24h)
    return {
        "prevDayPx": units.price(before) or None,
        "dayNtlVlm": plain(ticker.quote_volume_24h) or None,
        "dayBaseVlm": units.amount(ticker.volume_24h) or None,
        "midPx": mid(instrument, ticker),
    }


def mid(instrument: Instrument, ticker: Ticker | None) -> str | None:
    """The middle of the book; None without both sides."""
    if ticker is None or ticker.bid is None or ticker.ask is None:
        return None
    return native(instrument).price((ticker.bid + ticker.ask) / 2)


def _impact(instrument: Instrument, ticker: Ticker | None) -> list[str] | None:
    """Impact prices, taken at the best bid and ask."""
    if ticker is None or ticker.bid is None or ticker.ask is None:
        return None
    units = native(instrument)
    return [units.price(ticker.bid), units.price(ticker.ask)]


def _premium(ticker: Ticker | None, funding: FundingRate | None) -> str | None:
    """How far the impact prices are off the oracle, as a fraction of it."""
    oracle = funding.index if funding else None
    if ticker is None or ticker.bid is None or ticker.ask is None or not oracle:
        return None
    return plain((max(0.0, ticker.bid - oracle) - max(0.0, oracle - ticker.ask)) / oracle)


def spot_meta(listed: list[Instrument]) -> dict[str, Any]:
    """Tokens (USDC is 0) and pairs; a pair's place is its index."""
    names = list(dict.fromkeys(["USDC", *(n for each in listed for n in _tokens(each))]))
    decimals = {_tokens(each)[0]: native(each).amount_decimals for each in listed}
    tokens = [
        {
            "name": name,
            "szDecimals": decimals.get(name, 8),
            "weiDecimals": 8,
            "index": place,
            "tokenId": f"0x{place:032x}",
            "isCanonical": True,
        }
        for place, name in enumerate(names)
    ]
    pairs = [
        {
            "tokens": [names.index(token) for token in _tokens(each)],
            "name": each.id,
            "index": place,
            "isCanonical": True,
        }
        for place, each in enumerate(listed)
    ]
    return {"tokens": tokens, "universe": pairs}


def _tokens(instrument: Instrument) -> tuple[str, str]:
    base, _, quote = instrument.symbol.partition("/")
    return base, quote


def book(
    source: Source, instrument: Instrument, figures: int | None = None, mantissa: int | None = None
) -> dict[str, Any] | None:
    """l2Book: the 20 best levels, with `figures` of levels rounded to so many significant figures."""
    found = source.book(instrument, 2000 if figures else BOOK_LEVELS)
    if found is None:
        return None
    bids = found.bids if not figures else _coarse(found.bids, figures, mantissa or 1, up=False)
    asks = found.asks if not figures else _coarse(found.asks, figures, mantissa or 1, up=True)
    sides = [_levels(instrument, side[:BOOK_LEVELS]) for side in (bids, asks)]
    return {"coin": instrument.id, "time": found.ts, "levels": sides}


def grid(figures: Any, mantissa: Any) -> bool:
    """Whether the venue knows such a rounding of a book."""
    return figures in (None, 2, 3, 4, 5) and mantissa in (None, 1, 2, 5)


def best(instrument: Instrument, found: OrderBook) -> dict[str, Any]:
    """bbo: the best level of each side, null where there is none."""
    sides = [_levels(instrument, side[:1]) for side in (found.bids, found.asks)]
    tops = [side[0] if side else None for side in sides]
    return {"coin": instrument.id, "time": found.ts, "bbo": tops}


def _levels(instrument: Instrument, side: tuple[tuple[float, float], ...]) -> list[dict[str, Any]]:
    """Levels; how many orders make one is not known, at least one does."""
    return [{"px": price, "sz": size, "n": 1} for price, size in native(instrument).levels(side)]


def _coarse(
    side: tuple[tuple[float, float], ...], figures: int, mantissa: int, *, up: bool
) -> tuple[tuple[float, float], ...]:
    """Levels summed on a coarser grid, rounded away from the middle."""
    sums: dict[float, float] = {}
    for price, amount in side:
        exponent = math.floor(math.log10(price)) - figures + 1
        step = mantissa * 10.0**exponent
        count = price / step
        whole = math.ceil(count - 1e-9) if up else math.floor(count + 1e-9)
        at = float(f"{whole * step:.12g}")
        sums[at] = sums.get(at, 0.0) + amount
    return tuple(sums.items())


def candle(instrument: Instrument, interval: str, found: Candle) -> dict[str, Any]:
    """One candle; the venue's count of trades (`n`) is not known."""
    units = native(instrument)
    return {
        "t": found.ts,
        "T": found.ts + TIMEFRAMES[INTERVALS[interval]] - 1,
        "s": instrument.id,
        "i": interval,
        "o": units.price(found.open),
        "c": units.price(found.close),
        "h": units.price(found.high),
        "l": units.price(found.low),
        "v": units.amount(found.volume),
    }


def trade_rows(source: Source, trades: list[Trade]) -> list[dict[str, Any]]:
    """One row a trade, in order; who traded is not known."""
    if not trades:
        return []
    units = native(trades[0].instrument)
    rows: list[dict[str, Any]] = []
    for trade, name in zip(trades, trade_ids(source, trades), strict=True):
        rows.append(
            {
                "coin": trade.instrument.id,
                "side": SIDES[trade.side],
                "px": units.price(trade.price),
                "sz": units.amount(trade.amount),
                "hash": trade.order or NO_HASH,
                "time": trade.ts,
                "tid": int(name) if name.isdigit() else _number(name),
                "users": [],
            }
        )
    return rows


def _number(name: str) -> int:
    """A number for an id that is none."""
    return int.from_bytes(blake2b(name.encode(), digest_size=6).digest(), "big")
