"""Prices as samples that never overlap: nothing between two looks is lost, nothing is seen twice."""

from alerts.tape import PriceTape
from alerts.types import Sample
from market.types import Candle

MINUTE = 60_000


def bar(ts: int, low: float, high: float, close: float, open_: float | None = None) -> Candle:
    start = close if open_ is None else open_
    return Candle(ts=ts, open=start, high=high, low=low, close=close, volume=1.0)


def last(tape: PriceTape) -> Sample:
    assert tape.newest is not None
    return tape.newest


def test_a_new_high_of_the_same_minute_came_after_the_last_look() -> None:
    tape = PriceTape()
    tape.update([bar(0, 99, 101, 100)], 20_000)
    tape.update([bar(0, 99, 105, 100)], 40_000)
    assert (last(tape).low, last(tape).high, last(tape).since) == (None, 105, 20_000)


def test_an_old_high_of_the_same_minute_is_not_told_again() -> None:
    tape = PriceTape()
    tape.update([bar(0, 99, 105, 104)], 20_000)
    tape.update([bar(0, 99, 105, 100)], 40_000)
    assert (last(tape).high, last(tape).value) == (None, 100)


def test_minutes_between_two_looks_are_all_there() -> None:
    tape = PriceTape()
    tape.update([bar(0, 99, 101, 100)], 20_000)
    later = [bar(0, 98, 101, 100), bar(MINUTE, 90, 110, 100), bar(2 * MINUTE, 99, 103, 100)]
    tape.update(later, 2 * MINUTE + 5000)
    assert [(s.ts, s.low, s.high) for s in tape.after(20_000)] == [
        (MINUTE - 1, 98, None),
        (2 * MINUTE - 1, 90, 110),
        (2 * MINUTE + 5000, 99, 103),
    ]


def test_looking_twice_at_the_same_moment_adds_nothing() -> None:
    tape = PriceTape()
    for _again in range(3):
        tape.update([bar(0, 99, 101, 100)], 20_000)
    assert len(tape.after(-1)) == 1


def test_a_print_a_thousand_times_off_is_left_out_and_counted() -> None:
    tape = PriceTape()
    tape.update([bar(0, 99, 101, 100), bar(MINUTE, 99, 100_000, 100)], 2 * MINUTE)
    assert last(tape).high == 100
    assert tape.bad == 1


def test_a_price_of_nought_or_less_is_left_out() -> None:
    tape = PriceTape()
    tape.update(
        [bar(0, 99, 101, 100), bar(MINUTE, 0.0, 101, 100), bar(2 * MINUTE, 0, 0, 0)], 3 * MINUTE
    )
    assert [s.low for s in tape.after(-1)] == [99, 100]
    assert tape.bad == 2


def test_a_close_far_off_waits_for_the_next_candle_to_agree() -> None:
    tape = PriceTape()
    tape.update([bar(0, 99, 101, 100)], MINUTE)
    tape.update([bar(MINUTE, 100, 100_000, 100_000, 100)], MINUTE + 30_000)
    assert last(tape).value == 100, "one print proves nothing"
    tape.update([bar(2 * MINUTE, 99, 101, 100)], 3 * MINUTE)
    assert last(tape).value == 100
    moved = [bar(3 * MINUTE, 900, 1010, 1000), bar(4 * MINUTE, 990, 1010, 1000)]
    tape.update(moved, 5 * MINUTE)
    assert last(tape).value == 1000, "two candles agree"


def test_a_first_candle_that_is_off_is_judged_by_the_others() -> None:
    tape = PriceTape()
    rows = [bar(0, 1, 1e6, 1e6), bar(MINUTE, 99, 101, 100), bar(2 * MINUTE, 99, 101, 100)]
    tape.update(rows, 3 * MINUTE)
    assert [s.value for s in tape.after(-1)] == [100, 100]
