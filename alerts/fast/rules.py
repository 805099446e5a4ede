"""Rules of one leaf in columns: 46 bytes each, and 12 more on the shelf where it sleeps."""

from array import array
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from alerts.fast.fired import Kept
from alerts.fast.terms import NAN, Terms, numbers
from alerts.stored_types import OPS, REPEATS, Crossings
from alerts.types import AlertState, Cross, Leaf, Repeat

if TYPE_CHECKING:
    from alerts.fast.book import Book

ARMED, LIVE = 1, 8  # of `flags`; the two bits between are the side, plus one
UNKNOWN_SIDE = 1 << 1
NOWHERE = -1


class Rules:
    """Every rule of one leaf and one subject has a slot; its id leads to it without a table of ids.

    Ids mostly come rising, so their column is sorted and searched. The others, and the subjects of rules over
    several, are guests: their slots have owners by name. Only slots of guests are given to somebody else.
    """

    def __init__(self) -> None:
        self.ids = array("q")
        self.levels = array("d")  # of a change: the amount
        self.rearms = array("d")  # NaN: none; of a change: what it is measured from after a firing
        self.fired = array("q")
        self.counts = array("i")
        self.terms = array("i")
        self.homes = array("i")
        self.flags = array("B")
        self.places = array("B")
        self.bars: dict[int, int] = {}  # the candle that fired last, where there is one
        self.values: dict[int, float] = {}  # the last value of a rule that waits for its first look
        self.changed: set[int] = set()
        self.palette: list[Terms] = []
        self.books: list[Book | None] = []
        self.refused: Counter[str] = Counter()
        self._interned: dict[tuple[object, ...], int] = {}
        self._crosses: dict[tuple[int, bool, int, int], int] = {}
        self._empty: list[int] = []  # numbers of books that are gone
        self._extra: dict[int, int] = {}  # transition less count, where they differ
        self.guests: dict[int, tuple[int, str]] = {}  # rule id and subject by slot
        self.rooms: dict[int, dict[str, int]] = {}  # slots by rule id and subject
        self._free: list[int] = []
        self._numbers: dict[int, int] = {}  # of rules over several, or of parts: the last firing

    def slots(self, rule_id: int) -> list[int]:
        """All slots of a rule: several where it is over several subjects, none where it is not here."""
        if (rooms := self.rooms.get(rule_id)) is not None:
            return list(rooms.values())
        slot = self._place(rule_id)
        return [slot] if slot != NOWHERE and self.flags[slot] & LIVE else []

    def owner(self, slot: int) -> tuple[int, str]:
        """Rule id and subject of a slot."""
        return self.guests.get(slot) or (self.ids[slot], "")

    def new(
        self, rule_id: int, subject: str, leaf: Leaf, repeat: Repeat, cooldown: int, home: int
    ) -> int:  # fmt: skip
        """A slot for a rule, or for one subject of it."""
        place = self._place(rule_id)
        rising = not self.ids or rule_id > self.ids[-1]
        if subject or (place == NOWHERE and not rising):
            slot = self._free.pop() if self._free else self.grow(self.ids[-1] if self.ids else -1)
            self.guests[slot] = rule_id, subject
            self.rooms.setdefault(rule_id, {})[subject] = slot
        else:
            slot = self.grow(rule_id) if place == NOWHERE else place
        self.levels[slot], self.rearms[slot] = numbers(leaf)
        self.terms[slot], self.homes[slot] = self.intern(leaf, repeat, cooldown), home
        return slot

    def _place(self, rule_id: int) -> int:
        """The slot of an id that is no guest, live or not."""
        at = bisect_left(self.ids, rule_id)
        found = at < len(self.ids) and self.ids[at] == rule_id and at not in self.guests
        return at if found else NOWHERE

    def grow(self, rule_id: int) -> int:
        """One more slot."""
        self.ids.append(rule_id)
        for real in (self.levels, self.rearms):
            real.append(NAN)
        for whole in (self.fired, self.counts, self.terms, self.homes, self.flags, self.places):
            whole.append(0)
        return len(self.ids) - 1

    def intern(self, leaf: Leaf, repeat: Repeat, cooldown: int) -> int:
        """The number of its terms."""
        op, relative = getattr(leaf, "op", None), getattr(leaf, "relative", False)
        key = (type(leaf), op, getattr(leaf, "touch", False), relative, repeat, cooldown)
        found = self._interned.get(key)
        if found is None:
            found = self._interned[key] = len(self.palette)
            self.palette.append(Terms(leaf, repeat, cooldown))
        return found

    def clear(self, slot: int) -> None:
        """Forget a rule; its sleep has to be ended before."""
        self.flags[slot] = self.places[slot] = 0
        for kept in (self.bars, self.values, self._extra):
            kept.pop(slot, None)
        self.changed.discard(slot)
        if (guest := self.guests.pop(slot, None)) is None:
            return
        rooms = self.rooms[guest[0]]
        del rooms[guest[1]]
        if not rooms:
            del self.rooms[guest[0]]
        self._free.append(slot)

    # What a slot remembers

    def write(self, slot: int, state: AlertState) -> None:
        """Go on from a stored state."""
        self.flags[slot] = LIVE | (ARMED if state.armed else 0) | (state.side + 1) << 1
        self.fired[slot], self.counts[slot] = state.fired_ts, state.fired_count
        if self.palette[self.terms[slot]].is_change:
            self.rearms[slot] = NAN if state.anchor is None else state.anchor
        if state.bar_ts:
            self.bars[slot] = state.bar_ts
        if state.last_value is not None:
            self.values[slot] = state.last_value
        if extra := state.transition - state.fired_count:
            self._extra[slot] = extra

    def was(self, slot: int) -> tuple[bool, int]:
        """(armed, side) as of the last look."""
        flags = self.flags[slot]
        return bool(flags & ARMED), (flags >> 1 & 3) - 1

    def set(self, slot: int, *, armed: bool, side: int) -> None:
        """What a look made of it."""
        flags = LIVE | armed | (side + 1) << 1
        if flags != self.flags[slot]:
            self.flags[slot] = flags
            self.changed.add(slot)

    def fire(self, slot: int, ts: int, bar: int) -> None:
        """Count a firing."""
        self.changed.add(slot)
        self.fired[slot] = ts
        self.counts[slot] += 1
        if bar > self.bars.get(slot, 0):
            self.bars[slot] = bar
        guest = self.guests.get(slot)
        if guest and guest[1]:
            self._extra[slot] = self.number(guest[0]) - self.counts[slot]

    def kept(self, slot: int) -> Kept:
        """The part of its state that does not follow from its metric."""
        armed, side = self.was(slot)
        count = self.counts[slot]
        transition = count + self._extra.get(slot, 0)
        return armed, side, self.fired[slot], count, transition, self.bars.get(slot, 0)

    def count_from(self, rule_id: int, number: int) -> None:
        """The last firing of a rule; what was counted before stays counted."""
        if number > self._numbers.get(rule_id, 0):
            self._numbers[rule_id] = number

    def number(self, rule_id: int) -> int:
        """The number of a firing: unique over all subjects of a rule, also over those it had before."""
        found = self._numbers[rule_id] = self._numbers.get(rule_id, 0) + 1
        return found

    # Many at once

    def push(
        self, rule_id: int, leaf: Cross, repeat: Repeat, cooldown: int, home: int, state: AlertState | None
    ) -> int:  # fmt: skip
        """One more rule at the end, of an id above all others."""
        slot = len(self.ids)
        book = self.books[home]
        if book is not None:
            book.size += 1
        self.ids.append(rule_id)
        self.levels.append(leaf.level)
        self.rearms.append(NAN if leaf.rearm is None else leaf.rearm)
        self.terms.append(self._interned_cross(leaf, repeat, cooldown))
        self.homes.append(home)
        self.places.append(0)
        if state is None:
            self.fired.append(0)
            self.counts.append(0)
            self.flags.append(LIVE | ARMED | UNKNOWN_SIDE)
            return slot
        self.fired.append(state.fired_ts)
        self.counts.append(state.fired_count)
        self.flags.append(LIVE | state.armed | (state.side + 1) << 1)
        if state.bar_ts:
            self.bars[slot] = state.bar_ts
        if state.transition != state.fired_count:
            self._extra[slot] = state.transition - state.fired_count
        return slot

    def extend(self, many: Crossings, homes: NDArray[np.int32]) -> int:
        """`push` for many, each into its book of `homes`; the first slot."""
        first, counts = len(self.ids), many.counts.astype(np.int32)
        used, sizes = np.unique(homes, return_counts=True)
        for home, size in zip(used.tolist(), sizes.tolist(), strict=True):
            if (book := self.books[home]) is not None:
                book.size += size
        sides = many.sides.astype(np.uint8) + 1
        for column, values in (
            (self.ids, many.ids), (self.levels, many.levels), (self.rearms, many.rearms),
            (self.fired, many.fired), (self.counts, counts), (self.terms, self._terms_of(many)),
            (self.homes, homes), (self.flags, LIVE | many.armed.astype(np.uint8) | sides << 1),
            (self.places, np.zeros(len(many), np.uint8)),
        ):  # fmt: skip
            column.frombytes(values.tobytes())
        for at in np.flatnonzero(many.bars).tolist():
            self.bars[first + at] = int(many.bars[at])
        extra = many.transitions - many.counts
        for at in np.flatnonzero(extra).tolist():
            self._extra[first + at] = int(extra[at])
        return first

    def _terms_of(self, many: Crossings) -> NDArray[np.int32]:
        """The numbers of their terms."""
        kinds = len(OPS) * len(REPEATS) * 2
        kind = (many.ops * len(REPEATS) + many.repeats) * 2 + many.touch
        _waits, wait = np.unique(many.cooldowns, return_inverse=True)
        _whole, first, which = np.unique(
            wait * kinds + kind, return_index=True, return_inverse=True
        )
        found = [
            self._interned_cross(condition, repeat, cooldown)
            for at in first.tolist()
            for _id, condition, repeat, cooldown, _states, _subjects in many.part(at, at + 1).rows()
        ]
        return np.array(found, np.int32)[which]

    def _interned_cross(self, leaf: Cross, repeat: Repeat, cooldown: int) -> int:
        """`intern`, quick: members of enums are known by their identity."""
        key = (id(leaf.op), leaf.touch, id(repeat), cooldown)
        found = self._crosses.get(key)
        if found is None:
            found = self._crosses[key] = self.intern(leaf, repeat, cooldown)
        return found

    def trim(self) -> Iterator[None]:
        """Cut the columns to size, one after the other: growing leaves room at their ends."""
        for name in (
            "ids", "levels", "rearms", "fired", "counts", "terms", "homes", "flags", "places",
        ):  # fmt: skip
            setattr(self, name, getattr(self, name)[:])
            yield

    def live(self) -> int:
        """How many there are."""
        return int(np.count_nonzero(np.frombuffer(self.flags, np.uint8) & LIVE)) if self.ids else 0

    # Books

    def house(self, book: "Book") -> int:
        """A number for a book."""
        if self._empty:
            self.books[self._empty[-1]] = book
            return self._empty.pop()
        self.books.append(book)
        return len(self.books) - 1

    def vacate(self, number: int) -> None:
        """Nobody sleeps there any more."""
        self.books[number] = None
        self._empty.append(number)

    def at_home(self, number: int) -> list[int]:
        """The ids of the rules of a book."""
        homes, flags = np.frombuffer(self.homes, np.int32), np.frombuffer(self.flags, np.uint8)
        slots = np.flatnonzero((homes == number) & ((flags & LIVE) > 0))
        return [self.owner(slot)[0] for slot in slots.tolist()]
