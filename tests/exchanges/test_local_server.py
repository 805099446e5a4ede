"""The frame of the local exchange server: where things are, the clock, control and faults."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import ccxt
import pytest
from local_clients import ask, client, serving, tell
from local_source import START, LocalSource

from exchanges.local.server import VENUES, LocalServer
from exchanges.sources.coingecko import CoinGecko
from market.clock import FixedClock, MarketClock
from market.types import EXCHANGES


class Steering:
    """A control that writes down what it was told."""

    def __init__(self, clock: MarketClock) -> None:
        self.clock = clock
        self.played: list[tuple[str, str]] = []

    def play(self, scenario: str, base: str) -> None:
        if scenario != "cascade":
            raise ValueError(f"There is no scenario {scenario}.")
        self.played.append((scenario, base))

    def set_speed(self, speed: float) -> None:
        if speed <= 0:
            raise ValueError("The speed must be above 0.")
        self.clock.set(start=self.clock.now(), anchor=WALL.now(), speed=speed)


WALL = FixedClock(1_700_000_000_000)


@pytest.fixture
def source() -> LocalSource:
    return LocalSource(FixedClock(START + 5000))


@pytest.fixture
def server(source: LocalSource) -> LocalServer:
    return LocalServer(source, wall=WALL)


@pytest.fixture
async def url(server: LocalServer) -> AsyncIterator[str]:
    async with serving(server) as root:
        yield root


async def test_every_exchange_is_served() -> None:
    assert set(VENUES) == set(EXCHANGES)


async def test_clients_and_endpoints_point_at_the_server(url: str) -> None:
    clients = await ask(url, "/clients.json")
    assert set(clients) == {"binance", "binanceusdm", "bybit", "okx", "hyperliquid", "coinbase"}
    found = await ask(url, "/endpoints.json")
    host = url.removeprefix("http://")
    assert {each.split("/")[2] for each in found["streams"].values()} == {host}
    assert found["coingecko"] == f"{url}/coingecko/api/v3"
    assert (found["mark"], found["title"]) == ("SIMULATED", "a test market")


async def test_every_stream_address_takes_a_connection(url: str) -> None:
    streams = (await ask(url, "/endpoints.json"))["streams"]
    tails = {
        "binance.spot": "/ws",
        "binance.perp": "/market/stream?streams=btcusdt@aggTrade",
        "okx": "/public",
    }
    async with aiohttp.ClientSession() as session:
        for name, address in streams.items():
            async with session.ws_connect(address + tails.get(name, "")) as ws:
                assert not ws.closed


async def test_the_clock_is_told_with_its_speed() -> None:
    clock = MarketClock(WALL, start=START, anchor=WALL.now() - 1000, speed=5.0)
    async with serving(LocalServer(LocalSource(clock), wall=WALL)) as url:
        found = await ask(url, "/clock.json")
    assert found == {"now": START + 5000, "start": START + 5000, "anchor": WALL.now(), "speed": 5.0}


async def test_a_simulated_market_can_be_steered() -> None:
    clock = MarketClock(WALL, start=START, anchor=WALL.now())
    steering = Steering(clock)
    async with serving(LocalServer(LocalSource(clock), steering, wall=WALL)) as url:
        status, found = await tell(url, "/control", {"speed": 10})
        assert (status, found["speed"]) == (200, 10)
        assert (await tell(url, "/control", {"scenario": "cascade", "base": "ETH"}))[0] == 200
        assert steering.played == [("cascade", "ETH")]
        bad: list[dict[str, Any]] = [
            {"scenario": "rain"},
            {"speed": 0},
            {"speed": "fast"},
            {"spede": 1},
        ]
        for body in bad:
            status, found = await tell(url, "/control", body)
            assert status == 400
            assert found["error"]
    assert (steering.played, clock.speed) == ([("cascade", "ETH")], 10)


async def test_a_recording_cannot_be_steered(url: str) -> None:
    status, found = await tell(url, "/control", {"speed": 10})
    assert (status, found) == (404, {"error": "This market cannot be steered."})


async def test_a_venue_that_is_cut_off_gives_no_answer_and_the_others_go_on(url: str) -> None:
    await tell(url, "/faults", {"exchange": "binance", "fault": "down"})
    async with client(url, "binance") as binance, client(url, "coinbase") as coinbase:
        with pytest.raises(ccxt.NetworkError):
            await binance.fetch_time()
        assert await coinbase.load_markets()
        await tell(url, "/faults", {"exchange": "binance", "fault": "none"})
        assert await binance.fetch_time() == START + 5000


@pytest.mark.parametrize(
    ("fault", "error"),
    [("429", ccxt.DDoSProtection), ("500", ccxt.ExchangeNotAvailable)],
)
async def test_faults_reach_ccxt_as_what_they_are(
    url: str, fault: str, error: type[Exception]
) -> None:
    await tell(url, "/faults", {"exchange": "*", "fault": fault})
    async with client(url, "binance") as made:
        with pytest.raises(error):
            await made.public_get_exchangeinfo()


async def test_garbage_is_no_json(url: str) -> None:
    await tell(url, "/faults", {"exchange": "bybit", "fault": "garbage"})
    with pytest.raises(ValueError, match="Expecting"):
        await ask(url, "/bybit/v5/market/time")


@pytest.mark.parametrize("exchange", [*EXCHANGES, "coingecko"])
async def test_too_many_requests_says_when_to_come_back(url: str, exchange: str) -> None:
    await tell(url, "/faults", {"exchange": exchange, "fault": "429"})
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"{url}/{exchange}/anything") as answer,
    ):
        assert answer.status == 429
        assert int(answer.headers["Retry-After"]) > 0
        await answer.json()


async def test_a_fault_ends_when_its_seconds_are_over(url: str) -> None:
    await tell(url, "/faults", {"exchange": "binance", "fault": "500", "seconds": 30})
    path = f"{url}/binance/api/v3/ping"
    async with aiohttp.ClientSession() as session:
        async with session.get(path) as answer:
            assert answer.status == 500
        WALL.advance(29_999)
        async with session.get(path) as answer:
            assert answer.status == 500
        WALL.advance(1)
        async with session.get(path) as answer:
            assert answer.status == 200


async def test_a_slow_venue_answers_late(url: str) -> None:
    await tell(url, "/faults", {"exchange": "binance", "fault": "slow", "delay": 0.15})
    begin = asyncio.get_running_loop().time()
    assert await ask(url, "/binance/api/v3/ping") == {}
    assert asyncio.get_running_loop().time() - begin >= 0.15


async def test_an_unknown_fault_is_refused(url: str) -> None:
    bad = [
        {"exchange": "binance", "fault": "fire"},
        {"exchange": "mtgox", "fault": "down"},
        {"fault": "down"},
    ]
    for body in bad:
        status, found = await tell(url, "/faults", body)
        assert status == 400
        assert found["error"]


@pytest.mark.parametrize("by_fault", [True, False])
async def test_a_venue_that_goes_down_drops_its_streams(
    url: str, source: LocalSource, by_fault: bool
) -> None:
    async with aiohttp.ClientSession() as session:
        ws = await session.ws_connect(f"{url}/binance/stream/ws")
        other = await session.ws_connect(f"{url}/coinbase/ws")
        if by_fault:
            await tell(url, "/faults", {"exchange": "binance", "fault": "down"})
        else:
            source.away.add("binance")
        assert (await ws.receive(timeout=3)).type in (
            aiohttp.WSMsgType.CLOSE,
            aiohttp.WSMsgType.CLOSED,
        )
        with pytest.raises(TimeoutError):
            await other.receive(timeout=0.2)
        with pytest.raises(aiohttp.ClientError):
            await session.ws_connect(f"{url}/binance/stream/ws")


async def test_a_venue_away_in_the_market_answers_503(url: str, source: LocalSource) -> None:
    source.away.add("okx")
    async with aiohttp.ClientSession() as session:
        async with session.get(f"{url}/okx/api/v5/public/time") as answer:
            assert answer.status == 503
        async with session.get(f"{url}/binance/api/v3/ping") as answer:
            assert answer.status == 200


async def test_a_feed_that_breaks_closes_the_connection(
    url: str, source: LocalSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise ValueError("no trades today")

    async with aiohttp.ClientSession() as session:
        ws = await session.ws_connect(f"{url}/binance/stream/ws/btcusdt@trade")
        monkeypatch.setattr(source, "trades", broken)
        source.clock.advance(1000)
        assert (await ws.receive(timeout=3)).type is aiohttp.WSMsgType.CLOSE


async def test_our_own_client_reads_the_market_caps(url: str, source: LocalSource) -> None:
    coingecko = CoinGecko((await ask(url, "/endpoints.json"))["coingecko"], WALL, source.clock)
    try:
        caps = await coingecko.caps()
    finally:
        await coingecko.close()
    assert [(cap.coin, cap.market_cap_usd, cap.rank) for cap in caps] == [
        ("bitcoin", 1.85e12, 1),
        ("ethereum", 3.7e11, 2),
    ]
    assert caps[0].ts == source.clock.now()
    page = await ask(url, "/coingecko/api/v3/coins/markets", vs_currency="usd", per_page=1, page=2)
    assert [row["id"] for row in page] == ["ethereum"]
    assert (
        await ask(url, "/coingecko/api/v3/coins/markets", vs_currency="usd", ids="dogecoin") == []
    )


async def test_it_listens_on_loopback_alone(server: LocalServer, url: str) -> None:
    assert url.startswith("http://127.0.0.1:")
    assert server.url == url
