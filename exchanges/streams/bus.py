"""Publish and subscribe within the process: what a loop turn brought, as one list, to consumers that may be slower.

Each consumer has its own bounded queue of lists. A full queue gives up its oldest list and counts the events
in it, so that a slow consumer never holds up the streams nor another consumer. The live state is updated
before anything comes here: what CVD is made of passes no queue.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from types import TracebackType

from exchanges.streams.decoder import News

SIZE = 10_000  # lists that wait for a consumer at most, unless it asks for another number


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueStatus:
    """One consumer's queue. `depth` and `size` are lists, the others events."""

    name: str
    depth: int
    size: int
    waiting: int
    taken: int
    dropped: int


class Subscription:
    """The lists put since the subscription began, oldest first; ends when it or the bus is closed.

    What still waits at the end is handed out first. One consumer iterates at a time.
    """

    def __init__(self, bus: "Bus", name: str, size: int) -> None:
        if size < 1:
            raise ValueError("a queue holds at least one list")
        self.name = name
        self.size = size
        self.taken = 0  # events handed out
        self.dropped = 0  # events given up because the consumer was too slow
        self._bus = bus
        self._lists: deque[list[News]] = deque()
        self._waiting = 0
        self._some = asyncio.Event()
        self._closed = False

    @property
    def depth(self) -> int:
        """Lists that wait."""
        return len(self._lists)

    def put(self, news: list[News]) -> None:
        """Take one list; it is shared with other consumers and must not be changed."""
        lists = self._lists
        if len(lists) >= self.size:
            gone = len(lists.popleft())
            self.dropped += gone
            self._waiting -= gone
        lists.append(news)
        self._waiting += len(news)
        self._some.set()

    def poll(self) -> list[News]:
        """Everything that waits, as one list, without waiting for more."""
        found = [each for one in self._lists for each in one]
        self._lists.clear()
        self._waiting = 0
        self.taken += len(found)
        return found

    def close(self) -> None:
        """Hear no more."""
        self._closed = True
        self._some.set()
        self._bus.leave(self)

    def status(self) -> QueueStatus:
        """How the consumer keeps up."""
        return QueueStatus(
            name=self.name, depth=len(self._lists), size=self.size, waiting=self._waiting,
            taken=self.taken, dropped=self.dropped,
        )  # fmt: skip

    def __aiter__(self) -> AsyncIterator[list[News]]:
        return self

    async def __anext__(self) -> list[News]:
        while not self._lists:
            if self._closed:
                raise StopAsyncIteration
            self._some.clear()
            await self._some.wait()
        news = self._lists.popleft()
        self._waiting -= len(news)
        self.taken += len(news)
        return news

    def __enter__(self) -> "Subscription":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


class Bus:
    """Hands every list to every subscription of the moment."""

    def __init__(self) -> None:
        self.gone = 0  # events that consumers which have left by now had lost
        self._subscriptions: tuple[Subscription, ...] = ()

    def subscribe(self, name: str, size: int = SIZE) -> Subscription:
        """A queue of at most `size` lists for a consumer called `name`."""
        found = Subscription(self, name, size)
        self._subscriptions = (*self._subscriptions, found)
        return found

    def leave(self, subscription: Subscription) -> None:
        """Forget a consumer; one that has left already is no error."""
        if subscription in self._subscriptions:
            self.gone += subscription.dropped
            self._subscriptions = tuple(
                each for each in self._subscriptions if each is not subscription
            )

    def put(self, news: list[News]) -> None:
        """Queue one list for everybody; never waits. The list must not be changed afterwards."""
        if news:
            for each in self._subscriptions:
                each.put(news)

    @property
    def dropped(self) -> int:
        """Events lost by all consumers so far."""
        return self.gone + sum(each.dropped for each in self._subscriptions)

    def status(self) -> list[QueueStatus]:
        """One line a consumer."""
        return [each.status() for each in self._subscriptions]

    def close(self) -> None:
        """End every subscription."""
        subscriptions: Iterable[Subscription] = self._subscriptions
        for each in subscriptions:
            each.close()
