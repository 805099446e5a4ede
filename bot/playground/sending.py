"""Methods that put messages into a chat."""

import secrets
from typing import Any

from bot.playground.errors import bad
from bot.playground.markup import read_markup
from bot.playground.params import Params
from bot.playground.state import Chat, Json, Message, World
from bot.playground.text import CAPTION, TEXT, formatted

ACTIONS = frozenset({
    "typing", "upload_photo", "record_video", "upload_video", "record_voice", "upload_voice",
    "upload_document", "choose_sticker", "find_location", "record_video_note", "upload_video_note",
})  # fmt: skip


def send_message(world: World, params: Params) -> Json:
    """sendMessage."""
    content = text_of(world, params)
    return _send(world, params, [content])[0]


def send_photo(world: World, params: Params) -> Json:
    """sendPhoto."""
    return _send_file(world, params, "photo")


def send_document(world: World, params: Params) -> Json:
    """sendDocument."""
    return _send_file(world, params, "document")


def send_media_group(world: World, params: Params) -> list[Json]:
    """sendMediaGroup: 2-10 pictures, or 2-10 documents."""
    items = params.rows("media")
    if not 2 <= len(items) <= 10:
        raise bad("media group must include 2-10 items")
    if len({str(item.get("type")) if isinstance(item, dict) else "" for item in items}) != 1:
        raise bad("document can't be mixed with other media types")
    album = {"media_group_id": str(secrets.randbits(53))}
    return _send(world, params, [{**media_of(world, params, item), **album} for item in items])


def send_chat_action(world: World, params: Params) -> bool:
    """sendChatAction."""
    action = params.text("action")
    if action not in ACTIONS:
        raise bad("wrong parameter action in request")
    chat = world.open_chat(params.text("chat_id"))
    world.emit("typing", chat_id=chat.id, action=action)
    return True


def text_of(world: World, params: Params) -> Json:
    """`text` and `entities` of a call."""
    given = params.text("text")
    if not given:
        raise bad("message text is empty")
    text, entities = formatted(
        world, given, params.text("parse_mode"), params.rows("entities"), most=TEXT
    )
    if not text:
        raise bad("text must be non-empty")
    return {"text": text, "entities": entities} if entities else {"text": text}


def caption_of(world: World, caption: str, mode: str, entities: list[Any]) -> Json:
    """`caption` and `caption_entities`; {} where there is none."""
    text, found = formatted(world, caption, mode, entities, most=CAPTION)
    if not text:
        return {}
    return {"caption": text, "caption_entities": found} if found else {"caption": text}


def media_of(world: World, params: Params, item: Any) -> Json:
    """One InputMedia as message content."""
    if not isinstance(item, dict) or item.get("type") not in ("photo", "document"):
        raise bad("can't parse InputMedia: type of the media is not supported")
    caption = caption_of(
        world, str(item.get("caption") or ""), str(item.get("parse_mode") or ""),
        item.get("caption_entities") or [],
    )  # fmt: skip
    stored = world.files.take(item["type"], params.attached(str(item.get("media") or "")))
    return {stored.kind: stored.shown, **caption}


def _send_file(world: World, params: Params, kind: str) -> Json:
    world.open_chat(params.text("chat_id"))
    caption = caption_of(
        world, params.text("caption"), params.text("parse_mode"), params.rows("caption_entities")
    )
    read_markup(params)  # a refused keyboard must not leave a stored file
    stored = world.files.take(kind, params.file(kind))
    return _send(world, params, [{stored.kind: stored.shown, **caption}])[0]


def _send(world: World, params: Params, contents: list[Json]) -> list[Json]:
    """Post messages that share chat, thread, reply and keyboard."""
    inline, keyboard = read_markup(params)
    chat = world.open_chat(params.text("chat_id"))
    around = {**_thread(chat, params), **_reply(world, chat, params), **_extras(params)}
    sent: list[Json] = []
    for content in contents:
        body = {**world.header(chat), **around, **content}
        if inline:
            body["reply_markup"] = inline
        message = world.post(chat, body, own=True, keyboard=keyboard)
        sent.append(world.snapshot(message))
    return sent


def _thread(chat: Chat, params: Params) -> Json:
    thread = params.integer("message_thread_id")
    if not thread:
        return {}
    if thread in chat.closed_threads:
        raise bad("message thread not found")
    return {"message_thread_id": thread, **({"is_topic_message": True} if chat.forum else {})}


def _reply(world: World, chat: Chat, params: Params) -> Json:
    wanted = params.structure("reply_parameters")
    legacy = params.integer("reply_to_message_id")
    message_id = wanted.get("message_id") or legacy
    if not message_id:
        return {}
    target = chat.messages.get(message_id) if isinstance(message_id, int) else None
    if target is not None:
        return {"reply_to_message": quoted(world, target)}
    lenient = wanted.get("allow_sending_without_reply")
    if lenient or params.flag("allow_sending_without_reply"):
        return {}
    raise bad("message to be replied not found")


def quoted(world: World, target: Message) -> Json:
    """A message as the one that answers it shows it: without what it answered itself."""
    body = world.snapshot(target)
    body.pop("reply_to_message", None)
    return body


def _extras(params: Params) -> Json:
    extras: Json = {}
    if params.flag("protect_content"):
        extras["has_protected_content"] = True
    preview = params.structure("link_preview_options")
    if preview.get("is_disabled"):
        extras["link_preview_options"] = {"is_disabled": True}
    return extras
