"""Numbered order books: what a stream missed is the sum of what changed, not the difference of two looks."""

from dataclasses import replace

import pytest
from local_source import BTC, START, LocalSource

from exchanges.local.books import KEPT, BookLog
from market.clock import FixedClock
from market.types import Instrument, OrderBook

Side = tuple[tuple[float, float], ...]


class Staged(LocalSource):
    """A market whose book is what the test puts there."""

    def __init__(self) -> None:
        self.now = FixedClock(START)
        super().__init__(self.now)
        self.shown = OrderBook(instrument=BTC, ts=START, bids=((99.0, 1.0),), asks=((101.0, 1.0),))

    def book(self, instrument: Instrument, depth: int) -> OrderBook | None:
        return self.shown

    def show(self, bids: Side, asks: Side = ((101.0, 1.0),)) -> None:
        """The next book."""
        self.now.advance(100)
        self.shown = replace(self.shown, ts=self.now.now(), bids=bids, asks=asks)


@pytest.fixture
def source() -> Staged:
    return Staged()


@pytest.fixture
def log(source: Staged) -> BookLog:
    made = BookLog(source, BTC)
    made.look()
    return made


def test_a_look_that_finds_nothing_new_counts_no_version(source: Staged, log: BookLog) -> None:
    before = log.version
    source.show(((99.0, 1.0),))
    log.look()
    assert log.version == before
    assert log.since(before) is None


def test_a_change_has_new_levels_and_names_those_that_are_gone(
    source: Staged, log: BookLog
) -> None:
    before = log.version
    source.show(((99.5, 2.0),), ((101.0, 1.0), (102.0, 3.0)))
    log.look()
    change = log.since(before)
    assert change is not None
    assert (change.first, change.last, change.ts) == (before + 1, before + 1, START + 100)
    assert change.bids == {99.5: 2.0, 99.0: 0.0}
    assert change.asks == {102.0: 3.0}


def test_versions_that_were_missed_are_merged_with_levels_that_went_back(
    source: Staged, log: BookLog
) -> None:
    before = log.version
    source.show(((99.0, 5.0),))
    log.look()  # somebody took a snapshot with this level
    source.show(((99.0, 1.0),))
    log.look()
    change = log.since(before)
    assert change is not None
    assert (change.first, change.last) == (before + 1, before + 2)
    assert change.bids == {99.0: 1.0}


def test_a_stream_that_is_too_late_sees_the_hole(source: Staged, log: BookLog) -> None:
    before = log.version
    for size in range(2, KEPT + 4):
        source.show(((99.0, float(size)),))
        log.look()
    change = log.since(before)
    assert change is not None
    assert change.first > before + 1
