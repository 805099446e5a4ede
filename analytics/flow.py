"""Orders behind prints, their size classes, and whose money moved the market.

One taker order leaves many prints. Prints are put together before they are classed, or a sweep of $600k
looks like sixty retail trades.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from market.language import _
from market.types import Instrument, Reading, Side, Status, Trade

GAP = 5  # ms to the print before
WHALE = 500_000.0  # USD, strictly above
RETAIL = 10_000.0  # USD, strictly below
WHALES_LEAD, RETAIL_LEADS = 0.6, 0.2  # whale over whale plus retail
TWO_SIDED = 0.1  # |net| of whales over their volume


class SizeClass(StrEnum):
    """Who places orders of this size."""

    RETAIL = "retail"
    MIDDLE = "middle"
    WHALE = "whale"


@dataclass(frozen=True, slots=True, kw_only=True)
class TakerOrder:
    """Prints of one taker order. `ts` is that of its first print."""

    instrument: Instrument
    ts: int
    last_ts: int
    side: Side
    amount: float
    value: float
    prints: int
    order: str = ""

    @property
    def price(self) -> float:
        """Mean price paid."""
        return self.value / self.amount


class OrderMerger:
    """Puts the prints of one instrument together as they come.

    Where the venue tells the order, that decides; else prints of one side at most 5 ms after the print before.
    Many trades stamped alike by a block need the order id: time alone would merge strangers.
    """

    def __init__(self, gap: int = GAP) -> None:
        self._gap = gap
        self._open: TakerOrder | None = None

    def update(self, trade: Trade) -> TakerOrder | None:
        """Add a print; returns the order that it ended, if any."""
        open_ = self._open
        if open_ is not None and self._belongs(open_, trade):
            self._open = TakerOrder(
                instrument=open_.instrument,
                ts=open_.ts,
                last_ts=trade.ts,
                side=open_.side,
                amount=open_.amount + trade.amount,
                value=open_.value + trade.value,
                prints=open_.prints + 1,
                order=open_.order,
            )
            return None
        self._open = TakerOrder(
            instrument=trade.instrument, ts=trade.ts, last_ts=trade.ts, side=trade.side, amount=trade.amount,
            value=trade.value, prints=1, order=trade.order,
        )  # fmt: skip
        return open_

    def flush(self) -> TakerOrder | None:
        """The order that is still open; it counts as ended."""
        open_, self._open = self._open, None
        return open_

    def _belongs(self, open_: TakerOrder, trade: Trade) -> bool:
        if open_.side is not trade.side:
            return False
        if open_.order and trade.order:
            return open_.order == trade.order
        return 0 <= trade.ts - open_.last_ts <= self._gap


def merged(trades: Iterable[Trade], gap: int = GAP) -> list[TakerOrder]:
    """The orders behind the prints of one instrument, which have to be in order of ts."""
    merger = OrderMerger(gap)
    orders = [order for order in map(merger.update, trades) if order is not None]
    last = merger.flush()
    return orders if last is None else [*orders, last]


def size_class(value: float, whale: float = WHALE, retail: float = RETAIL) -> SizeClass:
    """Whale above, retail below, and on the edges themselves middle."""
    if value > whale:
        return SizeClass.WHALE
    return SizeClass.RETAIL if value < retail else SizeClass.MIDDLE


class MoneyLabel(StrEnum):
    """Who moved the market, and which way."""

    INSUFFICIENT = "INSUFFICIENT"
    ACCUMULATION = "INSTITUTIONAL_ACCUMULATION"
    DISTRIBUTION = "INSTITUTIONAL_DISTRIBUTION"
    TWO_SIDED = "INSTITUTIONAL_TWO_SIDED"
    RETAIL_DRIVEN = "RETAIL_DRIVEN"
    MIXED = "MIXED"


@dataclass(frozen=True, slots=True, kw_only=True)
class SmartMoney:
    """Flow by size class in USD. `whale_ratio` is whale over whale plus retail; the middle is told apart."""

    label: MoneyLabel
    whale_ratio: float | None
    whale_net: float
    whale_value: float
    middle_value: float
    retail_value: float
    n: int

    @property
    def middle_share(self) -> float | None:
        """Volume of orders that are neither; often most of it."""
        total = self.whale_value + self.middle_value + self.retail_value
        return self.middle_value / total if total > 0 else None


def smart_money(
    orders: Sequence[tuple[float, Side]], whale: float = WHALE, retail: float = RETAIL
) -> SmartMoney:
    """Judge orders given as (value in USD, side)."""
    sums: dict[tuple[SizeClass, Side], list[float]] = {
        (kind, side): [] for kind in SizeClass for side in Side
    }
    for value, side in orders:
        sums[size_class(value, whale, retail), side].append(value)
    whole = {kind: math.fsum(sums[kind, Side.BUY] + sums[kind, Side.SELL]) for kind in SizeClass}
    return judged(
        whale_buys=math.fsum(sums[SizeClass.WHALE, Side.BUY]),
        whale_sells=math.fsum(sums[SizeClass.WHALE, Side.SELL]),
        middle=whole[SizeClass.MIDDLE], retail=whole[SizeClass.RETAIL], n=len(orders),
    )  # fmt: skip


def judged(
    *, whale_buys: float, whale_sells: float, middle: float, retail: float, n: int
) -> SmartMoney:
    """Judge sums of `n` orders by class."""
    whales, net = whale_buys + whale_sells, whale_buys - whale_sells
    ratio = whales / (whales + retail) if whales + retail > 0 else None
    return SmartMoney(
        label=_label(ratio, net, whales), whale_ratio=ratio, whale_net=net, whale_value=whales,
        middle_value=middle, retail_value=retail, n=n,
    )  # fmt: skip


def _label(ratio: float | None, net: float, whales: float) -> MoneyLabel:
    if ratio is None:
        return MoneyLabel.INSUFFICIENT
    if ratio > WHALES_LEAD:
        if abs(net) < TWO_SIDED * whales:
            return MoneyLabel.TWO_SIDED
        return MoneyLabel.ACCUMULATION if net > 0 else MoneyLabel.DISTRIBUTION
    return MoneyLabel.RETAIL_DRIVEN if ratio < RETAIL_LEADS else MoneyLabel.MIXED


def money_readings(
    orders: Sequence[TakerOrder], *, since: int, now: int, venues: tuple[str, ...] = ()
) -> dict[str, Reading[float] | Reading[str]]:
    """`label`, `whale_ratio`, `whale_net`, `whale_value`, `retail_value`, `middle_share` of a window."""
    found = smart_money([(order.value, order.side) for order in orders])
    evidence: dict[str, object] = {
        "as_of": max((order.last_ts for order in orders), default=None), "since": since, "window": now - since,
        "n": found.n, "venues": venues,
    }  # fmt: skip
    reason = _("neither whale nor retail orders")
    label: Reading[str] = (
        Reading.missing(reason, Status.INSUFFICIENT, **evidence)
        if found.whale_ratio is None
        else Reading(value=str(found.label), **evidence)  # type: ignore[arg-type]
    )
    numbers = {
        "whale_ratio": (found.whale_ratio, "fraction"),
        "whale_net": (found.whale_net, "USD"),
        "whale_value": (found.whale_value, "USD"),
        "retail_value": (found.retail_value, "USD"),
        "middle_share": (found.middle_share, "fraction"),
    }
    readings: dict[str, Reading[float] | Reading[str]] = {"label": label}
    for name, (value, unit) in numbers.items():
        readings[name] = (
            Reading.missing(reason, Status.UNDEFINED, unit=unit, **evidence)
            if value is None
            else Reading(value=value, unit=unit, **evidence)  # type: ignore[arg-type]
        )
    return readings
