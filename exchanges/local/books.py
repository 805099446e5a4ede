"""Numbered order books: a snapshot and the changes since agree, whoever asks and in whatever order."""

from collections import deque
from dataclasses import dataclass, field

from exchanges.local.source import Source
from market.types import Instrument, OrderBook

DEPTH = 1000  # levels a side that are followed
KEPT = 40  # versions that a slow stream may be behind; each may name every level

Levels = dict[float, float]  # price -> amount; 0 in a change: the level is gone


@dataclass(slots=True)
class Change:
    """What became different between two versions of a book."""

    first: int  # number of the first version in it
    last: int
    ts: int
    bids: Levels = field(default_factory=dict)
    asks: Levels = field(default_factory=dict)


class BookLog:
    """The versions of one instrument's book; a version is counted when somebody looks and it is different."""

    def __init__(self, source: Source, instrument: Instrument) -> None:
        self._source = source
        self._instrument = instrument
        self._looked: int | None = None
        self._changes: deque[Change] = deque(maxlen=KEPT)
        self._bids: Levels = {}
        self._asks: Levels = {}
        self.version = 0
        self.book: OrderBook | None = None

    def look(self) -> OrderBook | None:
        """The book now; `version` is its number. None where the source has none."""
        now = self._source.clock.now()
        if now == self._looked:
            return self.book
        self._looked = now
        before, self.book = self.book, self._source.book(self._instrument, DEPTH)
        same = before is not None and self.book is not None and (
            self.book.bids is before.bids and self.book.asks is before.asks
        )  # fmt: skip
        if self.book is not None and not same:
            self._count(self.book, now)
        return self.book

    def since(self, version: int) -> Change | None:
        """All that changed after `version` as one change; None where nothing did."""
        newer = [each for each in self._changes if each.last > version]
        if not newer:
            return None
        merged = Change(newer[0].first, newer[-1].last, newer[-1].ts)
        for each in newer:
            merged.bids.update(each.bids)
            merged.asks.update(each.asks)
        return merged

    def _count(self, book: OrderBook, now: int) -> None:
        bids, asks = dict(book.bids), dict(book.asks)
        if not self.version:
            self.version = now  # rises over restarts, as a venue's numbers do
        else:
            change = Change(self.version + 1, self.version + 1, book.ts)
            change.bids, change.asks = _difference(self._bids, bids), _difference(self._asks, asks)
            if change.bids or change.asks:
                self.version += 1
                self._changes.append(change)
        self._bids, self._asks = bids, asks


class BookLogs:
    """The book logs of one venue, made when first asked for."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._logs: dict[str, BookLog] = {}

    def of(self, instrument: Instrument) -> BookLog:
        """The log of one instrument."""
        if instrument.key not in self._logs:
            self._logs[instrument.key] = BookLog(self._source, instrument)
        return self._logs[instrument.key]


def _difference(before: Levels, after: Levels) -> Levels:
    changed = {price: amount for price, amount in after.items() if before.get(price) != amount}
    return changed | {price: 0.0 for price in before if price not in after}
