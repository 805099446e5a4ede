"""Reading what a venue sent: typed decoding, numbers that may be empty, and the step from its units to coins."""

import math
from functools import lru_cache
from typing import Any, TypeVar

import msgspec

from market.types import Instrument

T = TypeVar("T")
Number = str | float | int | None  # as venues write numbers: "0.1", 0.1, "" and null


class Unparsed(dict[str, Any]):
    """A large answer, kept as text until its typed decoding; for ccxt's checks it looks like an empty success."""

    def __init__(self, text: str, success: dict[str, Any]) -> None:
        super().__init__(success)
        self.text = text


def decode(answer: Any, shape: Any) -> Any:
    """The answer as `shape`, numbers in strings accepted; raises `msgspec.MsgspecError` where it does not fit."""
    if isinstance(answer, Unparsed):
        return _decoder(shape).decode(answer.text)
    return msgspec.convert(answer, type=shape, strict=False)


@lru_cache(maxsize=128)
def _decoder(shape: Any) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(shape, strict=False)


def number(value: Number) -> float | None:
    """A finite number, or None where the venue left it empty or wrote something else."""
    if value is None or value == "":
        return None
    try:
        found = float(value)
    except ValueError:
        return None
    return found if math.isfinite(found) else None


def positive(value: Number) -> float | None:
    """A number above zero: prices, where venues write 0 for "none yet"."""
    found = number(value)
    return found if found is not None and found > 0 else None


def change(last: float, before: Number) -> float | None:
    """The change from `before` to `last` as a fraction."""
    start = positive(before)
    return None if start is None else last / start - 1


def per_coin(instrument: Instrument, price: Number) -> float | None:
    """A venue's price as the price of one coin; None for empty and zero."""
    found = positive(price)
    return None if found is None else coin_price(instrument, found)


def coin_price(instrument: Instrument, price: float) -> float:
    """A venue's price as the price of one coin, without the noise of the division."""
    if instrument.multiplier == 1.0:
        return price
    return float(f"{price / instrument.multiplier:.14g}")


def step_of(value: Number, multiplier: float) -> float:
    """A price or amount step times `multiplier`, without the noise of the product; 0 is unknown."""
    return float(f"{(number(value) or 0.0) * multiplier:.12g}")


def coins(instrument: Instrument, amount: Number) -> float | None:
    """An amount in the venue's contracts as coins."""
    found = number(amount)
    return None if found is None else found * instrument.contract_size
