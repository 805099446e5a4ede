"""One half of a PostgreSQL database as lines of JSON, and back.

The first line is a head: {"revision", "counters"}. Then, for each table, {"table", "columns"} and
its rows as arrays. Rows go back into the schema of their own revision, which is then migrated.
"""

import asyncio
import json
from collections.abc import Iterable, Iterator
from itertools import groupby
from pathlib import Path
from typing import IO, Any

from sqlalchemy import Connection, MetaData, Table, column, select, table, text
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.schema import DropSchema

from storage import migrations
from storage.errors import StorageError
from storage.part import Part, translated
from storage.tables import MAIN, MARKET

TABLES: dict[str, MetaData] = {"main": MAIN, "market": MARKET}
ROWS = 1000
SERIAL = "pg_get_serial_sequence(:table, 'id')"


async def dump_part(part: Part, path: Path) -> Path:
    """Write one half as it was at one moment."""
    engine = part.engine.execution_options(isolation_level="REPEATABLE READ")
    with translated(), _opened(path, "x") as file:
        async with engine.connect() as connection:
            revision = await connection.run_sync(migrations.revision_of, part)
            if revision is None:
                raise StorageError(f"There is nothing in schema {part.schema} to make a backup of")
            if revision != migrations.head(part):
                raise StorageError("The database has to be migrated first; start the bot once")
            counters = await connection.run_sync(_counters, part)
            _write(file, [{"revision": revision, "counters": counters}])
            for each in TABLES[part.name].sorted_tables:
                await _dump_table(connection, each, file)
    return path


async def load_part(part: Part, path: Path) -> None:
    """Replace one half by a dump, in one transaction."""
    with _opened(path, "r") as file:
        lines = _lines(file)
        try:
            async with part.write() as connection:
                head: dict[str, Any] = next(lines, {})
                await connection.execute(DropSchema(str(part.schema), cascade=True, if_exists=True))
                await connection.run_sync(migrations.upgrade_within, part, head["revision"])
                await _load_tables(connection, lines, part.schema)
                await connection.run_sync(_set_counters, part, head["counters"])
        except (LookupError, TypeError, ValueError) as error:
            raise StorageError(f"{path.name} is no whole dump of a database") from error


async def _dump_table(connection: AsyncConnection, each: Table, file: IO[str]) -> None:
    _write(file, [{"table": each.name, "columns": [c.name for c in each.c]}])
    rows = await connection.stream(select(each), execution_options={"yield_per": ROWS})
    async for some in rows.partitions():
        await asyncio.to_thread(_write, file, [list(row) for row in some])


async def _load_tables(
    connection: AsyncConnection, lines: Iterator[Any], schema: str | None
) -> None:
    target = table("none")
    names: list[str] = []
    for is_head, group in groupby(lines, lambda line: isinstance(line, dict)):
        if is_head:
            *_, head = group  # an empty table is a head followed by a head
            names = head["columns"]
            target = table(head["table"], *(column(name) for name in names), schema=schema)
            continue
        for some in _batches(group):
            rows = [dict(zip(names, row, strict=True)) for row in some]
            await connection.execute(target.insert(), rows)


def _batches(rows: Iterable[Any]) -> Iterator[list[Any]]:
    some: list[Any] = []
    for row in rows:
        some.append(row)
        if len(some) == ROWS:
            yield some
            some = []
    if some:
        yield some


def _counters(connection: Connection, part: Part) -> dict[str, int]:
    """The last id given in each table that counts, also where its row is gone."""
    found = {}
    for each in _counting(part):
        query = text(f"SELECT pg_sequence_last_value({SERIAL}::regclass)")
        last = connection.scalar(query, {"table": _full_name(connection, part, each)})
        if last is not None:
            found[each.name] = int(last)
    return found


def _set_counters(connection: Connection, part: Part, counters: dict[str, int]) -> None:
    for each in _counting(part):
        if each.name in counters:
            connection.execute(
                text(f"SELECT setval({SERIAL}, :last)"),
                {"table": _full_name(connection, part, each), "last": counters[each.name]},
            )


def _counting(part: Part) -> list[Table]:
    return [each for each in TABLES[part.name].sorted_tables if "id" in each.c]


def _full_name(connection: Connection, part: Part, each: Table) -> str:
    quote = connection.dialect.identifier_preparer.quote
    return f"{quote(str(part.schema))}.{quote(each.name)}"


def _opened(path: Path, mode: str) -> IO[str]:
    return path.open(mode, encoding="utf-8")


def _write(file: IO[str], lines: list[Any]) -> None:
    file.writelines(json.dumps(line, separators=(",", ":")) + "\n" for line in lines)


def _lines(file: IO[str]) -> Iterator[Any]:
    for line in file:
        yield json.loads(line)
