"""The alert commands and buttons as a chat sees them: what is said, within which width, and to whom."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from alert_shop import ALERTER, CHAT, OTHER, Shop, body, button

from alert_market import BTC, START, quiet_history  # isort: skip - alert_shop says where it is
from charts.candles import CandleChart
from handlers import alerts
from handlers.alert_chart import draw_alert
from handlers.base import ACTIONS, COMMANDS, Button
from handlers.types import Role
from market.errors import UserError
from market.format import COLUMNS, columns_of

__all__ = ["ALERTER"]


@pytest.fixture
async def shop(tmp_path: Path) -> AsyncIterator[Shop]:
    made = await Shop.open(tmp_path)
    yield made
    await made.desk.close()


async def test_the_armed_card_names_market_venue_price_and_distance(shop: Shop) -> None:
    reply = await shop.say("/alert BTC above 95k")
    assert body(reply) == (
        "#1 armed\n"
        "BTC perp price crosses above 95,000.0\n"
        "Binance BTCUSDT\n"
        "now 93,310.0 · +1.8% to go\n"
        "repeats, at most every 5 m, re-arms below 94,905.0 · 0 s · observed · 1/50 alerts"
    )
    assert reply.figures["now"].value == 93_310.0
    assert reply.figures["level"].value == 95_000.0


async def test_a_crossing_a_state_and_either_way_are_told_apart(shop: Shop) -> None:
    assert "price crosses above 95,000.0" in body(await shop.say("/alert BTC above 95k"))
    assert "price is above 95,000.0" in body(await shop.say("/alert BTC > 95k"))
    either = body(await shop.say("/alert BTC 95k"))
    assert "price crosses 95,000.0" in either
    assert "+1.8% to go" in either
    met = body(await shop.say("/alert BTC above 90k"))
    assert "already above; fires at the next crossing" in met
    assert "true now: fires at the next look" in body(await shop.say("/alert BTC > 90k"))


async def test_the_volume_card_says_percent_now_and_how_often(shop: Shop) -> None:
    text = body(await shop.say("/alert_volume BTC 200 15m"))
    assert "BTC perp 15-minute volume above 200 % of its 96-bar average" in text
    assert "now 100 %\nwould have fired 0 times in 2 d" in text
    assert "repeats once per bar, re-arms below 160 %" in text


async def test_the_cvd_card_says_the_window_and_the_dead_band(shop: Shop) -> None:
    text = body(await shop.say("/alert_cvd ETH negative 90m"))
    assert "ETH CVD of 1 h 30 m turns negative" in text
    assert "re-arms beyond +2 % of the volume" in text
    assert "n/a (Order flow: not collected for the whole window yet)" in text


async def test_a_coin_called_like_a_kind_is_a_coin(shop: Shop) -> None:
    assert "OI perp price crosses above 5.0" in body(await shop.say("/alert $OI above 5"))
    assert "OI CVD of 4 h turns positive" in body(await shop.say("/alert_cvd $OI positive"))
    assert "OI open interest rises by 5.00 % within 1 h" in body(
        await shop.say("/alert_oi $OI +5%")
    )


@pytest.mark.parametrize(
    "line", ["/alert", "/alert ETH", "/alert_volume", "/alert_oi", "/alert_cvd", "/alerts"]
)
async def test_a_bare_command_is_answered_with_something_to_tap(shop: Shop, line: str) -> None:
    reply = await shop.say(line)
    assert not reply.error
    assert reply.buttons
    assert all(len(row) <= 3 for row in reply.buttons)
    for row in reply.buttons:
        for each in row:
            if each.command and each.command != "/alert":
                await shop.say(each.command)


@pytest.mark.parametrize(
    "line",
    [
        "/alert BTC above", "/alert BTC above nan", "/alert BTC above inf", "/alert BTC above -5", "/alert BTC above 0",
        "/alert BTC above 1e30", "/alert BTC +5%", "/alert BTTC above 5",
        "/alert_volume BTC", "/alert_volume BTC 15m", "/alert_volume BTC 0", "/alert_volume BTC -200",
        "/alert_volume BTC 1e9", "/alert_volume BTC 200 7m", "/alert_oi BTC 5%", "/alert_oi BTC 0",
        "/alert_oi BTC 5000 1h", "/alert_cvd ETH", "/alert_cvd ETH sideways", "/alert_cvd ETH negative 1m",
        "/alerts x",
    ],
)  # fmt: skip
async def test_wrong_input_gets_one_sentence_and_a_command_that_works(
    shop: Shop, line: str
) -> None:
    with pytest.raises(UserError) as caught:
        await shop.say(line)
    assert caught.value.text
    await shop.say(caught.value.example)


async def test_a_move_either_way_is_one_plain_alert(shop: Shop) -> None:
    reply = await shop.say("/alert_move BTC 5% 1h")
    assert "#1 armed" in body(reply)
    assert "BTC perp price moves by 5.00 % either way within 1 h" in body(reply)


async def test_the_list_is_grouped_closest_first_and_fits_a_phone(shop: Shop) -> None:
    for line in (
        "/alert BTC above 95k", "/alert_volume BTC 200 15m", "/alert ETH above 0.00001234567",
        "/alert_cvd ETH negative", "/alert_oi BTC-PERP +$12345678 12h", "/alert BTC > 123456.7 once",
    ):  # fmt: skip
        await shop.say(line)
    await shop.press(Button(text="", action="alert:pause", value="4"))
    reply = await shop.say("/alerts")
    assert reply.card is not None
    assert reply.card.headline == "Alerts 5/50 · closest first"
    table = list(reply.card.table)
    assert all(columns_of(line) <= COLUMNS for line in table), table
    assert table[:2] == ["BTC  93,310.0", " 1 price>95k               +1.8%"]
    assert any(line.startswith(" 4 cvd<0 4h") and line.endswith("PAUSED") for line in table)
    assert [b.text for b in reply.buttons[0]] == [str(n) for n in reply.data["alerts"][:3]]


async def test_the_distance_of_a_price_is_also_told_in_typical_days(shop: Shop) -> None:
    step = 86_400_000
    rows = quiet_history(BTC, "1d", START, 40)
    shop.desk.market.history[BTC.key, "1d"] = [
        type(c)(ts=c.ts, open=93_000, high=94_000, low=92_000, close=93_000, volume=1.0)
        for c in rows
    ]
    assert rows[-1].ts + step == START
    await shop.say("/alert BTC above 95k")
    reply = await shop.say("/alerts")
    assert reply.card is not None
    assert list(reply.card.table)[1] == " 1 price>95k        +1.8% 0.8bar"


async def test_long_lists_have_pages(shop: Shop) -> None:
    for n in range(15):
        await shop.say(f"/alert BTC above {95_000 + n}")
    first = await shop.say("/alerts")
    assert first.card is not None
    assert len(first.card.table) == 13
    second = await shop.press(button(first, "▶ More"))
    assert second.card is not None
    assert len(second.card.table) == 4


async def test_show_pause_resume_delete_undo_by_tapping(shop: Shop) -> None:
    await shop.say("/alert BTC above 95k")
    shown = await shop.press(button(await shop.say("/alerts"), "1"))
    paused = await shop.press(button(shown, "⏸ Pause"))
    assert "#1 paused" in body(paused)
    assert "#1 armed" in body(await shop.press(button(paused, "▶️ Resume")))
    deleted = await shop.press(button(shown, "✖ Delete"))
    assert "#1 deleted" in body(deleted)
    back = button(deleted, "↩️ Undo")
    assert "#1 back" in body(await shop.press(back))
    shop.desk.wall.advance(61_000)
    with pytest.raises(UserError, match="Too late"):
        await shop.press(back)


async def test_all_at_once_touches_only_the_pressers_own(shop: Shop) -> None:
    await shop.say("/alert BTC above 95k")
    await shop.say("/alert BTC above 96k", OTHER)
    asked = await shop.press(button(await shop.say("/alerts"), "✖ Delete all"))
    assert "Delete your only alert?" in body(asked)
    assert len(await shop.desk.service.of_chat(CHAT)) == 2, "nothing is deleted before the answer"
    assert "#1 deleted" in body(await shop.press(button(asked, "✖ Delete 1")))
    assert [v.rule.id for v in await shop.desk.service.of_chat(CHAT)] == [2]


async def test_tighter_looser_and_undo_under_the_armed_card(shop: Shop) -> None:
    reply = await shop.say("/alert_volume BTC 200 15m")
    tighter = await shop.press(button(reply, "Tighter"), update_id=5)
    assert "above 300 %" in body(tighter)
    looser = await shop.press(button(tighter, "Looser"), update_id=6)
    assert "above 200 %" in body(looser)
    await shop.press(button(looser, "✖ Undo"))
    assert await shop.desk.service.of_chat(CHAT) == []


@pytest.mark.parametrize("value", ["", "x", "9" * 30, "1 x", "-1", "99"])
async def test_a_forged_button_changes_nothing(shop: Shop, value: str) -> None:
    await shop.say("/alert BTC above 95k")
    for name in ("show", "pause", "mute", "resume", "delete", "undo", "tighter", "looser"):
        with pytest.raises(UserError):
            await shop.press(Button(text="", action=f"alert:{name}", value=value))
    (view,) = await shop.desk.service.of_chat(CHAT)
    assert str(view.rule.status) == "active"


async def test_what_changes_something_needs_a_role_and_is_never_repeated(shop: Shop) -> None:
    for name in ("alert", "alert_volume", "alert_oi", "alert_cvd"):
        assert (COMMANDS[name].role, COMMANDS[name].changes) == (Role.ALERTER, True)
    assert (COMMANDS["alerts"].role, COMMANDS["alerts"].changes) == (Role.VIEWER, False)
    acts = [entry for name, entry in ACTIONS.items() if name.startswith("alert:")]
    looks = {"alert:show", "alert:would"}  # and what only asks changes nothing either
    asks = {"alert:all", "alert:edit", "alert:sleep", "alert:copy"}
    assert all(e.changes for e in acts if e.name not in looks | asks)
    assert all(e.role is Role.ALERTER for e in acts if e.name not in looks)
    first = await shop.say("/alert BTC above 95k", update_id=77)
    again = await shop.say("/alert BTC above 95k", update_id=77)
    assert again.data["alert"] == first.data["alert"]
    assert COMMANDS["alerts"].group == alerts.GROUP


async def test_the_buttons_of_a_fired_message_work_and_mute_keeps_the_card(shop: Shop) -> None:
    await shop.say("/alert BTC above 95k")
    await shop.desk.at(60, 95_100)
    (message,) = await shop.desk.messages()
    buttons = [Button(**raw) for row in message["buttons"] for raw in row]
    muted = await shop.press(next(b for b in buttons if b.action == "alert:mute"))
    assert muted.toast == "#1 is paused; /alerts brings it back."
    assert muted.card is None
    shown = await shop.press(next(b for b in buttons if b.action == "alert:show"))
    assert "fired once, at 00:01 UTC" in body(shown)


async def test_the_picture_is_of_the_instrument_and_candle_that_fired(shop: Shop) -> None:
    await shop.say("/alert BTC above 95k")
    await shop.desk.at(60, 95_100)
    (message,) = await shop.desk.messages()
    data = message["chart"]["data"]
    shop.desk.clock.advance(3_600_000)
    shop.desk.market.trade(99_000)
    assert await draw_alert(shop.app, data) == b"png"
    (name, chart) = shop.drawn[0]
    assert name == "candles"
    assert isinstance(chart, CandleChart)
    assert (chart.marked, chart.levels) == (START, ((95_000.0, "#1"),))
    assert chart.candles[-1].ts <= START + 4 * 300_000, "not what came hours later"
    assert await draw_alert(shop.app, {**data, "bar_ts": START - 900_000}) is None
    assert await draw_alert(shop.app, {**data, "instrument": "okx:BTC/USDT:USDT"}) is None
    shop.desk.market.down.add("binance")
    assert await draw_alert(shop.app, data) is None
