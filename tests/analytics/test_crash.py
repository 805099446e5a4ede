"""Flash crashes: two sources have to agree; lone prints, venues astray and stopped feeds confirm nothing."""

import math
import random

import pytest
from flow_samples import T0
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics.crash import BUCKET, SPAN, Crash, FlashCrash, Source, _Feed
from market.types import Reading, Status

CALM = Reading(value=0.001, as_of=T0)


def watch(atr: Reading[float] = CALM) -> FlashCrash:
    crash = FlashCrash("BTC")
    crash.atr(atr)
    return crash


def play(
    crash: FlashCrash,
    rows: list[tuple[int, float]],
    *venues: str,
    kind: Source = "trade",
) -> list[Crash]:
    """The same prices on all venues, two prints each."""
    found = []
    for ms, price in rows:
        for i, venue in enumerate(venues):
            for again in range(2):
                one = crash.take(venue, T0 + ms + 10 * i + again, price, kind)
                if one is not None:
                    found.append(one)
    return found


FALL = [(0, 100.0), (1000, 100.0), (5000, 98.5), (8000, 97.0), (9000, 96.0)]


def test_a_fall_on_two_venues_is_a_crash_at_once() -> None:
    crash = watch()
    found = play(crash, FALL, "binance", "okx")
    assert len(found) == 1
    assert (found[0].direction, found[0].level, found[0].venues) == ("down", 1, ("binance", "okx"))
    assert found[0].start == 100.0
    assert found[0].ts - T0 == pytest.approx(8011, abs=10)  # 97.0: exactly 3 %
    assert found[0].size <= -0.03
    assert crash.reading(T0 + 9000).value == "down"
    state = crash.state(T0 + 9500)
    assert state is not None
    assert state.extreme == 96.0  # followed down


def test_a_rise_is_one_as_well() -> None:
    found = play(watch(), [(0, 100.0), (5000, 101.8), (9000, 103.5)], "binance", "okx")
    assert [each.direction for each in found] == ["up"]


def test_one_venue_alone_is_no_crash_and_the_index_confirms_it() -> None:
    alone = watch()
    play(alone, [(ms, 100.0) for ms in range(0, 9000, 1000)], "okx")
    assert play(alone, FALL, "binance") == []
    both = watch()
    play(both, FALL, "binance")
    found = play(both, FALL, "binance", kind="index")
    assert [each.venues for each in found] == [("binance", "index")]
    index = watch()
    assert play(index, FALL, "binance", kind="index") == []


def test_two_kinds_of_one_venue_are_one_venue() -> None:
    crash = watch()
    assert play(crash, FALL, "binance", kind="trade") == []
    assert play(crash, FALL, "binance", kind="mid") == []


def test_less_than_three_percent_and_slower_than_a_minute_is_none() -> None:
    assert play(watch(), [(0, 100.0), (5000, 97.01)], "binance", "okx") == []
    slow = [(ms, 100.0 - ms / 15_000) for ms in range(0, 120_000, 1000)]  # 4 % in a minute
    assert len(play(watch(), slow, "binance", "okx")) == 1
    slower = [(ms, 100.0 - ms / 30_000) for ms in range(0, 120_000, 1000)]  # 2 % in a minute
    assert play(watch(), slower, "binance", "okx") == []


def test_a_wild_coin_has_to_move_six_times_its_range() -> None:
    wild = watch(Reading(value=0.01, as_of=T0))
    assert wild.threshold(T0) == (0.06, "")
    assert play(wild, FALL, "binance", "okx") == []
    assert len(play(wild, [(10_000, 93.0)], "binance", "okx")) == 1


@pytest.mark.parametrize(
    "atr",
    [
        Reading.missing("no candles", Status.INSUFFICIENT),
        Reading(value=0.001, as_of=T0 - 2 * 3_600_000),
        Reading(value=math.nan, as_of=T0),
    ],
)
def test_without_a_range_more_is_asked_and_it_says_so(atr: Reading[float]) -> None:
    crash = watch(atr)
    assert play(crash, FALL, "binance", "okx") == []
    found = play(crash, [(10_000, 94.0)], "binance", "okx")
    assert len(found) == 1
    assert "not known" in found[0].note


def test_a_lone_print_is_nothing() -> None:
    crash = watch()
    for second in range(30):
        for venue in ("binance", "okx"):
            price = 50.0 if second == 15 else 100.0
            assert crash.take(venue, T0 + second * 1000, price, "trade") is None


def test_a_fall_in_large_steps_is_followed() -> None:
    """A mark price of once a second falls 2 % with every tick."""
    crash = watch()
    found = []
    for second in range(12):
        price = 100.0 * 0.98 ** max(0, second - 4)
        for venue in ("binance", "okx"):
            one = crash.take(venue, T0 + second * 1000, price, "mark")
            if one is not None:
                found.append(one)
    assert len(found) == 1
    assert found[0].ts <= T0 + 7000


def test_a_print_beyond_the_fall_does_not_count_as_its_depth() -> None:
    feed = _Feed("binance", "trade")
    for ts, price in ((0, 100.0), (1, 50.0), (2, 98.5), (3, 98.4)):
        feed.take(T0 + ts, price)
    assert feed.price == 98.4
    assert feed.move(T0 + 3)[0] == pytest.approx(-0.016)


def test_a_venue_astray_from_the_others_confirms_nothing() -> None:
    crash = watch()
    steady = [(ms, 100.0) for ms in range(0, 10_000, 500)]
    play(crash, steady, "bybit", "hyperliquid", "coinbase")
    assert play(crash, FALL, "binance", "okx") == []  # three others stand at 100
    late = FlashCrash("BTC")
    late.atr(CALM)
    play(late, steady, "bybit")
    found = play(late, FALL, "binance", "okx")
    assert [each.venues for each in found] == [("binance", "okx")]


def test_a_feed_that_stopped_confirms_nothing() -> None:
    crash = watch()
    play(crash, [(0, 100.0), (1000, 96.0)], "okx")
    assert play(crash, [(0, 100.0), (7000, 96.0)], "binance") == []
    assert play(crash, [(7500, 96.0)], "okx", "binance") != []


def test_half_made_good_within_five_minutes_is_level_two() -> None:
    crash = watch()
    play(crash, [*FALL, (12_000, 95.0)], "binance", "okx")
    assert play(crash, [(30_000, 97.4)], "binance", "okx") == []
    found = play(crash, [(40_000, 97.6)], "binance", "okx")
    assert [(each.level, each.extreme) for each in found] == [(2, 95.0)]
    assert play(crash, [(50_000, 99.0)], "binance", "okx") == []
    too_late = watch()
    play(too_late, FALL, "binance", "okx")
    play(too_late, [(ms, 96.0) for ms in range(10_000, 310_000, 1000)], "binance", "okx")
    assert play(too_late, [(312_000, 99.0), (312_500, 99.0)], "binance", "okx") != []  # a rise
    state = too_late.state(T0 + 313_000)
    assert state is not None
    assert (state.direction, state.level) == ("up", 1)


def test_unknown_is_not_calm() -> None:
    crash = watch()
    assert crash.reading(T0).status is Status.INSUFFICIENT
    play(crash, [(0, 100.0)], "binance")
    assert crash.reading(T0).value is None
    play(crash, [(0, 100.0)], "okx")
    assert crash.reading(T0 + 20).value == "none"
    assert crash.reading(T0 + 10_000).value is None


def test_what_is_no_price_is_refused() -> None:
    crash = watch()
    for bad in (math.nan, math.inf, 0.0, -5.0):
        assert crash.take("binance", T0, bad, "trade") is None
    assert crash.refused == 4
    assert len(play(crash, FALL, "binance", "okx")) == 1


@given(
    st.lists(st.tuples(st.integers(0, 20_000), st.floats(0.991, 1.009)), min_size=1, max_size=120)
)
@settings(max_examples=150, deadline=None)
def test_the_extremes_are_those_of_the_last_minute(steps: list[tuple[int, float]]) -> None:
    feed, ts, price, seen = _Feed("binance", "trade"), T0, 100.0, []
    for step, factor in steps:
        ts, price = ts + step, price * factor
        seen.append((ts, price))
        assert feed.take(ts, price)
        oldest = (ts - SPAN) // BUCKET
        inside = [p for t, p in seen if t // BUCKET > oldest]
        fall, rise = price / max(inside) - 1, price / min(inside) - 1
        expected = rise if abs(rise) > abs(fall) else fall
        assert abs(feed.move(ts)[0]) == pytest.approx(abs(expected), abs=1e-12)


def test_memory_is_bounded_in_the_longest_fall() -> None:
    feed, price = _Feed("binance", "trade"), 1e6
    for i in range(50_000):
        price *= 0.99999
        feed.take(T0 + i * 7, price)
    assert len(feed._high._rows) <= SPAN // BUCKET + 1
    assert len(feed._low._rows) <= SPAN // BUCKET + 1


def test_a_noisy_market_is_quiet() -> None:
    rng, crash = random.Random(1), watch()
    price = 100.0
    for i in range(20_000):
        price *= math.exp(rng.gauss(0, 0.0002))
        venue = rng.choice(["binance", "okx", "bybit"])
        assert crash.take(venue, T0 + i * 100, price, "trade") is None
