"""The live spike watch: as good as its table on the labelled sets, and never wiser than it was at the time."""

import csv
import gzip
import math
import os
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from vector_files import FOLDER, cases, close, name

from analytics.spike import NOISY_Z, Spike, SpikeWatch
from analytics.spike_baseline import Row
from analytics.volume import SMART_Z, SpikeBaseline, on_pace
from market.types import Candle, Kind, Status

ROOT = Path(__file__).parents[2]
DATA = Path(os.environ.get("TIDEMARK_DATA", ROOT.parent / "shared/data")) / "klines"
STEP = 900_000
FROM = 1920  # day 20


def bar(i: int, volume: float, step: int = STEP, *, closed: bool = True) -> Candle:
    return Candle(ts=i * step, open=1, high=1, low=1, close=1, volume=volume, closed=closed)


@cache
def labelled(letter: str) -> tuple[list[Candle], list[float]]:
    rows = list(csv.DictReader((FOLDER / f"vol_{letter}.csv").read_text().splitlines()))
    candles = [
        Candle(ts=int(r["ts_ms"]), open=1, high=1, low=1, close=1, volume=float(r["volume"]))
        for r in rows
    ]
    return candles, [float(r["multiplier"]) if r["label"] == "1" else 0.0 for r in rows]


@cache
def watched(letter: str) -> tuple[SpikeWatch, list[Spike]]:
    """Every candle through `close`, as live does it."""
    watch = SpikeWatch("15m")
    found = [watch.close(candle) for candle in labelled(letter)[0]]
    return watch, [each for each in found if each is not None]


def test_few_alerts_are_false_and_large_events_are_found() -> None:
    fired: list[bool] = []
    events: list[float] = []
    for letter in "ab":
        spikes = watched(letter)[1]
        assert len(spikes) == len(labelled(letter)[0])
        fired += [spike.fired for spike in spikes[FROM:]]
        events += labelled(letter)[1][FROM:]
    false = sum(f and not e for f, e in zip(fired, events, strict=True))
    assert sum(fired) > 200
    assert false / sum(fired) < 0.05
    for least, recall in ((6, 0.80), (9, 0.90)):
        hits = [f for f, event in zip(fired, events, strict=True) if event >= least]
        assert sum(hits) / len(hits) >= recall


@pytest.mark.parametrize("letter", ["a", "b"])
def test_it_is_the_smart_detector(letter: str) -> None:
    part = labelled(letter)[0][:3200]
    for live, batch in zip(watched(letter)[1], SpikeBaseline().update_all(part), strict=False):
        assert (live.ratio, live.noisy) == (batch.ratio, batch.noisy)
        if batch.z is not None:
            assert live.z == batch.z
            if not batch.noisy:
                assert live.fired == batch.fires()


def test_what_comes_later_changes_nothing() -> None:
    candles = labelled("a")[0]
    watch, spikes = SpikeWatch("15m"), watched("a")[1]
    wild = [bar(c.ts // STEP, c.volume * 50) for c in candles[2500:2510]]
    for candle in [*candles[:2500], *wild]:
        now = candle.ts + STEP // 2
        watch.running(candle.volume * 40, now)  # a look inside the candle leaves no trace
        watch.state(now)
        watch.readings(now)
        found = watch.close(candle)
        if candle.ts < candles[2500].ts:
            assert found == spikes[candle.ts // STEP - candles[0].ts // STEP]


@pytest.mark.parametrize("place", [1500, 2000, 2600])
def test_the_pace_is_judged_as_the_closed_candle_would_be(place: int) -> None:
    candles = labelled("b")[0]
    watch = SpikeWatch("15m")
    watch.load(candles[:place], candles[place].ts)
    volume = candles[place].volume * 7
    open_ts = candles[place].ts
    found = watch.running(volume / 2, open_ts + STEP // 2)
    assert found is not None
    assert found.kind == "pace"
    limit = watch.limit()
    pace = watch.readings(open_ts + STEP // 2)["volume_pace_15m"]
    closed = watch.close(bar(open_ts // STEP, volume))
    assert closed is not None
    assert found.ratio == pytest.approx(closed.ratio)
    assert found.z == pytest.approx(closed.z)
    assert (found.fired, found.severity) == (closed.fired, closed.severity)
    assert pace.value == found.ratio
    assert pace.kind is Kind.ESTIMATED
    assert pace.note == "on pace"
    assert limit is not None
    for factor, fires in ((1.0001, True), (0.9999, False)):
        again = SpikeWatch("15m")
        again.load(candles[:place], open_ts)
        judged = again.close(bar(open_ts // STEP, limit * factor))
        assert judged is not None
        assert judged.fired is fires


def test_the_pace_equals_the_batch_pace() -> None:
    candles = labelled("a")[0][:300]
    watch = SpikeWatch("15m")
    watch.load(candles[:299], candles[299].ts)
    now = candles[299].ts + STEP // 3
    watch.running(123.0, now)
    batch = on_pace([*candles[:299], bar(candles[299].ts // STEP, 123.0)], "15m", now)
    assert batch.value is not None
    assert watch.readings(now)["volume_pace_15m"].value == pytest.approx(batch.value)


@pytest.mark.parametrize(
    "case",
    [
        c
        for c in cases("volume_spike")
        if "closed_volumes" in c["inputs"] and c["inputs"]["lookback"] == 96
    ],
    ids=name,
)
def test_vectors(case: dict[str, object]) -> None:
    inputs, expected, tol = case["inputs"], case["expected"], case["tol"]
    watch = SpikeWatch("15m")
    volumes = inputs["closed_volumes"]  # type: ignore[index]
    watch.load([bar(i, v) for i, v in enumerate(volumes)], len(volumes) * STEP)
    elapsed, current = inputs["elapsed_fraction"], inputs["current"]  # type: ignore[index]
    if elapsed == 1:
        found = watch.close(bar(len(volumes), current))
    else:
        found = watch.running(current, len(volumes) * STEP + round(elapsed * STEP))
    assert found is not None
    assert close(found.percent, expected["percent_of_average"], tol)  # type: ignore[index, arg-type]


def test_nothing_is_said_before_a_fifth_of_the_candle_nor_without_the_candle_before() -> None:
    watch = SpikeWatch("15m")
    watch.load([bar(i, 10.0) for i in range(100)], 100 * STEP)
    open_ts = 100 * STEP
    assert watch.running(500.0, open_ts + STEP // 6) is None
    early = watch.readings(open_ts + STEP // 6)["volume_pace_15m"]
    assert (early.value, early.status) == (None, Status.INSUFFICIENT)
    assert watch.running(500.0, open_ts + STEP // 5) is not None
    old = watch.readings(open_ts + STEP // 5 + 31_000)["volume_pace_15m"]
    assert (old.value, old.status) == (None, Status.STALE)
    assert watch.running(500.0, open_ts + STEP + STEP // 2) is None  # candle 100 never came
    late = watch.readings(open_ts + STEP + STEP // 2)["volume_pace_15m"]
    assert late.reason == "the candle before has not arrived"


def test_the_volume_of_an_older_candle_is_not_that_of_the_running_one() -> None:
    watch = SpikeWatch("15m")
    watch.load([bar(i, 10.0) for i in range(100)], 100 * STEP)
    watch.running(500.0, 101 * STEP - 1)
    watch.close(bar(100, 500.0))
    assert watch.pace(101 * STEP + STEP // 2) is None


def test_old_history_is_stale_and_short_history_a_reason() -> None:
    watch = SpikeWatch("15m")
    assert watch.state(0) is None
    empty = watch.readings(STEP)["volume_ratio_15m"]
    assert (empty.value, empty.reason) == (None, "needs 97 closed candles, has 0")
    watch.load([bar(i, 10.0) for i in range(96)], 96 * STEP)
    assert watch.readings(96 * STEP)["volume_ratio_15m"].status is Status.INSUFFICIENT
    assert watch.readings(96 * STEP)["volume_z_15m"].status is Status.INSUFFICIENT
    watch.close(bar(96, 30.0))
    known = watch.readings(97 * STEP)["volume_ratio_15m"]
    assert (known.value, known.as_of, known.n) == (3.0, 97 * STEP, 96)
    assert watch.state(97 * STEP) is not None
    assert watch.readings(101 * STEP)["volume_ratio_15m"].status is Status.STALE
    assert watch.state(101 * STEP) is None


def test_an_average_of_nothing_is_undefined_and_no_volume_is_no_spike() -> None:
    watch = SpikeWatch("4h")
    step = 4 * 3_600_000
    watch.load([bar(i, 0.0, step) for i in range(97)], 97 * step)
    assert watch.readings(97 * step)["volume_ratio_4h"].status is Status.UNDEFINED
    found = watch.running(50.0, 97 * step + step // 2)
    assert found is not None
    assert (found.ratio, found.fired) == (None, False)


def test_without_a_time_of_day_the_percent_alone_decides() -> None:
    step = 4 * 3_600_000
    watch = SpikeWatch("4h", threshold=2.5)
    watch.load([bar(i, 10.0, step) for i in range(96)], 96 * step)
    assert watch.limit() == 25.0
    found = watch.close(bar(96, 26.0, step))
    assert found is not None
    assert (found.ratio, found.z, found.fired, found.severity) == (2.6, None, True, 2.0)
    again = watch.close(bar(97, 25.0, step))
    assert again is not None
    assert not again.fired
    reading = watch.readings(98 * step)["volume_z_4h"]
    assert (reading.value, reading.reason) == (
        None,
        "the time of day is compared on 5m, 15m, 1h only",
    )


def test_candles_that_come_again_or_make_no_sense_are_not_learnt() -> None:
    watch = SpikeWatch("15m")
    watch.load([bar(i, 10.0) for i in range(97)], 97 * STEP)
    before = watch.readings(97 * STEP)
    for bad in (
        bar(96, 999.0), bar(50, 1.0), bar(97, math.nan), bar(97, -1.0), bar(97, math.inf),
        bar(97, 5.0, closed=False),
        Candle(ts=97 * STEP + 1, open=1, high=1, low=1, close=1, volume=5.0),
    ):  # fmt: skip
        assert watch.close(bad) is None
    assert watch.refused == 7
    assert watch.readings(97 * STEP) == before
    assert watch.load([bar(97, 5.0)], 98 * STEP - 1) == 0  # not closed yet
    for volume in (math.nan, math.inf, -1.0):
        assert watch.running(volume, 97 * STEP + STEP // 2) is None


def test_a_noisy_symbol_has_to_show_more() -> None:
    rng = np.random.default_rng(5)
    volumes = np.exp(rng.normal(5.0, 0.75, 40 * 96))
    watch = SpikeWatch("15m")
    spikes = [watch.close(bar(i, float(v))) for i, v in enumerate(volumes)]
    assert all(spike is not None and spike.noisy for spike in spikes[-500:])
    assert watch.readings(len(volumes) * STEP)["volume_z_15m"].note == "noisy volume"
    usual, body = watch.usual(), watch.dump()
    assert usual.centre is not None
    assert usual.scale is not None
    assert SMART_Z < 4.5 < NOISY_Z
    for deviations, fires in ((4.5, False), (5.01, True)):
        again = SpikeWatch("15m")
        again.restore(body)
        found = again.close(bar(len(volumes), math.exp(usual.centre + deviations * usual.scale)))
        assert found is not None
        assert found.z == pytest.approx(deviations)
        assert found.ratio is not None
        assert found.ratio > 2
        assert found.fired is fires


def test_a_short_history_has_the_simple_z_in_the_load_as_in_live() -> None:
    candles = labelled("a")[0]
    spikes = watched("a")[1]
    assert all(spike.z is None for spike in spikes[: 14 * 96])
    assert all(spike.z is not None for spike in spikes[14 * 96 : 14 * 96 + 200])
    loaded = SpikeWatch("15m")
    loaded.load(candles[: 15 * 96], candles[15 * 96].ts)
    assert loaded.state(candles[15 * 96].ts) == spikes[15 * 96 - 1]


@pytest.mark.parametrize("count", [50, 1400, 2600])
@pytest.mark.parametrize("timeframe", ["15m", "4h"])
def test_a_restored_watch_goes_on_as_if_nothing_had_been(count: int, timeframe: str) -> None:
    step = STEP if timeframe == "15m" else 4 * 3_600_000
    rng = np.random.default_rng(count)
    volumes = rng.lognormal(3, 0.4, count + 60).tolist()
    one = SpikeWatch(timeframe)
    one.load([bar(i, v, step) for i, v in enumerate(volumes[:count])], count * step)
    one.running(40.0, count * step + step // 2)
    two = SpikeWatch(timeframe)
    two.restore(one.dump())
    now = count * step + step // 2
    assert two.readings(now) == one.readings(now)
    assert two.state(now) == one.state(now)
    for i in range(count, count + 60):
        assert two.close(bar(i, volumes[i], step)) == one.close(bar(i, volumes[i], step))
    with pytest.raises(ValueError, match="timeframe"):
        SpikeWatch("1h").restore(one.dump())


def test_a_hole_is_candles_without_trades_and_a_day_of_it_a_new_beginning() -> None:
    candles = labelled("a")[0][:2400]
    holed = [c for i, c in enumerate(candles) if not 2300 <= i < 2303]
    live, batch = SpikeWatch("15m"), SpikeBaseline()
    for candle in holed:
        found, expected = live.close(candle), batch.update(candle)
        assert found is not None
        assert found.ratio == expected.ratio
        if expected.z is not None:
            assert found.z == expected.z
    far = bar(candles[-1].ts // STEP + 200, 50.0)
    found = live.close(far)
    assert found is not None
    assert (found.ratio, found.z) == (None, None)


def test_recent_volume_is_compared_with_its_time_of_day() -> None:
    day = [1.0] * 48 + [3.0] * 48
    watch = SpikeWatch("15m")
    watch.load([bar(i, day[i % 96]) for i in range(14 * 96)], 14 * 96 * STEP)
    now = 14 * 96 * STEP + 60_000
    found = watch.recent(1.0, 180_000, now)  # usual now: 1 in 15 minutes, 0.2 in three
    assert found.value == pytest.approx(5.0)
    short = SpikeWatch("15m")
    short.load([bar(i, 2.0) for i in range(96)], 96 * STEP)
    plain = short.recent(1.0, 180_000, 96 * STEP)
    assert plain.value == pytest.approx(2.5)
    assert plain.note == "not adjusted to the time of day"
    assert short.recent(math.nan, 180_000, 96 * STEP).value is None
    assert SpikeWatch("15m").recent(1.0, 180_000, 0).value is None


@given(st.lists(st.floats(-1e9, 1e9), max_size=60), st.integers(1, 20))
@settings(max_examples=60, deadline=None)
def test_a_row_is_a_deque(values: list[float], length: int) -> None:
    row = Row(length)
    for value in values[: len(values) // 2]:
        row.append(value)
    row.extend(values[len(values) // 2 :])
    assert list(row) == values[-length:]
    assert np.array(row).tolist() == values[-length:]


@pytest.mark.data
@pytest.mark.skipif(not DATA.is_dir(), reason="TIDEMARK_DATA is not here")
def test_on_a_real_market_it_fires_less_than_once_a_day() -> None:
    path = DATA / "binance_spot_15m_btc_eth_sol_2025_07_19_10_05.csv.gz"
    with gzip.open(path, "rt") as file:
        rows = [row for row in csv.DictReader(file) if row["symbol"].startswith("ETH")][:4500]
    watch = SpikeWatch("15m")
    spikes = [watch.close(bar(int(r["ts_ms"]) // STEP, float(r["volume_coin"]))) for r in rows]
    fired = sum(spike.fired for spike in spikes[FROM:] if spike is not None)
    days = (len(rows) - FROM) / 96
    assert 0.1 < fired / days < 1.0
