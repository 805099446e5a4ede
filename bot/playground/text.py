"""The text of a message: parsed, trimmed, measured, with the entities Telegram adds."""

from typing import Any

from bot.playground.entities import Entity, found, units
from bot.playground.errors import bad
from bot.playground.html_parse import parse_html
from bot.playground.state import World

TEXT, CAPTION = 4096, 1024  # code points after parsing
_EXTRAS = ("url", "language", "user", "custom_emoji_id", "unix_time", "date_time_format")


def formatted(
    world: World, text: str, mode: str, entities: list[Any], *, most: int
) -> tuple[str, list[Entity]]:
    """Text and entities as a message shows them."""
    clean = text.replace("\r", "").replace("\0", "")
    if mode.lower() == "html":
        clean, marks = parse_html(clean)
    elif mode:
        raise bad("unsupported parse_mode")
    else:
        marks = [_checked(entity) for entity in entities]
    clean, marks = _trimmed(clean, marks)
    marks = [mark for mark in marks if _resolved(world, mark)]
    if len(clean) > most:
        raise bad("message is too long" if most == TEXT else "message caption is too long")
    return clean, found(clean, marks)


def _checked(entity: Any) -> Entity:
    place = [entity.get("offset"), entity.get("length")] if isinstance(entity, dict) else []
    if not place or not all(isinstance(n, int) and n >= 0 for n in place):
        raise bad("can't parse entities: Can't find field \"offset\"")
    extras = {name: entity[name] for name in _EXTRAS if entity.get(name) is not None}
    return {"type": str(entity.get("type")), "offset": place[0], "length": place[1], **extras}


def _trimmed(text: str, marks: list[Entity]) -> tuple[str, list[Entity]]:
    """Without blanks at both ends; those inside the first entity stay."""
    text = text.rstrip()
    total = units(text)
    lead = len(text) - len(text.lstrip())
    lead = min([lead, *(mark["offset"] for mark in marks)])
    kept: list[Entity] = []
    for mark in marks:
        length = min(mark["length"], total - mark["offset"])
        if length > 0:
            kept.append({**mark, "offset": mark["offset"] - lead, "length": length})
    return text[lead:], kept


def _resolved(world: World, mark: Entity) -> bool:
    """Fill in the person of a mention; False when the bot has never seen them."""
    if mark["type"] != "text_mention":
        return True
    given = mark.get("user")
    user = world.users.get(given["id"] if isinstance(given, dict) else int(given or 0))
    if user is None:
        return False
    mark["user"] = user.json()
    return True
