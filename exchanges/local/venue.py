"""The form of one venue's module in the local server; `server.py` puts them together."""

from typing import Any, Protocol

from aiohttp import web

from exchanges.local.pump import Feed
from market.types import Instrument


class LocalVenue(Protocol):
    """One venue's REST and websocket protocol over a `Source`. Built as `Venue(source)`."""

    name: str  # our exchange id; its routes live under "/<name>"

    def routes(self) -> list[web.RouteDef]:
        """REST and websocket routes, each path starting with "/<name>/"."""
        ...

    def clients(self, http: str, ws: str) -> dict[str, dict[str, Any]]:
        """Per ccxt exchange id: the config to merge into ccxt.pro.<id>(...); `http`, `ws` are the server's roots."""
        ...

    def trade_feed(self, instrument: Instrument) -> Feed:
        """The trade stream of one instrument as the venue's own frames; also warms a client from a recording."""
        ...
