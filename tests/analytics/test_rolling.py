"""One-pass blocks against the slow answer."""

import math
import statistics

import pytest
from flow_samples import T0
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics.rolling import EwMean, RollingSum, RollingWindows, Welford

EVENTS = st.lists(
    st.tuples(st.integers(0, 40_000), st.floats(0.01, 1e6), st.booleans()), min_size=1, max_size=150
)


@given(events=EVENTS, later=st.integers(0, 1_200_000))
@settings(max_examples=120, deadline=None)
def test_windows_are_what_a_sum_over_whole_seconds_gives(
    events: list[tuple[int, float, bool]], later: int
) -> None:
    windows, ts, seen = RollingWindows(), T0, []
    for step, value, bought in events:
        ts += step
        seen.append((ts, value, bought))
        windows.update(ts, value, bought=bought)
    now = ts + later
    found = windows.get(now)
    end = -(-now // 1000) * 1000
    for minutes in (1, 5, 15):
        inside = [each for each in seen if end - minutes * 60_000 < each[0] <= now]
        total = math.fsum(value for _ts, value, _b in inside)
        net = math.fsum(value if bought else -value for _ts, value, bought in inside)
        assert found[minutes].volume == pytest.approx(total, abs=1e-6)
        assert found[minutes].delta == pytest.approx(net, abs=1e-6)
        assert found[minutes].n == len(inside)


def test_a_late_trade_counts_in_the_windows_that_contain_it() -> None:
    windows = RollingWindows()
    windows.update(T0 + 600_000, 1.0, bought=True)
    windows.update(T0 + 500_000, 10.0, bought=False)
    windows.update(T0 - 500_000, 100.0, bought=True)
    found = windows.get(T0 + 600_000)
    assert [found[m].volume for m in (1, 5, 15)] == [1.0, 11.0, 11.0]
    assert found[5].delta == -9.0
    assert windows.dropped == 1


def test_windows_age_out_without_trades() -> None:
    windows = RollingWindows()
    windows.update(T0, 5.0, bought=True)
    assert windows.get(T0 + 59_000)[1].volume == 5.0
    assert [windows.get(T0 + 61_000)[m].n for m in (1, 5, 15)] == [0, 1, 1]
    assert [windows.get(T0 + 900_000)[m].n for m in (1, 5, 15)] == [0, 0, 0]


def test_nothing_is_left_over_when_the_window_is_empty() -> None:
    windows = RollingWindows()
    for i in range(60_000):
        windows.update(T0 + i * 300, 0.1 + i % 7, bought=i % 2 == 0)
    end = T0 + 60_000 * 300
    assert windows.get(end + 901_000)[15].volume < 1e-6
    assert windows.get(end + 901_000)[1].volume >= 0


@given(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=60))
def test_welford_is_the_mean_and_variance(values: list[float]) -> None:
    live = Welford()
    for value in values:
        live.update(value)
    assert live.get() == pytest.approx(statistics.fmean(values), abs=1e-6)
    assert live.variance() == pytest.approx(statistics.variance(values), rel=1e-6, abs=1e-3)
    assert Welford().get() is None
    assert Welford().variance() is None


def test_rolling_sum_forgets_what_left_its_window() -> None:
    live = RollingSum(10)
    live.update(T0, 5.0)
    live.update(T0 + 4000, 2.0)
    live.update(T0 - 60_000, 99.0)
    assert live.get(T0 + 9000) == 7.0
    assert live.get(T0 + 10_000) == 2.0
    assert live.get(T0 + 60_000) == 0.0


def test_an_exponential_mean_is_half_way_after_its_half_life() -> None:
    live = EwMean(1000)
    assert live.get() is None
    live.update(T0, 0.0)
    live.update(T0 + 1000, 10.0)
    assert live.get() == pytest.approx(5.0)
    live.update(T0 + 60_000, 10.0)
    assert live.get() == pytest.approx(10.0, abs=1e-6)
