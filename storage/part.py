"""One half of the database: an engine, its schema, and the two ways in, `read` and `write`."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, TypeVar, cast

from sqlalchemy import URL, Connection, Engine, Table, create_engine, event
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from storage.address import PostgresAddress
from storage.errors import StorageError, sentence

T = TypeVar("T")
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
        self._direct = Direct(engine.url, durable=durable) if self.sqlite else None

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

    async def whole(
        self, work: Callable[[AsyncConnection], Coroutine[Any, Any, T]], *, write: bool = False
    ) -> T:
        """A transaction in one go: on SQLite in a thread of its own, without a change of threads for each statement.

        `work` may await nothing but the connection it is given.
        """
        if self._direct is None:
            async with self.write() if write else self.read() as connection:
                return await work(connection)
        with translated():
            if not write:
                return await self._direct.run(work, write=False)
            async with self._turn:
                return await self._direct.run(work, write=True)

    async def close(self) -> None:
        """Give the connections back; the next one who asks gets a new one."""
        await self.engine.dispose()
        if self._direct is not None:
            await asyncio.to_thread(self._direct.close)


class Direct:
    """One SQLite file through the plain driver: a thread that writes, and two that read."""

    def __init__(self, url: URL, *, durable: bool) -> None:
        self._url, self._durable = url.set(drivername="sqlite+pysqlite"), durable
        self._engine: Engine | None = None
        self._threads: dict[bool, ThreadPoolExecutor] = {}

    async def run(
        self, work: Callable[[AsyncConnection], Coroutine[Any, Any, T]], *, write: bool
    ) -> T:
        """The result of `work`; a transaction that has begun is brought to its end whoever is cancelled meanwhile."""
        if self._engine is None:
            self._engine = plain_engine(self._url, durable=self._durable)
            self._threads = {True: ThreadPoolExecutor(1), False: ThreadPoolExecutor(2)}
        doing = asyncio.get_running_loop().run_in_executor(
            self._threads[write], self._done, self._engine, work, write
        )
        try:
            return await asyncio.shield(doing)
        except asyncio.CancelledError:
            await asyncio.wait([doing])
            raise

    def close(self) -> None:
        """End the threads and close the connections."""
        for pool in self._threads.values():
            pool.shutdown()
        self._threads = {}
        if self._engine is not None:
            self._engine.dispose()
            self._engine = None

    @staticmethod
    def _done(
        engine: Engine, work: Callable[[AsyncConnection], Coroutine[Any, Any, T]], write: bool
    ) -> T:
        with engine.connect() as connection, connection.execution_options(write=write).begin():
            doing = work(cast(AsyncConnection, Straight(connection)))
            try:
                doing.send(None)
            except StopIteration as end:
                return cast(T, end.value)
            doing.close()
            raise RuntimeError("a transaction waited for something that is not its connection")


class Straight:
    """A plain connection under the names of an asynchronous one: what is awaited is there already."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def execute(self, *arguments: Any) -> Any:
        """As of the connection."""
        return self._connection.execute(*arguments)

    async def scalar(self, *arguments: Any) -> Any:
        """As of the connection."""
        return self._connection.scalar(*arguments)

    async def scalars(self, *arguments: Any) -> Any:
        """As of the connection."""
        return self._connection.scalars(*arguments)


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
    _prepare(engine.sync_engine, durable=durable)
    return engine


def plain_engine(url: URL, *, durable: bool) -> Engine:
    """The same file through the plain driver."""
    engine = create_engine(
        url, pool_size=POOL, max_overflow=0, pool_timeout=CONNECT_S, hide_parameters=True,
        connect_args={"timeout": BUSY_MS / 1000},
    )  # fmt: skip
    _prepare(engine, durable=durable)
    return engine


def _prepare(engine: Engine, *, durable: bool) -> None:
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

    event.listen(engine, "connect", connected)
    event.listen(engine, "begin", begun)


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
