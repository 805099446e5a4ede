"""Updates between arrival and handling, and the buttons under messages."""

import asyncio

import pytest
from sqlalchemy import select
from storage_builders import GROUP, NOW, stored

from storage.buttons import Buttons
from storage.db import Database
from storage.errors import StorageError
from storage.inbox import Inbox
from storage.tables import inbox

BIG = 2**40


@pytest.fixture
def store(database: Database) -> Inbox:
    return Inbox(database)


async def test_a_stored_update_waits_until_it_is_handled(store: Inbox) -> None:
    assert await store.last_id() is None
    assert await store.store([]) == []
    first, second = stored(BIG, payload='{"text": "é🙂"}'), stored(BIG + 1)
    assert await store.store([first, second]) == [BIG, BIG + 1]
    assert await store.pending() == [first, second]
    await store.done(BIG, NOW)
    assert await store.pending() == [second]
    assert await store.last_id() == BIG + 1


async def test_the_words_of_a_handled_update_are_not_kept(store: Inbox, database: Database) -> None:
    await store.store([stored(1), stored(2)])
    await store.done(1, NOW)
    async with database.main.read() as connection:
        found = await connection.execute(select(inbox.c.update_id, inbox.c.payload))
        assert {row.update_id: row.payload for row in found} == {1: None, 2: stored(2).payload}


async def test_an_update_that_comes_again_is_not_new(store: Inbox) -> None:
    await store.store([stored(1), stored(2)])
    await store.done(1, NOW)
    assert await store.store([stored(3), stored(1, payload="x"), stored(2), stored(3)]) == [3]
    assert [each.update_id for each in await store.pending()] == [2, 3]


async def test_the_oldest_comes_first_whatever_its_number(store: Inbox) -> None:
    await store.store([stored(900, received_ts=NOW)])
    await store.store([stored(6, received_ts=NOW + 5), stored(5, received_ts=NOW + 5)])
    assert [each.update_id for each in await store.pending()] == [900, 5, 6]
    assert [each.update_id for each in await store.pending(limit=1)] == [900]


async def test_claims_are_counted(store: Inbox) -> None:
    await store.store([stored(1)])
    assert [await store.claim(1, NOW) for _ in range(3)] == [0, 1, 2]
    assert (await store.pending())[0].attempts == 3


async def test_what_was_handled_or_never_came_cannot_be_claimed(store: Inbox) -> None:
    await store.store([stored(1)])
    await store.done(1, NOW)
    for update_id in (1, 2):
        with pytest.raises(StorageError, match="not waiting"):
            await store.claim(update_id, NOW)


async def test_many_tasks_store_and_handle_without_loss(store: Inbox) -> None:
    async def one(n: int) -> int:
        new = await store.store([stored(n), stored(1000)])
        await store.claim(n, NOW)
        if n % 2:
            await store.done(n, NOW)
        return new.count(1000)

    assert sum(await asyncio.gather(*(one(n) for n in range(40)))) == 1
    left = {each.update_id for each in await store.pending()}
    assert left == {*range(0, 40, 2), 1000}


async def test_a_cancelled_write_leaves_the_next_one_alone(store: Inbox) -> None:
    for n in range(30):
        task = asyncio.create_task(store.store([stored(n)]))
        for _ in range(n):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    assert await asyncio.wait_for(store.store([stored(100)]), 5) == [100]


async def test_a_button_works_in_its_chat_until_it_ends(database: Database) -> None:
    buttons = Buttons(database)
    await buttons.put("token", "/chart BTC", GROUP, NOW)
    await buttons.put("token", "/chart ETH", 5, NOW)
    assert await buttons.take("token", GROUP, NOW - 1) == "/chart BTC"
    assert await buttons.take("token", GROUP, NOW - 1) == "/chart BTC", "as often as it is pressed"
    assert await buttons.take("token", 5, NOW - 1) == "/chart ETH"
    assert await buttons.take("token", 6, NOW - 1) is None
    assert await buttons.take("other", GROUP, NOW - 1) is None
    assert await buttons.take("token", GROUP, NOW) is None
    await buttons.put("token", "/chart SOL", GROUP, NOW + 1)
    assert await buttons.take("token", GROUP, NOW) == "/chart SOL"
