"""Answers kept for a moment and asked for once at a time, and the table of instruments on disk."""

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from market.clock import Clock
from market.errors import SourceError
from market.types import Instrument

T = TypeVar("T")

CAPACITY = 512
SWEEP = 64  # new answers between two looks for old ones
TABLE_VERSION = 1


class Cache:
    """A time-limited cache in wall time. Callers that ask for the same thing at once share one request.

    With `stale` the last good answer may stand in for a failed one that many seconds longer; its own `ts`
    still says how old it is.
    """

    def __init__(self, wall: Clock, capacity: int = CAPACITY) -> None:
        self._wall = wall
        self._capacity = capacity
        self._kept: dict[
            Hashable, tuple[int, int, Any]
        ] = {}  # fetched, useless after (wall ms), answer
        self._fetched = 0
        self._flying: dict[Hashable, asyncio.Task[Any]] = {}

    async def get(
        self, key: Hashable, ttl: float, fetch: Callable[[], Awaitable[T]], *, stale: float = 0.0
    ) -> T:
        """The answer under `key`, fetched when it is older than `ttl` seconds."""
        kept = self._kept.get(key)
        now = self._wall.now()
        if kept is not None and now - kept[0] < ttl * 1000:
            return kept[2]
        lifetime = int((ttl + stale) * 1000)
        try:
            return await self._shared(key, fetch, lifetime)
        except SourceError:
            if kept is None or not stale or self._wall.now() > kept[1]:
                raise
            return kept[2]

    def forget(self) -> None:
        """Drop everything that was kept."""
        self._kept.clear()

    async def close(self) -> None:
        """Stop what is still under way."""
        tasks = list(self._flying.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _shared(self, key: Hashable, fetch: Callable[[], Awaitable[T]], lifetime: int) -> T:
        task = self._flying.get(key)
        if task is None:
            task = asyncio.create_task(self._fetch(key, fetch, lifetime))
            self._flying[key] = task
            task.add_done_callback(lambda done: self._landed(key, done))
        return await asyncio.shield(
            task
        )  # one caller going away does not take the answer from the others

    async def _fetch(self, key: Hashable, fetch: Callable[[], Awaitable[T]], lifetime: int) -> T:
        value = await fetch()
        now = self._wall.now()
        self._kept.pop(key, None)
        self._kept[key] = (now, now + lifetime, value)
        self._fetched += 1
        if self._fetched % SWEEP == 0:
            for old in [k for k, (_ts, useless, _v) in self._kept.items() if useless < now]:
                del self._kept[old]
        while len(self._kept) > self._capacity:
            del self._kept[next(iter(self._kept))]
        return value

    def _landed(self, key: Hashable, task: asyncio.Task[Any]) -> None:
        self._flying.pop(key, None)
        if not task.cancelled():
            task.exception()  # seen, also when nobody waits any more


class _Table(msgspec.Struct):
    version: int
    saved: int
    instruments: list[Instrument]


class CompactMarkets:
    """The instruments of each exchange on disk, so that a start needs no network and an outage no guesses."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder

    async def load(self, exchange: str) -> tuple[int, list[Instrument]] | None:
        """(wall ms it was saved, instruments); None where there is no table that can be read."""
        return (
            None
            if self._folder is None
            else await asyncio.to_thread(_read, self._path(self._folder, exchange))
        )

    async def save(self, exchange: str, instruments: list[Instrument], now: int) -> None:
        """Replace the table of one exchange."""
        if self._folder is not None:
            table = _Table(version=TABLE_VERSION, saved=now, instruments=instruments)
            await asyncio.to_thread(_write, self._path(self._folder, exchange), table)

    @staticmethod
    def _path(folder: Path, exchange: str) -> Path:
        return folder / f"instruments-{exchange}.json"


def _read(path: Path) -> tuple[int, list[Instrument]] | None:
    try:
        table = msgspec.json.decode(path.read_bytes(), type=_Table)
    except (OSError, msgspec.MsgspecError):
        return None  # written anew by the next refresh
    return (table.saved, table.instruments) if table.version == TABLE_VERSION else None


def _write(path: Path, table: _Table) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_suffix(".new")
    fresh.write_bytes(msgspec.json.encode(table))
    fresh.replace(path)
