"""What is watched without being asked: the busiest perps, what alerts and positions need, and coins somebody named.

The busiest are ranked by the volume of 24 hours in dollars. Of twenty, one that is in stays while it is among the
first thirty; one that is out comes in when there is room, or when it is among the first ten.
"""

import json
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence

from alerts.monitors.types import MonitorStore
from exchanges.hub import Market, settle
from exchanges.selection import main_quote
from market.clock import Clock
from market.errors import SourceError
from market.types import Instrument, Ticker

logger = logging.getLogger(__name__)

VENUES = ("binance", "bybit", "okx", "hyperliquid")
DOLLARS = frozenset({"USDT", "USDC", "USD"})  # thresholds are in dollars: nothing else is judged
BUSIEST = 20
STAYS = 30  # rank up to which one that is in stays
ENTERS = 10  # rank up to which one comes in though there is no room
MOST = 240  # instruments kept in all; the streams hold 600 with those that people ask for
BOOKS = 60  # of these with their order book
SWITCH = "watch list"

Extras = Callable[[], Awaitable[Sequence[Instrument]]]


class WatchList:
    """The list, and who told the streams of it. `extras`: instruments that are needed whatever their volume."""

    def __init__(
        self,
        market: Market,
        store: MonitorStore,
        coins: Callable[[], Iterable[str]],
        wall: Clock,
        *,
        extras: Extras | None = None,
        mark: str = "",
    ) -> None:
        self._market, self._store, self._coins, self._wall = market, store, coins, wall
        self._extras = extras
        self._switch = f"{SWITCH} {mark}".strip()
        self._busiest: list[str] = []
        self.size = BUSIEST
        self.instruments: list[Instrument] = []
        self.left_out = 0  # instruments that found no room
        self.problem = ""  # why the ranking is older than it should be

    @property
    def coins(self) -> set[str]:
        """The coins of the list."""
        return {each.base for each in self.instruments}

    async def load(self) -> None:
        """The ranking of before, so that watching begins with the same instruments."""
        stored = await self._store.switch(self._switch)
        try:
            keys = json.loads(stored) if stored else []
        except ValueError:
            keys = []
        self._busiest = [key for key in keys if isinstance(key, str)][: self.size]

    async def refresh(self) -> list[Instrument]:
        """Rank anew, and tell the streams what to keep."""
        ranked = await self._ranked()
        if ranked:
            busiest = settled(self._busiest, ranked, self.size)
            if busiest != self._busiest:
                self._busiest = busiest
                await self._store.set_switch(self._switch, json.dumps(busiest), self._wall.now())
        return await self.apply()

    async def apply(self) -> list[Instrument]:
        """Tell the streams what to keep, by the ranking that is there."""
        listed = self._listed(self._busiest)
        needed = [*listed, *self._named(), *await self._needed()]
        unique = list({each.key: each for each in needed}.values())
        self.left_out = max(0, len(unique) - MOST)
        self.instruments = unique[:MOST]
        if self._market.streams is not None:
            perps = [each for each in self.instruments if each.perp]
            self._market.streams.keep(self.instruments, books=perps[:BOOKS])
        return self.instruments

    async def _ranked(self) -> list[str]:
        """Keys of all perps by volume; a venue that does not answer keeps the places it has."""
        names = [name for name in VENUES if name in self._market.venues]
        found, errors = await settle({name: self._market.tickers(name, True) for name in names})
        self.problem = "; ".join(f"{name}: {error.reason}" for name, error in errors.items())
        if not found:
            return []
        volumes = _volumes(ticker for tickers in found.values() for ticker in tickers)
        away = [key for key in self._busiest if key.partition(":")[0] in errors]
        ranked = sorted(volumes, key=lambda key: -volumes[key])
        return [*away, *(key for key in ranked if key not in away)]

    def _listed(self, keys: Iterable[str]) -> list[Instrument]:
        found = (self._market.directory.by_key(key) for key in keys)
        return [each for each in found if each is not None and each.active]

    def _named(self) -> list[Instrument]:
        """The main perp of each named coin on each venue."""
        out: list[Instrument] = []
        for coin in sorted(self._coins()):
            places: dict[str, list[Instrument]] = {}
            for each in self._market.directory.listed(coin):
                if each.perp and each.active and each.exchange in VENUES:
                    places.setdefault(each.exchange, []).append(each)
            out += [main_quote(found) for _name, found in sorted(places.items())]
        return out

    async def _needed(self) -> Sequence[Instrument]:
        if self._extras is None:
            return []
        try:
            return await self._extras()
        except SourceError as error:
            logger.warning("watch list without alerts reason=%s", error.reason)
            return [each for each in self.instruments if each.key not in self._busiest]


def settled(before: Sequence[str], ranked: Sequence[str], size: int = BUSIEST) -> list[str]:
    """The new list from the one before and a ranking: as few changes as the ranks allow."""
    rank = {key: place for place, key in enumerate(ranked)}
    reach = STAYS * size // BUSIEST
    stays = [key for key in before if key in rank and rank[key] < reach]
    must = [key for key in ranked[: ENTERS * size // BUSIEST] if key not in stays]
    chosen = {*stays, *must}
    if len(chosen) > size:
        weakest = sorted(stays, key=lambda key: -rank[key])
        chosen -= set(weakest[: len(chosen) - size])
    for key in ranked:
        if len(chosen) >= size:
            break
        chosen.add(key)
    return sorted(chosen, key=lambda key: rank[key])


def _volumes(tickers: Iterable[Ticker]) -> Mapping[str, float]:
    """Dollars traded in 24 hours by instrument key; one of which it is not known has no rank."""
    return {
        t.instrument.key: t.quote_volume_24h
        for t in tickers
        if t.quote_volume_24h is not None
        and t.quote_volume_24h > 0
        and t.instrument.perp
        and t.instrument.quote in DOLLARS
    }
