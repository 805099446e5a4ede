"""/monitor and /set as a chat sees them: what is said, within which width, and what is refused in one sentence."""

import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "alerts"))

from alert_market import START
from monitor_desk import BTC, CHAT, Desk, Market

from alerts.monitors.kinds import KINDS
from exchanges.selection import Selection
from handlers import monitor
from handlers.app import App
from handlers.base import ACTIONS, COMMANDS, Args, Button, Reply
from handlers.types import Chat, Person, Role
from market.errors import UserError
from market.format import COLUMNS, columns_of

ME = Person(user_id=7, role=Role.ALERTER, status="approved")


class Resolving(Market):
    """A market that reads symbols."""

    def resolve(self, words: str, *, command: str = "/price {}") -> Any:
        return Selection(self.directory, list).resolve(words, command=command)


class Shop:
    """The handlers over a desk."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        market: Any = Resolving(desk.streams, clock=desk.clock)
        self.app = App(
            market=market, alerts=None, people=None, clock=desk.clock, wall=desk.wall, draw=None,  # type: ignore[arg-type]
            monitors=desk.service,
        )  # fmt: skip

    def args(self, words: str) -> Args:
        return Args(words=tuple(words.split()), person=ME, chat=Chat(chat_id=CHAT), thread_id=5)

    async def say(self, line: str) -> Reply:
        name, _space, words = line.removeprefix("/").partition(" ")
        reply = await COMMANDS[name].run(self.args(words), self.app)
        _fits(reply)
        return reply

    async def press(self, button: Button) -> Reply:
        if button.command:
            return await self.say(button.command)
        reply = await ACTIONS[button.action].run(self.args(button.value), self.app)
        _fits(reply)
        return reply

    def heard(self) -> list[str]:
        return self.desk.service.subscriptions.of_chat(CHAT)


def _fits(reply: Reply) -> None:
    assert reply.card is not None
    assert all(columns_of(line) <= COLUMNS for line in reply.card.table), reply.card.table
    assert all(len(b.value.encode()) + len(b.action) < 60 for row in reply.buttons for b in row)


def button(reply: Reply, text: str) -> Button:
    return next(b for row in reply.buttons for b in row if b.text == text)


def body(reply: Reply) -> str:
    assert reply.card is not None
    return "\n".join(
        [reply.card.headline, *reply.card.table, reply.card.reading, reply.card.evidence]
    )


@pytest.fixture
async def shop(tmp_path: Path) -> AsyncIterator[Shop]:
    desk = await Desk(tmp_path).start()
    yield Shop(desk)
    await desk.close()


async def test_hearing_of_a_coin_and_no_more(shop: Shop) -> None:
    on = await shop.say("/monitor on btc eth")
    assert "Monitors tell this chat of BTC, ETH" in body(on)
    assert shop.heard() == ["BTC", "ETH"]
    assert shop.desk.service.subscriptions.hears(CHAT, "BTC").thread_id == 5  # type: ignore[union-attr]
    assert "already" in body(await shop.say("/monitor on BTC"))
    off = await shop.say("/monitor off btc")
    assert "silent here about BTC" in body(off)
    assert shop.heard() == ["ETH"]
    await shop.press(button(off, "↩️ Undo"))
    assert shop.heard() == ["BTC", "ETH"]
    await shop.press(button(on, "✖ Undo"))
    assert shop.heard() == []
    assert "heard of nothing" in body(await shop.say("/monitor off"))
    assert "heard nothing of it" in body(await shop.say("/monitor off BTC"))


async def test_all_of_the_watch_list_but_one_and_the_whole_market(shop: Shop) -> None:
    assert "the whole watch list" in body(await shop.say("/monitor on"))
    assert "silent here about SOL" in body(await shop.say("/monitor off SOL"))
    shown = body(await shop.say("/monitor"))
    assert "This chat hears of the whole watch list. Not of SOL." in shown
    assert "the whole market's movers" in body(await shop.say("/monitor on market"))
    assert shop.heard() == ["*", "-SOL", "MARKET"]
    assert "watching 4 markets of 3 coins" in shown


async def test_what_was_noticed_is_shown_by_this_chats_own_thresholds(shop: Shop) -> None:
    desk = shop.desk
    assert "Not watched yet" in body(await shop.say("/monitor"))  # no claim about an unwatched time
    await desk.second()
    first = await shop.say("/monitor")
    assert first.card is not None
    assert first.card.headline.startswith("Nothing unusual since ")
    assert "24 h" not in body(first)
    await desk.on("BTC", chat=99)
    await desk.service.subscriptions.choose(99, "funding", "BTC", 0.01)
    desk.state().figures["funding_8h"] = 0.0007
    desk.state().figures["delta_5m"] = -25e6
    await desk.second()
    await desk.service.post()
    reply = await shop.say("/monitor")
    assert reply.card is not None
    assert reply.card.headline == "2 findings in 24 h", (
        "the third one is at another chat's threshold"
    )
    assert sorted(line.split()[1] for line in reply.card.table) == ["BTC", "BTC"]
    text = "\n".join(reply.card.table)
    assert "-$25.0M" in text
    assert "0.07%" in text
    assert {f["kind"] for f in reply.data["facts"]} == {"funding", "delta"}
    assert len(reply.figures) == 2
    assert "ETH nothing unusual" in body(await shop.say("/monitor eth"))
    assert reply.card.updated == START + 2000
    turn = button(await shop.say("/monitor eth"), "🔔 ETH on")
    await shop.press(turn)
    assert shop.heard() == ["ETH"]


async def test_a_threshold_of_this_chats_own(shop: Shop) -> None:
    threshold = shop.desk.service.subscriptions.threshold
    spike = next(each for each in KINDS if each.kind == "spike")()
    assert "Volume spike of BTC: above 250 %" in body(await shop.say("/set spike BTC 250"))
    assert (threshold(CHAT, spike, "BTC"), threshold(CHAT, spike, "ETH")) == (250.0, 250.0)
    assert "every coin: above 400 %" in body(await shop.say("/set SPIKE 400%"))
    assert (threshold(CHAT, spike, "BTC"), threshold(CHAT, spike, "ETH")) == (250.0, 400.0)
    assert threshold(1, spike, "ETH") == 250.0, "another chat's is the default"
    assert "off here for SOL" in body(await shop.say("/set spike sol off"))
    assert threshold(CHAT, spike, "SOL") is None
    await shop.say("/set spike BTC default")
    assert threshold(CHAT, spike, "BTC") == 400.0
    await shop.desk.start()
    again = shop.desk.service.subscriptions.threshold
    assert (again(CHAT, spike, "BTC"), again(CHAT, spike, "SOL")) == (400.0, None)


async def test_the_list_names_every_kind_with_unit_and_what_was_chosen(shop: Shop) -> None:
    reply = await shop.say("/set")
    assert reply.card is not None
    names = [line.split()[0] for line in reply.card.table[1:]]
    assert names == [each.kind for each in KINDS]
    await shop.say("/set whale 1m")
    await shop.say("/set imbalance BTC off")
    text = body(await shop.say("/set"))
    assert "whale $1.00M" in text
    assert "imbalance BTC off" in text
    for kind in KINDS:
        about = await shop.press(button(reply, kind.kind))
        assert kind.about.split()[0].lower() in body(about).lower()
        assert COMMANDS["set"].run is monitor.set_threshold


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("/set volume BTC 3", "There is no monitor “volume”"),
        ("/set spike BTC", "no number I can read"),
        ("/set spike BTC many", "no number I can read"),
        ("/set spike BTC -5", "has to be above 100"),
        ("/set imbalance 101", "outside"),
        ("/set spike NOTACOIN 300", "I know no market"),
        ("/set spike BTC 300 now", "Say a monitor, a coin and a number"),
        ("/monitor on NOTACOIN", "I know no market"),
        ("/monitor off NOTACOIN", "I know no market"),
        ("/monitor BTC ETH", "Say on or off"),
        ("/monitor perhaps", "I know no market"),
    ],
)
async def test_what_cannot_be_is_refused_in_one_sentence_with_an_example(
    shop: Shop, line: str, words: str
) -> None:
    with pytest.raises(UserError) as caught:
        await shop.say(line)
    assert words in caught.value.text
    assert caught.value.example.startswith(("/set ", "/monitor "))
    assert shop.heard() == []
    assert shop.desk.service.subscriptions.chosen(CHAT) == {}


async def test_a_chat_hears_of_a_bounded_number_of_coins(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(monitor, "LIMIT", 2)
    await shop.say("/monitor on BTC ETH")
    with pytest.raises(UserError, match="2 coins at most"):
        await shop.say("/monitor on SOL")


async def test_who_may_and_what_is_not_repeated(shop: Shop) -> None:
    for entry in (
        COMMANDS["monitor"], COMMANDS["set"], ACTIONS["monitor:on"], ACTIONS["monitor:off"],
    ):  # fmt: skip
        assert (entry.role, entry.changes) == (Role.ALERTER, True)
    shop.app.monitors = None
    with pytest.raises(UserError, match="do not run here"):
        await shop.say("/monitor")


async def test_buttons_of_a_message_work(shop: Shop) -> None:
    desk = shop.desk
    await shop.say("/monitor on BTC")
    desk.state().figures["funding_8h"] = 0.0007
    await desk.second(4)
    (message,) = await desk.messages()
    rows = [Button(**raw) for row in message["buttons"] for raw in row]
    assert any(b.command == f"/chart {BTC.key} 5m" for b in rows)
    await shop.press(next(b for b in rows if b.action == "monitor:off"))
    assert shop.heard() == []
