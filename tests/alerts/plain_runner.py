"""A runner as simple as can be: one price, each rule looked at on each trade, firings committed at once."""

import asyncio
from collections.abc import Iterable, Sequence

from alerts.conditions import leaves
from alerts.engine import evaluate
from alerts.gates import Gates, Outcome, after
from alerts.legs import leg_of
from alerts.protocols import AlertStore
from alerts.types import AlertRule, AlertState, Firing, Look, Metric, Sample
from market.clock import Clock
from market.types import Instrument


class PlainRunner:
    """`alerts.protocols.Runner` for tests."""

    def __init__(self, store: AlertStore, clock: Clock, wall: Clock) -> None:
        self.lock = asyncio.Lock()
        self._store, self._clock, self._wall = store, clock, wall
        self.gates = Gates(store, wall)
        self.armed: dict[int, tuple[AlertRule, AlertState]] = {}
        self.last: Sample | None = None

    async def arm(self, rules: Sequence[AlertRule]) -> None:
        assert self.lock.locked(), "a rule is armed under the lock"
        states = await self._store.states([rule.id for rule in rules])
        self.armed |= {rule.id: (rule, states[rule.id]) for rule in rules}

    async def drop(self, rule_ids: Iterable[int]) -> None:
        assert self.lock.locked(), "a rule is dropped under the lock"
        ids = [each for each in rule_ids if each in self.armed]
        await self._store.save_states([self.armed.pop(each)[1] for each in ids])

    async def look(self, rule: AlertRule) -> Look:
        samples = [self.last] if self.last else []
        own = list(leaves(rule.condition))
        return Look(
            legs=tuple(leg_of(leaf, samples) for leaf in own),
            problems=() if samples else ("no trade yet",),
            samples={leaf.metric: samples for leaf in own},
        )

    def states(self, rule_id: int) -> list[AlertState]:
        return []

    def problem(self, metric: Metric) -> str:
        return "" if self.last else "no trade yet"

    def watched(self) -> list[Instrument]:
        return []

    async def trade(self, price: float) -> list[Outcome]:
        """Everything armed looks at one price; what was stored of it."""
        now = self._clock.now()
        self.last = Sample(ts=now, value=price)
        found: list[Outcome] = []
        async with self.lock:
            for rule_id, (rule, state) in list(self.armed.items()):
                new, signals = evaluate(rule, state, [self.last], now)
                self.armed[rule_id] = (rule, new)
                if not signals:
                    continue
                stored = await self._store.chosen([rule_id])
                (verdict,) = await self.gates.judge(signals, stored)
                firing = Firing(
                    rule_id=rule_id, transition=new.transition, ts=now, value=price,
                    threshold=signals[0].threshold, text="up",
                )  # fmt: skip
                outcome = after(
                    verdict, firing, stored[rule_id], '{"headline": "up"}', self._wall.now()
                )
                if outcome is None:
                    continue
                await self._commit(outcome, new)
                found.append(outcome)
        return found

    async def _commit(self, outcome: Outcome, state: AlertState) -> None:
        rule_id = outcome.firing.rule_id
        await self._store.fire(
            [outcome.firing], [state], [outcome.row] if outcome.row else [],
            paused={rule_id: outcome.paused} if outcome.paused else {}, now=self._wall.now(),
        )  # fmt: skip
        if outcome.paused:
            del self.armed[rule_id]
