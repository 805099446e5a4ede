"""Where an alert is in its life, in the list and on its card; and why a figure of it is not known."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from alert_shop import BTC, Shop, body, button, fits

from handlers.base import Button, Reply
from market.types import MINUTE

HELD = "/alert BTC price > 93k for 3m"


@pytest.fixture
async def shop(tmp_path: Path) -> AsyncIterator[Shop]:
    made = await Shop.open(tmp_path)
    yield made
    await made.desk.close()


async def armed(shop: Shop, line: str) -> None:
    await shop.press(button(await shop.say(line), "✅ Arm"), update_id=hash(line) & 0xFFFF)


async def listed(shop: Shop) -> str:
    reply = await shop.say("/alerts")
    assert fits(reply)
    return body(reply)


async def card(shop: Shop, number: int = 1) -> Reply:
    return await shop.press(Button(text="", action="alert:show", value=str(number)))


async def test_what_has_to_hold_is_pending_with_how_long_it_has(shop: Shop) -> None:
    echo = await shop.say(HELD)
    assert "so now; fires when it has been so for 3 m" in body(echo)
    await shop.press(button(echo, "✅ Arm"), update_id=1)
    await shop.desk.at(1, 93_310.0)
    await shop.desk.at(60, 93_320.0)
    text = await listed(shop)
    assert "pending 1 m of 3 m" in text
    shown = body(await card(shop))
    assert shown.startswith("#1 pending 1 m of 3 m")
    assert "so now; fires when it has been so for 3 m" in shown
    would = await shop.press(Button(text="", action="alert:would", value="1"))
    assert "#1 would not fire now" in body(would)
    assert "pending 1 m of 3 m" in body(would)
    assert len(await shop.desk.at(120, 93_330.0)) == 1
    assert "pending" not in await listed(shop)


async def test_a_condition_that_breaks_is_not_pending_any_more(shop: Shop) -> None:
    await armed(shop, HELD)
    await shop.desk.at(60, 93_320.0)
    await shop.desk.at(1, 92_000.0)
    assert "pending" not in await listed(shop)
    assert "#1 armed" in body(await card(shop))


async def test_a_cooldown_a_snooze_a_pause_and_an_end_are_shown_with_what_is_left(
    shop: Shop,
) -> None:
    await shop.say("/alert BTC above 93,400")
    await shop.desk.at(1, 93_500.0)
    await shop.desk.at(60, 93_510.0)
    assert "cools 4 m" in await listed(shop)
    assert "#1 cooldown, 4 m left" in body(await card(shop)) or "3 m" in body(await card(shop))
    await shop.press(Button(text="", action="alert:snooze", value="1 1h"))
    assert "zzz 1 h" in await listed(shop)
    assert "#1 snoozed until " in body(await card(shop))
    await shop.press(Button(text="", action="alert:pause", value="1"))
    assert "PAUSED" in await listed(shop)
    assert "#1 paused" in body(await card(shop))
    await shop.say("/alert ETH above 3,900 until 1h")
    shop.desk.wall.advance(61 * MINUTE)
    await shop.desk.service.expire_due()
    assert "EXPIRED" in await listed(shop)
    assert "#2 expired" in body(await card(shop, 2))


async def test_a_paused_alert_says_who_paused_it(shop: Shop) -> None:
    await shop.say("/alert BTC above 95k")
    service = shop.desk.service
    await service.care.chat_changed(shop.chat.chat_id, alive=False)
    assert "PAUSED, chat away" in await listed(shop)
    assert "#1 paused: this chat could not be reached" in body(await card(shop))
    await service.care.chat_changed(shop.chat.chat_id, alive=True)
    await service.care.gone([1], "not listed any more")
    assert "PAUSED, no market" in await listed(shop)
    assert "#1 paused: its market is gone" in body(await card(shop))


async def test_each_part_says_its_own_reason_where_it_is_not_known(shop: Shop) -> None:
    line = "/alert_when btc price above 95k and btc cvd 4h < 0 and btc rsi > 70 1h"
    shop.desk.market.down.add("binance")
    echo = body(await shop.say(line))
    assert "not known" not in echo
    assert echo.count("n/a") == echo.count("now n/a: ")
    reasons = {each.partition("now n/a: ")[2] for each in echo.splitlines() if "now n/a: " in each}
    assert "HTTP 503 (Binance)" in reasons
    assert all(each and len(each) < 40 for each in reasons), reasons
    await armed(shop, line)
    shown = body(await card(shop))
    told = [each for each in shown.splitlines() if each.startswith("?")]
    assert told
    assert all(" n/a: " in each for each in told)
    assert BTC.exchange not in shown, "venues are called by their names"


async def test_the_list_says_why_a_figure_is_not_known(shop: Shop) -> None:
    await shop.say("/alert_rsi BTC above 70 1h")
    shop.desk.market.down.add("binance")
    shop.desk.clock.advance(5 * MINUTE)
    assert "n/a: HTTP 503 (Binance)" in await listed(shop)
