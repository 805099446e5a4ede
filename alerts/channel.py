"""A way out for messages: Telegram today, others later; each answers with one of `alerts.outcome`."""

from collections.abc import Awaitable, Callable
from typing import Protocol

from alerts.outcome import Outcome
from alerts.types import OutboxRow

Sending = Callable[[], Awaitable[Outcome]]


class Channel(Protocol):
    """Delivers outbox rows whose channel is `name`."""

    name: str

    async def prepare(self, row: OutboxRow, *, repeat: bool = False) -> Sending:
        """Make the message of `row` ready, picture and all; nothing leaves before the answer is called.

        `repeat` marks a message whose first delivery is in doubt.
        """
        ...
