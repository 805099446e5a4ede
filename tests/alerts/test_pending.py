"""How long a rule has held that has to hold for a while: read from what the engine remembers."""

import pytest

from alerts.fast.engine import Engine
from alerts.pending import pending
from alerts.types import (
    AlertState,
    AllOf,
    AnyOf,
    Condition,
    For,
    Metric,
    Not,
    Op,
    Repeat,
    Sample,
    State,
    Then,
)
from market.types import MINUTE

START = 1_780_000_000_000
PRICE = Metric(subject="binance:BTC/USDT:USDT", name="price")
FUNDING = Metric(subject="binance:BTC/USDT:USDT", name="funding")
HIGH = State(metric=PRICE, op=Op.ABOVE, level=100.0)
DEAR = State(metric=FUNDING, op=Op.ABOVE, level=0.01)
LONG = For(part=HIGH, duration=3 * MINUTE)


def state_after(condition: Condition, *told: tuple[int, Metric, float]) -> AlertState:
    """Where the engine has a rule after these (seconds, metric, value)."""
    engine = Engine()
    engine.add(1, condition, repeat=Repeat.EVERY, cooldown=0)
    for second, metric, value in told:
        engine.take(metric, Sample(ts=START + second * 1000, value=value))
        engine.turn(START + second * 1000)
    (state,) = engine.states(1)
    return state


QUIET = ((0, PRICE, 90.0), (0, FUNDING, 0.0))


@pytest.mark.parametrize(
    ("condition", "told", "expected"),
    [
        (LONG, QUIET, None),
        (LONG, (*QUIET, (30, PRICE, 101.0)), (60_000, 3 * MINUTE)),
        (LONG, (*QUIET, (30, PRICE, 101.0), (80, PRICE, 99.0)), None),
        (For(part=HIGH, duration=MINUTE), (*QUIET, (10, PRICE, 101.0), (70, PRICE, 102.0)), None),
        (AllOf(parts=(LONG, DEAR)), (*QUIET, (30, PRICE, 101.0)), None),
        (
            AllOf(parts=(LONG, DEAR)),
            (*QUIET, (30, PRICE, 101.0), (31, FUNDING, 0.02)),
            (60_000, 3 * MINUTE),
        ),
        (
            AllOf(parts=(LONG, For(part=DEAR, duration=2 * MINUTE))),
            (*QUIET, (30, PRICE, 101.0), (80, FUNDING, 0.02)),
            (60_000, 3 * MINUTE),
        ),
        (AnyOf(parts=(LONG, DEAR)), (*QUIET, (30, PRICE, 101.0), (31, FUNDING, 0.02)), None),
        (For(part=Not(part=HIGH), duration=3 * MINUTE), QUIET, (90_000, 3 * MINUTE)),
        (AllOf(parts=(DEAR, Not(part=LONG))), (*QUIET, (30, PRICE, 101.0)), None),
        (Then(first=LONG, second=DEAR, within=MINUTE), (*QUIET, (30, PRICE, 101.0)), None),
    ],
)
def test_a_rule_is_pending_where_nothing_but_time_is_missing(
    condition: Condition,
    told: tuple[tuple[int, Metric, float], ...],
    expected: tuple[int, int] | None,
) -> None:
    state = state_after(condition, *told)
    assert pending(condition, state, START + 90_000) == expected


def test_memory_of_another_condition_says_nothing() -> None:
    state = state_after(LONG, *QUIET, (30, PRICE, 101.0))
    assert pending(AllOf(parts=(LONG, DEAR)), state, START + 90_000) is None
    assert pending(HIGH, AlertState(rule_id=1), START) is None
