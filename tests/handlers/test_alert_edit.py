"""One alert after it was made: snoozed, edited, tried out, tested; and all of them as text, as history, at once."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from alert_shop import ALERTER, CHAT, OTHER, VIEWER, Shop, body, button, fits, texts

from alerts.types import AlertRule, Repeat, RuleStatus, Severity
from handlers.base import Button, Reply
from market.errors import UserError
from market.types import DAY, HOUR, MINUTE

LINE = "/alert BTC above 95k"


@pytest.fixture
async def shop(tmp_path: Path) -> AsyncIterator[Shop]:
    made = await Shop.open(tmp_path)
    yield made
    await made.desk.close()


async def rule(shop: Shop, number: int = 1) -> AlertRule:
    found = await shop.desk.store.rule(number)
    assert found is not None
    return found


async def shown(shop: Shop, number: int = 1) -> Reply:
    return await shop.press(Button(text="", action="alert:show", value=str(number)))


async def test_the_card_of_an_alert_offers_all_that_can_be_done_with_it(shop: Shop) -> None:
    await shop.say(LINE)
    card = await shown(shop)
    assert fits(card)
    assert texts(card) == [
        "⏸ Pause", "💤 Snooze", "✏️ Edit", "Would it fire?", "Send test", "History", "Export", "Copy", "✖ Delete",
        "🔔 My alerts",
    ]  # fmt: skip
    for row in card.buttons:
        for each in row:
            if "Delete" not in each.text:
                await shop.press(each, update_id=9)


@pytest.mark.parametrize(("choice", "length"), [("15m", 15 * MINUTE), ("1h", HOUR)])
async def test_a_snoozed_alert_watches_on_and_is_not_told_of_until_it_wakes(
    shop: Shop, choice: str, length: int
) -> None:
    await shop.say(LINE)
    asked = await shop.press(button(await shown(shop), "💤 Snooze"))
    assert fits(asked)
    reply = await shop.press(button(asked, f"💤 {choice}"))
    assert reply.toast.startswith("#1 is silent until ")
    assert reply.card is None, "the message that was pressed stays"
    assert (await rule(shop)).snoozed_until == shop.desk.wall.now() + length
    assert "zzz" in body(await shop.say("/alerts"))
    assert "snoozed until" in body(await shown(shop))
    sleeping = await shop.press(button(await shown(shop), "💤 Snooze"))
    awake = await shop.press(button(sleeping, "Wake it now"))
    assert "#1 armed" in body(awake)
    assert (await rule(shop)).snoozed_until == 0


async def test_the_snooze_under_a_fired_message_works_and_tomorrow_is_eight_in_the_morning(
    shop: Shop,
) -> None:
    await shop.say(LINE)
    await shop.desk.at(60, 95_100)
    (message,) = await shop.desk.messages()
    keys = [Button(**raw) for row in message["buttons"] for raw in row]
    tomorrow = next(each for each in keys if each.value == "1 tomorrow")
    reply = await shop.press(tomorrow)
    assert reply.toast.startswith("#1 is silent until ")
    assert "08:00" in reply.toast


async def test_options_change_by_a_tap_under_the_same_number(shop: Shop) -> None:
    await shop.say(LINE)
    page = await shop.press(button(await shown(shop), "✏️ Edit"))
    assert fits(page)
    assert "95000" in body(page)
    await shop.press(button(page, "🚨 critical"), update_id=11)
    await shop.press(button(page, "once"), update_id=12)
    done = await shop.press(button(page, "ends in 1 d"), update_id=13)
    assert done.data["alert"] == 1
    found = await rule(shop)
    assert (found.severity, found.repeat) == (Severity.CRITICAL, Repeat.ONCE)
    assert found.expires_ts is not None
    assert abs(found.expires_ts - shop.desk.wall.now() - DAY) <= MINUTE
    back = await shop.press(button(page, "🔔 warning"), update_id=14)
    assert back.data["alert"] == 1
    assert (await rule(shop)).severity is Severity.WARNING
    assert (await rule(shop)).repeat is Repeat.ONCE


async def test_a_rule_is_typed_anew_under_the_same_number(shop: Shop) -> None:
    await shop.say(LINE)
    reply = await shop.say("/alerts edit 1 BTC below 90k", update_id=11)
    assert "#1 armed" in body(reply)
    assert "crosses below 90,000.0" in body(reply)
    assert len(await shop.desk.service.of_chat(CHAT)) == 1
    other = await shop.say("/alerts edit 1 /alert_volume BTC 300 15m", update_id=12)
    assert "volume above 300 %" in body(other)
    assert other.data["alert"] == 1


async def test_options_alone_leave_the_condition_as_it_is(shop: Shop) -> None:
    await shop.say(LINE)
    await shop.say('/alerts edit 1 critical note "take profit"', update_id=11)
    found = await rule(shop)
    assert (found.severity, found.note) == (Severity.CRITICAL, "take profit")
    assert "95000" in found.text
    await shop.say("/alerts edit 1 info", update_id=12)
    assert ((await rule(shop)).severity, (await rule(shop)).note) == (Severity.INFO, "take profit")


@pytest.mark.parametrize(
    "line", ["/alerts edit", "/alerts edit 1", "/alerts edit x BTC above 1", "/alerts edit 99 BTC above 1",
             "/alerts edit 1 BTC above", "/alerts edit 1 /price BTC"],
)  # fmt: skip
async def test_an_edit_that_is_not_understood_changes_nothing(shop: Shop, line: str) -> None:
    await shop.say(LINE)
    before = await rule(shop)
    with pytest.raises(UserError):
        await shop.say(line)
    assert await rule(shop) == before


async def test_others_change_nothing_and_are_told_why(shop: Shop) -> None:
    await shop.say(LINE)
    before = await rule(shop)
    for action in ("set", "snooze", "wake", "renew", "pause", "delete", "tighter"):
        value = {"set": "1 severity info", "snooze": "1 1h"}.get(action, "1")
        with pytest.raises(UserError, match="somebody else"):
            await shop.press(Button(text="", action=f"alert:{action}", value=value), OTHER)
    with pytest.raises(UserError, match="somebody else"):
        await shop.say("/alerts edit 1 BTC above 96k", OTHER)
    assert await rule(shop) == before


async def test_viewers_see_and_change_nothing(shop: Shop) -> None:
    await shop.say(LINE)
    assert "95k" in body(await shop.say("/alerts", VIEWER))
    for line in ("pause 1", "delete all", f"import\n{LINE}", "edit 1 BTC above 1"):
        with pytest.raises(UserError, match="role"):
            await shop.say(f"/alerts {line}", VIEWER)
    assert (await rule(shop)).status is RuleStatus.ACTIVE


async def test_a_forwarded_list_command_does_nothing_but_list(shop: Shop) -> None:
    await shop.say(LINE)
    assert "95k" in body(await shop.say("/alerts", forwarded=True))
    with pytest.raises(UserError, match="forwarded"):
        await shop.say("/alerts delete 1", forwarded=True)
    assert (await rule(shop)).status is RuleStatus.ACTIVE


@pytest.mark.parametrize(
    "value", ["", "1", "1 severity", "1 severity loud", "1 colour red", "x severity info"]
)
async def test_forged_option_buttons_change_nothing(shop: Shop, value: str) -> None:
    await shop.say(LINE)
    before = await rule(shop)
    with pytest.raises(UserError):
        await shop.press(Button(text="", action="alert:set", value=value))
    assert await rule(shop) == before


async def test_would_it_fire_says_what_is_missing(shop: Shop) -> None:
    await shop.say(LINE)
    reply = await shop.press(button(await shown(shop), "Would it fire?"), VIEWER)
    assert "#1 would not fire now" in body(reply)
    assert "✗ BTC perp price 93,310.0 (crosses above 95,000.0)" in body(reply)
    assert "the condition does not hold" in body(reply)


async def test_a_test_message_is_sent_once_and_marked(shop: Shop) -> None:
    await shop.say(LINE)
    tested = button(await shown(shop), "Send test")
    reply = await shop.press(tested, update_id=21)
    assert reply.toast == "A test of #1 is on its way."
    await shop.press(tested, update_id=21)
    (row,) = await shop.desk.rows()
    message = json.loads(row.payload)
    assert message["test"] is True
    assert message["headline"].startswith("TEST ")
    assert await shop.desk.firings() == [], "a test is no firing"


async def test_the_history_names_value_time_and_number_newest_first(shop: Shop) -> None:
    await shop.say(LINE)
    await shop.say("/alert BTC above 96k")
    assert "Nothing fired yet" in body(await shop.say("/alerts history"))
    await shop.desk.at(60, 95_100)
    await shop.desk.at(60, 96_100)
    reply = await shop.say("/alerts history")
    lines = [line for line in body(reply).splitlines() if "#" in line]
    assert lines == [
        "00:02 UTC #2 BTC perp 96,100.0, crossed above 96,000.0 (queued)",
        "00:01 UTC #1 BTC perp 95,100.0, crossed above 95,000.0 (queued)",
    ]
    one = await shop.say("/alerts history 1")
    assert [each["alert"] for each in one.data["firings"]] == [1]


async def test_alerts_go_out_as_text_and_come_back_as_the_same(shop: Shop) -> None:
    for line in (
        LINE + " critical",
        "/alert_volume BTC 200 15m once",
        "/alert_cvd ETH negative 4h",
    ):
        await shop.say(line)
    await shop.press(Button(text="", action="alert:pause", value="3"))
    text = (await shop.say("/alerts export")).text
    assert len(text.splitlines()) == 3
    before = [
        (v.rule.text, v.rule.severity, v.rule.repeat) for v in await shop.desk.service.of_chat(CHAT)
    ]
    await shop.say("/alerts delete 1 2 3")
    reply = await shop.say(f"/alerts import\n{text}")
    assert "3 alerts armed" in body(reply)
    after = [
        (v.rule.text, v.rule.severity, v.rule.repeat) for v in await shop.desk.service.of_chat(CHAT)
    ]
    assert sorted(after) == sorted(before)
    again = await shop.say(f"/alerts import\n{LINE} critical\n/alert_nonsense x\nbtc sings")
    assert "1 was there already" in body(again)
    assert "line 2:" in body(again)
    assert again.data["problems"] == [2, 3]


async def test_an_import_of_nothing_says_what_it_takes(shop: Shop) -> None:
    with pytest.raises(UserError, match="one on each line"):
        await shop.say("/alerts import")
    assert "No alerts to export" in body(await shop.say("/alerts export"))


@pytest.mark.parametrize("verb", ["pause", "resume", "delete"])
async def test_all_at_once_is_asked_first_and_can_be_undone(shop: Shop, verb: str) -> None:
    await shop.say(LINE)
    await shop.say("/alert BTC above 96k")
    if verb == "resume":
        await shop.say("/alerts pause 1 2")
    before = [v.rule.status for v in await shop.desk.service.of_chat(CHAT)]
    asked = await shop.say(f"/alerts {verb} all")
    assert fits(asked)
    assert [v.rule.status for v in await shop.desk.service.of_chat(CHAT)] == before
    done = await shop.press(asked.buttons[0][0])
    assert "#1, #2" in body(done)
    assert [v.rule.status for v in await shop.desk.service.of_chat(CHAT)] != before
    await shop.press(button(done, "↩️ Undo"))
    assert [v.rule.status for v in await shop.desk.service.of_chat(CHAT)] == before


async def test_nothing_to_change_is_said(shop: Shop) -> None:
    assert "Nothing to change" in body(await shop.say("/alerts delete all"))


async def test_an_ended_alert_is_renewed_by_a_tap(shop: Shop) -> None:
    await shop.say(f"{LINE} until 1d")
    shop.desk.wall.advance(DAY + 1)
    await shop.desk.service.expire_due()
    assert (await rule(shop)).status is RuleStatus.EXPIRED
    reply = await shop.press(button(await shown(shop), "🔁 Renew"))
    assert "#1" in body(reply)
    found = await rule(shop)
    assert found.status is RuleStatus.ACTIVE
    assert found.expires_ts is not None
    assert found.expires_ts > shop.desk.wall.now()


async def test_the_list_counts_the_askers_own_against_their_limit(shop: Shop) -> None:
    await shop.say(LINE)
    await shop.say("/alert BTC above 96k", OTHER)
    assert "Alerts 2, yours 1/50 · closest first" in body(await shop.say("/alerts"))
    assert ALERTER.user_id != OTHER.user_id


async def test_the_list_says_where_in_its_life_each_is(shop: Shop) -> None:
    await shop.say(LINE)
    await shop.say("/alert BTC above 96k once")
    await shop.say("/alert BTC above 97k")
    await shop.desk.at(60, 96_100)
    await shop.say("/alerts pause 3")
    text = body(await shop.say("/alerts"))
    assert " 1 price>95k" in text
    assert "cools 5 m" in text
    assert "PAUSED" in text
