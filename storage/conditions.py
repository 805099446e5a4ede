"""A condition as JSON text with a tag, and back again without a difference."""

from typing import Any

import msgspec

from alerts.types import Condition, Cross, Rise, State
from storage.errors import StorageError
from storage.finite import finite

TAGS: dict[str, type[Cross] | type[State] | type[Rise]] = {
    "cross": Cross,
    "state": State,
    "rise": Rise,
}


def dump_condition(condition: Condition) -> str:
    """`{"is": "cross", ...}`."""
    tag = next(name for name, kind in TAGS.items() if type(condition) is kind)
    fields: dict[str, Any] = msgspec.to_builtins(condition)
    for name, value in fields.items():
        if isinstance(value, float):
            finite(value, f"The {name} of a condition")
    return msgspec.json.encode({"is": tag, **fields}).decode()


def load_condition(text: str) -> Condition:
    """The condition that was dumped; StorageError where the text is none."""
    try:
        fields: dict[str, Any] = msgspec.json.decode(text)
        return msgspec.convert(fields, TAGS[fields.pop("is")])
    except (msgspec.MsgspecError, KeyError, TypeError, AttributeError) as error:
        raise StorageError("A stored condition cannot be read") from error
