"""Many rules side by side: their terms and numbers as arrays."""

import numpy as np
from numpy.typing import NDArray

from alerts.engine import EPSILON
from alerts.fast.rules import Rules
from alerts.fast.terms import Shape

Flags = NDArray[np.bool_]
Floats = NDArray[np.float64]
Slots = NDArray[np.int32]


class Columns:
    """What the rules at some slots are, side by side."""

    def __init__(self, rules: Rules, slots: Slots) -> None:
        terms = np.frombuffer(rules.terms, np.int32)[slots]
        used, where = np.unique(terms, return_inverse=True)
        kinds = [rules.palette[n] for n in used.tolist()]
        self.plain = np.array([k.shape is Shape.CROSS and not k.per_bar for k in kinds], bool)[
            where
        ]
        self.sign = np.array([float(k.sign) for k in kinds])[where]
        self.touch = np.array([k.touch for k in kinds], bool)[where]
        self.once = np.array([k.once for k in kinds], bool)[where]
        self.cooldown = np.array([k.cooldown for k in kinds], np.int64)[where]
        self.level = np.frombuffer(rules.levels)[slots]
        self.rearm = np.frombuffer(rules.rearms)[slots]
        self.slack = EPSILON * np.maximum(np.abs(self.level), EPSILON)

    def beyond(self, value: Floats | float) -> Flags:
        """Whether each is on the side that is waited for."""
        distance = (value - self.level) * self.sign
        found: Flags = np.where(self.touch, distance >= -self.slack, distance > self.slack)
        return found

    def back(self, value: Floats | float) -> Flags:
        """Whether each is far enough on the first side to be armed again."""
        returned = np.where(self.sign > 0, value < self.rearm, value > self.rearm)
        found: Flags = np.where(np.isnan(self.rearm), ~self.beyond(value), returned)
        return found
