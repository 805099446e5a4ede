"""What Telegram finds in plain text by itself: commands, mentions, tags and addresses.

Offsets and lengths of entities are in UTF-16 units, lengths of messages in code points.
"""

import re
from collections.abc import Iterable
from typing import Any

Entity = dict[str, Any]
OPAQUE = frozenset({"code", "pre", "text_link", "text_mention", "url", "custom_emoji", "date_time"})
MOST = 100  # entities of one message; the rest is dropped
_ZONES = "com org net io ai app dev info biz me ru de uk fr eu us co xyz ws tv fi live pro trade gg"
_PATTERNS = (
    (
        "url",
        re.compile(
            rf"(?<![\w@./-])(?:(?:https?|ftp)://[^\s<>\"]+"
            rf"|(?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?\.)+(?:{'|'.join(_ZONES.split())})(?![\w-])"
            rf"(?::\d+)?(?:[/?#][^\s<>\"]*)?)",
            re.IGNORECASE,
        ),
    ),
    (
        "bot_command",
        re.compile(
            r"(?<![\w/<>])/[A-Za-z0-9_]{1,64}(?![A-Za-z0-9_])(?:@[A-Za-z0-9_]{3,32})?(?![\w/<>])"
        ),
    ),
    ("mention", re.compile(r"(?<!\w)@[A-Za-z0-9_]{4,32}(?!\w)")),
    ("cashtag", re.compile(r"(?<![$\w])\$(?:1INCH|[A-Z]{1,8})(?![$\w])")),
    ("hashtag", re.compile(r"(?<!\w)#(?=\w*[^\W\d_])\w{1,256}(?![\w#])")),
)


def units(text: str) -> int:
    """Length in UTF-16 units."""
    return len(text) + sum(char > "\uffff" for char in text)


def piece(text: str, entity: Entity) -> str:
    """The part of `text` an entity covers."""
    raw = text.encode("utf-16-le")
    start = 2 * entity["offset"]
    return raw[start : start + 2 * entity["length"]].decode("utf-16-le", "replace")


def found(text: str, known: Iterable[Entity] = ()) -> list[Entity]:
    """`known` entities and those Telegram adds; nothing is looked for inside code, pre and links."""
    entities = list(known)
    taken = [_span(entity) for entity in entities if entity["type"] in OPAQUE]
    for kind, pattern in _PATTERNS:
        for match in pattern.finditer(text):
            body = match[0].rstrip(".,:;!?'\")") if kind == "url" else match[0]
            entity = {"type": kind, "offset": units(text[: match.start()]), "length": units(body)}
            span = _span(entity)
            if any(span[0] < end and start < span[1] for start, end in taken):
                continue
            taken.append(span)
            entities.append(entity)
    return ordered(entities)


def ordered(entities: list[Entity]) -> list[Entity]:
    """By place, the outer before the inner, at most 100."""
    return sorted(entities, key=lambda e: (e["offset"], -e["length"]))[:MOST]


def leading_command(text: str, entities: Iterable[Entity]) -> str | None:
    """The command a text starts with, as marked: `/price`, `/price@tidemark_bot`; None where it starts otherwise."""
    for entity in entities:
        if entity["type"] == "bot_command" and entity["offset"] == 0:
            return piece(text, entity)
    return None


def _span(entity: Entity) -> tuple[int, int]:
    return entity["offset"], entity["offset"] + entity["length"]
