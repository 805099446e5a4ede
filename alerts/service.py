"""Alerts as people use them: make, edit, list, pause, snooze, delete, undo, try out, carry elsewhere."""

import logging
from collections.abc import Sequence
from dataclasses import replace

from alerts.caretaker import KEPT
from alerts.conditions import metrics_of
from alerts.copying import CoinLevels, about_coin, belongs, carried, coin_of, retold
from alerts.kinds import kind_of
from alerts.kinds.price import FIGURE as PRICE
from alerts.language.names import MarketNames
from alerts.lifecycle import CHAT_GONE, RENEWAL, snooze_end
from alerts.limits import ACTIVE
from alerts.maker import Maker, none_here
from alerts.making import Asker, may
from alerts.metrics import INTEREST, INTEREST_USD, Delisted
from alerts.transfer import exported
from alerts.trying import sample_signal, trial_row
from alerts.types import EACH, AlertRule, Firing, RuleStatus
from alerts.views import Trial, View, by_coin, closeness, trial
from market.errors import SourceError, UserError
from market.language import _
from market.types import DAY, MINUTE, Instrument

logger = logging.getLogger(__name__)

LIMIT = ACTIVE["alerter"]  # active alerts an alerter may have in one chat
UNDO = MINUTE  # wall ms
LISTED = (*KEPT, RuleStatus.EXPIRED)
WAS = "was "  # said of a deleted rule that was not active, with why it was not: for undo

__all__ = ["CHAT_GONE", "LIMIT", "AlertService", "Asker", "View"]


class AlertService(Maker):
    """All alerts of all chats."""

    @property
    def bad_data(self) -> int:
        """Data that were not believed since the start."""
        return self._metrics.bad

    @property
    def checked(self) -> int:
        """Market ms of the last check; 0 before the first."""
        return self._runner.checked

    async def start(self) -> None:
        """Take up what is stored."""
        self.wake.set()

    # Looking

    async def view(self, rule_id: int, asker: Asker) -> View:
        """One rule of the chat."""
        rule = await self._store.rule(rule_id)
        if rule is None or rule.chat_id != asker.chat_id or rule.status is RuleStatus.DELETED:
            raise none_here(rule_id)
        return await self._counted((await self._views.of([rule]))[0], asker)

    async def of_chat(self, chat_id: int) -> list[View]:
        """All rules of a chat, those closest to firing first, paused ones and what ended since yesterday last."""
        rules = await self._store.rules(chat_id=chat_id, statuses=LISTED)
        since = self._wall.now() - DAY
        shown = [r for r in rules if r.status in KEPT or (r.expires_ts or 0) > since]
        return sorted(await self._views.of(shown), key=closeness)

    async def by_coin(self, chat_id: int) -> list[View]:
        """The same, but grouped: the coin of the closest first."""
        return by_coin(await self.of_chat(chat_id))

    async def history(
        self,
        chat_id: int,
        limit: int = 20,
        *,
        rule_id: int | None = None,
        before: int | None = None,
    ) -> list[Firing]:
        """What fired in a chat, newest first; `before` is market ms."""
        return await self._store.history(chat_id, limit, rule_id=rule_id, before=before)

    async def would_fire(self, rule_id: int, asker: Asker) -> Trial:
        """Whether a rule would fire now, part by part, and why not."""
        view = await self.view(rule_id, asker)
        return trial(view, self._wall.now(), await self.zone(asker.chat_id))

    async def send_test(self, rule_id: int, asker: Asker, *, update_id: int | None = None) -> bool:
        """Send what a firing would say, marked TEST, the way a firing goes; False where that was done before."""
        view = await self.view(rule_id, asker)
        now, wall = self._clock.now(), self._wall.now()
        signal = sample_signal(view, now)
        row = trial_row(view, signal, self.words, now=now, wall=wall, mark=update_id or wall)
        added = await self._store.fire([], [], [row])
        self.wake.set()
        return added > 0

    # Changing

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
        wall = self._wall.now()
        listed = [r for r in listed if r.expires_ts is None or r.expires_ts > wall]
        await self._room(asker, sum(r.owner_id == asker.user_id for r in listed))
        await self.care.activate(listed)
        return listed

    async def snooze(self, rule_ids: Sequence[int], asker: Asker, choice: str) -> list[AlertRule]:
        """Watch on, but do not tell, for `15m`, `1h`, until `tomorrow`; `off` ends it. The rules as they are then."""
        rules = [r for r in await self._chosen(rule_ids, asker) if r.status is RuleStatus.ACTIVE]
        zone = await self.zone(asker.chat_id)
        until = 0 if choice == "off" else snooze_end(choice, self._wall.now(), zone)
        await self._store.snooze([rule.id for rule in rules], until)
        return [replace(rule, snoozed_until=until) for rule in rules]

    async def renew(self, rule_id: int, asker: Asker, ms: int = RENEWAL) -> AlertRule:
        """Another `ms` from now on, for a rule that has ended or will."""
        rule = await self.owned(rule_id, asker)
        wall = self._wall.now()
        if rule.status is RuleStatus.EXPIRED:
            await self._room(asker, rule.owner_id == asker.user_id)
        await self._store.renew([rule_id], wall + ms, wall)
        if rule.status is RuleStatus.EXPIRED:
            await self.care.activate([rule])
        return (await self._store.rule(rule_id)) or rule

    async def delete(self, rule_ids: Sequence[int], asker: Asker) -> list[AlertRule]:
        """Delete rules; none named means all of the asker's."""
        rules = await self._chosen(rule_ids, asker)
        reasons: dict[str, list[AlertRule]] = {}
        for rule in rules:
            active = rule.status is RuleStatus.ACTIVE
            reason = "" if active else f"{WAS}{rule.status} {rule.paused_reason}".strip()
            reasons.setdefault(reason, []).append(rule)
        for reason, some in reasons.items():
            await self._set(some, RuleStatus.DELETED, reason)
        return rules

    async def undo(self, deleted_ts: int, rule_ids: Sequence[int], asker: Asker) -> list[AlertRule]:
        """Bring deleted rules back just as they were, up to a minute after `deleted_ts` (wall ms)."""
        wall = self._wall.now()
        if not 0 <= wall - deleted_ts <= UNDO:
            raise UserError(_("Too late: a deletion can be undone for 60 s."), "/alerts")
        found = await self._store.chosen(list(dict.fromkeys(rule_ids)))
        rules = [r for r in found.values() if may(r, asker) and r.status is RuleStatus.DELETED]
        active = [r for r in rules if not r.paused_reason.startswith(WAS)]
        await self._room(asker, sum(r.owner_id == asker.user_id for r in active))
        async with self._runner.lock:
            for rule in rules:
                if rule not in active:
                    status, _sep, reason = rule.paused_reason.removeprefix(WAS).partition(" ")
                    await self._store.set_status([rule.id], RuleStatus(status), reason, wall)
            ids = [rule.id for rule in active]
            await self._store.set_status(ids, RuleStatus.ACTIVE, "", wall)
            await self._runner.arm(list((await self._store.chosen(ids)).values()))
        return rules

    # Carrying

    async def copy(
        self,
        rule_id: int,
        symbol: str,
        asker: Asker,
        *,
        exchange: str,
        thread_id: int | None = None,
        update_id: int | None = None,
    ) -> View:
        """The same rule about another symbol: every part of it, on the venue it is on.

        CoinLevels, and nothing made, where a threshold is a price or a number of coins of the old one.
        """
        rule = await self.owned(rule_id, asker)
        names = MarketNames(self._market, exchange)
        old = coin_of(rule.condition, names, rule.text)
        kind = kind_of(rule.kind)
        figures = kind.language.figures
        query = self._market.resolve(symbol, command=f"/alerts copy {rule_id} {{}}")
        condition = about_coin(rule.condition, query, figures, names)
        prices: tuple[float, float] | None = None
        if query.base != old and belongs(condition, figures):
            prices = await self._price(old, exchange), await self._price(query.base, exchange)
            condition = carried(condition, figures, prices[1] / prices[0])
        words = retold(rule, condition, kind.language, names)
        if prices is not None:
            made = kind.compile(tuple(words), self._market, exchange)
            line = " ".join([f"/{kind.command}", *words])
            carrying = await self._rule(rule.kind, made, asker, thread_id)
            raise CoinLevels(carrying, line, (old, query.base), prices)
        return await self.create(
            rule.kind, words, asker, exchange=exchange,
            thread_id=rule.thread_id if thread_id is None else thread_id, update_id=update_id,
        )  # fmt: skip

    async def export(
        self, chat_id: int, asker: Asker | None = None, rule_ids: Sequence[int] = ()
    ) -> str:
        """Rules as text, one line each; with an asker only their own."""
        rules = await self._store.rules(chat_id=chat_id, statuses=KEPT)
        chosen = [r for r in rules if not rule_ids or r.id in rule_ids]
        own = [r for r in chosen if asker is None or r.owner_id == asker.user_id]
        return exported(own, await self.zone(chat_id))

    # What the desk does by itself

    async def expire_due(self) -> list[AlertRule]:
        """End what is over and announce what will be; to be called each minute."""
        return await self.care.expire_due()

    async def chat_changed(self, chat_id: int, alive: bool) -> None:
        """Pause the rules of a chat that cannot be reached; resume just those when it is back."""
        await self.care.chat_changed(chat_id, alive)

    async def watched(self) -> list[Instrument]:
        """The perps whose open interest an alert needs."""
        return self._runner.watched((INTEREST, INTEREST_USD))

    # Within

    async def _chosen(self, rule_ids: Sequence[int], asker: Asker) -> list[AlertRule]:
        if rule_ids:
            return [await self.owned(each, asker) for each in dict.fromkeys(rule_ids)]
        rules = await self._store.rules(chat_id=asker.chat_id)
        return [rule for rule in rules if may(rule, asker)]

    async def _price(self, coin: str, exchange: str) -> float:
        """The last price of a coin's market; UserError where none is known that a price alert would believe."""
        found = self._market.one(coin, default_exchange=exchange, command="/alert {}")
        try:
            ticker = await self._market.ticker(found)
        except SourceError as error:
            ticker = None
            logger.info("no price of %s to carry an alert by: %s", found.key, error)
        if ticker is None or not ticker.last > 0 or self._clock.now() - ticker.ts > PRICE.fresh:
            text = _("Its level belongs to its coin, and what {coin} costs is not known right now.")
            raise UserError(text.format(coin=coin), f"/alert {coin}")
        return ticker.last

    def _delisted(self, rule: AlertRule) -> bool:
        """Whether a part of it trades nowhere any more."""
        for metric in metrics_of(rule.condition):
            try:
                if metric.subject != EACH:
                    self._metrics.instruments(metric)
            except Delisted:
                return True
            except SourceError:  # not known at the moment: the next look tells
                continue
        return False
