"""Broken frames say nothing that is not so: whatever a decoder still reads in them stands in the good frame too."""

import asyncio
import json
import random
import time
from typing import Any

import aiohttp
import msgspec
import pytest
from local_clients import serving

from exchanges.local import garble
from exchanges.local.server import LocalServer
from exchanges.local.simulator import SimulatedMarket, parse_scenarios
from exchanges.streams.decoder import Accepted, Channel, Decoder, Event, Refused, Topic
from exchanges.streams.protocols import DECODERS
from market.clock import FixedClock, MarketClock, WallClock
from market.types import Context, Instrument

START = 1_780_272_000_000
SEEDS = 5
FRAMES = 24


def topics_of(kind: type[Decoder], market: SimulatedMarket) -> list[Topic]:
    """All that a socket has of two coins, one of them counted in thousands."""
    exchange = kind.url_key.partition(".")[0]
    listed = [each for each in market.instruments(exchange) if each.base in ("BTC", "PEPE")]
    right = [each for each in listed if (kind.perp if each.perp else kind.spot)]
    both = {Channel.TRADES, Channel.BOOK}
    return [
        Topic(channel, each)
        for each in right
        for channel in sorted(kind.channels)
        if each.perp or channel in both
    ]


async def recorded(kind: type[Decoder]) -> tuple[list[Topic], list[str]]:
    """The first frames of one socket in the middle of a cascade."""
    wall = WallClock(time.time)
    clock = MarketClock(wall, start=START + 90_000, anchor=wall.now(), speed=15.0)
    market = SimulatedMarket(5, START, clock, parse_scenarios("cascade:BTC@60,cascade:PEPE@60"))
    topics, frames = topics_of(kind, market), []
    decoder = kind(clock)
    async with serving(LocalServer(market)) as url, aiohttp.ClientSession() as session:
        async with session.get(f"{url}/endpoints.json") as answer:
            address = (await answer.json())["streams"][kind.url_key] + kind.path
        async with session.ws_connect(address) as ws:
            for request in [*decoder.opening(), *decoder.subscribe(topics)]:
                await ws.send_str(request)
            async with asyncio.timeout(15):
                while len(frames) < FRAMES:
                    frames.append(await ws.receive_str())
    return topics, frames


def decoder_of(kind: type[Decoder], topics: list[Topic]) -> Decoder:
    """A decoder whose topics are all subscribed."""
    made = kind(FixedClock(START + 200_000))
    made.subscribe(topics)
    return made


def told(events: list[Event]) -> set[Any]:
    """What was said, each figure of a context by itself."""
    found: set[Any] = set()
    for each in events:
        if isinstance(each, Accepted | Refused):
            continue
        if isinstance(each, Context):
            figures = msgspec.structs.asdict(each)
            about = (each.instrument.key, figures.pop("ts"))
            del figures["instrument"], figures["recv_ts"]
            found |= {(*about, name, value) for name, value in figures.items() if value is not None}
        else:
            found.add(repr(each))
    return found


@pytest.mark.parametrize("kind", DECODERS, ids=lambda kind: kind.__name__)
async def test_nothing_is_invented_by_broken_frames(kind: type[Decoder]) -> None:
    topics, frames = await recorded(kind)
    good, seen, made = decoder_of(kind, topics), 0, 0
    for number, frame in enumerate(frames):
        right = told(good.decode(frame))
        seen += bool(right)
        for seed in range(SEEDS):
            rng = random.Random(f"{number}:{seed}")
            spoilt = garble.wrong_types(frame.encode(), rng)
            kinds = [garble.broken(frame.encode(), rng)]
            kinds += [] if spoilt is None else [(garble.TEXT, spoilt)]
            for code, payload in kinds:
                made += 1
                text: Any = payload if code == garble.BINARY else payload.decode()
                wrong = decoder_of(kind, topics).decode(text)
                assert told(wrong) <= right, (frame, text)
    assert good.bad == 0
    assert seen > 5
    assert made > FRAMES * SEEDS


def test_numbers_of_trades_are_read_at_every_venue() -> None:
    frames: list[tuple[dict[str, Any], list[str]]] = [
        ({"stream": "x", "data": {"e": "aggTrade", "a": 17, "p": "1", "q": "2", "m": True}}, ["17"]),
        ({"topic": "x", "data": [{"i": "a-1", "S": "Buy"}, {"i": "a-2", "S": "Sell"}]}, ["a-1", "a-2"]),
        ({"arg": {}, "data": [{"tradeId": "5", "side": "buy"}]}, ["5"]),
        ({"channel": "trades", "data": [{"tid": 9, "side": "A"}]}, ["9"]),
        ({"events": [{"trades": [{"trade_id": "3", "side": "BUY"}]}]}, ["3"]),
    ]  # fmt: skip
    for body, wanted in frames:
        assert garble.numbers(json.dumps(body).encode()) == wanted
    assert garble.numbers(b"nonsense") == []


def test_an_instrument_is_found_by_its_segment() -> None:
    market = SimulatedMarket(5, START, FixedClock(START))
    faults = LocalServer(market).faults.streams
    perp = next(i for i in market.instruments("bybit") if i.symbol == "BTC/USDT:USDT")
    spot = next(i for i in market.instruments("bybit") if i.symbol == "BTC/USDT")
    assert isinstance(perp, Instrument)
    assert perp.id == spot.id
    assert faults._ids("bybit", "BTC/USDT") == {(spot.id, False)}
    assert faults._ids("bybit", perp.id) == {(perp.id, True), (spot.id, False)}
