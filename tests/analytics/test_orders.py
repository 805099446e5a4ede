"""Orders that are merged as they come are those of the batch, at every moment."""

import math
import random
from typing import Any

import pytest
from flow_samples import BTC, T0, trade
from hypothesis import given, settings
from hypothesis import strategies as st
from vector_files import cases, close, name

from analytics.flow import GAP, SizeClass, TakerOrder, merged, size_class, smart_money
from analytics.orders import MONEY_MINUTES, OrderFlow
from analytics.sizes import SizeHistogram
from market.types import HOUR, Side, Trade

PRINTS = st.lists(
    st.tuples(
        st.sampled_from([-3, 0, 0, 1, 4, 5, 6, 40, 900, 4000, 70_000]),
        st.sampled_from([900.0, 9_999.99, 10_000.0, 30_000.0, 250_000.0, 500_000.0, 700_000.0]),
        st.booleans(),
        st.sampled_from(["", "", "a", "b"]),
    ),
    min_size=1,
    max_size=80,
)


def stream(rows: list[tuple[int, float, bool, str]]) -> list[Trade]:
    ts, found = T0, []
    for step, value, bought, order in rows:
        ts = max(T0, ts + step)
        found.append(trade(ts, value / 2, 2.0, "buy" if bought else "sell", order=order))
    return found


def expected(trades: list[Trade], now: int) -> list[TakerOrder]:
    """The batch answer at `now`: an order counts unless it may still go on."""
    orders = merged(trades)
    if orders and now - orders[-1].last_ts <= GAP:
        orders.pop()
    return orders


def check(flow: OrderFlow, trades: list[Trade], now: int) -> None:
    orders, end = expected(trades, now), -(-now // 1000) * 1000
    for minutes, found in flow.money(now).items():
        inside = [each for each in orders if each.ts > end - minutes * 60_000]
        batch = smart_money([(each.value, each.side) for each in inside])
        assert found.label is batch.label
        assert found.n == batch.n
        for figure in ("whale_net", "whale_value", "middle_value", "retail_value"):
            assert getattr(found, figure) == pytest.approx(getattr(batch, figure), abs=1e-6)
        assert found.whale_ratio == (batch.whale_ratio and pytest.approx(batch.whale_ratio))
    assert flow.whales(now) == [each for each in orders if each.value > 500_000][-200:]


@given(rows=PRINTS, sizes=st.lists(st.integers(1, 9), min_size=1), later=st.integers(0, 4_000_000))
@settings(max_examples=150, deadline=None)
def test_it_equals_the_batch_at_every_moment(
    rows: list[tuple[int, float, bool, str]], sizes: list[int], later: int
) -> None:
    trades, flow, at = stream(rows), OrderFlow(BTC), 0
    while at < len(trades):
        size = sizes[at % len(sizes)]
        flow.take(trades[at : at + size])
        at += size
        newest = max(each.ts for each in trades[:at])
        check(flow, trades[:at], newest + (at * 3) % 11)  # asking ends no order
    check(flow, trades, max(each.ts for each in trades) + later)


@pytest.mark.parametrize("case", cases("order_merge"), ids=name)
def test_prints_of_the_vectors_become_their_orders(case: dict[str, Any]) -> None:
    prints = [trade(row["ts"], row["usd"], 1.0, row["side"]) for row in case["inputs"]["prints"]]
    flow = OrderFlow(BTC, whale=1e-9, retail=0.0)
    for each in prints:
        flow.take([each])
    found, wanted = flow.whales(prints[-1].ts + 6), case["expected"]["orders"]
    assert [(o.ts, str(o.side), o.prints) for o in found] == [
        (o["ts"], o["side"], o["prints"]) for o in wanted
    ]
    assert all(close(a.value, b["usd"], case["tol"]) for a, b in zip(found, wanted, strict=True))


def test_an_open_order_counts_after_five_milliseconds_and_may_still_grow() -> None:
    flow = OrderFlow(BTC)
    flow.take([trade(T0 + 100, 400_000, 1, order="x")])
    assert flow.money(T0 + 105)[5].n == 0
    assert flow.money(T0 + 106)[5].middle_value == 400_000
    flow.take([trade(T0 + 300, 400_000, 1, order="x")])
    assert flow.money(T0 + 400)[5].whale_value == 800_000
    assert flow.money(T0 + 400)[5].middle_value == 0
    assert [each.prints for each in flow.whales(T0 + 400)] == [2]
    assert flow.ended == 0


def test_each_whale_is_told_once_though_it_was_open_when_it_was_told() -> None:
    flow = OrderFlow(BTC)
    flow.take([trade(T0, 600_000, 1)])
    first, number = flow.whales_since(0, T0 + 10)
    assert ([each.value for each in first], number) == ([600_000], 1)
    flow.take([trade(T0 + 20, 700_000, 1, "sell"), trade(T0 + 40, 100, 1)])
    second, number = flow.whales_since(number, T0 + 60)
    assert [each.value for each in second] == [700_000]
    assert flow.whales_since(number, T0 + 90) == ([], 2)
    assert len(flow.whales_since(0, T0 + 90)[0]) == 2


def test_a_late_print_counts_in_its_own_second() -> None:
    flow = OrderFlow(BTC)
    prints = [trade(T0 + 600_000, 20_000, 1), trade(T0 + 200_000, 30_000, 1, "sell")]
    prints += [trade(T0 + 600_100, 40_000, 1), trade(T0 - 4_000_000, 50_000, 1, "sell")]
    prints += [trade(T0 + 600_200, 1_000, 1)]
    flow.take(prints)
    found = flow.money(T0 + 601_000)
    assert [found[m].middle_value for m in MONEY_MINUTES] == [60_000, 90_000, 90_000]
    assert [found[m].n for m in MONEY_MINUTES] == [3, 4, 4]


def test_large_orders_are_handed_out_as_they_end() -> None:
    flow = OrderFlow(BTC)
    assert flow.take([trade(T0, 30_000, 1), trade(T0 + 1, 30_000, 1)]) == []
    (large,) = flow.take([trade(T0 + 50, 10, 1)])
    assert (large.value, large.amount, large.prints, large.last_ts) == (60_000, 2.0, 2, T0 + 1)


def test_limits_hold_from_then_on() -> None:
    flow = OrderFlow(BTC)
    flow.take([trade(T0, 100_000, 1), trade(T0 + 50, 100_000, 1), trade(T0 + 90, 1, 1)])
    flow.limit(50_000, 2.0)
    flow.take([trade(T0 + 150, 100_000, 1), trade(T0 + 250, 5.0, 1)])
    found = flow.money(T0 + 1000)[5]
    assert (found.middle_value, found.whale_value, found.retail_value) == (200_005, 100_000, 1)
    assert flow.whale_count == 1


def test_an_instrument_may_have_its_own_whales() -> None:
    flow, dice = OrderFlow(BTC), random.Random(3)
    flow.own_whale = True
    values = [math.exp(dice.gauss(7, 1)) for _ in range(5000)] + [90_000.0] * 25
    flow.take([trade(T0 + i * 20, value, 1.0) for i, value in enumerate(values)])
    assert flow.whale == 500_000
    flow.take([trade(T0 + HOUR + 1, 10, 1), trade(T0 + HOUR + 900, 10, 1)])
    assert 50_000 <= flow.whale <= 90_000 * 1.2


@pytest.mark.parametrize("share", [0.5, 0.99, 0.999])
def test_quantiles_of_sizes_are_right_to_a_bin(share: float) -> None:
    dice, sizes = random.Random(5), SizeHistogram()
    values = [math.exp(dice.gauss(8, 2)) for _ in range(20_000)]
    for i, value in enumerate(values):
        sizes.add(T0 + i * 4000, value)
    recent = [v for i, v in enumerate(values) if (T0 + i * 4000) // HOUR > T0 // HOUR - 2]
    found = sizes.quantile(share)
    assert found is not None
    assert found[1] == len(recent)
    assert found[0] == pytest.approx(sorted(recent)[int(share * len(recent))], rel=0.2)
    assert SizeHistogram().quantile(share) is None


def test_sizes_of_yesterday_are_forgotten() -> None:
    sizes = SizeHistogram()
    sizes.add(T0, 1000.0)
    sizes.add(T0 + 23 * HOUR, 2000.0)
    assert sizes.quantile(0.5)[1] == 2  # type: ignore[index]
    sizes.add(T0 + 24 * HOUR, 4000.0)
    assert sizes.quantile(0.5)[1] == 2  # type: ignore[index]
    for value in (1e-9, 1e30):  # beyond the ends, but counted
        sizes.add(T0 + 24 * HOUR, value)
    assert sizes.quantile(0.5)[1] == 4  # type: ignore[index]


def test_classes_are_those_of_the_batch_on_their_edges() -> None:
    for value in (9_999.999, 10_000.0, 500_000.0, 500_000.01):
        flow = OrderFlow(BTC)
        flow.take([trade(T0, value, 1.0), trade(T0 + 100, 1.0, 1.0, "sell")])
        found = flow.money(T0 + 105)[5]
        sums = {
            SizeClass.RETAIL: found.retail_value, SizeClass.MIDDLE: found.middle_value,
            SizeClass.WHALE: found.whale_value,
        }  # fmt: skip
        assert sums[size_class(value)] == value
        assert found.n == 1
    assert Side.BUY.value == "buy"
