"""One-pass blocks against the slow answer."""

import math
import statistics

import pytest
from flow_samples import T0, brute, delta, gross, trade
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics.rolling import EwMean, RollingSum, RollingWindows, Welford
from market.types import DAY, Trade

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


@given(
    events=st.lists(
        st.tuples(st.integers(-400_000, 40_000), st.floats(0.01, 1e6), st.booleans()),
        min_size=1,
        max_size=120,
    ),
    sizes=st.lists(st.integers(1, 9), min_size=1),
)
@settings(max_examples=120, deadline=None)
def test_late_trades_count_where_they_belong_in_batches_of_any_size(
    events: list[tuple[int, float, bool]], sizes: list[int]
) -> None:
    windows, one_by_one, ts, newest = RollingWindows(), RollingWindows(), T0, 0
    trades: list[Trade] = []
    counted: list[Trade] = []  # those that were not too late for the longest window
    for step, value, bought in events:
        ts = max(T0, ts + step)
        trades.append(trade(ts, value, 1.0, "buy" if bought else "sell"))
        newest = max(newest, -(-ts // 1000))
        if -(-ts // 1000) > newest - 900:
            counted.append(trades[-1])
        one_by_one.update(ts, value, bought=bought)
    at = 0
    while at < len(trades):
        size = sizes[at % len(sizes)]
        windows.take(trades[at : at + size])
        at += size
    now = newest * 1000
    found = windows.get(now)
    for minutes in (1, 5, 15):
        inside = brute(counted, now - minutes * 60_000, now)
        assert found[minutes].volume == pytest.approx(gross(inside), abs=1e-6)
        assert found[minutes].delta == pytest.approx(delta(inside), abs=1e-6)
        assert found[minutes].n == len(inside) == one_by_one.get(now)[minutes].n
    assert windows.dropped == one_by_one.dropped == len(trades) - len(counted)
    last, before = (brute(counted, now - m * 60_000, now - (m - 1) * 60_000) for m in (1, 2))
    assert windows.acceleration(now) == len(last) - len(before)
    assert windows.delta_acceleration(now) == pytest.approx(delta(last) - delta(before), abs=1e-6)
    start = (now - 1) // DAY * DAY
    day, sum_, n = windows.session(now)
    assert (day, n) == (start, len(brute(trades, start, now)))
    assert sum_ == pytest.approx(delta(brute(trades, start, now)), abs=1e-6)


def test_the_day_begins_anew_after_midnight_and_keeps_its_late_trades() -> None:
    windows, midnight = RollingWindows(), T0 // DAY * DAY + DAY
    windows.take([trade(midnight - 5, 1, 1), trade(midnight, 10, 1)])
    assert windows.session(midnight) == (midnight - DAY, 11.0, 2)
    assert windows.session(midnight + 1) == (midnight, 0.0, 0)
    windows.take([trade(midnight + 1, 100, 1, "sell"), trade(midnight - 1, 1000, 1)])
    assert windows.session(midnight + 1) == (midnight, -100.0, 1)
    windows.take([trade(midnight + 5 * 3_600_000, 7, 1), trade(midnight + 2, 3, 1)])
    assert windows.session(midnight + DAY) == (midnight, -90.0, 3)


@given(events=EVENTS, half=st.integers(0, 150))
@settings(max_examples=60, deadline=None)
def test_a_dump_of_the_windows_goes_on_where_it_was_made(
    events: list[tuple[int, float, bool]], half: int
) -> None:
    one, two, ts = RollingWindows(), RollingWindows(), T0
    for i, (step, value, bought) in enumerate(events):
        if i == half:
            two.restore(one.dump())
        ts += step
        one.update(ts, value, bought=bought)
        if i >= half:
            two.update(ts, value, bought=bought)
    if len(events) > half:
        for minutes, found in two.get(ts).items():
            assert found.volume == pytest.approx(one.get(ts)[minutes].volume, rel=1e-9, abs=1e-6)
            assert found.n == one.get(ts)[minutes].n
        assert two.session(ts) == one.session(ts)


def test_a_window_takes_less_room_than_its_ring_of_seconds_would() -> None:
    windows = RollingWindows()
    for i in range(20_000):
        windows.update(T0 + i * 250, 5.0, bought=i % 3 == 0)
    size = sum(len(each) for each in windows.dump()[3] if isinstance(each, bytes))
    assert size <= 900 * 2 * 17
    assert windows.get(T0 + 20_000 * 250)[1].buy_share == pytest.approx(1 / 3, abs=0.01)
    assert windows.get(T0 + 90_000_000)[1].buy_share is None
