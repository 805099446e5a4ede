"""Receiving: acknowledgement, redelivery, conflicts, webhooks, and who sees what under privacy mode."""

import asyncio
from typing import Any

import pytest
from aiohttp import web
from botapi_bench import ADA, GROUP, SAM, SUPER, TOM, bench, client
from telegram import Bot
from telegram.error import BadRequest, Conflict


async def texts(bot: Bot, **options: Any) -> list[str]:
    return [update.message.text for update in await bot.get_updates(**options)]


async def test_updates_come_again_until_they_are_acknowledged() -> None:
    async with bench() as (server, bot, _):
        first = server.send_text(ADA, ADA, "one")
        server.send_text(ADA, ADA, "two")
        assert await texts(bot) == ["one", "two"]
        assert await texts(bot) == ["one", "two"]
        assert await texts(bot, offset=first + 1) == ["two"]
        assert await texts(bot) == ["two"]
        assert await texts(bot, offset=first + 2) == []


async def test_limit_and_negative_offset() -> None:
    async with bench() as (server, bot, _):
        for n in range(5):
            server.send_text(ADA, ADA, str(n))
        assert await texts(bot, limit=2) == ["0", "1"]
        assert await texts(bot, offset=-2) == ["3", "4"]
        assert await texts(bot) == ["3", "4"]


async def test_a_long_poll_ends_when_something_is_written() -> None:
    async with bench() as (server, bot, _):
        polling = asyncio.create_task(texts(bot, timeout=30))
        await server.wait_for(lambda: server.called("getUpdates"))
        server.send_text(ADA, ADA, "hello")
        assert await asyncio.wait_for(polling, 2) == ["hello"]


async def test_a_second_poller_ends_the_first() -> None:
    async with bench() as (server, bot, _):
        first = asyncio.create_task(texts(bot, timeout=30))
        await server.wait_for(lambda: server.called("getUpdates"))
        second = asyncio.create_task(texts(bot, timeout=30))
        with pytest.raises(Conflict, match=r"(?i)terminated by other getupdates request"):
            await asyncio.wait_for(first, 2)
        server.send_text(ADA, ADA, "hello")
        assert await asyncio.wait_for(second, 2) == ["hello"]


async def test_allowed_updates_are_remembered() -> None:
    async with bench() as (server, bot, _):
        await bot.get_updates(allowed_updates=["message"])
        assert server.send_text(ADA, ADA, "one", edit_of=None) is not None
        message = server.messages(ADA)[0]["message_id"]
        await bot.get_updates()
        assert server.send_text(ADA, ADA, "two", edit_of=message) is None
        assert server.block(ADA) is None
        assert (await bot.get_webhook_info()).allowed_updates == ("message",)
        await bot.get_updates(allowed_updates=[])
        assert server.unblock(ADA) is not None


async def test_updates_nobody_fetches_are_gone_after_a_day() -> None:
    async with bench() as (server, bot, clock):
        server.send_text(ADA, ADA, "old")
        clock.advance(24 * 3600 * 1000)
        assert await texts(bot) == ["old"]
        clock.advance(1)
        assert await texts(bot) == []


async def test_update_and_message_ids_of_a_later_server_are_new() -> None:
    seen: list[tuple[int, int]] = []
    for later in (0, 60_000):
        async with bench() as (server, _, clock):
            clock.advance(later)
            fresh = type(server)(token=server.token, wall=clock)
            fresh.add_user(ADA, "Ada")
            update = fresh.send_text(ADA, ADA, "x")
            seen.append((update, fresh.messages(ADA)[0]["message_id"]))
    assert seen[1] == (seen[0][0] + 60, seen[0][1] + 60)


async def test_forms_a_message_can_come_in() -> None:
    async with bench() as (server, bot, _):
        server.send_text(ADA, ADA, "/long eth", forwarded=True)
        server.send_text(ADA, ADA, "/price btc", caption_photo=True)
        server.send_text(SUPER, ADA, "/price@tidemark_bot", sender_chat=SUPER, thread_id=3)
        server.send_text(SUPER, TOM, "/price@tidemark_bot", via_bot=True)
        forwarded, photo, anonymous, inline = [u.message for u in await bot.get_updates()]
        assert forwarded.forward_origin.sender_user.id == ADA
        assert (photo.text, photo.caption, photo.caption_entities[0].type) == (
            None,
            "/price btc",
            "bot_command",
        )
        assert anonymous.from_user.id == 1087968824
        assert (anonymous.sender_chat.id, anonymous.message_thread_id) == (SUPER, 3)
        assert inline.via_bot.id == bot.id


async def test_an_edit_by_a_person_is_an_edited_message() -> None:
    async with bench() as (server, bot, _):
        server.send_text(ADA, ADA, "/price btc")
        message = server.messages(ADA)[0]["message_id"]
        server.send_text(ADA, ADA, "/price eth", edit_of=message)
        first, second = await bot.get_updates()
        assert first.message.text == "/price btc"
        assert second.edited_message.text == "/price eth"
        assert second.edited_message.message_id == message
        assert [m["text"] for m in server.messages(ADA)] == ["/price eth"]


async def test_channel_posts_have_no_author() -> None:
    async with bench() as (server, bot, _):
        server.add_chat(-1007, "channel", "News", [ADA])
        server.send_text(-1007, ADA, "/price btc")
        [update] = await bot.get_updates()
        assert update.effective_user is None
        assert update.channel_post.sender_chat.id == -1007


async def test_block_and_kick_are_told_by_my_chat_member() -> None:
    async with bench() as (server, bot, _):
        server.block(SAM)
        server.unblock(SAM)
        server.kick_bot(SUPER)
        server.add_bot(SUPER, TOM)
        changes = [u.my_chat_member for u in await bot.get_updates()]
        assert [(c.old_chat_member.status, c.new_chat_member.status) for c in changes] == [
            ("member", "kicked"),
            ("kicked", "member"),
            ("member", "kicked"),
            ("kicked", "member"),
        ]
        assert [c.chat.id for c in changes] == [SAM, SAM, SUPER, SUPER]
        assert [c.from_user.id for c in changes] == [SAM, SAM, ADA, TOM]


async def test_a_bot_that_was_removed_hears_nothing() -> None:
    async with bench() as (server, bot, _):
        server.kick_bot(SUPER)
        assert server.send_text(SUPER, ADA, "/price@tidemark_bot") is None
        sent = await bot.send_message(ADA, "x")
        server.block(ADA)
        server.press(ADA, sent.message_id, ADA, "x")
        assert [u.callback_query for u in await bot.get_updates()] == [None, None]


PRIVACY = [
    # text, the bot spoke last, shown
    ("hello", True, False),
    ("@tidemark_bot hello", True, False),
    ("/price btc", False, False),
    ("/price btc", True, True),
    ("/price@tidemark_bot btc", False, True),
    ("/price@TideMark_Bot btc", False, True),
    ("/price@other_bot btc", True, False),
    ("/alert-volume@tidemark_bot BTC", False, False),
    ("/alert-volume@tidemark_bot BTC", True, True),
    ("/alert_volume@tidemark_bot BTC", False, True),
    ("see /price@tidemark_bot", True, False),
]


@pytest.mark.parametrize(("text", "spoke_last", "shown"), PRIVACY)
async def test_privacy_mode_in_groups(text: str, spoke_last: bool, shown: bool) -> None:
    async with bench() as (server, bot, _):
        for chat in (GROUP, SUPER):
            if spoke_last:
                await bot.send_message(chat, "x")
            assert (server.send_text(chat, ADA, text) is not None) is shown
            assert server.messages(chat)[-1]["text"] == text


async def test_a_reply_to_the_bot_is_always_shown() -> None:
    async with bench() as (server, bot, _):
        sent = await bot.send_message(GROUP, "How much?")
        assert server.send_text(GROUP, TOM, "200", reply_to=sent.message_id) is not None
        [update] = await bot.get_updates()
        assert update.message.reply_to_message.message_id == sent.message_id
        mine = server.messages(GROUP)[-1]["message_id"]
        assert server.send_text(GROUP, ADA, "why", reply_to=mine) is None


async def test_another_bot_that_speaks_takes_the_bare_commands() -> None:
    async with bench() as (server, bot, _):
        server.add_user(77, "Other", "other_bot", is_bot=True)
        await bot.send_message(GROUP, "x")
        assert server.send_text(GROUP, 77, "beep") is None
        assert server.send_text(GROUP, ADA, "/price btc") is None


@pytest.mark.parametrize("admin", [True, False])
async def test_administrators_and_bots_without_privacy_read_everything(admin: bool) -> None:
    async with bench(reads_all=not admin) as (server, bot, _):
        server.add_chat(-77, "group", "Open", [ADA], privacy=not admin)
        assert server.send_text(-77, ADA, "hello") is not None
        assert (await bot.get_me()).can_read_all_group_messages is not admin
        me = await bot.get_chat_member(-77, bot.id)
        assert me.status == ("administrator" if admin else "member")


class Receiver:
    """A webhook on this machine that answers with the given statuses, then with 200."""

    def __init__(self, *statuses: int) -> None:
        self.statuses = list(statuses)
        self.got: list[tuple[str, str]] = []
        self.url = ""

    async def __aenter__(self) -> "Receiver":
        app = web.Application()
        app.router.add_post("/hook", self._take)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}/hook"
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()

    async def _take(self, request: web.Request) -> web.Response:
        assert request.headers["Content-Type"] == "application/json"
        secret = request.headers.get("X-Telegram-Bot-Api-Secret-Token", "")
        self.got.append(((await request.json())["message"]["text"], secret))
        return web.Response(status=self.statuses.pop(0) if self.statuses else 200)


async def test_a_webhook_gets_updates_in_order_with_the_secret_until_it_takes_them() -> None:
    async with bench(webhook_retry=0.01) as (server, bot, _), Receiver(503, 500) as receiver:
        server.send_text(ADA, ADA, "one")
        server.send_text(ADA, ADA, "two")
        await bot.set_webhook(receiver.url, secret_token="s-3_cret", allowed_updates=["message"])
        await server.wait_for(lambda: not server.world.updates.first())
        assert receiver.got == [("one", "s-3_cret")] * 3 + [("two", "s-3_cret")]
        info = await bot.get_webhook_info()
        assert (info.url, info.pending_update_count) == (receiver.url, 0)
        assert (
            info.last_error_message == "Wrong response from the webhook: 500 Internal Server Error"
        )


async def test_a_closed_port_is_tried_again() -> None:
    async with bench(webhook_retry=0.01) as (server, bot, _):
        async with Receiver() as receiver:
            url = receiver.url
        await bot.set_webhook(url)
        server.send_text(ADA, ADA, "one")
        await server.wait_for(lambda: server._webhooks.info().get("last_error_message"))
        info = await bot.get_webhook_info()
        assert (info.pending_update_count, info.last_error_message) == (1, "Connection refused")
        await bot.delete_webhook(drop_pending_updates=True)
        assert await texts(bot) == []


async def test_polling_and_a_webhook_exclude_each_other() -> None:
    async with bench() as (server, bot, _), Receiver() as receiver:
        polling = asyncio.create_task(texts(bot, timeout=30))
        await server.wait_for(lambda: server.called("getUpdates"))
        await bot.set_webhook(receiver.url)
        with pytest.raises(Conflict, match=r"(?i)terminated by setwebhook request"):
            await asyncio.wait_for(polling, 2)
        with pytest.raises(
            Conflict, match=r"(?i)can't use getupdates method while webhook is active"
        ):
            await bot.get_updates()
        await bot.delete_webhook()
        assert await texts(bot) == []


@pytest.mark.parametrize(
    ("url", "secret", "complaint"),
    [
        ("ftp://127.0.0.1/x", None, "https url must be provided"),
        ("https://example.com/x", None, "this machine only"),
        ("http://127.0.0.1:1/x", "s cret", "secret token contains unallowed characters"),
    ],
)
async def test_webhooks_that_cannot_work_are_refused(
    url: str, secret: str | None, complaint: str
) -> None:
    async with bench() as (_, bot, _clock):
        with pytest.raises(BadRequest, match=f"(?i){complaint}"):
            await bot.set_webhook(url, secret_token=secret)
        assert (await bot.get_webhook_info()).url == ""


async def test_two_bots_share_one_queue() -> None:
    """A poll that ended leaves no trace: another client may go on at once."""
    async with bench() as (server, bot, _):
        server.send_text(ADA, ADA, "one")
        assert await texts(bot) == ["one"]
        port = int(bot.base_url.split(":")[2].split("/")[0])
        async with client(port) as other:
            assert await texts(other) == ["one"]
