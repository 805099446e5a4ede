"""Numbers are taken once in any order, and what is missing is exactly what was not taken."""

import random

from flow_samples import BTC, T0
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics.cvd import FlowLog
from analytics.sequence import Hole, Sequence
from market.types import Side, Trade


def numbered(number: int, ts: int | None = None, price: float = 100.0) -> Trade:
    return Trade(
        instrument=BTC, ts=T0 + number * 10 if ts is None else ts, price=price, amount=1.0,
        side=Side.BUY, id=str(number), seq=number,
    )  # fmt: skip


def missing(numbers: Sequence) -> set[int]:
    return {each for hole in numbers.holes() for each in range(hole.first, hole.last + 1)}


ARRIVALS = st.lists(st.integers(100, 160), min_size=1, max_size=150)  # any order, drops, duplicates


@given(arrivals=ARRIVALS)
@settings(max_examples=300, deadline=None)
def test_it_equals_a_set_under_shuffles_duplicates_drops_and_fills(arrivals: list[int]) -> None:
    numbers, seen, newest = Sequence(), set(), -1
    for number in arrivals:
        ts = T0 + number * 10
        assert numbers.add(number, ts, newest) is (number not in seen)
        newest = max(newest, ts)
        seen.add(number)
        assert missing(numbers) == set(range(min(seen), max(seen) + 1)) - seen
    assert numbers.next == max(seen) + 1
    for hole in numbers.holes():
        assert hole.after_ts == T0 + (hole.first - 1) * 10  # the neighbours of each hole
        assert hole.before_ts == T0 + (hole.last + 1) * 10


@given(arrivals=ARRIVALS)
@settings(max_examples=60, deadline=None)
def test_a_dump_goes_on_where_it_was_made(arrivals: list[int]) -> None:
    one, newest = Sequence(), -1
    for number in arrivals[: len(arrivals) // 2]:
        one.add(number, T0 + number * 10, newest)
        newest = max(newest, T0 + number * 10)
    two = Sequence()
    two.restore(one.dump())
    for number in arrivals[len(arrivals) // 2 :]:
        ts = T0 + number * 10
        assert one.add(number, ts, newest) == two.add(number, ts, newest)
        newest = max(newest, ts)
    assert one.holes() == two.holes()


def test_new_holes_are_handed_out_once_and_only_while_they_are_open() -> None:
    numbers = Sequence()
    for number in (1, 2, 6, 9):
        numbers.add(number, T0 + number, T0)
    numbers.add(7, T0 + 7, T0 + 9)
    assert numbers.new_holes() == [Hole(3, 5, T0 + 2, T0 + 6), Hole(8, 8, T0 + 7, T0 + 9)]
    assert numbers.new_holes() == []
    numbers.add(12, T0 + 12, T0 + 9)
    for number in (10, 11):
        numbers.add(number, T0 + number, T0 + 12)
    assert numbers.new_holes() == []


def test_of_many_holes_at_once_every_one_is_handed_out() -> None:
    numbers = Sequence()
    for number in range(0, 402, 2):
        numbers.add(number, T0 + number, T0 + number)
    numbers.add(7, T0 + 7, T0 + 400)
    assert [hole.first for hole in numbers.new_holes()] == [n for n in range(1, 400, 2) if n != 7]
    assert numbers.new_holes() == []
    numbers.add(403, T0 + 403, T0 + 400)
    assert [hole.first for hole in numbers.new_holes()] == [401]


def test_numbers_before_the_first_are_a_past_that_is_fetched_and_no_new_hole() -> None:
    numbers = Sequence()
    numbers.add(100, T0 + 100, -1)
    assert numbers.add(90, T0 + 90, T0 + 100)
    assert missing(numbers) == set(range(91, 100))
    assert all(numbers.add(each, T0 + each, T0 + 100) for each in range(91, 100))
    assert numbers.holes() == []
    assert numbers.new_holes() == []
    assert not numbers.add(95, T0 + 95, T0 + 100)


def test_of_too_many_holes_the_oldest_is_given_up_for_good() -> None:
    numbers = Sequence(holes=3)
    for number in range(0, 12, 2):
        numbers.add(number, T0 + number, T0 + number)
    assert [hole.first for hole in numbers.holes()] == [5, 7, 9]
    assert numbers.given_up == [(T0 - 1, T0 + 2), (T0 + 1, T0 + 4)]
    assert not numbers.add(1, T0 + 1, T0 + 10)
    assert numbers.add(5, T0 + 5, T0 + 10)


def test_a_venue_that_counts_anew_is_no_stream_of_duplicates() -> None:
    numbers = Sequence()
    for number in (500, 501, 503):
        numbers.add(number, T0 + number, T0 + number)
    assert not numbers.add(501, T0 + 501, T0 + 503)
    assert numbers.add(502 - 1, T0 + 9000, T0 + 503)
    assert numbers.add(502, T0 + 9001, T0 + 9000)
    assert (numbers.restarts, numbers.next, numbers.holes()) == (1, 503, [])
    assert numbers.given_up == [(T0 + 500, T0 + 503), (T0 + 502, T0 + 9000)]
    assert numbers.new_holes() == []  # there is no number to ask for


def test_a_flow_marks_the_time_of_missing_numbers_until_they_arrive() -> None:
    log = FlowLog(BTC, T0)
    assert len(log.take([numbered(each) for each in (1, 2, 3, 7, 8, 12)])) == 6
    spans = [(gap.from_ts - T0, gap.to_ts - T0) for gap in log.gaps(T0, T0 + 500)]
    assert spans == [(29, 70), (79, 120)]  # the third and the eighth may share their ms
    assert [hole[:2] for hole in log.new_holes()] == [(4, 6), (9, 11)]
    assert log.gaps(T0 + 70, T0 + 79) == []
    assert log.add_all([numbered(each) for each in (4, 5, 6, 6, 8)]) == 3
    assert [(gap.from_ts - T0, gap.to_ts - T0) for gap in log.gaps(T0, T0 + 500)] == [(79, 120)]
    assert log.duplicates == 2
    log.close_gap(T0 + 80, T0 + 120)  # the venue was asked and has no more
    assert log.gaps(T0, T0 + 500) == []
    assert log.window(T0, T0 + 500).n == 9


def test_a_missing_trade_of_the_last_millisecond_of_a_second_is_within_the_gap() -> None:
    log = FlowLog(BTC, T0)
    log.take([numbered(1, T0 + 2000), numbered(3, T0 + 2500)])  # the second was of T0 + 2000
    assert log.gaps(T0 + 1000, T0 + 2000)


def test_missing_numbers_within_one_millisecond_are_a_gap_too() -> None:
    log = FlowLog(BTC, T0)
    log.take([numbered(1, T0 + 5), numbered(3, T0 + 5)])
    (gap,) = log.gaps(T0, T0 + 10)
    assert gap.from_ts < T0 + 5 <= gap.to_ts
    log.close_gap(T0 + 5, T0 + 5)
    assert log.gaps(T0, T0 + 10) == []


def test_holes_that_are_given_up_stay_blind() -> None:
    log = FlowLog(BTC, T0)
    log.take([numbered(each) for each in range(1, 1200, 2)])
    assert len(log.holes()) == 256
    assert len(log.gaps(T0, T0 + 20_000)) > 0
    (gap,) = log.gaps(T0, T0 + 20)
    assert gap.from_ts == T0 + 9


def test_what_is_given_up_is_told_once_and_no_fill_ends_it() -> None:
    log = FlowLog(BTC, T0)
    log.take([numbered(each) for each in range(1, 1200, 2)])
    (lost,) = log.new_losses()
    assert lost == (T0 + 9, T0 + (599 - 256) * 20 + 10)
    assert log.new_losses() == []
    assert log.add_all([numbered(each) for each in range(1, 1200)]) == 256
    log.close_gap(T0, T0 + 20_000)
    assert log.blind() == [lost]
    other = FlowLog(BTC)
    other.restore(log.dump(T0 + 20_000))
    other.close_gap(T0, T0 + 20_000)
    assert other.blind() == [lost]


def test_a_burst_with_everything_wrong_is_counted_once() -> None:
    dice = random.Random(11)
    arrived = [numbered(each) for each in range(1, 5001)]
    arrived = [each for each in arrived if dice.random() > 0.01]
    arrived = sorted(arrived, key=lambda each: each.ts + dice.choice((0, 0, 0, 400)))
    arrived = [each for each in arrived for _ in range(dice.choice((1, 1, 1, 2)))]
    log = FlowLog(BTC, T0)
    at = 0
    while at < len(arrived):
        size = dice.choice((1, 2, 50, 300))
        log.take(arrived[at : at + size])
        at += size
    seen = {each.seq for each in arrived}
    assert (log.trades, log.duplicates) == (len(seen), len(arrived) - len(seen))
    lost = {each for hole in log.holes() for each in range(hole.first, hole.last + 1)}
    assert lost == set(range(min(seen), max(seen) + 1)) - seen  # type: ignore[type-var]
    assert log.add_all([numbered(each) for each in range(1, 5001)]) == 5000 - len(seen)
    assert (log.trades, log.holes(), log.gaps(T0, T0 + 60_000)) == (5000, [], [])


def test_the_time_before_a_venue_counts_anew_stays_blind() -> None:
    log = FlowLog(BTC, T0)
    log.take([numbered(each) for each in (500, 501, 503)])
    assert log.take([numbered(1, T0 + 90_000), numbered(2, T0 + 90_001)])
    spans = [(gap.from_ts - T0, gap.to_ts - T0) for gap in log.gaps(T0, T0 + 90_001)]
    assert spans == [(5009, 90_000)]
    assert log.new_holes() == []
    assert log.trades == 5
