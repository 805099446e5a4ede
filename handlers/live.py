"""What the commands about the live market share: the states of instruments, their figures in dollars, and sums."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from analytics.state import SymbolState
from handlers.app import App
from handlers.dollars import Dollars, dollars
from handlers.outages import named
from market.errors import UserError
from market.language import _
from market.types import MINUTE, Instrument, Kind, Reading, Status

PRICES = frozenset({"price", "mark", "index", "mid", "microprice"})  # per coin: not turned into $
TOGETHER = MINUTE  # feeds that began at most so long after the first are summed from one edge on
_KINDS = (Kind.OBSERVED, Kind.ESTIMATED, Kind.APPROX)
_COLUMNS = ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "k"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Feed:
    """One instrument: its live state, and the snapshot of it with sums in US dollars."""

    instrument: Instrument
    state: SymbolState | None
    figures: Mapping[str, Reading[Any]]
    rate: float | None  # dollars for one unit of the quote currency

    @property
    def exchange(self) -> str:
        """Its venue."""
        return self.instrument.exchange

    def get(self, name: str) -> Reading[Any]:
        """A figure; what a state does not keep is missing with a reason."""
        found = self.figures.get(name)
        return _unwatched(self.instrument) if found is None else found


@dataclass(frozen=True, slots=True, kw_only=True)
class Live:
    """Several instruments at one moment."""

    feeds: Sequence[Feed]
    now: int
    rates: Dollars = field(default_factory=Dollars)

    def total(self, name: str) -> Reading[float]:
        """The sum over the feeds that know it. Windows end at one moment, so that their edges are the same."""
        return summed([each.get(name) for each in self.feeds])

    def absent(self, name: str) -> dict[str, str]:
        """Instrument key -> why it is not in the sum."""
        found = ((each.instrument.key, each.get(name)) for each in self.feeds)
        return {key: each.reason for key, each in found if not each.known}


async def live(app: App, instruments: Sequence[Instrument], *, book: bool = False) -> Live:
    """Watch these from now on, and look at all of them at one moment."""
    streams = app.market.streams
    if streams is None:
        raise UserError(_("The live streams are off here."), "/status")
    if book:
        await streams.watch(instruments, book=True)
    else:
        await streams.watch(instruments)
    return await looked(app, {i.key: (i, streams.state(i)) for i in instruments}.values())


async def looked(app: App, states: Iterable[tuple[Instrument, SymbolState | None]]) -> Live:
    """The figures of states at this moment."""
    pairs = list(states)
    rates = await dollars(app, {i.quote for i, _state in pairs})
    now = app.clock.now()
    feeds = [_feed(i, state, rates, now) for i, state in pairs]
    return Live(feeds=feeds, now=now, rates=rates)


def _feed(i: Instrument, state: SymbolState | None, rates: Dollars, now: int) -> Feed:
    rate = rates.of(1.0, i.quote)
    found = {} if state is None else state.snapshot(now)
    figures = {
        name: in_dollars(each, i.quote, rate)
        if each.known and each.unit == i.quote and name not in PRICES
        else each
        for name, each in found.items()
    }
    return Feed(instrument=i, state=state, figures=figures, rate=rate)


def in_dollars(reading: Reading[float], quote: str, rate: float | None) -> Reading[float]:
    """A sum in the quote currency in US dollars; missing where no rate is known."""
    if reading.value is None:
        return reading
    if rate is None:
        text = _("no rate of {quote} in US dollars").format(quote=quote)
        return Reading.missing(text, Status.UNAVAILABLE, venues=reading.venues)
    return replace(reading, value=reading.value * rate, unit="USD")


def _unwatched(i: Instrument) -> Reading[Any]:
    return Reading.missing(_("not streamed yet"), Status.INSUFFICIENT, venues=(i.exchange,))


def summed(readings: Sequence[Reading[float]]) -> Reading[float]:
    """The sum of those that are known: the oldest age, the weakest kind, every note once."""
    known = [each for each in readings if each.value is not None]
    if not known:
        return readings[0] if readings else Reading.missing(_("nothing is watched"))
    stamps = [each.as_of for each in known if each.as_of is not None]
    edges = [each.since for each in known if each.since is not None]
    return Reading(
        value=math.fsum(each.value for each in known if each.value is not None),
        as_of=min(stamps, default=None), since=max(edges, default=None),
        window=max((each.window for each in known if each.window is not None), default=None),
        n=sum(each.n or 0 for each in known),
        venues=tuple(dict.fromkeys(name for each in known for name in each.venues)),
        kind=max((each.kind for each in known), key=_KINDS.index), unit=known[0].unit,
        note=", ".join(dict.fromkeys(each.note for each in known if each.note)),
    )  # fmt: skip


def together(starts: Mapping[str, int], since: int) -> tuple[int, list[str]]:
    """From when on to sum, at the earliest `since`, and over whom.

    What began more than a minute after the first is left out: it would make the window of all shorter.
    """
    edges = {key: max(since, start) for key, start in starts.items()}
    first = min(edges.values(), default=since)
    used = [key for key, edge in edges.items() if edge - first <= TOGETHER]
    return max((edges[key] for key in used), default=since), used


def without(absent: Mapping[str, str]) -> str:
    """`without OKX: watched for 40 s of 300 s`: keys with one reason together; "" where nobody is left out."""
    reasons: dict[str, list[str]] = {}
    for key, why in absent.items():
        names = reasons.setdefault(why, [])
        if named(key) not in names:
            names.append(named(key))
    if not reasons:
        return ""
    parts = (f"{'+'.join(names)}: {why}" for why, names in reasons.items())
    return _("without {whom}").format(whom=", ".join(parts))


def narrow(value: float, *, signed: bool = False) -> str:
    """Five columns, six with a sign, for tables of many columns: 1.24M, 12.3M, 123M, 1.24B."""
    size = abs(value)
    sign = "-" if value < 0 else "+" if signed and value > 0 else ""
    for limit, unit in _COLUMNS:
        if size >= limit * 0.9995:
            return f"{sign}{_three(size / limit)}{unit}"
    return f"{sign}{_three(size)}" if size >= 0.005 or not size else f"{sign}<0.01"


def _three(size: float) -> str:
    if size >= 999.5 or size == 0:
        return f"{size:.0f}"
    places = 0 if size >= 99.95 else 1 if size >= 9.995 else 2
    return f"{size:.{places}f}"
