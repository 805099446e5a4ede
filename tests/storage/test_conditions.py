"""Conditions survive the way through JSON text without a difference."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from alerts.types import Condition, Cross, Metric, Op, Rise, State
from storage.conditions import dump_condition, load_condition
from storage.errors import StorageError

FLOATS = some.floats(allow_nan=False, allow_infinity=False)
METRICS = some.builds(
    Metric,
    subject=some.text(),
    name=some.text(),
    window=some.integers(0, 2**62),
    timeframe=some.text(),
)
OPS = some.sampled_from(Op)
CONDITIONS: some.SearchStrategy[Condition] = some.one_of(
    some.builds(Cross, metric=METRICS, op=OPS, level=FLOATS, rearm=some.none() | FLOATS),
    some.builds(State, metric=METRICS, op=OPS, level=FLOATS),
    some.builds(Rise, metric=METRICS, amount=FLOATS, relative=some.booleans()),
)
PRICE = Metric(subject="*:BTC", name="price")


@given(CONDITIONS)
def test_what_is_dumped_is_loaded(condition: Condition) -> None:
    found = load_condition(dump_condition(condition))
    assert found == condition
    assert repr(found) == repr(condition), "down to the sign of a zero and the type of each field"


def test_a_state_and_a_cross_with_the_same_fields_stay_apart() -> None:
    assert type(load_condition(dump_condition(State(metric=PRICE, op=Op.ABOVE, level=1)))) is State
    assert type(load_condition(dump_condition(Cross(metric=PRICE, op=Op.ABOVE, level=1)))) is Cross


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_level_that_is_no_number_is_refused(bad: float) -> None:
    with pytest.raises(StorageError, match="level"):
        dump_condition(State(metric=PRICE, op=Op.ABOVE, level=bad))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "null",
        "{}",
        '{"is": "all"}',
        '{"is": "rise", "amount": 1}',
        '{"is": "cross", "level": "x"}',
    ],
)
def test_text_that_is_no_condition_is_refused(text: Any) -> None:
    with pytest.raises(StorageError):
        load_condition(text)
