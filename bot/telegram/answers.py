"""A handler's `Reply` on its way into a chat: drawn, with working buttons, as a new message or in place."""

from dataclasses import dataclass

from telegram import Message

from alerts.outcome import Outcome, Refused, Sent
from bot.telegram.buttons import Buttons
from bot.telegram.gateway import Gateway
from bot.telegram.limits import Priority
from bot.telegram.render import OutMessage, render
from bot.telegram.split import CAPTION_LIMIT
from handlers.app import App
from handlers.base import Reply


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where an answer goes."""

    chat_id: int
    thread_id: int | None = None
    reply_to: int | None = None


class Answers:
    """Sends replies and replaces cards."""

    def __init__(self, app: App, gateway: Gateway, buttons: Buttons) -> None:
        self._app, self.gateway, self._buttons = app, gateway, buttons

    async def send(
        self, reply: Reply, place: Place, priority: Priority = Priority.INTERACTIVE
    ) -> Outcome:
        """Send all messages of `reply` in order; stops at the first that did not leave."""
        return await self._send(await self._drawn(reply, place), place, priority)

    async def replace(self, reply: Reply, place: Place, shown: object) -> Outcome:
        """Put `reply` in the place of the message `shown`; as a new message where that cannot be.

        A picture stays a picture and a text a text: Telegram does not turn one into the other.
        """
        messages = await self._drawn(reply, place)
        if not messages:
            return Sent()
        if len(messages) == 1 and isinstance(shown, Message) and _fits(messages[0], shown):
            outcome = await self.gateway.edit(
                place.chat_id, shown.message_id, messages[0], media=bool(shown.photo)
            )
            if not isinstance(outcome, Refused):
                return outcome
        return await self._send(messages, place, Priority.INTERACTIVE)

    async def _drawn(self, reply: Reply, place: Place) -> list[OutMessage]:
        keys = await self._buttons.keys(reply.buttons, place.chat_id)
        return render(reply, self._app.mark, keys)

    async def _send(self, messages: list[OutMessage], place: Place, priority: Priority) -> Outcome:
        outcome: Outcome = Sent()
        for message in messages:
            outcome = await self.gateway.send(
                place.chat_id,
                message,
                thread_id=place.thread_id,
                priority=priority,
                reply_to=place.reply_to,
            )
            if not isinstance(outcome, Sent):
                break
        return outcome


def _fits(message: OutMessage, shown: Message) -> bool:
    if not shown.is_accessible:  # the library makes a Message of it all the same, with a date of 0
        return False
    if message.kind == "photo":
        return bool(shown.photo)
    return not shown.photo or len(message.plain) <= CAPTION_LIMIT
