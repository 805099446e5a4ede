"""Live states on disk: whole or not at all, one market apart from the other, broken bodies told from good ones."""

import asyncio
from collections.abc import Callable

import pytest
from sqlalchemy import update
from storage_builders import BTC, NOW

from exchanges.types import Checkpoint, CheckpointStore, FlowMinute, GapPage, GapStore
from market.types import DAY, MINUTE, Gap
from storage import checkpoints as module
from storage.checkpoints import Checkpoints
from storage.db import Database
from storage.errors import StorageError
from storage.samples import Samples
from storage.tables import checkpoints, flow_rows

ETH = "binance:ETH/USDT:USDT"
FEED = {"exchange": "binance", "symbol": "BTC/USDT:USDT", "feed": "trades"}


def state(key: str = BTC.key, ts: int = NOW, body: bytes = b"body") -> Checkpoint:
    return Checkpoint(key=key, ts=ts, body=body)


def minute(n: int, body: bytes = b"row", key: str = BTC.key) -> FlowMinute:
    return FlowMinute(key=key, minute=NOW + n * MINUTE, body=body)


def page(since: int, *spans: tuple[int, int], **about: str) -> GapPage:
    return GapPage(**(FEED | about), since=since, spans=spans)


def spans(found: list[Gap]) -> list[tuple[str, int, int]]:
    return [(gap.table, gap.from_ts - NOW, gap.to_ts - NOW) for gap in found]


@pytest.fixture
def store(database: Database) -> Checkpoints:
    return Checkpoints(database)


def test_it_keeps_its_promises(database: Database) -> None:
    one: CheckpointStore = Checkpoints(database)
    two: GapStore = Samples(database)
    assert one
    assert two


async def test_the_newest_state_and_minute_stand(store: Checkpoints) -> None:
    await store.save([], [])
    assert await store.load(BTC.key) is None
    await store.save([state(), state(ETH)], [minute(1), minute(0), minute(0, b"e", ETH)])
    big = bytes(range(256)) * 4096
    await store.save([state(ts=NOW + 9, body=big)], [minute(1, b""), minute(2, big)])
    assert await store.load(BTC.key) == state(ts=NOW + 9, body=big)
    assert await store.keys() == {BTC.key: NOW + 9, ETH: NOW}
    assert await store.minutes(BTC.key, NOW, NOW + 2 * MINUTE) == [minute(0), minute(1, b"")]
    assert await store.minutes(BTC.key, NOW + 1, NOW + DAY) == [minute(1, b""), minute(2, big)]


async def test_many_rows_go_in_parts(store: Checkpoints, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PART", 3)
    await store.save([state(f"k{n}") for n in range(10)], [minute(n) for n in range(7)])
    assert len(await store.keys()) == 10
    assert len(await store.minutes(BTC.key, NOW, NOW + DAY)) == 7
    await store.forget([f"k{n}" for n in range(9)])
    assert list(await store.keys()) == ["k9"]


async def test_a_write_that_is_cut_leaves_everything_as_it_was(
    database: Database, store: Checkpoints, monkeypatch: pytest.MonkeyPatch
) -> None:
    await store.save([state()], [minute(0)])
    real, calls = store._put, []

    async def cut(*given: object) -> None:
        await real(*given)  # type: ignore[arg-type]
        calls.append(1)
        raise asyncio.CancelledError  # the process ends between the two tables

    monkeypatch.setattr(store, "_put", cut)
    with pytest.raises(asyncio.CancelledError):
        await store.save([state(ts=NOW + MINUTE, body=b"new")], [minute(0, b"new"), minute(1)])
    assert calls == [1]
    again = Checkpoints(database)
    assert await again.load(BTC.key) == state()
    assert await again.minutes(BTC.key, NOW, NOW + DAY) == [minute(0)]


async def test_two_markets_never_see_each_other(database: Database, store: Checkpoints) -> None:
    other, gaps = Checkpoints(database, "SIMULATED 1"), Samples(database, "SIMULATED 1")
    await other.save([state()], [minute(0)])
    await gaps.save_ledger([page(NOW, (NOW, NOW + 5))], NOW, b"x")
    assert await store.load(BTC.key) is None
    assert await store.keys() == {}
    assert await store.minutes(BTC.key, 0, 2**62) == []
    assert await Samples(database).all_gaps(0, 2**62) == []
    assert await Samples(database).sign_of_life() is None
    await store.forget([BTC.key])
    assert await other.load(BTC.key) == state()
    assert len(await other.minutes(BTC.key, 0, 2**62)) == 1


@pytest.mark.parametrize("torn", [b"", b"no zlib", "half"])
async def test_a_broken_body_is_left_out(
    database: Database, store: Checkpoints, torn: bytes | str
) -> None:
    await store.save([state(body=b"abc" * 99), state(ETH)], [minute(0), minute(1, b"abc" * 99)])
    async with database.market.write() as connection:
        for table in (checkpoints, flow_rows):
            rows = (await connection.execute(table.select())).all()
            whole = next(
                row.body for row in rows if len(row.body) == max(len(r.body) for r in rows)
            )
            body = whole[: len(whole) // 2] if isinstance(torn, str) else torn
            where = table.c.key == BTC.key
            if table is flow_rows:
                where = where & (table.c.minute == NOW + MINUTE)
            await connection.execute(update(table).where(where).values(body=body))
    assert await store.load(BTC.key) is None
    assert await store.load(ETH) == state(ETH)
    assert await store.minutes(BTC.key, 0, 2**62) == [minute(0)]


async def test_a_page_replaces_what_began_since(database: Database) -> None:
    store = Samples(database)
    await store.save_ledger(
        [page(NOW, (NOW, NOW + 5), (NOW + 10, NOW + 20)), page(NOW, (NOW, NOW + 9), feed="books")],
        NOW + 20, b"one",
    )  # fmt: skip
    await store.save_ledger(
        [page(NOW + 10, (NOW + 10, NOW + 12), (NOW + 15, NOW + 30))], NOW + 30, b"two"
    )
    found = spans(await store.all_gaps(0, 2**62))
    assert found == [("trades", 0, 5), ("books", 0, 9), ("trades", 10, 12), ("trades", 15, 30)]
    assert spans(await store.all_gaps(NOW + 13, NOW + 15)) == [("trades", 15, 30)]
    assert await store.sign_of_life() == (NOW + 30, b"two")
    await store.save_ledger([page(NOW, symbol="other"), page(NOW)], NOW + 31, b"")
    assert spans(await store.all_gaps(0, 2**62)) == [("books", 0, 9)]
    assert await store.sign_of_life() == (NOW + 31, b"")


async def test_the_sign_of_life_is_no_state(database: Database, store: Checkpoints) -> None:
    await Samples(database).save_ledger([], NOW, b"alive")
    assert await store.keys() == {}


async def test_pages_and_sign_are_written_together(database: Database) -> None:
    store = Samples(database)
    await store.save_ledger([page(NOW, (NOW, NOW + 5))], NOW, b"one")
    twice = page(NOW, (NOW, NOW + 7), (NOW, NOW + 8))  # no ledger makes such a page
    with pytest.raises(StorageError):
        await store.save_ledger([twice], NOW + 1, b"two")
    assert spans(await store.all_gaps(0, 2**62)) == [("trades", 0, 5)]
    assert await store.sign_of_life() == (NOW, b"one")


async def test_it_is_there_after_the_next_start(reopen: Callable[[], Database]) -> None:
    first = reopen()
    await first.start()
    await Checkpoints(first).save([state()], [minute(0)])
    await first.close()
    second = reopen()
    await second.start()
    assert await Checkpoints(second).load(BTC.key) == state()
    assert await Samples(second).prune(NOW + 3 * DAY) == 2
    assert await Checkpoints(second).load(BTC.key) is None
