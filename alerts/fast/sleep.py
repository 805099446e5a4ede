"""Where a rule of one leaf sleeps, and until what: put there after each look, taken up when it is removed."""

from collections.abc import Iterator
from math import isnan
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from alerts.fast import keys
from alerts.fast.columns import Columns, Slots
from alerts.fast.terms import Shape, Terms
from alerts.types import Op

if TYPE_CHECKING:
    from alerts.fast.book import Book

LEVEL, BACK, TIMER, BAR, FRESH, JOIN, CHANGE = 1, 2, 4, 8, 16, 32, 64
FEW = 16  # fewer are quicker one by one
UP, DOWN, TIMERS, BARS, CHANGES = 0, 1, 2, 3, 4  # shelves of a book; four of changes

Stamps = NDArray[np.int64]


def rest(book: "Book", slot: int, ts: int) -> None:
    """Let a rule sleep until something may happen to it; `ts` is the market's time."""
    rules = book.rules
    place = _place(book, slot, rules.palette[rules.terms[slot]], ts)
    rules.places[slot] = place
    if place == FRESH:
        book.fresh.add(slot)
    for shelf, key in _entries(book, slot, place):
        book.shelf(shelf).put(key, slot)


def lift(book: "Book", slot: int) -> None:
    """Take a rule from wherever it sleeps."""
    rules = book.rules
    place = rules.places[slot]
    rules.places[slot] = 0
    if place & FRESH:
        book.fresh.discard(slot)
    if place & JOIN:
        timers = book.shelf(TIMERS)
        key = timers.find(slot)
        if key is not None:
            timers.drop(key, slot)
        return
    for shelf, key in _entries(book, slot, place):
        book.shelf(shelf).drop(key, slot)


def join(book: "Book", slot: int, last_ts: int) -> None:
    """Let a rule sleep until samples are newer than what it has seen."""
    rules = book.rules
    rules.places[slot] = JOIN
    book.shelf(TIMERS).put(_first_look(rules.palette[rules.terms[slot]], last_ts), slot)


def _first_look(terms: Terms, last_ts: int) -> int:
    """From which ts on; of things that happen several may share a moment."""
    return last_ts if terms.shape is Shape.EVENT else last_ts + 1


def seen(terms: Terms, key: float) -> int:
    """Up to when a rule had looked that sleeps with this key."""
    return int(key) if terms.shape is Shape.EVENT else int(key) - 1


def looked(book: "Book", slot: int) -> int | None:
    """Up to when a rule had looked that waits for its first sample; None for all others."""
    rules = book.rules
    if not rules.places[slot] & JOIN:
        return None
    key = book.shelf(TIMERS).find(slot)
    return None if key is None else seen(rules.palette[rules.terms[slot]], key)


def _place(book: "Book", slot: int, terms: Terms, ts: int) -> int:
    """What a rule waits for."""
    rules = book.rules
    armed, side = rules.was(slot)
    if terms.once and rules.counts[slot] > 0:
        return 0
    if side == 0:
        return FRESH
    held = _held(book, slot, terms, ts)
    if terms.is_change:
        return held or _change(book, slot, ts)
    if armed or terms.shape is Shape.EVENT:
        return held or LEVEL
    if terms.shape is Shape.STATE and terms.cooldown > 0:
        return BACK | (held or LEVEL)
    return BACK


def _held(book: "Book", slot: int, terms: Terms, ts: int) -> int:
    """What forbids it to fire."""
    fired_ts = book.rules.fired[slot]
    if fired_ts and ts - fired_ts < terms.cooldown:
        return TIMER
    return BAR if terms.per_bar and book.bar <= book.rules.bars.get(slot, 0) else 0


def _change(book: "Book", slot: int, ts: int) -> int:
    """Measured over the window; for one window after a firing from there, which is a level of the value."""
    fired_ts = book.rules.fired[slot]
    if not fired_ts or fired_ts <= ts - book.metric.window:
        return CHANGE
    return FRESH if isnan(book.rules.rearms[slot]) else LEVEL | TIMER


def _entries(book: "Book", slot: int, place: int) -> Iterator[tuple[int, float]]:
    """(shelf, key) of each thing a rule waits for; the same when it lies down and when it is taken up."""
    rules = book.rules
    terms = rules.palette[rules.terms[slot]]
    level, rearm = rules.levels[slot], rules.rearms[slot]
    if place & TIMER:
        anchored = terms.is_change and place & LEVEL
        yield TIMERS, rules.fired[slot] + (book.metric.window if anchored else terms.cooldown)
    if place & BAR:
        yield BARS, rules.bars.get(slot, 0) + 1
    if place & CHANGE:
        shelf = CHANGES + (0 if terms.relative else 2) + (0 if level > 0 else 1)
        yield shelf, keys.risen(level)
    if not place & (LEVEL | BACK):
        return
    armed, side = rules.was(slot)
    if terms.is_change:
        yield UP if level > 0 else DOWN, keys.from_anchor(level, rearm, relative=terms.relative)
    elif terms.shape is Shape.EVENT:
        yield from happening(terms, level)
    elif terms.shape is Shape.STATE:
        if place & LEVEL:
            yield UP if terms.sign > 0 else DOWN, keys.met(terms.sign, level, touch=False)
        if place & BACK:
            shelf = DOWN if terms.sign > 0 else UP
            yield shelf, keys.left(terms.sign, level, rearm, touch=False)
    else:
        yield from crossing(terms, level, rearm, armed=armed, side=side)


def crossing(
    terms: Terms, level: float, rearm: float, *, armed: bool, side: int
) -> Iterator[tuple[int, float]]:
    """What a crossing waits for: the level while it is armed, else the way back."""
    if terms.shape is Shape.CROSS:
        rising = (terms.sign > 0) == armed
        yield (
            UP if rising else DOWN,
            keys.met(terms.sign, level, touch=terms.touch)
            if armed
            else keys.left(terms.sign, level, rearm, touch=terms.touch),
        )
    elif armed:  # over the level, from the side where it is
        yield UP if side < 0 else DOWN, keys.met(-side, level, touch=terms.touch)
    else:
        band = 0.0 if isnan(rearm) else abs(level - rearm)
        yield UP, keys.clear(1, level, band)
        yield DOWN, keys.clear(-1, level, band)


def happening(terms: Terms, level: float) -> Iterator[tuple[int, float]]:
    """What an event waits for; either way means far from 0."""
    if terms.op is Op.EITHER:
        yield UP, keys.met(1, level, touch=True)
        yield DOWN, keys.met(-1, -level, touch=True)
    else:
        yield UP if terms.sign > 0 else DOWN, keys.met(terms.sign, level, touch=True)


def settle(book: "Book", slots: Slots, ts: int) -> None:
    """`rest` for many at once."""
    rules, its = book.rules, Columns(book.rules, slots)
    flags = np.frombuffer(rules.flags, np.uint8)[slots]
    fired = np.frombuffer(rules.fired, np.int64)[slots]
    armed, known = (flags & 1) > 0, (flags >> 1 & 3) != 1
    over = np.frombuffer(rules.counts, np.int32)[slots] > 0
    waits = (fired > 0) & (ts - fired < its.cooldown) & armed
    mine = its.plain & known & ~waits & ~(its.once & over)
    for slot in slots[~mine].tolist():
        rest(book, slot, ts)
    signs, touch, slots, armed = its.sign[mine], its.touch[mine], slots[mine], armed[mine]
    found = keys.many(signs, its.level[mine], its.rearm[mine], touch, armed)
    np.frombuffer(rules.places, np.uint8)[slots] = np.where(armed, LEVEL, BACK)
    rising = (signs > 0) == armed
    for shelf, which in ((UP, rising), (DOWN, ~rising)):
        if which.any():
            book.shelf(shelf).fill(found[which], slots[which])


def settle_new(book: "Book", slots: Slots, stamps: Stamps) -> None:
    """Let crossings sleep that had looked up to `stamps`."""
    if len(slots) < FEW:
        for slot, stamp in zip(slots.tolist(), stamps.tolist(), strict=True):
            if stamp > book.ts:
                join(book, slot, stamp)
            else:
                rest(book, slot, book.ts)
        return
    joins = stamps > book.ts
    if joins.any():
        np.frombuffer(book.rules.places, np.uint8)[slots[joins]] = JOIN
        book.shelf(TIMERS).fill(stamps[joins].astype(np.float64) + 1, slots[joins])
    if not joins.all():
        settle(book, slots[~joins], book.ts)
