"""The map: what is placed is swept, closed, decayed or still there; crossed levels are empty; no look-ahead."""

import math
import random
import time

import numpy as np
import pytest
from flow_samples import T0

from analytics.liquidation.clusters import clusters, largest, nearest, within
from analytics.liquidation.ledger import LiquidationMap, Mix, build_map, combined
from analytics.liquidation.tiers import bundled_tiers
from market.types import Candle, Kind, PositionSide, Reading, Status

STEP, DAY = 300_000, 86_400_000
TABLE = bundled_tiers("binance", "BTC")
TEN = Mix(name="10x", taker=((10, 1.0),), maker=((10, 1.0),))


def bars(closes: list[float], share: float | None = 0.5, start: int = T0) -> list[Candle]:
    found = []
    for i, (before, close) in enumerate(zip([closes[0], *closes], closes, strict=False)):
        found.append(
            Candle(
                ts=start + i * STEP,
                open=before,
                high=max(before, close),
                low=min(before, close),
                close=close,
                volume=100.0,
                taker_buy_volume=None if share is None else share * 100,
            )
        )
    return found


def path(count: int, seed: int = 1, scale: float = 0.0015) -> list[float]:
    dice, price = random.Random(seed), 100_000.0
    return [price := price * math.exp(dice.gauss(0, scale)) for _ in range(count)]


def held(count: int, seed: int = 2) -> list[tuple[int, float]]:
    dice, amount = random.Random(seed), 80_000.0
    samples = [(T0, amount)]
    for i in range(count):
        amount *= 1 + dice.gauss(0, 0.002)
        samples.append((T0 + (i + 1) * STEP, amount))
    return samples


def rising(count: int, coins: float = 10.0) -> list[tuple[int, float]]:
    return [(T0 + i * STEP, 10_000.0 + coins * i) for i in range(count + 1)]


def made(found: Reading[LiquidationMap]) -> LiquidationMap:
    assert found.value is not None, found.reason
    return found.value


def map_of(
    candles: list[Candle], samples: list[tuple[int, float]], mix: Mix = TEN, **more: float
) -> LiquidationMap:
    now = candles[-1].ts + STEP
    return made(build_map(candles, "5m", samples, TABLE, now=now, window=7 * DAY, mix=mix, **more))


@pytest.mark.parametrize("seed", range(4))
def test_nothing_gets_lost(seed: int) -> None:
    found = map_of(bars(path(500, seed)), held(500, seed + 9))
    for mass, totals in (
        (found.long_usd, found.long_totals),
        (found.short_usd, found.short_totals),
    ):
        gone = totals.swept + totals.decayed + totals.closed
        assert totals.placed > 0
        assert float(mass.sum()) + gone == pytest.approx(totals.placed, rel=1e-9)
        assert float(mass.min()) >= 0


def test_levels_the_price_has_crossed_are_empty() -> None:
    closes = path(400, 3, 0.004)
    candles = bars(closes)
    found = map_of(candles, rising(400))
    upper, lower = found.edges[1:], found.edges[:-1]
    for i in range(399, 0, -40):  # what was opened before bar i cannot survive beyond its extremes
        part = map_of(candles[: i + 1], rising(i + 1))
        assert float(part.long_usd[part.edges[1:] > part.price * 1.001].sum()) == 0
        assert float(part.short_usd[part.edges[:-1] < part.price * 0.999].sum()) == 0
    assert float(found.long_usd[upper > found.price * 1.001].sum()) == 0
    assert float(found.short_usd[lower < found.price * 0.999].sum()) == 0


def test_a_fall_through_a_cluster_removes_it() -> None:
    calm = [100_000.0] * 50
    before = map_of(bars(calm), rising(50))
    # 90,361 is where ten times leverage ends: the fall goes through it, then comes back
    after = map_of(bars([*calm, 89_000.0, 100_000.0]), [*rising(50), (T0 + 52 * STEP, 10_500.0)])
    near = nearest(before, PositionSide.LONG)
    assert near is not None
    assert near.near == pytest.approx(90_361, rel=0.01)
    assert float(after.long_usd.sum()) == pytest.approx(0, abs=1)
    assert after.long_totals.swept == pytest.approx(after.long_totals.placed, rel=0.01)
    assert float(after.short_usd.sum()) > 0.9 * float(before.short_usd.sum())


def test_both_sides_open_alike_where_takers_are_balanced() -> None:
    found = map_of(bars([100_000.0] * 30), rising(30))
    assert found.long_totals.placed == pytest.approx(found.short_totals.placed)
    assert found.long_totals.placed == pytest.approx(30 * 10 * 100_000, rel=0.002)


def test_makers_are_mostly_not_liquidatable_on_the_side_they_take() -> None:
    mix = Mix(name="half", taker=((10, 1.0),), maker=((10, 0.3),))
    found = map_of(bars([100_000.0] * 30, share=1.0), rising(30), mix)
    assert found.short_totals.placed == pytest.approx(0.3 * found.long_totals.placed)


def test_mirrored_taker_flow_mirrors_the_sides() -> None:
    mix = Mix(name="half", taker=((10, 1.0),), maker=((10, 0.3),))
    bought = map_of(bars([100_000.0] * 30, share=0.8), rising(30), mix)
    sold = map_of(bars([100_000.0] * 30, share=0.2), rising(30), mix)
    assert bought.long_totals.placed == pytest.approx(sold.short_totals.placed)
    assert bought.short_totals.placed == pytest.approx(sold.long_totals.placed)


def test_closing_shrinks_both_sides_in_proportion() -> None:
    samples = [*rising(30), (T0 + 31 * STEP, 10_300.0 * 0.9)]
    found = map_of(bars([100_000.0] * 31), samples, half_life=1e15)
    whole = map_of(bars([100_000.0] * 30), rising(30), half_life=1e15)
    assert float(found.long_usd.sum()) == pytest.approx(0.9 * float(whole.long_usd.sum()), rel=1e-6)
    assert float(found.short_usd.sum()) == pytest.approx(
        0.9 * float(whole.short_usd.sum()), rel=1e-6
    )


def test_levels_decay_by_half_in_a_half_life() -> None:
    flat = [*rising(10), *((T0 + i * STEP, 10_100.0) for i in range(11, 111))]
    found = map_of(bars([100_000.0] * 110), flat, half_life=100 * STEP)
    fresh = map_of(bars([100_000.0] * 10), rising(10), half_life=100 * STEP)
    assert float(found.long_usd.sum()) == pytest.approx(float(fresh.long_usd.sum()) / 2, rel=1e-6)


def test_what_comes_later_changes_nothing() -> None:
    candles, samples = bars(path(300)), held(300)
    now = candles[199].ts + STEP
    then = build_map(candles[:200], "5m", samples[:201], TABLE, now=now, window=7 * DAY)
    wild = [*candles[:200], *bars([5.0] * 100, start=candles[200].ts)]
    later = build_map(wild, "5m", [*samples[:201], (now + 1, 1e9)], TABLE, now=now, window=7 * DAY)
    assert np.array_equal(made(then).long_usd, made(later).long_usd)
    assert np.array_equal(made(then).short_usd, made(later).short_usd)


def test_coverage_counts_the_candles_with_known_interest() -> None:
    found = build_map(
        bars([100_000.0] * 100),
        "5m",
        rising(50),
        TABLE,
        now=T0 + 100 * STEP,
        window=7 * DAY,
        mix=TEN,
    )
    assert made(found).coverage == pytest.approx(0.5, abs=0.02)
    assert found.kind is Kind.ESTIMATED
    assert "coverage 50 %" in found.note
    assert "2024-10" in found.note


@pytest.mark.parametrize("samples", [[], [(T0, 5.0)]])
def test_without_interest_there_is_no_map(samples: list[tuple[int, float]]) -> None:
    candles = bars([100.0] * 20)
    found = build_map(candles, "5m", samples, TABLE, now=T0 + 20 * STEP, window=DAY)
    assert (found.value, found.status) == (None, Status.INSUFFICIENT)
    none = build_map([], "5m", samples, TABLE, now=T0, window=DAY)
    assert none.reason == "no recent candles"
    stale = build_map(candles, "5m", rising(20), TABLE, now=T0 + DAY, window=7 * DAY)
    assert stale.status is Status.STALE


def test_seven_days_take_a_fraction_of_a_second() -> None:
    candles, samples = bars(path(2016)), held(2016)
    start = time.process_time()
    build_map(candles, "5m", samples, TABLE, now=candles[-1].ts + STEP, window=7 * DAY)
    assert time.process_time() - start < 1.0


def test_maps_of_venues_add_up_and_say_what_is_missing() -> None:
    one = map_of(bars([100_000.0] * 30), rising(30))
    other = map_of(bars([101_000.0] * 30), rising(30, 20.0))
    found = combined([one, other], {"binance": 3.0, "okx": 1.0}, 100_500.0)
    assert float(found.long_usd.sum()) == pytest.approx(
        float(one.long_usd.sum() + other.long_usd.sum())
    )
    assert len(found.edges) == len(found.long_usd) + 1
    only = combined([one], {"binance": 3.0, "okx": 1.0}, 100_500.0)
    assert only.coverage == pytest.approx(0.75)


def test_clusters_have_edges_on_their_side_of_the_price() -> None:
    found = map_of(
        bars(path(600)), held(600), Mix(name="m", taker=((10, 0.5), (25, 0.5)), maker=((5, 0.3),))
    )
    longs, shorts = (clusters(found, side) for side in PositionSide)
    assert longs
    assert shorts
    for each in longs:
        assert each.far <= each.peak <= each.near <= found.price * 1.001
        assert each.distance <= 0.001
    for each in shorts:
        assert found.price * 0.999 <= each.near <= each.peak <= each.far
    assert [abs(c.distance) for c in longs] == sorted(abs(c.distance) for c in longs)
    top = largest(found, PositionSide.LONG)
    assert top is not None
    assert top.usd == max(c.usd for c in longs)
    below, above = within(found, 10.0)
    assert below == pytest.approx(float(found.long_usd.sum()))
    assert above == pytest.approx(float(found.short_usd.sum()))
    assert sum(c.share for c in longs) <= 1 + 1e-9


def test_the_index_runs_to_a_hundred() -> None:
    longs, shorts = map_of(bars(path(300)), held(300)).index()
    assert max(float(longs.max()), float(shorts.max())) == pytest.approx(100)
