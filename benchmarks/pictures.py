"""A picture of 200 candles, against pyplot with a patch per candle."""

import random
from io import BytesIO
from typing import Any

import matplotlib as mpl

from benchmarks.row import Row, faster, seconds
from charts import render
from charts.candles import CandleChart
from market.types import Candle

COUNT = 200
MINUTE = 60_000


def rows() -> list[Row]:
    """Processor time of one picture, warm."""
    candles = _candles()
    data = drawing()
    return [
        faster(
            "picture of 200 candles, 1280 x 1024", seconds(lambda: render("candles", data)),
            seconds(lambda: _naive(candles), rounds=1), "pyplot, a patch per candle", goal=3,
        )
    ]  # fmt: skip


def drawing() -> CandleChart:
    """The picture that is measured."""
    return CandleChart(title="BTC", subtitle="1m", candles=_candles(), step=MINUTE)


def _candles() -> tuple[Candle, ...]:
    chance, price, found = random.Random(7), 100.0, []
    for i in range(COUNT):
        close = price * (1 + chance.gauss(0, 0.002))
        low, high = min(price, close) * 0.999, max(price, close) * 1.001
        found.append(
            Candle(
                ts=i * MINUTE, open=price, high=high, low=low, close=close,
                volume=chance.uniform(1, 9),
            )
        )  # fmt: skip
        price = close
    return tuple(found)


def _naive(candles: tuple[Candle, ...]) -> bytes:
    """What a first version does."""
    mpl.use("Agg")
    from matplotlib import pyplot as plt  # noqa: PLC0415 - only the naive form needs it
    from matplotlib.patches import Rectangle  # noqa: PLC0415

    figure, (top, below) = plt.subplots(2, 1, figsize=(12.8, 10.24), dpi=100, sharex=True)
    for i, c in enumerate(candles):
        colour: Any = "green" if c.close >= c.open else "red"
        top.plot([i, i], [c.low, c.high], color=colour)
        low, tall = min(c.open, c.close), abs(c.close - c.open)
        top.add_patch(Rectangle((i - 0.4, low), 0.8, tall, color=colour))
        below.bar(i, c.volume, color=colour)
    figure.tight_layout()
    target = BytesIO()
    figure.savefig(target, format="png", bbox_inches="tight")
    plt.close(figure)
    return target.getvalue()
