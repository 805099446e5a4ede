"""/price: spot and perp side by side on every venue."""

import asyncio
from dataclasses import dataclass

from exchanges.hub import settle
from exchanges.types import VenueState
from handlers.app import App
from handlers.base import Args, Button, Card, Reply, command
from handlers.dollars import DOLLAR_LIKE, priced
from handlers.outages import said, silent, unavailable
from handlers.price_figures import change_15m, day_figures, volume_figures
from handlers.price_table import price_table, summary
from handlers.words import at_most, keyboard, perp_buttons, symbol
from market import format as fmt
from market.errors import SourceError, SourceUnavailable
from market.language import _
from market.types import EXCHANGE_NAMES, MINUTE, Instrument, Reading, Ticker

USAGE = "/price btc"
OLD = 60_000  # ms from which a price is called old in the headline
QUIET = 10_000  # ms, the same for a venue that does not answer
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
    quotes = await quotes_of(app, instruments)
    head = headline_ticker(app, quotes, args.preferences.exchange)
    if head is None:
        raise next(iter(quotes.errors.values()))
    return await _card(args, app, text, quotes, head)


async def quotes_of(app: App, instruments: list[Instrument]) -> Quotes:
    """The tickers of the venues that answer; one too old to be of use counts as no answer."""
    found, errors = await settle({i.key: app.market.ticker(i) for i in instruments})
    now = app.clock.now()
    fresh = {key: t for key, t in found.items() if now - t.ts <= WORTHLESS}
    for key in found.keys() - fresh.keys():
        reason = _("last price {age} ago").format(age=fmt.age(now - found[key].ts))
        errors[key] = SourceUnavailable(key.split(":")[0], reason)
    return Quotes(tickers=fresh, errors=errors, instruments=tuple(instruments))


def headline_ticker(app: App, quotes: Quotes, default: str) -> Ticker | None:
    """A price that is not old before one that is, perp before spot, the default venue before others."""
    tickers = [quotes.tickers[i.key] for i in quotes.instruments if i.key in quotes.tickers]
    return min(
        tickers,
        key=lambda t: (
            is_old(app, t), not t.instrument.perp, t.instrument.exchange != default,
        ),
        default=None,
    )  # fmt: skip


def is_old(app: App, ticker: Ticker) -> bool:
    """Whether a price has to be called old: by its age alone, or sooner where its venue is away."""
    age = app.clock.now() - ticker.ts
    return age > OLD or (age > QUIET and ticker.instrument.exchange in _away(app))


def _away(app: App) -> set[str]:
    return {each.exchange for each in app.market.status() if each.state is not VenueState.OK}


async def _card(args: Args, app: App, text: str, quotes: Quotes, head: Ticker) -> Reply:
    quarter, volume = await asyncio.gather(
        change_15m(app, head), volume_figures(app, quotes.tickers.values())
    )
    now = app.clock.now()
    figures = {"price": _of(head), **day_figures(head), "change_15m": quarter}
    figures |= _readings(quotes) | volume
    late = is_old(app, head)
    trouble = said(
        silent(app, dict.fromkeys(i.exchange for i in quotes.instruments)),
        unavailable(_unsaid(app, quotes.errors)),
    )
    return Reply(
        card=Card(
            glyph=_glyph(head, late=late or bool(trouble)),
            headline=_headline(head, figures["change_24h"], now - head.ts if late else None),
            table=[
                *price_table(_pairs(quotes)), *summary(head, quarter, volume, args.preferences.unit)
            ],
            reading=trouble,
            evidence=_evidence(figures, quotes, head, now),
            updated=now,
        ),
        figures=figures,
        buttons=_buttons(app, head.instrument.base, text),
    )  # fmt: skip


def _glyph(head: Ticker, *, late: bool) -> str:
    moved = head.change_24h or 0.0
    return "⚠️" if late else "🟢" if moved > 0 else "🔴" if moved < 0 else "⚪"


def _headline(head: Ticker, day: Reading[float], age: int | None) -> str:
    """`BTC $94,312.5  +1.84 % 24h`; with its age where it is old."""
    i = head.instrument
    last = priced(fmt.price(head.last, i.price_step), i.quote)
    if age is not None:
        return _("{base} {price}, {age} old").format(base=i.base, price=last, age=fmt.age(age))
    change = fmt.shown(day, fmt.percent, short=True)
    return _("{base} {price}  {change} 24h").format(base=i.base, price=last, change=change)


def _unsaid(app: App, errors: dict[str, SourceError]) -> dict[str, SourceError]:
    """The failures of venues that are not down as a whole."""
    away = _away(app)
    return {key: error for key, error in errors.items() if key.split(":")[0] not in away}


def _pairs(quotes: Quotes) -> dict[str, tuple[Ticker | None, Ticker | None]]:
    """Spot and perp of each venue."""
    names = dict.fromkeys(i.exchange for i in quotes.instruments)
    return {n: (quotes.of(n, perp=False), quotes.of(n, perp=True)) for n in names}


def _of(ticker: Ticker) -> Reading[float]:
    i = ticker.instrument
    return Reading(value=ticker.last, as_of=ticker.ts, venues=(i.exchange,), unit=i.quote)


def _readings(quotes: Quotes) -> dict[str, Reading[float]]:
    """One reading a market: `price.binance.perp`."""
    out: dict[str, Reading[float]] = {}
    for i in quotes.instruments:
        name = f"price.{i.exchange}.{'perp' if i.perp else 'spot'}"
        ticker = quotes.tickers.get(i.key)
        if ticker is not None:
            out[name] = _of(ticker)
        else:
            out[name] = Reading.missing(quotes.errors[i.key].reason, venues=(i.exchange,))
    return out


def _buttons(app: App, base: str, text: str) -> list[list[Button]]:
    return keyboard(
        [
            Button(text=_("🔄 Refresh"), command=f"/price {text}", edit=True),
            Button(text=_("📈 Chart"), command=f"/chart {base}"),
        ],
        [
            *perp_buttons(app, base, [("CVD", f"/cvd {base} 4h"), ("OI", f"/oi {base}")]),
            Button(text=_("🔔 Set alert"), command=f"/alert {base}"),
        ],
    )


def _evidence(figures: dict[str, Reading[float]], quotes: Quotes, head: Ticker, now: int) -> str:
    prices = [r for name, r in figures.items() if name.startswith("price.")]
    where = EXCHANGE_NAMES[head.instrument.exchange]
    kind = _("perp") if head.instrument.perp else _("spot")
    units = dict.fromkeys(t.instrument.quote for t in quotes.tickers.values())
    shown = "+".join(units) if len(units) > 1 and set(units) <= set(DOLLAR_LIKE) else ""
    extra = (
        _("headline {venue} {kind}").format(venue=where, kind=kind),
        _("prices in {units}").format(units=shown) if shown else "",
        figures["volume_24h_usd"].note,
    )
    return fmt.evidence(prices, now, *extra)
