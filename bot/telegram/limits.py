"""How fast Telegram may be written to: over all chats, in one chat, in one group."""

import asyncio
import heapq
import itertools
from collections import deque
from enum import IntEnum

from bot.telegram.build import Sleep
from market.clock import Clock

ALL_PER_SECOND = 25.0  # Telegram publishes about 30; edits and file uploads count as well
GROUP_COUNT, GROUP_WINDOW = 20, 60.0
CHAT_BURST = 3
EPSILON = 1e-6  # of a token: sums of fractions fall a little short


class Priority(IntEnum):
    """Who goes first when there is a queue."""

    INTERACTIVE = 0
    ALERT = 1
    BROADCAST = 2


class Bucket:
    """Tokens that fill at `rate` a second up to `burst`."""

    def __init__(self, rate: float, burst: float, now: float) -> None:
        self._rate, self._burst = rate, burst
        self._tokens, self._at = burst, now

    def delay(self, now: float) -> float:
        """Seconds until there is a token."""
        self._fill(now)
        if self._tokens > 1.0 - EPSILON:
            return 0.0
        return max(0.001, (1.0 - self._tokens) / self._rate)

    def take(self, now: float) -> None:
        """Use one token."""
        self._fill(now)
        self._tokens -= 1.0

    def _fill(self, now: float) -> None:
        self._tokens = min(self._burst, self._tokens + max(0.0, now - self._at) * self._rate)
        self._at = now


class Window:
    """At most `count` in any `seconds`: Telegram's own rule for groups, which a bucket would overrun."""

    def __init__(self, count: int, seconds: float) -> None:
        self._count, self._seconds = count, seconds
        self._taken: deque[float] = deque(maxlen=count)

    def delay(self, now: float) -> float:
        """Seconds until one more is allowed."""
        if len(self._taken) < self._count:
            return 0.0
        return max(0.0, self._taken[0] + self._seconds - now)

    def take(self, now: float) -> None:
        """Count one."""
        self._taken.append(now)


class ChatLimit:
    """One message a second with a small burst, in groups also 20 a minute, and the pause Telegram asked for."""

    def __init__(self, chat_id: int, now: float) -> None:
        self._bucket = Bucket(1.0, CHAT_BURST, now)
        self._window = Window(GROUP_COUNT, GROUP_WINDOW) if chat_id < 0 else None
        self.parked_until = 0.0

    def delay(self, now: float) -> float:
        """Seconds until this chat may be written to."""
        group = self._window.delay(now) if self._window else 0.0
        return max(self.parked_until - now, self._bucket.delay(now), group, 0.0)

    def take(self, now: float) -> None:
        """Count one message."""
        self._bucket.take(now)
        if self._window:
            self._window.take(now)


class Turnstile:
    """The limit over all chats; whoever has the higher priority passes first."""

    def __init__(self, wall: Clock, sleep: Sleep, rate: float = ALL_PER_SECOND) -> None:
        self._wall, self._sleep = wall, sleep
        self._bucket = Bucket(rate, rate, wall.now() / 1000)
        self._waiting: list[tuple[int, int, asyncio.Future[None]]] = []
        self._order = itertools.count()
        self._pump: asyncio.Task[None] | None = None

    async def pass_(self, priority: Priority) -> None:
        """Wait for a token."""
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiting, (priority, next(self._order), turn))
        if self._pump is None or self._pump.done():
            self._pump = asyncio.create_task(self._let_through(), name="telegram turnstile")
        await turn

    async def close(self) -> None:
        """Stop; those who wait are cancelled."""
        for _priority, _order, turn in self._waiting:
            turn.cancel()
        self._waiting.clear()
        if self._pump is not None:
            self._pump.cancel()
            await asyncio.gather(self._pump, return_exceptions=True)

    async def _let_through(self) -> None:
        while self._waiting:
            now = self._wall.now() / 1000
            delay = self._bucket.delay(now)
            if delay > 0:
                await self._sleep(delay)
                continue
            turn = heapq.heappop(self._waiting)[2]
            if not turn.done():
                self._bucket.take(now)
                turn.set_result(None)
