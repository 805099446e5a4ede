"""From which value on something has to be looked at: never later than the transition would see a change.

A key is at most a few units in the last place on the safe side: being woken for nothing costs a look, not
being woken would cost a firing. Keys of falling values are negated, as a `Shelf` wants them.
"""

import math
from math import inf, isnan, nextafter

import numpy as np
from numpy.typing import NDArray

from alerts.engine import EPSILON
from alerts.fast.terms import slack

Floats = NDArray[np.float64]
SLIVER = 1e-12  # of a value that was computed from an anchor


def met(sign: int, level: float, *, touch: bool) -> float:
    """Wakes where a level is met: at rising values with sign 1, at falling ones with -1."""
    margin = slack(level)
    return _sooner(sign * level - margin if touch else sign * level + margin)


def left(sign: int, level: float, rearm: float, *, touch: bool) -> float:
    """Wakes where a level that was met is left again; for the opposite direction of `met`."""
    if not isnan(rearm):
        return nextafter(-sign * rearm, inf)
    margin = slack(level)
    return _sooner(-sign * level + margin if touch else -sign * level - margin)


def clear(sign: int, level: float, band: float) -> float:
    """Wakes where a value is farther than `band` from the level."""
    if band == 0.0:
        return nextafter(sign * level, inf)
    return _sooner(sign * level + band)


def risen(amount: float) -> float:
    """Wakes where a change is as large as asked for; at falling changes for a negative amount."""
    return _sooner(abs(amount) - EPSILON * abs(amount))


def fallen_short(amount: float) -> float:
    """Wakes where a change is not as large any more; the opposite direction of `risen`."""
    return _sooner(EPSILON * abs(amount) - abs(amount))


def from_anchor(amount: float, anchor: float, *, relative: bool) -> float:
    """Wakes where a value is as far from where it was as asked for; `inf` where that cannot be."""
    if relative and anchor <= 0:
        return inf
    sign = 1 if amount > 0 else -1
    least = (abs(amount) - EPSILON * abs(amount)) * (anchor if relative else 1.0)
    target = sign * anchor + least
    return target - SLIVER * (abs(anchor) + abs(least))


def _sooner(key: float) -> float:
    return nextafter(nextafter(key, -inf), -inf)


def many(
    signs: Floats,
    levels: Floats,
    rearms: Floats,
    touch: NDArray[np.bool_],
    armed: NDArray[np.bool_],
) -> Floats:
    """`met` of those that are armed, `left` of the others."""
    margin = EPSILON * np.maximum(np.abs(levels), EPSILON) * np.where(touch, -1.0, 1.0)
    ahead = signs * levels + margin
    behind = -signs * levels - margin
    rough = np.where(armed, ahead, behind)
    sooner = np.nextafter(np.nextafter(rough, -math.inf), -math.inf)
    exact = np.nextafter(-signs * rearms, math.inf)
    return np.where(armed | np.isnan(rearms), sooner, exact)
