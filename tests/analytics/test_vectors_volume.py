"""Volume against its average, and the smart detector's own figures on the labelled sets."""

import csv
from typing import Any

import pytest
from vector_files import FOLDER, cases, close, name

from analytics.volume import (
    SpikeBaseline,
    on_pace,
    percent_of_average,
    same_slot_z,
    slot_z,
    spike_level,
)  # fmt: skip
from market.types import Candle, Kind, Reading, Status

STEP = 900_000
CASES = cases("volume_spike")
FROM = 1920  # day 20


def bar(i: int, volume: float, *, closed: bool = True) -> Candle:
    return Candle(ts=i * STEP, open=1, high=1, low=1, close=1, volume=volume, closed=closed)


@pytest.mark.parametrize("case", [c for c in CASES if "closed_volumes" in c["inputs"]], ids=name)
def test_percent_of_average(case: dict[str, Any]) -> None:
    inputs, expected = case["inputs"], case["expected"]
    candles = [bar(i, volume) for i, volume in enumerate(inputs["closed_volumes"])]
    elapsed, start = inputs["elapsed_fraction"], len(candles) * STEP
    candles.append(bar(len(candles), inputs["current"], closed=elapsed == 1))
    found: Reading[float]
    if elapsed == 1:
        found = percent_of_average(candles, "15m", start + STEP, inputs["lookback"])
    else:
        now = start + round(elapsed * STEP)
        found = on_pace(candles, "15m", now, inputs["lookback"], inputs["min_elapsed"])
        assert found.kind is Kind.ESTIMATED
    assert found.value is not None
    assert close(found.value * 100, expected["percent_of_average"], case["tol"])
    level = spike_level(found.value)
    assert (None if level is None else level * 100) == expected["level"]


@pytest.mark.parametrize("case", [c for c in CASES if "robust_z" in c["expected"]], ids=name)
def test_z_by_time_of_day(case: dict[str, Any]) -> None:
    found = slot_z(case["inputs"]["current"], case["inputs"]["same_time_of_day_volumes"])
    assert close(found.value, case["expected"]["robust_z"], case["tol"])
    assert found.value is not None
    assert (found.value > 4) is case["expected"]["is_spike"]


def labelled(letter: str) -> tuple[list[Candle], list[float]]:
    """Candles, and for each the multiplier of the event in it, 0 without one."""
    rows = list(csv.DictReader((FOLDER / f"vol_{letter}.csv").read_text().splitlines()))
    candles = [
        Candle(ts=int(r["ts_ms"]), open=1, high=1, low=1, close=1, volume=float(r["volume"]))
        for r in rows
    ]
    return candles, [float(r["multiplier"]) if r["label"] == "1" else 0.0 for r in rows]


@pytest.fixture(scope="module")
def scored() -> dict[str, tuple[list[bool], list[float]]]:
    found = {}
    for letter in "ab":
        candles, events = labelled(letter)
        fired = [spike.fires() for spike in SpikeBaseline().update_all(candles)]
        found[letter] = (fired[FROM:], events[FROM:])
    return found


Scored = dict[str, tuple[list[bool], list[float]]]


def test_fewer_than_one_alert_in_twenty_is_false(scored: Scored) -> None:
    alerts = sum(sum(fired) for fired, _events in scored.values())
    false = sum(
        f and not e for fired, events in scored.values() for f, e in zip(fired, events, strict=True)
    )
    assert alerts > 200
    assert false / alerts < 0.05


@pytest.mark.parametrize(
    ("letter", "false_share", "from_6", "from_9"),
    [("a", 0.008, 0.98, 1.0), ("b", 0.023, 0.70, 0.84)],
)
def test_the_detector_is_as_good_as_its_table_says(
    scored: Scored, letter: str, false_share: float, from_6: float, from_9: float
) -> None:
    fired, events = scored[letter]
    false = sum(f and not e for f, e in zip(fired, events, strict=True)) / sum(fired)
    assert false == pytest.approx(false_share, abs=0.005)
    assert _recall(fired, events, 6) == pytest.approx(from_6, abs=0.01)
    assert _recall(fired, events, 9) == pytest.approx(from_9, abs=0.01)


def test_large_events_of_both_sets_are_found(scored: Scored) -> None:
    fired = [each for row, _events in scored.values() for each in row]
    events = [each for _fired, row in scored.values() for each in row]
    assert _recall(fired, events, 6) >= 0.80
    assert _recall(fired, events, 9) >= 0.90


def _recall(fired: list[bool], events: list[float], least: float) -> float:
    hits = [f for f, event in zip(fired, events, strict=True) if event >= least]
    return sum(hits) / len(hits)


def test_what_comes_later_changes_nothing() -> None:
    candles, _events = labelled("a")
    part = SpikeBaseline().update_all(candles[:2500])
    wild = [
        Candle(ts=c.ts, open=1, high=1, low=1, close=1, volume=c.volume * 50)
        for c in candles[2500:2600]
    ]
    assert SpikeBaseline().update_all([*candles[:2500], *wild])[:2500] == part
    assert any(spike.fires() for spike in part)


def test_short_history_is_a_reason_not_a_number() -> None:
    candles = [bar(i, 10.0) for i in range(40)]
    found = percent_of_average(candles, "15m", 40 * STEP)
    assert found.value is None
    assert found.status is Status.INSUFFICIENT
    assert found.reason == "needs 97 closed candles, has 40"


def test_an_average_of_nothing_is_undefined() -> None:
    candles = [bar(i, 0.0) for i in range(96)] + [bar(96, 5.0)]
    found = percent_of_average(candles, "15m", 97 * STEP)
    assert (found.value, found.status) == (None, Status.UNDEFINED)


def test_the_running_candle_is_in_no_average_and_is_not_judged_as_closed() -> None:
    candles = [bar(i, 10.0) for i in range(97)] + [bar(97, 9999.0)]
    found = percent_of_average(candles, "15m", 97 * STEP + 60_000)
    assert found.value == 1.0
    assert found.as_of == 97 * STEP


def test_a_pace_is_not_guessed_from_the_first_minutes() -> None:
    candles = [bar(i, 10.0) for i in range(97)]
    found = on_pace(candles, "15m", 96 * STEP + STEP // 6)
    assert found.value is None
    assert found.status is Status.INSUFFICIENT


def test_old_candles_are_stale() -> None:
    candles = [bar(i, 10.0) for i in range(120)]
    found = percent_of_average(candles, "15m", 124 * STEP)
    assert (found.value, found.status) == (None, Status.STALE)


def test_the_time_of_day_is_compared_where_it_can_be() -> None:
    volumes = [10.0 + (i % 96) + (i * 7 % 13) for i in range(14 * 96 + 1)]
    candles = [bar(i, volume) for i, volume in enumerate([*volumes, 5000.0])]
    found = same_slot_z(candles, "15m", len(candles) * STEP)
    assert found.value is not None
    assert found.value > 10
    assert found.n == 42
    elsewhere = same_slot_z(candles, "4h", len(candles) * STEP)
    assert elsewhere.value is None
    assert "5m, 15m, 1h" in elsewhere.reason


def test_exactly_the_level_is_not_above_it() -> None:
    assert spike_level(2.0) is None
    assert spike_level(2.000001) == 2.0
    assert spike_level(17.0) == 5.0
