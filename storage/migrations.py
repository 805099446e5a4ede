"""The schema is brought up to date at start, each half in one transaction: all or nothing."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection, text
from sqlalchemy.schema import CreateSchema

from storage.errors import StorageError
from storage.part import Part

FOLDER = Path(__file__).parent / "alembic"
TURN = 7_449_363_702  # advisory lock: two processes that start together migrate one after the other


async def upgrade(part: Part, revision: str = "head") -> None:
    """Migrate one half to `revision`; one that was cut off left nothing and is run again.

    One at a time in a process: Alembic keeps its context in a global.
    """
    async with part.write() as connection:
        await connection.run_sync(upgrade_within, part, revision)


def upgrade_within(connection: Connection, part: Part, revision: str = "head") -> None:
    """The same inside a transaction of the caller."""
    if part.schema:
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": TURN})
        connection.execute(CreateSchema(part.schema, if_not_exists=True))
        quoted = connection.dialect.identifier_preparer.quote(part.schema)
        connection.execute(text(f"SET LOCAL search_path TO {quoted}"))  # changes name no schema
    config = _config(part)
    config.attributes["connection"] = connection
    try:
        command.upgrade(config, revision)
    except CommandError as error:
        raise StorageError(
            f"The {part.name} half of the database was written by a newer version; "
            "update this one, or restore a backup made with it"
        ) from error


def revision_of(connection: Connection, part: Part) -> str | None:
    """The revision a half is at; None before its first migration."""
    context = MigrationContext.configure(connection, opts={"version_table_schema": part.schema})
    return context.get_current_revision()


def head(part: Part) -> str | None:
    """The newest revision this code knows."""
    return ScriptDirectory.from_config(_config(part)).get_current_head()


def _config(part: Part) -> Config:
    config = Config()
    for name, value in (
        ("script_location", FOLDER),
        ("version_locations", FOLDER / part.name),
        ("path_separator", "newline"),
    ):
        config.set_main_option(name, str(value).replace("%", "%%"))
    config.attributes["schema"] = part.schema
    return config
