"""What one channel has to say for itself: how its addresses are typed, and how a message gets there."""

from dataclasses import dataclass, field
from typing import Protocol

from alerts.channels.types import Destination
from alerts.channels.words import Told
from alerts.outcome import Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """What was typed, understood."""

    address: str = field(repr=False)
    label: str  # as it may be shown
    secret: str = field(default="", repr=False)
    shown_once: bool = False  # the secret was made here, and its owner needs it
    sure: bool = False  # it is known already that its owner may send there


class Addresses(Protocol):
    """How the addresses of one channel are read."""

    name: str
    example: str  # what to type after `/channels add `
    typed_back: bool  # the test message carries a code; else its arrival alone is proof enough
    admin: bool  # for admins alone
    daily: int  # messages a day at most; 0 for no end

    async def read(self, typed: str, owner_id: int) -> Address:
        """The address that was typed; UserError says what is wrong with it."""
        ...


class Way(Addresses, Protocol):
    """A channel that delivers by itself."""

    async def deliver(self, to: Destination, message: Told) -> Outcome:
        """Send it once; every answer and every failure to have one is an outcome."""
        ...
