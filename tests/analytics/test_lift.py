"""What followed firings, matched moments and bounds: against textbook values, brute force and markets without skill."""

import json
import math
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics.followed import AROUND, HORIZONS, MOST, Closes, matched
from analytics.lift import (
    ENOUGH,
    SETTLED,
    Lift,
    Outcome,
    Verdict,
    is_useless,
    lift,
    quantile,
    separate,
    wilson,
)
from market.types import DAY, HOUR, MINUTE, Candle

VECTORS = Path(__file__).parents[1] / "vectors" / "wilson.json"
START = 1_780_000_020_000 // DAY * DAY
STEP = 15 * MINUTE


def candle(ts: int, close: float, *, closed: bool = True) -> Candle:
    return Candle(ts=ts, open=close, high=close, low=close, close=close, volume=1.0, closed=closed)


def walk(seed: int, days: int, *, size: float = 0.002) -> Closes:
    """A market without memory."""
    steps = np.random.default_rng(seed).normal(0.0, size, days * DAY // STEP)
    prices = 100 * np.exp(np.cumsum(steps))
    return Closes({START + (i + 1) * STEP: float(p) for i, p in enumerate(prices)}, STEP)


def scored(closes: Closes, times: list[int], *, way: int = 0) -> list[Lift]:
    """As the scorecard does it: from the month before each firing."""
    tests = len(HORIZONS) * (2 if way else 1)
    found = []
    for horizon in HORIZONS:
        outcomes = []
        for n, ts in enumerate(times):
            move = closes.move(ts, horizon)
            if move is not None:
                controls = matched(
                    closes, ts, horizon, others=times, seed=(n, horizon), days=range(-30, 0)
                )
                outcomes.append(Outcome(ts=ts, move=move, controls=controls, direction=way))
        made = lift(outcomes, horizon, tests=tests)
        assert made is not None
        found.append(made)
    return found


def claims(lifts: list[Lift]) -> bool:
    shares = [share for each in lifts for share in (each.size, each.toward) if share]
    return any(share.verdict is Verdict.MORE for share in shares)


# Bounds


@pytest.mark.parametrize(
    ("wins", "n", "low", "high"),
    [
        (15, 20, 0.531299122381, 0.888138298592),
        (0, 5, 0.0, 0.434482464783),
        (5, 5, 0.565517535217, 1.0),
        (81, 263, 0.2552624, 0.3661805),  # Newcombe 1998, table I, method 3: .2553, .3662
        (15, 148, 0.0624, 0.1605),  # the same: .0624, .1605
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)  # fmt: skip
def test_the_interval_is_the_one_of_the_textbook(
    wins: int, n: int, low: float, high: float
) -> None:
    assert wilson(wins, n) == pytest.approx((low, high), abs=6e-5)


def test_the_interval_of_nothing_is_everything() -> None:
    assert wilson(0, 0) == (0.0, 1.0)


def test_the_interval_is_the_one_of_the_vectors() -> None:
    for case in json.loads(VECTORS.read_text()):
        inputs, expected = case["inputs"], case["expected"]
        found = wilson(inputs["wins"], inputs["n"])
        assert found == pytest.approx((expected["low"], expected["high"]), rel=1e-6, abs=1e-9)


def test_more_figures_at_once_make_wider_intervals() -> None:
    assert quantile(1) == pytest.approx(1.959964, abs=1e-6)
    assert quantile(3) == pytest.approx(2.393980, abs=1e-6)  # the normal quantile of 1 - .025 / 3
    assert quantile(6) > quantile(3)


@given(st.lists(st.integers(0, 10_000), max_size=60), st.integers(1, 500))
def test_windows_that_count_never_overlap_and_no_further_one_would_fit_in_front(
    times: list[int], horizon: int
) -> None:
    times = sorted(times)
    kept = separate(times, horizon)
    chosen = [times[i] for i in kept]
    assert all(b - a >= horizon for a, b in pairwise(chosen))
    for place, ts in enumerate(times):
        before = [each for each in chosen if each <= ts]
        assert place in kept or ts - before[-1] < horizon


# Prices


def test_a_move_goes_from_the_first_close_that_is_not_before_the_moment() -> None:
    closes = Closes.of([candle(START + i * STEP, 100.0 + i) for i in range(10)], STEP)
    assert closes.at(START + STEP) == 100.0
    assert closes.at(START + STEP + 1) is None
    assert closes.at(START) is None
    assert closes.move(START + STEP, STEP) == pytest.approx(1 / 100)
    assert closes.move(START + STEP + 1, STEP) == pytest.approx(1 / 101)
    assert closes.move(START + 9 * STEP, 2 * STEP) is None


def test_a_price_stands_over_a_few_candles_without_trades_and_not_over_more() -> None:
    closes = Closes.of([candle(START, 100.0), candle(START + 5 * STEP, 110.0)], STEP)
    found = [closes.at(START + i * STEP) for i in range(1, 7)]
    assert found == [100.0, 100.0, 100.0, 100.0, None, 110.0]


def test_candles_that_still_run_or_cannot_be_tell_no_price() -> None:
    rows = [candle(START, 100.0), candle(START + STEP, math.nan), candle(START + 2 * STEP, -1.0),
            candle(START + 3 * STEP, 5.0, closed=False)]  # fmt: skip
    closes = Closes.of(rows, STEP)
    assert closes.last == START + STEP
    assert Closes.of([], STEP).at(START) is None
    assert Closes.of([], STEP).move(START, STEP) is None


# Matched moments


@given(
    st.integers(0, 40 * DAY // MINUTE), st.sampled_from(HORIZONS), st.integers(0, 9),
    st.lists(st.integers(0, 40 * DAY), max_size=40),
)  # fmt: skip
def test_matched_moments_are_of_other_days_at_the_same_time_and_follow_no_other_firing(
    minute: int, horizon: int, seed: int, firings: list[int]
) -> None:
    closes = walk(1, 40)
    moment = START + minute * MINUTE
    others = sorted(START + each for each in firings)
    found = matched(closes, moment, horizon, others=others, seed=(seed,))
    start = closes.start(moment)
    assert len(found) <= MOST
    for at, move in found:
        apart = at - start
        days = round(apart / DAY)
        assert days != 0
        assert abs(apart - days * DAY) <= AROUND
        assert abs(apart) >= horizon  # never over the firing's own window
        assert not any(0 <= at - other < horizon for other in others)
        assert move == closes.move(at, horizon)
    times = [at for at, _move in found]
    assert all(b - a >= horizon for a, b in pairwise(times))


def test_matched_moments_are_drawn_the_same_way_again_and_only_from_the_days_asked_for() -> None:
    closes = walk(2, 40)
    moment = START + 35 * DAY + 13 * HOUR
    found = matched(closes, moment, HOUR, seed=(4, 7), days=range(-30, 0))
    assert found == matched(closes, moment, HOUR, seed=(4, 7), days=range(-30, 0))
    assert found != matched(closes, moment, HOUR, seed=(4, 8), days=range(-30, 0))
    assert len(found) == MOST
    assert all(moment - 30 * DAY - AROUND <= at < moment for at, _move in found)


def test_a_firing_that_comes_after_a_moment_does_not_rule_it_out() -> None:
    """Leaving those out would leave only quiet moments to compare with, and make every rule look good."""
    closes = walk(3, 3)
    moment = START + DAY + 12 * HOUR
    after = [
        moment + day * DAY + 31 * MINUTE for day in (-1, 1)
    ]  # within the hour after any of them
    assert (
        len(matched(closes, moment, HOUR, others=after)) == len(matched(closes, moment, HOUR)) > 0
    )


# Claims


def test_few_firings_say_nothing_however_good_they_look() -> None:
    controls = [(START - day * DAY, 0.001) for day in range(1, 31)]
    outcomes = [
        Outcome(ts=START + i * DAY, move=0.05, controls=controls) for i in range(ENOUGH - 1)
    ]
    found = lift(outcomes, HOUR)
    assert found is not None
    assert found.size.value == 1.0
    assert found.size.verdict is Verdict.FEW


def test_firings_whose_horizons_overlap_count_once() -> None:
    controls = [(START - day * DAY, 0.001) for day in range(1, 31)]
    burst = [Outcome(ts=START + i * MINUTE, move=0.05, controls=controls) for i in range(200)]
    found = lift(burst, 4 * HOUR)
    assert found is not None
    assert (found.n, found.windows) == (200, 1)
    assert found.size.verdict is Verdict.FEW
    assert found.size.low < 0.5


def test_shared_matched_moments_are_not_taken_for_many() -> None:
    """A thousand firings against the same five moments know no more than five moments do."""
    controls = [(START - day * DAY, 0.001) for day in range(1, 6)]
    outcomes = [
        Outcome(ts=START + i * DAY, move=0.002 if i % 3 else 0.0, controls=controls)
        for i in range(1000)
    ]
    found = lift(outcomes, HOUR)
    assert found is not None
    assert found.size.value == pytest.approx(2 / 3, abs=0.01)
    assert found.controls == 5
    assert found.size.verdict is Verdict.UNCLEAR


def test_nothing_is_compared_with_too_few_moments() -> None:
    few = [Outcome(ts=START, move=0.1, controls=[(START - DAY, 0.0)] * 4)]
    assert lift(few, HOUR) is None
    assert lift([], HOUR) is None


def test_a_move_on_the_median_is_half_a_win() -> None:
    flat = [(START - day * DAY, 0.0) for day in range(1, 31)]
    outcomes = [Outcome(ts=START + i * DAY, move=0.0, controls=flat) for i in range(40)]
    found = lift(outcomes, HOUR)
    assert found is not None
    assert found.size.value == 0.5


def test_a_rule_is_judged_in_its_direction_only_where_every_firing_has_one() -> None:
    controls = [(START - day * DAY, 0.001 * (-1) ** day) for day in range(1, 31)]
    down = [
        Outcome(ts=START + i * DAY, move=-0.01, controls=controls, direction=-1) for i in range(40)
    ]
    found = lift(down, HOUR)
    assert found is not None
    assert found.toward is not None
    assert found.toward.value == 1.0
    assert found.drift == pytest.approx(0.01)
    mixed = lift([*down, Outcome(ts=START + 50 * DAY, move=0.01, controls=controls)], HOUR)
    assert mixed is not None
    assert mixed.toward is None


def test_a_market_without_memory_gives_no_claim_of_skill() -> None:
    """At most one seed in twenty may, over all horizons and both questions; the rule buys strength."""
    seeds = 60
    fooled = 0
    for seed in range(seeds):
        closes = walk(seed, 60)
        times: list[int] = []
        for at in range(START + 31 * DAY, closes.last - 4 * HOUR, STEP):
            before, now = closes.at(at - HOUR), closes.at(at)
            if before and now and now / before - 1 > 0.006 and at - (times or [0])[-1] >= HOUR:
                times.append(at)
        found = scored(closes, times, way=1)
        assert max(each.windows for each in found) >= ENOUGH
        fooled += claims(found)
    assert fooled <= seeds * 0.05


def test_a_market_that_follows_through_is_found_out() -> None:
    """Planted: after each firing the next hour goes up by a little more than it would."""
    found = []
    for seed in range(5):
        steps = np.random.default_rng(seed).normal(0.0, 0.002, 75 * DAY // STEP)
        places = list(range(31 * 96, len(steps) - 20, 61))
        for place in places:
            steps[place + 1 : place + 5] += 0.002
        prices = 100 * np.exp(np.cumsum(steps))
        closes = Closes({START + (i + 1) * STEP: float(p) for i, p in enumerate(prices)}, STEP)
        lifts = scored(closes, [START + (place + 1) * STEP for place in places], way=1)
        hour = next(each for each in lifts if each.horizon == HOUR)
        assert hour.toward is not None
        found.append(hour.toward.verdict)
    assert found == [Verdict.MORE] * 5


def test_only_what_is_long_watched_and_surely_no_good_is_called_useless() -> None:
    def made(n: int, share: float) -> list[Lift]:
        wins = round(n * share)
        lifts = []
        for horizon in HORIZONS:
            outcomes = [
                Outcome(
                    ts=START + i * DAY,
                    move=0.02 if i < wins else 0.0,
                    controls=[(START - (30 * i + day) * DAY, 0.01) for day in range(1, 31)],
                )
                for i in range(n)
            ]
            found = lift(outcomes, horizon, tests=3)
            assert found is not None
            lifts.append(found)
        return lifts

    assert is_useless(made(200, 0.5))
    assert is_useless(made(SETTLED, 0.3))
    assert not is_useless(made(SETTLED - 1, 0.3))
    assert not is_useless(made(SETTLED, 0.5))  # it may still be good in two of three cases
    assert not is_useless(made(200, 0.8))
    assert not is_useless([])
