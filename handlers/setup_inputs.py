"""What the setup score rests on: the live state where it knows, else what the venues answer now."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from msgspec import structs

from analytics import funding as rates
from analytics import interest
from analytics.correlation import Correlation, aligned, correlation
from analytics.liquidation.clusters import Cluster, nearest
from analytics.liquidation.ledger import combined, swept
from analytics.volume import on_pace, percent_of_average
from exchanges.hub import settle
from exchanges.liquidation_maps import venue_maps
from handlers.app import App
from handlers.book_looks import Looks, looks
from handlers.flows import Flows, flows
from handlers.liqmap import head_of
from handlers.liqs import figures_of as liquidation_figures
from handlers.liqs import published
from handlers.live import Live, looked
from market.errors import SourceError
from market.language import _
from market.types import (
    DAY,
    HOUR,
    MINUTE,
    TIMEFRAMES,
    Candle,
    Instrument,
    Kind,
    PositionSide,
    Reading,
    Status,
    Ticker,
)

DRAWN = 4 * HOUR
MAP = 7 * DAY  # as /liqmap, so that both name the same levels
WINDOW = 30 * MINUTE  # of open interest
HOURS = 300  # closes of the correlation
AGE = 3 * HOUR  # of the newest common hour
CRASH = 5 * MINUTE
Samples = dict[str, list[tuple[int, float]]]


@dataclass(slots=True, kw_only=True)
class Inputs:
    """Everything at one moment. `readings` as `analytics.setup.assess` wants them; the rest is for the picture."""

    base: str
    head: Ticker
    seen: Live
    books: Looks
    readings: dict[str, Reading[Any]] = field(default_factory=dict)
    candles: list[Candle] = field(default_factory=list)
    flow: Flows | None = None
    samples: Samples = field(default_factory=dict)
    volume: Reading[float] | None = None
    cluster: Reading[Cluster] | None = None
    sides: list[Cluster] = field(default_factory=list)  # the nearest of each side
    link: Reading[Correlation] | None = None
    against: str = ""
    crash: Reading[str] | None = None
    quadrant: Reading[str] | None = None
    level: Reading[float] | None = None

    @property
    def now(self) -> int:
        """Market ms."""
        return self.seen.now


async def inputs(app: App, base: str, instruments: Sequence[Instrument], default: str) -> Inputs:
    """Ask for all of it at once; what a venue does not answer is missing with its reason."""
    books = await looks(app, instruments)
    head = await head_of(app, instruments, default)
    streams = app.market.streams
    seen = await looked(
        app, [(i, streams.state(i) if streams is not None else None) for i in instruments]
    )
    found = Inputs(base=base, head=head, seen=seen, books=books)
    price = _live_of_head(found, "price")
    if price.value is not None and price.as_of is not None:
        found.head = structs.replace(head, last=price.value, ts=found.now)
    await asyncio.gather(
        _candles(app, found),
        _clusters(app, found, instruments), _interest(app, found, instruments), _funding(app, found),
        _volume(app, found), _link(app, found), _flow(app, found, instruments), _crash(app, found),
    )  # fmt: skip
    _liquidated(found)
    _book(found)
    _quadrant(found)
    return found


def _live_of_head(found: Inputs, name: str) -> Reading[Any]:
    feed = next(each for each in found.seen.feeds if each.instrument == found.head.instrument)
    return feed.get(name)


async def _candles(app: App, found: Inputs) -> None:
    """Prices for the picture and for what came before the half hour."""
    i = found.head.instrument
    rows, _errors = await settle({i.key: app.market.candles(i, "5m", DRAWN // (5 * MINUTE) + 3)})
    found.candles = rows.get(i.key, [])


async def _flow(app: App, found: Inputs, instruments: Sequence[Instrument]) -> None:
    """Delta and volume of five minutes from the live trades, else from taker volume; and the CVD of the picture."""
    delta, volume = found.seen.total("delta_5m"), found.seen.total("volume_5m")
    if not delta.known:
        short = await flows(app, instruments, 5 * MINUTE, found.now)
        told = short.readings(found.base)
        if told["cvd"].known and not short.guessed:
            delta, volume = told["cvd"], told["value"]
    found.readings |= {"delta_5m": delta, "volume_5m": volume}
    found.flow = await flows(app, instruments, DRAWN, found.now)


def _liquidated(found: Inputs) -> None:
    told = replace(found.seen, feeds=published(found.seen))
    figures = liquidation_figures(told)
    for name in ("liq_long_5m", "liq_short_5m"):
        found.readings[name] = figures[name]


def _book(found: Inputs) -> None:
    """The bids' share near the price where venues show all of it, else in the head's best ten; the largest wall."""
    figures = found.books.figures
    share = figures["bid_share_01"]
    if not share.known:
        share = figures.get(f"bid_share.{found.head.instrument.exchange}", share)
    found.readings["bid_share"] = share
    walls = [row for row in found.books.walls() if row[2] is not None]
    if walls:
        look, wall, _usd = walls[0]
        found.level = Reading(
            value=wall.price, as_of=look.at, venues=(look.exchange,), kind=wall.kind,
            unit="price", note=_("largest wall"),
        )  # fmt: skip


async def _funding(app: App, found: Inputs) -> None:
    """Of the head: what longs pay per 8 h, and how that changes."""
    rate, momentum = (_live_of_head(found, f"funding_{name}") for name in ("8h", "momentum"))
    if not rate.known:
        i = found.head.instrument
        try:
            told = await app.market.funding(i)
        except SourceError as error:
            rate = Reading.missing(error.reason, Status.UNAVAILABLE, venues=(i.exchange,))
        else:
            rate = rates.figures(told, found.now)["eq_8h"]
            if told.predicted is not None and rate.value is not None:
                momentum = replace(
                    rate, value=rates.eq_8h(told.predicted - told.rate, told.interval_h),
                    note=_("predicted minus current, per 8 h"),
                )  # fmt: skip
    found.readings |= {"funding_8h": rate, "funding_momentum": momentum}


async def _interest(app: App, found: Inputs, instruments: Sequence[Instrument]) -> None:
    """The change of open interest over 30 minutes, in coins, over the venues that know both ends."""
    start, step = found.now - DRAWN - 10 * MINUTE, TIMEFRAMES["5m"]
    history, errors = await settle(
        {
            i.exchange: app.market.open_interest_history(i, step=step, start=start, end=found.now)
            for i in instruments
        }
    )
    for each in found.seen.feeds:
        rows = {o.ts: o.amount for o in history.get(each.exchange, ())}
        if each.state is not None:
            rows |= dict(each.state.derivatives.series("interest", start))
        found.samples[each.exchange] = sorted(rows.items())
    told = interest.over_venues(found.samples, found.now, WINDOW, unit=found.base)
    change, share = told.change, told.change_relative
    if errors and not share.known:
        share = Reading.missing(next(iter(errors.values())).reason, Status.UNAVAILABLE)
    found.readings["oi_change_30m"] = share
    usd = found.seen.rates.of(found.head.last, found.head.instrument.quote)
    if change.value is not None and usd is not None:
        found.readings["oi_delta_usd_30m"] = replace(
            change, value=change.value * usd, unit="USD", note=_("coins at the price of now")
        )


async def _volume(app: App, found: Inputs) -> None:
    """Of the head: the running 15 m candle once a fifth of it is over, else the last closed one."""
    known = [
        each
        for name in ("volume_pace_15m", "volume_ratio_15m")
        if (each := _live_of_head(found, name)).known
    ]
    if known:
        found.volume = known[0]
        return
    i = found.head.instrument
    try:
        candles = await app.market.candles(i, "15m", 100)
    except SourceError as error:
        found.volume = Reading.missing(error.reason, Status.UNAVAILABLE, venues=(i.exchange,))
        return
    pace = on_pace(candles, "15m", found.now)
    told = pace if pace.known else percent_of_average(candles, "15m", found.now)
    found.volume = replace(told, venues=(i.exchange,))


async def _link(app: App, found: Inputs) -> None:
    """50 hourly returns against the hours before: of Bitcoin with Ether, of every other coin with Bitcoin."""
    i = found.head.instrument
    found.against = "ETH" if found.base == "BTC" else "BTC"
    listed = app.market.directory.listed(found.against)
    other = next(
        (x for x in listed if x.perp and x.exchange == i.exchange and x.quote == i.quote), None
    )
    if other is None:
        text = _("{venue} has no {coin} to compare with")
        why = text.format(venue=i.exchange, coin=found.against)
        found.link = Reading.missing(why, Status.UNAVAILABLE)
        return
    rows, errors = await settle({x.key: app.market.candles(x, "1h", HOURS + 1) for x in (i, other)})
    if errors:
        why = next(iter(errors.values())).reason
        found.link = Reading.missing(why, Status.UNAVAILABLE, venues=(i.exchange,))
        return
    closes = [
        {
            c.ts: c.close
            for c in rows[x.key]
            if c.closed and c.close > 0 and c.ts + HOUR <= found.now
        }
        for x in (i, other)
    ]
    last = max(closes[0].keys() & closes[1].keys(), default=0) + HOUR
    told = (
        correlation(*aligned(*closes)) if last > HOUR else Correlation(current=None, baseline=None)
    )
    if told.current is None or told.baseline is None:
        found.link = Reading.missing(_("not enough common hours"), Status.INSUFFICIENT)
    elif found.now - last > AGE:
        found.link = Reading.missing(_("the last common hour is old"), Status.STALE, as_of=last)
    else:
        found.link = Reading(value=told, as_of=last, n=len(closes[0]), venues=(i.exchange,))


async def _clusters(app: App, found: Inputs, instruments: Sequence[Instrument]) -> None:
    """The nearest cluster of estimated liquidations, by the model and the window of /liqmap."""
    maps, missing = await venue_maps(app.market, instruments, MAP, found.now)
    if not maps:
        why = next(iter(missing.values()), _("no map"))
        found.cluster = Reading.missing(why, Status.INSUFFICIENT, kind=Kind.ESTIMATED)
        return
    sizes = {name: each.interest_usd for name, each in maps.items()}
    whole = swept(
        await asyncio.to_thread(combined, [v.map for v in maps.values()], sizes, found.head.last)
    )
    found.sides = [c for side in PositionSide if (c := nearest(whole, side)) is not None]
    if not found.sides:
        none = _("no cluster stands out")
        found.cluster = Reading.missing(none, Status.UNDEFINED, kind=Kind.ESTIMATED)
        return
    found.cluster = Reading(
        value=min(found.sides, key=lambda each: abs(each.distance)), as_of=whole.as_of,
        since=whole.since, window=whole.window, venues=whole.venues, kind=Kind.ESTIMATED,
    )  # fmt: skip


async def _crash(app: App, found: Inputs) -> None:
    """What the crash monitor has noticed in the last five minutes, where it has watched for so long."""
    found.crash = Reading.missing(_("not watched"), Status.UNAVAILABLE)
    monitors = app.monitors
    if monitors is None:
        return
    status = monitors.status()
    if not status.running or found.base not in monitors.watch_list.coins:
        return
    facts = await monitors.facts(coin=found.base, since=found.now - CRASH, limit=100)
    crash = next((each for each in facts if each.kind == "crash"), None)
    watched = app.wall.now() - app.started
    if crash is not None:
        found.crash = Reading(value=crash.side, as_of=crash.ts, venues=crash.venues)
    elif status.looked_ts is None or found.now - status.looked_ts > MINUTE:
        found.crash = Reading.missing(_("the monitors lag behind"), Status.STALE)
    elif watched < CRASH:
        text = _("watched for {seen} s of {needed} s")
        why = text.format(seen=watched // 1000, needed=CRASH // 1000)
        found.crash = Reading.missing(why, Status.INSUFFICIENT)
    else:
        found.crash = Reading(value="none", as_of=status.looked_ts)


def _quadrant(found: Inputs) -> None:
    """What price and open interest say together over the same half hour."""
    change = found.readings["oi_change_30m"]
    before = [
        c for c in found.candles if change.since is not None and c.ts + 5 * MINUTE <= change.since
    ]
    if not before or change.since is None or change.since - before[-1].ts > 15 * MINUTE:
        return
    moved = Reading(
        value=found.head.last / before[-1].close - 1, as_of=found.head.ts, since=change.since,
        unit="fraction",
    )  # fmt: skip
    found.quadrant = interest.quadrant_reading(moved, change)


def interest_line(
    samples: Mapping[str, Sequence[tuple[int, float]]], start: int, end: int
) -> tuple[list[tuple[int, float]], list[str]]:
    """Coins over the venues that have samples of the whole time, every 5 minutes; and which venues those are."""
    step, late = 5 * MINUTE, 15 * MINUTE
    grid = range(-(-start // step) * step, end + 1, step)
    rows: dict[str, list[float]] = {}
    for name, told in samples.items():
        usable, place, values = interest.usable(told), -1, []
        for ts in grid:
            while place + 1 < len(usable) and usable[place + 1][0] <= ts:
                place += 1
            if place < 0 or ts - usable[place][0] > late:
                break
            values.append(usable[place][1])
        if len(values) == len(grid):
            rows[name] = values
    if not rows:
        return [], []
    return [
        (ts, sum(each)) for ts, each in zip(grid, zip(*rows.values(), strict=True), strict=True)
    ], list(rows)
