"""How far a metric has come within its window, and who waits for how far."""

from array import array
from bisect import bisect_left
from math import isfinite

from alerts.engine import tolerance
from alerts.fast.shelf import Shelf
from alerts.fast.terms import change

SECOND = 1000  # ms
PARTS = 900  # of a window: as exact as its start is known
SPENT = 512  # samples that have left the window before they are cut off


def spacing(window: int) -> int:
    """Least ms between two samples that are kept to measure from."""
    return max(SECOND, window // PARTS)


class Changes:
    """The past of a metric over one window, thinned. Shelves: relative up and down, absolute up and down."""

    __slots__ = (
        "_first",
        "_spacing",
        "_stamps",
        "_tolerance",
        "_values",
        "known",
        "shelves",
        "window",
    )

    def __init__(self, window: int) -> None:
        self.window = window
        self.shelves = [Shelf() for _ in range(4)]
        self.known = False, False  # which of `now` were, last
        self._spacing, self._tolerance = spacing(window), tolerance(window)
        self._stamps, self._values = array("q"), array("d")
        self._first = 0

    def put(self, ts: int, value: float) -> None:
        """Remember a sample; the newest one before the window stays as its start."""
        stamps = self._stamps
        if not stamps or ts >= stamps[-1] + self._spacing:
            stamps.append(ts)
            self._values.append(value)
        start, first, last = ts - self.window, self._first, len(stamps) - 1
        while first < last and stamps[first + 1] <= start:
            first += 1
        self._first = first
        if first > SPENT:
            del stamps[:first], self._values[:first]
            self._first = 0

    def base(self, ts: int) -> float | None:
        """The value at the start of the window that ends at `ts`; None where nothing is known of it."""
        start = ts - self.window
        if not self._stamps or not start - self._tolerance <= self._stamps[self._first] <= start:
            return None
        return self._values[self._first]

    def since(self, ts: int) -> float | None:
        """The first value from `ts` on."""
        at = bisect_left(self._stamps, ts)
        return self._values[at] if at < len(self._stamps) else None

    def now(self, ts: int, value: float) -> tuple[float | None, float | None]:
        """(relative, absolute) change of a value that was just put; None where it is not known."""
        base = self.base(ts)
        if base is None or not isfinite(base):
            return None, None
        return change(value, base, relative=True), change(value, base, relative=False)

    def noted(self, found: tuple[float | None, float | None]) -> bool:
        """Whether other ones than before are known now."""
        before, self.known = self.known, (found[0] is not None, found[1] is not None)
        return before != self.known

    def woken(self, found: tuple[float | None, float | None]) -> list[int]:
        """Who waits for a change like this one."""
        slots: list[int] = []
        for value, up, down in zip(found, self.shelves[::2], self.shelves[1::2], strict=True):
            if value is None:
                continue
            if up.least <= value:
                slots += up.pop(value)[1]
            if down.least <= -value:
                slots += down.pop(-value)[1]
        return slots
