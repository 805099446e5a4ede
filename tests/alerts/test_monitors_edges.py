"""When a level is news: as it rises, once, again only after it fell, and never as long as it stays."""

from collections.abc import Mapping
from dataclasses import replace
from itertools import pairwise
from typing import ClassVar

from hypothesis import given
from hypothesis import strategies as st

from alerts.monitors.edges import FORGOTTEN, Edges
from alerts.monitors.kinds.base import Finding, Monitor
from alerts.monitors.types import Fact, Severity


class Level(Monitor):
    kind, title, about, unit = "level", "a level", "for a test", "%"
    defaults: ClassVar[Mapping[str, float]] = {"*": 100.0}
    cooldown = 0


class Calm(Level):
    cooldown = 60_000


def finding(size: float, **fields: object) -> Finding:
    whole = Finding(kind="level", key="k", coin="BTC", ts=0, value=size, size=size)
    return replace(whole, **fields)  # type: ignore[arg-type]


def run(monitor: Monitor, sizes: list[float], step: int = 1000) -> list[int]:
    edges = Edges()
    return [
        n for n, size in enumerate(sizes) if edges.fires(monitor, finding(size), 100.0, n * step)
    ]


def test_it_is_told_as_it_rises_and_again_only_after_it_fell_far_enough() -> None:
    assert run(Level(), [50, 101, 150, 101, 99, 101, 81, 150, 79, 101]) == [1, 9]


def test_what_equals_the_threshold_does_not_exceed_it() -> None:
    assert run(Level(), [100.0, 100.0 + 1e-12, 100.1]) == [2]


def test_within_the_cooldown_nothing_is_told_and_after_it_what_is_still_so() -> None:
    assert run(Calm(), [101, 0, 101, 0, *[0] * 60, 101]) == [0, 64]
    assert run(Calm(), [101, 0, *[101] * 70]) == [0, 60]


@given(st.lists(st.floats(0, 300, allow_nan=False), max_size=200))
def test_between_two_firings_it_was_below_the_mark_at_which_it_is_armed(sizes: list[float]) -> None:
    fired = run(Level(), sizes)
    for first, second in pairwise(fired):
        assert min(sizes[first:second]) < 80
    for n in fired:
        assert sizes[n] > 100
    above = [n for n, size in enumerate(sizes) if size > 100.001]
    assert bool(fired) == bool(above) or not above
    assert not above or fired[0] <= above[0]


def test_sides_instruments_kinds_and_thresholds_are_apart() -> None:
    edges, monitor = Edges(), Level()
    assert edges.fires(monitor, finding(150, side="buy"), 100.0, 0)
    assert edges.fires(monitor, finding(150, side="sell"), 100.0, 0)
    assert edges.fires(monitor, finding(150, side="buy", key="other"), 100.0, 0)
    assert edges.fires(monitor, finding(150, side="buy"), 120.0, 0)
    assert not edges.fires(monitor, finding(150, side="buy"), 100.0, 1)


def test_an_event_is_told_once_and_needs_no_rise() -> None:
    edges, monitor = Edges(), Calm()
    assert edges.fires(monitor, finding(150, event="a"), 100.0, 0)
    assert not edges.fires(monitor, finding(150, event="a"), 100.0, 1)
    assert edges.fires(monitor, finding(150, event="b"), 100.0, 1)
    assert not edges.fires(monitor, finding(99, event="c"), 100.0, 2)


def test_what_is_not_ripe_does_not_fire_and_is_not_used_up() -> None:
    edges, monitor = Edges(), Level()
    assert not edges.fires(monitor, finding(150, ripe=False), 100.0, 0)
    assert edges.fires(monitor, finding(150), 100.0, 1)


def fact(ts: int, threshold: float = 100.0) -> Fact:
    return Fact(
        id=1, ts=ts, kind="level", key="k", coin="BTC", severity=Severity.NOTICE, value=150,
        threshold=threshold, text="",
    )  # fmt: skip


def test_what_was_told_before_a_restart_is_no_news_as_long_as_it_stays() -> None:
    edges = Edges()
    edges.seed([fact(1000)])
    assert not edges.fires(Level(), finding(150), 100.0, 2000)
    assert edges.fires(Level(), finding(150), 120.0, 2000), "nobody was told of this level"
    assert not edges.fires(Level(), finding(50), 100.0, 3000)
    assert edges.fires(Level(), finding(150), 100.0, 4000)


def test_the_cooldown_goes_on_over_a_restart() -> None:
    edges = Edges()
    edges.seed([fact(1000), fact(31_000), fact(5000)])
    edges.fires(Calm(), finding(0), 100.0, 40_000)
    assert not edges.fires(Calm(), finding(150), 100.0, 61_500)
    assert edges.fires(Calm(), finding(150), 100.0, 91_000)


def test_levels_that_nobody_looks_at_are_forgotten_and_a_clock_set_back_blocks_nothing() -> None:
    edges = Edges()
    edges.fires(Level(), finding(150), 100.0, 0)
    edges.forget(FORGOTTEN)
    assert not edges.fires(Level(), finding(150), 100.0, FORGOTTEN)
    edges.forget(2 * FORGOTTEN + 1)
    assert edges.fires(Level(), finding(150), 100.0, 3 * FORGOTTEN)
    edges.forget(0)
    assert edges.fires(Level(), finding(150), 100.0, 1)
