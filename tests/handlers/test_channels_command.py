"""/channels as a person sees it: added, verified, tested, made quieter, removed; and never seen by others."""

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "alerts" / "channels"))

from channel_bench import PUBLIC, Stub
from channel_bench import Desk as Bench
from desk_market import NOW, desk

from alerts.channels.discord import Discord
from alerts.channels.email import Email
from alerts.channels.fence import Fence
from alerts.channels.http import Web
from alerts.channels.mailbox import Server
from alerts.channels.types import Status
from alerts.channels.webhook import Webhook
from alerts.channels.x import X
from handlers import channels as registered  # noqa: F401 - importing registers the command
from handlers.app import App
from handlers.base import ACTIONS, COMMANDS, Args, Button, Reply
from handlers.types import Chat, Person, Preferences, Role
from market.clock import FixedClock
from market.errors import UserError
from market.format import COLUMNS, columns_of

TOKEN = "a-Long_Token-of-discord-0123456789"
HOOK = f"https://discord.com/api/webhooks/123456789/{TOKEN}"
ALERTER = Person(user_id=7, role=Role.ALERTER, status="approved")


class People:
    """What was audited."""

    def __init__(self) -> None:
        self.audited: list[str] = []

    async def audit(self, *, actor: int, action: str, detail: str, now: int) -> None:
        self.audited.append(f"{actor} {action} {detail}")


class Shop:
    """The handlers over a book whose posts are kept in a list."""

    def __init__(self) -> None:
        wall = FixedClock(NOW)
        stub = Stub({"hooks.example.com": [[PUBLIC]]})
        web = Web(Fence(stub), wall)
        mail = Email(Server(host="127.0.0.1", port=1, tls=False), "a@desk.example", wall)
        discord, x = Discord(web, "https://discord.com/api"), X(web, "https://api.x.com", *"abcd")
        self.bench = Bench(discord, Webhook(web), mail, x)
        self.people = People()
        self.app: App = desk().app
        self.app.channels, self.app.people = self.bench.book, self.people  # type: ignore[assignment]
        self.person = ALERTER
        self.chat = Chat(chat_id=7, preferences=Preferences(zone="Europe/Berlin"))

    def args(self, rest: str) -> Args:
        return Args(words=tuple(rest.split()), rest=rest, person=self.person, chat=self.chat)

    async def say(self, rest: str = "") -> Reply:
        return _fits(await COMMANDS["channels"].run(self.args(rest), self.app))

    async def press(self, reply: Reply, text: str) -> Reply:
        found: Button = next(b for line in reply.buttons for b in line if b.text == text)
        if found.command:
            return await self.say(found.command.partition(" ")[2])
        return _fits(await ACTIONS[found.action].run(self.args(found.value), self.app))

    def code(self) -> str:
        return self.bench.book.of(7)[-1].code


def _fits(reply: Reply) -> Reply:
    assert reply.card is not None
    assert all(columns_of(line) <= COLUMNS for line in reply.card.table), reply.card.table
    assert all(len(b.value.encode()) + len(b.action) < 60 for line in reply.buttons for b in line)
    return reply


def body(reply: Reply) -> str:
    card = reply.card
    assert card is not None
    return "\n".join([card.headline, *card.table, card.reading, card.evidence])


@pytest.fixture
def shop() -> Shop:
    return Shop()


async def test_a_discord_webhook_from_adding_to_removing(shop: Shop) -> None:
    assert "Alerts go to this chat alone" in body(await shop.say())
    added = await shop.say(f"add discord {HOOK}")
    assert "Channel 1 added: discord …6789" in body(added)
    assert "carries a code" in body(added)
    assert added.data["delete_asked"] is True  # the message with the URL in it
    assert TOKEN not in body(added)
    assert shop.people.audited == ["7 channel added 1 discord …6789"]
    listed = await shop.say()
    assert "1  discord  code?  info" in body(listed)
    assert body(listed).startswith("1 channel besides this chat")
    assert TOKEN not in f"{body(listed)} {listed.data}"
    card = await shop.press(listed, "1 discord")
    with pytest.raises(UserError, match="less than a minute"):
        await shop.press(card, "Send a code")
    verified = await shop.say(f"verify {shop.code()}")
    assert "Channel 1 is verified" in body(verified)
    assert "test message is on its way" in body(await shop.press(verified, "Test"))
    quieter = await shop.press(verified, "≥ critical")
    assert "Channel 1 gets critical alerts only" in body(quieter)
    assert any(b.text == "• ≥ critical" for line in quieter.buttons for b in line)
    off = await shop.press(quieter, "Off")
    assert "Channel 1 is off" in body(off)
    assert "Channel 1 is on" in body(await shop.press(off, "On"))
    asked = await shop.press(off, "✖ Remove")
    assert shop.bench.book.of(7) != ()
    assert "Channel 1" in body(await shop.press(asked, "Keep"))
    assert "forgotten" in body(await shop.press(asked, "✖ Yes, remove"))
    assert shop.bench.book.of(7) == ()
    with pytest.raises(UserError, match="You have no channel 1"):
        await shop.press(asked, "✖ Yes, remove")


async def test_a_webhooks_key_is_shown_once(shop: Shop) -> None:
    added = body(await shop.say("add webhook https://hooks.example.com/In?Case=Kept"))
    to = shop.bench.book.of(7)[0]
    assert to.address == "https://hooks.example.com/In?Case=Kept"
    assert f"shown this once: {to.secret}" in added
    assert to.secret not in body(await shop.say())
    assert to.secret not in body(await shop.say(f"verify {to.code}"))
    with pytest.raises(UserError, match="not on the public internet"):
        await shop.say("add webhook https://localhost/hook")


async def test_an_email_gets_its_digest_at_a_local_hour(shop: Shop) -> None:
    await shop.say("add email you@example.org")
    await shop.say(f"verify {shop.code()}")
    told = body(await shop.say("digest 8:00"))
    assert "Channel 1 gets a digest every day at 08:00 Europe/Berlin" in told
    assert shop.bench.book.of(7)[0].digest_at == 480
    assert "digest 08:00" in body(await shop.say())
    assert "no daily digest" in body(await shop.say("digest 1 off"))
    for wrong in ("digest", "digest 1 25:00", "digest 1 8", "digest 1"):
        with pytest.raises(UserError, match="Say when"):
            await shop.say(wrong)


async def test_words_choose_the_lowest_severity(shop: Shop) -> None:
    await shop.say("add email you@example.org")
    assert "warning and above" in body(await shop.say("least warning"))
    await shop.say(f"add discord {HOOK}")
    assert "Channel 2 gets all alerts" in body(await shop.say("least #2 info"))
    with pytest.raises(UserError, match="Which channel") as raised:
        await shop.say("least warning")
    assert raised.value.example == "/channels least 1 warning"
    with pytest.raises(UserError, match="lowest severity"):
        await shop.say("least 1 loud")


async def test_channels_are_a_matter_of_private_chats(shop: Shop) -> None:
    shop.chat = Chat(chat_id=-100, kind="supergroup")
    for rest in ("", f"add discord {HOOK}", "verify 111111"):
        with pytest.raises(UserError, match="in a private chat"):
            await shop.say(rest)
    for name in (name for name in ACTIONS if name.startswith("channel:")):
        with pytest.raises(UserError, match="in a private chat"):
            await ACTIONS[name].run(shop.args("1"), shop.app)
    assert shop.bench.book.all() == []


async def test_nobody_presses_anothers_buttons(shop: Shop) -> None:
    await shop.say("add email you@example.org")
    shop.person = replace(ALERTER, user_id=8)
    for name in (name for name in ACTIONS if name.startswith("channel:")):
        with pytest.raises(UserError, match=r"You have no channel|lowest severity"):
            await ACTIONS[name].run(shop.args("1"), shop.app)
    assert shop.bench.book.of(7)[0].status is Status.PENDING


async def test_only_an_admin_posts_as_the_desk(shop: Shop) -> None:
    with pytest.raises(UserError, match="Only an admin"):
        await shop.say("add x")
    shop.person = replace(ALERTER, role=Role.ADMIN)
    added = body(await shop.say("add x"))
    assert "the desk's account, in public" in added
    assert "code" not in added


@pytest.mark.parametrize(
    ("rest", "says"),
    [
        ("add fax 123", "no channel “fax” here; there are discord, webhook, email, x"),
        ("add sms +4915112345678", "no channel “sms” here"),
        ("add discord https://example.org/hook", "not the URL of a Discord webhook"),
        ("add email nobody", "no email address"),
        ("shout", "Say one of add, verify"),
        ("verify", "Type the code"),
        ("test", "Which channel"),
        ("remove 5", "You have no channel 5"),
    ],
)
async def test_what_is_refused_is_refused_in_one_sentence(shop: Shop, rest: str, says: str) -> None:
    with pytest.raises(UserError, match=says) as raised:
        await shop.say(rest)
    assert raised.value.example.startswith("/channels")


async def test_a_desk_without_channels_says_so(shop: Shop) -> None:
    shop.app.channels = None
    with pytest.raises(UserError, match="no channels here"):
        await shop.say()


async def test_what_can_be_added_is_offered_with_examples(shop: Shop) -> None:
    offered = body(await shop.say("add"))
    assert "/channels add email you@example.org" in offered
    assert "sms" not in offered
    assert "not set up here: sms" in body(await shop.say())


async def test_trouble_with_a_channel_is_shown(shop: Shop) -> None:
    from alerts.outcome import Gone

    await shop.say("add email you@example.org")
    await shop.say(f"verify {shop.code()}")
    await shop.bench.book.noted(1, Gone("SMTP 550"))
    listed = await shop.say()
    assert "1  email  failed  info" in body(listed)
    assert "SMTP 550" in body(listed)
    card: Any = await shop.press(listed, "1 email")
    assert "last message not taken: SMTP 550" in body(card)


def test_everything_here_changes_something_or_is_looked_at_by_alerters() -> None:
    assert COMMANDS["channels"].role is Role.ALERTER
    assert COMMANDS["channels"].changes
    actions = {name: entry for name, entry in ACTIONS.items() if name.startswith("channel:")}
    assert all(entry.role is Role.ALERTER for entry in actions.values())
    looks = {name for name, entry in actions.items() if not entry.changes}
    assert looks == {"channel:show", "channel:drop"}
