"""Bad days of the whole bot: Telegram in trouble, a fault of our own, venues away. One desk sees them all."""

import asyncio
import contextlib
import re
import sqlite3
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from desk_bench import ADMIN, Live, desk_bench

from handlers.app import App
from handlers.base import COMMANDS, Args, Command, Reply

pytestmark = pytest.mark.asyncio(loop_scope="module")

OTHER = 1002
TROUBLE = {"429": 1, "5xx": 1, "html": 1, "broken": 1, "drop": 1, "lost": 2}  # copies at most
IN_TROUBLE = {kind: 2001 + number for number, kind in enumerate(TROUBLE)}
UNIT = {"s": 1, "m": 60}
SENDS = ("sendmessage", "sendphoto")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def live(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Live]:
    users = (ADMIN, OTHER, *IN_TROUBLE.values())
    admins = (ADMIN, *IN_TROUBLE.values())
    folder = tmp_path_factory.mktemp("desk")
    async with desk_bench(folder, users, admins, ACCESS="open") as live:
        yield live


# --- Telegram while an alert is on its way


async def fire(live: Live, chat_id: int) -> None:
    """Look at the alerts, as the clock does, until one of the chat fires."""
    async with asyncio.timeout(30):
        while not await live.desk.store.history(chat_id):
            await live.desk.runner.check()
            await asyncio.sleep(0.2)


async def settled(live: Live, chat_id: int) -> list[str]:
    """Statuses of the chat's outbox rows, once none of them waits."""
    path = live.desk.settings.database.removeprefix("sqlite:///")
    query = f"SELECT status FROM outbox WHERE chat_id = {chat_id}"
    async with asyncio.timeout(60):
        while True:
            with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as base:
                found = [status for (status,) in base.execute(query)]
            if found and not {"queued", "sending"} & set(found):
                return found
            await asyncio.sleep(0.1)


@pytest.mark.parametrize("kind", TROUBLE)
async def test_trouble_of_telegram_neither_loses_nor_doubles_an_alert(
    live: Live, kind: str
) -> None:
    user = IN_TROUBLE[kind]
    card = await live.ask("/alert BTC > 1000", user)
    assert "armed" in card
    for method in SENDS:
        live.server.fault(method, kind, retry_after=1, chat_id=user)
    await fire(live, user)
    assert await settled(live, user) == ["sent"]
    assert any(call.fault == kind for call in live.server.calls), "the trouble came"
    told = live.texts(user)[1:]
    assert 1 <= len(told) <= TROUBLE[kind], told
    assert all("above" in text for text in told)
    # Only where it may have been delivered before does a copy say that it may be one.
    assert ["(repeat?)" in text for text in told] == {"drop": [True], "lost": [False, True]}.get(
        kind, [False]
    )
    live.server.clear_faults()


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


# --- venues: the last ones, they put the clock forward


async def mended(live: Live) -> None:
    """Let all venues answer again and be asked again: at first by a single call as a probe."""
    await live.break_venue("*", "none")
    live.watch.ahead += 31
    await live.ask("/price doge")


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
    ages = [int(n) * UNIT[unit] for n, unit in re.findall(r"· (\d+) ([sm]) ·", kept)]
    assert 45 <= max(ages, default=0) <= 120, f"the age of what is shown is told: {kept}"
    live.watch.ahead += 30
    refused = await live.ask("/price sol")
    assert "no usable answer" in refused
    assert not price.search(refused)
    await mended(live)


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
    await mended(live)
    answer = await live.ask("/price eth")
    assert "unavailable" not in answer
    assert "not answering" not in answer
    assert re.search(r"OKX +[\d,]+\.\d+", answer)
