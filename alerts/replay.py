"""Samples of the past through the engine of live alerts, in the order in which they became known."""

from collections.abc import Callable, Sequence
from heapq import merge
from operator import itemgetter

from alerts.fast.engine import Engine
from alerts.fast.fired import Fired
from alerts.past import Past
from alerts.types import AlertState, Condition, Metric, Repeat, Sample

RULE = 0  # the number of the one rule in its engine


def replay(
    condition: Condition,
    past: Past,
    *,
    repeat: Repeat,
    cooldown: int,
    subjects: Sequence[str] = (),
    fresh: Callable[[Metric], int],
) -> list[Fired]:
    """What a rule that was armed at `past.start` would have done by `past.end`.

    At one moment the figures come in the order of their metrics. What a timer does is done before the samples
    of a later moment are known, as live.
    """
    engine = Engine(fresh=fresh)
    states = [
        AlertState(rule_id=RULE, subject=each, last_ts=past.start - 1) for each in subjects or ("",)
    ]
    engine.add(RULE, condition, repeat=repeat, cooldown=cooldown, states=states, subjects=subjects)
    fired: list[Fired] = []
    now = 0
    rows = [_row(metric, past.samples[metric]) for metric in sorted(past.samples)]
    for ts, metric, sample in merge(*rows, key=itemgetter(0)):
        if ts > past.end:
            break
        if ts > now:
            fired += engine.turn(ts - 1)
            now = ts
        fired += engine.take(metric, sample)
    fired += engine.turn(past.end)
    return fired


def _row(metric: Metric, samples: Sequence[Sample]) -> list[tuple[int, Metric, Sample]]:
    return [(sample.ts, metric, sample) for sample in samples]
