"""What the websocket feeds of the venues share: pace, books as changes, how a feed is opened."""

from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass

from exchanges.local.pump import Session
from exchanges.local.source import Source
from exchanges.local.venues.native import Level, native
from market.types import TIMEFRAMES, Candle, Instrument, OrderBook


class Channel(ABC):
    """One subscription: what is sent at once (`opening`) and what follows (`frames`)."""

    def opening(self, now: int) -> Iterable[bytes]:
        """What the venue sends right after a subscription."""
        return ()

    @abstractmethod
    def frames(self, start: int, end: int) -> Iterable[bytes]:
        """What happened in (start, end]."""


async def attach(session: Session, key: str, channel: Channel, since: int) -> None:
    """Send the opening as of `since`, when the subscription was asked for, and then all that followed.

    The clock has moved on by then, in a fast market by seconds: what happened meanwhile is not left out.
    """
    for frame in channel.opening(since):
        await session.send(frame)
    session.subscribe(key, channel, since)


class Pace:
    """When a state feed looks again: after `period` market ms, at most every `turns` pump turns."""

    def __init__(self, period: int, turns: int = 2) -> None:
        self._period = period
        self._turns = turns
        self._turn = 0
        self._last: int | None = None

    def due(self, now: int) -> bool:
        """Whether to look now."""
        self._turn += 1
        early = self._last is not None and now - self._last < self._period
        if early or (self._last is not None and self._turn < self._turns):
            return False
        self._last, self._turn = now, 0
        return True


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """Levels that changed; amount "0" removes one. `whole`: these are all levels."""

    ts: int
    bids: list[Level]
    asks: list[Level]
    whole: bool


class BookState:
    """The book a subscriber was last sent, in native texts."""

    def __init__(self, source: Source, instrument: Instrument, depth: int) -> None:
        self._source = source
        self._instrument = instrument
        self._depth = depth
        self._sent = False
        self._seen: OrderBook | None = None
        self.bids: dict[str, str] = {}
        self.asks: dict[str, str] = {}

    def change(self) -> Change | None:
        """What is new since the last call; None when nothing is, or the source has no book."""
        book = self._source.book(self._instrument, self._depth)
        if book is None:
            return None
        seen, self._seen = self._seen, book
        if seen is not None and seen.bids is book.bids and seen.asks is book.asks:
            return None  # the source's own levels, untouched
        units = native(self._instrument)
        bids = dict(units.levels(book.bids[: self._depth]))
        asks = dict(units.levels(book.asks[: self._depth]))
        changed = Change(
            ts=book.ts, bids=_changed(self.bids, bids), asks=_changed(self.asks, asks),
            whole=not self._sent,
        )  # fmt: skip
        self.bids, self.asks, self._sent = bids, asks, True
        return changed if changed.bids or changed.asks or changed.whole else None


def _changed(before: dict[str, str], after: dict[str, str]) -> list[Level]:
    fresh = [(price, amount) for price, amount in after.items() if before.get(price) != amount]
    return fresh + [(price, "0") for price in before if price not in after]


class CandleState:
    """The candles a subscriber has yet to see: those that closed and the one that forms."""

    def __init__(self, source: Source, instrument: Instrument, timeframe: str) -> None:
        self._source = source
        self._instrument = instrument
        self._timeframe = timeframe
        self._open_ts: int | None = None
        self._last: Candle | None = None

    def news(self, now: int) -> list[Candle]:
        """Candles from the one last sent on; empty when nothing changed."""
        step = TIMEFRAMES[self._timeframe]
        start = self._open_ts if self._open_ts is not None else now // step * step
        rows = self._source.candles(self._instrument, self._timeframe, start, now + 1)
        if not rows or rows[-1] == self._last:
            return []
        self._open_ts, self._last = rows[-1].ts, rows[-1]
        return rows
