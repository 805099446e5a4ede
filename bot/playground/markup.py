"""Keyboards: what Telegram accepts, and the part of it that a message shows."""

from typing import Any
from urllib.parse import urlsplit

from bot.playground.errors import ApiError, bad
from bot.playground.params import Params

Json = dict[str, Any]
BUTTONS, ROW = 100, 8
_ACTIONS = (
    "callback_data", "url", "copy_text", "web_app", "login_url", "switch_inline_query",
    "switch_inline_query_current_chat", "switch_inline_query_chosen_chat", "callback_game", "pay",
)  # fmt: skip
_STYLES = ("danger", "success", "primary")


def read_markup(params: Params, *, inline_only: bool = False) -> tuple[Json | None, Json | None]:
    """(inline keyboard, other keyboard) of a call; at most one of them is given."""
    markup = params.data("reply_markup")
    if markup is None:
        return None, None
    if not isinstance(markup, dict):
        raise bad("object expected as reply markup")
    if "inline_keyboard" in markup:
        keyboard = _inline(markup["inline_keyboard"])
        return ({"inline_keyboard": keyboard} if keyboard else None), None
    if inline_only:
        raise bad("inline keyboard expected")
    if "keyboard" in markup:
        return None, _reply_keyboard(markup)
    if markup.get("remove_keyboard"):
        return None, {"remove": True, "selective": bool(markup.get("selective"))}
    if markup.get("force_reply"):
        return None, {"force_reply": True, "placeholder": _placeholder(markup)}
    return None, None


def _inline(rows: Any) -> list[list[Json]]:
    if not isinstance(rows, list) or not all(isinstance(row, list) for row in rows):
        raise bad(
            'can\'t parse inline keyboard: Field "inline_keyboard" must be an Array of Arrays'
        )
    keyboard = [[_button(button) for button in row] for row in rows if row]
    if sum(map(len, keyboard)) > BUTTONS or any(len(row) > ROW for row in keyboard):
        raise bad("reply markup is too long")
    return keyboard


def _button(button: Any) -> Json:
    if not isinstance(button, dict) or not isinstance(button.get("text"), str):
        raise _unreadable('Field "text" must be of type String')
    if not button["text"].strip():
        raise _unreadable("Button text must be non-empty")
    actions = [name for name in _ACTIONS if button.get(name) is not None]
    if not actions:
        raise _unreadable("Text buttons are unallowed in the inline keyboard")
    if len(actions) > 1:
        raise bad("BUTTON_TYPE_INVALID")
    _check_action(actions[0], button[actions[0]])
    if button.get("style") not in (None, *_STYLES):
        raise _unreadable("Invalid button style specified")
    names = ("text", "style", "icon_custom_emoji_id", actions[0])
    return {name: button[name] for name in names if button.get(name) is not None}


def _check_action(action: str, value: Any) -> None:
    if action == "callback_data":
        if not isinstance(value, str) or not 1 <= len(value.encode()) <= 64:
            raise bad("BUTTON_DATA_INVALID")
    elif action == "url":
        if not isinstance(value, str) or not _reachable(value):
            raise bad("BUTTON_URL_INVALID")
    elif action == "copy_text":
        text = value.get("text") if isinstance(value, dict) else None
        if not isinstance(text, str) or not 1 <= len(text) <= 256:
            raise bad("BUTTON_COPY_TEXT_INVALID")


def _reachable(url: str) -> bool:
    parts = urlsplit(url if "://" in url else f"http://{url}")
    if parts.scheme == "tg":
        return bool(parts.netloc)
    return parts.scheme in ("http", "https") and "." in parts.netloc and " " not in url


def _reply_keyboard(markup: Json) -> Json:
    rows = markup["keyboard"]
    if not isinstance(rows, list) or not all(isinstance(row, list) for row in rows):
        raise bad("can't parse reply keyboard markup JSON object")
    keys = [[key.get("text") if isinstance(key, dict) else key for key in row] for row in rows]
    if not all(isinstance(key, str) and key for row in keys for key in row):
        raise bad('can\'t parse keyboard button: Field "text" must be non-empty')
    return {
        "keyboard": keys,
        "resize": bool(markup.get("resize_keyboard")),
        "one_time": bool(markup.get("one_time_keyboard")),
        "persistent": bool(markup.get("is_persistent")),
        "placeholder": _placeholder(markup),
    }


def _placeholder(markup: Json) -> str:
    text = markup.get("input_field_placeholder") or ""
    if len(text) > 64:
        raise bad("input field placeholder is too long")
    return str(text)


def _unreadable(reason: str) -> ApiError:
    return bad(f"can't parse inline keyboard button: {reason}")
