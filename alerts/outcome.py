"""What became of a message: the only answers a way out gives."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Sent:
    """The other side has it. `message_id` is None where its answer could not be read."""

    message_id: int | None = None


@dataclass(frozen=True, slots=True)
class Gone:
    """The chat blocked or removed the bot, or no longer exists; do not write there again."""

    reason: str = ""


@dataclass(frozen=True, slots=True)
class Refused:
    """This message will not be taken, however often it is sent."""

    reason: str = ""


@dataclass(frozen=True, slots=True)
class Unknown:
    """It left, no answer came: it may have been delivered."""

    reason: str = ""


@dataclass(frozen=True, slots=True)
class NotSent:
    """Certainly not delivered; later is worth a try, after `retry_after` seconds where that is known."""

    reason: str = ""
    retry_after: float | None = None


Outcome = Sent | Gone | Refused | Unknown | NotSent
