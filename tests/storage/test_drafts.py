"""What a person has begun in a chat is there after a restart, and nobody else's."""

from collections.abc import Callable

import storage_builders as build

from handlers.types import Draft
from storage.db import Database
from storage.drafts import Drafts


def begun(body: str = '{"page": "coin"}', chat: int = build.GROUP, **more: int) -> Draft:
    return Draft(chat_id=chat, user_id=more.pop("user", build.USER), body=body, **more)


async def test_a_draft_is_there_after_a_restart(reopen: Callable[[], Database]) -> None:
    first = reopen()
    await first.start()
    await Drafts(first).save(begun(message_id=12, updated_ts=build.NOW))
    await first.close()
    second = reopen()
    await second.start()
    found = await Drafts(second).draft(build.GROUP, build.USER)
    assert found == begun(message_id=12, updated_ts=build.NOW)


async def test_a_person_has_one_draft_in_each_chat(database: Database) -> None:
    drafts = Drafts(database)
    await drafts.save(begun("{}"))
    await drafts.save(begun('{"page": "kind"}', updated_ts=5))
    await drafts.save(begun('{"other": "chat"}', chat=7))
    await drafts.save(begun('{"other": "person"}', user=8))
    found = await drafts.draft(build.GROUP, build.USER)
    assert found is not None
    assert (found.body, found.updated_ts, found.message_id) == ('{"page": "kind"}', 5, None)
    await drafts.drop(build.GROUP, build.USER)
    assert await drafts.draft(build.GROUP, build.USER) is None
    assert await drafts.draft(7, build.USER) is not None
    assert await drafts.draft(build.GROUP, 8) is not None


async def test_what_nobody_went_on_with_is_forgotten(database: Database) -> None:
    drafts = Drafts(database)
    await drafts.save(begun(user=1, updated_ts=99))
    await drafts.save(begun(user=2, updated_ts=100))
    assert await drafts.drop_before(100) == 1
    assert await drafts.draft(build.GROUP, 1) is None
    assert await drafts.draft(build.GROUP, 2) is not None


async def test_dropping_what_is_not_there_is_no_fault(database: Database) -> None:
    await Drafts(database).drop(1, 2)
