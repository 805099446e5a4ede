"""Market samples: open interest, and when a feed was blind."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row, and_, bindparam, delete, select

from exchanges.types import GapPage
from market.types import Gap, OpenInterest
from storage.db import Database
from storage.finite import finite
from storage.retention import prune_market
from storage.tables import checkpoints, open_interest
from storage.tables import gaps as blind

SIGN = "|ledger"  # the key of the ledger's sign of life among the checkpoints: no instrument has it
PART = 200  # rows handed to the driver at once


class Samples:
    """`exchanges.types.SampleStore` and `GapStore` on the market half.

    `mark` keeps markets apart ("" live, else the name of a simulated or replayed one): a figure
    of one is never read back in another.
    """

    def __init__(self, database: Database, mark: str = "") -> None:
        self._part = database.market
        self._mark = mark

    async def save_open_interest(self, samples: Sequence[OpenInterest]) -> None:
        """Keep them; the same instrument and moment again is replaced."""
        rows = [
            {
                "mark": self._mark,
                "key": each.instrument.key,
                "ts": each.ts,
                "amount": finite(each.amount, f"Open interest of {each.instrument.key}"),
                "value": finite(each.value, f"Open interest of {each.instrument.key}"),
            }
            for each in samples
        ]
        if not rows:
            return
        insert = self._part.insert(open_interest)
        upsert = insert.on_conflict_do_update(
            index_elements=list(open_interest.primary_key),
            set_={"amount": insert.excluded.amount, "value": insert.excluded.value},
        )
        async with self._part.write() as connection:
            await connection.execute(upsert, rows)

    async def open_interest(
        self, key: str, start: int, end: int
    ) -> list[tuple[int, float, float | None]]:
        """(ts, amount, value) of one instrument key, `start` and `end` included, rising."""
        table = open_interest.c
        query = (
            select(table.ts, table.amount, table.value)
            .where(table.mark == self._mark, table.key == key, table.ts.between(start, end))
            .order_by(table.ts)
        )
        async with self._part.read() as connection:
            return [(row.ts, row.amount, row.value) for row in await connection.execute(query)]

    async def save_gaps(self, gaps: Sequence[Gap]) -> None:
        """Keep them; a gap that has grown since replaces its shorter self."""
        rows = [
            {
                "mark": self._mark,
                "exchange": gap.exchange,
                "symbol": gap.symbol,
                "feed": gap.table,
                "from_ts": gap.from_ts,
                "to_ts": gap.to_ts,
            }
            for gap in gaps
        ]
        if not rows:
            return
        insert = self._part.insert(blind)
        upsert = insert.on_conflict_do_update(
            index_elements=list(blind.primary_key),
            set_={"to_ts": insert.excluded.to_ts},
            where=blind.c.to_ts < insert.excluded.to_ts,
        )
        async with self._part.write() as connection:
            await connection.execute(upsert, rows)

    async def gaps(self, exchange: str, symbol: str, start: int, end: int) -> list[Gap]:
        """Gaps that touch `start`..`end`, rising; also those of the whole exchange (symbol "")."""
        query = (
            select(blind)
            .where(
                blind.c.mark == self._mark,
                blind.c.exchange == exchange,
                blind.c.symbol.in_({symbol, ""}),
                blind.c.from_ts <= end,
                blind.c.to_ts >= start,
            )
            .order_by(blind.c.from_ts, blind.c.to_ts, blind.c.symbol, blind.c.feed)
        )
        async with self._part.read() as connection:
            return [_gap(row) for row in await connection.execute(query)]

    async def all_gaps(self, start: int, end: int) -> list[Gap]:
        """Every gap that touches `start`..`end`, rising."""
        query = (
            select(blind)
            .where(blind.c.mark == self._mark, blind.c.from_ts <= end, blind.c.to_ts >= start)
            .order_by(
                blind.c.from_ts, blind.c.to_ts, blind.c.exchange, blind.c.symbol, blind.c.feed
            )
        )
        async with self._part.read() as connection:
            return [_gap(row) for row in await connection.execute(query)]

    async def save_ledger(self, pages: Sequence[GapPage], ts: int, body: bytes) -> None:
        """Put these pages in place of what began at their `since` or later, and a sign of life, at once."""
        old = [
            {"b_exchange": each.exchange, "b_symbol": each.symbol, "b_feed": each.feed,
             "b_since": each.since}
            for each in pages
        ]  # fmt: skip
        new = [
            {"mark": self._mark, "exchange": each.exchange, "symbol": each.symbol,
             "feed": each.feed, "from_ts": start, "to_ts": end}
            for each in pages
            for start, end in each.spans
        ]  # fmt: skip
        clear = delete(blind).where(
            and_(
                blind.c.mark == self._mark,
                blind.c.exchange == bindparam("b_exchange"),
                blind.c.symbol == bindparam("b_symbol"),
                blind.c.feed == bindparam("b_feed"),
                blind.c.from_ts >= bindparam("b_since"),
            )
        )
        insert = self._part.insert(checkpoints)
        sign = insert.on_conflict_do_update(
            index_elements=list(checkpoints.primary_key),
            set_={"ts": insert.excluded.ts, "body": insert.excluded.body},
        )
        async with self._part.write() as connection:
            for n in range(0, len(old), PART):
                await connection.execute(clear, old[n : n + PART])
            for n in range(0, len(new), PART):
                await connection.execute(self._part.insert(blind), new[n : n + PART])
            await connection.execute(
                sign, [{"mark": self._mark, "key": SIGN, "ts": ts, "body": body}]
            )

    async def sign_of_life(self) -> tuple[int, bytes] | None:
        """The newest (ts, body) of `save_ledger`."""
        table = checkpoints.c
        query = select(table.ts, table.body).where(table.mark == self._mark, table.key == SIGN)
        async with self._part.read() as connection:
            row = (await connection.execute(query)).first()
        return None if row is None else (row.ts, row.body)

    async def prune(self, now: int) -> int:
        """Apply the retention of the market half at market time `now`; rows removed."""
        return await prune_market(self._part, now, self._mark)


def _gap(row: Row[Any]) -> Gap:
    return Gap(
        from_ts=row.from_ts,
        to_ts=row.to_ts,
        table=row.feed,
        exchange=row.exchange,
        symbol=row.symbol,
    )
