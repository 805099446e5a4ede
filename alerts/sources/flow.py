"""CVD over a window: as a share of what was traded, or as dollars per hour, at whole minutes."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import accumulate

from alerts.flow import FlowSamples, bought, rebased
from alerts.sources.base import Subjects
from alerts.types import Metric, Sample
from exchanges.hub import Market, settle
from exchanges.types import Capability
from market.errors import SourceUnavailable
from market.language import _
from market.types import DAY, HOUR, MINUTE, TIMEFRAMES, Candle, Instrument, Reading

SHARE, SLOPE = "cvd_share", "cvd_slope"
EVERY = 10_000  # market ms between two questions
FRESH = 5 * MINUTE
FINE = 2 * DAY  # a rehearsal of so long goes minute by minute, a longer one by five
HOLE = 10 * MINUTE  # without candles at the start of an answer: a quiet market

Prefix = tuple[list[int], list[float], list[float]]  # open ts, running delta, running value


class FlowSource:
    """Windowed CVD over the venues that are known for the whole window."""

    names = frozenset({SHARE, SLOPE})
    bad = 0

    def __init__(self, market: Market, subjects: Subjects) -> None:
        self._market, self._subjects = market, subjects
        self._flow = FlowSamples(market)
        self._venues: dict[Metric, tuple[str, ...]] = {}
        self._changed: dict[Metric, int] = {}  # when the venues of a metric changed last

    def every(self, metric: Metric) -> int:
        """A new value comes with each minute."""
        return EVERY

    def fresh(self, metric: Metric) -> int:
        """Some minutes late is not unknown yet."""
        return FRESH

    async def samples(self, metric: Metric, since_ts: int, now: int) -> list[Sample]:
        """One for each whole minute after `since_ts`, and the one at it.

        Whoever looked last before the venues changed has to learn the side anew.
        """
        instruments = self._subjects.instruments(metric)
        found = await self._flow.samples(metric, instruments, since_ts, now)
        venues = found[-1].reading.venues if found[-1].reading is not None else ()
        before = self._venues.get(metric)
        if before is not None and before != venues:
            self._changed[metric] = now
        self._venues[metric] = venues
        made = [_as(metric, each) for each in found]
        if 0 < since_ts < self._changed.get(metric, 0):
            return rebased(made, since_ts)
        return made

    async def past(self, metric: Metric, from_ts: int, to_ts: int) -> list[Sample]:
        """From candles that tell who bought, over the venues that have them."""
        timeframe = "1m" if to_ts - from_ts <= FINE or metric.window % (5 * MINUTE) else "5m"
        step, start = TIMEFRAMES[timeframe], from_ts - metric.window
        with_split = [i for i in self._subjects.instruments(metric) if self._has_split(i)]
        if not with_split:
            raise SourceUnavailable(_("Order flow"), _("no venue's candles tell who bought"))
        found, errors = await settle(
            {
                i.key: self._market.candles(i, timeframe, (to_ts - start) // step + 2, to_ts)
                for i in with_split
            }
        )
        rows = {i: found[i.key] for i in with_split if i.key in found}
        made = await asyncio.to_thread(flow_of, metric, rows, step, from_ts, to_ts)
        if not made:
            why = next((e.reason for e in errors.values()), _("no candles so far back"))
            raise SourceUnavailable(_("Order flow"), why)
        return made

    def _has_split(self, instrument: Instrument) -> bool:
        venue = self._market.venues.get(instrument.exchange)
        return venue is not None and Capability.TAKER_VOLUME in venue.capabilities


def flow_of(
    metric: Metric, rows: Mapping[Instrument, Sequence[Candle]], step: int, from_ts: int, to_ts: int
) -> list[Sample]:
    """One sample for each step of (from_ts, to_ts] at which the whole window is known of every venue of `rows`."""
    usable = {
        i: [c for c in candles if c.closed and c.taker_buy_volume is not None]
        for i, candles in rows.items()
    }
    reaching = {
        i: candles for i, candles in usable.items()
        if candles and candles[0].ts <= from_ts - metric.window + HOLE
    }  # fmt: skip
    if not reaching:
        return []
    prefixes = [_prefix(candles, step) for candles in reaching.values()]
    end = min(candles[-1].ts for candles in reaching.values()) + step
    venues = tuple(i.exchange for i in reaching)
    found = []
    for ts in range(from_ts // step * step + step, min(to_ts, end) + 1, step):
        parts = [_between(each, ts - metric.window, ts, step) for each in prefixes]
        delta, traded = sum(d for d, _v in parts), sum(v for _d, v in parts)
        if traded > 0:
            seen: Reading[float] = Reading(
                value=delta, unit="USD", as_of=ts, since=ts - metric.window, window=metric.window,
                venues=venues, n=len(venues),
            )  # fmt: skip
            sample = Sample(
                ts=ts, value=delta / traded, reading=seen,
                extra={"cvd": seen, "traded": replace(seen, value=traded)},
            )  # fmt: skip
            found.append(_as(metric, sample))
    return found


def _prefix(candles: Sequence[Candle], step: int) -> Prefix:
    """Running sums by slot; a slot without a candle had no trades."""
    by_slot = {c.ts: bought(c) for c in candles}
    slots = list(range(candles[0].ts, candles[-1].ts + step, step))
    pairs = [by_slot.get(ts, (0.0, 0.0)) for ts in slots]
    deltas = accumulate((2 * buys - traded for buys, traded in pairs), initial=0.0)
    values = accumulate((traded for _buys, traded in pairs), initial=0.0)
    return slots, list(deltas), list(values)


def _between(prefix: Prefix, since: int, until: int, step: int) -> tuple[float, float]:
    """(delta, traded) of the slots that open in [since, until)."""
    slots, deltas, values = prefix
    first = min(max(0, (since - slots[0]) // step), len(slots))
    last = min(max(0, (until - slots[0]) // step), len(slots))
    return deltas[last] - deltas[first], values[last] - values[first]


def _as(metric: Metric, sample: Sample) -> Sample:
    """The same look in the unit of the metric: a share, or dollars per hour from end to end."""
    reading = sample.reading
    if metric.name == SHARE or reading is None or reading.value is None:
        return sample
    per_hour = reading.value / (metric.window / HOUR)
    told = replace(reading, value=per_hour, note=_("per hour, from end to end of the window"))
    return replace(sample, value=per_hour, reading=told)
