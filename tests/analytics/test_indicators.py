"""What /ta shows: closed candles only, enough of them, and none of the library's faults."""

import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from vector_files import flat_candles, series

from analytics import indicators, vwap
from analytics.closed import closed_candles
from analytics.oscillators import ichimoku, stochastic
from analytics.running import Atr, Bollinger, Ema, Macd, Rsi
from market.types import Candle, Status

STEP = 900_000
T0 = 1_735_689_600_000


def walk(count: int, seed: int = 1, start: int = T0) -> list[Candle]:
    dice, price, candles = random.Random(seed), 100.0, []
    for i in range(count):
        before, price = price, price * math.exp(dice.gauss(0, 0.01))
        high, low = max(before, price) * 1.002, min(before, price) * 0.998
        candles.append(
            Candle(
                ts=start + i * STEP,
                open=before,
                high=high,
                low=low,
                close=price,
                volume=dice.uniform(1, 9),
            )
        )
    return candles


def end(candles: list[Candle]) -> int:
    return candles[-1].ts + STEP


def test_a_thousand_candles_give_every_figure() -> None:
    candles = walk(indicators.CANDLES_NEEDED)
    found = indicators.summary(candles, "15m", end(candles))
    assert {key: r.reason for key, r in found.items() if not r.known} == {}
    assert {r.as_of for r in found.values()} == {end(candles)}
    assert found["rsi"].value == indicators.rsi(candles)[-1]
    assert found["stoch_k"].value == pytest.approx(stochastic(candles).slow_k[-1])
    assert found["stoch_d"].value == pytest.approx(stochastic(candles).slow_d[-1])
    assert found["ichimoku_b"].value == pytest.approx(ichimoku(candles).b[-27])
    assert found["ichimoku_b_ahead"].value == pytest.approx(ichimoku(candles).b[-1])
    low, high, share = (found[k].value for k in ("bb_low", "bb_high", "percent_b"))
    assert low is not None
    assert high is not None
    assert share == pytest.approx((candles[-1].close - low) / (high - low))


def test_too_few_candles_say_how_many_are_needed() -> None:
    candles = walk(31)
    found = indicators.summary(candles, "15m", end(candles))
    assert found["rsi"].value is None
    assert found["rsi"].status is Status.INSUFFICIENT
    assert found["rsi"].reason == "needs 250 closed candles, has 31"
    assert found["bb_mid"].known
    assert found["ema200"].reason == "needs 1000 closed candles, has 31"


@pytest.mark.parametrize("count", [0, 1, 2, 13, 14, 15, 51, 78])
def test_short_histories_never_raise_and_never_invent(count: int) -> None:
    candles = walk(count)
    found = indicators.summary(candles, "15m", T0 + count * STEP)
    assert all(r.value is not None or r.reason for r in found.values())
    assert found["atr"].value is None
    assert found["ichimoku_b"].known is (count >= 78)


def test_the_running_candle_changes_nothing() -> None:
    candles = walk(300)
    running = Candle(ts=end(candles), open=1, high=999, low=1, close=999, volume=1e9, closed=False)
    now = end(candles) + 60_000
    assert indicators.summary([*candles, running], "15m", now) == indicators.summary(
        candles, "15m", now
    )


def test_old_candles_are_stale() -> None:
    candles = walk(300)
    found = indicators.summary(candles, "15m", end(candles) + 10 * STEP)
    assert {r.status for r in found.values()} == {Status.STALE}


def test_a_flat_market_is_flat_and_not_overbought() -> None:
    candles = flat_candles([100.0] * 300)
    found = indicators.summary(candles, "15m", candles[-1].ts + STEP)
    assert (found["rsi"].value, found["rsi"].status) == (50.0, Status.FLAT)
    assert (found["percent_b"].value, found["percent_b"].status) == (None, Status.UNDEFINED)
    assert found["stoch_k"].value is None
    assert found["atr"].value == 0.0


def test_a_broken_candle_does_not_turn_the_rsi_into_zero() -> None:
    candles = walk(600)
    broken = Candle(ts=candles[200].ts, open=1, high=1, low=1, close=math.nan, volume=1)
    mended = [*candles[:200], broken, *candles[201:]]
    found = indicators.summary(mended, "15m", end(candles))
    assert found["rsi"].n == 399
    assert found["rsi"].value == pytest.approx(indicators.rsi(candles)[-1], abs=1e-3)


def test_a_hole_cuts_off_what_lies_before_it_and_few_empty_bars_are_bridged() -> None:
    candles = walk(400)
    used = closed_candles([*candles[:100], *candles[110:]], "15m", end(candles))
    assert len(used.candles) == 290
    bridged = closed_candles([*candles[:100], *candles[102:]], "15m", end(candles))
    assert (len(bridged.candles), bridged.filled) == (400, 2)
    assert bridged.candles[100].close == candles[99].close
    assert bridged.candles[100].volume == 0
    assert bridged.note == "2 candles without trades"


def test_candles_may_come_doubled_and_in_any_order() -> None:
    candles = walk(300)
    mixed = [*candles[150:], *candles[:200]]
    now = end(candles)
    assert indicators.summary(mixed, "15m", now) == indicators.summary(candles, "15m", now)


def test_session_vwap_needs_candles_from_midnight_on() -> None:
    candles = walk(300, start=T0)[10:60]
    found = indicators.summary(candles, "15m", end(candles))["vwap"]
    assert (found.value, found.status) == (None, Status.INSUFFICIENT)
    whole = walk(60)
    now = end(whole)
    reading = indicators.summary(whole, "15m", now)["vwap"]
    tp = [(c.high + c.low + c.close) / 3 * c.volume for c in whole]
    assert reading.value == pytest.approx(sum(tp) / sum(c.volume for c in whole))
    assert reading.since == T0
    day = [
        Candle(ts=T0 + i * 86_400_000, open=1, high=1, low=1, close=1, volume=1) for i in range(5)
    ]
    assert indicators.summary(day, "1d", T0 + 5 * 86_400_000)["vwap"].value is None


def test_a_session_without_volume_has_no_vwap() -> None:
    candles = [Candle(ts=T0, open=1, high=1, low=1, close=1, volume=0)]
    assert vwap.session(candles) == [None]
    assert (
        indicators.summary(candles, "15m", T0 + STEP)["vwap"].reason
        == "nothing traded since 00:00 UTC"
    )
    assert vwap.deviation(candles) is None
    assert vwap.deviation(walk(5)) is not None


def test_the_cloud_in_force_is_the_past_never_the_future() -> None:
    candles = walk(200)
    now_a, now_b = ichimoku(candles).in_force()
    early_a, early_b = ichimoku(candles[:150]).in_force()
    assert (now_a[:150], now_b[:150]) == (early_a, early_b)
    assert now_a[:51] == [None] * 51
    assert now_b[76] is None
    assert now_b[77] is not None


def parts(values: object) -> tuple[float | None, ...]:
    return values if isinstance(values, tuple) else (values,)  # type: ignore[return-value]


PRICES = st.lists(st.floats(1e-6, 1e6), min_size=1, max_size=80)


@given(prices=PRICES, running=st.floats(1e-6, 1e6))
@settings(max_examples=80, deadline=None)
def test_a_provisional_value_is_what_committing_would_give_and_keeps_nothing(
    prices: list[float], running: float
) -> None:
    for block in (Rsi(5), Ema(6), Macd(3, 6, 4), Bollinger(5)):
        for price in prices:
            block.update(price)
        before = block.get()
        guess = block.provisional(running)
        assert block.get() == before
        block.update(running)
        after = block.get()
        for a, b in zip(parts(guess), parts(after), strict=True):
            assert (a is None) is (b is None)
            assert a is None or a == pytest.approx(b, rel=1e-9, abs=1e-12)


def test_a_provisional_range_is_what_committing_would_give() -> None:
    live = Atr(5)
    for candle in walk(30):
        live.update(candle.high, candle.low, candle.close)
    guess = live.provisional(120.0, 90.0)
    live.update(120.0, 90.0, 100.0)
    assert guess == live.get()


@pytest.mark.parametrize("key", ["volatile", "micro_price"])
def test_every_series_of_a_prefix_is_the_prefix_of_the_series(key: str) -> None:
    candles = series(key)
    assert indicators.rsi(candles)[:150] == indicators.rsi(candles[:150])
    assert indicators.atr(candles)[:150] == indicators.atr(candles[:150])
    assert indicators.macd(candles)[2][:150] == indicators.macd(candles[:150])[2]
    assert stochastic(candles).slow_d[:150] == pytest.approx(stochastic(candles[:150]).slow_d)
