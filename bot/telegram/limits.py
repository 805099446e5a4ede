"""How fast Telegram may be written to: over all chats, in one chat, in one group, and who goes first.

Of each limit a part is kept for what is urgent, so that no flood of alerts stands before it.
"""

import asyncio
import heapq
import itertools
from collections import deque

from alerts.types import Priority
from bot.telegram.build import Sleep
from market.clock import Clock

__all__ = ["Bucket", "ChatLimit", "Priority", "Turnstile", "Window", "urgent"]

ALL_PER_SECOND = 24.0  # Telegram publishes about 30; edits and file uploads count as well
ALL_BURST, ALL_KEPT = (
    3.0,
    1,
)  # 27 in the worst second; 30 where they arrive a little closer together
GROUP_COUNT, GROUP_WINDOW, GROUP_KEPT = 20, 60.5, 3  # the window is half a second late on purpose
CHAT_COUNT, CHAT_WINDOW = 5, 5.5  # in one private chat, whatever the burst
CHAT_BURST, CHAT_KEPT = 3.0, 1
UNDER_WAY = 48  # requests that have no answer yet; of 64 connections
EPSILON = 1e-6  # of a token: sums of fractions fall a little short


def urgent(priority: Priority) -> bool:
    """Whether a message may use what is kept back."""
    return priority <= Priority.CRITICAL


class Bucket:
    """Tokens that fill at `rate` a second up to `burst`."""

    def __init__(self, rate: float, burst: float, now: float) -> None:
        self._rate, self._burst = rate, burst
        self._tokens, self._at = burst, now

    def delay(self, now: float, kept: float = 0.0) -> float:
        """Seconds until there is a token beside those that are kept."""
        self._fill(now)
        if self._tokens - kept > 1.0 - EPSILON:
            return 0.0
        return max(0.001, (1.0 + kept - self._tokens) / self._rate)

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

    def delay(self, now: float, kept: int = 0) -> float:
        """Seconds until one more is allowed beside those that are kept."""
        too_many = len(self._taken) - (self._count - kept)
        if too_many < 0:
            return 0.0
        return max(0.0, self._taken[too_many] + self._seconds - now)

    def take(self, now: float) -> None:
        """Count one."""
        self._taken.append(now)


class ChatLimit:
    """One message a second with a small burst, as many as Telegram takes in a while, and the pause it asked for."""

    def __init__(self, chat_id: int, now: float) -> None:
        self._bucket = Bucket(1.0, CHAT_BURST, now)
        if chat_id < 0:
            self._window, self._kept = Window(GROUP_COUNT, GROUP_WINDOW), GROUP_KEPT
        else:
            self._window, self._kept = Window(CHAT_COUNT, CHAT_WINDOW), CHAT_KEPT
        self.parked_until = 0.0

    def delay(self, now: float, priority: Priority = Priority.INTERACTIVE) -> float:
        """Seconds until this chat may be written to."""
        first = urgent(priority)
        bucket = self._bucket.delay(now, 0.0 if first else CHAT_KEPT)
        window = self._window.delay(now, 0 if first else self._kept)
        return max(self.parked_until - now, bucket, window, 0.0)

    def take(self, now: float) -> None:
        """Count one message."""
        self._bucket.take(now)
        self._window.take(now)


class Turnstile:
    """The limit over all chats; whoever has the higher priority passes first, in order within one."""

    def __init__(self, wall: Clock, sleep: Sleep, rate: float = ALL_PER_SECOND) -> None:
        self._wall, self._sleep = wall, sleep
        self._bucket = Bucket(rate, ALL_BURST, wall.now() / 1000)
        self._waiting: list[tuple[int, int, asyncio.Future[None]]] = []
        self._order = itertools.count()
        self._under_way = 0
        self._changed = asyncio.Event()
        self._pump: asyncio.Task[None] | None = None

    def turn(self, priority: Priority) -> "asyncio.Future[None]":
        """Done when its owner may send; `left` has to follow. Cancel it to step out of the queue."""
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiting, (priority, next(self._order), turn))
        self._changed.set()
        if self._pump is None or self._pump.done():
            self._pump = asyncio.create_task(self._let_through(), name="telegram turnstile")
        return turn

    def left(self) -> None:
        """A request that had passed has its answer."""
        self._under_way -= 1
        self._changed.set()

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
            priority, _order, turn = self._waiting[0]
            if turn.done():
                heapq.heappop(self._waiting)
                continue
            first = urgent(Priority(priority))
            if not first and self._under_way >= UNDER_WAY:
                self._changed.clear()
                await self._changed.wait()
                continue
            now = self._wall.now() / 1000
            delay = self._bucket.delay(now, 0 if first else ALL_KEPT)
            if delay > 0:
                await self._pause(delay)
                continue
            heapq.heappop(self._waiting)
            self._bucket.take(now)
            self._under_way += 1
            turn.set_result(None)

    async def _pause(self, delay: float) -> None:
        """Until there may be a token, or somebody came who may use one that is kept."""
        self._changed.clear()
        waits = [
            asyncio.ensure_future(self._sleep(delay)),
            asyncio.ensure_future(self._changed.wait()),
        ]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for each in waits:
                each.cancel()
            await asyncio.gather(*waits, return_exceptions=True)
