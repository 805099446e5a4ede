"""Open interest: aligned ends, venues left out at both, nothing from the future, nothing from nonsense."""

import pytest
from flow_samples import BTC, T0

from analytics import book, correlation, funding, interest
from market.types import FundingRate, OrderBook, Reading, Status

HOUR = 3_600_000
MINUTE = 60_000


def every(minutes: int, *amounts: float, start: int = T0) -> list[tuple[int, float]]:
    return [(start + i * minutes * MINUTE, amount) for i, amount in enumerate(amounts)]


def test_a_change_names_the_samples_it_lies_between() -> None:
    samples = every(5, *(1000.0 + i for i in range(20)))
    now = T0 + 19 * 5 * MINUTE + 30_000
    found = interest.change(samples, now, HOUR)
    assert found.value == 12
    assert (found.since, found.as_of, found.window) == (
        T0 + 30 * MINUTE,
        T0 + 95 * MINUTE,
        65 * MINUTE,
    ) or (found.window == HOUR)
    share = interest.change(samples, now, HOUR, relative=True)
    assert share.value == pytest.approx(12 / 1007)


def test_samples_after_now_are_not_looked_at() -> None:
    samples = every(5, *([1000.0] * 20))
    now = T0 + 70 * MINUTE
    later = [(ts, amount if ts <= now else 1100.0) for ts, amount in samples]
    assert interest.change(later, now, HOUR) == interest.change(samples, now, HOUR)


def test_missing_ends_are_reasons() -> None:
    samples = every(5, 1000.0, 1001.0)
    early = interest.change(samples, T0 + 6 * MINUTE, HOUR)
    assert (early.value, early.status) == (None, Status.INSUFFICIENT)
    old = interest.change(samples, T0 + 3 * HOUR, HOUR)
    assert (old.value, old.status) == (None, Status.STALE)
    assert interest.change([], T0, HOUR).reason == "no open interest yet"
    assert interest.level(samples, T0 + 3 * HOUR).status is Status.STALE


def test_a_venue_missing_at_one_end_is_left_out_at_both_and_named() -> None:
    now = T0 + HOUR
    samples = {
        "binance": [(T0, 1000.0), (now, 1010.0)],
        "bybit": [(T0, 500.0), (now, 520.0)],
        "okx": [(now, 400.0)],
    }
    found = interest.over_venues(samples, now, HOUR, unit="BTC")
    assert found.change.value == 30
    assert found.change.venues == ("binance", "bybit")
    assert "OKX" in found.change.note
    assert found.change_relative.value == pytest.approx(30 / 1500)
    assert found.amount.value == 1930
    assert found.by_venue["okx"].value is None
    assert found.by_venue["bybit"].value == pytest.approx(0.04)


def test_no_venue_at_all_is_a_reason() -> None:
    found = interest.over_venues({"okx": []}, T0, HOUR)
    assert found.amount.value is None
    assert found.change_relative.value is None
    assert found.change.reason


def test_a_jump_that_nothing_confirms_is_not_believed() -> None:
    wild = every(5, 100.0, 101.0, 10_000.0, 102.0, 103.0)
    assert [amount for _ts, amount in interest.usable(wild)] == [100.0, 101.0, 102.0, 103.0]
    real = every(5, 100.0, 101.0, 200.0, 201.0)
    assert len(interest.usable(real)) == 4
    assert interest.usable(every(5, float("nan"), -1.0, 0.0, 7.0)) == [(T0 + 15 * MINUTE, 7.0)]


def test_contracts_taken_for_coins_are_noticed() -> None:
    samples = {"binance": [(T0, 80.0)], "bybit": [(T0, 60.0)], "okx": [(T0, 4000.0)]}
    assert "OKX alone has 97 %" in interest.over_venues(samples, T0).amount.note


@pytest.mark.parametrize(
    ("price", "oi", "label"),
    [
        (0.01, 0.01, "NEW_LONGS"), (0.01, -0.01, "SHORT_COVERING"), (-0.01, 0.01, "NEW_SHORTS"),
        (-0.01, -0.01, "LONG_LIQUIDATION"), (0.0009, 0.5, "NEUTRAL"), (0.5, 0.0049, "NEUTRAL"),
        (0.001, 0.005, "NEW_LONGS"),
    ],
)  # fmt: skip
def test_the_quadrant(price: float, oi: float, label: str) -> None:
    assert interest.quadrant(price, oi) == label


def test_an_unknown_change_makes_the_quadrant_unknown() -> None:
    unknown: Reading[float] = Reading.missing("no history", Status.INSUFFICIENT)
    found = interest.quadrant_reading(Reading(value=0.1), unknown)
    assert (found.value, found.reason) == (None, "no history")


def test_old_or_broken_funding_has_no_figure() -> None:
    rate = FundingRate(instrument=BTC, ts=T0, rate=1e-4, interval_h=8, next_ts=T0 + HOUR)
    fresh = funding.figures(rate, T0 + MINUTE)
    assert fresh["next_in"].value == 59 * MINUTE
    assert fresh["rate"].note == "per 8 h"
    assert funding.figures(rate, T0 + 3 * HOUR)["apr"].status is Status.STALE
    broken = FundingRate(instrument=BTC, ts=T0, rate=float("nan"), interval_h=8)
    assert funding.figures(broken, T0)["apr"].value is None
    none = funding.figures(FundingRate(instrument=BTC, ts=T0, rate=0.5, interval_h=1), T0)
    assert none["apy"].value is None
    assert none["next_in"].reason


def test_equal_rates_of_different_intervals_are_no_spread() -> None:
    a = funding.Leg(venue="binance", rate=0.0001, interval_h=8, taker=0.0005)
    b = funding.Leg(venue="hyperliquid", rate=0.0000125, interval_h=1, taker=0.0005)
    found = funding.spread(a, b, notional=1000, leverage=2, hours=24)
    assert (found.apr, found.breakeven_h) == (0.0, None)
    assert found.net < 0


def test_funding_over_venues_is_weighted() -> None:
    rates = [FundingRate(instrument=BTC, ts=T0, rate=r, interval_h=8) for r in (0.0001, 0.0003)]
    assert funding.mean_apr(rates, [3, 1]) == pytest.approx(0.1095 * 1.5)
    assert funding.mean_apr(rates, [0, 0]) is None


def test_old_and_crossed_books_say_nothing() -> None:
    good = OrderBook(instrument=BTC, ts=T0, bids=((99.0, 2.0),), asks=((101.0, 6.0),))
    assert book.figures(good, T0)["bid_share"].value == 0.25
    assert book.figures(good, T0)["spread"].value == pytest.approx(0.02)
    assert book.figures(good, T0 + 6000)["bid_share"].status is Status.STALE
    crossed = OrderBook(instrument=BTC, ts=T0, bids=((102.0, 2.0),), asks=((101.0, 6.0),))
    assert book.figures(crossed, T0)["mid"].value is None
    empty = OrderBook(instrument=BTC, ts=T0, bids=(), asks=())
    assert book.figures(empty, T0)["bid_share"].value is None
    assert book.depth(good, 0.05) == (198.0, 606.0)


def test_correlation_needs_returns_that_move() -> None:
    assert correlation.correlation([1.0] * 10, [1.0] * 10).current is None
    assert correlation.correlation([1.0] * 60, [2.0] * 60).current is None
    assert correlation.aligned({1: 1.0, 2: 2.0}, {2: 5.0, 3: 6.0}) == ([2.0], [5.0])
