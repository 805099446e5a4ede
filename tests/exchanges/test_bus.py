"""The bus hands every list to every consumer in order, never waits for one, and counts what a slow one lost."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stream_venue import START, coin

from exchanges.endpoints import Endpoints
from exchanges.streams.bus import Bus
from exchanges.streams.supervisor import Streams
from market.clock import FixedClock
from market.types import Context

NEWS = [Context(instrument=coin("A"), ts=START + i, mark=1.0) for i in range(500)]


async def test_every_consumer_gets_every_list_in_order() -> None:
    bus = Bus()
    first, second = bus.subscribe("recorder", 10), bus.subscribe("monitors", 10)
    bus.put(NEWS[:3])
    bus.put([])
    bus.put(NEWS[3:4])
    assert [await anext(first), await anext(first)] == [NEWS[:3], NEWS[3:4]]
    assert second.depth == 2
    assert second.poll() == NEWS[:4]
    assert (first.taken, second.taken, bus.dropped) == (4, 4, 0)


async def test_a_full_queue_gives_up_its_oldest_list_and_counts_its_events() -> None:
    bus = Bus()
    slow, quick = bus.subscribe("slow", 2), bus.subscribe("quick", 10)
    for start in (0, 10, 20, 30):
        bus.put(NEWS[start : start + 10])
    assert (slow.dropped, slow.depth, quick.dropped, bus.dropped) == (20, 2, 0, 20)
    assert slow.poll() == NEWS[20:40]
    told = {each.name: each for each in bus.status()}
    assert (told["slow"].dropped, told["quick"].depth, told["quick"].waiting) == (20, 4, 40)


async def test_a_consumer_waits_for_what_is_put_later_and_ends_with_its_queue() -> None:
    bus = Bus()
    queue = bus.subscribe("late")
    found: list[list[Context]] = []

    async def read() -> None:
        async for news in queue:
            found.append(news)

    task = asyncio.create_task(read())
    await asyncio.sleep(0)
    bus.put(NEWS[:1])
    bus.put(NEWS[1:2])
    queue.close()
    await asyncio.wait_for(task, 1)
    assert found == [NEWS[:1], NEWS[1:2]]
    bus.put(NEWS[2:3])
    assert bus.status() == []


async def test_what_a_consumer_lost_stays_counted_after_it_left() -> None:
    bus = Bus()
    with bus.subscribe("short", 1):
        bus.put(NEWS[:5])
        bus.put(NEWS[5:7])
    assert (bus.dropped, bus.status()) == (5, [])


def test_a_queue_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one"):
        Bus().subscribe("none", 0)


@given(
    st.lists(st.one_of(st.integers(1, 5), st.just(0)), max_size=60),  # 0: everything is taken
    st.integers(1, 6),
)
def test_taken_waiting_and_dropped_add_up_and_what_comes_is_the_newest(
    steps: list[int], size: int
) -> None:
    async def run() -> None:
        bus = Bus()
        queue = bus.subscribe("one", size)
        lists: list[list[Context]] = []
        given = got = 0
        for step in steps:
            if step:
                news = NEWS[given : given + step]
                given += step
                lists = [*lists, news][-size:]
                bus.put(list(news))
            else:
                assert queue.poll() == [each for news in lists for each in news]
                got += sum(map(len, lists))
                lists = []
            told = queue.status()
            assert (told.taken, told.waiting) == (got, sum(map(len, lists)))
            assert told.taken + told.waiting + told.dropped == given

    asyncio.run(run())


async def test_what_a_connection_brings_while_it_ends_is_handed_to_everybody() -> None:
    clock = FixedClock(START)
    streams = Streams(Endpoints(), clock, clock)
    queue = streams.bus.subscribe("recorder")

    async def ending() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            streams.bus.put(NEWS[:2])

    streams._tasks.add(asyncio.create_task(ending()))
    await asyncio.sleep(0)
    await streams.close()
    assert [news async for news in queue] == [NEWS[:2]]
