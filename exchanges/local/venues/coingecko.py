"""CoinGecko on loopback: capitalisations by coin id."""

import msgspec
from aiohttp import web

from exchanges.local.source import Source
from exchanges.local.venues.coinbase.feeds import iso
from market.types import MarketCap

PER_PAGE, MOST_PER_PAGE = 100, 250


class CoinGecko:
    """The local CoinGecko; it has no trades and no ccxt client."""

    name = "coingecko"

    def __init__(self, source: Source) -> None:
        self._source = source

    def routes(self) -> list[web.RouteDef]:
        """What the product asks."""
        root = "/coingecko/api/v3"
        return [
            web.get(f"{root}/ping", self._ping),
            web.get(f"{root}/coins/list", self._list),
            web.get(f"{root}/coins/markets", self._markets),
        ]

    async def _ping(self, _request: web.Request) -> web.Response:
        return _json({"gecko_says": "(V3) To the Moon!"})

    async def _list(self, _request: web.Request) -> web.Response:
        caps = self._source.market_caps()
        return _json([{"id": c.coin, "symbol": c.symbol.lower(), "name": c.name} for c in caps])

    async def _markets(self, request: web.Request) -> web.Response:
        """One page, the largest first; `ids` narrows it."""
        query = request.query
        if query.get("vs_currency") != "usd":
            return _json({"error": "invalid vs_currency"}, 422)
        try:
            size = min(int(query.get("per_page", PER_PAGE)), MOST_PER_PAGE)
            first = (int(query.get("page", 1)) - 1) * size
        except ValueError:
            return _json({"error": "invalid page"}, 422)
        ids = query["ids"].split(",") if query.get("ids") else None
        caps = sorted(self._source.market_caps(), key=lambda cap: -cap.market_cap_usd)
        ranked = [_row(cap, place) for place, cap in enumerate(caps, 1)]
        wanted = [row for row in ranked if ids is None or row["id"] in ids]
        return _json(wanted[max(first, 0) : first + size])


def _row(cap: MarketCap, place: int) -> dict[str, object]:
    return {
        "id": cap.coin,
        "symbol": cap.symbol.lower(),
        "name": cap.name,
        "current_price": cap.price_usd,
        "market_cap": cap.market_cap_usd,
        "market_cap_rank": cap.rank or place,
        "total_volume": cap.volume_24h_usd,
        "last_updated": iso(cap.ts),
    }


def _json(body: object, status: int = 200) -> web.Response:
    return web.Response(
        body=msgspec.json.encode(body), status=status, content_type="application/json"
    )
