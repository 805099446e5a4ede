"""All 24 h lines of a large venue: decoded, and ranked by /top10."""

import asyncio
import json
import time
from statistics import median
from typing import Any

from benchmarks import payloads
from benchmarks.row import Row, at_most, faster, seconds
from benchmarks.venue import Canned, ours, theirs
from exchanges.endpoints import LIVE
from exchanges.hub import Market
from exchanges.payloads.binance import Ticker24
from exchanges.wire import Unparsed, decode
from handlers.app import App
from handlers.base import COMMANDS, Args
from market.clock import FixedClock

RUNS = 9


def rows() -> list[Row]:
    """Decoding against ccxt, what of it the event loop waits for, and the command."""
    text = payloads.day_lines()
    venue, peer = ours({}, payloads.exchange_info()), theirs()
    decoding = seconds(lambda: decode(Unparsed(text, {}), list[Ticker24]))

    def parse() -> object:
        return venue._tickers(decode(Unparsed(text, {}), list[Ticker24]), True)

    assert parse() is not None
    spent = seconds(parse)
    their = seconds(lambda: peer.parse_tickers(json.loads(text)))
    command = asyncio.run(_top10(text))
    return [
        faster(
            "24 h lines of 3,400 perps", spent, their, "ccxt parse_tickers", goal=10, per=3400,
            what="lines",
        ),
        at_most("  of which on the event loop", decoding, 0.003, against="(the rest in a thread)"),
        at_most("/top10 over 3,400 perps", command, 0.3, against="(a command's 300 ms)"),
    ]  # fmt: skip


async def _top10(text: str) -> float:
    """Seconds of the whole command on a venue whose answers are there at once."""
    clock = FixedClock(int(time.time() * 1000))
    market = Market(endpoints=LIVE, exchanges=("binance",), clock=clock, wall=clock, cache_dir=None)
    venue = market.venues["binance"]
    await venue.caller.close()
    now = clock.now()
    venue.caller = Canned({  # type: ignore[assignment]
        "publicGetExchangeInfo": '{"symbols": []}',
        "fapiPublicGetExchangeInfo": payloads.exchange_info(),
        "fapiPublicGetTicker24hr": text,
        "fapiPublicGetPremiumIndex": payloads.premiums(),
        "fapiPublicGetFundingInfo": "[]",
        "fapiPublicGetOpenInterest": json.dumps({"openInterest": "123456.0", "time": now}),
    })  # fmt: skip
    _single_premium(venue.caller, payloads.premiums(1)[1:-1])
    await market.refresh()
    nothing: Any = None  # /top10 asks the market only
    app = App(
        market=market, alerts=nothing, people=nothing, clock=clock, wall=clock, draw=nothing,
        mark="", version="", started=now,
    )  # fmt: skip
    import handlers  # noqa: F401, PLC0415 - registers the command

    spans = []
    for _ in range(RUNS):
        clock.advance(120_000)  # past every cache
        began = time.perf_counter()
        reply = await COMMANDS["top10"].run(Args(words=()), app)
        spans.append(time.perf_counter() - began)
        assert len(reply.data["rank"]) == 10
    await market.close()
    return median(spans)


def _single_premium(caller: Any, one: str) -> None:
    """premiumIndex of one symbol is an object, of all a list."""
    whole = caller.ask

    async def ask(method: str, params: Any, shape: Any, **more: Any) -> Any:
        if method == "fapiPublicGetPremiumIndex" and params.get("symbol"):
            return decode(Unparsed(one, {}), shape)
        return await whole(method, params, shape, **more)

    caller.ask = ask
