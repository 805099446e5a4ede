"""Figures that are asked for: when they are due, while no stream carries them, and once more when one does again."""

from dataclasses import dataclass, field
from typing import Any

import pytest

from alerts.asking import Asking
from alerts.fast.engine import Engine
from alerts.known import Known
from alerts.types import Metric, Op, Sample, State
from market.errors import SourceUnavailable
from market.types import MINUTE

METRIC = Metric(subject="binance:BTC/USDT:USDT", name="funding")
LEAF = State(metric=METRIC, op=Op.ABOVE, level=1.0)
START = 1_780_000_000_000


@dataclass
class FakeMetrics:
    """One figure, asked for every minute; `live` while the streams carry it, an error while it is `away`."""

    live: bool = False
    away: bool = False
    asked: list[int] = field(default_factory=list)

    async def samples(self, _metric: Metric, _since: int, now: int) -> list[Sample]:
        self.asked.append((now - START) // 1000)
        if self.away:
            raise SourceUnavailable("binance", "HTTP 503")
        return [Sample(ts=now, value=0.5)]

    def is_live(self, _metric: Metric, _now: int) -> bool:
        return self.live

    def every(self, _metric: Metric) -> int:
        return MINUTE


class Desk:
    """Rounds at a second of the market, over one figure."""

    def __init__(self) -> None:
        self.metrics: Any = FakeMetrics()
        nobody: Any = None  # nothing fires here
        self.asking = Asking(self.metrics, Known(Engine(lambda _m: MINUTE), nobody), self.remade)
        self.asking.follow([METRIC], [])

    async def remade(self, _metric: Metric) -> None:
        raise AssertionError("a level is not measured over parts")

    async def rounds(self, *seconds: int) -> list[int]:
        """In which of these it was asked for."""
        self.metrics.asked.clear()
        for second in seconds:
            await self.asking.round(frozenset([METRIC]), START + second * 1000)
        return list(self.metrics.asked)


@pytest.fixture
def desk() -> Desk:
    return Desk()


async def test_a_figure_is_asked_for_when_it_is_due_and_not_before(desk: Desk) -> None:
    assert await desk.rounds(0, 1, 59, 60, 61, 125) == [0, 60, 125]
    desk.asking.all_due()
    assert await desk.rounds(126) == [126]


async def test_a_figure_that_a_stream_carries_again_is_asked_for_once_more(desk: Desk) -> None:
    assert await desk.rounds(0) == [0]
    desk.metrics.live = True
    assert await desk.rounds(60, 120, 180) == [60]
    desk.metrics.live = False
    assert await desk.rounds(240) == [240]
    desk.metrics.live = True
    assert await desk.rounds(300, 360) == [300]


async def test_why_a_figure_is_not_known_is_told_until_it_is(desk: Desk) -> None:
    desk.metrics.away = True
    await desk.rounds(0)
    assert desk.asking.problem(METRIC) == "binance: HTTP 503"
    desk.metrics.away = False
    await desk.rounds(60)
    assert desk.asking.problem(METRIC) == ""


async def test_a_look_tells_why_a_leaf_is_not_known(desk: Desk) -> None:
    desk.metrics.away = True
    look = await desk.asking.look([LEAF], START)
    assert (look.legs[0].value, look.problems) == (None, ("binance: HTTP 503",))
    assert desk.asking.problem(METRIC) == "binance: HTTP 503"
    desk.metrics.away = False
    look = await desk.asking.look([LEAF], START)
    assert (look.legs[0].value, look.problems, desk.asking.problem(METRIC)) == (0.5, (), "")
