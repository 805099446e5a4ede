"""What monitors are made of: what was noticed, who wants to hear of it, and who keeps both."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol

from market.types import Reading

EVERY = "*"  # in place of a coin: every coin of the watch list
MARKET = "MARKET"  # in place of a coin: what the scan of the whole market finds
LEFT_OUT = "-"  # before a coin: not of this one, though of all others
OFF = -1.0  # in place of a threshold: this chat does not want to hear of it


class Severity(StrEnum):
    """How far beyond its threshold something is."""

    NOTICE = "notice"
    HIGH = "high"  # twice the threshold
    EXTREME = "extreme"  # four times, and what never waits: a crash, a cascade


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """One thing that was noticed at market time `ts`. `text` says it with its number.

    `id` is given when it is noticed and never again: it makes storing and sending idempotent.
    `tick_wall` is when the datum that showed it was received, `seen_wall` when it was noticed (wall ms).
    """

    id: int
    ts: int
    kind: str
    key: str  # of the instrument, or the coin where it is about several venues
    coin: str
    severity: Severity
    value: float
    threshold: float
    text: str
    detail: str = ""
    venues: tuple[str, ...] = ()
    side: str = ""
    evidence: Mapping[str, Reading[Any]] = field(default_factory=dict)
    tick_wall: int = 0
    seen_wall: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscription:
    """A chat hears of a coin. A coin with `-` before it is left out of `*`."""

    chat_id: int
    coin: str
    created_ts: int = 0
    thread_id: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Threshold:
    """What a chat chose for one kind and coin (or `*`), in the unit of the kind; `OFF` for never."""

    chat_id: int
    kind: str
    coin: str
    value: float


class MonitorStore(Protocol):
    """Subscriptions, thresholds, switches and facts; every method is one transaction."""

    async def subscriptions(self) -> list[Subscription]: ...
    async def subscribe(self, wanted: Sequence[Subscription]) -> None: ...
    async def unsubscribe(self, chat_id: int, coins: Sequence[str]) -> int:
        """Forget these, or all of the chat where none is named; how many there were."""
        ...

    async def move_chat(self, old: int, new: int) -> None:
        """A group became a supergroup: what was chosen goes with it."""
        ...

    async def thresholds(self) -> list[Threshold]: ...
    async def set_threshold(self, threshold: Threshold, now: int) -> None: ...
    async def drop_threshold(self, chat_id: int, kind: str, coin: str) -> int: ...

    async def save_facts(self, noticed: Sequence[Fact]) -> None:
        """Keep them; one that is kept already stays as it is."""
        ...

    async def facts(
        self, *, since: int = 0, until: int | None = None, coin: str = "", limit: int = 100
    ) -> list[Fact]:
        """The newest first, without their evidence."""
        ...

    async def switch(self, name: str) -> str | None: ...
    async def set_switch(self, name: str, value: str, now: int) -> None: ...


class FactIds:
    """Numbers that grow, also over restarts: the wall's ms, and a count within it."""

    SHIFT = 12

    def __init__(self) -> None:
        self._last = 0

    def next(self, wall: int) -> int:
        """The next number at wall time `wall`."""
        self._last = max(self._last + 1, wall << self.SHIFT)
        return self._last
