"""Which way a rule looks: up, down, or neither. Only figures that say themselves where a price goes have a way."""

from alerts.conditions import leaves
from alerts.types import Condition, Event, Leaf, Not, Op, Rise

DIRECTED = frozenset(
    {"price", "close", "delta", "cvd_share", "cvd_slope", "macd", "ma_distance", "vwap_distance"}
)


def direction(condition: Condition) -> int:
    """+1, -1, or 0 where no figure has a way or they disagree."""
    if isinstance(condition, Not):
        return -direction(condition.part)
    ways = {_way(leaf) for leaf in leaves(condition) if leaf.metric.name in DIRECTED}
    return ways.pop() if len(ways) == 1 else 0


def _way(leaf: Leaf) -> int:
    match leaf:
        case Rise():
            return 1 if leaf.amount > 0 else -1
        case Event() if leaf.metric.param in ("buy", "sell"):
            return 1 if leaf.metric.param == "buy" else -1
        case _:
            return {Op.ABOVE: 1, Op.BELOW: -1, Op.EITHER: 0}[leaf.op]
