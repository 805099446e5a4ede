"""A connection loses no message, asks anew for what goes silent, comes back, and says when it was blind."""

import asyncio
import datetime as dt
import ssl
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from ipaddress import ip_address
from itertools import pairwise
from pathlib import Path
from typing import Any

import picows
import pytest
from stream_venue import START, Plain, PlainVenue, coin, plain_venue, running, say, until

from exchanges.streams import connection
from exchanges.streams.connection import Connection
from exchanges.streams.decoder import Accepted, Channel, Refused, Topic
from exchanges.streams.frames import FRAME, Batch, proxy_of
from exchanges.streams.rhythm import (
    OVERDUE,
    RHYTHM,
    RHYTHM_FRAMES,
    SILENCE,
    UNHEARD,
    Rhythm,
)
from market.clock import Clock, FixedClock, WallClock
from market.types import Trade

A, B = coin("A"), coin("B")
TRADES = Topic(Channel.TRADES, A)


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Reconnect at once and look often."""
    monkeypatch.setattr(connection, "FIRST_DELAY", 0.01)
    monkeypatch.setattr(connection, "MOST_DELAY", 0.02)
    monkeypatch.setattr(connection, "TICK", 0.01)
    return


class Heard:
    """What a connection said."""

    def __init__(self) -> None:
        self.batches: list[Batch] = []
        self.lost: list[tuple[list[str], int]] = []
        self.breaks = False

    def take(self, _connection: Connection, batch: Batch) -> None:
        if self.breaks:
            self.breaks = False
            raise RuntimeError("a fault of the states")
        self.batches.append(batch)

    def end(self, _connection: Connection, topics: Sequence[Topic], since: int) -> None:
        self.lost.append(([each.key for each in topics], since))

    @property
    def trades(self) -> list[Trade]:
        return [each for b in self.batches for rows in b.trades.values() for each in rows]

    @property
    def rest(self) -> list[Any]:
        return [each for b in self.batches for each in b.rest]


@asynccontextmanager
async def client(
    venue: PlainVenue, *topics: Topic, wall: Clock | None = None, clock: Clock | None = None,
    **about: Any,
) -> AsyncIterator[tuple[Connection, Heard]]:  # fmt: skip
    """A connection that has what it wants."""
    heard = Heard()
    clock = clock or FixedClock(START)
    settings = {"tls": None, "trust_env": False} | about
    made = Connection(
        venue.url, Plain(clock), clock=clock, wall=wall or WallClock(time.time),
        sink=heard.take, lost=heard.end, **settings,
    )  # fmt: skip
    made.want(topics)
    async with running(made.run()):
        if topics and venue.answers:
            await until(lambda: all(made.serves(each) for each in topics))
        yield made, heard


async def test_a_burst_arrives_whole_in_order_and_in_few_batches() -> None:
    async with plain_venue() as venue, client(venue, TRADES) as (made, heard):
        for n in range(20_000):
            venue.say(t="trade", i="A", n=n)
        await until(lambda: len(heard.trades) == 20_000)
        assert [each.seq for each in heard.trades] == list(range(20_000))
        assert len(heard.batches) < 4_000
        assert made.frames == 20_001
        assert made.heard_ts == START


async def test_a_batch_has_the_trades_by_instrument_and_the_rest_in_order() -> None:
    wanted = [TRADES, Topic(Channel.TRADES, B), Topic(Channel.CONTEXT, A)]
    async with plain_venue() as venue, client(venue, *wanted) as (_made, heard):
        heard.batches.clear()
        venue.say(t="trade", i="A", n=1)
        venue.say(t="ctx", i="A", n=2, c="context")
        venue.say(t="trade", i="B", n=3)
        venue.say(t="trade", i="A", n=4)
        venue.say(t="ctx", i="A", n=5, c="context")
        await until(lambda: len(heard.trades) == 3 and len(heard.rest) == 2)
        assert [each.seq for each in heard.trades if each.instrument is A] == [1, 4]
        assert [each.ts for each in heard.rest] == [START + 2, START + 5]


async def test_messages_in_parts_are_put_together() -> None:
    async with plain_venue() as venue, client(venue, TRADES) as (made, heard):
        text, more = picows.WSMsgType.TEXT, picows.WSMsgType.CONTINUATION
        transport = venue.open[-1]
        transport.send(text, b'{"t":"trade",', fin=False)
        transport.send(picows.WSMsgType.PING, b"?")
        transport.send(more, b'"i":"A",', fin=False)
        transport.send(more, b'"n":7}')
        venue.say(t="trade", i="A", n=8)
        await until(lambda: len(heard.trades) == 2)
        assert [each.seq for each in heard.trades] == [7, 8]
        assert (made.decoder.bad, venue.connections) == (0, 1)


async def test_a_message_beyond_all_measure_ends_the_connection_and_another_begins() -> None:
    async with plain_venue() as venue, client(venue, TRADES) as (made, heard):
        venue.open[-1].send(picows.WSMsgType.TEXT, b" " * (FRAME + 1))
        await until(lambda: venue.connections == 2 and made.serves(TRADES))
        part = b" " * (FRAME // 2)
        venue.open[-1].send(picows.WSMsgType.TEXT, part, fin=False)
        venue.open[-1].send(picows.WSMsgType.CONTINUATION, part + b" ", fin=False)
        await until(lambda: venue.connections == 3)
        assert len(heard.lost) == 2
        assert made.decoder.bad == 0  # it is not read at all


async def test_garbage_and_our_own_faults_are_counted_and_what_follows_still_counts() -> None:
    async with plain_venue() as venue, client(venue, TRADES) as (made, heard):
        transport = venue.open[-1]
        transport.send(picows.WSMsgType.BINARY, b"\xff\x00garbage")
        transport.send(picows.WSMsgType.TEXT, b'{"t":')
        venue.say(t="break")
        venue.say(t="trade", i="A", n=1)
        await until(lambda: heard.trades)
        assert (made.decoder.bad, venue.connections) == (3, 1)


async def test_a_sink_that_breaks_costs_the_connection_because_nobody_knows_what_was_lost() -> None:
    async with plain_venue() as venue, client(venue, TRADES) as (made, heard):
        heard.breaks = True
        venue.say(t="trade", i="A", n=1)
        await until(lambda: venue.connections == 2 and made.serves(TRADES))
        assert [keys for keys, _ in heard.lost] == [["trades|plain:A/USDT:USDT"]]
        venue.say(t="trade", i="A", n=2)
        await until(lambda: [each.seq for each in heard.trades] == [2])


async def test_a_lost_connection_is_blind_since_the_last_moment_it_was_surely_whole() -> None:
    wall, clock = FixedClock(5_000_000), FixedClock(START)
    async with plain_venue() as venue, client(venue, TRADES, wall=wall, clock=clock) as (_, heard):
        for n in range(1, 5):
            wall.advance(1000)
            clock.advance(1000)
            venue.say(t="trade", i="A", n=1000 * n)
            await until(lambda n=n: len(heard.trades) == n)
        venue.hang_up()
        await until(lambda: heard.lost)
        assert heard.lost[0][1] == START + 3000


async def test_what_is_late_moves_the_moment_at_which_all_was_surely_whole() -> None:
    wall, clock = FixedClock(5_000_000), FixedClock(START)
    async with plain_venue() as venue, client(venue, TRADES, wall=wall, clock=clock) as (_, heard):
        for n in range(1, 8):
            wall.advance(1000)
            clock.advance(1000)
            venue.say(t="trade", i="A", n=1000 * n - 3000)  # each is three seconds late
            await until(lambda n=n: len(heard.trades) == n)
        venue.hang_up()
        await until(lambda: heard.lost)
        assert heard.lost[0][1] == START + 3000


async def test_pongs_do_not_tell_that_nothing_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "PING", 500)
    wall, clock = FixedClock(5_000_000), FixedClock(START)

    async def second() -> None:
        wall.advance(1000)
        clock.advance(1000)
        frames = made.frames
        await until(lambda: made.frames > frames)  # the pong at least

    async with (
        plain_venue() as venue,
        client(venue, TRADES, wall=wall, clock=clock) as (
            made,
            heard,
        ),
    ):
        for n in range(1, RHYTHM_FRAMES + 1):
            venue.say(t="trade", i="A", n=clock.now() - START)
            await until(lambda n=n: len(heard.trades) == n)
            await second()
        last = clock.now() - 1000
        for _ in range(RHYTHM + 1):
            if heard.lost:
                break
            await second()
        await until(lambda: heard.lost)
        assert heard.lost == [(["trades|plain:A/USDT:USDT"], last - 1000)]


async def test_a_connection_that_never_spoke_is_given_up_where_its_topics_have_a_rhythm() -> None:
    wall, clock = FixedClock(5_000_000), FixedClock(START)
    topic = Topic(Channel.CONTEXT, A)
    async with (
        plain_venue() as venue,
        client(venue, topic, wall=wall, clock=clock) as (
            made,
            heard,
        ),
    ):
        for _ in range(UNHEARD // 5000):
            wall.advance(5000)
            clock.advance(5000)
            frames = made.frames
            await until(lambda: made.frames > frames)  # noqa: B023
        wall.advance(5000)
        await until(lambda: venue.connections == 2)
        assert heard.lost == [(["context|plain:A/USDT:USDT"], START)]


async def test_messages_whose_numbers_were_skipped_are_blindness_unless_they_are_only_late() -> (
    None
):
    wall, clock = FixedClock(5_000_000), FixedClock(START)
    late = Topic(Channel.CONTEXT, A)
    async with (
        plain_venue() as venue,
        client(venue, TRADES, late, wall=wall, clock=clock) as (made, heard),
    ):

        async def say(n: int) -> None:
            count = len(heard.rest)
            venue.say(t="ctx", i="A", n=n, c="context")
            await until(lambda: len(heard.rest) > count)

        for n in range(1, 6):
            wall.advance(1000)
            clock.advance(1000)
            await say(1000 * n)
        made.decoder.missed += 2
        await say(5000)
        made.decoder.missed -= 2  # they were late
        await say(5000)
        wall.advance(2 * OVERDUE)
        await asyncio.sleep(0.05)
        assert heard.lost == []
        made.decoder.missed += 1
        await say(5000)
        wall.advance(OVERDUE)
        await until(lambda: heard.lost)
        assert heard.lost == [(["trades|plain:A/USDT:USDT"], START + 4000)]
        assert heard.rest[-1] == Accepted(TRADES)
        await asyncio.sleep(0.05)
        assert (len(heard.lost), venue.connections) == (1, 1)


async def test_a_topic_that_goes_silent_while_others_live_is_asked_for_anew() -> None:
    wall, clock = FixedClock(5_000_000), FixedClock(START)
    other = Topic(Channel.TRADES, B)
    async with (
        plain_venue() as venue,
        client(venue, TRADES, other, wall=wall, clock=clock) as (
            made,
            heard,
        ),
    ):

        async def minute(*names: str, turns: int) -> None:
            for _ in range(turns):
                wall.advance(500)
                clock.advance(500)
                count = len(heard.trades)
                for name in names:
                    venue.say(t="trade", i=name, n=clock.now() - START)
                await until(lambda: len(heard.trades) >= count + len(names))  # noqa: B023

        await minute("A", "B", turns=RHYTHM_FRAMES)
        last = clock.now()
        venue.asked.clear()
        await minute("B", turns=SILENCE // 500)
        await asyncio.sleep(0.03)
        assert venue.asked == []
        venue.answers = False
        await minute("B", turns=1)
        await until(lambda: len(venue.asked) == 2)
        assert venue.asked == ["unsub trades A", "sub trades A"]
        assert heard.lost == [(["trades|plain:A/USDT:USDT"], last)]
        assert made.serves(other)
        assert not made.serves(TRADES)
        venue.say(t="ok", c="trades", i="A")
        await until(lambda: made.serves(TRADES))
        assert venue.connections == 1
        # It stays away: what was not believed once is believed for longer.
        await minute("B", turns=SILENCE // 500 + 2)
        await asyncio.sleep(0.03)
        assert len(heard.lost) == 1


async def test_a_request_without_an_answer_is_repeated_and_a_refused_one_is_not() -> None:
    wall = FixedClock(5_000_000)
    async with plain_venue() as venue:
        venue.refuses = {"trades B"}
        venue.answers = False
        async with client(venue, TRADES, Topic(Channel.TRADES, B), wall=wall) as (made, heard):
            await until(lambda: len(venue.asked) == 2)
            say(venue.open[-1], t="no", c="trades", i="B")
            await until(lambda: heard.rest)
            venue.answers = True
            wall.advance(connection.UNANSWERED + 1)
            await until(lambda: made.serves(TRADES))
            assert venue.asked[2:] == ["unsub trades A", "sub trades A"]
            kinds = [type(each) for each in heard.rest]
            assert kinds == [Refused, Accepted]


async def test_data_before_the_confirmation_confirms_and_data_of_nobody_is_left_out() -> None:
    async with plain_venue() as venue:
        venue.answers = False
        async with client(venue, TRADES) as (made, heard):
            await until(lambda: venue.asked)
            venue.say(t="ctx", i="A", c="context")
            venue.say(t="trade", i="Z", n=1)
            venue.say(t="trade", i="A", n=2)
            await until(lambda: made.serves(TRADES))
            venue.say(t="ok", c="trades", i="A")
            venue.say(t="trade", i="A", n=3)
            await until(lambda: len(heard.trades) == 2)
            assert heard.rest == [Accepted(TRADES)]
            assert made.since(TRADES) == START


async def test_a_topic_is_added_and_ended_on_a_running_connection() -> None:
    async with plain_venue() as venue, client(venue, TRADES) as (made, heard):
        other = Topic(Channel.BOOK, A)
        made.want([other])
        await until(lambda: made.serves(other))
        made.drop([TRADES])
        await until(lambda: "unsub trades A" in venue.asked)
        assert not made.serves(TRADES)
        venue.say(t="trade", i="A", n=1)
        venue.say(t="book", i="A", n=1, c="books")
        await until(lambda: len(heard.rest) == 3)
        assert heard.trades == []


async def test_a_topic_dropped_and_wanted_again_at_once_is_confirmed_again() -> None:
    other = Topic(Channel.TRADES, B)
    async with plain_venue() as venue, client(venue, TRADES, other) as (made, heard):
        made.drop([other])
        made.want([other])
        assert not made.serves(other)
        await until(lambda: made.serves(other))
        assert venue.asked[2:] == ["unsub trades B", "sub trades B"]
        assert [each.topic for each in heard.rest] == [TRADES, other, other]


async def test_it_comes_back_with_growing_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "FIRST_DELAY", 0.02)
    monkeypatch.setattr(connection, "MOST_DELAY", 0.16)
    tries: list[float] = []

    async def refuse(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tries.append(time.monotonic())
        writer.close()

    server = await asyncio.start_server(refuse, "127.0.0.1", 0)
    venue = PlainVenue()
    venue.url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    venue.answers = False
    async with client(venue, TRADES) as (made, heard):
        await until(lambda: len(tries) >= 7)
        pauses = [later - earlier for earlier, later in pairwise(tries)]
        assert pauses[0] < 0.1
        assert all(0.08 <= each < 0.4 for each in pauses[3:])
        assert made.reason
        assert heard.lost == []
    server.close()


async def test_a_venue_that_never_answers_the_handshake_does_not_hold_up_the_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(connection, "TIMEOUT", 0.2)
    taken: list[asyncio.StreamWriter] = []

    async def mute(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        taken.append(writer)

    server = await asyncio.start_server(mute, "127.0.0.1", 0)
    venue = PlainVenue()
    venue.url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    venue.answers = False
    began = time.monotonic()
    async with client(venue, TRADES) as (made, _):
        await until(lambda: len(taken) >= 2)
        assert "Timeout" in made.reason
        assert not made.live
    assert time.monotonic() - began < 2
    await asyncio.sleep(0.3)
    for writer in taken:
        writer.close()
    server.close()


def certificate(folder: Path) -> Path:
    """A certificate of 127.0.0.1 with its key."""
    x509 = pytest.importorskip("cryptography.x509")
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = folder / "venue.pem"
    path.write_bytes(
        made.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return path


async def test_tls_with_our_own_context_and_a_venue_that_is_not_trusted_is_refused(
    tmp_path: Path,
) -> None:
    path = certificate(tmp_path)
    served = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    served.load_cert_chain(path)
    trusted = ssl.create_default_context(cafile=str(path))
    async with plain_venue(ssl=served) as venue:
        async with client(venue, TRADES, tls=trusted) as (_, heard):
            for n in range(3000):
                venue.say(t="trade", i="A", n=n)
            await until(lambda: len(heard.trades) == 3000)
        venue.answers = False
        async with client(venue, TRADES, tls=ssl.create_default_context()) as (made, _):
            await until(lambda: made.reconnects)
            assert "CERTIFICATE_VERIFY_FAILED" in made.reason


async def test_the_proxy_of_the_environment_is_used_where_it_is_trusted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen: list[bytes] = []
    pumps: list[asyncio.Task[None]] = []

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            writer.write(data)
        writer.close()

    async def tunnel(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await reader.readuntil(b"\r\n\r\n")
        seen.append(request.split(b"\r\n")[0])
        host, port = request.split()[1].decode().split(":")
        inner, outer = await asyncio.open_connection(host, int(port))
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        pumps.append(asyncio.create_task(pump(inner, writer)))
        await pump(reader, outer)

    server = await asyncio.start_server(tunnel, "127.0.0.1", 0)
    proxy = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    monkeypatch.setenv("http_proxy", proxy)
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    async with plain_venue() as venue:
        async with client(venue, TRADES, trust_env=True) as (_, heard):
            venue.say(t="trade", i="A", n=1)
            await until(lambda: heard.trades)
        address = venue.url.removeprefix("ws://")
        assert seen == [f"CONNECT {address} HTTP/1.1".encode()]
        async with client(venue, TRADES, trust_env=False):
            assert len(seen) == 1
    await asyncio.gather(*pumps)
    server.close()


def test_which_proxy_the_environment_names(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    assert proxy_of("wss://fstream.example.com/x") is None
    monkeypatch.setenv("all_proxy", "socks5://10.0.0.1:1080")
    assert proxy_of("wss://fstream.example.com/x") == "socks5://10.0.0.1:1080"
    monkeypatch.setenv("https_proxy", "10.0.0.2:3128")
    assert proxy_of("wss://fstream.example.com/x") == "http://10.0.0.2:3128"
    assert proxy_of("ws://fstream.example.com/x") == "socks5://10.0.0.1:1080"
    monkeypatch.setenv("no_proxy", "example.com")
    assert proxy_of("wss://fstream.example.com/x") is None


def test_a_topic_is_stale_only_after_far_more_than_its_usual_silence() -> None:
    busy = Rhythm(0, START)
    for beat in range(1, RHYTHM_FRAMES + 1):
        assert not busy.stale(10_000_000)
        busy.hear(beat * 200, START + beat)
    heard = RHYTHM_FRAMES * 200
    assert not busy.stale(heard + SILENCE)
    assert busy.stale(heard + SILENCE + 1)
    busy.asked_anew()
    assert not busy.stale(heard + 2 * SILENCE)
    assert busy.stale(heard + 2 * SILENCE + 1)
    busy.hear(heard + 2 * SILENCE, START)  # it had been quiet for so long by itself
    assert not busy.stale(heard + 2 * SILENCE + 4 * SILENCE)
    assert busy.stale(heard + 2 * SILENCE + 31 * SILENCE)


def test_bursts_do_not_make_a_quiet_topic_look_busy() -> None:
    quiet = Rhythm(0, START)
    for minute in range(1, 30):
        for ms in range(50):
            quiet.hear(minute * 60_000 + ms, START)
    last = 29 * 60_000 + 49
    assert not quiet.stale(last + 10 * 60_000)
    assert quiet.stale(last + 31 * 60_000)


def test_what_never_rests_must_speak_within_a_minute_and_trades_need_not() -> None:
    assert not Rhythm(0, START).stale(100 * UNHEARD)
    never = Rhythm(0, START, restless=True)
    assert not never.stale(UNHEARD)
    assert never.stale(UNHEARD + 1)
