"""Market capitalisations from CoinGecko's public API: by coin id, never price times volume."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime

import httpx
import msgspec

from exchanges.cache import Cache
from market.clock import Clock
from market.errors import SourceError, SourceUnavailable
from market.types import MarketCap

ATTRIBUTION = "Data by CoinGecko"
NAME = "CoinGecko"
TTL = 300.0  # seconds of wall time
STALE = 86_400.0  # seconds the last good list may stand in; its `ts` shows its age
TIMEOUT = 10.0
TOP = 250

# Tokens that share a coin's ticker or stand for it: never the answer to the plain ticker.
STAND_INS = ("bridged", "wrapped", "staked", "binance-peg", "wormhole", "restaked", "synthetic")
COIN_IDS = {
    "BTC": "bitcoin", "ETH": "ethereum", "USDT": "tether", "USDC": "usd-coin", "BNB": "binancecoin",
    "SOL": "solana", "XRP": "ripple", "DOGE": "dogecoin", "ADA": "cardano", "TRX": "tron",
    "AVAX": "avalanche-2", "LINK": "chainlink", "DOT": "polkadot", "LTC": "litecoin", "TON": "the-open-network",
    "SHIB": "shiba-inu", "PEPE": "pepe", "SUI": "sui", "HYPE": "hyperliquid", "UNI": "uniswap", "NEAR": "near",
    "APT": "aptos", "ARB": "arbitrum", "OP": "optimism", "BONK": "bonk", "WIF": "dogwifcoin", "TIA": "celestia",
}  # fmt: skip


class Row(msgspec.Struct):
    """One entry of coins/markets."""

    id: str
    symbol: str
    name: str
    market_cap: float | None = None
    current_price: float | None = None
    total_volume: float | None = None
    market_cap_rank: int | None = None
    last_updated: str | None = None


class CoinGecko:
    """The top coins by market capitalisation."""

    def __init__(self, base_url: str, wall: Clock, clock: Clock) -> None:
        self._base_url = base_url.rstrip("/")
        self._clock = clock
        self._cache = Cache(wall)
        self._client: httpx.AsyncClient | None = None

    async def caps(self) -> list[MarketCap]:
        """The top 250, largest first; an old list where the source is away, told by its `ts`."""
        return await self._cache.get("caps", TTL, self._fetch, stale=STALE)

    async def close(self) -> None:
        """Close the connection."""
        await self._cache.close()
        if self._client is not None:
            await self._client.aclose()

    async def _fetch(self) -> list[MarketCap]:
        if self._client is None:
            proxies = self._base_url.startswith("https:")  # never for a server on loopback
            self._client = httpx.AsyncClient(timeout=TIMEOUT, trust_env=proxies)
        params: dict[str, str | int] = {
            "vs_currency": "usd",
            "order": "market_cap_desc",
            "per_page": TOP,
            "page": 1,
        }
        try:
            async with asyncio.timeout(TIMEOUT):
                answer = await self._client.get(f"{self._base_url}/coins/markets", params=params)
        except (httpx.TimeoutException, TimeoutError) as e:
            raise SourceUnavailable(NAME, f"timed out after {TIMEOUT:.0f} s") from e
        except httpx.HTTPError as e:
            raise SourceUnavailable(NAME, "no connection") from e
        return self._read(answer)

    def _read(self, answer: httpx.Response) -> list[MarketCap]:
        if answer.status_code == 429:
            raise SourceUnavailable(NAME, "rate limited")
        if answer.status_code >= 500:
            raise SourceUnavailable(NAME, f"HTTP {answer.status_code}")
        if answer.status_code != 200:
            raise SourceError(NAME, f"refused the request (HTTP {answer.status_code})")
        try:
            rows = msgspec.json.decode(answer.content, type=list[Row], strict=False)
        except msgspec.MsgspecError as e:
            raise SourceError(NAME, "sent an answer that cannot be read") from e
        now = self._clock.now()
        found = [cap for row in rows if (cap := parse_row(row, now))]
        return sorted(found, key=lambda cap: -cap.market_cap_usd)


def parse_row(row: Row, now: int) -> MarketCap | None:
    """A capitalisation; None where the source does not know the supply."""
    if not row.market_cap or row.market_cap <= 0:
        return None
    return MarketCap(
        coin=row.id,
        symbol=row.symbol.upper(),
        name=row.name,
        market_cap_usd=row.market_cap,
        ts=_moment(row.last_updated) if row.last_updated else now,
        price_usd=row.current_price,
        volume_24h_usd=row.total_volume,
        rank=row.market_cap_rank,
    )


def coin_for(base: str, caps: Sequence[MarketCap]) -> MarketCap | None:
    """The coin a ticker means: by the table of ids, else the largest that is no stand-in for another.

    None rather than a guess where only bridged or wrapped namesakes are left.
    """
    named = [cap for cap in caps if cap.symbol == base.upper()]
    known = COIN_IDS.get(base.upper())
    if known is not None:
        return next((cap for cap in caps if cap.coin == known), None)
    own = [cap for cap in named if not _stands_in(cap)]
    by_size: Callable[[MarketCap], float] = lambda cap: cap.market_cap_usd  # noqa: E731
    return max(own, key=by_size, default=None)


def _stands_in(cap: MarketCap) -> bool:
    words = f"{cap.coin} {cap.name}".lower()
    return any(mark in words for mark in STAND_INS)


def _moment(text: str) -> int:
    return round(datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp() * 1000)
