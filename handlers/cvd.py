"""/cvd: who pressed the price, over the perps of every venue."""

from collections.abc import Sequence

from analytics.divergence import divergences
from charts.candles import Pane
from handlers.app import App
from handlers.base import Args, Button, Card, Picture, Reply, command
from handlers.flows import Flows, flows, reference_candles, source_text
from handlers.ta import candle_chart
from handlers.words import at_most, symbol
from market import format as fmt
from market.language import _
from market.types import DAY, EXCHANGE_NAMES, HOUR, MINUTE, TIMEFRAMES, Candle, Instrument, Reading

USAGE = "/cvd BTC 4h"
BARS = ((2 * HOUR, "1m"), (8 * HOUR, "5m"), (DAY, "15m"), (7 * DAY, "1h"))


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
    figures["cvd_15m"] = _recent(found)
    name = query.base if perp else _("{base} spot").format(base=query.base)
    headline = headline_of(name, figures, window)
    picture, turn = await _picture(args, app, instruments, found, window, headline)
    words = rest[0] if rest else "4h"
    return Reply(
        card=Card(
            glyph=_glyph(figures["cvd"]),
            headline=headline,
            table=_table(figures, found) if len(instruments) > 1 else (),
            reading=_meaning(figures, turn),
            evidence=_evidence(figures, found, perp=perp, now=now),
            updated=now,
        ),
        picture=picture,
        figures=figures,
        buttons=[
            [
                Button(text=_("🔄 Refresh"), command=f"/cvd {text} {words}", edit=True),
                Button(text=_("🔔 Turn"), command=f"/alert_cvd {query.base} negative"),
            ],
            [
                Button(text=each, command=f"/cvd {text} {each}", edit=True)
                for each in ("1h", "4h", "24h")
                if each != words
            ],
        ],
    )


def _recent(found: Flows) -> Reading[float]:
    if not found.last_15m:
        return Reading.missing(_("no flow collected"), unit="USD")
    return Reading(
        value=sum(found.last_15m.values()), as_of=found.until, window=15 * MINUTE,
        venues=tuple(found.last_15m), unit="USD",
    )  # fmt: skip


def headline_of(name: str, figures: dict[str, Reading[float]], window: int) -> str:
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
    length = window if seen >= window - 1000 else max(seen // MINUTE * MINUTE, MINUTE)
    return _("{name} {who}: CVD {cvd} in {length}").format(
        name=name, who=who, cvd=fmt.money(total.value, signed=True), length=fmt.duration(length)
    )


def _glyph(total: Reading[float]) -> str:
    if total.value is None:
        return "⚠️"
    return "🟢" if total.value > 0 else "🔴" if total.value < 0 else "⚪"


def _table(figures: dict[str, Reading[float]], found: Flows) -> list[str]:
    rows = [["", "CVD", _("buys")]]
    for name in (*found.sums, *found.missing):
        total, share = figures.get(f"cvd.{name}"), figures.get(f"buy_share.{name}")
        cells = [fmt.NOT_KNOWN, fmt.NOT_KNOWN]
        if total is not None:
            cells[0] = fmt.shown(total, lambda v: fmt.money(v, signed=True), short=True)
        if share is not None:
            cells[1] = fmt.shown(
                share, lambda v: fmt.percent(v, 1, signed=False, tight=True), short=True
            )
        rows.append([EXCHANGE_NAMES[name], *cells])
    return fmt.table(rows)


def _meaning(figures: dict[str, Reading[float]], turn: str) -> str:
    share, recent, total = figures["buy_share"], figures["cvd_15m"], figures["cvd"]
    parts = []
    if share.value is not None:
        parts.append(_("buy share {share}").format(share=fmt.percent(share.value, 1, signed=False)))
    if recent.value is not None:
        turning = total.value is not None and recent.value * total.value < 0
        last = _("last 15 m {cvd}").format(cvd=fmt.money(recent.value, signed=True))
        parts.append(last + (_(" (turning)") if turning else ""))
    line = fmt.SEPARATOR.join(parts)
    return "\n".join(part for part in (line, turn) if part)


def _evidence(figures: dict[str, Reading[float]], found: Flows, *, perp: bool, now: int) -> str:
    total = figures["cvd"]
    kind = _("perps") if perp else _("spot")
    names = fmt.venues(tuple(found.sums)) if found.sums else _("no venue")
    since = "" if total.since is None else _("since {at}").format(at=fmt.utc(total.since, now))
    source = source_text(found) if found.sums else ""
    blind = (
        fmt.gaps([(g.from_ts, g.to_ts) for g in found.gaps], now)
        if "trades" in found.sources.values()
        else ""
    )
    absent = _absent(found.missing)
    parts = (f"{names} {kind}", since, source, blind, found.note, absent, _("observed"))
    return fmt.SEPARATOR.join(part for part in parts if part)


def _absent(missing: dict[str, str]) -> str:
    """Who is not in the sum and why, venues with the same reason together."""
    reasons: dict[str, list[str]] = {}
    for name, why in missing.items():
        reasons.setdefault(why, []).append(EXCHANGE_NAMES[name])
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
    i, candles = await reference_candles(
        app, instruments, timeframe, window // step + 2, args.preferences.exchange
    )
    shown = [c for c in candles if c.ts + step > found.since]
    line = cvd_line(found, step)
    turn = divergence_text(shown, line, step, found.until)
    pane = Pane(name="CVD", unit="USD", points=tuple(line), zero=True)
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
    candles: Sequence[Candle], line: Sequence[tuple[int, float]], step: int, now: int
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
    at, known = bars[last.second][0].ts, bars[last.confirmed][0].ts + step
    text = (
        _("Divergence: price higher high, CVD lower high at {at} (bearish, confirmed {known})")
        if last.kind == "bearish"
        else _("Divergence: price lower low, CVD higher low at {at} (bullish, confirmed {known})")
    )
    return text.format(at=fmt.utc(at, now), known=fmt.utc(known, now))
