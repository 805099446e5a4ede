"""Whether a chat wants to hear of a row, and how: with a sound, without one, later, or not at all. Pure.

Panic and trade messages always sound. What is critical breaks out of quiet hours. An alert that comes in them is held
and told when they are over, without a sound and together with the others; a report comes at once, without a sound.
A person who is muted in a group is not heard there at all.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from alerts.delivery.quiet import quiet_until
from alerts.delivery.types import QUIET, TOPICS, Change, Event, Loudness, Mute, Sound
from alerts.types import OutboxRow, Priority, Severity
from market import format as fmt


@dataclass(slots=True, kw_only=True)
class Heard:
    """What may be said now, which of it without a sound, and what becomes of the rest."""

    rows: list[OutboxRow] = field(default_factory=list)
    silent: set[int] = field(default_factory=set)  # ids
    changes: list[Change] = field(default_factory=list)


def hear(
    rows: Sequence[OutboxRow], loudness: Loudness, muted: Mapping[int, Mute], now: int
) -> Heard:
    """Sort the rows of one lane; they go to the topic that the chat chose for their class."""
    heard = Heard()
    until = quiet_until(loudness, now)
    for row in rows:
        sound = loudness.matrix.get(row.severity, Sound.SOUND)
        if row.priority <= Priority.TRADE:
            sound = Sound.SOUND
        elif row.alert_id in muted:
            mute = muted[row.alert_id]
            reason = f"person {mute.owner_id} is muted here until {fmt.utc(mute.until, now)}"
            heard.changes.append(_muted(row, reason))
            continue
        elif sound is Sound.OFF:
            heard.changes.append(_muted(row, f"{row.severity} messages are off here"))
            continue
        elif until is not None and not _critical(row):
            if row.priority == Priority.ALERT and row.attempts == 0:
                heard.changes.append(_held(row, until, now))
                continue
            sound = Sound.SILENT
        heard.rows.append(replace(row, thread_id=_thread(row, loudness)))
        if sound is Sound.SILENT or row.error == QUIET:
            heard.silent.add(row.id)
    return heard


def _critical(row: OutboxRow) -> bool:
    return row.severity is Severity.CRITICAL or row.priority <= Priority.CRITICAL


def _muted(row: OutboxRow, reason: str) -> Change:
    return Change(row=row, status="muted", event=Event.MUTED, error=reason)


def _held(row: OutboxRow, until: int, now: int) -> Change:
    return Change(
        row=row, status="queued", event=Event.HELD, next_ts=until, error=QUIET,
        detail=f"{QUIET} until {fmt.utc(until, now)}",
    )  # fmt: skip


def _thread(row: OutboxRow, loudness: Loudness) -> int | None:
    for topic, classes in TOPICS.items():
        if row.priority in classes and topic in loudness.topics:
            return loudness.topics[topic]
    if row.priority == Priority.CRITICAL and "alert" in loudness.topics:
        return loudness.topics["alert"]
    return row.thread_id
