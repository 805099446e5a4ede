"""How closely two coins move together: correlation of their log returns over closed hours both have."""

from collections.abc import Sequence

import numpy as np

from alerts.sources.base import Subjects, since, within
from alerts.types import Metric, Sample
from analytics.closed import is_sound
from analytics.correlation import WINDOW, aligned
from analytics.rows import Floats
from exchanges.hub import Market, settle
from market.errors import SourceUnavailable
from market.language import _
from market.types import MINUTE, TIMEFRAMES, Candle, Instrument, Reading

SLACK = 6
LATE_BARS = 2  # the newest common hour may be so many behind
LATE = 3 * MINUTE
MOST = 300


class CorrelationSource:
    """Pearson over the last 50 returns; never of prices."""

    names = frozenset({"correlation"})

    def __init__(self, market: Market, subjects: Subjects) -> None:
        self._market, self._subjects = market, subjects
        self._refused: set[tuple[str, int]] = set()

    @property
    def bad(self) -> int:
        """Candles that were not believed."""
        return len(self._refused)

    def every(self, metric: Metric) -> int:
        """A new value comes with each close."""
        return MINUTE

    def fresh(self, metric: Metric) -> int:
        """Until the next hour has closed, and could have come."""
        return TIMEFRAMES[metric.timeframe] + LATE

    async def samples(self, metric: Metric, since_ts: int, now: int) -> list[Sample]:
        """One for each common bar that closed after `since_ts`, and the newest one."""
        step = TIMEFRAMES[metric.timeframe]
        missed = min(max(0, (now - since_ts) // step) if since_ts else 0, MOST)
        made = await self._made(metric, WINDOW + 1 + missed + SLACK, now)
        if now - made[-1].ts > LATE_BARS * step:
            raise SourceUnavailable(_("Correlation"), _("the last common bar is old"))
        return since(made, since_ts)

    async def past(self, metric: Metric, from_ts: int, to_ts: int) -> list[Sample]:
        """The common bars that closed in (from_ts, to_ts]."""
        count = (to_ts - from_ts) // TIMEFRAMES[metric.timeframe] + WINDOW + 1 + SLACK
        return within(await self._made(metric, count, to_ts), from_ts, to_ts)

    async def _made(self, metric: Metric, count: int, until: int) -> list[Sample]:
        pair = self._pair(metric)
        end = None if until >= self._market.clock.now() else until
        found, errors = await settle(
            {i.key: self._market.candles(i, metric.timeframe, count, end) for i in pair}
        )
        for error in errors.values():
            raise error
        closes = [self._closes(i, metric.timeframe, found[i.key], until) for i in pair]
        made = correlated(metric, closes[0], closes[1], pair)
        if not made:
            text = _("needs {needed} common bars, has {count}")
            both = len(closes[0].keys() & closes[1].keys())
            why = text.format(needed=WINDOW + 1, count=both)
            raise SourceUnavailable(
                _("Correlation"), why if both <= WINDOW else _("the price did not move")
            )
        return made

    def _pair(self, metric: Metric) -> tuple[Instrument, Instrument]:
        """Both on one venue where there is one that has both."""
        mine, others = self._subjects.instruments(metric), self._subjects.perps(metric.param)
        by_venue = {each.exchange: each for each in others}
        for each in mine:
            if each.exchange in by_venue:
                return each, by_venue[each.exchange]
        return mine[0], others[0]

    def _closes(
        self, instrument: Instrument, timeframe: str, candles: Sequence[Candle], until: int
    ) -> dict[int, float]:
        step = TIMEFRAMES[timeframe]
        closed = [each for each in candles if each.closed and each.ts + step <= until]
        self._refused |= {(instrument.key, c.ts) for c in closed if not is_sound(c)}
        return {each.ts: each.close for each in closed if is_sound(each)}


def correlated(
    metric: Metric, a: dict[int, float], b: dict[int, float], pair: Sequence[Instrument]
) -> list[Sample]:
    """One sample for each bar that both have, from the 51st on."""
    step, times = TIMEFRAMES[metric.timeframe], sorted(a.keys() & b.keys())
    if len(times) <= WINDOW:
        return []
    x, y = (np.diff(np.log(prices)) for prices in aligned(a, b))
    venues = tuple(dict.fromkeys(each.exchange for each in pair))
    found = []
    for n in range(WINDOW, len(times)):
        value = _pearson(x[n - WINDOW : n], y[n - WINDOW : n])
        if value is None:
            continue
        end = times[n] + step
        reading = Reading(
            value=value, as_of=end, since=times[n - WINDOW] + step, window=WINDOW * step,
            n=WINDOW, venues=venues,
        )  # fmt: skip
        found.append(Sample(ts=end, value=value, bar_ts=times[n], reading=reading))
    return found


def _pearson(x: Floats, y: Floats) -> float | None:
    """None where one of them did not move."""
    x, y = x - x.mean(), y - y.mean()
    scale = float(np.sqrt(float(x @ x) * float(y @ y)))
    return float(x @ y) / scale if scale > 0 else None
