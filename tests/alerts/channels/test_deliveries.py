"""Discord, webhook, SMS and X against local servers: what they are sent, and what their answers mean."""

import hashlib
import hmac
import json
import logging
from typing import Any
from urllib.parse import parse_qs, unquote

import pytest
from aiohttp import web as aio
from channel_bench import ME, NOW, Call, Desk, Local, caller, destination, row
from oauthlib.oauth1 import Client

from alerts.channels import sms, x
from alerts.channels.discord import Discord
from alerts.channels.sms import Sms
from alerts.channels.webhook import Webhook
from alerts.channels.words import told
from alerts.channels.x import X
from alerts.outcome import Gone, NotSent, Refused, Sent
from market.errors import UserError

TOKEN = "a-Long_Token-of-discord-0123456789"
KEY = "5ec7e7" * 10


def answers(status: int, body: Any = None, **headers: str) -> Any:
    return lambda _call: aio.json_response(body or {}, status=status, headers=headers)


def refuses(data: bytes) -> Any:
    raise AssertionError(data)


# Discord


def hook(**fields: Any) -> Any:
    return destination("discord", address="123456789012345678", secret=TOKEN, **fields)


async def test_discord_gets_an_embed_in_the_colour_of_its_severity_that_calls_nobody() -> None:
    async with Local().open() as server:
        desk = await Desk(Discord(caller(server.url), f"{server.url}/api")).holds(hook())
        said = row(
            "discord",
            severity="critical",
            reading="@everyone **bold** [a](http://b)",
            table=["a  1", "```"],
        )
        assert await desk.send(said, repeat=True) == Sent()
    (call,) = server.calls
    assert call.path == f"/api/webhooks/123456789012345678/{TOKEN}?wait=true"
    body = call.json
    assert body["allowed_mentions"] == {"parse": []}
    (embed,) = body["embeds"]
    assert embed["title"] == "BTC perp 95,012.0, crossed above 95,000  \\#12"
    assert embed["description"] == (
        "```\na  1\n'''\n```\n\\@everyone \\*\\*bold\\*\\* \\[a\\]\\(http://b\\)"
    )
    assert embed["color"] == 0xD03B3B
    assert embed["footer"]["text"].startswith("critical · Binance BTCUSDT")
    assert embed["footer"]["text"].endswith("observed (repeat?)")
    assert embed["timestamp"] == "2026-05-28T20:26:39+00:00"


async def test_discord_says_itself_how_long_to_wait() -> None:
    async with Local(answers(429, {"retry_after": 0.65}, **{"Retry-After": "1"})).open() as server:
        desk = await Desk(Discord(caller(server.url), server.url)).holds(hook())
        assert await desk.send(row("discord")) == NotSent("HTTP 429", retry_after=0.65)
        server.reply = answers(429, {"retry_after": "soon"}, **{"Retry-After": "7"})
        assert await desk.send(row("discord")) == NotSent("HTTP 429", retry_after=7.0)


@pytest.mark.parametrize("status", [401, 404])
async def test_a_webhook_of_discord_that_is_gone_fails_and_is_not_called_again(status: int) -> None:
    async with Local(answers(status, {"code": 10015})).open() as server:
        desk = await Desk(Discord(caller(server.url), server.url)).holds(hook())
        assert await desk.send(row("discord")) == Gone(f"HTTP {status}")
        assert await desk.send(row("discord")) == Refused("the destination is failed")
        assert len(server.calls) == 1
        assert desk.book.of(ME)[0].error == f"HTTP {status}"


async def test_only_webhooks_of_discord_itself_are_added() -> None:
    async with Local().open() as server:
        way = Discord(caller(server.url), "https://discord.com/api")
        for url in (
            f"https://discord.com/api/webhooks/123456/{TOKEN}",
            f"https://discordapp.com/api/v10/webhooks/123456/{TOKEN}/",
            f"https://ptb.discord.com/api/webhooks/123456/{TOKEN}",
        ):
            found = await way.read(url, ME)
            assert (found.address, found.secret) == ("123456", TOKEN)
            assert TOKEN not in f"{found} {found.label}"
        thread = await way.read(f"https://discord.com/api/webhooks/123456/{TOKEN}?thread_id=98765", ME)  # fmt: skip
        assert thread.address == "123456?thread_id=98765"
        for url in (
            f"https://discord.com.evil.example/api/webhooks/123456/{TOKEN}",
            f"https://evil.example/api/webhooks/123456/{TOKEN}",
            f"http://discord.com/api/webhooks/123456/{TOKEN}",
            f"https://discord.com@evil.example/api/webhooks/123456/{TOKEN}",
            f"https://discord.com:444/api/webhooks/123456/{TOKEN}",
            f"https://discord.com/api/webhooks/123456/{TOKEN}/../../x",
            f"https://discord.com/api/webhooks/123456/{TOKEN}#x",
            "https://discord.com/api/webhooks/123456/short",
            "https://[::1",
            "",
        ):
            with pytest.raises(UserError, match="not the URL of a Discord webhook"):
                await way.read(url, ME)


# webhook


async def test_a_webhook_gets_signed_json_that_anybody_can_check_with_the_key() -> None:
    async with Local().open() as server:
        desk = await Desk(Webhook(caller(server.url)), mark="SIMULATED").holds(
            destination(address=f"{server.url}/hook?a=b", secret=KEY)
        )
        assert await desk.send(row()) == Sent()
        assert await desk.send(row(), repeat=True) == Sent()
    first, second = server.calls
    parts = dict(p.split("=") for p in first.headers["x-tidemark-signature"].split(","))
    made = hmac.new(KEY.encode(), parts["t"].encode() + b"." + first.body, hashlib.sha256)
    assert parts == {"t": str(NOW // 1000), "v1": made.hexdigest()}
    assert first.path == "/hook?a=b"
    assert first.json == {
        "version": 1, "id": "12-3", "kind": "price", "symbol": "BTC/USDT:USDT",
        "headline": "BTC perp 95,012.0, crossed above 95,000  #12",
        "text": "[SIMULATED] BTC perp 95,012.0, crossed above 95,000  #12\n"
                "Touched; the last price then was 95,001.0.\n"
                "Binance BTCUSDT · 20:26:40 UTC · 1 s · observed",
        "value": 95012.0, "threshold": 95000.0, "severity": "warning", "venues": ["binance"],
        "ts": NOW - 1000, "late": False, "test": False, "repeat": False, "market": "SIMULATED",
    }  # fmt: skip
    assert second.json["id"] == second.headers["x-tidemark-id"] == "12-3"
    assert second.json["repeat"] is True


async def test_figures_that_are_not_known_are_null_and_never_invalid_json() -> None:
    async with Local().open() as server:
        desk = await Desk(Webhook(caller(server.url))).holds(
            destination(address=server.url, secret=KEY)
        )
        said = row(value=float("nan"), threshold=None, venues=None, late=True)
        assert await desk.send(said) == Sent()
    body = json.loads(server.calls[0].body, parse_constant=refuses)
    assert (body["value"], body["threshold"], body["venues"], body["late"]) == (
        None,
        None,
        [],
        True,
    )


async def test_a_webhook_has_a_key_of_its_own_that_no_text_shows() -> None:
    async with Local().open() as server:
        way = Webhook(caller(server.url))
        one, two = [await way.read(f"{server.url}/secret-path", ME) for _ in range(2)]
        assert len(one.secret) == 64
        assert one.secret != two.secret
        assert one.shown_once
        assert "secret-path" not in one.label + str(one)
        with pytest.raises(UserError, match="Only https"):
            await way.read("http://example.com/", ME)


# SMS


def twilio(url: str) -> Sms:
    return Sms(caller(url), url, "AC123", "twilio-token", "+15005550006")


async def test_a_text_is_posted_to_twilio_with_the_account_and_in_one_segment() -> None:
    async with Local(answers(201, {"sid": "SM1"})).open() as server:
        desk = await Desk(twilio(server.url)).holds(destination("sms", address="+4915112345678"))
        assert await desk.send(row("sms")) == Sent()
    (call,) = server.calls
    assert call.path == "/2010-04-01/Accounts/AC123/Messages.json"
    assert call.headers["authorization"] == "Basic QUMxMjM6dHdpbGlvLXRva2Vu"
    form = parse_qs(call.body.decode())
    assert (form["To"], form["From"]) == (["+4915112345678"], ["+15005550006"])
    assert form["Body"][0].startswith("BTC perp 95,012.0, crossed above 95,000 #12\nTouched;")
    assert sms.places(form["Body"][0]) <= 160


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (400, {"code": 21610}, Gone("Twilio 21610")), (400, {"code": 21211}, Gone("Twilio 21211")),
        (400, {"code": 21602}, Refused("HTTP 400")), (429, {"code": 20429}, NotSent("HTTP 429")),
        (500, {}, NotSent("HTTP 500")),
        (401, {}, NotSent("HTTP 401: TWILIO_SID, TWILIO_TOKEN", retry_after=300.0)),
    ],
)  # fmt: skip
async def test_what_twilio_refuses(status: int, body: Any, expected: Any) -> None:
    async with Local(answers(status, body)).open() as server:
        desk = await Desk(twilio(server.url)).holds(destination("sms", address="+4915112345678"))
        assert await desk.send(row("sms")) == expected


async def test_twenty_texts_a_day_and_no_more() -> None:
    async with Local(answers(201)).open() as server:
        desk = await Desk(twilio(server.url)).holds(destination("sms", address="+4915112345678"))
        outcomes = [await desk.send(row("sms")) for _ in range(22)]
        assert outcomes == [Sent()] * 20 + [Refused("no more messages there today")] * 2
        desk.wall.advance(86_400_000)
        assert await desk.send(row("sms")) == Sent()
        assert len(server.calls) == 21


async def test_numbers_have_a_country_code() -> None:
    way = twilio("http://127.0.0.1:1")
    for typed in ("+49 151 1234-5678", "0049 (151) 12345678", "+4915112345678"):
        found = await way.read(typed, ME)
        assert found.address == "+4915112345678"
        assert found.label == "+49…678"
    for typed in ("015112345678", "+0123456789", "+49", "+49151x", "", "+" + "1" * 16):
        with pytest.raises(UserError, match="country code"):
            await way.read(typed, ME)


def test_an_sms_fits_and_never_shows_a_part_of_a_figure() -> None:
    for length in range(1, 200):
        headline = ("word " * 40)[
            :length
        ].strip() + " fell by 12,345.67 % to 0.00000123 USDT at $1.23 B"
        said = sms.text(told(row("sms", headline=headline)))
        assert sms.places(said) <= 160
        whole = {*headline.split(), "95,001.0.", "BTCUSDT", "20:26:40", "1"}
        assert {w for w in said.split() if any(c.isdigit() for c in w)} <= whole
        first = said.split("\n")[0]
        assert first == headline or first.endswith(" ...")
        assert (
            not any(c.isdigit() for c in first.removesuffix(" ...").split()[-1])
            or first == headline
        )
    cyrillic = sms.text(told(row("sms", headline="Биткоин выше 95 000 " * 9)))
    assert sms.places(cyrillic) <= 70
    assert cyrillic.split("\n")[0].endswith("выше ...")
    assert sms.places("€") == 2
    assert sms.places("ж") == 1


def test_a_test_text_always_carries_its_code() -> None:
    said = sms.text(
        told(
            row(
                "sms",
                headline="Test message of Tidemark",
                reading="Code 123456: type it.",
                test=True,
            ),
            mark="REPLAY 2026-06-14 from candles",
        )
    )
    assert "Code 123456" in said
    assert said.startswith("[REPLAY 2026-06-14 from candles]")


# X


def account(url: str) -> X:
    return X(caller(url), url, "key", "key-secret", "token", "token-secret")


async def test_a_post_is_signed_for_the_account_and_calls_nobody() -> None:
    async with Local(answers(201, {"data": {"id": "1"}})).open() as server:
        desk = await Desk(account(server.url)).holds(destination("x", address="x"))
        assert await desk.send(row("x", headline="BTC above 95,000 says @somebody")) == Sent()
    (call,) = server.calls
    assert call.path == "/2/tweets"
    assert call.json["text"].startswith(
        "BTC above 95,000 says @\u200bsomebody\n2026-05-28 20:26:39 UTC\n"
    )
    given = dict(
        part.split("=", 1) for part in call.headers["authorization"].removeprefix("OAuth ").replace('"', "").split(", ")
    )  # fmt: skip
    again = Client(
        "key", "key-secret", "token", "token-secret", nonce=given["oauth_nonce"], timestamp=given["oauth_timestamp"]
    )  # fmt: skip
    headers = again.sign(f"{server.url}/2/tweets", http_method="POST")[1]
    assert unquote(given["oauth_signature"]) in unquote(headers["Authorization"])


@pytest.mark.parametrize(
    ("status", "body", "headers", "expected"),
    [
        (403, {"detail": "You are not allowed to create a Tweet with duplicate content."}, {}, Sent()),
        (403, {"detail": "no"}, {}, Refused("HTTP 403")),
        (429, {}, {"x-rate-limit-reset": str(NOW // 1000 + 90)}, NotSent("HTTP 429", retry_after=90.0)),
        (429, {}, {"x-rate-limit-reset": str(NOW // 1000 - 90)}, NotSent("HTTP 429", retry_after=1.0)),
        (404, {}, {}, NotSent("HTTP 404", retry_after=300.0)),
        (401, {}, {}, NotSent("HTTP 401: X_KEY, X_SECRET, X_TOKEN, X_TOKEN_SECRET", retry_after=300.0)),
    ],
)  # fmt: skip
async def test_what_x_refuses(status: int, body: Any, headers: Any, expected: Any) -> None:
    async with Local(answers(status, body, **headers)).open() as server:
        desk = await Desk(account(server.url)).holds(destination("x", address="x"))
        assert await desk.send(row("x")) == expected


def test_a_post_fits_as_x_counts_it() -> None:
    assert x.weight("abc") == 3
    assert x.weight("ж") == 1
    assert x.weight("😀") == 2
    assert x.weight("漢字") == 4
    assert x.weight("see https://example.com/" + "a" * 300) == 27
    for words in ("plain words " * 60, "漢字 " * 200, "😀 " * 300):
        assert x.weight(x.text(told(row("x", headline=words)))) <= 280


# all of them


@pytest.mark.parametrize("channel", ["discord", "webhook", "sms", "x"])
@pytest.mark.parametrize("fault", ["ok", "refused", "hostile answer"])
async def test_no_log_shows_a_secret_an_address_or_an_answer(
    channel: str, fault: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)

    def reply(_call: Call) -> aio.Response:
        return aio.Response(status=200 if fault == "ok" else 400, text="answer-canary")

    async with Local(reply).open() as server:
        url = "http://127.0.0.1:1" if fault == "refused" else server.url
        ways = {
            "discord": Discord(caller(url), url), "webhook": Webhook(caller(url)),
            "sms": twilio(url), "x": account(url),
        }  # fmt: skip
        secret = {"discord": TOKEN, "webhook": KEY}.get(channel, "")
        address = {"webhook": f"{url}/path-canary", "sms": "+4915112345678"}.get(channel, "123456")
        to = destination(channel, address=address, secret=secret)
        desk = await Desk(ways[channel]).holds(to)
        outcome = await desk.send(row(channel))
    shown = f"{caplog.text} {outcome} {to} {ways[channel]} {desk.book.of(ME)}"
    for canary in (
        "answer-canary", "path-canary", TOKEN, KEY, "twilio-token", "QUMxMjM6", "key-secret", "token-secret",
        "+4915112345678",
    ):  # fmt: skip
        assert canary not in shown
