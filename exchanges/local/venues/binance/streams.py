"""Binance's websockets: raw (/ws, /ws/<stream>) and combined (/stream?streams=a/b), subscriptions by message.

Futures are split by category as on the venue: /public has books and single trades, /market the rest.
"""

from collections.abc import Iterable
from functools import partial
from typing import Any

import msgspec
from aiohttp import web

from exchanges.local.pump import Feed, Session
from exchanges.local.venues.binance import feeds
from exchanges.local.venues.binance.segment import Segment
from market.types import TIMEFRAMES, Instrument

PUBLIC = ("depth", "bookTicker", "trade")
PARTIAL_DEPTHS = (5, 10, 20)  # levels
MARK_STEP, TICKER_STEP = 3000, 1000  # ms


class Invalid(ValueError):
    """A stream name Binance does not have."""


class Streams:
    """The stream servers of both segments."""

    def __init__(self, spot: Segment, futures: Segment) -> None:
        self._spot = spot
        self._futures = futures

    def routes(self) -> list[web.RouteDef]:
        """Spot under /stream, futures by category."""
        both = [
            ("/binance/stream", partial(self._serve, self._spot)),
            ("/binance/futures/{category:public|market}", partial(self._serve, self._futures)),
        ]
        return [
            web.get(f"{root}{path}", handler)
            for root, handler in both
            for path in ("/ws", "/ws/{tail:.*}", "/stream")
        ]

    async def _serve(self, segment: Segment, request: web.Request) -> web.WebSocketResponse:
        combined = request.path.endswith("/stream")
        connection = Connection(segment, request.match_info.get("category"), combined=combined)
        session = Session(segment.source.clock, connection.on_text)
        session.down = lambda: segment.source.down("binance")
        tail = request.match_info.get("tail", "")
        names = request.query.get("streams", tail if "@" in tail or tail.startswith("!") else "")
        try:
            connection.subscribe(session, [name for name in names.split("/") if name])
        except Invalid as error:
            raise web.HTTPBadRequest(text=str(error)) from None
        return await session.run(request)


class Connection:
    """What one client asked for."""

    def __init__(self, segment: Segment, category: str | None, *, combined: bool) -> None:
        self._segment = segment
        self._category = category
        self._combined = combined

    def subscribe(self, session: Session, names: list[str]) -> None:
        """Start streams; an unknown symbol is silent, as on the venue."""
        found = {name: self._feed(name) for name in names}
        for name, feed in found.items():
            if feed is not None and name not in session.feeds:
                wrapped = feeds.Enveloped(name, feed) if self._combined else feed
                session.subscribe(name, wrapped)

    async def on_text(self, session: Session, text: str) -> None:
        """Answer SUBSCRIBE, UNSUBSCRIBE and LIST_SUBSCRIPTIONS."""
        try:
            message = msgspec.json.decode(text, type=dict[str, Any])
        except msgspec.MsgspecError:
            await _refuse(session, 2, "Invalid request: not JSON", None)
            return
        number, names = message.get("id"), message.get("params") or []
        result: object = None
        match message.get("method"):
            case "SUBSCRIBE":
                try:
                    self.subscribe(session, [str(name) for name in names])
                except Invalid as error:
                    await _refuse(session, 2, str(error), number)
                    return
            case "UNSUBSCRIBE":
                for name in names:
                    session.unsubscribe(str(name))
            case "LIST_SUBSCRIPTIONS":
                result = list(session.feeds)
            case other:
                await _refuse(session, 2, f"Invalid request: unknown method {other!r}", number)
                return
        await session.send(msgspec.json.encode({"result": result, "id": number}))

    def _feed(self, name: str) -> Feed | None:
        """The feed of a stream name; None for a symbol that does not exist."""
        if name.startswith("!"):
            return self._every_symbol(name)
        word, _at, channel = name.partition("@")
        self._check_category(channel)
        instrument = self._segment.find(word.upper()) if word == word.lower() else None
        make = self._maker(channel)
        return None if instrument is None else make(instrument)

    def _check_category(self, channel: str) -> None:
        kind = channel.partition("@")[0]
        public = kind in PUBLIC or kind.startswith("depth")
        if self._category and public != (self._category == "public"):
            raise Invalid("Invalid request: invalid stream")

    def _maker(self, channel: str) -> Any:
        """What makes the feed of one symbol."""
        segment = self._segment
        kind, _at, speed = channel.partition("@")
        if kind.startswith("kline_") and kind[6:] in TIMEFRAMES:
            return lambda one: feeds.Klines(segment, one, kind[6:])
        makers: dict[str, Any] = {
            "trade": partial(feeds.Trades, segment),
            "aggTrade": partial(feeds.AggTrades, segment),
            "depth": partial(feeds.Depth, segment),
            "bookTicker": partial(feeds.BestPrices, segment),
            "ticker": lambda one: feeds.Every(TICKER_STEP, lambda now: self._day([one], now)),
            "miniTicker": lambda one: feeds.Every(
                TICKER_STEP, lambda now: self._day([one], now, mini=True)
            ),
        }
        makers |= {f"depth{n}": partial(feeds.PartialDepth, n, segment) for n in PARTIAL_DEPTHS}
        if segment.perp:
            step = TICKER_STEP if speed == "1s" else MARK_STEP
            makers["forceOrder"] = partial(feeds.ForcedOrders, segment)
            makers["markPrice"] = lambda one: feeds.Every(step, lambda now: self._marks([one], now))
        if kind not in makers:
            raise Invalid("Invalid request: invalid stream")
        return makers[kind]

    def _every_symbol(self, name: str) -> Feed:
        """Streams of the whole segment."""
        segment, every = self._segment, self._segment.instruments
        self._check_category(name.removeprefix("!"))
        if name == "!miniTicker@arr":
            rows = partial(self._day, every, mini=True)
            return feeds.Every(TICKER_STEP, rows, as_array=True)
        if name == "!ticker@arr":
            return feeds.Every(TICKER_STEP, partial(self._day, every), as_array=True)
        if segment.perp and name == "!forceOrder@arr":
            return feeds.ForcedOrders(segment, None)
        if segment.perp and name in ("!markPrice@arr", "!markPrice@arr@1s"):
            step = TICKER_STEP if name.endswith("1s") else MARK_STEP
            return feeds.Every(step, partial(self._marks, every), as_array=True)
        raise Invalid("Invalid request: invalid stream")

    def _day(
        self, wanted: list[Instrument], now: int, *, mini: bool = False
    ) -> Iterable[feeds.Row]:
        for each in wanted:
            yield from feeds.day_event(self._segment, each, now, mini=mini)

    def _marks(self, wanted: list[Instrument], now: int) -> Iterable[feeds.Row]:
        for each in wanted:
            yield from feeds.mark_event(self._segment, each, now)


async def _refuse(session: Session, code: int, msg: str, number: object) -> None:
    await session.send(msgspec.json.encode({"error": {"code": code, "msg": msg}, "id": number}))
