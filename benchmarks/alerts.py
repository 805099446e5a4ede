"""The engine of alerts: a tick where nothing fires, what a stored rule weighs, taking rules up, firing.

Rules are price levels on 600 markets with 5 metrics each, as the desk stores them: a crossing with its way back
and a cooldown, one in 35 on the busiest metric. "Each rule asked" is a loop over all rules as plain tuples, the
barest form of a naive engine. The peer is Telegram-Crypto-Alerts, which asks for one price over HTTP for each
alert at each look: here a request of httpx on a kept connection to a server on loopback that answers at once,
without its parsing of the alert, so in its favour; ours is one tick for all rules that are stored.
"""

import asyncio
import contextlib
import gc
import random
import time
import tracemalloc
from collections.abc import Callable, Iterator
from functools import partial

import httpx

from alerts.fast.engine import Engine
from alerts.types import AlertState, Cross, Metric, Op, Repeat
from benchmarks.row import Row, at_most, faster, seconds, span

Stored = tuple[int, Cross, Repeat, int, tuple[AlertState], tuple[str, ...]]

MARKETS, NAMES = 600, ("price", "funding", "premium", "imbalance", "turnover")
FEW, MANY = 1_000, 1_000_000
HOT_SHARE = 0.0286  # of all rules, on the busiest metric: 28.6 thousand of a million
MINUTE = 60_000
START = 1_790_000_000_000
START_PRICE = 60_000.0
POLLED = 300


def rows() -> list[Row]:
    """Few rules, then a million; the peer's way beside."""
    few, many = _quiet(_engine(FEW)), _quiet(_engine(MANY))
    naive = _naive()
    bytes_each, load = _weighed()
    fired, firing = _burst()
    asked = asyncio.run(_polled())
    return [
        Row(
            name="alert tick, nothing fires, 1M stored rules", measured=span(many),
            against=f"1,000 rules {span(few)}", ratio=many / few, goal="<= 1.5x",
            met=many / few <= 1.5,
        ),
        faster("  the same", many, naive, "each rule asked", goal=10_000),
        faster(
            "  a price for all 1M rules, polled for one", many, asked,
            "an HTTP request each (loopback)", goal=1_000,
        ),
        Row(
            name="memory of a stored simple rule", measured=f"{bytes_each:.1f} bytes",
            ratio=64 / bytes_each, goal="<= 64 bytes", met=bytes_each <= 64,
        ),
        at_most("1M rules taken up", load, 5.0),
        at_most(
            f"a rule fires, one of {fired:,} at one tick", firing, 1 / 100_000,
            note=" with its state",
        ),
    ]  # fmt: skip


def _metric(n: int) -> Metric:
    return Metric(subject=f"binance:C{n // len(NAMES)}/USDT:USDT", name=NAMES[n % len(NAMES)])


def _stored(count: int) -> Iterator[Stored]:
    """Rules around 60,000; none within 1 % of it, so that a quiet price wakes nobody."""
    chance = random.Random(7)
    metrics = [_metric(n) for n in range(MARKETS * len(NAMES))]
    for rule_id in range(1, count + 1):
        hot = chance.random() < HOT_SHARE
        metric = metrics[0] if hot else metrics[int(chance.random() * len(metrics))]
        away = chance.uniform(0.01, 0.5)
        up = chance.random() < 0.5
        level = 60_000 * (1 + away if up else 1 - away)
        condition = Cross(
            metric=metric, op=Op.ABOVE if up else Op.BELOW, level=level,
            rearm=level * (0.998 if up else 1.002), touch=True,
        )  # fmt: skip
        state = AlertState(
            rule_id=rule_id, side=-1 if up else 1, last_value=START_PRICE, last_ts=START
        )
        yield rule_id, condition, Repeat.EVERY, 5 * MINUTE, (state,), ()


def _engine(count: int) -> Engine:
    engine = Engine()
    for n in range(MARKETS * len(NAMES)):
        engine.mark(_metric(n), START, 60_000.0)
    engine.load(_stored(count))
    engine.tick(_metric(0), START + 1, 60_000.0)
    return engine


def _quiet(engine: Engine) -> float:
    """Seconds of a tick on the busiest metric, at prices that no rule waits for."""
    chance = random.Random(3)
    values = [60_000 * (1 + chance.uniform(-0.009, 0.009)) for _ in range(10_000)]
    metric, ts = _metric(0), [START + 2]

    def run() -> None:
        tick, now = engine.tick, ts[0]
        for value in values:
            now += 1
            if tick(metric, now, value):
                raise AssertionError("a rule fired")
        ts[0] = now

    return seconds(run) / len(values)


def _naive() -> float:
    """Seconds of a tick where each stored rule is asked whether it is concerned, and met."""
    rules = [(row[1].metric, row[1].op is Op.ABOVE, row[1].level) for row in _stored(MANY)]
    metric, value = _metric(0), 60_000.0

    def tick() -> int:
        fired = 0
        for of, up, level in rules:
            if of is metric and (value >= level if up else value <= level):
                fired += 1
        return fired

    return seconds(tick, least=0.1, rounds=2)


def _weighed() -> tuple[float, float]:
    """Bytes of a rule, and seconds to take up a million of them that are there as rows."""
    stored = list(_stored(MANY))
    gc.collect()
    gc.freeze()  # the rows are the store's, not the engine's
    load = min(_spent(lambda: Engine().load(stored)) for _ in range(2))
    tracemalloc.start()
    engine = Engine()
    engine.load(stored)
    gc.collect()
    kept = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    gc.unfreeze()
    assert len(engine) == MANY
    return kept / MANY, load


def _burst() -> tuple[int, float]:
    """Seconds for each of the rules that one tick fires, with the state that has to be stored."""
    metric, count = _metric(0), 10_000
    rows = [
        (
            n, Cross(metric=metric, op=Op.ABOVE, level=101 + n / count, rearm=100.5, touch=True),
            Repeat.EVERY, MINUTE, (AlertState(rule_id=n, side=-1, last_ts=START),), (),
        )
        for n in range(1, count + 1)
    ]  # fmt: skip
    times: list[float] = []
    for _ in range(5):
        engine = Engine()
        engine.mark(metric, START, 100.0)
        engine.load(rows)
        states: list[AlertState] = []
        times.append(_spent(partial(_fire, engine, metric, states)))
        assert len(states) == count
    return count, min(times) / count


def _fire(engine: Engine, metric: Metric, states: list[AlertState]) -> None:
    states += [fired.state for fired in engine.tick(metric, START + 9, 150.0)]


def _spent(call: Callable[[], None]) -> float:
    """Seconds of processor time of one call that cannot be repeated."""
    began = time.process_time()
    call()
    return time.process_time() - began


async def _polled() -> float:
    """Seconds of processor time for a price over HTTP from a server that answers at once: the client's and its own."""
    server = await asyncio.start_server(_answer, "127.0.0.1", 0)
    url = (
        f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/api/v3/ticker/price?symbol=BTCUSDT"
    )
    async with server:
        async with httpx.AsyncClient() as client:
            await client.get(url)
            began = time.process_time()
            for _ in range(POLLED):
                found = await client.get(url)
                assert float(found.json()["price"]) > START_PRICE
            spent = time.process_time() - began
        await asyncio.sleep(0.1)  # the server sees its client go
    return spent / POLLED


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    body = b'{"symbol":"BTCUSDT","price":"60000.10"}'
    head = (
        f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    with contextlib.suppress(asyncio.IncompleteReadError):
        while await reader.readuntil(b"\r\n\r\n"):
            writer.write(head.encode() + body)
    writer.close()
