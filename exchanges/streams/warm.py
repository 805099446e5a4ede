"""The past of a recording, as the frames a client would have had since its start."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import aiohttp
import msgspec

from exchanges.streams.decoder import Decoder
from market.types import Instrument, OpenInterest, Trade

FIRST, NOW = "X-Complete-After", "X-Complete-Until"  # market ms
CHUNK = 1 << 18  # bytes read at once
READ_TIMEOUT = 30.0  # seconds without a byte

_ROWS = msgspec.json.Decoder(tuple[int, float, float | None])
_SPANS = msgspec.json.Decoder(tuple[int, int])


class NoTrades(Exception):
    """The recording has no trades of an instrument; those it streams are made from candles."""


@dataclass(frozen=True, slots=True)
class Past:
    """Trades in (after, until], in order, a few thousand at a time."""

    after: int
    until: int
    trades: AsyncIterator[list[Trade]]


@asynccontextmanager
async def past_trades(
    base_url: str, instrument: Instrument, decoder: Decoder, since: int | None
) -> AsyncIterator[Past]:
    """The trades after `since`, or all; NoTrades, or ValueError where the answer makes no sense."""
    params = {"symbol": instrument.symbol} | ({} if since is None else {"since": str(since)})
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=READ_TIMEOUT, sock_read=READ_TIMEOUT)
    url = f"{base_url.rstrip('/')}/warm/{instrument.exchange}"
    async with (
        aiohttp.ClientSession(timeout=timeout) as http,
        http.get(url, params=params) as answer,
    ):
        if answer.status == 409:
            raise NoTrades
        answer.raise_for_status()
        after, until = (int(answer.headers.get(name, "")) for name in (FIRST, NOW))
        yield Past(after, until, _frames(answer.content, decoder))


async def past_interest(base_url: str, instrument: Instrument) -> list[OpenInterest]:
    """Every recorded sample up to now."""
    rows = [_ROWS.decode(line) for line in await _table(base_url, instrument, "open_interest")]
    return [
        OpenInterest(instrument=instrument, ts=ts, amount=amount, value=value)
        for ts, amount, value in rows
    ]


async def past_gaps(base_url: str, instrument: Instrument) -> list[tuple[int, int]]:
    """When the recorder was blind, up to now."""
    return [_SPANS.decode(line) for line in await _table(base_url, instrument, "gaps")]


async def _table(base_url: str, instrument: Instrument, table: str) -> list[bytes]:
    """The rows of a table; none where the recording does not have it."""
    params = {"symbol": instrument.symbol, "table": table}
    timeout = aiohttp.ClientTimeout(total=READ_TIMEOUT)
    url = f"{base_url.rstrip('/')}/warm/{instrument.exchange}"
    async with (
        aiohttp.ClientSession(timeout=timeout) as http,
        http.get(url, params=params) as answer,
    ):
        if answer.status == 404:
            return []
        answer.raise_for_status()
        return (await answer.read()).splitlines()


async def _frames(content: aiohttp.StreamReader, decoder: Decoder) -> AsyncIterator[list[Trade]]:
    """Venue frames, one a line, as trades; other tasks get their turn between the lists."""
    rest = b""
    async for chunk in content.iter_chunked(CHUNK):
        *lines, rest = (rest + chunk).split(b"\n")
        found = [each for line in lines for each in decoder.decode(line)]
        yield [each for each in found if isinstance(each, Trade)]
        await asyncio.sleep(0)
    if rest:
        raise ValueError("the recording's past was cut off")
