"""A rehearsal counts what live would have fired, says from what, and counts nothing it did not look at."""

import asyncio
import os
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from alert_market import BTC, START
from live_run import Rule, Told, assert_same, live
from minute_market import market, walk

from alerts import past as reading
from alerts.metrics import Metrics
from alerts.rehearsal import MARKETS, NotRehearsed, Rehearsal, Rehearser, lifts_of
from alerts.rehearsal_words import lines
from alerts.types import (
    ANYTHING,
    EACH,
    AllOf,
    AnyOf,
    Cross,
    Event,
    For,
    Metric,
    Op,
    Repeat,
    Rise,
    Sample,
    State,
    Then,
)
from analytics.followed import HORIZONS, Closes
from analytics.lift import Verdict
from market.clock import FixedClock
from market.errors import SourceError, SourceUnavailable
from market.types import DAY, HOUR, MINUTE, Candle, Instrument

NOW = START + 30 * DAY
BAR = 15 * MINUTE
VOLUME = Metric(subject=BTC.key, name="volume_ratio", timeframe="15m")
PRICE = Metric(subject=BTC.key, name="price")
WALL = Metric(subject=BTC.key, name="wall")
BUSY = Cross(metric=VOLUME, op=Op.ABOVE, level=2.0, rearm=1.6)


def bars(values: Sequence[float], first: int = NOW - DAY) -> list[Sample]:
    """One sample for each candle."""
    return [
        Sample(ts=first + (i + 1) * BAR, value=value, bar_ts=first + i * BAR)
        for i, value in enumerate(values)
    ]


@dataclass
class Shelf:
    """Figures of the past that are known beforehand."""

    rows: dict[Metric, list[Sample]] = field(default_factory=dict)
    reasons: dict[Metric, str] = field(default_factory=dict)
    asked: list[tuple[Metric, int, int]] = field(default_factory=list)
    hangs_before: int = 0
    candle_rows: list[Candle] = field(default_factory=list)
    down: bool = False

    async def past_samples(self, metric: Metric, from_ts: int, to_ts: int) -> list[Sample]:
        self.asked.append((metric, from_ts, to_ts))
        if metric in self.reasons:
            raise SourceError("Binance", self.reasons[metric])
        if from_ts < self.hangs_before:
            await asyncio.Event().wait()
        return [each for each in self.rows.get(metric, []) if from_ts < each.ts <= to_ts]

    def instruments(self, metric: Metric) -> list[Instrument]:
        return [] if metric.subject == "*" else [BTC]

    def every(self, metric: Metric) -> int:
        return 5000

    def fresh(self, metric: Metric) -> int:
        return HOUR

    async def candles(
        self, instrument: Instrument, timeframe: str, limit: int = 300, end: int | None = None
    ) -> list[Candle]:
        if self.down:
            raise SourceUnavailable("Binance", "HTTP 503")
        return self.candle_rows[-limit:]

    async def rehearse(self, condition: Any, **more: Any) -> Rehearsal | NotRehearsed:
        whole = {"repeat": Repeat.ALWAYS, "cooldown": 0, "subjects": (), **more}
        return await Rehearser(self, self, FixedClock(NOW)).rehearse(condition, **whole)

    async def counted(self, condition: Any, **more: Any) -> Rehearsal:
        found = await self.rehearse(condition, **more)
        assert isinstance(found, Rehearsal), found
        return found

    async def refused(self, condition: Any, **more: Any) -> str:
        found = await self.rehearse(condition, **more)
        assert isinstance(found, NotRehearsed), found
        return found.reason


async def test_it_says_how_often_how_evenly_and_over_what_time() -> None:
    values = [1.0] * 96
    for place in (4, 12, 40, 80):
        values[place] = 2.5
    found = await Shelf(rows={VOLUME: bars(values)}).counted(BUSY)
    assert found.count == 4
    assert found.times == tuple(NOW - DAY + (place + 1) * BAR for place in (4, 12, 40, 80))
    assert found.values == (2.5,) * 4
    assert found.gap == 28 * BAR
    assert found.span == 95 * BAR
    assert found.cut
    assert found.made_of == ("15m candles",)
    assert found.busiest == (NOW - DAY, 4)


async def test_the_busiest_day_is_the_day_with_most_firings_of_the_calendar() -> None:
    values = [1.0] * (5 * 96)
    for place in (10, 100, 110, 120, 200, 300):
        values[place] = 3.0
    found = await Shelf(rows={VOLUME: bars(values, NOW - 5 * DAY)}).counted(BUSY)
    assert found.busiest == (NOW - 4 * DAY, 3)


async def test_repeat_and_cooldown_count_as_live() -> None:
    values = [1.0, 3.0] * 48
    shelf = Shelf(rows={VOLUME: bars(values)})
    assert (await shelf.counted(BUSY)).count == 48
    assert (await shelf.counted(BUSY, repeat=Repeat.EVERY, cooldown=4 * BAR)).count == 24
    once = await shelf.counted(BUSY, repeat=Repeat.ONCE)
    assert (once.count, once.gap) == (1, None)


async def test_nothing_that_fired_is_a_count_of_zero_and_says_nothing_of_what_followed() -> None:
    found = await Shelf(rows={VOLUME: bars([1.0] * 96)}).counted(BUSY)
    assert (found.count, found.gap, found.busiest, found.followed) == (0, None, None, ())
    assert lines(found) == ["would have fired 0 times in 23 h 45 m, from 15m candles"]


async def test_a_figure_without_a_past_is_never_counted() -> None:
    shelf = Shelf(rows={VOLUME: bars([1.0, 3.0] * 48)}, reasons={WALL: "walls are not kept"})
    assert await shelf.refused(Event(metric=WALL)) == "walls are not kept"
    both = AnyOf(parts=(BUSY, Event(metric=WALL)))
    assert await shelf.refused(both) == "walls are not kept"
    assert lines(NotRehearsed(reason="walls are not kept")) == [
        "cannot be rehearsed: walls are not kept"
    ]
    assert "kept" in await Shelf().refused(BUSY)


async def test_the_shortest_past_of_its_figures_is_what_is_looked_at() -> None:
    slow = Metric(subject=BTC.key, name="rsi", timeframe="15m", param="14")
    shelf = Shelf(
        rows={
            VOLUME: bars([1.0, 3.0] * 480, NOW - 10 * DAY),
            slow: bars([20.0] * 192, NOW - 2 * DAY),
        }
    )
    either = AnyOf(parts=(State(metric=VOLUME, op=Op.ABOVE, level=2.0),
                          State(metric=slow, op=Op.ABOVE, level=70.0)))  # fmt: skip
    found = await shelf.counted(either)
    assert found.span == 2 * DAY - BAR
    assert found.count == 96
    assert min(found.times) > NOW - 2 * DAY


async def test_events_that_are_rare_do_not_shorten_what_was_looked_at() -> None:
    turns = Metric(subject=BTC.key, name="divergence", timeframe="1h")
    shelf = Shelf(rows={turns: [Sample(ts=NOW - HOUR, value=1.0, bar_ts=NOW - 2 * HOUR)]})
    found = await shelf.counted(Event(metric=turns))
    assert (found.count, found.span, found.cut) == (1, 30 * DAY, False)


async def test_the_past_comes_in_slices_and_what_came_in_time_is_looked_at(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    minutes = [
        Sample(ts=ts + MINUTE - 1, value=100.0 + ts % 2) for ts in range(NOW - 9 * DAY, NOW, MINUTE)
    ]
    shelf = Shelf(rows={PRICE: minutes})
    over = Cross(metric=PRICE, op=Op.ABOVE, level=1000.0)
    assert (await shelf.counted(over)).span == 9 * DAY - MINUTE + 1
    spans = [to - since for _metric, since, to in shelf.asked]
    assert max(spans) <= reading.SLICE * MINUTE
    assert [to for _m, _s, to in shelf.asked[1:]] == [s for _m, s, _to in shelf.asked[:-1]]
    monkeypatch.setattr(reading, "PATIENCE", 0.05)
    shelf.hangs_before = NOW - 5 * DAY
    short = await shelf.counted(over)
    assert short.cut
    assert 0 < short.span <= reading.SLICE * MINUTE
    shelf.hangs_before = NOW
    assert "in time" in await shelf.refused(over)


async def test_a_rule_over_several_markets_fires_for_each_and_says_how_many_it_looked_at() -> None:
    each = Cross(metric=Metric(subject=EACH, name="volume_ratio", timeframe="15m"), op=Op.ABOVE, level=2.0)  # fmt: skip
    keys = [f"binance:C{n}/USDT:USDT" for n in range(MARKETS + 3)]
    rows = {
        Metric(subject=key, name="volume_ratio", timeframe="15m"): bars([1.0, 3.0] * (n + 1))
        for n, key in enumerate(keys)
    }
    found = await Shelf(rows=rows).counted(each, subjects=tuple(keys))
    assert (found.markets, found.of_markets) == (MARKETS, MARKETS + 3)
    assert found.count == sum(range(1, MARKETS + 1))
    assert "looked at 8 of 11 markets" in lines(found)[0]
    assert "name the coins" in await Shelf(rows=rows).refused(each, subjects=(ANYTHING,))


async def test_what_followed_is_measured_beside_the_same_time_of_other_days() -> None:
    rows = walk(3, 12 * DAY // MINUTE, start=NOW - 12 * DAY)
    samples = [
        Sample(ts=c.ts + MINUTE - 1, value=c.close, low=c.low, high=c.high, since=c.ts)
        for c in rows
    ]
    middle = sorted(c.close for c in rows)[len(rows) // 2]
    rule = Cross(metric=PRICE, op=Op.ABOVE, level=middle, rearm=middle * 0.998)
    found = await Shelf(rows={PRICE: samples}).counted(rule)
    assert found.count > 3
    assert found.made_of == ("1m candles",)
    assert [each.horizon for each in found.followed] == list(HORIZONS)
    closes = {c.ts + MINUTE: c.close for c in rows}
    quarter = found.followed[0]
    moves: list[float] = []
    last = 0
    for ts in found.times:
        if ts + 1 + BAR in closes and ts - last >= BAR:
            moves.append(abs(closes[ts + 1 + BAR] / closes[ts + 1] - 1))
            last = ts
    assert quarter.windows == len(moves)
    assert quarter.moved == pytest.approx(statistics.median(moves))
    assert quarter.toward is not None  # a price rule looks somewhere


async def test_what_followed_a_volume_rule_comes_from_candles_and_is_missed_honestly() -> None:
    rows = [
        Candle(ts=NOW - 12 * DAY + i * BAR, open=1.0, high=1.0, low=1.0, close=100.0 + i % 7, volume=1.0)
        for i in range(12 * 96)
    ]  # fmt: skip
    values = [1.0, 3.0, 1.0, 1.0] * 24 * 12
    shelf = Shelf(rows={VOLUME: bars(values, NOW - 12 * DAY)}, candle_rows=rows)
    found = await shelf.counted(BUSY)
    assert found.followed
    assert found.followed[0].toward is None  # volume looks nowhere
    shelf.down = True
    missed = await shelf.counted(BUSY)
    assert missed.count == found.count
    assert (missed.followed, missed.unmeasured) == ((), "HTTP 503")
    assert lines(missed)[1] == "what followed: n/a (HTTP 503)"


async def test_a_rule_about_no_market_has_no_price_to_follow() -> None:
    listing = Metric(subject="*", name="listing")
    shelf = Shelf(rows={listing: [Sample(ts=NOW - HOUR, value=1.0)]})
    found = await shelf.counted(Event(metric=listing))
    assert (found.count, found.unmeasured) == (1, "there is no price to follow")


def test_a_rule_that_buys_strength_in_a_market_without_memory_has_no_skill() -> None:
    """Through the rehearsal's own matching, which draws from days after a firing too."""
    seeds, fooled = 40, 0
    for seed in range(seeds):
        rows = walk(seed + 100, 14 * 288, size=0.0015)
        closes = Closes(
            {START + (i + 1) * 5 * MINUTE: c.close for i, c in enumerate(rows)}, 5 * MINUTE
        )
        times: list[int] = []
        for at in range(closes.first + HOUR, closes.last, 5 * MINUTE):
            before, now = closes.at(at - HOUR), closes.at(at)
            if before and now and now / before > 1.006 and at - (times or [0])[-1] >= HOUR:
                times.append(at)
        found = lifts_of({"": times}, {"": closes}, 1)
        shares = [s.verdict for each in found for s in (each.size, each.toward) if s]
        fooled += Verdict.MORE in shares
    assert fooled <= seeds * 0.05


# The same rules live


RSI = Metric(subject=BTC.key, name="rsi", timeframe="15m", param="14")
CHANGE = Metric(subject=BTC.key, name="price", window=HOUR)


def rules(level: float) -> tuple[Rule, ...]:
    """One of each sort, about a price around `level`."""
    touch = Cross(metric=PRICE, op=Op.EITHER, level=level, rearm=level * 0.999, touch=True)
    below = Cross(metric=PRICE, op=Op.BELOW, level=level * 0.999, touch=True)
    weak = State(metric=RSI, op=Op.BELOW, level=48.0)
    busy = State(metric=VOLUME, op=Op.ABOVE, level=1.0)
    over = State(metric=PRICE, op=Op.ABOVE, level=level)
    wave = Cross(metric=VOLUME, op=Op.ABOVE, level=1.2, rearm=1.1)
    return (
        Rule(touch, cooldown=5 * MINUTE),
        Rule(Rise(metric=CHANGE, amount=0.006, relative=True)),
        Rule(Cross(metric=VOLUME, op=Op.ABOVE, level=1.3, rearm=1.04), Repeat.PER_BAR),
        Rule(State(metric=RSI, op=Op.BELOW, level=40.0), cooldown=2 * HOUR),
        Rule(AllOf(parts=(weak, busy)), cooldown=HOUR),
        Rule(For(part=over, duration=20 * MINUTE)),
        Rule(Then(first=wave, second=below, within=3 * HOUR), Repeat.ALWAYS),
    )


async def rehearsed(armed: Sequence[Rule], figures: Metrics, shop: Any, now: int) -> list[Told]:
    """The firings of one day of each rule, as the rehearsal counts them."""
    found = []
    for number, rule in enumerate(armed):
        made = await Rehearser(figures, shop, FixedClock(now)).rehearse(
            rule.condition, rule.repeat, rule.cooldown, rule.subjects, days=1
        )
        assert isinstance(made, Rehearsal), made
        found += [
            Told(ts, number, "", value) for ts, value in zip(made.times, made.values, strict=True)
        ]
    return sorted(found)


async def told_both_ways(minutes: list[Candle], begin: int, end: int) -> tuple[list[Told], int]:
    """The firings of the day before `end`, the same live and rehearsed, and how many rules there were."""
    shop = market(minutes, begin)
    day = [row.close for row in minutes if end - DAY <= row.ts < end]
    armed = rules(statistics.median(day))
    told = await live(shop, armed, end - DAY, end)
    shop.clock.set(end)
    anything: Any = shop
    assert_same(await rehearsed(armed, Metrics(anything), shop, end), told)
    return told, len(armed)


async def test_a_rehearsal_is_a_live_run_firing_for_firing() -> None:
    minutes = walk(11, 5 * DAY // MINUTE)
    told, count = await told_both_ways(minutes, START, START + 4 * DAY)
    assert {each.rule for each in told} == set(range(count))  # every rule fires here


DATA = Path(os.environ.get("TIDEMARK_DATA", Path(__file__).parents[3] / "shared/data"))
RECORDED = DATA / "klines" / "binance_um_1m_16_symbols_2025_05_04_05_20.parquet"


@pytest.mark.data
@pytest.mark.skipif(not RECORDED.is_file(), reason="TIDEMARK_DATA is not here")
async def test_a_rehearsal_of_recorded_candles_is_a_live_run_over_them() -> None:
    frame = pd.read_parquet(RECORDED)
    frame = frame[frame["symbol"].str.startswith("ETH")].sort_values("ts_ms")
    columns = [frame[name].tolist() for name in ("ts_ms", "open", "high", "low", "close", "volume_coin")]  # fmt: skip
    minutes = [
        Candle(ts=int(ts), open=o, high=h, low=lo, close=c, volume=v)
        for ts, o, h, lo, c, v in zip(*columns, strict=True)
    ]
    end = minutes[0].ts // DAY * DAY + 6 * DAY
    told, _count = await told_both_ways(minutes, end, end)
    assert len(told) > 20
    assert len({each.rule for each in told}) >= 5
