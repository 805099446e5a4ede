"""A live market recorded over real sockets plays back to the same figures through the same decoders."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from exchanges.endpoints import load_endpoints
from exchanges.hub import Market
from exchanges.local.recording import Recording
from exchanges.local.server import LocalServer
from exchanges.local.simulator import SimulatedMarket, parse_scenarios
from exchanges.recorder import Recorder
from exchanges.streams.filling import Filler
from exchanges.streams.supervisor import Streams
from market.clock import FixedClock, MarketClock, WallClock
from market.symbols import Query
from market.types import MINUTE, Instrument, PositionSide

START = 1_780_272_000_000
SPEED = 20
LASTING = 100_000  # market ms that are recorded
EXCHANGES = ("binance", "bybit", "okx", "hyperliquid")


@asynccontextmanager
async def market(
    clock: MarketClock, wall: WallClock
) -> AsyncIterator[tuple[LocalServer, SimulatedMarket]]:
    source = SimulatedMarket(7, START, clock, parse_scenarios("cascade:BTC@30"))
    server = LocalServer(source, source)
    await server.start()
    try:
        yield server, source
    finally:
        await server.close()


async def recorded(folder: Path, tmp_path: Path) -> tuple[dict[str, Instrument], dict[str, object]]:
    """Record BTC's perps for a while; returns them, and what the live states said at the end."""
    wall = WallClock(time.time)
    clock = MarketClock(wall, start=START + 20_000, anchor=wall.now(), speed=SPEED)
    async with market(clock, wall) as (server, source):
        endpoints = await load_endpoints(server.url)
        hub = Market(
            endpoints=endpoints, exchanges=EXCHANGES, clock=clock, wall=wall, cache_dir=None
        )
        await hub.start()
        streams = Streams(endpoints, clock, wall)
        recorder = Recorder(folder, streams.bus, streams.ledger, clock)
        filler = Filler(hub.venues, clock, streams.ledger)
        streams.on_gap.append(filler.fill)
        filler.on_new.append(recorder.take)
        streams.on_old.append(recorder.take)
        await recorder.start()
        perps = {
            i.exchange: i
            for i in hub.instruments_for(
                Query(base="BTC", quote=None, perp=True, text="BTC"), perp=True
            )
        }
        await streams.watch(list(perps.values()))
        begun = clock.now()
        while clock.now() < begun + LASTING:  # noqa: ASYNC110 - the market has to go on
            await asyncio.sleep(0.1)
        await filler.close()
        await streams.close()  # nothing comes any more; what waits for the recorder is handed out
        await asyncio.sleep(0.1)
        await recorder.close()
        said: dict[str, object] = {}
        for name, one in perps.items():
            state = streams.state(one)
            assert state is not None
            own = next(i for i in source.instruments(name) if i.key == one.key)
            said[name] = (state, source.trades(own, state.flow.started_ts or 0, clock.now()))
        await hub.close()
    return perps, said


async def test_a_recording_plays_back_to_the_same_figures(tmp_path: Path) -> None:
    folder = tmp_path / "recording"
    perps, said = await recorded(folder, tmp_path)
    end = Recording(folder, FixedClock(START)).manifest.end_ts
    played = FixedClock(end)
    source = Recording(folder, played)
    assert {i.key for i in source.instruments()} == {i.key for i in perps.values()}
    server = LocalServer(source)
    await server.start()
    wall = WallClock(time.time)
    streams = Streams(await load_endpoints(server.url), played, wall, warm_url=server.url)
    await streams.watch(source.instruments())
    forced = 0
    for name, one in perps.items():
        live, truth = said[name]  # type: ignore[misc]
        replay = streams.state(next(i for i in source.instruments() if i.key == one.key))
        assert replay is not None, name
        kept = source.trades(one, 0, end)
        wanted = [t for t in truth if t.ts <= (kept[-1].ts if kept else 0)]
        assert [(t.id, t.ts, t.side) for t in kept] == [(t.id, t.ts, t.side) for t in wanted], name
        assert [t.amount for t in kept] == pytest.approx([t.amount for t in wanted], rel=1e-12)
        assert [t.price for t in kept] == pytest.approx([t.price for t in wanted], rel=1e-12)
        last = kept[-1].ts // 1000 * 1000
        for since in range(START // MINUTE * MINUTE + MINUTE, last, 7_000):
            a, b = live.flow.window(since, last), replay.flow.window(since, last)
            if a.since == b.since:
                assert b.n == a.n, (name, since)
                assert b.buy_value == pytest.approx(a.buy_value, rel=1e-9)
                assert b.sell_value == pytest.approx(a.sell_value, rel=1e-9)
        for minutes, money in live.orders.money(kept[-1].ts + 10).items():
            again = replay.orders.money(kept[-1].ts + 10)[minutes]
            assert again.n == money.n, (name, minutes)
            assert again.whale_net == pytest.approx(money.whale_net, rel=1e-9)
        prints = [each for each in live.liquidations.prints(200) if each.ts <= end]
        again_prints = source.liquidations(name, 0, end)
        told = {(p.ts, p.price, p.position, p.sample) for p in prints}
        assert told == {(p.ts, p.price, p.position, p.sample) for p in again_prints}, name
        forced += len(prints)
        assert all(p.position in (PositionSide.LONG, PositionSide.SHORT) for p in again_prints)
    await streams.close()
    await server.close()
    assert forced > 5
    assert {"open_interest", "funding", "mark"} <= set(source.tables("bybit"))
