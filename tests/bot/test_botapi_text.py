"""Text as Telegram reads it: commands and tags found by itself, HTML as strict as the server's."""

import pytest

from bot.playground.entities import found, leading_command, piece
from bot.playground.errors import ApiError
from bot.playground.html_parse import parse_html
from bot.playground.html_render import render_html


def marked(text: str) -> list[tuple[str, str]]:
    return [(entity["type"], piece(text, entity)) for entity in found(text)]


@pytest.mark.parametrize(
    ("text", "command"),
    [
        ("/price btc", "/price"),
        ("/alert-volume BTC 200", "/alert"),
        ("/alert-volume@tidemark_bot BTC", "/alert"),
        ("/alert_volume@tidemark_bot BTC", "/alert_volume@tidemark_bot"),
        ("/price@ab", "/price"),
        ("/price,", "/price"),
        ("/" + "a" * 64, "/" + "a" * 64),
    ],
)
def test_the_command_a_text_starts_with(text: str, command: str) -> None:
    assert leading_command(text, found(text)) == command


@pytest.mark.parametrize(
    "text", ["/a/b", "/price/", "/price<", "/prix\u00e9", "/" + "a" * 65, "/", "1/2"]
)
def test_no_command_is_found(text: str) -> None:
    assert marked(text) == []


def test_a_command_in_the_middle_does_not_follow_a_word() -> None:
    assert marked("see /price or and/or </oi") == [("bot_command", "/price")]


def test_at_behind_a_hyphen_command_is_not_a_mention() -> None:
    assert marked("/alert-volume@tidemark_bot") == [("bot_command", "/alert")]


def test_tags_mentions_and_addresses() -> None:
    text = "@ada_desk $BTC $btc #levels #12 a@b.com https://example.com/a?b=1. trade.xyz"
    assert marked(text) == [
        ("mention", "@ada_desk"),
        ("cashtag", "$BTC"),
        ("hashtag", "#levels"),
        ("url", "https://example.com/a?b=1"),
        ("url", "trade.xyz"),
    ]


def test_offsets_count_utf16_units() -> None:
    text = "\U0001f514 /price"
    assert found(text) == [{"type": "bot_command", "offset": 3, "length": 6}]


def test_nothing_is_found_inside_code() -> None:
    text, entities = parse_html("<code>/price $BTC</code> /oi")
    assert [(e["type"], piece(text, e)) for e in found(text, entities)] == [
        ("code", "/price $BTC"),
        ("bot_command", "/oi"),
    ]


def test_tags_become_entities_in_order() -> None:
    text, entities = parse_html(
        "<b>a<i>\U0001f514</i></b> <u>u</u><s>s</s><tg-spoiler>x</tg-spoiler>"
    )
    assert text == "a\U0001f514 usx"
    assert entities == [
        {"type": "bold", "offset": 0, "length": 3},
        {"type": "italic", "offset": 1, "length": 2},
        {"type": "underline", "offset": 4, "length": 1},
        {"type": "strikethrough", "offset": 5, "length": 1},
        {"type": "spoiler", "offset": 6, "length": 1},
    ]


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("&lt;b&gt; &amp; &quot;", '<b> & "'),
        ("&#65;&#x42;", "AB"),
        ("&nbsp;&apos;&copy;", "&nbsp;&apos;&copy;"),
        ("&amp;lt;", "&lt;"),
        ("5 > 3", "5 > 3"),
    ],
)
def test_only_four_names_and_numbers_decode(source: str, text: str) -> None:
    assert parse_html(source) == (text, [])


@pytest.mark.parametrize(
    ("source", "complaint"),
    [
        ("a < b", 'Unsupported start tag "" at byte offset 2'),
        ("\u00e9 <br> x", 'Unsupported start tag "br" at byte offset 3'),
        ("<p>x</p>", 'Unsupported start tag "p" at byte offset 0'),
        ("a <3", "Unclosed start tag at byte offset 2"),
        ("<b>x", 'Can\'t find end tag corresponding to start tag "b"'),
        ("x</b>", "Unexpected end tag at byte offset 1"),
        ("<b>x</i>", 'Unmatched end tag at byte offset 4, expected "</b>", found "</i>"'),
        ("<b>x</b", "Unclosed end tag at byte offset 4"),
        ('<a href="x', "Unclosed start tag at byte offset 0"),
        ("<a href=a:b>x</a>", "Unexpected end of name token at byte offset 8"),
        ("<span>x</span>", 'Tag "span" must have class "tg-spoiler" at byte offset 0'),
    ],
)
def test_broken_html_is_refused_with_the_place(source: str, complaint: str) -> None:
    with pytest.raises(ApiError) as refused:
        parse_html(source)
    assert refused.value.code == 400
    assert refused.value.text == f"Bad Request: can't parse entities: {complaint}"


def test_blocks_times_and_links() -> None:
    text, entities = parse_html(
        '<pre><code class="language-py">x</code></pre><pre>y</pre>'
        "<blockquote expandable>z</blockquote>"
        '<tg-time unix="1790000000" format="wDT">14:13 UTC</tg-time>'
        '<a href="https://example.com">l</a><a href="javascript:alert(1)">n</a>'
    )
    assert text == "xyz14:13 UTCln"
    assert entities == [
        {"type": "pre", "offset": 0, "length": 1, "language": "py"},
        {"type": "pre", "offset": 1, "length": 1},
        {"type": "expandable_blockquote", "offset": 2, "length": 1},
        {
            "type": "date_time",
            "offset": 3,
            "length": 9,
            "unix_time": 1790000000,
            "date_time_format": "wDT",
        },
        {"type": "text_link", "offset": 12, "length": 1, "url": "https://example.com/"},
    ]


def test_the_page_gets_the_same_text_back() -> None:
    source = "<b>a &lt; <i>b</i></b>\n<pre>1 &amp; 2</pre>"
    assert render_html(*parse_html(source)) == source


def test_crossing_entities_are_closed_and_reopened() -> None:
    entities = [
        {"type": "bold", "offset": 0, "length": 2},
        {"type": "italic", "offset": 1, "length": 2},
    ]
    assert render_html("abc", entities) == "<b>a<i>b</i></b><i>c</i>"


def test_the_page_never_gets_a_script() -> None:
    entities = [
        {"type": "text_link", "offset": 0, "length": 1, "url": 'https://x.io/"onclick="y'},
        {"type": "text_link", "offset": 1, "length": 1, "url": "javascript://x.io/%0aalert(1)"},
        {"type": "pre", "offset": 2, "length": 1, "language": '"><script>'},
    ]
    shown = render_html("ab<", entities)
    assert "<script" not in shown
    assert "javascript" not in shown
    assert '"onclick' not in shown
    assert shown.endswith("&lt;</pre>")


def test_a_moment_keeps_its_format_and_fallback() -> None:
    text, entities = parse_html('<tg-time unix="0" format="r">at 00:00 UTC</tg-time>')
    assert render_html(text, entities) == (
        '<time datetime="1970-01-01T00:00:00+00:00" data-unix="0" data-format="r">at 00:00 UTC</time>'
    )
