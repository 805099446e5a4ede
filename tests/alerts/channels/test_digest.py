"""The daily mail: once per local date, whatever clocks, restarts and databases do."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from channel_bench import ME, NOW, Desk, destination
from hypothesis import given
from hypothesis import strategies as st
from test_book import Pigeon

from alerts.channels.book import AddressBook
from alerts.channels.daily import due_day, last_day
from alerts.channels.digest import LISTED, PER_COIN, Digests, payload
from alerts.channels.types import DIGEST_ID, NO_DIGEST, Status
from alerts.types import Firing
from market.errors import UserError
from market.types import DAY, HOUR, MINUTE

ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Asia/Kathmandu", "Pacific/Apia", "Australia/Lord_Howe",
         "America/Sao_Paulo", "Asia/Beirut")  # fmt: skip


def ms(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp() * 1000)


def fired(ts: int, coin: str = "BTC", number: int = 1) -> Firing:
    return Firing(
        rule_id=number, transition=1, ts=ts, value=1.0, threshold=1.0, text=f"{coin} {number}",
        chart=f"binance:{coin}/USDT:USDT",
    )  # fmt: skip


class Mornings:
    """One mailbox, its digest, and a zone that can change."""

    def __init__(self, zone: str = "Europe/Berlin") -> None:
        self.desk, self.zone = Desk(Pigeon("email")), zone
        self.digests = self.over(self.desk.book)

    def over(self, book: AddressBook) -> Digests:
        async def zone_of(_owner: int) -> str:
            return self.zone

        d = self.desk
        return Digests(book, d.shelf, d.posted, d.wall, d.clock, zone_of)

    def at(self, text: str) -> None:
        for clock in (self.desk.wall, self.desk.clock):
            clock.advance(ms(text) - clock.now())

    async def start(self, at: str, minute: int = 480) -> "Mornings":
        self.at(at)
        await self.desk.holds(destination("email", address="you@example.org"))
        await self.desk.book.digest(ME, 1, minute, self.zone)
        return self

    def days(self) -> list[str]:
        return [self.desk.posted.said(n)["headline"][:10] for n in range(len(self.desk.posted.rows))]  # fmt: skip


async def test_a_digest_comes_once_a_day_at_its_local_hour() -> None:
    m = await Mornings().start("2026-03-27T09:00:00+01:00")
    made = []
    for hour in range(24 * 4):
        m.at((datetime.fromisoformat("2026-03-27T08:00:00+00:00") + timedelta(hours=hour)).isoformat())  # fmt: skip
        if await m.digests.check():
            made.append(datetime.fromtimestamp(m.desk.wall.now() / 1000, ZoneInfo("Europe/Berlin")))
    assert [f"{d:%H:%M}" for d in made] == ["08:00"] * 4
    assert m.days() == ["2026-03-28", "2026-03-29", "2026-03-30", "2026-03-31"]
    assert {(r.alert_id, r.channel, r.chat_id) for r in m.desk.posted.rows} == {(DIGEST_ID, "email", 1)}  # fmt: skip


async def test_an_hour_the_date_does_not_have_and_one_it_has_twice_both_count_once() -> None:
    m = await Mornings().start("2026-03-28T12:00:00+01:00", minute=150)
    for minute in range(0, 26 * 60, 10):
        m.at((datetime.fromisoformat("2026-03-28T22:00:00+00:00") + timedelta(minutes=minute)).isoformat())  # fmt: skip
        await m.digests.check()
    assert m.days() == ["2026-03-29"]
    m.at("2026-10-24T12:00:00+00:00")
    await m.digests.check()
    before = len(m.desk.posted.rows)
    for minute in range(0, 24 * 60, 10):
        m.at((datetime.fromisoformat("2026-10-24T22:00:00+00:00") + timedelta(minutes=minute)).isoformat())  # fmt: skip
        await m.digests.check()
    assert m.days()[before:] == ["2026-10-25"]


@given(
    st.sampled_from(ZONES), st.integers(0, 1439), st.integers(0, 365 * 24 * 4),
    st.lists(st.integers(1, 200), max_size=60),
)  # fmt: skip
def test_every_local_date_has_at_most_one_and_those_looked_at_late_enough_have_one(
    zone: str, minute: int, start: int, steps: list[int]
) -> None:
    now = ms("2026-01-01T00:00:00+00:00") + start * 15 * MINUTE
    done = last_day(now, zone, minute)
    first, made, late = done, [], set()
    for step in steps:
        now += step * 5 * MINUTE
        local = datetime.fromtimestamp(now / 1000, UTC).astimezone(ZoneInfo(zone))
        if (local.hour, local.minute) >= divmod(minute, 60):
            late.add(local.date().toordinal())
        day = due_day(now, zone, minute, done)
        if day is not None:
            made.append(day)
            done = day
    assert made == sorted(set(made))
    assert set(made) == {day for day in late if day > first}


async def test_a_clock_that_goes_back_and_a_traveller_get_no_second_one() -> None:
    m = await Mornings().start("2026-06-01T12:00:00+02:00")
    m.at("2026-06-02T08:00:00+02:00")
    assert await m.digests.check() == 1
    m.at("2026-06-01T08:00:00+02:00")
    assert await m.digests.check() == 0
    m.at("2026-06-02T08:01:00+02:00")
    m.zone = "Pacific/Honolulu"  # there it is still the first of June
    assert await m.digests.check() == 0
    m.at("2026-06-02T08:00:00-10:00")
    assert await m.digests.check() == 0
    m.at("2026-06-03T08:00:00-10:00")
    assert await m.digests.check() == 1
    m.zone = "no such zone"
    m.at("2026-06-04T08:00:00+00:00")
    assert await m.digests.check() == 1


async def test_a_morning_that_was_slept_through_is_made_up_for_within_its_day() -> None:
    m = await Mornings().start("2026-06-01T12:00:00+02:00")
    m.desk.shelf.fired = [
        fired(ms("2026-06-01T11:00:00+02:00")),
        fired(ms("2026-06-02T13:00:00+02:00")),
    ]
    m.at("2026-06-04T23:59:00+02:00")  # three mornings later: one mail about all of it
    assert await m.digests.check() == 1
    assert m.desk.posted.said()["headline"] == "2026-06-04: 1 alert fired"


async def test_a_process_that_dies_between_the_row_and_the_note_makes_no_second_mail() -> None:
    m = await Mornings().start("2026-06-01T12:00:00+02:00")
    m.at("2026-06-02T08:00:00+02:00")
    m.desk.shelf.away = True
    assert await m.digests.check() == 0  # the row is committed, the note is not
    assert len(m.desk.posted.rows) == 1
    m.desk.shelf.away = False
    again = AddressBook(m.desk.shelf, m.desk.book.ways, m.desk.posted, m.desk.wall, m.desk.clock)
    await again.load()
    assert await m.over(again).check() == 1
    assert len(m.desk.posted.rows) == 1
    assert await m.over(again).check() == 0


async def test_only_mailboxes_that_are_verified_and_asked_for_it_get_one() -> None:
    m = await Mornings().start("2026-06-01T12:00:00+02:00")
    await m.desk.book.switch(ME, 1, on=False)
    m.at("2026-06-02T08:00:00+02:00")
    assert await m.digests.check() == 0
    await m.desk.book.switch(ME, 1, on=True)
    await m.desk.book.digest(ME, 1, NO_DIGEST, "UTC")
    assert await m.digests.check() == 0
    desk = await Desk(Pigeon()).holds(destination(status=Status.VERIFIED))
    with pytest.raises(UserError, match="Only an email"):
        await desk.book.digest(ME, 1, 480, "UTC")


def test_a_digest_says_how_much_it_leaves_out() -> None:
    rows = [fired(NOW - n, "BTC", n) for n in range(LISTED + 1)]
    said = payload(rows, 739_764, NOW - DAY, NOW)
    assert said["headline"] == f"2026-05-28: {LISTED}+ alerts fired"
    (coin,) = said["digest"]["coins"]
    assert (coin["name"], coin["count"], len(coin["lines"])) == ("BTC", LISTED, PER_COIN)
    assert said["reading"] == f"{LISTED - PER_COIN} of these are not listed."
    quiet = payload([], 739_764, NOW - HOUR, NOW)
    assert quiet["headline"] == "2026-05-28: No alert fired"
    mixed = payload([fired(NOW, "ETH"), fired(NOW, "BTC"), fired(NOW, "BTC", 2)], 739_764, 0, NOW)
    assert [c["name"] for c in mixed["digest"]["coins"]] == ["BTC", "ETH"]
