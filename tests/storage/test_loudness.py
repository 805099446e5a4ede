"""How loud chats want it."""

import pytest
from storage_builders import GROUP, NOW, USER, row, rule, state

from alerts.delivery.types import MATRIX, QUIET, Change, Event, Loudness, Mute, Sound
from alerts.types import Severity
from handlers.types import Preferences
from storage.alerts import Alerts
from storage.db import Database
from storage.errors import StorageError
from storage.loudness import LoudnessRows
from storage.people import People


@pytest.fixture
def store(database: Database) -> LoudnessRows:
    return LoudnessRows(database)


async def test_a_chat_that_chose_nothing_has_the_defaults(store: LoudnessRows) -> None:
    assert await store.loudness(GROUP) == Loudness(chat_id=GROUP)
    assert dict(MATRIX) == {
        Severity.INFO: Sound.SILENT,
        Severity.WARNING: Sound.SOUND,
        Severity.CRITICAL: Sound.SOUND,
    }


async def test_each_choice_leaves_the_others(store: LoudnessRows, database: Database) -> None:
    await store.set_matrix(GROUP, Severity.INFO, Sound.OFF, NOW)
    await store.set_quiet(GROUP, 1380, 420, NOW)
    await store.set_topic(GROUP, "alert", 2**40, NOW)
    await store.set_topic(GROUP, "report", 8, NOW)
    await store.set_matrix(GROUP, Severity.WARNING, Sound.SILENT, NOW)
    await store.set_topic(GROUP, "report", None, NOW)
    await People(database).save_preferences(GROUP, Preferences(zone="Europe/Berlin"), NOW)
    assert await store.loudness(GROUP) == Loudness(
        chat_id=GROUP, zone="Europe/Berlin", quiet_from=1380, quiet_to=420, topics={"alert": 2**40},
        matrix={
            Severity.INFO: Sound.OFF,
            Severity.WARNING: Sound.SILENT,
            Severity.CRITICAL: Sound.SOUND,
        },
    )  # fmt: skip
    await store.set_quiet(GROUP, -1, -1, NOW)
    assert (await store.loudness(GROUP)).quiet_from == -1
    assert await store.loudness(5) == Loudness(chat_id=5)


@pytest.mark.parametrize(("start", "end"), [(-1, 5), (5, 1440), (1440, 0), (5, -1)])
async def test_quiet_hours_outside_of_a_day_are_refused(
    store: LoudnessRows, start: int, end: int
) -> None:
    with pytest.raises(StorageError, match="not within a day"):
        await store.set_quiet(GROUP, start, end, NOW)
    with pytest.raises(StorageError, match="no class"):
        await store.set_topic(GROUP, "gossip", 1, NOW)


async def test_other_quiet_hours_release_what_is_held(
    store: LoudnessRows, database: Database
) -> None:
    alerts = Alerts(database)
    await alerts.fire([], [], [row(1), row(2, chat_id=5)])
    held = [
        Change(row=each, status="queued", event=Event.HELD, next_ts=NOW + 9_000, error=QUIET)
        for each in await alerts.due(NOW)
    ]
    await alerts.note(held, NOW)
    assert await alerts.due(NOW) == []
    await store.set_quiet(GROUP, -1, -1, NOW)
    assert [each.alert_id for each in await alerts.due(NOW)] == [1]


async def test_mutes_of_people_are_of_one_chat_and_end(
    store: LoudnessRows, database: Database
) -> None:
    mine = (await Alerts(database).add(rule(owner_id=USER), state())).id
    theirs = (await Alerts(database).add(rule(owner_id=USER + 1), state())).id
    await store.mute(GROUP, USER, NOW + 10)
    await store.mute(GROUP, USER, NOW + 20)
    mute = Mute(chat_id=GROUP, owner_id=USER, until=NOW + 20)
    assert await store.mutes(GROUP, NOW) == [mute]
    assert await store.muted(GROUP, [mine, theirs, 99, -1], NOW) == {mine: mute}
    assert await store.muted(GROUP, [mine], NOW + 20) == {}
    assert await store.muted(5, [mine], NOW) == {}
    await store.mute(GROUP, USER, 0)
    assert await store.mutes(GROUP) == []
