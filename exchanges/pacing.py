"""Pacing: at most so much weight in any window of wall time, in the order it was asked for."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable

from market.clock import Clock

Sleep = Callable[[float], Awaitable[None]]


class Window:
    """A sliding window: the weights taken in any `seconds` never add up to more than `limit`."""

    def __init__(
        self, wall: Clock, *, limit: float, seconds: float, sleep: Sleep = asyncio.sleep
    ) -> None:
        self._wall = wall
        self._limit = limit
        self._span = int(seconds * 1000)
        self._sleep = sleep
        self._taken: deque[tuple[int, float]] = deque()
        self._sum = 0.0
        self._turn = asyncio.Lock()

    async def take(self, weight: float) -> None:
        """Wait until `weight` fits, then count it."""
        weight = min(weight, self._limit)
        async with self._turn:
            while (wait := self._wait(weight)) > 0:
                await self._sleep(wait / 1000)
            self._taken.append((self._wall.now(), weight))
            self._sum += weight

    def _wait(self, weight: float) -> int:
        """Milliseconds until `weight` fits; 0 when it fits now."""
        now = self._wall.now()
        while self._taken and self._taken[0][0] <= now - self._span:
            self._sum -= self._taken.popleft()[1]
        if not self._taken:
            self._sum = 0.0
        excess = self._sum + weight - self._limit
        if excess <= 1e-9:
            return 0
        for ts, taken in self._taken:  # the oldest leave first
            excess -= taken
            if excess <= 1e-9:
                return max(1, ts + self._span - now)
        return 0
