"""The command menus, from the registry: one for everybody, a short one for groups, a full one for admins."""

import logging
import re
from collections.abc import Iterable, Mapping, Sequence

from telegram import (
    Bot,
    BotCommand,
    BotCommandScope,
    BotCommandScopeAllGroupChats,
    BotCommandScopeChat,
    BotCommandScopeDefault,
)
from telegram.error import TelegramError

from bot.telegram.redact import Redactor
from handlers.base import COMMANDS, Command
from handlers.types import Role
from market.language import _

logger = logging.getLogger(__name__)

NAME = re.compile(r"[a-z0-9_]{1,32}")
DESCRIPTION, LONGEST = 256, 100  # characters; entries of one menu


def entries(commands: Mapping[str, Command], role: Role) -> list[BotCommand]:
    """The menu of somebody with `role`. One bad name would make Telegram refuse the whole list."""
    listed = []
    for name, entry in commands.items():
        if name == entry.name and entry.menu and entry.role <= role:
            if not NAME.fullmatch(name):
                raise ValueError(f"{name!r} cannot be in a Telegram menu: 1-32 of a-z 0-9 _")
            listed.append(BotCommand(name, _(entry.summary)[:DESCRIPTION] or name))
    return listed[:LONGEST]


def menus(
    commands: Mapping[str, Command], admin_ids: Iterable[int]
) -> list[tuple[BotCommandScope, list[BotCommand]]]:
    """Each scope with its list; Telegram shows the narrowest that fits, lists do not merge."""
    plan: list[tuple[BotCommandScope, list[BotCommand]]] = [
        (BotCommandScopeDefault(), entries(commands, Role.ALERTER)),
        (BotCommandScopeAllGroupChats(), entries(commands, Role.VIEWER)),
    ]
    full = entries(commands, Role.ADMIN)
    return plan + [(BotCommandScopeChat(chat_id), full) for chat_id in sorted(admin_ids)]


async def publish(
    bot: Bot, admin_ids: Iterable[int], commands: Mapping[str, Command] = COMMANDS
) -> int:
    """Set the menus that differ from what Telegram has; returns how many. A failure costs that menu only."""
    changed = 0
    redactor = Redactor((bot.token,))
    for scope, wanted in menus(commands, admin_ids):
        try:
            changed += await _set(bot, scope, wanted)
        except TelegramError as error:
            # A chat the bot was never in cannot have a menu yet.
            logger.warning("menu not set scope=%s reason=%s", scope.type, redactor.text(str(error)))
    return changed


async def _set(bot: Bot, scope: BotCommandScope, wanted: Sequence[BotCommand]) -> bool:
    shown = await bot.get_my_commands(scope=scope)
    if [(c.command, c.description) for c in shown] == [(c.command, c.description) for c in wanted]:
        return False
    if wanted:
        return await bot.set_my_commands(list(wanted), scope=scope)
    return await bot.delete_my_commands(scope=scope)
