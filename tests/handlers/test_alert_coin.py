"""A rule without a coin asks which one, and keeps every word that was typed."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from alert_shop import CHAT, Shop, body, button, fits, texts

from market.errors import UserError


@pytest.fixture
async def shop(tmp_path: Path) -> AsyncIterator[Shop]:
    made = await Shop.open(tmp_path)
    yield made
    await made.desk.close()


@pytest.mark.parametrize(
    ("line", "armed"),
    [
        ("/alert funding > 0.03%", "/alert binance:BTC/USDT:USDT funding > 0.03%"),
        ("/alert rsi < 30 4h", "binance:BTC/USDT:USDT rsi(14) on 4h < 30"),
        ("/alert oi rises 3% in 15m", "BTC-PERP open interest rises 3% in 15m"),
        ("/alert when funding > 0.03% and oi rises 3% in 15m once", "3% in 15m once"),
        ("/alert_funding above 0.03%", "funding crosses above 0.03%"),
        ("/alert_rsi below 30 4h critical", "rsi(14) on 4h crosses below 30 critical"),
        ("/alert_when funding > 0.03% until 2d", "funding > 0.03% until 2d"),
        ("/alert volume 300% 15m", "volume"),
        ("/alert_volume 200 15m", "binance:BTC/USDT:USDT 200 15m"),
        ("/alert_cvd negative 4h", "BTC-PERP negative 4h"),
        ("/alert_wall above $20m", "wall above $20"),
        ("/alert above 95k once", "binance:BTC/USDT:USDT above 95000 once"),
        ("/alert 95k", "binance:BTC/USDT:USDT crosses 95000"),
        ("/alert price above 95k", "above 95000"),
    ],
)
async def test_a_rule_without_a_coin_asks_for_it_and_loses_nothing(
    shop: Shop, line: str, armed: str
) -> None:
    asked = await shop.say(line)
    assert fits(asked)
    assert asked.card is not None
    assert asked.card.headline == "Which coin?"
    typed = line.split(maxsplit=1)[1].removeprefix("when ")
    assert typed in asked.card.reading
    assert "BTC" in texts(asked)
    assert await shop.desk.service.of_chat(CHAT) == []
    found = await shop.press(button(asked, "BTC"), update_id=5)
    if "✅ Arm" in texts(found):
        await shop.press(button(found, "✅ Arm"), update_id=6)
    (view,) = await shop.desk.service.of_chat(CHAT)
    assert armed in view.rule.text


async def test_a_number_without_a_unit_is_asked_about_once_the_coin_is_known(shop: Shop) -> None:
    asked = await shop.say("/alert funding > 0.03")
    which = await shop.press(button(asked, "BTC"))
    assert "“0.03” of funding: which of these?" in body(which)
    shown = [each.rpartition(" ")[2] for each in texts(which)]
    assert shown == ["0.03%", "3%"]
    for each, level in zip([b for row in which.buttons for b in row], shown, strict=True):
        echo = body(await shop.press(each))
        assert f"funding per interval is above +{level[:-1]}" in echo, "as it was chosen"


async def test_only_coins_that_have_the_figure_are_offered(shop: Shop) -> None:
    asked = await shop.say("/alert funding > 0.03%")
    for row in asked.buttons:
        for each in row:
            if each.command.startswith("/alert "):
                assert "Arm this?" in body(await shop.press(each))


async def test_a_coin_that_is_not_known_is_not_a_missing_one(shop: Shop) -> None:
    for line in ("/alert BTTC above 5", "/alert_rsi NOCOIN below 30 4h"):
        with pytest.raises(UserError, match=r"BTTC|NOCOIN"):
            await shop.say(line)


async def test_an_edit_without_a_coin_says_it_with_the_one_it_has(shop: Shop) -> None:
    await shop.say("/alert ETH above 3900")
    with pytest.raises(UserError, match="Which coin") as caught:
        await shop.say("/alerts edit 1 funding > 0.03%")
    assert caught.value.example == "/alerts edit 1 ETH funding > 0.03%"
    await shop.say(caught.value.example)
    (view,) = await shop.desk.service.of_chat(CHAT)
    assert "funding" in view.rule.text
