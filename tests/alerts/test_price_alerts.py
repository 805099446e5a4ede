"""Price alerts from the command to the outbox row, over restarts, bad data and oscillation."""

import json
import random

import pytest
from alert_desk import CHAT, ME, Desk
from alert_market import BTC, START

from alerts.types import RuleStatus
from market.errors import UserError

MINUTE = 60_000


async def test_a_touch_between_two_checks_fires_once(desk: Desk) -> None:
    desk.market.trade(93_000)
    await desk.alert("price", "BTC above 95k")
    assert await desk.at(15, 93_100) == []
    desk.market.trade(95_000, ts=desk.clock.now() + 5000)
    (signal,) = await desk.at(15, 93_000)
    assert (signal.value, signal.late) == (95_000, False)
    assert await desk.at(15, 93_000) == []
    (row,) = await desk.rows()
    assert (row.alert_id, row.transition, row.chat_id, row.channel) == (1, 1, CHAT, "telegram")


async def test_a_high_from_before_the_alert_does_not_fire(desk: Desk) -> None:
    desk.market.trade(96_000)
    desk.clock.advance(5000)
    desk.market.trade(93_000)
    await desk.alert("price", "BTC above 95k")
    for _look in range(8):
        assert await desk.at(15, 93_000) == []


async def test_a_level_already_met_waits_for_the_next_crossing(desk: Desk) -> None:
    desk.market.trade(97_000)
    view = await desk.alert("price", "BTC above 95k")
    assert view.progress.met
    assert await desk.at(60, 97_500) == []
    assert await desk.at(60, 94_000) == []
    assert len(await desk.at(60, 95_500)) == 1


async def test_a_state_is_told_at_once_and_then_every_hour(desk: Desk) -> None:
    desk.market.trade(97_000)
    await desk.alert("price", "BTC > 95k")
    fired = [len(await desk.at(600, 97_000)) for _ in range(14)]
    assert fired == [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1, 0, 0]


async def test_oscillation_around_the_level_fires_at_most_once_per_cooldown(desk: Desk) -> None:
    desk.market.trade(94_000)
    await desk.alert("price", "BTC above 95k")
    count = 0
    for n in range(120):
        count += len(await desk.at(15, 95_000 + (400 if n % 2 else -400)))
    assert 2 <= count <= 6, "half an hour has six times five minutes"


async def test_inside_the_band_one_firing_is_all(desk: Desk) -> None:
    desk.market.trade(94_000)
    await desk.alert("price", "BTC above 95k")
    total = sum([len(await desk.at(15, 95_000 + (40 if n % 2 else -40))) for n in range(60)])
    assert total == 1


@pytest.mark.parametrize("bad", [float("nan"), 0.0, -5.0, 95_000_000.0])
async def test_a_bad_print_never_fires_and_is_counted(desk: Desk, bad: float) -> None:
    desk.market.trade(93_000)
    await desk.alert("price", "BTC above 95k")
    await desk.alert("price", "BTC below 90k")
    await desk.at(60, 93_000)
    desk.market.trade(bad, ts=desk.clock.now() + 5000)
    assert await desk.at(15, 93_100) == []
    assert await desk.at(60, 93_000) == []
    assert desk.service.bad_data > 0


async def test_a_source_that_is_away_fires_nothing_and_loses_nothing(desk: Desk) -> None:
    desk.market.trade(93_000)
    await desk.alert("price", "BTC above 95k")
    await desk.at(60, 93_000)
    desk.market.down.add("binance")
    assert await desk.at(300, 95_500) == []
    assert (await desk.service.of_chat(CHAT))[0].problem == "binance: HTTP 503"
    desk.market.down.clear()
    (signal,) = await desk.at(300, 94_000)
    assert signal.late


async def test_a_restart_with_nothing_new_is_silent(desk: Desk) -> None:
    desk.market.trade(93_000)
    await desk.alert("price", "BTC above 95k")
    await desk.alert("price", "BTC below 92k")
    await desk.at(20, 95_500)
    for _restart in range(4):
        await desk.start()
        assert await desk.at(7, 95_600) == []
    assert len(await desk.rows()) == 1


async def test_what_became_true_while_down_fires_once_and_is_marked_late(desk: Desk) -> None:
    desk.market.trade(93_000)
    await desk.alert("price", "BTC above 95k")
    await desk.at(70, 93_000)
    for n, price in enumerate((94_000, 95_400, 93_000, 95_800, 93_000), 1):
        desk.market.trade(price, ts=desk.clock.now() + n * 400_000)
    desk.clock.advance(3_000_000)
    desk.market.trade(93_000)
    await desk.start()
    (signal,) = await desk.at(1)
    assert signal.late
    assert signal.sample.ts < desk.clock.now() - 1_000_000, "it says when"
    (message,) = await desk.messages()
    assert message["reading"].startswith("Late:")
    assert await desk.at(15, 93_000) == []


async def test_a_touch_in_the_minute_of_a_restart_is_not_lost(desk: Desk) -> None:
    desk.market.trade(93_000)
    await desk.alert("price", "BTC above 95k")
    await desk.at(90, 93_000)
    desk.market.trade(95_200, ts=desk.clock.now() + 2000)
    desk.clock.advance(4000)
    await desk.start()
    assert len(await desk.at(3, 93_000)) == 1
    assert await desk.at(15, 93_000) == []


async def test_a_firing_is_not_repeated_by_a_restart_in_its_minute(desk: Desk) -> None:
    desk.market.trade(93_000)
    await desk.alert("price", "BTC above 95k")
    await desk.at(65, 93_000)
    assert len(await desk.at(10, 95_500)) == 1
    await desk.start()
    assert await desk.at(5, 95_500) == []
    assert await desk.at(60, 95_500) == []


async def test_after_two_days_away_a_touch_is_still_found(desk: Desk) -> None:
    desk.market.trade(93_000)
    await desk.alert("price", "BTC above 95k")
    await desk.at(70, 93_000)
    begin = desk.clock.now()
    for n in range(1, 200):
        desk.market.trade(95_500 if n == 30 else 93_000, ts=begin + n * 15 * MINUTE)
    desk.clock.advance(200 * 15 * MINUTE)
    await desk.start()
    (signal,) = await desk.at(1, 93_000)
    assert begin + 30 * 15 * MINUTE <= signal.sample.ts <= begin + 31 * 15 * MINUTE


async def test_a_market_that_began_anew_at_an_earlier_time_fires_nothing(desk: Desk) -> None:
    desk.clock.advance(86_400_000)
    desk.market.trade(93_000)
    await desk.alert("price", "BTC above 95k")
    await desk.alert("price", "BTC > 90k")
    await desk.at(60, 93_000)
    first = len(await desk.rows())
    desk.clock.set(START)
    desk.market.path.clear()
    desk.market.trade(97_000, ts=START - 30_000)
    await desk.start()
    assert await desk.at(15, 97_000) == []
    assert await desk.at(15, 94_000) == []
    assert [s.rule.id for s in await desk.at(15, 95_500)] == [1]
    assert len(await desk.rows()) == first + 1


@pytest.mark.parametrize("seed", range(4))
async def test_random_walks_fire_exactly_when_each_trade_is_looked_at(
    desk: Desk, seed: int
) -> None:
    """Checks at random moments, restarts in between, against a reading of every single trade."""
    chance = random.Random(seed)
    price, level, rearm = 100.0, 103.0, 103.0 * 0.999
    desk.market.trade(price)
    await desk.alert("price", f"BTC above {level}")
    armed, expected, last = True, 0, -(10**15)
    count = 0
    for step in range(600):
        desk.clock.advance(3000)
        price = round(price + chance.gauss((102.5 - price) / 50, 0.35), 2)
        desk.market.trade(price)
        now = desk.clock.now()
        armed = armed or price < rearm
        if armed and price >= level and now - last >= 5 * MINUTE:
            armed, last, expected = False, now, expected + 1
        if step % 5 == 0:
            count += len(await desk.check())
    assert expected > 0
    assert expected - 1 <= count <= expected, (
        "a crossing and its return within one minute may be one"
    )


async def test_the_message_says_what_where_and_when_with_a_picture_to_draw(desk: Desk) -> None:
    desk.market.trade(93_000)
    await desk.alert("price", "BTC above 95k")
    desk.clock.advance(15 * MINUTE)
    await desk.at(7, 95_010)
    (message,) = await desk.messages()
    assert message["headline"] == "BTC perp 95,010.0, crossed above 95,000.0  #1"
    assert message["evidence"].startswith("Binance BTCUSDT · 00:15:07 UTC · 0 s")
    assert message["chart"] == {
        "name": "alert",
        "data": {
            "instrument": BTC.key, "timeframe": "5m", "bar_ts": START + 15 * MINUTE, "alert_id": 1,
            "level": 95_000.0, "headline": "BTC perp 95,010.0, crossed above 95,000.0",
        },
    }  # fmt: skip
    assert all(len(row) <= 3 for row in message["buttons"])


async def test_one_look_asks_for_each_instrument_once(desk: Desk) -> None:
    desk.market.trade(93_000)
    for n in range(10):
        await desk.alert("price", f"BTC above {95_000 + n}")
    desk.market.calls.clear()
    await desk.at(15, 93_000)
    assert len(desk.market.calls) == 1


async def test_a_delisted_market_pauses_its_alerts_and_says_so_once(desk: Desk) -> None:
    desk.market.trade(93_000)
    await desk.alert("price", "BTC above 95k")
    desk.market.trade(3000, of=desk.market.instruments[2])
    await desk.alert("price", "ETH above 4000")
    desk.market.instruments = tuple(i for i in desk.market.instruments if i.base != "BTC")
    await desk.at(15)
    await desk.at(15)
    (message,) = await desk.messages()
    assert message["headline"] == "Alert paused  #1"
    rules = {r.id: (r.status, r.paused_reason) for r in await desk.store.rules()}
    assert rules == {1: (RuleStatus.PAUSED, "delisted"), 2: (RuleStatus.ACTIVE, "")}
    with pytest.raises(UserError, match="Nothing trades there"):
        await desk.service.resume([1], ME)
    desk.market.instruments = (*desk.market.instruments, BTC)
    await desk.service.resume([1], ME)
    await desk.at(15, 93_000)
    assert len(await desk.at(15, 95_100)) == 1
    assert len(await desk.rows()) == 2, "the message of the firing is not taken for the one before"


async def test_a_venue_whose_markets_are_not_loaded_is_not_delisted(desk: Desk) -> None:
    desk.market.trade(93_000)
    await desk.alert("price", "BTC above 95k")
    desk.market.instruments, desk.market.not_loaded = (), ["binance", "bybit"]
    await desk.at(15)
    assert [r.status for r in await desk.store.rules()] == [RuleStatus.ACTIVE]


async def test_an_alert_made_while_the_source_is_away_learns_its_side_first(desk: Desk) -> None:
    desk.market.down.add("binance")
    view = await desk.alert("price", "BTC above 95k")
    assert view.problem
    desk.market.down.clear()
    assert await desk.at(15, 97_000) == []
    assert await desk.at(60, 94_000) == []
    assert len(await desk.at(60, 95_500)) == 1


async def test_the_payload_is_json_with_plain_text(desk: Desk) -> None:
    desk.market.trade(93_000)
    await desk.alert("price", "BTC 95k")
    await desk.at(15, 95_100)
    (row,) = await desk.rows()
    assert "<" not in json.loads(row.payload)["headline"]
