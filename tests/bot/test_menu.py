"""The menus, the channel of alerts, and what never reaches a log."""

import json
import logging
from typing import Any

import pytest
from telegram_fakes import ADMIN, TOKEN, Desk, refusal

from alerts.channel import at_once
from alerts.outcome import Gone, Outcome, Refused, Sent, Unknown
from alerts.types import OutboxRow
from bot.telegram.channel import TelegramChannel
from bot.telegram.menu import entries, publish
from bot.telegram.redact import Redactor
from handlers.types import Role


def desk() -> Desk:
    made = Desk()
    made.add("price", aliases=("p",))
    made.add("start", menu=False)
    made.add("alert_volume", role=Role.ALERTER)
    made.add("users", role=Role.ADMIN)
    return made


async def test_each_scope_gets_what_its_people_may_use() -> None:
    made = desk()
    assert await publish(made.bot, (ADMIN,), made.commands) == 3
    sets = {c["scope"]["type"]: c for c in made.telegram.of("setMyCommands")}
    listed = {scope: [c["command"] for c in call["commands"]] for scope, call in sets.items()}
    assert listed == {
        "default": ["price", "alert_volume"],
        "all_group_chats": ["price"],
        "chat": ["price", "alert_volume", "users"],
    }
    assert sets["chat"]["scope"]["chat_id"] == ADMIN


async def test_a_menu_that_is_right_is_left_alone() -> None:
    made = desk()
    same = [{"command": "price", "description": "Do price."}]
    made.telegram.answers["getMyCommands"] = lambda data: (
        same if data["scope"]["type"] == "all_group_chats" else []
    )
    assert await publish(made.bot, (), made.commands) == 1


async def test_a_chat_without_us_costs_its_own_menu_only(caplog: pytest.LogCaptureFixture) -> None:
    made = desk()
    made.telegram.faults["getMyCommands"].append(refusal(400, "Bad Request: chat not found"))
    assert await publish(made.bot, (ADMIN,), made.commands) == 2
    assert "menu not set" in caplog.text


@pytest.mark.parametrize("name", ["alert-volume", "Price", "x" * 33, "é"])
def test_a_name_telegram_would_refuse_is_found_here(name: str) -> None:
    made = desk()
    made.add(name)
    with pytest.raises(ValueError, match="menu"):
        entries(made.commands, Role.ADMIN)


def row(**payload: Any) -> OutboxRow:
    body = {"headline": "BTC volume 340 % <of> average  #412"} | payload
    return OutboxRow(
        id=1, alert_id=412, transition=3, channel="telegram", chat_id=5, thread_id=9,
        payload=json.dumps(body), created_ts=0,
    )  # fmt: skip


class Drawer:
    def __init__(self, png: bytes | None = b"png") -> None:
        self.png = png
        self.asked: list[tuple[str, Any]] = []

    async def draw(self, name: str, data: Any) -> bytes | None:
        self.asked.append((name, data))
        return self.png


def channel(made: Desk, drawer: Drawer) -> TelegramChannel:
    return TelegramChannel(made.gateway, drawer.draw, made.buttons, lambda: "SIMULATED")


async def delivered(way: TelegramChannel, message: OutboxRow, *, repeat: bool = False) -> Outcome:
    """What became of a message that was made ready and sent."""
    return await (await way.prepare(message, repeat=repeat))(at_once)


async def test_an_alert_is_a_picture_with_its_words_and_buttons() -> None:
    made, drawer = desk(), Drawer()
    buttons = [[{"text": "💤 1 h", "action": "alerts:snooze", "value": "412 1h"}]]
    chart = {"name": "volume", "data": {"x": [1]}}
    full = row(glyph="🔔", table=["a 1"], evidence="observed", buttons=buttons, chart=chart)
    assert await made.time.run(delivered(channel(made, drawer), full)) == Sent(1)
    assert drawer.asked == [("volume", {"x": [1]})]
    [call] = made.telegram.of("sendPhoto")
    assert call["caption"] == (
        "<b>🔔 BTC volume 340 % &lt;of&gt; average  #412</b>\n<pre>a 1</pre>\n"
        "<i>observed</i>\n🧪 SIMULATED"
    )
    assert call["message_thread_id"] == 9
    assert made.telegram.data() == ["a:alerts:snooze:412 1h"]


async def test_a_picture_that_fails_never_loses_the_words() -> None:
    made = desk()
    chart = {"name": "volume", "data": {}}
    outcome = await made.time.run(delivered(channel(made, Drawer(None)), row(chart=chart)))
    assert outcome == Sent(1)
    assert "340 %" in made.telegram.of("sendMessage")[0]["text"]


async def test_words_too_long_for_a_caption_go_first_and_decide() -> None:
    made = desk()
    long = row(reading="r" * 1100, chart={"name": "volume", "data": {}})
    made.telegram.faults["sendPhoto"].append(refusal(400, "Bad Request: PHOTO_INVALID_DIMENSIONS"))
    assert await made.time.run(delivered(channel(made, Drawer()), long)) == Sent(1)
    sent = [name for name, _d, _at in made.telegram.calls]
    assert sent == ["sendMessage", "sendPhoto"]


async def test_a_doubtful_repetition_is_marked() -> None:
    made = desk()
    await made.time.run(delivered(channel(made, Drawer()), row(evidence="observed"), repeat=True))
    assert "observed (repeat?)" in made.telegram.texts()[0]


@pytest.mark.parametrize("body", ["x", "[]", "{}", '{"headline": "x", "chart": {"name": "y"}}'])
async def test_a_payload_nobody_understands_is_refused(body: str) -> None:
    made = desk()
    broken = OutboxRow(
        id=1, alert_id=1, transition=1, channel="telegram", chat_id=5, payload=body, created_ts=0,
    )  # fmt: skip
    assert isinstance(await made.time.run(delivered(channel(made, Drawer()), broken)), Refused)
    assert made.telegram.calls == []


@pytest.mark.parametrize(
    ("fault", "outcome"),
    [
        (refusal(403, "Forbidden: bot was blocked"), Gone),
        (refusal(504, "Gateway Timeout"), Unknown),
    ],
)
async def test_the_outbox_learns_what_became_of_it(fault: Any, outcome: type) -> None:
    made = desk()
    made.telegram.faults["sendMessage"].append(fault)
    assert isinstance(await made.time.run(delivered(channel(made, Drawer()), row())), outcome)


def record(message: str, *args: object, error: BaseException | None = None) -> logging.LogRecord:
    info = (type(error), error, error.__traceback__) if error else None
    return logging.LogRecord("x", logging.ERROR, __file__, 1, message, args, info)  # type: ignore[arg-type]


def rejection() -> ValueError:
    """An error with a traceback, as the library raises it."""
    try:
        json.loads(f"The token `{TOKEN}` was rejected")
    except ValueError as error:
        return ValueError(f"The token `{TOKEN}` was rejected").with_traceback(error.__traceback__)
    raise AssertionError


def test_no_log_line_and_no_trace_shows_a_secret() -> None:
    redactor = Redactor(("hook-secret",))
    line = record("POST https://api/bot%s/x hook-secret", TOKEN, error=rejection())
    assert redactor.filter(line)
    text = logging.Formatter().format(line)
    assert TOKEN not in text
    assert "hook-secret" not in text
    assert "Traceback" in text
    assert "was rejected" in text


def test_ordinary_lines_pass_unchanged() -> None:
    line = record("price %s at 14:02:11", "94312.5")
    assert Redactor((TOKEN,)).filter(line)
    assert line.getMessage() == "price 94312.5 at 14:02:11"
