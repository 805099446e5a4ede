"""Every picture has its size, shows what it was given, and keeps its text apart at extreme inputs."""

import struct
from io import BytesIO
from itertools import combinations

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from charts import CHARTS, candles, lines, liqmap, style, warm
from charts.types import CandleChart, Line, LineChart, LiquidationChart, Pane
from market.types import Candle

START = 1_781_500_200_000


def walk(
    n: int, price: float, *, step: int = 300_000, move: float = 0.002, volume: float = 1000.0
) -> tuple[Candle, ...]:
    rng = np.random.default_rng(n)
    out: list[Candle] = []
    for i in range(n):
        close = price * (1 + rng.normal(0, move))
        high, low = max(price, close) * (1 + move / 2), min(price, close) * (1 - move / 2)
        amount = volume * rng.lognormal()
        out.append(
            Candle(ts=START + i * step, open=price, high=high, low=low, close=close, volume=amount)
        )
        price = close
    return tuple(out)


def chart(bars: tuple[Candle, ...], **more: object) -> CandleChart:
    given = {
        "title": "BTC volume 340 % of average",
        "subtitle": "Binance · 5m · UTC · observed",
        **more,
    }
    return CandleChart(candles=bars, step=300_000, **given)  # type: ignore[arg-type]


def flat(n: int, price: float, volume: float) -> tuple[Candle, ...]:
    return tuple(
        Candle(
            ts=START + i * 300_000, open=price, high=price, low=price, close=price, volume=volume
        )
        for i in range(n)
    )


CVD = Pane(
    name="CVD",
    unit="USD",
    zero=True,
    points=tuple((START + i * 300_000, -1e12 + i * 3e9) for i in range(60)),
)
EXTREMES = {
    "ordinary": chart(walk(96, 94_000.0), price_step=0.1, lower=CVD, levels=((94_100.0, "#412"),)),
    "tiny price, huge volume": chart(walk(300, 1.23e-6, volume=1e12), price_step=1e-10, volume_unit="PEPE"),
    "one candle": chart(walk(1, 3_105.0), price_step=0.01),
    "a thousand candles": chart(walk(1000, 94_000.0), price_step=0.1),
    "flat without volume": chart(flat(50, 5.0, 0.0)),
    "long words": chart(walk(40, 123_456_789.0), title="W" * 300, subtitle="M" * 300, mark="REPLAY 2026-06-14"),
    "a gap in time": chart((*walk(20, 10.0), Candle(ts=START + 10**8, open=9, high=9.5, low=8, close=8.5, volume=1))),
    "light": chart(walk(40, 150.0), theme="light", price_step=0.001),
    "level at the top": chart(walk(40, 100.0), levels=((115.0, "#1"), (115.01, "#2"))),
}  # fmt: skip


def pixels(png: bytes) -> "np.ndarray":
    return np.asarray(Image.open(BytesIO(png)).convert("RGB")).astype(int)


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


@pytest.mark.parametrize("name", EXTREMES)
def test_text_lies_inside_the_picture_and_apart(name: str, seen: list[Figure]) -> None:
    png = candles.render(EXTREMES[name])
    assert struct.unpack(">II", png[16:24]) == (1280, 1024)
    figure = seen[0]
    boxes = [(t.get_text(), t.get_window_extent()) for t in figure.texts if t.get_text().strip()]
    for text, box in boxes:
        assert box.x0 >= -1, text
        assert box.x1 <= 1281, text
        assert box.y0 >= -1, text
        assert box.y1 <= 1025, text
    for (a, one), (b, other) in combinations(boxes, 2):
        if {a, b} == {"#1", "#2"}:
            continue  # two alerts at one price are one line
        across = min(one.x1, other.x1) - max(one.x0, other.x0)
        along = min(one.y1, other.y1) - max(one.y0, other.y0)
        assert across <= 2 or along <= 8, (a, b)


def test_text_reads_at_phone_width() -> None:
    assert style.TEXT >= 32
    assert style.HEADLINE >= 44


def test_up_candles_are_hollow_and_down_candles_filled() -> None:
    up = Candle(ts=START, open=1, high=2, low=1, close=2, volume=1)
    down = Candle(ts=START, open=2, high=2, low=1, close=1, volume=1)
    for bar, colour, filled in ((up, (0x2E, 0xBD, 0x85), False), (down, (0xF6, 0x46, 0x5D), True)):
        picture = pixels(candles.render(chart((bar,))))
        pane = picture[150:700, 28:1000]
        share = (np.abs(pane - colour).sum(axis=2) < 12).mean()
        assert bool(share > 0.3) is filled, share
        assert share > 0.001


def test_levels_are_drawn_where_they_stand() -> None:
    bars = walk(60, 100.0)
    level = max(c.high for c in bars)
    plain, drawn = (pixels(candles.render(chart(bars, levels=at))) for at in ((), ((level, "#7"),)))
    warning = np.abs(drawn - (0xF5, 0xB0, 0x41)).sum(axis=2) < 30
    rows = np.flatnonzero(warning[:, 300:1000].sum(axis=1) > 300)
    assert len(rows) > 0
    assert rows.max() < 300  # near the top of the pane
    assert not (np.abs(plain - (0xF5, 0xB0, 0x41)).sum(axis=2) < 30).any()


def test_the_same_data_give_the_same_picture_whatever_was_drawn_before() -> None:
    first = candles.render(EXTREMES["ordinary"])
    candles.render(EXTREMES["light"])
    assert candles.render(EXTREMES["ordinary"]) == first


def test_nothing_to_draw_is_an_error() -> None:
    with pytest.raises(ValueError, match="no candles"):
        candles.render(chart(()))
    with pytest.raises(ValueError, match="finite"):
        candles.render(chart((Candle(ts=0, open=1, high=float("nan"), low=1, close=1, volume=1),)))
    with pytest.raises(ValueError, match="no lines"):
        lines.render(LineChart(title="", subtitle="", lines=(Line(name="x", points=()),)))
    with pytest.raises(ValueError, match="empty"):
        liqmap.render(liquidations(np.zeros(20), np.zeros(20)))


def liquidations(
    longs: "np.ndarray", shorts: "np.ndarray", price: float = 100.0
) -> LiquidationChart:
    edges = np.linspace(price * 0.9, price * 1.1, len(longs) + 1)
    return LiquidationChart(
        title="BTC liquidation map", subtitle="7 d · estimated", price=price, edges=edges,
        long_size=longs, short_size=shorts, path=((START, price * 0.99), (START + 10**7, price)),
    )  # fmt: skip


@pytest.mark.parametrize("bins", [1, 20, 1000])
@pytest.mark.parametrize("price", [1.23e-6, 94_000.0])
def test_the_map_keeps_every_dollar_and_says_estimated(
    bins: int, price: float, seen: list[Figure]
) -> None:
    rng = np.random.default_rng(bins)
    data = liquidations(rng.random(bins) * 1e9, rng.random(bins) * 1e9, price)
    edges, longs, shorts = liqmap.coarser(data)
    assert len(edges) == len(longs) + 1 <= liqmap.ROWS + 1
    assert longs.sum() == pytest.approx(data.long_size.sum())
    assert shorts.sum() == pytest.approx(data.short_size.sum())
    liqmap.render(data)
    words = {t.get_text() for t in seen[0].texts}
    assert {"estimated", "longs", "shorts"} <= words
    for text in seen[0].texts:
        box = text.get_window_extent()
        assert box.x0 >= -1, text
        assert box.x1 <= 1281, text


def test_line_names_do_not_collide_when_the_lines_do(seen: list[Figure]) -> None:
    many = tuple(
        Line(name=name, points=((START, 10.0), (START + 10**7, 10.0)))
        for name in ("Binance", "Bybit", "OKX", "Hyperliquid")
    )
    lines.render(LineChart(title="BTC funding", subtitle="", lines=many))
    boxes = [
        t.get_window_extent()
        for t in seen[0].texts
        if (t.get_text().split() or [""])[0] in {m.name for m in many}
    ]
    assert len(boxes) == 4
    for one, other in combinations(boxes, 2):
        assert min(one.y1, other.y1) - max(one.y0, other.y0) <= 4


def test_every_chart_has_a_name_and_warming_draws() -> None:
    assert set(CHARTS) >= {"candles", "liqmap", "lines"}
    warm()


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1_240_000_000, "1.24B"),
        (768_500_000, "768M"),
        (12_345, "12.3k"),
        (999_950, "1M"),
        (0, "0"),
        (-48_200_000, "-48.2M"),
    ],
)
def test_axis_numbers_are_compact(value: float, text: str) -> None:
    assert style.compact(value) == text
