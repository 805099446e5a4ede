"""Recorded Hyperliquid ticks replayed at 60x through the venue's protocol: live figures equal sums over the file.

At a hundred random moments whatever the live state has then is compared with brute force over just those rows
of the file that were received by then: rolling windows, CVD, flow over random windows, merged orders, whales.
"""

import asyncio
import math
import os
import random
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from analytics.flow import GAP, SizeClass, merged, size_class, smart_money
from analytics.state import SymbolState
from bot.children import child
from exchanges.endpoints import load_endpoints, market_clock
from exchanges.hub import Market
from exchanges.streams.supervisor import Streams
from market.clock import MarketClock, WallClock
from market.types import DAY, MINUTE, Instrument, Side, Trade

ROOT = Path(__file__).parents[2]
DATA = Path(os.environ.get("TIDEMARK_DATA", ROOT.parent / "shared/data"))
TICKS = DATA / "trades" / "hyperliquid_trades_btc_2026_06_11_15.parquet"
pytestmark = [
    pytest.mark.soak,
    pytest.mark.data,
    pytest.mark.skipif(not TICKS.is_file(), reason="TIDEMARK_DATA is not here"),
]

COINS = "BTC,ETH"
SPEED = 60
LOOKS = 100
TOLERANCE = 1e-9


class Truth:
    """The file's rows of one instrument."""

    def __init__(self, folder: Path, instrument: Instrument) -> None:
        rows = pq.read_table(folder / "trades" / f"{instrument.base}.parquet")
        self.instrument = instrument
        self.ts = rows["ts"].to_numpy()
        self.price, self.amount = rows["price"].to_numpy(), rows["amount"].to_numpy()
        self.buy = np.array([side == "buy" for side in rows["side"].to_pylist()])
        self.value = self.price * self.amount

    def rows(self, first: int, last: int, since: float, until: float) -> np.ndarray:
        """Numbers of the rows first..last with since < ts <= until."""
        low, high = np.searchsorted(self.ts, [since, until], "right")
        return np.arange(max(first, low), min(last + 1, high))

    def trades(self, first: int, last: int) -> list[Trade]:
        return [
            Trade(
                instrument=self.instrument, ts=int(self.ts[i]), price=float(self.price[i]),
                amount=float(self.amount[i]), side=Side.BUY if self.buy[i] else Side.SELL,
            )
            for i in range(first, last + 1)
        ]  # fmt: skip


class Comparison:
    """One live state against the file. `first` is the row that was counted first."""

    def __init__(self, truth: Truth, state: SymbolState) -> None:
        self.truth, self.state = truth, state
        self.compared: dict[str, int] = {}
        self.wrong: list[str] = []
        started = state.flow.started_ts
        assert started is not None
        self.started = started
        self.first = int(np.searchsorted(truth.ts, started, "right"))

    def look(self, chance: random.Random) -> None:
        """Compare everything as it is now."""
        state, last = self.state, self.state.last
        if last is None:
            return
        row, now = int(last.id), last.ts  # a recording without ids numbers its rows
        self.same("trades", state.flow.trades, row - self.first + 1)
        for _ in range(3):
            since = chance.randint(self.started, now)
            found = state.flow.window(since, now)
            rows = self.truth.rows(self.first, row, found.since, found.until)
            self.sums("flow window", found.delta_value, found.value, found.n, rows)
        self.windows(row, now)
        self.cvd(row, now)
        self.orders(row, now)

    def windows(self, row: int, now: int) -> None:
        end = -(-now // 1000) * 1000  # buckets are (second - 1, second]
        for minutes, found in self.state.windows.get(now).items():
            rows = self.truth.rows(self.first, row, end - minutes * MINUTE, end)
            self.sums(f"rolling {minutes} m", found.delta, found.volume, found.n, rows)

    def cvd(self, row: int, now: int) -> None:
        reading = self.state.snapshot(now)["cvd"]
        if reading.value is None:
            return
        since = max(self.started, now // DAY * DAY if reading.since is None else reading.since)
        rows = self.truth.rows(self.first, row, since, now)
        gross = math.fsum(self.truth.value[rows])
        self.near("cvd", reading.value, self.delta(rows), gross)

    def orders(self, row: int, now: int) -> None:
        """Merged by side and 5 ms; the order still open counts once it has stood for longer."""
        at = now + GAP + 1
        every = merged(self.truth.trades(self.first, row))
        whales = [o for o in every if size_class(o.value) is SizeClass.WHALE]
        found = self.state.orders.whales(at)
        self.same("whale orders", len(found), min(200, len(whales)))
        for mine, theirs in zip(found, whales[-len(found) :] if found else [], strict=False):
            self.same(
                "a whale",
                (mine.ts, mine.side, mine.prints),
                (theirs.ts, theirs.side, theirs.prints),
            )
            self.near("a whale's value", mine.value, theirs.value, theirs.value)
        end = -(-at // 1000) * 1000
        for minutes, money in self.state.orders.money(at).items():
            inside = [o for o in every if end - minutes * MINUTE < -(-o.ts // 1000) * 1000 <= end]
            brute = smart_money([(o.value, o.side) for o in inside])
            self.same(f"orders {minutes} m", (money.n, money.label), (brute.n, brute.label))
            gross = brute.whale_value + brute.retail_value + brute.middle_value
            for name in ("whale_value", "whale_net", "middle_value", "retail_value"):
                self.near(f"{name} {minutes} m", getattr(money, name), getattr(brute, name), gross)

    def delta(self, rows: np.ndarray) -> float:
        signs = np.where(self.truth.buy[rows], 1.0, -1.0)
        return math.fsum(signs * self.truth.value[rows])

    def sums(self, name: str, delta: float, value: float, n: int, rows: np.ndarray) -> None:
        gross = math.fsum(self.truth.value[rows])
        self.same(f"{name} count", n, len(rows))
        self.near(name, value, gross, gross)
        self.near(f"{name} delta", delta, self.delta(rows), gross)

    def near(self, name: str, mine: float, theirs: float, gross: float) -> None:
        self.compared[name] = self.compared.get(name, 0) + 1
        if abs(mine - theirs) > TOLERANCE * max(gross, 1.0):
            self.wrong.append(f"{self.truth.instrument.base} {name}: {mine!r} is not {theirs!r}")

    def same(self, name: str, mine: object, theirs: object) -> None:
        self.compared[name] = self.compared.get(name, 0) + 1
        if mine != theirs:
            self.wrong.append(f"{self.truth.instrument.base} {name}: {mine!r} is not {theirs!r}")


async def recording(folder: Path) -> None:
    """The recording folder, made by the script that people use."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "scripts.make_recording", "hyperliquid-2026-06",
        "--data", str(DATA), "--out", str(folder), "--coins", COINS, cwd=ROOT,
    )  # fmt: skip
    assert await process.wait() == 0


@asynccontextmanager
async def served(folder: Path, at: int, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[str]:
    monkeypatch.setenv("MARKET", "recording")
    monkeypatch.setenv("RECORDING_DIR", str(folder))
    wall = WallClock(time.time)
    arguments = ["--start", str(at), "--anchor", str(wall.now()), "--speed", str(SPEED)]
    async with child(["market", *arguments]) as told:
        yield told["url"]


async def test_live_figures_equal_sums_over_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    seed = int(os.environ.get("TIDEMARK_SEED", "0")) or random.SystemRandom().randrange(10**6) + 1
    chance = random.Random(seed)
    folder = tmp_path / "recording"
    await recording(folder)
    span = pq.read_table(folder / "trades" / "BTC.parquet", columns=["ts"])["ts"].to_numpy()
    at = int(chance.uniform(span[0], span[-1] - 4 * 3_600_000))
    wall = WallClock(time.time)
    async with served(folder, at, monkeypatch) as url:
        told = await market_clock(url)
        clock = MarketClock(wall, start=told["start"], anchor=told["anchor"], speed=told["speed"])
        endpoints = await load_endpoints(url)
        market = Market(
            endpoints=endpoints, exchanges=("hyperliquid",), clock=clock, wall=wall, cache_dir=None
        )
        await market.start()
        streams = Streams(endpoints, clock, wall)
        perps = [each for each in market.directory.all if each.perp]
        await streams.watch(perps)
        comparisons: list[Comparison] = []
        looks = 0
        async with asyncio.timeout(300):
            while looks < LOOKS:
                await asyncio.sleep(chance.uniform(0.1, 1.0))
                ready = [
                    s for s in map(streams.state, perps) if s is not None and s.last is not None
                ]
                if len(ready) < len(perps):
                    continue
                if not comparisons:
                    comparisons = [Comparison(Truth(folder, s.instrument), s) for s in ready]
                for each in comparisons:
                    each.look(chance)
                looks += 1
        gaps = [state.flow.gaps(0, clock.now()) for state in streams.states()]
        await streams.close()
        await market.close()
    counts: dict[str, int] = {}
    for each in comparisons:
        for name, number in each.compared.items():
            counts[name] = counts.get(name, 0) + number
    with capsys.disabled():
        trades = {c.truth.instrument.base: c.state.flow.trades for c in comparisons}
        sys.stdout.write(
            f"\nreplay at {SPEED}x, seed {seed}: {looks} moments, trades {trades}, gaps {gaps}\n"
        )
        sys.stdout.write(f"{sum(counts.values())} comparisons: {counts}\n")
    wrong = [line for each in comparisons for line in each.wrong]
    assert not wrong, f"seed {seed}: {len(wrong)} differences, first {wrong[:5]}"
    assert all(c.state.flow.trades > 1_000 for c in comparisons)
    assert counts["rolling 15 m"] >= LOOKS
    assert counts["whale orders"] >= LOOKS
