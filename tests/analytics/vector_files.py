"""Reads tests/vectors and compares by its rules: |got - expected| <= max(abs, rel * |expected|)."""

import json
from pathlib import Path
from typing import Any

from market.types import Candle

FOLDER = Path(__file__).parents[1] / "vectors"


def cases(topic: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((FOLDER / f"{topic}.json").read_text())
    return found


def name(case: dict[str, Any]) -> str:
    return f"{case['id']}-{case['case']}"


def close(got: float | None, expected: float | None, tol: dict[str, float]) -> bool:
    if got is None or expected is None:
        return got is expected
    return abs(got - expected) <= max(tol["abs"], tol["rel"] * abs(expected))


def same(got: list[float | None], expected: list[float | None], tol: dict[str, float]) -> bool:
    return len(got) == len(expected) and all(
        close(a, b, tol) for a, b in zip(got, expected, strict=True)
    )


def series(key: str) -> list[Candle]:
    columns = json.loads((FOLDER / "series.json").read_text())[key]
    names = ("ts", "open", "high", "low", "close", "volume")
    rows = zip(*(columns[each] for each in names), strict=True)
    return [Candle(**dict(zip(names, row, strict=True))) for row in rows]


def flat_candles(closes: list[float], step: int = 900_000) -> list[Candle]:
    return [
        Candle(ts=i * step, open=c, high=c, low=c, close=c, volume=1.0)
        for i, c in enumerate(closes)
    ]
