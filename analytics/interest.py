"""Open interest: its change over a window, the sum over venues, and what price and interest say together.

In coins throughout: in dollars open interest moves with the price itself and gives the wrong sign in one hour
of five. A venue that has no sample at one end of the window is left out at both, and named.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from market.language import _
from market.types import EXCHANGE_NAMES, HOUR, MINUTE, Reading, Status

TOLERANCE = (
    330_000  # ms a sample may be older than the end it stands for: histories come every 5 minutes
)
STEP_LIMIT = 0.25  # a larger change in one step has to be confirmed by the next sample
ONE_VENUE = 0.85  # of the sum: the usual sign of contracts taken for coins

Samples = Sequence[tuple[int, float]]  # (ts, coins), rising


class Quadrant(StrEnum):
    """Price up or down with interest up or down."""

    NEW_LONGS = "NEW_LONGS"
    SHORT_COVERING = "SHORT_COVERING"
    NEW_SHORTS = "NEW_SHORTS"
    LONG_LIQUIDATION = "LONG_LIQUIDATION"
    NEUTRAL = "NEUTRAL"


def quadrant(
    price_change: float, oi_change: float, price_band: float = 0.001, oi_band: float = 0.005
) -> Quadrant:
    """What both changes (fractions, interest in coins) say; NEUTRAL within either dead band."""
    if abs(price_change) < price_band - 1e-12 or abs(oi_change) < oi_band - 1e-12:
        return Quadrant.NEUTRAL
    if price_change > 0:
        return Quadrant.NEW_LONGS if oi_change > 0 else Quadrant.SHORT_COVERING
    return Quadrant.NEW_SHORTS if oi_change > 0 else Quadrant.LONG_LIQUIDATION


def quadrant_reading(price_change: Reading[float], oi_change: Reading[float]) -> Reading[str]:
    """The same from readings; unknown where one of them is."""
    price, interest = price_change.value, oi_change.value
    if price is None or interest is None:
        unknown = price_change if price is None else oi_change
        return Reading.missing(unknown.reason, unknown.status, as_of=unknown.as_of)
    return Reading(
        value=str(quadrant(price, interest)),
        as_of=oi_change.as_of, since=oi_change.since, window=oi_change.window,
        venues=oi_change.venues, note=oi_change.note,
    )  # fmt: skip


def usable(samples: Samples) -> list[tuple[int, float]]:
    """Samples in order, without nonsense and without a jump above 25 % that the next sample does not confirm."""
    sound = sorted((ts, amount) for ts, amount in samples if math.isfinite(amount) and amount > 0)
    kept: list[tuple[int, float]] = []
    for i, (ts, amount) in enumerate(sound):
        if kept and _jump(kept[-1][1], amount):
            after = sound[i + 1][1] if i + 1 < len(sound) else None
            if after is None or _jump(amount, after):
                continue
        kept.append((ts, amount))
    return kept


def _jump(before: float, after: float) -> bool:
    return abs(after / before - 1) > STEP_LIMIT


def level(samples: Samples, now: int, tolerance: int = 15 * MINUTE) -> Reading[float]:
    """The newest amount; stale beyond `tolerance`."""
    found = _at(usable(samples), now)
    if found is None:
        return Reading.missing(_("no open interest yet"), Status.INSUFFICIENT)
    if now - found[0] > tolerance:
        return Reading.missing(_("open interest is old"), Status.STALE, as_of=found[0])
    return Reading(value=found[1], as_of=found[0], n=1)


def change(
    samples: Samples,
    now: int,
    window: int = HOUR,
    tolerance: int | None = None,
    *,
    relative: bool = False,
) -> Reading[float]:
    """Change in coins (or as a fraction) between the newest sample and the one a window earlier.

    Both ends take the newest sample that is not after them and at most `tolerance` older. `since` and `window`
    are those of the samples.
    """
    limit = _tolerance(window, tolerance)
    kept = usable(samples)
    last = _at(kept, now)
    if last is None or now - last[0] > limit:
        reason = _("no open interest yet") if last is None else _("open interest is old")
        status = Status.INSUFFICIENT if last is None else Status.STALE
        return Reading.missing(reason, status, as_of=last[0] if last else None)
    first = _at(kept, now - window)
    if first is None or now - window - first[0] > limit:
        return Reading.missing(
            _("no open interest that long ago"), Status.INSUFFICIENT, as_of=last[0], window=window
        )
    difference = last[1] - first[1]
    return Reading(
        value=difference / first[1] if relative else difference,
        as_of=last[0], since=first[0], window=last[0] - first[0],
        n=sum(first[0] <= ts <= last[0] for ts, _amount in kept),
        unit="fraction" if relative else "",
    )  # fmt: skip


def _tolerance(window: int, tolerance: int | None) -> int:
    return min(TOLERANCE, window // 2) if tolerance is None else tolerance


def _at(kept: Samples, ts: int) -> tuple[int, float] | None:
    """The newest sample that is not after `ts`."""
    return next((sample for sample in reversed(kept) if sample[0] <= ts), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class InterestSum:
    """Open interest over venues. `change` and `change_relative` rest on the venues known at both ends."""

    amount: Reading[float]
    change: Reading[float]
    change_relative: Reading[float]
    by_venue: Mapping[str, Reading[float]]  # change_relative of each


def over_venues(
    samples: Mapping[str, Samples],
    now: int,
    window: int = HOUR,
    tolerance: int | None = None,
    unit: str = "",
) -> InterestSum:
    """Sum the venues' amounts, and their changes at aligned times; `samples` by exchange, in coins."""
    levels = {name: level(each, now) for name, each in samples.items()}
    changes = {name: change(each, now, window, tolerance) for name, each in samples.items()}
    known = {name: each for name, each in changes.items() if each.value is not None}
    then = {
        name: _value(_at(usable(samples[name]), each.since or 0)) for name, each in known.items()
    }
    total = math.fsum(then.values())
    moved = _summed(changes, unit)
    share: Reading[float] = moved
    if moved.value is not None:
        share = Reading(
            value=moved.value / total, as_of=moved.as_of, since=moved.since, window=moved.window, n=moved.n,
            venues=moved.venues, unit="fraction", note=moved.note,
        )  # fmt: skip
    by_venue = {
        name: change(each, now, window, tolerance, relative=True) for name, each in samples.items()
    }
    return InterestSum(
        amount=_summed(levels, unit), change=moved, change_relative=share, by_venue=by_venue
    )


def _value(sample: tuple[int, float] | None) -> float:
    return sample[1] if sample is not None else 0.0


def _summed(readings: Mapping[str, Reading[float]], unit: str) -> Reading[float]:
    known = {name: each for name, each in readings.items() if each.value is not None}
    absent = {name: each.reason for name, each in readings.items() if each.value is None}
    if not known:
        first = next(iter(readings.values()), None)
        reason = "; ".join(dict.fromkeys(absent.values())) or _("no venue")
        status = first.status if first is not None else Status.UNAVAILABLE
        return Reading.missing(reason, status, venues=tuple(absent))
    values = {name: each.value or 0.0 for name, each in known.items()}
    starts = [each.since for each in known.values() if each.since is not None]
    return Reading(
        value=math.fsum(values.values()),
        as_of=min(each.as_of for each in known.values() if each.as_of is not None),
        since=min(starts) if starts else None,
        window=max((each.window for each in known.values() if each.window is not None), default=None),
        n=len(known), venues=tuple(known), unit=unit, note=_note(values, absent, levels=not starts),
    )  # fmt: skip


def _note(values: Mapping[str, float], absent: Mapping[str, str], *, levels: bool) -> str:
    parts = [
        _("without {venue}: {reason}").format(venue=EXCHANGE_NAMES.get(name, name), reason=reason)
        for name, reason in absent.items()
    ]
    largest = max(values, key=lambda name: values[name])
    total = math.fsum(values.values())
    if levels and len(values) > 2 and values[largest] > ONE_VENUE * total:
        parts.append(
            _("{venue} alone has {share} %, check its units").format(
                venue=EXCHANGE_NAMES.get(largest, largest),
                share=f"{values[largest] / total * 100:.0f}",
            )
        )
    return ", ".join(parts)
