"""What a misbehaving server does to one request: which failures are certain, which leave a doubt, what is cut."""

import asyncio
import ssl
from pathlib import Path

import pytest
from aiohttp import web as aio
from channel_bench import NOW, Call, Local, Stub, caller, raw, whole_request

from alerts.channels.fence import Fence
from alerts.channels.http import LARGEST, LONGEST_PAUSE, Answer, Web, seconds
from alerts.outcome import Gone, NotSent, Outcome, Refused, Sent, Unknown
from market.clock import FixedClock

BODY = b'{"a": 1}'


async def outcome_of(url: str, total: float = 5.0) -> Outcome:
    web = caller(url, total=total)
    return web.outcome(await web.post(f"{url}/hook", BODY, {"Content-Type": "application/json"}))


async def closed_port() -> str:
    server = await asyncio.start_server(lambda _r, _w: None, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()
    return f"http://127.0.0.1:{port}"


async def test_a_request_carries_its_body_and_nothing_of_a_browser() -> None:
    async with Local().open() as server:
        assert await outcome_of(server.url) == Sent()
    (call,) = server.calls
    assert call.body == BODY
    assert call.path == "/hook"
    assert call.headers == {
        "host": f"127.0.0.1:{server.port}", "user-agent": "Tidemark", "accept-encoding": "identity",
        "content-type": "application/json", "content-length": "8",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (200, Sent()), (204, Sent()), (301, Refused("HTTP 301, redirects are not followed")),
        (400, Refused("HTTP 400")), (401, Refused("HTTP 401")), (403, Refused("HTTP 403")),
        (404, Gone("HTTP 404")), (410, Gone("HTTP 410")), (408, NotSent("HTTP 408")),
        (425, NotSent("HTTP 425")), (429, NotSent("HTTP 429")), (500, NotSent("HTTP 500")),
        (503, NotSent("HTTP 503")), (502, Unknown("HTTP 502")), (504, Unknown("HTTP 504")),
    ],
)  # fmt: skip
async def test_each_status_has_one_meaning(status: int, expected: Outcome) -> None:
    async with Local(lambda _call: aio.Response(status=status)).open() as server:
        assert await outcome_of(server.url) == expected


@pytest.mark.parametrize(
    ("header", "pause"),
    [
        ("35", 35.0), ("0.5", 0.5), ("Thu, 28 May 2026 20:27:40 GMT", 60.0), ("1e300", LONGEST_PAUSE),
        ("inf", None), ("nan", None), ("-5", None), ("soon", None), ("Thu, 28 May 1026 20:27:40 GMT", None),
    ],
)  # fmt: skip
async def test_a_pause_is_kept_where_it_makes_sense(header: str, pause: float | None) -> None:
    def busy(_call: Call) -> aio.Response:
        return aio.Response(status=429, headers={"Retry-After": header})

    async with Local(busy).open() as server:
        assert await outcome_of(server.url) == NotSent("HTTP 429", retry_after=pause)


def test_only_numbers_are_pauses() -> None:
    assert [seconds(v) for v in (1, 2.5)] == [1.0, 2.5]
    assert [seconds(v) for v in ("3", None, [], float("nan"))] == [None] * 4


async def test_a_refused_connection_is_certainly_not_sent() -> None:
    assert isinstance(await outcome_of(await closed_port()), NotSent)


async def test_a_server_that_never_answers_leaves_a_doubt() -> None:
    async def silent(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async with raw(silent) as url:
        assert isinstance(await outcome_of(url, total=0.3), Unknown)


async def test_a_server_that_hangs_up_after_the_request_leaves_a_doubt() -> None:
    async def hang_up(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        await whole_request(reader)

    async with raw(hang_up) as url:
        assert isinstance(await outcome_of(url), Unknown)


async def test_no_greeting_of_tls_is_certainly_not_sent() -> None:
    async def silent(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async with raw(silent) as url:
        port = int(url.rpartition(":")[2])
        web = Web(Fence(Stub(), [("127.0.0.1", port)]), FixedClock(NOW), total=0.3)
        outcome = web.outcome(await web.post(f"https://127.0.0.1:{port}/", BODY, {}))
        assert isinstance(outcome, NotSent)


@pytest.mark.parametrize(
    "answer", [b"SSH-2.0-x\r\n", b"HTTP/1.1 banana\r\n\r\n", b"\x00\xff\x00", b""]
)
async def test_an_answer_that_is_no_http_leaves_a_doubt(answer: bytes) -> None:
    async def babble(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await whole_request(reader)
        writer.write(answer)
        await writer.drain()

    async with raw(babble) as url:
        assert isinstance(await outcome_of(url), Unknown)


async def test_a_huge_answer_is_cut_and_its_status_counts() -> None:
    sent = 0

    async def flood(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        await whole_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n")
        while sent < 500_000_000:
            writer.write(b"x" * 65536)
            sent += 65536
            await writer.drain()

    async with raw(flood) as url:
        web = caller(url)
        answer = await web.post(f"{url}/", BODY, {})
        assert isinstance(answer, Answer)
        assert len(answer.body) == LARGEST
        assert web.outcome(answer) == Sent()
    assert sent < 100_000_000


async def test_a_body_that_trickles_for_ever_is_left_and_its_status_counts() -> None:
    async def trickle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await whole_request(reader)
        writer.write(b"HTTP/1.1 500 Oops\r\nContent-Length: 100000\r\n\r\n")
        while True:
            writer.write(b".")
            await writer.drain()
            await asyncio.sleep(0.02)

    async with raw(trickle) as url:
        assert await outcome_of(url, total=0.4) == NotSent("HTTP 500")


async def test_headers_without_an_end_are_left() -> None:
    async def endless(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await whole_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\n")
        while True:
            writer.write(b"X-A: " + b"a" * 8000 + b"\r\n")
            await writer.drain()

    async with raw(endless) as url:
        assert isinstance(await outcome_of(url, total=2.0), Unknown)


async def test_a_body_that_breaks_off_keeps_its_status() -> None:
    async def half(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await whole_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{")
        await writer.drain()

    async with raw(half) as url:
        assert await outcome_of(url) == Sent()


async def test_a_packed_answer_is_not_unpacked() -> None:
    import gzip

    packed = gzip.compress(b"[" + b"0," * 5_000_000 + b"0]")

    def bomb(_call: Call) -> aio.Response:
        return aio.Response(body=packed, headers={"Content-Encoding": "gzip"})

    async with Local(bomb).open() as server:
        web = caller(server.url)
        answer = await web.post(server.url, BODY, {})
        assert isinstance(answer, Answer)
        assert answer.body == packed[:LARGEST]
        assert answer.json() == {}


async def test_the_next_address_is_tried_where_one_takes_no_connection() -> None:
    async with Local().open() as server:
        stub = Stub({"two.example.com": [["127.0.0.2", "127.0.0.1"]]})
        web = Web(Fence(stub, [("two.example.com", server.port)]), FixedClock(NOW))
        url = f"http://two.example.com:{server.port}/"
        assert web.outcome(await web.post(url, BODY, {})) == Sent()
        assert len(server.calls) == 1


async def test_no_proxy_of_the_environment_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Local().open() as proxy, Local().open() as server:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "HTTPS_PROXY"):
            monkeypatch.setenv(name, proxy.url)
        assert await outcome_of(server.url) == Sent()
        assert (len(proxy.calls), len(server.calls)) == (0, 1)


def certificate(folder: Path, name: str) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """A server's context with a certificate of `name`, and a client's that trusts it."""
    import datetime

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder().subject_name(subject).issuer_name(subject).public_key(key.public_key())
        .serial_number(1).not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    pem = folder / "both.pem"
    pem.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        + made.public_bytes(serialization.Encoding.PEM)
    )  # fmt: skip
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(pem)
    return server, ssl.create_default_context(
        cadata=made.public_bytes(serialization.Encoding.PEM).decode()
    )


async def test_the_certificate_has_to_be_of_the_name_and_not_of_the_address(tmp_path: Path) -> None:
    theirs, ours = certificate(tmp_path, "hook.example.com")
    asked: list[str | None] = []
    theirs.sni_callback = lambda _socket, name, _context: asked.append(name)
    async with Local().open(theirs) as server:
        stub = Stub({"hook.example.com": [["127.0.0.1"]], "other.example.com": [["127.0.0.1"]]})
        entries = [(name, server.port) for name in stub.answers]
        web = Web(Fence(stub, entries), FixedClock(NOW), ours)
        good = await web.post(f"https://hook.example.com:{server.port}/", BODY, {})
        assert web.outcome(good) == Sent()
        assert asked == ["hook.example.com"]
        wrong = await web.post(f"https://other.example.com:{server.port}/", BODY, {})
        assert isinstance(wrong, NotSent)
        assert len(server.calls) == 1
