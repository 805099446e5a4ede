"""An alert made by tapping, page by page: forth, back, twice, by somebody else, over a restart, and too late."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from alert_shop import ALERTER, CHAT, OTHER, VIEWER, Shop, body, button, fits, texts

from alerts.figures import Scope
from alerts.kinds import KINDS
from alerts.kinds.base import GROUPS, Kind
from alerts.types import Repeat, Severity
from handlers.alert_wizard import presets_of
from handlers.base import ACTIONS, Button, Reply
from handlers.types import Role
from market.errors import UserError
from market.types import DAY, MINUTE


@pytest.fixture
async def shop(tmp_path: Path) -> AsyncIterator[Shop]:
    made = await Shop.open(tmp_path)
    yield made
    await made.desk.close()


FIRST = "*"


async def walk(shop: Shop, *steps: str) -> Reply:
    """From /alert on, a tap for each step."""
    reply = await shop.say("/alert")
    for step in steps:
        assert fits(reply)
        reply = await shop.press(choice(reply, step))
    return reply


def choice(reply: Reply, step: str) -> Button:
    """The button that begins so; FIRST is the first offer of the page, whatever it says."""
    if step != FIRST:
        return button(reply, step)
    return next(b for row in reply.buttons for b in row if b.action == "wizard:pick")


async def armed(shop: Shop) -> list[str]:
    return [view.rule.text for view in await shop.desk.service.of_chat(CHAT)]


PRICE = ("BTC", "Price", "Price", FIRST)  # coin, group, kind, its first preset


async def test_a_walk_from_the_first_page_to_an_armed_alert(shop: Shop) -> None:
    echo = await walk(shop, *PRICE, "Next")
    assert fits(echo)
    assert "Arm this?" in body(echo)
    assert "BTC perp price" in body(echo)
    assert "now 93,310.0" in body(echo)
    assert await armed(shop) == [], "nothing is armed before the press"
    done = await shop.press(button(echo, "✅ Arm"), update_id=5)
    assert "#1 armed" in body(done)
    assert len(await armed(shop)) == 1


async def test_the_options_are_what_is_armed(shop: Shop) -> None:
    page = await walk(shop, *PRICE)
    for choice in ("🚨 critical", "once", "1 d"):
        page = await shop.press(button(page, choice))
        assert f"● {choice}" in texts(page)
    echo = await shop.press(button(page, "Next"))
    await shop.press(button(echo, "✅ Arm"))
    (view,) = await shop.desk.service.of_chat(CHAT)
    assert (view.rule.severity, view.rule.repeat) == (Severity.CRITICAL, Repeat.ONCE)
    assert view.rule.expires_ts == shop.desk.wall.now() + DAY


async def test_every_group_has_a_page_and_every_kind_is_on_one(shop: Shop) -> None:
    seen: list[str] = []
    for group in GROUPS:
        if not any(kind.group == group for kind in KINDS):
            continue
        page = await walk(shop, "BTC", group)
        assert fits(page)
        seen += [text.lower() for text in texts(page)]
        assert "◀ Back" in texts(page)
        assert "✖ Cancel" in texts(page)
    alone = {g for g in GROUPS if sum(kind.group == g for kind in KINDS) == 1}
    for kind in KINDS:
        if kind.group not in alone:
            assert kind.title.lower() in seen, kind.name


async def test_what_a_group_gives_as_examples_is_about_the_coin_and_can_be_typed(
    shop: Shop,
) -> None:
    for group in ("Price", "Flow", "Indicators"):
        page = await walk(shop, "ETH", group)
        assert page.card is not None
        examples = page.card.reading.splitlines()
        assert examples
        for line in examples:
            assert "BTC" not in line
            assert "ETH" in line
            assert "armed" in body(await shop.say(line))


async def test_back_goes_one_page_back_and_the_first_page_has_none(shop: Shop) -> None:
    first = await walk(shop)
    assert "◀ Back" not in texts(first)
    options = await walk(shop, *PRICE)
    kinds = await shop.press(button(await shop.press(button(options, "◀ Back")), "◀ Back"))
    groups = await shop.press(button(kinds, "◀ Back"))
    assert "What shall I watch of BTC?" in body(groups)
    coins = await shop.press(button(groups, "◀ Back"))
    assert texts(coins) == texts(first)


async def test_what_was_chosen_stays_chosen_on_the_way_back(shop: Shop) -> None:
    page = await shop.press(button(await walk(shop, *PRICE), "once"))
    echo = await shop.press(button(page, "Next"))
    again = await shop.press(button(echo, "✏️ Edit"))
    assert "● once" in texts(again)


async def test_cancel_leaves_nothing_armed_and_its_buttons_are_over(shop: Shop) -> None:
    echo = await walk(shop, *PRICE, "Next")
    gone = await shop.press(button(echo, "✖ Cancel"))
    assert "Nothing armed" in body(gone)
    late = await shop.press(button(echo, "✅ Arm"))
    assert late.error
    assert "finished or given up" in late.toast
    assert await armed(shop) == []


async def test_a_double_press_arms_once(shop: Shop) -> None:
    echo = await walk(shop, *PRICE, "Next")
    await shop.press(button(echo, "✅ Arm"), update_id=5)
    second = await shop.press(button(echo, "✅ Arm"), update_id=6)
    assert second.error
    assert len(await armed(shop)) == 1


async def test_a_double_press_of_a_choice_goes_one_page_only(shop: Shop) -> None:
    coins = await shop.say("/alert")
    tapped = button(coins, "BTC")
    once = await shop.press(tapped)
    twice = await shop.press(tapped)
    assert texts(once) == texts(twice)


async def test_a_press_by_somebody_else_is_answered_and_changes_nothing(shop: Shop) -> None:
    echo = await walk(shop, *PRICE, "Next")
    for text in ("✅ Arm", "Tighter", "✖ Cancel", "✏️ Edit"):
        reply = await shop.press(button(echo, text), OTHER)
        assert reply.error
        assert "Somebody else is making this alert" in reply.toast
        assert reply.card is None
    assert await armed(shop) == []
    await shop.press(button(echo, "✅ Arm"))
    assert len(await armed(shop)) == 1


async def test_two_people_make_alerts_in_one_chat_without_meeting(shop: Shop) -> None:
    mine = await walk(shop, "BTC")
    theirs = await shop.say("/alert", OTHER)
    theirs = await shop.press(button(theirs, "ETH"), OTHER)
    assert "of ETH?" in body(theirs)
    again = await shop.press(button(mine, "◀ Back"))
    assert "What shall I watch?" in body(again)


async def test_a_new_start_ends_the_one_before(shop: Shop) -> None:
    old = await walk(shop, "BTC")
    await shop.say("/alert ETH")
    late = await shop.press(button(old, "Price"))
    assert "finished or given up" in late.toast


async def test_a_restart_in_between_loses_nothing(shop: Shop) -> None:
    reply = await shop.say("/alert")
    for step in (*PRICE, "once", "Next", "✅ Arm"):
        await shop.restart()
        reply = await shop.press(choice(reply, step))
    assert "#1 armed" in body(reply)
    (view,) = await shop.desk.service.of_chat(CHAT)
    assert view.rule.repeat is Repeat.ONCE


async def test_a_restart_between_arming_and_forgetting_arms_once(shop: Shop) -> None:
    echo = await walk(shop, *PRICE, "Next")
    draft = await shop.app.drafts.draft(CHAT, ALERTER.user_id) if shop.app.drafts else None
    assert draft is not None
    await shop.press(button(echo, "✅ Arm"), update_id=5)
    assert shop.app.drafts is not None
    await shop.app.drafts.save(draft)
    await shop.restart()
    again = await shop.press(button(echo, "✅ Arm"), update_id=5)
    assert "#1 armed already" in body(again).replace("#1 is", "#1")
    assert len(await armed(shop)) == 1


async def test_ten_minutes_without_a_press_end_it(shop: Shop) -> None:
    page = await walk(shop, "BTC")
    shop.desk.wall.advance(10 * MINUTE)
    page = await shop.press(button(page, "Price"))
    shop.desk.wall.advance(10 * MINUTE + 1)
    late = await shop.press(button(page, "◀ Back"))
    assert "more than 10 m" in late.toast


async def test_tighter_and_looser_move_the_echo_and_arm_nothing(shop: Shop) -> None:
    echo = await walk(shop, "BTC", "Flow", "Volume", FIRST, "Next")
    level = echo.figures["level"].value
    tighter = await shop.press(button(echo, "Tighter"))
    assert tighter.figures["level"].value is not None
    assert level is not None
    assert tighter.figures["level"].value > level
    looser = await shop.press(button(tighter, "Looser"))
    assert looser.figures["level"].value == level
    assert await armed(shop) == []


@pytest.mark.parametrize("line", ["/alert $OI", "/alert eth", "/alert BTC spot"])
async def test_a_coin_begins_at_its_own_page(shop: Shop, line: str) -> None:
    if line.endswith("spot"):
        with pytest.raises(UserError):
            await shop.say(line)
        return
    page = await shop.say(line)
    assert fits(page)
    assert "What shall I watch of" in body(page)
    assert "Derivatives" in texts(page)
    assert "◀ Back" not in texts(page)


async def test_the_levels_of_the_coins_page_are_armed_by_one_tap(shop: Shop) -> None:
    page = await shop.say("/alert BTC")
    quick = page.buttons[0]
    assert quick
    for each in quick:
        assert "armed" in body(await shop.press(each))
    assert len(await armed(shop)) == len(quick)


@pytest.mark.parametrize("kind", [k for k in KINDS if k.figures], ids=lambda k: k.name)
def test_what_is_offered_of_a_kind_is_about_the_coin_that_was_chosen(kind: Kind) -> None:
    for each in presets_of(kind, "DOGE", 0.18):
        name = each.command.split()[0].removeprefix("/")
        assert name in (kind.command, *kind.aliases)
        assert "BTC" not in each.command.split()[1:2]
        coinless = {figure.scope for figure in kind.figures} == {Scope.MARKET}
        assert coinless or "DOGE" in each.command, each
        assert len(each.label) <= 40


async def test_an_unknown_coin_is_refused_before_anything_is_kept(shop: Shop) -> None:
    with pytest.raises(UserError):
        await shop.say("/alert BTTC")
    assert shop.app.drafts is not None
    assert await shop.app.drafts.draft(CHAT, ALERTER.user_id) is None


@pytest.mark.parametrize(
    "value",
    ["", "70", "70 x", "70 x coin 0", "99 x coin 0", "70 {n} coin 99", "70 {n} coin -1", "70 {n} coin x",
     "70 {n} echo 0", "70 {n} nowhere 0", "70 {n} coin 999999999999999999999"],
)  # fmt: skip
@pytest.mark.parametrize("verb", ["pick", "next", "back", "option", "arm", "tighter"])
async def test_forged_buttons_change_nothing(shop: Shop, value: str, verb: str) -> None:
    page = await shop.say("/alert")
    nonce = button(page, "BTC").value.split()[1]
    forged = Button(text="", action=f"wizard:{verb}", value=value.replace("{n}", nonce))
    reply = await shop.press(forged)
    assert reply.toast or "What shall I watch?" in body(reply)
    assert await armed(shop) == []


def test_what_arms_needs_the_role_and_is_never_done_twice() -> None:
    acts = [entry for name, entry in ACTIONS.items() if name.startswith("wizard:")]
    assert len(acts) == 8
    assert all(entry.role is Role.ALERTER for entry in acts)
    assert ACTIONS["wizard:arm"].changes
    assert VIEWER.role < Role.ALERTER


async def test_a_draft_of_another_version_is_answered_politely(shop: Shop) -> None:
    page = await shop.say("/alert")
    assert shop.app.drafts is not None
    draft = await shop.app.drafts.draft(CHAT, ALERTER.user_id)
    assert draft is not None
    for kept in ("", "{}", "[]", '{"nonce": 1}'):
        broken = type(draft)(
            chat_id=draft.chat_id, user_id=draft.user_id, body=kept, updated_ts=draft.updated_ts
        )
        await shop.app.drafts.save(broken)
        reply = await shop.press(button(page, "BTC"))
        assert "/alert starts anew" in reply.toast


async def test_without_a_place_for_drafts_the_commands_still_work(shop: Shop) -> None:
    shop.app.drafts = None
    assert "What shall I watch?" in body(await shop.say("/alert"))
    assert "#1 armed" in body(await shop.say("/alert BTC above 95k"))
