"""Funding, the interest quadrant, the book and correlation against the vectors."""

from typing import Any

import pytest
from flow_samples import BTC
from vector_files import cases, close, name

from analytics import book, correlation, funding, interest
from market.types import FundingRate, OrderBook, Reading

FUNDING = cases("funding")


def of_kind(kind: str) -> list[dict[str, Any]]:
    return [case for case in FUNDING if case["inputs"]["kind"] == kind]


@pytest.mark.parametrize("case", of_kind("apr"), ids=name)
def test_rates_per_year_and_per_eight_hours(case: dict[str, Any]) -> None:
    inputs, expected = case["inputs"], case["expected"]
    rate = FundingRate(
        instrument=BTC, ts=0, rate=inputs["rate"], interval_h=inputs["interval_hours"]
    )
    found = funding.figures(rate, 0)
    for key in ("apr", "apy", "eq_8h"):
        assert close(found[key].value, expected[key], case["tol"]), key
    assert (rate.rate > 0) is expected["longs_pay"]


@pytest.mark.parametrize("case", of_kind("funding_rate"), ids=name)
def test_the_rate_model(case: dict[str, Any]) -> None:
    inputs = case["inputs"]
    found = funding.rate_8h(inputs["avg_premium"], inputs["interest"], inputs["clamp"])
    assert close(found, case["expected"]["rate"], case["tol"])


@pytest.mark.parametrize("case", of_kind("premium_index"), ids=name)
def test_the_premium_index(case: dict[str, Any]) -> None:
    inputs = case["inputs"]
    found = funding.premium_index(inputs["impact_bid"], inputs["impact_ask"], inputs["index"])
    assert close(found, case["expected"]["premium"], case["tol"])


@pytest.mark.parametrize("case", of_kind("arb"), ids=name)
def test_the_spread_of_two_venues(case: dict[str, Any]) -> None:
    inputs, expected, tol = case["inputs"], case["expected"], case["tol"]
    a, b = (
        funding.Leg(venue=leg["ex"], rate=leg["rate"], interval_h=leg["h"], taker=leg["taker"])
        for leg in inputs["legs"]
    )
    found = funding.spread(
        a, b, notional=inputs["notional"], leverage=inputs["leverage"], hours=inputs["hold_hours"]
    )
    if "long" in expected:
        assert (found.long, found.short) == (expected["long"], expected["short"])
    pairs = {
        "apr": "spread_apr", "fees": "fees_frac", "breakeven_h": "breakeven_hours",
        "net": "net_usd", "capital": "capital", "net_apr": "net_apr_on_capital",
    }  # fmt: skip
    for ours, theirs in pairs.items():
        assert close(getattr(found, ours), expected[theirs], tol), theirs


def test_every_funding_case_is_tested() -> None:
    assert {case["inputs"]["kind"] for case in FUNDING} == {
        "apr",
        "funding_rate",
        "premium_index",
        "arb",
    }


@pytest.mark.parametrize("case", cases("oi_quadrant"), ids=name)
def test_the_quadrant_is_judged_in_coins(case: dict[str, Any]) -> None:
    inputs, expected = case["inputs"], case["expected"]
    now, hour = 10 * 3_600_000, 3_600_000
    samples = {"binance": [(now - hour, inputs["oi_base_then"]), (now, inputs["oi_base_now"])]}
    change = interest.over_venues(samples, now, hour).change_relative
    price = inputs["price_now"] / inputs["price_then"] - 1
    assert close(price * 100, expected["price_change_pct"], case["tol"])
    assert change.value is not None
    assert close(change.value * 100, expected["oi_change_pct"], case["tol"])
    found = interest.quadrant(
        price, change.value, inputs["deadband_price_pct"] / 100, inputs["deadband_oi_pct"] / 100
    )
    assert str(found) == expected["label"]
    assert interest.quadrant_reading(Reading(value=price), change).value == expected["label"]


@pytest.mark.parametrize("case", cases("book_imbalance"), ids=name)
def test_the_book(case: dict[str, Any]) -> None:
    inputs, expected, tol = case["inputs"], case["expected"], case["tol"]
    sides = {side: tuple((p, a) for p, a in inputs[side]) for side in ("bids", "asks")}
    found = book.figures(OrderBook(instrument=BTC, ts=0, **sides), 0, inputs["levels"])
    share = found["bid_share"].value
    assert close(share, expected["bid_ratio"], tol)
    assert close(found["imbalance"].value, expected["imbalance"], tol)
    assert close(found["mid"].value, expected["mid"], tol)
    assert close(found["microprice"].value, expected["microprice"], tol)
    if share is not None:
        assert str(book.pressure(share, inputs["threshold"])) == expected["signal"]


@pytest.mark.parametrize("case", cases("correlation"), ids=name)
def test_correlation_of_returns(case: dict[str, Any]) -> None:
    expected, tol = case["expected"], case["tol"]
    found = correlation.correlation(case["inputs"]["prices_a"], case["inputs"]["prices_b"])
    assert close(found.current, expected["current"], tol)
    assert close(found.baseline, expected["baseline"], tol)
    assert close(found.change, expected["change"], tol)
    assert close(found.fisher_z, expected["fisher_z"], tol)
    assert found.broken is expected["is_break"]
