"""What one unit of a quote currency is worth in US dollars, from the venues' own prices."""

from typing import Protocol

from market.errors import SourceError
from market.symbols import Directory
from market.types import Instrument, Reading, Ticker

PREFERRED = ("coinbase", "binance", "bybit", "okx", "hyperliquid")


class Prices(Protocol):
    """What is needed of the market."""

    @property
    def directory(self) -> Directory: ...

    async def ticker(self, instrument: Instrument) -> Ticker: ...


class UsdRates:
    """Rates by the shortest way: QUOTE/USD, else QUOTE/USDT or USDC times that one's own rate."""

    def __init__(self, prices: Prices) -> None:
        self._prices = prices

    async def rate(self, quote: str) -> Reading[float]:
        """Dollars for one unit; unknown where no market leads there."""
        if quote == "USD":
            return Reading(value=1.0, unit="USD", note="by definition")
        direct = await self._last(quote, "USD")
        if direct is not None:
            return _reading([direct])
        for bridge in ("USDT", "USDC"):
            if bridge == quote:
                continue
            first, second = await self._last(quote, bridge), await self._last(bridge, "USD")
            if first is not None and second is not None:
                return _reading([first, second])
        if quote == "USDC" and (inverse := await self._last("USDT", "USDC")) is not None:
            dollars = await self._last("USDT", "USD")
            if dollars is not None:
                return _reading([dollars], divide=inverse)
        return Reading.missing(f"no market gives {quote} in USD")

    async def _last(self, base: str, quote: str) -> Ticker | None:
        """The price of a spot pair on the first venue that has it and answers."""
        found = {each.exchange: each for each in self._pairs(base, quote)}
        for exchange in PREFERRED:
            if exchange in found:
                try:
                    return await self._prices.ticker(found[exchange])
                except SourceError:
                    continue  # the next venue is asked; if none answers the rate is missing
        return None

    def _pairs(self, base: str, quote: str) -> list[Instrument]:
        listed = self._prices.directory.listed(base)
        return [each for each in listed if not each.perp and each.quote == quote]


def _reading(steps: list[Ticker], divide: Ticker | None = None) -> Reading[float]:
    value = 1.0
    for step in steps:
        value *= step.last
    every = [*steps, *([divide] if divide else [])]
    if divide is not None:
        value /= divide.last
    return Reading(
        value=value,
        unit="USD",
        as_of=min(each.ts for each in every),
        n=len(every),
        venues=tuple(dict.fromkeys(each.instrument.exchange for each in every)),
        note=" × ".join(each.instrument.symbol for each in every),  # noqa: RUF001
    )
