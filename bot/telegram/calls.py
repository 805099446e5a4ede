"""An `OutMessage` as calls of the Bot API."""

from telegram import (
    Bot,
    InlineKeyboardButton,
    InlineKeyboardMarkup,
    InputMediaPhoto,
    LinkPreviewOptions,
    Message,
    ReplyParameters,
)

from bot.telegram.render import Key, OutMessage

NO_PREVIEW = LinkPreviewOptions(is_disabled=True)
MEDIA_READ = 30.0  # seconds: Telegram recodes a picture before it answers


def keyboard(keys: tuple[tuple[Key, ...], ...]) -> InlineKeyboardMarkup | None:
    """The inline keyboard, None where there is none."""
    if not keys:
        return None
    return InlineKeyboardMarkup(
        [
            [InlineKeyboardButton(k.text, callback_data=k.data, style=k.style or None) for k in row]
            for row in keys
        ]
    )


async def send_message(
    bot: Bot,
    chat_id: int,
    message: OutMessage,
    *,
    thread_id: int | None = None,
    reply_to: int | None = None,
    html: bool = True,
    silent: bool = False,
) -> Message:
    """One try at sending; `html` False sends the text without tags, `silent` makes no sound."""
    quiet = True if silent else None
    text, mode = (message.html, "HTML") if html else (message.plain, None)
    reply = ReplyParameters(reply_to, allow_sending_without_reply=True) if reply_to else None
    if message.kind == "photo":
        return await bot.send_photo(
            chat_id, message.photo, caption=text or None, parse_mode=mode, filename=message.name,
            reply_markup=keyboard(message.keys), message_thread_id=thread_id,
            reply_parameters=reply, disable_notification=quiet, read_timeout=MEDIA_READ,
        )  # fmt: skip
    return await bot.send_message(
        chat_id, text, parse_mode=mode, reply_markup=keyboard(message.keys),
        message_thread_id=thread_id, reply_parameters=reply, disable_notification=quiet,
        link_preview_options=NO_PREVIEW,
    )  # fmt: skip


async def edit_message(
    bot: Bot, chat_id: int, message_id: int, message: OutMessage, *, media: bool, html: bool = True
) -> Message | bool:
    """One try at editing. A picture stays one: without a new picture only its caption changes."""
    text, mode = (message.html, "HTML") if html else (message.plain, None)
    keys = keyboard(message.keys)
    if message.kind == "photo":
        picture = InputMediaPhoto(
            message.photo, caption=text or None, parse_mode=mode, filename=message.name
        )
        return await bot.edit_message_media(
            picture, chat_id, message_id, reply_markup=keys, read_timeout=MEDIA_READ
        )
    if media:
        return await bot.edit_message_caption(
            chat_id, message_id, caption=text, parse_mode=mode, reply_markup=keys
        )
    return await bot.edit_message_text(
        text, chat_id, message_id, parse_mode=mode, reply_markup=keys,
        link_preview_options=NO_PREVIEW,
    )  # fmt: skip


async def delete_message(bot: Bot, chat_id: int, message_id: int) -> bool:
    """One try at deleting."""
    return await bot.delete_message(chat_id, message_id)
