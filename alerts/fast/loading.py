"""Many rules at once: their columns are written as they come, and they are laid to sleep together, book by book."""

from array import array
from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from alerts.fast import sleep
from alerts.fast.columns import Slots
from alerts.fast.rules import LIVE, NOWHERE, Rules
from alerts.fast.sleep import Stamps
from alerts.stored_types import Crossings
from alerts.types import Metric

HALF = 0xFFFF


class Loading:
    """Rules that are written and not asleep yet: no sample wakes them."""

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self._slots = array("i")
        self._looked = array("q")  # up to when each had looked
        self._metrics: Sequence[Metric] = ()  # those whose books are in `_homes`
        self._homes = np.zeros(0, np.int32)

    def put(self, slot: int, looked: int) -> None:
        """One more."""
        self._slots.append(slot)
        self._looked.append(looked)

    def put_all(self, first: int, looked: Stamps) -> None:
        """More, from slot `first` on."""
        self._slots.frombytes(np.arange(first, first + len(looked), dtype=np.int32).tobytes())
        self._looked.frombytes(looked.tobytes())

    def homes(self, many: Crossings, home: Callable[[Metric], int]) -> Slots:
        """The number of the book of each; `home` gives that of a metric."""
        if self._metrics is not many.metrics:
            self._metrics, self._homes = many.metrics, np.zeros(0, np.int32)
        new = len(many.metrics) - len(self._homes)
        self._homes = np.append(self._homes, np.full(new, NOWHERE, np.int32))
        for place in np.unique(many.about[self._homes[many.about] == NOWHERE]).tolist():
            self._homes[place] = home(many.metrics[place])
        return self._homes[many.about]

    def forget_homes(self) -> None:
        """A book is gone, or all are taken up."""
        self._metrics, self._homes = (), np.zeros(0, np.int32)

    def lay_down(self) -> Iterator[None]:
        """Let all of them sleep; in short turns, so that others may have theirs."""
        slots = np.array(self._slots, np.int32)
        looked = np.array(self._looked, np.int64)
        self._slots, self._looked = array("i"), array("q")
        self.forget_homes()
        homes = np.frombuffer(self._rules.homes, np.int32)[slots]
        yield
        order = by_number(homes)
        yield
        cuts = np.flatnonzero(np.diff(homes[order])) + 1
        for part in np.split(order, cuts) if len(order) else ():
            yield
            self._lay(slots[part], looked[part])
        yield
        if len(slots) > len(self._rules.ids) // 2:
            yield from self._rules.trim()

    def _lay(self, slots: Slots, looked: Stamps) -> None:
        """Those of one book, but for rules that were removed, or came anew, meanwhile."""
        rules = self._rules
        live = (np.frombuffer(rules.flags, np.uint8)[slots] & LIVE) > 0
        live &= np.frombuffer(rules.places, np.uint8)[slots] == 0
        book = rules.books[rules.homes[slots[0]]]
        if book is None or not live.any():
            return
        sleep.settle_new(book, slots[live], looked[live])
        book.guard()


def by_number(numbers: Slots) -> NDArray[np.int64]:
    """Places in the order of whole numbers from 0 on, equal ones as they stand.

    Sorted by two halves, which numpy counts out: a million take a tenth of the time.
    """
    low = np.argsort((numbers & HALF).astype(np.uint16), kind="stable")
    high = numbers >> 16
    if not high.any():
        return low
    found: NDArray[np.int64] = low[np.argsort(high[low].astype(np.uint16), kind="stable")]
    return found
