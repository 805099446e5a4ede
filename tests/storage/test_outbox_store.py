"""The outbox: what is due, in which order, and what became of it."""

from collections.abc import Sequence

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some
from sqlalchemy import delete
from storage_builders import GROUP, NOW, row, rule, state

from alerts.types import OutboxRow
from storage.alerts import Alerts
from storage.db import Database
from storage.errors import StorageError
from storage.tables import outbox


@pytest.fixture
def store(database: Database) -> Alerts:
    return Alerts(database)


async def queue(store: Alerts, *rows: OutboxRow) -> list[OutboxRow]:
    """Store messages; they get their ids in the order given."""
    assert await store.fire([], [], rows) == len(rows)
    return (await store.due(2**62, 10**6))[-len(rows) :]


async def test_a_row_comes_back_as_it_was_asked_for(store: Alerts) -> None:
    asked = row(2**40, 2**41, thread_id=2**42, next_ts=NOW, payload='{"x": "é🙂"}')
    (found,) = await queue(store, asked)
    assert found == row(
        2**40, 2**41, thread_id=2**42, next_ts=NOW, payload='{"x": "é🙂"}', id=found.id
    )
    assert found.chat_id == GROUP


async def test_nothing_is_due_before_its_time(store: Alerts) -> None:
    await queue(store, row(1, next_ts=NOW))
    assert await store.due(NOW - 1) == []
    assert len(await store.due(NOW)) == 1


async def test_a_message_goes_through_its_life(store: Alerts) -> None:
    (first,) = await queue(store, row(1))
    await store.sending(first.id)
    assert await store.due(NOW) == []
    await store.retry(first.id, next_ts=NOW + 5, error="x" * 2000)
    assert await store.due(NOW) == []
    (again,) = await store.due(NOW + 5)
    assert again.attempts == 1
    assert again.error.startswith("xxx")
    assert len(again.error) < 2000
    await store.sending(first.id)
    await store.sent(first.id, 2**40, NOW)
    assert await store.due(2**62) == []


async def test_a_message_is_not_sent_twice_at_once(store: Alerts) -> None:
    (first,) = await queue(store, row(1))
    await store.sending(first.id)
    with pytest.raises(StorageError, match="not queued"):
        await store.sending(first.id)
    await store.dead(first.id, "blocked")
    for late in (
        store.retry(first.id, next_ts=0, error=""),
        store.sent(first.id, 1, NOW),
        store.dead(first.id, ""),
        store.sending(first.id),
    ):
        with pytest.raises(StorageError):
            await late
    assert await store.due(2**62) == []


async def test_what_was_being_sent_when_the_process_died_is_sent_again(store: Alerts) -> None:
    first, second = await queue(store, row(1), row(2))
    await store.sending(first.id)
    assert await store.due(NOW) == [], "the second waits for the first"
    assert await store.recover() == 1
    assert [each.id for each in await store.due(NOW)] == [first.id, second.id]
    assert await store.recover() == 0


async def test_one_chat_waits_and_the_others_go_on(store: Alerts) -> None:
    late, mine, other, thread = await queue(
        store, row(1, next_ts=NOW + 9), row(2), row(3, chat_id=5), row(4, thread_id=7)
    )
    assert [each.id for each in await store.due(NOW)] == [other.id]
    await store.dead(late.id, "gone")
    assert [each.id for each in await store.due(NOW)] == [mine.id, other.id, thread.id]


async def test_limit_takes_the_oldest(store: Alerts) -> None:
    rows = await queue(store, *(row(n, chat_id=n) for n in range(5)))
    assert await store.due(NOW, limit=2) == rows[:2]


STEPS = some.lists(
    some.tuples(
        some.integers(1, 3),  # chat
        some.sampled_from(["telegram", "webhook"]),
        some.integers(0, 3),  # next_ts
        some.sampled_from(["queued", "queued", "queued", "sending", "sent", "dead"]),
    ),
    max_size=12,
)


def expected(steps: Sequence[tuple[int, str, int, str]], now: int) -> list[int]:
    """Positions of due rows, by walking through them: a chat stops at its first row that is not ready."""
    stopped, found = set(), []
    for place, (chat, channel, next_ts, status) in enumerate(steps):
        if status in ("sent", "dead"):
            continue
        if status == "sending" or next_ts > now:
            stopped.add((chat, channel))
        if (chat, channel) not in stopped:
            found.append(place)
    return found


@settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(steps=STEPS)
async def test_due_is_the_ready_beginning_of_each_chat(
    database: Database, steps: list[tuple[int, str, int, str]]
) -> None:
    store = Alerts(database)
    async with database.main.write() as connection:
        await connection.execute(delete(outbox))
    rows = [
        row(n, chat_id=chat, channel=channel, next_ts=next_ts)
        for n, (chat, channel, next_ts, _) in enumerate(steps)
    ]
    placed = await queue(store, *rows) if rows else []
    for each, (_, _, _, status) in zip(placed, steps, strict=True):
        if status != "queued":
            await store.sending(each.id)
        if status == "sent":
            await store.sent(each.id, None, NOW)
        if status == "dead":
            await store.dead(each.id, "")
    for now in range(4):
        assert [each.alert_id for each in await store.due(now)] == expected(steps, now)


async def test_an_id_is_never_given_twice(store: Alerts, database: Database) -> None:
    (first,) = await queue(store, row(1))
    async with database.main.write() as connection:
        await connection.execute(delete(outbox))
    (second,) = await queue(store, row(1))
    assert second.id > first.id
    assert (await store.add(rule(), state())).id == 1
