"""The whole desk in the test's process: simulated market, real database, real chat, local Bot API server."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from desk_process import ROOT, TOKEN, sim_in, telegram_at

from bot.app import Desk, open_desk
from bot.config import load
from bot.playground.botapi import BotApiServer
from bot.run import Chat, Front
from market.clock import WallClock

ADMIN = 1001
NAME = "TideBot"
PATIENCE = 40.0  # seconds for an answer on a busy machine


class Watch:
    """The time of this machine, which a test may put forward; stands in for the `time` of `bot.app`."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def time(self) -> float:
        """Seconds since the epoch."""
        return time.time() + self.ahead


@dataclass(slots=True, kw_only=True)
class Live:
    """A running desk and the server it talks to."""

    server: BotApiServer
    desk: Desk
    chat: Chat
    watch: Watch
    users: Sequence[int]
    tasks: list[asyncio.Task[None]] = field(default_factory=list)

    def shown(self, chat_id: int) -> list[dict[str, Any]]:
        """What the bot has in a chat."""
        return [m for m in self.server.messages(chat_id) if m.get("from", {}).get("is_bot")]

    def texts(self, chat_id: int) -> list[str]:
        """The words of it."""
        return [str(m.get("text") or m.get("caption") or "") for m in self.shown(chat_id)]

    async def until(self, chat_id: int, count: int, within: float = PATIENCE) -> list[str]:
        """The words of the bot once there are `count` messages."""
        await self.server.wait_for(lambda: len(self.shown(chat_id)) >= count, within)
        return self.texts(chat_id)

    async def ask(self, line: str, user_id: int = ADMIN) -> str:
        """Type a line in private; the answer."""
        before = len(self.shown(user_id))
        self.server.send_text(user_id, user_id, line)
        return (await self.until(user_id, before + 1))[-1]

    async def break_venue(self, exchange: str, fault: str) -> None:
        """Make a venue misbehave, "none" to mend it; "*" is all."""
        async with httpx.AsyncClient(timeout=10) as client:
            body = {"exchange": exchange, "fault": fault}
            (await client.post(f"{self.desk.market_url}/faults", json=body)).raise_for_status()


@contextlib.asynccontextmanager
async def desk_bench(
    folder: Path, users: Sequence[int], admins: Sequence[int], **more: str
) -> AsyncIterator[Live]:
    """A desk some people write to; `more` are settings as in the environment."""
    watch = Watch()
    server = BotApiServer(token=TOKEN, username=NAME, wall=WallClock(watch.time))
    for user_id in users:
        server.add_user(user_id, f"User {user_id}", f"user{user_id}")
    port = await server.start()
    ids = ",".join(map(str, admins))
    settings = {**sim_in(folder), **telegram_at(port), "ADMIN_IDS": ids, **more}
    patch = pytest.MonkeyPatch()
    try:
        for name, value in {**settings, "PYTHONPATH": str(ROOT)}.items():
            patch.setenv(name, value)  # the local market is a process of its own and reads them too
        patch.chdir(folder)
        patch.setattr("bot.app.time", watch)
        async with open_desk(load()) as desk, _running(server, desk, watch, users) as live:
            yield live
    finally:
        patch.undo()
        await server.close()


@contextlib.asynccontextmanager
async def _running(
    server: BotApiServer, desk: Desk, watch: Watch, users: Sequence[int]
) -> AsyncIterator[Live]:
    """What `python -m bot` does between its start and its end, without the jobs by the clock."""
    told = desk.settings
    chat = Chat(
        desk,
        Front(
            token=told.telegram_bot_token,
            base_url=told.telegram_base_url,
            base_file_url=told.telegram_base_file_url,
            admin_ids=told.admin_ids,
        ),
    )
    await desk.alerts.start()
    live = Live(server=server, desk=desk, chat=chat, watch=watch, users=users)
    live.tasks = [asyncio.create_task(chat.receive()), asyncio.create_task(chat.outbox.run())]
    try:
        await server.wait_for(lambda: server.called("getUpdates"), PATIENCE)
        yield live
    finally:
        await chat.close()
        for task in live.tasks:
            task.cancel()
        await asyncio.gather(*live.tasks, return_exceptions=True)
