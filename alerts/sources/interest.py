"""Open interest over venues: levels where every venue is known, changes over the venues known at both ends."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from alerts.flow import rebased
from alerts.interest import OLD, STEP, InterestSamples, Rows, amount_at
from alerts.sources.base import Subjects, named
from alerts.types import Metric, Sample
from analytics import interest
from exchanges.hub import Market, settle
from market.errors import SourceUnavailable
from market.language import _
from market.types import MINUTE, Instrument, Reading

COINS, DOLLARS = "open_interest", "open_interest_usd"
EVERY = 15_000  # market ms between two questions
FRESH = 15 * MINUTE


class InterestSource:
    """Looks at open interest, kept, and the venues' histories."""

    names = frozenset({COINS, DOLLARS})

    def __init__(self, market: Market, subjects: Subjects) -> None:
        self._market, self._subjects = market, subjects
        self._looks = InterestSamples(market)
        self._venues: dict[Metric, tuple[str, ...]] = {}
        self._changed: dict[Metric, int] = {}

    @property
    def bad(self) -> int:
        """Amounts that were not believed."""
        return self._looks.bad

    def every(self, metric: Metric) -> int:
        """Venues tell it every few seconds at best."""
        return EVERY

    def fresh(self, metric: Metric) -> int:
        """As old as an amount may be."""
        return FRESH

    async def samples(self, metric: Metric, since_ts: int, now: int) -> list[Sample]:
        """Levels since `since_ts`; of a change also those a window back."""
        instruments = self._subjects.instruments(metric)
        dollars = metric.name == DOLLARS
        found = await self._looks.samples(metric, instruments, since_ts, now, dollars=dollars)
        unit = "USD" if dollars else instruments[0].base
        found = [_in(each, unit) for each in found]
        if metric.window:
            return found
        venues = tuple(each.key for each in instruments)
        if self._venues.setdefault(metric, venues) != venues:  # one more venue is no rise
            self._changed[metric], self._venues[metric] = now, venues
        return rebased(found, since_ts) if 0 < since_ts < self._changed.get(metric, 0) else found

    async def past(self, metric: Metric, from_ts: int, to_ts: int) -> list[Sample]:
        """Every five minutes over the venues that publish their past; dollars at the price of now."""
        instruments = self._subjects.instruments(metric)
        start = from_ts - metric.window - OLD
        found, errors = await settle(
            {
                i.key: self._market.open_interest_history(
                    i, step=STEP, start=start // STEP * STEP, end=to_ts + 1
                )
                for i in instruments
            }
        )
        rows = {
            key: interest.usable([(each.ts, each.amount) for each in history])
            for key, history in found.items()
            if history
        }
        rows = {key: each for key, each in rows.items() if each and each[0][0] <= from_ts}
        if not rows:
            why = next((e.reason for e in errors.values()), _("no history so far back"))
            raise SourceUnavailable(_("Open interest"), why)
        price = await self._price(instruments) if metric.name == DOLLARS else 1.0
        unit = "USD" if metric.name == DOLLARS else instruments[0].base
        first = from_ts - metric.window if metric.window else from_ts
        return summed(rows, first, to_ts, price=price, unit=unit)

    async def _price(self, instruments: Sequence[Instrument]) -> float:
        tickers, errors = await settle({i.key: self._market.ticker(i) for i in instruments})
        for each in tickers.values():
            return each.last
        raise next(iter(errors.values()), SourceUnavailable(named(""), _("no price")))


def summed(
    rows: Mapping[str, Rows], from_ts: int, to_ts: int, *, price: float, unit: str
) -> list[Sample]:
    """The sum at each time of (from_ts, to_ts] at which every venue of `rows` is known."""
    times = sorted({ts for each in rows.values() for ts, _amount in each if from_ts < ts <= to_ts})
    venues = tuple(key.partition(":")[0] for key in rows)
    found = []
    for ts in times:
        amounts = [amount_at(each, ts, OLD) for each in rows.values()]
        known = [each for each in amounts if each is not None]
        if len(known) == len(amounts):
            value = sum(known) * price
            reading = Reading(value=value, as_of=ts, venues=venues, n=len(venues), unit=unit)
            found.append(Sample(ts=ts, value=value, reading=reading))
    return found


def _in(sample: Sample, unit: str) -> Sample:
    if sample.reading is None:
        return sample
    return replace(sample, reading=replace(sample.reading, unit=unit))
