"""Clusters of a liquidation map: where many estimated levels lie close together."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from analytics.liquidation.ledger import LiquidationMap
from analytics.rows import Floats
from market.types import PositionSide

JOINED = 2  # empty bins that do not part a cluster
LEAST = 0.005  # of the side's total in one bin


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """A run of heavy bins. `near` is the edge towards the price, `peak` the middle of the heaviest bin."""

    position: PositionSide
    near: float
    peak: float
    far: float
    usd: float
    share: float  # of the side
    distance: float  # of the near edge from the price, a fraction with its sign


def clusters(found: LiquidationMap, position: PositionSide) -> list[Cluster]:
    """All clusters of one side, the nearest first."""
    mass = found.long_usd if position is PositionSide.LONG else found.short_usd
    total = float(mass.sum())
    if total <= 0:
        return []
    reach = _reach(found, position, mass)
    middle = float(np.median(reach))
    limit = max(middle + 3 * float(np.median(np.abs(reach - middle))), LEAST * total)
    runs = _runs(np.flatnonzero(mass > limit).tolist())
    made = [_cluster(found, position, mass, total, first, last) for first, last in runs]
    return sorted(made, key=lambda each: abs(each.distance))


def nearest(found: LiquidationMap, position: PositionSide) -> Cluster | None:
    """The cluster of one side that the price would meet first."""
    every = clusters(found, position)
    return every[0] if every else None


def largest(found: LiquidationMap, position: PositionSide) -> Cluster | None:
    """The heaviest cluster of one side."""
    return max(clusters(found, position), key=lambda each: each.usd, default=None)


def within(found: LiquidationMap, band: float) -> tuple[float, float]:
    """(longs below, shorts above) in USD within `band` (a fraction) of the price."""
    centres = np.sqrt(found.edges[1:] * found.edges[:-1])
    near = np.abs(centres / found.price - 1) <= band
    return float(found.long_usd[near].sum()), float(found.short_usd[near].sum())


def _reach(found: LiquidationMap, position: PositionSide, mass: Floats) -> Floats:
    """The bins from the price to the farthest level, empty ones included."""
    place = int(np.clip(np.searchsorted(found.edges, found.price), 0, len(mass)))
    filled = np.flatnonzero(mass)
    if position is PositionSide.LONG:
        return mass[int(filled[0]) : max(place, int(filled[-1]) + 1)]
    return mass[min(place, int(filled[0])) : int(filled[-1]) + 1]


def _runs(places: Sequence[int]) -> list[tuple[int, int]]:
    runs: list[tuple[int, int]] = []
    for place in places:
        if runs and place - runs[-1][1] <= JOINED + 1:
            runs[-1] = (runs[-1][0], place)
        else:
            runs.append((place, place))
    return runs


def _cluster(
    found: LiquidationMap, position: PositionSide, mass: Floats, total: float, first: int, last: int
) -> Cluster:
    low, high = float(found.edges[first]), float(found.edges[last + 1])
    top = first + int(np.argmax(mass[first : last + 1]))
    near, far = (high, low) if position is PositionSide.LONG else (low, high)
    usd = float(mass[first : last + 1].sum())
    return Cluster(
        position=position,
        near=near,
        peak=float(np.sqrt(found.edges[top] * found.edges[top + 1])),
        far=far,
        usd=usd,
        share=usd / total,
        distance=near / found.price - 1,
    )
