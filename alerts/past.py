"""The past of every figure of a rule, as far back as all of them are kept, read in slices within one patience."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from alerts.conditions import about, leaves, metrics_of
from alerts.types import Condition, Event, Metric, Sample
from market.errors import SourceError
from market.language import _
from market.types import DAY, MINUTE, TIMEFRAMES, Instrument

MOST = 20_000  # samples of one rehearsal: fourteen days of minutes
LEAST = 1_500  # of one of many figures
SLICE = 4_000  # samples asked for at once, the newest first: longer ones come from coarser candles
EDGE = 45 * MINUTE  # more than its window that a change looks back
PATIENCE = 2.0  # wall seconds


class Figures(Protocol):
    """What is needed of `alerts.metrics.Metrics`."""

    async def past_samples(self, metric: Metric, from_ts: int, to_ts: int) -> list[Sample]: ...
    def instruments(self, metric: Metric) -> list[Instrument]: ...
    def every(self, metric: Metric) -> int: ...
    def fresh(self, metric: Metric) -> int: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """Samples by metric, each row rising, as known up to `end`. From `start` on every figure is known."""

    start: int
    end: int
    samples: Mapping[Metric, Sequence[Sample]] = field(default_factory=dict)
    cut: bool = False  # it goes back less far than was asked for


@dataclass(frozen=True, slots=True, kw_only=True)
class NotKept:
    """Why there is no past to look at."""

    reason: str


@dataclass(slots=True, kw_only=True)
class _Row:
    """The past of one metric as far as it has come; `since` is where it begins."""

    metric: Metric
    sparse: bool  # its samples are events: a time without any is no time without a past
    samples: list[Sample] = field(default_factory=list)
    since: int | None = None
    problem: str = ""

    @property
    def start(self) -> int | None:
        """From when on the figure is known."""
        if self.sparse or self.since is None:
            return self.since
        return max(self.since, self.samples[0].ts) if self.samples else None


def metrics_over(condition: Condition, subjects: Sequence[str]) -> list[Metric]:
    """The metrics of a condition, of each subject where there are several."""
    every = [about(condition, subject) for subject in subjects] or [condition]
    return list(dict.fromkeys(metric for each in every for metric in metrics_of(each)))


async def read_past(
    figures: Figures, condition: Condition, subjects: Sequence[str], now: int, days: int
) -> Past | NotKept:
    """What is kept of every figure; the shortest of them says how far back that is."""
    events = {leaf.metric.name for leaf in leaves(condition) if isinstance(leaf, Event)}
    metrics = metrics_over(condition, subjects)
    rows = [_Row(metric=each, sparse=each.name in events) for each in metrics]
    most = max(LEAST, MOST // len(metrics))
    try:
        async with asyncio.timeout(PATIENCE):
            await asyncio.gather(*(_fill(figures, row, now, days, most) for row in rows))
    except TimeoutError:  # what has come by now is looked at
        for row in rows:
            row.problem = row.problem or _("its past did not come in time")
    starts: list[int] = []
    for row in rows:
        if row.start is None:
            return NotKept(reason=row.problem or _("nothing of its past is kept"))
        starts.append(row.start)
    if max(starts) >= now:
        return NotKept(reason=_("nothing of its past is kept"))
    return Past(
        start=max(starts), end=now, samples={row.metric: row.samples for row in rows},
        cut=max(starts) > now - days * DAY + DAY,
    )  # fmt: skip


async def _fill(figures: Figures, row: _Row, now: int, days: int, most: int) -> None:
    """Slices of the past, the newest first, until the days are over or nothing comes any more."""
    metric = row.metric
    step = TIMEFRAMES.get(metric.timeframe) or max(MINUTE, figures.every(metric))
    slice_ = max(SLICE * step - (metric.window + EDGE if metric.window else 0), DAY)
    first = now - min(days * DAY, most * step)
    while row.since is None or row.since > first:
        to = now if row.since is None else row.since
        since = max(first, to - slice_)
        try:
            found = await figures.past_samples(metric, since, to)
        except SourceError as error:
            row.problem = row.problem or error.reason
            return
        # A change comes with the window before its slice: there the older slice knows better.
        row.samples = [*found, *(each for each in row.samples if each.ts > to)]
        row.since = since
        if not found and not row.sparse:
            return
