"""Open interest over venues as samples: levels only where every venue is known, changes over the same venues.

In a sum a venue that is away looks like a fall, and one that comes back like a rise; neither may fire.
"""

import statistics
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from alerts.types import Metric, Sample
from analytics import interest
from exchanges.hub import Market, settle
from market.errors import SourceUnavailable
from market.language import _
from market.types import (
    EXCHANGE_NAMES,
    HOUR,
    MINUTE,
    Instrument,
    OpenInterest,
    Reading,
)

STEP = 5 * MINUTE  # of histories
OLD = 15 * MINUTE  # an amount older than this is not known any more
KEPT = 3000  # own looks per instrument before older ones are thinned out
FINE = HOUR  # so long back every look is used, before that one a minute
LONGEST = 26 * HOUR

Rows = list[tuple[int, float]]


class InterestSamples:
    """Looks at open interest, kept, and the venues' histories where there was no look."""

    def __init__(self, market: Market) -> None:
        self._market = market
        self._looks: dict[str, Rows] = defaultdict(list)
        self._past: dict[str, Rows] = {}
        self._past_from: dict[str, int] = {}
        self._bad: set[tuple[str, int]] = set()

    @property
    def bad(self) -> int:
        """Amounts that were not believed."""
        return len(self._bad)

    async def samples(
        self,
        metric: Metric,
        instruments: Sequence[Instrument],
        since_ts: int,
        now: int,
        *,
        dollars: bool,
    ) -> list[Sample]:
        """Levels since `since_ts`; with a window also those a window back, which changes are measured from."""
        current, errors = await settle({i.key: self._market.open_interest(i) for i in instruments})
        for key, each in current.items():
            self._keep(key, each)
        start = max(min(since_ts or now, now) - metric.window - STEP * 2, now - LONGEST)
        for i in instruments:
            await self._fetch_past(i, start, now)
        rows = {i.key: self._rows(i.key, start - OLD) for i in instruments}
        reasons = {key: error.reason for key, error in errors.items()}
        price = await self._price(current.values()) if dollars else 1.0
        found = (
            self._changing(metric, rows, start, now)
            if metric.window
            else self._levels(rows, since_ts, now)
        )
        if not found:
            raise SourceUnavailable(_("Open interest"), _missing(instruments, rows, reasons, now))
        return [_sample(ts, amount * price, names, now) for ts, amount, names in found]

    def _keep(self, key: str, each: OpenInterest) -> None:
        looks = self._looks[key]
        if looks and each.ts <= looks[-1][0]:
            return
        looks.append((each.ts, each.amount))
        if len(looks) > KEPT:
            times = set(_thinned([ts for ts, _amount in looks], each.ts - FINE))
            oldest = each.ts - LONGEST
            self._looks[key] = [row for row in looks if row[0] in times and row[0] >= oldest]

    async def _fetch_past(self, instrument: Instrument, start: int, now: int) -> None:
        """The venue's history from `start` to the first own look, once."""
        key = instrument.key
        looks = self._looks[key]
        reached = self._past_from.get(key)
        if reached is not None and reached <= start:
            return
        end = looks[0][0] if looks else now
        if end - start < STEP:
            return
        found, _errors = await settle(
            {
                key: self._market.open_interest_history(
                    instrument, step=STEP, start=start // STEP * STEP, end=end
                )
            }
        )
        if key in found:
            self._past[key] = [(each.ts, each.amount) for each in found[key]]
            self._past_from[key] = start

    def _rows(self, key: str, start: int) -> Rows:
        raw = [each for each in (*self._past.get(key, ()), *self._looks[key]) if each[0] >= start]
        kept = interest.usable(raw)
        believed = {ts for ts, _amount in kept}
        self._bad |= {(key, ts) for ts, _amount in raw if ts not in believed}
        return kept

    def _levels(
        self, rows: Mapping[str, Rows], since: int, now: int
    ) -> list[tuple[int, float, tuple[str, ...]]]:
        """The sum at each time since then at which every venue is known, and at the last one before."""
        times = sorted({ts for each in rows.values() for ts, _amount in each if ts <= now})
        fresh = [ts for ts in times if ts > since]
        wanted = fresh[-400:] or times[-1:]
        found = [(ts, _sum(rows, ts, OLD)) for ts in wanted]
        names = tuple(key.partition(":")[0] for key in rows)
        return [(ts, amount, names) for ts, amount in found if amount is not None]

    def _changing(
        self, metric: Metric, rows: Mapping[str, Rows], start: int, now: int
    ) -> list[tuple[int, float, tuple[str, ...]]]:
        """The sum over those venues that are known at both ends of the window."""
        limit = min(interest.TOLERANCE, max(metric.window // 2, MINUTE))
        both = {
            key: each
            for key, each in rows.items()
            if amount_at(each, now, OLD) is not None
            and amount_at(each, now - metric.window, limit) is not None
        }
        if not both:
            return []
        names = tuple(key.partition(":")[0] for key in both)
        times = sorted({ts for each in both.values() for ts, _amount in each if start <= ts <= now})
        found = [(ts, _sum(both, ts, OLD)) for ts in _thinned(times, now - FINE)]
        return [(ts, amount, names) for ts, amount in found if amount is not None]

    async def _price(self, known: Iterable[OpenInterest]) -> float:
        """Dollars of one coin now, the same for the whole series: coins are what is measured."""
        every = list(known)
        marks = [o.value / o.amount for o in every if o.value is not None and o.amount > 0]
        if marks:
            return statistics.median(marks)
        for each in every:
            return (await self._market.ticker(each.instrument)).last
        raise SourceUnavailable(_("Open interest"), _("no venue answers"))


def amount_at(rows: Rows, ts: int, tolerance: int) -> float | None:
    """The newest amount that is not after `ts` and at most `tolerance` older."""
    place = bisect_right(rows, (ts, float("inf"))) - 1
    if place < 0 or ts - rows[place][0] > tolerance:
        return None
    return rows[place][1]


def _sum(rows: Mapping[str, Rows], ts: int, tolerance: int) -> float | None:
    amounts = [amount_at(each, ts, tolerance) for each in rows.values()]
    known = [each for each in amounts if each is not None]
    return sum(known) if len(known) == len(amounts) else None


def _thinned(times: Sequence[int], fine: int) -> list[int]:
    """All times since `fine`, before that one a minute."""
    kept: dict[int, int] = {ts // MINUTE: ts for ts in times if ts < fine}
    return [*kept.values(), *(ts for ts in times if ts >= fine)]


def _sample(ts: int, value: float, names: tuple[str, ...], now: int) -> Sample:
    return Sample(
        ts=ts, value=value, reading=Reading(value=value, as_of=ts, venues=names, n=len(names))
    )


def _missing(
    instruments: Sequence[Instrument],
    rows: Mapping[str, Rows],
    reasons: Mapping[str, str],
    now: int,
) -> str:
    absent = [
        f"{EXCHANGE_NAMES[i.exchange]} ({reasons.get(i.key) or _('not known yet')})"
        for i in instruments
        if amount_at(rows[i.key], now, OLD) is None
    ]
    if not absent:
        return _("not known so far back yet")
    return _("waiting for {venues}").format(venues=", ".join(absent))
