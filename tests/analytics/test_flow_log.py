"""The flow log answers as a sum over all trades would, whatever order and repetition they come in."""

import random

import pytest
from flow_samples import BTC, T0, brute, delta, gross, trade
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics.cvd import FlowLog, FlowSum
from analytics.cvd_figures import cvd_reading, flow_windows
from analytics.seen import GENERATION
from market.types import Candle, Gap, Kind, Side, Status, Trade

STEPS = st.sampled_from([0, 0, 1, 7, 250, 999, 1000, 1001, 60_000, 61_500])
MINUTE = 60_000


def stream(
    seed: int, count: int, steps: tuple[int, ...] = (0, 0, 1, 40, 700, 1000, 4000)
) -> list[Trade]:
    dice, ts, trades = random.Random(seed), T0, []
    for i in range(count):
        ts += dice.choice(steps)
        side = dice.choice(("buy", "sell"))
        trades.append(trade(ts, dice.uniform(9e4, 1e5), dice.uniform(1e-3, 3), side, str(1000 + i)))
    return trades


def disturbed(trades: list[Trade], seed: int) -> list[Trade]:
    """The same trades, some a little late and some twice."""
    dice = random.Random(seed)
    arrived = sorted(enumerate(trades), key=lambda each: each[0] + dice.uniform(0, 4))
    return [t for _i, each in arrived for t in [each] * dice.choice((1, 1, 1, 2))]


def check(log: FlowLog, trades: list[Trade], since: int, until: int) -> FlowSum:
    found = log.window(since, until)
    inside = brute(trades, found.since, found.until)
    assert found.n == len(inside)
    assert found.delta_value == pytest.approx(delta(inside), abs=1e-9 * max(1.0, gross(inside)))
    assert found.value == pytest.approx(gross(inside), rel=1e-9)
    return found


@given(
    moves=st.lists(st.tuples(STEPS, st.floats(1, 1e6), st.booleans()), min_size=1, max_size=120),
    edges=st.tuples(st.integers(-2000, 600_000), st.integers(-2000, 600_000)),
    seed=st.integers(0, 1000),
)
@settings(max_examples=80, deadline=None)
def test_single_trades_are_summed_exactly_to_the_millisecond(
    moves: list[tuple[int, float, bool]], edges: tuple[int, int], seed: int
) -> None:
    ts, trades = T0 + 1, []
    for i, (step, value, bought) in enumerate(moves):
        ts += step
        trades.append(trade(ts, value, 0.5, "buy" if bought else "sell", str(i)))
    log = FlowLog(BTC, T0)
    log.add_all(disturbed(trades, seed))
    since, until = T0 + min(edges), T0 + max(edges)
    found = check(log, trades, since, until)
    assert found.exact is (since >= T0 and until > since)
    if found.exact:
        assert (found.since, found.until) == (since, until)


@pytest.mark.parametrize("seed", range(6))
def test_rows_of_seconds_and_minutes_are_summed_exactly_at_the_edges_they_tell(seed: int) -> None:
    trades = stream(seed, 4000)
    end = trades[-1].ts
    log = FlowLog(BTC, T0 - 1, ticks=300, seconds=(200, 2000)[seed % 2], minutes=100_000)
    log.add_all(disturbed(trades, seed))
    assert (log.trades, log.duplicates > 100) == (4000, True)
    dice = random.Random(seed)
    for _ in range(150):
        since = dice.randint(T0 - 5000, end + 2000)
        until = dice.randint(since + 1, end + 9000)
        found = check(log, trades, since, until)
        assert found.since <= max(since, T0 - 1)
        assert max(since, T0 - 1) - found.since < MINUTE
        assert found.until <= until


def test_windows_with_whole_minute_edges_are_exact_at_any_age() -> None:
    trades = stream(3, 5000, steps=(500, 1000, 1500))
    log = FlowLog(BTC, T0 - 1, ticks=200, seconds=150, minutes=100_000)
    log.add_all(trades)
    for since in range(T0, trades[-1].ts - MINUTE, 7 * MINUTE):
        assert check(log, trades, since, trades[-1].ts).exact


def test_the_newest_trades_stay_exact_while_older_ones_become_rows() -> None:
    trades = stream(4, 5000)
    log = FlowLog(BTC, T0 - 1, ticks=1000)
    log.add_all(trades)
    assert check(log, trades, trades[-900].ts + 1, trades[-1].ts).exact
    assert not check(log, trades, trades[100].ts | 1, trades[-1].ts).exact


def test_minutes_count_as_candles_do() -> None:
    trades = stream(5, 3000)
    log = FlowLog(BTC, T0 - 1, ticks=400, minutes=100_000)
    log.add_all(trades)
    rows = log.minutes(T0 - 1, trades[-1].ts)
    assert [ts for ts, *_ in rows] == list(range(T0, trades[-1].ts + 1, MINUTE))
    for ts, coins, value, volume in rows:
        inside = [t for t in trades if ts <= t.ts < ts + MINUTE]
        assert volume == pytest.approx(sum(t.amount for t in inside), rel=1e-9, abs=1e-12)
        assert value == pytest.approx(delta(inside), abs=1e-9 * max(1.0, gross(inside)))
        signed = sum(t.amount if t.side is Side.BUY else -t.amount for t in inside)
        assert coins == pytest.approx(signed, abs=1e-9)


def test_a_minute_without_trades_is_zero_in_the_chart() -> None:
    log = FlowLog(BTC, T0)
    log.add_all([trade(T0 + 5, 10, 1), trade(T0 + 3 * MINUTE, 10, 1)])
    assert [row[2] for row in log.minutes(T0, T0 + 4 * MINUTE)] == [10, 0, 0, 10, 0]


def test_trades_without_an_id_are_all_counted() -> None:
    log = FlowLog(BTC, T0)
    assert log.add_all([trade(T0 + 1, 100, 1)] * 3) == 3
    assert log.window(T0, T0 + 1).buy_value == 300


def test_a_stream_that_is_sent_again_whole_changes_nothing() -> None:
    trades = stream(6, 3 * GENERATION)
    log = FlowLog(BTC, T0 - 1)
    log.add_all(trades)
    before = log.window(T0 - 1, trades[-1].ts)
    assert log.add_all(trades) == 0
    assert log.window(T0 - 1, trades[-1].ts) == before


def test_ids_in_no_order_are_remembered_one_by_one() -> None:
    dice = random.Random(7)
    ids = [str(each) for each in dice.sample(range(10**12), 3000)]
    trades = [trade(T0 + 1 + i, 100, 1, id_=id_) for i, id_ in enumerate(ids)]
    log = FlowLog(BTC, T0)
    assert log.add_all(trades) == 3000
    assert log.add_all(trades) == 0
    assert FlowLog(BTC, T0).add_all([trade(T0 + 1, 1, 1, id_="a-uuid")] * 2) == 1


def test_trades_missed_in_a_gap_are_counted_when_they_are_fetched() -> None:
    trades = stream(8, 4 * GENERATION)
    missed = slice(GENERATION, GENERATION + 500)
    log = FlowLog(BTC, T0 - 1)
    log.add_all(trades[: missed.start])
    log.mark_gap(trades[missed.start - 1].ts, trades[missed.stop].ts)
    log.add_all(trades[missed.stop :])
    assert len(log.gaps(T0, trades[-1].ts)) == 1
    assert log.add_all(trades[missed.start - 50 : missed.stop]) == 500
    assert log.add_all(trades[missed.start : missed.stop]) == 0
    log.close_gap(trades[missed.start - 1].ts, trades[missed.stop].ts)
    assert log.gaps(T0, trades[-1].ts) == []
    check(log, trades, T0 - 1, trades[-1].ts)


def test_gaps_grow_together_and_are_cut_where_they_were_filled() -> None:
    log = FlowLog(BTC, T0)
    log.mark_gap(T0 + 100, T0 + 200)
    log.mark_gap(T0 + 150, T0 + 400)
    log.mark_gap(T0 + 900, T0 + 950)
    log.close_gap(T0 + 200, T0 + 300)
    spans = [(g.from_ts - T0, g.to_ts - T0) for g in log.gaps(T0, T0 + 1000)]
    assert spans == [(100, 200), (300, 400), (900, 950)]
    assert log.gaps(T0 + 960, T0 + 1000) == []
    assert log.gaps(T0, T0 + 1000)[0].exchange == "binance"


@pytest.mark.parametrize(
    ("price", "amount"),
    [(float("nan"), 1), (1, float("nan")), (0, 1), (1, 0), (-1, -1), (float("inf"), 1)],
)
def test_what_is_no_trade_is_refused(price: float, amount: float) -> None:
    log = FlowLog(BTC, T0)
    assert not log.add(trade(T0 + 1, price, amount))
    assert (log.refused, log.window(T0, T0 + 5).n) == (1, 0)


def test_a_trade_from_the_future_is_refused_and_wipes_nothing() -> None:
    log = FlowLog(BTC, T0)
    log.add(trade(T0 + 1, 100, 1))
    far = Trade(instrument=BTC, ts=T0 * 2, price=1.0, amount=1.0, side=Side.BUY, recv_ts=T0 + 2)
    assert not log.add(far)
    assert (log.last_ts, log.window(T0, T0 + 5).n) == (T0 + 1, 1)


def test_nothing_before_the_start_is_counted_unless_the_start_moves_back() -> None:
    log = FlowLog(BTC, T0 + 1000)
    assert not log.add(trade(T0 + 1000, 100, 1, id_="5"))
    log.add(trade(T0 + 2000, 100, 1, id_="9"))
    log.begin(T0)
    assert log.add(trade(T0 + 1000, 100, 1, id_="5"))
    assert log.started_ts == T0
    assert log.window(T0, T0 + 2000).n == 2


def test_without_a_start_the_log_begins_just_before_its_first_trades() -> None:
    log = FlowLog(BTC)
    assert log.started_ts is None
    log.add_all([trade(T0 + 50, 1, 1), trade(T0 + 20, 1, 1), trade(T0 - 60_000, 1, 1)])
    assert log.started_ts == T0 + 19
    assert log.window(0, T0 + 100).n == 2


def test_a_window_before_the_log_has_no_edges_and_no_figures() -> None:
    log = FlowLog(BTC, T0)
    log.add(trade(T0 + 10, 100, 1))
    found = log.window(T0 - 500, T0 - 100)
    assert found.until <= found.since
    readings = cvd_reading({"binance": found}, since=T0 - 500, now=T0 - 100)
    assert readings["cvd"].value is None
    assert readings["cvd"].status is Status.INSUFFICIENT


def test_readings_carry_their_venues_edges_and_gaps() -> None:
    flows = {name: FlowLog(BTC, T0) for name in ("binance", "bybit")}
    flows["binance"].add(trade(T0 + 1000, 100, 3, "buy"))
    flows["bybit"].add(trade(T0 + 2000, 100, 1, "sell"))
    sums = flow_windows(flows, T0, T0 + 5000)
    found = cvd_reading(
        sums, since=T0, now=T0 + 5000, unit="BTC", missing={"okx": "does not answer"}
    )
    assert found["cvd"].value == 200
    assert found["cvd_base"].value == 2
    assert found["buy_share"].value == 0.75
    assert found["cvd"].venues == ("binance", "bybit")
    assert (found["cvd"].since, found["cvd"].window, found["cvd"].as_of) == (T0, 5000, T0 + 2000)
    assert found["cvd"].note == "without OKX, no gaps"
    assert found["cvd.bybit"].value == -100
    assert found["cvd.okx"].value is None
    blind = cvd_reading(sums, since=T0, now=T0 + 5000, gaps=[Gap(from_ts=T0, to_ts=T0 + 60_000)])
    assert blind["cvd"].note == "blind 00:00 UTC to 00:01 UTC"


def test_a_venue_that_started_late_is_named_with_its_time() -> None:
    flows = {"binance": FlowLog(BTC, T0), "bybit": FlowLog(BTC, T0 + 600_000)}
    for flow in flows.values():
        flow.add(trade(T0 + 700_000, 100, 1))
    found = cvd_reading(flow_windows(flows, T0, T0 + 800_000), since=T0, now=T0 + 800_000)
    assert found["cvd"].note == "Bybit since 00:10 UTC, no gaps"
    alone = flow_windows({"bybit": flows["bybit"]}, T0, T0 + 800_000)
    assert cvd_reading(alone, since=T0, now=T0 + 800_000)["cvd"].note.startswith(
        "collected since 00:10"
    )


def test_no_flow_at_all_is_a_reason() -> None:
    found = cvd_reading({}, since=T0, now=T0 + 1, missing={"okx": "does not answer"})
    assert found["cvd"].value is None
    assert found["cvd"].reason == "does not answer"


def test_nothing_traded_has_a_cvd_of_zero_but_no_buy_share() -> None:
    log = FlowLog(BTC, T0)
    log.add(trade(T0 + 1, 1, 1))
    found = cvd_reading(
        {"binance": log.window(T0 + 10, T0 + 50)}, since=T0 + 10, now=T0 + 50, as_of=T0 + 49
    )
    assert found["cvd"].value == 0
    assert found["cvd"].as_of == T0 + 49
    assert (found["buy_share"].value, found["buy_share"].status) == (None, Status.UNDEFINED)


def test_cvd_by_candle_signs_says_that_it_is_approximate() -> None:
    from analytics.cvd_figures import candle_cvd_reading

    bare = [Candle(ts=T0, open=1, high=2, low=1, close=2, volume=10)]
    split = [Candle(ts=T0, open=1, high=2, low=1, close=2, volume=10, taker_buy_volume=4)]
    assert candle_cvd_reading(bare, step=MINUTE).kind is Kind.APPROX
    assert candle_cvd_reading(bare, step=MINUTE).value == 10
    assert candle_cvd_reading(split, step=MINUTE).kind is Kind.OBSERVED
    assert candle_cvd_reading(split, step=MINUTE).value == -2
    assert candle_cvd_reading([], step=MINUTE).value is None
