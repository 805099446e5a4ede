"""Messages and chats in the form the chat page shows them."""

from dataclasses import dataclass

from bot.playground.html_render import render_html
from bot.playground.state import Chat, Json, Message, World
from market.language import _

SHOWN = 200  # newest messages of a chat that a page gets when it opens


@dataclass(frozen=True, slots=True, kw_only=True)
class Player:
    """A person the page can write as."""

    id: int
    name: str
    username: str
    role: str  # admin, trader, stranger
    colour: str


def hello(world: World, cast: tuple[Player, ...], market: Json | None) -> Json:
    """Everything a page needs when it opens."""
    chats = [chat for chat in world.chats.values() if chat.moved_to is None]
    return {
        "type": "hello",
        "bot": {"id": world.bot.id, "name": world.bot.name, "username": world.bot.username},
        "users": [{"id": p.id, "name": p.name, "role": p.role, "colour": p.colour} for p in cast],
        "chats": [chat_view(chat) for chat in chats],
        "messages": {str(chat.id): _newest(chat) for chat in chats},
        "commands": menus(world),
        "market": market,
    }


def chat_view(chat: Chat) -> Json:
    """One line of the list of chats."""
    return {"id": chat.id, "kind": chat.kind, "title": chat.title, "members": list(chat.members)}


def menus(world: World) -> dict[str, list[Json]]:
    """Command menus by scope (`default`, `chat:1001` ...); one for a language has `/<language>` behind it."""
    named = {f"{scope}/{lang}" if lang else scope: m for (scope, lang), m in world.commands.items()}
    return dict(sorted(named.items()))


def message_view(message: Message) -> Json:
    """One bubble. `html` and `caption_html` are safe to insert."""
    body = message.body
    text, caption = body.get("text", ""), body.get("caption", "")
    return {
        "message_id": message.id,
        "from": _author(body),
        "date": body["date"],
        "text": text,
        "html": render_html(text, body.get("entities", [])),
        "photo": _photo(body),
        "document": _document(body),
        "caption_html": render_html(caption, body.get("caption_entities", [])),
        "buttons": _buttons(body),
        "reply_keyboard": message.keyboard,
        "edited": body.get("edit_date"),
        "reply_to": _answered(body),
        "forwarded": "forward_origin" in body,
        "service": _service(body),
    }


def _newest(chat: Chat) -> list[Json]:
    return [message_view(message) for message in list(chat.messages.values())[-SHOWN:]]


def _author(body: Json) -> Json:
    sender = body.get("sender_chat") or body["from"]
    name = sender.get("title") or sender.get("first_name", "")
    return {"id": sender["id"], "name": name, "is_bot": bool(body.get("from", {}).get("is_bot"))}


def _photo(body: Json) -> Json | None:
    if "photo" not in body:
        return None
    largest = body["photo"][-1]
    return {
        "url": f"/playground/photo/{largest['file_id']}",
        "width": largest["width"],
        "height": largest["height"],
    }


def _document(body: Json) -> Json | None:
    if "document" not in body:
        return None
    shown = body["document"]
    url = f"/playground/file/{shown['file_id']}"
    return {"url": url, "name": shown["file_name"], "size": shown["file_size"]}


def _buttons(body: Json) -> list[list[Json]] | None:
    keyboard = body.get("reply_markup", {}).get("inline_keyboard")
    return [[_button(key) for key in row] for row in keyboard] if keyboard else None


def _button(key: Json) -> Json:
    return {
        "text": key["text"],
        "data": key.get("callback_data"),
        "url": key.get("url"),
        "copy": key.get("copy_text", {}).get("text"),
        "style": key.get("style"),
    }


def _answered(body: Json) -> Json | None:
    target = body.get("reply_to_message")
    if target is None:
        return None
    text = target.get("text") or target.get("caption") or ""
    return {"message_id": target["message_id"], "from": _author(target), "text": text[:200]}


def _service(body: Json) -> str | None:
    if "migrate_to_chat_id" in body or "migrate_from_chat_id" in body:
        return _("The group became a supergroup")
    return None
