"""The past of a recording, as the frames a client would have had since its start."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TypeVar

import aiohttp
import msgspec

from exchanges.streams.decoder import Decoder
from market.errors import SourceUnavailable
from market.types import Instrument, OpenInterest, Trade

FIRST, NOW = "X-Complete-After", "X-Complete-Until"  # market ms
CHUNK = 1 << 18  # bytes read at once
READ_TIMEOUT = 30.0  # seconds without a byte

Row = TypeVar("Row")
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
    """The trades after `since`, or all; raises NoTrades, or SourceUnavailable where they cannot be had."""
    wanted = {} if since is None else {"since": str(since)}
    async with _ask(base_url, instrument, **wanted) as answer:
        if answer.status == 409:
            raise NoTrades
        answer.raise_for_status()
        after, until = (int(answer.headers.get(name, "")) for name in (FIRST, NOW))
        yield Past(after, until, _frames(answer.content, decoder))


async def past_interest(base_url: str, instrument: Instrument) -> list[OpenInterest]:
    """Every recorded sample up to now."""
    rows = await _table(base_url, instrument, "open_interest", _ROWS)
    return [
        OpenInterest(instrument=instrument, ts=ts, amount=amount, value=value)
        for ts, amount, value in rows
    ]


async def past_gaps(base_url: str, instrument: Instrument) -> list[tuple[int, int]]:
    """When the recorder was blind, up to now."""
    return await _table(base_url, instrument, "gaps", _SPANS)


async def _table(
    base_url: str, instrument: Instrument, table: str, rows: msgspec.json.Decoder[Row]
) -> list[Row]:
    """The rows of a table; none where the recording does not have it."""
    async with _ask(base_url, instrument, table=table) as answer:
        if answer.status == 404:
            return []
        answer.raise_for_status()
        return [rows.decode(line) for line in (await answer.read()).splitlines()]


@asynccontextmanager
async def _ask(
    base_url: str, instrument: Instrument, **wanted: str
) -> AsyncIterator[aiohttp.ClientResponse]:
    """One request; what goes wrong until its end is a SourceUnavailable."""
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=READ_TIMEOUT, sock_read=READ_TIMEOUT)
    url = f"{base_url.rstrip('/')}/warm/{instrument.exchange}"
    params = {"symbol": instrument.symbol, **wanted}
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout) as http,
            http.get(url, params=params) as answer,
        ):
            yield answer
    except (aiohttp.ClientError, OSError, TimeoutError, ValueError, msgspec.MsgspecError) as error:
        reason = f"its past was not read: {type(error).__name__}"
        raise SourceUnavailable(f"recording of {instrument.key}", reason) from error


async def _frames(content: aiohttp.StreamReader, decoder: Decoder) -> AsyncIterator[list[Trade]]:
    """Venue frames, one a line, as trades; other tasks get their turn between the lists."""
    rest = b""
    async for chunk in content.iter_chunked(CHUNK):
        *lines, rest = (rest + chunk).split(b"\n")
        found = [each for line in lines for each in decoder.decode(line)]
        yield [each for each in found if isinstance(each, Trade)]
        await asyncio.sleep(0)
    if rest:
        raise ValueError("cut off")
