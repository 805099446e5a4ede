"""Lengths of time as people type them, and as they are printed: 15m, 1h30m, 2 hours, an hour."""

import re

from market.types import DAY, HOUR, MINUTE

SECOND = 1000
WEEK = 7 * DAY

_SHORT = {"w": WEEK, "d": DAY, "h": HOUR, "m": MINUTE, "s": SECOND}
_LONG = {
    "sec": SECOND, "secs": SECOND, "second": SECOND, "seconds": SECOND,
    "min": MINUTE, "mins": MINUTE, "minute": MINUTE, "minutes": MINUTE,
    "hr": HOUR, "hrs": HOUR, "hour": HOUR, "hours": HOUR,
    "day": DAY, "days": DAY, "wk": WEEK, "wks": WEEK, "week": WEEK, "weeks": WEEK,
}  # fmt: skip
UNITS = {**_SHORT, **_LONG}
_NAME = "|".join(sorted(UNITS, key=len, reverse=True))
_PART = re.compile(rf"(\d{{1,6}}(?:\.\d{{1,3}})?)-?({_NAME})")
_WHOLE = re.compile(rf"(?:{_PART.pattern})+")
_SPACED = re.compile(rf"(\d{{1,6}}(?:\.\d{{1,3}})?|an?)[ -]?({_NAME})")


def length(word: str) -> int | None:
    """The ms of one word like 15m, 4h, 1h30m or 15min; None where it is none."""
    if not _WHOLE.fullmatch(word):
        return None
    parts = [(float(each[1]), UNITS[each[2]]) for each in _PART.finditer(word)]
    if len({unit for _count, unit in parts}) < len(parts):  # 1h1h
        return None
    return round(sum(count * unit for count, unit in parts))


def spoken_length(text: str) -> int | None:
    """The ms of `2 hours`, `an hour`, `hour`, or of one word."""
    word = " ".join(text.lower().split())
    if word in _LONG:
        return _LONG[word]
    if match := _SPACED.fullmatch(word):
        count = 1.0 if match[1] in ("a", "an") else float(match[1])
        return round(count * UNITS[match[2]])
    return length(word)


def length_text(ms: int) -> str:
    """15m, 1h30m, 2d as it is typed again."""
    parts = []
    for name in ("d", "h", "m"):
        count, ms = divmod(ms, _SHORT[name])
        parts.append(f"{count}{name}" * bool(count))
    parts.append(f"{ms / SECOND:g}s" * bool(ms))
    return "".join(parts) or "0s"
