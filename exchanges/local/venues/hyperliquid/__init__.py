"""Hyperliquid over a source: POST /info and one websocket, perps and spot pairs."""

from typing import Any

from aiohttp import web

from exchanges.local.pump import Feed
from exchanges.local.source import Source
from exchanges.local.venues.hyperliquid.info import HyperliquidInfo
from exchanges.local.venues.hyperliquid.stream import HyperliquidStream, Trades
from exchanges.local.venues.listing import Listing
from market.types import Instrument


class Hyperliquid:
    """The venue's REST and websocket protocol."""

    name = "hyperliquid"

    def __init__(self, source: Source) -> None:
        self._source = source
        self._listing = Listing(source, self.name)
        self._info = HyperliquidInfo(source, self._listing)
        self._stream = HyperliquidStream(source, self._listing)

    def routes(self) -> list[web.RouteDef]:
        """Everything under /hyperliquid."""
        return [*self._info.routes(), *self._stream.routes()]

    def clients(self, http: str, ws: str) -> dict[str, dict[str, Any]]:
        """REST for both sections and the socket; only the kinds of markets that are listed are loaded."""
        rest = f"{http}/{self.name}"
        api = {"public": rest, "private": rest, "ws": {"public": f"{ws}/{self.name}/ws"}}
        types = ["spot", "swap"] if self._listing.spots else ["swap"]
        return {self.name: {"urls": {"api": api}, "options": {"fetchMarkets": {"types": types}}}}

    def trade_feed(self, instrument: Instrument) -> Feed:
        """trades frames, without the ones before the subscription."""
        return Trades(self._source, instrument)
