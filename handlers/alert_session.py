"""How far one person is with the alert they make by tapping: kept as a draft, so that a restart does not lose it."""

import json
import secrets
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from handlers.app import App
from handlers.base import Args, Button, Reply
from handlers.types import Draft, DraftStore
from market.errors import UserError
from market.language import _
from market.types import MINUTE

LIFETIME = 10 * MINUTE  # wall ms without a press
COIN, GROUP, KIND, PRESET, OPTIONS, ECHO = "coin", "group", "kind", "preset", "options", "echo"
PAGES = (COIN, GROUP, KIND, PRESET, OPTIONS, ECHO)


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """What was chosen so far. `line` is the command the choices amount to, without its options."""

    nonce: str
    page: str
    trail: tuple[str, ...] = ()  # pages to go back to
    coin: str = ""
    group: str = ""
    kind: str = ""
    line: str = ""
    severity: str = ""
    repeat: str = ""
    expires: str = ""
    offers: tuple[str, ...] = field(default=())  # what the buttons of this page stand for, in order

    @property
    def command(self) -> str:
        """The whole command, options and all."""
        parts = [self.line, self.severity, self.repeat, self.expires]
        return " ".join(part for part in parts if part)

    def on(self, page: str, **chosen: Any) -> "Session":
        """The next page, with a way back."""
        return replace(self, page=page, trail=(*self.trail, self.page), offers=(), **chosen)

    def with_option(self, name: str, value: str) -> "Session":
        """Another severity, rhythm or end."""
        chosen: dict[str, Any] = {name: value}
        return replace(self, **chosen)

    def back(self) -> "Session":
        """The page before; the first page stays."""
        if not self.trail:
            return self
        return replace(self, page=self.trail[-1], trail=self.trail[:-1], offers=())


def begun(page: str, **chosen: Any) -> Session:
    """A session of its own: the buttons of one before stop working."""
    return Session(nonce=secrets.token_urlsafe(6), page=page, **chosen)


def kept(app: App) -> DraftStore:
    """Where sessions are kept; UserError where this process has no place for them."""
    if app.drafts is None:
        raise UserError(_("I cannot keep a half-made alert here."), "/alert BTC above 95k")
    return app.drafts


async def save(session: Session, args: Args, app: App) -> None:
    """Keep it in place of the one before."""
    draft = Draft(
        chat_id=args.chat.chat_id, user_id=args.person.user_id,
        body=json.dumps(asdict(session), ensure_ascii=False), updated_ts=app.wall.now(),
    )  # fmt: skip
    await kept(app).save(draft)


async def load(args: Args, app: App) -> Session | Reply:
    """The session a button belongs to, or what is said to somebody whose button it is not."""
    owner, nonce = args.word(0), args.word(1)
    if owner != str(args.person.user_id):
        return _toast(_("Somebody else is making this alert; /alert starts your own."))
    draft = await kept(app).draft(args.chat.chat_id, args.person.user_id)
    session = _read(draft.body) if draft is not None else None
    if draft is None or session is None or session.nonce != nonce:
        return _toast(
            _("That is finished or given up; /alert starts anew, /alerts has what is armed.")
        )
    if app.wall.now() - draft.updated_ts > LIFETIME:
        await kept(app).drop(args.chat.chat_id, args.person.user_id)
        return _toast(_("That lay there for more than 10 m; /alert starts anew."))
    return session


async def drop(args: Args, app: App) -> None:
    """It is finished, or given up."""
    await kept(app).drop(args.chat.chat_id, args.person.user_id)


def button(text: str, verb: str, session: Session, args: Args, choice: str = "") -> Button:
    """A button of this session's page: it names its owner, its session and its page."""
    words = (str(args.person.user_id), session.nonce, session.page, choice)
    return Button(
        text=text, action=f"wizard:{verb}", value=" ".join(words).strip(),
        style="danger" if verb == "cancel" else "",
    )  # fmt: skip


def in_rows(keys: Sequence[Button], width: int = 3) -> list[list[Button]]:
    """Keys in rows that fit a phone."""
    return [list(keys[i : i + width]) for i in range(0, len(keys), width)]


def _toast(text: str) -> Reply:
    return Reply(toast=text, error=True)


def _read(body: str) -> Session | None:
    """None for a draft of a version that kept something else."""
    try:
        found = json.loads(body)
        found["trail"], found["offers"] = tuple(found["trail"]), tuple(found["offers"])
        session = Session(**found)
    except (ValueError, TypeError, KeyError):
        return None
    return session if session.page in PAGES else None
