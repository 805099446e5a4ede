"""/oi: open contracts in coins, per venue, and what their change says beside the price."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from analytics import interest
from charts.types import Line, LineChart
from exchanges.hub import settle
from handlers.app import App
from handlers.base import Args, Button, Card, Picture, Reply, command
from handlers.dollars import dollars
from handlers.outages import named, silent, unavailable
from handlers.words import at_most, perps, symbol
from market import format as fmt
from market.errors import SourceError
from market.language import _
from market.types import (
    DAY,
    EXCHANGE_NAMES,
    HOUR,
    MINUTE,
    Instrument,
    OpenInterest,
    Reading,
    Status,
)

USAGE = "/oi BTC"
WINDOWS = ((15 * MINUTE, "15m"), (HOUR, "1h"), (DAY, "24h"))
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
        (await settle({i.exchange: history_of(app, i, step, since, until) for i in perps}))[0]
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


async def history_of(
    app: App, i: Instrument, step: int, start: int, now: int
) -> list[OpenInterest]:
    """Past open interest of one instrument, every `step` ms."""
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
                fmt.shown(figures[f"change_1h.{name}"], tight_percent, short=True),
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
    part = tight_percent(share.value)
    texts = [
        f"{name:>3} {fmt.amount(change.value, base, signed=True)} ({part})",
        f"{name:>3} {fmt.compact(change.value, signed=True)} ({part})",
    ]
    return next((t for t in texts if fmt.columns_of(t) <= fmt.COLUMNS), f"{name:>3} {part}")


def tight_percent(value: float) -> str:
    """A change in a table: +0.21%."""
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
