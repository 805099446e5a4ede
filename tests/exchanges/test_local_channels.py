"""What a running market's streams carry: every trade once, contexts as REST has them, bursts, outages."""

import asyncio
import json
import time
from dataclasses import replace
from typing import Any

import aiohttp
import msgspec
import pytest
from local_clients import TICK, ask, dialled, serving, tell, until

from exchanges.local import pump
from exchanges.local.books import BookLog
from exchanges.local.chaos import NUMBERED, drive, rounds_of, schedule
from exchanges.local.faults import Fault
from exchanges.local.server import LocalServer
from exchanges.local.simulator import SimulatedMarket, parse_scenarios
from exchanges.local.stream_faults import SHARES
from exchanges.local.truth import Truth
from market.clock import FixedClock, MarketClock, WallClock
from market.types import EXCHANGES, MINUTE, Instrument, Trade

START = 1_780_272_000_000
NOW = START + 65_300
PAIRS = {
    "binance": "BTC/USDT:USDT",
    "bybit": "BTC/USDT:USDT",
    "okx": "BTC/USDT:USDT",
    "hyperliquid": "BTC/USDC:USDC",
    "coinbase": "BTC/USD",
}
# Address, what is said to subscribe, and where the numbers of the trades are in what comes.
TRADES: dict[str, tuple[str, dict[str, Any] | None]] = {
    "binance": ("/binance/futures/market/stream?streams=btcusdt@aggTrade", None),
    "bybit": ("/bybit/v5/public/linear", {"op": "subscribe", "args": ["publicTrade.BTCUSDT"]}),
    "okx": (
        "/okx/ws/v5/business",
        {"op": "subscribe", "args": [{"channel": "trades-all", "instId": "BTC-USDT-SWAP"}]},
    ),
    "hyperliquid": (
        "/hyperliquid/ws",
        {"method": "subscribe", "subscription": {"type": "trades", "coin": "BTC"}},
    ),
    "coinbase": (
        "/coinbase/ws",
        {"type": "subscribe", "channel": "market_trades", "product_ids": ["BTC-USD"]},
    ),
}


def simulated(speed: float = 1.0, scenarios: str = "", begin: int = NOW) -> SimulatedMarket:
    """A market whose clock runs with the wall."""
    wall = WallClock(time.time)
    clock = MarketClock(wall, start=begin, anchor=wall.now(), speed=speed)
    return SimulatedMarket(5, START, clock, parse_scenarios(scenarios))


def pair(market: SimulatedMarket, exchange: str) -> Instrument:
    """Bitcoin's perp at a venue, at Coinbase its dollar pair."""
    return next(i for i in market.instruments(exchange) if i.symbol == PAIRS[exchange])


def numbers(exchange: str, body: dict[str, Any]) -> list[int]:
    """The numbers of the trades in a frame, oldest first."""
    match exchange:
        case "binance":
            return [body["data"]["a"]] if "data" in body else []
        case "bybit":
            return [int(row["i"]) for row in body.get("data", ())]
        case "okx":
            return [int(row["tradeId"]) for row in body.get("data", ())]
        case "hyperliquid":
            return [row["tid"] for row in body["data"]] if body["channel"] == "trades" else []
    rows = [row for event in body["events"] for row in event.get("trades", ())]
    return [int(row["trade_id"]) for row in rows][::-1]


@pytest.fixture(scope="module")
def lasting() -> SimulatedMarket:
    """One market for the tests that only look: its first look is slow."""
    return SimulatedMarket(5, START, FixedClock(NOW), parse_scenarios("cascade:BTC@5"))


@pytest.fixture
def market(lasting: SimulatedMarket) -> SimulatedMarket:
    """The same at its first moment."""
    still(lasting).set(NOW)
    return lasting


def still(market: SimulatedMarket) -> FixedClock:
    """The clock of a market that stands still."""
    assert isinstance(market.clock, FixedClock)
    return market.clock


async def test_at_sixty_times_the_pace_every_trade_comes_once_and_in_order() -> None:
    market = simulated(speed=60.0)
    async with serving(LocalServer(market)) as url, aiohttp.ClientSession() as session:
        found = await asyncio.gather(*(_collected(session, url, name) for name in TRADES))
        end = market.clock.now()
    for name, got in zip(TRADES, found, strict=True):
        one = pair(market, name)
        assert len(got) > 300, name
        assert got == list(range(got[0], got[0] + len(got))), name
        known = market.trades(one, START, end)
        assert {int(each.id) for each in known} >= set(got)


async def _collected(session: aiohttp.ClientSession, url: str, name: str) -> list[int]:
    """Numbers from a subscription until a second has passed."""
    path, request = TRADES[name]
    got: list[int] = []
    async with session.ws_connect(f"{url}{path}") as ws:
        if request is not None:
            await ws.send_str(json.dumps(request))
        begin = time.monotonic()
        while time.monotonic() < begin + 1.5:
            got += numbers(name, msgspec.json.decode(await ws.receive_str(timeout=5)))
    return got


async def test_a_burst_of_the_market_itself_arrives_whole_everywhere() -> None:
    market = simulated(speed=10.0, scenarios="burst:BTC@60", begin=START + 60_000 - 500)
    async with serving(LocalServer(market)) as url, aiohttp.ClientSession() as session:
        path, _ = TRADES["binance"]
        got: list[int] = []
        async with asyncio.timeout(20), session.ws_connect(f"{url}{path}") as ws:
            async for message in ws:
                trade = msgspec.json.decode(message.data)["data"]
                got.append(trade["a"])
                if trade["T"] > START + 76_000:
                    break
    assert len(got) > 30_000
    assert got == list(range(got[0], got[0] + len(got)))


def test_candles_and_trades_of_a_burst_agree() -> None:
    clock = FixedClock(START + 3 * MINUTE)
    market = SimulatedMarket(5, START, clock, parse_scenarios("burst:BTC@70"))
    most = 0
    for one in [pair(market, "okx"), pair(market, "coinbase")]:
        trades = market.trades(one, START - 1, clock.now() - 1)
        ids = [int(each.id) for each in trades]
        assert ids == list(range(ids[0], ids[0] + len(ids)))
        for candle in market.candles(one, "1m", START, START + 3 * MINUTE):
            rows = [each for each in trades if candle.ts <= each.ts < candle.ts + MINUTE]
            assert sum(each.amount for each in rows) == pytest.approx(candle.volume, rel=1e-9)
            assert (rows[0].price, rows[-1].price) == (candle.open, candle.close)
            most = max(most, len(rows))
    assert most > 50_000


async def test_an_outage_ends_sockets_and_the_venue_comes_back_with_its_past() -> None:
    clock = FixedClock(START + 59_000)
    market = SimulatedMarket(5, START, clock, parse_scenarios("outage:okx@60"))
    path, request = TRADES["okx"]
    async with serving(LocalServer(market)) as url, dialled(url, path, clock) as client:
        await client.ws.send_str(json.dumps(request))
        clock.set(START + 60_000)
        await until(lambda: client.ended, clock=clock, step=0)
        async with aiohttp.ClientSession() as session:
            with pytest.raises(aiohttp.WSServerHandshakeError):
                await session.ws_connect(f"{url}{path}")
            async with session.get(f"{url}/okx/api/v5/public/time") as answer:
                assert answer.status == 503
            clock.set(START + 60_000 + 90_000)
            ws = await session.ws_connect(f"{url}{path}")
            await ws.send_str(json.dumps(request))
            assert (await ws.receive_json(timeout=3))["event"] == "subscribe"
            clock.advance(5000)
            first = numbers("okx", await ws.receive_json(timeout=3))[0]
            await ws.close()
        rows = await ask(
            url, "/okx/api/v5/market/history-trades",
            instId="BTC-USDT-SWAP", type="1", after=str(first), limit="100",
        )  # fmt: skip
        past = [int(row["tradeId"]) for row in rows["data"]]
        assert past == list(range(first - 1, first - 101, -1))


@pytest.mark.parametrize("back", [5, 950, 70_000])
async def test_okx_history_by_number_is_the_stream_s_own(
    market: SimulatedMarket, back: int
) -> None:
    one = pair(market, "okx")
    newest = int(market.recent_trades(one, 1)[0].id)
    async with serving(LocalServer(market)) as url:
        begin = time.perf_counter()
        found = await ask(
            url, "/okx/api/v5/market/history-trades",
            instId=one.id, type="1", after=str(newest - back), limit="100",
        )  # fmt: skip
        assert time.perf_counter() - begin < 3
        ids = [int(row["tradeId"]) for row in found["data"]]
        assert ids == list(range(newest - back - 1, newest - back - 101, -1))
        newer = await ask(
            url, "/okx/api/v5/market/history-trades",
            instId=one.id, type="1", after=str(ids[0]), before=str(ids[9]), limit="100",
        )  # fmt: skip
        assert [int(row["tradeId"]) for row in newer["data"]] == ids[1:9]


async def _subscribed(url: str, path: str, request: dict[str, Any], wanted: str) -> dict[str, Any]:
    """The first data message of a channel."""
    async with aiohttp.ClientSession() as session, session.ws_connect(f"{url}{path}") as ws:
        await ws.send_str(json.dumps(request))
        async with asyncio.timeout(4):
            while True:
                text = await ws.receive_str()
                body: dict[str, Any] = json.loads(text)
                if wanted in text and "data" in body and "method" not in str(body["data"])[:20]:
                    return body


async def test_contexts_of_streams_are_those_of_rest(market: SimulatedMarket) -> None:
    async with serving(LocalServer(market)) as url:
        for name, rest, key in (
            ("mark-price", "public/mark-price?instType=SWAP", "markPx"),
            ("open-interest", "public/open-interest?instType=SWAP", "oi"),
            ("funding-rate", "public/funding-rate", "fundingRate"),
            ("index-tickers", "market/index-tickers", "idxPx"),
        ):
            id_ = "BTC-USDT" if name == "index-tickers" else "BTC-USDT-SWAP"
            asked: dict[str, Any] = {"op": "subscribe", "args": [{"channel": name, "instId": id_}]}
            told = await _subscribed(url, "/okx/ws/v5/public", asked, '"data"')
            path, _, query = rest.partition("?")
            params = dict(part.split("=") for part in query.split("&") if part) | {"instId": id_}
            (row,) = (await ask(url, f"/okx/api/v5/{path}", **params))["data"]
            assert told["arg"] == {"channel": name, "instId": id_}
            assert told["data"] == [row]
            assert row[key]
        asked = {"op": "subscribe", "args": ["tickers.BTCUSDT"]}
        told = await _subscribed(url, "/bybit/v5/public/linear", asked, "snapshot")
        found = await ask(url, "/bybit/v5/market/tickers", category="linear", symbol="BTCUSDT")
        assert told["data"] == found["result"]["list"][0]
        asked = {
            "method": "subscribe",
            "subscription": {"type": "activeAssetCtx", "coin": "BTC"},
        }
        told = await _subscribed(url, "/hyperliquid/ws", asked, '"ctx"')
        async with aiohttp.ClientSession() as session:
            body = {"type": "metaAndAssetCtxs"}
            async with session.post(f"{url}/hyperliquid/info", json=body) as answer:
                meta, contexts = await answer.json()
        place = [each["name"] for each in meta["universe"]].index("BTC")
        assert told["data"]["ctx"] == contexts[place]


@pytest.mark.parametrize(
    ("path", "levels"),
    [
        ("/binance/futures/public/stream?streams=btcusdt@depth20@100ms", 20),
        ("/binance/stream/stream?streams=btcusdt@depth5@100ms", 5),
    ],
)
async def test_binance_has_books_of_few_levels(
    market: SimulatedMarket, path: str, levels: int
) -> None:
    clock = still(market)
    async with serving(LocalServer(market)) as url, dialled(url, path, clock) as client:
        async with asyncio.timeout(3):
            while not client.messages:
                clock.advance(100)
                await asyncio.sleep(0.06)
        data = json.loads(client.messages[-1].data)["data"]
        bids, asks = data.get("b") or data["bids"], data.get("a") or data["asks"]
        assert (len(bids), len(asks)) == (levels, levels)
        assert float(bids[0][0]) < float(asks[0][0])
        assert ("lastUpdateId" in data) == ("futures" not in path)


async def test_okx_tells_closes_that_fall_together_as_details_of_one_row(
    market: SimulatedMarket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pump, "TICK", TICK)
    clock = still(market)
    clock.set(START)
    asked = {"op": "subscribe", "args": [{"channel": "liquidation-orders", "instType": "SWAP"}]}
    async with serving(LocalServer(market)) as url, dialled(
        url, "/okx/ws/v5/public", clock
    ) as client:  # fmt: skip
        await client.ws.send_str(json.dumps(asked))
        await asyncio.sleep(0.2)
        await client.market(90_000, step=3000)
        rows = [
            row
            for message in client.messages
            for row in json.loads(message.data).get("data", ())
        ]  # fmt: skip
    details = [(row["instId"], each["ts"]) for row in rows for each in row["details"]]
    assert max(len(row["details"]) for row in rows) > 1
    known = market.liquidations("okx", START, clock.now())
    assert sorted(details) == sorted((each.instrument.id, str(each.ts)) for each in known)


def test_a_book_is_made_again_only_when_something_happened(market: SimulatedMarket) -> None:
    clock, one = still(market), pair(market, "binance")
    log, kept = BookLog(market, one), 0
    for _ in range(200):
        clock.advance(37)
        before, version = log.book, log.version
        found = log.look()
        market._books.clear()
        again = market.book(one, 1000)
        assert found == again  # remembered or not: the same book
        assert found is not None
        if before is not None and (found.bids, found.asks) == (before.bids, before.asks):
            assert log.version == version
            kept += found.bids is before.bids
        elif before is not None:
            assert log.version == version + 1
    assert kept == 0  # all were forgotten above
    clock.advance(37)
    first = market.book(one, 1000)
    clock.set(clock.now() + 1)
    second = market.book(one, 1000)
    assert first is not None
    assert second is not None
    assert second.ts == first.ts + 1
    assert second.bids is first.bids or second.bids != first.bids


async def test_the_truth_is_read_in_parts(
    market: SimulatedMarket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("exchanges.local.truth.LONGEST", 7_000)
    one = pair(market, "binance")
    server = LocalServer(market)
    server.faults.set(Fault(exchange="*", fault="500"))
    server.faults.set(Fault(exchange="*", fault="idgap", share=1.0))
    async with serving(server) as url:
        truth = Truth(url)
        found = await truth.trades(one, START, NOW)
        assert found == market.trades(one, START, NOW)
        closes = await truth.liquidations(one, START, NOW)
        assert closes
        assert closes == [
            each for each in market.liquidations("binance", START, NOW) if each.instrument == one
        ]
        with pytest.raises(ValueError, match="the market is at"):
            await truth.trades(one, START, NOW + 1)
        assert isinstance(found[0], Trade)


def test_a_schedule_is_the_same_for_its_seed_and_holds_every_fault() -> None:
    steps = schedule(11, minutes=30, speed=6)
    assert steps == schedule(11, minutes=30, speed=6)
    assert steps != schedule(12, minutes=30, speed=6)
    assert [each.at for each in steps] == sorted(each.at for each in steps)
    for name in EXCHANGES:
        wanted = set(SHARES) - (set() if name in NUMBERED else {"idgap"})
        assert set(rounds_of(steps, name)) >= wanted
    last = max(step.at + (step.fault.seconds if step.fault else 90 / 6) for step in steps)
    assert last <= 300 - 20
    assert {step.scenario for step in steps} == {"", "burst", "cascade", "outage"}
    for name in set(EXCHANGES) - NUMBERED:
        mine = [step.fault for step in steps if step.fault and step.fault.exchange == name]
        assert not any(each.instead or each.fault == "idgap" for each in mine)


def test_faults_of_one_venue_never_overlap() -> None:
    for name in EXCHANGES:
        busy = 0.0
        for step in schedule(3, minutes=60, speed=10):
            if step.fault is not None and step.fault.exchange == name:
                assert step.at >= busy
                busy = step.at + step.fault.seconds


async def test_a_schedule_is_driven(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pump, "TICK", TICK)
    market = simulated(speed=60.0)
    assert schedule(1, minutes=30, speed=60 * 30) == []  # too short to recover from anything
    steps = [replace(each, at=each.at / 200) for each in schedule(1, minutes=60, speed=30)]
    async with serving(LocalServer(market, market)) as url:
        told = await drive(url, steps)
    stream = [step for step in steps if step.fault is not None and step.fault.fault in SHARES]
    assert len(told) == len(stream) > 20


async def test_a_market_has_a_name_that_lasts() -> None:
    names = []
    for begin in (NOW, NOW + 50_000):
        market = SimulatedMarket(5, START, FixedClock(begin))
        async with serving(LocalServer(market, market)) as url:
            names.append((await ask(url, "/endpoints.json"))["market"])
            await tell(url, "/control", {"scenario": "calm", "base": "BTC"})
    other = LocalServer(SimulatedMarket(5, START + MINUTE, FixedClock(NOW)))
    async with serving(other) as url:
        names.append((await ask(url, "/endpoints.json"))["market"])
    assert names[0] == names[1] != names[2]
