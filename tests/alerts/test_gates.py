"""Which firings are told: snoozes, storms, caps, and what is stored of the others."""

import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from alerts.gates import (
    STORM,
    STORM_WITHIN,
    STORMED,
    Drop,
    Facts,
    Gates,
    Pause,
    Silent,
    Tell,
    Verdict,
    after,
    decide,
)
from alerts.limits import DAILY_CAP, day_of, morning_after
from alerts.types import (
    AlertRule,
    AlertState,
    Cross,
    Firing,
    Metric,
    Op,
    Priority,
    Repeat,
    RuleStatus,
    Sample,
    Severity,
    Signal,
)
from market.clock import FixedClock
from market.types import DAY, HOUR, MINUTE
from storage.alerts import Alerts
from storage.db import Database

NOW = 1_790_000_000_000  # 2026-09-21 14:13:20 UTC
PRICE = Metric(subject="binance:BTC/USDT:USDT", name="price")


def rule(rule_id: int = 1, **fields: object) -> AlertRule:
    whole = AlertRule(
        id=rule_id, chat_id=5, owner_id=6, kind="price", text=f"/alert {rule_id}", coin="BTC",
        condition=Cross(metric=PRICE, op=Op.ABOVE, level=100.0),
    )  # fmt: skip
    return replace(whole, **fields)  # type: ignore[arg-type]


def signal(of: AlertRule, *, late: bool = False, subject: str = "") -> Signal:
    sample = Sample(ts=NOW, value=101.0)
    return Signal(rule=of, sample=sample, value=101.0, threshold=100.0, late=late, subject=subject)


@pytest.mark.parametrize(
    ("fields", "facts", "kind"),
    [
        ({}, Facts(now=NOW), Tell),
        ({"status": RuleStatus.PAUSED}, Facts(now=NOW), Drop),
        ({"status": RuleStatus.DELETED, "snoozed_until": NOW + 1}, Facts(now=NOW), Drop),
        ({"expires_ts": NOW}, Facts(now=NOW), Drop),
        ({"expires_ts": NOW + 1}, Facts(now=NOW), Tell),
        ({"expires_ts": NOW, "snoozed_until": NOW + 1}, Facts(now=NOW), Drop),
        ({"snoozed_until": NOW + 1}, Facts(now=NOW), Silent),
        ({"snoozed_until": NOW}, Facts(now=NOW), Tell),
        ({"snoozed_until": NOW + 1}, Facts(now=NOW, lately=99), Silent),
        ({}, Facts(now=NOW, lately=STORM - 2), Tell),
        ({}, Facts(now=NOW, lately=STORM - 1), Pause),
        ({}, Facts(now=NOW, lately=STORM - 1, told=DAILY_CAP), Pause),
        ({}, Facts(now=NOW, told=DAILY_CAP - 1), Tell),
        ({}, Facts(now=NOW, told=DAILY_CAP), Silent),
        ({"severity": Severity.CRITICAL}, Facts(now=NOW, told=DAILY_CAP), Silent),
        ({"daily_cap": 2}, Facts(now=NOW, told=2), Silent),
        ({"daily_cap": 500}, Facts(now=NOW, told=DAILY_CAP), Tell),
    ],
)
def test_the_first_gate_that_says_no_decides(
    fields: dict[str, object], facts: Facts, kind: type[Verdict]
) -> None:
    asked = rule(**fields)
    assert isinstance(decide(asked, signal(asked), facts), kind)


def test_what_became_true_while_nobody_looked_is_no_storm() -> None:
    assert decide(rule(), signal(rule(), late=True), Facts(now=NOW, lately=99)) == Tell()


def test_the_last_one_of_the_day_says_so() -> None:
    assert decide(rule(daily_cap=3), signal(rule()), Facts(now=NOW, told=1)) == Tell()
    found = decide(rule(daily_cap=3), signal(rule()), Facts(now=NOW, told=2))
    assert isinstance(found, Tell)
    assert "number 3 today" in found.note


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Alerts]:
    database = Database.open(f"sqlite:///{tmp_path}/gates.db")
    await database.start()
    yield Alerts(database)
    await database.close()


class Desk:
    """Rules that fire whenever they are told to, through the gates into a real store."""

    def __init__(self, store: Alerts, zone: str = "UTC") -> None:
        self.store, self.wall = store, FixedClock(NOW)
        self.zone, self.expected = zone, False
        self.transitions: dict[int, int] = {}
        self.restart()

    def restart(self) -> None:
        async def zones(chats: Sequence[int]) -> dict[int, str]:
            return dict.fromkeys(chats, self.zone)

        self.gates = Gates(self.store, self.wall, zones)

    async def make(self, **fields: object) -> AlertRule:
        return await self.store.add(rule(**fields), AlertState(rule_id=0))

    async def fire(self, *signals: Signal) -> list[Verdict]:
        """What was decided; it is committed."""
        rules = await self.store.chosen([each.rule.id for each in signals])
        if self.expected:
            await self.gates.expect(rules)
        verdicts = await self.gates.judge(signals, rules)
        for each, verdict in zip(signals, verdicts, strict=True):
            number = self.transitions[each.rule.id] = self.transitions.get(each.rule.id, 0) + 1
            firing = Firing(
                rule_id=each.rule.id, transition=number, ts=NOW, value=1, threshold=1, text="up"
            )
            stored = rules[each.rule.id]
            found = after(verdict, firing, stored, '{"headline": "up"}', self.wall.now())
            if found is not None:
                paused = {stored.id: found.paused} if found.paused else {}
                rows = [found.row] if found.row else []
                await self.store.fire([found.firing], [], rows, paused=paused)
        return verdicts

    async def times(self, of: AlertRule, count: int, apart: int, **more: bool) -> list[Verdict]:
        found = []
        for _n in range(count):
            found += await self.fire(signal(of, **more))
            self.wall.advance(apart)
        return found


@pytest.fixture(params=["expected", "at once"])
def desk(store: Alerts, request: pytest.FixtureRequest) -> Desk:
    """`expected`: what rules did is read before they are judged, as the committer does it."""
    desk = Desk(store)
    desk.expected = request.param == "expected"
    return desk


async def test_the_fifteenth_firing_in_three_minutes_pauses_the_rule_with_one_message(
    desk: Desk,
) -> None:
    made, other = await desk.make(), await desk.make(text="other")
    found = await desk.times(made, 40, 1000)
    assert [type(each) for each in found] == [Tell] * 14 + [Pause] + [Drop] * 25
    stored = await desk.store.rule(made.id)
    assert stored is not None
    assert (stored.status, stored.paused_reason) == (RuleStatus.PAUSED, STORMED)
    rows = await desk.store.due(10**15)
    assert [row.transition for row in rows] == list(range(1, 16))
    last = json.loads(rows[-1].payload)
    assert "fired 15 times" in last["reading"]
    assert last["buttons"][0][0]["action"] == "alert:resume"
    assert await desk.fire(signal(other)) == [Tell()], "others go on"


async def test_a_storm_within_one_batch_is_a_storm_too(desk: Desk) -> None:
    made = await desk.make()
    found = await desk.fire(*[signal(made, subject=str(n)) for n in range(20)])
    assert [type(each) for each in found] == [Tell] * 14 + [Pause] + [Drop] * 5


async def test_fifteen_firings_over_more_than_three_minutes_are_no_storm(desk: Desk) -> None:
    made = await desk.make(daily_cap=100)
    found = await desk.times(made, 40, STORM_WITHIN // (STORM - 1) + 1)
    assert found == [Tell()] * 40


async def test_a_rule_that_is_resumed_after_a_storm_may_fire_again(desk: Desk) -> None:
    made = await desk.make(daily_cap=100)
    await desk.times(made, 15, 1000)
    await desk.store.set_status([made.id], RuleStatus.ACTIVE)
    found = await desk.times(made, 15, 1000)
    assert [type(each) for each in found] == [Tell] * 14 + [Pause]


async def test_a_restart_forgets_neither_the_storm_nor_the_cap(desk: Desk) -> None:
    made, capped = await desk.make(), await desk.make(text="b", daily_cap=3)
    await desk.times(made, 10, 1000)
    await desk.times(capped, 2, HOUR // 60)
    desk.restart()
    found = await desk.times(capped, 3, 1000)
    assert [type(each) for each in found] == [Tell, Silent, Silent]
    desk.restart()
    assert [type(each) for each in await desk.times(made, 5, 1000)] == [Tell] * 4 + [Pause]


async def test_a_rule_over_several_has_one_cap_for_all(desk: Desk) -> None:
    made = await desk.make(daily_cap=4, subjects=("a", "b", "c"))
    found = await desk.fire(*[signal(made, subject=each) for each in "abcabc"])
    assert [isinstance(each, Tell) for each in found] == [True] * 4 + [False] * 2


async def test_the_cap_ends_with_the_day_of_the_chat(store: Alerts) -> None:
    desk = Desk(store, "Asia/Tokyo")  # 23:13 there: three quarters of an hour are left
    made = await desk.make(daily_cap=1)
    assert [type(each) for each in await desk.times(made, 5, 15 * MINUTE)] == [
        Tell, Silent, Silent, Silent, Tell,
    ]  # fmt: skip


async def test_what_is_silent_is_in_the_history_with_its_reason_and_has_no_message(
    desk: Desk,
) -> None:
    made = await desk.make(snoozed_until=NOW + HOUR)
    await desk.times(made, 30, 1000)
    assert await desk.store.due(10**15) == []
    found = await desk.store.history(5, 100)
    assert len(found) == 30
    assert {each.told for each in found} == {False}
    assert found[0].text == "up (not told: snoozed)"
    desk.wall.set(NOW + HOUR)
    assert await desk.fire(signal(made)) == [Tell()], "the snooze is over, and counted for nothing"


async def test_what_could_not_be_committed_is_not_counted(desk: Desk) -> None:
    made = await desk.make(daily_cap=1)
    rules = await desk.store.chosen([made.id])
    for _n in range(3):
        (found,) = await desk.gates.judge([signal(made)], rules)
        assert isinstance(found, Tell)
        desk.gates.forget([made.id])
    (found,) = await desk.gates.judge([signal(made)], {})
    assert isinstance(found, Drop)


async def test_once_is_once_within_a_batch(desk: Desk) -> None:
    made = await desk.make(repeat=Repeat.ONCE)
    found = await desk.fire(signal(made, subject="a"), signal(made, subject="b"))
    assert [type(each) for each in found] == [Tell, Drop]


async def test_critical_firings_go_before_others(desk: Desk) -> None:
    for severity in (Severity.CRITICAL, Severity.INFO):
        made = await desk.make(severity=severity, thread_id=9, text=str(severity))
        await desk.fire(signal(made))
    rows = await desk.store.due(10**15)
    found = {(row.priority, row.severity, row.thread_id, row.coin) for row in rows}
    assert found == {
        (Priority.CRITICAL, Severity.CRITICAL, 9, "BTC"),
        (Priority.ALERT, Severity.INFO, 9, "BTC"),
    }


def test_days_are_those_of_the_zone_across_changes_of_the_clock() -> None:
    spring = 1_774_749_600_000  # 2026-03-29 02:00 UTC, in Berlin the day of 23 hours
    first, end = day_of(spring, "Europe/Berlin")
    assert (end - first, first <= spring < end) == (23 * HOUR, True)
    first, end = day_of(1_792_897_200_000, "Europe/Berlin")  # 2026-10-25
    assert end - first == 25 * HOUR
    assert day_of(NOW, "No/Where") == (NOW // DAY * DAY, NOW // DAY * DAY + DAY)
    assert morning_after(NOW, "UTC") == NOW // DAY * DAY + DAY + 8 * HOUR
    assert morning_after(spring - DAY, "Europe/Berlin") == spring - 2 * HOUR + 6 * HOUR
