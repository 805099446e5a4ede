"""Indicators on candles: whole series for charts, and `summary`, the readings of the newest closed candle.

Series functions take closed candles in order and give one value per candle, None where there is none yet.
The live forms are in `running.py`, Stochastic and Ichimoku in `oscillators.py`, VWAP in `vwap.py`.
"""

from collections.abc import Sequence

from analytics import vwap
from analytics.closed import ClosedCandles, closed_candles
from analytics.oscillators import DISPLACEMENT, ichimoku, stochastic
from analytics.running import Atr, Bollinger, Ema, Macd, Rsi
from market.language import _
from market.types import DAY, TIMEFRAMES, Candle, Reading, Status

Series = list[float | None]

WARM_UP = 250  # closed candles after which differently seeded means agree
CANDLES_NEEDED = 1000  # so that every figure of `summary` has its history


def rsi(candles: Sequence[Candle], n: int = 14) -> Series:
    """Relative strength index, 0 to 100; 50 where nothing moved."""
    live = Rsi(n)
    return [_after(live, candle.close) for candle in candles]


def ema(candles: Sequence[Candle], n: int) -> Series:
    """Exponential mean of the closes."""
    live = Ema(n)
    return [_after(live, candle.close) for candle in candles]


def atr(candles: Sequence[Candle], n: int = 14) -> Series:
    """Average true range in price units."""
    live, values = Atr(n), []
    for candle in candles:
        live.update(candle.high, candle.low, candle.close)
        values.append(live.get())
    return values


def macd(
    candles: Sequence[Candle], fast: int = 12, slow: int = 26, signal: int = 9
) -> tuple[Series, Series, Series]:
    """(macd, signal, histogram) in price units."""
    live, rows = Macd(fast, slow, signal), []
    for candle in candles:
        live.update(candle.close)
        rows.append(live.get())
    return [row[0] for row in rows], [row[1] for row in rows], [row[2] for row in rows]


def bollinger(
    candles: Sequence[Candle], n: int = 20, k: float = 2.0
) -> tuple[Series, Series, Series]:
    """(low, mid, high) in price units."""
    live, rows = Bollinger(n, k), []
    for candle in candles:
        live.update(candle.close)
        rows.append(live.get() or (None, None, None))
    return [row[0] for row in rows], [row[1] for row in rows], [row[2] for row in rows]


def _after(live: Rsi | Ema, close: float) -> float | None:
    live.update(close)
    return live.get()


def summary(candles: Sequence[Candle], timeframe: str, now: int) -> dict[str, Reading[float]]:
    """The readings of /ta at the newest closed candle.

    rsi and stoch_k/stoch_d (slow) run from 0 to 100; bb_width, percent_b and atr_pct are fractions; all else is
    in price units. ichimoku_a and ichimoku_b are the cloud the newest candle stands in, computed 26 candles
    before; the _ahead ones are computed now and drawn 26 candles ahead. Takes milliseconds, but the first
    call imports pandas: run it in a thread. `CANDLES_NEEDED` candles give every figure its history.
    """
    used = closed_candles(candles, timeframe, now)
    return {
        **_strength(used),
        **_trend(used),
        **_bands(used),
        **_oscillators(used),
        "vwap": _session_vwap(used, timeframe),
    }


def _strength(used: ClosedCandles) -> dict[str, Reading[float]]:
    live = Rsi()
    for candle in used.candles:
        live.update(candle.close)
    strength = _reading(used, WARM_UP, live.get(), "points")
    if strength.known and live.flat:
        strength = _reading(used, WARM_UP, live.get(), "points", Status.FLAT)
    ranges = atr(used.candles)
    last, close = (ranges[-1], used.candles[-1].close) if used.candles else (None, 0.0)
    return {
        "rsi": strength,
        "atr": _reading(used, WARM_UP, last, "price"),
        "atr_pct": _reading(used, WARM_UP, last / close if last is not None else None, "fraction"),
    }


def _trend(used: ClosedCandles) -> dict[str, Reading[float]]:
    live = Macd()
    for candle in used.candles:
        live.update(candle.close)
    line, signal, histogram = live.get()
    found = {"macd": line, "macd_signal": signal, "macd_hist": histogram}
    readings = {name: _reading(used, 260, value, "price") for name, value in found.items()}
    for n in (20, 50, 200):  # after 5 n candles the seed weighs less than 0.04 %
        values = ema(used.candles, n)
        readings[f"ema{n}"] = _reading(used, max(WARM_UP, 5 * n), _last(values), "price")
    return readings


def _bands(used: ClosedCandles) -> dict[str, Reading[float]]:
    live = Bollinger()
    for candle in used.candles:
        live.update(candle.close)
    low, mid, high = live.get() or (None, None, None)
    width = share = None
    if low is not None and mid is not None and high is not None:
        width = (high - low) / mid
        if width > 1e-12:
            share = (used.candles[-1].close - low) / (high - low)
    return {
        "bb_low": _reading(used, 20, low, "price"),
        "bb_mid": _reading(used, 20, mid, "price"),
        "bb_high": _reading(used, 20, high, "price"),
        "bb_width": _reading(used, 20, width, "fraction"),
        "percent_b": _reading(used, 20, share, "fraction"),
    }


def _oscillators(used: ClosedCandles) -> dict[str, Reading[float]]:
    part = used.candles[-120:]  # neither looks further back
    slow = stochastic(part)
    lines = ichimoku(part)
    cloud_a, cloud_b = lines.in_force()
    return {
        "stoch_k": _reading(used, 16, _last(slow.slow_k), "points"),
        "stoch_d": _reading(used, 18, _last(slow.slow_d), "points"),
        "ichimoku_tenkan": _reading(used, 9, _last(lines.tenkan), "price"),
        "ichimoku_kijun": _reading(used, 26, _last(lines.kijun), "price"),
        "ichimoku_a": _reading(used, 26 + DISPLACEMENT, _last(cloud_a), "price"),
        "ichimoku_b": _reading(used, 52 + DISPLACEMENT, _last(cloud_b), "price"),
        "ichimoku_a_ahead": _reading(used, 26, _last(lines.a), "price"),
        "ichimoku_b_ahead": _reading(used, 52, _last(lines.b), "price"),
    }


def _session_vwap(used: ClosedCandles, timeframe: str) -> Reading[float]:
    if TIMEFRAMES[timeframe] >= DAY:
        return Reading.missing(
            _("a session VWAP needs candles shorter than a day"), as_of=used.as_of
        )
    start = used.candles[-1].ts // DAY * DAY if used.candles else 0
    part = [each for each in used.candles if each.ts >= start]
    if used.candles and part[0].ts != start:
        return Reading.missing(
            _("the candles do not reach back to 00:00 UTC"), Status.INSUFFICIENT, as_of=used.as_of
        )
    value = _last(vwap.session(part))
    if part and value is None:
        return Reading.missing(
            _("nothing traded since 00:00 UTC"), Status.UNDEFINED, as_of=used.as_of
        )
    return _reading(used, 1, value, "price", since=start)


def _last(values: Series) -> float | None:
    return values[-1] if values else None


def _reading(
    used: ClosedCandles,
    needed: int,
    value: float | None,
    unit: str,
    status: Status = Status.OK,
    since: int | None = None,
) -> Reading[float]:
    refusal = used.refusal(needed)
    if refusal is not None:
        return refusal
    if value is None:
        return Reading.missing(_("the price did not move"), Status.UNDEFINED, as_of=used.as_of)
    return Reading(
        value=value,
        status=status,
        as_of=used.as_of,
        since=since,
        n=len(used.candles),
        unit=unit,
        note=used.note,
    )
