"""A state that was dumped and restored is the state that went on."""

import random
from collections.abc import Sequence
from itertools import groupby

import msgspec
import pytest
from flow_samples import T0
from hypothesis import given, settings
from hypothesis import strategies as st
from live_states import PERP, context, feed, liquidation, noisy, random_trades, same

from analytics.state import SymbolState
from market.types import MINUTE, BookChange, Trade


def minutes_of(state: SymbolState, since: int, until: int) -> list[bytes]:
    return [state.flow.seconds(ts, ts + MINUTE) for ts in range(since, until, MINUTE)]


def restored(state: SymbolState, now: int) -> SymbolState:
    again = SymbolState(PERP)
    since = (state.flow.started_ts or now) // MINUTE * MINUTE
    bodies = minutes_of(state, since, now // MINUTE * MINUTE)
    again.restore(state.dump(now))
    for body in reversed(bodies):
        again.flow.load_seconds(body)
    return again


@given(
    seed=st.integers(0, 100_000),
    half=st.integers(1, 2_000),
    numbered=st.booleans(),
    later=st.sampled_from([0, 999, 1000, 45_000, 3_600_000]),
)
@settings(max_examples=60, deadline=None)
def test_restored_at_a_whole_second_every_figure_is_that_of_the_run_that_went_on(
    seed: int, half: int, later: int, *, numbered: bool
) -> None:
    trades = random_trades(seed, 300, numbered=numbered)
    arrived = noisy(trades, seed)
    begin = T0 - 1
    one = SymbolState(PERP, begin)
    cut = T0 + half * 1000
    feed(one, [each for each in arrived if each.ts <= cut], seed)
    two = restored(one, cut)
    rest = [each for each in arrived if each.ts > cut]
    extra = [context(cut + 500, 101.0, 5000.0), context(cut + 70_000, 102.0, 5050.0)]
    for state in (one, two):
        feed(state, rest, seed + 1)
        state.take_liquidations([liquidation(cut + 900, 100.0, 7.0)])
        for each in extra:
            state.take_context(each)
    end = max(cut, arrived[-1].ts) + later
    for state in (one, two):
        state.alive(end)
    same(one.snapshot(end), two.snapshot(end))
    assert one.orders.whales(end) == two.orders.whales(end)
    assert one.flow.blind() == two.flow.blind()
    assert (one.flow.trades, one.last) == (two.flow.trades, two.last)
    for since in (begin, cut - 120_000, end - 300_000):
        whole = -(-since // 1000) * 1000
        a, b = one.flow.window(whole, end), two.flow.window(whole, end)
        assert a.n == b.n
        assert a.delta_value == pytest.approx(b.delta_value, abs=1e-9 * max(1.0, a.value))


def test_trades_that_were_counted_before_the_dump_count_no_more_after_it() -> None:
    for numbered in (True, False):
        trades = random_trades(5, 500, numbered=numbered)
        state = SymbolState(PERP, T0 - 1)
        state.update(trades)
        again = restored(state, trades[-1].ts + 10)
        assert again.update(trades) == []
        assert again.flow.duplicates == len(trades)


def test_numbers_tell_what_was_missed_while_nobody_ran() -> None:
    trades = random_trades(6, 400, numbered=True)
    state = SymbolState(PERP, T0 - 1)
    state.update(trades[:300])
    again = restored(state, trades[299].ts + 10)
    again.update(trades[330:])
    (hole,) = again.flow.new_holes()
    assert (hole.first, hole.last) == (trades[300].seq, trades[329].seq)
    assert again.flow.blind() == [(trades[299].ts - 1, trades[330].ts)]
    assert len(again.update(trades[290:340])) == 30
    assert again.flow.blind() == []


def test_a_dump_is_small() -> None:
    quiet, busy = SymbolState(PERP, T0 - 1), SymbolState(PERP, T0 - 1)
    quiet.update(random_trades(2, 1000, steps=(4000, 9000)))
    busy.update(random_trades(3, 40_000, steps=(5, 20, 60, 300)))
    assert len(quiet.dump(T0 + 6_500_000)) < 30_000
    assert len(busy.dump(T0 + 3_850_000)) < 320_000  # each class and side in nearly every second


def test_the_dump_of_another_instrument_or_version_is_refused() -> None:
    state = SymbolState(PERP, T0)
    body = msgspec.msgpack.decode(state.dump(T0 + 5))
    for wrong in ({"key": "okx:X"}, {"version": 99}):
        with pytest.raises(ValueError, match="a state of"):
            SymbolState(PERP).restore(msgspec.msgpack.encode(body | wrong))
    with pytest.raises(LookupError):
        SymbolState(PERP).restore(msgspec.msgpack.encode({"version": 1, "key": PERP.key}))
    with pytest.raises(msgspec.MsgspecError):
        SymbolState(PERP).restore(state.dump(T0 + 5)[:40])


def test_a_state_without_any_trade_comes_back_as_it_was() -> None:
    again = SymbolState(PERP)
    again.restore(SymbolState(PERP).dump(T0))
    assert again.flow.started_ts is None
    assert all(not each.known for each in again.snapshot(T0).values())
    again.update(random_trades(1, 3))
    assert again.flow.trades == 3


def test_a_book_is_not_dumped_and_an_open_one_hears_of_trades() -> None:
    state = SymbolState(PERP, T0)
    book = state.open_book()
    assert state.open_book() is book
    level = ((100.0, 1.0),)
    state.take_book(
        BookChange(instrument=PERP, ts=T0 + 5, bids=level, asks=((101.0, 1.0),), whole=True)
    )
    assert state.snapshot(T0 + 100)["mid"].value == 100.5
    again = SymbolState(PERP)
    again.restore(state.dump(T0 + 50))
    assert again.book is None
    assert "mid" not in again.snapshot(T0 + 100)


def by_frame(trades: Sequence[Trade]) -> list[list[Trade]]:
    return [list(group) for _ts, group in groupby(trades, key=lambda each: each.ts)]


def test_killed_ten_times_in_a_row_it_is_what_it_would_have_been() -> None:
    trades = random_trades(9, 3000, numbered=True, steps=(0, 0, 5, 100, 1500))
    one = SymbolState(PERP, T0 - 1)
    one.update(trades)
    two, dice = SymbolState(PERP, T0 - 1), random.Random(4)
    kills = set(dice.sample(range(100, 1200), 10))
    for i, frame in enumerate(by_frame(trades)):
        if i in kills:  # on a whole second, before the frame
            two = restored(two, (frame[0].ts - 1) // 1000 * 1000)
        two.update(frame)
    end = trades[-1].ts + 500
    same(one.snapshot(end), two.snapshot(end))
    assert one.orders.whales(end) == two.orders.whales(end)


def test_a_price_that_waits_for_the_next_one_waits_on_after_a_restart() -> None:
    for price, counted in ((5000.0, 2), (100.0, 1)):
        state = SymbolState(PERP, T0 - 1)
        rows = random_trades(2, 3, numbered=True, steps=(100,))
        state.update([rows[0]])
        assert state.update([msgspec.structs.replace(rows[1], price=5000.0)]) == []
        again = restored(state, T0 + 60_000)
        assert len(again.update([msgspec.structs.replace(rows[2], price=price)])) == counted
        assert (again.flow.held, again.flow.refused) == (1, 2 - counted)
