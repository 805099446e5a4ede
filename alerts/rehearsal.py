"""How often a rule would have fired, and what followed: its own condition over the past, through the live engine.

A figure whose past is not kept cannot be rehearsed, and that is said; nothing is counted that was not looked at.
"""

import asyncio
import statistics
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Protocol

from alerts.conditions import about, metrics_of
from alerts.direction import direction
from alerts.past import Figures, NotKept, Past, read_past
from alerts.replay import replay
from alerts.types import (
    ANYTHING,
    WATCHED,
    Condition,
    Metric,
    Repeat,
    Sample,
)
from analytics.followed import HORIZONS, Closes, matched
from analytics.lift import Lift, Outcome, lift, separate
from market.clock import Clock
from market.errors import SourceError
from market.language import _
from market.types import DAY, MINUTE, TIMEFRAMES, Candle, Instrument

DAYS = 30
PATIENCE = 1.0  # wall seconds for the prices that followed
MARKETS = 8  # of a rule over many that are looked at
SCORED = 200  # firings whose aftermath is looked at, the newest
ROUGH, COARSE = "5m", "15m"  # candles that tell what followed where the rule knows no prices itself
PRICE = "price"


class Candles(Protocol):
    """What a rehearsal needs of `exchanges.hub.Market`."""

    async def candles(
        self, instrument: Instrument, timeframe: str, limit: int = 300, end: int | None = None
    ) -> list[Candle]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Rehearsal:
    """What came of it. `gap` is the median time between two firings; moments are market ms."""

    count: int
    span: int  # ms looked at
    gap: int | None = None
    end: int = 0
    cut: bool = False  # the past goes back less far than was asked for
    busiest: tuple[int, int] | None = None  # start of the UTC day with most firings, and how many
    times: tuple[int, ...] = ()
    values: tuple[float, ...] = ()
    subjects: tuple[str, ...] = ()  # of each firing
    followed: tuple[Lift, ...] = ()  # one for each horizon that could be measured
    unmeasured: str = ""  # why nothing is said of what followed
    made_of: tuple[str, ...] = ()  # "1m candles"
    markets: int = 1  # looked at
    of_markets: int = 1  # that the rule is about


@dataclass(frozen=True, slots=True, kw_only=True)
class NotRehearsed:
    """Why there is no count."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Firings:
    """When a rule fired, over all its subjects and for each of them."""

    times: tuple[int, ...]
    values: tuple[float, ...]
    subjects: tuple[str, ...]
    by_subject: Mapping[str, tuple[int, ...]]


class Rehearser:
    """Rehearses rules of any kind over what is kept of the past."""

    def __init__(self, figures: Figures, candles: Candles, clock: Clock) -> None:
        self._figures, self._candles, self._clock = figures, candles, clock

    async def rehearse(
        self,
        condition: Condition,
        repeat: Repeat,
        cooldown: int,
        subjects: Sequence[str] = (),
        *,
        days: int = DAYS,
    ) -> Rehearsal | NotRehearsed:
        """The rule as if it had been armed `days` ago, or as far back as the past of its figures goes."""
        if WATCHED in subjects or ANYTHING in subjects:
            return NotRehearsed(reason=_("name the coins to see how often it would have fired"))
        chosen = tuple(subjects[:MARKETS])
        past = await read_past(self._figures, condition, chosen, self._clock.now(), days)
        if isinstance(past, NotKept):
            return NotRehearsed(reason=past.reason)
        firings = await asyncio.to_thread(
            fired_in, condition, past, repeat=repeat, cooldown=cooldown, subjects=chosen,
            fresh=self._figures.fresh,
        )  # fmt: skip
        followed, why = await self._followed(condition, past, firings)
        made_of = {_made_of(metric, rows) for metric, rows in past.samples.items()}
        return replace(
            _counted(firings, past), followed=followed, unmeasured=why,
            made_of=tuple(sorted(made_of - {""})), markets=len(chosen) or 1,
            of_markets=len(subjects) or 1,
        )  # fmt: skip

    async def _followed(
        self, condition: Condition, past: Past, firings: Firings
    ) -> tuple[tuple[Lift, ...], str]:
        """What followed the firings, or why that is not known."""
        if not firings.times:
            return (), ""
        closes: dict[str, Closes] = {}
        try:
            async with asyncio.timeout(PATIENCE):
                for subject in firings.by_subject:
                    found = await self._closes(about(condition, subject), past)
                    if found is not None:
                        closes[subject] = found
        except SourceError as error:
            return (), error.reason
        except TimeoutError:
            return (), _("the prices did not come in time")
        if not closes:
            return (), _("there is no price to follow")
        lifts = await asyncio.to_thread(lifts_of, firings.by_subject, closes, direction(condition))
        return lifts, "" if lifts else _("too little history to compare with")

    async def _closes(self, condition: Condition, past: Past) -> Closes | None:
        """Prices of what the rule is about; None where it is about no market."""
        metrics = metrics_of(condition)
        for metric in metrics:
            if metric.name == PRICE and not metric.timeframe:
                rows = past.samples[metric]
                return Closes({s.ts + 1: s.value for s in rows}, _spacing(rows))
        found = [i for m in metrics for i in self._figures.instruments(m)]
        if not found:
            return None
        finest = min(TIMEFRAMES.get(metric.timeframe, 0) for metric in metrics)
        timeframe = COARSE if finest >= TIMEFRAMES[COARSE] else ROUGH
        step = TIMEFRAMES[timeframe]
        count = (past.end - past.start) // step + 2
        return Closes.of(await self._candles.candles(found[0], timeframe, count), step)


def fired_in(
    condition: Condition,
    past: Past,
    *,
    repeat: Repeat,
    cooldown: int,
    subjects: Sequence[str],
    fresh: Callable[[Metric], int],
) -> Firings:
    """The firings of a rule over the past, by the engine."""
    fired = replay(
        condition, past, repeat=repeat, cooldown=cooldown, subjects=subjects, fresh=fresh
    )
    by_subject: dict[str, list[int]] = defaultdict(list)
    for each in fired:
        by_subject[each.subject].append(each.state.fired_ts)
    return Firings(
        times=tuple(each.state.fired_ts for each in fired),
        values=tuple(each.value for each in fired),
        subjects=tuple(each.subject for each in fired),
        by_subject={subject: tuple(times) for subject, times in by_subject.items()},
    )


def lifts_of(
    by_subject: Mapping[str, Sequence[int]], closes: Mapping[str, Closes], way: int
) -> tuple[Lift, ...]:
    """What followed firings within each horizon, against what follows at the same time of other days."""
    tests = len(HORIZONS) * (2 if way else 1)
    found: list[Lift] = []
    for horizon in HORIZONS:
        outcomes: list[Outcome] = []
        measured = 0
        for subject, times in by_subject.items():
            if (prices := closes.get(subject)) is None:
                continue
            newest = times[-SCORED:]
            measured += sum(prices.move(ts, horizon) is not None for ts in newest)
            for place in separate(newest, horizon):
                ts = newest[place]
                if (move := prices.move(ts, horizon)) is not None:
                    moves = matched(prices, ts, horizon, others=times, seed=(ts, horizon))
                    outcomes.append(Outcome(ts=ts, move=move, controls=moves, direction=way))
        if (made := lift(outcomes, horizon, tests=tests, n=measured)) is not None:
            found.append(made)
    return tuple(found)


def _counted(firings: Firings, past: Past) -> Rehearsal:
    times = sorted(firings.times)
    gaps = [b - a for a, b in pairwise(times)]
    days = Counter(ts // DAY * DAY for ts in times).most_common(1)
    return Rehearsal(
        count=len(times), span=past.end - past.start, end=past.end, cut=past.cut,
        gap=round(statistics.median(gaps)) if gaps else None,
        busiest=days[0] if days else None, times=firings.times, values=firings.values,
        subjects=firings.subjects,
    )  # fmt: skip


def _made_of(metric: Metric, samples: Sequence[Sample]) -> str:
    """Which candles tell the past of a metric; "" where it is no candles."""
    name = metric.timeframe
    if metric.name == PRICE and not name:
        step = _spacing(samples)
        name = next((each for each, length in TIMEFRAMES.items() if length == step), "")
    return _("{timeframe} candles").format(timeframe=name) if name else ""


def _spacing(samples: Sequence[Sample]) -> int:
    """The usual time between two samples, in whole minutes."""
    gaps = [b.ts - a.ts for a, b in pairwise(samples)]
    return max(MINUTE, round(statistics.median(gaps) / MINUTE) * MINUTE) if gaps else MINUTE
