"""Numbers with units as they are typed, to exact levels of a figure and back.

Everything goes through `Decimal`, so that 0.03% is the float 0.0003 and prints as 0.03% again.
"""

import re
from dataclasses import dataclass
from decimal import Decimal

from alerts.figures import Unit
from alerts.language.errors import quoted, refuse
from market.language import _
from market.words import LARGEST

_SCALES = {
    "": 0, "k": 3, "m": 6, "mm": 6, "mn": 6, "mio": 6, "mil": 6, "b": 9, "bn": 9, "t": 12,
    "thousand": 3, "grand": 3, "million": 6, "millions": 6, "billion": 9, "trillion": 12,
}  # fmt: skip
_UNITS = {
    "%": "%", "percent": "%", "pct": "%", "$": "$", "usd": "$", "usdt": "$", "usdc": "$",
    "dollar": "$", "dollars": "$", "bucks": "$", "x": "x", "times": "x", "bp": "bp", "bps": "bp",
    "sigma": "sigma", "sigmas": "sigma", "\u03c3": "sigma", "sd": "sigma", "coins": "coins", "coin": "coins",
}  # fmt: skip
_SCALE = "|".join(sorted((each for each in _SCALES if each), key=len, reverse=True))
_UNIT = "|".join(sorted((re.escape(each) for each in _UNITS), key=len, reverse=True))
_NUMBER = re.compile(
    r"(?P<sign>[+-]?)(?P<money>\$?)(?P<sign2>[+-]?)(?P<digits>\d{1,3}(?:,\d{3})+|\d{1,3}(?:_\d{3})+|\d{1,15}|(?=\.\d))"
    rf"(?P<point>\.\d{{1,40}})?(?P<scale>{_SCALE}|)(?P<unit>{_UNIT}|)"
)
WORDS = frozenset({*_SCALES, *_UNITS} - {""})  # what may follow a number as a word of its own


@dataclass(frozen=True, slots=True, kw_only=True)
class Amount:
    """A number as typed. `unit`: "", "%", "$", "x", "bp", "sigma" or "coins"; `sign` where one was written."""

    value: Decimal
    unit: str = ""
    sign: str = ""
    text: str = ""


def amount(word: str) -> Amount | None:
    """The number a word is, or None."""
    match = _NUMBER.fullmatch(word)
    if match is None or (match["sign"] and match["sign2"]):
        return None
    unit = _UNITS[match["unit"]] if match["unit"] else ""
    if match["money"] and unit not in ("", "$"):
        return None
    digits = match["digits"].replace(",", "").replace("_", "") or "0"
    value = Decimal(digits + (match["point"] or "")).scaleb(_SCALES[match["scale"]])
    if value > LARGEST:
        raise refuse(_("“{text}” is too large.").format(text=quoted(word)))
    sign = match["sign"] or match["sign2"]
    unit = "$" if match["money"] else unit
    return Amount(value=-value if sign == "-" else value, unit=unit, sign=sign, text=word)


def percent(value: Decimal) -> float:
    """The fraction of so many percent."""
    return float(value.scaleb(-2))


def plain_text(value: float) -> str:
    """A float in digits that are read back as the same one: no exponent, nothing lost."""
    return _digits(Decimal(repr(value)))


def percent_text(value: float) -> str:
    """A fraction in percent, exactly."""
    return f"{_digits(Decimal(repr(value)).scaleb(2))}%"


def level_text(unit: Unit, value: float) -> str:
    """A level of a figure of this unit as it is typed."""
    if unit in (Unit.FRACTION, Unit.RATE, Unit.RATIO):
        return percent_text(value)
    if unit is Unit.MONEY:
        return f"{'-' * (value < 0)}${plain_text(abs(value))}"
    return f"{plain_text(value)} coins" if unit is Unit.AMOUNT else plain_text(value)


def _digits(number: Decimal) -> str:
    text = format(number, "f")
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text in ("-0", "") else text
