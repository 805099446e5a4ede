"""The ledger: what became of every message, and why. Lines are only ever added."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from sqlalchemy import ColumnElement, Row, func, insert, select

from alerts.delivery.types import Delivery
from storage.db import Database
from storage.tables import deliveries


class Ledger:
    """`alerts.delivery.types.LedgerStore` on the main half; times are wall ms."""

    def __init__(self, database: Database) -> None:
        self._part = database.main

    async def append(self, lines: Sequence[Delivery]) -> None:
        """Add lines that belong to no row of the outbox, in one commit."""
        if lines:
            async with self._part.write() as connection:
                await connection.execute(
                    insert(deliveries), [delivery_values(each) for each in lines]
                )

    async def of_row(self, row_id: int) -> list[Delivery]:
        """Everything that happened to a row of the outbox, in order."""
        return await self._lines(deliveries.c.row_id == row_id)

    async def of_chat(self, chat_id: int, since: int, limit: int = 200) -> list[Delivery]:
        """The newest lines of a chat since then, the oldest of them first."""
        return await self._lines(
            (deliveries.c.chat_id == chat_id) & (deliveries.c.ts >= since), limit
        )

    async def counts(self, since: int) -> dict[str, int]:
        """How often what happened since then, by event."""
        query = (
            select(deliveries.c.event, func.count().label("n"))
            .where(deliveries.c.ts >= since)
            .group_by(deliveries.c.event)
        )
        async with self._part.read() as connection:
            return {row.event: row.n for row in await connection.execute(query)}

    async def _lines(self, which: ColumnElement[bool], limit: int | None = None) -> list[Delivery]:
        query = select(deliveries).where(which).order_by(deliveries.c.id.desc()).limit(limit)
        async with self._part.read() as connection:
            return [_delivery(row) for row in await connection.execute(query)][::-1]


def delivery_values(line: Delivery) -> dict[str, Any]:
    """A line to insert."""
    return {**asdict(line), "event": str(line.event)}


def _delivery(row: Row[Any]) -> Delivery:
    fields = dict(row._mapping)
    del fields["id"]
    return Delivery(**fields)
