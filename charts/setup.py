"""A setup at a glance: price with its levels, CVD and open interest, and the lines that make the score."""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from charts import style
from charts.flow import named, path, price_tag, running_line, say
from charts.style import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, Sheet
from charts.types import Pane, SetupChart

SIDE = 320  # pixels of the score at the left
BETWEEN = 36
NAME = 50  # pixels above a pane for its name
SHARES = (0.56, 0.22, 0.22)
BAR = 14  # pixels high
INSIDE = 0.5  # a level within half a span of the prices widens the axis


def render(data: SetupChart) -> bytes:
    """The picture as PNG. ValueError without a price or with numbers that are not finite."""
    prices = [(ts, price) for ts, price in data.prices if data.start <= ts <= data.end]
    if not prices or data.end <= data.start:
        raise ValueError("no price to draw")
    sheet = Sheet(data.title, data.subtitle, data.mark, data.theme)
    left = LEFT + SIDE + BETWEEN
    width = WIDTH - left - RIGHT
    room = HEIGHT - TOP - BOTTOM - NAME * len(SHARES)
    panes: list[Axes] = []
    top = float(HEIGHT - TOP - NAME)
    for share in SHARES:
        axes = sheet.pane(left, top - room * share, width, room * share)
        axes.set_xlim(data.start, data.end)
        for at in style.round_moments(data.start, data.end, 4):
            axes.axvline(at, color=sheet.colours.grid, linewidth=1.2, zorder=0)
        panes.append(axes)
        top -= room * share + NAME
    _price(sheet, panes[0], data, prices)
    for axes, pane in zip(panes[1:], data.panes, strict=False):
        _pane(sheet, axes, data, pane)
    style.time_axis(sheet, panes[-1], data.start, data.end, most=4)
    _score(sheet, data)
    return sheet.png()


def _price(sheet: Sheet, axes: Axes, data: SetupChart, prices: list[tuple[int, float]]) -> None:
    values = style.finite([v for _ts, v in prices] + [level for level, _t, _e in data.levels])
    told = values[: len(prices)]
    low, high = float(told.min()), float(told.max())
    room = (high - low) * INSIDE or abs(high) * 0.005
    for level, _text, _estimated in data.levels:
        if low - room < level < high + room:
            low, high = min(low, level), max(high, level)
    axes.set_ylim(*style.limits(low, high, 0.1))
    path(sheet, axes, prices, sheet.colours.text, 2.6)
    price_tag(sheet, axes, prices[-1][1], data.price_step)
    beyond = _levels(sheet, axes, data)
    named(sheet, axes, f"price{beyond}")


def _levels(sheet: Sheet, axes: Axes, data: SetupChart) -> str:
    """Dashed lines with their words, apart from each other; what lies outside is returned as words."""
    bottom, top = axes.get_ylim()
    box = axes.get_position()
    base, height = box.y0 * HEIGHT, box.height * HEIGHT
    inside = [each for each in data.levels if bottom < each[0] < top]
    for level, _text, estimated in inside:
        dashes = (0, (2, 4)) if estimated else (0, (7, 4))
        axes.axhline(level, color=sheet.colours.warning, linewidth=2.2, linestyle=dashes, zorder=5)
    wanted = [base + (level - bottom) / (top - bottom) * height + 20 for level, _t, _e in inside]
    for at, (_level, text, _estimated) in zip(
        within(wanted, 36.0, base + 18, base + height - 18), inside, strict=True
    ):
        sheet.figure.text(
            (box.x0 * WIDTH + 10) / WIDTH, at / HEIGHT, text, fontsize=style.points(style.TEXT),
            color=sheet.colours.warning, va="center", ha="left", family="DejaVu Sans", zorder=9,
            bbox={"facecolor": sheet.colours.back, "edgecolor": "none", "pad": 1},
        )  # fmt: skip
    outside = [each for each in data.levels if each not in inside]
    said, room = "", box.width * WIDTH
    for level, text, _estimated in sorted(
        outside, key=lambda each: abs(each[0] - (bottom + top) / 2)
    ):
        more = f"{said} · {text} {'above' if level >= top else 'below'}"
        if style.text_width(f"price{more}", style.TEXT) <= room:  # never a number cut short
            said = more
    return said


def within(wanted: Sequence[float], apart: float, low: float, high: float) -> list[float]:
    """Positions near the wanted ones, `apart` from each other and from `low` to `high`, in the same order."""
    order = sorted(range(len(wanted)), key=lambda n: wanted[n])
    placed = list(wanted)
    edge = high - apart * (len(order) - 1)
    for n in order:
        placed[n] = max(min(placed[n], edge), low)
        low, edge = placed[n] + apart, edge + apart
    return placed


def _pane(sheet: Sheet, axes: Axes, data: SetupChart, pane: Pane) -> None:
    points = [(ts, v) for ts, v in pane.points if data.start <= ts <= data.end]
    named(sheet, axes, f"{pane.name} {pane.unit}".strip(), room=axes.get_position().width * WIDTH)
    if not points:
        say(sheet, axes, data.none)
        return
    if pane.zero:
        running_line(sheet, axes, points)
        return
    values = style.finite([v for _ts, v in points])
    axes.set_ylim(*style.limits(float(values.min()), float(values.max()), 0.16))
    path(sheet, axes, points, sheet.colours.accent)
    last = points[-1][1]
    ticks = style.ticks(*axes.get_ylim(), 2)
    style.right_axis(sheet, axes, ticks, [style.compact(v) for v in ticks], avoid=last)
    style.tag(sheet, axes, last, style.compact(last), sheet.colours.accent)


def _score(sheet: Sheet, data: SetupChart) -> None:
    """One bar a line: what it has of its most; `n/a` where its input is not known."""
    left, right = float(LEFT), float(LEFT + SIDE)
    top = HEIGHT - TOP - 6
    text, size = style.fitted(data.score, 58, right - left, "bold")
    sheet.label(left, top - 52, text, pixels=size, weight="bold")
    if not data.bars:
        return
    step = (top - 76 - BOTTOM) / len(data.bars)
    most = max(each.most for each in data.bars) or 1.0
    for n, each in enumerate(data.bars):
        y = top - 76 - step * (n + 1) + 16
        points = f"{each.points:.1f}" if each.known > 0 else "n/a"
        colour = sheet.colours.text if each.known > 0 else sheet.colours.faint
        taken = style.text_width(points, style.TEXT, "bold") + 14
        name, pixels = style.fitted(each.name, style.TEXT, right - left - taken)
        sheet.label(left, y + BAR + 9, name, pixels=pixels, colour=colour)
        sheet.label(right, y + BAR + 9, points, colour=colour, weight="bold", align="right")
        _bar(sheet, left, y, (right - left) * each.most / most, 1.0, filled=False)
        if each.points > 0:
            share = min(1.0, each.points / each.most) if each.most else 0.0
            _bar(sheet, left, y, (right - left) * each.most / most, share, filled=True)


def _bar(sheet: Sheet, x: float, y: float, width: float, share: float, *, filled: bool) -> None:
    sheet.figure.patches.append(
        Rectangle(
            (x / WIDTH, y / HEIGHT), width * share / WIDTH, BAR / HEIGHT,
            transform=sheet.figure.transFigure, facecolor=sheet.colours.accent if filled else sheet.colours.grid,
            edgecolor="none", zorder=3 if filled else 2,
        )
    )  # fmt: skip
