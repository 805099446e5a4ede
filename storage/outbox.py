"""Messages on their way out: in order per lane, each until it is sent, told by another, or given up.

A lane are the rows of one class into one chat. What is said of a row in the ledger is written in the same commit;
that it was queued is said with the first thing that happens to it, so that a burst of firings costs nothing more.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Row,
    Text,
    and_,
    bindparam,
    cast,
    func,
    insert,
    literal,
    or_,
    select,
    update,
)
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql.expression import Executable

from alerts.delivery.types import LIVING, QUIET, Change, Delivery, Event, Lane, Look, Told, Waiting
from alerts.types import OutboxRow, Priority, Severity
from storage.db import Database
from storage.errors import StorageError
from storage.ledger import delivery_values
from storage.tables import OPEN, deliveries, outbox

ERROR_LENGTH = 500
CHUNK = 500  # ids in one IN list
LATELY = 3_600_000  # ms: what was told since then was mostly queued after it
# The sum keeps SQLite from the index on `alert_id`, which has all that ever lived; the open rows are few.
IS_LIVING = outbox.c.alert_id + 0 == LIVING
FINISHED = frozenset({"sent", "merged", "muted", "dead", "expired"})
LOST = "the process ended while it was being sent"
COLUMNS = ("message_id", "next_ts", "error", "merged_into", "payload")


class OutboxRows:
    """`alerts.delivery.types.OutboxStore`, and the outbox half of `alerts.protocols.AlertStore`."""

    def __init__(self, database: Database) -> None:
        self._part = database.main

    async def look(self, now: int) -> Look:
        """Lanes whose first row may leave now, and those with a living message to be closed."""
        first = (
            select(func.min(outbox.c.id).label("id"))
            .where(OPEN, outbox.c.alert_id != LIVING, _awake(now))
            .group_by(outbox.c.channel, outbox.c.chat_id, outbox.c.priority)
            .subquery()
        )
        wanted = (
            outbox.c.id,
            outbox.c.priority,
            outbox.c.channel,
            outbox.c.chat_id,
            outbox.c.next_ts,
        )
        queued = outbox.c.status == "queued"
        heads = select(*wanted).join(first, first.c.id == outbox.c.id).where(queued)
        living = select(*wanted).where(OPEN, queued, IS_LIVING)

        async def work(connection: AsyncConnection) -> list[Any]:
            return [
                *(await connection.execute(heads)).all(),
                *(await connection.execute(living)).all(),
            ]

        rows = await self._part.whole(work)
        due = sorted((r.priority, r.id, r.channel, r.chat_id) for r in rows if r.next_ts <= now)
        later = [row.next_ts for row in rows if row.next_ts > now]
        lanes = dict.fromkeys(Lane(priority, channel, chat) for priority, _id, channel, chat in due)
        return Look(due=tuple(lanes), next_ts=min(later, default=None))

    async def waiting(self, lane: Lane, now: int, limit: int) -> Waiting:
        """The lane's rows before the first that is being sent or not due yet, and its living message.

        What is held for quiet hours stands before nothing: what comes after it will be held as well.
        """
        mine = and_(
            OPEN, outbox.c.channel == lane.channel, outbox.c.chat_id == lane.chat_id,
            outbox.c.priority == lane.priority,
        )  # fmt: skip
        theirs = and_(mine, outbox.c.alert_id != LIVING, _awake(now))
        query = select(outbox).where(theirs).order_by(outbox.c.id).limit(limit)
        newest = select(outbox).where(mine, IS_LIVING).order_by(outbox.c.id.desc()).limit(1)

        async def work(
            connection: AsyncConnection,
        ) -> tuple[Sequence[Row[Any]], int, Row[Any] | None]:
            found = (await connection.execute(query)).all()
            total = len(found)
            if total == limit:
                total = await connection.scalar(select(func.count()).where(theirs)) or 0
            if lane.priority != Priority.ALERT:
                return found, total, None
            return found, total, (await connection.execute(newest)).first()

        found, total, living = await self._part.whole(work)
        rows = []
        for row in found:
            if row.status != "queued" or row.next_ts > now:
                break
            rows.append(_row(row))
        return Waiting(rows=rows, total=total, living=_row(living) if living else None)

    async def note(self, changes: Sequence[Change], now: int) -> set[int]:
        """Apply all in one commit, with their lines of the ledger; the ids of the rows that really changed."""
        if not changes:
            return set()

        async def work(connection: AsyncConnection) -> set[int]:
            statuses = await self._statuses(connection, [each.row.id for each in changes])
            done = [each for each in changes if _may(statuses.get(each.row.id), each.status)]
            if done:
                await connection.execute(CHANGE, [_change_values(each, now) for each in done])
                lines = [delivery_values(each) for each in _lines_of(done, now)]
                await connection.execute(ADD_LINES, lines)
            return {each.row.id for each in done}

        return await self._part.whole(work, write=True)

    async def add_row(self, row: OutboxRow) -> OutboxRow:
        """Queue one row of our own; the row with its id."""
        async with self._part.write() as connection:
            added = await connection.scalar(
                insert(outbox).values(**outbox_values(row)).returning(outbox.c.id)
            )
            found = await connection.execute(select(outbox).where(outbox.c.id == added))
            return _row(found.one())

    async def bury(self, channel: str, chat_id: int, reason: str, now: int) -> int:
        """Give up all queued rows of a chat that cannot be reached; how many."""
        mine = and_(
            OPEN,
            outbox.c.status == "queued",
            outbox.c.channel == channel,
            outbox.c.chat_id == chat_id,
        )
        change = (
            update(outbox)
            .where(mine)
            .values(status="dead", error=reason[:ERROR_LENGTH], done_ts=now)
        )
        async with self._part.write() as connection:
            untouched = and_(mine, outbox.c.attempts == 0, outbox.c.error == "")
            await connection.execute(_lines(untouched, None, Event.QUEUED, ""))
            await connection.execute(_lines(mine, now, Event.FAILED, reason))
            return int((await connection.execute(change)).rowcount)

    async def recover(self, now: int = 0) -> int:
        """At start: rows that a process was sending when it died go back to the queue; how many."""
        mine = and_(OPEN, outbox.c.status == "sending")
        change = update(outbox).where(mine).values(status="queued")
        async with self._part.write() as connection:
            if now:
                await connection.execute(_lines(mine, now, Event.RETRIED, LOST))
            return int((await connection.execute(change)).rowcount)

    async def lately(self, since: int) -> list[Told]:
        """What chats were told of rules since then."""
        query = select(
            outbox.c.channel, outbox.c.chat_id, outbox.c.coin, outbox.c.done_ts, outbox.c.status
        ).where(
            outbox.c.created_ts >= since - LATELY,
            outbox.c.done_ts >= since,
            outbox.c.status.in_(("sent", "merged")),
            outbox.c.priority == int(Priority.ALERT),
        )
        async with self._part.read() as connection:
            return [
                Told(
                    channel=row.channel, chat_id=row.chat_id, coin=row.coin, ts=row.done_ts,
                    merged=row.status == "merged",
                )
                for row in await connection.execute(query.order_by(outbox.c.done_ts))
            ]  # fmt: skip

    async def due(self, now: int, limit: int = 100) -> list[OutboxRow]:
        """What may leave now, by id: of each lane the rows before the first that may not."""
        lane = (outbox.c.channel, outbox.c.chat_id, outbox.c.priority)
        busy = (
            select(*lane, func.min(outbox.c.id).label("first"))
            .where(OPEN, (outbox.c.status == "sending") | (outbox.c.next_ts > now))
            .where(outbox.c.alert_id != LIVING)
            .group_by(*lane)
            .subquery()
        )
        same = and_(*(busy.c[column.name] == column for column in lane))
        query = (
            select(outbox)
            .outerjoin(busy, same)
            .where(
                outbox.c.status == "queued",
                outbox.c.next_ts <= now,
                busy.c.first.is_(None) | (outbox.c.id < busy.c.first),
            )
            .order_by(outbox.c.id)
            .limit(limit)
        )
        async with self._part.read() as connection:
            return [_row(row) for row in await connection.execute(query)]

    async def sending(self, row_id: int) -> None:
        """One attempt begins; StorageError where the row is not queued, so that no two send it."""
        await self._one(row_id, "sending", Event.SENDING, "is not queued")

    async def sent(self, row_id: int, message_id: int | None, now: int) -> None:
        """It has left."""
        await self._one(row_id, "sent", Event.SENT, message_id=message_id, error="", now=now)

    async def retry(self, row_id: int, *, next_ts: int, error: str) -> None:
        """Back to the queue, not before `next_ts`."""
        await self._one(row_id, "queued", Event.RETRIED, next_ts=next_ts, error=error)

    async def dead(self, row_id: int, error: str) -> None:
        """Given up, and why."""
        await self._one(row_id, "dead", Event.FAILED, error=error)

    async def _one(
        self, row_id: int, status: str, event: Event, what: str = "was finished before", *,
        now: int = 0, **values: Any,
    ) -> None:  # fmt: skip
        async with self._part.read() as connection:
            found = (await connection.execute(select(outbox).where(outbox.c.id == row_id))).first()
        changes = [Change(row=_row(found), status=status, event=event, **values)] if found else []
        if not await self.note(changes, now):
            raise StorageError(f"Message {row_id} {what}")

    async def _statuses(self, connection: AsyncConnection, ids: Sequence[int]) -> dict[int, str]:
        """As they are now; nobody changes them before this commit."""
        found: dict[int, str] = {}
        for part in _chunks(ids):
            query = STATUSES if self._part.sqlite else LOCKED
            rows = await connection.execute(query, {"ids": list(part)})
            found.update((row.id, row.status) for row in rows)
        return found


def _awake(now: int) -> ColumnElement[bool]:
    return or_(outbox.c.error != QUIET, outbox.c.next_ts <= now)


def _kept(name: str) -> ColumnElement[Any]:
    """A new value, or the one that is there where there is none."""
    return func.coalesce(bindparam(f"new_{name}", type_=outbox.c[name].type), outbox.c[name])


CHANGE = (
    update(outbox)
    .where(outbox.c.id == bindparam("row_id", type_=BigInteger))
    .values(
        {name: _kept(name) for name in COLUMNS}
        | {
            "status": bindparam("new_status", type_=Text),
            "attempts": outbox.c.attempts + bindparam("more", type_=BigInteger),
            "done_ts": _kept("done_ts"),
        }
    )
)


STATUSES = select(outbox.c.id, outbox.c.status).where(
    outbox.c.id.in_(bindparam("ids", expanding=True))
)
LOCKED = STATUSES.order_by(outbox.c.id).with_for_update()
ADD_LINES = insert(deliveries)


def _may(before: str | None, after: str) -> bool:
    """Only what is queued can be sent; what is finished stays so."""
    return before == "queued" or (before == "sending" and after != "sending")


def _change_values(change: Change, now: int) -> dict[str, Any]:
    error = change.error
    return {
        "row_id": change.row.id,
        "new_status": change.status,
        "more": int(change.status == "sending"),
        "new_message_id": change.message_id,
        "new_next_ts": change.next_ts,
        "new_error": None if error is None else error[:ERROR_LENGTH],
        "new_merged_into": change.merged_into,
        "new_payload": change.payload,
        "new_done_ts": now if change.status in FINISHED else None,
    }


def _lines_of(changes: Sequence[Change], now: int) -> Iterator[Delivery]:
    """What the ledger says of them, each after that it was queued where nothing was said before."""
    for change in changes:
        row = change.row
        detail = change.detail or change.error or ""
        if change.merged_into is not None:
            detail = f"told by row {change.merged_into}"
        line = Delivery(
            ts=now, row_id=row.id, channel=row.channel, chat_id=row.chat_id, priority=row.priority,
            event=change.event, message_id=change.message_id or row.message_id,
            detail=detail[:ERROR_LENGTH],
        )  # fmt: skip
        if row.attempts == 0 and not row.error:
            yield replace(line, ts=row.created_ts, event=Event.QUEUED, message_id=None, detail="")
        yield line


def _lines(which: ColumnElement[bool], now: int | None, event: Event, detail: str) -> Executable:
    moment = outbox.c.created_ts if now is None else cast(literal(now), BigInteger)
    chosen = select(
        moment, outbox.c.id, outbox.c.channel, outbox.c.chat_id, outbox.c.priority,
        cast(literal(str(event)), Text), outbox.c.message_id, cast(literal(detail[:ERROR_LENGTH]), Text),
    ).where(which)  # fmt: skip
    columns = (
        "ts",
        "row_id",
        "channel",
        "chat_id",
        "priority",
        "event",
        "message_id",
        "detail",
    )
    return insert(deliveries).from_select(columns, chosen)


def _chunks(ids: Sequence[int]) -> Iterator[Sequence[int]]:
    for start in range(0, len(ids), CHUNK):
        yield ids[start : start + CHUNK]


def _row(row: Row[Any]) -> OutboxRow:
    fields = dict(row._mapping)
    del fields["done_ts"]
    fields["severity"] = Severity(row.severity)
    return OutboxRow(**fields)


def outbox_values(row: OutboxRow) -> dict[str, Any]:
    """A row to insert; its number is given by the database, its status is always queued."""
    return {
        "alert_id": row.alert_id,
        "transition": row.transition,
        "channel": row.channel,
        "chat_id": row.chat_id,
        "payload": row.payload,
        "created_ts": row.created_ts,
        "attempts": 0,
        "next_ts": row.next_ts,
        "status": "queued",
        "thread_id": row.thread_id,
        "error": "",
        "priority": row.priority,
        "severity": str(row.severity),
        "coin": row.coin,
        "merged_into": None,
    }
