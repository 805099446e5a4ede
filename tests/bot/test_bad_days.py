"""Bad days of the whole bot: venues away, Telegram in trouble, faults of our own, signals."""

import asyncio
import re
import socket
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from desk_bench import ADMIN, Live, desk_bench
from desk_process import TOKEN, BotProcess, bot_process, sim_in, telegram_at

from bot.playground.botapi import BotApiServer
from handlers.app import App
from handlers.base import COMMANDS, Args, Command, Reply
from market.clock import WallClock

OTHER = 1002
SENDS = ("sendmessage", "sendphoto")


@pytest.fixture
async def live(tmp_path: Path) -> AsyncIterator[Live]:
    async with desk_bench(tmp_path, (ADMIN, OTHER), (ADMIN,), ACCESS="open") as live:
        yield live


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


# --- venues


async def test_a_venue_that_is_down_is_named_with_the_reason_and_the_rest_answers(
    live: Live,
) -> None:
    await live.break_venue("okx", "down")
    answer = await live.ask("/price eth")
    assert re.search(r"OKX (unavailable|is not answering) \(\S.*\)", answer)
    rows = answer.splitlines()
    assert [line.split() for line in rows if line.startswith("OKX  ")] == [["OKX", *["n/a"] * 3]]
    [bybit] = [line for line in rows if line.startswith("Bybit ")]
    assert len(re.findall(r"[\d,]+\.\d+", bybit)) >= 2, "the others answer"
    await live.break_venue("okx", "none")
    live.watch.ahead += 31  # a single call goes through as a probe, then all
    await live.ask("/price eth")
    answer = await live.ask("/price eth")
    assert "unavailable" not in answer
    assert "not answering" not in answer
    assert re.search(r"OKX +[\d,]+\.\d+", answer)


async def test_without_any_venue_the_last_known_price_has_its_age_and_is_then_refused(
    live: Live,
) -> None:
    before = await live.ask("/price sol")
    await live.break_venue("*", "down")
    live.watch.ahead += 45
    kept = await live.ask("/price sol")
    price = re.compile(r"SOL \$[\d,.]*\d")
    assert price.search(kept)
    assert price.findall(kept) == price.findall(before), "the last known price, not another one"
    ages = [int(s) for s in re.findall(r"(\d+) ?s\b", kept)]
    assert max(ages, default=0) >= 45, f"the age of what is shown is told: {kept}"
    live.watch.ahead += 30
    refused = await live.ask("/price sol")
    assert "no usable answer" in refused
    assert not price.search(refused)


# --- Telegram while an alert is on its way


async def armed(live: Live) -> str:
    """An alert whose condition holds already is made; its number."""
    card = await live.ask("/alert BTC > 1000")
    found = re.search(r"#(\d+)", card)
    assert found, card
    return found[1]


async def fire(live: Live) -> None:
    """Look at the alerts, as the clock does, until one fires."""
    async with asyncio.timeout(30):
        while not await live.desk.store.history(ADMIN):
            await live.desk.alerts.check()
            await asyncio.sleep(0.2)


async def sent_rows(live: Live) -> list[tuple[str, int]]:
    """Status and attempts of all outbox rows, once none of them waits."""
    async with asyncio.timeout(60):
        while True:
            rows = await live.desk.store.due(2**60)
            statuses = await _statuses(live)
            if not rows and all(status in ("sent", "dead") for status, _n in statuses):
                return statuses
            await asyncio.sleep(0.1)


async def _statuses(live: Live) -> list[tuple[str, int]]:
    import sqlite3

    path = live.desk.settings.database.removeprefix("sqlite:///")
    connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    try:
        return connection.execute("SELECT status, attempts FROM outbox").fetchall()
    finally:
        connection.close()


def alerts_in(live: Live, number: str) -> list[str]:
    """Messages of the fired alert; the first one about it is the armed card."""
    return [text for text in live.texts(ADMIN) if f"#{number}" in text][1:]


@pytest.mark.parametrize(
    ("kind", "least", "most"),
    [
        ("429", 1, 1),
        ("5xx", 1, 1),
        ("html", 1, 1),
        ("broken", 1, 1),
        ("drop", 1, 1),
        ("lost", 1, 2),
    ],
)
async def test_trouble_of_telegram_neither_loses_nor_doubles_an_alert(
    live: Live, kind: str, least: int, most: int
) -> None:
    number = await armed(live)
    for method in SENDS:
        live.server.fault(method, kind, retry_after=1, chat_id=ADMIN)
    await fire(live)
    [(status, _attempts)] = await sent_rows(live)
    assert status == "sent"
    assert any(call.fault == kind for call in live.server.calls), "the trouble came"
    told = alerts_in(live, number)
    assert least <= len(told) <= most, told
    if len(told) == 2:
        assert "(repeat?)" in told[1], "a second copy says that it may be one"
    assert "(repeat?)" not in told[0] or kind == "drop"


# --- our own faults


async def test_a_handler_that_raises_gives_a_reference_and_tells_the_admins_once(
    live: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(args: Args, app: App) -> Reply:
        raise RuntimeError("secret detail")

    entry = Command(name="boom", run=broken, usage="/boom", summary="Break")
    monkeypatch.setitem(COMMANDS, "boom", entry)
    answer = await live.ask("/boom", OTHER)
    found = re.search(r"Reference ([0-9a-f]{4,12})\b", answer)
    assert found, answer
    await live.server.wait_for(lambda: any(found[1] in text for text in live.texts(ADMIN)))
    again = await live.ask("/boom", OTHER)
    assert re.search(r"Reference ([0-9a-f]{4,12})\b", again)
    assert "ok" in (await live.ask("/status", OTHER)), "the next command is answered as ever"
    notices = [text for text in live.texts(ADMIN) if "boom failed" in text]
    assert len(notices) == 1, "not one for each failure"
    assert "secret detail" not in "\n".join([*live.texts(ADMIN), *live.texts(OTHER)])


# --- the process


async def answered(server: BotApiServer, count: int, within: float = 60.0) -> None:
    """Wait until the bot has written `count` messages to the admin."""

    def written() -> bool:
        return sum(m["from"]["is_bot"] for m in server.messages(ADMIN)) >= count

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
