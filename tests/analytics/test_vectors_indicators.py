"""Indicators against TA-Lib's numbers, and against histories that are too short."""

from typing import Any

import pytest
from vector_files import cases, close, flat_candles, name, same, series

from analytics import indicators, vwap
from analytics.oscillators import ichimoku, stochastic
from analytics.running import Rsi
from market.types import Candle, Status

Columns = dict[str, list[float | None]]
CASES = cases("indicators")


def computed(indicator: str, candles: list[Candle], params: dict[str, Any]) -> Columns:
    if indicator in ("rsi", "atr"):
        return {"": getattr(indicators, indicator)(candles, params["n"])}
    if indicator == "bbands":
        low, mid, high = indicators.bollinger(candles, params["n"], params["k"])
        return {"lower": low, "mid": mid, "upper": high}
    if indicator == "macd":
        line, signal, hist = indicators.macd(candles, **params)
        return {"macd": line, "signal": signal, "hist": hist}
    if indicator == "stoch_fast":
        found = stochastic(candles, params["k"], params["d"])
        return {"k": found.fast_k, "d": found.fast_d}
    if indicator == "stoch_slow":
        found = stochastic(candles, params["k"], params["smooth"], params["d"])
        return {"k": found.slow_k, "d": found.slow_d}
    if indicator == "ichimoku_unshifted":
        lines = ichimoku(candles, params["tenkan"], params["kijun"], params["senkou_b"])
        return {
            "tenkan": lines.tenkan,
            "kijun": lines.kijun,
            "senkou_a": lines.a,
            "senkou_b": lines.b,
        }
    if indicator == "vwap_session_utc":
        return {"": vwap.session(candles)}
    if indicator == "vwap_anchored":
        return {"": vwap.anchored(candles, candles[params["anchor_index"]].ts)}
    assert indicator == "vwap_rolling"
    return {"": vwap.rolling(candles, params["n"])}


@pytest.mark.parametrize("case", [c for c in CASES if "series" in c["inputs"]], ids=name)
def test_the_last_fifty_values_are_those_of_the_vectors(case: dict[str, Any]) -> None:
    inputs, expected = case["inputs"], case["expected"]
    found = computed(inputs["indicator"], series(inputs["series"]), inputs["params"])
    last = expected["last50"] if isinstance(expected["last50"], dict) else {"": expected["last50"]}
    assert found.keys() == last.keys()
    for column, values in last.items():
        assert same(found[column][-50:], values, case["tol"]), column


@pytest.mark.parametrize("case", [c for c in CASES if "series" in c["inputs"]], ids=name)
def test_no_value_stands_before_its_first_bar(case: dict[str, Any]) -> None:
    inputs = case["inputs"]
    found = computed(inputs["indicator"], series(inputs["series"]), inputs["params"])
    for values in found.values():
        assert all(value is None for value in values[: case["expected"]["null_before_index"]])


FIRST_BARS = {"rsi": 14, "atr": 13, "macd": 25, "signal": 33, "bbands": 19, "stoch_fast_k": 13}
FIRST_BARS |= {"fast_d": 15, "slow_d": 17, "tenkan": 8, "kijun": 25, "a": 25, "b": 51}


def test_every_line_begins_at_the_bar_the_definition_gives_it() -> None:
    candles = series("randomwalk")[:120]
    line, signal, _hist = indicators.macd(candles)
    slow, lines = stochastic(candles), ichimoku(candles)
    found = {
        "rsi": indicators.rsi(candles),
        "atr": indicators.atr(candles),
        "macd": line,
        "signal": signal,
        "bbands": indicators.bollinger(candles)[1],
        "stoch_fast_k": slow.fast_k,
        "fast_d": slow.fast_d,
        "slow_d": slow.slow_d,
        "tenkan": lines.tenkan,
        "kijun": lines.kijun,
        "a": lines.a,
        "b": lines.b,
    }
    first = {
        key: next(i for i, v in enumerate(values) if v is not None) for key, values in found.items()
    }
    assert first == FIRST_BARS


@pytest.mark.parametrize("case", [c for c in CASES if "close" in c["inputs"]], ids=name)
def test_short_flat_and_one_way_histories(case: dict[str, Any]) -> None:
    inputs, expected = case["inputs"], case["expected"]
    candles = flat_candles(inputs["close"])
    found = computed(
        inputs["indicator"], candles, inputs.get("params") or DEFAULTS[inputs["indicator"]]
    )
    last = [values[-1] for values in found.values()]
    if expected["last"] is None and inputs["indicator"] == "macd":
        last = last[1:]  # the line itself is there from bar 25 on, its signal is not
    assert all(close(value, expected["last"], case["tol"]) for value in last)
    if expected.get("flat"):
        live = Rsi()
        for each in inputs["close"]:
            live.update(each)
        assert live.flat


DEFAULTS: dict[str, dict[str, Any]] = {"macd": {}, "bbands": {"n": 20, "k": 2}, "rsi": {"n": 14}}


@pytest.mark.parametrize(
    "case", [c for c in CASES if c["expected"].get("last", 0) is None], ids=name
)
def test_a_null_of_the_vectors_is_a_reading_without_value(case: dict[str, Any]) -> None:
    candles = flat_candles(case["inputs"]["close"])
    found = indicators.summary(candles, "15m", candles[-1].ts + 900_000)
    for key in {"macd": ("macd", "macd_signal", "macd_hist"), "bbands": ("bb_low", "bb_high")}[
        case["inputs"]["indicator"]
    ]:
        assert found[key].value is None
        assert found[key].status is Status.INSUFFICIENT
        assert found[key].reason
