"""The way of an alert into a chat: the outbox row as a card, with its picture when that can be drawn.

Payload (JSON): {"headline", "glyph", "table", "reading", "evidence", "chart": {"name", "data"} | null,
"buttons": [[{"text", "command", "edit", "action", "value", "style"}]]}; all but the headline may be missing.
"""

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Any

from alerts.channel import Sending
from alerts.outcome import Outcome, Refused
from alerts.types import OutboxRow
from bot.telegram.buttons import Buttons
from bot.telegram.gateway import Gateway
from bot.telegram.limits import Priority
from bot.telegram.render import OutMessage, render
from handlers.base import Button, Card, Picture, Reply
from market.language import _

Draw = Callable[[str, Any], Awaitable[bytes | None]]


class TelegramChannel:
    """Delivers outbox rows whose channel is "telegram"."""

    name = "telegram"

    def __init__(
        self, gateway: Gateway, draw: Draw, buttons: Buttons, mark: Callable[[], str] = str
    ) -> None:
        self._gateway, self._draw, self._buttons, self._mark = gateway, draw, buttons, mark

    async def prepare(self, row: OutboxRow, *, repeat: bool = False) -> Sending:
        """The message of `row`, drawn and ready; `repeat` marks one whose first delivery is in doubt.

        The outcome is that of the words. A picture that cannot be drawn, or that follows because the words
        are too long for a caption, never decides whether an alert counts as delivered.
        """
        try:
            payload = json.loads(row.payload)
            reply = _reply(payload, repeat=repeat)
            chart = payload.get("chart")
            wanted = (str(chart["name"]), chart["data"]) if chart else None
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            return _answering(Refused(f"payload not understood: {type(error).__name__}"))
        png = await self._draw(*wanted) if wanted else None
        if wanted and png is not None:
            reply = replace(reply, picture=Picture(name=f"{wanted[0]}.png", png=png))
        keys = await self._buttons.keys(reply.buttons, row.chat_id)
        messages = render(reply, self._mark(), keys)
        if len(messages) > 1 and messages[0].kind == "photo":
            messages = [*messages[1:], messages[0]]

        async def send() -> Outcome:
            first, *more = messages
            outcome = await self._out(row, first)
            for message in more:
                await self._out(row, message)
            return outcome

        return send

    async def _out(self, row: OutboxRow, message: OutMessage) -> Outcome:
        return await self._gateway.send(
            row.chat_id, message, thread_id=row.thread_id, priority=Priority.ALERT
        )


def _answering(outcome: Outcome) -> Sending:
    async def send() -> Outcome:
        return outcome

    return send


def _reply(payload: Mapping[str, Any], *, repeat: bool) -> Reply:
    evidence = str(payload.get("evidence") or "")
    if repeat:
        evidence = f"{evidence} {_('(repeat?)')}".strip()
    card = Card(
        headline=str(payload["headline"]),
        glyph=str(payload.get("glyph") or ""),
        table=tuple(str(line) for line in payload.get("table") or ()),
        reading=str(payload.get("reading") or ""),
        evidence=evidence,
    )
    rows = [[_button(button) for button in row] for row in payload.get("buttons") or ()]
    return Reply(card=card, buttons=rows)


def _button(raw: Mapping[str, Any]) -> Button:
    return Button(
        text=str(raw["text"]),
        command=str(raw.get("command") or ""),
        edit=bool(raw.get("edit")),
        action=str(raw.get("action") or ""),
        value=str(raw.get("value") or ""),
        style=str(raw.get("style") or ""),
    )
