"""Pictures: data in, PNG bytes out. One file a chart, one name here."""

from collections.abc import Callable
from typing import Any

from charts import candles, lines, liqmap

CHARTS: dict[str, Callable[[Any], bytes]] = {
    "candles": candles.render,
    "liqmap": liqmap.render,
    "lines": lines.render,
}


def warm() -> None:
    """Draw a first picture, so that fonts and back end are loaded before somebody waits."""
    from market.types import Candle  # noqa: PLC0415

    bar = Candle(ts=0, open=1, high=2, low=0.5, close=1.5, volume=1)
    candles.render(candles.CandleChart(title="", subtitle="", candles=(bar,), step=60_000))
