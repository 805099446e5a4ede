"""The way of an alert into a chat: the outbox row as a card, with its picture when that can be drawn.

Payload (JSON): {"headline", "glyph", "table", "reading", "evidence", "chart": {"name", "data"} | null,
"buttons": [[{"text", "command", "edit", "action", "value", "style"}]], "silent": true}; all but the headline may be
missing. A row with a message id is a living message: it is edited in place.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Any

from alerts.channel import Leave, Sending
from alerts.outcome import Outcome, Refused, Sent
from alerts.types import OutboxRow, Priority, Severity
from bot.telegram.buttons import Buttons
from bot.telegram.gateway import Gateway
from bot.telegram.render import OutMessage, render
from handlers.base import Button, Card, Picture, Reply
from market.language import _

PICTURES = 20  # that are drawn behind words at the same time
PATIENCE = 10.0  # seconds: what has to wait longer goes back to the outbox, and other chats go on

Draw = Callable[[str, Any], Awaitable[bytes | None]]


class TelegramChannel:
    """Delivers outbox rows whose channel is "telegram"."""

    name = "telegram"

    def __init__(
        self, gateway: Gateway, draw: Draw, buttons: Buttons, mark: Callable[[], str] = str
    ) -> None:
        self._gateway, self._draw, self._buttons, self._mark = gateway, draw, buttons, mark
        self._pictures: set[asyncio.Task[None]] = set()  # that follow words which could not wait

    async def prepare(self, row: OutboxRow, *, repeat: bool = False) -> Sending:
        """The message of `row`, drawn and ready; `repeat` marks one whose first delivery is in doubt.

        The outcome is that of the words. A picture that cannot be drawn, or that follows because the words
        are too long for a caption, never decides whether an alert counts as delivered. Words of a critical alert
        do not wait for theirs: it follows without a sound.
        """
        try:
            payload = json.loads(row.payload)
            reply = _reply(payload, repeat=repeat)
            chart = payload.get("chart")
            wanted = (str(chart["name"]), chart["data"]) if chart else None
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            return _answering(Refused(f"payload not understood: {type(error).__name__}"))
        urgent = row.severity is Severity.CRITICAL
        png = await self._draw(*wanted) if wanted and not urgent else None
        if wanted and png is not None:
            reply = replace(reply, picture=Picture(name=f"{wanted[0]}.png", png=png))
        keys = await self._buttons.keys(reply.buttons, row.chat_id)
        messages = render(reply, self._mark(), keys)
        if len(messages) > 1 and messages[0].kind == "photo":
            messages = [*messages[1:], messages[0]]

        silent = bool(payload.get("silent"))

        async def send(leave: Leave) -> Outcome:
            first, *more = messages
            if row.message_id is not None:
                return await self._gateway.edit(
                    row.chat_id, row.message_id, first, priority=Priority(row.priority),
                    patience=PATIENCE, leave=leave,
                )  # fmt: skip
            outcome = await self._out(row, first, silent=silent, leave=leave)
            for message in more if isinstance(outcome, Sent) else ():
                await self._out(row, message, silent=True)
            if urgent and wanted and isinstance(outcome, Sent) and len(self._pictures) < PICTURES:
                task = asyncio.create_task(self._follow(row, reply, wanted), name="picture")
                self._pictures.add(task)
                task.add_done_callback(self._pictures.discard)
            return outcome

        return send

    async def _follow(self, row: OutboxRow, reply: Reply, wanted: tuple[str, Any]) -> None:
        """The picture of words that have left."""
        png = await self._draw(*wanted)
        if png is None or reply.card is None:
            return
        card = Card(headline=reply.card.headline, glyph=reply.card.glyph)
        picture = Reply(card=card, picture=Picture(name=f"{wanted[0]}.png", png=png))
        for message in render(picture, self._mark(), ()):
            await self._out(row, message, silent=True)

    async def _out(
        self, row: OutboxRow, message: OutMessage, *, silent: bool, leave: Leave | None = None
    ) -> Outcome:
        return await self._gateway.send(
            row.chat_id, message, thread_id=row.thread_id, priority=Priority(row.priority),
            silent=silent, patience=PATIENCE, leave=leave,
        )  # fmt: skip


def _answering(outcome: Outcome) -> Sending:
    async def send(_leave: Leave) -> Outcome:
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
