"""What a chat sees: digests, storms, sounds, quiet hours, mutes, topics; and the account of it."""

from collections import Counter
from datetime import UTC, datetime
from itertools import pairwise

import pytest
from post_office import CHAT, CRITICAL, GROUP, OWNER, WALL, Delivered, Office

from alerts.delivery.plan import CALM
from alerts.delivery.types import Sound
from alerts.outcome import Gone, NotSent, Refused, Sent, Unknown
from alerts.types import Severity


def last(office: Office) -> Delivered:
    return office.channel.delivered[-1]


def silent(office: Office) -> list[bool]:
    return [bool(each.body.get("silent")) for each in office.channel.delivered]


async def test_three_that_wait_are_told_together_and_the_rows_say_by_whom(office: Office) -> None:
    await office.fire(1, 2, 3, coin="BTC")
    assert await office.box().deliver() == 3
    assert last(office).told == Counter([1, 2, 3])
    rows = await office.rows()
    assert [(row["status"], row["merged_into"]) for row in rows] == [
        ("sent", None), ("merged", 1), ("merged", 1),
    ]  # fmt: skip
    assert rows[0]["message_id"] == last(office).message_id
    assert await office.events(3) == ["queued", "sending", "merged"]


async def test_a_digest_of_unknown_fate_comes_again_and_says_so_of_each_alert(
    office: Office,
) -> None:
    await office.fire(1, 2, 3)
    office.channel.answers = [Unknown("timed out")]
    box = office.box()
    assert await box.deliver() == 0
    assert {row["status"] for row in await office.rows()} == {"queued"}
    office.wall.advance(2_000)
    await office.fire(4)
    assert await box.deliver() == 4
    reading = last(office).body["reading"]
    assert [part.count("(repeat?)") for part in reading.split("• ")] == [0, 1, 1, 1, 0]


async def test_a_digest_that_is_refused_falls_apart_and_only_the_bad_one_is_lost(
    office: Office,
) -> None:
    await office.fire(1, 2, 3)
    office.channel.answers = [Refused("too long"), Sent(1), Refused("bad"), Sent(2)]
    await office.drain(office.box(), 3)
    assert [each.row.alert_id for each in office.channel.delivered] == [1, 3]
    rows = await office.rows()
    assert [row["status"] for row in rows] == ["sent", "dead", "sent"]


async def test_a_coin_is_heard_once_in_five_seconds_and_the_rest_comes_together(
    office: Office,
) -> None:
    box = office.box()
    for n in range(12):
        await office.fire(n + 1, coin="BTC")
        await box.deliver()
        office.wall.advance(1_000)
    office.wall.advance(5_000)
    await box.deliver()
    times = [(each.at - WALL) // 1000 for each in office.channel.delivered]
    assert all(later - earlier >= 5 for earlier, later in pairwise(times))
    assert office.channel.rules() == Counter(range(1, 13))
    assert len(times) <= 4


async def test_a_storm_is_one_living_message_and_a_closing_card(office: Office) -> None:
    box = office.box()
    await office.fire(*range(1, 31), coin="BTC")
    await box.deliver()
    for n in range(31, 91):
        await office.fire(n, coin="ETH")
        await box.deliver()
        office.wall.advance(500)
    office.wall.advance(5_000)
    await box.deliver()
    assert len(office.channel.screen()) == 1
    times = [each.at for each in office.channel.delivered]
    assert all(later - earlier >= 5_000 for earlier, later in pairwise(times))
    assert office.channel.rules() == Counter(range(1, 91))
    assert last(office).body["headline"].startswith("Storm: 90 alerts")
    office.wall.advance(CALM)
    await box.deliver()
    assert len(office.channel.screen()) == 1
    assert last(office).body["headline"] == "Storm over: 90 alerts"
    assert last(office).body["buttons"][0][1]["command"] == "/alerts history"
    assert office.channel.rules() == Counter(range(1, 91))
    rows = await office.rows()
    living = next(row for row in rows if row["alert_id"] == -2)
    assert living["status"] == "sent"
    assert {row["merged_into"] for row in rows if row["alert_id"] > 0} == {living["id"]}
    events = await office.events(living["id"])
    assert events.count("sent") == 1
    assert events.count("edited") == len(times)
    count = len(office.channel.delivered)
    await office.drain(box, 3)
    assert len(office.channel.delivered) == count, "nothing more"
    await office.fire(99, coin="BTC")
    await box.deliver()
    assert last(office).row.alert_id == 99, "after the storm alerts are messages again"


async def test_a_group_sees_an_edit_each_ten_seconds(office: Office) -> None:
    box = office.box()
    for n in range(40):
        await office.fire(*range(n * 30 + 1, n * 30 + 31), chat_id=GROUP)
        await box.deliver()
        office.wall.advance(1_000)
    times = [each.at for each in office.channel.delivered]
    assert all(later - earlier >= 10_000 for earlier, later in pairwise(times))


async def test_fifteen_messages_in_three_minutes_begin_a_storm_for_a_new_process_too(
    office: Office,
) -> None:
    for n in range(15):
        await office.fire(n + 1, coin=f"C{n}")
        await office.box().deliver()
        office.wall.advance(6_000)
    assert len(office.channel.screen()) == 15
    await office.fire(16, coin="C0")
    await office.box().deliver()
    assert last(office).row.alert_id == -2


async def test_what_is_critical_breaks_out_of_a_storm(office: Office) -> None:
    box = office.box()
    await office.fire(*range(1, 31))
    await box.deliver()
    await office.fire(77, severity=Severity.CRITICAL, priority=CRITICAL)
    await office.fire(31)
    await box.deliver()
    assert last(office).row.alert_id == 77
    assert not last(office).body.get("silent")


async def test_a_full_living_message_goes_on_in_another_one(office: Office) -> None:
    box = office.box()
    await office.fire(*range(10_001, 11_001))
    await office.drain(box, 20, pause=5_000)
    assert len(office.channel.screen()) > 1
    assert office.channel.rules() == Counter(range(10_001, 11_001))
    heads = [body["headline"] for body in office.channel.screen().values()]
    assert [head.partition(":")[0] for head in heads] == [
        *["Storm, goes on below"] * (len(heads) - 1), "Storm over",
    ]  # fmt: skip


async def test_a_living_message_outlives_the_process(office: Office) -> None:
    await office.fire(*range(1, 31))
    await office.box().deliver()
    office.wall.advance(6_000)
    await office.fire(31)
    await office.box().deliver()
    assert len(office.channel.screen()) == 1
    assert office.channel.rules() == Counter(range(1, 32))
    office.wall.advance(CALM)
    await office.box().deliver()
    assert last(office).body["headline"] == "Storm over: 31 alerts"


async def test_a_living_message_that_was_deleted_is_followed_by_a_new_one(office: Office) -> None:
    box = office.box()
    await office.fire(*range(1, 31))
    await box.deliver()
    office.wall.advance(6_000)
    office.channel.answers = [Refused("message to edit not found")]
    await office.fire(*range(31, 61))
    await office.drain(box, 4, pause=6_000)
    assert len(office.channel.screen()) == 2
    assert office.channel.rules() == Counter(range(1, 61))


@pytest.mark.parametrize("answer", [Unknown("lost"), NotSent("offline", 3.0)])
async def test_an_edit_that_fails_is_made_again_and_lists_everything_once(
    office: Office, answer: Unknown | NotSent
) -> None:
    box = office.box()
    await office.fire(*range(1, 31))
    await box.deliver()
    office.wall.advance(6_000)
    office.channel.answers = [answer]
    await office.fire(31)
    await office.drain(box, 5, pause=6_000)
    assert office.channel.rules() == Counter(range(1, 32))


async def test_an_edit_whose_answers_stay_lost_is_never_given_up(office: Office) -> None:
    box = office.box()
    await office.fire(*range(1, 31))
    await box.deliver()
    office.wall.advance(6_000)
    office.channel.answers = [Unknown("lost")] * 15
    await office.fire(31)
    await office.drain(box, 20, pause=6_000)
    assert office.channel.rules() == Counter(range(1, 32))
    assert {row["status"] for row in await office.rows()} <= {"merged", "queued", "sent"}


async def test_a_chat_that_is_lost_in_a_storm_is_left_alone(office: Office) -> None:
    box = office.box()
    await office.fire(*range(1, 31))
    await box.deliver()
    office.wall.advance(6_000)
    office.channel.answers = [Gone("blocked")]
    await office.fire(31, 32)
    before = office.channel.prepared
    await office.drain(box, 5, pause=60_000)
    assert office.channel.prepared == before + 1
    assert {row["status"] for row in await office.rows()} <= {"merged", "dead", "sent"}


async def test_an_alert_of_off_severity_is_not_told_and_the_ledger_says_why(office: Office) -> None:
    await office.loudness.set_matrix(CHAT, Severity.INFO, Sound.OFF, WALL)
    await office.fire(1, severity=Severity.INFO)
    await office.fire(2, severity=Severity.WARNING)
    assert await office.box().deliver() == 2
    assert [each.row.alert_id for each in office.channel.delivered] == [2]
    assert [(e.event, e.detail) for e in await office.ledger.of_row(1)] == [
        ("queued", ""), ("muted", "info messages are off here"),
    ]  # fmt: skip


async def test_info_is_silent_and_a_digest_is_as_loud_as_its_loudest(office: Office) -> None:
    box = office.box()
    await office.fire(1, severity=Severity.INFO, coin="A")
    await box.deliver()
    await office.fire(2, severity=Severity.WARNING, coin="B")
    await box.deliver()
    await office.fire(3, 4, 5, severity=Severity.INFO, coin="C")
    await box.deliver()
    await office.fire(6, 7, severity=Severity.INFO, coin="D")
    await office.fire(8, severity=Severity.WARNING, coin="D")
    await box.deliver()
    assert silent(office) == [True, False, True, False]


def at(hour: int, minute: int = 0) -> int:
    return int(datetime(2026, 10, 1, hour, minute, tzinfo=UTC).timestamp() * 1000)


async def test_quiet_hours_hold_alerts_let_critical_pass_and_end_in_one_silent_digest(
    office: Office,
) -> None:
    await office.loudness.set_quiet(CHAT, 23 * 60, 7 * 60, WALL)
    office.wall.advance(at(23) - WALL)
    box = office.box()
    for n in range(1, 60):
        await office.fire(n, coin=f"C{n % 4}")
        if n == 30:
            await office.fire(500, severity=Severity.CRITICAL, priority=CRITICAL)
            await office.fire(501, priority=5)
        await box.deliver()
        office.wall.advance(5 * 60_000)
    assert sorted(each.row.alert_id for each in office.channel.delivered) == [500, 501]
    assert [bool(e.body.get("silent")) for e in sorted(
        office.channel.delivered, key=lambda e: e.row.alert_id
    )] == [False, True]  # fmt: skip
    assert await office.events(1) == await office.events(2) == ["queued", "held"]
    office.wall.advance(at(7) + 86_400_000 - office.wall.now() - 1)
    await box.deliver()
    assert len(office.channel.delivered) == 2
    office.wall.advance(1)
    await box.deliver()
    assert last(office).told == Counter(range(1, 60))
    assert last(office).body["silent"] is True
    assert "held for quiet hours" in last(office).body["evidence"]
    assert len(office.channel.delivered) == 3


async def test_a_person_who_is_muted_in_a_group_is_not_heard_there(office: Office) -> None:
    mine, theirs = await office.rule(OWNER), await office.rule(OWNER + 1)
    await office.loudness.mute(GROUP, OWNER, WALL + 60_000)
    box = office.box()
    await office.fire(mine, theirs, chat_id=GROUP)
    await box.deliver()
    assert [each.row.alert_id for each in office.channel.delivered] == [theirs]
    assert (await office.ledger.of_row(1))[-1].detail.startswith(f"person {OWNER} is muted here")
    office.wall.advance(60_000)
    await office.fire(mine, chat_id=GROUP)
    await box.deliver()
    assert last(office).row.alert_id == mine


async def test_classes_go_to_the_topics_the_chat_chose(office: Office) -> None:
    await office.loudness.set_topic(GROUP, "alert", 55, WALL)
    await office.loudness.set_topic(GROUP, "report", 66, WALL)
    box = office.box()
    await office.fire(1, chat_id=GROUP, thread_id=3)
    await office.fire(2, chat_id=GROUP, thread_id=3, priority=5)
    await office.fire(3, chat_id=GROUP, thread_id=3, priority=CRITICAL)
    await office.fire(4, chat_id=GROUP, thread_id=3, priority=0)
    await box.deliver()
    threads = {each.row.alert_id: each.row.thread_id for each in office.channel.delivered}
    assert threads == {1: 55, 2: 66, 3: 55, 4: 3}


async def test_more_than_a_digest_holds_is_told_silently_after_quiet_hours_too(
    office: Office,
) -> None:
    await office.loudness.set_quiet(CHAT, 23 * 60, 7 * 60, WALL)
    office.wall.advance(at(23) - WALL)
    box = office.box()
    for n in range(7):
        await office.fire(*range(n * 100_000 + 1, n * 100_000 + 101))
        await box.deliver()
        office.wall.advance(1_000)
    assert not office.channel.delivered
    office.wall.advance(8 * 3_600_000)
    await office.drain(box, 5, pause=1_000)
    assert office.channel.rules() == Counter(
        n * 100_000 + rule for n in range(7) for rule in range(1, 101)
    )
    assert all(silent(office))
    assert len(office.channel.delivered) <= 5
