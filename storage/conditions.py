"""A condition as JSON text with tags, and back again without a difference."""

import dataclasses
from typing import Any

import msgspec

from alerts.types import AllOf, AnyOf, Condition, Cross, Event, For, Not, Rise, State, Then
from storage.errors import StorageError
from storage.finite import finite

TAGS: dict[str, type[Condition]] = {
    "cross": Cross,
    "state": State,
    "rise": Rise,
    "event": Event,
    "all": AllOf,
    "any": AnyOf,
    "not": Not,
    "for": For,
    "then": Then,
}
NAMES = {kind: tag for tag, kind in TAGS.items()}
MOST = 64  # nested parts: more is no rule but an attack
LEAVES: dict[str, msgspec.json.Decoder[Condition]] = {
    tag: msgspec.json.Decoder(TAGS[tag]) for tag in ("cross", "state", "rise", "event")
}  # the way of nearly all: three times as fast as taking a tree apart


def dump_condition(condition: Condition) -> str:
    """`{"is": "cross", ...}`; parts of a composite are such objects themselves."""
    return msgspec.json.encode(_tagged(condition)).decode()


def load_condition(text: str) -> Condition:
    """The condition that was dumped; StorageError where the text is none."""
    leaf = LEAVES.get(text[7:].partition('"')[0]) if text.startswith('{"is":"') else None
    try:
        return leaf.decode(text) if leaf else _untagged(msgspec.json.decode(text), MOST)
    except (
        msgspec.MsgspecError,
        KeyError,
        TypeError,
        AttributeError,
        ValueError,
        RecursionError,
    ) as error:
        raise StorageError("A stored condition cannot be read") from error


def _tagged(condition: Condition) -> dict[str, Any]:
    found: dict[str, Any] = {"is": NAMES[type(condition)]}
    for field in dataclasses.fields(condition):
        value = getattr(condition, field.name)
        if isinstance(value, float):
            finite(value, f"The {field.name} of a condition")
        if field.name in ("first", "second", "part"):
            value = _tagged(value)
        elif field.name == "parts":
            value = [_tagged(part) for part in value]
        found[field.name] = value
    return found


def _untagged(fields: dict[str, Any], depth: int) -> Condition:
    if depth <= 0:
        raise ValueError("too many parts within parts")
    kind = TAGS[fields.pop("is")]
    if kind in (AllOf, AnyOf):
        return kind(parts=tuple(_untagged(part, depth - 1) for part in fields["parts"]))
    whole = {
        name: _untagged(fields.pop(name), depth - 1)
        for name in ("first", "second", "part")
        if name in fields
    }
    if whole:
        return kind(**whole, **fields)  # type: ignore[arg-type]
    return msgspec.convert(fields, kind)
