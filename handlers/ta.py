"""/ta and /chart: indicators of one market, and its candles."""

import asyncio
from dataclasses import replace
from typing import Any

from analytics import indicators, vwap
from charts.types import CandleChart, Pane
from handlers.app import App
from handlers.base import Args, Button, Card, Picture, Reply, command
from handlers.times import at
from handlers.words import at_most, symbol
from market import format as fmt
from market.errors import SourceError, UserError
from market.language import _
from market.types import EXCHANGE_NAMES, MINUTE, TIMEFRAMES, Candle, Instrument, Reading, Status

TA_USAGE = "/ta BTC 1h"
CHART_USAGE = "/chart BTC 15m ema"
DRAWN = 96  # candles in a picture
LOADED = 600  # so that the longest of its means has ten times its length before
SPARE = 5  # beside the closed candles an indicator needs
OVERLAYS = ("ema", "bb", "vwap")
PANES = ("rsi", "macd", "atr")


@command("ta", usage=TA_USAGE)
async def ta(args: Args, app: App) -> Reply:
    """Show RSI, MACD, Bollinger, Stochastic, ATR, Ichimoku, VWAP and EMAs of a market."""
    instrument, rest = _instrument(args, app, TA_USAGE)
    at_most(rest, 1, TA_USAGE)
    timeframe = fmt.timeframe(rest[0], example=TA_USAGE) if rest else "1h"
    candles = await app.market.candles(instrument, timeframe, indicators.CANDLES_NEEDED + SPARE)
    now = app.clock.now()
    summed = await asyncio.to_thread(indicators.summary, candles, timeframe, now)
    venues = (instrument.exchange,)
    figures = {name: replace(reading, venues=venues) for name, reading in summed.items()}
    figures["price"] = _last_price(instrument, candles, timeframe, now)
    last = figures["price"].value
    shared = f"{instrument.key} {timeframe}"
    return Reply(
        card=Card(
            headline=_headline(instrument, timeframe, figures),
            table=_table(figures, instrument.price_step, last),
            reading=_meaning(figures, last),
            evidence=_evidence(args, instrument, timeframe, figures, now),
            updated=now,
        ),
        figures=figures,
        buttons=[
            [
                Button(text=_("🔄 Refresh"), command=f"/ta {shared}", edit=True),
                Button(text=_("📈 Chart"), command=f"/chart {shared}"),
            ],
            [
                Button(text=each, command=f"/ta {instrument.key} {each}", edit=True)
                for each in ("15m", "4h", "1d")
                if each != timeframe
            ],
        ],
    )


def _instrument(args: Args, app: App, usage: str) -> tuple[Instrument, tuple[str, ...]]:
    text, rest = symbol(args, usage)
    name = usage.split(maxsplit=1)[0]
    found = app.market.one(text, default_exchange=args.preferences.exchange, command=f"{name} {{}}")
    return found, rest


def _last_price(
    instrument: Instrument, candles: list[Candle], timeframe: str, now: int
) -> Reading[float]:
    """The last trade of the running candle, else the last close; too old a one is none."""
    venues = (instrument.exchange,)
    if not candles:
        return Reading.missing(_("no candles"), venues=venues)
    end = candles[-1].ts + TIMEFRAMES[timeframe]
    if now - end > 2 * TIMEFRAMES[timeframe]:
        return Reading.missing(_("the candles are old"), Status.STALE, as_of=end, venues=venues)
    return Reading(
        value=candles[-1].close, as_of=min(now, end), venues=venues, unit=instrument.quote
    )


def title(instrument: Instrument) -> str:
    """How a market is named in a headline: `BTC` for a perp, `BTC spot` for a spot market."""
    return instrument.base if instrument.perp else _("{base} spot").format(base=instrument.base)


def _headline(instrument: Instrument, timeframe: str, figures: dict[str, Reading[float]]) -> str:
    rsi = figures["rsi"]
    if rsi.value is None:
        return _("{name} {tf}: {why}").format(name=title(instrument), tf=timeframe, why=rsi.reason)
    word = _("overbought") if rsi.value > 70 else _("oversold") if rsi.value < 30 else _("neutral")
    return _("{name} {tf}: RSI {rsi} {word}").format(
        name=title(instrument), tf=timeframe, rsi=f"{rsi.value:.1f}", word=word
    )


def _table(figures: dict[str, Reading[float]], step: float, last: float | None) -> list[str]:
    def price(name: str) -> str:
        return fmt.shown(figures[name], lambda v: fmt.price(v, step), short=True)

    def plain(name: str, digits: int = 1) -> str:
        return fmt.shown(figures[name], lambda v: f"{v:.{digits}f}", short=True)

    share = fmt.shown(
        figures["atr_pct"], lambda v: fmt.percent(v, 2, signed=False, tight=True), short=True
    )
    rows = [
        [_("price"), fmt.NOT_KNOWN if last is None else fmt.price(last, step)],
        [_("MACD hist"), fmt.shown(figures["macd_hist"], lambda v: fmt.significant(v, 4), short=True)],
        ["Stoch K/D", f"{plain('stoch_k')} / {plain('stoch_d')}"],
        [_("BB low"), price("bb_low")],
        [_("BB high"), price("bb_high")],
        ["%B", plain("percent_b", 2)],
        ["ATR", f"{price('atr')} ({share})"],
        ["VWAP", price("vwap")],
        ["EMA 20", price("ema20")],
        ["EMA 200", price("ema200")],
        [_("cloud A"), price("ichimoku_a")],
        [_("cloud B"), price("ichimoku_b")],
    ]  # fmt: skip
    return fmt.table(rows, "lr")


def _meaning(figures: dict[str, Reading[float]], last: float | None) -> str:
    ema, mean = figures["ema200"].value, figures["vwap"].value
    if last is None or ema is None or mean is None:
        return ""
    return _("Price is {a} its 200 EMA and {b} the session VWAP.").format(
        a=_("above") if last > ema else _("below"), b=_("above") if last > mean else _("below")
    )


def _evidence(
    args: Args, instrument: Instrument, timeframe: str, figures: dict[str, Reading[float]], now: int
) -> str:
    known = [
        r.as_of
        for name, r in figures.items()
        if name != "price" and r.known and r.as_of is not None
    ]
    if not known:
        return _("{where} · closed candles").format(where=where(instrument))
    return _("{where} · closed {tf} candles to {at} · observed").format(
        where=where(instrument), tf=timeframe, at=at(max(known), now, args)
    )


def where(instrument: Instrument) -> str:
    """The market by its venue and the venue's own name of it: Binance BTCUSDT."""
    return f"{EXCHANGE_NAMES[instrument.exchange]} {instrument.id or instrument.symbol}"


@command("chart", usage=CHART_USAGE)
async def chart(args: Args, app: App) -> Reply:
    """Draw candles and volume of a market, with ema, bb, vwap, rsi, macd or atr."""
    instrument, rest = _instrument(args, app, CHART_USAGE)
    timeframe, wanted = _wishes(rest)
    return await chart_reply(app, instrument, timeframe, wanted)


def _wishes(rest: tuple[str, ...]) -> tuple[str, tuple[str, ...]]:
    timeframe, wanted = "15m", []
    for word in (w.lower() for w in rest):
        if word in OVERLAYS or word in PANES:
            wanted.append(word)
        elif word == "vol":
            continue
        elif word[:1].isdigit():
            timeframe = fmt.timeframe(word, example=CHART_USAGE)
        else:
            raise UserError(
                _("I can't draw “{word}”; I know {known}.").format(
                    word=word[:20], known=", ".join((*OVERLAYS, *PANES))
                ),
                CHART_USAGE,
            )
    if len(set(wanted) & set(PANES)) > 1:
        raise UserError(_("One of rsi, macd and atr fits under the candles."), CHART_USAGE)
    return timeframe, tuple(dict.fromkeys(wanted))


async def chart_reply(
    app: App, instrument: Instrument, timeframe: str, wanted: tuple[str, ...] = ()
) -> Reply:
    """Candles of one market as a picture with its words."""
    candles = await app.market.candles(instrument, timeframe, LOADED)
    if not candles:
        raise SourceError(EXCHANGE_NAMES[instrument.exchange], _("no candles"))
    now = app.clock.now()
    figures = _chart_figures(instrument, candles[-DRAWN:], TIMEFRAMES[timeframe], now)
    late = now - (figures["close"].as_of or now)
    old = late > TIMEFRAMES[timeframe]
    change = figures["change"]
    headline = _("{name} {price}{age}  {change} in {length}").format(
        name=title(instrument),
        price=fmt.price(candles[-1].close, instrument.price_step),
        age=_(", {age} old").format(age=fmt.age(late)) if old else "",
        change=fmt.shown(change, fmt.percent, short=True),
        length=fmt.duration((change.window or 0) // MINUTE * MINUTE),
    )
    data = candle_chart(app, instrument, timeframe, candles, headline, wanted)
    png = await app.draw("candles", data)
    return Reply(
        card=Card(
            glyph="⚠️" if old else _arrow(change.value or 0.0),
            headline=headline,
            reading="" if png else _("The picture could not be drawn; the figures stand."),
            evidence=_("{where} · {tf} candles · {age} · observed").format(
                where=where(instrument), tf=timeframe, age=fmt.age(late)
            ),
            updated=now,
        ),
        picture=Picture(name=f"{instrument.base}-{timeframe}.png", png=png) if png else None,
        figures=figures,
        buttons=_chart_buttons(instrument, timeframe, wanted),
    )


def _arrow(change: float) -> str:
    return "🟢" if change > 0 else "🔴" if change < 0 else "⚪"


def _chart_buttons(
    instrument: Instrument, timeframe: str, wanted: tuple[str, ...]
) -> list[list[Button]]:
    words = " ".join([instrument.key, timeframe, *wanted])
    others = [each for each in ("5m", "1h", "4h", "1d") if each != timeframe][:3]
    return [
        [
            Button(text=_("🔄 Refresh"), command=f"/chart {words}", edit=True),
            Button(text="TA", command=f"/ta {instrument.key} {timeframe}"),
        ],
        [
            Button(
                text=each, command=" ".join(["/chart", instrument.key, each, *wanted]), edit=True
            )
            for each in others
        ],
    ]


def _chart_figures(
    instrument: Instrument, shown: list[Candle], step: int, now: int
) -> dict[str, Reading[float]]:
    """The newest candle, and the change over all that are drawn."""
    first, last = shown[0], shown[-1]
    seen: dict[str, Any] = {"as_of": min(now, last.ts + step), "venues": (instrument.exchange,)}
    figures: dict[str, Reading[float]] = {
        name: Reading(value=value, since=last.ts, unit=instrument.quote, **seen)
        for name, value in (
            ("open", last.open), ("high", last.high), ("low", last.low), ("close", last.close),
        )
    }  # fmt: skip
    span = {"since": first.ts, "window": seen["as_of"] - first.ts, "unit": "fraction"}
    if first.open > 0:
        figures["change"] = Reading(value=last.close / first.open - 1, n=len(shown), **span, **seen)
    else:
        figures["change"] = Reading.missing(_("no price"), Status.UNDEFINED, **span, **seen)
    return figures


def candle_chart(
    app: App,
    instrument: Instrument,
    timeframe: str,
    candles: list[Candle],
    headline: str,
    wanted: tuple[str, ...] = (),
    **more: Any,
) -> CandleChart:
    """The picture of the newest candles; figures that need history are computed over all of them."""
    prepared = more.pop("lower", None)
    shown = candles if prepared else candles[-DRAWN:]
    start = shown[0].ts
    closed = [c for c in candles if c.closed]  # a running candle feeds no indicator
    return CandleChart(
        title=headline,
        subtitle=f"{EXCHANGE_NAMES[instrument.exchange]} · {timeframe} · UTC · {_('observed')}",
        mark=app.mark,
        candles=tuple(shown),
        step=TIMEFRAMES[timeframe],
        price_step=instrument.price_step,
        volume_unit=instrument.base,
        overlays=_overlays(closed, wanted, start),
        lower=prepared or _pane(closed, wanted, start),
        **more,
    )


def _line(
    candles: list[Candle], values: list[float | None], start: int
) -> tuple[tuple[int, float], ...]:
    return tuple(
        (c.ts, v) for c, v in zip(candles, values, strict=True) if v is not None and c.ts >= start
    )


def _overlays(
    candles: list[Candle], wanted: tuple[str, ...], start: int
) -> dict[str, tuple[tuple[int, float], ...]]:
    out: dict[str, tuple[tuple[int, float], ...]] = {}
    if "ema" in wanted:
        for n in (20, 50):
            out[f"EMA {n}"] = _line(candles, indicators.ema(candles, n), start)
    if "bb" in wanted:
        low, _mid, high = indicators.bollinger(candles)
        out["BB high"] = _line(candles, high, start)
        out["BB low"] = _line(candles, low, start)
    if "vwap" in wanted:
        out["VWAP"] = _line(candles, vwap.session(candles), start)
    return out


def _pane(candles: list[Candle], wanted: tuple[str, ...], start: int) -> Pane | None:
    if "rsi" in wanted:
        return Pane(
            name="RSI 14", points=_line(candles, indicators.rsi(candles), start), bands=(30, 70)
        )
    if "macd" in wanted:
        hist = indicators.macd(candles)[2]
        return Pane(name=_("MACD histogram"), points=_line(candles, hist, start), zero=True)
    if "atr" in wanted:
        return Pane(name="ATR 14", points=_line(candles, indicators.atr(candles), start))
    return None
