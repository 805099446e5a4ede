"""A figure over time, one line a venue, named where it ends."""

from itertools import pairwise

import numpy as np

from charts import style
from charts.style import BOTTOM, HEIGHT, LEFT, TOP, WIDTH, Sheet
from charts.types import LineChart

NAMES = 330  # pixels at the right for names and values


def render(data: LineChart) -> bytes:
    """The picture as PNG. ValueError when there is nothing to draw."""
    lines = [line for line in data.lines if line.points]
    if not lines:
        raise ValueError("no lines to draw")
    sheet = Sheet(data.title, data.subtitle, data.mark, data.theme)
    axes = sheet.pane(LEFT, BOTTOM, WIDTH - LEFT - NAMES, HEIGHT - TOP - BOTTOM)
    start = min(line.points[0][0] for line in lines)
    end = max(line.points[-1][0] for line in lines)
    values = style.finite([v for line in lines for _, v in line.points])
    low, high = float(values.min()), float(values.max())
    if data.zero:
        low, high = min(low, 0.0), max(high, 0.0)
    axes.set_xlim(start, max(end, start + 1))
    axes.set_ylim(*style.limits(low, high, 0.08))
    if data.zero:
        axes.axhline(0, color=sheet.colours.faint, linewidth=1.6, zorder=1)
    for value in style.ticks(*axes.get_ylim(), 6):
        axes.axhline(value, color=sheet.colours.grid, linewidth=1.2, zorder=0)
    ends: list[tuple[float, str, str]] = []
    for i, line in enumerate(lines):
        colour = style.SERIES[i % len(style.SERIES)]
        x, y = zip(*line.points, strict=True)
        axes.plot(x, y, color=colour, linewidth=3, zorder=3, scalex=False, scaley=False)
        axes.plot(
            x[-1], y[-1], "o", color=colour, markersize=8, zorder=4, scalex=False, scaley=False
        )
        ends.append((float(y[-1]), f"{line.name} {_value(float(y[-1]), data)}", colour))
    bottom, top = axes.get_ylim()
    wanted = [BOTTOM + (v - bottom) / (top - bottom) * (HEIGHT - TOP - BOTTOM) for v, _, _ in ends]
    for at, (_, text, colour) in zip(spread(wanted, 38.0), ends, strict=True):
        wide = style.text_width(text, style.TEXT, "bold")
        size = style.TEXT * min(1.0, (NAMES - 28) / wide)
        sheet.label(
            WIDTH - NAMES + 14, at, text, pixels=size, colour=colour, base="center", weight="bold"
        )
    style.time_axis(sheet, axes, start, max(end, start + 1), most=5)
    return sheet.png()


def _value(value: float, data: LineChart) -> str:
    return f"{value * 100:+.2f}%" if data.percent else style.compact(value, signed=data.zero)


def spread(wanted: list[float], apart: float) -> list[float]:
    """Positions near the wanted ones, at least `apart` from each other, in the same order of height."""
    order = np.argsort(wanted)
    placed = list(wanted)
    for lower, upper in pairwise(order):
        placed[upper] = max(placed[upper], placed[lower] + apart)
    overflow = max(placed) - (HEIGHT - TOP)
    if overflow > 0:
        placed[order[-1]] -= overflow
        for upper, lower in pairwise(order[::-1]):
            placed[lower] = min(placed[lower], placed[upper] - apart)
    return placed
