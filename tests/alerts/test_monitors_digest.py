"""After an outage each chat is told once what its alerts and monitors missed; a process that dies cannot tell twice."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from monitor_desk import BTC, BYBIT_BTC, CHAT, ETH, Desk

from alerts.monitors.digest import outages
from alerts.types import AlertRule, AlertState, Cross, Firing, Metric, Op
from market.types import MINUTE, Gap

START_GAP = 10 * MINUTE
PRICE = Metric(subject=BTC.key, name="price")


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    made = await Desk(tmp_path).start()
    yield made
    await made.close()


def gap(desk: Desk, start: int, end: int, **more: Any) -> Gap:
    """Minutes from the beginning of the test."""
    base = {"table": "trades", "exchange": "binance", "symbol": BTC.symbol} | more
    return Gap(from_ts=_begin(desk) + start * MINUTE, to_ts=_begin(desk) + end * MINUTE, **base)


def _begin(desk: Desk) -> int:
    from alert_market import START

    return START


async def rule(
    desk: Desk, *, chat: int = CHAT, kind: str = "price", seen: int = 0, **more: Any
) -> AlertRule:
    metric = more.pop("metric", PRICE)
    made = AlertRule(
        id=0, chat_id=chat, owner_id=1, kind=kind, text="/alert", coin=more.pop("coin", "BTC"),
        condition=Cross(metric=metric, op=Op.ABOVE, level=95e3), **more,
    )  # fmt: skip
    return await desk.alerts.add(made, AlertState(rule_id=0, last_ts=seen))


async def pass_(desk: Desk, seconds: int, step: int = 5) -> int:
    """Time passes, with a look every few seconds."""
    added = 0
    for _n in range(0, seconds, step):
        desk.clock.advance(step * 1000)
        desk.wall.advance(step * 1000)
        added += await desk.service._digest.look()
    return added


async def digests(desk: Desk) -> dict[int, list[dict[str, Any]]]:
    found: dict[int, list[dict[str, Any]]] = {}
    for row in await desk.alerts.due(10**15, 1000):
        if row.alert_id < 0:
            found.setdefault(row.chat_id, []).append(json.loads(row.payload))
    return found


async def test_one_message_when_it_is_over_with_feeds_alerts_and_coins(desk: Desk) -> None:
    await desk.on("BTC", "ETH")
    late = _begin(desk) + 30 * MINUTE
    fired = await rule(desk, seen=late)
    quiet = await rule(desk, seen=late)
    waiting = await rule(desk, seen=0)
    other = await rule(desk, metric=replace(PRICE, subject=ETH.key), coin="ETH")
    desk.clock.advance(4 * MINUTE)
    desk.streams.ledger.gaps = [gap(desk, 3, 4), gap(desk, 3, 4, table="books")]
    for minute in range(5, 9):  # still blind
        desk.clock.advance(MINUTE - 10_000)
        desk.wall.advance(MINUTE - 10_000)
        for _n in range(2):
            now = desk.clock.now() + 5000
            one = replace(gap(desk, 3, minute), to_ts=now)
            desk.streams.ledger.gaps = [one, replace(one, table="books")]
            assert await pass_(desk, 5) == 0
    desk.streams.ledger.gaps = [gap(desk, 3, 8), gap(desk, 3, 8, table="books")]
    await pass_(desk, 10)
    desk.streams.ledger.gaps = []  # filled: gone from the ledger, and told all the same
    at = _begin(desk) + 5 * MINUTE
    await desk.alerts.fire(
        [Firing(rule_id=fired.id, transition=1, ts=at, value=95001, threshold=95e3, text="BTC 95,001, above 95k")],
        [], [],
    )  # fmt: skip
    assert await pass_(desk, 60) == 1
    (message,) = (await digests(desk))[CHAT]
    assert message["headline"] == "Blind 00:03 UTC to 00:08 UTC (5 m)"
    lines = message["reading"].splitlines()
    assert "Binance trades: 00:03 UTC to 00:08 UTC" in lines
    assert "Binance books: 00:03 UTC to 00:08 UTC" in lines
    assert f"#{fired.id} BTC 95,001, above 95k at 00:05 UTC" in lines
    assert f"Not true then, by the candles: #{quiet.id}." in lines
    assert f"Not looked at again yet: #{waiting.id}." in lines
    assert "Monitors noticed nothing of it: BTC." in lines
    assert f"#{other.id}" not in message["reading"]
    assert "late by design" in message["evidence"]
    assert await pass_(desk, 600) == 0
    assert len((await digests(desk))[CHAT]) == 1


async def test_only_chats_that_it_concerns_and_only_what_lasted(desk: Desk) -> None:
    await desk.on("BTC", chat=1)
    await desk.on("ETH", chat=2)
    await rule(desk, chat=3, kind="oi", metric=Metric(subject="*:BTC", name="open_interest"))
    await rule(desk, chat=4, kind="cvd", metric=Metric(subject="*:BTC", name="cvd"))
    await rule(desk, chat=5, metric=replace(PRICE, subject=BYBIT_BTC.key))
    desk.clock.advance(6 * MINUTE)
    short = replace(gap(desk, 1, 2, symbol=ETH.symbol), to_ts=_begin(desk) + 2 * MINUTE)
    desk.streams.ledger.gaps = [short, gap(desk, 1, 4)]
    await pass_(desk, 60)
    assert sorted(await digests(desk)) == [1, 4]


async def test_a_whole_venue_concerns_everybody_who_looks_at_it(desk: Desk) -> None:
    await desk.on("ETH", chat=2)
    await rule(desk, chat=5, metric=replace(PRICE, subject=BYBIT_BTC.key))
    await rule(desk, chat=6)
    desk.clock.advance(6 * MINUTE)
    desk.streams.ledger.gaps = [gap(desk, 1, 4, symbol="")]
    await pass_(desk, 60)
    assert sorted(await digests(desk)) == [2, 6]


@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_process_that_dies_tells_neither_twice_nor_never(
    desk: Desk, when: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await desk.on("BTC")
    desk.clock.advance(6 * MINUTE)
    desk.streams.ledger.gaps = [gap(desk, 1, 4)]

    class Killed(BaseException):
        pass

    async def die(*_a: object) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        if when == "before":
            patch.setattr(desk.alerts, "fire", die)
        else:
            patch.setattr(desk.store, "set_switch", die)
        with pytest.raises(Killed):
            await pass_(desk, 60)
    await desk.start()
    await pass_(desk, 120)
    assert len((await digests(desk))[CHAT]) == 1


async def test_at_the_very_first_start_nothing_from_before_is_told(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.clock.advance(60 * MINUTE)
    await desk.start()
    await desk.on("BTC")
    desk.streams.ledger.gaps = [gap(desk, 1, 40)]
    await pass_(desk, 120)
    assert await digests(desk) == {}
    await desk.close()


async def test_an_outage_over_a_restart_is_told_by_the_next_process(desk: Desk) -> None:
    await desk.on("BTC")
    await desk.store.set_switch("digest", str(desk.clock.now()), 0)
    desk.clock.advance(30 * MINUTE)
    desk.streams.ledger.gaps = [gap(desk, 2, 30)]
    await desk.start()
    await pass_(desk, 60)
    assert (await digests(desk))[CHAT][0]["headline"] == "Blind 00:02 UTC to 00:30 UTC (28 m)"


def test_gaps_that_touch_are_one_outage() -> None:
    def span(start: int, end: int) -> Gap:
        return Gap(from_ts=start * MINUTE, to_ts=end * MINUTE)

    found = outages([span(9, 12), span(1, 3), span(2, 5), span(6, 7), span(20, 21)])
    assert [(o.from_ts // MINUTE, o.to_ts // MINUTE, len(o.gaps)) for o in found] == [
        (1, 7, 3), (9, 12, 1), (20, 21, 1),
    ]  # fmt: skip


async def test_what_was_lost_between_two_processes_is_told_though_it_was_filled_before_anything_was_armed(
    desk: Desk,
) -> None:
    await desk.on("BTC")
    desk.clock.advance(30 * MINUTE)
    desk.streams.ledger.gaps = [gap(desk, 2, 30)]
    desk.service.ready = asyncio.Event()
    await desk.service.start()
    desk.streams.ledger.gaps = []
    desk.state().figures["delta_5m"] = 90e6
    assert await desk.second() == [], "its window was fetched, not seen"
    await pass_(desk, 60)
    await desk.service.close()
    assert (await digests(desk))[CHAT][0]["headline"] == "Blind 00:02 UTC to 00:30 UTC (28 m)"


async def test_feeds_that_nobody_wants_any_more_are_nobodys_outage(desk: Desk) -> None:
    await desk.on("BTC")
    desk.clock.advance(20 * MINUTE)
    forever = gap(desk, 1, 20, symbol="GONE/USDT:USDT")
    desk.streams.ledger.gaps = [forever, gap(desk, 1, 4)]
    await pass_(desk, 60)
    assert (await digests(desk))[CHAT][0]["headline"] == "Blind 00:01 UTC to 00:04 UTC (3 m)"
