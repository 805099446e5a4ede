"""/funding: what longs pay shorts on each venue, per interval and per year."""

from collections.abc import Mapping
from typing import Any

from exchanges.hub import settle
from handlers.app import App
from handlers.base import Args, Button, Card, Reply, command
from handlers.outages import said, silent, unavailable
from handlers.words import at_most, perps, symbol
from market import format as fmt
from market.errors import SourceError
from market.language import _
from market.types import EXCHANGE_NAMES, HOUR, MINUTE, FundingRate, Instrument, Reading

USAGE = "/funding BTC"
YEAR_H = 8760.0
SAME = 0.001  # of APR: a smaller spread is none


@command("funding", usage=USAGE)
async def funding(args: Args, app: App) -> Reply:
    """Show the funding rate of a coin on every venue, with interval, APR and countdown."""
    text, rest = symbol(args, USAGE)
    at_most(rest, 0, USAGE)
    query, listed, typed = perps(app, text, "/funding {}")
    rates, errors = await settle({i.exchange: app.market.funding(i) for i in listed})
    if not rates:
        raise next(iter(errors.values()))
    interest, _unknown = await settle(
        {name: app.market.open_interest(r.instrument) for name, r in rates.items()}
    )
    sizes = {
        name: o.value if o.value is not None else o.amount * (rates[name].mark or 0.0)
        for name, o in interest.items()
    }
    figures = _figures(listed, rates, errors)
    mean = _weighted(rates, sizes)
    figures["apr"] = mean
    now = app.clock.now()
    trouble = said(silent(app, rates), unavailable(errors))
    known = [r for n, r in figures.items() if n.startswith("apr.") and r.known]
    return Reply(
        card=Card(
            glyph="⚠️" if trouble else "",
            headline=_headline(query.base, mean, rates),
            table=_table(listed, rates, now),
            reading=_meaning(rates, mean),
            evidence=fmt.evidence(known, now, typed, mean.note, trouble),
            updated=now,
        ),
        figures=figures,
        buttons=[
            [
                Button(text=_("🔄 Refresh"), command=f"/funding {text}", edit=True),
                Button(text=_("📈 Chart"), command=f"/chart {query.base}"),
            ],
            [
                Button(text="OI", command=f"/oi {query.base}"),
                Button(text=_("💰 Price"), command=f"/price {query.base}"),
                Button(text="CVD", command=f"/cvd {query.base} 4h"),
            ],
        ],
    )


def apr_of(rate: FundingRate) -> float:
    """The rate per year, simple: rate x 8760 / interval."""
    return rate.rate * YEAR_H / rate.interval_h


def _figures(
    perps: list[Instrument], rates: Mapping[str, FundingRate], errors: Mapping[str, SourceError]
) -> dict[str, Reading[float]]:
    out: dict[str, Reading[float]] = {}
    for i in perps:
        name = i.exchange
        if name in errors:
            gone = Reading[float].missing(errors[name].reason, venues=(name,))
            out |= {f"rate.{name}": gone, f"apr.{name}": gone}
            continue
        rate = rates[name]
        window = int(rate.interval_h * HOUR)
        seen: dict[str, Any] = {"as_of": rate.ts, "venues": (name,), "window": window}
        out[f"rate.{name}"] = Reading(
            value=rate.rate, unit=f"fraction per {rate.interval_h:g} h", **seen
        )
        out[f"apr.{name}"] = Reading(value=apr_of(rate), unit="fraction per year", **seen)
        if rate.predicted is not None:
            out[f"predicted.{name}"] = Reading(
                value=rate.predicted, unit=f"fraction per {rate.interval_h:g} h", **seen
            )
        if rate.next_ts is not None and rate.next_ts >= rate.ts:
            out[f"next_ts.{name}"] = Reading(
                value=float(rate.next_ts), as_of=rate.ts, venues=(name,), unit="ms UTC"
            )
    return out


def _weighted(rates: Mapping[str, FundingRate], sizes: Mapping[str, float]) -> Reading[float]:
    """Mean APR weighted by open interest, over the venues whose both are known."""
    both = {name: size for name, size in sizes.items() if size > 0}
    total = sum(both.values())
    if total <= 0:
        return Reading.missing(_("open interest not known"), unit="fraction per year")
    value = sum(apr_of(rates[name]) * size for name, size in both.items()) / total
    return Reading(
        value=value, as_of=min(rates[name].ts for name in both), n=len(both), venues=tuple(both),
        unit="fraction per year", note=_("weighted by open interest"),
    )  # fmt: skip


def _headline(base: str, mean: Reading[float], rates: Mapping[str, FundingRate]) -> str:
    if mean.value is not None:
        who = (
            _("longs pay")
            if mean.value > 0
            else _("shorts pay")
            if mean.value < 0
            else _("nobody pays")
        )
        return _("{base} funding: {who}, {apr} APR").format(
            base=base, who=who, apr=fmt.percent(mean.value)
        )
    name, rate = next(iter(rates.items()))
    return _("{base} funding {rate} on {venue}").format(
        base=base, rate=fmt.rate_apr(rate.rate, rate.interval_h), venue=EXCHANGE_NAMES[name]
    )


def _table(perps: list[Instrument], rates: Mapping[str, FundingRate], now: int) -> list[str]:
    rows = [["", _("rate"), _("per"), "APR", _("next")]]
    for i in perps:
        rate = rates.get(i.exchange)
        if rate is None:
            rows.append([EXCHANGE_NAMES[i.exchange], fmt.NOT_KNOWN, "", "", ""])
            continue
        rows.append(
            [
                EXCHANGE_NAMES[i.exchange],
                fmt.percent(rate.rate, 4, tight=True),
                f"{rate.interval_h:g}h",
                fmt.percent(apr_of(rate), tight=True),
                countdown(rate.next_ts, now),
            ]
        )
    return fmt.table(rows)


def countdown(ts: int | None, now: int) -> str:
    """Time until `ts`, tight for a table: 3h12, 42m; n/a where it is not told."""
    if ts is None or ts < now:
        return fmt.NOT_KNOWN
    left = (ts - now) // MINUTE
    return f"{left // 60}h{left % 60:02}" if left >= 60 else f"{left}m"


def _meaning(rates: Mapping[str, FundingRate], mean: Reading[float]) -> str:
    lowest = min(rates.values(), key=apr_of)
    highest = max(rates.values(), key=apr_of)
    text = _("A positive rate is paid by longs to shorts.") if mean.known else ""
    if len(rates) > 1 and apr_of(highest) - apr_of(lowest) < SAME:
        text = _("All venues pay the same.")
    elif len(rates) > 1:
        text = _("Spread {spread} APR: {high} highest, {low} lowest.").format(
            spread=fmt.percent(apr_of(highest) - apr_of(lowest), signed=False),
            high=EXCHANGE_NAMES[highest.instrument.exchange],
            low=EXCHANGE_NAMES[lowest.instrument.exchange],
        )
    predicted = [
        f"{EXCHANGE_NAMES[name]} {fmt.percent(rate.predicted, 4)}"
        for name, rate in rates.items()
        if rate.predicted is not None
    ]
    if predicted:
        text = f"{text}\n{_('Predicted next: {rates}').format(rates=', '.join(predicted))}".strip()
    return text
