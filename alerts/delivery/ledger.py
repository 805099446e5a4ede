"""Lines of the ledger for answers to people: gathered, and written once a second. What does not fit is counted."""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable

from alerts.delivery.types import Delivery, LedgerStore
from market.errors import AssistantError

logger = logging.getLogger(__name__)

MOST = 5_000  # lines waiting
EVERY = 1.0  # seconds


class LedgerBuffer:
    """Hand `add` to the gateway; `run` writes until it is cancelled, and what is left then too."""

    def __init__(
        self, store: LedgerStore, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    ) -> None:
        self._store, self._sleep = store, sleep
        self._lines: deque[Delivery] = deque()
        self.dropped = 0

    def add(self, line: Delivery) -> None:
        """One line; the newest are dropped where the database does not take any for long."""
        if len(self._lines) >= MOST:
            self.dropped += 1
            return
        self._lines.append(line)

    def waiting(self) -> int:
        """Lines not written yet."""
        return len(self._lines)

    async def run(self) -> None:
        """Write each second."""
        try:
            while True:
                await self._sleep(EVERY)
                await self.flush()
        finally:
            await self.flush()

    async def flush(self) -> None:
        """Write what is there, in one commit; it stays where that fails."""
        lines = list(self._lines)
        if not lines:
            return
        try:
            await self._store.append(lines)
        except AssistantError as error:
            logger.warning("ledger not written lines=%d reason=%s", len(lines), error)
            return
        for _line in lines:
            self._lines.popleft()
