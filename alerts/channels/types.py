"""Where a person's alerts go besides the chat: destinations, who keeps them, and what the operator has set."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from alerts.types import Firing, Severity

DISCORD, WEBHOOK, EMAIL, SMS, X, TELEGRAM = "discord", "webhook", "email", "sms", "x", "telegram"
DISCORD_API = "https://discord.com/api"
TWILIO_API = "https://api.twilio.com"
X_API = "https://api.x.com"
TEST_ID, DIGEST_ID = -3, -4  # in place of an alert's id: test messages, daily digests
NO_DIGEST = -1
RANK = {Severity.INFO: 0, Severity.WARNING: 1, Severity.CRITICAL: 2}


class Status(StrEnum):
    """Where a destination is in its life."""

    PENDING = "pending"  # its owner has not shown yet that it is theirs
    VERIFIED = "verified"
    OFF = "off"  # its owner wants nothing there for now
    FAILED = "failed"  # the other side will not have us any more
    REMOVED = "removed"  # kept without its address, so that adding can be counted


@dataclass(frozen=True, slots=True, kw_only=True)
class Destination:
    """One way out of one person. What would let others write there never shows in a log."""

    id: int
    owner_id: int
    channel: str
    address: str = field(
        repr=False
    )  # Discord: the webhook's id, else the URL, the mailbox, the number, the chat
    secret: str = field(default="", repr=False)  # Discord: its token; webhook: the signing key
    label: str = ""  # the address as it may be shown
    status: Status = Status.PENDING
    code: str = field(default="", repr=False)  # has to be typed back
    code_ts: int = 0  # wall ms: until when
    tries: int = 0  # wrong codes typed
    least: Severity = Severity.INFO
    error: str = ""  # why the last message was not taken
    spent: int = 0  # messages on `spent_day`
    spent_day: int = 0  # days since 1970, UTC
    digest_at: int = NO_DIGEST  # minute of the owner's day
    digest_day: int = 0  # ordinal of the local date of the last digest
    digest_ts: int = 0  # market ms: up to when it told
    created_ts: int = 0
    updated_ts: int = 0

    def takes(self, severity: Severity) -> bool:
        """Whether messages of this severity go there."""
        return self.status is Status.VERIFIED and RANK[severity] >= RANK[self.least]


class DestinationStore(Protocol):
    """Keeps destinations; every method is one durable transaction."""

    async def all(self) -> list[Destination]:
        """All that were not removed, by id."""
        ...

    async def add(self, destination: Destination) -> Destination:
        """Keep a new one; its `id` is given here."""
        ...

    async def save(self, destination: Destination) -> None:
        """Replace the one with this id."""
        ...

    async def added(self, owner_id: int, since: int) -> int:
        """How many this person added since (wall ms), removed ones included."""
        ...

    async def firings_of(
        self, owner_id: int, since: int, until: int, limit: int = 500
    ) -> list[Firing]:
        """Firings of this person's rules with since < ts <= until (market ms), newest first."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelSettings:
    """What the operator has set; a channel without its settings is not there."""

    discord_api: str = DISCORD_API
    twilio_api: str = TWILIO_API
    twilio_sid: str = ""
    twilio_token: str = field(default="", repr=False)
    twilio_from: str = ""
    x_api: str = X_API
    x_key: str = field(default="", repr=False)
    x_secret: str = field(default="", repr=False)
    x_token: str = field(default="", repr=False)
    x_token_secret: str = field(default="", repr=False)
    smtp_url: str = field(default="", repr=False)
    email_from: str = ""
    webhook_allow: tuple[tuple[str, int], ...] = ()  # hosts and ports that may be private

    def secrets(self) -> Sequence[str]:
        """What no log may show."""
        login = self.smtp_url.partition("://")[2].rpartition("@")[0]
        password = login.partition(":")[2]
        return [
            each
            for each in (
                self.twilio_token, self.x_key, self.x_secret, self.x_token, self.x_token_secret, password,
                self.smtp_url if password else "",
            )
            if each
        ]  # fmt: skip
