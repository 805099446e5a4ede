"""/whales: the newest large taker orders, their prints put together, of a coin or of the watch list."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from analytics.flow import WHALE, TakerOrder
from analytics.orders import WHALES as KEPT
from handlers.app import App
from handlers.base import Args, Button, Card, Reply, command
from handlers.live import Feed, Live, live, looked, narrow, together, without
from handlers.outages import named, silent
from handlers.words import COINS, at_most, keyboard, symbol
from market import format as fmt
from market.errors import UserError
from market.language import _
from market.types import DAY, EXCHANGES, HOUR, Reading, Side, Status

USAGE = "/whales BTC 1m"
SHOWN = 10
SECOND = 1000
MOST = 1e12  # dollars that may be asked for
Figures = Mapping[str, Reading[Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """One merged order and its value in US dollars."""

    order: TakerOrder
    usd: float

    @property
    def exchange(self) -> str:
        """Its venue."""
        return self.order.instrument.exchange


@command("whales", usage=USAGE, aliases=("whale",))
async def whales(args: Args, app: App) -> Reply:
    """List the newest whale orders with their side and size, and who of them led in the last hour."""
    seen, name, coin, least = await _asked(args, app)
    orders = orders_of(seen, least)
    figures = figures_of(seen, orders)
    headline, glyph = headline_of(name, figures, least, seen.now)
    trouble = silent(app, dict.fromkeys(each.exchange for each in seen.feeds)) if coin else ""
    return Reply(
        card=Card(
            glyph="⚠️" if trouble else glyph,
            headline=headline,
            table=_table(orders[:SHOWN], seen.now, coin=bool(coin)),
            reading="\n".join(part for part in (_meaning(figures), trouble) if part),
            evidence=_evidence(seen, figures, least),
            updated=seen.now,
        ),
        figures=figures,
        buttons=_buttons(coin, least),
        data={"orders": [_fact(each) for each in orders[:100]], "least": least},
    )


async def _asked(args: Args, app: App) -> tuple[Live, str, str, float]:
    """The markets, their name, the coin as typed ("" for the watch list), and the least dollars."""
    least, words = WHALE, args.words
    if words and (words[-1][:1].isdigit() or words[-1].startswith("$")) and not _listed(app, words[-1]):  # fmt: skip
        least = fmt.number(words[-1].lstrip("$"), above=0, high=MOST, example=USAGE)
        if least < WHALE:
            text = _("Whale orders are kept from {least} on.")
            raise UserError(text.format(least=fmt.money(WHALE)), USAGE)
        words = words[:-1]
    if words:
        text, rest = symbol(replace(args, words=words), USAGE)
        at_most(rest, 0, USAGE)
        query = app.market.resolve(text, command="/whales {}")
        perp = True if query.perp is None else query.perp
        found = app.market.instruments_for(query, perp=perp, command="/whales {}")
        name = query.base if perp else _("{base} spot").format(base=query.base)
        return await live(app, found), name, text, least
    streams = app.market.streams
    states = [] if streams is None else streams.states()
    if not states:
        raise UserError(_("Nothing is watched yet; name a coin."), USAGE)
    return await looked(app, [(s.instrument, s) for s in states]), _("Watch list"), "", least


def _listed(app: App, word: str) -> bool:
    """Whether a word that begins with a digit is a coin."""
    return bool(app.market.directory.listed(word.upper()))


def orders_of(seen: Live, least: float) -> list[Order]:
    """Merged orders of `least` dollars and more, the newest first."""
    found = [
        Order(order=each, usd=each.value * feed.rate)
        for feed in seen.feeds
        if feed.state is not None and feed.rate is not None and feed.state.orders.classed
        for each in feed.state.orders.whales(seen.now)
        if each.value * feed.rate >= least
    ]
    return sorted(found, key=lambda each: -each.order.ts)


def figures_of(seen: Live, orders: Sequence[Order]) -> dict[str, Reading[Any]]:
    """`whale_buys`, `whale_sells`, `whale_net` (US dollars) and `whale_orders` of the last hour, or since watched."""
    missing = absent(seen)
    feeds = {f.instrument.key: f for f in seen.feeds if f.instrument.key not in missing}
    starts = {key: start for key, f in feeds.items() if (start := _start(f)) is not None}
    names = ("whale_buys", "whale_sells", "whale_net", "whale_orders")
    if not starts:
        why = next(iter(missing.values()), _("nothing is watched"))
        unknown: Reading[Any] = Reading.missing(why, Status.INSUFFICIENT)
        return dict.fromkeys(names, unknown)
    edge, used = together(starts, seen.now - HOUR)
    if seen.now - edge < SECOND:
        young: Reading[Any] = Reading.missing(
            _("watched for less than a second"), Status.INSUFFICIENT
        )
        return dict.fromkeys(names, young)
    inside = [o for o in orders if o.order.instrument.key in used and o.order.ts > edge]
    sums = {s: sum(o.usd for o in inside if o.order.side is s) for s in Side}
    stamps = [
        ts for key in used if (state := feeds[key].state) and (ts := state.heard()) is not None
    ]
    blind = any(f.state.flow.gaps(edge, seen.now) for k in used if (f := feeds[k]).state)
    base: Reading[Any] = Reading(
        value=0.0, as_of=min(stamps, default=None), since=edge, window=seen.now - edge,
        n=len(inside), unit="USD", note=_("the feed was blind in between") if blind else "",
        venues=tuple(n for n in EXCHANGES if any(feeds[key].exchange == n for key in used)),
    )  # fmt: skip
    values = (sums[Side.BUY], sums[Side.SELL], sums[Side.BUY] - sums[Side.SELL])
    found = {n: replace(base, value=v) for n, v in zip(names, values, strict=False)}
    return found | {"whale_orders": replace(base, value=float(len(inside)), unit="")}


def absent(seen: Live) -> dict[str, str]:
    """Markets whose orders are not known now, and why."""
    out = {}
    for each in seen.feeds:
        price = each.get("cvd")  # known where the trades are
        if not price.known:
            out[each.instrument.key] = price.reason
        elif each.state is not None and not each.state.orders.classed:
            text = _("no limits of size in {quote}")
            out[each.instrument.key] = text.format(quote=each.instrument.quote)
    return out


def _start(feed: Feed) -> int | None:
    """Since when all whale orders of a market are kept."""
    if feed.state is None or feed.state.flow.watched_since is None:
        return None
    kept = feed.state.orders.whales(feed.state.heard() or 0)
    began = feed.state.flow.watched_since
    return max(began, kept[0].ts) if len(kept) >= KEPT else began


def headline_of(name: str, figures: Figures, least: float, now: int) -> tuple[str, str]:
    """The net of the hour and how many orders it rests on."""
    net, count = figures["whale_net"], figures["whale_orders"]
    if net.value is None or net.since is None:
        return _("{name} whales n/a: {why}").format(name=name, why=net.reason), "⚠️"
    whole = (net.window or 0) >= HOUR - 1000
    when = _("in 60 m") if whole else _("since {at}").format(at=_at(net.since, now))
    if not count.value:
        text = _("{name}: no order above {least} {when}")
        return text.format(name=name, least=fmt.money(least), when=when), "⚪"
    text = _("{name} whales net {net} {when}, {n} orders")
    glyph = "🟢" if net.value > 0 else "🔴" if net.value < 0 else "⚪"
    value = fmt.money(net.value, signed=True)
    return text.format(name=name, net=value, when=when, n=f"{count.value:.0f}"), glyph


def _at(ts: int, now: int) -> str:
    return fmt.utc(ts, now, seconds=now - ts < HOUR)


def _table(orders: Sequence[Order], now: int, *, coin: bool) -> list[str]:
    """Time, venue, coin where there are several, signed dollars (a buy is +), mean price."""
    for digits in (0, 5, 4):
        rows = [[_("UTC"), *([""] if coin else ["", ""]), "USD", _("price")]]
        for each in orders:
            i, order = each.order.instrument, each.order
            sign = 1 if order.side is Side.BUY else -1
            price = fmt.price(order.price, i.price_step)
            price = fmt.significant(order.price, digits) if digits else price
            where = [named(i.exchange)[:3]] if coin else [named(i.exchange)[:3], i.base]
            size = narrow(sign * each.usd, signed=True)
            rows.append([_time(order.ts, now), *where, size, price])
        widths = [max(fmt.columns_of(row[n]) for row in rows) for n in range(len(rows[0]))]
        if sum(widths) + len(widths) - 1 <= fmt.COLUMNS:
            break
    return fmt.table(rows, "llrr" if coin else "lllrr") if orders else []


def _time(ts: int, now: int) -> str:
    text = fmt.utc(ts, now)
    return text.split()[-2] if ts // DAY == now // DAY else text.split(maxsplit=1)[0]


def _meaning(figures: Figures) -> str:
    buys, sells = figures["whale_buys"], figures["whale_sells"]
    if buys.value is None or sells.value is None or not figures["whale_orders"].value:
        return ""
    return _("bought {buys}, sold {sells}").format(
        buys=fmt.money(buys.value), sells=fmt.money(sells.value)
    )


def _evidence(seen: Live, figures: Figures, least: float) -> str:
    """The threshold, whose orders, since when, and who is not in the sums."""
    net = figures["whale_net"]
    missing = absent(seen)
    many = len(seen.feeds) > len(EXCHANGES)
    late = {
        f.instrument.key: _("watched since {at}").format(at=_at(start, seen.now))
        for f in seen.feeds
        if f.instrument.key not in missing
        and (start := _start(f)) is not None
        and net.since is not None
        and start > net.since
    }
    out = missing | late
    text = _("sums without {n} of {all} markets, watched for less")
    parts = (
        _("orders from {least} on, prints put together").format(least=fmt.money(least)),
        fmt.venues(net.venues) if net.known else "",
        "" if not out else text.format(n=len(out), all=len(seen.feeds)) if many else without(out),
        net.note,
        seen.rates.note,
        fmt.age(max(0, seen.now - net.as_of)) if net.as_of is not None else "",
        _("observed") if net.known else _("no data"),
    )
    return fmt.SEPARATOR.join(part for part in parts if part)


def _buttons(coin: str, least: float) -> list[list[Button]]:
    size = "" if least == WHALE else f" {least:.0f}"
    first = [Button(text=_("🔄 Refresh"), command=f"/whales {coin}{size}".replace("  ", " "), edit=True)]  # fmt: skip
    sizes = [
        Button(text=label, command=f"/whales {coin} {word}".replace("  ", " "), edit=True)
        for label, word, value in (("≥ $1M", "1m", 1e6), ("≥ $5M", "5m", 5e6))
        if value != least
    ]
    if not coin:
        return keyboard(
            [*first, *sizes], [Button(text=c, command=f"/whales {c}", edit=True) for c in COINS]
        )
    flow = [
        Button(text=_("🌊 Flow"), command=f"/flow {coin}"),
        Button(text=_("Watch list"), command="/whales", edit=True),
    ]
    return keyboard([*first, *sizes], flow)


def _fact(each: Order) -> dict[str, Any]:
    order = each.order
    return {
        "ts": order.ts, "instrument": order.instrument.key, "side": str(order.side),
        "usd": each.usd, "price": order.price, "amount": order.amount, "prints": order.prints,
    }  # fmt: skip
