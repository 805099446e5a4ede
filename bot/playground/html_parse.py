"""Telegram's HTML: text with tags to text with entities, as strict as the server is.

Unknown tags, tags left open and `<` that opens nothing are refused with the byte offset; of the named
character references only lt gt amp quot exist, any other is shown as typed.
"""

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from bot.playground.entities import Entity, ordered, units
from bot.playground.errors import ApiError, bad

_SIMPLE = {
    "b": "bold", "strong": "bold", "i": "italic", "em": "italic", "u": "underline", "ins": "underline",
    "s": "strikethrough", "strike": "strikethrough", "del": "strikethrough",
    "tg-spoiler": "spoiler", "span": "spoiler",
}  # fmt: skip
_TAGS = frozenset({*_SIMPLE, "a", "code", "pre", "blockquote", "tg-emoji", "tg-time"})
_SPACE = " \t\r\n\v\0"
_REFERENCE = re.compile(
    r"&(?:#(?:x([0-9a-fA-F]{1,8})|([0-9]{1,10}))|(lt|gt|amp|quot)(?![A-Za-z]));?"
)
_NAMED = {"lt": "<", "gt": ">", "amp": "&", "quot": '"'}
_TIME_FORMAT = re.compile(r"r|w?[dD]?[tT]?")


def parse_html(source: str) -> tuple[str, list[Entity]]:
    """Text and entities; `ApiError` in Telegram's words where it refuses."""
    return _Parser(source).run()


@dataclass(frozen=True, slots=True)
class _Open:
    tag: str
    attributes: dict[str, str]
    offset: int  # UTF-16 units of text before it
    start: int  # index into the pieces of text


class _Parser:
    def __init__(self, source: str) -> None:
        self._source = source
        self._at = 0
        self._text: list[str] = []
        self._units = 0
        self._open: list[_Open] = []
        self._entities: list[Entity] = []

    def run(self) -> tuple[str, list[Entity]]:
        """Read to the end."""
        while self._at < len(self._source):
            if self._source.startswith("</", self._at):
                self._close_tag()
            elif self._source[self._at] == "<":
                self._open_tag()
            else:
                self._character()
        if self._open:
            raise _refused(f'Can\'t find end tag corresponding to start tag "{self._open[-1].tag}"')
        return "".join(self._text), ordered(self._entities)

    def _character(self) -> None:
        char, self._at = _character(self._source, self._at)
        self._text.append(char)
        self._units += units(char)

    def _char(self) -> str:
        """The character here; NUL behind the end, as in a C string."""
        return self._source[self._at] if self._at < len(self._source) else "\0"

    def _byte(self, at: int) -> int:
        return len(self._source[:at].encode())

    def _until(self, stop: str) -> str:
        begin = self._at
        while self._char() not in stop:
            self._at += 1
        return self._source[begin : self._at]

    def _blank(self) -> None:
        while self._at < len(self._source) and self._char() in _SPACE:
            self._at += 1

    def _open_tag(self) -> None:
        begin = self._at
        self._at += 1
        tag = self._until(_SPACE + ">").lower()
        if self._at >= len(self._source):
            raise _refused(f"Unclosed start tag at byte offset {self._byte(begin)}")
        if tag not in _TAGS:
            raise _refused(f'Unsupported start tag "{tag}" at byte offset {self._byte(begin)}')
        attributes: dict[str, str] = {}
        while True:
            self._blank()
            if self._char() == ">":
                break
            name, value = self._attribute(tag, begin)
            attributes[name] = value
        self._at += 1
        if tag == "span" and attributes.get("class") != "tg-spoiler":
            where = self._byte(begin)
            raise _refused(f'Tag "span" must have class "tg-spoiler" at byte offset {where}')
        self._open.append(_Open(tag, attributes, self._units, len(self._text)))

    def _attribute(self, tag: str, begin: int) -> tuple[str, str]:
        name = self._until(_SPACE + "=>").lower()
        self._blank()
        if self._at < len(self._source) and not name:
            where = self._byte(begin)
            raise _refused(f'Empty attribute name in the tag "{tag}" at byte offset {where}')
        value = ""
        if self._char() == "=":
            self._at += 1
            self._blank()
            value = self._value()
        if self._at >= len(self._source):
            raise _refused(f"Unclosed start tag at byte offset {self._byte(begin)}")
        return name, value

    def _value(self) -> str:
        quote = self._char()
        begin = self._at
        if quote not in "'\"":
            while self._char().isascii() and (self._char().isalnum() or self._char() in ".-"):
                self._at += 1
            if self._char() not in _SPACE + ">":
                raise _refused(f"Unexpected end of name token at byte offset {self._byte(begin)}")
            return self._source[begin : self._at].lower()
        self._at += 1
        parts: list[str] = []
        while self._at < len(self._source) and self._char() != quote:
            char, self._at = _character(self._source, self._at)
            parts.append(char)
        self._at += self._at < len(self._source)
        return "".join(parts)

    def _close_tag(self) -> None:
        begin = self._at
        if not self._open:
            raise _refused(f"Unexpected end tag at byte offset {self._byte(begin)}")
        self._at += 2
        tag = self._until(_SPACE + ">").lower()
        self._blank()
        if self._char() != ">":
            raise _refused(f"Unclosed end tag at byte offset {self._byte(begin)}")
        self._at += 1
        opened = self._open.pop()
        if tag and tag != opened.tag:
            raise _refused(
                f"Unmatched end tag at byte offset {self._byte(begin)}, "
                f'expected "</{opened.tag}>", found "</{tag}>"'
            )
        if self._units > opened.offset:
            self._finish(opened, begin)

    def _finish(self, opened: _Open, begin: int) -> None:
        covered = "".join(self._text[opened.start :])
        place = {"offset": opened.offset, "length": self._units - opened.offset}
        if opened.tag in ("pre", "code"):
            self._code(opened, place)
        elif entity := _entity(opened, covered, self._byte(begin)):
            self._entities.append({**entity, **place})

    def _code(self, opened: _Open, place: dict[str, int]) -> None:
        """`<pre><code class="language-x">` is one block with a language, in either order."""
        language = opened.attributes.get("class", "").removeprefix("language-")
        if opened.tag == "pre":
            language = ""
        last = self._entities[-1] if self._entities else {}
        inside = last.get("offset") == place["offset"] and last.get("length") == place["length"]
        if inside and last["type"] == "code" and opened.tag == "pre" and last.get("language"):
            last["type"] = "pre"
            return
        if inside and last["type"] == "pre" and language:
            last["language"] = language
            return
        if inside and last["type"] == "code" and opened.tag == "pre":
            self._entities.pop()
        entity: Entity = {"type": opened.tag, **place}
        self._entities.append({**entity, "language": language} if language else entity)


def _entity(opened: _Open, covered: str, where: int) -> Entity | None:
    """The entity of a closed tag without its place; None where the tag means nothing."""
    attributes = opened.attributes
    if opened.tag == "a":
        return link(attributes.get("href") or covered)
    if opened.tag == "blockquote":
        folded = "expandable" in attributes
        return {"type": "expandable_blockquote" if folded else "blockquote"}
    if opened.tag == "tg-emoji":
        if not attributes.get("emoji-id", "").isdecimal():
            raise _refused("Invalid custom emoji identifier specified")
        return {"type": "custom_emoji", "custom_emoji_id": attributes["emoji-id"]}
    if opened.tag == "tg-time":
        unix, form = attributes.get("unix", ""), attributes.get("format", "")
        if not unix.isdecimal() or not _TIME_FORMAT.fullmatch(form):
            raise _refused(f'Invalid "tg-time" tag before byte offset {where}')
        entity: Entity = {"type": "date_time", "unix_time": int(unix)}
        return {**entity, "date_time_format": form} if form else entity
    return {"type": _SIMPLE[opened.tag]}


def link(url: str) -> Entity | None:
    """A text_link, or None: an address Telegram does not accept leaves plain text."""
    full = url if "://" in url else f"http://{url}"
    try:
        parts = urlsplit(full)
    except ValueError:
        return None
    user = re.fullmatch(r"id=(\d+)", parts.query)
    if parts.scheme == "tg" and parts.netloc == "user" and user:
        return {"type": "text_mention", "user": int(user[1])}
    if parts.scheme not in ("http", "https", "tg", "ton") or not parts.netloc:
        return None
    local = parts.scheme in ("http", "https") and "." not in parts.netloc
    if local and parts.hostname != "localhost":
        return None
    return {"type": "text_link", "url": full if parts.path or parts.query else f"{full}/"}


def _character(source: str, at: int) -> tuple[str, int]:
    """One character of text and where the next begins; a reference counts as what it stands for."""
    match = _REFERENCE.match(source, at) if source[at] == "&" else None
    if match is None:
        return source[at], at + 1
    if match[3]:
        return _NAMED[match[3]], match.end()
    code = int(match[1], 16) if match[1] else int(match[2])
    if not 0 < code < 0x10FFFF or 0xD800 <= code <= 0xDFFF:
        return "&", at + 1
    return chr(code), match.end()


def _refused(text: str) -> ApiError:
    return bad(f"can't parse entities: {text}")
