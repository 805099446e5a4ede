"""The plain engine against a still plainer reading of the same rules."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from alerts.engine import evaluate
from alerts.types import (
    AlertRule,
    AlertState,
    AllOf,
    Condition,
    Cross,
    Event,
    Metric,
    Op,
    Repeat,
    Rise,
    Sample,
    State,
)

METRIC = Metric(subject="binance:BTC/USDT:USDT", name="price")
CHANGE = Metric(subject="*:BTC", name="open_interest", window=3_600_000)
MINUTE = 60_000


def rule(condition: Condition, *, cooldown: int = 0, repeat: Repeat = Repeat.EVERY) -> AlertRule:
    return AlertRule(
        id=7, chat_id=1, owner_id=1, kind="price", text="", condition=condition, coin="BTC",
        cooldown=cooldown, repeat=repeat,
    )  # fmt: skip


def above(level: float = 100.0, rearm: float | None = None, *, touch: bool = False) -> Cross:
    return Cross(metric=METRIC, op=Op.ABOVE, level=level, rearm=rearm, touch=touch)


def values(*numbers: float, step: int = 1) -> list[Sample]:
    return [Sample(ts=(n + 1) * step, value=value) for n, value in enumerate(numbers)]


def fired(the_rule: AlertRule, samples: list[Sample], state: AlertState | None = None) -> list[int]:
    _state, signals = evaluate(the_rule, state or AlertState(rule_id=7), samples, 10**15)
    return [signal.sample.ts for signal in signals]


def test_the_first_sample_only_shows_the_side() -> None:
    assert fired(rule(above()), values(101, 102)) == []


def test_a_crossing_fires_once_and_again_after_it_was_taken_back() -> None:
    assert fired(rule(above()), values(99, 101, 102, 99, 101)) == [2, 5]


def test_exactly_the_level_is_not_above_it_but_a_price_reaches_it() -> None:
    assert fired(rule(above()), values(99, 100)) == []
    assert fired(rule(above(touch=True)), values(99, 100)) == [2]


def test_below_mirrors_above() -> None:
    down = Cross(metric=METRIC, op=Op.BELOW, level=100.0, rearm=101.0)
    assert fired(rule(down), values(105, 99, 100.5, 99, 101.5, 99)) == [2, 6]


def test_a_touch_between_two_looks_fires() -> None:
    samples = [Sample(ts=1, value=99), Sample(ts=2, value=99, low=98, high=100.5)]
    assert fired(rule(above()), samples) == [2]


def test_a_touch_from_before_the_rule_looked_does_not_fire() -> None:
    samples = [Sample(ts=10, value=99), Sample(ts=20, value=99, low=98, high=105, since=5)]
    assert fired(rule(above()), samples) == []


def test_inside_the_band_nothing_is_armed_again() -> None:
    assert fired(rule(above(rearm=95)), values(90, 101, 96, 101, 94, 101)) == [2, 6]


def test_duplicates_and_late_samples_change_nothing() -> None:
    samples = values(99, 101, 99, 101)
    once, _s = evaluate(rule(above()), AlertState(rule_id=7), samples, 10**15)
    again, signals = evaluate(rule(above()), once, [*samples, *reversed(samples)], 10**15)
    assert signals == []
    assert again == once


def test_numbers_that_are_none_and_samples_of_the_future_are_ignored() -> None:
    bad = [
        Sample(ts=2, value=float("nan")),
        Sample(ts=3, value=float("inf")),
        Sample(ts=99, value=101),
    ]
    state, signals = evaluate(rule(above()), AlertState(rule_id=7), [*values(99), *bad], 50)
    assert signals == []
    assert state.last_ts == 1


def test_a_bad_extreme_does_not_fire() -> None:
    samples = [Sample(ts=1, value=99), Sample(ts=2, value=99, high=float("inf"), low=float("nan"))]
    assert fired(rule(above()), samples) == []


def test_one_candle_fires_once_however_often_it_comes() -> None:
    per_bar = rule(above(2.0, 1.6), repeat=Repeat.PER_BAR)
    bars = [
        Sample(ts=n * 10, value=v, bar_ts=b)
        for n, v, b in ((1, 1, 1), (2, 3, 2), (3, 1, 2), (4, 3, 2), (5, 3, 5))
    ]
    assert fired(per_bar, bars) == [20, 50]


def test_once_means_once() -> None:
    assert fired(rule(above(), repeat=Repeat.ONCE), values(99, 101, 99, 101)) == [2]


def test_a_crossing_in_the_cooldown_is_told_when_the_cooldown_is_over_and_it_still_holds() -> None:
    slow = rule(above(), cooldown=10)
    assert fired(slow, values(99, 101, 99, 101, *[102] * 10)) == [2, 12]
    assert fired(slow, values(99, 101, 99, 101, 99, *[99] * 10)) == [2]


def test_a_state_is_told_at_once_and_again_after_each_cooldown() -> None:
    state = rule(State(metric=METRIC, op=Op.ABOVE, level=100.0), cooldown=5)
    assert fired(state, values(*[101] * 12)) == [1, 6, 11]
    assert fired(state, values(99, 101, 99, 101, 99, 99, 101)) == [2, 7]


def test_a_state_without_a_cooldown_is_told_when_it_begins() -> None:
    state = rule(State(metric=METRIC, op=Op.BELOW, level=100.0))
    assert fired(state, values(99, 98, 101, 99)) == [1, 4]


def test_either_way_fires_on_both_and_not_on_a_touch_that_turns_back() -> None:
    either = rule(Cross(metric=METRIC, op=Op.EITHER, level=100.0, rearm=99.0, touch=True))
    assert fired(either, values(95, 103, 97)) == [2, 3]
    assert fired(either, values(95, 100.5, 97, 103)) == [2, 4]
    assert fired(either, values(95, 100.5, 99.5, 100.5)) == [2]


def test_a_state_with_a_way_back_is_told_again_only_after_it_was_gone() -> None:
    state = rule(State(metric=METRIC, op=Op.ABOVE, level=100.0, rearm=98.0))
    assert fired(state, values(99, 101, 99, 101, 97, 101)) == [2, 6]
    down = rule(State(metric=METRIC, op=Op.BELOW, level=100.0, rearm=102.0))
    assert fired(down, values(99, 101, 99, 103, 99)) == [1, 5]


def test_always_is_each_time_whatever_the_cooldown() -> None:
    always = rule(above(), cooldown=1000, repeat=Repeat.ALWAYS)
    assert fired(always, values(99, 101, 99, 101, 102, 99, 101)) == [2, 4, 7]
    state = State(metric=METRIC, op=Op.ABOVE, level=100.0)
    assert fired(rule(state, cooldown=1, repeat=Repeat.ALWAYS), values(99, 101, 102, 99, 101)) == [
        2,
        5,
    ]


def test_each_event_counts_on_its_own_from_its_level_on() -> None:
    prints = rule(Event(metric=METRIC, level=5.0))
    assert fired(prints, values(6, 6, 4, 5)) == [1, 2, 4]
    assert fired(rule(Event(metric=METRIC, level=5.0), cooldown=2), values(6, 6, 6)) == [1, 3]
    down = rule(Event(metric=METRIC, op=Op.BELOW, level=-1.0))
    assert fired(down, values(1, -1, 0)) == [2]
    far = rule(Event(metric=METRIC, op=Op.EITHER, level=1.0))
    assert fired(far, values(1, 0.5, -1)) == [1, 3]


def test_events_of_one_moment_are_all_judged_and_one_is_told() -> None:
    prints = rule(Event(metric=METRIC, level=5.0))
    same = [Sample(ts=3, value=value) for value in (4.0, 6.0, 7.0)]
    state, signals = evaluate(prints, AlertState(rule_id=7), same, 10)
    assert [signal.value for signal in signals] == [6.0]
    assert evaluate(prints, state, same, 10)[1] == []


def grown(ts: int, value: float, before: float | None, began: int) -> Sample:
    return Sample(ts=ts, value=value, low=before, began=began)


def test_what_began_in_the_cooldown_is_told_once_when_it_grows_after_it() -> None:
    prints = rule(Event(metric=METRIC, level=5.0), cooldown=10)
    first = [Sample(ts=1, value=6.0, began=1)]
    rested = [grown(5, 7.0, None, 5), grown(8, 8.0, 7.0, 5)]
    after = [grown(12, 9.0, 8.0, 5), grown(30, 10.0, 9.0, 5)]
    assert fired(prints, [*first, *rested, *after]) == [1, 12], "told at 12, and at 30 it only grew"
    heard = [grown(3, 7.0, 6.0, 1), grown(15, 9.0, 7.0, 1)]
    assert fired(prints, [*first, *heard]) == [1], "the one that was told only grew"
    assert fired(prints, after) == [12], "a rule that was made meanwhile hears of it as it grows"


def test_a_composite_is_no_leaf() -> None:
    whole = rule(AllOf(parts=(above(), above(101.0))))
    with pytest.raises(TypeError, match="AllOf"):
        evaluate(whole, AlertState(rule_id=7), values(99, 101), 10)


def hours(*numbers: float) -> list[Sample]:
    return [Sample(ts=(n + 1) * 5 * MINUTE, value=value) for n, value in enumerate(numbers)]


def test_a_rise_is_measured_over_its_window_and_then_anew_from_the_firing() -> None:
    rise = rule(Rise(metric=CHANGE, amount=10.0))
    path = hours(*[100] * 13, 105, 111, 112, 112, 120, 121.5)
    times = fired(rise, path)
    assert times == [15 * 5 * MINUTE, 19 * 5 * MINUTE], "111 is +11; then 121.5 is +10.5 from there"


def test_a_slow_rise_beyond_the_window_does_not_fire() -> None:
    rise = rule(Rise(metric=CHANGE, amount=10.0))
    assert fired(rise, hours(*[100 + 0.5 * n for n in range(60)])) == []


def test_a_fall_in_percent() -> None:
    fall = rule(Rise(metric=CHANGE, amount=-0.05, relative=True))
    assert fired(fall, hours(*[100] * 13, 96, 95, 94)) == [15 * 5 * MINUTE]


def test_a_change_without_a_start_to_measure_from_is_none() -> None:
    rise = rule(Rise(metric=CHANGE, amount=10.0))
    assert fired(rise, hours(100, 150, 200)) == []


def test_what_had_risen_before_the_rule_was_made_is_not_told() -> None:
    rise = rule(Rise(metric=CHANGE, amount=10.0))
    path = hours(*[100] * 13, 115)
    state, signals = evaluate(rise, AlertState(rule_id=7, last_ts=path[-2].ts), path, 10**15)
    assert signals == []
    assert fired(rise, [*path, Sample(ts=path[-1].ts + MINUTE, value=116)], state) == []
    assert fired(rise, [*path, Sample(ts=path[-1].ts + MINUTE, value=125)], state)


def test_other_parts_are_learnt_without_a_firing() -> None:
    down = rule(Cross(metric=METRIC, op=Op.BELOW, level=0.0, rearm=0.02))
    state, _signals = evaluate(down, AlertState(rule_id=7), values(0.1), 10**15)
    changed = [Sample(ts=1, value=-0.3, rebased=True), Sample(ts=2, value=-0.2)]
    assert fired(down, changed, state) == []
    real = [Sample(ts=1, value=0.3, rebased=True), Sample(ts=2, value=-0.2)]
    assert fired(down, real, state) == [2]


PRICES = some.floats(90, 110, allow_nan=False).map(lambda v: round(v, 1))
SAMPLES = some.lists(
    some.tuples(PRICES, PRICES, PRICES).map(lambda p: (p[0], min(p), max(p))),
    min_size=1,
    max_size=25,
)


class Plain:
    """One price after the other; the simplest reading of a crossing."""

    def __init__(self, condition: Cross, *, armed: bool) -> None:
        self.condition, self.armed = condition, armed

    def see(self, price: float, *, may_fire: bool = True) -> bool:
        level, rearm = self.condition.level, self.condition.rearm or 0.0
        up = self.condition.op is Op.ABOVE
        if not self.armed and (price < rearm if up else price > rearm):
            self.armed = True
        if self.armed and may_fire and (price > level if up else price < level):
            self.armed = False
            return True
        return False


@given(
    some.lists(PRICES, min_size=1, max_size=40),
    some.sampled_from([Op.ABOVE, Op.BELOW]),
    some.sampled_from([0.0, 1.0, 4.0]),
    some.sampled_from([0, 3, 10]),
)
@settings(max_examples=150, deadline=None)
def test_values_one_by_one_are_read_as_a_plain_loop_reads_them(
    prices: list[float], op: Op, band: float, cooldown: int
) -> None:
    rearm = 100.0 - band if op is Op.ABOVE else 100.0 + band
    condition = Cross(metric=METRIC, op=op, level=100.0, rearm=rearm)
    first = prices[0]
    plain = Plain(condition, armed=not (first > 100.0 if op is Op.ABOVE else first < 100.0))
    expected: list[int] = []
    for n, price in enumerate(prices[1:], 2):
        if plain.see(price, may_fire=not expected or n - expected[-1] >= cooldown):
            expected.append(n)
    assert fired(rule(condition, cooldown=cooldown), values(*prices)) == expected


@given(SAMPLES, some.sampled_from([Op.ABOVE, Op.BELOW]), some.sampled_from([0.0, 2.0]))
@settings(max_examples=150, deadline=None)
def test_with_extremes_it_fires_exactly_when_every_order_of_them_would(
    rows: list[tuple[float, float, float]], op: Op, band: float
) -> None:
    rearm = 100.0 - band if op is Op.ABOVE else 100.0 + band
    condition = Cross(metric=METRIC, op=op, level=100.0, rearm=rearm)
    the_rule = rule(condition)
    state, _none = evaluate(the_rule, AlertState(rule_id=7), [Sample(ts=1, value=rows[0][0])], 1)
    for ts, (value, low, high) in enumerate(rows[1:], 2):
        orders = [
            sum(plain.see(price) for price in path) > 0
            for path in ((low, high, value), (high, low, value))
            for plain in [Plain(condition, armed=state.armed)]
        ]
        sample = Sample(ts=ts, value=value, low=low, high=high)
        state, signals = evaluate(the_rule, state, [sample], ts)
        assert bool(signals) == all(orders)


@given(some.lists(PRICES, min_size=2, max_size=40), some.integers(1, 39), some.sampled_from([0, 4]))
@settings(max_examples=100, deadline=None)
def test_a_restart_in_the_middle_changes_nothing(
    prices: list[float], cut: int, cooldown: int
) -> None:
    the_rule, samples = rule(above(rearm=98.0), cooldown=cooldown), values(*prices)
    whole, signals = evaluate(the_rule, AlertState(rule_id=7), samples, 10**15)
    half, before = evaluate(the_rule, AlertState(rule_id=7), samples[:cut], 10**15)
    end, after = evaluate(the_rule, replace(half), samples, 10**15)
    assert [s.sample.ts for s in signals] == [s.sample.ts for s in (*before, *after)]
    assert whole == end


@given(some.lists(PRICES, min_size=1, max_size=30), some.randoms())
@settings(max_examples=50, deadline=None)
def test_the_order_in_which_samples_arrive_together_does_not_matter(
    prices: list[float], random: object
) -> None:
    samples = values(*prices)
    mixed = samples[:]
    random.shuffle(mixed)  # type: ignore[attr-defined]
    assert fired(rule(above()), samples) == fired(rule(above()), [*mixed, *samples])


@pytest.mark.parametrize("cooldown", [0, 7])
def test_transitions_count_the_firings(cooldown: int) -> None:
    state, signals = evaluate(
        rule(above(), cooldown=cooldown), AlertState(rule_id=7), values(*[99, 101] * 12), 10**15
    )
    assert state.transition == state.fired_count == len(signals) > 0
