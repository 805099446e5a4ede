"""Figures that the streams keep up: read once a second for each instrument that a rule is about.

A figure that is missing, stale, unsound or made of a window with a hole is no sample; its reason goes on instead.
Over several venues the known ones are added up; when one comes or goes the sum is a different one, and says so.
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from alerts.figures import Figure, Unit
from alerts.sources.base import STABLE, Subjects, named
from alerts.types import Metric, Sample
from analytics.state import SymbolState
from exchanges.hub import Market
from exchanges.streams.supervisor import Streams
from market.errors import SourceError, SourceUnavailable
from market.language import _
from market.types import HOUR, MINUTE, Instrument, Kind, Reading, Status

EVERY = 2_000  # market ms between two questions where no stream carries the figure
PRICE = "price"
RATE_AGE = 10 * MINUTE  # a rate of a currency is asked for again after that
LOOKS = 600  # samples of a price within the window of its change
MOVED = 0.0005  # of the price: so large a step is not waited for
BOOKISH = "imbalance"
OF_TRADES = frozenset({"turnover", "delta"})  # windows over trades: a hole makes them wrong
_KINDS = (Kind.OBSERVED, Kind.ESTIMATED, Kind.APPROX)

Answer = Sample | str  # a sample, or why there is none


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """One metric, the names of its readings, and the instruments it is of."""

    metric: Metric
    readings: tuple[str, ...]
    instruments: tuple[Instrument, ...]
    money: bool
    flow: bool


@dataclass(slots=True, kw_only=True)
class Plan:
    """What is asked for each second, worked out once for each set of metrics."""

    of: frozenset[Metric]
    at: int = 0
    rows: list[Wanted] = field(default_factory=list)


class Look:
    """One moment: the figures of each instrument, read once."""

    def __init__(self, streams: Streams | None, rows: Iterable[Wanted], now: int) -> None:
        self.now = now
        self._streams = streams
        self._names: dict[str, set[str]] = {}
        self._known: dict[str, tuple[SymbolState, Mapping[str, Reading[float]]] | None] = {}
        for row in rows:
            for each in row.instruments:
                self._names.setdefault(each.key, set()).update(row.readings)

    def of(self, instrument: Instrument) -> tuple[SymbolState, Mapping[str, Reading[float]]] | None:
        """The state and its figures; None where it is not streamed."""
        key = instrument.key
        if key not in self._known:
            state = self._streams.state(instrument) if self._streams is not None else None
            self._known[key] = (
                None if state is None else (state, state.figures(self.now, self._names[key]))
            )
        return self._known[key]


class LiveSource:
    """Reads `SymbolState`; `figures` are those of the desk."""

    def __init__(self, market: Market, subjects: Subjects, figures: Iterable[Figure]) -> None:
        self._market, self._subjects = market, subjects
        self._figures = {each.name: each for each in figures if each.reading is not None}
        self.names = frozenset(self._figures) - {PRICE}
        self.bad = 0  # values that are no numbers
        self._rates: dict[str, tuple[int, float | None]] = {}
        self._venues: dict[Metric, tuple[str, ...]] = {}  # that the last sum was made of
        self._prices: dict[Metric, tuple[int, float]] = {}  # of changes: the last sample
        self._plan = Plan(of=frozenset())

    @property
    def streams(self) -> Streams | None:
        """The live streams, where they run."""
        found: Streams | None = self._market.streams
        return found

    def every(self, metric: Metric) -> int:
        """Until the streams carry it."""
        return EVERY

    def fresh(self, metric: Metric) -> int:
        """As the figure says."""
        return self._figures[metric.name].fresh

    def is_live(self, metric: Metric, now: int) -> bool:
        """Whether the streams carry it now, so that nobody has to ask for it."""
        streams = self.streams
        if streams is None or metric.name not in self._figures:
            return False
        try:
            instruments = self._subjects.instruments(metric)
        except SourceError:
            return False
        states = [streams.state(each) for each in instruments]
        if metric.name == PRICE:
            return all(s is not None and s.figures(now, (PRICE,))[PRICE].known for s in states)
        if metric.name == BOOKISH:
            return all(s is not None and s.book is not None for s in states)
        return all(state is not None for state in states)

    async def samples(self, metric: Metric, since_ts: int, now: int) -> list[Sample]:
        """How it is now; has it streamed from now on."""
        instruments = self._subjects.instruments(metric)
        streams = self.streams
        if streams is None:
            raise SourceUnavailable(_source(instruments), _("the live streams are off here"))
        await streams.watch(instruments, book=metric.name == BOOKISH)
        await self.refresh({each.quote for each in instruments}, now)
        row = self._wanted(metric, instruments)
        found = self._answer(row, Look(streams, [row], now))
        if isinstance(found, str):
            raise SourceUnavailable(_source(instruments), found)
        return [found]

    async def past(self, metric: Metric, from_ts: int, to_ts: int) -> list[Sample]:
        """Live figures leave no trace."""
        name = _(self._figures[metric.name].shown)
        raise SourceError(
            _("Live figures"), _("{figure}: its past is not kept").format(figure=name)
        )

    async def refresh(self, quotes: Iterable[str], now: int) -> None:
        """Learn what the quote currencies that are no dollars are worth."""
        for quote in quotes:
            known = self._rates.get(quote)
            if quote in STABLE or (known is not None and now - known[0] < RATE_AGE):
                continue
            try:
                rate = (await self._market.usd_rate(quote)).value
            except SourceError:
                rate = None
            self._rates[quote] = (now, rate)

    def live(self, metrics: frozenset[Metric], now: int) -> Iterator[tuple[Metric, Answer]]:
        """Each of these that the streams carry, with its sample of this second or why there is none.

        A plain price is left out: its trades are told one by one.
        """
        if self._plan.of is not metrics or now - self._plan.at > MINUTE:
            self._plan = self._planned(metrics, now)
        look = Look(self.streams, self._plan.rows, now)
        for row in self._plan.rows:
            found = self._answer(row, look)
            if row.metric.name == PRICE and not self._is_due(row.metric, found):
                continue
            if isinstance(found, Sample) and found.reading is not None:
                self._venues[row.metric] = found.reading.venues  # what rules were judged by
            yield row.metric, found

    def snapshot(
        self, instrument: Instrument, metrics: Sequence[Metric], now: int
    ) -> dict[Metric, Answer]:
        """Several figures of one instrument at one moment."""
        rows = [self._wanted(each, [instrument]) for each in metrics]
        look = Look(self.streams, rows, now)
        return {row.metric: self._answer(row, look) for row in rows}

    def _planned(self, metrics: frozenset[Metric], now: int) -> Plan:
        plan = Plan(of=metrics, at=now)
        for metric in sorted(metrics):  # those of one instrument together
            if metric.name not in self._figures or (metric.name == PRICE and not metric.window):
                continue
            try:
                row = self._wanted(metric, self._subjects.instruments(metric))
            except SourceError:
                continue  # asking for it tells why
            plan.rows.append(row)
        return plan

    def _wanted(self, metric: Metric, instruments: Sequence[Instrument]) -> Wanted:
        figure = self._figures[metric.name]
        reading = figure.reading(metric) if figure.reading is not None else ""
        return Wanted(
            metric=metric, readings=tuple(reading.split("+")), instruments=tuple(instruments),
            money=figure.unit is Unit.MONEY, flow=metric.name in OF_TRADES,
        )  # fmt: skip

    def _answer(self, row: Wanted, look: Look) -> Answer:
        known: list[Reading[float]] = []
        absent: dict[str, str] = {}
        for each in row.instruments:
            found = self._of(each, row, look)
            if isinstance(found, str):
                absent[each.exchange] = found
            else:
                known.append(found)
        if not known:
            return _reasons(absent) if len(row.instruments) > 1 else next(iter(absent.values()), "")
        reading = known[0] if len(row.instruments) == 1 else _summed(known, absent)
        value = reading.value if reading.value is not None else math.nan
        rebased = self._venues.get(row.metric, reading.venues) != reading.venues
        return Sample(ts=look.now, value=value, rebased=rebased, reading=reading)

    def _of(self, instrument: Instrument, row: Wanted, look: Look) -> Reading[float] | str:
        """The figure on one venue, or why it is not known."""
        found = look.of(instrument)
        if found is None:
            return _("not streamed yet")
        state, figures = found
        if row.flow and state.flow.gaps(look.now - row.metric.window, look.now):
            return _("the feed was blind in between")
        parts = [figures.get(name) for name in row.readings]
        return self._joined(parts, instrument, money=row.money)

    def _joined(
        self, parts: Sequence[Reading[float] | None], instrument: Instrument, *, money: bool
    ) -> Reading[float] | str:
        """Its parts added up, in dollars; or why one of them is not known."""
        rate = self._rate(instrument.quote) if money else 1.0
        if rate is None:
            return _("no rate of {quote} in US dollars").format(quote=instrument.quote)
        values = []
        for each in parts:
            if each is None:
                return _("not streamed here")
            if each.value is None or each.status is not Status.OK:
                return each.reason or _("not known")
            if not math.isfinite(each.value):
                self.bad += 1
                return _("the value is no number")
            values.append(each)
        first = values[0]
        return Reading(
            value=math.fsum(each.value or 0.0 for each in values) * rate, as_of=first.as_of,
            since=first.since, window=first.window, n=sum(each.n or 0 for each in values) or None,
            venues=first.venues, kind=first.kind, unit="USD" if money else first.unit,
            note=first.note,
        )  # fmt: skip

    def _rate(self, quote: str) -> float | None:
        return 1.0 if quote in STABLE else self._rates.get(quote, (0, None))[1]

    def _is_due(self, metric: Metric, sample: Answer) -> bool:
        """Whether the price of a change has waited long enough, or moved enough, to be told again."""
        last = self._prices.get(metric)
        if isinstance(sample, str):
            return self._prices.pop(metric, None) is not None
        waited = max(1000, min(metric.window // LOOKS, HOUR))
        if (
            last is not None
            and 0 <= sample.ts - last[0] < waited
            and abs(sample.value / last[1] - 1) < MOVED
        ):
            return False
        self._prices[metric] = (sample.ts, sample.value)
        return True


def _summed(known: Sequence[Reading[float]], absent: Mapping[str, str]) -> Reading[float]:
    """Of several venues: the oldest age, the weakest kind, every note, and who is not in it."""
    stamps = [each.as_of for each in known if each.as_of is not None]
    notes = dict.fromkeys(each.note for each in known if each.note)
    if absent:
        notes[_("without {whom}").format(whom=_reasons(absent))] = None
    return Reading(
        value=math.fsum(each.value or 0.0 for each in known), as_of=min(stamps, default=None),
        since=known[0].since, window=known[0].window, n=sum(each.n or 0 for each in known),
        venues=tuple(dict.fromkeys(name for each in known for name in each.venues)),
        kind=max((each.kind for each in known), key=_KINDS.index), unit=known[0].unit,
        note=", ".join(notes),
    )  # fmt: skip


def _reasons(absent: Mapping[str, str]) -> str:
    """`Bybit: the liquidation feed is silent`, venue by venue."""
    return ", ".join(f"{named(venue)}: {why}" for venue, why in absent.items())


def _source(instruments: Sequence[Instrument]) -> str:
    """Who did not tell."""
    return named(instruments[0].exchange) if len(instruments) == 1 else _("Live figures")
