"""Frames read many at once say what each of them would say alone; a flood is taken a slice a turn, in order."""

import asyncio
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stream_frames import BN, NOW, PEPE, TRADES, TS, agg, decoder, instrument

from exchanges.streams.binance import BinancePerps, BinanceSpot
from exchanges.streams.decoder import Decoder, Event, Topic
from exchanges.streams.frames import SLICE, Inbox
from market.clock import FixedClock
from market.types import Liquidation, Trade

ETH = instrument("binance", "ETHUSDT", base="ETH")
SPOT = instrument("binance", "BTCUSDT", perp=False)


def enveloped(row: dict[str, Any]) -> bytes:
    return json.dumps({"stream": f"{row.get('s', 'x')}@x".lower(), "data": row}).encode()


def forced(side: str = "SELL") -> bytes:
    order = {"s": "BTCUSDT", "S": side, "T": TS, "q": "2", "p": "65000", "ap": "64990", "z": "2"}
    return enveloped({"e": "forceOrder", "E": TS, "o": order})


MARK = {"e": "markPriceUpdate", "E": TS, "s": "BTCUSDT", "p": "65000", "i": "65001", "r": "0.0001"}
DEPTH = {"e": "depthUpdate", "E": TS, "s": "BTCUSDT", "U": 1, "u": 2, "b": [["1", "2"]], "a": []}
GOOD = [
    enveloped(MARK),
    enveloped(DEPTH),
    forced(),
    forced("BUY"),
    b'{"result":null,"id":1}',
    b'{"error":{"code":2},"id":2}',
]
BROKEN = [
    enveloped(agg(s="NOBODYUSDT")),
    enveloped(agg(p="0")),
    enveloped(agg(q="nan")),
    enveloped(agg(T=-1)),
    enveloped(MARK | {"p": "1e400"}),
    enveloped({"e": "somethingNew", "s": "BTCUSDT"}),
    json.dumps(agg(a=99)).encode(),  # no envelope
    enveloped(agg())[:50],
    enveloped(agg())[50:],
    enveloped(agg()) + b"," + enveloped(agg(a=8)),
    b"",
    b" ",
    b"\xff\x00",
    b"[]",
    b"]",
    b"null",
    b"{}",
]


def numbered() -> st.SearchStrategy[bytes]:
    return st.builds(
        lambda s, a, m: enveloped(agg(s=s, a=a, m=m)),
        st.sampled_from(["BTCUSDT", "ETHUSDT", "1000PEPEUSDT"]),
        st.integers(0, 2**63 - 1),
        st.booleans(),
    )


class Heard:
    """What an inbox hands on, and the turns in which it does."""

    def __init__(self, made: Decoder) -> None:
        self.trades: dict[str, list[Trade]] = {}
        self.rest: list[Event] = []
        self.closed: list[list[Event]] = []
        self.unread: list[bytes] = []
        self.turns: list[int] = []
        self.inbox = Inbox(made, FixedClock(NOW), self.hand_on)

    def hand_on(self, events: list[Event]) -> None:
        inbox, count = self.inbox, 0
        for id_, trades in inbox.trades.items():
            self.trades.setdefault(id_, []).extend(trades)
            count += len(trades)
        for event in events:
            if isinstance(event, Trade):
                self.trades.setdefault(event.instrument.id, []).append(event)
            else:
                self.rest.append(event)
        self.closed += inbox.closed
        self.unread += inbox.unread
        self.turns.append(count + len(events))


def made() -> Any:
    found = decoder(BinancePerps, BN, ETH, PEPE)
    found.subscribe([Topic(TRADES, BN), Topic(TRADES, ETH)])
    found.subscribe([Topic(TRADES, PEPE)])
    return found


def alone(frames: list[bytes], one: Any) -> tuple[Any, ...]:
    trades: dict[str, list[Trade]] = {}
    rest: list[Event] = []
    closed: list[list[Event]] = []
    unread: list[bytes] = []
    for frame in frames:
        bad = one.bad
        events = one.decode(frame, NOW)
        if one.bad != bad:
            unread.append(frame)
        if events and isinstance(events[0], Liquidation):
            closed.append(events)
            continue
        for event in events:
            if isinstance(event, Trade):
                trades.setdefault(event.instrument.id, []).append(event)
            else:
                rest.append(event)
    return trades, rest, closed, unread, one.bad


def together(frames: list[bytes], many: Any) -> tuple[Any, ...]:
    heard = Heard(many)

    async def turn() -> None:
        for frame in frames:
            heard.inbox.take(frame)
        await asyncio.sleep(0)

    asyncio.run(turn())
    assert heard.inbox.messages == len(frames)
    return heard.trades, heard.rest, heard.closed, heard.unread, many.bad


@given(st.lists(st.one_of(*[numbered()] * 5, st.sampled_from(GOOD[:4])), min_size=3, max_size=30))
def test_what_is_whole_says_the_same_many_at_once(frames: list[bytes]) -> None:
    many = made()
    assert many.trades(frames, NOW) is not None
    assert together(frames, many) == alone(frames, made())


@given(st.lists(numbered() | st.sampled_from([*GOOD, *BROKEN]), max_size=12))
def test_what_is_broken_is_counted_one_by_one_and_costs_the_others_nothing(
    frames: list[bytes],
) -> None:
    assert together(frames, made()) == alone(frames, made())


@pytest.mark.parametrize("first", [*GOOD, *BROKEN])
def test_no_two_neighbours_say_more_or_less_many_at_once_than_alone(first: bytes) -> None:
    for second in (*GOOD, *BROKEN):
        frames = [enveloped(agg(a=1)), first, second, enveloped(agg(a=3))]
        assert together(frames, made()) == alone(frames, made())


def test_trades_among_other_news_are_read_at_once_and_keep_their_order() -> None:
    trades = [enveloped(agg(a=n)) for n in range(6)]
    frames = [*trades[:2], enveloped(MARK), *trades[2:4], forced(), *trades[4:]]
    taken = made().trades(frames, NOW)
    assert taken is not None
    by_id, left = taken
    assert [each.seq for each in by_id["BTCUSDT"]] == list(range(6))
    assert left == [enveloped(MARK), forced()]


def test_the_books_of_a_spot_socket_are_left_beside_its_trades() -> None:
    spot = decoder(BinanceSpot, SPOT)
    frames = [enveloped(DEPTH), enveloped(agg(a=1)), enveloped(agg(a=2))]
    by_id, left = spot.trades(frames, NOW)
    assert [each.id for each in by_id["BTCUSDT"]] == ["1", "2"]
    assert left == [enveloped(DEPTH)]


def test_a_market_on_this_machine_stamps_no_receipt_many_at_once() -> None:
    local = made()
    local.local = True
    by_id, _left = local.trades([enveloped(agg(a=n)) for n in range(3)], NOW)
    assert [each.recv_ts for each in by_id["BTCUSDT"]] == [0, 0, 0]


class Wire:
    """A transport that notes when it is paused."""

    def __init__(self) -> None:
        self.paused: list[bool] = []

    def get_extra_info(self, _name: str) -> "Wire":
        return self

    def setsockopt(self, *_option: int) -> None:
        return

    def pause_reading(self) -> None:
        self.paused.append(True)

    def resume_reading(self) -> None:
        self.paused.append(False)


@pytest.fixture
def heard() -> tuple[Heard, Wire]:
    found, wire = Heard(made()), Wire()
    found.inbox.begin(wire)  # type: ignore[arg-type]
    return found, wire


async def test_a_flood_is_taken_a_slice_a_turn_while_nothing_more_is_read(
    heard: tuple[Heard, Wire],
) -> None:
    found, wire = heard
    count = 3 * SLICE + 7
    for n in range(count):
        found.inbox.take(enveloped(agg(a=n)))
    assert found.turns == []
    await asyncio.sleep(0)
    assert (found.turns, wire.paused) == ([SLICE], [True])
    found.inbox.take(enveloped(agg(a=count)))  # what TLS had decrypted already
    for _ in range(5):
        await asyncio.sleep(0)
    assert found.turns == [SLICE, SLICE, SLICE, 8]
    assert wire.paused == [True, False]
    assert [each.seq for each in found.trades["BTCUSDT"]] == list(range(count + 1))


async def test_a_turn_is_handed_on_in_the_next_one_and_the_reading_goes_on(
    heard: tuple[Heard, Wire],
) -> None:
    found, wire = heard
    for n in range(10):
        found.inbox.take(enveloped(agg(a=n)))
        await asyncio.sleep(0)
        assert found.turns == [1] * (n + 1)
    assert wire.paused == []


async def test_what_waits_is_handed_on_by_a_flush_and_not_again(
    heard: tuple[Heard, Wire],
) -> None:
    found, _wire = heard
    for n in range(SLICE + 5):
        found.inbox.take(enveloped(agg(a=n)))
    found.inbox.flush()
    for _ in range(3):
        await asyncio.sleep(0)
    assert found.turns == [SLICE, 5]
    found.inbox.take(enveloped(agg(a=SLICE + 5)))
    await asyncio.sleep(0)
    assert [each.seq for each in found.trades["BTCUSDT"]] == list(range(SLICE + 6))


def test_a_fault_of_the_reading_at_once_leaves_the_reading_one_by_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    one = made()

    def broken(*_args: object) -> None:
        raise RuntimeError("ours")

    monkeypatch.setattr(one, "trades", broken)
    frames = [enveloped(agg(a=n)) for n in range(4)]
    assert together(frames, one)[0] == alone(frames, made())[0]
