"""Whether more follows a firing than usual: counted against matched moments, with the interval of the count.

The null: after a firing the price moves as after any other moment of that time of day, so it beats the median of
its matched moments in one case of two. Firings whose horizons overlap saw the same move and count once. Matched
moments are a sample too: the interval is that of two samples, not of one against a known half.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from statistics import NormalDist, median

from analytics.followed import FEWEST, Move

HALF = 0.5
ENOUGH = 20  # separate windows, before anything is claimed
SETTLED = 30  # separate windows, before a rule is called useless
USEFUL = 0.65  # a rule that beats the usual less often than that is not worth being woken for
Z95 = NormalDist().inv_cdf(0.975)


class Verdict(StrEnum):
    """What may be said."""

    FEW = "few"  # not enough to say
    MORE = "more"  # the lower bound is above one half
    LESS = "less"  # the upper bound is below one half
    UNCLEAR = "unclear"  # chance would do


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """One firing: what followed it, and what followed its matched moments."""

    ts: int
    move: float
    controls: Sequence[Move]
    direction: int = 0  # +1, -1: which way the rule looks; 0: none


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """How often a firing beats the median of its matched moments, with a 95 % interval."""

    value: float
    low: float
    high: float
    verdict: Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Lift:
    """What followed the firings of a rule within one horizon."""

    horizon: int
    n: int  # firings that could be measured
    windows: int  # of these with horizons that do not overlap: what the shares rest on
    controls: int  # matched moments whose horizons do not overlap
    moved: float  # median size of the move, as a fraction
    usual: float  # the same of the matched moments
    size: Share  # moved more than usual, either way
    drift: float | None = None  # median move in the direction of the rule
    usual_drift: float | None = None
    toward: Share | None = None  # moved farther in the direction of the rule than usual


def wilson(wins: float, n: float, z: float = Z95) -> tuple[float, float]:
    """The Wilson interval of a share; (0, 1) of nothing."""
    if n <= 0:
        return 0.0, 1.0
    share = wins / n
    middle = share + z * z / (2 * n)
    spread = z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    whole = 1 + z * z / n
    return max(0.0, (middle - spread) / whole), min(1.0, (middle + spread) / whole)


def quantile(tests: int) -> float:
    """The z that keeps `tests` intervals together at 95 %: who looks at six may be fooled by none of them."""
    return NormalDist().inv_cdf(1 - 0.025 / max(1, tests))


def separate(times: Sequence[int], horizon: int) -> list[int]:
    """Places of rising `times` such that each comes at least one horizon after the one before."""
    kept: list[int] = []
    for place, ts in enumerate(times):
        if not kept or ts - times[kept[-1]] >= horizon:
            kept.append(place)
    return kept


def lift(
    outcomes: Sequence[Outcome], horizon: int, *, tests: int = 1, n: int | None = None
) -> Lift | None:
    """What followed within one horizon; None where no firing has enough matched moments.

    `tests`: how many shares are looked at together. `n`: of how many firings, where `outcomes` are chosen ones.
    """
    usable = sorted((o for o in outcomes if len(o.controls) >= FEWEST), key=lambda o: o.ts)
    if not usable:
        return None
    alone = [usable[i] for i in separate([o.ts for o in usable], horizon)]
    moments = sorted({ts for each in alone for ts, _move in each.controls})
    weight = _Weight(len(alone), len(separate(moments, horizon)), quantile(tests))
    sizes = [(abs(o.move), [abs(move) for _ts, move in o.controls]) for o in alone]
    aimed = [
        (o.move * o.direction, [move * o.direction for _ts, move in o.controls])
        for o in alone if o.direction
    ]  # fmt: skip
    directed = len(aimed) == len(alone)
    return Lift(
        horizon=horizon, n=len(usable) if n is None else n, windows=len(alone), controls=weight.controls,
        moved=median(size for size, _usual in sizes),
        usual=median(x for _size, usual in sizes for x in usual),
        size=weight.share(sizes),
        drift=median(move for move, _usual in aimed) if directed else None,
        usual_drift=median(x for _move, usual in aimed for x in usual) if directed else None,
        toward=weight.share(aimed) if directed else None,
    )  # fmt: skip


def is_useless(lifts: Sequence[Lift]) -> bool:
    """Whether, at every horizon, even the best that is likely would not be worth a message."""
    shares = [share for each in lifts for share in (each.size, each.toward) if share is not None]
    return (
        bool(lifts)
        and all(each.windows >= SETTLED for each in lifts)
        and all(share.high < USEFUL and share.low <= HALF for share in shares)
    )


@dataclass(frozen=True, slots=True)
class _Weight:
    """How much a share is worth: `windows` firings against `controls` matched moments."""

    windows: int
    controls: int
    z: float

    def share(self, pairs: Sequence[tuple[float, Sequence[float]]]) -> Share:
        value = sum(_beats(move, usual) for move, usual in pairs) / len(pairs)
        n = self.windows * self.controls / (self.windows + self.controls)
        low, high = wilson(value * n, n, self.z)
        return Share(value=value, low=low, high=high, verdict=self._verdict(low, high))

    def _verdict(self, low: float, high: float) -> Verdict:
        if self.windows < ENOUGH:
            return Verdict.FEW
        if low > HALF:
            return Verdict.MORE
        return Verdict.LESS if high < HALF else Verdict.UNCLEAR


def _beats(move: float, usual: Sequence[float]) -> float:
    """1 above the median of the usual moves, 0 below, a half on it."""
    middle = median(usual)
    return HALF if move == middle else float(move > middle)
