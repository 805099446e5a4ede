"""A Bot API server that takes every message at once and notes when it came.

`python -m benchmarks.botapi` prints its port and serves until its input ends; then it prints one line of JSON for
each message: [seconds of the monotonic clock, chat id, text].
"""

import asyncio
import itertools
import json
import sys
import time
from typing import Any

from aiohttp import web


async def main() -> None:
    """Serve until the parent closes our input."""
    seen: list[tuple[float, int, str]] = []
    number = itertools.count(1)

    async def take(request: web.Request) -> web.Response:
        at = time.monotonic()
        body: dict[str, Any] = dict(await request.post())
        method = request.path.rsplit("/", 1)[-1]
        if method == "getMe":
            me = {"id": 1, "is_bot": True, "first_name": "bench", "username": "bench_bot"}
            return web.json_response({"ok": True, "result": me})
        chat = int(body.get("chat_id", 0))
        seen.append((at, chat, str(body.get("text") or body.get("caption") or "")))
        sent = {
            "message_id": next(number), "date": int(time.time()), "text": "x",
            "chat": {"id": chat, "type": "private"},
        }  # fmt: skip
        return web.json_response({"ok": True, "result": sent})

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", take)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    print(runner.addresses[0][1], flush=True)
    await asyncio.to_thread(sys.stdin.read)
    await runner.cleanup()
    for each in seen:
        print(json.dumps(each))


if __name__ == "__main__":
    asyncio.run(main())
