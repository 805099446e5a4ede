"""Quiet hours: from one time of day to another, as the clocks on the wall of a place show it."""

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from alerts.delivery.types import Loudness
from market.types import DAY, MINUTE

LONGEST_JUMP = 180  # minutes


def is_quiet(loudness: Loudness, now: int) -> bool:
    """Whether `now` is within the chat's quiet hours, the end not included."""
    start, end = loudness.quiet_from, loudness.quiet_to
    if start < 0 or end < 0 or start == end:
        return False
    local = _local(now, _zone(loudness.zone))
    minute = local.hour * 60 + local.minute
    return start <= minute < end if start < end else minute >= start or minute < end


def quiet_until(loudness: Loudness, now: int) -> int | None:
    """When the quiet hours that last now are over (wall ms); None where there are none now.

    A clock that is put forward past the end ends them there; one that is put back over it makes them last longer
    only once it shows them again.
    """
    if not is_quiet(loudness, now):
        return None
    ends = (end for end in _ends(loudness, now) if end > now and not is_quiet(loudness, end))
    return next(ends, now + DAY)


def _ends(loudness: Loudness, now: int) -> list[int]:
    """When the clocks show the end on the next days, or are put forward past it; in order."""
    zone = _zone(loudness.zone)
    local = _local(now, zone)
    hour, minute = divmod(loudness.quiet_to, 60)
    found = set()
    for days in range(3):
        shown = (local + timedelta(days=days)).replace(
            hour=hour, minute=minute, second=0, microsecond=0, tzinfo=None
        )
        for fold in (0, 1):
            end = round(shown.replace(tzinfo=zone, fold=fold).timestamp() * 1000)
            if _local(end, zone).replace(tzinfo=None) == shown:
                found.add(end)
            elif not fold:  # the other reading of a time that does not exist is before it
                found.add(_jump(zone, end))
    return sorted(found)


def _jump(zone: ZoneInfo, end: int) -> int:
    """The moment in the hours before `end` at which the clocks were put forward past it."""
    after = _local(end, zone).utcoffset()
    low, high = end // MINUTE - LONGEST_JUMP, end // MINUTE
    while high - low > 1:
        middle = (low + high) // 2
        moved = _local(middle * MINUTE, zone).utcoffset() == after
        low, high = (low, middle) if moved else (middle, high)
    return high * MINUTE


def _local(now: int, zone: ZoneInfo) -> datetime:
    return datetime.fromtimestamp(now / 1000, UTC).astimezone(zone)


@lru_cache(maxsize=64)
def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        return ZoneInfo("UTC")
