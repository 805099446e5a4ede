"""Statistics that one wild value cannot move."""

import math
from collections.abc import Sequence

import numpy as np

SIGMA = 1.4826  # MAD times this is the standard deviation of a normal distribution


def median(values: Sequence[float]) -> float | None:
    """None of nothing."""
    return float(np.median(values)) if len(values) else None


def spread(values: Sequence[float]) -> float | None:
    """1.4826 times the median absolute deviation: a standard deviation that ignores outliers."""
    if not len(values):
        return None
    array = np.asarray(values, dtype=float)
    return float(SIGMA * np.median(np.abs(array - np.median(array))))


def log_z(current: float, history: Sequence[float]) -> float | None:
    """How many robust deviations ln(current) is above the median of ln(history); zeros are skipped.

    None where there is no history, nothing to compare, or no spread.
    """
    logs = [math.log(value) for value in history if value > 0]
    width = spread(logs)
    if current <= 0 or not width:
        return None
    return (math.log(current) - float(np.median(logs))) / width
