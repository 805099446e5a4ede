"""Every repository test runs on a real SQLite file and on a real PostgreSQL server."""

import asyncio
import os
import uuid
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import asyncpg
import pytest
import storage_builders as build

from storage.db import Database

POSTGRES = os.environ.get("TIDEMARK_POSTGRES", "postgresql://root@127.0.0.1:5432/test")
REQUIRED = "postgres" in os.environ.get("TIDEMARK_REQUIRE", "").split(",")


async def _reach() -> None:
    connection = await asyncpg.connect(POSTGRES, timeout=3)
    await connection.close()


@pytest.fixture(scope="session")
def postgres() -> str:
    """The URL of a server that answers."""
    try:
        with ThreadPoolExecutor(1) as pool:  # a test's own loop runs in this thread
            pool.submit(lambda: asyncio.run(_reach())).result()
    except (OSError, TimeoutError, asyncpg.PostgresError) as error:
        if REQUIRED:
            pytest.fail(f"PostgreSQL is required and does not answer: {error}")
        pytest.skip(f"no PostgreSQL server at hand: {error}")
    return POSTGRES


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
async def place(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[build.Place]:
    """An empty place for a database."""
    if request.param == "sqlite":
        yield build.Place(url=f"sqlite:///{tmp_path}/data/desk.db", schemas=("a", "b"))
        return
    url = request.getfixturevalue("postgres")
    name = f"t_{uuid.uuid4().hex[:12]}"
    yield build.Place(url=url, schemas=(name, f"{name} market"))
    connection = await asyncpg.connect(url, timeout=3)
    await connection.execute(f'DROP SCHEMA IF EXISTS {name}, "{name} market" CASCADE')
    await connection.close()


@pytest.fixture
async def reopen(place: build.Place) -> AsyncIterator[Callable[[], Database]]:
    """Open the same place as often as wanted; all are closed in the end."""
    opened: list[Database] = []

    def _open() -> Database:
        opened.append(Database.open(place.url, place.schemas))
        return opened[-1]

    yield _open
    for each in opened:
        await each.close()


@pytest.fixture
async def database(reopen: Callable[[], Database]) -> Database:
    """A started database."""
    found = reopen()
    await found.start()
    return found
