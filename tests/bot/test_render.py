"""Replies as messages: layout, escaping, limits."""

import html
import re
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.telegram.render import Key, OutMessage, mark_line, plain, render, rows
from bot.telegram.split import Span, clean, split, to_html, to_plain, visible
from handlers.base import Card, Picture, Reply

CARD = Card(
    headline="BTC $94,312.5 +1.84 %", glyph="🟢", table=("Binance 94,312.5", "Bybit   94,310.0"),
    reading="Perps lead.", evidence="2 venues · 2 s · observed", updated=1_780_000_000_000,
)  # fmt: skip


class Tags(HTMLParser):
    """Fails on anything Telegram would refuse; collects the visible text."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: object) -> None:
        assert tag in ("b", "i", "pre", "tg-time")
        self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def seen(source: str) -> str:
    """The text a reader sees; all tags must be closed."""
    parser = Tags()
    parser.feed(source)
    parser.close()
    assert parser.open == []
    return parser.text


def test_a_card_says_the_answer_then_the_numbers_then_the_evidence() -> None:
    [message] = render(Reply(card=CARD), "SIMULATED")
    assert message.html == (
        "<b>🟢 BTC $94,312.5 +1.84 %</b>\n"
        "<pre>Binance 94,312.5\nBybit   94,310.0</pre>\n"
        "Perps lead.\n"
        "<i>2 venues · 2 s · observed</i>\n"
        'updated <tg-time unix="1780000000" format="T">20:26:40 UTC</tg-time>\n'
        "🧪 SIMULATED"
    )
    assert message.plain == seen(message.html)


def test_the_terminal_shows_the_same_without_tags() -> None:
    assert plain(Reply(card=CARD), "SIMULATED") == render(Reply(card=CARD), "SIMULATED")[0].plain


@pytest.mark.parametrize(
    ("mark", "line"),
    [("", ""), ("SIMULATED", "🧪 SIMULATED"), ("REPLAY 2026-06-14", "⏪ REPLAY 2026-06-14")],
)
def test_the_mark_names_a_market_that_is_not_live(mark: str, line: str) -> None:
    assert mark_line(mark) == line
    reply = Reply(text="short")
    assert render(reply, mark)[0].plain == (f"short\n{line}" if line else "short")


def test_every_part_of_a_long_text_carries_the_mark() -> None:
    messages = render(Reply(text="x" * 9000), "SIMULATED")
    assert all(m.plain.endswith("\n🧪 SIMULATED") and len(m.plain) <= 4096 for m in messages)
    assert sum(m.plain.count("x") for m in messages) == 9000


def test_everything_from_outside_is_escaped() -> None:
    evil = "<b>&<script>alert(1)</script>"
    card = Card(headline=evil, table=(evil,), reading=evil, evidence=evil)
    [message] = render(Reply(card=card))
    assert message.html.count(html.escape(evil, quote=False)) == 4
    assert seen(message.html) == "\n".join([evil] * 4)


def test_characters_that_reorder_or_break_text_are_left_out() -> None:
    assert clean("a\u202eb\u2066c\x00d\ud800e\x1bf") == "abcdef"
    assert clean("👨‍👩‍👧 keeps\njoiners\tand tabs") == "👨‍👩‍👧 keeps\njoiners\tand tabs"


def test_4096_characters_are_one_message_and_4097_are_two() -> None:
    assert len(render(Reply(text="é" * 4096))) == 1
    assert [len(m.plain) for m in render(Reply(text="é" * 4097))] == [4096, 1]


def test_escaping_does_not_count() -> None:
    [message] = render(Reply(text="&" * 4096))
    assert len(message.html) == 5 * 4096


def test_a_cut_table_is_opened_again() -> None:
    table = tuple(f"row {i:>4} " + "." * 20 for i in range(300))
    messages = render(Reply(card=Card(headline="Long", table=table)))
    assert len(messages) == 3
    assert all("<pre>row" in m.html and m.html.endswith("</pre>") for m in messages)
    lines = "\n".join(seen(m.html) for m in messages).splitlines()
    assert lines == ["Long", *table]


def test_the_keyboard_hangs_on_the_last_part() -> None:
    keys = [[Key(text="a", data="c:/a")]]
    first, last = render(Reply(text="x" * 5000), keys=keys)
    assert first.keys == ()
    assert last.keys == ((Key(text="a", data="c:/a"),),)


def test_a_row_has_at_most_eight_buttons_and_a_keyboard_a_hundred() -> None:
    key = Key(text="a", data="d")
    assert [len(row) for row in rows([[key] * 9])] == [8, 1]
    assert sum(len(row) for row in rows([[key] * 150])) == 100


def test_a_picture_takes_the_card_as_its_caption() -> None:
    picture = Picture(name="cvd.png", png=b"png")
    [message] = render(Reply(card=CARD, picture=picture), keys=[[Key(text="a", data="d")]])
    assert (message.kind, message.photo, message.name) == ("photo", b"png", "cvd.png")
    assert "<pre>" in message.html
    assert message.keys


def test_a_caption_of_1025_characters_becomes_a_message_of_its_own() -> None:
    picture = Picture(name="x.png", png=b"png")
    fits = Card(headline="Head", reading="r" * (1024 - 5))
    assert len(render(Reply(card=fits, picture=picture))) == 1
    over = Card(headline="Head", reading="r" * (1025 - 5))
    photo, text = render(Reply(card=over, picture=picture), keys=[[Key(text="a", data="d")]])
    assert (photo.kind, photo.plain, photo.keys) == ("photo", "Head", ())
    assert (text.kind, len(text.plain)) == ("text", 1025)
    assert text.keys


def test_a_toast_alone_is_no_message() -> None:
    assert render(Reply(toast="done"), "SIMULATED") == []


PIECES = st.sampled_from(
    ["a", "<", "&", " ", "\n", "\n\n", "word ", "é", "👍🏽", "👨‍👩‍👧", "🇩🇪", "e\u0301"]
)
SPANS = st.lists(
    st.builds(
        Span, st.lists(PIECES, max_size=30).map("".join), st.sampled_from(["", "b", "i", "pre"])
    ),
    max_size=6,
)


@given(spans=SPANS, limit=st.integers(12, 60))
def test_splitting_keeps_every_character_and_every_tag(spans: list[Span], limit: int) -> None:
    parts = split(spans, limit)
    assert all(0 < visible(part) <= limit for part in parts)
    joined = "".join(to_plain(part) for part in parts)
    assert re.sub(r"\s", "", joined) == re.sub(r"\s", "", to_plain(spans))
    for part in parts:
        assert seen(to_html(part)) == to_plain(part)
    tagged = {(c, s.tag) for s in spans for c in s.text if not c.isspace()}
    assert {(c, s.tag) for p in parts for s in p for c in s.text if not c.isspace()} == tagged


@given(count=st.integers(1, 40), limit=st.integers(12, 40))
@pytest.mark.parametrize("sign", ["👨‍👩‍👧", "🇩🇪", "👍🏽", "e\u0301", "1\ufe0f\u20e3"])
def test_no_sign_is_torn_apart(sign: str, count: int, limit: int) -> None:
    for part in split([Span(sign * count)], limit):
        assert to_plain(part).replace(sign, "") == ""


def test_messages_are_values() -> None:
    assert render(Reply(card=CARD)) == render(Reply(card=CARD))
    assert isinstance(render(Reply(card=CARD))[0], OutMessage)
