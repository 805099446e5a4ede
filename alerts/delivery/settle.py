"""What becomes of rows once the outcome of their message is known. Pure; the rows carry the attempt just made.

No channel tells whether it has seen a message before. So one that may have been delivered is sent once more with a
mark, and given up at last; one that was certainly not delivered is tried again for a day.
"""

import re
from collections.abc import Sequence
from dataclasses import replace

from alerts.delivery.types import ALONE, Change, Event
from alerts.outcome import Gone, NotSent, Outcome, Refused, Sent, Unknown
from alerts.types import OutboxRow
from market.types import DAY

PAUSE, LONGEST_PAUSE = 2.0, 300.0  # seconds before another try, doubled each time
DOUBTS = 6  # deliveries whose answer was lost before a message is given up
GIVEN_UP = DAY
NOT_SENT, UNKNOWN = "not sent", "unknown"
NOTED = re.compile(rf"{NOT_SENT} \((\d+)\)")
LOST = re.compile(rf"{UNKNOWN} \((\d+)\)")


def tried(row: OutboxRow) -> OutboxRow:
    """The row with one attempt more."""
    return replace(row, attempts=row.attempts + 1)


def in_doubt(row: OutboxRow) -> bool:
    """Whether an attempt was made of which it is not certain that it failed."""
    noted = NOTED.search(row.error)
    return row.attempts > (int(noted[1]) if noted else 0)


def settle(rows: Sequence[OutboxRow], outcome: Outcome, now: int) -> list[Change]:
    """The changes for a message that tells `rows`; it is the first one's, the others are told by it."""
    match outcome:
        case Sent(message_id=message_id):
            first, *others = rows
            return [
                Change(row=first, status="sent", event=Event.SENT, message_id=message_id, error=""),
                *merged(others, first),
            ]
        case Gone(reason=reason):
            return [dead(row, f"chat gone: {reason}") for row in rows]
        case Refused(reason=reason):
            if len(rows) == 1:
                return [dead(rows[0], f"refused: {reason}")]
            return [retried(row, f"{ALONE} {noted(row, reason)}", now) for row in rows]
        case Unknown(reason=reason):
            return [_doubted(row, reason, now) for row in rows]
        case NotSent(reason=reason, retry_after=after):
            return [_failed(row, reason, after, now) for row in rows]


def merged(rows: Sequence[OutboxRow], into: OutboxRow) -> list[Change]:
    """They are told by the message of another row."""
    return [
        Change(row=row, status="merged", event=Event.MERGED, merged_into=into.id, error="")
        for row in rows
    ]


def dead(row: OutboxRow, reason: str) -> Change:
    """Given up, and why."""
    return Change(row=row, status="dead", event=Event.FAILED, error=reason)


def retried(row: OutboxRow, reason: str, next_ts: int) -> Change:
    """Back to the queue until then."""
    return Change(row=row, status="queued", event=Event.RETRIED, next_ts=next_ts, error=reason)


def noted(row: OutboxRow, reason: str) -> str:
    """Up to which attempt it is certain that nothing was delivered; an older doubt stays one."""
    if row.error.startswith(UNKNOWN):
        return row.error
    found = NOTED.search(row.error)
    certain = int(found[1]) if found else 0
    attempts = row.attempts if row.attempts == certain + 1 else certain
    return f"{NOT_SENT} ({attempts}): {reason}"


def _doubted(row: OutboxRow, reason: str, now: int) -> Change:
    """Only answers that were lost count: a process that died while the row waited for its turn has sent nothing."""
    found = LOST.search(row.error)
    doubts = 1 + (int(found[1]) if found else 0)
    if doubts >= DOUBTS:
        return dead(row, f"perhaps delivered: {reason}")
    return retried(row, f"{UNKNOWN} ({doubts}): {reason}", now + _pause(doubts))


def _failed(row: OutboxRow, reason: str, after: float | None, now: int) -> Change:
    if now - row.created_ts > GIVEN_UP:
        return dead(row, f"given up: {reason}")
    pause = _pause(row.attempts) if after is None else round(after * 1000)
    alone = f"{ALONE} " if row.error.startswith(ALONE) else ""
    return retried(row, alone + noted(row, reason), now + pause)


def _pause(tries: int) -> int:
    doublings = min(max(0, tries - 1), 10)
    return round(min(LONGEST_PAUSE, PAUSE * float(1 << doublings)) * 1000)
