"""Who gets in, who does not, and who may do what. Everything here has to fail closed."""

from types import SimpleNamespace
from typing import Any

import pytest
from telegram_fakes import ADMIN, STRANGER, TRADER, VIEWER, Desk, MemoryPeople, Time

from bot.telegram.access import Access, Sender
from handlers.access import approve, deny
from handlers.base import ACTIONS, Args
from handlers.types import Person, Role

GROUP = -1001234567890


def desk(mode: str = "request") -> Desk:
    made = Desk(mode)
    for role in (Role.VIEWER, Role.ALERTER, Role.TRADER, Role.ADMIN):
        made.add(f"for_{role.name.lower()}", role=role)
        made.add(f"for:{role.name.lower()}", role=role)
    for name in ("access:approve", "access:deny"):
        made.actions[name] = ACTIONS[name]
    return made


@pytest.mark.parametrize("how", ["typed", "button", "action"])
@pytest.mark.parametrize("role", list(Role))
async def test_a_role_reaches_what_is_below_it_and_nothing_above(role: Role, how: str) -> None:
    made = desk("closed")
    user = ADMIN if role is Role.ADMIN else 2000
    if role is not Role.NOBODY:
        made.people.people[user] = Person(user_id=user, role=role, status="approved")
    reached = set()
    for needed in (Role.VIEWER, Role.ALERTER, Role.TRADER, Role.ADMIN):
        made.asked.clear()
        word = needed.name.lower()
        if how == "typed":
            await made.say(f"/for_{word}", user)
        else:
            await made.press(f"c:/for_{word}" if how == "button" else f"a:for:{word}:1", user)
        if made.asked:
            reached.add(needed)
    assert reached == {r for r in Role if Role.NOBODY < r <= role}


@pytest.mark.parametrize("mode", ["request", "closed"])
async def test_without_admins_nobody_gets_in(mode: str) -> None:
    people = MemoryPeople()
    access = Access(mode, (), people, Time())  # type: ignore[arg-type]
    people.people[7] = Person(user_id=7, role=Role.ADMIN, status="approved")
    await access.start()
    assert (await access.person(Sender(user_id=8, name="x", chat_id=8))).role is Role.NOBODY
    once_admin = await access.person(Sender(user_id=7, name="x", chat_id=7))
    assert once_admin.role < Role.ALERTER
    assert await people.admins() == []


async def test_the_named_admins_are_stored_at_start() -> None:
    made = desk()
    await made.access.start()
    assert [p.user_id for p in await made.people.admins()] == [ADMIN]


async def test_a_stored_admin_who_is_not_named_is_none() -> None:
    made = desk()
    made.people.people[9] = Person(user_id=9, role=Role.ADMIN, status="approved")
    await made.say("/for_admin", 9)
    assert made.asked == []


@pytest.mark.parametrize("status", ["unknown", "pending", "denied"])
async def test_a_role_without_approval_counts_for_nothing(status: str) -> None:
    made = desk()
    made.people.people[9] = Person(user_id=9, role=Role.TRADER, status=status)
    await made.say("/for_viewer", 9)
    assert made.asked == []


async def test_a_copied_name_gives_no_rights() -> None:
    made = desk()
    like = {"id": STRANGER, "is_bot": False, "first_name": f"U{ADMIN}", "username": "ada"}
    await made.say("/for_viewer", STRANGER, **{"from": like})
    assert made.asked == []


async def test_a_stranger_gets_one_message_and_the_admins_one_card() -> None:
    made = desk()
    await made.say("/for_viewer", STRANGER)
    await made.say("/for_viewer", STRANGER)
    await made.say("let me in", STRANGER)
    assert len(made.telegram.texts(STRANGER)) == 1
    [card] = made.telegram.texts(ADMIN)
    assert str(STRANGER) in card
    assert made.people.people[STRANGER].status == "pending"
    assert (STRANGER, "access.request", f"U{STRANGER}") in made.people.log
    assert made.asked == []


async def test_an_admin_lets_a_stranger_in_by_button() -> None:
    made = desk()
    await made.say("hello", STRANGER)
    approve_data = next(d for d in made.telegram.data() if d.endswith("alerter"))
    await made.press(approve_data, TRADER)
    assert made.people.people[STRANGER].status == "pending"
    await made.press(approve_data, ADMIN)
    assert made.people.people[STRANGER].role is Role.ALERTER
    assert "You are in" in made.telegram.texts(STRANGER)[-1]
    assert "is in as alerter" in made.telegram.of("editMessageText")[0]["text"]
    await made.say("/for_alerter", STRANGER)
    assert len(made.asked) == 1


async def test_a_decision_stands() -> None:
    made = desk()
    await made.say("hello", STRANGER)
    await made.press(f"a:access:deny:{STRANGER}", ADMIN)
    made.time.ms += 10_000
    await made.press(f"a:access:approve:{STRANGER} trader", ADMIN, message_id=501)
    assert made.people.people[STRANGER].status == "denied"
    assert "no longer open" in made.telegram.texts(ADMIN)[-1]
    sent = len(made.telegram.texts(STRANGER))
    await made.say("/for_viewer", STRANGER)
    assert len(made.telegram.texts(STRANGER)) == sent
    assert made.asked == []


async def test_open_gives_everybody_a_readers_rights_except_the_denied() -> None:
    made = desk("open")
    await made.say("/for_viewer", STRANGER)
    await made.say("/for_alerter", STRANGER)
    assert [a.person.role for a in made.asked] == [Role.VIEWER]
    made.people.people[STRANGER] = Person(user_id=STRANGER, status="denied")
    await made.say("/for_viewer", STRANGER)
    assert len(made.asked) == 1


async def test_closed_says_nothing() -> None:
    made = desk("closed")
    await made.say("/for_viewer", STRANGER)
    await made.say("hello", STRANGER)
    assert made.telegram.texts() == []
    assert made.people.log == []


async def test_in_a_group_the_senders_rights_decide() -> None:
    made = desk()
    await made.say("/for_trader", TRADER, GROUP)
    await made.say("/for_trader", VIEWER, GROUP)
    await made.say("/for_viewer", STRANGER, GROUP)
    assert [a.person.user_id for a in made.asked] == [TRADER]
    refusals = [text for text in made.telegram.texts(GROUP) if "needs the role trader" in text]
    assert len(refusals) == 1


async def test_a_refusal_is_on_record_once_a_minute() -> None:
    made = desk()
    for _ in range(5):
        await made.say("/for_admin", VIEWER)
    assert made.people.log == [(VIEWER, "access.refused", "for_admin needs admin, has viewer")]
    made.time.ms += 60_000
    await made.say("/for_admin", VIEWER)
    assert len(made.people.log) == 2


async def test_a_privileged_change_is_on_record_before_it_happens() -> None:
    made = desk()
    made.add("buy", role=Role.TRADER, changes=True)
    await made.say("/buy BTC 1")
    assert made.people.log == [(TRADER, "command.buy", "BTC 1")]


def args(*words: str) -> Args:
    return Args(words=words, person=Person(user_id=ADMIN, name="Ada", role=Role.ADMIN))


@pytest.mark.parametrize("word", ["", "x", "-5", "²", "999999999999"])
async def test_a_button_for_nobody_changes_nothing(word: str) -> None:
    people = MemoryPeople()
    app: Any = SimpleNamespace(people=people, wall=Time())
    for handler in (approve, deny):
        assert "no longer open" in (await handler(args(word), app)).toast
    assert people.log == []


async def test_no_button_makes_an_admin() -> None:
    people = MemoryPeople()
    people.people[5] = Person(user_id=5, status="pending")
    app: Any = SimpleNamespace(people=people, wall=Time())
    assert (await approve(args("5", "admin"), app)).error
    assert people.people[5].status == "pending"
