"""Pacing, retries, translation and the breaker, against a real ccxt client and a loopback server."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import msgspec
import pytest
from aiohttp import web

from exchanges.binance import Kline, Ticker24
from exchanges.breaker import Breaker
from exchanges.cache import Cache, CompactMarkets
from exchanges.ccxt_classes import errors, exchange_class
from exchanges.client import LARGE, Caller, make_client
from exchanges.pacing import Window
from exchanges.types import VenueState
from exchanges.wire import Unparsed, decode, number
from market.clock import FixedClock
from market.errors import SourceError, SourceUnavailable
from market.types import Instrument

Answer = Callable[[web.Request], Awaitable[web.Response]]


class Venue:
    """A Binance on loopback that answers what it is told to."""

    def __init__(self) -> None:
        self.answers: list[web.Response | float | str] = []
        self.seen: list[str] = []
        self.base = ""
        self._runner: web.AppRunner | None = None

    async def start(self) -> None:
        app = web.Application()
        app.router.add_route("*", "/{tail:.*}", self._answer)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.base = f"http://127.0.0.1:{self._runner.addresses[0][1]}"

    async def close(self) -> None:
        assert self._runner is not None
        await self._runner.cleanup()

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        self.seen.append(request.path_qs)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if answer == "drop":
            assert request.transport is not None
            request.transport.close()
            return web.Response()
        if isinstance(answer, tuple):
            status, body, headers = answer
            return web.Response(
                status=status, text=body, headers=headers, content_type="application/json"
            )
        raise AssertionError(answer)


def says(status: int, body: str, **headers: str) -> tuple[int, str, dict[str, str]]:
    return status, body, {name.replace("_", "-"): value for name, value in headers.items()}


class Slept:
    """A sleep that takes no time but moves the wall clock."""

    def __init__(self, wall: FixedClock) -> None:
        self.wall = wall
        self.naps: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.naps.append(seconds)
        self.wall.advance(int(seconds * 1000) + 1)


@pytest.fixture
async def venue() -> AsyncIterator[Venue]:
    each = Venue()
    await each.start()
    yield each
    await each.close()


@pytest.fixture
def wall() -> FixedClock:
    return FixedClock(1_000_000)


@pytest.fixture
def slept(wall: FixedClock) -> Slept:
    return Slept(wall)


@pytest.fixture
async def caller(venue: Venue, wall: FixedClock, slept: Slept) -> AsyncIterator[Caller]:
    client = make_client("binance", {"urls": {"api": {"public": f"{venue.base}/api/v3"}}}, {})
    each = Caller("binance", {"": client}, wall=wall, sleep=slept, jitter=lambda: 0.5)
    yield each
    await each.close()


async def ping(caller: Caller) -> object:
    return await caller.ask("publicGetTime", {}, dict[str, int])


async def test_an_answer_is_decoded_into_its_type(caller: Caller, venue: Venue) -> None:
    venue.answers = [says(200, '[[1, "2", "3", "1", "2.5", "10", 59999, "25", 3, "4", ""]]')]
    rows = await caller.ask("publicGetKlines", {"symbol": "BTCUSDT"}, list[Kline])
    assert (rows[0].open, rows[0].volume, rows[0].taker_base, rows[0].taker_quote) == (
        2.0,
        10.0,
        "4",
        "",
    )
    assert venue.seen == ["/api/v3/klines?symbol=BTCUSDT"]


async def test_a_large_answer_skips_ccxt_and_is_still_decoded(caller: Caller, venue: Venue) -> None:
    row = '{"symbol":"S%d","lastPrice":"1.5","closeTime":1}'
    body = "[" + ",".join(row % i for i in range(3000)) + "]"
    assert len(body) > LARGE
    venue.answers = [says(200, body)]
    rows = await caller.ask("publicGetTicker24hr", {}, list[Ticker24])
    assert (len(rows), rows[2999].symbol, rows[0].last_price) == (3000, "S2999", 1.5)


async def test_an_outage_is_retried_twice_with_growing_pauses(
    caller: Caller, venue: Venue, slept: Slept
) -> None:
    venue.answers = [says(503, "{}"), says(502, "{}"), says(200, '{"serverTime": 5}')]
    assert await ping(caller) == {"serverTime": 5}
    assert slept.naps == [0.25, 0.5]
    assert caller.breaker.state is VenueState.OK


async def test_after_three_attempts_the_reason_is_short_and_names_no_address(
    caller: Caller, venue: Venue
) -> None:
    venue.answers = [says(503, "<html>secret</html>")]
    with pytest.raises(SourceUnavailable) as caught:
        await ping(caller)
    assert (caught.value.source, caught.value.reason) == ("Binance", "HTTP 503")
    assert len(venue.seen) == 3
    assert "127.0.0.1" not in str(caught.value)


async def test_a_dropped_connection_is_no_connection(caller: Caller, venue: Venue) -> None:
    venue.answers = ["drop"]
    with pytest.raises(SourceUnavailable, match="no connection"):
        await ping(caller)


async def test_a_refusal_is_not_retried_and_not_held_against_the_venue(
    caller: Caller, venue: Venue
) -> None:
    venue.answers = [says(400, '{"code":-1121,"msg":"Invalid symbol."}')]
    for _ in range(7):
        with pytest.raises(SourceError, match="unknown symbol"):
            await ping(caller)
    assert len(venue.seen) == 7
    assert caller.breaker.state is VenueState.OK


@pytest.mark.parametrize("status", [451, 403])
async def test_a_block_by_country_is_not_asked_again(
    caller: Caller, venue: Venue, status: int
) -> None:
    venue.answers = [says(status, '{"code":0,"msg":"restricted location"}')]
    with pytest.raises(
        SourceError, match=f"not available from this host .HTTP {status}."
    ) as caught:
        await ping(caller)
    assert not isinstance(caught.value, SourceUnavailable)
    with pytest.raises(SourceUnavailable, match="not available from this host"):
        await ping(caller)
    assert len(venue.seen) == 1
    assert caller.breaker.state is VenueState.DOWN


async def test_a_short_retry_after_is_waited_for(
    caller: Caller, venue: Venue, slept: Slept
) -> None:
    venue.answers = [
        says(429, '{"code":-1003,"msg":"x"}', Retry_After="3"),
        says(200, '{"serverTime": 5}'),
    ]
    assert await ping(caller) == {"serverTime": 5}
    assert slept.naps == [3.0]


async def test_a_long_retry_after_stops_all_calls_until_it_is_over(
    caller: Caller, venue: Venue, wall: FixedClock
) -> None:
    venue.answers = [
        says(429, '{"code":-1003,"msg":"x"}', Retry_After="60"),
        says(200, '{"serverTime": 5}'),
    ]
    with pytest.raises(SourceUnavailable, match="rate limited") as caught:
        await ping(caller)
    assert caught.value.retry_after == 60
    with pytest.raises(SourceUnavailable, match="asked to wait 60 s"):
        await ping(caller)
    assert len(venue.seen) == 1
    wall.advance(60_000)
    assert await ping(caller) == {"serverTime": 5}


@pytest.mark.parametrize(
    "body", ["<html>", '{"serverTime": ', "[]", "nonsense", '{"serverTime": "soon"}']
)
async def test_nonsense_is_an_error_not_a_value(caller: Caller, venue: Venue, body: str) -> None:
    venue.answers = [says(200, body)]
    with pytest.raises(SourceError, match="cannot be read"):
        await ping(caller)
    assert len(venue.seen) == 1
    assert caller.breaker.state is VenueState.DEGRADED


async def test_a_timeout_says_how_long_it_waited(
    caller: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("exchanges.client.TIMEOUT", 0.02)

    async def never() -> None:
        await asyncio.Event().wait()

    with pytest.raises(SourceUnavailable, match="timed out after"):
        await caller.run(never)
    assert caller.breaker.errors == 3


async def test_the_breaker_opens_after_five_failures_and_probes_with_one_call(
    caller: Caller, venue: Venue, wall: FixedClock
) -> None:
    venue.answers = [says(503, "{}")]
    for _ in range(2):
        with pytest.raises(SourceUnavailable):
            await ping(caller)
    assert caller.breaker.state is VenueState.DOWN
    asked = len(venue.seen)
    assert asked == 5
    with pytest.raises(SourceUnavailable, match="HTTP 503; will be asked again"):
        await ping(caller)
    assert len(venue.seen) == asked
    wall.advance(30_000)
    venue.answers = [says(200, '{"serverTime": 5}')]
    results = await asyncio.gather(*(ping(caller) for _ in range(5)), return_exceptions=True)
    assert sum(result == {"serverTime": 5} for result in results) == 1
    assert caller.breaker.state is VenueState.OK
    assert len(venue.seen) == asked + 1


def test_a_failed_probe_keeps_the_venue_closed(wall: FixedClock) -> None:
    breaker = Breaker(wall)
    for _ in range(5):
        assert breaker.allowed()
        breaker.failed("HTTP 503")
    opened = breaker.since
    wall.advance(30_000)
    assert breaker.allowed()
    assert not breaker.allowed()
    breaker.failed("HTTP 502")
    assert (breaker.state, breaker.reason, breaker.since) == (VenueState.DOWN, "HTTP 502", opened)
    assert not breaker.allowed()
    wall.advance(30_000)
    assert breaker.allowed()
    breaker.abandoned()
    assert breaker.allowed()


async def test_a_window_never_lets_more_through_than_its_limit(
    wall: FixedClock, slept: Slept
) -> None:
    window = Window(wall, limit=1100, seconds=60, sleep=slept)
    taken: list[tuple[int, float]] = []
    for i in range(300):
        weight = (20.0, 25.0, 2.0)[i % 3]
        await window.take(weight)
        taken.append((wall.now(), weight))
        wall.advance(100)
    for ts, _weight in taken:
        assert sum(w for t, w in taken if ts <= t < ts + 60_000) <= 1100
    heavy = [t for t, w in taken if w >= 20]
    assert max(sum(ts <= t < ts + 60_000 for t in heavy) for ts in heavy) <= 55
    assert slept.naps


async def test_callers_that_ask_at_once_share_one_request(wall: FixedClock) -> None:
    cache, gate, calls = Cache(wall), asyncio.Event(), 0

    async def fetch() -> int:
        nonlocal calls
        calls += 1
        await gate.wait()
        return calls

    waiting = [asyncio.create_task(cache.get("key", 2, fetch)) for _ in range(50)]
    await asyncio.sleep(0)
    waiting[0].cancel()
    gate.set()
    results = await asyncio.gather(*waiting, return_exceptions=True)
    assert isinstance(results[0], asyncio.CancelledError)
    assert results[1:] == [1] * 49
    assert await cache.get("key", 2, fetch) == 1
    wall.advance(2000)
    assert await cache.get("key", 2, fetch) == 2


async def test_the_last_good_answer_stands_in_only_as_long_as_allowed(wall: FixedClock) -> None:
    cache = Cache(wall)

    async def good() -> str:
        return "good"

    async def bad() -> str:
        raise SourceUnavailable("Binance", "HTTP 503")

    assert await cache.get("key", 2, good, stale=60) == "good"
    wall.advance(62_000)
    assert await cache.get("key", 2, bad, stale=60) == "good"
    with pytest.raises(SourceUnavailable):
        await cache.get("key", 2, bad)
    wall.advance(1)
    with pytest.raises(SourceUnavailable):
        await cache.get("key", 2, bad, stale=60)


async def test_the_cache_does_not_grow_without_end(wall: FixedClock) -> None:
    cache = Cache(wall, capacity=10)

    async def fetch() -> int:
        return 1

    for i in range(100):
        await cache.get(i, 2, fetch)
    assert len(cache._kept) <= 10


async def test_the_table_of_instruments_survives_on_disk(tmp_path: object) -> None:
    from pathlib import Path

    folder = Path(str(tmp_path)) / "cache"
    table = CompactMarkets(folder)
    assert await table.load("okx") is None
    rows = [
        Instrument(
            exchange="okx",
            symbol="BTC/USDT:USDT",
            base="BTC",
            quote="USDT",
            perp=True,
            contract_size=0.01,
        )
    ]
    await table.save("okx", rows, 77)
    assert await table.load("okx") == (77, rows)
    (folder / "instruments-okx.json").write_text("{broken")
    assert await table.load("okx") is None
    assert await CompactMarkets(None).load("okx") is None


def test_single_classes_load_and_share_their_errors_with_plain_ccxt() -> None:
    import ccxt.async_support as plain

    assert issubclass(exchange_class("binanceusdm"), plain.Exchange)
    assert errors().BadSymbol is plain.BadSymbol


def test_only_the_classes_in_use_are_imported() -> None:
    import subprocess
    import sys

    code = (
        "import sys; from exchanges.ccxt_classes import exchange_class\n"
        "[exchange_class(n) for n in ('binance','binanceusdm','bybit','okx','hyperliquid','coinbase')]\n"
        "assert 'ccxt.async_support.kraken' not in sys.modules\n"
        "import ccxt.async_support as plain; print(plain.kraken.__name__)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.strip()) == (0, "kraken"), done.stderr


def test_numbers_that_are_not_there_are_none() -> None:
    assert [number(each) for each in ("", None, "NaN", "inf", "x", "0", 1.5)] == [None] * 5 + [
        0.0,
        1.5,
    ]
    assert decode(Unparsed('{"a": "1"}', {}), dict[str, float]) == {"a": 1.0}
    with pytest.raises(msgspec.MsgspecError):
        decode({"a": "x"}, dict[str, float])
