"""Price and CVD that part: a higher high without the buying, a lower low without the selling.

A pivot is known only k bars after it, and so is the divergence it makes: `confirmed` is when it may be used.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

PIVOT = 3  # bars either side
NEAREST, FARTHEST = 5, 60  # bars between two pivots


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Divergence:
    """All three are bar numbers. `kind`: "bearish" at highs, "bullish" at lows."""

    confirmed: int
    kind: str
    first: int
    second: int


def divergences(
    highs: Sequence[float],
    lows: Sequence[float],
    cvd: Sequence[float],
    k: int = PIVOT,
    noise: float = 0.0,
) -> list[Divergence]:
    """Regular divergences between consecutive pivots of one kind, in the order in which they became known.

    `noise`: the CVD has to differ by more than this share of its range between the pivots.
    """
    found = _part(highs, cvd, k, noise, "bearish")
    found += _part([-low for low in lows], [-value for value in cvd], k, noise, "bullish")
    return sorted(found)


def pivots(values: Sequence[float], k: int = PIVOT) -> list[int]:
    """Bars whose value is the strict maximum of the k bars either side."""
    return [
        i
        for i in range(k, len(values) - k)
        if all(values[i] > values[j] for j in range(i - k, i + k + 1) if j != i)
    ]


def _part(
    tops: Sequence[float], cvd: Sequence[float], k: int, noise: float, kind: str
) -> list[Divergence]:
    found = []
    marks = pivots(tops, k)
    for first, second in pairwise(marks):
        if not NEAREST <= second - first <= FARTHEST:
            continue
        span = cvd[first : second + 1]
        if tops[second] > tops[first] and cvd[first] - cvd[second] > noise * (
            max(span) - min(span)
        ):
            found.append(Divergence(confirmed=second + k, kind=kind, first=first, second=second))
    return found
