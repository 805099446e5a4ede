"""What the next message of a chat is."""

import json
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from alerts.delivery.digest import digest
from alerts.delivery.lines import ROOM, size
from alerts.delivery.plan import (
    CALM,
    FLOOD,
    MANY,
    MANY_WITHIN,
    PAUSE,
    Close,
    Digest,
    Living,
    Memory,
    Nothing,
    Single,
    Step,
    Wait,
    plan,
)
from alerts.delivery.storm import Storm, payload, storm_of
from alerts.delivery.types import ALONE, LIVING, QUIET, Waiting
from alerts.types import OutboxRow, Severity

NOW = 1_790_000_000_000


def row(number: int = 1, coin: str = "BTC", **fields: Any) -> OutboxRow:
    whole = OutboxRow(
        id=number, alert_id=number, transition=1, channel="telegram", chat_id=500, coin=coin,
        payload=json.dumps({"headline": f"{coin} above  #{number}", "evidence": "Binance · observed"}),
        created_ts=NOW,
    )  # fmt: skip
    return replace(whole, **fields)


def living(edited: int, **fields: Any) -> OutboxRow:
    body = payload(
        {"storm": {"since": edited, "edited": edited, "rules": {}, "coins": {}, "newest": []}}
    )
    whole = row(900, alert_id=LIVING, message_id=77, payload=body, next_ts=edited + CALM)
    return replace(whole, **fields)


def step(*rows: OutboxRow, memory: Memory | None = None, **more: Any) -> Step:
    waiting = Waiting(
        rows=rows, total=more.pop("total", len(rows)), living=more.pop("living", None)
    )
    return plan(waiting, memory or Memory(), NOW, grouped=more.pop("grouped", True))


def test_one_alert_is_a_message_of_its_own() -> None:
    assert step(row()) == Single(row())
    assert step() == Nothing()


def test_two_alerts_of_different_coins_are_two_messages() -> None:
    assert step(row(1), row(2, "ETH")) == Single(row(1))


def test_two_alerts_of_one_coin_are_one_message() -> None:
    assert step(row(1), row(2)) == Digest([row(1), row(2)])


def test_three_alerts_that_wait_are_one_message() -> None:
    rows = [row(1), row(2, "ETH"), row(3, "SOL")]
    assert step(*rows) == Digest(rows)


def test_other_channels_get_every_row_by_itself() -> None:
    assert step(row(1), row(2), row(3), grouped=False) == Single(row(1))


@pytest.mark.parametrize(
    "fields",
    [
        {"severity": Severity.CRITICAL}, {"alert_id": 0}, {"alert_id": -1}, {"transition": 0},
        {"priority": 2}, {"priority": 5}, {"error": f"{ALONE} not sent (1): bad"},
    ],
)  # fmt: skip
def test_what_is_critical_or_no_firing_or_was_refused_together_goes_alone(
    fields: dict[str, Any],
) -> None:
    first = row(1, **fields)
    assert step(first, row(2), row(3), row(4)) == Single(first)
    assert step(row(2), row(3), row(4), first) == Digest([row(2), row(3), row(4)])


def test_topics_are_not_mixed() -> None:
    rows = [row(1, thread_id=7), row(2), row(3, thread_id=7), row(4, thread_id=7)]
    assert step(*rows) == Digest([rows[0], rows[2], rows[3]])


def test_a_coin_is_told_once_in_five_seconds_and_the_rest_comes_together() -> None:
    memory = Memory()
    memory.accept(["BTC"], NOW - 1_000)
    assert step(row(1), memory=memory) == Wait(NOW - 1_000 + PAUSE)
    assert step(row(1), row(2), memory=memory) == Wait(NOW - 1_000 + PAUSE)
    assert step(row(1, "ETH"), memory=memory) == Single(row(1, "ETH"))
    later = Memory()
    later.accept(["BTC"], NOW - PAUSE)
    assert step(row(1), memory=later) == Single(row(1))


def test_fifteen_messages_in_three_minutes_are_a_storm() -> None:
    memory = Memory()
    for n in range(MANY):
        memory.accept([], NOW - MANY_WITHIN + 1 + n)
    assert step(row(), memory=memory) == Living([row()], None)
    calmer = Memory()
    for n in range(MANY):
        calmer.accept([], NOW - MANY_WITHIN + n)
    assert step(row(), memory=calmer) == Single(row())


def test_more_than_twenty_waiting_are_a_storm() -> None:
    rows = [row(n) for n in range(1, FLOOD + 2)]
    assert step(*rows) == Living(rows, None)
    assert step(*rows[:-1]) == Digest(rows[:-1])
    assert step(*rows[:3], total=FLOOD + 1) == Living(rows[:3], None)


@pytest.mark.parametrize(("chat", "pace"), [(500, 5_000), (-500, 10_000)])
def test_a_living_message_is_edited_at_its_pace_whatever_the_coin(chat: int, pace: int) -> None:
    mine = row(chat_id=chat)
    fresh, old = living(NOW - 1_000, chat_id=chat), living(NOW - pace, chat_id=chat)
    assert step(mine, living=fresh) == Wait(NOW - 1_000 + pace)
    assert step(mine, living=old) == Living([mine], old)
    unsent = living(NOW, message_id=None)
    assert step(row(), living=unsent) == Living([row()], unsent)


def test_a_storm_ends_when_thirty_seconds_were_quiet() -> None:
    over, open_ = living(NOW - CALM), living(NOW - CALM + 1)
    assert step(living=over) == Close(over)
    assert step(living=open_) == Nothing()
    assert isinstance(step(living=over, total=1), Wait), "something waits for another try"


def test_what_is_critical_goes_alone_in_a_storm_too() -> None:
    loud = row(severity=Severity.CRITICAL)
    assert step(loud, living=living(NOW)) == Single(loud)


def test_what_was_held_for_quiet_hours_is_one_message_and_no_storm() -> None:
    rows = [row(n, error=QUIET) for n in range(1, 60)]
    assert step(*rows) == Digest(rows)
    assert step(rows[0], row(60)) == Single(rows[0])


ROWS = some.lists(
    some.tuples(some.integers(1, 10**6), some.sampled_from(["BTC", "ETH", "", "LONGCOIN1000"])),
    min_size=1, max_size=900,
)  # fmt: skip


@given(ROWS)
def test_a_digest_fits_and_lists_exactly_what_it_says_it_tells(
    made: list[tuple[int, str]],
) -> None:
    from post_office import listed

    rows = [row(n, coin) for n, coin in made]
    text, told = digest(rows, NOW)
    body = json.loads(text)
    assert 1 <= told <= len(rows)
    assert size(body) <= ROOM
    assert listed(body) == Counter(each.alert_id for each in rows[:told])
    assert body["headline"].startswith(f"{told} alert")


@given(some.lists(ROWS, min_size=1, max_size=4))
def test_a_living_message_fits_lists_everything_and_survives_being_stored(
    edits: list[list[tuple[int, str]]],
) -> None:
    from post_office import listed

    storm, expected = Storm(since=NOW), Counter[int]()
    for made in edits:
        rows = [row(n, coin) for n, coin in made]
        storm, told = storm.grown(rows, NOW)
        expected += Counter(each.alert_id for each in rows[:told])
        storm = storm_of(living(0, payload=payload(storm.body(NOW))))
        for body in (storm.body(NOW), storm.closing(NOW), storm.closing(NOW, full=True)):
            assert size(body) <= ROOM
            assert listed(body) == expected
        assert storm.total == expected.total()


def test_a_digest_says_what_each_alert_rests_on_and_when_it_is_late() -> None:
    rows = [row(1), row(2, created_ts=NOW - 300_000), row(3, "ETH", payload="broken")]
    reading = json.loads(digest(rows, NOW)[0])["reading"].splitlines()
    assert reading == [
        "BTC (2)", "• BTC above #1", "  Binance · observed",
        "• BTC above #2", "  Binance · observed · 5 m ago", "ETH (1)", "• #3",
    ]  # fmt: skip
