"""What a failed call means: was it delivered, and is another try worth it.

The library's classes mislead twice: a bad request is one of its network errors, and a time-out may come
after delivery. What counts is the cause.
"""

from enum import Enum, auto

import httpx
from telegram.error import (
    BadRequest,
    ChatMigrated,
    Forbidden,
    InvalidToken,
    NetworkError,
    RetryAfter,
    TelegramError,
)

NEVER_LEFT = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.ProxyError,
    httpx.UnsupportedProtocol,
)


class Verdict(Enum):
    """What to do about a failed call."""

    WAIT = auto()  # the limit: this chat pauses as long as Telegram says
    GONE = auto()
    MIGRATED = auto()
    PLAIN = auto()  # our HTML was refused: once more without tags
    SAME = auto()  # an edit changed nothing, which is success
    GENERAL = auto()  # the topic was deleted: the general one instead
    REFUSED = auto()
    LATER = auto()  # certainly not delivered
    UNKNOWN = auto()  # perhaps delivered
    DELIVERED = auto()  # taken, only the answer cannot be read


BAD_REQUESTS = (  # Telegram's words, any case: the library changes the case of some
    ("can't parse entities", Verdict.PLAIN),
    ("message is not modified", Verdict.SAME),
    ("message thread not found", Verdict.GENERAL),
    ("chat not found", Verdict.GONE),
    ("user is deactivated", Verdict.GONE),
    ("group chat was deactivated", Verdict.GONE),
)


BY_CLASS = (  # in this order: a bad request is a network error too
    (RetryAfter, Verdict.WAIT),
    (Forbidden, Verdict.GONE),
    (ChatMigrated, Verdict.MIGRATED),
    (InvalidToken, Verdict.LATER),
)


def judge(error: TelegramError) -> Verdict:
    """The meaning of `error`."""
    for kind, verdict in BY_CLASS:
        if isinstance(error, kind):
            return verdict
    text = str(error).lower()
    if isinstance(error, BadRequest) and isinstance(error.__cause__, TelegramError):
        return Verdict.LATER  # refused, and the reason cannot be read: it may be one that passes
    if isinstance(error, BadRequest):
        return next((v for words, v in BAD_REQUESTS if words in text), Verdict.REFUSED)
    if isinstance(error, NetworkError):
        return _network(error)
    return Verdict.DELIVERED if "invalid server response" in text else Verdict.UNKNOWN


def _network(error: NetworkError) -> Verdict:
    cause = error.__cause__
    if isinstance(cause, NEVER_LEFT):
        return Verdict.LATER
    if isinstance(cause, TelegramError) or (cause is None and type(error) is NetworkError):
        # A status and no transport fault: 5xx. A gateway that timed out may have passed it on.
        late = any(words in str(error).lower() for words in ("gateway time", "(504)"))
        return Verdict.UNKNOWN if late else Verdict.LATER
    return Verdict.UNKNOWN
