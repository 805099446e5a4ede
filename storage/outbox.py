"""Messages on their way out: in order per chat, each until it is sent or given up."""

from typing import Any

from sqlalchemy import Row, Update, and_, func, or_, select, update

from alerts.types import OutboxRow
from storage.db import Database
from storage.errors import StorageError
from storage.tables import outbox

ERROR_LENGTH = 500


class OutboxRows:
    """The outbox half of `alerts.types.AlertStore`; all its times are wall ms."""

    def __init__(self, database: Database) -> None:
        self._part = database.main

    async def due(self, now: int, limit: int = 100) -> list[OutboxRow]:
        """What may be sent now, in id order.

        A chat is served in order: its rows end before the first one that is being sent or not due
        yet. When sending one of them fails, the chat's later rows have to wait too: ask again.
        """
        busy = (
            select(outbox.c.channel, outbox.c.chat_id, func.min(outbox.c.id).label("first"))
            .where(
                outbox.c.status.in_(("queued", "sending")),
                or_(outbox.c.status == "sending", outbox.c.next_ts > now),
            )
            .group_by(outbox.c.channel, outbox.c.chat_id)
            .subquery()
        )
        same = and_(busy.c.channel == outbox.c.channel, busy.c.chat_id == outbox.c.chat_id)
        query = (
            select(outbox)
            .outerjoin(busy, same)
            .where(
                outbox.c.status == "queued",
                outbox.c.next_ts <= now,
                or_(busy.c.first.is_(None), outbox.c.id < busy.c.first),
            )
            .order_by(outbox.c.id)
            .limit(limit)
        )
        async with self._part.read() as connection:
            return [_row(row) for row in await connection.execute(query)]

    async def sending(self, row_id: int) -> None:
        """One attempt begins; StorageError where the row is not queued, so that no two send it."""
        change = _change(row_id, "queued").values(status="sending", attempts=outbox.c.attempts + 1)
        await self._apply(change, f"Message {row_id} is not queued")

    async def sent(self, row_id: int, message_id: int | None, now: int) -> None:
        """It has left."""
        change = _change(row_id, "queued", "sending").values(
            status="sent", message_id=message_id, done_ts=now, error=""
        )
        await self._apply(change, f"Message {row_id} was finished before")

    async def retry(self, row_id: int, *, next_ts: int, error: str) -> None:
        """Back to the queue, not before `next_ts`."""
        change = _change(row_id, "queued", "sending").values(
            status="queued", next_ts=next_ts, error=error[:ERROR_LENGTH]
        )
        await self._apply(change, f"Message {row_id} was finished before")

    async def dead(self, row_id: int, error: str) -> None:
        """Given up, and why."""
        change = _change(row_id, "queued", "sending").values(
            status="dead", error=error[:ERROR_LENGTH]
        )
        await self._apply(change, f"Message {row_id} was finished before")

    async def recover(self) -> int:
        """At start: rows that a process was sending when it died go back to the queue; how many."""
        change = update(outbox).where(outbox.c.status == "sending").values(status="queued")
        async with self._part.write() as connection:
            return int((await connection.execute(change)).rowcount)

    async def _apply(self, change: Update, otherwise: str) -> None:
        async with self._part.write() as connection:
            if (await connection.execute(change)).rowcount != 1:
                raise StorageError(otherwise)


def _change(row_id: int, *statuses: str) -> Update:
    return update(outbox).where(outbox.c.id == row_id, outbox.c.status.in_(statuses))


def _row(row: Row[Any]) -> OutboxRow:
    fields = dict(row._mapping)
    del fields["done_ts"]
    return OutboxRow(**fields)


def outbox_values(row: OutboxRow) -> dict[str, Any]:
    """A row to insert; its number is given by the database, its status is always queued."""
    return {
        "alert_id": row.alert_id,
        "transition": row.transition,
        "channel": row.channel,
        "chat_id": row.chat_id,
        "payload": row.payload,
        "created_ts": row.created_ts,
        "attempts": 0,
        "next_ts": row.next_ts,
        "status": "queued",
        "thread_id": row.thread_id,
        "error": "",
    }
