"""Telegram chats as further places for alerts: whether the bot and whoever asks may post there."""

from telegram import Bot
from telegram.constants import ChatMemberStatus
from telegram.error import BadRequest, Forbidden, TelegramError

from alerts.channels.chats import FoundChat
from market.errors import SourceUnavailable
from market.language import _

RUNNING = (ChatMemberStatus.OWNER, ChatMemberStatus.ADMINISTRATOR)


class Lookup:
    """`alerts.channels.chats.ChatLookup` over the Bot API."""

    def __init__(self, bot: Bot) -> None:
        self._bot = bot

    async def find(self, chat: str, user_id: int) -> FoundChat | None:
        """`chat` is @name or an id; None where the bot does not see it."""
        try:
            found = await self._bot.get_chat(chat)
            asker = await self._bot.get_chat_member(found.id, user_id)
            own = await self._bot.get_chat_member(found.id, self._bot.id)
        except (BadRequest, Forbidden):
            return None
        except TelegramError as error:
            raise SourceUnavailable("Telegram", _("no answer")) from error
        runs = own.status in RUNNING
        posts = found.type != "channel" or bool(getattr(own, "can_post_messages", False))
        return FoundChat(
            chat_id=found.id, title=found.title or "", asker_is_admin=asker.status in RUNNING,
            bot_may_post=own.status == ChatMemberStatus.OWNER or (runs and posts)
            or (own.status == ChatMemberStatus.MEMBER and found.type != "channel"),
        )  # fmt: skip
