"""Append-only journals of a recording: Arrow IPC streams by table and hour, sealed into Parquet when the hour is over.

A process that dies leaves a journal whose last batch may be torn: reading stops there, all before it counts.
A sealed part exists under its name only when it is whole and on the disk.
"""

import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from exchanges.record_tables import SCHEMAS, Row, batch
from market.types import HOUR

FOLDER = "journal"
SUFFIX = ".arrows"
SEALED = "journals"  # of a part: what was put into it


class Journal:
    """The open file of one table and hour. Not to be used by two threads at once."""

    def __init__(self, folder: Path, table: str, hour: int) -> None:
        self.table, self.hour = table, hour
        used = sealed(folder / table / f"{hour}.parquet")
        self.path = _free(folder / FOLDER, f"{table}-{hour}", used)
        self._file = self.path.open("wb", buffering=0)
        self._writer = pa.ipc.new_stream(self._file, SCHEMAS[table])

    def write(self, rows: Iterable[Row]) -> None:
        """Append rows as one batch; they are with the system when this returns."""
        self._writer.write_batch(batch(self.table, list(rows)))

    def sync(self) -> None:
        """Bring them onto the disk."""
        os.fdatasync(self._file.fileno())

    def close(self) -> None:
        """End the file well."""
        with suppress(OSError, pa.ArrowException):
            self._writer.close()
        self._file.close()


def read_journal(path: Path) -> list[pa.RecordBatch]:
    """The whole batches of a journal, in order; a torn end is left out."""
    found: list[pa.RecordBatch] = []
    with path.open("rb") as file:
        try:
            reader = pa.ipc.open_stream(file)
            while True:
                found.append(reader.read_next_batch())
        except (StopIteration, EOFError, OSError, pa.ArrowException):
            return found


def journals(folder: Path, table: str = "") -> list[Path]:
    """The journals of a recording, or of one of its tables, in the order in which they were written."""
    every = (folder / FOLDER).glob(f"*{SUFFIX}")
    mine = [each for each in every if not table or table_of(each) == table]
    return sorted(mine, key=lambda each: (_parts(each)[1:], each.name))


def table_of(path: Path) -> str:
    """The table of a journal."""
    return _parts(path)[0]


def hour_of(path: Path) -> int:
    """The hour of a journal, in hours since 1970."""
    return _parts(path)[1]


def seal(folder: Path, table: str, hour: int, paths: list[Path]) -> Path | None:
    """Turn the journals of an hour into its part, together with what the part has; None where they are empty.

    The part tells which journals are in it, so that one left over by a crash never counts twice.
    """
    part = folder / table / f"{hour}.parquet"
    had = sealed(part)
    fresh = [each for each in paths if each.name not in had]
    tables = [pa.Table.from_batches(read_journal(each), SCHEMAS[table]) for each in fresh]
    if part.is_file():
        tables.insert(0, pq.read_table(part).cast(SCHEMAS[table]))
    whole = pa.concat_tables(tables) if tables else SCHEMAS[table].empty_table()
    if whole.num_rows and fresh:
        if "ts" in whole.column_names:
            whole = _sorted(whole)
        names = ",".join(sorted(had | {each.name for each in fresh}))
        _write(whole.replace_schema_metadata({SEALED: names}), part)
    for each in paths:
        each.unlink()
    return part if whole.num_rows else None


def sealed(part: Path) -> frozenset[str]:
    """The names of the journals that are in a part."""
    if not part.is_file():
        return frozenset()
    names = (pq.read_schema(part).metadata or {}).get(SEALED.encode(), b"").decode()
    return frozenset(name for name in names.split(",") if name)


def unsealed(folder: Path, table: str) -> list[Path]:
    """The journals of a table that are in no part yet."""
    return [
        each
        for each in journals(folder, table)
        if each.name not in sealed(folder / table / f"{hour_of(each)}.parquet")
    ]


def write_whole(path: Path, body: bytes) -> None:
    """Write a small file so that it is either the old one or the new one."""
    with _replacing(path) as file:
        file.write(body)


def size_of(folder: Path) -> int:
    """Bytes of all files of a recording."""
    total = 0
    for each in folder.rglob("*"):
        with suppress(OSError):  # it may be sealed away meanwhile
            total += each.stat().st_size if each.is_file() else 0
    return total


def parts(folder: Path) -> Iterator[tuple[int, Path]]:
    """The sealed parts with their hours."""
    for table in SCHEMAS:
        for path in (folder / table).glob("*.parquet"):
            if path.stem.isdecimal():
                yield int(path.stem), path


def hour(ts: int) -> int:
    """Hours since 1970."""
    return ts // HOUR


def _sorted(whole: pa.Table) -> pa.Table:
    """By time; rows of one moment keep their order."""
    at = pa.array(range(whole.num_rows), type=pa.int64())
    keyed = whole.append_column("__row", at)
    return keyed.sort_by([("ts", "ascending"), ("__row", "ascending")]).drop_columns(["__row"])


def _write(whole: pa.Table, part: Path) -> None:
    part.parent.mkdir(parents=True, exist_ok=True)
    with _replacing(part) as file:
        pq.write_table(whole, file, compression="zstd")


class _replacing:  # noqa: N801 - reads as a verb
    """A file that takes its name only when it is whole and on the disk."""

    def __init__(self, path: Path) -> None:
        self._path, self._part = path, path.with_name(path.name + ".part")

    def __enter__(self) -> Any:
        self._file = self._part.open("wb")
        return self._file

    def __exit__(self, kind: object, _error: object, _trace: object) -> None:
        with self._file:
            if kind is None:
                self._file.flush()
                os.fsync(self._file.fileno())
        if kind is None:
            self._part.replace(self._path)
            _sync_folder(self._path.parent)
        else:
            self._part.unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    number = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)


def _free(folder: Path, name: str, used: frozenset[str]) -> Path:
    """The next number that no journal has, nor one that was sealed: its name would hide the new one."""
    folder.mkdir(parents=True, exist_ok=True)
    number = 0
    while (path := folder / f"{name}-{number:04d}{SUFFIX}").exists() or path.name in used:
        number += 1
    return path


def _parts(path: Path) -> tuple[str, int, int]:
    table, at, number = path.name.removesuffix(SUFFIX).rsplit("-", 2)
    return table, int(at), int(number)
