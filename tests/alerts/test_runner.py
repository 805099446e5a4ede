"""The runner: live trades at once, what was missed once and late, nothing told of a rule that was changed meanwhile."""

import asyncio
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import pytest
from alert_desk import CHAT, ME, Desk
from alert_market import BTC, ETH, START
from live_streams import trade

from alerts.stored_types import Stored
from alerts.types import WATCHED, AlertRule, AlertState, Cross, Metric, Op, RuleStatus
from market.types import MINUTE, Trade
from storage.errors import StorageError


async def streaming(desk: Desk) -> None:
    """BTC streams, and the past is known."""
    desk.market.trade(94_000)
    desk.streams.begin(BTC, START - 60 * MINUTE)
    desk.market.streams = desk.streams
    await desk.runner.check()


async def ticks(desk: Desk, *prices: float) -> None:
    """Trades of BTC, a second apart, as the streams tell of them; then one commit."""
    for price in prices:
        desk.clock.advance(1000)
        one = trade(BTC, desk.clock.now(), price, 1.0)
        desk.market.trade(price)
        desk.streams.open[BTC.key].update([one])
        desk.runner.take([one])
    await desk.runner.committer.flush()


async def test_a_trade_fires_in_the_turn_that_brought_it(desk: Desk) -> None:
    await streaming(desk)
    await desk.alert("price", "BTC above 95k")
    await ticks(desk, 94_500, 95_001, 94_000)
    (firing,) = await desk.firings()
    assert (firing.value, firing.price, firing.chart) == (95_001, 95_001, BTC.key)
    (message,) = await desk.messages()
    assert message["headline"].startswith("BTC perp 95,001")


async def test_nothing_is_judged_before_the_past_is_known(desk: Desk) -> None:
    await desk.alert("price", "BTC above 95k")
    desk.streams.begin(BTC, START)
    desk.market.streams = desk.streams
    await ticks(desk, 96_000)
    assert await desk.firings() == []


async def test_a_hundred_crossings_in_one_frame_are_a_few_commits(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    await streaming(desk)
    for level in range(40):
        await desk.alert("price", f"BTC above {95_000 + level}")
    calls = 0
    fire = desk.store.fire

    async def counted(*args: Any, **more: Any) -> int:
        nonlocal calls
        calls += 1
        return await fire(*args, **more)

    monkeypatch.setattr(desk.store, "fire", counted)
    await ticks(desk, 95_100)
    assert len(await desk.firings()) == 40
    assert calls == 1


async def test_what_cannot_be_committed_now_is_committed_later(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    await streaming(desk)
    await desk.alert("price", "BTC above 95k")
    fire = desk.store.fire

    async def broken(*_args: Any, **_more: Any) -> int:
        raise StorageError("disk full")

    monkeypatch.setattr(desk.store, "fire", broken)
    with pytest.raises(StorageError):
        await ticks(desk, 95_100)
    assert desk.runner.committer.waiting == 1
    monkeypatch.setattr(desk.store, "fire", fire)
    await desk.runner.committer.flush()
    assert len(await desk.firings()) == 1


async def test_a_rule_that_was_deleted_before_its_commit_is_not_told(desk: Desk) -> None:
    await streaming(desk)
    made = await desk.alert("price", "BTC above 95k")
    desk.clock.advance(1000)
    desk.runner.take([trade(BTC, desk.clock.now(), 96_000.0, 1.0)])
    assert desk.runner.committer.waiting == 1
    await desk.service.delete([made.rule.id], ME)
    await desk.runner.committer.flush()
    assert await desk.firings() == []


async def test_a_restart_with_nothing_changed_is_silent(desk: Desk) -> None:
    await streaming(desk)
    await desk.alert("price", "BTC above 95k")
    await ticks(desk, 96_000)
    await desk.start()
    await streaming(desk)
    desk.market.trade(96_000)
    await desk.runner.check()
    await ticks(desk, 96_010, 96_020)
    assert len(await desk.firings()) == 1


async def test_what_became_true_while_down_fires_once_and_late(desk: Desk) -> None:
    await streaming(desk)
    await desk.alert("price", "BTC above 95k")
    await ticks(desk, 94_500)
    desk.clock.advance(10 * MINUTE)
    desk.market.trade(95_500)
    desk.clock.advance(5 * MINUTE)
    desk.market.trade(94_000)
    desk.clock.advance(MINUTE)
    await desk.start()
    await desk.runner.check()
    (firing,) = await desk.firings()
    assert firing.late
    await desk.start()
    await desk.runner.check()
    assert len(await desk.firings()) == 1


async def test_a_process_that_dies_before_its_commit_fires_again_after_it(desk: Desk) -> None:
    """What was not committed never happened: the candles tell it once more."""
    await streaming(desk)
    await desk.alert("price", "BTC above 95k")
    await ticks(desk, 94_500)
    await desk.runner.save()
    desk.clock.advance(MINUTE)
    desk.market.trade(95_200)
    desk.runner.take([trade(BTC, desk.clock.now(), 95_200.0, 1.0)])
    assert desk.runner.committer.waiting == 1
    await desk.die()
    desk.clock.advance(MINUTE)
    desk.market.trade(95_300)
    await desk.start()
    await desk.runner.check()
    assert len(await desk.firings()) == 1


async def test_states_are_not_saved_before_what_fired_on_the_way(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    await streaming(desk)
    await desk.alert("price", "BTC above 95k")
    saved: list[AlertState] = []
    keep = desk.store.save_marks

    async def seen(marks: Any, states: list[AlertState]) -> None:
        stored = {f.transition for f in await desk.firings()}
        assert all(s.transition in stored or s.transition == 0 for s in states)
        saved.extend(states)
        await keep(marks, states)

    monkeypatch.setattr(desk.store, "save_marks", seen)
    desk.clock.advance(1000)
    desk.runner.take([trade(BTC, desk.clock.now(), 95_500.0, 1.0)])
    await desk.runner.save()
    assert len(await desk.firings()) == 1


async def test_a_rule_of_the_watch_list_follows_it(desk: Desk) -> None:
    watched: Any = SimpleNamespace(instruments=[BTC])
    desk.runner.watch_list = watched
    condition = Cross(
        metric=Metric(subject="?", name="price"), op=Op.ABOVE, level=95_000.0, touch=True
    )
    rule = AlertRule(
        id=0, chat_id=CHAT, owner_id=ME.user_id, kind="when", text="any", condition=condition,
        coin="", subjects=(WATCHED,),
    )  # fmt: skip
    rule = await desk.store.add(rule, AlertState(rule_id=0))
    watched.instruments = []
    await desk.runner.arm([rule])
    assert list(desk.runner.engine.metrics()) == [], "nothing is watched yet"
    watched.instruments = [BTC]
    await desk.runner._rove()
    assert {m.subject for m in desk.runner.engine.metrics()} == {BTC.key}
    watched.instruments = [BTC, ETH]
    await desk.runner._rove()
    assert {m.subject for m in desk.runner.engine.metrics()} == {BTC.key, ETH.key}
    assert {i.key for i in desk.runner.watched()} == {BTC.key, ETH.key}


async def test_a_market_that_is_gone_pauses_its_rules_and_says_so(desk: Desk) -> None:
    made = await desk.alert("price", "BTC above 95k")
    desk.market.instruments = tuple(i for i in desk.market.instruments if i.key != BTC.key)
    await desk.runner.check()
    rule = await desk.store.rule(made.rule.id)
    assert rule is not None
    assert rule.status is RuleStatus.PAUSED
    assert (await desk.messages())[0]["headline"].startswith("Alert paused")


async def test_a_venue_that_was_away_is_looked_at_over_its_absence(desk: Desk) -> None:
    """What the streams carry again is asked for once more: a touch in between is not lost."""
    await streaming(desk)
    await desk.alert("price", "BTC above 95k")
    await ticks(desk, 94_500)
    state = desk.streams.open.pop(BTC.key)
    desk.clock.advance(MINUTE)
    desk.market.trade(95_500)
    desk.clock.advance(MINUTE)
    desk.market.trade(94_000)
    desk.streams.open[BTC.key] = state
    state.update([trade(BTC, desk.clock.now(), 94_000.0, 1.0)])
    await desk.runner.check()
    assert len(await desk.firings()) == 1


async def test_trades_of_other_coins_and_other_events_are_passed_over(desk: Desk) -> None:
    await streaming(desk)
    await desk.alert("price", "BTC above 95k")
    other: Trade = trade(ETH, desk.clock.now() + 1, 99_000.0, 1.0)
    desk.runner.take([other])
    assert desk.runner.committer.waiting == 0


async def test_the_loops_commit_without_being_asked(desk: Desk) -> None:
    await streaming(desk)
    await desk.alert("price", "BTC above 95k")
    desk.service.wake.clear()
    running = asyncio.create_task(desk.runner.run())
    await asyncio.sleep(0)
    desk.clock.advance(1000)
    desk.runner.take([trade(BTC, desk.clock.now(), 95_500.0, 1.0)])
    async with asyncio.timeout(10):
        await desk.service.wake.wait()
    assert len(await desk.firings()) == 1
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_no_rule_is_changed_while_all_are_taken_up(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else one that is deleted between its reading and its taking up would be watched."""
    await desk.alert("price", "BTC above 95k")
    stream, held = desk.store.stream, []

    async def watched() -> AsyncIterator[Stored]:
        async for stored in stream():
            held.append(desk.runner.lock.locked())
            yield stored

    monkeypatch.setattr(desk.store, "stream", watched)
    assert await desk.runner.load() == 1
    assert held == [True]


async def test_every_kind_of_rule_is_taken_up_again(desk: Desk) -> None:
    await streaming(desk)
    made = [
        await desk.alert("price", words)
        for words in ("BTC above 95k", "BTC below 93k", "BTC 96k", "ETH above 9k")
    ]
    made.append(await desk.alert("move", "BTC 5% 1h"))
    await ticks(desk, 94_500, 95_001)
    ids = [each.rule.id for each in made]
    before = {each: desk.runner.states(each) for each in ids}
    await desk.start()
    after = {each: desk.runner.states(each) for each in ids}
    for each in ids:
        kept = [(s.armed, s.side, s.fired_ts, s.fired_count, s.transition) for s in before[each]]
        assert [
            (s.armed, s.side, s.fired_ts, s.fired_count, s.transition) for s in after[each]
        ] == kept
    assert len(await desk.firings()) == 1
