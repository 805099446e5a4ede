"""Funding: what longs pay shorts, made comparable. Rates are fractions per their own interval.

Intervals differ by symbol and change (1, 2, 4, 8 h): venues are compared as APR only.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from market.language import _
from market.types import HOUR, FundingRate, Reading, Status

YEAR_H = 8760
MAX_AGE = 2 * HOUR


def apr(rate: float, interval_h: float) -> float:
    """Per year without compounding: 0.0001 per 8 h is 0.1095."""
    return rate * YEAR_H / interval_h


def apy(rate: float, interval_h: float) -> float | None:
    """Per year, compounded; None where that leaves all bounds."""
    if rate <= -1:
        return None
    growth = YEAR_H / interval_h * math.log1p(rate)
    return math.expm1(growth) if growth < 100 else None


def eq_8h(rate: float, interval_h: float) -> float:
    """The same rate per 8 hours."""
    return rate * 8 / interval_h


def rate_8h(premium: float, interest: float = 0.0001, clamp: float = 0.0005) -> float:
    """The 8-hour rate of an average premium: premium + clamp(interest - premium). Before the venue's cap."""
    return premium + min(clamp, max(-clamp, interest - premium))


def premium_index(impact_bid: float, impact_ask: float, index: float) -> float:
    """How far the book stands off the index, as a fraction; 0 while the index lies inside the spread."""
    return (max(0.0, impact_bid - index) - max(0.0, index - impact_ask)) / index


def figures(rate: FundingRate, now: int, max_age: int = MAX_AGE) -> dict[str, Reading[float]]:
    """`rate` (per interval), `apr`, `apy`, `eq_8h` and `next_in` (ms) of one instrument."""
    evidence: dict[str, object] = {"as_of": rate.ts, "venues": (rate.instrument.exchange,)}
    names = ("rate", "apr", "apy", "eq_8h", "next_in")
    if now - rate.ts > max_age:
        return dict.fromkeys(names, Reading.missing(_("funding is old"), Status.STALE, **evidence))
    if not (math.isfinite(rate.rate) and rate.interval_h > 0):
        nonsense: Reading[float] = Reading.missing(
            _("the venue sent no usable rate"), Status.UNAVAILABLE, **evidence
        )
        return dict.fromkeys(names, nonsense)
    next_in = rate.next_ts - now if rate.next_ts is not None and rate.next_ts > now else None
    values = {
        "rate": (rate.rate, "fraction"),
        "apr": (apr(rate.rate, rate.interval_h), "fraction"),
        "apy": (apy(rate.rate, rate.interval_h), "fraction"),
        "eq_8h": (eq_8h(rate.rate, rate.interval_h), "fraction"),
        "next_in": (next_in, "ms"),
    }
    note = _("per {hours} h").format(hours=f"{rate.interval_h:g}")
    found: dict[str, Reading[float]] = {}
    for name, (value, unit) in values.items():
        if value is None:
            reason = _("next settlement not known") if name == "next_in" else _("beyond all bounds")
            found[name] = Reading.missing(reason, Status.UNDEFINED, **evidence)
        else:
            found[name] = Reading(
                value=value,
                unit=unit,
                note=note if name == "rate" else "",
                **evidence,  # type: ignore[arg-type]
            )
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Leg:
    """One side of a spread. `taker`: fee as a fraction."""

    venue: str
    rate: float
    interval_h: float
    taker: float = 0.0

    @property
    def apr(self) -> float:
        """Per year."""
        return apr(self.rate, self.interval_h)


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """Long the lower APR, short the higher. Rates are set anew each interval: none of this is locked in."""

    long: str
    short: str
    apr: float  # difference of both, not negative
    fees: float  # round trip on both legs, fraction of the notional
    breakeven_h: float | None  # None where there is nothing to earn
    net: float  # in the currency of the notional, over the holding time
    capital: float
    net_apr: float  # on the capital


def spread(a: Leg, b: Leg, *, notional: float, leverage: float, hours: float) -> Spread:
    """What a two-venue funding spread would bring, at today's rates and after fees."""
    low, high = sorted((a, b), key=lambda leg: leg.apr)
    gain = high.apr - low.apr
    if gain <= 1e-12 * max(1.0, abs(high.apr)):
        gain = 0.0
    fees = 2 * (a.taker + b.taker)
    net = notional * (gain * hours / YEAR_H - fees)
    capital = 2 * notional / leverage
    return Spread(
        long=low.venue, short=high.venue, apr=gain, fees=fees,
        breakeven_h=fees * YEAR_H / gain if gain > 0 else None,
        net=net, capital=capital, net_apr=net / capital * YEAR_H / hours,
    )  # fmt: skip


def mean_apr(rates: Sequence[FundingRate], weights: Sequence[float]) -> float | None:
    """APR over venues weighted by their open interest; None without any weight."""
    total = math.fsum(weights)
    if total <= 0:
        return None
    pairs = zip(rates, weights, strict=True)
    return math.fsum(apr(rate.rate, rate.interval_h) * weight for rate, weight in pairs) / total
