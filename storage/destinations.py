"""Ways out of people that are not the chat, and what has fired for them."""

from dataclasses import asdict
from typing import Any

from sqlalchemy import Row, func, select, update

from alerts.channels.types import Destination, Status
from alerts.types import Firing, Severity
from storage.db import Database
from storage.errors import StorageError
from storage.tables import alerts, destinations, firings


class Destinations:
    """`alerts.channels.types.DestinationStore`."""

    def __init__(self, database: Database) -> None:
        self._part = database.main

    async def all(self) -> list[Destination]:
        """All that were not removed, by id."""
        query = (
            select(destinations)
            .where(destinations.c.status != str(Status.REMOVED))
            .order_by(destinations.c.id)
        )
        async with self._part.read() as connection:
            return [_destination(row) for row in await connection.execute(query)]

    async def add(self, destination: Destination) -> Destination:
        """Keep a new one under an id of its own."""
        insert = destinations.insert().values(**_values(destination)).returning(destinations)
        async with self._part.write() as connection:
            return _destination((await connection.execute(insert)).one())

    async def save(self, destination: Destination) -> None:
        """Replace it; StorageError where it does not exist."""
        change = (
            update(destinations)
            .where(destinations.c.id == destination.id)
            .values(**_values(destination))
        )
        async with self._part.write() as connection:
            if (await connection.execute(change)).rowcount != 1:
                raise StorageError(f"Destination {destination.id} does not exist")

    async def added(self, owner_id: int, since: int) -> int:
        """How many this person added since, removed ones included."""
        query = select(func.count()).where(
            destinations.c.owner_id == owner_id, destinations.c.created_ts >= since
        )
        async with self._part.read() as connection:
            return int(await connection.scalar(query) or 0)

    async def firings_of(
        self, owner_id: int, since: int, until: int, limit: int = 500
    ) -> list[Firing]:
        """Firings of this person's rules with since < ts <= until, newest first."""
        query = (
            select(firings)
            .join(alerts, alerts.c.id == firings.c.rule_id)
            .where(alerts.c.owner_id == owner_id, firings.c.ts > since, firings.c.ts <= until)
            .order_by(firings.c.ts.desc(), firings.c.rule_id, firings.c.transition.desc())
            .limit(limit)
        )
        async with self._part.read() as connection:
            return [Firing(**row._mapping) for row in await connection.execute(query)]


def _values(destination: Destination) -> dict[str, Any]:
    values = asdict(destination)
    del values["id"]
    return {**values, "status": str(destination.status), "least": str(destination.least)}


def _destination(row: Row[Any]) -> Destination:
    try:
        return Destination(
            **{**row._mapping, "status": Status(row.status), "least": Severity(row.least)}
        )
    except ValueError as error:
        raise StorageError(f"Destination {row.id} cannot be read: {error}") from error
