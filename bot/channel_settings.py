"""Settings of the ways out beside Telegram: each value sound, each channel set up whole or not at all."""

import re
from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from typing import Any

from alerts.channels.fence import allowed, base
from alerts.channels.mailbox import is_mailbox, server
from alerts.channels.types import ChannelSettings

CHANNEL_NAMES = tuple(each.name for each in fields(ChannelSettings))
E164 = re.compile(r"\+[1-9]\d{6,14}")
WHOLE = {
    "Email": ("smtp_url", "email_from"),
    "SMS": ("twilio_sid", "twilio_token", "twilio_from"),
    "X": ("x_key", "x_secret", "x_token", "x_token_secret"),
}
ADDRESSES = ("discord_api", "twilio_api", "x_api")


def channel_settings(typed: Mapping[str, str]) -> ChannelSettings:
    """From what was typed, by name; a ValueError says which of it is wrong, and how."""
    values: dict[str, Any] = dict(typed)
    for name, read in READ.items():
        if name in values:
            values[name] = _named(name, read, values[name])
    found = ChannelSettings(**values)
    for channel, together in WHOLE.items():  # one that is half set up would be silently absent
        missing = [each.upper() for each in together if not getattr(found, each)]
        if missing and len(missing) < len(together):
            raise ValueError(f"{channel} needs {', '.join(missing)} too")
    safe: dict[str, Any] = {
        name: _named(name, lambda url: base(url, found.webhook_allow), getattr(found, name))
        for name in ADDRESSES
    }
    return replace(found, **safe)


def _named(name: str, read: Callable[[str], object], text: str) -> object:
    """What was read; what is wrong with it is told under its name."""
    try:
        return read(text)
    except ValueError as error:
        raise ValueError(f"{name.upper()}: {error}") from None


def _server(url: str) -> str:
    if url:
        server(url)
    return url


def _sender(address: str) -> str:
    if address and not is_mailbox(address):
        raise ValueError(f"{address!r} is not an email address")
    return address


def _number(text: str) -> str:
    if text and not E164.fullmatch(text):
        raise ValueError(f"{text!r} is not a number like +15005550006")
    return text


READ: dict[str, Callable[[str], object]] = {
    "twilio_from": _number, "smtp_url": _server, "email_from": _sender, "webhook_allow": allowed,
}  # fmt: skip
