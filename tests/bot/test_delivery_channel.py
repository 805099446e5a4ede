"""An outbox row on its way into a chat: sound, class, and the living message that is edited."""

import asyncio
import json
from dataclasses import replace
from typing import Any

import pytest
from telegram_fakes import Desk, refusal

from alerts.channel import at_once
from alerts.delivery.types import Delivery
from alerts.outcome import NotSent, Outcome, Refused, Sent
from alerts.types import OutboxRow, Priority, Severity
from bot.telegram.channel import TelegramChannel


def row(*, message_id: int | None = None, priority: int = 4, **body: Any) -> OutboxRow:
    payload = json.dumps({"headline": "BTC above  #412", **body})
    return OutboxRow(
        id=1, alert_id=412, transition=1, channel="telegram", chat_id=5, payload=payload,
        created_ts=0, message_id=message_id, priority=priority,
    )  # fmt: skip


class Bench:
    """A channel on a fake Telegram, with its ledger."""

    def __init__(self) -> None:
        self.desk = Desk()
        self.lines: list[Delivery] = []
        self.desk.gateway.ledger = self.lines.append
        self.channel = TelegramChannel(self.desk.gateway, self._draw, self.desk.buttons)

    async def _draw(self, _name: str, _data: Any) -> bytes | None:
        return b"png"

    async def send(self, message: OutboxRow) -> Outcome:
        async def both() -> Outcome:
            return await (await self.channel.prepare(message))(at_once)

        outcome: Outcome = await self.desk.time.run(both())
        return outcome


@pytest.fixture
def bench() -> Bench:
    return Bench()


async def test_a_silent_row_makes_no_sound(bench: Bench) -> None:
    await bench.send(row(silent=True))
    await bench.send(row())
    first, second = bench.desk.telegram.of("sendMessage")
    assert (first["disable_notification"], second.get("disable_notification")) == (True, None)


async def test_a_row_with_a_message_id_is_edited_with_its_buttons(bench: Bench) -> None:
    buttons = [[{"text": "🔔 My alerts", "command": "/alerts"}]]
    assert await bench.send(row(message_id=77, buttons=buttons)) == Sent(77)
    [call] = bench.desk.telegram.of("editMessageText")
    assert (call["message_id"], call["text"]) == (77, "<b>BTC above  #412</b>")
    assert call["reply_markup"]["inline_keyboard"][0][0]["callback_data"] == "c:/alerts"
    assert not bench.desk.telegram.of("sendMessage")


async def test_a_living_message_that_is_gone_is_refused(bench: Bench) -> None:
    bench.desk.telegram.faults["editMessageText"].append(
        refusal(400, "Bad Request: message to edit not found")
    )
    assert isinstance(await bench.send(row(message_id=77)), Refused)


async def test_a_pause_goes_back_to_the_outbox_so_that_other_chats_go_on(bench: Bench) -> None:
    began = bench.desk.time.now()
    bench.desk.telegram.faults["sendMessage"].append(refusal(429, "Too Many", retry_after=35))
    outcome = await bench.send(row())
    assert isinstance(outcome, NotSent)
    assert outcome.retry_after == pytest.approx(35)
    assert bench.desk.time.now() - began < 1_000


async def test_the_class_of_a_row_is_that_of_its_message(bench: Bench) -> None:
    import asyncio

    sends = [
        await bench.channel.prepare(row(priority=int(each), headline=each.name))
        for each in reversed(Priority)
    ]
    await bench.desk.time.run(asyncio.gather(*(send(at_once) for send in sends)))
    texts = [text[3:-4] for text in bench.desk.telegram.texts()]
    assert texts == [each.name for each in Priority]


async def test_the_outbox_keeps_the_account_of_a_row_and_the_gateway_that_of_its_picture(
    bench: Bench,
) -> None:
    await bench.send(row())
    assert bench.lines == []
    await bench.send(row(reading="r" * 1100, chart={"name": "alert", "data": {}}))
    assert [line.event for line in bench.lines] == ["sent"]
    photo = bench.desk.telegram.of("sendPhoto")[0]
    assert photo["disable_notification"] is True


async def test_the_words_of_a_critical_alert_do_not_wait_for_their_picture(bench: Bench) -> None:
    drawn = asyncio.Event()

    async def slow(_name: str, _data: Any) -> bytes | None:
        await drawn.wait()
        return b"png"

    bench.channel._draw = slow
    chart = {"name": "alert", "data": {}}
    critical = replace(row(chart=chart), severity=Severity.CRITICAL)
    assert isinstance(await bench.send(critical), Sent)
    assert len(bench.desk.telegram.of("sendMessage")) == 1
    assert not bench.desk.telegram.of("sendPhoto")
    drawn.set()
    await bench.desk.time.run(asyncio.wait(bench.channel._pictures))
    (photo,) = bench.desk.telegram.of("sendPhoto")
    assert photo["disable_notification"] is True
    assert "BTC above  #412" in photo["caption"]


async def test_another_alert_is_one_message_with_its_picture(bench: Bench) -> None:
    assert isinstance(await bench.send(row(chart={"name": "alert", "data": {}})), Sent)
    assert not bench.desk.telegram.of("sendMessage")
    assert len(bench.desk.telegram.of("sendPhoto")) == 1
