"""One process per database: a lock file beside SQLite, an advisory lock of PostgreSQL."""

import fcntl
import hashlib
from pathlib import Path
from typing import IO

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from storage.part import translated


class FileLock:
    """The kernel drops it when the process ends, however it ends; the file itself stays."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: IO[bytes] | None = None

    async def take(self) -> bool:
        """Take it or say that another process has it."""
        if self._file is not None:
            return True
        with translated():
            self._path.parent.mkdir(parents=True, exist_ok=True)
            file = self._path.open("ab")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
            return False
        self._file = file
        return True

    async def held(self) -> bool:
        """Whether this process has it."""
        return self._file is not None

    async def release(self) -> None:
        """Let another process in."""
        if self._file is not None:
            self._file.close()
            self._file = None


class SessionLock:
    """The server drops it when the connection ends, so `held` asks the server again."""

    def __init__(self, engine: AsyncEngine, name: str) -> None:
        digest = hashlib.blake2b(name.encode(), digest_size=8).digest()
        self._key = int.from_bytes(digest, "big", signed=True)
        self._engine = engine.execution_options(isolation_level="AUTOCOMMIT")
        self._connection: AsyncConnection | None = None

    async def take(self) -> bool:
        """Take it or say that another session has it."""
        if await self.held():
            return True
        with translated():
            connection = await self._engine.connect()
            try:
                got = await connection.scalar(
                    text("SELECT pg_try_advisory_lock(:key)"), {"key": self._key}
                )
            except BaseException:
                await connection.close()
                raise
            if not got:
                await connection.close()
                return False
        self._connection = connection
        return True

    async def held(self) -> bool:
        """Whether this session still has it; a broken connection has lost it."""
        if self._connection is None:
            return False
        with translated():
            found = await self._connection.scalar(
                text(
                    "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted"
                    " AND pid = pg_backend_pid() AND objsubid = 1"
                    " AND ((classid::bigint << 32) | objid::bigint) = :key"
                ),
                {"key": self._key},
            )
        return bool(found)

    async def release(self) -> None:
        """Let another process in."""
        if self._connection is not None:
            with translated():
                await self._connection.invalidate()  # the session ends, and the lock with it
                await self._connection.close()
            self._connection = None
