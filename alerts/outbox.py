"""Delivery of what was committed: many lanes side by side, each in order, each row until it is told or given up.

A lane are the rows of one class into one chat. Lanes of panic, trade and critical messages never wait for others.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping

from alerts.channel import Channel
from alerts.delivery.courier import Courier
from alerts.delivery.doorbell import Doorbell
from alerts.delivery.scribe import Scribe
from alerts.delivery.types import Lane, LoudnessStore, OutboxStore
from alerts.types import Priority
from market.clock import Clock
from market.errors import AssistantError

logger = logging.getLogger(__name__)

AT_ONCE = 24  # ordinary lanes with a message under way
STARTED = 1_000  # lanes that have their turn or wait for it
POLL = 5.0  # seconds between looks when nothing wakes us
BREATH = 0.1  # seconds between looks while there is much to do
AWAY = 5_000  # ms a lane rests after the database, or we, failed in it
IDLE = 200  # ms a lane rests after a round that came to nothing
STOP = 3.0  # seconds for what is under way to be settled

Sleep = Callable[[float], Awaitable[None]]


async def _nothing(_chat_id: int, _alive: bool) -> None:
    """What happens to a lost chat where nobody asked to hear of it."""


class Outbox:
    """Empties the outbox into the channels, named as in the rows."""

    def __init__(
        self,
        store: OutboxStore,
        channels: Mapping[str, Channel],
        wall: Clock,
        sleep: Sleep = asyncio.sleep,
        *,
        wake: Doorbell | None = None,
        loudness: LoudnessStore | None = None,
        on_gone: Callable[[int, bool], Awaitable[None]] = _nothing,
    ) -> None:
        self._store, self._wall, self._sleep = store, wall, sleep
        self._wake = wake if wake is not None else Doorbell()
        self._courier = Courier(
            store, channels, wall, Scribe(store, wall, sleep), loudness=loudness, on_gone=on_gone
        )
        self._turn = asyncio.Semaphore(AT_ONCE)
        self._rounds: dict[Lane, asyncio.Task[int]] = {}
        self._resting: dict[Lane, int] = {}  # until when (wall ms)
        self._begun = False

    async def run(self) -> None:
        """Deliver until cancelled; what a process before was sending when it died is sent again, marked."""
        try:
            while True:
                self._wake.clear()
                pause = POLL
                try:
                    pause = await self._look()
                except AssistantError as error:
                    logger.warning("outbox not read reason=%s", error)
                if len(self._rounds) > AT_ONCE:
                    await self._sleep(BREATH)
                else:
                    await self._rest(pause)
        finally:
            await self._stop()

    async def deliver(self) -> int:
        """Everything that may leave now; how many rows were finished."""
        await self._look()
        finished = await asyncio.gather(*self._rounds.values())
        return sum(finished)

    def under_way(self) -> int:
        """Lanes that are in a round, or wait for their turn."""
        return len(self._rounds)

    async def _look(self) -> float:
        """Begin a round of each lane that is due; seconds until the next look is worth it."""
        if not self._begun:
            recovered = await self._store.recover(self._wall.now())
            if recovered:
                logger.info("messages in doubt count=%d", recovered)
            await self._courier.remember()
            self._begun = True
        self._begin(self._wake.lanes())
        found = await self._store.look(self._wall.now())
        now = self._begin(found.due)
        moments = [*self._resting.values(), *([found.next_ts] if found.next_ts else [])]
        return min(POLL, max(0.0, (min(moments, default=now + 60_000) - now) / 1000))

    def _begin(self, lanes: Iterable[Lane]) -> int:
        """A round of each of these that is free; the time of it (wall ms)."""
        now = self._wall.now()
        self._resting = {lane: until for lane, until in self._resting.items() if until > now}
        for lane in lanes:
            free = lane not in self._rounds and lane not in self._resting
            if free and (_first(lane) or len(self._rounds) < STARTED):
                self._start(lane)
        return now

    def _start(self, lane: Lane) -> None:
        task = asyncio.create_task(self._round(lane), name="outbox lane")
        self._rounds[lane] = task
        task.add_done_callback(lambda _task: self._ended(lane))

    def _ended(self, lane: Lane) -> None:
        """What came into the lane in the meantime, or has to wait a while, is seen by another look."""
        del self._rounds[lane]
        self._wake.set()

    async def _round(self, lane: Lane) -> int:
        """One round of a lane; whatever goes wrong in it concerns this lane only."""
        try:
            if _first(lane):
                finished, until = await self._courier.round(lane)
            else:
                async with self._turn:
                    finished, until = await self._courier.round(lane)
        except AssistantError as error:  # the database: nothing more of this lane until it is back
            logger.warning("messages held up chat=%d reason=%s", lane.chat_id, error)
            finished, until = 0, self._wall.now() + AWAY
        except Exception:  # a fault of ours must not hold up every other chat
            logger.exception("round failed chat=%d", lane.chat_id)
            finished, until = 0, self._wall.now() + AWAY
        if until or not finished:
            self._resting[lane] = until or self._wall.now() + IDLE
        return finished

    async def _rest(self, pause: float) -> None:
        """Wait until something new is there, or until something old may be due."""
        waits = [
            asyncio.ensure_future(self._wake.wait()),
            asyncio.ensure_future(self._sleep(pause)),
        ]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for each in waits:
                each.cancel()
            await asyncio.gather(*waits, return_exceptions=True)

    async def _stop(self) -> None:
        """Begin nothing more, let what has an outcome be written down."""
        self._courier.stopping = True
        rounds = list(self._rounds.values())
        if rounds:
            await asyncio.wait(rounds, timeout=STOP)
        for each in rounds:
            each.cancel()
        await asyncio.gather(*rounds, return_exceptions=True)


def _first(lane: Lane) -> bool:
    return lane.priority <= Priority.CRITICAL
