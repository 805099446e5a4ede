"""Times of day as events: when a report is due. `08:00` is UTC, `08:00 Europe/Berlin` is the time there."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from alerts.types import Metric, Sample
from market.language import _
from market.types import DAY, MINUTE, Reading

MISSED = DAY  # a report that was due longer ago is not made up for


class ClockSource:
    """One sample at each time of day."""

    names = frozenset({"report"})
    bad = 0

    def every(self, metric: Metric) -> int:
        """Seconds decide."""
        return 1000

    def fresh(self, metric: Metric) -> int:
        """It is over when it has happened."""
        return MINUTE

    async def samples(self, metric: Metric, since_ts: int, now: int) -> list[Sample]:
        """The newest time that was due since; those before it nobody needs any more."""
        start = max(since_ts or now, now - MISSED)
        return due(metric.param, start, now)[-1:]

    async def past(self, metric: Metric, from_ts: int, to_ts: int) -> list[Sample]:
        """Every time of (from_ts, to_ts]."""
        return due(metric.param, from_ts, to_ts)


def due(param: str, since_ts: int, until: int) -> list[Sample]:
    """The times of day of (since_ts, until]; an hour the clocks leave out comes when it would have been."""
    clock, _space, name = param.partition(" ")
    zone = ZoneInfo(name) if name else UTC
    hours, _colon, minutes = clock.partition(":")
    day = datetime.fromtimestamp(since_ts / 1000, zone).date()
    last = datetime.fromtimestamp(until / 1000, zone).date()
    found = []
    while day <= last:
        at = datetime(day.year, day.month, day.day, int(hours), int(minutes), tzinfo=zone)
        ts = round(at.timestamp() * 1000)
        if since_ts < ts <= until:
            reading = Reading(value=1.0, as_of=ts, note=_("{time} is due").format(time=param))
            found.append(Sample(ts=ts, value=1.0, reading=reading))
        day += timedelta(days=1)
    return found
