"""Updates: stored, then acknowledged, then handled; once, in order, and after a crash too."""

import asyncio
import contextlib
import json
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import httpx
import pytest
from telegram import Update
from telegram.error import NetworkError
from telegram_fakes import TOKEN, FakeTelegram, MemoryInbox, Time, refusal

from bot.telegram.build import DeskBot, TelegramFatal, connect
from bot.telegram.inbox import ATTEMPTS, PER_CHAT, PROOF, Inbox, chat_of
from bot.telegram.webhook import HEADER, Webhook
from handlers.types import StoredUpdate


def raw(update_id: int, chat: int = 5, text: str = "x") -> dict[str, Any]:
    who = {"id": chat, "is_bot": False, "first_name": "U"}
    place = {"id": chat, "type": "private"}
    message = {"message_id": update_id, "date": 1, "chat": place, "from": who, "text": text}
    return {"update_id": update_id, "message": message}


class Bench:
    """An inbox on a fake Telegram; `crash` leaves everything but the store behind."""

    def __init__(self, store: MemoryInbox | None = None) -> None:
        self.time = Time()
        self.telegram = FakeTelegram(self.time)
        self.store = store or MemoryInbox()
        self.handled: list[int] = []
        self.bot = DeskBot(TOKEN, request=self.telegram, get_updates_request=self.telegram)
        self.on_update: Callable[[Update], Awaitable[None]] = self._handle
        self.inbox = Inbox(
            self.bot, self.store, self._dispatch, self.time,
            self.time.sleep, jitter=lambda: 0.0,
        )  # fmt: skip

    async def _dispatch(self, update: Update) -> None:
        await self.on_update(update)

    async def _handle(self, update: Update) -> None:
        self.handled.append(update.update_id)

    async def run_for(self, seconds: float) -> None:
        """Poll for a while, then stop."""

        async def until() -> None:
            poll = asyncio.create_task(self.inbox.run())
            await self.time.sleep(seconds)
            stop = asyncio.create_task(self.inbox.stop(0.2))
            await asyncio.gather(poll, stop)

        await self.time.run(until())

    async def settle(self) -> None:
        for _ in range(200):
            await asyncio.sleep(0)


@pytest.fixture
def bench() -> Bench:
    return Bench()


async def test_updates_are_handled_in_order_and_acknowledged(bench: Bench) -> None:
    bench.telegram.updates = [raw(i) for i in range(10, 15)]
    await bench.run_for(60)
    assert bench.handled == [10, 11, 12, 13, 14]
    assert bench.telegram.acknowledged == 14
    assert bench.store.finished == {10, 11, 12, 13, 14}


async def test_the_first_question_lists_what_we_want_and_acknowledges_nothing(bench: Bench) -> None:
    await bench.run_for(5)
    first = bench.telegram.of("getUpdates")[0]
    assert "offset" not in first
    assert first["allowed_updates"] == [
        "message", "edited_message", "callback_query", "my_chat_member",
    ]  # fmt: skip
    assert first["timeout"] > 0
    assert bench.telegram.calls[0][0] == "deleteWebhook"


async def test_nothing_is_acknowledged_before_it_is_stored(bench: Bench) -> None:
    async def failing(updates: list[StoredUpdate]) -> list[int]:
        raise OSError("disk full")

    bench.store.store = failing  # type: ignore[method-assign]
    bench.telegram.updates = [raw(10)]
    with pytest.raises(OSError, match="disk full"):
        await bench.time.run(bench.inbox.run())
    assert bench.telegram.acknowledged == 0


async def test_a_crash_between_storing_and_handling_loses_nothing() -> None:
    first = Bench()
    await first.store.store(
        [StoredUpdate(update_id=i, payload=json.dumps(raw(i)), received_ts=0) for i in (3, 4, 5)]
    )
    await first.store.done(3, 0)
    again = Bench(first.store)
    assert await again.inbox.recover() == 2
    await again.settle()
    assert again.handled == [4, 5]
    assert await Bench(first.store).inbox.recover() == 0


async def test_an_update_that_comes_twice_is_handled_once(bench: Bench) -> None:
    assert await bench.inbox.accept([raw(10)]) == 1
    await bench.settle()
    assert await bench.inbox.accept([raw(10), raw(11), raw(11)]) == 1
    await bench.settle()
    assert bench.handled == [10, 11]
    again = Bench(bench.store)
    await again.inbox.accept([raw(10)])
    await again.settle()
    assert again.handled == []


async def test_an_update_lost_in_the_middle_of_its_handling_is_handled_again() -> None:
    first = Bench()
    started = asyncio.Event()

    async def never(update: Update) -> None:
        started.set()
        await asyncio.Event().wait()

    first.on_update = never
    await first.inbox.accept([raw(10)])
    await started.wait()
    await first.inbox.stop(0.01)
    again = Bench(first.store)
    await again.inbox.recover()
    await again.settle()
    assert again.handled == [10]


async def test_an_update_that_kills_the_process_is_set_aside(
    caplog: pytest.LogCaptureFixture,
) -> None:
    store = MemoryInbox()
    await store.store([StoredUpdate(update_id=9, payload=json.dumps(raw(9)), received_ts=0)])
    for _ in range(ATTEMPTS):
        await store.claim(9, 0)
    bench = Bench(store)
    await bench.inbox.recover()
    await bench.settle()
    assert bench.handled == []
    assert store.finished == {9}
    assert "set aside" in caplog.text


async def interrupted(store: MemoryInbox, update_id: int, times: int, chat: int = 5) -> None:
    """A process was killed so often while it handled this."""
    row = StoredUpdate(update_id=update_id, payload=json.dumps(raw(update_id, chat)), received_ts=0)
    await store.store([row])
    for _ in range(times):
        await store.claim(update_id, 0)


async def never(_update: Update) -> None:
    await asyncio.Event().wait()


async def test_what_was_interrupted_often_waits_until_the_process_has_proved_itself() -> None:
    store = MemoryInbox()
    await interrupted(store, 9, ATTEMPTS - 2)
    await interrupted(store, 10, 0)
    await interrupted(store, 11, 3, chat=6)
    bench = Bench(store)
    await bench.inbox.recover()
    await bench.settle()
    assert bench.handled == [11], "a few times say nothing yet, and other chats do not wait"
    await bench.run_for(PROOF[-2] - 1)
    assert bench.handled == [11]
    again = Bench(store)
    await again.inbox.recover()
    await again.run_for(PROOF[-2] + 1)
    assert again.handled == [9, 10], "in the order of its chat"


async def test_a_process_that_is_killed_soon_after_each_start_sets_nothing_aside(
    caplog: pytest.LogCaptureFixture,
) -> None:
    store = MemoryInbox()
    await interrupted(store, 9, 0)
    for _ in range(20):
        dying = Bench(store)
        dying.on_update = never
        await dying.inbox.recover()
        await dying.run_for(PROOF[-1] - 1)
    assert store.rows[9].attempts == ATTEMPTS - 1
    bench = Bench(store)
    await bench.inbox.recover()
    await bench.run_for(PROOF[-1] + 1)
    assert bench.handled == [9]
    assert "set aside" not in caplog.text


async def test_what_kills_each_process_however_long_that_has_lived_is_set_aside_in_the_end(
    caplog: pytest.LogCaptureFixture,
) -> None:
    store = MemoryInbox()
    await interrupted(store, 9, 0)
    await interrupted(store, 10, 0)
    for _ in range(ATTEMPTS):
        dying = Bench(store)
        dying.on_update = never
        await dying.inbox.recover()
        await dying.run_for(PROOF[-1] + 1)
    bench = Bench(store)
    await bench.inbox.recover()
    await bench.settle()
    assert bench.handled == [10]
    assert store.finished == {9, 10}
    assert "set aside" in caplog.text


async def test_what_waits_for_a_proof_does_not_hold_up_the_end() -> None:
    store = MemoryInbox()
    await interrupted(store, 9, ATTEMPTS - 1)
    bench = Bench(store)
    await bench.inbox.recover()
    await bench.settle()
    async with asyncio.timeout(2):
        await bench.inbox.stop(60)
    assert store.rows[9].attempts == ATTEMPTS - 1
    assert store.finished == set()


async def test_an_update_nobody_understands_does_not_stop_the_others(bench: Bench) -> None:
    strange = {"update_id": 1, "message": {"message_id": "?", "chat": {"id": 5}}}
    await bench.inbox.accept([strange, raw(2)])
    await bench.settle()
    assert bench.handled == [2]
    assert bench.store.finished == {1, 2}


async def test_chats_run_side_by_side_and_each_in_order(bench: Bench) -> None:
    gates = {5: asyncio.Event(), 6: asyncio.Event()}

    async def gated(update: Update) -> None:
        assert update.effective_chat is not None
        await gates[update.effective_chat.id].wait()
        bench.handled.append(update.update_id)

    bench.on_update = gated
    await bench.inbox.accept([raw(1, 5), raw(2, 5), raw(3, 6)])
    gates[6].set()
    await bench.settle()
    assert bench.handled == [3]
    gates[5].set()
    await bench.settle()
    assert bench.handled == [3, 1, 2]


async def test_a_flood_waits_in_the_store_and_keeps_its_order(bench: Bench) -> None:
    gate = asyncio.Semaphore(0)

    async def gated(update: Update) -> None:
        await gate.acquire()
        bench.handled.append(update.update_id)

    bench.on_update = gated
    count = 2 * PER_CHAT + 50
    for start in range(1, count + 1, 50):
        await bench.inbox.accept([raw(i) for i in range(start, start + 50)])
    assert sum(map(len, bench.inbox._queues.values())) <= PER_CHAT
    for _ in range(10):  # room in memory again, yet what comes now belongs behind what waits
        gate.release()
    await bench.settle()
    await bench.inbox.accept([raw(count + 1)])
    for _ in range(count):
        gate.release()
    for _ in range(20):
        await bench.settle()
    assert bench.handled == [*range(1, count + 2)]


async def test_an_outage_is_sat_out(bench: Bench) -> None:
    error = NetworkError("x")
    error.__cause__ = httpx.ConnectError("refused")
    bench.telegram.faults["getUpdates"].extend([error] * 4 + [refusal(502, "Bad Gateway")])
    bench.telegram.updates = [raw(1)]
    await bench.run_for(120)
    assert bench.handled == [1]
    assert bench.inbox.last_ok is not None


async def test_another_poller_is_borne_for_a_minute_and_then_named(bench: Bench) -> None:
    conflict = refusal(409, "Conflict: terminated by other getUpdates request")
    bench.telegram.faults["getUpdates"].extend([conflict] * 3)
    await bench.run_for(120)
    again = Bench()
    again.telegram.faults["getUpdates"].extend([conflict] * 50)
    begin = again.time.now()
    with pytest.raises(TelegramFatal, match="Another process polls"):
        await again.time.run(again.inbox.run())
    assert 60_000 < again.time.now() - begin < 120_000


async def test_a_webhook_that_was_left_behind_is_removed(bench: Bench) -> None:
    bench.telegram.faults["getUpdates"].append(
        refusal(409, "Conflict: can't use getUpdates method while webhook is active")
    )
    bench.telegram.updates = [raw(1)]
    await bench.run_for(60)
    assert bench.handled == [1]
    assert len(bench.telegram.of("deleteWebhook")) == 2


async def test_a_refused_token_ends_it_with_a_sentence(bench: Bench) -> None:
    bench.telegram.faults["getUpdates"].append(refusal(401, "Unauthorized"))
    with pytest.raises(TelegramFatal, match="TELEGRAM_BOT_TOKEN") as caught:
        await bench.time.run(bench.inbox.run())
    assert TOKEN not in str(caught.value)


async def test_ids_that_start_anew_after_a_quiet_week_are_not_thrown_away(bench: Bench) -> None:
    bench.telegram.updates = [raw(5_000_000)]

    async def later() -> None:
        await bench.time.sleep(100)
        bench.telegram.updates.append(raw(17))

    task = asyncio.create_task(later())
    await bench.run_for(200)
    await task
    assert bench.handled == [5_000_000, 17]


async def test_a_store_that_fails_while_handling_ends_the_inbox(bench: Bench) -> None:
    async def failing(update_id: int, now: int) -> int:
        raise OSError("disk full")

    bench.store.claim = failing  # type: ignore[method-assign]
    bench.telegram.updates = [raw(10)]
    with pytest.raises(OSError, match="disk full"):
        await bench.time.run(bench.inbox.run())
    assert bench.handled == []


def test_an_update_belongs_to_the_chat_it_happened_in() -> None:
    chat = {"id": -1001234567890123}
    assert chat_of(json.dumps(raw(1, 7))) == 7
    press = {"callback_query": {"message": {"chat": chat}, "from": {"id": 3}}}
    assert chat_of(json.dumps(press)) == -1001234567890123
    assert chat_of(json.dumps({"callback_query": {"from": {"id": 3}}})) == 3
    assert chat_of(json.dumps({"my_chat_member": {"chat": chat}})) == -1001234567890123
    assert chat_of(json.dumps({"poll": {}})) == 0


async def test_the_start_outlives_an_outage() -> None:
    bench = Bench()
    error = NetworkError("x")
    error.__cause__ = httpx.ConnectError("refused")
    bench.telegram.faults["getMe"].extend([error, error, refusal(502, "Bad Gateway")])
    name = await bench.time.run(connect(bench.bot, sleep=bench.time.sleep, jitter=lambda: 0.0))
    assert name == "TideBot"
    assert len(bench.telegram.of("getMe")) == 4


async def test_the_start_names_a_refused_token_without_showing_it() -> None:
    bench = Bench()
    bench.telegram.faults["getMe"].append(refusal(401, "Unauthorized"))
    with pytest.raises(TelegramFatal, match="TELEGRAM_BOT_TOKEN") as caught:
        await connect(bench.bot, sleep=bench.time.sleep)
    assert TOKEN not in str(caught.value)


# Webhook

SECRET = "s3cret_-"


@contextlib.asynccontextmanager
async def hook(bench: Bench) -> Any:
    """(the server, a function that posts to it)"""
    webhook = Webhook(bench.bot, bench.inbox, url="https://example.org/x", secret=SECRET)
    port = await webhook.start(0, "127.0.0.1")
    async with aiohttp.ClientSession() as session:

        async def post(body: bytes, secret: str | None = SECRET) -> int:
            headers = {HEADER: secret} if secret is not None else {}
            url = f"http://127.0.0.1:{port}/x"
            async with session.post(url, data=body, headers=headers) as answer:
                return answer.status

        yield webhook, post
    await webhook.close()


async def test_a_delivery_is_stored_before_it_is_taken_and_handled_after(bench: Bench) -> None:
    async with hook(bench) as (_webhook, post):
        assert await post(json.dumps(raw(1)).encode()) == 200
        assert 1 in bench.store.rows
        assert await post(json.dumps(raw(1)).encode()) == 200
        await bench.settle()
    assert bench.handled == [1]


@pytest.mark.parametrize("secret", [None, "", "wrong", SECRET + "x", "ü"])
async def test_a_delivery_without_the_secret_is_turned_away(
    bench: Bench, secret: str | None
) -> None:
    async with hook(bench) as (_webhook, post):
        assert await post(json.dumps(raw(1)).encode(), secret) == 403
    assert bench.store.rows == {}


@pytest.mark.parametrize("body", [b"", b"x", b"[]", b"{}", b'{"update_id": "1"}', b"[" * 100_000])
async def test_a_broken_delivery_is_a_bad_request(bench: Bench, body: bytes) -> None:
    async with hook(bench) as (_webhook, post):
        assert await post(body) == 400


async def test_a_delivery_that_cannot_be_stored_is_not_taken(bench: Bench) -> None:
    async def failing(updates: list[StoredUpdate]) -> list[int]:
        raise OSError("disk full")

    bench.store.store = failing  # type: ignore[method-assign]
    async with hook(bench) as (_webhook, post):
        assert await post(json.dumps(raw(1)).encode()) == 500


async def test_the_webhook_is_registered_with_its_secret_and_tried_again(bench: Bench) -> None:
    bench.telegram.faults["setWebhook"].append(refusal(502, "Bad Gateway"))
    webhook = Webhook(bench.bot, bench.inbox, url="https://example.org/x", secret=SECRET)
    await bench.time.run(webhook.register(sleep=bench.time.sleep, jitter=lambda: 0.0))
    call = bench.telegram.of("setWebhook")[-1]
    assert (call["url"], call["secret_token"]) == ("https://example.org/x", SECRET)
    with pytest.raises(ValueError, match="TELEGRAM_WEBHOOK_SECRET"):
        Webhook(bench.bot, bench.inbox, url="https://x", secret="no spaces")
