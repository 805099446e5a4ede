"""OKX v5 over a source: public market data, spot and linear swaps."""

from typing import Any

from aiohttp import web

from exchanges.local.pump import Feed
from exchanges.local.source import Source
from exchanges.local.venues.listing import Listing
from exchanges.local.venues.okx.channels import TradesAll
from exchanges.local.venues.okx.rest import OkxRest
from exchanges.local.venues.okx.stream import OkxStream
from market.types import Instrument


class Okx:
    """The venue's REST and websocket protocol."""

    name = "okx"

    def __init__(self, source: Source) -> None:
        self._source = source
        listing = Listing(source, self.name)
        self._rest = OkxRest(source, listing)
        self._stream = OkxStream(source, listing)

    def routes(self) -> list[web.RouteDef]:
        """Everything under /okx."""
        return [*self._rest.routes(), *self._stream.routes()]

    def clients(self, http: str, ws: str) -> dict[str, dict[str, Any]]:
        """Two addresses; ccxt adds the path and /public, /business or /private.

        ccxt picks the candle endpoint by the wall clock, which need not agree with the market's: it is
        told to use the one without a depth limit.
        """
        api = {"rest": f"{http}/{self.name}", "ws": f"{ws}/{self.name}/ws/v5"}
        options = {
            "fetchMarkets": {"types": ["spot", "swap"]},
            "fetchOHLCV": {"type": "HistoryCandles"},
        }
        return {self.name: {"urls": {"api": api}, "options": options}}

    def trade_feed(self, instrument: Instrument) -> Feed:
        """trades-all frames."""
        return TradesAll(self._source, instrument)
