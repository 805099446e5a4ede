"""GET /warm/<exchange>?symbol=...: the past of a recording, so that a client begins as if it had always run.

The answer is the venue's own trade frames, one a line, from `since` (or the recording's start) to now; two
headers tell the edges. `table=open_interest` has rows [ts, coins, value or null], `table=gaps` [from, to].
"""

import asyncio
import logging
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any, cast

import msgspec
from aiohttp import web

from exchanges.local.pump import Feed
from exchanges.local.recording import Recording
from exchanges.local.source import Source
from exchanges.local.venue import LocalVenue
from exchanges.streams.warm import FIRST, NOW
from market.types import MINUTE, Instrument

logger = logging.getLogger(__name__)

SLICE = 500_000  # bytes that are made at once, about
SHORTEST, LONGEST = 1_000, 30 * MINUTE  # ms of market time in one slice
REPLAY = "REPLAY"


def routes(source: Source, venues: Mapping[str, LocalVenue]) -> list[web.RouteDef]:
    """The one route; a market that is no recording has no past to give."""
    return [web.get("/warm/{exchange}", partial(_serve, source, venues))]


async def _serve(
    source: Source, venues: Mapping[str, LocalVenue], request: web.Request
) -> web.StreamResponse:
    name, symbol = request.match_info["exchange"], request.query.get("symbol", "")
    found = next((each for each in source.instruments(name) if each.symbol == symbol), None)
    if source.mark != REPLAY or found is None or name not in venues:
        raise web.HTTPNotFound(text=f"no recording of {name} {symbol}")
    recording = cast(Recording, source)
    match request.query.get("table", "trades"):
        case "trades":
            return await _trades(recording, venues[name], found, request)
        case "open_interest":
            rows: list[Any] = [(s.ts, s.amount, s.value) for s in recording.samples(found)]
        case "gaps":
            rows = _gaps(recording, found)
        case other:
            raise web.HTTPNotFound(text=f"no table {other}")
    body = b"".join(msgspec.json.encode(row) + b"\n" for row in rows)
    return web.Response(body=body, content_type="application/x-ndjson")


def _gaps(recording: Recording, instrument: Instrument) -> list[tuple[int, int]]:
    """Blind intervals as far as they are past."""
    now = recording.clock.now()
    spans = [(each.from_ts, min(each.to_ts, now)) for each in recording.gaps(instrument)]
    return [(start, end) for start, end in spans if start < end]


async def _trades(
    recording: Recording, venue: LocalVenue, instrument: Instrument, request: web.Request
) -> web.StreamResponse:
    if recording.derived(instrument):
        raise web.HTTPConflict(text="its ticks are made from candles")
    now, first = recording.clock.now(), recording.manifest.start_ts - 1
    try:
        after = max(first, int(request.query.get("since", first)))
    except ValueError:
        raise web.HTTPBadRequest(text="since is a whole number of ms") from None
    answer = web.StreamResponse(headers={FIRST: str(after), NOW: str(now)})
    answer.content_type = "application/x-ndjson"
    await answer.prepare(request)
    try:
        for part in _slices(venue.trade_feed(instrument), after, now):
            await answer.write(part)
            await asyncio.sleep(0)  # the venues' own streams go on meanwhile
        await answer.write_eof()
    except ConnectionError:
        logger.info("warm-up given up by the client instrument=%s", instrument.key)
    return answer


def _slices(feed: Feed, after: int, until: int) -> Iterator[bytes]:
    """The frames in lines, in parts of some hundred kilobytes whatever the pace of the market."""
    step = MINUTE
    while after < until:
        end = min(until, after + step)
        lines = [
            each if isinstance(each, bytes) else each.encode() for each in feed.frames(after, end)
        ]
        part = b"".join(line + b"\n" for line in lines)
        if part:
            yield part
        pace = min(2.0, max(0.1, SLICE / len(part))) if part else 2.0
        step = min(LONGEST, max(SHORTEST, int(step * pace)))
        after = end
