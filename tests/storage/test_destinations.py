"""Destinations on a real SQLite file and a real PostgreSQL server."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import storage_builders as build
from sqlalchemy import insert, update

from alerts.channels.types import Destination, Status
from alerts.types import Firing, Severity
from storage.db import Database
from storage.destinations import Destinations
from storage.errors import StorageError
from storage.tables import alerts, destinations, firings

ME, OTHER = build.USER, 8


@pytest.fixture
def store(database: Database) -> Destinations:
    return Destinations(database)


def destination(**fields: object) -> Destination:
    whole = Destination(
        id=0, owner_id=ME, channel="webhook", address="https://there.example/hook", secret="key", label="there.example",
        status=Status.PENDING, code="123456", code_ts=build.NOW + 5, tries=2, least=Severity.CRITICAL,
        error="HTTP 400", spent=3, spent_day=20_000, digest_at=480, digest_day=739_764, digest_ts=build.NOW,
        created_ts=build.NOW, updated_ts=build.NOW + 1,
    )  # fmt: skip
    return replace(whole, **fields)  # type: ignore[arg-type]


async def test_all_of_a_destination_is_kept_over_a_restart(
    reopen: Callable[[], Database], store: Destinations
) -> None:
    first = await store.add(destination(id=99))
    second = await store.add(destination(owner_id=OTHER, channel="email"))
    assert first == destination(id=first.id)
    assert 0 < first.id < second.id
    assert await Destinations(reopen()).all() == [first, second]


async def test_a_change_replaces_one_and_no_other(store: Destinations) -> None:
    first, second = await store.add(destination()), await store.add(destination())
    changed = replace(first, status=Status.VERIFIED, code="", least=Severity.INFO, digest_at=-1)
    await store.save(changed)
    assert await store.all() == [changed, second]
    with pytest.raises(StorageError, match="does not exist"):
        await store.save(destination(id=second.id + 1))


async def test_what_is_removed_is_counted_and_not_listed_and_its_number_never_comes_back(
    store: Destinations,
) -> None:
    first = await store.add(destination())
    await store.save(replace(first, status=Status.REMOVED, address="", secret=""))
    assert await store.all() == []
    second = await store.add(destination(created_ts=build.NOW + 10))
    await store.add(destination(owner_id=OTHER))
    assert second.id > first.id
    assert await store.added(ME, build.NOW) == 2
    assert await store.added(ME, build.NOW + 1) == 1
    assert await store.added(ME, build.NOW + 11) == 0


async def test_a_state_nobody_knows_is_said_and_not_guessed(
    database: Database, store: Destinations
) -> None:
    await store.add(destination())
    async with database.main.write() as connection:
        await connection.execute(update(destinations).values(status="later"))
    with pytest.raises(StorageError, match="cannot be read"):
        await store.all()


async def test_what_fired_for_a_person_is_of_their_rules_and_of_that_time(
    database: Database, store: Destinations
) -> None:
    base = {
        "chat_id": build.GROUP, "kind": "price", "text": "x", "condition": "{}", "coin": "BTC", "repeat": "every",
        "cooldown": 0, "created_ts": 1, "status": "active", "paused_reason": "", "status_ts": 0,
        "severity": "warning", "note": "", "snoozed_until": 0, "daily_cap": 0, "subjects": "[]",
    }  # fmt: skip
    rows = [
        {"rule_id": rule, "transition": n, "ts": build.NOW + n, "value": 1.5, "threshold": 1.0, "text": f"{rule}.{n}",
         "subject": "", "late": False, "price": None, "chart": "binance:BTC/USDT:USDT", "told": n != 2}
        for rule in (1, 2, 3) for n in (1, 2, 3)
    ]  # fmt: skip
    async with database.main.write() as connection:
        await connection.execute(
            insert(alerts),
            [{**base, "id": n, "owner_id": owner} for n, owner in ((1, ME), (2, OTHER), (3, ME))],
        )
        await connection.execute(insert(firings), rows)
    found = await store.firings_of(ME, build.NOW + 1, build.NOW + 3)
    assert [f.text for f in found] == ["1.3", "3.3", "1.2", "3.2"]
    assert found[2] == Firing(
        rule_id=1, transition=2, ts=build.NOW + 2, value=1.5, threshold=1.0, text="1.2",
        chart="binance:BTC/USDT:USDT", told=False,
    )  # fmt: skip
    assert [f.text for f in await store.firings_of(ME, 0, build.NOW + 3, limit=1)] == ["1.3"]
