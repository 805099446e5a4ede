"""Rules as people made them: stored, edited, ended; what the engine writes of them is in `storage.firings`."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from sqlalchemy import Row, delete, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from alerts.stored_types import Crossings, Stored
from alerts.types import ANYTHING, WATCHED, AlertRule, AlertState, Expiry, OutboxRow, RuleStatus
from storage.alert_columns import END, NO_END, READ, Columns, Read
from storage.alert_rows import (
    asked_values,
    chunks,
    rule_of,
    rule_values,
    state_of,
    state_values,
)
from storage.errors import StorageError
from storage.firings import FiringRows
from storage.outbox import OutboxRows
from storage.tables import alert_states, alerts

STREAMED = 5000  # rules read at a time: so many do not hold up the loop
WHOLE = 50  # of these as objects, which take longer
ACTIVE = alerts.c.status == str(RuleStatus.ACTIVE)
LIVE = (str(RuleStatus.ACTIVE), str(RuleStatus.PAUSED))
Others = tuple[Sequence[Row[Any]], Sequence[Row[Any]]]  # rows of rules, and of their states


class Alerts(FiringRows, OutboxRows):
    """`alerts.protocols.AlertStore` on the main half; every method is one durable transaction."""

    async def add(
        self, rule: AlertRule, state: AlertState, *, update_id: int | None = None, now: int = 0
    ) -> AlertRule:
        """Store a new rule and give it its id; for an `update_id` seen before, the first rule."""
        insert = (
            self._part.insert(alerts)
            .values(update_id=update_id, **rule_values(rule, now))
            .on_conflict_do_nothing(index_elements=[alerts.c.update_id])
        )
        async with self._part.write() as connection:
            rule_id = await connection.scalar(insert.returning(alerts.c.id))
            if rule_id is not None:
                await connection.execute(
                    alert_states.insert().values({**state_values(state), "rule_id": rule_id})
                )
                where = alerts.c.id == rule_id
            else:
                where = alerts.c.update_id == update_id
            return rule_of((await connection.execute(select(alerts).where(where))).one())

    async def replace(
        self, rule: AlertRule, state: AlertState, *, update_id: int | None = None, now: int = 0
    ) -> AlertRule:
        """Edit in place. Chat, owner, topic, birth and the count of transitions stay; what was remembered does not.

        An `update_id` that has edited the rule before changes nothing.
        """
        mine = alert_states.c.rule_id == rule.id
        query = select(alerts).where(alerts.c.id == rule.id)
        values = {
            **asked_values(rule), "status": str(rule.status), "paused_reason": rule.paused_reason,
            "snoozed_until": rule.snoozed_until, "status_ts": now,
        }  # fmt: skip
        if update_id is not None:
            values["update_id"] = update_id
        async with self._part.write() as connection:
            before = (await connection.execute(query)).first()
            if before is None:
                raise StorageError(f"There is no alert {rule.id}")
            if update_id is not None and before.update_id == update_id:
                return rule_of(before)
            last = await connection.scalar(select(func.max(alert_states.c.transition)).where(mine))
            await connection.execute(update(alerts).where(alerts.c.id == rule.id).values(values))
            await connection.execute(delete(alert_states).where(mine))
            start = {**state_values(state), "rule_id": rule.id, "transition": last or 0}
            fresh = [{**start, "subject": each} for each in ("", *named(rule))]
            await connection.execute(alert_states.insert(), fresh)
            return rule_of((await connection.execute(query)).one())

    async def rule(self, rule_id: int) -> AlertRule | None:
        """One rule, a deleted one too."""
        return (await self.chosen([rule_id])).get(rule_id)

    async def made_by(self, update_id: int) -> AlertRule | None:
        """The rule that an update made, or changed last."""
        query = select(alerts).where(alerts.c.update_id == update_id)
        async with self._part.read() as connection:
            row = (await connection.execute(query)).first()
        return rule_of(row) if row else None

    async def chosen(self, rule_ids: Sequence[int]) -> dict[int, AlertRule]:
        """Rules by id, deleted ones too."""

        async def work(connection: AsyncConnection) -> dict[int, AlertRule]:
            found: dict[int, AlertRule] = {}
            for ids in chunks(rule_ids):
                for row in await connection.execute(select(alerts).where(alerts.c.id.in_(ids))):
                    found[row.id] = rule_of(row)
            return found

        return await self._part.whole(work)

    async def rules(
        self, *, chat_id: int | None = None, statuses: Sequence[RuleStatus] = ()
    ) -> list[AlertRule]:
        """Rules by id, of one chat or of all; deleted ones only where `statuses` names them."""
        query = select(alerts).order_by(alerts.c.id)
        if chat_id is not None:
            query = query.where(alerts.c.chat_id == chat_id)
        wanted = statuses or [each for each in RuleStatus if each is not RuleStatus.DELETED]
        query = query.where(alerts.c.status.in_([str(each) for each in wanted]))
        async with self._part.read() as connection:
            return [rule_of(row) for row in await connection.execute(query)]

    async def count(self, chat_id: int, owner_id: int | None = None) -> int:
        """Active rules of a chat, or of one person in it."""
        query = select(func.count()).where(
            alerts.c.chat_id == chat_id, alerts.c.status == str(RuleStatus.ACTIVE)
        )
        if owner_id is not None:
            query = query.where(alerts.c.owner_id == owner_id)
        async with self._part.read() as connection:
            return int(await connection.scalar(query) or 0)

    async def stream(self) -> AsyncIterator[Stored]:
        """All active rules with their states, by id, a stretch at a time."""
        columns, last = Columns(), 0
        while last < NO_END:
            last, rows, others = await self._read_on(last)
            plain = [row for row in rows if row[1] is not None]
            crossings = columns.crossings(plain) if plain else None
            if plain and crossings is None:
                others = await self._whole_rows([row[0] for row in rows])
            await asyncio.sleep(0)  # that was one turn of the loop, taking them up is another
            if rows:
                for stored in _stretches(crossings, *others):
                    yield stored

    async def _read_on(self, last: int) -> tuple[int, Sequence[Read], Others]:
        """The next active rules: up to which id, what crossings are made of, and of the others all that is stored."""

        async def work(connection: AsyncConnection) -> tuple[int, Sequence[Read], Others]:
            end = await connection.scalar(END, {"last": last, "most": STREAMED - 1})
            end = NO_END if end is None else end
            found = await connection.execute(READ, {"last": last, "end": end})
            rows = found.cursor.fetchall()  # as the driver gives them: rows of SQLAlchemy double it
            ids = [row[0] for row in rows if row[1] is None]
            return end, rows, await _others(connection, ids)

        return await self._part.whole(work)

    async def _whole_rows(self, rule_ids: Sequence[int]) -> Others:
        async def work(connection: AsyncConnection) -> Others:
            return await _others(connection, rule_ids)

        return await self._part.whole(work)

    async def set_status(
        self, rule_ids: Sequence[int], status: RuleStatus, reason: str = "", now: int = 0
    ) -> int:
        """How many really changed. `now` is wall ms: deleted rules are kept for a while after it."""
        changed = 0
        async with self._part.write() as connection:
            for ids in chunks(rule_ids):
                change = update(alerts).where(
                    alerts.c.id.in_(ids),
                    or_(alerts.c.status != str(status), alerts.c.paused_reason != reason),
                )
                values = {"status": str(status), "paused_reason": reason, "status_ts": now}
                changed += (await connection.execute(change.values(values))).rowcount
        return changed

    async def activate(
        self, rule_ids: Sequence[int], states: Sequence[AlertState], now: int = 0
    ) -> int:
        """Active again from these states, in one commit; how many were not before."""
        changed = 0
        values = {"status": str(RuleStatus.ACTIVE), "paused_reason": "", "status_ts": now}
        async with self._part.write() as connection:
            await self._put_states(connection, states)
            for ids in chunks(rule_ids):
                change = update(alerts).where(
                    alerts.c.id.in_(ids), alerts.c.status != str(RuleStatus.ACTIVE)
                )
                changed += (await connection.execute(change.values(values))).rowcount
        return changed

    async def snooze(self, rule_ids: Sequence[int], until: int) -> int:
        """Until when (wall ms) they are not told; how many changed."""
        changed = 0
        async with self._part.write() as connection:
            for ids in chunks(rule_ids):
                change = update(alerts).where(alerts.c.id.in_(ids), alerts.c.snoozed_until != until)
                changed += (await connection.execute(change.values(snoozed_until=until))).rowcount
        return changed

    async def renew(self, rule_ids: Sequence[int], expires_ts: int | None, now: int) -> int:
        """Another end, or none; how many rules there were."""
        changed = 0
        async with self._part.write() as connection:
            for ids in chunks(rule_ids):
                change = update(alerts).where(alerts.c.id.in_(ids))
                values = {"expires_ts": expires_ts, "status_ts": now}
                changed += (await connection.execute(change.values(values))).rowcount
        return changed

    async def due_expiry(self, now: int, ahead: int = 0) -> list[Expiry]:
        """Rules, active or paused, that end up to `ahead` ms after `now`, the first to end first."""
        query = (
            select(alerts)
            .where(alerts.c.expires_ts <= now + ahead, alerts.c.status.in_(LIVE))
            .order_by(alerts.c.expires_ts, alerts.c.id)
        )
        async with self._part.read() as connection:
            return [
                Expiry(rule=rule_of(row), since=row.status_ts)
                for row in await connection.execute(query)
            ]

    async def expire(self, notices: Mapping[int, OutboxRow], now: int) -> list[int]:
        """Rules whose time is over end, with the messages that say so, in one commit; which did."""
        ended: list[int] = []
        values = {"status": str(RuleStatus.EXPIRED), "paused_reason": "", "status_ts": now}
        async with self._part.write() as connection:
            for ids in chunks(list(notices)):
                change = update(alerts).where(
                    alerts.c.id.in_(ids), alerts.c.status.in_(LIVE), alerts.c.expires_ts <= now
                )
                found = await connection.scalars(change.values(values).returning(alerts.c.id))
                ended += found.all()
            ended.sort()
            await self._put_rows(connection, [notices[each] for each in ended])
        return ended


def named(rule: AlertRule) -> list[str]:
    """The subjects of a rule over several that stand in it by name."""
    return [each for each in dict.fromkeys(rule.subjects) if each not in (WATCHED, ANYTHING)]


async def _others(connection: AsyncConnection, rule_ids: Sequence[int]) -> Others:
    """All that is stored of these, as far as they are active."""
    rules: list[Row[Any]] = []
    states: list[Row[Any]] = []
    for ids in chunks(rule_ids):
        asked = select(alerts).where(ACTIVE, alerts.c.id.in_(ids)).order_by(alerts.c.id)
        rules += (await connection.execute(asked)).all()
        remembered = select(alert_states).where(alert_states.c.rule_id.in_(ids))
        by_rule = remembered.order_by(alert_states.c.rule_id, alert_states.c.subject)
        states += (await connection.execute(by_rule)).all()
    return rules, states


def _stretches(
    crossings: Crossings | None, rows: Sequence[Row[Any]], remembered: Sequence[Row[Any]]
) -> Iterator[Stored]:
    """By id, with so few whole rules in each that it is a short turn of the loop."""
    states: dict[int, list[AlertState]] = {}
    for row in remembered:
        states.setdefault(row[0], []).append(state_of(row))
    start = 0
    for first in range(0, max(len(rows), 1), WHOLE):
        rules = [rule_of(row) for row in rows[first : first + WHOLE]]
        among = crossings
        if crossings is not None and len(rows) > WHOLE:
            end = len(crossings)
            if first + WHOLE < len(rows):
                end = int(np.searchsorted(crossings.ids, rows[first + WHOLE][0]))
            among, start = crossings.part(start, end), end
        mine = {rule.id: states[rule.id] for rule in rules if rule.id in states}
        yield Stored(crossings=among, rules=rules, states=mine)
