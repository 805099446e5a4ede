"""How loud a chat is: sounds by severity, quiet hours, topics of a forum, people who are left out for a while."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from desk_market import fits

import handlers  # noqa: F401 - registers the commands
from alerts.delivery.types import Sound
from alerts.types import Severity
from handlers.app import App
from handlers.base import ACTIONS, COMMANDS, Args, Button, Reply
from handlers.types import Chat, Person, Preferences, Role
from market.clock import FixedClock
from market.errors import UserError
from market.types import HOUR, MINUTE
from storage.db import Database
from storage.loudness import LoudnessRows
from storage.people import People

CHAT, NOW = -100500, 1_790_000_000_000
ANN = Person(user_id=70, name="Ann", role=Role.ALERTER, status="approved")
BOB = Person(user_id=71, name="Bob", role=Role.ALERTER, status="approved")
BOSS = Person(user_id=72, name="Boss", role=Role.ADMIN, status="approved")


@dataclass
class Owners:
    """The alerts of the chat, as far as this command looks at them."""

    ids: tuple[int, ...] = (70, 71)

    async def of_chat(self, chat_id: int) -> list[Any]:
        return [SimpleNamespace(rule=SimpleNamespace(owner_id=each)) for each in self.ids]


class Room:
    """A chat of a forum over real storage."""

    def __init__(self, database: Database) -> None:
        self.store, self.people = LoudnessRows(database), People(database)
        self.wall = FixedClock(NOW)
        market: Any = None
        service: Any = Owners()

        async def draw(name: str, data: Any) -> bytes | None:
            return None

        self.app = App(
            market=market, alerts=service, people=self.people, clock=self.wall, wall=self.wall,
            draw=draw, loudness=self.store,
        )  # fmt: skip

    async def say(self, line: str, person: Person = ANN, thread: int | None = None) -> Reply:
        name, *words = line.removeprefix("/").split()
        chat = await self.people.chat(CHAT) or Chat(chat_id=CHAT)
        args = Args(words=tuple(words), person=person, chat=chat, thread_id=thread)
        return await COMMANDS[name].run(args, self.app)

    async def press(self, button: Button, person: Person = ANN) -> Reply:
        if button.command:
            return await self.say(button.command, person)
        args = Args(words=tuple(button.value.split()), person=person, chat=Chat(chat_id=CHAT))
        return await ACTIONS[button.action].run(args, self.app)


@pytest.fixture
async def room(tmp_path: Path) -> AsyncIterator[Room]:
    database = Database.open(f"sqlite:///{tmp_path}/desk.db")
    await database.start()
    made = Room(database)
    for person in (ANN, BOB, BOSS):
        await made.people.save_person(person, NOW)
    yield made
    await database.close()


def button(reply: Reply, part: str) -> Button:
    return next(b for row in reply.buttons for b in row if part in b.text)


async def test_the_page_shows_the_defaults_and_fits_a_phone(room: Room) -> None:
    reply = await room.say("/settings alerts")
    assert fits(reply)
    assert reply.data["matrix"] == {"info": "silent", "warning": "sound", "critical": "sound"}
    assert reply.data["quiet"] == [-1, -1]
    assert button(await room.say("/settings"), "Alerts").command == "/settings alerts"


async def test_a_tap_turns_a_severity_silent_then_off_then_loud(room: Room) -> None:
    reply = await room.say("/settings alerts")
    for wanted in (Sound.SILENT, Sound.OFF, Sound.SOUND):
        reply = await room.press(button(reply, "warning"))
        assert (await room.store.loudness(CHAT)).matrix[Severity.WARNING] is wanted


async def test_the_same_tap_twice_changes_it_once(room: Room) -> None:
    pressed = button(await room.say("/settings alerts"), "info")
    await room.press(pressed)
    await room.press(pressed)
    assert (await room.store.loudness(CHAT)).matrix[Severity.INFO] is Sound.OFF


@pytest.mark.parametrize("value", ["", "loud", "info", "info loudest", "critical 1 2"])
async def test_a_forged_tap_changes_nothing(room: Room, value: str) -> None:
    with pytest.raises(UserError):
        await room.press(Button(text="", action="loud:set", value=value))
    assert (await room.store.loudness(CHAT)).matrix[Severity.INFO] is Sound.SILENT


@pytest.mark.parametrize(
    ("typed", "kept"),
    [("23:00-07:00", (1380, 420)), ("23-7", (1380, 420)), ("12.30-13.15", (750, 795)), ("0:00 - 6:00", (0, 360))],
)  # fmt: skip
async def test_quiet_hours_are_kept_as_they_are_typed(
    room: Room, typed: str, kept: tuple[int, int]
) -> None:
    await room.say(f"/quiet {typed}")
    found = await room.store.loudness(CHAT)
    assert (found.quiet_from, found.quiet_to) == kept


async def test_quiet_hours_name_the_zone_of_the_chat_and_can_be_ended(room: Room) -> None:
    await room.people.save_chat(Chat(chat_id=CHAT), NOW)
    await room.people.save_preferences(CHAT, Preferences(zone="Europe/Berlin"), NOW)
    reply = await room.say("/quiet 23:00-07:00")
    assert fits(reply)
    assert reply.card is not None
    assert reply.card.headline == "Quiet hours: 23:00-07:00 Europe/Berlin"
    ended = await room.press(button(reply, "off"))
    assert ended.data["quiet"] == [-1, -1]


@pytest.mark.parametrize(
    "typed", ["23", "25:00-07:00", "23:00-23:00", "23:61-7", "never", "23-7-9", "-1-5"]
)
async def test_quiet_hours_that_make_no_sense_are_refused(room: Room, typed: str) -> None:
    with pytest.raises(UserError) as caught:
        await room.say(f"/quiet {typed}")
    await room.say(caught.value.example)


async def test_a_topic_takes_the_class_it_is_written_in(room: Room) -> None:
    reply = await room.say("/topic alerts here", thread=44)
    assert fits(reply)
    assert (await room.store.loudness(CHAT)).topics == {"alert": 44}
    await room.say("/topic critical", thread=45)
    assert (await room.store.loudness(CHAT)).topics == {"alert": 44, "critical": 45}
    await room.say("/topic alerts off")
    assert (await room.store.loudness(CHAT)).topics == {"critical": 45}


@pytest.mark.parametrize(
    "line",
    ["/topic alerts here", "/topic gossip here", "/topic alerts there", "/topic alerts here now"],
)
async def test_a_topic_needs_a_forum_and_a_class(room: Room, line: str) -> None:
    with pytest.raises(UserError):
        await room.say(line)
    assert (await room.store.loudness(CHAT)).topics == {}


async def test_people_mute_themselves_and_admins_anybody(room: Room) -> None:
    reply = await room.say("/mute me 1h")
    assert reply.card is not None
    assert reply.card.headline == "Alerts of Ann are not told for 1 h"
    assert fits(reply)
    with pytest.raises(UserError, match="an admin can"):
        await room.say("/mute @Bob 1h")
    await room.say("/mute @bob 30m", BOSS)
    mutes = {each.owner_id: each.until for each in await room.store.mutes(CHAT, NOW)}
    assert mutes == {70: NOW + HOUR, 71: NOW + 30 * MINUTE}
    undone = await room.press(button(reply, "Undo"))
    assert undone.data["mutes"] == {"71": NOW + 30 * MINUTE}


async def test_a_mute_without_a_time_is_an_hour_and_ends_by_itself(room: Room) -> None:
    await room.say("/mute me")
    assert button(await room.say("/mute me"), "Undo")
    room.wall.advance(HOUR + 1)
    assert (await room.say("/settings alerts")).data["mutes"] == {}


async def test_mute_alone_offers_only_whom_the_person_may_mute(room: Room) -> None:
    mine = [b.text for row in (await room.say("/mute")).buttons for b in row if "1 h" in b.text]
    assert mine == ["Ann 1 h"]
    theirs = [
        b.text for row in (await room.say("/mute", BOSS)).buttons for b in row if "1 h" in b.text
    ]
    assert set(theirs) == {"Ann 1 h", "Bob 1 h", "Boss 1 h"}


@pytest.mark.parametrize(
    "line", ["/mute @nobody 1h", "/mute me 1x", "/mute me 99d", "/mute 99999 1h"]
)
async def test_whom_nobody_knows_is_not_muted(room: Room, line: str) -> None:
    with pytest.raises(UserError):
        await room.say(line, BOSS)
    assert await room.store.mutes(CHAT, NOW) == []


async def test_without_delivery_it_says_so(room: Room) -> None:
    room.app.loudness = None
    with pytest.raises(UserError, match="Nothing is told from here"):
        await room.say("/quiet off")
