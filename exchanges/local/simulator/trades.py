"""The trades of one minute of one instrument, split out of its points with nothing left over."""

from dataclasses import dataclass

import numpy as np

from exchanges.local.simulator.nodes import Nodes
from exchanges.local.simulator.noise import Flags, Floats, Ints, key, uniform
from market.types import MINUTE

_ROOM = 4096  # random numbers kept apart for each side of each point


@dataclass(frozen=True, slots=True, kw_only=True)
class Prints:
    """Trades in order: time, price in ticks, lots, whether the taker bought, and the first of them of its order."""

    first_id: int
    ts: Ints
    price: Ints
    lots: Ints
    bought: Flags
    leader: Ints  # index of the first print of the same taker order

    def until(self, ts: int) -> int:
        """How many have happened by `ts`."""
        return int(np.searchsorted(self.ts, ts, side="right"))


def prints(stream: int, points: Nodes, row: int, minute: int, first_id: int) -> Prints:
    """All trades of the minute in `row` of the points."""
    count = points.bid.shape[1]
    buys = _split(key(stream, "buys"), points.buys[row], points.buy_prints[row], minute)
    sells = _split(key(stream, "sells"), points.sells[row], points.sell_prints[row], minute)
    node = np.concatenate((buys[0], sells[0]))
    lots = np.concatenate((buys[1], sells[1]))
    bought = np.concatenate((np.ones(len(buys[0]), np.bool_), np.zeros(len(sells[0]), np.bool_)))
    seat = np.concatenate((buys[2], sells[2]))
    left = (
        np.concatenate((points.buy_prints[row][buys[0]] - 1, points.sell_prints[row][sells[0]] - 1))
        - seat
    )
    index = (minute * 64 + node) * _ROOM * 2 + seat * 2 + bought
    place = uniform(key(stream, "order"), index)
    leads = (
        bought == points.buy_first[row][node]
    )  # the side whose print comes first at this point; the other ends it
    place = np.where(leads & (seat == 0), -1.0, np.where(~leads & (left == 0), 2.0, place))
    order = np.lexsort((place, node))
    node, lots, bought = node[order], lots[order], bought[order]
    span = MINUTE // count
    drawn = (uniform(key(stream, "time"), index) * span).astype(np.int64)
    ts = minute * MINUTE + np.sort(np.concatenate((buys[0], sells[0])) * span + drawn)
    ts, leader = _bursts(ts, node, bought, uniform(key(stream, "burst"), index)[order])
    price = points.bid[row][node] + np.where(bought, points.spread, 0)
    return Prints(first_id=first_id, ts=ts, price=price, lots=lots, bought=bought, leader=leader)


def _split(stream: int, lots: Ints, parts: Ints, minute: int) -> tuple[Ints, Ints, Ints]:
    """Cut each point's lots into its number of parts, of very unequal sizes: (point, lots, place) of each part."""
    node = np.repeat(np.arange(len(lots)), parts)
    ends = np.cumsum(parts)
    starts = ends - parts
    seat = np.arange(len(node)) - starts[node]
    if not len(node):
        return node, node.copy(), node.copy()
    weight = (-np.log(uniform(stream, (minute * 64 + node) * _ROOM + seat))) ** 3 + 0.01
    total: Floats = np.concatenate(([0.0], np.cumsum(weight)))
    inside = total[1:] - total[starts][node]
    whole = (total[ends] - total[starts])[node]
    spare = (lots - parts)[node]
    upto = (inside / whole * spare).astype(np.int64)
    upto[ends[parts > 0] - 1] = (lots - parts)[parts > 0]
    before = np.concatenate(([0], upto[:-1]))
    before[seat == 0] = 0
    return node, upto - before + 1, seat


def _bursts(ts: Ints, node: Ints, bought: Flags, draw: Floats) -> tuple[Ints, Ints]:
    """Let a third of the prints belong to the order of the print before: same millisecond, same side."""
    each = np.arange(len(ts))
    follows = np.zeros(len(ts), np.bool_)
    follows[1:] = (draw[1:] < 0.34) & (node[1:] == node[:-1]) & (bought[1:] == bought[:-1])
    leader = np.maximum.accumulate(np.where(follows, 0, each)) if len(ts) else each
    return ts[leader], leader
