"""From a tick to a request at Telegram with 50,000 rules; what rules that do not fire cost; what a firing costs.

One process as the bot has it: streams, runner, engine, commit on SQLite, outbox, gateway, python-telegram-bot. The
sender of trades and the Bot API server are processes of their own on loopback. Alerts go out as words: what a
picture takes to draw is in the rows of `pictures`. Where rules fire, the market rises evenly, so that one fires every
0.4 s: of many at once most would wait for Telegram's pace, which the rows of `storm` measure.
"""

import asyncio
import contextlib
import gc
import itertools
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path
from typing import Any

from alerts.committing import Committer
from alerts.gates import Gates
from alerts.metrics import Metrics
from alerts.outbox import Outbox
from alerts.runner import Runner
from alerts.types import (
    AlertRule,
    AlertState,
    Cross,
    Firing,
    Metric,
    Op,
    OutboxRow,
    Repeat,
    Signal,
)
from benchmarks.flood import SYMBOLS
from benchmarks.peers.ours import instruments
from benchmarks.row import Row, at_most, share, span
from bot.telegram.build import build_bot
from bot.telegram.buttons import Buttons
from bot.telegram.channel import TelegramChannel
from bot.telegram.gateway import Gateway
from exchanges.endpoints import Endpoints
from exchanges.streams.decoder import News
from exchanges.streams.supervisor import Streams
from market.clock import WallClock
from market.symbols import Directory
from market.types import Trade
from storage.alert_rows import rule_values, state_values
from storage.alerts import Alerts
from storage.buttons import Buttons as ButtonRows
from storage.db import Database
from storage.tables import alert_states, alerts

ROOT = Path(__file__).parents[1]
RULES, FIRING = 50_000, 100
STORED = 100_000
RATE, COUNT, LONG = (
    2_000,
    24_000,
    80_000,
)  # messages a second, messages, messages of the run that fires
BURST, SYNCS = 5_000, 200
TOKEN = "1:" + "x" * 35


def rows() -> list[Row]:
    """All of it."""
    return [*asyncio.run(_ticks()), asyncio.run(_start()), *asyncio.run(_commits())]


async def _start() -> Row:
    """What the start of the process reads: rules and states from the database into the engine."""
    with tempfile.TemporaryDirectory() as folder:
        database = Database.open(f"sqlite:///{folder}/bench.db")
        await database.start()
        await _stored(database, STORED, 0)
        streams, _committer, runner = _watching(database, 0)
        gc.collect()
        gc.freeze()  # as the bot does before
        began = time.perf_counter()
        await runner.load()
        seconds = time.perf_counter() - began
        gc.unfreeze()
        await streams.close()
        await database.close()
    return at_most(f"{STORED:,} rules from the database", seconds, 5.0 * STORED / 1_000_000)


async def _ticks() -> list[Row]:
    empty = await _run(rules=0, firing=0)
    quiet = await _run(rules=RULES, firing=0)
    loud = await _run(rules=RULES, firing=FIRING)
    ratio = quiet.cpu / empty.cpu
    return [
        at_most(
            f"tick to Telegram request at {RATE:,} msg/s, {RULES:,} rules, p99",
            share(loud.delays, 0.99), 0.05,
            note=f" (p50 {span(share(loud.delays, 0.5))}, n {len(loud.delays)}, fired {loud.fired})",
        ),
        Row(
            name=f"processor time with {RULES:,} rules", measured=f"{quiet.cpu:.2f} s",
            against=f"without rules {empty.cpu:.2f} s", ratio=ratio, goal="<= 1.2x", met=ratio <= 1.2,
        ),
    ]  # fmt: skip


class Listed:
    """The part of a market that alerts ask here."""

    def __init__(self, streams: Streams) -> None:
        self.streams = streams
        self.directory = Directory(instruments())

    def missing(self) -> list[str]:
        """Every market is loaded."""
        return []


class Found:
    """What one run gave."""

    def __init__(self) -> None:
        self.cpu = 0.0
        self.fired = 0
        self.delays: list[float] = []


async def _run(*, rules: int, firing: int) -> Found:
    found, stamps = Found(), {}
    count = LONG if firing else COUNT
    flooding = (str(count), str(RATE), *(["rising"] if firing else []))
    with tempfile.TemporaryDirectory() as folder, _child("benchmarks.botapi") as api:
        with _child("benchmarks.flood", *flooding) as flood:
            ports = [int((each.stdout or sys.stdin).readline()) for each in (flood, api)]
            async with _desk(Path(folder), ports, rules=rules, firing=firing) as desk:
                streams, runner = desk
                seen = 0

                def stamp(news: Sequence[News]) -> None:
                    nonlocal seen
                    at = time.monotonic()
                    for each in news:
                        if type(each) is Trade:
                            seen += 1
                            stamps.setdefault((each.instrument.base, each.ts), at)

                streams.on_events.insert(0, stamp)
                await streams.watch(instruments())
                began = None
                while seen < count:
                    await asyncio.sleep(0.05)
                    if began is None and seen:
                        began = time.process_time()
                found.cpu = time.process_time() - (began or 0.0)
                await asyncio.sleep(3.0 if firing else 0.0)
                signals = list(runner.committer.signals)
                found.fired = runner.committer.committed
        out, _err = api.communicate(timeout=20)
        asked = {chat: at for at, chat, _text in (json.loads(line) for line in out.splitlines())}
    found.delays = _delays(signals, asked, stamps)
    return found


def _delays(
    signals: Sequence[Signal], asked: dict[int, float], stamps: dict[Any, float]
) -> list[float]:
    """Seconds from the reading of the trade that fired a rule to the request that tells it."""
    return [
        asked[each.rule.chat_id] - stamps[each.rule.coin, each.sample.ts]
        for each in signals
        if each.rule.chat_id in asked and (each.rule.coin, each.sample.ts) in stamps
    ]


def _watching(database: Database, port: int) -> tuple[Streams, Committer, Runner]:
    """What looks at the figures, on a database, fed from a port."""
    wall, store = WallClock(time.time), Alerts(database)
    streams = Streams(Endpoints(streams={"binance.perp": f"ws://127.0.0.1:{port}"}), wall, wall)
    market: Any = Listed(streams)
    metrics, turn = Metrics(market), asyncio.Lock()
    committer = Committer(store, market, metrics, Gates(store, wall), wall, wall, lock=turn)
    runner = Runner(
        store=store, market=market, streams=streams, metrics=metrics, committer=committer,
        clock=wall, wall=wall, lock=turn,
    )  # fmt: skip
    return streams, committer, runner


@contextlib.asynccontextmanager
async def _desk(
    folder: Path, ports: Sequence[int], *, rules: int, firing: int
) -> AsyncIterator[tuple[Streams, Runner]]:
    """Streams to runner to outbox to a bot, all running."""
    wall = WallClock(time.time)
    database = Database.open(f"sqlite:///{folder}/bench.db")
    await database.start()
    store = Alerts(database)
    await _stored(database, rules, firing)
    streams, committer, runner = _watching(database, ports[0])
    await runner.load()
    streams.on_events.append(runner.take)
    runner._trades.open = True  # what was before this run is nobody's business here
    bot = build_bot(TOKEN, f"http://127.0.0.1:{ports[1]}/bot", f"http://127.0.0.1:{ports[1]}/file")
    await bot.initialize()
    gateway = Gateway(bot, wall)
    channel = TelegramChannel(gateway, _no_picture, Buttons(ButtonRows(database), wall))
    outbox = Outbox(store, {"telegram": channel}, wall, wake=committer.wake)
    tasks = [asyncio.create_task(outbox.run()), asyncio.create_task(committer.run())]
    try:
        yield streams, runner
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await gateway.close(1.0)
        await bot.shutdown()
        await streams.close()
        await database.close()


async def _no_picture(_name: str, _data: Any) -> None:
    return None


@contextlib.contextmanager
def _child(module: str, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-m", module, *arguments], cwd=ROOT,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        yield process
    finally:
        if process.stdin is not None and not process.stdin.closed:
            process.stdin.close()
        process.wait(20)


async def _stored(database: Database, rules: int, firing: int) -> None:
    """Rules beyond prices of 99 to 101; those that fire are reached one after the other as the market rises."""
    chance = random.Random(3)
    made = [_rule(number, chance, reached=number < firing) for number in range(rules)]
    values = [{**rule_values(each, 0), "id": n} for n, each in enumerate(made, 1)]
    states = [
        state_values(AlertState(rule_id=n, side=-1 if _above(each) else 1))
        for n, each in enumerate(made, 1)
    ]
    async with database.main.write() as connection:
        if rules:
            await connection.execute(alerts.insert(), values)
            await connection.execute(alert_states.insert(), states)


def _above(rule: AlertRule) -> bool:
    return isinstance(rule.condition, Cross) and rule.condition.op is Op.ABOVE


def _rule(number: int, chance: random.Random, *, reached: bool) -> AlertRule:
    instrument = instruments()[number % SYMBOLS]
    op = Op.ABOVE if reached or number % 2 else Op.BELOW
    far = chance.uniform(1.2, 40.0)
    level = 100 + ((number + 0.5) / FIRING if reached else far if op is Op.ABOVE else -far)
    return AlertRule(
        id=0, chat_id=1000 + number, owner_id=1, kind="price", text=f"/alert {number}",
        coin=instrument.base, repeat=Repeat.ONCE,
        condition=Cross(
            metric=Metric(subject=instrument.key, name="price"), op=op, level=level, touch=True
        ),
    )  # fmt: skip


async def _commits() -> list[Row]:
    """What a firing costs on the disk beside the disk's own sync."""
    with tempfile.TemporaryDirectory(dir=ROOT) as folder:
        sync = _sync(Path(folder))
        database = Database.open(f"sqlite:///{folder}/bench.db")
        await database.start()
        store = Alerts(database)
        made = await store.add(_rule(0, random.Random(1), reached=False), AlertState(rule_id=0))
        number = itertools.count(1)
        single: list[float] = []
        for _ in range(SYNCS):
            began = time.perf_counter()
            await _fire(store, made, [next(number)])
            single.append(time.perf_counter() - began)
        burst: list[float] = []
        for _ in range(3):
            ids = [next(number) for _ in range(BURST)]
            began = time.perf_counter()
            await _fire(store, made, ids)
            burst.append((time.perf_counter() - began - share(sync, 0.5)) / BURST)
        await database.close()
    one, own = share(single, 0.5), share(sync, 0.5)
    return [
        Row(
            name="a durable firing, median", measured=span(one), against=f"fdatasync {span(own)}",
            ratio=one / own, goal="<= 12x", met=one / own <= 12,
        ),
        at_most(f"a firing in a burst of {BURST:,}", min(burst), 50e-6),
    ]  # fmt: skip


async def _fire(store: Alerts, rule: AlertRule, numbers: Sequence[int]) -> None:
    now = 1_780_000_000_000
    await store.fire(
        [Firing(rule_id=rule.id, transition=n, ts=now + n, value=1.0, threshold=1.0, text="x" * 60) for n in numbers],
        [AlertState(rule_id=rule.id, transition=numbers[-1], last_ts=now)],
        [
            OutboxRow(
                id=0, alert_id=rule.id, transition=n, channel="telegram", chat_id=rule.chat_id,
                payload="x" * 600, created_ts=now,
            )
            for n in numbers
        ],
        now=now,
    )  # fmt: skip


def _sync(folder: Path) -> list[float]:
    """Seconds that the disk takes to keep 4 KB written to the end of a file."""
    found = []
    handle = os.open(folder / "probe", os.O_CREAT | os.O_WRONLY)
    try:
        for _ in range(SYNCS):
            os.write(handle, b"x" * 4096)
            began = time.perf_counter()
            os.fdatasync(handle)
            found.append(time.perf_counter() - began)
    finally:
        os.close(handle)
    return found
