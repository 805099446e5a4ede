"""Liquidations: sums by position side against the slow answer, repeats, floors, cascades."""

import csv
import math
import os
import random
from pathlib import Path
from typing import Any

import msgspec
import pytest
from flow_samples import BTC, T0
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics.liqflow import Cascade, LiquidationFlow, cascade_threshold
from market.types import Instrument, Liquidation, PositionSide, Status

ROOT = Path(__file__).parents[2]
DATA = Path(os.environ.get("TIDEMARK_DATA", ROOT.parent / "shared/data")) / "liquidations"
LONG, SHORT = PositionSide.LONG, PositionSide.SHORT


def liq(
    ts: int,
    usd: float = 1000.0,
    position: PositionSide = LONG,
    *,
    id_: str = "",
    late: int = 0,
    sample: bool = False,
) -> Liquidation:
    return Liquidation(
        instrument=BTC, ts=ts, price=100.0, amount=usd / 100, position=position, id=id_,
        sample=sample, recv_ts=ts + late,
    )  # fmt: skip


EVENTS = st.lists(
    st.tuples(st.integers(-90_000, 400_000), st.floats(1.0, 1e6), st.booleans()),
    min_size=1,
    max_size=80,
)


@given(events=EVENTS, later=st.integers(0, 5_000_000))
@settings(max_examples=150, deadline=None)
def test_sums_are_what_a_sum_over_whole_seconds_gives(
    events: list[tuple[int, float, bool]], later: int
) -> None:
    flow, ts, top, seen = LiquidationFlow(BTC), T0, T0, []
    for i, (step, usd, long) in enumerate(events):
        ts += step
        top = max(top, ts)
        row = liq(ts, usd, LONG if long else SHORT, id_=str(i))
        if flow.take([row]):
            seen.append(row)
    assert len(seen) == len(events)
    now = top + later
    end = -(-now // 1000) * 1000
    found = flow.totals(now)
    for minutes in (1, 5, 15, 60):
        inside = [r for r in seen if end - minutes * 60_000 < -(-r.ts // 1000) * 1000]
        longs = [r.value for r in inside if r.position is LONG]
        shorts = [r.value for r in inside if r.position is SHORT]
        assert (found[minutes].long_n, found[minutes].short_n) == (len(longs), len(shorts))
        assert found[minutes].long == pytest.approx(math.fsum(longs), rel=1e-9, abs=1e-6)
        assert found[minutes].short == pytest.approx(math.fsum(shorts), rel=1e-9, abs=1e-6)


def test_nothing_is_left_over_of_what_left_the_window() -> None:
    flow = LiquidationFlow(BTC)
    for i in range(3000):
        flow.take([liq(T0 + i * 700, 0.1 + i % 7)])
    empty = flow.totals(T0 + 3000 * 700 + 3_601_000)
    assert all((each.long, each.long_n) == (0.0, 0) for each in empty.values())


def test_readings_are_by_position_side_and_carry_their_evidence() -> None:
    flow = LiquidationFlow(BTC)
    flow.alive(T0 - 3_600_000)
    for ts in range(T0 - 3_600_000, T0, 30_000):
        flow.alive(ts)
    flow.take([liq(T0 - 120_000, 700.0), liq(T0 - 30_000, 300.0, SHORT)])
    flow.alive(T0)
    found = flow.readings(T0)
    assert (found["liq_long_1m"].value, found["liq_short_1m"].value) == (0.0, 300.0)
    five = found["liq_long_5m"]
    assert (five.value, five.since, five.window, five.n) == (700.0, T0 - 300_000, 300_000, 1)
    assert (five.unit, five.venues, five.note, five.as_of) == ("USDT", ("binance",), "", T0)
    assert found["liq_count_60m"].value == 2


def test_a_sample_makes_every_sum_a_floor() -> None:
    flow = LiquidationFlow(BTC)
    flow.alive(T0 - 70_000)
    flow.take([liq(T0, sample=True)])
    assert flow.readings(T0)["liq_long_1m"].note == "floor: Binance shows a sample"
    assert flow.readings(T0)["liq_short_1m"].note == "floor: Binance shows a sample"


def test_unknown_is_not_zero() -> None:
    flow = LiquidationFlow(BTC)
    assert flow.readings(T0)["liq_long_1m"].status is Status.INSUFFICIENT
    flow.alive(T0)
    short = flow.readings(T0 + 40_000)["liq_long_5m"]
    assert (short.value, short.reason) == (None, "watched for 40 s of 300 s")
    flow.alive(T0 + 59_000)
    flow.alive(T0 + 100_000)
    assert flow.readings(T0 + 100_000)["liq_long_1m"].value == 0.0
    silent = flow.readings(T0 + 161_000)["liq_long_1m"]
    assert (silent.value, silent.status, silent.as_of) == (None, Status.STALE, T0 + 100_000)


def test_a_gap_stays_marked_as_long_as_it_is_in_the_window() -> None:
    flow = LiquidationFlow(BTC)
    flow.alive(T0)
    now = T0 + 20 * 60_000
    flow.alive(now)
    assert flow.readings(now)["liq_long_15m"].note == ""
    for until in (310_000, 320_000, 330_000):  # a blindness that goes on is one gap
        flow.mark_gap(now - 400_000, now - until)
    flow.mark_gap(now, now)
    assert len(flow.dump()["gaps"]) == 1
    found = flow.readings(now)
    assert found["liq_long_5m"].note == ""
    assert found["liq_long_15m"].note == "the feed was blind in between"


def test_after_a_restart_the_time_until_the_next_sign_is_a_gap() -> None:
    one = LiquidationFlow(BTC)
    one.alive(T0 - 600_000)
    one.alive(T0)
    two, three = LiquidationFlow(BTC), LiquidationFlow(BTC)
    two.restore(one.dump())
    two.alive(T0 + 30_000)
    two.alive(T0 + 200_000)
    assert "blind" in two.readings(T0 + 200_000)["liq_long_5m"].note
    assert two.readings(T0 + 200_000)["liq_long_1m"].note == ""
    three.restore(one.dump())
    three.take([liq(T0 + 40_000)])
    assert "blind" in three.readings(T0 + 40_000)["liq_long_1m"].note


def test_rows_with_an_id_count_once() -> None:
    flow = LiquidationFlow(BTC)
    assert len(flow.take([liq(T0, id_="a"), liq(T0, id_="a"), liq(T0, id_="b")])) == 2
    assert flow.take([liq(T0, id_="b")]) == []
    assert (flow.totals(T0)[1].long_n, flow.repeated) == (2, 2)


def test_equal_rows_of_one_frame_are_distinct_and_those_of_the_next_are_repeats() -> None:
    flow = LiquidationFlow(BTC)
    twice = [liq(T0), liq(T0)]
    assert len(flow.take(twice)) == 2
    assert flow.take(twice) == []
    assert len(flow.take([*twice, liq(T0)])) == 1
    assert len(flow.take([liq(T0, position=SHORT)])) == 1
    assert flow.totals(T0)[1].long == 3000.0


def test_nonsense_is_refused_and_changes_nothing() -> None:
    flow = LiquidationFlow(BTC)
    flow.take([liq(T0)])
    before = flow.dump()
    for price, amount in (
        (math.nan, 1.0), (1.0, math.nan), (0.0, 1.0), (1.0, 0.0), (-1.0, 1.0), (1.0, -1.0),
        (math.inf, 1.0), (1e300, 1e300),
    ):  # fmt: skip
        row = Liquidation(instrument=BTC, ts=T0, price=price, amount=amount, position=LONG)
        assert flow.take([row]) == []
    far = Liquidation(instrument=BTC, ts=T0 + 10**9, price=1, amount=1, position=LONG, recv_ts=T0)
    assert flow.take([far]) == []
    assert flow.refused == 9
    after = flow.dump()
    assert after | {"counts": 0} == before | {"counts": 0}


def test_a_cascade_needs_five_and_the_sum_within_thirty_seconds() -> None:
    flow = LiquidationFlow(BTC)
    for i in range(4):
        flow.take([liq(T0 + i * 1000, 200_000.0)])
    assert flow.cascade(T0 + 3000) is None  # 800k of four
    flow.take([liq(T0 + 4000, 1.0)])
    found = flow.cascade(T0 + 4000)
    assert found == Cascade(
        position=LONG, usd=800_001.0, count=5, since=T0, until=T0 + 4000, threshold=500_000.0
    )
    flow.take([liq(T0 + 20_000, 50_000.0, sample=True)])
    grown = flow.cascade(T0 + 20_000)
    assert grown is not None
    assert (grown.usd, grown.count, grown.floor) == (850_001.0, 6, True)
    assert flow.cascade(T0 + 29_999) is not None
    assert flow.cascade(T0 + 60_000) is None


def test_exactly_the_threshold_is_not_over_it_and_sides_do_not_add_up() -> None:
    exact = LiquidationFlow(BTC)
    exact.take([liq(T0 + i, 100_000.0) for i in range(5)])
    assert exact.cascade(T0 + 5) is None
    mixed = LiquidationFlow(BTC)
    mixed.take([liq(T0 + i, 200_000.0, LONG if i % 2 else SHORT) for i in range(8)])
    assert mixed.cascade(T0 + 8) is None


def test_thirty_seconds_are_up_at_thirty_seconds() -> None:
    flow = LiquidationFlow(BTC)
    flow.take([liq(T0, 200_000.0) for _each in range(5)])
    assert flow.cascade(T0 + 29_999) is not None
    assert flow.cascade(T0 + 30_000) is None


def test_old_events_count_but_start_no_cascade() -> None:
    flow = LiquidationFlow(BTC)
    flow.alive(T0)
    flow.take([liq(T0 - 61_000 + i, 900_000.0, late=61_001) for i in range(9)])
    assert flow.cascade(T0) is None
    assert flow.totals(T0)[5].long_n == 9
    unstamped = [
        Liquidation(instrument=BTC, ts=T0 - 70_000 + i, price=1, amount=1e6, position=SHORT)
        for i in range(9)
    ]
    flow.take(unstamped)
    assert flow.cascade(T0 - 69_000) is None
    flow.take([liq(T0 + i, 900_000.0, late=59_000) for i in range(5)])
    assert flow.cascade(T0 + 5) is not None


@given(
    events=st.lists(
        st.tuples(st.integers(0, 12_000), st.floats(1e3, 3e5), st.booleans()), max_size=60
    )
)
@settings(max_examples=100, deadline=None)
def test_a_cascade_goes_on_exactly_while_the_last_thirty_seconds_hold(
    events: list[tuple[int, float, bool]],
) -> None:
    flow, ts, seen = LiquidationFlow(BTC), T0, []
    for i, (step, usd, long) in enumerate(events):
        ts += step
        row = liq(ts, usd, LONG if long else SHORT, id_=str(i))
        seen.append(row)
        flow.take([row])
        found = flow.cascade(ts)
        holding = []
        for side in PositionSide:
            inside = [r.value for r in seen if ts - 30_000 < r.ts <= ts and r.position is side]
            if len(inside) >= 5 and math.fsum(inside) > 500_000.0 + 1e-6:
                holding.append(side)
        if found is not None:
            assert found.usd <= math.fsum(r.value for r in seen) + 1e-6
        assert (found is not None) == bool(holding)


def test_thresholds_are_by_coin() -> None:
    assert [cascade_threshold(c) for c in ("BTC", "ETH", "SOL", "PEPE")] == [5e5, 2.5e5, 1e5, 5e4]
    small = LiquidationFlow(BTC, threshold=1000.0)
    small.take([liq(T0 + i, 300.0) for i in range(5)])
    assert small.cascade(T0 + 5) is not None


def test_a_restored_flow_goes_on_as_if_nothing_had_been() -> None:
    rng = random.Random(7)
    one, ts = LiquidationFlow(BTC), T0
    one.alive(T0)

    def frame() -> list[Liquidation]:
        nonlocal ts
        ts += rng.randrange(0, 9000)
        one.alive(ts)
        ids = rng.choice(["", f"i{ts}"])
        side = rng.choice([LONG, SHORT])
        return [liq(ts - rng.randrange(0, 5000), rng.uniform(1e3, 3e5), side, id_=ids)]

    for _i in range(800):
        one.take(frame())
    body = msgspec.msgpack.decode(msgspec.msgpack.encode(one.dump()))
    two = LiquidationFlow(BTC)
    two.restore(body)
    two.alive(ts)
    assert two.prints() == one.prints()
    repeat = one.prints(5)
    assert two.take(repeat) == []
    one.take(repeat)
    for _i in range(300):
        rows = frame()
        two.alive(ts)
        assert two.take(rows) == one.take(rows)
        assert two.cascade(ts) == one.cascade(ts) or _alike(two.cascade(ts), one.cascade(ts))
        _same_readings(two, one, ts)


def _alike(a: Cascade | None, b: Cascade | None) -> bool:
    assert a is not None
    assert b is not None
    return (a.count, a.since, a.until) == (b.count, b.since, b.until) and a.usd == pytest.approx(
        b.usd
    )


def _same_readings(a: LiquidationFlow, b: LiquidationFlow, now: int) -> None:
    for key, reading in a.readings(now).items():
        other = b.readings(now)[key]
        assert (reading.n, reading.note, reading.status) == (other.n, other.note, other.status)
        if reading.value is None or other.value is None:
            assert reading == other
        else:
            assert reading.value == pytest.approx(other.value, rel=1e-9, abs=1e-6)


def test_a_dump_of_a_quiet_hour_is_small() -> None:
    flow = LiquidationFlow(BTC)
    flow.take([liq(T0 + i * 20_000) for i in range(180)])
    assert len(msgspec.msgpack.encode(flow.dump())) < 15_000


def test_memory_is_bounded() -> None:
    flow = LiquidationFlow(BTC)
    for i in range(20_000):
        flow.take([liq(T0 + i * 500, id_=str(i))])
    assert len(flow.prints()) == 200
    assert len(flow._seen) <= 2048
    assert len(flow._windows._buckets) <= 3601


@pytest.mark.data
@pytest.mark.skipif(not DATA.is_dir(), reason="TIDEMARK_DATA is not here")
def test_recorded_force_orders_sum_up_by_position_side() -> None:
    path = next(iter(sorted(DATA.glob("binance_um_force_orders_2025_07_18*.csv"))))
    rows: list[dict[str, Any]] = list(csv.DictReader(path.read_text().splitlines()))
    coins: dict[str, LiquidationFlow] = {}
    for row in rows:
        coin = row["symbol"]
        instrument = Instrument(
            exchange="binance", symbol=f"{coin}/USDT:USDT", base=coin, quote="USDT", perp=True
        )
        flow = coins.setdefault(coin, LiquidationFlow(instrument))
        flow.take(
            [
                Liquidation(
                    instrument=instrument, ts=int(row["ts_ms"]), sample=True,
                    price=float(row["average_price"]),
                    amount=float(row["accumulated_filled_quantity"]),
                    position=LONG if row["side"] == "SELL" else SHORT,
                )
            ]
        )  # fmt: skip
    now = max(int(row["ts_ms"]) for row in rows)
    end = -(-now // 1000) * 1000
    for coin, flow in coins.items():
        mine = [row for row in rows if row["symbol"] == coin]
        for minutes, found in flow.totals(now).items():
            for side, got in (("SELL", found.long), ("BUY", found.short)):
                distinct = {
                    (r["ts_ms"], r["average_price"], r["accumulated_filled_quantity"]): float(
                        r["average_price"]
                    )
                    * float(r["accumulated_filled_quantity"])
                    for r in mine
                    if r["side"] == side and int(r["ts_ms"]) > end - minutes * 60_000
                }
                assert got == pytest.approx(math.fsum(distinct.values()), abs=1e-6)
