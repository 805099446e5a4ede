"""A step tighter never fires more, whatever a rule is made of; and what cannot move comes back as it was."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts.conditions import leaves
from alerts.direction import direction
from alerts.figures import Figure, Scope, Unit
from alerts.shift import shift
from alerts.types import (
    AllOf,
    AnyOf,
    Condition,
    Cross,
    Event,
    For,
    Metric,
    Not,
    Op,
    Rise,
    State,
    Then,
)
from market.types import MINUTE

PRICE = Metric(subject="binance:BTC/USDT:USDT", name="price")
VOLUME = Metric(subject="binance:BTC/USDT:USDT", name="volume_ratio", timeframe="15m")
RSI = Metric(subject="binance:BTC/USDT:USDT", name="rsi", timeframe="1h", param="14")
DELTA = Metric(subject="binance:BTC/USDT:USDT", name="delta", window=5 * MINUTE)
FIGURES = {
    "rsi": Figure(
        name="rsi", words=("rsi",), unit=Unit.SCORE, scope=Scope.INSTRUMENT, low=0.0, high=100.0
    )
}

LEVELS = st.floats(-1000, 1000).map(lambda x: float(f"{x:.4g}")).filter(lambda x: abs(x) > 1e-3)
METRICS = st.sampled_from([PRICE, VOLUME, DELTA])
SIDES = st.sampled_from([Op.ABOVE, Op.BELOW])
STATES = st.builds(State, metric=METRICS, op=SIDES, level=LEVELS)
RISES = st.builds(Rise, metric=METRICS, amount=LEVELS)
TREES: st.SearchStrategy[Condition] = st.recursive(
    STATES,
    lambda parts: st.one_of(
        st.lists(parts, min_size=1, max_size=3).map(lambda p: AllOf(parts=tuple(p))),
        st.lists(parts, min_size=1, max_size=3).map(lambda p: AnyOf(parts=tuple(p))),
        parts.map(lambda p: Not(part=p)),
        parts.map(lambda p: For(part=p, duration=MINUTE)),
    ),
    max_leaves=5,
)


def holds(condition: Condition, values: dict[Metric, float]) -> bool:
    """Brute force over states."""
    match condition:
        case AllOf():
            return all(holds(part, values) for part in condition.parts)
        case AnyOf():
            return any(holds(part, values) for part in condition.parts)
        case Not():
            return not holds(condition.part, values)
        case For():
            return holds(condition.part, values)
        case State():
            value = values[condition.metric]
            return value > condition.level if condition.op is Op.ABOVE else value < condition.level
    raise TypeError(type(condition).__name__)


@given(TREES, st.fixed_dictionaries(dict.fromkeys([PRICE, VOLUME, DELTA], st.floats(-1200, 1200))))
def test_what_holds_a_step_tighter_held_before_and_holds_a_step_looser(
    condition: Condition, values: dict[Metric, float]
) -> None:
    tight, loose = shift(condition, tighter=True), shift(condition, tighter=False)
    assert not holds(tight, values) or holds(condition, values)
    assert not holds(condition, values) or holds(loose, values)
    assert tight != condition != loose


@given(RISES)
def test_a_change_has_to_be_larger_in_its_own_direction(rise: Rise) -> None:
    tight, loose = shift(rise, tighter=True), shift(rise, tighter=False)
    assert isinstance(tight, Rise)
    assert isinstance(loose, Rise)
    assert abs(loose.amount) < abs(rise.amount) < abs(tight.amount)
    assert (loose.amount > 0) == (rise.amount > 0) == (tight.amount > 0)


@pytest.mark.parametrize(
    ("leaf", "level"),
    [
        (Cross(metric=PRICE, op=Op.ABOVE, level=95_000.0, rearm=94_905.0), 95_950.0),
        (Cross(metric=PRICE, op=Op.BELOW, level=95_000.0, rearm=95_095.0), 94_059.4),
        (Cross(metric=VOLUME, op=Op.ABOVE, level=2.0, rearm=1.6), 2.2),
        (Event(metric=replace(VOLUME, name="whale"), level=500_000.0), 550_000.0),
        (State(metric=RSI, op=Op.BELOW, level=30.0), 27.27),
        (State(metric=RSI, op=Op.ABOVE, level=95.0), 97.5),  # half of what is left to the top
        (Cross(metric=DELTA, op=Op.ABOVE, level=0.0), 0.0),  # nothing of it to scale
    ],
)
def test_levels_move_by_a_tenth_and_prices_by_a_hundredth(leaf: Cross, level: float) -> None:
    found = shift(leaf, tighter=True, figures=FIGURES)
    assert isinstance(found, Cross | State | Event)
    assert found.level == pytest.approx(level, rel=1e-9)


def test_hysteresis_keeps_its_share_of_the_level() -> None:
    before = Cross(metric=VOLUME, op=Op.ABOVE, level=2.0, rearm=1.6)
    after = shift(before, tighter=True)
    assert isinstance(after, Cross)
    assert after.rearm == pytest.approx(after.level * 0.8)


def test_a_level_crossed_either_way_moves_away_from_where_the_price_is() -> None:
    either = Cross(metric=PRICE, op=Op.EITHER, level=100.0)
    for now, farther in ((90.0, 101.0), (110.0, 100 / 1.01)):
        found = shift(either, tighter=True, now={PRICE: now})
        assert isinstance(found, Cross)
        assert found.level == pytest.approx(farther, rel=1e-5)


def test_every_leg_of_a_sequence_moves() -> None:
    first, second = State(metric=VOLUME, op=Op.ABOVE, level=2.0), Rise(metric=PRICE, amount=0.01)
    found = shift(Then(first=first, second=second, within=MINUTE), tighter=True)
    levels = [each.amount if isinstance(each, Rise) else each.level for each in leaves(found)]
    assert levels == [2.2, 0.011]


@given(LEVELS, SIDES)
def test_tighter_and_back_is_about_where_it_was(level: float, op: Op) -> None:
    state = State(metric=VOLUME, op=op, level=level)
    back = shift(shift(state, tighter=True), tighter=False)
    assert isinstance(back, State)
    assert back.level == pytest.approx(level, rel=2e-3)


@pytest.mark.parametrize(
    ("condition", "way"),
    [
        (Cross(metric=PRICE, op=Op.ABOVE, level=1.0), 1),
        (Cross(metric=PRICE, op=Op.BELOW, level=1.0), -1),
        (Cross(metric=PRICE, op=Op.EITHER, level=1.0), 0),
        (Rise(metric=PRICE, amount=-0.05), -1),
        (Cross(metric=VOLUME, op=Op.ABOVE, level=2.0), 0),
        (Not(part=State(metric=PRICE, op=Op.ABOVE, level=1.0)), -1),
        (
            AllOf(parts=(State(metric=PRICE, op=Op.ABOVE, level=1.0),
                         State(metric=VOLUME, op=Op.ABOVE, level=2.0))),
            1,
        ),
        (
            AllOf(parts=(State(metric=PRICE, op=Op.ABOVE, level=1.0),
                         State(metric=DELTA, op=Op.BELOW, level=0.0))),
            0,
        ),
    ],
)  # fmt: skip
def test_a_rule_has_a_direction_only_where_its_figures_agree_on_one(
    condition: Condition, way: int
) -> None:
    assert direction(condition) == way
