"""A way out for messages: Telegram today, others later; each answers with one of `alerts.outcome`."""

from typing import Protocol

from alerts.outcome import Outcome
from alerts.types import OutboxRow


class Channel(Protocol):
    """Delivers outbox rows whose channel is `name`."""

    name: str

    async def send(self, row: OutboxRow, *, repeat: bool = False) -> Outcome:
        """Send `row`; `repeat` marks one whose first delivery is in doubt."""
        ...
