"""The flow log answers as a sum over all trades would, whatever order and repetition they come in."""

import gc
import random
from unittest.mock import patch

import pytest
from flow_samples import BTC, T0, brute, delta, gross, trade
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics import intake
from analytics.cvd import FlowLog, FlowSum
from analytics.cvd_figures import cvd_reading, flow_windows
from analytics.seen import GENERATION
from analytics.ticks import Room
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


def test_frames_that_change_places_in_a_burst_lose_nothing_where_a_ms_is_cut_in_two() -> None:
    """Ids are forgotten up to a ms whose last trades are still to come."""
    trades = [trade(T0 + n // 7, 1, 1, id_=f"{n}") for n in range(60_000)]
    for size in (1029, 1100, 1457, 1972):
        log = FlowLog(BTC, T0 - 1)
        frames = [trades[start : start + size] for start in range(0, len(trades), size)]
        for one, other in zip(frames[::2], [*frames[1::2], []], strict=False):
            log.add_all(other)
            log.add_all(one)
        assert (log.trades, log.duplicates) == (len(trades), 0), size
        for repeated in frames[-3:]:
            log.add_all(repeated)
        assert log.trades == len(trades)


def test_of_a_fetched_past_only_what_is_not_remembered_is_uncounted() -> None:
    trades = stream(9, 300)
    log = FlowLog(BTC, T0 - 1)
    assert list(log.uncounted(trades)) == trades
    log.add_all(trades[100:200])
    assert list(log.uncounted(trades)) == [*trades[:100], *trades[200:]]
    nameless = [trade(T0 + n, 1, 1, id_="") for n in range(3)]
    assert list(log.uncounted(nameless)) == nameless
    assert list(log.uncounted([])) == []


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


def test_of_too_many_gaps_those_that_lie_closest_become_one_and_the_sight_between_is_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(intake, "GAPS_KEPT", 3)
    log = FlowLog(BTC, T0)
    for start in (100, 5000, 5020, 9000):
        log.mark_gap(T0 + start, T0 + start + 10)
    assert log.blind() == [
        (T0 + 100, T0 + 110), (T0 + 5000, T0 + 5030), (T0 + 9000, T0 + 9010),
    ]  # fmt: skip
    assert log.new_losses() == [(T0 + 5010, T0 + 5020)]
    assert log.new_losses() == []


def test_a_sight_that_was_given_up_and_is_whole_again_is_not_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(intake, "GAPS_KEPT", 3)
    log = FlowLog(BTC, T0)
    for start in (100, 5000, 5020, 9000):
        log.mark_gap(T0 + start, T0 + start + 10)
    log.close_gap(T0 + 5000, T0 + 5014)
    assert log.new_losses() == [(T0 + 5014, T0 + 5020)]


@given(
    st.lists(st.tuples(st.integers(0, 300), st.integers(1, 9)), max_size=60),
    st.integers(1, 8),
)
@settings(max_examples=200, deadline=None)
def test_however_few_gaps_are_kept_all_that_is_blind_was_marked_or_told(
    marked: list[tuple[int, int]], most: int
) -> None:
    with patch.object(intake, "GAPS_KEPT", most):
        log, known = FlowLog(BTC, T0), set[int]()
        for start, length in marked:
            log.mark_gap(T0 + start, T0 + start + length)
            known |= set(range(start, start + length))
            assert len(log.blind()) <= most + most // 4
        told = {ms - T0 for a, b in log.new_losses() for ms in range(a, b)}
    blind = {ms - T0 for a, b in log.blind() for ms in range(a, b)}
    assert known <= blind
    assert blind == known | told


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


def priced(prices: list[float], *, numbered: bool) -> list[Trade]:
    return [
        Trade(
            instrument=BTC, ts=T0 + 10 * i + 10, price=price, amount=1.0, side=Side.BUY, id=str(i),
            seq=i if numbered else None,
        )
        for i, price in enumerate(prices)
    ]  # fmt: skip


@pytest.mark.parametrize("numbered", [True, False])
@pytest.mark.parametrize("size", [1, 3, 100])
@pytest.mark.parametrize(
    ("prices", "counted", "held", "refused"),
    [
        ([100, 101, 501, 102, 103], [100, 101, 501, 102, 103], 0, 0),  # 5 times at most
        ([100, 101, 100_000, 102, 103], [100, 101, 102, 103], 1, 1),
        ([100, 0.1, 100_000, 102], [100, 102], 2, 2),  # two strangers do not confirm each other
        ([100, 1000, 1010, 990], [100, 1000, 1010, 990], 1, 0),  # the market did move
        ([100, 1000, 1010, 101], [100, 1000, 1010], 2, 0),  # and the way back has to wait as well
        (
            [100] + [100 * 1.3**i for i in range(30)],
            [100] + [100 * 1.3**i for i in range(30)],
            0,
            0,
        ),
        ([100, 16, 16.1], [100, 16, 16.1], 1, 0),
    ],
)
def test_a_price_far_off_waits_with_its_volume_until_the_next_trade_agrees(
    prices: list[float], counted: list[float], held: int, refused: int, size: int, *, numbered: bool
) -> None:
    trades, log = priced(prices, numbered=numbered), FlowLog(BTC, T0, guard=5.0)
    new = [n for i in range(0, len(trades), size) for n in log.take(trades[i : i + size])]
    assert [each.price for each in new] == counted
    assert (log.held, log.refused, log.trades) == (held, refused, len(counted))
    assert log.window(T0, T0 + 10_000).buy_value == pytest.approx(sum(counted))
    assert log.gaps(T0, T0 + 10_000) == []


@pytest.mark.parametrize("numbered", [True, False])
def test_a_bad_price_does_not_confirm_itself_by_coming_twice(*, numbered: bool) -> None:
    trades = priced([100, 100_000, 101], numbered=numbered)
    log = FlowLog(BTC, T0, guard=5.0)
    log.take([trades[0], trades[1], trades[1], trades[0], trades[1]])
    assert (log.trades, log.duplicates) == (1, 3)
    assert log.take([trades[2], trades[1]]) == [trades[2]]
    assert (log.refused, log.duplicates) == (1, 4)


@given(
    seed=st.integers(0, 10_000),
    sizes=st.lists(st.integers(1, 60), min_size=1, max_size=5),
    numbered=st.booleans(),
)
@settings(max_examples=60, deadline=None)
def test_batches_of_any_size_count_what_single_trades_count(
    seed: int, sizes: list[int], *, numbered: bool
) -> None:
    dice = random.Random(seed)
    trades = [
        Trade(
            instrument=BTC, ts=each.ts, price=each.price, amount=each.amount, side=each.side,
            id=each.id, seq=int(each.id) if numbered else None,
        )
        for each in stream(seed, 300)
    ]  # fmt: skip
    arrived = [each for each in disturbed(trades, seed) if dice.random() > 0.02]
    log, slow, at = FlowLog(BTC, T0 - 1, guard=5.0), FlowLog(BTC, T0 - 1, guard=5.0), 0
    while at < len(arrived):
        size = sizes[at % len(sizes)]
        new = log.take(arrived[at : at + size])
        assert new == [each for each in arrived[at : at + size] if slow.add(each)]
        at += size
    seen = list({each.id: each for each in arrived}.values())
    end = max(each.ts for each in arrived)
    assert (log.trades, log.duplicates) == (len(seen), len(arrived) - len(seen))
    assert log.window(T0 - 1, end) == slow.window(T0 - 1, end)
    check(log, seen, T0 - 1, end)
    assert log.gaps(0, end) == slow.gaps(0, end)
    ids = [int(each.id) for each in seen]
    assert bool(log.holes()) is (numbered and len(ids) < max(ids) - min(ids) + 1)


def test_ids_are_known_for_as_long_as_they_are_said_to_be() -> None:
    dice = random.Random(9)
    trades = [
        trade(T0 + 1 + i // 3, 100, 1, id_=f"{dice.getrandbits(64):x}") for i in range(10_000)
    ]
    log = FlowLog(BTC, T0)
    assert sum(log.add_all(trades[i : i + 100]) for i in range(0, 10_000, 100)) == 10_000
    late = trade(T0 + 10_000 // 3 - 50, 100, 1, id_="late")
    assert [log.add(late), log.add(late)] == [True, False]
    assert not log.add(trade(T0 + 5, 100, 1, id_="so late that it may have been counted"))
    assert log.add_all(trades) == 0


def filled_log(seed: int, **about: int) -> tuple[FlowLog, list[Trade]]:
    trades = stream(seed, 3000)
    on_edges = [trade(T0 + i * MINUTE, 50, 2, id_=f"e{i}") for i in range(1, 20)]
    trades = sorted([*trades, *on_edges], key=lambda each: each.ts)
    log = FlowLog(BTC, T0 - 1, **about)
    log.add_all(trades)
    return log, trades


@pytest.mark.parametrize("ticks", [200, 400_000])
def test_stored_seconds_give_the_same_flow_back(ticks: int) -> None:
    log, trades = filled_log(12, ticks=ticks)
    end = trades[-1].ts
    whole = end // MINUTE * MINUTE
    minutes = range(T0 - MINUTE, whole, MINUTE)
    bodies = [log.seconds(start, start + MINUTE) for start in minutes]
    again = FlowLog(BTC)
    again.restore(log.dump(end))
    assert again.started_ts == whole
    assert again.watched_since == T0 - 1
    for body in [*reversed(bodies), *bodies]:  # none counts twice
        again.load_seconds(body)
    assert (again.started_ts, again.last_ts, again.trades) == (T0 - 1, end, log.trades)
    dice = random.Random(2)
    for _ in range(60):
        since = dice.randint(T0 - 5000, end)
        found = check(again, trades, since, end)
        assert max(since, T0 - 1) - 1000 < found.since <= max(since, T0 - 1)
    expected, found_minutes = log.minutes(T0 - 1, end), again.minutes(T0 - 1, end)
    for one, two in zip(expected, found_minutes, strict=True):
        assert one == pytest.approx(two, rel=1e-9, abs=1e-6)
    assert again.add_all(trades) == 0


def test_a_missing_stored_minute_is_where_the_flow_begins() -> None:
    log, trades = filled_log(13)
    end = trades[-1].ts
    count = (end - T0) // MINUTE
    bodies = [log.seconds(T0 + i * MINUTE, T0 + (i + 1) * MINUTE) for i in range(count)]
    again = FlowLog(BTC)
    again.restore(log.dump(end))
    lost = 7
    for body in bodies[:lost] + bodies[lost + 1 :]:
        again.load_seconds(body)
    assert again.started_ts == T0 + (lost + 1) * MINUTE
    check(again, trades, T0, end)
    for nonsense in (b"", bodies[lost] + b"x"):
        with pytest.raises(ValueError, match=r".+"):
            again.load_seconds(nonsense)
    with pytest.raises(ValueError, match="whole"):
        log.seconds(T0 + 1, T0 + 1000)


def test_minutes_that_change_after_they_were_stored_are_named() -> None:
    log = FlowLog(BTC, T0)
    log.add(trade(T0 + 1000, 1, 1, id_="1"))
    log.seconds(T0, T0 + MINUTE)
    log.add(trade(T0 + MINUTE - 5, 1, 1, id_="2"))  # in order, but already stored
    log.add(trade(T0 + MINUTE + 5, 1, 1, id_="3"))
    log.add(trade(T0 + MINUTE, 1, 1, id_="4"))
    log.add(trade(T0 + MINUTE + 1, 1, 1, id_="5"))
    assert log.late_minutes() == [T0 + MINUTE]
    assert log.late_minutes() == []
    again = FlowLog(BTC)
    again.restore(log.dump(T0 + 2 * MINUTE + 500))
    again.add(trade(T0 + MINUTE + 100, 1, 1, id_="3"))
    again.mark_gap(T0 + MINUTE, T0 + 2 * MINUTE)
    again.add(trade(T0 + MINUTE + 200, 1, 1, id_="6"))
    assert again.late_minutes() == [T0 + 2 * MINUTE]


def test_a_late_trade_finds_its_row_of_whatever_length() -> None:
    trades = stream(14, 3000)
    late = [trade(trades[i].ts + 1, 100, 1, id_=f"l{i}") for i in (5, 900, 2000, 2900)]
    log = FlowLog(BTC, T0 - 1, ticks=200, seconds=600, minutes=100_000)
    log.add_all(trades)
    log.mark_gap(T0 - 1, trades[-1].ts)
    assert log.add_all(late) == 4
    for since in (T0 - 1, T0 + 30 * MINUTE, trades[-300].ts):
        check(log, trades + late, since, trades[-1].ts)


def test_what_was_dropped_is_not_known_any_more() -> None:
    trades = stream(15, 4000, steps=(1000, 4000))
    log = FlowLog(BTC, T0 - 1, ticks=200, seconds=300, minutes=40)
    log.add_all(trades[:3000])
    assert log.started_ts is not None
    assert log.started_ts > trades[0].ts
    assert log.watched_since == T0 - 1
    check(log, trades[:3000], T0, trades[2999].ts)
    assert log.window(T0, trades[2999].ts).since == log.started_ts
    assert log.minutes(T0, trades[2999].ts)[0][0] >= log.started_ts // MINUTE * MINUTE


def test_logs_share_one_room_and_the_oldest_trades_give_way() -> None:
    room = Room(3000, 2500, 900)
    logs, each = [], []
    for i in range(12):  # one trades ten times as often as the others
        steps = (100, 300) if i == 0 else (1000, 3000)
        each.append(stream(20 + i, 9000 if i == 0 else 900, steps=steps))
        logs.append(FlowLog(BTC, T0 - 1, room=room))
    rows = sorted(((t.ts, i, t) for i, mine in enumerate(each) for t in mine), key=lambda r: r[:2])
    for start in range(0, len(rows), 40):
        for i, log in enumerate(logs):
            log.take([t for _ts, owner, t in rows[start : start + 40] if owner == i])
        counts = room.counts()
        assert all(n <= most * 1.35 for n, most in zip(counts, room.most, strict=True))
    for log, mine in zip(logs, each, strict=True):
        check(log, mine, T0, mine[-1].ts)
        assert log.trades == len(mine)
    ticks = [log.ticks.stamps[0] for log in logs]
    assert max(ticks) - min(ticks) < 600_000  # all reach back about as far
    assert log.window(mine[-1].ts - 3 * MINUTE, mine[-1].ts).exact


def test_the_room_forgets_logs_that_are_gone() -> None:
    room = Room(100, 100, 100)
    for i in range(30):
        FlowLog(BTC, T0 - 1, room=room).take(stream(i, 90))
    gc.collect()
    assert room.counts() == [0, 0, 0]


@pytest.mark.parametrize("numbered", [True, False])
@pytest.mark.parametrize("ticks", [50, 400_000])
def test_times_that_go_backwards_are_put_in_order(ticks: int, *, numbered: bool) -> None:
    dice, log = random.Random(17), FlowLog(BTC, T0, ticks=ticks)
    stamps = [T0 + 10_000 + i * 100 - dice.choice((0, 0, 450, 9000)) for i in range(800)]
    trades = [
        Trade(
            instrument=BTC, ts=ts, price=100.0 + i % 7, amount=1.0, side=Side.BUY, id=str(i),
            seq=i if numbered else None,
        )
        for i, ts in enumerate(stamps)
    ]  # fmt: skip
    for i in range(0, 800, 40):
        assert len(log.take(trades[i : i + 40])) == 40
    for since in range(T0, T0 + 90_000, 1000):
        check(log, trades, since, T0 + 100_000)
    assert log.take(trades) == []
    assert log.last_ts == max(stamps)


def test_seconds_do_not_become_minutes_before_the_minute_is_over() -> None:
    trades = stream(18, 2000, steps=(100, 300))
    log = FlowLog(BTC, T0 - 1, ticks=50, seconds=100_000)
    for i in range(0, 2000, 20):
        log.take(trades[i : i + 20])
        if log.size(1):
            log.shed(1, log.span(1)[1])
    for since in range(T0, trades[-1].ts, MINUTE):
        assert check(log, trades, since, trades[-1].ts).exact
    for since in range(trades[-1].ts // MINUTE * MINUTE, trades[-1].ts, 1000):
        assert check(log, trades, since, trades[-1].ts).exact
