"""Many rules at once: their columns are written as they come, and they are laid to sleep together, book by book."""

from array import array
from collections.abc import Iterator

import numpy as np

from alerts.fast import sleep
from alerts.fast.columns import Slots
from alerts.fast.rules import LIVE, Rules


class Loading:
    """Rules that are written and not asleep yet: no sample wakes them."""

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self._slots = array("i")
        self._looked = array("q")  # up to when each had looked

    def put(self, slot: int, looked: int) -> None:
        """One more."""
        self._slots.append(slot)
        self._looked.append(looked)

    def lay_down(self) -> Iterator[None]:
        """Let all of them sleep; a book at a time, so that others may have their turn."""
        slots = np.array(self._slots, np.int32)
        looked = np.array(self._looked, np.int64)
        self._slots, self._looked = array("i"), array("q")
        homes = np.frombuffer(self._rules.homes, np.int32)[slots]
        order = np.argsort(homes, kind="stable")
        cuts = np.flatnonzero(np.diff(homes[order])) + 1
        for part in np.split(order, cuts) if len(order) else ():
            self._lay(slots[part], looked[part])
            yield
        if len(slots) > len(self._rules.ids) // 2:
            self._rules.trim()

    def _lay(self, slots: Slots, looked: sleep.Stamps) -> None:
        """Those of one book, but for rules that were removed, or came anew, meanwhile."""
        rules = self._rules
        live = (np.frombuffer(rules.flags, np.uint8)[slots] & LIVE) > 0
        live &= np.frombuffer(rules.places, np.uint8)[slots] == 0
        book = rules.books[rules.homes[slots[0]]]
        if book is None or not live.any():
            return
        sleep.settle_new(book, slots[live], looked[live])
        book.guard()
