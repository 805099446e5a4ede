"""A running local Bot API server and an unmodified bot that talks to it."""

import struct
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from telegram import Bot
from telegram.request import HTTPXRequest

from bot.playground.botapi import BotApiServer
from market.clock import FixedClock

TOKEN = "4242:TEST-token"
NOW = 1_790_000_000_000
ADA, TOM, SAM = 1001, 1002, 1003
GROUP, SUPER = -5001, -1001000005001


@asynccontextmanager
async def bench(**options: Any) -> AsyncIterator[tuple[BotApiServer, Bot, FixedClock]]:
    """Server with three people, a group and a supergroup in privacy mode; an initialised bot; the wall clock."""
    clock = FixedClock(NOW)
    server = BotApiServer(token=TOKEN, wall=clock, **options)
    for user_id, name in ((ADA, "Ada"), (TOM, "Tom"), (SAM, "Sam")):
        server.add_user(user_id, name, name.lower())
    server.add_chat(GROUP, "group", "Desk", [ADA, TOM], admins=[ADA])
    server.add_chat(SUPER, "supergroup", "Floor", [ADA, TOM], admins=[ADA], forum=True)
    port = await server.start()
    try:
        async with client(port) as bot:
            yield server, bot, clock
    finally:
        await server.close()


def client(port: int, token: str = TOKEN) -> Bot:
    """An unmodified bot, with time-outs that suit a test."""
    root = f"http://127.0.0.1:{port}"
    request = HTTPXRequest(connection_pool_size=8, read_timeout=2.0, media_write_timeout=2.0)
    polling = HTTPXRequest(connection_pool_size=2, read_timeout=5.0)
    return Bot(
        token, base_url=f"{root}/bot", base_file_url=f"{root}/file/bot",
        request=request, get_updates_request=polling,
    )  # fmt: skip


def png(width: int, height: int) -> bytes:
    """A picture of one colour."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    head = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    rows = (b"\0" + b"\0" * ((width + 7) // 8)) * height
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )
