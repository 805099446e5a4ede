"""Live CVD: adding a trade and asking for a window, against a deque of dicts that is summed when asked."""

import math
import random
from collections import deque
from typing import Any

from analytics.cvd import FlowLog
from benchmarks.row import Row, at_most, faster, seconds
from market.types import Instrument, Side, Trade

COUNT = 100_000
WINDOW = 4 * 3_600_000
START = 1_790_000_000_000


def rows() -> list[Row]:
    """Adding 100,000 trades over eight hours, then the newest four of them."""
    trades = _trades()
    log, naive = _ours(trades), _naive(trades)
    until = trades[-1].ts
    mine, sum_ = log.window(until - WINDOW, until), _summed(naive, until - WINDOW, until)
    assert abs(mine.delta_base - sum_) <= 1e-6 * mine.volume, "the two disagree"
    adding, naive_adding = seconds(lambda: _ours(trades)), seconds(lambda: _naive(trades))
    return [
        at_most(
            "a trade added to the CVD log", adding / COUNT, 1 / 300_000,
            against=f"deque of dicts, no duplicates found {naive_adding / COUNT * 1e6:.2f} us",
        ),
        faster(
            "CVD of 4 h over 100,000 trades",
            seconds(lambda: log.window(until - WINDOW, until)),
            seconds(lambda: _summed(naive, until - WINDOW, until)),
            "deque of dicts", goal=10,
        ),
    ]  # fmt: skip


def _trades() -> list[Trade]:
    one = Instrument(
        exchange="binance", symbol="BTC/USDT:USDT", base="BTC", quote="USDT", perp=True
    )
    chance = random.Random(7)
    return [
        Trade(
            instrument=one, ts=START + i * 288, price=chance.uniform(90, 110),
            amount=chance.uniform(0.01, 2), side=chance.choice((Side.BUY, Side.SELL)), id=str(i),
        )
        for i in range(COUNT)
    ]  # fmt: skip


def _ours(trades: list[Trade]) -> FlowLog:
    log = FlowLog(trades[0].instrument, START - 1)
    for trade in trades:
        log.add(trade)
    return log


def _naive(trades: list[Trade]) -> deque[dict[str, Any]]:
    kept: deque[dict[str, Any]] = deque()
    for trade in trades:
        kept.append({"ts": trade.ts, "amount": trade.amount, "side": trade.side})
        while kept[0]["ts"] < trade.ts - 2 * WINDOW:
            kept.popleft()
    return kept


def _summed(kept: deque[dict[str, Any]], since: int, until: int) -> float:
    return math.fsum(
        each["amount"] if each["side"] == "buy" else -each["amount"]
        for each in kept
        if since < each["ts"] <= until
    )
