"""One leaf of a condition against what is known of its figure now."""

from collections.abc import Sequence

from alerts.engine import change_at, is_beyond, is_risen
from alerts.types import AlertState, Event, Leaf, Leg, Rise, Sample


def leg_of(leaf: Leaf, samples: Sequence[Sample]) -> Leg:
    """A leaf against the newest sample; an event never holds by itself."""
    if not samples:
        return Leg(leaf=leaf, value=None, ts=0, met=False)
    newest = samples[-1]
    if isinstance(leaf, Rise):
        change = change_at(leaf, AlertState(rule_id=0), newest, samples)
        met = change is not None and is_risen(leaf, change)
        return Leg(leaf=leaf, value=change, ts=newest.ts, met=met, sample=newest)
    met = not isinstance(leaf, Event) and is_beyond(leaf, newest.value)
    return Leg(leaf=leaf, value=newest.value, ts=newest.ts, met=met, sample=newest)
