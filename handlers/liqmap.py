"""/liqmap: where isolated positions would be closed by force; an estimate from open interest, and exact prices."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from analytics.liquidation.clusters import Cluster, largest, nearest
from analytics.liquidation.ledger import LiquidationMap, combined, swept
from analytics.liquidation.model import liquidation_price, table_note
from charts.types import LiquidationChart
from exchanges.hub import settle
from exchanges.liquidation_maps import VenueMap, tiers_of, venue_maps
from handlers.app import App
from handlers.base import Args, Button, Card, Picture, Reply, command
from handlers.outages import named, short
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
    Kind,
    PositionSide,
    Reading,
    Ticker,
    TierTable,
)

USAGE = "/liqmap ETH 7d"
LEVERAGES = (5, 10, 25, 50)
SIZE = 10_000.0  # USD of the position whose exact prices are shown
OLD = 3 * HOUR  # of the newest candle in the map
PRICE_OLD = 15 * MINUTE
SPAN = 0.12  # of the price, drawn on either side


@command("liqmap", usage=USAGE, aliases=("liq_map", "heatmap"))
async def liqmap(args: Args, app: App) -> Reply:
    """Draw where estimated liquidations lie: longs below the price, shorts above."""
    text, rest = symbol(args, USAGE)
    at_most(rest, 1, USAGE)
    window = fmt.window(rest[0], low=6 * HOUR, high=30 * DAY, example=USAGE) if rest else 7 * DAY
    query, listed, typed = perps(app, text, "/liqmap {}")
    now = app.clock.now()
    head = await head_of(app, listed, args.preferences.exchange)
    found, missing = await venue_maps(app.market, listed, window, now)
    tiers = await tiers_of(app.market, head.instrument)
    figures = _exact(head, tiers)
    base, length = query.base, fmt.duration(window)
    words = rest[0] if rest else "7d"
    buttons = _buttons(text, words)
    if not found:
        return _without_map(base, head, figures, missing, tiers, now, buttons)
    known = await _known_interest(app, listed, missing)
    sizes = {name: v.interest_usd for name, v in found.items()} | known
    maps = [v.map for v in found.values()]
    whole = swept(await asyncio.to_thread(combined, maps, sizes, head.last))
    long, short_ = (nearest(whole, side) for side in (PositionSide.LONG, PositionSide.SHORT))
    figures |= _clusters(whole, long, short_)
    headline = _headline(base, long, short_, head)
    unknown = [name for name in missing if name not in known]
    return Reply(
        card=Card(
            glyph="⚠️" if now - whole.as_of > OLD else "",
            headline=headline,
            table=_table(head.instrument, figures),
            reading=_meaning(_biggest(whole), head),
            evidence=_evidence(whole, missing, length, now, (typed, _share(whole, unknown))),
            updated=now,
        ),
        picture=await _picture(app, base, whole, found, head.instrument, headline, length),
        figures=figures,
        buttons=buttons,
    )


def _buttons(text: str, words: str) -> list[list[Button]]:
    others = [each for each in ("1d", "7d", "30d") if each != words]
    return [
        [Button(text=_("🔄 Refresh"), command=f"/liqmap {text} {words}", edit=True)],
        [Button(text=each, command=f"/liqmap {text} {each}", edit=True) for each in others],
    ]


async def head_of(app: App, perps: Sequence[Instrument], default: str) -> Ticker:
    """The price of the default venue, else of the first other one that answers."""
    tickers, errors = await settle({i.exchange: app.market.ticker(i) for i in perps})
    now = app.clock.now()
    fresh = [t for t in tickers.values() if now - t.ts <= PRICE_OLD]
    if not fresh:
        raise next(iter(errors.values()), SourceError(_("Markets"), _("every price is old")))
    return min(fresh, key=lambda t: t.instrument.exchange != default)


def _biggest(whole: LiquidationMap) -> Cluster | None:
    both = (largest(whole, PositionSide.LONG), largest(whole, PositionSide.SHORT))
    return max((c for c in both if c), key=lambda c: c.usd, default=None)


def _share(whole: LiquidationMap, unknown: Sequence[str]) -> str:
    """The coverage; at most that, where a venue does not tell how much is open on it."""
    share = fmt.percent(whole.coverage, 0, signed=False)
    if unknown:
        return _("coverage at most {share}").format(share=share)
    return _("coverage {share}").format(share=share)


async def _known_interest(
    app: App, perps: Sequence[Instrument], missing: dict[str, str]
) -> dict[str, float]:
    """Open interest in USD of the venues without a map: a missing venue lowers the coverage."""
    absent = [i for i in perps if i.exchange in missing]
    interest, _e1 = await settle({i.exchange: app.market.open_interest(i) for i in absent})
    prices, _e2 = await settle({i.exchange: app.market.ticker(i) for i in absent})
    return {n: o.amount * prices[n].last for n, o in interest.items() if n in prices}


def _exact(head: Ticker, tiers: TierTable) -> dict[str, Reading[float]]:
    """`price`, and isolated liquidation prices of a position opened there, by leverage and side."""
    price, i = head.last, head.instrument
    out: dict[str, Reading[float]] = {
        "price": Reading(value=price, as_of=head.ts, venues=(i.exchange,), unit=i.quote)
    }
    for leverage in LEVERAGES:
        for side in PositionSide:
            found = liquidation_price(
                position=side, entry=price, amount=SIZE / price, leverage=leverage, table=tiers
            )
            out[f"liquidation.{side.value}.{leverage}x"] = replace(found, as_of=head.ts)
    return out


def _clusters(
    whole: LiquidationMap, long: Cluster | None, short: Cluster | None
) -> dict[str, Reading[float]]:
    out: dict[str, Reading[float]] = {}
    for name, cluster in (("cluster.long", long), ("cluster.short", short)):
        out[name] = (
            Reading.missing(_("no cluster on this side"), kind=Kind.ESTIMATED)
            if cluster is None
            else Reading(
                value=cluster.near, as_of=whole.as_of, since=whole.since, window=whole.window,
                venues=whole.venues, kind=Kind.ESTIMATED, unit="price",
            )
        )  # fmt: skip
    out["coverage"] = Reading(
        value=whole.coverage,
        as_of=whole.as_of,
        venues=whole.venues,
        kind=Kind.ESTIMATED,
        unit="fraction",
    )
    return out


def _headline(base: str, long: Cluster | None, short: Cluster | None, head: Ticker) -> str:
    price, step = head.last, head.instrument.price_step

    def near(cluster: Cluster | None) -> str:
        if cluster is None:
            return _("none")
        return f"{fmt.price(cluster.near, step)} ({fmt.percent(cluster.near / price - 1)})"

    return _("{base}: longs {long}, shorts {short}").format(
        base=base, long=near(long), short=near(short)
    )


def _table(i: Instrument, figures: dict[str, Reading[float]]) -> list[str]:
    rows = [["", _("long liq."), _("short liq.")]]
    for leverage in LEVERAGES:
        cells = [
            fmt.shown(
                figures[f"liquidation.{side.value}.{leverage}x"],
                lambda v: fmt.price(v, i.price_step),
                short=True,
            )
            for side in (PositionSide.LONG, PositionSide.SHORT)
        ]
        rows.append([f"{leverage}x", *cells])
    return fmt.table(rows)


def _meaning(big: Cluster | None, head: Ticker) -> str:
    price, step = head.last, head.instrument.price_step
    if big is None:
        return _("No cluster stands out.")
    side = _("longs") if big.position is PositionSide.LONG else _("shorts")
    return _("Largest cluster: {side} at {low}…{high} ({distance}).").format(
        side=side,
        low=fmt.price(min(big.near, big.far), step),
        high=fmt.price(max(big.near, big.far), step),
        distance=fmt.percent(big.near / price - 1),
    )


def _evidence(
    whole: LiquidationMap, missing: dict[str, str], length: str, now: int, more: Sequence[str]
) -> str:
    absent = ", ".join(f"{named(n)}: {short(why)}" for n, why in missing.items())
    parts = (
        fmt.venues(whole.venues),
        length,
        _("table: {value} isolated, entered now").format(value=fmt.money(SIZE)),
        whole.tiers,
        *more,
        absent,
        fmt.age(now - whole.as_of),
        _("map estimated from OI, not a forecast"),
    )
    return fmt.SEPARATOR.join(part for part in parts if part)


async def _picture(
    app: App,
    base: str,
    whole: LiquidationMap,
    found: dict[str, VenueMap],
    head: Instrument,
    headline: str,
    length: str,
) -> Picture | None:
    """The bins around the price on a scale of 0 to 100: dollars need own prints to be calibrated with."""
    inside = (whole.edges[:-1] >= whole.price * (1 - SPAN)) & (
        whole.edges[1:] <= whole.price * (1 + SPAN)
    )
    places = np.flatnonzero(inside)
    if not len(places):
        return None
    first, last = int(places[0]), int(places[-1]) + 1
    candles = next(
        (v.candles for name, v in found.items() if name == head.exchange),
        next(iter(found.values())).candles,
    )
    chart = LiquidationChart(
        title=headline,
        subtitle=f"{fmt.venues(whole.venues)} · {length} · {fmt.utc(whole.as_of)}",
        price=whole.price,
        edges=whole.edges[first : last + 1],
        long_size=whole.long_usd[first:last],
        short_size=whole.short_usd[first:last],
        unit=_("index"),
        index=True,
        price_step=head.price_step,
        path=tuple((c.ts, c.close) for c in candles if c.ts >= whole.since),
        mark=app.mark,
    )
    png = await app.draw("liqmap", chart)
    return Picture(name=f"{base}-liqmap.png", png=png) if png else None


def _without_map(
    base: str, head: Ticker, figures: dict[str, Reading[float]], missing: dict[str, str],
    tiers: TierTable, now: int, buttons: list[list[Button]],
) -> Reply:  # fmt: skip
    """Exact prices alone, where no venue has a history of open interest."""
    why = ", ".join(f"{named(n)}: {short(reason)}" for n, reason in missing.items())
    i = head.instrument
    parts = (EXCHANGE_NAMES[i.exchange], why, table_note(tiers), _("estimated"))
    return Reply(
        card=Card(
            glyph="⚠️",
            headline=_("{base}: no map yet, exact prices at {price}").format(
                base=base, price=fmt.price(head.last, i.price_step)
            ),
            table=_table(i, figures),
            reading=_("A map needs a history of open interest."),
            evidence=fmt.SEPARATOR.join(part for part in parts if part),
            updated=now,
        ),
        figures=figures,
        buttons=buttons,
    )
