"""A desk without a chat, for tests that kill it: `python live_process.py` watches, and answers questions.

A question is a line of JSON on standard input: {"windows": [[since, until], ...]}; the answer, one line, has for
each live instrument the flow over these windows, its gaps, and what else the live state holds at the last `until`.
"""

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))

from bot.app import Desk, follow_clock, open_desk
from bot.config import load
from bot.schedule import Schedule

LIQUIDATIONS = ("liq_long_5m", "liq_short_5m", "liq_long_60m", "liq_short_60m")


def answer(desk: Desk, windows: list[list[int]]) -> dict[str, Any]:
    """What the live state says."""
    found: dict[str, Any] = {}
    for state in desk.streams.states():
        rows = []
        for since, until in windows:
            flow = state.flow.window(since, until)
            gaps = [(g.from_ts, g.to_ts) for g in state.flow.gaps(since, until)]
            rows.append([flow.since, flow.until, flow.buy_value, flow.sell_value, flow.n, gaps])
        readings = state.snapshot(windows[-1][1])
        found[state.instrument.key] = {
            "started": state.flow.started_ts,
            "flow": rows,
            "figures": {
                name: (r.value, r.status, r.note)
                for name in LIQUIDATIONS
                if (r := readings.get(name)) is not None
            },
        }
    return {
        "states": found,
        "armed": desk.live.checkpointer.restored.is_set(),
        "checkpoint": desk.live.checkpointer.status.ts,
        "slowest_ms": desk.live.checkpointer.status.slowest_ms,
        "blind": [
            (g.table, g.exchange, g.symbol, g.from_ts, g.to_ts)
            for g in desk.streams.ledger.blind(windows[0][0], windows[-1][1])
        ],
        "waiting": sorted(desk.live.checkpointer._waiting),
        "fills": {k: str(v) for k, v in desk.live.filler.status().items()},
        "now": desk.clock.now(),
    }


async def main() -> None:
    """Watch until the parent is gone."""
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    async with open_desk(load()) as desk:
        await desk.alerts.start()
        schedule = Schedule(desk)
        schedule.start()
        tasks = [asyncio.create_task(desk.live.run()), asyncio.create_task(follow_clock(desk))]
        print(json.dumps({"ready": desk.clock.now()}), flush=True)  # noqa: T201
        while line := await reader.readline():
            print(json.dumps(answer(desk, json.loads(line)["windows"])), flush=True)  # noqa: T201
        schedule.stop()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await desk.live.close()


if __name__ == "__main__":
    asyncio.run(main())
