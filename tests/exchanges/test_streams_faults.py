"""Against a local server whose streams misbehave: nothing counts twice, and what is missing is marked."""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from stream_venue import BINANCE, START, aggregate, desk, until
from test_streams_warm import START as OPENING
from test_streams_warm import Rows, brute, made_rows, write

from exchanges.endpoints import load_endpoints
from exchanges.local import pump
from exchanges.local.faults import Fault
from exchanges.local.recording import Recording
from exchanges.local.server import LocalServer
from exchanges.streams import connection, rhythm
from exchanges.streams.decoder import Channel
from exchanges.streams.supervisor import Streams
from market.clock import FixedClock, WallClock
from market.types import MINUTE, Instrument

STEP = 1000  # market ms in one step of the test
BEGIN = OPENING + 10 * MINUTE
NUMBERED = ("binance", "okx")


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Everything that takes seconds takes a fraction of one."""
    monkeypatch.setattr(connection, "FIRST_DELAY", 0.01)
    monkeypatch.setattr(connection, "MOST_DELAY", 0.05)
    monkeypatch.setattr(connection, "TICK", 0.02)
    monkeypatch.setattr(connection, "PING", 100)
    monkeypatch.setattr(connection, "SILENCE", 400)
    monkeypatch.setattr(rhythm, "SILENCE", 400)
    monkeypatch.setattr(pump, "TICK", 0.01)
    return


class Bench:
    """Streams that watch one instrument of every venue, and what really happened."""

    def __init__(self, server: LocalServer, streams: Streams, clock: FixedClock) -> None:
        self.server, self.streams, self.clock = server, streams, clock
        self.instruments = {each.exchange: each for each in server.source.instruments()}
        self.rows: Rows = made_rows()

    async def run(self, steps: int) -> None:
        """Let the market go on."""
        for _ in range(steps):
            self.clock.advance(STEP)
            await asyncio.sleep(0.015)

    def fault(self, kind: str, **about: Any) -> None:
        for name in about.pop("venues", self.instruments):
            self.server.faults.set(Fault(exchange=name, fault=kind, **about))

    async def quiet(self) -> None:
        """No more faults; every feed is back and everything that comes late has come."""
        self.fault("none")
        wanted = list(self.instruments.values())
        async with asyncio.timeout(10):
            while True:
                await self.run(1)
                told = self.streams.status()
                if all(told[each.exchange].watched for each in wanted):
                    break
        await self.run(12)

    def missing(self, instrument: Instrument) -> int:
        """Trades that were not counted. Whole minutes without a mark equal the truth; none has more than that."""
        flow = self.streams.flow(instrument)
        assert flow is not None
        until = self.clock.now() // MINUTE * MINUTE
        gone = 0
        for start in range(BEGIN, until, MINUTE):
            found, truth = (
                flow.window(start, start + MINUTE),
                brute(self.rows, start, start + MINUTE),
            )
            if not flow.gaps(start, start + MINUTE):
                assert found.n == truth[3], (instrument.key, start - BEGIN)
                assert found.delta_base == pytest.approx(truth[0], abs=1e-6)
                assert found.value == pytest.approx(truth[2], rel=1e-9)
            assert found.n <= truth[3]
            assert found.value <= truth[2] * (1 + 1e-9)
            gone += truth[3] - found.n
        return gone


@asynccontextmanager
async def bench(folder: Path) -> AsyncIterator[Bench]:
    clock = FixedClock(BEGIN)
    server = LocalServer(Recording(write(folder, made_rows()), clock))
    await server.start()
    streams = Streams(await load_endpoints(server.url), clock, WallClock(time.time))
    made = Bench(server, streams, clock)
    try:
        await streams.watch(list(made.instruments.values()))
        yield made
    finally:
        await streams.close()
        await server.close()


async def test_what_comes_late_twice_or_out_of_order_counts_once(tmp_path: Path) -> None:
    async with bench(tmp_path / "r") as b:
        await b.run(10)
        for kind in ("delay", "duplicate", "reorder"):
            b.fault(kind, delay=0.1, share=0.5)
        await b.run(40)
        await b.quiet()
        for each in b.instruments.values():
            assert b.missing(each) == 0
            flow = b.streams.flow(each)
            assert flow is not None
            assert flow.trades > 30


@pytest.mark.parametrize(
    ("kind", "about"),
    [
        ("drop", {}),
        ("freeze", {"pongs": False}),
        ("malformed", {"instead": True, "share": 0.3}),
        ("idgap", {"share": 0.2, "run": 3, "venues": NUMBERED}),
    ],
)
async def test_what_is_missing_is_marked(tmp_path: Path, kind: str, about: dict[str, Any]) -> None:
    async with bench(tmp_path / "r") as b:
        await b.run(15)
        b.fault(kind, **about)
        await b.run(40)
        await b.quiet()
        hit = [b.instruments[name] for name in about.get("venues", b.instruments)]
        gone = {each.exchange: b.missing(each) for each in b.instruments.values()}
        assert any(gone[each.exchange] for each in hit), gone
        now = b.clock.now()
        for each in b.instruments.values():
            flow = b.streams.flow(each)
            assert flow is not None
            known = b.streams.ledger.blind(BEGIN, now, each, Channel.TRADES)
            for gap in flow.gaps(BEGIN, now):
                assert any(k.from_ts <= gap.from_ts and gap.to_ts <= k.to_ts for k in known)


async def test_all_faults_in_turn_on_all_venues_at_once(tmp_path: Path) -> None:
    chance = random.Random(11)
    async with bench(tmp_path / "r") as b:
        await b.run(10)
        for _ in range(16):
            name = chance.choice(list(b.instruments))
            kinds = ["drop", "refuse", "freeze", "delay", "duplicate", "reorder", "malformed"]
            kinds += ["wrong_types"] + ["idgap"] * (name in NUMBERED)
            b.fault(
                chance.choice(kinds), venues=[name], seconds=0.3, delay=0.1, share=0.5,
                seed=chance.randrange(99), instead=chance.random() < 0.5,
            )  # fmt: skip
            await b.run(8)
        await b.quiet()
        for each in b.instruments.values():
            b.missing(each)
            flow = b.streams.flow(each)
            assert flow is not None
            newest = max(row[0] for row in b.rows if row[0] <= b.clock.now() - 10 * STEP)
            assert (flow.last_ts or 0) >= newest
        assert all(told.broken == 0 for told in b.streams.status().values())


async def test_a_burst_of_fifty_thousand_trades_arrives_whole(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(connection, "SILENCE", 15_000)
    clock = FixedClock(START)
    async with desk(clock, WallClock(time.time)) as (venues, streams):
        slow = streams.bus.subscribe("slow", 5)
        await streams.watch([BINANCE])
        clock.advance(100_000)
        flow = streams.flow(BINANCE)
        assert flow is not None
        for n in range(50_000):
            await venues.say("binance", aggregate(60_000 + n // 10, n + 1))
        await until(lambda: flow.trades == 50_000)
        assert (flow.duplicates, flow.gaps(START, clock.now())) == (0, [])
        assert flow.window(START, clock.now()).volume == 50_000.0
        assert slow.taken + slow.status().waiting + slow.dropped == 50_000
        assert slow.depth <= 5
