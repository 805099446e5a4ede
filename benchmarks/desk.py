"""The desk, warm: how long commands take, and how long anything else on the event loop has to wait."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from statistics import median

from benchmarks.pictures import drawing
from benchmarks.row import Row, at_most, share, span, spread
from bot.app import Desk, open_desk
from bot.ask import _answer
from bot.config import load
from charts import render

COINS = ("eth", "sol", "btc")
PAUSE = (
    2.2  # seconds between commands: what they take from the venues' request budgets is back by then
)
PLAIN = ("/price {}", "/funding {}", "/top10", "/volume {} 15m", "/ta {} 1h", "/status")
PICTURES = ("/cvd {} 4h", "/oi {}", "/liqmap {}", "/chart {} 15m")
CHARTS = 30
TICK = 0.001
LIMIT = 0.010


@dataclass(slots=True)
class Waits:
    """How late a task woke that wanted to every millisecond, and the loop's processor time in between."""

    late: list[float] = field(default_factory=list)
    busy: list[float] = field(default_factory=list)

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            began, used = time.perf_counter(), time.thread_time()
            await asyncio.sleep(TICK)
            self.late.append(time.perf_counter() - began - TICK)
            self.busy.append(time.thread_time() - used)

    def rows(self, name: str, against: str, *, goal: bool) -> list[Row]:
        """99 of 100 wake-ups, and the worst."""
        worst, used = max(self.late), max(self.busy)
        note = f", worst {span(worst)}, of it ours {span(used)}, n={len(self.late)}"
        found = share(self.late, 0.99)
        if goal:
            return [at_most(name, found, LIMIT, against=against, note=note)]
        return [Row(name=name, measured=span(found) + note, against=against)]


@asynccontextmanager
async def ticking() -> AsyncIterator[Waits]:
    """Wake-ups while the body runs."""
    waits = Waits()
    task = asyncio.create_task(waits.run())
    try:
        yield waits
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def rows() -> list[Row]:
    """Everything on one desk over a simulated market."""
    return asyncio.run(_measure())


async def _measure() -> list[Row]:
    async with open_desk(load(), asking=True) as desk:
        for line in (*PLAIN, *PICTURES):
            await _asked(desk, line.format("btc"))
        found = await _commands(desk)
        async with ticking() as idle:
            await asyncio.sleep(0.5)
        found += idle.rows("loop wait p99, idle", "(what this machine does by itself)", goal=False)
        answering = await _while_answering(desk)
        return found + await _while_drawing(desk) + answering


async def _commands(desk: Desk) -> list[Row]:
    """Each command on several coins; nothing that was fetched before is used again."""
    found = []
    for lines, limit in ((PLAIN, 0.3), (PICTURES, 1.0)):
        for line in lines:
            spans = []
            for coin in COINS:
                await asyncio.sleep(PAUSE)
                spans.append(await _asked(desk, line.format(coin)))
            found.append(
                Row(
                    name=f"warm {line.format('COIN')}", measured=spread(spans),
                    ratio=limit / median(spans), goal=f"<= {span(limit)}",
                    met=median(spans) <= limit,
                )
            )  # fmt: skip
    return found


async def _asked(desk: Desk, line: str) -> float:
    """Seconds until the answer; RuntimeError where it is not one."""
    desk.market._cache.forget()
    for venue in desk.market.venues.values():
        venue._shared.forget()
    began = time.perf_counter()
    reply, status = await _answer(desk, line)
    spent = time.perf_counter() - began
    if status:
        raise RuntimeError(f"{line}: {reply.text}")
    return spent


async def _while_drawing(desk: Desk) -> list[Row]:
    """Thirty pictures in the drawing process; then five on the loop, as the naive form does."""
    data = drawing()
    async with ticking() as apart:
        await _repeat(CHARTS, lambda: desk.app.draw("candles", data))
    async with ticking() as naive:
        for _ in range(5):
            render("candles", data)
            await asyncio.sleep(2 * TICK)
    against = f"drawn on the loop, worst {span(max(naive.late))}"
    return apart.rows("loop wait p99 while charts render", against, goal=True)


async def _while_answering(desk: Desk) -> list[Row]:
    """Commands and pictures at once: for the record, processor time of the commands is in it."""
    data = drawing()
    async with ticking() as waits:
        await asyncio.gather(
            _repeat(CHARTS, lambda: desk.app.draw("candles", data)),
            _in_turn(
                lambda line=line: _asked(desk, line)  # type: ignore[misc]
                for line in (each.format(coin) for coin in COINS for each in (*PLAIN, *PICTURES))
            ),
        )
    return waits.rows(
        f"  and {len(COINS) * len((*PLAIN, *PICTURES))} commands are answered in a burst",
        "",
        goal=False,
    )


async def _repeat(times: int, call: Callable[[], Awaitable[object]]) -> None:
    for _ in range(times):
        if await call() is None:
            raise RuntimeError("a picture could not be drawn")


async def _in_turn(calls: Iterable[Callable[[], Awaitable[object]]]) -> None:
    for call in calls:
        await call()
