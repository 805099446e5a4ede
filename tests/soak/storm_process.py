"""Store, outbox and gateway in a process that can be killed: `storm_process.py FOLDER PORT UPTO CHATS GROUPS`.

It fires the alerts up to number UPTO that are not stored yet, as fast as the disk takes them, and a panic message
every now and then; it delivers both until it is ended.
"""

import asyncio
import json
import signal
import sys
import time
from itertools import count
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from sqlalchemy import func, select

from alerts.delivery.doorbell import Doorbell
from alerts.delivery.ledger import LedgerBuffer
from alerts.outbox import Outbox
from alerts.types import OutboxRow, Priority, Severity
from bot.telegram.build import build_bot
from bot.telegram.buttons import Buttons
from bot.telegram.channel import TelegramChannel
from bot.telegram.gateway import Gateway
from market.clock import WallClock
from storage.alerts import Alerts
from storage.buttons import Buttons as ButtonRows
from storage.db import Database
from storage.ledger import Ledger
from storage.loudness import LoudnessRows
from storage.people import People
from storage.tables import outbox

TOKEN = "4242:TEST-token"
USERS, GROUPS = 10_000, -5_000  # first ids
PANIC = 10_000_000  # alert ids from here on are panics
BATCH = 200
PAUSE = 0.25  # seconds between panics


def chat_of(number: int, chats: int, groups: int) -> int:
    """Where an alert goes."""
    place = number % (chats + groups)
    return USERS + place if place < chats else GROUPS - (place - chats)


def fired(number: int, chat_id: int, now: int) -> OutboxRow:
    """Alert `number`; one in forty is critical."""
    critical = number % 40 == 7
    body = {"headline": f"Fired #{number}", "evidence": "observed"}
    return OutboxRow(
        id=0, alert_id=number, transition=1, channel="telegram", chat_id=chat_id, created_ts=now,
        payload=json.dumps(body), coin=f"C{number % 7}",
        severity=Severity.CRITICAL if critical else Severity.WARNING,
        priority=Priority.CRITICAL if critical else Priority.ALERT,
    )  # fmt: skip


def panic(number: int, chat_id: int, now: int) -> OutboxRow:
    """A panic message; it says when it was committed."""
    return OutboxRow(
        id=0, alert_id=number, transition=1, channel="telegram", chat_id=chat_id, created_ts=now,
        payload=json.dumps({"headline": f"Panic #{number} at {now}"}), priority=Priority.PANIC,
    )  # fmt: skip


async def last_of(database: Database, first: int, end: int) -> int:
    """The highest number that is stored."""
    query = select(func.max(outbox.c.alert_id)).where(
        outbox.c.alert_id >= first, outbox.c.alert_id < end
    )
    async with database.main.read() as connection:
        return await connection.scalar(query) or first - 1


async def main(folder: str, port: int, upto: int, chats: int, groups: int) -> None:
    """Until SIGTERM."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    wall = WallClock(time.time)
    database = Database.open(f"sqlite:///{folder}/t.db")
    await database.start()
    store, people = Alerts(database), People(database)
    bot = build_bot(TOKEN, f"http://127.0.0.1:{port}/bot", f"http://127.0.0.1:{port}/file/bot")
    await bot.initialize()

    async def moved(old: int, new: int) -> None:
        await people.move_chat(old, new, wall.now())

    async def nothing(_name: str, _data: object) -> bytes | None:
        return None

    lines = LedgerBuffer(Ledger(database))
    gateway = Gateway(bot, wall, on_migrated=moved, ledger=lines.add)
    channel = TelegramChannel(gateway, nothing, Buttons(ButtonRows(database), wall))
    wake = Doorbell()
    box = Outbox(store, {"telegram": channel}, wall, wake=wake, loudness=LoudnessRows(database))

    async def alerts() -> None:
        number = await last_of(database, 1, PANIC)
        while number < upto:
            some = range(number + 1, min(upto, number + BATCH) + 1)
            now = wall.now()
            rows = [fired(n, chat_of(n, chats, groups), now) for n in some]
            await store.fire([], [], rows)
            number = some[-1]
            wake.ring(rows)
        sys.stdout.write("FIRED\n")
        sys.stdout.flush()

    async def panics() -> None:
        first = await last_of(database, PANIC, 2 * PANIC) + 1
        for number in count(first):
            chat = chat_of(number * 7, chats, 0)
            row = panic(number, chat, wall.now())
            await store.fire([], [], [row])
            wake.ring([row])
            await asyncio.sleep(PAUSE)

    work = [alerts(), box.run(), lines.run()] + ([panics()] if upto else [])
    tasks = [asyncio.create_task(each) for each in work]
    sys.stdout.write("READY\n")
    sys.stdout.flush()
    ended = asyncio.create_task(stop.wait())
    await asyncio.wait({ended, *tasks[1:]}, return_when=asyncio.FIRST_COMPLETED)
    for task in tasks:
        task.cancel()
    found = await asyncio.gather(*tasks, return_exceptions=True)
    await gateway.close(1.0)
    await bot.shutdown()
    await database.close()
    for each in found:
        if isinstance(each, Exception):
            raise each


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], *map(int, sys.argv[2:])))
