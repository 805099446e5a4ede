"""Subscriptions, thresholds, facts and switches on a real SQLite file and a real PostgreSQL server."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from alerts.monitors.types import OFF, Fact, FactIds, Severity, Subscription, Threshold
from market.types import DAY, Reading
from storage.db import Database
from storage.errors import StorageError
from storage.monitors import Monitors
from storage.retention import prune_market

NOW = 1_780_000_000_000
GROUP, OTHER = -1001234567890123, 77


@pytest.fixture
def store(database: Database) -> Monitors:
    return Monitors(database)


def fact(number: int, **fields: object) -> Fact:
    whole = Fact(
        id=(NOW << 12) + number, ts=NOW + number, kind="whale", key="binance:BTC/USDT:USDT", coin="BTC",
        severity=Severity.HIGH, value=-2.5e6, threshold=5e5, text="BTC whale sold $2.50M at 94,000.0",
        detail="in one order", venues=("binance",), side="sell", tick_wall=NOW + 5, seen_wall=NOW + 9,
        evidence={"order": Reading(value=2.5e6, as_of=NOW, n=4, unit="USD")},
    )  # fmt: skip
    return replace(whole, **fields)  # type: ignore[arg-type]


def wanted(chat: int, coin: str, **fields: int | None) -> Subscription:
    return Subscription(chat_id=chat, coin=coin, **{"created_ts": NOW, **fields})  # type: ignore[arg-type]


async def test_a_chat_hears_of_a_coin_once_in_its_newest_thread(store: Monitors) -> None:
    await store.subscribe([])
    await store.subscribe([wanted(GROUP, "BTC"), wanted(GROUP, "*"), wanted(OTHER, "BTC")])
    await store.subscribe([wanted(GROUP, "BTC", thread_id=9, created_ts=NOW + 5)])
    assert await store.subscriptions() == [
        wanted(GROUP, "*"), wanted(GROUP, "BTC", thread_id=9), wanted(OTHER, "BTC"),
    ]  # fmt: skip
    assert await store.unsubscribe(GROUP, ["BTC", "ETH"]) == 1
    assert await store.unsubscribe(GROUP, []) == 1
    assert await store.subscriptions() == [wanted(OTHER, "BTC")]


async def test_a_threshold_replaces_the_one_before_and_can_be_dropped(store: Monitors) -> None:
    mine = Threshold(chat_id=GROUP, kind="spike", coin="BTC", value=250.0)
    await store.set_threshold(mine, NOW)
    await store.set_threshold(replace(mine, value=0.1 + 0.2), NOW + 1)
    await store.set_threshold(replace(mine, coin="*", value=OFF), NOW)
    assert await store.thresholds() == [
        replace(mine, coin="*", value=OFF), replace(mine, value=0.1 + 0.2),
    ]  # fmt: skip
    assert await store.drop_threshold(GROUP, "spike", "BTC") == 1
    assert await store.drop_threshold(GROUP, "spike", "BTC") == 0
    assert [each.coin for each in await store.thresholds()] == ["*"]
    with pytest.raises(StorageError, match="spike"):
        await store.set_threshold(replace(mine, value=float("nan")), NOW)


async def test_what_a_group_chose_moves_with_it_and_does_not_replace_what_is_there(
    store: Monitors,
) -> None:
    await store.subscribe([wanted(1, "BTC"), wanted(1, "ETH"), wanted(2, "BTC", thread_id=4)])
    for chat, coin, value in ((1, "BTC", 1.0), (2, "BTC", 2.0), (1, "*", 3.0)):
        await store.set_threshold(
            Threshold(chat_id=chat, kind="spike", coin=coin, value=value), NOW
        )
    for _again in range(2):
        await store.move_chat(1, 2)
    assert await store.subscriptions() == [wanted(2, "BTC", thread_id=4), wanted(2, "ETH")]
    assert [(t.chat_id, t.coin, t.value) for t in await store.thresholds()] == [
        (2, "*", 3.0), (2, "BTC", 2.0),
    ]  # fmt: skip


async def test_facts_come_back_newest_first_and_are_kept_once(store: Monitors) -> None:
    facts = [fact(n) for n in range(5)]
    await store.save_facts([])
    await store.save_facts(facts[:3])
    await store.save_facts([replace(facts[2], text="other"), *facts[3:]])
    found = await store.facts()
    assert found == [replace(each, evidence={}) for each in reversed(facts)]
    assert [f.ts for f in await store.facts(since=NOW + 1, until=NOW + 3)] == [
        NOW + 3, NOW + 2, NOW + 1,
    ]  # fmt: skip
    assert [f.ts for f in await store.facts(limit=2)] == [NOW + 4, NOW + 3]
    await store.save_facts([fact(9, coin="ETH", key="ETH")])
    assert [f.key for f in await store.facts(coin="ETH")] == ["ETH"]


async def test_facts_of_another_market_are_not_read_and_a_bad_one_is_not_kept(
    database: Database,
) -> None:
    live, simulated = Monitors(database), Monitors(database, "sim 7")
    await simulated.save_facts([fact(1)])
    assert await live.facts() == []
    with pytest.raises(StorageError, match="whale"):
        await live.save_facts([fact(2), fact(3, value=float("inf"))])
    assert await live.facts() == []
    await prune_market(database.market, NOW + 99 * DAY, "sim 7")
    assert await simulated.facts() == []


async def test_everything_is_there_after_a_restart(reopen: Callable[[], Database]) -> None:
    first = reopen()
    await first.start()
    store = Monitors(first)
    await store.subscribe([wanted(GROUP, "BTC")])
    await store.set_switch("watch list", "[]", NOW)
    await store.set_switch("watch list", '["a"]', NOW)
    await store.save_facts([fact(1)])
    await first.close()
    second = Monitors(reopen())
    assert await second.subscriptions() == [wanted(GROUP, "BTC")]
    assert await second.switch("watch list") == '["a"]'
    assert await second.switch("nothing") is None
    assert len(await second.facts()) == 1


def test_numbers_of_facts_grow_within_a_ms_over_restarts_and_when_the_clock_is_set_back() -> None:
    ids = FactIds()
    found = [ids.next(wall) for wall in (NOW, NOW, NOW - 5000, NOW + 1)]
    assert found == sorted(set(found))
    assert FactIds().next(NOW + 2) > found[-1]
    assert found[-1] < 2**63
