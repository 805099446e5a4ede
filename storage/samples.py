"""Market samples: open interest, and when a feed was blind."""

from collections.abc import Sequence

from sqlalchemy import select

from market.types import Gap, OpenInterest
from storage.db import Database
from storage.finite import finite
from storage.retention import prune_market
from storage.tables import gaps as blind
from storage.tables import open_interest


class Samples:
    """`exchanges.types.SampleStore` on the market half.

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
            return [
                Gap(
                    from_ts=row.from_ts,
                    to_ts=row.to_ts,
                    table=row.feed,
                    exchange=row.exchange,
                    symbol=row.symbol,
                )
                for row in await connection.execute(query)
            ]

    async def prune(self, now: int) -> int:
        """Apply the retention of the market half at market time `now`; rows removed."""
        return await prune_market(self._part, now, self._mark)
