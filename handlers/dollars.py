"""Sums over USDT, USDC and USD at the live rate; where no rate is known that is said, not hidden."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from handlers.app import App
from market.language import _

DOLLAR_LIKE = ("USD", "USDT", "USDC")


@dataclass(frozen=True, slots=True, kw_only=True)
class Dollars:
    """Rates of quote currencies in US dollars. A sum in one currency is left in that currency."""

    rates: dict[str, float] = field(default_factory=dict)
    note: str = ""

    def of(self, value: float, quote: str) -> float:
        """`value` in dollars."""
        return value * self.rates.get(quote, 1.0)


async def dollars(app: App, quotes: Iterable[str]) -> Dollars:
    """Rates for a sum over `quotes`. One currency alone needs none: the sum is of that currency."""
    wanted = sorted(set(quotes))
    if len(wanted) < 2:
        unit = wanted[0] if wanted else "USD"
        return Dollars(note="" if unit == "USD" else _("in {unit}").format(unit=unit))
    rates: dict[str, float] = {}
    unknown: list[str] = []
    for quote in wanted:
        reading = await app.market.usd_rate(quote)
        if reading.value is not None:
            rates[quote] = reading.value
        else:
            unknown.append(quote)
    note = _("{units} counted as USD").format(units="+".join(unknown)) if unknown else ""
    return Dollars(rates=rates, note=note)
