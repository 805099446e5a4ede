"""Where estimated liquidations lie: longs below the price, shorts above it, beside the price's path."""

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, PolyCollection

from charts import style
from charts.style import BOTTOM, HEIGHT, LEFT, TOP, WIDTH, Sheet
from charts.types import LiquidationChart

ROWS = 90  # bars that can be told apart at phone width
PRICES = 230  # pixels between path and bars for price labels
FOOT = 52  # pixels for the scale under the bars


def render(data: LiquidationChart) -> bytes:
    """The picture as PNG. ValueError without bins, or when nothing is in them."""
    if len(data.edges) < 2 or data.long_size.sum() + data.short_size.sum() <= 0:
        raise ValueError("the map is empty")
    style.finite(np.concatenate((data.edges, data.long_size, data.short_size)).tolist())
    sheet = Sheet(data.title, data.subtitle, data.mark, data.theme)
    edges, long_size, short_size = coarser(data)
    if data.index:
        scale = 100 / float(max(long_size.max(), short_size.max()))
        long_size, short_size = long_size * scale, short_size * scale
    height = HEIGHT - TOP - BOTTOM - FOOT
    has_path = len(data.path) > 1
    split = 470 if has_path else 0
    path = sheet.pane(LEFT, BOTTOM + FOOT, max(split, 1), height)
    left = LEFT + split + PRICES
    bars = sheet.pane(left, BOTTOM + FOOT, WIDTH - left - 28, height)
    for axes in (path, bars):
        axes.set_ylim(float(edges[0]), float(edges[-1]))
    _bars(sheet, bars, edges, long_size, short_size)
    _prices(sheet, (path, bars), data, LEFT + split, height)
    if has_path:
        _path(sheet, path, data)
    _scale(sheet, bars, float(max(long_size.max(), short_size.max())), data.unit)
    return sheet.png()


def coarser(
    data: LiquidationChart,
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Neighbouring bins added up until at most `ROWS` are left; no size is lost."""
    width = -(-len(data.long_size) // ROWS)
    starts = np.arange(0, len(data.long_size), width)
    edges = np.append(data.edges[:-1][starts], data.edges[-1])
    return edges, np.add.reduceat(data.long_size, starts), np.add.reduceat(data.short_size, starts)


def _bars(
    sheet: Sheet,
    axes: Axes,
    edges: npt.NDArray[np.float64],
    long_size: npt.NDArray[np.float64],
    short_size: npt.NDArray[np.float64],
) -> None:
    """Longs filled, shorts hollow, so that they differ without colour."""
    most = float(max(long_size.max(), short_size.max()))
    axes.set_xlim(0, most * 1.04)
    for sizes, colour, hollow in (
        (long_size, sheet.colours.down, False),
        (short_size, sheet.colours.up, True),
    ):
        boxes = []
        for low, high, size in zip(edges[:-1], edges[1:], sizes, strict=True):
            gap = (high - low) * 0.12
            if size > 0:
                boxes.append(
                    [(0, low + gap), (size, low + gap), (size, high - gap), (0, high - gap)]
                )
        if boxes:
            face = sheet.colours.back if hollow else colour
            axes.add_collection(
                PolyCollection(boxes, facecolors=face, edgecolors=colour, linewidths=1.6, zorder=3),
                autolim=False,
            )


def _prices(
    sheet: Sheet, panes: tuple[Axes, Axes], data: LiquidationChart, x: float, height: float
) -> None:
    """Price labels between the panes, the price itself as a tag, names of the sides."""
    bottom, top = panes[1].get_ylim()
    values = style.ticks(bottom, top, 8)
    base = BOTTOM + FOOT
    for value, text in zip(values, style.price_labels(values), strict=True):
        for axes in panes:
            axes.axhline(value, color=sheet.colours.grid, linewidth=1.2, zorder=0)
        y = base + (value - bottom) / (top - bottom) * height
        if (
            abs(value - data.price) / (top - bottom) * height > 44
            and base + 14 < y < base + height - 14
        ):
            sheet.label(
                x + PRICES / 2, y, text, colour=sheet.colours.faint, align="center", base="center",
                pixels=_room(text, PRICES - 20),
            )  # fmt: skip
    y = base + (data.price - bottom) / (top - bottom) * height
    digits = style.decimals_of(data.price_step) if data.price_step else 2
    text = f"{data.price:,.{digits}f}"
    for axes in panes:
        axes.axhline(
            data.price, color=sheet.colours.accent, linewidth=2.4, linestyle=(0, (3, 3)), zorder=6
        )
    sheet.figure.text(
        (x + PRICES / 2) / WIDTH, y / HEIGHT, text, fontsize=style.points(_room(text, PRICES - 24)), color="#ffffff",
        weight="bold", va="center", ha="center", family="DejaVu Sans", zorder=10,
        bbox={"facecolor": sheet.colours.accent, "edgecolor": "none", "pad": 5},
    )  # fmt: skip
    for text, colour, at in (
        ("shorts", sheet.colours.up, base + height - 40),
        ("longs", sheet.colours.down, base + 14),
    ):
        sheet.label(WIDTH - 40, at, text, colour=colour, align="right", weight="bold")


def _room(text: str, room: float) -> float:
    width = style.text_width(text, style.TEXT)
    return style.TEXT if width <= room else max(18.0, style.TEXT * room / width)


def _path(sheet: Sheet, axes: Axes, data: LiquidationChart) -> None:
    """How the price came here."""
    ts = np.array([t for t, _ in data.path], dtype=np.float64)
    price = style.finite([p for _, p in data.path])
    axes.set_xlim(ts[0], ts[-1])
    segments = np.stack(
        (np.column_stack((ts[:-1], price[:-1])), np.column_stack((ts[1:], price[1:]))), axis=1
    )
    axes.add_collection(
        LineCollection(list(segments), colors=sheet.colours.text, linewidths=2.4, zorder=4),
        autolim=False,
    )
    style.time_axis(sheet, axes, int(ts[0]), int(ts[-1]), most=3)


def _scale(sheet: Sheet, axes: Axes, most: float, unit: str) -> None:
    """What a full bar is worth; the word estimated stands where the size is read."""
    box = axes.get_position()
    left, right = box.x0 * WIDTH, box.x1 * WIDTH
    y = BOTTOM + FOOT - 44
    sheet.label(left, y, f"0 … {style.compact(most)} {unit} a row", colour=sheet.colours.faint)
    sheet.label(
        right, y - 50, "estimated", colour=sheet.colours.warning, align="right", weight="bold"
    )
    for value in style.ticks(0, most, 3):
        if value > 0:
            axes.axvline(value, color=sheet.colours.grid, linewidth=1.2, zorder=0)
