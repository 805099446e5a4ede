"""Intervals of time: their union, what two rows of them share, and as few of them as there is room for."""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from itertools import pairwise

Span = tuple[int, int]  # ms: where it begins and ends


def merged_spans(spans: Iterable[Span]) -> list[Span]:
    """The union of intervals, rising and apart."""
    merged: list[Span] = []
    for start, end in sorted(spans):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged


def fewer_spans(spans: list[Span], most: int) -> tuple[list[Span], list[Span]]:
    """About so many of what `merged_spans` gives, and the sights between that were given up for it.

    Those that lie closest become one: what they cover is never less than it was, and as little more as can be.
    A quarter more is borne, so that the search for them is not made at each new one.
    """
    if len(spans) <= most + most // 4:
        return spans, []
    between = [(a[1], b[0]) for a, b in pairwise(spans)]
    given_up = sorted(sorted(between, key=_length)[: len(spans) - most])
    return merged_spans([*spans, *given_up]), given_up


def shared_spans(one: Sequence[Span], other: Sequence[Span]) -> list[Span]:
    """What lies in both, each rising and apart; fast where the first are few."""
    found: list[Span] = []
    for start, end in one:
        place = bisect_right(other, start, key=_end)
        while place < len(other) and other[place][0] < end:
            found.append((max(start, other[place][0]), min(end, other[place][1])))
            place += 1
    return found


def _end(span: Span) -> int:
    return span[1]


def _length(span: Span) -> int:
    return span[1] - span[0]
