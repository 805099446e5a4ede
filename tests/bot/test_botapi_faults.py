"""Trouble on demand: what the bot sees, and whether the message got through."""

import time

import aiohttp
import pytest
from botapi_bench import ADA, GROUP, TOM, bench
from telegram.error import BadRequest, Forbidden, NetworkError, RetryAfter, TelegramError, TimedOut

from bot.telegram.build import seconds
from bot.telegram.verdict import Verdict, judge

pytestmark = pytest.mark.filterwarnings("ignore:Deprecated since version v22.2")


@pytest.mark.parametrize(
    ("kind", "raised", "delivered"),
    [
        ("429", RetryAfter, False),
        ("403", Forbidden, False),
        ("5xx", NetworkError, False),
        ("html", NetworkError, False),
        ("drop", NetworkError, False),
        ("lost", NetworkError, True),
        ("broken", TelegramError, True),
    ],
)
async def test_each_fault_and_what_became_of_the_message(
    kind: str, raised: type[Exception], delivered: bool
) -> None:
    async with bench() as (server, bot, _):
        server.fault("sendMessage", kind, retry_after=7)
        with pytest.raises(raised) as error:
            await bot.send_message(ADA, "x")
        assert type(error.value) is raised
        assert len(server.messages(ADA)) == delivered
        await bot.send_message(ADA, "y")
        assert server.messages(ADA)[-1]["text"] == "y"
        failed, fine = server.called("sendMessage")
        assert (failed.fault, fine.fault, fine.code) == (kind, "", 200)
        assert (failed.code == 0) is (kind in ("drop", "lost"))


async def test_a_refusal_that_cannot_be_read_is_a_refusal_still() -> None:
    async with bench() as (server, bot, _):
        server.block(ADA)
        server.fault("sendMessage", "broken", count=2)
        with pytest.raises(Forbidden) as gone:
            await bot.send_message(ADA, "x")
        assert judge(gone.value) is Verdict.GONE
        with pytest.raises(BadRequest) as refused:
            await bot.send_message(ADA + 999, "x")
        assert judge(refused.value) is Verdict.LATER


async def test_retry_after_is_what_was_asked_for() -> None:
    async with bench() as (server, bot, _):
        server.fault("sendMessage", "429", retry_after=7)
        with pytest.raises(RetryAfter) as error:
            await bot.send_message(ADA, "x")
        assert seconds(error.value) == 7


async def test_a_slow_answer_is_a_delivered_message() -> None:
    async with bench() as (server, bot, _):
        server.fault("sendMessage", "slow", delay=30.0)
        with pytest.raises(TimedOut):
            await bot.send_message(ADA, "x", read_timeout=0.1)
        assert [m["text"] for m in server.messages(ADA)] == ["x"]
        server.fault("sendMessage", "slow", delay=0.15)
        begun = time.monotonic()
        await bot.send_message(ADA, "y")
        assert time.monotonic() - begun >= 0.15


async def test_a_lost_edit_has_happened() -> None:
    async with bench() as (server, bot, _):
        sent = await bot.send_message(ADA, "one")
        server.fault("editMessageText", "lost")
        with pytest.raises(NetworkError):
            await bot.edit_message_text("two", ADA, sent.message_id)
        with pytest.raises(BadRequest, match=r"(?i)message is not modified"):
            await bot.edit_message_text("two", ADA, sent.message_id)


async def test_faults_are_used_up_by_the_calls_they_are_for() -> None:
    async with bench() as (server, bot, _):
        server.fault("sendMessage", "403", count=2, chat_id=GROUP)
        await bot.send_message(ADA, "x")
        await bot.send_chat_action(GROUP, "typing")
        for _ in range(2):
            with pytest.raises(Forbidden):
                await bot.send_message(GROUP, "x")
        await bot.send_message(GROUP, "x")


async def test_an_endless_fault_ends_when_it_is_cleared() -> None:
    async with bench() as (server, bot, _):
        server.fault(kind="5xx", count=None)
        for _ in range(3):
            with pytest.raises(NetworkError):
                await bot.get_me()
        server.clear_faults()
        await bot.get_me()


async def test_a_lost_answer_to_get_updates_brings_them_again() -> None:
    async with bench() as (server, bot, _):
        server.send_text(ADA, ADA, "one")
        server.fault("getUpdates", "lost")
        with pytest.raises(NetworkError):
            await bot.get_updates()
        assert [u.message.text for u in await bot.get_updates()] == ["one"]


async def test_faults_can_be_set_over_http() -> None:
    async with bench() as (_, bot, _clock), aiohttp.ClientSession() as session:
        url = bot.base_url.split("/bot")[0] + "/control/fault"
        body = {"method": "sendMessage", "kind": "429", "retry_after": 3, "chat_id": TOM}
        async with session.post(url, json=body) as answer:
            assert (await answer.json())["ok"] is True
        await bot.send_message(ADA, "x")
        with pytest.raises(RetryAfter):
            await bot.send_message(TOM, "x")
        for wrong in (
            {"kind": "meteor"},
            {"kind": "429", "colour": 1},
            {"kind": "429", "count": 0},
            [],
        ):
            async with session.post(url, json=wrong) as answer:
                assert answer.status == 400
                assert (await answer.json())["description"]


def test_an_unknown_fault_is_a_mistake_in_the_test() -> None:
    from bot.playground.faults import Fault, Faults

    with pytest.raises(ValueError, match="known are 429"):
        Faults().add(Fault(kind="meteor"))
