"""Who asks, what they prefer, and where that is kept."""

from dataclasses import dataclass
from enum import IntEnum
from typing import Protocol


class Role(IntEnum):
    """What a person may do; each role includes the ones before it."""

    NOBODY = 0
    VIEWER = 1
    ALERTER = 2
    TRADER = 3
    ADMIN = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Preferences:
    """How one chat wants its answers."""

    zone: str = "UTC"  # IANA name
    unit: str = "usd"  # headline unit of volumes: "usd" or "coin"
    exchange: str = "binance"  # the default venue of /ta, /chart and alerts


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """One Telegram user as this product knows them. Ids are 64-bit."""

    user_id: int
    name: str = ""
    role: Role = Role.NOBODY
    status: str = "unknown"  # unknown, pending, approved, denied


@dataclass(frozen=True, slots=True, kw_only=True)
class Chat:
    """One conversation. `alive` turns False when the bot was blocked or removed."""

    chat_id: int
    kind: str = "private"  # private, group, supergroup, channel
    title: str = ""
    alive: bool = True
    preferences: Preferences = Preferences()


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredUpdate:
    """One update of the inbox: kept under its update id until it was handled."""

    update_id: int
    payload: str  # the JSON as Telegram sent it
    received_ts: int
    attempts: int = 0


class PeopleStore(Protocol):
    """Users, roles, chats and preferences."""

    async def person(self, user_id: int) -> Person | None: ...
    async def save_person(self, person: Person, now: int) -> None: ...
    async def admins(self) -> list[Person]: ...
    async def chat(self, chat_id: int) -> Chat | None: ...
    async def save_chat(self, chat: Chat, now: int) -> None: ...
    async def save_preferences(self, chat_id: int, preferences: Preferences, now: int) -> None: ...
    async def set_alive(self, chat_id: int, alive: bool, now: int) -> None: ...
    async def move_chat(self, old: int, new: int, now: int) -> None:
        """Group became supergroup: alerts, preferences, outbox rows move in one transaction."""
        ...

    async def audit(self, *, actor: int, action: str, detail: str, now: int) -> None:
        """One privileged action, append-only."""
        ...


class InboxStore(Protocol):
    """Updates that were received and not yet handled; survives kill -9."""

    async def store(self, updates: list[StoredUpdate]) -> list[int]:
        """Keep them in one durable transaction; returns the ids that were new."""
        ...

    async def pending(self, limit: int = 1000) -> list[StoredUpdate]:
        """Stored and not handled, oldest first."""
        ...

    async def claim(self, update_id: int, now: int) -> int:
        """Count one more attempt, durably, before work starts; returns how many there were before."""
        ...

    async def done(self, update_id: int, now: int) -> None:
        """Handled: it will not be handed out again."""
        ...

    async def last_id(self) -> int | None:
        """The highest stored update id."""
        ...


class ButtonStore(Protocol):
    """What is behind a button whose payload does not fit the 64 bytes of callback data."""

    async def put(self, token: str, payload: str, chat_id: int, expires: int) -> None: ...
    async def take(self, token: str, chat_id: int, now: int) -> str | None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """What one person has begun in one chat and not finished: the wizard, a rule that waits to be armed."""

    chat_id: int
    user_id: int
    body: str  # JSON
    message_id: int | None = None
    updated_ts: int = 0  # wall ms


class DraftStore(Protocol):
    """One draft for each chat and person; survives a restart."""

    async def draft(self, chat_id: int, user_id: int) -> Draft | None: ...
    async def save(self, draft: Draft) -> None: ...
    async def drop(self, chat_id: int, user_id: int) -> None: ...
    async def drop_before(self, ts: int) -> int:
        """Forget those that nobody went on with since `ts` (wall ms)."""
        ...
