"""Who people are, how their chats want answers, and what was done with privileges."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Row, and_, delete, exists, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from handlers.types import Chat, Person, Preferences, Role
from storage.db import Database
from storage.tables import (
    alerts,
    audit,
    buttons,
    chats,
    drafts,
    loudness,
    monitors,
    mutes,
    outbox,
    people,
    thresholds,
)
from storage.tables import preferences as choices

AUDIT_TURN = 5_120_448_871  # advisory lock: on PostgreSQL two appends would read the same last hash


class People:
    """`handlers.types.PeopleStore` on the main half."""

    def __init__(self, database: Database) -> None:
        self._part = database.main

    async def person(self, user_id: int) -> Person | None:
        """One user, if seen before."""
        async with self._part.read() as connection:
            row = (
                await connection.execute(select(people).where(people.c.user_id == user_id))
            ).first()
        return _person(row) if row else None

    async def save_person(self, person: Person, now: int) -> None:
        """Keep a user as given."""
        values = {
            "name": person.name,
            "role": int(person.role),
            "status": person.status,
            "updated_ts": now,
        }
        insert = self._part.insert(people).values(user_id=person.user_id, created_ts=now, **values)
        async with self._part.write() as connection:
            await connection.execute(
                insert.on_conflict_do_update(index_elements=[people.c.user_id], set_=values)
            )

    async def admins(self) -> list[Person]:
        """Everybody with the role, by id."""
        query = select(people).where(people.c.role >= int(Role.ADMIN)).order_by(people.c.user_id)
        async with self._part.read() as connection:
            return [_person(row) for row in await connection.execute(query)]

    async def chat(self, chat_id: int) -> Chat | None:
        """One conversation with its preferences, if seen before."""
        query = (
            select(chats, choices.c.zone, choices.c.unit, choices.c.exchange)
            .outerjoin(choices, choices.c.chat_id == chats.c.chat_id)
            .where(chats.c.chat_id == chat_id)
        )
        async with self._part.read() as connection:
            row = (await connection.execute(query)).first()
        return _chat(row) if row else None

    async def zones(self, chat_ids: Sequence[int]) -> dict[int, str]:
        """The time zones of these chats, where one was chosen."""
        query = select(choices.c.chat_id, choices.c.zone).where(choices.c.chat_id.in_(chat_ids))

        async def work(connection: AsyncConnection) -> dict[int, str]:
            return {row.chat_id: row.zone for row in await connection.execute(query)}

        return await self._part.whole(work)

    async def save_chat(self, chat: Chat, now: int) -> None:
        """Keep kind, title and `alive`; preferences chosen before stay as they are."""
        async with self._part.write() as connection:
            await self._put_chat(connection, chat, now)
            if chat.preferences != Preferences():
                insert = self._part.insert(choices).values(
                    chat_id=chat.chat_id, updated_ts=now, **_wishes(chat.preferences)
                )
                await connection.execute(
                    insert.on_conflict_do_nothing(index_elements=[choices.c.chat_id])
                )

    async def save_preferences(self, chat_id: int, preferences: Preferences, now: int) -> None:
        """Keep what this chat wants, whatever it wanted before."""
        values = {"updated_ts": now, **_wishes(preferences)}
        insert = self._part.insert(choices).values(chat_id=chat_id, **values)
        async with self._part.write() as connection:
            known = await connection.scalar(
                select(chats.c.chat_id).where(chats.c.chat_id == chat_id)
            )
            if known is None:
                await self._put_chat(connection, Chat(chat_id=chat_id, kind=_kind(chat_id)), now)
            await connection.execute(
                insert.on_conflict_do_update(index_elements=[choices.c.chat_id], set_=values)
            )

    async def set_alive(self, chat_id: int, alive: bool, now: int) -> None:
        """Whether messages reach this chat at all."""
        change = update(chats).where(chats.c.chat_id == chat_id).values(alive=alive, updated_ts=now)
        async with self._part.write() as connection:
            if (await connection.execute(change)).rowcount == 0:
                await self._put_chat(
                    connection, Chat(chat_id=chat_id, kind=_kind(chat_id), alive=alive), now
                )

    async def move_chat(self, old: int, new: int, now: int) -> None:
        """A group became a supergroup: all of `old` is `new`'s, in one transaction; repeatable."""
        async with self._part.write() as connection:
            row = (await connection.execute(select(chats).where(chats.c.chat_id == old))).first()
            chat = Chat(chat_id=new, kind="supergroup", title=row.title if row else "")
            insert = self._part.insert(chats).values(created_ts=now, updated_ts=now, **_facts(chat))
            await connection.execute(
                insert.on_conflict_do_nothing(index_elements=[chats.c.chat_id])
            )
            await connection.execute(delete(chats).where(chats.c.chat_id == old))
            await connection.execute(
                update(alerts).where(alerts.c.chat_id == old).values(chat_id=new)
            )
            await connection.run_sync(_move_unique, old, new)

    async def audit(self, *, actor: int, action: str, detail: str, now: int) -> None:
        """Append one privileged action; its hash covers the whole history before it."""
        async with self._part.write() as connection:
            if not self._part.sqlite:
                await connection.execute(
                    text("SELECT pg_advisory_xact_lock(:key)"), {"key": AUDIT_TURN}
                )
            last = await connection.scalar(
                select(audit.c.hash).order_by(audit.c.id.desc()).limit(1)
            )
            values = {"ts": now, "actor": actor, "action": _plain(action), "detail": _plain(detail)}
            await connection.execute(
                audit.insert().values(hash=_hash(last or "", values), **values)
            )

    async def verify_audit(self) -> int | None:
        """The id of the first row whose hash does not follow from those before it, or None."""
        last = ""
        async with self._part.read() as connection:
            async for row in await connection.stream(select(audit).order_by(audit.c.id)):
                values = {
                    "ts": row.ts,
                    "actor": row.actor,
                    "action": row.action,
                    "detail": row.detail,
                }
                if row.hash != _hash(last, values):
                    return int(row.id)
                last = row.hash
        return None

    async def _put_chat(self, connection: AsyncConnection, chat: Chat, now: int) -> None:
        facts = _facts(chat)
        insert = self._part.insert(chats).values(created_ts=now, updated_ts=now, **facts)
        await connection.execute(
            insert.on_conflict_do_update(
                index_elements=[chats.c.chat_id], set_={**facts, "updated_ts": now}
            )
        )


def _move_unique(connection: Connection, old: int, new: int) -> None:
    """What `new` has already stays as it is there, and goes under `old`."""
    for table, same in (
        (choices, ()),
        (buttons, ("token",)),
        (outbox, ("alert_id", "transition", "channel")),
        (monitors, ("coin",)),
        (thresholds, ("kind", "coin")),
        (loudness, ()),
        (mutes, ("owner_id",)),
        (drafts, ("user_id",)),
    ):
        there = table.alias("there")
        double = exists().where(
            and_(there.c.chat_id == new, *(there.c[name] == table.c[name] for name in same))
        )
        connection.execute(update(table).where(table.c.chat_id == old, ~double).values(chat_id=new))
        connection.execute(delete(table).where(table.c.chat_id == old))


def _person(row: Row[Any]) -> Person:
    return Person(user_id=row.user_id, name=row.name, role=Role(row.role), status=row.status)


def _chat(row: Row[Any]) -> Chat:
    wishes = Preferences()
    if row.zone is not None:
        wishes = Preferences(zone=row.zone, unit=row.unit, exchange=row.exchange)
    return Chat(
        chat_id=row.chat_id, kind=row.kind, title=row.title, alive=row.alive, preferences=wishes
    )


def _facts(chat: Chat) -> dict[str, Any]:
    return {"chat_id": chat.chat_id, "kind": chat.kind, "title": chat.title, "alive": chat.alive}


def _wishes(wishes: Preferences) -> dict[str, Any]:
    return {"zone": wishes.zone, "unit": wishes.unit, "exchange": wishes.exchange}


def _kind(chat_id: int) -> str:
    """What an id alone tells: only people have positive ones."""
    return "private" if chat_id > 0 else "group"


def _plain(words: str) -> str:
    """Text as it will be read back, so that the hash is taken of the same letters."""
    return words.replace("\0", "").encode("utf-8", "replace").decode()


def _hash(last: str, values: Mapping[str, Any]) -> str:
    canonical = json.dumps(values, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(f"{last}|{canonical}".encode()).hexdigest()
