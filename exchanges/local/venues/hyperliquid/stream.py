"""Hyperliquid's websocket: {"method": "subscribe", "subscription": {"type", "coin", ...}}."""

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import msgspec
from aiohttp import web

from exchanges.local.past_trades import trades_until
from exchanges.local.pump import Session
from exchanges.local.source import Source
from exchanges.local.venues.feeds import CandleState, Channel, Pace, attach
from exchanges.local.venues.hyperliquid import rows
from exchanges.local.venues.hyperliquid.info import all_mids
from exchanges.local.venues.listing import Listing
from market.types import Instrument

Subscription = dict[str, Any]

TRADES_A_FRAME = 500
EARLIER_TRADES = 10  # in the first message after a subscription


class HyperliquidStream:
    """Serves the socket."""

    def __init__(self, source: Source, listing: Listing) -> None:
        self._source = source
        self._listing = listing

    def routes(self) -> list[web.RouteDef]:
        """The one socket."""
        return [web.get("/hyperliquid/ws", self._serve)]

    async def _serve(self, request: web.Request) -> web.WebSocketResponse:
        session = Session(self._source.clock, self._on_text)
        session.down = partial(self._source.down, "hyperliquid")
        return await session.run(request)

    async def _on_text(self, session: Session, text: str) -> None:
        try:
            request = msgspec.json.decode(text, type=dict[str, Any])
        except msgspec.MsgspecError:
            await _send(
                session, "error", f"Error parsing JSON into valid websocket request: {text}"
            )
            return
        method, asked = request.get("method"), request.get("subscription")
        if method == "ping":
            await session.send(b'{"channel":"pong"}')
        elif method == "subscribe" and isinstance(asked, dict):
            await self._subscribe(session, asked, text)
        elif method == "unsubscribe" and isinstance(asked, dict):
            await self._unsubscribe(session, asked, text)
        else:
            await _send(
                session, "error", f"Error parsing JSON into valid websocket request: {text}"
            )

    async def _subscribe(self, session: Session, asked: Subscription, text: str) -> None:
        key = _key(asked)
        if key in session.feeds:
            await _send(session, "error", f"Already subscribed: {text}")
            return
        channel = self._channel(asked)
        if channel is None:
            await _send(session, "error", f"Invalid subscription {text}")
            return
        now = session.clock.now()  # before the answer: the client counts on all that follows it
        await _send(session, "subscriptionResponse", {"method": "subscribe", "subscription": asked})
        await attach(session, key, channel, now)

    async def _unsubscribe(self, session: Session, asked: Subscription, text: str) -> None:
        key = _key(asked)
        if key not in session.feeds:
            await _send(session, "error", f"Already unsubscribed: {text}")
            return
        session.unsubscribe(key)
        answer = {"method": "unsubscribe", "subscription": asked}
        await _send(session, "subscriptionResponse", answer)

    def _channel(self, asked: Subscription) -> Channel | None:
        """The channel of a subscription; None where there is none."""
        kind = asked.get("type")
        if kind == "allMids" and not asked.get("dex"):
            return State("allMids", Pace(1000, turns=10), self._mids)
        instrument = self._listing.find(str(asked.get("coin")))
        if instrument is None:
            return None
        if kind == "trades":
            return Trades(self._source, instrument, earlier=EARLIER_TRADES)
        if kind == "candle" and rows.INTERVALS.get(str(asked.get("interval"))):
            return Candles(self._source, instrument, str(asked["interval"]))
        return self._state(kind, instrument, asked)

    def _state(self, kind: Any, instrument: Instrument, asked: Subscription) -> Channel | None:
        source = self._source
        figures, mantissa = asked.get("nSigFigs"), asked.get("mantissa")
        if kind == "l2Book" and rows.grid(figures, mantissa):
            make = partial(rows.book, source, instrument, figures, mantissa)
            return State("l2Book", Pace(500), make)
        if kind == "bbo":
            return State("bbo", Pace(100), partial(_best, source, instrument))
        if kind == "activeAssetCtx":
            channel = "activeAssetCtx" if instrument.perp else "activeSpotAssetCtx"
            return State(channel, Pace(1000, turns=4), partial(_context, source, instrument))
        return None

    def _mids(self) -> Any:
        return {"mids": all_mids(self._source, self._listing)}


def _key(asked: Subscription) -> str:
    return msgspec.json.encode(asked, order="sorted").decode()


def _message(channel: str, data: Any) -> bytes:
    return msgspec.json.encode({"channel": channel, "data": data})


async def _send(session: Session, channel: str, data: Any) -> None:
    await session.send(_message(channel, data))


def _best(source: Source, instrument: Instrument) -> Any:
    found = source.book(instrument, 1)
    return rows.best(instrument, found) if found else None


def _context(source: Source, instrument: Instrument) -> Any:
    make = rows.context if instrument.perp else rows.spot_context
    return {"coin": instrument.id, "ctx": make(source, instrument)}


class Trades(Channel):
    """trades: every trade, in order; the first message holds some from before the subscription."""

    def __init__(self, source: Source, instrument: Instrument, *, earlier: int = 0) -> None:
        self._source = source
        self._instrument = instrument
        self._earlier = earlier
        self._until: int | None = None

    def opening(self, now: int) -> Iterable[bytes]:
        """The newest trades up to now."""
        self._until = now
        # Not the newest of a later look: in a fast market the clock has moved on since `now`.
        known = trades_until(self._source, self._instrument, now, self._earlier)
        return [_message("trades", rows.trade_rows(self._source, known))] if known else []

    def frames(self, start: int, end: int) -> Iterable[bytes]:
        """What followed the opening."""
        since, self._until = start if self._until is None else self._until, None
        found = rows.trade_rows(self._source, self._source.trades(self._instrument, since, end))
        for first in range(0, len(found), TRADES_A_FRAME):
            yield _message("trades", found[first : first + TRADES_A_FRAME])


class State(Channel):
    """A channel that sends its whole state whenever it has changed."""

    def __init__(self, channel: str, pace: Pace, make: Callable[[], Any]) -> None:
        self._channel = channel
        self._pace = pace
        self._make = make
        self._sent: Any = None

    def opening(self, now: int) -> Iterable[bytes]:
        """The present state."""
        return self.frames(now, now)

    def frames(self, start: int, end: int) -> Iterable[bytes]:
        """The state, when it changed."""
        del start
        state = self._make() if self._pace.due(end) else None
        if state and state != self._sent:
            self._sent = state
            yield _message(self._channel, state)


class Candles(Channel):
    """candle: one message for the candle that forms and for each that closed."""

    def __init__(self, source: Source, instrument: Instrument, interval: str) -> None:
        self._instrument = instrument
        self._interval = interval
        self._state = CandleState(source, instrument, rows.INTERVALS[interval])
        self._pace = Pace(1000, turns=4)

    def opening(self, now: int) -> Iterable[bytes]:
        """The candle that forms."""
        return self.frames(now, now)

    def frames(self, start: int, end: int) -> Iterable[bytes]:
        """What changed since the last message."""
        del start
        for each in self._state.news(end) if self._pace.due(end) else []:
            yield _message("candle", rows.candle(self._instrument, self._interval, each))
