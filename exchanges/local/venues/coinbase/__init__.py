"""Coinbase on loopback: the public Advanced Trade endpoints and the market-data websocket.

`side` of a public trade is the MAKER's, in REST and in the stream: a taker who bought reads "SELL". ccxt
passes it on unchanged.
"""

from typing import Any

from aiohttp import web

from exchanges.local.pump import Feed
from exchanges.local.source import Source
from exchanges.local.venues.coinbase.feeds import MarketTrades, Sequence
from exchanges.local.venues.coinbase.rest import Rest
from exchanges.local.venues.coinbase.streams import Streams
from market.types import Instrument


class Coinbase:
    """The local Coinbase."""

    name = "coinbase"

    def __init__(self, source: Source) -> None:
        self._source = source
        self._rest = Rest(source)
        self._streams = Streams(source)

    def routes(self) -> list[web.RouteDef]:
        """Every public route the product uses."""
        return [*self._rest.routes(), web.get("/coinbase/ws", self._streams.serve)]

    def clients(self, http: str, ws: str) -> dict[str, dict[str, Any]]:
        """Both addresses of the client."""
        api = {"rest": f"{http}/coinbase", "ws": f"{ws}/coinbase/ws"}
        return {"coinbase": {"urls": {"api": api}, "options": {}}}

    def trade_feed(self, instrument: Instrument) -> Feed:
        """market_trades updates, many trades a message."""
        return MarketTrades(self._source, instrument, Sequence())
