"""GET /truth: what really happened, whatever the streams or REST said of it; for tests that compare.

`?exchange=&symbol=&after=&until=` gives the trades with after < ts <= until, oldest first, and `table=liquidations`
the forced closes that the venue publishes. The client's counterpart is `Truth`.
"""

from functools import partial
from typing import Any

import aiohttp
import msgspec
from aiohttp import web

from exchanges.local.source import Source
from exchanges.local.venues.listing import BadQuery, integer
from market.types import MINUTE, Instrument, Liquidation, PositionSide, Side, Trade

LONGEST = 10 * MINUTE  # ms in one answer
TIMEOUT = 30.0  # seconds


def routes(source: Source) -> list[web.RouteDef]:
    """The one route, straight from the market: no fault reaches it."""
    return [web.get("/truth", partial(_serve, source))]


async def _serve(source: Source, request: web.Request) -> web.Response:
    query = request.query
    name, symbol = query.get("exchange", ""), query.get("symbol", "")
    found = next((each for each in source.instruments(name) if each.symbol == symbol), None)
    try:
        after, until = integer(query, "after"), integer(query, "until")
    except BadQuery:
        after = until = None
    if found is None or after is None or until is None or until - after > LONGEST:
        raise web.HTTPBadRequest(text=f"exchange, symbol, and at most {LONGEST} ms of after..until")
    if source.down(name):
        raise web.HTTPServiceUnavailable(text="the market says nothing of a venue that is away")
    rows: list[Any]
    if query.get("table", "trades") == "liquidations":
        every = source.liquidations(name, after, until)
        rows = [
            (each.ts, each.price, each.amount, each.position.value, each.sample)
            for each in every
            if each.instrument.symbol == symbol
        ]
    else:
        rows = [
            (each.id, each.ts, each.price, each.amount, each.side.value, each.order)
            for each in source.trades(found, after, until)
        ]
    body = msgspec.json.encode({"now": source.clock.now(), "rows": rows})
    return web.Response(body=body, content_type="application/json")


class Truth:
    """What happened in the market that a local server at `url` plays."""

    def __init__(self, url: str) -> None:
        self._url = url

    async def trades(self, instrument: Instrument, after: int, until: int) -> list[Trade]:
        """All trades with after < ts <= until, oldest first."""
        return [
            Trade(
                instrument=instrument, ts=ts, price=price, amount=amount, side=Side(side), id=id_, order=order,
            )
            for id_, ts, price, amount, side, order in await self._rows("trades", instrument, after, until)
        ]  # fmt: skip

    async def liquidations(
        self, instrument: Instrument, after: int, until: int
    ) -> list[Liquidation]:
        """The forced closes that the venue publishes, with after < ts <= until."""
        return [
            Liquidation(
                instrument=instrument, ts=ts, price=price, amount=amount,
                position=PositionSide(position), sample=sample,
            )
            for ts, price, amount, position, sample in await self._rows("liquidations", instrument, after, until)
        ]  # fmt: skip

    async def _rows(
        self, table: str, instrument: Instrument, after: int, until: int
    ) -> list[tuple[Any, ...]]:
        """Raises ValueError where the moments have not all happened yet."""
        rows: list[tuple[Any, ...]] = []
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(TIMEOUT)) as session:
            for start in range(after, until, LONGEST):
                end = min(start + LONGEST, until)
                asked = {
                    "table": table,
                    "exchange": instrument.exchange,
                    "symbol": instrument.symbol,
                    "after": str(start),
                    "until": str(end),
                }
                async with session.get(f"{self._url}/truth", params=asked) as answer:
                    answer.raise_for_status()
                    found = msgspec.json.decode(await answer.read())
                if found["now"] < end:
                    raise ValueError(f"the market is at {found['now']}, before {end}")
                rows += found["rows"]
        return rows
