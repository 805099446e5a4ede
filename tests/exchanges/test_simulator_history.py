"""The simulated past has what makes markets hard: clustered volatility, common moves, a day's rhythm, forced closes."""

from collections import Counter

import numpy as np
import pytest

from exchanges.local.simulator import SimulatedMarket
from exchanges.local.simulator.noise import Floats
from market.clock import FixedClock
from market.types import DAY, HOUR, MINUTE, Candle, Instrument, Liquidation, PositionSide

START = 1_790_000_000_000 // DAY * DAY + 11 * HOUR


@pytest.fixture(scope="module")
def source() -> SimulatedMarket:
    """A market at its start."""
    return SimulatedMarket(11, START, FixedClock(START))


def named(source: SimulatedMarket, key: str) -> Instrument:
    """The instrument with that key."""
    return next(i for i in source.instruments() if i.key == key)


def candles(source: SimulatedMarket, key: str, timeframe: str, days: int = 60) -> list[Candle]:
    """Closed candles of the last days."""
    return source.candles(named(source, key), timeframe, START - days * DAY, START)


def returns(rows: list[Candle]) -> Floats:
    """Log returns of closes."""
    return np.diff(np.log([c.close for c in rows]))


def correlation(one: Floats, two: Floats) -> float:
    """Pearson."""
    return float(np.corrcoef(one, two)[0, 1])


def test_large_moves_follow_large_moves(source: SimulatedMarket) -> None:
    size = np.abs(returns(candles(source, "binance:BTC/USDT:USDT", "5m")))
    shuffled = np.random.default_rng(1).permutation(size)
    for lag in (1, 6, 24):
        assert correlation(size[:-lag], size[lag:]) > 0.08
        assert abs(correlation(shuffled[:-lag], shuffled[lag:])) < 0.04


def test_moves_themselves_cannot_be_foretold(source: SimulatedMarket) -> None:
    moves = returns(candles(source, "binance:BTC/USDT:USDT", "15m"))
    assert abs(correlation(moves[:-1], moves[1:])) < 0.06


def test_tails_are_fat(source: SimulatedMarket) -> None:
    moves = returns(candles(source, "binance:ETH/USDT", "5m"))
    kurtosis = float(np.mean((moves - moves.mean()) ** 4) / moves.var() ** 2)
    assert 4 < kurtosis < 60


def test_coins_move_together(source: SimulatedMarket) -> None:
    bitcoin = returns(candles(source, "binance:BTC/USDT:USDT", "1h"))
    for key, least in (
        ("binance:ETH/USDT:USDT", 0.6),
        ("binance:SOL/USDT:USDT", 0.5),
        ("binance:TRX/USDT:USDT", 0.2),
    ):
        assert least < correlation(bitcoin, returns(candles(source, key, "1h"))) < 0.97


def test_a_day_of_bitcoin_moves_by_a_few_percent(source: SimulatedMarket) -> None:
    daily = returns(candles(source, "binance:BTC/USDT:USDT", "1d"))
    assert 0.012 < float(daily.std()) < 0.04


def test_trading_follows_the_clock(source: SimulatedMarket) -> None:
    rows = [c for c in candles(source, "bybit:ETH/USDT:USDT", "1h") if (c.ts // DAY + 3) % 7 < 5]
    by_hour = [
        np.mean([c.volume for c in rows if c.ts % DAY // HOUR == hour]) for hour in range(24)
    ]
    assert np.argmax(by_hour) in (13, 14, 15, 16)
    assert max(by_hour) > 2 * min(by_hour)
    week = candles(source, "bybit:ETH/USDT:USDT", "1d", 56)
    weekend = np.mean([c.volume for c in week if (c.ts // DAY + 3) % 7 >= 5])
    assert weekend < 0.85 * np.mean([c.volume for c in week if (c.ts // DAY + 3) % 7 < 5])


def test_volume_comes_with_moves(source: SimulatedMarket) -> None:
    rows = candles(source, "binance:SOL/USDT:USDT", "5m")
    volume = np.log([c.volume for c in rows[1:]])
    assert correlation(np.abs(returns(rows)), volume) > 0.3


def test_buyers_lead_rises(source: SimulatedMarket) -> None:
    rows = candles(source, "binance:BTC/USDT:USDT", "5m")
    lean = np.array([2 * (c.taker_buy_volume or 0.0) / c.volume - 1 for c in rows[1:]])
    assert 0.25 < correlation(returns(rows), lean) < 0.9
    assert abs(float(lean.mean())) < 0.05


def test_most_prints_are_small_and_most_value_is_not(source: SimulatedMarket) -> None:
    values = sorted(
        t.value for t in source.trades(named(source, "binance:BTC/USDT:USDT"), START - HOUR, START)
    )
    median = values[len(values) // 2]
    assert 200 < median < 20_000
    top = values[int(0.9 * len(values)) :]
    assert sum(top) > 0.4 * sum(values)
    assert values[-1] > 50 * median


def test_trades_come_in_bursts(source: SimulatedMarket) -> None:
    times = [
        t.ts for t in source.trades(named(source, "binance:BTC/USDT:USDT"), START - HOUR, START)
    ]
    same = np.mean(np.diff(times) == 0)
    assert 0.05 < same < 0.6


@pytest.fixture(scope="module")
def closes(source: SimulatedMarket) -> list[Liquidation]:
    """Forced closes of one perpetual over eight days."""
    found = source.liquidations("bybit", START - 8 * DAY, START)
    return [close for close in found if close.instrument.key == "bybit:ETH/USDT:USDT"]


def test_open_interest_falls_with_the_forced_closes_of_the_past(
    source: SimulatedMarket, closes: list[Liquidation]
) -> None:
    instrument = named(source, "bybit:ETH/USDT:USDT")
    by_minute: Counter[int] = Counter()
    for close in closes:
        by_minute[close.ts // MINUTE * MINUTE] += round(close.amount / instrument.amount_step)
    for ts, lots in by_minute.most_common(10):
        before, after = source.open_interest_history(instrument, MINUTE, ts, ts + 2 * MINUTE)
        assert before.amount - after.amount > lots * instrument.amount_step


def test_longs_are_liquidated_in_falls_and_shorts_in_rises(
    source: SimulatedMarket, closes: list[Liquidation]
) -> None:
    rows = candles(source, "bybit:ETH/USDT:USDT", "15m", 9)
    moves = {c.ts: c.close / c.open - 1 for c in rows}
    for position, sign in ((PositionSide.LONG, -1), (PositionSide.SHORT, 1)):
        hit = [
            sign * moves[c.ts // (15 * MINUTE) * 15 * MINUTE] > 0
            for c in closes
            if c.position is position
        ]
        assert len(hit) > 50
        assert np.mean(hit) > 0.85
