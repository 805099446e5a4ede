"""Builds the channels that are set up, from what the operator has set."""

import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import certifi

from alerts.channels.base import DestinationChannel
from alerts.channels.book import AddressBook, Post
from alerts.channels.chats import ChatLookup, Chats
from alerts.channels.discord import Discord
from alerts.channels.email import Email
from alerts.channels.fence import Fence, Names, Resolve
from alerts.channels.http import Web
from alerts.channels.mailbox import server
from alerts.channels.sms import Sms
from alerts.channels.types import TELEGRAM, ChannelSettings, DestinationStore
from alerts.channels.way import Addresses, Way
from alerts.channels.webhook import Webhook
from alerts.channels.x import X
from market.clock import Clock


@dataclass(frozen=True, slots=True, kw_only=True)
class Channels:
    """The book of destinations, and the channel of each name that delivers to them."""

    book: AddressBook
    channels: Mapping[str, DestinationChannel]
    names: Names | None = None

    @classmethod
    def all(  # noqa: PLR0913 - what it is made of, each by name
        cls,
        settings: ChannelSettings,
        store: DestinationStore,
        post: Post,
        wall: Clock,
        clock: Clock,
        *,
        mark: Callable[[], str] = str,
        hide: Callable[[str], object] = str,
        lookup: ChatLookup | None = None,
        resolve: Resolve | None = None,
        context: ssl.SSLContext | None = None,
    ) -> "Channels":
        """Everything there is to `settings`; what is not set up is left out. `book.load()` comes next."""
        names: Names | None = None
        if resolve is None:
            resolve = names = Names()
        context = context or ssl.create_default_context(cafile=certifi.where())
        fence = Fence(resolve, settings.webhook_allow)
        ways = _ways(settings, Web(fence, wall, context), wall, context)
        readers: dict[str, Addresses] = {way.name: way for way in ways}
        if lookup is not None:
            readers[TELEGRAM] = Chats(lookup)
        book = AddressBook(store, readers, post, wall, clock, hide=hide)
        channels = {way.name: DestinationChannel(way, book, mark) for way in ways}
        return cls(book=book, channels=channels, names=names)

    def close(self) -> None:
        """Look no more names up."""
        if self.names is not None:
            self.names.close()


def _ways(s: ChannelSettings, web: Web, wall: Clock, context: ssl.SSLContext) -> list[Way]:
    found: list[Way] = [Discord(web, s.discord_api), Webhook(web)]
    if s.smtp_url and s.email_from:
        found.append(Email(server(s.smtp_url), s.email_from, wall, context=context))
    if s.twilio_sid and s.twilio_token and s.twilio_from:
        found.append(Sms(web, s.twilio_api, s.twilio_sid, s.twilio_token, s.twilio_from))
    if s.x_key and s.x_secret and s.x_token and s.x_token_secret:
        found.append(X(web, s.x_api, s.x_key, s.x_secret, s.x_token, s.x_token_secret))
    return found
