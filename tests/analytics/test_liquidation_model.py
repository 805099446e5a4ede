"""Exact liquidation prices: the reference's check values, continuity, and refusals."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics.liquidation.model import bracket_table, liquidation_price, maintenance
from analytics.liquidation.tiers import bundled_tiers
from market.types import Kind, PositionSide, Status, TierTable

LONG, SHORT = PositionSide.LONG, PositionSide.SHORT
ONE = TierTable(exchange="x", base="X", tiers=((math.inf, 0.004, 0.0, 200.0),))
BTC = bundled_tiers("binance", "BTC")
CHECKS = [
    (5, 80_321.29, 119_521.91), (10, 90_361.45, 109_561.75), (25, 96_385.54, 103_585.66),
    (50, 98_393.57, 101_593.63), (100, 99_397.59, 100_597.61), (125, 99_598.39, 100_398.41),
]  # fmt: skip


def price(
    position: PositionSide, leverage: float, value: float, table: TierTable = BTC
) -> float | None:
    found = liquidation_price(
        position=position, entry=100_000.0, amount=value / 100_000.0, leverage=leverage, table=table
    )
    return found.value


@pytest.mark.parametrize(("leverage", "long", "short"), CHECKS)
def test_the_check_values(leverage: float, long: float, short: float) -> None:
    assert price(LONG, leverage, 1000, ONE) == pytest.approx(long, abs=0.005)
    assert price(SHORT, leverage, 1000, ONE) == pytest.approx(short, abs=0.005)


def test_a_large_position_takes_the_tier_at_the_price() -> None:
    assert price(LONG, 10, 20e6) == pytest.approx(91_166.07, abs=0.005)


def test_the_published_offsets_follow_from_the_caps() -> None:
    offsets = [offset for _cap, _rate, offset, _top in BTC.tiers]
    published = [0, 50, 950, 11_450, 131_450, 481_450, 2_981_450, 14_481_450]
    assert offsets == pytest.approx(published)


TABLES = [
    BTC,
    bundled_tiers("bybit", "ETH"),
    bundled_tiers("okx", "PEPE"),
    bundled_tiers("hyperliquid", "BTC"),
]
TABLES += [bundled_tiers("hyperliquid", "WIF")]


@pytest.mark.parametrize("table", TABLES, ids=lambda t: f"{t.exchange}-{t.base}")
def test_nothing_jumps_at_a_cap(table: TierTable) -> None:
    for cap, *_ in table.tiers[:-1]:
        below, above = maintenance(cap * (1 - 1e-8), table), maintenance(cap * (1 + 1e-8), table)
        assert above == pytest.approx(below, rel=1e-6)
        for side in PositionSide:
            amounts = (cap * 0.999999 / 100_000, cap * 1.000001 / 100_000)
            found = [
                liquidation_price(
                    position=side, entry=100_000.0, amount=a, leverage=2, table=table
                ).value
                for a in amounts
            ]
            assert found[0] == pytest.approx(found[1], rel=1e-6)


@given(
    value=st.floats(100, 400e6),
    leverage=st.floats(1.01, 4.9),
    side=st.sampled_from(list(PositionSide)),
)
def test_at_the_price_the_margin_is_exactly_the_maintenance(
    value: float, leverage: float, side: PositionSide
) -> None:
    found = price(side, leverage, value)
    assert found is not None
    amount, sign = value / 100_000, 1 if side is LONG else -1
    left = value / leverage + sign * amount * (found - 100_000)
    assert left == pytest.approx(maintenance(amount * found, BTC), rel=1e-9, abs=1e-6 * value)


@given(value=st.floats(100, 40e6), leverage=st.floats(1.5, 20))
def test_more_leverage_is_nearer(value: float, leverage: float) -> None:
    for side in PositionSide:
        near, far = price(side, leverage, value), price(side, leverage * 0.9, value)
        assert near is not None
        assert far is not None
        assert abs(near - 100_000) < abs(far - 100_000)


def test_leverage_above_the_tier_is_refused() -> None:
    found = liquidation_price(position=LONG, entry=1e5, amount=200, leverage=50, table=BTC)
    assert found.value is None
    assert found.reason == "50x is above the 25x that this size allows"


def test_a_one_times_long_cannot_be_liquidated_but_a_short_can() -> None:
    found = liquidation_price(position=LONG, entry=1e5, amount=0.1, leverage=1, table=BTC)
    assert (found.value, found.status) == (None, Status.UNDEFINED)
    assert price(SHORT, 1, 1000, ONE) == pytest.approx(199_203.19, abs=0.01)


def test_maintenance_above_the_margin_is_refused_not_placed_beyond_entry() -> None:
    steep = bracket_table("x", "X", [(math.inf, 0.05, 100)], as_of="2025", source="")
    found = liquidation_price(position=LONG, entry=100.0, amount=1.0, leverage=50, table=steep)
    assert found.value is None
    assert found.reason


@pytest.mark.parametrize("bad", [0.0, -1.0, math.nan, math.inf])
def test_nonsense_is_refused(bad: float) -> None:
    for entry, amount, leverage in ((bad, 1.0, 5.0), (1.0, bad, 5.0), (1.0, 1.0, bad)):
        found = liquidation_price(
            position=LONG, entry=entry, amount=amount, leverage=leverage, table=ONE
        )
        assert found.value is None


def test_every_price_is_an_estimate_with_the_date_of_its_table() -> None:
    found = liquidation_price(position=LONG, entry=1e5, amount=0.1, leverage=10, table=BTC)
    assert (found.kind, found.note) == (Kind.ESTIMATED, "tiers of 2024-10")
    assert all(table.as_of and table.source for table in TABLES)
