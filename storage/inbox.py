"""Updates between arrival and handling; a handled id is remembered against redelivery."""

from sqlalchemy import func, select, update

from handlers.types import StoredUpdate
from storage.db import Database
from storage.errors import StorageError
from storage.tables import inbox


class Inbox:
    """`handlers.types.InboxStore` on the main half, for the update ids of ONE bot."""

    def __init__(self, database: Database) -> None:
        self._part = database.main

    async def store(self, updates: list[StoredUpdate]) -> list[int]:
        """Keep them durably before returning; the ids that were new, in the order given."""
        if not updates:
            return []
        rows = [
            {
                "update_id": each.update_id,
                "payload": each.payload,
                "received_ts": each.received_ts,
                "attempts": each.attempts,
            }
            for each in {each.update_id: each for each in reversed(updates)}.values()
        ]
        insert = self._part.insert(inbox).on_conflict_do_nothing(index_elements=[inbox.c.update_id])
        async with self._part.write() as connection:
            added = set((await connection.scalars(insert.returning(inbox.c.update_id), rows)).all())
        return [each for each in dict.fromkeys(u.update_id for u in updates) if each in added]

    async def pending(self, limit: int = 1000) -> list[StoredUpdate]:
        """Stored and not handled, oldest first."""
        query = (
            select(inbox)
            .where(inbox.c.done_ts.is_(None))
            .order_by(inbox.c.received_ts, inbox.c.update_id)
            .limit(limit)
        )
        async with self._part.read() as connection:
            return [
                StoredUpdate(
                    update_id=row.update_id,
                    payload=row.payload,
                    received_ts=row.received_ts,
                    attempts=row.attempts,
                )
                for row in await connection.execute(query)
            ]

    async def claim(self, update_id: int, now: int) -> int:
        """Count one more attempt; how many there were before. StorageError where none is due."""
        change = (
            update(inbox)
            .where(inbox.c.update_id == update_id, inbox.c.done_ts.is_(None))
            .values(attempts=inbox.c.attempts + 1, claimed_ts=now)
            .returning(inbox.c.attempts)
        )
        async with self._part.write() as connection:
            attempts = await connection.scalar(change)
        if attempts is None:
            raise StorageError(f"Update {update_id} is not waiting to be handled")
        return int(attempts) - 1

    async def done(self, update_id: int, now: int) -> None:
        """Handled: the words go, the id stays."""
        change = (
            update(inbox)
            .where(inbox.c.update_id == update_id, inbox.c.done_ts.is_(None))
            .values(payload=None, done_ts=now)
        )
        async with self._part.write() as connection:
            await connection.execute(change)

    async def last_id(self) -> int | None:
        """The highest stored update id."""
        async with self._part.read() as connection:
            last: int | None = await connection.scalar(select(func.max(inbox.c.update_id)))
        return last
