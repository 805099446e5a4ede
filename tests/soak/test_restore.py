"""kill -9 ten times during a cascade: what is restored equals a run that was never cut, but for the stated gaps."""

import asyncio
import json
import os
import random
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from bot.children import child

HERE = Path(__file__).parent
KILLS = int(os.environ.get("TIDEMARK_KILLS", "10"))
SPEED = 6
START = 1_780_272_000_000
SETTLED = 4_000  # market ms after which what happened has arrived
PATIENCE = 120.0
WINDOWS = 12


class Process:
    """One desk that watches; `kill` is SIGKILL."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self.folder = folder
        self._environment = {
            **os.environ, **environment, "DATABASE_URL": f"sqlite:///{folder}/live.db",
            "LOG_LEVEL": "WARNING",
        }  # fmt: skip
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        self.folder.mkdir(exist_ok=True)
        errors = (self.folder / "errors.log").open("ab")
        self._process = await asyncio.create_subprocess_exec(
            sys.executable, str(HERE / "live_process.py"), cwd=HERE.parents[1], env=self._environment,
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=errors, limit=2**26,
        )  # fmt: skip
        errors.close()
        await self._line()

    async def ask(self, windows: list[list[int]]) -> dict[str, Any]:
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"windows": windows}).encode() + b"\n")
        return await self._line()

    async def armed(self) -> dict[str, Any]:
        """Wait until what was missed has been fetched or given up."""
        async with asyncio.timeout(PATIENCE):
            while True:
                found = await self.ask([[0, 1]])
                if found["armed"] and found["states"]:
                    return found
                await asyncio.sleep(0.2)

    async def kill(self) -> None:
        assert self._process is not None
        self._process.kill()
        await self._process.wait()

    async def end(self) -> None:
        if self._process is not None and self._process.returncode is None:
            assert self._process.stdin is not None
            self._process.stdin.close()
            async with asyncio.timeout(15):
                await self._process.wait()

    async def _line(self) -> dict[str, Any]:
        assert self._process is not None
        assert self._process.stdout is not None
        async with asyncio.timeout(PATIENCE):
            line = await self._process.stdout.readline()
        errors = (self.folder / "errors.log").read_text()[-2000:]
        assert line, f"the process ended: {errors}"
        found: dict[str, Any] = json.loads(line)
        return found


@asynccontextmanager
async def bench(tmp_path: Path) -> AsyncIterator[tuple[Process, Process]]:
    """A market that runs a cascade, a desk that nobody disturbs and one that is killed."""
    scenario = ",".join(
        f"cascade:{base}@{at}" for at, base in ((90, "BTC"), (300, "ETH"), (600, "BTC"))
    )
    market = {
        "MARKET": "sim", "SIM_SEED": "11", "SIM_START": str(START), "SIM_SCENARIO": scenario,
        "MARKET_SPEED": str(SPEED), "TELEGRAM_BOT_TOKEN": "",
    }  # fmt: skip
    async with child(["market"], market) as told:
        environment = {**market, "MARKET_URL": told["url"]}
        whole, killed = (Process(tmp_path / name, environment) for name in ("whole", "killed"))
        try:
            await asyncio.gather(whole.start(), killed.start())
            yield whole, killed
        finally:
            await asyncio.gather(whole.end(), killed.end(), return_exceptions=True)


class Comparison:
    """The killed desk against the other."""

    def __init__(self) -> None:
        self.same = self.gapped = self.instruments = 0
        self.wrong: list[str] = []

    def look(self, whole: dict[str, Any], killed: dict[str, Any]) -> None:
        shared = set(whole["states"]) & set(killed["states"])
        self.instruments = max(self.instruments, len(shared))
        for key in sorted(shared):
            theirs, mine = whole["states"][key], killed["states"][key]
            for a, b in zip(theirs["flow"], mine["flow"], strict=True):
                self._window(key, theirs, mine, a, b)

    def _window(self, key: str, theirs: Any, mine: Any, a: list[Any], b: list[Any]) -> None:
        since, until = a[0], a[1]
        if max(theirs["started"], mine["started"]) > since or [b[0], b[1]] != [since, until]:
            return
        if a[5]:
            return  # even the undisturbed one says that it missed something
        if b[5]:  # it says where it was blind: never more than there was
            self.gapped += 1
            if b[4] > a[4]:
                self.wrong.append(
                    f"{key} {since}..{until}: {b[4]} trades of {a[4]} in spite of a gap"
                )
            return
        self.same += 1
        gross = max(a[2] + a[3], 1.0)
        if b[4] != a[4] or abs(a[2] - b[2]) > 1e-9 * gross or abs(a[3] - b[3]) > 1e-9 * gross:
            self.wrong.append(f"{key} {since}..{until}: {b[2:5]} is not {a[2:5]}, no gap stated")


async def kill_and_compare(
    whole: Process, killed: Process, kills: int, chance: random.Random
) -> Comparison:
    """Kill, start again, and compare what both say of the same windows."""
    found = Comparison()
    began = (await whole.armed())["now"]
    async with asyncio.timeout(PATIENCE):
        while (await killed.armed())["checkpoint"] is None:  # noqa: ASYNC110 - of another process
            await asyncio.sleep(0.5)
    for _ in range(kills):
        await asyncio.sleep(chance.uniform(2.0, 14.0))
        await killed.kill()
        await asyncio.sleep(chance.uniform(0.0, 2.0))
        await killed.start()
        await killed.armed()
        await asyncio.sleep(SETTLED / 1000 / SPEED + 1.0)
        now = (await whole.ask([[0, 1]]))["now"]
        last = (now - SETTLED) // 1000 * 1000
        windows = [[began // 1000 * 1000 + 5_000, last]]
        for _ in range(WINDOWS):
            since = chance.randrange(windows[0][0], last - 1_000) // 1000 * 1000
            windows.append([since, chance.randrange(since + 1_000, last + 1) // 1000 * 1000])
        windows.append(windows[0])
        found.look(*await asyncio.gather(whole.ask(windows), killed.ask(windows)))
    return found


async def test_one_kill_loses_nothing_unsaid(tmp_path: Path) -> None:
    async with bench(tmp_path) as (whole, killed):
        found = await kill_and_compare(whole, killed, 1, random.Random(3))
    assert not found.wrong, found.wrong[:5]
    assert found.same + found.gapped > 50


@pytest.mark.soak
async def test_many_kills_in_a_cascade_lose_nothing_unsaid(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    seed = int(os.environ.get("TIDEMARK_SEED", "0")) or random.SystemRandom().randrange(10**6) + 1
    async with bench(tmp_path) as (whole, killed):
        found = await kill_and_compare(whole, killed, KILLS, random.Random(seed))
    with capsys.disabled():
        sys.stdout.write(
            f"\nseed {seed}: {KILLS} kills, {found.instruments} instruments: {found.same} windows equal to the "
            f"undisturbed run, {found.gapped} marked with a gap, wrong {len(found.wrong)}\n"
        )
    assert not found.wrong, found.wrong[:10]
    assert found.same > 100 * KILLS
