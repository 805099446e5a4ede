"""Moments in the time zone of a chat."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from handlers.base import Args
from market import format as fmt


def at(ts: int, now: int, args: Args) -> str:
    """14:02 UTC on the day of `now`, else with its date; 16:02 CEST where the chat's zone is set to that."""
    zone = args.preferences.zone
    if zone == "UTC":
        return fmt.utc(ts, now)
    moment, today = (
        datetime.fromtimestamp(each / 1000, UTC).astimezone(ZoneInfo(zone)) for each in (ts, now)
    )
    name = moment.tzname() or zone
    name = f"UTC{name}" if name[:1] in "+-" else name  # zones without letters of their own
    day = (
        ""
        if moment.date() == today.date()
        else moment.strftime("%m-%d " if moment.year == today.year else "%Y-%m-%d ")
    )
    return f"{day}{moment:%H:%M} {name}"
