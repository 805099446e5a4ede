"""The books behind /book: live where they are followed, else one look by REST; their figures in US dollars."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from analytics.book_patterns import Pattern
from analytics.book_walls import Wall
from analytics.livebook import LiveBook
from exchanges.hub import settle
from handlers.app import App
from handlers.dollars import Dollars, dollars
from market.errors import SourceError
from market.language import _
from market.types import Instrument, Kind, Reading, Status

DEPTH = 1000  # levels of one look by REST; a venue that has fewer gives what it has
OLD = 60_000  # ms from which one look is too old; until then its age is told
NEAR = ("depth_bid_01", "depth_ask_01")


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """A book and how it was got."""

    instrument: Instrument
    book: LiveBook
    live: bool
    at: int  # when it is looked at: of one look by REST its own moment

    @property
    def exchange(self) -> str:
        """Its venue."""
        return self.instrument.exchange

    def walls(self) -> list[Wall]:
        """Walls that stand; of one look those that are large, whatever their age."""
        return self.book.walls(self.at) if self.live else self.book.walls(self.at, 0)

    def patterns(self) -> list[Pattern]:
        """Suspicions of the last ten minutes, the newest first."""
        return self.book.patterns(self.at) if self.live else []


@dataclass(frozen=True, slots=True, kw_only=True)
class Looks:
    """All venues at one time."""

    found: list[Look]
    errors: Mapping[str, SourceError]
    rates: Dollars
    now: int
    figures: dict[str, Reading[float]] = field(default_factory=dict)

    def walls(self) -> list[tuple[Look, Wall, float | None]]:
        """Walls with their value in US dollars, the largest first."""
        every = [
            (look, wall, self.rates.of(wall.value, look.instrument.quote))
            for look in self.found
            for wall in look.walls()
        ]
        return sorted(every, key=lambda row: -(row[2] or 0.0))


async def looks(app: App, instruments: Sequence[Instrument]) -> Looks:
    """Ask for the live books; what is not followed yet is looked at once by REST."""
    if app.market.streams is not None:
        await app.market.streams.watch(instruments, book=True)
    tickers, _errors = await settle({i.key: app.market.ticker(i) for i in instruments})
    volumes = {
        key: t.quote_volume_24h for key, t in tickers.items() if t.quote_volume_24h is not None
    }
    live = _live(app, instruments, volumes)
    wanted = [i for i in instruments if i.key not in live]
    books, errors = await settle({i.key: app.market.book(i, DEPTH) for i in wanted})
    rates = await dollars(app, (i.quote for i in instruments))
    now = app.clock.now()
    live |= _live(app, wanted, volumes)  # those that came meanwhile
    found = []
    for i in instruments:
        if i.key in live:
            found.append(Look(instrument=i, book=live[i.key], live=True, at=now))
        elif i.key in books:
            once = LiveBook.of(books[i.key], volumes.get(i.key))
            age = now - books[i.key].ts
            at = books[i.key].ts if 0 <= age <= OLD else now
            found.append(Look(instrument=i, book=once, live=False, at=at))
    left = {key: error for key, error in errors.items() if key not in live}
    all_ = Looks(found=found, errors=left, rates=rates, now=now)
    all_.figures.update(_figures(all_))
    return all_


def _live(
    app: App, instruments: Sequence[Instrument], volumes: Mapping[str, float]
) -> dict[str, LiveBook]:
    """The books that are followed and known now; walls are measured by the volume of the day."""
    found: dict[str, LiveBook] = {}
    if app.market.streams is None:
        return found
    for i in instruments:
        state = app.market.streams.state(i)
        book: LiveBook | None = None if state is None else state.book
        if book is None or not book.live(app.clock.now()):
            continue
        if i.key in volumes:
            book.scale(volumes[i.key])
        found[i.key] = book
    return found


def _figures(looks_: Looks) -> dict[str, Reading[float]]:
    """Each figure of each venue as `name.exchange`, depths in US dollars; and the sums near the price."""
    found: dict[str, Reading[float]] = {}
    for look in looks_.found:
        for name, reading in look.book.readings(look.at).items():
            in_dollars = name.startswith("depth")
            each = _dollars(reading, look, looks_.rates) if in_dollars else reading
            found[f"{name}.{look.exchange}"] = each
    return found | near(looks_, found)


def _dollars(reading: Reading[float], look: Look, rates: Dollars) -> Reading[float]:
    if reading.value is None:
        return reading
    value = rates.of(reading.value, look.instrument.quote)
    if value is None:
        text = _("no rate of {quote} in US dollars").format(quote=look.instrument.quote)
        return Reading.missing(text, Status.UNAVAILABLE, venues=reading.venues)
    return replace(reading, value=value, unit="USD")


def near(looks_: Looks, figures: Mapping[str, Reading[float]]) -> dict[str, Reading[float]]:
    """Bids and asks within 0.1 % over the venues that show all of it, and the share of the bids."""
    whole = [
        look.exchange
        for look in looks_.found
        if all(
            (r := figures[f"{name}.{look.exchange}"]).known and r.kind is Kind.OBSERVED
            for name in NEAR
        )
    ]
    names = (*NEAR, "bid_share_01")
    if not whole:
        text = _("no venue shows all of 0.1 %")
        return {name: Reading.missing(text, Status.INSUFFICIENT) for name in names}
    sums = [sum(figures[f"{name}.{each}"].value or 0.0 for each in whole) for name in NEAR]
    oldest = min(figures[f"{NEAR[0]}.{each}"].as_of or 0 for each in whole)
    evidence = {"as_of": oldest, "venues": tuple(whole), "n": len(whole)}
    both = sum(sums)
    share: Reading[float] = (
        Reading(value=sums[0] / both, unit="fraction", **evidence)  # type: ignore[arg-type]
        if both > 0
        else Reading.missing(_("nothing rests there"), Status.UNDEFINED)
    )
    depths = (Reading(value=each, unit="USD", **evidence) for each in sums)  # type: ignore[arg-type]
    return dict(zip(names, (*depths, share), strict=True))
