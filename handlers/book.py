"""/book: what rests near the price, which side is heavier, walls, and the book over time."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from analytics.book import Pressure
from analytics.book_history import STEP
from analytics.book_patterns import PatternKind
from charts.types import BookMap, BookMark
from handlers.app import App
from handlers.base import Args, Button, Card, Picture, Reply, command
from handlers.book_looks import Look, Looks, looks
from handlers.outages import named, said, silent, unavailable
from handlers.words import at_most, keyboard, symbol
from market import format as fmt
from market.language import _
from market.types import EXCHANGE_NAMES, MINUTE, Instrument, Kind, Reading

USAGE = "/book BTC"
WALLS = 4  # rows of walls
SHORTEST = MINUTE // STEP  # columns of a picture: a shorter past stands at its right edge
HEAVIER = 0.55  # share of one side from which it is called heavier
Figures = Mapping[str, Reading[float]]
NAMES = {
    PatternKind.PULLED: ("pulled wall", "pulled walls"),
    PatternKind.SWEEP: ("sweep", "sweeps"),
    PatternKind.ICEBERG: ("iceberg", "icebergs"),
    PatternKind.ABSORPTION: ("absorption", "absorptions"),
}


@command("book", usage=USAGE, aliases=("orderbook", "walls"))
async def book(args: Args, app: App) -> Reply:
    """Show what rests near the price on every venue, walls, and the order book over time."""
    text, rest = symbol(args, USAGE)
    at_most(rest, 0, USAGE)
    query = app.market.resolve(text, command="/book {}")
    perp = True if query.perp is None else query.perp
    instruments = app.market.instruments_for(query, perp=perp, command="/book {}")
    seen = await looks(app, instruments)
    if not seen.found:
        raise next(iter(seen.errors.values()))
    head = _head(seen, args.preferences.exchange)
    name = query.base if perp else _("{base} spot").format(base=query.base)
    headline, share = headline_of(name, seen, head)
    trouble = said(
        silent(app, dict.fromkeys(i.exchange for i in instruments)), unavailable(seen.errors)
    )
    return Reply(
        card=Card(
            glyph="⚠️" if trouble or share is None else _glyph(share),
            headline=headline,
            table=[*_venues(seen), *_walls(seen)],
            reading="\n".join(part for part in (_meaning(seen), trouble) if part),
            evidence=_evidence(seen),
            updated=seen.now,
        ),
        picture=await _picture(app, seen, head, headline),
        figures=seen.figures,
        buttons=_buttons(text, query.base, instruments, perp=perp),
        data={"walls": _facts(seen), "patterns": _patterns(seen)},
    )


def _head(seen: Looks, default: str) -> Look:
    """The book of the picture: live before one look, the default venue before others, then the longest past."""

    def length(look: Look) -> int:
        grid = look.book.grid()
        return 0 if grid is None else grid.values.shape[1]

    return min(seen.found, key=lambda k: (not k.live, k.exchange != default, -length(k)))


def headline_of(name: str, seen: Looks, head: Look) -> tuple[str, float | None]:
    """Which side is heavier near the price and its share, over the venues that show all of 0.1 %."""
    share = seen.figures["bid_share_01"].value
    if share is not None:
        total = sum(seen.figures[f"depth_{side}_01"].value or 0.0 for side in ("bid", "ask"))
        text = _("{name} {who}: {share} bids of {total} within 0.1 %")
        return text.format(
            name=name, who=_who(share), share=_percent(share), total=fmt.money(total)
        ), share
    top = seen.figures[f"bid_share.{head.exchange}"]
    if top.value is None:
        return _("{name} book n/a: {why}").format(name=name, why=top.reason), None
    text = _("{name} {who}: {share} bids in the best ten of {venue}")
    venue = named(head.exchange)
    return text.format(
        name=name, who=_who(top.value), share=_percent(top.value), venue=venue
    ), top.value


def _who(share: float) -> str:
    if share >= HEAVIER:
        return _("bids heavier")
    return _("asks heavier") if share <= 1 - HEAVIER else _("book balanced")


def _glyph(share: float) -> str:
    return "🟢" if share >= HEAVIER else "🔴" if share <= 1 - HEAVIER else "⚪"


def _percent(share: float) -> str:
    return fmt.percent(share, 0, signed=False)


def _venues(seen: Looks) -> list[str]:
    """Share of the bids in the best ten, depth of both sides within 0.1 and 0.5 %, spread in basis points."""
    rows = [["", _("bids"), "±0.1%", "±0.5%", "bp"]]
    for look in seen.found:
        own = {name: seen.figures[f"{name}.{look.exchange}"] for name in ("bid_share", "spread")}
        share = fmt.shown(
            own["bid_share"], lambda v: fmt.percent(v, 0, signed=False, tight=True), short=True
        )
        depths = [_depth(seen.figures, look.exchange, band) for band in ("01", "05")]
        spread = fmt.shown(own["spread"], _points, short=True)
        rows.append([EXCHANGE_NAMES[look.exchange], share, *depths, spread])
    return fmt.table(rows)


def _depth(figures: Figures, exchange: str, band: str) -> str:
    """Both sides together; with a sign where a feed ends before the band does."""
    both = [figures[f"depth_{side}_{band}.{exchange}"] for side in ("bid", "ask")]
    if any(each.value is None for each in both):
        return fmt.NOT_KNOWN
    floor = any(each.kind is Kind.ESTIMATED for each in both)
    return ("≥" if floor else "") + fmt.compact(sum(each.value or 0.0 for each in both))


def _points(spread: float) -> str:
    points = spread * 10_000
    return f"{points:.2f}" if points < 1 else f"{points:.1f}"


def _walls(seen: Looks) -> list[str]:
    """The largest walls: venue, price, dollars, distance (its sign tells the side), age."""
    every = seen.walls()[:WALLS]
    if not every:
        return []
    for digits in (0, 5, 4):
        rows = [[_("wall"), "", "USD", "%", _("age")]]
        for look, wall, value in every:
            step = look.instrument.price_step
            price = fmt.significant(wall.price, digits) if digits else fmt.price(wall.price, step)
            worth = fmt.NOT_KNOWN if value is None else fmt.compact(value)
            away = fmt.percent(wall.distance, 2, tight=True).removesuffix("%")
            age = fmt.age(look.at - wall.since).replace(" ", "") if look.live else fmt.NOT_KNOWN
            rows.append([EXCHANGE_NAMES[look.exchange][:3], price, worth, away, age])
        widths = [max(fmt.columns_of(row[i]) for row in rows) for i in range(5)]
        if sum(widths) + 4 <= fmt.COLUMNS:
            break
    return fmt.table(rows)


def _meaning(seen: Looks) -> str:
    """Who pressed for how long, and what is suspected."""
    parts = []
    for look in seen.found:
        if not look.live:
            continue
        held = look.book.pressure(look.at)
        if held.value in (Pressure.BUY, Pressure.SELL) and held.window is not None:
            text = (
                _("{venue} best ten bid-heavy for {age}")
                if held.value is Pressure.BUY
                else _("{venue} best ten ask-heavy for {age}")
            )
            parts.append(text.format(venue=named(look.exchange), age=fmt.age(held.window)))
    counts = Counter(each.pattern for look in seen.found for each in look.patterns())
    if counts:
        listed = ", ".join(f"{n} {_(NAMES[kind][n > 1])}" for kind, n in counts.most_common())
        parts.append(_("suspected in 10 m: {listed}").format(listed=listed))
    return fmt.SEPARATOR.join(parts)


def _evidence(seen: Looks) -> str:
    once = [look.exchange for look in seen.found if not look.live]
    ages = [
        seen.now - reading.as_of
        for look in seen.found
        if (reading := seen.figures[f"bid_share.{look.exchange}"]).as_of is not None
    ]
    floors = any("≥" in row for row in _venues(seen))
    whole = seen.figures["bid_share_01"].venues
    part = 0 < len(whole) < len(seen.found)
    parts = (
        fmt.venues(tuple(look.exchange for look in seen.found)),
        _("bids: share of the best ten"),
        _("≥ where the feed ends before") if floors else "",
        _("0.1 % over {venues}").format(venues=fmt.venues(whole)) if part else "",
        _("one look, no history yet: {venues}").format(venues="+".join(map(named, once)))
        if once
        else "",
        fmt.age(max(ages)) if ages else "",
        seen.rates.note,
        _("observed, walls estimated"),
    )
    return fmt.SEPARATOR.join(part for part in parts if part)


def _buttons(
    text: str, base: str, instruments: Sequence[Instrument], *, perp: bool
) -> list[list[Button]]:
    first = [Button(text=_("🔄 Refresh"), command=f"/book {text}", edit=True)]
    kind = base if perp else f"{base} spot"
    if len(instruments) == 1:
        first.append(Button(text=_("All venues"), command=f"/book {kind}", edit=True))
        return [first]
    venues = [
        Button(text=named(i.exchange), command=f"/book {kind} {i.exchange}", edit=True)
        for i in instruments
    ]
    return keyboard(first, venues[:3], venues[3:])


async def _picture(app: App, seen: Looks, head: Look, headline: str) -> Picture | None:
    data = book_map(seen, head, headline, app.mark)
    png = None if data is None else await app.draw("bookmap", data)
    return Picture(name=f"{head.instrument.base}-book.png", png=png) if png else None


def book_map(seen: Looks, head: Look, headline: str, mark: str = "") -> BookMap | None:
    """What the picture of one venue needs; a past shorter than a minute stands at its right edge."""
    grid, mid = head.book.grid(), seen.figures[f"mid.{head.exchange}"].value
    rate = seen.rates.of(1.0, head.instrument.quote)
    if grid is None or mid is None:
        return None
    unit, rate = ("USD", rate) if rate is not None else (head.instrument.quote, 1.0)
    missing = max(0, SHORTEST - grid.values.shape[1])
    start = grid.start - missing * STEP
    marks = [
        BookMark(price=m.price, value=m.value * rate, from_ts=m.from_ts, to_ts=m.to_ts, pulled=m.pulled)
        for m in head.book.marks()
    ] + [
        BookMark(price=w.price, value=w.value * rate, from_ts=w.since, to_ts=grid.end, standing=True)
        for w in head.walls()
    ]  # fmt: skip
    began = _("history begins {at}").format(at=fmt.utc(grid.start, seen.now, seconds=True))
    kind = _("perp") if head.instrument.perp else _("spot")
    length = fmt.duration(grid.end - grid.start)
    what = _("last {length}").format(length=length) if head.live else _("one look")
    return BookMap(
        title=headline,
        subtitle=f"{named(head.exchange)} {kind} · {what} · UTC · {_('observed, walls estimated')}",
        start=start, end=grid.end, low=grid.low, height=grid.height,
        values=np.pad(grid.values * np.float32(rate), ((0, 0), (missing, 0)), constant_values=np.nan),
        mids=np.pad(grid.mids, (missing, 0), constant_values=np.nan),
        price=mid, unit=unit, price_step=head.instrument.price_step, marks=tuple(marks),
        note=began if missing else "", mark=mark,
    )  # fmt: skip


def _facts(seen: Looks) -> list[dict[str, Any]]:
    """The walls, unrounded."""
    return [
        {"exchange": look.exchange, "usd": value, "live": look.live, **asdict(wall)}
        for look, wall, value in seen.walls()
    ]


def _patterns(seen: Looks) -> list[dict[str, Any]]:
    """What is suspected, unrounded."""
    return [
        {"exchange": look.exchange, **asdict(each)}
        for look in seen.found
        for each in look.patterns()
    ]
