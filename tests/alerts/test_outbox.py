"""Delivery: in order per chat, until it is certain, never twice but for the doubt that is marked."""

import asyncio
import sys
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent / "delivery"))

from post_office import CHAT, CRITICAL, PANIC, WALL, FakeChannel, Kill, Office

from alerts.channel import Leave, Sending
from alerts.delivery.doorbell import Doorbell
from alerts.delivery.settle import DOUBTS
from alerts.delivery.types import Look
from alerts.outcome import Gone, NotSent, Outcome, Refused, Sent, Unknown
from alerts.types import AlertState, OutboxRow
from storage.alerts import Alerts
from storage.errors import StorageError

DAY = 86_400_000


@pytest.fixture
async def office(tmp_path: Path) -> AsyncIterator[Office]:
    made = await Office(tmp_path).open()
    yield made
    await made.database.close()


def seen(office: Office) -> list[tuple[int, int, bool]]:
    """(chat, rule, marked as a repetition) of each message of one row."""
    return [(d.row.chat_id, d.row.alert_id, d.repeat) for d in office.channel.delivered]


async def test_messages_of_a_chat_leave_in_order_and_once(office: Office) -> None:
    for chat in (CHAT, CHAT + 1, CHAT + 2):
        await office.fire(1, 2, chat_id=chat)
    box = office.box()
    assert await box.deliver() == 6
    for chat in (CHAT, CHAT + 1, CHAT + 2):
        assert [rule for c, rule, _r in seen(office) if c == chat] == [1, 2]
    assert await box.deliver() == 0
    assert not any(repeat for _c, _rule, repeat in seen(office))


async def test_one_that_was_certainly_not_sent_holds_up_the_ones_behind_it(office: Office) -> None:
    await office.fire(1, 2)
    office.channel.answers = [NotSent("busy", 35.0)]
    box = office.box()
    assert await box.deliver() == 0
    office.wall.advance(34_000)
    assert await box.deliver() == 0, "Telegram asked for 35 s"
    office.wall.advance(2_000)
    assert await box.deliver() == 2
    assert seen(office) == [(CHAT, 1, False), (CHAT, 2, False)]


async def test_a_chat_that_waits_does_not_hold_up_another(office: Office) -> None:
    await office.fire(1)
    await office.fire(1, chat_id=CHAT + 1)
    office.channel.of_chat = {CHAT: [NotSent("busy", 35.0)]}
    assert await office.box().deliver() == 1


async def test_what_is_urgent_passes_an_alert_of_the_same_chat_that_waits(office: Office) -> None:
    await office.fire(1)
    office.channel.answers = [NotSent("busy", 35.0)]
    box = office.box()
    await box.deliver()
    await office.fire(7, priority=CRITICAL)
    await office.fire(8, priority=PANIC)
    office.wall.advance(1_000)
    assert await box.deliver() == 2
    assert sorted(rule for _c, rule, _r in seen(office)) == [7, 8]


async def test_what_is_urgent_passes_an_alert_that_is_being_sent(office: Office) -> None:
    """A slow answer of one message does not stand before what came after it and matters more."""
    await office.fire(1)
    held = asyncio.Event()

    class Slow(FakeChannel):
        async def prepare(self, row: OutboxRow, *, repeat: bool = False) -> Sending:
            send = await super().prepare(row, repeat=repeat)

            async def slow(leave: Leave) -> Outcome:
                if row.alert_id == 1:
                    await held.wait()
                return await send(leave)

            return slow

    office.channel = Slow(office.wall)
    wake = Doorbell()
    task = asyncio.create_task(office.box(wake=wake, sleep=asyncio.sleep).run())
    await asyncio.wait_for(office.channel.asked.wait(), 5)
    await office.fire(7, priority=PANIC)
    wake.set()
    await asyncio.wait_for(office.channel.first.wait(), 5)
    assert seen(office) == [(CHAT, 7, False)]
    held.set()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert seen(office) == [(CHAT, 7, False), (CHAT, 1, False)]


async def test_a_lost_answer_leads_to_one_marked_repeat(office: Office) -> None:
    await office.fire(1)
    office.channel.answers = [Unknown("timed out")]
    await office.drain(office.box())
    assert seen(office) == [(CHAT, 1, False), (CHAT, 1, True)]


async def test_answers_that_stay_lost_are_repeated_more_rarely_and_then_given_up(
    office: Office,
) -> None:
    await office.fire(1)
    office.channel.answers = [Unknown("timed out")] * 20
    await office.drain(office.box(), 40)
    assert seen(office) == [(CHAT, 1, False)] + [(CHAT, 1, True)] * (DOUBTS - 1)
    assert (await office.rows())[0]["status"] == "dead"


async def test_a_process_that_dies_while_drawing_has_sent_nothing(office: Office) -> None:
    await office.fire(1)

    class Drawing(FakeChannel):
        async def prepare(self, row: OutboxRow, *, repeat: bool = False) -> Sending:
            raise Kill

    with pytest.raises(Kill):
        await office.box(channels={"telegram": Drawing(office.wall)}).deliver()
    await nobody_left()
    await office.drain(office.box())
    assert seen(office) == [(CHAT, 1, False)]


async def test_a_process_that_dies_while_a_message_waits_for_its_turn_has_sent_nothing(
    office: Office,
) -> None:
    await office.fire(1)

    class Waiting(FakeChannel):
        async def prepare(self, row: OutboxRow, *, repeat: bool = False) -> Sending:
            async def send(_leave: Leave) -> Outcome:
                raise Kill

            return send

    with pytest.raises(Kill):
        await office.box(channels={"telegram": Waiting(office.wall)}).deliver()
    await nobody_left()
    await office.drain(office.box())
    assert seen(office) == [(CHAT, 1, False)]
    assert await office.events(1) == ["queued", "sending", "sent"]


async def test_a_message_that_never_had_its_turn_is_tried_again_without_a_mark(
    office: Office,
) -> None:
    await office.fire(1)

    class Crowded(FakeChannel):
        async def prepare(self, row: OutboxRow, *, repeat: bool = False) -> Sending:
            send = await super().prepare(row, repeat=repeat)

            async def crowded(leave: Leave) -> Outcome:
                return NotSent("busy", 2.0) if self.prepared < 3 else await send(leave)

            return crowded

    office.channel = Crowded(office.wall)
    await office.drain(office.box(), 4)
    assert seen(office) == [(CHAT, 1, False)]
    assert await office.events(1) == ["queued", "retried", "retried", "sending", "sent"]


async def test_a_row_that_was_given_up_while_it_waited_does_not_leave(office: Office) -> None:
    await office.fire(1)

    class Slow(FakeChannel):
        async def prepare(self, row: OutboxRow, *, repeat: bool = False) -> Sending:
            send = await super().prepare(row, repeat=repeat)

            async def slow(leave: Leave) -> Outcome:
                await office.store.dead(row.id, "not wanted any more")
                return await send(leave)

            return slow

    office.channel = Slow(office.wall)
    await office.drain(office.box(), 3)
    assert not office.channel.delivered
    assert (await office.rows())[0]["error"] == "not wanted any more"


async def test_a_fault_before_its_turn_is_no_doubt(office: Office) -> None:
    await office.fire(1)

    class Faulty(FakeChannel):
        async def prepare(self, row: OutboxRow, *, repeat: bool = False) -> Sending:
            send = await super().prepare(row, repeat=repeat)

            async def faulty(leave: Leave) -> Outcome:
                if self.prepared == 1:
                    raise RuntimeError("bug")
                return await send(leave)

            return faulty

    office.channel = Faulty(office.wall)
    await office.drain(office.box(), 3)
    assert seen(office) == [(CHAT, 1, False)]


async def test_what_was_just_committed_does_not_wait_for_a_look_at_everything(
    office: Office,
) -> None:
    wake = Doorbell()
    box = office.box(wake=wake, sleep=asyncio.sleep)
    await box.deliver()
    blocked, look = asyncio.Event(), office.store.look

    async def slow(now: int) -> Look:
        await blocked.wait()
        return await look(now)

    office.store.look = slow  # type: ignore[method-assign]
    await office.fire(1)
    wake.ring([office.row(1)])
    task = asyncio.create_task(box.run())
    await asyncio.wait_for(office.channel.first.wait(), 5)
    blocked.set()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert seen(office) == [(CHAT, 1, False)]


async def test_a_process_that_dies_while_sending_leaves_a_doubt(office: Office) -> None:
    await office.fire(1)
    office.channel.answers = [Kill()]
    with pytest.raises(Kill):
        await office.box().deliver()
    await nobody_left()
    await office.drain(office.box())
    assert seen(office) == [(CHAT, 1, False), (CHAT, 1, True)]
    assert await office.events(1) == ["queued", "sending", "retried", "sending", "sent"]


async def test_a_message_that_cannot_be_made_stops_nobody(office: Office) -> None:
    await office.fire(1)
    await office.fire(1, chat_id=CHAT + 1)

    class Broken(FakeChannel):
        async def prepare(self, row: OutboxRow, *, repeat: bool = False) -> Sending:
            if row.chat_id == CHAT:
                raise RuntimeError("bug")
            return await super().prepare(row, repeat=repeat)

    office.channel = Broken(office.wall)
    await office.drain(office.box(), 3)
    assert seen(office) == [(CHAT + 1, 1, False)]
    assert [row["error"] for row in await office.rows()] == ["refused: not made", ""]


async def test_a_channel_that_does_not_exist_is_said_and_stops_nobody(office: Office) -> None:
    await office.fire(1, channel="pigeon")
    await office.fire(2)
    await office.drain(office.box(), 2)
    assert seen(office) == [(CHAT, 2, False)]
    assert (await office.rows())[0]["error"] == "refused: no channel pigeon"


async def test_a_doubt_stays_one_when_the_repeat_could_not_leave(office: Office) -> None:
    await office.fire(1)
    office.channel.answers = [Unknown("timed out"), NotSent("offline"), Sent(1)]
    await office.drain(office.box())
    assert seen(office) == [(CHAT, 1, False), (CHAT, 1, True)]


async def test_a_failure_of_ours_counts_as_a_doubt_and_stops_nobody(office: Office) -> None:
    await office.fire(1)
    await office.fire(1, chat_id=CHAT + 1)
    office.channel.of_chat = {CHAT: [RuntimeError("bug")]}
    await office.drain(office.box(), 3)
    assert sorted(seen(office)) == [(CHAT, 1, False), (CHAT, 1, True), (CHAT + 1, 1, False)]


async def test_a_chat_that_is_gone_gets_nothing_more(office: Office) -> None:
    await office.fire(1, 2)
    await office.fire(3, priority=5)
    await office.fire(4, chat_id=CHAT + 1)
    gone: list[tuple[int, bool]] = []

    async def on_gone(chat_id: int, alive: bool) -> None:
        gone.append((chat_id, alive))

    office.channel.of_chat = {CHAT: [Gone("blocked"), Gone("blocked")]}
    await office.drain(office.box(on_gone=on_gone), 3)
    assert set(gone) == {(CHAT, False)}
    rows = {row["alert_id"]: (row["status"], row["error"]) for row in await office.rows()}
    assert rows[4] == ("sent", "")
    assert {rows[n] for n in (1, 2)} == {("dead", "chat gone: blocked")}
    assert office.channel.prepared <= 3, "no storm of tries"


async def test_a_lost_destination_of_another_channel_is_no_lost_chat(office: Office) -> None:
    await office.fire(1, channel="discord", chat_id=3)
    gone: list[tuple[int, bool]] = []

    async def on_gone(chat_id: int, alive: bool) -> None:
        gone.append((chat_id, alive))

    discord = FakeChannel(office.wall, Gone("404"))
    await office.drain(office.box(channels={"discord": discord}, on_gone=on_gone), 2)
    assert not gone
    assert (await office.rows())[0]["status"] == "dead"


async def test_what_is_refused_is_not_tried_again(office: Office) -> None:
    await office.fire(1, 2)
    office.channel.answers = [Refused("bad")]
    await office.drain(office.box(), 5)
    assert seen(office) == [(CHAT, 2, False)]
    assert await office.events(1) == ["queued", "sending", "failed"]


async def test_after_a_day_without_success_it_is_given_up(office: Office) -> None:
    await office.fire(1)
    office.channel.answers = [NotSent("offline")] * 1000
    box = office.box()
    await office.drain(box, 10)
    tries = 1000 - len(office.channel.answers)
    assert tries == 10
    office.wall.advance(DAY)
    await office.drain(box, 5)
    assert 1000 - len(office.channel.answers) == tries + 1
    assert (await office.rows())[0]["status"] == "dead"


async def test_one_that_leaves_late_says_so(office: Office) -> None:
    await office.fire(1)
    office.wall.advance(5 * 60_000)
    await office.box().deliver()
    assert office.channel.delivered[0].body["evidence"] == "x · delivered 5 m late"


class FailsOnce(Alerts):
    """The database cannot take the n-th commit of the outbox."""

    calls, failing = 0, 2

    async def note(self, changes: Any, now: int) -> set[int]:
        self.calls += 1
        if self.calls == self.failing:
            raise StorageError("The database is locked")
        return await super().note(changes, now)


async def test_an_outcome_the_database_could_not_take_is_noted_later_not_sent_again(
    office: Office,
) -> None:
    await office.fire(1, 2)
    office.store = FailsOnce(office.database)
    assert await office.box().deliver() == 2
    assert seen(office) == [(CHAT, 1, False), (CHAT, 2, False)]


async def test_what_the_database_does_not_let_begin_is_not_sent_and_comes_later(
    office: Office,
) -> None:
    await office.fire(1)
    store = FailsOnce(office.database)
    store.failing = 1
    office.store = store
    box = office.box()
    assert await box.deliver() == 0
    assert not office.channel.delivered
    office.wall.advance(6_000)
    assert await box.deliver() == 1


async def test_it_wakes_for_a_new_message_and_rests_otherwise(office: Office) -> None:
    slept, wake = asyncio.Event(), Doorbell()

    async def sleep(_seconds: float) -> None:
        slept.set()
        await asyncio.Event().wait()

    task = asyncio.create_task(office.box(sleep=sleep, wake=wake).run())
    await asyncio.wait_for(slept.wait(), 5)
    await office.fire(1)
    wake.set()
    await asyncio.wait_for(office.channel.first.wait(), 5)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_stopping_writes_down_what_has_an_outcome(office: Office) -> None:
    await office.fire(1)
    box = office.box(sleep=asyncio.sleep)
    task = asyncio.create_task(box.run())
    await asyncio.wait_for(office.channel.first.wait(), 5)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert (await office.rows())[0]["status"] == "sent"
    assert not box.under_way()


@pytest.mark.parametrize("seed", range(6))
async def test_killed_at_any_moment_every_firing_arrives_and_twice_only_if_in_flight(
    office: Office, seed: int
) -> None:
    """Firings in three chats, bursts and storms among them; the process dies at places in store and channel."""
    chance = Random(seed)
    fired: list[tuple[int, int]] = []
    in_flight: dict[tuple[int, int], int] = {}
    rule = 0
    for life in range(9):
        deadly = Deadly(office.database, chance.randrange(1, 30) if life < 8 else 10**9)
        office.store = deadly
        box = office.box(channels={"telegram": Mortal(office.channel, deadly)})
        try:
            for _look in range(6):
                chat = chance.choice((CHAT, CHAT + 1, -CHAT))
                some = range(rule + 1, rule + 1 + chance.choice((0, 1, 1, 2, 4, 25)))
                rows = [office.row(n, chat_id=chat, coin=f"C{n % 3}") for n in some]
                await Alerts(office.database).fire([], [], rows)
                fired += [(chat, n) for n in some]
                rule += len(some)
                await box.deliver()
                office.wall.advance(chance.choice((200, 6_000, 40_000)))
        except Kill:
            await nobody_left()
            for row in await office.rows():
                if row["status"] == "sending":
                    key = (row["chat_id"], row["alert_id"])
                    in_flight[key] = in_flight.get(key, 0) + 1
        office.wall.advance(10_000)
    office.store = Alerts(office.database)
    await office.drain(office.box(), 10)
    assert {row["status"] for row in await office.rows()} <= {"sent", "merged"}
    for chat in (CHAT, CHAT + 1, -CHAT):
        told = office.channel.rules(chat)
        mine = [n for c, n in fired if c == chat]
        assert set(told) == set(mine)
        for n in mine:
            assert told[n] <= 1 + in_flight.get((chat, n), 0), f"rule {n} of {chat}"
        firsts = list(dict.fromkeys(n for d in office.channel.delivered
                                    if d.row.chat_id == chat for n in sorted(d.told)))  # fmt: skip
        assert firsts == mine, "the order of a chat"


class Deadly(Alerts):
    """Dies before or after its n-th commit, or while a message is sent; what is dead stays so."""

    def __init__(self, database: Any, calls: int) -> None:
        super().__init__(database)
        self._left = calls

    def maybe(self) -> None:
        self._left -= 1
        if self._left <= 0:
            raise Kill

    async def note(self, changes: Any, now: int) -> set[int]:
        self.maybe()
        done = await super().note(changes, now)
        self.maybe()
        return done


class Mortal:
    """A channel that dies with its process, before a message arrived or after."""

    name = "telegram"

    def __init__(self, channel: FakeChannel, deadly: Deadly) -> None:
        self._channel, self._deadly = channel, deadly

    async def prepare(self, row: OutboxRow, *, repeat: bool = False) -> Sending:
        send = await self._channel.prepare(row, repeat=repeat)

        async def mortal(leave: Leave) -> Outcome:
            self._deadly.maybe()
            outcome = await send(leave)
            self._deadly.maybe()
            return outcome

        return mortal


async def nobody_left() -> None:
    """The other tasks of a process that died have met the same end."""
    others = asyncio.all_tasks() - {asyncio.current_task()}
    await asyncio.gather(*others, return_exceptions=True)


async def test_a_state_of_before_a_firing_is_not_taken_back(office: Office) -> None:
    rule = await office.rule()
    await office.store.save_states([AlertState(rule_id=rule, transition=3)])
    await office.store.save_states([AlertState(rule_id=rule, transition=2)])
    assert (await office.store.states())[rule].transition == 3


async def test_rows_of_before_are_found_by_a_new_process(office: Office) -> None:
    await office.fire(1)
    await office.store.sending(1)
    assert await office.box().deliver() == 1
    assert seen(office) == [(CHAT, 1, True)]
    assert replace(office.channel.delivered[0].row, payload="").created_ts == WALL
