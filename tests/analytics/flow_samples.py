"""Trades for tests, and the slow answer that is surely right."""

import math
from collections.abc import Iterable

from market.types import Instrument, Side, Trade

BTC = Instrument(
    exchange="binance", symbol="BTC/USDT:USDT", base="BTC", quote="USDT", perp=True, price_step=0.1
)
T0 = 1_735_689_600_000


def trade(
    ts: int, price: float, amount: float, side: str = "buy", id_: str = "", order: str = ""
) -> Trade:
    return Trade(
        instrument=BTC, ts=ts, price=price, amount=amount, side=Side(side), id=id_, order=order
    )


def brute(trades: Iterable[Trade], since: int, until: int) -> list[Trade]:
    return [each for each in trades if since < each.ts <= until]


def delta(trades: Iterable[Trade]) -> float:
    return math.fsum(t.value if t.side is Side.BUY else -t.value for t in trades)


def gross(trades: Iterable[Trade]) -> float:
    return math.fsum(t.value for t in trades)
