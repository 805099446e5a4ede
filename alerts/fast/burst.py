"""Many crossings at one sample: the transition of `terms` over whole columns.

Rules that fired once and are done sleep nowhere, so none of them wakes here.
A price that runs through thousands of levels at once must not hold up the loop.
"""

from typing import TYPE_CHECKING

import numpy as np

from alerts.fast import sleep
from alerts.fast.columns import Columns, Slots
from alerts.fast.fired import Fired
from alerts.fast.rules import ARMED, LIVE

if TYPE_CHECKING:
    from alerts.fast.book import Book, Moment


def crossings(book: "Book", woken: list[int], moment: "Moment") -> tuple[list[Fired], list[int]]:
    """Steps all plain crossings among those that woke: (what fired, who has to be stepped one by one)."""
    rules = book.rules
    slots = np.array([slot for slot in woken if slot >= 0], np.int32)
    legs = [slot for slot in woken if slot < 0]
    if moment.rebased or moment.again:
        return [], woken
    flags = np.frombuffer(rules.flags, np.uint8)[slots]
    mine = Columns(book.rules, slots).plain & ((flags >> 1 & 3) != 1)
    for special in (moment.joined, rules.guests):
        if special:
            mine &= np.array([slot not in special for slot in slots.tolist()], bool)
    fired = _step(book, slots[mine], moment)
    return fired, legs + slots[~mine].tolist()


def _step(book: "Book", slots: Slots, moment: "Moment") -> list[Fired]:
    rules, its = book.rules, Columns(book.rules, slots)
    value, low, high = moment.range_for(moment.before)
    flags = np.frombuffer(rules.flags, np.uint8)
    stamps, counts = np.frombuffer(rules.fired, np.int64), np.frombuffer(rules.counts, np.int32)
    before = flags[slots]
    armed = (before & ARMED) > 0
    far, near = np.where(its.sign > 0, high, low), np.where(its.sign > 0, low, high)
    ready = armed | its.back(near)
    met = np.where(armed, far, value)
    may = (stamps[slots] == 0) | (moment.ts - stamps[slots] >= its.cooldown)
    hit = ready & may & its.beyond(met)
    after = np.where(hit, its.back(value), ready)
    side = np.where(value >= its.level, 2, 0)
    flags[slots] = LIVE | after * ARMED | side << 1
    rules.changed.update(slots[hit | (flags[slots] != before)].tolist())
    stamps[slots[hit]] = moment.ts
    counts[slots[hit]] += 1
    for kept in (rules.values,) if rules.values else ():
        for slot in slots.tolist():
            kept.pop(slot, None)
    if moment.bar:
        for slot in slots[hit].tolist():
            rules.bars[slot] = max(moment.bar, rules.bars.get(slot, 0))
    found = _fired(book, slots[hit].tolist(), met[hit].tolist(), moment)
    del flags, stamps, counts  # while they are looked through the columns cannot grow
    sleep.settle(book, slots, moment.ts)
    return found


def _fired(book: "Book", slots: list[int], values: list[float], moment: "Moment") -> list[Fired]:
    rules, metric = book.rules, book.metric
    sample = moment.sample() if slots else None
    if sample is None:
        return []
    palette, ids = rules.palette, rules.ids
    terms, levels, rearms = rules.terms, rules.levels, rules.rearms
    return [
        Fired(
            ids[slot], "", value, sample,
            (palette[terms[slot]], metric, levels[slot], rearms[slot]), rules.kept(slot),
        )
        for slot, value in zip(slots, values, strict=True)
    ]  # fmt: skip
