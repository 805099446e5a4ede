"""Sending, editing, deleting and answering, seen through an unmodified bot."""

import pytest
from botapi_bench import ADA, GROUP, SAM, SUPER, TOM, bench, png
from telegram import (
    CopyTextButton,
    ForceReply,
    InlineKeyboardButton,
    InlineKeyboardMarkup,
    InputMediaDocument,
    InputMediaPhoto,
    ReplyKeyboardMarkup,
    ReplyParameters,
)
from telegram.error import BadRequest, ChatMigrated, Forbidden, RetryAfter

from bot.telegram.build import seconds

KEYS = InlineKeyboardMarkup([[InlineKeyboardButton("Refresh", callback_data="r:1")]])


def keys(data: str) -> InlineKeyboardMarkup:
    return InlineKeyboardMarkup([[InlineKeyboardButton("x", callback_data=data)]])


async def test_a_message_comes_back_as_the_chat_shows_it() -> None:
    async with bench() as (server, bot, _):
        sent = await bot.send_message(
            ADA, " <b>BTC</b> /price ", parse_mode="HTML", reply_markup=KEYS, protect_content=True
        )
        assert sent.text == "BTC /price"
        assert [(e.type, e.offset, e.length) for e in sent.entities] == [
            ("bold", 0, 3),
            ("bot_command", 4, 6),
        ]
        assert sent.reply_markup == KEYS
        assert sent.from_user.id == bot.id
        assert sent.has_protected_content
        assert [m["text"] for m in server.messages(ADA)] == ["BTC /price"]


async def test_message_ids_are_counted_per_chat() -> None:
    async with bench() as (_, bot, _clock):
        ids = [(await bot.send_message(chat, "x")).message_id for chat in (ADA, ADA, TOM)]
        assert ids == [ids[0], ids[0] + 1, ids[0]]


async def test_length_counts_after_parsing_in_code_points() -> None:
    async with bench() as (_, bot, _clock):
        longest = "\U0001f514" * 4096
        assert (await bot.send_message(ADA, longest)).text == longest
        escaped = await bot.send_message(ADA, "&lt;" * 4096, parse_mode="HTML")
        assert escaped.text == "<" * 4096
        with pytest.raises(BadRequest, match=r"(?i)message is too long"):
            await bot.send_message(ADA, longest + "x")
        with pytest.raises(BadRequest, match=r"(?i)message caption is too long"):
            await bot.send_photo(ADA, png(10, 10), caption="x" * 1025)


async def test_refused_html_reaches_nobody() -> None:
    async with bench() as (server, bot, _):
        with pytest.raises(
            BadRequest, match=r"(?i)parse entities: unsupported start tag .. at byte offset 2$"
        ):
            await bot.send_message(ADA, "a < b", parse_mode="HTML")
        with pytest.raises(BadRequest, match=r"(?i)unsupported parse_mode"):
            await bot.send_message(ADA, "*a*", parse_mode="MarkdownV3")
        for empty in (" ", "<b> </b>"):
            with pytest.raises(BadRequest, match=r"(?i)text must be non-empty"):
                await bot.send_message(ADA, empty, parse_mode="HTML")
        assert server.messages(ADA) == []


async def test_button_data_is_measured_in_bytes() -> None:
    async with bench() as (_, bot, _clock):
        await bot.send_message(ADA, "x", reply_markup=keys("d" * 64))
        await bot.send_message(ADA, "x", reply_markup=keys("\u00e9" * 32))
        for data in ("d" * 65, "\u00e9" * 33):
            with pytest.raises(BadRequest, match=r"(?i)button_data_invalid"):
                await bot.send_message(ADA, "x", reply_markup=keys(data))


async def test_buttons_that_do_nothing_and_keyboards_that_are_too_large_are_refused() -> None:
    async with bench() as (_, bot, _clock):
        with pytest.raises(BadRequest, match=r"(?i)text buttons are unallowed"):
            await bot.send_message(
                ADA, "x", reply_markup=InlineKeyboardMarkup([[InlineKeyboardButton("x")]])
            )
        row = [InlineKeyboardButton("x", callback_data="x")]
        await bot.send_message(ADA, "x", reply_markup=InlineKeyboardMarkup([row] * 100))
        for wrong in ([row] * 101, [row * 9]):
            with pytest.raises(BadRequest, match=r"(?i)reply markup is too long"):
                await bot.send_message(ADA, "x", reply_markup=InlineKeyboardMarkup(wrong))
        copy = InlineKeyboardButton("id", copy_text=CopyTextButton("412"), style="danger")
        link = InlineKeyboardButton("web", url="https://example.com/")
        sent = await bot.send_message(ADA, "x", reply_markup=InlineKeyboardMarkup([[copy, link]]))
        assert sent.reply_markup.inline_keyboard[0] == (copy, link)


async def test_reply_keyboards_are_not_part_of_the_message() -> None:
    async with bench() as (server, bot, _):
        sent = await bot.send_message(
            ADA,
            "x",
            reply_markup=ReplyKeyboardMarkup([["/price btc", "/help"]], resize_keyboard=True),
        )
        assert sent.reply_markup is None
        message = server.world.chats[ADA].messages[sent.message_id]
        assert message.keyboard["keyboard"] == [["/price btc", "/help"]]
        await bot.send_message(ADA, "x", reply_markup=ForceReply(input_field_placeholder="p" * 64))
        with pytest.raises(BadRequest, match=r"(?i)placeholder"):
            await bot.send_message(
                ADA, "x", reply_markup=ForceReply(input_field_placeholder="p" * 65)
            )


async def test_an_edit_without_keyboard_removes_it() -> None:
    async with bench() as (server, bot, _):
        sent = await bot.send_message(ADA, "one", reply_markup=KEYS)
        edited = await bot.edit_message_text("two", ADA, sent.message_id)
        assert edited.reply_markup is None
        assert edited.edit_date is not None
        [message] = server.messages(ADA)
        assert message["text"] == "two"
        assert [old["text"] for old in message["edits"]] == ["one"]
        assert "reply_markup" in message["edits"][0]


async def test_an_edit_that_changes_nothing_is_refused() -> None:
    async with bench() as (server, bot, _):
        sent = await bot.send_message(ADA, "<b>one</b>", parse_mode="HTML", reply_markup=KEYS)
        with pytest.raises(
            BadRequest, match=r"(?i)message is not modified: specified new message content"
        ):
            await bot.edit_message_text(
                "<b>one</b>", ADA, sent.message_id, parse_mode="HTML", reply_markup=KEYS
            )
        with pytest.raises(BadRequest, match=r"(?i)message is not modified"):
            await bot.edit_message_reply_markup(ADA, sent.message_id, reply_markup=KEYS)
        assert server.messages(ADA)[0]["edits"] == []
        await bot.edit_message_text("one", ADA, sent.message_id, reply_markup=KEYS)
        changed = await bot.edit_message_reply_markup(ADA, sent.message_id)
        assert changed.text == "one"
        assert changed.reply_markup is None


async def test_a_photo_keeps_its_kind() -> None:
    async with bench() as (_, bot, _clock):
        photo = await bot.send_photo(ADA, png(1280, 1024), caption="<b>c</b>", parse_mode="HTML")
        with pytest.raises(BadRequest, match=r"(?i)there is no text in the message to edit"):
            await bot.edit_message_text("x", ADA, photo.message_id)
        text = await bot.send_message(ADA, "x")
        with pytest.raises(BadRequest, match=r"(?i)there is no caption in the message to edit"):
            await bot.edit_message_caption(ADA, text.message_id, caption="x")
        edited = await bot.edit_message_caption(
            ADA, photo.message_id, caption="d", reply_markup=KEYS
        )
        assert edited.caption == "d"
        assert edited.photo[-1].file_id == photo.photo[-1].file_id
        assert edited.reply_markup == KEYS


async def test_photo_sizes_end_with_the_whole_picture_and_can_be_sent_again() -> None:
    async with bench() as (_, bot, _clock):
        data = png(1280, 1024)
        sent = await bot.send_photo(ADA, data)
        assert [(p.width, p.height) for p in sent.photo] == [
            (90, 72),
            (320, 256),
            (800, 640),
            (1280, 1024),
        ]
        again = await bot.send_photo(TOM, sent.photo[-1].file_id, caption="again")
        assert again.photo == sent.photo
        file = await bot.get_file(sent.photo[-1].file_id)
        assert await file.download_as_bytearray() == data


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        (b"not a picture", "image_process_failed"),
        (png(10, 201), "photo_invalid_dimensions"),
        (png(9000, 1001), "photo_invalid_dimensions"),
        (png(1, 1) + b"\0" * (10 * 1024 * 1024), "too big for a photo"),
    ],
)
async def test_pictures_telegram_would_not_take_are_refused(data: bytes, complaint: str) -> None:
    async with bench() as (server, bot, _):
        with pytest.raises(BadRequest, match=f"(?i){complaint}"):
            await bot.send_photo(ADA, data)
        assert server.messages(ADA) == []


async def test_a_jpeg_tells_its_size() -> None:
    head = bytes.fromhex("ffd8ffe000104a46494600010100000100010000ffc0000b08012c01900101110000")
    async with bench() as (_, bot, _clock):
        sent = await bot.send_photo(ADA, head)
        assert (sent.photo[-1].width, sent.photo[-1].height) == (400, 300)


async def test_unknown_file_ids_are_refused() -> None:
    async with bench() as (_, bot, _clock):
        with pytest.raises(BadRequest, match=r"(?i)wrong file identifier"):
            await bot.send_photo(ADA, "AgADnobody")
        with pytest.raises(BadRequest, match=r"(?i)invalid file_id"):
            await bot.get_file("AgADnobody")
        document = await bot.send_document(ADA, b"a;b", filename="x.csv")
        with pytest.raises(BadRequest, match=r"(?i)can't use file of type document as photo"):
            await bot.send_photo(ADA, document.document.file_id)


async def test_a_document_keeps_name_and_bytes() -> None:
    async with bench() as (_, bot, _clock):
        sent = await bot.send_document(ADA, b"a;b\n1;2\n", filename="cvd.csv", caption="data")
        assert (sent.document.file_name, sent.document.file_size) == ("cvd.csv", 8)
        file = await bot.get_file(sent.document.file_id)
        assert await file.download_as_bytearray() == b"a;b\n1;2\n"


async def test_a_picture_is_replaced_in_place() -> None:
    async with bench() as (server, bot, _):
        sent = await bot.send_photo(ADA, png(100, 50), caption="old", reply_markup=KEYS)
        media = InputMediaPhoto(png(60, 60), caption="<i>new</i>", parse_mode="HTML")
        edited = await bot.edit_message_media(media, ADA, sent.message_id, reply_markup=KEYS)
        assert (edited.photo[-1].width, edited.caption) == (60, "new")
        same = InputMediaPhoto(edited.photo[-1].file_id, caption="<i>new</i>", parse_mode="HTML")
        with pytest.raises(BadRequest, match=r"(?i)message is not modified"):
            await bot.edit_message_media(same, ADA, sent.message_id, reply_markup=KEYS)
        assert len(server.messages(ADA)[0]["edits"]) == 1


async def test_a_text_may_gain_a_picture_but_not_lose_it_again() -> None:
    async with bench() as (_, bot, _clock):
        sent = await bot.send_message(ADA, "words")
        media = InputMediaPhoto(png(20, 20), caption="c")
        edited = await bot.edit_message_media(media, ADA, sent.message_id)
        assert (edited.text, edited.caption, edited.photo[-1].width) == (None, "c", 20)
        with pytest.raises(BadRequest, match=r"(?i)there is no text in the message to edit"):
            await bot.edit_message_text("words", ADA, sent.message_id)


async def test_an_album_is_one_group_of_messages() -> None:
    async with bench() as (server, bot, _):
        photos = [InputMediaPhoto(png(20, 20), caption="first"), InputMediaPhoto(png(30, 30))]
        sent = await bot.send_media_group(ADA, photos)
        assert [m.photo[-1].width for m in sent] == [20, 30]
        assert len({m.media_group_id for m in sent}) == 1
        with pytest.raises(BadRequest, match=r"(?i)2-10"):
            await bot.send_media_group(ADA, photos[:1])
        with pytest.raises(BadRequest, match=r"(?i)can't be mixed"):
            await bot.send_media_group(ADA, [photos[0], InputMediaDocument(b"x", filename="x.txt")])
        assert len(server.messages(ADA)) == 2


async def test_replies_and_threads_are_kept() -> None:
    async with bench() as (server, bot, _):
        server.send_text(SUPER, ADA, "/price@tidemark_bot", thread_id=9)
        asked = server.messages(SUPER)[0]["message_id"]
        sent = await bot.send_message(
            SUPER, "x", message_thread_id=9, reply_parameters=ReplyParameters(asked)
        )
        assert (sent.message_thread_id, sent.is_topic_message) == (9, True)
        assert sent.reply_to_message.message_id == asked
        server.close_thread(SUPER, 9)
        with pytest.raises(BadRequest, match=r"(?i)message thread not found"):
            await bot.send_message(SUPER, "x", message_thread_id=9)
        with pytest.raises(BadRequest, match=r"(?i)message to be replied not found"):
            await bot.send_message(ADA, "x", reply_parameters=ReplyParameters(1))
        lenient = ReplyParameters(1, allow_sending_without_reply=True)
        assert (await bot.send_message(ADA, "x", reply_parameters=lenient)).reply_to_message is None


async def test_only_own_messages_that_exist_can_be_edited() -> None:
    async with bench() as (server, bot, _):
        server.send_text(ADA, ADA, "hello")
        hers = server.messages(ADA)[0]["message_id"]
        with pytest.raises(BadRequest, match=r"(?i)message can't be edited"):
            await bot.edit_message_text("x", ADA, hers)
        with pytest.raises(BadRequest, match=r"(?i)message to edit not found"):
            await bot.edit_message_text("x", ADA, hers + 5)


async def test_deleting() -> None:
    async with bench() as (server, bot, clock):
        sent = await bot.send_message(GROUP, "x")
        assert await bot.delete_message(GROUP, sent.message_id)
        with pytest.raises(BadRequest, match=r"(?i)message to delete not found"):
            await bot.delete_message(GROUP, sent.message_id)
        server.send_text(GROUP, ADA, "hello")
        with pytest.raises(BadRequest, match=r"(?i)message can't be deleted"):
            await bot.delete_message(GROUP, server.messages(GROUP)[0]["message_id"])
        old = await bot.send_message(ADA, "x")
        clock.advance(48 * 3600 * 1000)
        with pytest.raises(BadRequest, match=r"(?i)message can't be deleted"):
            await bot.delete_message(ADA, old.message_id)


async def test_a_button_press_is_answered_within_thirty_seconds() -> None:
    async with bench() as (server, bot, clock):
        sent = await bot.send_message(ADA, "x", reply_markup=KEYS)
        query = server.press(ADA, sent.message_id, ADA, "r:1")
        [update] = await bot.get_updates()
        assert update.callback_query.id == query
        assert update.callback_query.data == "r:1"
        assert update.callback_query.message.reply_markup == KEYS
        clock.advance(30_000)
        with pytest.raises(BadRequest, match=r"(?i)message_too_long"):
            await bot.answer_callback_query(query, "x" * 201)
        assert await bot.answer_callback_query(query, "done")
        assert server.query(query).answered
        clock.advance(1)
        with pytest.raises(BadRequest, match=r"(?i)query is too old and response timeout expired"):
            await bot.answer_callback_query(query)
        with pytest.raises(BadRequest, match=r"(?i)query id is invalid"):
            await bot.answer_callback_query("1")


async def test_a_press_on_a_deleted_card_carries_no_content() -> None:
    async with bench() as (server, bot, _):
        sent = await bot.send_message(ADA, "x", reply_markup=KEYS)
        await bot.delete_message(ADA, sent.message_id)
        server.press(ADA, sent.message_id, ADA, "r:1")
        [update] = await bot.get_updates()
        assert not update.callback_query.message.is_accessible
        assert update.callback_query.message.message_id == sent.message_id


async def test_chats_that_are_not_there_or_are_closed() -> None:
    async with bench() as (server, bot, _):
        for unknown in (999, -999, "@nobody"):
            with pytest.raises(BadRequest, match=r"(?i)chat not found"):
                await bot.send_message(unknown, "x")
        server.block(SAM)
        with pytest.raises(Forbidden, match=r"(?i)bot was blocked by the user"):
            await bot.send_message(SAM, "x")
        server.unblock(SAM)
        await bot.send_message(SAM, "x")
        for chat, name in ((GROUP, "group"), (SUPER, "supergroup")):
            server.kick_bot(chat)
            with pytest.raises(Forbidden, match=f"(?i)bot was kicked from the {name} chat"):
                await bot.send_chat_action(chat, "typing")


async def test_a_group_that_moved_tells_where_it_went() -> None:
    async with bench() as (server, bot, _):
        new = server.migrate(GROUP)
        assert str(new).startswith("-100")
        with pytest.raises(ChatMigrated) as moved:
            await bot.send_message(GROUP, "x")
        assert moved.value.new_chat_id == new
        await bot.send_message(new, "x")
        updates = await bot.get_updates()
        assert [u.message.migrate_to_chat_id for u in updates] == [new, None]
        assert [u.message.migrate_from_chat_id for u in updates] == [None, GROUP]


@pytest.mark.filterwarnings("ignore:Deprecated since version v22.2")
async def test_limits_refuse_the_twenty_first_message_of_a_minute_in_a_group() -> None:
    async with bench(limits=True) as (_, bot, clock):
        for _ in range(20):
            await bot.send_message(GROUP, "x")
            clock.advance(100)
        with pytest.raises(RetryAfter) as refused:
            await bot.send_message(GROUP, "x")
        assert seconds(refused.value) == 58
        await bot.send_chat_action(GROUP, "typing")
        clock.advance(58_000)
        await bot.send_message(GROUP, "x")


@pytest.mark.filterwarnings("ignore:Deprecated since version v22.2")
async def test_limits_let_a_short_burst_pass_in_a_private_chat() -> None:
    async with bench(limits=True) as (_, bot, clock):
        for _ in range(5):
            await bot.send_message(ADA, "x")
        with pytest.raises(RetryAfter):
            await bot.send_message(ADA, "x")
        await bot.send_message(TOM, "x")
        clock.advance(5000)
        await bot.send_message(ADA, "x")


async def test_without_limits_nothing_is_held_back() -> None:
    async with bench() as (server, bot, _):
        for _ in range(25):
            await bot.send_message(GROUP, "x")
        assert len(server.messages(GROUP)) == 25
