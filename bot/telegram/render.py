"""A `Reply` as messages. Pure: the same reply gives the same messages, for a chat or for a terminal."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from bot.telegram.split import (
    CAPTION_LIMIT,
    TEXT_LIMIT,
    Span,
    clean,
    split,
    to_html,
    to_plain,
    visible,
)
from handlers.base import Button, Card, Picture, Reply
from market.language import _

ROW, KEYBOARD = 8, 100  # buttons Telegram takes in a row and in all
LABEL = 64  # characters of a button that are still legible
STYLES = ("danger", "success", "primary")


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """One inline button as Telegram gets it; `data` is at most 64 bytes."""

    text: str
    data: str
    style: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class OutMessage:
    """One message: its HTML, the same without tags, and what hangs on it."""

    html: str
    plain: str
    kind: Literal["text", "photo"] = "text"
    photo: bytes = b""
    name: str = ""
    keys: tuple[tuple[Key, ...], ...] = ()


def render(reply: Reply, mark: str = "", keys: Sequence[Sequence[Key]] = ()) -> list[OutMessage]:
    """The messages of `reply`, in order; the keyboard hangs on the last one."""
    spans = _body(reply)
    note = mark_line(mark)
    messages: list[OutMessage] = []
    if reply.picture is not None:
        caption = _marked(spans, note)
        if visible(caption) <= CAPTION_LIMIT:
            return [_photo(reply.picture, caption, rows(keys))]
        short = _headline(reply.card) if reply.card else []
        messages.append(_photo(reply.picture, _marked(_trimmed(short), note)))
    if not spans:
        return messages
    room = TEXT_LIMIT - (len(note) + 1 if note else 0)
    parts = [_marked(part, note) for part in split(spans, room)]
    messages += [OutMessage(html=to_html(part), plain=to_plain(part)) for part in parts]
    last = messages[-1]
    messages[-1] = OutMessage(
        html=last.html,
        plain=last.plain,
        kind=last.kind,
        photo=last.photo,
        name=last.name,
        keys=rows(keys),
    )
    return messages


def plain(reply: Reply, mark: str = "") -> str:
    """`reply` as text for a terminal."""
    return to_plain(_marked(_body(reply), mark_line(mark)))


def rows(keys: Sequence[Sequence[Key]]) -> tuple[tuple[Key, ...], ...]:
    """The keyboard in rows Telegram takes; what is beyond its limit falls off the end."""
    chunks = [tuple(row[i : i + ROW]) for row in keys for i in range(0, len(row), ROW)]
    kept: list[tuple[Key, ...]] = []
    left = KEYBOARD
    for chunk in chunks:
        if left > 0:
            kept.append(chunk[:left])
        left -= len(chunk)
    return tuple(kept)


def key(button: Button, data: str) -> Key:
    """A button with its callback data; a style that Telegram does not know is left out."""
    label = clean(button.text).replace("\n", " ")[:LABEL] or "…"
    return Key(text=label, data=data, style=button.style if button.style in STYLES else "")


def mark_line(mark: str) -> str:
    """What says that the market is not the real one; "" when it is."""
    if not mark:
        return ""
    return f"{'⏪' if mark.upper().startswith('REPLAY') else '🧪'} {mark}"


def _body(reply: Reply) -> list[Span]:
    spans = _card(reply.card) if reply.card else []
    text = clean(reply.text).strip("\n")
    if text:
        spans += [Span("\n\n" if spans else ""), Span(text)]
    return [span for span in spans if span.text]


def _card(card: Card) -> list[Span]:
    blocks = [_headline(card)]
    table = clean("\n".join(line.rstrip() for line in card.table)).strip("\n")
    if table:
        blocks.append([Span(table, "pre")])
    if card.reading:
        blocks.append([Span(clean(card.reading))])
    if card.evidence:
        blocks.append([Span(clean(card.evidence), "i")])
    if card.updated is not None:
        blocks.append([Span(_("updated ")), _moment(card.updated)])
    spans: list[Span] = []
    for block in blocks:
        spans += [Span("\n"), *block] if spans else block
    return spans


def _moment(ts: int) -> Span:
    """A time of day that the reader's client shows in their own zone; UTC where it cannot."""
    at = datetime.fromtimestamp(ts / 1000, UTC)
    return Span(f"{at:%H:%M:%S} UTC", "tg-time", f'unix="{ts // 1000}" format="T"')


def _headline(card: Card) -> list[Span]:
    return [Span(clean(f"{card.glyph} {card.headline}".strip()), "b")]


def _marked(spans: Sequence[Span], note: str) -> list[Span]:
    if not note:
        return list(spans)
    return [*spans, Span(f"\n{note}" if spans else note)]


def _trimmed(spans: Sequence[Span]) -> list[Span]:
    """A headline that fits under a picture, whatever it says."""
    return split(spans, CAPTION_LIMIT // 2)[0] if spans else []


def _photo(
    picture: Picture, caption: Sequence[Span], keys: tuple[tuple[Key, ...], ...] = ()
) -> OutMessage:
    return OutMessage(
        html=to_html(caption), plain=to_plain(caption), kind="photo",
        photo=picture.png, name=picture.name, keys=keys,
    )  # fmt: skip
