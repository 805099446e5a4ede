"""What a command is: a name, a usage, a role and a function from `Args` and `App` to a `Reply`.

A handler returns values; it never sends. `Reply` is drawn by `bot/telegram/render.py` for a chat and by
`bot/ask.py` for a terminal, so texts here are plain: no tags, no escaping.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from handlers.types import Chat, Person, Preferences, Role
from market.types import Reading

if TYPE_CHECKING:
    from handlers.app import App

DATA_LIMIT = 64  # bytes of Telegram callback data
LOCAL_ADMIN = Person(
    user_id=0, role=Role.ADMIN, status="approved"
)  # whoever runs `python -m bot ask`
LOCAL_CHAT = Chat(chat_id=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Button:
    """A button under a card. Exactly one of `command`, `action` is set.

    `command` runs a command as if the presser had typed it; with `edit` its answer replaces the card.
    `action` is "family:verb" with a short `value`; it calls the function registered by `@action`.
    """

    text: str
    command: str = ""
    edit: bool = False
    action: str = ""
    value: str = ""
    style: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """A PNG of about 1280 x 1024."""

    name: str
    png: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """The answer first, the numbers second, where they come from third. Plain text, table lines <= 32 columns."""

    headline: str
    glyph: str = ""
    table: Sequence[str] = ()
    reading: str = ""
    evidence: str = ""
    updated: int | None = None  # market ms, shown on cards that can be refreshed


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What a handler answers. `figures` are the unrounded readings behind the text, by name."""

    card: Card | None = None
    text: str = ""  # plain paragraphs, for help and short answers; may be longer than one message
    picture: Picture | None = None
    buttons: Sequence[Sequence[Button]] = ()
    figures: Mapping[str, Reading[Any]] = field(default_factory=dict)
    toast: str = ""  # the answer to a button press where no message is wanted
    error: bool = False  # the user has to change something
    data: Mapping[str, Any] = field(
        default_factory=dict
    )  # further plain facts for --json (rows of a list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Args:
    """One call of a command: its words and who asks where.

    `words` are normalised (dashes, quotes, no-break spaces); `rest` is the text after the command as typed.
    """

    words: tuple[str, ...]
    rest: str = ""
    person: Person = LOCAL_ADMIN
    chat: Chat = LOCAL_CHAT
    update_id: int | None = None  # the key that makes a change happen once
    thread_id: int | None = None
    command: str = ""
    message_ts: int | None = None  # wall ms
    forwarded: bool = False

    @property
    def preferences(self) -> Preferences:
        """How this chat wants its answers."""
        return self.chat.preferences

    def word(self, index: int, default: str = "") -> str:
        """The word at `index`, or `default`."""
        return self.words[index] if index < len(self.words) else default


Handler = Callable[[Args, "App"], Awaitable[Reply]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """One entry of the registry: feeds routing, /help, the menus, usage texts and "did you mean"."""

    name: str  # underscore form: alert_volume
    run: Handler
    usage: str  # a working example, underscore form
    summary: str  # first line of the docstring
    role: Role = Role.VIEWER
    aliases: tuple[str, ...] = ()
    changes: bool = False  # changes something: never on edited or forwarded messages
    menu: bool = True
    group: str = "Market"  # heading in /help


COMMANDS: dict[str, Command] = {}
ACTIONS: dict[str, Command] = {}


def command(
    name: str,
    *,
    usage: str,
    role: Role = Role.VIEWER,
    aliases: tuple[str, ...] = (),
    changes: bool = False,
    menu: bool = True,
    group: str = "Market",
) -> Callable[[Handler], Handler]:
    """Register a command under its name (hyphen and underscore are the same) and its aliases."""

    def register(run: Handler) -> Handler:
        key = name.replace("-", "_")
        summary = (run.__doc__ or "").strip().splitlines()[0]
        entry = Command(
            name=key, run=run, usage=usage, summary=summary, role=role,
            aliases=tuple(a.replace("-", "_") for a in aliases),
            changes=changes, menu=menu, group=group,
        )  # fmt: skip
        for each in (key, *entry.aliases):
            if each in COMMANDS:
                raise ValueError(f"two commands are called {each}")
            COMMANDS[each] = entry
        return run

    return register


def action(
    name: str, *, role: Role = Role.VIEWER, changes: bool = False
) -> Callable[[Handler], Handler]:
    """Register what a button does: `name` is "family:verb"; `args.words` holds the button's value."""

    def register(run: Handler) -> Handler:
        ACTIONS[name] = Command(
            name=name,
            run=run,
            usage="",
            summary=(run.__doc__ or "").strip(),
            role=role,
            changes=changes,
        )
        return run

    return register
