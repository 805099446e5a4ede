"""OKX's websockets: /ws/v5/public and /business; one answer for each argument of a request."""

from collections.abc import Callable
from functools import partial
from typing import Any

import msgspec
from aiohttp import web

from exchanges.local.pump import Session
from exchanges.local.source import Source
from exchanges.local.venues.feeds import Channel, attach
from exchanges.local.venues.listing import Listing
from exchanges.local.venues.okx import channels
from exchanges.local.venues.okx.rows import BARS, EAST
from market.types import TIMEFRAMES, Instrument

Arg = dict[str, str]
Make = Callable[[Source, Instrument], Channel]

TOPS = {"books5": 5, "bbo-tbt": 1}
PUBLIC: dict[str, Make] = {
    "trades": channels.Trades,
    "books": channels.Books,
    "tickers": channels.tickers,
}
SWAPS: dict[str, Make] = {
    "open-interest": channels.open_interest,
    "funding-rate": channels.funding_rate,
    "mark-price": channels.mark_price,
}
PAID = ("books-l2-tbt", "books50-l2-tbt")


class OkxStream:
    """Serves both sockets."""

    def __init__(self, source: Source, listing: Listing) -> None:
        self._source = source
        self._listing = listing

    def routes(self) -> list[web.RouteDef]:
        """Public and business."""
        return [
            web.get(f"/okx/ws/v5/{access}", partial(self._serve, access))
            for access in ("public", "business")
        ]

    async def _serve(self, access: str, request: web.Request) -> web.WebSocketResponse:
        session = Session(self._source.clock, partial(self._on_text, access))
        session.down = partial(self._source.down, "okx")
        return await session.run(request)

    async def _on_text(self, access: str, session: Session, text: str) -> None:
        if text == "ping":
            await session.send("pong")
            return
        try:
            request = msgspec.json.decode(text, type=dict[str, Any])
            args = msgspec.convert(request.get("args") or [], type=list[Arg])
        except msgspec.MsgspecError:
            await _error(session, "60012", f"Invalid request: {text}")
            return
        op = request.get("op")
        if op not in ("subscribe", "unsubscribe"):
            await _error(session, "60012", f"Invalid request: {text}")
            return
        for arg in args:
            if op == "subscribe":
                await self._subscribe(access, session, arg)
            else:
                session.unsubscribe(_key(arg))
                await _event(session, "unsubscribe", arg)

    async def _subscribe(self, access: str, session: Session, arg: Arg) -> None:
        name = arg.get("channel", "")
        if access == "public" and name in PAID:
            await _error(session, "60011", "Please log in")
            return
        channel = self._channel(access, arg)
        if channel is None:
            named = ",".join(f"{key}:{value}" for key, value in arg.items())
            await _error(session, "60018", f"Wrong URL or {named} doesn't exist.")
            return
        now = session.clock.now()  # before the answer: the client counts on all that follows it
        await _event(session, "subscribe", arg)
        if _key(arg) not in session.feeds:
            await attach(session, _key(arg), channel, now)

    def _channel(self, access: str, arg: Arg) -> Channel | None:
        """The channel of an argument; None where this socket has none."""
        name = arg.get("channel", "")
        if access == "public" and name == "liquidation-orders" and arg.get("instType") == "SWAP":
            return channels.Liquidations(self._source)
        if access == "public" and name == "index-tickers":
            swap = self._listing.perps.get(f"{arg.get('instId', '')}-SWAP")
            return channels.index_tickers(self._source, swap) if swap else None
        instrument = self._listing.find(arg.get("instId", ""))
        if instrument is None:
            return None
        if access == "business":
            if name == "trades-all":
                return channels.TradesAll(self._source, instrument)
            return channels.Candles(self._source, instrument, name) if _bar(name) else None
        return self._public(name, instrument)

    def _public(self, name: str, instrument: Instrument) -> Channel | None:
        if name in TOPS:
            return channels.Top(self._source, instrument, name, TOPS[name])
        make = PUBLIC.get(name) or (SWAPS.get(name) if instrument.perp else None)
        return make(self._source, instrument) if make else None


def _bar(channel: str) -> bool:
    """Whether a channel is one of candles that a source has: bars aligned to UTC+8 come by REST only."""
    bar = channel.removeprefix("candle")
    timeframe = BARS.get(bar, "") if channel.startswith("candle") else ""
    return bool(timeframe) and (bar.endswith("utc") or EAST % TIMEFRAMES[timeframe] == 0)


def _key(arg: Arg) -> str:
    return "|".join(f"{key}={arg[key]}" for key in sorted(arg))


async def _event(session: Session, event: str, arg: Arg) -> None:
    body = {"event": event, "arg": arg, "connId": f"{id(session):x}"}
    await session.send(msgspec.json.encode(body))


async def _error(session: Session, code: str, text: str) -> None:
    body = {"event": "error", "code": code, "msg": text, "connId": f"{id(session):x}"}
    await session.send(msgspec.json.encode(body))
