"""Rules run as live: minute by minute over a market that shows only what existed then, through sources and engine."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import pytest

from alerts.fast.engine import Engine
from alerts.metrics import Metrics
from alerts.past import metrics_over
from alerts.types import AlertState, Condition, Metric, Repeat, Sample
from market.clock import FixedClock
from market.errors import SourceError
from market.types import MINUTE, TIMEFRAMES


@dataclass(frozen=True)
class Rule:
    """What is armed."""

    condition: Condition
    repeat: Repeat = Repeat.EVERY
    cooldown: int = 0
    subjects: tuple[str, ...] = ()

    @property
    def metrics(self) -> list[Metric]:
        return metrics_over(self.condition, self.subjects)


@dataclass(frozen=True, order=True)
class Told:
    """One firing."""

    ts: int
    rule: int
    subject: str
    value: float


class Steps(Protocol):
    """A market whose clock is moved by hand."""

    clock: FixedClock


async def live(
    market: Steps, rules: Sequence[Rule], start: int, end: int, step: int = MINUTE
) -> list[Told]:
    """What rules that are armed at `start` fire up to `end`, looked at each `step`."""
    anything: Any = market
    figures = Metrics(anything)
    engine = Engine(fresh=figures.fresh)
    for number, rule in enumerate(rules):
        subjects = rule.subjects or ("",)
        engine.add(
            number, rule.condition, repeat=rule.repeat, cooldown=rule.cooldown,
            states=[AlertState(rule_id=number, subject=s, last_ts=start) for s in subjects],
            subjects=rule.subjects,
        )  # fmt: skip
    looked: dict[Metric, int] = {}
    asked: dict[Metric, int] = {}
    fired = []
    for now in range(start, end + 1, step):
        market.clock.set(now)
        news: list[tuple[int, Metric, Sample]] = []
        for metric in sorted(engine.metrics()):
            bar = TIMEFRAMES.get(metric.timeframe, 1)
            if metric in asked and asked[metric] // bar == now // bar:
                continue  # no candle has closed since
            asked[metric] = now
            try:
                samples = await figures.samples(metric, looked.get(metric, now), now)
            except SourceError:
                engine.unknown(metric)
                continue
            since = looked.get(metric, 0 if metric.window else start)
            news += [(each.ts, metric, each) for each in samples if each.ts > since]
            looked[metric] = max([since, *(each.ts for each in samples)])
        for _ts, metric, sample in sorted(news, key=lambda row: row[:2]):
            fired += engine.take(metric, sample)
        fired += engine.turn(now)
    return [Told(each.state.fired_ts, each.rule_id, each.subject, each.value) for each in fired]


def assert_same(rehearsed: Sequence[Told], told: Sequence[Told]) -> None:
    """The same firings. Means that are seeded at different candles agree to a part in ten million."""
    mine, theirs = sorted(rehearsed), sorted(told)
    for one, other in zip(mine, theirs, strict=False):
        assert (one.ts, one.rule, one.subject) == (other.ts, other.rule, other.subject)
        assert one.value == pytest.approx(other.value, rel=1e-7)
    assert len(mine) == len(theirs)
