"""A venue of ours that answers from memory, and ccxt's client for the same venue, both over the same payloads."""

import time
from collections.abc import Mapping
from typing import Any

import ccxt.async_support

from benchmarks import payloads
from exchanges.binance import Binance
from exchanges.breaker import Breaker
from exchanges.payloads.binance import ExchangeInfo, parse_symbol
from exchanges.wire import Unparsed, decode
from market.clock import FixedClock, WallClock
from market.types import Instrument


class Canned:
    """What a venue asks, answered as `exchanges.client` would: the text, decoded as the shape asked for."""

    def __init__(self, answers: Mapping[str, str]) -> None:
        self.answers = dict(answers)
        self.breaker = Breaker(WallClock(time.time))

    async def ask(self, method: str, params: object, shape: Any, **_more: object) -> Any:
        """The decoded answer of `method`."""
        return decode(Unparsed(self.answers[method], {}), shape)

    async def close(self) -> None:
        """Nothing is open."""


def instruments(text: str) -> list[Instrument]:
    """The instruments of an exchangeInfo of perps."""
    info = decode(Unparsed(text, {}), ExchangeInfo)
    return [found for each in info.symbols if (found := parse_symbol(each, perp=True))]


def ours(answers: Mapping[str, str], text: str) -> Binance:
    """Our Binance over these answers and this exchangeInfo."""
    clock = FixedClock(int(time.time() * 1000))
    venue = Binance(Canned(answers), clock, clock)  # type: ignore[arg-type]
    venue.use(instruments(text))
    return venue


def theirs() -> Any:
    """ccxt's binanceusdm with the same markets loaded."""
    client = ccxt.async_support.binanceusdm()
    client.set_markets(client.parse_markets(payloads.symbols()))
    return client
