"""Text with entities to HTML that is safe to insert: b i u s code pre a blockquote tg-spoiler time, nothing else."""

import html
from datetime import UTC, datetime
from urllib.parse import urlsplit

from bot.playground.entities import Entity, ordered, piece, units

_PLAIN = {
    "bold": "b", "italic": "i", "underline": "u", "strikethrough": "s", "spoiler": "tg-spoiler",
    "code": "code", "blockquote": "blockquote",
}  # fmt: skip
_SAFE = frozenset({"http", "https", "tg"})


def render_html(text: str, entities: list[Entity]) -> str:
    """HTML; crossing entities are closed and reopened, line breaks stay `\\n`."""
    marks = [(e, tag) for e in ordered(entities) if (tag := _tag(text, e))]
    places = {e["offset"] for e, _ in marks} | {e["offset"] + e["length"] for e, _ in marks}
    out: list[str] = []
    stack: list[tuple[Entity, tuple[str, str]]] = []
    at = 0
    for char in text:
        if at in places:
            stack = _turn(out, stack, marks, at)
        out.append(html.escape(char))
        at += units(char)
    _turn(out, stack, [], at)
    return "".join(out)


def _turn(
    out: list[str],
    stack: list[tuple[Entity, tuple[str, str]]],
    marks: list[tuple[Entity, tuple[str, str]]],
    at: int,
) -> list[tuple[Entity, tuple[str, str]]]:
    """Close what ends at `at`, reopen what was closed only to get there, open what begins."""
    ends = [i for i, (e, _) in enumerate(stack) if e["offset"] + e["length"] <= at]
    keep = stack[: ends[0]] if ends else stack
    reopened = [mark for mark in stack[len(keep) :] if mark[0]["offset"] + mark[0]["length"] > at]
    out.extend(f"</{tag}>" for _, (tag, _attributes) in reversed(stack[len(keep) :]))
    opened = reopened + [
        mark for mark in marks if mark[0]["offset"] == at and mark[0]["length"] > 0
    ]
    out.extend(f"<{tag}{attributes}>" for _, (tag, attributes) in opened)
    return keep + opened


def _tag(text: str, entity: Entity) -> tuple[str, str] | None:
    """Tag and attributes; None where the page shows plain text."""
    kind = entity["type"]
    if kind in _PLAIN:
        return _PLAIN[kind], ""
    if kind == "expandable_blockquote":
        return "blockquote", ' class="expandable"'
    if kind == "pre":
        language = html.escape(entity.get("language", ""))
        return "pre", f' data-language="{language}"' if language else ""
    if kind == "date_time":
        return "time", _moment(entity)
    if kind == "bot_command":
        return "a", f' data-command="{html.escape(piece(text, entity))}"'
    return (
        _anchor(entity.get("url") or piece(text, entity)) if kind in ("url", "text_link") else None
    )


def _anchor(url: str) -> tuple[str, str] | None:
    full = url if "://" in url else f"http://{url}"
    try:
        scheme = urlsplit(full).scheme.lower()
    except ValueError:
        return None
    if scheme not in _SAFE:
        return None
    return "a", f' href="{html.escape(full)}" target="_blank" rel="noopener noreferrer"'


def _moment(entity: Entity) -> str:
    unix, form = int(entity["unix_time"]), html.escape(str(entity.get("date_time_format", "")))
    try:
        iso = datetime.fromtimestamp(unix, UTC).isoformat()
    except (OverflowError, ValueError, OSError):
        iso = ""
    return f' datetime="{iso}" data-unix="{unix}" data-format="{form}"'
