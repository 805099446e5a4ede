"""The local exchange server: every venue's own protocol on loopback, and a few routes to find and steer it."""

import time
from collections.abc import Callable
from typing import Any, cast

import msgspec
from aiohttp import web

from exchanges.local import truth, warm
from exchanges.local.faults import Fault, Faults, Faulty
from exchanges.local.pump import FAULTS
from exchanges.local.source import Control, Source
from exchanges.local.venue import LocalVenue
from exchanges.local.venues.binance import Binance
from exchanges.local.venues.bybit import Bybit
from exchanges.local.venues.coinbase import Coinbase
from exchanges.local.venues.coingecko import CoinGecko
from exchanges.local.venues.hyperliquid import Hyperliquid
from exchanges.local.venues.okx import Okx
from market.clock import Clock, MarketClock, WallClock

HOST = "127.0.0.1"
VENUES: dict[str, Callable[[Source], LocalVenue]] = {
    "binance": Binance,
    "bybit": Bybit,
    "okx": Okx,
    "hyperliquid": Hyperliquid,
    "coinbase": Coinbase,
}
GOODBYE = 1.0  # seconds that open connections get at the end


class Order(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """The body of POST /control: a scenario, a speed, or both."""

    scenario: str = ""
    base: str = "BTC"
    speed: float | None = None


class LocalServer:
    """Serves one market as all venues. `control` steers it where it is a simulated one."""

    def __init__(
        self, source: Source, control: Control | None = None, *, wall: Clock | None = None
    ) -> None:
        self._wall = wall or WallClock(time.time)
        self._market = source
        self.faults = Faults(source, self._wall)
        self.source = cast(Source, Faulty(source, self.faults))
        self.venues = {name: make(self.source) for name, make in VENUES.items()}
        self._control = control
        self._runner: web.AppRunner | None = None
        self._port = 0

    async def start(self, port: int = 0) -> int:
        """Listen on loopback; returns the port, a free one for 0."""
        self._runner = web.AppRunner(self.app(), access_log=None, shutdown_timeout=GOODBYE)
        await self._runner.setup()
        await web.TCPSite(self._runner, HOST, port).start()
        self._port = int(self._runner.addresses[0][1])
        return self._port

    async def close(self) -> None:
        """Stop listening and end every connection."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    def app(self) -> web.Application:
        """All routes."""
        app = web.Application(middlewares=[self.faults.middleware()])
        app[FAULTS] = self.faults.streams
        for venue in self.venues.values():
            app.add_routes(venue.routes())
        app.add_routes(CoinGecko(self.source).routes())
        app.add_routes(warm.routes(self.source, self.venues))
        app.add_routes(truth.routes(self._market))
        app.add_routes(
            [
                web.get("/clients.json", self._clients),
                web.get("/endpoints.json", self._endpoints),
                web.get("/clock.json", self._clock),
                web.post("/control", self._steer),
                web.get("/faults", self._told),
                web.post("/faults", self._fault),
            ]
        )
        return app

    @property
    def url(self) -> str:
        """The server's root."""
        return f"http://{HOST}:{self._port}"

    async def _clients(self, _request: web.Request) -> web.Response:
        """Per ccxt exchange id: what to merge into its configuration."""
        found: dict[str, Any] = {}
        for venue in self.venues.values():
            found |= venue.clients(self.url, f"ws://{HOST}:{self._port}")
        return web.json_response(found)

    async def _endpoints(self, _request: web.Request) -> web.Response:
        """Addresses for clients written by hand."""
        ws = f"ws://{HOST}:{self._port}"
        streams = {
            "binance.spot": f"{ws}/binance/stream",  # + /ws or /stream
            "binance.perp": f"{ws}/binance/futures",  # + /market or /public, then as above
            "bybit.spot": f"{ws}/bybit/v5/public/spot",
            "bybit.perp": f"{ws}/bybit/v5/public/linear",
            "okx": f"{ws}/okx/ws/v5",  # + /public or /business
            "hyperliquid": f"{ws}/hyperliquid/ws",
            "coinbase": f"{ws}/coinbase/ws",
        }
        about = {"mark": self.source.mark, "title": self.source.title, "market": self._name()}
        coingecko = f"{self.url}/coingecko/api/v3"
        return web.json_response({"streams": streams, "coingecko": coingecko, **about})

    def _name(self) -> str:
        """Which market this is: the same for whoever joins it later, another for another start."""
        begin = getattr(self._market, "start", 0)  # only a simulated market begins at a moment
        return f"{self._market.mark} {self._market.title} {begin}"

    async def _clock(self, _request: web.Request) -> web.Response:
        """The market clock: it shows `start` when the wall shows `anchor` and runs at `speed`."""
        clock = self.source.clock
        speed = clock.speed if isinstance(clock, MarketClock) else 0.0
        now = clock.now()
        return web.json_response(
            {"now": now, "start": now, "anchor": self._wall.now(), "speed": speed}
        )

    async def _steer(self, request: web.Request) -> web.Response:
        if self._control is None:
            return _refused("This market cannot be steered.", 404)
        try:
            order = msgspec.json.decode(await request.read(), type=Order)
            if order.speed is not None:
                self._control.set_speed(order.speed)
            if order.scenario:
                self._control.play(order.scenario, order.base)
        except ValueError as error:
            return _refused(str(error), 400)
        return await self._clock(request)

    async def _fault(self, request: web.Request) -> web.Response:
        try:
            begun = self.faults.set(msgspec.json.decode(await request.read(), type=Fault))
        except ValueError as error:
            return _refused(str(error), 400)
        return web.json_response({"ok": True, "ids": begun})

    async def _told(self, _request: web.Request) -> web.Response:
        """The stream faults there have been, with what each of them hit."""
        return web.json_response({"faults": self.faults.streams.told()})


def _refused(text: str, status: int) -> web.Response:
    return web.json_response({"error": text}, status=status)
