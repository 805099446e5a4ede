"""What the engine says when a rule fires; what it takes to tell of it is made when somebody asks."""

from alerts.fast.terms import NAN, Terms
from alerts.types import AlertState, Leg, Metric, Sample

Kept = tuple[
    bool, int, int, int, int, int
]  # armed, side, fired_ts, fired_count, transition, bar_ts
Leaf = tuple[Terms, Metric, float, float]  # with level and rearm level


class Fired:
    """One firing of a rule of one leaf. `state` is the rule's state after it."""

    __slots__ = ("_kept", "_leaf", "rule_id", "sample", "subject", "threshold", "value")

    def __init__(
        self, rule_id: int, subject: str, value: float, sample: Sample, leaf: Leaf, kept: Kept
    ) -> None:
        self.rule_id, self.subject, self.value = rule_id, subject, value
        self.threshold, self.sample = leaf[2], sample
        self._leaf, self._kept = leaf, kept

    @property
    def state(self) -> AlertState:
        """The rule's state after it."""
        armed, side, fired_ts, count, transition, bar_ts = self._kept
        return AlertState(
            rule_id=self.rule_id, subject=self.subject, armed=armed, side=side,
            last_value=self.sample.value, last_ts=self.sample.ts, fired_ts=fired_ts,
            fired_count=count, transition=transition, bar_ts=bar_ts,
            anchor=self.sample.value if self._leaf[0].is_change else None,
        )  # fmt: skip

    @property
    def legs(self) -> tuple[Leg, ...]:
        """All leaves, the one that tipped it first."""
        terms, metric, level, rearm = self._leaf
        leaf = terms.leaf(metric, level, rearm)
        return (Leg(leaf=leaf, value=self.value, ts=self.sample.ts, met=True, sample=self.sample),)

    def __repr__(self) -> str:
        return f"Fired(rule_id={self.rule_id}, subject={self.subject!r}, value={self.value})"


class FiredWhole(Fired):
    """One firing of a rule of parts."""

    __slots__ = ("_legs", "_state")

    def __init__(self, state: AlertState, sample: Sample, legs: tuple[Leg, ...]) -> None:
        tip = legs[0]
        self.rule_id, self.subject, self.sample = state.rule_id, state.subject, sample
        self.value = sample.value if tip.value is None else tip.value
        self.threshold = getattr(tip.leaf, "amount", getattr(tip.leaf, "level", NAN))
        self._state, self._legs = state, legs

    @property
    def state(self) -> AlertState:
        return self._state

    @property
    def legs(self) -> tuple[Leg, ...]:
        return self._legs
