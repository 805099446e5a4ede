"""Our own streams on the sender's trades, as the bot runs them: socket, decoder, live state, bus.

`python -m benchmarks.peers.ours PORT COUNT` prints {"handled", "cpu", "wall", "holes", "gaps", "worst"}: trades
counted in the states, seconds from the first to the last, numbers that are missing, marked gaps, and the longest
turn of the event loop. One consumer of the bus reads everything, as the monitors do.
"""

import asyncio
import json
import sys
import time

from benchmarks.flood import SYMBOLS
from exchanges.endpoints import Endpoints
from exchanges.streams.supervisor import Streams
from market.clock import WallClock
from market.types import Instrument

QUIET = 3.0


def instruments() -> list[Instrument]:
    """The perps of the sender."""
    return [
        Instrument(
            exchange="binance", symbol=f"C{i:04d}/USDT:USDT", base=f"C{i:04d}", quote="USDT",
            perp=True, id=f"C{i:04d}USDT",
        )
        for i in range(SYMBOLS)
    ]  # fmt: skip


async def main(port: int, count: int) -> None:
    """Take everything."""
    clock = WallClock(time.time)
    streams = Streams(Endpoints(streams={"binance.perp": f"ws://127.0.0.1:{port}"}), clock, clock)
    perps = instruments()
    told = 0

    async def listen() -> None:
        nonlocal told
        with streams.bus.subscribe("bench") as queue:
            async for news in queue:
                told += len(news)

    listener = asyncio.create_task(listen())
    await streams.watch(perps)
    began: tuple[float, float] | None = None
    ended = (time.process_time(), time.monotonic())
    seen, worst, last = 0, 0.0, time.monotonic()
    while seen < count and time.monotonic() - ended[1] < QUIET:
        await asyncio.sleep(0)
        now = time.monotonic()
        if began is not None:
            worst = max(worst, now - last)
        last = now
        trades = streams.status()["binance"].trades if began is None else _counted(streams)
        if trades != seen:
            ended = (time.process_time(), now)
            began, seen = began or ended, trades
    began = began or ended
    for _ in range(200):  # the consumer of the bus may be behind
        if told >= seen:
            break
        await asyncio.sleep(0.01)
    states = [state for state in map(streams.state, perps) if state is not None]
    print(
        json.dumps({
            "handled": sum(state.flow.trades for state in states),
            "told": told,
            "cpu": ended[0] - began[0],
            "wall": ended[1] - began[1],
            "holes": sum(h.last - h.first + 1 for state in states for h in state.flow.holes()),
            "gaps": sum(len(state.flow.gaps(0, clock.now())) for state in states),
            "worst": worst,
        }),
        flush=True,
    )  # fmt: skip
    listener.cancel()
    await streams.close()


def _counted(streams: Streams) -> int:
    return int(streams._intake.counts["binance"]["trades"])


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), int(sys.argv[2])))
