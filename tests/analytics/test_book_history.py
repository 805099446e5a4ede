"""What a book was: every dollar in its row and second, unknown told from empty, and a bounded size."""

import math
import random

import numpy as np
import pytest

from analytics.book_history import COLUMNS, FACTOR, ROWS, BookHistory, Grid
from analytics.book_side import BookSide
from analytics.livebook import LiveBook
from market.types import BookChange, Instrument

T0 = 1_790_000_000_000
HYPER = Instrument(
    exchange="hyperliquid", symbol="BTC/USDC:USDC", base="BTC", quote="USDC", perp=True,
    price_step=1.0,
)  # fmt: skip
BYBIT = Instrument(
    exchange="bybit", symbol="BTC/USDT:USDT", base="BTC", quote="USDT", perp=True, price_step=0.1
)
Levels = list[tuple[float, float]]


def sides(bids: Levels, asks: Levels, *, moving: bool = False) -> tuple[BookSide, BookSide]:
    bid, ask = BookSide(-1.0), BookSide(1.0)
    bid.load(bids, moving=moving)
    ask.load(asks, moving=moving)
    return bid, ask


def at(grid: Grid, price: float, column: int = -1) -> float:
    return float(grid.values[math.floor((price - grid.low) / grid.height + 1e-6), column])


def test_each_dollar_is_in_its_row_within_a_step() -> None:
    chance = random.Random(5)
    bids = [(1000.0 - n * 0.5, chance.uniform(0.1, 9)) for n in range(1, 150)]
    asks = [(1000.0 + n * 0.5, chance.uniform(0.1, 9)) for n in range(1, 150)]
    history = BookHistory(0.5)
    history.add(7, *sides(bids, asks), known=False)
    grid = history.grid()
    assert grid is not None
    assert grid.values.shape[1] == 1
    assert (grid.start, grid.end) == (7_000, 8_000)
    assert grid.height == 0.5
    for price, amount in [*bids, *asks]:
        if abs(price / 1000 - 1) < 0.0095:  # less what is cut off at the edge
            assert at(grid, price) == pytest.approx(price * amount, rel=FACTOR / 2 + 0.001), price
    assert at(grid, 1000.0) == 0
    assert grid.mids[-1] == 1000.0


def test_levels_of_one_row_are_added_up() -> None:
    history = BookHistory(0.1)
    bids = [(9_999.0 - n * 0.1, 1.0) for n in range(301)]
    asks = [(10_001.0 + n * 0.1, 1.0) for n in range(301)]
    history.add(1, *sides(bids, asks), known=False)
    grid = history.grid()
    assert grid is not None
    assert grid.height == pytest.approx(1.0)
    assert at(grid, 9_990.0) == pytest.approx(10 * 9_990, rel=0.05)
    assert float(np.nansum(grid.values)) == pytest.approx(602 * 10_000, rel=0.03)


def test_beyond_what_the_feed_shows_nothing_is_known() -> None:
    bids = [(63_000.0 - n, 1.0) for n in range(20)]
    asks = [(63_001.0 + n, 1.0) for n in range(20)]
    history = BookHistory(1.0)
    history.add(1, *sides(bids, asks, moving=True), known=False)
    grid = history.grid()
    assert grid is not None
    assert grid.height == 1.0  # the rows are as fine as the little that is shown
    assert math.isnan(at(grid, 62_979.0))
    assert math.isnan(at(grid, 63_021.0))
    assert at(grid, 62_981.0) > 0
    whole = BookHistory(1.0)
    whole.add(1, *sides(bids[:19], asks[:19]), known=False)
    full = whole.grid()
    assert full is not None
    assert at(full, 62_700.0) == 0  # a book of 19 levels is whole: beyond it there is nothing


def test_seconds_without_knowledge_stay_unknown_and_quiet_ones_are_filled() -> None:
    history = BookHistory(1.0)
    book = sides([(999.0, 5.0)], [(1001.0, 5.0)])
    history.add(10, *book, known=False)
    history.add(13, *book, known=True)
    history.add(16, *book, known=False)
    grid = history.grid()
    assert grid is not None
    seen = ~np.isnan(grid.values).all(axis=0)
    assert seen.tolist() == [True, True, True, True, False, False, True]
    assert np.isnan(grid.mids).tolist() == [not each for each in seen.tolist()]


def test_columns_of_a_moving_market_lie_on_one_grid() -> None:
    history = BookHistory(1.0)
    for n in range(60):
        mid = 10_000.0 + n
        history.add(n, *sides([(mid - 1, 3.0), (9_970.0, 50.0)], [(mid + 1, 3.0)]), known=n > 0)
    grid = history.grid()
    assert grid is not None
    for n in range(60):
        assert at(grid, 9_970.0, n) == pytest.approx(9_970 * 50, rel=0.05)
        assert at(grid, 10_001.0 + n, n) == pytest.approx(30_000, rel=0.06)
    assert grid.mids.tolist() == [10_000.0 + n for n in range(60)]


def test_the_ring_keeps_ten_minutes_and_its_size() -> None:
    history = BookHistory(1.0)
    for n in range(2 * COLUMNS):
        history.add(n, *sides([(999.0, n + 1.0)], [(1001.0, 1.0)]), known=True)
    grid = history.grid()
    assert grid is not None
    assert grid.values.shape[1] == COLUMNS
    assert grid.start == COLUMNS * 1000
    for column in (0, 300, 599):
        wanted = 999.0 * (COLUMNS + column + 1)
        assert at(grid, 999.0, column) == pytest.approx(wanted, rel=FACTOR / 2 + 0.001)
    history.add(10**9, *sides([(999.0, 1.0)], [(1001.0, 1.0)]), known=False)
    after = history.grid()
    assert after is not None
    assert (~np.isnan(after.values).all(axis=0)).sum() == 1
    assert history._cells is not None
    assert history._cells.nbytes == COLUMNS * ROWS
    history.add(5, *sides([(999.0, 1.0)], [(1001.0, 1.0)]), known=False)  # never back in time
    assert history.last == 10**9


def test_a_price_of_another_size_begins_a_new_grid() -> None:
    history = BookHistory()
    for n in range(121):
        price = 100.0 if n < 60 else 300.0
        history.add(n, *sides([(price * 0.999, 5.0)], [(price * 1.001, 5.0)]), known=True)
    grid = history.grid()
    assert grid is not None
    assert grid.height == pytest.approx(300 * 0.01 / 100)
    assert at(grid, 300 * 0.999) == pytest.approx(300 * 0.999 * 5, rel=0.05)


def test_an_empty_side_adds_no_column_and_nothing_is_no_grid() -> None:
    history = BookHistory()
    history.add(1, *sides([], [(1.0, 1.0)]), known=False)
    assert history.grid() is None


def test_a_live_book_keeps_how_each_second_ended() -> None:
    book = LiveBook(HYPER)

    def show(ts: int, amount: float) -> None:
        bids, asks = ((99.0, amount), (98.0, 1.0)), ((101.0, 1.0), (102.0, 1.0))
        book.take(BookChange(instrument=HYPER, ts=ts, bids=bids, asks=asks, whole=True))

    for ms, amount in (
        (0, 1.0),
        (400, 2.0),
        (900, 3.0),
        (1_500, 4.0),
        (4_100, 5.0),
        (20_000, 6.0),
        (21_000, 7.0),
    ):
        show(T0 + ms, amount)
    grid = book.history.grid()
    assert grid is not None
    assert grid.start == T0
    found = [at(grid, 99.0, n) / 99 for n in range(grid.values.shape[1])]
    wanted = [3.0, 4.0, 4.0, 4.0, 5.0, *[math.nan] * 15, 6.0]
    assert found == pytest.approx(wanted, rel=0.05, nan_ok=True)


def test_a_lost_book_leaves_a_hole() -> None:
    book, number = LiveBook(BYBIT), 1
    bids, asks = ((99.0, 1.0),), ((101.0, 1.0),)
    book.take(BookChange(instrument=BYBIT, ts=T0, bids=bids, asks=asks, whole=True, last=1))
    for second in range(1, 10):
        number += 2 if second == 4 else 1
        whole = second == 7
        book.take(
            BookChange(
                instrument=BYBIT, ts=T0 + second * 1000, bids=bids, asks=asks, whole=whole,
                first=number, last=number, before=number - 1,
            )
        )  # fmt: skip
    grid = book.history.grid()
    assert grid is not None
    unknown = np.isnan(grid.mids).tolist()
    assert unknown == [False] * 3 + [True] * 4 + [False] * 2
