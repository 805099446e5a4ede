"""Methods that tell about the bot, chats, members and files, and the command menu."""

import re

from bot.playground.errors import bad
from bot.playground.files import DOWNLOAD_LARGEST
from bot.playground.params import Params
from bot.playground.state import Chat, Json, User, World

COMMAND = re.compile(r"[a-z0-9_]{1,32}")
_WIDE = (
    "default", "all_private_chats", "all_group_chats", "all_chat_administrators",
)  # fmt: skip
_RIGHTS = (
    "can_manage_chat", "can_delete_messages", "can_manage_video_chats", "can_restrict_members",
    "can_promote_members", "can_change_info", "can_invite_users", "can_post_stories",
    "can_edit_stories", "can_delete_stories", "can_pin_messages",
)  # fmt: skip


def get_me(world: World, _params: Params) -> Json:
    """getMe."""
    return {
        **world.bot.json(),
        "can_join_groups": True,
        "can_read_all_group_messages": world.reads_all,
        "supports_inline_queries": False,
        "can_connect_to_business": False,
        "has_main_web_app": False,
    }


def get_chat(world: World, params: Params) -> Json:
    """getChat."""
    chat = world.chat(params.text("chat_id"))
    if chat.kind != "private":
        world.open_chat(chat.id)
    gifts = ("unlimited_gifts", "limited_gifts", "unique_gifts", "premium_subscription")
    return {
        **chat.json(),
        "accent_color_id": 0,
        "max_reaction_count": 11,
        "accepted_gift_types": dict.fromkeys((*gifts, "gifts_from_channels"), False),
    }


def get_chat_member(world: World, params: Params) -> Json:
    """getChatMember."""
    chat = _seen(world, params)
    user = world.users.get(params.integer("user_id"))
    if user is None:
        raise bad("user not found")
    if user.id == world.bot.id:
        return member(user, bot_status(world, chat))
    return member(user, chat.members.get(user.id, "left"))


def get_chat_administrators(world: World, params: Params) -> list[Json]:
    """getChatAdministrators: people and, where it is one, the bot itself."""
    chat = _seen(world, params)
    if chat.kind == "private":
        raise bad("there are no administrators in the private chat")
    statuses = {**chat.members, world.bot.id: bot_status(world, chat)}
    ranks = ("creator", "administrator")
    return [member(world.users[i], s) for i, s in statuses.items() if s in ranks]


def get_chat_member_count(world: World, params: Params) -> int:
    """getChatMemberCount."""
    chat = _seen(world, params)
    return sum(status not in ("left", "kicked") for status in chat.members.values()) + 1


def bot_status(world: World, chat: Chat) -> str:
    """What the bot is in a chat."""
    admin = chat.bot == "member" and chat.kind != "private" and not chat.privacy
    return "administrator" if admin and not world.reads_all else chat.bot


def member(user: User, status: str) -> Json:
    """A ChatMember."""
    shown: Json = {"user": user.json(), "status": status}
    if status == "creator":
        shown["is_anonymous"] = False
    elif status == "administrator":
        shown |= {"can_be_edited": False, "is_anonymous": False, **dict.fromkeys(_RIGHTS, True)}
    elif status == "kicked":
        shown["until_date"] = 0
    return shown


def get_file(world: World, params: Params) -> Json:
    """getFile."""
    file_id = params.text("file_id")
    stored = world.files.find(file_id)
    if stored is None or file_id not in stored.ids:
        raise bad("invalid file_id")
    if len(stored.data) > DOWNLOAD_LARGEST:
        raise bad("file is too big")
    shown = stored.shown if isinstance(stored.shown, dict) else stored.shown[-1]
    unique = shown["file_unique_id"]
    return {
        "file_id": file_id,
        "file_unique_id": unique,
        "file_size": len(stored.data),
        "file_path": stored.path,
    }


def set_my_commands(world: World, params: Params) -> bool:
    """setMyCommands; one bad entry refuses the whole list."""
    key = _menu(world, params)
    commands = params.rows("commands")
    if len(commands) > 100:
        raise bad("BOT_COMMANDS_TOO_MUCH")
    menu: list[Json] = []
    for entry in commands:
        name = str(entry.get("command", "")).removeprefix("/") if isinstance(entry, dict) else ""
        if not COMMAND.fullmatch(name):
            raise bad("BOT_COMMAND_INVALID")
        description = str(entry.get("description", "")).strip()
        if not 1 <= len(description) <= 256:
            raise bad("BOT_COMMAND_DESCRIPTION_INVALID")
        menu.append({"command": name, "description": description})
    world.commands[key] = menu
    world.emit("commands")
    return True


def get_my_commands(world: World, params: Params) -> list[Json]:
    """getMyCommands: exactly this scope and language, without falling back."""
    return world.commands.get(_menu(world, params), [])


def delete_my_commands(world: World, params: Params) -> bool:
    """deleteMyCommands."""
    world.commands.pop(_menu(world, params), None)
    world.emit("commands")
    return True


def yes(_world: World, _params: Params) -> bool:
    """Methods without an effect here."""
    return True


def _seen(world: World, params: Params) -> Chat:
    chat = world.chat(params.text("chat_id"))
    return chat if chat.kind == "private" else world.open_chat(chat.id)


def _menu(world: World, params: Params) -> tuple[str, str]:
    scope = params.structure("scope") or {"type": "default"}
    kind, language = str(scope.get("type")), params.text("language_code")
    if kind in _WIDE:
        return kind, language
    if kind not in ("chat", "chat_administrators", "chat_member"):
        raise bad("can't parse BotCommandScope: Unsupported type specified")
    chat = world.chat(scope.get("chat_id", ""))
    if kind == "chat_member":
        return f"{kind}:{chat.id}:{scope.get('user_id')}", language
    return f"{kind}:{chat.id}", language
