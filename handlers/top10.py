"""/top10: the largest coins by market cap, or the busiest perps with their open interest and funding."""

import asyncio
from collections.abc import Mapping

from exchanges.hub import settle
from exchanges.sources.coingecko import coin_for
from exchanges.types import Capability
from handlers.app import App
from handlers.base import Args, Button, Card, Reply, command
from handlers.funding import apr_of
from handlers.words import at_most
from market import format as fmt
from market.errors import SourceError, SourceUnavailable, UserError
from market.language import _
from market.types import (
    EXCHANGE_NAMES,
    MINUTE,
    FundingRate,
    Instrument,
    MarketCap,
    OpenInterest,
    Reading,
    Ticker,
)

USAGE = "/top10 perps"
ROWS = 10
PER_PAGE = 5
STABLE = frozenset(
    [
        "USDT",
        "USDC",
        "USD",
        "DAI",
        "FDUSD",
        "TUSD",
        "USDE",
        "BUSD",
        "PYUSD",
        "USDD",
        "USDS",
        "USD1",
        "EURC",
        "EUR",
        "GBP",
        "TRY",
        "BRL",
    ]
)
COLUMNS = ("oi", "funding", "volume")
CAPS_OLD = 15 * MINUTE


@command("top10", usage=USAGE, aliases=("top",))
async def top10(args: Args, app: App) -> Reply:
    """Show the ten busiest perps with open interest and funding, or the ten largest coins."""
    kind = args.word(0, "perps").lower()
    if kind in ("spot", "caps"):
        at_most(args.words, 1, "/top10 spot")
        return await _largest(args, app)
    if kind not in ("perps", "perp", "futures"):
        raise UserError(_("I rank spot or perps."), USAGE)
    page = args.word(1, "1")
    at_most(args.words, 2, USAGE)
    if page not in ("1", "2"):
        raise UserError(_("There are two pages."), "/top10 perps 2")
    return await _busiest(app, int(page))


async def _busiest(app: App, page: int) -> Reply:
    """Perps by 24 h dollar volume, summed over the venues that answer; none of them can empty the list."""
    names = [n for n, v in app.market.venues.items() if Capability.PERP in v.capabilities]
    found, errors = await settle({n: app.market.tickers(n, True) for n in names})
    groups = _by_coin(found)
    if not groups:
        raise next(iter(errors.values()), SourceError(_("Markets"), _("no perps are listed")))
    ranked = sorted(groups.items(), key=lambda item: -_volume(item[1]))[:ROWS]
    interest, rates = await _details(app, ranked)
    now = app.clock.now()
    figures: dict[str, Reading[float]] = {}
    table: list[str] = []
    for place, (coin, tickers) in enumerate(ranked, 1):
        rows = _figures_of(coin, tickers, interest, rates)
        figures |= rows
        if (place - 1) // PER_PAGE + 1 == page:
            table += _lines(place, coin, rows, tickers[0].instrument.price_step)
    leaders = ", ".join(coin for coin, _tickers in ranked[:3])
    prices = [r for name, r in figures.items() if name.endswith(".price")]
    other = 2 if page == 1 else 1
    first, last = (page - 1) * PER_PAGE + 1, min(page * PER_PAGE, len(ranked))
    return Reply(
        card=Card(
            glyph="⚠️" if errors else "🏆",
            headline=_("Top perps: {leaders} lead by volume").format(leaders=leaders),
            table=table,
            reading=_("Line 1 price and 24 h, line 2 open interest and funding a year."),
            evidence=_evidence(prices, found, errors, now),
            updated=now,
        ),
        figures=figures,
        data={"rank": [coin for coin, _t in ranked], "page": page, "first": first, "last": last},
        buttons=[
            [
                Button(text=_("🔄 Refresh"), command=f"/top10 perps {page}", edit=True),
                Button(
                    text=_("▶ 6-10") if page == 1 else _("◀ 1-5"),
                    command=f"/top10 perps {other}",
                    edit=True,
                ),
            ],
            [
                Button(text=coin, command=f"/price {coin}")
                for coin, _t in ranked[first - 1 : first + 2]
            ],
        ],
    )


def _by_coin(found: Mapping[str, list[Ticker]]) -> dict[str, list[Ticker]]:
    """Tickers of each coin over venues, the busiest first; stablecoins and dead markets left out."""
    groups: dict[str, list[Ticker]] = {}
    for tickers in found.values():
        for ticker in tickers:
            if ticker.instrument.base not in STABLE and _dollars(ticker) > 0:
                groups.setdefault(ticker.instrument.base, []).append(ticker)
    return {coin: sorted(group, key=lambda t: -_dollars(t)) for coin, group in groups.items()}


def _dollars(ticker: Ticker) -> float:
    """24 h volume in its dollar-like quote; 0 where the venue does not tell it."""
    if ticker.instrument.quote not in ("USDT", "USDC", "USD"):
        return 0.0
    if ticker.quote_volume_24h is not None:
        return ticker.quote_volume_24h
    return (ticker.volume_24h or 0.0) * ticker.last


def _volume(tickers: list[Ticker]) -> float:
    return sum(_dollars(ticker) for ticker in tickers)


async def _details(
    app: App, ranked: list[tuple[str, list[Ticker]]]
) -> tuple[dict[str, OpenInterest], dict[str, FundingRate]]:
    """Open interest and funding by instrument key, in bulk where a venue has that; what fails is missing."""
    instruments = [t.instrument for _coin, tickers in ranked for t in tickers]
    names = list(dict.fromkeys(i.exchange for i in instruments))
    (interest, no_interest), (rates, no_rates) = await asyncio.gather(
        settle({n: app.market.open_interest_all(n) for n in names}),
        settle({n: app.market.fundings(n) for n in names}),
    )
    (one_interest, _e1), (one_rates, _e2) = await asyncio.gather(
        settle(
            {i.key: app.market.open_interest(i) for i in _asked_singly(instruments, no_interest)}
        ),
        settle({i.key: app.market.funding(i) for i in _asked_singly(instruments, no_rates)}),
    )
    for i in instruments:
        if i.symbol in interest.get(i.exchange, {}):
            one_interest[i.key] = interest[i.exchange][i.symbol]
        if i.symbol in rates.get(i.exchange, {}):
            one_rates[i.key] = rates[i.exchange][i.symbol]
    return one_interest, one_rates


def _asked_singly(
    instruments: list[Instrument], errors: Mapping[str, SourceError]
) -> list[Instrument]:
    """Those whose venue has no bulk answer; a venue that is down is not asked forty times more."""
    return [
        i
        for i in instruments
        if i.exchange in errors and not isinstance(errors[i.exchange], SourceUnavailable)
    ]


def _figures_of(
    coin: str,
    tickers: list[Ticker],
    interest: Mapping[str, OpenInterest],
    rates: Mapping[str, FundingRate],
) -> dict[str, Reading[float]]:
    """Price of the busiest venue; open interest and volume summed; funding weighted by open interest."""
    head = tickers[0]
    venues = tuple(t.instrument.exchange for t in tickers)
    out: dict[str, Reading[float]] = {
        f"{coin}.price": Reading(
            value=head.last, as_of=head.ts, venues=(venues[0],), unit=head.instrument.quote
        ),
        f"{coin}.change_24h": Reading(
            value=head.change_24h, as_of=head.ts, venues=(venues[0],), unit="fraction"
        )
        if head.change_24h is not None
        else Reading.missing(_("not told"), venues=(venues[0],)),
        f"{coin}.volume_24h_usd": Reading(
            value=_volume(tickers), as_of=min(t.ts for t in tickers), venues=venues, unit="USD"
        ),
    }
    prices = {t.instrument.key: t.last for t in tickers}
    known = {
        t.instrument.key: interest[t.instrument.key]
        for t in tickers
        if t.instrument.key in interest
    }
    values = {
        key: o.value if o.value is not None else o.amount * prices[key] for key, o in known.items()
    }
    out[f"{coin}.open_interest_usd"] = _summed(values, known)
    out[f"{coin}.funding_apr"] = _mean_apr(values, rates)
    return out


def _summed(values: Mapping[str, float], known: Mapping[str, OpenInterest]) -> Reading[float]:
    if not values:
        return Reading.missing(_("no venue answers"), unit="USD")
    venues = tuple(key.split(":")[0] for key in values)
    return Reading(
        value=sum(values.values()), as_of=min(o.ts for o in known.values()), venues=venues,
        n=len(values), unit="USD",
    )  # fmt: skip


def _mean_apr(values: Mapping[str, float], rates: Mapping[str, FundingRate]) -> Reading[float]:
    both = {key: value for key, value in values.items() if key in rates and value > 0}
    if not both:
        return Reading.missing(_("no venue answers"), unit="fraction per year")
    mean = sum(apr_of(rates[key]) * value for key, value in both.items()) / sum(both.values())
    return Reading(
        value=mean, as_of=min(rates[key].ts for key in both), n=len(both),
        venues=tuple(key.split(":")[0] for key in both), unit="fraction per year",
        note=_("weighted by open interest"),
    )  # fmt: skip


def _lines(place: int, coin: str, rows: Mapping[str, Reading[float]], step: float) -> list[str]:
    """Two lines a coin: six columns do not fit a phone."""
    change = fmt.shown(rows[f"{coin}.change_24h"], lambda v: fmt.percent(v, tight=True), short=True)
    price = fmt.shown(rows[f"{coin}.price"], lambda v: fmt.price(v, step), short=True)
    interest = fmt.shown(rows[f"{coin}.open_interest_usd"], fmt.money, short=True)
    apr = fmt.shown(rows[f"{coin}.funding_apr"], lambda v: fmt.percent(v, tight=True), short=True)
    first = f"{place:>2} {coin[:9]:<9}{price:>11}{change:>9}"
    second = f"   OI {interest:<10}{'fund ' + apr:>13}"
    return [first[:32], second[:32]]


def _evidence(
    prices: list[Reading[float]],
    found: Mapping[str, object],
    errors: Mapping[str, SourceError],
    now: int,
) -> str:
    missing = ", ".join(f"{EXCHANGE_NAMES[n]} unavailable ({e.reason})" for n, e in errors.items())
    names = "+".join(EXCHANGE_NAMES[name] for name in found)
    ages = [now - r.as_of for r in prices if r.as_of is not None]
    parts = [names, fmt.age(max(ages, default=0)), _("by 24 h volume"), _("observed"), missing]
    return fmt.SEPARATOR.join(part for part in parts if part)


async def _largest(args: Args, app: App) -> Reply:
    """Coins by market cap of CoinGecko, by coin id, with the price of the default venue beside it."""
    caps = await app.market.market_caps()
    if not caps:
        raise SourceError("CoinGecko", _("no market caps"))
    now = app.clock.now()
    ranked = _without_stable(caps)[:ROWS]
    old = max(now - cap.ts for cap in ranked)
    figures: dict[str, Reading[float]] = {}
    table = []
    for place, cap in enumerate(ranked, 1):
        note = "" if now - cap.ts <= CAPS_OLD else _("stale")
        figures[f"{cap.symbol}.market_cap_usd"] = Reading(
            value=cap.market_cap_usd, as_of=cap.ts, venues=("coingecko",), unit="USD", note=note
        )
        price = "" if cap.price_usd is None else fmt.price(cap.price_usd)
        table.append(
            f"{place:>2} {cap.symbol[:6]:<7}{fmt.money(cap.market_cap_usd):>9}{price:>13}"[:32]
        )
    stale = _(" {age} old").format(age=fmt.age(old)) if old > CAPS_OLD else ""
    return Reply(
        card=Card(
            glyph="⚠️" if stale else "🏆",
            headline=_("Largest coins by market cap{stale}").format(stale=stale),
            table=table,
            reading=_("Market cap and price in USD; stablecoins left out."),
            evidence=_("Data by CoinGecko · {age} · observed").format(age=fmt.age(old)),
            updated=now,
        ),
        figures=figures,
        data={"rank": [cap.coin for cap in ranked]},
        buttons=[
            [
                Button(text=_("🔄 Refresh"), command="/top10 spot", edit=True),
                Button(text=_("Perps"), command="/top10 perps"),
            ]
        ],
    )


def _without_stable(caps: list[MarketCap]) -> list[MarketCap]:
    """Ranked coins; of several coins with one ticker the one that CoinGecko means by it."""
    chosen = [
        cap
        for cap in caps
        if cap.symbol.upper() not in STABLE and coin_for(cap.symbol.upper(), caps) is cap
    ]
    return sorted(chosen, key=lambda cap: (-cap.market_cap_usd, cap.coin))
