"""Rules of parts by hand: and, or, not, for how long, one after the other; what is not known, and restarts."""

import pytest

from alerts.fast.engine import Engine
from alerts.types import (
    AlertState,
    AllOf,
    AnyOf,
    Condition,
    Cross,
    Event,
    For,
    Metric,
    Not,
    Op,
    Repeat,
    Rise,
    Sample,
    State,
    Then,
)

COIN = "binance:BTC/USDT:USDT"
PRICE = Metric(subject=COIN, name="price")
FUNDING = Metric(subject=COIN, name="funding")
OI = Metric(subject="*:BTC", name="open_interest", window=3_600_000)
WHALE = Metric(subject=COIN, name="whale")
SECOND, MINUTE, HOUR = 1_000, 60_000, 3_600_000

HIGH = State(metric=PRICE, op=Op.ABOVE, level=100.0, rearm=98.0)
PAID = State(metric=FUNDING, op=Op.ABOVE, level=0.0003)
RISES = Rise(metric=OI, amount=0.03, relative=True)
CROSSES = Cross(metric=PRICE, op=Op.ABOVE, level=100.0, touch=True)
PRINT = Event(metric=WHALE, level=500_000.0)


class Desk:
    """One rule; `feed` takes (metric, second, value) and tells in which seconds it fired."""

    def __init__(
        self, condition: Condition, *, repeat: Repeat = Repeat.EVERY, cooldown: int = 0, fresh: int = HOUR
    ) -> None:  # fmt: skip
        self.condition, self.repeat, self.cooldown, self.fresh = condition, repeat, cooldown, fresh
        self.engine = Engine(lambda _metric: fresh)
        self.start(())

    def start(self, states: object) -> None:
        self.engine.add(
            7, self.condition, repeat=self.repeat, cooldown=self.cooldown, states=states
        )

    def restart(self) -> None:
        states = self.engine.states(7)
        self.engine = Engine(lambda _metric: self.fresh)
        self.start(states)

    def feed(self, *samples: tuple[Metric | None, int, float]) -> list[int]:
        out: list[int] = []
        for metric, second, value in samples:
            ts = second * SECOND
            found = self.engine.turn(ts) if metric is None else self.engine.tick(metric, ts, value)
            out += [each.state.fired_ts // SECOND for each in found]
        return out


def test_all_parts_have_to_hold_and_becoming_true_is_told_once() -> None:
    desk = Desk(AllOf(parts=(HIGH, PAID)))
    assert desk.feed((PRICE, 1, 99), (FUNDING, 2, 0.001), (PRICE, 3, 101), (PRICE, 4, 102)) == [3]
    assert desk.feed((FUNDING, 5, 0.0), (FUNDING, 6, 0.001)) == [6]


def test_what_is_true_when_it_is_first_known_is_learnt_and_not_told() -> None:
    desk = Desk(AllOf(parts=(HIGH, PAID)), cooldown=MINUTE)
    assert desk.feed((PRICE, 1, 101), (FUNDING, 2, 0.001), (PRICE, 90, 103)) == []
    assert desk.feed((PRICE, 91, 97), (PRICE, 92, 101)) == [92]


def test_a_state_stays_true_within_its_band() -> None:
    desk = Desk(AllOf(parts=(HIGH, PAID)))
    assert desk.feed((FUNDING, 1, 0.0), (PRICE, 2, 101), (PRICE, 3, 99), (FUNDING, 4, 0.001)) == [4]


def test_any_part_is_enough_and_another_one_changes_nothing() -> None:
    desk = Desk(AnyOf(parts=(HIGH, PAID)))
    assert desk.feed((PRICE, 1, 99), (FUNDING, 1, 0), (PRICE, 2, 101), (FUNDING, 3, 0.001)) == [2]


def test_not_needs_to_know() -> None:
    desk = Desk(AllOf(parts=(HIGH, Not(part=PAID))))
    assert desk.feed((PRICE, 1, 99), (PRICE, 2, 101)) == [], "funding is not known"
    assert desk.feed((PRICE, 3, 97), (FUNDING, 4, 0.0), (PRICE, 5, 101)) == [5]
    desk.engine.unknown(FUNDING)
    assert desk.feed((PRICE, 6, 97), (PRICE, 7, 101)) == []


def test_a_figure_that_is_too_old_holds_nothing_back_and_fires_nothing() -> None:
    desk = Desk(AllOf(parts=(HIGH, PAID)), fresh=10 * SECOND)
    assert desk.feed((FUNDING, 1, 0.001), (PRICE, 2, 99), (PRICE, 13, 101)) == []
    assert desk.feed((FUNDING, 14, 0.001)) == [14], "known again, and it became true meanwhile"


def test_it_fires_again_after_each_cooldown_while_it_stays_true() -> None:
    desk = Desk(AllOf(parts=(HIGH, PAID)), cooldown=10 * SECOND)
    assert desk.feed((FUNDING, 1, 0.001), (PRICE, 2, 99), (PRICE, 3, 101)) == [3]
    assert desk.feed((None, 12, 0), (None, 13, 0), (None, 14, 0), (PRICE, 24, 102)) == [13, 24]


def test_always_has_no_cooldown_and_once_is_once() -> None:
    path = [(PRICE, n, 101.0 if n % 2 == 0 else 97.0) for n in range(3, 11)]
    start = [(FUNDING, 1, 0.001), (PRICE, 2, 97.0)]
    both = AllOf(parts=(HIGH, PAID))
    assert Desk(both, repeat=Repeat.ALWAYS, cooldown=HOUR).feed(*start, *path) == [4, 6, 8, 10]
    assert Desk(both, repeat=Repeat.ONCE).feed(*start, *path) == [4]


def test_a_crossing_is_true_for_its_moment_only() -> None:
    desk = Desk(AllOf(parts=(CROSSES, PAID)))
    assert desk.feed((PRICE, 1, 99), (PRICE, 2, 101), (FUNDING, 3, 0.001)) == []
    assert desk.feed((PRICE, 4, 99), (PRICE, 5, 101), (PRICE, 6, 102)) == [5]


def test_an_event_counts_with_what_holds_at_its_moment() -> None:
    desk = Desk(AllOf(parts=(PRINT, HIGH)))
    assert desk.feed((WHALE, 1, 9e5), (PRICE, 2, 101), (WHALE, 3, 4e5), (WHALE, 4, 6e5)) == [4]
    assert desk.feed((WHALE, 5, 6e5)) == [5]


def test_the_first_event_ever_is_told_even_beside_a_figure_nobody_knows() -> None:
    assert Desk(AnyOf(parts=(PRINT, HIGH))).feed((WHALE, 1, 6e5), (WHALE, 2, 6e5)) == [1, 2]


def test_an_event_is_no_end_of_what_does_not_want_it() -> None:
    desk = Desk(AllOf(parts=(HIGH, Not(part=PRINT))))
    assert desk.feed((PRICE, 1, 97), (PRICE, 2, 101), (WHALE, 3, 6e5), (PRICE, 4, 102)) == [2]


def test_for_fires_when_it_has_held_long_enough_though_nothing_moves() -> None:
    desk = Desk(For(part=HIGH, duration=3 * MINUTE))
    assert desk.feed(
        (PRICE, 1, 99), (PRICE, 10, 101), (None, 189, 0), (None, 190, 0), (None, 500, 0)
    ) == [190]


def test_for_fires_at_a_sample_where_no_turn_came_before() -> None:
    desk = Desk(For(part=HIGH, duration=3 * MINUTE))
    assert desk.feed((PRICE, 1, 99), (PRICE, 10, 101), (PRICE, 200, 101.5)) == [200]


def test_for_begins_anew_after_a_break() -> None:
    desk = Desk(For(part=HIGH, duration=60 * SECOND))
    assert desk.feed((PRICE, 1, 99), (PRICE, 2, 101), (PRICE, 40, 97), (PRICE, 41, 101)) == []
    assert desk.feed((None, 62, 0), (None, 100, 0), (None, 101, 0)) == [101]


@pytest.mark.parametrize("blind", [False, True])
def test_for_begins_anew_where_it_was_not_known_meanwhile(blind: bool) -> None:
    desk = Desk(For(part=HIGH, duration=60 * SECOND), fresh=30 * SECOND)
    desk.feed((PRICE, 1, 99), (PRICE, 2, 101), (PRICE, 30, 101))
    if blind:
        desk.engine.unknown(PRICE)
        assert desk.feed((PRICE, 40, 101), (PRICE, 62, 101), (PRICE, 90, 101), (None, 99, 0)) == []
        assert desk.feed((None, 100, 0)) == [100]
    else:
        assert desk.feed((PRICE, 61, 101), (PRICE, 90, 101), (PRICE, 120, 101)) == []
        assert desk.feed((None, 121, 0)) == [121]


def test_for_does_not_fire_on_a_figure_too_old_to_go_by() -> None:
    desk = Desk(For(part=HIGH, duration=60 * SECOND), fresh=30 * SECOND)
    assert desk.feed((PRICE, 1, 99), (PRICE, 2, 101), (None, 62, 0)) == []


def test_nothing_happened_for_an_hour() -> None:
    desk = Desk(For(part=Not(part=PRINT), duration=HOUR))
    assert desk.feed((None, 1, 0), (WHALE, 1800, 6e5), (None, 3601, 0)) == []
    assert desk.feed((None, 5399, 0), (None, 5400, 0)) == [5400]


def test_then_wants_the_second_after_the_first_and_in_time() -> None:
    desk = Desk(Then(first=HIGH, second=PAID, within=30 * SECOND))
    assert desk.feed((PRICE, 1, 97), (FUNDING, 1, 0)) == []
    assert desk.feed((PRICE, 2, 101), (FUNDING, 31, 0.001)) == [31]
    assert desk.feed((FUNDING, 33, 0), (FUNDING, 34, 0.001)) == [], "too late"
    assert desk.feed((FUNDING, 35, 0), (PRICE, 36, 97), (PRICE, 40, 101), (FUNDING, 70, 0.001)) == [
        70
    ]


def test_then_does_not_take_the_second_before_the_first_or_with_it() -> None:
    desk = Desk(Then(first=HIGH, second=PAID, within=HOUR))
    assert desk.feed((PRICE, 1, 97), (FUNDING, 1, 0), (FUNDING, 2, 0.001), (PRICE, 3, 101)) == []
    same = Desk(Then(first=HIGH, second=CROSSES, within=HOUR))
    assert same.feed((PRICE, 1, 97), (PRICE, 2, 101), (PRICE, 3, 99.5), (PRICE, 4, 100)) == [4]


def test_a_sequence_is_true_for_its_moment_whatever_ends_it() -> None:
    desk = Desk(Then(first=HIGH, second=Not(part=PRINT), within=HOUR))
    assert desk.feed((PRICE, 1, 97), (PRICE, 2, 101), (WHALE, 3, 6e5), (WHALE, 4, 6e5)) == [3, 4]


def test_the_first_that_was_true_all_along_did_not_become_true() -> None:
    desk = Desk(Then(first=HIGH, second=PAID, within=HOUR))
    assert desk.feed((PRICE, 1, 101), (FUNDING, 1, 0), (FUNDING, 2, 0.001)) == []


def test_a_change_is_a_level_of_a_rule_and_does_not_begin_anew() -> None:
    desk = Desk(AllOf(parts=(RISES, HIGH)))
    hour = 3600
    assert desk.feed(
        (PRICE, 1, 97), (OI, 1, 100.0), (OI, 1 + hour, 104.0), (PRICE, 2 + hour, 101)
    ) == [2 + hour]
    assert desk.feed((PRICE, 3 + hour, 97), (PRICE, 4 + hour, 101)) == [4 + hour], (
        "still 4 % higher"
    )
    assert desk.feed((OI, 5 + hour, 102.0), (PRICE, 6 + hour, 97), (PRICE, 7 + hour, 101)) == []


def test_a_firing_names_the_leaf_that_tipped_it_first() -> None:
    desk = Desk(AllOf(parts=(PAID, HIGH, CROSSES)))
    desk.feed((FUNDING, 1, 0.001), (PRICE, 2, 97))
    sample = Sample(ts=3 * SECOND, value=101.0, low=97.0, high=101.5)
    (fired,) = desk.engine.take(PRICE, sample)
    assert [leg.leaf for leg in fired.legs] == [HIGH, CROSSES, PAID]
    assert [leg.value for leg in fired.legs] == [101.0, 101.5, 0.001]
    assert all(leg.met for leg in fired.legs)
    assert (fired.value, fired.threshold, fired.sample) == (101.0, 100.0, sample)
    assert fired.state == desk.engine.states(7)[0]
    assert fired.legs[2].ts == SECOND


def test_the_legs_of_a_rule_that_knows_nothing_say_so() -> None:
    desk = Desk(AllOf(parts=(HIGH, RISES)))
    assert [(leg.value, leg.met) for leg in desk.engine.legs(7)] == [(None, False), (None, False)]
    desk.feed((PRICE, 1, 101))
    assert [(leg.value, leg.met) for leg in desk.engine.legs(7)] == [(101, True), (None, False)]


def test_a_new_rule_knows_what_stands_and_does_not_fire_by_it() -> None:
    desk = Desk(AllOf(parts=(HIGH, PAID)))
    desk.feed((PRICE, 1, 101), (FUNDING, 1, 0.0))
    desk.engine.add(8, Not(part=AnyOf(parts=(HIGH, PAID))), repeat=Repeat.ALWAYS, cooldown=0)
    desk.engine.add(9, AllOf(parts=(HIGH, PAID)), repeat=Repeat.ALWAYS, cooldown=0)
    assert [leg.met for leg in desk.engine.legs(9)] == [True, False]
    found = desk.engine.tick(FUNDING, 2 * SECOND, 0.001)
    assert {each.rule_id for each in found} == {7, 9}
    assert [each.rule_id for each in desk.engine.tick(PRICE, 3 * SECOND, 97.0)] == []
    assert [each.rule_id for each in desk.engine.tick(FUNDING, 4 * SECOND, 0.0)] == [8]


def test_a_new_rule_learns_how_a_slow_figure_stood_before_it_was_made() -> None:
    state = AlertState(rule_id=7, last_ts=1_000 * SECOND)
    desk = Desk(AllOf(parts=(HIGH, PAID)), fresh=HOUR)
    desk.start([state])
    assert desk.feed((FUNDING, 900, 0.001), (PRICE, 990, 97)) == []
    assert desk.feed((PRICE, 995, 101)) == [], "from before it was made"
    assert desk.feed((PRICE, 1_001, 97), (PRICE, 1_002, 101)) == [1_002]
    old = Desk(AllOf(parts=(HIGH, PAID)), fresh=50 * SECOND)
    old.start([state])
    assert old.feed((FUNDING, 900, 0.001), (PRICE, 1_001, 97), (PRICE, 1_002, 101)) == []


def test_how_long_counts_from_when_it_was_learnt() -> None:
    desk = Desk(For(part=PAID, duration=60 * SECOND))
    desk.start([AlertState(rule_id=7, last_ts=1_000 * SECOND)])
    assert desk.feed((None, 990, 0), (FUNDING, 900, 0.001), (None, 1_059, 0)) == []
    assert desk.feed((None, 1_060, 0)) == [1_060]


def test_what_is_not_known_any_more_teaches_nobody() -> None:
    desk = Desk(AllOf(parts=(HIGH, PAID)))
    desk.feed((PRICE, 1, 101), (FUNDING, 1, 0.001))
    desk.engine.unknown(FUNDING)
    desk.engine.add(9, AllOf(parts=(HIGH, PAID)), repeat=Repeat.ALWAYS, cooldown=0)
    assert [leg.met for leg in desk.engine.legs(9)] == [True, False]


def test_what_is_known_again_teaches_a_new_rule() -> None:
    desk = Desk(Cross(metric=FUNDING, op=Op.ABOVE, level=1.0))
    desk.feed((FUNDING, 1, 0.001), (FUNDING, 2, 0.001))
    desk.engine.unknown(FUNDING)
    desk.feed((FUNDING, 3, 0.001))
    desk.engine.add(9, AllOf(parts=(HIGH, PAID)), repeat=Repeat.ALWAYS, cooldown=0)
    assert [leg.met for leg in desk.engine.legs(9)] == [False, True]


def test_a_restart_in_the_middle_of_a_wait_or_a_sequence_changes_nothing() -> None:
    held = Desk(For(part=HIGH, duration=60 * SECOND))
    held.feed((PRICE, 1, 99), (PRICE, 2, 101))
    held.restart()
    assert held.feed((PRICE, 30, 101), (None, 61, 0), (None, 62, 0)) == [62]
    held.restart()
    assert held.feed((PRICE, 90, 101), (None, 200, 0)) == []
    both = Desk(Then(first=HIGH, second=PAID, within=30 * SECOND))
    both.feed((PRICE, 1, 97), (FUNDING, 1, 0), (PRICE, 2, 101))
    both.restart()
    assert both.feed((FUNDING, 20, 0.001)) == [20]


def test_what_became_true_while_nobody_looked_is_told_once() -> None:
    desk = Desk(AllOf(parts=(HIGH, PAID)))
    desk.feed((PRICE, 1, 97), (FUNDING, 1, 0.001))
    desk.restart()
    assert desk.feed((FUNDING, 500, 0.001), (PRICE, 501, 101), (PRICE, 502, 102)) == [501]
    desk.restart()
    assert desk.feed((FUNDING, 900, 0.001), (PRICE, 901, 101)) == []


def test_a_state_of_another_condition_is_not_gone_on_from() -> None:
    desk = Desk(AllOf(parts=(HIGH, PAID)))
    desk.feed((PRICE, 1, 97), (FUNDING, 1, 0.001), (PRICE, 2, 101))
    desk.condition = AllOf(parts=(HIGH, PAID, CROSSES))
    desk.restart()
    assert desk.feed((PRICE, 3, 97), (FUNDING, 3, 0.001), (PRICE, 4, 101)) == [4]


def test_once_a_candle_whatever_tips_it() -> None:
    ratio = Metric(subject=COIN, name="volume_ratio", timeframe="15m")
    desk = Desk(
        AllOf(parts=(State(metric=ratio, op=Op.ABOVE, level=2.0), HIGH)), repeat=Repeat.PER_BAR
    )

    def candle(second: int, value: float, bar: int) -> None:
        assert not desk.engine.take(ratio, Sample(ts=second * SECOND, value=value, bar_ts=bar))

    desk.feed((PRICE, 1, 97))
    candle(2, 3.0, 900)
    assert desk.feed((PRICE, 3, 101), (PRICE, 4, 97), (PRICE, 5, 101)) == [3]
    desk.feed((PRICE, 6, 97))
    candle(7, 3.0, 1800)
    assert desk.feed((PRICE, 8, 101), (PRICE, 9, 97), (PRICE, 10, 101)) == [8]
