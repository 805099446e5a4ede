"""The heat map of a book: what is large is bright, what is not known is grey, and text keeps apart."""

import struct
from io import BytesIO
from itertools import combinations
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from charts import CHARTS, bookmap, render, style
from charts.bookmap import scale, shades
from charts.types import BookMap, BookMark

START = 1_781_500_200_000
NAN = float("nan")


def book(
    *, rows: int = 200, columns: int = 300, price: float = 94_000.0, height: float = 9.4, seed: int = 1,
    **more: Any,
) -> BookMap:  # fmt: skip
    chance = np.random.default_rng(seed)
    values = chance.lognormal(11, 1, (rows, columns)).astype(np.float32)
    mids = price + np.cumsum(chance.normal(0, height / 2, columns))
    given: dict[str, Any] = {
        "title": "BTC asks heavier: 43 % bids of $24.1M within 0.1 %",
        "subtitle": "Binance perp · last 5 m · UTC · observed, walls estimated",
        "start": START, "end": START + columns * 1000, "low": price - rows / 2 * height,
        "height": height, "values": values, "mids": mids, "price": float(mids[-1]),
        "price_step": 0.1,
    }  # fmt: skip
    return BookMap(**(given | more))


def wall(price: float, value: float = 31_600_000.0, **more: Any) -> BookMark:
    given: dict[str, Any] = {"from_ts": START + 30_000, "to_ts": START + 300_000, "standing": True}
    return BookMark(price=price, value=value, **(given | more))


MANY = tuple(wall(93_200.0 + 40 * n, 10.0**n) for n in range(40))
PULLED = (wall(93_700.0, standing=False, pulled=True, to_ts=START + 200_000),)
EXTREMES = {
    "ordinary": book(marks=(wall(94_500.0), wall(93_500.0), *PULLED)),
    "many walls": book(marks=MANY),
    "light": book(theme="light", marks=PULLED),
    "one column": book(columns=1, note="history begins 15:24:59 UTC"),
    "tiny price": book(price=1.23e-5, height=1e-9, price_step=1e-10, unit="USDT"),
    "huge": book(price=123_456_789.0, height=12_345.0, values=np.full((200, 300), 9e17, np.float32)),
    "one row": book(rows=1, height=2000.0),
    "not known at all but here": book(
        values=np.pad(np.ones((200, 1), np.float32), ((0, 0), (59, 0)), constant_values=NAN),
        mids=np.pad([94_000.0], (59, 0), constant_values=NAN), price=94_000.0,
        note="history begins 15:24:59 UTC",
    ),
    "long words": book(title="W" * 300, subtitle="M" * 300, mark="REPLAY 2026-06-14", note="N" * 200),
    "wall at the price": book(price=94_000.0, marks=(wall(94_000.0), wall(94_010.0))),
    "walls out of sight": book(marks=(wall(50_000.0), wall(94_000.0, to_ts=START - 1))),
}  # fmt: skip


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    """The figures that were drawn."""
    figures: list[Figure] = []
    original = style.Sheet.png

    def png(self: style.Sheet) -> bytes:
        figures.append(self.figure)
        return original(self)

    monkeypatch.setattr(style.Sheet, "png", png)
    return figures


def pixels(png: bytes) -> "np.ndarray[Any, Any]":
    return np.asarray(Image.open(BytesIO(png)).convert("RGB")).astype(int)


@pytest.mark.parametrize("name", EXTREMES)
def test_text_lies_inside_the_picture_and_apart(name: str, seen: list[Figure]) -> None:
    png = render("bookmap", EXTREMES[name])
    assert struct.unpack(">II", png[16:24]) == (1280, 1024)
    boxes = [(t.get_text(), t.get_window_extent()) for t in seen[0].texts if t.get_text().strip()]
    for text, box in boxes:
        assert box.x0 >= -1, text
        assert box.x1 <= 1281, text
        assert box.y0 >= -1, text
        assert box.y1 <= 1025, text
    for (a, one), (b, other) in combinations(boxes, 2):
        across = min(one.x1, other.x1) - max(one.x0, other.x0)
        along = min(one.y1, other.y1) - max(one.y0, other.y0)
        assert across <= 2 or along <= 8, (a, b)


def test_the_scale_is_told_with_its_unit_and_what_a_row_is(seen: list[Figure]) -> None:
    render("bookmap", EXTREMES["ordinary"])
    words = [t.get_text() for t in seen[0].texts]
    assert any("a row of 9.4" in word for word in words)
    assert {"— wall", "X pulled?", "grey: unknown", "now"} <= set(words)
    assert any(word.endswith("31.6M") for word in words)


def test_large_is_bright_empty_is_the_ground_and_unknown_is_neither() -> None:
    values = np.full((100, 100), 1_000.0, np.float32)
    values[80:90, :] = 1e7
    values[10:20, :] = 0.0
    values[40:50, :50] = NAN
    data = book(
        rows=100,
        columns=100,
        price=100.0,
        height=1.0,
        values=values,
        mids=np.full(100, 99.5),
        low=0.0,
    )
    picture = pixels(render("bookmap", data))
    bottom, tall = (
        style.BOTTOM + bookmap.FOOT,
        style.HEIGHT - style.TOP - style.BOTTOM - bookmap.FOOT,
    )

    def colour(row: float, x: int) -> list[int]:
        y = style.HEIGHT - int(bottom + row / 100 * tall)
        return picture[y, x].tolist()  # type: ignore[no-any-return]

    assert sum(colour(85, 200)) > 600
    assert colour(15, 200) == [0x0E, 0x11, 0x17]
    assert colour(45, 200) == [0x1F, 0x26, 0x30]
    assert colour(45, 700) != colour(45, 200)
    assert 0 < sum(colour(30, 200)) < 300


def test_shades_rise_with_size_and_keep_what_is_not_known() -> None:
    bounds = scale(np.array([1e3, 1e4, 1e5, 1e6]))
    found = shades(np.array([NAN, 0.0, 1e3, 1e5, 1e6]), bounds)
    assert np.isnan(found[0])
    assert found[1] == 0
    assert 0 < found[2] < found[3] < found[4] == 1
    low, high = scale(np.array([5.0]))
    assert (low, high) == (0.5, 5.0)


def test_bids_are_hollow_and_asks_filled() -> None:
    values = np.zeros((100, 60), np.float32)
    values[30, :] = values[70, :] = 1e6
    data = book(
        rows=100, columns=60, price=50.0, height=1.0, low=0.0, values=values, mids=np.full(60, 50.0)
    )
    picture = pixels(render("bookmap", data))
    left = style.WIDTH - style.RIGHT - bookmap.PROFILE
    profile = picture[:, left : left + bookmap.PROFILE]
    up = (np.abs(profile - (0x2E, 0xBD, 0x85)).sum(axis=2) < 12).sum()
    down = (np.abs(profile - (0xF6, 0x46, 0x5D)).sum(axis=2) < 12).sum()
    assert up > 100
    assert down > 2 * up


def test_a_pulled_wall_has_a_cross_at_its_end() -> None:
    marked, plain = (pixels(render("bookmap", book(marks=marks))) for marks in (PULLED, ()))
    warm = np.abs(marked - (0xF5, 0xB0, 0x41)).sum(axis=2) < 20
    before = np.abs(plain - (0xF5, 0xB0, 0x41)).sum(axis=2) < 20
    new = warm & ~before
    xs = np.flatnonzero(new[142 : 1024 - 130].any(axis=0))
    width = style.WIDTH - style.LEFT - style.RIGHT - bookmap.PROFILE - bookmap.BETWEEN
    end = style.LEFT + width * 200 / 300
    assert abs(xs.max() - end) < 16


def test_the_same_data_give_the_same_picture() -> None:
    assert render("bookmap", EXTREMES["ordinary"]) == render("bookmap", EXTREMES["ordinary"])


def test_nothing_to_draw_is_an_error() -> None:
    assert "bookmap" in CHARTS
    with pytest.raises(ValueError, match="empty"):
        render("bookmap", book(values=np.zeros((20, 20), np.float32)))
    with pytest.raises(ValueError, match="empty"):
        render("bookmap", book(values=np.full((20, 20), NAN, np.float32)))
    with pytest.raises(ValueError, match="finite"):
        render("bookmap", book(price=NAN))
