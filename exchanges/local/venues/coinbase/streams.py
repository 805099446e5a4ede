"""Coinbase's market-data websocket: one address, channels and products by subscription."""

from collections.abc import Callable
from typing import Any

import msgspec
from aiohttp import web

from exchanges.local.pump import Session
from exchanges.local.source import Source
from exchanges.local.venues.coinbase.feeds import (
    Heartbeats,
    Level2,
    MarketTrades,
    Row,
    Sequence,
    Tickers,
)
from exchanges.local.venues.feeds import Channel, attach
from exchanges.local.venues.listing import Listing
from market.types import Instrument

BATCH_STEP = 5000  # ms between ticker_batch messages


class Streams:
    """The stream server."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._listing = Listing(source, "coinbase")

    async def serve(self, request: web.Request) -> web.WebSocketResponse:
        """One client to its end."""
        connection = Connection(self._source, self._listing)
        session = Session(self._source.clock, connection.on_text)
        session.down = lambda: self._source.down("coinbase")
        return await session.run(request)


class Connection:
    """What one client asked for."""

    def __init__(self, source: Source, listing: Listing) -> None:
        self._source = source
        self._listing = listing
        self._sequence = Sequence()
        self._channels: dict[str, list[str]] = {}

    async def on_text(self, session: Session, text: str) -> None:
        """Answer subscribe and unsubscribe."""
        try:
            message = msgspec.json.decode(text, type=dict[str, Any])
        except msgspec.MsgspecError:
            await _refuse(session, "failed to parse message")
            return
        channel, kind = str(message.get("channel")), message.get("type")
        products = [str(each) for each in message.get("product_ids") or []]
        if channel not in (*_MAKERS, "heartbeats") or kind not in ("subscribe", "unsubscribe"):
            await _refuse(session, f"{kind} {channel}: no such channel or type")
        elif kind == "subscribe":
            await self._subscribe(session, channel, products)
        else:
            await self._unsubscribe(session, channel, products)

    async def _subscribe(self, session: Session, channel: str, products: list[str]) -> None:
        unknown = [each for each in products if each not in self._listing.spots]
        if unknown:
            await _refuse(session, f"product_id {unknown[0]} is not a valid product")
            return
        mine = self._channels.setdefault(channel, [])
        fresh = [each for each in products if each not in mine]
        mine += fresh
        now = session.clock.now()  # before the answer: the client counts on all that follows it
        await self._confirm(session)
        if channel == "heartbeats":
            await attach(session, channel, Heartbeats(self._sequence), now)
        for each in fresh if channel in _MAKERS else ():
            made = _MAKERS[channel](self._source, self._listing.spots[each], self._sequence)
            await attach(session, f"{channel}:{each}", made, now)

    async def _unsubscribe(self, session: Session, channel: str, products: list[str]) -> None:
        """Without products: the whole channel."""
        mine = self._channels.get(channel, [])
        for each in products or list(mine):
            session.unsubscribe(f"{channel}:{each}")
            if each in mine:
                mine.remove(each)
        if channel == "heartbeats":
            session.unsubscribe(channel)
        if not mine:
            self._channels.pop(channel, None)
        await self._confirm(session)

    async def _confirm(self, session: Session) -> None:
        events: list[Row] = [{"subscriptions": self._channels}]
        await session.send(self._sequence.message("subscriptions", session.clock.now(), events))


def _ticker(source: Source, instrument: Instrument, sequence: Sequence) -> Channel:
    return Tickers(source, instrument, sequence, step=None)


def _ticker_batch(source: Source, instrument: Instrument, sequence: Sequence) -> Channel:
    return Tickers(source, instrument, sequence, step=BATCH_STEP)


async def _refuse(session: Session, text: str) -> None:
    await session.send(msgspec.json.encode({"type": "error", "message": text}))


_MAKERS: dict[str, Callable[[Source, Instrument, Sequence], Channel]] = {
    "market_trades": MarketTrades,
    "level2": Level2,
    "ticker": _ticker,
    "ticker_batch": _ticker_batch,
}
