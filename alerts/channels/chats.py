"""Another Telegram chat as a destination: a channel, a group or a topic the asker is an admin of."""

import re
from dataclasses import dataclass
from typing import Protocol

from alerts.channels.types import TELEGRAM
from alerts.channels.way import Address
from market.errors import UserError
from market.language import _

CHAT = re.compile(r"@[A-Za-z][A-Za-z0-9_]{3,31}|-\d{5,20}")


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundChat:
    """What Telegram says of a chat and of the one who asks."""

    chat_id: int
    title: str
    asker_is_admin: bool
    bot_may_post: bool


class ChatLookup(Protocol):
    """Asks Telegram: getChat, getChatMember of the asker, getChatMember of the bot."""

    async def find(self, chat: str, user_id: int) -> FoundChat | None:
        """`chat` is @name or an id; None where the bot does not see it."""
        ...


@dataclass(slots=True)
class Chats:
    """Addresses of Telegram chats; their messages go out through the Telegram channel itself."""

    lookup: ChatLookup
    name: str = TELEGRAM
    example: str = "telegram @yourchannel"
    typed_back: bool = False
    admin: bool = False
    daily: int = 0

    async def read(self, typed: str, owner_id: int) -> Address:
        """A chat that the asker runs and the bot may write to."""
        name, again = typed.strip(), f"/channels add {self.example}"
        if not CHAT.fullmatch(name):
            raise UserError(_("Write the chat as @name, or as its number."), again)
        found = await self.lookup.find(name, owner_id)
        # One answer for all cases: whether a chat exists is nobody's business.
        if found is None or not found.asker_is_admin:
            raise UserError(
                _("I see no such chat with you as an admin; add me there first."), again
            )
        if not found.bot_may_post:
            raise UserError(_("I may not post there; make me an admin who may."), again)
        return Address(address=str(found.chat_id), label=found.title[:40], sure=True)
