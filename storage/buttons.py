"""What stands behind a button whose payload is too long for the button itself."""

from sqlalchemy import select

from storage.db import Database
from storage.tables import buttons


class Buttons:
    """`handlers.types.ButtonStore` on the main half; `expires` is wall ms."""

    def __init__(self, database: Database) -> None:
        self._part = database.main

    async def put(self, token: str, payload: str, chat_id: int, expires: int) -> None:
        """Keep it; the same token in the same chat again is replaced."""
        values = {"payload": payload, "expires": expires}
        insert = self._part.insert(buttons).values(token=token, chat_id=chat_id, **values)
        async with self._part.write() as connection:
            await connection.execute(
                insert.on_conflict_do_update(
                    index_elements=[buttons.c.token, buttons.c.chat_id], set_=values
                )
            )

    async def take(self, token: str, chat_id: int, now: int) -> str | None:
        """What to do, as often as it is pressed; None in another chat, unknown or after its end."""
        query = select(buttons.c.payload).where(
            buttons.c.token == token, buttons.c.chat_id == chat_id, buttons.c.expires > now
        )
        async with self._part.read() as connection:
            payload: str | None = await connection.scalar(query)
        return payload
