"""People, chats, preferences, the audit."""

import asyncio

import pytest
from sqlalchemy import delete, text, update
from storage_builders import GROUP, NOW, USER, row, rule, state

from handlers.types import Chat, Person, Preferences, Role
from storage.alerts import Alerts
from storage.buttons import Buttons
from storage.db import Database
from storage.errors import StorageError
from storage.people import People
from storage.tables import audit

ZONE = Preferences(zone="Europe/Berlin", unit="coin", exchange="okx")
NEW = GROUP - 10**11


@pytest.fixture
def store(database: Database) -> People:
    return People(database)


async def test_a_person_is_kept_under_a_64_bit_id(store: People) -> None:
    assert await store.person(USER) is None
    asked = Person(user_id=USER, name="Ωλ 🙂", role=Role.ALERTER, status="pending")
    await store.save_person(asked, NOW)
    assert await store.person(USER) == asked
    promoted = Person(user_id=USER, name="new", role=Role.ADMIN, status="approved")
    await store.save_person(promoted, NOW + 1)
    await store.save_person(Person(user_id=5, role=Role.TRADER), NOW)
    assert await store.person(USER) == promoted
    assert await store.admins() == [promoted]


async def test_names_that_a_database_would_refuse_are_cleaned(store: People) -> None:
    await store.save_person(Person(user_id=1, name="a\0b\ud800c"), NOW)
    found = await store.person(1)
    assert found is not None
    assert found.name == "ab?c"


async def test_a_chat_is_kept_with_its_first_preferences(store: People) -> None:
    assert await store.chat(GROUP) is None
    chat = Chat(chat_id=GROUP, kind="group", title="Desk", preferences=ZONE)
    await store.save_chat(chat, NOW)
    assert await store.chat(GROUP) == chat


async def test_saving_a_chat_again_keeps_what_it_chose(store: People) -> None:
    await store.save_preferences(GROUP, ZONE, NOW)
    await store.save_chat(Chat(chat_id=GROUP, kind="group", title="Desk"), NOW)
    await store.save_chat(Chat(chat_id=GROUP, kind="group", title="Renamed"), NOW)
    assert await store.chat(GROUP) == Chat(
        chat_id=GROUP, kind="group", title="Renamed", preferences=ZONE
    )
    await store.save_preferences(GROUP, Preferences(), NOW)
    found = await store.chat(GROUP)
    assert found is not None
    assert found.preferences == Preferences()


async def test_a_chat_that_blocked_us_is_alive_again_when_it_writes(store: People) -> None:
    await store.save_chat(Chat(chat_id=5, title="Desk", preferences=ZONE), NOW)
    await store.set_alive(5, False, NOW)
    assert await store.chat(5) == Chat(chat_id=5, title="Desk", alive=False, preferences=ZONE)
    await store.save_chat(Chat(chat_id=5, title="Desk"), NOW)
    assert await store.chat(5) == Chat(chat_id=5, title="Desk", preferences=ZONE)
    await store.set_alive(6, False, NOW)
    assert await store.chat(6) == Chat(chat_id=6, alive=False)


async def test_everything_of_a_group_moves_to_its_supergroup(
    store: People, database: Database
) -> None:
    alerts, buttons = Alerts(database), Buttons(database)
    await store.save_chat(Chat(chat_id=GROUP, kind="group", title="Desk", preferences=ZONE), NOW)
    mine = await alerts.add(rule(), state())
    other = await alerts.add(rule(chat_id=5), state())
    await alerts.fire([], [], [row(mine.id), row(other.id, chat_id=5)])
    await buttons.put("token", "/price BTC", GROUP, NOW + 1)
    for _ in range(2):
        await store.move_chat(GROUP, NEW, NOW)
        assert await store.chat(GROUP) is None
        assert await store.chat(NEW) == Chat(
            chat_id=NEW, kind="supergroup", title="Desk", preferences=ZONE
        )
        assert [each.id for each in await alerts.rules(chat_id=NEW)] == [mine.id]
        assert [each.chat_id for each in await alerts.due(NOW)] == [NEW, 5]
        assert await buttons.take("token", NEW, NOW) == "/price BTC"


async def test_moving_keeps_what_the_supergroup_has_already(
    store: People, database: Database
) -> None:
    alerts = Alerts(database)
    await store.save_chat(Chat(chat_id=GROUP, kind="group", preferences=ZONE), NOW)
    newer = Preferences(zone="Asia/Tokyo")
    await store.save_chat(Chat(chat_id=NEW, kind="supergroup", title="New", preferences=newer), NOW)
    await alerts.fire([], [], [row(1), row(1, chat_id=NEW), row(2)])
    await store.move_chat(GROUP, NEW, NOW)
    assert await store.chat(NEW) == Chat(
        chat_id=NEW, kind="supergroup", title="New", preferences=newer
    )
    assert [(each.alert_id, each.chat_id) for each in await alerts.due(NOW)] == [(1, NEW), (2, NEW)]


async def test_the_audit_is_append_only(store: People, database: Database) -> None:
    await store.audit(actor=USER, action="approve", detail="5", now=NOW)
    for statement in (update(audit).values(actor=1), delete(audit)):
        with pytest.raises(StorageError, match="append-only"):
            async with database.main.write() as connection:
                await connection.execute(statement)
    assert await store.verify_audit() is None


async def test_a_changed_audit_row_is_found(store: People, database: Database) -> None:
    assert await store.verify_audit() is None
    for n in range(4):
        await store.audit(actor=USER, action="role", detail=f"{n} \0\ud800 é", now=NOW + n)
    assert await store.verify_audit() is None
    part = database.main
    drop = "DROP TRIGGER audit_no_update"
    if not part.sqlite:
        drop = f'DROP TRIGGER audit_append_only ON "{part.schema}".audit'
    async with part.write() as connection:
        await connection.execute(text(drop))
        await connection.execute(update(audit).where(audit.c.id == 3).values(detail="other"))
    assert await store.verify_audit() == 3


async def test_the_audit_chain_holds_with_many_writers(store: People) -> None:
    for _ in range(4):  # from the second round on, all connections are open and really meet
        await asyncio.gather(
            *(store.audit(actor=n, action="x", detail="", now=NOW) for n in range(10))
        )
    assert await store.verify_audit() is None
