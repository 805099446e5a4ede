"""The correlation watch says bar by bar what the batch says of the whole."""

import math
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from vector_files import cases, close, name

from analytics.correlation import correlation
from analytics.links import CorrelationWatch
from market.types import HOUR, Status


def walk(count: int, seed: int, link: float = 0.8) -> tuple[list[float], list[float]]:
    rng = np.random.default_rng(seed)
    common, own = rng.normal(0, 0.01, count), rng.normal(0, 0.01, count)
    a = 100 * np.exp(np.cumsum(common))
    return a.tolist(), (50 * np.exp(np.cumsum(link * common + (1 - link) * own))).tolist()


def fed(a: list[float], b: list[float], **kwargs: int) -> CorrelationWatch:
    watch = CorrelationWatch(("A", "B"), **kwargs)
    for i, (x, y) in enumerate(zip(a, b, strict=True)):
        watch.close(0, i * HOUR, x)
        watch.close(1, i * HOUR, y)
    return watch


@pytest.mark.parametrize("case", cases("correlation"), ids=name)
def test_vectors(case: dict[str, Any]) -> None:
    inputs, expected, tol = case["inputs"], case["expected"], case["tol"]
    a, b = inputs["prices_a"], inputs["prices_b"]
    found = fed(a, b, history=max(200, len(a))).state(len(a) * HOUR)
    if expected["current"] is None:
        assert found is None or found.current is None
        return
    assert found is not None
    assert close(found.current, expected["current"], tol)
    assert close(found.baseline, expected["baseline"], tol)
    assert close(found.fisher_z, expected["fisher_z"], tol)
    assert found.broken is expected["is_break"]


@given(seed=st.integers(0, 10_000), count=st.integers(2, 420), flat=st.booleans())
@settings(max_examples=40, deadline=None)
def test_it_equals_the_batch_of_its_history(seed: int, count: int, flat: bool) -> None:
    a, b = walk(count, seed)
    if flat:
        b[count // 3 : count // 3 + 80] = [b[count // 3]] * len(b[count // 3 : count // 3 + 80])
    history = 300
    watch = fed(a, b, history=history)
    batch = correlation(a[-history - 1 :], b[-history - 1 :])
    found = watch.state(count * HOUR)
    if count <= 50:
        assert found is None
        assert batch.current is None
        return
    assert found is not None
    for got, expected in ((found.current, batch.current), (found.baseline, batch.baseline)):
        assert (got is None) == (expected is None)
        if expected is not None:
            assert got == pytest.approx(expected, abs=1e-9)
    assert (found.broken, found.decoupling) == (batch.broken, batch.decoupling)


def test_a_break_is_seen_on_the_bar_that_makes_it() -> None:
    a, b = walk(400, 3)
    c, d = walk(400, 4, link=-0.8)
    joined = [x * a[-1] / c[0] for x in c], [y * b[-1] / d[0] for y in d]
    watch = fed(a + joined[0][1:60], b + joined[1][1:60])
    found = watch.state(459 * HOUR)
    assert found is not None
    assert found.broken
    assert found.baseline is not None
    assert found.baseline > 0.8
    assert watch.readings(459 * HOUR)["correlation_change"].value == found.change


def test_bars_are_joined_whichever_comes_first_and_nothing_is_filled() -> None:
    a, b = walk(200, 5)
    holes = {10, 50, 51, 120}
    apart = CorrelationWatch(("A", "B"))
    for i in range(200):
        apart.close(1, i * HOUR, b[i])
    for i in range(200):
        if i not in holes:
            apart.close(0, i * HOUR, a[i])
    kept = [i for i in range(200) if i not in holes]
    batch = correlation([a[i] for i in kept], [b[i] for i in kept])
    found = apart.state(200 * HOUR)
    assert found is not None
    assert found.current == pytest.approx(batch.current)
    loaded = CorrelationWatch(("A", "B"))
    loaded.load({i * HOUR: a[i] for i in kept}, {i * HOUR: b[i] for i in range(200)})
    assert loaded.state(200 * HOUR) == found


def test_flat_prices_have_no_correlation_and_no_alert() -> None:
    a, _b = walk(300, 6)
    watch = fed(a, [7.0] * 300)
    found = watch.state(300 * HOUR)
    assert found is not None
    assert (found.current, found.broken, found.decoupling) == (None, False, False)
    reading = watch.readings(300 * HOUR)["correlation"]
    assert (reading.value, reading.status) == (None, Status.UNDEFINED)


def test_short_and_old_are_reasons() -> None:
    a, b = walk(120, 7)
    short = fed(a[:20], b[:20]).readings(20 * HOUR)["correlation"]
    assert (short.value, short.reason) == (None, "needs 51 common bars, has 20")
    watch = fed(a, b)
    assert watch.readings(120 * HOUR)["correlation"].known
    base = watch.readings(120 * HOUR)["correlation_base"]
    assert (base.value, base.status) == (None, Status.INSUFFICIENT)
    assert watch.readings(123 * HOUR)["correlation"].status is Status.STALE
    assert watch.state(123 * HOUR) is None


def test_what_is_no_close_does_not_get_in() -> None:
    a, b = walk(120, 8)
    watch = fed(a, b)
    before = watch.dump()
    for bad in (math.nan, math.inf, 0.0, -1.0):
        assert watch.close(0, 120 * HOUR, bad) is None
    assert watch.close(0, 5 * HOUR, 1.0) is None  # passed
    assert watch.close(1, 120 * HOUR + 5, 1.0) is None
    assert (watch.refused, watch.dump()) == (6, before)
    for i in range(5000):
        watch.close(0, (200 + i) * HOUR, 1.0)
    assert len(watch._waiting[0]) <= 200


def test_a_restored_watch_goes_on() -> None:
    a, b = walk(400, 9)
    one = fed(a[:300], b[:300])
    two = CorrelationWatch(("A", "B"))
    two.restore(msgspec.msgpack.decode(msgspec.msgpack.encode(one.dump())))
    for i in range(300, 400):
        for watch in (one, two):
            watch.close(0, i * HOUR, a[i])
        assert one.close(1, i * HOUR, b[i]) == two.close(1, i * HOUR, b[i])
