"""Rules that come, go, are over several instruments, and outlive the process."""

from collections.abc import Sequence

from alerts.fast.engine import Engine
from alerts.types import (
    EACH,
    AlertState,
    AllOf,
    Condition,
    Cross,
    Metric,
    Op,
    Repeat,
    Rise,
    Sample,
    State,
)

BTC, ETH, SOL = (f"binance:{coin}/USDT:USDT" for coin in ("BTC", "ETH", "SOL"))
EACH_PRICE = Metric(subject=EACH, name="price")
ABOVE = Cross(metric=EACH_PRICE, op=Op.ABOVE, level=100.0, touch=True)
BOTH = AllOf(
    parts=(
        State(metric=EACH_PRICE, op=Op.ABOVE, level=100.0),
        State(metric=Metric(subject=BTC, name="funding"), op=Op.ABOVE, level=0.0),
    )
)


def price(subject: str) -> Metric:
    return Metric(subject=subject, name="price")


def watch(
    engine: Engine, condition: Condition, subjects: Sequence[str] = (), states: Sequence[AlertState] = (),
    rule_id: int = 5, repeat: Repeat = Repeat.ALWAYS, cooldown: int = 0,
) -> None:  # fmt: skip
    engine.add(
        rule_id, condition, repeat=repeat, cooldown=cooldown, states=states, subjects=subjects
    )


def cross(engine: Engine, subject: str, ts: int) -> list[tuple[str, int]]:
    """Below the level, and above it."""
    assert not engine.tick(price(subject), ts, 99.0)
    found = engine.tick(price(subject), ts + 1, 101.0)
    return [(each.subject, each.state.transition) for each in found]


def test_a_rule_over_several_keeps_each_apart_and_counts_firings_over_all() -> None:
    engine = Engine()
    watch(engine, ABOVE, (BTC, ETH, SOL))
    assert set(engine.metrics()) == {price(BTC), price(ETH), price(SOL)}
    assert cross(engine, ETH, 1) == [(ETH, 1)]
    assert cross(engine, BTC, 1) == [(BTC, 2)]
    assert cross(engine, ETH, 3) == [(ETH, 3)]
    counts = {state.subject: (state.fired_count, state.transition) for state in engine.states(5)}
    assert counts == {BTC: (1, 2), ETH: (2, 3), SOL: (0, 0)}
    assert [leg.value for leg in engine.legs(5, ETH)] == [101.0]
    assert engine.legs(5, "nobody") == ()


def test_rules_of_parts_over_several_count_firings_over_all_as_well() -> None:
    engine = Engine()
    watch(engine, BOTH, (BTC, ETH))
    engine.tick(Metric(subject=BTC, name="funding"), 1, 1.0)
    assert cross(engine, ETH, 1) == [(ETH, 1)]
    assert cross(engine, BTC, 1) == [(BTC, 2)]
    assert cross(engine, ETH, 3) == [(ETH, 3)]
    assert {leg.leaf.metric.subject for leg in engine.legs(5, ETH)} == {BTC, ETH}


def test_the_number_of_a_firing_is_never_given_again_when_subjects_come_and_go() -> None:
    for condition in (ABOVE, BOTH):
        engine = Engine()
        engine.tick(Metric(subject=BTC, name="funding"), 1, 1.0)
        watch(engine, condition, (BTC, ETH))
        engine.tick(Metric(subject=BTC, name="funding"), 2, 1.0)
        cross(engine, BTC, 1)
        assert cross(engine, ETH, 1) == [(ETH, 2)]
        for subjects in ((BTC,), (BTC, SOL)):  # ETH, which fired last, leaves the watch list
            watch(engine, condition, subjects, engine.states(5))
        assert cross(engine, SOL, 1) == [(SOL, 3)]


def test_restarted_from_states_the_numbers_go_on() -> None:
    engine = Engine()
    watch(engine, ABOVE, (BTC, ETH))
    cross(engine, BTC, 1)
    cross(engine, ETH, 1)
    again = Engine()
    watch(again, ABOVE, (BTC, ETH), engine.states(5))
    assert cross(again, BTC, 11) == [(BTC, 3)]


def test_dirty_tells_each_change_once() -> None:
    engine = Engine()
    watch(engine, ABOVE, (BTC, ETH))
    watch(engine, BOTH, (BTC,), rule_id=6)
    engine.tick(price(BTC), 1, 99.0)
    assert {(s.rule_id, s.subject, s.side) for s in engine.dirty()} >= {(5, BTC, -1)}
    assert engine.dirty() == []
    engine.tick(price(BTC), 2, 99.5)
    assert engine.dirty() == []
    engine.tick(price(BTC), 3, 101.0)
    found = {(s.rule_id, s.subject): s for s in engine.dirty()}
    assert found[5, BTC] == next(s for s in engine.states(5) if s.subject == BTC)
    assert found[6, BTC] == engine.states(6)[0]
    engine.tick(price(BTC), 4, 99.0)
    engine.remove(5)
    engine.remove(6)
    assert engine.dirty() == []


def test_states_and_marks_are_enough_to_go_on_from() -> None:
    engine = Engine()
    rule = Cross(metric=price(BTC), op=Op.ABOVE, level=100.0)
    watch(engine, rule)
    engine.tick(price(BTC), 1, 99.0)
    (stored,) = engine.dirty()
    for ts in range(2, 1000):
        engine.tick(price(BTC), ts, 98.0 + ts % 2)
    again = Engine()
    again.mark(price(BTC), 999)
    watch(again, rule, states=[stored])
    assert not again.take(price(BTC), Sample(ts=500, value=150.0)), "it has been looked at"
    (state,) = again.states(5)
    assert (state.last_ts, state.last_value, state.side) == (999, 150.0, 1), (
        "the newest known value"
    )
    (found,) = again.take(price(BTC), Sample(ts=1001, value=99.0, low=99.0, high=101.0, since=999))
    assert found.value == 101.0


def test_a_rule_looks_at_nothing_from_before_it_was_made() -> None:
    engine = Engine()
    state = AlertState(rule_id=5, side=-1, last_value=99.0, last_ts=100)
    watch(engine, Cross(metric=price(BTC), op=Op.ABOVE, level=100.0), states=[state])
    for ts in (50, 99, 100):
        assert not engine.take(price(BTC), Sample(ts=ts, value=105.0))
        assert engine.states(5)[0] == state
    touched = Sample(ts=150, value=99.0, high=105.0, since=80)
    assert not engine.take(price(BTC), touched), "the touch may be from before"
    assert engine.tick(price(BTC), 151, 105.0)


def test_a_change_goes_on_from_where_it_fired_after_a_restart() -> None:
    metric = Metric(subject=BTC, name="price", window=3_600_000)
    rule = Rise(metric=metric, amount=10.0)
    engine = Engine()
    watch(engine, rule)
    engine.tick(metric, 1_000, 100.0)
    engine.tick(metric, 3_601_000, 100.0)
    assert engine.tick(metric, 3_700_000, 111.0)
    again = Engine()
    watch(again, rule, states=engine.states(5))
    assert not again.tick(metric, 3_800_000, 120.9)
    assert again.tick(metric, 3_900_000, 121.0), "10 above the 111 of the firing"


def test_a_rule_that_is_added_again_is_replaced() -> None:
    engine = Engine()
    watch(engine, Cross(metric=price(BTC), op=Op.ABOVE, level=100.0))
    watch(engine, Cross(metric=price(BTC), op=Op.ABOVE, level=200.0))
    assert len(engine) == 1
    assert cross(engine, BTC, 1) == []
    watch(engine, BOTH, (ETH,))
    assert len(engine) == 1
    assert engine.rules_of(price(BTC)) == []
    engine.remove(5)
    engine.remove(5)
    assert (len(engine), set(engine.metrics()), engine.states(5)) == (0, set(), [])


def test_ids_may_come_in_any_order_and_come_back() -> None:
    engine = Engine()
    for rule_id in (10, 30, 20, 5, 40):
        level = 100.0 + rule_id
        watch(engine, Cross(metric=price(BTC), op=Op.ABOVE, level=level), rule_id=rule_id)
    engine.tick(price(BTC), 1, 99.0)
    assert sorted(each.rule_id for each in engine.tick(price(BTC), 2, 121.0)) == [5, 10, 20]
    engine.remove(20)
    engine.remove(10)
    assert [len(engine.states(each)) for each in (5, 10, 20, 30, 40)] == [1, 0, 0, 1, 1]
    for rule_id in (20, 10):
        watch(engine, Cross(metric=price(BTC), op=Op.ABOVE, level=150.0), rule_id=rule_id)
    engine.tick(price(BTC), 3, 99.0)
    found = engine.tick(price(BTC), 4, 151.0)
    assert sorted(each.rule_id for each in found) == [5, 10, 20, 30, 40]
    assert all(each.state.rule_id == each.rule_id for each in found)


def test_loading_takes_everything_that_adding_takes() -> None:
    rows = [
        (1, Cross(metric=price(BTC), op=Op.ABOVE, level=100.0), Repeat.ALWAYS, 0, (), ()),
        (2, ABOVE, Repeat.ALWAYS, 0, (), (BTC, ETH)),
        (3, BOTH, Repeat.ALWAYS, 0, (), (BTC,)),
        (4, State(metric=price(BTC), op=Op.ABOVE, level=100.0), Repeat.ALWAYS, 0, (), ()),
        (6, Cross(metric=price(BTC), op=Op.BELOW, level=90.0), Repeat.ALWAYS, 0, (), ()),
        (5, Cross(metric=price(BTC), op=Op.ABOVE, level=100.5), Repeat.ALWAYS, 0, (), ()),
    ]
    engine = Engine()
    engine.load(iter(rows))
    assert len(engine) == 7
    engine.tick(Metric(subject=BTC, name="funding"), 1, 1.0)
    engine.tick(price(BTC), 1, 99.0)
    found = engine.tick(price(BTC), 2, 101.0)
    assert sorted(each.rule_id for each in found) == [1, 2, 3, 4, 5]


def test_rules_that_come_in_parts_sleep_when_all_are_there() -> None:
    engine = Engine()
    rows = [
        (n, Cross(metric=price(BTC), op=Op.ABOVE, level=100.0 + n), Repeat.ALWAYS, 0, (), ())
        for n in range(1, 61)
    ]
    for start in range(0, 60, 20):
        engine.load(rows[start : start + 20], more=True)
    engine.remove(3)
    watch(engine, Cross(metric=price(BTC), op=Op.ABOVE, level=50.0), rule_id=4)
    turns = sum(1 for _turn in engine.settle())
    assert (turns > 1, len(engine)) == (True, 59)
    engine.tick(price(BTC), 1, 40.0)
    found = engine.tick(price(BTC), 2, 110.5)
    assert sorted(each.rule_id for each in found) == [1, 2, 4, 5, 6, 7, 8, 9, 10]
    engine.load(rows[:2])
    assert len(engine) == 59
    assert set(engine.metrics()) == {price(BTC)}


def test_ten_thousand_rules_at_one_level_fire_together_and_arm_again() -> None:
    engine, metric = Engine(), price(BTC)
    rule = Cross(metric=metric, op=Op.ABOVE, level=100.0, rearm=99.0, touch=True)
    engine.load((n, rule, Repeat.ALWAYS, 0, (), ()) for n in range(1, 10_001))
    engine.tick(metric, 1, 98.0)
    assert len(engine.tick(metric, 2, 100.0)) == 10_000
    assert not engine.tick(metric, 3, 99.5)
    assert not engine.tick(metric, 4, 101.0)
    engine.remove(77)
    assert not engine.tick(metric, 5, 98.9)
    found = engine.tick(metric, 6, 100.0)
    assert [each.state.transition for each in found] == [2] * 9_999


def test_hundreds_of_rules_over_several_fire_together_and_count_each_for_itself() -> None:
    engine, subjects = Engine(), [f"binance:C{n}/USDT:USDT" for n in range(3)]
    for rule_id in range(200):
        watch(engine, ABOVE, subjects, rule_id=rule_id)
    for subject in subjects:
        engine.tick(price(subject), 1, 99.0)
    for number, subject in enumerate(subjects, 1):
        found = engine.tick(price(subject), 2, 101.0)
        told = {(each.rule_id, each.subject, each.state.transition) for each in found}
        assert told == {(rule_id, subject, number) for rule_id in range(200)}


def test_hundreds_of_new_rules_do_not_fire_by_a_touch_that_may_be_from_before() -> None:
    engine, rule = Engine(), Cross(metric=price(BTC), op=Op.ABOVE, level=100.0)
    engine.mark(price(BTC), 50, 99.0)
    engine.load(
        (n, rule, Repeat.ALWAYS, 0, (AlertState(rule_id=n, side=-1, last_ts=40 + n),), ())
        for n in range(1, 201)
    )
    found = engine.take(price(BTC), Sample(ts=300, value=99.0, high=101.0, since=100))
    assert sorted(each.rule_id for each in found) == list(range(1, 61))
