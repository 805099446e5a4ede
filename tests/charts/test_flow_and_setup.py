"""The pictures of /flow and /setup: the right size at extreme inputs, and nothing drawn that is not known."""

import io
import math
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from matplotlib.image import imread

from charts import render
from charts.setup import within
from charts.style import HEIGHT, WIDTH
from charts.types import Bubble, FlowChart, Pane, ScoreBar, SetupChart

START = 1_781_535_600_000
MINUTE, HOUR = 60_000, 3_600_000
Prices = tuple[tuple[int, float], ...]


def path(level: float, *, count: int = 61, swing: float = 0.01, step: int = MINUTE) -> Prices:
    return tuple((START + n * step, level * (1 + swing * math.sin(n / 5))) for n in range(count))


def flow(prices: Prices, **more: object) -> FlowChart:
    values = {"title": "BTC buyers lead", "subtitle": "Binance", "start": START, "end": START + HOUR,
              "prices": prices, "note": "no trades yet"} | more  # fmt: skip
    return FlowChart(**values)  # type: ignore[arg-type]


def pixels(png: bytes) -> "np.ndarray[tuple[int, ...], np.dtype[np.float64]]":
    return np.asarray(imread(io.BytesIO(png)))


@pytest.mark.parametrize("theme", ["dark", "light"])
@pytest.mark.parametrize(
    "data",
    [
        flow(path(94_000.0)),
        flow(((START, 94_000.0),)),
        flow(path(94_000.0, swing=0.0), deltas=((START, 0.0),)),
        flow(
            path(0.00000123), price_step=1e-10,
            deltas=tuple((START + n * MINUTE, (-1) ** n * 9e14) for n in range(60)),
        ),
        flow(path(94_000.0), deltas=((START, -5.0),), bubbles=(Bubble(ts=START, price=1.0, value=0.0, buy=True),)),
        flow(
            path(94_000.0), mark="REPLAY 2026-06-15 from candles", title="x" * 200, subtitle="y" * 300,
            deltas=tuple((START + n * MINUTE, n - 30.0) for n in range(60)),
            bubbles=tuple(
                Bubble(ts=START + n * 18_000, price=94_000.0, value=1e5 * n, buy=n % 2 > 0)
                for n in range(200)
            ),
        ),
    ],
)  # fmt: skip
def test_flow_at_extremes(data: FlowChart, theme: str) -> None:
    assert pixels(render("flow", replace(data, theme=theme))).shape[:2] == (HEIGHT, WIDTH)


def test_flow_needs_a_price_and_finite_numbers() -> None:
    endless = flow(path(1.0), deltas=((START, math.inf),))
    for data in (flow(()), flow(((START - 1, 1.0),)), flow(path(1.0), end=START)):
        with pytest.raises(ValueError, match="no price"):
            render("flow", data)
    for data in (flow(path(math.nan)), endless):
        with pytest.raises(ValueError, match="finite"):
            render("flow", data)


def coloured(png: bytes, colour: tuple[int, int, int], rows: slice) -> int:
    """Pixels of one colour in some rows, but for the margin of the axis."""
    image = np.rint(pixels(png)[rows, : WIDTH - 210, :3] * 255).astype(int)
    return int((np.abs(image - np.array(colour)).max(axis=2) <= 2).sum())


def test_sells_are_filled_below_zero_and_buys_are_hollow() -> None:
    red, green = (0xF6, 0x46, 0x5D), (0x2E, 0xBD, 0x85)
    bars = slice(600, 760)
    sells = render(
        "flow", flow(path(100.0), deltas=tuple((START + n * MINUTE, -5.0) for n in range(60)))
    )
    buys = render(
        "flow", flow(path(100.0), deltas=tuple((START + n * MINUTE, 5.0) for n in range(60)))
    )
    assert coloured(sells, red, bars) > 3 * coloured(buys, green, bars) > 0
    assert coloured(sells, green, bars) == 0
    nothing = render("flow", flow(path(100.0)))
    assert (
        coloured(nothing, red, slice(0, HEIGHT)) == coloured(nothing, green, slice(0, HEIGHT)) == 0
    )


def setup(**more: object) -> SetupChart:
    line = path(1e6, step=4 * MINUTE)
    bars = tuple(
        ScoreBar(name=name, points=p, most=2.0, known=2.0)
        for name, p in (("Volume", 1.2), ("Open interest", 0.0))
    )
    values = {
        "title": "BTC setup 6.5/10", "subtitle": "Binance", "start": START, "end": START + 4 * HOUR,
        "prices": path(94_000.0, step=4 * MINUTE), "bars": bars, "score": "6.5/10",
        "panes": (Pane(name="CVD", points=line, zero=True), Pane(name="open interest", points=line)),
    } | more  # fmt: skip
    return SetupChart(**values)  # type: ignore[arg-type]


@pytest.mark.parametrize("theme", ["dark", "light"])
@pytest.mark.parametrize(
    "more",
    [
        {},
        {"panes": (Pane(name="CVD", points=()), Pane(name="open interest", points=())), "score": "n/a"},
        {"levels": tuple((94_000.0 + n, f"level {n}", n % 2 > 0) for n in range(3)), "mark": "SIMULATED"},
        {"levels": ((1.0, "far below", True), (1e9, "far above", False)), "prices": path(94_000.0, swing=0.0)},
        {"prices": ((START, 0.00000123),), "price_step": 1e-10, "bars": ()},
        {"title": "x" * 200, "subtitle": "y" * 300, "score": "n/a (only 12 % of the signals)",
         "bars": tuple(ScoreBar(name="Liquidations near and far", points=0.0, most=0.5, known=0.0) for _ in range(9))},
    ],
)  # fmt: skip
def test_setup_at_extremes(more: dict[str, object], theme: str) -> None:
    assert pixels(render("setup", setup(theme=theme, **more))).shape[:2] == (HEIGHT, WIDTH)


def test_setup_needs_a_price_and_finite_numbers() -> None:
    for more in ({"prices": ()}, {"end": START}):
        with pytest.raises(ValueError, match="no price"):
            render("setup", setup(**more))
    for more in ({"prices": path(math.inf)}, {"levels": ((math.nan, "x", True),)}):
        with pytest.raises(ValueError, match="finite"):
            render("setup", setup(**more))


def test_a_bar_is_as_long_as_its_points() -> None:
    accent = np.array((0x4C, 0x9A, 0xFF))

    def length(points: float) -> int:
        bars = (ScoreBar(name="Delta", points=points, most=2.0, known=2.0),)
        image = np.rint(pixels(render("setup", setup(bars=bars)))[:, :349, :3] * 255).astype(int)
        return int((np.abs(image - accent).max(axis=2) <= 2).sum(axis=1).max())

    assert length(2.0) == pytest.approx(320, abs=2)
    assert length(1.0) == pytest.approx(160, abs=2)
    assert length(0.0) == 0


def test_labels_stay_apart_and_inside() -> None:
    for wanted in ([5.0, 5.0, 5.0], [95.0, 97.0, 99.0], [-50.0, 300.0, 10.0], [50.0], []):
        placed = within(wanted, 20.0, 10.0, 90.0)
        assert all(10.0 <= at <= 90.0 for at in placed)
        rising = sorted(placed)
        assert all(b - a >= 20.0 for a, b in pairwise(rising))
        order = sorted(range(len(wanted)), key=lambda n: wanted[n])
        assert [placed[n] for n in order] == rising
