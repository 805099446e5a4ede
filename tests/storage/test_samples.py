"""Market samples and gaps, and how long everything is kept."""

from dataclasses import replace

import pytest
from sqlalchemy import func, select
from storage_builders import BTC, GROUP, NOW, firing, interest, row, rule, state, stored

from alerts.types import RuleStatus
from market.types import DAY, MINUTE, Gap
from storage import retention
from storage.alerts import Alerts
from storage.buttons import Buttons
from storage.db import Database
from storage.errors import StorageError
from storage.inbox import Inbox
from storage.retention import prune_main
from storage.samples import Samples
from storage.tables import buttons, outbox


@pytest.fixture
def store(database: Database) -> Samples:
    return Samples(database)


async def test_open_interest_comes_back_rising_and_exact(store: Samples) -> None:
    await store.save_open_interest([])
    await store.save_open_interest(
        [interest(NOW + 2, 0.1 + 0.2, None), interest(NOW), interest(NOW + 1, 1e-300, 1e300)]
    )
    await store.save_open_interest([interest(NOW, symbol="ETH/USDT:USDT")])
    found = await store.open_interest(BTC.key, NOW, NOW + 2)
    assert found == [(NOW, 1.5, 2.5), (NOW + 1, 1e-300, 1e300), (NOW + 2, 0.1 + 0.2, None)]
    assert await store.open_interest(BTC.key, NOW + 1, NOW + 1) == found[1:2]
    await store.save_open_interest([interest(NOW, 7.0, None)])
    assert (await store.open_interest(BTC.key, NOW, NOW)) == [(NOW, 7.0, None)]


async def test_a_sample_that_is_no_number_is_refused(store: Samples) -> None:
    with pytest.raises(StorageError, match="BTC"):
        await store.save_open_interest([interest(NOW), interest(NOW + 1, float("nan"))])
    with pytest.raises(StorageError, match="BTC"):
        await store.save_open_interest([interest(NOW, 1.0, float("inf"))])
    assert await store.open_interest(BTC.key, 0, 2**62) == []


async def test_a_simulated_market_is_never_read_back_as_the_live_one(database: Database) -> None:
    live, simulated = Samples(database), Samples(database, "SIMULATED 1")
    await simulated.save_open_interest([interest(NOW, 9.0)])
    await simulated.save_gaps([Gap(from_ts=NOW, to_ts=NOW + 1, exchange="binance")])
    assert await live.open_interest(BTC.key, 0, 2**62) == []
    assert await live.gaps("binance", BTC.symbol, 0, 2**62) == []
    await live.prune(NOW + 90 * DAY)
    assert await simulated.open_interest(BTC.key, 0, 2**62) == [(NOW, 9.0, 2.5)]


async def test_gaps_that_touch_the_window_are_found(store: Samples) -> None:
    gap = Gap(from_ts=NOW, to_ts=NOW + 10, exchange="binance", symbol=BTC.symbol)
    whole = replace(gap, from_ts=NOW + 5, to_ts=NOW + 6, symbol="", table="liquidations")
    other = replace(gap, symbol="ETH/USDT:USDT")
    await store.save_gaps([])
    await store.save_gaps([whole, gap, other])
    assert await store.gaps("binance", BTC.symbol, NOW, NOW + 99) == [gap, whole]
    assert await store.gaps("binance", BTC.symbol, NOW + 10, NOW + 99) == [gap]
    assert await store.gaps("binance", BTC.symbol, NOW + 11, NOW + 99) == []
    assert await store.gaps("binance", BTC.symbol, NOW - 9, NOW) == [gap]
    assert await store.gaps("bybit", BTC.symbol, 0, 2**62) == []


async def test_a_gap_grows_and_never_shrinks(store: Samples) -> None:
    gap = Gap(from_ts=NOW, to_ts=NOW + 10, exchange="binance")
    for to_ts in (NOW + 10, NOW + 30, NOW + 20):
        await store.save_gaps([replace(gap, to_ts=to_ts)])
    assert [each.to_ts for each in await store.gaps("binance", "", 0, 2**62)] == [NOW + 30]


async def test_old_samples_go_in_batches(store: Samples, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "BATCH", 3)
    await store.save_open_interest([interest(NOW + n * MINUTE) for n in range(10)])
    await store.save_gaps([Gap(from_ts=NOW - 5, to_ts=NOW + n, exchange=f"e{n}") for n in range(4)])
    kept = retention.MARKET_MS[retention.open_interest]
    assert await store.prune(NOW + kept) == 0
    assert await store.prune(NOW + kept + 7 * MINUTE) == 11
    assert [ts for ts, *_ in await store.open_interest(BTC.key, 0, 2**62)] == [
        NOW + n * MINUTE for n in (7, 8, 9)
    ]


async def test_handled_updates_are_forgotten_after_a_week_but_the_newest(
    database: Database,
) -> None:
    inbox, alerts = Inbox(database), Alerts(database)
    await inbox.store([stored(n) for n in range(1, 6)])
    for n in (1, 2, 3, 5):
        await inbox.done(n, NOW)
    first = await alerts.add(rule(), state(), update_id=1)
    late = await alerts.add(rule(), state(), update_id=5)
    assert await prune_main(database, NOW + 7 * DAY) == 0
    assert await prune_main(database, NOW + 7 * DAY + 1) == 3
    assert [each.update_id for each in await inbox.pending()] == [4], "never what waits"
    assert await inbox.last_id() == 5
    assert await inbox.store([stored(5), stored(1)]) == [1]
    assert (await alerts.add(rule(), state(), update_id=1)).id not in (first.id, late.id)
    assert (await alerts.add(rule(), state(), update_id=5)).id == late.id


async def test_only_what_is_finished_leaves_the_main_half(database: Database) -> None:
    alerts = Alerts(database)
    kept, gone, unsure = [await alerts.add(rule(), state()) for _ in range(3)]
    await alerts.fire(
        [firing(kept.id, 1), firing(gone.id, 1)],
        [state(kept.id, transition=retention.FIRINGS_KEPT + 1)],
        [row(1), row(2), row(3)],
    )
    waiting, sent, dead = await alerts.due(NOW)
    await alerts.sent(sent.id, 1, NOW)
    await alerts.dead(dead.id, "gone")
    await alerts.set_status([gone.id], RuleStatus.DELETED, now=NOW)
    await alerts.set_status([unsure.id], RuleStatus.DELETED)
    await Buttons(database).put("t", "x", GROUP, NOW + DAY)
    assert await prune_main(database, NOW) == 1, "the firing that is 1000 firings ago"
    assert await prune_main(database, NOW + 31 * DAY) == 7, "three lines of the ledger among them"
    async with database.main.read() as connection:
        assert (await connection.scalars(select(outbox.c.id))).all() == [waiting.id]
        assert await connection.scalar(select(func.count()).select_from(buttons)) == 0
    assert set(await alerts.states()) == {kept.id, unsure.id}
    assert await alerts.history(GROUP) == []
    assert await alerts.rule(gone.id) is None
    assert await alerts.rule(unsure.id) is not None, "nobody said when"
