"""The live market at work: how soon a trade is in the state, what 600 instruments weigh, what the rounds cost.

Latency is measured in one process with the streams, as the bot has them; the sender is another process.
"""

import asyncio
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from analytics.scan import Scan
from analytics.state import SymbolState
from benchmarks.memory import resident
from benchmarks.peers.ours import instruments
from benchmarks.row import Row, at_most, seconds, share, span
from exchanges.endpoints import Endpoints
from exchanges.streams.checkpoint import Checkpointer
from exchanges.streams.supervisor import Streams
from market.clock import FixedClock, WallClock
from market.types import HOUR, MINUTE, Instrument, Side, Trade
from storage.checkpoints import Checkpoints
from storage.db import Database

ROOT = Path(__file__).parents[1]
NOW = 1_780_272_000_000
STATES, SAVED, SCANNED = 600, 300, 600
SPAN = 2 * HOUR  # of market time that the states have seen
BUSIEST = 60.0  # trades a second of the first; the n-th has 1/n of it
SLOW, FAST = 2_000, 10_000  # messages a second


def rows() -> list[Row]:
    """All of it."""
    steady = _latency(SLOW, 12_000)
    busy = _latency(FAST, 50_000)
    return [
        at_most(
            f"message to state at {SLOW:,}/s, p99", share(steady, 0.99), 0.001,
            note=f" (p50 {span(share(steady, 0.5))})",
        ),
        at_most(
            f"message to what a consumer reads at {FAST:,}/s, worst", max(busy), 1.0,
            note=f" (p99 {span(share(busy, 0.99))})",
        ),
        *_memory(), _scan(), *asyncio.run(_checkpoint()),
    ]  # fmt: skip


def _latency(rate: int, count: int) -> list[float]:
    """Seconds from the socket's reading to the bus, by trade."""
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.flood", str(count), str(rate)], cwd=ROOT,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        return asyncio.run(_listen(int(process.stdout.readline()), count))
    finally:
        process.stdin.close()
        process.wait(10)


async def _listen(port: int, count: int) -> list[float]:
    """`recv_ts` is stamped when a message is read; by the time the bus hands it out the state has it."""
    clock = Stamps()
    streams = Streams(Endpoints(streams={"binance.perp": f"ws://127.0.0.1:{port}"}), clock, clock)
    found: list[float] = []
    with streams.bus.subscribe("bench") as queue:
        watching = asyncio.create_task(streams.watch(instruments()))
        async with asyncio.timeout(60):
            async for news in queue:
                now = time.monotonic()
                found += [now - clock.at(each.recv_ts) for each in news if isinstance(each, Trade)]
                if len(found) >= count:
                    break
        await watching
    await streams.close()
    return found[len(found) // 10 :]  # the first tenth is the start of both processes


class Stamps(WallClock):
    """A wall clock whose readings lead back to a finer one: ms would hide what is measured."""

    def __init__(self) -> None:
        super().__init__(time.time)
        self._fine: dict[int, float] = {}

    def now(self) -> int:
        """Milliseconds UTC."""
        ms = super().now()
        self._fine.setdefault(ms, time.monotonic())
        return ms

    def at(self, ms: int) -> float:
        """When that millisecond was first read."""
        return self._fine[ms]


def perps(count: int) -> list[Instrument]:
    """Made-up perps."""
    return [
        Instrument(
            exchange="binance", symbol=f"C{i:04d}/USDT:USDT", base=f"C{i:04d}", quote="USDT",
            perp=True, id=f"C{i:04d}USDT",
        )
        for i in range(count)
    ]  # fmt: skip


def fed(instrument: Instrument, rate: float, lasting: int) -> SymbolState:
    """A state that has seen `rate` trades a second for so many ms."""
    chance = random.Random(instrument.id)
    state = SymbolState(instrument, NOW - lasting)
    ts, number, batch = float(NOW - lasting), 0, []
    while ts < NOW:
        ts += chance.expovariate(rate) * 1000
        number += 1
        batch.append(
            Trade(
                instrument=instrument, ts=int(ts), price=100 + chance.random(),
                amount=chance.lognormvariate(0, 2), side=Side.BUY if chance.random() < 0.5 else Side.SELL,
                id=str(number), seq=number,
            )
        )  # fmt: skip
        if len(batch) >= 500:
            state.update(batch)
            batch = []
    state.update(batch)
    return state


def _memory() -> list[Row]:
    """600 states after four hours of a market whose n-th perp has 60/n trades a second."""
    before = resident()
    states = [fed(each, BUSIEST / (n + 1), SPAN) for n, each in enumerate(perps(STATES))]
    held = resident() - before
    trades = sum(state.flow.trades for state in states)
    return [
        Row(
            name=f"live state of {STATES} instruments", measured=f"{held:.0f} MiB",
            against=f"after {trades:,} trades in {SPAN // HOUR} h, 60/n a second", ratio=100 / held,
            goal="<= 100 MiB", met=held <= 100,
        )
    ]  # fmt: skip


def _scan() -> Row:
    chance = random.Random(7)
    scan, names = Scan(), [f"C{i:04d}" for i in range(SCANNED)]
    minute = 0

    def turn() -> None:
        nonlocal minute
        minute += 1
        scan.update(
            NOW + minute * MINUTE,
            {name: (100 + chance.random(), 1e7 + chance.random() * 1e5) for name in names},
        )

    for _ in range(130):
        turn()
    return at_most(f"scan of {SCANNED} perps, each minute", seconds(turn), 0.005)


async def _checkpoint() -> list[Row]:
    """Longest time in which the loop could do nothing else while 300 states are saved."""
    clock = FixedClock(NOW)
    states = [fed(each, BUSIEST / (n + 1), 30 * MINUTE) for n, each in enumerate(perps(SAVED))]
    with tempfile.TemporaryDirectory() as folder:
        database = Database.open(f"sqlite:///{folder}/bench.db")
        await database.start()
        saver = Checkpointer(
            Checkpoints(database), clock, states=lambda: states, adopt=lambda _state, _until: True
        )
        await saver.save()  # the minutes of before
        lags: list[float] = []
        for _ in range(5):
            clock.advance(MINUTE)
            probe = asyncio.create_task(_probe(lags))
            await saver.save()
            probe.cancel()
            await asyncio.gather(probe, return_exceptions=True)
        await database.close()
    return [
        at_most(
            f"event loop while {SAVED} states are saved, worst",
            max(lags),
            0.010,
            note=f" (p99 {span(share(lags, 0.99))})",
        )
    ]


async def _probe(lags: list[float]) -> None:
    while True:
        began = time.perf_counter()
        await asyncio.sleep(0.001)
        lags.append(time.perf_counter() - began - 0.001)
