"""CVD, merged orders, smart money and divergences against the vectors."""

from typing import Any

import pytest
from flow_samples import BTC, brute, trade
from vector_files import cases, close, name, same

from analytics.cvd import FlowLog
from analytics.cvd_figures import cvd_approx, cvd_from_candles, cvd_reading
from analytics.divergence import divergences
from analytics.flow import merged, smart_money
from market.types import Candle, Side, Trade

MINUTE = 60_000
CVD = cases("cvd")


def log_of(case: dict[str, Any]) -> tuple[FlowLog, list[Trade]]:
    rows = case["inputs"]["trades"]
    log = FlowLog(BTC)
    trades = [
        trade(
            row["ts"],
            row["price"],
            row["qty"],
            "sell" if row["is_buyer_maker"] else "buy",
            str(row["id"]),
        )
        for row in rows
    ]
    log.add_all(trades)
    return log, trades


@pytest.mark.parametrize("case", [c for c in CVD if c["inputs"]["source"] == "ticks"], ids=name)
def test_cvd_of_trades(case: dict[str, Any]) -> None:
    log, trades = log_of(case)
    expected, tol = case["expected"], case["tol"]
    now = max(each.ts for each in trades) + 1
    assert log.started_ts is not None
    total = log.window(log.started_ts, now)
    found = cvd_reading({"binance": total}, since=log.started_ts, now=now, unit="BTC")
    assert close(found["cvd_base"].value, expected["cvd_base"], tol)
    assert close(found["cvd"].value, expected["cvd_quote"], tol)
    assert close(total.buy_value, expected["buy_quote"], tol)
    assert close(total.sell_value, expected["sell_quote"], tol)
    assert close(total.buy_value / total.sell_value, expected["buy_sell_ratio"], tol)
    assert close(found["buy_share"].value, expected["buy_share"], tol)
    minutes = log.minutes(log.started_ts, now)
    assert [row[0] for row in minutes] == [row[0] for row in expected["minute_delta_quote"]]
    assert same(
        [row[2] for row in minutes], [row[1] for row in expected["minute_delta_quote"]], tol
    )
    assert log.duplicates == len(trades) - len({each.id for each in trades})
    assert total.n == len(brute({each.id: each for each in trades}.values(), total.since, now))


@pytest.mark.parametrize("case", [c for c in CVD if c["inputs"]["source"] == "klines"], ids=name)
def test_cvd_of_candles(case: dict[str, Any]) -> None:
    candles = [
        Candle(
            ts=row["ts"], open=row["open"], close=row["close"], high=max(row["open"], row["close"]),
            low=min(row["open"], row["close"]), volume=row["volume"], taker_buy_volume=row["taker_buy_base"],
        )
        for row in case["inputs"]["klines"]
    ]  # fmt: skip
    expected = dict(case["expected"])
    assert same(cvd_from_candles(candles), expected.pop("taker_cvd"), case["tol"])
    (signs,) = expected.values()
    assert same(list(cvd_approx(candles)), signs, case["tol"])


@pytest.mark.parametrize("case", cases("order_merge"), ids=name)
def test_prints_become_orders(case: dict[str, Any]) -> None:
    prints = [trade(row["ts"], row["usd"], 1.0, row["side"]) for row in case["inputs"]["prints"]]
    found = [(o.ts, str(o.side), o.prints) for o in merged(prints)]
    expected = case["expected"]["orders"]
    assert found == [(o["ts"], o["side"], o["prints"]) for o in expected]
    assert same([o.value for o in merged(prints)], [o["usd"] for o in expected], case["tol"])


@pytest.mark.parametrize("case", cases("smart_money"), ids=name)
def test_smart_money(case: dict[str, Any]) -> None:
    inputs, expected = case["inputs"], case["expected"]
    orders = [(row["usd"], Side(row["side"])) for row in inputs["trades"]]
    found = smart_money(orders, inputs["whale_usd"], inputs["retail_usd"])
    assert str(found.label) == expected["label"]
    assert close(found.whale_ratio, expected["whale_ratio"], case["tol"])
    for ours, theirs in {
        "whale_net": "whale_net", "whale_value": "whale_usd", "retail_value": "retail_usd",
    }.items():  # fmt: skip
        if theirs in expected:
            assert close(getattr(found, ours), expected[theirs], case["tol"])


@pytest.mark.parametrize("case", cases("divergence"), ids=name)
def test_divergences(case: dict[str, Any]) -> None:
    inputs = case["inputs"]
    found = divergences(inputs["high"], inputs["low"], inputs["cvd"])
    assert [
        {"type": d.kind, "first": d.first, "second": d.second, "confirmed_at": d.confirmed}
        for d in found
    ] == case["expected"]["signals"]
