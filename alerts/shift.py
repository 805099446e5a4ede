"""The same rule a step harder, or easier, to meet: every threshold moved away from the usual, or towards it."""

from collections.abc import Mapping
from dataclasses import replace

from alerts.conditions import with_parts
from alerts.figures import Figure
from alerts.types import Condition, Cross, Event, Leaf, Metric, Not, Op, Rise, State

STEP = 0.10  # of a threshold
NEAR = 0.01  # of a price level: ten percent away is another rule
NEARBY = frozenset({"price", "close"})
DIGITS = 4  # of a threshold as it is typed again
EXACT = 6  # of a price level


def shift(
    condition: Condition,
    *,
    tighter: bool,
    figures: Mapping[str, Figure] | None = None,
    now: Mapping[Metric, float] | None = None,
) -> Condition:
    """`tighter` fires less often. The same condition comes back where nothing can be moved.

    `figures` keep levels within what makes sense. `now`: the values at hand, for levels that are crossed
    either way; without them upwards is farther.
    """
    return _Shift(figures or {}, now or {}).of(condition, tighter=tighter)


class _Shift:
    """What a shift needs to know on its way through the tree."""

    def __init__(self, figures: Mapping[str, Figure], now: Mapping[Metric, float]) -> None:
        self._figures, self._now = figures, now

    def of(self, condition: Condition, *, tighter: bool) -> Condition:
        """The condition with every threshold moved."""
        if isinstance(condition, Leaf):
            return self._leaf(condition, tighter=tighter)
        if isinstance(condition, Not):  # fires less often when its part holds more often
            tighter = not tighter
        return with_parts(condition, lambda part: self.of(part, tighter=tighter))

    def _leaf(self, leaf: Leaf, *, tighter: bool) -> Leaf:
        if isinstance(leaf, Rise):
            factor = 1 + STEP if tighter else 1 / (1 + STEP)
            return replace(leaf, amount=_rounded(leaf.amount * factor, DIGITS))
        level = self._level(leaf, tighter=tighter)
        if isinstance(leaf, Event):
            return replace(leaf, level=level)
        rearm = leaf.rearm
        if rearm is not None and leaf.level:
            rearm = _rounded(rearm * level / leaf.level, 10)
        return replace(leaf, level=level, rearm=rearm)

    def _level(self, leaf: Cross | State | Event, *, tighter: bool) -> float:
        nearby = leaf.metric.name in NEARBY
        step = NEAR if nearby else STEP
        factor = 1 + step if self._is_up(leaf) == tighter else 1 / (1 + step)
        if leaf.level < 0:  # away from zero is downwards
            factor = 1 / factor
        level = _rounded(leaf.level * factor, EXACT if nearby else DIGITS)
        return self._within(leaf, level)

    def _is_up(self, leaf: Cross | State | Event) -> bool:
        """Whether a higher level is harder to meet."""
        if leaf.op is not Op.EITHER:
            return leaf.op is Op.ABOVE
        now = self._now.get(leaf.metric)
        return now is None or now <= leaf.level

    def _within(self, leaf: Cross | State | Event, level: float) -> float:
        """A level between what makes sense: on the way to a bound half of what is left."""
        figure = self._figures.get(leaf.metric.name)
        if figure is None:
            return level
        if figure.high is not None and level >= figure.high:
            return _rounded((leaf.level + figure.high) / 2, DIGITS)
        if figure.low is not None and level <= figure.low:
            return _rounded((leaf.level + figure.low) / 2, DIGITS)
        return level


def _rounded(value: float, digits: int) -> float:
    return float(f"{value:.{digits}g}")
