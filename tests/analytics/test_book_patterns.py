"""Walls, pulls, sweeps, icebergs, absorption: each found in a sequence made for it, and not in a near miss."""

import random

import pytest

from analytics.book_patterns import Pattern, PatternKind, _Order
from analytics.livebook import LiveBook
from market.types import BookChange, Instrument, Kind, Side, Trade

PERP = Instrument(
    exchange="bybit", symbol="BTC/USDT:USDT", base="BTC", quote="USDT", perp=True, price_step=10.0
)
T0 = 1_790_000_000_000
SECOND, MINUTE = 1_000, 60_000
BEST_BID, BEST_ASK = 100_000.0, 100_010.0
SEEN = T0 + 300  # when a level that came at T0 is first looked at
SMALL = 1.0  # coins of an ordinary level: $100k


class Stage:
    """A market of 30 levels a side, 10 apart, that the test moves."""

    def __init__(self, levels: int = 30, *, quiet: bool = False) -> None:
        self.book = LiveBook(PERP)
        self.now, self.number = T0, 1
        bids = tuple((BEST_BID - 10 * n, SMALL) for n in range(levels))
        asks = tuple((BEST_ASK + 10 * n, SMALL) for n in range(levels))
        self.book.take(BookChange(instrument=PERP, ts=T0, bids=bids, asks=asks, whole=True, last=1))
        if not quiet:
            self.trade(BEST_ASK, 0.001, at=-1_000)

    def wait(self, ms: int) -> None:
        """Time passes, and each 100 ms the book says that nothing changed."""
        end = self.now + ms
        while self.now < end:
            self.now = min(self.now + 100, end)
            self.change()

    def change(
        self, bids: tuple[tuple[float, float], ...] = (), asks: tuple[tuple[float, float], ...] = ()
    ) -> None:
        self.number += 1
        self.book.take(
            BookChange(
                instrument=PERP, ts=self.now, bids=bids, asks=asks, first=self.number,
                last=self.number, before=self.number - 1,
            )
        )  # fmt: skip

    def trade(
        self, price: float, amount: float, side: Side = Side.BUY, *, at: int = 0, order: str = ""
    ) -> None:
        self.book.traded(
            [
                Trade(
                    instrument=PERP, ts=self.now + at, price=price, amount=amount, side=side,
                    order=order,
                )
            ]
        )  # fmt: skip

    def found(self, kind: PatternKind) -> list[Pattern]:
        return [each for each in self.book.patterns(self.now) if each.pattern is kind]


# Walls


def test_a_wall_is_large_among_its_neighbours_and_in_money_and_stands() -> None:
    stage = Stage()
    stage.change(bids=((99_900.0, 12.0),))
    stage.wait(SEEN - T0 + 29_900)
    assert stage.book.walls(stage.now) == []
    stage.wait(100)
    (wall,) = stage.book.walls(stage.now)
    assert (wall.side, wall.price, wall.amount, wall.value) == (Side.BUY, 99_900.0, 12.0, 1_198_800)
    assert wall.since == SEEN
    assert wall.distance == pytest.approx(99_900 / 100_005 - 1)
    assert wall.times == 12.0
    assert wall.kind is Kind.ESTIMATED


@pytest.mark.parametrize(
    ("size", "usual", "count"),
    [(9.9, SMALL, 0), (12.0, 2.5, 0), (12.0, 2.3, 1), (10.1, 2.1, 0)],
    ids=["too little money", "not 5 times", "both", "not 5 times, enough money"],
)
def test_near_walls(size: float, usual: float, count: int) -> None:
    stage = Stage()
    stage.change(bids=tuple((BEST_BID - 10 * n, usual) for n in range(30)))
    stage.change(bids=((99_900.0, size),))
    stage.wait(31_000)
    assert len(stage.book.walls(stage.now)) == count


def test_what_is_large_follows_the_volume_of_the_day() -> None:
    stage = Stage()
    stage.book.scale(20_000_000_000)  # 0.02 % are $4M
    stage.change(asks=((100_100.0, 39.0), (100_200.0, 41.0)))
    stage.wait(31_000)
    assert [wall.price for wall in stage.book.walls(stage.now)] == [100_200.0]
    stage.book.scale(1_000)  # of a dead market no order of a retail trader is a wall
    assert stage.book._patterns.walls.least == 10_000


def test_a_wall_that_dips_for_a_moment_keeps_its_age_and_one_that_leaves_begins_anew() -> None:
    stage = Stage()
    stage.change(bids=((99_900.0, 12.0),))
    stage.wait(20_000)
    stage.change(bids=((99_900.0, 6.0),))
    stage.wait(3_000)
    stage.change(bids=((99_900.0, 12.0),))
    stage.wait(10_000)
    assert [wall.since for wall in stage.book.walls(stage.now)] == [SEEN]
    stage.change(bids=((99_900.0, 6.0),))
    assert stage.book.walls(stage.now) == []
    stage.wait(6_000)
    stage.change(bids=((99_900.0, 12.0),))
    stage.wait(29_000)
    assert stage.book.walls(stage.now) == []
    assert [(m.price, m.pulled, m.from_ts) for m in stage.book.marks()] == [(99_900.0, False, SEEN)]


def test_a_book_that_was_lost_forgets_the_age_of_its_walls() -> None:
    stage = Stage()
    stage.change(bids=((99_900.0, 12.0),))
    stage.wait(31_000)
    assert stage.book.walls(stage.now)
    stage.number += 5
    stage.change()
    assert stage.book.walls(stage.now) == []
    levels = tuple((BEST_BID - 10 * n, 12.0 if n == 10 else SMALL) for n in range(30))
    asks = tuple((BEST_ASK + 10 * n, SMALL) for n in range(30))
    stage.book.take(
        BookChange(
            instrument=PERP, ts=stage.now, bids=levels, asks=asks, whole=True, last=stage.number
        )
    )
    stage.wait(29_000)
    assert stage.book.walls(stage.now) == []
    stage.wait(2_000)
    assert len(stage.book.walls(stage.now)) == 1


# Pulled walls


def pulled(
    *, price: float = 99_900.0, left: float = 0.0, traded: float = 0.0, back: bool = False,
    stood: int = 40_000, gone: int = 0, late: int = 0, quiet: bool = False,
) -> list[Pattern]:  # fmt: skip
    """A wall of 12 coins stands for a while and goes, in two steps `gone` ms apart."""
    stage = Stage(60, quiet=quiet)
    stage.change(bids=((price, 12.0),))
    stage.wait(stood)
    if not quiet:
        stage.trade(BEST_ASK, 0.001)
    if traded and not late:
        stage.trade(price, traded, Side.SELL)
    if gone:
        stage.change(bids=((price, 6.0),))
        stage.wait(gone)
    stage.change(bids=((price, left),))
    if traded and late:
        stage.trade(price, traded, Side.SELL, at=-50)
    if back:
        stage.wait(500)
        stage.change(bids=((price, 12.0),))
    stage.wait(1_500)
    return stage.found(PatternKind.PULLED)


def test_a_wall_that_goes_without_trades_was_pulled() -> None:
    (found,) = pulled()
    assert (found.side, found.price, found.value) == (Side.BUY, 99_900.0, 1_198_800.0)
    assert (found.ts, found.since) == (T0 + 40_000, SEEN)
    assert found.repeats == 1
    assert not found.alertable
    assert len(pulled(left=2.4)) == 1
    assert len(pulled(traded=2.3)) == 1
    assert len(pulled(gone=4_900)) == 1
    assert len(pulled(price=99_710.0)) == 1


@pytest.mark.parametrize(
    "miss",
    [
        {"left": 2.5},
        {"traded": 2.4},
        {"traded": 12.0, "late": 1},
        {"back": True},
        {"stood": 29_000},
        {"gone": 5_200, "left": 2.0},
        {"price": 99_690.0},
        {"quiet": True},
    ],
    ids=" ".join,
)
def test_a_wall_that_was_traded_or_moved_or_is_far_was_not_pulled(miss: dict[str, float]) -> None:
    assert pulled(**miss) == []  # type: ignore[arg-type]


def test_three_pulled_walls_of_a_side_in_ten_minutes_are_worth_telling() -> None:
    stage = Stage()
    for n in range(3):
        stage.trade(BEST_ASK, 0.001)
        stage.change(asks=((100_100.0 + 10 * n, 12.0),))
        stage.wait(40_000)
        stage.trade(BEST_ASK, 0.001)
        stage.change(asks=((100_100.0 + 10 * n, 0.0),))
        stage.wait(2_000)
    found = stage.found(PatternKind.PULLED)
    assert [each.repeats for each in found] == [3, 2, 1]
    assert [each.alertable for each in found] == [True, False, False]
    assert all(each.side is Side.SELL for each in found)
    assert sum(mark.pulled for mark in stage.book.marks()) == 3


def test_a_level_out_of_sight_was_not_pulled() -> None:
    """The feed shows 20 levels; the price rises, and the wall is below the last of them."""
    hyper = Instrument(
        exchange="hyperliquid", symbol="BTC/USDC:USDC", base="BTC", quote="USDC", perp=True
    )
    book = LiveBook(hyper)

    def show(ts: int, best: float) -> None:
        bids = tuple(
            (p, 12.0 if p == 99_900.0 else SMALL) for p in (best - 10 * n for n in range(20))
        )
        asks = tuple((best + 10 + 10 * n, SMALL) for n in range(20))
        book.take(BookChange(instrument=hyper, ts=ts, bids=bids, asks=asks, whole=True))

    for n in range(80):
        show(T0 + n * 500, BEST_BID)
        book.traded(
            [Trade(instrument=hyper, ts=T0 + n * 500, price=BEST_ASK, amount=0.1, side=Side.BUY)]
        )
    assert book.walls(T0 + 39_500)
    for n in range(80, 90):
        show(T0 + n * 500, BEST_BID + 100)
    assert book.patterns(T0 + 45_000) == []


# Sweeps


def sweep(
    prices: tuple[float, ...], *, amount: float = SMALL, apart: int = 0, left: float = 0.0
) -> list[Pattern]:  # fmt: skip
    stage = Stage()
    for n, price in enumerate(prices):
        stage.trade(price, amount, at=n * apart)
    stage.now += 100
    gone = tuple((price, 0.0) for price in prices[:-1])
    stage.change(asks=(*gone, (prices[-1], left)))
    stage.wait(200)
    return stage.found(PatternKind.SWEEP)


def test_one_order_that_clears_three_levels_is_a_sweep() -> None:
    (found,) = sweep((100_010.0, 100_020.0, 100_030.0))
    assert (found.side, found.price, found.score) == (Side.BUY, 100_030.0, 3.0)
    assert found.value == 300_060.0
    assert found.move == pytest.approx(20 / 100_010)
    assert found.ts == T0
    assert sweep((100_010.0, 100_020.0, 100_030.0, 100_040.0), left=0.5)[0].score == 3.0


@pytest.mark.parametrize(
    "miss",
    [
        {"prices": (100_010.0, 100_020.0, 100_030.0), "left": 0.5},
        {"prices": (100_010.0, 100_020.0)},
        {"prices": (100_010.0, 100_020.0, 100_030.0), "apart": 1},
        {"prices": (100_010.0, 100_020.0, 100_030.0), "amount": 0.1},
    ],
    ids=["third level left over", "two levels", "three moments", "small money"],
)
def test_near_sweeps(miss: dict[str, object]) -> None:
    assert sweep(**miss) == []  # type: ignore[arg-type]


def test_ten_basis_points_are_a_sweep_whatever_the_levels() -> None:
    assert sweep((100_010.0, 100_110.0)) == []
    (found,) = sweep((100_010.0, 100_111.0), left=1.0)
    assert found.score == 1.0


def test_an_order_id_decides_who_belongs_together() -> None:
    def trade(ts: int, order: str, side: Side = Side.BUY) -> Trade:
        return Trade(instrument=PERP, ts=ts, price=1.0, amount=1.0, side=side, order=order)

    order = _Order(trade(T0, "a"))
    assert order.takes(trade(T0 + 9, "a"))
    assert not order.takes(trade(T0, "b"))
    assert not order.takes(trade(T0, "a", Side.SELL))


# Icebergs


def iceberg(
    *,
    refills: int = 4,
    eaten: float = 1.0,
    shown: float = 1.0,
    pause: int = 300,
    first: bool = False,
) -> list[Pattern]:
    """An ask of 1 coin is eaten and comes back, again and again."""
    stage = Stage()
    stage.wait(1_000)
    for _n in range(refills):
        stage.now += 50
        if first:  # the book tells of the end before the trade does
            stage.change(asks=((BEST_ASK, 0.0),))
            stage.trade(BEST_ASK, eaten, at=-20)
        else:
            stage.trade(BEST_ASK, eaten, at=-20)
            stage.change(asks=((BEST_ASK, 0.0),))
        stage.now += pause
        stage.change(asks=((BEST_ASK, shown),))
        stage.wait(100)
    stage.wait(2_000)
    return stage.found(PatternKind.ICEBERG)


@pytest.mark.parametrize("first", [False, True])
def test_what_is_eaten_and_comes_back_three_times_is_an_iceberg(first: bool) -> None:
    (found,) = iceberg(first=first)
    assert (found.side, found.price) == (Side.SELL, BEST_ASK)
    assert found.score >= 3
    assert found.value == pytest.approx(found.score * BEST_ASK, rel=0.01)


@pytest.mark.parametrize(
    "miss",
    [{"refills": 2, "eaten": 2.0}, {"pause": 1_100}, {"eaten": 0.5}, {"shown": 3.0}],
    ids=["two refills", "refills too late", "never depleted", "more was shown"],
)
def test_near_icebergs(miss: dict[str, float]) -> None:
    assert iceberg(**miss) == []  # type: ignore[arg-type]


def test_a_refill_between_two_looks_counts_though_the_book_never_changed() -> None:
    stage = Stage()
    stage.wait(1_000)
    for _n in range(4):
        stage.trade(BEST_ASK, 1.0)
        stage.wait(100)
    stage.wait(2_000)
    (found,) = stage.found(PatternKind.ICEBERG)
    assert found.score == pytest.approx(4.0, abs=0.01)


# Absorption


def absorbed(*, last: float = 5.0, moves: float = 0.0, refill: bool = True) -> list[Pattern]:
    """Forty minutes of ordinary selling between swings, then five minutes of much of it at one price."""
    stage = Stage()
    stage.change(bids=((BEST_BID, 2.0),))
    chance = random.Random(3)
    for _n in range(240):
        swing = chance.choice((-40.0, -20.0, 0.0))
        stage.trade(BEST_BID + swing, 1.0, Side.SELL)
        stage.now += 10_000
        stage.change()
    for _step in range(31):
        for _n in range(3):
            stage.trade(BEST_BID + moves * (_n == 2), last, Side.SELL, at=1)
            stage.now += 100
            stage.change(bids=((BEST_BID, 0.0 if not refill else 2.0),))
            stage.now += 1_000
            stage.change()
        stage.now += 6_700
        stage.change()
    return stage.found(PatternKind.ABSORPTION)


def test_much_selling_at_a_level_that_refills_and_a_price_that_stands_is_absorption() -> None:
    found = absorbed()
    assert len(found) == 1  # once for these minutes, not each ten seconds
    assert (found[0].side, found[0].price) == (Side.BUY, BEST_BID)
    assert found[0].score > 1
    assert found[0].value > 5_000_000


@pytest.mark.parametrize(
    "miss", [{"last": 0.3}, {"moves": -150.0}, {"refill": False}], ids=lambda miss: next(iter(miss))
)
def test_near_absorptions(miss: dict[str, float]) -> None:
    assert absorbed(**miss) == []  # type: ignore[arg-type]


# Whatever comes


def test_the_state_is_bounded_and_the_same_events_give_the_same_patterns() -> None:
    def run() -> list[Pattern]:
        stage, chance = Stage(), random.Random(11)
        for _n in range(6_000):
            stage.now += chance.randrange(1, 60)
            price = 100_000 + 10 * chance.randrange(-60, 60)
            if chance.random() < 0.5:
                size = chance.choice((0.0, 1.0, 3.0, 30.0))
                if price <= BEST_BID:
                    stage.change(bids=((price, size),))
                else:
                    stage.change(asks=((price, size),))
            else:
                side = Side.BUY if price > BEST_BID else Side.SELL
                stage.trade(price, chance.choice((0.5, 3.0, 30.0)), side)
        patterns = stage.book._patterns
        assert len(patterns._prices._prices) <= patterns._prices.FOLLOWED
        assert all(len(levels) <= 16 for levels in patterns.walls._followed.values())
        assert stage.book.crossed == 0
        return stage.book.patterns(stage.now)

    first = run()
    assert first == run()
    assert {each.pattern for each in first} == {PatternKind.PULLED, PatternKind.ICEBERG}
    assert len(first) <= 100
