"""The way out: order, limits, and a definite outcome for every fault."""

import asyncio
from typing import Any

import httpx
import pytest
from telegram.error import NetworkError, TimedOut
from telegram_fakes import TOKEN, FakeTelegram, Time, refusal

from alerts.channel import HELD_BACK, at_once
from alerts.delivery.types import Delivery
from alerts.outcome import Gone, NotSent, Outcome, Refused, Sent, Unknown
from bot.telegram.build import DeskBot
from bot.telegram.gateway import QUEUE, Gateway
from bot.telegram.limits import ALL_PER_SECOND, UNDER_WAY, Priority
from bot.telegram.render import Key, OutMessage


def caused(error: NetworkError, cause: BaseException) -> NetworkError:
    """`error` as the library raises it: with the transport's fault behind it."""
    error.__cause__ = cause
    return error


def text(words: str) -> OutMessage:
    return OutMessage(html=f"<b>{words}</b>", plain=words)


class Bench:
    """A gateway on a fake Telegram and a fake clock."""

    def __init__(self) -> None:
        self.time = Time()
        self.telegram = FakeTelegram(self.time)
        self.gone: list[int] = []
        self.moved: list[tuple[int, int]] = []
        bot = DeskBot(TOKEN, request=self.telegram, get_updates_request=self.telegram)
        self.gateway = Gateway(
            bot, self.time, self.time.sleep, jitter=lambda: 0.0,
            on_gone=self._gone, on_migrated=self._migrated,
        )  # fmt: skip

    async def _gone(self, chat_id: int) -> None:
        self.gone.append(chat_id)

    async def _migrated(self, old: int, new: int) -> None:
        self.moved.append((old, new))

    async def send(self, chat_id: int = 5, words: str = "hi", **options: Any) -> Outcome:
        return await self.time.run(self.gateway.send(chat_id, text(words), **options))

    async def send_all(self, *targets: tuple[int, str], **options: Any) -> list[Outcome]:
        sends = [self.gateway.send(chat, text(words), **options) for chat, words in targets]
        return await self.time.run(asyncio.gather(*sends))

    def sent(self) -> list[tuple[int, str, float]]:
        """(chat, text, seconds since the start) of each message that was tried."""
        start = Time().now()
        return [
            (d["chat_id"], d["text"], (at - start) / 1000)
            for name, d, at in self.telegram.calls
            if name == "sendMessage"
        ]


@pytest.fixture
def bench() -> Bench:
    return Bench()


async def test_a_message_goes_out_as_html_without_link_preview(bench: Bench) -> None:
    assert await bench.send() == Sent(1)
    [call] = bench.telegram.of("sendMessage")
    assert (call["text"], call["parse_mode"]) == ("<b>hi</b>", "HTML")
    assert call["link_preview_options"] == {"is_disabled": True}


async def test_messages_of_a_chat_leave_in_order_one_a_second_after_a_burst(bench: Bench) -> None:
    await bench.send_all(*[(5, str(i)) for i in range(8)])
    times = [at for _chat, _text, at in bench.sent()]
    assert [words for _chat, words, _at in bench.sent()] == [f"<b>{i}</b>" for i in range(8)]
    assert times[:4] == [0, 0, 1, 2]
    assert times[-1] == pytest.approx(7.5, abs=0.1)


@pytest.mark.parametrize("priority", [Priority.PANIC, Priority.INTERACTIVE])
async def test_a_private_chat_gets_at_most_five_messages_in_any_five_seconds(
    bench: Bench, priority: Priority
) -> None:
    await bench.send_all(*[(5, str(i)) for i in range(30)], priority=priority)
    times = [at for _chat, _text, at in bench.sent()]
    assert len(times) == 30
    assert all(late - early > 5 for early, late in zip(times, times[5:], strict=False))


@pytest.mark.parametrize("chat", [5, -100])
async def test_a_chat_that_is_full_of_alerts_has_room_for_what_is_urgent(
    bench: Bench, chat: int
) -> None:
    flood = [
        asyncio.ensure_future(bench.gateway.send(chat, text(str(i)), priority=Priority.ALERT))
        for i in range(60)
    ]

    async def panic() -> float:
        await bench.time.sleep(20)
        began = bench.time.now()
        assert isinstance(
            await bench.gateway.send(chat, text("panic"), priority=Priority.PANIC), Sent
        )
        return (bench.time.now() - began) / 1000

    assert await bench.time.run(panic()) <= 0.1
    for each in flood:
        each.cancel()


async def test_what_is_urgent_passes_a_message_that_waits_for_another_try(bench: Bench) -> None:
    away = [caused(NetworkError("x"), httpx.ConnectError("refused")) for _ in range(3)]
    bench.telegram.faults["sendMessage"].extend(away)
    late = asyncio.ensure_future(bench.gateway.send(5, text("alert"), priority=Priority.ALERT))
    await bench.time.run(bench.time.sleep(0.2))
    bench.telegram.faults["sendMessage"].clear()
    await bench.time.run(bench.gateway.send(5, text("panic"), priority=Priority.PANIC))
    assert isinstance(await bench.time.run(late), Sent)
    assert [words for _c, words, _at in bench.sent()][1:] == ["<b>panic</b>", "<b>alert</b>"]


async def test_a_flood_of_requests_without_answers_leaves_connections_for_what_is_urgent(
    bench: Bench,
) -> None:
    bench.telegram.delay = 300.0
    flood = [
        asyncio.ensure_future(bench.gateway.send(chat, text("x"), priority=Priority.ALERT))
        for chat in range(100, 300)
    ]
    await bench.time.run(bench.time.sleep(60))
    assert len(bench.sent()) == UNDER_WAY
    urgent = asyncio.ensure_future(bench.gateway.send(5, text("panic"), priority=Priority.PANIC))
    await bench.time.run(bench.time.sleep(1))
    assert bench.sent()[-1][0] == 5
    for each in (*flood, urgent):
        each.cancel()


async def test_a_message_that_runs_out_of_patience_goes_back_with_the_pause_that_is_left(
    bench: Bench,
) -> None:
    bench.telegram.faults["sendMessage"].append(refusal(429, "Too Many", retry_after=35))
    outcome = await bench.send(patience=10.0)
    assert isinstance(outcome, NotSent)
    assert outcome.retry_after == pytest.approx(35)
    assert len(bench.sent()) == 1


async def test_a_message_counts_as_leaving_when_its_turn_has_come_and_not_before(
    bench: Bench,
) -> None:
    asked: list[float] = []

    async def leave() -> bool:
        asked.append(bench.time.now() / 1000)
        return True

    await bench.send_all(*[(5, str(n)) for n in range(4)], leave=leave)
    assert asked == [pytest.approx(at + Time().now() / 1000) for _c, _w, at in bench.sent()]
    assert asked[-1] > asked[0]


async def test_a_message_that_may_not_leave_any_more_stays(bench: Bench) -> None:
    async def leave() -> bool:
        return False

    assert await bench.send(leave=leave) == HELD_BACK
    assert not bench.sent()
    assert isinstance(await bench.send(), Sent)


async def test_what_telegram_wants_later_goes_back_to_whoever_keeps_the_account(
    bench: Bench,
) -> None:
    bench.telegram.faults["sendMessage"].append(refusal(429, "Too Many", retry_after=3))
    outcome = await bench.send(leave=at_once)
    assert isinstance(outcome, NotSent)
    assert outcome.retry_after == pytest.approx(3)
    again = asyncio.ensure_future(bench.gateway.send(5, text("other"), leave=at_once))
    await bench.time.run(again)
    assert [at for _c, _w, at in bench.sent()] == [0.0, pytest.approx(3)]


async def test_a_silent_message_says_so(bench: Bench) -> None:
    await bench.send(silent=True)
    await bench.send()
    first, second = bench.telegram.of("sendMessage")
    assert (first.get("disable_notification"), second.get("disable_notification")) == (True, None)


async def test_the_ledger_hears_of_everything_that_the_outbox_does_not_note_itself(
    bench: Bench,
) -> None:
    lines: list[Delivery] = []
    bench.gateway.ledger = lines.append
    await bench.send()
    await bench.send(leave=at_once, priority=Priority.ALERT)
    await bench.time.run(bench.gateway.edit(5, 10, text("new")))
    await bench.time.run(bench.gateway.delete(5, 10))
    bench.telegram.faults["sendMessage"].append(refusal(403, "Forbidden: blocked"))
    await bench.send()
    assert [(e.event, e.message_id, e.detail) for e in lines] == [
        ("sent", 1, ""),
        ("edited", 10, ""),
        ("deleted", None, ""),
        ("failed", None, "chat gone: Forbidden: blocked"),
    ]
    assert {(e.chat_id, e.channel, e.row_id) for e in lines} == {(5, "telegram", None)}


async def test_a_group_gets_at_most_twenty_messages_in_any_minute(bench: Bench) -> None:
    await bench.send_all(*[(-100, str(i)) for i in range(50)])
    times = [at for _chat, _text, at in bench.sent()]
    assert all(late - early >= 60 for early, late in zip(times, times[20:], strict=False))
    assert times[-1] < 180


async def test_all_chats_together_stay_below_thirty_a_second(bench: Bench) -> None:
    await bench.send_all(*[(chat, "x") for chat in range(1, 201)])
    times = [at for _chat, _text, at in bench.sent()]
    assert len(times) == 200
    assert all(late - early >= 1 for early, late in zip(times, times[29:], strict=False))
    assert times[-1] == pytest.approx(200 / ALL_PER_SECOND, abs=0.5)


async def test_urgent_messages_pass_a_crowd_and_stay_below_thirty_a_second_with_it(
    bench: Bench,
) -> None:
    crowd = [bench.gateway.send(c, text("x"), priority=Priority.ALERT) for c in range(100, 600)]
    waits: list[float] = []

    async def panics() -> None:
        for chat in range(1, 60):
            began = bench.time.now()
            await bench.gateway.send(chat, text("panic"), priority=Priority.PANIC)
            waits.append((bench.time.now() - began) / 1000)
            await bench.time.sleep(0.13)

    await bench.time.run(asyncio.gather(*crowd, panics()))
    times = [at for _chat, _text, at in bench.sent()]
    assert len(times) == 559
    assert all(late - early >= 1 for early, late in zip(times, times[30:], strict=False))
    assert max(waits) <= 0.005, "a token is kept for them"


async def test_what_is_urgent_does_not_wait_behind_an_alert_of_its_chat_in_the_crowd(
    bench: Bench,
) -> None:
    crowd = [bench.gateway.send(c, text("x"), priority=Priority.ALERT) for c in range(100, 600)]
    waited: list[float] = []

    async def panic() -> None:
        behind = asyncio.ensure_future(
            bench.gateway.send(5, text("alert"), priority=Priority.ALERT)
        )
        await bench.time.sleep(1)
        began = bench.time.now()
        await bench.gateway.send(5, text("panic"), priority=Priority.PANIC)
        waited.append((bench.time.now() - began) / 1000)
        await behind

    await bench.time.run(asyncio.gather(*crowd, panic()))
    assert waited[0] <= 0.1
    assert [words for chat, words, _at in bench.sent() if chat == 5] == [
        "<b>panic</b>", "<b>alert</b>",
    ]  # fmt: skip


async def test_every_class_overtakes_the_lower_ones_in_one_chat(bench: Bench) -> None:
    jobs = [
        bench.gateway.send(5, text(f"{priority.name}{i}"), priority=priority)
        for priority in reversed(Priority)
        for i in range(3)
    ]
    await bench.time.run(asyncio.gather(*jobs))
    order = [words[3:-4] for _chat, words, _at in bench.sent()]
    assert order == [f"{priority.name}{i}" for priority in Priority for i in range(3)]


async def test_an_answer_does_not_wait_for_a_broadcast_to_other_chats(bench: Bench) -> None:
    crowd = [
        bench.gateway.send(chat, text("x"), priority=Priority.BROADCAST) for chat in range(100, 300)
    ]
    await bench.time.run(asyncio.gather(*crowd, bench.gateway.send(5, text("answer"))))
    order = [chat for chat, _words, _at in bench.sent()]
    assert len(order) == 201
    assert order.index(5) < 30


async def test_retry_after_parks_only_that_chat_and_keeps_its_order(bench: Bench) -> None:
    limited = refusal(429, "Too Many Requests: retry after 35", retry_after=35)
    bench.telegram.faults["sendMessage:5"].append(limited)
    outcomes = await bench.send_all((5, "a"), (5, "b"), *[(6, "c")] * 6)
    assert all(isinstance(outcome, Sent) for outcome in outcomes)
    tried = bench.sent()
    assert max(at for chat, _w, at in tried if chat == 6) < 7
    assert [(w, at) for chat, w, at in tried if chat == 5] == [
        ("<b>a</b>", 0.0), ("<b>a</b>", 35.0), ("<b>b</b>", 35.0),
    ]  # fmt: skip


async def test_a_pause_beyond_patience_is_handed_back(bench: Bench) -> None:
    bench.telegram.faults["sendMessage"].append(refusal(429, "Too Many", retry_after=600))
    outcome = await bench.send()
    assert isinstance(outcome, NotSent)
    assert outcome.retry_after == pytest.approx(600)


async def test_five_hundred_alerts_survive_a_pause(bench: Bench) -> None:
    bench.telegram.faults["sendMessage:5"].append(refusal(429, "Too Many", retry_after=35))
    outcomes: list[Outcome] = []

    async def drain() -> None:
        for i in range(500):
            outcomes.append(await bench.gateway.send(5, text(str(i)), priority=Priority.ALERT))

    await bench.time.run(drain())
    assert [type(o) for o in outcomes] == [Sent] * 500
    delivered = [words for _chat, words, _at in bench.sent()][1:]
    assert delivered == [f"<b>{i}</b>" for i in range(500)]


async def test_a_full_queue_refuses_at_once(bench: Bench) -> None:
    outcomes = await bench.send_all(*[(5, str(i)) for i in range(QUEUE + 30)])
    assert sum(isinstance(outcome, NotSent) for outcome in outcomes) == 30
    assert bench.sent()[-1][1] == f"<b>{QUEUE - 1}</b>"


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (403, "Forbidden: bot was blocked by the user"),
        (403, "Forbidden: bot was kicked from the group chat"),
        (400, "Bad Request: chat not found"),
    ],
)
async def test_a_lost_chat_is_reported_and_not_tried_again(
    bench: Bench, code: int, words: str
) -> None:
    bench.telegram.faults["sendMessage"].append(refusal(code, words))
    assert isinstance(await bench.send(), Gone)
    assert bench.gone == [5]
    assert len(bench.sent()) == 1


async def test_a_migrated_group_is_moved_once_and_the_message_follows(bench: Bench) -> None:
    moved = refusal(400, "Bad Request: group upgraded", migrate_to_chat_id=-1001234567890123)
    bench.telegram.faults["sendMessage:-7"].extend([moved, moved])
    outcomes = await bench.send_all((-7, "a"), (-7, "b"))
    assert all(isinstance(outcome, Sent) for outcome in outcomes)
    assert isinstance(await bench.send(-7, "c"), Sent)
    assert bench.moved == [(-7, -1001234567890123)]
    went = [words for chat, words, _at in bench.sent() if chat == -1001234567890123]
    assert went == ["<b>a</b>", "<b>b</b>", "<b>c</b>"]


async def test_html_that_telegram_refuses_goes_out_plain_once(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    broken = refusal(400, "Bad Request: can't parse entities: Unsupported start tag")
    bench.telegram.faults["sendMessage"].append(broken)
    assert isinstance(await bench.send(words="a < b"), Sent)
    first, second = bench.telegram.of("sendMessage")
    assert (first["parse_mode"], second.get("parse_mode")) == ("HTML", None)
    assert second["text"] == "a < b"
    assert "html refused" in caplog.text


async def test_html_refused_twice_is_refused(bench: Bench) -> None:
    broken = refusal(400, "Bad Request: can't parse entities")
    bench.telegram.faults["sendMessage"].extend([broken, broken])
    assert isinstance(await bench.send(), Refused)


async def test_a_deleted_topic_falls_back_to_the_general_one(bench: Bench) -> None:
    bench.telegram.faults["sendMessage"].append(
        refusal(400, "Bad Request: message thread not found")
    )
    assert isinstance(await bench.send(-100, thread_id=9), Sent)
    first, second = bench.telegram.of("sendMessage")
    assert (first["message_thread_id"], second.get("message_thread_id")) == (9, None)


async def test_a_bad_request_is_never_repeated(bench: Bench) -> None:
    bench.telegram.faults["sendMessage"].append(refusal(400, "Bad Request: message is too long"))
    assert isinstance(await bench.send(), Refused)
    assert len(bench.sent()) == 1


NEVER_LEFT = [
    caused(NetworkError("x"), httpx.ConnectError("refused")),
    caused(TimedOut(), httpx.ConnectTimeout("slow")),
    caused(TimedOut("Pool timeout"), httpx.PoolTimeout("full")),
    refusal(502, "Bad Gateway"),
    refusal(500, "Internal Server Error"),
    (503, b"<html>maintenance</html>"),
]


@pytest.mark.parametrize("fault", NEVER_LEFT)
async def test_what_certainly_did_not_arrive_is_sent_again(bench: Bench, fault: Any) -> None:
    bench.telegram.faults["sendMessage"].append(fault)
    assert isinstance(await bench.send(), Sent)
    assert len(bench.sent()) == 2


MAYBE = [
    caused(TimedOut(), httpx.ReadTimeout("slow")),
    caused(TimedOut(), httpx.WriteTimeout("slow")),
    caused(NetworkError("x"), httpx.ReadError("cut")),
    caused(NetworkError("x"), httpx.RemoteProtocolError("cut")),
    refusal(504, "Gateway Timeout"),
]


@pytest.mark.parametrize("fault", MAYBE)
async def test_what_may_have_arrived_is_not_sent_again(bench: Bench, fault: Any) -> None:
    bench.telegram.faults["sendMessage"].append(fault)
    assert isinstance(await bench.send(), Unknown)
    assert len(bench.sent()) == 1


@pytest.mark.parametrize("fault", MAYBE)
async def test_an_edit_is_repeated_as_it_does_no_harm(bench: Bench, fault: Any) -> None:
    bench.telegram.faults["editMessageText"].append(fault)
    outcome = await bench.time.run(bench.gateway.edit(5, 10, text("new")))
    assert outcome == Sent(10)
    assert len(bench.telegram.of("editMessageText")) == 2


async def test_an_unreadable_answer_counts_as_delivered(bench: Bench) -> None:
    bench.telegram.faults["sendMessage"].append((200, b"<html>"))
    assert await bench.send() == Sent(None)
    assert len(bench.sent()) == 1


async def test_telegram_away_for_long_ends_in_not_sent(bench: Bench) -> None:
    away = [caused(NetworkError("x"), httpx.ConnectError("refused")) for _ in range(200)]
    bench.telegram.faults["sendMessage"].extend(away)
    assert isinstance(await bench.send(), NotSent)
    assert 3 < len(bench.sent()) < 30


async def test_not_modified_is_success(bench: Bench) -> None:
    bench.telegram.faults["editMessageText"].append(
        refusal(400, "Bad Request: message is not modified: specified new message content")
    )
    assert await bench.time.run(bench.gateway.edit(5, 10, text("same"))) == Sent()


async def test_an_edit_carries_the_keyboard_again(bench: Bench) -> None:
    message = OutMessage(html="x", plain="x", keys=((Key(text="a", data="c:/a"),),))
    await bench.time.run(bench.gateway.edit(5, 10, message))
    [call] = bench.telegram.of("editMessageText")
    assert call["reply_markup"]["inline_keyboard"][0][0]["callback_data"] == "c:/a"


async def test_a_late_answer_to_a_press_is_told_and_swallowed(bench: Bench) -> None:
    bench.telegram.faults["answerCallbackQuery"].append(
        refusal(400, "Bad Request: query is too old and response timeout expired")
    )
    assert not await bench.gateway.answer("q")
    assert await bench.gateway.answer("q", "x" * 300)
    assert len(bench.telegram.of("answerCallbackQuery")[-1]["text"]) == 200


async def test_stopping_lets_the_queue_leave_and_refuses_the_rest(bench: Bench) -> None:
    bench.telegram.faults["sendMessage:6"].append(refusal(429, "Too Many", retry_after=60))
    quick = asyncio.ensure_future(bench.gateway.send(5, text("a")))
    parked = asyncio.ensure_future(bench.gateway.send(6, text("b")))
    for _ in range(20):
        await asyncio.sleep(0)
    await bench.gateway.close(0.05)
    assert await quick == Sent(1)
    assert isinstance(await parked, NotSent)
    assert isinstance(await bench.gateway.send(5, text("c")), NotSent)


async def test_a_fault_of_ours_does_not_hold_up_the_chat(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    async def failing(_chat_id: int) -> None:
        raise OSError("disk")

    bench.gateway.on_gone = failing
    bench.telegram.faults["sendMessage"].append(refusal(403, "Forbidden: blocked"))
    first, second = await bench.send_all((5, "a"), (5, "b"))
    assert isinstance(first, NotSent)
    assert isinstance(second, Sent)
    assert "sending failed" in caplog.text
