"""Bybit's public websocket: /v5/public/<category>, topics like publicTrade.BTCUSDT."""

from collections.abc import Iterable
from functools import partial
from typing import Any

import msgspec
from aiohttp import web

from exchanges.local.pump import Session
from exchanges.local.source import Source
from exchanges.local.venues.bybit.rows import INTERVALS, public_trades, ticker_row
from exchanges.local.venues.feeds import BookState, CandleState, Change, Channel, Pace, attach
from exchanges.local.venues.listing import Listing
from exchanges.local.venues.native import native, plain
from market.types import TIMEFRAMES, Instrument, PositionSide

CATEGORIES: dict[str, bool | None] = {
    "spot": False, "linear": True, "inverse": None, "option": None,
}  # fmt: skip
DEPTHS = {"1": 20, "50": 100, "200": 100, "1000": 200}  # ms between updates
TRADES_A_FRAME = 1024
SPOT_TOPICS = 10  # topics in one request
POSITIONS = {PositionSide.LONG: "Buy", PositionSide.SHORT: "Sell"}


class BybitStream:
    """Serves the public sockets."""

    def __init__(self, source: Source, listing: Listing) -> None:
        self._source = source
        self._listing = listing

    def routes(self) -> list[web.RouteDef]:
        """One socket a category."""
        return [
            web.get(f"/bybit/v5/public/{name}", partial(self._serve, name)) for name in CATEGORIES
        ]

    async def _serve(self, category: str, request: web.Request) -> web.WebSocketResponse:
        session = Session(self._source.clock, partial(self._on_text, category))
        session.down = partial(self._source.down, "bybit")
        return await session.run(request)

    async def _on_text(self, category: str, session: Session, text: str) -> None:
        try:
            request = msgspec.json.decode(text, type=dict[str, Any])
        except msgspec.MsgspecError:
            await _reply(session, {}, ok=False, message="error:invalid json")
            return
        op = request.get("op")
        if op == "ping":
            await _reply(session, request, message="pong")
        elif op == "subscribe":
            await self._subscribe(category, session, request)
        elif op == "unsubscribe":
            for topic in _topics(request):
                session.unsubscribe(topic)
            await _reply(session, request)
        else:
            await _reply(session, request, ok=False, message="error:invalid op")

    async def _subscribe(self, category: str, session: Session, request: dict[str, Any]) -> None:
        """All topics of a request or, when one is wrong, none."""
        topics = _topics(request)
        if category == "spot" and len(topics) > SPOT_TOPICS:
            await _reply(session, request, ok=False, message="args size >10")
            return
        channels = {topic: self._channel(category, topic) for topic in topics}
        for topic, channel in channels.items():
            if channel is None:
                message = f"error:handler not found,topic:{topic}"
                await _reply(session, request, ok=False, message=message)
                return
        now = session.clock.now()  # before the answer: the client counts on all that follows it
        await _reply(session, request, message="subscribe" if category == "spot" else "")
        for topic, channel in channels.items():
            if channel and topic not in session.feeds:
                await attach(session, topic, channel, now)

    def _channel(self, category: str, topic: str) -> Channel | None:
        """The channel of a topic; None where there is none."""
        perp = CATEGORIES[category]
        kind, _, rest = topic.partition(".")
        detail, _, name = rest.rpartition(".")
        instrument = None if perp is None else self._listing.of(perp=perp).get(name)
        if instrument is None:
            return None
        if kind == "orderbook" and detail in DEPTHS:
            return Book(self._source, instrument, detail)
        if kind == "kline" and INTERVALS.get(detail):
            return Kline(self._source, instrument, detail)
        if detail:
            return None
        if kind == "allLiquidation" and instrument.perp:
            return Liquidations(self._source, instrument)
        plain_topics = {"publicTrade": Trades, "tickers": Tickers}
        return plain_topics[kind](self._source, instrument) if kind in plain_topics else None


def _topics(request: dict[str, Any]) -> list[str]:
    return [str(topic) for topic in request.get("args") or ()]


async def _reply(
    session: Session, request: dict[str, Any], *, ok: bool = True, message: str = ""
) -> None:
    body: dict[str, Any] = {"success": ok, "ret_msg": message, "conn_id": f"local-{id(session):x}"}
    if "req_id" in request:
        body["req_id"] = request["req_id"]
    await session.send(msgspec.json.encode(body | {"op": request.get("op", "")}))


def _message(topic: str, ts: int, data: Any, kind: str = "snapshot", **more: int) -> bytes:
    return msgspec.json.encode({"topic": topic, "type": kind, "ts": ts, "data": data, **more})


class Trades(Channel):
    """publicTrade: every trade, in order."""

    def __init__(self, source: Source, instrument: Instrument) -> None:
        self._source = source
        self._instrument = instrument
        self._topic = f"publicTrade.{instrument.id}"

    def frames(self, start: int, end: int) -> Iterable[bytes]:
        """At most 1024 trades a message."""
        rows = public_trades(self._source, self._source.trades(self._instrument, start, end))
        for first in range(0, len(rows), TRADES_A_FRAME):
            yield _message(self._topic, end, rows[first : first + TRADES_A_FRAME])


class Book(Channel):
    """orderbook.<depth>: a snapshot, then what changed; `u` counts up by one."""

    def __init__(self, source: Source, instrument: Instrument, depth: str) -> None:
        self._state = BookState(source, instrument, int(depth))
        self._pace = Pace(DEPTHS[depth])
        self._id = instrument.id
        self._topic = f"orderbook.{depth}.{instrument.id}"
        self._update = 0

    def opening(self, now: int) -> Iterable[bytes]:
        """The snapshot."""
        return self.frames(now, now)

    def frames(self, start: int, end: int) -> Iterable[bytes]:
        """The changes since the last message."""
        del start
        changed = self._state.change() if self._pace.due(end) else None
        if changed:
            yield self._send(changed, end)

    def _send(self, changed: Change, now: int) -> bytes:
        self._update = now if changed.whole else self._update + 1
        data = {
            "s": self._id,
            "b": changed.bids,
            "a": changed.asks,
            "u": self._update,
            "seq": changed.ts,
        }
        kind = "snapshot" if changed.whole else "delta"
        return _message(self._topic, now, data, kind, cts=changed.ts)


class Tickers(Channel):
    """tickers: all fields each time; of contracts a snapshot and then the fields that changed."""

    def __init__(self, source: Source, instrument: Instrument) -> None:
        self._source = source
        self._instrument = instrument
        self._pace = Pace(100, turns=4)
        self._topic = f"tickers.{instrument.id}"
        self._sent: dict[str, str] = {}

    def opening(self, now: int) -> Iterable[bytes]:
        """The snapshot."""
        return self.frames(now, now)

    def frames(self, start: int, end: int) -> Iterable[bytes]:
        """The present row, or what is new in it."""
        del start
        row = ticker_row(self._source, self._instrument) if self._pace.due(end) else None
        changed = {k: v for k, v in (row or {}).items() if self._sent.get(k) != v}
        if not row or not changed:
            return
        delta = bool(self._sent) and self._instrument.perp
        data = {"symbol": self._instrument.id} | changed if delta else row
        self._sent = row
        yield _message(self._topic, end, data, "delta" if delta else "snapshot", cs=end)


class Kline(Channel):
    """kline.<interval>: the candle that forms, and each as it closes."""

    def __init__(self, source: Source, instrument: Instrument, interval: str) -> None:
        self._instrument = instrument
        self._interval = interval
        self._step = TIMEFRAMES[INTERVALS[interval]]
        self._state = CandleState(source, instrument, INTERVALS[interval])
        self._pace = Pace(1000, turns=4)
        self._topic = f"kline.{interval}.{instrument.id}"

    def opening(self, now: int) -> Iterable[bytes]:
        """The candle that forms."""
        return self.frames(now, now)

    def frames(self, start: int, end: int) -> Iterable[bytes]:
        """What changed since the last message."""
        del start
        units = native(self._instrument)
        rows = self._state.news(end) if self._pace.due(end) else []
        data = [
            {
                "start": each.ts,
                "end": each.ts + self._step - 1,
                "interval": self._interval,
                "open": units.price(each.open),
                "close": units.price(each.close),
                "high": units.price(each.high),
                "low": units.price(each.low),
                "volume": units.amount(each.volume),
                "turnover": plain(each.quote_volume),
                "confirm": each.closed,
                "timestamp": end,
            }
            for each in rows
        ]
        if data:
            yield _message(self._topic, end, data)


class Liquidations(Channel):
    """allLiquidation: every one, twice a second; `S` is the position: Buy is a long that was closed."""

    def __init__(self, source: Source, instrument: Instrument) -> None:
        self._source = source
        self._instrument = instrument
        self._pace = Pace(500)
        self._since: int | None = None

    def frames(self, start: int, end: int) -> Iterable[bytes]:
        """All since the last message."""
        since = start if self._since is None else self._since
        self._since = since
        if not self._pace.due(end):
            return
        self._since = end
        units = native(self._instrument)
        data = [
            {
                "T": each.ts,
                "s": self._instrument.id,
                "S": POSITIONS[each.position],
                "v": units.amount(each.amount),
                "p": units.price(each.price),
            }
            for each in self._source.liquidations(self._instrument.exchange, since, end)
            if each.instrument.symbol == self._instrument.symbol
        ]
        if data:
            yield _message(f"allLiquidation.{self._instrument.id}", end, data)
