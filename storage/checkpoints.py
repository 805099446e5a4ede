"""Live states between restarts: one body an instrument, and its taker flow minute by minute.

Bodies are packed with zlib, whose checksum tells a torn or rotten one from a whole one.
"""

import asyncio
import logging
import zlib
from collections.abc import Iterator, Sequence
from typing import Any, TypeVar

from sqlalchemy import Table, delete, select
from sqlalchemy.ext.asyncio import AsyncConnection

from exchanges.types import Checkpoint, FlowMinute
from storage.db import Database
from storage.samples import SIGN
from storage.tables import checkpoints, flow_rows

T = TypeVar("T")
logger = logging.getLogger(__name__)

LEVEL = 1  # of zlib: bodies are mostly zeros and short rows
PART = 50  # rows handed to the driver at once, so that nobody waits long for the loop


class Checkpoints:
    """`exchanges.types.CheckpointStore` on the market half; `mark` keeps markets apart."""

    def __init__(self, database: Database, mark: str = "") -> None:
        self._part = database.market
        self._mark = mark

    async def save(self, states: Sequence[Checkpoint], minutes: Sequence[FlowMinute]) -> None:
        """Keep all of them or, on any error, none."""
        if not states and not minutes:
            return
        rows, flows = await asyncio.to_thread(self._packed, states, minutes)
        async with self._part.write() as connection:
            await self._put(connection, checkpoints, rows, ("ts", "body"))
            await self._put(connection, flow_rows, flows, ("body",))

    async def keys(self) -> dict[str, int]:
        """The ts of every state by its key."""
        table = checkpoints.c
        query = select(table.key, table.ts).where(table.mark == self._mark, table.key != SIGN)
        async with self._part.read() as connection:
            return {row.key: row.ts for row in await connection.execute(query)}

    async def load(self, key: str) -> Checkpoint | None:
        """The state of one instrument; None where there is none or its body is broken."""
        table = checkpoints.c
        query = select(table.ts, table.body).where(table.mark == self._mark, table.key == key)
        async with self._part.read() as connection:
            row = (await connection.execute(query)).first()
        if row is None:
            return None
        body = await asyncio.to_thread(_unpacked, row.body)
        if body is None:
            logger.warning("checkpoint broken key=%s ts=%s", key, row.ts)
            return None
        return Checkpoint(key=key, ts=row.ts, body=body)

    async def minutes(self, key: str, start: int, end: int) -> list[FlowMinute]:
        """Those with start <= minute < end, rising; broken ones are left out."""
        table = flow_rows.c
        query = (
            select(table.minute, table.body)
            .where(
                table.mark == self._mark,
                table.key == key,
                table.minute >= start,
                table.minute < end,
            )
            .order_by(table.minute)
        )
        async with self._part.read() as connection:
            rows = [(row.minute, row.body) for row in await connection.execute(query)]
        bodies = await asyncio.to_thread(lambda: [_unpacked(body) for _, body in rows])
        return [
            FlowMinute(key=key, minute=minute, body=body)
            for (minute, _), body in zip(rows, bodies, strict=True)
            if body is not None
        ]

    async def forget(self, keys: Sequence[str]) -> None:
        """Remove states with their minutes."""
        async with self._part.write() as connection:
            for table in (checkpoints, flow_rows):
                for part in _parts(keys):
                    await connection.execute(
                        delete(table).where(table.c.mark == self._mark, table.c.key.in_(part))
                    )

    def _packed(
        self, states: Sequence[Checkpoint], minutes: Sequence[FlowMinute]
    ) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        """The rows of both tables; done in a thread, zlib leaves the others their turn."""
        rows = [
            {"mark": self._mark, "key": each.key, "ts": each.ts, "body": _pack(each.body)}
            for each in states
        ]
        flows = [
            {"mark": self._mark, "key": each.key, "minute": each.minute, "body": _pack(each.body)}
            for each in minutes
        ]
        return rows, flows

    async def _put(
        self,
        connection: AsyncConnection,
        table: Table,
        rows: list[dict[str, Any]],
        changing: tuple[str, ...],
    ) -> None:
        insert = self._part.insert(table)
        upsert = insert.on_conflict_do_update(
            index_elements=list(table.primary_key),
            set_={name: insert.excluded[name] for name in changing},
        )
        for part in _parts(rows):
            await connection.execute(upsert, part)


def _parts(rows: Sequence[T]) -> Iterator[Sequence[T]]:
    return (rows[n : n + PART] for n in range(0, len(rows), PART))


def _pack(body: bytes) -> bytes:
    return zlib.compress(body, LEVEL)


def _unpacked(body: bytes) -> bytes | None:
    try:
        return zlib.decompress(body)
    except zlib.error:
        return None
