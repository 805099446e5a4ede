"""/oi_changes: the busiest perps by the change of their open interest, with the price beside it."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from analytics import interest
from exchanges.hub import settle
from handlers.app import App
from handlers.base import Args, Button, Card, Reply, command
from handlers.oi import QUADRANTS, history_of, tight_percent
from handlers.volume import busiest_perps
from handlers.words import at_most, keyboard
from market import format as fmt
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
    Ticker,
)

USAGE = "/oi_changes 1h"
RANKED = 20  # perps looked at


@command("oi_changes", usage=USAGE)
async def oi_changes(args: Args, app: App) -> Reply:
    """Rank the busiest perps by the change of their open interest, with the price beside it."""
    at_most(args.words, 1, USAGE)
    window = (
        fmt.window(args.words[0], low=15 * MINUTE, high=DAY, example=USAGE) if args.words else HOUR
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
        return await history_of(app, i, 5 * MINUTE, then - 15 * MINUTE, now)
    near, hourly = await asyncio.gather(
        history_of(app, i, 5 * MINUTE, then - 15 * MINUTE, then + 5 * MINUTE),
        history_of(app, i, HOUR, then, now),
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
                fmt.shown(mover.interest, tight_percent, short=True),
                fmt.shown(mover.price, tight_percent, short=True),
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
