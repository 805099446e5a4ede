"""/oi and /oi_changes: open contracts in coins, per venue, and what their change says beside the price."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from analytics import interest
from charts.lines import Line, LineChart
from exchanges.hub import settle
from handlers.app import App
from handlers.base import Args, Button, Card, Picture, Reply, command
from handlers.dollars import dollars
from handlers.volume import busiest_perps
from handlers.words import at_most, symbol
from market import format as fmt
from market.errors import SourceError
from market.language import _
from market.types import DAY, EXCHANGE_NAMES, HOUR, MINUTE, Instrument, OpenInterest, Reading

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
    return Interest(
        now=current, samples=samples, errors=errors, dollars=await _values(app, current)
    )


async def _history(app: App, i: Instrument, step: int, start: int, now: int) -> list[OpenInterest]:
    return await app.market.open_interest_history(i, step=step, start=start, end=now)


async def _values(app: App, current: dict[str, OpenInterest]) -> dict[str, float]:
    """Dollar value of each venue: the venue's own, else coins at its last price."""
    rates = await dollars(app, {o.instrument.quote for o in current.values()})
    priceless = {
        name: app.market.ticker(o.instrument) for name, o in current.items() if o.value is None
    }
    tickers, _errors = await settle(priceless)
    out: dict[str, float] = {}
    for name, o in current.items():
        value = (
            o.value
            if o.value is not None
            else o.amount * tickers[name].last
            if name in tickers
            else None
        )
        if value is not None:
            out[name] = rates.of(value, o.instrument.quote)
    return out


@command("oi", usage=USAGE, aliases=("open_interest",))
async def oi(args: Args, app: App) -> Reply:
    """Show the open interest of a coin in coins and dollars, its changes and the share of each venue."""
    text, rest = symbol(args, USAGE)
    at_most(rest, 0, USAGE)
    query = app.market.resolve(text, command="/oi {}")
    perps = app.market.instruments_for(query, perp=True, command="/oi {}")
    now = app.clock.now()
    found = await interest_of(app, perps, now)
    if not found.now:
        raise next(iter(found.errors.values()))
    sums = {
        name: interest.over_venues(found.samples, now, window, unit=query.base)
        for window, name in WINDOWS
    }
    figures = _figures(found, sums, query.base)
    price = await _price_change(app, perps, args.preferences.exchange)
    quad = interest.quadrant_reading(price, sums["1h"].change_relative)
    headline = _headline(query.base, figures, sums["1h"].change_relative)
    png = await _picture(app, query.base, found, headline)
    return Reply(
        card=Card(
            glyph="⚠️" if found.errors else "",
            headline=headline,
            table=_table(perps, found, figures),
            reading=_meaning(figures, quad, query.base),
            evidence=_evidence(found, figures, perps, now),
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
        figures["open_interest_usd"] = Reading(
            value=sum(found.dollars.values()), venues=names, n=len(names), unit="USD",
            as_of=min(found.now[name].ts for name in names),
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
        figures[f"share.{name}"] = Reading(value=o.amount / total, unit="fraction", **seen)
        figures[f"change_1h.{name}"] = sums["1h"].by_venue[name]
    for name, error in found.errors.items():
        figures[f"open_interest.{name}"] = Reading.missing(error.reason, venues=(name,))
    return figures


def _headline(base: str, figures: dict[str, Reading[Any]], hour: Reading[float]) -> str:
    coins, value = figures["open_interest"], figures["open_interest_usd"]
    amount = (
        fmt.shown(coins, lambda v: fmt.amount(v, base))
        if coins.value is None
        else fmt.amount_and_value(coins.value, base, value.value)
    )
    change = fmt.shown(hour, fmt.percent, short=True)
    return _("{base} OI {amount}  {change} 1h").format(base=base, amount=amount, change=change)


def _table(
    perps: Sequence[Instrument], found: Interest, figures: dict[str, Reading[Any]]
) -> list[str]:
    rows = [["", "OI", _("share"), "1h"]]
    for i in perps:
        name = i.exchange
        if name not in found.now:
            rows.append([EXCHANGE_NAMES[name], fmt.NOT_KNOWN, "", ""])
            continue
        rows.append(
            [
                EXCHANGE_NAMES[name],
                fmt.compact(found.now[name].amount),
                fmt.percent(figures[f"share.{name}"].value or 0.0, 0, signed=False, tight=True),
                fmt.shown(
                    figures[f"change_1h.{name}"], lambda v: fmt.percent(v, tight=True), short=True
                ),
            ]
        )
    lines = fmt.table(rows)
    for _window, name in WINDOWS:
        change, share = figures[f"change_{name}"], figures[f"change_{name}_fraction"]
        if change.value is None or share.value is None:
            lines.append(f"{name:>3} {fmt.NOT_KNOWN}")
        else:
            part = fmt.percent(share.value, tight=True)
            lines.append(f"{name:>3} {fmt.amount(change.value, signed=True)} ({part})")
    return lines


def _meaning(figures: dict[str, Reading[Any]], quad: Reading[str], base: str) -> str:
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
            return Reading(
                value=candles[-1].close / before[-1].close - 1, as_of=candles[-1].ts, window=HOUR,
                venues=(i.exchange,), unit="fraction",
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


def _evidence(
    found: Interest, figures: dict[str, Reading[Any]], perps: Sequence[Instrument], now: int
) -> str:
    known = [r for name, r in figures.items() if name.startswith("open_interest.")]
    left_out = figures["change_1h"].note
    down = ", ".join(f"{EXCHANGE_NAMES[n]}: {e.reason}" for n, e in found.errors.items())
    return fmt.evidence(known, now, _("perps, shares of the shown total"), left_out, down)


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
    perps = await busiest_perps(app, venue, RANKED)
    now = app.clock.now()
    step = 5 * MINUTE if window <= 4 * HOUR else HOUR
    start = now - window - 2 * step
    (current, _e1), (before, _e2), (candles, _e3) = await asyncio.gather(
        settle({i.key: app.market.open_interest(i) for i in perps}),
        settle({i.key: _history(app, i, step, start, now) for i in perps}),
        settle(
            {
                i.key: app.market.candles(i, "1m" if window <= 4 * HOUR else "15m", 260)
                for i in perps
            }
        ),
    )
    movers: list[tuple[Instrument, Reading[float], float | None]] = []
    for i in perps:
        rows = {o.ts: o.amount for o in before.get(i.key, ())}
        if i.key in current:
            rows[current[i.key].ts] = current[i.key].amount
        change = interest.change(sorted(rows.items()), now, window, relative=True)
        if change.value is not None:
            movers.append((i, change, _moved(candles.get(i.key, []), now - window)))
    movers.sort(key=lambda row: -abs(row[1].value or 0.0))
    return _changes_card(movers[:10], name, venue, now, len(movers))


def _moved(candles: Sequence[Any], then: int) -> float | None:
    before = [c for c in candles if c.ts <= then]
    if not before or before[-1].open <= 0:
        return None
    return float(candles[-1].close / before[-1].open - 1)


def _changes_card(
    movers: Sequence[tuple[Instrument, Reading[float], float | None]],
    name: str,
    venue: str,
    now: int,
    n: int,
) -> Reply:
    rows = [["", "OI", _("price"), _("says")]]
    figures: dict[str, Reading[float]] = {}
    for i, change, moved in movers:
        figures[f"{i.base}.change_fraction"] = change
        label = fmt.NOT_KNOWN
        if moved is not None:
            label = _(QUADRANTS[str(interest.quadrant(moved, change.value or 0.0))])
        rows.append(
            [
                i.base,
                fmt.percent(change.value or 0.0, tight=True),
                fmt.NOT_KNOWN if moved is None else fmt.percent(moved, tight=True),
                label,
            ]
        )
    first = movers[0] if movers else None
    headline = (
        _("{base} moves most: OI {change} in {name}").format(
            base=first[0].base, change=fmt.percent(first[1].value or 0.0), name=name
        )
        if first
        else _("No open interest that long ago yet")
    )
    return Reply(
        card=Card(
            headline=headline,
            table=fmt.table(rows) if movers else (),
            reading=_("OI in coins; neutral below 0.5 % OI or 0.1 % price.") if movers else "",
            evidence=_("{venue} · {n} busiest perps · {name} · observed").format(
                venue=EXCHANGE_NAMES[venue], n=n, name=name
            ),
            updated=now,
        ),
        figures=figures,
        data={"rank": [i.base for i, _c, _m in movers]},
        buttons=[
            [
                Button(text=_("🔄 Refresh"), command=f"/oi_changes {name}", edit=True),
                *[
                    Button(text=each, command=f"/oi_changes {each}", edit=True)
                    for each in ("15m", "1h", "24h")
                    if each != name
                ][:2],
            ],
            [Button(text=i.base, command=f"/oi {i.base}") for i, _c, _m in movers[:3]],
        ],
    )
