"""Regimes: six states, three bars to change, the same from history as from live, and ADX as the library has it."""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ta.trend import ADXIndicator

from analytics.regime import HYSTERESIS, WARM_UP, Adx, Percentile, Regime, RegimeWatch
from market.types import HOUR, Candle, Status


def candles(drift: list[float], width: list[float], seed: int = 1) -> list[Candle]:
    rng = np.random.default_rng(seed)
    price, rows = 100.0, []
    for i, (mu, sigma) in enumerate(zip(drift, width, strict=True)):
        open_, price = price, price * math.exp(mu + sigma * rng.normal())
        high = max(open_, price) * math.exp(abs(rng.normal()) * sigma / 2)
        low = min(open_, price) * math.exp(-abs(rng.normal()) * sigma / 2)
        rows.append(Candle(ts=i * HOUR, open=open_, high=high, low=low, close=price, volume=1.0))
    return rows


def quiet(count: int, width: float = 0.004) -> tuple[list[float], list[float]]:
    return [0.0] * count, [width] * count


def fed(rows: list[Candle]) -> RegimeWatch:
    watch = RegimeWatch("1h")
    for row in rows:
        watch.close(row)
    return watch


def test_adx_is_that_of_the_library_after_its_warm_up() -> None:
    rows = candles(*quiet(600))
    live, found = Adx(), []
    for row in rows:
        live.update(row.high, row.low, row.close)
        found.append(live.get())
    frame = pd.DataFrame([(r.high, r.low, r.close) for r in rows], columns=["h", "l", "c"])
    library = ADXIndicator(frame["h"], frame["l"], frame["c"]).adx().tolist()
    assert found[26] is None
    assert found[27] is not None
    assert found[300:] == pytest.approx(library[300:], abs=1e-4)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=80), st.integers(2, 20))
@settings(max_examples=80, deadline=None)
def test_a_percentile_is_the_share_of_the_values_before(values: list[float], length: int) -> None:
    live = Percentile(length)
    for i, value in enumerate(values):
        live.update(value)
        before = values[max(0, i - length) : i]
        if len(before) < length:
            assert live.get() is None
        else:
            assert live.get() == pytest.approx(100 * sum(b < value for b in before) / length)


def test_a_trend_a_range_and_their_widths() -> None:
    drift, width = quiet(400)
    trend = fed(candles([*drift, *([0.006] * 60)], [*width, *([0.004] * 60)]))
    assert trend.regime is not None
    assert trend.regime.trending
    assert trend.direction == "up"
    falling = fed(candles([*drift, *([-0.006] * 60)], [*width, *([0.004] * 60)]))
    assert falling.direction == "down"
    wild = fed(candles([*drift, *([0.0] * 40)], [*width, *([0.02] * 40)], seed=3))
    assert wild.regime in (Regime.RANGE_HIGH, Regime.TREND_HIGH)
    calm = fed(candles([*drift, *([0.0] * 60)], [*width, *([0.0005] * 60)], seed=3))
    assert calm.regime in (Regime.RANGE_LOW, Regime.TREND_LOW)


def test_a_change_takes_three_bars_that_say_the_same() -> None:
    drift, width = quiet(900)
    rows = candles(drift, width, seed=5)
    watch, said, changes = RegimeWatch("1h"), [], []
    for row in rows:
        change = watch.close(row)
        candidate = watch._candidate()
        said.append(candidate)
        if change is not None:
            changes.append(change)
            assert said[-HYSTERESIS:] == [change.after] * HYSTERESIS
            assert change.before is not change.after
            assert change.as_of == row.ts + HOUR
    assert 3 < len(changes) < 100
    flips = sum(a is not b for a, b in zip(said[WARM_UP:], said[WARM_UP + 1 :], strict=False))
    assert len(changes) < flips / 2


class Said:
    """An index that says what it is told."""

    def __init__(self, value: float) -> None:
        self._value = value

    def get(self) -> float:
        return self._value


def test_between_trend_and_range_it_stays_what_it_was() -> None:
    drift, width = quiet(400)
    watch = fed(candles([*drift, *([0.006] * 60)], [*width, *([0.004] * 60)]))
    for adx, trending in (
        (26.0, True), (22.0, True), (20.0, True), (19.9, False), (22.0, False), (25.0, False),
        (25.1, True),
    ):  # fmt: skip
        watch._adx = Said(adx)  # type: ignore[assignment]
        candidate = watch._candidate()
        assert candidate is not None
        assert candidate.trending is trending
    watch._means.extend([100.0] * 6)  # no slope, no trend
    watch._trending = False
    candidate = watch._candidate()
    assert candidate is not None
    assert not candidate.trending


def test_history_and_live_say_the_same_and_later_bars_change_nothing() -> None:
    rows = candles(*quiet(500), seed=7)
    live = fed(rows)
    loaded = RegimeWatch("1h")
    loaded.load(rows[:400], 400 * HOUR)
    part = loaded.readings(400 * HOUR)
    assert part == fed(rows[:400]).readings(400 * HOUR)
    loaded.load(rows, 500 * HOUR)
    assert loaded.readings(500 * HOUR) == live.readings(500 * HOUR)


def test_short_and_old_history_are_reasons() -> None:
    rows = candles(*quiet(400))
    short = fed(rows[:100])
    assert short.regime is None
    assert short.readings(100 * HOUR)["regime"].reason == "needs 250 closed candles, has 100"
    watch = fed(rows)
    known = watch.readings(400 * HOUR)
    assert known["regime"].value in set(Regime)
    assert known["adx"].as_of == 400 * HOUR
    assert watch.readings(404 * HOUR)["regime"].status is Status.STALE


def test_a_hole_starts_it_anew_and_a_small_one_is_flat_bars() -> None:
    rows = candles(*quiet(400))
    bridged = RegimeWatch("1h")
    bridged.load([r for i, r in enumerate(rows) if i not in (390, 391)], 400 * HOUR)
    assert bridged.regime is not None
    stepwise = fed([r for i, r in enumerate(rows) if i not in (390, 391)])
    assert stepwise.readings(400 * HOUR) == bridged.readings(400 * HOUR)
    broken = fed([r for i, r in enumerate(rows) if not 300 <= i < 310])
    assert broken.regime is None


def test_nonsense_does_not_get_in() -> None:
    rows = candles(*quiet(400))
    watch = fed(rows)
    before = watch.readings(400 * HOUR)
    good = rows[-1]
    for bad in (math.nan, math.inf, 0.0, -1.0):
        row = Candle(
            ts=400 * HOUR, open=good.open, high=good.high, low=good.low, close=bad, volume=1
        )
        assert watch.close(row) is None
    assert watch.close(rows[100]) is None
    assert watch.close(rows[-1]) is None
    assert watch.refused == 6
    assert watch.readings(400 * HOUR) == before


def test_a_market_that_stands_still_is_a_quiet_range() -> None:
    rows = [Candle(ts=i * HOUR, open=5, high=5, low=5, close=5, volume=0) for i in range(400)]
    assert fed(rows).regime is Regime.RANGE_LOW
