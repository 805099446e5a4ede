"""What the scorecard keeps: what followed each firing, and what follows at matched moments without one."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

Controls = tuple[tuple[int, float], ...]  # (market ms, what followed as a fraction)


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """A firing whose horizon is over and that was not measured yet. Moments are market ms."""

    rule_id: int
    transition: int
    horizon: int
    due_ts: int
    tried_ts: int  # of the last try that failed; 0 before
    ts: int  # of the firing
    price: float  # of `chart`, then
    chart: str  # instrument key


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """What came of measuring one. Neither a move nor an error: to be tried again."""

    rule_id: int
    transition: int
    horizon: int
    tried_ts: int
    move: float | None = None
    controls: Controls = ()
    error: str = ""  # why it will never be known


@dataclass(frozen=True, slots=True, kw_only=True)
class Scored:
    """One measured firing."""

    rule_id: int
    transition: int
    horizon: int
    ts: int
    threshold: float  # of the rule as it was then
    move: float
    controls: Controls


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """How many rows a rule has. `waiting`: their horizon is not over, or their price has not come."""

    measured: int = 0
    waiting: int = 0
    failed: int = 0


class ScoreStore(Protocol):
    """Scores of firings; every method is one transaction, and doing one twice changes nothing."""

    async def open(self, horizons: Sequence[int], since: int, until: int) -> int:
        """Rows for firings of `since`..`until` that were told in time, with a price; how many firings were new."""
        ...

    async def due(self, now: int, tried: int, limit: int) -> list[Due]:
        """Not measured, over by `now`, and not tried after `tried`; the longest over first."""
        ...

    async def settle(self, rows: Sequence[Settled]) -> None:
        """What has a move or an error already stays as it is."""
        ...

    async def firings(
        self, rule_ids: Sequence[int], since: int
    ) -> dict[tuple[int, str], list[int]]:
        """The moments at which rules fired, told or not, rising, by rule and instrument key."""
        ...

    async def scored(self, rule_id: int, limit: int, since: int = 0) -> list[Scored]:
        """The newest measured firings of one rule from `since` on, so many of each horizon, rising."""
        ...

    async def tallies(self, rule_ids: Sequence[int]) -> dict[int, Tally]:
        """Rows by rule."""
        ...

    async def prune(self) -> int:
        """Forget the scores of firings that are not kept any more; rows removed."""
        ...
