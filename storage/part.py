"""One half of the database: an engine, its schema, and the two ways in, `read` and `write`."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Table, event
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from storage.address import PostgresAddress
from storage.errors import StorageError, sentence

Insert = sqlite.Insert | postgresql.Insert
BUSY_MS = 5000
CONNECT_S = 10
COMMAND_S = 60
POOL = 5


class Part:
    """One half. With `durable`, what was written is on the disk when `write` is left.

    SQLite has one writer at a time anyway; queueing here keeps our own tasks from SQLITE_BUSY.
    """

    def __init__(
        self, engine: AsyncEngine, *, name: str, schema: str | None = None, durable: bool = True
    ) -> None:
        options: dict[str, Any] = {"schema_translate_map": {None: schema}} if schema else {}
        self.name = name
        self.schema = schema
        self.durable = durable
        self.engine = engine.execution_options(**options)
        self._writer = engine.execution_options(write=True, **options)
        self._turn = asyncio.Lock()

    @property
    def sqlite(self) -> bool:
        """Whether this half is a SQLite file."""
        return self.engine.dialect.name == "sqlite"

    def insert(self, table: Table) -> Insert:
        """An insert that understands ON CONFLICT in this database's dialect."""
        return sqlite.insert(table) if self.sqlite else postgresql.insert(table)

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncConnection]:
        """A connection for reading; on SQLite all reads inside see one moment."""
        with translated():
            async with self.engine.connect() as connection:
                yield connection

    @asynccontextmanager
    async def write(self) -> AsyncIterator[AsyncConnection]:
        """A transaction: committed when left, rolled back as a whole on any error."""
        with translated():
            if self.sqlite:
                async with self._turn, self._writer.begin() as connection:
                    yield connection
                return
            async with self._writer.begin() as connection:
                if not self.durable:
                    await connection.exec_driver_sql("SET LOCAL synchronous_commit TO off")
                yield connection


@contextmanager
def translated() -> Iterator[None]:
    """What the drivers raise becomes a StorageError, here and nowhere else."""
    try:
        yield
    except (SQLAlchemyError, OSError, TimeoutError) as error:
        raise StorageError(sentence(error)) from error


def sqlite_engine(path: Path, *, durable: bool) -> AsyncEngine:
    """An engine on one file: WAL, synchronous FULL where a commit must survive a power cut."""
    engine = create_async_engine(
        URL.create("sqlite+aiosqlite", database=str(path)),
        pool_size=POOL,
        max_overflow=0,
        pool_timeout=CONNECT_S,
        hide_parameters=True,
        connect_args={"timeout": BUSY_MS / 1000},
    )
    synchronous = "FULL" if durable else "NORMAL"

    def connected(connection: Any, _record: object) -> None:
        connection.isolation_level = None  # we begin ourselves, below; the driver must not
        cursor = connection.cursor()
        for pragma in (
            f"busy_timeout={BUSY_MS}",
            "journal_mode=WAL",
            f"synchronous={synchronous}",
            "foreign_keys=ON",
        ):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    def begun(connection: Connection) -> None:
        write = connection.get_execution_options().get("write")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")

    event.listen(engine.sync_engine, "connect", connected)
    event.listen(engine.sync_engine, "begin", begun)
    return engine


def postgres_engine(address: PostgresAddress) -> AsyncEngine:
    """One pool for both schemas; nothing waits for ever."""
    return create_async_engine(
        address.url,
        pool_size=POOL,
        max_overflow=POOL,
        pool_timeout=CONNECT_S,
        pool_pre_ping=True,
        hide_parameters=True,
        connect_args={
            "timeout": CONNECT_S,
            "command_timeout": COMMAND_S,
            "server_settings": {"application_name": "tidemark"},
        },
    )
