"""ccxt.pro, unmodified: `watch_trades_for_symbols` on the sender's stream.

`python -m benchmarks.peers.ccxt_trades PORT COUNT` prints {"handled", "delivered", "cpu", "wall"}: trades
that its handler took, those that the caller was given, and seconds from the first to the last.
"""

import asyncio
import json
import sys
import time
from typing import Any

import ccxt.pro

QUIET = 2.0  # seconds without anything new after which the stream is over


class Counting(ccxt.pro.binanceusdm):
    """Counts what its own handler gets; nothing else is changed."""

    handled = 0
    began = ended = (0.0, 0.0)

    def handle_trade(self, client: Any, message: Any) -> None:
        """Count, then do as always."""
        if not self.handled:
            self.began = (time.process_time(), time.monotonic())
        self.handled += 1
        super().handle_trade(client, message)
        self.ended = (time.process_time(), time.monotonic())


async def main(port: int, count: int) -> None:
    """Take everything."""
    client = Counting({"options": {"fetchMarkets": {"types": ["linear"]}}, "timeout_on_exit": 0})
    root = f"http://127.0.0.1:{port}"
    api = client.urls["api"]
    for name, value in api.items():
        if isinstance(value, str):
            api[name] = f"{root}/{name}"
    api["ws"]["linear"] = f"ws://127.0.0.1:{port}/ws"
    await client.load_markets()
    names, delivered = list(client.symbols), 0
    task: asyncio.Task[Any] | None = None
    while True:
        task = task or asyncio.ensure_future(
            client.watch_trades_for_symbols(names, params={"name": "aggTrade"})
        )
        done, _ = await asyncio.wait({task}, timeout=QUIET)
        if not done:
            if client.handled >= count or client.handled == 0:
                break
            if time.monotonic() - client.ended[1] > QUIET:
                break
            continue
        delivered += len(task.result())
        task = None
    if task is not None:
        task.cancel()
    cpu, wall = (end - begin for begin, end in zip(client.began, client.ended, strict=True))
    print(
        json.dumps({"handled": client.handled, "delivered": delivered, "cpu": cpu, "wall": wall}),
        flush=True,
    )
    await client.close()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), int(sys.argv[2])))
