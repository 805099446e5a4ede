"""Sums in US dollars at the live rate; where no rate is known that is said, not hidden."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from handlers.app import App
from market.language import _

DOLLAR_LIKE = ("USD", "USDT", "USDC")


@dataclass(frozen=True, slots=True, kw_only=True)
class Dollars:
    """Dollars for one unit of each quote currency; what has no rate is not in it."""

    rates: dict[str, float] = field(default_factory=dict)
    note: str = ""

    def of(self, value: float, quote: str) -> float | None:
        """`value` in dollars; None where no market tells the rate."""
        rate = self.rates.get(quote)
        return None if rate is None else value * rate


async def dollars(app: App, quotes: Iterable[str]) -> Dollars:
    """Rates of `quotes`. A stablecoin without a rate counts as a dollar and the note says so; nothing else does."""
    rates: dict[str, float] = {}
    assumed: list[str] = []
    for quote in sorted(set(quotes)):
        reading = await app.market.usd_rate(quote)
        if reading.value is not None:
            rates[quote] = reading.value
        elif quote in DOLLAR_LIKE:
            rates[quote] = 1.0
            assumed.append(quote)
    note = _("{units} counted as USD").format(units="+".join(assumed)) if assumed else ""
    return Dollars(rates=rates, note=note)


def sign_of(quote: str) -> str:
    """What stands before a price in this currency: $ for dollars and their stablecoins, else nothing."""
    return "$" if quote in DOLLAR_LIKE else ""


def priced(text: str, quote: str) -> str:
    """A written price with its currency: $94,312.5, or 0.03291 BTC."""
    return f"${text}" if quote in DOLLAR_LIKE else f"{text} {quote}"
