"""Delivery: in order per chat, until it is certain, never twice but for the doubt that is marked."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest
from alert_desk import CHAT, WALL, Desk

from alerts.channel import Sending
from alerts.outbox import DOUBTS, Outbox
from alerts.outcome import Gone, NotSent, Outcome, Refused, Sent, Unknown
from alerts.types import AlertState, OutboxRow
from storage.alerts import Alerts
from storage.errors import StorageError

DAY = 86_400_000


class Kill(BaseException):
    """The process dies here."""


class FakeChannel:
    """Remembers what was delivered, and answers as told."""

    name = "telegram"

    def __init__(self, *answers: Outcome | BaseException) -> None:
        self.answers = list(answers)
        self.delivered: list[tuple[int, int, bool]] = []
        self.payloads: list[dict[str, Any]] = []
        self.first = asyncio.Event()

    async def prepare(self, row: OutboxRow, *, repeat: bool = False) -> Sending:
        async def send() -> Outcome:
            answer = self.answers.pop(0) if self.answers else Sent(row.id + 1000)
            if not isinstance(answer, NotSent):
                self.delivered.append((row.chat_id, row.transition, repeat))
                self.payloads.append(json.loads(row.payload))
                self.first.set()
            if isinstance(answer, BaseException):
                raise answer
            return answer

        return send


async def fill(desk: Desk, count: int, chats: int = 1) -> None:
    """Messages of a rule for each chat."""
    desk.market.trade(93_000)
    for n in range(chats):
        view = await desk.alert("price", "BTC above 95k", _asker(CHAT + n))
        rows = [
            OutboxRow(
                id=0, alert_id=view.rule.id, transition=t, channel="telegram", chat_id=CHAT + n,
                payload='{"headline": "up", "evidence": "x"}', created_ts=WALL,
            )
            for t in range(1, count + 1)
        ]  # fmt: skip
        await desk.store.fire([], [], rows)


def _asker(chat: int) -> Any:
    from alerts.service import Asker

    return Asker(chat_id=chat, user_id=chat)


def outbox(desk: Desk, channel: FakeChannel, **more: Any) -> Outbox:
    return Outbox(desk.store, {"telegram": channel}, desk.wall, **more)


async def drain(desk: Desk, box: Outbox, rounds: int = 30, pause: int = 400_000) -> None:
    for _round in range(rounds):
        await box.deliver()
        desk.wall.advance(pause)


async def test_messages_of_a_chat_leave_in_order_and_once(desk: Desk) -> None:
    await fill(desk, 5, chats=3)
    channel = FakeChannel()
    assert await outbox(desk, channel).deliver() == 15
    for chat in range(CHAT, CHAT + 3):
        assert [t for c, t, _r in channel.delivered if c == chat] == [1, 2, 3, 4, 5]
    assert await outbox(desk, channel).deliver() == 0
    assert not any(repeat for _c, _t, repeat in channel.delivered)


async def test_one_that_was_certainly_not_sent_holds_up_the_ones_behind_it(desk: Desk) -> None:
    await fill(desk, 3)
    channel = FakeChannel(NotSent("busy", 35.0))
    box = outbox(desk, channel)
    assert await box.deliver() == 0
    desk.wall.advance(34_000)
    assert await box.deliver() == 0, "Telegram asked for 35 s"
    desk.wall.advance(2_000)
    assert await box.deliver() == 3
    assert channel.delivered == [(CHAT, 1, False), (CHAT, 2, False), (CHAT, 3, False)]


async def test_a_chat_that_waits_does_not_hold_up_another(desk: Desk) -> None:
    await fill(desk, 1, chats=2)
    channel = FakeChannel(NotSent("busy", 35.0))
    assert await outbox(desk, channel).deliver() == 1


async def test_a_lost_answer_leads_to_one_marked_repeat(desk: Desk) -> None:
    await fill(desk, 1)
    channel = FakeChannel(Unknown("timed out"))
    await drain(desk, outbox(desk, channel))
    assert channel.delivered == [(CHAT, 1, False), (CHAT, 1, True)]


async def test_answers_that_stay_lost_are_repeated_more_rarely_and_then_given_up(
    desk: Desk,
) -> None:
    await fill(desk, 1)
    channel = FakeChannel(*[Unknown("timed out")] * 20)
    await drain(desk, outbox(desk, channel), 40)
    assert channel.delivered == [(CHAT, 1, False)] + [(CHAT, 1, True)] * (DOUBTS - 1)


async def test_a_process_that_dies_while_drawing_has_sent_nothing(desk: Desk) -> None:
    await fill(desk, 1)

    class Drawing(FakeChannel):
        async def prepare(self, row: OutboxRow, *, repeat: bool = False) -> Sending:
            raise Kill

    with pytest.raises(Kill):
        await outbox(desk, Drawing()).deliver()
    channel = FakeChannel()
    await desk.store.recover()
    await drain(desk, outbox(desk, channel))
    assert channel.delivered == [(CHAT, 1, False)]


async def test_a_message_that_cannot_be_made_stops_nobody(desk: Desk) -> None:
    await fill(desk, 1, chats=2)

    class Broken(FakeChannel):
        async def prepare(self, row: OutboxRow, *, repeat: bool = False) -> Sending:
            if row.chat_id == CHAT:
                raise RuntimeError("bug")
            return await super().prepare(row, repeat=repeat)

    channel = Broken()
    await drain(desk, outbox(desk, channel), 3)
    assert channel.delivered == [(CHAT + 1, 1, False)]


async def test_a_doubt_stays_one_when_the_repeat_could_not_leave(desk: Desk) -> None:
    await fill(desk, 1)
    channel = FakeChannel(Unknown("timed out"), NotSent("offline"), Sent(1))
    await drain(desk, outbox(desk, channel))
    assert channel.delivered == [(CHAT, 1, False), (CHAT, 1, True)]


async def test_a_failure_of_ours_counts_as_a_doubt_and_stops_nobody(desk: Desk) -> None:
    await fill(desk, 1, chats=2)
    channel = FakeChannel(RuntimeError("bug"))
    await drain(desk, outbox(desk, channel), 3)
    assert sorted(channel.delivered) == [(CHAT, 1, False), (CHAT, 1, True), (CHAT + 1, 1, False)]


async def test_a_chat_that_is_gone_gets_nothing_more_and_its_alerts_pause(desk: Desk) -> None:
    await fill(desk, 1)
    box = outbox(desk, FakeChannel(Gone("blocked")), on_gone=desk.service.chat_changed)
    await drain(desk, box, 3)
    (rule,) = await desk.store.rules()
    assert (str(rule.status), rule.paused_reason) == ("paused", "chat gone")
    await desk.service.chat_changed(CHAT, True)
    (rule,) = await desk.store.rules()
    assert str(rule.status) == "active"


async def test_what_is_refused_is_not_tried_again(desk: Desk) -> None:
    await fill(desk, 2)
    channel = FakeChannel(Refused("bad"))
    await drain(desk, outbox(desk, channel), 5)
    assert [t for _c, t, _r in channel.delivered] == [1, 2]


async def test_after_a_day_without_success_it_is_given_up(desk: Desk) -> None:
    await fill(desk, 1)
    channel = FakeChannel(*[NotSent("offline")] * 1000)
    box = outbox(desk, channel)
    await drain(desk, box, 10)
    tries = 1000 - len(channel.answers)
    assert tries == 10
    desk.wall.advance(DAY)
    await drain(desk, box, 5)
    assert 1000 - len(channel.answers) == tries + 1


async def test_one_that_leaves_late_says_so(desk: Desk) -> None:
    await fill(desk, 1)
    desk.wall.advance(5 * 60_000)
    channel = FakeChannel()
    await outbox(desk, channel).deliver()
    assert channel.payloads[0]["evidence"] == "x · delivered 5 m late"


async def test_an_outcome_the_database_could_not_take_is_noted_later_not_sent_again(
    desk: Desk,
) -> None:
    await fill(desk, 2)
    store = FailsOnce(desk.database)  # type: ignore[arg-type]
    channel = FakeChannel()
    box = Outbox(store, {"telegram": channel}, desk.wall)
    assert await box.deliver() == 0
    assert await box.deliver() == 1
    assert [t for _c, t, _r in channel.delivered] == [1, 2]


class FailsOnce(Alerts):
    failed = False

    async def sent(self, row_id: int, message_id: int | None, now: int) -> None:
        if not self.failed:
            self.failed = True
            raise StorageError("The database is locked")
        await super().sent(row_id, message_id, now)


async def test_it_wakes_for_a_new_message_and_rests_otherwise(desk: Desk) -> None:
    channel, slept = FakeChannel(), asyncio.Event()

    async def sleep(_seconds: float) -> None:
        slept.set()
        await asyncio.Event().wait()

    box = outbox(desk, channel, sleep=sleep, wake=desk.service.wake)
    task = asyncio.create_task(box.run())
    await asyncio.wait_for(slept.wait(), 5)
    desk.market.trade(93_000)
    await desk.alert("price", "BTC above 95k")
    await desk.at(15, 95_100)
    await asyncio.wait_for(channel.first.wait(), 5)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


@pytest.mark.parametrize("seed", range(5))
async def test_killed_at_any_moment_every_firing_arrives_and_twice_only_if_in_flight(
    desk: Desk, seed: int
) -> None:
    """Ten firings; the process dies at ten places in the store and the channel, and is started again."""
    import random

    chance = random.Random(seed)
    desk.market.trade(93_000)
    for n in range(10):
        await desk.alert("price", f"BTC above {94_000 + n * 100}")
    channel = FakeChannel()
    in_flight = 0
    price = 93_000.0
    for life in range(12):
        await desk.start()
        deadly = Deadly(desk.store, chance.randrange(1, 14) if life < 10 else 10**9)
        for name in ("fire", "sending", "sent", "save_states"):
            setattr(desk.store, name, deadly.wrap(name))
        box = outbox(desk, channel)
        before = len(channel.delivered)
        try:
            await desk.store.recover()
            for _look in range(4):
                price += 60
                await desk.at(15, price)
                await box.deliver()
        except Kill:
            in_flight += deadly.where == "sent" and len(channel.delivered) > before
        desk.wall.advance(10_000)
    await drain(desk, outbox(desk, channel), 3)
    counts: dict[int, int] = {}
    fired = {(f.rule_id, f.transition) for f in await desk.firings()}
    assert {rule for rule, _t in fired} == set(range(1, 11))
    assert len(fired) == 10, "the price crossed each level once"
    for payload in channel.payloads:
        rule = int(payload["headline"].rsplit("#", 1)[1])
        counts[rule] = counts.get(rule, 0) + 1
    assert set(counts) == set(range(1, 11))
    assert sum(counts.values()) - 10 <= in_flight


class Deadly:
    """Dies before or after the n-th call to the store."""

    def __init__(self, store: Alerts, calls: int) -> None:
        self._store, self._left, self.where = store, calls, ""

    def wrap(self, name: str) -> Callable[..., Any]:
        inner = getattr(self._store, name)

        async def call(*args: Any, **more: Any) -> Any:
            self._left -= 1
            if self._left == 0:
                self.where = name
                raise Kill
            return await inner(*args, **more)

        return call


async def test_a_state_of_before_a_firing_is_not_taken_back(desk: Desk) -> None:
    await fill(desk, 1)
    await desk.store.save_states([AlertState(rule_id=1, transition=3)])
    await desk.store.save_states([AlertState(rule_id=1, transition=2)])
    assert (await desk.store.states())[1].transition == 3
