"""A storm of alerts: nothing is lost, nothing told twice without a doubt, Telegram's pace kept, panic goes first."""

import asyncio
import os
import secrets
import sys
import time
from pathlib import Path

import pytest
from storm_run import Account, StormRun, storm_run

# The server counts when it gets to read a call: on a busy machine a second of calls can arrive in less than one. The
# pace at which they leave is held to the last one by tests/bot/test_gateway.py.
ALERTS = int(os.environ.get("TIDEMARK_STORM", "10000"))
KILLS = int(os.environ.get("TIDEMARK_KILLS", "50"))
CHATS, GROUPS = 500, 20


def chosen_seed() -> int:
    """The seed of this run; TIDEMARK_SEED repeats an earlier one."""
    return int(os.environ.get("TIDEMARK_SEED", "0")) or secrets.randbelow(10**6) + 1


async def killed(run: StormRun, alerts: int, kills: int, *, closed: bool = True) -> Account:
    """Most alerts at once, the rest in the lives between the kills; then peace, until the storms are `closed`."""
    run.trouble(times=max(2, kills // 4))
    upto = alerts * 6 // 10
    for number in range(kills):
        await run.start(upto)
        await asyncio.sleep(run.rng.uniform(0.0, 2.5))
        await run.kill()
        upto = min(alerts, upto + alerts * 4 // 10 // max(1, kills - 1) + 1)
        if number == kills // 2:
            run.migrate()
    await run.start(alerts)
    await run.said(b"FIRED")
    await run.drained(closed=closed)
    await run.close()
    return run.account(alerts)


async def test_three_kills_in_a_storm_lose_nothing_and_double_nothing(tmp_path: Path) -> None:
    async with storm_run(tmp_path, seed=20261121, chats=20, groups=3) as run:
        account = await killed(run, 300, 3, closed=False)
    assert not account.wrong, account.table(20261121)
    assert account.figures["alerts"] == 300
    assert account.figures["lost"] == 0


async def test_a_flood_keeps_the_pace_and_lets_panic_pass(tmp_path: Path) -> None:
    async with storm_run(tmp_path, seed=1, chats=60, groups=4) as run:
        await run.start(1_200)
        await run.said(b"FIRED")
        await run.drained()
        await run.close()
        account = run.account(1_200)
    assert not account.wrong, account.table(1)
    assert account.figures["refused for the pace"] <= 2, account.table(1)
    assert account.figures["told again after a doubt"] == 0
    assert account.figures["panic messages"] >= 10


@pytest.mark.soak
async def test_ten_thousand_at_once_keep_the_pace_and_let_panic_pass(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with storm_run(tmp_path, seed=1, chats=CHATS, groups=GROUPS) as run:
        await run.start(ALERTS)
        began = time.monotonic()
        await run.said(b"FIRED")
        fired = time.monotonic() - began
        await run.drained()
        seconds = time.monotonic() - began
        await run.close()
        account = run.account(ALERTS)
    account.figures |= {"fired in s": fired, "drained in s": seconds}
    with capsys.disabled():
        sys.stdout.write(f"\n{account.table(1)}\n")
    assert not account.wrong, account.table(1)
    assert account.figures["refused for the pace"] <= 5, account.table(1)
    assert account.figures["panic p99 s"] <= 2.0, account.table(1)


@pytest.mark.soak
async def test_fifty_kills_in_a_storm_lose_nothing_and_double_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    seed = chosen_seed()
    async with storm_run(tmp_path, seed, chats=CHATS, groups=GROUPS) as run:
        account = await killed(run, ALERTS, KILLS)
    with capsys.disabled():
        sys.stdout.write(f"\n{account.table(seed)}\n")
    assert not account.wrong, account.table(seed)
