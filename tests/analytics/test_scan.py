"""The scan of the whole market: real minutes only, floors labelled, milliseconds."""

import math
import random
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics.scan import MOVES, SLACK, Scan, ScanResult
from market.types import Kind, Status

MINUTE = 60_000
START = 1_735_689_600_000

Rows = dict[str, tuple[float, float | None]]


def looks(*prices: float | None, step: int = MINUTE, volume: float = 1e9) -> list[ScanResult]:
    """One look a step at A, whose price may be absent, and B, which stands still."""
    scan, found = Scan(), []
    for i, price in enumerate(prices):
        rows: Rows = {"B": (50.0, volume)}
        if price is not None:
            rows["A"] = (price, volume)
        found.append(scan.update(START + i * step, rows))
    return found


def moved(result: ScanResult) -> list[tuple[str, int]]:
    return [(each.key, each.minutes) for each in result.movers]


def test_a_move_of_more_than_two_percent_in_a_minute() -> None:
    found = looks(100.0, 102.0, 104.05, 101.5)
    assert [moved(each) for each in found] == [[], [], [("A", 1)], [("A", 1)]]
    mover = found[2].movers[0]
    assert (mover.price, mover.before, mover.since) == (104.05, 102.0, START + MINUTE)
    assert mover.change == pytest.approx(104.05 / 102 - 1)
    assert found[3].movers[0].change < 0


def test_a_move_of_more_than_five_percent_in_five_minutes() -> None:
    found = looks(100.0, 101.0, 102.0, 103.0, 104.0, 105.0, 106.1)
    assert moved(found[5]) == []
    assert moved(found[6]) == [("A", 5)]
    assert found[6].movers[0].before == 101.0


def test_a_missed_minute_makes_no_mover() -> None:
    scan = Scan()
    scan.update(START, {"A": (100.0, 1e9)})
    found = scan.update(START + 2 * MINUTE, {"A": (103.0, 1e9)})
    assert (found.movers, found.compared) == ((), {})
    assert found.coverage(1).status is Status.INSUFFICIENT
    absent = looks(100.0, None, 103.0)
    assert moved(absent[2]) == []
    assert absent[2].compared[1] == 1  # B
    assert absent[2].coverage(1).value == 0.5


def test_a_new_listing_has_no_past() -> None:
    found = looks(None, None, 5.0, 5.2)
    assert moved(found[2]) == []
    assert moved(found[3]) == [("A", 1)]


def test_a_wild_price_waits_for_the_next_look() -> None:
    found = looks(100.0, 100_000.0, 100.5)
    assert [moved(each) for each in found] == [[], [], []]
    assert found[1].held == 1
    true = looks(100.0, 700.0, 705.0, 706.0)
    assert [moved(each) for each in true] == [[], [], [], []]  # a minute without a past again
    assert moved(looks(100.0, 700.0, 705.0, 750.0)[3]) == [("A", 1)]


@pytest.mark.parametrize("bad", [math.nan, math.inf, 0.0, -5.0])
def test_what_is_no_price_is_no_price(bad: float) -> None:
    found = looks(100.0, bad, 101.0, 104.0)
    assert [moved(each) for each in found] == [[], [], [], [("A", 1)]]
    assert found[1].compared[1] == 1


def test_a_volume_spike_is_a_floor_and_says_so() -> None:
    scan, day = Scan(), 288e6  # a million each five minutes
    for i in range(5):
        scan.update(START + i * MINUTE, {"A": (100.0, day), "B": (100.0, day)})
    found = scan.update(START + 5 * MINUTE, {"A": (101.0, day + 4e6), "B": (101.0, day + 2e6)})
    assert [each.key for each in found.spikes] == ["A"]
    spike = found.spikes[0]
    assert spike.ratio == pytest.approx(4.0)
    assert (spike.value, spike.minutes, spike.kind) == (4e6, 5, Kind.APPROX)
    assert spike.change == pytest.approx(0.01)


def test_what_left_the_day_makes_no_spike_and_neither_does_a_dead_market() -> None:
    scan = Scan()
    for i in range(6):
        rows: Rows = {
            "fewer": (100.0, 288e6 - i * 1e6),
            "dead": (100.0, 288e3 + i * 4e3),
            "none": (100.0, None),
            "nan": (100.0, math.nan),
            "zero": (100.0, 0.0 if i < 5 else 1e9),
        }
        found = scan.update(START + i * MINUTE, rows)
    assert found.spikes == ()


def test_a_look_that_is_not_later_is_left_out() -> None:
    scan = Scan()
    scan.update(START, {"A": (100.0, 1e9)})
    assert scan.update(START, {"A": (200.0, 1e9)}).rows == 0
    assert scan.update(START - MINUTE, {"A": (200.0, 1e9)}).rows == 0
    assert moved(scan.update(START + MINUTE, {"A": (100.0, 1e9)})) == []
    assert scan.update(START + 2 * MINUTE, {}).rows == 0


@given(
    st.lists(
        st.tuples(
            st.integers(20_000, 150_000),
            st.dictionaries(st.sampled_from("ABCD"), st.floats(0.93, 1.07), max_size=4),
        ),
        min_size=1,
        max_size=40,
    )
)
@settings(max_examples=120, deadline=None)
def test_movers_equal_the_slow_answer(steps: list[tuple[int, dict[str, float]]]) -> None:
    scan, ts, looks_before = Scan(), START, []
    prices = dict.fromkeys("ABCD", 100.0)
    for step, factors in steps:
        if not factors:
            continue
        ts += step
        for key, factor in factors.items():
            prices[key] *= factor
        rows: Rows = {key: (prices[key], None) for key in factors}
        found = scan.update(ts, rows)
        expected, edges = set(), set()
        for minutes, limit in MOVES.items():
            past = [(abs(ts - at - minutes * MINUTE), look) for at, look in looks_before]
            past = [each for each in past if each[0] <= SLACK]
            nearest = min((distance for distance, _look in past), default=0)
            for look in [look for distance, look in past if distance == nearest]:
                for key in factors.keys() & look.keys():
                    change = abs(prices[key] / look[key] - 1)
                    if abs(change - limit) < 1e-9 or len(past) > 1:
                        edges.add((key, minutes))  # on the edge, or two looks as near as each other
                    if change > limit:
                        expected.add((key, minutes))
        looks_before.append((ts, {key: prices[key] for key in factors}))
        assert set(moved(found)) - edges == expected - edges


def test_the_delisted_are_forgotten_and_their_rows_used_again() -> None:
    scan = Scan()
    for i in range(200):
        rows: Rows = {f"{i // 50}-{k}": (100.0, 1e9) for k in range(300)}
        scan.update(START + i * MINUTE, rows)
    assert len(scan) <= 900
    assert len(scan._last) <= 1024
    assert moved(scan.update(START + 200 * MINUTE, {"0-7": (500.0, 1e9)})) == []


def test_six_hundred_instruments_take_less_than_five_milliseconds() -> None:
    rng, scan, best = random.Random(1), Scan(), math.inf
    prices = {f"binance:C{k}/USDT:USDT": 100.0 for k in range(600)}
    for i in range(70):
        for key in prices:
            prices[key] *= math.exp(rng.gauss(0, 0.01))
        rows: Rows = {key: (price, 1e9) for key, price in prices.items()}
        began = time.perf_counter()
        found = scan.update(START + i * MINUTE, rows)
        best = min(best, time.perf_counter() - began) if i > 5 else best
    assert len(found.movers) > 10
    assert best < 0.005
