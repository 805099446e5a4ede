"""Each kind of monitor on what it looks at: what makes a finding, what does not, and what it says."""

import json
import math
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from alert_market import START
from hypothesis import given
from hypothesis import strategies as st
from monitor_desk import BTC, BYBIT_BTC, ETH, SOL, Desk, State

from alerts.monitors.kinds import KINDS, Kinds
from alerts.monitors.kinds.base import Finding
from alerts.monitors.kinds.cascade import COUNT, WINDOW, Cascade
from alerts.monitors.kinds.correlation import Link
from alerts.monitors.kinds.crash import Crash
from alerts.monitors.kinds.delta import Delta
from alerts.monitors.kinds.imbalance import Imbalance
from alerts.monitors.kinds.regime import Change
from alerts.monitors.kinds.spike import STEP, Spike
from alerts.monitors.kinds.wall import Pulled, Wall
from alerts.monitors.kinds.whale import Whale
from alerts.monitors.types import Fact
from alerts.monitors.view import View
from analytics.book_patterns import Pattern, PatternKind
from analytics.book_walls import Wall as Level
from analytics.flow import TakerOrder
from market.clock import FixedClock
from market.types import (
    HOUR,
    MINUTE,
    Candle,
    Context,
    Instrument,
    Liquidation,
    PositionSide,
    Side,
    Ticker,
    Trade,
)


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    made = await Desk(tmp_path).start()
    yield made
    await made.close()


def view(*states: State, now: int = START) -> View:
    found: Any = states
    return View(now, found)


def state(of: Instrument = BTC) -> State:
    return State(of, FixedClock(START))


def test_every_kind_says_what_it_is_and_has_a_sensible_default() -> None:
    names = [each.kind for each in KINDS]
    assert len(set(names)) == len(names)
    assert [each.kind for each in Kinds().all] == names
    for kind in KINDS:
        assert kind.title
        assert kind.about
        for coin in ("BTC", "ETH", "SOL", "DOGE"):
            assert kind.low <= kind.default(coin) <= kind.high


# Liquidations


def liquidation(
    ts: int,
    value: float,
    of: Instrument = BTC,
    position: PositionSide = PositionSide.LONG,
    **more: Any,
) -> Liquidation:
    return Liquidation(
        instrument=of, ts=ts, price=100.0, amount=value / 100, position=position, **more
    )


def ripe(findings: Sequence[Finding], threshold: float) -> list[Finding]:
    return [each for each in findings if each.ripe and each.size > threshold]


def test_a_cascade_needs_five_of_one_side_within_thirty_seconds_over_all_venues() -> None:
    watch = Cascade()
    now = START
    four = [liquidation(now + n, 200e3, BYBIT_BTC if n % 2 else BTC) for n in range(4)]
    assert ripe(list(watch.take(four, view(now=now + 4))), 500e3) == []
    other = [liquidation(now + 5, 200e3, position=PositionSide.SHORT)]
    assert ripe(list(watch.take(other, view(now=now + 5))), 500e3) == []
    (found,) = ripe(list(watch.take([liquidation(now + 6, 200e3)], view(now=now + 6))), 500e3)
    assert (found.key, found.side, found.venues) == ("BTC", "long", ("binance", "bybit"))
    assert found.value == 1e6
    assert watch.tell(found) == ("BTC longs liquidated: $1.00M in 30 s", "5 liquidations")
    late = [liquidation(now + 31_000, 1.0)]
    assert ripe(list(watch.take(late, view(now=now + 31_000))), 500e3) == []


def test_a_cascade_of_samples_is_a_floor() -> None:
    watch = Cascade()
    news = [liquidation(START + n, 200e3, sample=n == 3) for n in range(5)]
    (found,) = watch.take(news, view(now=START + 9))
    head, line = watch.tell(found)
    assert head == "BTC longs liquidated: ≥$1.00M in 30 s"
    assert "a floor" in line
    assert found.figures["liq_long_30s"].note == "floor"


@given(st.lists(st.tuples(st.integers(0, 5000), st.floats(1, 1e6), st.booleans()), max_size=80))
def test_cascade_sums_are_those_of_the_last_thirty_seconds(
    steps: list[tuple[int, float, bool]],
) -> None:
    watch, now = Cascade(), START
    rows: list[Liquidation] = []
    for wait, value, long in steps:
        now += wait
        row = liquidation(now, value, position=PositionSide.LONG if long else PositionSide.SHORT)
        rows.append(row)
        (found,) = watch.take([row], view(now=now))
        within = [r.value for r in rows if r.position is row.position and r.ts > now - WINDOW]
        assert math.isclose(found.size, sum(within))
        assert found.ripe == (len(within) >= COUNT)
    for found in watch.look(view(now=now + WINDOW)):
        assert found.size == 0
    assert list(watch.look(view(now=now + WINDOW))) == []


# Orders


def order(ts: int, value: float, side: Side = Side.BUY) -> TakerOrder:
    return TakerOrder(
        instrument=BTC, ts=ts, last_ts=ts + 2, side=side, amount=value / 94_312.5, value=value,
        prints=4,
    )  # fmt: skip


def trade(ts: int, price: float = 100.0, of: Instrument = BTC) -> Trade:
    return Trade(instrument=of, ts=ts, price=price, amount=1.0, side=Side.BUY)


def test_a_whale_is_told_once_and_not_when_it_is_history_or_was_fetched_later() -> None:
    watch, mine = Whale(), state()
    mine.orders.whales = [order(START - 5000, 9e6)]
    assert list(watch.look(view(mine))) == [], "of before the start"
    mine.orders.whales.append(order(START + 100, 2.31e6, Side.SELL))
    news = [trade(START + 100)]
    (found,) = watch.take(news, view(mine, now=START + 200))
    assert watch.tell(found) == (
        "BTC whale sold $2.31M at 94,312.5", "24.49 BTC in one order of 4 prints",
    )  # fmt: skip
    assert list(watch.take(news, view(mine, now=START + 300))) == []
    mine.orders.whales.append(order(START + 1000, 3e6))
    assert list(watch.look(view(mine, now=START + 2 * MINUTE))) == []
    mine.orders.whales.append(order(START + 2 * MINUTE, 3e6))
    hole = {BTC.key: {START + MINUTE: START + 2 * MINUTE + 500}}
    states: Any = [mine]
    late = View(START + 2 * MINUTE + 600, states, missed=hole)
    assert list(watch.look(late)) == []
    assert late.refused["not seen live"] == 1


async def test_each_whale_is_a_fact_however_close_they_come(desk: Desk) -> None:
    await desk.second()
    mine = desk.state()
    mine.orders.whales = [order(desk.clock.now() + n, 1e6 + n) for n in range(3)]
    mine.orders.whales.append(order(desk.clock.now(), 500e3))
    facts = await desk.second()
    assert [fact.kind for fact in facts] == ["whale"] * 3, "$500k exactly is not above it"


# Delta


def test_delta_has_to_be_unusual_where_it_is_known_what_is_usual() -> None:
    watch, mine = Delta(), state(SOL)
    now = START
    for minute in range(70):
        now = START + minute * MINUTE
        mine.figures["delta_5m"] = 4e6 + 1e5 * (minute % 5)
        found = list(watch.look(view(mine, now=now)))
    assert [each.ripe for each in found] == [False, False]
    mine.figures["delta_5m"] = -60e6
    found = list(watch.look(view(mine, now=now + MINUTE)))
    assert [(each.side, each.ripe, each.size) for each in found] == [
        ("buy", True, 0.0), ("sell", True, 60e6),
    ]  # fmt: skip
    head, line = watch.tell(found[1])
    assert head == "SOL sellers ahead by $60.0M in 5 m"
    assert line.startswith("z ")


def test_delta_in_the_first_hour_says_that_it_does_not_know_what_is_usual() -> None:
    watch, mine = Delta(), state()
    mine.figures["delta_5m"] = 30e6
    found = list(watch.look(view(mine)))
    assert found[0].ripe
    assert "not known yet" in watch.tell(found[0])[1]


# Books


@dataclass
class Book:
    standing: list[Level] = field(default_factory=list)
    seen: list[Pattern] = field(default_factory=list)
    known: bool = True

    def live(self, now: int) -> bool:
        return self.known

    def walls(self, now: int) -> list[Level]:
        return self.standing

    def patterns(self, now: int) -> list[Pattern]:
        return self.seen


def imbalances(shares: Sequence[tuple[int, float]]) -> list[tuple[int, str, float]]:
    """(second, side, size) of the findings above 70."""
    watch, mine = Imbalance(), state()
    mine.book = Book()
    out = []
    for second, share in shares:
        mine.figures["bid_share"] = share
        for each in watch.look(view(mine, now=START + second * 1000)):
            if each.size > 70 + 1e-9:
                out.append((second, each.side, round(each.size, 6)))
    return out


def test_an_imbalance_has_to_be_held_for_three_seconds() -> None:
    held = [(0, 0.5), (1, 0.8), (2, 0.8), (3, 0.75), (4, 0.9), (5, 0.6), (6, 0.9), (8, 0.9)]
    assert imbalances(held) == [(4, "bid", 75.0)]
    assert imbalances([(n, 0.2) for n in range(5)]) == [(3, "ask", 80.0), (4, "ask", 80.0)]
    assert imbalances([(0, 0.8), (1, 0.8), (40, 0.8)]) == [], "nobody knows what was in between"
    assert imbalances([(n, 0.7) for n in range(9)]) == []


def test_an_imbalance_that_is_not_known_for_a_moment_begins_anew() -> None:
    watch, mine = Imbalance(), state()
    mine.book = Book()
    sizes = []
    for second in range(8):
        mine.figures = {"bid_share": 0.9} if second != 3 else {}
        sizes.append(len(list(watch.look(view(mine, now=START + second * 1000)))))
    assert sizes == [0, 0, 0, 0, 0, 0, 0, 2]


def level(price: float = 94_000.0, value: float = 12.4e6, distance: float = -0.0033) -> Level:
    return Level(
        side=Side.BUY, price=price, amount=value / price, value=value, distance=distance,
        since=START - 45_000, times=14.0,
    )  # fmt: skip


def test_a_wall_near_the_price_is_one_event_as_long_as_it_stands() -> None:
    watch, mine = Wall(), state()
    mine.book = Book([level(), level(93_000.0, distance=-0.009)])
    (found,) = watch.look(view(mine))
    assert watch.tell(found) == (
        "BTC bid wall $12.4M at 94,000.0", "-0.33 % from the price, 14 x its neighbours, for 45 s",
    )  # fmt: skip
    (again,) = watch.look(view(mine, now=START + 50 * MINUTE))
    assert again.event == found.event
    mine.book.standing = []
    assert list(watch.look(view(mine, now=START + 60 * MINUTE))) == []
    assert list(watch.look(view(mine, now=START + 140 * MINUTE))) == []
    mine.book.standing = [level()]
    (later,) = watch.look(view(mine, now=START + 141 * MINUTE))
    assert later.event != found.event
    mine.book.known = False
    assert list(watch.look(view(mine, now=START + 142 * MINUTE))) == []


def test_pulled_walls_count_when_they_repeat() -> None:
    watch, mine = Pulled(), state()
    pattern = Pattern(
        pattern=PatternKind.PULLED, ts=START - 1000, side=Side.SELL, price=95_000.0, value=6.2e6, repeats=3
    )  # fmt: skip
    single = Pattern(pattern=PatternKind.PULLED, ts=START, side=Side.SELL, price=1.0, value=9e9)
    sweep = Pattern(pattern=PatternKind.SWEEP, ts=START, side=Side.SELL, price=1.0, value=9e9)
    mine.book = Book(seen=[pattern, single, sweep])
    (found,) = watch.look(view(mine))
    assert watch.tell(found)[0] == "BTC ask wall of $6.20M at 95,000.0 was pulled"
    assert list(watch.look(view(mine, now=START + 2 * MINUTE))) == []


# Correlation


def hours(prices: Sequence[float], end: int = START) -> list[Candle]:
    return [
        Candle(
            ts=end - (len(prices) - n) * HOUR, open=p, high=p, low=p, close=p, volume=1.0
        )
        for n, p in enumerate(prices)
    ]  # fmt: skip


def walk(seed: int, count: int = 300) -> list[float]:
    import random

    chance, price, out = random.Random(seed), 100.0, []
    for _n in range(count):
        price *= 1 + chance.gauss(0, 0.01)
        out.append(price)
    return out


def test_a_coin_that_stops_following_bitcoin_is_a_break_and_one_that_follows_is_not() -> None:
    bitcoin, apart = walk(1), walk(2)
    follows = [p * 0.5 for p in bitcoin]
    scale = follows[-60] / apart[-60]
    breaks = [*follows[:-60], *(p * scale for p in apart[-60:])]
    watch = Link()
    watch.learn(BTC, hours(bitcoin), START)
    watch.learn(ETH, hours(follows), START)
    watch.learn(SOL, hours(breaks), START)
    states = [state(each) for each in (BTC, ETH, SOL)]
    found = {(each.coin, each.side): each for each in watch.look(view(*states, now=START + MINUTE))}
    assert found["ETH", "up"].size < 0.01
    down = found["SOL", "down"]
    assert down.size > 0.3
    assert down.ripe
    assert watch.tell(down)[0].startswith("SOL correlation with BTC ")
    assert watch.tell(down)[0].endswith("usually 0.99")
    assert list(watch.look(view(*states, now=START + 3 * HOUR))) == [], "an old link is no news"


# Crash


def ticks(watch: Crash, rows: Sequence[tuple[int, float, Instrument]]) -> list[Finding]:
    out = []
    for at, price, of in rows:
        out += list(watch.take([trade(START + at, price, of)], view(now=START + at)))
    return out


def test_a_crash_needs_two_venues_and_is_told_within_the_tick() -> None:
    calm = [(n * 500, 100.0, BTC if n % 2 else BYBIT_BTC) for n in range(40)]
    range_ = hours([100.0] * 60)
    alone, both = Crash(), Crash()
    for each in (alone, both):
        each.learn(BTC, range_, START)
    fall = [(20_000 + n * 100, 95.5 - n / 1000, BTC) for n in range(10)]
    assert ticks(alone, [*calm, *fall]) == []
    confirmed = [
        (20_000 + n * 100, 95.5 - n / 1000, BTC if n % 2 else BYBIT_BTC) for n in range(10)
    ]
    found = ticks(both, [*calm, *confirmed])
    assert len(found) == 1
    assert found[0].side == "down"
    assert found[0].urgent
    assert 4.4 < found[0].size < 4.6
    head, line = both.tell(found[0])
    assert head.startswith("BTC fell 4.5")
    assert line == "confirmed by Binance+Bybit"
    (again,) = both.look(view(state(BTC), now=START + 22_000))
    assert again.event == found[0].event


def test_the_index_confirms_as_well() -> None:
    watch = Crash()
    out: list[Finding] = []
    for n in range(60):
        price = 100.0 if n < 40 else 94.0
        at = START + n * 500
        out += watch.take([trade(at, price)], view(now=at))
        context = Context(instrument=BTC, ts=at, index=price)
        out += watch.take([context], view(now=at))
    assert len(out) == 1
    assert watch.tell(out[0])[1] == "confirmed by Binance and the index"


# Spikes


def quarter_hours(count: int, end: int, volume: float = 100.0) -> list[Candle]:
    import random

    chance = random.Random(3)
    return [
        Candle(
            ts=end - (count - n) * STEP, open=1, high=1, low=1, close=1,
            volume=volume * math.exp(chance.gauss(0, 0.2)),
        )
        for n in range(count)
    ]  # fmt: skip


@dataclass
class Traded:
    """A log of trades whose sums a test sets."""

    volume: float = 0.0
    closed: float = 0.0
    started_ts: int = 0
    holes: list[object] = field(default_factory=list)
    edge: int = 0

    def window(self, since: int, until: int) -> SimpleNamespace:
        volume = self.closed if until < self.edge else self.volume
        return SimpleNamespace(volume=volume, value=volume * 1e4, exact=True)

    def gaps(self, since: int, until: int) -> list[object]:
        return self.holes


def spike(
    volume: float, *, at: int = STEP // 2, hole: bool = False, heard: int | None = None
) -> tuple[Spike, list[Finding]]:
    watch, mine = Spike(), state()
    watch.learn(BTC, quarter_hours(2100, START), START)
    mine.flow = Traded(volume=volume, holes=[1] if hole else [])  # type: ignore[assignment]
    mine.heard_ts = START + at if heard is None else START + heard
    found = list(watch.look(view(mine, now=START + at)))
    return watch, found


def test_a_spike_is_seen_inside_the_candle_on_pace() -> None:
    watch, (found,) = spike(400.0)
    assert (found.side, found.ripe) == ("pace", True)
    assert 700 < found.size < 900
    head, line = watch.tell(found)
    assert head.startswith(("BTC volume on pace to 7", "BTC volume on pace to 8"))
    assert "for this time of day" in line
    assert line.endswith("50 % of the 15 m candle is over")
    _watch, (usual,) = spike(52.0)
    assert not usual.ripe
    assert usual.size < 200


def test_a_candle_that_was_joined_in_its_middle_goes_on_from_what_the_venue_told() -> None:
    for told, side in ((300.0, "pace"), (None, None)):
        watch, mine = Spike(), state()
        rows = quarter_hours(2100, START)
        if told is not None:
            rows.append(Candle(ts=START, open=1, high=1, low=1, close=1, volume=told, closed=False))
        joined = START + 5 * MINUTE
        watch.learn(BTC, rows, joined)
        mine.heard_ts = START + STEP // 2
        mine.flow = Traded(volume=100.0, started_ts=joined - 1000)  # type: ignore[assignment]
        found = list(watch.look(view(mine, now=START + STEP // 2)))
        assert [(f.side, 700 < f.size < 900) for f in found] == ([(side, True)] if side else [])


def test_a_spike_is_not_guessed_too_early_nor_from_trades_that_were_not_all_seen() -> None:
    assert spike(400.0, hole=True)[1] == []
    assert spike(400.0, heard=STEP // 2 - 16_000)[1] == [], "a silent feed may be missing some"
    assert [each.side for each in spike(400.0, at=STEP // 10)[1]] == ["closed"]


def test_a_candle_is_confirmed_from_the_trades_as_soon_as_it_has_closed() -> None:
    watch, mine = Spike(), state()
    watch.learn(BTC, quarter_hours(2100, START), START)
    mine.heard_ts = START + STEP - 1000
    mine.flow = Traded(volume=500.0)  # type: ignore[assignment]
    assert [f.side for f in watch.look(view(mine, now=START + STEP - 1000))] == ["pace"]
    mine.flow = Traded(volume=3.0, closed=520.0, edge=START + STEP)  # type: ignore[assignment]
    assert list(watch.look(view(mine, now=START + STEP + 100))) == [], "the last may be on its way"
    mine.heard_ts = START + STEP + 200
    (found,) = watch.look(view(mine, now=START + STEP + 300))
    assert (found.side, found.ripe) == ("closed", True)
    assert 480 < found.size < 560
    assert watch.tell(found)[1].endswith("15 m candle of 00:00 UTC, closed")
    before = mine.spikes["15m"].last_ts
    assert before == START
    assert watch.wanted(BTC, START + STEP + 4000) < 100
    watch.learn(BTC, [], START + STEP)
    list(watch.look(view(mine, now=START + STEP + 5000)))
    assert mine.spikes["15m"].last_ts == before


def test_where_trades_were_missed_the_candle_of_the_venue_is_waited_for() -> None:
    watch, mine = Spike(), state()
    watch.learn(BTC, quarter_hours(2100, START), START)
    mine.flow = Traded(volume=3.0, closed=520.0, edge=START + STEP, holes=[1])  # type: ignore[assignment]
    assert list(watch.look(view(mine, now=START + STEP + 300))) == []
    candle = Candle(ts=START, open=1, high=1, low=1, close=1, volume=510.0)
    watch.learn(BTC, [candle], START + STEP + 4000)
    (found,) = watch.look(view(mine, now=START + STEP + 4000))
    assert (found.side, found.ripe) == ("closed", True)


async def test_history_is_fetched_one_after_the_other_and_again_after_a_failure(desk: Desk) -> None:
    desk.market.history[BTC.key, "15m"] = quarter_hours(2200, START)
    history = desk.service._history
    desk.market.down = {"bybit"}
    steps = 0
    while await history.step():
        steps += 1
        assert steps < 50
    asked = [(key, frame) for key, frame, _n in desk.market.asked]
    assert (BTC.key, "15m") in asked
    assert (BTC.key, "1h") in asked
    assert len(asked) == steps == 13, "each once"
    twice = [n for n, each in enumerate(asked) if each in asked[:n]]
    assert [asked[n] for n in twice] == [asked[n - 1] for n in twice], "the same candles in a row"
    assert history.problems == 1, "the coin's other kinds ask another venue"
    desk.market.down = set()
    desk.market.asked.clear()
    desk.clock.advance(2 * MINUTE)
    assert await history.step()
    assert not await history.step()
    assert [each[0] for each in desk.market.asked] == [BYBIT_BTC.key]
    facts: list[Fact] = await desk.second()
    assert facts == []
    watch = desk.state().spikes["15m"]
    assert watch.last_ts == START - STEP


def test_nothing_of_a_kind_is_kept_for_instruments_that_are_not_watched_any_more() -> None:
    for made in Kinds().all:
        mine = state()
        mine.book = Book([level()])
        mine.figures.update(delta_5m=1.0, bid_share=0.5, spread=1.0, trades_1m=3.0, delta_1m=1.0)
        list(made.look(view(mine)))
        list(made.look(view(now=START + 3 * HOUR)))
        kept = [v for k, v in vars(made).items() if k.startswith("_") and isinstance(v, dict)]
        assert not any(kept), made.kind


# The whole market


def tickers(
    now: int, rows: dict[Instrument, tuple[float, float | None]], age: int = 0
) -> list[Ticker]:
    return [
        Ticker(instrument=i, ts=now - age, last=price, quote_volume_24h=volume)
        for i, (price, volume) in rows.items()
    ]


def looks(kinds: Kinds, name: str, now: int) -> list[Finding]:
    return list(kinds.by_name[name].look(view(now=now)))


def test_a_fast_mover_of_the_market_is_one_finding_of_its_coin_and_once_a_look() -> None:
    kinds = Kinds()
    for minute in range(6):
        now = START + minute * MINUTE
        kinds.scan.feed(
            now, tickers(now, {BTC: (100.0, 1e9), BYBIT_BTC: (100.0, 1e9), ETH: (50.0, 1e9)})
        )
        assert looks(kinds, "mover", now) == []
    now = START + 6 * MINUTE
    kinds.scan.feed(
        now, tickers(now, {BTC: (103.0, 1e9), BYBIT_BTC: (107.0, 1e9), ETH: (50.1, 1e9)})
    )
    (found,) = looks(kinds, "mover", now)
    assert (found.key, found.side, found.venues) == ("BTC", "up", ("bybit",))
    assert found.size == pytest.approx(17.5), "7 % in one minute counts as much as 17.5 % in five"
    assert kinds.by_name["mover"].tell(found) == (
        "BTC +7.00 % in 1 m", "100 to 107, by the venue's ticker",
    )  # fmt: skip
    assert looks(kinds, "mover", now + 1000) == []
    for minute in range(7, 14):
        now = START + minute * MINUTE
        kinds.scan.feed(now, tickers(now, {BTC: (107.0, 1e9), BYBIT_BTC: (107.0, 1e9)}))
        found_ = looks(kinds, "mover", now)
    assert found_ == [], "and after it was over once as nothing"


def test_old_tickers_and_an_old_look_make_no_mover() -> None:
    kinds = Kinds()
    kinds.scan.feed(START, tickers(START, {BTC: (100.0, 1e9)}))
    now = START + MINUTE
    kinds.scan.feed(now, tickers(now, {BTC: (150.0, 1e9)}, age=3 * MINUTE))
    assert looks(kinds, "mover", now) == []
    assert kinds.scan.old == 1
    kinds.scan.feed(now + MINUTE, tickers(now + MINUTE, {BTC: (100.0, 1e9)}))
    kinds.scan.feed(now + 2 * MINUTE, tickers(now + 2 * MINUTE, {BTC: (150.0, 1e9)}))
    assert looks(kinds, "mover", now + 9 * MINUTE) == []


def test_a_volume_far_above_the_day_is_a_floor() -> None:
    kinds = Kinds()
    usual = 1e9 * 5 / 1440
    for minute in range(6):
        now = START + minute * MINUTE
        volume = 1e9 + (usual * 10 if minute == 5 else 0)
        kinds.scan.feed(now, tickers(now, {ETH: (50.0, volume)}))
    (found,) = looks(kinds, "surge", now)
    head, line = kinds.by_name["surge"].tell(found)
    assert head == "ETH volume at least 1,000 % of usual in 5 m"
    assert line.startswith("≥ $34.7M traded")
    assert found.figures["volume_ratio"].note == "floor"


async def test_who_asked_for_the_market_hears_of_coins_that_nobody_watches(desk: Desk) -> None:
    await desk.on("MARKET", chat=1)
    await desk.on("*", chat=2)
    desk.market.volumes = {BTC.key: 1e9}
    await desk.service.watch_list.refresh()
    await desk.service.chosen()
    desk.market.volumes = {each.key: 1e9 for each in (BTC, ETH, SOL)}
    for price in (100.0, 100.0, 110.0):
        desk.market.prices = {SOL.key: price, BTC.key: 100.0}
        await desk.service.scan()
        await desk.second()
        desk.clock.advance(MINUTE - 1000)
    await desk.second(3)
    rows = await desk.rows()
    assert [(row.chat_id, json.loads(row.payload)["headline"]) for row in rows] == [
        (1, "SOL +10.0 % in 1 m")
    ]


# Regimes


def bars(closes: Sequence[float], width: float = 0.002) -> list[Candle]:
    return [
        Candle(
            ts=START - (len(closes) - n) * HOUR, open=c, high=c * (1 + width), low=c * (1 - width),
            close=c, volume=1.0,
        )
        for n, c in enumerate(closes)
    ]  # fmt: skip


def test_a_change_of_regime_is_told_at_its_bar_and_history_is_not() -> None:
    import random

    chance = random.Random(5)
    calm = [100 * (1 + 0.002 * chance.gauss(0, 1)) for _n in range(320)]
    trend = [calm[-1] * 1.01**n for n in range(1, 40)]
    rows = bars([*calm, *trend])
    watch, out = Change(), []
    for n in range(300, len(rows)):
        now = rows[n].ts + HOUR + 5000
        watch.learn(BTC, rows[n - 299 : n + 1], now)
        out += list(watch.look(view(state(), now=now)))
    assert out, "a trend of forty bars after a range"
    assert all(each.extra["after"] is not each.extra["before"] for each in out)
    head, _line = watch.tell(out[-1])
    assert head.startswith("BTC turned from ")
    assert "trend" in head
    assert " up" in head
    late = Change()
    late.learn(BTC, rows[:-2], rows[-2].ts)
    late.learn(BTC, rows, rows[-1].ts + 9 * HOUR)
    assert list(late.look(view(state(), now=rows[-1].ts + 9 * HOUR))) == []


# Anomalies


def test_two_figures_at_once_count_like_one_that_is_far_off() -> None:
    import random

    from alerts.monitors.kinds.anomaly import Unusual

    chance = random.Random(1)
    watch, mine = Unusual(), state()

    def at(minute: int, **figures: float) -> Finding:
        mine.figures = dict(figures)
        (found,) = watch.look(view(mine, now=START + minute * MINUTE))
        return found

    for minute in range(260):
        quiet = at(minute, trades_1m=100 + chance.gauss(0, 5), spread=1 + chance.gauss(0, 0.05))
        assert quiet.size < 6
    one = at(300, trades_1m=118.0, spread=1.0)
    assert one.size == 0 or one.size > 5
    both = at(301, trades_1m=123.0, spread=1.23)
    assert both.size > 5
    assert watch.tell(both)[0].startswith("BTC unusual: ")


# All together, on the real state


async def test_the_real_state_feeds_the_monitors(desk: Desk) -> None:
    from analytics.state import SymbolState

    now = desk.clock.now()
    real = SymbolState(BTC, now - 20 * MINUTE)
    desk.streams.states[BTC.key] = real  # type: ignore[assignment]
    await desk.on("BTC")
    await desk.second()
    rows = [
        Trade(
            instrument=BTC,
            ts=now + 1100 + n,
            price=94_000.0,
            amount=30.0,
            side=Side.SELL,
            id=str(n),
        )
        for n in range(10)
    ]
    real.update(rows)
    real.alive(now + 1500)
    desk.service.take(rows)
    facts = await desk.second()
    whale, delta = (next(f for f in facts if f.kind == kind) for kind in ("whale", "delta"))
    assert whale.text == "BTC whale sold $28.2M at 94,000.0"
    assert delta.text == "BTC sellers ahead by $28.2M in 5 m"
    assert delta.evidence["delta_5m"].value == pytest.approx(-28.2e6)
    await desk.second(3)
    (message,) = await desk.messages()
    assert "whale" in message["headline"] + message["reading"]


async def test_a_round_over_eighty_instruments_does_not_hold_the_loop(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    import asyncio

    from alert_market import instrument

    from analytics.state import SymbolState

    many = tuple(instrument("binance", f"C{n:02d}") for n in range(80))
    desk.market.instruments = many
    now = desk.clock.now()
    for each in many:
        real = SymbolState(each, now - 20 * MINUTE)
        real.update([trade(now - n * 100, 100.0, each) for n in range(500, 0, -1)])
        real.alive(now)
        real.open_book()
        desk.streams.states[each.key] = real  # type: ignore[assignment]
    desk.service.watch_list.instruments = list(many)
    await desk.second(2)
    monkeypatch.setattr("alerts.monitors.judge.SLICE", 0.0)  # every piece of work is over its time
    turns = 0

    async def probe() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    task = asyncio.create_task(probe())
    await asyncio.sleep(0)
    await desk.second(3)
    task.cancel()
    assert turns >= 3 * len(many), "others had their turn after each instrument of each round"
