"""A backup is whole, made while the bot runs, and can be put back."""

import io
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
import storage_builders as build
from storage_builders import GROUP, NOW, USER, Place, firing, interest, row, rule, state, stored

from handlers.types import Chat, Person, Preferences, Role
from market.types import MINUTE
from storage.alerts import Alerts
from storage.backup import backup, restore
from storage.db import Database
from storage.errors import StorageError
from storage.inbox import Inbox
from storage.people import People
from storage.samples import Samples


async def fill(database: Database) -> int:
    """Something in most tables; the id of a rule."""
    people, alerts = People(database), Alerts(database)
    await people.save_person(Person(user_id=USER, name="Ω", role=Role.ADMIN), NOW)
    wishes = Preferences(zone="Asia/Tokyo")
    await people.save_chat(Chat(chat_id=GROUP, kind="group", preferences=wishes), NOW)
    for n in range(3):
        await people.audit(actor=USER, action="role", detail=str(n), now=NOW)
    added = await alerts.add(rule(), state(), update_id=1)
    await alerts.fire(
        [firing(added.id)], [state(added.id, transition=1, anchor=0.1)], [row(added.id)]
    )
    await Inbox(database).store([stored(1), stored(2)])
    await Samples(database).save_open_interest([interest(NOW + n) for n in range(2500)])
    return added.id


async def facts(database: Database) -> list[object]:
    """What was filled, as it is read back."""
    people, alerts = People(database), Alerts(database)
    return [
        await people.admins(),
        await people.chat(GROUP),
        await people.verify_audit(),
        await alerts.rules(),
        await alerts.states(),
        await alerts.history(GROUP),
        await alerts.due(NOW),
        await Inbox(database).pending(),
        await Samples(database).open_interest(build.BTC.key, 0, 2**62),
    ]


async def test_what_was_backed_up_comes_back(
    database: Database, reopen: Callable[[], Database], tmp_path: Path
) -> None:
    rule_id = await fill(database)
    before = await facts(database)
    file = await backup(database, tmp_path / "copies" / "desk.tar")
    await Alerts(database).add(rule(text="after"), state())
    await Inbox(database).done(1, NOW)
    await People(database).save_person(Person(user_id=9, role=Role.ADMIN), NOW)
    await database.close()

    again = reopen()
    await restore(again, file, NOW)
    assert await facts(again) == before
    assert (await Alerts(again).add(rule(), state(), update_id=1)).id == rule_id
    assert (await Alerts(again).add(rule(), state())).id > rule_id
    await People(again).audit(actor=1, action="x", detail="", now=NOW)
    assert await People(again).verify_audit() is None
    assert [each.name for each in file.parent.iterdir()] == ["desk.tar"], (
        "nothing is left lying about"
    )
    assert file.stat().st_mode & 0o077 == 0


async def test_old_messages_of_a_backup_are_not_sent_again(
    database: Database, reopen: Callable[[], Database], tmp_path: Path
) -> None:
    await fill(database)
    new = NOW + 5 * MINUTE
    await Alerts(database).fire([], [], [row(7, created_ts=new)])
    await Inbox(database).store([stored(3, received_ts=new)])
    file = await backup(database, tmp_path / "desk.tar")
    await database.close()
    again = reopen()
    await restore(again, file, NOW + 11 * MINUTE)
    assert [each.alert_id for each in await Alerts(again).due(2**62)] == [7]
    assert [each.update_id for each in await Inbox(again).pending()] == [3]
    assert await Inbox(again).store([stored(1)]) == []


async def test_a_backup_replaces_an_older_one_in_one_step(
    database: Database, tmp_path: Path
) -> None:
    file = tmp_path / "desk.tar"
    file.write_text("old")
    await backup(database, file)
    assert tarfile.is_tarfile(file)
    with pytest.raises(StorageError, match="folder"):
        await backup(database, tmp_path)


async def test_restoring_is_refused_while_another_process_runs(
    database: Database, reopen: Callable[[], Database], tmp_path: Path
) -> None:
    await fill(database)
    file = await backup(database, tmp_path / "desk.tar")
    assert await database.lock()
    before = await facts(database)
    with pytest.raises(StorageError, match="Another process"):
        await restore(reopen(), file, NOW)
    assert await facts(database) == before


def packed(file: Path, **members: bytes) -> Path:
    with tarfile.open(file, "w") as tar:
        for name, content in members.items():
            info = tarfile.TarInfo(name.replace("__", "/").replace("_", "."))
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return file


async def test_what_is_no_backup_changes_nothing(
    database: Database, reopen: Callable[[], Database], tmp_path: Path
) -> None:
    await fill(database)
    before = await facts(database)
    whole = await backup(database, tmp_path / "whole.tar")
    await database.close()
    cut = tmp_path / "cut.tar"
    cut.write_bytes(whole.read_bytes()[:20_000])
    words = tmp_path / "words.tar"
    words.write_text("no tar")
    again = reopen()
    for bad in (
        cut,
        words,
        tmp_path / "missing.tar",
        packed(tmp_path / "a.tar", ____etc__passwd=b""),
        packed(tmp_path / "b.tar", readme=b"x"),
        packed(tmp_path / "c.tar", desk_db=b"x" * 9000, desk_market_db=b"x" * 9000),
        packed(tmp_path / "d.tar", main_jsonl=b"{}", market_jsonl=b"{}"),
        packed(tmp_path / "e.tar", main_jsonl=b"x", market_jsonl=b""),
    ):
        with pytest.raises(StorageError):
            await restore(again, bad, NOW)
    await again.start()
    assert await facts(again) == before


async def test_there_must_be_something_to_back_up(
    place: Place, reopen: Callable[[], Database], tmp_path: Path
) -> None:
    with pytest.raises(StorageError, match="to make a backup of"):
        await backup(reopen(), tmp_path / "desk.tar")
    assert not (tmp_path / "desk.tar").exists()
    if place.sqlite:
        assert not place.file.exists(), "looking for a database does not make one"


async def test_the_database_is_not_overwritten_by_its_backup(tmp_path: Path) -> None:
    database = Database.open(f"sqlite:///{tmp_path}/desk.db")
    await database.start()
    rule_id = await fill(database)
    with pytest.raises(StorageError, match="the database itself"):
        await backup(database, tmp_path / "desk.db")
    assert await Alerts(database).rule(rule_id) is not None
    await database.close()


async def test_a_stale_log_is_not_played_into_a_restored_file(tmp_path: Path) -> None:
    path = tmp_path / "desk.db"
    database = Database.open(f"sqlite:///{path}")
    await database.start()
    await fill(database)
    file = await backup(database, tmp_path / "desk.tar")
    await Alerts(database).add(rule(text="after"), state())
    log = path.with_name("desk.db-wal").read_bytes()
    await database.close()
    path.with_name("desk.db-wal").write_bytes(log)  # as after a crash

    again = Database.open(f"sqlite:///{path}")
    await restore(again, file, NOW)
    assert "after" not in [each.text for each in await Alerts(again).rules()]
    await again.close()
    replaced = Database.open(f"sqlite:///{tmp_path}/desk.db.old")
    assert "after" in [each.text for each in await Alerts(replaced).rules()], "kept beside it"
    await replaced.close()
