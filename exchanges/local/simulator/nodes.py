"""From a coin's path to one instrument: at every price point a bid, an ask, and whole lots bought and sold.

Minute candles are sums over these points and trades are what the points are split into, so both agree exactly.
"""

from dataclasses import dataclass

import numpy as np

from exchanges.local.simulator.noise import Bits, Flags, Floats, Ints, bits, field
from exchanges.local.simulator.paths import Stretch

_MOST = 40  # prints of one side at one point of a live second; four times as many in the past
_GAMMA_5_2 = 3.32335  # mean of the 2.5th power of an exponential draw


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What one instrument adds to its coin's path."""

    stream: int  # key of its randomness
    tick: float  # price step, quote currency per coin
    spread: int  # ticks
    lots: float  # usual lots a minute
    lot_print: float  # usual lots of one print
    least: float  # lots that trade at one point, if anything does
    lot: float  # coins


@dataclass(frozen=True, slots=True, kw_only=True)
class Nodes:
    """Arrays (minutes, points): bid in ticks, lots bought and sold by takers, number of prints of each."""

    bid: Ints
    buys: Ints
    sells: Ints
    buy_prints: Ints
    sell_prints: Ints
    buy_first: Flags
    spread: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Bars:
    """Minute sums in whole steps: prices in ticks, volumes in lots, quote volumes in ticks x lots."""

    open: Ints
    high: Ints
    low: Ints
    close: Ints
    volume: Ints
    buys: Ints
    quote: Ints
    buy_quote: Ints
    prints: Ints


def nodes(terms: Terms, path: Stretch, offset: Floats, exchange: str) -> Nodes:
    """The points of one instrument. `offset`, a row for each minute, takes the log USD price to its own."""
    points = path.price.shape[1]
    word = bits(terms.stream, path.minutes[:, None] * 64 + np.arange(points))
    fair = np.exp(path.price + offset) / terms.tick
    bid = np.rint(fair * (1 + 0.00004 * (field(word, 0, 10) - 0.5)) - terms.spread / 2).astype(
        np.int64
    )
    bid = np.maximum(bid, 1)
    wanted = _volume(word, points) * path.activity * (terms.lots / points)
    chance = field(word, 34, 10)
    lots = np.where(
        wanted > terms.least, wanted + chance, (chance * terms.least < wanted) * terms.least
    ).astype(np.int64)
    share = np.clip(0.5 + 0.5 * path.lean + 0.7 * (field(word, 44, 12) - 0.5), 0.0, 1.0)
    buys = (lots * share + field(word, 56, 7)).astype(np.int64)
    buys = np.minimum(buys, lots)
    sells = lots - buys
    if path.forced and exchange:
        longs, shorts = path.forced.of(exchange)
        np.add.at(sells.reshape(-1), path.forced.points, (longs / terms.lot).astype(np.int64))
        np.add.at(buys.reshape(-1), path.forced.points, (shorts / terms.lot).astype(np.int64))
    most = _MOST if points == 60 else 4 * _MOST
    return Nodes(
        bid=bid,
        buys=buys,
        sells=sells,
        buy_prints=_prints(buys, terms.lot_print, most, path.prints),
        sell_prints=_prints(sells, terms.lot_print, most, path.prints),
        buy_first=(word >> np.uint64(63)).astype(np.bool_),
        spread=terms.spread,
    )


def bars(points: Nodes, last: int | None) -> Bars:
    """Minute sums. A minute without trades repeats the close before it; `last` is that of the minute before all."""
    ask = points.bid + points.spread
    bought, sold = points.buys > 0, points.sells > 0
    traded = bought | sold
    quiet: Flags = np.logical_not(traded.any(axis=1))
    each = np.arange(len(traded))
    first = traded.argmax(axis=1)
    final = traded.shape[1] - 1 - traded[:, ::-1].argmax(axis=1)
    opening = np.where(bought & (points.buy_first | ~sold), ask, points.bid)[each, first]
    closing = np.where(bought & (~points.buy_first | ~sold), ask, points.bid)[each, final]
    high = np.where(bought, ask, np.where(sold, points.bid, 0)).max(axis=1)
    low = np.where(sold, points.bid, np.where(bought, ask, np.iinfo(np.int64).max)).min(axis=1)
    volume = points.buys + points.sells
    buy_quote = (ask * points.buys).sum(axis=1)
    if quiet.any():
        before = int(points.bid[0, 0]) if last is None else last
        closing = _carried(closing, quiet, before)
        opening, high, low = (np.where(quiet, closing, x) for x in (opening, high, low))
    return Bars(
        open=opening,
        high=high,
        low=low,
        close=closing,
        volume=volume.sum(axis=1),
        buys=points.buys.sum(axis=1),
        quote=buy_quote + (points.bid * points.sells).sum(axis=1),
        buy_quote=buy_quote,
        prints=(points.buy_prints + points.sell_prints).sum(axis=1),
    )


def _volume(word: Bits, points: int) -> Floats:
    """Random size of the trading at each point, mean 1; live seconds are far more uneven than longer points."""
    draw = -np.log(field(word, 10, 24))
    return draw**2.5 / _GAMMA_5_2 if points == 60 else draw


def _prints(lots: Ints, usual: float, most: int, least: Floats | None) -> Ints:
    """How many prints so many lots are split into; each has at least one lot."""
    wanted = np.minimum(1 + (lots / usual).astype(np.int64), most)
    if least is not None:
        wanted = np.maximum(wanted, least.astype(np.int64))
    return np.minimum(wanted, lots)


def _carried(closing: Ints, quiet: Flags, before: int) -> Ints:
    """Each quiet minute gets the close of the last one that was not."""
    place = np.where(quiet, -1, np.arange(len(closing)))
    place = np.maximum.accumulate(place)
    return np.where(place >= 0, closing[place], before)
