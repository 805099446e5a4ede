"""What a book looked like in the last ten minutes: time x price x size, one column a second, in 130 KB.

A column holds the quote value that rested in each of 200 rows of prices around its mid, in steps of 8 %.
What a feed does not show is not known, which is not the same as empty.
"""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from analytics.book_side import BookSide

STEP = 1000  # ms of a column
COLUMNS, ROWS = 600, 200
SPAN = 0.01  # of the mid, at most, on either side
LEAST, FACTOR = (
    10.0,
    0.08,
)  # the smallest value that is told from nothing, and the step of the logarithm
UNKNOWN = 255
EDGE = 3  # rows nobody knows of that are kept around those that somebody does
REGRID = 1.6  # times that the wanted height of a row may differ from the one in use

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """`values[row, column]` in quote currency, NaN where it is not known; rows rise in price.

    Row r is the prices from `low + r * height` on; column c ends at `start + (c + 1) * STEP`.
    """

    start: int
    end: int
    low: float
    height: float
    values: npt.NDArray[np.float32]
    mids: Floats  # NaN where it is not known


class BookHistory:
    """The ring of columns of one book. `height` of a row is a whole number of price steps."""

    def __init__(self, price_step: float = 0.0) -> None:
        self._step = price_step
        self._wanted = self._height = 0.0
        self._cells: npt.NDArray[np.uint8] | None = None  # made when the first column comes
        self._bases = np.zeros(COLUMNS, dtype=np.int64)
        self._mids = np.full(COLUMNS, np.nan)
        self.last: int | None = None  # number of the newest column
        self._first = 0

    def add(self, number: int, bids: BookSide, asks: BookSide, *, known: bool) -> None:
        """The book as it stands at the end of column `number`; `known`: also since the column before."""
        bid, ask = bids.best(), asks.best()
        if bid is None or ask is None or (self.last is not None and number <= self.last):
            return
        mid = (bid[0] + ask[0]) / 2
        self._fit(mid, bids, asks)
        cells = self._cells
        if cells is None:
            cells = self._cells = np.zeros((COLUMNS, ROWS), dtype=np.uint8)
        base = math.floor(mid / self._height) - ROWS // 2
        column = self._column(base, bids, asks)
        if self.last is None:
            self._first = number
        skipped = 0 if self.last is None else min(number - self.last, COLUMNS) - 1
        for each in range(number - skipped, number + 1):
            place = each % COLUMNS
            seen = known or each == number
            cells[place] = column if seen else UNKNOWN
            self._bases[place] = base
            self._mids[place] = mid if seen else np.nan
        self.last = number

    def _fit(self, mid: float, bids: BookSide, asks: BookSide) -> None:
        """Choose the height of a row by what the feed shows; begin anew where the price is another one now."""
        reaches = [abs(r / mid - 1) for r in (bids.shown(), asks.shown()) if r is not None]
        span = min(SPAN, 1.5 * max(reaches)) if reaches else SPAN
        wanted = max(span, 1e-6) * mid / (ROWS // 2)
        due = self.last is not None and self.last % 60 == 0
        if self._wanted and not (due and not 1 / REGRID < wanted / self._wanted < REGRID):
            return
        self._wanted = self._height = wanted
        if self._step > 0:
            self._height = math.ceil(wanted / self._step * (1 - 1e-9)) * self._step
        self.last = None

    def _column(self, base: int, bids: BookSide, asks: BookSide) -> npt.NDArray[np.uint8]:
        values = np.zeros(ROWS)
        height = self._height
        for side, limit in ((bids, base * height), (asks, (base + ROWS) * height)):
            count = side.within(limit)
            prices = np.array(side.keys[:count]) * side.sign
            rows = np.floor(prices / height + 1e-6).astype(np.int64) - base
            worth = prices * np.array(side.amounts[:count])
            inside = (rows >= 0) & (rows < ROWS)
            values += np.bincount(rows[inside], worth[inside], minlength=ROWS)
        with np.errstate(divide="ignore"):
            codes = np.rint(np.log(values / LEAST) / FACTOR) + 1
        column = np.where(values > 0, np.clip(codes, 1, UNKNOWN - 1), 0)
        low, high = bids.reach(), asks.reach()
        number = np.arange(ROWS) + base
        if low is not None:
            column[(column == 0) & (number < math.floor(low / height + 1e-6))] = UNKNOWN
        if high is not None:
            column[(column == 0) & (number > math.floor(high / height + 1e-6))] = UNKNOWN
        return column.astype(np.uint8)

    def grid(self, span: float = SPAN) -> Grid | None:
        """All columns on one grid of rows, at most `span` (a fraction) around the newest mid; None before the first."""
        if self.last is None or self._cells is None:
            return None
        first = max(self._first, self.last - COLUMNS + 1)
        places = np.arange(first, self.last + 1) % COLUMNS
        mids, bases, cells = self._mids[places], self._bases[places], self._cells[places]
        centre = float(mids[-1])
        lowest = math.floor(min(centre * (1 - span), float(np.nanmin(mids))) / self._height)
        highest = math.floor(max(centre * (1 + span), float(np.nanmax(mids))) / self._height)
        lowest = max(lowest, int(bases.min()))
        highest = min(highest, int(bases.max()) + ROWS - 1)
        values = np.full((highest - lowest + 1, len(places)), np.nan, dtype=np.float32)
        decoded = _decoded()
        for i, (base, column) in enumerate(zip(bases.tolist(), cells, strict=True)):
            low, high = max(lowest, base), min(highest, base + ROWS - 1)
            if low <= high:
                values[low - lowest : high - lowest + 1, i] = decoded[
                    column[low - base : high - base + 1]
                ]
        known = np.flatnonzero(~np.isnan(values).all(axis=1))
        bottom, top = max(0, int(known[0]) - EDGE), int(known[-1]) + 1 + EDGE
        return Grid(
            start=first * STEP, end=(self.last + 1) * STEP,
            low=(lowest + bottom) * self._height, height=self._height,
            values=values[bottom:top], mids=mids,
        )  # fmt: skip


def _decoded() -> npt.NDArray[np.float32]:
    """Quote value of each code."""
    values: Floats = LEAST * np.exp((np.arange(256) - 1) * FACTOR)
    values[0], values[UNKNOWN] = 0.0, np.nan
    return np.asarray(values, dtype=np.float32)
