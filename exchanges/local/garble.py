"""Frames that are broken: cut texts, bytes that mean nothing, and well-formed rows with wrong values.

A row with a wrong value is wrong in its price, amount, side or time, so that nothing can be read from it;
numbers of trades are left alone, because a wrong number would be a trade that never was.
"""

import random
from typing import Any

import msgspec

TEXT, BINARY = 1, 2  # kinds of websocket frames
Frame = tuple[int, bytes]

_PRICES = ("p", "ap", "i", "P", "px", "price", "bkPx", "markPx", "idxPx", "oraclePx", "markPrice", "indexPrice",
           "price_level")  # fmt: skip
_AMOUNTS = ("q", "l", "z", "v", "sz", "size", "oi", "oiCcy", "openInterest", "new_quantity")
_SIDES = ("m", "S", "side")
_TIMES = ("T", "time", "ts")
_LEVELS = ("b", "a", "bids", "asks")
_NUMBERS = ("a", "i", "tradeId", "tid", "trade_id")  # of trades, by venue
_BAD_NUMBERS: tuple[Any, ...] = (
    None, "NaN", "-1", -1, "abc", [], {}, "1e999", "9" * 1000, "Infinity",
)  # fmt: skip
_BAD_SIDES: tuple[Any, ...] = ("Hold", None, 7, "", [])
_BAD_TIMES: tuple[Any, ...] = (None, "never", -5, 10**18, [])


def broken(payload: bytes, rng: random.Random) -> Frame:
    """A frame that is no message: cut, binary, or a text that is not JSON of this venue."""
    kind = rng.randrange(6)
    if kind <= 1:
        return TEXT, payload[: rng.randrange(1, max(len(payload), 2))].decode(
            errors="ignore"
        ).encode()
    if kind == 2:
        return BINARY, rng.randbytes(rng.randrange(1, 200))
    texts = (b"", b"null", b"[1,2,3]", b"<html>502 Bad Gateway</html>", b"[" * 5000, b'{"data":{}}')
    return TEXT, texts[rng.randrange(len(texts))]


def wrong_types(payload: bytes, rng: random.Random) -> bytes | None:
    """The message with wrong values in all its rows; None where it has no rows."""
    try:
        message = msgspec.json.decode(payload)
    except msgspec.DecodeError:
        return None
    rows = [row for row in _dicts(message) if _spoil(row, rng)]
    return msgspec.json.encode(message) if rows else None


def numbers(payload: bytes) -> list[str]:
    """The numbers of the trades in a frame of trades."""
    try:
        message = msgspec.json.decode(payload)
    except msgspec.DecodeError:
        return []
    found: list[str] = []
    for row in _dicts(message):
        if any(side in row for side in _SIDES):
            found += [str(row[name]) for name in _NUMBERS if name in row][:1]
    return found


def _dicts(value: Any) -> list[dict[str, Any]]:
    """Every object in a message."""
    if isinstance(value, dict):
        return [value, *(each for inner in value.values() for each in _dicts(inner))]
    if isinstance(value, list):
        return [each for inner in value for each in _dicts(inner)]
    return []


def _spoil(row: dict[str, Any], rng: random.Random) -> bool:
    """Put something wrong into a row; False where it holds nothing of a market."""
    levels = [name for name in _LEVELS if isinstance(row.get(name), list) and row[name]]
    if levels and isinstance(row[levels[0]][0], list):
        level = rng.choice(row[rng.choice(levels)])
        level[rng.randrange(2)] = rng.choice(_BAD_NUMBERS)
        return True
    groups: list[tuple[list[str], tuple[Any, ...]]] = []
    for names, bad in (
        (_PRICES, _BAD_NUMBERS), (_AMOUNTS, _BAD_NUMBERS), (_SIDES, _BAD_SIDES), (_TIMES, _BAD_TIMES),
    ):  # fmt: skip
        here = [name for name in names if _plain(row.get(name)) and name in row]
        if here:
            groups.append((here, bad))
    if not any(here[0] in _PRICES + _AMOUNTS for here, _ in groups):
        return False
    here, bad = rng.choice(groups)
    wrong = rng.choice(bad)
    for name in here:
        row[name] = wrong
    return True


def _plain(value: Any) -> bool:
    return isinstance(value, str | int | float | bool)
