"""One look at everything that is watched: fetch each metric once, evaluate, and commit what fired with its messages.

What is stored of a price rule is its state at the last whole minute: after a restart the candles of the minutes
since then tell the rest, and nothing is missed or told twice.
"""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from alerts.describe import Words
from alerts.engine import evaluate
from alerts.flow import rebased
from alerts.message import Message, delisted_payload
from alerts.metrics import CVD, PRICE, VOLUME, Delisted, Metrics
from alerts.types import (
    AlertRule,
    AlertState,
    AlertStore,
    Firing,
    Metric,
    OutboxRow,
    RuleStatus,
    Sample,
    Signal,
)
from exchanges.hub import Market
from market.clock import Clock
from market.errors import SourceError
from market.language import _
from market.types import MINUTE, Reading

logger = logging.getLogger(__name__)

PATIENCE = 10.0  # wall seconds for one metric
AT_ONCE = 16  # metrics asked for at the same time
HOLE = 3 * MINUTE  # between two looks: what became true in it is late
DETAIL_PATIENCE = 3.0  # wall seconds for what a message tells beside the finding
CHANNEL = "telegram"
DELISTED = "delisted"


@dataclass(slots=True, kw_only=True)
class Found:
    """What one look at the market gave."""

    now: int
    samples: dict[Metric, list[Sample]] = field(default_factory=dict)
    before: dict[Metric, int] = field(default_factory=dict)  # the look before, by metric
    gone: dict[Metric, str] = field(default_factory=dict)


@dataclass(slots=True, kw_only=True)
class Verdict:
    """What one look did to one rule. `stored`: what has to be remembered of it now, if anything."""

    rule: AlertRule
    before: AlertState
    after: AlertState
    stored: AlertState | None
    signals: list[Signal]


class Watch:
    """Remembers the states of active rules between looks."""

    def __init__(
        self, store: AlertStore, market: Market, metrics: Metrics, clock: Clock, wall: Clock
    ) -> None:
        self._store, self._market, self._metrics = store, market, metrics
        self._clock, self._wall = clock, wall
        self._states: dict[int, AlertState] = {}
        self._saved: dict[int, AlertState] = {}
        self._venues: dict[int, tuple[str, ...]] = {}  # that a CVD rule was last looked at with
        self._looked: dict[Metric, int] = {}
        self.latest: dict[Metric, tuple[int, list[Sample]]] = {}
        self.problems: dict[Metric, str] = {}
        self.started = 0  # market ms
        self.checked = 0  # market ms of the last look
        self.lock = asyncio.Lock()

    async def look(self, rules: Sequence[AlertRule]) -> tuple[Found, list[AlertRule]]:
        """Fetch what the rules need; also the rules whose market is gone."""
        now = self._clock.now()
        self.started = self.started or now
        states = await self.states(rules)
        since: dict[Metric, int] = {}
        for rule in rules:
            metric = rule.condition.metric
            last = states[rule.id].last_ts or rule.created_ts
            since[metric] = min(since.get(metric, last), last)
        found = await self.fetch(since, now)
        gone = [rule for rule in rules if rule.condition.metric in found.gone]
        return found, gone

    async def fetch(self, since: Mapping[Metric, int], now: int) -> Found:
        """The samples of each metric; what cannot be had is a problem, and nothing is evaluated on it."""
        found = Found(now=now)
        turn = asyncio.Semaphore(AT_ONCE)

        async def one(metric: Metric, start: int) -> None:
            async with turn:
                try:
                    async with asyncio.timeout(PATIENCE):
                        samples = await self._metrics.samples(metric, start, now)
                except Delisted as error:
                    found.gone[metric] = error.reason
                except SourceError as error:
                    self.problems[metric] = f"{error.source}: {error.reason}"
                except TimeoutError:
                    self.problems[metric] = _("no answer in time")
                else:
                    found.samples[metric] = samples
                    self.latest[metric] = (now, samples)
                    self.problems.pop(metric, None)

        await asyncio.gather(*(one(metric, start) for metric, start in since.items()))
        return found

    async def states(self, rules: Iterable[AlertRule]) -> dict[int, AlertState]:
        """The states of the rules, from memory or from the store."""
        wanted = [rule.id for rule in rules]
        found = {each: self._states[each] for each in wanted if each in self._states}
        unknown = [each for each in wanted if each not in found]
        if unknown:
            stored = await self._store.states(unknown)
            for each in unknown:  # a newer state may have come while this one was read
                state = stored.get(each, AlertState(rule_id=each))
                self._saved.setdefault(each, state)
                found[each] = self._states.setdefault(each, state)
        return found

    async def remember(self, states: Sequence[AlertState]) -> None:
        """Store states that were changed by hand, and go on from them."""
        await self._store.save_states(states)
        for state in states:
            self._states[state.rule_id] = self._saved[state.rule_id] = state
            self._venues.pop(state.rule_id, None)

    def forget(self, rule_ids: Iterable[int]) -> None:
        """Rules that are not watched any more; their states are read from the store when they are again."""
        for each in rule_ids:
            for kept in (self._states, self._saved, self._venues):
                kept.pop(each, None)

    async def judge(self, found: Found, rules: Sequence[AlertRule]) -> list[Signal]:
        """Evaluate and commit; call it with the lock held and with rules that are active now."""
        states = await self.states(rules)
        verdicts = [
            self._verdict(rule, states[rule.id], found)
            for rule in rules
            if rule.condition.metric in found.samples
        ]
        fired = [each for each in verdicts if each.signals]
        if fired:
            await self._commit(fired, found.now)
        quiet = [each.stored for each in verdicts if each.stored is not None and not each.signals]
        if quiet:
            await self._store.save_states(quiet)
        for each in verdicts:
            self._states[each.rule.id] = each.after
            reading = found.samples[each.rule.condition.metric][-1].reading
            if reading is not None and each.rule.condition.metric.name == CVD:
                self._venues[each.rule.id] = reading.venues
            if each.stored is not None:
                self._saved[each.rule.id] = each.stored
        for metric in found.samples:
            self._looked[metric] = found.now
        self.checked = found.now
        return [signal for each in fired for signal in each.signals]

    def _verdict(self, rule: AlertRule, state: AlertState, found: Found) -> Verdict:
        metric, now = rule.condition.metric, found.now
        samples = self._own(rule, state, found.samples[metric])
        whole = now // MINUTE * MINUTE
        middle, first = evaluate(rule, state, [s for s in samples if s.ts < whole], now)
        after, second = evaluate(rule, middle, samples, now)
        signals = self._marked([*first, *second], metric, now)
        dropped = len(first) + len(second) - len(signals)
        after = replace(
            after,
            transition=after.transition - dropped,
            fired_count=after.fired_count - dropped,
        )
        kept = middle if metric.name == PRICE and middle.last_ts == whole - 1 else after
        stored = after if signals else kept if self._worth(kept, metric) else None
        return Verdict(rule=rule, before=state, after=after, stored=stored, signals=signals)

    def _own(self, rule: AlertRule, state: AlertState, samples: list[Sample]) -> list[Sample]:
        """The samples as this rule has to see them: a CVD over other venues than before starts anew."""
        if rule.condition.metric.name != CVD or not samples or samples[-1].reading is None:
            return samples
        venues = samples[-1].reading.venues
        if self._venues.get(rule.id) == venues:
            return samples
        return rebased(samples, state.last_ts) if state.side != 0 else samples

    def _worth(self, state: AlertState, metric: Metric) -> bool:
        """Whether a state without a firing has to be stored now."""
        saved = self._saved.get(state.rule_id)
        if saved is None or state.last_ts - saved.last_ts >= MINUTE:
            return state != saved
        if metric.name == PRICE:
            return False
        return (state.armed, state.side, state.fired_ts) != (
            saved.armed,
            saved.side,
            saved.fired_ts,
        )

    def _marked(self, signals: Sequence[Signal], metric: Metric, now: int) -> list[Signal]:
        """Late ones marked; of several that became true while nobody looked only the first is told."""
        looked = self._looked.get(metric)
        hole = looked is not None and now - looked > HOLE
        out: list[Signal] = []
        for signal in signals:
            start = signal.sample.since if signal.sample.since is not None else signal.sample.ts
            late = start < self.started or (hole and signal.sample.ts < now - MINUTE)
            if late and any(each.late for each in out):
                continue
            out.append(replace(signal, late=late))
        return out

    async def _commit(self, fired: Sequence[Verdict], now: int) -> None:
        words = Words(self._market.directory)
        message = Message(words)
        details = await self._details([s for each in fired for s in each.signals])
        firings: list[Firing] = []
        rows: list[OutboxRow] = []
        for each in fired:
            chart = self._chart(each.rule)
            for n, signal in enumerate(each.signals, 1):
                transition = each.before.transition + n
                detail = details.get((each.rule.id, signal.sample.ts), {})
                firings.append(
                    Firing(
                        rule_id=each.rule.id, transition=transition, ts=signal.sample.ts,
                        value=signal.value, threshold=signal.threshold, text=message.headline(signal),
                    )
                )  # fmt: skip
                rows.append(
                    self._row(each.rule, transition, message.payload(signal, now, detail, chart))
                )
        await self._store.fire(firings, [each.after for each in fired], rows)
        logger.info("alerts fired count=%d", len(firings))

    def _row(self, rule: AlertRule, transition: int, payload: str) -> OutboxRow:
        return OutboxRow(
            id=0, alert_id=rule.id, transition=transition, channel=CHANNEL, chat_id=rule.chat_id,
            payload=payload, created_ts=self._wall.now(), thread_id=rule.thread_id,
        )  # fmt: skip

    def _chart(self, rule: AlertRule) -> str:
        """The instrument to draw: the one watched, or the first of several."""
        try:
            return self._metrics.instruments(rule.condition.metric)[0].key
        except SourceError:
            return ""

    async def _details(
        self, signals: Sequence[Signal]
    ) -> dict[tuple[int, int], Mapping[str, Reading[float]]]:
        """What messages tell beside their finding, as far as it is there in time."""
        details: dict[tuple[int, int], Mapping[str, Reading[float]]] = {}

        async def one(signal: Signal) -> None:
            found = await self._metrics.detail(signal.rule.condition.metric, signal.sample)
            details[signal.rule.id, signal.sample.ts] = found

        wanted = [s for s in signals if s.rule.condition.metric.name == VOLUME]
        try:
            async with asyncio.timeout(DETAIL_PATIENCE):
                await asyncio.gather(*(one(signal) for signal in wanted))
        except TimeoutError:
            logger.info("details not there in time")
        return details

    async def pause_delisted(self, gone: Sequence[AlertRule], reasons: Mapping[Metric, str]) -> int:
        """Pause rules whose market is gone, and tell; returns how many."""
        by_id = {rule.id: rule for rule in gone}
        active = await self._store.rules(statuses=(RuleStatus.ACTIVE,))
        rules = [rule for rule in active if rule.id in by_id]
        words = Words(self._market.directory)
        states = await self.states(rules)
        told, rows = [], []
        for rule in rules:
            state = states[rule.id]
            told.append(replace(state, transition=state.transition + 1))
            payload = delisted_payload(rule, words.sentence(rule), reasons[rule.condition.metric])
            rows.append(self._row(rule, state.transition + 1, payload))
        if rules:
            await self._store.fire([], told, rows)
            ids = [rule.id for rule in rules]
            await self._store.set_status(ids, RuleStatus.PAUSED, DELISTED, self._wall.now())
            self.forget(ids)
        return len(rules)

    def drop_unused(self, rules: Sequence[AlertRule]) -> None:
        """Forget metrics and states that no rule needs any more."""
        used = {rule.condition.metric for rule in rules}
        ids = {rule.id for rule in rules}
        for kept in (self._looked, self.problems):
            for metric in [each for each in kept if each not in used]:
                del kept[metric]
        for metric in [
            m for m, (at, _s) in self.latest.items() if m not in used and at < self.checked - HOLE
        ]:
            del self.latest[metric]
        self.forget([each for each in self._states if each not in ids])


def group(rules: Iterable[AlertRule]) -> dict[Metric, list[AlertRule]]:
    """Rules by what they watch."""
    groups: dict[Metric, list[AlertRule]] = defaultdict(list)
    for rule in rules:
        groups[rule.condition.metric].append(rule)
    return groups
