"""Numbers to text: prices, money, percent, ages, tables, evidence.

Commands, alerts and charts write figures through here. A figure that is not known is written as
`n/a (reason)`, never as 0. What a user types is read by `market/words.py`.
"""

import math
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, TypeVar

from market.language import _
from market.types import DAY, EXCHANGE_NAMES, HOUR, MINUTE, Kind, Reading, Status
from market.words import number as number  # noqa: PLC0414 - figures both ways from one name
from market.words import timeframe as timeframe  # noqa: PLC0414
from market.words import typed as typed  # noqa: PLC0414
from market.words import window as window  # noqa: PLC0414

T = TypeVar("T")

COLUMNS = 32  # a preformatted line on a phone
NOT_KNOWN = "n/a"
SEPARATOR = " · "

_UNITS = ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "k"))
_KINDS = (Kind.OBSERVED, Kind.ESTIMATED, Kind.APPROX)  # the later, the weaker


def decimals_of(step: float) -> int:
    """Decimals of a price or amount step: 0.1 has 1, 0.0025 has 4, 10 has 0."""
    if not (math.isfinite(step) and step > 0):
        return 0
    exponent = Decimal(f"{step:.9g}").normalize().as_tuple().exponent
    return max(0, -int(exponent))


def price(value: float, step: float = 0.0) -> str:
    """A price with the decimals of its tick, else six significant digits; never rounded to 0."""
    if not math.isfinite(value):
        return NOT_KNOWN
    if math.isfinite(step) and step > 0:
        text = f"{value:,.{decimals_of(step)}f}"
        if value == 0 or _shows_something(text):
            return text
    return significant(value, 6)


def significant(value: float, digits: int = 4) -> str:
    """This many significant digits, no exponent, whole digits kept: 94,312.5 and 0.00001234."""
    if not math.isfinite(value):
        return NOT_KNOWN
    if value == 0:
        return "0"
    places = digits - 1 - math.floor(math.log10(abs(value)))
    text = f"{value:,.{max(0, min(places, 30))}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def compact(value: float, *, signed: bool = False) -> str:
    """1.24B, 768.5M, 12.3k, 94.1: two decimals below 10, one above."""
    if not math.isfinite(value):
        return NOT_KNOWN
    return _sign(value, signed) + _compact(abs(value))


def money(value: float, *, signed: bool = False, currency: str = "$") -> str:
    """$768.5M, -$48.2M, $0.0042, +$3.1M with `signed`; other currencies stand behind: 12.3 BTC."""
    if not math.isfinite(value):
        return NOT_KNOWN
    if currency not in ("$", "USD", "USDT", "USDC"):
        return f"{compact(value, signed=signed)} {currency}"
    size = abs(value)
    text = f"{size:.2f}" if 0.01 <= size < 999.995 else _compact(size)
    return f"{_sign(value, signed)}${text}"


def amount(value: float, unit: str = "", *, signed: bool = False) -> str:
    """An amount of coins: 7,281 BTC, 12.35 BTC, 0.0042 BTC; from ten million on compact."""
    if not math.isfinite(value):
        return NOT_KNOWN
    size = abs(value)
    text = f"{size:,.0f}" if size >= 999.95 else significant(size, 4)
    if size >= 1e7 or 0 < size < 1e-9:
        text = _compact(size)
    return f"{_sign(value, signed)}{text} {unit}".rstrip()


def amount_and_value(coins: float, unit: str, value: float | None, *, signed: bool = False) -> str:
    """7,281 BTC ($768.5M); the amount alone where the value is not known."""
    text = amount(coins, unit, signed=signed)
    return text if value is None else f"{text} ({money(value, signed=signed)})"


def percent(
    value: float, decimals: int | None = None, *, signed: bool = True, tight: bool = False
) -> str:
    """A fraction as percent: +1.84 %, +12.3 %, +340 %. `tight` (in tables) leaves out the space."""
    points = value * 100
    if not math.isfinite(points):
        return NOT_KNOWN
    size = abs(points)
    places = _percent_decimals(size) if decimals is None else decimals
    text = f"{size:,.{places}f}" if size < 1e9 else _compact(size)
    sign = _sign(points, signed) if _shows_something(text) else ""
    return f"{sign}{text}{'' if tight else ' '}%"


def rate_apr(rate: float, interval_h: float) -> str:
    """What a funding rate is per its interval and per year: +0.0100 %/8h (+10.95 % APR)."""
    if not (math.isfinite(rate) and interval_h > 0):
        return NOT_KNOWN
    yearly = rate * 8760 / interval_h
    return _("{rate}/{hours}h ({apr} APR)").format(
        rate=percent(rate, 4),
        hours=f"{interval_h:g}",
        apr=percent(yearly, 2 if abs(yearly) < 1 else 0),
    )


def age(ms: int) -> str:
    """How old something is: 0.6 s, 3 s, 2 m, 1 h 10 m, 2 d 3 h; 0 s for what is yet to come."""
    if 0 < ms < 1000:
        return f"{max(1, ms // 100) / 10:g} s"
    if ms < MINUTE:
        return f"{max(0, ms) // 1000} s"
    if ms < HOUR:
        return f"{ms // MINUTE} m"
    return duration(ms // MINUTE * MINUTE) if ms < DAY else duration(ms // HOUR * HOUR)


def duration(ms: int) -> str:
    """A length of time with nothing left out: 15 m, 4 h, 1 h 30 m, 7 d, 1 m 5 s."""
    parts = []
    left = max(0, ms) // 1000
    for size, name in ((86_400, "d"), (3600, "h"), (60, "m"), (1, "s")):
        count, left = divmod(left, size)
        if count:
            parts.append(f"{count} {name}")
    return " ".join(parts) or "0 s"


def utc(ts: int, now: int | None = None, *, seconds: bool = False) -> str:
    """14:02 UTC on the day of `now`, 10-11 14:02 UTC in its year, else 2025-10-11 14:02 UTC."""
    moment = datetime.fromtimestamp(ts / 1000, UTC)
    clock = moment.strftime("%H:%M:%S" if seconds else "%H:%M")
    today = datetime.fromtimestamp(now / 1000, UTC) if now is not None else None
    if today is not None and today.date() == moment.date():
        return f"{clock} UTC"
    day = moment.strftime(
        "%m-%d" if today is not None and today.year == moment.year else "%Y-%m-%d"
    )
    return f"{day} {clock} UTC"


def shown(reading: Reading[T], write: Callable[[T], str], *, short: bool = False) -> str:
    """The figure through `write`, or `n/a (reason)`; `short` (in tables) drops the reason."""
    if reading.value is None:
        return NOT_KNOWN if short or not reading.reason else f"{NOT_KNOWN} ({reading.reason})"
    text = write(reading.value)
    if reading.status is Status.FLAT and not short:
        return _("{figure} (market did not move)").format(figure=text)
    return text


def evidence(readings: Iterable[Reading[Any]], now: int, *extra: str) -> str:
    """Where figures come from: `4 venues · 2 s · observed`; the oldest age, the weakest kind."""
    every = list(readings)
    known = [each for each in every if each.known]
    named = dict.fromkeys(name for each in known for name in each.venues)
    parts = [venues(tuple(named))] if named else []
    absent = [
        n for n in dict.fromkeys(name for each in every for name in each.venues) if n not in named
    ]
    if absent:
        parts.append(_("no {venues}").format(venues=venues(tuple(absent))))
    parts += [each for each in extra if each]
    ages = [now - each.as_of for each in known if each.as_of is not None]
    if ages:
        parts.append(age(max(ages)))
    parts += dict.fromkeys(each.note for each in known if each.note)
    parts.append(
        _(max((each.kind for each in known), key=_KINDS.index).value) if known else _("no data")
    )
    return SEPARATOR.join(parts)


def venues(names: Sequence[str]) -> str:
    """Binance+Bybit+OKX, or `4 venues` where the names would fill the line."""
    if len(names) > 3:
        return _("{n} venues").format(n=len(names))
    return "+".join(EXCHANGE_NAMES.get(name, name) for name in names)


def table(rows: Sequence[Sequence[str]], align: str = "", columns: int = COLUMNS) -> list[str]:
    """Lines of at most `columns` columns. `align` has one of `l` `r` per cell, by default `lrrr`.

    A row that is too wide loses space, then the ends of its left-aligned texts, then stands on
    several lines: digits are never cut off.
    """
    if not rows:
        return []
    count = max(len(row) for row in rows)
    cells = [[*map(_one_line, row), *[""] * (count - len(row))] for row in rows]
    sides = (align or "l").ljust(count, "r")
    for gap in (2, 1):
        widths = [max(columns_of(row[i]) for row in cells) for i in range(count)]
        if _fits(widths, gap, columns) or (gap == 1 and _shrink(widths, sides, columns)):
            return [_line(row, widths, sides, gap) for row in cells]
    return [line for row in cells for cell in row if cell for line in _wrapped(cell, columns)]


def columns_of(text: str) -> int:
    """Columns a text takes in a fixed-width font: wide letters take two, combining marks none."""
    return sum(_columns(letter) for letter in text)


def clipped(text: str, columns: int) -> str:
    """`text` cut to `columns` columns."""
    used = 0
    for i, letter in enumerate(text):
        used += _columns(letter)
        if used > columns:
            return text[:i]
    return text


def _columns(letter: str) -> int:
    if unicodedata.combining(letter) or unicodedata.category(letter) in ("Cf", "Cc", "Me", "Mn"):
        return 0
    return 2 if unicodedata.east_asian_width(letter) in "WF" else 1


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _fits(widths: Sequence[int], gap: int, columns: int) -> bool:
    return sum(widths) + gap * (len(widths) - 1) <= columns


def _shrink(widths: list[int], sides: str, columns: int) -> bool:
    """Narrow left-aligned columns, the widest first, none below five; False where it won't do."""
    excess = sum(widths) + len(widths) - 1 - columns
    left = [i for i, side in zip(range(len(widths)), sides, strict=False) if side == "l"]
    while excess > 0:
        widest = max(left, key=lambda i: widths[i], default=None)
        if widest is None or widths[widest] <= 5:
            return False
        widths[widest] -= 1
        excess -= 1
    return True


def _line(row: Sequence[str], widths: Sequence[int], sides: str, gap: int) -> str:
    texts = []
    for cell, width, side in zip(row, widths, sides, strict=False):
        text = clipped(cell, width)
        fill = " " * (width - columns_of(text))
        texts.append(text + fill if side == "l" else fill + text)
    return (" " * gap).join(texts).rstrip()


def _wrapped(text: str, columns: int) -> list[str]:
    lines = []
    while text:
        head = clipped(text, columns) or text[0]
        lines.append(head)
        text = text[len(head) :]
    return lines


def _percent_decimals(points: float) -> int:
    """Two below 10, one below 100, none above; by what will be shown: 9.999 becomes 10.0."""
    if round(points, 2) < 10:
        return 2
    return 1 if round(points, 1) < 100 else 0


def _compact(size: float) -> str:
    if size >= 1e16 or 0 < size < 1e-9:
        return f"{size:.2e}"
    for unit, name in _UNITS:
        if size >= unit * 0.99995:  # 999.96k reads 1.00M
            scaled = size / unit
            return f"{scaled:,.2f}{name}" if round(scaled, 2) < 10 else f"{scaled:,.1f}{name}"
    if size >= 9.995 or size == 0:
        return f"{size:.1f}" if size else "0"
    return f"{size:.2f}" if size >= 1 else significant(size, 2)


def _shows_something(text: str) -> bool:
    return any(digit in text for digit in "123456789")


def _sign(value: float, signed: bool) -> str:
    if value < 0:
        return "-"
    return "+" if signed and value > 0 else ""


def gaps(spans: Iterable[tuple[int, int]], now: int) -> str:
    """`no gaps`, or the first blind interval and how many there are."""
    found = list(spans)
    if not found:
        return _("no gaps")
    start, end = found[0]
    more = _(" and {n} more").format(n=len(found) - 1) if len(found) > 1 else ""
    return _("blind {start} to {end}{more}").format(
        start=utc(start, now), end=utc(end, now), more=more
    )
