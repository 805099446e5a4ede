"""What reaches the engine and must not be judged: bad prices, old ones; and what it does with good ones."""

import math

import pytest

from alerts.fast.engine import Engine
from alerts.types import AlertState, Cross, Event, Metric, Op, Repeat, Rise, Sample, State

COIN = "binance:BTC/USDT:USDT"
PRICE = Metric(subject=COIN, name="price")
FUNDING = Metric(subject=COIN, name="funding")
WHALE = Metric(subject=COIN, name="whale")
HOUR = 3_600_000


def above(level: float = 100.0, metric: Metric = PRICE) -> Cross:
    return Cross(metric=metric, op=Op.ABOVE, level=level, touch=True)


def below(level: float) -> Cross:
    return Cross(metric=PRICE, op=Op.BELOW, level=level, touch=True)


def engine(*conditions: object, repeat: Repeat = Repeat.ALWAYS, cooldown: int = 0) -> Engine:
    made = Engine()
    for rule_id, condition in enumerate(conditions, 1):
        made.add(rule_id, condition, repeat=repeat, cooldown=cooldown)
    return made


def fired(found: object) -> list[int]:
    return [each.rule_id for each in found]


@pytest.mark.parametrize(
    ("value", "why"),
    [(math.nan, "not finite"), (math.inf, "not finite"), (-math.inf, "not finite"),
     (0.0, "not above 0"), (-5.0, "not above 0")],
)  # fmt: skip
def test_what_is_no_price_fires_nothing_and_is_counted(value: float, why: str) -> None:
    desk = engine(above(), below(90), above(1e6))
    desk.tick(PRICE, 1, 95.0)
    assert not desk.tick(PRICE, 2, value)
    assert not desk.take(PRICE, Sample(ts=3, value=value))
    assert desk.refused == {why: 2}
    assert fired(desk.tick(PRICE, 4, 101.0)) == [1]


def test_a_thousandfold_price_for_one_tick_counts_for_nothing() -> None:
    desk = engine(above(), below(90), above(50_000))
    desk.tick(PRICE, 1, 95.0)
    assert not desk.tick(PRICE, 2, 95_000.0)
    assert not desk.tick(PRICE, 3, 95.1)
    assert not desk.tick(PRICE, 4, 0.095)
    assert fired(desk.tick(PRICE, 5, 101.0)) == [1]
    assert desk.refused == {"too far": 2}


def test_a_far_price_that_the_next_one_agrees_with_counts_with_it() -> None:
    desk = engine(above(), above(901.0), above(910.0))
    desk.tick(PRICE, 1, 95.0)
    assert not desk.tick(PRICE, 2, 900.0)
    found = desk.tick(PRICE, 3, 905.0)
    assert [(each.rule_id, each.sample.ts, each.value) for each in found] == [
        (1, 2, 900.0),
        (2, 3, 905.0),
    ]
    assert not desk.refused


def test_two_far_prices_that_differ_count_for_nothing() -> None:
    desk = engine(above())
    desk.tick(PRICE, 1, 95.0)
    assert not desk.tick(PRICE, 2, 900.0)
    assert not desk.tick(PRICE, 3, 90_000.0)
    assert not desk.tick(PRICE, 4, 95.0)
    assert desk.refused == {"too far": 2}


def test_a_figure_that_is_no_price_may_be_0_negative_and_jump() -> None:
    desk = engine(Cross(metric=FUNDING, op=Op.BELOW, level=-0.5))
    desk.tick(FUNDING, 1, 0.001)
    assert fired(desk.tick(FUNDING, 2, -1.0)) == [1]
    assert not desk.refused


def test_an_old_tick_fires_nothing_and_is_counted() -> None:
    desk = engine(above())
    desk.tick(PRICE, 10, 95.0)
    assert not desk.tick(PRICE, 9, 101.0)
    assert not desk.take(PRICE, Sample(ts=10, value=101.0))
    assert desk.refused == {"old": 2}


def test_ticks_of_one_millisecond_all_count() -> None:
    desk = engine(above(), below(94.0))
    for price in (95.0, 101.0, 93.0):
        found = desk.tick(PRICE, 10, price)
    assert fired(found) == [2]
    assert [state.fired_count for n in (1, 2) for state in desk.states(n)] == [1, 1]


def test_a_sample_is_not_taken_twice() -> None:
    desk = engine(above())
    desk.take(PRICE, Sample(ts=1, value=95.0))
    crossing = Sample(ts=2, value=99.0, high=101.0)
    assert fired(desk.take(PRICE, crossing)) == [1]
    assert not desk.take(PRICE, crossing)
    assert not desk.tick(PRICE, 2, 105.0)


def test_a_bad_extreme_is_no_touch() -> None:
    desk = engine(above(), below(50.0))
    desk.take(PRICE, Sample(ts=1, value=95.0))
    for high, low in ((math.inf, math.nan), (math.nan, 0.0), (None, -1.0)):
        desk.take(PRICE, Sample(ts=desk.states(1)[0].last_ts + 1, value=95.0, high=high, low=low))
    assert desk.states(1)[0].fired_count == desk.states(2)[0].fired_count == 0


def test_every_event_of_one_millisecond_is_judged_and_none_twice() -> None:
    desk = engine(Event(metric=WHALE, level=500_000.0))
    assert not desk.take(WHALE, Sample(ts=5, value=400_000.0))
    assert fired(desk.take(WHALE, Sample(ts=5, value=500_000.0))) == [1]
    assert not desk.take(WHALE, Sample(ts=5, value=500_000.0))
    assert not desk.take(WHALE, Sample(ts=4, value=900_000.0))
    assert fired(desk.take(WHALE, Sample(ts=6, value=900_000.0))) == [1]


def test_the_cooldown_elapses_while_the_condition_stays_true() -> None:
    desk = engine(State(metric=PRICE, op=Op.ABOVE, level=100.0), repeat=Repeat.EVERY, cooldown=HOUR)
    times = [ts for ts in range(0, 5 * HOUR, 60_000) if desk.tick(PRICE, ts + 1, 101.0)]
    assert times == [n * HOUR for n in range(5)]


def test_a_price_that_wavers_on_its_level_fires_at_most_once_a_cooldown() -> None:
    desk = engine(
        Cross(metric=PRICE, op=Op.EITHER, level=100.0, touch=True),
        repeat=Repeat.EVERY,
        cooldown=HOUR,
    )
    count = sum(len(desk.tick(PRICE, ts, 99.9 + ts % 2 / 5)) for ts in range(1, 3 * HOUR, 977))
    assert count == 3


def test_a_rule_that_fired_once_never_fires_again() -> None:
    desk = engine(above(), repeat=Repeat.ONCE)
    assert sum(len(desk.tick(PRICE, ts, 99.0 + 2 * (ts % 2 == 0))) for ts in range(1, 50)) == 1


def test_a_firing_tells_all_of_itself() -> None:
    desk = engine(above(), repeat=Repeat.EVERY, cooldown=7)
    desk.tick(PRICE, 1, 95.0)
    sample = Sample(ts=2, value=99.0, low=95.0, high=100.5)
    (found,) = desk.take(PRICE, sample)
    assert (found.value, found.threshold, found.sample) == (100.5, 100.0, sample)
    assert found.state == desk.states(1)[0]
    assert found.state == AlertState(
        rule_id=1, armed=True, side=-1, last_value=99.0, last_ts=2, fired_ts=2, fired_count=1, transition=1
    )  # fmt: skip
    (leg,) = found.legs
    assert (leg.leaf, leg.value, leg.met, leg.sample) == (above(), 100.5, True, sample)


def test_the_legs_of_a_rule_show_what_is_known_now() -> None:
    desk = engine(
        above(),
        Rise(metric=Metric(subject=COIN, name="price", window=HOUR), amount=0.05, relative=True),
    )
    (unknown,) = desk.legs(1)
    assert (unknown.value, unknown.ts, unknown.met) == (None, 0, False)
    desk.tick(PRICE, 5, 101.0)
    (leg,) = desk.legs(1)
    assert (leg.value, leg.ts, leg.met) == (101.0, 5, True)
    change = Metric(subject=COIN, name="price", window=HOUR)
    for ts, price in ((1, 100.0), (HOUR + 1, 104.0)):
        desk.tick(change, ts, price)
    (leg,) = desk.legs(2)
    assert leg.value == pytest.approx(0.04)
    assert not leg.met


def test_only_metrics_with_rules_are_kept() -> None:
    desk = engine(above(), above(metric=FUNDING))
    assert set(desk.metrics()) == {PRICE, FUNDING}
    assert desk.rules_of(FUNDING) == [2]
    desk.remove(2)
    assert set(desk.metrics()) == {PRICE}
    assert not desk.tick(FUNDING, 1, 5.0)
    assert len(desk) == 1
