"""Two clocks: the market's (ages, candles, windows, cooldowns) and the wall's (time-outs, rate limits).

They are the same object in live trading. In a simulated or replayed market the market clock starts
elsewhere and may run faster; the wall clock never does.
"""

from collections.abc import Callable
from typing import Protocol


class Clock(Protocol):
    """Anything that tells the time."""

    def now(self) -> int:
        """Milliseconds UTC."""
        ...


class WallClock:
    """The time of this machine; `read` gives seconds since the epoch (`time.time` in production)."""

    def __init__(self, read: Callable[[], float]) -> None:
        self._read = read

    def now(self) -> int:
        """Milliseconds UTC."""
        return int(self._read() * 1000)


class MarketClock:
    """A clock that started at `start` when the wall showed `anchor`, and runs `speed` times as fast."""

    def __init__(self, wall: Clock, *, start: int, anchor: int, speed: float = 1.0) -> None:
        self._wall = wall
        self._start = start
        self._anchor = anchor
        self.speed = speed

    def now(self) -> int:
        """Milliseconds UTC of the market."""
        return self._start + int((self._wall.now() - self._anchor) * self.speed)

    def run(self, speed: float) -> None:
        """Go on at another speed from now on."""
        self.set(start=self.now(), anchor=self._wall.now(), speed=speed)

    def set(self, *, start: int, anchor: int, speed: float) -> None:
        """Follow a market whose speed was changed: it showed `start` when the wall showed `anchor`."""
        self._start, self._anchor, self.speed = start, anchor, speed


class FixedClock:
    """A clock that stands still until it is told; for one-off questions about a moment, and for tests."""

    def __init__(self, now: int) -> None:
        self._now = now

    def now(self) -> int:
        """Milliseconds UTC."""
        return self._now

    def advance(self, ms: int) -> None:
        """Move on by `ms`."""
        self._now += ms

    def set(self, now: int) -> None:
        """Jump to `now`."""
        self._now = now
