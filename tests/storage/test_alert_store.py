"""Rules, states and firings."""

import asyncio

import pytest
import storage_builders as build
from storage_builders import GROUP, NOW, firing, row, rule, state

from alerts.types import Repeat, RuleStatus
from storage.alerts import Alerts
from storage.db import Database
from storage.errors import StorageError


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
