"""A client of a recording begins as if it had run since the recording's start, and misses nothing at the seam."""

import asyncio
import json
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from analytics.cvd import FlowLog
from exchanges.endpoints import load_endpoints
from exchanges.local.faults import Fault
from exchanges.local.recording import Recording
from exchanges.local.server import LocalServer
from exchanges.streams import connection, warm
from exchanges.streams.supervisor import Streams
from market.clock import FixedClock, WallClock
from market.errors import SourceUnavailable
from market.types import MINUTE, Instrument

ROOT = Path(__file__).parents[2]
DATA = Path(os.environ.get("TIDEMARK_DATA", ROOT.parent / "shared/data"))
START = 1_781_000_040_000
END = START + 60 * MINUTE
COUNT = 6000  # trades in the hand-made recording
VENUES = {  # (symbol, coins in a contract)
    "hyperliquid": ("BTC/USDC:USDC", 1.0), "binance": ("BTC/USDT:USDT", 1.0), "bybit": ("BTC/USDT:USDT", 1.0),
    "okx": ("BTC/USDT:USDT", 0.01), "coinbase": ("BTC/USD", 1.0),
}  # fmt: skip

Rows = list[tuple[int, float, float, str]]


def made_rows() -> Rows:
    """Trades with equal neighbours: the ts, price, amount and side of each comes twice."""
    chance = np.random.default_rng(5)
    ts = np.sort(chance.integers(START, END, COUNT // 2))
    amounts = chance.integers(1, 5000, COUNT // 2) / 100
    prices = 60_000 + chance.integers(-900, 900, COUNT // 2) / 10
    sides = chance.choice(["buy", "sell"], COUNT // 2)
    rows = list(zip(ts.tolist(), prices.tolist(), amounts.tolist(), sides.tolist(), strict=True))
    return [row for row in rows for _ in (0, 1)]


def write(
    folder: Path, rows: Rows, *, blind: tuple[int, int] | None = None, only: str = ""
) -> Path:
    """A recording of all venues with the same trades, and two samples of open interest."""
    folder.mkdir()
    entries = [
        {"exchange": name, "symbol": symbol, "base": "BTC", "quote": symbol.split("/")[1].split(":")[0],
         "perp": ":" in symbol, "contract_size": size, "price_step": 0.1, "amount_step": 0.01}
        for name, (symbol, size) in VENUES.items() if only in ("", name)
    ]  # fmt: skip
    span = {"start_ts": min(START, rows[0][0]), "end_ts": max(END, rows[-1][0])}
    about = {"format": 1, "title": "t", **span, "instruments": entries}
    (folder / "recording.json").write_text(json.dumps(about))
    ts, price, amount, side = (list(column) for column in zip(*rows, strict=True))
    for entry in entries:
        named = {key: [entry[key]] * len(rows) for key in ("exchange", "symbol")}
        table = pa.table({**named, "ts": ts, "price": price, "amount": amount, "side": side})
        (folder / "trades").mkdir(exist_ok=True)
        pq.write_table(table, folder / "trades" / f"{entry['exchange']}.parquet")
    interest: dict[str, list[Any]] = {
        "exchange": ["hyperliquid"] * 2, "symbol": ["BTC/USDC:USDC"] * 2,
        "ts": [START + MINUTE, END - 1], "amount": [7.5, 8.5],
    }  # fmt: skip
    pq.write_table(pa.table(interest), folder / "open_interest.parquet")
    if blind:
        gaps = {"table": ["trades"], "from_ts": [blind[0]], "to_ts": [blind[1]]}
        pq.write_table(pa.table(gaps), folder / "gaps.parquet")
    return folder


def brute(rows: Rows, since: int, until: int) -> tuple[float, float, float, int]:
    """(delta in coins, delta in value, gross value, count) of since < ts <= until."""
    inside = [row for row in rows if since < row[0] <= until]
    signed = [(1 if side == "buy" else -1, price, amount) for _, price, amount, side in inside]
    return (
        sum(s * a for s, _p, a in signed),
        sum(s * p * a for s, p, a in signed),
        sum(p * a for _s, p, a in signed),
        len(inside),
    )


@asynccontextmanager
async def replay(
    folder: Path, clock: FixedClock, **about: Any
) -> AsyncIterator[tuple[LocalServer, Streams]]:
    server = LocalServer(Recording(folder, clock))
    await server.start()
    endpoints = await load_endpoints(server.url)
    streams = Streams(endpoints, clock, WallClock(time.time), **{"warm_url": server.url, **about})
    try:
        yield server, streams
    finally:
        await streams.close()
        await server.close()


async def run_to(clock: FixedClock, at: int, *flows: FlowLog, last: int) -> None:
    """Let the market go on in steps until the trade at `last` has arrived everywhere."""
    step = max(1, (at - clock.now()) // 10)
    while clock.now() < at:
        clock.set(min(at, clock.now() + step))
        await asyncio.sleep(0.06)
    async with asyncio.timeout(5):
        while any((flow.last_ts or 0) < last for flow in flows):  # noqa: ASYNC110
            await asyncio.sleep(0.01)


def equal(flow: FlowLog, rows: Rows, since: int, until: int) -> None:
    delta, value, gross, count = brute(rows, since, until)
    found = flow.window(since, until)
    assert found.n == count
    assert found.delta_base == pytest.approx(delta, abs=1e-9 * sum(row[2] for row in rows))
    assert abs(found.delta_value - value) <= 1e-9 * gross
    assert found.value == pytest.approx(gross, rel=1e-9)


def instruments(server: LocalServer) -> dict[str, Instrument]:
    return {each.exchange: each for each in server.source.instruments()}


def last_before(rows: Rows, at: int) -> int:
    return max(row[0] for row in rows if row[0] <= at)


async def test_every_venue_begins_at_the_recordings_start_and_goes_on_without_a_seam(
    tmp_path: Path,
) -> None:
    rows, clock = made_rows(), FixedClock(START + 20 * MINUTE)
    async with replay(write(tmp_path / "r", rows), clock) as (server, streams):
        named = instruments(server)
        await streams.watch(list(named.values()))
        flows = [streams.flow(each) for each in named.values()]
        assert all(flow is not None for flow in flows)
        logs = [flow for flow in flows if flow is not None]
        for flow in logs:
            assert flow.started_ts == START - 1
            equal(flow, rows, START - 1, clock.now())
        at = START + 40 * MINUTE
        await run_to(clock, at, *logs, last=last_before(rows, at))
        for flow in logs:
            for since in (START - 1, START + 10 * MINUTE, START + 20 * MINUTE, START + 39 * MINUTE):
                equal(flow, rows, since, at)
            assert flow.gaps(0, END) == []


async def test_trades_that_happen_while_the_past_is_fetched_are_counted_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows, clock = made_rows(), FixedClock(START + 20 * MINUTE)
    real = warm._frames

    async def slow(content: aiohttp.StreamReader, decoder: Any) -> AsyncIterator[Any]:
        async for trades in real(content, decoder):
            clock.advance(MINUTE)
            await asyncio.sleep(0.15)  # the live stream overtakes the past
            yield trades

    monkeypatch.setattr(warm, "_frames", slow)
    async with replay(write(tmp_path / "r", rows), clock) as (server, streams):
        btc = instruments(server)["hyperliquid"]
        await streams.watch([btc])
        flow = streams.flow(btc)
        assert flow is not None
        now = clock.now()
        assert now > START + 20 * MINUTE
        await run_to(clock, now, flow, last=last_before(rows, now))
        equal(flow, rows, START - 1, now)
        assert flow.gaps(0, END) == []


async def test_what_a_lost_connection_missed_is_fetched_from_the_recording(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "FIRST_DELAY", 0.1)
    rows, clock = made_rows(), FixedClock(START + 20 * MINUTE)
    async with replay(write(tmp_path / "r", rows), clock) as (server, streams):
        btc = instruments(server)["hyperliquid"]
        await streams.watch([btc])
        flow = streams.flow(btc)
        assert flow is not None
        server.faults.set(Fault(exchange="hyperliquid", fault="down"))
        async with asyncio.timeout(5):
            while streams.status()["hyperliquid"].watched:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        clock.advance(10 * MINUTE)
        streams.flow(btc)
        assert flow.gaps(0, END) != []
        server.faults.set(Fault(exchange="hyperliquid", fault="none"))
        at = START + 30 * MINUTE
        await run_to(clock, at, flow, last=last_before(rows, at))
        async with asyncio.timeout(5):
            while flow.gaps(0, END):  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        equal(flow, rows, START - 1, at)


async def test_the_recorders_own_gaps_are_the_flows(tmp_path: Path) -> None:
    clock = FixedClock(START + 20 * MINUTE)
    blind = (START + 19 * MINUTE, START + 25 * MINUTE)
    async with replay(write(tmp_path / "r", made_rows(), blind=blind), clock) as (server, streams):
        btc = instruments(server)["hyperliquid"]
        await streams.watch([btc])
        flow = streams.flow(btc)
        assert flow is not None
        assert [(g.from_ts, g.to_ts) for g in flow.gaps(0, END)] == [(blind[0], clock.now())]


async def test_past_open_interest_ends_at_now(tmp_path: Path) -> None:
    clock = FixedClock(START + 20 * MINUTE)
    async with replay(write(tmp_path / "r", made_rows()), clock) as (server, _streams):
        named = instruments(server)
        found = await warm.past_interest(server.url, named["hyperliquid"])
        assert [(each.ts, each.amount) for each in found] == [(START + MINUTE, 7.5)]
        assert await warm.past_interest(server.url, named["binance"]) == []


async def test_ticks_made_from_candles_are_not_given_out_as_trades(tmp_path: Path) -> None:
    folder = write(tmp_path / "r", made_rows())
    (folder / "trades" / "hyperliquid.parquet").unlink()
    bar: dict[str, list[Any]] = {
        "exchange": ["hyperliquid"], "symbol": ["BTC/USDC:USDC"], "timeframe": ["1m"], "ts": [START],
        "open": [1.0], "high": [2.0], "low": [1.0], "close": [2.0], "volume": [5.0],
    }  # fmt: skip
    pq.write_table(pa.table(bar), folder / "candles.parquet")
    async with replay(folder, FixedClock(START + 20 * MINUTE)) as (server, streams):
        btc = instruments(server)["hyperliquid"]
        await streams.watch([btc])
        assert streams.flow(btc) is None


async def test_without_its_past_an_instrument_begins_now_and_says_so(tmp_path: Path) -> None:
    clock = FixedClock(START + 20 * MINUTE)
    nowhere = "http://127.0.0.1:1"
    async with replay(write(tmp_path / "r", made_rows()), clock, warm_url=nowhere) as (
        server,
        streams,
    ):
        btc = instruments(server)["hyperliquid"]
        await streams.watch([btc])
        flow = streams.flow(btc)
        assert flow is not None
        assert flow.started_ts == START + 20 * MINUTE
        with pytest.raises(SourceUnavailable, match="past was not read"):
            await warm.past_interest(nowhere, btc)


async def test_a_past_that_is_cut_off_is_a_gap(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows, clock = made_rows(), FixedClock(START + 20 * MINUTE)

    async def cut(content: aiohttp.StreamReader, decoder: Any) -> AsyncIterator[Any]:
        line = await content.readline()
        yield decoder.decode(line)
        raise ValueError("cut off")

    monkeypatch.setattr(warm, "_frames", cut)
    async with replay(write(tmp_path / "r", rows), clock) as (server, streams):
        btc = instruments(server)["hyperliquid"]
        await streams.watch([btc])
        flow = streams.flow(btc)
        assert flow is not None
        (gap,) = flow.gaps(0, END)
        assert START < gap.from_ts < START + 10 * MINUTE
        assert gap.to_ts == clock.now()
        equal(flow, rows, START - 1, gap.from_ts)


@pytest.mark.data
@pytest.mark.skipif(not (DATA / "trades").is_dir(), reason="TIDEMARK_DATA is not here")
async def test_the_recorded_btc_flow_equals_the_file_at_five_times(tmp_path: Path) -> None:
    table = pq.read_table(DATA / "trades" / "hyperliquid_trades_btc_2026_06_11_15.parquet")
    first = pc.min(table["ts_ms"]).as_py()
    table = table.filter(pc.field("ts_ms") <= first + 6 * 60 * MINUTE)
    columns = [table[name].to_pylist() for name in ("ts_ms", "price", "size", "side")]
    rows = sorted(zip(*columns, strict=True), key=lambda row: row[0])
    last = rows[-1][0]
    folder = write(tmp_path / "btc", rows, only="hyperliquid")
    clock = FixedClock(first + (last - first) // 2)
    async with replay(folder, clock) as (server, streams):
        (btc,) = server.source.instruments()
        await streams.watch([btc])
        flow = streams.flow(btc)
        assert flow is not None
        for part in (0.5, 0.55, 0.6, 0.65, 0.7):
            at = first + int((last - first) * part)
            await run_to(clock, at, flow, last=last_before(rows, at))
            for since in (first - 1, at - 15 * MINUTE, at - 240 * MINUTE):
                equal(flow, rows, max(since, first - 1), at)
        assert flow.gaps(0, last) == []
