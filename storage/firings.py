"""What rules remember, and what they did: states, marks, and firings with the messages these caused."""

import logging
from collections.abc import Mapping, Sequence
from functools import cached_property

from sqlalchemy import and_, bindparam, exists, func, literal_column, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.orm import aliased

from alerts.types import AlertState, Firing, Metric, OutboxRow, Repeat, RuleStatus
from storage.alert_rows import (
    STATE,
    chunks,
    firing_values,
    mark_values,
    state_of,
    state_values,
)
from storage.db import Database
from storage.outbox import outbox_values
from storage.part import Insert
from storage.tables import alert_marks, alert_states, alerts, outbox
from storage.tables import firings as history

logger = logging.getLogger(__name__)

ROW_KEY = ["alert_id", "transition", "channel", "chat_id"]
MARK_KEY = ["subject", "name", "window", "timeframe", "param"]
DONE = (  # a rule that was to fire once, and does so with a firing that is not stored yet
    update(alerts)
    .where(
        alerts.c.id == bindparam("fired"),
        alerts.c.repeat == literal_column(f"'{Repeat.ONCE}'"),
        alerts.c.status == literal_column(f"'{RuleStatus.ACTIVE}'"),
        ~exists().where(
            history.c.rule_id == bindparam("fired"), history.c.transition == bindparam("number")
        ),
    )
    .values(
        status=literal_column(f"'{RuleStatus.DONE}'"),
        paused_reason=literal_column("''"),
        status_ts=bindparam("moment"),
    )
)
CHANNEL = "telegram"  # the message a person can be led to


class FiringRows:
    """The half of `alerts.protocols.AlertStore` that the engine writes; every method is one durable transaction."""

    def __init__(self, database: Database) -> None:
        self._part = database.main

    async def states(self, rule_ids: Sequence[int] | None = None) -> dict[int, AlertState]:
        """What is remembered under the subject "", by rule id; without ids of all rules, deleted too."""
        found = await self._states(rule_ids, only="")
        return {rule_id: states[0] for rule_id, states in found.items()}

    async def all_states(
        self, rule_ids: Sequence[int] | None = None
    ) -> dict[int, list[AlertState]]:
        """What is remembered of every subject, "" first."""
        return await self._states(rule_ids)

    async def _states(
        self, rule_ids: Sequence[int] | None, only: str | None = None
    ) -> dict[int, list[AlertState]]:
        found: dict[int, list[AlertState]] = {}
        query = select(alert_states).order_by(alert_states.c.rule_id, alert_states.c.subject)
        if only is not None:
            query = query.where(alert_states.c.subject == only)
        parts = (
            [query]
            if rule_ids is None
            else [query.where(alert_states.c.rule_id.in_(ids)) for ids in chunks(rule_ids)]
        )
        async with self._part.read() as connection:
            for part in parts:
                for row in await connection.execute(part):
                    found.setdefault(row.rule_id, []).append(state_of(row))
        return found

    async def save_states(self, states: Sequence[AlertState]) -> None:
        """Remember them; a state from before the last stored firing of its subject is not taken."""
        if not states:
            return
        async with self._part.write() as connection:
            await self._put_states(connection, states)

    async def marks(self) -> dict[Metric, tuple[int, float | None]]:
        """Up to when each metric was looked at, and what it was."""
        async with self._part.read() as connection:
            return {
                Metric(
                    subject=row.subject, name=row.name, window=row.window,
                    timeframe=row.timeframe, param=row.param,
                ): (row.ts, row.value)
                for row in await connection.execute(select(alert_marks))
            }  # fmt: skip

    async def save_marks(
        self, marks: Mapping[Metric, tuple[int, float | None]], states: Sequence[AlertState]
    ) -> None:
        """Marks and the states as of them, in one commit."""
        if not marks and not states:
            return
        insert = self._part.insert(alert_marks)
        upsert = insert.on_conflict_do_update(
            index_elements=MARK_KEY,
            set_={"ts": insert.excluded.ts, "value": insert.excluded.value},
        )
        async with self._part.write() as connection:
            if marks:
                await connection.execute(upsert, mark_values(marks))
            await self._put_states(connection, states)

    async def fire(
        self,
        firings: Sequence[Firing],
        states: Sequence[AlertState],
        rows: Sequence[OutboxRow],
        *,
        paused: Mapping[int, str] | None = None,
        now: int = 0,
    ) -> int:
        """Firings, states and messages in one commit; returns messages added.

        What exists already is skipped. A rule that was to fire once is DONE in the same commit, and those of
        `paused` (why, by rule id) are paused in it.
        """

        async def work(connection: AsyncConnection) -> int:
            if firings:
                newest: dict[
                    int, int
                ] = {}  # numbers rise: an older one is not new where this is not
                for each in firings:
                    newest[each.rule_id] = max(each.transition, newest.get(each.rule_id, 0))
                fired = [{"fired": r, "number": n, "moment": now} for r, n in newest.items()]
                await connection.execute(DONE, fired)  # before they are stored themselves
                values = [firing_values(each) for each in firings]
                added = await connection.execute(self._insert_firings, values)
                if added.rowcount != len(firings):
                    await self._compare(connection, firings)
            await self._put_states(connection, states)
            for rule_id, reason in (paused or {}).items():
                await connection.execute(
                    update(alerts)
                    .where(alerts.c.id == rule_id, alerts.c.status == str(RuleStatus.ACTIVE))
                    .values(status=str(RuleStatus.PAUSED), paused_reason=reason, status_ts=now)
                )
            return await self._put_rows(connection, rows)

        return await self._part.whole(work, write=True)

    async def told_times(self, rule_ids: Sequence[int], since: int) -> dict[int, list[int]]:
        """When (wall ms) firings of these rules were told since `since`, rising."""
        moment = func.min(outbox.c.created_ts).label("moment")
        query = (
            select(outbox.c.alert_id, moment)
            .where(outbox.c.created_ts >= since)
            .group_by(outbox.c.alert_id, outbox.c.transition)
            .order_by(moment)
        )

        async def work(connection: AsyncConnection) -> dict[int, list[int]]:
            found: dict[int, list[int]] = {}
            for ids in chunks(rule_ids):
                for row in await connection.execute(query.where(outbox.c.alert_id.in_(ids))):
                    found.setdefault(row.alert_id, []).append(row.moment)
            return found

        return await self._part.whole(work)

    async def history(
        self,
        chat_id: int,
        limit: int = 20,
        *,
        rule_id: int | None = None,
        before: int | None = None,
    ) -> list[Firing]:
        """What fired in a chat, newest first, deleted rules included, with what became of its message."""
        whole = aliased(outbox)
        query = (
            select(
                history,
                func.coalesce(outbox.c.message_id, whole.c.message_id).label("message_id"),
                func.coalesce(outbox.c.status, "").label("delivery"),
            )
            .join(alerts, alerts.c.id == history.c.rule_id)
            .outerjoin(
                outbox,
                and_(
                    outbox.c.alert_id == history.c.rule_id,
                    outbox.c.transition == history.c.transition,
                    outbox.c.channel == CHANNEL,
                    outbox.c.chat_id == alerts.c.chat_id,
                ),
            )
            .outerjoin(whole, whole.c.id == outbox.c.merged_into)
            .where(alerts.c.chat_id == chat_id)
            .order_by(history.c.ts.desc(), history.c.rule_id.desc(), history.c.transition.desc())
            .limit(limit)
        )
        if rule_id is not None:
            query = query.where(history.c.rule_id == rule_id)
        if before is not None:
            query = query.where(history.c.ts < before)
        async with self._part.read() as connection:
            return [Firing(**row._mapping) for row in await connection.execute(query)]

    async def _compare(self, connection: AsyncConnection, firings: Sequence[Firing]) -> None:
        """A firing that was not added has to be the one that is there: a number given twice would lose one."""
        key = tuple_(history.c.rule_id, history.c.transition)
        for some in chunks(firings):
            query = select(history.c.rule_id, history.c.transition, history.c.ts, history.c.subject)
            found = await connection.execute(
                query.where(key.in_([(each.rule_id, each.transition) for each in some]))
            )
            stored = {(row.rule_id, row.transition): (row.ts, row.subject) for row in found}
            for each in some:
                if stored.get((each.rule_id, each.transition)) != (each.ts, each.subject):
                    logger.error("firing lost rule=%d transition=%d", each.rule_id, each.transition)

    async def _put_rows(self, connection: AsyncConnection, rows: Sequence[OutboxRow]) -> int:
        """Queue messages; how many were new. RETURNING costs a third more, and SQLite counts anyway."""
        if not rows:
            return 0
        values = [outbox_values(row) for row in rows]
        if self._part.sqlite:
            return int((await connection.execute(self._insert_rows, values)).rowcount)
        returning = self._insert_rows.returning(outbox.c.id)
        return len((await connection.scalars(returning, values)).all())

    async def _put_states(self, connection: AsyncConnection, states: Sequence[AlertState]) -> None:
        if not states:
            return
        await connection.execute(self._upsert_states, [state_values(each) for each in states])

    # Statements are built once: building one takes as long as the database takes for it.

    @cached_property
    def _insert_firings(self) -> Insert:
        return self._part.insert(history).on_conflict_do_nothing(
            index_elements=["rule_id", "transition"]
        )

    @cached_property
    def _insert_rows(self) -> Insert:
        return self._part.insert(outbox).on_conflict_do_nothing(index_elements=ROW_KEY)

    @cached_property
    def _upsert_states(self) -> Insert:
        insert = self._part.insert(alert_states)
        names = [name for name in STATE if name not in ("rule_id", "subject")]
        return insert.on_conflict_do_update(
            index_elements=["rule_id", "subject"],
            set_={name: insert.excluded[name] for name in names},
            where=alert_states.c.transition <= insert.excluded.transition,
        )
