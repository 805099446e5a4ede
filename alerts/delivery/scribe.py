"""Writes what becomes of rows: everything that comes while one commit is under way goes into the next one.

So a chat's message costs its share of a commit, and the disk is asked as often as it can answer.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence

from alerts.delivery.types import Change, Event, OutboxStore
from alerts.types import OutboxRow
from market.clock import Clock
from market.errors import AssistantError

logger = logging.getLogger(__name__)

MOST = 2_000  # changes in one commit
AGAIN = 2.0  # seconds before the database is asked once more

Sleep = Callable[[float], Awaitable[None]]
Wish = tuple[Sequence[Change], "asyncio.Future[set[int]]", bool]


class Scribe:
    """Group commits of the outbox."""

    def __init__(self, store: OutboxStore, wall: Clock, sleep: Sleep = asyncio.sleep) -> None:
        self._store, self._wall, self._sleep = store, wall, sleep
        self._wishes: list[Wish] = []
        self._task: asyncio.Task[None] | None = None

    async def begin(self, rows: Sequence[OutboxRow]) -> set[int]:
        """An attempt for these begins; the ids of those it may be made for. The database's error where it fails."""
        changes = [Change(row=row, status="sending", event=Event.SENDING) for row in rows]
        return await self._written(changes, must=False)

    async def settle(self, changes: Sequence[Change]) -> None:
        """Returns once it is on the disk, however long the database does not take it."""
        if changes:
            await self._written(changes, must=True)

    def _written(self, changes: Sequence[Change], *, must: bool) -> "asyncio.Future[set[int]]":
        done: asyncio.Future[set[int]] = asyncio.get_running_loop().create_future()
        self._wishes.append((changes, done, must))
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._write(), name="outbox scribe")
        return done

    async def _write(self) -> None:
        while self._wishes:
            batch = self._take()
            try:
                changes = [change for wish in batch for change in wish[0]]
                done = await self._store.note(changes, self._wall.now())
            except AssistantError as error:
                logger.warning("outbox not written changes=%d reason=%s", len(changes), error)
                self._wishes[:0] = [wish for wish in batch if wish[2]]
                _fail([wish for wish in batch if not wish[2]], error)
                if self._wishes:
                    await self._sleep(AGAIN)
            except BaseException as error:  # a fault of ours, or the end: those who wait raise it
                _fail([*batch, *self._wishes], error)
                self._wishes = []
                if isinstance(error, asyncio.CancelledError):
                    raise
                return
            else:
                _tell(batch, done)

    def _take(self) -> list[Wish]:
        """The oldest wishes, as many as one commit takes."""
        size = 0
        for number, wish in enumerate(self._wishes):
            size += len(wish[0])
            if size >= MOST:
                batch, self._wishes = self._wishes[: number + 1], self._wishes[number + 1 :]
                return batch
        batch, self._wishes = self._wishes, []
        return batch


def _tell(batch: Sequence[Wish], done: set[int]) -> None:
    for changes, answer, _must in batch:
        if not answer.done():
            answer.set_result({change.row.id for change in changes} & done)


def _fail(batch: Sequence[Wish], error: BaseException) -> None:
    for _changes, answer, _must in batch:
        if not answer.done():
            answer.set_exception(error)
