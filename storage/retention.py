"""How long each table keeps what, and the sweep that holds it to that, in small transactions.

Two clocks: the main half ages by the wall's time, samples and marks by the market's. Never removed: people,
chats, preferences, the audit, rules that were not deleted, and updates that were not handled.
"""

from typing import Any

from sqlalchemy import ColumnElement, Table, and_, delete, func, select, tuple_, update

from market.types import DAY
from storage.db import Database
from storage.part import Part
from storage.tables import (
    alert_marks,
    alert_states,
    alerts,
    buttons,
    checkpoints,
    deliveries,
    drafts,
    facts,
    firings,
    flow_rows,
    gaps,
    inbox,
    mutes,
    open_interest,
    outbox,
    scores,
)

BATCH = 500
FIRINGS_KEPT = 1000  # newest per rule; by number, as firings carry market time
MAIN_MS = {
    inbox: 7 * DAY,  # after a week without updates Telegram may start its numbers anew
    buttons: 0,  # they carry their own end
    outbox: 30 * DAY,
    deliveries: 30 * DAY,  # as long as the messages they are about; 0 where nobody said when
    drafts: DAY,  # a conversation nobody went on with
    mutes: 0,  # they carry their own end
    alerts: 30 * DAY,  # after deletion, with their states, firings and scores
}
FINISHED = (
    "sent",
    "merged",
    "muted",
    "dead",
    "expired",
)  # messages that nothing happens to any more
MARKS_MS = 40 * DAY  # of market time behind the newest: nobody has looked at that figure since
MARKET_MS = {
    open_interest: 35 * DAY,
    gaps: 35 * DAY,
    checkpoints: 2 * DAY,
    flow_rows: 2 * DAY,  # a live state reaches back a day
    facts: 35 * DAY,
}
MOMENTS = {
    open_interest: open_interest.c.ts,
    gaps: gaps.c.to_ts,
    checkpoints: checkpoints.c.ts,
    flow_rows: flow_rows.c.minute,
    facts: facts.c.ts,
}


async def prune_main(database: Database, now: int) -> int:
    """Remove what is too old at wall time `now` from the main half; rows removed."""
    part = database.main
    newest = select(func.max(inbox.c.update_id)).scalar_subquery()
    return (
        await _sweep_inbox(
            part, and_(inbox.c.done_ts < now - MAIN_MS[inbox], inbox.c.update_id < newest)
        )
        + await _sweep(part, buttons, buttons.c.expires <= now - MAIN_MS[buttons])
        + await _sweep(
            part,
            outbox,
            and_(
                outbox.c.status.in_(FINISHED),
                outbox.c.created_ts < now - MAIN_MS[outbox],
            ),
        )
        + await _sweep(part, deliveries, deliveries.c.ts.between(1, now - MAIN_MS[deliveries]))
        + await _sweep(part, drafts, drafts.c.updated_ts < now - MAIN_MS[drafts])
        + await _sweep(part, mutes, mutes.c.until <= now - MAIN_MS[mutes])
        + await _sweep(part, alert_marks, _unwatched())
        + await _sweep(
            part,
            alerts,
            and_(
                alerts.c.status == "deleted",
                alerts.c.status_ts > 0,
                alerts.c.status_ts < now - MAIN_MS[alerts],
            ),
        )
        + await _sweep(part, firings, _many_firings_ago())
        + await _sweep(part, scores, scores.c.rule_id.not_in(select(alerts.c.id)))
    )


async def prune_market(part: Part, now: int, mark: str) -> int:
    """Remove samples of one market that are too old at its time `now`; rows removed."""
    removed = 0
    for table, moment in MOMENTS.items():
        old = and_(table.c.mark == mark, moment < now - MARKET_MS[table])
        removed += await _sweep(part, table, old)
    return removed


async def _sweep(part: Part, table: Table, old: ColumnElement[bool]) -> int:
    """Delete in batches, so that nobody else waits long for the writer."""
    key = tuple_(*table.primary_key)
    statement = delete(table).where(key.in_(select(*table.primary_key).where(old).limit(BATCH)))
    removed = 0
    while True:
        async with part.write() as connection:
            count = (await connection.execute(statement)).rowcount
        removed += count
        if count < BATCH:
            return removed


async def _sweep_inbox(part: Part, old: ColumnElement[bool]) -> int:
    """An update id is forgotten together with the alert it made: the number may come again."""
    removed = 0
    while True:
        async with part.write() as connection:
            ids: Any = (
                await connection.scalars(select(inbox.c.update_id).where(old).limit(BATCH))
            ).all()
            await connection.execute(delete(inbox).where(inbox.c.update_id.in_(ids)))
            await connection.execute(
                update(alerts).where(alerts.c.update_id.in_(ids)).values(update_id=None)
            )
        removed += len(ids)
        if len(ids) < BATCH:
            return removed


def _many_firings_ago() -> ColumnElement[bool]:
    last = (
        select(alert_states.c.transition)
        .where(alert_states.c.rule_id == firings.c.rule_id)
        .scalar_subquery()
    )
    return firings.c.transition <= last - FIRINGS_KEPT


def _unwatched() -> ColumnElement[bool]:
    newest = select(func.max(alert_marks.c.ts)).scalar_subquery()
    return alert_marks.c.ts < newest - MARKS_MS
