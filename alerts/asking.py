"""Figures that somebody has to ask for: those that are due and that no stream carries, or of one rule at once."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence

from alerts.conditions import leaves, metrics_of
from alerts.known import Known
from alerts.legs import leg_of
from alerts.metrics import Delisted, Metrics
from alerts.types import Condition, Look, Metric, Sample
from market.errors import SourceError
from market.language import _
from market.types import MINUTE

PATIENCE = 10.0  # wall seconds for one metric
AT_ONCE = 16  # metrics asked for at the same time
HOLE = 3 * MINUTE  # between two looks: what became true in it is late
RECENT = 20_000  # market ms a sample may be old to be shown again
MISSED = 2_000  # reasons remembered


class Asking:
    """When each figure is asked for, and what was answered. All moments are market ms.

    `remade` is told of a figure that is made of other venues than before, ahead of its new samples.
    """

    def __init__(
        self, metrics: Metrics, known: Known, remade: Callable[[Metric], Awaitable[None]]
    ) -> None:
        self._metrics, self._known, self._remade = metrics, known, remade
        self.started = 0  # what came before is late
        self._due: dict[Metric, int] = {}  # of the next question
        self._carried: set[Metric] = set()  # by the streams, at the last round
        self._parts: dict[Metric, tuple[str, ...]] = {}  # venues that a change is measured over
        self._missed: dict[Metric, str] = {}  # why a figure was not known when somebody looked

    def follow(self, new: Iterable[Metric], gone: Iterable[Metric]) -> None:
        """Rules are about these from now on, and about those no more."""
        for metric in new:
            self._due[metric] = 0
        for metric in gone:
            self._due.pop(metric, None)
            self._parts.pop(metric, None)

    def all_due(self) -> None:
        """The next round asks for everything."""
        self._due.clear()

    async def round(self, metrics: frozenset[Metric], now: int) -> dict[Metric, str]:
        """Ask for those that are due and that no stream carries now; which have gone from their market, and why."""
        due = [m for m in metrics if self._due.get(m, 0) <= now]
        # What the streams carry again is asked for once more: nobody saw the moments before they did.
        live = {m for m in due if m in self._known.looked and self._metrics.is_live(m, now)}
        wanted = [m for m in due if m not in live or m not in self._carried]
        self._carried = (self._carried - set(due)) | live
        gone: dict[Metric, str] = {}

        async def one(metric: Metric) -> None:
            await self._one(metric, now, gone)

        await _side_by_side(one, wanted)
        for metric in due:
            self._due[metric] = now + self._metrics.every(metric)
        return gone

    async def _one(self, metric: Metric, now: int, gone: dict[Metric, str]) -> None:
        looked = self._known.looked
        since = looked.get(metric) or self._known.since.get(metric, now)
        hole = metric in looked and now - since > HOLE  # nobody looked for a while
        try:
            async with asyncio.timeout(PATIENCE):
                samples = await self._metrics.samples(metric, since, now)
        except Delisted as error:
            gone[metric] = error.reason
        except SourceError as error:
            self._known.lose(metric, f"{error.source}: {error.reason}")
        except TimeoutError:
            self._known.lose(metric, _("no answer in time"))
        else:
            await self._same_parts(metric, samples)
            for sample in samples:
                start = sample.ts if sample.since is None else sample.since
                late = start < self.started or (hole and sample.ts < now - MINUTE)
                self._known.give(metric, sample, late=late)
            looked[metric] = now

    async def _same_parts(self, metric: Metric, samples: Sequence[Sample]) -> None:
        """A change is measured within one sum: when a venue comes or goes, its past is that of the new sum."""
        reading = samples[-1].reading if samples else None
        if not metric.window or reading is None:
            return
        before = self._parts.get(metric)
        self._parts[metric] = reading.venues
        if before is not None and before != reading.venues:
            await self._remade(metric)

    def problem(self, metric: Metric) -> str:
        """Why a figure is not known now, or was not at the last look; "" where it is."""
        return self._known.problems.get(metric, self._missed.get(metric, ""))

    async def look(self, conditions: Sequence[Condition], now: int) -> Look:
        """Every leaf of these with its figure now."""
        metrics = list(dict.fromkeys(m for c in conditions for m in metrics_of(c)))
        samples: dict[Metric, list[Sample]] = {}
        problems: dict[Metric, str] = {}

        async def one(metric: Metric) -> None:
            found = await self._newest(metric, now)
            if isinstance(found, str):
                problems[metric] = found
            else:
                samples[metric] = found

        await _side_by_side(one, metrics)
        if len(self._missed) > MISSED:
            self._missed.clear()
        for metric in samples:
            self._missed.pop(metric, None)
        self._missed |= problems
        legs = [
            leg_of(leaf, samples.get(leaf.metric, []))
            for condition in conditions
            for leaf in leaves(condition)
        ]
        return Look(
            legs=tuple(legs), problems=tuple(dict.fromkeys(problems.values())), samples=samples
        )

    async def _newest(self, metric: Metric, now: int) -> list[Sample] | str:
        """A figure as it is now, with a window's past; or why it is not known."""
        last = self._known.latest.get(metric)
        if last is not None and not metric.window and 0 <= now - last.ts <= RECENT:
            return [last]
        try:
            async with asyncio.timeout(PATIENCE):
                found = await self._metrics.samples(metric, now, now)
        except SourceError as error:
            return f"{error.source}: {error.reason}"
        except TimeoutError:
            return _("no answer in time")
        return found or _("nothing known yet")


async def _side_by_side(
    one: Callable[[Metric], Awaitable[None]], metrics: Iterable[Metric]
) -> None:
    """Each of these, so many at a time."""
    turn = asyncio.Semaphore(AT_ONCE)

    async def in_turn(metric: Metric) -> None:
        async with turn:
            await one(metric)

    await asyncio.gather(*(in_turn(metric) for metric in metrics))
