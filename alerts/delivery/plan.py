"""What the next message of a chat is: one row, several together, an edit of the living message, or a pause. Pure.

Rules' alerts that wait together are told together. A chat hears of one coin once in 5 s. After 15 messages in three
minutes, or with more than 20 alerts waiting, it is a storm: one living message lists everything until 30 s have been
quiet. The order of a lane is kept throughout; what is critical is in a lane of its own and never waits here.
"""

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import takewhile

from alerts.delivery.storm import edited_ts
from alerts.delivery.types import ALONE, QUIET, Waiting
from alerts.types import OutboxRow, Priority, Severity

TOGETHER = 3  # alerts that wait are one message from here on
PAUSE = 5_000  # ms between messages about one coin
MANY, MANY_WITHIN = 15, 180_000
FLOOD = 20  # alerts waiting for one chat
EDIT_PRIVATE, EDIT_GROUP = 5_000, 10_000  # ms between edits of a living message
CALM = 30_000  # ms without an alert after which a storm is over


@dataclass(frozen=True, slots=True)
class Single:
    """A message of its own."""

    row: OutboxRow


@dataclass(frozen=True, slots=True)
class Digest:
    """One message that lists these, or the first of them where they do not fit."""

    rows: Sequence[OutboxRow]


@dataclass(frozen=True, slots=True)
class Living:
    """Into the living message; None: begin one."""

    rows: Sequence[OutboxRow]
    living: OutboxRow | None


@dataclass(frozen=True, slots=True)
class Close:
    """The storm is over."""

    living: OutboxRow


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing until then."""

    until: int


@dataclass(frozen=True, slots=True)
class Nothing:
    """Nothing at all."""


Step = Single | Digest | Living | Close | Wait | Nothing


@dataclass(slots=True)
class Memory:
    """What a chat was told lately."""

    coins: dict[str, int] = field(default_factory=dict)  # the last message about each
    sent: deque[int] = field(default_factory=lambda: deque(maxlen=MANY))

    def accept(self, coins: Iterable[str], now: int, *, counts: bool = True) -> None:
        """A message about these coins was taken; `counts`: towards a storm."""
        self.coins = {coin: at for coin, at in self.coins.items() if now - at < PAUSE}
        self.coins.update((coin, now) for coin in coins if coin)
        if counts:
            self.sent.append(now)

    def storm(self, now: int) -> bool:
        """Whether it was too much."""
        return len(self.sent) == MANY and now - self.sent[0] < MANY_WITHIN

    def idle(self, now: int) -> bool:
        """Whether nothing of it matters any more."""
        return not self.sent or now - self.sent[-1] >= MANY_WITHIN

    def free(self, coins: Iterable[str]) -> int:
        """From when on these may be told again."""
        return max((self.coins[coin] + PAUSE for coin in coins if coin in self.coins), default=0)


def plan(waiting: Waiting, memory: Memory, now: int, *, grouped: bool) -> Step:
    """The next step of a lane; without `grouped` every row is a message of its own."""
    if not waiting.rows:
        return _without_rows(waiting, now)
    head = waiting.rows[0]
    if not grouped or not together(head):
        return Single(head)
    run = list(takewhile(together, waiting.rows))
    if head.error == QUIET:
        return _one_or_more([r for r in _same_thread(run) if r.error == QUIET])
    if waiting.living is not None:
        return _into(waiting.living, run, now)
    total = waiting.total if len(run) == len(waiting.rows) else len(run)
    if total > FLOOD or memory.storm(now):
        return Living(run, None)
    run = _same_thread(run)
    alike = len(run) == 2 and run[0].coin == run[1].coin != ""
    if len(run) < TOGETHER and not alike:
        run = run[:1]
    until = memory.free(row.coin for row in run)
    return Wait(until) if until > now else _one_or_more(run)


def together(row: OutboxRow) -> bool:
    """Whether a row may be told by the message of another: a rule's firing that is not critical."""
    return (
        row.alert_id > 0
        and row.transition > 0
        and row.priority == Priority.ALERT
        and row.severity is not Severity.CRITICAL
        and not row.error.startswith(ALONE)
    )


def pace(chat_id: int) -> int:
    """Ms between edits of a living message."""
    return EDIT_GROUP if chat_id < 0 else EDIT_PRIVATE


def _without_rows(waiting: Waiting, now: int) -> Step:
    living = waiting.living
    if living is None or living.next_ts > now:
        return Nothing()
    # What waits for another try belongs to the storm still.
    return Wait(now + EDIT_PRIVATE) if waiting.total else Close(living)


def _into(living: OutboxRow, run: Sequence[OutboxRow], now: int) -> Step:
    until = 0 if living.message_id is None else edited_ts(living) + pace(living.chat_id)
    return Wait(until) if until > now else Living(run, living)


def _same_thread(run: Sequence[OutboxRow]) -> list[OutboxRow]:
    """Topics are conversations of their own: those of the first row's."""
    return [row for row in run if row.thread_id == run[0].thread_id]


def _one_or_more(run: Sequence[OutboxRow]) -> Step:
    return Single(run[0]) if len(run) == 1 else Digest(run)
