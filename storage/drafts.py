"""Conversations that are not finished: one for each chat and person, so that a restart does not lose them."""

from sqlalchemy import delete, select

from handlers.types import Draft
from storage.db import Database
from storage.tables import drafts


class Drafts:
    """`handlers.types.DraftStore` on the main half; times are wall ms."""

    def __init__(self, database: Database) -> None:
        self._part = database.main

    async def draft(self, chat_id: int, user_id: int) -> Draft | None:
        """What this person has begun in this chat."""
        query = select(drafts).where(drafts.c.chat_id == chat_id, drafts.c.user_id == user_id)
        async with self._part.read() as connection:
            row = (await connection.execute(query)).first()
        if row is None:
            return None
        return Draft(
            chat_id=row.chat_id, user_id=row.user_id, body=row.body, message_id=row.message_id,
            updated_ts=row.updated_ts,
        )  # fmt: skip

    async def save(self, draft: Draft) -> None:
        """Keep it in place of the one before."""
        values = {
            "body": draft.body,
            "message_id": draft.message_id,
            "updated_ts": draft.updated_ts,
        }
        insert = self._part.insert(drafts).values(
            chat_id=draft.chat_id, user_id=draft.user_id, **values
        )
        async with self._part.write() as connection:
            await connection.execute(
                insert.on_conflict_do_update(index_elements=list(drafts.primary_key), set_=values)
            )

    async def drop(self, chat_id: int, user_id: int) -> None:
        """It is finished, or given up."""
        gone = delete(drafts).where(drafts.c.chat_id == chat_id, drafts.c.user_id == user_id)
        async with self._part.write() as connection:
            await connection.execute(gone)

    async def drop_before(self, ts: int) -> int:
        """Forget those nobody went on with; how many there were."""
        gone = delete(drafts).where(drafts.c.updated_ts < ts)
        async with self._part.write() as connection:
            return int((await connection.execute(gone)).rowcount)
