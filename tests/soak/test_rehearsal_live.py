"""Days of recorded minutes: what a rehearsal counts is what a live run over the same recording fires.

The live run goes minute by minute through the recording as a venue: local server, real adapters, cache, sources and
engine. The rehearsal looks back once, at the end.
"""

import os
import statistics
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tests" / "alerts"))

from live_run import Rule, Told, assert_same, live  # noqa: E402

from alerts.metrics import Metrics  # noqa: E402
from alerts.rehearsal import Rehearsal, Rehearser  # noqa: E402
from alerts.types import (  # noqa: E402
    EACH,
    AllOf,
    Cross,
    For,
    Metric,
    Op,
    Repeat,
    Rise,
    State,
    Then,
)
from exchanges.binance import Binance  # noqa: E402
from exchanges.endpoints import load_endpoints  # noqa: E402
from exchanges.hub import Market  # noqa: E402
from exchanges.local.recording import Recording  # noqa: E402
from exchanges.local.server import LocalServer  # noqa: E402
from market.clock import FixedClock  # noqa: E402
from market.types import DAY, HOUR, MINUTE  # noqa: E402
from scripts import make_recording  # noqa: E402

DATA = Path(os.environ.get("TIDEMARK_DATA", ROOT.parent / "shared/data"))
pytestmark = [
    pytest.mark.soak,
    pytest.mark.data,
    pytest.mark.skipif(not (DATA / "klines").is_dir(), reason="TIDEMARK_DATA is not here"),
]

DAYS = 2
COINS = ("ETH", "SOL")
FIRST = 1_746_316_800_000 + 12 * DAY  # 16 May 2025, after 250 recorded hours
END = FIRST + DAYS * DAY


class InStep(FixedClock):
    """A wall that goes with the market, so that caches and limits see the same time pass."""

    def __init__(self, market: FixedClock) -> None:
        super().__init__(0)
        self._market = market

    def now(self) -> int:
        return self._market.now()


@asynccontextmanager
async def venue(folder: Path, clock: FixedClock) -> AsyncIterator[Market]:
    """The recording behind the real client side, on a clock that is moved by hand."""
    server = LocalServer(Recording(folder, clock))
    port = await server.start()
    pace = pytest.MonkeyPatch()
    # A day of the market passes in a minute here: what a venue allows in a minute would be used up.
    unpaced = {each: {**more, "enableRateLimit": False} for each, more in Binance.options.items()}
    pace.setattr(Binance, "options", unpaced)
    try:
        market = Market(
            endpoints=await load_endpoints(f"http://127.0.0.1:{port}"), exchanges=("binance",),
            clock=clock, wall=InStep(clock), cache_dir=None,
        )  # fmt: skip
        await market.start()
        try:
            yield market
        finally:
            await market.close()
    finally:
        pace.undo()
        await server.close()


def closes(folder: Path, coin: str) -> list[float]:
    """Of the days that are looked at."""
    rows = pq.read_table(folder / "candles.parquet").to_pylist()
    return [
        row["close"] for row in rows
        if row["symbol"].startswith(f"{coin}/") and FIRST <= row["ts"] < END
    ]  # fmt: skip


def of(coin: str, name: str, **fields: Any) -> Metric:
    return Metric(subject=f"binance:{coin}/USDT:USDT", name=name, **fields)


def rules(level: float) -> tuple[Rule, ...]:
    """One of each sort; `level` is a price of ETH that is crossed again and again."""
    price, sol = of("ETH", "price"), of("SOL", "price")
    volume = of("ETH", "volume_ratio", timeframe="15m")
    rsi = of("ETH", "rsi", timeframe="15m", param="14")
    each = Metric(subject=EACH, name="volume_ratio", timeframe="5m")
    weak, busy = (
        State(metric=rsi, op=Op.BELOW, level=45.0),
        State(metric=volume, op=Op.ABOVE, level=1.5),
    )
    wave = Cross(metric=volume, op=Op.ABOVE, level=2.0, rearm=1.6)
    fall = Rise(metric=of("SOL", "price", window=15 * MINUTE), amount=-0.008, relative=True)
    return (
        Rule(Cross(metric=price, op=Op.EITHER, level=level, rearm=level * 0.999, touch=True), cooldown=5 * MINUTE),
        Rule(Cross(metric=price, op=Op.ABOVE, level=level * 1.01, touch=True), Repeat.ALWAYS),
        Rule(Rise(metric=of("ETH", "price", window=HOUR), amount=0.012, relative=True)),
        Rule(Cross(metric=volume, op=Op.ABOVE, level=2.5, rearm=2.0), Repeat.PER_BAR),
        Rule(State(metric=rsi, op=Op.BELOW, level=30.0), cooldown=2 * HOUR),
        Rule(Cross(metric=of("ETH", "rsi", timeframe="1h", param="14"), op=Op.ABOVE, level=65.0, rearm=60.0)),
        Rule(AllOf(parts=(weak, busy)), cooldown=HOUR),
        Rule(For(part=State(metric=price, op=Op.ABOVE, level=level), duration=45 * MINUTE)),
        Rule(Then(first=wave, second=fall, within=2 * HOUR), Repeat.ALWAYS),
        Rule(State(metric=sol, op=Op.ABOVE, level=1.0), Repeat.ONCE),
        Rule(
            Cross(metric=each, op=Op.ABOVE, level=4.0, rearm=3.0), Repeat.PER_BAR,
            subjects=tuple(f"binance:{coin}/USDT:USDT" for coin in COINS),
        ),
    )  # fmt: skip


async def rehearsed(armed: tuple[Rule, ...], market: Market) -> list[Told]:
    """What each rule would have done in these days, looked back at from their end."""
    found = []
    for number, rule in enumerate(armed):
        made = await Rehearser(Metrics(market), market, market.clock).rehearse(
            rule.condition, rule.repeat, rule.cooldown, rule.subjects, days=DAYS
        )
        assert isinstance(made, Rehearsal), (number, made)
        assert made.span > (DAYS - 0.1) * DAY
        subjects = made.subjects or ("",) * made.count
        rows = zip(made.times, subjects, made.values, strict=True)
        found += [Told(ts, number, subject, value) for ts, subject, value in rows]
    return found


async def test_days_of_rehearsal_are_the_live_run_firing_for_firing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "recording"
    folder.mkdir()
    make_recording.binance(DATA, folder, COINS)
    armed = rules(statistics.median(closes(folder, "ETH")))
    clock = FixedClock(FIRST - 1)
    async with venue(folder, clock) as market:
        # A millisecond before each minute ends its candle is whole; that it is over is known a minute later.
        told = await live(market, armed, FIRST - 1, END - 1)
        clock.set(END - 1)
        found = await rehearsed(armed, market)
    by_rule = [sum(each.rule == n for each in told) for n in range(len(armed))]
    with capsys.disabled():
        sys.stdout.write(f"\n{DAYS} days, firings by rule {by_rule}\n")
    assert sum(count > 0 for count in by_rule) >= 9
    assert len(told) > 60
    assert_same(found, told)
