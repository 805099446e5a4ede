"""Candles, volume and the figure asked for, on one time axis: price, then volume, then CVD or an indicator."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, PolyCollection

from charts import style
from charts.style import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, Sheet
from charts.types import CandleChart, Pane
from market.types import Candle

NAME = 50  # pixels above a pane for its name
MOST = 400  # candles that 1,048 pixels can tell apart; the newest are drawn


def render(data: CandleChart) -> bytes:
    """The picture as PNG. ValueError without candles or with numbers that are not finite."""
    if not data.candles:
        raise ValueError("no candles to draw")
    candles = data.candles[-MOST:]
    sheet = Sheet(data.title, data.subtitle, data.mark, data.theme)
    panes = _panes(
        sheet, has_lower=bool(data.lower and data.lower.points), named=bool(data.overlays)
    )
    start, end = candles[0].ts, candles[-1].ts + data.step
    for axes in panes:
        axes.set_xlim(start, end)
        for at in style.round_moments(start, end, 6):
            axes.axvline(at, color=sheet.colours.grid, linewidth=1.2, zorder=0)
    _price(sheet, panes[0], data, candles)
    _volume(sheet, panes[1], data, candles)
    if len(panes) > 2 and data.lower:
        _lower(sheet, panes[2], data.lower, start, end)
    style.time_axis(sheet, panes[-1], start, end)
    return sheet.png()


def _panes(sheet: Sheet, *, has_lower: bool, named: bool) -> list[Axes]:
    """Panes from top to bottom, each with room for its name above it."""
    shares = (0.62, 0.15, 0.23) if has_lower else (0.78, 0.22)
    above = NAME if named else 0  # for the names of the overlays
    room = HEIGHT - TOP - BOTTOM - above - NAME * (len(shares) - 1)
    panes: list[Axes] = []
    top = float(HEIGHT - TOP - above)
    for share in shares:
        panes.append(sheet.pane(LEFT, top - room * share, WIDTH - LEFT - RIGHT, room * share))
        top -= room * share + NAME
    return panes


def _price(sheet: Sheet, axes: Axes, data: CandleChart, candles: Sequence[Candle]) -> None:
    rows = style.finite([(c.open, c.high, c.low, c.close) for c in candles])
    low, high = float(rows[:, 2].min()), float(rows[:, 1].max())
    for level, _ in data.levels:
        if low - (high - low) < level < high + (high - low):
            low, high = min(low, level), max(high, level)
    axes.set_ylim(*style.limits(low, high, 0.05))
    _draw_candles(sheet, axes, candles, rows, data.step)
    _overlays(sheet, axes, data)
    last = candles[-1]
    digits = style.decimals_of(data.price_step) if data.price_step else _digits(last.close)
    bottom, top = axes.get_ylim()
    values = style.ticks(bottom, top, 5)
    style.right_axis(sheet, axes, values, style.price_labels(values), avoid=last.close)
    rising = last.close >= last.open
    style.tag(
        sheet,
        axes,
        last.close,
        f"{last.close:,.{digits}f}",
        sheet.colours.up if rising else sheet.colours.down,
    )
    _levels(sheet, axes, data)
    if data.marked is not None:
        _point_at(sheet, axes, data, candles)


def _digits(price: float) -> int:
    return max(0, 5 - int(np.floor(np.log10(price))) - 1) if price > 0 else 2


def _draw_candles(
    sheet: Sheet,
    axes: Axes,
    candles: Sequence[Candle],
    rows: "np.ndarray[tuple[int, int], np.dtype[np.float64]]",
    step: int,
) -> None:
    """Hollow when up, filled when down, so that colour is not needed to tell them apart."""
    colours = sheet.colours
    x = np.array([c.ts for c in candles], dtype=np.float64) + step / 2
    half = step * (0.36 if len(candles) < 200 else 0.42)
    bottom, top = axes.get_ylim()
    thin = (top - bottom) * 0.0012
    for rising in (True, False):
        chosen = (rows[:, 3] >= rows[:, 0]) == rising
        if not chosen.any():
            continue
        colour = colours.up if rising else colours.down
        o, h, lo, c = rows[chosen].T
        body_low, body_high = np.minimum(o, c), np.maximum(o, c)
        body_high = np.maximum(body_high, body_low + thin)
        at = x[chosen]
        wicks = [((a, h1), (a, b)) for a, h1, b in zip(at, h, body_high, strict=True)]
        wicks += [((a, l1), (a, b)) for a, l1, b in zip(at, lo, body_low, strict=True)]
        axes.add_collection(
            LineCollection(wicks, colors=colour, linewidths=1.8, zorder=2), autolim=False
        )
        corners = ((-half, body_low), (half, body_low), (half, body_high), (-half, body_high))
        boxes = np.stack([np.column_stack((at + dx, y)) for dx, y in corners], axis=1)
        axes.add_collection(
            PolyCollection(
                list(boxes), facecolors=colours.back if rising else colour, edgecolors=colour,
                linewidths=1.8 if len(candles) < 200 else 1.0, zorder=3,
            ),
            autolim=False,
        )  # fmt: skip


def _overlays(sheet: Sheet, axes: Axes, data: CandleChart) -> None:
    """Lines over the price, named in a row above it."""
    x = float(LEFT)
    box = axes.get_position()
    for i, (name, line) in enumerate(data.overlays.items()):
        if not line:
            continue
        colour = style.SERIES[i % len(style.SERIES)]
        ts, values = zip(*line, strict=True)
        axes.plot(
            np.asarray(ts) + data.step / 2, values, color=colour, linewidth=2.2, zorder=4,
            scalex=False, scaley=False,
        )  # fmt: skip
        y = (box.y0 + box.height) * HEIGHT + 12
        sheet.label(x, y, name, colour=colour, weight="bold")
        x += style.text_width(name, style.TEXT, "bold") + 36


def _levels(sheet: Sheet, axes: Axes, data: CandleChart) -> None:
    bottom, top = axes.get_ylim()
    box = axes.get_position()
    for level, text in data.levels:
        if not bottom < level < top:
            continue
        axes.axhline(
            level, color=sheet.colours.warning, linewidth=2.2, linestyle=(0, (6, 4)), zorder=6
        )
        y = (box.y0 + (level - bottom) / (top - bottom) * box.height) * HEIGHT
        above = y + 8 if y + 44 < (box.y0 + box.height) * HEIGHT else y - 36
        sheet.label(LEFT + 8, above, text, colour=sheet.colours.warning, weight="bold")


def _point_at(sheet: Sheet, axes: Axes, data: CandleChart, candles: Sequence[Candle]) -> None:
    """A soft column behind the candle that the message is about."""
    if any(c.ts == data.marked for c in candles) and data.marked is not None:
        axes.axvspan(
            data.marked,
            data.marked + data.step,
            color=sheet.colours.accent,
            alpha=0.22,
            zorder=1,
            linewidth=0,
        )


def _volume(sheet: Sheet, axes: Axes, data: CandleChart, candles: Sequence[Candle]) -> None:
    volumes = style.finite([c.volume for c in candles])
    most = float(volumes.max())
    axes.set_ylim(0, most * 1.3 if most > 0 else 1.0)
    rising = np.array([c.close >= c.open for c in candles])
    x = np.array([c.ts for c in candles], dtype=np.float64)
    gap = data.step * 0.12
    for up in (True, False):
        colour = sheet.colours.up if up else sheet.colours.down
        boxes = [
            [(a + gap, 0), (a + data.step - gap, 0), (a + data.step - gap, v), (a + gap, v)]
            for a, v in zip(x[rising == up], volumes[rising == up], strict=True)
        ]
        if boxes:
            face = sheet.colours.back if up else colour
            axes.add_collection(
                PolyCollection(boxes, facecolors=face, edgecolors=colour, linewidths=1.4, zorder=2),
                autolim=False,
            )
    if data.marked is not None:
        _point_at(sheet, axes, data, candles)
    if most > 0:
        style.right_axis(sheet, axes, [most], [style.compact(most)])
    _name(sheet, axes, f"volume {data.volume_unit}".strip())


def _lower(sheet: Sheet, axes: Axes, pane: Pane, start: int, end: int) -> None:
    chosen = [(t, v) for t, v in pane.points if start <= t <= end]
    if not chosen:
        return
    x = np.array([t for t, _ in chosen], dtype=np.float64)
    y = style.finite([v for _, v in chosen])
    spread = [*y.tolist(), *pane.bands, *([0.0] if pane.zero else [])]
    axes.set_ylim(*style.limits(min(spread), max(spread), 0.16))
    if pane.zero:
        axes.axhline(0, color=sheet.colours.faint, linewidth=1.6, zorder=1)
        axes.fill_between(
            x, y, 0, where=y >= 0, color=sheet.colours.up, alpha=0.16, linewidth=0, interpolate=True
        )
        axes.fill_between(
            x,
            y,
            0,
            where=y <= 0,
            color=sheet.colours.down,
            alpha=0.16,
            linewidth=0,
            interpolate=True,
        )
    for band in pane.bands:
        axes.axhline(
            band, color=sheet.colours.faint, linewidth=1.4, linestyle=(0, (4, 4)), zorder=1
        )
    axes.plot(x, y, color=sheet.colours.accent, linewidth=3, zorder=3, scalex=False, scaley=False)
    last = float(y[-1])
    bottom, top = axes.get_ylim()
    values = list(pane.bands) or style.ticks(bottom, top, 2)
    labels = [style.compact(v, signed=pane.zero) for v in values]
    style.right_axis(sheet, axes, values, labels, avoid=last)
    colour = (
        sheet.colours.accent
        if not pane.zero
        else sheet.colours.up
        if last >= 0
        else sheet.colours.down
    )
    style.tag(sheet, axes, last, style.compact(last, signed=pane.zero), colour)
    _name(sheet, axes, f"{pane.name} {pane.unit}".strip())


def _name(sheet: Sheet, axes: Axes, text: str) -> None:
    """The name of a pane, above it, where no line can cross it."""
    box = axes.get_position()
    sheet.label(LEFT, (box.y0 + box.height) * HEIGHT + 12, text, colour=sheet.colours.faint)
