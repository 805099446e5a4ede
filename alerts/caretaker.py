"""What happens to rules by itself: their time ends, their market goes, their chat goes or comes back."""

import asyncio
import logging
from collections.abc import Callable, Sequence

from alerts.describe import Words
from alerts.gates import Zones
from alerts.lifecycle import CHAT_GONE, DELISTED, delisted, ending, expired, heads_up
from alerts.protocols import AlertStore, Runner
from alerts.states import anew
from alerts.types import AlertRule, RuleStatus
from market.clock import Clock
from market.types import MINUTE

logger = logging.getLogger(__name__)

KEPT = (RuleStatus.ACTIVE, RuleStatus.PAUSED)
REMEMBERED = 10_000  # ends that were announced; beyond it the store alone knows


class Caretaker:
    """Ends, pauses and wakes rules; `wake` is set when there is something to deliver."""

    def __init__(
        self,
        *,
        store: AlertStore,
        runner: Runner,
        clock: Clock,
        wall: Clock,
        words: Callable[[], Words],
        wake: asyncio.Event,
        zones: Zones | None = None,
    ) -> None:
        self._store, self._runner, self._clock, self._wall = store, runner, clock, wall
        self._words, self._wake, self._zones = words, wake, zones
        self._announced: set[tuple[int, int]] = set()

    async def expire_due(self) -> list[AlertRule]:
        """End what is over, and announce what ends within the hour; each is told once. What ended."""
        await self._announce()
        wall, words = self._wall.now(), self._words()
        over = [each.rule for each in await self._store.due_expiry(wall)]
        if not over:
            return []
        notices = {rule.id: expired(rule, words.sentence(rule), wall) for rule in over}
        async with self._runner.lock:
            ended = await self._store.expire(notices, wall)
            await self._runner.drop(ended)
        if ended:
            logger.info("alerts expired count=%d", len(ended))
            self._wake.set()
        return [rule for rule in over if rule.id in ended]

    async def _announce(self) -> None:
        wall = self._wall.now()
        soon = [each.rule for each in await ending(self._store, wall, self._announced)]
        if not soon:
            return
        zones = await self.zones_of([rule.chat_id for rule in soon])
        words = self._words()
        rows = [
            heads_up(rule, words.sentence(rule), wall, zones.get(rule.chat_id, "UTC"))
            for rule in soon
        ]
        if await self._store.fire([], [], rows):
            self._wake.set()
        if len(self._announced) > REMEMBERED:
            self._announced.clear()
        self._announced |= {(rule.id, rule.expires_ts or 0) for rule in soon}

    async def gone(self, rule_ids: Sequence[int], reason: str) -> int:
        """Pause rules whose market is gone, and tell; how many."""
        wall, words = self._wall.now(), self._words()
        async with self._runner.lock:
            found = await self._store.chosen(list(dict.fromkeys(rule_ids)))
            rules = [rule for rule in found.values() if rule.status is RuleStatus.ACTIVE]
            if not rules:
                return 0
            rows = [
                delisted(rule, words.sentence(rule), reason, wall // MINUTE, wall) for rule in rules
            ]
            paused = {rule.id: DELISTED for rule in rules}
            await self._store.fire([], [], rows, paused=paused, now=wall)
            await self._runner.drop(list(paused))
        self._wake.set()
        return len(rules)

    async def chat_changed(self, chat_id: int, alive: bool) -> None:
        """Pause the rules of a chat that cannot be reached; resume just those when it is back."""
        rules = await self._store.rules(chat_id=chat_id, statuses=KEPT)
        if alive:
            await self.activate([r for r in rules if r.paused_reason == CHAT_GONE])
            return
        active = [rule.id for rule in rules if rule.status is RuleStatus.ACTIVE]
        async with self._runner.lock:
            await self._store.set_status(active, RuleStatus.PAUSED, CHAT_GONE, self._wall.now())
            await self._runner.drop(active)

    async def activate(self, rules: Sequence[AlertRule]) -> None:
        """Look again from now on; the first sample only shows which side the metric is on."""
        if not rules:
            return
        now, ids = self._clock.now(), [rule.id for rule in rules]
        by_id = {rule.id: rule for rule in rules}
        async with self._runner.lock:
            states = await self._store.all_states(ids)
            fresh = [anew(by_id[i], state, now) for i in ids for state in states.get(i, ())]
            await self._store.activate(ids, fresh, self._wall.now())
            await self._runner.arm(list((await self._store.chosen(ids)).values()))

    async def zones_of(self, chat_ids: Sequence[int]) -> dict[int, str]:
        """The zones of chats, as far as they are known."""
        if self._zones is None:
            return {}
        return dict(await self._zones(sorted(set(chat_ids))))
