"""/ta and /chart: indicators of one market, and its candles."""

import asyncio
from typing import Any

from analytics import indicators, vwap
from charts.candles import CandleChart, Pane
from handlers.app import App
from handlers.base import Args, Button, Card, Picture, Reply, command
from handlers.words import at_most, symbol
from market import format as fmt
from market.errors import SourceError, UserError
from market.language import _
from market.types import EXCHANGE_NAMES, TIMEFRAMES, Candle, Instrument, Reading

TA_USAGE = "/ta BTC 1h"
CHART_USAGE = "/chart BTC 15m ema"
DRAWN = 96  # candles in a picture
OVERLAYS = ("ema", "bb", "vwap")
PANES = ("rsi", "macd", "atr")


@command("ta", usage=TA_USAGE)
async def ta(args: Args, app: App) -> Reply:
    """Show RSI, MACD, Bollinger, Stochastic, ATR, Ichimoku, VWAP and EMAs of a market."""
    instrument, rest = _instrument(args, app, TA_USAGE)
    at_most(rest, 1, TA_USAGE)
    timeframe = fmt.timeframe(rest[0], example=TA_USAGE) if rest else "1h"
    candles = await app.market.candles(instrument, timeframe, indicators.CANDLES_NEEDED)
    now = app.clock.now()
    figures = await asyncio.to_thread(indicators.summary, candles, timeframe, now)
    last = _last_close(candles)
    shared = f"{instrument.key} {timeframe}"
    return Reply(
        card=Card(
            headline=_headline(instrument, timeframe, figures),
            table=_table(figures, instrument.price_step, last),
            reading=_meaning(figures, last),
            evidence=_evidence(instrument, timeframe, figures, now),
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


def _last_close(candles: list[Candle]) -> float | None:
    return candles[-1].close if candles else None


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
        [_("close"), fmt.NOT_KNOWN if last is None else fmt.price(last, step)],
        ["RSI 14", plain("rsi")],
        [
            _("MACD hist"),
            fmt.shown(figures["macd_hist"], lambda v: fmt.significant(v, 4), short=True),
        ],
        ["Stoch K/D", f"{plain('stoch_k')} / {plain('stoch_d')}"],
        [_("BB low"), price("bb_low")],
        [_("BB high"), price("bb_high")],
        ["%B", plain("percent_b", 2)],
        ["ATR", f"{price('atr')} ({share})"],
        ["VWAP", price("vwap")],
        ["EMA 20", price("ema20")],
        ["EMA 200", price("ema200")],
        [_("cloud"), f"{price('ichimoku_a')} {price('ichimoku_b')}"],
    ]
    return fmt.table([row for row in rows if row[0]], "lr")


def _meaning(figures: dict[str, Reading[float]], last: float | None) -> str:
    ema, mean = figures["ema200"].value, figures["vwap"].value
    if last is None or ema is None or mean is None:
        return ""
    return _("Price is {a} its 200 EMA and {b} the session VWAP.").format(
        a=_("above") if last > ema else _("below"), b=_("above") if last > mean else _("below")
    )


def _evidence(
    instrument: Instrument, timeframe: str, figures: dict[str, Reading[float]], now: int
) -> str:
    where = f"{EXCHANGE_NAMES[instrument.exchange]} {instrument.id or instrument.symbol}"
    known = [r for r in figures.values() if r.known and r.as_of is not None]
    if not known:
        return _("{where} · closed candles").format(where=where)
    newest = max(r.as_of or 0 for r in known)
    return _("{where} · closed {tf} candles to {at} · observed").format(
        where=where, tf=timeframe, at=fmt.utc(newest, now)
    )


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
    return timeframe, tuple(dict.fromkeys(wanted))


async def chart_reply(
    app: App, instrument: Instrument, timeframe: str, wanted: tuple[str, ...] = ()
) -> Reply:
    """Candles of one market as a picture with its words."""
    candles = await app.market.candles(instrument, timeframe, 400)
    if not candles:
        raise SourceError(EXCHANGE_NAMES[instrument.exchange], _("no candles"))
    now = app.clock.now()
    shown = candles[-DRAWN:]
    first, last = shown[0], shown[-1]
    change = last.close / first.open - 1 if first.open > 0 else 0.0
    length = fmt.duration(len(shown) * TIMEFRAMES[timeframe])
    headline = _("{name} {price}  {change} in {length}").format(
        name=title(instrument), price=fmt.price(last.close, instrument.price_step),
        change=fmt.percent(change), length=length,
    )  # fmt: skip
    where = f"{EXCHANGE_NAMES[instrument.exchange]} {instrument.id or instrument.symbol}"
    png = await app.draw(
        "candles", candle_chart(app, instrument, timeframe, candles, headline, wanted)
    )
    line = _("{where} · {tf} candles · {age} · observed").format(
        where=where,
        tf=timeframe,
        age=fmt.age(max(0, now - last.ts - (0 if not last.closed else TIMEFRAMES[timeframe]))),
    )
    words = " ".join([instrument.key, timeframe, *wanted])
    base = {"as_of": now, "venues": (instrument.exchange,), "unit": instrument.quote}
    return Reply(
        card=Card(
            glyph="🟢" if change > 0 else "🔴" if change < 0 else "⚪",
            headline=headline,
            reading="" if png else _("The picture could not be drawn; the figures stand."),
            evidence=line,
            updated=now,
        ),
        picture=Picture(name=f"{instrument.base}-{timeframe}.png", png=png) if png else None,
        figures=_chart_figures(shown, base),
        buttons=[
            [
                Button(text=_("🔄 Refresh"), command=f"/chart {words}", edit=True),
                Button(text="TA", command=f"/ta {instrument.key} {timeframe}"),
            ],
            [
                Button(
                    text=each,
                    command=f"/chart {instrument.key} {' '.join([each, *wanted])}",
                    edit=True,
                )
                for each in ("5m", "1h", "4h", "1d")
                if each != timeframe
            ][:3],
        ],
    )


def _chart_figures(shown: list[Candle], base: dict[str, Any]) -> dict[str, Reading[float]]:
    last = shown[-1]
    return {
        name: Reading(value=value, **base)
        for name, value in (
            ("open", last.open),
            ("high", last.high),
            ("low", last.low),
            ("close", last.close),
        )
    }


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
    where = EXCHANGE_NAMES[instrument.exchange]
    shown = candles[-DRAWN:]
    start = shown[0].ts
    lower = more.pop("lower", None) or _pane(candles, wanted, start)
    return CandleChart(
        title=headline,
        subtitle=f"{where} · {timeframe} · UTC · {_('observed')}",
        mark=app.mark,
        candles=tuple(shown),
        step=TIMEFRAMES[timeframe],
        price_step=instrument.price_step,
        volume_unit=instrument.base,
        overlays=_overlays(candles, wanted, start),
        lower=lower,
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
