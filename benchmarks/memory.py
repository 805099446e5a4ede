"""Resident memory of the bot's own process; the local servers are children and not in it."""

import asyncio
import gc
import os
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks import payloads
from benchmarks.row import Row
from benchmarks.venue import instruments, theirs
from bot.app import open_desk
from bot.config import load

MIB = 1024 * 1024
LIMIT, ASPIRED = 300.0, 150.0
COMMANDS = ("/price btc", "/top10", "/cvd btc 4h", "/ta btc", "/chart btc")
PAGE = os.sysconf("SC_PAGE_SIZE")


def resident() -> float:
    """MiB of this process in memory now."""
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE / MIB


def rows() -> list[Row]:
    """After opening the desk, after using it, and with a venue of 3,400 markets besides."""
    return asyncio.run(_measure())


async def _measure() -> list[Row]:
    async with open_desk(load(), asking=True) as desk:
        opened = resident()
        markets = len(desk.market.directory.all)
        await _use(desk)
        used = resident()
        info = payloads.exchange_info()
        table, ours = _allocated(lambda: instruments(info))
        client, peer = _allocated(theirs)
        assert len(table) == len(client.markets) == payloads.COUNT
        await client.close()
    return [
        _limited(f"memory with all markets of the sim ({markets})", opened),
        _limited("  after ten commands and pictures", used),
        Row(
            name="memory of 3,400 markets", measured=f"{ours:.1f} MiB",
            against=f"ccxt set_markets {peer:.1f} MiB", ratio=peer / ours,
            goal=">= 10x", met=peer / ours >= 10,
        ),
        _limited("  the desk with them", used + ours),
    ]  # fmt: skip


def _allocated(make: Callable[[], Any]) -> tuple[Any, float]:
    """What is made, and the MiB that it keeps."""
    gc.collect()
    tracemalloc.start()
    made = make()
    gc.collect()
    kept = tracemalloc.get_traced_memory()[0] / MIB
    tracemalloc.stop()
    return made, kept


async def _use(desk: Any) -> None:
    from bot.ask import _answer  # noqa: PLC0415 - its imports belong to the second figure

    for line in COMMANDS * 2:
        reply, status = await _answer(desk, line)
        if status:
            raise RuntimeError(f"{line}: {reply.text}")


def _limited(name: str, found: float) -> Row:
    return Row(
        name=name, measured=f"{found:.0f} MiB", against=f"(aspired: {ASPIRED:.0f} MiB)",
        ratio=LIMIT / found, goal=f"<= {LIMIT:.0f} MiB", met=found <= LIMIT,
    )  # fmt: skip
