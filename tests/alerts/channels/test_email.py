"""Mails against a real SMTP server on loopback: what arrives, and what each way of failing means."""

import asyncio
import contextlib
import email
import email.policy
import json
import logging
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
from aiosmtpd.smtp import SMTP, AuthResult
from channel_bench import ME, NOW, Desk, destination, raw, row

from alerts.channels.digest import payload
from alerts.channels.email import Email
from alerts.channels.mailbox import Server, is_mailbox, server
from alerts.outcome import Gone, NotSent, Refused, Sent, Unknown
from alerts.types import Firing
from market.clock import FixedClock
from market.errors import UserError

FROM = "alerts@desk.example"


class Post:
    """An SMTP server's side; `say` overrides the answer of a step."""

    def __init__(self, **say: str) -> None:
        self.say, self.mails = say, []  # type: ignore[var-annotated]

    async def handle_MAIL(  # noqa: N802
        self, _s: Any, _se: Any, envelope: Any, address: str, options: Any
    ) -> str:
        envelope.mail_from = address
        return self.say.get("mail", "250 OK")

    async def handle_RCPT(  # noqa: N802
        self, _s: Any, _se: Any, envelope: Any, address: str, options: Any
    ) -> str:
        if "rcpt" not in self.say:
            envelope.rcpt_tos.append(address)
        return self.say.get("rcpt", "250 OK")

    async def handle_DATA(self, _s: Any, _se: Any, envelope: Any) -> str:  # noqa: N802
        if "data" not in self.say:
            self.mails.append(envelope)
        return self.say.get("data", "250 OK")


@contextlib.asynccontextmanager
async def post_office(post: Post, **options: Any) -> AsyncIterator[int]:
    loop = asyncio.get_running_loop()
    made = await loop.create_server(
        lambda: SMTP(post, loop=loop, hostname="mx", **options), "127.0.0.1", 0
    )
    try:
        yield made.sockets[0].getsockname()[1]
    finally:
        made.close()
        await asyncio.sleep(0.01)


def way(port: int, total: float = 5.0, login: tuple[str, str] | None = None) -> Email:
    at = Server(host="127.0.0.1", port=port, tls=False, login=login)
    return Email(at, FROM, FixedClock(NOW), total=total)


async def desk(port: int, total: float = 5.0, mark: str = "") -> Desk:
    made = Desk(way(port, total), mark=mark)
    return await made.holds(destination("email", address="you@example.org"))


def parts(envelope: Any) -> tuple[Any, str, str]:
    mail = email.message_from_bytes(envelope.content, policy=email.policy.default)
    text, html = mail.get_body(("plain",)), mail.get_body(("html",))
    assert text is not None
    assert html is not None
    return mail, text.get_content(), html.get_content()


async def test_a_mail_says_all_of_it_in_text_and_in_html() -> None:
    post = Post()
    async with post_office(post) as port:
        made = await desk(port, mark="SIMULATED")
        said = row("email", severity="critical", table=["a   1", "bb  2"])
        assert await made.send(said) == Sent()
        assert await made.send(said, repeat=True) == Sent()
    first, second = (parts(each) for each in post.mails)
    mail, text, html = first
    assert post.mails[0].rcpt_tos == ["you@example.org"]
    assert mail["Subject"] == "[SIMULATED] BTC perp 95,012.0, crossed above 95,000 #12"
    assert (mail["From"], mail["To"]) == (FROM, "you@example.org")
    assert mail["Message-ID"] == second[0]["Message-ID"] == "<12-3.1@desk.example>"
    assert mail["Date"] == "Thu, 28 May 2026 20:26:40 +0000"
    assert (mail["Auto-Submitted"], mail["Importance"]) == ("auto-generated", "high")
    for shown in (text, html):
        for piece in ("a   1\nbb  2", "95,012.0", "last price", "observed", "critical", "remove 1"):
            assert piece in shown.replace("\r\n", "\n")
    assert "(repeat?)" in second[1]


async def test_what_people_wrote_is_text_and_never_markup_or_a_header() -> None:
    post = Post()
    async with post_office(post) as port:
        made = await desk(port)
        hostile = '<script>alert(1)</script> {{ 7*7 }} "&\r\nBcc: all@example.org\r\n\r\n.\r\nQUIT'
        said = row("email", headline=f"BTC {hostile}", reading=hostile, evidence=hostile)
        assert await made.send(said) == Sent()
    ((mail, text, html),) = [parts(each) for each in post.mails]
    assert mail["Bcc"] is None
    assert post.mails[0].rcpt_tos == ["you@example.org"]
    assert mail["Subject"].strip().startswith("BTC <script>alert(1)</script> {{ 7*7 }}")
    assert "<script>" not in html
    assert "&lt;script&gt;" in html
    assert "{{ 7*7 }}" in html
    assert "<script>alert(1)</script>" in text


@pytest.mark.parametrize(
    ("say", "expected"),
    [
        ({"rcpt": "550 no such user"}, Gone("SMTP 550")),
        ({"rcpt": "552 full"}, Refused("SMTP 552")),
        ({"rcpt": "450 greylisted"}, NotSent("SMTP 450")),
        ({"mail": "451 later"}, NotSent("SMTP 451")),
        ({"mail": "530 log in first"}, NotSent("SMTP 530")),  # the operator's matter, not this mail's
        ({"data": "554 spam"}, Refused("SMTP 554")),
        ({"data": "452 no space"}, NotSent("SMTP 452")),
    ],
)  # fmt: skip
async def test_each_refusal_has_one_meaning(say: dict[str, str], expected: Any) -> None:
    post = Post(**say)
    async with post_office(post) as port:
        assert await (await desk(port)).send(row("email")) == expected
    assert post.mails == []


async def test_a_server_that_is_not_there_is_certainly_not_sent() -> None:
    async with post_office(Post()) as port:
        pass
    assert isinstance(await (await desk(port)).send(row("email")), NotSent)


async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, until: bytes) -> None:
    """Speak SMTP until a line that starts with `until`."""
    writer.write(b"220 mx\r\n")
    while line := await reader.readline():
        if line.upper().startswith(until):
            return
        writer.write(b"250 OK\r\n")


async def test_a_server_that_says_nothing_is_certainly_not_sent() -> None:
    async def silent(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async with raw(silent) as url:
        made = await desk(int(url.rpartition(":")[2]), total=0.3)
        assert isinstance(await made.send(row("email")), NotSent)


async def test_a_server_that_hangs_up_before_the_mail_is_certainly_not_sent() -> None:
    async def early(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await talk(reader, writer, b"RCPT")

    async with raw(early) as url:
        made = await desk(int(url.rpartition(":")[2]))
        assert isinstance(await made.send(row("email")), NotSent)


@pytest.mark.parametrize("slow", [False, True])
async def test_an_answer_lost_after_the_mail_leaves_a_doubt(slow: bool) -> None:
    async def late(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await talk(reader, writer, b"DATA")
        writer.write(b"354 go on\r\n")
        await reader.readuntil(b"\r\n.\r\n")
        if slow:
            await reader.read()

    async with raw(late) as url:
        made = await desk(int(url.rpartition(":")[2]), total=0.5)
        assert isinstance(await made.send(row("email")), Unknown)


async def test_a_goodbye_that_fails_takes_nothing_back() -> None:
    async def rude(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await talk(reader, writer, b"DATA")
        writer.write(b"354 go on\r\n")
        await reader.readuntil(b"\r\n.\r\n")
        writer.write(b"250 taken\r\n")

    async with raw(rude) as url:
        assert await (await desk(int(url.rpartition(":")[2]))).send(row("email")) == Sent()


@pytest.mark.filterwarnings("ignore:Requiring AUTH")
async def test_the_login_is_used_and_a_wrong_one_waits_for_the_operator(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)

    def check(_s: Any, _se: Any, _e: Any, _m: str, data: Any) -> AuthResult:
        return AuthResult(success=data.password == b"right-canary", handled=False)

    post = Post()
    async with post_office(
        post, authenticator=check, auth_require_tls=False, auth_required=True
    ) as port:
        for password, expected in (
            ("right-canary", Sent()),
            ("wrong-canary", NotSent("SMTP 535")),
        ):
            made = Desk(way(port, login=("me", password)))
            await made.holds(destination("email", address="you@example.org"))
            outcome = await made.send(row("email"))
            assert outcome == expected
    ours = [r.getMessage() for r in caplog.records if r.name != "mail.log"]  # the server's own log
    assert "canary" not in "".join(ours)
    assert "canary" not in f"{way(1, login=('me', 'canary'))!r} {server('smtps://u:canary@h')!r}"


async def test_a_digest_is_a_mail_of_its_own() -> None:
    fired = [
        Firing(rule_id=1, transition=2, ts=NOW - 60_000, value=1.0, threshold=1.0, chart="binance:BTC/USDT:USDT",
               text="BTC perp 95,012.0 <b>"),
        Firing(rule_id=2, transition=1, ts=NOW - 120_000, value=1.0, threshold=1.0, subject="*:ETH",
               text="ETH open interest +5 %", told=False),
    ]  # fmt: skip
    post = Post()
    body = payload(fired, 739_764, NOW - 86_400_000, NOW)
    async with post_office(post) as port:
        made = await desk(port)
        said = replace(row("email"), alert_id=-4, transition=739_764, payload=json.dumps(body))
        assert await made.send(said) == Sent()
    ((mail, text, html),) = [parts(each) for each in post.mails]
    assert mail["Subject"] == "2026-05-28: 2 alerts fired"
    assert "BTC (1)" in text
    assert "95,012.0 <b>" in text
    assert "95,012.0 &lt;b&gt;" in html
    assert "ETH open interest +5 %  [not told]" in text
    assert "/channels digest 1 off" in html


def test_mailboxes() -> None:
    for good in ("you@example.org", "a.b+c@mail.example.co.uk", "x@1a.io", "o'neil@example.org"):
        assert is_mailbox(good), good
    for bad in (
        "you", "you@", "@example.org", "you@localhost", "a b@example.org", "you@example.org\nBcc: x@y.zz",
        "you@example.org, x@y.zz", "<you@example.org>", '"a b"@example.org', ".a@example.org", "a.@example.org",
        "a..b@example.org", "you@-a.org", "you@a-.org", "you@example.org.", "you@exämple.org", "a" * 65 + "@b.cc",
        "you@" + "a." * 130 + "org", "you@127.0.0.1", "you@[127.0.0.1]", "",
    ):  # fmt: skip
        assert not is_mailbox(bad), bad


async def test_an_address_is_shown_in_part() -> None:
    found = await way(1).read(" Somebody@Example.ORG ", ME)
    assert found.address == "Somebody@example.org"
    assert found.label == "So…@example.org"
    with pytest.raises(UserError, match="no email address"):
        await way(1).read("nobody", ME)


def test_the_server_is_read_from_its_url() -> None:
    assert server("smtps://u%40x:p%3Aw@mail.example.org") == Server(
        host="mail.example.org", port=465, tls=True, login=("u@x", "p:w")
    )
    plain = server("smtp://127.0.0.1:2525")
    assert (plain.port, plain.tls, plain.login, plain.start_tls) == (2525, False, None, None)
    assert server("smtp://u:p@mail.example.org").start_tls is True  # no password without TLS
    assert server("smtps://u:p@mail.example.org").start_tls is False
    for bad in ("http://a.b", "smtp://", "mail.example.org", "smtp://a.b:x", "smtp://a.b/x", ""):
        with pytest.raises(ValueError, match="write it like"):
            server(bad)


async def test_a_password_is_not_sent_to_a_server_without_tls() -> None:
    post = Post()
    async with post_office(post) as port:
        at = Server(host="127.0.0.1", port=port, tls=False, login=("u", "p"))
        strict = Email(at, FROM, FixedClock(NOW))
        strict._at = _Distant(host="127.0.0.1", port=port, tls=False, login=("u", "p"))
        made = await Desk(strict).holds(destination("email", address="you@example.org"))
        assert isinstance(await made.send(row("email")), NotSent)
    assert post.mails == []


class _Distant(Server):
    """A server that counts as one beyond this machine."""

    @property
    def start_tls(self) -> bool | None:
        return True
