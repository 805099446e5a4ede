"""Lives of alerts in any order of events: numbers never shift, no firing is told that must not be, undo undoes.

A model as plain as the rules of the brief says what has to be in the store after each step.
"""

import asyncio
import shutil
import tempfile
from collections.abc import Coroutine
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

from alert_market import START, FakeMarket
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from plain_runner import PlainRunner

from alerts.gates import STORM, STORMED
from alerts.limits import DAILY_CAP, daily_cap
from alerts.making import Asker
from alerts.metrics import Metrics
from alerts.service import AlertService
from alerts.types import AlertRule, AlertState, Firing, Notice, RuleStatus
from market.clock import FixedClock
from market.errors import UserError
from market.types import DAY, HOUR, MINUTE
from storage.alerts import Alerts
from storage.db import Database

T = TypeVar("T")

CHAT = 500
WALL = 1_790_000_000_000
ME, OTHER = Asker(chat_id=CHAT, user_id=70), Asker(chat_id=CHAT, user_id=71)
LEVELS = (100, 101, 102, 103)
OPTIONS = ("", "once", "always", "until 3h", "until 2d", "cap 2/day", "always cap 100/day")
PRICES = st.sampled_from((95.0, 99.0, 100.0, 101.5, 104.0))
PICK = st.integers(0, 1000)
RARELY = st.sampled_from((False, False, False, False, True))


@dataclass
class Life:
    """What is expected of one rule. `before` is what it was when it was deleted."""

    owner: int
    status: RuleStatus = RuleStatus.ACTIVE
    snoozed_until: int = 0
    expires: int | None = None
    deleted_ts: int = -1
    before: AlertRule | None = None
    remembered: list[AlertState] = field(default_factory=list)  # when it was deleted
    told: list[int] = field(default_factory=list)  # wall ms
    transitions: list[int] = field(default_factory=list)


class Lives(RuleBasedStateMachine):
    """The real service and store; a price that everything looks at."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.folder = Path(tempfile.mkdtemp())
        self.lives: dict[int, Life] = {}
        self.updates = 0

    def do(self, work: Coroutine[Any, Any, T]) -> T:
        return self.loop.run_until_complete(work)

    @initialize()
    def begin(self) -> None:
        self.clock, self.wall = FixedClock(START), FixedClock(WALL)
        self.market = FakeMarket(self.clock)
        self.market.trade(95.0)
        self.database = Database.open(f"sqlite:///{self.folder}/desk.db")
        self.do(self.database.start())
        self.store = Alerts(self.database)
        self.runner = PlainRunner(self.store, self.clock, self.wall)
        self.do(self.runner.trade(95.0))
        self.build()
        for level, options in zip(LEVELS, ("", "always", "once", "cap 2/day"), strict=True):
            self.create(level, options, True)

    def build(self) -> None:
        market: Any = self.market
        self.service = AlertService(
            self.store, market, Metrics(market), self.clock, self.wall, self.runner
        )

    def teardown(self) -> None:
        if hasattr(self, "database"):
            self.do(self.database.close())
        self.loop.close()
        shutil.rmtree(self.folder)

    def pass_time(self, ms: int) -> None:
        self.clock.advance(ms)
        self.wall.advance(ms)

    def chosen(self, pick: int, *statuses: RuleStatus) -> int | None:
        ids = [i for i, life in self.lives.items() if not statuses or life.status in statuses]
        return ids[pick % len(ids)] if ids else None

    def expect(self, rule_id: int, made: AlertRule) -> Life:
        life = self.lives.setdefault(rule_id, Life(owner=made.owner_id))
        life.status, life.expires = made.status, made.expires_ts
        return life

    # What people do

    @rule(level=st.sampled_from(LEVELS), options=st.sampled_from(OPTIONS), mine=st.booleans())
    def create(self, level: int, options: str, mine: bool) -> None:
        """The same update twice is one alert, and so is the same text."""
        self.updates += 1
        words = f"BTC above {level} {options}".split()
        asker = ME if mine else OTHER
        made = self.do(
            self.service.create("price", words, asker, exchange="binance", update_id=self.updates)
        )
        again = self.do(
            self.service.create("price", words, asker, exchange="binance", update_id=self.updates)
        )
        assert again.rule.id == made.rule.id
        if not made.existed:
            assert made.rule.id == max(self.lives, default=0) + 1, "no number is given twice"
            self.expect(made.rule.id, made.rule)

    @rule(pick=PICK, level=st.sampled_from(LEVELS), options=st.sampled_from(OPTIONS))
    def edit(self, pick: int, level: int, options: str) -> None:
        found = self.chosen(
            pick, RuleStatus.ACTIVE, RuleStatus.PAUSED, RuleStatus.DONE, RuleStatus.EXPIRED
        )
        if found is None:
            return
        self.updates += 1
        words = f"BTC above {level} {options}".split()
        asker = replace(ME, admin=True)
        before = self.lives[found].status
        try:
            made = self.do(
                self.service.edit(
                    found, "price", words, asker, exchange="binance", update_id=self.updates
                )
            )
        except UserError:
            rules = self.do(self.store.rules(chat_id=CHAT, statuses=(RuleStatus.ACTIVE,)))
            same = [each.id for each in rules if f"above {level}" in each.text]
            assert same, "an edit is refused only where there is such an alert already"
            return
        again = self.do(
            self.service.edit(
                found, "price", words, asker, exchange="binance", update_id=self.updates
            )
        )
        assert (again.rule, made.rule.id) == (made.rule, found)
        life = self.expect(found, made.rule)
        assert life.status is (
            RuleStatus.PAUSED if before is RuleStatus.PAUSED else RuleStatus.ACTIVE
        )

    @rule(pick=PICK, every=RARELY)
    def pause(self, pick: int, every: bool) -> None:
        found = self.chosen(pick, RuleStatus.ACTIVE)
        if found is None:
            return
        asker = replace(ME, admin=True)
        rules = self.do(self.service.pause([] if every else [found], asker))
        for each in rules:
            assert self.lives[each.id].status is RuleStatus.ACTIVE
            self.lives[each.id].status = RuleStatus.PAUSED

    @rule(pick=PICK, every=RARELY)
    def resume(self, pick: int, every: bool) -> None:
        found = self.chosen(pick, RuleStatus.PAUSED, RuleStatus.DONE)
        if found is None:
            return
        rules = self.do(self.service.resume([] if every else [found], replace(ME, admin=True)))
        for each in rules:
            life = self.lives[each.id]
            assert life.status in (RuleStatus.PAUSED, RuleStatus.DONE)
            assert life.expires is None or life.expires > self.wall.now()
            life.status = RuleStatus.ACTIVE

    @rule(pick=PICK, choice=st.sampled_from(("15m", "1h", "tomorrow", "off")))
    def snooze(self, pick: int, choice: str) -> None:
        found = self.chosen(pick, RuleStatus.ACTIVE)
        if found is None:
            return
        (made,) = self.do(self.service.snooze([found], replace(ME, admin=True), choice))
        assert (made.snoozed_until > self.wall.now()) is (choice != "off")
        self.lives[found].snoozed_until = made.snoozed_until

    @rule(pick=PICK)
    def renew(self, pick: int) -> None:
        found = self.chosen(pick, RuleStatus.ACTIVE, RuleStatus.PAUSED, RuleStatus.EXPIRED)
        if found is None:
            return
        made = self.do(self.service.renew(found, replace(ME, admin=True)))
        before = self.lives[found].status
        life = self.expect(found, made)
        assert life.expires == self.wall.now() + 7 * DAY
        assert life.status is (RuleStatus.ACTIVE if before is RuleStatus.EXPIRED else before)

    @rule(pick=PICK, every=RARELY)
    def delete(self, pick: int, every: bool) -> None:
        found = self.chosen(
            pick, RuleStatus.ACTIVE, RuleStatus.PAUSED, RuleStatus.DONE, RuleStatus.EXPIRED
        )
        if found is None:
            return
        stored = self.do(self.store.chosen(list(self.lives)))
        self.do(self.store.save_states([state for _rule, state in self.runner.armed.values()]))
        states = self.do(self.store.all_states())
        rules = self.do(self.service.delete([] if every else [found], replace(ME, admin=True)))
        for each in rules:
            life = self.lives[each.id]
            assert life.status is not RuleStatus.DELETED
            life.status, life.deleted_ts = RuleStatus.DELETED, self.wall.now()
            life.before = stored[each.id]
            life.remembered = states[each.id]

    @rule(pick=PICK, late=st.booleans())
    def undo(self, pick: int, late: bool) -> None:
        found = self.chosen(pick, RuleStatus.DELETED)
        if found is None:
            return
        deleted = self.lives[found].deleted_ts
        ids = [i for i, life in self.lives.items() if life.deleted_ts == deleted and life.before]
        ids = [i for i in ids if self.lives[i].status is RuleStatus.DELETED]
        if late:
            self.pass_time(MINUTE + 1)
        try:
            rules = self.do(self.service.undo(deleted, ids, replace(ME, admin=True)))
        except UserError:
            assert self.wall.now() - deleted > MINUTE
            return
        assert self.wall.now() - deleted <= MINUTE
        assert [each.id for each in rules] == ids
        stored, states = self.do(self.store.chosen(ids)), self.do(self.store.all_states())
        for each in ids:
            life = self.lives[each]
            assert states[each] == life.remembered
            if each in self.runner.armed:
                assert [self.runner.armed[each][1]] == life.remembered
            assert stored[each] == life.before, "undo restores exactly"
            life.status, life.before = stored[each].status, None

    # What happens

    @rule(price=PRICES, seconds=st.sampled_from((1, 30, 400)))
    def trade(self, price: float, seconds: int) -> None:
        self.pass_time(seconds * 1000)
        self.market.trade(price)
        self.look(price)

    @rule(times=st.sampled_from((2, 4, 2 * STORM)), seconds=st.sampled_from((2, 301)))
    def flap(self, times: int, seconds: int) -> None:
        """A price that cannot decide."""
        for n in range(times):
            self.pass_time(seconds * 1000)
            self.look(95.0 if n % 2 else 104.0)

    def look(self, price: float) -> None:
        now = self.wall.now()
        for outcome in self.do(self.runner.trade(price)):
            firing = outcome.firing
            life = self.lives[firing.rule_id]
            assert life.status is RuleStatus.ACTIVE, "what is not active does not fire"
            assert life.expires is None or now < life.expires
            assert (outcome.row is not None) is firing.told
            life.transitions.append(firing.transition)
            stored = self.do(self.store.rule(firing.rule_id))
            assert stored is not None
            life.status = stored.status
            if outcome.paused:
                assert (stored.status, stored.paused_reason) == (RuleStatus.PAUSED, STORMED)
            today = sum(each >= now // DAY * DAY for each in life.told)
            cap = daily_cap(stored.daily_cap)
            if not firing.told:
                assert now < life.snoozed_until or today >= cap, (
                    "nothing is silent without a reason"
                )
                continue
            assert now >= life.snoozed_until, "nothing is told while it is snoozed"
            assert today < cap or outcome.paused
            life.told.append(now)

    @rule(hours=st.sampled_from((1, 2, 3, 24, 47)))
    def wait(self, hours: int) -> None:
        self.pass_time(hours * HOUR)

    @rule()
    def expire(self) -> None:
        now = self.wall.now()
        due = {
            i for i, life in self.lives.items()
            if life.status in (RuleStatus.ACTIVE, RuleStatus.PAUSED)
            and life.expires is not None and life.expires <= now
        }  # fmt: skip
        assert {each.id for each in self.do(self.service.expire_due())} == due
        for each in due:
            self.lives[each].status = RuleStatus.EXPIRED

    @rule()
    def restart(self) -> None:
        """Everything that is only remembered is gone."""
        before = self.runner
        self.runner = PlainRunner(self.store, self.clock, self.wall)
        self.runner.last = before.last
        self.build()

        async def load() -> None:
            async with before.lock:
                await before.drop(list(before.armed))
            async with self.runner.lock:
                await self.runner.arm(await self.store.rules(statuses=[RuleStatus.ACTIVE]))

        self.do(load())

    # What must always be so

    @invariant()
    @precondition(lambda self: hasattr(self, "store"))
    def the_store_is_as_expected(self) -> None:
        stored = self.do(self.store.chosen(list(self.lives)))
        assert set(stored) == set(self.lives)
        assert {i: each.status for i, each in stored.items()} == {
            i: life.status for i, life in self.lives.items()
        }
        assert {i: each.owner_id for i, each in stored.items()} == {
            i: life.owner for i, life in self.lives.items()
        }
        active = {i for i, life in self.lives.items() if life.status is RuleStatus.ACTIVE}
        assert set(self.runner.armed) >= active, "what is active is watched"
        fired = {i for i, life in self.lives.items() if life.status is RuleStatus.DONE}
        assert set(self.runner.armed) <= active | fired, "what is not active is not watched"

    @invariant()
    @precondition(lambda self: hasattr(self, "store"))
    def no_transition_is_given_twice(self) -> None:
        for life in self.lives.values():
            assert life.transitions == sorted(set(life.transitions))
        found: list[Firing] = self.do(self.store.history(CHAT, 10_000))
        assert len(found) == sum(len(life.transitions) for life in self.lives.values())
        rows = [
            r for r in self.do(self.store.due(10**16, 10_000)) if r.alert_id not in list(Notice)
        ]
        told = {(each.rule_id, each.transition) for each in found if each.told}
        assert {(row.alert_id, row.transition) for row in rows} == told


Lives.TestCase.settings = settings(
    max_examples=10,
    stateful_step_count=30,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
TestLives = Lives.TestCase
assert DAILY_CAP >= STORM, "a storm is met before the cap is"
