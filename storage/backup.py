"""`backup` writes the whole database into one tar file while it is in use; `restore` puts it back.

SQLite: the two files as its online backup makes them. PostgreSQL: each half as lines of JSON.
"""

import asyncio
import os
import shutil
import sqlite3
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from sqlalchemy import update

from market.types import MINUTE
from storage.address import SqliteAddress
from storage.db import Database
from storage.dump import dump_part, load_part
from storage.errors import StorageError
from storage.part import translated
from storage.tables import inbox, outbox

STALE = 10 * MINUTE  # older messages and updates have most likely been dealt with since the backup
MARKET_END = ".market.db"
LINES = {"main": "main.jsonl", "market": "market.jsonl"}


async def backup(database: Database, path: Path) -> Path:
    """Write `path` anew, or leave it as it was; the bot may go on meanwhile. Returns the file."""
    with translated():
        await asyncio.to_thread(path.parent.mkdir, parents=True, exist_ok=True)
        if await asyncio.to_thread(path.is_dir):
            raise StorageError(f"{path} is a folder; name a file for the backup")
        with _workroom(path.parent) as folder:
            if isinstance(database.address, SqliteAddress):
                files = await asyncio.to_thread(_copy_sqlite, database.address, folder, path)
            else:
                files = [
                    await dump_part(part, folder / LINES[part.name]) for part in database.parts
                ]
            await asyncio.to_thread(_pack, files, folder / "backup.tar", path)
    return path


async def restore(database: Database, path: Path, now: int) -> None:
    """Replace the database by what `path` holds and start it; `now` is wall ms.

    Refused while another process runs on it. SQLite files that were there are kept with `.old` at
    their end. Messages and updates older than ten minutes are not delivered again.
    """
    if not await database.lock():
        raise StorageError("Another process uses this database; stop it before restoring a backup")
    with translated(), _workroom(path.parent) as folder:
        files = await asyncio.to_thread(_unpack, path, folder)
        if isinstance(database.address, SqliteAddress):
            await database.disconnect()
            await asyncio.to_thread(_put_sqlite, database.address, files, path)
        else:
            for part in database.parts:
                if LINES[part.name] not in files:
                    raise StorageError(f"{path} is no backup of a PostgreSQL database")
            for part in database.parts:
                await load_part(part, files[LINES[part.name]])
    await database.start()
    await _expire(database, now)


async def _expire(database: Database, now: int) -> None:
    waiting = outbox.c.status.in_(("queued", "sending"))
    async with database.main.write() as connection:
        await connection.execute(
            update(outbox)
            .where(waiting, outbox.c.created_ts < now - STALE)
            .values(status="dead", error="older than the restored backup", done_ts=now)
        )
        await connection.execute(
            update(inbox)
            .where(inbox.c.done_ts.is_(None), inbox.c.received_ts < now - STALE)
            .values(payload=None, done_ts=now)
        )


@contextmanager
def _workroom(parent: Path) -> Iterator[Path]:
    """A folder inside `parent`, so that its files can be moved there in one step."""
    if not parent.is_dir():
        raise StorageError(f"There is no folder {parent}")
    folder = Path(tempfile.mkdtemp(prefix=".tidemark-", dir=parent))
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


def _copy_sqlite(address: SqliteAddress, folder: Path, target: Path) -> list[Path]:
    files = []
    for source in (address.main, address.market):
        if target.exists() and source.exists() and target.samefile(source):
            raise StorageError(f"{target} is the database itself; name another file")
        if not source.is_file():
            raise StorageError(f"There is no database at {source} to make a backup of")
        copy = folder / source.name
        with (
            closing(sqlite3.connect(f"{source.resolve().as_uri()}?mode=rw", uri=True)) as old,
            closing(sqlite3.connect(copy)) as new,
        ):
            old.backup(new)
            new.execute("PRAGMA journal_mode=DELETE")  # one file, with nothing beside it
        _refuse_damaged_copy(copy)
        files.append(copy)
    return files


def _refuse_damaged_copy(copy: Path) -> None:
    try:
        with closing(sqlite3.connect(copy)) as connection:
            found = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    except sqlite3.DatabaseError as error:
        found = str(error)
    if found != "ok":
        raise StorageError(f"The copy of {copy.name} is damaged: {' '.join(found.split())}")


def _pack(files: list[Path], packed: Path, target: Path) -> None:
    """Readable by the owner alone, and in place only when it is whole and on the disk."""
    with packed.open("xb") as raw:
        packed.chmod(0o600)
        with tarfile.open(fileobj=raw, mode="w") as tar:
            for file in files:
                tar.add(file, file.name)
        raw.flush()
        os.fsync(raw.fileno())
    packed.replace(target)
    _sync_folder(target.parent)


def _unpack(path: Path, folder: Path) -> dict[str, Path]:
    """The plain files of a tar by name; paths inside it are not followed."""
    files: dict[str, Path] = {}
    try:
        with tarfile.open(path) as tar:
            for member in tar:
                source = tar.extractfile(member) if member.isfile() else None
                if source is None or Path(member.name).name != member.name:
                    raise StorageError(f"{path} is no backup: it holds {member.name!r}")
                files[member.name] = folder / member.name
                with files[member.name].open("xb") as file:
                    shutil.copyfileobj(source, file)
                    file.flush()
                    os.fsync(file.fileno())
    except tarfile.TarError as error:
        raise StorageError(f"{path} is no backup: {error}") from error
    return files


def _put_sqlite(address: SqliteAddress, files: dict[str, Path], path: Path) -> None:
    market = [file for name, file in files.items() if name.endswith(MARKET_END)]
    main = [file for name, file in files.items() if not name.endswith((MARKET_END, ".jsonl"))]
    if len(main) != 1 or len(market) != 1:
        raise StorageError(f"{path} is no backup of a SQLite database")
    for file in main + market:
        _refuse_damaged_copy(file)
    address.main.parent.mkdir(parents=True, exist_ok=True)
    for file, target in ((main[0], address.main), (market[0], address.market)):
        _set_aside(target)
        shutil.move(file, target)
    _sync_folder(address.main.parent)


def _set_aside(target: Path) -> None:
    """Keep a file that is replaced, with its log; a stale log would be played into the new file."""
    old = target.with_name(f"{target.name}.old")
    for end in ("", "-wal", "-shm"):
        old.with_name(old.name + end).unlink(missing_ok=True)
    for end in ("-wal", ""):
        beside = target.with_name(target.name + end)
        if beside.exists():
            beside.rename(old.with_name(old.name + end))
    target.with_name(f"{target.name}-shm").unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    """A rename is on the disk only when its folder is."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
