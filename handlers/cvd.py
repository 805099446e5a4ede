"""/cvd: who pressed the price, over the perps of every venue."""

from collections.abc import Mapping, Sequence

from analytics.divergence import divergences
from charts.types import Pane
from handlers.app import App
from handlers.base import Args, Button, Card, Picture, Reply, command
from handlers.flows import Flows, flows, reference_candles, source_text
from handlers.outages import named
from handlers.ta import candle_chart
from handlers.times import at
from handlers.words import at_most, keyboard, symbol
from market import format as fmt
from market.errors import SourceError
from market.language import _
from market.types import (
    DAY,
    EXCHANGE_NAMES,
    HOUR,
    MINUTE,
    TIMEFRAMES,
    Candle,
    Instrument,
    Kind,
    Reading,
)

USAGE = "/cvd BTC 4h"
BARS = ((2 * HOUR, "1m"), (8 * HOUR, "5m"), (DAY, "15m"), (3 * DAY, "1h"), (7 * DAY, "2h"))
Figures = Mapping[str, Reading[float]]


@command("cvd", usage=USAGE)
async def cvd(args: Args, app: App) -> Reply:
    """Show the cumulative volume delta of a coin over its perps, from trades or taker volume."""
    text, rest = symbol(args, USAGE)
    at_most(rest, 1, USAGE)
    window = fmt.window(rest[0], low=5 * MINUTE, high=7 * DAY, example=USAGE) if rest else 4 * HOUR
    query = app.market.resolve(text, command="/cvd {}")
    perp = True if query.perp is None else query.perp
    instruments = app.market.instruments_for(query, perp=perp, command="/cvd {}")
    now = app.clock.now()
    found = await flows(app, instruments, window, now)
    figures = found.readings(query.base)
    coins = args.preferences.unit == "coin"
    name = query.base if perp else _("{base} spot").format(base=query.base)
    headline = headline_of(name, figures, window, unit=query.base if coins else "")
    picture, turn = await _picture(args, app, instruments, found, window, headline)
    length = rest[0] if rest else "4h"
    return Reply(
        card=Card(
            glyph=_glyph(figures["cvd"], found),
            headline=headline,
            table=_table(figures, found, coins=coins) if len(instruments) > 1 else (),
            reading=_meaning(figures, turn, unit=query.base if coins else ""),
            evidence=_evidence(args, figures, found, perp=perp, now=now),
            updated=now,
        ),
        picture=picture,
        figures=figures,
        buttons=_buttons(text, query.base, length, perp=perp),
    )


def _buttons(text: str, base: str, length: str, *, perp: bool) -> list[list[Button]]:
    first = [Button(text=_("🔄 Refresh"), command=f"/cvd {text} {length}", edit=True)]
    if perp:
        first.append(Button(text=_("🔔 Turn"), command=f"/alert_cvd {base} negative"))
    others = [each for each in ("1h", "4h", "24h") if each != length]
    return keyboard(
        first, [Button(text=each, command=f"/cvd {text} {each}", edit=True) for each in others]
    )


def written(dollars: Reading[float], coins: Reading[float], unit: str) -> str:
    """A delta in dollars, or in coins where `unit` names one; n/a where it is not known."""
    if unit:
        return fmt.shown(coins, lambda v: fmt.amount(v, unit, signed=True), short=True)
    return fmt.shown(dollars, lambda v: fmt.money(v, signed=True), short=True)


def headline_of(name: str, figures: Figures, window: int, unit: str = "") -> str:
    """Who led, with the number; the real window where less was seen than asked for."""
    total = figures["cvd"]
    if total.value is None:
        return _("{name} CVD n/a: {why}").format(name=name, why=total.reason)
    who = (
        _("buyers led")
        if total.value > 0
        else _("sellers led")
        if total.value < 0
        else _("nobody led")
    )
    seen = total.window or window
    whole = window if seen >= window - 1000 else seen
    length = whole // MINUTE * MINUTE if whole >= 2 * MINUTE else whole
    if total.kind is Kind.APPROX:
        who = _("{who} (approx)").format(who=who)
    return _("{name} {who}: CVD {cvd} in {length}").format(
        name=name,
        who=who,
        cvd=written(total, figures["cvd_base"], unit),
        length=fmt.duration(length),
    )


def _glyph(total: Reading[float], found: Flows) -> str:
    if total.value is None or found.gaps:
        return "⚠️"
    return "🟢" if total.value > 0 else "🔴" if total.value < 0 else "⚪"


def _table(figures: Figures, found: Flows, *, coins: bool) -> list[str]:
    rows = [["", "CVD", _("buys")]]
    unknown: Reading[float] = Reading.missing("")
    name = "cvd_base" if coins else "cvd"
    for exchange in dict.fromkeys((*found.sums, *found.missing)):
        total = figures.get(f"{name}.{exchange}", unknown)
        share = figures.get(f"buy_share.{exchange}", unknown)
        cells = [
            fmt.shown(total, _compact if coins else _money, short=True),
            fmt.shown(share, _share, short=True),
        ]
        rows.append([EXCHANGE_NAMES[exchange], *cells])
    return fmt.table(rows)


def _compact(value: float) -> str:
    return fmt.compact(value, signed=True)


def _money(value: float) -> str:
    return fmt.money(value, signed=True)


def _share(value: float) -> str:
    return fmt.percent(value, 1, signed=False, tight=True)


def _meaning(figures: Figures, turn: str, unit: str) -> str:
    share, recent, total = figures["buy_share"], figures["cvd_15m"], figures["cvd"]
    parts = []
    if share.value is not None and share.kind is not Kind.APPROX:
        parts.append(_("buy share {share}").format(share=fmt.percent(share.value, 1, signed=False)))
    if recent.value is not None:
        turning = total.value is not None and recent.value * total.value < 0
        cvd = written(recent, figures["cvd_base_15m"], unit)
        parts.append(_("last 15 m {cvd}").format(cvd=cvd) + (_(" (turning)") if turning else ""))
    line = fmt.SEPARATOR.join(parts)
    return "\n".join(part for part in (line, turn) if part)


def _evidence(args: Args, figures: Figures, found: Flows, *, perp: bool, now: int) -> str:
    total = figures["cvd"]
    kind = _("perps") if perp else _("spot")
    if not found.sums:
        return fmt.SEPARATOR.join((_absent(found.missing), _("no data")))
    since = "" if total.since is None else _("since {at}").format(at=at(total.since, now, args))
    blind = (
        fmt.gaps([(g.from_ts, g.to_ts) for g in found.gaps], now)
        if "trades" in found.sources.values()
        else ""
    )
    parts = (
        f"{fmt.venues(tuple(found.sums))} {kind}",
        since,
        source_text(found),
        blind,
        _later(figures, found, now),
        found.note,
        _absent(found.missing),
        _(total.kind.value),
    )
    return fmt.SEPARATOR.join(part for part in parts if part)


def _later(figures: Figures, found: Flows, now: int) -> str:
    """Venues of the sum that were seen for a shorter time than the others."""
    edge = figures["cvd"].since or found.since
    late = {name: each.since for name, each in found.sums.items() if each.since > edge + 1000}
    return ", ".join(
        _("{venue} since {at}").format(venue=named(name), at=fmt.utc(since, now))
        for name, since in late.items()
    )


def _absent(missing: Mapping[str, str]) -> str:
    """Who is not in the sum and why, venues with the same reason together."""
    reasons: dict[str, list[str]] = {}
    for name, why in missing.items():
        reasons.setdefault(why, []).append(named(name))
    return ", ".join(f"{'+'.join(names)}: {why}" for why, names in reasons.items())


async def _picture(
    args: Args,
    app: App,
    instruments: Sequence[Instrument],
    found: Flows,
    window: int,
    headline: str,
) -> tuple[Picture | None, str]:
    """Candles over the CVD, and the newest divergence between them in words."""
    if not found.minutes:
        return None, ""
    timeframe = next(tf for limit, tf in BARS if window <= limit)
    step = TIMEFRAMES[timeframe]
    try:
        i, candles = await reference_candles(
            app, instruments, timeframe, window // step + 2, args.preferences.exchange
        )
    except SourceError:  # the figures stand without their picture
        return None, ""
    shown = [c for c in candles if c.ts + step > found.since]
    line = cvd_line(found, step)
    turn = divergence_text(args, shown, line, step, found.until)
    pane = Pane(
        name=f"CVD {fmt.venues(tuple(found.sums))}", unit="USD", points=tuple(line), zero=True
    )
    data = candle_chart(app, i, timeframe, shown, headline, lower=pane)
    png = await app.draw("candles", data) if shown else None
    return (Picture(name=f"{i.base}-cvd.png", png=png) if png else None), turn


def cvd_line(found: Flows, step: int) -> list[tuple[int, float]]:
    """The running sum over venues at the end of each bar of `step` ms; it ends at the headline's figure."""
    deltas: dict[int, float] = {}
    for rows in found.minutes.values():
        for ts, value in rows:
            deltas[ts // step * step] = deltas.get(ts // step * step, 0.0) + value
    total, line = 0.0, []
    for ts in sorted(deltas):
        total += deltas[ts]
        line.append((min(ts + step, found.until), total))
    return line


def divergence_text(
    args: Args, candles: Sequence[Candle], line: Sequence[tuple[int, float]], step: int, now: int
) -> str:
    """The newest confirmed divergence of price and CVD, dated when it became known."""
    by_end = dict(line)
    bars = [
        (c, by_end[c.ts + step]) for c in candles if c.ts + step in by_end and c.ts + step <= now
    ]
    found = divergences(
        [c.high for c, _v in bars], [c.low for c, _v in bars], [v for _c, v in bars]
    )
    if not found:
        return ""
    last = found[-1]
    second, known = bars[last.second][0].ts, bars[last.confirmed][0].ts + step
    text = (
        _("Divergence: price higher high, CVD lower high at {at} (bearish, confirmed {known})")
        if last.kind == "bearish"
        else _("Divergence: price lower low, CVD higher low at {at} (bullish, confirmed {known})")
    )
    return text.format(at=at(second, now, args), known=at(known, now, args))
