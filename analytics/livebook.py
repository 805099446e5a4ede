"""A book kept up by numbered changes: correct, or known to be broken.

Rules of the venues: Binance sends changes only, to be joined to a snapshot by REST (spot by U and u, futures by
pu); Bybit and OKX send the whole book first and numbered changes after; Hyperliquid sends its 20 levels
whole each time. A hole in the numbers, or a crossed book, voids everything until the next whole.
"""

import math
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from analytics.book import LEVELS, MAX_AGE, Pressure
from analytics.book_history import STEP, BookHistory, Grid
from analytics.book_patterns import Pattern, Patterns
from analytics.book_side import BookSide, Level
from analytics.book_touch import Touch
from analytics.book_walls import ALIVE, Mark, Wall
from market.language import _
from market.types import BookChange, Instrument, Kind, OrderBook, Reading, Status, Trade

BY_SNAPSHOT = frozenset({"binance"})  # venues whose streams never send the whole book
WAITING = 64  # changes that wait for a snapshot; the newest are the ones that it can be joined to
FUTURE = (
    60_000  # ms a venue's stamp may be ahead of the receipt before the receipt is taken instead
)
DEEPEN_EVERY = 10_000  # ms between two looks at how far the known levels reach
BANDS = {"01": 0.001, "05": 0.005}
NAMES = (
    "bid_share", "bid_share_01", "bid_share_05", "depth_bid_01", "depth_ask_01", "depth_bid_05",
    "depth_ask_05", "mid", "spread", "microprice", "ofi_1m",
)  # fmt: skip


class LiveBook:
    """The order book of one instrument, its figures, walls and patterns.

    The owner calls `take` and `traded`, brings the whole book while `needs_snapshot`, and calls `alive`
    when the venue was heard on this feed without a change.
    """

    def __init__(self, instrument: Instrument) -> None:
        self.instrument = instrument
        self.resyncs = 0  # times that the book was lost after it had been known
        self.crossed = 0  # of them and of the wholes: books that were crossed
        self.ts: int | None = None  # of the newest change
        self.history = BookHistory(instrument.price_step)
        self._bids, self._asks = BookSide(-1.0), BookSide(1.0)
        self._synced = False
        self._ever = False
        self._asked = False  # changes came, so that the rest is wanted
        self._sequence = 0
        self._thin = False  # the price came near the end of what is known
        self._measured = 0  # when that was looked at
        self._enough = 0.0  # fraction of the mid that has to be known on both sides
        self._waiting: deque[BookChange] = deque(maxlen=WAITING)
        self._heard: int | None = None
        self._broken = True  # the next book does not continue the one before
        self._touch = Touch()
        self._patterns = Patterns()

    @classmethod
    def of(cls, book: OrderBook, day_value: float | None = None) -> "LiveBook":
        """One look at a book that is not followed: figures of the moment, nothing of its past."""
        found = cls(book.instrument)
        if day_value is not None:
            found.scale(day_value)
        found._load(book.bids, book.asks, book.ts, moving=True)
        return found

    @property
    def needs_snapshot(self) -> bool:
        """Whether the whole book is wanted: by REST where the stream never sends it, else by a new subscription.

        Also of a known book that was joined to a snapshot, when the price comes near the end of its levels.
        """
        return self._asked and (not self._synced or self._thin)

    def take(self, change: BookChange) -> None:
        """Take the next message of the feed."""
        ts = change.ts
        if change.recv_ts and ts > change.recv_ts + FUTURE:
            ts = change.recv_ts
        self._asked = True
        self._heard = max(ts, self._heard or 0)
        if change.whole:
            self._sequence = change.last
            self._load(change.bids, change.asks, ts, moving=True)
        elif not self._synced:
            self._waiting.append(change)
        else:
            self._follow(change, ts)

    def snapshot(self, book: OrderBook) -> None:
        """Join a snapshot to the changes that waited; one that is too old for them leaves the book wanting."""
        by_rest = self.instrument.exchange in BY_SNAPSHOT  # elsewhere REST counts otherwise
        if not by_rest or not self.needs_snapshot or book.sequence is None:
            return
        newer = [each for each in self._waiting if each.last > book.sequence]
        late = not newer and self._synced and book.sequence < self._sequence
        if late or (newer and not _joins(newer[0], book.sequence)):
            return
        self._sequence = book.sequence
        if not self._load(book.bids, book.asks, book.ts, moving=False):
            return
        for change in newer:
            if self._synced:
                self._follow(change, max(change.ts, book.ts))
            else:
                self._waiting.append(change)

    def lost(self) -> None:
        """Nothing that is known can be relied on any more."""
        if self._synced:
            self.resyncs += 1
        self._synced, self._broken, self._thin = False, True, False
        self._waiting.clear()
        self._bids.clear()
        self._asks.clear()

    def alive(self, ts: int) -> None:
        """The venue was heard on this feed at `ts`: a book without changes is a book that did not change."""
        self._heard = max(ts, self._heard or 0)

    def traded(self, trades: Sequence[Trade]) -> None:
        """Take trades of the instrument, whichever of them and their book comes first."""
        self._patterns.traded(trades)

    def scale(self, day_value: float) -> None:
        """Measure walls by the 24 h volume in quote currency; without it they have to be worth $1M."""
        self._patterns.walls.scale(day_value)

    def _follow(self, change: BookChange, ts: int) -> None:
        if change.before != self._sequence and change.last and change.last <= self._sequence:
            return  # seen already: two connections overlap
        if not _joins(change, self._sequence):
            self.lost()
            self._waiting.append(change)
            return
        self._column(ts)
        self._sequence = change.last
        if self._thin:
            self._waiting.append(change)
        top = min(self._bids.apply(change.bids), self._asks.apply(change.asks))
        self._changed(ts, near=top < LEVELS)
        if ts - self._measured >= DEEPEN_EVERY:
            self._measured = ts
            self._waiting.clear()
            joined = self.instrument.exchange in BY_SNAPSHOT
            self._thin = joined and not self._thin and self._depth() < self._enough

    def _depth(self) -> float:
        """Fraction of the mid up to which both sides are known."""
        mid = self._mid()
        ends = [each for each in (self._bids.reach(), self._asks.reach()) if each is not None]
        return math.inf if mid is None or not ends else min(abs(each / mid - 1) for each in ends)

    def _load(self, bids: Sequence[Level], asks: Sequence[Level], ts: int, *, moving: bool) -> bool:
        """Replace the book; False where what came is crossed."""
        numbered = self._sequence > 0
        if self._synced and self.ts is not None and ts - self.ts > MAX_AGE and not numbered:
            self._broken = True  # nobody knows what was in between
        if self._synced:
            self._column(ts)
        self._bids.load(bids, moving=moving)
        self._asks.load(asks, moving=moving)
        self._synced = self._ever = True
        self._thin = False
        self._waiting.clear()
        self._measured, self._enough = ts, self._depth() / 2
        if self._broken:
            self._broken = False
            self._touch.begin(ts)
            self._patterns.begin()
        self._changed(ts, near=True)
        return self._synced

    def _changed(self, ts: int, *, near: bool) -> None:
        bids, asks = self._bids, self._asks
        if near and bids.keys and asks.keys and -bids.keys[0] >= asks.keys[0]:
            self.crossed += 1
            self.lost()
            return
        self.ts = ts = max(ts, self.ts or 0)
        self._heard = max(ts, self._heard or 0)
        if near:
            self._touch.changed(ts, bids, asks)
        if bids.keys and asks.keys:
            self._patterns.changed(ts, bids, asks, (asks.keys[0] - bids.keys[0]) / 2)

    def _column(self, ts: int) -> None:
        """Before the first change of a new second: keep how the seconds before ended."""
        if self.ts is None or ts // STEP <= self.ts // STEP:
            return
        self.history.add(self.ts // STEP, self._bids, self._asks, known=False)
        if not self._broken:
            self.history.add(ts // STEP - 1, self._bids, self._asks, known=True)

    def live(self, now: int) -> bool:
        """Whether the book is known and the feed was heard within five seconds."""
        return self._synced and self._heard is not None and now - self._heard <= MAX_AGE

    def bids(self, n: int | None = None) -> list[Level]:
        """(price, coins), best first; nothing while the book is not known."""
        return self._bids.levels(n)

    def asks(self, n: int | None = None) -> list[Level]:
        """(price, coins), best first; nothing while the book is not known."""
        return self._asks.levels(n)

    def walls(self, now: int, alive: int = ALIVE) -> list[Wall]:
        """Large levels that have stood for `alive` ms, the largest first; nothing while the book is not live."""
        mid = self._mid()
        if mid is None or not self.live(now):
            return []
        return self._patterns.standing(self._bids, self._asks, mid, now, alive)

    def grid(self) -> Grid | None:
        """The book over ten minutes; of one that has just begun, how it is now. None while it is not known."""
        found = self.history.grid()
        if found is None and self._synced and self.ts is not None:
            once = BookHistory(self.instrument.price_step)
            once.add(self.ts // STEP, self._bids, self._asks, known=False)
            found = once.grid()
        return found

    def marks(self) -> list[Mark]:
        """Walls that are gone, those that were pulled among them."""
        return list(self._patterns.walls.marks)

    def patterns(self, now: int) -> list[Pattern]:
        """Suspicions of the last ten minutes, the newest first."""
        return self._patterns.newest(now)

    def pressure(self, now: int) -> Reading[Pressure]:
        """The side that is heavier and was for 3 s, or for 60 % of 10 s; `window` is for how long, in ms."""
        refusal: Reading[Any] | None = self._refusal(now)
        if refusal is not None:
            return refusal
        state, held = self._touch.held(now)
        return Reading(value=state, window=held, since=now - held, **self._evidence())  # type: ignore[arg-type]

    def readings(self, now: int) -> Mapping[str, Reading[float]]:
        """The figures `NAMES`. Depths are quote currency; where levels end before the band they are a floor.

        Their note says so, and `bid_share_01`, `bid_share_05` are missing: a share of a part is another figure.
        """
        refusal = self._refusal(now)
        if refusal is not None:
            return dict.fromkeys(NAMES, refusal)
        evidence = self._evidence()
        found = {
            "bid_share": _reading(self._touch.share, "fraction", evidence, n=LEVELS),
            **self._at_touch(evidence),
        }
        for name, band in BANDS.items():
            found |= self._band(name, band, evidence)
        flow = self._touch.flow(now)
        found["ofi_1m"] = _with(flow, evidence, self.instrument.base)
        return found

    def _refusal(self, now: int) -> Reading[float] | None:
        evidence: dict[str, object] = {"venues": (self.instrument.exchange,)}
        if not self._ever and not self._asked:
            return Reading.missing(_("no book yet"), Status.INSUFFICIENT, **evidence)
        if not self._synced:
            text = _("book is being fetched again") if self._ever else _("book is being fetched")
            return Reading.missing(text, Status.UNAVAILABLE, **evidence)
        if not self.live(now):
            return Reading.missing(
                _("the book is old"), Status.STALE, as_of=self._heard, **evidence
            )
        return None

    def _evidence(self) -> dict[str, object]:
        return {"as_of": self._heard, "venues": (self.instrument.exchange,)}

    def _mid(self) -> float | None:
        bid, ask = self._bids.best(), self._asks.best()
        return None if bid is None or ask is None else (bid[0] + ask[0]) / 2

    def _at_touch(self, evidence: dict[str, object]) -> dict[str, Reading[float]]:
        bid, ask, mid = self._bids.best(), self._asks.best(), self._mid()
        if bid is None or ask is None or mid is None:
            return {name: _reading(None, "", evidence) for name in ("mid", "spread", "microprice")}
        micro = (bid[0] * ask[1] + ask[0] * bid[1]) / (bid[1] + ask[1])
        return {
            "mid": _reading(mid, self.instrument.quote, evidence),
            "spread": _reading((ask[0] - bid[0]) / mid, "fraction", evidence),
            "microprice": _reading(micro, self.instrument.quote, evidence),
        }

    def _band(
        self, name: str, band: float, evidence: dict[str, object]
    ) -> dict[str, Reading[float]]:
        mid = self._mid()
        names = (f"depth_bid_{name}", f"depth_ask_{name}", f"bid_share_{name}")
        if mid is None:
            return {each: _reading(None, "", evidence) for each in names}
        found: dict[str, Reading[float]] = {}
        short = ""
        total = []
        for each, side in zip(names, (self._bids, self._asks), strict=False):
            limit = mid * (1 + side.sign * band)
            reach = side.reach()
            ends = reach is not None and reach * side.sign < limit * side.sign
            note = (
                _("floor: levels end at {share} %").format(share=_share(reach, mid)) if ends else ""
            )
            short = short or note
            total.append(side.value(limit))
            found[each] = _reading(
                total[-1], self.instrument.quote, evidence, n=side.within(limit), note=note,
                kind=Kind.ESTIMATED if ends else Kind.OBSERVED,
            )  # fmt: skip
        both = sum(total)
        found[names[2]] = (
            Reading.missing(short, Status.INSUFFICIENT, **evidence)
            if short
            else _reading(total[0] / both if both > 0 else None, "fraction", evidence)
        )
        return found


def _joins(change: BookChange, sequence: int) -> bool:
    """Whether a change follows what is known up to `sequence` without a hole; overlapping is no hole."""
    if change.before is not None:
        return change.before == sequence or change.before < sequence < change.last
    if change.first:
        return change.first <= sequence + 1 <= change.last
    return True


def _share(reach: float | None, mid: float) -> str:
    return f"{abs((reach or mid) / mid - 1) * 100:.2g}"


def _reading(
    value: float | None, unit: str, evidence: dict[str, object], **more: object
) -> Reading[float]:
    if value is None:
        text = _("one side of the book is empty")
        return Reading.missing(text, Status.UNDEFINED, **evidence)
    return Reading(value=value, unit=unit, **evidence, **more)  # type: ignore[arg-type]


def _with(reading: Reading[float], evidence: dict[str, object], unit: str) -> Reading[float]:
    return replace(reading, unit=unit, **evidence)  # type: ignore[arg-type]
