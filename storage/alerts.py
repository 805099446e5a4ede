"""Rules as people made them: stored, edited, ended; what the engine writes of them is in `storage.firings`."""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from sqlalchemy import delete, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from alerts.types import ANYTHING, WATCHED, AlertRule, AlertState, Expiry, OutboxRow, RuleStatus
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

STREAMED = 1000  # rules read at a time: so many do not hold up the loop
ACTIVE = alerts.c.status == str(RuleStatus.ACTIVE)
LIVE = (str(RuleStatus.ACTIVE), str(RuleStatus.PAUSED))
Raw = tuple[int, int, str, str, int, str]


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

    async def stream(
        self,
    ) -> AsyncIterator[tuple[list[AlertRule], dict[int, list[AlertState]]]]:
        """All active rules with their states, by id, a chunk at a time."""
        last = 0
        while True:
            query = select(alerts).where(ACTIVE, alerts.c.id > last)
            async with self._part.read() as connection:
                found = await connection.execute(query.order_by(alerts.c.id).limit(STREAMED))
                rules = [rule_of(row) for row in found.all()]
                if not rules:
                    return
                first, last = rules[0].id, rules[-1].id
                remembered = (
                    select(alert_states)
                    .join(alerts, alerts.c.id == alert_states.c.rule_id)
                    .where(ACTIVE, alert_states.c.rule_id.between(first, last))
                    .order_by(alert_states.c.rule_id, alert_states.c.subject)
                )
                states: dict[int, list[AlertState]] = {}
                for row in (await connection.execute(remembered)).all():
                    states.setdefault(row.rule_id, []).append(state_of(row))
            yield rules, states

    async def stream_raw(self) -> AsyncIterator[list[Raw]]:
        """Of all active rules id, chat, condition (JSON), repeat, cooldown and subjects (JSON): five times as fast."""
        last = 0
        columns = (
            alerts.c.id, alerts.c.chat_id, alerts.c.condition, alerts.c.repeat, alerts.c.cooldown,
            alerts.c.subjects,
        )  # fmt: skip
        while True:
            query = select(*columns).where(ACTIVE, alerts.c.id > last).order_by(alerts.c.id)
            async with self._part.read() as connection:
                rows: Any = (await connection.execute(query.limit(STREAMED * 5))).all()
            if not rows:
                return
            last = rows[-1].id
            yield rows

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
