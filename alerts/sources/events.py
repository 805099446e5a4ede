"""Things that happen: liquidations as the streams bring them, and what the monitors find.

Each sample is one happening. A happening that goes on and grows is told again with `low` (of what is below 0:
`high`) at the size that was told before: a rule it exceeded then has heard of it; one that rested since the
happening `began` hears of it now. What is told of one metric is told at moments that rise, so that two prints of
one millisecond both count; when it happened stands in the reading.
"""

import math
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from alerts.monitors.kinds.anomaly import NAMES as UNUSUAL
from alerts.monitors.kinds.base import Finding
from alerts.shown import NAMES as SHOWN
from alerts.sources.base import EVERYWHERE, MARKET, STABLE, Subjects
from alerts.types import Metric, Sample
from analytics.anomaly import ALONE
from analytics.regime import Regime
from exchanges.hub import Market
from exchanges.streams.decoder import News
from exchanges.streams.supervisor import Streams
from market.errors import SourceError
from market.language import _
from market.types import HOUR, MINUTE, Kind, Liquidation, Reading

LIQUIDATION = "liquidation"
FOUND = frozenset({"whale", "wall", "cascade", "crash", "regime", "anomaly"})
NAMES = FOUND | {LIQUIDATION}
REMEMBERED = 20_000  # happenings
APART = {
    "cascade": MINUTE,
    "anomaly": 10 * MINUTE,
}  # without an id: what comes so late is another one
AGAIN = 2 * HOUR  # a happening with an id is over after that
EVERY = MINUTE
SIDES = {"wall": {"buy": "bid", "sell": "ask"}}  # what a side is called in `Metric.param`
RANKS = (
    Regime.RANGE_LOW,
    Regime.TREND_LOW,
    Regime.RANGE_NORMAL,
    Regime.TREND_NORMAL,
    Regime.RANGE_HIGH,
    Regime.TREND_HIGH,
)  # fmt: skip - from narrow to wide
REGIMES = {each: SHOWN["regime"][float(rank)] for rank, each in enumerate(RANKS, 1)}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Told:
    """What is known of a happening: when it began, when it was seen last, the largest size that was told."""

    began: int
    ts: int
    size: float | None = None


class Events:
    """Turns events into samples of those metrics that somebody wants."""

    def __init__(self) -> None:
        self.wanted: frozenset[Metric] = frozenset()
        self.bad = 0  # events without a usable size
        self._names: frozenset[str] = frozenset()
        self._told: OrderedDict[tuple[str, ...], _Told] = OrderedDict()
        self._last: dict[Metric, int] = {}

    def follow(self, metrics: Iterable[Metric]) -> None:
        """The metrics there are rules about; those that are no events are passed over."""
        self.wanted = frozenset(each for each in metrics if each.name in NAMES)
        self._names = frozenset(each.name for each in self.wanted)
        self._last = {m: ts for m, ts in self._last.items() if m in self.wanted}

    def take_news(self, news: Sequence[News], now: int) -> list[tuple[Metric, Sample]]:
        """Liquidations; everything else is passed over."""
        if LIQUIDATION not in self._names:
            return []
        found = []
        for each in news:
            if type(each) is Liquidation:
                found += self._of_liquidation(each, now)
        return found

    def take_findings(self, findings: Iterable[Finding]) -> list[tuple[Metric, Sample]]:
        """What a round of the monitors found, whether or not it is above anybody's threshold there."""
        found = []
        for each in findings:
            if each.kind in self._names and each.kind in FOUND and each.ripe:
                found += self._of_finding(each)
        return found

    def _of_liquidation(self, row: Liquidation, now: int) -> list[tuple[Metric, Sample]]:
        instrument, value = row.instrument, row.value
        if instrument.quote not in STABLE or not (math.isfinite(value) and value > 0):
            self.bad += 1
            return []
        side = str(row.position)
        metrics = self._metrics(LIQUIDATION, instrument.base, instrument.key, side)
        if not metrics:
            return []

        def seen(value: float, unit: str, note: str = "") -> Reading[float]:
            return Reading(
                value=value, as_of=row.ts, venues=(instrument.exchange,), unit=unit, note=note
            )

        extra = {
            "price": seen(row.price, instrument.quote), "amount": seen(row.amount, instrument.base)
        }  # fmt: skip
        return [
            (metric, self._sample(metric, now, value, seen(value, "USD", side), extra))
            for metric in metrics
        ]

    def _of_finding(self, finding: Finding) -> list[tuple[Metric, Sample]]:
        value = _size(finding)
        if value is None:
            return []
        if not math.isfinite(value):
            self.bad += 1
            return []
        side = SIDES.get(finding.kind, {}).get(finding.side, finding.side)
        metrics = self._metrics(finding.kind, finding.coin, finding.key, side)
        if not metrics:
            return []
        before = self._grown(finding, value)
        if before is None:
            return []
        reading, extra = _evidence(finding, value, side)
        return [(m, self._sample(m, finding.ts, value, reading, extra, before)) for m in metrics]

    def _metrics(self, name: str, coin: str, key: str, side: str) -> list[Metric]:
        """The wanted ones this is a case of: of the coin or of the instrument, of its side or of both."""
        subjects = [f"{EVERYWHERE}{coin}"]
        if ":" in key:
            quote = key.partition("/")[2].partition(":")[0]
            subjects += [key, f"{EVERYWHERE}{coin}/{quote}"]
        params = ("", side) if side else ("",)
        made = [Metric(subject=s, name=name, param=p) for s in subjects for p in params]
        return [each for each in made if each in self.wanted]

    def _grown(self, finding: Finding, value: float) -> _Told | None:
        """What was told of it before, with no size where it is a new happening; None where nothing is new."""
        place = (finding.kind, finding.key, finding.side, _happening(finding))
        told = self._told.get(place)
        apart = AGAIN if finding.event else APART.get(finding.kind, MINUTE)
        before = _Told(began=finding.ts, ts=finding.ts)
        if told is not None and finding.ts - told.ts <= apart:
            before = told
        size = before.size
        grew = size is None or abs(value) > abs(size)
        self._told[place] = _Told(
            began=before.began, ts=finding.ts, size=value if grew else size
        )  # what has not grown goes on
        self._told.move_to_end(place)
        if not grew:
            return None
        while len(self._told) > REMEMBERED:
            self._told.popitem(last=False)
        return before

    def _sample(
        self, metric: Metric, ts: int, value: float, reading: Reading[float],
        extra: Mapping[str, Reading[float]], before: _Told | None = None,
    ) -> Sample:  # fmt: skip
        at = max(ts, self._last.get(metric, 0) + 1)
        self._last[metric] = at
        size, began = (None, None) if before is None else (before.size, before.began)
        low, high = (size, None) if value > 0 else (None, size)
        return Sample(
            ts=at, value=value, low=low, high=high, began=began, reading=reading, extra=extra
        )


class EventSource:
    """What happens is told by itself: there is nothing to ask for, but what it is about has to be streamed."""

    names = NAMES
    bad = 0

    def __init__(self, market: Market, subjects: Subjects) -> None:
        self._market, self._subjects = market, subjects

    def every(self, metric: Metric) -> int:
        """So often what it is about is made sure to be streamed."""
        return EVERY

    def fresh(self, metric: Metric) -> int:
        """It is over when it has happened."""
        return MINUTE

    async def samples(self, metric: Metric, since_ts: int, now: int) -> list[Sample]:
        """None; Delisted where nothing of it trades any more."""
        if metric.subject == MARKET:
            return []
        instruments = self._subjects.instruments(metric)
        streams: Streams | None = self._market.streams
        if streams is not None:
            await streams.watch(instruments, book=metric.name == "wall")
        return []

    async def past(self, metric: Metric, from_ts: int, to_ts: int) -> list[Sample]:
        """What happened before is with the monitors, above their own thresholds only."""
        raise SourceError(_("Events"), _("their past is not kept"))


def _happening(finding: Finding) -> str:
    """What sets it apart from others of its place; a crash that is made good again is the crash it was."""
    return finding.event.rpartition(":")[0] if finding.kind == "crash" else finding.event


def _size(finding: Finding) -> float | None:
    """What a rule compares; None where the finding is none."""
    match finding.kind:
        case "crash":
            return -finding.value  # a fall counts upwards
        case "regime":
            after = finding.extra["after"]
            return float(RANKS.index(after) + 1)
        case "anomaly":
            return finding.size if finding.size >= ALONE else None
    return finding.size


def _evidence(
    finding: Finding, value: float, side: str
) -> tuple[Reading[float], dict[str, Reading[float]]]:
    """The reading of the sample, and what a message tells beside it."""
    first = next(iter(finding.figures.values()), None)
    money = finding.kind in ("whale", "wall", "cascade")
    notes = [side, first.note if first is not None else ""]
    if finding.kind == "crash":  # its side is its name
        notes = notes[1:]
    if finding.kind == "regime":
        before, after = (_(REGIMES[finding.extra[name]]) for name in ("before", "after"))
        notes = [_("{after}, before that {before}").format(before=before, after=after)]
    if finding.kind == "anomaly":
        scores = list(finding.extra["scores"].items())[:3]
        notes = [f"{UNUSUAL.get(name, name)} z {z:+.1f}" for name, z in scores]
    reading = Reading(
        value=value, as_of=first.as_of if first is not None else finding.ts,
        since=first.since if first is not None else None,
        window=first.window if first is not None else None,
        n=first.n if first is not None else None, venues=finding.venues,
        kind=first.kind if first is not None else Kind.OBSERVED, unit="USD" if money else "",
        note=", ".join(each for each in notes if each),
    )  # fmt: skip
    extra: dict[str, Reading[float]] = {}
    for name in ("price", "amount", "prints", "count", "distance", "start", "extreme"):
        found = finding.extra.get(name)
        if isinstance(found, int | float):
            unit = {"distance": "fraction", "amount": finding.coin}.get(name, "")
            extra[name] = Reading(
                value=float(found), as_of=reading.as_of, venues=finding.venues, unit=unit
            )
        elif isinstance(found, str):  # a price as it is shown
            extra[name] = _shown(found, reading)
    return reading, extra


def _shown(text: str, reading: Reading[float]) -> Reading[float]:
    """A number that comes as text."""
    try:
        value = float(text.replace(",", ""))
    except ValueError:
        return Reading.missing(text, as_of=reading.as_of, venues=reading.venues)
    return Reading(value=value, as_of=reading.as_of, venues=reading.venues)
