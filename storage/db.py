"""The database as a whole: opened by URL, started once, two halves, one lock."""

from pathlib import Path

from sqlalchemy import text
from sqlalchemy.exc import DatabaseError
from sqlalchemy.ext.asyncio import AsyncEngine

from storage import migrations
from storage.address import PostgresAddress, SqliteAddress, parse_address
from storage.errors import StorageError
from storage.locks import FileLock, SessionLock
from storage.part import Part, postgres_engine, sqlite_engine, translated

SCHEMAS = ("tidemark", "tidemark_market")


class Database:
    """`main` for what must not be lost, `market` for samples; repositories take this object.

    `open` touches nothing; `lock` may come before `start`.
    """

    def __init__(
        self, address: SqliteAddress | PostgresAddress, schemas: tuple[str, str] = SCHEMAS
    ) -> None:
        self.address = address
        self._engines: list[AsyncEngine] = []
        self._lock: FileLock | SessionLock
        if isinstance(address, SqliteAddress):
            self._engines = [
                sqlite_engine(address.main, durable=True),
                sqlite_engine(address.market, durable=False),
            ]
            self._lock = FileLock(address.lock)
            self.main = Part(self._engines[0], name="main")
            self.market = Part(self._engines[1], name="market", durable=False)
        else:
            self._engines = [postgres_engine(address)]
            self._lock = SessionLock(self._engines[0], schemas[0])
            self.main = Part(self._engines[0], name="main", schema=schemas[0])
            self.market = Part(self._engines[0], name="market", schema=schemas[1], durable=False)

    @classmethod
    def open(cls, url: str, schemas: tuple[str, str] = SCHEMAS) -> "Database":
        """The database at `url`; ValueError in one sentence where the URL is no good."""
        return cls(parse_address(url), schemas)

    @property
    def parts(self) -> tuple[Part, Part]:
        """Both halves."""
        return self.main, self.market

    async def start(self) -> None:
        """Make folders, look for damage, migrate. StorageError says what a person has to do."""
        if isinstance(self.address, SqliteAddress):
            with translated():
                self.address.main.parent.mkdir(parents=True, exist_ok=True)
            await _refuse_damage(self.main, self.address.main)
            await _refuse_damage(self.market, self.address.market)
        for part in self.parts:
            await migrations.upgrade(part)

    async def close(self) -> None:
        """Give every connection back, and the lock."""
        await self._lock.release()
        await self.disconnect()

    async def disconnect(self) -> None:
        """Close the connections that nobody uses; the next one who asks gets a new one."""
        for part in self.parts:
            await part.close()

    async def lock(self) -> bool:
        """Become the only process on this database, until `close`; False where another one is."""
        return await self._lock.take()

    async def locked(self) -> bool:
        """Whether this process still is the only one: a PostgreSQL session can get lost."""
        return await self._lock.held()

    async def check(self) -> str:
        """One line about a database that answers and takes writes; else StorageError."""
        for part in self.parts:
            async with part.write() as connection:
                await connection.execute(text("SELECT 1"))
                at = await connection.run_sync(migrations.revision_of, part)
            if at != migrations.head(part):
                raise StorageError(
                    f"The {part.name} half of the database is at revision {at}; "
                    "start the bot to migrate it"
                )
        async with self.main.read() as connection:
            if isinstance(self.address, PostgresAddress):
                version = str(await connection.scalar(text("SHOW server_version"))).split()[0]
                return f"PostgreSQL {version}, schemas {self.main.schema} and {self.market.schema}"
            version = await connection.scalar(text("SELECT sqlite_version()"))
        size = sum(path.stat().st_size for path in (self.address.main, self.address.market))
        return f"SQLite {version}, {self.address.main}, {size / 1e6:.1f} MB"


async def _refuse_damage(part: Part, path: Path) -> None:
    """SQLite's own check; a file that is no database at all fails on the first statement."""
    try:
        async with part.engine.connect() as connection:
            found = list((await connection.execute(text("PRAGMA quick_check(1)"))).scalars())
    except DatabaseError as error:
        words = str(error.orig)
        if "not a database" not in words and "malformed" not in words:
            with translated():
                raise
        raise damaged(path, words) from error
    if found != ["ok"]:
        raise damaged(path, "; ".join(found))


def damaged(path: Path, details: str) -> StorageError:
    """What to do with a file that SQLite cannot trust any more."""
    return StorageError(
        f"The database file {path} is damaged ({' '.join(details.split())}): move it away together "
        "with the -wal and -shm files beside it, and unpack the tar file that "
        "`python -m bot backup` wrote in its place"
    )
