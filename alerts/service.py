"""Alerts as people use them: make, list, pause, delete, undo; and the job that looks whether any has come true."""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace

from alerts.describe import Progress, Words
from alerts.kinds import kind_of
from alerts.kinds.words import Compiled
from alerts.metrics import VOLUME, Delisted, Metrics
from alerts.rehearsal import Rehearsal, rehearse
from alerts.states import anew, brought_to_now, first_state
from alerts.types import (
    AlertRule,
    AlertState,
    AlertStore,
    Metric,
    RuleStatus,
    Sample,
    Signal,
)
from alerts.watch import Watch
from exchanges.hub import Market
from market.clock import Clock
from market.errors import SourceError, UserError
from market.language import _
from market.types import DAY, MINUTE, TIMEFRAMES, Instrument

logger = logging.getLogger(__name__)

LIMIT = 50  # active alerts of one chat
UNDO = MINUTE  # wall ms
FRESH = 20_000  # market ms a look may be old to be shown in a list
REHEARSED = 1500  # candles at most
CHAT_GONE = "chat gone"
WAS = "was "  # said of a deleted rule that was not active, for undo
KEPT = (RuleStatus.ACTIVE, RuleStatus.PAUSED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asker:
    """Who wants something of the alerts of a chat. `admin` may change those of others."""

    chat_id: int
    user_id: int
    admin: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """One rule with what is known of it now. `problem`: why its figure is not known."""

    rule: AlertRule
    state: AlertState
    progress: Progress
    sample: Sample | None = None
    problem: str = ""
    existed: bool = False  # it was there before
    active: int = 0  # of the chat
    rehearsal: Rehearsal | None = None


class AlertService:
    """All alerts of all chats. `wake` is set when there is something to deliver."""

    def __init__(
        self, store: AlertStore, market: Market, metrics: Metrics, clock: Clock, wall: Clock
    ) -> None:
        self._store, self._market, self._metrics = store, market, metrics
        self._clock, self._wall = clock, wall
        self._watch = Watch(store, market, metrics, clock, wall)
        self._looking = asyncio.Lock()
        self.wake = asyncio.Event()

    @property
    def words(self) -> Words:
        """How rules are called in the market as it is listed now."""
        return Words(self._market.directory)

    @property
    def bad_data(self) -> int:
        """Data that were not believed since the start."""
        return self._metrics.bad

    @property
    def checked(self) -> int:
        """Market ms of the last check; 0 before the first."""
        return self._watch.checked

    async def start(self) -> None:
        """Take up stored rules; states from a later time of a market that began anew are brought to now."""
        now = self._clock.now()
        self._watch.started = now
        rules = await self._store.rules(statuses=KEPT)
        states = await self._store.states([rule.id for rule in rules])
        ahead = [
            brought_to_now(rule, states[rule.id], now)
            for rule in rules
            if rule.id in states and states[rule.id].last_ts > now
        ]
        if ahead:
            await self._watch.remember(ahead)
            logger.info("alert states brought to now count=%d", len(ahead))
        self.wake.set()

    async def check(self) -> list[Signal]:
        """Look at everything that is watched, once; what came true is committed with its messages."""
        async with self._looking:
            rules = await self._store.rules(statuses=(RuleStatus.ACTIVE,))
            found, gone = await self._watch.look(rules)
            async with self._watch.lock:  # what was paused or deleted meanwhile does not fire
                active = await self._store.rules(statuses=(RuleStatus.ACTIVE,))
                signals = await self._watch.judge(found, active)
                paused = await self._watch.pause_delisted(gone, found.gone) if gone else 0
                self._watch.drop_unused(active)
        if signals or paused:
            self.wake.set()
        return signals

    async def create(
        self,
        kind: str,
        words: Sequence[str],
        asker: Asker,
        *,
        exchange: str,
        thread_id: int | None = None,
        update_id: int | None = None,
        instead_of: AlertRule | None = None,
    ) -> View:
        """Make a rule from typed words. The same text again, or the same update, gives the rule that is there."""
        compiled = kind_of(kind).compile(tuple(words), self._market, exchange)
        existing = await self._store.rules(chat_id=asker.chat_id, statuses=(RuleStatus.ACTIVE,))
        same = [r for r in existing if (r.text, r.thread_id) == (compiled.text, thread_id)]
        if same:
            return replace((await self._views(same))[0], existed=True, active=len(existing))
        replaced = sum(r.id == instead_of.id for r in existing) if instead_of else 0
        if len(existing) - replaced >= LIMIT:
            raise _full()
        samples, problem = await self._now(compiled.condition.metric)
        rule = _rule(kind, compiled, asker, self._clock.now(), thread_id)
        added = await self._store.add(rule, first_state(rule, samples), update_id=update_id)
        state = (await self._watch.states([added]))[added.id]
        return View(
            rule=added,
            state=state,
            sample=samples[-1] if samples else None,
            progress=self.words.progress(added, state, samples),
            problem=problem,
            active=len(existing) + 1 - replaced,
            rehearsal=await self._rehearsal(added),
        )

    async def adjust(
        self, rule_id: int, asker: Asker, *, tighter: bool, exchange: str, update_id: int | None
    ) -> View:
        """The same rule with another threshold, under a new number; the old one is deleted."""
        rule = await self._owned(rule_id, asker)
        words = tuple(rule.text.split()[1:])
        shifted = kind_of(rule.kind).shifted(words, tighter=tighter)
        if shifted == words:
            raise UserError(_("It does not go any further that way."))
        made = await self.create(
            rule.kind, shifted, asker, exchange=exchange, thread_id=rule.thread_id,
            update_id=update_id, instead_of=rule,
        )  # fmt: skip
        if made.rule.id != rule.id:
            await self._set([rule], RuleStatus.DELETED)
        return made

    async def view(self, rule_id: int, asker: Asker) -> View:
        """One rule of the chat."""
        rule = await self._store.rule(rule_id)
        if rule is None or rule.chat_id != asker.chat_id or rule.status is RuleStatus.DELETED:
            raise UserError(_("There is no alert #{id} here.").format(id=rule_id), "/alerts")
        return (await self._views([rule]))[0]

    async def of_chat(self, chat_id: int) -> list[View]:
        """All rules of a chat, those closest to firing first, paused ones last."""
        rules = await self._store.rules(chat_id=chat_id, statuses=KEPT)
        return sorted(await self._views(rules), key=_closeness)

    async def pause(self, rule_ids: Sequence[int], asker: Asker) -> list[AlertRule]:
        """Stop looking at rules until they are resumed; none named means all of the asker's."""
        rules = [r for r in await self._chosen(rule_ids, asker) if r.status is RuleStatus.ACTIVE]
        await self._set(rules, RuleStatus.PAUSED)
        return rules

    async def resume(self, rule_ids: Sequence[int], asker: Asker) -> list[AlertRule]:
        """Look again, from now on: what happened meanwhile does not fire."""
        chosen = await self._chosen(rule_ids, asker)
        rules = [r for r in chosen if r.status in (RuleStatus.PAUSED, RuleStatus.DONE)]
        listed = [r for r in rules if not self._delisted(r)]
        if rules and not listed:
            raise UserError(
                _("Nothing trades there any more, so there is nothing to watch."), "/alerts"
            )
        rules = listed
        await self._room(asker.chat_id, len(rules))
        await self._activate(rules)
        return rules

    async def delete(self, rule_ids: Sequence[int], asker: Asker) -> list[AlertRule]:
        """Delete rules; none named means all of the asker's."""
        rules = await self._chosen(rule_ids, asker)
        for status in (RuleStatus.ACTIVE, RuleStatus.PAUSED, RuleStatus.DONE):
            reason = "" if status is RuleStatus.ACTIVE else f"{WAS}{status}"
            await self._set([r for r in rules if r.status is status], RuleStatus.DELETED, reason)
        return rules

    async def undo(self, deleted_ts: int, rule_ids: Sequence[int], asker: Asker) -> list[AlertRule]:
        """Bring deleted rules back as they were, up to a minute after `deleted_ts` (wall ms)."""
        if not 0 <= self._wall.now() - deleted_ts <= UNDO:
            raise UserError(_("Too late: a deletion can be undone for 60 s."), "/alerts")
        rules = []
        for each in rule_ids:
            rule = await self._store.rule(each)
            if rule is not None and _may(rule, asker) and rule.status is RuleStatus.DELETED:
                rules.append(rule)
        active = [r for r in rules if not r.paused_reason]
        await self._room(asker.chat_id, len(active))
        for status in (RuleStatus.PAUSED, RuleStatus.DONE):
            await self._set([r for r in rules if r.paused_reason == f"{WAS}{status}"], status)
        await self._activate(active)
        return rules

    async def chat_changed(self, chat_id: int, alive: bool) -> None:
        """Pause the rules of a chat that cannot be reached; resume just those when it is back."""
        rules = await self._store.rules(chat_id=chat_id, statuses=KEPT)
        if not alive:
            active = [r for r in rules if r.status is RuleStatus.ACTIVE]
            await self._set(active, RuleStatus.PAUSED, CHAT_GONE)
            return
        await self._activate([r for r in rules if r.paused_reason == CHAT_GONE])

    async def watched(self) -> list[Instrument]:
        """The perps whose open interest an alert needs."""
        rules = await self._store.rules(statuses=(RuleStatus.ACTIVE,))
        found: dict[str, Instrument] = {}
        for metric in {r.condition.metric for r in rules if r.kind == "oi"}:
            try:
                found |= {i.key: i for i in self._metrics.instruments(metric)}
            except SourceError as error:
                logger.info("not watched subject=%s reason=%s", metric.subject, error.reason)
        return [found[key] for key in sorted(found)]

    async def _views(self, rules: Sequence[AlertRule]) -> list[View]:
        now = self._clock.now()
        latest = self._watch.latest
        metrics = {r.condition.metric for r in rules}
        old = {m: now for m in metrics if m not in latest or now - latest[m][0] > FRESH}
        samples = {m: latest[m][1] for m in metrics if m not in old}
        samples |= (await self._watch.fetch(old, now)).samples
        states = await self._watch.states(rules)
        words = self.words
        views = []
        for rule in rules:
            metric, state = rule.condition.metric, states[rule.id]
            found = samples.get(metric, [])
            views.append(
                View(
                    rule=rule,
                    state=state,
                    sample=found[-1] if found else None,
                    progress=words.progress(rule, state, found),
                    problem="" if found else self._watch.problems.get(metric, ""),
                )
            )
        return views

    async def _now(self, metric: Metric) -> tuple[list[Sample], str]:
        """The samples up to now, or why there are none."""
        now = self._clock.now()
        found = await self._watch.fetch({metric: now}, now)
        samples = found.samples.get(metric, [])
        return samples, "" if samples else self._watch.problems.get(
            metric, found.gone.get(metric, "")
        )

    async def _rehearsal(self, rule: AlertRule) -> Rehearsal | None:
        """How often a volume rule would have fired; None for other kinds and where history is missing."""
        metric = rule.condition.metric
        if metric.name != VOLUME:
            return None
        step = TIMEFRAMES[metric.timeframe]
        try:
            candles = await self._metrics.past(metric, min(14 * DAY // step + 97, REHEARSED))
        except SourceError:
            return None
        return rehearse(rule, candles, step)

    async def _chosen(self, rule_ids: Sequence[int], asker: Asker) -> list[AlertRule]:
        if rule_ids:
            return [await self._owned(each, asker) for each in dict.fromkeys(rule_ids)]
        rules = await self._store.rules(chat_id=asker.chat_id)
        return [rule for rule in rules if _may(rule, asker)]

    async def _owned(self, rule_id: int, asker: Asker) -> AlertRule:
        rule = await self._store.rule(rule_id)
        if rule is None or rule.chat_id != asker.chat_id or rule.status is RuleStatus.DELETED:
            raise UserError(_("There is no alert #{id} here.").format(id=rule_id), "/alerts")
        if not _may(rule, asker):
            raise UserError(
                _(
                    "Alert #{id} belongs to somebody else; its owner or an admin can change it."
                ).format(id=rule_id),
                "/alerts",
            )
        return rule

    async def _set(self, rules: Sequence[AlertRule], status: RuleStatus, reason: str = "") -> None:
        if not rules:
            return
        ids = [rule.id for rule in rules]
        async with self._watch.lock:
            await self._store.set_status(ids, status, reason, self._wall.now())
            if status is not RuleStatus.ACTIVE:
                self._watch.forget(ids)

    async def _activate(self, rules: Sequence[AlertRule]) -> None:
        """Look again from now on; the first sample only shows which side the metric is on."""
        if not rules:
            return
        now = self._clock.now()
        async with self._watch.lock:
            states = await self._store.states([rule.id for rule in rules])
            fresh = [anew(r, states[r.id], now) for r in rules if r.id in states]
            await self._watch.remember(fresh)
            ids = [rule.id for rule in rules]
            await self._store.set_status(ids, RuleStatus.ACTIVE, "", self._wall.now())

    def _delisted(self, rule: AlertRule) -> bool:
        try:
            self._metrics.instruments(rule.condition.metric)
        except Delisted:
            return True
        except SourceError:  # not known at the moment: the next look tells
            return False
        return False

    async def _room(self, chat_id: int, more: int) -> None:
        active = await self._store.rules(chat_id=chat_id, statuses=(RuleStatus.ACTIVE,))
        if more and len(active) + more > LIMIT:
            raise _full()


def _full() -> UserError:
    text = _("This chat has {n} active alerts, which is the most; pause or delete one first.")
    return UserError(text.format(n=LIMIT), "/alerts")


def _may(rule: AlertRule, asker: Asker) -> bool:
    return rule.chat_id == asker.chat_id and (asker.admin or rule.owner_id == asker.user_id)


def _closeness(view: View) -> tuple[bool, bool, bool, float, int]:
    left = view.progress.left
    waits = view.progress.met and not view.state.armed  # it has to go back first
    return (
        view.rule.status is not RuleStatus.ACTIVE,
        left is None,
        waits,
        left if left is not None else 0.0,
        view.rule.id,
    )


def _rule(kind: str, made: Compiled, asker: Asker, now: int, thread_id: int | None) -> AlertRule:
    return AlertRule(
        id=0, chat_id=asker.chat_id, owner_id=asker.user_id, kind=kind, text=made.text,
        condition=made.condition, coin=made.coin, repeat=made.repeat, cooldown=made.cooldown,
        created_ts=now, thread_id=thread_id,
    )  # fmt: skip
