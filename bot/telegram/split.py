"""Long texts in pieces: counted as Telegram counts, cut at lines, never inside a tag or an emoji.

A text is a list of spans, each with at most one tag; a cut closes the tag and the next piece opens it again.
"""

import html
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, replace

TEXT_LIMIT, CAPTION_LIMIT = 4096, 1024  # code points after parsing
JOINER, KEYCAP = "\u200d", "\u20e3"
# What could reorder or hide the text around it; joiners stay, emoji need them.
UNSAFE = dict.fromkeys(
    (*range(0x202A, 0x202F), *range(0x2066, 0x206A), 0x200E, 0x200F, 0x061C, 0xFEFF)
)


@dataclass(frozen=True, slots=True)
class Span:
    """Text under one tag: "", "b", "i", "pre" or "tg-time"; `rest` are the attributes of the tag."""

    text: str
    tag: str = ""
    rest: str = ""

    @property
    def html(self) -> str:
        """The span as Telegram's HTML."""
        text = html.escape(self.text, quote=False)
        opening = f"{self.tag} {self.rest}".strip()
        return f"<{opening}>{text}</{self.tag}>" if self.tag and text else text


def clean(text: str) -> str:
    """`text` without control, bidirectional and broken characters."""
    kept = (
        c
        for c in text.translate(UNSAFE)
        if c in "\n\t" or unicodedata.category(c) not in ("Cc", "Cs")
    )
    return "".join(kept)


def to_html(spans: Sequence[Span]) -> str:
    """All spans as Telegram's HTML."""
    return "".join(span.html for span in spans)


def to_plain(spans: Sequence[Span]) -> str:
    """All spans without their tags."""
    return "".join(span.text for span in spans)


def visible(spans: Sequence[Span]) -> int:
    """Length as Telegram counts it."""
    return sum(len(span.text) for span in spans)


def split(spans: Sequence[Span], limit: int) -> list[list[Span]]:
    """`spans` in pieces of at most `limit` visible characters; nothing but white space at a cut is lost."""
    pieces: list[list[Span]] = []
    rest = [span for span in spans if span.text]
    while visible(rest) > limit:
        text = to_plain(rest)
        cut = _cut(text, limit)
        head, tail = _divide(rest, cut)
        if to_plain(head).strip():
            pieces.append(head)
        gap = len(text[cut:]) - len(text[cut:].lstrip("\n"))
        rest = _divide(tail, gap)[1]
    if to_plain(rest).strip():
        pieces.append(rest)
    return pieces


def _cut(text: str, limit: int) -> int:
    """Where to cut: after a line, else after a word, else between two whole characters."""
    line = text.rfind("\n", 1, limit + 1)
    if line > 0:
        return line
    word = text.rfind(" ", limit // 2, limit)
    if word > 0:
        return word + 1
    cut = limit
    while cut > max(1, limit - 32) and _glued(text, cut):
        cut -= 1
    return cut


def _glued(text: str, at: int) -> bool:
    """Whether the characters around `at` are parts of one sign: an emoji, a flag, a letter with its accent."""
    before, after = text[at - 1], text[at]
    if after in (JOINER, KEYCAP) or before == JOINER or unicodedata.combining(after):
        return True
    if "\ufe00" <= after <= "\ufe0f" or "\U0001f3fb" <= after <= "\U0001f3ff":
        return True
    if _regional(before) and _regional(after):
        run = at
        while run > 0 and _regional(text[run - 1]):
            run -= 1
        return (at - run) % 2 == 1
    return False


def _regional(char: str) -> bool:
    return "\U0001f1e6" <= char <= "\U0001f1ff"


def _divide(spans: Sequence[Span], at: int) -> tuple[list[Span], list[Span]]:
    """The spans before and after the visible position `at`; the span it falls into is on both sides."""
    head: list[Span] = []
    tail: list[Span] = []
    for span in spans:
        size = len(span.text)
        if at >= size:
            head.append(span)
        elif at <= 0:
            tail.append(span)
        else:
            head.append(replace(span, text=span.text[:at]))
            tail.append(replace(span, text=span.text[at:]))
        at -= size
    return head, tail
