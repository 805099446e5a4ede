"""Live figures of one instrument, and the orders behind prints."""

import pytest
from flow_samples import BTC, T0, trade

from analytics.flow import SizeClass, merged, money_readings, size_class
from analytics.state import SymbolState
from market.types import Reading, Side, Status


def test_a_snapshot_is_what_was_traded_with_its_age() -> None:
    state = SymbolState(BTC, T0 - 3_600_000)
    new = state.update(
        [
            trade(T0 + 500, 100, 2, "buy", "1"),
            trade(T0 + 900, 101, 1, "sell", "2"),
            trade(T0 + 500, 100, 2, "buy", "1"),
        ]
    )
    assert len(new) == 2
    found = state.snapshot(T0 + 2000)
    assert (found["price"].value, found["price"].as_of) == (101, T0 + 900)
    assert found["volume_5m"].value == 301
    assert found["delta_1m"].value == 99
    assert found["trades_15m"].value == 2
    assert found["acceleration"].value == 2
    assert (found["volume_5m"].window, found["volume_5m"].n) == (300_000, 2)


def test_a_window_longer_than_the_watch_is_not_known_yet() -> None:
    state = SymbolState(BTC, T0)
    state.update([trade(T0 + 1000, 100, 1)])
    found = state.snapshot(T0 + 62_000)
    state.alive(T0 + 62_000)
    found = state.snapshot(T0 + 62_000)
    assert found["volume_1m"].known
    assert (found["volume_5m"].value, found["volume_5m"].status) == (None, Status.INSUFFICIENT)
    assert found["volume_5m"].reason == "watched for 62 s of 300 s"


def test_a_silent_feed_has_no_windows_but_a_living_quiet_one_has_zero() -> None:
    state = SymbolState(BTC, T0 - 3_600_000)
    state.update([trade(T0, 100, 1)])
    assert state.snapshot(T0 + 60_000)["volume_1m"].status is Status.STALE
    state.alive(T0 + 70_000)
    found = state.snapshot(T0 + 75_000)
    assert found["volume_1m"].value == 0
    assert found["price"].value == 100
    assert state.snapshot(T0 + 3_600_000)["price"].status is Status.STALE


def test_nothing_seen_is_nothing_known() -> None:
    assert all(not r.known and r.reason for r in SymbolState(BTC).snapshot(T0).values())


def test_a_blind_feed_says_so() -> None:
    state = SymbolState(BTC, T0 - 3_600_000)
    state.update([trade(T0, 100, 1)])
    state.flow.mark_gap(T0 - 30_000, T0 - 20_000)
    assert "blind" in state.snapshot(T0 + 1000)["volume_1m"].note


def test_an_order_id_decides_over_time() -> None:
    prints = [
        trade(T0, 100, 1, order="a"), trade(T0, 100, 1, order="b"), trade(T0, 100, 1, order="b"),
        trade(T0 + 900, 100, 1, order="b"),
    ]  # fmt: skip
    assert [(o.prints, o.order) for o in merged(prints)] == [(1, "a"), (3, "b")]


def test_the_gap_is_to_the_print_before_and_the_other_side_ends_an_order() -> None:
    prints = [trade(T0 + ms, 100, 1) for ms in (0, 5, 10, 16)] + [trade(T0 + 16, 100, 1, "sell")]
    assert [o.prints for o in merged(prints)] == [3, 1, 1]
    assert merged(prints)[0].price == 100
    assert merged([]) == []


@pytest.mark.parametrize(
    ("value", "kind"),
    [(500_000, "middle"), (500_001, "whale"), (10_000, "middle"), (9_999, "retail")],
)
def test_size_classes_are_strict(value: float, kind: str) -> None:
    assert size_class(value) is SizeClass(kind)


def test_money_readings_name_the_reason_where_there_is_neither_class() -> None:
    orders = merged([trade(T0, 50_000, 1)])
    found = money_readings(orders, since=T0 - 1, now=T0 + 10, venues=("binance",))
    assert found["label"].value is None
    assert found["middle_share"].value == 1.0
    whales = money_readings(merged([trade(T0, 900_000, 1, "sell")]), since=T0 - 1, now=T0 + 10)
    assert whales["label"].value == "INSTITUTIONAL_DISTRIBUTION"
    assert isinstance(whales["whale_net"], Reading)
    assert whales["whale_net"].value == -900_000
    assert Side.SELL.value == "sell"
