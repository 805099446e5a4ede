"""A database URL as people write it -> where the two halves of the database are."""

from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

POSTGRES_OPTIONS = {
    "sslmode": "ssl",
    "ssl": "ssl",
    "host": "host",
}  # as written -> as asyncpg calls it
SQLITE = ("sqlite", "sqlite+aiosqlite")
POSTGRES = ("postgres", "postgresql", "postgresql+asyncpg")
EXAMPLE = "write one like sqlite:///data/tidemark.db or postgresql://user:password@host/name"


@dataclass(frozen=True, slots=True, kw_only=True)
class SqliteAddress:
    """Two files: the main one, and the market samples beside it."""

    main: Path
    market: Path
    lock: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class PostgresAddress:
    """One PostgreSQL database, for the driver we use."""

    url: URL


def parse_address(text: str) -> SqliteAddress | PostgresAddress:
    """Read a database URL; ValueError says what is wrong with it and never repeats a password."""
    scheme = text.partition("://")[0].lower()
    if scheme not in SQLITE + POSTGRES:
        raise ValueError(f"The database URL has an unknown beginning; {EXAMPLE}.")
    try:
        url = make_url(scheme + text[len(scheme) :])
    except (ArgumentError, ValueError):
        raise ValueError(f"The database URL cannot be read; {EXAMPLE}.") from None
    return _sqlite(url) if scheme in SQLITE else _postgres(url)


def _sqlite(url: URL) -> SqliteAddress:
    if url.host:
        raise ValueError(
            "A SQLite URL has three slashes before a relative path and four before an absolute one."
        )
    if (
        not url.database
        or url.database == ":memory:"
        or url.database.startswith("file:")
        or url.query
    ):
        raise ValueError(
            "The SQLite URL has to name a plain file, like sqlite:///data/tidemark.db."
        )
    main = Path(url.database)
    if main.is_dir() or url.database.endswith("/"):
        raise ValueError(f"The SQLite URL names a folder, {main}; name a file in it.")
    stem = main.stem if main.suffix in {".db", ".sqlite", ".sqlite3"} else main.name
    return SqliteAddress(
        main=main,
        market=main.with_name(f"{stem}.market.db"),
        lock=main.with_name(f"{main.name}.lock"),
    )


def _postgres(url: URL) -> PostgresAddress:
    if not url.database:
        raise ValueError(
            "The PostgreSQL URL has to end with the name of a database, like .../tidemark."
        )
    if foreign := sorted(set(url.query) - set(POSTGRES_OPTIONS)):
        known = ", ".join(POSTGRES_OPTIONS)
        raise ValueError(f"The PostgreSQL URL has an option {foreign[0]!r}; known are {known}.")
    query = {POSTGRES_OPTIONS[name]: value for name, value in url.query.items()}
    return PostgresAddress(url=url.set(drivername="postgresql+asyncpg", query=query))
