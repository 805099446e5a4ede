"""The shelf against a sorted list."""

import bisect

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as some

from alerts.fast.shelf import INF, Shelf

KEYS = some.one_of(
    some.integers(-4, 4).map(float),  # many alike
    some.floats(-1e6, 1e6, allow_nan=False),
)
PAIRS = some.tuples(KEYS, some.integers(-50, 50))
STEPS = some.lists(
    some.one_of(
        some.tuples(some.just("put"), PAIRS),
        some.tuples(some.just("drop"), PAIRS),
        some.tuples(some.just("pop"), KEYS),
        some.tuples(some.just("fill"), some.lists(PAIRS, max_size=40)),
    ),
    max_size=60,
)


def check(shelf: Shelf, plain: list[tuple[float, int]]) -> None:
    assert shelf.least == (plain[0][0] if plain else INF)
    assert len(shelf) == len(plain)
    assert list(shelf) == [slot for _key, slot in plain]


@given(STEPS)
@settings(max_examples=200, deadline=None)
def test_it_holds_what_a_sorted_list_holds(steps: list[tuple[str, object]]) -> None:
    shelf, plain = Shelf(), []
    for what, given_ in steps:
        if what == "pop":
            keys, slots = shelf.pop(given_)
            count = sum(key <= given_ for key, _slot in plain)
            assert list(zip(keys, slots, strict=True)) == plain[:count]
            del plain[:count]
        elif what == "drop":
            assert shelf.drop(*given_) == (given_ in plain)
            plain = [each for each in plain if each != given_]
        else:
            new = [given_] if what == "put" else list(dict.fromkeys(given_))
            new = [each for each in new if each not in plain]
            for each in new:
                bisect.insort(plain, each)
            if what == "put":
                for each in new:
                    shelf.put(*each)
            else:
                shelf.fill(
                    np.array([k for k, _s in new], float), np.array([s for _k, s in new], int)
                )
        check(shelf, plain)


def test_thousands_at_one_key_are_found_again_one_by_one() -> None:
    shelf = Shelf()
    slots = [(n * 7919) % 5000 for n in range(5000)]
    for slot in slots:
        shelf.put(100.0, slot)
    assert list(shelf) == sorted(slots)
    assert all(shelf.drop(100.0, slot) for slot in slots[:4990])
    assert not shelf.drop(100.0, slots[0])
    assert sorted(shelf.pop(100.0)[1]) == sorted(slots[4990:])
    assert shelf.least == INF


def test_a_slot_is_found_without_its_key() -> None:
    shelf = Shelf()
    shelf.fill(np.arange(3000.0), np.arange(3000))
    assert shelf.find(2750) == 2750.0
    assert shelf.find(3001) is None
