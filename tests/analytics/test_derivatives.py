"""Mark, funding and open interest from partial messages: every field with its own age, equal to the batch answer."""

import math
import os
import random
from pathlib import Path

import msgspec
import pytest
from flow_samples import BTC, T0
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics import funding, interest
from analytics.derivatives import Derivatives
from analytics.minutes import LENGTH, MinuteRing, Steady
from market.types import Context, Reading, Status

ROOT = Path(__file__).parents[2]
DATA = Path(os.environ.get("TIDEMARK_DATA", ROOT.parent / "shared/data")) / "derivatives"
MINUTE, HOUR = 60_000, 3_600_000
START = T0 // MINUTE * MINUTE


def context(ts: int, **fields: float | None) -> Context:
    return Context(instrument=BTC, ts=ts, recv_ts=ts, **fields)  # type: ignore[arg-type]


def fed(*messages: Context) -> Derivatives:
    live = Derivatives(BTC)
    for message in messages:
        live.take(message)
    return live


def test_a_field_keeps_the_time_of_the_message_that_carried_it() -> None:
    live = fed(
        context(T0, mark=100.0, index=99.0, rate=0.0001, interval_h=8.0, interest=50.0),
        context(T0 + 60_000, mark=101.0),
        context(T0 + 80_000, mark=102.0),
    )
    found = live.readings(T0 + 80_000)
    assert (found["mark"].value, found["mark"].as_of) == (102.0, T0 + 80_000)
    assert (found["index"].value, found["index"].as_of) == (99.0, T0)
    assert (found["oi"].value, found["oi"].as_of, found["oi"].unit) == (50.0, T0, "BTC")
    assert (found["funding"].value, found["funding"].as_of) == (0.0001, T0)
    assert found["basis"].status is Status.STALE  # of two moments
    later = live.readings(T0 + 91_000)
    assert (later["index"].value, later["index"].status) == (None, Status.STALE)
    assert later["mark"].value == 102.0


def test_unknown_is_a_reason_and_every_name_is_there() -> None:
    found = Derivatives(BTC).readings(T0)
    assert set(found) == {
        "mark", "index", "basis", "oi", "oi_usd", "oi_change_5m", "oi_change_15m", "oi_change_30m",
        "oi_change_60m", "oi_delta_usd_30m", "funding", "funding_apr", "funding_8h", "funding_momentum",
    }  # fmt: skip
    assert all(r.value is None and r.reason for r in found.values())
    assert all(r.venues == ("binance",) for r in found.values())


def test_basis_and_value_are_of_one_moment() -> None:
    live = fed(context(T0, mark=101.0, index=100.0, interest=50.0))
    found = live.readings(T0)
    assert found["basis"].value == pytest.approx(0.01)
    assert (found["oi_usd"].value, found["oi_usd"].unit) == (5050.0, "USDT")
    live.take(context(T0 + 1000, interest=60.0, interest_value=6100.0))
    assert live.readings(T0 + 1000)["oi_usd"].value == 6100.0
    live.take(context(T0 + 2000, interest=70.0))
    assert live.readings(T0 + 2000)["oi_usd"].value == 7070.0  # the venue's value is of other coins
    assert live.readings(T0 + 2000 + 181_000)["oi_usd"].status is Status.STALE


def test_rates_are_made_comparable_only_with_their_interval() -> None:
    live = fed(context(T0, rate=0.0001))
    found = live.readings(T0)
    assert (found["funding"].value, found["funding"].note) == (0.0001, "interval not known")
    for name in ("funding_apr", "funding_8h", "funding_momentum"):
        assert found[name].value is None
        assert found[name].reason == "the venue has not told how often it settles"
    live.take(context(T0 + 1000, interval_h=1.0))
    found = live.readings(T0 + 1000)
    assert found["funding"].note == "per 1 h"
    assert found["funding_apr"].value == pytest.approx(0.0001 * 8760)
    assert found["funding_8h"].value == pytest.approx(0.0008)
    assert found["funding"].as_of == T0


def test_longs_pay_where_the_rate_is_positive() -> None:
    for rate in (0.0001, -0.0002):
        found = fed(context(T0, rate=rate, interval_h=4.0)).readings(T0)
        assert found["funding"].value == rate
        assert math.copysign(1, found["funding_apr"].value or 0) == math.copysign(1, rate)
        assert found["funding_8h"].value == funding.eq_8h(rate, 4.0)


def test_a_rate_holds_while_the_feed_lives_and_its_interval_runs() -> None:
    live = fed(context(T0, rate=0.0001, interval_h=8.0, next_ts=T0 + 4 * HOUR))  # type: ignore[arg-type]
    for ts in range(
        T0, T0 + 4 * HOUR, MINUTE
    ):  # a stream of changes: an equal rate is not sent again
        live.take(context(ts, mark=100.0))
    now = T0 + 4 * HOUR - MINUTE
    assert live.readings(now)["funding"].value == 0.0001
    assert live.readings(now)["funding"].as_of == T0
    assert live.readings(now + 181_000)["funding"].status is Status.STALE  # silent
    live.take(context(T0 + 4 * HOUR + 121_000, mark=100.0))
    over = live.readings(T0 + 4 * HOUR + 121_000)["funding"]
    assert (over.value, over.reason) == (None, "the rate is of an interval that is over")
    live.take(context(T0 + 4 * HOUR + 122_000, next_ts=T0 + 12 * HOUR))
    assert live.readings(T0 + 4 * HOUR + 122_000)["funding"].value == 0.0001


def test_without_a_settlement_a_rate_is_believed_for_two_hours() -> None:
    live = fed(context(T0, rate=0.0001, interval_h=1.0), context(T0 + 3 * HOUR, mark=1.0))
    assert live.readings(T0 + 3 * HOUR)["funding"].status is Status.STALE


def test_momentum_is_the_change_over_an_hour_or_what_the_venue_predicts() -> None:
    live = Derivatives(BTC)
    for minute in range(62):
        ts = START + minute * MINUTE
        live.take(context(ts, rate=0.0001 + minute * 1e-6, interval_h=4.0))
    now = START + 61 * MINUTE
    found = live.readings(now)["funding_momentum"]
    assert found.value == pytest.approx(60e-6 * 2, rel=1e-4)
    assert found.since == START + MINUTE
    assert "1 h" in found.note
    live.take(context(now, predicted=0.0003))
    found = live.readings(now)["funding_momentum"]
    assert found.value == pytest.approx((0.0003 - 0.000161) * 2)
    assert "predicted" in found.note
    young = fed(context(START, rate=0.0001, interval_h=8.0)).readings(START)["funding_momentum"]
    assert (young.value, young.status) == (None, Status.INSUFFICIENT)


SAMPLES = st.lists(
    st.tuples(st.integers(1, 5), st.integers(0, MINUTE - 1), st.floats(0.6, 1.6)),
    min_size=1,
    max_size=120,
)


@given(samples=SAMPLES, later=st.integers(0, 200_000))
@settings(max_examples=200, deadline=None)
def test_changes_of_interest_equal_the_batch_answer(
    samples: list[tuple[int, int, float]], later: int
) -> None:
    """With at most one sample a minute; wild steps among them are believed or not as in the batch."""
    live, rows, minute, amount = Derivatives(BTC), [], START // MINUTE, 1000.0
    for skip, offset, factor in samples:
        minute += skip
        amount = min(1e9, max(1.0, amount * (factor if factor > 1.4 or factor < 0.7 else 1.01)))
        rows.append((minute * MINUTE + offset, amount))
        live.take(context(rows[-1][0], interest=amount))
    now = rows[-1][0] + later
    found = live.readings(now)
    level = interest.level(rows, now, 3 * MINUTE)
    assert found["oi"].value == level.value
    for minutes in (5, 15, 30, 60):
        batch = interest.change(rows, now, minutes * MINUTE, relative=True)
        got = found[f"oi_change_{minutes}m"]
        if level.value is None:
            assert got.value is None
        elif batch.value is None:
            assert got.value is None
            assert got.status is batch.status
        else:
            assert got.value == pytest.approx(batch.value, abs=1e-12)
            assert (got.since, got.window, got.as_of) == (batch.since, batch.window, batch.as_of)


def test_the_change_in_dollars_is_coins_at_the_mark() -> None:
    live = Derivatives(BTC)
    for minute in range(31):
        live.take(context(START + minute * MINUTE, interest=1000.0 + minute, mark=50.0 + minute))
    found = live.readings(START + 30 * MINUTE)["oi_delta_usd_30m"]
    assert found.value == pytest.approx(30 * 80.0)  # and not 1030 * 80 - 1000 * 50
    assert found.note == "coins at the mark price"


def test_one_wild_tick_is_nothing_and_a_confirmed_one_is_true() -> None:
    live = fed(context(T0, mark=100.0), context(T0 + 1000, mark=100_000.0))
    assert live.readings(T0 + 1000)["mark"].value == 100.0
    live.take(context(T0 + 2000, mark=101.0))
    assert live.readings(T0 + 2000)["mark"].value == 101.0
    live.take(context(T0 + 3000, mark=10.0))
    live.take(context(T0 + 4000, mark=10.1))
    assert live.readings(T0 + 4000)["mark"].value == 10.1
    assert live.series("mark", 0)[-1][1] == 10.1


def test_nonsense_never_gets_in() -> None:
    live = fed(context(T0, mark=100.0, index=99.0, rate=0.0001, interval_h=8.0, interest=50.0))
    before = live.readings(T0 + 1000)
    for bad in (math.nan, math.inf, -math.inf, -1.0, 0.0):
        live.take(
            context(
                T0 + 1000, mark=bad, index=bad, interest=bad, interest_value=bad, interval_h=bad
            )
        )
    live.take(context(T0 + 1000, rate=math.nan, predicted=math.inf))
    live.take(context(T0 + 1000, rate=0.7))
    live.take(context(T0 + 1000, next_ts=T0 + 10**12))
    assert live.refused == 25 + 2 + 1 + 1
    live.take(Context(instrument=BTC, ts=T0 + 10**9, mark=5.0, recv_ts=T0))
    live.take(Context(instrument=BTC, ts=0, mark=5.0))
    assert live.readings(T0 + 1000) == before


def test_a_late_message_does_not_undo_a_newer_one() -> None:
    live = fed(
        context(T0 + 5000, mark=101.0, rate=0.0002, interval_h=8.0, interest=51.0),
        context(T0, mark=100.0, rate=0.0001, interest=50.0),
    )
    found = live.readings(T0 + 5000)
    assert (found["mark"].value, found["oi"].value, found["funding"].value) == (101.0, 51.0, 0.0002)


def test_a_restored_state_goes_on_as_if_nothing_had_been() -> None:
    rng = random.Random(3)
    one, ts, amount = Derivatives(BTC), START, 1000.0

    def step() -> Context:
        nonlocal ts, amount
        ts += rng.randrange(1000, 40_000)
        amount *= rng.uniform(0.99, 1.011)
        fields: dict[str, float] = {"mark": rng.uniform(90, 110)}
        if rng.random() < 0.5:
            fields |= {"interest": amount, "rate": rng.uniform(-1e-3, 1e-3), "interval_h": 8.0}
        if rng.random() < 0.3:
            fields |= {"index": rng.uniform(90, 110), "interest_value": amount * 100}
        return context(ts, **fields)

    for _i in range(2000):
        one.take(step())
    body = msgspec.msgpack.encode(one.dump())
    assert len(body) < 30_000
    two = Derivatives(BTC)
    two.restore(msgspec.msgpack.decode(body))
    assert _values(two.readings(ts)) == pytest.approx(_values(one.readings(ts)))
    for _i in range(300):
        message = step()
        one.take(message)
        two.take(message)
        assert two.readings(ts) == one.readings(ts)


def _values(found: dict[str, Reading[float]]) -> dict[str, float]:
    return {name: reading.value for name, reading in found.items() if reading.value is not None}


@given(
    st.lists(
        st.tuples(st.integers(0, 400_000), st.floats(0.1, 1e6)), min_size=1, max_size=100
    ),
    st.integers(0, 3_000_000), st.integers(0, 600_000),
)  # fmt: skip
@settings(max_examples=150, deadline=None)
def test_a_ring_gives_the_newest_value_of_a_minute(
    steps: list[tuple[int, float]], back: int, tolerance: int
) -> None:
    ring, ts, minutes = MinuteRing(offsets=True), START, {}
    for step, value in steps:
        ts += step
        ring.put(ts, value)
        minutes[ts // MINUTE] = (ts, value)
    query = ts - back
    rows = [row for row in minutes.values() if query - tolerance <= row[0] <= query]
    assert ring.at(query, tolerance) == (max(rows) if rows else None)
    assert ring.since(query) == [row for row in sorted(minutes.values()) if row[0] >= query]


def test_a_ring_holds_a_day_and_forgets() -> None:
    ring = MinuteRing("f")
    for minute in range(3 * LENGTH):
        ring.put(START + minute * MINUTE, float(minute))
    assert LENGTH <= len(ring.since(0)) < LENGTH + 60
    ring.put(START + 10 * LENGTH * MINUTE, 1.0)
    assert ring.since(0) == [(START + 10 * LENGTH * MINUTE, 1.0)]
    ring.put(START, 5.0)  # late
    assert len(ring.since(0)) == 1


def test_steady_waits_for_the_second_of_two() -> None:
    live = Steady(4.0)
    assert live.take(1, 100.0) == [(1, 100.0)]
    assert live.take(2, 501.0) == []
    assert live.take(3, 502.0) == [(2, 501.0), (3, 502.0)]
    assert live.take(4, 100.0) == []  # down by more than five times as well
    assert live.take(5, 510.0) == [(5, 510.0)]
    assert live.take(4, 499.0) == []  # late
    assert live.held == 2


@pytest.mark.data
@pytest.mark.skipif(not DATA.is_dir(), reason="TIDEMARK_DATA is not here")
def test_a_recorded_day_of_hyperliquid_equals_the_batch() -> None:
    import pyarrow.parquet as pq

    table = pq.read_table(DATA / "hyperliquid_asset_ctx_1m_2026_06_11_15.parquet")
    rows = [row for row in table.to_pylist() if row["coin"] == "SOL"]
    rows = sorted(rows, key=lambda row: row["ts_ms"])[:2000]
    live, seen, compared = Derivatives(BTC), {}, 0
    for i, row in enumerate(rows):
        ts = row["ts_ms"]
        live.take(
            context(
                ts, mark=row["mark_price"], index=row["oracle_price"],
                interest=row["open_interest_coin"], rate=row["funding_rate_1h"], interval_h=1.0,
            )
        )  # fmt: skip
        seen[ts // MINUTE] = (ts, row["open_interest_coin"])
        if i % 97:
            continue
        found = live.readings(ts)
        assert found["basis"].value == pytest.approx(row["mark_price"] / row["oracle_price"] - 1)
        assert found["funding_apr"].value == pytest.approx(row["funding_rate_1h"] * 8760)
        samples = sorted(seen.values())
        for minutes in (15, 60):
            batch = interest.change(samples, ts, minutes * MINUTE, relative=True)
            got = found[f"oi_change_{minutes}m"]
            assert (got.value is None) == (batch.value is None)
            if batch.value is not None:
                compared += 1
                assert got.value == pytest.approx(batch.value, abs=1e-12)
    assert compared > 20
