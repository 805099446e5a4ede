"""An order book over time: what rested where, the price's path through it, walls, and walls that were pulled."""

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.colors import LinearSegmentedColormap, to_rgb

from charts import style
from charts.style import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, Sheet
from charts.types import BookMap

FOOT = 66  # pixels for the colour bar
PROFILE, BETWEEN = 190, 14  # pixels of the book as it is now, and before it
BAR = 120  # pixels of the colour bar
ROWS = 56  # bars of it
LABELS = 4  # walls that are named
DARK_STOPS = ("#0e1117", "#12304f", "#1f6fb5", "#4cc3ff", "#f5b041", "#fff3d6")
LIGHT_STOPS = ("#ffffff", "#cfe3fb", "#6fa8e8", "#1f6fd6", "#a86b00", "#3b2400")
FADED = 0.05  # of the log scale: what is drawn as next to nothing
Values = npt.NDArray[np.float64]


def render(data: BookMap) -> bytes:
    """The picture as PNG. ValueError where nothing rests anywhere."""
    values = np.asarray(data.values, dtype=np.float64)
    positive = values[np.isfinite(values) & (values > 0)]
    if values.ndim != 2 or not positive.size or data.height <= 0:
        raise ValueError("the book is empty")
    style.finite([data.low, data.height, data.price])
    sheet = Sheet(data.title, data.subtitle, data.mark, data.theme)
    bottom, height = BOTTOM + FOOT, HEIGHT - TOP - BOTTOM - FOOT
    width = WIDTH - LEFT - RIGHT - PROFILE - BETWEEN
    heat = sheet.pane(LEFT, bottom, width, height)
    profile = sheet.pane(LEFT + width + BETWEEN, bottom, PROFILE, height)
    low, high = min(data.low, data.price), max(data.low + data.height * len(values), data.price)
    for axes in (heat, profile):
        axes.set_ylim(low, high)
    heat.set_xlim(data.start, data.end)
    bounds = scale(positive)
    _heat(sheet, heat, data, values, bounds)
    _path(sheet, heat, data)
    _profile(sheet, profile, data, values[:, -1])
    ticks = style.ticks(low, high, 7)
    style.right_axis(sheet, profile, ticks, style.price_labels(ticks), avoid=data.price)
    digits = style.decimals_of(data.price_step) if data.price_step else 2
    heat.axhline(data.price, color=sheet.colours.text, linewidth=1.2, alpha=0.5, zorder=4)
    style.tag(sheet, profile, data.price, f"{data.price:,.{digits}f}", sheet.colours.accent)
    _marks(sheet, heat, data)
    _names(sheet, profile, data)
    style.time_axis(sheet, heat, data.start, data.end, most=4)
    _foot(sheet, data, bounds)
    return sheet.png()


def scale(positive: Values) -> tuple[float, float]:
    """Values of the ends of the colour scale: from what is ordinary to the largest, at least a factor of ten."""
    high = float(positive.max())
    return min(float(np.quantile(positive, 0.25)), high / 10), high


def shades(values: Values, bounds: tuple[float, float]) -> Values:
    """Where each value lies on the scale, 0 to 1 by its logarithm; NaN stays."""
    low, high = bounds
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.log(values / low) / np.log(high / low)
    share = np.where(values > 0, np.clip(share, FADED, 1.0), 0.0)
    return np.where(np.isnan(values), np.nan, share)


def _colours(sheet: Sheet) -> LinearSegmentedColormap:
    dark = sheet.colours is style.DARK
    return LinearSegmentedColormap.from_list("book", DARK_STOPS if dark else LIGHT_STOPS)


def _unknown(sheet: Sheet) -> tuple[float, float, float]:
    """Half way to the grid: seen beside the ground, and no value of the scale."""
    red, green, blue = to_rgb(sheet.colours.grid)
    return red, green, blue


def _heat(
    sheet: Sheet, axes: Axes, data: BookMap, values: Values, bounds: tuple[float, float]
) -> None:
    share = shades(values, bounds)
    picture = _colours(sheet)(np.nan_to_num(share))
    picture[np.isnan(share), :3] = _unknown(sheet)
    low, high = axes.get_ylim()
    top = data.low + data.height * len(values)
    axes.imshow(
        picture, extent=(data.start, data.end, data.low, top), origin="lower", aspect="auto",
        interpolation="nearest", zorder=1,
    )  # fmt: skip
    axes.set_xlim(data.start, data.end)
    axes.set_ylim(low, high)
    if data.note:
        box = axes.get_position()
        middle = (box.x0 * WIDTH + box.x1 * WIDTH - 80) / 2
        room = (box.x1 - box.x0) * WIDTH - 100
        text, size = style.fitted(data.note, style.TEXT, room)
        sheet.figure.text(
            middle / WIDTH, (HEIGHT - TOP - 50) / HEIGHT, text.replace("$", r"\$"),
            fontsize=style.points(size), color=sheet.colours.faint, ha="center", va="center",
            family="DejaVu Sans", zorder=9,
            bbox={"facecolor": sheet.colours.back, "edgecolor": "none", "pad": 6, "alpha": 0.85},
        )  # fmt: skip


def _path(sheet: Sheet, axes: Axes, data: BookMap) -> None:
    count = len(data.mids)
    step = (data.end - data.start) / max(count, 1)
    x = data.start + (np.arange(count) + 0.5) * step
    known = np.isfinite(data.mids)
    both = known[:-1] & known[1:]
    first = np.column_stack((x, data.mids))
    segments = np.stack((first[:-1], first[1:]), axis=1)[both]
    for width, colour in ((5.0, sheet.colours.back), (2.6, sheet.colours.text)):
        axes.add_collection(
            LineCollection(list(segments), colors=colour, linewidths=width, zorder=5),
            autolim=False,
        )


def _profile(sheet: Sheet, axes: Axes, data: BookMap, now: Values) -> None:
    """What rests now: bids hollow below the price, asks filled above it, so that they differ without colour."""
    size = -(-len(now) // ROWS)
    known = np.nan_to_num(now)
    turn = max(0, int((data.price - data.low) / data.height)) % size  # a bar ends at the price
    starts = np.unique(np.concatenate(([0], np.arange(turn, len(known), size))))
    sums = np.add.reduceat(known, starts)
    stops = np.append(starts[1:], len(known))
    most = float(sums.max()) or 1.0
    axes.set_xlim(0, most * (1.95 if any(each.standing for each in data.marks) else 1.05))
    for rising in (True, False):
        boxes = []
        for start, stop, value in zip(starts, stops, sums.tolist(), strict=True):
            bottom, top = (data.low + float(row) * data.height for row in (start, stop))
            gap = (top - bottom) * 0.16
            if value > 0 and ((bottom + top) / 2 <= data.price) == rising:
                bottom, top = bottom + gap, top - gap
                boxes.append([(0, bottom), (value, bottom), (value, top), (0, top)])
        colour = sheet.colours.up if rising else sheet.colours.down
        if boxes:
            axes.add_collection(
                PolyCollection(
                    boxes, facecolors=sheet.colours.back if rising else colour, edgecolors=colour,
                    linewidths=1.6, zorder=3,
                ),
                autolim=False,
            )  # fmt: skip
    box = axes.get_position()
    x, y = box.x1 * WIDTH, box.y0 * HEIGHT
    sheet.label(x, y - 44, "now", colour=sheet.colours.faint, align="right")


def _marks(sheet: Sheet, axes: Axes, data: BookMap) -> None:
    """Walls as lines from when to when; a cross where one was pulled."""
    low, high = axes.get_ylim()
    shown = [each for each in data.marks if low <= each.price <= high and each.to_ts > data.start]
    for each in shown:
        colour = sheet.colours.warning if each.pulled else sheet.colours.text
        axes.plot(
            [max(each.from_ts, data.start), min(each.to_ts, data.end)], [each.price] * 2,
            color=colour, linewidth=1.6, linestyle=(0, (4, 2)) if each.pulled else "solid",
            zorder=6, solid_capstyle="butt",
        )  # fmt: skip
        if each.pulled:
            axes.plot(
                [min(each.to_ts, data.end)], [each.price], marker="X", markersize=19,
                color=colour, markeredgecolor=sheet.colours.back, markeredgewidth=2.0, zorder=7,
            )  # fmt: skip


def _names(sheet: Sheet, axes: Axes, data: BookMap) -> None:
    """The largest walls that stand, with their size, apart from each other and from the price."""
    low, high = axes.get_ylim()
    box = axes.get_position()
    height = box.height * HEIGHT
    taken = [box.y0 * HEIGHT + (data.price - low) / (high - low) * height]
    standing = sorted((e for e in data.marks if e.standing), key=lambda each: -each.value)
    for each in standing:
        y = box.y0 * HEIGHT + (each.price - low) / (high - low) * height
        inside = box.y0 * HEIGHT + 20 < y < box.y1 * HEIGHT - 20
        if not inside or any(abs(y - other) < 48 for other in taken):
            continue
        taken.append(y)
        text = _amount(each.value, data.unit)
        sheet.figure.text(
            (box.x1 * WIDTH - 4) / WIDTH, y / HEIGHT, text.replace("$", r"\$"),
            fontsize=style.points(_fitting(text)), color=sheet.colours.text, va="center",
            ha="right", family="DejaVu Sans", zorder=9,
            bbox={"facecolor": sheet.colours.back, "edgecolor": "none", "pad": 2, "alpha": 0.8},
        )  # fmt: skip
        if len(taken) > LABELS:
            return


def _fitting(text: str) -> float:
    width = style.text_width(text, style.TEXT)
    return min(style.TEXT, style.TEXT * (PROFILE - 16) / width)


def _amount(value: float, unit: str) -> str:
    text = style.compact(value)
    return f"${text}" if unit == "USD" else f"{text} {unit}"


def _foot(sheet: Sheet, data: BookMap, bounds: tuple[float, float]) -> None:
    """The colour bar with its ends, what a row is, and what the marks mean."""
    y, tall = 20, 30
    low, high = (_amount(each, data.unit) for each in bounds)
    x = float(LEFT)
    sheet.label(x, y + 3, low, colour=sheet.colours.faint)
    x += style.text_width(low, style.TEXT) * 1.02 + 14
    bar = sheet.pane(x, y, BAR, tall)
    bar.set_xlim(0, 1)
    bar.set_ylim(0, 1)
    bar.imshow(
        _colours(sheet)(np.linspace(FADED, 1, 128))[None, :, :], extent=(0, 1, 0, 1),
        aspect="auto", zorder=1,
    )  # fmt: skip
    x += BAR + 14
    row = style.price_labels([0, data.height])[1]
    text = f"{high} a row of {row}"
    sheet.label(x, y + 3, text, colour=sheet.colours.faint)
    x += style.text_width(text, style.TEXT) * 1.02 + 26
    words = ["— wall"] if data.marks else []
    if any(each.pulled for each in data.marks):
        words.append("X pulled?")
    words.append("grey: unknown")
    for n, word in enumerate(words):
        pulled = word.startswith("X")
        wide = style.text_width(word, style.TEXT) * 1.02
        if x + wide > WIDTH - LEFT:
            return
        colour = sheet.colours.warning if pulled else sheet.colours.faint
        sheet.label(x, y + 3, word, colour=colour, weight="bold" if pulled and n else "normal")
        x += wide + 26
