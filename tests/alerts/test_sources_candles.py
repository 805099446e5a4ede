"""Figures of closed candles: one sample for each, the same live and in a rehearsal, and none of what cannot be."""

import math
import random
from typing import Any

import pytest
from alert_market import BTC, BYBIT_BTC, ETH, START, FakeMarket, candle
from hypothesis import given, settings
from hypothesis import strategies as st

from alerts.kinds import figure_of
from alerts.metrics import Metrics
from alerts.sources.candles import samples_of
from alerts.sources.indicators import RECIPES
from alerts.types import Metric, Sample
from market.clock import FixedClock
from market.errors import SourceError
from market.types import TIMEFRAMES, Candle

BAR = 15 * 60_000
NAMES = sorted(RECIPES)


def walk(count: int, seed: int = 1, start: int = START, step: int = BAR) -> list[Candle]:
    """Candles of a random walk, with a taker split, rising from `start`."""
    rng, price, rows = random.Random(seed), 100.0, []
    for n in range(count):
        after = price * (1 + rng.gauss(0, 0.004))
        high, low = max(price, after) * (1 + rng.random() / 500), min(price, after) * 0.999
        volume = rng.lognormvariate(2, 0.5)
        rows.append(
            candle(
                start + n * step, volume, price, close=after, high=high, low=low,
                quote_volume=volume * after, taker_buy_volume=volume * rng.random(),
                taker_buy_quote=volume * after * rng.random(),
            )
        )  # fmt: skip
        price = after
    return rows


def metric(name: str, timeframe: str = "15m", param: str | None = None) -> Metric:
    figure = figure_of(name)
    return Metric(
        subject=BTC.key, name=name, timeframe=timeframe,
        param=figure.param if param is None else param,
    )  # fmt: skip


def desk(rows: list[Candle], timeframe: str = "15m") -> tuple[FakeMarket, Metrics]:
    market: Any = FakeMarket(FixedClock(rows[-1].ts + TIMEFRAMES[timeframe]))
    market.history[BTC.key, timeframe] = rows
    return market, Metrics(market)


def facts(samples: list[Sample]) -> list[tuple[int, int, float]]:
    return [(s.ts, s.bar_ts, s.value) for s in samples]


@pytest.mark.parametrize("name", NAMES)
async def test_a_rehearsal_gives_what_was_seen_live_on_the_same_candles(name: str) -> None:
    needed = RECIPES[name].asked(metric(name))
    rows = walk(needed + 60)
    market, metrics = desk(rows)
    begin = rows[-50].ts
    live: list[Sample] = []
    last = begin
    for row in rows[-50:]:
        market.clock.set(row.ts + BAR + 3000)
        found = await metrics.samples(metric(name), last, market.clock.now())
        live += [s for s in found if s.ts > last]
        last = row.ts + BAR
    past = await metrics.past_samples(metric(name), begin, rows[-1].ts + BAR)
    assert [(s.ts, s.bar_ts) for s in past] == [(s.ts, s.bar_ts) for s in live]
    assert [s.value for s in past] == pytest.approx([s.value for s in live], rel=1e-4, abs=1e-6)
    if name != "divergence":
        assert len(past) == 50


@pytest.mark.parametrize("name", NAMES)
async def test_a_sample_stands_at_the_close_and_says_where_it_is_from(name: str) -> None:
    rows = walk(RECIPES[name].asked(metric(name)) + 200)
    _market, metrics = desk(rows)
    found = await metrics.past_samples(metric(name), rows[-190].ts, rows[-1].ts + BAR)
    assert found
    for sample in found:
        assert sample.ts == sample.bar_ts + BAR
        assert sample.reading is not None
        assert (sample.reading.value, sample.reading.as_of) == (sample.value, sample.ts)
        assert sample.reading.venues == ("binance",)
        assert "price" in sample.extra


@pytest.mark.parametrize("name", NAMES)
async def test_a_revised_repeated_or_running_candle_gives_no_second_sample(name: str) -> None:
    rows = walk(RECIPES[name].asked(metric(name)) + 10)
    market, metrics = desk(rows)
    end = rows[-1].ts + BAR
    revised = candle(rows[-1].ts, rows[-1].volume * 9, rows[-1].close * 1.5)
    running = candle(end, 900.0, rows[-1].close * 2, closed=False)
    market.twist = lambda found: [*found, revised, revised, running]
    market.clock.set(end + 60_000)
    again = await metrics.samples(metric(name), end, end + 60_000)
    assert [s.ts for s in again if s.ts > end] == []


BROKEN = (
    {"volume": math.nan}, {"volume": -1.0}, {"close": math.inf}, {"low": 0.0}, {"high": 1.0},
    {"open": math.nan},
)  # fmt: skip


@pytest.mark.parametrize("broken", BROKEN)
@pytest.mark.parametrize("name", NAMES)
async def test_a_candle_that_cannot_be_is_counted_and_makes_no_sample(
    name: str, broken: dict[str, float]
) -> None:
    rows = walk(RECIPES[name].asked(metric(name)) + 40)
    good = rows[-1]
    fields = {key: getattr(good, key) for key in ("open", "high", "low", "close")} | broken
    volume = fields.pop("volume", good.volume)
    rows[-1] = candle(good.ts, volume, **fields)
    _market, metrics = desk(rows)
    found = await metrics.samples(metric(name), rows[-3].ts + BAR, rows[-1].ts + BAR)
    assert rows[-1].ts not in {s.bar_ts for s in found}
    assert all(math.isfinite(s.value) for s in found)
    assert metrics.bad == 1


async def test_without_enough_candles_it_says_how_many_are_needed() -> None:
    rows = walk(40)
    _market, metrics = desk(rows)
    with pytest.raises(SourceError, match="needs 250 closed candles, has 40"):
        await metrics.samples(metric("rsi"), 0, rows[-1].ts + BAR)


async def test_a_figure_whose_candles_stopped_is_not_silently_old() -> None:
    rows = walk(300)
    market, metrics = desk(rows)
    now = rows[-1].ts + 20 * BAR
    market.clock.set(now)
    with pytest.raises(SourceError, match="the last closed candle is 20 candles old"):
        await metrics.samples(metric("rsi"), now - BAR, now)


async def test_nothing_is_carried_over_a_long_hole() -> None:
    rows = [*walk(300), *walk(30, seed=2, start=START + 310 * BAR)]
    _market, metrics = desk(rows)
    found = await metrics.past_samples(metric("bollinger"), START + 290 * BAR, rows[-1].ts + BAR)
    bars = [s.bar_ts for s in found]
    assert START + 299 * BAR in bars
    assert min(b for b in bars if b > START + 300 * BAR) == START + (310 + 19) * BAR


@given(st.lists(st.floats(0.5, 5000.0), min_size=100, max_size=130))
@settings(max_examples=30, deadline=None)
def test_the_volume_ratio_is_the_candle_over_the_mean_of_the_96_before(
    volumes: list[float],
) -> None:
    rows = [candle(START + n * BAR, volume) for n, volume in enumerate(volumes)]
    made = samples_of(metric("volume_ratio"), BTC, rows, rows[-1].ts + BAR, 0)
    wanted = [volumes[n] / (math.fsum(volumes[n - 96 : n]) / 96) for n in range(96, len(volumes))]
    assert [s.value for s in made] == pytest.approx(wanted, rel=1e-12)
    assert [s.bar_ts for s in made] == [c.ts for c in rows[96:]]


@given(st.lists(st.floats(50.0, 200.0), min_size=25, max_size=40))
@settings(max_examples=30, deadline=None)
def test_distances_from_a_simple_average_and_from_the_bands_match_the_batch_answer(
    closes: list[float],
) -> None:
    rows = [candle(START + n * BAR, 1.0, c) for n, c in enumerate(closes)]
    now = rows[-1].ts + BAR
    far = samples_of(metric("ma_distance", param="sma20"), BTC, rows, now, 0)
    for sample, end in zip(far, range(20, len(closes) + 1), strict=True):
        assert sample.value == pytest.approx(
            closes[end - 1] / (sum(closes[end - 20 : end]) / 20) - 1
        )
    for sample in samples_of(metric("bollinger"), BTC, rows, now, 0):
        part = closes[(end := (sample.bar_ts - START) // BAR + 1) - 20 : end]
        mean = sum(part) / 20
        width = 2 * math.sqrt(sum((x - mean) ** 2 for x in part) / 20)
        assert sample.value == pytest.approx((part[-1] - (mean - width)) / (2 * width), abs=1e-6)


def test_a_close_is_of_closed_candles_and_no_wick_counts() -> None:
    rows = walk(40)
    made = samples_of(metric("close"), BTC, rows, rows[-1].ts + BAR - 1, 0)
    assert [(s.bar_ts, s.value) for s in made] == [(c.ts, c.close) for c in rows[:-1]]
    assert all(s.low is None and s.high is None for s in made)


def test_the_vwap_is_of_the_utc_day_and_unknown_before_its_first_candle() -> None:
    rows = walk(150, start=START + 90 * BAR)
    made = samples_of(metric("vwap_distance"), BTC, rows, rows[-1].ts + BAR, 0)
    assert made[0].bar_ts == START + 96 * BAR, "the day before did not begin in the row"
    day = [c for c in rows if c.ts >= START + 96 * BAR][:10]
    pv = sum((c.high + c.low + c.close) / 3 * c.volume for c in day)
    wanted = day[-1].close / (pv / sum(c.volume for c in day)) - 1
    assert made[9].value == pytest.approx(wanted, rel=1e-12)


def shaped(lows: list[float], deltas: list[float]) -> list[Candle]:
    """Candles with these lows, and takers that bought so much more than they sold."""
    return [
        candle(
            START + n * BAR, 10.0, low + 1, low=low, high=low + 2, taker_buy_volume=5 + delta / 2,
            quote_volume=None,
        )
        for n, (low, delta) in enumerate(zip(lows, deltas, strict=True))
    ]  # fmt: skip


def test_a_bullish_divergence_is_known_three_candles_after_the_second_low() -> None:
    lows = [100 - n for n in range(8)] + [93 + n for n in range(1, 6)]
    lows += [97 - n * 1.2 for n in range(1, 6)] + [92 + n for n in range(1, 8)]
    deltas = [-1.0] * 8 + [3.0] * (len(lows) - 8)
    made = samples_of(metric("divergence"), BTC, shaped(lows, deltas), START + 99 * BAR, 0)
    second = lows.index(min(lows))
    assert [(s.value, s.bar_ts) for s in made] == [(1.0, START + (second + 3) * BAR)]


async def test_divergence_needs_to_know_who_bought() -> None:
    _market, metrics = desk(walk(90))
    bybit = Metric(subject=BYBIT_BTC.key, name="divergence", timeframe="15m")
    with pytest.raises(SourceError, match="do not tell who bought"):
        await metrics.samples(bybit, 0, START)


async def test_a_row_without_a_divergence_is_no_problem() -> None:
    rows = [candle(START + n * BAR, 10.0) for n in range(90)]
    _market, metrics = desk(rows)
    assert await metrics.samples(metric("divergence"), 0, rows[-1].ts + BAR) == []


async def test_the_ichimoku_distance_is_nothing_inside_the_cloud() -> None:
    rows = [candle(START + n * BAR, 1.0, 100.0, high=110.0, low=90.0) for n in range(100)]
    rows.append(candle(START + 100 * BAR, 1.0, 130.0))
    made = samples_of(metric("ichimoku"), BTC, rows, rows[-1].ts + BAR, 0)
    assert made[0].value == 0.0
    assert made[-1].value == pytest.approx(0.3)


async def test_how_fresh_a_candle_is_depends_on_its_length() -> None:
    _market, metrics = desk(walk(10))
    assert metrics.fresh(metric("rsi", "1d")) > TIMEFRAMES["1d"]
    assert metrics.fresh(metric("rsi", "1m")) < TIMEFRAMES["15m"]


async def test_a_candle_is_asked_for_when_it_closes_and_soon_again_while_it_is_late() -> None:
    rows = walk(300)
    market, metrics = desk(rows)
    end = rows[-1].ts + BAR
    assert metrics.every(metric("rsi")) <= 5000, "nobody has asked yet"
    market.clock.set(end + 60_000)
    await metrics.samples(metric("rsi"), 0, end + 60_000)
    assert metrics.every(metric("rsi")) == BAR - 58_000
    market.clock.set(end + BAR + 3000)
    await metrics.samples(metric("rsi"), end, market.clock.now())
    assert metrics.every(metric("rsi")) == 5000


async def test_the_pace_of_a_running_candle_is_scaled_and_called_an_estimate() -> None:
    rows = [candle(START + n * BAR, 10.0) for n in range(100)]
    rows.append(candle(START + 100 * BAR, 15.0, closed=False))
    market, metrics = desk(rows[:-1])
    market.twist = lambda found: [*found, rows[-1]]
    now = START + 100 * BAR + BAR // 2
    market.clock.set(now)
    (sample,) = await metrics.samples(metric("volume_pace"), 0, now)
    assert sample.value == pytest.approx(3.0)
    assert sample.reading is not None
    assert sample.reading.kind == "estimated"
    with pytest.raises(SourceError, match="not kept"):
        await metrics.past_samples(metric("volume_pace"), START, now)


async def test_correlation_is_that_of_log_returns_of_common_hours() -> None:
    hour = 3_600_000
    a, b = walk(80, 1, step=hour), walk(80, 2, step=hour)
    market: Any = FakeMarket(FixedClock(a[-1].ts + hour))
    market.history[BTC.key, "1h"], market.history[ETH.key, "1h"] = (
        a,
        [c for c in b if c is not b[40]],
    )
    metrics = Metrics(market)
    wanted = Metric(subject="*:ETH", name="correlation", timeframe="1h", param="BTC")
    (sample,) = await metrics.samples(wanted, market.clock.now(), market.clock.now())
    import numpy as np

    keep = [n for n in range(80) if n != 40][-51:]
    x, y = (np.diff(np.log([rows[n].close for n in keep])) for rows in (a, b))
    assert sample.value == pytest.approx(float(np.corrcoef(x, y)[0, 1]), rel=1e-9)
    past = await metrics.past_samples(wanted, a[60].ts, market.clock.now())
    assert facts(past)[-1] == facts([sample])[0]
    market.clock.set(a[-1].ts + 4 * hour + 1)
    with pytest.raises(SourceError, match="the last common bar is old"):
        await metrics.samples(wanted, market.clock.now(), market.clock.now())
