"""What stands in the 64 bytes behind a button, and what is kept for it where they do not suffice.

"c:/price BTC" runs a command, "e:/price BTC" runs it and replaces the card, "a:access:approve:1002" acts,
"k:<token>" names a stored row that is bound to its chat. Whatever comes back is checked as if typed.
"""

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bot.telegram.render import Key, key
from bot.telegram.split import clean
from handlers.base import DATA_LIMIT, Button
from handlers.types import ButtonStore
from market.clock import Clock
from market.types import DAY

LIFETIME = 7 * DAY
TOKEN_LENGTH = 11  # 64 random bits in base64url


@dataclass(frozen=True, slots=True, kw_only=True)
class Press:
    """What a press asks for: a command line, or an action with its value."""

    command: str = ""
    edit: bool = False
    action: str = ""
    value: str = ""


def data_of(button: Button) -> str:
    """The callback data of `button`, whatever its length."""
    if button.action:
        return clean(f"a:{button.action}:{button.value}")
    return clean(f"{'e' if button.edit else 'c'}:{button.command}")


def read(data: str) -> Press | None:
    """What `data` asks for; None for what no button of ours carries."""
    kind, _colon, rest = data.partition(":")
    if kind in ("c", "e") and rest.startswith("/"):
        return Press(command=rest, edit=kind == "e")
    if kind == "a" and rest.count(":") >= 2:
        family, verb, value = rest.split(":", 2)
        return Press(action=f"{family}:{verb}", value=value)
    return None


class Buttons:
    """Keyboards of replies to keyboards of Telegram, and presses back."""

    def __init__(
        self,
        store: ButtonStore,
        wall: Clock,
        token: Callable[[], str] = lambda: secrets.token_urlsafe(8),
    ) -> None:
        self._store, self._wall, self._token = store, wall, token

    async def keys(
        self, rows: Sequence[Sequence[Button]], chat_id: int
    ) -> tuple[tuple[Key, ...], ...]:
        """The rows with callback data that fit; long ones are kept in the store for a week."""
        out = []
        for row in rows:
            out.append(tuple([key(button, await self._fitting(button, chat_id)) for button in row]))
        return tuple(out)

    async def press(self, data: str, chat_id: int) -> Press | None:
        """What was pressed in `chat_id`; None when it is unknown, expired or from another chat."""
        if not data.startswith("k:"):
            return read(data)
        token = data[2:]
        if len(token) != TOKEN_LENGTH:
            return None
        payload = await self._store.take(token, chat_id, self._wall.now())
        return read(payload) if payload is not None else None

    async def _fitting(self, button: Button, chat_id: int) -> str:
        data = data_of(button)
        if len(data.encode()) <= DATA_LIMIT:
            return data
        token = self._token()
        await self._store.put(token, data, chat_id, self._wall.now() + LIFETIME)
        return f"k:{token}"
