"""Pictures: data in, PNG bytes out. One file a chart, one name here; nothing is drawn in before it is needed."""

from collections.abc import Callable
from importlib import import_module
from typing import Any

CHARTS = (
    "bookmap",
    "candles",
    "flow",
    "liqmap",
    "lines",
    "setup",
)  # each a module of this package with `render(data) -> bytes`


def render(name: str, data: Any) -> bytes:
    """The picture `name` of `data` as PNG; ValueError where there is nothing to draw."""
    if name not in CHARTS:
        raise ValueError(f"there is no chart {name!r}")
    draw: Callable[[Any], bytes] = import_module(f"charts.{name}").render
    return draw(data)


def warm() -> None:
    """Draw a first picture, so that fonts and back end are loaded before somebody waits."""
    from charts.types import CandleChart  # noqa: PLC0415 - the package itself stays light
    from market.types import Candle  # noqa: PLC0415

    bar = Candle(ts=0, open=1, high=2, low=0.5, close=1.5, volume=1)
    render("candles", CandleChart(title="", subtitle="", candles=(bar,), step=60_000))
