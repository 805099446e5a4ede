"""What trades and a live book together may suggest. All of it is estimated: public data name nobody."""

from dataclasses import dataclass
from enum import StrEnum

from analytics.book_walls import REPEATS
from market.types import Kind, Side


class PatternKind(StrEnum):
    """What was suspected."""

    PULLED = "pulled wall"  # a large level went and trades do not explain it
    SWEEP = "sweep"  # one taker order cleared several levels
    ICEBERG = "iceberg"  # far more was executed at a price than it ever showed
    ABSORPTION = "absorption"  # much was taken and the price stood still


@dataclass(frozen=True, slots=True, kw_only=True)
class Pattern:
    """One suspicion. `side` is the taker's for a sweep, else the resting side (BUY: bids).

    `value` is quote currency: taken away, swept, executed, absorbed. `score`: levels cleared by a sweep;
    executed over largest shown of an iceberg or an absorbing level; median multiples are in `Wall`.
    `repeats`: pulled walls of this side in ten minutes, this one included; from three on worth an alert.
    """

    pattern: PatternKind
    ts: int
    side: Side
    price: float
    value: float
    score: float = 0.0
    move: float = 0.0  # fraction of the price that a sweep crossed
    since: int | None = None
    repeats: int = 0
    kind: Kind = Kind.ESTIMATED

    @property
    def alertable(self) -> bool:
        """Whether it says enough for a message: a single pulled wall does not."""
        return self.pattern is not PatternKind.PULLED or self.repeats >= REPEATS
