"""Open interest and funding of one perpetual."""

from collections.abc import Sequence

import numpy as np

from exchanges.local.simulator.coins import funding_hours
from exchanges.local.simulator.noise import Ints
from exchanges.local.simulator.view import View
from market.types import HOUR, MINUTE, FundingRate, OpenInterest

_AVERAGED = 20  # minutes of premium behind a rate
_INTEREST = 0.0001  # per 8 hours
_CLAMP = 0.0005
_CAP = 0.02  # per 8 hours


def open_interest(view: View, times: Sequence[int]) -> list[OpenInterest]:
    """Open contracts at rising times, valued at the mark price."""
    if not times:
        return []
    ts: Ints = np.array(times, dtype=np.int64)
    lots = (view.desk.interest(view.instrument.exchange, ts) / view.lot.value(1)).astype(np.int64)
    amounts = [view.lot.value(n) for n in lots.tolist()]
    marks = view.desk.fair_price(view.instrument, ts).tolist()
    return [
        OpenInterest(instrument=view.instrument, ts=t, amount=amount, value=amount * mark)
        for t, amount, mark in zip(times, amounts, marks, strict=True)
    ]


def interest_times(view: View, step: int, start: int, end: int) -> range:
    """Whole multiples of `step` with start <= ts < end for which there is open interest."""
    first = max(start, view.first + MINUTE)
    return range(-(-first // step) * step, min(end, view.now + 1), step)


def running_rate(view: View, index: float) -> FundingRate:
    """The rate that would be settled now; mark is the middle of the book."""
    step = int(_hours(view) * HOUR)
    _, bid = view.last()
    return FundingRate(
        instrument=view.instrument,
        ts=view.now,
        rate=_rate(view, view.now),
        interval_h=_hours(view),
        next_ts=view.now // step * step + step,
        mark=(bid + view.tape.spread / 2) * view.price.value(1),
        index=index,
    )


def settled_rates(view: View, start: int, end: int) -> list[FundingRate]:
    """Settlements with start <= ts < end."""
    step = int(_hours(view) * HOUR)
    first = max(start, view.first + _AVERAGED * MINUTE)
    times = range(-(-first // step) * step, min(end, view.now + 1), step)
    return [
        FundingRate(
            instrument=view.instrument, ts=ts, rate=_rate(view, ts), interval_h=_hours(view)
        )
        for ts in times
    ]


def _rate(view: View, ts: int) -> float:
    """Mean premium plus clamped interest, as a fraction per interval."""
    minute = ts // MINUTE
    minutes: Ints = np.arange(minute - _AVERAGED, minute, dtype=np.int64)
    mean = float(view.desk.premium(view.instrument.exchange, minutes).mean())
    eight = mean + min(max(_INTEREST - mean, -_CLAMP), _CLAMP)
    return round(min(max(eight, -_CAP), _CAP) * _hours(view) / 8, 8)


def _hours(view: View) -> float:
    return float(funding_hours(view.desk.coin, view.instrument.exchange))
