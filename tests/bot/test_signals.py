"""The bot as a process: Telegram away at the start, SIGTERM with work in flight, SIGKILL."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from desk_process import TOKEN, BotProcess, bot_process, sim_in, telegram_at

from bot.playground.botapi import BotApiServer
from market.clock import WallClock

ADMIN = 1001
SENDS = ("sendmessage", "sendphoto")


@pytest.fixture
async def server() -> AsyncIterator[BotApiServer]:
    server = BotApiServer(token=TOKEN, username="TideBot", wall=WallClock(time.time))
    server.add_user(ADMIN, "Ada", "ada")
    yield server
    await server.close()


@pytest.fixture
async def bot(tmp_path: Path, server: BotApiServer) -> AsyncIterator[BotProcess]:
    """A bot that is not started yet; its Telegram listens."""
    port = await server.start()
    async with bot_process(tmp_path, {**sim_in(tmp_path), **telegram_at(port)}) as bot:
        yield bot


async def answered(server: BotApiServer, count: int, within: float = 60.0) -> None:
    """Wait until the bot has written `count` messages to the admin."""

    def written() -> bool:
        return len([m for m in server.messages(ADMIN) if m["from"]["is_bot"]]) >= count

    await server.wait_for(written, within)


async def test_a_start_while_telegram_is_away_is_made_up_for(
    tmp_path: Path, server: BotApiServer
) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server.send_text(ADMIN, ADMIN, "/price btc")
    async with bot_process(tmp_path, {**sim_in(tmp_path), **telegram_at(port)}) as bot:
        await bot.start()
        async with asyncio.timeout(60):
            while "telegram away" not in bot.log:
                assert bot.running, bot.log
                await asyncio.sleep(0.05)
        await server.start(port)
        await answered(server, 1)
        assert TOKEN not in bot.log
        assert await bot.terminate(10.0) == 0


async def test_sigterm_with_work_in_flight_ends_in_time_and_leaves_nothing(
    server: BotApiServer, bot: BotProcess
) -> None:
    await bot.start()
    await bot.ready()
    server.fault("*", "slow", delay=30.0, count=None, chat_id=ADMIN)
    for line in ("/chart BTC 15m", "/liqmap ETH 7d", "/price btc"):
        server.send_text(ADMIN, ADMIN, line)
    await server.wait_for(
        lambda: any(call.method.lower() in ("sendchataction", *SENDS) for call in server.calls), 30
    )
    assert bot.family(), "there are processes to leave behind"
    assert await bot.terminate(10.0) == 0
    assert await bot.orphans() == []
    server.clear_faults()
    await bot.start()
    await answered(server, 3)  # what was in flight is answered by the next one
    assert await bot.terminate(10.0) == 0


async def test_sigkill_of_the_bot_ends_everything_it_had_started(
    server: BotApiServer, bot: BotProcess
) -> None:
    await bot.start()
    await bot.ready()
    server.send_text(ADMIN, ADMIN, "/chart BTC 15m")  # the drawing worker is up
    await answered(server, 1)
    assert len(bot.family()) >= 2
    await bot.kill()
    assert await bot.orphans() == []
