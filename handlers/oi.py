"""/oi and /oi_changes: open contracts in coins, per venue, and what their change says beside the price."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from analytics import interest
from charts.types import Line, LineChart
from exchanges.hub import settle
from handlers.app import App
from handlers.base import Args, Button, Card, Picture, Reply, command
from handlers.dollars import dollars
from handlers.outages import named, silent, unavailable
from handlers.volume import busiest_perps
from handlers.words import at_most, keyboard, perps, symbol
from market import format as fmt
from market.errors import SourceError
from market.language import _
from market.types import (
    DAY,
    EXCHANGE_NAMES,
    HOUR,
    MINUTE,
    Candle,
    Instrument,
    OpenInterest,
    Reading,
    Status,
    Ticker,
)

USAGE = "/oi BTC"
CHANGES_USAGE = "/oi_changes 1h"
WINDOWS = ((15 * MINUTE, "15m"), (HOUR, "1h"), (DAY, "24h"))
RANKED = 20  # perps looked at by /oi_changes
QUADRANTS = {
    "NEW_LONGS": "new longs",
    "SHORT_COVERING": "short cover",
    "NEW_SHORTS": "new shorts",
    "LONG_LIQUIDATION": "longs out",
    "NEUTRAL": "neutral",
}


@dataclass(slots=True, kw_only=True)
class Interest:
    """Open interest of one coin over its perps: the newest of each venue and the samples before."""

    now: dict[str, OpenInterest]
    samples: dict[str, list[tuple[int, float]]]
    errors: dict[str, SourceError]
    dollars: dict[str, float]
    note: str = ""


async def interest_of(app: App, perps: Sequence[Instrument], now: int) -> Interest:
    """Ask every venue for its open interest now, around the ends of the windows, and hourly between."""
    current, errors = await settle({i.exchange: app.market.open_interest(i) for i in perps})
    yesterday = now - DAY
    spans = (
        (5 * MINUTE, now - 90 * MINUTE, now),
        (HOUR, yesterday, now),
        (5 * MINUTE, yesterday - 15 * MINUTE, yesterday + 5 * MINUTE),
    )
    parts = [
        (await settle({i.exchange: _history(app, i, step, since, until) for i in perps}))[0]
        for step, since, until in spans
    ]
    samples: dict[str, list[tuple[int, float]]] = {}
    for i in perps:
        rows = {o.ts: o.amount for part in parts for o in part.get(i.exchange, ())}
        if i.exchange in current:
            rows[current[i.exchange].ts] = current[i.exchange].amount
        samples[i.exchange] = sorted(rows.items())
    values, note = await _values(app, current)
    return Interest(now=current, samples=samples, errors=errors, dollars=values, note=note)


async def _history(app: App, i: Instrument, step: int, start: int, now: int) -> list[OpenInterest]:
    return await app.market.open_interest_history(i, step=step, start=start, end=now)


async def _values(app: App, current: dict[str, OpenInterest]) -> tuple[dict[str, float], str]:
    """Dollar value of each venue (its own, else coins at its last price), and what was assumed for it."""
    rates = await dollars(app, {o.instrument.quote for o in current.values()})
    priceless = {
        name: app.market.ticker(o.instrument) for name, o in current.items() if o.value is None
    }
    tickers, _errors = await settle(priceless)
    out: dict[str, float] = {}
    for name, o in current.items():
        value = o.value
        if value is None and name in tickers:
            value = o.amount * tickers[name].last
        in_dollars = None if value is None else rates.of(value, o.instrument.quote)
        if in_dollars is not None:
            out[name] = in_dollars
    return out, rates.note


@command("oi", usage=USAGE, aliases=("open_interest",))
async def oi(args: Args, app: App) -> Reply:
    """Show the open interest of a coin in coins and dollars, its changes and the share of each venue."""
    text, rest = symbol(args, USAGE)
    at_most(rest, 0, USAGE)
    query, listed, typed = perps(app, text, "/oi {}")
    now = app.clock.now()
    found = await interest_of(app, listed, now)
    if not found.now:
        raise next(iter(found.errors.values()))
    sums = {
        name: interest.over_venues(found.samples, now, window, unit=query.base)
        for window, name in WINDOWS
    }
    figures = _figures(found, sums, query.base)
    price = await _price_change(app, listed, args.preferences.exchange)
    quad = interest.quadrant_reading(price, sums["1h"].change_relative)
    unit = args.preferences.unit
    headline = _headline(query.base, figures, sums["1h"].change_relative, unit)
    png = await _picture(app, query.base, found, headline)
    trouble = silent(app, [i.exchange for i in listed])
    return Reply(
        card=Card(
            glyph="⚠️" if found.errors or trouble else "",
            headline=headline,
            table=_table(listed, found, figures, query.base),
            reading="\n".join(part for part in (_meaning(figures, quad), trouble) if part),
            evidence=_evidence(found, figures, now, typed),
            updated=now,
        ),
        picture=Picture(name=f"{query.base}-oi.png", png=png) if png else None,
        figures={**figures, "price_change_1h": price},
        data={"quadrant": quad.value},
        buttons=[
            [
                Button(text=_("🔄 Refresh"), command=f"/oi {text}", edit=True),
                Button(text=_("🏃 Movers"), command="/oi_changes 1h"),
            ],
            [
                Button(text=_("Funding"), command=f"/funding {query.base}"),
                Button(text=_("💥 Map"), command=f"/liqmap {query.base}"),
                Button(text=_("🔔 +5 %"), command=f"/alert_oi {query.base}-PERP +5%"),
            ],
        ],
    )


def _figures(
    found: Interest, sums: dict[str, interest.InterestSum], base: str
) -> dict[str, Reading[Any]]:
    figures: dict[str, Reading[Any]] = {"open_interest": sums["1h"].amount}
    names = tuple(found.dollars)
    if found.dollars:
        absent = [named(name) for name in found.now if name not in found.dollars]
        less = _("USD without {venues}").format(venues="+".join(absent)) if absent else ""
        figures["open_interest_usd"] = Reading(
            value=sum(found.dollars.values()), venues=names, n=len(names), unit="USD",
            as_of=min(found.now[name].ts for name in names),
            note=", ".join(part for part in (found.note, less) if part),
        )  # fmt: skip
    else:
        figures["open_interest_usd"] = Reading.missing(_("no price"), unit="USD")
    for name, each in sums.items():
        figures[f"change_{name}"] = each.change
        figures[f"change_{name}_fraction"] = each.change_relative
    total = sum(o.amount for o in found.now.values())
    for name, o in found.now.items():
        seen: dict[str, Any] = {"as_of": o.ts, "venues": (name,)}
        figures[f"open_interest.{name}"] = Reading(value=o.amount, unit=base, **seen)
        figures[f"share.{name}"] = (
            Reading(value=o.amount / total, unit="fraction", **seen)
            if total > 0
            else Reading.missing(_("nothing is open"), Status.UNDEFINED, **seen)
        )
        figures[f"change_1h.{name}"] = sums["1h"].by_venue[name]
    for name, error in found.errors.items():
        figures[f"open_interest.{name}"] = Reading.missing(error.reason, venues=(name,))
    return figures


def _headline(
    base: str, figures: dict[str, Reading[Any]], hour: Reading[float], unit: str = "usd"
) -> str:
    coins, value = figures["open_interest"], figures["open_interest_usd"]
    amount = (
        fmt.shown(coins, lambda v: fmt.amount(v, base))
        if coins.value is None
        else fmt.amount_and_value(coins.value, base, None if unit == "coin" else value.value)
    )
    change = fmt.shown(hour, fmt.percent, short=True)
    return _("{base} OI {amount}  {change} 1h").format(base=base, amount=amount, change=change)


def _table(
    perps: Sequence[Instrument], found: Interest, figures: dict[str, Reading[Any]], base: str
) -> list[str]:
    rows = [["", "OI", _("share"), "1h"]]
    for name in (i.exchange for i in perps):
        if name not in found.now:
            rows.append([EXCHANGE_NAMES[name], fmt.NOT_KNOWN, "", ""])
            continue
        rows.append(
            [
                EXCHANGE_NAMES[name],
                fmt.compact(found.now[name].amount),
                fmt.shown(figures[f"share.{name}"], _whole_percent, short=True),
                fmt.shown(figures[f"change_1h.{name}"], _tight_percent, short=True),
            ]
        )
    lines = fmt.table(rows)
    for _window, name in WINDOWS:
        change, share = figures[f"change_{name}"], figures[f"change_{name}_fraction"]
        lines.append(_change_line(name, change, share, base))
    return lines


def _change_line(name: str, change: Reading[float], share: Reading[float], base: str) -> str:
    if change.value is None or share.value is None:
        return f"{name:>3} {fmt.NOT_KNOWN}"
    part = _tight_percent(share.value)
    texts = [
        f"{name:>3} {fmt.amount(change.value, base, signed=True)} ({part})",
        f"{name:>3} {fmt.compact(change.value, signed=True)} ({part})",
    ]
    return next((t for t in texts if fmt.columns_of(t) <= fmt.COLUMNS), f"{name:>3} {part}")


def _tight_percent(value: float) -> str:
    return fmt.percent(value, tight=True)


def _whole_percent(value: float) -> str:
    return fmt.percent(value, 0, signed=False, tight=True)


def _meaning(figures: dict[str, Reading[Any]], quad: Reading[str]) -> str:
    lines = []
    if quad.value is not None:
        lines.append(_("1 h price and OI: {label}").format(label=_(QUADRANTS[quad.value])))
    gaps = [
        f"{name}: {figures[f'change_{name}'].reason}"
        for _window, name in WINDOWS
        if figures[f"change_{name}"].value is None
    ]
    return "\n".join(lines + gaps[:1])


async def _price_change(app: App, perps: Sequence[Instrument], default: str) -> Reading[float]:
    """Price of the default venue now against an hour ago, from 1m candles."""
    for i in sorted(perps, key=lambda i: i.exchange != default):
        try:
            candles = await app.market.candles(i, "1m", 62)
        except SourceError:
            continue
        then = app.clock.now() // MINUTE * MINUTE - HOUR
        before = [c for c in candles if c.ts + MINUTE <= then]
        if before and then - before[-1].ts <= 3 * MINUTE and before[-1].close > 0:
            until = min(app.clock.now(), candles[-1].ts + MINUTE)
            return Reading(
                value=candles[-1].close / before[-1].close - 1, as_of=until, since=then,
                window=until - then, venues=(i.exchange,), unit="fraction",
            )  # fmt: skip
    return Reading.missing(_("no candles of the last hour"))


async def _picture(app: App, base: str, found: Interest, headline: str) -> bytes | None:
    lines = tuple(
        Line(name=EXCHANGE_NAMES[name], points=tuple(rows))
        for name, rows in found.samples.items()
        if len(rows) > 1
    )
    if not lines:
        return None
    chart = LineChart(
        title=headline, subtitle=_("open interest in {base} · UTC · observed").format(base=base),
        mark=app.mark, lines=lines,
    )  # fmt: skip
    return await app.draw("lines", chart)


def _evidence(found: Interest, figures: dict[str, Reading[Any]], now: int, typed: str) -> str:
    known = [r for name, r in figures.items() if name.startswith("open_interest.") and r.known]
    return fmt.evidence(
        known,
        now,
        _("perps, shares of the shown total"),
        typed,
        figures["change_1h"].note,
        figures["open_interest_usd"].note,
        unavailable(found.errors),
    )


@command("oi_changes", usage=CHANGES_USAGE)
async def oi_changes(args: Args, app: App) -> Reply:
    """Rank the busiest perps by the change of their open interest, with the price beside it."""
    at_most(args.words, 1, CHANGES_USAGE)
    window = (
        fmt.window(args.words[0], low=15 * MINUTE, high=DAY, example=CHANGES_USAGE)
        if args.words
        else HOUR
    )
    name = args.word(0, "1h")
    venue = (
        args.preferences.exchange
        if args.preferences.exchange in app.market.venues
        else next(iter(app.market.venues))
    )
    tickers = await busiest_perps(app, venue, RANKED)
    movers = await _movers(app, tickers, window)
    return _changes_card(movers, name, venue, app.clock.now())


@dataclass(frozen=True, slots=True, kw_only=True)
class Mover:
    """One market of the ranking: both changes over the same window, as fractions."""

    instrument: Instrument
    interest: Reading[float]
    price: Reading[float]


async def _movers(app: App, tickers: Sequence[Ticker], window: int) -> list[Mover]:
    """The markets whose open interest is known at both ends, the largest change first."""
    now = app.clock.now()
    then = now - window
    edge = then // MINUTE * MINUTE
    perps = [t.instrument for t in tickers]
    (current, errors), (before, _e2), (candles, _e3) = await asyncio.gather(
        settle({i.key: app.market.open_interest(i) for i in perps}),
        settle({i.key: _between(app, i, then, now) for i in perps}),
        settle({i.key: app.market.candles(i, "1m", 3, edge) for i in perps}),
    )
    if errors and not current:
        raise next(iter(errors.values()))
    found: list[Mover] = []
    for ticker in tickers:
        key = ticker.instrument.key
        rows = {o.ts: o.amount for o in before.get(key, ())}
        if key in current:
            rows[current[key].ts] = current[key].amount
        change = interest.change(sorted(rows.items()), now, window, relative=True)
        if change.value is not None:
            change = replace(change, venues=(ticker.instrument.exchange,))
            price = _moved(ticker, candles.get(key, []), edge)
            found.append(Mover(instrument=ticker.instrument, interest=change, price=price))
    return sorted(found, key=lambda m: -abs(m.interest.value or 0.0))


async def _between(app: App, i: Instrument, then: int, now: int) -> list[OpenInterest]:
    """Samples close to the left edge, and enough of those after it that no step looks like a jump."""
    if now - then <= 4 * HOUR:
        return await _history(app, i, 5 * MINUTE, then - 15 * MINUTE, now)
    near, hourly = await asyncio.gather(
        _history(app, i, 5 * MINUTE, then - 15 * MINUTE, then + 5 * MINUTE),
        _history(app, i, HOUR, then, now),
    )
    return near + hourly


def _moved(ticker: Ticker, candles: Sequence[Candle], edge: int) -> Reading[float]:
    """The last price against the close of the minute that ended at `edge`."""
    seen: dict[str, Any] = {
        "as_of": ticker.ts,
        "venues": (ticker.instrument.exchange,),
        "since": edge,
    }
    closes = [c for c in candles if edge - 3 * MINUTE <= c.ts <= edge - MINUTE]
    if not closes or closes[-1].close <= 0:
        return Reading.missing(_("no candle that long ago"), **seen)
    return Reading(
        value=ticker.last / closes[-1].close - 1, window=ticker.ts - edge, unit="fraction", **seen
    )


def _changes_card(movers: Sequence[Mover], name: str, venue: str, now: int) -> Reply:
    rows = [["", "OI", _("price"), _("says")]]
    figures: dict[str, Reading[Any]] = {}
    for mover in movers[:10]:
        base = mover.instrument.base
        quad = interest.quadrant_reading(mover.price, mover.interest)
        figures[f"{base}.change_fraction"] = mover.interest
        figures[f"{base}.price_change"] = mover.price
        figures[f"{base}.quadrant"] = quad
        rows.append(
            [
                base,
                fmt.shown(mover.interest, _tight_percent, short=True),
                fmt.shown(mover.price, _tight_percent, short=True),
                fmt.shown(quad, lambda v: _(QUADRANTS[v]), short=True),
            ]
        )
    headline = _("No open interest that long ago yet")
    if movers:
        first = movers[0]
        headline = _("{base} moves most: OI {change} in {name}").format(
            base=first.instrument.base,
            change=fmt.shown(first.interest, fmt.percent, short=True),
            name=name,
        )
    return Reply(
        card=Card(
            headline=headline,
            table=fmt.table(rows) if movers else (),
            reading=_("OI in coins; neutral below 0.5 % OI or 0.1 % price.") if movers else "",
            evidence=_("{venue} · {n} busiest perps · {name} · observed").format(
                venue=EXCHANGE_NAMES[venue], n=len(movers), name=name
            ),
            updated=now,
        ),
        figures=figures,
        data={"rank": [m.instrument.base for m in movers[:10]]},
        buttons=_changes_buttons(movers[:3], name),
    )


def _changes_buttons(movers: Sequence[Mover], name: str) -> list[list[Button]]:
    others = [each for each in ("15m", "1h", "24h") if each != name][:2]
    return keyboard(
        [
            Button(text=_("🔄 Refresh"), command=f"/oi_changes {name}", edit=True),
            *[Button(text=each, command=f"/oi_changes {each}", edit=True) for each in others],
        ],
        [Button(text=m.instrument.base, command=f"/oi {m.instrument.base}") for m in movers],
    )
