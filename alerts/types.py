"""What alerting is made of: what was asked for, what it compiles to, what fired, and what has to leave.

A kind turns words into a `Condition`; the engine knows conditions only. One metric is one number over
time: (instrument key, name, window, ...). Its values reach the engine as `Sample`s.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum

from market.types import Reading


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Metric:
    """One figure over time. `subject`: an instrument key (`binance:BTC/USDT:USDT`), or `*:BTC` for all venues."""

    subject: str
    name: str  # of an `alerts.figures.Figure`: price, volume_ratio, open_interest, cvd_share ...
    window: int = 0  # ms; 0 where the figure has none
    timeframe: str = ""
    param: str = ""  # what else sets the figure apart: "14" of an RSI, "ETH" of a correlation


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
    """Level: the metric is beyond `level` now. As a leg it stays true until the metric is back beyond `rearm`."""

    metric: Metric
    op: Op
    level: float
    rearm: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rise:
    """The metric rose by `amount` (a fraction with `relative`) within its window; re-anchored after firing.

    A negative amount is a fall. As a leg it is true while the change over the window is that large.
    """

    metric: Metric
    amount: float
    relative: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Each sample is a thing that happened (a whale print, a listing) and counts on its own when beyond `level`."""

    metric: Metric
    op: Op = Op.ABOVE
    level: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class AllOf:
    """Every part holds. A part whose figure is not known, or too old, does not."""

    parts: tuple["Condition", ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class AnyOf:
    """At least one part holds."""

    parts: tuple["Condition", ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Not:
    """The part is known not to hold."""

    part: "Condition"


@dataclass(frozen=True, slots=True, kw_only=True)
class For:
    """The part has held for `duration` ms of market time without a break in what is known."""

    part: "Condition"
    duration: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Then:
    """`first` became true, and after it, within `within` ms, `second` becomes true: true at that moment."""

    first: "Condition"
    second: "Condition"
    within: int


Leaf = Cross | State | Rise | Event
Condition = Leaf | AllOf | AnyOf | Not | For | Then


class Repeat(StrEnum):
    """How often an alert may fire."""

    ONCE = "once"
    PER_BAR = "per_bar"
    EVERY = "every"  # again after the cooldown
    ALWAYS = "always"  # at each time it becomes true


class Priority(IntEnum):
    """The class of a message; a lower number leaves first."""

    PANIC = 0
    TRADE = 1
    CRITICAL = 2  # alerts of severity critical
    INTERACTIVE = 3  # answers to people
    ALERT = 4
    REPORT = 5  # digests, scheduled reports
    BROADCAST = 6


class Severity(StrEnum):
    """How loud a firing is: what each does is chosen per chat (`Loudness`)."""

    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"  # breaks out of quiet hours, digests and storms


class RuleStatus(StrEnum):
    """Where in its life a rule is."""

    ACTIVE = "active"
    PAUSED = "paused"
    DONE = "done"  # fired once and was asked to fire once
    EXPIRED = "expired"
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
    severity: Severity = Severity.WARNING
    note: str = ""
    expires_ts: int | None = None  # wall ms
    snoozed_until: int = 0  # wall ms: watched meanwhile, but not told
    daily_cap: int = 0  # firings told in one day of the chat's zone; 0: the default of the desk
    subjects: tuple[
        str, ...
    ] = ()  # a rule over several: its condition is about `EACH`, once for each of these


EACH = "?"  # in place of the subject of a metric: each of the rule's `subjects`
WATCHED = "@watch"  # among `subjects`: the perps of the watch list, whatever is on it
ANYTHING = "@any"  # among `subjects`: every perp the desk streams


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertState:
    """What the engine has to remember of a rule (of one subject of it) between samples."""

    rule_id: int
    subject: str = ""  # of a rule over several subjects
    armed: bool = True
    side: int = 0  # -1 below, +1 above, 0 not known yet
    last_value: float | None = None
    last_ts: int = 0  # the newest sample that was looked at
    fired_ts: int = 0
    fired_count: int = 0
    transition: int = 0  # grows by one with each firing: the idempotency key with the rule id
    anchor: float | None = None  # of a Rise
    bar_ts: int = 0  # the candle that fired last
    memory: str = ""  # JSON of what a composite condition remembers of its parts


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """A metric at a moment. `low`/`high` are its extremes since the sample before, so that a touch is never missed.

    `since`: the extremes are those of (since, ts]; a rule that was looked at later than `since` cannot use them.
    `rebased`: the metric is made of other parts than before (a venue came or went); sides are learnt anew from
    this sample, and nothing fires on it.
    `began`: of a happening that goes on, when it began; `low` (or `high`) is then how large it was when it was told
    before. A rule that has not fired since (it rested, or was not there) has not told of it yet.
    """

    ts: int
    value: float
    low: float | None = None
    high: float | None = None
    bar_ts: int = 0
    since: int | None = None
    rebased: bool = False
    began: int | None = None
    reading: Reading[float] | None = None
    extra: Mapping[str, Reading[float]] = field(
        default_factory=dict
    )  # shown in the message: z, price change, flow


@dataclass(frozen=True, slots=True, kw_only=True)
class Leg:
    """One leaf of a condition at the moment of a firing; `value` None where the figure is not known."""

    leaf: Leaf
    value: float | None
    ts: int  # of the sample
    met: bool
    sample: Sample | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Signal:
    """A rule's condition was met. `sample` is of the leaf that tipped it; `legs` are all leaves, that one first."""

    rule: AlertRule
    sample: Sample
    value: float  # what met it: the value, or the extreme that touched the level
    threshold: float
    late: bool = False  # it became true while nobody looked
    subject: str = ""  # which of the rule's subjects
    legs: tuple[Leg, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboxRow:
    """One message that has to leave. Unique per (alert_id, transition, channel, chat_id)."""

    id: int
    alert_id: int
    transition: int
    channel: str  # "telegram", "discord" ...
    chat_id: int  # where to: the chat, or the id of a `Destination` for other channels
    payload: str  # JSON: what to say, and how to draw it
    created_ts: int  # wall ms
    attempts: int = 0
    next_ts: int = 0  # wall ms: not before
    status: str = (
        "queued"  # queued, sending, sent, merged (told by another row), muted, dead, expired
    )
    thread_id: int | None = None
    error: str = ""
    message_id: int | None = None
    priority: int = Priority.ALERT  # a `Priority`
    severity: Severity = Severity.WARNING
    coin: str = ""  # what belongs together when a chat is flooded
    merged_into: int | None = None  # the row whose message lists this one


class Notice(IntEnum):
    """`alert_id` of rows that tell of a rule without being a firing; `transition` is `about` it."""

    HEADS_UP = -11
    EXPIRED = -12
    DELISTED = -13
    TEST = -14  # its transition is the id of the update that asked for it

    @staticmethod
    def about(rule_id: int, mark: int) -> int:
        """A transition for one notice about a rule: the same `mark` again is the same notice."""
        return rule_id << 22 | mark & 0x3FFFFF


@dataclass(frozen=True, slots=True, kw_only=True)
class Firing:
    """One firing for the history."""

    rule_id: int
    transition: int
    ts: int  # market ms
    value: float
    threshold: float
    text: str
    subject: str = ""
    late: bool = False
    price: float | None = None  # of `chart`, at the firing: what the scorecard measures from
    chart: str = ""  # the instrument whose price that is
    told: bool = True  # False: counted, and not told (snoozed, capped): `text` says why
    # What became of its message, where it was read from the history: its number, and the status of its `OutboxRow`.
    message_id: int | None = field(default=None, compare=False)
    delivery: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What a rule's figures are now. `problems`: why some are not known, each reason once."""

    legs: tuple[
        Leg, ...
    ] = ()  # every leaf, from left to right; of each subject where there are several
    problems: tuple[str, ...] = ()
    samples: Mapping[Metric, Sequence[Sample]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Expiry:
    """A rule whose time is over, or nearly so. `since`: when its end was set, or it was last changed (wall ms)."""

    rule: AlertRule
    since: int = 0
