"""The chat page in a real browser against the real Bot API server: what a newcomer sees and does."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from botapi_bench import ADA, SAM, TOM
from page_stage import REQUIRED, Stage, expect, on_stage, playwright, said, say
from telegram import InlineKeyboardButton, InlineKeyboardMarkup

from bot.playground.web import DESK

ROOT = Path(__file__).parents[2]
OUT = ROOT / "out/playground"
CHROMIUM = Path("/usr/bin/chromium")
ARGS = [
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip
pytestmark = [
    pytest.mark.browser,
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.skipif(
        not CHROMIUM.exists() and not REQUIRED, reason="no Chromium at /usr/bin/chromium"
    ),
]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def chromium() -> AsyncIterator[Any]:
    """One browser for all tests here; each opens its own contexts."""
    async with playwright.async_playwright() as driver:
        browser = await driver.chromium.launch(executable_path=str(CHROMIUM), args=ARGS)
        yield browser
        await browser.close()


Open = Callable[..., AbstractAsyncContextManager[Stage]]


@pytest.fixture
def stage(chromium: Any) -> Open:
    """What opens a stage: market, server, page and scripted bot, each test its own."""
    return partial(on_stage, chromium)


async def test_the_tour_is_five_taps_and_ends_at_the_spike(stage: Open) -> None:
    async with stage() as s:
        page = await s.open()
        steps = page.get_by_test_id("tour").get_by_test_id("tour-step")
        assert [await step.get_attribute("data-command") for step in await steps.all()] == [
            "/price btc", "/top10 perps", "/cvd BTC 4h", "/liqmap ETH", "/alert_volume BTC 200 15m",
        ]  # fmt: skip
        await steps.first.click()
        await expect(said(page, "BTC $94,312.5")).to_be_visible()
        strip = page.get_by_test_id("tour-strip")
        for n in range(1, 5):
            await expect(strip).to_contain_text(f"Tour {n}/5")
            await strip.get_by_test_id("tour-step").first.click()
        await expect(said(page, "#412 armed")).to_be_visible()
        assert [m.text for m in s.desk.heard][-1] == "/alert_volume BTC 200 15m"
        await page.get_by_test_id("tour-spike").click()
        await expect(strip).to_be_hidden()
        assert await s.market.heard(1) == [{"scenario": "volume-spike", "base": "BTC"}]
        await page.reload()
        await expect(said(page, "#412 armed")).to_be_visible()
        await expect(strip).to_be_hidden()


async def test_a_command_is_completed_sent_and_found_again(stage: Open) -> None:
    async with stage() as s:
        page = await s.open()
        box, offered = page.get_by_test_id("composer"), page.get_by_test_id("completion")
        await box.click()
        await box.press_sequentially("/p")
        await expect(offered.get_by_role("option").first).to_contain_text("Price on every exchange")
        await box.press("Tab")
        await expect(box).to_have_value("/price ")
        await expect(offered).to_be_hidden()
        await box.press_sequentially("btc")
        await box.press("Enter")
        await expect(said(page, "BTC $94,312.5")).to_be_visible()
        await expect(box).to_have_value("")
        await say(page, "/oi eth")
        await expect(said(page, "I don't know that")).to_be_visible()
        await box.press("ArrowUp")
        await expect(box).to_have_value("/oi eth")
        await box.press("ArrowUp")
        await expect(box).to_have_value("/price btc")
        await box.press("ArrowDown")
        await box.press("ArrowDown")
        await expect(box).to_have_value("")
        await box.press_sequentially("/al")
        await box.press("ArrowDown")
        await box.press("Enter")
        await expect(box).to_have_value("/alerts ")


async def test_the_menu_is_that_of_the_person_and_the_chat(stage: Open) -> None:
    async with stage() as s:
        page = await s.open()
        offered = page.get_by_test_id("completion").get_by_role("option")
        await page.get_by_test_id("composer").fill("/b")
        await expect(offered.first).to_contain_text("/broadcast")
        await page.get_by_test_id(f"user-{TOM}").click()
        await expect(page.get_by_test_id("chat-about")).to_contain_text("Tom (trader)")
        await page.get_by_test_id("composer").fill("/")
        await expect(offered).to_have_count(10)
        await page.get_by_test_id(f"chat-{DESK}").click()
        await page.get_by_test_id("composer").fill("/pr")
        await page.get_by_test_id("composer").press("Tab")
        await expect(page.get_by_test_id("composer")).to_have_value("/price@tidemark_bot ")
        await page.get_by_test_id("composer").press("Enter")
        await expect(said(page, "BTC $94,312.5")).to_be_visible()
        assert s.desk.heard[-1].from_user.id == TOM


async def test_a_button_waits_until_the_card_is_edited(stage: Open) -> None:
    async with stage() as s:
        page = await s.open()
        await say(page, "/price btc")
        card = said(page, "BTC $94,312.5")
        refresh = card.get_by_test_id("inline-button").filter(has_text="Refresh")
        s.server.fault("editMessageText", "slow", delay=0.4)
        s.server.fault("answerCallbackQuery", "slow", delay=0.4)
        await expect(card.get_by_test_id("edited")).to_have_count(0)
        await refresh.click()
        await expect(card).to_contain_text("updated 14:16:01 UTC")
        await expect(card.get_by_test_id("edited")).to_be_visible()
        await expect(refresh).not_to_have_attribute("aria-busy", "true")
        await expect(page.get_by_test_id("message")).to_have_count(2)
        silent = card.get_by_test_id("inline-button").filter(has_text="OI")
        await silent.click()
        await s.server.wait_for(lambda: any(q.data == "silent" for q in s.desk.pressed))
        # The answer to Refresh came meanwhile: it is not the answer to this one.
        await expect(silent).to_have_attribute("aria-busy", "true")
        await silent.click()  # a second press of a waiting button is none
        await asyncio.sleep(0.1)
        assert [q.data for q in s.desk.pressed] == ["e:price", "silent"]


async def test_a_button_without_an_answer_is_free_again_after_fifteen_seconds(stage: Open) -> None:
    async with stage() as s:
        page = await s.open()
        await page.clock.install()
        await page.reload()
        await say(page, "/price btc")
        silent = page.get_by_test_id("inline-button").filter(has_text="OI")
        await silent.click()
        await page.clock.fast_forward(14_000)
        await expect(silent).to_have_attribute("aria-busy", "true")
        await page.clock.fast_forward(1_500)
        await expect(silent).not_to_have_attribute("aria-busy", "true")
        await expect(page.get_by_test_id("toast")).to_contain_text("not answered")


async def test_answers_to_buttons_are_toasts_and_dialogs(stage: Open) -> None:
    async with stage() as s:
        page = await s.open()
        await say(page, "/price btc")
        await page.get_by_test_id("inline-button").filter(has_text="Set alert").click()
        await expect(page.get_by_test_id("toast")).to_have_text("Type /alert_volume BTC 200 15m")
        await say(page, "/alert_volume BTC 200 15m")
        await page.get_by_test_id("inline-button").filter(has_text="Undo").click()
        await expect(page.get_by_test_id("alert")).to_contain_text("#412 is gone")
        await page.keyboard.press("Enter")
        await expect(page.get_by_test_id("alert")).to_be_hidden()


async def test_a_picture_has_its_size_before_it_loads_opens_and_changes(stage: Open) -> None:
    async with stage() as s:
        page = await s.open()
        await say(page, "/cvd BTC 4h")
        photo = page.get_by_test_id("photo")
        await expect(photo).to_be_visible()
        assert (await photo.get_attribute("width"), await photo.get_attribute("height")) == (
            "1280",
            "1024",
        )
        await expect(photo).to_have_js_property("naturalWidth", 1280)
        before = await photo.get_attribute("src")
        await page.get_by_test_id("inline-button").filter(has_text="Refresh").click()
        await expect(photo).not_to_have_attribute("src", before or "")
        await photo.click()
        await expect(page.get_by_test_id("lightbox")).to_be_visible()
        await page.keyboard.press("Escape")
        await expect(page.get_by_test_id("lightbox")).to_be_hidden()


async def test_messages_elsewhere_are_counted_until_they_are_seen(stage: Open) -> None:
    async with stage() as s:
        page = await s.open()
        await s.desk.fire(TOM)
        await s.bot.send_message(DESK, "one")
        await s.bot.send_message(DESK, "two")
        badge = page.get_by_test_id(f"chat-{DESK}").get_by_test_id("unread")
        await expect(badge).to_have_text("2")
        await expect(page).to_have_title("(2) Tidemark")
        await expect(page.get_by_test_id(f"user-{TOM}").get_by_test_id("unread")).to_have_text("3")
        await page.get_by_test_id(f"chat-{DESK}").click()
        await expect(badge).to_have_count(0)
        await expect(page.get_by_test_id("unread-line")).to_be_visible()
        await page.get_by_test_id(
            f"user-{TOM}"
        ).click()  # stays in the group, where two are new to Tom as well
        await page.get_by_test_id(f"chat-{TOM}").click()
        await expect(said(page, "BTC volume 340 %")).to_be_visible()
        await expect(page).to_have_title("Tidemark")


async def test_a_stranger_writes_as_a_stranger(stage: Open) -> None:
    async with stage() as s:
        page = await s.open()
        await page.get_by_test_id(f"user-{SAM}").click()
        await say(page, "/help")
        await expect(said(page, "What would you like")).to_be_visible()
        assert (s.desk.heard[-1].from_user.id, s.desk.heard[-1].chat_id) == (SAM, SAM)
        await page.reload()
        await expect(page.get_by_test_id(f"user-{SAM}")).to_have_attribute("aria-checked", "true")
        await expect(said(page, "What would you like")).to_be_visible()
        await page.get_by_test_id(f"user-{ADA}").click()
        await expect(said(page, "What would you like")).to_have_count(0)


async def test_the_reply_keyboard_writes_for_you(stage: Open) -> None:
    async with stage() as s:
        page = await s.open()
        await say(page, "/help")
        await expect(page.get_by_test_id("composer")).to_have_attribute("placeholder", "What next?")
        await page.get_by_test_id("reply-key").filter(has_text="/price btc").click()
        await expect(said(page, "BTC $94,312.5")).to_be_visible()


async def test_own_messages_can_be_edited_and_any_can_be_answered(stage: Open) -> None:
    async with stage() as s:
        page = await s.open()
        box = page.get_by_test_id("composer")
        await say(page, "/pricee")
        await expect(said(page, "I don't know that")).to_be_visible()
        await box.press("Control+ArrowUp")
        await expect(box).to_have_value("/pricee")
        await box.fill("/price btc")
        await box.press("Enter")
        await expect(said(page, "/price btc").get_by_test_id("edited")).to_be_visible()
        await expect(said(page, "BTC $94,312.5")).to_be_visible()
        card = said(page, "BTC $94,312.5")
        await card.hover()
        await card.get_by_role("button", name="Reply").click()
        await expect(page.get_by_test_id("context")).to_contain_text("BTC $94,312.5")
        await box.fill("thanks")
        await box.press("Enter")
        await s.server.wait_for(lambda: s.desk.heard[-1].text == "thanks")
        assert s.desk.heard[-1].reply_to_message.text.startswith("BTC $94,312.5")
        await expect(page.get_by_test_id("context")).to_be_hidden()


async def test_commands_in_messages_are_tapped(stage: Open) -> None:
    async with stage() as s:
        page = await s.open()
        await say(page, "hm")
        await (
            said(page, "I don't know that").get_by_role("button", name="/help", exact=True).click()
        )
        await expect(said(page, "What would you like")).to_be_visible()


async def test_markup_of_messages_is_text_unless_it_is_allowed(stage: Open) -> None:
    async with stage() as s:
        page = await s.open()
        text = "&lt;img src=x onerror=alert(1)&gt; <tg-spoiler>who</tg-spoiler> <a href='https://example.com/a'>link</a>"
        await s.bot.send_message(ADA, text, "HTML")
        row = said(page, "<img src=x onerror=alert(1)>")
        await expect(row).to_be_visible()
        await expect(row.locator("a")).to_have_attribute("rel", "noopener noreferrer")
        clean = "(h) => { const d = document.createElement('div'); d.append(sanitise(h)); return d.innerHTML; }"
        dirty = '<b onclick="x()">b</b><script>x()</script><svg><script>x()</script></svg><img src=x onerror=x()>'
        assert await page.evaluate(clean, dirty) == "<b>b</b>"
        assert "href" not in await page.evaluate(clean, '<a href="javascript:alert(1)">x</a>')
        assert (
            await page.evaluate(clean, "<em><i class='z' style='color:red'>x</i></em>")
            == "<i>x</i>"
        )


async def test_reading_further_up_is_not_disturbed(stage: Open) -> None:
    async with stage() as s:
        for n in range(40):
            await s.bot.send_message(ADA, f"line {n}")
        page = await s.open()
        await expect(said(page, "line 39")).to_be_in_viewport()
        pill = page.get_by_test_id("new-messages")
        await expect(pill).to_be_hidden()
        await page.locator("#log").evaluate("(log) => { log.scrollTop = 100; }")
        await expect(pill).to_be_visible()
        await s.bot.send_message(ADA, "the newest")
        await expect(pill).to_have_text("1 new message")
        await expect(said(page, "the newest")).not_to_be_in_viewport()
        await pill.click()
        await expect(said(page, "the newest")).to_be_in_viewport()
        await expect(pill).to_be_hidden()


async def test_the_page_says_that_the_bot_is_typing(stage: Open) -> None:
    async with stage() as s:
        page = await s.open()
        await s.bot.send_chat_action(ADA, "typing")
        await expect(page.get_by_test_id("typing")).to_be_visible()
        await expect(page.get_by_test_id("chat-about")).to_have_text("Tidemark is typing…")
        await s.bot.send_message(ADA, "there")
        await expect(page.get_by_test_id("typing")).to_have_count(0)


async def test_the_market_bar_shows_the_clock_and_drives_the_market(stage: Open) -> None:
    async with stage() as s:
        page = await s.open()
        await expect(page.get_by_test_id("market-mark")).to_contain_text("SIMULATED")
        clock = page.get_by_test_id("market-clock")
        await expect(clock).to_contain_text(re.compile("12:14:2[01]"))
        await page.get_by_test_id("base").select_option("ETH")
        await page.get_by_test_id("scenario-cascade").click()
        await page.get_by_test_id("scenario-outage").click()
        await page.get_by_test_id("speed").select_option("20")
        assert await s.market.heard(3) == [
            {"scenario": "cascade", "base": "ETH"},
            {"scenario": "outage", "base": "binance"},
            {"speed": 20},
        ]
        await expect(clock).to_contain_text(
            re.compile("12:14:(2[4-9]|3[0-9])")
        )  # runs by its speed
        await expect(page.get_by_test_id("speed")).to_have_value("20")
        await page.get_by_test_id("base").select_option("SOL")
        await page.get_by_test_id("scenario-divergence").click()
        await expect(page.get_by_test_id("toast").filter(has_text="SOL sleeps")).to_be_visible()
        s.market.broken = True
        await expect(page.get_by_test_id("market-bar")).to_contain_text("does not answer")
        await expect(page.get_by_test_id("market-clock")).to_have_text("--:--:--")
        await expect(page.get_by_test_id("scenario-cascade")).to_be_disabled()


async def test_a_replay_is_marked_and_cannot_be_steered(stage: Open) -> None:
    async with stage(mark="REPLAY") as s:
        page = await s.open()
        await expect(page.get_by_test_id("market-mark")).to_contain_text("REPLAY")
        await expect(page.get_by_test_id("scenario-cascade")).to_have_count(0)
        await expect(page.get_by_test_id("speed")).to_be_disabled()


async def test_the_page_comes_back_after_the_server_did(stage: Open) -> None:
    async with stage() as s:
        await s.bot.send_message(DESK, "seen long ago")
        page = await s.open()
        await say(page, "/price btc")
        await expect(said(page, "BTC $94,312.5")).to_be_visible()
        await page.get_by_test_id("composer").fill("half a thought")
        await page.evaluate("socket.close()")
        await expect(page.get_by_test_id("connection")).to_contain_text("Connection lost")
        await expect(page.get_by_test_id("send")).to_be_disabled()
        await s.bot.send_message(ADA, "meanwhile")
        await expect(page.get_by_test_id("connection")).to_contain_text("Connected")
        await expect(said(page, "meanwhile")).to_be_visible()
        await expect(page.get_by_test_id(f"chat-{DESK}").get_by_test_id("unread")).to_have_count(0)
        await expect(said(page, "BTC $94,312.5")).to_have_count(1)
        await expect(page.get_by_test_id("composer")).to_have_value("half a thought")


async def test_ctrl_k_goes_to_chats_and_people(stage: Open) -> None:
    async with stage() as s:
        page = await s.open()
        await page.keyboard.press("Control+k")
        await page.keyboard.type("desk")
        await page.keyboard.press("Enter")
        await expect(page.get_by_test_id("chat-title")).to_have_text("Desk")
        await page.keyboard.press("Control+k")
        await page.keyboard.type("tom")
        await page.keyboard.press("Enter")
        await expect(page.get_by_test_id(f"user-{TOM}")).to_have_attribute("aria-checked", "true")


# What sticks out of the window, other than what scrolls by itself (rows of pills).
OVERFLOW = """[...document.querySelectorAll("#app *")].filter((node) => {
  const box = node.getBoundingClientRect();
  return !node.closest(".strip") && node.checkVisibility() && (box.right > innerWidth + 0.5 || box.left < -0.5);
}).length"""
# As high as its lines: nothing was broken into a second one.
ONE_LINE = """(pre) => { const range = document.createRange(); range.selectNodeContents(pre);
  return new Set([...range.getClientRects()].map((r) => Math.round(r.top))).size
    === pre.textContent.split("\\n").length; }"""
WRAPPED = "(pre) => pre.scrollWidth - pre.clientWidth"


async def loaded(page: Any) -> None:
    """Wait for every picture; a polled expression would be refused by the page's own policy."""
    for image in await page.locator("img").all():
        await expect(image).to_have_js_property("complete", True)


@pytest.mark.parametrize("theme", ["dark", "light"])
async def test_at_360_pixels_tables_fit_and_nothing_scrolls_sideways(
    stage: Open, theme: Any
) -> None:
    OUT.mkdir(parents=True, exist_ok=True)
    async with stage(nice=True) as s:
        page = await s.open(360, 740, color_scheme=theme, device_scale_factor=2, has_touch=True)
        assert await page.evaluate(OVERFLOW) == 0
        await page.screenshot(path=OUT / f"tour-360-{theme}.png")
        await say(page, "/price btc")
        await expect(said(page, "BTC $94,312.5")).to_be_visible()
        table = page.locator(".text pre")
        assert await table.evaluate(WRAPPED) <= 0
        assert await table.evaluate(
            "(pre) => pre.textContent.split('\\n').every((line) => line.length <= 32)"
        )
        await page.get_by_test_id("inline-button").filter(has_text="OI").click()
        await page.screenshot(path=OUT / f"price-360-{theme}.png")
        await say(page, "/cvd BTC 4h")
        await expect(said(page, "BTC sellers led")).to_be_visible()
        await loaded(page)
        await page.screenshot(path=OUT / f"photo-360-{theme}.png")
        assert await page.evaluate(OVERFLOW) == 0
        await page.get_by_test_id("composer").fill("/")
        await page.screenshot(path=OUT / f"menu-360-{theme}.png")
        await page.get_by_label("Back to the chats").click()
        await s.desk.fire(DESK)
        await expect(page.get_by_test_id(f"chat-{DESK}").get_by_test_id("unread")).to_have_text("1")
        assert await page.evaluate(OVERFLOW) == 0
        await page.screenshot(path=OUT / f"chats-360-{theme}.png")
        await page.get_by_test_id(f"chat-{DESK}").click()
        await say(page, "/price@tidemark_bot btc")
        await expect(said(page, "BTC $94,312.5")).to_be_visible()
        await s.bot.send_message(DESK, f"<pre>{'W' * 32}\n{'8' * 32}</pre>", "HTML")
        await expect(said(page, "W" * 32)).to_be_visible()
        for table in await page.locator(".text pre").all():
            assert await table.evaluate(WRAPPED) <= 0
            assert await table.evaluate(ONE_LINE)
        assert await page.evaluate(OVERFLOW) == 0
        await page.screenshot(path=OUT / f"group-360-{theme}.png")


@pytest.mark.parametrize("theme", ["dark", "light"])
async def test_a_desk_on_a_wide_screen(stage: Open, theme: Any) -> None:
    OUT.mkdir(parents=True, exist_ok=True)
    async with stage(nice=True) as s:
        page = await s.open(color_scheme=theme)
        assert await page.evaluate("document.documentElement.dataset.theme") == theme
        await page.screenshot(path=OUT / f"tour-{theme}.png")
        for line in ("/price btc", "/top10 perps", "/alert_volume BTC 200 15m"):
            await say(page, line)
        await expect(said(page, "#412 armed")).to_be_visible()
        await s.desk.fire(TOM)
        await s.desk.fire(DESK)
        await page.get_by_test_id("composer").fill("/")
        await page.get_by_test_id("inline-button").filter(has_text="OI").first.click()
        await page.screenshot(path=OUT / f"desk-{theme}.png")
        await page.get_by_test_id("composer").fill("")
        await say(page, "/liqmap ETH")
        await expect(page.get_by_test_id("photo")).to_be_visible()
        await loaded(page)
        await page.screenshot(path=OUT / f"photo-{theme}.png")
        await page.get_by_test_id("photo").click()
        await page.screenshot(path=OUT / f"lightbox-{theme}.png")
        await page.keyboard.press("Escape")
        await page.get_by_test_id("theme").click()
        assert await page.evaluate("document.documentElement.dataset.theme") != theme


async def test_links_under_cards_open_apart_and_texts_are_copied(stage: Open) -> None:
    async with stage() as s:
        page = await s.open()
        row = [
            InlineKeyboardButton("Docs", url="http://127.0.0.1.nip.example/none"),
            InlineKeyboardButton("Delete", callback_data="undo", style="danger"),
        ]
        await s.bot.send_message(ADA, "x", reply_markup=InlineKeyboardMarkup([row]))
        keys = page.get_by_test_id("inline-button")
        await expect(keys.last).to_have_attribute("data-style", "danger")
        async with page.context.expect_page() as opened:
            await keys.first.click()
        assert await (await opened.value).evaluate("opener") is None
        assert not s.desk.pressed
