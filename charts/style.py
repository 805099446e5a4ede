"""The look of every picture: 1280 x 1024, colours, type sizes, and axes that never collide.

Sizes are in pixels of the picture; text is 32 px and more, so that it reads as 9 px at a phone's 360.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from io import BytesIO

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, findfont, get_font
from matplotlib.ft2font import FT2Font

WIDTH, HEIGHT, DPI = 1280, 1024, 100
TEXT, SMALL, HEADLINE = 32, 32, 46
LEFT, RIGHT, TOP, BOTTOM = 28, 204, 142, 64
NARROW_LABELS = 7  # characters of an axis label that fit the right margin comfortably


@dataclass(frozen=True, slots=True, kw_only=True)
class Palette:
    """Colours of one theme."""

    back: str = "#0e1117"
    grid: str = "#1f2630"
    text: str = "#d6dde6"
    faint: str = "#8b98a8"
    up: str = "#2ebd85"
    down: str = "#f6465d"
    accent: str = "#4c9aff"
    warning: str = "#f5b041"


DARK = Palette()
LIGHT = Palette(
    back="#ffffff", grid="#e3e8ee", text="#1b2430", faint="#5b6775",
    up="#0b8f5f", down="#cf2f46", accent="#1f6fd6", warning="#a86b00",
)  # fmt: skip
SERIES = ("#4c9aff", "#f5b041", "#b98cff", "#2ebd85", "#f6465d")


def palette(theme: str) -> Palette:
    """The palette of "dark" or "light"."""
    return LIGHT if theme == "light" else DARK


def points(pixels: float) -> float:
    """Font points of a height in pixels."""
    return pixels * 72 / DPI


@lru_cache(maxsize=4)
def _face(weight: str) -> FT2Font:
    return get_font(findfont(FontProperties(family="DejaVu Sans", weight=weight)))


def text_width(text: str, pixels: float, weight: str = "normal") -> float:
    """Width in pixels of `text` drawn `pixels` high."""
    font = _face(weight)
    font.set_size(points(pixels), DPI)
    font.set_text(text, 0.0)
    return float(font.get_width_height()[0]) / 64


def fitted(text: str, pixels: float, room: float, weight: str = "normal") -> tuple[str, float]:
    """`text` and a size at which it fits `room` pixels: smaller down to 32 px, then cut with an ellipsis."""
    width = text_width(text, pixels, weight)
    if width <= room:
        return text, pixels
    smaller = max(TEXT, pixels * room / width * 0.99)
    if text_width(text, smaller, weight) <= room:
        return text, smaller
    keep = len(text) - 1
    while keep > 1 and (wide := text_width(text[:keep] + "…", TEXT, weight)) > room:
        keep = min(keep - 1, int(keep * room / wide) + 1)
    return text[:keep].rstrip() + "…", TEXT


class Sheet:
    """One picture: a title, a subtitle and panes that share the time axis, drawn on a fresh light-weight figure."""

    def __init__(self, title: str, subtitle: str, mark: str = "", theme: str = "dark") -> None:
        self.colours = palette(theme)
        self.figure = Figure(
            figsize=(WIDTH / DPI, HEIGHT / DPI), dpi=DPI, facecolor=self.colours.back
        )
        FigureCanvasAgg(self.figure)
        room = WIDTH - 2 * LEFT
        headline, size = fitted(title, HEADLINE, room, "bold")
        self.label(LEFT, HEIGHT - 60, headline, pixels=size, weight="bold")
        mark_room = text_width(mark, TEXT, "bold") * 1.02 + 52 if mark else 0.0
        line, size = fitted(subtitle, TEXT, room - mark_room)
        self.label(LEFT, HEIGHT - 112, line, pixels=size, colour=self.colours.faint)
        if mark:
            x = LEFT + text_width(line, size) * 1.02 + 26 if line else LEFT
            self.label(x, HEIGHT - 112, mark, weight="bold", colour=self.colours.warning)

    def label(
        self, x: float, y: float, text: str, *, pixels: float = TEXT, colour: str = "",
        weight: str = "normal", align: str = "left", base: str = "baseline",
    ) -> None:  # fmt: skip
        """Text at pixel (x, y) from the lower left corner."""
        self.figure.text(
            x / WIDTH, y / HEIGHT, text.replace("$", r"\$"), fontsize=points(pixels), color=colour or self.colours.text,
            weight=weight, ha=align, va=base, family="DejaVu Sans",
        )  # fmt: skip

    def pane(self, left: float, bottom: float, width: float, height: float) -> Axes:
        """Axes over a rectangle in pixels, without frames; price labels on the right."""
        axes = self.figure.add_axes((left / WIDTH, bottom / HEIGHT, width / WIDTH, height / HEIGHT))
        axes.set_facecolor(self.colours.back)
        for spine in axes.spines.values():
            spine.set_visible(False)
        axes.tick_params(
            length=0, labelsize=points(SMALL), labelcolor=self.colours.faint, labelleft=False,
            labelright=False, labelbottom=False, left=False, right=False, pad=8,
        )  # fmt: skip
        axes.set_axisbelow(True)
        return axes

    def png(self) -> bytes:
        """The picture, quickly compressed."""
        out = BytesIO()
        self.figure.savefig(
            out, format="png", facecolor=self.colours.back, pil_kwargs={"compress_level": 1}
        )
        return out.getvalue()


def limits(low: float, high: float, pad: float = 0.06) -> tuple[float, float]:
    """Axis limits around [low, high] with room, also when both are the same."""
    if not math.isfinite(low) or not math.isfinite(high):
        raise ValueError("a picture needs finite numbers")
    span = high - low
    if span <= abs(high) * 1e-12:
        span = abs(high) * 0.02 or 1.0
        low, high = low - span / 2, high + span / 2
    return low - span * pad, high + span * pad


def ticks(low: float, high: float, most: int) -> list[float]:
    """At most `most` round numbers inside [low, high]."""
    raw = (high - low) / max(most, 1)
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(power * m for m in (1, 2, 2.5, 5, 10, 20) if power * m >= raw)
    first = math.ceil(low / step)
    return [round(i * step, 14) for i in range(first, math.floor(high / step) + 1)]


def compact(value: float, signed: bool = False) -> str:
    """1.24B, 768.5M, 12.3k; four digits at most."""
    sign = "-" if value < 0 else "+" if signed and value > 0 else ""
    size = abs(value)
    for limit, unit in ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "k")):
        if size >= limit * 0.99995:
            return f"{sign}{_three(size / limit)}{unit}"
    return f"{sign}{_three(size)}"


def _three(size: float) -> str:
    if size == 0:
        return "0"
    decimals = 0 if size >= 99.95 else 1 if size >= 9.995 else 2
    if size < 0.01:
        return f"{size:.2g}"
    return f"{size:.{decimals}f}".rstrip("0").rstrip(".") if decimals else f"{size:.0f}"


def decimals_of(step: float) -> int:
    """Decimals that show multiples of `step` exactly."""
    if step <= 0:
        return 2
    for digits in range(13):
        if abs(round(step, digits) - step) < step * 1e-6:
            return digits
    return 12


def price_labels(values: Sequence[float]) -> list[str]:
    """Labels of axis prices with just the decimals their distance needs."""
    if len(values) < 2:
        return [f"{v:,.10g}" for v in values]
    digits = decimals_of(values[1] - values[0])
    return [f"{v:,.{digits}f}" for v in values]


def right_axis(
    sheet: Sheet,
    axes: Axes,
    values: Sequence[float],
    labels: Sequence[str],
    *,
    avoid: float | None = None,
) -> None:
    """Grid lines and labels at `values` on the right; one too near to `avoid` (the tag) gets no label."""
    low, high = axes.get_ylim()
    box = axes.get_position()
    height = box.height * HEIGHT
    for value, text in zip(values, labels, strict=True):
        axes.axhline(value, color=sheet.colours.grid, linewidth=1.2, zorder=0)
        share = (value - low) / (high - low)
        y = box.y0 * HEIGHT + share * height
        taken = avoid is not None and abs(value - avoid) / (high - low) * height < TEXT * 1.35
        inside = (
            y - TEXT * 0.4 > box.y0 * HEIGHT - 4
            and y + TEXT * 0.4 < (box.y0 + box.height) * HEIGHT + 4
        )
        if not taken and inside:
            margin = WIDTH - box.x1 * WIDTH - 22
            line, size = _squeezed(text, margin)
            sheet.label(
                box.x1 * WIDTH + 10, y, line, pixels=size, colour=sheet.colours.faint, base="center"
            )


def _squeezed(text: str, room: float, weight: str = "normal") -> tuple[str, float]:
    """`text` in at most `room` pixels; long figures get smaller, never cut: a cut number is a wrong number."""
    width = text_width(text, TEXT, weight)
    return text, TEXT if width <= room * 0.96 else max(18.0, TEXT * room / width * 0.93)


def tag(sheet: Sheet, axes: Axes, value: float, text: str, colour: str) -> None:
    """The last value as a filled tag on the right axis, and a thin line to it."""
    axes.axhline(value, color=colour, linewidth=1.6, linestyle=(0, (2, 3)), zorder=5)
    low, high = axes.get_ylim()
    box = axes.get_position()
    y = (box.y0 + (value - low) / (high - low) * box.height) * HEIGHT
    line, size = _squeezed(text, WIDTH - box.x1 * WIDTH - 18, "bold")
    sheet.figure.text(
        (box.x1 * WIDTH + 8) / WIDTH, y / HEIGHT, line, fontsize=points(size), color="#ffffff", weight="bold",
        va="center", ha="left", family="DejaVu Sans", zorder=10,
        bbox={"facecolor": colour, "edgecolor": "none", "pad": 5},
    )  # fmt: skip


def time_axis(sheet: Sheet, axes: Axes, start: int, end: int, *, most: int = 6) -> None:
    """UTC labels at round moments under `axes`, whose x runs in ms; vertical grid through every pane given."""
    box = axes.get_position()
    left, width = box.x0 * WIDTH, box.width * WIDTH
    y = box.y0 * HEIGHT - 44
    reached = -1e9
    for at in round_moments(start, end, most):
        axes.axvline(at, color=sheet.colours.grid, linewidth=1.2, zorder=0)
        text = moment_label(at, end - start)
        half = text_width(text, SMALL) / 2
        x = min(
            max(left + (at - start) / max(end - start, 1) * width, left + half), WIDTH - half - 6
        )
        if x - half > reached + 18:
            sheet.label(x, y, text, colour=sheet.colours.faint, align="center")
            reached = x + half


def round_moments(start: int, end: int, most: int) -> list[int]:
    """At most about `most` round UTC moments inside [start, end]."""
    minute = 60_000
    steps = [
        minute * m
        for m in (
            1,
            2,
            5,
            10,
            15,
            30,
            60,
            120,
            180,
            240,
            360,
            720,
            1440,
            2880,
            10080,
            20160,
            43200,
            86400,
        )
    ]
    span = max(end - start, 1)
    step = next(
        (s for s in steps if span / s <= most), steps[-1] * math.ceil(span / steps[-1] / most)
    )
    return list(range(-(-start // step) * step, end + 1, step))


def moment_label(at: int, span: int) -> str:
    """Clock time within two days, day and month beyond; midnight is told as its day."""
    moment = datetime.fromtimestamp(at / 1000, UTC)
    if span > 8 * 86_400_000 or (moment.hour == 0 and moment.minute == 0):
        return f"{moment.day} {moment:%b}"
    return f"{moment:%H:%M}"


def finite(values: object) -> npt.NDArray[np.float64]:
    """The values as an array; ValueError when one is not a finite number."""
    array = np.asarray(values, dtype=np.float64)
    if not np.isfinite(array).all():
        raise ValueError("a picture needs finite numbers")
    return array
