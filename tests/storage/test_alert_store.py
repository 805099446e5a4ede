"""Rules, states and firings."""

import asyncio
from dataclasses import replace

import pytest
import storage_builders as build
from sqlalchemy import update
from storage_builders import GROUP, NOW, PRICE, USER, firing, row, rule, state

from alerts.types import Repeat, Rise, RuleStatus, Severity
from market.types import DAY
from storage.alerts import Alerts
from storage.db import Database
from storage.errors import StorageError
from storage.retention import prune_main
from storage.tables import alert_marks, deliveries, drafts, mutes, outbox, scores


@pytest.fixture
def store(database: Database) -> Alerts:
    return Alerts(database)


async def test_a_rule_comes_back_as_it_was_and_has_an_id(store: Alerts) -> None:
    asked = rule(id=99, thread_id=2**40, cooldown=2**41, repeat=Repeat.PER_BAR, text="é 🙂 <b>")
    added = await store.add(asked, state(armed=False, side=-1, anchor=0.1))
    assert added == rule(
        id=added.id, thread_id=2**40, cooldown=2**41, repeat=Repeat.PER_BAR, text="é 🙂 <b>"
    )
    assert await store.rule(added.id) == added
    assert (await store.states([added.id])) == {
        added.id: state(added.id, armed=False, side=-1, anchor=0.1)
    }
    assert await store.rule(added.id + 1) is None


async def test_a_redelivered_update_adds_nothing(store: Alerts) -> None:
    first = await store.add(rule(text="first"), state(), update_id=2**40)
    again = await store.add(rule(text="second"), state(), update_id=2**40)
    assert again == first
    assert await store.rules() == [first]
    assert len(await store.states()) == 1


async def test_the_same_update_from_many_tasks_makes_one_rule(store: Alerts) -> None:
    added = await asyncio.gather(
        *(store.add(rule(), state(), update_id=5) for _ in range(8)),
        *(store.add(rule(), state()) for _ in range(8)),
    )
    assert len({each.id for each in added[:8]}) == 1
    assert len({each.id for each in added}) == 9
    assert [each.id for each in await store.rules()] == sorted({each.id for each in added})


async def test_deleted_rules_are_listed_only_when_asked_for(store: Alerts) -> None:
    kept, gone = [await store.add(rule(), state()) for _ in range(2)]
    other = await store.add(rule(chat_id=5), state())
    assert await store.set_status([gone.id], RuleStatus.DELETED, now=NOW) == 1
    assert await store.rules(chat_id=GROUP) == [kept]
    assert await store.rules() == [kept, other]
    (found,) = await store.rules(statuses=[RuleStatus.DELETED])
    assert found.id == gone.id
    assert found.status is RuleStatus.DELETED
    assert (await store.rule(gone.id)) == found


async def test_deleting_can_be_undone_and_keeps_the_state(store: Alerts) -> None:
    added = await store.add(rule(), state(transition=3, last_value=5.0))
    await store.set_status([added.id], RuleStatus.DELETED, now=NOW)
    assert await store.set_status([added.id], RuleStatus.ACTIVE, now=NOW + 1) == 1
    assert await store.rule(added.id) == added
    assert (await store.states())[added.id].transition == 3


async def test_set_status_counts_what_changed(store: Alerts) -> None:
    ids = [(await store.add(rule(), state())).id for _ in range(3)]
    assert await store.set_status(ids[:2], RuleStatus.PAUSED, "delisted") == 2
    assert await store.set_status([*ids, 999], RuleStatus.PAUSED, "delisted") == 1
    assert await store.set_status(ids, RuleStatus.PAUSED, "delisted") == 0
    assert await store.set_status([], RuleStatus.ACTIVE) == 0
    found = await store.rules(statuses=[RuleStatus.PAUSED])
    assert {each.paused_reason for each in found} == {"delisted"}


async def test_more_ids_than_one_statement_takes(store: Alerts) -> None:
    added = await store.add(rule(), state())
    ids = [added.id, *range(10**6, 10**6 + 2500)]
    assert set(await store.states(ids)) == {added.id}
    assert await store.set_status(ids, RuleStatus.PAUSED) == 1


async def test_states_are_replaced_but_never_fall_behind_a_firing(store: Alerts) -> None:
    added = await store.add(rule(), state())
    await store.save_states([state(added.id, transition=2, last_value=1.0, last_ts=NOW)])
    await store.save_states([state(added.id, transition=1, last_value=9.0)])
    assert (await store.states())[added.id].last_value == 1.0
    newer = state(added.id, transition=2, last_value=None, last_ts=NOW + 1, armed=False)
    await store.save_states([newer])
    assert (await store.states())[added.id] == newer


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), float("-inf")])
async def test_figures_that_are_none_are_refused(store: Alerts, bad: float) -> None:
    added = await store.add(rule(), state())
    with pytest.raises(StorageError, match="cannot be stored"):
        await store.save_states([state(added.id, last_value=bad)])
    with pytest.raises(StorageError, match="cannot be stored"):
        await store.fire([firing(added.id, value=bad)], [], [row(added.id)])
    assert (await store.states())[added.id] == state(added.id)
    assert await store.due(NOW) == []


async def test_a_firing_commits_everything_together(store: Alerts) -> None:
    added = await store.add(rule(), state())
    after = state(added.id, transition=1, fired_ts=NOW, fired_count=1)
    assert (
        await store.fire([firing(added.id)], [after], [row(added.id), row(added.id, chat_id=9)])
        == 2
    )
    assert await store.history(GROUP) == [firing(added.id)]
    assert (await store.states())[added.id] == after
    assert [each.chat_id for each in await store.due(NOW)] == [GROUP, 9]


async def test_firing_again_adds_nothing(store: Alerts) -> None:
    added = await store.add(rule(), state())
    after = state(added.id, transition=1)
    assert await store.fire([firing(added.id)], [after], [row(added.id)]) == 1
    assert await store.fire([firing(added.id, text="other")], [after], [row(added.id)]) == 0
    assert await store.fire([], [], [row(added.id), row(added.id, chat_id=9)]) == 1
    assert await store.history(GROUP) == [firing(added.id)]
    (first, second) = await store.due(NOW)
    await store.sending(first.id)
    await store.sent(first.id, 1, NOW)
    assert await store.fire([firing(added.id)], [after], [row(added.id)]) == 0, (
        "sent rows count too"
    )
    assert await store.due(NOW) == [second]


@pytest.mark.parametrize(
    "broken",
    [
        {"firings": [firing(12345)]},
        {"states": [state(12345)]},
        {"rows": [row(1, transition=2, chat_id=2**70)]},
    ],
)
async def test_a_row_that_fails_takes_everything_back(store: Alerts, broken: dict) -> None:  # type: ignore[type-arg]
    added = await store.add(rule(), state())
    with pytest.raises((StorageError, OverflowError)):
        await store.fire(
            [firing(added.id), *broken.get("firings", [])],
            [state(added.id, transition=1), *broken.get("states", [])],
            [row(added.id), *broken.get("rows", [])],
        )
    assert await store.history(GROUP) == []
    assert (await store.states())[added.id].transition == 0
    assert await store.due(NOW) == []
    assert (
        await store.fire([firing(added.id)], [state(added.id, transition=1)], [row(added.id)]) == 1
    )


async def test_a_rule_that_fires_once_is_done_with_the_firing(store: Alerts) -> None:
    once = await store.add(rule(repeat=Repeat.ONCE), state())
    every = await store.add(rule(), state())
    await store.fire([firing(once.id), firing(every.id)], [], [])
    assert {each.id: each.status for each in await store.rules()} == {
        once.id: RuleStatus.DONE,
        every.id: RuleStatus.ACTIVE,
    }
    await store.set_status([once.id], RuleStatus.ACTIVE)
    await store.fire([firing(once.id)], [], [])
    again = await store.rule(once.id)
    assert again is not None
    assert again.status is RuleStatus.ACTIVE, "a firing that was stored before changes nothing"


async def test_a_new_firing_ends_a_rule_that_fires_once_though_an_old_one_comes_with_it(
    store: Alerts,
) -> None:
    once, other = [await store.add(rule(repeat=Repeat.ONCE), state()) for _ in range(2)]
    await store.fire([firing(once.id, 1)], [], [])
    await store.set_status([once.id], RuleStatus.ACTIVE)
    await store.set_status([other.id], RuleStatus.PAUSED, "by hand")
    await store.fire([firing(once.id, 1), firing(once.id, 2), firing(other.id)], [], [], now=NOW)
    found = await store.chosen([once.id, other.id])
    assert found[once.id].status is RuleStatus.DONE
    assert (found[other.id].status, found[other.id].paused_reason) == (RuleStatus.PAUSED, "by hand")


async def test_a_burst_is_one_commit_in_order(store: Alerts) -> None:
    ids = [(await store.add(rule(chat_id=n), state())).id for n in range(10)]
    new = [firing(ids[n % 10], n) for n in range(3000)]
    rows = [row(ids[n % 10], n, chat_id=n % 10) for n in range(3000)]
    states = [state(each, transition=2999) for each in ids]
    assert await store.fire(new, states, rows) == 3000
    found = await store.due(NOW, limit=5000)
    assert [each.transition for each in found] == list(range(3000))
    assert await store.fire(new, states, rows) == 0


async def test_history_is_newest_first_and_of_one_chat(store: Alerts) -> None:
    here, there = await store.add(rule(), state()), await store.add(rule(chat_id=5), state())
    new = [firing(here.id, n, ts=NOW + n % 3) for n in range(6)]
    await store.fire([*new, firing(there.id)], [], [])
    await store.set_status([here.id], RuleStatus.DELETED, now=NOW)
    assert [each.transition for each in await store.history(GROUP)] == [5, 2, 4, 1, 3, 0]
    assert len(await store.history(GROUP, limit=2)) == 2
    assert await store.history(5) == [firing(there.id)]


async def test_firings_of_two_tasks_do_not_mix(store: Alerts) -> None:
    ids = [(await store.add(rule(), state())).id for _ in range(12)]
    counts = await asyncio.gather(
        *(store.fire([firing(each)], [state(each, transition=1)], [row(each)]) for each in ids * 2)
    )
    assert sum(counts) == 12
    assert len(await store.due(NOW)) == 12
    assert all(each.transition == 1 for each in (await store.states()).values())
    assert (await store.due(NOW))[0].chat_id == build.GROUP


async def test_a_burst_of_two_markets_loses_nothing_and_says_when_a_number_was_given_twice(
    store: Alerts, caplog: pytest.LogCaptureFixture
) -> None:
    added = await store.add(rule(subjects=("a", "b")), state())
    first = [firing(added.id, 1, subject="a"), firing(added.id, 2, subject="b")]
    await store.fire(first, [state(added.id, subject="a", transition=1)], [])
    await store.fire(first, [], [])
    assert "firing lost" not in caplog.text, "the same firing again is no loss"
    await store.fire([firing(added.id, 1, subject="b", ts=NOW + 5)], [], [])
    assert f"firing lost rule={added.id} transition=1" in caplog.text
    assert [(each.subject, each.transition) for each in await store.history(GROUP)] == [
        ("b", 2),
        ("a", 1),
    ]


async def test_states_of_subjects_are_kept_apart_with_the_rule_itself_first(store: Alerts) -> None:
    one, two = await store.add(rule(), state()), await store.add(rule(), state())
    several = [state(one.id, subject=each, transition=n) for n, each in enumerate("cab")]
    await store.save_states(several)
    assert await store.states() == {one.id: state(one.id), two.id: state(two.id)}
    found = await store.all_states([one.id])
    assert [each.subject for each in found[one.id]] == ["", "a", "b", "c"]
    assert set(await store.all_states()) == {one.id, two.id}


async def test_an_edit_keeps_number_and_count_and_forgets_the_rest(store: Alerts) -> None:
    added = await store.add(rule(thread_id=7), state(last_value=5.0, armed=False), now=NOW)
    await store.fire([firing(added.id, 4)], [state(added.id, subject="x", transition=4)], [])
    wish = rule(
        id=added.id, text="other", condition=Rise(metric=PRICE, amount=0.1, relative=True),
        repeat=Repeat.ONCE, severity=Severity.CRITICAL, note="n", expires_ts=NOW + 9, daily_cap=3,
        subjects=("x", "y", "@watch"), chat_id=1, owner_id=2, created_ts=3,
    )  # fmt: skip
    edited = await store.replace(wish, state(side=1, last_ts=NOW), update_id=8, now=NOW + 1)
    assert edited == replace(wish, chat_id=GROUP, owner_id=USER, created_ts=NOW, thread_id=7)
    states = (await store.all_states([added.id]))[added.id]
    assert states == [
        state(added.id, subject=each, side=1, last_ts=NOW, transition=4) for each in ("", "x", "y")
    ]
    again = await store.replace(replace(wish, text="third"), state(), update_id=8, now=NOW + 2)
    assert again == edited, "the same update edits once"
    assert await store.made_by(8) == edited
    with pytest.raises(StorageError, match="no alert"):
        await store.replace(replace(wish, id=99), state())


async def test_marks_and_states_are_one_commit(store: Alerts) -> None:
    added = await store.add(rule(), state())
    other = replace(PRICE, name="rsi", window=5, timeframe="1h", param="14")
    await store.save_marks(
        {PRICE: (NOW, 5.0), other: (NOW, float("nan"))}, [state(added.id, side=1)]
    )
    assert await store.marks() == {PRICE: (NOW, 5.0), other: (NOW, None)}
    with pytest.raises(StorageError):
        await store.save_marks({PRICE: (NOW + 1, 6.0)}, [state(12345)])
    assert (await store.marks())[PRICE] == (NOW, 5.0)
    await store.save_marks({PRICE: (NOW + 2, None)}, [])
    assert (await store.marks())[PRICE] == (NOW + 2, None)


async def test_a_rule_can_be_paused_in_the_commit_of_its_firing(store: Alerts) -> None:
    ids = [(await store.add(rule(repeat=each), state())).id for each in (Repeat.EVERY, Repeat.ONCE)]
    new = [firing(each) for each in ids]
    await store.fire(new, [], [row(ids[0])], paused={ids[0]: "storm", ids[1]: "storm"}, now=NOW)
    found = await store.chosen([*ids, 999])
    assert (found[ids[0]].status, found[ids[0]].paused_reason) == (RuleStatus.PAUSED, "storm")
    assert found[ids[1]].status is RuleStatus.DONE, "what ended by itself is not paused"


async def test_what_was_told_is_counted_once_whatever_the_number_of_channels(store: Alerts) -> None:
    added, other = await store.add(rule(), state()), await store.add(rule(), state())
    rows = [
        row(added.id, 1, created_ts=NOW),
        row(added.id, 1, created_ts=NOW, channel="discord"),
        row(added.id, 2, created_ts=NOW + 5),
        row(added.id, 3, created_ts=NOW - 1),
        row(other.id, 1, created_ts=NOW + 9),
    ]
    await store.fire([], [], rows)
    assert await store.told_times([added.id, 77], NOW) == {added.id: [NOW, NOW + 5]}
    assert await store.told_times([], NOW) == {}


async def test_history_leads_to_the_message_or_to_the_one_that_lists_it(store: Alerts) -> None:
    added = await store.add(rule(), state())
    new = [firing(added.id, n, ts=NOW + n, told=n != 3) for n in range(1, 5)]
    rows = [row(added.id, n) for n in (1, 2, 4)]
    await store.fire(
        new, [], [*rows, row(added.id, 1, channel="discord"), row(added.id, 1, chat_id=9)]
    )
    first, second = (await store.due(NOW))[:2]
    await store.sending(first.id)
    await store.sent(first.id, 555, NOW)
    async with store._part.write() as connection:
        change = update(outbox).where(outbox.c.id == second.id)
        await connection.execute(change.values(status="merged", merged_into=first.id))
    found = {each.transition: each for each in await store.history(GROUP)}
    assert {n: (each.message_id, each.delivery) for n, each in found.items()} == {
        1: (555, "sent"), 2: (555, "merged"), 3: (None, ""), 4: (None, "queued"),
    }  # fmt: skip
    assert found[3].told is False
    other = await store.add(rule(), state())
    await store.fire([firing(other.id, ts=NOW + 2)], [], [])
    mine = await store.history(GROUP, 2, rule_id=added.id, before=NOW + 4)
    assert [each.transition for each in mine] == [3, 2]


async def test_only_what_is_over_expires_and_its_message_comes_with_it(store: Alerts) -> None:
    ends = [NOW - 1, NOW, NOW + 1, None, NOW - 5, NOW - 9]
    added = [await store.add(rule(expires_ts=each), state(), now=7) for each in ends]
    await store.set_status([added[0].id], RuleStatus.PAUSED, "x", now=8)
    await store.set_status([added[4].id], RuleStatus.DONE)
    await store.set_status([added[5].id], RuleStatus.DELETED)
    due = await store.due_expiry(NOW, 1)
    assert [(each.rule.id, each.since) for each in due] == [
        (added[0].id, 8), (added[1].id, 7), (added[2].id, 7),
    ]  # fmt: skip
    notices = {each.id: row(-12, each.id) for each in added}
    ended = await asyncio.gather(*(store.expire(notices, NOW) for _ in range(3)))
    assert sorted(ended) == [[], [], [added[0].id, added[1].id]]
    assert [each.transition for each in await store.due(NOW)] == [added[0].id, added[1].id]
    assert await store.expire(notices, NOW) == []
    found = await store.chosen([each.id for each in added])
    assert [found[each.id].status for each in added] == [
        RuleStatus.EXPIRED, RuleStatus.EXPIRED, RuleStatus.ACTIVE, RuleStatus.ACTIVE,
        RuleStatus.DONE, RuleStatus.DELETED,
    ]  # fmt: skip


async def test_snoozing_renewing_counting_and_waking(store: Alerts) -> None:
    added = [await store.add(rule(owner_id=n % 2), state(transition=n)) for n in range(4)]
    ids = [each.id for each in added]
    assert await store.snooze(ids[:2], NOW) == 2
    assert await store.snooze(ids[:3], NOW) == 1
    assert await store.renew([ids[0]], NOW + 5, NOW) == 1
    first = await store.rule(ids[0])
    assert first is not None
    assert (first.snoozed_until, first.expires_ts) == (NOW, NOW + 5)
    assert (await store.count(GROUP), await store.count(GROUP, 1)) == (4, 2)
    await store.set_status(ids[2:], RuleStatus.PAUSED, "why")
    assert await store.count(GROUP) == 2
    fresh = [state(ids[2], transition=2, side=1), state(ids[3], transition=0, side=1)]
    assert await store.activate(ids, fresh, NOW) == 2
    found = await store.states(ids)
    assert (found[ids[2]].side, found[ids[3]].side) == (1, 0), "a state from before a firing is old"
    assert all(each.paused_reason == "" for each in await store.rules())


async def test_what_nobody_needs_any_more_is_removed_and_the_rest_stays(
    store: Alerts, database: Database
) -> None:
    kept, gone = await store.add(rule(), state()), await store.add(rule(), state())
    await store.set_status([gone.id], RuleStatus.DELETED, now=NOW - 31 * DAY)
    old, young = NOW - 31 * DAY, NOW - DAY // 2
    other = replace(PRICE, name="rsi")
    await store.save_marks({PRICE: (5, 1.0), other: (5 + 41 * DAY, 1.0)}, [])
    ends = {"sent": old, "merged": old, "muted": old, "expired": old, "dead": old, "queued": old}
    await store.fire([], [], [row(kept.id, n, created_ts=ts) for n, ts in enumerate(ends.values())])
    lines = [
        {"ts": ts, "row_id": 1, "channel": "telegram", "chat_id": 1, "priority": 4, "event": "sent",
         "detail": ""} for ts in (old, young)
    ]  # fmt: skip
    async with database.main.write() as connection:
        for n, status in enumerate(ends):
            await connection.execute(
                update(outbox).where(outbox.c.transition == n).values(status=status)
            )
        await connection.execute(deliveries.insert(), lines)
        await connection.execute(
            drafts.insert(),
            [{"chat_id": n, "user_id": 1, "body": "{}", "updated_ts": ts}
             for n, ts in enumerate((old, young))],
        )  # fmt: skip
        await connection.execute(
            mutes.insert(), [{"chat_id": 1, "owner_id": n, "until": NOW + n} for n in range(2)]
        )
        await connection.execute(
            scores.insert(),
            [{"rule_id": each, "transition": 1, "horizon": 1, "due_ts": 1, "tried_ts": 0,
              "controls": "[]", "error": ""} for each in (kept.id, gone.id)],
        )  # fmt: skip
    await prune_main(database, NOW)
    async with database.main.read() as connection:
        left = {
            table.name: len((await connection.execute(table.select())).all())
            for table in (outbox, deliveries, drafts, mutes, scores, alert_marks)
        }
    assert left == {
        "outbox": 1, "deliveries": 1, "drafts": 1, "mutes": 1, "scores": 1, "alert_marks": 1,
    }  # fmt: skip
    assert [each.id for each in await store.rules()] == [kept.id]
    assert await store.rule(gone.id) is None
    assert await prune_main(database, NOW) == 0
