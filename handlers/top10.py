"""/top10: the largest coins by market cap, or the busiest perps with their open interest and funding."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from exchanges.hub import settle
from exchanges.sources.coingecko import coin_for
from exchanges.types import Capability
from handlers.app import App
from handlers.base import Args, Button, Card, Reply, command
from handlers.dollars import DOLLAR_LIKE, Dollars, dollars
from handlers.funding import apr_of
from handlers.outages import said, silent, unavailable
from handlers.words import at_most, keyboard
from market import format as fmt
from market.errors import SourceError, SourceUnavailable, UserError
from market.language import _
from market.types import (
    DAY,
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
_STABLE = """
USDT USDC USD DAI FDUSD TUSD USDE BUSD PYUSD USDD USDS USD1 USDT0 USDF USDTB USDG RLUSD GUSD USDP FRAX
SUSDE SUSDS BFUSD USYC BUIDL EURC EURI EUR GBP TRY BRL
"""
STABLE = frozenset(_STABLE.split())
DOUBLES = ("wrapped", "staked", "bridged", "restaked", "pegged", "binance-peg")  # of another coin
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
    rates = await dollars(app, {t.instrument.quote for g in groups.values() for t in g})
    ranked = sorted(groups.items(), key=lambda item: -_volume(item[1], rates))[:ROWS]
    if page == 2 and len(ranked) <= PER_PAGE:
        raise UserError(_("There is one page only."), USAGE)
    interest, fundings = await _details(app, ranked)
    figures: dict[str, Reading[float]] = {}
    for coin, tickers in ranked:
        figures |= _figures_of(coin, tickers, interest, fundings, rates)
    return _busiest_card(app, ranked, figures, page, (found, errors, rates))


Answers = tuple[Mapping[str, list[Ticker]], Mapping[str, SourceError], Dollars]


def _busiest_card(
    app: App,
    ranked: Sequence[tuple[str, list[Ticker]]],
    figures: Mapping[str, Reading[float]],
    page: int,
    answers: Answers,
) -> Reply:
    found, errors, rates = answers
    now = app.clock.now()
    begin = (page - 1) * PER_PAGE
    shown = ranked[begin : begin + PER_PAGE]
    table: list[str] = []
    for place, (coin, tickers) in enumerate(shown, begin + 1):
        table += _lines(place, coin, figures, tickers[0].instrument.price_step)
    leaders = ", ".join(coin for coin, _tickers in ranked[:3])
    trouble = said(silent(app, [n for n in found if n not in errors]), unavailable(errors))
    prices = [r for name, r in figures.items() if name.endswith(".price")]
    last = begin + len(shown)
    return Reply(
        card=Card(
            glyph="⚠️" if trouble else "🏆",
            headline=_("Top perps: {leaders} lead by volume").format(leaders=leaders),
            table=table,
            reading=_("Line 1 price and 24 h, line 2 open interest and funding a year."),
            evidence=_evidence(prices, found, now, (rates.note, trouble)),
            updated=now,
        ),
        figures=figures,
        data={
            "rank": [coin for coin, _t in ranked],
            "page": page,
            "first": begin + 1,
            "last": last,
        },
        buttons=_busiest_buttons(page, [coin for coin, _t in shown], len(ranked)),
    )


def _busiest_buttons(page: int, coins: Sequence[str], count: int) -> list[list[Button]]:
    turn = []
    if count > PER_PAGE:
        other, label = (2, _("▶ 6-10")) if page == 1 else (1, _("◀ 1-5"))
        turn = [Button(text=label, command=f"/top10 perps {other}", edit=True)]
    links = [Button(text=coin, command=f"/price {coin}") for coin in coins]
    refresh = Button(text=_("🔄 Refresh"), command=f"/top10 perps {page}", edit=True)
    return keyboard([refresh, *turn], links[:3], links[3:])


def _by_coin(found: Mapping[str, list[Ticker]]) -> dict[str, list[Ticker]]:
    """Tickers of each coin over venues, the busiest first; stablecoins and dead markets left out."""
    groups: dict[str, list[Ticker]] = {}
    for tickers in found.values():
        for ticker in tickers:
            if ticker.instrument.base not in STABLE and _traded(ticker) > 0:
                groups.setdefault(ticker.instrument.base, []).append(ticker)
    return {coin: sorted(group, key=lambda t: -_traded(t)) for coin, group in groups.items()}


def _traded(ticker: Ticker) -> float:
    """24 h volume in its dollar-like quote; 0 where the venue does not tell it."""
    if ticker.instrument.quote not in DOLLAR_LIKE:
        return 0.0
    if ticker.quote_volume_24h is not None:
        return ticker.quote_volume_24h
    return (ticker.volume_24h or 0.0) * ticker.last


def _volume(tickers: list[Ticker], rates: Dollars) -> float:
    return sum(rates.of(_traded(t), t.instrument.quote) or 0.0 for t in tickers)


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
    fundings: Mapping[str, FundingRate],
    rates: Dollars,
) -> dict[str, Reading[float]]:
    """Price of the busiest venue; open interest and volume summed; funding weighted by open interest."""
    head = tickers[0]
    venues = tuple(dict.fromkeys(t.instrument.exchange for t in tickers))
    out: dict[str, Reading[float]] = {
        f"{coin}.price": Reading(
            value=head.last, as_of=head.ts, venues=venues[:1], unit=head.instrument.quote
        ),
        f"{coin}.change_24h": Reading(
            value=head.change_24h, as_of=head.ts, venues=venues[:1], unit="fraction", window=DAY
        )
        if head.change_24h is not None
        else Reading.missing(_("not told"), venues=venues[:1]),
        f"{coin}.volume_24h_usd": Reading(
            value=_volume(tickers, rates),
            as_of=min(t.ts for t in tickers),
            venues=venues,
            unit="USD",
            window=DAY,
            n=len(tickers),
            note=rates.note,
        ),
    }
    values: dict[str, float] = {}
    for ticker in tickers:
        i = ticker.instrument
        if i.key in interest:
            own = interest[i.key]
            value = own.value if own.value is not None else own.amount * ticker.last
            values[i.key] = rates.of(value, i.quote) or 0.0
    out[f"{coin}.open_interest_usd"] = _summed(values, interest)
    out[f"{coin}.funding_apr"] = _mean_apr(values, fundings)
    return out


def _summed(values: Mapping[str, float], known: Mapping[str, OpenInterest]) -> Reading[float]:
    if not values:
        return Reading.missing(_("no venue answers"), unit="USD")
    venues = tuple(dict.fromkeys(key.split(":")[0] for key in values))
    return Reading(
        value=sum(values.values()), as_of=min(known[key].ts for key in values), venues=venues,
        n=len(values), unit="USD",
    )  # fmt: skip


def _mean_apr(values: Mapping[str, float], rates: Mapping[str, FundingRate]) -> Reading[float]:
    both = {key: value for key, value in values.items() if key in rates and value > 0}
    if not both:
        return Reading.missing(_("no venue answers"), unit="fraction per year")
    mean = sum(apr_of(rates[key]) * value for key, value in both.items()) / sum(both.values())
    return Reading(
        value=mean, as_of=min(rates[key].ts for key in both), n=len(both),
        venues=tuple(dict.fromkeys(key.split(":")[0] for key in both)), unit="fraction per year",
        note=_("weighted by open interest"),
    )  # fmt: skip


def _lines(place: int, coin: str, rows: Mapping[str, Reading[float]], step: float) -> list[str]:
    """Two lines a coin: six columns do not fit a phone."""

    def cell(name: str, write: Callable[[float], str]) -> str:
        return fmt.shown(rows[f"{coin}.{name}"], write, short=True)

    def percent(value: float) -> str:
        return fmt.percent(value, tight=True)

    change, money = cell("change_24h", percent), cell("open_interest_usd", fmt.money)
    exact = cell("price", lambda v: fmt.price(v, step))
    rough = cell("price", lambda v: fmt.significant(v, 3))
    room = fmt.COLUMNS - 4 - len(change)  # a rank, two gaps
    price = next((p for p in (exact, rough) if len(p) + 5 <= room), cell("price", "{:.2e}".format))
    name = fmt.clipped(coin, max(1, room - len(price) - 1))
    first = f"{place:>2} {name}{' ' * (room - fmt.columns_of(name) - len(price))}{price} {change}"
    fund = f"fund {cell('funding_apr', percent)}"
    return [first, f"   OI {money}{' ' * max(1, 26 - len(money) - len(fund))}{fund}"]


def _evidence(
    prices: list[Reading[float]], found: Mapping[str, object], now: int, more: Sequence[str]
) -> str:
    names = "+".join(EXCHANGE_NAMES[name] for name in found)
    ages = [now - r.as_of for r in prices if r.as_of is not None]
    parts = (names, fmt.age(max(ages, default=0)), _("by 24 h volume"), _("observed"), *more)
    return fmt.SEPARATOR.join(part for part in parts if part)


async def _largest(args: Args, app: App) -> Reply:
    """Coins by market cap of CoinGecko, by coin id, with its price beside it."""
    caps = await app.market.market_caps()
    ranked = _without_doubles(caps)[:ROWS]
    if not ranked:
        raise SourceError("CoinGecko", _("no market caps"))
    now = app.clock.now()
    old = max(now - cap.ts for cap in ranked)
    stale = _(", {age} old").format(age=fmt.age(old)) if old > CAPS_OLD else ""
    return Reply(
        card=Card(
            glyph="⚠️" if stale else "🏆",
            headline=_("Largest coins by market cap{stale}").format(stale=stale),
            table=[_cap_line(place, cap) for place, cap in enumerate(ranked, 1)],
            reading=_("Market cap and price in USD; stablecoins and wrapped coins left out."),
            evidence=_("Data by CoinGecko · {age} · observed").format(age=fmt.age(old)),
            updated=now,
        ),
        figures=_cap_figures(ranked, now),
        data={"rank": [cap.coin for cap in ranked]},
        buttons=[
            [
                Button(text=_("🔄 Refresh"), command="/top10 spot", edit=True),
                Button(text=_("Perps"), command="/top10 perps"),
            ]
        ],
    )


def _cap_line(place: int, cap: MarketCap) -> str:
    price = ""
    if cap.price_usd is not None:
        texts = (
            fmt.price(cap.price_usd),
            fmt.significant(cap.price_usd, 3),
            f"{cap.price_usd:.2e}",
        )
        price = next((text for text in texts if len(text) <= 12), texts[-1])
    return f"{place:>2} {fmt.clipped(cap.symbol.upper(), 6):<7}{fmt.money(cap.market_cap_usd):>9}{price:>13}"


def _cap_figures(ranked: Sequence[MarketCap], now: int) -> dict[str, Reading[float]]:
    figures: dict[str, Reading[float]] = {}
    for cap in ranked:
        seen: dict[str, Any] = {
            "as_of": cap.ts, "venues": ("coingecko",), "unit": "USD",
            "note": "" if now - cap.ts <= CAPS_OLD else _("stale"),
        }  # fmt: skip
        name = cap.symbol.upper()
        figures[f"{name}.market_cap_usd"] = Reading(value=cap.market_cap_usd, **seen)
        if cap.price_usd is not None:
            figures[f"{name}.price_usd"] = Reading(value=cap.price_usd, **seen)
    return figures


def _without_doubles(caps: list[MarketCap]) -> list[MarketCap]:
    """Ranked coins; of several with one ticker the one that CoinGecko means by it; no stablecoin, no wrapped one."""
    chosen = [
        cap
        for cap in caps
        if cap.symbol.upper() not in STABLE
        and not any(word in cap.name.lower().split() for word in DOUBLES)
        and coin_for(cap.symbol.upper(), caps) is cap
    ]
    return sorted(chosen, key=lambda cap: (-cap.market_cap_usd, cap.coin))
