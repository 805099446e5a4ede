"""Methods that change, remove and answer."""

from bot.playground.errors import bad
from bot.playground.markup import read_markup
from bot.playground.params import Params
from bot.playground.sending import caption_of, media_of, text_of
from bot.playground.state import Chat, Json, Message, World

CONTENT = (
    "text", "entities", "caption", "caption_entities", "photo", "document", "reply_markup",
)  # fmt: skip
DELETABLE = 48 * 3600  # s
ANSWERABLE = 30_000  # ms


def edit_message_text(world: World, params: Params) -> Json:
    """editMessageText."""
    content = text_of(world, params)
    chat, message = _mine(world, params)
    if "text" not in message.body:
        raise bad("there is no text in the message to edit")
    return _replace(world, params, chat, message, content)


def edit_message_caption(world: World, params: Params) -> Json:
    """editMessageCaption."""
    content = caption_of(
        world, params.text("caption"), params.text("parse_mode"), params.rows("caption_entities")
    )
    chat, message = _mine(world, params)
    if "text" in message.body:
        raise bad("there is no caption in the message to edit")
    media: Json = {
        name: message.body[name] for name in ("photo", "document") if name in message.body
    }
    return _replace(world, params, chat, message, {**media, **content})


def edit_message_media(world: World, params: Params) -> Json:
    """editMessageMedia; Telegram lets a text gain a picture, but never lose it again."""
    chat, message = _mine(world, params)
    read_markup(params, inline_only=True)
    item = params.structure("media")
    if message.body.get("media_group_id") and str(item.get("type")) not in message.body:
        raise bad("can't change media type in the album")
    return _replace(world, params, chat, message, media_of(world, params, item))


def edit_message_reply_markup(world: World, params: Params) -> Json:
    """editMessageReplyMarkup."""
    chat, message = _mine(world, params)
    names = (name for name in CONTENT if name in message.body and name != "reply_markup")
    return _replace(world, params, chat, message, {name: message.body[name] for name in names})


def delete_message(world: World, params: Params) -> bool:
    """deleteMessage."""
    chat = world.open_chat(params.text("chat_id"))
    message = chat.messages.get(params.integer("message_id"))
    if message is None:
        raise bad("message to delete not found")
    _delete(world, chat, message)
    return True


def delete_messages(world: World, params: Params) -> bool:
    """deleteMessages: those that can be; the others are skipped."""
    chat = world.open_chat(params.text("chat_id"))
    wanted = params.rows("message_ids")
    if not 1 <= len(wanted) <= 100:
        raise bad("there must be 1-100 message identifiers")
    for message in [m for n, m in chat.messages.items() if n in wanted]:
        if _may_delete(world, chat, message):
            _delete(world, chat, message)
    return True


def answer_callback_query(world: World, params: Params) -> bool:
    """answerCallbackQuery; only the first answer is shown."""
    query = world.queries.get(params.text("callback_query_id"))
    if query is None or world.wall.now() - query.ts > ANSWERABLE:
        raise bad("query is too old and response timeout expired or query ID is invalid")
    text = params.text("text")
    if len(text) > 200:
        raise bad("MESSAGE_TOO_LONG")
    if not query.answered:
        query.answered = True
        world.emit(
            "toast", chat_id=query.chat_id, user_id=query.user_id, query_id=query.id,
            text=text, alert=params.flag("show_alert"),
        )  # fmt: skip
    return True


def _mine(world: World, params: Params) -> tuple[Chat, Message]:
    """The message a call edits; the bot's own."""
    chat = world.open_chat(params.text("chat_id"))
    message_id = params.integer("message_id")
    if not message_id:
        raise bad("message identifier is not specified")
    message = chat.messages.get(message_id)
    if message is None:
        raise bad("message to edit not found")
    if not message.own:
        raise bad("message can't be edited")
    return chat, message


def _replace(world: World, params: Params, chat: Chat, message: Message, content: Json) -> Json:
    """Show `content` and the keyboard of the call; without one the old keyboard goes."""
    inline, _ = read_markup(params, inline_only=True)
    if inline:
        content = {**content, "reply_markup": inline}
    if content == {name: message.body[name] for name in CONTENT if name in message.body}:
        raise bad(
            "message is not modified: specified new message content and reply markup are exactly "
            "the same as a current content and reply markup of the message"
        )
    rest = {name: value for name, value in message.body.items() if name not in CONTENT}
    world.change(chat, message, {**rest, **content})
    return world.snapshot(message)


def _delete(world: World, chat: Chat, message: Message) -> None:
    if not _may_delete(world, chat, message):
        raise bad("message can't be deleted for everyone")
    del chat.messages[message.id]
    world.emit("delete", chat_id=chat.id, message_id=message.id)


def _may_delete(world: World, chat: Chat, message: Message) -> bool:
    """Own messages, those of private chats, and all as an administrator; within 48 hours."""
    allowed = message.own or chat.kind == "private" or not chat.privacy
    return allowed and world.seconds() - int(message.body["date"]) < DELETABLE
