"""The z of a day of minutes equals the batch; one wild metric or two unusual ones are an anomaly."""

import math
import random

import msgspec
import numpy as np
import pytest
from flow_samples import T0
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics.anomaly import AnomalyWatch, Cooldown, RobustZ
from analytics.robust import SIGMA
from market.types import Reading, Status

MINUTE = 60_000
START = T0 // MINUTE * MINUTE


@given(
    st.lists(st.tuples(st.integers(0, 90_000), st.floats(-1e6, 1e6)), min_size=1, max_size=150),
    st.integers(3, 60),
)
@settings(max_examples=150, deadline=None)
def test_median_and_mad_are_those_of_the_minutes_before(
    steps: list[tuple[int, float]], length: int
) -> None:
    live, ts, minutes = RobustZ(length, least=2), START, {}
    for step, value in steps:
        ts += step
        found = live.update(ts, value)
        minutes[ts // MINUTE] = value
        now = ts // MINUTE
        past = [v for m, v in minutes.items() if now - length <= m < now]
        if not past:
            assert found is None
            continue
        middle = float(np.median(past))
        mad = float(np.median(np.abs(np.array(past) - middle)))
        assert live.median() == pytest.approx(middle)
        assert live.mad() == pytest.approx(mad, abs=1e-9)
        if len(past) >= 2 and (live.mad() or 0) > 1e-6:
            assert found == pytest.approx((value - middle) / (SIGMA * mad), rel=1e-6, abs=1e-6)


def learnt(count: int, seed: int = 1, least: int = 240) -> RobustZ:
    rng, live = random.Random(seed), RobustZ(least=least)
    for i in range(count):
        live.update(START + i * MINUTE, rng.gauss(0, 1))
    return live


def test_a_value_is_not_among_those_it_is_judged_by() -> None:
    live = learnt(300)
    first = live.update(START + 300 * MINUTE, 50.0)
    again = live.update(START + 300 * MINUTE + 30_000, 50.0)
    assert first == again
    assert first is not None
    assert first > 20


def test_without_history_spread_or_freshness_there_is_no_z() -> None:
    assert RobustZ().reading(START).status is Status.INSUFFICIENT
    live = learnt(200)
    short = live.reading(START + 199 * MINUTE)
    assert (short.value, short.reason) == (None, "learnt 199 of 240 minutes")
    live = learnt(300)
    assert live.reading(START + 299 * MINUTE).known
    assert live.reading(START + 299 * MINUTE + 121_000).status is Status.STALE
    flat = RobustZ(least=2)
    for i in range(50):
        flat.update(START + i * MINUTE, 0.0)
    assert flat.update(START + 50 * MINUTE, 9.0) is None
    assert flat.reading(START + 50 * MINUTE).status is Status.UNDEFINED


def test_nonsense_and_the_past_do_not_get_in() -> None:
    live = learnt(300)
    before = live.dump()
    for bad in (math.nan, math.inf, -math.inf):
        assert live.update(START + 299 * MINUTE, bad) is None
    assert live.update(START, 5.0) is None
    assert (live.refused, live.dump()) == (4, before)


def test_after_a_long_silence_the_past_is_forgotten() -> None:
    live = learnt(300)
    assert live.update(START + 300 * MINUTE + 181 * MINUTE, 1.0) is None
    assert len(live) == 0


def test_a_day_is_kept() -> None:
    live = learnt(4000)
    assert len(live) == 1440


def feed(watch: AnomalyWatch, ts: int, **values: float) -> object:
    return watch.take(ts, {name: Reading(value=value) for name, value in values.items()})


def trained() -> AnomalyWatch:
    rng, watch = random.Random(2), AnomalyWatch()
    for i in range(400):
        assert feed(watch, START + i * MINUTE, a=rng.uniform(-1, 1), b=rng.uniform(-1, 1)) is None
    return watch


NOW = START + 400 * MINUTE


def test_one_metric_far_out_is_an_anomaly() -> None:
    found = trained().take(NOW, {"a": Reading(value=-6.0), "b": Reading(value=0.0)})
    assert found is not None
    assert list(found.scores) == ["a"]
    assert found.worst > 5
    assert found.scores["a"] < 0


def test_two_that_are_unusual_within_a_minute_are_one_too() -> None:
    watch = trained()
    assert feed(watch, NOW, a=3.2, b=0.0) is None  # about 4 deviations
    assert feed(watch, NOW + 59_000, a=0.0, b=3.2) is not None
    apart = trained()
    assert feed(apart, NOW, a=3.2, b=0.0) is None
    assert feed(apart, NOW + 60_000, a=0.0, b=3.2) is None


def test_it_ends_and_what_is_unknown_says_nothing() -> None:
    watch = trained()
    assert feed(watch, NOW, a=9.0) is not None
    assert watch.state(NOW + 59_999) is not None
    assert watch.state(NOW + 60_000) is None
    missing: Reading[float] = Reading.missing("stale", Status.STALE)
    assert trained().take(NOW, {"a": missing, "b": missing}) is None
    assert watch.readings(NOW)["z_a"].known


def test_a_restored_watch_goes_on() -> None:
    one = trained()
    two = AnomalyWatch()
    two.restore(msgspec.msgpack.decode(msgspec.msgpack.encode(one.dump())))
    for i in range(50):
        value = math.sin(i) * 4
        assert feed(one, NOW + i * 20_000, a=value) == feed(two, NOW + i * 20_000, a=value)


def test_a_cooldown_lets_through_once() -> None:
    cooldown = Cooldown(1000)
    assert cooldown.ready("a", 5000)
    assert not cooldown.ready("a", 5999)
    assert cooldown.ready("b", 5999)
    assert not cooldown.ready("a", 100)
    assert cooldown.ready("a", 6000)
    cooldown.rearm("a")
    assert cooldown.ready("a", 6001)
    for i in range(5000):
        cooldown.ready(i, 7000)
    assert len(cooldown._last) <= 4096
