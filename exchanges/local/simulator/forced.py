"""Forced closes as the venues publish them: what the ledger lost, cut into single orders."""

import numpy as np

from exchanges.local.simulator.noise import uniform
from exchanges.local.simulator.view import View
from market.types import MINUTE, Liquidation, PositionSide

_SAMPLED = frozenset({"binance", "okx"})  # publish at most one a second and symbol
_USUAL = 25_000.0  # USD of one liquidated position
_MOST = 12  # positions that go at one point of one side


def forced_closes(view: View, stream: int, start: int, end: int) -> list[Liquidation]:
    """Published forced closes of one perpetual with start < ts <= end, in order."""
    exchange = view.instrument.exchange
    start = max(start, view.first - 1)
    found: list[Liquidation] = []
    for minute in view.desk.forced_minutes(exchange, (start + 1) // MINUTE, end // MINUTE + 1):
        made = _minute(view, stream, minute)
        if exchange in _SAMPLED:
            made = _largest_a_second(made)
        found += [one for one in made if start < one.ts <= end]
    return found


def _minute(view: View, stream: int, minute: int) -> list[Liquidation]:
    """All of one minute's, in order."""
    longs, shorts = view.desk.forced_at(view.instrument.exchange, minute)
    found: list[Liquidation] = []
    for row, position in ((longs, PositionSide.LONG), (shorts, PositionSide.SHORT)):
        lots = (row / view.lot.value(1)).astype(np.int64)
        span = MINUTE // len(row)
        for point in np.flatnonzero(lots).tolist():
            price = view.tape.point_price(minute, point, bought=position is PositionSide.SHORT)
            index = (minute * 64 + point) * 64 + (position is PositionSide.LONG)
            for after, part in _orders(
                stream, index, int(lots[point]), view.price.value(price) * view.lot.value(1)
            ):
                found.append(
                    Liquidation(
                        instrument=view.instrument,
                        ts=minute * MINUTE + point * span + int(after * span),
                        price=view.price.value(price),
                        amount=view.lot.value(part),
                        position=position,
                        sample=view.instrument.exchange in _SAMPLED,
                    )
                )
    return sorted(found, key=lambda one: one.ts)


def _orders(stream: int, index: int, lots: int, lot_value: float) -> list[tuple[float, int]]:
    """Unequal parts of so many lots, and when in their span of time each comes (a fraction)."""
    count = min(1 + int(lots * lot_value / _USUAL), _MOST, lots)
    draws = index + 2 * np.arange(count, dtype=np.int64)
    weight = (-np.log(uniform(stream, draws))) ** 2 + 0.01
    cuts = np.floor(np.cumsum(weight) / weight.sum() * (lots - count)).astype(np.int64)
    cuts[-1] = lots - count
    parts = np.diff(cuts, prepend=0) + 1
    return list(zip(np.sort(uniform(stream + 1, draws)).tolist(), parts.tolist(), strict=True))


def _largest_a_second(closes: list[Liquidation]) -> list[Liquidation]:
    best: dict[int, Liquidation] = {}
    for one in closes:
        second = one.ts // 1000
        if second not in best or one.value > best[second].value:
            best[second] = one
    return list(best.values())
