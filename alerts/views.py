"""Rules with what is known of them now: for cards, lists, and the question whether one would fire."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from alerts.conditions import denied, is_simple, leaves
from alerts.describe import Words
from alerts.legs import leg_of
from alerts.lifecycle import Phase, Standing, phase_words, standing
from alerts.progress import Progress
from alerts.protocols import AlertStore, Runner
from alerts.rehearsal import NotRehearsed, Rehearsal
from alerts.types import (
    AlertRule,
    AlertState,
    AnyOf,
    Cross,
    Event,
    Leg,
    Look,
    Metric,
    RuleStatus,
    Sample,
)
from exchanges.hub import Market
from market.clock import Clock
from market.language import _

INACTIVE = Standing(phase=Phase.INACTIVE)
NOBODY = AlertRule(
    id=0, chat_id=0, owner_id=0, kind="", text="", condition=AnyOf(parts=()), coin=""
)  # to look at the figures of many rules at once


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """One rule with what is known of it now. `problem`: why its figure is not known; `why`: the same by metric."""

    rule: AlertRule
    state: AlertState  # of the subject that is nearest
    progress: Progress
    sample: Sample | None = None
    problem: str = ""
    why: Mapping[Metric, str] = field(default_factory=dict)
    existed: bool = False  # it was there before
    active: int = 0  # rules of the asker in the chat
    limit: int = 0  # of those
    rehearsal: Rehearsal | NotRehearsed | None = None
    legs: tuple[Leg, ...] = ()
    standing: Standing = INACTIVE
    said: tuple[str, ...] = ()  # what was filled in where nothing was said

    @property
    def already_true(self) -> bool:
        """The condition holds now: a crossing has to wait for the next one."""
        return self.progress.met


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """The answer to "would it fire now?". `reasons`: why not, each in one phrase; none means it would."""

    view: View
    holds: bool  # the condition as a whole
    missing: tuple[Leg, ...]  # the parts that do not hold, or are not known
    reasons: tuple[str, ...]


class Views:
    """Looks rules up."""

    def __init__(
        self, store: AlertStore, runner: Runner, market: Market, clock: Clock, wall: Clock
    ) -> None:
        self._store, self._runner, self._market = store, runner, market
        self._clock, self._wall = clock, wall

    @property
    def words(self) -> Words:
        """How rules are called in the market as it is listed now."""
        return Words(self._market.directory)

    async def of(self, rules: Sequence[AlertRule]) -> list[View]:
        """Stored rules, each figure looked at once."""
        states = await self._store.all_states([rule.id for rule in rules])
        plain = [rule for rule in rules if not rule.subjects]
        parts = dict.fromkeys(leaf for rule in plain for leaf in leaves(rule.condition))
        look = Look()
        if parts:
            look = await self._runner.look(replace(NOBODY, condition=AnyOf(parts=tuple(parts))))
        return [
            self.one(
                rule,
                states.get(rule.id, []),
                await self._runner.look(rule) if rule.subjects else self._part(rule, look.samples),
            )
            for rule in rules
        ]

    async def draft(self, rule: AlertRule) -> View:
        """A rule that is not stored."""
        return self.one(rule, [], await self._runner.look(rule))

    def one(self, rule: AlertRule, states: Sequence[AlertState], look: Look) -> View:
        """A rule with its states and what its figures are."""
        states = self._live(rule, states)
        state, progress, sample = self._nearest(rule, states, look)
        why = self._why(look)
        known = sample is not None if is_simple(rule.condition) else not why
        where = standing(rule, states, now=self._clock.now(), wall=self._wall.now())
        if where.phase is Phase.INACTIVE and any(leg.sample is not None for leg in look.legs):
            where = replace(where, phase=Phase.ARMED)  # its first look is still to come
        return View(
            rule=rule,
            state=state,
            progress=progress,
            sample=sample,
            problem="" if known else ", ".join(dict.fromkeys(why.values())),
            why=why,
            legs=look.legs,
            standing=where,
        )

    def _why(self, look: Look) -> dict[Metric, str]:
        """Why figures are not known. Of what happens there is none in between, unless its source has failed."""
        found = {}
        for leg in look.legs:
            reason = "" if leg.sample else self._runner.problem(leg.leaf.metric)
            if reason and not (isinstance(leg.leaf, Event) and ": " not in reason):
                found[leg.leaf.metric] = reason
        return found

    def _live(self, rule: AlertRule, stored: Sequence[AlertState]) -> Sequence[AlertState]:
        """Of a rule of parts as the engine has them, if it watches it: of others what is stored is as new."""
        if is_simple(rule.condition) or not rule.id:
            return stored
        live = {state.subject: state for state in self._runner.states(rule.id)}
        return [*(state for state in stored if state.subject not in live), *live.values()]

    def _part(self, rule: AlertRule, samples: Mapping[Metric, Sequence[Sample]]) -> Look:
        """What a look at many rules says of one."""
        own = list(leaves(rule.condition))
        metrics = dict.fromkeys(leaf.metric for leaf in own)
        why = [self._runner.problem(metric) for metric in metrics if not samples.get(metric)]
        return Look(
            legs=tuple(leg_of(leaf, samples.get(leaf.metric, ())) for leaf in own),
            problems=tuple(dict.fromkeys(each for each in why if each)),
            samples={metric: samples.get(metric, ()) for metric in metrics},
        )

    def _nearest(
        self, rule: AlertRule, states: Sequence[AlertState], look: Look
    ) -> tuple[AlertState, Progress, Sample | None]:
        """The state, progress and newest sample of a rule; of the nearest subject where it has several."""
        by_subject = {state.subject: state for state in states}
        state = by_subject.get("", AlertState(rule_id=rule.id))
        if not is_simple(rule.condition) or not look.legs:
            return state, self.words.progress(rule, state, (), look.legs), None
        found = []
        for leg in look.legs:
            own = by_subject.get(leg.leaf.metric.subject, state)
            samples = look.samples.get(leg.leaf.metric, ())
            alone = replace(rule, condition=leg.leaf)
            progress = self.words.progress(alone, own, samples, (leg,))
            found.append((own, progress, samples[-1] if samples else leg.sample))
        return min(found, key=lambda each: (each[1].left is None, each[1].left or 0.0))


def closeness(view: View) -> tuple[bool, bool, bool, float, int]:
    """For sorting: the closest to firing first; what has to go back first is far, paused ones are last."""
    left = view.progress.left
    waits = view.progress.met and not view.state.armed  # it has to go back first
    return (
        view.rule.status is not RuleStatus.ACTIVE,
        left is None,
        waits,
        left if left is not None else 0.0,
        view.rule.id,
    )


def by_coin(views: Sequence[View]) -> list[View]:
    """Grouped by coin; the coin with the closest alert first, within it the closest first."""
    ordered = sorted(views, key=closeness)
    place = {coin: n for n, coin in enumerate(dict.fromkeys(v.rule.coin for v in ordered))}
    return sorted(ordered, key=lambda view: place[view.rule.coin])


def trial(view: View, wall: int, zone: str = "UTC") -> Trial:
    """Whether a rule would fire now, and why not."""
    reasons = []
    missing = tuple(leg for leg in view.legs if leg.met is denied(view.rule.condition, leg.leaf))
    holds = view.progress.met
    beyond = holds and isinstance(view.rule.condition, Cross)
    quiet = (Phase.ARMED, Phase.INACTIVE, *([Phase.WAITING] if beyond else []))
    if view.standing.phase not in quiet:
        reasons.append(phase_words(view.standing, wall=wall, zone=zone))
    if view.problem:
        alone = is_simple(view.rule.condition) or not view.why
        reasons.append(view.problem if alone else _("not every part is known"))
    elif isinstance(view.rule.condition, Event):
        reasons.append(_("it has not happened just now"))
    elif view.standing.phase is not Phase.PENDING and not holds:
        reasons.append(_("the condition does not hold"))
    elif beyond:
        reasons.append(_("it is beyond the level already; the next crossing counts"))
    return Trial(view=view, holds=holds, missing=missing, reasons=tuple(reasons))
