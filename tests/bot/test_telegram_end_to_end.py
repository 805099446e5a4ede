"""The whole room against the local Bot API server: polling, commands, pictures, buttons, faults."""

import asyncio
import struct
import time
import zlib
from collections.abc import AsyncIterator
from typing import Any

import pytest
from telegram_fakes import ADMIN, STRANGER, TOKEN, TRADER, Desk, MemoryInbox

from bot.playground.botapi import BotApiServer
from bot.telegram.build import build_bot, connect
from bot.telegram.inbox import Inbox
from bot.telegram.menu import publish
from handlers.access import approve
from handlers.base import ACTIONS, Button, Card, Picture, Reply
from handlers.types import Role
from market.clock import WallClock

GROUP = -1001000009001


def png(width: int, height: int) -> bytes:
    """A black picture."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    rows = zlib.compress(b"".join(b"\0" * (width + 1) for _ in range(height)))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


class Live:
    """A running desk, and the server it talks to."""

    def __init__(self, server: BotApiServer, desk: Desk, inbox: Inbox) -> None:
        self.server, self.desk, self.inbox = server, desk, inbox

    def shown(self, chat_id: int) -> list[dict[str, Any]]:
        """What the bot has in a chat."""
        return [m for m in self.server.messages(chat_id) if m.get("from", {}).get("is_bot")]

    async def until(self, chat_id: int, count: int) -> list[dict[str, Any]]:
        """The bot's messages once there are `count`."""
        await self.server.wait_for(lambda: len(self.shown(chat_id)) >= count)
        return self.shown(chat_id)


@pytest.fixture
async def live() -> AsyncIterator[Live]:
    wall = WallClock(time.time)
    server = BotApiServer(token=TOKEN, username="TideBot", wall=wall)
    port = await server.start()
    for user, name in ((ADMIN, "Ada"), (TRADER, "Tom"), (STRANGER, "Sam")):
        server.add_user(user, name)
    server.add_chat(GROUP, "supergroup", "Desk", (ADMIN, TRADER, STRANGER))
    root = f"http://127.0.0.1:{port}"
    bot = build_bot(TOKEN, f"{root}/bot", f"{root}/file/bot")
    desk = Desk(clock=wall, bot=bot, sleep=asyncio.sleep, mark="SIMULATED")
    desk.actions["access:approve"] = ACTIONS["access:approve"]
    assert desk.actions["access:approve"].run is approve
    refresh = [[Button(text="🔄", command="/price btc", edit=True)]]
    desk.add("price", Reply(card=Card(headline="BTC <94,312>", table=("a  1",)), buttons=refresh))
    desk.add("alert_volume", role=Role.ALERTER, changes=True)
    desk.add("alert", role=Role.ALERTER, changes=True)
    picture = Picture(name="cvd.png", png=png(1280, 1024))
    desk.add("cvd", Reply(card=Card(headline="CVD"), picture=picture, buttons=refresh))
    await connect(bot)
    inbox = Inbox(bot, MemoryInbox(), desk.router.handle, wall, long_poll=5)
    poll = asyncio.create_task(inbox.run())
    yield Live(server, desk, inbox)
    await inbox.stop(1)
    await poll
    await desk.gateway.close(1)
    await bot.shutdown()
    await server.close()


async def test_a_command_with_a_hyphen_is_answered(live: Live) -> None:
    live.server.send_text(TRADER, TRADER, "/alert-volume BTC 200 15m")
    [answer] = await live.until(TRADER, 1)
    assert answer["text"] == "did alert_volume\n🧪 SIMULATED"
    assert live.desk.asked[0].words == ("BTC", "200", "15m")


async def test_a_card_is_refreshed_in_place_and_not_modified_is_no_trouble(live: Live) -> None:
    live.server.send_text(TRADER, TRADER, "/price btc")
    [card] = await live.until(TRADER, 1)
    assert card["text"] == "BTC <94,312>\na  1\n🧪 SIMULATED"
    query = live.server.press(TRADER, card["message_id"], TRADER, "e:/price btc")
    await live.server.wait_for(lambda: live.server.called("editMessageText"))
    await live.server.wait_for(lambda: live.server.called("editMessageText")[0].code)
    assert live.server.query(query).answered
    [card] = live.shown(TRADER)
    assert card["reply_markup"]["inline_keyboard"][0][0]["callback_data"] == "e:/price btc"


async def test_a_picture_is_sent_with_its_caption(live: Live) -> None:
    live.server.send_text(TRADER, TRADER, "/cvd btc")
    [shown] = await live.until(TRADER, 1)
    assert shown["caption"] == "CVD\n🧪 SIMULATED"
    assert {(p["width"], p["height"]) for p in shown["photo"]} >= {(1280, 1024)}


async def test_a_stranger_is_let_in_by_the_admin(live: Live) -> None:
    live.server.send_text(STRANGER, STRANGER, "/price btc")
    await live.until(STRANGER, 1)
    [card] = await live.until(ADMIN, 1)
    keys = [k for row in card["reply_markup"]["inline_keyboard"] for k in row]
    live.server.press(ADMIN, card["message_id"], ADMIN, keys[1]["callback_data"])
    await live.until(STRANGER, 2)
    [card] = live.shown(ADMIN)
    assert "is in as alerter" in card["text"]
    assert "reply_markup" not in card
    live.server.send_text(STRANGER, STRANGER, "/alert volume BTC 1")
    await live.until(STRANGER, 3)
    assert live.desk.asked[-1].command == "alert_volume"


async def test_a_block_is_noticed_at_once(live: Live) -> None:
    live.server.send_text(TRADER, TRADER, "/price btc")
    await live.until(TRADER, 1)
    live.server.block(TRADER)
    async with asyncio.timeout(5):
        await live.desk.chat_changed.wait()
    assert live.desk.people.chats[TRADER].alive is False
    assert live.desk.chat_changes == [(TRADER, False)]


async def test_limits_and_lost_answers_neither_lose_nor_double_an_answer(live: Live) -> None:
    live.server.fault("sendMessage", "429", retry_after=1)
    live.server.send_text(TRADER, TRADER, "/price btc")
    await live.until(TRADER, 1)
    live.server.fault("sendMessage", "lost")
    live.server.send_text(TRADER, TRADER, "/price btc")
    await live.until(TRADER, 2)
    live.server.send_text(TRADER, TRADER, "/price btc")
    await live.until(TRADER, 3)
    assert len(live.shown(TRADER)) == 3


async def test_the_menus_are_taken_and_left_alone_the_second_time(live: Live) -> None:
    live.server.send_text(ADMIN, ADMIN, "/price btc")
    await live.until(ADMIN, 1)
    bot, commands = live.desk.bot, live.desk.commands
    assert await publish(bot, (ADMIN,), commands) == 3
    assert await publish(bot, (ADMIN,), commands) == 0
