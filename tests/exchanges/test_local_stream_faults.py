"""Faults of the local server's streams, seen by a bare websocket client: what is hit, what is lost, what comes back."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from local_clients import TICK, ask, dialled, serving, tell, until
from local_source import START, LocalSource

from exchanges.local import pump
from exchanges.local.faults import Fault
from exchanges.local.server import LocalServer
from market.clock import FixedClock

NOW = START + 12_345
TRADES = "/binance/futures/market/stream?streams=btcusdt@aggTrade"
BOTH = "/binance/futures/market/stream?streams=btcusdt@aggTrade/1000pepeusdt@aggTrade"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """The server looks at the market more often, so that the tests end sooner."""
    monkeypatch.setattr(pump, "TICK", TICK)


@pytest.fixture
def source() -> LocalSource:
    return LocalSource(FixedClock(NOW))


@pytest.fixture
def wall() -> FixedClock:
    return FixedClock(1_700_000_000_000)


@pytest.fixture
def server(source: LocalSource, wall: FixedClock) -> LocalServer:
    return LocalServer(source, wall=wall)


@pytest.fixture
async def url(server: LocalServer) -> AsyncIterator[str]:
    async with serving(server) as root:
        yield root


def due(source: LocalSource, instrument: str = "BTC/USDT:USDT") -> list[int]:
    """The numbers of all trades since the start of the test."""
    (one,) = [each for each in source.instruments("binance") if each.symbol == instrument]
    return [int(each.id) for each in source.trades(one, NOW, source.clock.now())]


async def test_a_dropped_socket_ends_without_a_goodbye_and_a_new_one_is_taken(
    url: str, server: LocalServer, source: LocalSource
) -> None:
    async with dialled(url, TRADES, source.clock) as client, dialled(
        url, "/bybit/v5/public/linear", source.clock
    ) as other:  # fmt: skip
        (number,) = server.faults.set(Fault(exchange="binance", fault="drop"))
        await until(lambda: client.ended, clock=source.clock)
        assert client.ws.close_code == 1006  # no closing handshake
        assert other.ended is None
    (told,) = (await ask(url, "/faults"))["faults"]
    assert (told["id"], told["fault"], told["sockets"], told["on"]) == (number, "drop", 1, False)
    async with dialled(url, TRADES, source.clock) as again:
        await until(again.ids, clock=source.clock)


async def test_a_drop_of_one_channel_leaves_the_sockets_of_others(
    url: str, server: LocalServer, source: LocalSource
) -> None:
    books = "/binance/futures/public/stream?streams=btcusdt@depth@100ms"
    async with dialled(url, TRADES, source.clock) as trades, dialled(
        url, books, source.clock
    ) as depth:  # fmt: skip
        server.faults.set(Fault(exchange="binance", fault="drop", channel="books"))
        await until(lambda: depth.ended, clock=source.clock)
        assert trades.ended is None


async def test_new_sockets_are_refused_for_a_while(
    url: str, server: LocalServer, source: LocalSource, wall: FixedClock
) -> None:
    async with dialled(url, TRADES, source.clock) as old:
        server.faults.set(Fault(exchange="binance", fault="refuse", seconds=5))
        async with aiohttp.ClientSession() as session:
            for _ in range(2):
                with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                    await session.ws_connect(f"{url}{TRADES}")
                assert refused.value.status == 503
        await until(old.ids, clock=source.clock)  # a socket that is open goes on
        wall.advance(5000)
        async with dialled(url, TRADES, source.clock) as fresh:
            await until(fresh.ids, clock=source.clock)
    assert (await ask(url, "/faults"))["faults"][0]["sockets"] == 2


@pytest.mark.parametrize("pongs", [True, False])
async def test_a_frozen_socket_says_nothing_and_then_all_of_it_late(
    url: str, server: LocalServer, source: LocalSource, wall: FixedClock, pongs: bool
) -> None:
    async with dialled(url, TRADES, source.clock) as client:
        await until(client.ids, clock=source.clock)
        before = len(client.messages)
        server.faults.set(Fault(exchange="binance", fault="freeze", seconds=9, pongs=pongs))
        await client.ws.send_str('{"method":"LIST_SUBSCRIPTIONS","id":3}')
        await client.ws.ping(b"hello")
        await client.market(5000)
        kinds = [message.type for message in client.messages[before:]]
        assert kinds == ([aiohttp.WSMsgType.PONG] if pongs else [])
        assert client.ended is None
        wall.advance(9000)
        await client.market(500)
        assert client.ids() == due(source)  # nothing is lost, nothing comes twice
        texts = [each.data for each in client.messages if each.type is aiohttp.WSMsgType.TEXT]
        assert '{"result":["btcusdt@aggTrade"],"id":3}' in texts


@pytest.mark.parametrize(
    ("path", "ping", "pong"),
    [
        ("/okx/ws/v5/public", "ping", "pong"),
        ("/bybit/v5/public/linear", '{"op":"ping"}', "pong"),
        ("/hyperliquid/ws", '{"method":"ping"}', '{"channel":"pong"}'),
    ],
)
@pytest.mark.parametrize("pongs", [True, False])
async def test_pings_in_words_are_answered_by_a_frozen_socket_that_shall(
    url: str, server: LocalServer, source: LocalSource, path: str, ping: str, pong: str, pongs: bool
) -> None:
    async with dialled(url, path, source.clock) as client:
        server.faults.set(Fault(exchange="*", fault="freeze", pongs=pongs))
        await client.ws.send_str(ping)
        await asyncio.sleep(0.15)
        assert [pong in each.data for each in client.messages] == ([True] if pongs else [])


async def test_one_symbol_can_freeze_while_its_neighbour_lives(
    url: str, server: LocalServer, source: LocalSource
) -> None:
    async with dialled(url, BOTH, source.clock) as client:
        server.faults.set(
            Fault(exchange="binance", fault="freeze", channel="trades", symbol="BTC/USDT:USDT")
        )
        await client.market(3000)
        assert client.ids() == []
        assert client.ids("1000pepeusdt@aggTrade") == due(source, "1000PEPE/USDT:USDT")
        server.faults.set(Fault(exchange="binance", fault="none"))
        await client.market(500)
        assert client.ids() == due(source)


async def test_a_spot_symbol_is_not_the_perp_of_the_same_id(
    url: str, server: LocalServer, source: LocalSource
) -> None:
    async with dialled(
        url, "/binance/stream/stream?streams=btcusdt@aggTrade", source.clock
    ) as spot, dialled(url, TRADES, source.clock) as perp:  # fmt: skip
        server.faults.set(Fault(exchange="binance", fault="freeze", symbol="BTC/USDT:USDT"))
        await spot.market(2000)
        assert spot.ids()
        assert not perp.ids()


async def test_late_frames_keep_their_order(
    url: str, server: LocalServer, source: LocalSource, wall: FixedClock
) -> None:
    async with dialled(url, BOTH, source.clock) as client:
        server.faults.set(Fault(exchange="binance", fault="delay", delay=2.0, share=0.5, seed=4))
        await client.market(5000)
        early = client.ids()
        assert len(early) < len(due(source))
        wall.advance(2000)
        await client.market(500)
        server.faults.set(Fault(exchange="binance", fault="none"))
        await client.market(500)
        assert client.ids() == due(source)
        assert client.ids("1000pepeusdt@aggTrade") == due(source, "1000PEPE/USDT:USDT")
    assert (await ask(url, "/faults"))["faults"][0]["frames"] > 0


async def test_frames_come_twice(url: str, server: LocalServer, source: LocalSource) -> None:
    async with dialled(url, TRADES, source.clock) as client:
        server.faults.set(Fault(exchange="binance", fault="duplicate"))
        await client.market(3000)
        assert client.ids() == [number for number in due(source) for _ in range(2)]
    assert (await ask(url, "/faults"))["faults"][0]["frames"] == len(due(source))


async def test_neighbouring_frames_change_places_and_none_is_lost(
    url: str, server: LocalServer, source: LocalSource
) -> None:
    async with dialled(url, TRADES, source.clock) as client:
        server.faults.set(Fault(exchange="binance", fault="reorder"))
        await client.market(5000)
        whole = due(source)
        assert client.ids() == [
            n for pair in zip(whole[1::2], whole[::2], strict=True) for n in pair
        ]
        await client.market(500)  # one without a neighbour, so it waits
        assert len(client.ids()) == len(whole)
        server.faults.set(Fault(exchange="binance", fault="none"))
        await client.market(500)
        assert sorted(client.ids()) == due(source)


async def test_trades_are_left_out_of_the_stream_alone_and_told(
    url: str, server: LocalServer, source: LocalSource
) -> None:
    async with dialled(url, TRADES, source.clock) as client, dialled(
        url, TRADES, source.clock
    ) as twin:  # fmt: skip
        server.faults.set(Fault(exchange="binance", fault="idgap", share=0.3, run=4, seed=9))
        await client.market(20_000, step=1000)
        assert client.ids() == twin.ids()
        whole, got = set(due(source)), set(client.ids())
    (told,) = (await ask(url, "/faults"))["faults"]
    left = {int(each) for each in told["left_out"]["BTC/USDT:USDT"]}
    assert whole - got == left
    assert got <= whole
    assert told["trades"] == len(left) > 3
    assert {number // 4 for number in left}.isdisjoint(number // 4 for number in got)  # in runs
    for by in ({"fromId": min(whole)}, {"startTime": NOW + 1, "endTime": NOW + 20_000}):
        rows = await ask(url, "/binance/fapi/v1/aggTrades", symbol="BTCUSDT", limit=1000, **by)
        assert whole <= {row["a"] for row in rows}
    found = await ask(
        url, "/truth", exchange="binance", symbol="BTC/USDT:USDT", after=NOW, until=NOW + 20_000
    )
    assert {int(row[0]) for row in found["rows"]} == whole


async def test_a_burst_holds_trades_back_and_then_sends_them_flat_out(
    url: str, server: LocalServer, source: LocalSource, wall: FixedClock
) -> None:
    mixed = f"{TRADES}/btcusdt@markPrice@1s"
    async with dialled(url, mixed, source.clock) as client:
        server.faults.set(Fault(exchange="binance", fault="burst", seconds=3))
        await client.market(4000)
        assert not client.ids()
        assert client.rows("btcusdt@markPrice@1s")
        source.clock.advance(50_000 * 500)
        wall.advance(3000)
        whole = len(due(source))
        await until(lambda: len(client.messages) > whole, clock=source.clock, step=0)
        assert client.ids() == due(source)
        assert len(client.ids()) > 50_000
    assert (await ask(url, "/faults"))["faults"][0]["trades"] == len(due(source))


@pytest.mark.parametrize("fault", ["malformed", "wrong_types"])
async def test_broken_frames_come_before_good_ones(
    url: str, server: LocalServer, source: LocalSource, fault: str
) -> None:
    async with dialled(url, TRADES, source.clock) as client:
        server.faults.set(Fault(exchange="binance", fault=fault, share=1.0, seed=3))
        await client.market(10_000)
        good = [source.trade(one, n) for one in _perp(source) for n in due(source)]
        plain = [(t.ts, float(t.price), round(t.amount, 6)) for t in good]
        assert [row for row in map(_value, client.rows()) if row is not None] == plain
        assert len(client.messages) == 2 * len(good)
    assert (await ask(url, "/faults"))["faults"][0]["frames"] == len(good)


def _perp(source: LocalSource) -> list[Any]:
    return [each for each in source.instruments("binance") if each.symbol == "BTC/USDT:USDT"]


def _value(row: dict[str, Any]) -> tuple[int, float, float] | None:
    """What a careful client reads; None where the row cannot be one of the market's."""
    try:
        ts, price, amount = row["T"], float(row["p"]), float(row["q"])
    except (TypeError, ValueError):
        return None
    sane = isinstance(ts, int) and 0 < ts < 10**14 and isinstance(row["m"], bool)
    return (ts, price, amount) if sane and 0 < price < 1e9 and 0 < amount < 1e9 else None


@pytest.mark.parametrize("fault", ["malformed", "wrong_types"])
async def test_broken_frames_instead_of_good_ones_are_told_by_number(
    url: str, server: LocalServer, source: LocalSource, fault: str
) -> None:
    async with dialled(url, TRADES, source.clock) as client:
        server.faults.set(
            Fault(exchange="binance", fault=fault, share=0.4, seed=3, instead=True)
        )  # fmt: skip
        await client.market(10_000)
        got = {row["a"] for row in client.rows() if _value(row) is not None}
        assert len(client.messages) == len(due(source))
    left = (await ask(url, "/faults"))["faults"][0]["left_out"]["BTC/USDT:USDT"]
    assert {int(each) for each in left} == set(due(source)) - got
    assert left


async def test_the_same_seed_breaks_the_same_frames(source: LocalSource) -> None:
    seen = []
    for _ in range(2):
        server = LocalServer(source, wall=FixedClock(1))
        source.clock.set(NOW)
        async with serving(server) as url, dialled(url, TRADES, source.clock) as client:
            server.faults.set(Fault(exchange="binance", fault="malformed", seed=77, share=0.5))
            await client.market(5000)
            seen.append([message.data for message in client.messages])
    assert seen[0] == seen[1]


async def test_what_cannot_be_meant_is_refused(url: str) -> None:
    bad: list[dict[str, Any]] = [
        {"exchange": "binance", "fault": "idgap", "channel": "tea"},
        {"exchange": "binance", "fault": "freeze", "symbol": "NOPE/USDT"},
        {"exchange": "binance", "fault": "duplicate", "share": 2},
        {"exchange": "binance", "fault": "delay", "delay": 1000},
        {"exchange": "binance", "fault": "freeze", "seconds": -1},
    ]
    for body in bad:
        assert (await tell(url, "/faults", body))[0] == 400
    assert (await ask(url, "/faults"))["faults"] == []
    status, found = await tell(url, "/faults", {"exchange": "*", "fault": "freeze", "seconds": 1})
    assert status == 200
    assert len(found["ids"]) == 6
