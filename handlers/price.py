"""/price: spot and perp side by side on every venue."""

import math
from dataclasses import dataclass
from typing import Any

from exchanges.hub import settle
from handlers.app import App
from handlers.base import Args, Button, Card, Reply, command
from handlers.dollars import dollars
from handlers.words import at_most, symbol
from market import format as fmt
from market.errors import SourceError, SourceUnavailable
from market.language import _
from market.types import EXCHANGE_NAMES, MINUTE, Instrument, Reading, Ticker

USAGE = "/price btc"
OLD = 60_000  # ms from which a price is called old in the headline
WORTHLESS = 30 * MINUTE  # ms from which a price is not shown at all


@dataclass(frozen=True, slots=True, kw_only=True)
class Quotes:
    """What the venues said."""

    tickers: dict[str, Ticker]  # by instrument key
    errors: dict[str, SourceError]
    instruments: tuple[Instrument, ...]

    def of(self, exchange: str, *, perp: bool) -> Ticker | None:
        """The ticker of one venue and kind."""
        keys = (i.key for i in self.instruments if i.exchange == exchange and i.perp == perp)
        return next((self.tickers[key] for key in keys if key in self.tickers), None)


@command("price", usage=USAGE, aliases=("p",))
async def price(args: Args, app: App) -> Reply:
    """Show the price of a coin on every venue, spot and perp."""
    text, rest = symbol(args, USAGE)
    at_most(rest, 0, USAGE)
    query = app.market.resolve(text, command="/price {}")
    instruments = app.market.instruments_for(query, perp=query.perp, command="/price {}")
    found, errors = await settle({i.key: app.market.ticker(i) for i in instruments})
    now = app.clock.now()
    fresh = {key: t for key, t in found.items() if now - t.ts <= WORTHLESS}
    for key in found.keys() - fresh.keys():
        reason = _("last trade {age} ago").format(age=fmt.age(now - found[key].ts))
        errors[key] = SourceUnavailable(key.split(":")[0], reason)
    quotes = Quotes(tickers=fresh, errors=errors, instruments=tuple(instruments))
    head = headline_of(quotes, args.preferences.exchange)
    if head is None:
        raise next(iter(errors.values()))
    return await _card(args, app, query.base, quotes, head)


def headline_of(quotes: Quotes, default: str) -> Ticker | None:
    """The perp of the default venue, else another perp, else a spot price."""
    tickers = [quotes.tickers[i.key] for i in quotes.instruments if i.key in quotes.tickers]
    return min(
        tickers,
        key=lambda t: (not t.instrument.perp, t.instrument.exchange != default),
        default=None,
    )


async def _card(args: Args, app: App, base: str, quotes: Quotes, head: Ticker) -> Reply:
    now = app.clock.now()
    quarter = await _change_15m(app, head)
    readings = _readings(quotes)
    volume = await _volume(app, quotes)
    day = _known(head.change_24h, head, "fraction", _("24 h change not known"))
    figures: dict[str, Reading[float]] = {
        "price": _of(head.last, head), "change_24h": day, "change_15m": quarter, **readings, **volume,
        "high_24h": _known(head.high_24h, head, head.instrument.quote, _("not known")),
        "low_24h": _known(head.low_24h, head, head.instrument.quote, _("not known")),
    }  # fmt: skip
    moved = head.change_24h or 0.0
    late = now - head.ts > OLD
    age = _(", {age} old").format(age=fmt.age(now - head.ts)) if late else ""
    change = fmt.shown(day, fmt.percent, short=True)
    title = _("{base} ${price}{age}  {change} 24h").format(
        base=base, price=fmt.price(head.last, head.instrument.price_step), age=age, change=change
    )
    reading = _outage(quotes)
    symbol_text = base
    return Reply(
        card=Card(
            glyph="⚠️"
            if late or quotes.errors
            else "🟢"
            if moved > 0
            else "🔴"
            if moved < 0
            else "⚪",
            headline=title,
            table=[*_table(quotes), *_summary(base, head, quarter, volume, args.preferences.unit)],
            reading=reading,
            evidence=_evidence(figures, quotes, head, now),
            updated=now,
        ),
        figures=figures,
        buttons=[
            [
                Button(
                    text=_("🔄 Refresh"), command=f"/price {args.rest or symbol_text}", edit=True
                ),
                Button(text=_("📈 Chart"), command=f"/chart {symbol_text}"),
            ],
            [
                Button(text="CVD", command=f"/cvd {symbol_text} 4h"),
                Button(text="OI", command=f"/oi {symbol_text}"),
                Button(text=_("🔔 Set alert"), command=f"/alert {symbol_text}"),
            ],
        ],
    )


def _of(value: float, ticker: Ticker, unit: str = "") -> Reading[float]:
    i = ticker.instrument
    return Reading(value=value, as_of=ticker.ts, venues=(i.exchange,), unit=unit or i.quote)


def _known(value: float | None, ticker: Ticker, unit: str, why: str) -> Reading[float]:
    if value is None:
        return Reading.missing(why, venues=(ticker.instrument.exchange,))
    return _of(value, ticker, unit)


def _readings(quotes: Quotes) -> dict[str, Reading[float]]:
    """One reading a market: `price.binance.perp`."""
    out: dict[str, Reading[float]] = {}
    for i in quotes.instruments:
        name = f"price.{i.exchange}.{'perp' if i.perp else 'spot'}"
        ticker = quotes.tickers.get(i.key)
        if ticker is not None:
            out[name] = _of(ticker.last, ticker)
        else:
            out[name] = Reading.missing(quotes.errors[i.key].reason, venues=(i.exchange,))
    return out


async def _change_15m(app: App, head: Ticker) -> Reading[float]:
    """Price now against the close of the minute that ended 15 minutes ago."""
    i = head.instrument
    then = app.clock.now() // MINUTE * MINUTE - 15 * MINUTE
    try:
        candles = await app.market.candles(i, "1m", 20)
    except SourceError as error:
        return Reading.missing(error.reason, venues=(i.exchange,), unit="fraction")
    before = [c for c in candles if c.ts + MINUTE <= then]
    if not before or then - before[-1].ts > 3 * MINUTE or before[-1].close <= 0:
        return Reading.missing(_("no candle from 15 minutes ago"), venues=(i.exchange,))
    return Reading(
        value=head.last / before[-1].close - 1, as_of=head.ts, window=15 * MINUTE,
        venues=(i.exchange,), unit="fraction",
    )  # fmt: skip


async def _volume(app: App, quotes: Quotes) -> dict[str, Reading[float]]:
    """24 h volume over the markets that say theirs, in coins and dollars."""
    known = [
        (
            t,
            t.volume_24h,
            t.quote_volume_24h if t.quote_volume_24h is not None else t.volume_24h * t.last,
        )
        for t in quotes.tickers.values()
        if t.volume_24h is not None
    ]
    if not known:
        missing = Reading[float].missing(_("24 h volume not known"))
        return {"volume_24h": missing, "volume_24h_usd": missing}
    rates = await dollars(app, {t.instrument.quote for t, _v, _q in known})
    venues = tuple(dict.fromkeys(t.instrument.exchange for t, _v, _q in known))
    evidence: dict[str, Any] = {
        "as_of": min(t.ts for t, _v, _q in known),
        "venues": venues,
        "n": len(known),
        "note": rates.note,
    }
    coins = sum(v for _t, v, _q in known)
    value = sum(rates.of(q, t.instrument.quote) for t, _v, q in known)
    return {
        "volume_24h": Reading(value=coins, unit=known[0][0].instrument.base, **evidence),
        "volume_24h_usd": Reading(value=value, unit="USD", **evidence),
    }


def _table(quotes: Quotes) -> list[str]:
    """Spot, perp and their difference; a column nobody has is left out. Tiny prices are scaled, and say so."""
    exchanges = dict.fromkeys(i.exchange for i in quotes.instruments)
    pairs = {name: [quotes.of(name, perp=kind) for kind in (False, True)] for name in exchanges}
    rows = [["", _("spot"), _("perp"), _("diff")]]
    for name, both in pairs.items():
        cells = [fmt.price(t.last, t.instrument.price_step) if t else fmt.NOT_KNOWN for t in both]
        rows.append([EXCHANGE_NAMES[name][:8], *cells, _difference(*both)])
    for column in (1, 2):
        if all(row[column] == fmt.NOT_KNOWN for row in rows[1:]):
            rows = [[row[0], row[3 - column]] for row in rows]
            break
    if _too_wide(rows):
        rows = [[row[0], *(cell.replace(",", "") for cell in row[1:])] for row in rows]
    if _too_wide(rows):
        rows = _scaled(rows, pairs)
    return fmt.table(rows)


def _difference(spot: Ticker | None, perp: Ticker | None) -> str:
    if not spot or not perp or spot.last <= 0:
        return fmt.NOT_KNOWN
    return fmt.percent(perp.last / spot.last - 1, 2, tight=True)


def _too_wide(rows: list[list[str]]) -> bool:
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return sum(widths) + len(widths) - 1 > fmt.COLUMNS


def _scaled(rows: list[list[str]], pairs: dict[str, list[Ticker | None]]) -> list[list[str]]:
    """Prices in millionths or thousandths, with the unit in the corner: 0.0000043653 does not fit twice."""
    prices = [t.last for both in pairs.values() for t in both if t]
    power = 3 * math.floor(math.log10(min(prices)) / 3)
    out = [[f"x1e{power}", *rows[0][1:]]]
    for row, both in zip(rows[1:], pairs.values(), strict=True):
        cells = [
            fmt.price(t.last / 10.0**power, t.instrument.price_step / 10.0**power)
            if t
            else fmt.NOT_KNOWN
            for t in both
        ]
        out.append(
            [
                row[0],
                *(cells if len(rows[0]) == 4 else [c for c in cells if c != fmt.NOT_KNOWN][:1]),
                row[-1],
            ][: len(rows[0])]
        )
    return out


def _summary(
    base: str, head: Ticker, quarter: Reading[float], volume: dict[str, Reading[float]], unit: str
) -> list[str]:
    step = head.instrument.price_step
    lines = []
    if quarter.value is not None:
        moved = head.last - head.last / (1 + quarter.value)
        sign = "+" if moved > 0 else "-" if moved < 0 else ""
        lines.append(
            f"15m {fmt.percent(quarter.value, tight=True)} ({sign}${fmt.price(abs(moved), step)})"
        )
    else:
        lines.append(f"15m {fmt.NOT_KNOWN}")
    if head.change_24h is not None and head.change_24h > -1:
        moved = head.last - head.last / (1 + head.change_24h)
        sign = "+" if moved > 0 else "-" if moved < 0 else ""
        lines.append(
            f"24h {fmt.percent(head.change_24h, tight=True)} ({sign}${fmt.price(abs(moved), step)})"
        )
    if head.high_24h is not None and head.low_24h is not None:
        lines.append(f"24h {fmt.price(head.low_24h, step)}…{fmt.price(head.high_24h, step)}")
    coins, value = volume["volume_24h"], volume["volume_24h_usd"]
    if coins.value is not None and value.value is not None:
        text = fmt.amount_and_value(coins.value, base, value.value)
        if unit == "usd" and len(text) > fmt.COLUMNS - 4:
            text = fmt.money(value.value)
        lines.append(f"vol {text}")
    return [line[: fmt.COLUMNS] if len(line) > fmt.COLUMNS + 8 else line for line in lines]


def _outage(quotes: Quotes) -> str:
    """One sentence for the venues that did not answer."""
    silent: dict[str, str] = {}
    for key, error in quotes.errors.items():
        silent.setdefault(key.split(":")[0], error.reason)
    return "; ".join(
        _("{venue} unavailable ({reason})").format(venue=EXCHANGE_NAMES[name], reason=reason)
        for name, reason in silent.items()
    )


def _evidence(figures: dict[str, Reading[float]], quotes: Quotes, head: Ticker, now: int) -> str:
    prices = [r for name, r in figures.items() if name.startswith("price.") and r.known]
    where = EXCHANGE_NAMES[head.instrument.exchange]
    kind = _("perp") if head.instrument.perp else _("spot")
    return fmt.evidence(prices, now, _("headline {venue} {kind}").format(venue=where, kind=kind))
