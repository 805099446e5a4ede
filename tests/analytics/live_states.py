"""Random feeds of one perp, and comparison of snapshots."""

import math
import random
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pytest
from flow_samples import T0

from analytics.state import SymbolState
from market.types import Context, Instrument, Liquidation, PositionSide, Reading, Side, Trade

PERP = Instrument(
    exchange="bybit", symbol="BTC/USDT:USDT", base="BTC", quote="USDT", perp=True, price_step=0.1
)
STEPS = (0, 0, 1, 3, 20, 400, 1000, 3000, 30_000)


def random_trades(
    seed: int,
    count: int,
    *,
    numbered: bool = False,
    steps: Sequence[int] = STEPS,
    start: int = T0,
    orders: bool = False,
) -> list[Trade]:
    """In order of time; sizes of every class."""
    dice, ts, price, found = random.Random(seed), start, 100.0, []
    for i in range(count):
        ts += dice.choice(steps)
        price *= math.exp(dice.gauss(0, 1e-4))
        found.append(
            Trade(
                instrument=PERP, ts=ts, price=price, amount=math.exp(dice.gauss(4, 3.5)),
                side=dice.choice((Side.BUY, Side.BUY, Side.SELL)), id=f"{seed}-{i}",
                order=dice.choice(("", "a", "b")) if orders else "", recv_ts=ts + 20,
                seq=7000 + i if numbered else None,
            )
        )  # fmt: skip
    return found


def noisy(trades: Sequence[Trade], seed: int) -> list[Trade]:
    """As they arrive: some a little late, some twice, sorted back into whole seconds."""
    dice = random.Random(seed)
    arrived = sorted(enumerate(trades), key=lambda each: each[0] + dice.uniform(0, 3))
    found = [t for _i, each in arrived for t in [each] * dice.choice((1, 1, 1, 2))]
    return sorted(found, key=lambda each: -(-each.ts // 1000))


def feed(state: SymbolState, trades: Sequence[Trade], seed: int) -> None:
    """In frames of any size."""
    dice, at = random.Random(seed), 0
    while at < len(trades):
        size = dice.choice((1, 1, 2, 5, 40))
        state.update(trades[at : at + size])
        at += size


def context(ts: int, mark: float, interest: float) -> Context:
    return Context(
        instrument=PERP, ts=ts, mark=mark, index=mark - 0.5, rate=1e-4, interval_h=8.0,
        next_ts=ts + 3_600_000, interest=interest, recv_ts=ts + 5,
    )  # fmt: skip


def liquidation(ts: int, price: float, amount: float) -> Liquidation:
    return Liquidation(
        instrument=PERP, ts=ts, price=price, amount=amount, position=PositionSide.LONG,
        recv_ts=ts + 5,
    )  # fmt: skip


def same(one: Mapping[str, Reading[Any]], two: Mapping[str, Reading[Any]]) -> None:
    """Two snapshots agree in everything: values to 1e-9 of the volume that they are made of."""
    assert one.keys() == two.keys()
    scale = max((abs(r.value) for r in one.values() if isinstance(r.value, float)), default=1.0)
    for name, a in one.items():
        b = two[name]
        for field in ("status", "reason", "as_of", "since", "window", "n", "unit", "note"):
            assert getattr(a, field) == getattr(b, field), (name, field)
        if isinstance(a.value, float):
            small = name.startswith(("buy_share", "whale_ratio", "volume_ratio"))
            limit = 1e-9 if small else 1e-9 * max(1.0, scale)
            assert b.value == pytest.approx(a.value, abs=limit), name
        else:
            assert a.value == b.value, name


def totals(trades: Iterable[Trade]) -> tuple[float, float, int]:
    """(gross, net, count) in quote currency."""
    rows = [(t.price * t.amount, t.side is Side.BUY) for t in trades]
    gross = math.fsum(value for value, _bought in rows)
    net = math.fsum(value if bought else -value for value, bought in rows)
    return gross, net, len(rows)
