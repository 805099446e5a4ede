"""Numbers as a venue writes them: its own units, decimal text, never an exponent."""

import math
from decimal import Decimal
from functools import lru_cache

from market.types import Instrument

Level = tuple[str, str]  # (price, amount)


class Native:
    """One instrument in its venue's units: prices of the venue's base name, amounts in contracts."""

    def __init__(self, instrument: Instrument) -> None:
        self.instrument = instrument
        self.tick = plain(instrument.price_step * instrument.multiplier or None)
        self.lot = plain(instrument.amount_step / instrument.contract_size or None)
        self.price_decimals = _decimals(self.tick)
        self.amount_decimals = _decimals(self.lot)

    def price(self, per_coin: float | None) -> str:
        """A price of one coin as the venue quotes it; "" for None."""
        if per_coin is None:
            return ""
        return _on_grid(per_coin * self.instrument.multiplier, self.price_decimals)

    def amount(self, coins: float | None) -> str:
        """Coins as the venue counts them; "" for None."""
        if coins is None:
            return ""
        return _on_grid(coins / self.instrument.contract_size, self.amount_decimals)

    def levels(self, side: tuple[tuple[float, float], ...]) -> list[Level]:
        """One side of a book."""
        return [(self.price(price), self.amount(amount)) for price, amount in side]


@lru_cache(maxsize=4096)
def native(instrument: Instrument) -> Native:
    """The units of an instrument."""
    return Native(instrument)


def plain(value: float | None) -> str:
    """A number without an exponent and without the noise of floats; "" where there is none."""
    if value is None or not math.isfinite(value):
        return ""
    return f"{Decimal(f'{value:.14g}'):f}"


@lru_cache(maxsize=65536)  # trades repeat prices and amounts
def _on_grid(value: float, decimals: int) -> str:
    """With the instrument's decimals, unless that would change the number."""
    text = f"{value:.{decimals}f}"
    return text if math.isclose(float(text), value, rel_tol=1e-9) else plain(value)


def _decimals(step: str) -> int:
    """Decimals of a step: 2 for "0.01", 0 for "100" and for none."""
    return len(step.partition(".")[2])
