"""How often a volume alert would have fired: the real engine over candles of the past."""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from alerts.engine import evaluate
from alerts.types import AlertRule, AlertState, Sample
from analytics.volume import LOOKBACK
from market.types import Candle


@dataclass(frozen=True, slots=True, kw_only=True)
class Rehearsal:
    """What came of it. `gap` is the median time between two firings."""

    count: int
    span: int  # ms looked at
    gap: int | None = None


def rehearse(rule: AlertRule, candles: Sequence[Candle], step: int) -> Rehearsal | None:
    """Firings over closed candles without holes; None where there are too few to say anything."""
    closed = [c for c in candles if c.closed and math.isfinite(c.volume) and c.volume >= 0]
    samples: list[Sample] = []
    total = math.fsum(c.volume for c in closed[:LOOKBACK])
    for i in range(LOOKBACK, len(closed)):
        end = closed[i].ts + step
        if total > 0:
            ratio = closed[i].volume / (total / LOOKBACK)
            samples.append(Sample(ts=end, value=ratio, bar_ts=closed[i].ts))
        total += closed[i].volume - closed[i - LOOKBACK].volume
    if len(samples) < LOOKBACK:
        return None
    _state, signals = evaluate(rule, AlertState(rule_id=0), samples, samples[-1].ts)
    times = [signal.sample.ts for signal in signals]
    gaps = [b - a for a, b in pairwise(times)]
    return Rehearsal(
        count=len(times),
        span=samples[-1].ts - samples[0].ts,
        gap=round(statistics.median(gaps)) if gaps else None,
    )
