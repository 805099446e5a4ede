"""Faults on demand: a venue that is overloaded, broken or away, and streams that go wrong (`stream_faults`)."""

import asyncio
from collections import OrderedDict
from dataclasses import dataclass

import msgspec
from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from exchanges.local.source import Source
from exchanges.local.stream_faults import SHARES, StreamFaults
from market.clock import Clock
from market.types import Instrument, Liquidation, Trade

FAULTS = ("none", "down", "slow", "500", "429", "garbage")
RETRY_AFTER = 2  # seconds, told with every 429
SLICES = 64  # answers about liquidations that are remembered

TOO_MANY: dict[str, object] = {
    "binance": {"code": -1003, "msg": "Too many requests."},
    "bybit": {"retCode": 10006, "retMsg": "Too many visits!", "result": {}, "retExtInfo": {}},
    "okx": {"code": "50011", "data": [], "msg": "Too Many Requests"},
    "hyperliquid": None,
    "coinbase": {"error": "rate_limit_exceeded", "message": "rate limit exceeded"},
    "coingecko": {"status": {"error_code": 429, "error_message": "rate limit exceeded"}},
}


class Fault(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """The body of POST /faults: one of `FAULTS` for REST, or of `stream_faults.SHARES`; `none` ends all.

    Seconds are wall time; 0: until it is changed. What follows `delay` is for streams.
    """

    exchange: str
    fault: str
    seconds: float = 0.0
    delay: float = 1.0  # of `slow` and `delay`
    channel: str = ""  # trades, liquidations, context, books or candles; "": all
    symbol: str = ""  # ours or the venue's own; "": all
    seed: int = 0
    share: float | None = None  # of frames (idgap: of trades) that are hit
    run: int = 5  # trades that `idgap` leaves out together
    instead: bool = False  # a broken frame replaces the good one, whose trades are then missing
    pongs: bool = True  # whether pings are answered while frozen


@dataclass(frozen=True, slots=True)
class _Running:
    fault: str
    delay: float
    until: int | None  # wall ms


class Faults:
    """The faults that are on, by exchange."""

    def __init__(self, source: Source, wall: Clock) -> None:
        self._source = source
        self._wall = wall
        self._running: dict[str, _Running] = {}
        self.streams = StreamFaults(wall, source.instruments)

    def set(self, wanted: Fault) -> list[int]:
        """Start a fault or end all; ValueError where there is no such fault or exchange.

        A REST fault takes the place of the one before; stream faults add up and have numbers.
        """
        if wanted.fault not in FAULTS and wanted.fault not in SHARES:
            raise ValueError(f"fault is one of {', '.join((*FAULTS, *SHARES))}")
        if wanted.exchange != "*" and wanted.exchange not in TOO_MANY:
            raise ValueError(f"exchange is * or one of {', '.join(TOO_MANY)}")
        until = self._wall.now() + int(wanted.seconds * 1000) if wanted.seconds else None
        names = tuple(TOO_MANY) if wanted.exchange == "*" else (wanted.exchange,)
        if wanted.fault in SHARES:
            return self.streams.start(wanted, names)
        if wanted.fault == "none":
            self.streams.stop(names)
        for name in names:
            self._running[name] = _Running(wanted.fault, wanted.delay, until)
        return []

    def of(self, exchange: str) -> tuple[str, float]:
        """The fault that is on and its delay."""
        found = self._running.get(exchange)
        if found is None or (found.until is not None and self._wall.now() >= found.until):
            return "none", 0.0
        return found.fault, found.delay

    def down(self, exchange: str) -> bool:
        """Whether the venue is away: by fault, or because the market says so."""
        return self.of(exchange)[0] == "down" or self._source.down(exchange)

    def middleware(self) -> Middleware:
        """Put between the client and the venue."""

        @web.middleware
        async def apply(request: web.Request, handler: Handler) -> web.StreamResponse:
            return await self._apply(request, handler)

        return apply

    async def _apply(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        exchange = request.path.split("/")[1]
        if exchange not in TOO_MANY:
            return await handler(request)
        fault, delay = self.of(exchange)
        if fault == "down":
            return _cut(request)
        if self._source.down(exchange):
            return web.Response(status=503, text="Service Unavailable")
        if request.headers.get("Upgrade"):
            if self.streams.refused(exchange):
                return web.Response(status=503, text="Service Unavailable")
            return await handler(request)
        if fault == "slow":
            await asyncio.sleep(delay)
        wrong = _broken(exchange, fault)
        return await handler(request) if wrong is None else wrong


class Faulty:
    """A source whose venues are also down when a fault says so, and whose streams may lack trades.

    Everything else is the source's own.
    """

    def __init__(self, source: Source, faults: Faults) -> None:
        self._source = source
        self._faults = faults
        self._slices: OrderedDict[tuple[str, int, int], list[Liquidation]] = OrderedDict()

    def __getattr__(self, name: str) -> object:
        return getattr(self._source, name)

    def down(self, exchange: str) -> bool:
        """Whether the venue does not answer now."""
        return self._faults.down(exchange)

    def trades(self, instrument: Instrument, start: int, end: int) -> list[Trade]:
        """The source's; while the frames of a stream are made, without those that a fault leaves out."""
        return self._faults.streams.thinned(self._source.trades(instrument, start, end))

    def liquidations(self, exchange: str, start: int, end: int) -> list[Liquidation]:
        """The source's; asked once for all the streams that look at the same slice of the past."""
        slice_ = (exchange, start, end)
        if slice_ in self._slices:
            return self._slices[slice_]
        past = end <= self._source.clock.now() and not self._source.down(exchange)
        found = self._source.liquidations(exchange, start, end)
        if past:
            self._slices[slice_] = found
            if len(self._slices) > SLICES:
                self._slices.popitem(last=False)
        return found


def _cut(request: web.Request) -> web.Response:
    """Close the connection without an answer."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=503)


def _broken(exchange: str, fault: str) -> web.Response | None:
    """The answer of a venue that answers wrongly; None where it answers well."""
    match fault:
        case "500":
            return web.Response(status=500, text="Internal Server Error")
        case "429":
            return _too_many(exchange)
        case "garbage":
            return web.Response(body=b'{"data": [1, 2,', content_type="application/json")
    return None


def _too_many(exchange: str) -> web.Response:
    return web.Response(
        body=msgspec.json.encode(TOO_MANY[exchange]),
        status=429,
        headers={"Retry-After": str(RETRY_AFTER)},
        content_type="application/json",
    )
