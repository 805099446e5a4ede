"""Topics are shared out over connections, and a connection is replaced without losing or repeating anything."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest
from stream_venue import START, Plain, PlainVenue, coin, plain_venue, say, until

from exchanges.streams import connection, pool
from exchanges.streams.connection import Connection
from exchanges.streams.decoder import Accepted, Channel, Topic
from exchanges.streams.frames import Batch
from exchanges.streams.pool import HANDOVER, OVERLAP, RETRY, Pool
from market.clock import FixedClock
from market.types import BookChange

LIFETIME = 1000.0  # seconds


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Reconnect at once and look often."""
    monkeypatch.setattr(connection, "FIRST_DELAY", 0.01)
    monkeypatch.setattr(connection, "MOST_DELAY", 0.02)
    monkeypatch.setattr(connection, "TICK", 0.01)
    return


def topics(name: str, *channels: Channel) -> list[Topic]:
    return [Topic(each, coin(name)) for each in channels or (Channel.TRADES,)]


class Bench:
    """A pool, and what it said."""

    def __init__(self, venue: PlainVenue, **about: Any) -> None:
        self.venue = venue
        self.wall, self.clock = FixedClock(5_000_000), FixedClock(START)
        self.batches: list[Batch] = []
        self.lost: list[tuple[list[str], int]] = []
        settings = {"most": 200, "lifetime": None} | about
        self.pool = Pool(
            self._make, wall=self.wall, sink=self.batches.append, lost=self._lost, **settings
        )

    def _make(self, sink: Any, lost: Any) -> Connection:
        return Connection(
            self.venue.url, Plain(self.clock), clock=self.clock, wall=self.wall, tls=None,
            trust_env=False, sink=sink, lost=lost,
        )  # fmt: skip

    def _lost(self, topics: Sequence[Topic], since: int) -> None:
        self.lost.append(([each.key for each in topics], since))

    @property
    def seqs(self) -> list[int | None]:
        return [each.seq for b in self.batches for rows in b.trades.values() for each in rows]

    def rest(self, kind: Any) -> list[Any]:
        return [each for b in self.batches for each in b.rest if isinstance(each, kind)]

    @property
    def closed(self) -> list[int]:
        return [each.ts - START for b in self.batches for rows in b.closed for each in rows]

    async def served(self, *wanted: Topic) -> None:
        await until(lambda: all(self.pool.serves(each) for each in wanted))

    async def replacing(self) -> tuple[Any, Any]:
        """Let the lifetime come to its end; the old and the new connection, which has everything."""
        await self.second()
        second = self.pool.connections[1]
        await until(lambda: all(second.serves(each) for each in second.topics))
        return self.venue.open[0], self.venue.open[1]

    async def hear(self) -> None:
        """Every connection that lives is heard of."""
        counts = {each: each.frames for each in self.pool.connections if each.live}
        for transport in self.venue.open:
            say(transport, t="book", i="A", c="books")  # it never rests, where it is wanted
        await until(lambda: all(each.frames > n or not each.live for each, n in counts.items()))

    async def second(self) -> None:
        """Let the lifetime come to its end; there is a new connection."""
        while self.venue.connections < 2:
            await self.hear()
            self.wall.advance(10_000)
            self.pool.tick()
        await until(lambda: len(self.venue.open) == 2 and self.pool.connections[1].live)


@asynccontextmanager
async def bench(**about: Any) -> AsyncIterator[Bench]:
    async with plain_venue() as venue:
        made = Bench(venue, **about)
        try:
            yield made
        finally:
            tasks = made.pool.cancel()
            if tasks:
                await asyncio.wait(tasks)


async def test_connections_take_no_more_topics_than_the_venue_allows() -> None:
    async with bench(most=5) as b:
        wanted = [
            topics(name, Channel.TRADES, Channel.LIQUIDATIONS, Channel.CONTEXT) for name in "ABCD"
        ]
        for each in wanted:
            b.pool.want(each)
        await b.served(*(topic for each in wanted for topic in each))
        assert [len(each.topics) for each in b.pool.connections] == [3, 3, 3, 3]
        b.pool.want(topics("B", Channel.BOOK))
        b.pool.want(topics("E", Channel.TRADES, Channel.CONTEXT))
        homes = [{each.instrument.id for each in c.topics} for c in b.pool.connections]
        assert homes == [{"A", "E"}, {"B"}, {"C"}, {"D"}]
        b.pool.want(topics("B", Channel.BOOK))
        assert sum(len(each.topics) for each in b.pool.connections) == 15


async def test_an_empty_connection_is_closed_and_its_counts_stay() -> None:
    async with bench(most=1) as b:
        for name in "ABC":
            b.pool.want(topics(name))
        await b.served(*(topics(name)[0] for name in "ABC"))
        frames = b.pool.counts()["frames"]
        b.pool.drop(topics("B"))
        await until(lambda: len(b.venue.open) == 2)
        assert not b.pool.serves(topics("B")[0])
        assert b.pool.counts()["frames"] >= frames
        assert b.lost == []
        b.pool.drop([*topics("A"), *topics("C")])
        assert len(b.pool.connections) == 1


async def test_a_lost_connection_tells_of_its_own_topics_only() -> None:
    async with bench(most=1) as b:
        b.pool.want(topics("A"))
        await b.served(*topics("A"))
        b.pool.want(topics("B"))
        await b.served(*topics("B"))
        b.venue.hang_up()
        await until(lambda: b.lost)
        assert [keys for keys, _ in b.lost] == [["trades|plain:B/USDT:USDT"]]
        await b.served(*topics("B"))
        assert b.pool.serves(topics("A")[0])


async def test_a_connection_is_replaced_before_its_end_without_a_gap() -> None:
    async with bench(lifetime=LIFETIME) as b:
        a = topics("A")[0]
        b.pool.want([a])
        await b.served(a)
        old, new = await b.replacing()
        assert 0.89 * LIFETIME < (b.wall.now() - 5_000_000) / 1000 < 0.99 * LIFETIME
        for n in (1, 2, 3):
            say(old, t="trade", i="A", n=n)
        for n in (2, 3, 4):
            say(new, t="trade", i="A", n=n)
        await until(lambda: len(b.seqs) == 6)
        b.pool.tick()
        b.wall.advance(OVERLAP - 1)
        b.pool.tick()
        assert len(b.pool.connections) == 2
        b.wall.advance(1)
        b.pool.tick()
        assert len(b.pool.connections) == 1
        await until(lambda: b.venue.open == [new])
        say(new, t="trade", i="A", n=5)
        await until(lambda: 5 in b.seqs)
        assert set(b.seqs) == {1, 2, 3, 4, 5}
        assert b.lost == []
        assert len(b.rest(Accepted)) == 1
        assert b.pool.serves(a)


async def test_liquidations_and_books_pass_once_while_two_connections_live() -> None:
    async with bench(lifetime=LIFETIME) as b:
        wanted = topics("A", Channel.LIQUIDATIONS, Channel.BOOK, Channel.TRADES)
        b.pool.want(wanted)
        await b.served(*wanted)
        old, new = await b.replacing()
        b.batches.clear()
        for n in (1, 2, 2):
            say(old, t="liq", i="A", n=n, c="liquidations")
        for n in (1, 2, 2, 3, 2):  # two that only the new one saw, one of them equal to another
            say(new, t="liq", i="A", n=n, c="liquidations")
        for n in (10, 11):
            say(old, t="book", i="A", n=n, c="books")
        for n in (11, 12):
            say(new, t="book", i="A", n=n, c="books")
        say(old, t="trade", i="A", n=1)
        say(new, t="trade", i="A", n=1)
        await until(lambda: b.seqs == [1, 1])
        assert b.closed == [1, 2, 2]
        assert [each.last for each in b.rest(BookChange)] == [10, 11]
        b.pool.tick()
        b.wall.advance(OVERLAP)
        b.pool.tick()
        assert b.closed == [1, 2, 2, 3, 2]
        assert [each.last for each in b.rest(BookChange)] == [10, 11, 12]
        say(new, t="book", i="A", n=13, c="books")
        await until(lambda: [each.last for each in b.rest(BookChange)][-1] == 13)


async def test_a_connection_that_dies_while_its_replacement_lives_leaves_no_gap() -> None:
    async with bench(lifetime=LIFETIME) as b:
        a = topics("A")[0]
        b.pool.want([a])
        await b.served(a)
        old, new = await b.replacing()
        for _ in range(3):  # both are heard of, seconds after the new one was confirmed
            b.wall.advance(1000)
            b.clock.advance(1000)
            for each in (old, new):
                say(each, t="trade", i="A", n=b.clock.now() - START)
            count = len(b.seqs)
            await until(lambda: len(b.seqs) == count + 2)  # noqa: B023
        old.disconnect(graceful=False)
        await until(lambda: len(b.pool.connections) == 1)
        assert b.lost == []
        say(new, t="trade", i="A", n=1)
        await until(lambda: b.seqs[-1] == 1)


async def test_a_connection_that_dies_before_its_replacement_was_there_leaves_a_gap_that_ends() -> (
    None
):
    async with bench(lifetime=LIFETIME) as b:
        a = topics("A")[0]
        b.pool.want([a])
        await b.served(a)
        b.venue.answers = False
        await b.second()
        old, new = b.venue.open
        b.clock.advance(2000)
        say(new, t="ok", i="A", c="trades")
        await until(lambda: b.pool.connections[1].serves(a))
        old.disconnect(graceful=False)
        await until(lambda: len(b.pool.connections) == 1)
        assert b.lost == [([a.key], START)]
        assert len(b.rest(Accepted)) == 2
        say(new, t="trade", i="A", n=1)
        await until(lambda: b.seqs == [1])


async def test_a_replacement_that_is_not_served_is_given_up_and_tried_again_later() -> None:
    async with bench(lifetime=LIFETIME) as b:
        a = topics("A")[0]
        b.pool.want([a])
        await b.served(a)
        b.venue.answers = False
        await b.second()
        for _ in range(HANDOVER // 10_000 + 1):
            await b.hear()
            b.wall.advance(10_000)
            b.pool.tick()
        assert len(b.pool.connections) == 1
        await until(lambda: len(b.venue.open) == 1)
        assert b.pool.serves(a)
        assert b.lost == []
        b.venue.answers = True
        b.pool.tick()
        assert len(b.pool.connections) == 1
        for _ in range(RETRY // 10_000 + 1):
            await b.hear()
            b.wall.advance(10_000)
        b.pool.tick()
        await until(lambda: len(b.pool.connections) == 2 and b.pool.connections[1].serves(a))


async def test_topics_wanted_while_two_connections_live_are_on_both() -> None:
    async with bench(lifetime=LIFETIME) as b:
        a, c = topics("A")[0], topics("C")[0]
        b.pool.want([a])
        await b.served(a)
        _old, new = await b.replacing()
        b.pool.want([c])
        await until(lambda: all(each.serves(c) for each in b.pool.connections))
        b.pool.tick()
        b.wall.advance(OVERLAP)
        b.pool.tick()
        await until(lambda: b.venue.open == [new])
        assert b.pool.serves(c)
        assert [each.topic for each in b.rest(Accepted)] == [a, c]


async def test_a_task_that_fails_begins_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "RESTART", 0.01)
    real, failures = Connection.run, [0]

    async def fragile(self: Connection) -> None:
        failures[0] += 1
        if failures[0] == 1:
            raise RuntimeError("a fault of ours")
        await real(self)

    monkeypatch.setattr(Connection, "run", fragile)
    async with bench() as b:
        b.pool.want(topics("A"))
        await b.served(*topics("A"))
        assert failures[0] == 2
