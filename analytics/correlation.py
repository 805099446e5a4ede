"""Correlation of log returns of two instruments, and when it breaks. Never of prices."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from analytics.rows import Floats

WINDOW = 50  # returns
BREAK = 0.3  # absolute change against the baseline
DECOUPLING_Z, DECOUPLING_CHANGE = 3.0, 0.15
BASELINE = 100  # rolling values at least


@dataclass(frozen=True, slots=True, kw_only=True)
class Correlation:
    """`baseline`: mean of the rolling values whose windows do not overlap the current one. None: not enough."""

    current: float | None
    baseline: float | None

    @property
    def change(self) -> float | None:
        """Current minus baseline."""
        return (
            None if self.current is None or self.baseline is None else self.current - self.baseline
        )

    @property
    def broken(self) -> bool:
        """More than 0.3 away."""
        return self.change is not None and abs(self.change) > BREAK

    @property
    def fisher_z(self) -> float | None:
        """How unlikely the difference is, in deviations."""
        if (
            self.current is None
            or self.baseline is None
            or max(abs(self.current), abs(self.baseline)) >= 1
        ):
            return None
        return (math.atanh(self.current) - math.atanh(self.baseline)) * math.sqrt(WINDOW - 3)

    @property
    def decoupling(self) -> bool:
        """Clearly lower or higher than usual, though not broken."""
        z = self.fisher_z
        return (
            z is not None
            and abs(z) > DECOUPLING_Z
            and self.change is not None
            and abs(self.change) > DECOUPLING_CHANGE
        )


def correlation(
    prices_a: Sequence[float], prices_b: Sequence[float], window: int = WINDOW
) -> Correlation:
    """Of two aligned rows of closes."""
    a, b = np.diff(np.log(prices_a)), np.diff(np.log(prices_b))
    if len(a) < window:
        return Correlation(current=None, baseline=None)
    rolling = [_pearson(a[i : i + window], b[i : i + window]) for i in range(len(a) - window + 1)]
    before = [value for value in rolling[: max(0, len(rolling) - window)] if value is not None]
    baseline = float(np.mean(before)) if len(before) >= BASELINE else None
    return Correlation(current=rolling[-1], baseline=baseline)


def aligned(a: Mapping[int, float], b: Mapping[int, float]) -> tuple[list[float], list[float]]:
    """Closes of the bars that both have, by ts."""
    both = sorted(a.keys() & b.keys())
    return [a[ts] for ts in both], [b[ts] for ts in both]


def _pearson(x: Floats, y: Floats) -> float | None:
    x, y = x - x.mean(), y - y.mean()
    scale = math.sqrt(float(x @ x) * float(y @ y))
    return float(x @ y) / scale if scale > 0 else None
