"""Live figures of one instrument are those of the batch, whatever its feed does; and the orders behind prints."""

import os
import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from flow_samples import BTC, T0, brute, trade
from hypothesis import given, settings
from hypothesis import strategies as st
from live_states import PERP, context, feed, liquidation, noisy, random_trades, totals

from analytics.flow import (
    GAP,
    SizeClass,
    TakerOrder,
    merged,
    money_readings,
    size_class,
    smart_money,
)
from analytics.state import SymbolState
from market.types import DAY, HOUR, MINUTE, BookChange, Instrument, Reading, Side, Status, Trade

ROOT = Path(__file__).parents[2]
DATA = Path(os.environ.get("TIDEMARK_DATA", ROOT.parent / "shared/data")) / "trades"
ETH = Instrument(
    exchange="hyperliquid", symbol="ETH/USDC:USDC", base="ETH", quote="USDC", perp=True
)


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


def close(found: Reading[float], value: float, scale: float) -> None:
    assert found.value == pytest.approx(value, abs=1e-9 * max(1.0, scale)), found


def check_windows(state: SymbolState, trades: list[Trade], now: int, begin: int) -> None:
    """Volume, delta, counts, shares, accelerations and the day against sums over all trades."""
    found, end = state.snapshot(now), -(-now // 1000) * 1000
    everything = totals(trades)[0]
    for minutes in (1, 5, 15):
        gross, net, n = totals(brute(trades, end - minutes * MINUTE, now))
        close(found[f"volume_{minutes}m"], gross, everything)
        close(found[f"delta_{minutes}m"], net, everything)
        assert found[f"trades_{minutes}m"].value == n
        share = found[f"buy_share_{minutes}m"]
        if n:
            assert share.value == pytest.approx((gross + net) / (2 * gross), abs=1e-6)
        else:
            assert (share.value, share.status) == (None, Status.UNDEFINED)
    halves = [brute(trades, end - i * MINUTE, end - (i - 1) * MINUTE) for i in (1, 2)]
    assert found["acceleration"].value == len(halves[0]) - len(halves[1])
    accelerated = totals(halves[0])[1] - totals(halves[1])[1]
    close(found["delta_acceleration"], accelerated, everything)
    day = (now - 1) // DAY * DAY
    close(found["cvd"], totals(brute(trades, day, now))[1], everything)
    assert found["cvd"].since == max(day, begin)


def check_orders(state: SymbolState, orders: list[TakerOrder], now: int) -> None:
    found, end = state.snapshot(now), -(-now // 1000) * 1000
    for minutes in (5, 15, 60):
        inside = [each for each in orders if end - minutes * MINUTE < each.ts]
        batch = smart_money([(each.value, each.side) for each in inside])
        scale = 1e3 * sum(each.value for each in orders)
        for name, value in (
            ("whale_net", batch.whale_net), ("whale_value", batch.whale_value),
            ("middle_value", batch.middle_value), ("retail_value", batch.retail_value),
        ):  # fmt: skip
            close(found[f"{name}_{minutes}m"], value, scale)
            assert found[f"{name}_{minutes}m"].n == len(inside)
        label = found[f"money_{minutes}m"]
        assert label.value == (None if batch.whale_ratio is None else str(batch.label))
    assert state.orders.whales(now) == [each for each in orders if each.value > 500_000][-200:]


@given(
    seed=st.integers(0, 100_000),
    numbered=st.booleans(),
    orders=st.booleans(),
    later=st.integers(0, 1_200_000),
)
@settings(max_examples=60, deadline=None)
def test_live_figures_are_those_of_the_batch(
    seed: int, later: int, *, numbered: bool, orders: bool
) -> None:
    begin = T0 - 2 * HOUR
    trades = random_trades(seed, 250, numbered=numbered, orders=orders)
    arrived = noisy(trades, seed)
    random.Random(seed).shuffle(arrived[100:200])
    state = SymbolState(PERP, begin)
    feed(state, arrived, seed)
    now = trades[-1].ts + later
    state.alive(now)
    assert state.flow.trades == len(trades)
    check_windows(state, trades, now, begin)
    taken = list(dict.fromkeys(each.id for each in arrived))  # orders are merged as trades come
    by_id = {each.id: each for each in trades}
    found = merged([by_id[each] for each in taken])
    if now - found[-1].last_ts <= GAP:
        found.pop()
    check_orders(state, found, now)


def ticks(name: str, count: int) -> list[Trade]:
    table = pq.read_table(DATA / name).slice(0, count)
    columns = (table.column(each).to_pylist() for each in ("ts_ms", "price", "size", "side"))
    return [
        Trade(instrument=ETH, ts=ts, price=price, amount=size, side=Side(side))
        for ts, price, size, side in zip(*columns, strict=True)
    ]


@pytest.mark.data
@pytest.mark.skipif(not DATA.is_dir(), reason="TIDEMARK_DATA is not here")
def test_recorded_ticks_give_the_figures_of_brute_force_at_random_times() -> None:
    trades = ticks("hyperliquid_trades_eth_2026_06_11_15.parquet", 60_000)
    stamps = np.array([each.ts for each in trades])
    orders, dice = merged(trades), random.Random(8)
    begin = trades[0].ts - 2 * HOUR
    first = np.array([each.ts for each in orders])
    state, at = SymbolState(ETH, begin), 0
    times = sorted(dice.randint(trades[0].ts, trades[-1].ts) for _ in range(100))
    for now in times:
        reach = int(np.searchsorted(stamps, now, "right"))
        while at < reach:
            size = min(dice.choice((1, 2, 30, 400)), reach - at)
            assert len(state.update(trades[at : at + size])) == size
            at += size
        state.alive(now)
        day = int(np.searchsorted(stamps, min((now - 1) // DAY * DAY, now - 16 * MINUTE), "right"))
        check_windows(state, trades[day:reach], now, begin)
        low = int(np.searchsorted(first, now - 61 * MINUTE))
        seen = [each for each in orders[low:] if each.last_ts < now - GAP]
        whales = [each for each in orders[:low] if each.value > 500_000]
        check_orders(state, [*whales[-200:], *seen], now)
        exact = state.flow.window(now - 30 * MINUTE, now)
        gross, net, n = totals(brute(trades[:reach], now - 30 * MINUTE, now))
        assert (exact.n, exact.exact) == (n, True)
        assert exact.delta_value == pytest.approx(net, abs=1e-9 * max(1.0, gross))


def test_a_price_of_a_thousand_times_for_one_tick_moves_nothing() -> None:
    state = SymbolState(BTC, T0 - HOUR)
    state.update([trade(T0, 100, 1), trade(T0 + 10, 101, 1)])
    for price in (101_000, 0.0, float("nan"), float("inf"), -101):
        assert state.update([trade(T0 + 20, price, 1)]) == []
    found = state.snapshot(T0 + 1000)
    assert found["price"].value == 101
    assert found["volume_1m"].value == 201
    assert (state.flow.held, state.flow.refused) == (1, 4)
    assert len(state.update([trade(T0 + 30, 102, 1)])) == 1
    assert (state.flow.refused, state.snapshot(T0 + 1000)["price"].value) == (5, 102)


def test_the_newest_trade_is_the_last_one_whatever_comes_after_it() -> None:
    state = SymbolState(BTC, T0 - HOUR)
    state.update([trade(T0 + 5, 100, 1), trade(T0 + 9, 101, 1), trade(T0 + 7, 102, 1)])
    state.update([trade(T0 + 8, 103, 1)])
    assert state.last is not None
    assert (state.last.price, state.last.ts) == (101, T0 + 9)
    state.update([trade(T0 + 9, 104, 1)])
    assert state.last.price == 104


def test_windows_and_orders_lag_behind_only_while_nobody_looks() -> None:
    state = SymbolState(BTC, T0 - HOUR)
    for i in range(5):
        state.update([trade(T0 + i * 100, 1000, 1)])
        assert state.windows.get(T0 + 1000)[1].n == i + 1
        assert state.orders.money(T0 + 1000)[5].n == i + 1


def test_the_day_says_since_when_it_was_watched_and_when_it_was_blind() -> None:
    midnight = T0 // DAY * DAY
    state = SymbolState(BTC, midnight + 90 * MINUTE)
    state.update([trade(midnight + 91 * MINUTE, 100, 1)])
    found = state.snapshot(midnight + 91 * MINUTE)["cvd"]
    assert (found.value, found.note) == (100, "collected since 01:30 UTC, no gaps")
    state.flow.mark_gap(midnight + 91 * MINUTE, midnight + 92 * MINUTE)
    state.alive(midnight + 92 * MINUTE)
    note = state.snapshot(midnight + 92 * MINUTE)["cvd"].note
    assert note == "collected since 01:30 UTC, blind 01:31 UTC to 01:32 UTC"
    tomorrow = midnight + DAY + 5000
    state.alive(tomorrow)
    found = state.snapshot(tomorrow)["cvd"]
    assert (found.value, found.since, found.note) == (0, midnight + DAY, "no gaps")


def test_missing_numbers_are_told_until_they_are_fetched() -> None:
    state = SymbolState(PERP, T0 - HOUR)
    trades = random_trades(3, 50, numbered=True, steps=(100,))
    state.update(trades[:20] + trades[30:])
    assert state.snapshot(trades[-1].ts)["delta_5m"].note == "the feed was blind in between"
    state.update(trades)
    assert state.snapshot(trades[-1].ts)["delta_5m"].note == ""


def test_each_feed_grows_old_by_its_own_time() -> None:
    state = SymbolState(PERP, T0 - 2 * HOUR)
    state.alive(T0 - 2 * HOUR, "liquidations")
    book = state.open_book()
    state.update([trade(T0, 100, 1)])
    state.take_context(context(T0, 100.0, 5000.0))
    state.take_liquidations([liquidation(T0, 100.0, 3.0)])
    level = ((100.0, 1.0),)
    state.take_book(
        BookChange(instrument=PERP, ts=T0, bids=level, asks=((101.0, 1.0),), whole=True)
    )
    assert book.ts == T0
    names = ("volume_1m", "price", "mark", "oi", "liq_long_1m", "mid")
    at = {
        age: [name for name in names if state.snapshot(T0 + age)[name].known]
        for age in (1000, 6000, 31_000, 91_000)
    }
    assert at[1000] == list(names)
    assert at[6000] == ["volume_1m", "price", "mark", "oi", "liq_long_1m"]
    assert at[31_000] == ["mark", "oi", "liq_long_1m"]
    assert at[91_000] == []
    old = state.snapshot(T0 + 91_000)
    assert all(old[name].status is Status.STALE and old[name].reason for name in names)


def test_sizes_in_another_currency_than_dollars_have_no_class_of_their_own() -> None:
    state = SymbolState(replace(BTC, quote="EUR"), T0 - 2 * HOUR)
    state.update([trade(T0, 600_000, 1)])
    found = state.snapshot(T0 + 1000)["whale_value_5m"]
    assert (found.value, found.status) == (None, Status.UNAVAILABLE)
    state.orders.limit(450_000, 9_000)
    assert state.snapshot(T0 + 1000)["whale_value_5m"].value == 600_000
