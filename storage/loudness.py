"""How loud chats want it: sounds by severity, quiet hours, topics, and people who are not heard for a while."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import delete, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from alerts.delivery.types import MATRIX, QUIET, TOPICS, Loudness, Mute, Sound
from alerts.types import Severity
from storage.db import Database
from storage.errors import StorageError
from storage.tables import OPEN, alerts, loudness, mutes, outbox, preferences

CHUNK = 500  # ids in one IN list


class LoudnessRows:
    """`alerts.delivery.types.LoudnessStore` on the main half."""

    def __init__(self, database: Database) -> None:
        self._part = database.main

    async def loudness(self, chat_id: int) -> Loudness:
        """What was chosen, the defaults for the rest; the zone is that of the chat's preferences."""

        async def work(connection: AsyncConnection) -> Loudness:
            return await _loudness(connection, chat_id)

        return await self._part.whole(work)

    async def set_matrix(self, chat_id: int, severity: Severity, sound: Sound, now: int) -> None:
        """How messages of a severity arrive from now on."""
        async with self._part.write() as connection:
            chosen = await _loudness(connection, chat_id)
            matrix = {**chosen.matrix, severity: sound}
            await self._put(connection, chat_id, now, matrix=json.dumps(matrix))

    async def set_quiet(self, chat_id: int, start: int, end: int, now: int) -> None:
        """Minutes of the day in the chat's zone, -1 and -1 for none; what is held is looked at again."""
        if (start, end) != (-1, -1) and not (0 <= start < 1440 and 0 <= end < 1440):
            raise StorageError(f"Quiet hours from minute {start} to {end} are not within a day")
        async with self._part.write() as connection:
            await self._put(connection, chat_id, now, quiet_from=start, quiet_to=end)
            await connection.execute(
                update(outbox)
                .where(OPEN, outbox.c.chat_id == chat_id, outbox.c.error == QUIET)
                .where(outbox.c.status == "queued")
                .values(next_ts=0)
            )

    async def set_topic(self, chat_id: int, topic: str, thread_id: int | None, now: int) -> None:
        """Where messages of a class go from now on; None: where the alert was made."""
        if topic not in TOPICS:
            raise StorageError(f"There is no class of messages called {topic}")
        async with self._part.write() as connection:
            topics = dict((await _loudness(connection, chat_id)).topics)
            topics.pop(topic, None)
            if thread_id is not None:
                topics[topic] = thread_id
            await self._put(connection, chat_id, now, topics=json.dumps(topics))

    async def mute(self, chat_id: int, owner_id: int, until: int) -> None:
        """The chat does not hear of this person's alerts until then; 0 ends it."""
        async with self._part.write() as connection:
            if until <= 0:
                await connection.execute(
                    delete(mutes).where(mutes.c.chat_id == chat_id, mutes.c.owner_id == owner_id)
                )
                return
            insert = self._part.insert(mutes).values(
                chat_id=chat_id, owner_id=owner_id, until=until
            )
            await connection.execute(
                insert.on_conflict_do_update(
                    index_elements=["chat_id", "owner_id"], set_={"until": until}
                )
            )

    async def mutes(self, chat_id: int, now: int = 0) -> list[Mute]:
        """Those that have not ended at `now`, by person."""
        query = select(mutes).where(mutes.c.chat_id == chat_id, mutes.c.until > now)
        async with self._part.read() as connection:
            rows = await connection.execute(query.order_by(mutes.c.owner_id))
            return [Mute(**row._mapping) for row in rows]

    async def muted(self, chat_id: int, alert_ids: Sequence[int], now: int) -> dict[int, Mute]:
        """Which of these alerts belong to somebody who is muted in the chat."""
        silent = {each.owner_id: each for each in await self.mutes(chat_id, now)}
        if not silent:
            return {}
        found: dict[int, Mute] = {}
        async with self._part.read() as connection:
            for start in range(0, len(alert_ids), CHUNK):
                query = select(alerts.c.id, alerts.c.owner_id).where(
                    alerts.c.id.in_(alert_ids[start : start + CHUNK]),
                    alerts.c.owner_id.in_(list(silent)),
                )
                for row in await connection.execute(query):
                    found[row.id] = silent[row.owner_id]
        return found

    async def _put(
        self, connection: AsyncConnection, chat_id: int, now: int, **values: Any
    ) -> None:
        fresh = {"matrix": "{}", "quiet_from": -1, "quiet_to": -1, "topics": "{}", **values}
        insert = self._part.insert(loudness).values(chat_id=chat_id, updated_ts=now, **fresh)
        await connection.execute(
            insert.on_conflict_do_update(
                index_elements=["chat_id"], set_={**values, "updated_ts": now}
            )
        )


async def _loudness(connection: AsyncConnection, chat_id: int) -> Loudness:
    chosen = (
        await connection.execute(select(loudness).where(loudness.c.chat_id == chat_id))
    ).first()
    zone = await connection.scalar(
        select(preferences.c.zone).where(preferences.c.chat_id == chat_id)
    )
    if chosen is None:
        return Loudness(chat_id=chat_id, zone=zone or "UTC")
    return Loudness(
        chat_id=chat_id,
        matrix=_matrix(_object(chosen.matrix)),
        quiet_from=chosen.quiet_from,
        quiet_to=chosen.quiet_to,
        zone=zone or "UTC",
        topics={name: int(thread) for name, thread in _object(chosen.topics).items()},
    )


def _matrix(stored: Mapping[str, Any]) -> dict[Severity, Sound]:
    return {
        severity: Sound(stored.get(str(severity), default)) for severity, default in MATRIX.items()
    }


def _object(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except ValueError as error:
        raise StorageError(f"What a chat chose cannot be read: {error}") from error
    if not isinstance(found, dict):
        raise StorageError("What a chat chose cannot be read: it is no object")
    return found
