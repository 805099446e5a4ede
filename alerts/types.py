"""What alerting is made of: what was asked for, what it compiles to, what fired, and who keeps it.

A kind turns words into a `Condition`; the engine knows conditions only. One metric is one number over
time: (instrument key, name, window). Its values reach the engine as `Sample`s.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from market.types import Reading


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Metric:
    """One figure over time. `subject`: an instrument key (`binance:BTC/USDT:USDT`), or `*:BTC` for all venues."""

    subject: str
    name: str  # price, volume_ratio, open_interest, open_interest_change, cvd ...
    window: int = 0  # ms; 0 where the figure has none
    timeframe: str = ""


class Op(StrEnum):
    """How a level is crossed."""

    ABOVE = "above"
    BELOW = "below"
    EITHER = "either"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cross:
    """Edge: the metric goes from one side of `level` to the other; armed again beyond `rearm` (a level)."""

    metric: Metric
    op: Op
    level: float
    rearm: float | None = None  # None: armed again as soon as the metric is back on the first side
    touch: bool = False  # reaching the level counts, as for prices; else it has to be exceeded


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """Level: the metric is beyond `level` now."""

    metric: Metric
    op: Op
    level: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Rise:
    """The metric rose by `amount` (a fraction with `relative`) within its window; re-anchored after firing."""

    metric: Metric
    amount: float
    relative: bool = False


Condition = Cross | State | Rise


class Repeat(StrEnum):
    """How often an alert may fire."""

    ONCE = "once"
    PER_BAR = "per_bar"
    EVERY = "every"  # again after the cooldown


class RuleStatus(StrEnum):
    """Where in its life a rule is."""

    ACTIVE = "active"
    PAUSED = "paused"
    DONE = "done"  # fired once and was asked to fire once
    DELETED = "deleted"


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertRule:
    """What a person asked for. `id` is stable and unique over all chats; it never shifts."""

    id: int
    chat_id: int
    owner_id: int
    kind: str
    text: str  # the canonical command that makes this rule again: "/alert_volume BTC 200 15m"
    condition: Condition
    coin: str  # for grouping in lists
    repeat: Repeat = Repeat.EVERY
    cooldown: int = 0  # ms of market time
    created_ts: int = 0
    thread_id: int | None = None
    status: RuleStatus = RuleStatus.ACTIVE
    paused_reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertState:
    """What the engine has to remember of a rule between checks; stored with each change."""

    rule_id: int
    armed: bool = True
    side: int = 0  # -1 below, +1 above, 0 not known yet
    last_value: float | None = None
    last_ts: int = 0  # the newest sample that was looked at
    fired_ts: int = 0
    fired_count: int = 0
    transition: int = 0  # grows by one with each firing: the idempotency key with the rule id
    anchor: float | None = None  # of a Rise
    bar_ts: int = 0  # the candle that fired last


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """A metric at a moment. `low`/`high` are its extremes since the sample before, so that a touch is never missed.

    `since`: the extremes are those of (since, ts]; a rule that was looked at later than `since` cannot use them.
    `rebased`: the metric is made of other parts than before (a venue came or went); sides are learnt anew from
    this sample, and nothing fires on it.
    """

    ts: int
    value: float
    low: float | None = None
    high: float | None = None
    bar_ts: int = 0
    since: int | None = None
    rebased: bool = False
    reading: Reading[float] | None = None
    extra: Mapping[str, Reading[float]] = field(
        default_factory=dict
    )  # shown in the message: z, price change, flow


@dataclass(frozen=True, slots=True, kw_only=True)
class Signal:
    """A rule's condition was met."""

    rule: AlertRule
    sample: Sample
    value: float  # what met it: the value, or the extreme that touched the level
    threshold: float
    late: bool = False  # it became true while nobody looked


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboxRow:
    """One message that has to leave. Unique per (alert_id, transition, channel, chat_id)."""

    id: int
    alert_id: int
    transition: int
    channel: str  # "telegram"
    chat_id: int
    payload: str  # JSON: what to say, and how to draw it
    created_ts: int  # wall ms
    attempts: int = 0
    next_ts: int = 0  # wall ms: not before
    status: str = "queued"  # queued, sending, sent, dead
    thread_id: int | None = None
    error: str = ""
    message_id: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Firing:
    """One firing for the history."""

    rule_id: int
    transition: int
    ts: int  # market ms
    value: float
    threshold: float
    text: str


class AlertStore(Protocol):
    """Rules, their state, their firings and the outbox; every method is one durable transaction."""

    async def add(
        self, rule: AlertRule, state: AlertState, *, update_id: int | None = None
    ) -> AlertRule:
        """Store a new rule (its `id` is ignored and given here). The same `update_id` again returns the first one."""
        ...

    async def rule(self, rule_id: int) -> AlertRule | None: ...
    async def rules(
        self, *, chat_id: int | None = None, statuses: Sequence[RuleStatus] = ()
    ) -> list[AlertRule]: ...
    async def states(self, rule_ids: Sequence[int] | None = None) -> dict[int, AlertState]: ...
    async def set_status(
        self, rule_ids: Sequence[int], status: RuleStatus, reason: str = "", now: int = 0
    ) -> int: ...
    async def save_states(self, states: Sequence[AlertState]) -> None: ...

    async def fire(
        self, firings: Sequence[Firing], states: Sequence[AlertState], rows: Sequence[OutboxRow]
    ) -> int:
        """Firings, new states and outbox rows in ONE commit; existing rows are skipped. Returns rows added."""
        ...

    async def history(self, chat_id: int, limit: int = 20) -> list[Firing]: ...

    async def due(self, now: int, limit: int = 100) -> list[OutboxRow]:
        """Queued rows whose time has come, oldest first, and rows left 'sending' by a process that died."""
        ...

    async def sending(self, row_id: int) -> None: ...
    async def sent(self, row_id: int, message_id: int | None, now: int) -> None: ...
    async def retry(self, row_id: int, *, next_ts: int, error: str) -> None: ...
    async def dead(self, row_id: int, error: str) -> None: ...
    async def recover(self) -> int:
        """At start: rows left 'sending' go back to the queue (a duplicate is possible only for them)."""
        ...
