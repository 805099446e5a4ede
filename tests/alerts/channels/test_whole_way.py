"""From settings to a delivered alert over real sockets, and one channel's trouble beside another's work."""

import asyncio
import re
from collections.abc import AsyncIterator

import pytest
from channel_bench import ME, NOW, Local, Posted, Shelf, Stub, raw, row

from alerts.channel import at_once
from alerts.channels.assembly import Channels
from alerts.channels.types import ChannelSettings, Status
from alerts.outcome import Sent
from alerts.types import OutboxRow, Severity
from market.clock import FixedClock
from market.errors import UserError
from market.types import MINUTE

TOKEN = "a-Long_Token-of-discord-0123456789"


class Whole:
    """All channels over local servers, as the desk builds them."""

    def __init__(self, discord: str, *allow: str) -> None:
        self.posted, self.wall = Posted(), FixedClock(NOW)
        entries = tuple(("127.0.0.1", int(url.rpartition(":")[2])) for url in allow)
        settings = ChannelSettings(discord_api=f"{discord}/api", webhook_allow=entries)
        self.built = Channels.all(
            settings, Shelf(), self.posted, self.wall, self.wall, mark=lambda: "SIMULATED", resolve=Stub(),
        )  # fmt: skip

    async def send(self, message: OutboxRow) -> object:
        return await (await self.built.channels[message.channel].prepare(message))(at_once)

    async def proven(self, channel: str, typed: str, server: Local) -> int:
        """Added, and verified with the code that arrived at the server."""
        added = await self.built.book.add(ME, channel, typed)
        assert await self.send(self.posted.rows[-1]) == Sent()
        found = re.search(rb"Code (\d{6})", server.calls[-1].body)
        assert found is not None
        to = await self.built.book.verify(ME, found[1].decode())
        assert to.status is Status.VERIFIED
        self.wall.advance(MINUTE)
        return added.destination.id


@pytest.fixture
async def server() -> AsyncIterator[Local]:
    async with Local().open() as made:
        yield made


async def test_the_code_that_arrives_proves_a_destination_and_alerts_follow(server: Local) -> None:
    desk = Whole(server.url, server.url)
    await desk.proven("discord", f"{server.url}/api/webhooks/123456789/{TOKEN}", server)
    await desk.proven("webhook", f"{server.url}/hook", server)
    copies = desk.built.book.copies(row("telegram", 55), ME)
    assert [each.channel for each in copies] == ["discord", "webhook"]
    server.calls.clear()
    assert [await desk.send(each) for each in copies] == [Sent(), Sent()]
    assert [call.path for call in server.calls] == [
        f"/api/webhooks/123456789/{TOKEN}?wait=true",
        "/hook",
    ]
    assert all(b"SIMULATED" in call.body for call in server.calls)


async def test_nothing_local_is_added_where_the_operator_lets_nothing_through(
    server: Local,
) -> None:
    desk = Whole("https://discord.com")
    for channel, typed in (
        ("webhook", f"{server.url}/hook"),
        ("webhook", f"https://127.0.0.1:{server.port}/hook"),
        ("discord", f"{server.url}/api/webhooks/123456789/{TOKEN}"),
    ):
        with pytest.raises(UserError):
            await desk.built.book.add(ME, channel, typed)
    assert (server.calls, desk.posted.rows) == ([], [])


async def test_a_service_that_hangs_delays_no_other_channel(server: Local) -> None:
    async def silent(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        heard.set()
        await reader.read()

    heard = asyncio.Event()
    async with raw(silent) as stuck:
        desk = Whole(stuck, stuck, server.url)
        await desk.built.book.add(ME, "discord", f"{stuck}/api/webhooks/123456789/{TOKEN}")
        first = desk.posted.rows[-1]
        near = await desk.proven("webhook", f"{server.url}/hook", server)
        waiting = [asyncio.create_task(desk.send(first)) for _ in range(20)]
        await heard.wait()
        assert [await desk.send(row(chat_id=near)) for _ in range(10)] == [Sent()] * 10
        assert not any(task.done() for task in waiting)
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
    assert [d.id for d in desk.built.book.destinations_for(ME, Severity.CRITICAL)] == [near]
