"""What the spot and the futures side of Binance share: ids, parameters, refusals."""

from collections.abc import Awaitable, Callable, Mapping
from functools import partial

import msgspec
from aiohttp import web

from exchanges.local.books import BookLogs
from exchanges.local.source import Source
from market.types import TIMEFRAMES, Instrument

Query = Mapping[str, str]
Answer = Callable[["Segment", Query], object]
Table = dict[str, Answer]  # path below the segment's root -> what answers it
Handler = Callable[[web.Request], Awaitable[web.Response]]


class Refused(Exception):
    """An answer in Binance's error form."""

    def __init__(self, code: int, msg: str) -> None:
        super().__init__(msg)
        self.body = {"code": code, "msg": msg}


class Segment:
    """The instruments of one side, by Binance's own ids."""

    def __init__(self, source: Source, books: BookLogs, *, perp: bool) -> None:
        self.source = source
        self.books = books
        self.perp = perp
        self.instruments = [each for each in source.instruments("binance") if each.perp == perp]
        self._by_id = {self.id_of(each): each for each in self.instruments}

    @property
    def now(self) -> int:
        """Market ms."""
        return self.source.clock.now()

    def id_of(self, instrument: Instrument) -> str:
        """`BTCUSDT`, also where the source knows only the ccxt symbol."""
        return instrument.id or instrument.symbol.partition(":")[0].replace("/", "")

    def find(self, name: str) -> Instrument | None:
        """The instrument of an id as Binance writes it."""
        return self._by_id.get(name)

    def wanted(self, query: Query) -> Instrument:
        """The instrument of the parameter `symbol`; refused where it is missing or unknown."""
        name = query.get("symbol", "")
        if not name:
            raise Refused(
                -1102, "Mandatory parameter 'symbol' was not sent, was empty/null, or malformed."
            )
        found = self.find(name)
        if found is None:
            raise Refused(-1121, "Invalid symbol.")
        return found


def answered(segment: Segment, answer: Answer) -> Handler:
    """A route handler for a function from (segment, query) to the body."""
    return partial(_answer, segment, answer)


async def _answer(segment: Segment, answer: Answer, request: web.Request) -> web.Response:
    try:
        body, status = answer(segment, request.query), 200
    except Refused as refusal:
        body, status = refusal.body, 400
    return web.Response(
        body=msgspec.json.encode(body), status=status, content_type="application/json"
    )


def whole(query: Query, name: str, default: int) -> int:
    """A whole number; refused where it is something else."""
    try:
        return int(query.get(name) or default)
    except ValueError:
        raise Refused(-1100, f"Illegal characters found in parameter '{name}'.") from None


def maybe_whole(query: Query, name: str) -> int | None:
    """A whole number or None where it was not sent."""
    return whole(query, name, 0) if query.get(name) else None


def limited(query: Query, default: int, most: int) -> int:
    """The parameter `limit`; one that is too large counts as the largest, as Binance does."""
    limit = whole(query, "limit", default)
    if limit < 1:
        raise Refused(-1130, "Data sent for parameter 'limit' is not valid.")
    return min(limit, most)


def length(query: Query, name: str) -> str:
    """A candle length."""
    word = query.get(name, "")
    if word not in TIMEFRAMES:
        raise Refused(-1120, "Invalid interval.")
    return word


def known(row: dict[str, object]) -> dict[str, object]:
    """The row without what the source does not know: clients read an absent field as "none"."""
    return {name: value for name, value in row.items() if value not in (None, "")}
