"""What becomes of rows once the outcome of their message is known."""

from dataclasses import replace

import pytest
from post_office import CHAT, WALL

from alerts.delivery.settle import DOUBTS, in_doubt, settle, tried
from alerts.delivery.types import ALONE, Change
from alerts.outcome import NotSent, Outcome, Refused, Sent, Unknown
from alerts.types import OutboxRow

HOUR = 3_600_000


def row(number: int = 1, **fields: object) -> OutboxRow:
    whole = OutboxRow(
        id=number, alert_id=number, transition=1, channel="telegram", chat_id=CHAT, payload="{}",
        created_ts=WALL,
    )  # fmt: skip
    return replace(whole, **fields)  # type: ignore[arg-type]


def after(start: OutboxRow, *outcomes: Outcome | None, now: int = WALL) -> OutboxRow:
    """The row after these attempts; None is a process that died in one."""
    for outcome in outcomes:
        start = tried(start)
        if outcome is not None:
            (change,) = settle([start], outcome, now)
            start = _applied(start, change)
    return start


def _applied(start: OutboxRow, change: Change) -> OutboxRow:
    error = start.error if change.error is None else change.error
    return replace(start, status=change.status, error=error, next_ts=change.next_ts or 0)


def test_a_doubt_is_what_was_not_certainly_not_delivered() -> None:
    assert not in_doubt(row())
    assert not in_doubt(after(row(), NotSent("off"), NotSent("off")))
    assert in_doubt(after(row(), Unknown("lost")))
    assert in_doubt(after(row(), None))
    assert in_doubt(after(row(), NotSent("off"), None))
    assert in_doubt(after(row(), None, NotSent("off"))), "an older doubt stays one"
    assert in_doubt(after(row(), Unknown("lost"), NotSent("off"), NotSent("off")))


def test_only_lost_answers_make_a_message_given_up() -> None:
    lost = [Unknown("lost")] * (DOUBTS - 1)
    assert after(row(), *[None] * 40, *lost).status == "queued"
    assert after(row(), *[NotSent("off")] * 40, *lost, None, NotSent("off")).status == "queued"
    given_up = after(row(), *lost, Unknown("lost"))
    assert (given_up.status, given_up.error) == ("dead", "perhaps delivered: lost")


def test_pauses_double_up_to_five_minutes_and_telegrams_own_is_kept() -> None:
    pauses = [(after(row(), *[NotSent("off")] * n).next_ts - WALL) // 1000 for n in range(1, 11)]
    assert pauses == [2, 4, 8, 16, 32, 64, 128, 256, 300, 300]
    assert after(row(), NotSent("busy", 35.5)).next_ts == WALL + 35_500


@pytest.mark.parametrize(("age", "status"), [(24 * HOUR, "queued"), (24 * HOUR + 1, "dead")])
def test_what_could_not_leave_for_a_day_is_given_up(age: int, status: str) -> None:
    assert after(row(), NotSent("off"), now=WALL + age).status == status


def test_a_digest_is_its_first_rows_message() -> None:
    rows = [row(1), row(2), row(3)]
    changes = settle(rows, Sent(77), WALL)
    assert [(c.row.id, c.status, c.message_id, c.merged_into) for c in changes] == [
        (1, "sent", 77, None), (2, "merged", None, 1), (3, "merged", None, 1),
    ]  # fmt: skip


def test_a_digest_that_is_refused_is_told_row_by_row_with_no_new_doubt() -> None:
    rows = [tried(row(1)), tried(row(2, error="unknown (1): lost", attempts=1))]
    for change, doubt in zip(settle(rows, Refused("too long"), WALL), (False, True), strict=True):
        assert change.status == "queued"
        again = _applied(change.row, change)
        assert again.error.startswith(ALONE)
        assert in_doubt(again) == doubt
        offline = after(again, NotSent("off"))
        assert offline.error.startswith(ALONE), "it stays alone"
        assert in_doubt(offline) == doubt
