"""The outbox: what is due, in which order, and what became of it."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some
from sqlalchemy import Engine, delete, event
from storage_builders import GROUP, NOW, row, rule, state

from alerts.delivery.types import LIVING, Change, Event, Lane, Look, Told
from alerts.types import OutboxRow
from storage.alerts import Alerts
from storage.db import Database
from storage.errors import StorageError
from storage.ledger import Ledger
from storage.tables import outbox

LANE = Lane(4, "telegram", GROUP)


@pytest.fixture
def store(database: Database) -> Alerts:
    return Alerts(database)


@pytest.fixture
def ledger(database: Database) -> Ledger:
    return Ledger(database)


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
        some.sampled_from([0, 4]),  # priority
    ),
    max_size=12,
)
Drawn = tuple[int, str, int, str, int]


def expected(steps: Sequence[Drawn], now: int) -> dict[Lane, list[int]]:
    """Positions of due rows, by walking through them: a lane stops at its first row that is not ready."""
    stopped, found = set(), dict[Lane, list[int]]()
    for place, (chat, channel, next_ts, status, priority) in enumerate(steps):
        lane = Lane(priority, channel, chat)
        if status in ("sent", "dead"):
            continue
        if status == "sending" or next_ts > now:
            stopped.add(lane)
        if lane not in stopped:
            found.setdefault(lane, []).append(place)
    return found


@settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(steps=STEPS)
async def test_due_is_the_ready_beginning_of_each_lane(
    database: Database, steps: list[Drawn]
) -> None:
    store = Alerts(database)
    async with database.main.write() as connection:
        await connection.execute(delete(outbox))
    rows = [
        row(n, chat_id=chat, channel=channel, next_ts=next_ts, priority=priority)
        for n, (chat, channel, next_ts, _, priority) in enumerate(steps)
    ]
    placed = await queue(store, *rows) if rows else []
    for each, (_, _, _, status, _p) in zip(placed, steps, strict=True):
        if status != "queued":
            await store.sending(each.id)
        if status == "sent":
            await store.sent(each.id, None, NOW)
        if status == "dead":
            await store.dead(each.id, "")
    for now in range(4):
        lanes = expected(steps, now)
        due = sorted(place for places in lanes.values() for place in places)
        assert [each.alert_id for each in await store.due(now)] == due
        look = await store.look(now)
        assert list(look.due) == sorted(lanes, key=lambda lane: (lane.priority, lanes[lane][0]))
        for lane, places in lanes.items():
            waiting = await store.waiting(lane, now, 100)
            assert [each.alert_id for each in waiting.rows] == places
            assert waiting.living is None


async def test_a_look_says_when_the_next_one_is_worth_it(store: Alerts) -> None:
    assert await store.look(NOW) == Look()
    await queue(store, row(1, next_ts=NOW + 5), row(2), row(3, chat_id=5, next_ts=NOW + 9))
    assert await store.look(NOW) == Look(due=(), next_ts=NOW + 5)
    assert (await store.look(NOW + 9)).due == (LANE, Lane(4, "telegram", 5))


async def test_a_look_does_not_read_what_is_finished(store: Alerts, database: Database) -> None:
    """A month of messages stands in the table: only the open ones may be touched."""
    if not database.main.sqlite:
        pytest.skip("the plan of SQLite")
    asked: list[tuple[str, Any]] = []

    def keep(_connection: Any, _cursor: Any, statement: str, values: Any, *_more: Any) -> None:
        asked.append((statement, values))

    event.listen(Engine, "before_cursor_execute", keep)
    try:
        await store.look(NOW)
        await store.waiting(LANE, NOW, 10)
        await store.recover(NOW)
        await store.bury("telegram", GROUP, "gone", NOW)
    finally:
        event.remove(Engine, "before_cursor_execute", keep)
    plans = []
    async with database.main.read() as connection:
        for statement, values in asked:
            if "outbox" in statement:
                found = await connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values)
                plans += [str(row.detail) for row in found]
    touched = [plan for plan in plans if "outbox" in plan]
    assert len(touched) >= 8
    for plan in touched:
        assert "ix_outbox_open" in plan or "INTEGER PRIMARY KEY" in plan, plan


async def test_the_living_message_is_beside_its_lane_and_due_when_it_has_to_be_closed(
    store: Alerts,
) -> None:
    made = await store.add_row(row(LIVING, NOW, next_ts=NOW + 30))
    await queue(store, row(1), row(2))
    waiting = await store.waiting(LANE, NOW, 1)
    assert [each.alert_id for each in waiting.rows] == [1]
    assert (waiting.total, waiting.living) == (2, made)
    first, second = (await store.waiting(LANE, NOW, 9)).rows
    done = [
        Change(row=each, status="merged", event=Event.MERGED, merged_into=made.id)
        for each in (first, second)
    ]
    assert await store.note(done, NOW) == {first.id, second.id}
    assert await store.look(NOW + 29) == Look(due=(), next_ts=NOW + 30)
    assert (await store.look(NOW + 30)).due == (LANE,)


async def test_a_group_of_changes_is_one_commit_with_its_lines(
    store: Alerts, ledger: Ledger
) -> None:
    first, second, third = await queue(store, row(1), row(2), row(3))
    begun = [Change(row=each, status="sending", event=Event.SENDING) for each in (first, second)]
    assert await store.note(begun, NOW + 1) == {first.id, second.id}
    assert await store.note(begun, NOW + 1) == set(), "nobody sends what another one sends"
    first, second = (replace(each, attempts=1) for each in (first, second))
    done = [
        Change(row=first, status="sent", event=Event.SENT, message_id=2**40, error=""),
        Change(row=second, status="merged", event=Event.MERGED, merged_into=first.id, error=""),
        Change(row=third, status="muted", event=Event.MUTED, error="off here"),
    ]
    assert await store.note(done, NOW + 2) == {first.id, second.id, third.id}
    assert await store.note(done, NOW + 3) == set(), "what is finished stays so"
    lines = {each.id: await ledger.of_row(each.id) for each in (first, second, third)}
    assert [(e.event, e.ts, e.message_id, e.detail) for e in lines[first.id]] == [
        ("queued", NOW, None, ""), ("sending", NOW + 1, None, ""), ("sent", NOW + 2, 2**40, ""),
    ]  # fmt: skip
    assert [(e.event, e.detail) for e in lines[second.id]] == [
        ("queued", ""), ("sending", ""), ("merged", f"told by row {first.id}"),
    ]  # fmt: skip
    assert [(e.event, e.detail) for e in lines[third.id]] == [("queued", ""), ("muted", "off here")]
    assert {e.chat_id for e in lines[first.id]} == {GROUP}
    assert await ledger.counts(NOW) == {
        "queued": 3, "sending": 2, "sent": 1, "merged": 1, "muted": 1,
    }  # fmt: skip


async def test_a_change_leaves_what_it_does_not_name(store: Alerts) -> None:
    (first,) = await queue(store, row(1, next_ts=NOW - 5))
    await store.note([Change(row=first, status="sending", event=Event.SENDING)], NOW)
    await store.note(
        [Change(row=first, status="queued", event=Event.RETRIED, payload="{}", message_id=7)], NOW
    )
    (found,) = await store.due(NOW)
    assert found == replace(first, attempts=1, payload="{}", message_id=7)


async def test_a_lost_chat_is_buried_but_for_what_is_being_sent(
    store: Alerts, ledger: Ledger
) -> None:
    sending, waiting, other = await queue(
        store, row(1, priority=2), row(2, next_ts=NOW + 9), row(3, chat_id=5)
    )
    await store.sending(sending.id)
    assert await store.bury("telegram", GROUP, "chat gone: blocked", NOW) == 1
    assert [e.event for e in await ledger.of_row(waiting.id)] == ["queued", "failed"]
    assert [each.id for each in await store.due(NOW + 9)] == [other.id]
    await store.sent(sending.id, 1, NOW)


async def test_recovery_is_in_the_ledger(store: Alerts, ledger: Ledger) -> None:
    (first,) = await queue(store, row(1))
    await store.sending(first.id)
    assert await store.recover(NOW + 5) == 1
    assert [(e.event, e.detail) for e in await ledger.of_row(first.id)][-1] == (
        "retried", "the process ended while it was being sent",
    )  # fmt: skip


async def test_what_was_told_lately_is_remembered(store: Alerts) -> None:
    one, two, _three = await queue(
        store, row(1, coin="BTC"), row(2, coin="ETH"), row(3, coin="SOL")
    )
    await store.sent(one.id, 9, NOW - 100)
    merged = Change(row=two, status="merged", event=Event.MERGED, merged_into=one.id)
    await store.note([merged], NOW)
    told = [
        Told(channel="telegram", chat_id=GROUP, coin="BTC", ts=NOW - 100),
        Told(channel="telegram", chat_id=GROUP, coin="ETH", ts=NOW, merged=True),
    ]
    assert await store.lately(NOW - 100) == told
    assert await store.lately(NOW - 99) == told[1:]


async def test_an_id_is_never_given_twice(store: Alerts, database: Database) -> None:
    (first,) = await queue(store, row(1))
    async with database.main.write() as connection:
        await connection.execute(delete(outbox))
    (second,) = await queue(store, row(1))
    assert second.id > first.id
    assert (await store.add(rule(), state())).id == 1
