"""What delivery is made of: lanes of rows, what becomes of a row, the ledger, and how loud a chat wants it.

All times here are wall ms.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Protocol

from alerts.types import OutboxRow, Priority, Severity

TELEGRAM = "telegram"  # the channel whose messages can be put together and edited
LIVING = -2  # `alert_id` of a row that is a living message; its transition grows
QUIET = "quiet hours"  # `error` of a row that is held for them
ALONE = (
    "alone"  # how `error` begins of a row whose digest was refused: it goes as a message of its own
)


class Event(StrEnum):
    """What happened to a message."""

    QUEUED = "queued"
    SENDING = "sending"
    SENT = "sent"
    EDITED = "edited"
    DELETED = "deleted"
    MERGED = "merged"  # told by the message of another row
    MUTED = "muted"
    HELD = "held"  # until quiet hours are over
    RETRIED = "retried"
    FAILED = "failed"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True, order=True)
class Lane:
    """Rows that leave one after the other: of one class, into one chat."""

    priority: int
    channel: str
    chat_id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """Lanes that have something to send now, the most urgent and oldest first, and when others will."""

    due: Sequence[Lane] = ()
    next_ts: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """The rows of a lane that may leave now, in order, and the open living message of its chat."""

    rows: Sequence[OutboxRow] = ()
    total: int = 0  # of the lane, more than `rows` perhaps
    living: OutboxRow | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What becomes of a row, and what the ledger says of it. None leaves a column as it is."""

    row: OutboxRow
    status: str
    event: Event
    message_id: int | None = None
    next_ts: int | None = None
    error: str | None = None
    merged_into: int | None = None
    payload: str | None = None
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """A message that was accepted lately: what a process has to know of the time before it began."""

    channel: str
    chat_id: int
    coin: str
    ts: int
    merged: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One line of the ledger; `row_id` None is an answer to a person."""

    ts: int
    channel: str
    chat_id: int
    priority: int
    event: str
    row_id: int | None = None
    message_id: int | None = None
    detail: str = ""


class OutboxStore(Protocol):
    """The outbox; every method is one durable transaction."""

    async def look(self, now: int) -> Look: ...
    async def waiting(self, lane: Lane, now: int, limit: int) -> Waiting: ...
    async def note(self, changes: Sequence[Change], now: int) -> set[int]:
        """Apply all in one commit, with their lines of the ledger; the ids of the rows that really changed.

        Only a queued row can be sent, and what is finished stays so.
        """
        ...

    async def add_row(self, row: OutboxRow) -> OutboxRow:
        """A row with the id it was given."""
        ...

    async def bury(self, channel: str, chat_id: int, reason: str, now: int) -> int:
        """Give up all queued rows of a chat that cannot be reached; how many."""
        ...

    async def recover(self, now: int = 0) -> int:
        """At start: rows left 'sending' go back to the queue (a duplicate is possible only for them)."""
        ...

    async def lately(self, since: int) -> list[Told]:
        """What chats were told of rules since then, in order."""
        ...


class LedgerStore(Protocol):
    """What became of every message; only ever added to."""

    async def append(self, deliveries: Sequence[Delivery]) -> None: ...
    async def of_row(self, row_id: int) -> list[Delivery]:
        """Everything that happened to a row of the outbox, in order."""
        ...

    async def of_chat(self, chat_id: int, since: int, limit: int = 200) -> list[Delivery]:
        """The newest lines of a chat, oldest of them first."""
        ...

    async def counts(self, since: int) -> Mapping[str, int]:
        """How often what happened, by event."""
        ...


class Sound(StrEnum):
    """How a message arrives."""

    SOUND = "sound"
    SILENT = "silent"
    OFF = "off"


MATRIX: Mapping[Severity, Sound] = MappingProxyType(
    {
        Severity.INFO: Sound.SILENT,
        Severity.WARNING: Sound.SOUND,
        Severity.CRITICAL: Sound.SOUND,
    }
)
TOPICS = {  # what a chat can send into a topic of its own -> the classes of messages
    "alert": (Priority.ALERT,),
    "critical": (Priority.CRITICAL,),
    "report": (Priority.REPORT,),
    "trade": (Priority.PANIC, Priority.TRADE),
    "broadcast": (Priority.BROADCAST,),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Loudness:
    """How a chat wants to be told. Minutes are of the day in its zone; -1: no quiet hours."""

    chat_id: int
    matrix: Mapping[Severity, Sound] = field(default_factory=lambda: MATRIX)
    quiet_from: int = -1
    quiet_to: int = -1
    zone: str = "UTC"
    topics: Mapping[str, int] = field(default_factory=dict)  # of `TOPICS` -> thread


@dataclass(frozen=True, slots=True, kw_only=True)
class Mute:
    """A chat does not hear of this person's alerts until then."""

    chat_id: int
    owner_id: int
    until: int


class LoudnessStore(Protocol):
    """What chats chose; changes count from the next message on."""

    async def loudness(self, chat_id: int) -> Loudness:
        """What was chosen, the defaults for the rest."""
        ...

    async def set_matrix(
        self, chat_id: int, severity: Severity, sound: Sound, now: int
    ) -> None: ...
    async def set_quiet(self, chat_id: int, start: int, end: int, now: int) -> None:
        """Minutes of the day in the chat's zone; -1, -1: none. What is held now is released."""
        ...

    async def set_topic(self, chat_id: int, topic: str, thread_id: int | None, now: int) -> None:
        """Messages of a class of `TOPICS` go there; None: where the alert was made."""
        ...

    async def mute(self, chat_id: int, owner_id: int, until: int) -> None:
        """Until then; 0 ends it."""
        ...

    async def mutes(self, chat_id: int, now: int = 0) -> list[Mute]:
        """Those that have not ended."""
        ...

    async def muted(self, chat_id: int, alert_ids: Sequence[int], now: int) -> Mapping[int, Mute]:
        """Which of these alerts belong to somebody who is muted in the chat."""
        ...
