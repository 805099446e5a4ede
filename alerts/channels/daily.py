"""When a daily message is due: once per local date, whatever the clocks of a zone do."""

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError


def due_day(now: int, zone: str, minute: int, last_day: int) -> int | None:
    """The local date (ordinal) whose message is due at wall ms `now`; None where none is.

    An hour that a date does not have is over as soon as the clock has passed it; one it has twice counts
    once. A clock that goes back makes nothing due again.
    """
    local = _local(now, zone)
    today = local.date().toordinal()
    return today if today > last_day and _minute(local) >= minute else None


def last_day(now: int, zone: str, minute: int) -> int:
    """The date that counts as done for a message that was chosen at `now`."""
    local = _local(now, zone)
    return local.date().toordinal() - (0 if _minute(local) >= minute else 1)


def day_name(day: int) -> str:
    """2026-06-14."""
    return date.fromordinal(day).isoformat()


def _local(now: int, zone: str) -> datetime:
    moment = datetime.fromtimestamp(now / 1000, UTC)
    try:
        return moment.astimezone(ZoneInfo(zone))
    except (ZoneInfoNotFoundError, ValueError):
        return moment


def _minute(local: datetime) -> int:
    return local.hour * 60 + local.minute
