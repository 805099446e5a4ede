"""All connections of one kind of socket: topics shared out within the venue's limits, each connection one task.

All topics of an instrument go to one connection where it has room. A venue that ends connections after a
time is forestalled: a second connection takes the same topics, and the first is closed once it has them all.
While both live trades pass from both, as they are told apart by id further on; liquidations and book changes
have no such id, so those of the second are held back and follow at the handover as far as the first did not
bring them.
"""

import asyncio
import logging
import random
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

from exchanges.streams.connection import Connection, Lost, Sink
from exchanges.streams.decoder import Accepted, Channel, Event, Refused, Topic
from exchanges.streams.frames import Batch
from market.clock import Clock
from market.types import BookChange, Liquidation

logger = logging.getLogger(__name__)

EARLY, LATEST = 0.9, 0.97  # of its lifetime: when a connection is replaced
OVERLAP = 3_000  # wall ms that both live after the second has all topics
HANDOVER = (
    60_000  # wall ms that a second connection gets to take over; then it is tried again later
)
RETRY = 300_000  # wall ms until then
HELD = 20_000  # messages that are held back at most; books that miss one are fetched anew
RESTART = 1.0  # seconds after which a connection's task that failed begins again

Make = Callable[[Sink, Lost], Connection]


class Overlap:
    """What two connections of the same topics bring, each event once."""

    def __init__(self) -> None:
        self._seen: Counter[Liquidation] = Counter()  # by the first one
        self._books: dict[str, int] = {}  # by the venue's own id: the last change by the first one
        self._closed: deque[list[Liquidation]] = deque(maxlen=HELD)
        self._changes: deque[BookChange] = deque(maxlen=HELD)

    def first(self, batch: Batch) -> Batch:
        """From the connection that goes: everything passes and is remembered."""
        self._seen.update(_bare(event) for message in batch.closed for event in message)
        for event in batch.rest:
            if isinstance(event, BookChange):
                self._books[event.instrument.id] = event.last
        return batch

    def second(self, batch: Batch, served: Callable[[Topic], bool]) -> Batch:
        """From the one that comes; a confirmation of what is `served` already is no news."""
        rest: list[Event] = []
        self._closed.extend(batch.closed)
        for event in batch.rest:
            if isinstance(event, BookChange):
                self._changes.append(event)
            elif not (isinstance(event, Accepted | Refused) and served(event.topic)):
                rest.append(event)
        return Batch(batch.trades, [], rest, batch.now)

    def release(self, now: int) -> Batch:
        """What only the second one brought, in its order."""
        books: list[Event] = [
            each for each in self._changes if each.last > self._books.get(each.instrument.id, -1)
        ]
        closed = [[each for each in message if not self._known(each)] for message in self._closed]
        return Batch({}, [each for each in closed if each], books, now)

    def _known(self, event: Liquidation) -> bool:
        """Whether the first one brought it; each of equal ones stands for one."""
        bare = _bare(event)
        if self._seen[bare] <= 0:
            return False
        self._seen[bare] -= 1
        return True


@dataclass(eq=False, slots=True)
class Shard:
    """One connection and its share of the topics; `second` is the one that shall replace it."""

    topics: dict[str, Topic] = field(default_factory=dict)
    active: Connection | None = None
    second: Connection | None = None
    overlap: Overlap | None = None
    part: float = EARLY  # of the lifetime
    begun: int = 0  # wall ms: the replacement
    whole: int = 0  # wall ms since which the second has all topics; 0: not yet
    not_before: int = 0  # wall ms


class Pool:
    """`sink` gets batches without their connection; `lost` topics that no connection serves any more."""

    def __init__(
        self,
        make: Make,
        *,
        wall: Clock,
        most: int,
        lifetime: float | None,
        sink: Callable[[Batch], None],
        lost: Callable[[Sequence[Topic], int], None],
    ) -> None:
        self._make, self._wall = make, wall
        self._most, self._lifetime = most, lifetime
        self._sink, self._lost = sink, lost
        self._shards: list[Shard] = []
        self._of: dict[str, Shard] = {}  # by topic key
        self._tasks: dict[Connection, asyncio.Task[None]] = {}
        self._gone = Counter[str]()  # what connections that were replaced had counted

    @property
    def connections(self) -> list[Connection]:
        """All of them, replacements included."""
        return [each for s in self._shards for each in (s.active, s.second) if each is not None]

    def want(self, topics: Sequence[Topic]) -> None:
        """Serve these topics of one instrument from now on."""
        fresh = [each for each in topics if each.key not in self._of]
        if not fresh:
            return
        shard = self._room(fresh)
        for each in fresh:
            self._of[each.key] = shard
            shard.topics[each.key] = each
        for connection in (shard.active, shard.second):
            if connection is not None:
                connection.want(fresh)

    def drop(self, topics: Sequence[Topic]) -> None:
        """Serve these no more."""
        for each in topics:
            shard = self._of.pop(each.key, None)
            if shard is None:
                continue
            del shard.topics[each.key]
            for connection in (shard.active, shard.second):
                if connection is not None:
                    connection.drop([each])
            if not shard.topics and len(self._shards) > 1:
                self._close(shard)

    def renew(self, topic: Topic) -> None:
        """Ask for a topic anew, because what it brings does not fit together."""
        shard = self._of.get(topic.key)
        if shard is not None and shard.active is not None:
            shard.active.renew(topic)

    def serves(self, topic: Topic) -> bool:
        """Whether what happens arrives now."""
        return self.heard(topic) is not None

    def heard(self, topic: Topic) -> int | None:
        """Market ms of the last message on a connection that serves the topic; None where none does."""
        shard = self._of.get(topic.key)
        if shard is None:
            return None
        stamps = [
            each.heard_ts
            for each in (shard.active, shard.second)
            if each is not None and each.serves(topic) and each.heard_ts is not None
        ]
        return max(stamps, default=None)

    def counts(self) -> Counter[str]:
        """`frames`, `bad`, `reconnects` of all connections so far, `connections` that are open now."""
        found = Counter(self._gone)
        for each in self.connections:
            found += _counts(each)
        found["connections"] = sum(each.live for each in self.connections)
        return found

    def tick(self) -> None:
        """Look after connections whose time is running out; to be called each second or so."""
        now = self._wall.now()
        for shard in list(self._shards):
            if shard.second is not None:
                self._hand_over(shard, now)
            elif self._due(shard, now):
                self._replace(shard, now)

    def cancel(self) -> list["asyncio.Task[None]"]:
        """End everything; returns what to wait for."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        return tasks

    def _room(self, topics: Sequence[Topic]) -> Shard:
        """The connection of the instrument, else the first with room, else a new one."""
        wanted, instrument = len(topics), topics[0].instrument
        free = [each for each in self._shards if len(each.topics) + wanted <= self._most]
        for channel in Channel:
            shard = self._of.get(Topic(channel, instrument).key)
            if shard in free:
                return shard
        if free:
            return free[0]
        shard = Shard(part=random.uniform(EARLY, LATEST))  # noqa: S311 - not all at once
        shard.active = self._open(shard)
        self._shards.append(shard)
        return shard

    def _open(self, shard: Shard) -> Connection:
        connection = self._make(partial(self._take, shard), partial(self._ended, shard))
        connection.want(list(shard.topics.values()))
        loop = asyncio.get_running_loop()
        self._tasks[connection] = loop.create_task(_guarded(connection), name=connection.url)
        return connection

    def _retire(self, connection: Connection) -> None:
        connection.flush()
        self._gone += _counts(connection)
        if (task := self._tasks.pop(connection, None)) is not None:
            task.cancel()

    def _close(self, shard: Shard) -> None:
        self._shards.remove(shard)
        for connection in (shard.active, shard.second):
            if connection is not None:
                self._retire(connection)
        shard.active = shard.second = None

    def _take(self, shard: Shard, connection: Connection, batch: Batch) -> None:
        if connection is shard.active:
            if shard.overlap is not None:
                batch = shard.overlap.first(batch)
        elif connection is shard.second and shard.overlap is not None:
            batch = shard.overlap.second(batch, shard.active.serves if shard.active else _never)
        else:  # it was replaced; what it still brings came by the other
            return
        self._sink(batch)

    def _ended(
        self, shard: Shard, connection: Connection, topics: Sequence[Topic], since: int
    ) -> None:
        if connection is shard.second:
            shard.overlap, shard.whole = Overlap(), 0
            return
        if connection is not shard.active:
            return
        second = shard.second
        if second is None or connection.live:  # a topic alone went silent, or there is no other
            self._lost(topics, since)
            return
        # It went before its time. What the other had not confirmed by `since` may have been missed.
        known = {each.key: second.since(each) for each in topics}
        missed = [each for each in topics if (at := known[each.key]) is None or at > since]
        if missed:
            self._lost(missed, since)
        self._promote(shard)
        again: list[Event] = [Accepted(each) for each in missed if known[each.key] is not None]
        if again:
            self._sink(Batch({}, [], again, second.heard_ts or since))

    def _due(self, shard: Shard, now: int) -> bool:
        active = shard.active
        if self._lifetime is None or active is None or not active.live or now < shard.not_before:
            return False
        return now - active.began >= self._lifetime * 1000 * shard.part

    def _replace(self, shard: Shard, now: int) -> None:
        """Open the second connection."""
        shard.begun, shard.whole = now, 0
        shard.overlap = Overlap()
        shard.second = self._open(shard)

    def _hand_over(self, shard: Shard, now: int) -> None:
        """Let the second connection take over once it has everything; give up where it does not get there."""
        active, second = shard.active, shard.second
        if active is None or second is None:
            return
        if not all(second.serves(each) for each in shard.topics.values() if active.serves(each)):
            shard.whole = 0
        elif second.live and not shard.whole:
            shard.whole = now
        if shard.whole and now - shard.whole >= OVERLAP:
            self._promote(shard)
        elif now - shard.begun > HANDOVER:
            logger.info("replacement gave up url=%s reason=%s", second.url, second.reason)
            shard.second, shard.overlap = None, None
            shard.not_before = now + RETRY
            self._retire(second)

    def _promote(self, shard: Shard) -> None:
        """The second connection is the only one from now on."""
        old, overlap = shard.active, shard.overlap
        if old is None or shard.second is None or overlap is None:
            return
        old.flush()
        shard.second.flush()
        shard.active, shard.second, shard.overlap = shard.second, None, None
        self._retire(old)
        self._sink(overlap.release(shard.active.heard_ts or 0))
        logger.info("connection replaced url=%s", old.url)


async def _guarded(connection: Connection) -> None:
    """Run a connection; should its own care fail, begin again."""
    while True:
        try:
            await connection.run()
        except Exception:
            logger.exception("connection task failed url=%s", connection.url)
            await asyncio.sleep(RESTART)


def _counts(connection: Connection) -> Counter[str]:
    return Counter(
        frames=connection.frames, bad=connection.decoder.bad, reconnects=connection.reconnects
    )


def _bare(event: Liquidation) -> Liquidation:
    """A liquidation without when it was received, so that two receipts of it are equal."""
    return Liquidation(
        instrument=event.instrument, ts=event.ts, price=event.price, amount=event.amount,
        position=event.position, sample=event.sample, id=event.id,
    )  # fmt: skip


def _never(_topic: Topic) -> bool:
    return False
