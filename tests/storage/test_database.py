"""Opening, starting, locking, surviving kill -9."""

import asyncio
import os
import signal
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, text
from storage_builders import GROUP, NOW, Place, child, row, rule, state, stored

from storage import migrations
from storage.alerts import Alerts
from storage.db import Database
from storage.errors import StorageError
from storage.inbox import Inbox
from storage.part import Part
from storage.tables import MAIN, MARKET

WRITER = """
import asyncio, sys
from alerts.types import Firing, OutboxRow
from storage.alerts import Alerts
from storage.db import Database
from storage.inbox import Inbox
from handlers.types import StoredUpdate

async def main(url, a, b, rule_id):
    database = Database.open(url, (a, b))
    await database.start()
    assert await database.lock()
    for n in range(1, 10_000):
        await Inbox(database).store([StoredUpdate(update_id=n, payload="{}", received_ts=n)])
        await Alerts(database).fire(
            [Firing(rule_id=int(rule_id), transition=n, ts=n, value=1.0, threshold=1.0, text="")],
            [],
            [OutboxRow(id=0, alert_id=int(rule_id), transition=n, channel="telegram", chat_id=c,
                       payload="{}", created_ts=n) for c in (1, 2)],
        )
        print(n, flush=True)

asyncio.run(main(*sys.argv[1:]))
"""

STARTER = """
import asyncio, sys
from storage.db import Database

async def main(url, a, b):
    database = Database.open(url, (a, b))
    await database.start()
    await database.close()
    print("started", flush=True)

asyncio.run(main(*sys.argv[1:]))
"""

MIGRATOR = """
import asyncio, os, sys
from storage import migrations
from storage.db import Database
from pathlib import Path

async def main(url, a, b):
    database = Database.open(url, (a, b))
    if database.main.sqlite:
        database.address.main.parent.mkdir(parents=True)
    async with database.main.write() as connection:
        await connection.run_sync(migrations.upgrade_within, database.main)
        print("made", flush=True)
        os.kill(os.getpid(), 9)

asyncio.run(main(*sys.argv[1:]))
"""


async def test_what_was_committed_survives_kill_9(
    place: Place, reopen: Callable[[], Database], database: Database
) -> None:
    added = await Alerts(database).add(rule(), state())
    await database.close()
    process = await child(WRITER, place.url, *place.schemas, str(added.id))
    assert process.stdout is not None
    seen = 0
    while seen < 20:
        seen = int(await asyncio.wait_for(process.stdout.readline(), 20))
    again = reopen()
    assert not await again.lock(), "the other process still has it"
    process.send_signal(signal.SIGKILL)
    rest = (await process.stdout.read()).split()
    assert await process.wait() == -signal.SIGKILL
    told = int(rest[-1]) if rest else seen
    await again.start()
    stored_ids = [each.update_id for each in await Inbox(again).pending(10**6)]
    rows = await Alerts(again).due(NOW, 10**6)
    fired = await Alerts(again).history(GROUP, 10**6)
    assert stored_ids in (list(range(1, told + 1)), list(range(1, told + 2)))
    assert len(fired) in (told, told + 1)
    assert [each.transition for each in rows] == [n for n in range(1, len(fired) + 1) for _ in "ab"]
    for _ in range(50):  # a server notices a lost session a moment later
        if await again.lock():
            break
        await asyncio.sleep(0.1)
    assert await again.locked()


async def test_a_migration_that_is_killed_is_simply_run_again(
    place: Place, reopen: Callable[[], Database]
) -> None:
    process = await child(MIGRATOR, place.url, *place.schemas)
    assert process.stdout is not None
    assert await process.stdout.read() == b"made\n"
    assert await process.wait() == -signal.SIGKILL
    database = reopen()
    await database.start()
    assert await Inbox(database).store([stored(1)]) == [1]
    await database.start()
    assert [each.update_id for each in await Inbox(database).pending()] == [1]


async def test_a_migration_that_fails_leaves_nothing(
    place: Place, reopen: Callable[[], Database]
) -> None:
    database = reopen()
    if place.sqlite:
        place.file.parent.mkdir()

    async def fail() -> None:
        async with database.main.write() as connection:
            await connection.run_sync(migrations.upgrade_within, database.main)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail()
    async with database.main.read() as connection:
        assert await connection.run_sync(migrations.revision_of, database.main) is None
    await database.start()


@pytest.mark.parametrize("name", ["main", "market"])
async def test_the_migrations_make_exactly_the_tables_of_the_code(
    database: Database, name: str
) -> None:
    part: Part = getattr(database, name)

    def differences(connection: Connection) -> list[Any]:
        if part.schema:  # looks where an unqualified name would be
            connection.execute(text(f'SET LOCAL search_path TO "{part.schema}"'))
            connection = connection.execution_options(schema_translate_map=None)
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        return list(compare_metadata(context, {"main": MAIN, "market": MARKET}[name]))

    async with part.write() as connection:
        assert await connection.run_sync(differences) == []


async def test_a_database_of_a_newer_version_is_refused(place: Place, database: Database) -> None:
    version = "alembic_version" if place.sqlite else f'"{place.schemas[0]}".alembic_version'
    async with database.main.write() as connection:
        await connection.execute(text(f"UPDATE {version} SET version_num = 'main9999'"))
    with pytest.raises(StorageError, match="newer version"):
        await database.start()
    with pytest.raises(StorageError, match="main9999"):
        await database.check()


async def test_processes_that_start_together_migrate_one_after_the_other(place: Place) -> None:
    several = [await child(STARTER, place.url, *place.schemas) for _ in range(3)]
    told = await asyncio.gather(*(each.communicate() for each in several))
    assert [each.returncode for each in several] == [0, 0, 0]
    assert [out for out, _ in told] == [b"started\n"] * 3


async def test_the_lock_is_one_process_wide_and_given_back(
    reopen: Callable[[], Database],
) -> None:
    first, second = reopen(), reopen()
    assert await first.lock()
    assert await first.lock(), "asking again is no harm"
    assert await first.locked()
    assert not await second.lock()
    assert not await second.locked()
    await first.close()
    assert await second.lock()


async def test_check_names_the_database_and_its_version(place: Place, database: Database) -> None:
    line = await database.check()
    assert line.startswith("SQLite 3." if place.sqlite else "PostgreSQL ")
    assert (str(place.file) if place.sqlite else place.schemas[1]) in line


async def test_two_databases_write_at_the_same_time_without_loss(
    reopen: Callable[[], Database], database: Database
) -> None:
    other = reopen()
    await other.start()
    stores = [Inbox(database), Inbox(other)]
    await asyncio.gather(*(stores[n % 2].store([stored(n)]) for n in range(60)))
    assert len(await stores[0].pending()) == 60


async def test_reads_go_on_while_somebody_writes(database: Database) -> None:
    async with database.main.write() as connection:
        await connection.execute(text("SELECT 1"))
        assert await asyncio.wait_for(Inbox(database).pending(), 2) == []
        assert await asyncio.wait_for(Alerts(database).rules(), 2) == []


async def test_an_error_says_nothing_of_what_was_to_be_stored(database: Database) -> None:
    secret = row(1, payload="s3cret", next_ts=None)
    with pytest.raises(StorageError) as caught:
        await Alerts(database).fire([], [], [secret])
    assert "s3cret" not in str(caught.value)
    assert "s3cret" not in str(caught.value.__cause__)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "mysql://x/y",
        "tidemark.db",
        "sqlite://",
        "sqlite:///",
        "sqlite:///:memory:",
        "sqlite:///data/",
        "sqlite://data/x.db",
        "sqlite:///x.db?mode=ro",
        "postgresql://user:s3cret@host",
        "postgresql://user:s3cret@host:port/x",
        "postgresql://user:s3cret@host/x?channel_binding=require",
    ],
)
def test_a_bad_url_is_refused_in_one_sentence(url: str) -> None:
    with pytest.raises(ValueError, match=r"^The|^A ") as caught:
        Database.open(url)
    assert "s3cret" not in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+asyncpg", "POSTGRES"])
async def test_postgres_urls_are_taken_as_people_write_them(scheme: str) -> None:
    database = Database.open(f"{scheme}://u:p%40ss@127.0.0.1:1/x?sslmode=disable")
    assert not database.main.sqlite
    with pytest.raises(StorageError) as caught:
        await database.start()
    assert "p@ss" not in str(caught.value)
    await database.close()


async def test_sqlite_has_two_files_with_their_own_care(tmp_path: Path) -> None:
    database = Database.open(f"sqlite+aiosqlite:///{tmp_path}/new/folder/desk.db")
    await database.start()
    folder = tmp_path / "new" / "folder"
    assert {each.name for each in folder.glob("*.db")} == {"desk.db", "desk.market.db"}
    for part, synchronous in ((database.main, 2), (database.market, 1)):
        async with part.write() as connection:
            found = {
                name: await connection.scalar(text(f"PRAGMA {name}"))
                for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
            }
        assert found == {
            "journal_mode": "wal",
            "synchronous": synchronous,
            "foreign_keys": 1,
            "busy_timeout": 5000,
        }
    await database.close()


async def test_a_write_takes_the_file_at_once(tmp_path: Path) -> None:
    database = Database.open(f"sqlite:///{tmp_path}/desk.db")
    await database.start()
    async with database.main.write():
        foreign = sqlite3.connect(tmp_path / "desk.db", timeout=0, isolation_level=None)
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            foreign.execute("BEGIN IMMEDIATE")
        foreign.close()
    await database.close()


@pytest.mark.parametrize("name", ["desk.db", "desk.market.db"])
@pytest.mark.parametrize("damage", ["middle", "head"])
async def test_a_damaged_file_is_refused_with_what_to_do(
    tmp_path: Path, name: str, damage: str
) -> None:
    database = Database.open(f"sqlite:///{tmp_path}/desk.db")
    await database.start()
    await database.close()
    path = tmp_path / name
    content = bytearray(path.read_bytes())
    if damage == "head":
        content[:100] = b"x" * 100
    else:
        content[4096:] = os.urandom(len(content) - 4096)
    path.write_bytes(content)
    with pytest.raises(StorageError, match=r"damaged.*backup"):
        await database.start()
    await database.close()
    assert path.read_bytes() == content, "a damaged file is left as it is"


async def test_a_read_only_database_is_found_by_check(tmp_path: Path) -> None:
    database = Database.open(f"sqlite:///{tmp_path}/desk.db")
    await database.start()
    async with database.main.engine.connect() as connection:
        await connection.execute(text("PRAGMA query_only=ON"))
        await connection.rollback()
    with pytest.raises(StorageError, match="readonly"):
        await Inbox(database).store([stored(1)])
    await database.close()
