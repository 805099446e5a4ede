"""A flood of alerts over the whole way out: how fast it leaves, and how long an urgent message takes in it."""

import asyncio
import json
import tempfile
import time
from itertools import count
from pathlib import Path

from sqlalchemy import func, select

from alerts.channel import Channel, Leave, Sending
from alerts.delivery.doorbell import Doorbell
from alerts.outbox import Outbox
from alerts.outcome import Outcome, Sent
from alerts.types import OutboxRow, Priority
from benchmarks.row import Row, at_most, share
from bot.playground.botapi import BotApiServer
from bot.telegram.build import build_bot
from bot.telegram.buttons import Buttons
from bot.telegram.channel import TelegramChannel
from bot.telegram.gateway import Gateway
from bot.telegram.limits import ALL_PER_SECOND
from market.clock import WallClock
from storage.alerts import Alerts
from storage.buttons import Buttons as ButtonRows
from storage.db import Database
from storage.tables import outbox

TOKEN = "4242:BENCH-token"
ALERTS, CHATS, GROUPS = 10_000, 500, 20
USERS, FIRST_GROUP = 10_000, -5_000
BATCH, PANIC = 200, 1_000_000  # rows of one commit; the first number of a panic message
PAUSE = 0.2  # seconds between urgent messages
LIMIT = 2.0  # seconds an urgent message may take


def rows() -> list[Row]:
    """Ten thousand alerts in one second, for 520 chats, with panic messages all the while."""
    return asyncio.run(_rows())


async def _rows() -> list[Row]:
    wall = WallClock(time.time)
    server = BotApiServer(token=TOKEN, wall=wall, limits=True)
    for n in range(CHATS):
        server.add_user(USERS + n, f"U{n}")
    for n in range(GROUPS):
        server.add_chat(FIRST_GROUP - n, "group", f"G{n}", members=[USERS])
    port = await server.start()
    bot = build_bot(TOKEN, f"http://127.0.0.1:{port}/bot", f"http://127.0.0.1:{port}/file/bot")
    await bot.initialize()
    with tempfile.TemporaryDirectory() as folder:
        database = Database.open(f"sqlite:///{Path(folder)}/t.db")
        await database.start()
        gateway = Gateway(bot, wall)
        try:
            waits, seconds = await _flood(database, gateway, wall)
        finally:
            await gateway.close(1.0)
            await bot.shutdown()
            await server.close()
            await database.close()
    refused = sum(call.code == 429 for call in server.calls)
    told = sum(call.method in ("sendMessage", "editMessageText") for call in server.calls)
    return [
        at_most(
            f"panic message in a flood of {ALERTS:,} alerts, p99", share(waits, 0.99), LIMIT,
            note=f" (p50 {share(waits, 0.5):.2g} s, n={len(waits)})",
        ),
        at_most(
            f"{ALERTS:,} alerts of one second told in {CHATS + GROUPS} chats", seconds,
            4 * (CHATS + GROUPS) / ALL_PER_SECOND, note=f", {told} calls, {refused} refused",
        ),
    ]  # fmt: skip


class Watched:
    """The channel, and how long panic messages took from the commit to Telegram's answer."""

    name = "telegram"

    def __init__(self, channel: Channel, wall: WallClock) -> None:
        self._channel, self._wall = channel, wall
        self.waits: list[float] = []

    async def prepare(self, row: OutboxRow, *, repeat: bool = False) -> Sending:
        """The channel's own message, with a watch on its sending."""
        send = await self._channel.prepare(row, repeat=repeat)

        async def timed(leave: Leave) -> Outcome:
            outcome = await send(leave)
            if row.priority == Priority.PANIC and isinstance(outcome, Sent):
                self.waits.append((self._wall.now() - row.created_ts) / 1000)
            return outcome

        return timed


async def _flood(
    database: Database, gateway: Gateway, wall: WallClock
) -> tuple[list[float], float]:
    """Seconds of each panic message, and until every alert was told."""
    store, wake = Alerts(database), Doorbell()
    channel = TelegramChannel(gateway, _nothing, Buttons(ButtonRows(database), wall))
    watched = Watched(channel, wall)
    box = Outbox(store, {"telegram": watched}, wall, wake=wake)

    async def panics() -> None:
        for number in count(PANIC):
            row = _row(number, USERS + number % CHATS, wall.now(), Priority.PANIC)
            await store.fire([], [], [row])
            wake.ring([row])
            await asyncio.sleep(PAUSE)

    tasks = [asyncio.create_task(box.run()), asyncio.create_task(panics())]
    began = time.monotonic()
    for first in range(1, ALERTS + 1, BATCH):
        now = wall.now()
        rows = [_row(n, _chat(n), now) for n in range(first, first + BATCH)]
        await store.fire([], [], rows)
        wake.ring(rows)
    while await _untold(database):  # noqa: ASYNC110 - the database tells nobody
        await asyncio.sleep(0.2)
    seconds = time.monotonic() - began
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return watched.waits, seconds


async def _untold(database: Database) -> int:
    query = select(func.count()).where(
        outbox.c.status.in_(("queued", "sending")), outbox.c.alert_id.between(1, ALERTS)
    )
    async with database.main.read() as connection:
        return int(await connection.scalar(query) or 0)


def _chat(number: int) -> int:
    place = number % (CHATS + GROUPS)
    return USERS + place if place < CHATS else FIRST_GROUP - (place - CHATS)


async def _nothing(_name: str, _data: object) -> bytes | None:
    return None


def _row(number: int, chat_id: int, now: int, priority: Priority = Priority.ALERT) -> OutboxRow:
    body = {"headline": f"BTC above {number}  #{number}", "evidence": "observed"}
    return OutboxRow(
        id=0, alert_id=number, transition=1, channel="telegram", chat_id=chat_id, created_ts=now,
        payload=json.dumps(body), coin=f"C{number % 7}", priority=priority,
    )  # fmt: skip
