"""Bybit v5 over a source: public market data, spot and linear perps."""

from typing import Any

from aiohttp import web

from exchanges.local.pump import Feed
from exchanges.local.source import Source
from exchanges.local.venues.bybit.rest import BybitRest
from exchanges.local.venues.bybit.stream import BybitStream, Trades
from exchanges.local.venues.listing import Listing
from market.types import Instrument


class Bybit:
    """The venue's REST and websocket protocol."""

    name = "bybit"

    def __init__(self, source: Source) -> None:
        self._source = source
        listing = Listing(source, self.name)
        self._rest = BybitRest(source, listing)
        self._stream = BybitStream(source, listing)

    def routes(self) -> list[web.RouteDef]:
        """Everything under /bybit."""
        return [*self._rest.routes(), *self._stream.routes()]

    def clients(self, http: str, ws: str) -> dict[str, dict[str, Any]]:
        """Every address a client knows, private ones too, so that none can reach the venue."""
        rest, stream = f"{http}/{self.name}", f"{ws}/{self.name}/v5"
        private = f"{stream}/private"
        api = dict.fromkeys(("public", "private", "spot", "futures", "v2"), rest)
        sockets = {
            "public": {name: f"{stream}/public/{name}" for name in CATEGORIES},
            "private": {
                "spot": {"unified": private, "nonUnified": private},
                "contract": private,
                "usdc": private,
                "trade": f"{stream}/trade",
            },
        }
        options = {"fetchMarkets": {"types": ["spot", "linear"]}}
        return {self.name: {"urls": {"api": {**api, "ws": sockets}}, "options": options}}

    def trade_feed(self, instrument: Instrument) -> Feed:
        """publicTrade frames."""
        return Trades(self._source, instrument)


CATEGORIES = ("spot", "linear", "inverse", "option")
