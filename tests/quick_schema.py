"""A migrated schema at once: tests that are not about migrations get the tables that these lead to."""

import sqlite3
import tempfile
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from storage import migrations
from storage.part import Part

real = migrations.upgrade


async def upgrade(part: Part, revision: str = "head") -> None:
    """As `storage.migrations.upgrade`: an empty SQLite half gets its tables in one go, anything else is migrated."""
    if not part.sqlite or revision != "head":
        await real(part, revision)
        return
    found = _statements(part.name)

    async def work(connection: AsyncConnection) -> bool:
        if await connection.scalar(text("SELECT count(*) FROM sqlite_master")):
            return False
        for statement in found:
            await connection.execute(text(statement.replace(":", "\\:")))
        return True

    if not found or not await part.whole(work, write=True):
        await real(part, revision)
        if not found:
            _learn(part)


@cache
def _folder() -> Path:
    return Path(tempfile.mkdtemp(prefix="schema"))


def _statements(name: str) -> Sequence[str]:
    """What the migrations made the last time, in the order in which it was made."""
    path = _folder() / f"{name}.sql"
    return path.read_text().split("\0") if path.exists() else ()


def _learn(part: Part) -> None:
    with sqlite3.connect(str(part.engine.url.database)) as connection:
        rows = connection.execute(
            "SELECT sql FROM sqlite_master WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite_%' ORDER BY rowid"
        ).fetchall()
        (at,) = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    made = [*(row[0] for row in rows), f"INSERT INTO alembic_version VALUES ('{at}')"]
    (_folder() / f"{part.name}.sql").write_text("\0".join(made))
