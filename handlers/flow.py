"""/flow: who trades at market right now: delta, buy share, pace, and whose money it is."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from analytics.cvd_figures import blind_text
from analytics.flow import MoneyLabel, SmartMoney, judged
from charts.types import Bubble, FlowChart
from handlers.app import App
from handlers.base import Args, Button, Card, Picture, Reply, command
from handlers.flows import Flows, flows, reference_candles, source_text
from handlers.live import Live, live, narrow, together, without
from handlers.outages import silent
from handlers.words import at_most, keyboard, symbol
from market import format as fmt
from market.errors import SourceError
from market.language import _
from market.types import DAY, EXCHANGE_NAMES, HOUR, MINUTE, Instrument, Reading, Status

USAGE = "/flow BTC"
MINUTES = (1, 5, 15)
MONEY = (60, 15, 5)  # minutes; the longest that is known is shown
DRAWN = HOUR
SECOND = 1000
EVEN = 0.02  # net share of volume below which nobody leads
Figures = Mapping[str, Reading[Any]]
LABELS = {
    MoneyLabel.ACCUMULATION: _("institutional accumulation"),
    MoneyLabel.DISTRIBUTION: _("institutional distribution"),
    MoneyLabel.TWO_SIDED: _("institutional, on both sides"),
    MoneyLabel.RETAIL_DRIVEN: _("retail-driven"),
    MoneyLabel.MIXED: _("mixed activity"),
}


@command("flow", usage=USAGE, aliases=("orderflow",))
async def flow(args: Args, app: App) -> Reply:
    """Show who trades at market now: delta, buy share, pace, whales against retail."""
    text, rest = symbol(args, USAGE)
    at_most(rest, 0, USAGE)
    query = app.market.resolve(text, command="/flow {}")
    perp = True if query.perp is None else query.perp
    instruments = app.market.instruments_for(query, perp=perp, command="/flow {}")
    seen = await live(app, instruments)
    figures = figures_of(seen)
    name = query.base if perp else _("{base} spot").format(base=query.base)
    headline, glyph = headline_of(name, figures)
    trouble = silent(app, dict.fromkeys(i.exchange for i in instruments))
    blind = any(figures[f"delta_{m}m"].note for m in MINUTES)  # a window has no other
    return Reply(
        card=Card(
            glyph="⚠️" if trouble or blind else glyph,
            headline=headline,
            table=[*_rates(seen, figures), *_money_rows(figures)]
            if figures["delta_1m"].known
            else (),
            reading="\n".join(part for part in (_meaning(figures, seen.now), trouble) if part),
            evidence=_evidence(seen, figures, perp=perp),
            updated=seen.now,
        ),
        picture=await _picture(args, app, seen, headline, name),
        figures=figures,
        buttons=_buttons(text, query.base, instruments, perp=perp),
        data={"whales": [_order(each) for each in _whales(seen, seen.now - DRAWN)]},
    )


def figures_of(seen: Live) -> dict[str, Reading[Any]]:
    """Sums over the venues under the names of a snapshot, and each venue's under `name.exchange`; dollars."""
    found: dict[str, Reading[Any]] = {}
    for minutes in MINUTES:
        for name in ("volume", "delta", "trades"):
            found[f"{name}_{minutes}m"] = seen.total(f"{name}_{minutes}m")
        found[f"buy_share_{minutes}m"] = _share(seen, minutes)
    for name in ("acceleration", "delta_acceleration"):
        found[name] = seen.total(name)
    for minutes in MONEY:
        found |= _money(seen, minutes)
    found["cvd"] = session(seen)
    names = [*found]
    for each in seen.feeds:
        found |= {f"{name}.{each.exchange}": each.get(name) for name in names}
    return found


def _share(seen: Live, minutes: int) -> Reading[float]:
    """Taker buys over all, over the venues that know the window."""
    volume, delta = seen.total(f"volume_{minutes}m"), seen.total(f"delta_{minutes}m")
    if volume.value is None or delta.value is None:
        return volume
    if volume.value <= 0:
        return replace(
            volume, value=None, status=Status.UNDEFINED, reason=_("nothing traded"), unit=""
        )
    return replace(delta, value=(volume.value + delta.value) / 2 / volume.value, unit="fraction")


def _money(seen: Live, minutes: int) -> dict[str, Reading[Any]]:
    """Sums by size class over the venues, judged together."""
    names = ("whale_net", "whale_value", "middle_value", "retail_value")
    sums = {f"{name}_{minutes}m": seen.total(f"{name}_{minutes}m") for name in names}
    net, whales, middle, retail = (each.value for each in sums.values())
    first: Reading[Any] = sums[f"whale_net_{minutes}m"]
    found: dict[str, Reading[Any]] = dict(sums)
    if net is None or whales is None or middle is None or retail is None:
        unknown = next(each for each in sums.values() if each.value is None)
        return found | dict.fromkeys((f"whale_ratio_{minutes}m", f"money_{minutes}m"), unknown)
    told: SmartMoney = judged(
        whale_buys=(whales + net) / 2, whale_sells=(whales - net) / 2, middle=middle,
        retail=retail, n=first.n or 0,
    )  # fmt: skip
    if told.whale_ratio is None:
        why = _("neither whale nor retail orders")
        missing = replace(first, value=None, status=Status.UNDEFINED, reason=why, unit="")
        return found | dict.fromkeys((f"whale_ratio_{minutes}m", f"money_{minutes}m"), missing)
    found[f"whale_ratio_{minutes}m"] = replace(first, value=told.whale_ratio, unit="fraction")
    found[f"money_{minutes}m"] = replace(first, value=str(told.label), unit="")
    return found


def session(seen: Live) -> Reading[float]:
    """CVD since 00:00 UTC in dollars, or since the venues are watched: one left edge for all of them."""
    day = seen.now // DAY * DAY
    known = {
        each.instrument.key: each
        for each in seen.feeds
        if each.state is not None and each.get("cvd").known
    }
    logs = {key: each.state.flow for key, each in known.items() if each.state is not None}
    starts = {key: log.started_ts for key, log in logs.items() if log.started_ts is not None}
    if not starts:
        return seen.total("cvd")
    edge, used = together(starts, day)
    if seen.now - edge < SECOND:
        why = _("watched for less than a second")
        return Reading.missing(why, Status.INSUFFICIENT, venues=seen.total("cvd").venues)
    if seen.now - edge > 2 * MINUTE:  # rows of a minute are exact only from a whole one on
        edge = -(-edge // MINUTE) * MINUTE
    parts = {key: logs[key].window(edge, seen.now) for key in used}
    gaps = [gap for key in used for gap in logs[key].gaps(edge, seen.now)]
    stamps = [s for key in used if (s := known[key].get("cvd").as_of) is not None]
    late = {
        key: _("collected since {at}").format(at=fmt.utc(start, seen.now))
        for key, start in starts.items()
        if key not in used
    }
    return Reading(
        value=sum(part.delta_value * (known[key].rate or 0.0) for key, part in parts.items()),
        as_of=min(stamps, default=None), since=edge, window=seen.now - edge,
        n=sum(part.n for part in parts.values()),
        venues=tuple(known[key].exchange for key in used), unit="USD",
        note=", ".join(part for part in (blind_text(gaps), without(late)) if part),
    )  # fmt: skip


def headline_of(name: str, figures: Figures) -> tuple[str, str]:
    """Who leads over five minutes, or over one where five are not known; and the glyph of it."""
    minutes = next((m for m in (5, 1) if figures[f"delta_{m}m"].known), 0)
    if not minutes:
        why = figures["delta_1m"].reason
        return _("{name} flow n/a: {why}").format(name=name, why=why), "⚠️"
    delta: float = figures[f"delta_{minutes}m"].value or 0.0
    volume: float = figures[f"volume_{minutes}m"].value or 0.0
    if not volume or abs(delta) < EVEN * volume:
        who, glyph = _("buyers and sellers even"), "⚪"
    else:
        who, glyph = (_("buyers lead"), "🟢") if delta > 0 else (_("sellers lead"), "🔴")
    return _("{name} {who}: delta {delta} in {minutes} m").format(
        name=name, who=who, delta=fmt.money(delta, signed=True), minutes=minutes
    ), glyph


def _rates(seen: Live, figures: Figures) -> list[str]:
    """Delta, buy share and trades a minute of 1, 5 and 15 minutes; the delta of each venue."""
    rows = [["USD", *(f"{m} m" for m in MINUTES)]]
    rows.append([_("delta"), *(_cell(figures[f"delta_{m}m"]) for m in MINUTES)])
    rows.append(
        [
            _("buys"),
            *(fmt.shown(figures[f"buy_share_{m}m"], _percent, short=True) for m in MINUTES),
        ]
    )
    rows.append([_("trades/m"), *(_pace(figures[f"trades_{m}m"], m) for m in MINUTES)])
    if len(seen.feeds) > 1:
        rows += [
            [
                EXCHANGE_NAMES[each.exchange],
                *(_cell(figures[f"delta_{m}m.{each.exchange}"]) for m in MINUTES),
            ]
            for each in seen.feeds
        ]
    return fmt.table(rows)


def _cell(reading: Reading[float]) -> str:
    return fmt.shown(reading, lambda v: narrow(v, signed=True), short=True)


def _percent(value: float) -> str:
    return fmt.percent(value, 0, signed=False, tight=True)


def _pace(trades: Reading[float], minutes: int) -> str:
    return fmt.shown(trades, lambda v: narrow(v / minutes), short=True)


def longest(figures: Figures) -> int:
    """Minutes of the longest window whose size classes are known; 0 where none is."""
    return next((m for m in MONEY if figures[f"whale_value_{m}m"].known), 0)


def _money_rows(figures: Figures) -> list[str]:
    """Dollars by size class over the longest window that is known."""
    minutes = longest(figures)
    if not minutes:
        return []
    names = ("whale_value", "middle_value", "retail_value")
    cells = [fmt.shown(figures[f"{name}_{minutes}m"], narrow, short=True) for name in names]
    return fmt.table([[f"{minutes} m", _("whales"), _("middle"), _("retail")], ["USD", *cells]])


def _meaning(figures: Figures, now: int) -> str:
    """Whose money, how the pace changes, and the session's CVD."""
    parts = []
    minutes = longest(figures)
    if minutes:
        net, label = figures[f"whale_net_{minutes}m"], figures[f"money_{minutes}m"]
        if label.value is not None:
            parts.append(_capital(_(LABELS[MoneyLabel(label.value)])))
        if net.value is not None and figures[f"whale_value_{minutes}m"].value:
            parts.append(
                _("whales net {net} in {minutes} m").format(
                    net=fmt.money(net.value, signed=True), minutes=minutes
                )
            )
    pace = figures["acceleration"]
    if pace.value is not None:
        parts.append(
            _("{change} trades/min on the minute before").format(change=f"{pace.value:+,.0f}")
        )
    total = figures["cvd"]
    if total.value is not None and total.since is not None:
        text = _("CVD {value} since {at}")
        at = fmt.utc(total.since, now, seconds=bool(total.since % MINUTE))
        parts.append(text.format(value=fmt.money(total.value, signed=True), at=at))
    return fmt.SEPARATOR.join(parts)


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _evidence(seen: Live, figures: Figures, *, perp: bool) -> str:
    """Who is in the sums, who is not and why, and what else a reader has to know."""
    whole, total = seen.total("delta_1m"), figures["cvd"]
    stamps = [each.as_of for each in (whole, total) if each.known and each.as_of is not None]
    if not stamps:
        return fmt.SEPARATOR.join((without(seen.absent("delta_1m")), _("no data")))
    kind = _("perps") if perp else _("spot")
    who = fmt.venues(whole.venues) if whole.known else f"CVD {fmt.venues(total.venues)}"
    parts = (
        f"{who} {kind}",
        _("whales above $500k, retail below $10k") if longest(figures) else "",
        without(seen.absent("delta_1m")),
        _shorter(seen, figures),
        f"CVD {total.note}" if total.known else "",
        seen.rates.note,
        fmt.age(max(0, seen.now - min(stamps))),
        _("observed"),
    )
    return fmt.SEPARATOR.join(part for part in parts if part)


def _shorter(seen: Live, figures: Figures) -> str:
    """`OKX up to 5 m`: who is in the short windows of the card and not in the long ones."""
    shown = sorted({*MINUTES, *([longest(figures)] if longest(figures) else [])})
    reach: dict[int, list[str]] = {}
    for each in seen.feeds:
        known = [
            m for m in shown if each.get(f"delta_{m}m" if m in MINUTES else f"whale_net_{m}m").known
        ]
        if known and known[-1] != shown[-1]:
            reach.setdefault(known[-1], []).append(EXCHANGE_NAMES[each.exchange])
    if len(reach) == 1 and len(next(iter(reach.values()))) == len(seen.feeds):
        name = "whale_net" if shown[-1] not in MINUTES else "delta"
        why = figures[f"{name}_{shown[-1]}m"].reason
        return f"{shown[-1]} m: {why}"
    text = _("{names} only up to {minutes} m")
    return ", ".join(text.format(names="+".join(n), minutes=m) for m, n in sorted(reach.items()))


def _buttons(
    text: str, base: str, instruments: Sequence[Instrument], *, perp: bool
) -> list[list[Button]]:
    first = [Button(text=_("🔄 Refresh"), command=f"/flow {text}", edit=True)]
    kind = base if perp else f"{base} spot"
    if len(instruments) == 1:
        first.append(Button(text=_("All venues"), command=f"/flow {kind}", edit=True))
        return [first]
    if perp:
        first += [
            Button(text=_("🐋 Whales"), command=f"/whales {base}"),
            Button(text="CVD", command=f"/cvd {base} 4h"),
        ]
    venues = [
        Button(text=EXCHANGE_NAMES[i.exchange], command=f"/flow {kind} {i.exchange}", edit=True)
        for i in instruments
    ]
    return keyboard(first, venues[:3], venues[3:])


def _whales(seen: Live, since: int) -> list[tuple[str, Bubble]]:
    """Whale orders after `since` in dollars, with their venue."""
    return [
        (
            each.exchange,
            Bubble(ts=o.ts, price=o.price, value=o.value * each.rate, buy=o.side.value == "buy"),
        )
        for each in seen.feeds
        if each.state is not None and each.rate is not None
        for o in each.state.orders.whales(seen.now)
        if o.ts > since
    ]


def _order(row: tuple[str, Bubble]) -> dict[str, Any]:
    exchange, each = row
    side = "buy" if each.buy else "sell"
    return {"exchange": exchange, "ts": each.ts, "side": side, "price": each.price, "usd": each.value}  # fmt: skip


async def _picture(args: Args, app: App, seen: Live, headline: str, name: str) -> Picture | None:
    """The last hour: candles of one venue, delta of those that have all of it."""
    instruments = [each.instrument for each in seen.feeds]
    found = await flows(app, instruments, DRAWN, seen.now)
    try:
        i, candles = await reference_candles(
            app, instruments, "1m", DRAWN // MINUTE + 2, args.preferences.exchange
        )
    except SourceError:  # the figures stand without their picture
        return None
    start = found.since // MINUTE * MINUTE
    prices = [(min(c.ts + MINUTE, seen.now), c.close) for c in candles if c.ts >= start - MINUTE]
    last = next(each.get("price").value for each in seen.feeds if each.instrument == i)
    if last is not None and prices:
        prices[-1] = (seen.now, last)
    data = flow_chart(app, i, seen, found, tuple(prices), headline)
    png = await app.draw("flow", data) if prices else None
    return Picture(name=f"{seen.feeds[0].instrument.base}-flow.png", png=png) if png else None


def flow_chart(
    app: App, i: Instrument, seen: Live, found: Flows, prices: tuple[tuple[int, float], ...],
    headline: str,
) -> FlowChart:  # fmt: skip
    """What the picture needs; by the sign of candles there are no bars, their size would be made up."""
    sums: dict[int, float] = {}
    if not found.guessed:
        for rows in found.minutes.values():
            for ts, value in rows:
                sums[ts] = sums.get(ts, 0.0) + value
    start = found.since // MINUTE * MINUTE
    source = f" {source_text(found)}" if sums else ""
    watched = [
        each.state.flow.watched_since or seen.now
        for each in seen.feeds
        if each.state is not None and (not sums or each.exchange in found.sums)
    ]
    late = max(watched, default=seen.now)
    venues = fmt.venues(tuple(found.sums)) if sums else EXCHANGE_NAMES[i.exchange]
    return FlowChart(
        title=headline,
        subtitle=f"{venues} · {_('last {length}').format(length=fmt.duration(DRAWN))}{source} · UTC · {_('observed')}",
        start=start, end=seen.now, prices=prices, deltas=tuple(sorted(sums.items())),
        bubbles=tuple(
            each for venue, each in _whales(seen, start) if not sums or venue in found.sums
        ),
        bubbles_since=late if late > start + MINUTE else None,
        price_step=i.price_step, note=_("no trades of the whole hour yet"), mark=app.mark,
    )  # fmt: skip
