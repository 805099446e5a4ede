"""Rules in words: shown before they are armed, asked about where they can mean two things, listed and fired after."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from alert_shop import CHAT, Shop, body, button, fits, texts

from alerts.conditions import leaves
from alerts.kinds import kind_of
from alerts.language.errors import Unclear
from alerts.types import AllOf, Condition, Rise
from handlers.base import Reply
from market.errors import UserError

BOTH = "/alert_when btc price above 95k and eth price above 3200"


@pytest.fixture
async def shop(tmp_path: Path) -> AsyncIterator[Shop]:
    made = await Shop.open(tmp_path)
    yield made
    await made.desk.close()


async def conditions(shop: Shop) -> list[Condition]:
    return [view.rule.condition for view in await shop.desk.service.of_chat(CHAT)]


async def arm(shop: Shop, line: str, update_id: int = 1) -> Reply:
    return await shop.press(button(await shop.say(line), "✅ Arm"), update_id=update_id)


async def test_a_rule_of_two_parts_is_shown_with_values_and_armed_by_a_press(shop: Shop) -> None:
    echo = await shop.say(BOTH)
    assert fits(echo)
    text = body(echo)
    assert text.startswith("Arm this?\n/alert_when ")
    assert "93,310" in text
    assert "3,105" in text
    assert "95,000" in text
    assert texts(echo) == ["✅ Arm", "Tighter", "Looser", "✏️ Edit", "✖ Cancel"]
    assert await conditions(shop) == []
    done = await shop.press(button(echo, "✅ Arm"), update_id=1)
    assert "#1 armed" in body(done)
    (condition,) = await conditions(shop)
    assert isinstance(condition, AllOf)
    assert len(list(leaves(condition))) == 2


async def test_what_was_shown_is_what_is_armed(shop: Shop) -> None:
    echo = await shop.say(BOTH)
    canonical = body(echo).splitlines()[1]
    await shop.press(button(echo, "✅ Arm"), update_id=1)
    (view,) = await shop.desk.service.of_chat(CHAT)
    assert view.rule.text == canonical
    again = await shop.say(canonical)
    assert "#1 is armed already" in body(again)


@pytest.mark.parametrize(
    "line",
    [
        "/alert btc oi rises 3% in 15m", "/alert BTC above 95k and ETH above 3200",
        "/alert btc price above 95k for 3m", "/alert_when not btc price above 95k and eth price above 3k",
        "/alert_when btc price below 90k then btc price above 91k within 30m",
    ],
)  # fmt: skip
async def test_free_text_after_alert_is_a_rule_and_is_shown_first(shop: Shop, line: str) -> None:
    echo = await shop.say(line)
    assert "Arm this?" in body(echo)
    assert await conditions(shop) == []
    await shop.press(button(echo, "✅ Arm"), update_id=1)
    assert len(await conditions(shop)) == 1


async def test_the_short_commands_are_armed_at_once(shop: Shop) -> None:
    for line in ("/alert BTC above 95k", "/alert_volume BTC 200 15m", "/alert_rsi BTC above 70 1h"):
        assert "armed" in body(await shop.say(line))
    assert len(await conditions(shop)) == 3


async def test_what_can_mean_two_things_is_asked_and_no_answer_arms_anything(shop: Shop) -> None:
    asked = await shop.say("/alert_when btc funding > 0.03")
    choices = asked.data["choices"]
    assert len(choices) >= 2
    assert fits(asked)
    for row in asked.buttons:
        for each in row:
            echo = await shop.press(each)
            assert "Arm this?" in body(echo)
    assert await conditions(shop) == []


async def test_a_question_names_markets_in_words_and_long_answers_by_number(shop: Shop) -> None:
    short = await shop.say("/alert_when btc funding > 0.03")
    assert [row[0].text for row in short.buttons] == [
        "Binance BTC perp funding > 0.03%",
        "Binance BTC perp funding > 3%",
    ]
    long = await shop.say(
        "/alert_when btc oi rises 3% in 15m and price within 0.3% and funding > 0.03% for 3m"
    )
    assert [each.text for each in long.buttons[0]] == ["1", "2"]
    assert long.card is not None
    first, second = long.card.reading.splitlines()
    assert first.startswith("1. ")
    assert second.startswith("2. (")
    assert "/USDT:USDT" not in long.card.reading


async def test_the_answers_to_a_question_are_different_rules(shop: Shop) -> None:
    asked = await shop.say("/alert_when btc oi 50000")
    shown = [body(await shop.press(each)).splitlines()[1] for row in asked.buttons for each in row]
    assert len(set(shown)) == len(shown) >= 2


@pytest.mark.parametrize(
    "line", ["/alert_when", "/alert_when btc sings", "/alert_when and or not", "/alert_when " + "(" * 40,
             "/alert btc dances above 5", "/alert_when btc price above 95k until the cows come home"],
)  # fmt: skip
async def test_nonsense_gets_one_sentence_or_help_and_arms_nothing(shop: Shop, line: str) -> None:
    said = ""
    try:
        reply = await shop.say(line)
        said = reply.text or body(reply)
    except UserError as error:
        said = error.text
    assert 0 < len(said) < 300
    assert await conditions(shop) == []


async def test_tighter_and_looser_show_another_rule_and_arm_nothing(shop: Shop) -> None:
    echo = await shop.say("/alert btc oi rises 3% in 15m")
    tighter = await shop.press(button(echo, "Tighter"))
    assert body(tighter).splitlines()[1] != body(echo).splitlines()[1]
    looser = await shop.press(button(tighter, "Looser"))
    assert await conditions(shop) == []
    await shop.press(button(looser, "✅ Arm"), update_id=1)
    (condition,) = await conditions(shop)
    assert isinstance(condition, Rise)


async def test_edit_chooses_options_and_comes_back_to_the_rule(shop: Shop) -> None:
    echo = await shop.say(BOTH)
    options = await shop.press(button(echo, "✏️ Edit"))
    options = await shop.press(button(options, "🚨 critical"))
    shown = await shop.press(button(options, "Next"))
    assert "critical" in body(shown)
    await shop.press(button(shown, "✅ Arm"), update_id=1)
    (view,) = await shop.desk.service.of_chat(CHAT)
    assert str(view.rule.severity) == "critical"


async def test_a_rule_of_several_parts_stands_in_the_list_with_how_many_hold(shop: Shop) -> None:
    await arm(shop, BOTH)
    reply = await shop.say("/alerts")
    assert fits(reply)
    assert "0/2 hold" in body(reply)
    assert "& 1 more" in body(reply)
    card = await shop.press(button(reply, "1"))
    assert "✗ BTC perp price 93,310.0" in body(card)
    assert "✗ ETH perp price 3,105.0" in body(card)
    assert set(card.figures) == {"now.1", "now.2", "level.1", "level.2"}


async def test_a_rule_over_several_coins_says_so_and_is_shown_first(shop: Shop) -> None:
    echo = await shop.say("/alert_when any of BTC, ETH price above 100k")
    assert "Arm this?" in body(echo)
    await shop.press(button(echo, "✅ Arm"), update_id=1)
    (view,) = await shop.desk.service.of_chat(CHAT)
    assert len(view.rule.subjects) == 2
    assert fits(await shop.say("/alerts"))


async def test_a_note_and_an_end_are_kept_and_shown(shop: Shop) -> None:
    await arm(shop, f'{BOTH} until 2d note "take profit"')
    (view,) = await shop.desk.service.of_chat(CHAT)
    assert view.rule.note == "take profit"
    assert view.rule.expires_ts is not None
    card = await shop.press(button(await shop.say("/alerts"), "1"))
    assert "note: take profit" in body(card)


def test_the_kind_of_rules_in_words_asks_where_it_does_not_know() -> None:
    assert issubclass(Unclear, UserError)
    assert kind_of("when").command == "alert_when"
