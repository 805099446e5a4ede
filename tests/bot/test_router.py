"""What a chat says, and what becomes of it."""

import asyncio
import logging
from typing import Any

import pytest
from telegram_fakes import ADMIN, NOW, STRANGER, TOKEN, TRADER, VIEWER, Desk, refusal

from bot.telegram.parse import resolve
from bot.telegram.redact import Redactor
from bot.telegram.router import parse_command
from handlers.base import Button, Card, Picture, Reply
from handlers.types import Role
from market.errors import SourceUnavailable, UserError

KINDS = ("volume", "oi", "cvd", "funding_rate")
GROUP = -1001234567890


def desk(**options: Any) -> Desk:
    """A desk with the usual commands."""
    made = Desk(**options)
    made.add("price", aliases=("p",))
    made.add("alert", role=Role.ALERTER, changes=True)
    for kind in KINDS:
        made.add(f"alert_{kind}", role=Role.ALERTER, changes=True)
    made.add("cvd")
    made.add("cvd_alerts")
    made.add("oi_changes")
    made.add("volume_spikes")
    made.add("buy", role=Role.TRADER, changes=True)
    made.add("users", role=Role.ADMIN)
    return made


HYPHENATED = ("alert_volume", "alert_oi", "alert_cvd", "alert_funding_rate", "cvd_alerts",
              "oi_changes", "volume_spikes")  # fmt: skip
DASHES = ("-", "\u2013", "\u2014", "\u2212", "\u2011", "\u2010", "_")


@pytest.mark.parametrize("name", HYPHENATED)
@pytest.mark.parametrize("bot", ["", "@TideBot", "@tidebot"])
@pytest.mark.parametrize("dash", DASHES)
async def test_every_spelling_of_a_hyphen_command_is_one(name: str, bot: str, dash: str) -> None:
    made = desk()
    await made.say(f"/{name.replace('_', dash)}{bot} BTC \u20135")
    [args] = made.asked
    assert (args.command, args.words, args.rest) == (name, ("BTC", "-5"), "BTC \u20135")


@pytest.mark.parametrize("name", HYPHENATED)
async def test_the_spaced_form_is_the_same_command(name: str) -> None:
    made = desk()
    await made.say(f"/{name.replace('_', ' ')} BTC 200 15m")
    await made.say(f"/{name.replace('_', ' ', 1).upper()} BTC 200 15m")
    assert [(a.command, a.words) for a in made.asked] == [(name, ("BTC", "200", "15m"))] * 2
    assert made.asked[0].rest == "BTC 200 15m"


def test_a_command_for_another_bot_is_none() -> None:
    assert parse_command("/price@OtherBot BTC", "TideBot") is None
    assert parse_command("price BTC", "TideBot") is None
    assert parse_command("/", "TideBot") is None
    assert parse_command("", "TideBot") is None
    parsed = parse_command("/Price@TIDEBOT\u00a0btc\n“x”", "TideBot")
    assert parsed is not None
    assert (parsed.name, parsed.words, parsed.addressed) == ("price", ("btc", '"x"'), True)


async def test_a_command_for_another_bot_is_left_alone() -> None:
    made = desk()
    await made.say("/price@OtherBot BTC")
    await made.say("/nosuch@OtherBot")
    assert made.asked == []
    assert made.telegram.calls == []


def names(text: str, coins: tuple[str, ...]) -> list[str]:
    """The commands `text` may mean where `coins` are coins."""
    known = {"alert", "alert_oi", "alert_volume"}
    parsed = parse_command(text, "TideBot")
    assert parsed is not None
    return [r.name for r in resolve(parsed, known, lambda w: w.upper() in coins)]


def test_a_kind_wins_over_a_coin_of_its_name() -> None:
    assert names("/alert oi BTC 50k", ("OI", "BTC")) == ["alert_oi"]
    assert names("/alert volume BTC 200", ("VOLUME", "BTC")) == ["alert_volume"]


def test_what_fits_the_coin_alone_is_the_coin() -> None:
    assert names("/alert OI above 5", ("OI",)) == ["alert"]
    assert names("/alert OI > 5", ("OI",)) == ["alert"]
    assert names("/alert $oi above 5", ("OI",)) == ["alert"]
    assert names("/alert BTC above 95000", ("BTC",)) == ["alert"]


async def test_where_both_fit_the_user_is_asked() -> None:
    made = desk(is_coin=lambda w: w.upper() in ("OI", "ABOVE"))
    await made.say("/alert oi above 5")
    assert made.asked == []
    assert made.telegram.data() == ["c:/alert_oi above 5", "c:/alert $OI above 5"]
    await made.press("c:/alert $OI above 5")
    assert [(a.command, a.words) for a in made.asked] == [("alert", ("$OI", "above", "5"))]


async def test_an_alias_reaches_its_command() -> None:
    made = desk()
    await made.say("/p btc")
    assert [(a.command, a.words) for a in made.asked] == [("p", ("btc",))]


async def test_a_handler_learns_who_asked_where_and_when() -> None:
    made = desk()
    forum = {"is_topic_message": True, "message_thread_id": 7}
    await made.say("/price btc", TRADER, GROUP, **forum)
    [args] = made.asked
    assert (args.person.user_id, args.person.role) == (TRADER, Role.TRADER)
    assert (args.chat.chat_id, args.chat.kind, args.thread_id) == (GROUP, "supergroup", 7)
    assert (args.update_id, args.message_ts) == (2, NOW)
    [answer] = made.telegram.of("sendMessage")
    assert answer["message_thread_id"] == 7
    assert answer["reply_parameters"]["allow_sending_without_reply"] is True


async def test_the_thread_of_a_mere_reply_is_no_topic() -> None:
    made = desk()
    await made.say("/price btc", TRADER, GROUP, message_thread_id=7)
    assert made.asked[0].thread_id is None


async def test_an_edited_read_is_answered_again_and_an_edited_change_never() -> None:
    made = desk()
    await made.update(edited_message=made.message("/price eth"))
    await made.update(edited_message=made.message("/buy 10"))
    await made.update(edited_message=made.message("/alert BTC above 1"))
    await made.update(edited_message=made.message("hello"))
    assert [a.command for a in made.asked] == ["price"]
    assert len(made.telegram.texts()) == 1


async def test_a_forwarded_read_is_answered_and_a_forwarded_change_refused() -> None:
    made = desk()
    origin = {"type": "hidden_user", "date": NOW // 1000, "sender_user_name": "x"}
    await made.say("/price btc", forward_origin=origin)
    await made.say("/alert BTC above 5", forward_origin=origin)
    assert [(a.command, a.forwarded) for a in made.asked] == [("price", True)]
    assert "forwarded" in made.telegram.texts()[-1]


async def test_a_trading_command_from_a_backlog_is_refused_and_a_read_answered() -> None:
    made = desk()
    old = NOW // 1000 - 31
    await made.say("/buy 1", date=old)
    await made.say("/price btc", date=old)
    await made.say("/alert BTC above 5", date=old)
    await made.say("/buy 1", date=NOW // 1000 - 29)
    assert [a.command for a in made.asked] == ["price", "alert", "buy"]
    assert "30 s" in made.telegram.texts()[0]


async def test_captions_channels_bots_and_inline_posts_are_ignored() -> None:
    made = desk()
    photo = made.message("x") | {"caption": "/price btc"}
    photo.pop("text")
    await made.update(message=photo)
    channel = made.message("/price btc", chat=-1005) | {"chat": {"id": -1005, "type": "channel"}}
    await made.update(message=channel)
    await made.update(channel_post=channel)
    other_bot = {"id": TRADER, "is_bot": True, "first_name": "B"}
    await made.say("/price btc", **{"from": other_bot})
    await made.say("/price btc", via_bot={"id": 5, "is_bot": True, "first_name": "B"})
    linked = {"id": -100777, "type": "channel", "title": "C"}
    await made.say("/price btc", 777000, GROUP, sender_chat=linked)
    assert made.asked == []
    assert made.telegram.texts() == []


async def test_an_anonymous_admin_reads_where_the_bot_is_known_and_never_more() -> None:
    made = desk()
    shown = {"id": GROUP, "type": "supergroup", "title": "Desk"}
    anonymous = {
        "sender_chat": shown,
        "from": {"id": 1087968824, "is_bot": True, "first_name": "G"},
    }
    await made.say("/price btc", chat=GROUP, **anonymous)
    assert made.asked == []  # a group nobody approved has used
    assert made.telegram.texts() == []
    await made.say("/price btc", TRADER, GROUP)
    await made.say("/price eth", chat=GROUP, **anonymous)
    await made.say("/buy 1", chat=GROUP, **anonymous)
    await made.say("/users", chat=GROUP, **anonymous)
    assert [a.words for a in made.asked] == [("btc",), ("eth",)]
    assert made.asked[1].person.role is Role.VIEWER


async def test_a_forged_anonymous_admin_is_ignored() -> None:
    made = desk(mode="open")
    elsewhere = {"id": -100999, "type": "supergroup", "title": "Other"}
    await made.say("/price btc", 136817688, GROUP, sender_chat=elsewhere)
    assert made.asked == []


async def test_an_unknown_command_offers_the_nearest_with_the_words_kept() -> None:
    made = desk()
    await made.say("/prise btc")
    assert "I don't know /prise." in made.telegram.texts()[0]
    assert made.telegram.data()[0] == "c:/price btc"


async def test_what_is_suggested_is_allowed() -> None:
    made = desk()
    await made.say("/user", VIEWER)
    assert not any("users" in data for data in made.telegram.data())


async def test_in_a_group_an_unknown_command_is_somebody_elses_unless_it_names_us() -> None:
    made = desk()
    await made.say("/prise btc", chat=GROUP)
    await made.say("good morning", chat=GROUP)
    assert made.telegram.texts() == []
    await made.say("/prise@TideBot btc", chat=GROUP)
    assert "/prise" in made.telegram.texts()[0]


async def test_a_text_in_private_gets_a_hint_and_a_coin_its_price() -> None:
    made = desk(is_coin=lambda w: w.upper() == "BTC")
    await made.say("good morning")
    assert "I answer commands" in made.telegram.texts()[0]
    await made.say("btc")
    await made.say("$doge")
    await made.say("hello")
    assert [(a.command, a.words) for a in made.asked] == [
        ("price", ("btc",)),
        ("price", ("$doge",)),
    ]


@pytest.mark.parametrize(
    "symbol", ["<b>&", "\u202eCTB", "🦄" * 50, "x" * 10_000, "</pre><a href='x'>", "\x00\ud83d"]
)
async def test_a_strange_symbol_comes_back_harmless(symbol: str) -> None:
    made = desk()
    made.add(
        "odd", UserError(f"I don't know “{symbol}”.", "/odd BTC", [(symbol, f"/odd {symbol}")])
    )
    await made.say(f"/odd {symbol}")
    for call in made.telegram.of("sendMessage"):
        assert "\u202e" not in call["text"]
        assert not any(tag in call["text"] for tag in ("<b>", "<a", "</pre>"))
    assert "Try /odd BTC" in made.telegram.texts()[-1]


async def test_a_user_error_says_what_to_type_and_offers_the_likely_ones() -> None:
    made = desk()
    made.add(
        "x", UserError("I don't know “BTTC”.", "/x BTC", [("BTC", "/x BTC"), ("BCH", "/x BCH")])
    )
    await made.say("/x BTTC")
    assert made.telegram.texts() == ["I don't know “BTTC”.\nTry /x BTC"]
    assert made.telegram.data() == ["c:/x BTC", "c:/x BCH"]


async def test_a_source_that_is_away_is_named() -> None:
    made = desk()
    made.add("x", SourceUnavailable("Binance", "HTTP 503 <html>"))
    await made.say("/x")
    assert made.telegram.texts() == ["⚠️ Binance gave no usable answer: HTTP 503 &lt;html&gt;"]


async def test_a_fault_of_ours_gives_a_reference_and_one_notice_in_ten_minutes(
    caplog: pytest.LogCaptureFixture,
) -> None:
    made = desk()
    made.add("x", RuntimeError(f"broken {TOKEN}"))
    caplog.handler.addFilter(Redactor((TOKEN,)))
    await made.say("/x")
    await made.say("/x")
    assert all("beefcafe" in words for words in made.telegram.texts(TRADER))
    [notice] = made.telegram.texts(ADMIN)
    assert "beefcafe" in notice
    assert "RuntimeError" in notice
    assert TOKEN not in notice
    made.time.ms += 600_000
    await made.say("/x")
    assert len(made.telegram.texts(ADMIN)) == 2
    text = "\n".join(logging.Formatter().format(record) for record in caplog.records)
    assert "Traceback" in text
    assert TOKEN not in text


async def test_a_store_that_fails_is_a_fault_of_ours_too(caplog: pytest.LogCaptureFixture) -> None:
    made = desk()

    async def broken(user_id: int) -> None:
        raise OSError("disk full")

    made.people.person = broken  # type: ignore[method-assign,assignment]
    await made.say("/price btc")
    assert "beefcafe" in made.telegram.texts(TRADER)[0]
    assert made.asked == []


async def test_the_mark_stands_on_every_reply() -> None:
    made = desk(mark="SIMULATED")
    await made.say("/price btc")
    await made.say("/nosuch")
    await made.say("hello")
    assert all(words.endswith("🧪 SIMULATED") for words in made.telegram.texts())


# Buttons


async def test_a_button_runs_its_command_as_if_typed() -> None:
    made = desk()
    await made.press("c:/price btc")
    assert [(a.command, a.words) for a in made.asked] == [("price", ("btc",))]
    assert [name for name, _data, _at in made.telegram.calls] == [
        "answerCallbackQuery", "sendMessage",
    ]  # fmt: skip


async def test_an_edit_button_replaces_the_card_with_its_keyboard() -> None:
    made = desk()
    again = [[Button(text="🔄", command="/price btc", edit=True)]]
    made.add("price", Reply(card=Card(headline="BTC"), buttons=again))
    await made.press("e:/price btc", message_id=321)
    [edit] = made.telegram.of("editMessageText")
    assert (edit["message_id"], edit["text"]) == (321, "<b>BTC</b>")
    assert made.telegram.data() == ["e:/price btc"]
    assert made.telegram.of("sendMessage") == []


async def test_a_refresh_without_news_is_no_second_message() -> None:
    made = desk()
    made.telegram.faults["editMessageText"].append(
        refusal(400, "Bad Request: message is not modified")
    )
    await made.press("e:/price btc")
    assert made.telegram.of("sendMessage") == []


async def test_a_picture_stays_a_picture() -> None:
    made = desk()
    made.add("cvd", Reply(card=Card(headline="CVD"), picture=Picture(name="a.png", png=b"\x89PNG")))
    await made.press("e:/cvd", photo=True)
    assert len(made.telegram.of("editMessageMedia")) == 1
    await made.press("e:/price btc", photo=True)
    assert made.telegram.of("editMessageCaption")[0]["caption"] == "did price"
    await made.press("e:/cvd")  # a text cannot become a picture
    assert len(made.telegram.of("sendPhoto")) == 1


async def test_a_card_that_is_gone_gives_a_new_message() -> None:
    made = desk()
    gone = {"chat": {"id": TRADER, "type": "private"}, "message_id": 1, "date": 0}
    await made.press("e:/price btc", message=gone)
    assert made.telegram.texts() == ["did price"]
    made.telegram.faults["editMessageText"].append(
        refusal(400, "Bad Request: message to edit not found")
    )
    await made.press("e:/price btc")
    assert len(made.telegram.of("sendMessage")) == 2


async def test_long_data_is_kept_for_its_chat_and_a_week() -> None:
    made = desk()
    command = "/price " + "é" * 30
    assert len(f"c:{command}".encode()) > 64
    made.add("list", Reply(text="x", buttons=[[Button(text="go", command=command)]]))
    await made.say("/list")
    [data] = made.telegram.data()
    assert len(data) == 13
    await made.press(data, VIEWER)  # the token of another chat
    assert made.asked[-1].command == "list"
    await made.press(data)
    assert made.asked[-1].words == ("é" * 30,)
    made.time.ms += 7 * 86_400_000
    await made.press(data)
    assert len([a for a in made.asked if a.command == "price"]) == 1
    assert "too old" in made.telegram.of("answerCallbackQuery")[-1]["text"]


@pytest.mark.parametrize("size", [64, 65])
async def test_data_of_64_bytes_is_carried_and_65_stored(size: int) -> None:
    made = desk()
    command = "/" + "x" * (size - 3)
    made.add("list", Reply(text="x", buttons=[[Button(text="go", command=command)]]))
    await made.say("/list")
    assert made.telegram.data()[0].startswith("c:/" if size == 64 else "k:")


@pytest.mark.parametrize(
    "data",
    ["", "x", "c:", "c:price", "k:", "k:AAAAAAAAAAA", "a:", "a:no:such:1", "a:access", "c:/nosuch",
     "e:/price@OtherBot x", "🦄" * 16, "k:" + "A" * 60],
)  # fmt: skip
async def test_a_forged_or_forgotten_button_is_answered_politely(data: str) -> None:
    made = desk()
    await made.press(data)
    assert made.asked == []
    [answer] = made.telegram.of("answerCallbackQuery")
    assert "too old" in answer["text"]
    assert made.telegram.texts() == []


async def test_a_forged_button_gives_no_rights() -> None:
    made = desk()
    made.add("x:do", role=Role.TRADER, changes=True)
    for data in ("c:/buy 1", "c:/users", "e:/buy 1", "a:x:do:1"):
        await made.press(data, VIEWER)
        await made.press(data, STRANGER)
    assert made.asked == []
    assert {action for _who, action, _what in made.people.log} == {"access.refused"}


async def test_a_double_press_acts_once() -> None:
    made = desk()
    made.add("x:do", Reply(toast="done"), changes=True)
    await made.press("a:x:do:41 abc")
    await made.press("a:x:do:41 abc")
    assert [a.words for a in made.asked] == [("41", "abc")]
    answers = [a["text"] for a in made.telegram.of("answerCallbackQuery")]
    assert answers == ["done", "Already done."]
    made.time.ms += 3_000
    await made.press("a:x:do:41 abc")
    assert len(made.asked) == 2


async def test_a_trade_button_that_was_pressed_long_ago_does_nothing() -> None:
    made = desk()
    made.telegram.faults["answerCallbackQuery"].append(
        refusal(400, "Bad Request: query is too old and response timeout expired")
    )
    await made.press("c:/buy 1")
    assert made.asked == []
    assert "30 s" in made.telegram.texts()[0]


async def test_a_slow_press_is_answered_before_its_result() -> None:
    made = desk()
    release = asyncio.Event()

    async def slow(args: Any, app: Any) -> Reply:
        await release.wait()
        return Reply(text="late")

    made.add("slow")
    object.__setattr__(made.commands["slow"], "run", slow)
    asyncio.get_running_loop().call_later(1.7, release.set)
    await made.press("c:/slow")
    order = [name for name, _d, _at in made.telegram.calls if name != "sendChatAction"]
    assert order == ["answerCallbackQuery", "sendMessage"]
    assert made.telegram.of("sendChatAction")


async def test_an_error_on_a_card_is_a_toast_and_leaves_the_card() -> None:
    made = desk()
    made.add("x:do", UserError("There is no alert 41."))
    await made.press("a:x:do:41")
    [answer] = made.telegram.of("answerCallbackQuery")
    assert (answer["text"], answer["show_alert"]) == ("There is no alert 41.", True)
    assert made.telegram.texts() == []


# Chats


def member(status: str, **more: Any) -> dict[str, Any]:
    bot = {"id": 77, "is_bot": True, "first_name": "Tide"}
    return {"user": bot, "status": status} | more


async def change(made: Desk, chat: int, old: dict[str, Any], new: dict[str, Any], who: int) -> None:
    kind = "private" if chat > 0 else "supergroup"
    await made.update(
        my_chat_member={
            "chat": {"id": chat, "type": kind}, "date": NOW // 1000,
            "from": {"id": who, "is_bot": False, "first_name": "U"},
            "old_chat_member": old, "new_chat_member": new,
        }
    )  # fmt: skip


async def test_a_block_silences_the_chat_and_coming_back_wakes_it() -> None:
    made = desk()
    await made.say("/price btc")
    await change(made, TRADER, member("member"), member("kicked", until_date=0), TRADER)
    assert made.people.chats[TRADER].alive is False
    await change(made, TRADER, member("kicked", until_date=0), member("member"), TRADER)
    assert made.people.chats[TRADER].alive is True
    assert made.chat_changes == [(TRADER, False), (TRADER, True)]


async def test_a_group_is_greeted_only_when_an_approved_person_brought_us_in() -> None:
    made = desk()
    await change(made, GROUP, member("left"), member("member"), STRANGER)
    assert made.telegram.texts() == []
    assert GROUP not in made.people.chats
    await change(made, GROUP, member("left"), member("member"), TRADER)
    assert "/price@TideBot" in made.telegram.texts()[0]


async def test_a_migration_moves_the_chat_by_either_notice() -> None:
    made = desk()
    old = made.message("x", TRADER, -55) | {"migrate_to_chat_id": GROUP}
    new = made.message("x", TRADER, GROUP) | {"migrate_from_chat_id": -55}
    for notice in (old, new):
        notice.pop("text")
        await made.update(message=notice)
    assert made.people.moves == [(-55, GROUP), (-55, GROUP)]
    assert made.telegram.texts() == []


async def test_a_send_that_meets_a_closed_chat_silences_it_and_a_moved_one_is_followed() -> None:
    made = desk()
    await made.say("/price btc")
    made.telegram.faults[f"sendMessage:{TRADER}"].append(refusal(403, "Forbidden: blocked"))
    await made.say("/price btc")
    assert made.people.chats[TRADER].alive is False
    assert made.chat_changes == [(TRADER, False)]
    await made.say("/price btc")  # whoever writes again is back
    assert made.people.chats[TRADER].alive is True
    moved = refusal(400, "Bad Request: upgraded", migrate_to_chat_id=GROUP)
    made.telegram.faults["sendMessage:-55"].append(moved)
    await made.say("/price btc", TRADER, -55)
    assert made.people.moves == [(-55, GROUP)]
    assert made.telegram.texts(GROUP) == ["did price"]


async def test_another_button_of_the_card_in_between_makes_a_press_a_new_wish() -> None:
    made = desk()
    for name in ("x:pause", "x:resume"):
        made.add(name, Reply(toast=name), changes=True)
    for data in ("a:x:pause:1", "a:x:resume:1", "a:x:pause:1"):
        await made.press(data)
    assert len(made.asked) == 3
    assert [a["text"] for a in made.telegram.of("answerCallbackQuery")] == [
        "x:pause",
        "x:resume",
        "x:pause",
    ]
