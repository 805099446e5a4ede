"""A sender that is never the bottleneck: Binance-futures aggTrade frames, encoded beforehand, 200 to a write.

`python -m benchmarks.flood COUNT [RATE [rising]]` prints its port and serves until its input ends. Each client that
subscribes (or names its streams in the address) gets COUNT trades of 20 symbols in turn, flat out or at RATE
a second; ids count up by one for each symbol, so a hole can be seen. The stamps are those of a busy market,
10,000 trades a second, from the moment of the subscription on; all are encoded before the first is sent.
Prices lie anywhere between 99 and 101; those of a rising market climb evenly from 100 to 101, with little noise.
"""

import asyncio
import base64
import hashlib
import json
import random
import struct
import sys
import time
from collections.abc import Iterator

from benchmarks import payloads

SYMBOLS = 20
CHUNK = 200  # frames in one write
GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
PACE = 10  # trades in a ms of the market
SETTLE = 0.5  # seconds
AHEAD = 3_000  # ms that the encoding may take
NOISE = 0.002  # of a rising market


def texts(count: int, *, wrapped: bool, now: int, rising: bool = False) -> Iterator[bytes]:
    """The frames' texts; `wrapped` in the envelope of a combined stream."""
    chance = random.Random(7)
    for i in range(count):
        name, number = f"C{i % SYMBOLS:04d}USDT", 1_000_000 + i // SYMBOLS
        price, amount = 100 + chance.uniform(-1, 1), chance.uniform(0.001, 9)
        if rising:
            price = 100 + i / count + (price - 100) * NOISE
        ts = now + i // PACE
        body = (
            f'{{"e":"aggTrade","E":{ts},"s":"{name}","a":{number},"p":"{price:.4f}","q":"{amount:.3f}",'
            f'"f":{number},"l":{number},"T":{ts},"m":{"true" if chance.random() < 0.5 else "false"}}}'
        )
        yield (
            f'{{"stream":"{name.lower()}@aggTrade","data":{body}}}' if wrapped else body
        ).encode()


def frame(text: bytes) -> bytes:
    """A text frame as a server sends it."""
    size = len(text)
    head = bytes((0x81, size)) if size < 126 else b"\x81\x7e" + struct.pack(">H", size)
    return head + text


def chunks(count: int, *, wrapped: bool, now: int, rising: bool = False) -> list[bytes]:
    """All frames, 200 to a piece."""
    found, part = [], []
    for text in texts(count, wrapped=wrapped, now=now, rising=rising):
        part.append(frame(text))
        if len(part) == CHUNK:
            found.append(b"".join(part))
            part = []
    return [*found, b"".join(part)] if part else found


class Sender:
    """Serves clients one after the other or together; each gets everything."""

    def __init__(self, count: int, rate: float, *, rising: bool = False) -> None:
        self._count, self._rate, self._rising = count, rate, rising
        self._info = payloads.exchange_info(SYMBOLS).encode()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection: a question by HTTP, or a socket that is flooded."""
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            if "upgrade: websocket" not in head.lower():
                await self._answer(writer)
                return
            path = head.split(" ", 2)[1]
            await self._shake(head, writer)
            if "streams=" not in path:
                await self._subscription(reader, writer)
            sending = asyncio.create_task(self._send(writer, wrapped="/stream" in path))
            try:
                while True:
                    await self._subscription(reader, writer)
            finally:
                sending.cancel()
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        finally:
            writer.close()

    async def _answer(self, writer: asyncio.StreamWriter) -> None:
        head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(self._info)}"
        writer.write(head.encode() + b"\r\nConnection: close\r\n\r\n" + self._info)
        await writer.drain()

    async def _shake(self, head: str, writer: asyncio.StreamWriter) -> None:
        key = next(
            line.split(":", 1)[1].strip()
            for line in head.split("\r\n")
            if line.lower().startswith("sec-websocket-key")
        )
        accept = base64.b64encode(hashlib.sha1(key.encode() + GUID).digest()).decode()
        writer.write(
            f"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Accept: {accept}\r\n\r\n".encode()
        )
        await writer.drain()

    async def _subscription(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """Read one message of the client; requests are confirmed, pings answered."""
        first, second = await reader.readexactly(2)
        size = second & 0x7F
        if size == 126:
            (size,) = struct.unpack(">H", await reader.readexactly(2))
        mask = await reader.readexactly(4)
        body = bytes(b ^ mask[i % 4] for i, b in enumerate(await reader.readexactly(size)))
        if first & 0x0F == 0x9:
            writer.write(bytes((0x8A, len(body))) + body)
        elif first & 0x0F == 0x1 and body.startswith(b"{"):
            number = json.loads(body).get("id")
            writer.write(frame(json.dumps({"result": None, "id": number}).encode()))
        await writer.drain()

    async def _send(self, writer: asyncio.StreamWriter, *, wrapped: bool) -> None:
        await asyncio.sleep(SETTLE)  # the rest of the subscriptions
        now = int(time.time() * 1000)
        parts = await asyncio.to_thread(
            chunks, self._count, wrapped=wrapped, now=now + AHEAD, rising=self._rising
        )
        began = time.monotonic()
        if not self._rate:
            for part in parts:
                writer.write(part)
                await writer.drain()
            return
        for number, one in enumerate(_frames(parts)):
            due = began + number / self._rate
            if (ahead := due - time.monotonic()) > 0.0005:
                await writer.drain()
                await asyncio.sleep(ahead)
            writer.write(one)


def _frames(parts: list[bytes]) -> Iterator[bytes]:
    """The single frames of the pieces."""
    for part in parts:
        at = 0
        while at < len(part):
            short = part[at + 1] < 126
            size = part[at + 1] if short else int.from_bytes(part[at + 2 : at + 4], "big")
            end = at + (2 if short else 4) + size
            yield part[at:end]
            at = end


async def main(count: int, rate: float, *, rising: bool) -> None:
    """Serve until the parent closes our input."""
    sender = Sender(count, rate, rising=rising)
    server = await asyncio.start_server(sender.serve, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.to_thread(sys.stdin.read)
    server.close()


if __name__ == "__main__":
    asyncio.run(
        main(
            int(sys.argv[1]),
            float(sys.argv[2]) if len(sys.argv) > 2 else 0.0,
            rising="rising" in sys.argv[3:],
        )
    )
