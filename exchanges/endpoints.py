"""Where the venues are: the live addresses, or those of a local exchange server."""

from dataclasses import dataclass, field
from typing import Any

import aiohttp


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoints:
    """Addresses of REST clients (ccxt configuration by ccxt id) and of our own streams."""

    clients: dict[str, dict[str, Any]] = field(default_factory=dict)
    streams: dict[str, str] = field(default_factory=dict)
    coingecko: str = ""
    mark: str = ""  # "" live, else "SIMULATED" or "REPLAY", shown on every card
    title: str = ""
    market: str = ""  # names a local market: what was kept of one is never read in another


LIVE = Endpoints(
    streams={
        "binance.spot": "wss://stream.binance.com:9443",
        "binance.perp": "wss://fstream.binance.com",  # + /market/stream, /public/stream by category
        "bybit.spot": "wss://stream.bybit.com/v5/public/spot",
        "bybit.perp": "wss://stream.bybit.com/v5/public/linear",
        "okx": "wss://ws.okx.com:8443/ws/v5",  # + /public, /business
        "hyperliquid": "wss://api.hyperliquid.xyz/ws",
        "coinbase": "wss://advanced-trade-ws.coinbase.com",
    },
    coingecko="https://api.coingecko.com/api/v3",
)


async def load_endpoints(base_url: str) -> Endpoints:
    """Ask a local exchange server where its venues are."""
    root = base_url.rstrip("/")
    timeout = aiohttp.ClientTimeout(total=10)
    async with aiohttp.ClientSession(timeout=timeout, raise_for_status=True) as session:
        async with session.get(f"{root}/clients.json") as answer:
            clients = await answer.json()
        async with session.get(f"{root}/endpoints.json") as answer:
            rest = await answer.json()
    return Endpoints(
        clients=clients,
        streams=rest.get("streams", {}),
        coingecko=rest.get("coingecko", ""),
        mark=rest.get("mark", ""),
        title=rest.get("title", ""),
        market=rest.get("market", ""),
    )


async def market_clock(base_url: str) -> dict[str, Any]:
    """What a local market's clock says: it showed `start` when the wall showed `anchor`, and its `speed`."""
    timeout = aiohttp.ClientTimeout(total=5)
    async with (
        aiohttp.ClientSession(timeout=timeout, raise_for_status=True) as session,
        session.get(f"{base_url.rstrip('/')}/clock.json") as answer,
    ):
        told: dict[str, Any] = await answer.json()
        return told
