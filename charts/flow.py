"""Who traded at market, minute by minute: the price with large orders on it, taker delta, and its running sum."""

import math
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, PolyCollection

from charts import style
from charts.style import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, Sheet
from charts.types import Bubble, FlowChart

NAME = 50  # pixels above a pane for its name
SHARES = (0.54, 0.23, 0.23)
SMALLEST, LARGEST = 7.0, 34.0  # radius of a bubble in pixels
Points = Sequence[tuple[int, float]]


def render(data: FlowChart) -> bytes:
    """The picture as PNG. ValueError without a price, or with numbers that are not finite."""
    prices = [(ts, price) for ts, price in data.prices if data.start <= ts <= data.end]
    if not prices or data.end <= data.start:
        raise ValueError("no price to draw")
    sheet = Sheet(data.title, data.subtitle, data.mark, data.theme)
    room = HEIGHT - TOP - BOTTOM - NAME * len(SHARES)
    panes: list[Axes] = []
    top = float(HEIGHT - TOP - NAME)
    for share in SHARES:
        panes.append(sheet.pane(LEFT, top - room * share, WIDTH - LEFT - RIGHT, room * share))
        top -= room * share + NAME
    for axes in panes:
        axes.set_xlim(data.start, data.end)
        for at in style.round_moments(data.start, data.end, 6):
            axes.axvline(at, color=sheet.colours.grid, linewidth=1.2, zorder=0)
    _price(sheet, panes[0], data, prices)
    _deltas(sheet, panes[1], data)
    _running(sheet, panes[2], data)
    style.time_axis(sheet, panes[2], data.start, data.end)
    return sheet.png()


def path(sheet: Sheet, axes: Axes, points: Points, colour: str, width: float = 3.0) -> None:
    """A line through the points; one point alone is a dot."""
    values = style.finite([value for _ts, value in points])
    x = np.array([ts for ts, _value in points], dtype=np.float64)
    pairs = np.column_stack((x, values))
    segments = np.stack((pairs[:-1], pairs[1:]), axis=1)
    axes.add_collection(
        LineCollection(list(segments), colors=colour, linewidths=width, zorder=3), autolim=False
    )
    axes.plot(
        x[-1:], values[-1:], "o", color=colour, markersize=7, zorder=4, scalex=False, scaley=False
    )


def named(sheet: Sheet, axes: Axes, text: str, *, colour: str = "", room: float = 0.0) -> None:
    """The name of a pane, above it, where no line can cross it."""
    box = axes.get_position()
    line, size = style.fitted(text, style.TEXT, room or box.width * WIDTH)
    y = (box.y0 + box.height) * HEIGHT + 12
    sheet.label(box.x0 * WIDTH, y, line, pixels=size, colour=colour or sheet.colours.faint)


def price_tag(sheet: Sheet, axes: Axes, price: float, step: float, *, most: int = 5) -> None:
    """Labels of the price axis and the last price as a tag."""
    values = style.ticks(*axes.get_ylim(), most)
    style.right_axis(sheet, axes, values, style.price_labels(values), avoid=price)
    guess = max(0, 4 - math.floor(math.log10(price))) if price > 0 else 2
    digits = style.decimals_of(step) if step else guess
    style.tag(sheet, axes, price, f"{price:,.{digits}f}", sheet.colours.accent)


def _price(sheet: Sheet, axes: Axes, data: FlowChart, prices: Points) -> None:
    inside = [b for b in data.bubbles if data.start <= b.ts <= data.end]
    values = style.finite([v for _ts, v in prices] + [b.price for b in inside])
    axes.set_ylim(*style.limits(float(values.min()), float(values.max()), 0.14))
    path(sheet, axes, prices, sheet.colours.text, 2.6)
    _bubbles(sheet, axes, data, inside)
    price_tag(sheet, axes, prices[-1][1], data.price_step)
    text = "price"
    if inside:
        total = max(inside, key=lambda b: b.value)
        many = "orders" if len(inside) > 1 else "order"
        text += f" · {len(inside)} whale {many}, largest {style.compact(total.value)} {data.unit}"
    if data.bubbles_since is not None:
        since = style.moment_label(data.bubbles_since, data.end - data.start)
        text += f", seen since {since}" if inside else f" · whale orders seen since {since}"
    named(sheet, axes, text)


def _bubbles(sheet: Sheet, axes: Axes, data: FlowChart, inside: Sequence[Bubble]) -> None:
    """Area by value; buys hollow, sells filled, so that they differ without colour."""
    if not inside:
        return
    most = float(style.finite([b.value for b in inside]).max())
    for each in sorted(inside, key=lambda b: -b.value):
        radius = max(SMALLEST, LARGEST * math.sqrt(max(each.value, 0.0) / most)) if most else 0.0
        colour = sheet.colours.up if each.buy else sheet.colours.down
        axes.plot(
            each.ts, each.price, "o", markersize=style.points(2 * radius), zorder=6,
            markerfacecolor="none" if each.buy else colour, markeredgecolor=colour,
            markeredgewidth=2.6, alpha=0.9 if each.buy else 0.62, scalex=False, scaley=False,
        )  # fmt: skip


def _deltas(sheet: Sheet, axes: Axes, data: FlowChart) -> None:
    rows = [(ts, v) for ts, v in data.deltas if data.start - data.step < ts < data.end]
    named(sheet, axes, f"delta a minute, {data.unit}")
    if not rows:
        say(sheet, axes, data.note)
        return
    values = style.finite([v for _ts, v in rows])
    low, high = min(0.0, float(values.min())), max(0.0, float(values.max()))
    axes.set_ylim(*style.limits(low, high, 0.1))
    axes.axhline(0, color=sheet.colours.faint, linewidth=1.6, zorder=1)
    gap = data.step * 0.14
    for rising in (True, False):
        colour = sheet.colours.up if rising else sheet.colours.down
        boxes = [
            [(ts + gap, 0), (ts + data.step - gap, 0), (ts + data.step - gap, v), (ts + gap, v)]
            for ts, v in rows
            if v and (v > 0) == rising
        ]
        if boxes:
            face = sheet.colours.back if rising else colour
            axes.add_collection(
                PolyCollection(boxes, facecolors=face, edgecolors=colour, linewidths=1.6, zorder=2),
                autolim=False,
            )
    ends = [v for v in (low, high) if v]
    style.right_axis(sheet, axes, ends, [style.compact(v, signed=True) for v in ends])


def _running(sheet: Sheet, axes: Axes, data: FlowChart) -> None:
    """The sum of the bars above, from the first one on."""
    total, line = 0.0, []
    for ts, value in sorted(data.deltas):
        total += value
        line.append((min(ts + data.step, data.end), total))
    named(sheet, axes, f"CVD of this picture, {data.unit}")
    if not line:
        say(sheet, axes, data.note)
        return
    line.insert(0, (max(data.start, min(ts for ts, _v in data.deltas)), 0.0))
    running_line(sheet, axes, line)


def running_line(sheet: Sheet, axes: Axes, line: Points) -> None:
    """A sum over time around its zero line, with its last value as a tag."""
    values = style.finite([v for _ts, v in line])
    axes.set_ylim(*style.limits(min(0.0, float(values.min())), max(0.0, float(values.max())), 0.16))
    axes.axhline(0, color=sheet.colours.faint, linewidth=1.6, zorder=1)
    path(sheet, axes, line, sheet.colours.accent)
    last = line[-1][1]
    ticks = style.ticks(*axes.get_ylim(), 2)
    labels = [style.compact(v, signed=True) for v in ticks]
    style.right_axis(sheet, axes, ticks, labels, avoid=last)
    colour = sheet.colours.up if last >= 0 else sheet.colours.down
    style.tag(sheet, axes, last, style.compact(last, signed=True), colour)


def say(sheet: Sheet, axes: Axes, text: str) -> None:
    """Words in the middle of a pane that has nothing to show."""
    box = axes.get_position()
    x, y = (box.x0 + box.width / 2) * WIDTH, (box.y0 + box.height / 2) * HEIGHT
    line, size = style.fitted(text or "not known", style.TEXT, box.width * WIDTH - 20)
    sheet.label(x, y, line, pixels=size, colour=sheet.colours.faint, align="center", base="center")
