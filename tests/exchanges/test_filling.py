"""Gaps are filled from the venues' REST: each trade once, and what cannot be had stays marked to the millisecond."""

import asyncio
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from canned_venue import canned

from analytics import intake
from analytics.state import SymbolState
from exchanges import base, binance, okx
from exchanges.base import PAST_LAG, Exchange
from exchanges.binance import Binance
from exchanges.bybit import Bybit
from exchanges.coinbase import Coinbase
from exchanges.endpoints import load_endpoints
from exchanges.hub import Market
from exchanges.hyperliquid import Hyperliquid
from exchanges.local.server import LocalServer
from exchanges.local.simulator import SimulatedMarket
from exchanges.okx import Okx
from exchanges.streams import filling
from exchanges.streams.decoder import Channel, Topic
from exchanges.streams.filling import Filler
from exchanges.streams.ledger import Ledger
from exchanges.streams.watched import Missing
from exchanges.types import PastTrades
from market.clock import FixedClock, WallClock
from market.errors import SourceError, SourceUnavailable
from market.types import EXCHANGES, HOUR, MINUTE, Instrument, Side, Trade

START = 1_780_272_000_000
COUNT = 3000
SPAN = 600_000  # ms of the tape
NOW = START + SPAN + 60_000
KINDS: dict[str, type[Exchange]] = {
    "binance": Binance, "binance spot": Binance, "okx": Okx, "bybit": Bybit, "coinbase": Coinbase,
}  # fmt: skip
NUMBERED = ("binance", "binance spot", "okx")


def one(name: str) -> Instrument:
    exchange, spot = name.partition(" ")[0], name in ("binance spot", "coinbase")
    return Instrument(
        exchange=exchange, symbol="BTC/USDT" if spot else "BTC/USDT:USDT", base="BTC", quote="USDT",
        perp=not spot, id="BTC", contract_size=0.01 if exchange == "okx" else 1.0,
    )  # fmt: skip


def tape(name: str, count: int = COUNT, seed: int = 3) -> list[Trade]:
    """Trades in order, a third of them in the same ms as the one before."""
    chance, instrument = np.random.default_rng(seed), one(name)
    stamps = np.sort(chance.integers(START, START + SPAN, count))
    stamps[1::3] = stamps[::3][: len(stamps[1::3])]
    numbered = name in NUMBERED
    return [
        Trade(
            instrument=instrument,
            ts=int(ts),
            price=60_000.0 + n % 50,
            amount=(1 + n % 9) / 100,
            side=Side.SELL if n % 3 else Side.BUY,
            id=f"{500 + n}" if name != "bybit" else f"x-{n * 7919 % 100_003}",
            seq=500 + n if numbered else None,
        )
        for n, ts in enumerate(stamps.tolist())
    ]


class Shop:
    """The REST of a venue over a tape, by its documentation; `known` is where its data base ends."""

    def __init__(self, name: str, trades: Sequence[Trade], known: int = NOW) -> None:
        self.name, self.trades, self.known = name, list(trades), known
        self.fails: list[Exception] = []
        self.asked = 0
        self.oldest = 0  # places before this one are no longer told

    def venue(self, now: int = NOW) -> Exchange:
        answers = {
            "fapiPublicGetAggTrades": self._agg, "publicGetAggTrades": self._agg,
            "publicGetMarketHistoryTrades": self._okx, "publicGetV5MarketRecentTrade": self._bybit,
            "v3PublicGetBrokerageMarketProductsProductIdTicker": self._coinbase,
        }  # fmt: skip
        return canned(KINDS[self.name], now, {k: self._meant(v) for k, v in answers.items()})

    def _meant(self, answer: Callable[[Any], Any]) -> Callable[[Mapping[str, Any]], Any]:
        def asked(params: Mapping[str, Any]) -> Any:
            self.asked += 1
            if self.fails:
                raise self.fails.pop(0)
            return json.loads(json.dumps(answer(params)))

        return asked

    def _told(self) -> list[Trade]:
        return [each for each in self.trades[self.oldest :] if each.ts <= self.known]

    def _agg(self, params: Mapping[str, Any]) -> Any:
        limit = params["limit"]
        if "fromId" in params:
            assert not {"startTime", "endTime"} & set(params)
            found = [t for t in self._told() if int(t.id) >= params["fromId"]][:limit]
        else:
            assert params["endTime"] - params["startTime"] < HOUR
            window = (params["startTime"], params["endTime"])
            found = [t for t in self._told() if window[0] <= t.ts <= window[1]][:limit]
        return [
            {"a": int(t.id), "p": str(t.price), "q": str(t.amount), "T": t.ts,
             "m": t.side is Side.SELL}
            for t in found
        ]  # fmt: skip

    def _okx(self, params: Mapping[str, Any]) -> Any:
        after = int(params["after"])
        by_id = params["type"] == "1"
        found = [t for t in self._told() if (int(t.id) if by_id else t.ts) < after]
        rows = [
            {"tradeId": t.id, "px": str(t.price), "sz": str(t.amount / 0.01), "side": t.side.value,
             "ts": str(t.ts)}
            for t in found[-params["limit"] :][::-1]
        ]  # fmt: skip
        return {"code": "0", "data": rows}

    def _bybit(self, params: Mapping[str, Any]) -> Any:
        rows = [
            {"execId": t.id, "price": str(t.price), "size": str(t.amount), "time": str(t.ts),
             "side": t.side.value.capitalize(), "isBlockTrade": False}
            for t in self._told()[-params["limit"] :][::-1]
        ]  # fmt: skip
        block = dict(rows[0], execId="block", isBlockTrade=True) if rows else {}
        return {"result": {"list": [*rows, block] if rows else rows}, "time": NOW}

    def _coinbase(self, params: Mapping[str, Any]) -> Any:
        found = [t for t in self._told() if t.ts <= int(params["end"]) * 1000]
        rows = [
            {"trade_id": t.id, "price": str(t.price), "size": str(t.amount), "time": iso(t.ts),
             "side": "SELL" if t.side is Side.BUY else "BUY"}
            for t in found[-params["limit"] :][::-1]
        ]  # fmt: skip
        return {"trades": rows}


async def until(condition: Callable[[], object]) -> None:
    """Wait for the filler's task."""
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110 - what is waited for tells nobody
            await asyncio.sleep(0.002)


def iso(ts: int) -> str:
    return f"{np.datetime64(ts, 'ms')}Z"


def key(trade: Trade) -> tuple[Any, ...]:
    return trade.ts, trade.id, trade.seq, trade.side, round(trade.price, 6), round(trade.amount, 9)


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small pages, so that everything takes several; and no waiting."""
    monkeypatch.setattr(binance, "PAST_PAGE", 100)
    monkeypatch.setattr(filling, "FIRST_DELAY", 0.001)
    monkeypatch.setattr(filling, "MOST_DELAY", 0.002)


# -- what the adapters say


@pytest.mark.parametrize("name", KINDS)
async def test_past_trades_are_those_of_the_stream(name: str) -> None:
    trades = tape(name)
    first, last = trades[2300].ts, trades[2350].ts
    venue = Shop(name, trades[:2400]).venue()
    found = await venue.past_trades(one(name), since=first, until=last)
    assert found.complete
    assert found.whole == (first, last)
    assert not found.more
    expected = [key(each) for each in trades if first <= each.ts <= last]
    assert [key(each) for each in found.trades] == expected


@pytest.mark.parametrize("name", NUMBERED)
async def test_between_two_numbers_the_numbers_prove_it(name: str) -> None:
    trades = tape(name)
    shop = Shop(name, trades)
    lost = trades[1000:1250]
    about = {
        "since": lost[0].ts, "until": lost[-1].ts, "after_seq": trades[999].seq, "before_seq": trades[1250].seq,
    }  # fmt: skip
    found = await shop.venue().past_trades(one(name), **about)  # type: ignore[arg-type]
    assert found.complete
    assert [key(each) for each in found.trades] == [key(each) for each in lost]
    shop.trades = trades[:1100] + trades[1101:]
    found = await shop.venue().past_trades(one(name), **about)  # type: ignore[arg-type]
    assert not found.complete
    assert found.whole is None


@pytest.mark.parametrize("name", KINDS)
async def test_what_rest_may_not_know_yet_is_not_whole(name: str) -> None:
    trades = tape(name)
    now = trades[2500].ts + 1
    venue = Shop(name, trades, known=now).venue(now)
    found = await venue.past_trades(one(name), since=trades[2480].ts, until=now)
    assert not found.complete
    assert found.more
    assert found.whole is None or found.whole[1] <= now - PAST_LAG
    if name in NUMBERED:
        about = {"since": trades[2480].ts, "until": now, "after_seq": trades[2479].seq}
        found = await venue.past_trades(one(name), **about)  # type: ignore[arg-type]
        assert not found.complete
        assert found.more
        before = trades[2500].seq
        found = await venue.past_trades(one(name), **about, before_seq=before)  # type: ignore[arg-type]
        assert found.complete, "the number proves it at once"


async def test_a_number_at_its_end_proves_the_end_of_a_long_hole(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(base, "PAST_PAGES", 2)
    trades = tape("okx")
    now = trades[2500].ts
    found = (
        await Shop("okx", trades, known=now)
        .venue(now)
        .past_trades(
            one("okx"), since=START, until=now, after_seq=trades[9].seq, before_seq=trades[2500].seq
        )
    )
    assert not found.complete
    assert found.whole == (trades[2300].ts + 1, now)


@pytest.mark.parametrize("name", ["binance", "okx", "coinbase"])
async def test_many_trades_come_in_parts_that_say_how_far_they_are_whole(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(base, "PAST_PAGES", 3)
    monkeypatch.setattr(binance, "PAST_PAGES", 3)
    trades = tape(name)
    since, until = trades[100].ts, trades[-1].ts
    shop = Shop(name, trades)
    found = await shop.venue().past_trades(one(name), since=since, until=until)
    assert shop.asked == 3
    if name == "coinbase":
        assert found.complete, "three pages of a thousand are all of it"
        inside = [each for each in trades if since <= each.ts <= until]
        assert [key(each) for each in found.trades] == [key(each) for each in inside]
        return
    assert (found.complete, found.more) == (False, True)
    assert found.whole is not None
    start, end = found.whole
    told = {each.id for each in found.trades}
    assert told >= {each.id for each in trades if start <= each.ts <= end}
    assert (start == since) == (name == "binance"), "Binance goes forward, OKX backward"


async def test_bybit_tells_no_more_than_its_newest_trades() -> None:
    trades = tape("bybit")
    found = (
        await Shop("bybit", trades)
        .venue()
        .past_trades(one("bybit"), since=trades[100].ts, until=trades[-1].ts)
    )
    assert (found.complete, found.more) == (False, False)
    assert found.whole is not None
    assert found.whole == (trades[-1000].ts + 1, trades[-1].ts)
    assert "block" not in {each.id for each in found.trades}


async def test_hyperliquid_is_not_even_asked() -> None:
    venue = canned(Hyperliquid, NOW, {})
    found = await venue.past_trades(one("hyperliquid"), since=START, until=NOW)
    assert found == PastTrades(reason="Hyperliquid does not tell past trades")


async def test_old_numbers_that_a_venue_forgot_are_not_whole() -> None:
    trades = tape("binance")
    shop = Shop("binance", trades)
    shop.oldest = 1500
    found = await shop.venue().past_trades(
        one("binance"), since=trades[1400].ts, until=trades[1600].ts, after_seq=trades[1399].seq
    )
    assert (found.complete, found.more) == (False, False)
    assert found.whole == (trades[1500].ts + 1, trades[1600].ts)


@pytest.mark.parametrize("name", NUMBERED)
async def test_a_failure_after_the_first_page_keeps_what_came(name: str) -> None:
    trades = tape(name)
    shop = Shop(name, trades)
    venue, away = shop.venue(), SourceUnavailable("x", "HTTP 503")
    shop.fails = [away]
    with pytest.raises(SourceUnavailable):
        await venue.past_trades(one(name), since=trades[0].ts, until=trades[-1].ts)
    real, shop.fails = shop._told, []

    def twice() -> list[Trade]:
        shop.fails = [away] if shop.asked == 3 else []
        return real()

    shop._told = twice  # type: ignore[method-assign]
    found = await venue.past_trades(one(name), since=trades[0].ts, until=trades[-1].ts)
    assert (found.complete, found.more, found.reason) == (False, True, "HTTP 503")
    assert found.trades
    assert found.whole is not None


async def test_every_venue_of_the_local_server_tells_its_past_by_its_own_way() -> None:
    """Through ccxt's implicit calls, their pacing and the real routes: no name or parameter is made up."""
    clock = FixedClock(START + 2 * HOUR)
    source = SimulatedMarket(7, START, clock, [])
    server = LocalServer(source, source)
    endpoints = await load_endpoints(f"http://127.0.0.1:{await server.start()}")
    hub = Market(
        endpoints=endpoints,
        exchanges=EXCHANGES,
        clock=clock,
        wall=WallClock(time.time),
        cache_dir=None,
    )
    try:
        await hub.start()
        for name, venue in hub.venues.items():
            chosen = [each for each in venue.instruments if each.base == "BTC"]
            for instrument in {each.perp: each for each in chosen}.values():
                own = next(each for each in source.instruments(name) if each.key == instrument.key)
                true = source.trades(own, clock.now() - 10 * MINUTE, clock.now() - PAST_LAG)
                place = -5 if name == "bybit" else -50  # it tells 60 trades of a spot pair
                since, until_ = true[place].ts, true[-1].ts
                found = await venue.past_trades(instrument, since=since, until=until_)
                if name == "hyperliquid":
                    assert not found.trades
                    continue
                assert found.complete, (name, instrument.symbol, found.reason)
                told = [(each.ts, each.side, round(each.amount, 9)) for each in found.trades]
                assert sorted(told) == sorted(
                    (each.ts, each.side, round(each.amount, 9))
                    for each in source.trades(own, since - 1, until_)
                )
                if name in ("binance", "okx"):
                    numbers = [each.seq for each in found.trades]
                    assert numbers == list(range(numbers[0] or 0, (numbers[0] or 0) + len(numbers)))
                    again = await venue.past_trades(
                        instrument, since=since, until=until_,
                        after_seq=numbers[0], before_seq=numbers[-1],
                    )  # fmt: skip
                    assert [each.seq for each in again.trades] == numbers[1:-1]
                    assert again.complete
    finally:
        await hub.close()
        await server.close()


# -- what the filler makes of them


class Scene:
    """A state that saw a tape but for one gap, the ledger that knows of it, and a filler."""

    def __init__(
        self, name: str, *, lost: tuple[int, int], late: int = 0, count: int = COUNT, **about: Any
    ) -> None:
        self.name, self.trades = name, tape(name, count)
        first, last = lost
        self.shop = Shop(name, self.trades)
        self.clock = FixedClock(NOW)
        self.topic = Topic(Channel.TRADES, one(name))
        self.ledger = Ledger(None, self.clock)
        self.state = SymbolState(one(name), START - 1)
        before, after = self.trades[:first], self.trades[last:]
        self.state.update(before)
        self.start, self.end = before[-1].ts - 1, after[late].ts
        self.state.flow.mark_gap(self.start, self.end)
        self.ledger.missed(self.topic, self.start, self.end)
        self.state.update(after)
        self.missing = Missing(
            topic=self.topic, state=self.state, from_ts=self.start, to_ts=self.end,
            after_seq=before[-1].seq, **about,
        )  # fmt: skip
        self.done: list[tuple[Missing, bool]] = []

    async def fill(self, *more: Missing, source: Any = None) -> Filler:
        filler = Filler(
            {one(self.name).exchange: source or self.shop.venue()}, self.clock, self.ledger
        )
        filler.on_done.append(lambda missing, whole: self.done.append((missing, whole)))
        for each in (self.missing, *more):
            filler.fill(each)
        await until(lambda: self.done and not any(s.waiting for s in filler.status().values()))
        await filler.close()
        return filler

    def sums(self) -> tuple[float, float, int]:
        """(delta in coins, value, count) of the flow, and by brute force."""
        found = self.state.flow.window(START - 1, NOW)
        return found.delta_base, found.value, found.n

    def true(self) -> tuple[float, float, int]:
        signed = [(1 if each.side is Side.BUY else -1) * each.amount for each in self.trades]
        return sum(signed), sum(each.value for each in self.trades), len(self.trades)

    def marked(self) -> list[tuple[int, int]]:
        flow = [(gap.from_ts, gap.to_ts) for gap in self.state.flow.gaps(0, 2**62)]
        book = [(gap.from_ts, gap.to_ts) for gap in self.ledger.blind(0, 2**62)]
        assert flow == book, "the flow and the ledger agree"
        return flow


@pytest.mark.parametrize("name", KINDS)
async def test_stream_and_fill_overlap_and_nothing_is_counted_twice(name: str) -> None:
    """The gap is told to be longer than it was: trades in it were seen at both ends."""
    scene = Scene(name, lost=(2100, 2700), late=40)
    filler = await scene.fill()
    assert scene.sums() == pytest.approx(scene.true())
    assert scene.marked() == []
    assert scene.done == [(scene.missing, True)]
    told = filler.status()[one(name).exchange]
    assert (told.filled, told.unfilled, told.trades) == (1, 0, 600)


async def test_what_hyperliquid_missed_stays_marked() -> None:
    scene = Scene("hyperliquid", lost=(1000, 1200))
    filler = await scene.fill(source=canned(Hyperliquid, NOW, {}))
    assert scene.marked() == [(scene.start, scene.end)]
    assert scene.sums()[2] == COUNT - 200
    assert scene.done == [(scene.missing, False)]
    assert filler.status()["hyperliquid"].unfilled == 1


async def test_what_a_fill_finds_missing_before_the_first_trade_is_in_the_ledger_too() -> None:
    """The stream began after the gap, and its first trade came a while later; REST tells a part of the gap only."""
    scene = Scene("okx", lost=(1, 2000))
    scene.state = SymbolState(one("okx"), START - 1)
    scene.state.update(scene.trades[2000:])
    gap = (START, scene.trades[1900].ts)
    scene.state.flow.mark_gap(*gap)
    scene.ledger = Ledger(None, scene.clock)
    scene.ledger.missed(scene.topic, *gap)
    scene.missing = Missing(topic=scene.topic, state=scene.state, from_ts=gap[0], to_ts=gap[1])
    told = PastTrades(trades=tuple(scene.trades[:1000]), whole=(START, scene.trades[999].ts))

    class Forgetful:
        async def past_trades(self, *_given: object, **_more: object) -> PastTrades:
            return told

    await scene.fill(source=Forgetful())
    assert scene.marked() == [(scene.trades[999].ts - 1, scene.trades[2000].ts)]


async def test_a_sight_that_was_given_up_is_in_the_ledger_before_the_next_live_trade(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(intake, "GAPS_KEPT", 2)
    scene = Scene("okx", lost=(2100, 2400))
    later = [(NOW + 1000, NOW + 1010), (NOW + 1020, NOW + 1030)]
    for gap in later:
        scene.state.flow.mark_gap(*gap)
        scene.ledger.missed(scene.topic, *gap)
    await scene.fill()
    assert scene.marked() == [(NOW + 1000, NOW + 1030)]


async def test_of_a_long_gap_bybit_fills_its_end_to_the_millisecond() -> None:
    scene = Scene("bybit", lost=(1500, 2500))
    await scene.fill()
    edge = scene.trades[-1000].ts + 1
    assert scene.marked() == [(scene.start, edge)]
    missing = [each for each in scene.trades[1500:2500] if each.ts < edge]
    assert 0 <= len(missing) - (COUNT - scene.sums()[2]) <= 2, "some of the very edge came too"
    whole = scene.state.flow.window(edge, NOW)
    assert whole.n == sum(each.ts > edge for each in scene.trades)


@pytest.mark.parametrize("name", ["binance", "okx"])
async def test_a_long_gap_is_filled_in_many_calls(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(base, "PAST_PAGES", 2)
    monkeypatch.setattr(binance, "PAST_PAGES", 2)
    monkeypatch.setattr(okx, "PAST_PAGE", 50)
    scene = Scene(name, lost=(200, 2800))
    await scene.fill()
    assert scene.sums() == pytest.approx(scene.true())
    assert scene.marked() == []


@pytest.mark.parametrize("name", KINDS)
async def test_a_venue_that_fails_is_asked_again(name: str) -> None:
    scene = Scene(name, lost=(2100, 2400))
    scene.shop.fails = [SourceUnavailable("x", "HTTP 503")] * 3
    filler = await scene.fill()
    assert scene.marked() == []
    assert scene.sums() == pytest.approx(scene.true())
    assert filler.status()[one(name).exchange].filled == 1


async def test_a_venue_that_stays_away_leaves_the_gap_marked() -> None:
    scene = Scene("okx", lost=(2100, 2400))
    scene.shop.fails = [SourceUnavailable("x", "HTTP 503")] * 99
    filler = await scene.fill()
    assert scene.shop.asked == filling.TRIES
    assert scene.marked() == [(scene.start, scene.end)]
    assert scene.done == [(scene.missing, False)]
    assert filler.status()["okx"].reason == "HTTP 503"


async def test_a_refusal_is_not_repeated_for_long() -> None:
    scene = Scene("okx", lost=(2100, 2400))
    scene.shop.fails = [SourceError("x", "unknown symbol")] * 99
    await scene.fill()
    assert scene.shop.asked == filling.REFUSALS
    assert scene.done == [(scene.missing, False)]


async def test_a_broken_venue_harms_no_other_gap() -> None:
    scene = Scene("okx", lost=(2100, 2400))
    scene.shop.fails = [RuntimeError("a bug")]
    far = replace(scene.missing, from_ts=START + 50_000, to_ts=START + 50_005, after_seq=None)
    await scene.fill(far)
    assert [whole for _missing, whole in scene.done] == [False, True]


async def test_neighbours_are_fetched_as_one() -> None:
    scene = Scene("binance", lost=(1000, 1400))
    middle = scene.trades[1200]
    parts = [
        replace(scene.missing, to_ts=middle.ts, before_seq=middle.seq),
        replace(scene.missing, from_ts=middle.ts, after_seq=middle.seq, before_seq=scene.trades[1400].seq),
    ]  # fmt: skip
    scene.missing = parts[0]
    await scene.fill(parts[1])
    assert len(scene.done) == 1
    assert scene.marked() == []
    assert scene.sums() == pytest.approx(scene.true())


async def test_the_queue_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(filling, "QUEUE", 2)
    scene = Scene("okx", lost=(2100, 2400))
    far = [
        replace(scene.missing, from_ts=ts, to_ts=ts + 5, after_seq=None)
        for ts in range(START + 50_000, START + 90_000, 10_000)
    ]
    filler = await scene.fill(*far)
    assert filler.status()["okx"].refused == 3
    assert sum(whole for _missing, whole in scene.done) == 2
    assert len(scene.done) == 5, "each of them is told to have ended"


async def test_one_gap_at_a_time_for_each_venue() -> None:
    scene = Scene("okx", lost=(2100, 2400))
    running, most = 0, 0

    class Slow:
        async def past_trades(self, *_given: object, **_more: object) -> PastTrades:
            nonlocal running, most
            running += 1
            most = max(most, running)
            await asyncio.sleep(0.005)
            running -= 1
            return PastTrades(complete=True)

    far = [replace(scene.missing, from_ts=n * 10_000, to_ts=n * 10_000 + 5) for n in range(5)]
    await scene.fill(*far, source=Slow())
    assert most == 1
    assert len(scene.done) == 6


async def test_a_call_that_hangs_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(filling, "TIMEOUT", 0.01)
    monkeypatch.setattr(filling, "TRIES", 2)
    scene = Scene("okx", lost=(2100, 2400))

    class Hung:
        async def past_trades(self, *_given: object, **_more: object) -> PastTrades:
            await asyncio.sleep(3600)
            raise AssertionError

    filler = await scene.fill(source=Hung())
    assert "timed out" in filler.status()["okx"].reason
    assert scene.marked() == [(scene.start, scene.end)]


async def test_edges_that_may_have_been_counted_are_left_out_where_ids_are_forgotten(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(filling, "FORGOTTEN", 100)
    monkeypatch.setattr(filling, "LATE", 3_000)
    scene = Scene("bybit", lost=(2100, 2400), late=10)
    filler = Filler({"bybit": scene.shop.venue()}, scene.clock, scene.ledger)
    filler.on_done.append(lambda missing, whole: scene.done.append((missing, whole)))
    filler.fill(scene.missing)
    scene.state.update([replace_id(each, f"n{n}") for n, each in enumerate(scene.trades[-150:])])
    await until(lambda: scene.done)
    assert scene.done == [(scene.missing, False)]
    inner = (scene.start + 2, scene.end - 3_000)
    assert scene.marked() == [(scene.start, inner[0]), (inner[1], scene.end)]
    assert scene.state.flow.window(inner[0], inner[1] - 1).n == sum(
        inner[0] < each.ts < inner[1] for each in scene.trades
    )


async def test_what_the_stream_repeated_of_a_long_gap_is_not_counted_again_however_it_is_fed() -> (
    None
):
    """More than one chunk of the end was seen, and more is fetched before it than ids are remembered."""
    scene = Scene("coinbase", lost=(1750, 4550), late=250, count=4850)
    await scene.fill()
    assert scene.sums() == pytest.approx(scene.true())
    assert scene.marked() == []


async def test_what_shares_its_ms_with_the_edge_counts_though_much_trades_while_it_is_fed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A burst: more comes by the stream between two parts of a fill than ids are remembered."""
    monkeypatch.setattr(filling, "CHUNK", 50)
    trades = tape("bybit")
    last = next(n for n in range(2400, COUNT) if trades[n].ts == trades[n - 1].ts)
    scene = Scene("bybit", lost=(2100, last))
    assert scene.end == scene.trades[last - 1].ts
    live = [replace_id(each, f"live{n}") for n, each in enumerate(scene.trades[-1:] * 30_000)]
    filler = Filler({"bybit": scene.shop.venue()}, scene.clock, scene.ledger)
    filler.on_done.append(lambda missing, whole: scene.done.append((missing, whole)))

    def burst(_new: Sequence[Trade]) -> None:
        batch, live[:3000] = live[:3000], []
        scene.state.update([at(each, NOW - len(live)) for each in batch])

    filler.on_new.append(burst)
    filler.fill(scene.missing)
    await until(lambda: scene.done)
    assert scene.marked() == []
    assert scene.state.flow.window(START - 1, scene.trades[-1].ts).n == COUNT


@pytest.mark.parametrize("pages", [1, 5, 20])
async def test_a_long_unnumbered_gap_counts_its_edges_once(
    pages: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More is fetched than ids are remembered: the ends were seen by the stream and shall not count again."""
    monkeypatch.setattr(base, "PAST_PAGES", pages)
    scene = Scene("coinbase", lost=(40, 11_960), late=30, count=12_000)
    await scene.fill()
    assert scene.sums()[2] <= 12_000
    assert scene.marked() in ([], [(scene.start, scene.start + 2)])
    edge = scene.start + 2
    assert scene.state.flow.window(edge, NOW).n == sum(each.ts > edge for each in scene.trades)


def replace_id(trade: Trade, id_: str) -> Trade:
    return Trade(
        instrument=trade.instrument, ts=trade.ts, price=trade.price, amount=trade.amount,
        side=trade.side, id=id_,
    )  # fmt: skip


def at(trade: Trade, ts: int) -> Trade:
    return Trade(
        instrument=trade.instrument, ts=ts, price=trade.price, amount=trade.amount,
        side=trade.side, id=trade.id,
    )  # fmt: skip


async def test_closing_leaves_gaps_marked_and_takes_no_more() -> None:
    scene = Scene("okx", lost=(2100, 2400))
    filler = Filler({"okx": scene.shop.venue()}, scene.clock, scene.ledger)
    filler.fill(replace(scene.missing, to_ts=NOW + 60_000))  # it waits for the venue to know
    await asyncio.sleep(0)
    await filler.close()
    assert scene.marked() == [(scene.start, scene.end)]
    filler.fill(scene.missing)
    assert scene.shop.asked == 0
