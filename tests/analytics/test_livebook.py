"""A live book equals a dictionary of levels, or says that it is not known."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics import book as batch
from analytics.book import Pressure
from analytics.book_side import KEPT, MOST, BookSide
from analytics.book_touch import imbalance
from analytics.livebook import NAMES, LiveBook
from market.types import BookChange, Instrument, OrderBook, Status

T0 = 1_790_000_000_000
Levels = tuple[tuple[float, float], ...]


def instrument(exchange: str, *, perp: bool = True) -> Instrument:
    return Instrument(
        exchange=exchange, symbol="BTC/USDT:USDT" if perp else "BTC/USDT", base="BTC", quote="USDT",
        perp=perp, price_step=1.0,
    )  # fmt: skip


FUTURES, SPOT = instrument("binance"), instrument("binance", perp=False)
BYBIT, HYPER = instrument("bybit"), instrument("hyperliquid")
BIDS: Levels = ((99.0, 1.0), (98.0, 2.0), (97.0, 3.0))
ASKS: Levels = ((101.0, 1.0), (102.0, 2.0), (103.0, 3.0))


def change(
    of: Instrument, ts: int = T0, bids: Levels = (), asks: Levels = (), *, first: int = 0,
    last: int = 0, before: int | None = None, whole: bool = False, recv: int = 0,
) -> BookChange:  # fmt: skip
    return BookChange(
        instrument=of, ts=ts, bids=bids, asks=asks, whole=whole, first=first, last=last,
        before=before, recv_ts=recv,
    )  # fmt: skip


def snapshot(of: Instrument, sequence: int, bids: Levels = BIDS, asks: Levels = ASKS) -> OrderBook:
    return OrderBook(instrument=of, ts=T0, bids=bids, asks=asks, sequence=sequence)


def whole(
    of: Instrument = BYBIT, ts: int = T0, bids: Levels = BIDS, asks: Levels = ASKS
) -> LiveBook:
    book = LiveBook(of)
    book.take(change(of, ts, bids, asks, whole=True, last=1))
    return book


# The sides


@st.composite
def level_batches(draw: st.DrawFn) -> list[list[tuple[float, float]]]:
    level = st.tuples(
        st.integers(1, 40).map(lambda n: n * 0.1),
        st.sampled_from([0.0, 0.0, 0.5, 1.0, 2.0, 7.25]),
    )
    return draw(st.lists(st.lists(level, max_size=12), max_size=12))


@given(level_batches(), st.booleans())
def test_a_side_equals_a_dictionary(batches: list[list[tuple[float, float]]], asks: bool) -> None:
    side, reference = BookSide(1.0 if asks else -1.0), dict[float, float]()
    for levels in batches:
        before = sorted(reference.items(), reverse=not asks)
        top = side.apply(levels)
        for price, amount in levels:
            reference[price] = amount
            if not amount:
                del reference[price]
        wanted = sorted(reference.items(), reverse=not asks)
        assert side.levels() == wanted
        assert side.levels()[: min(top, len(wanted))] == before[: min(top, len(wanted))]
        assert side.best() == (wanted[0] if wanted else None)
        for price in (0.1, 2.0, 4.0):
            good = [(p, a) for p, a in wanted if (p <= price if asks else p >= price)]
            assert side.within(price) == len(good)
            assert side.value(price) == pytest.approx(sum(p * a for p, a in good))
            assert side.amount(price) == reference.get(price, 0.0)


def test_a_side_that_grows_is_cut_far_from_the_price_and_says_so() -> None:
    side = BookSide(-1.0)
    side.load([(float(price), 1.0) for price in range(9_000, 9_100)], moving=False)
    assert side.reach() == 9_000
    side.load([(float(price), 1.0) for price in range(9_000, 9_107)], moving=False)
    assert side.reach() is None  # 107 levels are no limit of a venue: these are all there are
    side.apply([(float(price), 1.0) for price in range(1, MOST)])
    assert len(side) == KEPT
    assert side.reach() == (MOST - 1) - (KEPT - 107) + 1
    assert side.near(0, 50)[0] != 0


def test_the_neighbours_of_a_level_do_not_contain_it() -> None:
    side = BookSide(1.0)
    side.apply([(float(p), float(p)) for p in range(1, 101)])
    assert list(side.near(0, 4)) == [2, 3, 4, 5]
    assert list(side.near(50, 4)) == [49, 50, 52, 53]
    assert list(side.near(99, 4)) == [96, 97, 98, 99]
    assert len(side.near(0, 500)) == 99


# Binance: a snapshot and changes


def test_spot_changes_wait_for_the_snapshot_and_join_it() -> None:
    book = LiveBook(SPOT)
    assert not book.needs_snapshot
    assert book.readings(T0)["mid"].status is Status.INSUFFICIENT
    book.take(change(SPOT, T0, ((99.0, 9.0),), first=5, last=8))  # in the snapshot already
    book.take(change(SPOT, T0 + 1, ((99.0, 5.0),), first=9, last=11))
    book.take(change(SPOT, T0 + 2, ((98.0, 0.0),), first=12, last=12))
    assert book.needs_snapshot
    assert "fetched" in book.readings(T0)["mid"].reason
    book.snapshot(snapshot(SPOT, 10))
    assert not book.needs_snapshot
    assert book.bids() == [(99.0, 5.0), (97.0, 3.0)]
    assert book.ts == T0 + 2
    assert book.resyncs == 0


def test_a_snapshot_that_is_too_old_is_not_joined() -> None:
    book = LiveBook(SPOT)
    book.take(change(SPOT, first=20, last=21))
    book.snapshot(snapshot(SPOT, 18))
    assert book.needs_snapshot
    book.snapshot(snapshot(SPOT, 19))
    assert not book.needs_snapshot


def test_futures_follow_by_the_number_before() -> None:
    book = LiveBook(FUTURES)
    book.take(change(FUTURES, first=90, last=99, before=89))
    book.take(change(FUTURES, T0 + 1, ((99.0, 4.0),), first=103, last=110, before=99))
    book.snapshot(snapshot(FUTURES, 99))
    assert book.bids(1) == [(99.0, 4.0)]
    book.take(change(FUTURES, T0 + 2, ((99.0, 6.0),), first=117, last=120, before=110))
    assert book.bids(1) == [(99.0, 6.0)]
    book.take(change(FUTURES, T0 + 3, ((99.0, 7.0),), first=130, last=133, before=125))
    assert book.needs_snapshot
    assert book.resyncs == 1
    found = book.readings(T0 + 3)
    assert set(found) == set(NAMES)
    assert {r.reason for r in found.values()} == {"book is being fetched again"}
    assert all(r.value is None for r in found.values())
    assert book.bids() == []
    assert book.walls(T0 + 3) == []
    book.snapshot(snapshot(FUTURES, 128))
    assert book.bids(1) == [(99.0, 7.0)]


def test_a_spot_hole_voids_the_book() -> None:
    book = LiveBook(SPOT)
    book.take(change(SPOT, first=1, last=2))
    book.snapshot(snapshot(SPOT, 2))
    book.take(change(SPOT, first=4, last=4))
    assert book.needs_snapshot
    assert book.resyncs == 1


def test_what_was_seen_already_changes_nothing() -> None:
    """Two connections overlap: each change comes twice, and one of them groups the changes differently."""
    book = LiveBook(FUTURES)
    book.take(change(FUTURES, first=1, last=5, before=0))
    book.snapshot(snapshot(FUTURES, 5))
    book.take(change(FUTURES, T0 + 1, ((99.0, 4.0),), first=6, last=8, before=5))
    book.take(change(FUTURES, T0 + 1, ((99.0, 3.0),), first=5, last=7, before=4))
    assert book.bids(1) == [(99.0, 4.0)]
    book.take(change(FUTURES, T0 + 2, ((99.0, 2.0),), first=7, last=9, before=6))
    assert book.bids(1) == [(99.0, 2.0)]
    assert book.resyncs == 0


def test_the_changes_that_wait_are_bounded_and_the_newest_stay() -> None:
    book = LiveBook(SPOT)
    for n in range(1, 5001):
        book.take(change(SPOT, T0 + n, ((99.0, float(n)),), first=n, last=n))
    book.snapshot(snapshot(SPOT, 10))
    assert book.needs_snapshot
    book.snapshot(snapshot(SPOT, 4990))
    assert book.bids(1) == [(99.0, 5000.0)]


def test_near_the_end_of_what_is_known_a_deeper_snapshot_is_wanted_and_joined() -> None:
    bids = tuple((1000.0 - n, 1.0) for n in range(100))
    asks = tuple((1001.0 + n, 1.0) for n in range(100))
    book = LiveBook(SPOT)
    book.take(change(SPOT, first=1, last=1))
    book.snapshot(snapshot(SPOT, 1, bids, asks))
    fallen = tuple((price, 0.0) for price, _a in bids[:60])
    book.take(change(SPOT, T0 + 11_000, fallen, ((945.0, 2.0),), first=2, last=2))
    assert book.needs_snapshot
    assert book.readings(T0 + 11_000)["mid"].value == (945 + 940) / 2  # it is still right
    book.take(change(SPOT, T0 + 11_100, ((939.0, 9.0),), first=3, last=3))
    deeper = tuple((940.0 - n, 1.0) for n in range(100))
    book.snapshot(snapshot(SPOT, 2, deeper, ((945.0, 2.0), *asks[:99])))
    assert not book.needs_snapshot
    assert book.bids(2) == [(940.0, 1.0), (939.0, 9.0)]
    assert len(book.bids()) == 100
    assert book.resyncs == 0


@settings(max_examples=40)
@given(
    st.lists(st.tuples(level_batches(), st.booleans()), min_size=1, max_size=6), st.integers(0, 9)
)
def test_changes_and_snapshots_in_any_order_give_the_book_or_none(
    parts: list[tuple[list[list[tuple[float, float]]], bool]], snap_at: int
) -> None:
    """Random changes, some lost on the way: a book that claims to be known equals the venue's."""
    truth: dict[float, float] = {}
    book, number = LiveBook(SPOT), 0
    for levels, lose in parts:
        for batch_ in levels or [[]]:
            number += 1
            truth |= dict(batch_)
            truth = {p: a for p, a in truth.items() if a}
            if not lose:
                book.take(change(SPOT, T0 + number, tuple(batch_), first=number, last=number))
            if number % 10 == snap_at or (book.needs_snapshot and lose):
                book.snapshot(
                    OrderBook(
                        instrument=SPOT, ts=T0 + number, bids=tuple(truth.items()), asks=(),
                        sequence=number,
                    )
                )  # fmt: skip
            newest = not lose
            if newest and book.live(T0 + number):
                assert book.bids() == sorted(truth.items(), reverse=True)


# Bybit, OKX, Hyperliquid: the whole book comes on the stream


def test_numbered_changes_follow_a_whole_book() -> None:
    book = LiveBook(BYBIT)
    book.take(change(BYBIT, first=6, last=6, before=5))
    assert book.needs_snapshot
    book.take(change(BYBIT, T0, BIDS, ASKS, whole=True, last=7))
    assert not book.needs_snapshot
    book.take(change(BYBIT, T0 + 20, ((98.5, 1.0),), ((101.0, 0.0),), first=8, last=8, before=7))
    assert book.bids(2) == [(99.0, 1.0), (98.5, 1.0)]
    assert book.asks(1) == [(102.0, 2.0)]
    book.take(change(BYBIT, T0 + 40, first=10, last=10, before=9))
    assert book.needs_snapshot
    book.snapshot(snapshot(BYBIT, 10))  # numbers of REST are not those of the stream
    assert book.needs_snapshot


def test_okx_may_count_backwards_after_maintenance() -> None:
    okx = instrument("okx")
    book = LiveBook(okx)
    book.take(change(okx, T0, BIDS, ASKS, whole=True, last=900))
    book.take(change(okx, T0 + 1, ((99.0, 4.0),), first=3, last=3, before=900))
    book.take(change(okx, T0 + 2, first=3, last=3, before=3))  # a sign of life without a change
    assert book.bids(1) == [(99.0, 4.0)]
    assert book.resyncs == 0
    assert book.live(T0 + 5002)


def test_a_crossed_book_is_refused_and_counted() -> None:
    book = whole()
    book.take(change(BYBIT, T0 + 1, ((101.0, 2.0),), first=2, last=2, before=1))
    assert (book.crossed, book.resyncs) == (1, 1)
    assert book.needs_snapshot
    assert book.readings(T0 + 1)["bid_share"].value is None
    hyper = LiveBook(HYPER)
    hyper.take(change(HYPER, T0, ASKS, BIDS, whole=True))
    assert not hyper.live(T0)
    hyper.take(change(HYPER, T0 + 500, BIDS, ASKS, whole=True))
    assert hyper.live(T0 + 500)


def test_an_old_book_is_no_book_but_a_quiet_one_is() -> None:
    book = whole()
    assert book.readings(T0 + 5_000)["mid"].value == 100
    found = book.readings(T0 + 5_001)["mid"]
    assert (found.value, found.status, found.as_of) == (None, Status.STALE, T0)
    book.alive(T0 + 9_000)
    assert book.readings(T0 + 9_500)["mid"].value == 100
    assert book.readings(T0 + 9_500)["mid"].as_of == T0 + 9_000


def test_a_stamp_from_the_future_does_not_keep_a_book_fresh() -> None:
    book = LiveBook(BYBIT)
    book.take(change(BYBIT, T0 + 10**10, BIDS, ASKS, whole=True, recv=T0))
    assert book.ts == T0


def test_lost_voids_everything() -> None:
    book = whole()
    book.lost()
    assert book.needs_snapshot
    assert book.readings(T0)["mid"].value is None


# Figures


def test_figures_equal_the_batch_ones() -> None:
    bids = tuple((100.0 - n * 0.01, 1.0 + n % 7) for n in range(300))
    asks = tuple((100.01 + n * 0.01, 2.0 + n % 5) for n in range(300))
    found = whole(bids=bids, asks=asks).readings(T0)
    wanted = batch.figures(OrderBook(instrument=BYBIT, ts=T0, bids=bids, asks=asks), T0)
    for mine, theirs in (
        ("bid_share", "bid_share"), ("mid", "mid"), ("spread", "spread"),
        ("microprice", "microprice"), ("depth_bid_01", "depth_bid"), ("depth_ask_01", "depth_ask"),
    ):  # fmt: skip
        assert found[mine].value == pytest.approx(wanted[theirs].value, rel=1e-12), mine
    both = found["depth_bid_05"].value, found["depth_ask_05"].value
    assert found["bid_share_05"].value == pytest.approx(both[0] / (both[0] + both[1]))
    assert found["depth_bid_05"].n == sum(p >= 100.005 * 0.995 for p, _a in bids)
    assert found["depth_bid_05"].venues == ("bybit",)


def test_depth_beyond_what_a_feed_shows_is_a_floor_and_its_share_unknown() -> None:
    bids = tuple((63_000.0 - n, 1.0) for n in range(20))
    asks = tuple((63_001.0 + n, 1.0) for n in range(20))
    found = whole(HYPER, bids=bids, asks=asks).readings(T0)
    assert found["depth_bid_01"].value == pytest.approx(sum(p for p, _a in bids))
    assert found["depth_bid_01"].note == "floor: levels end at 0.031 %"
    assert found["depth_bid_01"].kind == "estimated"
    assert found["bid_share_01"].value is None
    assert found["bid_share"].value == 0.5


def test_one_side_alone_has_a_share_and_no_mid() -> None:
    found = whole(asks=()).readings(T0)
    assert found["bid_share"].value == 1.0
    for name in ("mid", "spread", "microprice", "depth_bid_01", "bid_share_01"):
        assert found[name].value is None
        assert found[name].status is Status.UNDEFINED
    empty = whole(bids=(), asks=()).readings(T0)
    assert empty["bid_share"].value is None


def test_pressure_needs_three_seconds_or_most_of_ten() -> None:
    book = whole(bids=((99.0, 8.0),), asks=((101.0, 2.0),))
    assert book.pressure(T0 + 2_999).value is Pressure.NEUTRAL
    found = book.pressure(T0 + 3_000)
    assert (found.value, found.window) == (Pressure.BUY, 3_000)
    book.take(change(BYBIT, T0 + 4_000, ((99.0, 2.0),), first=2, last=2, before=1))
    assert book.pressure(T0 + 4_100).value is Pressure.NEUTRAL
    for number, (second, size) in enumerate(((5, 8.0), (7, 2.0), (8, 8.0)), start=3):
        ts, bids = T0 + second * 1000, ((99.0, size),)
        book.take(change(BYBIT, ts, bids, first=number, last=number, before=number - 1))
    # heavier from 0 to 4, 5 to 7 and from 8 on: 6 s at 8, less again once the first four are long ago
    found = book.pressure(T0 + 8_500)
    assert (found.value, found.window) == (Pressure.BUY, 6_500)
    book.take(change(BYBIT, T0 + 9_000, ((99.0, 2.0),), first=6, last=6, before=5))
    assert book.pressure(T0 + 9_500).value is Pressure.BUY
    assert book.pressure(T0 + 11_100).value is Pressure.NEUTRAL


def test_exactly_seven_tenths_is_neutral() -> None:
    book = whole(bids=((99.0, 7.0),), asks=((101.0, 3.0),))
    assert book.pressure(T0 + 4_000).value is Pressure.NEUTRAL
    heavier = whole(bids=((99.0, 2.0),), asks=((101.0, 8.0),))
    assert heavier.pressure(T0 + 4_000).value is Pressure.SELL
    assert heavier.pressure(T0 + 40_000).value is None


@pytest.mark.parametrize(
    ("before", "after", "wanted"),
    [
        (((99.0, 1.0), (101.0, 1.0)), ((99.0, 3.0), (101.0, 1.0)), 2.0),
        (((99.0, 1.0), (101.0, 1.0)), ((100.0, 3.0), (101.0, 1.0)), 3.0),
        (((99.0, 1.0), (101.0, 1.0)), ((98.0, 3.0), (101.0, 1.0)), -1.0),
        (((99.0, 1.0), (101.0, 1.0)), ((99.0, 1.0), (100.0, 5.0)), -5.0),
        (((99.0, 1.0), (101.0, 1.0)), ((99.0, 1.0), (102.0, 5.0)), 1.0),
        (((99.0, 1.0), (101.0, 4.0)), ((99.0, 1.0), (101.0, 1.0)), 3.0),
    ],
)
def test_flow_of_one_change(
    before: tuple[tuple[float, float], tuple[float, float]],
    after: tuple[tuple[float, float], tuple[float, float]],
    wanted: float,
) -> None:
    assert imbalance(before, after) == wanted


@given(st.lists(st.tuples(st.integers(50, 4_900), st.integers(1, 9)), min_size=5, max_size=60))
def test_the_flow_of_a_minute_equals_the_sum_over_its_seconds(steps: list[tuple[int, int]]) -> None:
    book, ts = whole(HYPER, T0), T0
    rows, size = [], 1.0
    for wait, amount in steps:
        ts += wait
        book.take(change(HYPER, ts, ((99.0, float(amount)), *BIDS[1:]), ASKS, whole=True))
        rows.append((ts, amount - size))
        size = float(amount)
    found = book.readings(ts)["ofi_1m"]
    if ts - T0 < 60_000:
        assert found.value is None
        assert "of 60 s" in found.reason
        return
    wanted = sum(value for at, value in rows if at // 1000 > ts // 1000 - 60)
    assert found.value == pytest.approx(wanted)
    assert found.unit == "BTC"


def test_one_look_has_figures_but_no_past() -> None:
    book = LiveBook.of(snapshot(FUTURES, 5))
    found = book.readings(T0 + 100)
    assert found["mid"].value == 100
    assert found["ofi_1m"].value is None
    assert book.patterns(T0 + 100) == []
    assert not book.needs_snapshot


def test_infinite_reach_is_never_shown() -> None:
    assert all(r.value is None or math.isfinite(r.value) for r in whole().readings(T0).values())
