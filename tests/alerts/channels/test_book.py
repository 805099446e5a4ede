"""The address book: who may send where, proven by codes that cannot be guessed, and what outcomes change."""

import asyncio

import pytest
from channel_bench import ME, NOW, PUBLIC, Desk, Shelf, Stub, row

from alerts.channel import Channel
from alerts.channels.assembly import Channels
from alerts.channels.book import CODE_LIFE, MOST, TESTS, TRIES, AddressBook, six_digits
from alerts.channels.chats import Chats, FoundChat
from alerts.channels.fence import Fence
from alerts.channels.http import Web
from alerts.channels.types import TEST_ID, ChannelSettings, Destination, Status
from alerts.channels.way import Address
from alerts.channels.webhook import Webhook
from alerts.channels.words import Told, cut, told
from alerts.outcome import Gone, NotSent, Outcome, Refused, Sent, Unknown
from alerts.types import Severity
from market.clock import FixedClock
from market.errors import UserError
from market.types import DAY, MINUTE

OTHER = 8


class Pigeon:
    """A way that notes what it carries and answers as it is told."""

    def __init__(self, name: str = "webhook", *, typed_back: bool = True, daily: int = 0) -> None:
        self.name, self.example, self.typed_back = name, f"{name} there", typed_back
        self.admin, self.daily = False, daily
        self.outcome: Outcome = Sent()
        self.carried: list[tuple[int, Told]] = []
        self.hold: asyncio.Event | None = None

    async def read(self, typed: str, owner_id: int) -> Address:
        if not typed:
            raise UserError("Where to?")
        return Address(address=typed, label=typed[:5], secret=f"key of {typed}", shown_once=True)

    async def deliver(self, to: Destination, message: Told) -> Outcome:
        if self.hold is not None:
            await self.hold.wait()
        self.carried.append((to.id, message))
        return self.outcome


async def proven(desk: Desk, channel: str = "webhook", typed: str = "there") -> Destination:
    """A destination that was added and verified."""
    added = await desk.book.add(ME, channel, typed)
    code = desk.book.of(ME)[-1].code
    desk.wall.advance(2 * MINUTE)
    return await desk.book.verify(ME, code) if code else added.destination


async def test_a_destination_takes_alerts_only_after_its_code_was_typed_back() -> None:
    desk = Desk(Pigeon())
    added = await desk.book.add(ME, "webhook", "there")
    assert added.secret == "key of there"
    assert added.destination.status is Status.PENDING
    (sent,) = desk.posted.rows
    assert (sent.alert_id, sent.channel, sent.chat_id) == (TEST_ID, "webhook", added.destination.id)
    assert "111111" in desk.posted.said()["reading"]
    assert desk.posted.said()["test"] is True
    assert desk.book.destinations_for(ME, Severity.CRITICAL) == []
    assert await desk.send(sent) == Sent()  # the test message itself may go there
    assert await desk.send(row()) == Refused("the destination is pending")
    await desk.book.verify(ME, " 111111 ")
    assert [d.id for d in desk.book.destinations_for(ME, Severity.INFO)] == [1]
    assert await desk.send(row()) == Sent()


async def test_a_code_counts_for_five_tries_for_its_owner_and_for_a_quarter_of_an_hour() -> None:
    desk = Desk(Pigeon())
    await desk.book.add(ME, "webhook", "there")
    with pytest.raises(UserError, match="No code"):
        await desk.book.verify(OTHER, "111111")
    for left in range(TRIES - 1, 0, -1):
        with pytest.raises(UserError, match=f"{left} tries are left"):
            await desk.book.verify(ME, "000000")
    with pytest.raises(UserError, match="last try"):
        await desk.book.verify(ME, "000000")
    with pytest.raises(UserError, match="No code"):
        await desk.book.verify(ME, "111111")
    with pytest.raises(UserError, match="less than a minute"):
        await desk.book.test(ME, 1)
    desk.wall.advance(MINUTE)
    await desk.book.test(ME, 1)
    with pytest.raises(UserError, match="tries are left"):
        await desk.book.verify(ME, "111111")  # the first code is no code any more
    desk.wall.advance(CODE_LIFE)
    with pytest.raises(UserError, match="No code"):
        await desk.book.verify(ME, "222222")
    await desk.book.test(ME, 1)
    assert (await desk.book.verify(ME, "333333")).status is Status.VERIFIED


def test_codes_are_six_digits() -> None:
    made = {six_digits() for _ in range(50)}
    assert all(len(c) == 6 and c.isdecimal() for c in made)
    assert len(made) > 40


async def test_nobody_reaches_what_is_somebody_elses() -> None:
    desk = Desk(Pigeon())
    to = await proven(desk)
    for attempt in (
        desk.book.test(OTHER, to.id), desk.book.remove(OTHER, to.id), desk.book.choose(OTHER, to.id, Severity.INFO),
        desk.book.switch(OTHER, to.id, on=False), desk.book.digest(OTHER, to.id, 480, "UTC"),
    ):  # fmt: skip
        with pytest.raises(UserError, match="You have no channel"):
            await attempt
    assert desk.book.destinations_for(OTHER, Severity.CRITICAL) == []


async def test_copies_go_to_what_is_verified_switched_on_and_loud_enough() -> None:
    desk = Desk(Pigeon(), Pigeon("discord"))
    first = await proven(desk)
    second = await proven(desk, "discord")
    await desk.book.choose(ME, second.id, Severity.CRITICAL)
    warned = row("telegram", 55)
    assert [(r.channel, r.chat_id) for r in desk.book.copies(warned, ME)] == [("webhook", first.id)]
    loud = desk.book.copies(row("telegram", 55, severity="critical"), ME)
    assert [(r.channel, r.chat_id) for r in loud] == [("webhook", first.id), ("discord", second.id)]
    assert all((r.alert_id, r.transition, r.thread_id) == (12, 3, None) for r in loud)
    await desk.book.switch(ME, first.id, on=False)
    assert desk.book.copies(warned, ME) == []
    assert await desk.send(row(chat_id=first.id)) == Refused("the destination is off")
    await desk.book.switch(ME, first.id, on=True)
    assert len(desk.book.copies(warned, ME)) == 1
    with pytest.raises(UserError, match="among your channels already"):
        await desk.book.add(ME, "webhook", "there")


async def test_what_is_removed_is_forgotten() -> None:
    desk = Desk(Pigeon())
    to = await proven(desk)
    await desk.book.remove(ME, to.id)
    assert desk.book.of(ME) == ()
    assert await desk.send(row()) == Refused("the destination was removed")
    kept = desk.shelf.kept[to.id]
    assert (kept.address, kept.secret, kept.label, kept.code) == ("", "", "", "")
    await desk.book.add(ME, "webhook", "there")
    await desk.book.forget(ME)
    assert desk.book.of(ME) == ()


async def test_adding_has_an_end_that_removing_does_not_move() -> None:
    desk = Desk(Pigeon())
    for n in range(MOST):
        await desk.book.add(ME, "webhook", f"there {n}")
    with pytest.raises(UserError, match="remove one first"):
        await desk.book.add(ME, "webhook", "more")
    await desk.book.remove(ME, 1)
    with pytest.raises(UserError, match="within a day"):
        await desk.book.add(ME, "webhook", "more")
    desk.wall.advance(DAY + 1)
    await desk.book.add(ME, "webhook", "more")


async def test_test_messages_have_an_end_for_the_day() -> None:
    desk = Desk(Pigeon())
    to = await proven(desk)  # the first one carried the code
    for _ in range(TESTS - 1):
        await desk.book.test(ME, to.id)
    assert len({r.transition for r in desk.posted.rows}) == TESTS
    with pytest.raises(UserError, match="last test"):
        await desk.book.test(ME, to.id)
    desk.wall.advance(DAY)
    await desk.book.test(ME, to.id)


async def test_arriving_is_proof_where_no_code_is_asked_for() -> None:
    desk = Desk(Pigeon("x", typed_back=False))
    added = await desk.book.add(ME, "x", "there")
    assert added.destination.status is Status.PENDING
    assert "111111" not in desk.posted.said()["reading"]
    assert await desk.send(desk.posted.rows[0]) == Sent()
    assert desk.book.of(ME)[0].status is Status.VERIFIED


async def test_an_outcome_is_noted_where_it_changes_something_and_only_there() -> None:
    pigeon = Pigeon()
    desk = Desk(pigeon)
    await proven(desk)
    before = desk.shelf.saves
    for outcome in (Sent(), NotSent("HTTP 500"), Unknown("no answer")):
        pigeon.outcome = outcome
        assert await desk.send(row()) == outcome
    assert desk.shelf.saves == before
    pigeon.outcome = Refused("HTTP 400")
    await desk.send(row())
    await desk.send(row())
    assert (desk.book.of(ME)[0].error, desk.shelf.saves) == ("HTTP 400", before + 1)
    pigeon.outcome = Sent()
    await desk.send(row())
    assert (desk.book.of(ME)[0].error, desk.shelf.saves) == ("", before + 2)
    pigeon.outcome = Gone("HTTP 410")
    await desk.send(row())
    assert desk.book.of(ME)[0].status is Status.FAILED
    assert desk.book.destinations_for(ME, Severity.CRITICAL) == []
    with pytest.raises(UserError, match="switched off"):
        await desk.book.test(ME, 1)
    again = await desk.book.switch(ME, 1, on=True)
    assert (again.status, again.error) == (Status.VERIFIED, "")


async def test_a_destination_that_never_was_verified_does_not_become_so_by_failing() -> None:
    pigeon = Pigeon()
    desk = Desk(pigeon)
    await desk.book.add(ME, "webhook", "there")
    pigeon.outcome = Gone("HTTP 404")
    await desk.send(desk.posted.rows[0])
    assert (desk.book.of(ME)[0].status, desk.book.of(ME)[0].error) == (Status.PENDING, "HTTP 404")
    with pytest.raises(UserError, match="waits for its code"):
        await desk.book.switch(ME, 1, on=True)


async def test_a_database_that_is_away_keeps_no_message_back() -> None:
    pigeon = Pigeon()
    desk = Desk(pigeon, Pigeon("sms", daily=20))
    await proven(desk)
    counted = await proven(desk, "sms")
    desk.shelf.away = True
    pigeon.outcome = Gone("HTTP 410")
    assert await desk.send(row()) == Gone("HTTP 410")
    # What costs money is not sent uncounted; it is tried again.
    assert isinstance(await desk.send(row("sms", counted.id)), NotSent)


async def test_a_slow_way_holds_up_no_other_and_ends_in_a_doubt() -> None:
    slow, quick = Pigeon("discord"), Pigeon()
    desk = Desk(slow, quick)
    far = await proven(desk, "discord")
    near = await proven(desk)
    slow.hold = asyncio.Event()
    desk.channels["discord"]._limit = 0.3
    late = asyncio.create_task(desk.send(row("discord", far.id)))
    assert [await desk.send(row(chat_id=near.id)) for _ in range(5)] == [Sent()] * 5
    assert not late.done()
    assert await late == Unknown("no answer within 0.3 s")
    assert [number for number, _told in quick.carried] == [near.id] * 5


@pytest.mark.parametrize("payload", ["", "[]", "{}", "null", '{"headline": "a", "table": 5}', "x"])
async def test_a_payload_that_is_none_is_refused(payload: str) -> None:
    from dataclasses import replace

    desk = Desk(Pigeon())
    await proven(desk)
    outcome = await desk.send(replace(row(), payload=payload))
    assert isinstance(outcome, Refused)


async def test_secrets_are_told_to_whoever_keeps_them_out_of_logs() -> None:
    pigeon = Pigeon()
    desk = Desk(pigeon)
    await desk.book.add(ME, "webhook", "https://there.example/secret")
    assert set(desk.hidden) == {
        "key of https://there.example/secret",
        "https://there.example/secret",
    }
    fresh: list[str] = []
    again = AddressBook(
        desk.shelf, {"webhook": pigeon}, desk.posted, desk.wall, desk.clock, hide=fresh.append
    )
    await again.load()
    assert set(fresh) == set(desk.hidden)
    shown = f"{desk.book.of(ME)}"
    assert "secret" not in shown.replace("secret=", "")
    assert "111111" not in shown


class Telegram:
    """What Telegram says of chats."""

    def __init__(self, found: FoundChat | None) -> None:
        self.found = found

    async def find(self, chat: str, user_id: int) -> FoundChat | None:
        return self.found


def chat(*, admin: bool = True, post: bool = True) -> FoundChat:
    return FoundChat(chat_id=-1001, title="Desk", asker_is_admin=admin, bot_may_post=post)


async def test_a_telegram_chat_is_added_by_its_admin_and_gets_the_rows_of_telegram_itself() -> None:
    desk = Desk(readers=[Chats(Telegram(chat()))])
    added = await desk.book.add(ME, "telegram", "@desk_channel")
    assert added.destination.status is Status.VERIFIED
    assert [(r.channel, r.chat_id) for r in desk.posted.rows] == [("telegram", -1001)]
    assert [(r.channel, r.chat_id) for r in desk.book.copies(row("telegram", 55), ME)] == [
        ("telegram", -1001)
    ]
    assert desk.book.copies(row("telegram", -1001), ME) == []  # it is told there anyway
    await desk.book.chat_gone(-1001)
    assert desk.book.of(ME)[0].status is Status.FAILED


@pytest.mark.parametrize(
    ("found", "says"),
    [(None, "no such chat"), (chat(admin=False), "no such chat"), (chat(post=False), "may not post")],
)  # fmt: skip
async def test_a_telegram_chat_of_others_is_not_added(found: FoundChat | None, says: str) -> None:
    desk = Desk(readers=[Chats(Telegram(found))])
    with pytest.raises(UserError, match=says):
        await desk.book.add(ME, "telegram", "@desk_channel")
    with pytest.raises(UserError, match="as @name"):
        await desk.book.add(ME, "telegram", "https://t.me/desk_channel")
    assert desk.posted.rows == []


async def test_a_webhook_is_looked_up_when_it_is_saved() -> None:
    stub = Stub({"good.example.com": [[PUBLIC]], "bad.example.com": [["10.0.0.1"]]})
    desk = Desk(Webhook(Web(Fence(stub), FixedClock(NOW))))
    added = await desk.book.add(ME, "webhook", "https://good.example.com/hook")
    assert added.destination.address == "https://good.example.com/hook"
    with pytest.raises(UserError, match="not on the public internet"):
        await desk.book.add(ME, "webhook", "https://bad.example.com/hook")
    with pytest.raises(UserError, match="not known right now"):
        await desk.book.add(ME, "webhook", "https://unknown.example.com/hook")


def assembled(settings: ChannelSettings) -> Channels:
    clock = FixedClock(NOW)

    async def post(_rows: object) -> None:
        return None

    return Channels.all(settings, Shelf(), post, clock, clock)


async def test_what_is_not_set_up_is_not_there() -> None:
    bare = assembled(ChannelSettings())
    assert list(bare.channels) == ["discord", "webhook"]
    with pytest.raises(UserError, match="no channel “email” here; there are discord, webhook"):
        bare.book.way("email")
    whole = assembled(
        ChannelSettings(
            smtp_url="smtp://127.0.0.1", email_from="a@b.cc",
            twilio_sid="AC", twilio_token="t", twilio_from="+15005550006",
            x_key="a", x_secret="b", x_token="c", x_token_secret="d",
        )
    )  # fmt: skip
    assert list(whole.channels) == ["discord", "webhook", "email", "sms", "x"]
    assert {name: channel.name for name, channel in whole.channels.items()} == {
        name: name for name in whole.channels
    }
    way_out: Channel = whole.channels["email"]
    assert way_out.name == "email"
    bare.close()
    whole.close()


def test_settings_show_no_secret() -> None:
    made = ChannelSettings(
        twilio_token="canary1", x_key="canary2", x_secret="canary3", x_token="canary4", x_token_secret="canary5",
        smtp_url="smtp://u:canary6@h", twilio_sid="AC1",
    )  # fmt: skip
    assert "canary" not in repr(made)
    assert set(made.secrets()) == {*(f"canary{n}" for n in range(1, 7)), "smtp://u:canary6@h"}
    assert ChannelSettings().secrets() == []


def test_a_cut_never_leaves_half_a_figure() -> None:
    text = "BTC open interest fell by 12,345.67 BTC within 15 m on all venues"
    for limit in range(4, len(text)):
        short = cut(text, limit)
        assert len(short) <= limit
        kept = short.removesuffix(" …").split()
        assert kept == text.split()[: len(kept)]
        assert not kept or not any(c.isdigit() for c in kept[-1])
    assert cut(text, len(text)) == text


def test_no_text_can_turn_its_direction_or_end_a_line_of_a_protocol() -> None:
    said = told(row(headline="a\x00b\x1b[31m\u202egnp\u2028x\ry", table=["t\x07"]))
    assert said.headline == "a b [31m gnp x y"
    assert said.table == ("t",)
