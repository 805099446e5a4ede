"""Settings of the ways out beside Telegram: whole or refused, and private hosts by the environment alone."""

from pathlib import Path

import pytest

from bot.config import Settings, SettingsError, load


def settings(tmp_path: Path, dotenv: str = "", **environment: str) -> Settings:
    path = tmp_path / ".env"
    path.write_text(dotenv)
    return load(environment, path)


def test_nothing_is_set_up_by_itself(tmp_path: Path) -> None:
    made = settings(tmp_path).channels
    assert (made.discord_api, made.twilio_api, made.x_api) == (
        "https://discord.com/api", "https://api.twilio.com", "https://api.x.com",
    )  # fmt: skip
    assert (made.smtp_url, made.twilio_sid, made.x_key, made.webhook_allow) == ("", "", "", ())
    assert made.secrets() == []


def test_all_of_it_reaches_the_channels(tmp_path: Path) -> None:
    made = settings(
        tmp_path,
        "SMTP_URL=smtps://u:pass-canary@mail.example.org\nEMAIL_FROM=a@example.org",
        TWILIO_SID="AC1", TWILIO_TOKEN="token-canary", TWILIO_FROM="+15005550006",
        X_KEY="k-canary", X_SECRET="s-canary", X_TOKEN="t-canary", X_TOKEN_SECRET="ts-canary",
        DISCORD_API="http://127.0.0.1:9001/api/", WEBHOOK_ALLOW="127.0.0.1:9001,hooks.lan:90",
    )  # fmt: skip
    found = made.channels
    assert found.webhook_allow == (("127.0.0.1", 9001), ("hooks.lan", 90))
    assert found.discord_api == "http://127.0.0.1:9001/api"
    assert (found.twilio_from, found.email_from) == ("+15005550006", "a@example.org")
    assert "canary" not in f"{made!r} {found!r}"
    assert {s for s in found.secrets() if "://" not in s} == {
        "pass-canary", "token-canary", "k-canary", "s-canary", "t-canary", "ts-canary",
    }  # fmt: skip


def test_private_hosts_are_let_through_by_the_environment_and_never_by_a_file(
    tmp_path: Path,
) -> None:
    with pytest.raises(SettingsError, match=r"sets WEBHOOK_ALLOW, .* environment alone"):
        settings(tmp_path, "WEBHOOK_ALLOW=127.0.0.1:80")
    with pytest.raises(SettingsError, match="environment alone"):
        settings(tmp_path, "webhook_allow=127.0.0.1:80", WEBHOOK_ALLOW="127.0.0.1:80")


@pytest.mark.parametrize(
    ("environment", "says"),
    [
        ({"WEBHOOK_ALLOW": "127.0.0.1"}, "WEBHOOK_ALLOW: '127.0.0.1' is not host:port"),
        ({"WEBHOOK_ALLOW": "*:80"}, "is not host:port"),
        ({"DISCORD_API": "http://127.0.0.1:80"}, "DISCORD_API: .*WEBHOOK_ALLOW"),
        ({"TWILIO_API": "https://10.0.0.1"}, "TWILIO_API: .*WEBHOOK_ALLOW"),
        ({"X_API": "ftp://x.com"}, "X_API: "),
        ({"SMTP_URL": "mail.example.org", "EMAIL_FROM": "a@b.cc"}, "SMTP_URL: write it like smtps"),
        ({"SMTP_URL": "smtp://mail.example.org"}, "Email needs EMAIL_FROM too"),
        ({"SMTP_URL": "smtp://h", "EMAIL_FROM": "me"}, "EMAIL_FROM: 'me' is not an email address"),
        ({"TWILIO_SID": "AC1"}, "SMS needs TWILIO_TOKEN, TWILIO_FROM too"),
        ({"X_KEY": "a", "X_TOKEN": "b"}, "X needs X_SECRET, X_TOKEN_SECRET too"),
        ({"TWILIO_FROM": "12"}, "TWILIO_FROM: '12' is not a number like"),
    ],
)
def test_what_is_wrong_is_refused_in_one_sentence(
    tmp_path: Path, environment: dict[str, str], says: str
) -> None:
    with pytest.raises(SettingsError, match=says):
        settings(tmp_path, **environment)


def test_no_refusal_repeats_a_password(tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as raised:
        settings(tmp_path, SMTP_URL="http://u:canary@h", EMAIL_FROM="a@b.cc")
    assert "canary" not in str(raised.value)
