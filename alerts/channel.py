"""A way out for messages: Telegram today, others later; each answers with one of `alerts.outcome`."""

from collections.abc import Awaitable, Callable
from typing import Protocol

from alerts.outcome import NotSent, Outcome
from alerts.types import OutboxRow

Leave = Callable[[], Awaitable[bool]]
Sending = Callable[[Leave], Awaitable[Outcome]]
CHANGED = 5.0  # seconds before rows are looked at again of which some were not where they should be
HELD_BACK = NotSent("changed meanwhile", CHANGED)  # where `Leave` says no


async def at_once() -> bool:
    """`Leave` of whoever keeps no account of messages under way."""
    return True


class Channel(Protocol):
    """Delivers outbox rows whose channel is `name`."""

    name: str

    async def prepare(self, row: OutboxRow, *, repeat: bool = False) -> Sending:
        """Make the message of `row` ready, picture and all; nothing leaves before the answer is called.

        It awaits the `Leave` it is given once, when the message's turn has come, directly before it leaves: from
        then on the message counts as on its way. Where that is False it must not leave: `HELD_BACK`.
        `repeat` marks a message whose first delivery is in doubt. A row with a `message_id` replaces that message;
        `"silent": true` in the payload asks for no sound. Only Telegram's rows have either.
        """
        ...
