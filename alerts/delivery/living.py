"""Writes the living message of a storm: begun, edited while alerts come, closed when it is quiet or full."""

from collections.abc import Awaitable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from alerts.delivery.plan import CALM
from alerts.delivery.scribe import Scribe
from alerts.delivery.settle import UNKNOWN, dead, in_doubt, merged, noted, retried, settle
from alerts.delivery.storm import Storm, payload, storm_of
from alerts.delivery.types import ALONE, LIVING, Change, Event, OutboxStore
from alerts.outcome import Gone, NotSent, Outcome, Refused, Sent, Unknown
from alerts.types import OutboxRow, Priority
from market.clock import Clock
from market.types import HOUR

EDIT_AGAIN = 5_000  # ms before another try at an edit
CLOSE_AGAIN = 30_000  # ms before another try at closing
CLOSE_FOR = HOUR  # then it stays as it is


class Attempt(Protocol):
    """Sends a message that tells rows: they with this attempt, and what became of it."""

    def __call__(
        self, message: OutboxRow, rows: Sequence[OutboxRow], *, repeat: bool
    ) -> Awaitable[tuple[list[OutboxRow], Outcome]]:
        """No rows where none of them may be sent any more."""
        ...


@dataclass(frozen=True, slots=True)
class Page:
    """What was written: the rows that it tells now, none where it was not accepted."""

    rows: Sequence[OutboxRow]
    outcome: Outcome


class LivingMessage:
    """The living messages of all chats; what they list is in their rows."""

    def __init__(self, store: OutboxStore, scribe: Scribe, wall: Clock, attempt: Attempt) -> None:
        self._store, self._scribe, self._wall, self._attempt = store, scribe, wall, attempt

    async def write(
        self, rows: Sequence[OutboxRow], living: OutboxRow | None, *, silent: bool
    ) -> Page:
        """Tell these rows in the living message, as many as it has room for."""
        if living is None:
            living = await self._store.add_row(self._begun(rows[0]))
        now = self._wall.now()
        storm, told = storm_of(living).grown(rows, now)
        if not told:
            await self.close(living, full=True)
            return Page((), NotSent("full"))
        body = storm.body(now)
        sounds = {"silent": True} if silent else {}
        message = replace(living, payload=payload({**body, **sounds}, rows[:told]))
        repeat = living.message_id is None and in_doubt(living)
        found, outcome = await self._attempt(message, [living, *rows[:told]], repeat=repeat)
        if not found:
            return Page((), outcome)
        mine = next((row for row in found if row.id == living.id), living)
        kept = replace(mine, payload=payload(body))
        changes = self._changes(kept, [row for row in found if row.id != living.id], outcome)
        await self._scribe.settle(changes)
        return Page(rows[:told] if isinstance(outcome, Sent) else (), outcome)

    async def close(self, living: OutboxRow, *, full: bool = False) -> None:
        """The last edit. Where it cannot be made the message stays as it was: everything is in it."""
        now = self._wall.now()
        if living.message_id is None:
            detail = "nothing to tell"
            await self._scribe.settle(
                [Change(row=living, status="expired", event=Event.EXPIRED, detail=detail)]
            )
            return
        storm = storm_of(living)
        body = payload(storm.closing(now, full=full))
        found, outcome = await self._attempt(replace(living, payload=body), [living], repeat=False)
        if found:
            await self._scribe.settle([_closed(found[0], outcome, body, storm, now)])

    def _begun(self, first: OutboxRow) -> OutboxRow:
        """The row of a new living message, in the place of its first alert."""
        now = self._wall.now()
        return OutboxRow(
            id=0, alert_id=LIVING, transition=now, channel=first.channel, chat_id=first.chat_id,
            payload=payload({}), created_ts=now, next_ts=now, thread_id=first.thread_id,
            priority=Priority.ALERT, severity=first.severity,
        )  # fmt: skip

    def _changes(
        self, living: OutboxRow, rows: Sequence[OutboxRow], outcome: Outcome
    ) -> list[Change]:
        now = self._wall.now()
        match outcome:
            case Sent(message_id=message_id):
                return [_accepted(living, message_id, now), *merged(rows, living)]
            case Refused(reason=reason) if living.message_id is not None:
                # Deleted, or too old to be edited: what it lists was told, the rest goes into a new one.
                again = [retried(row, noted(row, reason), now) for row in rows]
                return [_ended(living, reason), *again]
            case Refused(reason=reason):
                alone = [retried(row, f"{ALONE} {noted(row, reason)}", now) for row in rows]
                return [dead(living, f"refused: {reason}"), *alone]
            case Gone(reason=reason):
                end = _ended(living, reason) if living.message_id else dead(living, reason)
                return [end, *settle(rows, outcome, now)]
            case Unknown(reason=reason) if living.message_id is not None:
                # The same edit does no harm: it is made until it is certain.
                again = [retried(row, f"{UNKNOWN} (0): {reason}", now + EDIT_AGAIN) for row in rows]
                return [retried(living, f"{UNKNOWN}: {reason}", now + EDIT_AGAIN), *again]
            case NotSent(reason=reason):
                why = noted(living, reason)
            case Unknown(reason=reason):
                why = f"{UNKNOWN}: {reason}"
        back = Change(row=living, status="queued", event=Event.RETRIED, error=why)
        return [back, *(change for row in rows for change in settle([row], outcome, now))]


def _accepted(living: OutboxRow, message_id: int | None, now: int) -> Change:
    event = Event.SENT if living.message_id is None else Event.EDITED
    known = living.message_id or message_id
    return Change(
        row=living, event=event, message_id=known, error="", payload=living.payload,
        status="queued" if known else "sent",  # without a number it cannot be edited
        next_ts=now + CALM,
    )  # fmt: skip


def _ended(living: OutboxRow, reason: str) -> Change:
    return Change(row=living, status="sent", event=Event.FAILED, error="", detail=reason)


def _closed(living: OutboxRow, outcome: Outcome, body: str, storm: Storm, now: int) -> Change:
    match outcome:
        case Sent():
            return Change(row=living, status="sent", event=Event.EDITED, error="", payload=body)
        case NotSent(reason=reason) | Unknown(reason=reason) if now - storm.edited < CLOSE_FOR:
            return retried(living, reason, now + CLOSE_AGAIN)
    return _ended(living, "not closed")
