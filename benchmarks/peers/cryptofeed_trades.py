"""cryptofeed, unmodified: its trades of Binance futures on the sender's stream.

Run with the Python of a place where cryptofeed is installed: `python cryptofeed_trades.py PORT COUNT` prints
{"handled", "cpu", "wall"}. Only its addresses are set; nothing of ours is imported.
"""

import json
import os
import sys
import threading
import time
from typing import Any

from cryptofeed import FeedHandler, connection
from cryptofeed.connection import RestEndpoint, Routes, WebsocketEndpoint
from cryptofeed.defines import TRADES
from cryptofeed.exchanges import BinanceFutures

PORT, COUNT = int(sys.argv[1]), int(sys.argv[2])
QUIET = 2.0
seen = 0
began = ended = (0.0, 0.0)


async def trade(row: Any, receipt: float) -> None:
    """Count."""
    global seen, began, ended  # noqa: PLW0603
    seen += 1
    ended = (time.process_time(), time.monotonic())
    if seen == 1:
        began = ended
    if seen == COUNT:
        report()


def report() -> None:
    """Say what came and end."""
    cpu, wall = ended[0] - began[0], ended[1] - began[1]
    print(json.dumps({"handled": seen, "cpu": cpu, "wall": wall}), flush=True)
    os._exit(0)


def watch() -> None:
    """End where nothing comes any more."""
    start = time.monotonic()
    while time.monotonic() - start < 60:
        time.sleep(0.5)
        if seen and time.monotonic() - ended[1] > QUIET:
            break
    report()


root = f"127.0.0.1:{PORT}"
BinanceFutures.websocket_endpoints = [
    WebsocketEndpoint(f"wss://{root}", options={"compression": None})
]
# It takes no address without TLS, which nobody here pays for: the scheme is all that is turned.
_dial = connection.connect
connection.connect = lambda address, **options: _dial(address.replace("wss:", "ws:"), **options)
BinanceFutures.rest_endpoints = [
    RestEndpoint(f"http://{root}", routes=Routes("/fapi/v1/exchangeInfo"))
]
threading.Thread(target=watch, daemon=True).start()
handler = FeedHandler(config={"log": {"disabled": True}, "uvloop": False})
handler.add_feed(
    BinanceFutures(
        symbols=[each for each in BinanceFutures.symbols() if each.endswith("-PERP")],
        channels=[TRADES],
        callbacks={TRADES: trade},
    )
)
handler.run()
