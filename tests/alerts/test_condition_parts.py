"""Conditions as trees: their parts, the same of other parts, and a change that counts either way."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from alerts.conditions import denied, leaves, mirrored, parts_of, with_parts
from alerts.types import EACH, AllOf, AnyOf, Condition, Cross, For, Metric, Not, Op, Rise, Then

PRICE = Metric(subject="binance:BTC/USDT:USDT", name="price", window=900_000)
ONE = Cross(metric=PRICE, op=Op.ABOVE, level=95_000.0)
TWO = Cross(metric=PRICE, op=Op.BELOW, level=90_000.0)
NEW = Cross(metric=PRICE, op=Op.EITHER, level=1.0)
TREES: list[tuple[Callable[..., Condition], int]] = [
    (lambda a, b: AllOf(parts=(a, b)), 2),
    (lambda a, b: AnyOf(parts=(a, b)), 2),
    (lambda a, b: Then(first=a, second=b, within=60_000), 2),
    (lambda a, b: Not(part=a), 1),
    (lambda a, b: For(part=a, duration=60_000), 1),
]


@pytest.mark.parametrize(("tree", "count"), TREES)
def test_each_part_is_there_once_and_in_order(tree: Callable[..., Condition], count: int) -> None:
    made = tree(ONE, TWO)
    assert parts_of(made) == (ONE, TWO)[:count]
    assert list(leaves(made)) == [ONE, TWO][:count]
    assert with_parts(made, lambda part: NEW if part == ONE else part) == tree(NEW, TWO)


def test_a_leaf_has_no_parts() -> None:
    assert parts_of(ONE) == ()
    assert with_parts(ONE, lambda _part: NEW) is ONE
    assert list(leaves(ONE)) == [ONE]


def test_a_part_below_an_odd_number_of_nots_is_not_to_hold() -> None:
    tree = AllOf(parts=(ONE, Not(part=For(part=TWO, duration=60_000))))
    assert (denied(tree, ONE), denied(tree, TWO), denied(tree, NEW)) == (False, True, False)
    assert not denied(Not(part=Not(part=ONE)), ONE)
    each = Not(part=replace(ONE, metric=replace(PRICE, subject=EACH)))
    assert denied(each, ONE), "of a rule over several, whichever is meant"


def test_a_change_either_way_is_two_rises_of_one_size() -> None:
    up, down = Rise(metric=PRICE, amount=0.03), Rise(metric=PRICE, amount=-0.03)
    assert mirrored(AnyOf(parts=(up, down))) == up
    assert mirrored(AnyOf(parts=(down, up))) == down
    others = (
        AllOf(parts=(up, down)), AnyOf(parts=(up, up)), AnyOf(parts=(up, down, ONE)), AnyOf(parts=(up, ONE)), up,
        AnyOf(parts=(up, Rise(metric=PRICE, amount=-0.03, relative=True))),
    )  # fmt: skip
    assert [mirrored(each) for each in others] == [None] * len(others)
