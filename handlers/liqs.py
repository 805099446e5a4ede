"""/liqs: forced closes as they are seen, by the position that was closed; a floor where a venue shows samples."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from analytics.liqflow import Cascade
from exchanges.streams.decoder import Channel, Topic
from exchanges.streams.protocols import socket_of
from handlers.app import App
from handlers.base import Args, Button, Card, Reply, command
from handlers.live import Feed, Live, live, looked, narrow, summed, without
from handlers.outages import named, silent
from handlers.words import COINS, at_most, keyboard, perps, symbol
from market import format as fmt
from market.errors import UserError
from market.language import _
from market.types import EXCHANGES, HOUR, Liquidation, PositionSide, Reading

USAGE = "/liqs BTC"
MINUTES = (1, 5, 15, 60)
SAMPLED = ("binance", "okx")  # publish at most one a second and instrument, or not all of them
LINES = 12  # of the table
SIDES = ("long", "short")
Figures = Mapping[str, Reading[Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Print:
    """One forced close and its value in US dollars."""

    row: Liquidation
    usd: float

    @property
    def exchange(self) -> str:
        """Its venue."""
        return self.row.instrument.exchange


@command("liqs", usage=USAGE, aliases=("liquidations",))
async def liqs(args: Args, app: App) -> Reply:
    """Show the newest liquidations and their sums by side and venue, of a coin or the watch list."""
    seen, name, line = await _seen(args, app)
    told = published(seen)
    silent_ones = list(dict.fromkeys(each.exchange for each in seen.feeds if not _publishes(each)))
    whole = replace(seen, feeds=told)
    figures = figures_of(whole)
    prints = prints_of(whole)
    headline, glyph = headline_of(name, figures)
    if not told:
        headline = _("{name} liquidations n/a: {venues} publishes none").format(
            name=name, venues="+".join(map(named, silent_ones))
        )
    trouble = silent(app, dict.fromkeys(each.exchange for each in told))
    table = _sums(whole, figures)
    return Reply(
        card=Card(
            glyph="⚠️" if trouble else glyph,
            headline=headline,
            table=[*table, *_newest(prints, LINES - len(table), coin=bool(line))],
            reading="\n".join(part for part in (_meaning(whole, prints), trouble) if part),
            evidence=_evidence(whole, figures, silent_ones),
            updated=seen.now,
        ),
        figures=figures,
        buttons=_buttons(line),
        data={"prints": [_fact(each) for each in prints[:50]]},
    )


async def _seen(args: Args, app: App) -> tuple[Live, str, str]:
    """The perps of the coin that was named, else of the watch list; its name, and the words it was typed as."""
    if args.words:
        text, rest = symbol(args, USAGE)
        at_most(rest, 0, USAGE)
        query, instruments, _note = perps(app, text, "/liqs {}")
        return await live(app, instruments), query.base, text
    streams = app.market.streams
    states = [] if streams is None else [s for s in streams.states() if s.instrument.perp]
    if not states:
        raise UserError(_("Nothing is watched yet; name a coin."), USAGE)
    return await looked(app, [(s.instrument, s) for s in states]), _("Watch list"), ""


def _publishes(feed: Feed) -> bool:
    return socket_of(Topic(Channel.LIQUIDATIONS, feed.instrument)) is not None


def published(seen: Live) -> list[Feed]:
    """The instruments whose venue publishes liquidations at all."""
    return [each for each in seen.feeds if _publishes(each)]


def figures_of(seen: Live) -> dict[str, Reading[Any]]:
    """`liq_long_5m`, `liq_short_5m` (US dollars), `liq_count_5m`, also 1m, 15m, 60m; and by venue."""
    found: dict[str, Reading[Any]] = {}
    for minutes in MINUTES:
        for side in (*SIDES, "count"):
            name = f"liq_{side}_{minutes}m"
            rows = {
                exchange: summed([_floored(each, name) for each in feeds])
                for exchange, feeds in _by_venue(seen).items()
            }
            found[name] = summed(list(rows.values()))
            found |= {f"{name}.{exchange}": each for exchange, each in rows.items()}
    return found


def _by_venue(seen: Live) -> dict[str, list[Feed]]:
    venues = [name for name in EXCHANGES if any(f.exchange == name for f in seen.feeds)]
    return {name: [f for f in seen.feeds if f.exchange == name] for name in venues}


def _floored(feed: Feed, name: str) -> Reading[Any]:
    """A sum of samples is a floor from the start, also before the first of them came."""
    reading = feed.get(name)
    text = _("floor: {venue} shows a sample").format(venue=named(feed.exchange))
    if not reading.known or feed.exchange not in SAMPLED or text in reading.note:
        return reading
    return replace(reading, note=", ".join(part for part in (text, reading.note) if part))


def _floor(reading: Reading[Any]) -> str:
    return "≥" if any(name in SAMPLED for name in reading.venues) else ""


def prints_of(seen: Live) -> list[Print]:
    """The newest forced closes, newest first."""
    found = [
        Print(row=row, usd=row.value * each.rate)
        for each in seen.feeds
        if each.state is not None and each.rate is not None
        for row in each.state.liquidations.prints()
    ]
    return sorted(found, key=lambda each: -each.row.ts)


def headline_of(name: str, figures: Figures) -> tuple[str, str]:
    """Both sides over the longest window that is known."""
    minutes = next((m for m in reversed(MINUTES) if figures[f"liq_long_{m}m"].known), 0)
    if not minutes:
        why = figures["liq_long_1m"].reason
        return _("{name} liquidations n/a: {why}").format(name=name, why=why), "⚠️"
    long, short = (figures[f"liq_{side}_{minutes}m"] for side in SIDES)
    floor = _floor(long)
    if not long.value and not short.value:
        return _("{name}: no liquidation seen in {n} m").format(name=name, n=minutes), "⚪"
    text = _("{name} liquidated in {n} m: longs {long}, shorts {short}").format(
        name=name, n=minutes, long=floor + fmt.money(long.value or 0.0),
        short=floor + fmt.money(short.value or 0.0),
    )  # fmt: skip
    return text, "🔴" if (long.value or 0.0) > (short.value or 0.0) else "🟢"


def _sums(seen: Live, figures: Figures) -> list[str]:
    """Dollars by side: over all venues, then by venue. `L` and `S` are the positions that were closed."""
    if not any(figures[f"liq_long_{m}m"].known for m in MINUTES):
        return []
    rows = [["USD", *(f"{m}m" for m in MINUTES)]]
    floor = _floor(figures["liq_long_1m"])
    for side, word in zip(SIDES, (_("longs"), _("shorts")), strict=True):
        rows.append([word + floor, *(_cell(figures[f"liq_{side}_{m}m"]) for m in MINUTES)])
    venues = list(_by_venue(seen))
    if len(venues) > 1:
        for exchange in venues:
            floor = "≥" if exchange in SAMPLED else ""
            for side, letter in zip(SIDES, ("L", "S"), strict=True):
                cells = (_cell(figures[f"liq_{side}_{m}m.{exchange}"]) for m in MINUTES)
                rows.append([f"{named(exchange)[:3]} {letter}{floor}", *cells])
    return fmt.table(rows)


def _cell(reading: Reading[float]) -> str:
    return fmt.shown(reading, narrow, short=True)


def _newest(prints: Sequence[Print], room: int, *, coin: bool) -> list[str]:
    """Time, venue, what was closed, dollars, and the price or the coin."""
    rows = []
    for each in prints[: max(0, room)]:
        row, i = each.row, each.row.instrument
        side = _("long") if row.position is PositionSide.LONG else _("short")
        where = fmt.price(row.price, i.price_step) if coin else i.base
        at = fmt.utc(row.ts, seconds=False).split()[1]
        rows.append([at, named(i.exchange)[:3], side, narrow(each.usd), where])
    return fmt.table(rows, "lllrr")


def _meaning(seen: Live, prints: Sequence[Print]) -> str:
    """The largest of the last hour, and a cascade that goes on."""
    parts = []
    recent = [each for each in prints if each.row.ts > seen.now - HOUR]
    if recent:
        big = max(recent, key=lambda each: each.usd)
        i, side = big.row.instrument, big.row.position
        parts.append(
            _("largest: {coin} {side} {usd} on {venue} at {price}, {at}").format(
                coin=i.base, side=_("long") if side is PositionSide.LONG else _("short"),
                usd=fmt.money(big.usd), venue=named(i.exchange),
                price=fmt.price(big.row.price, i.price_step), at=fmt.utc(big.row.ts, seen.now),
            )
        )  # fmt: skip
    running = [
        (each, found)
        for each in seen.feeds
        if each.state is not None and (found := each.state.liquidations.cascade(seen.now))
    ]
    if running:
        feed, cascade = max(running, key=lambda row: row[1].usd * (row[0].rate or 0.0))
        parts.append(_cascade(feed, cascade, seen.now))
    return fmt.SEPARATOR.join(parts)


def _cascade(feed: Feed, cascade: Cascade, now: int) -> str:
    side = _("longs") if cascade.position is PositionSide.LONG else _("shorts")
    return _("cascade now: {coin} {side} {floor}{usd} in {n} closes on {venue} since {at}").format(
        coin=feed.instrument.base, side=side, floor="≥" if feed.exchange in SAMPLED else "",
        usd=fmt.money(cascade.usd * (feed.rate or 0.0)), n=cascade.count,
        venue=named(feed.exchange), at=fmt.utc(cascade.since, now, seconds=True),
    )  # fmt: skip


def _evidence(seen: Live, figures: Figures, silent_ones: Sequence[str]) -> str:
    """Whose closes these are, which sums are floors, and who is not in them."""
    first = figures["liq_long_1m"]
    absent = seen.absent("liq_long_1m")
    later = {k: v for k, v in seen.absent("liq_long_60m").items() if k not in absent}
    floors = [name for name in _by_venue(seen) if name in SAMPLED]
    honest = []
    if floors:
        text = _("floor: {venues} show samples") if len(floors) > 1 else _("floor: {venues} shows samples")  # fmt: skip
        honest.append(text.format(venues=_(" and ").join(map(named, floors))))
    if silent_ones:
        names = "+".join(map(named, silent_ones))
        honest.append(_("{venues} publishes none").format(venues=names))
    blind = _("the feed was blind in between")
    parts = (
        f"{fmt.venues(first.venues)} {_('perps')}" if first.known else "",
        _("by the position closed"),
        "; ".join(honest),
        without(absent) if len(absent) <= len(EXCHANGES) else _markets(absent, seen),
        _("60 m {text}").format(
            text=without(later) if len(later) <= len(EXCHANGES) else _markets(later, seen)
        )
        if later
        else "",
        blind if any(blind in each.note for each in figures.values()) else "",
        seen.rates.note,
        fmt.age(max(0, seen.now - first.as_of)) if first.as_of is not None else "",
        _("observed") if first.known else _("no data"),
    )  # fmt: skip
    return fmt.SEPARATOR.join(part for part in parts if part)


def _markets(absent: Mapping[str, str], seen: Live) -> str:
    """How many markets of a long list are not in the sums."""
    if not absent:
        return ""
    return _("without {n} of {all} markets, not watched for so long").format(
        n=len(absent), all=len(seen.feeds)
    )


def _buttons(text: str) -> list[list[Button]]:
    first = [Button(text=_("🔄 Refresh"), command=f"/liqs {text}".strip(), edit=True)]
    if not text:
        return [first, [Button(text=coin, command=f"/liqs {coin}", edit=True) for coin in COINS]]
    first.append(Button(text=_("💥 Map"), command=f"/liqmap {text}"))
    return keyboard(
        first,
        [
            Button(text=_("🌊 Flow"), command=f"/flow {text}"),
            Button(text=_("Watch list"), command="/liqs", edit=True),
        ],
    )


def _fact(each: Print) -> dict[str, Any]:
    row = each.row
    return {
        "ts": row.ts, "instrument": row.instrument.key, "position": str(row.position),
        "price": row.price, "amount": row.amount, "usd": each.usd, "sample": row.sample,
    }  # fmt: skip
