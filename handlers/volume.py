"""/volume and /volume_spikes: how much trades against what is usual."""

import asyncio
from dataclasses import dataclass, replace
from typing import Any

from analytics import volume as vol
from exchanges.hub import settle
from handlers.app import App
from handlers.base import Args, Button, Card, Picture, Reply, command
from handlers.dollars import Dollars, dollars
from handlers.ta import candle_chart, title, where
from handlers.times import at
from handlers.top10 import STABLE
from handlers.words import at_most, keyboard, perp_buttons, symbol
from market import format as fmt
from market.errors import UserError
from market.language import _
from market.types import EXCHANGE_NAMES, TIMEFRAMES, Candle, Instrument, Reading, Status, Ticker

USAGE = "/volume BTC 15m"
SPIKES_USAGE = "/volume_spikes 15m"
SCANNED = 40  # the busiest perps of a venue
LEAST = 100_000.0  # USD of the usual candle: below it a few trades make a spike
HISTORY = {"5m": 4100, "15m": 1400, "1h": 400}  # candles that hold 14 days of the same slot


@command("volume", usage=USAGE, aliases=("vol",))
async def volume(args: Args, app: App) -> Reply:
    """Show the volume of the last closed candle against its average and its time of day."""
    text, rest = symbol(args, USAGE)
    at_most(rest, 1, USAGE)
    timeframe = fmt.timeframe(rest[0], example=USAGE) if rest else "15m"
    instrument = app.market.one(
        text, default_exchange=args.preferences.exchange, command="/volume {}"
    )
    candles = await app.market.candles(instrument, timeframe, HISTORY.get(timeframe, 200))
    now = app.clock.now()
    rates = await dollars(app, [instrument.quote])
    figures = await asyncio.to_thread(figures_of, candles, timeframe, now, instrument, rates)
    headline = headline_of(instrument, timeframe, figures)
    png = (
        await app.draw("candles", candle_chart(app, instrument, timeframe, candles, headline))
        if candles
        else None
    )
    stale = figures["ratio"].status is Status.STALE
    return Reply(
        card=Card(
            glyph="⚠️" if stale else "",
            headline=headline,
            table=_table(figures, instrument.base, args.preferences.unit),
            reading=_meaning(figures),
            evidence=_evidence(args, instrument, figures, now),
            updated=now,
        ),
        picture=Picture(name=f"{instrument.base}-volume.png", png=png) if png else None,
        figures=figures,
        buttons=_buttons(app, instrument, timeframe),
    )


def _evidence(
    args: Args, instrument: Instrument, figures: dict[str, Reading[float]], now: int
) -> str:
    start = figures["volume"].since
    parts = (
        where(instrument),
        _("no closed candle")
        if start is None
        else _("candle {at}").format(at=at(start, now, args)),
        _("mean of {n} before").format(n=vol.LOOKBACK),
        figures["volume_usd"].note,
        _("observed") if start is not None else _("no data"),
    )
    return fmt.SEPARATOR.join(part for part in parts if part)


def _buttons(app: App, instrument: Instrument, timeframe: str) -> list[list[Button]]:
    key = instrument.key
    flow = [("CVD", f"/cvd {instrument.base} 4h")]
    return keyboard(
        [
            Button(text=_("🔄 Refresh"), command=f"/volume {key} {timeframe}", edit=True),
            Button(text=_("🔔 200 %"), command=f"/alert_volume {key} 200 {timeframe}"),
        ],
        [
            *perp_buttons(app, instrument.base, flow),
            Button(text=_("Spikes"), command=f"/volume_spikes {timeframe}"),
        ],
    )


def figures_of(
    candles: list[Candle], timeframe: str, now: int, instrument: Instrument, rates: Dollars
) -> dict[str, Reading[float]]:
    """volume and volume_usd of the newest closed candle, ratio, z, and the pace of the running one."""
    step = TIMEFRAMES[timeframe]
    closed = [c for c in candles if c.ts + step <= now and c.closed]
    venues = (instrument.exchange,)
    if not closed:
        gone = Reading[float].missing(_("no closed candle"), venues=venues)
        return dict.fromkeys(("volume", "volume_usd", "ratio", "z", "pace"), gone)
    last = closed[-1]
    seen: dict[str, Any] = {
        "as_of": last.ts + step, "since": last.ts, "window": step, "n": 1, "venues": venues
    }  # fmt: skip
    value = None
    why = _("the venue tells no quote volume")
    if last.quote_volume is not None:
        value = rates.of(last.quote_volume, instrument.quote)
        why = _("no rate of {quote} in USD").format(quote=instrument.quote)
    figures: dict[str, Reading[float]] = {
        "volume": Reading(value=last.volume, unit=instrument.base, **seen),
        "volume_usd": Reading(value=value, unit="USD", note=rates.note, **seen)
        if value is not None
        else Reading.missing(why, venues=venues, unit="USD"),
    }
    for name, reading in (
        ("ratio", vol.percent_of_average(candles, timeframe, now)),
        ("z", vol.same_slot_z(candles, timeframe, now)),
        ("pace", vol.on_pace(candles, timeframe, now)),
    ):
        figures[name] = replace(reading, venues=venues)
    return figures


def headline_of(instrument: Instrument, timeframe: str, figures: dict[str, Reading[float]]) -> str:
    """The finding in words with its number."""
    ratio = figures["ratio"]
    if ratio.value is None:
        return _("{name} {tf} volume: {why}").format(
            name=title(instrument), tf=timeframe, why=fmt.shown(ratio, str)
        )
    return _("{name} {tf} volume {percent} of average").format(
        name=title(instrument), tf=timeframe, percent=fmt.percent(ratio.value, signed=False)
    )


def _table(figures: dict[str, Reading[float]], base: str, unit: str) -> list[str]:
    coins, value = figures["volume"], figures["volume_usd"]
    both = (
        fmt.NOT_KNOWN
        if coins.value is None
        else fmt.amount_and_value(coins.value, base, None if unit == "coin" else value.value)
    )
    rows = [
        [_("closed"), both],
        [_("z"), fmt.shown(figures["z"], lambda v: f"{v:+.1f}", short=True)],
        [
            _("pace"),
            fmt.shown(figures["pace"], lambda v: fmt.percent(v, signed=False), short=True),
        ],
    ]
    return fmt.table(rows, "lr")


def _meaning(figures: dict[str, Reading[float]]) -> str:
    ratio, z = figures["ratio"].value, figures["z"]
    if ratio is None:
        return ""
    level = vol.spike_level(ratio)
    if level is None:
        text = _("No spike: the first level is 200 %.")
    elif z.value is not None:
        text = _("Above the {level} % level, z {z} for this time of day.").format(
            level=f"{level * 100:.0f}", z=f"{z.value:.1f}"
        )
    else:
        text = _("Above the {level} % level.").format(level=f"{level * 100:.0f}")
    if z.value is None and z.reason:
        text += _(" z n/a: {why}.").format(why=z.reason)
    return text


@dataclass(frozen=True, slots=True, kw_only=True)
class Spike:
    """One market of the scan."""

    instrument: Instrument
    ratio: Reading[float]
    z: Reading[float]
    change: float


@command("volume_spikes", usage=SPIKES_USAGE, aliases=("spikes",))
async def volume_spikes(args: Args, app: App) -> Reply:
    """Rank the busiest perps by volume against their own average, at 200, 300 and 500 %."""
    at_most(args.words, 1, SPIKES_USAGE)
    timeframe = fmt.timeframe(args.words[0], example=SPIKES_USAGE) if args.words else "15m"
    venue = (
        args.preferences.exchange
        if args.preferences.exchange in app.market.venues
        else next(iter(app.market.venues))
    )
    busiest = [t.instrument for t in await busiest_perps(app, venue, SCANNED)]
    found, errors = await settle(
        {i.key: app.market.candles(i, timeframe, vol.LOOKBACK + 4) for i in busiest}
    )
    if not found:
        raise next(iter(errors.values()))
    now = app.clock.now()
    spikes = await _spikes(app, busiest, found, timeframe, now)
    figures: dict[str, Reading[float]] = {}
    for spike in spikes:
        figures |= {
            f"{spike.instrument.base}.ratio": replace(spike.ratio, venues=(venue,)),
            f"{spike.instrument.base}.z": replace(spike.z, venues=(venue,)),
        }
    return _spikes_card(spikes, timeframe, venue, now, len(found), len(errors), figures)


async def busiest_perps(app: App, exchange: str, count: int) -> list[Ticker]:
    """The perps of one venue with the most dollar volume in 24 h, one a coin, stablecoins left out."""
    tickers: list[Ticker] = await app.market.tickers(exchange, True)
    if not tickers:
        raise UserError(
            _("{venue} lists no perps; choose another venue.").format(
                venue=EXCHANGE_NAMES[exchange]
            ),
            "/settings venue binance",
        )
    ranked: dict[str, Ticker] = {}
    for ticker in sorted(tickers, key=lambda t: -(t.quote_volume_24h or 0.0)):
        if ticker.instrument.base not in STABLE:
            ranked.setdefault(ticker.instrument.base, ticker)
    return list(ranked.values())[:count]


async def _spikes(
    app: App, busiest: list[Instrument], found: dict[str, list[Candle]], timeframe: str, now: int
) -> list[Spike]:
    step = TIMEFRAMES[timeframe]
    ranked: list[tuple[Instrument, Reading[float], float]] = []
    for instrument in busiest:
        closed = [c for c in found.get(instrument.key, ()) if c.ts + step <= now]
        if len(closed) < 2 or closed[-1].open <= 0 or _usual(closed) < LEAST:
            continue
        ratio = vol.percent_of_average(closed, timeframe, now)
        if ratio.value is not None:
            ranked.append((instrument, ratio, closed[-1].close / closed[-1].open - 1))
    ranked.sort(key=lambda row: -(row[1].value or 0.0))
    top = [row for row in ranked if vol.spike_level(row[1].value or 0.0) is not None][:10]
    deep, _errors = await settle(
        {i.key: app.market.candles(i, timeframe, HISTORY.get(timeframe, 200)) for i, _r, _c in top}
    )
    return [
        Spike(
            instrument=i, ratio=ratio, change=change,
            z=vol.same_slot_z(deep[i.key], timeframe, now)
            if i.key in deep
            else Reading.missing(_("history not available")),
        )
        for i, ratio, change in top
    ]  # fmt: skip


def _usual(closed: list[Candle]) -> float:
    """Mean value of the candles before the newest, in quote currency."""
    values = [c.volume * c.close for c in closed[-1 - vol.LOOKBACK : -1]]
    return sum(values) / len(values)


def _spike_rows(spikes: list[Spike]) -> list[str]:
    rows = [["", _("of avg"), "z", _("price")]]
    for spike in spikes:
        level = vol.spike_level(spike.ratio.value or 0.0) or 0.0
        mark = {2.0: "", 3.0: "*", 5.0: "**"}.get(level, "")
        rows.append(
            [
                spike.instrument.base + mark,
                fmt.shown(
                    spike.ratio, lambda v: fmt.percent(v, 0, signed=False, tight=True), short=True
                ),
                fmt.shown(spike.z, lambda v: f"{v:+.1f}", short=True),
                fmt.percent(spike.change, tight=True),
            ]
        )
    return fmt.table(rows)


def _spikes_card(
    spikes: list[Spike], timeframe: str, venue: str, now: int, scanned: int, failed: int,
    figures: dict[str, Reading[float]],
) -> Reply:  # fmt: skip
    first = spikes[0] if spikes else None
    headline = (
        _("{base} leads: {percent} of its {tf} average").format(
            base=first.instrument.base,
            tf=timeframe,
            percent=fmt.percent(first.ratio.value or 0.0, signed=False),
        )
        if first
        else _("No {tf} volume spike above 200 %").format(tf=timeframe)
    )
    return Reply(
        card=Card(
            headline=headline,
            table=_spike_rows(spikes) if spikes else (),
            reading=_("* above 300 %, ** above 500 %; z compares with the same time of day.")
            if spikes
            else "",
            evidence=fmt.SEPARATOR.join(
                part
                for part in (
                    EXCHANGE_NAMES[venue],
                    _("{n} busiest perps, closed candles").format(n=scanned),
                    _("{n} not answered").format(n=failed) if failed else "",
                    _("observed"),
                )
                if part
            ),
            updated=now,
        ),
        figures=figures,
        data={"rank": [s.instrument.base for s in spikes]},
        buttons=keyboard(
            [
                Button(text=_("🔄 Refresh"), command=f"/volume_spikes {timeframe}", edit=True),
                *[
                    Button(text=each, command=f"/volume_spikes {each}", edit=True)
                    for each in ("5m", "15m", "1h")
                    if each != timeframe
                ][:2],
            ],
            [
                Button(text=s.instrument.base, command=f"/volume {s.instrument.key} {timeframe}")
                for s in spikes[:3]
            ],
        ),
    )
