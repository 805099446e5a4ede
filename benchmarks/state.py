"""The live state: trades taken in batches and one by one, a snapshot, a dump, and the memory of 600 instruments."""

import math
import random
from collections.abc import Callable, Sequence

from analytics.rolling import RollingWindows
from analytics.state import ROOM, SymbolState
from benchmarks.memory import resident
from benchmarks.row import Row, at_most, seconds, span
from market.types import HOUR, MINUTE, Context, Instrument, Side, Trade

COUNT = 100_000
START = 1_790_000_000_000
STATES, BUSIEST, HOURS = 600, 60.0, 1.0  # instruments, trades a second of the first, hours


def rows() -> list[Row]:
    """Microseconds a trade; milliseconds of a snapshot and a dump; MiB of 600 states."""
    trades = _trades(_instrument(0), COUNT)
    unnumbered = [_renamed(each) for each in trades]
    naive = seconds(lambda: _naive(trades), rounds=2) / COUNT
    found = []
    for name, each, size, limit in (
        ("a numbered trade, batches of 100", trades, 100, 0.8e-6),
        ("a trade known by its id, batches of 100", unnumbered, 100, 0.8e-6),
        ("a numbered trade, one by one", trades, 1, 2e-6),
    ):
        taken = seconds(_run(each, size), rounds=5) / COUNT
        found.append(at_most(name, taken, limit, against=f"dicts and deques {span(naive)}"))
    state = _run(trades, 100)()
    now = trades[-1].ts
    return [
        *found,
        at_most("a snapshot of every figure", seconds(lambda: state.snapshot(now)), 1e-3),
        at_most("a dump for the checkpoint", seconds(lambda: state.dump(now)), 10e-3),
        _memory(),
    ]


def _run(trades: list[Trade], size: int) -> Callable[[], SymbolState]:
    batches = [trades[i : i + size] for i in range(0, len(trades), size)]

    def run() -> SymbolState:
        state = SymbolState(trades[0].instrument, START - HOUR)
        for batch in batches:
            state.update(batch)
        assert state.orders.ended > 0
        assert state.flow.trades == len(trades)
        return state

    return run


def _naive(trades: Sequence[Trade]) -> RollingWindows:
    """What is at hand without merging, sizes, numbers or a flow log: a set of ids and three windows."""
    windows, seen = RollingWindows(), set()
    for each in trades:
        if each.id not in seen:
            seen.add(each.id)
            windows.update(each.ts, each.value, bought=each.side is Side.BUY)
    return windows


def _memory() -> Row:
    """600 instruments, the first with 60 trades a second, the n-th with an n-th of that."""
    kept: list[SymbolState] = []
    before = resident()
    for i in range(STATES):
        kept.append(SymbolState(_instrument(i), START - 1))
    for minute in range(int(HOURS * 60)):
        for i, state in enumerate(kept):
            count = max(1, int(BUSIEST * 60 / (i + 1)))
            begin = START + minute * MINUTE
            state.update(_trades(state.instrument, count, begin, MINUTE // count, minute * count))
            state.take_context(_context(state.instrument, begin))
        for state in kept:
            state.snapshot(START + (minute + 1) * MINUTE)
    used = resident() - before
    counts = ROOM.counts()
    full = [f"{n / most:.0%}" for n, most in zip(counts, ROOM.most, strict=True)]
    return Row(
        name=f"live state of {STATES} instruments after {HOURS:g} h", measured=f"{used:.0f} MiB",
        against=f"room for trades, seconds, minutes used: {', '.join(full)}",
        ratio=100 / used, goal="<= 100 MiB", met=used <= 100,
    )  # fmt: skip


def _instrument(number: int) -> Instrument:
    return Instrument(
        exchange="binance",
        symbol=f"C{number}/USDT:USDT",
        base=f"C{number}",
        quote="USDT",
        perp=True,
    )


def _trades(
    one: Instrument, count: int, start: int = START, step: int = 24, first: int = 0
) -> list[Trade]:
    """Orders of one to some prints, sizes as perps have them: half below $800, few above $50k."""
    dice, ts, side, found = random.Random(first + start), start, Side.BUY, []
    for i in range(count):
        if dice.random() < 0.45:
            ts, side = ts + dice.choice((1, step, 3 * step)), dice.choice((Side.BUY, Side.SELL))
        found.append(
            Trade(
                instrument=one, ts=ts, price=100.0 + dice.random() / 10,
                amount=math.exp(dice.gauss(2.08, 2)), side=side, id=str(first + i),
                recv_ts=ts + 20, seq=first + i,
            )
        )  # fmt: skip
    return found


def _renamed(trade: Trade) -> Trade:
    return Trade(
        instrument=trade.instrument, ts=trade.ts, price=trade.price, amount=trade.amount,
        side=trade.side, id=f"id-{trade.id}", recv_ts=trade.recv_ts,
    )  # fmt: skip


def _context(one: Instrument, ts: int) -> Context:
    return Context(
        instrument=one, ts=ts, mark=100.0, index=100.0, rate=1e-4, interval_h=8.0,
        next_ts=ts + HOUR, interest=1e6, recv_ts=ts + 20,
    )  # fmt: skip
