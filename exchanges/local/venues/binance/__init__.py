"""Binance on loopback: spot and USD-M futures, REST and websocket streams, as its public API has them.

The spot stream address has to contain "/stream", and that of futures must not: ccxt tells them apart by it.
"""

from typing import Any

from aiohttp import web

from exchanges.local.books import BookLogs
from exchanges.local.pump import Feed
from exchanges.local.source import Source
from exchanges.local.venues.binance import candles, futures, markets, prices, trades
from exchanges.local.venues.binance.feeds import AggTrades, Enveloped
from exchanges.local.venues.binance.segment import Segment, Table, answered
from exchanges.local.venues.binance.streams import Streams
from market.types import Instrument

_SPOT = ("public", "private", "v1")
_SPOT_PRIVATE = ("sapi", "sapiV2", "sapiV3", "sapiV4", "papi", "papiV2")
_FUTURES = ("fapiPublic", "fapiPrivate")
_FUTURES_NEW = ("fapiPublicV2", "fapiPublicV3", "fapiPrivateV2", "fapiPrivateV3")
_OTHER = ("dapiPublic", "dapiPrivate", "dapiPrivateV2", "dapiData", "eapiPublic", "eapiPrivate")


class Binance:
    """The local Binance."""

    name = "binance"

    def __init__(self, source: Source) -> None:
        books = BookLogs(source)
        self.spot = Segment(source, books, perp=False)
        self.futures = Segment(source, books, perp=True)
        self.streams = Streams(self.spot, self.futures)

    def routes(self) -> list[web.RouteDef]:
        """Every public route the product uses."""
        both = markets.ROUTES | candles.ROUTES | prices.ROUTES | trades.ROUTES
        paths: list[tuple[str, Segment, Table]] = [
            ("api/v3", self.spot, both),
            ("fapi/v1", self.futures, both | futures.ROUTES),
            ("futures/data", self.futures, futures.DATA_ROUTES),
        ]
        rest = [
            web.get(f"/binance/{root}/{path}", answered(segment, answer))
            for root, segment, table in paths
            for path, answer in table.items()
        ]
        nothing = answered(self.futures, markets.no_markets)  # coin-margined contracts
        return [*rest, web.get("/binance/dapi/v1/exchangeInfo", nothing), *self.streams.routes()]

    def clients(self, http: str, ws: str) -> dict[str, dict[str, Any]]:
        """Every address of both clients is moved, so that none reaches the real venue."""
        root = f"{http}/binance"
        api: dict[str, Any] = dict.fromkeys(_SPOT, f"{root}/api/v3")
        api |= dict.fromkeys(_FUTURES, f"{root}/fapi/v1") | {"fapiData": f"{root}/futures/data"}
        api |= {name: f"{root}/dapi/v1" for name in _OTHER if name.startswith("dapi")}
        rest = (*_SPOT_PRIVATE, *_FUTURES_NEW, *_OTHER)
        api |= {name: f"{root}/{name}" for name in rest if name not in api}
        api["ws"] = self._sockets(f"{ws}/binance")
        return {
            "binance": {
                "urls": {"api": api},
                "options": {"fetchMarkets": {"types": ["spot", "linear"]}},
            },
            "binanceusdm": {
                "urls": {"api": api},
                "options": {"fetchMarkets": {"types": ["linear"]}},
            },
        }

    def trade_feed(self, instrument: Instrument) -> Feed:
        """Aggregate trades in the envelope of a combined stream."""
        segment = self.futures if instrument.perp else self.spot
        name = f"{segment.id_of(instrument).lower()}@aggTrade"
        return Enveloped(name, AggTrades(segment, instrument))

    def _sockets(self, root: str) -> dict[str, Any]:
        away = f"{root}/private/ws"
        sockets: dict[str, Any] = {"spot": f"{root}/stream/ws", "linear": f"{root}/futures/ws"}
        for name in (
            "margin",
            "inverse",
            "stock",
            "option",
            "optionMarket",
            "optionPrivate",
            "papi",
        ):
            sockets[name] = away
        return sockets | {"ws-api": dict.fromkeys(("spot", "linear", "inverse"), away)}
