"""What a person types for a figure: 200%, 50k, $2b, 2,000,000, +50000, 15m, 4h.

What cannot be read is a `UserError` of one sentence.
"""

import math
import re
import unicodedata
from dataclasses import dataclass

from market.errors import UserError
from market.language import _
from market.types import DAY, HOUR, MINUTE, TIMEFRAMES

LARGEST = 1e15  # nothing in these markets is larger

_DASHES = dict.fromkeys(map(ord, "‐‑‒–—―−﹘﹣－"), "-")  # noqa: RUF001
_SCALES = {
    "": 1.0, "k": 1e3, "m": 1e6, "mm": 1e6, "mn": 1e6, "mio": 1e6, "b": 1e9, "bn": 1e9, "t": 1e12,
}  # fmt: skip
_NUMBER = re.compile(
    r"(?P<sign>[+-]?)(?P<money>\$?)(?P<sign2>[+-]?)"
    r"(?P<digits>\d{1,3}(?:,\d{3})+|\d{1,3}(?:_\d{3})+|\d+|(?=\.\d))(?P<point>\.\d+)?"
    r"(?P<scale>k|mm|mn|mio|m|bn|b|t|)(?P<unit>%|\$|usdt|usdc|usd|)"
)
_WINDOW = re.compile(r"(?:\d{1,5}(?:d|h|m|s))+")
_WINDOW_PART = re.compile(r"(\d+)(d|h|m|s)")
_WINDOW_UNITS = {"d": DAY, "h": HOUR, "m": MINUTE, "s": 1000}
_WINDOW_WORDS = (
    (r"(?:minutes|minute|mins|min)", "m"), (r"(?:hours|hour|hrs|hr)", "h"), (r"(?:days|day)", "d"),
    (r"(?:weeks|week|w)", "w"), (r"(?:seconds|second|secs|sec)", "s"),
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Typed:
    """A number as typed. `unit` is "", "%" or "$"; `sign` is "+" or "-" where one was written."""

    value: float
    unit: str = ""
    sign: str = ""


def typed(text: str, *, example: str = "", largest: float = LARGEST) -> Typed:
    """Read a number with its unit and sign; `200%` is 200 with the unit %."""
    word = re.sub(r"\s+(?=[%$]|usd)", "", plain(text).lower())
    match = _NUMBER.fullmatch(word)
    if match is None or (match["sign"] and match["sign2"]) or (match["money"] and match["unit"]):
        raise UserError(_not_a_number(text, word), example)
    digits = match["digits"].replace(",", "").replace("_", "")
    value = float(f"{digits or 0}{match['point'] or ''}") * _SCALES[match["scale"]]
    if not math.isfinite(value) or value > largest:
        raise UserError(_("{text} is too large.").format(text=_quoted(text)), example)
    sign = match["sign"] or match["sign2"]
    unit = "%" if match["unit"] == "%" else "$" if match["money"] or match["unit"] else ""
    return Typed(value=-value if sign == "-" else value, unit=unit, sign=sign)


def number(
    text: str,
    *,
    low: float = -LARGEST,
    high: float = LARGEST,
    example: str = "",
    above: float | None = None,
) -> float:
    """The plain value of a typed number (`200%` is 200.0), within [low, high] and above `above`."""
    value = typed(text, example=example, largest=max(LARGEST, high)).value
    if above is not None and value <= above:
        beyond = _("{text} has to be above {low}.").format(text=_quoted(text), low=f"{above:g}")
        raise UserError(beyond, example)
    if not low <= value <= high:
        span = _("{text} is outside {low} to {high}.").format(
            text=_quoted(text), low=f"{low:,g}", high=f"{high:,g}"
        )
        raise UserError(span, example)
    return value


def timeframe(text: str, *, example: str = "") -> str:
    """The canonical candle length of `15m`, `15min`, `60m`, `4H`, `1d`."""
    word = plain(text)
    if re.fullmatch(r"[13]M", word):  # a capital M is a month elsewhere
        raise UserError(_("There are no month candles here; the longest is 1d."), example)
    ms = _length(word.lower())
    for name, length in TIMEFRAMES.items():
        if ms == length:
            return name
    known = ", ".join(TIMEFRAMES)
    unknown = _("{text} is no candle I have: {known}.").format(text=_quoted(text), known=known)
    raise UserError(unknown, example)


def window(text: str, *, low: int = MINUTE, high: int = 30 * DAY, example: str = "") -> int:
    """The ms of `4h`, `90m`, `1h30m`, `7d`, `1w`, within [low, high]."""
    ms = _length(plain(text).lower())
    if ms is None:
        raise UserError(
            _("{text} is no window; say 15m, 4h or 7d.").format(text=_quoted(text)), example
        )
    if not low <= ms <= high:
        raise UserError(
            _("A window of {text} does not work; it goes from {low} to {high}.").format(
                text=_quoted(text), low=_length_name(low), high=_length_name(high)
            ),
            example,
        )
    return ms


def plain(text: str) -> str:
    """Ordinary dashes, digits and letters; superscripts and fractions stay, so they are refused."""
    if len(text) > 64 or any(unicodedata.category(letter) == "No" for letter in text):
        return text[:64]
    folded = unicodedata.normalize("NFKC", text.translate(_DASHES)).translate(_DASHES)
    digits = (str(unicodedata.decimal(c)) if unicodedata.category(c) == "Nd" else c for c in folded)
    return "".join(c for c in digits if unicodedata.category(c) != "Cf").strip()


def _length(word: str) -> int | None:
    text = word.replace(" ", "")
    for long, short in _WINDOW_WORDS:
        text = re.sub(rf"(?<=\d){long}(?=\d|$)", short, text)
    text = re.sub(r"(\d{1,3})w", lambda m: f"{int(m[1]) * 7}d", text)
    if not _WINDOW.fullmatch(text):
        return None
    parts = _WINDOW_PART.findall(text)
    if len({unit for _count, unit in parts}) < len(parts):  # 1h1h
        return None
    return sum(int(count) * _WINDOW_UNITS[unit] for count, unit in parts)


def _length_name(ms: int) -> str:
    for unit in ("d", "h", "m"):
        if ms % _WINDOW_UNITS[unit] == 0:
            return f"{ms // _WINDOW_UNITS[unit]}{unit}"
    return f"{ms // 1000}s"


def _not_a_number(text: str, word: str) -> str:
    if re.fullmatch(r"[+-]?\$?\d+,\d{1,2}[a-z%]*", word):
        return _("{text}: write decimals with a point, like 2.5.").format(text=_quoted(text))
    return _("{text} is no number I can read.").format(text=_quoted(text))


def _quoted(text: str) -> str:
    cleaned = "".join(c if c.isprintable() else " " for c in text[:24]).strip()
    return f"“{cleaned}”"
