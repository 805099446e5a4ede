"""Wakes the outbox, and says where something new is: what was just committed need not be looked for."""

import asyncio
from collections.abc import Iterable

from alerts.delivery.types import Lane
from alerts.types import OutboxRow


class Doorbell(asyncio.Event):
    """An event that remembers the lanes of rows that were queued since somebody took them."""

    def __init__(self) -> None:
        super().__init__()
        self._lanes: dict[Lane, None] = {}

    def ring(self, rows: Iterable[OutboxRow]) -> None:
        """These rows were committed."""
        for row in rows:
            self._lanes[Lane(row.priority, row.channel, row.chat_id)] = None
        self.set()

    def lanes(self) -> list[Lane]:
        """Where something is new, the most urgent first; each is told once."""
        found = sorted(self._lanes, key=lambda lane: lane.priority)
        self._lanes.clear()
        return found
