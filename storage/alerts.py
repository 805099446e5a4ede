"""Rules, what is remembered of them, and their firings with the messages these cause."""

from collections.abc import Iterator, Sequence
from typing import Any, TypeVar

from sqlalchemy import Row, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from alerts.types import AlertRule, AlertState, Firing, OutboxRow, Repeat, RuleStatus
from storage.conditions import dump_condition, load_condition
from storage.errors import StorageError
from storage.finite import finite
from storage.outbox import OutboxRows, outbox_values
from storage.tables import alert_states, alerts, outbox
from storage.tables import firings as history

T = TypeVar("T")
CHUNK = 1000  # ids in one IN list
STATE = tuple(column.name for column in alert_states.c)


class Alerts(OutboxRows):
    """`alerts.types.AlertStore` on the main half; every method is one durable transaction."""

    async def add(
        self, rule: AlertRule, state: AlertState, *, update_id: int | None = None
    ) -> AlertRule:
        """Store a new rule and give it its id; for an `update_id` seen before, the first rule."""
        insert = (
            self._part.insert(alerts)
            .values(update_id=update_id, **_rule_values(rule))
            .on_conflict_do_nothing(index_elements=[alerts.c.update_id])
        )
        async with self._part.write() as connection:
            rule_id = await connection.scalar(insert.returning(alerts.c.id))
            if rule_id is not None:
                await connection.execute(
                    alert_states.insert().values({**_state_values(state), "rule_id": rule_id})
                )
                where = alerts.c.id == rule_id
            else:
                where = alerts.c.update_id == update_id
            return _rule((await connection.execute(select(alerts).where(where))).one())

    async def rule(self, rule_id: int) -> AlertRule | None:
        """One rule, a deleted one too."""
        async with self._part.read() as connection:
            row = (await connection.execute(select(alerts).where(alerts.c.id == rule_id))).first()
        return _rule(row) if row else None

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
            return [_rule(row) for row in await connection.execute(query)]

    async def states(self, rule_ids: Sequence[int] | None = None) -> dict[int, AlertState]:
        """What is remembered, by rule id; without ids of all rules, deleted ones too."""
        found: dict[int, AlertState] = {}
        async with self._part.read() as connection:
            if rule_ids is None:
                rows = await connection.execute(select(alert_states))
                return {row.rule_id: AlertState(**row._mapping) for row in rows}
            for ids in _chunks(rule_ids):
                query = select(alert_states).where(alert_states.c.rule_id.in_(ids))
                for row in await connection.execute(query):
                    found[row.rule_id] = AlertState(**row._mapping)
        return found

    async def set_status(
        self, rule_ids: Sequence[int], status: RuleStatus, reason: str = "", now: int = 0
    ) -> int:
        """How many really changed. `now` is wall ms: deleted rules are kept for a while after it."""
        changed = 0
        async with self._part.write() as connection:
            for ids in _chunks(rule_ids):
                change = update(alerts).where(
                    alerts.c.id.in_(ids),
                    or_(alerts.c.status != str(status), alerts.c.paused_reason != reason),
                )
                values = {"status": str(status), "paused_reason": reason, "status_ts": now}
                changed += (await connection.execute(change.values(values))).rowcount
        return changed

    async def save_states(self, states: Sequence[AlertState]) -> None:
        """Remember them; a state from before the rule's last stored firing is not taken."""
        async with self._part.write() as connection:
            await self._put_states(connection, states)

    async def fire(
        self, firings: Sequence[Firing], states: Sequence[AlertState], rows: Sequence[OutboxRow]
    ) -> int:
        """Firings, states and messages in one commit; returns messages added.

        What exists already is skipped. A rule that was to fire once is DONE in the same commit.
        """
        async with self._part.write() as connection:
            fired = await self._put_firings(connection, firings)
            await self._put_states(connection, states)
            for ids in _chunks(fired):
                await connection.execute(
                    update(alerts)
                    .where(
                        alerts.c.id.in_(ids),
                        alerts.c.repeat == str(Repeat.ONCE),
                        alerts.c.status == str(RuleStatus.ACTIVE),
                    )
                    .values(status=str(RuleStatus.DONE))
                )
            if not rows:
                return 0
            insert = (
                self._part.insert(outbox)
                .on_conflict_do_nothing(
                    index_elements=["alert_id", "transition", "channel", "chat_id"]
                )
                .returning(outbox.c.id)
            )
            added = await connection.execute(insert, [outbox_values(row) for row in rows])
            return len(added.all())

    async def history(self, chat_id: int, limit: int = 20) -> list[Firing]:
        """What fired in a chat, newest first, deleted rules included."""
        query = (
            select(history)
            .join(alerts, alerts.c.id == history.c.rule_id)
            .where(alerts.c.chat_id == chat_id)
            .order_by(history.c.ts.desc(), history.c.rule_id.desc(), history.c.transition.desc())
            .limit(limit)
        )
        async with self._part.read() as connection:
            return [Firing(**row._mapping) for row in await connection.execute(query)]

    async def _put_firings(self, connection: AsyncConnection, new: Sequence[Firing]) -> list[int]:
        """The ids of the rules with a firing that was not stored yet."""
        if not new:
            return []
        insert = (
            self._part.insert(history)
            .on_conflict_do_nothing(index_elements=["rule_id", "transition"])
            .returning(history.c.rule_id)
        )
        return list(
            (await connection.scalars(insert, [_firing_values(each) for each in new])).all()
        )

    async def _put_states(self, connection: AsyncConnection, states: Sequence[AlertState]) -> None:
        if not states:
            return
        insert = self._part.insert(alert_states)
        upsert = insert.on_conflict_do_update(
            index_elements=["rule_id"],
            set_={name: insert.excluded[name] for name in STATE if name != "rule_id"},
            where=alert_states.c.transition <= insert.excluded.transition,
        )
        await connection.execute(upsert, [_state_values(each) for each in states])


def _chunks(items: Sequence[T]) -> Iterator[Sequence[T]]:
    for start in range(0, len(items), CHUNK):
        yield items[start : start + CHUNK]


def _rule_values(rule: AlertRule) -> dict[str, Any]:
    return {
        "chat_id": rule.chat_id,
        "owner_id": rule.owner_id,
        "kind": rule.kind,
        "text": rule.text,
        "condition": dump_condition(rule.condition),
        "coin": rule.coin,
        "repeat": str(rule.repeat),
        "cooldown": rule.cooldown,
        "created_ts": rule.created_ts,
        "thread_id": rule.thread_id,
        "status": str(rule.status),
        "paused_reason": rule.paused_reason,
        "status_ts": 0,
    }


def _rule(row: Row[Any]) -> AlertRule:
    try:
        repeat, status = Repeat(row.repeat), RuleStatus(row.status)
    except ValueError as error:
        raise StorageError(f"Alert {row.id} cannot be read: {error}") from error
    return AlertRule(
        id=row.id,
        chat_id=row.chat_id,
        owner_id=row.owner_id,
        kind=row.kind,
        text=row.text,
        condition=load_condition(row.condition),
        coin=row.coin,
        repeat=repeat,
        cooldown=row.cooldown,
        created_ts=row.created_ts,
        thread_id=row.thread_id,
        status=status,
        paused_reason=row.paused_reason,
    )


def _state_values(state: AlertState) -> dict[str, Any]:
    finite(state.last_value, f"The last value of alert {state.rule_id}")
    finite(state.anchor, f"The anchor of alert {state.rule_id}")
    return {name: getattr(state, name) for name in STATE}


def _firing_values(firing: Firing) -> dict[str, Any]:
    return {
        "rule_id": firing.rule_id,
        "transition": firing.transition,
        "ts": firing.ts,
        "value": finite(firing.value, f"A firing of alert {firing.rule_id}"),
        "threshold": finite(firing.threshold, f"A threshold of alert {firing.rule_id}"),
        "text": firing.text,
    }
