"""What followed firings, on the main half: opened once per firing and horizon, settled once."""

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import msgspec
from sqlalchemy import (
    ColumnElement,
    Row,
    and_,
    bindparam,
    case,
    delete,
    exists,
    func,
    literal_column,
    or_,
    select,
    tuple_,
    update,
)

from alerts.scorecard_types import Controls, Due, Scored, Settled, Tally
from market.types import MINUTE
from storage.db import Database
from storage.errors import StorageError
from storage.finite import finite
from storage.tables import firings, scores

BATCH = 500
CHUNK = 1000  # ids in one IN list
# Spelt out: behind a parameter the partial index would not be found.
NO_ERROR: ColumnElement[str] = literal_column("''")
OPEN = and_(scores.c.move.is_(None), scores.c.error == NO_ERROR)
SAME = and_(scores.c.rule_id == firings.c.rule_id, scores.c.transition == firings.c.transition)


class Scores:
    """`alerts.scorecard_types.ScoreStore`."""

    def __init__(self, database: Database) -> None:
        self._part = database.main

    async def open(self, horizons: Sequence[int], since: int, until: int) -> int:
        """Rows for firings that were told in time, with a price; how many firings were new."""
        new = (
            select(firings.c.rule_id, firings.c.transition, firings.c.ts)
            .where(
                firings.c.ts.between(since, until),
                firings.c.told.is_(True),
                firings.c.late.is_(False),
                firings.c.price.is_not(None),
                firings.c.chart != "",
                ~exists().where(SAME),
            )
            .order_by(firings.c.ts)
            .limit(BATCH)
        )
        insert = self._part.insert(scores).on_conflict_do_nothing(
            index_elements=list(scores.primary_key)
        )
        opened = 0
        while True:
            async with self._part.write() as connection:
                found = (await connection.execute(new)).all()
                rows = [_opened(row, horizon) for row in found for horizon in horizons]
                if rows:
                    await connection.execute(insert, rows)
            opened += len(found)
            if len(found) < BATCH or not horizons:
                return opened

    async def due(self, now: int, tried: int, limit: int) -> list[Due]:
        """Not measured, over by `now`, and not tried after `tried`; the longest over first."""
        query = (
            select(
                scores.c.rule_id, scores.c.transition, scores.c.horizon, scores.c.due_ts,
                scores.c.tried_ts, firings.c.ts, firings.c.price, firings.c.chart,
            )
            .join(firings, SAME)
            .where(
                OPEN,
                scores.c.due_ts <= now,
                # a try of a time to come is of a market that began anew
                or_(scores.c.tried_ts <= tried, scores.c.tried_ts > now),
            )
            .order_by(scores.c.due_ts, scores.c.rule_id, scores.c.transition)
            .limit(limit)
        )  # fmt: skip
        async with self._part.read() as connection:
            return [Due(**row._mapping) for row in await connection.execute(query)]

    async def settle(self, rows: Sequence[Settled]) -> None:
        """What has a move or an error already stays as it is."""
        if not rows:
            return
        change = (
            update(scores)
            .where(
                scores.c.rule_id == bindparam("b_rule"),
                scores.c.transition == bindparam("b_transition"),
                scores.c.horizon == bindparam("b_horizon"),
                OPEN,
            )
            .values(
                move=bindparam("b_move"), controls=bindparam("b_controls"),
                error=bindparam("b_error"), tried_ts=bindparam("b_tried"),
            )
        )  # fmt: skip
        async with self._part.write() as connection:
            await connection.execute(change, [_values(each) for each in rows])

    async def firings(
        self, rule_ids: Sequence[int], since: int
    ) -> dict[tuple[int, str], list[int]]:
        """The moments at which rules fired, told or not, rising, by rule and instrument key."""
        found: dict[tuple[int, str], list[int]] = defaultdict(list)
        async with self._part.read() as connection:
            for start in range(0, len(rule_ids), CHUNK):
                query = (
                    select(firings.c.rule_id, firings.c.chart, firings.c.ts)
                    .where(
                        firings.c.rule_id.in_(rule_ids[start : start + CHUNK]),
                        firings.c.ts >= since,
                    )
                    .order_by(firings.c.ts)
                )
                for row in await connection.execute(query):
                    found[row.rule_id, row.chart].append(row.ts)
        return dict(found)

    async def scored(self, rule_id: int, limit: int, since: int = 0) -> list[Scored]:
        """The newest measured firings of one rule from `since` on, so many of each horizon, rising."""
        age = func.row_number().over(
            partition_by=scores.c.horizon, order_by=scores.c.transition.desc()
        )
        newest = (
            select(
                scores.c.rule_id, scores.c.transition, scores.c.horizon, scores.c.move,
                scores.c.controls, firings.c.ts, firings.c.threshold, age.label("age"),
            )
            .join(firings, SAME)
            .where(scores.c.rule_id == rule_id, scores.c.move.is_not(None), firings.c.ts >= since)
            .subquery()
        )  # fmt: skip
        query = select(newest).where(newest.c.age <= limit).order_by(newest.c.ts, newest.c.horizon)
        async with self._part.read() as connection:
            rows = (await connection.execute(query)).all()
        return await asyncio.to_thread(lambda: [_scored(row) for row in rows])

    async def tallies(self, rule_ids: Sequence[int]) -> dict[int, Tally]:
        """Rows by rule."""
        found: dict[int, Tally] = {}
        async with self._part.read() as connection:
            for start in range(0, len(rule_ids), CHUNK):
                query = (
                    select(
                        scores.c.rule_id,
                        func.count(scores.c.move).label("measured"),
                        func.sum(case((OPEN, 1), else_=0)).label("waiting"),
                        func.sum(case((scores.c.error != "", 1), else_=0)).label("failed"),
                    )
                    .where(scores.c.rule_id.in_(rule_ids[start : start + CHUNK]))
                    .group_by(scores.c.rule_id)
                )
                for row in await connection.execute(query):
                    found[row.rule_id] = Tally(
                        measured=int(row.measured),
                        waiting=int(row.waiting),
                        failed=int(row.failed),
                    )
        return found

    async def prune(self) -> int:
        """Forget the scores of firings that are not kept any more; rows removed."""
        gone = (
            select(*scores.primary_key)
            .where(~exists().where(SAME).correlate(scores))
            .limit(BATCH)
        )  # fmt: skip
        statement = delete(scores).where(tuple_(*scores.primary_key).in_(gone))
        removed = 0
        while True:
            async with self._part.write() as connection:
                count = int((await connection.execute(statement)).rowcount)
            removed += count
            if count < BATCH:
                return removed


def _opened(row: Any, horizon: int) -> dict[str, Any]:
    """Due at the whole minute nearest to the end of the horizon: there a candle closes."""
    due = (row.ts + horizon + MINUTE // 2) // MINUTE * MINUTE
    return {
        "rule_id": row.rule_id,
        "transition": row.transition,
        "horizon": horizon,
        "due_ts": due,
        "tried_ts": 0,
        "move": None,
        "controls": "[]",
        "error": "",
    }


def _values(row: Settled) -> dict[str, Any]:
    named = f"A score of alert {row.rule_id}"
    for _ts, move in row.controls:
        finite(move, named)
    return {
        "b_rule": row.rule_id,
        "b_transition": row.transition,
        "b_horizon": row.horizon,
        "b_tried": row.tried_ts,
        "b_move": finite(row.move, named),
        "b_controls": msgspec.json.encode(row.controls).decode(),
        "b_error": row.error,
    }


def _scored(row: Row[Any]) -> Scored:
    try:
        controls = msgspec.json.decode(row.controls, type=Controls)
    except msgspec.MsgspecError as error:
        raise StorageError(f"A score of alert {row.rule_id} cannot be read: {error}") from error
    return Scored(
        rule_id=row.rule_id, transition=row.transition, horizon=row.horizon, ts=row.ts,
        threshold=row.threshold, move=row.move, controls=controls,
    )  # fmt: skip
