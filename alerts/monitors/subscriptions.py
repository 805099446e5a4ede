"""Which chat hears of which coin, and from which threshold on: held in memory, kept in the store."""

import logging
from collections.abc import Sequence
from dataclasses import replace

from alerts.monitors.kinds.base import OTHERS, Monitor
from alerts.monitors.types import (
    EVERY,
    LEFT_OUT,
    MARKET,
    OFF,
    MonitorStore,
    Subscription,
    Threshold,
)
from market.clock import Clock

logger = logging.getLogger(__name__)

LIMIT = 40  # coins of one chat


class Subscriptions:
    """All chats. Changes are stored first and hold from then on."""

    def __init__(self, store: MonitorStore, wall: Clock) -> None:
        self._store, self._wall = store, wall
        self._wanted: dict[int, dict[str, Subscription]] = {}
        self._chosen: dict[tuple[int, str, str], float] = {}
        self._away: set[int] = set()  # chats that cannot be reached
        self._levels: dict[tuple[str, str], list[tuple[float, frozenset[int] | None]]] = {}

    async def load(self) -> None:
        """Take up what is stored."""
        wanted: dict[int, dict[str, Subscription]] = {}
        for each in await self._store.subscriptions():
            wanted.setdefault(each.chat_id, {})[each.coin] = each
        chosen = {(t.chat_id, t.kind, t.coin): t.value for t in await self._store.thresholds()}
        self._wanted, self._chosen = wanted, chosen
        self._levels.clear()

    def coins(self) -> set[str]:
        """The coins that somebody named."""
        named = {coin for each in self._wanted.values() for coin in each}
        return {c for c in named if c not in (EVERY, MARKET) and not c.startswith(LEFT_OUT)}

    def of_chat(self, chat_id: int) -> list[str]:
        """What a chat hears of: coins, `*`, MARKET, and coins it left out."""
        return sorted(self._wanted.get(chat_id, {}))

    def hears(self, chat_id: int, coin: str, *, listed: bool = True) -> Subscription | None:
        """The subscription by which a chat hears of a coin; `listed`: the coin is on the watch list."""
        mine = self._wanted.get(chat_id, {})
        if coin in mine:
            return mine[coin]
        if listed and EVERY in mine and LEFT_OUT + coin not in mine:
            return mine[EVERY]
        return None

    def scanned(self, chat_id: int) -> Subscription | None:
        """The subscription to what the scan of the whole market finds."""
        return self._wanted.get(chat_id, {}).get(MARKET)

    def chats(self) -> list[int]:
        """Chats that hear of something and can be reached."""
        return [chat for chat in self._wanted if chat not in self._away]

    def levels(
        self, monitor: Monitor | type[Monitor], coin: str
    ) -> list[tuple[float, frozenset[int] | None]]:
        """Every threshold at which a kind has to look at a coin, the default one first, and the chats that chose it;
        None stands for the chats that chose nothing."""
        place = (monitor.kind, coin)
        found = self._levels.get(place)
        if found is None:
            found = self._levels[place] = self._levels_of(monitor, coin)
        return found

    def _levels_of(
        self, monitor: Monitor | type[Monitor], coin: str
    ) -> list[tuple[float, frozenset[int] | None]]:
        choosers: dict[float, set[int]] = {}
        for chat_id in self._wanted:
            chosen = self._choice(chat_id, monitor.kind, coin)
            if chosen is not None and chosen != OFF:
                choosers.setdefault(chosen, set()).add(chat_id)
        own = [(level, frozenset(chats)) for level, chats in sorted(choosers.items())]
        return [(monitor.default(coin), None), *own]

    def _choice(self, chat_id: int, kind: str, coin: str) -> float | None:
        for each in (coin, OTHERS):
            if (chosen := self._chosen.get((chat_id, kind, each))) is not None:
                return chosen
        return None

    def threshold(self, chat_id: int, monitor: Monitor | type[Monitor], coin: str) -> float | None:
        """The threshold that holds for a chat; None where it wants to hear nothing of this kind."""
        chosen = self._choice(chat_id, monitor.kind, coin)
        if chosen is None:
            return monitor.default(coin)
        return None if chosen == OFF else chosen

    def chosen(self, chat_id: int) -> dict[tuple[str, str], float]:
        """What a chat chose, by kind and coin."""
        return {(k, c): v for (chat, k, c), v in self._chosen.items() if chat == chat_id}

    def audience(
        self, chats: frozenset[int] | None, kind: str, coin: str, *, listed: bool, scan: bool
    ) -> list[Subscription]:
        """Who hears of a fact at one of the `levels` of its coin."""
        out = []
        for chat_id in self.chats() if chats is None else chats:
            if chat_id in self._away:
                continue
            if chats is None and self._choice(chat_id, kind, coin) is not None:
                continue
            wanted = self.hears(chat_id, coin, listed=listed)
            if wanted is None and scan:
                wanted = self.scanned(chat_id)
            if wanted is not None:
                out.append(wanted)
        return out

    async def on(self, chat_id: int, coins: Sequence[str], thread_id: int | None) -> int:
        """Hear of these from now on; how many are new. A coin that was left out is so no more."""
        mine = self._wanted.get(chat_id, {})
        new = [coin for coin in dict.fromkeys(coins) if coin not in mine]
        made = [
            Subscription(
                chat_id=chat_id, coin=coin, created_ts=self._wall.now(), thread_id=thread_id
            )
            for coin in dict.fromkeys(coins)
        ]
        back = [LEFT_OUT + coin for coin in coins if LEFT_OUT + coin in mine]
        await self._store.subscribe(made)
        if back:
            await self._store.unsubscribe(chat_id, back)
        held = self._wanted.setdefault(chat_id, {})
        held.update({each.coin: each for each in made})
        for coin in back:
            held.pop(coin, None)
        self._levels.clear()
        return len(new)

    async def off(self, chat_id: int, coins: Sequence[str]) -> list[str]:
        """Hear nothing more of these, or of anything where none is named; the ones that were heard of."""
        mine = self._wanted.get(chat_id, {})
        gone = [c for c in dict.fromkeys(coins) if c in mine] if coins else sorted(mine)
        out = [c for c in dict.fromkeys(coins) if EVERY in mine and c not in (EVERY, MARKET)]
        if gone:
            await self._store.unsubscribe(chat_id, gone)
            for coin in gone:
                mine.pop(coin, None)
        left = [
            Subscription(chat_id=chat_id, coin=LEFT_OUT + coin, created_ts=self._wall.now())
            for coin in out
        ]
        await self._store.subscribe(left)
        mine.update({each.coin: each for each in left})
        if not mine:
            self._wanted.pop(chat_id, None)
        self._levels.clear()
        return list(dict.fromkeys([*gone, *out]))

    async def choose(self, chat_id: int, kind: str, coin: str, value: float | None) -> None:
        """A threshold of a chat's own; None goes back to the default."""
        if value is None:
            await self._store.drop_threshold(chat_id, kind, coin)
            self._chosen.pop((chat_id, kind, coin), None)
        else:
            chosen = Threshold(chat_id=chat_id, kind=kind, coin=coin, value=value)
            await self._store.set_threshold(chosen, self._wall.now())
            self._chosen[chat_id, kind, coin] = value
        self._levels.clear()

    def chat_changed(self, chat_id: int, alive: bool) -> None:
        """A chat cannot be reached, or can be again."""
        if alive:
            self._away.discard(chat_id)
        elif chat_id in self._wanted:
            self._away.add(chat_id)

    async def move_chat(self, old: int, new: int) -> None:
        """A group became a supergroup."""
        await self._store.move_chat(old, new)
        moved = {c: replace(s, chat_id=new) for c, s in self._wanted.pop(old, {}).items()}
        if moved:
            self._wanted[new] = moved | self._wanted.get(new, {})
        for chat_id, kind, coin in [place for place in self._chosen if place[0] == old]:
            value = self._chosen.pop((chat_id, kind, coin))
            self._chosen.setdefault((new, kind, coin), value)
        self._away.discard(old)
        self._levels.clear()
