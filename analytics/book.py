"""Order book: bid share, imbalance, microprice and depth near the mid."""

import math
from enum import StrEnum

from market.language import _
from market.types import OrderBook, Reading, Status

LEVELS = 10
THRESHOLD = 0.7
MAX_AGE = 5_000  # ms
EPSILON = 1e-9


class Pressure(StrEnum):
    """Which side rests heavier."""

    BUY = "BUY_PRESSURE"
    SELL = "SELL_PRESSURE"
    NEUTRAL = "NEUTRAL"


def bid_share(book: OrderBook, levels: int = LEVELS) -> float | None:
    """Bids over bids and asks within the best levels, 0 to 1; None of an empty book."""
    bids = math.fsum(amount for _price, amount in book.bids[:levels])
    asks = math.fsum(amount for _price, amount in book.asks[:levels])
    return bids / (bids + asks) if bids + asks > 0 else None


def pressure(share: float, threshold: float = THRESHOLD) -> Pressure:
    """Strictly beyond the threshold on one side; 0.7 itself is neutral."""
    if share > threshold + EPSILON:
        return Pressure.BUY
    return Pressure.SELL if share < 1 - threshold - EPSILON else Pressure.NEUTRAL


def mid(book: OrderBook) -> float | None:
    """Half way between the best; None of a one-sided book."""
    return (book.bids[0][0] + book.asks[0][0]) / 2 if book.bids and book.asks else None


def microprice(book: OrderBook) -> float | None:
    """The mid drawn towards the thinner side."""
    if not (book.bids and book.asks):
        return None
    (bid, bids), (ask, asks) = book.bids[0], book.asks[0]
    return (bid * asks + ask * bids) / (bids + asks) if bids + asks > 0 else None


def crossed(book: OrderBook) -> bool:
    """Bids at or above asks: the book was put together wrongly."""
    return bool(book.bids and book.asks and book.bids[0][0] >= book.asks[0][0])


def depth(book: OrderBook, band: float) -> tuple[float, float] | None:
    """(bids, asks) in quote currency within `band` (a fraction) of the mid."""
    middle = mid(book)
    if middle is None:
        return None
    bids = math.fsum(p * amount for p, amount in book.bids if p >= middle * (1 - band))
    return bids, math.fsum(p * amount for p, amount in book.asks if p <= middle * (1 + band))


def figures(
    book: OrderBook, now: int, levels: int = LEVELS, max_age: int = MAX_AGE
) -> dict[str, Reading[float]]:
    """`bid_share`, `imbalance`, `mid`, `microprice`, `spread`, `depth_bid`/`depth_ask` within 0.1 %."""
    names = ("bid_share", "imbalance", "mid", "microprice", "spread", "depth_bid", "depth_ask")
    evidence: dict[str, object] = {"as_of": book.ts, "venues": (book.instrument.exchange,)}
    if now - book.ts > max_age:
        return dict.fromkeys(names, Reading.missing(_("the book is old"), Status.STALE, **evidence))
    if crossed(book):
        return dict.fromkeys(
            names, Reading.missing(_("the book is crossed"), Status.UNAVAILABLE, **evidence)
        )
    share, middle = bid_share(book, levels), mid(book)
    near = depth(book, 0.001) or (None, None)
    values = {
        "bid_share": (share, "fraction"),
        "imbalance": (None if share is None else 2 * share - 1, "fraction"),
        "mid": (middle, "price"),
        "microprice": (microprice(book), "price"),
        "spread": (
            None if middle is None else (book.asks[0][0] - book.bids[0][0]) / middle,
            "fraction",
        ),
        "depth_bid": (near[0], "USD"),
        "depth_ask": (near[1], "USD"),
    }
    return {
        name: Reading.missing(_("one side of the book is empty"), Status.UNDEFINED, **evidence)
        if value is None
        else Reading(value=value, unit=unit, n=levels, **evidence)  # type: ignore[arg-type]
        for name, (value, unit) in values.items()
    }
