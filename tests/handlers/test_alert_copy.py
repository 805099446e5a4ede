"""One alert made about other coins: by a tap, or several at once, with a reason for each that cannot be."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from alert_shop import CHAT, VIEWER, Shop, body, button, fits, texts

from handlers.base import Button
from market.errors import UserError

PARTS = "/alert_when BTC rsi > 70 and BTC oi rises 3% in 15m"


@pytest.fixture
async def shop(tmp_path: Path) -> AsyncIterator[Shop]:
    made = await Shop.open(tmp_path)
    await made.press(button(await made.say(PARTS), "✅ Arm"), update_id=1)
    yield made
    await made.desk.close()


async def test_a_rule_of_parts_is_copied_by_tapping_a_coin(shop: Shop) -> None:
    shown = await shop.press(Button(text="", action="alert:show", value="1"))
    asked = await shop.press(button(shown, "Copy"))
    assert fits(asked)
    assert "Copy #1 to which coin?" in body(asked)
    assert "BTC" not in texts(asked)
    done = await shop.press(button(asked, "ETH"), update_id=2)
    assert "#2 armed" in body(done)
    views = {view.rule.id: view.rule for view in await shop.desk.service.of_chat(CHAT)}
    assert views[2].text == views[1].text.replace("BTC", "ETH")


async def test_several_coins_are_answered_one_by_one(shop: Shop) -> None:
    done = await shop.say("/alerts copy 1 eth, OI NOCOIN", update_id=3)
    assert fits(done)
    assert done.card is not None
    assert done.card.headline == "#1 copied: 2 of 3"
    told = done.card.reading.splitlines()
    assert told[0].startswith("#2 ETH perp 1-hour RSI (14) is above 70")
    assert told[1].startswith("#3 OI perp 1-hour RSI (14) is above 70")
    assert told[2].startswith("NOCOIN: ")
    assert len(await shop.desk.service.of_chat(CHAT)) == 3
    again = await shop.say("/alerts copy 1 eth OI", update_id=3)
    assert "2 of 2" in body(again)
    assert len(await shop.desk.service.of_chat(CHAT)) == 3, "what is there is not made twice"


async def test_a_copy_is_made_by_who_may_and_says_what_it_needs(shop: Shop) -> None:
    for line in ("/alerts copy", "/alerts copy 1", "/alerts copy ETH 1", "/alerts copy 9 ETH"):
        with pytest.raises(UserError):
            await shop.say(line)
    with pytest.raises(UserError, match="role"):
        await shop.say("/alerts copy 1 ETH", person=VIEWER)
    assert len(await shop.desk.service.of_chat(CHAT)) == 1


async def test_a_price_is_never_armed_of_another_coin(shop: Shop) -> None:
    await shop.say("/alert BTC above 95k", update_id=5)
    asked = await shop.say("/alerts copy 2 ETH", update_id=6)
    assert fits(asked)
    assert asked.card is not None
    assert asked.card.headline == "#2 is not copied yet"
    assert "ETH perp price crosses above 3,161.2? (BTC 93,310 → ETH 3,105)" in body(asked)
    assert len(await shop.desk.service.of_chat(CHAT)) == 2
    done = await shop.press(button(asked, "✅ Arm ETH"), update_id=7)
    assert "#3 armed" in body(done)
    assert "3,161.2" in body(done)


async def test_parts_with_a_price_are_shown_before_they_are_armed(shop: Shop) -> None:
    line = "/alert_when BTC price > 95k and BTC oi rises 3% in 15m"
    await shop.press(button(await shop.say(line), "✅ Arm"), update_id=5)
    asked = await shop.say("/alerts copy 2 eth oi nocoin", update_id=6)
    assert fits(asked)
    assert asked.card is not None
    assert asked.card.headline == "#2 is not copied yet"
    assert texts(asked)[:2] == ["▶ Show ETH", "▶ Show OI"]
    assert "NOCOIN: " in body(asked)
    shown = await shop.press(button(asked, "▶ Show ETH"), update_id=7)
    assert "3,161.2" in body(shown)
    assert len(await shop.desk.service.of_chat(CHAT)) == 2
    assert "#3 armed" in body(await shop.press(button(shown, "✅ Arm"), update_id=8))
