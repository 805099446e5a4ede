"""Updates waiting for the bot: fetched by long polling or handed to a webhook, kept until acknowledged."""

import asyncio
from collections import deque
from typing import Any

from bot.playground.errors import conflict
from market.clock import Clock

Json = dict[str, Any]
ON_REQUEST = frozenset({"chat_member", "message_reaction", "message_reaction_count"})
KEPT = 24 * 3600 * 1000  # ms for which an update waits
LONGEST_POLL = 50.0  # seconds


class UpdateQueue:
    """Updates in order. `allowed` holds for updates that come after it was set."""

    def __init__(self, wall: Clock, first: int) -> None:
        self._wall = wall
        self._next = first
        self._waiting: deque[tuple[int, Json]] = deque()  # (wall ms, update)
        self._wake = asyncio.Event()
        self._poller = 0
        self.allowed: tuple[str, ...] = ()
        self.webhook = ""  # where updates go instead

    def __len__(self) -> int:
        return len(self._waiting)

    def push(self, kind: str, payload: Json) -> int | None:
        """Queue an update; None when the bot did not ask for this kind."""
        wanted = kind in self.allowed if self.allowed else kind not in ON_REQUEST
        if not wanted:
            return None
        update_id = self._next
        self._next += 1
        self._waiting.append((self._wall.now(), {"update_id": update_id, kind: payload}))
        self.wake()
        return update_id

    def wake(self) -> None:
        """Let everything that waits look again."""
        self._wake.set()
        self._wake = asyncio.Event()

    def first(self) -> Json | None:
        """The oldest update that waits."""
        self._expire()
        return self._waiting[0][1] if self._waiting else None

    def drop(self, below: int | None = None) -> None:
        """Forget updates with ids under `below`, or all."""
        while self._waiting and (below is None or self._waiting[0][1]["update_id"] < below):
            self._waiting.popleft()

    async def changed(self) -> None:
        """Wait for the next change."""
        await self._wake.wait()

    async def poll(self, *, offset: int, limit: int, timeout: float) -> list[Json]:  # noqa: ASYNC109
        """getUpdates: acknowledges what is below `offset` and waits up to `timeout` seconds.

        A newer poll ends an older one that still waits; the older one gets the conflict.
        """
        self._refuse_beside_webhook()
        self._poller += 1
        ticket = self._poller
        self.wake()
        self._acknowledge(offset)
        deadline = asyncio.get_running_loop().time() + min(max(timeout, 0.0), LONGEST_POLL)
        while True:
            if batch := self._batch(limit):
                return batch
            left = deadline - asyncio.get_running_loop().time()
            if left <= 0:
                return []
            await _wait(self._wake, left)
            if self.webhook:
                raise conflict("terminated by setWebhook request")
            if ticket != self._poller:
                raise conflict(
                    "terminated by other getUpdates request; "
                    "make sure that only one bot instance is running"
                )

    def _refuse_beside_webhook(self) -> None:
        if self.webhook:
            raise conflict(
                "can't use getUpdates method while webhook is active; "
                "use deleteWebhook to delete the webhook first"
            )

    def _acknowledge(self, offset: int) -> None:
        if offset > 0:
            self.drop(offset)
        while offset < 0 and len(self._waiting) > -offset:
            self._waiting.popleft()

    def _batch(self, limit: int) -> list[Json]:
        self._expire()
        count = limit if 1 <= limit <= 100 else 100
        return [update for _, update in list(self._waiting)[:count]]

    def _expire(self) -> None:
        while self._waiting and self._waiting[0][0] < self._wall.now() - KEPT:
            self._waiting.popleft()


async def _wait(event: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return
