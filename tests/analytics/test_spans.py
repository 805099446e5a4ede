"""Intervals behave as the sets of milliseconds they stand for."""

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from analytics.spans import Span, fewer_spans, merged_spans, shared_spans

SPANS = st.lists(
    st.tuples(st.integers(0, 90), st.integers(1, 9)).map(lambda each: (each[0], sum(each))),
    max_size=25,
)


def moments(spans: list[Span]) -> set[int]:
    return {ms for start, end in spans for ms in range(start, end)}


def apart(spans: list[Span]) -> bool:
    return all(one[1] < two[0] for one, two in pairwise(spans))


@given(SPANS)
@settings(max_examples=200, deadline=None)
def test_the_union_holds_what_any_of_them_holds(spans: list[Span]) -> None:
    found = merged_spans(spans)
    assert moments(found) == moments(spans)
    assert apart(found)


@given(SPANS, SPANS)
@settings(max_examples=200, deadline=None)
def test_what_two_share_is_what_lies_in_both(one: list[Span], other: list[Span]) -> None:
    found = shared_spans(merged_spans(one), merged_spans(other))
    assert moments(found) == moments(one) & moments(other)
    assert all(start < end for start, end in found)


@given(SPANS, st.integers(1, 12))
@settings(max_examples=200, deadline=None)
def test_fewer_of_them_hold_all_and_as_little_more_as_can_be(spans: list[Span], most: int) -> None:
    every = merged_spans(spans)
    found, given_up = fewer_spans(every, most)
    assert len(found) <= most + most // 4
    assert apart(found)
    assert moments(found) == moments(every) | moments(given_up)
    assert not moments(every) & moments(given_up)
    left = [two[0] - one[1] for one, two in pairwise(found)]
    longest = max((end - start for start, end in given_up), default=0)
    assert all(longest <= sight for sight in left)
