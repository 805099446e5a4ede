"""Facts and messages of a whole service: who is told what, from which threshold on, how often, and after a restart."""

import asyncio
import json
from collections.abc import AsyncIterator
from itertools import pairwise
from pathlib import Path

import pytest
from monitor_desk import BTC, BYBIT_BTC, CHAT, ETH, SOL, WALL, Desk

from alerts.channel import Leave, Sending, at_once
from alerts.monitors.kinds.base import Monitor
from alerts.monitors.latency import Latency, Timed
from alerts.monitors.types import EVERY, OFF
from alerts.outcome import NotSent, Outcome, Sent
from alerts.types import OutboxRow
from market.clock import FixedClock
from market.types import MINUTE, Instrument, Liquidation, PositionSide, Reading, Side, Status, Trade


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    made = await Desk(tmp_path).start()
    yield made
    await made.close()


async def test_a_fact_is_logged_for_the_desk_and_told_to_those_who_asked(desk: Desk) -> None:
    await desk.on("BTC", chat=1, thread=7)
    await desk.on(EVERY, chat=2)
    await desk.on("ETH", chat=3)
    desk.state().figures["funding_8h"] = 0.0006
    (fact,) = await desk.second()
    assert (fact.kind, fact.key, fact.side, fact.threshold) == ("funding", BTC.key, "up", 0.05)
    assert fact.text == "BTC funding +0.0600 % per 8 h: longs pay shorts"
    assert fact.evidence["funding_8h"].value == 0.0006
    assert await desk.second(5) == [], "it is still so, which is no news"
    rows = await desk.rows()
    assert {(row.chat_id, row.thread_id) for row in rows} == {(1, 7), (2, None)}
    assert all((row.alert_id, row.transition) == (0, fact.id) for row in rows)
    body = json.loads(rows[0].payload)
    assert body["headline"] == fact.text
    assert "Binance" in body["evidence"]
    assert "above 0.05 %/8h" in body["evidence"]
    assert [each.id for each in await desk.service.facts()] == [fact.id]


async def test_a_chats_own_threshold_decides_for_it_alone(desk: Desk) -> None:
    for chat in (1, 2, 3):
        await desk.on("BTC", chat=chat)
    choose = desk.service.subscriptions.choose
    await choose(2, "funding", "BTC", 0.02)
    await choose(3, "funding", EVERY, OFF)
    desk.state().figures["funding_8h"] = 0.0003
    (early,) = await desk.second()
    assert early.threshold == 0.02
    desk.state().figures["funding_8h"] = 0.0009
    (usual,) = await desk.second()
    assert usual.threshold == 0.05
    await desk.second(8)
    assert sorted(row.chat_id for row in await desk.rows()) == [1, 2]
    await choose(2, "funding", "BTC", None)
    assert desk.service.subscriptions.threshold(2, _kind(desk, "funding"), "BTC") == 0.05


def _kind(desk: Desk, name: str) -> Monitor:
    return next(each for each in desk.service.kinds.all if each.kind == name)


@pytest.mark.parametrize(
    "reading",
    [
        Reading.missing("no rate yet", Status.INSUFFICIENT),
        Reading(value=0.01, status=Status.STALE, reason="old"),
        Reading(value=0.01, status=Status.FLAT),
    ],
)
async def test_a_figure_that_is_not_sure_makes_no_fact_and_is_counted(
    desk: Desk, reading: Reading[float]
) -> None:
    await desk.on("BTC")
    desk.state().figures["funding_8h"] = reading
    assert await desk.second(3) == []
    assert desk.service.status().refused[str(reading.status)] >= 3
    desk.state().figures["funding_8h"] = 0.01
    assert len(await desk.second()) == 1


async def test_a_window_with_a_hole_makes_no_fact_until_the_hole_has_left_it(desk: Desk) -> None:
    await desk.on("BTC")
    state, now = desk.state(), desk.clock.now()
    state.figures["delta_5m"] = 30e6
    state.flow.mark_gap(now - 1000, now)
    assert await desk.second(2) == []
    assert desk.service.status().refused["blind"] >= 2
    desk.service.missed(BTC.key, now - 1000, now)
    state.flow.close_gap(now - 1000, now)
    assert await desk.second(2) == [], "what was fetched later was not seen as it happened"
    assert desk.service.status().refused["not seen live"] >= 2
    desk.clock.advance(5 * MINUTE)
    (fact,) = await desk.second()
    assert fact.kind == "delta"


async def test_gaps_of_the_ledger_are_those_of_windows(desk: Desk) -> None:
    from market.types import Gap

    now = desk.clock.now()
    desk.streams.ledger.gaps = [
        Gap(from_ts=now - 5000, to_ts=now, table="trades", exchange="binance", symbol=BTC.symbol)
    ]
    await desk.service._digest.look()
    desk.state().figures["delta_5m"] = 30e6
    assert await desk.second() == []


async def test_each_snapshot_is_taken_once_in_a_round(desk: Desk) -> None:
    desk.state().figures.update(funding_8h=0.0, delta_5m=0.0, oi_change_15m=0.0)
    await desk.second(3)
    assert desk.state().snapshots == 3


async def test_venues_and_kinds_of_one_coin_within_two_seconds_are_one_message(desk: Desk) -> None:
    await desk.on("BTC")
    desk.state(BTC).figures["delta_5m"] = 25e6
    await desk.second()
    desk.state(BYBIT_BTC).figures["delta_5m"] = 85e6
    desk.state(BTC).figures["oi_change_15m"] = 0.031
    await desk.second()
    assert await desk.rows() == []
    await desk.second()
    (message,) = await desk.messages()
    assert message["headline"] == "BTC buyers ahead by $85.0M in 5 m", "the gravest first"
    assert "BTC buyers ahead by $25.0M in 5 m (Binance)" in message["reading"]
    assert "BTC open interest +3.10 % in 15 m (Binance)" in message["reading"]


async def test_a_chat_is_written_to_at_most_each_five_seconds_about_a_coin(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    await desk.on("BTC", "ETH")
    monkeypatch.setattr(type(_kind(desk, "delta")), "cooldown", 0)
    for n in range(10):
        desk.state(BTC).figures["delta_5m"] = 0.0 if n % 2 else 21e6
        await desk.second()
        await desk.service.post()
    rows = await desk.rows()
    times = [row.created_ts for row in rows]
    assert len(rows) == 2
    assert all(b - a >= 5000 for a, b in pairwise(times))


async def test_urgent_facts_do_not_wait(desk: Desk) -> None:
    await desk.on("BTC")
    now = desk.clock.now()
    news = [liquidation(now - n, 200_000) for n in range(5)]
    (fact,) = desk.service.take(news)
    assert fact.text == "BTC longs liquidated: $1.00M in 30 s"
    (message,) = await desk.messages()
    assert message["headline"] == fact.text


def liquidation(ts: int, value: float, **more: object) -> Liquidation:
    return Liquidation(
        instrument=BTC, ts=ts, price=100.0, amount=value / 100, position=PositionSide.LONG, **more  # type: ignore[arg-type]
    )  # fmt: skip


async def test_old_events_are_history(desk: Desk) -> None:
    now = desk.clock.now()
    assert desk.service.take([liquidation(now - 61_000 - n, 9e6) for n in range(9)]) == []
    assert desk.service.status().old == 9


async def test_more_than_a_chat_can_read_becomes_a_summary(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    await desk.on("BTC", "ETH", "SOL")
    monkeypatch.setattr(type(_kind(desk, "funding")), "cooldown", 0)
    for n in range(120):
        for each in (BTC, ETH, SOL):
            desk.state(each).figures["funding_8h"] = 0.0 if n % 2 else 0.0006
        await desk.second()
        await desk.service.post()
    rows = await desk.rows()
    bodies = [json.loads(row.payload) for row in rows]
    summaries = [b for b in bodies if "findings on" in b["headline"]]
    assert len(bodies) - len(summaries) == 15
    assert 1 <= len(summaries) <= 4
    assert "BTC, ETH, SOL" in summaries[0]["headline"] or "SOL" in summaries[0]["headline"]
    told = sum(int(b["headline"].split()[0]) for b in summaries)
    assert told >= 60, "what is not told one by one is counted"


async def test_a_monitor_that_fails_is_left_out_of_that_round_only(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    broken = _kind(desk, "delta")
    with monkeypatch.context() as patch:
        patch.setattr(broken, "look", lambda view: 1 / 0)
        desk.state().figures.update(funding_8h=0.001, delta_5m=25e6)
        assert [fact.kind for fact in await desk.second()] == ["funding"]
    assert desk.service.status().failures == {"delta": 1}
    assert [fact.kind for fact in await desk.second()] == ["delta"]


async def test_after_a_restart_what_still_is_so_is_no_news(desk: Desk) -> None:
    await desk.on("BTC", thread=3)
    await desk.service.subscriptions.choose(CHAT, "oi", "BTC", 1.0)
    desk.state().figures.update(funding_8h=0.001, oi_change_15m=0.015)
    assert len(await desk.second()) == 2
    await desk.rows()
    await desk.start()
    assert desk.service.subscriptions.of_chat(CHAT) == ["BTC"]
    assert await desk.second(5) == []
    desk.state().figures["funding_8h"] = 0.0
    await desk.second()
    desk.clock.advance(4 * 60 * MINUTE)
    desk.state().figures["funding_8h"] = 0.001
    (fact,) = await desk.second()
    assert fact.kind == "funding"


async def test_a_database_that_is_away_delays_and_loses_nothing(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    from storage.errors import StorageError

    await desk.on("BTC")
    desk.state().figures["funding_8h"] = 0.001
    await desk.second(3)

    async def away(*_a: object) -> int:
        raise StorageError("locked")

    with monkeypatch.context() as patch:
        patch.setattr(desk.alerts, "fire", away)
        with pytest.raises(StorageError):
            await desk.service.post()
    assert len(await desk.rows()) == 1
    assert len(await desk.rows()) == 1


async def test_a_chat_that_is_gone_is_not_written_to_until_it_is_back(desk: Desk) -> None:
    await desk.on("BTC")
    desk.state().figures["funding_8h"] = 0.001
    await desk.second()
    desk.service.chat_changed(CHAT, False)
    await desk.second(5)
    assert await desk.rows() == []
    desk.service.chat_changed(CHAT, True)
    desk.state().figures["oi_change_15m"] = 0.05
    await desk.second(4)
    assert len(await desk.rows()) == 1


async def test_leaving_a_coin_out_of_all_and_taking_it_back(desk: Desk) -> None:
    heard = desk.service.subscriptions
    await desk.on(EVERY)
    assert await heard.off(CHAT, ["BTC"]) == ["BTC"]
    assert heard.hears(CHAT, "BTC") is None
    assert heard.hears(CHAT, "ETH") is not None
    assert heard.hears(CHAT, "DOGE", listed=False) is None
    await desk.start()
    heard = desk.service.subscriptions
    assert heard.hears(CHAT, "BTC") is None, "also after a restart"
    await desk.on("BTC")
    assert heard.hears(CHAT, "BTC") is not None
    assert await heard.off(CHAT, []) == ["*", "BTC"]
    assert heard.of_chat(CHAT) == []


async def test_the_loops_run_and_a_spike_is_a_fact_within_a_second(desk: Desk) -> None:
    import time

    from market.clock import WallClock

    await desk.on("BTC")
    wall = WallClock(time.time)
    service = desk.service
    service._clock = service._wall = service._judge._wall = service._postman._wall = wall  # type: ignore[assignment]
    service._postman._clock = wall  # type: ignore[assignment]
    desk.state().flow.begin(0)
    await service.start()
    try:
        now = wall.now()
        trade = Trade(instrument=BTC, ts=now, price=100.0, amount=1.0, side=Side.BUY, recv_ts=now)
        desk.state().figures["delta_5m"] = 25e6
        desk.streams.bus.put([trade])
        async with asyncio.timeout(5):
            while not service.status().facts:  # noqa: ASYNC110
                await asyncio.sleep(0.02)
            while not await desk.alerts.due(10**15, 10):  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        p95 = service.latency.figures()["fact_p95"]
        assert p95.value is not None
        assert 0 <= p95.value <= 1100
        assert service.status().running
        assert service.status().seen == 1
    finally:
        await service.close()
    assert not service.status().running


class Way:
    name = "telegram"

    def __init__(self, clock: FixedClock, outcome: Outcome) -> None:
        self.clock, self.outcome = clock, outcome

    async def prepare(self, row: OutboxRow, *, repeat: bool = False) -> Sending:
        async def send(_leave: Leave) -> Outcome:
            self.clock.advance(300)
            return self.outcome

        return send


@pytest.mark.parametrize(
    ("outcome", "n"), [(Sent(message_id=4), 1), (NotSent(reason="429", retry_after=None), 0)]
)
async def test_a_delivery_is_measured_from_the_tick_when_it_was_accepted(
    outcome: Outcome, n: int
) -> None:
    clock, latency = FixedClock(WALL + 700), Latency()
    channel = Timed(Way(clock, outcome), latency, clock)
    row = OutboxRow(
        id=1, alert_id=0, transition=5, channel="telegram", chat_id=1, created_ts=0,
        payload=json.dumps({"headline": "x", "tick": WALL}),
    )  # fmt: skip
    assert await (await channel.prepare(row))(at_once) == outcome
    found = latency.figures()["message_p50"]
    assert (found.value, found.n) == ((1000.0, 1) if n else (None, None))


async def test_facts_that_cannot_be_stored_keep_no_message_back(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    from storage.errors import StorageError

    async def away(*_a: object) -> None:
        raise StorageError("disk full")

    await desk.on("BTC")
    desk.state().figures["funding_8h"] = 0.001
    await desk.second(3)
    with monkeypatch.context() as patch:
        patch.setattr(desk.store, "save_facts", away)
        with pytest.raises(StorageError):
            await desk.service.post()
        assert desk.service.status().unstored == 1
    assert len(await desk.alerts.due(10**15, 10)) == 1
    await desk.service.post()
    assert desk.service.status().unstored == 0
    assert len(await desk.service.facts()) == 1


async def test_what_is_not_in_dollars_is_not_judged_by_dollars(desk: Desk) -> None:
    from dataclasses import replace

    from monitor_desk import State

    euro = replace(BTC, symbol="BTC/EUR:EUR", quote="EUR")
    desk.streams.states[euro.key] = State(euro, desk.clock)
    desk.streams.states[euro.key].figures["delta_5m"] = 90e6
    desk.service.watch_list.instruments.append(euro)
    assert await desk.second(2) == []
    news = [replace_(liquidation(desk.clock.now() - n, 9e6), euro) for n in range(6)]
    assert desk.service.take(news) == []


def replace_(row: Liquidation, of: Instrument) -> Liquidation:
    return Liquidation(
        instrument=of, ts=row.ts, price=row.price, amount=row.amount, position=row.position
    )


async def test_the_measure_of_a_wall_is_what_trades_in_a_day(desk: Desk) -> None:
    scaled: list[float] = []
    book = type("Book", (), {"scale": lambda _self, value: scaled.append(value)})
    desk.state().book = book()
    await desk.service.scan()
    assert scaled == [1e9]
