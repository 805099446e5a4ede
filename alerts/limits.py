"""How many alerts a person may have, how often one may be told in a day, and when that day begins."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

ACTIVE = {"nobody": 0, "viewer": 0, "alerter": 50, "trader": 200, "admin": 500}  # by role, per chat
DAILY_CAP = 20  # firings of one alert told in a day, where nobody chose another number
MOST_DAILY = 1000  # that can be chosen
MORNING = 8  # o'clock: until then an alert is snoozed that is snoozed until tomorrow


def active_limit(role: str) -> int:
    """Active alerts one person may have in one chat."""
    return ACTIVE.get(role, 0)


def daily_cap(chosen: int) -> int:
    """How often an alert is told in a day; 0 chose nothing."""
    return min(chosen, MOST_DAILY) if chosen > 0 else DAILY_CAP


def day_of(now: int, zone: str) -> tuple[int, int]:
    """The day of the zone that `now` is in: its first ms, and that of the next one (wall ms)."""
    local = datetime.fromtimestamp(now / 1000, zone_of(zone))
    first = local.replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
    return _ms(first), _ms(first + timedelta(days=1))


def morning_after(now: int, zone: str) -> int:
    """Eight o'clock of the next day in the zone (wall ms)."""
    local = datetime.fromtimestamp(now / 1000, zone_of(zone)) + timedelta(days=1)
    return _ms(local.replace(hour=MORNING, minute=0, second=0, microsecond=0, fold=0))


def clock_text(ts: int, now: int, zone: str) -> str:
    """14:05, or 12 Oct 14:05 on another day, in the zone."""
    at, today = (datetime.fromtimestamp(ms / 1000, zone_of(zone)) for ms in (ts, now))
    text = f"{at:%H:%M}" if at.date() == today.date() else f"{at.day} {at:%b %H:%M}"
    return f"{text} UTC" if zone_of(zone).key == "UTC" else text


def zone_of(name: str) -> ZoneInfo:
    """The zone; UTC where there is none of that name."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return ZoneInfo("UTC")


def _ms(moment: datetime) -> int:
    """Sums of days are of the wall clock; a moment is not, so it goes through UTC."""
    return round(moment.astimezone(UTC).timestamp() * 1000)
