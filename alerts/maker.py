"""Rules come into being: from typed words, from an edit, from a text of many."""

from collections.abc import Sequence
from dataclasses import replace

from alerts.caretaker import Caretaker
from alerts.conditions import metrics_of
from alerts.delivery.doorbell import Doorbell
from alerts.describe import Words
from alerts.gates import Zones
from alerts.kinds import kind_of
from alerts.kinds.words import Compiled
from alerts.making import Asker, compiled_line, edited, first_look, full, may, rule_from
from alerts.metrics import Metrics
from alerts.protocols import AlertStore, Runner
from alerts.rehearsal import NotRehearsed, Rehearsal, Rehearser
from alerts.transfer import Imported, Line, imported
from alerts.types import AlertRule, RuleStatus
from alerts.views import View, Views
from exchanges.hub import Market
from market.clock import Clock
from market.errors import UserError
from market.language import _


class Maker:
    """What it takes to make rules and to change them in place. `wake` is set when there is something to deliver."""

    def __init__(
        self,
        store: AlertStore,
        market: Market,
        metrics: Metrics,
        clock: Clock,
        wall: Clock,
        runner: Runner,
        *,
        zones: Zones | None = None,
    ) -> None:
        self._store, self._market, self._metrics = store, market, metrics
        self._clock, self._wall = clock, wall
        self._runner = runner
        self._rehearser = Rehearser(metrics, market, clock)
        self._views = Views(store, self._runner, market, clock, wall)
        self.wake = Doorbell()
        self.care = Caretaker(
            store=store, runner=self._runner, clock=clock, wall=wall, words=lambda: self.words,
            wake=self.wake, zones=zones,
        )  # fmt: skip

    @property
    def words(self) -> Words:
        """How rules are called in the market as it is listed now."""
        return self._views.words

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
        made = kind_of(kind).compile(tuple(words), self._market, exchange)
        rule = await self._rule(kind, made, asker, thread_id)
        view = await self._add(rule, asker, update_id, instead_of=instead_of)
        return replace(view, said=made.said)

    async def draft(
        self,
        kind: str,
        words: Sequence[str],
        asker: Asker,
        *,
        exchange: str,
        thread_id: int | None = None,
    ) -> View:
        """What `create` would make, as it stands now; nothing is stored or watched. Its number is 0."""
        made = kind_of(kind).compile(tuple(words), self._market, exchange)
        rule = await self._rule(kind, made, asker, thread_id)
        same = await self._same(rule)
        if same is not None:
            return await self._existing(same, asker)
        view = replace(await self._views.draft(rule), said=made.said)
        return await self._counted(replace(view, rehearsal=await self._rehearsal(rule)), asker)

    async def edit(
        self,
        rule_id: int,
        kind: str,
        words: Sequence[str],
        asker: Asker,
        *,
        exchange: str,
        update_id: int | None = None,
    ) -> View:
        """Another rule under the same number, armed from now on; a paused one stays paused."""
        made = kind_of(kind).compile(tuple(words), self._market, exchange)
        old = await self.owned(rule_id, asker)
        if update_id is not None and await self._made_by(update_id) == rule_id:
            return await self._counted((await self._views.of([old]))[0], asker)
        rule = edited(old, await self._rule(kind, made, asker, old.thread_id))
        if old.status is RuleStatus.PAUSED:
            rule = replace(rule, status=RuleStatus.PAUSED, paused_reason=old.paused_reason)
        look = await self._runner.look(rule)
        async with self._runner.lock:
            same = await self._same(rule)
            if same is not None and same.id != rule_id:
                raise UserError(_("That is alert #{id} already.").format(id=same.id), "/alerts")
            if rule.status is RuleStatus.ACTIVE and old.status is not RuleStatus.ACTIVE:
                await self._room(asker, 1)
            await self._runner.drop([rule_id])
            stored = old
            try:
                stored = await self._store.replace(
                    rule, first_look(rule, look), update_id=update_id, now=self._wall.now()
                )
            finally:  # what could not be changed is watched as before
                if stored.status is RuleStatus.ACTIVE:
                    await self._runner.arm([stored])
        states = (await self._store.all_states([rule_id])).get(rule_id, [])
        view = self._views.one(stored, states, look)
        return await self._counted(view, asker)

    async def adjust(
        self, rule_id: int, asker: Asker, *, tighter: bool, exchange: str, update_id: int | None
    ) -> View:
        """The same rule with another threshold, under a new number; the old one is deleted."""
        rule = await self.owned(rule_id, asker)
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

    async def _rule(
        self, kind: str, made: Compiled, asker: Asker, thread_id: int | None
    ) -> AlertRule:
        return rule_from(
            kind, made, asker, now=self._clock.now(), wall=self._wall.now(),
            zone=await self.zone(asker.chat_id), thread_id=thread_id,
        )  # fmt: skip

    async def _add(
        self,
        rule: AlertRule,
        asker: Asker,
        update_id: int | None,
        *,
        instead_of: AlertRule | None = None,
    ) -> View:
        """Store and arm, but for a rule that is there already."""
        same = await self._same(rule)
        if same is not None:
            return await self._existing(same, asker)
        look = await self._runner.look(rule)
        async with (
            self._runner.lock
        ):  # two that come together are one, and no more than there is room for
            same = await self._same(rule)
            if same is None:
                freed = instead_of is not None and instead_of.status is RuleStatus.ACTIVE
                if update_id is None or await self._made_by(update_id) is None:
                    await self._room(asker, 1 - freed)
                added = await self._store.add(
                    rule, first_look(rule, look), update_id=update_id, now=self._wall.now()
                )
                if added.status is RuleStatus.ACTIVE:
                    await self._runner.arm([added])
        if same is not None:
            return await self._existing(same, asker)
        states = (await self._store.all_states([added.id])).get(added.id, [])
        view = self._views.one(added, states, look)
        view = await self._counted(
            replace(view, rehearsal=await self._quick_rehearsal(added)), asker
        )
        return replace(view, active=view.active - freed)

    async def _same(self, rule: AlertRule) -> AlertRule | None:
        """The active rule of the chat with the same text, if there is one."""
        rules = await self._store.rules(chat_id=rule.chat_id, statuses=(RuleStatus.ACTIVE,))
        wanted = (rule.text, rule.thread_id)
        return next((each for each in rules if (each.text, each.thread_id) == wanted), None)

    async def _existing(self, rule: AlertRule, asker: Asker) -> View:
        view = (await self._views.of([rule]))[0]
        return await self._counted(replace(view, existed=True), asker)

    async def _made_by(self, update_id: int) -> int | None:
        rule = await self._store.made_by(update_id)
        return rule.id if rule else None

    async def _counted(self, view: View, asker: Asker) -> View:
        active, limit = await self.usage(asker)
        return replace(view, active=active, limit=limit)

    async def take(
        self, text: str, asker: Asker, *, exchange: str, thread_id: int | None = None
    ) -> Imported:
        """Make alerts of a text, one line each; what is there already is not made twice."""

        async def make(line: Line) -> View:
            kind, made = compiled_line(line.command, line.words, self._market, exchange)
            rule = await self._rule(kind, made, asker, thread_id)
            if line.paused:
                rule = replace(rule, status=RuleStatus.PAUSED)
            return await self._add(rule, asker, None)

        return await imported(text, make)

    async def usage(self, asker: Asker) -> tuple[int, int]:
        """How many active rules the asker has in the chat, and how many they may have."""
        return await self._store.count(asker.chat_id, asker.user_id), asker.limit

    async def zone(self, chat_id: int) -> str:
        """The zone a chat lives in."""
        return (await self.care.zones_of([chat_id])).get(chat_id, "UTC")

    async def owned(self, rule_id: int, asker: Asker) -> AlertRule:
        """A rule of the chat that the asker may change."""
        rule = await self._store.rule(rule_id)
        if rule is None or rule.chat_id != asker.chat_id or rule.status is RuleStatus.DELETED:
            raise none_here(rule_id)
        if not may(rule, asker):
            raise UserError(
                _(
                    "Alert #{id} belongs to somebody else; its owner or an admin can change it."
                ).format(id=rule_id),
                "/alerts",
            )
        return rule

    async def _set(self, rules: Sequence[AlertRule], status: RuleStatus, reason: str = "") -> None:
        """A status in which nothing is watched."""
        if not rules:
            return
        ids = [rule.id for rule in rules]
        async with self._runner.lock:
            await self._store.set_status(ids, status, reason, self._wall.now())
            await self._runner.drop(ids)

    async def _room(self, asker: Asker, more: int) -> None:
        active, limit = await self.usage(asker)
        if more > 0 and active + more > limit:
            raise full(limit)

    async def _rehearsal(self, rule: AlertRule) -> Rehearsal | NotRehearsed:
        """What it would have done; may take some seconds of fetching."""
        return await self._rehearser.rehearse(
            rule.condition, rule.repeat, rule.cooldown, rule.subjects
        )

    async def _quick_rehearsal(self, rule: AlertRule) -> Rehearsal | NotRehearsed | None:
        """The same of a rule that is armed at once, where one fetch of candles is enough; None for others."""
        timed = all(metric.timeframe for metric in metrics_of(rule.condition))
        return await self._rehearsal(rule) if timed and not rule.subjects else None


def none_here(rule_id: int) -> UserError:
    return UserError(_("There is no alert #{id} here.").format(id=rule_id), "/alerts")
