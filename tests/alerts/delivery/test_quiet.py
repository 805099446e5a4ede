"""Quiet hours, as the clocks on the wall of a place show them."""

from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from alerts.delivery.quiet import is_quiet, quiet_until
from alerts.delivery.types import Loudness

MINUTE = 60_000
MOMENTS = some.one_of(some.integers(0, 1439), some.integers(50, 200))  # clocks change then
DAYS = [
    "2026-03-08", "2026-03-29", "2026-04-05", "2026-07-01", "2026-10-04", "2026-10-25", "2026-11-01",
]  # fmt: skip
ZONES = ["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu"]


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


def night(start: str, end: str, zone: str = "UTC") -> Loudness:
    first, last = ([int(part) for part in text.split(":")] for text in (start, end))
    return Loudness(
        chat_id=1, zone=zone, quiet_from=first[0] * 60 + first[1], quiet_to=last[0] * 60 + last[1]
    )


@pytest.mark.parametrize(
    ("now", "end"),
    [
        ("2026-07-01T20:59", None),
        ("2026-07-01T21:00", "2026-07-02T05:00"),
        ("2026-07-02T04:59", "2026-07-02T05:00"),
        ("2026-07-02T05:00", None),
        ("2026-03-28T23:30", "2026-03-29T05:00"),  # the night in which an hour is missing
        ("2026-10-24T23:30", "2026-10-25T06:00"),  # and the one that has it twice
    ],
)
def test_a_night_in_berlin(now: str, end: str | None) -> None:
    chosen = night("23:00", "07:00", "Europe/Berlin")
    assert quiet_until(chosen, at(now)) == (end and at(end))


def test_an_end_that_the_clocks_skip_is_where_they_jump() -> None:
    chosen = night("23:00", "02:30", "Europe/Berlin")
    assert quiet_until(chosen, at("2026-03-29T00:10")) == at("2026-03-29T01:00")


@pytest.mark.parametrize(("start", "end"), [(-1, -1), (60, 60)])
def test_no_quiet_hours_are_never(start: int, end: int) -> None:
    chosen = Loudness(chat_id=1, quiet_from=start, quiet_to=end)
    assert all(quiet_until(chosen, at(f"2026-07-01T{h:02}:00")) is None for h in range(24))


def test_a_zone_that_does_not_exist_is_utc() -> None:
    chosen = night("00:00", "01:00", "Mars/Base")
    assert quiet_until(chosen, at("2026-07-01T00:30")) == at("2026-07-01T01:00")


@settings(max_examples=400, deadline=None)
@given(
    zone=some.sampled_from(ZONES),
    start=MOMENTS,
    end=MOMENTS,
    day=some.sampled_from(DAYS),
    minute=some.integers(-1440, 1440),
)  # fmt: skip
def test_the_end_is_the_first_minute_that_is_not_quiet(
    zone: str, start: int, end: int, day: str, minute: int
) -> None:
    chosen = Loudness(chat_id=1, zone=zone, quiet_from=start, quiet_to=end)
    now = at(f"{day}T00:00") + minute * MINUTE
    slow = now
    while is_quiet(chosen, slow) and slow < now + 3000 * MINUTE:
        slow += MINUTE
    assert quiet_until(chosen, now + 31_000 % MINUTE) == (None if slow == now else slow)
